import t from 'tap';
import {
	DEFAULT_HEAD_LIMITS,
	findHeadEnd,
	HEAD_BROKEN,
	HEAD_INCOMPLETE,
	oversizedHead,
	parseRequestHead,
	parseResponseHead,
	skipEmptyLines,
} from '../../lib/http/head-parser.js';
import { type RequestHead, ResponseHead } from '../../lib/http/message.js';
import { HttpRefusal, type RefusalCode } from '../../lib/http/refusal.js';
import { REQUEST_HEADS, RESPONSE_HEADS } from '../fixtures/http-heads.js';

const LIMITS = DEFAULT_HEAD_LIMITS;

function request(text: string): RequestHead | HttpRefusal {
	return parseRequestHead(text, LIMITS);
}

function codeOf(result: unknown): RefusalCode | 'accepted' {
	return result instanceof HttpRefusal ? result.code : 'accepted';
}

/**
 * What a connection does with bytes that come in any pieces: search the end, parse, or parse what is broken to
 * learn why. Returns the verdict, or 'incomplete'.
 */
function feed(bytes: Buffer, pieceSize: number): RefusalCode | 'accepted' | 'incomplete' {
	let looked = 0;
	let start = 0;
	for (let length = Math.min(pieceSize, bytes.length); ; length = Math.min(length + pieceSize, bytes.length)) {
		const soFar = bytes.subarray(0, length);
		if (start === looked) {
			const first = skipEmptyLines(soFar, 0);
			if (first instanceof HttpRefusal) return first.code;
			start = first;
			looked = Math.max(looked, first);
		}
		if (start < length && !(soFar[start] === 13 && start + 1 === length)) {
			const end = findHeadEnd(soFar, start, looked);
			looked = length;
			if (end === HEAD_BROKEN) return codeOf(request(`${soFar.toString('latin1', start)}\r\n\r\n`));
			if (end !== HEAD_INCOMPLETE) return codeOf(request(soFar.toString('latin1', start, end)));
		}
		if (length === bytes.length) return 'incomplete';
	}
}

t.test('request heads: verdicts, whole and byte by byte', (t) => {
	for (const [id, text, expected] of REQUEST_HEADS) {
		const bytes = Buffer.from(text, 'latin1');
		t.equal(feed(bytes, bytes.length), expected, `${id}: whole`);
		t.equal(feed(bytes, 1), expected, `${id}: byte by byte`);
		t.equal(feed(bytes, 7), expected, `${id}: by sevens`);
	}
	t.end();
});

t.test('request heads: what was understood', (t) => {
	const head = request(
		'POST /p?q HTTP/1.1\r\nHOST:a\r\nX-Long-Name:  v \t\r\nContent-Length: 007\r\n__proto__: z\r\n\r\n',
	);
	if (head instanceof HttpRefusal) return t.fail(head.code);
	t.equal(head.method, 'POST');
	t.equal(head.target, '/p?q');
	t.equal(head.version, 11);
	t.same(head.headers.names, ['host', 'x-long-name', 'content-length', '__proto__']);
	t.same(head.headers.values, ['a', 'v', '007', 'z']);
	t.same(head.framing, { kind: 'length', length: 7 });
	t.same((request('GET / HTTP/1.0\r\n\r\n') as RequestHead).version, 10);
	t.same(
		(request('PUT / HTTP/1.1\r\nhost:a\r\ntransfer-encoding: chunked\r\n\r\n') as RequestHead).framing.kind,
		'chunked',
	);
	t.same((request('GET / HTTP/1.1\r\nhost:a\r\n\r\n') as RequestHead).framing.kind, 'none');
	t.end();
});

t.test('names: a slot of the cache never answers for another spelling', (t) => {
	// Two rounds: the first fills the cache, the second reads it, with enough names to collide.
	for (let round = 0; round < 2; round++) {
		let text = 'GET / HTTP/1.1\r\nhost: a\r\n';
		const expected = ['host'];
		for (let i = 0; i < 90; i++) {
			const name = `X-${round === 0 ? 'n' : 'N'}ame-${i * 7919}`;
			text += `${name}: ${i}\r\n`;
			expected.push(name.toLowerCase());
		}
		const head = request(`${text}\r\n`);
		t.same(head instanceof HttpRefusal ? head.code : head.headers.names, expected);
	}
	const long = `x${'-y'.repeat(60)}`;
	const head = request(`GET / HTTP/1.1\r\nhost: a\r\n${long.toUpperCase()}: 1\r\n\r\n`);
	t.equal(head instanceof HttpRefusal ? head.code : head.headers.get(long), '1');
	t.end();
});

