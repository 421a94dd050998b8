/**
 * Reloads under load: no request fails, and every key's count is what its client saw. The long forms are
 * `npm run bench:reload`.
 */
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { keptConnection, RawClient, request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { accepts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const DEFAULTS = `
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
`;
const COUNTING = `
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
  tcp-request connection track-sc1 src table sources
  http-request track-sc0 req.hdr(x-key) table keys
  http-request return status 200 content-type text/plain lf-string "%[sc_http_req_cnt(0)]"
`;

/** How many reloads the program has said it made. */
function reloads(program: Program): number {
	return program.stderr.split('reload succeeded').length - 1;
}

async function reload(program: Program): Promise<void> {
	const before = reloads(program);
	program.child.kill('SIGUSR2');
	await waitFor('the reload', () => reloads(program) > before);
}

async function countOf(program: Program, key: string): Promise<number> {
	const answer = await request(program.port(), '/read', { headers: { 'x-key': key } });
	return Number(answer.body.split(' ')[0]);
}

t.test('reloads under load: nothing fails, every count is exact', async (t) => {
	const program = await startProgram(t, { config: COUNTING, ports: 1 });
	const load = new Load({ port: program.port(), keptClients: 6, newClients: 4, pauseMs: 2 });
	for (let round = 0; round < 6; round++) {
		const before = load.answered;
		await waitFor('answers between reloads', () => load.answered > before + 200);
		await reload(program);
	}
	await load.stop();
	t.same(load.failures, []);
	t.equal(reloads(program), 6);
	t.ok(load.clients.some(({ closedWithAnswer }) => closedWithAnswer > 0));
	for (const client of load.clients) {
		t.equal(client.refused, 0);
		t.equal(Number(client.lastBody), client.answered, `${client.key}: the last answer`);
		t.equal(await countOf(program, client.key), client.answered, `${client.key}: the table`);
	}
	await waitFor('conn_cur to be given back', async () => {
		const { body } = await request(program.port(), '/read', { headers: { 'x-key': 'kept0' } });
		return body.endsWith(' 0 1');
	});
});
