/**
 * Nodes whose way to Redis is lost without a word: nothing is closed, nothing is refused, bytes vanish. It must be noticed
 * by time alone, in whatever state the connection is; after healing and quiet all sums are exact.
 */
import t from 'tap';
import type { RedisTiming } from '../../lib/aggregate/redis/replication.js';
import { type RedisServer, skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { StallingLink } from '../fixtures/stalling-link.js';
import { waitFor } from '../fixtures/wait-for.js';
import { Chance } from '../simulation/virtual-time.js';

interface Test {
	teardown(callback: () => unknown): void;
}

const skip = skipUnlessRedis();
const TIMING = { beatMs: 150, heartbeatLifeMs: 1200, apartMs: 60_000, slowMs: 150, silentMs: 500 };

async function startNode(
	t: Test,
	name: string,
	port: number,
	timing: Partial<RedisTiming> = TIMING,
): Promise<RedisNode> {
	const node = new RedisNode(name, { model: redisModel(`redis://127.0.0.1:${port}`), timing }).start();
	t.teardown(() => node.replication.close());
	await waitFor(`${name} to write`, () => node.isWriting);
	return node;
}

async function show(nodes: readonly RedisNode[], key: string, sum: number): Promise<void> {
	try {
		await waitFor(`sum ${sum}`, () => nodes.every((node) => node.counts(key)[0] === sum));
	} catch (error) {
		const found = nodes.map((node) => `${node.name}: ${node.counts(key)} ${JSON.stringify(node.log)}`);
		throw new Error(`${(error as Error).message}; ${found.join('; ')}`);
	}
}

async function cluster(t: Test): Promise<{ redis: RedisServer; link: StallingLink; nodes: [RedisNode, RedisNode] }> {
	const redis = await startRedis(t);
	const link = await StallingLink.start(t, redis.port);
	// One of them is on the side of Redis.
	const nearTiming = { ...TIMING, slowMs: 20_000, silentMs: 30_000 };
	return {
		redis,
		link,
		nodes: [await startNode(t, 'far', link.port), await startNode(t, 'near', redis.port, nearTiming)],
	};
}

t.test('a partition that closes nothing', { skip }, async (t) => {
	const { link, nodes } = await cluster(t);
	const [far, near] = nodes;
	far.request('k', 2);
	near.request('k', 3);
	const end = far.connect('k');
	await show(nodes, 'k', 5);
	link.stall();
	const before = link.accepted;
	far.request('k', 10);
	near.request('k', 20);
	await waitFor('it is said', () => far.log.length > 0);
	t.match(far.log, [/no answer for 150 ms; counting goes on/]);
	// Connections made meanwhile are accepted, and as dead: each is given up in its turn.
	// By then it is trouble of the cut, and no slowness of before.
	await waitFor('the connection was given up', () => link.accepted > before);
	const said = far.log.length;
	await waitFor('three more were tried', () => link.accepted >= before + 3);
	t.same([far.counts('k')[0], near.counts('k')[0]], [15, 25], 'counted on, each by itself');
	await waitFor('its connections are gone', () => near.counts('k', 'conn_cur')[0] === 0);
	t.equal(far.log.length, said, 'no line for each attempt');
	link.heal();
	await show(nodes, 'k', 35);
	await waitFor('they are back', () => near.counts('k', 'conn_cur')[0] === 1);
	end();
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	await show(nodes, 'k', 35);
	await waitFor('it is said', () => far.log.length > 1);
	// On a busy machine Redis takes that long now and then: that is said, and its end.
	for (const [index, line] of far.log.entries())
		t.match(line, index % 2 === 0 ? /no answer for/ : /is well again after/);
	t.same(near.log, []);
});

t.test('a node that starts into it', { skip }, async (t) => {
	const redis = await startRedis(t);
	const link = await StallingLink.start(t, redis.port);
	const near = await startNode(t, 'near', redis.port);
	near.request('k', 2);
	link.stall();
	const far = new RedisNode('far', { model: redisModel(`redis://127.0.0.1:${link.port}`), timing: TIMING }).start();
	t.teardown(() => far.replication.close());
	far.request('k');
	await waitFor('it is said', () => far.log.length > 0);
	t.match(far.log, [/no answer to the first words of a connection/]);
	link.heal();
	await show([far, near], 'k', 3);
	await waitFor('it is said', () => far.log.length > 1);
	t.match(far.log, [/no answer/, /well again/]);
});

t.test('stalls and cuts at any byte', { skip }, async (t) => {
	const seed = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 1e9));
	const chance = new Chance(seed);
	const { link, nodes } = await cluster(t);
	const keys = ['k0', 'k1', 'k2'];
	const counted = new Map(keys.map((key) => [key, 0]));
	for (let step = 0; step < 12; step++) {
		if (chance.between(0, 3) === 0) link.cut();
		else link.stallAfter(chance.between(0, 3000));
		for (let i = chance.between(5, 30); i > 0; i--) {
			const key = chance.pick(keys);
			counted.set(key, counted.get(key)! + 1);
			chance.pick(nodes).request(key);
			if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, chance.between(0, 20)));
			for (const node of nodes)
				if (node.counts(key)[0] > counted.get(key)!) t.fail(`${node.name} sees more, seed ${seed}`);
		}
	}
	for (const [key, count] of counted) await show(nodes, key, count);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	t.pass(`seed ${seed}: ${[...counted.values()]}`);
});
