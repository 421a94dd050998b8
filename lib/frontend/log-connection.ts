/**
 * A connection of a log-forward section: syslog messages come by it and nothing is ever answered (manual, 3.10). It
 * is accepted, counted and limited by the listener as any other; TLS and the PROXY protocol are behind it already.
 */
import { Socket } from 'node:net';
import type { LogForwarder } from '../stream/log-forward/forwarder.js';
import { SyslogFraming } from '../stream/log-forward/framing.js';
import type { Session } from '../stream/session.js';
import type { ThreadRuntime } from '../stream/thread-runtime.js';
import type { AcceptedHandle, ConnectionEngine, LiveConnection } from './listener.js';

export interface LogConnectionOptions {
	readonly forwarder: LogForwarder;
	/** `option assume-rfc6587-ntf`. */
	readonly endsAtNewlines: boolean;
	/** `timeout client`: how long it may be silent. */
	readonly timeoutMs: number | undefined;
	/** `tune.bufsize`: no message is longer. */
	readonly maxBytes: number;
}

/** What listeners of a section make of accepted connections. */
export function logEngine(options: LogConnectionOptions): ConnectionEngine {
	return (thread, session, handle) => new LogConnection(thread, session, handle, options);
}

class LogConnection implements LiveConnection {
	readonly #socket: Socket;
	#lastReadMs: number;

	constructor(thread: ThreadRuntime, session: Session, handle: AcceptedHandle | Socket, options: LogConnectionOptions) {
		const { forwarder, endsAtNewlines, timeoutMs, maxBytes } = options;
		this.#socket = handle instanceof Socket ? handle : new Socket({ handle } as unknown as { fd: number });
		this.#lastReadMs = session.acceptedMs;
		const socket = this.#socket;
		const framing = new SyslogFraming(maxBytes, endsAtNewlines);
		// Who connects to talk only may close its side at once: its last words are still read.
		socket.on('data', (bytes: Buffer) => {
			this.#lastReadMs = thread.nowMs();
			if (framing.push(bytes, (message) => forwarder.forward(message, session.source?.toString()))) return;
			thread.logger.debug({ source: session.source?.toString() }, 'what a log sender sends are no messages');
			socket.destroy();
		});
		socket.on('end', () => socket.destroy());
		// A reset, most often; the end is told by 'close'.
		socket.on('error', () => undefined);
		socket.on('close', () => session.end(thread.nowMs()));
		if (timeoutMs !== undefined && timeoutMs > 0) socket.setTimeout(timeoutMs, () => socket.destroy());
		socket.resume();
	}

	closeIdle(restingSinceMs: number): void {
		if (this.#lastReadMs <= restingSinceMs) this.#socket.destroy();
	}

	destroy(): void {
		this.#socket.destroy();
	}
}
