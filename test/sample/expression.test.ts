/** Expressions: what is refused and how, sites, casts, several values, and where we differ from HAProxy on purpose. */
import t from 'tap';
import { CONVERTERS, UNSUPPORTED_CONVERTERS } from '../../lib/sample/converters/index.js';
import { compileExpression, parseExpression } from '../../lib/sample/expression.js';
import { FETCHES, UNSUPPORTED_FETCHES } from '../../lib/sample/fetches/index.js';
import type { RuleSite, SampleValue, StreamView } from '../../lib/sample/types.js';
import { castTo, normalizeInt, readInt } from '../../lib/sample/values.js';
import { alertsOf, fakeContext, fakeProxy, fakeServer, fakeStream } from '../fixtures/stream-view.js';
import { REFUSED } from './corpus.js';

function value(text: string, stream: StreamView = fakeStream()): SampleValue | undefined {
	const context = fakeContext();
	const compiled = compileExpression([text], 0, context, { oneWord: true });
	if (compiled === undefined) throw new Error(alertsOf(context).join('\n'));
	return compiled.expression.evaluate(stream);
}

function error(text: string, options: Parameters<typeof fakeContext>[0] = {}): string {
	const parsed = parseExpression([text], 0, fakeContext(options), { oneWord: true });
	return 'error' in parsed ? parsed.error : 'accepted';
}

t.test('what HAProxy refuses is refused', async (t) => {
	for (const text of REFUSED) t.not(error(text), 'accepted', text);
});

t.test('messages name the word and the nearest known one', async (t) => {
	t.equal(error('pth'), "unknown fetch method 'pth'; did you mean 'path' ?");
	t.match(error('src,lowr'), /^unknown converter 'lowr'; did you mean 'lower' \?$/);
	t.equal(
		error('fc_rtt'),
		"fetch method 'fc_rtt' is not supported by holdfast (Node does not tell the kernel's TCP_INFO)",
	);
	t.equal(
		error('str(a),51d.single(x)'),
		"converter '51d.single' is not supported by holdfast (the device databases are proprietary libraries)",
	);
	t.equal(error('hdr(a'), "fetch method 'hdr' : expected ')'");
	t.match(error('hdr(a,b)'), /failed to parse 'b' as type 'integer' at position 2/);
	t.match(error('str(a),word(1)'), /missing arguments \(got 1\/2\), type 'string' expected/);
	t.match(error('hdr(a),sha1,add(1)'), /converter 'add' cannot be applied/);
	t.match(error('src_conn_cnt(zz)'), /unable to find table 'zz'/);
	t.match(error('be_conn(zz)'), /unable to find backend 'zz'/);
	t.match(error('srv_conn(zz/a)'), /unable to find proxy 'zz'/);
	t.match(error('var(foo.a)'), /invalid variable name 'foo\.a'/);
	t.match(error('var(txn.a-b)'), /Only alphanumeric/);
	t.match(error('str(a),regsub("(",x)'), /regex '\(' is invalid/);
	t.match(error('str(a),map(/none)'), /failed to open pattern file <\/none>/);
	t.match(error('sc_conn_cnt(7)'), /there is no sc7/);
	t.match(error('str(a),set-var(txn.x,ifmaybe)'), /unknown condition 'ifmaybe'/);
	const context = fakeContext();
	t.equal(compileExpression(['nope'], 0, context), undefined);
	t.same(context.diagnostics.list, [
		{
			severity: 'alert',
			place: { file: 'test.cfg', line: 7 },
			text: "error detected in listen 'fe' while parsing 'http-request' rule : unknown fetch method 'nope'",
		},
	]);
});

t.test('a fetch is refused where what it reads is not there', async (t) => {
	const cases: readonly (readonly [RuleSite, string, string])[] = [
		[
			'tcp-request connection',
			'path',
			"fetch method 'path' extracts information from 'HTTP request headers', none of which is available here",
		],
		[
			'http-request',
			'status',
			"fetch method 'status' extracts information from 'HTTP response', none of which is available here",
		],
		[
			'http-response',
			'path',
			"fetch method 'path' extracts information from 'HTTP request headers', none of which is available here",
		],
		[
			'log-format',
			'req.hdr(a)',
			"fetch method 'req.hdr' extracts information from 'HTTP request headers', none of which is available here",
		],
		['http-response', 'res.hdr(a)', 'accepted'],
		['http-response', 'method', 'accepted'],
		['log-format', 'status', 'accepted'],
		['tcp-request connection', 'src', 'accepted'],
		['tcp-request content', 'req.len', 'accepted'],
	];
	for (const [site, text, expected] of cases) t.equal(error(text, { site }), expected, `${text} in ${site}`);
	t.match(error('be_name', { kind: 'frontend' }), /from 'backend'/);
	t.equal(error('be_name', { kind: 'backend' }), 'accepted');
});

