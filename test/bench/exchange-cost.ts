/**
 * What one proxied request costs in JavaScript alone: the native engine between a client's and a server's
 * socket whose handles are fakes, so that no kernel, no network and no other program is in the figure. The
 * best of twenty rounds is printed, in microseconds of CPU per request:
 *
 *     npx tsx test/bench/exchange-cost.ts            each size of answer
 *     npx tsx test/bench/exchange-cost.ts 10240      one size
 *
 * It reaches the read callbacks of Node's sockets by the description of a symbol, as only a benchmark may.
 */
import { connect, Socket } from 'node:net';
import { nativeEngine } from '../../lib/frontend/listener.js';
import type { ClientConnection } from '../../lib/stream/native/client-connection.js';
import { Session } from '../../lib/stream/session.js';
import { startHarness } from '../fixtures/proxy-harness.js';

const ROUNDS = 20;
const REQUESTS_PER_ROUND = 20_000;
const WARM_UP_REQUESTS = 100_000;

const CONFIGURATION = `
defaults
	mode http
	timeout client 30s
	timeout server 30s
	timeout connect 5s
frontend fe
	bind 127.0.0.1:0
	stick-table type ip size 100k expire 60s store http_req_rate(10s)
	http-request track-sc0 src
	http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000000 }
	default_backend be
backend be
	server s1 192.0.2.1:80
`;

/** The methods of a libuv handle that a socket calls; a write is a copy, as the kernel's is. */
class FakeHandle {
	readonly writeQueueSize = 0;
	readonly #sent = Buffer.alloc(1024 * 1024);

	useUserBuffer(): void {}
	readStart(): number {
		return 0;
	}
	readStop(): number {
		return 0;
	}
	setNoDelay(): number {
		return 0;
	}
	getAsyncId(): number {
		return 1;
	}
	close(callback?: () => void): void {
		callback?.();
	}
	writeLatin1String(_request: object, text: string): number {
		this.#sent.write(text, 0, 'latin1');
		return 0;
	}
	writeBuffer(_request: object, bytes: Buffer): number {
		bytes.copy(this.#sent);
		return 0;
	}
}

type ReadCallback = (byteCount: number, buffer: Buffer) => void;

function readCallbackOf(socket: Socket): ReadCallback {
	const symbol = Object.getOwnPropertySymbols(socket).find((one) => one.description === 'kBufferCb');
	if (symbol === undefined) throw new Error('this Node keeps the read callback of a socket elsewhere');
	return (socket as unknown as Record<symbol, ReadCallback>)[symbol] as ReadCallback;
}

async function measure(bodyBytes: number): Promise<number> {
	const harness = await startHarness(CONFIGURATION, { collectStreams: false });
	// One real exchange of bytes teaches the engine to write directly.
	await new Promise<void>((resolve) => {
		const socket = connect(harness.port('fe'), '127.0.0.1', () => socket.write('BAD\r\n\r\n'));
		socket.on('data', () => {}).on('close', () => resolve());
	});
	const serverSockets: Socket[] = [];
	const realConnect = Socket.prototype.connect;
	Socket.prototype.connect = function (this: Socket) {
		Object.assign(this, { _handle: new FakeHandle(), connecting: false });
		serverSockets.push(this);
		setImmediate(() => this.emit('connect'));
		return this;
	} as typeof realConnect;
	const frontend = harness.frontends.get('fe');
	if (frontend === undefined) throw new Error('no frontend');
	const endpoints = { remoteAddress: '192.0.2.7', remotePort: 1, localAddress: '192.0.2.8', localPort: 80 };
	const session = new Session(
		harness.thread,
		frontend,
		{ name: undefined, id: 1, establishedCount: 1, sessionEnded() {} },
		endpoints,
	);
	const client = nativeEngine(harness.thread, session, new FakeHandle() as never) as ClientConnection;

	const { scratch } = harness.thread.readBuffers;
	const request = Buffer.from('GET /path HTTP/1.1\r\nHost: 127.0.0.1:18200\r\n\r\n');
	const response = Buffer.from(
		`HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 04:19:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: ${bodyBytes}\r\nLast-Modified: Mon, 23 Nov 2026 04:17:00 GMT\r\nConnection: keep-alive\r\nETag: "69225f8c-c"\r\nAccept-Ranges: bytes\r\n\r\n${'x'.repeat(bodyBytes)}`,
	);
	const fromClient = readCallbackOf(client.socket);
	request.copy(scratch);
	fromClient(request.length, scratch);
	await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
	const fromServer = readCallbackOf(serverSockets[0] as Socket);
	const answer = () => {
		response.copy(scratch);
		fromServer(response.length, scratch);
	};
	answer();
	const exchange = () => {
		request.copy(scratch);
		fromClient(request.length, scratch);
		answer();
	};
	for (let i = 0; i < WARM_UP_REQUESTS; i++) exchange();
	let best = Number.POSITIVE_INFINITY;
	for (let round = 0; round < ROUNDS; round++) {
		const before = process.cpuUsage();
		for (let i = 0; i < REQUESTS_PER_ROUND; i++) exchange();
		const { user, system } = process.cpuUsage(before);
		best = Math.min(best, (user + system) / REQUESTS_PER_ROUND);
	}
	if (serverSockets.length !== 1) throw new Error(`${serverSockets.length} server connections instead of one`);
	Socket.prototype.connect = realConnect;
	client.destroy();
	await harness.close();
	return best;
}

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [12, 1024, 10_240, 24_000];
for (const size of sizes) {
	console.log(`${String(size).padStart(6)} bytes  ${(await measure(size)).toFixed(2)} us of CPU per request`);
}
