import type { EntryRef, StickTable } from './table.js';

export declare class TrackedCounter {
	readonly table: StickTable;
	readonly entry: EntryRef;
}
