/** What stands between a connection and its first request has a time of its own (`timeout client-hs`). */
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { startHarness } from '../fixtures/proxy-harness.js';

const CONF = (handshake: string, idle: string): string => `
defaults
  mode http
  log stdout format raw local0
  timeout client ${idle}
  ${handshake}
  timeout connect 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:0 accept-proxy
  http-request return status 200
`;

/** How a client fares that connects and says nothing. */
async function silentClient(port: number): Promise<string> {
	const socket = connect(port, '127.0.0.1');
	const errors: string[] = [];
	socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
	await new Promise((resolve) => socket.once('close', resolve));
	return errors.join();
}

t.test('client-hs ends a silent handshake long before timeout client', async (t) => {
	const harness = await startHarness(CONF('timeout client-hs 50ms', '1h'));
	t.equal(await silentClient(harness.port('f')), 'ECONNRESET');
	t.match(harness.lines.join('\n'), /Timeout while waiting for PROXY protocol header/);
	await harness.close();
});

t.test('without it timeout client does', async (t) => {
	const harness = await startHarness(CONF('', '50ms'));
	t.equal(await silentClient(harness.port('f')), 'ECONNRESET');
	await harness.close();
});

t.test('a client that is quick is not held to it', async (t) => {
	const harness = await startHarness(CONF('timeout client-hs 2s', '1h'));
	const socket = connect(harness.port('f'), '127.0.0.1');
	socket.write('PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n');
	const [bytes] = (await once(socket, 'data')) as [Buffer];
	t.match(bytes.toString('latin1'), /^HTTP\/1\.1 200 /);
	socket.destroy();
	await harness.close();
});
