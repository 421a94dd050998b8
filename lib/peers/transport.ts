/**
 * Peers over real sockets: as little as possible between a socket and the events of a `Connection`. All of it
 * runs in the control thread, and nothing here waits for a data thread.
 *
 * A name is resolved for each call, since a peer whose address changed is found by nothing else; its addresses
 * are tried one after the other. With TLS a connection counts as open when the handshake is done and the
 * certificate was found good.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import type { BindTlsModel, ServerTlsModel } from '../config/model.js';
import { formatSocketAddress, type SocketAddress } from '../core/address.js';
import { HoldfastError } from '../core/errors.js';
import { resetSocket } from '../core/reset-socket.js';
import type { Connection, ConnectionEvents, Network } from './connection.js';
import type { PeerConfig } from './peer.js';

/** One address of a name gets this long before the next is tried. */
const CONNECT_TIMEOUT_MS = 1000;
/** A chunk of this size comes from a sender that has more. */
const BULK_BYTES = 16 * 1024;
const SILENT: ConnectionEvents = { opened() {}, received() {}, drained() {}, closed() {} };

export interface TransportOptions {
	/** TLS of each peer that is called with it, by name. */
	readonly tlsOf: (peer: PeerConfig) => tls.ConnectionOptions | undefined;
	/** Replaced in tests. */
	readonly resolve?: (host: string, family: 4 | 6 | undefined) => Promise<readonly string[]>;
	readonly connectTimeoutMs?: number;
}

const resolveName = async (host: string, family: 4 | 6 | undefined): Promise<readonly string[]> =>
	(await lookup(host, { all: true, family: family ?? 0 })).map(({ address }) => address);

export class SocketNetwork implements Network {
	readonly #options: TransportOptions;
	/** What the names resolved to last. */
	readonly #resolved = new Map<string, readonly string[]>();

	constructor(options: TransportOptions) {
		this.#options = options;
	}

	addressesOf(peer: PeerConfig): readonly string[] {
		const { address } = peer;
		if (address?.kind === 'ip') return [address.address];
		return address?.kind === 'name' ? (this.#resolved.get(address.host) ?? []) : [];
	}

	dial(peer: PeerConfig, events: ConnectionEvents): Connection {
		const connection = new SocketConnection(
			peer.address === undefined ? '' : formatSocketAddress(peer.address),
			events,
		);
		this.#connect(peer, connection).catch((error: unknown) => connection.lost(reasonOf(error)));
		return connection;
	}

	async #connect(peer: PeerConfig, connection: SocketConnection): Promise<void> {
		const { address } = peer;
		if (address === undefined) throw new Error('it has no address');
		const targets = await this.#targets(address);
		let lastReason = 'its name has no address';
		for (const target of targets) {
			if (connection.isClosed) return;
			try {
				connection.attach(await this.#open(peer, target, connection));
				return;
			} catch (error) {
				lastReason = reasonOf(error);
			}
		}
		connection.lost(lastReason);
	}

	async #targets(address: SocketAddress): Promise<readonly net.NetConnectOpts[]> {
		switch (address.kind) {
			case 'ip':
				return [{ host: address.address, port: address.port }];
			case 'unix':
				return [{ path: address.abstract ? `\0${address.path}` : address.path }];
			case 'fd':
				throw new Error('a descriptor cannot be called');
			case 'name': {
				const resolve = this.#options.resolve ?? resolveName;
				const found = await resolve(address.host, address.family);
				this.#resolved.set(address.host, found);
				return found.map((host) => ({ host, port: address.port }));
			}
		}
	}

	/** Resolves with a socket that is ready to use. */
	#open(peer: PeerConfig, target: net.NetConnectOpts, connection: SocketConnection): Promise<net.Socket> {
		return new Promise((resolve, reject) => {
			const tlsOptions = this.#options.tlsOf(peer);
			const socket = tlsOptions === undefined ? net.connect(target) : tls.connect({ ...tlsOptions, ...target });
			const timer = setTimeout(
				() => fail(new Error('connect timeout')),
				this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
			);
			const fail = (error: Error): void => {
				clearTimeout(timer);
				// Errors after this one have nobody to tell.
				socket.removeAllListeners('error').on('error', () => {});
				socket.destroy();
				reject(error);
			};
			connection.onAbandon = () => fail(new Error('given up'));
			socket.once('error', fail);
			socket.once('close', () => fail(new Error('closed during the handshake')));
			socket.once(tlsOptions === undefined ? 'connect' : 'secureConnect', () => {
				clearTimeout(timer);
				socket.removeAllListeners('error').removeAllListeners('close');
				resolve(socket);
			});
		});
	}
}

