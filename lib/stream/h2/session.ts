/**
 * What the two ends of HTTP/2 have in common: how the codec's output goes to the socket, and what waits for the end of
 * the turn.
 *
 * What the streams say within one turn of the event loop goes out in one write at its end: over TLS each write is a
 * record, a system call and a callback. The output stops filling when the socket has more than it takes at once, and a
 * peer that makes us speak and does not read is gone.
 */
import type { H2Connection } from '../../http/h2/connection.js';
import { OUTPUT_BUFFERS } from '../../http/h2/output.js';
import { Connection, WRITE_LIMIT_BYTES } from '../native/connection.js';

/** A stream that may have something to do when nothing else runs. */
export interface Resumable {
	resumed(): void;
}

export abstract class H2Session<User extends Resumable> extends Connection {
	abstract readonly codec: H2Connection<User>;
	/** Bytes that the peer makes us hold and does not read; beyond, it is gone. */
	protected abstract readonly unreadBytesMax: number;
	#flushDue = false;
	#resuming: User[] = [];
	#resumeDue = false;

	/** The peer leaves too much unread. */
	protected abstract unreadTooLong(): void;

	flushSoon(): void {
		if (this.#flushDue || this.closed) return;
		this.#flushDue = true;
		setImmediate(this.#flushNow);
	}

	readonly #flushNow = (): void => {
		this.#flushDue = false;
		if (!this.closed) this.guarded(this.flushOutput);
	};

	/** Gives to the socket what it takes. */
	protected flushOutput(): void {
		const { output } = this.codec;
		for (;;) {
			const unwritten = this.unwrittenBytes;
			if (unwritten + output.length > this.unreadBytesMax) {
				this.unreadTooLong();
				return;
			}
			output.isBlocked = unwritten > WRITE_LIMIT_BYTES;
			output.pump();
			if (output.length === 0) return;
			this.writeOutput();
			if (this.closed || !output.hasWaiting) return;
		}
	}

	/** Writes what the codec has ready. */
	protected writeOutput(): void {
		const { output } = this.codec;
		const { length } = output;
		const buffer = output.take();
		const view = length === buffer.length ? buffer : buffer.subarray(0, length);
		if (this.writeBuffer(view, buffer)) this.giveBack(buffer);
		output.isBlocked = this.unwrittenBytes > WRITE_LIMIT_BYTES;
	}

	protected override giveBack(pooled: Buffer): void {
		OUTPUT_BUFFERS.give(pooled);
	}

	protected override written(): void {
		this.flushOutput();
	}

	/** `stream.resumed` is to be called, not below what runs now. */
	resumeLater(stream: User): void {
		this.#resuming.push(stream);
		if (this.#resumeDue) return;
		this.#resumeDue = true;
		setImmediate(this.#resumeNow);
	}

	readonly #resumeNow = (): void => {
		this.#resumeDue = false;
		const resuming = this.#resuming;
		this.#resuming = [];
		this.thread.nowMs();
		for (const stream of resuming) stream.resumed();
		if (this.codec.output.length > 0) this.flushSoon();
	};
}
