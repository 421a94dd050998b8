/**
 * `npm run bench`: the figures that README.md gives, each part by its name.
 *
 *     npm run bench                       all parts
 *     npm run bench -- small 10k 1m new   requests through Holdfast, HAProxy, nginx and http-proxy
 *     npm run bench -- rules             a configuration as operators have it, beside HAProxy
 *     npm run bench -- tls handshakes h2 h2-1m   the same over TLS and HTTP/2, beside HAProxy
 *     npm run bench -- idle               memory of ten thousand idle connections
 *     npm run bench -- table              memory of a table's entries, pauses while a million expire
 *     npm run bench -- --quick            seconds instead of minutes: a look, not a figure to print
 *     npm run bench -- --rounds 9 small   more rounds
 *     npm run bench -- --proxies holdfast,haproxy small   these alone, by how their names begin
 *     HOLDFAST_BASELINE=<another build's holdfast.js> npm run bench   that build beside this one, as `baseline`
 *
 * What is not installed is skipped by name. Nothing else should run meanwhile; how to read the
 * figures when something does is said in throughput.ts.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { measureIdle } from './idle.js';
import { hasProcFs } from './programs.js';
import { measureTable } from './table.js';
import { CASES, measureThroughput, type Pace } from './throughput.js';

const FULL: Pace = { warmUpSeconds: 10, roundSeconds: 5, rounds: 7 };
const QUICK: Pace = { warmUpSeconds: 3, roundSeconds: 2, rounds: 3 };

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, proxies: { type: 'string' } },
});
const known = [...CASES.map((one) => one.name), 'idle', 'table'];
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
	console.error(`no part is named ${unknown.join(', ')}; there are: ${known.join(', ')}`);
	process.exit(1);
}
const wanted = new Set(positionals.length > 0 ? positionals : known);
const note = (line: string) => console.log(line);

const pace: Pace = {
	...(values.quick ? QUICK : FULL),
	...(values.rounds === undefined ? undefined : { rounds: Math.max(1, Number(values.rounds) || 1) }),
};
note(`node ${process.version}, load of the machine at the start ${loadavg()[0]?.toFixed(1)}`);
const cases = CASES.filter((one) => wanted.has(one.name));
if (!hasProcFs && (cases.length > 0 || wanted.has('idle'))) {
	note('skipped: all but table: this system has no /proc to read CPU time and memory from');
} else {
	if (cases.length > 0) await measureThroughput(cases, pace, note, values.proxies?.split(','));
	if (wanted.has('idle')) await measureIdle(values.quick ? 2000 : 10_000, note);
}
if (wanted.has('table')) await measureTable(note);
note('');
note(`load of the machine at the end ${loadavg()[0]?.toFixed(1)}`);
