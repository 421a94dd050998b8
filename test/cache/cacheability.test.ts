/** What may be stored, for how long, and what answers whom: rows as HAProxy 2.6 was seen to decide them. */
import t from 'tap';
import { Admission, admissionOf, cacheKey, isNotModified, lifetimeSeconds } from '../../lib/cache/cacheability.js';
import { answers, isReplacedBy, readHead, writeHead } from '../../lib/cache/stored-response.js';
import { acceptsCodings, codingsOf, Varies, variesOn } from '../../lib/cache/vary.js';
import { CHUNKED_BODY, HeaderList, RequestHead, ResponseHead } from '../../lib/http/message.js';

function fields(...lines: string[]): HeaderList {
	const list = new HeaderList();
	for (const line of lines) list.add(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim());
	return list;
}
const request = (method: string, version: 10 | 11, ...lines: string[]): RequestHead =>
	new RequestHead(method, '/a?b=c', version, fields('host: x', ...lines));
const DATE_MS = Date.parse('Mon, 23 Nov 2026 07:00:00 GMT');

t.test('how a request meets a cache', async (t) => {
	const rows: [RequestHead, Admission][] = [
		[request('GET', 11), Admission.LOOK],
		[request('HEAD', 11), Admission.LOOK],
		[request('GET', 10), Admission.NONE],
		[request('GET', 11, 'authorization: Basic x'), Admission.NONE],
		[request('GET', 11, 'cache-control: no-store'), Admission.NONE],
		[request('GET', 11, 'cache-control: no-cache'), Admission.STORE],
		[request('GET', 11, 'cache-control: max-age=0'), Admission.STORE],
		[request('GET', 11, 'pragma: no-cache'), Admission.STORE],
		[request('GET', 11, 'cache-control: only-if-cached'), Admission.LOOK],
		[request('OPTIONS', 11), Admission.NONE],
		[request('POST', 11), Admission.INVALIDATE],
		[request('FOO', 11), Admission.INVALIDATE],
	];
	for (const [head, expected] of rows) {
		t.equal(admissionOf(head), expected, `${head.method} ${head.version} ${head.headers.values.join(' ')}`);
	}
	t.equal(cacheKey(request('GET', 11)), 'x/a?b=c');
	t.equal(
		cacheKey(new RequestHead('GET', 'https://x/a?b=c', 20, fields('host: x'))),
		'x/a?b=c',
		'the same over HTTP/2',
	);
});

t.test('how long a response lives', async (t) => {
	const rows: [string[], number][] = [
		[[], 0],
		[['etag: "v"'], 60],
		[['last-modified: Mon, 23 Nov 2026 06:00:00 GMT'], 60],
		[['cache-control: max-age=10'], 10],
		[['cache-control: max-age=1000'], 60],
		[['cache-control: max-age="10"'], 10],
		[['cache-control: public', 'cache-control: max-age=9'], 9],
		[['cache-control: public'], 0],
		[['cache-control: max-age=50, s-maxage=5'], 5],
		[['cache-control: max-age=0, s-maxage=5'], 0],
		[['cache-control: max-age=10, private'], 0],
		[['cache-control: no-cache="set-cookie", max-age=10'], 0],
		[['cache-control: no-store, max-age=10'], 0],
		[['cache-control: must-revalidate, max-age=10'], 10],
		[['pragma: no-cache', 'cache-control: max-age=10'], 0],
		[['expires: Mon, 23 Nov 2026 07:00:20 GMT'], 20],
		[['expires: Mon, 23 Nov 2020 07:00:20 GMT', 'etag: "v"'], 0],
		[['expires: 0'], 0],
		[['cache-control: max-age=30', 'age: 20'], 10],
		[['cache-control: max-age=30', 'age: 300'], 0],
	];
	for (const [lines, expected] of rows) {
		t.equal(
			lifetimeSeconds(new ResponseHead(200, 'OK', 11, fields(...lines)), 60, DATE_MS),
			expected,
			lines.join(' | '),
		);
	}
	for (const status of [203, 206, 301, 404]) {
		const head = new ResponseHead(status, '', 11, fields('cache-control: max-age=10'));
		t.equal(lifetimeSeconds(head, 60, DATE_MS), 0, `status ${status}`);
	}
});

