/**
 * Where everything of a stick table lies in its SharedArrayBuffer, in 32-bit words:
 *
 *     header    seed, pool, update list, readers of the update list
 *     shards    one line each: lock, order of expiry
 *     wheels    per shard: slots of the expiry order, head and tail each (expiry.ts)
 *     buckets   per shard: heads of the hash chains
 *     strings   the dictionary of server_key, when it is stored (dictionary.ts)
 *     records   `size` records of one fixed length
 *
 * Everything is computed from the model alone, so that each thread finds the same places, and a fresh
 * buffer full of zeroes is an empty table: nothing is initialised, so the system gives memory only as
 * entries come. Records are designated by the index of their first word; 0 is none.
 *
 * A record is its links, its key and then the stored data in the order of their wire ids:
 *
 *     NEXT | HASH | ORDER x 3 | EXPIRE | STATE | UPDATE x 4 | key ... | data ...
 *
 * and padded to whole cache lines when that costs two words or less: an `ip` entry with one rate is one line.
 */

import type { StickTableModel } from '../config/model.js';
import { HoldfastError } from '../core/errors.js';
import { ARRAY_FALLBACKS, CLASS_WORDS, DATA_TYPES, type DataClass } from './data-types.js';
import { dictionaryCapacity, dictionaryWords } from './dictionary.js';
import { keyCodec } from './key.js';

// Header, constant part. Different locks stand on different cache lines (16 words).
export const SEED_0 = 2;
export const SEED_1 = 3;
/** Pool: the records that are not in use. */
export const POOL_LOCK = 16;
/** Entries now. */
export const POOL_USED = 17;
/** Records ever used; the ones above were never touched. */
export const POOL_HIGH_WATER = 18;
/** Head of the list of records given back, linked by NEXT. */
export const POOL_FREE = 19;
/** Entries evicted to make room. */
export const EVICTIONS = 20;
/** Times a new entry found the table full, whether room was made or not. */
export const FULL_EVENTS = 21;
/** Tick of the latest of them. */
export const LAST_FULL_TICK = 22;
/** New entries that were refused. */
export const REFUSALS = 23;
/** Removals by order, not by time or for room: who keeps a copy of the table must start it again. */
export const CLEARS = 24;
/** Update list (update-list.ts). */
export const UPDATE_LOCK = 32;
export const UPDATE_ENABLED = 33;
/** The id given last, and the id given last to a local modification. */
export const UPDATE_COUNTER = 34;
export const UPDATE_LOCAL_ID = 35;
export const UPDATE_LISTS = 36; // head and tail of `local`, then of `learned`
/** Readers from this one on were never opened. */
export const READERS_HIGH_WATER = 40;
export const UPDATE_SIGNAL = 48;
export const READERS = 64; // one line each would be waste: readers live in one thread
export const READER_WORDS = 2;
export const MAX_READERS = 512;
const HEADER_WORDS = READERS + MAX_READERS * READER_WORDS;

// A shard.
export const SHARD_LOCK = 0;
/** Entries in the expiry order: those without trackers, and in large tables some with. */
export const SHARD_LINKED = 1;
/** No entry of the order has an earlier slot than this tick's. */
export const SHARD_FIRST_TICK = 2;
/** Entries of the shard. */
export const SHARD_ENTRIES = 3;
export const SHARD_WORDS = 16;

// A record.
/** Next of the hash chain, or of the free records. */
export const NEXT = 0;
export const HASH = 1;
export const ORDER_PREV = 2;
export const ORDER_NEXT = 3;
/** Slot of the wheel it is in, plus 1; 0: in none. */
export const ORDER_SLOT = 4;
/** Tick at which the entry expires. */
export const EXPIRE = 5;
/** 0: free. n + 1: an entry with n trackers. */
export const STATE = 6;
export const UNTRACKED = 1;
/** Which update list, and whether it was sent (update-list.ts). */
export const UPDATE_STATE = 7;
export const UPDATE_ID = 8;
export const UPDATE_PREV = 9;
export const UPDATE_NEXT = 10;
export const KEY = 11;

/** A table this small keeps the exact order of all its entries; larger ones pay for threads with shards. */
const ONE_SHARD_SIZE = 16384;
const SHARDS = 16;
const LINE_WORDS = 16;
const MAX_WHEEL_SLOTS = 1024;
/** Word indexes are kept in Int32 words. */
const MAX_WORDS = 2 ** 31 - 1;

/**
 * A stored data type of one table, resolved by `StickTable.slot` when a rule is compiled. A name that an
 * array answers for (`gpc0` where `gpc(3)` is stored) is a slot of one element inside the array.
 */
export type DataSlot = {
	/** The name it was asked by: `gpc0` even when it is element 0 of `gpc`. */
	readonly type: string;
	/** Id in the peers protocol of the type that is stored. */
	readonly wireId: number;
	readonly class: DataClass;
	readonly isRate: boolean;
	readonly isArray: boolean;
	/** Elements; 1 for scalars. */
	readonly count: number;
	/** Of a rate, else 0. */
	readonly periodMs: number;
	/** Bytes in one counted block, 1 for everything but the byte rates of a table with `brates-factor`. */
	readonly factor: number;
	readonly isLocalOnly: boolean;
	readonly isAsIs: boolean;
	/** Word of the first element in a record. */
	readonly offset: number;
};

