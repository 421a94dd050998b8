/**
 * A copy of one entry, made in one locked step and read at leisure: what dumps, filters, peers and
 * snapshots look at. A caller makes one view per table and has it filled again and again, so a dump or a
 * resync of a million entries makes no garbage but the keys it asks for.
 */
import { tick } from '../core/clock.js';
import { rateValue } from './freq-counter.js';
import type { KeyCodec, TableKey } from './key.js';
import { type DataSlot, EXPIRE, KEY, STATE, type TableLayout } from './layout.js';
import type { EntryRef } from './table-base.js';

/** A rate as the peers protocol carries it. */
export interface RateState {
	/** Now minus the start of the current period, modulo 2^32. */
	readonly elapsedMs: number;
	readonly current: number;
	readonly previous: number;
}

/** One stored element: unsigned or signed 32 bits, 64 bits (`bigint` from 2^53 on), a rate, a string. */
export type DataValue = number | bigint | string | RateState;

export class EntryView {
	/** Identifies the entry in the runtime API (`0x...`); not pinned, so it may be another entry's later. */
	ref = 0 as EntryRef;
	/** The id it was given in the update list; set by `UpdateReader.next`. */
	updateId = 0;
	/** The time of the copy: readings and remaining life are as of then. */
	nowMs = 0;
	/** @internal */
	readonly words: Int32Array;
	/** @internal Text of server_key, taken while the entry was locked. */
	serverKeyText = '';
	readonly #codec: KeyCodec;
	readonly #layout: TableLayout;
	readonly #hasExpiry: boolean;

	constructor(layout: TableLayout, codec: KeyCodec, hasExpiry: boolean) {
		this.#layout = layout;
		this.#codec = codec;
		this.#hasExpiry = hasExpiry;
		this.words = new Int32Array(layout.recordWords);
	}

	/** The stored types, in the order of their wire ids. */
	get slots(): readonly DataSlot[] {
		return this.#layout.slots;
	}

	get key(): TableKey {
		return this.#codec.decode(this.words, KEY);
	}

	/** Writes the bytes of the key (network order, a string without terminator) into `bytes`; returns how many. */
	keyBytes(bytes: Uint8Array): number {
		return this.#codec.decodeBytes(this.words, KEY, bytes);
	}

	/**
	 * The stored data as words in the order of the wire ids: one for 32-bit numbers, low and high for 64-bit ones,
	 * elapsed, current and previous for a rate. What `StickTable.learnWords` takes.
	 */
	copyWords(target: Uint32Array | Int32Array): void {
		const { words } = this;
		const from = KEY + this.#layout.keyWords;
		for (let at = from; at < words.length; at++) target[at - from] = words[at]!;
		const now = tick(this.nowMs);
		for (const slot of this.#layout.slots) {
			if (slot.class !== 'rate') continue;
			for (let i = 0; i < slot.count; i++) {
				const at = slot.offset + i * 3;
				target[at - from] = now - words[at]!;
			}
		}
	}

	/** Trackers now on the entry. */
	get trackers(): number {
		return Math.max(0, this.words[STATE]! - 1);
	}

	/** Milliseconds to live, at least 0; undefined in a table without `expire`. */
	get remainingMs(): number | undefined {
		return this.#hasExpiry ? Math.max(0, (this.words[EXPIRE]! - tick(this.nowMs)) | 0) : undefined;
	}

	/** The date of another entry, of a table with the same `expire`. */
	takeExpiry(other: EntryView): void {
		this.words[EXPIRE] = other.words[EXPIRE]!;
	}

	/** What fetches, dumps and filters show: counters, and the reading of a rate in its unit. 0 for strings. */
	reading(slot: DataSlot, index: number): number {
		const words = this.words;
		switch (slot.class) {
			case 'uint32':
				return words[slot.offset + index]! >>> 0;
			case 'int32':
				return words[slot.offset + index]!;
			case 'uint64': {
				const at = slot.offset + index * 2;
				return (words[at + 1]! >>> 0) * 4294967296 + (words[at]! >>> 0);
			}
			case 'rate': {
				const at = slot.offset + index * 3;
				const value = rateValue(
					words[at]!,
					words[at + 1]! >>> 0,
					words[at + 2]! >>> 0,
					tick(this.nowMs),
					slot.periodMs,
				);
				return value * slot.factor;
			}
			case 'string':
				return 0;
		}
	}

	/** The stored state, as replication and snapshots carry it. */
	value(slot: DataSlot, index: number): DataValue {
		const words = this.words;
		switch (slot.class) {
			case 'uint64': {
				const at = slot.offset + index * 2;
				const value = this.reading(slot, index);
				if (value <= Number.MAX_SAFE_INTEGER) return value;
				return (BigInt(words[at + 1]! >>> 0) << 32n) | BigInt(words[at]! >>> 0);
			}
			case 'rate': {
				const at = slot.offset + index * 3;
				return {
					elapsedMs: (tick(this.nowMs) - words[at]!) >>> 0,
					current: words[at + 1]! >>> 0,
					previous: words[at + 2]! >>> 0,
				};
			}
			case 'string':
				return this.serverKeyText;
			default:
				return this.reading(slot, index);
		}
	}
}
