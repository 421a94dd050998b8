/** Switches of `global` and what later versions of HAProxy added, seen from outside. */
import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { spawnProgram, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const frontend = (global: string, lines: string): string => `global
  nbthread 2
  ${global}
defaults
  mode http
  timeout client 20s
frontend f
  bind 127.0.0.1:\${port1}
  ${lines}
`;

/** What comes back for some bytes, once the other side has closed. */
async function exchange(port: number, text: string, localPort?: number): Promise<string> {
	const socket = net.connect({ port, host: '127.0.0.1', ...(localPort === undefined ? {} : { localPort }) });
	let answer = '';
	socket.setEncoding('latin1').on('data', (data) => {
		answer += data;
	});
	socket.on('error', () => undefined);
	socket.write(text);
	// Not by `once`: who is closed with something unread may see a reset, which is an end like others here.
	await new Promise((resolve) => socket.once('close', resolve));
	return answer;
}

t.test('zero-warning: a configuration with a warning is refused', async (t) => {
	const config = (global: string): string =>
		`${frontend(global, 'http-request return status 200')}frontend unbound\n  timeout client 1s\n`;
	await startProgram(t, { config: config('quiet'), ports: 1 });
	const refused = await spawnProgram(t, { config: config('zero-warning'), ports: 1 });
	t.equal((await refused.exited()).code, 1);
	t.match(refused.stderr, /'zero-warning' is set/);
});

t.test(
	'dst_conn counts the connections of a bind line; domains reversed, numbers of certificate errors named',
	async (t) => {
		const program = await startProgram(t, {
			config: frontend(
				'quiet',
				'http-request return status 200 content-type text/plain lf-string "%[dst_conn] %[str(www.example.org),reverse_dom] %[int(10),x509_v_err_str] %[int(0),x509_v_err_str] %[int(9999),x509_v_err_str]"',
			),
			ports: 1,
		});
		const REST = 'org.example.www X509_V_ERR_CERT_HAS_EXPIRED X509_V_OK 9999';
		const idle = net.connect(program.port(), '127.0.0.1');
		t.teardown(() => void idle.destroy());
		await once(idle, 'connect');
		await waitFor('two connections', async () => (await request(program.port(), '/')).body === `2 ${REST}`);
		idle.destroy();
		await waitFor('one connection', async () => (await request(program.port(), '/')).body === `1 ${REST}`);
	},
);

const OLD_GET = 'GET / HTTP/1.0\r\ncontent-length: 1\r\n\r\nx';

t.test('h1-accept-payload-with-any-method', async (t) => {
	const lines = 'http-request return status 200';
	const strict = await startProgram(t, { config: frontend('quiet', lines), ports: 1 });
	t.match(await exchange(strict.port(), OLD_GET), /^HTTP\/1.[01] 413 /);
	const lenient = await startProgram(t, { config: frontend('h1-accept-payload-with-any-method', lines), ports: 1 });
	t.match(await exchange(lenient.port(), OLD_GET), /^HTTP\/1.[01] 200 /);
});

/** A free port below 1024 that we may send from. */
async function privilegedPort(): Promise<number | undefined> {
	for (let port = 1023; port > 900; port--) {
		const server = net.createServer();
		const outcome = await new Promise<'free' | 'taken' | 'forbidden'>((resolve) => {
			server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EACCES' ? 'forbidden' : 'taken'));
			server.listen(port, '127.0.0.1', () => resolve('free'));
		});
		if (outcome === 'forbidden') return undefined;
		if (outcome === 'taken') continue;
		await new Promise((resolve) => server.close(resolve));
		return port;
	}
	return undefined;
}

const from = await privilegedPort();
const noPort = from === undefined && 'ports below 1024 are not ours to send from';

t.test('harden.reject-privileged-ports.tcp', { skip: noPort }, async (t) => {
	const lines = 'http-request return status 200 hdr connection close';
	const GET = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
	const hardened = await startProgram(t, {
		config: frontend('harden.reject-privileged-ports.tcp on', lines),
		ports: 1,
	});
	t.equal(await exchange(hardened.port(), GET, from), '', 'closed without a word');
	t.match(await exchange(hardened.port(), GET), /^HTTP\/1.1 200 /, 'others are served');
	const open = await startProgram(t, { config: frontend('quiet', lines), ports: 1 });
	t.match(await exchange(open.port(), GET, from), /^HTTP\/1.1 200 /, 'without it, everybody is');
});

t.test('pp2-never-send-local: a check tells its own ends as if it were a client', async (t) => {
	/** The command of the first header that a check sends (proxy-protocol.txt, 2.2): 0x20 is LOCAL, 0x21 PROXY. */
	const command = async (global: string): Promise<number> => {
		let first: Buffer | undefined;
		const server = net.createServer((socket) => {
			socket
				.on('error', () => undefined)
				.once('data', (data: Buffer) => {
					first ??= data;
					socket.destroy();
				});
		});
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.teardown(() => void server.close());
		const { port } = server.address() as net.AddressInfo;
		const backend = `backend b\n  timeout connect 1s\n  timeout server 1s\n  server s 127.0.0.1:${port} send-proxy-v2 check-send-proxy check inter 100ms\n`;
		await startProgram(t, { config: `${frontend(global, 'default_backend b')}${backend}`, ports: 1 });
		const header = await waitFor('a check', () => first);
		return header[12] as number;
	};
	t.equal(await command('quiet'), 0x20);
	t.equal(await command('pp2-never-send-local'), 0x21);
});
