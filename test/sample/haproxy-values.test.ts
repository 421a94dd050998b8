/**
 * Every expression below is evaluated by the real HAProxy and by us, over a corpus of requests; values must be equal
 * byte for byte. Where we differ on purpose, the case is in `expression.test.ts` with the reason.
 */
import t from 'tap';
import { compileExpression } from '../../lib/sample/expression.js';
import { parseLogFormat } from '../../lib/sample/log-format.js';
import { toText } from '../../lib/sample/values.js';
import { askHaproxy, caseHeaders, type SampleCase, type SampleRequest } from '../fixtures/haproxy-samples.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { alertsOf, fakeContext, fakeProxy, fakeServer, fakeStream } from '../fixtures/stream-view.js';
import { EXPRESSIONS, FORMATS } from './corpus.js';

const REQUESTS: readonly SampleRequest[] = [
	{
		target: '/p/a/t.h?a=1&b=2;c=3&a=9',
		headers: [
			['host', 'Example.com:8080'],
			['a', '1, 2 ,3'],
			['A', '4'],
			['e', ''],
			['ip', '1.2.3.4, 1.2.3.4:80, [::1], ::1'],
			['n', '1, x2, 33'],
			['q', '"a,b", c'],
			['cookie', 'a=1; b="x y"; a=2; n=12; c=; q="1;2"; sp = v ; flag'],
			['cookie', 'second=yes; a=3'],
			['authorization', 'Basic dXNlcjpwYTpzcw=='],
			['h', 'Bearer xyz'],
			['al', 'fr-CA;q=0.8, en;q=0.9, es;q=0'],
			['bad', 'a\xffb\xc0\x80c'],
			['u', '\xc3\xa9/"'],
		],
	},
	{ target: '/', headers: [['host', '192.0.2.7']] },
	{
		method: 'POST',
		target: '/x?',
		headers: [
			['host', 'h'],
			['a', ',,x,'],
			['ip', '10.1.1.1:99999'],
			['n', '-7'],
			['cookie', '=x;;;a;b=1=2; ;c = 3'],
			['content-length', '0'],
			['authorization', 'Basic !!!'],
		],
	},
	{
		method: 'PUT',
		target: '/%41/b?q=%20+x&=y&z',
		headers: [
			['host', 'a.b.c'],
			['a', '"unterminated, quote'],
			['ip', '::ffff:10.0.0.1'],
			['cookie', 'a="1"; b=\'2\'; a'],
			['content-length', '0'],
		],
	},
];

t.test('values are those of HAProxy', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const cases: SampleCase[] = [
		...EXPRESSIONS.map((text): SampleCase => ({ kind: 'expression', text })),
		...FORMATS.map((text): SampleCase => ({ kind: 'format', text })),
	];
	const outcomes = await askHaproxy(cases, REQUESTS, ['server s1 127.0.0.1:1']);
	const backend = fakeProxy({ name: 'fe', isBackend: true, servers: [fakeServer()] });
	const context = fakeContext({ backends: [backend], frontends: [backend] });
	const evaluators = cases.map((one) => {
		if (one.kind === 'expression') {
			const evaluate = compileExpression([one.text], 0, context, { oneWord: true })?.expression.evaluate;
			return evaluate;
		}
		if (one.kind !== 'format') throw new Error('not a value');
		const format = parseLogFormat(one.text, context);
		return 'error' in format ? undefined : (stream: Parameters<typeof format.render>[0]) => format.render(stream);
	});
	t.same(alertsOf(context), [], 'all compile');
	for (const [row, request] of REQUESTS.entries()) {
		for (const [index, one] of cases.entries()) {
			const stream = fakeStream({
				method: request.method ?? 'GET',
				target: request.target,
				headers: caseHeaders(request, cases, index),
				source: '127.0.0.1',
				destination: '127.0.0.1',
				frontend: backend,
				backend,
				session: { requestCount: 2 },
			});
			const value = evaluators[index]?.(stream);
			const expected = outcomes[row]?.[index];
			const wanted = typeof expected === 'object' ? expected.value : undefined;
			const ours = value === undefined ? undefined : toText(value);
			if (ours !== wanted) t.equal(ours, wanted, `${one.kind === 'condition' ? '' : one.text} of ${request.target}`);
		}
	}
	t.ok(cases.length > 300, `${cases.length} cases over ${REQUESTS.length} requests`);
});
