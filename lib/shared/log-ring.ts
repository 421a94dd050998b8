/**
 * A ring of log lines in shared memory (manual, 3.9 `ring`): every thread writes, the control thread reads, for `show
 * events` and for the log servers of the section.
 *
 *     words:      lock | changes | dropped | -
 *     positions:  first byte of the oldest line, byte after the newest, number of the oldest, number of the next
 *     bytes:      length (4 bytes), line, length, line, ...   wrapping at the end
 *
 * Positions are counted on for ever and taken modulo the size, so a reader is only a position and a number, and knows
 * when it was overtaken and by how many lines. A line that needs room takes that of the oldest ones: writers never
 * wait for readers. HAProxy decides otherwise where a server reads a ring: it keeps the old lines and drops the
 * new. Here the latest lines are always there, and what a log server was too slow for is counted as dropped.
 */
import { acquireLock, LockAbandonedError, lockHolder, releaseLock } from './spin-lock.js';

const LOCK = 0;
const CHANGES = 1;
const DROPPED = 2;
const OLDEST = 0;
const END = 1;
const OLDEST_NUMBER = 2;
const NEXT_NUMBER = 3;
const WORDS = 4;
const POSITIONS = 4;
const HEADER_BYTES = WORDS * 4 + POSITIONS * 8;
const LENGTH_BYTES = 4;

export function attachRings(buffers: ReadonlyMap<string, SharedArrayBuffer>): ReadonlyMap<string, LogRing> {
	return new Map([...buffers].map(([name, buffer]) => [name, new LogRing(buffer)]));
}

/** Where a reader is. Owned by the reader, moved by `read`. */
export interface RingCursor {
	position: number;
	/** The number of the line that comes next. */
	number: number;
}

export interface RingReading {
	readonly lines: readonly string[];
	/** Lines that were overwritten before the reader came. */
	readonly lostCount: number;
}

const NOTHING: RingReading = { lines: [], lostCount: 0 };

