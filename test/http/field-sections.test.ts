/** Heads with the same fields share them until one is changed: nobody may see another's change. */
import t from 'tap';
import { DEFAULT_HEAD_LIMITS, parseRequestHead, parseResponseHead } from '../../lib/http/head-parser.js';
import type { RequestHead, ResponseHead } from '../../lib/http/message.js';
import { serializeRequest, serializeResponse } from '../../lib/http/serializer.js';

const FIELDS = 'Host: a.example\r\nAccept: */*\r\nX-One: 1\r\n';

function request(fields = FIELDS): RequestHead {
	const head = parseRequestHead(`GET /path HTTP/1.1\r\n${fields}\r\n`, DEFAULT_HEAD_LIMITS);
	return head as RequestHead;
}

function response(text: string, method = 'GET'): ResponseHead {
	return parseResponseHead(text, DEFAULT_HEAD_LIMITS, method) as ResponseHead;
}

const PLAIN = 'GET /path HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\nx-one: 1\r\n\r\n';

t.test('a change of one head is not seen in another', async (t) => {
	const changes: Record<string, (head: RequestHead) => void> = {
		add: (head) => head.headers.add('x-two', '2'),
		insertAt: (head) => head.headers.insertAt(0, 'x-two', '2'),
		replaceAt: (head) => head.headers.replaceAt(2, 'other'),
		set: (head) => head.headers.set('accept', 'text/html'),
		remove: (head) => head.headers.remove('x-one'),
		removeAt: (head) => head.headers.removeAt(1),
	};
	for (const [name, change] of Object.entries(changes)) {
		const before = request();
		const changed = request();
		t.equal(changed.headers.section, before.headers.section, 'the fields are shared');
		change(changed);
		t.equal(changed.headers.section, undefined, `${name}: the list has its own now`);
		t.not(serializeRequest(changed, { close: false }), PLAIN, `${name} is written`);
		t.equal(serializeRequest(before, { close: false }), PLAIN, `${name}: not to an older head`);
		t.equal(serializeRequest(request(), { close: false }), PLAIN, `${name}: not to a newer one`);
	}
});

t.test('a clone is changed alone', async (t) => {
	const head = request();
	const clone = head.headers.clone();
	clone.remove('accept');
	t.same(head.headers.names, ['host', 'accept', 'x-one']);
	head.headers.remove('host');
	t.same(clone.names, ['host', 'x-one']);
});

t.test('remembered lines are those of the same form only', async (t) => {
	const fields = 'Content-Length: 5\r\nX: y\r\n\r\n';
	const ok = `HTTP/1.1 200 OK\r\n${fields}`;
	const plain = { keepAlive: false, close: false, dechunk: false };
	for (let round = 0; round < 2; round++) {
		const get = response(ok);
		t.equal(serializeResponse(get, plain), 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\n');
		t.equal(
			serializeResponse(get, { ...plain, close: true }),
			'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\nconnection: close\r\n\r\n',
		);
		t.equal(
			serializeResponse(get, { ...plain, keepAlive: true }),
			'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\nconnection: keep-alive\r\n\r\n',
		);
		get.framing = { kind: 'length', length: 7 };
		t.equal(serializeResponse(get, plain), 'HTTP/1.1 200 OK\r\ncontent-length: 7\r\nx: y\r\n\r\n');
		get.framing = { kind: 'chunked' };
		t.equal(serializeResponse(get, plain), 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n');
		get.framing = { kind: 'close' };
		t.equal(serializeResponse(get, plain), 'HTTP/1.1 200 OK\r\nx: y\r\n\r\n');
		t.equal(serializeResponse(response(ok, 'HEAD'), plain), 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\n');
		t.equal(
			serializeResponse(response(`HTTP/1.1 304 Not Modified\r\n${fields}`), plain),
			'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\nx: y\r\n\r\n',
		);
		t.equal(
			serializeResponse(response(`HTTP/1.1 204 No Content\r\n${fields}`), plain),
			'HTTP/1.1 204 No Content\r\nx: y\r\n\r\n',
		);
	}
});
