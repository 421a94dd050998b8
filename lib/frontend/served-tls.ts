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
import { CertificateJudge, CertificateRefusal } from './client-certificate.js';
import { alertFor, clearAlert, protectedAlert } from './tls-alert.js';

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

/** A handshake that was broken off for the client's certificate. */
export class ClientCertificateError extends Error {
	readonly refusal: CertificateRefusal;

	constructor(refusal: CertificateRefusal) {
		super(`client certificate: ${refusal.reason}`);
		this.refusal = refusal;
	}
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
	readonly #tellsSecrets: boolean;

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
			// Who may come is judged here: Node would close the connection without a word.
			rejectUnauthorized: false,
			ticketKeys: options.ticketKeys,
			sessionIdContext: sessionContext(settings),
			handshakeTimeout: HANDSHAKE_TIMEOUT_NONE_MS,
			allowHalfOpen: true,
		} as tls.TlsOptions);
		this.#server = server;
		server.on('secureConnection', (socket) => {
			socket.allowHalfOpen = true;
			const verdict = this.#judge.judge(socket);
			// Now, while the rest of the handshake has not left.
			if (verdict instanceof CertificateRefusal) this.#alert(socket, verdict);
			// OpenSSL is still at work below this call: a socket that is destroyed in it takes the process along.
			setImmediate(() => this.#secured(socket, verdict));
		});
		// Node destroys the socket itself.
		server.on('tlsClientError', (error, socket) => setImmediate(() => this.#end(socket, undefined, error)));
		this.#tellsSecrets = options.keylog;
		if (options.keylog || verify !== 'none') server.on('keylog', (line, socket) => this.#keep(line, socket));
		const { staple } = options;
		// A handshake waits for an answer where this is listened to: not without anything to answer.
		if (staple !== undefined) {
			server.on('OCSPRequest', (certificate, _issuer, done) => done(null, staple(certificate) as Buffer));
		}
	}

	/** Begins the handshake on a connection of which nothing was read, or what was has been given back. */
	accept(socket: Socket, done: HandshakeDone): void {
		this.#waiting.set(socket, done);
		// The TLS socket is made in this call, and takes this over from the one below: a client that closes in its
		// handshake is gone, and is not waited for until its time is up.
		socket.allowHalfOpen = false;
		this.#server.emit('connection', socket);
		socket.allowHalfOpen = true;
	}

	#secured(socket: tls.TLSSocket, verdict: PeerVerification | CertificateRefusal | undefined): void {
		if (verdict instanceof CertificateRefusal) {
			this.#end(socket, undefined, new ClientCertificateError(verdict));
			return;
		}
		if (socket.destroyed) {
			this.#end(socket, undefined, new Error('connection closed'));
			return;
		}
		if (this.#recordBytesMax !== undefined) socket.setMaxSendFragment(this.#recordBytesMax);
		const secrets = this.#tellsSecrets ? this.#secrets.get(socket) : undefined;
		this.#end(socket, { socket, verification: verdict, secrets }, undefined);
	}

	/** Tells the client why it is refused, past OpenSSL, which has taken its certificate. */
	#alert(socket: tls.TLSSocket, { code }: CertificateRefusal): void {
		const version = socket.getProtocol() ?? '';
		let record: Buffer | undefined;
		if (version === 'TLSv1.3') {
			const secret = this.#secrets.get(socket)?.get('SERVER_TRAFFIC_SECRET_0');
			if (secret === undefined) return;
			record = protectedAlert(alertFor(code, true), socket.getCipher().standardName, Buffer.from(secret, 'hex'));
		} else if (!socket.isSessionReused()) {
			// Where a session is resumed, this side has begun to encrypt.
			record = clearAlert(alertFor(code, false), version);
		}
		if (record !== undefined) rawSocketOf(socket).write(record);
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
		const raw = rawSocketOf(socket);
		const done = this.#waiting.get(raw);
		if (done === undefined) {
			socket.destroy();
			return;
		}
		this.#waiting.delete(raw);
		done(secured, error);
	}
}

/** The connection below, as it was handed over. */
const rawSocketOf = (socket: tls.TLSSocket): Socket => (socket as unknown as { readonly _parent: Socket })._parent;

/** The same for all that ask for certificates in the same way. */
function sessionContext({ verify, ca, caVerify, crl, caIgnoredErrors, crtIgnoredErrors }: Served['settings']): string {
	const asked = verify === 'none' ? '' : JSON.stringify([verify, ca, caVerify, crl, caIgnoredErrors, crtIgnoredErrors]);
	return createHash('sha256').update(`holdfast ${asked}`).digest('hex').slice(0, SESSION_CONTEXT_LENGTH);
}
