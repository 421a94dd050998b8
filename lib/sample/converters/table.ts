/**
 * Converters that look their input up in a stick table (manual, 7.3.1 `table_*`, `in_table`). The rows are those of
 * the fetches; a key that is absent reads 0, a type that is not stored gives no sample.
 */
import type { StickTable } from '../../stick-table/table.js';
import { COUNTER_ROWS, dataName } from '../fetches/stick-table.js';
import { notesSightings, sawKey } from '../sightings.js';
import type { ConverterDescriptor, SampleValue, StreamView } from '../types.js';
import { numberArgument, optional, required } from './define.js';

/** `get_gpc0` is `table_gpc0` here. */
function converterName(row: string): string {
	return `table_${row.replace(/^get_/, '')}`;
}

const LOOKUPS: readonly ConverterDescriptor[] = COUNTER_ROWS.filter((row) => row.forSource).map((row) => ({
	name: converterName(row.name),
	args: [...(row.isIndexed ? [required('sint')] : []), { kind: 'table' }],
	input: 'any',
	output: 'sint',
	check: (args) => {
		const index = row.isIndexed ? (numberArgument(args[0]) ?? 0) : 0;
		return index >= 0 && index <= 99 ? undefined : 'the index must be between 0 and 99';
	},
	compile: (args, context) => {
		const table = args[row.isIndexed ? 1 : 0] as StickTable;
		const index = row.isIndexed ? (numberArgument(args[0]) ?? 0) : 0;
		const reader = row.reader(table, index);
		if (!notesSightings(context.model)) return (value, stream) => reader.ofKey(value, stream);
		const data = dataName(row, index);
		return (key, stream) => {
			const value = reader.ofKey(key, stream);
			sawKey(table, key, data, value);
			return value;
		};
	},
}));

/** `table_expire`, `table_idle`: milliseconds, or the default for a key that is absent. */
function timeRow(
	name: string,
	read: (table: StickTable, key: SampleValue, nowMs: number) => number | undefined,
): ConverterDescriptor {
	return {
		name,
		args: [{ kind: 'table' }, optional('sint')],
		input: 'any',
		output: 'sint',
		compile: ([argument, fallbackArgument]) => {
			const table = argument as StickTable;
			const fallback = numberArgument(fallbackArgument);
			return (value, stream) => read(table, value, stream.nowMs) ?? fallback;
		},
	};
}

function plainRow(
	name: string,
	output: 'sint' | 'bool',
	read: (table: StickTable, key: SampleValue, stream: StreamView) => SampleValue | undefined,
): ConverterDescriptor {
	return {
		name,
		args: [{ kind: 'table' }],
		input: 'any',
		output,
		compile: ([argument]) => {
			const table = argument as StickTable;
			return (value, stream) => read(table, value, stream);
		},
	};
}

export const TABLE_CONVERTERS: readonly ConverterDescriptor[] = [
	...LOOKUPS,
	{
		name: 'in_table',
		args: [{ kind: 'table' }],
		input: 'any',
		output: 'bool',
		compile: ([argument], context) => {
			const table = argument as StickTable;
			if (!notesSightings(context.model)) return (key, { nowMs }) => table.has(key, nowMs);
			return (key, { nowMs }) => {
				const isThere = table.has(key, nowMs);
				sawKey(table, key, 'in_table', isThere);
				return isThere;
			};
		},
	},
	plainRow('table_trackers', 'sint', (table, key, { nowMs }) => table.trackers(key, nowMs) ?? 0),
	plainRow('table_server_id', 'sint', (table, key, { nowMs }) => {
		if (table.slot('server_id') === undefined) return table.has(key, nowMs) ? undefined : 0;
		return table.serverId(key, nowMs) ?? 0;
	}),
	timeRow('table_expire', (table, key, nowMs) => table.expireMs(key, nowMs)),
	timeRow('table_idle', (table, key, nowMs) => table.idleMs(key, nowMs)),
];
