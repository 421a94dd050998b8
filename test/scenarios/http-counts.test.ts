/** Every answer is counted exactly once, over all threads. */
import http from 'node:http';
import t from 'tap';
import { ENGINES, engineDefaults } from '../fixtures/engines.js';
import { request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';

t.setTimeout(110_000);

for (const engine of ENGINES) {
	t.test(`${engine}: with two threads, answers seen by clients equal http_req_cnt for every key`, async (t) => {
		const program = await startProgram(t, {
			ports: 2,
			config: `${engineDefaults(engine, 'nbthread 2')}
frontend f
  bind 127.0.0.1:\${port1}
  stick-table type string len 8 size 1k expire 10m store http_req_cnt
  http-request track-sc0 req.hdr(x-key)
  http-request deny deny_status 429 if { sc_http_req_cnt(0) gt 75 }
  http-request return status 200 content-type text/plain string ok if { path /local }
  default_backend b
frontend counts
  bind 127.0.0.1:\${port2}
  http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-key),table_http_req_cnt(f)]"
backend b
  server up 127.0.0.1:\${port2}
`,
		});
		const KEYS = 8;
		const answers = new Map<string, number>();
		const accepted = new Map<string, number>();
		const tell = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
		const client = async (number: number): Promise<void> => {
			const kept = number % 2 === 0;
			const agent = new http.Agent({ keepAlive: kept, maxSockets: 1 });
			for (let i = 0; i < 30; i++) {
				const key = `key${(number + i) % KEYS}`;
				const path = i % 3 === 0 ? '/local' : '/';
				const { status } = await request(program.port(1), path, { agent, headers: { 'x-key': key } });
				tell(answers, key);
				if (status === 200) tell(accepted, key);
			}
			agent.destroy();
		};
		await Promise.all(Array.from({ length: 32 }, (_, number) => client(number)));
		for (let index = 0; index < KEYS; index++) {
			const key = `key${index}`;
			const counted = await request(program.port(2), '/', { headers: { 'x-key': key } });
			t.equal(Number(counted.body), answers.get(key), `${key}: counted as often as answered`);
			t.equal(accepted.get(key), 75, `${key}: exactly the limit got through`);
		}
	});
}