t.test('who has it already', async (t) => {
	const stored = fields('etag: "v1"', 'last-modified: Mon, 23 Nov 2026 06:00:00 GMT');
	const rows: [string[], boolean][] = [
		[[], false],
		[['if-none-match: "v1"'], true],
		[['if-none-match: W/"v1"'], true],
		[['if-none-match: "zz", "v1"'], true],
		[['if-none-match: *'], true],
		[['if-none-match: "zz"'], false],
		[['if-none-match: "zz"', 'if-modified-since: Mon, 23 Nov 2026 06:30:00 GMT'], false],
		[['if-modified-since: Mon, 23 Nov 2026 06:00:00 GMT'], true],
		[['if-modified-since: Mon, 23 Nov 2026 05:59:59 GMT'], false],
		[['if-modified-since: rubbish'], false],
	];
	for (const [lines, expected] of rows) t.equal(isNotModified(fields(...lines), stored), expected, lines.join(' | '));
	t.ok(
		isNotModified(
			fields('if-modified-since: Mon, 23 Nov 2026 07:00:00 GMT'),
			fields('date: Mon, 23 Nov 2026 07:00:00 GMT'),
		),
	);
});

t.test('Vary', async (t) => {
	t.equal(variesOn(fields()), Varies.NOT);
	t.equal(variesOn(fields('vary: Referer, accept-encoding')), Varies.ENCODING | Varies.REFERER);
	t.equal(variesOn(fields('vary: accept-encoding', 'vary: referer')), Varies.ENCODING | Varies.REFERER);
	t.equal(variesOn(fields('vary: *')), undefined);
	t.equal(variesOn(fields('vary: user-agent')), undefined);
	t.equal(codingsOf(fields()), 'identity');
	t.equal(codingsOf(fields('content-encoding: x-gzip')), 'gzip');
	t.equal(codingsOf(fields('content-encoding: zork')), undefined);
	const rows: [string | undefined, string, boolean][] = [
		[undefined, 'gzip', true],
		['gzip', 'gzip', true],
		['gzip, br', 'gzip', true],
		['br', 'gzip', false],
		['gzip;q=0', 'gzip', false],
		['*', 'gzip', true],
		['*;q=0', 'gzip', false],
		['*;q=0', 'identity', false],
		['identity;q=0', 'identity', false],
		['br', 'identity', true],
		['gzip', 'br,gzip', false],
		['br, gzip', 'br,gzip', true],
	];
	for (const [value, codings, expected] of rows) {
		const headers = value === undefined ? fields() : fields(`accept-encoding: ${value}`);
		t.equal(acceptsCodings(headers, codings), expected, `${value} for ${codings}`);
	}
});

t.test('a head is written and read back', async (t) => {
	const stored = { reason: 'Fine', age: 7, framing: CHUNKED_BODY, headers: fields('a: 1', 'b:', 'a: 2') };
	const asker = request('GET', 11, 'referer: r');
	const text = writeHead('key', Varies.REFERER, 'identity', asker, stored);
	const back = readHead(text);
	t.same(
		{ ...back, headers: [back.headers.names, back.headers.values] },
		{
			...stored,
			headers: [
				['a', 'b', 'a'],
				['1', '', '2'],
			],
		},
	);
	t.ok(answers(text, asker));
	t.notOk(answers(text, request('GET', 11, 'referer: other')));
	t.notOk(answers(text, request('GET', 11)));
	t.ok(isReplacedBy(text, text));
	t.notOk(isReplacedBy(text, writeHead('key', Varies.REFERER, 'identity', request('GET', 11), stored)));
	t.same(readHead(writeHead('k', 0, '', asker, { ...stored, framing: { kind: 'length', length: 5 } })).framing, {
		kind: 'length',
		length: 5,
	});
});
