/**
 * A connection to a server by way of a SOCKS4 proxy (manual, 5.2 `socks4`; "SOCKS: a protocol for TCP proxy across
 * firewalls", Ying-Da Lee): connects to the proxy, asks it for the server, and is from then on the server's bytes.
 *
 * It is a stream of its own and no socket, because the proxy's answer must be read before TLS takes the handle. That
 * costs a copy of references per chunk, for connections that make a detour anyway. What is written before the proxy has
 * answered waits in the stream's own buffer. To native/ it has the shape of a socket that something has prepared
 * (connection.ts), and says 'secureConnect' when it stands.
 */
import net from 'node:net';
import { Duplex } from 'node:stream';
import type { SocketAddress } from '../core/address.js';
import { IpAddress } from '../core/address.js';
import { ConnectionErrorId } from '../core/connection-errors.js';
import { resetSocket } from '../core/reset-socket.js';

const VERSION = 4;
const CONNECT = 1;
const REPLY_VERSION = 0;
const GRANTED = 90;
const REPLY_BYTES = 8;

/** A failure of the connection, as far as retries and statistics are concerned. */
class SocksError extends Error {
	readonly code = 'ECONNREFUSED';
	/** Read by core/connection-errors.ts. */
	readonly connectionErrorId: number;

	constructor(message: string, connectionErrorId: number) {
		super(message);
		this.connectionErrorId = connectionErrorId;
	}
}

/** The request of SOCKS4 for an IPv4 address, without a user; undefined: the protocol knows no such address. */
export function socksRequest(host: string, port: number): Buffer | undefined {
	const address = IpAddress.parse(host)?.toV4();
	if (address === undefined) return undefined;
	const request = Buffer.alloc(9);
	request[0] = VERSION;
	request[1] = CONNECT;
	request.writeUInt16BE(port, 2);
	request.set(address.toBytes(), 4);
	return request;
}

export class SocksTunnel extends Duplex {
	readonly #socket: net.Socket;
	#reply = Buffer.alloc(0);
	#stands = false;
	#wanted = false;
	#delayed: (() => void) | undefined;

	/** Begins to connect at once; 'connect' and 'secureConnect' when the server is reached, 'error' if it is not. */
	constructor(proxy: SocketAddress, host: string, port: number, source: { readonly localAddress?: string } = {}) {
		super({ allowHalfOpen: true });
		const where = proxy.kind === 'ip' ? { host: proxy.address, port: proxy.port } : { host: '', port: 0 };
		const socket = net.connect({ ...where, ...source, noDelay: true, allowHalfOpen: true });
		this.#socket = socket;
		socket.once('connect', () => {
			const request = socksRequest(host, port);
			if (request === undefined)
				this.destroy(
					new SocksError(`SOCKS4 cannot reach ${host}: it knows only IPv4`, ConnectionErrorId.SOCKS_ABORTED),
				);
			else socket.write(request);
		});
		socket.on('data', (chunk: Buffer) => this.#received(chunk));
		socket.on('end', () => {
			if (this.#stands) this.push(null);
			else this.destroy(new SocksError('the SOCKS4 proxy has closed the connection', ConnectionErrorId.SOCKS_ABORTED));
		});
		socket.on('drain', () => this.#drained());
		socket.on('error', (error) => this.destroy(error));
		socket.on('close', () => this.destroy());
	}

	#received(chunk: Buffer): void {
		if (this.#stands) {
			if (!this.push(chunk)) this.#socket.pause();
			return;
		}
		this.#reply = Buffer.concat([this.#reply, chunk]);
		if (this.#reply.length < REPLY_BYTES) return;
		const [version, code] = this.#reply;
		if (version !== REPLY_VERSION || code !== GRANTED) {
			this.destroy(new SocksError(`the SOCKS4 proxy refuses (${code})`, ConnectionErrorId.SOCKS_DENIED));
			return;
		}
		this.#stands = true;
		const rest = this.#reply.subarray(REPLY_BYTES);
		if (rest.length > 0) this.push(rest);
		else if (!this.#wanted) this.#socket.pause();
		this.emit('connect');
		this.emit('secureConnect');
		this.#drained();
	}

	#drained(): void {
		const go = this.#delayed;
		this.#delayed = undefined;
		go?.();
	}

	override _read(): void {
		this.#wanted = true;
		if (this.#stands) this.#socket.resume();
	}

	override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
		const write = (): void => {
			if (this.#socket.write(chunk)) done();
			else this.#delayed = done;
		};
		if (this.#stands) write();
		else this.#delayed = write;
	}

	override _final(done: (error?: Error) => void): void {
		const end = (): void => void this.#socket.end(() => done());
		if (this.#stands) end();
		else this.#delayed = end;
	}

	override _destroy(error: Error | null, done: (error: Error | null) => void): void {
		this.#delayed = undefined;
		this.#socket.destroy();
		done(error);
	}

	// ---- what native/, http2 and health checks ask of a socket ------------------------------------------------

	get connecting(): boolean {
		return !this.#stands;
	}

	get localAddress(): string | undefined {
		return this.#socket.localAddress;
	}

	get localPort(): number | undefined {
		return this.#socket.localPort;
	}

	get remoteAddress(): string | undefined {
		return this.#socket.remoteAddress;
	}

	get remotePort(): number | undefined {
		return this.#socket.remotePort;
	}

	address(): net.AddressInfo | object {
		return this.#socket.address();
	}

	setNoDelay(): this {
		return this;
	}

	setKeepAlive(enable?: boolean, initialDelayMs?: number): this {
		this.#socket.setKeepAlive(enable, initialDelayMs);
		return this;
	}

	destroySoon(): void {
		if (this.writable) this.end();
		if (this.writableFinished) this.destroy();
		else this.once('finish', () => this.destroy());
	}

	resetAndDestroy(): this {
		if (this.#socket.connecting) this.#socket.destroy();
		else resetSocket(this.#socket);
		return this.destroy();
	}
}
