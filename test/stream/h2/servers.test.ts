/**
 * What servers of HTTP/2 may do and must not, seen by clients of HTTP/1.1: a server made of frames answers, our own
 * codec is in the client's role.
 */
import http2 from 'node:http2';
import t, { type Test } from 'tap';
import { websocketAccept } from '../../../lib/http/connection.js';
import {
	type FrameConnection,
	type FrameRequest,
	type FrameServer,
	head,
	startFrameServer,
} from '../../fixtures/h2-frame-server.js';
import { data, ErrorCode, type Fields, Flag, frame, rst, Type, uint32 } from '../../fixtures/h2-frames.js';
import { type Harness, startHarness } from '../../fixtures/proxy-harness.js';
import { exchangeOnce, rawClient } from '../../fixtures/raw-http.js';
import { waitFor } from '../../fixtures/wait-for.js';

interface Setup {
	readonly harness: Harness;
	readonly server: FrameServer;
	readonly port: number;
}

interface Options {
	readonly back?: string;
	readonly line?: string;
	readonly settings?: Buffer;
	readonly global?: string;
}

const NONE: Buffer = Buffer.alloc(0);

async function setUp(
	t: Test,
	answer: (request: FrameRequest) => void,
	{ back = '', line = '', settings = NONE, global = '' }: Options = {},
): Promise<Setup> {
	const server = await startFrameServer(answer, settings);
	const harness = await startHarness(`
global
	${global}
defaults
	mode http
	log stdout format raw local0
	option httplog
	timeout client 10s
	timeout server 10s
	timeout connect 2s
	retries 1
frontend fe
	bind 127.0.0.1:0
	default_backend be
backend be
	${back}
	server s1 127.0.0.1:${server.port} proto h2 ${line}
`);
	t.teardown(async () => {
		await harness.close();
		server.close();
		if (harness.errors.length > 0) throw new Error('something failed inside the proxy', { cause: harness.errors[0] });
	});
	return { harness, server, port: harness.port('fe') };
}

const get = (path: string, more = '', method = 'GET'): string =>
	`${method} ${path} HTTP/1.1\r\nHost: example\r\nConnection: close\r\n${more}\r\n`;

const OK: Fields[number] = [':status', '200'];

/** A setting of six bytes. */
const setting = (id: number, value: number): Buffer => Buffer.concat([Buffer.from([0, id]), uint32(value)]);

t.test('a request as fields, a response as lines', async (t) => {
	let seen: ReadonlyMap<string, string> = new Map();
	const { port } = await setUp(t, ({ connection, stream, fields }) => {
		seen = fields;
		connection.send(head(stream, [OK, ['x-a', 'b'], ['content-length', '5']], false), data(stream, 'hello', true));
	});
	const answer = await exchangeOnce(port, get('/a?b', 'X-Name: Value\r\nTE: trailers, deflate\r\nCookie: a=b\r\n'));
	t.equal(answer, 'HTTP/1.1 200 \r\nx-a: b\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello');
	t.same(
		[...seen],
		[
			[':method', 'GET'],
			[':scheme', 'http'],
			[':authority', 'example'],
			[':path', '/a?b'],
			['x-name', 'Value'],
			['te', 'trailers'],
			['cookie', 'a=b'],
		],
	);
});

t.test('targets of HTTP/1.1 in all their forms', async (t) => {
	const seen: string[] = [];
	const { port } = await setUp(t, ({ connection, stream, fields }) => {
		seen.push([':method', ':scheme', ':authority', ':path'].map((name) => fields.get(name) ?? '-').join(' '));
		connection.ok(stream);
	});
	await exchangeOnce(port, get('http://example/x?y'));
	await exchangeOnce(port, get('http://example'));
	await exchangeOnce(port, get('*', '', 'OPTIONS'));
	t.same(seen, ['GET http example /x?y', 'GET http example /', 'OPTIONS http example *']);
});

