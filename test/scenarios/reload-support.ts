/** What the scenarios of reloading share. */
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from '../fixtures/http-client.js';
import type { Program } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

export const DEFAULTS = `
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
`;
export const COUNTING = `
global
  nbthread 2
${DEFAULTS}
backend keys
  stick-table type string len 32 size 10k expire 10m store http_req_cnt,http_req_rate(10s),conn_cur
backend sources
  stick-table type ip size 1k expire 10m store conn_cur,conn_cnt
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-key),table_http_req_cnt(keys)] %[req.hdr(x-key),table_conn_cur(keys)] %[src,table_conn_cur(sources)]" if { path /read }
  http-request return status 200 content-type text/plain lf-string "%[src,table_conn_cnt(sources)]" if { path /seen }
  tcp-request connection track-sc1 src table sources
  http-request track-sc0 req.hdr(x-key) table keys
  http-request return status 200 content-type text/plain lf-string "%[sc_http_req_cnt(0)]"
`;

/** How many reloads the program has said it made. */
export function reloads(program: Program): number {
	return program.stderr.split('reload succeeded').length - 1;
}

export async function reload(program: Program): Promise<void> {
	const before = reloads(program);
	program.child.kill('SIGUSR2');
	await waitFor('the reload', () => reloads(program) > before);
}

export async function countOf(program: Program, key: string): Promise<number> {
	const answer = await request(program.port(), '/read', { headers: { 'x-key': key } });
	return Number(answer.body.split(' ')[0]);
}

/** Changes the conf file. */
export function rewrite(program: Program, change: (text: string) => string): void {
	writeFileSync(program.configPath, change(readFileSync(program.configPath, 'latin1')));
}

export const ANSWERING = `
global
  nbthread 2
${DEFAULTS}
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain string first
`;

export const HEAD = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
