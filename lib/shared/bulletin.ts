/**
 * What only the control thread knows (peers, reloads, what it has sampled), for all threads to read: a JSON text in
 * shared memory that one thread writes again and again. Nobody is woken by it and no message is queued, so it costs
 * a data thread nothing until somebody asks for the page.
 *
 * A sequence number is odd while the text is being written (a seqlock): a reader copies the bytes and takes them only
 * if the number was even and is the same afterwards. In the other direction there is one word: when a reader last
 * looked, so that the writer can leave out costly figures while nobody does.
 */
import { tick } from '../core/clock.js';

const SEQUENCE = 0;
const LENGTH = 1;
const READ_AT = 2;
const HAS_READERS = 3;
const HEADER_BYTES = 32;
/** A writer is done in less than a millisecond; a reader that loses this often has met a bug. */
const ATTEMPTS = 1000;

export class Bulletin {
	readonly #words: Int32Array;
	readonly #bytes: Buffer;

	/** Address space; the system gives memory as the text grows. */
	static allocate(capacityBytes: number): SharedArrayBuffer {
		return new SharedArrayBuffer(HEADER_BYTES + capacityBytes);
	}

	constructor(buffer: SharedArrayBuffer) {
		this.#words = new Int32Array(buffer, 0, HEADER_BYTES / 4);
		this.#bytes = Buffer.from(buffer, HEADER_BYTES);
	}

	get capacityBytes(): number {
		return this.#bytes.length;
	}

	/** False: it does not fit, and what was there stays. Called by one thread only. */
	write(text: string): boolean {
		const bytes = Buffer.from(text, 'utf8');
		if (bytes.length > this.#bytes.length) return false;
		const words = this.#words;
		Atomics.add(words, SEQUENCE, 1);
		bytes.copy(this.#bytes);
		Atomics.store(words, LENGTH, bytes.length);
		Atomics.add(words, SEQUENCE, 1);
		return true;
	}

	/** Changes whenever a new text is there. */
	get version(): number {
		return Atomics.load(this.#words, SEQUENCE) >> 1;
	}

	/** The latest text; undefined before the first, and if it changes under one's eyes for ever. */
	read(nowMs: number): string | undefined {
		const words = this.#words;
		Atomics.store(words, READ_AT, tick(nowMs) | 0);
		Atomics.store(words, HAS_READERS, 1);
		for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
			const before = Atomics.load(words, SEQUENCE);
			if ((before & 1) !== 0) continue;
			const length = Atomics.load(words, LENGTH);
			if (length === 0) return undefined;
			const copy = Buffer.allocUnsafe(length);
			this.#bytes.copy(copy, 0, 0, length);
			if (Atomics.load(words, SEQUENCE) === before) return copy.toString('utf8');
		}
		return undefined;
	}

	/** Milliseconds since somebody looked; undefined: nobody ever did. */
	sinceReadMs(nowMs: number): number | undefined {
		if (Atomics.load(this.#words, HAS_READERS) === 0) return undefined;
		return (tick(nowMs) - Atomics.load(this.#words, READ_AT)) >>> 0;
	}
}
