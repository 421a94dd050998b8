/**
 * A stick table as the rest of the program sees it (stick-tables.md): entries by key with counters, rates
 * and tags, shared by all threads, exact.
 *
 * Each thread attaches its own `StickTable` to the one SharedArrayBuffer. Every operation here is one step
 * under the lock of one shard: no other thread sees half of it, and none can add to the same counter in
 * between. Where the memory lies is in layout.ts, how it is kept in entry-store.ts, what peers are told in
 * update-list.ts, what is done to whole tables in table-base.ts; here is what the operations mean: which of them make an entry, prolong its life, are told
 * to peers.
 *
 * Rules hold entries by an `EntryRef`, which is valid from `track` to `untrack`. Times are monotonic
 * milliseconds of core/clock.ts, the same in every thread; only their low 32 bits are kept.
 *
 * 32-bit counters wrap silently. 64-bit ones do so too and are read as numbers: exact up to 2^53, the nearest
 * double above; replication carries all 64 bits.
 */
import type { StickTableModel } from '../config/model.js';
import { tick } from '../core/clock.js';
import type { SampleValue } from '../sample/types.js';
import { addElement, readElement, setElement } from './elements.js';
import type { EntrySum, HashedKey } from './entry-sum.js';
import type { DataValue, EntryView, RateState } from './entry-view.js';
import type { TableKey } from './key.js';
import { type DataSlot, KEY } from './layout.js';
import {
	type LearnConflict,
	type LearnedData,
	type LearnFilter,
	Learning,
	type LearnOutcome,
	type WireEntry,
} from './learning.js';
import { type EntryRef, TableBase } from './table-base.js';
import { EntryTransfer } from './transfer.js';

export type { LearnConflict, LearnedData, LearnFilter, LearnOutcome, WireEntry } from './learning.js';
export type { EntryRef } from './table-base.js';
export type { DataSlot, DataValue, EntryView, RateState, TableKey };

/** A general purpose counter together with its rate: what one `inc_gpc` or `sc-add-gpc` changes. */
export type GpcSlots = {
	readonly counter: DataSlot | undefined;
	readonly rate: DataSlot | undefined;
	/** Element in both. */
	readonly index: number;
};

const isConnectionCount = ({ type }: DataSlot): boolean => type === 'conn_cnt' || type === 'conn_rate';

export class StickTable extends TableBase {
	readonly #connCur: DataSlot | undefined;
	/** conn_cnt and conn_rate: what tracking counts once. */
	readonly #connSlots: readonly DataSlot[];
	readonly #learning: Learning;
	#absorption: EntryTransfer | undefined;

	constructor(model: StickTableModel, buffer: SharedArrayBuffer, isPrivate = false) {
		super(model, buffer, isPrivate);
		this.#learning = new Learning(this.store, model.recvOnly);
		// Nothing is counted in a table of sums: see sum-table.ts.
		const counts = model.sumOf === undefined;
		this.#connCur = counts ? this.slot('conn_cur') : undefined;
		this.#connSlots = this.slots.filter((slot) => counts && isConnectionCount(slot));
	}

	/**
	 * Counter and rate of `gpc0`, `gpc1` or element `index` of `gpc`; undefined when neither is stored, or the
	 * index is beyond both.
	 */
	gpcSlots(name: 'gpc0' | 'gpc1' | 'gpc', index = 0): GpcSlots | undefined {
		const within = (slot: DataSlot | undefined): DataSlot | undefined =>
			slot !== undefined && index < slot.count ? slot : undefined;
		const counter = within(this.slot(name));
		const rate = within(this.slot(`${name}_rate`));
		return counter === undefined && rate === undefined ? undefined : { counter, rate, index };
	}

	/** The counter and the rate of an event that the table stores: `http_req`, `http_err`, `sess`, `bytes_in`, ... */
	eventSlots(event: string): readonly DataSlot[] {
		return [this.slot(`${event}_cnt`), this.slot(`${event}_rate`)].filter((slot) => slot !== undefined);
	}

	// ---- Tracked entries ----

