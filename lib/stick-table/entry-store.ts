/**
 * The entries of a table in shared memory: finding, making, keeping in order, letting go. `table.ts` gives
 * these steps their meaning; here is what must hold whatever the meaning:
 *
 * - Every record is in exactly one place: never touched, in the free list, or an entry. An entry is in the
 *   hash chain of its key; without trackers it is also in the expiry order of its shard (expiry.ts), which
 *   entries with trackers leave at the latest when expiry or an eviction meets them.
 * - A step is made with the lock of the key's shard. The locks of the pool of free records, of the update
 *   list and of the dictionary are taken inside it, one at a time, and nothing else is taken inside them.
 * - `size` is exact: a record is taken from one pool for all shards. A full table evicts the next entry to
 *   expire of the shard at hand, which is the oldest of the table when it is small enough for one shard, and
 *   otherwise one of the oldest since keys are spread evenly; only when all of a shard have trackers is
 *   another shard asked.
 * - The state word of a record is written last when an entry is made and first when it goes, so that
 *   store-check.ts can rebuild every list from the records after a thread died in the middle.
 */

import type { StickTableModel } from '../config/model.js';
import { tick } from '../core/clock.js';
import type { SampleValue } from '../sample/types.js';
import { acquireLock, releaseLock } from '../shared/spin-lock.js';
import { StringDictionary } from './dictionary.js';
import type { HashedKey } from './entry-sum.js';
import type { EntryView } from './entry-view.js';
import { ExpiryOrder } from './expiry.js';
import { hashWords } from './hash.js';
import { type KeyCodec, keyCodec, type TableKey } from './key.js';
import {
	type DataSlot,
	EVICTIONS,
	EXPIRE,
	FULL_EVENTS,
	HASH,
	KEY,
	LAST_FULL_TICK,
	layoutOf,
	NEXT,
	ORDER_SLOT,
	POOL_FREE,
	POOL_HIGH_WATER,
	POOL_LOCK,
	POOL_USED,
	REFUSALS,
	SEED_0,
	SEED_1,
	SHARD_ENTRIES,
	SHARD_LINKED,
	SHARD_WORDS,
	STATE,
	type TableLayout,
	UNTRACKED,
	UPDATE_STATE,
} from './layout.js';
import type { EntryRef } from './table-base.js';
import { UpdateList } from './update-list.js';

/** Entries removed or moved in one holding of a shard's lock: some tens of microseconds. */
const STEPS_PER_LOCK = 64;

const FREE_STATE = 0;

export class EntryStore {
	readonly words: Int32Array;
	readonly layout: TableLayout;
	readonly codec: KeyCodec;
	readonly order: ExpiryOrder;
	readonly updates: UpdateList;
	readonly strings: StringDictionary;
	readonly stringSlot: DataSlot | undefined;
	readonly size: number;
	/** 0 in a table without `expire`. */
	readonly expireMs: number;
	/** Told of entries that leave by time or to make room, before they do; the shard is locked. */
	onRemoved: ((record: number) => void) | undefined;
	readonly #nopurge: boolean;
	/** Only one thread uses the table: a step of it needs no lock. */
	readonly #isPrivate: boolean;
	readonly #keyWords: number;
	readonly #key: Int32Array;
	// The step at hand: the hash of its key, its shard, and the head of its chain.
	#hash = 0;
	#shard = 0;
	#bucketAt = 0;

	constructor(model: StickTableModel, words: Int32Array, isPrivate = false) {
		this.words = words;
		this.layout = layoutOf(model);
		this.codec = keyCodec(model);
		this.size = model.size;
		this.expireMs = model.expireMs ?? 0;
		this.#nopurge = model.nopurge;
		this.#isPrivate = isPrivate;
		this.#keyWords = this.layout.keyWords;
		this.#key = new Int32Array(this.#keyWords);
		this.order = new ExpiryOrder(words, this.layout, model.expireMs !== undefined);
		this.strings = new StringDictionary(words, this.layout.dictionaryAt, this.layout.dictionaryCapacity);
		this.stringSlot = this.layout.slots.find((slot) => slot.class === 'string');
		this.updates = new UpdateList(
			words,
			(record, view, nowMs) => this.copy(record, view, nowMs),
			() => this.#listAllAsLearned(),
		);
	}

