/**
 * Tables into a snapshot (the bytes: snapshot-format.ts; back again: snapshot-restore.ts; the file: the caller's).
 *
 * What has changed is known from the lists of updates that peers are served from: a reader that starts at
 * their beginning meets every entry once, and from then on only those that were modified. So the first pass
 * is the whole table, each later one what an interval has changed, and both go in slices of the caller's
 * choice with a lock held for one entry at a time.
 */
import { tick } from '../core/clock.js';
import type { EntryView } from './entry-view.js';
import { EntriesEncoder, encodeCommit, encodeTable, SNAPSHOT_MAGIC } from './snapshot-format.js';
import type { StickTable } from './table.js';
import type { UpdateReader } from './update-list.js';

/** Entries between two looks at the clock. */
const ENTRIES_PER_LOOK = 64;

interface WrittenTable {
	readonly table: StickTable;
	readonly view: EntryView;
	readonly local: UpdateReader;
	readonly learned: UpdateReader;
	readonly encoder: EntriesEncoder;
	/** Where a pass ends: the id that was given last when it began. */
	passEnd: number;
	localDone: boolean;
	passDone: boolean;
	readonly clearedAtStart: number;
}

/** What `pass` needs to know of time: monotonic and wall clock, ms. */
export interface SnapshotClock {
	monotonicMs(): number;
	wallMs(): number;
}

/** The source of one file's bytes. */
export class SnapshotSource {
	readonly #tables: readonly WrittenTable[];
	readonly #clock: SnapshotClock;
	#header: Buffer[] | undefined;

	/** Starts the bookkeeping of updates in the tables. */
	constructor(tables: readonly StickTable[], clock: SnapshotClock) {
		this.#clock = clock;
		this.#tables = tables.map((table, number) => {
			table.updates.enable();
			return {
				table,
				view: table.newView(),
				local: table.updates.openReader('local'),
				learned: table.updates.openReader('learned'),
				encoder: new EntriesEncoder(number, table.slot('server_key') !== undefined),
				passEnd: 0,
				localDone: true,
				passDone: true,
				clearedAtStart: table.clearedCount(),
			};
		});
		this.#header = [SNAPSHOT_MAGIC, ...tables.map((table, number) => encodeTable(number, table.model))];
	}

	/** Entries have been cleared, which an appended file cannot say: it is time for a new one. */
	get isOutdated(): boolean {
		return this.#tables.some(({ table, clearedAtStart }) => table.clearedCount() !== clearedAtStart);
	}

	/** Begins a pass: all entries the first time, then those modified since the pass before. */
	beginPass(): void {
		for (const written of this.#tables) {
			written.passEnd = written.table.updates.counter;
			written.localDone = false;
			written.passDone = false;
		}
	}

	/** Goes on with the pass for about `budgetMs`; true when it is complete. The bytes wait for `take`. */
	pass(budgetMs: number): boolean {
		const endMs = performance.now() + budgetMs;
		for (const written of this.#tables) {
			while (!written.passDone) {
				this.#copySome(written);
				if (performance.now() >= endMs) return this.#tables.every(({ passDone }) => passDone);
			}
		}
		return true;
	}

	/** The bytes since the last call, in order. */
	take(): Buffer[] {
		const buffers = this.#header ?? [];
		this.#header = undefined;
		for (const { encoder } of this.#tables) buffers.push(...encoder.take());
		return buffers;
	}

	/** The mark that ends a complete pass. */
	commit(): Buffer {
		return encodeCommit(this.#clock.wallMs());
	}

	close(): void {
		for (const { local, learned } of this.#tables) {
			local.close();
			learned.close();
		}
	}

	#copySome(written: WrittenTable): void {
		const { view, local, learned, encoder, passEnd } = written;
		const nowMs = this.#clock.monotonicMs();
		const wallMs = this.#clock.wallMs();
		const nowTick = tick(nowMs);
		for (let count = 0; count < ENTRIES_PER_LOOK; count++) {
			if (!written.localDone) {
				const found = local.next(view, nowMs);
				// Traffic may touch entries faster than they are copied: those after the end wait for the next pass.
				written.localDone = !found || ((view.updateId - passEnd) | 0) >= 0;
				if (!found) continue;
			} else if (!learned.next(view, nowMs)) {
				written.passDone = true;
				return;
			}
			if (view.remainingMs !== 0 || view.trackers > 0) encoder.add(view, nowTick, wallMs);
		}
	}
}
