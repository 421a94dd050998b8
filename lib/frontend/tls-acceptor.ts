/**
 * TLS of one bind line in one data thread. It never listens: connections are handed to it after the early rules, and
 * come back as sockets in clear when their handshake is over, or not at all.
 *
 * Where there is one certificate for everybody, the handshake begins at once. Else the client's hello is looked at first
 * (hello-reader.ts), and the connection goes to what serves the name in it (served-tls.ts). The tickets' keys are one set
 * for the process, so that a client resumes its session in whichever thread, and over a reload; or those of
 * `tls-ticket-keys`, one set for all nodes that have the file.
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { BindTlsModel, TicketKeysModel, TlsTuning } from '../config/model.js';
import { type Hello, serverNameOf } from '../sample/client-hello.js';
import { WANTED_TLS_FACTS } from '../sample/tls-facts.js';
import type { SecuredClient } from '../stream/tls-view.js';
import { CertificateStore, type Served } from './certificate-store.js';
import { CertificateGenerator } from './generated-certificate.js';
import { readClientHello } from './hello-reader.js';
import { type SecuredSocket, ServedTls } from './served-tls.js';
import { changedTls, type TlsChange } from './tls-change.js';

/** Called once per connection: with its socket, or with the reason why there is none. */
export type AcceptDone = (accepted: SecuredClient | undefined, error: Error | undefined) => void;

/** Of a fatal alert: that no certificate has the name (RFC 6066, section 3), in a record of TLS 1.0. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112]);

export class TlsAcceptor {
	#model: BindTlsModel;
	#store: CertificateStore;
	readonly #ticketKeys: Uint8Array;
	readonly #tuning: TlsTuning;
	/** `generate-certificates`. */
	readonly #generator: CertificateGenerator | undefined;
	/** Certificates that were made, by name, the one that was asked for longest ago first. */
	readonly #generated = new Map<string, Served>();
	/** Made for the first client that asks for it. */
	#servers = new WeakMap<Served, ServedTls>();

	/** @throws Error that names the file of a certificate which cannot be used */
	constructor(model: BindTlsModel, ticketKeys: Uint8Array, tuning: TlsTuning) {
		this.#model = model;
		this.#ticketKeys = ticketKeys;
		this.#tuning = tuning;
		this.#store = new CertificateStore(model);
		const [first] = model.certificates;
		if (model.generates === true && first !== undefined) {
			this.#generator = new CertificateGenerator(model.signer ?? '', model.signPassphrase, first.key);
		}
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
		// Responses to staple and keys of tickets belong to the servers.
		this.#servers = new WeakMap();
		this.#generated.clear();
	}

	/** Begins the handshake on a connection of which nothing, or less than the client hello, was read. */
	accept(socket: Socket, done: AcceptDone): void {
		const store = this.#store;
		const { captureBytes } = this.#tuning;
		const captures = captureBytes > 0 || WANTED_TLS_FACTS.hello;
		if (!captures && store.servesAllAlike && this.#generator === undefined) {
			this.#serverFor(store.fallback).accept(socket, (secured, error) => finish(done, secured, error, undefined, 0));
			return;
		}
		readClientHello(
			socket,
			(hello) => {
				const name = hello === undefined ? undefined : serverNameOf(hello);
				const served = this.#generatedFor(name) ?? store.find(name);
				if (served === undefined) {
					socket.end(UNRECOGNIZED_NAME);
					done(undefined, new Error(name === undefined ? 'no server name' : `no certificate for '${name}'`));
					return;
				}
				this.#serverFor(served).accept(socket, (secured, error) =>
					finish(done, secured, error, captures ? hello : undefined, captureBytes),
				);
			},
			() => done(undefined, new Error('connection closed')),
		);
	}

	/** A certificate made for a name that none was made out for. */
	#generatedFor(name: string | undefined): Served | undefined {
		if (this.#generator === undefined || name === undefined || this.#store.knows(name)) return undefined;
		const known = this.#generated.get(name);
		this.#generated.delete(name);
		const served = known ?? this.#generate(name, this.#generator);
		if (served === undefined || this.#tuning.generatedMax === 0) return served;
		this.#generated.set(name, served);
		const [oldest] = this.#generated.keys();
		if (this.#generated.size > this.#tuning.generatedMax && oldest !== undefined) this.#generated.delete(oldest);
		return served;
	}

	#generate(name: string, generator: CertificateGenerator): Served | undefined {
		const pem = generator.generate(name);
		const { settings, certificates } = this.#store.fallback;
		const key = certificates[0]?.key;
		if (pem === undefined || key === undefined) return undefined;
		return { settings, certificates: [{ path: name, pem, key, ocsp: undefined, filters: [] }] };
	}

	#serverFor(served: Served): ServedTls {
		let server = this.#servers.get(served);
		if (server === undefined) {
			const store = this.#store;
			server = new ServedTls(served, {
				ticketKeys: Buffer.from(ticketKeyOf(this.#model.ticketKeys) ?? this.#ticketKeys),
				keylog: this.#tuning.keylog,
				recordBytesMax: this.#tuning.recordBytesMax,
				staple: store.hasStaple(served) ? (certificate) => store.staple(certificate) : undefined,
			});
			this.#servers.set(served, server);
		}
		return server;
	}
}

function finish(
	done: AcceptDone,
	secured: SecuredSocket | undefined,
	error: Error | undefined,
	hello: Hello | undefined,
	captureBytes: number,
): void {
	if (secured === undefined) done(undefined, error);
	else done({ ...secured, hello, captureBytes }, undefined);
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
