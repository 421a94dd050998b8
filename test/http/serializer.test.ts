import t from 'tap';
import { DEFAULT_HEAD_LIMITS, parseRequestHead, parseResponseHead } from '../../lib/http/head-parser.js';
import { HeaderList, RequestHead, ResponseHead } from '../../lib/http/message.js';
import { saysClose, serializeLocalReply, serializeRequest, serializeResponse } from '../../lib/http/serializer.js';

function request(text: string): RequestHead {
	const head = parseRequestHead(text, DEFAULT_HEAD_LIMITS);
	if (head instanceof RequestHead) return head;
	throw new Error(head.code);
}

function response(text: string, method = 'GET'): ResponseHead {
	const head = parseResponseHead(text, DEFAULT_HEAD_LIMITS, method);
	if (head instanceof ResponseHead) return head;
	throw new Error(head.code);
}

const KEEP = { close: false };
const CLOSE = { close: true };

/** Head as the client sent it; close; what HAProxy 2.6 was seen to send to its server. */
const REQUESTS: readonly (readonly [string, boolean, string])[] = [
	[
		'GET / HTTP/1.1\r\nHost: a\r\nX-Foo:  bar \r\nContent-Type: x\r\n\r\n',
		false,
		'GET / HTTP/1.1\r\nhost: a\r\nx-foo: bar\r\ncontent-type: x\r\n\r\n',
	],
	['GET / HTTP/1.1\r\nHost: a\r\n\r\n', true, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'],
	['GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', false, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'],
	['GET / HTTP/1.0\r\n\r\n', false, 'GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n'],
	['GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', true, 'GET / HTTP/1.0\r\n\r\n'],
	[
		'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n',
		true,
		'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n',
	],
	['GET / HTTP/1.2\r\nHost: a\r\n\r\n', false, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'],
	['GET / HTTP/1.1\r\nHost:\r\n\r\n', false, 'GET / HTTP/1.1\r\nhost: \r\n\r\n'],
	[
		'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
		false,
		'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n',
	],
	[
		'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nX: 1\r\n\r\n',
		false,
		'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nx: 1\r\n\r\n',
	],
];

t.test('requests to a server', (t) => {
	for (const [text, close, expected] of REQUESTS) {
		t.equal(serializeRequest(request(text), { close }), expected);
	}
	t.equal(
		serializeRequest(new RequestHead('GET', '/', 20, new HeaderList(['host'], ['a'])), KEEP),
		'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
	);
	t.end();
});

t.test('framing fields follow the body, whatever rules did to them', (t) => {
	const post = (): RequestHead => request('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n');
	const removed = post();
	removed.headers.remove('content-length');
	t.match(serializeRequest(removed, KEEP), /\r\ncontent-length: 5\r\n\r\n$/);
	const changed = post();
	changed.headers.set('content-length', '1');
	changed.headers.add('transfer-encoding', 'chunked');
	changed.headers.add('content-length', '2');
	t.equal(serializeRequest(changed, KEEP), 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n');
	const added = request('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
	added.headers.add('transfer-encoding', 'chunked');
	added.headers.add('content-length', '9');
	t.equal(serializeRequest(added, KEEP), 'GET / HTTP/1.1\r\nhost: a\r\n\r\n');
	t.end();
});

t.test('what a rule computed cannot begin another line', (t) => {
	const head = request('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
	head.headers.add('x-a', 'b\r\nx-evil: 1');
	head.headers.set('x-b', '1\0\n2');
	head.headers.add('x-c', '\u010d\u010aX: y'); // as bytes: CR, LF
	head.headers.insertAt(0, 'x-d', 'a\rb');
	head.headers.replaceAt(0, 'a\nb');
	head.target = '/a b\r\nX: y#z\x7f\u010d';
	const text = serializeRequest(head, KEEP);
	t.equal(
		text,
		'GET /a%20b%0D%0AX:%20y%23z%7F%0D HTTP/1.1\r\nx-d: a b\r\nhost: a\r\nx-a: b  x-evil: 1\r\nx-b: 1  2\r\nx-c:   X: y\r\n\r\n',
	);
	t.notOk(parseRequestHead(text, DEFAULT_HEAD_LIMITS) instanceof Error);
	head.method = 'GET / HTTP/1.1\r\nX:';
	t.throws(() => serializeRequest(head, KEEP), { code: 'HTTP_MALFORMED' });
	const reply = new ResponseHead(200, 'O\r\nX: y', 11, new HeaderList());
	t.equal(
		serializeResponse(reply, { keepAlive: false, close: true, dechunk: false }),
		'HTTP/1.1 200 \r\nconnection: close\r\n\r\n',
	);
	t.end();
});

t.test('Connection set by a rule', (t) => {
	const head = request('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
	head.headers.set('connection', 'close');
	t.ok(saysClose(head.headers));
	t.equal(serializeRequest(head, CLOSE), 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
	head.headers.set('connection', 'x-foo, Keep-Alive');
	t.notOk(saysClose(head.headers));
	t.equal(serializeRequest(head, KEEP), 'GET / HTTP/1.1\r\nhost: a\r\nconnection: x-foo\r\n\r\n');
	t.end();
});

const NONE = { keepAlive: false, close: false, dechunk: false };

t.test('responses to a client', (t) => {
	const of = (text: string, options: Partial<typeof NONE> = {}, method = 'GET'): string =>
		serializeResponse(response(text, method), { ...NONE, ...options });
	t.equal(of('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'), 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n');
	t.equal(of('HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n'), 'HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n');
	t.equal(of('HTTP/1.1 200 OK\r\n\r\n', { close: true }), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n');
	t.equal(
		of('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', { keepAlive: true }),
		'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n',
	);
	t.equal(of('HTTP/1.0 200 OK\r\n\r\n', { close: true }), 'HTTP/1.0 200 OK\r\n\r\n');
	t.equal(
		of('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n'),
		'HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n',
	);
	t.equal(
		of('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n', { dechunk: true, close: true }),
		'HTTP/1.1 200 OK\r\nx: 1\r\nconnection: close\r\n\r\n',
	);
	t.equal(
		of('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n', {}, 'HEAD'),
		'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n',
	);
	t.equal(
		of('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', {}, 'HEAD'),
		'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
	);
	t.equal(
		of('HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n'),
		'HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n',
	);
	t.equal(of('HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n'), 'HTTP/1.1 204 No Content\r\n\r\n');
	t.equal(of('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'), 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n');
	t.equal(
		of('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n', { close: true }),
		'HTTP/1.1 101 S\r\nconnection: Upgrade\r\nupgrade: foo\r\n\r\n',
	);
	t.end();
});

t.test('answers made here', (t) => {
	const headers = new HeaderList(['content-length', 'cache-control', 'content-type'], ['5', 'no-cache', 'text/html']);
	const reply = { status: 403, reason: 'Forbidden', headers, body: Buffer.from('hello') };
	t.equal(
		serializeLocalReply(reply, { keepAlive: false, close: false }),
		'HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\ncache-control: no-cache\r\ncontent-type: text/html\r\n\r\n',
	);
	// The reply says where its length stands: HAProxy sends the fields of a "return" rule before it.
	const ofRule = new HeaderList(['x-a', 'content-length', 'content-type'], ['b', '5', 'text/plain']);
	t.equal(
		serializeLocalReply({ ...reply, status: 200, reason: 'OK', headers: ofRule }, { keepAlive: false, close: false }),
		'HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n\r\n',
	);
	const wrongLength = new HeaderList(['content-length'], ['7']);
	t.equal(
		serializeLocalReply({ ...reply, headers: wrongLength }, { keepAlive: false, close: false }),
		'HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\n',
	);
	t.match(serializeLocalReply(reply, { keepAlive: false, close: true }), /\r\nconnection: close\r\n\r\n$/);
	t.match(serializeLocalReply(reply, { keepAlive: true, close: false }), /\r\nconnection: keep-alive\r\n\r\n$/);
	const empty = { status: 204, reason: '', headers: new HeaderList(), body: Buffer.alloc(0) };
	t.equal(serializeLocalReply(empty, { keepAlive: false, close: false }), 'HTTP/1.1 204 No Content\r\n\r\n');
	t.equal(
		serializeLocalReply({ ...empty, status: 302 }, { keepAlive: false, close: false }),
		'HTTP/1.1 302 Moved Temporarily\r\ncontent-length: 0\r\n\r\n',
	);
	t.end();
});
