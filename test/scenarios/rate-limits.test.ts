/** `maxconnrate` and `set rate-limit`: who comes too fast waits, and everybody is served in the end. */
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';

t.setTimeout(60_000);

const LIMIT = 10;
const CLIENTS = 25;

const program = await startProgram(t, {
	config: `
global
  nbthread 2
  maxconnrate ${LIMIT}
  stats socket \${dir}/s level admin
defaults
  mode http
  timeout client 30s
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 204
`,
	ports: 1,
});
const command = (line: string) => cli(join(program.folder, 's'), line);

/** Milliseconds in which all of them were served. */
async function serve(clients: number): Promise<number> {
	const beganMs = performance.now();
	const answers = await Promise.all(Array.from({ length: clients }, () => request(program.port(), '/')));
	t.ok(answers.every(({ status }) => status === 204));
	return performance.now() - beganMs;
}

t.test('the rate of the whole process, over its threads', async (t) => {
	t.ok((await serve(CLIENTS)) >= 1000, 'a second has ten of them, and two have no more than twenty');
	t.match(await command('show info'), /\nConnRateLimit: 10\n/);
});

t.test('another limit at run time, then none', async (t) => {
	t.equal(await command(`set rate-limit connections global 0;set rate-limit sessions global ${LIMIT}`), '\n');
	t.match(await command('show info'), /\nConnRateLimit: 0\n.*\nSessRateLimit: 10\n/s);
	t.ok((await serve(CLIENTS)) >= 1000);
	t.equal(await command('set rate-limit sessions global 0'), '');
	await serve(CLIENTS);
	t.match(await command('show info'), /\nSessRateLimit: 0\n/);
});
