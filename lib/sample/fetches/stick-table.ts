/**
 * Fetches from stick tables: `sc_<x>(<n>[,<table>])` and `sc<n>_<x>[(<table>)]` from what is tracked, `src_<x>[(<table>)]`
 * by the source address, `table_cnt` and `table_avl` (manual, 7.3.2 and 7.3.3).
 *
 * One row per `<x>` makes all its forms. What is missing: a counter that is not tracked, or a type that the table
 * does not store, gives no sample; a key that is absent gives 0.
 */
import type { DataSlot, GpcSlots, StickTable } from '../../stick-table/table.js';
import type { TrackedCounter } from '../../stick-table/tracked-counter.js';
import { notesSightings, noting, sawTracked } from '../sightings.js';
import type {
	ArgumentSpec,
	ArgumentValue,
	CompileContext,
	Evaluate,
	FetchDescriptor,
	SampleType,
	SampleValue,
	StreamView,
} from '../types.js';
import { numberArgument, required } from './define.js';

/** What a form of a row resolves once for each table it meets. */
interface TableReader {
	/** Of a tracked entry. */
	ofTracked(counter: TrackedCounter, stream: StreamView): SampleValue | undefined;
	/** By key; undefined for a type that is not stored. */
	ofKey(key: SampleValue, stream: StreamView): SampleValue | undefined;
	/** Of the key of a counter that tracks in another table; as `ofKey` where it is not told. */
	ofOther?(counter: TrackedCounter, stream: StreamView): SampleValue | undefined;
}

interface CounterRow {
	readonly name: string;
	/** The name of the type after which the table is asked, and whether the first argument is an index. */
	readonly isIndexed: boolean;
	readonly type: SampleType;
	readonly forSource: boolean;
	readonly reader: (table: StickTable, index: number) => TableReader;
}

/** Bytes are shown in kilobytes by `kbytes_in` and `kbytes_out`. */
const KILOBYTE = 1024;

function readerOf(table: StickTable, type: string, index: number, divisor = 1): TableReader {
	const slot = table.slot(type);
	const usable: DataSlot | undefined = slot !== undefined && index < slot.count ? slot : undefined;
	const scale = divisor === 1 ? (value: number) => value : (value: number) => Math.floor(value / divisor);
	return {
		ofTracked: (counter, stream) => {
			const value = counter.read(usable, index, stream.nowMs);
			return value === undefined ? undefined : scale(value);
		},
		ofKey: (key, stream) => {
			if (usable === undefined) return table.has(key, stream.nowMs) ? undefined : 0;
			const value = table.readByKey(key, usable, index, stream.nowMs);
			return value === undefined ? 0 : scale(value);
		},
		...(usable !== undefined && {
			ofOther: ({ table: tracking, entry }: TrackedCounter, { nowMs }: StreamView) =>
				scale(table.readTracked(tracking, entry, usable, index, nowMs) ?? 0),
		}),
	};
}

function incrementer(table: StickTable, name: 'gpc0' | 'gpc1' | 'gpc', index: number): TableReader {
	const slots: GpcSlots | undefined = table.gpcSlots(name, index);
	return {
		ofTracked: (counter, stream) => counter.addGpc(slots, 1, stream.nowMs),
		ofKey: (key, stream) => table.addGpcByKey(key, slots, 1, stream.nowMs),
	};
}

function clearer(table: StickTable, name: 'gpc0' | 'gpc1' | 'gpc', index: number): TableReader {
	const slot = table.slot(name);
	const usable = slot !== undefined && index < slot.count ? slot : undefined;
	return {
		ofTracked: (counter, stream) => counter.set(usable, index, 0, stream.nowMs),
		ofKey: (key, stream) => {
			if (usable !== undefined) return table.setByKey(key, usable, index, 0, stream.nowMs);
			return table.touchByKey(key, stream.nowMs) ? 0 : undefined;
		},
	};
}

const stored = (name: string, type = name, divisor = 1): CounterRow => ({
	name,
	isIndexed: false,
	type: 'sint',
	forSource: true,
	reader: (table) => readerOf(table, type, 0, divisor),
});

const storedArray = (name: string, type: string): CounterRow => ({
	name,
	isIndexed: true,
	type: 'sint',
	forSource: true,
	reader: (table, index) => readerOf(table, type, index),
});

const changing = (
	name: string,
	isIndexed: boolean,
	reader: (table: StickTable, index: number) => TableReader,
): CounterRow => ({ name, isIndexed, type: 'sint', forSource: true, reader });

