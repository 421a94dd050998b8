/** The log servers of a ring: framing, outages, slow servers, the rest at the end. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import t from 'tap';
import { newServerOptions } from '../../lib/config/draft.js';
import type { RingServerModel } from '../../lib/config/model.js';
import { systemClock } from '../../lib/core/clock.js';
import type { Logger } from '../../lib/core/logger.js';
import { frame, RingForwarder } from '../../lib/process/ring-forwarder.js';
import { RingKeeper } from '../../lib/process/ring-keeper.js';
import { LogRing } from '../../lib/shared/log-ring.js';
import type { Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

class Remarks {
	readonly texts: string[] = [];
	readonly #note = (fields: { reason?: string; lines?: number }, text: string): void =>
		void this.texts.push(`${text}${fields.lines === undefined ? '' : ` ${fields.lines}`}`);
	readonly logger = { info: this.#note, warn: this.#note, error: this.#note } as unknown as Logger;
}

class LogServer {
	received = '';
	readonly sockets = new Set<net.Socket>();
	readonly server = net.createServer((socket) => {
		this.sockets.add(socket);
		socket.on('close', () => this.sockets.delete(socket));
		socket.on('error', () => undefined);
		if (this.reads) {
			socket.setEncoding('latin1').on('data', (text) => {
				this.received += text;
			});
		} else socket.pause();
	});
	readonly reads: boolean;

	constructor(reads = true) {
		this.reads = reads;
	}

	async listen(t: Teardown, port = 0): Promise<number> {
		t.teardown(() => this.close());
		this.server.listen(port, '127.0.0.1');
		await once(this.server, 'listening');
		return (this.server.address() as net.AddressInfo).port;
	}

	close(): void {
		for (const socket of this.sockets) socket.destroy();
		this.server.close();
	}
}

const server = (port: number, framing: RingServerModel['framing'] = 'legacy'): RingServerModel => ({
	place: { file: 'ring.cfg', line: 1 },
	name: 's',
	address: { kind: 'ip', address: '127.0.0.1', family: 4, port },
	framing,
	tls: undefined,
});

const NO_TLS = newServerOptions().tlsDraft;

const MODEL = { name: 'r', connectTimeoutMs: 2000, serverTimeoutMs: 300 };

t.test('frames of RFC 6587', (t) => {
	t.equal(frame('<13>x', 'legacy'), '<13>x\n');
	t.equal(frame('<13>x', 'octet-count'), '5 <13>x');
	t.end();
});

t.test('what is there, what comes, and the rest at the end', async (t) => {
	const log = new LogServer();
	const port = await log.listen(t);
	const ring = new LogRing(LogRing.allocate(4096));
	ring.write('before');
	const remarks = new Remarks();
	const one = new RingForwarder({
		ring,
		model: MODEL,
		server: server(port),
		clock: systemClock,
		logger: remarks.logger,
	});
	await waitFor('the first line', () => log.received === 'before\n');
	ring.write('\xe9');
	await waitFor('the second line', () => log.received === 'before\n\xe9\n');
	for (let i = 0; i < 50; i++) ring.write(`line ${i}`);
	const ended = new Promise<void>((resolve) => one.end(resolve));
	await ended;
	await waitFor('all lines', () => log.received.endsWith('line 49\n'));
	t.equal(ring.droppedCount, 0);
	t.same(remarks.texts, []);
});

t.test('an outage is told once, the ring keeps the latest lines, what it forgot is counted', async (t) => {
	const first = new LogServer();
	const port = await first.listen(t);
	const ring = new LogRing(LogRing.allocate(1000));
	const remarks = new Remarks();
	const one = new RingForwarder({
		ring,
		model: MODEL,
		server: server(port),
		clock: systemClock,
		logger: remarks.logger,
	});
	t.teardown(() => one.stop());
	ring.write('one');
	await waitFor('the first line', () => first.received === 'one\n');
	first.close();
	await waitFor('the outage', () => remarks.texts.includes('the log server is not reached'));
	// 50 lines of 4 + 46 bytes: the last twenty fit.
	for (let i = 0; i < 50; i++) ring.write(`line ${i}`.padEnd(46, '.'));
	await waitFor('the loss', () => ring.droppedCount === 30);
	const second = new LogServer();
	await second.listen(t, port);
	await waitFor('the rest', () => second.received.includes('line 49'));
	t.equal(second.received.split('\n')[0], 'line 30'.padEnd(46, '.'));
	t.equal(ring.droppedCount, 30);
	t.same(remarks.texts, [
		'the log server is not reached',
		'log lines are being dropped',
		'the log server is reached again',
		'log lines were dropped 30',
	]);
});

t.test('a server that does not read is let go, and memory is bounded meanwhile', async (t) => {
	const log = new LogServer(false);
	const port = await log.listen(t);
	const ring = new LogRing(LogRing.allocate(64 * 1024));
	const remarks = new Remarks();
	const one = new RingForwarder({
		ring,
		model: MODEL,
		server: server(port),
		clock: systemClock,
		logger: remarks.logger,
	});
	t.teardown(() => one.stop());
	const line = 'x'.repeat(1000);
	// More than the system's buffers hold.
	const fill = setInterval(() => {
		for (let i = 0; i < 200; i++) ring.write(line);
	}, 1);
	t.teardown(() => clearInterval(fill));
	await waitFor('the server to be let go', () => remarks.texts.includes('the log server is not reached'));
	clearInterval(fill);
	t.ok(ring.droppedCount > 0);
});

t.test('over TLS, and to nobody else than was meant', async (t) => {
	const pem = readFileSync(new URL('../fixtures/tls/a.pem', import.meta.url));
	let received = '';
	const log = tls.createServer({ cert: pem, key: pem }, (socket) => {
		socket
			.on('error', () => undefined)
			.on('data', (data) => {
				received += data.toString('latin1');
			});
	});
	log.on('tlsClientError', () => undefined);
	log.listen(0, '127.0.0.1');
	await once(log, 'listening');
	const ring = new LogRing(LogRing.allocate(4096));
	ring.write('secret');
	const remarks = new Remarks();
	const { port } = log.address() as net.AddressInfo;
	const settings: NonNullable<RingServerModel['tls']> = { ...NO_TLS, verify: 'required' };
	const start = (verify: 'none' | 'required') =>
		new RingForwarder({
			ring,
			model: MODEL,
			server: { ...server(port), tls: { ...settings, verify } },
			clock: systemClock,
			logger: remarks.logger,
		});
	const strict = start('required');
	await waitFor('the refusal', () => remarks.texts.includes('the log server is not reached'));
	t.equal(received, '');
	strict.stop();
	const trusting = start('none');
	await waitFor('the line', () => received === 'secret\n');
	trusting.stop();
	log.close();
});

t.test('a keeper over reloads', async (t) => {
	const log = new LogServer();
	const other = new LogServer();
	const [port, otherPort] = [await log.listen(t), await other.listen(t)];
	const remarks = new Remarks();
	const keeper = new RingKeeper(remarks.logger);
	const rings = new Map([['r', new LogRing(LogRing.allocate(4096))]]);
	const ring = rings.get('r')!;
	const configuration = (servers: readonly RingServerModel[]) =>
		({
			model: { rings: [{ ...MODEL, servers }] },
			rings,
		}) as unknown as Parameters<RingKeeper['keep']>[0] extends Iterable<infer T> ? T : never;
	keeper.keep([configuration([server(port)])]);
	ring.write('1');
	await waitFor('a line', () => log.received === '1\n');
	// Two generations on one ring: the connection stays, a new server gets what the ring still has.
	keeper.keep([configuration([server(port)]), configuration([server(port), { ...server(otherPort), name: 't' }])]);
	ring.write('2');
	await waitFor('both', () => log.received === '1\n2\n' && other.received === '1\n2\n');
	t.equal(log.sockets.size, 1);
	// Another framing: another connection, which goes on where the former was.
	keeper.keep([configuration([server(port, 'octet-count')])]);
	ring.write('three');
	await waitFor('in the new framing', () => log.received === '1\n2\n5 three');
	t.equal(other.received, '1\n2\n');
	ring.write('last');
	keeper.keep([]);
	await keeper.end(5000);
	await waitFor('the last line', () => log.received.endsWith('4 last'));
});
