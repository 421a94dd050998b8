/**
 * The tables that reloads have changed, from the copy of the first entry until nobody counts on the former
 * table any more. Works in slices of a few milliseconds: the control thread has other things to do, and it
 * may share its core with a data thread.
 *
 * Migrations chain: after a reload during a reload a table may be the target of one and the source of the
 * next, and is followed until every generation before it has gone.
 */
import { haveSameLayout } from '../compile/index.js';
import type { Clock, Timer } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { TableMigration } from '../stick-table/migration.js';
import type { StickTable } from '../stick-table/table.js';

const SLICE_MS = 4;
const FOLLOW_INTERVAL_MS = 25;

type Tables = ReadonlyMap<string, StickTable>;

export class TableMigrations {
	/** In the order of their beginning: a source is always an earlier one's target. */
	readonly #active = new Set<TableMigration>();
	readonly #clock: Clock;
	readonly #logger: Logger;
	#timer: Timer | undefined;

	constructor(clock: Clock, logger: Logger) {
		this.#clock = clock;
		this.#logger = logger;
	}

	get count(): number {
		return this.#active.size;
	}

	/**
	 * Copies every table that is declared otherwise than before; resolves when all entries are in the new tables. From
	 * then on what changes in the old ones is forwarded, until `settle` or `discard`.
	 */
	async begin(former: Tables, next: Tables): Promise<readonly TableMigration[]> {
		const begun: TableMigration[] = [];
		for (const [name, target] of next) {
			const source = former.get(name);
			// Sums are made anew in a new table, of the shares that their aggregation keeps.
			if (source?.model.sumOf !== undefined || target.model.sumOf !== undefined) continue;
			if (source === undefined || source.buffer === target.buffer || haveSameLayout(source.model, target.model))
				continue;
			const startMs = this.#clock.monotonicMs();
			const migration = new TableMigration(source, target, () => this.#clock.monotonicMs());
			begun.push(migration);
			while (!migration.copy(SLICE_MS)) await new Promise((resolve) => setImmediate(resolve));
			this.#active.add(migration);
			this.#schedule();
			const { entries, leftOut, losses } = migration.result;
			this.#logger.info(
				{ table: name, entries, leftOut, losses, ms: this.#clock.monotonicMs() - startMs },
				'stick-table declared otherwise: its entries were moved',
			);
		}
		return begun;
	}

	/** The new tables will not be used. */
	discard(migrations: readonly TableMigration[]): void {
		for (const migration of migrations) {
			migration.discard();
			this.#active.delete(migration);
		}
	}

	/** Ends the migrations whose source is none of the tables still in use. */
	settle(inUse: ReadonlySet<SharedArrayBuffer>): void {
		const counted = new Set(inUse);
		for (const migration of this.#active) {
			if (counted.has(migration.source.buffer)) counted.add(migration.target.buffer);
			else {
				migration.finish();
				this.#active.delete(migration);
			}
		}
	}

	stop(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
	}

	#schedule(): void {
		this.#timer ??= this.#clock.setTimer(() => {
			this.#timer = undefined;
			for (const migration of this.#active) migration.follow(SLICE_MS);
			if (this.#active.size > 0) this.#schedule();
		}, FOLLOW_INTERVAL_MS);
	}
}
