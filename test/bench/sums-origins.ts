/**
 * Many nodes through one Redis. One is whole and measured, in this process; the others only write, in a child process, each
 * over a connection of its own: what a node writes does not depend on who reads. Compared with ten nodes that count as much
 * together: what must not grow with the square of the nodes is Redis's commands and memory, and what one node spends.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type OpenClient, openIoredis } from '../../lib/aggregate/redis/link.js';
import { freePorts } from '../fixtures/ports.js';
import { findRedis, RedisServer } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { waitFor } from '../fixtures/wait-for.js';

const CHANGES_PER_SECOND = 5000;
const CLIENTS = 5000;
const NODE = { table: { size: 8000 }, onlySums: true };
const model = (url: string) => redisModel(url, { intervalMs: 100 });

export async function measureOrigins(nodes: number, seconds: number, note: (line: string) => void): Promise<void> {
	if (findRedis() === undefined) {
		note('skipped: redis-server is not installed');
		return;
	}
	for (const count of nodes > 10 ? [10, nodes] : [nodes]) {
		const [port] = await freePorts(1);
		const redis = await new RedisServer(port!, []).start();
		try {
			await measure(redis, count, seconds, note);
		} finally {
			await redis.stop();
		}
	}
}

async function measure(
	redis: RedisServer,
	count: number,
	seconds: number,
	note: (line: string) => void,
): Promise<void> {
	const whole = new RedisNode('whole', { model: model(redis.url), ...NODE }).start();
	const child = fork(
		fileURLToPath(new URL('./sums.ts', import.meta.url)),
		['writers', redis.url, `${count - 1}`, `${seconds}`],
		{
			execArgv: [`--import=${import.meta.resolve('tsx')}`],
		},
	);
	const messages: { readonly counted?: number }[] = [];
	child.on('message', (message: { readonly counted?: number }) => messages.push(message));
	try {
		await waitFor('the writers', () => messages.length > 0, 60_000);
		const before = { cpu: process.cpuUsage(), commands: await stat(redis, 'total_commands_processed') };
		const startedMs = performance.now();
		child.send('go');
		await waitFor('the end', () => messages.length > 1, seconds * 1000 + 60_000);
		const tookSeconds = (performance.now() - startedMs) / 1000;
		const cpu = process.cpuUsage(before.cpu);
		const commands = ((await stat(redis, 'total_commands_processed')) - before.commands) / tookSeconds;
		const counted = messages[1]?.counted ?? 0;
		const total = (): number => {
			let sum = 0;
			for (const view of whole.sum.entries(whole.clock.monotonicMs())) {
				sum += view.reading(whole.sum.slot('http_req_cnt')!, 0);
			}
			return sum;
		};
		await waitFor(`a sum of ${counted}, has ${total()}`, () => total() === counted, 60_000);
		const memory = await stat(redis, 'used_memory');
		const lags = whole.replication.describe().tables[0]?.nodes.flatMap(({ lagMs }) => lagMs ?? []) ?? [];
		const most = Math.max(...lags);
		note(
			`${count} nodes, ${Math.round(counted / tookSeconds)} changes/s together: Redis ${commands.toFixed(0)} commands/s, ${(memory / 2 ** 20).toFixed(1)} MB; one node ${(((cpu.user + cpu.system) / 1e6 / tookSeconds) * 100).toFixed(1)} % of a core; last lag at most ${most.toFixed(0)} ms; the sum is exact (${counted})`,
		);
	} finally {
		whole.replication.close();
		child.kill();
	}
}

async function stat(redis: RedisServer, name: string): Promise<number> {
	return Number(new RegExp(`${name}:(\\d+)`).exec(await redis.client.info())?.[1] ?? 0);
}

/** A connection over which nothing is read of what others have written. */
const openDeaf: OpenClient = async (redis) => {
	const client = await openIoredis(redis);
	const nothing: Partial<Record<string, () => Promise<unknown>>> = {
		xread: async () => null,
		xrevrange: async () => [],
		hgetall: async () => ({}),
		xtrim: async () => 0,
	};
	return new Proxy(client, {
		get(target, name): unknown {
			const value: unknown = nothing[String(name)] ?? Reflect.get(target, name);
			return typeof value === 'function' ? value.bind(target) : value;
		},
	});
};

/** The child: nodes that count and write, and do not read. */
export async function runOrigins(url: string, count: number, [seconds]: readonly string[]): Promise<void> {
	const nodes = Array.from(
		{ length: count },
		(_, index) => new RedisNode(`n${index}`, { model: model(url), ...NODE, open: openDeaf }),
	);
	for (const node of nodes) node.start();
	await waitFor('all to write', () => nodes.every(({ isWriting }) => isWriting), 60_000);
	process.send?.({});
	await new Promise((resolve) => process.once('message', resolve));
	const startedMs = performance.now();
	let counted = 0;
	while (performance.now() - startedMs < Number(seconds) * 1000) {
		const due = ((performance.now() - startedMs) / 1000) * CHANGES_PER_SECOND;
		for (; counted < due; counted++) nodes[counted % count]!.request(`client${(counted * 7919) % CLIENTS}`);
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	await waitFor('all written', () => nodes.every(({ isQuiet }) => isQuiet), 60_000);
	process.send?.({ counted });
	setInterval(() => {}, 1000);
}