t.test('limits', (t) => {
	const limits = { headSizeMax: 100, headerCountMax: 4 };
	const code = (text: string): string => codeOf(parseRequestHead(text, limits));
	t.equal(code(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(100)}\r\n\r\n`), 'HEAD_TOO_LARGE');
	t.equal(code(`GET /${'y'.repeat(100)} HTTP/1.1\r\nhost: a\r\n\r\n`), 'TARGET_TOO_LONG');
	t.equal(
		code('GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\ny: 2\r\n\r\n'),
		'accepted',
		'start line and three fields make four',
	);
	t.equal(code('GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\ny: 2\r\nz: 3\r\n\r\n'), 'TOO_MANY_HEADERS');
	t.equal(oversizedHead(Buffer.from(`GET /${'y'.repeat(200)}`), 0).status, 414);
	t.equal(
		oversizedHead(Buffer.from(`GET /${'y'.repeat(200)} HTTP/1.1\r\n`), 0, 100).status,
		414,
		'ends beyond the limit',
	);
	t.equal(oversizedHead(Buffer.from(`GET / HTTP/1.1\r\nx: ${'y'.repeat(200)}`), 0).status, 431);
	t.equal(
		codeOf(parseRequestHead('GET / HTTP/1.0\r\ncontent-length: 1\r\n\r\n', { ...LIMITS, payloadWithAnyMethod: true })),
		'accepted',
	);
	t.equal(codeOf(request('GET / HTTP/1.1\r\nhost: a\r\n')), 'HEAD_INCOMPLETE');
	t.equal(codeOf(request('GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n')), 'HEAD_INCOMPLETE');
	t.equal(codeOf(request('')), 'HEAD_INCOMPLETE');
	t.end();
});

t.test('findHeadEnd looks at each byte a bounded number of times', (t) => {
	const head = Buffer.from(`GET / HTTP/1.1\r\n${'x-a: b\r\n'.repeat(1500)}\r\n`);
	let looked = 0;
	const began = process.cpuUsage().user;
	for (let length = 1; length < head.length; length++) {
		if (findHeadEnd(head.subarray(0, length), 0, looked) !== HEAD_INCOMPLETE) return t.fail(`ended at ${length}`);
		looked = length;
	}
	t.equal(findHeadEnd(head, 0, looked), head.length);
	t.ok(process.cpuUsage().user - began < 2_000_000, 'twelve thousand pieces take no quadratic time');
	t.end();
});

t.test('response heads', (t) => {
	for (const [id, method, text, expected] of RESPONSE_HEADS) {
		const head = parseResponseHead(text, LIMITS, method);
		t.equal(head instanceof HttpRefusal ? head.code : head.framing.kind, expected, id);
	}
	const head = parseResponseHead('HTTP/1.1 404 Not  Found \r\nA: 1\r\nA: 2\r\n\r\n', LIMITS);
	if (!(head instanceof ResponseHead)) return t.fail(head.code);
	t.equal(head.status, 404);
	t.equal(head.reason, 'Not  Found ');
	t.same(head.headers.values, ['1', '2']);
	const limits = { headSizeMax: 60, headerCountMax: 3 };
	t.equal(codeOf(parseResponseHead(`HTTP/1.1 200 OK\r\na: ${'b'.repeat(60)}\r\n\r\n`, limits)), 'HEAD_TOO_LARGE');
	t.equal(codeOf(parseResponseHead(`HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\na: 3\r\n\r\n`, limits)), 'TOO_MANY_HEADERS');
	t.end();
});

t.test('framing fields of messages that cannot have a body are taken out', (t) => {
	for (const [status, method] of [
		[204, 'GET'],
		[100, 'GET'],
		[200, 'CONNECT'],
	] as const) {
		const head = parseResponseHead(`HTTP/1.1 ${status} X\r\nContent-Length: 5\r\nA: b\r\n\r\n`, LIMITS, method);
		t.same(head instanceof HttpRefusal ? head.code : head.headers.names, ['a'], `${method} ${status}`);
	}
	const kept = parseResponseHead('HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n', LIMITS, 'GET');
	t.same(kept instanceof HttpRefusal ? kept.code : kept.headers.names, ['content-length']);
	t.end();
});

t.test('a port that goes without saying is said no more, as in HAProxy 2.6', async (t) => {
	for (const [method, target, host, seenTarget, seenHost] of [
		['GET', 'http://a:80/x', 'a:80', 'http://a/x', 'a'],
		['GET', 'http://a:80/x', 'a', 'http://a/x', 'a'],
		['GET', 'http://a/x', 'a:80', 'http://a/x', 'a:80'],
		['GET', 'https://a:443/x', 'a:443', 'https://a/x', 'a'],
		['GET', 'http://a:443/x', 'a:443', 'http://a:443/x', 'a:443'],
		['GET', 'https://a:80/x', 'a:80', 'https://a:80/x', 'a:80'],
		['GET', 'http://a:/x', 'a:', 'http://a/x', 'a'],
		['GET', 'HTTP://A:80?x', 'a', 'HTTP://A?x', 'A'],
		['GET', '/x', 'a:80', '/x', 'a:80'],
		['GET', 'foo://a:80/x', 'a:80', 'foo://a:80/x', 'a:80'],
		['GET', 'http://[::1]:80/x', '[::1]:80', 'http://[::1]/x', '[::1]'],
		['OPTIONS', 'http://a:80', 'a:80', 'http://a', 'a'],
		['CONNECT', 'a:80', 'a:80', 'a:80', 'a'],
		['CONNECT', 'a:443', 'a:443', 'a:443', 'a'],
		['CONNECT', 'a:8443', 'a:8443', 'a:8443', 'a:8443'],
	] as const) {
		const head = parseRequestHead(`${method} ${target} HTTP/1.1\r\nx: y\r\nhost: ${host}\r\n\r\n`, DEFAULT_HEAD_LIMITS);
		if (head instanceof HttpRefusal) throw head;
		t.same([head.target, head.headers.values[1]], [seenTarget, seenHost], `${method} ${target}, ${host}`);
	}
});
