/**
 * A row of `show stat` as text: CSV, typed and JSON (management guide, 9.1 and 9.2), to the letter of HAProxy 2.6.
 * The names in a row may hold any byte: CSV quotes what is ambiguous, JSON escapes.
 */
import { jsonText } from './json.js';
import { MODULE_COLUMNS, ROW_LETTERS, ROW_NAMES, type RowType, STAT_COLUMNS, tagWords } from './stat-columns.js';
import type { StatRow } from './stat-rows.js';

/** The first line; behind `-` stand the counters of modules. */
export const CSV_HEADER = `# ${[...STAT_COLUMNS, { name: '-' }, ...MODULE_COLUMNS].map(({ name }) => name).join(',')},\n`;

/** Kinds of row that a module counts for, as lists of columns. */
const MODULES = ROW_LETTERS.map((letter) => MODULE_COLUMNS.filter(({ rows }) => rows.includes(letter)));

/** A row's columns of modules, in order. */
export const modulesOf = (type: RowType) => MODULES[type] ?? [];

const AMBIGUOUS = /[",\r\n]/;

/** One field, quoted only when it must be (management guide, 9.1). */
export function csvField(value: string): string {
	return AMBIGUOUS.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

export function csvLine(row: StatRow): string {
	let line = '';
	for (const value of row.values) line += `${typeof value === 'string' ? csvField(value) : (value ?? '')},`;
	line += '-,';
	const letter = ROW_LETTERS[row.type];
	for (const { name, rows } of MODULE_COLUMNS) {
		line += rows.includes(letter) && row.counters !== undefined ? `${row.counters.total(name)},` : ',';
	}
	return `${line}\n`;
}

/** `F.2.0.0.pxname.1:KNS:str:st`, a line for each field that is not empty. */
export function typedLines(row: StatRow): string {
	const head = `${ROW_LETTERS[row.type]}.${row.proxy.id}.${row.id}`;
	let lines = '';
	for (const column of STAT_COLUMNS) {
		const value = row.values[column.index];
		if (value === undefined) continue;
		lines += `${head}.${column.index}.${column.name}.1:${column.tags(row.type)}:${column.type}:${value}\n`;
	}
	if (row.counters === undefined) return lines;
	for (const { index, name, tags } of modulesOf(row.type)) {
		lines += `${head}.${index}.${name}.1:${tags}:u64:${row.counters.total(name)}\n`;
	}
	return lines;
}

/** The array of a row's fields, as one element of the array of rows. */
export function jsonRow(row: StatRow): string {
	const fields = STAT_COLUMNS.flatMap((column) => {
		const value = row.values[column.index];
		if (value === undefined) return [];
		return [
			{
				objType: ROW_NAMES[row.type],
				proxyId: row.proxy.id,
				id: row.id,
				field: { pos: column.index, name: column.name },
				processNum: 1,
				tags: tagWords(column.tags(row.type)),
				value: { type: column.type, value },
			},
		];
	});
	const { counters } = row;
	const modules = (counters === undefined ? [] : modulesOf(row.type)).map(({ index, name, tags }) => ({
		objType: ROW_NAMES[row.type],
		proxyId: row.proxy.id,
		id: row.id,
		field: { pos: index, name },
		processNum: 1,
		tags: tagWords(tags),
		value: { type: 'u64', value: counters?.total(name) },
	}));
	return jsonText([...fields, ...modules]);
}
