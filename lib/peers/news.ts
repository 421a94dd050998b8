/**
 * When what has changed in a table is pushed. The first change after a quiet moment leaves at once; then a table's news
 * gather for a pause and go out together. A push wakes every peer, and each of them answers some day, which costs far
 * more than an update more or less in it, and a client that comes again within the pause is one update.
 */
import type { Clock } from '../core/clock.js';
import type { ReplicatedTable } from './replicated-table.js';

export interface PushPauses {
	readonly quietMs: number;
	/** When `busyFrom` updates or more came together. */
	readonly busyMs: number;
	readonly busyFrom: number;
}

/** For tables that are overwritten: HAProxy too pushes each change as soon as it can. */
const SHORT_PAUSES: PushPauses = { quietMs: 2, busyMs: 2, busyFrom: 0 };

export class News {
	readonly #clock: Clock;
	readonly #isRunning: () => boolean;
	readonly #tell: (table: ReplicatedTable) => void;
	/** The last update of a table when its news were told last. */
	readonly #toldId = new Map<ReplicatedTable, number>();

	/** `tell`: the table has something to be pushed. */
	constructor(clock: Clock, isRunning: () => boolean, tell: (table: ReplicatedTable) => void) {
		this.#clock = clock;
		this.#isRunning = isRunning;
		this.#tell = tell;
	}

	watch(table: ReplicatedTable, pauses = SHORT_PAUSES): void {
		table.whenSignalled(() => {
			if (!this.#isRunning()) return;
			const toldId = this.#toldId.get(table) ?? table.localUpdateId();
			if (table.takeSignal()) this.#tell(table);
			const lastId = table.localUpdateId();
			this.#toldId.set(table, lastId);
			// Ids wrap.
			const isBusy = ((lastId - toldId) | 0) >= pauses.busyFrom;
			this.#clock.setTimer(
				() => {
					if (this.#isRunning()) this.watch(table, pauses);
				},
				isBusy ? pauses.busyMs : pauses.quietMs,
			);
		});
	}

	forget(table: ReplicatedTable): void {
		this.#toldId.delete(table);
	}
}
