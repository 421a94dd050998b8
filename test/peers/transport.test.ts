/** Real sockets on loopback: names and their addresses, TLS, what a close leaves behind. */
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Connection, ConnectionEvents } from '../../lib/peers/connection.js';
import type { PeerConfig } from '../../lib/peers/peer.js';
import { clientTls, listen, SocketNetwork, serverTls } from '../../lib/peers/transport.js';
import { freePorts } from '../fixtures/ports.js';
import { waitFor } from '../fixtures/wait-for.js';

const TLS = fileURLToPath(new URL('../fixtures/peers-tls', import.meta.url));

class Recorder implements ConnectionEvents {
	readonly events: string[] = [];
	text = '';

	opened(): void {
		this.events.push('opened');
	}

	received(chunk: Buffer): void {
		this.text += chunk.toString('latin1');
	}

	drained(): void {
		this.events.push('drained');
	}

	closed(reason: string): void {
		this.events.push(`closed: ${reason}`);
	}
}

const peerAt = (port: number, host = '127.0.0.1'): PeerConfig => ({
	name: 'B',
	address: /^[\d.:]+$/.test(host)
		? { kind: 'ip', address: host, family: 4, port }
		: { kind: 'name', host, family: undefined, port },
	isLocal: false,
	shard: 0,
	isDisabled: false,
});

async function server(tls?: Parameters<typeof listen>[1]) {
	const accepted: { connection: Connection; recorder: Recorder }[] = [];
	const listener = await listen({ host: '127.0.0.1', port: 0 }, tls, (connection) => {
		const recorder = new Recorder();
		accepted.push({ connection, recorder });
		return recorder;
	});
	return { accepted, listener, port: listener.port! };
}

t.test('a connection: bytes both ways, end, and nothing after close', async (t) => {
	const { accepted, listener, port } = await server();
	t.teardown(() => listener.close());
	const near = new Recorder();
	const connection = new SocketNetwork({ tlsOf: () => undefined }).dial(peerAt(port), near);
	t.strictSame(near.events, [], 'events come later');
	await waitFor('both ends', () => near.events.length === 1 && accepted.length === 1);
	connection.write(Buffer.from('hello'));
	const far = accepted[0]!;
	await waitFor('the bytes', () => far.recorder.text === 'hello');
	t.equal(far.connection.remoteAddress, '127.0.0.1');
	far.connection.write(Buffer.from('last words'));
	far.connection.close('fin');
	await waitFor('the end', () => near.events.some((event) => event.startsWith('closed')));
	t.equal(near.text, 'last words', 'what was written before the close has come');
	t.strictSame(
		far.recorder.events.filter((event) => event.startsWith('closed')),
		[],
		'whoever closes is not told',
	);
	connection.write(Buffer.from('too late'));
	connection.close('reset');
});

t.test('nobody listens', async (t) => {
	const [port] = await freePorts(1);
	const recorder = new Recorder();
	new SocketNetwork({ tlsOf: () => undefined }).dial(peerAt(port!), recorder);
	await waitFor('the refusal', () => recorder.events.length > 0);
	t.strictSame(recorder.events, ['closed: connection refused']);
});

t.test('all addresses of a name are tried, and it is resolved again each time', async (t) => {
	const { accepted, listener, port } = await server();
	t.teardown(() => listener.close());
	const answers = [['127.0.0.2', '127.0.0.3'], ['127.0.0.2', '127.0.0.1'], []];
	let asked = 0;
	const network = new SocketNetwork({
		tlsOf: () => undefined,
		resolve: async (host) => {
			t.equal(host, 'peer.example');
			const found = answers[asked++];
			if (found === undefined) throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
			return found;
		},
	});
	const peer = peerAt(port, 'peer.example');
	const outcomes: string[] = [];
	for (let i = 0; i < 4; i++) {
		const recorder = new Recorder();
		const connection = network.dial(peer, recorder);
		await waitFor('an outcome', () => recorder.events.length > 0);
		outcomes.push(recorder.events[0]!);
		connection.close('reset');
		if (i === 1) t.strictSame(network.addressesOf(peer), ['127.0.0.2', '127.0.0.1'], 'known addresses follow');
	}
	t.strictSame(outcomes, [
		'closed: connection refused',
		'opened',
		'closed: its name has no address',
		'closed: its name does not resolve',
	]);
	t.equal(accepted.length, 1);
});

t.test('TLS: certificates of both sides are checked', async (t) => {
	const model = (certificate: string) => ({
		crt: [`${TLS}/${certificate}.pem`],
		caFile: `${TLS}/ca.pem`,
		crlFile: undefined,
		verify: 'required' as const,
		alpn: [],
		ciphers: undefined,
		ciphersuites: undefined,
		curves: undefined,
		minVersion: undefined,
		maxVersion: undefined,
		strictSni: false,
	});
	const client = (certificate: string | undefined, verify: 'none' | 'required', verifyHost?: string) =>
		clientTls({
			crt: certificate === undefined ? undefined : `${TLS}/${certificate}.pem`,
			caFile: `${TLS}/ca.pem`,
			verify,
			verifyHost,
			sni: undefined,
			alpn: [],
			ciphers: undefined,
			minVersion: undefined,
			maxVersion: undefined,
		});
	const good = await server(serverTls(model('node')));
	const strange = await server(serverTls(model('stranger')));
	t.teardown(() => {
		good.listener.close();
		strange.listener.close();
	});
	const attempt = async (port: number, options: ReturnType<typeof client>): Promise<string> => {
		const recorder = new Recorder();
		const connection = new SocketNetwork({ tlsOf: () => options }).dial(peerAt(port), recorder);
		await waitFor('an outcome', () => recorder.events.length > 0);
		if (recorder.events[0] === 'opened') {
			// With TLS 1.3 the server's refusal of our certificate comes after our side of the handshake.
			connection.write(Buffer.from('hello'));
			await waitFor(
				'the other side',
				() => recorder.events.length > 1 || good.accepted.at(-1)?.recorder.text === 'hello',
			);
		}
		connection.close('reset');
		return recorder.events.at(-1)!;
	};
	t.equal(await attempt(good.port, client('node', 'required')), 'opened');
	t.equal(await attempt(good.port, client('node', 'required', 'node')), 'opened', 'the name of the certificate');
	t.match(await attempt(good.port, client('node', 'required', 'other')), /closed: .*[Hh]ostname/, 'another name');
	t.match(
		await attempt(good.port, client('stranger', 'required')),
		/closed/,
		'our certificate is of another authority',
	);
	t.match(await attempt(good.port, client(undefined, 'required')), /closed/, 'no certificate');
	t.match(await attempt(strange.port, client('node', 'required')), /closed: .*certificate/, 'theirs is');

	// A caller that never begins its handshake is an accepted connection, for the bounds on callers to end.
	const before = good.accepted.length;
	const silent = net.connect(good.port, '127.0.0.1');
	silent.on('error', () => {});
	await waitFor('the silent caller', () => good.accepted.length > before);
	const ended = new Promise((resolve) => silent.once('close', resolve));
	good.accepted.at(-1)?.connection.close('reset');
	await ended;
	t.pass('it can be pushed out');
	t.throws(() => serverTls(model('absent')), { code: 'FILE_UNREADABLE' } as unknown as Error);
});

t.test('a listening descriptor that cannot be had', async (t) => {
	const { listener, port } = await server();
	t.teardown(() => listener.close());
	await t.rejects(
		listen({ host: '127.0.0.1', port }, undefined, () => undefined),
		{ code: 'BIND_FAILED' },
	);
});
