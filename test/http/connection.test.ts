import t from 'tap';
import {
	asksForUpgrade,
	checkSwitchingProtocols,
	clientKeepsAlive,
	serverKeepsAlive,
	websocketAccept,
} from '../../lib/http/connection.js';
import { DEFAULT_HEAD_LIMITS, parseRequestHead, parseResponseHead } from '../../lib/http/head-parser.js';
import { RequestHead, ResponseHead } from '../../lib/http/message.js';

function request(fields: string, line = 'GET / HTTP/1.1'): RequestHead {
	const head = parseRequestHead(`${line}\r\nhost: a\r\n${fields}\r\n`, DEFAULT_HEAD_LIMITS);
	if (head instanceof RequestHead) return head;
	throw new Error(`refused: ${head.code}`);
}

function response(fields: string, line = 'HTTP/1.1 200 OK', method = 'GET'): ResponseHead {
	const head = parseResponseHead(`${line}\r\n${fields}\r\n`, DEFAULT_HEAD_LIMITS, method);
	if (head instanceof ResponseHead) return head;
	throw new Error(`refused: ${head.code}`);
}

function fieldsOf(head: RequestHead | ResponseHead): string {
	return head.headers.names.map((name, index) => `${name}: ${head.headers.values[index]}`).join(' | ');
}

/** What a client sends; what rules and the server see. Beside each, what HAProxy 2.6 does where it differs. */
const REQUESTS: readonly (readonly [string, string])[] = [
	['connection: keep-alive\r\n', 'host: a'],
	['Connection: Close\r\n', 'host: a'],
	['connection: close, Keep-Alive\r\nx: 1\r\n', 'host: a | x: 1'],
	['keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\n', 'host: a'], // HAProxy passes both on
	['connection: x-a, close\r\nx-a: 1\r\nx-b: 2\r\n', 'host: a | x-b: 2'], // HAProxy passes the option and its field on
	['connection: x-a\r\nX-A: 1\r\nconnection: x-b\r\nx-b: 2\r\n', 'host: a'],
	['connection: host, cookie, x-forwarded-for\r\ncookie: c\r\n', 'host: a | cookie: c'],
	['connection: content-length\r\ncontent-length: 0\r\n', 'host: a | content-length: 0'],
	['connection:\r\n', 'host: a'],
	['connection: ,\r\nx: 1\r\n', 'host: a | x: 1'],
	['te: trailers\r\n', 'host: a | te: trailers'],
	['te: gzip, trailers;q=1\r\n', 'host: a'],
	['connection: te\r\nte: gzip;q=0.5, trailers\r\n', 'host: a | connection: te | te: trailers'],
	['connection: te\r\nte: gzip\r\n', 'host: a'],
	// upgrades
	['connection: Upgrade\r\nupgrade: foo\r\n', 'host: a | connection: Upgrade | upgrade: foo'],
	['connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n', 'host: a | connection: Upgrade | upgrade: websocket'],
	['upgrade: foo\r\n', 'host: a'],
	['connection: upgrade\r\n', 'host: a'],
	['connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA\r\n', 'host: a'], // HAProxy 2.6 passes it on
	['connection: upgrade\r\nupgrade: foo, h2c, bar\r\n', 'host: a | connection: upgrade | upgrade: foo, bar'],
	['connection: upgrade\r\nupgrade: h2c/1\r\n', 'host: a'],
	['connection: upgrade\r\nupgrade: foo\r\nupgrade: bar\r\n', 'host: a'],
	['connection: upgrade\r\nupgrade: foo\r\ncontent-length: 2\r\n', 'host: a | content-length: 2'],
	['connection: upgrade\r\nupgrade: foo\r\ntransfer-encoding: chunked\r\n', 'host: a | transfer-encoding: chunked'],
];

