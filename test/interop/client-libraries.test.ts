/**
 * Programs that no one here wrote talk with Holdfast as they talk with HAProxy: two client libraries for HAProxy's
 * stats socket, from the npm registry and unchanged, give the same calls to both programs, after the same traffic.
 *
 * `haproxy` (observing/haproxy) sends one command a connection; `haproxy-sdk` (jackpinetech) reads `show info` and
 * `show stat` into objects of frontends, backends and servers.
 */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';

t.setTimeout(100_000);

const CONFIG = `
global
  nbthread 1
  maxconn 100
  stats socket \${dir}/s level admin
defaults
  mode http
  timeout client 10s
  timeout connect 5s
  timeout server 10s
frontend front
  bind 127.0.0.1:\${port1}
  acl listed path -f \${dir}/list
  http-request track-sc0 src table seen
  http-request deny if listed
  default_backend app
frontend other
  bind 127.0.0.1:\${port2}
  default_backend app
backend app
  balance roundrobin
  server one 127.0.0.1:\${port3} weight 10 maxconn 20
  server two 127.0.0.1:\${port3} weight 20
backend seen
  stick-table type ip size 100 expire 10m store gpc0,http_req_cnt
`;

const load = createRequire(import.meta.url);

type Callback = (error: Error | null | undefined, value: unknown) => void;
/** What of the library is used here. It finds the program's binary by itself when it is not told one. */
type Haproxy = new (
	socket: string,
	options: { readonly which: string },
) => Record<string, (...args: unknown[]) => unknown>;

interface SdkServer {
	readonly name: string;
	readonly backendName: string;
	metric(name: string): Promise<number>;
	setState(state: string): Promise<unknown>;
	setWeight(weight: number): Promise<unknown>;
}
interface SdkFrontend {
	readonly name: string;
	metric(name: string): Promise<number>;
}
interface Sdk {
	frontends(): Promise<SdkFrontend[]>;
	backends(): Promise<readonly { readonly name: string }[]>;
	servers(): Promise<SdkServer[]>;
	info(): Promise<readonly unknown[]>;
	totalRequests(): Promise<number>;
	maxConn(): Promise<number>;
	getTable(table: string, key: string): Promise<readonly string[]>;
	getAcl(acl: number, key: string): Promise<unknown>;
	addAcl(acl: number, pattern: string): Promise<unknown>;
}

async function origin(t: Teardown): Promise<number> {
	const server = createServer((_, response) => response.end('hello'));
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const address = server.address();
	return typeof address === 'object' && address !== null ? address.port : 0;
}

async function start(t: Teardown, program: 'haproxy' | 'holdfast', originPort: number): Promise<Program> {
	const [front = 0, other = 0] = await freePorts(2);
	const started = await startProgram(t, {
		config: CONFIG,
		ports: 3,
		usePorts: [front, other, originPort],
		program,
		prepare: (folder) => writeFileSync(join(folder, 'list'), '/denied\n'),
	});
	for (const path of ['/', '/a', '/b', '/denied']) await request(front, path, { headers: { connection: 'close' } });
	return started;
}

/** The calls of the first library, and what came back: a value, or the error's words. */
async function callbacks(program: Program): Promise<readonly (readonly [call: string, result: unknown])[]> {
	const Library = load('haproxy') as Haproxy;
	const client = new Library(join(program.folder, 's'), { which: process.execPath });
	const calls: readonly (readonly unknown[])[] = [
		['weight', 'app', 'one'],
		['weight', 'app', 'one', 7],
		['weight', 'app', 'one'],
		['weight', 'app', 'nobody'],
		['weight', 'nobody', 'one', 3],
		['weight', 'app', 'one', 700],
		['disable', 'app', 'two'],
		['disable', 'app', 'nobody'],
		['enable', 'app', 'two'],
		['pause', 'other'],
		['pause', 'other'],
		['resume', 'other'],
		['resume', 'other'],
		['resume', 'nobody'],
		['maxconn', 'front', 20],
		['maxconn', 'nobody', 20],
		['ratelimit', 100],
		['ratelimit', 0],
		['compression', 0],
		['clear', true],
		['clear'],
	];
	const results: (readonly [string, unknown])[] = [];
	for (const [method, ...args] of calls) {
		const result = await new Promise((resolve) => {
			const callback: Callback = (error, value) => resolve(error ? `refused: ${error.message}` : value);
			client[String(method)]?.(...args, callback);
		});
		results.push([[method, ...args].join(' '), result]);
	}
	return results;
}

