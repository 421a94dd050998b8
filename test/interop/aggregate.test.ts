/**
 * Holdfast as an aggregator for unmodified HAProxy nodes, which know nothing but the peers protocol: each counts
 * in its own table and is given the sums in another. Whole programs on loopback.
 */
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const skip = skipUnlessHaproxy();

/** Counts requests by client, but for those to `/read`, which only ask. */
const nodeConfig = (name: string, peers: readonly (readonly [name: string, port: number])[]): string => `
global
  localpeer ${name}
  nbthread 1
  stats socket \${dir}/cli.sock
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
peers mypeers
${peers.map(([peer, port]) => `  peer ${peer} 127.0.0.1:${port}`).join('\n')}
  table req.local type string len 32 size 1k expire 10m store http_req_cnt,http_req_rate(10m),conn_cur
  table req.sum type string len 32 size 1k expire 10m store http_req_cnt,http_req_rate(10m),conn_cur
  table req.all type string len 32 size 1k expire 10m store http_req_cnt,http_req_rate(10m),conn_cur
frontend web
  bind 127.0.0.1:\${port1}
  http-request track-sc0 hdr(x-client) table mypeers/req.local unless { path /read }
  http-request return status 200 content-type text/plain lf-string "%[hdr(x-client),table_http_req_cnt(mypeers/req.local)] %[hdr(x-client),table_http_req_cnt(mypeers/req.sum)] %[hdr(x-client),table_http_req_rate(mypeers/req.sum)] %[hdr(x-client),table_http_req_cnt(mypeers/req.all)]"
`;

const aggregatorConfig = (lines: readonly string[], from: string, to: string): string => `
global
  nbthread 1
  stats socket \${dir}/cli.sock
aggregations sums
${lines.map((line) => `  ${line}`).join('\n')}
  from ${from} to ${to}
`;

interface Counts {
	readonly own: number;
	readonly sum: number;
	readonly rate: number;
	readonly all: number;
}

async function ask(node: Program, path: string, client = 'alice'): Promise<Counts> {
	const body = await new Promise<string>((resolve, reject) => {
		const options = { port: node.port(), host: '127.0.0.1', path, headers: { 'x-client': client }, agent: false };
		const request = http.get(options, (response) => {
			let text = '';
			response.on('data', (chunk: Buffer) => {
				text += chunk.toString('latin1');
			});
			response.on('end', () => resolve(text));
		});
		request.on('error', reject);
	});
	const [own = 0, sum = 0, rate = 0, all = 0] = body.split(' ').map(Number);
	return { own, sum, rate, all };
}

function askCli(program: Program, command: string): Promise<string> {
	return new Promise((resolve, reject) => {
		let answer = '';
		const socket = net.connect(join(program.folder, 'cli.sock'), () => socket.write(`${command}\n`));
		socket.on('data', (chunk) => {
			answer += chunk.toString('latin1');
		});
		socket.on('error', reject);
		socket.on('close', () => resolve(answer));
	});
}

/**
 * HAProxy takes what it is taught while it starts for the truth, also of what it has counted meanwhile. It has told
 * a whole lesson itself when that is over.
 */
async function hasStarted(aggregator: Program, ...names: readonly string[]): Promise<void> {
	await waitFor(`${names} to have told all`, async () => {
		const text = await askCli(aggregator, 'show aggregations');
		return names.every((name) => text.includes(`origin ${name}(direct)`));
	});
}

const read = (node: Program): Promise<Counts> => ask(node, '/read');

async function count(node: Program, times: number): Promise<void> {
	for (let i = 0; i < times; i++) await ask(node, '/');
}

async function shows(node: Program, own: number, sum: number): Promise<void> {
	let last: Counts | undefined;
	try {
		await waitFor(`own ${own}, sum ${sum}`, async () => {
			last = await read(node);
			return last.own === own && last.sum === sum;
		});
	} catch (error) {
		throw new Error(`${(error as Error).message}: has ${JSON.stringify(last)}`);
	}
}

t.jobs = 4;

