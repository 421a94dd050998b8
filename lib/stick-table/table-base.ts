/**
 * What every stick table has, whatever is counted in it: its memory, what is stored in an entry, and the work on the
 * table as a whole: dumps, clearing, expiry, repair. The operations on one entry that rules make are in table.ts.
 *
 * No lock is held for longer than one hash chain, or 64 removals.
 */
import { randomFillSync } from 'node:crypto';
import type { StickTableModel } from '../config/model.js';
import { tick } from '../core/clock.js';
import { HoldfastError } from '../core/errors.js';
import type { SampleValue } from '../sample/types.js';
import { EntryStore } from './entry-store.js';
import { EntrySum } from './entry-sum.js';
import { EntryView } from './entry-view.js';
import { keyLengthBytes } from './key.js';
import {
	CLEARS,
	type DataSlot,
	EVICTIONS,
	EXPIRE,
	FULL_EVENTS,
	KEY,
	LAST_FULL_TICK,
	layoutOf,
	POOL_USED,
	REFUSALS,
	SEED_0,
	SEED_1,
	STATE,
	UNTRACKED,
} from './layout.js';
import { repairStore, verifyStore } from './store-check.js';
import type { UpdateList } from './update-list.js';

/** A mask: walks pause after as many hash chains and one. */
const CHAINS_BETWEEN_PAUSES = 0xfff;

/** Designates an entry that is pinned (tracked): valid until it is released. 0 is no entry. */
export type EntryRef = number & { readonly entryRef: unique symbol };

export class TableBase {
	readonly model: StickTableModel;
	readonly name: string;
	readonly buffer: SharedArrayBuffer;
	protected readonly store: EntryStore;
	protected readonly words: Int32Array;

	/** Address space that the table takes; memory only as entries come. Throws `TABLE_TOO_LARGE`. */
	static bytesNeeded(model: StickTableModel): number {
		return layoutOf(model).totalWords * 4;
	}

	/**
	 * Reserves the memory of an empty table. Throws `TABLE_TOO_LARGE` with a sentence for the operator when the
	 * size is beyond 8 GB or the system refuses. Tables made `like` another one hash a key alike (entry-sum.ts).
	 */
	static allocate(model: StickTableModel, like?: SharedArrayBuffer): SharedArrayBuffer {
		const bytes = TableBase.bytesNeeded(model);
		let buffer: SharedArrayBuffer;
		try {
			buffer = new SharedArrayBuffer(bytes);
		} catch (cause) {
			const megabytes = Math.ceil(bytes / 2 ** 20);
			const text = `stick-table '${model.name}' of size ${model.size}: the system does not give the ${megabytes} MB it may need`;
			throw new HoldfastError('TABLE_TOO_LARGE', text, { cause });
		}
		const seeds = new Int32Array(buffer, SEED_0 * 4, SEED_1 - SEED_0 + 1);
		if (like === undefined) randomFillSync(seeds);
		else seeds.set(new Int32Array(like, SEED_0 * 4, seeds.length));
		return buffer;
	}

	/** `isPrivate`: no other thread attaches to the memory, and steps are made without locks. */
	constructor(model: StickTableModel, buffer: SharedArrayBuffer, isPrivate = false) {
		this.model = model;
		this.name = model.name;
		this.buffer = buffer;
		this.words = new Int32Array(buffer);
		this.store = new EntryStore(model, this.words, isPrivate);
	}

	/** What is stored, in the order of the wire ids. */
	get slots(): readonly DataSlot[] {
		return this.store.layout.slots;
	}

	/** What peers are to be told: see update-list.ts. */
	get updates(): UpdateList {
		return this.store.updates;
	}

	/** Bytes of a key on the wire: 4, 16, or the length of a string or binary key. */
	get keyLengthBytes(): number {
		return keyLengthBytes(this.model);
	}

	/**
	 * The stored type of a name, or undefined. `gpc0`, `gpc1`, `gpt0` and their rates are answered by element 0
	 * or 1 of an array when the table has the array.
	 */
	slot(type: string): DataSlot | undefined {
		return this.store.layout.slotsByName.get(type);
	}

