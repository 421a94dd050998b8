/**
 * What the peers need of a table, and nothing more: its declaration, its list of updates, and a way to learn.
 * A stick table fulfils it through `stick-table-adapter.ts`; the simulation and the unit tests have one of
 * their own in memory; the sums of an aggregation can stand behind it too.
 *
 * The list of updates is the contract of `stick-table/update-list.ts`: entries changed here in the order of
 * their update ids (`local`), entries only ever learned in another list (`learned`). A reader is a place in
 * one of them. Ids are unsigned 32 bits and wrap; "after" is meant modulo 2^32.
 */
import type { DefinedTable } from './encode.js';
import type { EntryRecord } from './entry-record.js';

/** What became of an entry that a peer sent. */
export type LearnOutcome =
	| 'learned'
	/** The local value was kept: it was changed here without the sender knowing, and wins. */
	| 'kept'
	/** The table is full and takes no more (`nopurge`, or every entry in use). */
	| 'full';

/**
 * How a conflict is recognised and settled. An entry of the `local` list whose id is after `knownId` was
 * changed here since the sender last confirmed to have read us: neither side knew of the other's change.
 * Undefined: it has confirmed nothing, so every entry of the list is one.
 */
export interface ConflictRule {
	knownId: number | undefined;
	keepsLocal: boolean;
}

export interface ReplicatedTable extends DefinedTable {
	/** Local name, as rules and the runtime API use it; also the seed of its shards. */
	readonly name: string;
	/** `recv-only`: nothing is counted here, so `conn_cur` is learned as well. */
	readonly learnsLocalOnly: boolean;

	/** The same for two of these that stand for one table in memory, before and after a reload. */
	readonly identity: object;

	/** Starts the bookkeeping of updates. Called once, when the first peers section that has a remote peer starts. */
	enableUpdates(): void;
	/** The id given last. */
	updateCounter(): number;
	/** The id of the latest local modification, 0 before the first. */
	localUpdateId(): number;
	openReader(list: 'local' | 'learned'): TableReader;
	/** True once after one or more local modifications. */
	takeSignal(): boolean;
	/** Calls back once, when a local modification may have happened that `takeSignal` has not told yet. */
	whenSignalled(callback: () => void): void;

	/**
	 * Stores the entry of `record`: the elements that its `elementCounts` tell, `server_key` if it has one, and
	 * the expiry (section 9.2). `rule` undefined: always store.
	 */
	learn(record: EntryRecord, nowMs: number, rule: ConflictRule | undefined): LearnOutcome;
	/** Puts the entry of this key at the end of the `local` list, as if it had been modified. Values stay. */
	pushAgain(record: EntryRecord, nowMs: number): void;
	/** Entries now in the table, for `show peers`. */
	usedCount(): number;
}

export interface TableReader {
	/** Id of the entry that `next` gave last, or of the last `seek`; 0 at the start. */
	readonly position: number;
	/** To before the first entry. */
	seekStart(): void;
	/** To after the last entry whose id is not after `id`. */
	seek(id: number): void;
	/** The following entry into `record`: key, values, update id, remaining life; marks it as sent. */
	next(record: EntryRecord, nowMs: number): boolean;
	hasNext(): boolean;
	close(): void;
}