t.test(
	'two nodes, one aggregator: 2 and 3 requests are 5; each starts anew in turn',
	{ skip, buffered: true },
	async (t) => {
		const [p1, p2, pa] = await freePorts(3);
		const lines = [`peer aggr 127.0.0.1:${pa} local`, `peer lb1 127.0.0.1:${p1}`, `peer lb2 127.0.0.1:${p2}`];
		const startAggregator = (): Promise<Program> =>
			startProgram(t, { config: aggregatorConfig(lines, '.local', '.sum'), ports: 0, readyPorts: [pa!] });
		const start = (name: string, port: number, usePorts?: readonly number[]): Promise<Program> =>
			startProgram(t, {
				config: nodeConfig(name, [
					[name, port],
					['aggr', pa!],
				]),
				ports: 1,
				program: 'haproxy',
				...(usePorts === undefined ? {} : { usePorts }),
			});
		let aggregator = await startAggregator();
		let lb1 = await start('lb1', p1!);
		const lb2 = await start('lb2', p2!);

		await hasStarted(aggregator, 'lb1', 'lb2');
		await count(lb1, 2);
		await count(lb2, 3);
		await shows(lb1, 2, 5);
		await shows(lb2, 3, 5);
		t.equal((await read(lb1)).rate, 5, 'rates are summed');

		// A node starts anew: its own share comes back, and it counts on.
		await lb1.stop('SIGKILL');
		lb1 = await start('lb1', p1!, lb1.ports);
		await shows(lb1, 2, 5);
		await count(lb1, 1);
		await shows(lb1, 3, 6);
		await shows(lb2, 3, 6);

		// The aggregator starts anew: it asks the nodes.
		await aggregator.stop('SIGKILL');
		await count(lb2, 1);
		aggregator = await startAggregator();
		await shows(lb1, 3, 7);
		await shows(lb2, 4, 7);
		t.notMatch(aggregator.stderr, /exception|rejection/);
		await aggregator.stop();
	},
);

t.test('two aggregators for the same nodes: one is killed', { skip, buffered: true }, async (t) => {
	const [p1, p2, pa, pb] = await freePorts(4);
	const nodes = [`peer lb1 127.0.0.1:${p1}`, `peer lb2 127.0.0.1:${p2}`];
	const startAggregator = (name: 'aggr1' | 'aggr2'): Promise<Program> => {
		const lines = [
			`peer aggr1 127.0.0.1:${pa}${name === 'aggr1' ? ' local' : ''}`,
			`peer aggr2 127.0.0.1:${pb}${name === 'aggr2' ? ' local' : ''}`,
			...nodes,
		];
		const port = name === 'aggr1' ? pa : pb;
		return startProgram(t, { config: aggregatorConfig(lines, '.local', '.sum'), ports: 0, readyPorts: [port!] });
	};
	const aggr1 = await startAggregator('aggr1');
	const aggr2 = await startAggregator('aggr2');
	const start = (name: string, port: number, usePorts?: readonly number[]): Promise<Program> =>
		startProgram(t, {
			config: nodeConfig(name, [
				[name, port],
				['aggr1', pa!],
				['aggr2', pb!],
			]),
			ports: 1,
			program: 'haproxy',
			...(usePorts === undefined ? {} : { usePorts }),
		});
	const lb1 = await start('lb1', p1!);
	let lb2 = await start('lb2', p2!);
	await hasStarted(aggr1, 'lb1', 'lb2');
	await hasStarted(aggr2, 'lb1', 'lb2');
	await count(lb1, 2);
	await count(lb2, 3);
	await shows(lb1, 2, 5);
	await shows(lb2, 3, 5);
	await aggr1.stop('SIGKILL');
	await count(lb1, 1);
	await shows(lb1, 3, 6);
	await shows(lb2, 3, 6);
	// The node that is away when the first comes back: what it counted comes from the other aggregator.
	await lb2.stop('SIGKILL');
	const again = await startAggregator('aggr1');
	await waitFor('the first aggregator to hear of all', async () =>
		/origin lb2\(away\) life=0 lives=1 entries=1 /.test(await askCli(again, 'show aggregations')),
	);
	t.equal((await read(lb1)).sum, 6, 'while it did not know all it has said nothing');
	await aggr2.stop('SIGKILL');
	await count(lb1, 1);
	await shows(lb1, 4, 7);
	lb2 = await start('lb2', p2!, lb2.ports);
	await shows(lb2, 3, 7);
	t.notMatch(again.stderr, /exception|rejection/);
});

