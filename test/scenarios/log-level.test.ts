/** The level of the program's own log: from the environment, from the command line, and changed while it runs. */
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const WARNING = 'the log server is not reached';

/** A ring whose log server is there: what is said of it is the only line of the log. */
const config = (port: number): string => `
global
  nbthread 1
  stats socket \${dir}/cli.sock level admin
ring r
  timeout connect 1s
  timeout server 1s
  server s 127.0.0.1:${port}
defaults
  mode http
  timeout client 5s
frontend f
  log ring@r local0
  bind 127.0.0.1:\${port1}
  http-request return status 200
`;

async function logServer(t: Teardown, port = 0) {
	const sockets = new Set<net.Socket>();
	const server = net.createServer((socket) => {
		sockets.add(socket.on('error', () => undefined));
	});
	server.listen(port, '127.0.0.1');
	await once(server, 'listening');
	const close = (): void => {
		server.close();
		for (const socket of sockets) socket.destroy();
	};
	t.teardown(close);
	return { port: (server.address() as net.AddressInfo).port, sockets, close };
}

t.test('silent by the environment, then loud by the runtime API', async (t) => {
	const server = await logServer(t);
	const program = await startProgram(t, {
		config: config(server.port),
		ports: 1,
		env: { ...process.env, HOLDFAST_LOG_LEVEL: 'error' },
	});
	const socket = join(program.folder, 'cli.sock');
	await waitFor('the connection', () => server.sockets.size === 1);
	t.equal(await cli(socket, 'set log-level'), 'error\n');
	server.close();
	const again = await logServer(t, server.port);
	await waitFor('the next connection', () => again.sockets.size === 1);
	t.notMatch(program.stderr, WARNING);
	t.equal(await cli(socket, 'set log-level warning'), '');
	again.close();
	const lines = await waitFor('the warning', () => program.stderr.includes(WARNING) && program.stderr.split('\n'));
	const line = lines.find((one) => one.includes(WARNING)) ?? '';
	t.match(JSON.parse(line), { level: 40, target: `ring 'r', server 's' at 127.0.0.1:${server.port}`, msg: WARNING });
});

t.test('the command line says it louder than the environment; a wrong word is no level', async (t) => {
	const server = await logServer(t);
	const env = { ...process.env, HOLDFAST_LOG_LEVEL: 'loud' };
	const program = await startProgram(t, {
		config: config(server.port),
		ports: 1,
		env,
		args: ['--log-level', 'debug'],
	});
	t.equal(await cli(join(program.folder, 'cli.sock'), 'set log-level'), 'debug\n');
	t.match(program.stderr, "HOLDFAST_LOG_LEVEL is none of debug, info, warn, error, silent: 'loud'");
});
