/** What operators reload with: the subcommand, the master's socket, systemd. */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { plainNode } from '../fixtures/plain-node.js';
import { HOLDFAST, type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(100_000);

const CONFIG = `
global
  nbthread 1
  pidfile \${dir}/pid
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
backend keys
  stick-table type string len 32 size 1k expire 10m store gpc0
frontend f
  bind 127.0.0.1:\${port1}
  http-request track-sc0 req.hdr(x-key) table keys if { req.hdr(x-key) -m found }
  http-request return status 200 content-type text/plain string first
`;

interface Outcome {
	readonly code: number;
	readonly output: string;
}

function holdfast(...words: string[]): Promise<Outcome> {
	return new Promise((resolve) => {
		execFile(...plainNode([HOLDFAST, ...words]), (error, stdout, stderr) => {
			resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
		});
	});
}

/** Sends lines to a socket, ends, and gives all of the answer. */
function converse(path: string, text: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const socket = connect({ path, allowHalfOpen: true });
		let answer = '';
		socket.setEncoding('latin1');
		socket.on('data', (piece: string) => {
			answer += piece;
		});
		socket.on('end', () => resolve(answer));
		socket.on('error', reject);
		socket.end(text);
	});
}

async function start(args: readonly string[] = ['-W', '-db']): Promise<Program> {
	const program = await startProgram(t, { config: CONFIG, ports: 1, args });
	await waitFor('the pid file', () => existsSync(join(program.folder, 'pid')));
	return program;
}

function rewrite(program: Program, from: string, to: string): void {
	writeFileSync(program.configPath, readFileSync(program.configPath, 'latin1').replace(from, to));
}

t.test('holdfast reload: found by the pid file, by the conf file, by the socket', async (t) => {
	const program = await start();
	const pidfile = join(program.folder, 'pid');
	await waitFor('the socket', () => existsSync(`${pidfile}.sock`));
	t.equal(statSync(`${pidfile}.sock`).mode & 0o777, 0o600, 'for its owner only');
	rewrite(program, 'string first', 'string second');
	t.match(await holdfast('reload', '-p', pidfile), { code: 0, output: /Reload succeeded/ });
	t.equal((await request(program.port())).body, 'second', 'it serves when the command has said so');
	rewrite(program, 'string second', 'string third');
	t.match(await holdfast('reload', '-f', program.configPath), { code: 0 });
	t.equal((await request(program.port())).body, 'third');

	rewrite(program, 'http-request return', 'http-reqest return');
	const refused = await holdfast('reload', '-p', pidfile);
	t.equal(refused.code, 1);
	t.match(refused.output, /unknown keyword 'http-reqest'/);
	t.match(refused.output, /the former configuration goes on serving/);
	t.equal((await request(program.port())).body, 'third');

	t.match(await holdfast('reload', '-p', '/nowhere/pid'), { code: 2, output: /no master answers.*there is no/s });
	t.match(await holdfast('reload'), { code: 2, output: /where is the master/ });
	t.match(await holdfast('reload', '--bogus'), { code: 1, output: /unknown option/ });
	await program.stop();
	t.notOk(existsSync(`${pidfile}.sock`), 'the socket goes with the program');
});

