/**
 * The strings of `server_key`: server names or addresses, few and shared by many entries, so a record
 * holds the number of a string and the string stands once per table, with a count of the records that use
 * it. Strings nobody uses any more make room for others; the store is bounded in number and in length,
 * whatever a peer sends.
 *
 * Slots are numbered from 1 (0 is "no string") and are found by a hash chain; all of it is guarded by one
 * lock, taken while the lock of a shard is held, never the other way round.
 *
 *     LOCK | free list | high water |  buckets ...  | slots: next, uses, hash, length, bytes ...
 */
import { acquireLock, releaseLock } from '../shared/spin-lock.js';
import { packText, unpackText } from './key.js';

/** Longest string; HAProxy's server names and addresses are well below. Longer ones are not stored. */
export const MAX_STRING_BYTES = 256;
const MAX_STRINGS = 4096;

const LOCK = 0;
const FREE = 1;
const HIGH_WATER = 2;
const HEADER_WORDS = 16;

const SLOT_NEXT = 0;
const SLOT_USES = 1;
const SLOT_LENGTH = 2;
const SLOT_BYTES = 3;
const SLOT_WORDS = SLOT_BYTES + MAX_STRING_BYTES / 4;

/** Strings a table of `size` entries can have: one per entry is enough. */
export function dictionaryCapacity(size: number): number {
	return Math.min(size, MAX_STRINGS);
}

export function dictionaryWords(capacity: number): number {
	return capacity === 0 ? 0 : HEADER_WORDS + capacity + capacity * SLOT_WORDS;
}

export class StringDictionary {
	readonly #words: Int32Array;
	readonly #at: number;
	readonly #capacity: number;
	readonly #scratch = new Int32Array(MAX_STRING_BYTES / 4);

	constructor(words: Int32Array, at: number, capacity: number) {
		this.#words = words;
		this.#at = at;
		this.#capacity = capacity;
	}

	/** The number of `text`, with one use more; 0 when it is empty, too long, or there is no room. */
	intern(text: string): number {
		if (text === '' || text.length > MAX_STRING_BYTES || this.#capacity === 0) return 0;
		const words = this.#words;
		const lockAt = this.#at + LOCK;
		const wordCount = Math.ceil(text.length / 4);
		packText(text, text.length, false, this.#scratch, 0, wordCount);
		acquireLock(words, lockAt);
		const bucketAt = this.#at + HEADER_WORDS + (hashOf(text) % this.#capacity);
		let id = words[bucketAt]!;
		while (id !== 0 && !this.#holds(id, text.length, wordCount)) id = words[this.#slotAt(id) + SLOT_NEXT]!;
		if (id === 0) {
			id = this.#takeSlot();
			if (id !== 0) {
				const slotAt = this.#slotAt(id);
				words[slotAt + SLOT_NEXT] = words[bucketAt]!;
				words[slotAt + SLOT_USES] = 0;
				words[slotAt + SLOT_LENGTH] = text.length;
				for (let i = 0; i < wordCount; i++) words[slotAt + SLOT_BYTES + i] = this.#scratch[i]!;
				words[bucketAt] = id;
			}
		}
		if (id !== 0) words[this.#slotAt(id) + SLOT_USES]!++;
		releaseLock(words, lockAt);
		return id;
	}

	/** One use less; the string goes with the last one. */
	release(id: number): void {
		if (id === 0) return;
		const words = this.#words;
		const lockAt = this.#at + LOCK;
		acquireLock(words, lockAt);
		const slotAt = this.#slotAt(id);
		if (--words[slotAt + SLOT_USES]! === 0) {
			this.#unchain(id, hashOf(this.#textAt(slotAt)) % this.#capacity);
			words[slotAt + SLOT_NEXT] = words[this.#at + FREE]!;
			words[this.#at + FREE] = id;
		}
		releaseLock(words, lockAt);
	}

	/** The text of a number that the caller holds a use of; empty for 0. */
	text(id: number): string {
		return id === 0 || id > this.#capacity ? '' : this.#textAt(this.#slotAt(id));
	}

	/** Strings in the store and the sum of their uses, by walking all chains: for checks. */
	audit(): { strings: number; uses: number } {
		let strings = 0;
		let uses = 0;
		for (let bucket = 0; bucket < this.#capacity; bucket++) {
			let id = this.#words[this.#at + HEADER_WORDS + bucket]!;
			for (; id !== 0; id = this.#words[this.#slotAt(id) + SLOT_NEXT]!) {
				strings++;
				uses += this.#words[this.#slotAt(id) + SLOT_USES]!;
			}
		}
		return { strings, uses };
	}

	/** Forgets everything; the caller interns again what it still has. For repair after a dead thread. */
	reset(): void {
		const words = this.#words;
		words.fill(0, this.#at, this.#at + (this.#capacity === 0 ? 0 : HEADER_WORDS + this.#capacity));
	}

	#slotAt(id: number): number {
		return this.#at + HEADER_WORDS + this.#capacity + (id - 1) * SLOT_WORDS;
	}

	#textAt(slotAt: number): string {
		const length = Math.min(this.#words[slotAt + SLOT_LENGTH]!, MAX_STRING_BYTES);
		return unpackText(this.#words, slotAt + SLOT_BYTES, length, false);
	}

	#holds(id: number, length: number, wordCount: number): boolean {
		const slotAt = this.#slotAt(id);
		if (this.#words[slotAt + SLOT_LENGTH] !== length) return false;
		for (let i = 0; i < wordCount; i++) {
			if (this.#words[slotAt + SLOT_BYTES + i] !== this.#scratch[i]) return false;
		}
		return true;
	}

	#takeSlot(): number {
		const words = this.#words;
		const free = words[this.#at + FREE]!;
		if (free !== 0) {
			words[this.#at + FREE] = words[this.#slotAt(free) + SLOT_NEXT]!;
			return free;
		}
		if (words[this.#at + HIGH_WATER]! >= this.#capacity) return 0;
		return ++words[this.#at + HIGH_WATER]!;
	}

	#unchain(id: number, bucket: number): void {
		let linkAt = this.#at + HEADER_WORDS + bucket;
		while (this.#words[linkAt] !== id) linkAt = this.#slotAt(this.#words[linkAt]!) + SLOT_NEXT;
		this.#words[linkAt] = this.#words[this.#slotAt(id) + SLOT_NEXT]!;
	}
}

/** FNV-1a: these strings come from the configuration and from peers, a few thousand at most. */
function hashOf(text: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
	return hash >>> 0;
}
