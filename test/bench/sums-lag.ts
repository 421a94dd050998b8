/** From counting on one node to knowing on another, on one machine: through a redis-server at the default interval, and in a mesh. */

import { MeshClients, meshConfig, type Place } from '../fixtures/mesh.js';
import { freePorts } from '../fixtures/ports.js';
import { HOLDFAST } from '../fixtures/program.js';
import { findRedis, RedisServer } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { waitFor } from '../fixtures/wait-for.js';
import { LOAD_CORE, PROXY_CORE, type RunningProgram, start } from './programs.js';

export const percentile = (sorted: readonly number[], part: number): number =>
	sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;

/** Whole programs: one node is asked every millisecond or so whether it knows of what another one has just counted. */
async function measureMeshLag(seconds: number, note: (line: string) => void): Promise<void> {
	const ports = await freePorts(6);
	const names = ['a', 'b', 'c'];
	const nodes = names.map((name, index) => ({ name, address: `127.0.0.1:${ports[3 + index]}` }));
	const places: Place[] = names.map((_, index) => ({ host: '127.0.0.1', port: ports[index]! }));
	const programs: RunningProgram[] = [];
	const clients = new MeshClients();
	try {
		for (const [index, name] of names.entries()) {
			programs.push(
				await start({
					name,
					port: ports[index]!,
					core: index % 2 === 0 ? PROXY_CORE : LOAD_CORE,
					files: (folder) => ({
						'mesh.cfg': meshConfig(name, `127.0.0.1:${ports[index]}`, nodes).replaceAll('${dir}', folder),
					}),
					command: (folder) => [process.execPath, HOLDFAST, '-db', '-f', `${folder}/mesh.cfg`],
				}),
			);
		}
		for (const place of places)
			await clients.isKnown(
				place,
				places.filter((other) => other !== place),
			);
		// Other entries change too, a few hundred a second.
		clients.start(places, 4);
		const lags: number[] = [];
		const startedMs = performance.now();
		for (let count = 0; performance.now() - startedMs < seconds * 1000; count++) {
			const from = places[count % 3]!;
			const to = places[(count + 1 + (count & 1)) % 3]!;
			await clients.ask(from, `k${count}`);
			const sinceMs = performance.now();
			while ((await clients.sum(to, `k${count}`)) === 0);
			lags.push(performance.now() - sinceMs);
		}
		tellLags('lag over three nodes in a mesh', lags, note);
	} finally {
		await clients.stop();
		await Promise.all(programs.map((program) => program.stop()));
	}
}

function tellLags(what: string, lags: number[], note: (line: string) => void): void {
	lags.sort((a, b) => a - b);
	const [p50, p99, most] = [percentile(lags, 0.5), percentile(lags, 0.99), lags.at(-1) ?? Number.NaN];
	note(
		`${what}: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, most ${most.toFixed(0)} ms (${lags.length} readings)`,
	);
}

export async function measureLag(seconds: number, note: (line: string) => void): Promise<void> {
	await measureMeshLag(seconds, note);
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
		tellLags('lag over three nodes at interval 50ms', lags, note);
	} finally {
		for (const { replication } of nodes) replication.close();
		await redis.stop();
	}
}
