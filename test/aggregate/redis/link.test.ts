/** The connection to Redis: what is said of it and when, and what time Redis has, on virtual time. */
import t from 'tap';
import type { RedisClient } from '../../../lib/aggregate/redis/client.js';
import { RedisLink } from '../../../lib/aggregate/redis/link.js';
import { redisModel } from '../../fixtures/redis-node.js';
import { VirtualTime } from '../../simulation/virtual-time.js';

class FakeClient {
	status = 'ready';
	readonly disconnects: (boolean | undefined)[] = [];
	readonly listeners = new Map<string, (...args: unknown[]) => void>();

	on(event: string, listener: (...args: unknown[]) => void): void {
		this.listeners.set(event, listener);
	}

	defineCommand(): void {}

	async connect(): Promise<void> {}

	disconnect(reconnect?: boolean): void {
		this.disconnects.push(reconnect);
	}

	emit(event: string, ...args: unknown[]): void {
		this.listeners.get(event)?.(...args);
	}
}

async function newLink() {
	const time = new VirtualTime();
	const client = new FakeClient();
	const clients = [client];
	let opened = 0;
	const log: string[] = [];
	const note = (line: string): void => {
		log.push(line.replace(/^peers section 's': redis redis:\/\/:secret@|^peers section 's': redis /, ''));
	};
	const link = new RedisLink({
		model: redisModel('redis://:secret@h'),
		sectionName: 's',
		clock: time.clock(1000),
		log: { info: note, warn: note },
		open: async () => {
			clients[opened] ??= new FakeClient();
			return clients[opened++] as unknown as RedisClient;
		},
	});
	await link.open();
	return { time, client, clients, log, link };
}

t.test('an outage is two lines, whatever happens in it', async (t) => {
	const { time, client, log, link } = await newLink();
	link.succeeded();
	t.same(log, [], 'that it goes well is not said');
	client.status = 'reconnecting';
	client.emit('close');
	client.emit('error', new Error('connect ECONNREFUSED 10.0.0.1:6379'));
	for (let i = 0; i < 5; i++) {
		time.runUntil(time.nowMs + 1000);
		client.emit('close');
		link.failed(new Error('Connection is closed.'));
		link.failed(new Error('LOADING Redis is loading the dataset in memory'));
	}
	t.equal(log.length, 1);
	t.match(log[0], /^redis:\/\/h:6379 the connection is closed; counting goes on/);
	t.notMatch(log[0], /secret/);
	client.status = 'ready';
	client.emit('ready');
	t.equal(link.epoch, 2);
	link.succeeded();
	link.succeeded();
	t.match(log.slice(1), [/^redis:\/\/h:6379 is well again after 5 s$/]);
});

t.test('what an operator must mend is said even then', async (t) => {
	const { log, link } = await newLink();
	link.failed(new Error('connect ECONNREFUSED'));
	link.failed(new Error('NOAUTH Authentication required.'));
	link.failed(new Error('NOAUTH Authentication required.'));
	t.match(log, [/ECONNREFUSED/, /NOAUTH Authentication required/]);
	t.equal(log.length, 2);
});

t.test('a server that is read-only is looked for anew, now and then', async (t) => {
	const { time, client, log, link } = await newLink();
	for (let i = 0; i < 100; i++) {
		link.failed(new Error("READONLY You can't write against a read only replica."));
		time.runUntil(time.nowMs + 100);
	}
	t.same(client.disconnects, [true, true], 'in ten seconds');
	t.equal(log.length, 1);
});

t.test('slow, then silent', async (t) => {
	const { time, client, clients, log, link } = await newLink();
	const { end, lost } = link.begin();
	time.runUntil(900);
	t.same(log, []);
	time.runUntil(1100);
	t.match(log, [/no answer for 1000 ms/]);
	time.runUntil(10_100);
	t.same(client.disconnects, [undefined], 'given up');
	t.equal(link.client, undefined);
	await Promise.resolve();
	t.equal(link.client, clients[1], 'begun anew');
	const forgotten = t.rejects(lost, /Connection is closed/, 'what it was asked is not waited for');
	time.runUntil(11_200);
	await forgotten;
	end();
	time.runUntil(60_000);
	t.equal(client.disconnects.length, 1);
	client.emit('ready');
	t.equal(link.epoch, 2, 'what becomes of the first one is not heard');
});

