/**
 * Requests through each proxy: requests per second, CPU microseconds per request of the proxy's own
 * processes, and the 99th percentile of the latency, for one kind of request at a time.
 *
 * A figure alone says little on a machine that does other things too. So all proxies stand ready, and short
 * runs go through them in turn, A B C D A B C D: what disturbs one disturbs its neighbours in time. A ratio is taken
 * within each round, and the median over the rounds is printed; so is the spread of the CPU figure.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { freePorts } from '../fixtures/ports.js';
import { findProgram, LOAD_CORE, pinned, type RunningProgram } from './programs.js';
import { contenders, type Ports, RULES_HEADERS, startOrigin, startSyslog } from './proxies.js';

export interface Case {
	/** As on the command line. */
	readonly name: string;
	readonly title: string;
	readonly path: string;
	readonly connections: number;
	/** Each request on a connection of its own. */
	readonly closes: boolean;
	/** Over TLS, with the certificate of the tests; those that are not configured by HAProxy's file stand aside. */
	readonly secure?: boolean;
	/** Through the configuration with many rules, asked as a browser does; the others stand aside. */
	readonly ruled?: boolean;
	/** HTTP/2, asked for by h2load with so many streams on each connection. */
	readonly streams?: number;
	/** What issue and README promise: CPU per request at most so many times the other's. */
	readonly limits: Readonly<Record<string, number>>;
}

export const CASES: readonly Case[] = [
	{
		name: 'small',
		title: 'small answer, 12 bytes, keep-alive',
		path: '/12',
		connections: 32,
		closes: false,
		limits: { haproxy: 1.3, 'http-proxy': 0.25 },
	},
	{ name: '10k', title: '10 kB, keep-alive', path: '/10240', connections: 32, closes: false, limits: { haproxy: 1.3 } },
	{ name: '1m', title: '1 MB, keep-alive', path: '/1048576', connections: 16, closes: false, limits: { haproxy: 1.3 } },
	{
		name: 'rules',
		title: 'rules, maps, a tracker, a log by UDP: 12 bytes, keep-alive',
		path: '/12',
		connections: 32,
		closes: false,
		ruled: true,
		limits: {},
	},
	{
		name: 'new',
		title: 'new connection per request, 12 bytes',
		path: '/12',
		connections: 32,
		closes: true,
		limits: {},
	},
	{
		name: 'tls',
		title: 'TLS, small answer, keep-alive',
		path: '/12',
		connections: 32,
		closes: false,
		secure: true,
		limits: {},
	},
	{
		name: 'handshakes',
		title: 'TLS, new connection per request',
		path: '/12',
		connections: 32,
		closes: true,
		secure: true,
		limits: {},
	},
	{
		name: 'h2',
		title: 'HTTP/2 over TLS, small answer',
		path: '/12',
		connections: 8,
		closes: false,
		secure: true,
		streams: 8,
		limits: {},
	},
	{
		name: 'h2-1m',
		title: 'HTTP/2 over TLS, 1 MB',
		path: '/1048576',
		connections: 4,
		closes: false,
		secure: true,
		streams: 4,
		limits: {},
	},
];

export interface Pace {
	readonly warmUpSeconds: number;
	readonly roundSeconds: number;
	readonly rounds: number;
}

interface Figures {
	readonly requestsPerSecond: number;
	readonly cpuUs: number;
	readonly p99Ms: number;
	readonly failed: number;
}

