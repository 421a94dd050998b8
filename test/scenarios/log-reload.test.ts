/** Rings over reloads: what is in them stays, log servers keep their connection, a changed server goes on where it was. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { plainNode } from '../fixtures/plain-node.js';
import { HOLDFAST, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { reload, rewrite } from './reload-support.js';

const config = (server: number): string => `
global
  nbthread 2
  stats socket \${dir}/cli.sock level admin
ring r
  size 32768
  timeout connect 1s
  timeout server 5s
  server s 127.0.0.1:${server} log-proto legacy
defaults
  mode http
  timeout client 5s
frontend f
  log ring@r local0
  log-format "%HP"
  bind 127.0.0.1:\${port1}
  http-request return status 200
`;

t.test('a ring outlives reloads', async (t) => {
	let received = '';
	let connections = 0;
	const server = net.createServer((socket) => {
		connections++;
		t.teardown(() => socket.destroy());
		socket.on('error', () => undefined).setEncoding('latin1');
		socket.on('data', (text) => {
			received += text;
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const program = await startProgram(t, { config: config((server.address() as net.AddressInfo).port), ports: 1 });
	const events = (): Promise<string> => cli(join(program.folder, 'cli.sock'), 'show events r');

	await request(program.port(), '/1');
	await waitFor('the first line', () => received === '/1\n');
	await reload(program);
	await request(program.port(), '/2');
	await waitFor('the second line', () => received === '/1\n/2\n');
	t.equal(connections, 1);
	t.equal(await events(), '/1\n/2\n');

	// Another framing is another connection; nothing is sent twice.
	rewrite(program, (text) => text.replace('legacy', 'octet-count'));
	await reload(program);
	await request(program.port(), '/3');
	await waitFor('the third line', () => received === '/1\n/2\n2 /3');
	t.equal(connections, 2);

	// Another size is another ring.
	rewrite(program, (text) => text.replace('32768', '65536'));
	await reload(program);
	await request(program.port(), '/4');
	await waitFor('the fourth line', () => received.endsWith('2 /4'));
	t.equal(await events(), '/4\n');

	// A stop sends the rest.
	await request(program.port(), '/5');
	await program.stop('SIGUSR1');
	await waitFor('the last line', () => received.endsWith('2 /42 /5'));
});

t.test('holdfast cli follows a ring until it is stopped', async (t) => {
	const program = await startProgram(t, { config: config(1), ports: 1 });
	await request(program.port(), '/before');
	const socket = join(program.folder, 'cli.sock');
	const words = [HOLDFAST, 'cli', '--socket', socket, 'show events r -w'];
	const follower = spawn(...plainNode(words), { stdio: ['ignore', 'pipe', 'inherit'] });
	t.teardown(() => {
		follower.kill('SIGKILL');
	});
	let text = '';
	follower.stdout.setEncoding('latin1').on('data', (piece) => {
		text += piece;
	});
	await waitFor('what is there', () => text === '/before\n');
	await request(program.port(), '/after');
	await waitFor('what comes', () => text === '/before\n/after\n');
	t.equal(follower.exitCode, null);
});
