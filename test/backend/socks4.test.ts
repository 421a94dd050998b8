/** SOCKS4: the request's bytes, and a tunnel through a small proxy written here: granted, refused, silent, in pieces, closed. */
import net from 'node:net';
import t from 'tap';
import { SocksTunnel, socksRequest } from '../../lib/backend/socks4.js';

type Reply = (socket: net.Socket, request: Buffer) => void;

/** A SOCKS4 proxy that does with each request what the test says, and then echoes. */
async function proxy(
	t: { teardown(callback: () => void): unknown },
	reply: Reply,
): Promise<{ port: number; requests: Buffer[] }> {
	const requests: Buffer[] = [];
	const server = net.createServer((socket) => {
		socket.on('error', () => undefined);
		socket.once('data', (chunk) => {
			requests.push(chunk.subarray(0, 9));
			reply(socket, chunk);
			socket.on('data', (more) => socket.write(more));
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => void server.close());
	return { port: (server.address() as net.AddressInfo).port, requests };
}

const GRANTED = Buffer.from([0, 90, 0, 0, 0, 0, 0, 0]);

function connect(port: number, host = '192.0.2.7'): SocksTunnel {
	return new SocksTunnel({ kind: 'ip', address: '127.0.0.1', family: 4, port }, host, 8080);
}

const failure = (tunnel: SocksTunnel): Promise<Error> => new Promise((resolve) => tunnel.once('error', resolve));

t.test('the request', async (t) => {
	t.equal(socksRequest('192.0.2.7', 8080)?.toString('hex'), '04011f90c000020700');
	t.equal(socksRequest('::ffff:192.0.2.7', 80)?.toString('hex'), '04010050c000020700', 'an IPv4 address in IPv6');
	t.equal(socksRequest('2001:db8::1', 80), undefined, 'SOCKS4 knows no IPv6');
});

t.test('what was written before the proxy has answered follows its answer', async (t) => {
	const { port, requests } = await proxy(t, (socket) => {
		// In pieces, the last of which has the first bytes of the server with it.
		socket.write(GRANTED.subarray(0, 3));
		setImmediate(() => socket.write(Buffer.concat([GRANTED.subarray(3), Buffer.from('hello ')])));
	});
	const tunnel = connect(port);
	t.equal(tunnel.connecting, true);
	tunnel.write('early ');
	const stands = new Promise((resolve) => tunnel.once('secureConnect', resolve));
	let text = '';
	tunnel.on('data', (chunk: Buffer) => {
		text += chunk.toString();
		if (text.endsWith('late')) tunnel.end();
	});
	const closed = new Promise((resolve) => tunnel.once('close', resolve));
	await stands;
	t.equal(tunnel.connecting, false);
	t.equal(tunnel.remotePort, port);
	tunnel.write('late');
	await closed;
	t.equal(text, 'hello early late');
	t.equal(requests[0]?.toString('hex'), '04011f90c000020700');
});

t.test('refused, or no answer at all', async (t) => {
	const refusing = await proxy(t, (socket) => socket.write(Buffer.from([0, 91, 0, 0, 0, 0, 0, 0])));
	t.match(await failure(connect(refusing.port)), { message: /refuses \(91\)/, code: 'ECONNREFUSED' });
	const closing = await proxy(t, (socket) => socket.end());
	t.match(await failure(connect(closing.port)), /closed the connection/);
	const other = await proxy(t, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
	t.match(await failure(connect(other.port)), /refuses/);
	t.match(await failure(connect(other.port, '2001:db8::1')), /only IPv4/);
});

t.test('a reader that is slower than the proxy holds it back', async (t) => {
	const total = 4 * 1024 * 1024;
	const { port } = await proxy(t, (socket) => {
		socket.write(GRANTED);
		socket.end(Buffer.alloc(total, 'x'));
	});
	const tunnel = connect(port);
	await new Promise((resolve) => tunnel.once('connect', resolve));
	tunnel.pause();
	await new Promise((resolve) => setImmediate(resolve));
	t.ok(tunnel.readableLength < total, `${tunnel.readableLength} bytes wait`);
	let received = 0;
	tunnel.on('data', (chunk: Buffer) => {
		received += chunk.length;
	});
	tunnel.resume();
	await new Promise((resolve) => tunnel.once('end', resolve));
	t.equal(received, total);
	tunnel.destroy();
});
