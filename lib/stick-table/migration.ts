/**
 * A table whose declaration a reload has changed: its entries move to a new table while threads of the former
 * configuration go on counting on the old one until their last connection has closed.
 *
 *     copying --every entry once--> following --old threads gone--> finished
 *
 * `copy` goes through the old table in slices, before the new threads accept: traffic finds its counts from
 * the first request on. Then `follow` reads, from the list of updates that peers are served from, which
 * entries were changed since, and adds the differences (transfer.ts). Both hold a lock for one entry at a
 * time, so no data thread waits longer than usual, whatever the size. An entry that an old thread tracks is
 * pinned in the new table too, so that it does not expire under a connection that still stands; `conn_cur`
 * falls as old connections close, and `finish` gives back what the old threads have left behind.
 *
 * What it gives up: old threads do not see what new ones count on such a table. A table whose layout is
 * unchanged is shared memory of both and needs none of this.
 */
import { EntryStore } from './entry-store.js';
import type { EntryView } from './entry-view.js';
import { KEY, NEXT, STATE, UNTRACKED } from './layout.js';
import type { StickTable } from './table.js';
import { EntryTransfer, lossesBetween } from './transfer.js';
import type { UpdateReader } from './update-list.js';

const ROWS_PER_CHUNK = 4096;
/** Entries between two looks at the clock. */
const ENTRIES_PER_LOOK = 32;

export interface MigrationResult {
	readonly entries: number;
	/** Entries whose key cannot be one of the new table, or for which it had no room. */
	readonly leftOut: number;
	readonly losses: readonly string[];
}

export class TableMigration {
	readonly source: StickTable;
	readonly target: StickTable;
	readonly #nowMs: () => number;
	readonly #transfer: EntryTransfer;
	readonly #view: EntryView;
	readonly #reader: UpdateReader;
	readonly #recordWords: number;
	readonly #recordsAt: number;
	readonly #keyWords: number;
	readonly #connCurAt: number | undefined;
	readonly #walk: Generator<EntryView>;
	/**
	 * The source's records as of their last transfer, by index. STATE is 0 where there was none; in the place of NEXT
	 * stands the record of the target that is pinned for it, or 0.
	 */
	readonly #chunks: (Int32Array | undefined)[] = [];
	#entryCount = 0;
	#leftOut = 0;

	/** Starts the bookkeeping of updates on `source`. `nowMs` is the monotonic clock. */
	constructor(source: StickTable, target: StickTable, nowMs: () => number) {
		this.source = source;
		this.target = target;
		this.#nowMs = nowMs;
		const targetStore = new EntryStore(target.model, new Int32Array(target.buffer));
		const { layout } = new EntryStore(source.model, new Int32Array(source.buffer));
		this.#transfer = new EntryTransfer(source.model, targetStore);
		this.#view = source.newView();
		this.#recordWords = layout.recordWords;
		this.#recordsAt = layout.recordsAt;
		this.#keyWords = layout.keyWords;
		this.#connCurAt = layout.slotsByName.get('conn_cur')?.offset;
		source.updates.enable();
		this.#reader = source.updates.openReader('local');
		this.#walk = source.entries(nowMs);
	}

	/** Copies for about `budgetMs`; true when every entry has been copied. */
	copy(budgetMs: number): boolean {
		const endMs = performance.now() + budgetMs;
		for (let count = 1; ; count++) {
			const { done, value } = this.#walk.next();
			if (done === true) return true;
			this.#transferView(value);
			if (count % ENTRIES_PER_LOOK === 0 && performance.now() >= endMs) return false;
		}
	}

	/** Forwards what has changed since, for about `budgetMs`; true when nothing is left for now. */
	follow(budgetMs: number): boolean {
		const endMs = performance.now() + budgetMs;
		for (let count = 1; this.#reader.next(this.#view, this.#nowMs()); count++) {
			this.#transferView(this.#view);
			if (count % ENTRIES_PER_LOOK === 0 && performance.now() >= endMs) return false;
		}
		return true;
	}

