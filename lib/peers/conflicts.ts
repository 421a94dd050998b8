/**
 * What a section remembers for a moment so that nodes which changed or learned one entry at the same time end
 * with the same value (session.ts tells how a conflict is recognised). Both memories are bounded: beyond the
 * bound entries are as right as in HAProxy.
 */
import type { Clock, Timer } from '../core/clock.js';
import type { EntryRecord } from './entry-record.js';
import type { SharedTable } from './shared-table.js';

/** The winner pushes its value again this much later, when what was under way has arrived everywhere. */
const PUSH_AGAIN_MS = 1000;
const MAX_WAITING = 10_000;
const MAX_FRESH = 100_000;

/** Table and key as one string. */
function entryId(shared: SharedTable, record: EntryRecord): string {
	return `${shared.localId} ${record.key.toString('latin1', 0, record.keyLength)}`;
}

/**
 * Entries of conflicts that we won. A third node may have heard the loser after the winner; the second push is
 * what it hears last. Several conflicts over one entry within the wait are one push.
 */
export class WonConflicts {
	readonly #clock: Clock;
	/** In the order they were first won. */
	readonly #waiting = new Map<string, { readonly shared: SharedTable; readonly key: Buffer; readonly dueMs: number }>();
	#timer: Timer | undefined;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	add(shared: SharedTable, record: EntryRecord): void {
		const nowMs = this.#clock.monotonicMs();
		if (this.#waiting.size >= MAX_WAITING) {
			shared.table.pushAgain(record, nowMs);
			return;
		}
		this.#waiting.set(entryId(shared, record), {
			shared,
			key: Buffer.from(record.keyBytes()),
			dueMs: nowMs + PUSH_AGAIN_MS,
		});
		this.#timer ??= this.#clock.setTimer(() => this.#pushDue(), PUSH_AGAIN_MS);
	}

	stop(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
		this.#waiting.clear();
	}

	#pushDue(): void {
		this.#timer = undefined;
		const nowMs = this.#clock.monotonicMs();
		for (const [id, { shared, key, dueMs }] of this.#waiting) {
			if (dueMs > nowMs) continue;
			this.#waiting.delete(id);
			key.copy(shared.record.reserveKey(key.length));
			shared.table.pushAgain(shared.record, nowMs);
		}
		if (this.#waiting.size > 0) this.#timer = this.#clock.setTimer(() => this.#pushDue(), PUSH_AGAIN_MS / 4);
	}
}

/** Entries received live while a lesson goes on: the lesson must not bring back what they replaced. */
export class FreshEntries {
	readonly #ids = new Set<string>();

	add(shared: SharedTable, record: EntryRecord): void {
		if (this.#ids.size < MAX_FRESH) this.#ids.add(entryId(shared, record));
	}

	has(shared: SharedTable, record: EntryRecord): boolean {
		return this.#ids.size > 0 && this.#ids.has(entryId(shared, record));
	}

	clear(): void {
		this.#ids.clear();
	}
}
