/**
 * Why a connection was not set up, as log lines tell it (`fc_err`, `bc_err`, `ssl_fc_err`, `ssl_bc_err` and their sentences):
 * the same conf file and the same failures in Holdfast and in HAProxy 2.6.
 */
import net from 'node:net';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { accepts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(120_000);
const skip = skipUnlessHaproxy('2.6');
const FOLDER = fileURLToPath(new URL('../fixtures/tls', import.meta.url));

const CONFIG = `defaults
    mode http
    log stdout format raw local0
    retries 0
    timeout connect 5s
    timeout server 5s
    timeout client 5s
    log-format "line %ft %s bc=%[bc_err]/%[bc_err_str] ssl=%[ssl_bc_err,hex]/%[ssl_bc_err_str] fc=%[fc_err]/%[fc_err_str] %ST %tsc"
    error-log-format "line %ft fc=%[fc_err]/%[fc_err_str] ssl=%[ssl_fc_err,hex]/%[ssl_fc_err_str] c=%[ssl_c_err]/%[ssl_c_ca_err] %ts"
listen refused
    bind 127.0.0.1:\${port1}
    server a 127.0.0.1:\${port10}
listen untrusted
    bind 127.0.0.1:\${port2}
    server a 127.0.0.1:\${port7} ssl verify required ca-file ${FOLDER}/clients/root.pem
listen clear
    bind 127.0.0.1:\${port3}
    server a 127.0.0.1:\${port8} ssl verify none
listen good
    bind 127.0.0.1:\${port4}
    server a 127.0.0.1:\${port7} ssl verify none
listen none
    bind 127.0.0.1:\${port5}
listen socks
    bind 127.0.0.1:\${port6}
    server a 127.0.0.1:\${port7} socks4 127.0.0.1:\${port8}
frontend secure
    no log
    bind 127.0.0.1:\${port7} ssl crt ${FOLDER}/a.pem
    http-request return status 200
frontend plain
    no log
    bind 127.0.0.1:\${port8}
    http-request return status 200
frontend asks
    bind 127.0.0.1:\${port9} ssl crt ${FOLDER}/a.pem ca-file ${FOLDER}/clients/root.pem verify required ssl-min-ver TLSv1.3
    http-request return status 200
frontend proxied
    bind 127.0.0.1:\${port11} accept-proxy
    http-request return status 200
`;
const PORTS = 11;
const ASKS = 9;
const PROXIED = 11;
const SERVERS = [1, 2, 3, 4, 5, 6];

/** Sends what is to be sent, and waits for the end of the connection. */
function send(program: Program, port: number, bytes: string, closes = false): Promise<void> {
	return new Promise((resolve) => {
		const socket = net.connect(program.port(port), '127.0.0.1', () => {
			if (closes) socket.end(bytes, 'latin1');
			else socket.write(bytes, 'latin1');
		});
		socket.on('error', () => undefined);
		socket.on('close', () => resolve());
		socket.resume();
	});
}

function shake(program: Program, options: tls.ConnectionOptions): Promise<void> {
	return new Promise((resolve) => {
		const where = { host: '127.0.0.1', port: program.port(ASKS), rejectUnauthorized: false };
		const socket = tls.connect({ ...where, ...options });
		socket.on('error', () => undefined);
		socket.on('close', () => resolve());
		socket.resume();
	});
}

const lines = (program: Program): readonly string[] =>
	program.logLines.map((line) => /line (.*)$/.exec(line)?.[1] ?? '').filter((line) => line !== '');

async function play(t: Teardown, name: 'holdfast' | 'haproxy'): Promise<readonly string[]> {
	const program = await startProgram(t, {
		config: CONFIG,
		ports: PORTS,
		program: name,
	});
	await waitFor('the listener', () => accepts(program.port(8)));
	const steps: readonly (() => Promise<void>)[] = [
		...SERVERS.map((port) => () => send(program, port, 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')),
		() => shake(program, {}),
		() => shake(program, { maxVersion: 'TLSv1.2' }),
		() => send(program, ASKS, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
		() => send(program, ASKS, '', true),
		() => send(program, ASKS, '\x16\x03\x01\x02\x00\x01\x00', true),
		() => send(program, PROXIED, '', true),
		() => send(program, PROXIED, 'PROXY TCP4 1.2.3.4', true),
		() => send(program, PROXIED, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
	];
	for (const [index, step] of steps.entries()) {
		await step();
		await waitFor(`line ${index + 1} of ${name}`, () => lines(program).length > index);
	}
	return lines(program);
}

t.test('failures have the numbers and sentences of HAProxy', { skip }, async (t) => {
	const [ours, theirs] = [await play(t, 'holdfast'), await play(t, 'haproxy')];
	t.strictSame(ours, theirs);
	t.match(theirs.join('\n'), /untrusted a bc=34\/SSL handshake failure/);
});
