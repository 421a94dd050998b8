/**
 * The runtime API beside HAProxy's: one conf file, the same requests through both programs, then the same commands
 * to both. Answers must be the same to the letter but for what cannot be: addresses in memory, times, rates of the
 * last second, ports, and the names and versions of the programs.
 */
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { keptConnection, request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

/** `${port3}` is the origin's, `${port4}` is nobody's. */
const CONFIG = `
global
  nbthread 1
  maxconn 200
  stats socket \${dir}/admin.sock level admin
  stats socket \${dir}/operator.sock level operator
  stats socket \${dir}/user.sock level user
  node the-node
  description a, "quoted" text
defaults
  mode http
  timeout client 10s
  timeout connect 5s
  timeout server 10s
frontend fe
  bind 127.0.0.1:\${port1} name web
  option socket-stats
  maxconn 150
  acl refused path -f \${dir}/refused.lst
  acl inline path /inline /other
  http-request track-sc0 src table t_ip
  http-request deny if refused
  http-request deny deny_status 403 if inline
  http-request set-header x-target %[path,map_beg(\${dir}/paths.map,none)]
  http-request return status 204 if { path /own }
  use_backend down if { path_beg /down }
  default_backend be
frontend "two"
  bind 127.0.0.1:\${port2}
  default_backend be
backend be
  balance roundrobin
  cookie SRV insert
  retries 1
  server s1 127.0.0.1:\${port3} weight 10 maxconn 20 cookie c1
  server s2 127.0.0.1:\${port3} backup maxqueue 5
  server s3 127.0.0.1:\${port3} disabled
backend down
  server x 127.0.0.1:\${port4} maxconn 3
  server y 127.0.0.1:\${port4} weight 0
backend fixed
  balance static-rr
  server s1 127.0.0.1:\${port3} weight 7
  server s2 [::1]:\${port3}
backend t_ip
  stick-table type ip size 100k expire 10m store gpc0,gpt0,http_req_cnt,http_err_cnt,http_req_rate(1m),bytes_out_cnt
backend t_str
  stick-table type string len 20 size 1k expire 10m store gpc0,conn_cur,server_key,bytes_in_rate(1m)
`;

async function start(t: Teardown, program: 'haproxy' | 'holdfast', usePorts: readonly number[]): Promise<Program> {
	const started = await startProgram(t, {
		config: CONFIG,
		ports: 4,
		usePorts,
		program,
		prepare(folder) {
			writeFileSync(join(folder, 'refused.lst'), '/refused\n/no\n');
			writeFileSync(join(folder, 'paths.map'), '/a first\n/b second value\n');
		},
	});
	return started;
}

async function origin(t: Teardown): Promise<number> {
	const server: Server = createServer((incoming, response) => {
		const status = Number(/\/status\/(\d+)/.exec(incoming.url ?? '')?.[1] ?? 200);
		response.writeHead(status, { 'content-length': 5, date: 'Thu, 01 Jan 1970 00:00:00 GMT' });
		response.end('hello');
	});
	// HAProxy passes a server's own `keep-alive` header on, which RFC 9110, 7.6.1 does not let us do.
	server.keepAliveTimeout = 0;
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const address = server.address();
	return typeof address === 'object' && address !== null ? address.port : 0;
}

async function traffic(program: Program): Promise<void> {
	const agent = keptConnection();
	const [first, second] = [program.port(1), program.port(2)];
	for (const path of ['/', '/a', '/status/404', '/status/500', '/status/301', '/refused', '/inline', '/own', '/down']) {
		await request(first, path, { agent });
	}
	await request(second, '/', { agent });
	agent.destroy();
	await waitFor('connections to be closed', async () => {
		const text = await socket(program, 'show stat -1 1 0');
		return text.split('\n').every((line) => !/^(fe|two),/.test(line) || line.split(',')[4] === '0');
	});
}

const socket = (program: Program, command: string, level = 'admin'): Promise<string> =>
	cli(join(program.folder, `${level}.sock`), command);

/** Columns that are times, rates of the last second, or depend on them. */
const VOLATILE = new Set([
	...['lastchg', 'lastsess', 'downtime', 'rate', 'rate_max', 'req_rate', 'req_rate_max', 'conn_rate', 'conn_rate_max'],
	...['qtime', 'ctime', 'rtime', 'ttime', 'qtime_max', 'ctime_max', 'rtime_max', 'ttime_max'],
	// Estimates of HAProxy's connection pool, which has another life than ours.
	...['need_conn_est', 'srv_icur', 'safe_conn_cur', 'idle_conn_cur'],
]);

function mask(program: Program, text: string): string {
	let masked = text.replaceAll(program.folder, 'DIR');
	for (const [index, port] of program.ports.entries()) masked = masked.replaceAll(String(port), `PORT${index + 1}`);
	return masked
		.replace(/0x[0-9a-f]+/g, 'PTR')
		.replace(/ exp=[1-9]\d*/g, ' exp=N')
		.replace(/^Total events captured on \[.*\]/gm, 'Total events captured on [DATE]');
}

/** CSV as one line per value, up to the end of the static columns. */
function values(text: string): string[] {
	const [head = '', ...rows] = text.trim().split('\n');
	const names = head.replace(/^# /, '').split(',-,')[0]?.split(',') ?? [];
	return rows.flatMap((row) => {
		const cells = row.split(',');
		return names.map((name, index) => {
			const value = cells[index] ?? '';
			// Of a server that cannot be reached HAProxy counts each attempt as a session.
			if (cells[0] === 'down' && name === 'stot') return `${cells[0]}/${cells[1]} ${name}`;
			return `${cells[0]}/${cells[1]} ${name}=${VOLATILE.has(name) && value !== '' ? 'N' : value}`;
		});
	});
}

/** The sessions of `down/x`. */
const UNREACHABLE_STOT = /^S\.5\.1\.7\./;

/** Typed and JSON forms have the modules' counters too, which we have not. */
const MODULE = /^(?:ssl|h1|h2|h3|quic)_/;

function typedValues(text: string): string[] {
	return text
		.split('\n')
		.filter((line) => !MODULE.test(line.split('.')[4] ?? ''))
		.map((line) => {
			const name = line.split('.')[4] ?? '';
			return VOLATILE.has(name) || UNREACHABLE_STOT.test(line) ? line.replace(/:[^:]*$/, ':N') : line;
		});
}

interface JsonField {
	readonly objType: string;
	readonly proxyId: number;
	readonly field: { readonly name: string };
	readonly value: { readonly type: string; readonly value?: unknown };
}

function jsonValues(text: string): unknown {
	const rows = JSON.parse(text) as JsonField[][];
	return rows.map((row) =>
		row
			.filter(({ field }) => !MODULE.test(field.name))
			.map((one) => {
				const isUnreachable = one.objType === 'Server' && one.proxyId === 5 && one.field.name === 'stot';
				return VOLATILE.has(one.field.name) || isUnreachable ? { ...one, value: { type: one.value.type } } : one;
			}),
	);
}

/** Names and forms of `show info` lines; the values are of one process. */
const infoNames = (text: string): string[] => text.split('\n').map((line) => line.replace(/: .*/, ''));
const infoTyped = (text: string): string[] => text.split('\n').map((line) => line.split(':').slice(0, 3).join(':'));
const infoJson = (text: string): unknown =>
	(JSON.parse(text) as JsonField[]).map((one) => ({ ...one, value: { type: one.value.type } }));

const stateLines = (text: string): string[] =>
	text.split('\n').map((line) => {
		const words = line.split(' ');
		// srv_time_since_last_change, and the count of checks that nobody makes.
		if (words.length > 20 && !line.startsWith('#')) words.splice(9, 4, 'N', words[10] ?? '', words[11] ?? '', 'N');
		return words.join(' ');
	});

const connLines = (text: string): string[] =>
	text.split('\n').map((line) => (line.startsWith('#') ? line : line.split(' ').slice(0, 6).join(' ')));

const entryLines = (text: string): string[] => {
	const lines = text.split('\n');
	return [...lines.filter((line) => !line.startsWith('PTR')), ...lines.filter((line) => line.startsWith('PTR')).sort()];
};

const lines = (text: string): string[] => text.split('\n');

/** HAProxy forgets a newline after some messages. */
const trimmed = (text: string): string => text.trimEnd();

/** What is compared, command by command, in an order that matters: later ones see what earlier ones did. */
const COMPARED: readonly (readonly [command: string, view: (text: string) => unknown])[] = [
	['show stat', values],
	['show stat typed', typedValues],
	['show stat json', jsonValues],
	['show stat up', values],
	['show stat no-maint', values],
	['show stat be 4 -1', values],
	['show stat 2 1 0', values],
	['show stat -1 8 -1', values],
	['show stat -1 4 2', values],
	['show stat nosuch 1 1', trimmed],
	['show info', infoNames],
	['show info typed', infoTyped],
	['show info json', infoJson],
	['show servers state', stateLines],
	['show servers state be', stateLines],
	['show servers state #4', stateLines],
	['show servers state nosuch', trimmed],
	['show servers conn', connLines],
	['show backend', lines],
	['show cli level', lines],
	['show cli sockets', lines],
	['show env HOME', lines],
	['show env NO_SUCH_VARIABLE', trimmed],
	['show startup-logs', trimmed],
	['show table', lines],
	['show table t_ip', entryLines],
	['show table t_ip data.http_req_cnt ge 10', entryLines],
	['set table t_str key a\\ b data.gpc0 3 data.bytes_in_rate 70 data.conn_cur 2', trimmed],
	['show table t_str', entryLines],
	['clear table t_str', trimmed],
	['show acl', (text) => lines(text).filter((line) => !line.includes('httpclient'))],
	['show map', lines],
	...['show acl #0', 'show acl DIR/refused.lst', 'show acl #2', 'show map DIR/paths.map', 'show map #99'].map(same),
	...['get acl #0 /no', 'get acl #0 /yes', 'get map DIR/paths.map /abc', 'get map DIR/paths.map /z', 'get map'].map(
		same,
	),
	...['add acl #0 /late', 'show acl #0', 'del acl #0 /no', 'del acl #0 /no', 'show acl #0', 'add acl #0'].map(same),
	...['add map DIR/paths.map /c third', 'set map DIR/paths.map /a 1st', 'set map DIR/paths.map /q x'].map(same),
	...['show map DIR/paths.map', 'prepare map DIR/paths.map', 'add map @1 DIR/paths.map /n new'].map(same),
	...['show map @1 DIR/paths.map', 'show map', 'add map @7 DIR/paths.map /n new', 'commit map @1 DIR/paths.map'].map(
		same,
	),
	...['show map DIR/paths.map', 'show map', 'commit map @1 DIR/paths.map', 'clear map DIR/paths.map', 'show map'].map(
		same,
	),
	...['get weight be/s1', 'get weight #4/#1', 'get weight be/nosuch', 'get weight nosuch/s1', 'get weight be'].map(
		same,
	),
	...['set weight be/s1 50%', 'get weight be/s1', 'set weight be/s1 300', 'set weight be/s1 x', 'set weight be/s1'].map(
		same,
	),
	...['set server fixed/s1 weight 3', 'set server fixed/s1 weight 0', 'set server fixed/s1 weight 100%'].map(same),
	...[
		'set server be/s1 state drain',
		'set server be/s1 state odd',
		'set server be/s1',
		'set server be/s3 state ready',
	].map(same),
	['show stat be 6 -1', values],
	['show servers state be', stateLines],
	...['set server be/s1 state ready', 'disable server be/s2', 'set server be/s3 health down'].map(same),
	['show stat be 6 -1', values],
	...['enable server be/s2', 'set server be/s3 health up', 'set server be/s3 health odd', 'enable health be/s1'].map(
		same,
	),
	...[
		'set maxconn server be/s1 30',
		'set maxconn server be/s1',
		'set maxconn frontend fe 99',
		'set maxconn frontend no 9',
	].map(same),
	...[
		'set maxconn global 100',
		'set maxconn global 999',
		'set maxconn global',
		'set maxconn frontend',
		'set maxconn',
	].map(unknown),
	...[
		'disable frontend two',
		'disable frontend two',
		'disable frontend no',
		'enable frontend',
		'set timeout cli x',
	].map(same),
	['show stat two 1 0', values],
	...['enable frontend two', 'enable frontend two', 'set timeout cli', 'set timeout no 1', 'set timeout cli 5'].map(
		same,
	),
	['set server be/s1 addr 127.0.0.2 port 1234', lines],
	['set server be/s1 addr 127.0.0.2', lines],
	['set server be/s1 addr nosuch', lines],
	['show servers state be', stateLines],
	...['shutdown session', 'shutdown session 0x1', 'shutdown sessions server be/s1', 'shutdown sessions server be'].map(
		same,
	),
	...['clear counters', 'clear counters all', 'show errors nosuch', 'set severity-output odd', 'show peers'].map(same),
	['show stat', values],
	['show cli level;show cli level', lines],
	['set severity-output number;set server be/s1 state odd;show cli level', lines],
	['user;show cli level;operator', lines],
	['operator;set weight be/s1 1', lines],
];

function same(command: string): readonly [string, (text: string) => unknown] {
	return [command, trimmed];
}

/** Help differs by what there is: its first line does not. */
function unknown(command: string): readonly [string, (text: string) => unknown] {
	return [command, (text) => trimmed(text).split('\n')[0]];
}

t.test('the same answers as HAProxy after the same traffic', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const originPort = await origin(t);
	const ports = async (): Promise<number[]> => {
		const [one = 0, two = 0, nobody = 0] = await freePorts(3);
		return [one, two, originPort, nobody];
	};
	// HAProxy first: its answers are what is expected.
	const programs = [await start(t, 'haproxy', await ports()), await start(t, 'holdfast', await ports())];
	for (const program of programs) await traffic(program);
	for (const [command, view] of COMPARED) {
		const answers = await Promise.all(
			programs.map(async (program) =>
				view(mask(program, await socket(program, command.replaceAll('DIR', program.folder)))),
			),
		);
		t.strictSame(answers[1], answers[0], command);
	}
	for (const level of ['user', 'operator'] as const) {
		for (const command of [
			'show table t_ip',
			'show stat',
			'set table t_ip key 1.1.1.1',
			'set server be/s1 state ready',
		]) {
			const view = command === 'show stat' ? values : entryLines;
			const answers = await Promise.all(
				programs.map(async (program) => view(mask(program, await socket(program, command, level)))),
			);
			t.strictSame(answers[1], answers[0], `${level}: ${command}`);
		}
	}
});
