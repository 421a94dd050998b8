/** Programs that count clients together, for the benchmarks of sums. */
import { freePorts } from '../fixtures/ports.js';
import { HOLDFAST } from '../fixtures/program.js';
import { RedisServer } from '../fixtures/redis.js';
import { LOAD_CORE, PROXY_CORE, type RunningProgram, start } from './programs.js';

export type Kind = 'alone' | 'mesh' | 'redis' | 'haproxy';

const TABLE = 'type string len 32 size 100k expire 5m store http_req_rate(10s)';

/** The limit is on what the table says in which the nodes come together. */
const config = (
	kind: Kind,
	ports: readonly number[],
	peerPorts: readonly number[],
	index: number,
	redis: string,
	limit: number,
): string => {
	const peers = peerPorts.map((port, peer) => `  peer n${peer} 127.0.0.1:${port}`).join('\n');
	const section = {
		alone: `peers cluster\n  peer n${index} 127.0.0.1:${peerPorts[index]}\n`,
		mesh: `peers cluster\n${peers}\n`,
		redis: `peers cluster\n  redis ${redis}\n`,
		haproxy: `peers cluster\n${peers}\n`,
	}[kind];
	const isSum = kind === 'mesh' || kind === 'redis';
	return `global
  localpeer n${index}
  nbthread 1
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
${section}  table req.local ${TABLE}
${isSum ? 'aggregations sums\n  peers cluster\n  from .local to .sum\n' : ''}frontend web
  bind 127.0.0.1:${ports[index]}
  http-request track-sc0 hdr(x-client) table cluster/req.local
  http-request deny deny_status 429 if { sc_http_req_rate(0,cluster/req.${isSum ? 'sum' : 'local'}) gt ${limit} }
  http-request return status 200 content-type text/plain string ok
`;
};

export interface Nodes {
	readonly programs: readonly RunningProgram[];
	stop(): Promise<void>;
}

export async function startNodes(kind: Kind, count: number, limit: number): Promise<Nodes> {
	const ports = await freePorts(count * 2 + 1);
	const redis = kind === 'redis' ? await new RedisServer(ports[count * 2]!, []).start() : undefined;
	const programs: RunningProgram[] = [];
	const stop = async (): Promise<void> => {
		await Promise.all(programs.map((program) => program.stop()));
		await redis?.stop();
	};
	try {
		for (let index = 0; index < count; index++) {
			const text = config(kind, ports, ports.slice(count, count * 2), index, redis?.url ?? '', limit);
			programs.push(
				await start({
					name: `${kind} ${index}`,
					port: ports[index]!,
					core: index % 2 === 0 ? PROXY_CORE : LOAD_CORE,
					files: { 'bench.cfg': text },
					command: (folder) =>
						kind === 'haproxy'
							? ['haproxy', '-db', '-f', `${folder}/bench.cfg`]
							: [process.execPath, HOLDFAST, '-db', '-f', `${folder}/bench.cfg`],
				}),
			);
		}
		// Peers have found each other, names in Redis are claimed.
		await new Promise((resolve) => setTimeout(resolve, 6000));
	} catch (error) {
		await stop();
		throw error;
	}
	return { programs, stop };
}
