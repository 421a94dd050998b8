/**
 * Stick tables (management guide, 9.3 `show table`, `set table`, `clear table`; stick-tables.md, section 13) and
 * what Holdfast adds: `show table <t> top <n> by <type>`, and `json` behind any form of show.
 *
 * Where HAProxy 2.6 and 3.x differ, keys are read as 3.x does (an `ip` table takes `::ffff:10.0.0.1`, a text that is
 * no key is refused by name), save that a text which is no number is never the integer 0.
 */
import type { SampleValue } from '../../sample/types.js';
import { keyLengthBytes, parseKeyText } from '../../stick-table/key.js';
import type { EntryView, StickTable } from '../../stick-table/table.js';
import {
	type Answer,
	type Command,
	DONE,
	fault,
	type Invocation,
	levelAllows,
	type Message,
	PERMISSION_DENIED,
} from '../command.js';
import { jsonText, takeJsonWord } from '../json.js';
import type { RuntimeView } from '../runtime-view.js';
import {
	dataReference,
	type EntryTest,
	entryLine,
	entryObject,
	extraData,
	isFilter,
	parseFilters,
	parseInteger64,
} from './table-text.js';

type Action = 'show' | 'set' | 'clear';

const WRONG_KEY_TYPE: Readonly<Record<Action, string>> = {
	show: 'Showing keys from',
	set: 'Inserting keys into',
	clear: 'Removing keys from',
};

const REQUIRED: Readonly<Record<Exclude<Action, 'show'>, string>> = {
	set: 'Required arguments: <table> key <key> [data.<store_data_type> <value>]* or <table> ptr <ptr> [data.<store_data_type> <value>]*',
	clear:
		'Required arguments: <table> "data.<store_data_type>" <operator> <value> or <table> key <key> or <table> ptr <ptr>',
};

const SHOW_OPTIONS =
	'Optional argument only supports "data.<store_data_type>" <operator> <value> or key <key> or ptr <ptr> or top <n> by <store_data_type>';

/** Entries of a walk between two moments at which others may have their turn. */
const WALK_PAUSE = 512;
const MAX_TOP = 10_000;

/** Every table, in the order HAProxy lists them: the last line of the configuration first. */
function tablesOf(view: RuntimeView): StickTable[] {
	const tables = [...view.tables.values()];
	const files = [...new Set(tables.map(({ model }) => model.place.file))];
	const position = ({ model }: StickTable): number => files.indexOf(model.place.file) * 1e9 + model.place.line;
	return tables.sort((a, b) => position(b) - position(a));
}

function headerLine(table: StickTable): string {
	const { keyType, size } = table.model;
	return `# table: ${table.name}, type: ${keyType}, size:${size}, used:${table.usedCount()}\n`;
}

function headerObject(table: StickTable): Record<string, unknown> {
	const { keyType, size, expireMs } = table.model;
	return {
		table: table.name,
		type: keyType,
		size,
		used: table.usedCount(),
		expireMs: expireMs ?? null,
		evicted: table.evictionCount(),
		refused: table.refusalCount(),
		data: table.slots.flatMap(dataObjects),
	};
}

/** What a table stores, under the names that filters and `top ... by` take. */
function dataObjects({ type, isArray, count, isRate, periodMs, class: kind }: Slot): Record<string, unknown>[] {
	// A server's number says which, not how many.
	const isOrdered = kind !== 'string' && type !== 'server_id';
	return Array.from({ length: count }, (_, index) => ({
		name: isArray ? `${type}[${index}]` : type,
		...(isRate ? { periodMs } : {}),
		isOrdered,
	}));
}

/** The key that `words[at]` spells, or what is wrong with it. */
function keyAt(
	table: StickTable,
	words: readonly string[],
	at: number,
	action: Action,
): { key: SampleValue } | Message {
	const { keyType } = table.model;
	const text = words[at];
	if (text === undefined || text === '') return fault('Key value expected');
	if (keyType === 'binary') {
		return fault(`${WRONG_KEY_TYPE[action]} tables of type other than ip, ipv6, string and integer is not supported`);
	}
	if (keyType === 'integer' && !/^[+-]?\d{1,20}$/.test(text)) return fault('Invalid key');
	const key = parseKeyText(keyType, text);
	return key === undefined ? fault('Invalid key') : { key };
}

