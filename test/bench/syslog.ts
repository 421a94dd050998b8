/**
 * The syslog server of the benchmarks: takes datagrams and forgets them. Argument: the port, on which it listens by
 * TCP too, to say that it is ready.
 */
import { createSocket } from 'node:dgram';
import net from 'node:net';

const port = Number(process.argv[2]);

createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
	.on('message', () => undefined)
	.bind(port, '127.0.0.1', () => {
		net.createServer((socket) => socket.end()).listen(port, '127.0.0.1');
	});
