/**
 * What a rule changes for the whole process (maps, ACLs, variables of scope `proc`) counts for every thread, and the
 * runtime API shows it. The same conf and requests against HAProxy, where it is there.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(100_000);

const CONFIG = `
global
  nbthread 3
  stats socket \${dir}/s level admin
  set-var proc.state str(primary)
  set-var proc.number int(40),add(2)
  set-var-fmt proc.text "%[var(proc.state)]-%[var(proc.number)]"
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 2s
frontend f
  bind 127.0.0.1:\${port1}
  http-request add-acl(\${dir}/refused.lst) %[url_param(refuse)] if { url_param(refuse) -m found }
  http-request del-acl(\${dir}/refused.lst) %[url_param(allow)] if { url_param(allow) -m found }
  http-request set-map(\${dir}/names.map) %[url_param(key)] %[url_param(value)] if { url_param(value) -m found }
  http-request del-map(\${dir}/names.map) %[url_param(forget)] if { url_param(forget) -m found }
  http-request set-var(proc.state) url_param(state) if { url_param(state) -m found }
  http-request set-var(proc.ip) url_param(ip),ipmask(32) if { url_param(ip) -m found }
  http-request unset-var(proc.state) if { path /unset }
  http-request deny deny_status 410 if { path -f \${dir}/refused.lst }
  http-request return status 200 content-type text/plain lf-string "%[path,map(\${dir}/names.map,none)] %[var(proc.state)] %[var(proc.text)] %[var(proc.ip)]"
`;

const PREPARE = (folder: string): void => {
	writeFileSync(join(folder, 'refused.lst'), '/refused\n');
	writeFileSync(join(folder, 'names.map'), '/a first\n');
};

/** Path, and what all threads answer to another one after it. */
const STORY: readonly (readonly [change: string, look: string, answer: string])[] = [
	['/', '/a', '200 first primary primary-42 '],
	['/?key=/a&value=second', '/a', '200 second primary primary-42 '],
	['/?key=/b&value=new', '/b', '200 new primary primary-42 '],
	['/?forget=/a', '/a', '200 none primary primary-42 '],
	['/?refuse=/b', '/b', '410'],
	['/?allow=/b', '/b', '200 new primary primary-42 '],
	['/?state=backup', '/b', '200 new backup primary-42 '],
	['/?ip=10.1.2.3', '/b', '200 new backup primary-42 10.1.2.3'],
	['/unset', '/b', '200 new  primary-42 10.1.2.3'],
];

for (const program of ['holdfast', 'haproxy'] as const) {
	t.test(program, { skip: program === 'haproxy' ? skipUnlessHaproxy('2.6') : false }, async (t) => {
		const running = await startProgram(t, { config: CONFIG, ports: 1, prepare: PREPARE, program });
		const port = running.port();
		for (const [change, look, answer] of STORY) {
			await request(port, change);
			await waitFor(`${look} to be answered with ${answer}`, async () => {
				for (let i = 0; i < 12; i++) {
					const { status, body } = await request(port, look);
					if ((status === 200 ? `200 ${body}` : String(status)) !== answer) return false;
				}
				return true;
			});
		}
		const socket = join(running.folder, 's');
		const shown = async (command: string): Promise<string[]> =>
			(await cli(socket, `${command}`)).split('\n').flatMap((line) => line.split(' ').slice(1).join(' ') || []);
		t.same(await shown(`show map ${running.folder}/names.map`), ['/b new']);
		t.same(await shown(`show acl ${running.folder}/refused.lst`), ['/refused']);
		// An entry by its number: every thread takes out the same one.
		await request(port, '/?key=/c&value=third');
		const lines = (await cli(socket, `show map ${running.folder}/names.map`)).split('\n');
		const reference = lines.find((line) => line.includes('/b'))?.split(' ')[0] ?? '';
		await cli(socket, `del map ${running.folder}/names.map #${reference}`);
		await waitFor('the entry to be gone everywhere', async () => {
			for (let i = 0; i < 12; i++) {
				if (!(await request(port, '/b')).body.startsWith('none')) return false;
				if (!(await request(port, '/c')).body.startsWith('third')) return false;
			}
			return true;
		});
	});
}
