/** Conditions that the real HAProxy and Holdfast must agree on, over a corpus of requests. */
import t from 'tap';
import { compileCondition } from '../../lib/acl/condition.js';
import { askHaproxy, caseHeaders, type SampleCase, type SampleRequest } from '../fixtures/haproxy-samples.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { alertsOf, fakeContext, fakeStream } from '../fixtures/stream-view.js';

const REQUESTS: readonly SampleRequest[] = [
	{
		target: '/images/png/logo/32x32.png?x=1',
		headers: [
			['host', 'www1.dc-eu.Example.com:80'],
			['a', 'one, Two ,three'],
			['n', '5, 50'],
			['ip', '10.1.2.3'],
			['x', ''],
		],
	},
	{
		method: 'POST',
		target: '/Static',
		headers: [
			['host', 'img.test'],
			['a', 'abc'],
			['n', '-3'],
			['ip', '2001:db8::7'],
			['content-length', '0'],
		],
	},
	{
		method: 'GET',
		target: '/',
		headers: [
			['host', '127.0.0.1'],
			['ip', '::ffff:10.9.9.9'],
			['n', '0'],
		],
	},
	{
		method: 'OPTIONS',
		target: '*',
		headers: [
			['host', 'h'],
			['ip', '2002:0a01:0203::1'],
		],
	},
];

/** Each inside one pair of braces. */
const ACLS: readonly (readonly string[])[] = [
	...['/images', '/images/png', 'images/png', '/png/logo', 'logo/32x32.png', '32x32.png', 'png', '32x32', 'png/'].map(
		(pattern) => ['path_dir', pattern],
	),
	...['http', 'www1', '.www1', 'dc-eu', 'example', 'com', '80', 'dc-eu.example', ':www1:', 'eu', 'dc', 'com:80'].map(
		(pattern) => ['hdr_dom(host)', '-i', pattern],
	),
	['hdr_dom(host)', 'example'],
	['path_beg', '/images', '/other'],
	['path_beg', '-i', '/static'],
	['path_beg', '/static'],
	['path_end', '.gif', '.png'],
	['path_end', '-i', 'STATIC'],
	['path_sub', 'logo'],
	['path_sub', '-i', 'LOGO', 'TAT'],
	['path_reg', '^/[a-z]+/png'],
	['path_reg', '-i', '^/STATIC$'],
	['path_len', '1'],
	['path_len', 'gt', '5'],
	['path', '/Static', '/'],
	['path', '-i', '/static'],
	['path', '-m', 'beg', '/i'],
	['path', '-m', 'found'],
	['path,lower', '/static'],
	['path_beg,lower', '/static'],
	['path_beg', '-m', 'end', 'png'],
	['path', '-m', 'len', '7:'],
	['path', '-m', 'len', 'le', '7'],
	['url_beg', '/images/png/logo/32x32.png?'],
	['url', '*'],
	['base_beg', 'img.test/'],
	['hdr(a)', 'two'],
	['hdr(a)', '-i', 'two'],
	['hdr(a)', 'Two', 'zzz'],
	['hdr(a,1)', 'three'],
	['hdr(a,-1)', 'three'],
	['hdr_cnt(a)', '3'],
	['hdr_cnt(a)', 'ge', '1'],
	['hdr_cnt(a)', 'gt', '1', 'lt', '1'],
	['hdr_beg(a)', 'thr'],
	['req.fhdr(a)', '-m', 'sub', ', Two'],
	['hdr(a)', '-m', 'reg', '^t'],
	['hdr(a)', '-m', 'bin', '616263'],
	['hdr(x)', '-m', 'found'],
	['hdr(zz)', '-m', 'found'],
	['hdr_val(n)', '5'],
	['hdr_val(n)', '6:60'],
	['hdr_val(n)', ':10'],
	['hdr_val(n)', 'lt', '0'],
	['hdr_val(n)', 'eq', '5', '6'],
	['hdr_val(n)', 'ge', '50'],
	['hdr_val(n)', '-m', 'bool'],
	['hdr_val(n)', '-m', 'str', '50'],
	['hdr(n)', '-m', 'int', '50'],
	['hdr_ip(ip)', '10.1.2.3'],
	['hdr_ip(ip)', '10.0.0.0/8'],
	['hdr_ip(ip)', '10/8'],
	['hdr_ip(ip)', '10.1/16'],
	['hdr_ip(ip)', '10.1.2.0/255.255.255.0'],
	['hdr_ip(ip)', '10.0.2.3/255.0.255.255'],
	['hdr_ip(ip)', '2001:db8::/32'],
	['hdr_ip(ip)', '::ffff:10.0.0.0/104'],
	['hdr_ip(ip)', '::/0'],
	['hdr_ip(ip)', '0.0.0.0/0'],
	['hdr(ip)', '-m', 'ip', '10.9.9.9'],
	['src', '127.0.0.0/8'],
	['src', '127.1'],
	['src', '-m', 'str', '127.0.0.1'],
	['src', '-m', 'beg', '127.'],
	['method', 'GET', 'HEAD'],
	['method', 'get'],
	['method', '-m', 'sub', 'ST'],
	['always_true'],
	['always_false'],
	['always_true', '-m', 'int', '1'],
	['int(5)', '5'],
	['int(5)', '-m', 'bool'],
	['int(0)', '-m', 'bool'],
	['int(5)', 'lt', '-1'],
	['int(-5)', 'lt', '-1'],
	['int(-5)', ':-1'],
	['str(-i)', '--', '-i'],
	['str(-i)', '-i', '--', '-I'],
	['str(5)', '-m', 'int', '4:6'],
	['bool(true),add(4)', '5'],
	['str(abc)', '-m', 'dom', 'abc'],
	['str(a.b)', '-m', 'dom', '.b.'],
	['str(aXb)', '-m', 'sub', 'x'],
	['str()', '-m', 'found'],
	['bin(616263)', '-m', 'str', 'abc'],
	['bin(616263)', '-m', 'bin', '616263'],
	['bin(616263)', '-m', 'bin', '6162'],
	['bin(616263)', '-m', 'len', '3'],
	['ipv6(::1)', '::1'],
	['ipv6(::1)', '0.0.0.1'],
	['ipv6(2002:0a01:0203::)', '10.1.2.3'],
	['urlp(x)', '1'],
	['req.ver', '1.1'],
	['query', '-m', 'found'],
	['var(txn.none)', '-m', 'found'],
	['var(txn.none,abc)', '-m', 'str', 'abc'],
];