/** Runs the cases, through the proxies whose names begin so; false when there is nothing to measure with. */
export async function measureThroughput(
	cases: readonly Case[],
	pace: Pace,
	note: (line: string) => void,
	chosen?: readonly string[],
): Promise<boolean> {
	const wrk = findProgram('wrk');
	const h2load = findProgram('h2load');
	const toolOf = (one: Case): string | undefined => (one.streams === undefined ? wrk : h2load);
	const measurable = cases.filter((one) => toolOf(one) !== undefined);
	for (const one of cases) {
		const name = one.streams === undefined ? 'wrk' : 'h2load';
		if (!measurable.includes(one)) note(`skipped: ${one.name}: ${name} is not installed`);
	}
	if (measurable.length === 0) return false;
	const wanted = contenders((what) => note(`skipped: ${what}`)).filter(
		({ name }) => chosen === undefined || chosen.some((start) => name.startsWith(start)),
	);
	const [originPort = 0, syslogPort = 0, ...ports] = await freePorts(3 * wanted.length + 2);
	const running: RunningProgram[] = [];
	try {
		running.push(await startOrigin(originPort), await startSyslog(syslogPort));
		const all: { readonly proxy: RunningProgram; readonly ports: Ports; readonly isConfigured: boolean }[] = [];
		for (const [index, contender] of wanted.entries()) {
			const [plain = 0, secure = 0, ruled = 0] = ports.slice(3 * index);
			const own: Ports = { plain, origin: originPort, secure, rules: { port: ruled, syslog: syslogPort } };
			const proxy = await contender.start(own);
			running.push(proxy);
			all.push({ proxy, ports: own, isConfigured: contender.isConfigured === true });
		}
		for (const one of measurable) {
			const tool = toolOf(one) as string;
			const needsConfiguration = one.secure === true || one.ruled === true;
			const proxies = all.filter(({ isConfigured }) => !needsConfiguration || isConfigured);
			const run = ({ proxy, ports }: (typeof all)[number], seconds: number): Promise<Figures> => {
				const plain = one.ruled === true ? ports.rules?.port : ports.plain;
				const origin = one.secure === true ? `https://127.0.0.1:${ports.secure}` : `http://127.0.0.1:${plain}`;
				const url = `${origin}${one.path}`;
				return one.streams === undefined
					? runWrk(tool, proxy, one, url, seconds)
					: runH2load(tool, proxy, one, one.streams, url, seconds);
			};
			for (const one of proxies) await run(one, pace.warmUpSeconds);
			const results = new Map<string, Figures[]>(proxies.map(({ proxy }) => [proxy.name, []]));
			for (let round = 0; round < pace.rounds; round++) {
				for (const one of proxies) results.get(one.proxy.name)?.push(await run(one, pace.roundSeconds));
			}
			report(one, pace, results, note);
		}
	} finally {
		for (const program of running.reverse()) await program.stop();
	}
	return true;
}

/** h2load tells no percentiles: the largest latency stands in their place. */
async function runH2load(
	h2load: string,
	proxy: RunningProgram,
	one: Case,
	streams: number,
	url: string,
	seconds: number,
): Promise<Figures> {
	const options = ['-t1', `-c${one.connections}`, `-m${streams}`, `-D${seconds}`];
	const [command, ...args] = pinned(LOAD_CORE, [h2load, ...options, url]);
	const before = proxy.cpuUs();
	const { stdout } = await promisify(execFile)(command, args, { encoding: 'latin1' });
	const cpuUs = proxy.cpuUs() - before;
	const requests = /(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(stdout);
	const count = Number(requests?.[1] ?? 0);
	if (count === 0) throw new Error(`no request went through ${proxy.name}:\n${stdout}`);
	const good = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1] ?? 0);
	const most = /time for request:\s+\S+\s+([\d.]+)(us|ms|s)/.exec(stdout);
	return {
		requestsPerSecond: Number(/([\d.]+) req\/s/.exec(stdout)?.[1] ?? 0),
		cpuUs: cpuUs / count,
		p99Ms: Number(most?.[1] ?? Number.NaN) * ({ us: 0.001, ms: 1, s: 1000 }[most?.[2] ?? 'ms'] ?? 1),
		// Of those that were under way when the time was over nothing is said.
		failed: Math.max(0, count - good),
	};
}

