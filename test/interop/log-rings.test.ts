/**
 * Rings of log lines under both programs: what `show events` prints, and what log servers get by TCP, is the same but for
 * times, ports and names of the programs.
 */
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { CliClient, cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const config = (servers: readonly number[]): string => `
global
  stats socket unix@\${dir}/cli.sock level admin
  nbthread 1
ring named
  description "My local buffer"
  format rfc3164
  maxlen 90
  timeout connect 2s
  timeout server 2s
  server a 127.0.0.1:${servers[0]} log-proto octet-count
  server b 127.0.0.1:${servers[1]}
ring plain
  size 32768
  maxlen 1000
ring iso
  format iso
ring structured
  format rfc5424
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
  option httplog
frontend f
  log ring@named local0
  log ring@plain local0
  log ring@plain len 80 local0
  log ring@plain local0 warning
  log ring@iso local3 info
  log ring@structured local3 info
  log tcp@127.0.0.1:${servers[2]} format rfc3164 local0
  log tcp@127.0.0.1:${servers[3]} local5
  bind 127.0.0.1:\${port1}
  http-request return status 200
`;

/** A log server that keeps what it is sent. */
async function logServer(t: Teardown): Promise<{ readonly port: number; received: string }> {
	const kept = { port: 0, received: '' };
	const sockets = new Set<net.Socket>();
	const server = net.createServer((socket) => {
		sockets.add(socket);
		socket.setEncoding('latin1').on('data', (text) => {
			kept.received += text;
		});
		socket.on('error', () => undefined);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	kept.port = (server.address() as net.AddressInfo).port;
	return kept;
}

/** What differs from run to run keeps its length: cuts must fall on the same letter. */
function masked(text: string): string {
	return text
		.replace(/program\[\d+\]/g, 'program[1]')
		.replace(/program \d+ - -/g, 'program 1 - -')
		.replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:0')
		.replace(/[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d/g, 'DATE')
		.replace(/\[\d\d\/[A-Z][a-z]{2}\/\d{4}:[\d:.]+\]/g, '[DATE]')
		.replace(/\d{4}-\d\d-\d\dT[\d:.]+\+[\d:]+/g, 'ISO')
		.replace(/declared into '[^']*'/g, "declared into 'FILE'");
}

/** Lines of `octet-count` framing. */
function uncounted(text: string): string[] {
	const lines: string[] = [];
	for (let at = 0; at < text.length; ) {
		const space = text.indexOf(' ', at);
		const length = Number(text.slice(at, space));
		lines.push(text.slice(space + 1, space + 1 + length));
		at = space + 1 + length;
	}
	return lines;
}

/** Both programs have the same tag and host name. */
async function observe(t: Teardown, program: 'haproxy' | 'holdfast') {
	const servers = await Promise.all(Array.from({ length: 4 }, () => logServer(t)));
	const text = config(servers.map(({ port }) => port)).replace(
		'nbthread 1',
		'nbthread 1\n  log-tag program\n  log-send-hostname tester',
	);
	const running = await startProgram(t, { config: text, ports: 1, program });
	const socket = join(running.folder, 'cli.sock');
	for (const path of ['/a', '/b?x=y', `/${'c'.repeat(100)}`]) await request(running.port(), path);
	await waitFor('three lines', async () => (await cli(socket, 'show events plain')).split('\n').length > 6);
	await waitFor('log servers', () => servers.every(({ received }) => received.includes(']: ')));
	await waitFor('all of it', () => servers.slice(2).every(({ received }) => received.split('\n').length === 4));
	await waitFor('cut lines', () => servers[1]!.received.split('\n').length === 4);
	await waitFor('counted lines', () => servers[0]!.received.split('tester program').length === 4);
	const shown: string[] = [];
	for (const name of ['', 'named', 'plain', 'iso', 'structured', 'ring#1', 'plain -n']) {
		const answer = await cli(socket, `show events ${name}`);
		shown.push(masked(name === '' ? answer.replace(/^ {4}buf0.*\n/m, '') : answer));
	}
	for (const command of ['show events nope', 'show events stdout', 'show events plain -x']) {
		shown.push((await cli(socket, command)).trimEnd());
	}
	const counted = uncounted(servers[0]!.received);
	const received = servers.slice(1).map((server) => masked(server.received));
	// Followed until the client ends.
	const follower = new CliClient(socket).send('show events plain -w -n\n');
	await waitFor('the command to be read', async () => (await cli(socket, 'show events')).includes('plain'));
	await request(running.port(), '/followed');
	await waitFor('what comes', () => follower.text.includes('/followed') && follower.text.endsWith('\n'));
	follower.socket.end();
	shown.push(masked(await follower.all()));
	return { shown, counted, received };
}

t.test('rings, their log servers and show events', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const [theirs, ours] = await Promise.all([observe(t, 'haproxy'), observe(t, 'holdfast')]);
	// Pids of unlike length: what `maxlen` has cut ends a letter earlier or later.
	const same = (text: string): string => text.replace(/(tester program\[1\]: 127.0.0.1:0 .DATE.).*/g, '$1');
	for (const [index, text] of theirs.shown.entries()) {
		const isCut = index === 1;
		t.equal(isCut ? same(ours.shown[index] ?? '') : ours.shown[index], isCut ? same(text) : text);
	}
	t.same(
		ours.counted.map(({ length }) => length),
		[90, 90, 90],
	);
	t.same(
		theirs.counted.map(({ length }) => length),
		[90, 90, 90],
	);
	t.same(ours.counted.map(masked).map(same), theirs.counted.map(masked).map(same));
	t.equal(same(ours.received[0] ?? ''), same(theirs.received[0] ?? ''));
	t.same(ours.received.slice(1), theirs.received.slice(1));
});
