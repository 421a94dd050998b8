/** What the scenarios of crashes share. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { request } from '../fixtures/http-client.js';
import { childrenOf, type Program, type ProgramOptions, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

export const CONFIG = `
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
export async function startServing(t: Teardown, options: ProgramOptions): Promise<Program> {
	const program = await startProgram(t, options);
	const pidfile = /pidfile (.*)/.exec(readFileSync(program.configPath, 'latin1'))?.[1] ?? '';
	await waitFor(
		'the pid file',
		() => existsSync(pidfile) && readFileSync(pidfile, 'latin1') === `${program.child.pid}\n`,
	);
	return program;
}

export async function look(program: Program, key = 'any'): Promise<{ count: number; current: number }> {
	const { body } = await request(program.port(), '/read', { headers: { 'x-key': key } });
	const [count = Number.NaN, current = Number.NaN] = body.split(' ').map(Number);
	return { count, current };
}

export const workerOf = (pid: number | undefined): number => childrenOf(pid ?? 0)[0] ?? 0;

/** Waits until another worker than `pid` answers. */
export async function anotherWorker(program: Program, pid: number): Promise<number> {
	return waitFor('another worker', async () => {
		const now = workerOf(program.child.pid);
		return now !== pid && now !== 0 && (await look(program).catch(() => undefined)) !== undefined && now;
	});
}

/** Asks `times` times with one key, one after the other. */
export async function ask(program: Program, key: string, times: number): Promise<void> {
	for (let i = 0; i < times; i++) await request(program.port(), '/', { headers: { 'x-key': key } });
}

export const savedBytes = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Waits until the snapshot has been saved twice more: what was counted before is in it. */
export async function saved(program: Program): Promise<void> {
	const path = join(program.folder, 'tables');
	for (let times = 0; times < 2; times++) {
		const before = savedBytes(path);
		await waitFor('a save', () => savedBytes(path) !== before);
	}
}

export function alive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}