/** A socket, or the promise of one, as a `Connection`. */
class SocketConnection implements Connection {
	remoteText: string;
	remoteAddress: string | undefined;
	isClosed = false;
	/** Ends the attempt that goes on. */
	onAbandon: () => void = () => {};
	#socket: net.Socket | undefined;
	#events: ConnectionEvents;

	constructor(remoteText: string, events: ConnectionEvents) {
		this.remoteText = remoteText;
		this.#events = events;
	}

	attach(socket: net.Socket): void {
		if (this.isClosed) {
			socket.on('error', () => {}).destroy();
			return;
		}
		this.#socket = socket;
		this.remoteAddress ??= numericAddress(socket.remoteAddress);
		socket.setNoDelay(true);
		socket.setKeepAlive(true, 30_000);
		socket.on('data', (chunk: Buffer) => {
			this.#events.received(chunk);
			if (chunk.length < BULK_BYTES || this.isClosed) return;
			// The event loop would read up to 32 such chunks before anything else of this thread runs, and each may
			// hold thousands of updates. A lesson of a million entries must not keep others waiting.
			socket.pause();
			setImmediate(() => socket.resume());
		});
		socket.on('drain', () => this.#events.drained());
		socket.on('error', (error) => this.lost(reasonOf(error)));
		socket.on('end', () => this.lost('closed by the other side'));
		socket.on('close', () => this.lost('closed'));
		this.#events.opened();
	}

	setEvents(events: ConnectionEvents): void {
		this.#events = events;
	}

	get bufferedBytes(): number {
		return this.#socket?.writableLength ?? 0;
	}

	write(bytes: Buffer): void {
		if (!this.isClosed) this.#socket?.write(bytes);
	}

	close(kind: 'fin' | 'reset'): void {
		if (this.isClosed) return;
		this.isClosed = true;
		this.#events = SILENT;
		const socket = this.#socket;
		if (socket === undefined) {
			this.onAbandon();
			return;
		}
		// What comes after this is nobody's, and must not keep the socket or the process.
		socket.removeAllListeners('data').removeAllListeners('error');
		socket.on('error', () => {});
		socket.resume();
		if (kind === 'reset') resetSocket(socket);
		else {
			socket.end();
			socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy());
		}
	}

	lost(reason: string): void {
		if (this.isClosed) return;
		this.isClosed = true;
		const events = this.#events;
		this.#events = SILENT;
		this.#socket?.removeAllListeners('data');
		this.#socket?.destroy();
		events.closed(reason);
	}
}

/** Takes connections; `accept` is the section's. */
export interface PeersListener {
	/** Undefined for a unix socket. */
	readonly port: number | undefined;
	/** Stops listening; connections that were accepted live on. */
	close(): void;
}

/**
 * Listens for peers on an own address or on an inherited descriptor. `accept` gets a caller before its TLS
 * handshake, so that the bounds on callers hold for those who never finish one.
 */
