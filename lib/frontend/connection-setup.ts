/**
 * What stands between a connection that was accepted and its first request: the PROXY protocol header, then the TLS
 * handshake. Bounded in bytes and in time; a client that fails here has cost a socket and is gone.
 */
import { Socket } from 'node:net';
import type { Timer } from '../core/clock.js';
import {
	CERTIFICATE_VERIFY_FAILED,
	type ConnectionFailure,
	connectionErrorId,
	NO_CERTIFICATE,
	openSslErrorOf,
} from '../core/connection-errors.js';
import { readCipHeader } from '../core/netscaler-cip.js';
import { type ProxyHeader, readProxyHeader } from '../core/proxy-protocol.js';
import { resetSocket } from '../core/reset-socket.js';
import type { Session } from '../stream/session.js';
import type { SecuredClient } from '../stream/tls-view.js';
import { ClientCertificateError } from './served-tls.js';
import type { TlsAcceptor } from './tls-acceptor.js';

export interface SetupOptions {
	readonly session: Session;
	readonly handle: unknown;
	/** `accept-proxy`, or a rule `expect-proxy`. */
	readonly expectsProxy: boolean;
	/** The magic number of the NetScaler's header that comes before, if one is expected. */
	readonly cipMagic?: number | undefined;
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
	/** Of the headers that are expected, the NetScaler's comes first. */
	#awaitsCip: boolean;

	constructor(options: SetupOptions) {
		this.#options = options;
		const { session, timeoutMs } = options;
		this.#awaitsCip = options.cipMagic !== undefined;
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
		if (this.#options.expectsProxy || this.#awaitsCip) {
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
		if (this.#awaitsCip && !this.#readCip(this.#options.cipMagic ?? 0)) return;
		let rest = this.#header;
		if (this.#options.expectsProxy) {
			const result = readProxyHeader(rest);
			if (result === 'incomplete') return;
			if ('malformed' in result) {
				this.#fail(`PROXY protocol: ${result.malformed}`);
				return;
			}
			this.#apply(result);
			rest = rest.subarray(result.length);
		}
		const socket = this.#socket;
		socket.pause();
		socket.off('data', this.#onData);
		socket.off('end', this.#onClose);
		this.#isReadingHeader = false;
		if (rest.length > 0) socket.unshift(rest);
		this.#secure();
	};

	/** True once the NetScaler's header is there; what follows it is then left in `#header`. */
	#readCip(magic: number): boolean {
		const result = readCipHeader(this.#header, magic);
		if (result === 'incomplete') return false;
		if ('malformed' in result) {
			this.#fail(`NetScaler Client IP: ${result.malformed}`);
			return false;
		}
		const { source, sourcePort, destination, destinationPort } = result.endpoints;
		const { session } = this.#options;
		session.setSource(source, sourcePort);
		session.setDestination(destination, destinationPort);
		this.#header = this.#header.subarray(result.length);
		this.#awaitsCip = false;
		return true;
	}

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
		tls.accept(this.#socket, (accepted, error) => {
			if (this.#isOver) accepted?.socket.destroy();
			else if (accepted === undefined) this.#refuse(error);
			else this.#becomeSecure(accepted);
		});
	}

	#refuse(error: Error | undefined): void {
		const reason = error instanceof ClientCertificateError ? certificateFailureText(error) : undefined;
		this.#fail(`SSL handshake failure: ${error?.message ?? 'connection closed'}`, reason, error);
	}

	#becomeSecure(accepted: SecuredClient): void {
		this.#options.session.secured(accepted);
		this.#become(accepted.socket);
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

	#failureOf(reason: string, error: Error | undefined): ConnectionFailure {
		const id = connectionErrorId(reason);
		if (this.#isReadingHeader || this.#options.tls === undefined) return { id, tls: undefined };
		if (!(error instanceof ClientCertificateError)) return { id, tls: openSslErrorOf(error) ?? 'none' };
		const { code, depth } = error.refusal;
		if (code === undefined) return { id, tls: NO_CERTIFICATE };
		const [own, authority] = depth === 0 ? [code, 0] : [0, code];
		const verification = { result: code, error: own, caError: authority, caErrorDepth: depth };
		return { id, tls: CERTIFICATE_VERIFY_FAILED, verification };
	}

	readonly #onError = (error: Error): void => this.#fail(error.message);
	readonly #onClose = (): void => this.#fail('connection closed');

	#fail(detail: string, sentence?: string, error?: Error): void {
		if (this.#isOver) return;
		this.#isOver = true;
		const isNull = this.#socket.bytesRead === 0;
		const reason = sentence ?? failureText(this.#isReadingHeader, isNull, detail, this.#awaitsCip);
		this.#timer?.cancel();
		this.#socket.off('data', this.#onData);
		this.#socket.off('close', this.#onClose);
		// Whoever sends no header, or another one, is told so by a reset.
		if (this.#isReadingHeader && !this.#socket.destroyed) resetSocket(this.#socket);
		else this.#socket.destroy();
		this.#options.session.failure = this.#failureOf(reason, error);
		this.#options.failed(reason, detail, isNull);
	}
}

/** The sentences of the reference (manual, 8.2.5). */
function failureText(isReadingHeader: boolean, isNull: boolean, detail: string, ofCip: boolean): string {
	if (!isReadingHeader) {
		if (detail === 'timeout') return 'Timeout during SSL handshake';
		// As observed: a reset within a message is a failure.
		const isClosed = isNull || detail.endsWith('connection closed') || detail.endsWith('socket hang up');
		return isClosed ? 'Connection closed during SSL handshake' : 'SSL handshake failure';
	}
	if (ofCip) return cipFailureText(isNull, detail);
	if (detail === 'timeout') return 'Timeout while waiting for PROXY protocol header';
	if (isNull) return 'Connection closed while waiting for PROXY protocol header';
	return detail.includes('no PROXY protocol header')
		? 'Received something which does not look like a PROXY protocol header'
		: 'Truncated PROXY protocol header received';
}

/** Undefined where a client that must show a certificate has none: its handshake has failed like any other. */
function certificateFailureText({ refusal: { code, depth } }: ClientCertificateError): string | undefined {
	if (code === undefined) return undefined;
	return depth > 0 ? 'SSL client CA chain cannot be verified' : 'SSL client certificate not trusted';
}

function cipFailureText(isNull: boolean, detail: string): string {
	if (detail === 'timeout') return 'Timeout while waiting for NetScaler Client IP header';
	if (isNull) return 'Connection closed while waiting for NetScaler Client IP header';
	if (detail.includes('magic')) return 'Received an invalid NetScaler Client IP magic number';
	if (detail.includes('no headers')) return 'Received an unhandled protocol in the NetScaler Client IP header';
	return 'Truncated NetScaler Client IP header received';
}
