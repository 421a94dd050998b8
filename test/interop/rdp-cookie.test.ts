/** `persist rdp-cookie` beside HAProxy: a connection request whose cookie names a server by its address goes there. */
import net from 'node:net';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';

/** A server that says who it is and hangs up. */
async function origin(name: string): Promise<net.Server> {
	const server = net.createServer((socket) => {
		socket.on('error', () => undefined);
		socket.once('data', () => socket.end(name));
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	return server;
}

const portOf = (server: net.Server) => (server.address() as net.AddressInfo).port;

/** TPKT, X.224 connection request, cookie (manual, 7.3.5 `req.rdp_cookie`). */
function connectionRequest(cookie: string): Buffer {
	const text = Buffer.from(`Cookie: ${cookie}\r\n`);
	const size = 11 + text.length;
	return Buffer.concat([Buffer.from([3, 0, size >> 8, size & 255, size - 5, 0xe0, 0, 0, 0, 0, 0]), text]);
}

/** 127.0.0.1 and a port, as terminal servers write them. */
const cookieOf = (port: number, address = 0x0100007f) => `${address}.${((port & 255) << 8) | (port >> 8)}.0000`;

const talk = (program: Program, bytes: Buffer) =>
	new Promise<string>((resolve, reject) => {
		let text = '';
		const socket = net.connect(program.port(), '127.0.0.1', () => socket.write(bytes));
		socket.setEncoding('latin1');
		socket.on('data', (piece) => {
			text += piece;
		});
		socket.on('error', reject);
		socket.on('close', () => resolve(text));
	});

t.test('to the server that the cookie names', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const origins = await Promise.all(['one', 'two', 'three'].map(origin));
	t.teardown(() => {
		for (const server of origins) server.close();
	});
	const [one = 0, two = 0, three = 0] = origins.map(portOf);
	const config = `
defaults
  mode tcp
  timeout client 5s
  timeout connect 1s
  timeout server 5s
listen rdp
  bind 127.0.0.1:\${port1}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.rdp_cookie(msts) -m found } || { req.len gt 11 }
  persist rdp-cookie
  server one 127.0.0.1:${one}
  server two 127.0.0.1:${two}
  server three 127.0.0.1:${three}
`;
	const programs = await Promise.all(
		(['haproxy', 'holdfast'] as const).map((program) => startProgram(t, { config, ports: 1, program })),
	);
	for (const cookie of [
		`msts=${cookieOf(three)}`,
		`msts=${cookieOf(three)}`,
		`msts=${cookieOf(two)}`,
		'msts=unknown',
		`msts=${cookieOf(two, 0x0200007f)}`,
		`other=${cookieOf(three)}`,
		`MSTS=${cookieOf(one)}`,
		`msts=${cookieOf(three).replace('.0000', '')}`,
		'msts=99999999999.1.0000',
	]) {
		const [theirs, ours] = await Promise.all(programs.map((program) => talk(program, connectionRequest(cookie))));
		t.equal(ours, theirs, `${cookie}: ${theirs}`);
	}
});
