/**
 * Housekeeping of the stick tables, in the control thread: entries whose time is over are removed in slices,
 * so that no data thread waits behind a long one, and a table that overflows is named in the log. Reading an
 * entry never depends on this: an expired entry is absent for every rule from its last millisecond on.
 */
import type { Clock, Timer } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { StickTable } from '../stick-table/table.js';

const EXPIRY_INTERVAL_MS = 200;
/** Entries removed from one table before other work has its turn. */
const EXPIRY_SLICE = 2_000;
const FULL_LOG_INTERVAL_MS = 60_000;

interface KeptTable {
	readonly table: StickTable;
	fullEventsSeen: number;
	evictionsSeen: number;
	lastLogMs: number;
}

export class TableKeeper {
	/** By their memory: the tables of all generations, each once. */
	#tables = new Map<SharedArrayBuffer, KeptTable>();
	readonly #clock: Clock;
	readonly #logger: Logger;
	#timer: Timer | undefined;

	constructor(clock: Clock, logger: Logger) {
		this.#clock = clock;
		this.#logger = logger;
	}

	/** Keeps these tables from now on, and no others. */
	keep(tables: Iterable<StickTable>): void {
		const former = this.#tables;
		this.#tables = new Map();
		for (const table of tables) {
			const kept = former.get(table.buffer);
			this.#tables.set(table.buffer, {
				table,
				fullEventsSeen: kept?.fullEventsSeen ?? table.fullEventCount(),
				evictionsSeen: kept?.evictionsSeen ?? table.evictionCount(),
				lastLogMs: kept?.lastLogMs ?? Number.NEGATIVE_INFINITY,
			});
		}
		if (this.#tables.size === 0) this.stop();
		else if (this.#timer === undefined) this.#schedule(EXPIRY_INTERVAL_MS);
	}

	stop(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
	}

	#schedule(delayMs: number): void {
		this.#timer = this.#clock.setTimer(() => this.#run(), delayMs);
	}

	#run(): void {
		const nowMs = this.#clock.monotonicMs();
		let more = false;
		for (const kept of this.#tables.values()) {
			if (kept.table.usedCount() > 0 && kept.table.expire(nowMs, EXPIRY_SLICE) >= EXPIRY_SLICE) more = true;
			this.#logIfFull(kept, nowMs);
		}
		this.#schedule(more ? 1 : EXPIRY_INTERVAL_MS);
	}

	/** Once a minute at most: that entries were pushed out before their time, or not let in, and how many. */
	#logIfFull(kept: KeptTable, nowMs: number): void {
		const { table } = kept;
		const events = table.fullEventCount();
		if (events === kept.fullEventsSeen || nowMs - kept.lastLogMs < FULL_LOG_INTERVAL_MS) return;
		const evictions = table.evictionCount();
		this.#logger.warn(
			{ table: table.name, size: table.model.size, evicted: evictions - kept.evictionsSeen, since: 'last report' },
			table.model.nopurge
				? 'stick-table full: new entries are refused'
				: 'stick-table full: the oldest entries were evicted before their time',
		);
		kept.fullEventsSeen = events;
		kept.evictionsSeen = evictions;
		kept.lastLogMs = nowMs;
	}
}