export interface TableLayout {
	readonly keyWords: number;
	readonly recordWords: number;
	readonly shardCount: number;
	/** `hash >>> shardShift` is the shard; 32 with one shard, where it is not used. */
	readonly shardShift: number;
	readonly shardsAt: number;
	readonly bucketsPerShard: number;
	readonly bucketsAt: number;
	readonly wheelSlots: number;
	/** A slot of the wheel spans `2 ** wheelShift` ms. */
	readonly wheelShift: number;
	readonly wheelsAt: number;
	readonly dictionaryAt: number;
	readonly dictionaryCapacity: number;
	readonly recordsAt: number;
	readonly totalWords: number;
	/** What is stored, in the order of the wire ids. */
	readonly slots: readonly DataSlot[];
	readonly slotsByName: ReadonlyMap<string, DataSlot>;
}

/** Throws `TABLE_TOO_LARGE` when the table cannot be addressed. */
export function layoutOf(model: StickTableModel): TableLayout {
	const keyWords = keyCodec(model).words;
	const { slots, endOffset } = layOutData(model, KEY + keyWords);
	const recordWords = padded(endOffset);
	const shardCount = model.size < ONE_SHARD_SIZE ? 1 : SHARDS;
	const bucketsPerShard = powerOfTwoFrom(Math.ceil(model.size / shardCount));
	const wheelSlots =
		model.expireMs === undefined
			? 1
			: Math.max(16, Math.min(MAX_WHEEL_SLOTS, powerOfTwoFrom(Math.ceil(model.size / shardCount))));
	let wheelShift = 0;
	// Twice the lifetime fits in the wheel, so that entries nobody expired yet do not meet new ones.
	while (wheelSlots * 2 ** wheelShift < 2 * (model.expireMs ?? 0) && wheelSlots * 2 ** wheelShift < 2 ** 32)
		wheelShift++;

	let at = HEADER_WORDS;
	const take = (words: number): number => {
		const start = at;
		at = Math.ceil((at + words) / LINE_WORDS) * LINE_WORDS;
		return start;
	};
	const shardsAt = take(shardCount * SHARD_WORDS);
	const wheelsAt = take(shardCount * wheelSlots * 2);
	const bucketsAt = take(shardCount * bucketsPerShard);
	const capacity = slots.some((slot) => slot.class === 'string') ? dictionaryCapacity(model.size) : 0;
	const dictionaryAt = take(dictionaryWords(capacity));
	const recordsAt = take(model.size * recordWords);
	if (at > MAX_WORDS) {
		throw new HoldfastError(
			'TABLE_TOO_LARGE',
			`stick-table '${model.name}' of size ${model.size} needs ${Math.ceil((at * 4) / 2 ** 20)} MB (${recordWords * 4} bytes per entry); a table may have 8 GB at most`,
		);
	}
	return {
		keyWords,
		recordWords,
		shardCount,
		shardShift: 32 - Math.log2(shardCount),
		shardsAt,
		bucketsPerShard,
		bucketsAt,
		wheelSlots,
		wheelShift,
		wheelsAt,
		dictionaryAt,
		dictionaryCapacity: capacity,
		recordsAt,
		totalWords: at,
		slots,
		slotsByName: namesOf(slots),
	};
}

function layOutData(model: StickTableModel, from: number): { slots: DataSlot[]; endOffset: number } {
	const slots: DataSlot[] = [];
	let offset = from;
	for (const type of DATA_TYPES) {
		const stored = model.store.find((item) => item.type === type.name || type.synonyms.includes(item.type));
		if (stored === undefined) continue;
		const count = type.isArray ? (stored.count ?? 1) : 1;
		slots.push({
			type: type.name,
			wireId: type.wireId,
			class: type.class,
			isRate: type.class === 'rate',
			isArray: type.isArray,
			count,
			periodMs: type.class === 'rate' ? (stored.periodMs ?? 1) : 0,
			factor: type.usesBratesFactor ? model.bratesFactor : 1,
			isLocalOnly: type.isLocalOnly,
			isAsIs: type.isAsIs,
			offset,
		});
		offset += count * CLASS_WORDS[type.class];
	}
	return { slots, endOffset: offset };
}

/** Slots by their names, their synonyms, and the scalar names that arrays answer for. */
function namesOf(slots: readonly DataSlot[]): ReadonlyMap<string, DataSlot> {
	const byName = new Map<string, DataSlot>();
	for (const slot of slots) {
		byName.set(slot.type, slot);
		for (const synonym of DATA_TYPES[slot.wireId]!.synonyms) byName.set(synonym, slot);
	}
	for (const [name, { array, index }] of ARRAY_FALLBACKS) {
		const slot = byName.get(array);
		if (byName.has(name) || slot === undefined || index >= slot.count) continue;
		byName.set(name, { ...slot, type: name, count: 1, offset: slot.offset + index * CLASS_WORDS[slot.class] });
	}
	return byName;
}

function padded(words: number): number {
	const whole = Math.ceil(words / LINE_WORDS) * LINE_WORDS;
	return whole - words <= 2 ? whole : words;
}

function powerOfTwoFrom(atLeast: number): number {
	let power = 1;
	while (power < atLeast) power *= 2;
	return power;
}

/** Whether two declarations have the same keys and the same data at the same places of a record. */
export function haveSameRecords(a: StickTableModel, b: StickTableModel): boolean {
	return (
		a.keyType === b.keyType &&
		a.keyLengthBytes === b.keyLengthBytes &&
		a.bratesFactor === b.bratesFactor &&
		a.store.length === b.store.length &&
		a.store.every((stored, index) => {
			const other = b.store[index];
			return stored.type === other?.type && stored.periodMs === other.periodMs && stored.count === other.count;
		})
	);
}