t.test('`hdr` and `cookie` follow the side of the rule', async (t) => {
	const stream = fakeStream({
		headers: { x: 'request', cookie: 'c=1' },
		status: 200,
		responseHeaders: { x: 'response', 'set-cookie': ['c=2; Path=/; d=9', 'e=5'] },
	});
	const at = (site: RuleSite, text: string): unknown =>
		compileExpression([text], 0, fakeContext({ site }))?.expression.evaluate(stream);
	t.equal(at('http-request', 'hdr(x)'), 'request');
	t.equal(at('http-response', 'hdr(x)'), 'response');
	t.equal(at('http-request', 'cookie(c)'), '1');
	t.equal(at('http-response', 'cookie(c)'), '2');
	t.equal(at('http-response', 'res.cook(e)'), '5');
	t.equal(at('http-response', 'res.cook(d)'), undefined, 'attributes are no cookies');
	t.equal(at('http-response', 'res.cook_cnt'), 2);
});

t.test('converters may stand as words of their own', async (t) => {
	const context = fakeContext();
	const compiled = compileExpression(['set', 'src', 'ipmask(24)', 'lower', 'if', 'x'], 1, context);
	t.equal(compiled?.next, 4);
	t.equal(compiled?.expression.evaluate(fakeStream()), '192.0.2.0');
	t.equal(compileExpression(['src', 'ipmask(24)'], 0, context, { oneWord: true })?.next, 1);
});

t.test('several values', async (t) => {
	const stream = fakeStream({ headers: { a: ['1, 2', '3'], cookie: 'c=1; c=2' }, target: '/?p=1&p=2' });
	const all = (text: string): unknown[] => {
		const seen: unknown[] = [];
		compileExpression([text], 0, fakeContext())?.expression.each(stream, (one) => {
			seen.push(one);
			return false;
		});
		return seen;
	};
	t.same(all('req.hdr(a)'), ['1', '2', '3']);
	t.same(all('req.hdr(a,2)'), ['2']);
	t.same(all('req.fhdr(a)'), ['1, 2', '3']);
	t.same(all('req.hdr_val(a),add(1)'), [2, 3, 4]);
	t.same(all('req.cook(c)'), ['1', '2']);
	t.same(all('urlp(p)'), ['1', '2']);
	t.same(all('path'), ['/']);
	t.same(all('req.hdr(zz)'), []);
});

t.test('names of every kind are only names', async (t) => {
	const stream = fakeStream({
		target: '/?__proto__=p&constructor=c',
		headers: [
			['__proto__', 'evil'],
			['cookie', '__proto__=1; hasOwnProperty=2'],
		],
	});
	t.equal(value('req.hdr(__proto__)', stream), 'evil');
	t.equal(value('req.hdr(constructor)', stream), undefined);
	t.equal(value('req.cook(hasOwnProperty)', stream), '2');
	t.equal(value('urlp(__proto__)', stream), 'p');
	t.equal(value('var(txn.__proto__)', stream), undefined);
	t.equal(value('str(x),set-var(txn.constructor),concat(,txn.constructor)', stream), 'xx');
	t.match(error('constructor'), /unknown fetch method/);
	t.match(error('str(a),__proto__'), /unknown converter/);
});

t.test('header walks end, whatever the header', async (t) => {
	const nasty = [
		'=',
		';',
		',,,;;;==',
		'"',
		'"\\',
		'a="',
		'; ;=;',
		` ${';'.repeat(8000)}`,
		'\\'.repeat(5000),
		'a=1;'.repeat(2000),
	];
	for (const cookie of nasty) {
		const stream = fakeStream({ headers: { cookie, a: cookie }, target: `/?${cookie}` });
		for (const text of ['req.cook_cnt', 'req.cook(a)', 'req.hdr_cnt(a)', 'urlp(a)', 'req.hdr(a,-1)'])
			value(text, stream);
	}
	t.pass('no loop');
});

t.test('converters bound what they make', async (t) => {
	const stream = fakeStream({ headers: { a: 'a'.repeat(16000) } });
	t.equal(value('req.hdr(a),regsub(a,bbbbbbbbbbbbbbbb,g)', stream), undefined);
	t.equal(value('str(AB%00CD),url_dec', stream), 'AB\0CD', 'an embedded zero byte stays');
	t.equal(value('str(1e1000000000),add(1)'), 2);
});