export function listen(
	where: net.ListenOptions | { readonly fd: number },
	tlsOptions: tls.TlsOptions | undefined,
	accept: (connection: Connection) => ConnectionEvents | undefined,
): Promise<PeersListener> {
	/** Callers in their TLS handshake, by address and port. */
	const handshaking = new Map<string, SocketConnection>();
	const secure =
		tlsOptions === undefined ? undefined : tls.createServer({ ...tlsOptions, handshakeTimeout: TLS_HANDSHAKE_MS });
	// Handshakes that fail are the caller's trouble; without a listener each would end the process.
	secure?.on('tlsClientError', (_error, socket) => socket.destroy());
	secure?.on('secureConnection', (socket) => {
		const connection = handshaking.get(endOf(socket));
		if (connection === undefined) socket.destroy();
		else connection.attach(socket);
	});
	const server = net.createServer((socket) => {
		const connection = new SocketConnection(endOf(socket), SILENT);
		connection.remoteAddress = numericAddress(socket.remoteAddress);
		connection.onAbandon = () => socket.destroy();
		const events = accept(connection);
		if (events === undefined) return;
		connection.setEvents(events);
		if (secure === undefined) {
			connection.attach(socket);
			return;
		}
		const end = endOf(socket);
		handshaking.set(end, connection);
		socket.once('close', () => {
			handshaking.delete(end);
			connection.lost('closed during the TLS handshake');
		});
		// A TLS server that does not listen: the caller is counted, and may be pushed out, from its first byte.
		secure.emit('connection', socket);
	});
	return new Promise((resolve, reject) => {
		server.once('error', (error) =>
			reject(new HoldfastError('BIND_FAILED', `peers: ${error.message}`, { cause: error })),
		);
		server.listen(where, () => {
			server.removeAllListeners('error').on('error', () => {});
			const bound = server.address();
			resolve({
				port: typeof bound === 'object' && bound !== null ? bound.port : undefined,
				close: () => server.close(),
			});
		});
	});
}

const TLS_HANDSHAKE_MS = 5000;

function endOf({ remoteAddress, remotePort }: net.Socket): string {
	return remoteAddress === undefined ? 'unix' : `${numericAddress(remoteAddress)}:${remotePort}`;
}

/** A dual-stack listener sees IPv4 callers as `::ffff:a.b.c.d`. */
function numericAddress(address: string | undefined): string | undefined {
	return address?.startsWith('::ffff:') ? address.slice(7) : address;
}

function reasonOf(error: unknown): string {
	const { code, message } = error as NodeJS.ErrnoException;
	switch (code) {
		case 'ECONNREFUSED':
			return 'connection refused';
		case 'ECONNRESET':
			return 'connection reset';
		case 'ENOTFOUND':
			return 'its name does not resolve';
		case 'EHOSTUNREACH':
		case 'ENETUNREACH':
			return 'no route to it';
		case 'EPIPE':
			return 'connection closed';
	}
	return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

/** What `ssl ...` on a peer or server line means for `tls.connect` (manual, 5.2). Files are read now. */
export function clientTls(model: ServerTlsModel): tls.ConnectionOptions {
	const pem = model.crt === undefined ? undefined : readPem(model.crt);
	const name = model.verifyHost;
	return {
		cert: pem,
		key: pem,
		ca: model.caFile === undefined ? undefined : readPem(model.caFile),
		rejectUnauthorized: model.verify === 'required',
		// As in HAProxy, without `verifyhost` the certificate must be good but may be of any name.
		checkServerIdentity: (_host, certificate) =>
			name === undefined ? undefined : tls.checkServerIdentity(name, certificate),
		...(name === undefined || net.isIP(name) !== 0 ? {} : { servername: name }),
		...sharedTls(model),
	};
}

/** The same for a `bind` line. */
export function serverTls(model: Omit<BindTlsModel, 'certificates' | 'ca' | 'crl' | 'tickets'>): tls.TlsOptions {
	const pems = model.crt.map(readPem);
	return {
		cert: pems,
		key: pems,
		ca: model.caFile === undefined ? undefined : readPem(model.caFile),
		crl: model.crlFile === undefined ? undefined : readPem(model.crlFile),
		requestCert: model.verify !== 'none',
		rejectUnauthorized: model.verify === 'required',
		...sharedTls(model),
	};
}

function sharedTls(model: {
	ciphers: string | undefined;
	minVersion: string | undefined;
	maxVersion: string | undefined;
}) {
	return {
		ciphers: model.ciphers,
		minVersion: model.minVersion as tls.SecureVersion | undefined,
		maxVersion: model.maxVersion as tls.SecureVersion | undefined,
	};
}

function readPem(path: string): Buffer {
	try {
		return readFileSync(path);
	} catch (cause) {
		throw new HoldfastError('FILE_UNREADABLE', `cannot read '${path}': ${(cause as Error).message}`, { cause });
	}
}
