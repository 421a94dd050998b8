/** Log forwarding as a user runs it: UDP, TCP and TLS in; UDP, rings and standard output out; over reloads and at a stop. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { reload } from './reload-support.js';

/** A syslog server: what it got, in order. */
async function startSyslog(t: Teardown): Promise<{ readonly port: number; readonly got: string[] }> {
	const got: string[] = [];
	const socket = createSocket('udp4', (message) => got.push(message.toString('latin1')));
	socket.bind(0, '127.0.0.1');
	await once(socket, 'listening');
	t.teardown(() => void socket.close());
	return { port: socket.address().port, got };
}

function sender(t: Teardown): { send(message: string, port: number): Promise<void> } {
	const socket = createSocket('udp4');
	t.teardown(() => void socket.close());
	return {
		send: (message, port) =>
			new Promise((resolve, reject) =>
				socket.send(Buffer.from(message, 'latin1'), port, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
			),
	};
}

t.test('datagrams go on in their order, and over reloads each once', async (t) => {
	const syslog = await startSyslog(t);
	const program = await startProgram(t, {
		config: `global
  nbthread 2
  stats socket \${dir}/cli.sock
log-forward lf
  dgram-bind 127.0.0.1:\${port1}
  bind 127.0.0.1:\${port1}
  log 127.0.0.1:${syslog.port} local0
`,
		ports: 1,
	});
	const { send } = sender(t);
	const sent: string[] = [];
	for (let round = 0; round < 4; round++) {
		const loading = round === 0 ? undefined : reload(program);
		let isLoaded = loading === undefined;
		void loading?.then(() => {
			isLoaded = true;
		});
		// Paced by what has come out: a burst may overrun any socket, which would be no fault of the reload.
		for (let i = 0; i < 50 || !isLoaded; i++) {
			const message = `<14>round ${round} message ${i}`;
			sent.push(`${message}\n`);
			await send(message, program.port());
			await waitFor('most of it', () => syslog.got.length > sent.length - 50);
		}
		await loading;
		await waitFor('all of the round', () => syslog.got.length >= sent.length);
	}
	// While one configuration takes over from another, both read.
	t.same([...syslog.got].sort(), [...sent].sort());
	const beforeReloads = sent.filter((message) => message.startsWith('<14>round 0 '));
	t.same(syslog.got.slice(0, beforeReloads.length), beforeReloads);
	t.match(await cli(join(program.folder, 'cli.sock'), 'show info'), /CumRecvLogs: \d+/);
});

t.test('connections: two framings, TLS, nonsense, a limit, silence', async (t) => {
	const syslog = await startSyslog(t);
	const certificate = fileURLToPath(new URL('../fixtures/tls/a.pem', import.meta.url));
	const program = await startProgram(t, {
		config: `global
  nbthread 1
  stats socket \${dir}/cli.sock
ring kept
  size 32768
  format rfc5424
log-forward plain
  bind 127.0.0.1:\${port1}
  timeout client 20s
  maxconn 2
  log 127.0.0.1:${syslog.port} local0
  log ring@kept local0
  log stdout local0
log-forward secure
  bind 127.0.0.1:\${port2} ssl crt ${certificate}
  log 127.0.0.1:${syslog.port} local0
log-forward impatient
  bind 127.0.0.1:\${port3}
  timeout client 50ms
  log 127.0.0.1:${syslog.port} local0
`,
		ports: 3,
	});
	const connect = async (port: number): Promise<net.Socket> => {
		const socket = net.connect(port, '127.0.0.1');
		t.teardown(() => socket.destroy());
		socket.on('error', () => undefined).resume();
		await once(socket, 'connect');
		return socket;
	};
	const first = await connect(program.port());
	first.write('<14>one\n7 <14>two<14>Nov 23 14:00:01 h app[1]: three\n');
	await waitFor('three messages', () => syslog.got.length === 3);
	t.same(syslog.got, ['<14>one\n', '<14>two\n', '<14>Nov 23 14:00:01 h app[1]: three\n']);
	t.match(await cli(join(program.folder, 'cli.sock'), 'show events kept'), / h app 1 - - three\n/);
	t.same(await program.logged(3), ['<14>one', '<14>two', '<14>Nov 23 14:00:01 h app[1]: three']);
	// Not in the statistics, as in HAProxy, and no stream to show.
	t.notMatch(await cli(join(program.folder, 'cli.sock'), 'show stat'), /^plain,/m);
	t.match(await cli(join(program.folder, 'cli.sock'), 'show sess'), /^/);

	const nonsense = await connect(program.port());
	nonsense.write('GET / HTTP/1.1\r\n\r\n');
	await once(nonsense, 'close');

	const second = await connect(program.port());
	const third = await connect(program.port());
	third.write('<14>third\n');
	second.write('<14>second\n');
	await waitFor('the second', () => syslog.got.includes('<14>second\n'));
	t.notOk(syslog.got.includes('<14>third\n'), 'it waits for a place');
	second.destroy();
	await waitFor('the third', () => syslog.got.includes('<14>third\n'));

	const secured = tls.connect({ port: program.port(2), host: '127.0.0.1', rejectUnauthorized: false });
	t.teardown(() => secured.destroy());
	await once(secured, 'secureConnect');
	secured.write('<14>sealed\n');
	await waitFor('the sealed one', () => syslog.got.includes('<14>sealed\n'));

	const silent = await connect(program.port(3));
	await once(silent, 'close');
});

/** Messages whose times are their own, so that both programs write the same. */
const MESSAGES = [
	'<14>Nov 23 14:00:01 myhost app[123]: hello world',
	'<14>Nov 23 14:00:01 myhost app: hello world\n',
	'<14>Nov 23 14:00:01 my two words: hi',
	'<14>Nov 23 14:00:01 fe80::1 app: hi',
	'<191>1 2026-11-23T13:01:02.345678+01:00 myhost app 123 ID47 [x y="z"] hello there',
	'<8>1 2026-11-03T13:01:02Z h - - - - just text',
	'<14>1 2026-11-23T13:01:02Z host app pid id [a][c] text',
	'<14>1 2026-11-23T13:01:02Z host app pid id - \xef\xbb\xbftext',
];
const FORMATS = [
	'',
	...['local', 'rfc3164', 'rfc5424', 'priority', 'short', 'timed', 'iso', 'raw'].map((f) => `format ${f}`),
];

t.test('every format beside HAProxy', { skip: skipUnlessHaproxy() }, async (t) => {
	const observe = async (program: 'holdfast' | 'haproxy'): Promise<string[][]> => {
		const targets = await Promise.all(FORMATS.map(() => startSyslog(t)));
		const logs = targets.map(({ port }, i) => `  log 127.0.0.1:${port} ${FORMATS[i]} local3 debug err`);
		const running = await startProgram(t, {
			program,
			config: `log-forward lf\n  dgram-bind 127.0.0.1:\${port1}\n  bind 127.0.0.1:\${port1}\n  timeout client 5s\n${logs.join('\n')}\n`,
			ports: 1,
		});
		const { send } = sender(t);
		const expected = MESSAGES.length * 2;
		for (const [index, message] of MESSAGES.entries()) {
			await send(message, running.port());
			await waitFor(`message ${index}`, () => targets.every(({ got }) => got.length === index + 1));
		}
		const socket = net.connect(running.port(), '127.0.0.1');
		t.teardown(() => socket.destroy());
		for (const [index, message] of MESSAGES.entries()) {
			const text = message.trimEnd();
			socket.write(index % 2 === 0 ? `${text}\n` : `${text.length} ${text}`, 'latin1');
		}
		await waitFor('the messages by TCP', () => targets.every(({ got }) => got.length === expected));
		await running.stop();
		return targets.map(({ got }) => got);
	};
	t.same(await observe('holdfast'), await observe('haproxy'));
});
