/**
 * Clients of TLS and HTTP/2 that go away at any moment, and servers that do: below the handshake, between frames, in
 * the midst of bodies. Node has crashed on a session or socket that was destroyed at the wrong moment; the worker must
 * be the same one afterwards, serve, and hold nothing. HOLDFAST_ABORTS says how many there are; the moments come from
 * the seed that is printed.
 */
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(300_000);
const ABORTS = Number(process.env.HOLDFAST_ABORTS ?? 150);
const FOLDER = fileURLToPath(new URL('../fixtures/tls', import.meta.url));

const CONFIG = `global
    log stdout format raw local0
    stats socket \${dir}/cli.sock level admin
defaults
    mode http
    timeout connect 2s
    timeout server 5s
    timeout client 5s
    http-reuse always
frontend f
    bind 127.0.0.1:\${port1} ssl crt ${FOLDER}/a.pem alpn h2,http/1.1
    bind 127.0.0.1:\${port2}
    http-request return status 200 content-type text/plain string local if { path /local }
    use_backend clear if { path_beg /clear }
    default_backend secure
backend secure
    server s 127.0.0.1:\${port3} ssl verify none alpn h2,http/1.1
backend clear
    server s 127.0.0.1:\${port4} proto h2
frontend origin
    bind 127.0.0.1:\${port3} ssl crt ${FOLDER}/a.pem alpn h2,http/1.1
    bind 127.0.0.1:\${port4} proto h2
    timeout tarpit 20ms
    http-request tarpit deny_status 429 if { path_end /late }
    http-request reject if { path_end /reject }
    http-request return status 200 content-type text/plain lf-string "%[uuid] %[uuid] %[uuid]"
`;

/** Numerical Recipes' generator: the same moments from the same seed. */
function generator(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
}

const later = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));
const PATHS = ['/local', '/x', '/late', '/reject', '/clear', '/clear/late', '/clear/reject'];

/** One client that leaves at a moment of its own. */
async function leaveEarly(
	ports: { readonly secure: number; readonly clear: number },
	random: () => number,
): Promise<void> {
	const delayMs = random() * random() * 40;
	const isSecure = random() < 0.7;
	const where = { host: '127.0.0.1', port: isSecure ? ports.secure : ports.clear };
	const raw = net.connect(where);
	raw.on('error', () => undefined);
	if (random() < 0.15) {
		// Bytes of no protocol, or of its beginning.
		raw.write(
			Buffer.from(random() < 0.5 ? 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' : '\x16\x03\x01\x02\x00\x01\x00', 'latin1'),
		);
		await later(delayMs);
		if (random() < 0.5) raw.resetAndDestroy();
		else raw.destroy();
		return;
	}
	const socket = isSecure
		? tls.connect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: [random() < 0.8 ? 'h2' : 'http/1.1'] })
		: raw;
	socket.on('error', () => undefined);
	const session = http2.connect('http://x', { createConnection: () => socket });
	session.on('error', () => undefined);
	for (let i = 0; i < 4; i++) {
		const stream = session.request(
			{ ':path': PATHS[Math.floor(random() * PATHS.length)], ':method': random() < 0.3 ? 'POST' : 'GET' },
			{ endStream: false },
		);
		stream.on('error', () => undefined);
		stream.resume();
		if (random() < 0.6) stream.end(random() < 0.5 ? 'x'.repeat(Math.floor(random() * 40_000)) : undefined);
		if (random() < 0.3) setTimeout(() => stream.destroyed || stream.close(random() < 0.5 ? 8 : 2), random() * delayMs);
	}
	await later(delayMs);
	const how = random();
	if (how < 0.4) raw.destroy();
	else if (how < 0.6) raw.resetAndDestroy();
	else if (how < 0.8) socket.end();
	else session.destroy();
	await later(5);
	session.destroy();
	raw.destroy();
}

t.test('clients that leave at any moment', async (t) => {
	const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 2 ** 32);
	t.comment(`HOLDFAST_SEED=${seed} HOLDFAST_ABORTS=${ABORTS}`);
	const random = generator(seed);
	const program = await startProgram(t, { config: CONFIG, ports: 4 });
	const ports = { secure: program.port(1), clear: program.port(2) };
	const before = program.workers.join();
	for (let done = 0; done < ABORTS; ) {
		const wave = Math.min(25, ABORTS - done);
		await Promise.all(Array.from({ length: wave }, () => leaveEarly(ports, random)));
		done += wave;
	}
	t.equal(program.workers.join(), before, 'the worker is the same');
	const session = http2.connect(`https://127.0.0.1:${ports.secure}`, { rejectUnauthorized: false });
	const status = await new Promise((resolve, reject) => {
		session.on('error', reject);
		const stream = session.request({ ':path': '/x' });
		stream.on('response', (head) => resolve(head[':status']));
		stream.on('error', reject);
		stream.resume();
	});
	t.equal(status, 200, 'and it serves');
	session.close();
	await waitFor('the last connections', async () => {
		const info = await cli(`${program.folder}/cli.sock`, 'show stat');
		const rows = info.split('\n').map((line) => line.split(','));
		const current = rows.find(([name, kind]) => name === 'f' && kind === 'FRONTEND')?.[4];
		return current === '0';
	});
	t.notMatch(`${program.stdout}${program.stderr}`, /failed inside the proxy|uncaught/i);
});
