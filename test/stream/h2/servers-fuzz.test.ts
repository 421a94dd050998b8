/**
 * Servers of HTTP/2 that have gone mad: good responses with a few bytes changed, taken out or cut, in pieces of any
 * size. Whatever comes, the client has an answer or the end of its connection, the proxy has no error of its own, and
 * the next request to a sane server is served.
 */
import { randomInt } from 'node:crypto';
import t from 'tap';
import { head, startFrameServer } from '../../fixtures/h2-frame-server.js';
import { data, frame, Type, uint32 } from '../../fixtures/h2-frames.js';
import { startHarness } from '../../fixtures/proxy-harness.js';
import { rawClient } from '../../fixtures/raw-http.js';
import { waitFor } from '../../fixtures/wait-for.js';

const seed = Number(process.env.HOLDFAST_SEED ?? randomInt(2 ** 31));
const ROUNDS = Number(process.env.HOLDFAST_FUZZ_ROUNDS ?? 300);

/** mulberry32 */
function randomFrom(start: number): (below: number) => number {
	let state = start;
	return (below) => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
	};
}

t.test('servers that have gone mad', async (t) => {
	t.comment(`HOLDFAST_SEED=${seed} HOLDFAST_FUZZ_ROUNDS=${ROUNDS}`);
	const random = randomFrom(seed);
	const good = (stream: number): Buffer => {
		const length = random(3) === 0 ? [['content-length', '10'] as const] : [];
		const pieces = [
			head(stream, [[':status', '200'], ['x-a', 'b'.repeat(random(40))], ...length], false),
			data(stream, 'hello'),
			data(stream, 'world', true),
		];
		if (random(3) === 0)
			pieces.unshift(
				head(
					stream,
					[
						[':status', '103'],
						['link', '</x>'],
					],
					false,
				),
			);
		if (random(4) === 0) pieces.unshift(frame(Type.PING, 0, 0, Buffer.alloc(8)));
		if (random(4) === 0) pieces.unshift(frame(Type.WINDOW_UPDATE, 0, 0, uint32(100)));
		if (random(4) === 0) pieces.unshift(frame(Type.SETTINGS, 0, 0, Buffer.from([0, 1, 0, 0, 0, random(200)])));
		if (random(6) === 0) pieces.push(frame(Type.GOAWAY, 0, 0, uint32(stream, 0)));
		if (random(6) === 0) pieces[pieces.length - 1] = head(stream, [['x-sum', '7']]);
		if (random(6) === 0) pieces.push(frame(Type.RST_STREAM, 0, stream, uint32(random(14))));
		return Buffer.concat(pieces);
	};
	const mad = (stream: number): Buffer => {
		let bytes = good(stream);
		for (let i = random(4); i > 0; i--) {
			const at = random(bytes.length);
			const change = random(6);
			if (change === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(5))]);
			else if (change === 1) bytes = Buffer.concat([bytes.subarray(0, at), good(stream), bytes.subarray(at)]);
			else bytes[at] = change < 4 ? random(256) : (bytes[at] as number) ^ (1 << random(8));
		}
		return bytes;
	};
	const server = await startFrameServer(({ connection, stream, path }) => {
		if (path === '/sane') {
			connection.ok(stream, 'sane');
			return;
		}
		const bytes = mad(stream);
		const cut = random(4) === 0 ? random(bytes.length + 1) : bytes.length;
		const pieceSize = 1 + random(bytes.length);
		const write = (at: number): void => {
			if (connection.socket.destroyed) return;
			connection.send(bytes.subarray(at, Math.min(at + pieceSize, cut)));
			if (at + pieceSize < cut) setImmediate(() => write(at + pieceSize));
			// Whoever waits for the rest gets the end.
			else setTimeout(() => connection.socket.end(), 2);
		};
		write(0);
	});
	const harness = await startHarness(`
defaults
	mode http
	timeout client 10s
	timeout server 2s
	timeout connect 2s
	retries 1
frontend fe
	bind 127.0.0.1:0
	default_backend be
backend be
	http-reuse always
	server s1 127.0.0.1:${server.port} proto h2
`);
	t.teardown(async () => {
		await harness.close();
		server.close();
	});
	const port = harness.port('fe');
	const statuses = new Map<string, number>();
	let round = 0;
	const client = async (): Promise<void> => {
		while (round++ < ROUNDS) {
			const isPost = random(3) === 0;
			const one = await rawClient(port);
			one.send(
				isPost
					? 'POST /mad HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody'
					: 'GET /mad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
			);
			const answer = await one.end();
			one.close();
			const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer.replace(/^(?:HTTP\/1\.1 10\d [\s\S]*?\r\n\r\n)+/, ''))?.[1];
			statuses.set(status ?? 'none', (statuses.get(status ?? 'none') ?? 0) + 1);
		}
	};
	await Promise.all([client(), client(), client(), client()]);
	t.comment([...statuses].map(([status, count]) => `${status}: ${count}`).join(', '));
	t.same(harness.errors, [], 'no error inside the proxy');
	t.notOk(statuses.has('none'), 'every request is answered');
	const last = await rawClient(port);
	last.send('GET /sane HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
	t.match(await last.end(), /^HTTP\/1\.1 200 [\s\S]*sane/);
	await waitFor(
		'the end of all streams',
		() => harness.backends.get('be')?.backend.servers[0]?.currentSessions() === 0,
	);
	t.ok((statuses.get('200') ?? 0) > 0 && (statuses.get('502') ?? 0) > 0, 'some were good, some were not');
});
