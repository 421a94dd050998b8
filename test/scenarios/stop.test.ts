/** SIGTERM: what was answered is in the traffic log and in the tables, whoever held it last. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(60_000);

for (const engine of ['native', 'node']) {
	t.test(`SIGTERM under load loses no line of the traffic log: ${engine} engine`, async (t) => {
		const config = `
global
  nbthread 2
  tune.http.engine ${engine}
  stick-table-file \${dir}/tables interval 60s
  log stdout format raw local0
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
backend keys
  stick-table type string len 32 size 10k expire 10m store http_req_cnt
frontend f
  bind 127.0.0.1:\${port1}
  log global
  log-format "key=%[var(txn.key)]:%ST"
  http-request set-var(txn.key) req.hdr(x-key)
  http-request track-sc0 req.hdr(x-key) table keys if !{ path /read }
  http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-key),table_http_req_cnt(keys)]" if { path /read }
  http-request return status 200 content-type text/plain string "a long enough answer to be worth a line"
`;
		const program = await startProgram(t, { config, ports: 1 });
		const load = new Load({ port: program.port(), keptClients: 6, newClients: 2 });
		await waitFor('load', () => load.answered > 600);
		program.child.kill('SIGTERM');
		for (const client of load.clients) client.stop();
		t.same(await program.exited(), { code: null, signal: 'SIGTERM' });
		await load.stop();
		await waitFor('the end of the output', () => program.child.stdout?.readableEnded);
		for (const { key, answered } of load.clients) {
			const lines = program.logLines.filter((line) => line.endsWith(`key=${key}:200`)).length;
			t.ok(lines >= answered, `${key}: ${lines} lines, ${answered} answers`);
		}
		const again = await startProgram(t, {
			config: readFileSync(program.configPath, 'latin1'),
			ports: 1,
			usePorts: program.ports,
		});
		for (const { key, answered } of load.clients) {
			const { body } = await request(again.port(), '/read', { headers: { 'x-key': key } });
			t.ok(Number(body) >= answered && Number(body) <= answered + 1, `${key}: ${body} counted, ${answered} answers`);
		}
	});
}