/** The entry that `ptr 0x...` designates. */
function entryOfPointer(table: StickTable, word: string | undefined, view: RuntimeView): EntryView | Message {
	if (word === undefined || !/^0x[0-9a-f]{1,12}$/i.test(word)) return fault('Pointer expected (0xffff notation)');
	const entry = table.newView();
	if (!table.copyByRef(Number(word), entry, view.clock.monotonicMs())) {
		return fault('No entry can be found matching ptr.');
	}
	return entry;
}

// ---- show

function showTable(invocation: Invocation): Answer {
	const { view, state } = invocation;
	const { words, json } = takeJsonWord(invocation.words);
	const name = words[2];
	if (name === undefined) return listTables(view, json);
	const table = view.tables.get(name);
	if (table === undefined) return fault('No such table');
	const mayRead = levelAllows(state.level, 'operator');
	const option = words[3];
	if (option === 'key' || option === 'ptr') {
		if (!mayRead) return PERMISSION_DENIED;
		return showOne(table, words, view, json);
	}
	if (!mayRead) {
		if (json) return `${jsonText({ ...headerObject(table), entries: null })}\n`;
		const hidden = table.usedCount() === 0 ? '' : '# contents not dumped due to insufficient privileges\n';
		return headerLine(table) + hidden;
	}
	if (option === undefined) return dump(table, () => true, view, json);
	let at = 3;
	let test: EntryTest = () => true;
	if (isFilter(option)) {
		const filters = parseFilters(table, words, 3);
		if (typeof filters === 'string') return fault(filters);
		test = filters.test;
		at = filters.next;
	}
	if (words[at] === 'top') return showTop(table, words, at, test, view, json);
	if (at === 3) return fault(SHOW_OPTIONS);
	if (words[at] !== undefined) return fault(extraData(words, at));
	return dump(table, test, view, json);
}

function* listTables(view: RuntimeView, json: boolean): Generator<string> {
	if (json) {
		yield `${jsonText(tablesOf(view).map(headerObject))}\n`;
		return;
	}
	for (const table of tablesOf(view)) yield headerLine(table);
}

function showOne(table: StickTable, words: readonly string[], view: RuntimeView, json: boolean): Answer {
	let entry: EntryView;
	if (words[3] === 'ptr') {
		const found = entryOfPointer(table, words[4], view);
		if ('severity' in found) return found;
		entry = found;
	} else {
		const key = keyAt(table, words, 4, 'show');
		if ('severity' in key) return key;
		entry = table.newView();
		if (!table.copyByKey(key.key, entry, view.clock.monotonicMs())) {
			return json ? `${jsonText({ ...headerObject(table), entries: [] })}\n` : DONE;
		}
	}
	if (json) return `${jsonText({ ...headerObject(table), entries: [entryObject(entry)] })}\n`;
	return headerLine(table) + entryLine(entry);
}

/** Entries that match, with an undefined now and then where nothing matched for a while. */
function* matching(table: StickTable, test: EntryTest, view: RuntimeView): Generator<EntryView | undefined> {
	let since = 0;
	for (const entry of table.walk(() => view.clock.monotonicMs())) {
		if (entry === undefined) yield undefined;
		else if (test(entry)) {
			since = 0;
			yield entry;
		} else if (++since === WALK_PAUSE) {
			since = 0;
			yield undefined;
		}
	}
}

/** As many entries are put into the order of HAProxy, whose tables are trees of keys; more come as they lie in memory. */
const SORTED_MAX = 10_000;

function* dumpLines(table: StickTable, test: EntryTest, view: RuntimeView): Generator<string> {
	yield headerLine(table);
	const { keyType } = table.model;
	const bytes = Buffer.alloc(keyLengthBytes(table.model));
	let sorted: { readonly key: string; readonly line: string }[] | undefined = [];
	for (const entry of matching(table, test, view)) {
		if (entry === undefined) {
			yield '';
		} else if (sorted === undefined) {
			yield entryLine(entry);
		} else {
			const key = bytes.subarray(0, entry.keyBytes(bytes));
			// Numbers as they lie in its memory.
			if (keyType === 'integer') key.reverse();
			sorted.push({ key: key.toString('latin1'), line: entryLine(entry) });
			if (sorted.length <= SORTED_MAX) continue;
			for (const { line } of sorted) yield line;
			sorted = undefined;
		}
	}
	if (sorted === undefined) return;
	sorted.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
	for (const { line } of sorted) yield line;
}

