/**
 * TLS of one bind line in one data thread. It never listens: connections are handed to it after the early rules, and
 * come back as sockets in clear when their handshake is over, or not at all.
 *
 * Node's `tls.Server` does the work (certificates by name, tickets, verification), given each connection by its
 * documented 'connection' event. The tickets' keys are one set for the process, so that a client resumes its session
 * in whichever thread, and over a reload; or those of `tls-ticket-keys`, one set for all nodes that have the file.
 *
 * What a certificate's line of a `crt-list` says of `verify` cannot be said to Node in public: the socket that asks for
 * the certificate is told, as Node's own constructor tells it.
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { BindTlsModel, TicketKeysModel } from '../config/model.js';
import { CertificateStore, contextOptions, type Served } from './certificate-store.js';
import { changedTls, type TlsChange } from './tls-change.js';

/** Called once per connection: with its socket, or with the reason why there is none. */
export type HandshakeDone = (socket: tls.TLSSocket | undefined, error: Error | undefined) => void;

/** Above every timeout of the configuration: the listener has its own. */
const HANDSHAKE_TIMEOUT_NONE_MS = 2 ** 31 - 1;

/** The part of Node's TLS socket that decides about the client's certificate. */
interface VerifyingSocket {
	_requestCert: boolean;
	_rejectUnauthorized: boolean;
	readonly _handle: { setVerifyMode(request: boolean, reject: boolean): void } | null;
}

export class TlsAcceptor {
	#model: BindTlsModel;
	#store: CertificateStore;
	readonly #ticketKeys: Uint8Array;
	readonly #server: tls.Server;
	readonly #waiting = new WeakMap<object, HandshakeDone>();
	#staples = false;

