/**
 * Log servers that are gone or do not read: every request is answered all the same, the loss is said once and counted, and
 * the latest lines are still there to be seen.
 */
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { freePorts } from '../fixtures/ports.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const config = (deaf: number, dead: number): string => `
global
  nbthread 2
  stats socket \${dir}/cli.sock level admin
ring deaf
  timeout connect 1s
  timeout server 60s
  server s 127.0.0.1:${deaf}
defaults
  mode http
  timeout client 5s
  option httplog
frontend f
  log ring@deaf local0
  log tcp@127.0.0.1:${dead} local0
  bind 127.0.0.1:\${port1}
  http-request return status 200
`;

t.test('slow and dead log servers', async (t) => {
	// It accepts and never reads.
	const server = net.createServer((socket) => {
		socket.on('error', () => undefined).pause();
		t.teardown(() => socket.destroy());
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const [dead = 0] = await freePorts(1);
	const program = await startProgram(t, { config: config((server.address() as net.AddressInfo).port, dead), ports: 1 });
	const socket = join(program.folder, 'cli.sock');
	const agent = new http.Agent({ keepAlive: true });
	t.teardown(() => agent.destroy());
	const path = `/${'x'.repeat(700)}`;
	let asked = 0;
	const dropped = async (ring: string): Promise<number> => {
		const line = (await cli(socket, 'show events')).split('\n').find((one) => one.includes(` ${ring} `)) ?? '';
		return Number(/(\d+) dropped/.exec(line)?.[1]);
	};
	await waitFor('the ring of the dead server to overflow', async () => {
		for (let i = 0; i < 20; i++) {
			const { status } = await request(program.port(), `${path}${asked++}`, { agent });
			if (status !== 200) throw new Error(`answered ${status}`);
		}
		return (await dropped('ring#1')) > 0;
	});
	const inInfo = async (): Promise<number> => Number(/DroppedLogs: (\d+)/.exec(await cli(socket, 'show info'))?.[1]);
	await waitFor(
		'the loss in show info',
		async () => (await inInfo()) === (await dropped('ring#1')) + (await dropped('deaf')),
	);
	const latest = await cli(socket, 'show events ring#1');
	t.match(latest.trimEnd().split('\n').at(-1), `GET ${path}${asked - 1} HTTP/1.1`);
	const said = (text: string): number => program.stderr.split(text).length - 1;
	t.equal(said('"msg":"the log server is not reached"'), 1);
	t.ok(said('log lines are being dropped') >= 1 && said('log lines are being dropped') <= 2, 'once for each server');
});