/** Rows of `show stat` as the first library reads them. */
async function rows(program: Program): Promise<readonly Record<string, string>[]> {
	const Library = load('haproxy') as Haproxy;
	const client = new Library(join(program.folder, 's'), { which: process.execPath });
	return new Promise((resolve, reject) => {
		const callback: Callback = (error, value) =>
			error ? reject(error) : resolve(value as readonly Record<string, string>[]);
		client.stat?.('-1', '-1', '-1', callback);
	});
}

async function objects(program: Program): Promise<Record<string, unknown>> {
	const Library = load('haproxy-sdk') as new (socket: string) => Sdk;
	const client = new Library(join(program.folder, 's'));
	const servers = await client.servers();
	const described: unknown[] = [];
	for (const server of servers) {
		const figures: unknown[] = [server.backendName, server.name];
		for (const metric of ['weight', 'stot', 'hrsp_2xx', 'slim', 'act', 'bck', 'bin'])
			figures.push(await server.metric(metric));
		described.push(figures);
	}
	const fronts: unknown[] = [];
	for (const front of await client.frontends()) {
		const figures: unknown[] = [front.name];
		for (const metric of ['stot', 'dreq', 'req_tot', 'slim', 'hrsp_4xx']) figures.push(await front.metric(metric));
		fronts.push(figures);
	}
	const [info] = await client.info();
	const ours = await client.getTable('seen', '127.0.0.1');
	return {
		described,
		fronts,
		backends: (await client.backends()).map(({ name }) => name),
		maxConn: await client.maxConn(),
		requests: await client.totalRequests(),
		infoNames: ['CurrConns', 'CumReq', 'Maxconn', 'Nbthread', 'Tasks'].filter((name) =>
			JSON.stringify(info).includes(name),
		),
		table: ours.map((line) => line.replace(/^0x[0-9a-f]+: /, '').replace(/exp=\d+/, 'exp=')),
	};
}

t.test('the same calls, the same results', { skip: skipUnlessHaproxy() }, async (t) => {
	const originPort = await origin(t);
	const haproxy = await start(t, 'haproxy', originPort);
	const holdfast = await start(t, 'holdfast', originPort);

	const [theirs, ours] = [await objects(haproxy), await objects(holdfast)];
	// HAProxy counts the commands of its own socket as requests as well.
	t.equal(ours.requests, 4);
	t.ok(Number(theirs.requests) >= 4);
	for (const [name, value] of Object.entries(ours)) {
		if (name !== 'requests') t.strictSame(value, theirs[name], `haproxy-sdk: ${name}`);
	}
	t.strictSame(ours.fronts, [
		['front', 4, 1, 4, 100, 1],
		['other', 0, 0, 0, 100, 0],
	]);

	const COLUMNS = [
		'pxname',
		'svname',
		'status',
		'stot',
		'hrsp_2xx',
		'hrsp_4xx',
		'dreq',
		'weight',
		'act',
		'type',
		'iid',
		'sid',
	];
	const shown = (row: Record<string, string>) => COLUMNS.map((column) => row[column]);
	const [theirRows, ourRows] = [await rows(haproxy), await rows(holdfast)];
	t.strictSame(ourRows.map(shown), theirRows.map(shown));
	t.equal(ourRows.length, 6);

	const [theirResults, ourResults] = [await callbacks(haproxy), await callbacks(holdfast)];
	for (const [at, [call, result]] of ourResults.entries())
		t.strictSame(result, theirResults[at]?.[1], `haproxy: ${call}`);
	t.strictSame(ourResults[2], ['weight app one', { current: 7, initial: 10 }]);
	t.match(ourResults[3]?.[1], /^refused: No such server/);
});