/** Rows shared by `sc_*`, `sc<n>_*` and `src_*`; `table_*` has its own, see the converters. */
export const COUNTER_ROWS: readonly CounterRow[] = [
	stored('bytes_in_rate'),
	stored('bytes_out_rate'),
	stored('kbytes_in', 'bytes_in_cnt', KILOBYTE),
	stored('kbytes_out', 'bytes_out_cnt', KILOBYTE),
	stored('conn_cnt'),
	stored('conn_cur'),
	stored('conn_rate'),
	stored('sess_cnt'),
	stored('sess_rate'),
	stored('http_req_cnt'),
	stored('http_req_rate'),
	stored('http_err_cnt'),
	stored('http_err_rate'),
	stored('http_fail_cnt'),
	stored('http_fail_rate'),
	stored('glitch_cnt'),
	stored('glitch_rate'),
	stored('get_gpc0', 'gpc0'),
	stored('get_gpc1', 'gpc1'),
	stored('get_gpt0', 'gpt0'),
	stored('gpc0_rate'),
	stored('gpc1_rate'),
	storedArray('get_gpc', 'gpc'),
	storedArray('get_gpt', 'gpt'),
	storedArray('gpc_rate', 'gpc_rate'),
	changing('inc_gpc0', false, (table) => incrementer(table, 'gpc0', 0)),
	changing('inc_gpc1', false, (table) => incrementer(table, 'gpc1', 0)),
	changing('inc_gpc', true, (table, index) => incrementer(table, 'gpc', index)),
	changing('clr_gpc0', false, (table) => clearer(table, 'gpc0', 0)),
	changing('clr_gpc1', false, (table) => clearer(table, 'gpc1', 0)),
	changing('clr_gpc', true, (table, index) => clearer(table, 'gpc', index)),
	{
		name: 'trackers',
		isIndexed: false,
		type: 'sint',
		forSource: false,
		reader: (table) => ({
			ofTracked: (counter) => counter.trackers,
			ofKey: (key, stream) => table.trackers(key, stream.nowMs) ?? 0,
		}),
	},
	{
		name: 'key',
		isIndexed: false,
		type: 'any',
		forSource: false,
		reader: () => ({ ofTracked: (counter) => counter.key, ofKey: (key) => key }),
	},
];

/**
 * Reads a tracked counter. Without a table the entry itself is read; the reader of its table is made when the table
 * is first met, since a counter may track in any of them. With another table, the tracked key is looked up there.
 */
function trackedEvaluate(
	row: CounterRow,
	counterIndex: number,
	index: number,
	table: StickTable | undefined,
	notes: boolean,
): Evaluate {
	if (notes) return notedEvaluate(row, counterIndex, index, table);
	if (table !== undefined) {
		const reader = row.reader(table, index);
		return (stream) => {
			const counter = stream.tracker(counterIndex);
			if (counter === undefined || counter.entry === 0) return undefined;
			if (counter.table === table) return reader.ofTracked(counter, stream);
			return reader.ofOther?.(counter, stream) ?? reader.ofKey(counter.key, stream);
		};
	}
	const readers = new Map<StickTable, TableReader>();
	return (stream) => {
		const counter = stream.tracker(counterIndex);
		if (counter === undefined || counter.entry === 0) return undefined;
		let reader = readers.get(counter.table);
		if (reader === undefined) {
			reader = row.reader(counter.table, index);
			readers.set(counter.table, reader);
		}
		return reader.ofTracked(counter, stream);
	};
}

/** The same with a note of what was read (`option log-decision`). */
function notedEvaluate(row: CounterRow, counterIndex: number, index: number, table: StickTable | undefined): Evaluate {
	const data = dataName(row, index);
	const evaluate = trackedEvaluate(row, counterIndex, index, table, false);
	return (stream) => {
		const value = evaluate(stream);
		const counter = stream.tracker(counterIndex);
		if (counter !== undefined) sawTracked(table ?? counter.table, counter, data, value);
		return value;
	};
}

/** `http_req_rate`, `gpc(2)`: what was read, as `show table` calls it. */
export function dataName(row: CounterRow, index: number): string {
	const name = row.name.replace(/^(?:get|inc|clr)_/, '');
	return row.isIndexed ? `${name}(${index})` : name;
}

const TABLE: ArgumentSpec = { kind: 'table', optional: true };

function checkCounter(counter: ArgumentValue, context: CompileContext): string | undefined {
	const value = numberArgument(counter) ?? 0;
	if (value >= 0 && value < context.stickCounters) return undefined;
	return `there is no sc${value} : tune.stick-counters allows 0 to ${context.stickCounters - 1}`;
}

/** The highest index of an array type is 99. */
function checkIndex(index: ArgumentValue): string | undefined {
	const value = numberArgument(index) ?? 0;
	return value >= 0 && value <= 99 ? undefined : 'the index must be between 0 and 99';
}

