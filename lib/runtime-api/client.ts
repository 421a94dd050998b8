/**
 * The other end of a stats socket: gives commands and hands on the answer as it comes. What `holdfast cli` and tests
 * talk with; other tools (socat, libraries for HAProxy) do the same.
 */
import { connect, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { SocketAddress } from '../core/address.js';
import { HoldfastError } from '../core/errors.js';

/** How long an answer may be silent. */
const ANSWER_TIMEOUT_MS = 30_000;

/** Connects; throws SOCKET_UNREACHABLE with the system's reason. */
export function connectTo(address: SocketAddress): Promise<Socket> {
	const where =
		address.kind === 'unix'
			? { path: address.abstract ? `\0${address.path}` : address.path }
			: address.kind === 'ip'
				? { host: reachable(address.address), port: address.port }
				: undefined;
	if (where === undefined) {
		return Promise.reject(new HoldfastError('SOCKET_UNREACHABLE', 'only a path or an IP address can be connected to'));
	}
	return new Promise((resolve, reject) => {
		const socket = connect({ ...where, allowHalfOpen: true });
		socket.once('connect', () => resolve(socket));
		socket.once('error', (cause) => reject(new HoldfastError('SOCKET_UNREACHABLE', cause.message, { cause })));
	});
}

/** Where a socket that listens everywhere can be reached. */
function reachable(host: string): string {
	if (host === '0.0.0.0') return '127.0.0.1';
	return host === '::' ? '::1' : host;
}

/** `show events <ring> -w`, which lasts until its client says something or leaves. */
const GOES_ON = /^\s*(?:@\S+\s+)?show\s+events\s+\S+\s+(?:-\w+\s+)*-n?w/;

/** Gives the commands of one line and writes the answer to `output`; resolves when the other side has closed. */
export async function runCommand(address: SocketAddress, command: string, output: Writable): Promise<void> {
	const socket = await connectTo(address);
	await new Promise<void>((resolve, reject) => {
		socket.once('error', (cause) => reject(new HoldfastError('SOCKET_UNREACHABLE', cause.message, { cause })));
		socket.once('close', () => resolve());
		socket.pipe(output, { end: false });
		// End-of-stream behind the command: nothing else will be asked. It would also be the end of one that goes on.
		if (GOES_ON.test(command)) socket.write(`${command}\n`, 'latin1');
		else socket.end(`${command}\n`, 'latin1');
	});
}

/** Gives the commands of one line; resolves with the whole answer, rejects with SOCKET_UNREACHABLE. */
export async function ask(address: SocketAddress, command: string): Promise<string> {
	const socket = await connectTo(address);
	return new Promise((resolve, reject) => {
		const pieces: string[] = [];
		socket.setEncoding('latin1');
		socket.on('data', (piece) => pieces.push(String(piece)));
		socket.once('error', (cause) => reject(new HoldfastError('SOCKET_UNREACHABLE', cause.message, { cause })));
		socket.once('close', () => resolve(pieces.join('')));
		socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
			reject(new HoldfastError('SOCKET_UNREACHABLE', 'no answer came in time'));
			socket.destroy();
		});
		socket.end(`${command}\n`, 'latin1');
	});
}

/** A person at a terminal: what is typed goes there, with the prompt of the other side, until one of them leaves. */
export async function converse(address: SocketAddress, input: Readable, output: Writable): Promise<void> {
	const socket = await connectTo(address);
	await new Promise<void>((resolve, reject) => {
		socket.once('error', (cause) => reject(new HoldfastError('SOCKET_UNREACHABLE', cause.message, { cause })));
		socket.once('close', () => resolve());
		socket.pipe(output, { end: false });
		socket.write('prompt\n');
		input.pipe(socket);
	});
}