	/** Nobody uses the source any more: the rest is forwarded, and what its threads never gave back is taken away. */
	finish(): void {
		this.follow(Number.POSITIVE_INFINITY);
		const nowMs = this.#nowMs();
		for (const [chunkIndex, chunk] of this.#chunks.entries()) {
			if (chunk === undefined) continue;
			for (let row = 0; row < ROWS_PER_CHUNK; row++) {
				const at = row * this.#recordWords;
				if (chunk[at + STATE] !== 0) this.#settle(chunk, at, chunkIndex * ROWS_PER_CHUNK + row, nowMs);
			}
		}
		this.discard();
	}

	/** Ends without a last look, when the target is not going to be used. */
	discard(): void {
		this.#reader.close();
		this.#chunks.length = 0;
	}

	get result(): MigrationResult {
		return {
			entries: this.#entryCount,
			leftOut: this.#leftOut,
			losses: lossesBetween(this.source.model, this.target.model),
		};
	}

	#transferView(view: EntryView): void {
		const { words } = view;
		const index = (view.ref - this.#recordsAt) / this.#recordWords;
		const chunk = this.#chunkOf(index);
		const at = (index % ROWS_PER_CHUNK) * this.#recordWords;
		const nowMs = this.#nowMs();
		const isSame = chunk[at + STATE] !== 0 && this.#hasSameKey(chunk, at, words);
		if (chunk[at + STATE] !== 0 && !isSame) this.#release(chunk, at, nowMs);
		const isTracked = words[STATE]! > UNTRACKED;
		const pinned = chunk[at + NEXT]!;
		const entry = { words, at: 0, key: view.key, serverKey: view.serverKeyText };
		const outcome = this.#transfer.apply(entry, isSame ? chunk : undefined, at, isTracked && pinned === 0, nowMs);
		if (outcome === 'no key' || outcome === 'full') {
			if (chunk[at + STATE] === 0) this.#leftOut++;
			return;
		}
		if (outcome === 'over') return;
		if (chunk[at + STATE] === 0) this.#entryCount++;
		for (let i = KEY; i < this.#recordWords; i++) chunk[at + i] = words[i]!;
		chunk[at + STATE] = words[STATE]!;
		if (isTracked && pinned === 0) chunk[at + NEXT] = this.#transfer.record;
		else if (!isTracked) this.#release(chunk, at, nowMs);
	}

	#release(chunk: Int32Array, at: number, nowMs: number): void {
		const pinned = chunk[at + NEXT]!;
		chunk[at + NEXT] = 0;
		if (pinned !== 0) this.#transfer.unpin(pinned, nowMs);
	}

	/** Gives back connections that ended with their thread: as if they had closed in the source. */
	#settle(chunk: Int32Array, at: number, index: number, nowMs: number): void {
		if (this.#connCurAt !== undefined && chunk[at + this.#connCurAt] !== 0) {
			const view = this.#view;
			if (this.source.copyByRef(this.#recordsAt + index * this.#recordWords, view, nowMs)) {
				if (this.#hasSameKey(chunk, at, view.words)) {
					view.words[this.#connCurAt] = 0;
					const entry = { words: view.words, at: 0, key: view.key, serverKey: view.serverKeyText };
					this.#transfer.apply(entry, chunk, at, false, nowMs);
				}
			}
		}
		this.#release(chunk, at, nowMs);
	}

	#chunkOf(index: number): Int32Array {
		const number = Math.floor(index / ROWS_PER_CHUNK);
		let chunk = this.#chunks[number];
		if (chunk === undefined) {
			chunk = new Int32Array(ROWS_PER_CHUNK * this.#recordWords);
			this.#chunks[number] = chunk;
		}
		return chunk;
	}

	#hasSameKey(chunk: Int32Array, at: number, words: Int32Array): boolean {
		for (let i = KEY; i < KEY + this.#keyWords; i++) if (chunk[at + i] !== words[i]) return false;
		return true;
	}
}