	/** The slot that is sent with this id, without the fall-backs. */
	slotByWireId(wireId: number): DataSlot | undefined {
		return this.slots.find((slot) => slot.wireId === wireId);
	}

	/** A view for `copy` and `UpdateReader.next`. */
	newView(): EntryView {
		return new EntryView(this.store.layout, this.store.codec, this.store.expireMs !== 0);
	}

	/**
	 * All entries, in no order. No lock is held while the caller has one, and it may stop and go on whenever it likes:
	 * an entry that is there during the whole walk comes exactly once. The view is reused: take what you need.
	 */
	*entries(nowMs: number | (() => number)): Generator<EntryView> {
		for (const entry of this.walk(nowMs)) if (entry !== undefined) yield entry;
	}

	/** As `entries`, with an undefined now and then where there are few: a moment to let others have their turn. */
	*walk(nowMs: number | (() => number)): Generator<EntryView | undefined> {
		const store = this.store;
		const clock = typeof nowMs === 'number' ? () => nowMs : nowMs;
		const views: EntryView[] = [];
		const end = store.chainCount;
		for (let chain = 0; chain < end; chain++) {
			chain = store.nextChain(chain, Math.min(end - 1, chain | CHAINS_BETWEEN_PAUSES));
			let count = 0;
			// Asked only where there is an entry: most chains of a table that is not full are empty.
			let at = -1;
			store.visitChain(chain, (record) => {
				if (at < 0) at = clock();
				if (this.#isOver(record, at)) return;
				views[count] ??= this.newView();
				store.copyLocked(record, views[count++]!, at);
			});
			for (let i = 0; i < count; i++) yield views[i]!;
			if ((chain & CHAINS_BETWEEN_PAUSES) === CHAINS_BETWEEN_PAUSES) yield undefined;
		}
	}

	/** Copies the entry of a key; false when it is absent. */
	copyByKey(value: SampleValue, view: EntryView, nowMs: number): boolean {
		return (
			this.withFound(value, nowMs, (record) => {
				this.store.copyLocked(record, view, nowMs);
				return true;
			}) ?? false
		);
	}

	/** The same for a key as peers send it. */
	copyByKeyBytes(key: Uint8Array, keyLength: number, view: EntryView, nowMs: number): boolean {
		const store = this.store;
		if (!store.lockKeyBytes(key, keyLength)) return false;
		const record = store.find(tick(nowMs) | 0);
		if (record !== 0) store.copyLocked(record, view, nowMs);
		store.unlock();
		return record !== 0;
	}

	newSum(): EntrySum {
		return new EntrySum(this.store.layout, this.store.expireMs !== 0);
	}

	/** Begins the sum of a key as peers send it, over this table and those made like it. False: no key of this table. */
	beginSum(sum: EntrySum, key: Uint8Array, keyLength: number): boolean {
		sum.clear();
		return sum.key.take(key, keyLength, this.store);
	}

	/** Adds the entry of the sum's key; false when it is absent. */
	addToSum(sum: EntrySum, nowMs: number): boolean {
		const store = this.store;
		const now = tick(nowMs) | 0;
		store.lockHashed(sum.key);
		const record = store.find(now);
		if (record !== 0) {
			store.remainingMs(record, now);
			sum.add(this.words, record, store.serverKey(record), now);
		}
		store.unlock();
		return record !== 0;
	}

	/**
	 * Calls back with the key of each entry that this thread's steps remove because its time is over or to make room,
	 * while its shard is locked. For a table that only one thread uses.
	 */
	watchRemovals(removed: (key: Uint8Array) => void): void {
		const store = this.store;
		const key = Buffer.alloc(Math.max(16, this.keyLengthBytes));
		store.onRemoved = (record) => {
			const length = store.codec.decodeBytes(store.words, record + KEY, key);
			removed(key.subarray(0, length));
		};
	}

	/** Copies the entry of an identifier, which may be any number; false when there is none. */
	copyByRef(ref: number, view: EntryView, nowMs: number): boolean {
		return this.store.isRecord(ref) && this.store.copy(ref, view, nowMs);
	}

	/** Removes one entry. `in use`: it has trackers and stays. Peers are not told. */
	clearByKey(value: SampleValue, nowMs: number): 'removed' | 'absent' | 'in use' {
		const outcome =
			this.withFound(value, nowMs, (record) => (this.store.removeIfFree(record) ? 'removed' : 'in use')) ?? 'absent';
		if (outcome === 'removed') Atomics.add(this.words, CLEARS, 1);
		return outcome;
	}

	/** Removes the entries that match and have no trackers, all without a predicate; returns how many. */
	clear(nowMs: number, predicate?: (entry: EntryView) => boolean): number {
		let removed = 0;
		for (const count of this.clearing(nowMs, predicate)) removed += count;
		return removed;
	}

	/** `clear` in slices, for large tables: yields how many entries each slice has removed. */
	*clearing(nowMs: number, predicate?: (entry: EntryView) => boolean): Generator<number> {
		const store = this.store;
		const view = this.newView();
		let removed = 0;
		const end = store.chainCount;
		for (let chain = 0; chain < end; chain++) {
			chain = store.nextChain(chain, Math.min(end - 1, chain | CHAINS_BETWEEN_PAUSES));
			store.visitChain(chain, (record) => {
				if (predicate !== undefined) {
					store.copyLocked(record, view, nowMs);
					if (!predicate(view)) return;
				}
				if (!store.removeIfFree(record)) return;
				if (removed++ === 0) Atomics.add(this.words, CLEARS, 1);
			});
			if ((chain & CHAINS_BETWEEN_PAUSES) !== CHAINS_BETWEEN_PAUSES) continue;
			yield removed;
			removed = 0;
		}
		yield removed;
	}

	/**
	 * Removes entries whose date is reached, at most `budget`; returns how many. To be called some times a second,
	 * by one thread, and again at once while the result equals the budget. Locks are held for 64 removals at most.
	 */
	expire(nowMs: number, budget = 1000): number {
		return this.store.expire(tick(nowMs) | 0, budget);
	}

	/** Entries now, those that are due and not yet removed included. */
	usedCount(): number {
		return Atomics.load(this.words, POOL_USED) >>> 0;
	}

	availableCount(): number {
		return this.model.size - this.usedCount();
	}

	/** Entries evicted to make room, since the table exists. */
	evictionCount(): number {
		return Atomics.load(this.words, EVICTIONS) >>> 0;
	}

	/** New entries refused since the table was full and nothing could be evicted. */
	refusalCount(): number {
		return Atomics.load(this.words, REFUSALS) >>> 0;
	}

	/** Changes whenever entries were removed by `clear` or `clearByKey`. */
	clearedCount(): number {
		return Atomics.load(this.words, CLEARS);
	}

	/** New entries that found the table full. The control thread logs when this has changed. */
	fullEventCount(): number {
		return Atomics.load(this.words, FULL_EVENTS) >>> 0;
	}

	/** Milliseconds since a new entry found the table full; undefined when none ever did. */
	sinceFullMs(nowMs: number): number | undefined {
		if (this.fullEventCount() === 0) return undefined;
		return (tick(nowMs) - Atomics.load(this.words, LAST_FULL_TICK)) >>> 0;
	}

	/** What is wrong with the structure, or undefined; only while no other thread uses the table. */
	verify(): string | undefined {
		return verifyStore(this.store);
	}

	/**
	 * For the control thread, when a thread of the worker ended: frees what it held. True when it died in the middle
	 * of a step and the lists were rebuilt. Its trackers stay.
	 */
	recover(deadThreadId: number): boolean {
		return repairStore(this.store, deadThreadId);
	}

	/** One locked step on the entry of a key; undefined when it is absent. */
	protected withFound<T>(value: SampleValue, nowMs: number, step: (record: number, now: number) => T): T | undefined {
		const store = this.store;
		if (!store.lockKey(value)) return undefined;
		const now = tick(nowMs) | 0;
		const record = store.find(now);
		const result = record === 0 ? undefined : step(record, now);
		store.unlock();
		return result;
	}

	/** Whether the date of an entry without trackers is reached: it is as good as gone. */
	#isOver(record: number, nowMs: number): boolean {
		if (this.store.expireMs === 0 || this.words[record + STATE] !== UNTRACKED) return false;
		return ((this.words[record + EXPIRE]! - tick(nowMs)) | 0) <= 0;
	}
}