t.test('fields of this hop do not reach rules or servers', (t) => {
	for (const [sent, seen] of REQUESTS) {
		// Twice: the second time the section is remembered.
		t.equal(fieldsOf(request(sent)), seen, JSON.stringify(sent));
		t.equal(fieldsOf(request(sent)), seen, `${JSON.stringify(sent)} again`);
	}
	t.equal(
		fieldsOf(request('connection: upgrade\r\nupgrade: foo\r\n', 'GET / HTTP/1.0')),
		'host: a',
		'HTTP/1.0 has no upgrade',
	);
	t.equal(fieldsOf(response('connection: close, x-b\r\nx-b: 1\r\nkeep-alive: 5\r\n')), '');
	t.equal(fieldsOf(response('upgrade: h2, h2c\r\nconnection: upgrade, keep-alive\r\na: 1\r\n')), 'a: 1');
	t.equal(
		fieldsOf(response('upgrade: foo\r\nconnection: upgrade\r\n', 'HTTP/1.1 101 S')),
		'upgrade: foo | connection: upgrade',
	);
	t.end();
});

t.test('a field that a rule adds after the parser cannot be nominated away', (t) => {
	const head = request('connection: x-real-address, close\r\n');
	head.headers.add('x-real-address', '192.0.2.1');
	t.equal(head.headers.get('x-real-address'), '192.0.2.1');
	t.notOk(head.headers.has('connection'));
	t.end();
});

t.test('who keeps the connection', (t) => {
	t.ok(clientKeepsAlive(request('')));
	t.notOk(clientKeepsAlive(request('connection: close\r\n')));
	t.notOk(clientKeepsAlive(request('connection: keep-alive, close\r\n')));
	t.notOk(clientKeepsAlive(request('', 'GET / HTTP/1.0')));
	t.ok(clientKeepsAlive(request('connection: Keep-Alive\r\n', 'GET / HTTP/1.0')));
	const length = 'content-length: 1\r\n';
	t.ok(serverKeepsAlive(response(length)));
	t.notOk(serverKeepsAlive(response('')), 'the close is the end of the body');
	t.notOk(serverKeepsAlive(response(`${length}connection: close\r\n`)));
	t.notOk(serverKeepsAlive(response(length, 'HTTP/1.0 200 OK')));
	t.ok(serverKeepsAlive(response(`${length}connection: keep-alive\r\n`, 'HTTP/1.0 200 OK')));
	t.notOk(serverKeepsAlive(response('transfer-encoding: chunked\r\nconnection: keep-alive\r\n', 'HTTP/1.0 200 OK')));
	t.end();
});

t.test('101 only as an answer to what was asked', (t) => {
	const switching = (fields: string): ResponseHead => response(`connection: upgrade\r\n${fields}`, 'HTTP/1.1 101 S');
	const check = (asked: RequestHead, answer: ResponseHead): string =>
		checkSwitchingProtocols(asked, answer)?.code ?? 'ok';
	const foo = request('connection: upgrade\r\nupgrade: foo\r\n');
	t.ok(asksForUpgrade(foo));
	t.equal(check(foo, switching('upgrade: foo\r\n')), 'ok');
	t.equal(check(request(''), switching('upgrade: foo\r\n')), 'UPGRADE_UNASKED');
	t.notOk(asksForUpgrade(request('connection: upgrade\r\nupgrade: h2c\r\n')));
	t.equal(check(request('connection: upgrade\r\nupgrade: h2c\r\n'), switching('upgrade: h2c\r\n')), 'UPGRADE_UNASKED');
	// The example of RFC 6455, section 1.3.
	t.equal(websocketAccept('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
	const socket = request(
		'connection: upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
	);
	t.equal(
		check(socket, switching('upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')),
		'ok',
	);
	t.equal(check(socket, switching('upgrade: websocket\r\nsec-websocket-accept: AAAA\r\n')), 'UPGRADE_INVALID');
	t.equal(check(socket, switching('upgrade: websocket\r\n')), 'UPGRADE_INVALID');
	t.end();
});
