/**
 * Bytes both ways between a client and a server, without a look at them: mode tcp, an upgraded connection
 * (101), a CONNECT that was granted.
 *
 * Each side may end its half on its own: that is passed on, and the other half goes on until it ends too or
 * `timeout client-fin` / `server-fin` has passed. Any byte, in either direction, renews the time of both sides
 * (manual, 4.2 `timeout tunnel`). What one side cannot take yet holds the other back.
 */
import { Failure } from '../exchange.js';
import type { Stream } from '../stream.js';
import { type Connection, WRITE_LIMIT_BYTES } from './connection.js';

/** What the client's connection does when the tunnel is over. */
export interface TunnelEnd {
	/** Both sides have ended; what is written is still to be delivered. */
	tunnelEnded(): void;
	tunnelFailed(failure: Failure): void;
}

export class Tunnel {
	readonly #client: Connection & TunnelEnd;
	readonly #server: Connection;
	readonly #stream: Stream;

	constructor(client: Connection & TunnelEnd, server: Connection, stream: Stream) {
		this.#client = client;
		this.#server = server;
		this.#stream = stream;
	}

	fromClient(nowMs: number): void {
		this.#stream.requestBodyBytes += relay(this.#client, this.#server);
		this.touch(nowMs);
	}

	fromServer(nowMs: number): void {
		const stream = this.#stream;
		if (stream.inspectsResponse) {
			stream.serverSpoke(nowMs);
			if (stream.ended) return;
			if (stream.inspectsResponse) {
				this.#server.pauseWhenFull();
				this.touch(nowMs);
				return;
			}
			this.#server.resumeReading();
		}
		stream.responseBodyBytes += relay(this.#server, this.#client);
		if (stream.closesServerNow) this.#client.tunnelEnded();
		else this.touch(nowMs);
	}

	/** Rules held the server's bytes back, and have decided without new ones. */
	release(nowMs: number): void {
		this.#server.resumeReading();
		this.#server.flush();
		if (this.#stream.ended) return;
		if (this.#stream.closesServerNow) this.#client.tunnelEnded();
		else if (this.#server.hasEnded) this.#ended(this.#client, nowMs);
	}

	clientEnded(nowMs: number): void {
		this.#ended(this.#server, nowMs);
	}

	serverEnded(nowMs: number): void {
		if (!this.#stream.inspectsResponse) {
			this.#ended(this.#client, nowMs);
			return;
		}
		// No more will come: what rules wait for has no value.
		this.#stream.serverSpoke(nowMs);
		if (!this.#stream.ended) this.release(nowMs);
	}

	/** One half has ended: `other` is told, and perhaps has ended before. */
	#ended(other: Connection, nowMs: number): void {
		other.endWriting();
		if (other.hasEnded) this.#client.tunnelEnded();
		else this.touch(nowMs);
	}

	touch(nowMs: number): void {
		const stream = this.#stream;
		const { tunnelTimeoutMs } = stream;
		const clientFinMs = this.#client.hasEnded ? stream.clientFinTimeoutMs : 0;
		const serverFinMs = this.#server.hasEnded ? stream.serverFinTimeoutMs : 0;
		const clientMs = clientFinMs || tunnelTimeoutMs || stream.clientTimeoutMs;
		const serverMs = serverFinMs || tunnelTimeoutMs || stream.serverTimeoutMs;
		this.#client.setDeadline(clientMs > 0 ? nowMs + clientMs : 0);
		this.#server.setDeadline(serverMs > 0 ? nowMs + serverMs : 0);
	}

	/** The deadline of one side has passed. When both have, the reference names the client. */
	timedOut(expired: 'client' | 'server', nowMs: number): void {
		const { deadlineMs } = this.#client;
		const byClient = expired === 'client' || (deadlineMs !== 0 && deadlineMs <= nowMs);
		this.#client.tunnelFailed(byClient ? Failure.CLIENT_TIMEOUT : Failure.SERVER_TIMEOUT);
	}
}

/** Passes on what has come; returns how many bytes that were. */
function relay(from: Connection, to: Connection): number {
	const byteCount = from.passAll(to);
	if (to.unwrittenBytes > WRITE_LIMIT_BYTES) {
		from.pauseReading();
		to.notifyWhenWritten();
	}
	return byteCount;
}
