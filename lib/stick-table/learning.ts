/**
 * What a peer sends about an entry, put into a table in one step (peers-protocol.md, section 9).
 *
 * Every value that may be learned replaces the local one, no sum, no maximum; types that were not sent, and
 * elements of an array beyond what was sent, stay as they are. The life of a timed message counts from now and
 * is cut to the table's own; at most 0 removes the entry (one with trackers lives one `expire` longer); an
 * untimed one gives a full life. `conn_cur` is only learned by a `recv-only` table, or from the old worker of a
 * reload. With `write-to` the as-is types go to that table too, with the same life: the two tables are written
 * one after the other, never under both locks.
 */
import { tick } from '../core/clock.js';
import type { SampleValue } from '../sample/types.js';
import { CLASS_WORDS } from './data-types.js';
import { writeElement } from './elements.js';
import type { EntryStore } from './entry-store.js';
import type { EntrySum, HashedKey } from './entry-sum.js';
import type { DataValue } from './entry-view.js';
import { type DataSlot, EXPIRE, KEY } from './layout.js';

/** Values of one type as received from a peer, element by element. */
export interface LearnedData {
	readonly slot: DataSlot;
	readonly values: readonly DataValue[];
}

/**
 * Which of the received types are stored: all that may be learned (`conn_cur` only in a `recv-only` table), all
 * and `conn_cur` too (from the old worker of a reload), or only the as-is ones (`write-to`).
 */
export type LearnFilter = 'learnable' | 'all' | 'as-is';

/** `kept`: a conflict was settled for the local values. `full`: no room. `no key`: not a key of this table. */
export type LearnOutcome = 'learned' | 'kept' | 'full' | 'no key';

/**
 * An entry in the `local` update list with an id after `knownId` was changed here without the sender knowing.
 * With `keepsLocal` such an entry is left as it is.
 */
export interface LearnConflict {
	readonly knownId: number;
	readonly keepsLocal: boolean;
}

/** A received entry whose values are words laid out like those of `EntryView.copyWords`. */
export interface WireEntry {
	/** Network order, a string without terminator; the first `keyLength` bytes. */
	readonly key: Uint8Array;
	readonly keyLength: number;
	readonly words: Uint32Array;
	/** For each slot of the table how many elements to store. */
	readonly elementCounts: Uint8Array;
	/** Undefined leaves the local value alone. */
	readonly serverKey: string | undefined;
}

export class Learning {
	readonly #store: EntryStore;
	readonly #recvOnly: boolean;
	#writeTo: Learning | undefined;
	/** Of the step at hand. */
	#outcome: LearnOutcome = 'learned';

	constructor(store: EntryStore, recvOnly: boolean) {
		this.#store = store;
		this.#recvOnly = recvOnly;
	}

	linkWriteTo(target: Learning): void {
		this.#writeTo = target;
	}