t.test('integers keep one form and 64 bits', async (t) => {
	t.equal(readInt('9007199254740993'), 9007199254740993n);
	t.equal(readInt('-0'), 0);
	t.ok(Object.is(readInt('-0'), 0));
	t.equal(normalizeInt(5n), 5);
	t.equal(normalizeInt(2n ** 70n), 9223372036854775807n);
	t.ok(Object.is(value('int(0),mul(-1)'), 0), 'no negative zero');
	t.ok(Object.is(value('int(-3),div(4)'), 0));
	t.equal(value('int(9007199254740991),add(1)'), 9007199254740992n);
	t.equal(value('int(9007199254740992),sub(1)'), 9007199254740991);
	t.equal(value('int(-9223372036854775808),cpl'), 9223372036854775807n);
	t.equal(castTo('bool', 9223372036854775807n), true);
});

t.test('variables as operands', async (t) => {
	const stream = fakeStream({ variables: { 'txn.n': 5, 'txn.s': '7', 'txn.b': Buffer.from([1]) } });
	t.equal(value('int(1),add(txn.n)', stream), 6);
	t.equal(value('int(1),add(txn.s)', stream), 8);
	t.equal(value('int(1),add(txn.b)', stream), undefined);
	t.equal(value('int(1),add(txn.none)', stream), undefined);
	t.equal(value('str(a),hmac(sha256,txn.none)', stream), undefined);
});

t.test('bodies and raw bytes', async (t) => {
	const stream = fakeStream({ body: 'user=joe&x=1', headers: { 'content-length': '12' } });
	t.equal(value('req.body_param(user)', stream), 'joe');
	t.equal(value('req.body_len', stream), 12);
	t.equal(value('req.body_size', stream), 12);
	t.same(value('req.body', stream), Buffer.from('user=joe&x=1'));
	t.same(value('req.payload(5,3)', stream), Buffer.from('joe'));
	t.equal(value('req.payload(5,100)', stream), undefined);
	t.same(value('req.payload(5,0)', stream), Buffer.from('joe&x=1'));
	t.same(value('req.payload_lv(0,1)', fakeStream({ body: '\x03abcd' })), Buffer.from('abc'));
	t.same(value('req.payload_lv(1,2,+1)', fakeStream({ body: 'x\x00\x02-ab' })), Buffer.from('ab'));
	const rdp = '\x03\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=joe\r\n';
	t.equal(value('req.rdp_cookie(mstshash)', fakeStream({ body: rdp })), 'joe');
	t.equal(value('req.rdp_cookie_cnt', fakeStream({ body: rdp })), 1);
	t.equal(value('req.rdp_cookie_cnt', fakeStream({ body: 'GET / HTTP/1.1\r\n' })), 0);
});

t.test('proxies and servers', async (t) => {
	const limited = fakeServer({ name: 'a', maxconn: 10, maxqueue: 5, currentSessions: () => 4, queuedCount: () => 1 });
	const down = fakeServer({ name: 'b', isUsable: () => false });
	const backend = fakeProxy({ name: 'be', isBackend: true, servers: [limited, down], queuedCount: () => 7 });
	const context = fakeContext({
		backends: [backend, fakeProxy({ name: 'empty', queuedCount: () => 3 })],
		kind: 'frontend',
	});
	const at = (text: string): unknown => compileExpression([text], 0, context)?.expression.evaluate(fakeStream());
	t.equal(at('be_conn_free(be)'), 6);
	t.equal(at('connslots(be)'), 10);
	t.equal(at('nbsrv(be)'), 1);
	t.equal(at('avg_queue(be)'), 7);
	t.equal(at('avg_queue(empty)'), 6, 'twice the queue without servers');
	t.equal(at('srv_is_up(be/b)'), false);
	t.equal(at('srv_conn_free(be/a)'), 6);
	t.equal(at('str(be),nbsrv'), 1);
	t.equal(at('str(be/a),srv_queue'), 1);
	t.same(alertsOf(context), []);
});

t.test('the process', async (t) => {
	const context = fakeContext({ environment: { SET_HERE: 'v' }, process: { isStopping: () => true, threadIndex: 3 } });
	const at = (text: string): unknown => compileExpression([text], 0, context)?.expression.evaluate(fakeStream());
	t.equal(at('env(SET_HERE)'), 'v');
	t.equal(at('env(HOLDFAST_NOT_THERE)'), undefined);
	t.equal(at('date'), 1772600767);
	t.equal(at('date(-10,ms)'), 1772600767079);
	t.equal(at('date_us'), 89000);
	t.equal(at('stopping'), true);
	t.equal(at('thread'), 3);
	t.equal(at('hostname'), 'testhost');
	t.match(at('uuid'), /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
	for (let i = 0; i < 50; i++) t.ok((at('rand(3)') as number) < 3);
	t.match(error('date(0,days)'), /'days' is not a unit/);
});

t.test('a keyword is either built or listed as not supported', async (t) => {
	for (const name of FETCHES.keys()) t.notOk(UNSUPPORTED_FETCHES.has(name), name);
	for (const name of CONVERTERS.keys()) t.notOk(UNSUPPORTED_CONVERTERS.has(name), name);
});
