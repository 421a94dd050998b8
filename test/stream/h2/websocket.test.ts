/**
 * Which protocol carries WebSocket: to servers by `ws` and what ALPN offers (manual, 5.2), from clients by what they
 * are told (`h2-workaround-bogus-websocket-clients`).
 */
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import t, { type Test } from 'tap';
import { websocketAccept } from '../../../lib/http/connection.js';
import { startHarness } from '../../fixtures/proxy-harness.js';
import { exchangeOnce, rawClient, startOrigin } from '../../fixtures/raw-http.js';
import { waitFor } from '../../fixtures/wait-for.js';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const UPGRADE = `GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`;
const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${websocketAccept(KEY)}\r\n\r\n`;
const PEM = readFileSync(new URL('../../fixtures/tls/a.pem', import.meta.url));

/** A server of both versions; says by which it was asked for a tunnel, and for anything else. */
async function startServer(t: Test): Promise<number> {
	const server = http2.createSecureServer({
		key: PEM,
		cert: PEM,
		allowHTTP1: true,
		settings: { enableConnectProtocol: true },
	});
	server.on('stream', (stream, headers) => {
		stream.on('error', () => undefined);
		stream.respond({ ':status': 200 });
		if (headers[':method'] === 'CONNECT') stream.write('by h2');
		else stream.end('h2');
	});
	server.on('upgrade', (_request, socket) => {
		socket.on('error', () => undefined);
		socket.write(`${SWITCHED}by h1`);
	});
	server.on('request', (request, response) => {
		if (request.httpVersionMajor === 1) response.end('h1');
	});
	server.on('session', (session) => {
		session.on('error', () => undefined);
		t.teardown(() => session.destroy());
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => server.close());
	return (server.address() as { port: number }).port;
}

async function start(t: Test, port: number, line: string, global = ''): Promise<number> {
	const harness = await startHarness(`
global
	${global}
defaults
	mode http
	timeout client 10s
	timeout server 10s
	timeout connect 5s
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${port} ${line}
`);
	t.teardown(async () => {
		await harness.close();
		if (harness.errors.length > 0) throw new Error('something failed inside the proxy', { cause: harness.errors[0] });
	});
	return harness.port('fe');
}

async function carriedBy(port: number): Promise<string | undefined> {
	const client = await rawClient(port);
	client.send(UPGRADE);
	const answer = await client.until('by h');
	await client.when('the version', (text) => /by h\d/.test(text));
	client.close();
	return answer.startsWith('HTTP/1.1 101') ? /by (h\d)/.exec(client.received)?.[1] : undefined;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

for (const [line, websocket, other] of [
	['alpn h2,http/1.1', 'h1', 'h2'],
	['alpn h2,http/1.1 ws auto', 'h1', 'h2'],
	['alpn h2,http/1.1 ws h1', 'h1', 'h2'],
	['alpn h2,http/1.1 ws h2', 'h2', 'h2'],
	['alpn h2', 'h2', 'h2'],
	['alpn h2 ws h1', 'h1', 'h2'],
	['alpn http/1.1', 'h1', 'h1'],
	['alpn http/1.1 ws h2', 'h2', 'h1'],
	['proto h2 alpn h2 ws h1', 'h1', 'h2'],
	['proto h2 alpn h2,http/1.1', 'h2', 'h2'],
] as const) {
	t.test(`server ... ssl ${line}`, async (t) => {
		const port = await start(t, await startServer(t), `ssl verify none ${line}`);
		t.match(await exchangeOnce(port, GET), new RegExp(`${other}(?:\\r\\n0\\r\\n\\r\\n)?$`), 'other requests');
		t.equal(await carriedBy(port), websocket);
		t.equal(await carriedBy(port), websocket, 'and again');
		t.match(await exchangeOnce(port, GET), new RegExp(`${other}(?:\\r\\n0\\r\\n\\r\\n)?$`), 'others as before');
	});
}

t.test('HTTP/2 on both sides', async (t) => {
	const port = await start(t, await startServer(t), 'ssl verify none alpn h2');
	const session = http2.connect(`http://127.0.0.1:${port}`);
	session.on('error', () => undefined);
	t.teardown(() => session.destroy());
	await waitFor('its settings', () => session.remoteSettings?.enableConnectProtocol === true);
	const stream = session.request({
		':method': 'CONNECT',
		':protocol': 'websocket',
		':scheme': 'http',
		':authority': 'x',
		':path': '/chat',
	});
	let status = 0;
	let text = '';
	stream.on('error', () => undefined);
	stream.on('response', (fields) => {
		status = Number(fields[':status']);
	});
	stream.on('data', (bytes: Buffer) => {
		text += bytes;
	});
	await waitFor('the greeting', () => text === 'by h2');
	t.equal(status, 200);
	stream.close();
});

t.test('in clear', async (t) => {
	const origin = await startOrigin(({ socket }) => socket.write(`${SWITCHED}by h1`));
	t.teardown(() => origin.close());
	t.equal(await carriedBy(await start(t, origin.port, 'proto h2 ws h1')), 'h1');
	t.equal(await carriedBy(await start(t, origin.port, '')), 'h1');
});

t.test('clients are told that they may ask for it, or not', async (t) => {
	for (const [global, isTold] of [
		['', true],
		['h2-workaround-bogus-websocket-clients', false],
		['h2-workaround-bogus-websocket-clients\n\tno h2-workaround-bogus-websocket-clients', true],
	] as const) {
		const session = http2.connect(`http://127.0.0.1:${await start(t, 9, '', global)}`);
		session.on('error', () => undefined);
		t.teardown(() => session.destroy());
		let settings: http2.Settings | undefined;
		session.once('remoteSettings', (given) => {
			settings = given;
		});
		await waitFor('its settings', () => settings !== undefined);
		t.equal(settings?.enableConnectProtocol === true, isTold, global);
	}
});
