/**
 * Checks of a table's structure, for tests, and its repair after a thread has died in the middle of a step.
 *
 * The repair trusts the records alone: the state word of an entry is written last when it is made and first when it
 * goes (entry-store.ts), so chains, orders, counts and lists are made anew from what the records say.
 */
import { acquireLock, lockHolder, releaseLock } from '../shared/spin-lock.js';
import type { EntryStore } from './entry-store.js';
import { hashWords } from './hash.js';
import {
	HASH,
	KEY,
	NEXT,
	ORDER_SLOT,
	POOL_FREE,
	POOL_HIGH_WATER,
	POOL_LOCK,
	POOL_USED,
	SEED_0,
	SEED_1,
	SHARD_ENTRIES,
	SHARD_LINKED,
	STATE,
	UNTRACKED,
	UPDATE_LOCK,
	UPDATE_STATE,
} from './layout.js';

const FREE_STATE = 0;

/**
 * What is wrong with the lists of the table, or undefined. While nothing else runs: it takes no locks.
 */
export function verifyStore(store: EntryStore): string | undefined {
	const words = store.words;
	const entries = new Set<number>();
	let stringUses = 0;
	for (let shard = 0; shard < store.layout.shardCount; shard++) {
		const before = entries.size;
		let untracked = 0;
		for (let bucket = 0; bucket < store.layout.bucketsPerShard; bucket++) {
			const headAt = store.layout.bucketsAt + shard * store.layout.bucketsPerShard + bucket;
			for (let record = words[headAt]!; record !== 0; record = words[record + NEXT]!) {
				if (entries.has(record)) return `record ${record} is in two chains`;
				entries.add(record);
				const hash = words[record + HASH]!;
				if (store.shardOf(hash) !== shard || store.bucketOf(shard, hash) !== headAt) {
					return `record ${record} is in a wrong chain`;
				}
				if (hashWords(words, record + KEY, store.layout.keyWords, words[SEED_0]!, words[SEED_1]!) !== hash) {
					return `record ${record} has another hash than its key`;
				}
				if (words[record + STATE]! < UNTRACKED) return `record ${record} is in a chain and free`;
				if (words[record + STATE] === UNTRACKED) untracked++;
				if (store.stringSlot !== undefined && words[record + store.stringSlot.offset] !== 0) stringUses++;
			}
		}
		const shardAt = store.shardAt(shard);
		if (words[shardAt + SHARD_ENTRIES] !== entries.size - before) return `shard ${shard} has a wrong count`;
		const linked = new Set<number>();
		const trouble = store.order.audit(shardAt, store.wheelAt(shard), (record) => linked.add(record));
		if (trouble !== undefined) return `shard ${shard}: ${trouble}`;
		let linkedUntracked = 0;
		for (const record of linked) {
			if (!entries.has(record)) return `record ${record} must not be in order`;
			if (words[record + STATE] === UNTRACKED) linkedUntracked++;
		}
		if (linkedUntracked !== untracked) {
			return `shard ${shard}: ${untracked} entries without tracker, ${linkedUntracked} of them in order`;
		}
		if (words[shardAt] !== 0) return `shard ${shard} is locked`;
	}
	const free = new Set<number>();
	for (let record = words[POOL_FREE]!; record !== 0; record = words[record + NEXT]!) {
		if (free.has(record) || entries.has(record)) return `record ${record} is free and elsewhere`;
		if (words[record + STATE] !== FREE_STATE) return `record ${record} is free and has a state`;
		free.add(record);
	}
	const used = words[POOL_USED]! >>> 0;
	if (used !== entries.size) return `${used} entries counted, ${entries.size} found`;
	if (used > store.size) return `${used} entries in a table of ${store.size}`;
	if (free.size + entries.size !== words[POOL_HIGH_WATER]! >>> 0) return 'a record is lost';
	if (words[POOL_LOCK] !== 0 || words[UPDATE_LOCK] !== 0) return 'an inner lock is held';
	const audited = store.strings.audit();
	if (audited.uses !== stringUses) return `${audited.uses} uses of strings counted, ${stringUses} found`;
	let listed = 0;
	for (const list of ['local', 'learned'] as const) {
		const trouble = store.updates.audit(list, (record) => {
			listed += entries.has(record) ? 1 : Number.NaN;
		});
		if (trouble !== undefined) return trouble;
	}
	if (Number.isNaN(listed)) return 'a free record is in an update list';
	if (store.updates.enabled && listed !== entries.size) return `${listed} of ${entries.size} entries in update lists`;
	return undefined;
}