	// ---- Steps. lockKey or lockEntry begins one, unlock ends it. ----

	/** Locks the shard of a key; false, and nothing is locked, when the value cannot be a key here. */
	lockKey(value: SampleValue): boolean {
		if (!this.codec.encode(value, this.#key, 0)) return false;
		this.#enterKey();
		return true;
	}

	/** The same for a key that a peer sent. */
	lockKeyBytes(bytes: Uint8Array, length: number): boolean {
		if (!this.codec.encodeBytes(bytes, length, this.#key, 0)) return false;
		this.#enterKey();
		return true;
	}

	/** The same for a key whose words stand at `from[at]` as they do in a record of this table. */
	lockKeyWords(from: Int32Array, at: number): void {
		for (let i = 0; i < this.#keyWords; i++) this.#key[i] = from[at + i]!;
		this.#enterKey();
	}

	/** The same for a key that was encoded and hashed before. */
	lockHashed(key: HashedKey): void {
		const { words } = this;
		if (words[SEED_0] !== key.seed0 || words[SEED_1] !== key.seed1) {
			this.lockKeyWords(key.words, 0);
			return;
		}
		for (let i = 0; i < this.#keyWords; i++) this.#key[i] = key.words[i]!;
		this.#enter(key.hash);
	}

	#enterKey(): void {
		const words = this.words;
		this.#enter(hashWords(this.#key, 0, this.#keyWords, words[SEED_0]!, words[SEED_1]!));
	}

	/** The key of the step at hand. */
	decodeKey(): TableKey {
		return this.codec.decode(this.#key, 0);
	}

	/** Locks the shard of an entry that has a tracker. */
	lockEntry(record: number): void {
		this.#enter(this.words[record + HASH]!);
	}

	unlock(): void {
		if (!this.#isPrivate) releaseLock(this.words, this.shardAt(this.#shard));
	}

	/** The shard of the step at hand. */
	#lock(): void {
		if (!this.#isPrivate) acquireLock(this.words, this.shardAt(this.#shard));
	}

	#enter(hash: number): void {
		const shard = this.shardOf(hash);
		this.#hash = hash;
		this.#shard = shard;
		this.#bucketAt = this.bucketOf(shard, hash);
		this.#lock();
	}

	/** The entry of the locked key, or 0. One whose date is reached is removed and not found. */
	find(nowTick: number): number {
		const words = this.words;
		const hash = this.#hash;
		for (let record = words[this.#bucketAt]!; record !== 0; record = words[record + NEXT]!) {
			if (words[record + HASH] !== hash || !this.#hasKey(record)) continue;
			if (this.expireMs === 0 || words[record + STATE] !== UNTRACKED) return record;
			if (((words[record + EXPIRE]! - nowTick) | 0) > 0) return record;
			this.#remove(this.#shard, record);
			return 0;
		}
		return 0;
	}

	/** The entry of the locked key, made if it is missing; 0 when there is no room. */
	findOrCreate(nowTick: number): number {
		const record = this.find(nowTick);
		return record !== 0 ? record : this.#create(nowTick);
	}

	/**
	 * Makes the entry of the locked key, which is missing, from what is older than everything in the table: it pushes
	 * nobody out and is the first of its date to go. 0 when the table is full.
	 */
	createOld(date: number): number {
		const record = this.#takeRecord();
		if (record === 0) return 0;
		this.#fill(record, date);
		this.order.linkFirst(this.shardAt(this.#shard), this.wheelAt(this.#shard), record);
		this.words[record + STATE] = UNTRACKED;
		return record;
	}

	/**
	 * Makes the entry of the locked key, which is missing and will have this date. 0 in a full table when the next of its
	 * shard to go would be younger: of what does not fit, the oldest stays out.
	 */
	createUnlessOlder(nowTick: number, date: number): number {
		const words = this.words;
		if (this.expireMs !== 0 && words[POOL_USED]! >>> 0 >= this.size) {
			const oldest = this.order.oldest(this.shardAt(this.#shard), this.wheelAt(this.#shard));
			if (oldest !== 0 && ((date - words[oldest + EXPIRE]!) | 0) < 0) return 0;
		}
		return this.#create(nowTick);
	}

	#create(nowTick: number): number {
		let record = this.#takeRecord();
		if (record === 0) {
			Atomics.add(this.words, FULL_EVENTS, 1);
			Atomics.store(this.words, LAST_FULL_TICK, nowTick);
		}
		while (record === 0) {
			if (!this.#makeRoom(this.#shard, nowTick)) {
				// All entries of this shard have trackers. Two shards are never locked at once.
				this.unlock();
				const madeRoom = this.#makeRoomElsewhere(nowTick);
				this.#lock();
				// Another thread may have made the same entry meanwhile.
				const found = this.find(nowTick);
				if (found !== 0) return found;
				if (!madeRoom) {
					Atomics.add(this.words, REFUSALS, 1);
					return 0;
				}
			}
			record = this.#takeRecord();
		}
		this.#fill(record, (nowTick + this.expireMs) | 0);
		this.order.link(this.shardAt(this.#shard), this.wheelAt(this.#shard), record);
		this.words[record + STATE] = UNTRACKED;
		return record;
	}

	/** Everything of a new entry but its place in the order and its state. */
	#fill(record: number, date: number): void {
		const words = this.words;
		for (let i = 0; i < this.#keyWords; i++) words[record + KEY + i] = this.#key[i]!;
		const end = record + this.layout.recordWords;
		for (let i = record + KEY + this.#keyWords; i < end; i++) words[i] = 0;
		words[record + HASH] = this.#hash;
		words[record + UPDATE_STATE] = 0;
		words[record + NEXT] = words[this.#bucketAt]!;
		words[this.#bucketAt] = record;
		words[record + EXPIRE] = date;
		words[record + ORDER_SLOT] = 0;
		words[this.shardAt(this.#shard) + SHARD_ENTRIES]!++;
	}

	// ---- What can be done to the entry of the step. ----

	/** A full life from now. */
	refresh(record: number, nowTick: number): void {
		this.setDate(record, (nowTick + this.expireMs) | 0);
	}

	/** Any date. An entry with trackers keeps it for when they are gone. */
	setDate(record: number, date: number): void {
		const shardAt = this.shardAt(this.#shard);
		const wheelAt = this.wheelAt(this.#shard);
		if (this.words[record + STATE] === UNTRACKED) this.order.setDate(shardAt, wheelAt, record, date);
		else {
			// It may still be in a slot, but never in one later than its date.
			if (((date - this.words[record + EXPIRE]!) | 0) < 0) this.order.unlink(shardAt, wheelAt, record);
			this.words[record + EXPIRE] = date;
		}
	}

	/** One tracker more: no expiry, no eviction. */
	pin(record: number): void {
		const words = this.words;
		if (this.order.isExact && words[record + STATE] === UNTRACKED) {
			this.order.unlink(this.shardAt(this.#shard), this.wheelAt(this.#shard), record);
		}
		words[record + STATE]!++;
	}

	unpin(record: number, nowTick: number): void {
		const words = this.words;
		this.#prolong(record, nowTick);
		if (--words[record + STATE]! === UNTRACKED && words[record + ORDER_SLOT] === 0) {
			this.order.link(this.shardAt(this.#shard), this.wheelAt(this.#shard), record);
		}
	}

	trackers(record: number): number {
		return Math.max(0, this.words[record + STATE]! - UNTRACKED);
	}

	/** Removes the entry of the step unless it has trackers. */
	removeIfFree(record: number): boolean {
		if (this.words[record + STATE] !== UNTRACKED) return false;
		this.#remove(this.#shard, record);
		return true;
	}

	/** Milliseconds until the date of the entry of the step, at least 0; 0 without `expire`. */
	remainingMs(record: number, nowTick: number): number {
		if (this.expireMs === 0) return 0;
		this.#prolong(record, nowTick);
		return Math.max(0, (this.words[record + EXPIRE]! - nowTick) | 0);
	}

	/**
	 * An entry whose date is reached while it has trackers lives one `expire` longer, as often as that happens.
	 * Nobody watches its date, so this is made good when someone looks.
	 */
	#prolong(record: number, nowTick: number): void {
		const words = this.words;
		if (this.expireMs === 0 || words[record + STATE]! <= UNTRACKED) return;
		const late = (nowTick - words[record + EXPIRE]!) | 0;
		if (late >= 0) {
			const lives = Math.floor(late / this.expireMs) + 1;
			words[record + EXPIRE] = (words[record + EXPIRE]! + lives * this.expireMs) | 0;
		}
	}

	/** The string of `server_key`; empty when none is set or it is not stored. */
	serverKey(record: number): string {
		return this.stringSlot === undefined ? '' : this.strings.text(this.words[record + this.stringSlot.offset]!);
	}

	setServerKey(record: number, text: string): void {
		if (this.stringSlot === undefined) return;
		const at = record + this.stringSlot.offset;
		const previous = this.words[at]!;
		if (previous !== 0 && this.strings.text(previous) === text) return;
		// First out, then in: in the smallest table there is one place.
		this.words[at] = 0;
		this.strings.release(previous);
		this.words[at] = this.strings.intern(text);
	}

	// ---- Whole tables. ----

	/**
	 * Removes up to `budget` entries whose date is reached, a few per holding of a lock; returns how many. A
	 * result below the budget means that nothing is due any more.
	 */
	expire(nowTick: number, budget: number): number {
		if (this.expireMs === 0 || this.words[POOL_USED] === 0) return 0;
		let removed = 0;
		for (let shard = 0; shard < this.layout.shardCount && removed < budget; shard++) {
			const shardAt = this.shardAt(shard);
			for (let more = this.words[shardAt + SHARD_LINKED] !== 0; more && removed < budget; ) {
				acquireLock(this.words, shardAt);
				this.order.steps = 0;
				const slice = Math.min(STEPS_PER_LOCK, budget - removed);
				const done = this.#removeDue(shard, nowTick, slice);
				more = done === slice || this.order.steps > STEPS_PER_LOCK;
				releaseLock(this.words, shardAt);
				removed += done;
			}
		}
		return removed;
	}

	#removeDue(shard: number, nowTick: number, limit: number): number {
		let removed = 0;
		while (removed < limit) {
			const record = this.order.due(this.shardAt(shard), this.wheelAt(shard), nowTick, STEPS_PER_LOCK);
			if (record === 0) break;
			this.onRemoved?.(record);
			this.#remove(shard, record);
			removed++;
		}
		return removed;
	}

	/** Evicts the next entry to expire of a locked shard; with nopurge only one that is due. */
	#makeRoom(shard: number, nowTick: number): boolean {
		const shardAt = this.shardAt(shard);
		this.order.steps = 0;
		const due = this.order.due(shardAt, this.wheelAt(shard), nowTick, STEPS_PER_LOCK);
		const victim = due !== 0 || this.#nopurge ? due : this.order.oldest(shardAt, this.wheelAt(shard));
		if (victim === 0) return false;
		this.onRemoved?.(victim);
		this.#remove(shard, victim);
		if (due === 0) Atomics.add(this.words, EVICTIONS, 1);
		return true;
	}

	#makeRoomElsewhere(nowTick: number): boolean {
		const { shardCount } = this.layout;
		for (let i = 1; i < shardCount; i++) {
			const shard = (this.#shard + i) % shardCount;
			const shardAt = this.shardAt(shard);
			if (this.words[shardAt + SHARD_LINKED] === 0) continue;
			acquireLock(this.words, shardAt);
			const madeRoom = this.#makeRoom(shard, nowTick);
			releaseLock(this.words, shardAt);
			if (madeRoom) return true;
		}
		return false;
	}

	/** Chains of the table, for walks that hold a lock no longer than one chain. */
	get chainCount(): number {
		return this.layout.shardCount * this.layout.bucketsPerShard;
	}

	/** The first chain from `from` on, below `end`, that is not empty; else `end`. A sparse table is mostly empty chains. */
	nextChain(from: number, end: number): number {
		const { words } = this;
		const { bucketsAt } = this.layout;
		let chain = from;
		while (chain < end && words[bucketsAt + chain] === 0) chain++;
		return chain;
	}

	/** Visits the entries of one chain with its shard locked; the visitor may remove the entry it is given. */
	visitChain(chain: number, visit: (record: number) => void): void {
		const headAt = this.layout.bucketsAt + chain;
		// Most chains of a sparse table are empty: no lock for those.
		if (Atomics.load(this.words, headAt) === 0) return;
		this.#shard = Math.floor(chain / this.layout.bucketsPerShard);
		const shardAt = this.shardAt(this.#shard);
		acquireLock(this.words, shardAt);
		try {
			for (let record = this.words[headAt]!; record !== 0; ) {
				const next = this.words[record + NEXT]!;
				visit(record);
				record = next;
			}
		} finally {
			releaseLock(this.words, shardAt);
		}
	}

	/** Copies an entry that may be gone into a view, in a step of its own; false when it is gone. */
	copy(record: number, view: EntryView, nowMs: number): boolean {
		for (;;) {
			const hash = this.words[record + HASH]!;
			this.lockEntry(record);
			if (this.words[record + HASH] === hash) break;
			this.unlock();
		}
		const isLive = this.words[record + STATE] !== FREE_STATE;
		if (isLive) this.copyLocked(record, view, nowMs);
		this.unlock();
		return isLive;
	}

	/** Copies an entry of the locked shard. */
	copyLocked(record: number, view: EntryView, nowMs: number): void {
		this.#prolong(record, tick(nowMs) | 0);
		const { words } = this;
		const target = view.words;
		for (let i = 0; i < target.length; i++) target[i] = words[record + i]!;
		view.ref = record as EntryRef;
		view.nowMs = nowMs;
		view.serverKeyText = this.serverKey(record);
	}

	/** The record of an identifier that came from outside, when it is one. */
	isRecord(ref: number): boolean {
		const { recordsAt, recordWords } = this.layout;
		if (!Number.isInteger(ref) || ref < recordsAt) return false;
		const index = (ref - recordsAt) / recordWords;
		return Number.isInteger(index) && index < Atomics.load(this.words, POOL_HIGH_WATER);
	}

	// ---- Records. ----

	#takeRecord(): number {
		const words = this.words;
		// A full table is seen without the lock: whoever frees a record does so before it lowers the count.
		if (words[POOL_USED]! >>> 0 >= this.size) return 0;
		acquireLock(words, POOL_LOCK);
		let record = 0;
		if (words[POOL_USED]! >>> 0 < this.size) {
			words[POOL_USED]!++;
			record = words[POOL_FREE]!;
			if (record !== 0) words[POOL_FREE] = words[record + NEXT]!;
			else record = this.layout.recordsAt + (words[POOL_HIGH_WATER]!++ >>> 0) * this.layout.recordWords;
		}
		releaseLock(words, POOL_LOCK);
		return record;
	}

	#remove(shard: number, record: number): void {
		const words = this.words;
		words[record + STATE] = FREE_STATE;
		const shardAt = this.shardAt(shard);
		this.order.unlink(shardAt, this.wheelAt(shard), record);
		let linkAt = this.bucketOf(shard, words[record + HASH]!);
		while (words[linkAt] !== record) linkAt = words[linkAt]! + NEXT;
		words[linkAt] = words[record + NEXT]!;
		words[shardAt + SHARD_ENTRIES]!--;
		this.updates.remove(record);
		if (this.stringSlot !== undefined) this.strings.release(words[record + this.stringSlot.offset]!);
		acquireLock(words, POOL_LOCK);
		words[record + NEXT] = words[POOL_FREE]!;
		words[POOL_FREE] = record;
		words[POOL_USED]!--;
		releaseLock(words, POOL_LOCK);
	}

	#hasKey(record: number): boolean {
		const words = this.words;
		const key = this.#key;
		for (let i = 0; i < this.#keyWords; i++) if (words[record + KEY + i] !== key[i]) return false;
		return true;
	}

	// ---- Where things are, for the checks too. ----

	shardOf(hash: number): number {
		return this.layout.shardCount === 1 ? 0 : hash >>> this.layout.shardShift;
	}

	shardAt(shard: number): number {
		return this.layout.shardsAt + shard * SHARD_WORDS;
	}

	wheelAt(shard: number): number {
		return this.layout.wheelsAt + shard * this.layout.wheelSlots * 2;
	}

	bucketOf(shard: number, hash: number): number {
		const { bucketsAt, bucketsPerShard } = this.layout;
		return bucketsAt + shard * bucketsPerShard + (hash & (bucketsPerShard - 1));
	}

	#listAllAsLearned(): void {
		const end = this.chainCount;
		for (let chain = this.nextChain(0, end); chain < end; chain = this.nextChain(chain + 1, end)) {
			this.visitChain(chain, (record) => {
				if ((this.words[record + UPDATE_STATE]! & 3) === 0) this.updates.touchLearned(record);
			});
		}
	}
}