	/** @throws Error that names the file of a certificate which cannot be used */
	constructor(model: BindTlsModel, ticketKeys: Uint8Array) {
		this.#model = model;
		this.#ticketKeys = ticketKeys;
		this.#store = new CertificateStore(model);
		const acceptor = this;
		const { verify } = this.#store.fallback;
		const server = tls.createServer({
			...this.#ownContext(),
			// Only where a certificate has protocols of its own: Node knows one way or the other, for good.
			...(this.#store.hasOwnAlpn
				? { ALPNCallback: (hello: { servername: string; protocols: string[] }) => this.#chooseProtocol(hello) }
				: model.alpn.length === 0
					? {}
					: { ALPNProtocols: [...model.alpn] }),
			requestCert: verify !== 'none',
			rejectUnauthorized: verify === 'required',
			SNICallback(this: VerifyingSocket, name: string, done: (error: Error | null, found?: tls.SecureContext) => void) {
				acceptor.#chooseCertificate(this, name, done);
			},
			handshakeTimeout: HANDSHAKE_TIMEOUT_NONE_MS,
			allowHalfOpen: true,
		} as tls.TlsOptions);
		this.#server = server;
		server.on('secureConnection', (socket) => {
			// A certificate that need not be shown must be good when it is (manual, 5.1 `verify`).
			// OpenSSL is still at work below this call: a socket that is destroyed in it takes the process along.
			setImmediate(() => {
				if (socket.destroyed) this.#end(socket, undefined, new Error('connection closed'));
				else if (
					!socket.authorized &&
					this.#servedTo(socket)?.verify === 'optional' &&
					socket.getPeerX509Certificate() !== undefined
				) {
					this.#end(socket, undefined, new Error(`client certificate: ${socket.authorizationError}`));
				} else this.#end(socket, socket, undefined);
			});
		});
		// Node destroys the socket itself.
		server.on('tlsClientError', (error, socket) => setImmediate(() => this.#end(socket, undefined, error)));
		this.#stapleIfNeeded();
	}

	/**
	 * Takes over a change at run time, for handshakes from now on.
	 * @throws Error that names the file of a certificate which cannot be used; nothing has changed then
	 */
	apply(change: TlsChange): void {
		const model = changedTls(this.#model, change);
		if (model === this.#model) return;
		this.#store = new CertificateStore(model, this.#store);
		this.#model = model;
		this.#server.setSecureContext(this.#ownContext());
		this.#stapleIfNeeded();
	}

	/** Begins the handshake on a connection of which nothing, or less than the client hello, was read. */
	accept(socket: Socket, done: HandshakeDone): void {
		this.#waiting.set(socket, done);
		this.#server.emit('connection', socket);
	}

	/** For clients that name nobody. With `strict-sni` they find no certificate. */
	#ownContext(): tls.SecureContextOptions & tls.TlsOptions {
		const { certificates } = this.#store.fallback;
		return {
			...contextOptions({ ...this.#model, ...certificates[0]?.options }),
			...(this.#model.strictSni
				? {}
				: { cert: certificates.map(({ pem }) => pem), key: certificates.map(({ key }) => key) }),
			ticketKeys: Buffer.from(ticketKeyOf(this.#model.ticketKeys) ?? this.#ticketKeys),
			sessionIdContext: 'holdfast',
		};
	}

	/** What a client's hello makes throw ends that handshake and nothing else (CVE-2026-21637). */
	#chooseCertificate(
		socket: VerifyingSocket,
		name: string,
		done: (error: Error | null, found?: tls.SecureContext) => void,
	): void {
		let served: Served | undefined;
		try {
			served = this.#store.find(name);
			if (served !== undefined && served.verify !== this.#store.fallback.verify) verify(socket, served.verify);
		} catch (error) {
			done(error instanceof Error ? error : new Error(String(error)));
			return;
		}
		if (served === undefined) done(new Error(`no certificate for '${name}'`));
		else done(null, served.context);
	}

	#chooseProtocol({ servername, protocols }: { servername: string; protocols: string[] }): string | undefined {
		const served = servername === '' ? this.#store.fallback : this.#store.find(servername);
		return (served ?? this.#store.fallback).alpn.find((protocol) => protocols.includes(protocol));
	}

	#servedTo(socket: tls.TLSSocket): Served | undefined {
		const { servername } = socket as tls.TLSSocket & { readonly servername?: string | false | null };
		return typeof servername === 'string' && servername !== '' ? this.#store.find(servername) : this.#store.fallback;
	}

	/** A handshake waits for an answer where this is listened to: not without anything to answer. */
	#stapleIfNeeded(): void {
		if (this.#staples || !this.#store.hasStaples) return;
		this.#staples = true;
		this.#server.on('OCSPRequest', (certificate, _issuer, done) => {
			done(null, this.#store.staple(certificate) as Buffer);
		});
	}

	#end(socket: tls.TLSSocket, result: tls.TLSSocket | undefined, error: Error | undefined): void {
		const raw = (socket as unknown as { readonly _parent: object })._parent;
		const done = this.#waiting.get(raw);
		if (done === undefined) {
			socket.destroy();
			return;
		}
		this.#waiting.delete(raw);
		done(result, error);
	}
}

function verify(socket: VerifyingSocket, mode: BindTlsModel['verify']): void {
	socket._requestCert = mode !== 'none';
	socket._rejectUnauthorized = mode === 'required';
	socket._handle?.setVerifyMode(socket._requestCert, socket._rejectUnauthorized);
}

/** Bytes of a key as Node takes it: its name, and one key each to sign and to encrypt. */
const NODE_TICKET_KEY_BYTES = 48;

/**
 * The key of a `tls-ticket-keys` file that encrypts: the last but one, so that the last is known everywhere before it
 * is used (manual, 5.1 `tls-ticket-keys`). Node knows one key at a time: a ticket of an older one leads to a whole
 * handshake. Keys of 80 bytes, for AES-256, are made to fit.
 */
function ticketKeyOf(model: TicketKeysModel | undefined): Uint8Array | undefined {
	const text = model?.keys.at(-2);
	if (text === undefined) return undefined;
	const key = Buffer.from(text, 'base64');
	if (key.length === NODE_TICKET_KEY_BYTES) return key;
	return createHash('sha384').update(key).digest().subarray(0, NODE_TICKET_KEY_BYTES);
}