/**
 * After the thread `deadThreadId` ended: when it held a lock of this table, rebuilds every list from the
 * records and frees the lock. Counters keep what was written; trackers of the dead thread stay. Returns
 * whether there was anything to repair. Peers' readers begin at the start again.
 */
export function repairStore(store: EntryStore, deadThreadId: number): boolean {
	const words = store.words;
	const { layout } = store;
	const isDead = (at: number): boolean => lockHolder(words, at) === deadThreadId;
	const inner = [POOL_LOCK, UPDATE_LOCK, ...(layout.dictionaryCapacity === 0 ? [] : [layout.dictionaryAt])];
	const shardLocks = Array.from({ length: layout.shardCount }, (_, shard) => store.shardAt(shard));
	if (![...inner, ...shardLocks].some(isDead)) return false;
	// The inner ones first, so that threads waiting for them leave their shards; what they find there may be
	// half done, but every link leads to a record, and all of it is made anew below.
	for (const at of inner) if (isDead(at)) releaseLock(words, at);
	for (const at of shardLocks) if (!isDead(at)) acquireLock(words, at);
	rebuild(store);
	for (const at of shardLocks) releaseLock(words, at);
	return true;
}

function rebuild(store: EntryStore): void {
	const words = store.words;
	const { layout } = store;
	const texts = new Map<number, string>();
	const end = layout.recordsAt + (words[POOL_HIGH_WATER]! >>> 0) * layout.recordWords;
	const stringAt = store.stringSlot?.offset;
	for (let record = layout.recordsAt; stringAt !== undefined && record < end; record += layout.recordWords) {
		if (words[record + STATE] !== FREE_STATE) texts.set(record, store.strings.text(words[record + stringAt]!));
	}
	words.fill(0, layout.wheelsAt, layout.wheelsAt + layout.shardCount * layout.wheelSlots * 2);
	words.fill(0, layout.bucketsAt, layout.bucketsAt + store.chainCount);
	for (let shard = 0; shard < layout.shardCount; shard++) {
		words[store.shardAt(shard) + SHARD_LINKED] = 0;
		words[store.shardAt(shard) + SHARD_ENTRIES] = 0;
	}
	store.strings.reset();
	store.updates.reset();
	acquireLock(words, POOL_LOCK);
	words[POOL_FREE] = 0;
	words[POOL_USED] = 0;
	for (let record = layout.recordsAt; record < end; record += layout.recordWords) {
		words[record + UPDATE_STATE] = 0;
		words[record + ORDER_SLOT] = 0;
		if (words[record + STATE] === FREE_STATE) {
			words[record + NEXT] = words[POOL_FREE]!;
			words[POOL_FREE] = record;
		} else relink(store, record, stringAt, texts);
	}
	releaseLock(words, POOL_LOCK);
}

function relink(
	store: EntryStore,
	record: number,
	stringAt: number | undefined,
	texts: ReadonlyMap<number, string>,
): void {
	const words = store.words;
	const shard = store.shardOf(words[record + HASH]!);
	const bucketAt = store.bucketOf(shard, words[record + HASH]!);
	words[record + NEXT] = words[bucketAt]!;
	words[bucketAt] = record;
	words[store.shardAt(shard) + SHARD_ENTRIES]!++;
	words[POOL_USED]!++;
	if (words[record + STATE] === UNTRACKED) store.order.link(store.shardAt(shard), store.wheelAt(shard), record);
	if (stringAt !== undefined) words[record + stringAt] = store.strings.intern(texts.get(record) ?? '');
	if (store.updates.enabled) store.updates.touchLearned(record);
}
