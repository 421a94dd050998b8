/**
 * TLS for one name, or a few that are served alike: a `tls.Server` of Node's that never listens and is given connections
 * by its documented 'connection' event. It is made when the first client asks for it.
 *
 * Sessions are resumed wherever clients are asked for their certificates in the same way, and nowhere else: a session
 * that began where nobody asked is no way around (RFC 8446, section 4.2.11 leaves that to the server).
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { PeerVerification } from '../sample/types.js';
import { contextOptions, type Served } from './certificate-store.js';
import { CertificateJudge } from './client-certificate.js';

/** A handshake that is over. */
export interface SecuredSocket {
	readonly socket: tls.TLSSocket;
	/** What is wrong with the client's certificate, and was to be ignored. */
	readonly verification: PeerVerification | undefined;
	/** `tune.ssl.keylog`: secrets by their labels, as hexadecimal digits. */
	readonly secrets: ReadonlyMap<string, string> | undefined;
}

/** Called once per connection: with its socket, or with the reason why there is none. */
export type HandshakeDone = (secured: SecuredSocket | undefined, error: Error | undefined) => void;

export interface ServedTlsOptions {
	readonly ticketKeys: Buffer;
	readonly keylog: boolean;
	readonly recordBytesMax: number | undefined;
	/** The OCSP response for a certificate. */
	readonly staple: ((certificate: Buffer) => Buffer | undefined) | undefined;
}

/** Above every timeout of the configuration: the listener has its own. */
const HANDSHAKE_TIMEOUT_NONE_MS = 2 ** 31 - 1;

/** The most bytes that OpenSSL takes for the name of what a session belongs to. */
const SESSION_CONTEXT_LENGTH = 32;

export class ServedTls {
	readonly #server: tls.Server;
	readonly #judge: CertificateJudge;
	readonly #waiting = new WeakMap<object, HandshakeDone>();
	readonly #secrets = new WeakMap<tls.TLSSocket, Map<string, string>>();
	readonly #recordBytesMax: number | undefined;

	/** @throws what OpenSSL says */
	constructor({ certificates, settings }: Pick<Served, 'certificates' | 'settings'>, options: ServedTlsOptions) {
		const { verify } = settings;
		this.#judge = new CertificateJudge(settings);
		this.#recordBytesMax = options.recordBytesMax;
		const server = tls.createServer({
			...contextOptions(settings),
			cert: certificates.map(({ pem }) => pem),
			key: certificates.map(({ key }) => key),
			...(settings.alpn.length === 0 ? {} : { ALPNProtocols: [...settings.alpn] }),
			requestCert: verify !== 'none',
			// With errors to ignore, who may come is judged here and not by Node.
			rejectUnauthorized: verify === 'required' && !this.#judge.ignoresAny,
			ticketKeys: options.ticketKeys,
			sessionIdContext: sessionContext(settings),
			handshakeTimeout: HANDSHAKE_TIMEOUT_NONE_MS,
			allowHalfOpen: true,
		} as tls.TlsOptions);
		this.#server = server;
		server.on('secureConnection', (socket) => {
			// OpenSSL is still at work below this call: a socket that is destroyed in it takes the process along.
			setImmediate(() => this.#secured(socket));
		});
		// Node destroys the socket itself.
		server.on('tlsClientError', (error, socket) => setImmediate(() => this.#end(socket, undefined, error)));
		if (options.keylog) server.on('keylog', (line, socket) => this.#keep(line, socket));
		const { staple } = options;
		// A handshake waits for an answer where this is listened to: not without anything to answer.
		if (staple !== undefined) {
			server.on('OCSPRequest', (certificate, _issuer, done) => done(null, staple(certificate) as Buffer));
		}
	}

	/** Begins the handshake on a connection of which nothing was read, or what was has been given back. */
	accept(socket: Socket, done: HandshakeDone): void {
		this.#waiting.set(socket, done);
		this.#server.emit('connection', socket);
	}

	#secured(socket: tls.TLSSocket): void {
		if (socket.destroyed) {
			this.#end(socket, undefined, new Error('connection closed'));
			return;
		}
		const verdict = this.#judge.judge(socket);
		if (typeof verdict === 'string') {
			this.#end(socket, undefined, new Error(`client certificate: ${verdict}`));
			return;
		}
		if (this.#recordBytesMax !== undefined) socket.setMaxSendFragment(this.#recordBytesMax);
		this.#end(socket, { socket, verification: verdict, secrets: this.#secrets.get(socket) }, undefined);
	}

	/** `<label> <client random> <secret>`, a line each. */
	#keep(line: Buffer, socket: tls.TLSSocket): void {
		const [label = '', random = '', secret = ''] = line.toString('latin1').trim().split(' ');
		let secrets = this.#secrets.get(socket);
		if (secrets === undefined) {
			secrets = new Map();
			this.#secrets.set(socket, secrets);
		}
		secrets.set(label, secret).set('client random', random);
	}

	#end(socket: tls.TLSSocket, secured: SecuredSocket | undefined, error: Error | undefined): void {
		const raw = (socket as unknown as { readonly _parent: object })._parent;
		const done = this.#waiting.get(raw);
		if (done === undefined) {
			socket.destroy();
			return;
		}
		this.#waiting.delete(raw);
		done(secured, error);
	}
}

/** The same for all that ask for certificates in the same way. */
function sessionContext({ verify, ca, caVerify, crl, caIgnoredErrors, crtIgnoredErrors }: Served['settings']): string {
	const asked = verify === 'none' ? '' : JSON.stringify([verify, ca, caVerify, crl, caIgnoredErrors, crtIgnoredErrors]);
	return createHash('sha256').update(`holdfast ${asked}`).digest('hex').slice(0, SESSION_CONTEXT_LENGTH);
}