function* dump(table: StickTable, test: EntryTest, view: RuntimeView, json: boolean): Generator<string> {
	if (!json) {
		yield* dumpLines(table, test, view);
		return;
	}
	yield `${jsonText(headerObject(table)).slice(0, -1)},"entries":[`;
	let separator = '';
	for (const entry of matching(table, test, view)) {
		yield entry === undefined ? '' : `${separator}${jsonText(entryObject(entry))}`;
		if (entry !== undefined) separator = ',';
	}
	yield ']}\n';
}

/** `top <n> by <type>`: the entries with the highest reading, in falling order. */
function showTop(
	table: StickTable,
	words: readonly string[],
	at: number,
	test: EntryTest,
	view: RuntimeView,
	json: boolean,
): Answer {
	const count = /^\d{1,6}$/.test(words[at + 1] ?? '') ? Number(words[at + 1]) : 0;
	if (count < 1 || count > MAX_TOP) return fault(`'top' expects a number of entries from 1 to ${MAX_TOP}`);
	if (words[at + 2] !== 'by') return fault(`'top <n>' expects 'by <store_data_type>'`);
	const reference = dataReference(table, (words[at + 3] ?? '').replace(/^data\./, ''));
	if (typeof reference === 'string') return fault(reference);
	if (reference.slot.class === 'string') return fault(`'${reference.slot.type}' is no number`);
	if (words[at + 4] !== undefined) return fault(extraData(words, at + 4));
	return highest(table, test, reference.slot, reference.index, count, view, json);
}

type Slot = StickTable['slots'][number];

/**
 * A heap of `count` values, the lowest on top; what it holds of an entry is its line, made only when the entry
 * is among the highest so far.
 */
function* highest(
	table: StickTable,
	test: EntryTest,
	slot: Slot,
	index: number,
	count: number,
	view: RuntimeView,
	json: boolean,
): Generator<string> {
	const heap: { readonly value: number; readonly text: string }[] = [];
	let walked = 0;
	for (const entry of table.walk(() => view.clock.monotonicMs())) {
		if (entry === undefined || ++walked % WALK_PAUSE === 0) yield '';
		if (entry === undefined || !test(entry) || index >= slot.count) continue;
		const value = entry.reading(slot, index);
		if (heap.length === count && value <= heap[0]!.value) continue;
		const item = { value, text: json ? jsonText(entryObject(entry)) : entryLine(entry) };
		if (heap.length < count) siftUp(heap, item);
		else siftDown(heap, item);
	}
	heap.sort((a, b) => b.value - a.value);
	if (json) {
		yield `${jsonText(headerObject(table)).slice(0, -1)},"entries":[${heap.map(({ text }) => text).join(',')}]}\n`;
		return;
	}
	yield headerLine(table);
	for (const { text } of heap) yield text;
}

function siftUp<T extends { readonly value: number }>(heap: T[], item: T): void {
	let at = heap.length;
	heap.push(item);
	while (at > 0) {
		const parent = (at - 1) >> 1;
		if (heap[parent]!.value <= item.value) break;
		heap[at] = heap[parent]!;
		at = parent;
	}
	heap[at] = item;
}

/** Replaces the lowest. */
function siftDown<T extends { readonly value: number }>(heap: T[], item: T): void {
	let at = 0;
	for (;;) {
		let child = at * 2 + 1;
		if (child >= heap.length) break;
		if (child + 1 < heap.length && heap[child + 1]!.value < heap[child]!.value) child++;
		if (heap[child]!.value >= item.value) break;
		heap[at] = heap[child]!;
		at = child;
	}
	heap[at] = item;
}

// ---- set

