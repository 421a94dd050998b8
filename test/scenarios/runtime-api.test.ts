/** The runtime API of the real program: what is changed over the socket is what traffic meets, in every thread. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { CliClient, cli } from '../fixtures/cli-client.js';
import { keptConnection, RawClient, request } from '../fixtures/http-client.js';
import { plainNode } from '../fixtures/plain-node.js';
import { HOLDFAST, type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(100_000);

const CONFIG = `
global
  nbthread 2
  stats socket \${dir}/s level admin
  stats timeout 1m
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 2s
backend t_ip
  stick-table type ip size 1k expire 10m store gpc0
frontend f
  bind 127.0.0.1:\${port1}
  acl refused path -f \${dir}/refused.lst
  acl listed path /listed
  http-request deny if refused
  http-request deny deny_status 410 if listed
  http-request track-sc0 src table t_ip
  http-request deny deny_status 429 if { sc_get_gpc0(0) gt 9 }
  http-request return status 200 content-type text/plain lf-string %[path,map_beg(\${dir}/paths.map,none)] if { path_beg /map }
  http-request return status 200 content-type text/plain lf-string %[var(proc.mode)] if { path /variable }
  default_backend b
backend b
  server one 127.0.0.1:\${port2}
  server two 127.0.0.1:\${port3}
`;

/** An origin that answers with its name; `/hold` never answers. */
async function origin(t: Teardown, name: string): Promise<number> {
	const server = createServer((incoming, response) => {
		if (incoming.url !== '/hold') response.end(name);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const address = server.address();
	return typeof address === 'object' && address !== null ? address.port : 0;
}

async function start(t: Teardown): Promise<Program & { cli(command: string): Promise<string> }> {
	const { freePorts } = await import('../fixtures/ports.js');
	const [front = 0] = await freePorts(1);
	const program = await startProgram(t, {
		config: CONFIG,
		ports: 3,
		usePorts: [front, await origin(t, 'one'), await origin(t, 'two')],
		prepare(folder) {
			writeFileSync(join(folder, 'refused.lst'), '/refused\n');
			writeFileSync(join(folder, 'paths.map'), '/map/a first\n');
		},
	});
	return Object.assign(program, { cli: (command: string) => cli(join(program.folder, 's'), command) });
}

/** Asks until every one of several new connections gets the same answer: all threads know. */
async function settles(program: Program, path: string, expected: number | string): Promise<void> {
	await waitFor(`${path} to be answered with ${expected}`, async () => {
		for (let i = 0; i < 12; i++) {
			const { status, body } = await request(program.port(), path);
			if (expected !== status && expected !== body) return false;
		}
		return true;
	});
}

/** One program for all: a start takes longer than anything that is tested. Each test leaves it as the next expects it. */
const program = await start(t);

t.test('holdfast cli', async (t) => {
	const run = (...words: string[]): string =>
		execFileSync(...plainNode([HOLDFAST, 'cli', ...words]), { encoding: 'latin1' });
	t.equal(run('-f', program.configPath, 'show table'), '# table: t_ip, type: ip, size:1024, used:0\n\n');
	t.equal(run('--socket', join(program.folder, 's'), 'show', 'cli', 'level'), 'admin\n\n');
	t.throws(() => run('--socket', join(program.folder, 'nobody'), 'show info'), /ENOENT/);
});

t.test('a slow reader of long answers holds up no traffic', async (t) => {
	const slow = new CliClient(join(program.folder, 's'));
	slow.socket.pause();
	slow.send('show stat;'.repeat(400).slice(0, -1).concat('\n'));
	for (let i = 0; i < 20; i++) t.equal((await request(program.port(), '/map/a')).status, 200);
	t.match(await program.cli('show info'), /^Name: Holdfast\nVersion: /);
	slow.socket.resume();
	t.equal((await slow.all()).match(/^# pxname/gm)?.length, 400);
});

t.test('a frontend that is disabled resets who comes, and serves again', async (t) => {
	const agent = keptConnection();
	t.teardown(() => agent.destroy());
	t.equal((await request(program.port(), '/', { agent })).status, 200);
	t.equal(await program.cli('disable frontend f'), '');
	await waitFor('new connections to be refused', () =>
		request(program.port()).then(
			() => false,
			() => true,
		),
	);
	t.match(await program.cli('show stat f 1 0'), /FRONTEND,.*,PAUSED,/);
	t.equal((await request(program.port(), '/', { agent })).status, 200, 'who is connected goes on');
	t.equal(await program.cli('enable frontend f'), '');
	await settles(program, '/map/a', 'first');
});

t.test('a variable of the process is the same in every thread', async (t) => {
	t.equal(await program.cli('set var proc.mode str(calm)'), '');
	await settles(program, '/variable', 'calm');
	t.equal(await program.cli('get var proc.mode'), 'proc.mode: type=str value=<calm>\n');
	t.equal(await program.cli('set var proc.mode fmt %[var(proc.mode)]er'), '');
	await settles(program, '/variable', 'calmer');
});

t.test('set maxconn frontend holds for those who come now', async (t) => {
	const first = await RawClient.connect(program.port());
	first.send('GET /map/a HTTP/1.1\r\nhost: x\r\n\r\n');
	await waitFor('its answer', () => first.received.includes('first'));
	t.equal(await program.cli('set maxconn frontend f 1'), '');
	t.match(await program.cli('show stat f 1 0'), /f,FRONTEND,,,1,\d+,1,/);
	const second = request(program.port(), '/map/a');
	await waitFor('the limit to be seen', async () => /,FULL,/.test(await program.cli('show stat f 1 0')));
	t.equal(await program.cli('set maxconn frontend f 100'), '');
	t.equal((await second).body, 'first', 'who waited is served');
	first.close();
});

t.test('show sess, shutdown session, shutdown sessions server', async (t) => {
	const resting = await RawClient.connect(program.port());
	resting.send('GET /map/a HTTP/1.1\r\nhost: x\r\n\r\n');
	await waitFor('its answer', () => resting.received.includes('first'));
	const held = await Promise.all(Array.from({ length: 3 }, () => RawClient.connect(program.port())));
	for (const client of held) client.send('GET /hold HTTP/1.1\r\nhost: x\r\n\r\n');
	const listed = await waitFor('four sessions', async () => {
		const text = await program.cli('show sess');
		return (text.match(/ srv=(one|two) /g)?.length ?? 0) === 3 && text;
	});
	t.equal(listed.trim().split('\n').length, 4);
	const line = listed.split('\n').find((one) => one.includes('be=<NONE>')) ?? '';
	t.match(line, /^0x[0-9a-f]+: proto=tcpv4 src=127\.0\.0\.1:\d+ fe=f be=<NONE> srv=<none> th=[12] age=\d+s calls=1$/);
	const [id = ''] = line.split(':');
	t.match(await program.cli(`show sess ${id}`), /frontend=f, listener=/);
	t.equal((JSON.parse(await program.cli('show sess json')) as unknown[]).length, 4);
	t.equal(await program.cli(`shutdown session ${id}`), '');
	await waitFor('it to be closed', () => resting.ended);
	t.equal(await program.cli(`shutdown session ${id}`), "No such session (use 'show sess').\n");
	t.equal(await program.cli('shutdown sessions server b/one; shutdown sessions server b/two'), '\n');
	for (const client of held) await waitFor('its end', () => client.ended);
	await waitFor('no session', async () => (await program.cli('show sess')).trim() === '');
	t.match(await program.cli('show table t_ip'), /use=0 /, 'and nobody is tracked');
});

t.test('servers: states, weights, addresses', async (t) => {
	t.equal(await program.cli('set server b/one state maint'), '');
	await settles(program, '/', 'two');
	t.match(await program.cli('show stat b 4 1'), /b,one,.*MAINT/);
	t.equal(await program.cli('set server b/two state drain'), '');
	await settles(program, '/', 503);
	t.match(await program.cli('show stat b 2 0'), /BACKEND,.*,DOWN,/);
	t.equal(await program.cli('enable server b/one'), '');
	await settles(program, '/', 'one');
	t.equal(await program.cli('set server b/two state ready;set weight b/one 0'), '\n');
	await settles(program, '/', 'two');
	const moved = `set server b/two addr 127.0.0.1 port ${program.port(2)}`;
	t.match(await program.cli(moved), new RegExp(`port changed from '${program.port(3)}' to '${program.port(2)}'`));
	await settles(program, '/', 'one');
	t.match(
		await program.cli('show servers state b'),
		new RegExp(`two 127\\.0\\.0\\.1 2 0 1 1 .* - ${program.port(2)} `),
	);
});

t.test('maps, ACLs and tables: what is changed decides the next request, in each thread', async (t) => {
	const map = join(program.folder, 'paths.map');
	await settles(program, '/map/a', 'first');
	await settles(program, '/map/b', 'none');
	t.equal(await program.cli(`add map ${map} /map/b second`), '');
	await settles(program, '/map/b', 'second');
	t.equal(await program.cli(`set map ${map} /map/b 2nd`), '');
	await settles(program, '/map/b', '2nd');
	t.equal(await program.cli(`del map ${map} /map/b`), '');
	await settles(program, '/map/b', 'none');
	t.equal(await program.cli(`prepare map ${map}; add map @1 ${map} /map new`), 'New version created: 1\n\n');
	await settles(program, '/map/a', 'first');
	t.equal(await program.cli(`commit map @1 ${map}`), '');
	await settles(program, '/map/a', 'new');
	t.equal(
		await new CliClient(join(program.folder, 's')).send(`add map ${map} <<\n/map/c with  spaces\n/map/d 4\n\n`).all(),
		'\n',
	);
	await settles(program, '/map/c', 'with  spaces');
	t.match(await program.cli('show map'), /curr_ver=1 next_ver=1 entry_cnt=3/);

	await settles(program, '/refused', 403);
	t.equal(await program.cli(`add acl ${join(program.folder, 'refused.lst')} /late`), '');
	await settles(program, '/late', 403);
	t.equal(await program.cli(`clear acl ${join(program.folder, 'refused.lst')}`), '');
	await settles(program, '/refused', 200);
	await settles(program, '/listed', 410);
	const [, id] = /^(\d+) \(\) acl 'path' .* entry_cnt=1$/m.exec(await program.cli('show acl')) ?? [];
	t.equal(await program.cli(`del acl #${id} /listed`), '', 'patterns that stand in the line have a number');
	await settles(program, '/listed', 200);

	t.equal(await program.cli('set table t_ip key 127.0.0.1 data.gpc0 10'), '');
	await settles(program, '/', 429);
	t.match(await program.cli('show table t_ip data.gpc0 gt 9'), /key=127\.0\.0\.1 .*gpc0=10/);
	t.equal(await program.cli('clear table t_ip key 127.0.0.1'), '');
	await settles(program, '/', 200);
});

t.test('a conversation over a reload sees the new configuration', async (t) => {
	const client = new CliClient(join(program.folder, 's')).send('prompt\n');
	await client.until('> ');
	await client.ask('set table t_ip key 10.0.0.1 data.gpc0 3');
	const changed = `${readFileSync(program.configPath, 'latin1')}\nbackend later\n`;
	writeFileSync(program.configPath, changed);
	program.child.kill('SIGUSR2');
	await waitFor('the new backend', async () => (await client.ask('show backend')).includes('later'));
	t.match(await client.ask('show table t_ip'), /key=10\.0\.0\.1 .*gpc0=3/, 'and the table that was kept');
	t.match(await program.cli('show backend'), /later/, 'a new connection too');
	client.close();
});

t.test('a frontend that is shut down stays so', async (t) => {
	t.equal(
		await program.cli('shutdown frontend f; enable frontend f'),
		'\nFrontend was previously shut down, cannot enable.\n',
	);
	t.match(await program.cli('show stat f 1 0'), /FRONTEND,.*,STOP,/);
});
