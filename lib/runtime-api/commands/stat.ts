/**
 * `show stat [{<iid>|<proxy>} <type> <sid>] [typed|json|desc|up|no-maint]*` (management guide, 9.3), one object after
 * the other: ten thousand servers are never all in memory.
 */
import type { Server } from '../../backend/server.js';
import { ServerOperation } from '../../shared/server-state.js';
import { type Answer, type Command, fault, type Invocation, levelAllows } from '../command.js';
import { jsonSchema } from '../fields.js';
import type { RuntimeView } from '../runtime-view.js';
import { RowType, STAT_COLUMNS, Stat } from '../stat-columns.js';
import { CSV_HEADER, csvLine, jsonRow, modulesOf, typedLines } from '../stat-format.js';
import { type StatRow, statRows } from '../stat-rows.js';
import { STAT_DESCRIPTIONS } from './stat-descriptions.js';

const FORMATS = ['typed', 'json', 'desc', 'up', 'no-maint'] as const;
type Format = (typeof FORMATS)[number];

interface Selection {
	/** Undefined: every proxy. */
	readonly proxyId: number | undefined;
	/** A bit for each number of `RowType`; -1: all. */
	readonly types: number;
	/** Undefined: every server and listener. */
	readonly id: number | undefined;
}

const EVERYTHING: Selection = { proxyId: undefined, types: -1, id: undefined };

function showStat({ words, view, state }: Invocation): Answer {
	let at = 2;
	if (words[at] === 'domain') {
		const domain = words[at + 1] ?? '';
		if (domain !== 'proxy') return fault(`Invalid statistics domain '${domain}': only 'proxy' is known.`);
		at += 2;
	}
	const formats = new Set(words.slice(at).filter(isFormat));
	const selection = selectionOf(
		words.slice(at).filter((word) => !isFormat(word)),
		view,
	);
	if (selection === undefined) return fault('No such proxy.');
	const rows = selectedRows(view, selection, formats, levelAllows(state.level, 'operator'));
	if (formats.has('json')) return jsonRows(rows);
	return formats.has('typed') ? typedRows(rows, formats.has('desc')) : csvRows(rows);
}

const isInteger = (word: string | undefined): word is string => word !== undefined && /^-?\d{1,9}$/.test(word);

function isFormat(word: string | undefined): word is Format {
	return (FORMATS as readonly (string | undefined)[]).includes(word);
}

/** Three words select; fewer, or others, select nothing in HAProxy either. Undefined: there is no such proxy. */
function selectionOf(words: readonly string[], view: RuntimeView): Selection | undefined {
	const [which, types, id] = words;
	if (which === undefined || !isInteger(types) || !isInteger(id)) return EVERYTHING;
	const proxyId = isInteger(which) ? Number(which) : view.model.proxies.find(({ name }) => name === which)?.id;
	if (proxyId === undefined) return undefined;
	return {
		proxyId: proxyId < 0 ? undefined : proxyId,
		types: Number(types),
		id: Number(id) < 0 ? undefined : Number(id),
	};
}

function* selectedRows(
	view: RuntimeView,
	{ proxyId, types, id }: Selection,
	formats: ReadonlySet<Format>,
	legends: boolean,
): Generator<StatRow> {
	const hides = formats.has('up') || formats.has('no-maint');
	const accepts = ({ id: one }: { readonly id: number }): boolean => proxyId === undefined || one === proxyId;
	for (const row of statRows(view, { legends, accepts })) {
		if (types !== -1 && (types & (1 << row.type)) === 0) continue;
		if (id !== undefined && row.id !== id) continue;
		const backend = hides ? view.backends.get(row.proxy.name)?.backend : undefined;
		if (backend === undefined) yield row;
		else if (row.type === RowType.SERVER) {
			const server = backend.serverById(row.id);
			if (server === undefined || !isHidden(server, formats)) yield row;
		} else if (row.type === RowType.BACKEND) yield withServerCount(row, backend.servers);
		else yield row;
	}
}

/** `up` hides what is down or in maintenance, `no-maint` what is in maintenance. */
function isHidden({ states, index }: Server, formats: ReadonlySet<Format>): boolean {
	if (states.isInMaintenance(index)) return true;
	return formats.has('up') && states.operation(index) === ServerOperation.DOWN;
}

/** Where servers are left out, a backend's status says how many of them run. */
function withServerCount(row: StatRow, servers: readonly Server[]): StatRow {
	const values = [...row.values];
	const running = servers.filter((server) => server.isRunning()).length;
	values[Stat.status] = `${values[Stat.status]} (${running}/${servers.length})`;
	return { ...row, values };
}

function* csvRows(rows: Iterable<StatRow>): Generator<string> {
	yield CSV_HEADER;
	for (const row of rows) yield csvLine(row);
}

function* typedRows(rows: Iterable<StatRow>, withDescriptions: boolean): Generator<string> {
	for (const row of rows) yield withDescriptions ? describedLines(row) : typedLines(row);
}

function describedLines(row: StatRow): string {
	const columns = STAT_COLUMNS.filter(({ index }) => row.values[index] !== undefined);
	const texts = columns.map(({ name }) => STAT_DESCRIPTIONS[name]);
	const modules = row.counters === undefined ? [] : modulesOf(row.type).map(({ help }) => help);
	const lines = typedLines(row).split('\n');
	return [...texts, ...modules].map((text, index) => `${lines[index]}:"${text}"\n`).join('');
}

function* jsonRows(rows: Iterable<StatRow>): Generator<string> {
	let before = '[';
	for (const row of rows) {
		yield before + jsonRow(row);
		before = ',';
	}
	yield before === '[' ? '[]\n' : ']\n';
}

export const STAT_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'stat'],
		level: 'user',
		usage: 'show stat [desc|json|no-maint|typed|up]*',
		help: 'counters of each proxy, server and listener ({<iid>|<proxy>} <type> <sid> selects)',
		run: showStat,
	},
	{
		words: ['show', 'schema', 'json'],
		level: 'user',
		usage: 'show schema json',
		help: "schema of the JSON of 'show info' and 'show stat'",
		run: () => `${jsonSchema()}\n`,
	},
];
