/** What `stick` rules remember goes over peers in both directions: a client of one program meets its server at the other. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

/** The servers stand in another order on the two: names lead to the right one, numbers would not. */
const config = (name: string, servers: readonly string[]) => `
global
  nbthread 1
  localpeer ${name}
  stats socket \${dir}/admin.sock level admin
peers mesh
  peer ours 127.0.0.1:\${port3}
  peer theirs 127.0.0.1:\${port4}
defaults
  mode http
  timeout client 5s
  timeout connect 1s
  timeout server 5s
listen app
  bind 127.0.0.1:\${port1}
  stick-table type string len 20 size 100 expire 10m peers mesh
  stick on req.hdr(x-user)
  http-response set-header x-server %s
${servers.map((server) => `  server ${server} 127.0.0.1:\${port2}\n`).join('')}`;

t.test('both ways', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const origin = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
	await new Promise((resolve) => origin.once('listening', resolve));
	t.teardown(() => {
		origin.closeAllConnections();
		origin.close();
	});
	const { port } = origin.address() as AddressInfo;
	const [a = 0, b = 0, peerA = 0, peerB = 0] = await freePorts(4);
	const [ours, theirs] = await Promise.all([
		startProgram(t, { config: config('ours', ['red', 'green', 'blue']), ports: 4, usePorts: [a, port, peerA, peerB] }),
		startProgram(t, {
			config: config('theirs', ['blue', 'red', 'green']),
			ports: 4,
			usePorts: [b, port, peerA, peerB],
			program: 'haproxy',
			args: ['-db', '-L', 'theirs'],
		}),
	]);
	const serverOf = async (program: Program, user: string) =>
		(await request(program.ports[0] ?? 0, '/', { headers: { 'x-user': user } })).headers['x-server'];
	const known = async (program: Program, user: string) =>
		new RegExp(`key=${user} .*server_key=\\w+`).test(await cli(join(program.folder, 'admin.sock'), 'show table app'));
	for (const [from, to, users] of [
		[ours, theirs, ['ann', 'bob', 'carl']],
		[theirs, ours, ['dora', 'eve', 'fay']],
	] as const) {
		for (const user of users) {
			const server = await serverOf(from, user);
			await waitFor(`${user} to be known`, () => known(to, user));
			t.equal(await serverOf(to, user), server, `${user}: ${server}`);
		}
	}
});
