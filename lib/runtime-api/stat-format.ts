/**
 * A row of `show stat` as text: CSV, typed and JSON (management guide, 9.1 and 9.2), to the letter of HAProxy 2.6.
 * The names in a row may hold any byte: CSV quotes what is ambiguous, JSON escapes.
 */
import { jsonText } from './json.js';
import { ROW_LETTERS, ROW_NAMES, STAT_COLUMNS, tagWords } from './stat-columns.js';
import type { StatRow } from './stat-rows.js';

/** The first line; behind `-` would stand the counters of modules. */
export const CSV_HEADER = `# ${STAT_COLUMNS.map(({ name }) => name).join(',')},-,\n`;

const AMBIGUOUS = /[",\r\n]/;

/** One field, quoted only when it must be (management guide, 9.1). */
export function csvField(value: string): string {
	return AMBIGUOUS.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

export function csvLine(row: StatRow): string {
	let line = '';
	for (const value of row.values) line += `${typeof value === 'string' ? csvField(value) : (value ?? '')},`;
	return `${line}-,\n`;
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
	return jsonText(fields);
}
