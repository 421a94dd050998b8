/**
 * State files: the same file read by HAProxy and Holdfast gives the same states; what one has written the other reads.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const CONFIG = `
global
  nbthread 1
  stats socket \${dir}/admin.sock level admin
  server-state-base \${dir}
  server-state-file servers.state
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 1s
  load-server-state-from-file global
frontend web
  bind 127.0.0.1:\${port1}
  http-request return status 200
backend a
  id 700
  server s1 127.0.0.1:18475
  server s2 127.0.0.1:18475
  server s3 127.0.0.1:18475 check inter 10m
  server s4 127.0.0.1:18475 weight 10
  server s5 127.0.0.1:18475 weight 10 disabled
  server s6 127.0.0.1:18475 disabled
  server s7 localhost:18475
  server s8 127.0.0.1:18475 weight 30
backend other
  id 701
  load-server-state-from-file local
  server s1 127.0.0.1:18475
backend named
  id 702
  load-server-state-from-file local
  server-state-file-name own.state
  server s1 127.0.0.1:18475
backend mismatch
  id 703
  server s1 127.0.0.1:18475
backend none
  load-server-state-from-file none
  server s1 127.0.0.1:18475
`;

const HEADING = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
`;

const rowOf = (backend: string, server: string, state: string, fqdn = '-', port = 18475, address = '127.0.0.1') =>
	`${backend} ${server.slice(1)} ${server} ${address} ${state} 100 1 0 2 0 0 1 0 ${fqdn} ${port} - 0 0 - - 0\n`;

const GLOBAL = [
	rowOf('700 a', 's1', '0 1 1 1', '-', 18499, '127.0.0.9'),
	rowOf('700 a', 's2', '0 0 1 1'),
	rowOf('700 a', 's4', '2 8 5 10'),
	rowOf('700 a', 's5', '2 0 5 12'),
	rowOf('700 a', 's6', '0 5 1 1'),
	rowOf('700 a', 's7', '2 0 1 1', 'localhost', 18475, '127.0.0.77'),
	rowOf('700 a', 's8', '2 0 3 30'),
	rowOf('700 a', 's9', '0 1 1 1'),
	rowOf('9 mismatch', 's1', '0 1 1 1'),
	rowOf('704 none', 's1', '0 1 1 1'),
	rowOf('705 gone', 's1', '0 1 1 1'),
].join('');

function start(t: Teardown, files: Readonly<Record<string, string>>, program?: 'haproxy'): Promise<Program> {
	const prepare = (folder: string): void => {
		for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
	};
	const options = { config: CONFIG, ports: 1, prepare };
	return startProgram(t, program === undefined ? options : { ...options, program, args: ['-db'] });
}

/** HAProxy listens on its ports a moment before its socket of commands has its name. */
const dump = (program: Program) =>
	waitFor('the states of servers', async () => {
		const text = await cli(join(program.folder, 'admin.sock'), 'show servers state');
		return text !== '' && text;
	});

/** Backend, server, address, states, weights, name and port; not what checks have said meanwhile. */
const comparable = (text: string): string[] =>
	text
		.split('\n')
		.map((line) => line.split(' '))
		.filter((columns) => columns.length > 20)
		.map((columns) => [1, 3, 4, 5, 6, 7, 8, 17, 18].map((at) => columns[at]).join(' '));

const skip = skipUnlessHaproxy('2.6');
// A program reads the file as it starts, so that each case is a start; they have nothing to do with each other.
t.jobs = 4;

for (const [title, files] of [
	[
		'whole files',
		{
			'servers.state': HEADING + GLOBAL,
			other: HEADING + rowOf('701 other', 's1', '2 1 1 1'),
			'own.state': HEADING + rowOf('702 named', 's1', '2 8 1 1'),
		},
	],
	['a broken line', { 'servers.state': `${HEADING}${GLOBAL}bogus\n`, other: 'x\n', 'own.state': '' }],
	['another version', { 'servers.state': `2\n${GLOBAL}` }],
	['no files', {}],
] as const) {
	t.test(`the same states from the same files: ${title}`, { skip, buffered: true }, async (t) => {
		const [theirs, ours] = await Promise.all([start(t, files, 'haproxy'), start(t, files)]);
		t.same(comparable(await dump(ours)), comparable(await dump(theirs)), title);
		const warnings = (program: Program) =>
			[...program.stderr.matchAll(/(?:config: |Proxy '\w+': )?(?:corrupted|Can't|backend ID)[^\n]*/g)]
				.map(([text]) => text.replaceAll(program.folder, '').replace(/at line \d+/, 'at a line'))
				.sort();
		t.same(warnings(ours), warnings(theirs), `${title}: warnings`);
	});
}

for (const writer of ['haproxy', 'holdfast'] as const) {
	t.test(`what ${writer} has written the other reads`, { skip, buffered: true }, async (t) => {
		const [mine, other] = writer === 'haproxy' ? (['haproxy', undefined] as const) : ([undefined, 'haproxy'] as const);
		const first = await start(t, {}, mine);
		const path = join(first.folder, 'admin.sock');
		await dump(first);
		for (const command of [
			'disable server a/s1',
			'set server a/s2 state drain',
			'set server a/s4 weight 7',
			'set server a/s8 weight 50%',
			'set server a/s7 addr 127.0.0.3 port 1234',
		]) {
			await cli(path, command);
		}
		const written = await dump(first);
		const second = await start(t, { 'servers.state': written }, other);
		t.same(comparable(await dump(second)), comparable(written));
	});
}
