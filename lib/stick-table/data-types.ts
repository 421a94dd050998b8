/**
 * The one table of what a stick table can store. The parser of `store`, the layout of records, dumps, `set
 * table`, the peers protocol and `write-to` all read it: a new data type is a new row.
 *
 * The wire id is the number of the type in HAProxy's peers protocol (peers-protocol.md, 8.1) and also the
 * order of the values in records, messages and dumps. It is append-only.
 */

export type DataClass =
	/** 32 bits, shown unsigned, wrapping. */
	| 'uint32'
	/** 32 bits, shown signed. */
	| 'int32'
	/** 64 bits, unsigned. */
	| 'uint64'
	/** A sliding rate: start, events of this period, events of the one before (freq-counter.ts). */
	| 'rate'
	/** A string of the table's dictionary. */
	| 'string';

/** Words of 32 bits that one element of a class takes in a record. */
export const CLASS_WORDS: Readonly<Record<DataClass, number>> = { uint32: 1, int32: 1, uint64: 2, rate: 3, string: 1 };

export interface DataType {
	readonly name: string;
	readonly wireId: number;
	readonly class: DataClass;
	/** Written with a number of elements in parentheses, and indexed. */
	readonly isArray: boolean;
	/** Sent to peers but not learned from them, unless the table is `recv-only`. */
	readonly isLocalOnly: boolean;
	/** Copied by `write-to`: a state, not a count. */
	readonly isAsIs: boolean;
	/** Counts blocks of `brates-factor` bytes. */
	readonly usesBratesFactor: boolean;
	/** Old names that mean the same. */
	readonly synonyms: readonly string[];
}

const LOCAL_ONLY = 1;
const AS_IS = 2;
const ARRAY = 4;
const BRATES = 8;

const row = (
	wireId: number,
	name: string,
	dataClass: DataClass,
	flags = 0,
	synonyms: readonly string[] = [],
): DataType => ({
	name,
	wireId,
	class: dataClass,
	isArray: (flags & ARRAY) !== 0,
	isLocalOnly: (flags & LOCAL_ONLY) !== 0,
	isAsIs: (flags & AS_IS) !== 0,
	usesBratesFactor: (flags & BRATES) !== 0,
	synonyms,
});

/** In the order of the wire ids: `DATA_TYPES[id]` is the type of that id. */
export const DATA_TYPES: readonly DataType[] = [
	row(0, 'server_id', 'int32', AS_IS),
	row(1, 'gpt0', 'uint32', AS_IS),
	row(2, 'gpc0', 'uint32'),
	row(3, 'gpc0_rate', 'rate'),
	row(4, 'conn_cnt', 'uint32'),
	row(5, 'conn_rate', 'rate'),
	row(6, 'conn_cur', 'uint32', LOCAL_ONLY),
	row(7, 'sess_cnt', 'uint32'),
	row(8, 'sess_rate', 'rate'),
	row(9, 'http_req_cnt', 'uint32'),
	row(10, 'http_req_rate', 'rate'),
	row(11, 'http_err_cnt', 'uint32'),
	row(12, 'http_err_rate', 'rate'),
	row(13, 'bytes_in_cnt', 'uint64'),
	row(14, 'bytes_in_rate', 'rate', BRATES),
	row(15, 'bytes_out_cnt', 'uint64'),
	row(16, 'bytes_out_rate', 'rate', BRATES),
	row(17, 'gpc1', 'uint32'),
	row(18, 'gpc1_rate', 'rate'),
	row(19, 'server_key', 'string', AS_IS, ['server_name']),
	row(20, 'http_fail_cnt', 'uint32'),
	row(21, 'http_fail_rate', 'rate'),
	row(22, 'gpt', 'uint32', AS_IS | ARRAY),
	row(23, 'gpc', 'uint32', ARRAY),
	row(24, 'gpc_rate', 'rate', ARRAY),
	row(25, 'glitch_cnt', 'uint32'),
	row(26, 'glitch_rate', 'rate'),
];

/** Most elements of an array type. */
export const MAX_ARRAY_COUNT = 100;

const BY_NAME: ReadonlyMap<string, DataType> = new Map(
	DATA_TYPES.flatMap((type) => [type.name, ...type.synonyms].map((name) => [name, type] as const)),
);

/** The type of a name or synonym; undefined when there is none. */
export function dataTypeByName(name: string): DataType | undefined {
	return BY_NAME.get(name);
}

export function dataTypeByWireId(wireId: number): DataType | undefined {
	return DATA_TYPES[wireId];
}

/** Types that may not stand in one table: an array replaces the scalars of its name (stick-tables.md, 1). */
export const EXCLUSIVE_TYPES: readonly (readonly [array: string, scalars: readonly string[]])[] = [
	['gpt', ['gpt0']],
	['gpc', ['gpc0', 'gpc1']],
	['gpc_rate', ['gpc0_rate', 'gpc1_rate']],
];

/** Scalar names that an array answers for when the table has the array: element and array. */
export const ARRAY_FALLBACKS: ReadonlyMap<string, { readonly array: string; readonly index: number }> = new Map([
	['gpt0', { array: 'gpt', index: 0 }],
	['gpc0', { array: 'gpc', index: 0 }],
	['gpc1', { array: 'gpc', index: 1 }],
	['gpc0_rate', { array: 'gpc_rate', index: 0 }],
	['gpc1_rate', { array: 'gpc_rate', index: 1 }],
]);
