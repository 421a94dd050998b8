/**
 * What `sc<n>` holds while it tracks: a table and a pinned entry of it. Made by a track rule, kept by the
 * session or the stream, closed when that ends. Fetches and actions read and change counters through it, by
 * slots which they resolved when the file was read. Once closed it counts nothing and reads as not tracked.
 */
import type { DataSlot, EntryRef, GpcSlots, StickTable, TableKey } from './table.js';

export class TrackedCounter {
	readonly table: StickTable;
	/** 0 once closed. */
	entry: EntryRef;

	constructor(table: StickTable, entry: EntryRef) {
		this.table = table;
		this.entry = entry;
	}

	/** Ends the tracking; a second call does nothing. */
	close(nowMs: number): void {
		const entry = this.entry;
		if (entry === 0) return;
		this.entry = 0 as EntryRef;
		this.table.untrack(entry, nowMs);
	}

	/** The tracked key. Not to be asked once closed. */
	get key(): TableKey {
		return this.table.keyOf(this.entry);
	}

	get trackers(): number {
		return this.entry === 0 ? 0 : this.table.trackersOf(this.entry);
	}

	/** Undefined when the table does not store the type, or the array is shorter. */
	read(slot: DataSlot | undefined, index: number, nowMs: number): number | undefined {
		if (slot === undefined || index >= slot.count || this.entry === 0) return undefined;
		return this.table.read(this.entry, slot, index, nowMs);
	}

	/** An event that happened `amount` times: counter and rate (`StickTable.eventSlots`) in one step. */
	count(slots: readonly DataSlot[], amount: number, nowMs: number): void {
		if (this.entry !== 0) this.table.addAll(this.entry, slots, amount, nowMs);
	}

	/** The new counter (or current events of the rate alone); 0 when the table stores neither. */
	addGpc(gpc: GpcSlots | undefined, amount: number, nowMs: number): number {
		return gpc === undefined || this.entry === 0 ? 0 : this.table.addGpc(this.entry, gpc, amount, nowMs);
	}

	/** Sets a counter or tag and returns what it was; undefined when it is not stored. */
	set(slot: DataSlot | undefined, index: number, value: number | bigint, nowMs: number): number | undefined {
		if (slot === undefined || index >= slot.count || this.entry === 0) return undefined;
		return this.table.set(this.entry, slot, index, value, nowMs);
	}
}
