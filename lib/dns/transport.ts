/**
 * One question to one name server, over UDP or TCP.
 *
 * A datagram goes out on a socket of its own: its port is another one each time and closes with the answer, so who
 * wants to slip in an answer has to guess port and number together (RFC 5452, section 9). The socket is connected,
 * so the system drops what comes from elsewhere, and tells at once when nobody listens there.
 */
import { createSocket } from 'node:dgram';
import net from 'node:net';
import type { NameserverModel } from '../config/resolvers-model.js';

export interface TransportListener {
	/** A whole message from the name server's address. */
	received(bytes: Buffer): void;
	/** It cannot be reached, or has hung up: no answer will come. */
	failed(): void;
}

export interface Transport {
	/** Sends one message; the result gives up waiting. */
	send(
		nameserver: NameserverModel,
		protocol: 'udp' | 'tcp',
		message: Buffer,
		listener: TransportListener,
	): { close(): void };
}

/** A message over TCP has its length in front, two bytes (RFC 1035, 4.2.2). */
const LENGTH_BYTES = 2;

export const systemTransport: Transport = {
	send(nameserver, protocol, message, listener) {
		return protocol === 'udp' ? sendDatagram(nameserver, message, listener) : sendByTcp(nameserver, message, listener);
	},
};

function sendDatagram({ address, port }: NameserverModel, message: Buffer, listener: TransportListener) {
	const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
	let closed = false;
	const close = (): void => {
		if (closed) return;
		closed = true;
		socket.close();
	};
	const fail = (): void => {
		if (closed) return;
		close();
		listener.failed();
	};
	socket.on('error', fail);
	socket.on('message', (bytes) => {
		if (!closed) listener.received(bytes);
	});
	socket.connect(port, address, () => {
		if (!closed) socket.send(message, (error) => (error === null ? undefined : fail()));
	});
	return { close };
}

function sendByTcp({ address, port }: NameserverModel, message: Buffer, listener: TransportListener) {
	const socket = net.connect({ host: address, port, noDelay: true });
	let closed = false;
	let received: Buffer = Buffer.alloc(0);
	const close = (): void => {
		closed = true;
		socket.destroy();
	};
	const fail = (): void => {
		if (closed) return;
		close();
		listener.failed();
	};
	const length = Buffer.alloc(LENGTH_BYTES);
	length.writeUInt16BE(message.length);
	socket.write(Buffer.concat([length, message]));
	socket.on('error', fail);
	socket.on('end', fail);
	socket.on('data', (chunk: Buffer) => {
		received = Buffer.concat([received, chunk]);
		while (!closed && received.length >= LENGTH_BYTES) {
			const end = LENGTH_BYTES + received.readUInt16BE(0);
			if (received.length < end) return;
			const whole = received.subarray(LENGTH_BYTES, end);
			received = received.subarray(end);
			listener.received(whole);
		}
	});
	return { close };
}
