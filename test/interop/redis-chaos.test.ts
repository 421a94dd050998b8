/**
 * Nodes over a real redis-server, and anything that may happen, from a seed: partitions, kills of nodes that have told
 * all, kills of Redis, pauses, FLUSHALL, new nodes. After healing and quiet every node's sum is the number of requests
 * made, for every key; and at no time does any node see more.
 */
import t from 'tap';
import { openIoredis } from '../../lib/aggregate/redis/link.js';
import { skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { waitFor } from '../fixtures/wait-for.js';
import { Chance } from '../simulation/virtual-time.js';

const TIMING = { beatMs: 150, heartbeatLifeMs: 1200, apartMs: 60_000, slowMs: 300, silentMs: 2000 };
const STEPS = 40;
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4'];
const seed = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 1e9));

t.test(`seed ${seed}`, { skip: skipUnlessRedis() }, async (t) => {
	const redis = await startRedis(t);
	const chance = new Chance(seed);
	const model = redisModel(redis.url);
	const nodes = new Map<string, RedisNode>();
	const cut = new Set<string>();
	const counted = new Map<string, number>(KEYS.map((key) => [key, 0]));
	const story: string[] = [];
	let isRedisDown = false;

	const start = (name: string): void => {
		const node = new RedisNode(name, {
			model,
			timing: TIMING,
			onlySums: true,
			open: async (redisOf) => {
				const client = await openIoredis(redisOf);
				return new Proxy(client, {
					get(target, property): unknown {
						if (property === 'status' && cut.has(name)) return 'reconnecting';
						const value: unknown = Reflect.get(target, property);
						if (typeof value !== 'function') return value;
						if (cut.has(name) && !['disconnect', 'on', 'defineCommand'].includes(String(property))) {
							return () => Promise.reject(new Error('Connection is closed.'));
						}
						return value.bind(target);
					},
				});
			},
		}).start();
		nodes.set(name, node);
	};
	const checkNeverAbove = (): void => {
		for (const node of nodes.values()) {
			for (const [key, count] of counted) {
				const [sum] = node.counts(key);
				if (sum > count) t.fail(`${node.name} sees ${sum} of ${count} at ${key}: ${story.join(', ')}`);
			}
		}
	};
	const traffic = async (): Promise<void> => {
		for (const node of nodes.values()) {
			for (let i = chance.between(0, 20); i > 0; i--) {
				const key = chance.pick(KEYS);
				// Before it is counted, so that nobody can have seen more.
				counted.set(key, counted.get(key)! + 1);
				node.request(key);
			}
		}
		await new Promise((resolve) => setTimeout(resolve, chance.between(1, 60)));
		checkNeverAbove();
	};
	/** It has told all, and Redis has it: right after it was emptied a node does not know yet, and dies with its share. */
	const quiet = (name: string): Promise<unknown> =>
		waitFor(
			`${name} to be quiet`,
			async () => nodes.get(name)!.isQuiet && (await redis.client.hget('{test//req.local}:shares', name)) !== null,
			40_000,
		);

	for (const name of ['a', 'b', 'c']) start(name);
	t.teardown(async () => {
		for (const { replication } of nodes.values()) replication.close();
	});
	for (let step = 0; step < STEPS; step++) {
		await traffic();
		const name = chance.pick([...nodes.keys()]);
		const event = chance.pick(['cut', 'heal', 'crash', 'leave', 'flush', 'kill redis', 'pause', 'new', 'traffic']);
		const isWell = !isRedisDown && cut.size === 0;
		story.push(`${step} ${event} ${name}`);
		if (event === 'cut') cut.add(name);
		else if (event === 'heal') cut.clear();
		else if (event === 'new' && nodes.size < 5) start(`n${step}`);
		else if (event === 'pause') {
			redis.signal('SIGSTOP');
			await traffic();
			redis.signal('SIGCONT');
		} else if (event === 'flush' && !isRedisDown) await redis.client.flushall();
		else if (event === 'kill redis') {
			await redis.kill();
			isRedisDown = true;
			await traffic();
			await redis.start();
			isRedisDown = false;
		} else if ((event === 'crash' || event === 'leave') && isWell) {
			for (const one of nodes.keys()) await quiet(one);
			const node = nodes.get(name)!;
			if (event === 'crash') node.replication.close();
			else await node.replication.leave();
			start(name);
			// What was told must be there when it comes for it: nothing is lost meanwhile.
			await waitFor(`${name} to write again`, () => nodes.get(name)!.isQuiet, 40_000);
		}
	}
	cut.clear();
	try {
		await waitFor(
			'all sums',
			() => {
				checkNeverAbove();
				return [...nodes.values()].every((node) => KEYS.every((key) => node.counts(key)[0] === counted.get(key)));
			},
			60_000,
		);
		t.pass(`${nodes.size} nodes agree on ${[...counted.values()]}`);
	} catch (error) {
		const found = [...nodes.values()].map(
			(node) => `${node.name}: ${KEYS.map((key) => node.counts(key))} ${node.log.slice(-3)}`,
		);
		t.fail(`${error}: counted ${[...counted.values()]}; ${found.join('; ')}; ${story.join(', ')}`);
	}
});
