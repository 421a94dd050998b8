/**
 * Servers added and removed at run time, the same commands to HAProxy and Holdfast: answers, `show servers state` and
 * who serves must be the same. Then what is Holdfast's own: all threads, the limit, checks, reloads.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const config = (threads: number, more = '') => `
global
  nbthread ${threads}
  ${more}
  stats socket \${dir}/admin.sock level admin
defaults
  mode http
  timeout client 10s
  timeout connect 1s
  timeout server 10s
  timeout queue 10s
frontend fe
  bind 127.0.0.1:\${port1}
  default_backend app
backend app
  balance roundrobin
  use-server fixed if { path /fixed }
  http-response set-header x-server %s
  server fixed 127.0.0.1:\${port2}
  server s2 127.0.0.1:\${port2}
backend tracked
  balance leastconn
  server t1 127.0.0.1:\${port2} check inter 50
  server t2 127.0.0.1:\${port2} track t1
  http-request set-header x-n %[srv_conn(tracked/t3)]
  server t3 127.0.0.1:\${port2}
backend static
  balance static-rr
  server s1 127.0.0.1:\${port2}
backend source
  balance source
  server s1 127.0.0.1:\${port2}
backend ring
  balance source
  hash-type consistent
  server s1 127.0.0.1:\${port2}
backend empty
  balance first
`;

async function originPort(t: Teardown): Promise<number> {
	const origin = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
	await new Promise((resolve) => origin.once('listening', resolve));
	t.teardown(() => {
		origin.closeAllConnections();
		origin.close();
	});
	return (origin.address() as AddressInfo).port;
}

async function start(t: Teardown, port: number, text: string, program?: 'haproxy'): Promise<Program> {
	const usePorts = [...(await freePorts(1)), port];
	return startProgram(t, {
		config: text,
		ports: 2,
		usePorts,
		...(program === undefined ? {} : { program, args: ['-db'] }),
	});
}

const ask = (program: Program, command: string) => cli(join(program.folder, 'admin.sock'), command);

const serverOf = async (program: Program, path = '/') => {
	const answer = await request(program.ports[0] ?? 0, path, { headers: { connection: 'close' } });
	return `${answer.status} ${answer.headers['x-server']}`;
};

/** `GET <path>` asks for a page, `4x <path>` four times, in whatever order; the rest are commands. */
const STEPS = (port: number): readonly string[] => [
	'add server',
	'add server app',
	'add server app/new',
	`add server nope/new 127.0.0.1:${port}`,
	`add server app/fixed 127.0.0.1:${port}`,
	`add server app/bad@name 127.0.0.1:${port}`,
	`add server static/new 127.0.0.1:${port}`,
	`add server source/new 127.0.0.1:${port}`,
	`add server app/new 127.0.0.1:${port} cookie x`,
	`add server app/new 127.0.0.1:${port} resolvers x`,
	`add server app/new 127.0.0.1:${port} agent-check`,
	`add server app/new 127.0.0.1:${port} weight 10 maxconn 7`,
	`add server app/new 127.0.0.1:${port}`,
	`add server app/id 127.0.0.1:${port} id 77 weight 3 backup`,
	`add server ring/new 127.0.0.1:${port}`,
	`add server empty/new 127.0.0.1:${port}`,
	`add server tracked/new 127.0.0.1:${port} track tracked/t1`,
	`add server tracked/newer 127.0.0.1:${port} track tracked/new`,
	`add server tracked/newer 127.0.0.1:${port} track nope/t1`,
	`add server tracked/newer 127.0.0.1:${port} track tracked/nobody`,
	'show servers state app',
	'show servers state empty',
	'get weight app/new',
	'GET /a',
	'GET /b',
	'GET /c',
	'set server app/new state ready',
	'disable server app/s2',
	'set server app/new weight 1',
	'4x /d',
	'GET /fixed',
	'show servers state app',
	'del server',
	'del server app',
	'del server app/nobody',
	'del server nope/new',
	'del server app/new',
	'disable server app/fixed',
	'del server app/fixed',
	'enable server app/fixed',
	'disable server app/new',
	'show servers state app',
	'disable server tracked/t1',
	'del server tracked/t1',
	'disable server tracked/t3',
	'del server tracked/t3',
	'disable server tracked/t2',
	'del server tracked/t2',
	'del server app/s2',
	'del server app/s2',
	'show servers state app',
	`add server app/again 127.0.0.1:${port}`,
	'show servers state app',
	'enable server app/again',
	'6x /g',
];