t.test('the master’s socket: show proc, prefixes, reload, levels', async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-master-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const path = join(folder, 'master.sock');
	const program = await start(['-W', '-db', '-S', `${path},mode,600`]);
	t.equal(statSync(path).mode & 0o777, 0o600);
	await request(program.port(), '/', { headers: { 'x-key': 'seen' } });
	const masterPid = program.child.pid ?? 0;
	const processes = await converse(path, 'show proc\n');
	t.match(processes, /^#<PID> +<type> +<reloads> +<uptime> +<version> +\n/);
	t.match(processes, new RegExp(`\\n${masterPid} +master +0 \\[failed: 0\\] +0d00h00m\\d\\ds +\\S+ *\\n# workers\\n`));
	const workerPid = Number(/\n(\d+) +worker +0 +/.exec(processes)?.[1]);
	t.not(workerPid, masterPid);
	t.match(await converse(path, '@1 show table\n'), /# table: keys, type: string, size:1024, used:1/);
	t.match(await converse(path, `@!${workerPid} show table keys\n`), /key=seen use=0 exp=\d+ gpc0=0/);
	t.match(await converse(path, '@1; show table; @; show proc\n'), /# table: keys[\s\S]*#<PID>/);
	t.match(await converse(path, '@9 show info\n'), /Can't find the target PID matching the prefix '@9'/);
	t.match(await converse(path, 'nonsense\n'), /Unknown command[\s\S]*show proc/);
	t.match(await converse(path, 'user; reload\n'), /Permission denied/);
	t.match(await converse(path, 'user; @1 clear table keys\n'), /Permission denied/);

	t.match(await converse(path, 'reload\n'), /^Success=1\n--\n/);
	t.match(await converse(path, 'show proc\n'), /master +1 \[failed: 0\]/);
	rewrite(program, 'mode http', 'mode nonsense');
	t.match(await converse(path, 'reload\n'), /^Success=0\n--\n[\s\S]*nonsense/);
	t.match(await converse(path, 'prompt\nshow proc\n'), /master\[ReloadFailed\]> [\s\S]*master +2 \[failed: 1\]/);
	t.match(await holdfast('reload', '-S', path), { code: 1, output: /nonsense/ });

	// A generation that still has a connection is an old worker.
	rewrite(program, 'mode nonsense', 'mode http');
	const held = connect(program.port());
	t.teardown(() => held.destroy());
	await waitFor('the connection to be accepted', () =>
		converse(path, '@1 show info\n').then((text) => /CurrConns: 1/.test(text)),
	);
	await converse(path, 'reload\n');
	await converse(path, 'reload\n');
	const listed = await converse(path, 'show proc\n');
	t.match(listed, new RegExp(`# workers\\n${workerPid} +worker +0 [^\\n]*\\n# old workers\\n${workerPid} +worker +2 `));
	held.destroy();
	await waitFor('it to leave', async () => !(await converse(path, 'show proc\n')).includes('old workers'));
});

t.test('a master socket that cannot be', async (t) => {
	for (const [word, why] of [
		['/tmp/x,level,king', /'level' is one of user, operator, admin/],
		['/tmp/x,colour,red', /unknown option 'colour'/],
		['/nowhere/at/all', /cannot bind socket.*\/nowhere\/at\/all/],
	] as const) {
		const program = await startProgram(t, { config: CONFIG, ports: 1, args: ['-S', word], readyPorts: [] });
		t.equal((await program.exited()).code, 1);
		t.match(program.stderr, why);
	}
});

t.test('-Ws: systemd is told, in order', async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-notify-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	// Takes the place of systemd-notify, and writes down what it was to send.
	const log = join(folder, 'told');
	const tool = join(folder, 'systemd-notify');
	writeFileSync(tool, `#!/bin/sh\necho "$@" >> ${log}\n`);
	chmodSync(tool, 0o755);
	const program = await startProgram(t, {
		config: CONFIG,
		ports: 1,
		args: ['-Ws'],
		env: { NOTIFY_SOCKET: join(folder, 'socket'), PATH: `${folder}:${process.env.PATH}` },
	});
	const told = (): string[] => (existsSync(log) ? readFileSync(log, 'latin1').trimEnd().split('\n') : []);
	await waitFor('READY', () => told().length === 1);
	t.match(told()[0], new RegExp(`^READY=1 MAINPID=${program.child.pid} `));
	program.child.kill('SIGUSR2');
	await waitFor('the reload', () => told().length === 3);
	t.match(told()[1], /^RELOADING=1 MONOTONIC_USEC=\d+ /);
	t.match(told()[2], /^READY=1 STATUS=Ready/);
	await program.stop('SIGTERM');
	await waitFor('STOPPING', () => told().length === 4);
	t.match(told()[3], /^STOPPING=1 /);
});