/** In the language since ES2024, in Node since 16; not in the types that the sources are compiled with. */
type WaitAsync = (
	words: Int32Array,
	index: number,
	value: number,
	timeoutMs?: number,
) => { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
const { waitAsync } = Atomics as unknown as { readonly waitAsync: WaitAsync };

export class LogRing {
	readonly buffer: SharedArrayBuffer;
	readonly #words: Int32Array;
	readonly #positions: Float64Array;
	readonly #bytes: Buffer;

	static allocate(sizeBytes: number): SharedArrayBuffer {
		return new SharedArrayBuffer(HEADER_BYTES + sizeBytes);
	}

	constructor(buffer: SharedArrayBuffer) {
		this.buffer = buffer;
		this.#words = new Int32Array(buffer, 0, WORDS);
		this.#positions = new Float64Array(buffer, WORDS * 4, POSITIONS);
		this.#bytes = Buffer.from(buffer, HEADER_BYTES);
	}

	get sizeBytes(): number {
		return this.#bytes.length;
	}

	/** Lines that some reader came too late for. */
	get droppedCount(): number {
		return Atomics.load(this.#words, DROPPED);
	}

	countDropped(lines: number): void {
		Atomics.add(this.#words, DROPPED, lines);
	}

	/** Appends a byte string; what is longer than the ring is cut. */
	write(line: string): void {
		const bytes = this.#bytes;
		const length = Math.min(line.length, bytes.length - LENGTH_BYTES);
		this.#lock();
		const positions = this.#positions;
		let oldest = positions[OLDEST] as number;
		let oldestNumber = positions[OLDEST_NUMBER] as number;
		const end = positions[END] as number;
		while (end + LENGTH_BYTES + length - oldest > bytes.length) {
			oldest += LENGTH_BYTES + this.#lengthAt(oldest);
			oldestNumber++;
		}
		positions[OLDEST] = oldest;
		positions[OLDEST_NUMBER] = oldestNumber;
		this.#putLength(end, length);
		this.#putText(end + LENGTH_BYTES, length === line.length ? line : line.slice(0, length));
		positions[END] = end + LENGTH_BYTES + length;
		positions[NEXT_NUMBER] = (positions[NEXT_NUMBER] as number) + 1;
		releaseLock(this.#words, LOCK);
		Atomics.add(this.#words, CHANGES, 1);
		Atomics.notify(this.#words, CHANGES);
	}

	/** A reader that begins with the oldest line that is still there. */
	oldest(): RingCursor {
		return this.#cursor(OLDEST, OLDEST_NUMBER);
	}

	/** A reader of what comes from now on. */
	newest(): RingCursor {
		return this.#cursor(END, NEXT_NUMBER);
	}

	#cursor(position: number, number: number): RingCursor {
		this.#lock();
		const cursor = { position: this.#positions[position] as number, number: this.#positions[number] as number };
		releaseLock(this.#words, LOCK);
		return cursor;
	}

	/** The lines from the cursor on, about `bytesMax` of them, and moves the cursor behind them. */
	read(cursor: RingCursor, bytesMax: number): RingReading {
		const positions = this.#positions;
		this.#lock();
		const end = positions[END] as number;
		let lostCount = 0;
		// Overtaken; or the ring was emptied after the death of a writer, and begins anew.
		if (cursor.position < (positions[OLDEST] as number) || cursor.position > end) {
			lostCount = Math.max(0, (positions[OLDEST_NUMBER] as number) - cursor.number);
			cursor.position = positions[OLDEST] as number;
			cursor.number = positions[OLDEST_NUMBER] as number;
		}
		if (cursor.position === end && lostCount === 0) {
			releaseLock(this.#words, LOCK);
			return NOTHING;
		}
		const lines: string[] = [];
		let position = cursor.position;
		while (position < end && position - cursor.position < bytesMax) {
			const length = this.#lengthAt(position);
			lines.push(this.#textAt(position + LENGTH_BYTES, length));
			position += LENGTH_BYTES + length;
		}
		releaseLock(this.#words, LOCK);
		cursor.position = position;
		cursor.number += lines.length;
		return { lines, lostCount };
	}

	/** Changes with every line. */
	get changes(): number {
		return Atomics.load(this.#words, CHANGES);
	}

	/** Resolves when `changes` is no longer `seen`, or after a while. */
	async changed(seen: number, timeoutMs: number): Promise<void> {
		const waiting = waitAsync(this.#words, CHANGES, seen, timeoutMs);
		if (waiting.async) await waiting.value;
	}

	/** Wakes those who wait for changes, without one. */
	wake(): void {
		Atomics.add(this.#words, CHANGES, 1);
		Atomics.notify(this.#words, CHANGES);
	}

	/** A thread has died: if it was writing, the ring is emptied and goes on. */
	recover(threadId: number): boolean {
		if (lockHolder(this.#words, LOCK) !== threadId) return false;
		this.#clear();
		return true;
	}

	#lock(): void {
		try {
			acquireLock(this.#words, LOCK);
		} catch (error) {
			if (!(error instanceof LockAbandonedError)) throw error;
			// Logging goes on whatever happens: what a dead thread was writing is worth less than what comes.
			this.recover(error.holderThreadId);
			acquireLock(this.#words, LOCK);
		}
	}

	#clear(): void {
		const positions = this.#positions;
		const next = (positions[NEXT_NUMBER] as number) + 1;
		positions[OLDEST] = 0;
		positions[END] = 0;
		positions[OLDEST_NUMBER] = next;
		positions[NEXT_NUMBER] = next;
		releaseLock(this.#words, LOCK);
	}

	#lengthAt(position: number): number {
		const { length } = this.#bytes;
		const at = position % length;
		if (at + LENGTH_BYTES <= length) return this.#bytes.readUInt32LE(at);
		let value = 0;
		for (let i = LENGTH_BYTES - 1; i >= 0; i--) value = value * 256 + (this.#bytes[(at + i) % length] as number);
		return value;
	}

	#putLength(position: number, value: number): void {
		const { length } = this.#bytes;
		const at = position % length;
		if (at + LENGTH_BYTES <= length) {
			this.#bytes.writeUInt32LE(value, at);
			return;
		}
		for (let i = 0; i < LENGTH_BYTES; i++) this.#bytes[(at + i) % length] = (value >>> (8 * i)) & 0xff;
	}

	#textAt(position: number, length: number): string {
		const bytes = this.#bytes;
		const at = position % bytes.length;
		if (at + length <= bytes.length) return bytes.toString('latin1', at, at + length);
		return bytes.toString('latin1', at) + bytes.toString('latin1', 0, at + length - bytes.length);
	}

	#putText(position: number, text: string): void {
		const bytes = this.#bytes;
		const at = position % bytes.length;
		const room = bytes.length - at;
		if (text.length <= room) bytes.write(text, at, 'latin1');
		else {
			bytes.write(text.slice(0, room), at, 'latin1');
			bytes.write(text.slice(room), 0, 'latin1');
		}
	}
}