// Programs of their own.
t.jobs = 3;

t.test('answers, states and order as HAProxy', { skip: skipUnlessHaproxy('2.6'), buffered: true }, async (t) => {
	const port = await originPort(t);
	const programs = await Promise.all([start(t, port, config(1), 'haproxy'), start(t, port, config(1))]);
	for (const step of STEPS(port)) {
		const [expected, actual] = await Promise.all(programs.map((program) => perform(program, step)));
		t.equal(actual, expected, step);
	}
});

async function perform(program: Program, step: string): Promise<string> {
	if (step.startsWith('GET ')) return serverOf(program, step.slice(4));
	const [, count, path] = /^(\d+)x (.*)$/.exec(step) ?? [];
	if (count === undefined) return comparable(await ask(program, step));
	const served: string[] = [];
	for (let i = 0; i < Number(count); i++) served.push(await serverOf(program, path));
	return served.sort().join(', ');
}

/** Without ages in seconds, the results of checks that may have come or not, and empty lines at the end. */
function comparable(text: string): string {
	return text
		.split('\n')
		.map((line) => {
			const columns = line.split(' ');
			if (columns.length < 20 || line.startsWith('#')) return line;
			columns[9] = 'age';
			// The health of a server that nobody checks means nothing.
			if (columns[10] === '1') columns[12] = 'health';
			return columns.join(' ');
		})
		.join('\n')
		.trimEnd();
}

t.test('every thread knows the server, and places are used again', { buffered: true }, async (t) => {
	const port = await originPort(t);
	const program = await start(t, port, config(2, 'tune.dynamic-servers 1'));
	for (const round of [1, 2, 3]) {
		const name = `app/n${round}`;
		t.equal((await ask(program, `add server ${name} 127.0.0.1:${port} weight 100`)).trim(), 'New server registered.');
		t.match(
			await ask(program, `add server app/more 127.0.0.1:${port}`),
			/No room for another server.*tune\.dynamic-servers/,
		);
		for (const other of ['fixed', 's2']) await ask(program, `set server app/${other} state drain`);
		await ask(program, `set server ${name} state ready`);
		const served = await Promise.all(Array.from({ length: 24 }, () => serverOf(program)));
		t.same(new Set(served), new Set([`200 n${round}`]));
		const row = (await ask(program, 'show stat')).split('\n').find((line) => line.startsWith(`app,n${round},`));
		t.equal(row?.split(',')[7], '24', 'counted from zero');
		for (const other of ['fixed', 's2']) await ask(program, `set server app/${other} state ready`);
		await ask(program, `disable server ${name}`);
		t.equal((await ask(program, `del server ${name}`)).trim(), 'Server deleted.');
		t.notMatch(await ask(program, 'show servers state app'), new RegExp(`n${round}`));
	}
	const served = new Set(await Promise.all(Array.from({ length: 12 }, () => serverOf(program))));
	t.same(served, new Set(['200 fixed', '200 s2']));
});

t.test('checks of an added server wait for enable health; a reload forgets it', { buffered: true }, async (t) => {
	const port = await originPort(t);
	const [dead = 0] = await freePorts(1);
	const program = await start(t, port, config(1));
	t.match(await ask(program, `add server app/new 127.0.0.1:${dead} check inter 20 fall 1 rise 1`), /registered/);
	await ask(program, 'enable server app/new');
	await ask(program, 'enable health app/new');
	const status = async () =>
		(await ask(program, 'show stat'))
			.split('\n')
			.find((line) => line.startsWith('app,new,'))
			?.split(',')[17];
	await waitFor('the check to fail', async () => (await status()) === 'DOWN');
	await ask(program, `set server app/new addr 127.0.0.1 port ${port}`);
	await waitFor('the check of its new address', async () => (await status()) === 'UP');
	t.match(await ask(program, 'del server app/new'), /Only servers in maintenance mode can be deleted/);
	program.child.kill('SIGUSR2');
	await waitFor('the reload', async () => (await status()) === undefined);
});