t.test('bodies both ways, of known and unknown length', async (t) => {
	const { port } = await setUp(t, ({ connection, stream, fields, path }) => {
		void waitFor('the body', () =>
			connection.frames.some((one) => one.stream === stream && (one.flags & Flag.END_STREAM) !== 0),
		).then(() => {
			const body = `${fields.get('content-length') ?? 'none'}:${connection.payload(stream)}`;
			const length: Fields = path === '/known' ? [['content-length', String(body.length)]] : [];
			connection.send(head(stream, [OK, ...length], false));
			for (const char of body) connection.send(data(stream, char));
			connection.send(frame(Type.DATA, Flag.END_STREAM, stream));
		});
	});
	const payload = (text: string): string =>
		text.includes('chunked')
			? text
					.slice(text.indexOf('\r\n\r\n') + 4)
					.replace(/[0-9a-f]+\r\n([^\r]*)\r\n/g, '$1')
					.replace(/\r\n$/, '')
			: text.slice(text.indexOf('\r\n\r\n') + 4);
	const known = await exchangeOnce(port, `${get('/known', 'Content-Length: 5\r\n', 'POST')}hello`);
	t.equal(payload(known), '5:hello');
	const unknown = await exchangeOnce(
		port,
		`${get('/unknown', 'Transfer-Encoding: chunked\r\n', 'POST')}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
	);
	t.match(unknown, /transfer-encoding: chunked/);
	t.equal(payload(unknown), 'none:abcde');
	const old = await exchangeOnce(port, 'GET /unknown HTTP/1.0\r\nHost: x\r\n\r\n');
	t.notMatch(old, /chunked/);
	t.equal(payload(old), 'none:', 'to a client of HTTP/1.0: payload until the end');
});

t.test('responses without a body', async (t) => {
	const { port } = await setUp(t, ({ connection, stream, path }) => {
		if (path === '/204')
			connection.send(
				head(stream, [
					[':status', '204'],
					['x', 'y'],
				]),
			);
		else if (path === '/304')
			connection.send(
				head(stream, [
					[':status', '304'],
					['content-length', '7'],
				]),
			);
		else if (path === '/head') connection.send(head(stream, [OK, ['content-length', '7']]));
		else if (path === '/later') connection.send(head(stream, [OK], false), frame(Type.DATA, Flag.END_STREAM, stream));
		else connection.send(head(stream, [OK]));
	});
	t.equal(await exchangeOnce(port, get('/204')), 'HTTP/1.1 204 \r\nx: y\r\nconnection: close\r\n\r\n');
	t.match(await exchangeOnce(port, get('/304')), /^HTTP\/1\.1 304 \r\ncontent-length: 7\r\n/);
	t.match(
		await exchangeOnce(port, get('/head', '', 'HEAD')),
		/^HTTP\/1\.1 200 \r\ncontent-length: 7\r\n[\s\S]*\r\n\r\n$/,
	);
	t.match(await exchangeOnce(port, get('/200')), /content-length: 0\r\n[\s\S]*\r\n\r\n$/);
	t.match(await exchangeOnce(port, get('/later')), /transfer-encoding: chunked\r\n[\s\S]*\r\n\r\n0\r\n\r\n$/);
});

t.test('interim responses go on, but not without end', async (t) => {
	const { port } = await setUp(t, ({ connection, stream, path }) => {
		const count = path === '/many' ? 20 : 2;
		for (let i = 0; i < count; i++)
			connection.send(
				head(
					stream,
					[
						[':status', '103'],
						['link', `${i}`],
					],
					false,
				),
			);
		connection.ok(stream);
	});
	const answer = await exchangeOnce(port, get('/'));
	t.match(answer, /^HTTP\/1\.1 103 [\s\S]*link: 0[\s\S]*HTTP\/1\.1 103 [\s\S]*link: 1[\s\S]*HTTP\/1\.1 200 /);
	t.match(await exchangeOnce(port, get('/many')), /HTTP\/1\.1 502 /);
});

const MALFORMED: readonly (readonly [name: string, fields: Fields])[] = [
	['no status', [['a', 'b']]],
	['two of them', [OK, OK]],
	['a status after a field', [['a', 'b'], OK]],
	['a status that is none', [[':status', '99']]],
	['a status of four digits', [[':status', '2000']]],
	['101', [[':status', '101']]],
	['a pseudo field of requests', [OK, [':path', '/']]],
	['an upper case name', [OK, ['X-A', 'b']]],
	['an empty name', [OK, ['', 'b']]],
	['a name with a colon', [OK, ['a:b', 'c']]],
	['a name with a space', [OK, ['a b', 'c']]],
	['a value with CR LF', [OK, ['a', 'b\r\nset-cookie: x']]],
	['a value with NUL', [OK, ['a', 'b\0']]],
	['connection', [OK, ['connection', 'close']]],
	['keep-alive', [OK, ['keep-alive', 'timeout=5']]],
	['proxy-connection', [OK, ['proxy-connection', 'close']]],
	['transfer-encoding', [OK, ['transfer-encoding', 'chunked']]],
	['upgrade', [OK, ['upgrade', 'h2c']]],
	['a length that is none', [OK, ['content-length', '+2']]],
	['two lengths', [OK, ['content-length', '2'], ['content-length', '3']]],
	['a length and nothing behind it', [OK, ['content-length', '2']]],
	['more fields than are allowed', [OK, ...Array.from({ length: 200 }, (_, i) => [`a${i}`, 'b'] as const)]],
];

t.test('malformed heads are answered by 502, and cost their stream only (RFC 9113, section 8.1.1)', async (t) => {
	const { port, server, harness } = await setUp(
		t,
		({ connection, stream, path }) => {
			const [name, fields] = MALFORMED[Number(path.slice(1))] ?? ['', []];
			if (path === '/good') connection.ok(stream);
			else connection.send(head(stream, fields, name.endsWith('nothing behind it')));
		},
		{ back: 'http-reuse always' },
	);
	for (const [i, [name]] of MALFORMED.entries()) {
		t.match(await exchangeOnce(port, get(`/${i}`)), /^HTTP\/1\.1 502 /, name);
		t.equal(harness.streams[i]?.log.terminationState, 'PH--', name);
		const [connection] = server.connections;
		// A stream that is over cannot be reset (RFC 9113, section 5.1).
		t.notOk(connection?.find(Type.GOAWAY), `${name}: the connection is not its business`);
	}
	t.match(await exchangeOnce(port, get('/good')), /^HTTP\/1\.1 200 /);
	t.equal(server.connections.length, 1);
	await waitFor('RST_STREAM', () => server.connections[0]?.find(Type.RST_STREAM, 1) !== undefined);
	t.equal(server.connections[0]?.find(Type.RST_STREAM, 1)?.payload.readUInt32BE(0), ErrorCode.PROTOCOL_ERROR);
});

t.test('bodies that disagree with their length', async (t) => {
	const { port } = await setUp(t, ({ connection, stream, path }) => {
		connection.send(head(stream, [OK, ['content-length', '4']], false));
		connection.send(data(stream, path === '/short' ? 'abc' : 'abcdef', true));
	});
	const short = await rawClient(port);
	short.send('GET /short HTTP/1.1\r\nHost: x\r\n\r\n');
	t.match(await short.end(), /content-length: 4\r\n\r\nabc$/, 'cut, and the connection with it');
	const long = await rawClient(port);
	long.send('GET /long HTTP/1.1\r\nHost: x\r\n\r\n');
	t.notMatch(await long.end(), /ef/, 'what is too much goes nowhere');
});

t.test('streams that the server resets', async (t) => {
	const { port, harness } = await setUp(t, ({ connection, stream, path }) => {
		const [, when, code] = path.split('/');
		if (when === 'within') connection.send(head(stream, [OK], false), data(stream, 'begin'));
		if (when === 'after') connection.ok(stream);
		connection.send(rst(stream, Number(code)));
	});
	for (const code of [ErrorCode.CANCEL, ErrorCode.INTERNAL_ERROR, ErrorCode.PROTOCOL_ERROR, 13]) {
		t.match(await exchangeOnce(port, get(`/before/${code}`)), /^HTTP\/1\.1 502 /, `code ${code}`);
	}
	t.equal(harness.streams[0]?.log.terminationState, 'SH--');
	const cut = await exchangeOnce(port, get('/within/8'));
	t.match(cut, /begin\r\n$/, 'no last chunk');
	t.equal(harness.streams[4]?.log.terminationState, 'SD--');
	// Section 8.1: the request may be given up when the response is complete.
	const post = await exchangeOnce(port, `${get('/after/0', 'Content-Length: 100\r\n', 'POST')}part of it`);
	t.match(post, /^HTTP\/1\.1 200 [\s\S]*ok/);
});

t.test('a stream that was refused is sent again on another connection (section 8.7)', async (t) => {
	let refused = 0;
	const { port, server } = await setUp(t, ({ connection, stream }) => {
		if (refused++ === 0) connection.send(rst(stream, ErrorCode.REFUSED_STREAM));
		else connection.ok(stream);
	});
	t.match(await exchangeOnce(port, get('/', '', 'POST')), /^HTTP\/1\.1 200 /, 'also what is not idempotent');
	t.equal(server.connections.length, 2);
});

t.test('GOAWAY: what is above its stream was not seen, what is below is finished (section 6.8)', async (t) => {
	const waiting: FrameRequest[] = [];
	const { port, server } = await setUp(
		t,
		(request) => {
			if (request.connection !== server.connections[0]) request.connection.ok(request.stream, 'elsewhere');
			else waiting.push(request);
		},
		{ back: 'http-reuse always' },
	);
	const clients: ReturnType<typeof exchangeOnce>[] = [];
	for (let i = 0; i < 3; i++) {
		clients.push(exchangeOnce(port, get(`/${i}`, '', 'POST')));
		await waitFor('the request', () => waiting.length === i + 1);
	}
	const [first, second] = waiting as [FrameRequest, FrameRequest];
	first.connection.goaway(second.stream);
	const last = await (clients[2] as Promise<string>);
	t.match(last, /elsewhere/, 'sent again');
	first.connection.ok(first.stream, 'first');
	second.connection.ok(second.stream, 'second');
	t.match(await clients[0], /first/);
	t.match(await clients[1], /second/);
	t.match(await exchangeOnce(port, get('/next')), /elsewhere/, 'no new stream on it');
});

const BROKEN: readonly (readonly [name: string, frames: (stream: number) => Buffer, code: number])[] = [
	['a frame that is too large', () => frame(Type.PING, 0, 0, Buffer.alloc(20_000)), ErrorCode.FRAME_SIZE_ERROR],
	['a broken block', (id) => frame(Type.HEADERS, 4, id, Buffer.from([0x80])), ErrorCode.COMPRESSION_ERROR],
	['a pushed response', (id) => frame(Type.PUSH_PROMISE, 4, id, uint32(2)), ErrorCode.PROTOCOL_ERROR],
	['a stream of its own', () => head(2, [OK]), ErrorCode.PROTOCOL_ERROR],
	['a response to nothing', () => head(99, [OK]), ErrorCode.PROTOCOL_ERROR],
	['a window of no bytes', () => frame(Type.WINDOW_UPDATE, 0, 0, uint32(0)), ErrorCode.PROTOCOL_ERROR],
	['a setting out of bounds', () => frame(Type.SETTINGS, 0, 0, setting(5, 1)), ErrorCode.PROTOCOL_ERROR],
	['HTTP/1', () => Buffer.from('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'), ErrorCode.FRAME_SIZE_ERROR],
];

t.test('a server that breaks the rules of the connection is left', async (t) => {
	const { port, server } = await setUp(t, ({ connection, stream, path }) => {
		connection.send(BROKEN[Number(path.slice(1))]?.[1](stream) ?? Buffer.alloc(0));
	});
	for (const [i, [name, , code]] of BROKEN.entries()) {
		t.match(await exchangeOnce(port, get(`/${i}`)), /^HTTP\/1\.1 502 /, name);
		const connection = server.connections.at(-1) as FrameConnection;
		await waitFor('GOAWAY', () => connection.find(Type.GOAWAY) !== undefined);
		t.equal(connection.find(Type.GOAWAY)?.payload.readUInt32BE(4), code, `${name}: told why`);
	}
});

t.test('trailers come through, but not those that would change the message', async (t) => {
	const { port, harness } = await setUp(t, ({ connection, stream, path }) => {
		connection.send(head(stream, [OK], false), data(stream, 'x'));
		const more: Fields = path === '/bad' ? [[':status', '200']] : [['content-length', '9']];
		connection.send(head(stream, [['x-sum', '7'], ...more]));
	});
	t.match(await exchangeOnce(port, get('/')), /\r\n1\r\nx\r\n0\r\nx-sum: 7\r\n\r\n$/);
	t.match(await exchangeOnce(port, get('/bad')), /\r\n1\r\nx\r\n$/, 'malformed ones break the message off');
	t.equal(harness.streams[1]?.log.terminationState, 'SD--');
});

t.test('a server with small windows and a long upload', async (t) => {
	const size = 300_000;
	let window = 0;
	const { port } = await setUp(
		t,
		({ connection, stream, path }) => {
			if (path === '/first') {
				connection.send(head(stream, [OK]));
				return;
			}
			const timer = setInterval(() => {
				const got = connection.payload(stream).length;
				if (got > window) t.fail(`${got} bytes, allowed were ${window}`);
				if (got === size) {
					clearInterval(timer);
					connection.ok(stream, 'all');
				} else if (got === window) {
					const more = Math.min(30_000, size - window);
					window += more;
					connection.send(
						frame(Type.WINDOW_UPDATE, 0, stream, uint32(more)),
						frame(Type.WINDOW_UPDATE, 0, 0, uint32(more)),
					);
				}
			}, 2);
			t.teardown(() => clearInterval(timer));
		},
		{ settings: setting(4, 0), back: 'http-reuse always' },
	);
	// What was sent before the settings came would go by the window that everybody begins with.
	await exchangeOnce(port, get('/first'));
	const answer = await exchangeOnce(port, get('/', `Content-Length: ${size}\r\n`, 'POST') + 'x'.repeat(size));
	t.match(answer, /^HTTP\/1\.1 200 [\s\S]*all/);
});

t.test('an upload that nobody takes costs bounded memory', async (t) => {
	const { port } = await setUp(t, () => undefined, { settings: setting(4, 1000) });
	const client = await rawClient(port);
	client.send(get('/', 'Content-Length: 100000000\r\n', 'POST'));
	const piece = 'x'.repeat(1 << 20);
	let given = 0;
	for (let full = false; !full && given < 64; given++) {
		full = !client.socket.write(piece, 'latin1');
		if (full) {
			let drained = false;
			client.socket.once('drain', () => {
				drained = true;
			});
			const deadline = Date.now() + 1000;
			while (!drained && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
			full = !drained;
		}
	}
	t.ok(given < 40, `${given} MB on their way`);
	client.close();
});

t.test('windows are given back as the client reads', async (t) => {
	const { port, server } = await setUp(t, ({ connection, stream }) => {
		connection.send(head(stream, [OK], false));
		const body = Buffer.alloc(16_384, 'x');
		for (let i = 0; i < 4; i++) connection.send(data(stream, i < 3 ? body : body.subarray(0, 15_000)));
		void waitFor('more of the window', () => connection.find(Type.WINDOW_UPDATE, stream) !== undefined).then(() =>
			connection.send(data(stream, 'end', true)),
		);
	});
	const answer = await exchangeOnce(port, get('/'));
	t.match(answer, /end\r\n0\r\n\r\n$/);
	t.ok(server.connections[0]?.find(Type.WINDOW_UPDATE, 0));
});

t.test('clients that leave in the midst of a body give back what it took of the window of all', async (t) => {
	const { port, server } = await setUp(
		t,
		({ connection, stream }) => {
			connection.send(head(stream, [OK], false));
			for (let i = 0; i < 6; i++) connection.send(data(stream, Buffer.alloc(10_000, 'x')));
		},
		{
			back: 'http-reuse always\n\thttp-response pause 20s',
			global: 'tune.h2.be.initial-window-size 65535\n\ttune.h2.be.max-concurrent-streams 3',
		},
	);
	const sent = (): number => {
		let bytes = 65_535;
		for (const one of server.connections[0]?.frames ?? []) {
			if (one.type === Type.WINDOW_UPDATE && one.stream === 0) bytes += one.payload.readUInt32BE(0);
		}
		return bytes;
	};
	for (let i = 0; i < 8; i++) {
		const client = await rawClient(port);
		client.send(get('/'));
		await waitFor('the request', () => server.connections[0]?.find(Type.HEADERS, 2 * i + 1) !== undefined);
		client.reset();
		await waitFor('its end', () => server.connections[0]?.find(Type.RST_STREAM, 2 * i + 1) !== undefined);
	}
	t.equal(server.connections.length, 1);
	// Eight bodies of 60,000 bytes: no more than half a window is still to be given back.
	await waitFor('the window', () => sent() >= 8 * 60_000 + 65_535 * 2);
	t.ok(sent() - 8 * 60_000 >= 65_535 * 2, `${sent() - 8 * 60_000} bytes of window left`);
});

t.test('rules that wait for a body of unknown length, and filters', async (t) => {
	const { port } = await setUp(
		t,
		({ connection, stream }) => {
			connection.send(head(stream, [OK, ['content-type', 'text/plain']], false));
			setImmediate(() => {
				connection.send(data(stream, 'hello '));
				setImmediate(() => connection.send(data(stream, 'x'.repeat(2000), true)));
			});
		},
		{
			back: `http-response wait-for-body time 5s at-least 2000
	http-response set-header x-begin %[res.body,bytes(0,5)]
	compression algo gzip
	compression type text/plain`,
		},
	);
	const plain = await exchangeOnce(port, get('/'));
	t.match(plain, /x-begin: hello\r\n/);
	t.match(plain, /hello [\s\S]*x{1000}[\s\S]*\r\n0\r\n\r\n$/);
	const packed = await exchangeOnce(port, get('/', 'Accept-Encoding: gzip\r\n'));
	t.match(packed, /content-encoding: gzip\r\n[\s\S]*\r\n0\r\n\r\n$/);
});

t.test('pools: connections rest, are counted, serve again, and not too often', async (t) => {
	const { port, server, harness } = await setUp(t, ({ connection, stream }) => connection.ok(stream), {
		back: 'http-reuse always',
		line: 'max-reuse 3 pool-max-conn 1',
	});
	const proxied = harness.backends.get('be')?.backend.servers[0];
	const idle = (): number => proxied?.states.idle(proxied.index) ?? -1;
	for (let i = 0; i < 4; i++) t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 200 /);
	t.equal(server.connections.length, 1, 'one request and three more');
	await waitFor('its end', () => server.connections[0]?.find(Type.GOAWAY) !== undefined);
	t.equal(idle(), 0);
	t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 200 /);
	t.equal(server.connections.length, 2);
	t.equal(idle(), 1);
	server.connections[1]?.socket.end();
	await waitFor('its end', () => idle() === 0);
	t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 200 /);
	t.equal(server.connections.length, 3);
});

t.test('http-reuse never: each client has its own', async (t) => {
	const { port, server } = await setUp(t, ({ connection, stream }) => connection.ok(stream), {
		back: 'http-reuse never',
	});
	const client = await rawClient(port);
	for (let i = 1; i <= 3; i++) {
		client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
		await client.when('the answer', (text) => text.split('200 ').length === i + 1 && text.endsWith('0\r\n\r\n'));
	}
	t.equal(server.connections.length, 1);
	await exchangeOnce(port, get('/'));
	t.equal(server.connections.length, 2);
	client.close();
});

t.test('WebSocket to a server of HTTP/2 (RFC 8441)', async (t) => {
	const server = http2.createServer({ settings: { enableConnectProtocol: true } });
	const seen: http2.IncomingHttpHeaders[] = [];
	server.on('stream', (stream, headers) => {
		stream.on('error', () => undefined);
		seen.push(headers);
		if (headers[':path'] === '/no') {
			stream.respond({ ':status': 403 });
			stream.end('no');
			return;
		}
		stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
		stream.on('data', (bytes: Buffer) => stream.write(bytes.toString('latin1').toUpperCase()));
		stream.on('end', () => stream.end());
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address() as { port: number };
	const harness = await startHarness(`
defaults
	mode http
	timeout client 10s
	timeout server 10s
	timeout connect 2s
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${address.port} proto h2
`);
	t.teardown(async () => {
		await harness.close();
		server.close();
	});
	const key = 'dGhlIHNhbXBsZSBub25jZQ==';
	const upgrade = (path: string): string =>
		`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;
	const client = await rawClient(harness.port('fe'));
	client.send(upgrade('/chat'));
	const answer = await client.until('\r\n\r\n');
	t.match(answer, /^HTTP\/1\.1 101 /);
	t.match(answer, new RegExp(`sec-websocket-accept: ${websocketAccept(key).replace(/[+/]/g, '\\$&')}\r\n`));
	t.match(answer, /sec-websocket-protocol: chat\r\n/);
	t.match(seen[0], { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/chat' });
	t.notOk(seen[0]?.['sec-websocket-key']);
	client.send('hello');
	await client.until('HELLO');
	client.finish();
	await client.end();
	const refused = await rawClient(harness.port('fe'));
	refused.send(upgrade('/no'));
	t.match(await refused.until('no'), /^HTTP\/1\.1 403 /);
	refused.close();
});

t.test('a server that knows no extended CONNECT', async (t) => {
	const { port } = await setUp(t, ({ connection, stream }) => connection.ok(stream));
	const client = await rawClient(port);
	client.send(
		'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
	);
	t.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 502 /);
	client.close();
});

t.test(
	'a connection that has gone silent gets no more requests, a slow answer on a live one is no reason',
	async (t) => {
		let isSilent = false;
		const { port, server } = await setUp(
			t,
			({ connection, stream, path }) => {
				if (path === '/slow') {
					const timer = setInterval(() => connection.send(frame(Type.PING, 0, 0, Buffer.alloc(8))), 10);
					connection.socket.once('close', () => clearInterval(timer));
				} else if (!isSilent || connection !== server.connections[0]) connection.ok(stream);
			},
			{ back: 'http-reuse always\n\ttimeout server 300ms' },
		);
		t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 200 /);
		isSilent = true;
		t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 504 /);
		t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 200 /);
		t.equal(server.connections.length, 2);
		t.match(await exchangeOnce(port, get('/slow')), /^HTTP\/1\.1 504 /);
		t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 200 /);
		t.equal(server.connections.length, 2);
	},
);