t.test('two nodes of one name, and a table that stores other things', { skip, buffered: true }, async (t) => {
	const [p1, p2, p3, pa] = await freePorts(4);
	const lines = [
		`peer aggr 127.0.0.1:${pa} local`,
		`peer lb1 127.0.0.1:${p1}`,
		`peer lb2 127.0.0.1:${p2}`,
		`peer lb3 127.0.0.1:${p3}`,
	];
	const aggregator = await startProgram(t, {
		config: aggregatorConfig(lines, '.local', '.sum'),
		ports: 0,
		readyPorts: [pa!],
	});
	const start = (name: string, port: number, change = (config: string): string => config): Promise<Program> =>
		startProgram(t, {
			config: change(
				nodeConfig(name, [
					[name, port],
					['aggr', pa!],
				]),
			),
			ports: 1,
			program: 'haproxy',
		});
	const lb1 = await start('lb1', p1!);
	const lb2 = await start('lb2', p2!);
	await hasStarted(aggregator, 'lb1', 'lb2');
	await count(lb1, 2);
	await count(lb2, 3);
	await shows(lb1, 2, 5);
	// Its period is another: rates of both cannot be added.
	const lb3 = await start('lb3', p3!, (config) =>
		config.replace(/(req\.local .*)http_req_rate\(10m\)/, '$1http_req_rate(5m)'),
	);
	await count(lb3, 7);
	const log = (): string => aggregator.stdout + aggregator.stderr;
	await waitFor('the other table to be told of', () =>
		/table '\/req.local' of peer 'lb3' stores other data, or for other periods, than here: not summed/.test(log()),
	);
	await count(lb1, 1);
	await shows(lb1, 3, 6);
	await shows(lb2, 3, 6);
	// Another one of that name, which listens elsewhere: their connections replace each other.
	const [other] = await freePorts(1);
	await start('lb2', other!);
	await waitFor('the two to be told of', () => /two nodes seem to be called 'lb2'/.test(log()), 60_000);
	t.equal(log().match(/two nodes seem to be called/g)?.length, 1, 'once');
	const { sum } = await read(lb1);
	t.ok(sum <= 6, `${sum}: nothing is counted twice`);
	t.notMatch(log(), /exception|rejection/);
});

t.test('two levels: what the upper one sums comes down to the nodes', { skip, buffered: true }, async (t) => {
	const [p1, p2, pa, pb, pt] = await freePorts(5);
	const low = (name: string, port: number, node: string, nodePort: number): Promise<Program> =>
		startProgram(t, {
			config: aggregatorConfig(
				[`peer ${name} 127.0.0.1:${port} local`, `peer ${node} 127.0.0.1:${nodePort}`, `peer top 127.0.0.1:${pt} up`],
				'.local',
				'.sum',
			),
			ports: 0,
			readyPorts: [port],
		});
	const top = await startProgram(t, {
		config: aggregatorConfig(
			[`peer top 127.0.0.1:${pt} local`, `peer aggr1 127.0.0.1:${pa} down`, `peer aggr2 127.0.0.1:${pb} down`],
			'.sum',
			'.all',
		),
		ports: 0,
		readyPorts: [pt!],
	});
	const aggr1 = await low('aggr1', pa!, 'lb1', p1!);
	const aggr2 = await low('aggr2', pb!, 'lb2', p2!);
	const start = (name: string, port: number, aggregator: string, aggregatorPort: number): Promise<Program> =>
		startProgram(t, {
			config: nodeConfig(name, [
				[name, port],
				[aggregator, aggregatorPort],
			]),
			ports: 1,
			program: 'haproxy',
		});
	const lb1 = await start('lb1', p1!, 'aggr1', pa!);
	const lb2 = await start('lb2', p2!, 'aggr2', pb!);
	await hasStarted(aggr1, 'lb1');
	await hasStarted(aggr2, 'lb2');
	await count(lb1, 2);
	await count(lb2, 3);
	await shows(lb1, 2, 2);
	await shows(lb2, 3, 3);
	await waitFor('the sum of sums at the first node', async () => (await read(lb1)).all === 5);
	await waitFor('the sum of sums at the second node', async () => (await read(lb2)).all === 5);
	t.notMatch(top.stderr + aggr1.stderr, /exception|rejection/);
});

t.test('a load balancer that sums and HAProxy in one mesh', { skip, buffered: true }, async (t) => {
	const [p1, p2] = await freePorts(2);
	const mesh = [
		['lb1', p1!],
		['lb2', p2!],
	] as const;
	const start = (name: string, program: 'holdfast' | 'haproxy', usePorts?: readonly number[]): Promise<Program> =>
		startProgram(t, {
			config:
				nodeConfig(name, mesh) +
				(program === 'holdfast' ? 'aggregations sums\n  peers mypeers\n  from .local to .sum\n' : ''),
			ports: 1,
			program,
			...(usePorts === undefined ? {} : { usePorts }),
		});
	const holdfast = await start('lb1', 'holdfast');
	let haproxy = await start('lb2', 'haproxy');
	await hasStarted(holdfast, 'lb2');
	await count(holdfast, 2);
	await count(haproxy, 3);
	await shows(holdfast, 2, 5);
	await shows(haproxy, 3, 5);
	await haproxy.stop('SIGKILL');
	await count(holdfast, 1);
	haproxy = await start('lb2', 'haproxy', haproxy.ports);
	await shows(haproxy, 3, 6);
	await hasStarted(holdfast, 'lb2');
	await count(haproxy, 1);
	await shows(holdfast, 3, 7);
	t.notMatch(holdfast.stderr, /exception|rejection/);
});
