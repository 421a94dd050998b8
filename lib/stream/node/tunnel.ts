/**
 * Bytes both ways between a client's and a server's socket, once Node has let go of both: an upgraded connection
 * (101), or a CONNECT that was granted. What native/tunnel.ts is to the native engine, with the same meaning: each side
 * may end its half on its own, any byte renews the time of both (manual, 4.2 `timeout tunnel`), and what one side
 * cannot take yet holds the other back.
 */
import type { Socket } from 'node:net';
import { Failure } from '../exchange.js';
import type { Stream } from '../stream.js';

/** What the tunnel needs of its exchange. */
export interface TunnelHost {
	readonly stream: Stream;
	/** Runs an event of a socket, unless the exchange is over; what it throws ends the exchange. */
	guard(work: () => void): void;
	/** Delays in milliseconds from now; 0: none. */
	setTunnelDeadlines(clientMs: number, serverMs: number): void;
	/** Both sides have ended; what is written is still to be delivered. */
	tunnelEnded(): void;
	tunnelFailed(failure: Failure): void;
}

export class NodeTunnel {
	readonly #host: TunnelHost;
	readonly #client: Socket;
	readonly #server: Socket;
	#endedHalf: 'none' | 'client' | 'server' = 'none';

	constructor(host: TunnelHost, client: Socket, server: Socket) {
		this.#host = host;
		this.#client = client;
		this.#server = server;
	}

	/** `fromServer`, `fromClient`: what each has said already. */
	open(fromServer: Buffer, fromClient: Buffer): void {
		if (fromServer.length > 0) this.#pass(this.#server, this.#client, fromServer);
		if (fromClient.length > 0) this.#pass(this.#client, this.#server, fromClient);
		this.#join(this.#client, this.#server);
		this.#join(this.#server, this.#client);
		this.#touch();
	}

	#join(from: Socket, to: Socket): void {
		const host = this.#host;
		from.on('data', (bytes: Buffer) => host.guard(() => this.#pass(from, to, bytes)));
		to.on('drain', () => host.guard(() => from.resume()));
		from.on('end', () => host.guard(() => this.#ended(from, to)));
		from.on('close', () => host.guard(() => this.#closed(from)));
		from.resume();
	}

	#pass(from: Socket, to: Socket, bytes: Buffer): void {
		if (from === this.#client) this.#host.stream.requestBodyBytes += bytes.length;
		else this.#host.stream.responseBodyBytes += bytes.length;
		this.#touch();
		if (!to.write(bytes)) from.pause();
	}

	/** One side has said its last word; the other may go on. */
	#ended(from: Socket, to: Socket): void {
		to.end();
		if (this.#endedHalf !== 'none') {
			this.#host.tunnelEnded();
			return;
		}
		this.#endedHalf = from === this.#client ? 'client' : 'server';
		this.#touch();
	}

	#closed(from: Socket): void {
		if (this.#endedHalf !== 'none') this.#host.tunnelEnded();
		else this.#host.tunnelFailed(from === this.#client ? Failure.CLIENT_ABORT : Failure.SERVER_ABORT);
	}

	#touch(): void {
		const { stream } = this.#host;
		const { tunnelTimeoutMs } = stream;
		const clientFinMs = this.#endedHalf === 'client' ? stream.clientFinTimeoutMs : 0;
		const serverFinMs = this.#endedHalf === 'server' ? stream.serverFinTimeoutMs : 0;
		this.#host.setTunnelDeadlines(
			clientFinMs || tunnelTimeoutMs || stream.clientTimeoutMs,
			serverFinMs || tunnelTimeoutMs || stream.serverTimeoutMs,
		);
	}
}