	learn(
		value: SampleValue,
		data: readonly LearnedData[],
		expireMs: number | undefined,
		nowMs: number,
		filter: LearnFilter,
		conflict: LearnConflict | undefined,
	): LearnOutcome {
		if (!this.#store.lockKey(value)) return 'no key';
		const lifeMs = this.#lifeMs(expireMs);
		const record = this.#begin(lifeMs, nowMs, conflict);
		if (record !== 0) {
			this.#writeData(record, data, tick(nowMs) | 0, filter);
			this.#end(record, lifeMs, nowMs, false);
		}
		this.#store.unlock();
		if (this.#outcome === 'learned' && this.#writeTo !== undefined) {
			this.#writeTo.#learnFrom(this.#store, value, data, lifeMs, nowMs);
		}
		return this.#outcome;
	}

	/** The same for words: no objects per value. `hashed`: the entry's key. */
	learnWords(
		entry: WireEntry,
		expireMs: number | undefined,
		nowMs: number,
		filter: LearnFilter,
		conflict: LearnConflict | undefined,
		hashed: HashedKey | undefined,
	): LearnOutcome {
		const store = this.#store;
		if (hashed !== undefined) store.lockHashed(hashed);
		else if (!store.lockKeyBytes(entry.key, entry.keyLength)) return 'no key';
		const lifeMs = this.#lifeMs(expireMs);
		const record = this.#begin(lifeMs, nowMs, conflict);
		if (record !== 0) {
			this.#writeWords(record, entry, tick(nowMs) | 0, filter);
			this.#end(record, lifeMs, nowMs, false);
		}
		store.unlock();
		if (this.#outcome === 'learned' && this.#writeTo !== undefined) {
			this.#writeTo.#learnFrom(store, store.decodeKey(), this.#dataOf(entry), lifeMs, nowMs);
		}
		return this.#outcome;
	}

	/** All that was sent for the key of `sum`, which the entry is added to. False: there is no entry. */
	learnShare(entry: WireEntry, expireMs: number | undefined, sum: EntrySum, nowMs: number): boolean {
		const store = this.#store;
		store.lockHashed(sum.key);
		const lifeMs = this.#lifeMs(expireMs);
		const record = this.#begin(lifeMs, nowMs, undefined);
		let isThere = record !== 0;
		if (isThere) {
			const now = tick(nowMs) | 0;
			this.#writeWords(record, entry, now, 'all');
			isThere = this.#end(record, lifeMs, nowMs, false);
			if (isThere) sum.add(store.words, record, store.serverKey(record), now);
		}
		store.unlock();
		return isThere;
	}

	/**
	 * The sum of shares in place of what is there; the entry goes, or reads nothing, when nobody has a share any more.
	 * `isNews`: as if it had been changed here.
	 */
	learnSum(sum: EntrySum, nowMs: number, isNews: boolean): void {
		const store = this.#store;
		const now = tick(nowMs) | 0;
		store.lockHashed(sum.key);
		const remainingMs = sum.hasExpiry ? (sum.words[EXPIRE]! - now) | 0 : undefined;
		const lifeMs = sum.isEmpty ? 0 : this.#lifeMs(remainingMs);
		const record = this.#begin(lifeMs, nowMs, undefined);
		if (record !== 0) {
			this.#writeSum(record, sum);
			this.#end(record, lifeMs, nowMs, isNews);
		}
		store.unlock();
	}

	/** The receiving end of `write-to`: same key, own slots, only as-is types. */
	#learnFrom(
		source: EntryStore,
		value: SampleValue,
		data: readonly LearnedData[],
		lifeMs: number,
		nowMs: number,
	): void {
		const { keyWords } = source.layout;
		if (keyWords !== this.#store.layout.keyWords || !this.#store.lockKey(value)) return;
		const own: LearnedData[] = [];
		for (const { slot, values } of data) {
			const target = slot.isAsIs ? this.#store.layout.slots.find(({ wireId }) => wireId === slot.wireId) : undefined;
			if (target !== undefined) own.push({ slot: target, values });
		}
		// A source without `expire` has no life to give: this table's own then.
		const ownLifeMs = source.expireMs === 0 ? this.#store.expireMs : lifeMs;
		const record = this.#begin(ownLifeMs, nowMs, undefined);
		if (record !== 0) {
			this.#writeData(record, own, tick(nowMs) | 0, 'as-is');
			this.#end(record, ownLifeMs, nowMs, false);
		}
		this.#store.unlock();
	}

	#lifeMs(expireMs: number | undefined): number {
		return Math.min(expireMs ?? this.#store.expireMs, this.#store.expireMs);
	}

	/** The record of the locked key that is to be written, or 0; sets `#outcome`. */
	#begin(lifeMs: number, nowMs: number, conflict: LearnConflict | undefined): number {
		const store = this.#store;
		const now = tick(nowMs) | 0;
		// A life that is over removes what is there and makes no room for what would go at once.
		const isOver = this.#isOver(lifeMs);
		const record = isOver ? store.find(now) : store.findOrCreate(now);
		if (record === 0) this.#outcome = isOver ? 'learned' : 'full';
		else if (conflict?.keepsLocal === true && store.updates.isLocalAfter(record, conflict.knownId)) {
			this.#outcome = 'kept';
			return 0;
		} else this.#outcome = 'learned';
		return record;
	}