async function runWrk(wrk: string, proxy: RunningProgram, one: Case, url: string, seconds: number): Promise<Figures> {
	const options = ['-t1', `-c${one.connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s'];
	const sent = [...(one.ruled === true ? RULES_HEADERS : []), ...(one.closes ? ['Connection: close'] : [])];
	const headers = sent.flatMap((line) => ['-H', line]);
	const [command, ...args] = pinned(LOAD_CORE, [wrk, ...options, ...headers, url]);
	const before = proxy.cpuUs();
	const { stdout } = await promisify(execFile)(command, args, { encoding: 'latin1' });
	const cpuUs = proxy.cpuUs() - before;
	const total = /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(stdout);
	const count = Number(total?.[1] ?? 0);
	if (count === 0) throw new Error(`no request went through ${proxy.name}:\n${stdout}`);
	const errors = /connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
	const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
	const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout);
	return {
		requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0),
		cpuUs: cpuUs / count,
		p99Ms: Number(p99?.[1] ?? Number.NaN) * ({ us: 0.001, ms: 1, s: 1000 }[p99?.[2] ?? 'ms'] ?? 1),
		failed: refused + errors.reduce((sum, text) => sum + Number(text), 0),
	};
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	const upper = sorted[middle] ?? Number.NaN;
	return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The median of one figure's ratio to another proxy's, round by round. */
function ratio(own: readonly Figures[], other: readonly Figures[], of: (figures: Figures) => number): number {
	return median(own.map((figures, round) => of(figures) / of(other[round] as Figures)));
}

function report(
	one: Case,
	pace: Pace,
	results: ReadonlyMap<string, readonly Figures[]>,
	note: (line: string) => void,
): void {
	const names = [...results.keys()];
	const reference = names.find((name) => name.startsWith('haproxy'));
	const own = results.get('holdfast');
	note('');
	note(`${one.title}: ${one.connections} connections, ${pace.rounds} rounds of ${pace.roundSeconds} s`);
	const against = reference === undefined ? '' : `    req/s and CPU against ${reference}`;
	note(
		`  ${'proxy'.padEnd(13)}${'req/s'.padStart(9)}${'CPU us/req'.padStart(12)}${'least..most'.padStart(15)}${(one.streams === undefined ? 'p99 ms' : 'max ms').padStart(9)}${'failed'.padStart(8)}${against}`,
	);
	for (const [name, rounds] of results) {
		const cpu = rounds.map((figures) => figures.cpuUs);
		const compared = reference === undefined ? undefined : results.get(reference);
		const ratios =
			compared === undefined
				? ''
				: `${ratio(rounds, compared, (f) => f.requestsPerSecond)
						.toFixed(2)
						.padStart(9)}x${ratio(rounds, compared, (f) => f.cpuUs)
						.toFixed(2)
						.padStart(9)}x`;
		const failed = rounds.reduce((sum, figures) => sum + figures.failed, 0);
		note(
			`  ${name.padEnd(13)}${median(rounds.map((f) => f.requestsPerSecond))
				.toFixed(0)
				.padStart(
					9,
				)}${median(cpu).toFixed(1).padStart(12)}${`${Math.min(...cpu).toFixed(1)}..${Math.max(...cpu).toFixed(1)}`.padStart(15)}${median(
				rounds.map((f) => f.p99Ms),
			)
				.toFixed(2)
				.padStart(9)}${String(failed).padStart(8)}${ratios}`,
		);
	}
	if (own === undefined) return;
	for (const name of names) {
		if (name === 'holdfast') continue;
		const measured = ratio(own, results.get(name) as Figures[], (figures) => figures.cpuUs);
		const limit = Object.entries(one.limits).find(([prefix]) => name.startsWith(prefix))?.[1];
		const verdict = limit === undefined ? '' : ` (at most ${limit}: ${measured <= limit ? 'reached' : 'missed'})`;
		note(`  CPU per request, holdfast : ${name} = ${measured.toFixed(2)}${verdict}`);
	}
}
