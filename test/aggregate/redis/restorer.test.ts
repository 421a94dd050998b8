/** Shares written back for nodes that are away: who does it, when it stops, and that an answer that is lost changes nothing. */
import t from 'tap';
import type { RedisClient } from '../../../lib/aggregate/redis/client.js';
import { EntryCodec } from '../../../lib/aggregate/redis/entries.js';
import { parseLine, tableKeys } from '../../../lib/aggregate/redis/keys.js';
import type { RedisLink } from '../../../lib/aggregate/redis/link.js';
import { ShareRestorer } from '../../../lib/aggregate/redis/restorer.js';
import { SummedTable } from '../../../lib/aggregate/shares.js';
import { columnsOf, wordCountOf } from '../../../lib/peers/entry-record.js';
import { StickTable } from '../../../lib/stick-table/table.js';
import { tableModel } from '../../fixtures/redis-node.js';
import { VirtualTime } from '../../simulation/virtual-time.js';

const LIFE = 1_795_000_000_000;

/** A directory and hashes; what it does with the next batch is in `mood`. */
class FakeRedis {
	readonly lines: Record<string, string> = {};
	readonly entries = new Map<string, number>();
	mood: 'well' | 'loses the answer' | 'loses the batch' = 'well';
	writes = 0;

	async hgetall(): Promise<Record<string, string>> {
		return { ...this.lines };
	}

	async holdfastWrite(...args: Parameters<RedisClient['holdfastWrite']>): Promise<number | string> {
		const [, key, , node, expected, line, , flags, , , text] = args;
		t.equal(flags, 'b');
		this.writes++;
		const { mood } = this;
		this.mood = 'well';
		if (mood === 'loses the batch') throw new Error('Connection is closed.');
		const stands = this.lines[node] ?? '';
		if (stands !== expected) return stands;
		this.lines[node] = line;
		this.entries.set(key, (this.entries.get(key) ?? 0) + text.toString().split('\n').length);
		if (mood === 'loses the answer') throw new Error('Connection is closed.');
		return this.entries.get(key)!;
	}
}

function setUp(entries: number) {
	const time = new VirtualTime();
	const clock = time.clock(1000);
	const model = tableModel('req.local', { size: 20_000 });
	const own = new StickTable(model, StickTable.allocate(model));
	const summed = new SummedTable({
		model,
		wireName: 'req.local',
		sumWireName: 'req.sum',
		own,
		localName: 'me',
		target: undefined,
		clock,
		defer: (callback) => setImmediate(callback),
	});
	for (const node of ['away', 'here', 'me']) {
		const found = summed.life(node, 0);
		if (found === undefined) throw new Error('no life');
		found.life.origin.via = 'redis';
		const { table } = found.life;
		for (let i = 0; i < entries; i++) table.addByKey(`k${i}`, table.slot('http_req_cnt')!, 0, 1, clock.monotonicMs());
	}
	const columns = columnsOf(own.slots.map(({ wireId, count, periodMs }) => ({ typeId: wireId, count, periodMs })));
	const notes: string[] = [];
	const keys = tableKeys('p', 'req.local', 'sums', '00ff00ff');
	const restorer = new ShareRestorer({
		summed,
		keys,
		signature: '00ff00ff',
		codec: new EntryCodec(columns, wordCountOf(columns), own.keyLengthBytes),
		link: { redisMs: (nowMs: number) => nowMs + LIFE } as unknown as RedisLink,
		clock,
		heartbeatLifeMs: 1000,
		lifeMs: 600_000,
		isAlive: (node) => node === 'here',
		lifeOf: () => LIFE,
		note: (text) => notes.push(text),
	});
	const redis = new FakeRedis();
	const step = (): Promise<void> => restorer.step(redis as unknown as RedisClient);
	return { time, redis, restorer, notes, step, share: keys.entriesOf('away') };
}

t.test('who is away, and nobody else', async (t) => {
	const { redis, restorer, notes, step, share } = setUp(1000);
	await step();
	t.equal(redis.writes, 0, 'nothing was lost');
	restorer.emptied();
	await step();
	t.same([...redis.entries], [[share, 1000]]);
	t.same(parseLine(redis.lines.away!), { life: LIFE, sequence: 3, updateId: 0, signature: '00ff00ff' });
	t.match(notes, [/node 'away' had told, which is away/]);
	await step();
	t.equal(redis.writes, 3);
});

t.test('some batches a round', async (t) => {
	const { redis, restorer, step, share } = setUp(9000);
	restorer.emptied();
	await step();
	t.equal(redis.writes, 10);
	t.equal(redis.entries.get(share), 4000);
	await step();
	await step();
	t.equal(redis.entries.get(share), 9000);
	t.equal(restorer.restored, 1);
});

t.test('a batch or its answer is lost: it comes again as it was', async (t) => {
	for (const mood of ['loses the answer', 'loses the batch'] as const) {
		const { redis, restorer, step, share } = setUp(1000);
		restorer.emptied();
		redis.mood = mood;
		await t.rejects(step(), /Connection is closed/);
		await step();
		t.equal(redis.entries.get(share), 1000, mood);
		t.equal(restorer.restored, 1);
	}
});

t.test('the node comes back meanwhile', async (t) => {
	const { redis, restorer, notes, step, share } = setUp(9000);
	restorer.emptied();
	await step();
	redis.lines.away = `${LIFE + 5} 10 0 00ff00ff`;
	await step();
	t.equal(redis.entries.get(share), 4000, 'from then on it is its own');
	t.equal(redis.lines.away, `${LIFE + 5} 10 0 00ff00ff`);
	t.same(notes, []);
});

t.test('another node is the first, or one dies a moment later', async (t) => {
	const { time, redis, restorer, notes, step } = setUp(10);
	redis.lines.away = `${LIFE} 1 0 00ff00ff`;
	restorer.emptied();
	await step();
	t.equal(redis.writes, 0);
	delete redis.lines.away;
	time.runUntil(2000);
	await step();
	t.equal(redis.writes, 0, 'not yet');
	time.runUntil(3100);
	await step();
	t.equal(notes.length, 1);
});
