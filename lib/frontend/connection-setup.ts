/**
 * What stands between a connection that was accepted and its first request: the PROXY protocol header, then the TLS
 * handshake. Bounded in bytes and in time; a client that fails here has cost a socket and is gone.
 */
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Timer } from '../core/clock.js';
import { type ProxyHeader, readProxyHeader } from '../core/proxy-protocol.js';
import { resetSocket } from '../core/reset-socket.js';
import type { Session } from '../stream/session.js';
import type { TlsAcceptor } from './tls-acceptor.js';

export interface SetupOptions {
	readonly session: Session;
	readonly handle: unknown;
	/** `accept-proxy`, or a rule `expect-proxy`. */
	readonly expectsProxy: boolean;
	readonly tls: TlsAcceptor | undefined;
	/** `timeout client-hs`, else `timeout client`; undefined: no limit. */
	readonly timeoutMs: number | undefined;
	/** The connection is ready to be served. */
	readonly ready: (socket: Socket) => void;
	/** It has closed, or was refused: in the reference's words, and in detail; `isNull`: it never sent a byte. */
	readonly failed: (reason: string, detail: string, isNull: boolean) => void;
}

/** While it is set up, a connection is one of its listener's, to be closed with the others. */
export class ConnectionSetup {
	readonly stream = undefined;
	readonly #options: SetupOptions;
	readonly #socket: Socket;
	#timer: Timer | undefined;
	#header: Buffer = Buffer.alloc(0);
	#isOver = false;
	#isReadingHeader = false;

	constructor(options: SetupOptions) {
		this.#options = options;
		const { session, timeoutMs } = options;
		const socket = new Socket({ handle: options.handle, allowHalfOpen: true } as ConstructorParameters<
			typeof Socket
		>[0]);
		socket.setNoDelay(true);
		this.#socket = socket;
		socket.on('error', this.#onError);
		socket.on('close', this.#onClose);
		if (timeoutMs !== undefined) {
			this.#timer = session.thread.clock.setTimer(() => this.#fail('timeout'), timeoutMs);
		}
	}

	begin(): void {
		if (this.#options.expectsProxy) {
			this.#isReadingHeader = true;
			this.#socket.on('data', this.#onData);
			this.#socket.on('end', this.#onClose);
			// An accepted handle is read from only when it is asked for.
			this.#socket.resume();
		} else this.#secure();
	}

	closeIdle(): void {}

	destroy(): void {
		this.#fail('stopping');
	}

	readonly #onData = (chunk: Buffer): void => {
		this.#header = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
		const result = readProxyHeader(this.#header);
		if (result === 'incomplete') return;
		if ('malformed' in result) {
			this.#fail(`PROXY protocol: ${result.malformed}`);
			return;
		}
		const socket = this.#socket;
		socket.pause();
		socket.off('data', this.#onData);
		socket.off('end', this.#onClose);
		this.#isReadingHeader = false;
		this.#apply(result);
		const rest = this.#header.subarray(result.length);
		if (rest.length > 0) socket.unshift(rest);
		this.#secure();
	};

	#apply({ endpoints, fields }: ProxyHeader): void {
		const { session } = this.#options;
		session.proxyFields = fields;
		if (endpoints === undefined) return;
		session.setSource(endpoints.source, endpoints.sourcePort);
		session.setDestination(endpoints.destination, endpoints.destinationPort);
	}

	#secure(): void {
		const { tls } = this.#options;
		if (tls === undefined) {
			this.#become(this.#socket);
			return;
		}
		tls.accept(this.#socket, (socket, error) => {
			if (this.#isOver) socket?.destroy();
			else if (socket === undefined) this.#fail(`SSL handshake failure: ${error?.message ?? 'connection closed'}`);
			else this.#becomeSecure(socket);
		});
	}

	#becomeSecure(socket: TLSSocket): void {
		this.#options.session.tlsSocket = socket;
		this.#become(socket);
	}

	#become(socket: Socket): void {
		this.#isOver = true;
		this.#timer?.cancel();
		if (socket === this.#socket) {
			socket.off('error', this.#onError);
			socket.off('close', this.#onClose);
		}
		this.#options.ready(socket);
	}

	readonly #onError = (error: Error): void => this.#fail(error.message);
	readonly #onClose = (): void => this.#fail('connection closed');

	#fail(detail: string): void {
		if (this.#isOver) return;
		this.#isOver = true;
		const isNull = this.#socket.bytesRead === 0;
		const reason = failureText(this.#isReadingHeader, isNull, detail);
		this.#timer?.cancel();
		this.#socket.off('data', this.#onData);
		this.#socket.off('close', this.#onClose);
		// Whoever sends no header, or another one, is told so by a reset.
		if (this.#isReadingHeader && !this.#socket.destroyed) resetSocket(this.#socket);
		else this.#socket.destroy();
		this.#options.failed(reason, detail, isNull);
	}
}

/** The sentences of the reference (manual, 8.2.5). */
function failureText(isReadingHeader: boolean, isNull: boolean, detail: string): string {
	if (!isReadingHeader) return detail === 'timeout' ? 'Timeout during SSL handshake' : 'SSL handshake failure';
	if (detail === 'timeout') return 'Timeout while waiting for PROXY protocol header';
	if (isNull) return 'Connection closed while waiting for PROXY protocol header';
	return detail.includes('no PROXY protocol header')
		? 'Received something which does not look like a PROXY protocol header'
		: 'Truncated PROXY protocol header received';
}
