/**
 * TLS towards one server, in one thread: its options are worked out once, and the session that it gave last is
 * offered again, so that only the first connection pays for a whole handshake (manual, 5.2 `ssl`, `no-ssl-reuse`).
 */
import net from 'node:net';
import tls from 'node:tls';
import type { SocketAddress } from '../core/address.js';
import { type ClientTlsSettings, clientTlsOptions } from '../core/tls.js';
import { WANTED_TLS_FACTS } from '../sample/tls-facts.js';
import type { StreamView } from '../sample/types.js';
import type { Destination } from './server.js';
import { SocksTunnel } from './socks4.js';

/** Sessions kept for different names of one server. */
const SESSIONS_MAX = 64;

export interface ServerTlsOptions {
	readonly settings: ClientTlsSettings & { readonly reuse?: boolean | undefined };
	/** The expression of `sni`. */
	readonly source?: SocketAddress | undefined;
	readonly sni: ((view: StreamView) => string | undefined) | undefined;
	/** The SOCKS4 proxy on the way. */
	readonly socks4?: SocketAddress | undefined;
}

export class ServerTls {
	readonly #settings: ServerTlsOptions['settings'];
	#options: tls.ConnectionOptions;
	readonly #sni: ServerTlsOptions['sni'];
	readonly #source: { readonly localAddress?: string };
	readonly #socks4: SocketAddress | undefined;
	readonly #sessions: Map<string, Buffer> | undefined;
	/** Files that the runtime API has changed. */
	readonly #replaced = new Map<string, string>();

	/** @throws HoldfastError FILE_UNREADABLE, or what OpenSSL says of a certificate */
	constructor({ settings, sni, source, socks4 }: ServerTlsOptions) {
		this.#socks4 = socks4;
		this.#settings = settings;
		this.#options = connectionOptions(settings, this.#replaced);
		this.#sni = sni;
		this.#source = source?.kind === 'ip' ? { localAddress: source.address } : {};
		this.#sessions = settings.reuse === false ? undefined : new Map();
	}

	/** A file has another content: connections from now on have it. Sessions begun with the former one are forgotten. False: it does not use it. */
	replaceFile(path: string, content: string): boolean {
		const { crt, caFile, crlFile } = this.#settings;
		if (path !== crt && path !== caFile && path !== crlFile) return false;
		this.#replaced.set(path, content);
		this.#options = connectionOptions(this.#settings, this.#replaced);
		this.#sessions?.clear();
		return true;
	}

	/** `header` is sent in clear, before the handshake. `alpn`: instead of what the line says. A socket that connects and begins its handshake; 'secureConnect' when it is over. */
	connect(destination: Destination, view: StreamView, header?: Buffer, alpn?: readonly string[]): tls.TLSSocket {
		const name = this.#sni?.(view) ?? '';
		const session = this.#sessions?.get(name);
		const where: { readonly path: string } | { readonly host: string; readonly port: number } =
			destination.kind === 'unix'
				? { path: destination.abstract ? `\0${destination.path}` : destination.path }
				: { host: destination.host, port: destination.port, ...this.#source };
		const options = {
			...this.#options,
			...this.#under(where, header),
			// Never the host itself; 'verifyhost' is checked and not sent.
			servername: name,
			...(session === undefined ? {} : { session }),
			...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
			allowHalfOpen: true,
		};
		const socket = tls.connect(options as tls.ConnectionOptions);
		socket.setNoDelay(true);
		if (WANTED_TLS_FACTS.exchangeWithServer) socket.once('keylog', (line) => keepRandom(socket, line));
		if (this.#sessions !== undefined) socket.on('session', (given) => this.#keep(name, given));
		return socket;
	}

	/** What TLS stands on: a connection of its own, or one that has begun with something else. */
	#under(where: { readonly path: string } | { readonly host: string; readonly port: number }, header?: Buffer): object {
		if (this.#socks4 === undefined || 'path' in where)
			return header === undefined ? where : { socket: headed(where, header) };
		const socket = new SocksTunnel(this.#socks4, where.host, where.port, this.#source);
		if (header !== undefined) socket.write(header);
		return { socket };
	}

	#keep(name: string, session: Buffer): void {
		const sessions = this.#sessions as Map<string, Buffer>;
		if (sessions.size >= SESSIONS_MAX && !sessions.has(name)) sessions.clear();
		sessions.set(name, session);
	}
}

const randoms = new WeakMap<object, Buffer>();

/** Each line of the key log names the random bytes of the client: `<label> <random> <secret>`. */
function keepRandom(socket: object, line: Buffer): void {
	const [, random = ''] = line.toString('latin1').split(' ');
	randoms.set(socket, Buffer.from(random, 'hex'));
}

/** The random bytes that a connection to a server has begun with, where a fetch asks for them. */
export const clientRandomOf = (socket: object): Buffer | undefined => randoms.get(socket);

/** A connection that begins with these bytes. */
function headed(where: object, header: Buffer): net.Socket {
	const socket = net.connect({ ...where, noDelay: true, allowHalfOpen: true } as net.NetConnectOpts);
	socket.write(header);
	return socket;
}

function connectionOptions(
	settings: ServerTlsOptions['settings'],
	replaced: ReadonlyMap<string, string>,
): tls.ConnectionOptions {
	const { ALPNProtocols, checkServerIdentity, rejectUnauthorized, ...contextOptions } = clientTlsOptions(
		settings,
		replaced,
	);
	return {
		secureContext: tls.createSecureContext(contextOptions),
		...(ALPNProtocols === undefined ? {} : { ALPNProtocols }),
		...(checkServerIdentity === undefined ? {} : { checkServerIdentity }),
		rejectUnauthorized: rejectUnauthorized ?? false,
	};
}
