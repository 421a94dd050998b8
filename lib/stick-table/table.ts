import type { StickTableModel } from '../config/model.js';
import type { SampleValue } from '../sample/types.js';

/** Designates an entry that is pinned (tracked): valid until it is released. 0 is no entry. */
export type EntryRef = number & { readonly entryRef: unique symbol };
/** A stored data type of one table, resolved by `slot()` when a rule is compiled. */
export type DataSlot = {
	readonly type: string;
	readonly isRate: boolean;
	readonly count: number;
	readonly periodMs: number;
};

export declare class StickTable {
	readonly model: StickTableModel;
	readonly name: string;
	static bytesNeeded(model: StickTableModel): number;
	static allocate(model: StickTableModel): SharedArrayBuffer;
	constructor(model: StickTableModel, buffer: SharedArrayBuffer);
	slot(type: string): DataSlot | undefined;
	/** Find or create, pin, count conn_cur/conn_cnt/conn_rate, refresh. 0: no key or no room. */
	track(value: SampleValue, nowMs: number): EntryRef;
	untrack(entry: EntryRef, nowMs: number): void;
	add(entry: EntryRef, slot: DataSlot, index: number, amount: number, nowMs: number): void;
	set(entry: EntryRef, slot: DataSlot, index: number, value: number, nowMs: number): void;
	read(entry: EntryRef, slot: DataSlot, index: number, nowMs: number): number;
	/** Without tracking, in one locked step; undefined when the key is absent. */
	readByKey(value: SampleValue, slot: DataSlot, index: number, nowMs: number): number | undefined;
	usedCount(): number;
}
