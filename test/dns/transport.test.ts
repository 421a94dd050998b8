/** Real sockets on loopback: datagrams, messages in pieces over TCP, and nobody there. */
import { createSocket } from 'node:dgram';
import net from 'node:net';
import t from 'tap';
import type { NameserverModel } from '../../lib/config/resolvers-model.js';
import { systemTransport } from '../../lib/dns/transport.js';
import { freePorts } from '../fixtures/ports.js';

const nameserver = (port: number, transport: 'udp' | 'tcp'): NameserverModel => {
	return { place: { file: 'test.cfg', line: 1 }, name: 'n', address: '127.0.0.1', port, transport };
};

function send(port: number, protocol: 'udp' | 'tcp', message: Buffer): Promise<Buffer | 'failed'> {
	return new Promise((resolve) => {
		const sent = systemTransport.send(nameserver(port, protocol), protocol, message, {
			received(bytes) {
				sent.close();
				resolve(bytes);
			},
			failed: () => resolve('failed'),
		});
	});
}

t.test('datagrams, each from a port of its own', async (t) => {
	const server = createSocket('udp4');
	const ports: number[] = [];
	server.on('message', (bytes, from) => {
		ports.push(from.port);
		server.send(Buffer.concat([bytes, bytes]), from.port, from.address);
	});
	await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
	t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
	const { port } = server.address();
	t.same(await send(port, 'udp', Buffer.from('ab')), Buffer.from('abab'));
	await Promise.all(Array.from({ length: 5 }, () => send(port, 'udp', Buffer.from('c'))));
	t.ok(new Set(ports).size > 1);
});

t.test('a message over TCP, byte by byte', async (t) => {
	const server = net.createServer((socket) => {
		socket.on('error', () => undefined);
		socket.on('data', async (bytes) => {
			t.same(bytes, Buffer.from('\0\x02ab'));
			for (const byte of Buffer.from('\0\x03xyz')) {
				socket.write(Buffer.from([byte]));
				await new Promise((resolve) => setImmediate(resolve));
			}
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
	const { port } = server.address() as net.AddressInfo;
	t.same(await send(port, 'tcp', Buffer.from('ab')), Buffer.from('xyz'));
});

t.test('nobody there, and who hangs up', async (t) => {
	const [port = 0] = await freePorts(1);
	t.equal(await send(port, 'udp', Buffer.from('a')), 'failed');
	t.equal(await send(port, 'tcp', Buffer.from('a')), 'failed');
	const server = net.createServer((socket) => {
		socket.on('error', () => undefined);
		socket.resume();
		socket.end('\0\x09ab');
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
	t.equal(await send((server.address() as net.AddressInfo).port, 'tcp', Buffer.from('a')), 'failed');
});
