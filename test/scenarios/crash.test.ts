/** Crashes: what serves again, how soon, and what the tables still know. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import {
	childrenOf,
	type Program,
	type ProgramOptions,
	spawnProgram,
	startProgram,
	type Teardown,
} from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(100_000);

const CONFIG = `
global
  nbthread 2
  pidfile \${dir}/pid
  stick-table-file \${dir}/tables interval 200ms
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
backend keys
  stick-table type string len 32 size 10k expire 10m store http_req_cnt,http_req_rate(10s),conn_cur
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-key),table_http_req_cnt(keys)] %[req.hdr(x-key),table_conn_cur(keys)]" if { path /read }
  http-request track-sc0 req.hdr(x-key) table keys
  http-request return status 200 content-type text/plain lf-string "%[sc_http_req_cnt(0)]"
`;

/** Started, and known to the master as serving: a worker that dies before that has failed to start. */
async function startServing(t: Teardown, options: ProgramOptions): Promise<Program> {
	const program = await startProgram(t, options);
	const pidfile = /pidfile (.*)/.exec(readFileSync(program.configPath, 'latin1'))?.[1] ?? '';
	await waitFor(
		'the pid file',
		() => existsSync(pidfile) && readFileSync(pidfile, 'latin1') === `${program.child.pid}\n`,
	);
	return program;
}

async function look(program: Program, key = 'any'): Promise<{ count: number; current: number }> {
	const { body } = await request(program.port(), '/read', { headers: { 'x-key': key } });
	const [count = Number.NaN, current = Number.NaN] = body.split(' ').map(Number);
	return { count, current };
}

const workerOf = (pid: number | undefined): number => childrenOf(pid ?? 0)[0] ?? 0;

/** Waits until another worker than `pid` answers. */
async function anotherWorker(program: Program, pid: number): Promise<number> {
	return waitFor('another worker', async () => {
		const now = workerOf(program.child.pid);
		return now !== pid && now !== 0 && (await look(program).catch(() => undefined)) !== undefined && now;
	});
}

/** Asks `times` times with one key, one after the other. */
async function ask(program: Program, key: string, times: number): Promise<void> {
	for (let i = 0; i < times; i++) await request(program.port(), '/', { headers: { 'x-key': key } });
}

const savedBytes = (path: string): number => (existsSync(path) ? readFileSync(path).length : 0);

/** Waits until the snapshot has been saved twice more: what was counted before is in it. */
async function saved(program: Program): Promise<void> {
	const path = join(program.folder, 'tables');
	for (let times = 0; times < 2; times++) {
		const before = savedBytes(path);
		await waitFor('a save', () => savedBytes(path) !== before);
	}
}

t.test('kill -9 of the worker under load: serving within a second, tables as of the last save', async (t) => {
	const program = await startServing(t, { config: CONFIG, ports: 1 });
	const pid = workerOf(program.child.pid);
	await ask(program, 'steady', 20);
	await saved(program);
	const load = new Load({ port: program.port(), keptClients: 3, newClients: 2, pauseMs: 2 });
	await waitFor('load', () => load.answered > 200);
	const atLeast = new Map(load.clients.map(({ key, answered }) => [key, answered]));
	await saved(program);
	const killedMs = performance.now();
	process.kill(pid, 'SIGKILL');
	await anotherWorker(program, pid);
	t.comment(`serving again after ${Math.round(performance.now() - killedMs)} ms`);
	await load.stop();
	t.equal((await look(program, 'steady')).count, 20);
	for (const { key, answered } of load.clients) {
		const { count, current } = await look(program, key);
		t.ok(count >= (atLeast.get(key) ?? Number.NaN), `${key}: ${count} counted, ${atLeast.get(key)} saved for certain`);
		// A request that was counted and not answered was saved too, one for each client at most.
		t.ok(count <= answered + 1, `${key}: ${count} counted, ${answered} answered`);
		t.equal(current, 0);
	}
	t.match(program.stderr, /worker died/);
	t.match(program.stderr, /stick-tables restored/);
	t.match(program.stderr, /"lostMs":\d+/);
});