	/** Find or create, pin, count conn_cur/conn_cnt/conn_rate, refresh. 0: no key or no room. */
	track(value: SampleValue, nowMs: number): EntryRef {
		const store = this.store;
		if (!store.lockKey(value)) return 0 as EntryRef;
		const now = tick(nowMs) | 0;
		const record = store.findOrCreate(now);
		if (record !== 0) {
			store.pin(record);
			if (this.#connCur !== undefined) this.words[record + this.#connCur.offset]!++;
			for (const slot of this.#connSlots) addElement(this.words, record, slot, 0, 1, now);
			store.refresh(record, now);
			store.updates.touchLocal(record);
		}
		store.unlock();
		return record as EntryRef;
	}

	/** The end of a `track`; `entry` must not be used afterwards. */
	untrack(entry: EntryRef, nowMs: number): void {
		const store = this.store;
		const now = tick(nowMs) | 0;
		store.lockEntry(entry);
		if (this.#connCur !== undefined) {
			const at = entry + this.#connCur.offset;
			if (this.words[at] !== 0) this.words[at]!--;
			store.refresh(entry, now);
			store.updates.touchLocal(entry);
		}
		store.unpin(entry, now);
		store.unlock();
	}

	/** Adds to one element and refreshes; returns its new value, of a rate the events of the current period. */
	add(entry: EntryRef, slot: DataSlot, index: number, amount: number, nowMs: number): number {
		const store = this.store;
		const now = tick(nowMs) | 0;
		store.lockEntry(entry);
		const value = index < slot.count ? addElement(this.words, entry, slot, index, amount, now) : 0;
		this.#touch(entry, now);
		store.unlock();
		return value;
	}

	/** Adds the same amount to several slots in one step: an event's counter and rate (`eventSlots`). */
	addAll(entry: EntryRef, slots: readonly DataSlot[], amount: number, nowMs: number): void {
		if (slots.length === 0) return;
		const store = this.store;
		const now = tick(nowMs) | 0;
		store.lockEntry(entry);
		for (const slot of slots) addElement(this.words, entry, slot, 0, amount, now);
		this.#touch(entry, now);
		store.unlock();
	}

	/** Sets one element and refreshes; a rate then reads `value` for a whole period. Returns the previous reading. */
	set(entry: EntryRef, slot: DataSlot, index: number, value: number | bigint, nowMs: number): number {
		const store = this.store;
		const now = tick(nowMs) | 0;
		store.lockEntry(entry);
		const previous = this.#exchange(entry, slot, index, value, now);
		this.#touch(entry, now);
		store.unlock();
		return previous;
	}

	/** The value, or the reading of a rate. */
	read(entry: EntryRef, slot: DataSlot, index: number, nowMs: number): number {
		if (index >= slot.count) return 0;
		// One word is read whole by any thread; the rest may be half changed by another.
		if (slot.class === 'uint32' || slot.class === 'int32') return readElement(this.words, entry, slot, index, 0);
		const store = this.store;
		store.lockEntry(entry);
		const value = readElement(this.words, entry, slot, index, tick(nowMs) | 0);
		store.unlock();
		return value;
	}

	/**
	 * Counter and rate of a gpc in one step. Returns the new counter, or the events of the current period when only
	 * the rate is stored. Adding 0 changes nothing but refreshes.
	 */
	addGpc(entry: EntryRef, gpc: GpcSlots, amount: number, nowMs: number): number {
		const store = this.store;
		const now = tick(nowMs) | 0;
		store.lockEntry(entry);
		const value = this.#addGpc(entry, gpc, amount, now);
		this.#touch(entry, now);
		store.unlock();
		return value;
	}

	/** The key of a tracked entry. */
	keyOf(entry: EntryRef): TableKey {
		// The key of a pinned record does not change.
		return this.store.codec.decode(this.words, entry + KEY);
	}

	trackersOf(entry: EntryRef): number {
		return this.store.trackers(entry);
	}

	// ---- By key, without tracking, each in one step ----

	has(value: SampleValue, nowMs: number): boolean {
		return this.withFound(value, nowMs, () => true) ?? false;
	}

	/** Without refresh; undefined when the key is absent. */
	readByKey(value: SampleValue, slot: DataSlot, index: number, nowMs: number): number | undefined {
		const store = this.store;
		if (!store.lockKey(value)) return undefined;
		const now = tick(nowMs) | 0;
		const record = store.find(now);
		const result =
			record === 0 ? undefined : index < slot.count ? readElement(this.words, record, slot, index, now) : 0;
		store.unlock();
		return result;
	}

	/** The same for the key of an entry that is tracked in another table. */
	readTracked(tracking: StickTable, entry: EntryRef, slot: DataSlot, index: number, nowMs: number): number | undefined {
		return this.readByKey(tracking.keyOf(entry) as SampleValue, slot, index, nowMs);
	}

	/** As `readByKey`, for the key of a pinned entry of a table with the same keys. */
	protected readBeside(tracking: StickTable, entry: EntryRef, slot: DataSlot, index: number, nowMs: number) {
		const store = this.store;
		const now = tick(nowMs) | 0;
		store.lockKeyWords(tracking.words, entry + KEY);
		const record = store.find(now);
		const result =
			record === 0 ? undefined : index < slot.count ? readElement(this.words, record, slot, index, now) : 0;
		store.unlock();
		return result;
	}

	/** Creates the entry when it is absent. Undefined: no key, or no room. */
	addByKey(value: SampleValue, slot: DataSlot, index: number, amount: number, nowMs: number): number | undefined {
		const store = this.store;
		if (!store.lockKey(value)) return undefined;
		const now = tick(nowMs) | 0;
		const record = store.findOrCreate(now);
		let result: number | undefined;
		if (record !== 0) {
			result = index < slot.count ? addElement(this.words, record, slot, index, amount, now) : 0;
			this.#touch(record, now);
		}
		store.unlock();
		return result;
	}

	/** Creates the entry when it is absent; returns the previous reading. Undefined: no key, or no room. */
	setByKey(
		value: SampleValue,
		slot: DataSlot,
		index: number,
		newValue: number | bigint,
		nowMs: number,
	): number | undefined {
		return this.#withCreated(value, nowMs, (record, now) => this.#exchange(record, slot, index, newValue, now));
	}

	/** Several of them in one step, creating the entry when it is absent: `set table`. False: no key, or no room. */
	setAllByKey(
		value: SampleValue,
		elements: readonly { readonly slot: DataSlot; readonly index: number; readonly value: number | bigint }[],
		nowMs: number,
	): boolean {
		return (
			this.#withCreated(value, nowMs, (record, now) => {
				for (const element of elements) this.#exchange(record, element.slot, element.index, element.value, now);
				return true;
			}) ?? false
		);
	}

