/**
 * An entry of a stick table as text, and the tests that `data.<type> <operator> <value>` makes of it: shared by
 * show, set and clear (stick-tables.md, 13.1).
 */
import { IpAddress } from '../../core/address.js';
import { dataTypeByName } from '../../stick-table/data-types.js';
import type { DataSlot, EntryView, StickTable, TableKey } from '../../stick-table/table.js';

/** A stored type and, of an array, one element. */
export interface DataReference {
	readonly slot: DataSlot;
	readonly index: number;
}

export const UNKNOWN_TYPE = 'Unknown data type';
export const NOT_STORED = 'Data type not stored in this table';

/**
 * The type that a word such as `gpc0`, `gpc` or `gpc[1]` names; a sentence when there is none. Scalars that an
 * array answers for in rules are not meant: here the array has its own name.
 */
export function dataReference(table: StickTable, word: string): DataReference | string {
	const match = /^([a-z0-9_]+)(?:\[(\d{1,9})\])?$/.exec(word);
	const type = dataTypeByName(match?.[1] ?? '');
	if (match === null || type === undefined || (match[2] !== undefined && !type.isArray)) return UNKNOWN_TYPE;
	const slot = table.slotByWireId(type.wireId);
	return slot === undefined ? NOT_STORED : { slot, index: Number(match[2] ?? 0) };
}

/** A decimal integer of 64 bits, signed or not. */
export function parseInteger64(word: string | undefined): bigint | undefined {
	if (word === undefined || !/^[+-]?\d{1,20}$/.test(word)) return undefined;
	const value = BigInt(word.replace('+', ''));
	return value >= -(2n ** 63n) && value < 2n ** 64n ? value : undefined;
}

const OPERATORS: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map([
	['eq', (a: number, b: number) => a === b],
	['ne', (a: number, b: number) => a !== b],
	['le', (a: number, b: number) => a <= b],
	['ge', (a: number, b: number) => a >= b],
	['lt', (a: number, b: number) => a < b],
	['gt', (a: number, b: number) => a > b],
]);

const MAX_FILTERS = 4;

export type EntryTest = (entry: EntryView) => boolean;

/** Whether the word begins a filter. */
export const isFilter = (word: string | undefined): boolean => word?.startsWith('data.') === true;

/**
 * The filters that begin at `words[start]`, and where they end; a sentence about the first that is wrong. All of
 * them must hold.
 */
export function parseFilters(
	table: StickTable,
	words: readonly string[],
	start: number,
): { readonly test: EntryTest; readonly next: number } | string {
	const tests: EntryTest[] = [];
	let at = start;
	while (isFilter(words[at])) {
		const number = tests.length + 1;
		if (number > MAX_FILTERS) return extraData(words, at);
		const reference = dataReference(table, (words[at] ?? '').slice('data.'.length));
		if (typeof reference === 'string') return `Filter entry #${number}: ${reference}`;
		const compare = OPERATORS.get(words[at + 1] ?? '');
		if (compare === undefined) {
			return `Filter entry #${number}: Require and operator among "eq", "ne", "le", "ge", "lt", "gt"`;
		}
		const value = parseInteger64(words[at + 2]);
		if (value === undefined) return `Filter entry #${number}: Require a valid integer value to compare against`;
		const { slot, index } = reference;
		const bound = Number(BigInt.asIntN(64, value));
		tests.push(index >= slot.count ? () => false : (entry) => compare(entry.reading(slot, index), bound));
		at += 3;
	}
	return { test: (entry) => tests.every((test) => test(entry)), next: at };
}

/** Counted as HAProxy does: the first word is number 1. */
export function extraData(words: readonly string[], at: number): string {
	return `Detected extra data in filter, ${ordinal(at + 1)} word of input, after '${words[at - 1] ?? ''}'`;
}

function ordinal(n: number): string {
	const last = n % 100 >= 11 && n % 100 <= 13 ? 0 : n % 10;
	return `${n}${['th', 'st', 'nd', 'rd'][last] ?? 'th'}`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\x1b': '\\e' };

/** A key as dumps print it; `set table` takes it back (binary keys apart). */
export function keyText(key: TableKey): string {
	if (typeof key === 'number') return String(key);
	if (key instanceof IpAddress) return key.toString();
	if (typeof key !== 'string') return key.toString('hex').toUpperCase();
	return key.replace(/[^!-<>-[\]-~]/g, (char) => {
		const known = ESCAPES[char];
		if (known !== undefined) return known;
		if (char === ' ' || char === '=' || char === '\\') return `\\${char}`;
		return `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
	});
}

/** `gpc(3)` prints as `gpc0`, `gpc1`, `gpc2`: the index stands before the first underscore. */
function elementName(slot: DataSlot, index: number): string {
	if (!slot.isArray) return slot.type;
	const underscore = slot.type.indexOf('_');
	return underscore < 0
		? `${slot.type}${index}`
		: `${slot.type.slice(0, underscore)}${index}${slot.type.slice(underscore)}`;
}

export const pointerText = (entry: EntryView): string => `0x${entry.ref.toString(16).padStart(8, '0')}`;

/** `<pointer>: key=... use=... exp=... <type>=<value> ...` */
export function entryLine(entry: EntryView): string {
	let line = `${pointerText(entry)}: key=${keyText(entry.key)} use=${entry.trackers} exp=${entry.remainingMs ?? 0}`;
	for (const slot of entry.slots) {
		const period = slot.isRate ? `(${slot.periodMs})` : '';
		for (let index = 0; index < slot.count; index++) {
			line += ` ${elementName(slot, index)}${period}=${valueText(entry, slot, index)}`;
		}
	}
	return `${line}\n`;
}

function valueText(entry: EntryView, slot: DataSlot, index: number): string {
	if (slot.class === 'string') {
		const text = String(entry.value(slot, index));
		return text === '' ? '-' : text;
	}
	if (slot.class === 'uint64') return String(entry.value(slot, index));
	return String(entry.reading(slot, index));
}

/** An entry for `json`: byte strings as they are, 64-bit counters beyond 2^53 as texts. */
export function entryObject(entry: EntryView): Record<string, unknown> {
	const data = new Map<string, unknown>();
	for (const slot of entry.slots) {
		for (let index = 0; index < slot.count; index++) {
			const stored = slot.class === 'rate' ? entry.reading(slot, index) : entry.value(slot, index);
			const value = typeof stored === 'bigint' ? stored.toString() : stored;
			data.set(elementName(slot, index), slot.isRate ? { value, periodMs: slot.periodMs } : value);
		}
	}
	const { key } = entry;
	return {
		ptr: pointerText(entry),
		key: typeof key === 'string' || typeof key === 'number' ? key : keyText(key),
		use: entry.trackers,
		expMs: entry.remainingMs ?? null,
		data: Object.fromEntries(data),
	};
}