const CONDITIONS: readonly (readonly string[])[] = [
	...['FALSE', 'TRUE', 'HTTP', 'HTTP_1.0', 'HTTP_1.1', 'HTTP_CONTENT', 'HTTP_URL_ABS', 'HTTP_URL_SLASH'].map((name) => [
		name,
	]),
	...['HTTP_URL_STAR', 'LOCALHOST', 'METH_CONNECT', 'METH_DELETE', 'METH_GET', 'METH_HEAD', 'METH_OPTIONS'].map(
		(name) => [name],
	),
	...['METH_POST', 'METH_PUT', 'METH_TRACE', 'WAIT_END', '!METH_GET', '!TRUE'].map((name) => [name]),
	['METH_GET', 'LOCALHOST'],
	['METH_GET', '!LOCALHOST'],
	['METH_GET', '||', 'METH_POST'],
	['METH_POST', 'or', 'METH_GET', '!METH_HEAD'],
	['!', 'METH_GET'],
	['!METH_GET', '!METH_POST', 'or', '{', 'path', '/', '}'],
	['{', 'path_beg', '/i', '}', '{', 'hdr_cnt(a)', '3', '}'],
];

t.test('conditions hold where they hold in HAProxy', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const all = [...ACLS.map((words) => ['{', ...words, '}']), ...CONDITIONS];
	const cases = all.map((words): SampleCase => ({ kind: 'condition', words }));
	const outcomes = await askHaproxy(cases, REQUESTS);
	const context = fakeContext();
	const conditions = all.map((words) => compileCondition(['if', ...words], 0, context));
	t.same(alertsOf(context), [], 'all compile');
	for (const [row, request] of REQUESTS.entries()) {
		for (const [index, words] of all.entries()) {
			const stream = fakeStream({
				method: request.method ?? 'GET',
				target: request.target,
				headers: caseHeaders(request, cases, index),
				source: '127.0.0.1',
			});
			const ours = conditions[index]?.test(stream);
			if (ours !== outcomes[row]?.[index]) {
				t.equal(ours, outcomes[row]?.[index], `${words.join(' ')} for ${request.target}`);
			}
		}
	}
	t.ok(all.length > 100, `${all.length} conditions over ${REQUESTS.length} requests`);
});
