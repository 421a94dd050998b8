/**
 * What sums over nodes cost and how far they are behind:
 *
 *     npx tsx test/bench/sums.ts load [seconds] [rounds] [clients]
 *                                                           CPU per tracked request over three nodes: alone, mesh, Redis
 *     npx tsx test/bench/sums.ts limit [requests/s]         a limit of 100 in ten seconds over four nodes, and HAProxy's peers
 *     npx tsx test/bench/sums.ts lag [seconds]              from counting on one node to knowing on another, in a mesh and through Redis
 *     npx tsx test/bench/sums.ts partition [seconds]        one node of three cut off by the network, healed, and exact? As root
 *     npx tsx test/bench/sums.ts origins [nodes] [seconds]  that many nodes through one Redis, compared with ten
 *
 * What is not installed (wrk, HAProxy, redis-server) is said and left out. Nothing else should run meanwhile.
 */
import { loadavg } from 'node:os';
import { measureLag } from './sums-lag.js';
import { measureLimit } from './sums-limit.js';
import { measureLoad } from './sums-load.js';
import { measureOrigins, runOrigins } from './sums-origins.js';
import { measurePartition } from './sums-partition.js';

const [part, first, second, ...rest] = process.argv.slice(2);
const note = (line: string): void => console.log(line);
const number = (text: string | undefined, otherwise: number): number => Number(text) || otherwise;

// A child of `origins`.
if (part === 'writers') await runOrigins(first ?? '', number(second, 1), rest);
else {
	note(`node ${process.version}, load of the machine at the start ${loadavg()[0]?.toFixed(1)}`);
	switch (part) {
		case 'load':
			await measureLoad(number(first, 4), number(second, 3), number(rest[0], 10_000), note);
			break;
		case 'limit':
			await measureLimit(number(first, 200), note);
			break;
		case 'lag':
			await measureLag(number(first, 10), note);
			break;
		case 'partition':
			await measurePartition(number(first, 30), note);
			break;
		case 'origins':
			await measureOrigins(number(first, 100), number(second, 10), note);
			break;
		default:
			console.error('expects load, limit, lag, partition or origins');
			process.exit(1);
	}
	note(`load of the machine at the end ${loadavg()[0]?.toFixed(1)}`);
}
