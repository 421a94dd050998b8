/**
 * CPU per tracked request over three nodes, each its own limit alone, or all by the sum. The three kinds stand ready side
 * by side and get short runs in turn, so that what disturbs one disturbs its neighbours; the median of the ratios within
 * the rounds is what counts. The CPU is that of all threads of all nodes, peers, Redis client and sums included.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findRedis } from '../fixtures/redis.js';
import { findProgram } from './programs.js';
import { type Kind, type Nodes, startNodes } from './sums-nodes.js';

const NODES = 3;
/** Over all nodes. At full speed a kind that is slower would also be measured with fewer requests at a time. */
const REQUESTS_PER_SECOND = 20_000;
const CONNECTIONS = 36;
/** wrk waits whole milliseconds between two requests of a connection; the answer takes about one more. */
const PAUSE_MS = Math.round((1000 * NODES * CONNECTIONS) / REQUESTS_PER_SECOND) - 1;
const script = (clients: number): string => `
math.randomseed(os.time())
request = function()
  wrk.headers["x-client"] = "client" .. math.random(${clients})
  return wrk.format("GET", "/")
end
delay = function() return math.random(${PAUSE_MS - 1}, ${PAUSE_MS + 1}) end`;

const median = (values: readonly number[]): number =>
	[...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** `clients` come at random, all alike: the fewer, the more requests are one change. */
export async function measureLoad(
	seconds: number,
	rounds: number,
	clients: number,
	note: (line: string) => void,
): Promise<void> {
	const wrk = findProgram('wrk');
	if (wrk === undefined) {
		note('skipped: wrk is not installed');
		return;
	}
	const kinds: Kind[] = ['alone', 'mesh'];
	if (findRedis() === undefined) note('skipped: redis, redis-server is not installed');
	else kinds.push('redis');
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-sums-'));
	const scriptPath = join(folder, 'clients.lua');
	writeFileSync(scriptPath, script(clients));
	const running = new Map<Kind, Nodes>();
	const figures = new Map<Kind, { cpuUs: number; rate: number }[]>();
	try {
		for (const kind of kinds) running.set(kind, await startNodes(kind, NODES, 1_000_000));
		for (let round = -1; round < rounds; round++) {
			for (const [kind, { programs }] of running) {
				const cpuBefore = programs.reduce((sum, program) => sum + program.cpuUs(), 0);
				const requests = await Promise.all(
					programs.map(async ({ port }) => {
						// The first round makes the entries everywhere, and the code warm: it takes longer, and does not count.
						const lasts = round < 0 ? seconds * 4 : seconds;
						const args = [
							'-t',
							'1',
							'-c',
							`${CONNECTIONS}`,
							'-d',
							`${lasts}s`,
							'-s',
							scriptPath,
							`http://127.0.0.1:${port}/`,
						];
						const { stdout } = await promisify(execFile)(wrk, args);
						return Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0);
					}),
				);
				const total = requests.reduce((sum, count) => sum + count, 0);
				const cpuUs = (programs.reduce((sum, program) => sum + program.cpuUs(), 0) - cpuBefore) / total;
				if (round >= 0) figures.set(kind, [...(figures.get(kind) ?? []), { cpuUs, rate: total / seconds }]);
			}
		}
	} finally {
		for (const nodes of running.values()) await nodes.stop();
		rmSync(folder, { recursive: true, force: true });
	}
	const alone = figures.get('alone') ?? [];
	for (const [kind, found] of figures) {
		const ratio = median(found.map(({ cpuUs }, round) => cpuUs / (alone[round]?.cpuUs ?? Number.NaN)));
		const more = kind === 'alone' ? '' : `, ${((ratio - 1) * 100).toFixed(1)} % more than alone`;
		note(
			`${kind.padEnd(6)} ${median(found.map(({ rate }) => rate)).toFixed(0)} requests/s over ${NODES} nodes, ${median(found.map(({ cpuUs }) => cpuUs)).toFixed(1)} us of CPU each${more}`,
		);
	}
}
