/**
 * A limit of 100 requests in ten seconds over four nodes, and one client that goes to each in turn: how many it gets
 * through. One node alone would let 100 pass, four that do not know of each other 400.
 */
import http from 'node:http';
import { findHaproxy } from '../fixtures/interop.js';
import { findRedis } from '../fixtures/redis.js';
import { type Kind, startNodes } from './sums-nodes.js';

const NODES = 4;
const LIMIT = 100;
const SECONDS = 8;

export async function measureLimit(perSecond: number, note: (line: string) => void): Promise<void> {
	const kinds: Kind[] = ['alone', 'mesh'];
	if (findRedis() !== undefined) kinds.push('redis');
	if (findHaproxy() !== undefined) kinds.push('haproxy');
	note(`limit of ${LIMIT} in 10 s, one client spread over ${NODES} nodes, ${perSecond} requests/s for ${SECONDS} s`);
	for (const kind of kinds) {
		const nodes = await startNodes(kind, NODES, LIMIT);
		try {
			const ports = nodes.programs.map(({ port }) => port);
			const { passed, sent, firstRefusedAt } = await spread(ports, perSecond);
			const name = kind === 'haproxy' ? "HAProxy's peers" : kind;
			note(`${name.padEnd(16)} ${passed} of ${sent} passed; the first was refused after ${firstRefusedAt ?? 'all'}`);
		} finally {
			await nodes.stop();
		}
	}
}

async function spread(ports: readonly number[], perSecond: number) {
	const agent = new http.Agent({ keepAlive: true });
	let passed = 0;
	let sent = 0;
	let firstRefusedAt: number | undefined;
	const pending = new Set<Promise<void>>();
	const startedMs = performance.now();
	while (performance.now() - startedMs < SECONDS * 1000) {
		const due = Math.floor(((performance.now() - startedMs) / 1000) * perSecond);
		while (sent < due) {
			const port = ports[sent % ports.length]!;
			sent++;
			const request = ask(port, agent).then((status) => {
				if (status === 200) passed++;
				else firstRefusedAt ??= passed;
			});
			pending.add(request);
			void request.finally(() => pending.delete(request));
		}
		await new Promise((resolve) => setTimeout(resolve, 1));
	}
	await Promise.all(pending);
	agent.destroy();
	return { passed, sent, firstRefusedAt };
}

function ask(port: number, agent: http.Agent): Promise<number> {
	return new Promise((resolve, reject) => {
		const request = http.get({ port, host: '127.0.0.1', agent, headers: { 'x-client': 'one' } }, (response) => {
			response.resume();
			response.on('end', () => resolve(response.statusCode ?? 0));
		});
		request.on('error', reject);
	});
}
