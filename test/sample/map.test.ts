/** Maps: every way of matching and kind of value, defaults, faults named by line, and changes at run time. */
import t from 'tap';
import { compileExpression } from '../../lib/sample/expression.js';
import { patternRegistry } from '../../lib/sample/pattern-registry.js';
import { toText } from '../../lib/sample/values.js';
import { alertsOf, fakeContext, fakeStream } from '../fixtures/stream-view.js';

const FILES = {
	'/str': '# names\nabc value of  abc  \n\nnum 12\n',
	'/int': 'abc 42\n5 7\n',
	'/ip': 'abc 192.0.2.9\n',
	'/beg': '/a one\n/a/b two\n/ three\n',
	'/reg': '^/x/([0-9]+)/ n=\\1 end\n',
	'/net': '10.0.0.0/8 ten\n10.1.0.0/16 finer\n',
	'/range': '1:9 low\n10: high\n',
	'/badip': '10.0.0.0/40 x\n',
};

t.test('lookups', async (t) => {
	const context = fakeContext({ files: FILES });
	const at = (text: string): string | undefined => {
		const value = compileExpression([text], 0, context, { oneWord: true })?.expression.evaluate(fakeStream());
		return value === undefined ? undefined : toText(value);
	};
	t.equal(at('str(abc),map(/str)'), 'value of  abc');
	t.equal(at('str(nope),map(/str)'), undefined);
	t.equal(at('str(nope),map(/str,none)'), 'none');
	t.equal(at('str(abc),map_str_int(/int),add(1)'), '43');
	t.equal(at('str(zz),map_str_int(/int,5)'), '5');
	t.equal(at('str(abc),map_str_ip(/ip),ipmask(24)'), '192.0.2.0');
	t.equal(at('str(zz),map_str_ip(/ip,127.0.0.1)'), '127.0.0.1');
	t.equal(at('str(/a/b/c),map_beg(/beg)'), 'two');
	t.equal(at('str(/x/12/y),map_regm(/reg)'), 'n=12 end');
	t.equal(at('str(/x/12/y),map_reg(/reg)'), 'n=\\1 end');
	t.equal(at('ipv4(10.1.2.3),map_ip(/net)'), 'finer');
	t.equal(at('str(10.2.2.3),map_ip(/net)'), 'ten');
	t.equal(at('int(50),map_int(/range)'), 'high');
	t.same(alertsOf(context), []);
});

t.test('faults', async (t) => {
	const error = (text: string): string | undefined => {
		const context = fakeContext({ files: FILES });
		compileExpression([text], 0, context, { oneWord: true });
		return alertsOf(context)[0];
	};
	t.match(error('str(a),map_str_int(/str)'), /unable to parse 'value of {2}abc' at line 2 of file '\/str'/);
	t.match(error('str(a),map_ip(/badip)'), /'10\.0\.0\.0\/40' is not a valid IPv4 or IPv6 address at line 1/);
	t.match(error('str(a),map_str_ip(/ip,host)'), /'host' is not an IP address/);
	t.match(error('str(a),map_str_int(/int,x)'), /failed to parse 'x' as type 'integer'/);
});

t.test('a file is one set, however many rules read it', async (t) => {
	const context = fakeContext({ files: FILES });
	const compile = (): (() => unknown) => {
		const expression = compileExpression(['req.hdr(k),map(/str,none)'], 0, context)?.expression;
		return () => expression?.evaluate(fakeStream({ headers: { k: 'added' } }));
	};
	const first = compile();
	const second = compile();
	const reference = patternRegistry(context).find('/str', 'map');
	t.equal(patternRegistry(context).list('map').length, 1);
	t.equal(first(), 'none');
	for (const index of reference?.indexes.values() ?? []) index.add('added', false, 'now there');
	t.equal(first(), 'now there');
	t.equal(second(), 'now there');
});