	/** `addGpc` by key; creates the entry when it is absent, counts only if `gpc` is given. */
	addGpcByKey(value: SampleValue, gpc: GpcSlots | undefined, amount: number, nowMs: number): number | undefined {
		return this.#withCreated(value, nowMs, (record, now) =>
			gpc === undefined ? 0 : this.#addGpc(record, gpc, amount, now),
		);
	}

	/** Creates or refreshes: `set table` without data. False: no key, or no room. */
	touchByKey(value: SampleValue, nowMs: number): boolean {
		return this.#withCreated(value, nowMs, () => true) ?? false;
	}

	/** A longer life for an entry that exists (`stick match`); false when it does not. */
	refresh(value: SampleValue, nowMs: number): boolean {
		return (
			this.withFound(value, nowMs, (record, now) => {
				this.#touch(record, now);
				return true;
			}) ?? false
		);
	}

	/** Milliseconds left, 0 in a table without `expire`; undefined when the key is absent. */
	expireMs(value: SampleValue, nowMs: number): number | undefined {
		return this.withFound(value, nowMs, (record, now) => this.store.remainingMs(record, now));
	}

	/** Milliseconds since the last refresh, 0 in a table without `expire`; undefined when the key is absent. */
	idleMs(value: SampleValue, nowMs: number): number | undefined {
		const expireMs = this.store.expireMs;
		return this.withFound(value, nowMs, (record, now) =>
			expireMs === 0 ? 0 : Math.max(0, expireMs - this.store.remainingMs(record, now)),
		);
	}

	/** Trackers of an entry; undefined when the key is absent. */
	trackers(value: SampleValue, nowMs: number): number | undefined {
		return this.withFound(value, nowMs, (record) => this.store.trackers(record));
	}

	/** 0 when no server is stored; undefined when the key is absent. */
	serverId(value: SampleValue, nowMs: number): number | undefined {
		const slot = this.slot('server_id');
		return this.withFound(value, nowMs, (record) => (slot === undefined ? 0 : this.words[record + slot.offset]!));
	}

	/** Empty when none is stored; undefined when the key is absent. */
	serverKey(value: SampleValue, nowMs: number): string | undefined {
		return this.withFound(value, nowMs, (record) => this.store.serverKey(record));
	}

	/** `stick match`: what is stored for the key, with a refresh; undefined when the key is absent. */
	matchServer(value: SampleValue, nowMs: number): { serverId: number; serverKey: string } | undefined {
		const slot = this.slot('server_id');
		return this.withFound(value, nowMs, (record, now) => {
			this.#touch(record, now);
			const serverId = slot === undefined ? 0 : this.words[record + slot.offset]!;
			return { serverId, serverKey: this.store.serverKey(record) };
		});
	}

	/** `stick store`: false when there is no key or no room. */
	storeServer(value: SampleValue, serverId: number, serverKey: string, nowMs: number): boolean {
		const idSlot = this.slot('server_id');
		return (
			this.#withCreated(value, nowMs, (record) => {
				if (idSlot !== undefined) this.words[record + idSlot.offset] = serverId;
				this.store.setServerKey(record, serverKey);
				return true;
			}) ?? false
		);
	}

	// ---- Peers: see learning.ts ----

	/**
	 * Writes what a peer sent for a key, in one step. `expireMs` is the life that a timed message carried, undefined
	 * for an untimed one; at most 0 removes the entry. With `write-to` the as-is types go to that table too.
	 */
	learn(
		value: SampleValue,
		data: readonly LearnedData[],
		expireMs: number | undefined,
		nowMs: number,
		filter: LearnFilter = 'learnable',
		conflict?: LearnConflict,
	): LearnOutcome {
		return this.#learning.learn(value, data, expireMs, nowMs, filter, conflict);
	}

	/** `learn` for the peers codec: no objects per value. `hashed`: the entry's key, if it is at hand in that form. */
	learnWords(
		entry: WireEntry,
		expireMs: number | undefined,
		nowMs: number,
		filter: LearnFilter = 'learnable',
		conflict?: LearnConflict,
		hashed?: HashedKey,
	): LearnOutcome {
		return this.#learning.learnWords(entry, expireMs, nowMs, filter, conflict, hashed);
	}

	/**
	 * `learnWords` of all that was sent for the key of `sum`, whose entry is then added to it in the same step. False: there
	 * is no entry, since its life is over or there is no room.
	 */
	learnShare(entry: WireEntry, expireMs: number | undefined, sum: EntrySum, nowMs: number): boolean {
		return this.#learning.learnShare(entry, expireMs, sum, nowMs);
	}

	/** Puts a sum in place of the entry of its key. `isNews`: it is to be pushed. */
	learnSum(sum: EntrySum, nowMs: number, isNews: boolean): void {
		this.#learning.learnSum(sum, nowMs, isNews);
	}

	/** Puts an entry at the end of the update list as if it had been modified; false when the key is absent. */
	pushAgain(key: Uint8Array, keyLength: number, nowMs: number): boolean {
		const store = this.store;
		if (!store.lockKeyBytes(key, keyLength)) return false;
		const record = store.find(tick(nowMs) | 0);
		if (record !== 0) store.updates.touchLocal(record);
		store.unlock();
		return record !== 0;
	}

	/** Entries learned by this table are written to `target` too: as-is types only. */
	linkWriteTo(target: StickTable): void {
		this.#learning.linkWriteTo(target.#learning);
	}

	/**
	 * Adds to this table what `entry` has beyond `base`, in one step; without a base, all of it. For what comes back
	 * of a node's own counts (lib/aggregate). Both are of a table with the same declaration.
	 */
	absorb(entry: EntryView, base: EntryView | undefined, nowMs: number): void {
		this.#absorption ??= new EntryTransfer(this.model, this.store);
		const source = { words: entry.words, at: 0, key: entry.key, serverKey: entry.serverKeyText };
		this.#absorption.apply(source, base?.words, 0, false, nowMs);
	}

	// ---- One element of a record whose shard is locked ----

	#touch(record: number, now: number): void {
		this.store.refresh(record, now);
		this.store.updates.touchLocal(record);
	}

	#withCreated<T>(value: SampleValue, nowMs: number, step: (record: number, now: number) => T): T | undefined {
		const store = this.store;
		if (!store.lockKey(value)) return undefined;
		const now = tick(nowMs) | 0;
		const record = store.findOrCreate(now);
		let result: T | undefined;
		if (record !== 0) {
			result = step(record, now);
			this.#touch(record, now);
		}
		store.unlock();
		return result;
	}

	#exchange(record: number, slot: DataSlot, index: number, value: number | bigint, now: number): number {
		if (index >= slot.count) return 0;
		const previous = readElement(this.words, record, slot, index, now);
		setElement(this.words, record, slot, index, value, now);
		return previous;
	}

	#addGpc(record: number, gpc: GpcSlots, amount: number, now: number): number {
		const { counter, rate, index } = gpc;
		const current = rate === undefined ? 0 : addElement(this.words, record, rate, index, amount, now);
		return counter === undefined ? current : addElement(this.words, record, counter, index, amount, now);
	}
}