t.test('while this process stands still Redis is not slow', async (t) => {
	const { time, client, log, link } = await newLink();
	const { end } = link.begin();
	// Whatever was to be done in a minute is late, and done at once.
	time.stall(60_000);
	t.same([log, client.disconnects], [[], []]);
	time.runUntil(time.nowMs + 200);
	end();
	time.runUntil(time.nowMs + 60_000);
	t.same(log, [], 'the answer had been there');
	link.begin();
	for (let i = 0; i < 3; i++) time.stall(60_000);
	t.same(log, []);
	time.stall(60_000);
	t.match(log, [/no answer for 1000 ms/], 'four times, and never an answer');
});

t.test('a certificate that is not accepted any more is said though the outage was', async (t) => {
	const { client, log, link } = await newLink();
	link.succeeded();
	client.status = 'reconnecting';
	client.emit('error', new Error('write EPIPE'));
	for (const text of ['unable to verify the first certificate', 'Connection is closed.']) {
		client.emit('error', new Error(text));
		client.emit('close');
		link.failed(new Error('Connection is closed.'));
	}
	t.match(log, [/EPIPE/, /unable to verify the first certificate/]);
	t.equal(log.length, 2);
});

t.test('a client that makes no headway is given up, one that does is not', async (t) => {
	const { time, client, clients, log, link } = await newLink();
	const watchUntil = (untilMs: number): void => {
		while (time.nowMs < untilMs) {
			time.runUntil(time.nowMs + 50);
			link.watch();
		}
	};
	watchUntil(60_000);
	t.equal(link.client, client, 'an idle one that is ready');
	client.status = 'reconnecting';
	client.emit('close');
	for (let at = 60_000; at < 100_000; at += 8000) {
		client.emit('error', new Error('connect ECONNREFUSED 10.0.0.1:6379'));
		watchUntil(at);
	}
	t.equal(clients.length, 1, 'it tries, and is refused');
	// Accepted, and then not a word.
	client.status = 'connect';
	client.emit('connect');
	const sinceMs = time.nowMs;
	watchUntil(sinceMs + 9900);
	t.equal(clients.length, 1);
	watchUntil(sinceMs + 10_100);
	await Promise.resolve();
	t.equal(clients.length, 2);
	t.same(client.disconnects, [undefined]);
	t.match(log, [/the connection is closed/], 'one outage');
	clients[1]!.status = 'end';
	watchUntil(time.nowMs + 1500);
	await Promise.resolve();
	t.equal(clients.length, 3, 'ended by itself');
	link.succeeded();
	t.match(log, [/the connection is closed/, /well again/]);
});

t.test("Redis's clock: the fastest reading counts, a jump begins anew", async (t) => {
	const { time, link } = await newLink();
	const redis = 1_800_000_000_000;
	t.equal(link.redisMs(1000), undefined);
	const read = (takesMs: number, atMs: number): void => {
		const sentMs = time.nowMs + 1000;
		time.runUntil(time.nowMs + takesMs);
		link.clockRead(redis + atMs, sentMs);
	};
	// The answer of a machine that is 0 ms off would be what the middle of the way says.
	read(100, 20);
	t.equal(link.redisMs(1000), redis - 30, 'off by up to half the way');
	read(2, 101);
	t.equal(link.redisMs(1000 + 101), redis + 101);
	read(400, 190);
	t.equal(link.redisMs(1000 + time.nowMs), redis + time.nowMs, 'a slow one changes nothing');
	read(2, 60_000);
	t.equal(link.redisMs(1000 + time.nowMs), redis + 60_001, 'another server');
});

t.test('without a client there is trouble, and no end of the program', async (t) => {
	const log: string[] = [];
	const link = new RedisLink({
		model: redisModel('redis://h'),
		sectionName: 's',
		clock: new VirtualTime().clock(),
		log: { info: () => {}, warn: (line) => log.push(line) },
		open: async () => {
			throw new Error("Cannot find package 'ioredis'");
		},
	});
	await link.open();
	t.equal(link.client, undefined);
	t.match(log, [/Cannot find package 'ioredis'/]);
});
