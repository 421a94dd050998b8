/** From counting on one node to knowing on another, through a redis-server on the same machine, at the default interval. */

import { freePorts } from '../fixtures/ports.js';
import { findRedis, RedisServer } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { waitFor } from '../fixtures/wait-for.js';

export const percentile = (sorted: readonly number[], part: number): number =>
	sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;

export async function measureLag(seconds: number, note: (line: string) => void): Promise<void> {
	if (findRedis() === undefined) {
		note('skipped: redis-server is not installed');
		return;
	}
	const [port] = await freePorts(1);
	const redis = await new RedisServer(port!, []).start();
	const model = redisModel(redis.url, { intervalMs: 50 });
	const nodes = ['a', 'b', 'c'].map((name) => new RedisNode(name, { model }).start());
	try {
		await waitFor('all to write', () => nodes.every(({ isWriting }) => isWriting));
		const lags: number[] = [];
		const waiting = new Map<string, { readonly sinceMs: number; readonly left: Set<RedisNode> }>();
		const startedMs = performance.now();
		for (let count = 0; performance.now() - startedMs < seconds * 1000; count++) {
			const writer = nodes[count % nodes.length]!;
			// Other entries change too, a thousand a second.
			for (let i = 0; i < 5; i++) writer.request(`other${(count * 5 + i) % 5000}`);
			if (count % 4 === 0) {
				writer.request(`k${count}`);
				waiting.set(`k${count}`, {
					sinceMs: performance.now(),
					left: new Set(nodes.filter((node) => node !== writer)),
				});
			}
			const untilMs = performance.now() + 5;
			while (performance.now() < untilMs) {
				await new Promise((resolve) => setTimeout(resolve, 1));
				for (const [key, { sinceMs, left }] of waiting) {
					for (const node of left) {
						if (node.counts(key)[0] === 0) continue;
						lags.push(performance.now() - sinceMs);
						left.delete(node);
					}
					if (left.size === 0) waiting.delete(key);
				}
			}
		}
		lags.sort((a, b) => a - b);
		const [p50, p99, most] = [percentile(lags, 0.5), percentile(lags, 0.99), lags.at(-1) ?? Number.NaN];
		note(
			`lag over three nodes at interval 50ms: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, most ${most.toFixed(0)} ms (${lags.length} readings)`,
		);
	} finally {
		for (const { replication } of nodes) replication.close();
		await redis.stop();
	}
}