t.test('a server that asks and does not read', async (t) => {
	const { port, server } = await setUp(t, ({ connection }) => {
		connection.socket.pause();
		const pings = Buffer.concat(Array.from({ length: 4000 }, () => frame(Type.PING, 0, 0, Buffer.alloc(8))));
		const flood = (): void => {
			if (!connection.socket.destroyed) connection.socket.write(pings, () => setImmediate(flood));
		};
		flood();
	});
	t.match(await exchangeOnce(port, get('/')), /^HTTP\/1\.1 502 /);
	await waitFor('its end', () => server.connections[0]?.socket.destroyed === true);
});

t.test('a server whose last answer comes with its end', async (t) => {
	const { port, server } = await setUp(t, ({ connection, stream }) => {
		connection.ok(stream, 'last');
		connection.socket.end();
	});
	for (let i = 0; i < 5; i++) t.match(await exchangeOnce(port, get('/')), /last/);
	t.equal(server.connections.length, 5);
});

t.test('fetches of connections that carry several streams', async (t) => {
	const waiting: FrameRequest[] = [];
	const { port } = await setUp(
		t,
		(request) => {
			if (request.path === '/wait') waiting.push(request);
			else request.connection.ok(request.stream);
		},
		{
			back: `http-reuse always
	http-response set-header x-seen "%[bc_http_major] %[bc_nb_streams] %[bc_setting_streams_limit] %[bc_glitches] %[bc_reused] %[fc_http_major] %[fc_nb_streams] %[fc_settings_streams_limit] %[fc_glitches]"`,
			settings: setting(3, 7),
		},
	);
	const seen = (answer: string): string | undefined => /x-seen: (.*)\r/.exec(answer)?.[1];
	t.equal(seen(await exchangeOnce(port, get('/'))), '2 1 7 0 0 1 1 1 0');
	const waits = exchangeOnce(port, get('/wait'));
	await waitFor('the request', () => waiting.length === 1);
	t.equal(seen(await exchangeOnce(port, get('/'))), '2 2 7 0 1 1 1 1 0');
	const [first] = waiting as [FrameRequest];
	// An oddity that harms nobody.
	first.connection.send(frame(Type.PING, Flag.ACK, 0, Buffer.alloc(8)));
	first.connection.ok(first.stream);
	t.equal(seen(await waits), '2 1 7 1 1 1 1 1 0');
	const session = http2.connect(`http://127.0.0.1:${port}`);
	session.on('error', () => undefined);
	t.teardown(() => session.destroy());
	const stream = session.request({ ':path': '/' });
	const fields = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once('response', resolve));
	t.equal(fields['x-seen'], '2 1 7 1 1 2 1 100 0');
});