t.test('kill -9 of master and worker at once under load: the next start knows what was saved', async (t) => {
	const first = await startServing(t, { config: CONFIG, ports: 1 });
	const load = new Load({ port: first.port(), keptClients: 3, newClients: 2, pauseMs: 2 });
	await waitFor('load', () => load.answered > 200);
	const atLeast = new Map(load.clients.map(({ key, answered }) => [key, answered]));
	await saved(first);
	for (const pid of [first.child.pid ?? 0, ...first.workers]) process.kill(pid, 'SIGKILL');
	for (const client of load.clients) client.stop();
	await load.stop();
	const config = readFileSync(first.configPath, 'latin1');
	const second = await startServing(t, { config, ports: 1, usePorts: first.ports });
	for (const { key, answered } of load.clients) {
		const { count, current } = await look(second, key);
		t.ok(count >= (atLeast.get(key) ?? Number.NaN), `${key}: ${count} counted, ${atLeast.get(key)} saved for certain`);
		t.ok(count <= answered + 1, `${key}: ${count} counted, ${answered} answered`);
		t.equal(current, 0);
	}
	t.match(second.stderr, /stick-tables restored.*lost|"lostMs":\d+.*stick-tables restored/);
});

t.test('kill -9 of the whole program, then a start: the tables are there', async (t) => {
	const first = await startServing(t, { config: CONFIG, ports: 1 });
	const pid = workerOf(first.child.pid);
	await ask(first, 'a', 7);
	await saved(first);
	first.child.kill('SIGKILL');
	await first.exited();
	await waitFor('the worker to leave too', () => !alive(pid));
	const config = readFileSync(first.configPath, 'latin1');
	const second = await startServing(t, { config, ports: 1, usePorts: first.ports });
	t.equal((await look(second, 'a')).count, 7);
	await ask(second, 'a', 1);
	t.equal((await look(second, 'a')).count, 8);

	// A stop by order loses nothing at all.
	await ask(second, 'b', 3);
	await second.stop('SIGTERM');
	const third = await startServing(t, { config, ports: 1, usePorts: first.ports });
	t.equal((await look(third, 'b')).count, 3);
	await ask(third, 'b', 2);
	third.child.kill('SIGUSR1');
	await third.exited();

	// Another declaration, and then a file that is not ours.
	const wider = config.replace('len 32', 'len 64').replace('http_req_cnt,', 'http_req_cnt,gpc0,');
	const fourth = await startServing(t, { config: wider, ports: 1, usePorts: first.ports });
	t.equal((await look(fourth, 'b')).count, 5);
	await fourth.stop('SIGTERM');
	const path = join(first.folder, 'tables');
	writeFileSync(path, 'something else\n');
	const fifth = await startServing(t, { config, ports: 1, usePorts: first.ports });
	t.equal((await look(fifth, 'b')).count, 0);
	t.match(fifth.stderr, /not usable.*put aside|put aside/);
	t.equal(readFileSync(`${path}.damaged`, 'latin1'), 'something else\n');
	await waitFor('a new file', () => savedBytes(path) > 0);
});

function alive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}

t.test('a worker that keeps dying is restarted after growing pauses', async (t) => {
	const program = await startServing(t, { config: CONFIG, ports: 1 });
	let pid = workerOf(program.child.pid);
	const pausesMs: number[] = [];
	for (let death = 0; death < 4; death++) {
		process.kill(pid, 'SIGKILL');
		const killedMs = performance.now();
		pid = await anotherWorker(program, pid);
		pausesMs.push(performance.now() - killedMs);
	}
	t.comment(`serving again after ${pausesMs.map(Math.round).join(', ')} ms`);
	t.ok((pausesMs[3] ?? 0) >= 400, 'the fourth death in a row waits');
});

t.test('the master dies: workers go on, and a new master replaces them', async (t) => {
	const config = CONFIG.replace('nbthread 2', 'nbthread 1');
	const launcher = await spawnProgram(t, { config, ports: 1, args: ['-D'] });
	t.same(await launcher.exited(), { code: 0, signal: null });
	const masterPid = Number(readFileSync(join(launcher.folder, 'pid'), 'utf8'));
	const pid = workerOf(masterPid);
	t.teardown(() => {
		for (const one of [masterPid, pid]) if (alive(one)) process.kill(one, 'SIGKILL');
	});
	await ask(launcher, 'a', 4);
	process.kill(masterPid, 'SIGKILL');
	await waitFor('the master to be gone', () => !alive(masterPid));
	await ask(launcher, 'a', 3);
	t.equal((await look(launcher, 'a')).count, 7, 'the worker serves on');
	await saved(launcher);
	const text = readFileSync(launcher.configPath, 'latin1');
	const fresh = await startServing(t, {
		config: text,
		ports: 1,
		usePorts: launcher.ports,
		args: ['-db', '-sf', String(pid)],
		readyPorts: [],
	});
	await anotherWorker(fresh, pid);
	await waitFor('the old worker to leave', () => !alive(pid));
	t.equal((await look(fresh, 'a')).count, 7);
});
