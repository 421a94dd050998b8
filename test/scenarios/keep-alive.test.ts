/**
 * `option clitcpka`, `option srvtcpka`: the system holds a keep-alive timer for connections of that side, and for no other,
 * with TLS and without; `clitcpka-idle` and `srvtcpka-idle` set its time. What the system holds stands in /proc/net/tcp.
 */
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(60_000);
const PEM = fileURLToPath(new URL('../fixtures/tls/a.pem', import.meta.url));
const skip = existsSync('/proc/net/tcp') ? false : 'the system has no /proc/net/tcp';
const HOUR_S = 3600;
const JIFFIES_PER_S = 100;

const CONFIG = `global
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    clitcpka-idle 1h
    srvtcpka-idle 2h
listen plain
    bind 127.0.0.1:\${port1}
    server s 127.0.0.1:\${port6}
listen client
    option clitcpka
    bind 127.0.0.1:\${port2}
    server s 127.0.0.1:\${port6}
listen server
    option srvtcpka
    bind 127.0.0.1:\${port3}
    server s 127.0.0.1:\${port6}
listen both
    option tcpka
    bind 127.0.0.1:\${port4}
    server s 127.0.0.1:\${port6}
listen secure
    option tcpka
    bind 127.0.0.1:\${port5} ssl crt ${PEM}
    server s 127.0.0.1:\${port7} ssl verify none
frontend inner
    bind 127.0.0.1:\${port6}
    bind 127.0.0.1:\${port7} ssl crt ${PEM}
    tcp-request inspect-delay 50s
    tcp-request content accept if { req.len gt 1000 }
`;

const ESTABLISHED = '01';
/** A timer that is neither of retransmission nor of an empty window. */
const KEEP_ALIVE = '02';

/** Seconds until the keep-alive timer of a connection with this local or remote port goes off; undefined: none is held. */
function timerS(side: 'local' | 'remote', port: number): number | 'none' | undefined {
	const hex = port.toString(16).toUpperCase().padStart(4, '0');
	for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
		const [, local = '', remote = '', state, , timer = ''] = line.trim().split(/\s+/);
		if (state !== ESTABLISHED || !(side === 'local' ? local : remote).endsWith(`:${hex}`)) continue;
		const [kind, when = ''] = timer.split(':');
		return kind === KEEP_ALIVE ? Number.parseInt(when, 16) / JIFFIES_PER_S : 'none';
	}
	return undefined;
}

function connect(program: Program, index: number): net.Socket {
	const where = { host: '127.0.0.1', port: program.port(index) };
	const socket = index === 5 ? tls.connect({ ...where, rejectUnauthorized: false }) : net.connect(where);
	socket.on('error', () => undefined);
	return socket;
}

t.test('timers of both sides', { skip }, async (t) => {
	const program = await startProgram(t, { config: CONFIG, ports: 7 });
	const rows = [
		[1, false, false],
		[2, true, false],
		[3, false, true],
		[4, true, true],
		[5, true, true],
	] as const;
	for (const [index, ofClient, ofServer] of rows) {
		const target = program.port(index === 5 ? 7 : 6);
		const socket = connect(program, index);
		t.teardown(() => socket.destroy());
		// Other timers (delayed acknowledgements, retransmission) come and go; what stays is keep-alive.
		const found = (side: 'local' | 'remote', port: number, wanted: boolean, hours: number): boolean => {
			const seconds = timerS(side, port);
			if (!wanted) return seconds === 'none';
			return typeof seconds === 'number' && seconds > (hours - 1) * HOUR_S && seconds <= hours * HOUR_S;
		};
		await waitFor(`the client's side of ${index}`, () => found('local', program.port(index), ofClient, 1));
		await waitFor(`the server's side of ${index}`, () => found('remote', target, ofServer, 2));
		t.pass(`line ${index}: both sides as configured`);
		socket.destroy();
		await waitFor(`the end of ${index}`, () => timerS('remote', target) === undefined);
	}
});
