/**
 * TLS of one bind line in one data thread. It never listens: connections are handed to it after the early rules, and
 * come back as sockets in clear when their handshake is over, or not at all.
 *
 * Node's `tls.Server` does the work (certificates by name, tickets, verification), given each connection by its
 * documented 'connection' event. The tickets' keys are one set for the process, so that a client resumes its session
 * in whichever thread, and over a reload.
 */
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { BindTlsModel } from '../config/model.js';
import { CertificateStore, serverTlsOptions } from '../core/tls.js';

/** Called once per connection: with its socket, or with the reason why there is none. */
export type HandshakeDone = (socket: tls.TLSSocket | undefined, error: Error | undefined) => void;

/** Above every timeout of the configuration: the listener has its own. */
const HANDSHAKE_TIMEOUT_NONE_MS = 2 ** 31 - 1;

export class TlsAcceptor {
	readonly #server: tls.Server;
	readonly #waiting = new WeakMap<object, HandshakeDone>();

	/** @throws Error that names the file of a certificate which cannot be used */
	constructor(model: BindTlsModel, ticketKeys: Uint8Array) {
		const store = new CertificateStore(model);
		const server = tls.createServer({
			...serverTlsOptions(model, store, ticketKeys),
			handshakeTimeout: HANDSHAKE_TIMEOUT_NONE_MS,
			allowHalfOpen: true,
		} as tls.TlsOptions);
		this.#server = server;
		const isOptional = model.verify === 'optional';
		server.on('secureConnection', (socket) => {
			// A certificate that need not be shown must be good when it is (manual, 5.1 `verify`).
			// OpenSSL is still at work below this call: a socket that is destroyed in it takes the process along.
			setImmediate(() => {
				if (socket.destroyed) this.#end(socket, undefined, new Error('connection closed'));
				else if (isOptional && !socket.authorized && socket.getPeerX509Certificate() !== undefined) {
					this.#end(socket, undefined, new Error(`client certificate: ${socket.authorizationError}`));
				} else this.#end(socket, socket, undefined);
			});
		});
		// Node destroys the socket itself.
		server.on('tlsClientError', (error, socket) => setImmediate(() => this.#end(socket, undefined, error)));
	}

	/** Begins the handshake on a connection of which nothing, or less than the client hello, was read. */
	accept(socket: Socket, done: HandshakeDone): void {
		this.#waiting.set(socket, done);
		this.#server.emit('connection', socket);
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
