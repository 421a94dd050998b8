/** Bugs, injected: what throws in a data thread costs one connection, what ends the thread leads to another worker. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { RawClient, request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(80_000);

const FAULTS = fileURLToPath(new URL('../fixtures/faults.mjs', import.meta.url));

const config = (engine: string): string => `
global
  nbthread 2
  tune.http.engine ${engine}
  stick-table-file \${dir}/tables interval 100ms
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
backend keys
  stick-table type string len 32 size 10k expire 10m store http_req_cnt,conn_cur
frontend origin
  bind 127.0.0.1:\${port2}
  http-request return status 200 content-type text/plain string body
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain lf-string "%[str(one),table_http_req_cnt(keys)] %[str(one),table_conn_cur(keys)]" if { path /read }
  http-request track-sc0 str(one) table keys
  http-request set-header x-digest %[req.hdr(x-fault),sha1,hex]
  http-request return status 200 content-type text/plain string counted if { path /local }
  default_backend b
backend b
  http-response set-header x-late %[res.hdr(content-type),concat(,txn.late),sha1,hex]
  http-response set-header x-later %[var(txn.late),sha1,hex]
  http-request set-var(txn.late) req.hdr(x-late-fault)
  server s 127.0.0.1:\${port2}
`;

function start(t: Teardown, engine: string): Promise<Program> {
	const env = { NODE_OPTIONS: `--import=${FAULTS}` };
	return startProgram(t, { config: config(engine), ports: 2, env });
}

async function look(program: Program): Promise<{ count: number; current: number }> {
	const { body } = await request(program.port(), '/read');
	const [count = Number.NaN, current = Number.NaN] = body.split(' ').map(Number);
	return { count, current };
}

for (const engine of ['native', 'node']) {
	t.test(`an exception ends at most the connection that caused it: ${engine} engine`, async (t) => {
		const program = await start(t, engine);
		const { workers } = program;
		const load = new Load({ port: program.port(), keptClients: 4, newClients: 2, pauseMs: 2, path: '/local' });
		const silent = await RawClient.connect(program.port());
		await waitFor('load', () => load.answered > 50);
		let faults = 0;
		for (const [path, name, value] of [
			['/local', 'x-fault', 'fault-throw in a request rule'],
			['/', 'x-fault', 'fault-throw before the server'],
			['/', 'x-late-fault', 'fault-throw in a response rule'],
			['/local', 'x-fault', 'fault-timer'],
			['/', 'x-fault', 'fault-reject'],
		] as const) {
			for (let times = 0; times < 3; times++) {
				const answer = await request(program.port(), path, { headers: { [name]: value } }).catch(() => undefined);
				faults++;
				if (value.startsWith('fault-throw')) {
					t.ok(answer === undefined || answer.status === 500, `${value}: ${answer?.status ?? 'closed'}`);
				} else t.equal(answer?.status, 200, `${value}: it has its answer`);
			}
			t.equal((await request(program.port(), '/')).body, 'body', 'others are served, by the same server');
		}
		await load.stop();
		t.same(load.failures, []);
		t.equal(silent.ended, false, 'a connection that rests is left alone');
		silent.close();
		await waitFor('each to be logged', () => program.stderr.split('injected: ').length > faults);
		const logged = program.stderr.split('\n').filter((line) => line.includes('injected: '));
		for (const line of logged) t.match(line, /"stack":"TypeError: injected: .*faults\.mjs/);
		await waitFor('conn_cur to be given back', async () => (await look(program)).current === 0);
		t.equal((await look(program)).count, load.answered + faults + 5, 'each request was counted once');
		t.same(program.workers, workers, 'by one and the same worker');
	});

	t.test(`a data thread that ends leads to another worker on the same sockets: ${engine} engine`, async (t) => {
		const program = await start(t, engine);
		const { workers } = program;
		for (let i = 0; i < 5; i++) await request(program.port(), '/local');
		await request(program.port(), '/local', { headers: { 'x-fault': 'fault-exit' } }).catch(() => undefined);
		await waitFor('another worker', () => program.stderr.includes('worker restarted'));
		const again = await look(program);
		t.notSame(program.workers, workers);
		t.ok(await program.says(/data thread \d ended with code 3/));
		t.ok(await program.says(/worker died/));
		t.equal(again.count, 6, 'what was counted is saved on the way, the fatal request included');
		t.equal(again.current, 0);
		t.equal((await request(program.port(), '/')).body, 'body');
	});
}
