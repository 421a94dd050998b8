/**
 * A body in the native engine that passes through filters (filters/body-filter.ts): its payload is copied out of the
 * buffers it was read into, goes through the chain, and is framed anew for whoever gets it. One object per such
 * body; bodies without filters are passed on in the buffers they came in and know nothing of this.
 *
 * A head that waits to be sent goes out in one write with the first bytes if these come within the same turn.
 */
import type { ChainSink, FilterChain } from '../filters/body-filter.js';
import { type Connection, TEXT_WRITE_BYTES, WRITE_LIMIT_BYTES } from './connection.js';

/** Chunk framing needs this much around a payload: a size of up to 8 digits and two line ends. */
const CHUNK_FRAME_BYTES = 12;

export interface FilteredBodyEvents {
	/** Less waits than before: the source may have to be woken. */
	filteredProgressed(): void;
	/** The last byte was given on. */
	filteredEnded(): void;
	/** A filter broke: the message cannot be completed. */
	filteredFailed(error: Error): void;
}

export class FilteredBody implements ChainSink {
	readonly #target: Connection;
	readonly #chain: FilterChain;
	readonly #chunked: boolean;
	readonly #events: FilteredBodyEvents;
	#pushing = false;
	/** A head that is still to be sent. */
	#head: string;
	/** Trailer fields, each line with its end. */
	trailers = '';
	/** The source has said that it is complete. */
	inputDone = false;

	constructor(target: Connection, chain: FilterChain, chunked: boolean, head: string, events: FilteredBodyEvents) {
		this.#target = target;
		this.#chain = chain;
		this.#chunked = chunked;
		this.#head = head;
		this.#events = events;
		chain.open(this, (error) => events.filteredFailed(error));
	}

	/** Payload as it was read; it is copied. */
	push(buffer: Buffer, start: number, end: number): void {
		if (end > start) this.pushOwned(Buffer.from(buffer.subarray(start, end)));
	}

	/** Payload that is nobody else's. */
	pushOwned(bytes: Buffer): void {
		// The source is at work: it looks at `isFull` itself when it is done, and must not be woken in the middle.
		this.#pushing = true;
		this.#chain.write(bytes);
		this.#pushing = false;
	}

	/** No more payload will come. */
	finish(): void {
		this.inputDone = true;
		this.#chain.end();
	}

	/** The head must not wait longer. */
	flushHead(): void {
		const head = this.#head;
		if (head === '') return;
		this.#head = '';
		this.#target.writeText(head);
	}

	/** Too much waits: in the chain or for the target to take it. */
	get isFull(): boolean {
		return this.#target.unwrittenBytes + this.#chain.pendingBytes > WRITE_LIMIT_BYTES;
	}

	get isLow(): boolean {
		return this.#target.unwrittenBytes + this.#chain.pendingBytes <= WRITE_LIMIT_BYTES / 2;
	}

	// ---- ChainSink: what comes out of the chain ---------------------------------------------------------------

	write(bytes: Buffer): void {
		const head = this.#head;
		this.#head = '';
		const target = this.#target;
		if (!this.#chunked) {
			if (head.length + bytes.length <= TEXT_WRITE_BYTES && head !== '') {
				target.writeText(head + bytes.toString('latin1', 0, bytes.length));
			} else {
				if (head !== '') target.writeText(head);
				target.writeBuffer(bytes, undefined);
			}
		} else if (head.length + bytes.length + CHUNK_FRAME_BYTES <= TEXT_WRITE_BYTES) {
			target.writeText(`${head}${hex(bytes.length)}\r\n${bytes.toString('latin1', 0, bytes.length)}\r\n`);
		} else {
			target.writeText(`${head}${hex(bytes.length)}\r\n`);
			target.writeBuffer(bytes, undefined);
			target.writeText('\r\n');
		}
	}

	progressed(): void {
		if (!this.#pushing) this.#events.filteredProgressed();
	}

	end(): void {
		const head = this.#head;
		this.#head = '';
		const tail = this.#chunked ? `0\r\n${this.trailers}\r\n` : '';
		if (head !== '' || tail !== '') this.#target.writeText(head + tail);
		this.#events.filteredEnded();
	}
}

/** The size of a chunk, in capitals as HAProxy writes it. */
function hex(size: number): string {
	return size.toString(16).toUpperCase();
}
