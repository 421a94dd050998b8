/** The program as an operator starts and stops it: exit codes, signals, messages, pid file. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { keptConnection, RawClient, request } from '../fixtures/http-client.js';
import { plainNode } from '../fixtures/plain-node.js';
import { accepts } from '../fixtures/ports.js';
import { HOLDFAST, spawnProgram, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(110_000);

const DEFAULTS = `
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
`;
const ANSWERING = `${DEFAULTS}
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain string first
`;

t.test('-c names every mistake and leaves with 1', async (t) => {
	const config = `${DEFAULTS}
frontend f
  bnid :80
  bind 127.0.0.1:\${port1}
  http-request denny if TRUE
  acl a src,bogus 127.0.0.1
  use_backend nowhere
`;
	const program = await spawnProgram(t, { config, ports: 1, args: ['-c'] });
	t.equal((await program.exited()).code, 1);
	t.match(
		program.stderr,
		/\[ALERT\] +\(\d+\) : config : parsing \[.*test\.cfg:9\] : unknown keyword 'bnid' in 'frontend' section; did you mean 'bind'/,
	);
	t.ok(await program.says(/test\.cfg:11\].*denny/));
	t.ok(await program.says(/test\.cfg:12\].*bogus/));
	t.ok(await program.says(/nowhere/));
	t.ok(await program.says(/Fatal errors found in configuration\./));
});

t.test('-c on a good file', async (t) => {
	const program = await spawnProgram(t, { config: ANSWERING, ports: 1, args: ['-c'] });
	t.same(await program.exited(), { code: 0, signal: null });
	t.equal(program.stdout, 'Configuration file is valid\n');
	const doubtful = await spawnProgram(t, { config: `${ANSWERING}  http-request deny\n`, ports: 1, args: ['-c'] });
	t.same(await doubtful.exited(), { code: 0, signal: null });
	t.equal(doubtful.stdout, 'Warnings were found.\nConfiguration file is valid\n', 'a rule after a final one');
	const quiet = await spawnProgram(t, { config: ANSWERING, ports: 1, args: ['-c', '-q'] });
	t.same(await quiet.exited(), { code: 0, signal: null });
	t.equal(quiet.stdout + quiet.stderr, '');
});

t.test('-c on a file without listeners leaves with 2', async (t) => {
	const program = await spawnProgram(t, { config: 'global\n', ports: 0, args: ['-c'] });
	t.equal((await program.exited()).code, 2);
	t.match(program.stdout, /has no error but will not start \(no listener\) => exit\(2\)/);
});

t.test(
	'-cc reads a condition with the quotes and variables of a line; -C names a folder that is not there',
	async (t) => {
		const run = (...args: string[]) =>
			spawnSync(process.execPath, [HOLDFAST, ...args], {
				encoding: 'utf8',
				env: { ...process.env, HF_NAME: 'one two' },
			});
		for (const [condition, code] of [
			['streq("$HF_NAME","one two")', 0],
			['streq($HF_NAME,one)', 1],
			["streq('$HF_NAME',x)", 1],
			['streq("${HF_NONE-x}",x) && defined(HF_NAME)', 0],
			['streq("a', 2],
			['nonsense', 2],
		] as const) {
			t.equal(run('-cc', condition).status, code, condition);
		}
		t.match(
			run('-cc', 'nonsense').stderr,
			/Failed to evaluate condition: unparsable conditional expression 'nonsense'/,
		);
		const lost = run('-C', '/nowhere/at/all', '-c', '-f', 'x.cfg');
		t.equal(lost.status, 1);
		t.match(
			lost.stderr,
			/^\[ALERT\] .*Could not change to directory \/nowhere\/at\/all : No such file or directory\n$/,
		);
	},
);

t.test('an address that is taken ends the start with 1 and its name', async (t) => {
	const first = await startProgram(t, { config: ANSWERING, ports: 1 });
	const second = await spawnProgram(t, { config: ANSWERING, ports: 1, usePorts: first.ports });
	t.equal((await second.exited()).code, 1);
	t.match(
		second.stderr,
		new RegExp(
			`\\[ALERT\\].*Starting frontend f: cannot bind socket \\(Address already in use\\) \\[127\\.0\\.0\\.1:${first.port()}\\]`,
		),
	);
	t.equal((await request(first.port())).status, 200);
});

t.test('SIGTERM stops at once; in the foreground the shell sees the signal, in master-worker mode 0', async (t) => {
	const plain = await startProgram(t, { config: ANSWERING, ports: 1 });
	await plain.stop('SIGTERM');
	t.same(plain.exit, { code: null, signal: 'SIGTERM' });
	t.equal(await accepts(plain.port()), false);
	const masterWorker = await startProgram(t, { config: ANSWERING, ports: 1, args: ['-W', '-db'] });
	await masterWorker.stop('SIGTERM');
	t.same(masterWorker.exit, { code: 0, signal: null });
});

t.test('SIGUSR1: what is in flight is finished, then the program leaves', async (t) => {
	const config = `${DEFAULTS}
frontend f
  bind 127.0.0.1:\${port1}
  timeout tarpit 700ms
  http-request tarpit deny_status 503 if { path /slow }
  http-request return status 200 content-type text/plain string quick
`;
	const program = await startProgram(t, { config, ports: 1 });
	const agent = keptConnection();
	t.teardown(() => agent.destroy());
	t.equal((await request(program.port(), '/', { agent })).body, 'quick');
	const silent = await RawClient.connect(program.port());
	const slow = request(program.port(), '/slow');
	await waitFor('the slow request to be under way', async () => (await request(program.port(), '/')).status === 200);
	program.child.kill('SIGUSR1');
	await waitFor('the listener to close', async () => !(await accepts(program.port())));
	silent.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
	t.equal((await slow).status, 503, 'a request that was being served gets its answer');
	await waitFor('an answer for a connection that had not asked yet', () => silent.ended);
	silent.close();
	t.match(silent.received, /^HTTP\/1\.1 200 .*connection: close.*quick$/s);
	t.same(await program.exited(), { code: 0, signal: null });
});

t.test('-D: leaves once the program serves, with the pid in the file; the daemon stops by it', async (t) => {
	const config = `global\n  pidfile \${dir}/holdfast.pid\n${ANSWERING}`;
	const launcher = await spawnProgram(t, { config, ports: 1, args: ['-D'] });
	t.same(await launcher.exited(), { code: 0, signal: null });
	t.equal((await request(launcher.port())).body, 'first');
	const pid = Number(readFileSync(join(launcher.folder, 'holdfast.pid'), 'utf8'));
	process.kill(pid, 'SIGTERM');
	await waitFor('the daemon to leave', async () => !(await accepts(launcher.port())));
});

t.test('-D with a bad file says why and leaves with 1', async (t) => {
	const launcher = await spawnProgram(t, { config: 'frontend f\n  nonsense\n', ports: 0, args: ['-D'] });
	t.equal((await launcher.exited()).code, 1);
	t.match(launcher.stderr, /unknown keyword 'nonsense'/);
});

t.test('SIGUSR2 reads the file again; a bad one changes nothing', async (t) => {
	const program = await startProgram(t, { config: ANSWERING, ports: 1, args: ['-W', '-db'] });
	const text = readFileSync(program.configPath, 'latin1');
	t.equal((await request(program.port())).body, 'first');
	writeFileSync(program.configPath, text.replace('string first', 'string second'));
	program.child.kill('SIGUSR2');
	await waitFor('the new answer', async () => (await request(program.port())).body === 'second');
	writeFileSync(program.configPath, text.replace('http-request', 'http-reqest'));
	program.child.kill('SIGUSR2');
	await waitFor(
		'the complaint',
		() => /unknown keyword 'http-reqest'/.test(program.stderr) && /reload failed/.test(program.stderr),
	);
	t.equal((await request(program.port())).body, 'second');
});

t.test('-sf: the new program takes the addresses of the old one, which finishes and leaves', async (t) => {
	const old = await startProgram(t, { config: ANSWERING, ports: 1 });
	const fresh = await spawnProgram(t, {
		config: ANSWERING.replace('string first', 'string second'),
		ports: 1,
		usePorts: old.ports,
		args: ['-db', '-sf', String(old.child.pid)],
	});
	t.same(await old.exited(), { code: 0, signal: null });
	t.equal((await request(fresh.port())).body, 'second');
});

t.test('a worker that is killed is replaced on the same sockets', async (t) => {
	const program = await startProgram(t, { config: ANSWERING, ports: 1, args: ['-W', '-db'] });
	const [pid = 0] = program.workers;
	process.kill(pid, 'SIGKILL');
	await waitFor('another worker', () => program.workers.some((worker) => worker !== pid));
	const again = await waitFor('an answer', () => request(program.port()).catch(() => undefined));
	t.equal(again.status, 200);
	t.ok(await program.says(/worker died/));
});

t.test('bind fd@N: a listening socket that whoever starts the program leaves open for it, also with -D', async (t) => {
	for (const args of [['-db'], ['-D', '-p', 'DIR/pid']]) {
		const server = createServer();
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		const { port } = server.address() as AddressInfo;
		const folder = t.testdir({
			'test.cfg': `${DEFAULTS}
frontend f
  bind fd@5
  http-request return status 200 content-type text/plain string inherited
`,
		});
		const words = args.map((word) => word.replace('DIR', folder));
		const handle = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
		const child = spawn(...plainNode([HOLDFAST, ...words, '-f', join(folder, 'test.cfg')]), {
			stdio: ['ignore', 'ignore', 'inherit', 'ignore', 'ignore', handle.fd],
		});
		const left = new Promise((resolve) => child.once('exit', resolve));
		if (args[0] === '-D') t.equal(await left, 0);
		server.close();
		t.equal((await request(port)).body, 'inherited');
		const pid = args[0] === '-D' ? Number(readFileSync(join(folder, 'pid'), 'latin1')) : (child.pid ?? 0);
		process.kill(pid, 'SIGTERM');
		await waitFor('the program to leave', () => !existsSync(`/proc/${pid}`));
		await left;
	}
});
