/**
 * One `server` line of a ring: a TCP connection, kept for ever, on which the lines of the ring leave (manual, 3.9
 * `server`; RFC 6587 for the two framings). It runs in the control thread; traffic never waits for it.
 *
 *     resting -> connecting -> open -> resting ...
 *
 * While it is open, lines are read from the ring as fast as the socket takes them and not faster: what waits, waits in
 * the ring, whose memory is bounded, and what the ring had to forget meanwhile is counted as dropped and said once. A
 * server that takes nothing for `timeout server` is let go and called again. What the system had accepted when a
 * connection broke may be lost without a trace, as with any syslog over TCP.
 */

import net from 'node:net';
import tls from 'node:tls';
import type { RingModel, RingServerModel } from '../config/model.js';
import { formatSocketAddress } from '../core/address.js';
import { bytesOf } from '../core/bytes.js';
import type { Clock, Timer } from '../core/clock.js';
import { reasonOf } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { clientTlsOptions } from '../core/tls.js';
import type { LogRing, RingCursor } from '../shared/log-ring.js';
import { DropReport } from '../stream/log-sinks.js';

const RECONNECT_DELAY_MS = 1000;
const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
/** Bytes that the socket may hold beyond what the system has taken. */
const SOCKET_BYTES_MAX = 64 * 1024;
const BATCH_BYTES = 16 * 1024;
/** A change of the ring is told at once; this is for a wake that went astray. */
const CHANGE_WAIT_MS = 1000;

export interface RingForwarderOptions {
	readonly ring: LogRing;
	readonly model: Pick<RingModel, 'name' | 'connectTimeoutMs' | 'serverTimeoutMs'>;
	readonly server: RingServerModel;
	readonly clock: Clock;
	readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
	/** Where to begin, by default at the oldest line. */
	readonly from?: RingCursor;
}

/** A line as it goes over the wire. */
export function frame(line: string, framing: RingServerModel['framing']): string {
	return framing === 'octet-count' ? `${line.length} ${line}` : `${line}\n`;
}

export class RingForwarder {
	readonly #options: RingForwarderOptions;
	readonly #drops: DropReport;
	readonly #label: string;
	readonly cursor: RingCursor;
	#socket: net.Socket | undefined;
	#isOpen = false;
	#stopped = false;
	#timer: Timer | undefined;
	/** Since when the socket has taken nothing. */
	#stalledMs: number | undefined;
	/** The outage was said. */
	#outageTold = false;
	#ended: (() => void) | undefined;

	constructor(options: RingForwarderOptions) {
		this.#options = options;
		const { ring, model, server, logger } = options;
		this.#label = `ring '${model.name}', server '${server.name}' at ${formatSocketAddress(server.address)}`;
		this.#drops = new DropReport(this.#label, logger);
		this.cursor = options.from ?? ring.oldest();
		this.#connect();
		void this.#follow();
	}

	get server(): RingServerModel {
		return this.#options.server;
	}

	/** Sends what is in the ring by now, closes, and calls back; without a connection it calls back at once. */
	end(done: () => void): void {
		this.#ended = done;
		if (!this.#isOpen) this.#finish();
		else this.#pump();
	}

	/** Breaks off. */
	stop(): void {
		this.#finish();
	}

	#finish(): void {
		if (this.#stopped) return;
		this.#stopped = true;
		this.#timer?.cancel();
		this.#socket?.destroy();
		// The promise that waits for a change of the ring ends.
		this.#options.ring.wake();
		this.#ended?.();
	}

	async #follow(): Promise<void> {
		const { ring } = this.#options;
		while (!this.#stopped) {
			const seen = ring.changes;
			this.#pump();
			await ring.changed(seen, CHANGE_WAIT_MS);
			this.#checkStall();
		}
	}

	#connect(): void {
		const { server, model, clock } = this.#options;
		const { address } = server;
		const where =
			address.kind === 'unix'
				? { path: address.abstract ? `\0${address.path}` : address.path }
				: address.kind === 'fd'
					? { path: '' }
					: { host: address.kind === 'ip' ? address.address : address.host, port: address.port };
		let socket: net.Socket;
		try {
			socket =
				server.tls === undefined
					? net.connect(where)
					: tls.connect({ ...clientTlsOptions(server.tls), ...where, servername: server.tls.verifyHost ?? '' });
		} catch (error) {
			// A certificate that cannot be read.
			this.#lost(reasonOf(error));
			return;
		}
		this.#socket = socket;
		socket.unref();
		const timer = clock.setTimer(
			() => socket.destroy(new Error('timeout')),
			model.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
		);
		let reason = 'closed by the server';
		socket.on(server.tls === undefined ? 'connect' : 'secureConnect', () => {
			timer.cancel();
			this.#opened();
		});
		socket.on('drain', () => {
			this.#stalledMs = undefined;
			this.#pump();
		});
		// Nothing is expected from a log server, and its end-of-stream is the end.
		socket.on('data', () => undefined);
		socket.on('end', () => socket.destroy());
		socket.on('error', (error: NodeJS.ErrnoException) => {
			reason = error.code ?? error.message;
		});
		socket.on('close', () => {
			timer.cancel();
			this.#lost(reason);
		});
	}

	#opened(): void {
		this.#isOpen = true;
		this.#stalledMs = undefined;
		if (this.#outageTold) this.#options.logger.info({ target: this.#label }, 'the log server is reached again');
		this.#outageTold = false;
		this.#pump();
	}

	#lost(reason: string): void {
		this.#isOpen = false;
		this.#socket = undefined;
		if (this.#stopped) return;
		if (this.#ended !== undefined) {
			this.#finish();
			return;
		}
		const { clock, logger } = this.#options;
		if (!this.#outageTold) logger.warn({ target: this.#label, reason }, 'the log server is not reached');
		this.#outageTold = true;
		this.#timer = clock.setTimer(() => this.#connect(), RECONNECT_DELAY_MS);
	}

	/** Moves lines from the ring to the socket until one is empty or the other full. */
	#pump(): void {
		const socket = this.#socket;
		if (!this.#isOpen || this.#stopped || socket === undefined) {
			this.#countLost();
			return;
		}
		const { ring, server } = this.#options;
		while (socket.writableLength < SOCKET_BYTES_MAX) {
			const { lines, lostCount } = ring.read(this.cursor, BATCH_BYTES);
			this.#dropped(lostCount, 'the log server is too slow');
			if (lines.length === 0) {
				if (this.#ended !== undefined) socket.end(() => this.#finish());
				return;
			}
			if (lostCount === 0) this.#drops.flowing();
			let text = '';
			for (const line of lines) text += frame(line, server.framing);
			socket.write(bytesOf(text));
		}
		this.#stalledMs ??= this.#options.clock.monotonicMs();
	}

	/** While nobody takes them, lines that the ring forgets are dropped now, not when the server is back. */
	#countLost(): void {
		const { ring } = this.#options;
		if (this.#stopped) return;
		const { lostCount } = ring.read(this.cursor, 0);
		this.#dropped(lostCount, 'the log server is not reached');
	}

	#dropped(lines: number, reason: string): void {
		if (lines === 0) return;
		this.#options.ring.countDropped(lines);
		this.#drops.dropped(reason, lines);
	}

	#checkStall(): void {
		const { clock, model } = this.#options;
		if (this.#stalledMs === undefined || model.serverTimeoutMs === undefined) return;
		if (clock.monotonicMs() - this.#stalledMs < model.serverTimeoutMs) return;
		this.#socket?.destroy(new Error(`it took nothing for ${model.serverTimeoutMs} ms`));
	}
}