	/** False: the entry's life is over, and it is gone. */
	#end(record: number, lifeMs: number, nowMs: number, isNews: boolean): boolean {
		const store = this.#store;
		const now = tick(nowMs) | 0;
		if (store.expireMs === 0) store.refresh(record, now);
		else store.setDate(record, (now + lifeMs) | 0);
		if (this.#isOver(lifeMs) && store.removeIfFree(record)) return false;
		if (isNews) store.updates.touchLocal(record);
		else store.updates.touchLearned(record);
		return true;
	}

	#isOver(lifeMs: number): boolean {
		return this.#store.expireMs !== 0 && lifeMs <= 0;
	}

	#writeSum(record: number, sum: EntrySum): void {
		const { words } = this.#store;
		const { slots } = this.#store.layout;
		for (let i = 0; i < slots.length; i++) {
			const slot = slots[i]!;
			if (slot.class === 'string') {
				if (!sum.isEmpty && sum.serverKeyText !== '') this.#store.setServerKey(record, sum.serverKeyText);
				continue;
			}
			const elementWords = CLASS_WORDS[slot.class];
			const end = slot.offset + slot.count * elementWords;
			for (let at = slot.offset; at < end; at++) words[record + at] = sum.isEmpty ? 0 : sum.words[at]!;
			if (slot.isRate) for (let at = slot.offset; at < end; at += 3) words[record + at]! &= ~1;
		}
	}

	#writeData(record: number, data: readonly LearnedData[], now: number, filter: LearnFilter): void {
		for (const { slot, values } of data) {
			if (!this.#mayLearn(slot, filter)) continue;
			const count = Math.min(values.length, slot.count);
			for (let i = 0; i < count; i++) this.#write(record, slot, i, values[i]!, now);
		}
	}

	#writeWords(record: number, entry: WireEntry, now: number, filter: LearnFilter): void {
		const { words } = this.#store;
		const { slots, keyWords } = this.#store.layout;
		for (let i = 0; i < slots.length; i++) {
			const slot = slots[i]!;
			const count = Math.min(entry.elementCounts[i]!, slot.count);
			if (count === 0 || !this.#mayLearn(slot, filter)) continue;
			if (slot.class === 'string') {
				if (entry.serverKey !== undefined) this.#write(record, slot, 0, entry.serverKey, now);
				continue;
			}
			const elementWords = CLASS_WORDS[slot.class];
			for (let at = slot.offset; at < slot.offset + count * elementWords; at += elementWords) {
				const from = at - KEY - keyWords;
				for (let word = 0; word < elementWords; word++) words[record + at + word] = entry.words[from + word]!;
				if (slot.isRate) words[record + at] = (now - entry.words[from]!) & ~1;
			}
		}
	}

	/** The as-is values of a received entry as objects, for `write-to`. */
	#dataOf(entry: WireEntry): LearnedData[] {
		const { slots, keyWords } = this.#store.layout;
		const data: LearnedData[] = [];
		for (const [i, slot] of slots.entries()) {
			const count = Math.min(entry.elementCounts[i]!, slot.count);
			if (!slot.isAsIs || count === 0) continue;
			const from = slot.offset - KEY - keyWords;
			const values = Array.from(entry.words.subarray(from, from + count));
			data.push({ slot, values: slot.class === 'string' ? [entry.serverKey ?? ''] : values });
		}
		return data;
	}

	#mayLearn(slot: DataSlot, filter: LearnFilter): boolean {
		if (filter === 'as-is') return slot.isAsIs;
		return !slot.isLocalOnly || filter === 'all' || this.#recvOnly;
	}

	#write(record: number, slot: DataSlot, index: number, value: DataValue, now: number): void {
		if (slot.class !== 'string') writeElement(this.#store.words, record, slot, index, value, now);
		// "No value" on the wire keeps the value there is (peers-protocol.md, 8.4).
		else if (typeof value === 'string' && value !== '') this.#store.setServerKey(record, value);
	}
}
