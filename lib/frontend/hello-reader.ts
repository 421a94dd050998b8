/**
 * Reads a client's hello before TLS does, and gives the bytes back: where the certificate depends on the name that is
 * asked for, or a rule asks for the lists of the hello (manual, 3.2 `tune.ssl.capture-buffer-size`).
 *
 * A certificate is chosen with everything that belongs to it (versions, ciphers, who must show a certificate) before the
 * handshake begins. Node's own way, `SNICallback`, exchanges the certificate alone in a handshake that has begun, and is
 * not asked at all when a session is resumed.
 */
import type { Socket } from 'node:net';
import { type Hello, readHello } from '../sample/client-hello.js';

/** More than any client needs, keys of post-quantum exchanges included. */
const HELLO_BYTES_MAX = 64 * 1024;

/** With the hello; undefined: what came is none, which TLS will say. */
type HelloDone = (hello: Hello | undefined) => void;

class HelloReader {
	readonly #socket: Socket;
	readonly #done: HelloDone;
	readonly #closed: () => void;
	#bytes: Buffer = Buffer.alloc(0);

	constructor(socket: Socket, done: HelloDone, closed: () => void) {
		this.#socket = socket;
		this.#done = done;
		this.#closed = closed;
		socket.on('data', this.#onData);
		socket.on('end', this.#onEnd);
		socket.resume();
	}

	readonly #onData = (chunk: Buffer): void => {
		this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
		const reading = readHello(this.#bytes);
		if (reading === 'incomplete' && this.#bytes.length < HELLO_BYTES_MAX) return;
		this.#leave();
		this.#socket.pause();
		this.#socket.unshift(this.#bytes);
		this.#done(typeof reading === 'string' ? undefined : reading);
	};

	readonly #onEnd = (): void => {
		this.#leave();
		this.#closed();
	};

	#leave(): void {
		this.#socket.off('data', this.#onData);
		this.#socket.off('end', this.#onEnd);
	}
}

/** Calls back once, unless the socket is destroyed meanwhile; `closed`: the client sends no more. */
export function readClientHello(socket: Socket, done: HelloDone, closed: () => void): void {
	new HelloReader(socket, done, closed);
}
