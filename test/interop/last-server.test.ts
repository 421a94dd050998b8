/**
 * Which server and which connection a client's next request goes to, in both engines and in HAProxy 2.6: with `option
 * prefer-last-server`, and when a connection knows its user (NTLM). Where connections are shared, HAProxy does not follow the
 * option (seen in 2.6.12); Holdfast does.
 */
import net from 'node:net';
import t, { type Test } from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { rawClient } from '../fixtures/raw-http.js';

t.setTimeout(110_000);

/** Answers with its name and the number of the connection; `/401` asks for credentials, `/ntlm` for NTLM. */
async function server(t: Teardown, name: string): Promise<number> {
	let connections = 0;
	const listener = net.createServer((socket) => {
		const number = ++connections;
		socket.on('error', () => undefined);
		socket.on('data', (bytes) => {
			const path = /^GET (\S+)/.exec(bytes.toString('latin1'))?.[1];
			const body = `${name}${number}`;
			const status = path === '/' ? '200 OK' : '401 Unauthorized';
			const field = path === '/' ? '' : `www-authenticate: ${path === '/ntlm' ? 'NTLM' : 'Basic realm="a"'}\r\n`;
			socket.write(`HTTP/1.1 ${status}\r\n${field}content-length: ${body.length}\r\n\r\n${body}`);
		});
	});
	await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
	t.teardown(() => void listener.close());
	return (listener.address() as net.AddressInfo).port;
}

const config = (servers: readonly number[], engine: string): string => `
global
${engine}
defaults
  mode http
  timeout client 10s
  timeout connect 10s
  timeout server 10s
listen plain
  bind 127.0.0.1:\${port1}
  server a 127.0.0.1:${servers[0]}
  server b 127.0.0.1:${servers[1]}
listen prefers
  bind 127.0.0.1:\${port2}
  option prefer-last-server
  http-reuse never
  server a 127.0.0.1:${servers[0]}
  server b 127.0.0.1:${servers[1]}
listen shared
  bind 127.0.0.1:\${port3}
  http-reuse always
  server a 127.0.0.1:${servers[0]}
`;

/** The bodies of requests for `paths`, one after the other on one connection. */
async function ask(program: Program, port: number, paths: readonly string[]): Promise<string[]> {
	const client = await rawClient(program.port(port));
	const bodies: string[] = [];
	for (const path of paths) {
		const before = client.received.length;
		client.send(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
		await client.when('an answer', (received) => /\r\n\r\n\w\d+$/.test(received.slice(before)));
		bodies.push(/\w\d+$/.exec(client.received)?.[0] ?? '');
	}
	client.close();
	return bodies;
}

const serverOf = (body: string): string => body.slice(0, 1);

async function check(t: Test, candidate: 'holdfast' | 'haproxy', engine: string): Promise<void> {
	const servers = [await server(t, 'a'), await server(t, 'b')];
	const program = await startProgram(t, { program: candidate, config: config(servers, engine), ports: 3 });
	const plain = (await ask(program, 1, ['/', '/', '/', '/'])).map(serverOf);
	t.not(plain[0], plain[1], 'in turn');
	const asked = (await ask(program, 1, ['/401', '/', '/', '/'])).map(serverOf);
	t.not(asked[0], asked[1], 'a server that asks for a password is none to stay with');
	const known = (await ask(program, 1, ['/ntlm', '/', '/', '/'])).map(serverOf);
	t.same(known, [known[0], known[0], known[0], known[0]], 'one whose connection knows the client is');
	const preferred = (await ask(program, 2, ['/', '/', '/', '/'])).map(serverOf);
	t.same(preferred, [preferred[0], preferred[0], preferred[0], preferred[0]], 'prefer-last-server');
	const user = await ask(program, 3, ['/ntlm', '/', '/']);
	t.equal(new Set(user).size, 1, 'the connection is kept for its user');
	const other = await ask(program, 3, ['/', '/']);
	t.notOk(other.includes(user[0] ?? ''), 'and nobody else has it');
}

t.test('the native engine', (t) => check(t, 'holdfast', ''));
t.test('the engine of Node', (t) => check(t, 'holdfast', '  tune.http.engine node'));
t.test('HAProxy', { skip: skipUnlessHaproxy('2.6') }, (t) => check(t, 'haproxy', ''));