/** `sc_<x>(<n>[,<table>])`; indexed ones have the index first. */
function scRow(row: CounterRow): FetchDescriptor {
	const offset = row.isIndexed ? 1 : 0;
	return {
		name: `sc_${row.name}`,
		args: [...(row.isIndexed ? [required('sint')] : []), required('sint'), TABLE],
		type: row.type,
		needs: ['internal'],
		check: (args, context) => (row.isIndexed ? checkIndex(args[0]) : undefined) ?? checkCounter(args[offset], context),
		compile: (args, context) =>
			trackedEvaluate(
				row,
				numberArgument(args[offset]) ?? 0,
				row.isIndexed ? (numberArgument(args[0]) ?? 0) : 0,
				args[offset + 1] as StickTable | undefined,
				notesSightings(context.model),
			),
	};
}

/** `sc0_<x>[(<table>)]` to `sc2_`, for the types that are no arrays. */
function numberedRows(row: CounterRow): FetchDescriptor[] {
	if (row.isIndexed) return [];
	return [0, 1, 2].map((counter) => ({
		name: `sc${counter}_${row.name}`,
		args: [TABLE],
		type: row.type,
		needs: ['internal'],
		compile: ([table], context) =>
			trackedEvaluate(row, counter, 0, table as StickTable | undefined, notesSightings(context.model)),
	}));
}

/** `src_<x>[(<table>)]`. */
function sourceRow(row: CounterRow): FetchDescriptor {
	return {
		name: `src_${row.name}`,
		args: [...(row.isIndexed ? [required('sint')] : []), { kind: 'table' }],
		type: row.type,
		needs: ['session'],
		check: (args) => (row.isIndexed ? checkIndex(args[0]) : undefined),
		compile: (args, context) => {
			const table = args[row.isIndexed ? 1 : 0] as StickTable;
			const index = row.isIndexed ? (numberArgument(args[0]) ?? 0) : 0;
			const reader = row.reader(table, index);
			if (notesSightings(context.model)) {
				return noting(
					table,
					dataName(row, index),
					({ session }) => session.source,
					(key, stream) => reader.ofKey(key, stream),
				);
			}
			return (stream) => {
				const source = stream.session.source;
				return source === undefined ? undefined : reader.ofKey(source, stream);
			};
		},
	};
}

/** `sc_tracked`: whether the counter tracks (in the table named); always a sample. */
function isTracked(stream: StreamView, counterIndex: number, table: StickTable | undefined): boolean {
	const counter = stream.tracker(counterIndex);
	if (counter === undefined || counter.entry === 0) return false;
	return table === undefined || counter.table === table || table.has(counter.key, stream.nowMs);
}

const TRACKED_ROWS: readonly FetchDescriptor[] = [
	{
		name: 'sc_tracked',
		args: [required('sint'), TABLE],
		type: 'bool',
		needs: ['internal'],
		check: ([counter], context) => checkCounter(counter, context),
		compile: ([counter, table]) => {
			const index = numberArgument(counter) ?? 0;
			return (stream) => isTracked(stream, index, table as StickTable | undefined);
		},
	},
	...[0, 1, 2].map(
		(counter): FetchDescriptor => ({
			name: `sc${counter}_tracked`,
			args: [TABLE],
			type: 'bool',
			needs: ['internal'],
			compile:
				([table]) =>
				(stream) =>
					isTracked(stream, counter, table as StickTable | undefined),
		}),
	),
];

function ofTable(name: string, read: (table: StickTable) => number): FetchDescriptor {
	return {
		name,
		args: [{ kind: 'table' }],
		type: 'sint',
		needs: ['internal'],
		compile: ([table]) => {
			const fixed = table as StickTable;
			return () => read(fixed);
		},
	};
}

export const STICK_TABLE_FETCHES: readonly FetchDescriptor[] = [
	...COUNTER_ROWS.map(scRow),
	...COUNTER_ROWS.flatMap(numberedRows),
	...COUNTER_ROWS.filter((row) => row.forSource).map(sourceRow),
	...TRACKED_ROWS,
	ofTable('table_cnt', (table) => table.usedCount()),
	ofTable('table_avl', (table) => table.availableCount()),
	{
		name: 'src_updt_conn_cnt',
		args: [{ kind: 'table' }],
		type: 'sint',
		needs: ['session'],
		check: ([table]) =>
			(table as StickTable).slot('conn_cnt') === undefined
				? `the table '${(table as StickTable).name}' does not store conn_cnt`
				: undefined,
		compile: ([argument]) => {
			const table = argument as StickTable;
			const slot = table.slot('conn_cnt');
			return (stream) => {
				const source = stream.session.source;
				if (source === undefined || slot === undefined) return undefined;
				return table.addByKey(source, slot, 0, 1, stream.nowMs);
			};
		},
	},
];
