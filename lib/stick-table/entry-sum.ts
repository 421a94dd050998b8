/**
 * The sum of one key over several tables of one declaration: filled from the tables' memory one after the other,
 * then written into the table that shows it. Aggregations do that for each update that arrives, some ten thousand
 * times a second, so the key is encoded and hashed once for all the tables (which are made with one seed,
 * `TableBase.allocate`), and nothing is copied but what is added.
 *
 * What the sum of two entries is stands in sums.ts.
 */
import type { EntryStore } from './entry-store.js';
import { hashWords } from './hash.js';
import { EXPIRE, KEY, SEED_0, SEED_1, type TableLayout } from './layout.js';
import { addShare } from './sums.js';

/** A key as tables look for it. */
export class HashedKey {
	readonly words: Int32Array;
	hash = 0;
	seed0 = 0;
	seed1 = 0;

	constructor(layout: TableLayout) {
		this.words = new Int32Array(layout.keyWords);
	}

	/** The bytes of a key as peers send it, for tables with the seed of `store`. False: not a key of it. */
	take(bytes: Uint8Array, length: number, store: EntryStore): boolean {
		if (!store.codec.encodeBytes(bytes, length, this.words, 0)) return false;
		this.seed0 = store.words[SEED_0]!;
		this.seed1 = store.words[SEED_1]!;
		this.hash = hashWords(this.words, 0, this.words.length, this.seed0, this.seed1);
		return true;
	}
}

export class EntrySum {
	readonly key: HashedKey;
	/** Laid out like a record; only the data and the date are used. */
	readonly words: Int32Array;
	/** Nothing was added yet. */
	isEmpty = true;
	serverKeyText = '';
	/** The date counts; without it entries of the tables never expire. */
	readonly hasExpiry: boolean;
	readonly #layout: TableLayout;

	constructor(layout: TableLayout, hasExpiry: boolean) {
		this.key = new HashedKey(layout);
		this.words = new Int32Array(layout.recordWords);
		this.hasExpiry = hasExpiry;
		this.#layout = layout;
	}

	clear(): void {
		this.isEmpty = true;
		this.serverKeyText = '';
	}

	/** The entry at `record`, whose shard is locked. Of states the value of what was touched last is taken. */
	add(words: Int32Array, record: number, serverKeyText: string, nowTick: number): void {
		const sum = this.words;
		if (this.isEmpty) {
			this.isEmpty = false;
			for (let at = KEY + this.#layout.keyWords; at < sum.length; at++) sum[at] = words[record + at]!;
			sum[EXPIRE] = words[record + EXPIRE]!;
			this.serverKeyText = serverKeyText;
			return;
		}
		const isNewer = this.hasExpiry && ((words[record + EXPIRE]! - sum[EXPIRE]!) | 0) > 0;
		addShare(sum, words, this.#layout.slots, nowTick, isNewer, record);
		if (serverKeyText !== '' && (isNewer || this.serverKeyText === '')) this.serverKeyText = serverKeyText;
		if (isNewer) sum[EXPIRE] = words[record + EXPIRE]!;
	}
}