function setTable({ words, view }: Invocation): Answer {
	if (words[2] === undefined) return fault(REQUIRED.set);
	const table = view.tables.get(words[2]);
	if (table === undefined) return fault('No such table');
	if (isFilter(words[3])) {
		return fault('content-based lookup is only supported with the "show" and "clear" actions');
	}
	let key: SampleValue;
	if (words[3] === 'ptr') {
		const entry = entryOfPointer(table, words[4], view);
		if ('severity' in entry) return entry;
		key = entry.key;
	} else if (words[3] === 'key') {
		const parsed = keyAt(table, words, 4, 'set');
		if ('severity' in parsed) return parsed;
		key = parsed.key;
	} else return fault(REQUIRED.set);
	const { values, trouble } = parseValues(table, words, 5);
	// As HAProxy: what stands before a faulty item is done. All of it in one step.
	if (!table.setAllByKey(key, values, view.clock.monotonicMs())) return fault('Unable to allocate a new entry');
	return trouble === undefined ? DONE : fault(trouble);
}

interface NewValue {
	readonly slot: Slot;
	readonly index: number;
	readonly value: bigint;
}

function parseValues(
	table: StickTable,
	words: readonly string[],
	start: number,
): { readonly values: readonly NewValue[]; readonly trouble: string | undefined } {
	const values: NewValue[] = [];
	const stop = (trouble: string | undefined) => ({ values, trouble });
	for (let at = start; at < words.length; at += 2) {
		const word = words[at] ?? '';
		if (!isFilter(word)) return stop('"data.<type>" followed by a value expected');
		const reference = dataReference(table, word.slice('data.'.length));
		if (typeof reference === 'string') return stop(reference);
		const { slot, index } = reference;
		if (index >= slot.count) return stop('index out of range in this data array');
		const value = parseInteger64(words[at + 1]);
		if (value === undefined) return stop('Require a valid integer value to store');
		// A server_key has no number: accepted and ignored, as HAProxy does.
		if (slot.class !== 'string') values.push({ slot, index, value });
	}
	return stop(undefined);
}

// ---- clear

function clearTable({ words, view }: Invocation): Answer {
	if (words[2] === undefined) return fault(REQUIRED.clear);
	const table = view.tables.get(words[2]);
	if (table === undefined) return fault('No such table');
	const option = words[3];
	if (option === 'key' || option === 'ptr') {
		let key: SampleValue;
		if (option === 'ptr') {
			const entry = entryOfPointer(table, words[4], view);
			if ('severity' in entry) return entry;
			key = entry.key;
		} else {
			const parsed = keyAt(table, words, 4, 'clear');
			if ('severity' in parsed) return parsed;
			key = parsed.key;
		}
		const outcome = table.clearByKey(key, view.clock.monotonicMs());
		return outcome === 'in use' ? fault('Entry currently in use, cannot remove') : DONE;
	}
	if (option === undefined) return clearMatching(table, undefined, view);
	if (!isFilter(option)) return fault(REQUIRED.clear);
	const filters = parseFilters(table, words, 3);
	if (typeof filters === 'string') return fault(filters);
	if (words[filters.next] !== undefined) return fault(extraData(words, filters.next));
	return clearMatching(table, filters.test, view);
}

/** In slices: a large table holds up neither the control thread nor, by its locks, the data threads. */
function* clearMatching(table: StickTable, test: EntryTest | undefined, view: RuntimeView): Generator<string> {
	for (const _ of table.clearing(view.clock.monotonicMs(), test)) yield '';
}

export const TABLE_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'table'],
		level: 'user',
		usage: 'show table <table> [<filter>]* [json]',
		help: "list tables, or a table's entries (data.<type> <op> <v>, key <k>, ptr <p>, top <n> by <type>)",
		run: showTable,
	},
	{
		words: ['set', 'table'],
		level: 'operator',
		usage: 'set table <table> key <k> [data.* <v>]*',
		help: 'create an entry of a table or change what it stores (by key or ptr)',
		run: setTable,
	},
	{
		words: ['clear', 'table'],
		level: 'operator',
		usage: 'clear table <table> [<filter>]*',
		help: 'remove entries from a table (all, data.<type> <op> <v>, key <k>, ptr <p>)',
		run: clearTable,
	},
];
