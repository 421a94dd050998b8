/** Nodes through Redis, round by round, on ioredis-mock: what each knows after which round, and what is said. */
import RedisMock from 'ioredis-mock';
import t from 'tap';
import type { RedisClient } from '../../../lib/aggregate/redis/client.js';
import { formatRedis } from '../../../lib/aggregate/redis/show.js';
import { originStatuses } from '../../../lib/aggregate/status.js';
import { type Clock, systemClock } from '../../../lib/core/clock.js';
import { RedisNode, type RedisNodeOptions, redisModel } from '../../fixtures/redis-node.js';

const model = redisModel('redis://mock');
let lastPort = 20_000;

/** One Redis, and connections to it that can be cut. */
class MockRedis {
	readonly #port = ++lastPort;
	/** Nobody reaches it. */
	isDown = false;
	readonly client = new RedisMock({ port: this.#port });
	/** Items of streams that nobody gets to read, as if they had been trimmed before. */
	readonly trimmed = new Set<string>();

	/** The mock's own XREAD does not heed where it is to begin. */
	async #xread(...[, count, , key, after]: Parameters<RedisClient['xread']>): ReturnType<RedisClient['xread']> {
		const items = (await this.client.xrange(key, '-', '+')) as [string, string[]][];
		const number = (id: string): number => Number(id.split('-')[0]);
		const next = items.filter(([id]) => number(id) > number(after) && !this.trimmed.has(id)).slice(0, count);
		return next.length === 0 ? null : [[key, next]];
	}

	readonly open = async (): Promise<RedisClient> => {
		const mock = new RedisMock({ port: this.#port }) as unknown as RedisClient;
		return new Proxy(mock, {
			get: (target, name): unknown => {
				if (name === 'status') return this.isDown ? 'reconnecting' : 'ready';
				const value: unknown = Reflect.get(target, name);
				if (name === 'on') return () => {};
				if (name === 'xread') return (...args: Parameters<RedisClient['xread']>) => this.#xread(...args);
				if (typeof value !== 'function') return value;
				return (...args: unknown[]): unknown => {
					if (this.isDown) return Promise.reject(new Error('Connection is closed.'));
					// Its Lua knows no bytes.
					const texts = args.map((one) => (Buffer.isBuffer(one) ? one.toString('latin1') : one));
					return (value as (...all: unknown[]) => unknown).apply(target, texts);
				};
			},
		});
	};

	async node(name: string, options: Partial<RedisNodeOptions> = {}): Promise<RedisNode> {
		const node = new RedisNode(name, { model, open: this.open, ...options });
		await node.replication.open();
		return node;
	}
}

/** Everybody writes, then reads. Sums are made in the turn of the event loop after it. */
async function rounds(nodes: readonly RedisNode[], count = 2): Promise<void> {
	for (let i = 0; i < count; i++) for (const { replication } of nodes) await replication.round();
	await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A machine whose clocks say something else. */
const otherClock = (monotonicMs: number, wallMs: number): Clock => ({
	...systemClock,
	monotonicMs: () => systemClock.monotonicMs() + monotonicMs,
	wallMs: () => systemClock.wallMs() + wallMs,
});

t.test('a round each way', async (t) => {
	const redis = new MockRedis();
	const [a, b] = await Promise.all([redis.node('a'), redis.node('b')]);
	await rounds([a, b], 1);
	t.same([a.isWriting, b.isWriting], [true, true]);
	a.request('k', 2);
	b.request('k', 3);
	t.same(a.counts('k'), [2, 2, 2], 'what is counted here is known at once');
	await rounds([a, b]);
	t.same([a.counts('k')[0], b.counts('k')[0]], [5, 5]);
	t.same([a.counts('k')[2], b.counts('k')[2]], [3, 3], 'the last writer');
	t.same([...a.log, ...b.log], []);
	const status = a.replication.describe();
	t.match(formatRedis(status), /^ {2}redis redis:\/\/mock:6379: state=READY node=a\(writing\) interval=10ms/);
	t.match(
		formatRedis(status),
		/table \/?req\.local\(sums\) state=open behind=0 entries_in_redis=1 tx_batches=1 tx_updates=1/,
	);
	t.match(formatRedis(status), /node b\(alive\) entries=1 lag=\d+ms last_word=\d+ms/);
	t.match(originStatuses([], [status]), [
		{ table: 'common', origin: 'b', via: 'redis', isLive: true, entries: undefined },
	]);
	const before = status.tables.map(({ batchesWritten }) => batchesWritten);
	await rounds([a, b], 5);
	t.same(
		a.replication.describe().tables.map(({ batchesWritten }) => batchesWritten),
		before,
		'nothing new, nothing written',
	);
	t.ok(a.isQuiet);
});

t.test('many changes of many keys are one batch', async (t) => {
	const redis = new MockRedis();
	const [a, b] = await Promise.all([redis.node('a'), redis.node('b')]);
	await rounds([a, b]);
	for (let i = 0; i < 1000; i++) a.request(`k${i % 100}`);
	await rounds([a, b]);
	const [sums] = a.replication.describe().tables;
	t.match(sums, { batchesWritten: 1, entriesWritten: 100 });
	t.equal(b.counts('k7')[0], 10);
});

t.test('clocks that differ by minutes, and a life that looks earlier', async (t) => {
	const redis = new MockRedis();
	const a = await redis.node('a', { clock: otherClock(5_000_000, 900_000), life: 2_000_000_000_000 });
	const b = await redis.node('b', { clock: otherClock(-1000, -7_200_000), life: 1_000_000_000_000 });
	await rounds([a, b]);
	a.request('k', 4);
	b.request('k', 2);
	await rounds([a, b]);
	for (const node of [a, b]) {
		t.equal(node.counts('k')[0], 6, node.name);
		t.equal(node.counts('k', 'http_req_rate')[0], 6);
		const remainingMs = node.sum.expireMs('k', node.clock.monotonicMs()) ?? 0;
		t.ok(remainingMs > 590_000 && remainingMs <= 600_000, `lives ${remainingMs} ms`);
	}
	await a.replication.leave();
	// The clock was set back since: its number is lower than that of the process before.
	const again = await redis.node('a', { life: 1_900_000_000_000 });
	await rounds([again, b], 3);
	again.request('k');
	await rounds([again, b]);
	t.same([again.counts('k').slice(0, 2), b.counts('k')[0]], [[7, 5], 7]);
	t.same([...a.log, ...b.log, ...again.log], []);
});

t.test('Redis is away: one line, counting goes on, then exact', async (t) => {
	const redis = new MockRedis();
	const [a, b] = await Promise.all([redis.node('a'), redis.node('b')]);
	await rounds([a, b]);
	a.request('k');
	await rounds([a, b]);
	redis.isDown = true;
	a.request('k', 2);
	b.request('k', 4);
	await rounds([a, b], 4);
	t.same([a.counts('k')[0], b.counts('k')[0]], [3, 5]);
	redis.isDown = false;
	await rounds([a, b], 3);
	t.same([a.counts('k')[0], b.counts('k')[0]], [7, 7]);
});

t.test('a batch whose answer was lost comes again, and counts once', async (t) => {
	const redis = new MockRedis();
	let isLost = false;
	const open = async (): Promise<RedisClient> => {
		const client = await redis.open();
		return new Proxy(client, {
			get(target, name): unknown {
				const value: unknown = Reflect.get(target, name);
				if (name !== 'holdfastWrite') return value;
				return async (...args: unknown[]): Promise<unknown> => {
					const answer: unknown = await (value as (...all: unknown[]) => Promise<unknown>)(...args);
					if (isLost) throw new Error('Connection is closed.');
					return answer;
				};
			},
		});
	};
	const a = await redis.node('a', { open });
	const b = await redis.node('b');
	await rounds([a, b]);
	a.request('k', 3);
	isLost = true;
	await rounds([a, b], 3);
	isLost = false;
	a.request('k', 2);
	await rounds([a, b], 3);
	t.same([a.counts('k')[0], b.counts('k')[0]], [5, 5]);
	t.match(a.log, [/Connection is closed/, /is well again/]);
	t.ok(a.isQuiet);
});

t.test('a client that forgets what it was asked is not waited for', async (t) => {
	const redis = new MockRedis();
	let forgets: string | undefined;
	let opened = 0;
	const open = async (): Promise<RedisClient> => {
		const client = await redis.open();
		const isFirst = ++opened === 1;
		return new Proxy(client, {
			get: (target, name): unknown =>
				isFirst && name === forgets ? () => new Promise(() => {}) : Reflect.get(target, name),
		});
	};
	const a = await redis.node('a', { open, timing: { slowMs: 50, silentMs: 100 } });
	const b = await redis.node('b');
	await rounds([a, b]);
	a.request('k', 3);
	forgets = 'holdfastWrite';
	await rounds([a, b]);
	t.equal(opened, 2, 'given up for another');
	a.request('k');
	await rounds([a, b], 3);
	t.same([a.counts('k')[0], b.counts('k')[0]], [4, 4]);
	t.match(a.log, [/no answer for 50 ms/, /well again/]);
});

t.test('a fail-over loses the last writes: they are told again', async (t) => {
	const redis = new MockRedis();
	const [a, b] = await Promise.all([redis.node('a'), redis.node('b')]);
	await rounds([a, b]);
	a.request('k');
	a.request('old');
	await rounds([a, b]);
	const directory = '{test//req.local}:shares';
	const share = '{test//req.local}:share:a';
	const lineBefore = (await redis.client.hget(directory, 'a'))!;
	const entriesBefore = await redis.client.hgetall(share);
	a.request('k', 5);
	a.request('new');
	await rounds([a]);
	// The replica had not heard of it.
	await redis.client.hset(directory, 'a', lineBefore);
	await redis.client.del(share);
	await redis.client.hset(share, entriesBefore);
	const late = await redis.node('late');
	a.request('other');
	await rounds([a, b, late], 3);
	for (const node of [b, late]) {
		t.same(
			['k', 'old', 'new', 'other'].map((key) => node.counts(key)[0]),
			[6, 1, 1, 1],
			node.name,
		);
	}
});

t.test('batches are missing: the share is read from its hash', async (t) => {
	const redis = new MockRedis();
	const [a, b] = await Promise.all([redis.node('a'), redis.node('b')]);
	await rounds([a, b]);
	a.request('k', 3);
	await a.replication.round();
	const scans = (): number => b.replication.describe().tables[0]?.scans ?? 0;
	const before = scans();
	const [first] = await redis.client.xrange('{test//req.local}:shares:log', '-', '+');
	redis.trimmed.add((first as unknown as [string])[0]);
	a.request('x');
	await rounds([a, b], 3);
	t.same([b.counts('k')[0], b.counts('x')[0]], [3, 1]);
	t.equal(scans(), before + 1);
});

t.test('who was cut off keeps what was touched last', async (t) => {
	const redis = new MockRedis();
	const a = await redis.node('a');
	let isCut = false;
	const b = await redis.node('b', {
		open: async () => {
			const client = await redis.open();
			return new Proxy(client, {
				get: (target, name): unknown => (name === 'status' && isCut ? 'reconnecting' : Reflect.get(target, name)),
			});
		},
	});
	const set = (node: RedisNode, key: string, value: number): void => {
		node.common.setByKey(key, node.common.slot('gpt0')!, 0, value, node.clock.monotonicMs());
	};
	const value = (node: RedisNode, key: string): number => node.value(node.common, key, 'gpt0');
	const beganMs = performance.now();
	await rounds([a, b]);
	const wayMs = performance.now() - beganMs;
	set(a, 'x', 1);
	set(a, 'y', 1);
	await rounds([a, b]);
	isCut = true;
	set(b, 'x', 2);
	set(a, 'y', 3);
	// Later by more than the readings of Redis's clock may be off: less than those rounds took in which it was read.
	await new Promise((resolve) => setTimeout(resolve, 300 + wayMs));
	set(a, 'x', 4);
	set(b, 'y', 5);
	await rounds([a, b]);
	t.same([value(b, 'x'), value(a, 'x')], [2, 4], 'apart');
	isCut = false;
	b.replication.doubt();
	await rounds([a, b], 3);
	t.same([value(a, 'x'), value(b, 'x')], [4, 4], "a's was the later one");
	t.same([value(a, 'y'), value(b, 'y')], [5, 5], "b's was the later one");
});

t.test('what is cleared here leaves Redis, and does not come back with the next process', async (t) => {
	const redis = new MockRedis();
	let laterMs = 0;
	const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + laterMs };
	for (const expireMs of [undefined, 600_000]) {
		const prefix = `clear${expireMs}`;
		const options = { model: redisModel('redis://mock', { prefix }), clock, onlySums: true, table: { expireMs } };
		const a = await redis.node('a', options);
		await rounds([a], 3);
		for (const key of ['x', 'y', 'z']) a.request(key);
		await rounds([a]);
		const share = `{${prefix}//req.local}:share:a`;
		t.equal(await redis.client.hlen(share), 3);
		a.own.clear(clock.monotonicMs());
		a.request('x');
		for (let i = 0; i < 6; i++) {
			laterMs += 20_000;
			await rounds([a]);
		}
		t.same(await redis.client.hkeys(share), [Buffer.from('x').toString('base64')]);
		await a.replication.leave();
		const again = await redis.node('a', options);
		await rounds([again], 3);
		t.same([again.counts('x')[1], again.counts('y')[1]], [1, 0]);
		again.replication.close();
	}
});

t.test('a node that was taken for gone and is there: its connections are back, without a word of it', async (t) => {
	const redis = new MockRedis();
	let aheadMs = 0;
	const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
	const timing = { heartbeatLifeMs: 2000, beatMs: 500 };
	const a = await redis.node('a', { clock, timing });
	const b = await redis.node('b', { timing });
	await rounds([a, b]);
	b.request('k');
	b.connect('k');
	await rounds([a, b], 3);
	t.equal(a.counts('k', 'conn_cur')[0], 1);
	await redis.client.zrem('{test}:beats', 'b');
	// Missed twice.
	for (let i = 0; i < 2; i++) {
		aheadMs += 20_000;
		await rounds([a], 1);
	}
	t.same([a.counts('k')[0], a.counts('k', 'conn_cur')[0]], [1, 0], 'gone');
	await redis.client.zadd('{test}:beats', Date.now() + aheadMs, 'b');
	aheadMs += 20_000;
	await rounds([a]);
	t.same([a.counts('k')[0], a.counts('k', 'conn_cur')[0]], [1, 1], 'there');
});
