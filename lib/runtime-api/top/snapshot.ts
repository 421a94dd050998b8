/**
 * What `holdfast top` shows, as plain data: one look at a running program, made of the answers of its runtime API
 * (`show info`, `show stat`, `show table json`, `show peers json`, `show aggregations json`, `show table ... top`).
 * Whatever a program answers that cannot be read (a command that it does not know, too low a level) leaves its
 * part empty, with the answer's words as the reason.
 */

export interface TopSnapshot {
	readonly atMs: number;
	/** `show info`. */
	readonly info: ReadonlyMap<string, string>;
	/** `show stat`, a row an object of its columns. */
	readonly rows: readonly StatCells[];
	readonly tables: readonly TopTable[];
	/** By table. A table that takes long is asked for less often: its keys are those of an earlier look. */
	readonly keys: ReadonlyMap<string, TableKeys>;
	readonly peers: readonly TopPeer[];
	readonly sums: readonly TopSum[];
	/** What could not be asked, in the program's own words. */
	readonly troubles: readonly string[];
}

export type StatCells = ReadonlyMap<string, string>;

export interface TopData {
	readonly name: string;
	/** Undefined: not a rate. */
	readonly periodMs: number | undefined;
	/** Texts and numbers of servers are in no order. */
	readonly isOrdered: boolean;
}

export interface TopTable {
	readonly name: string;
	readonly type: string;
	readonly size: number;
	readonly used: number;
	readonly evicted: number;
	/** New entries that found no room. */
	readonly refused: number;
	readonly data: readonly TopData[];
}

export interface TableKeys {
	readonly atMs: number;
	/** What the keys are ordered by. */
	readonly leading: TopData;
	readonly keys: readonly TopKey[];
}

export interface TopKey {
	readonly key: string;
	readonly value: number;
	/** Everything else that is stored and is not 0. */
	readonly others: readonly (readonly [name: string, value: string])[];
}

export interface TopPeer {
	readonly section: string;
	readonly name: string;
	readonly isLocal: boolean;
	readonly isConnected: boolean;
	readonly status: string;
	readonly pendingUpdates: number;
	readonly lagMs: number;
	readonly updatesSent: number;
	readonly updatesReceived: number;
	readonly trouble: string | undefined;
}

export interface TopSum {
	readonly aggregation: string;
	readonly table: string;
	readonly sumTable: string;
	readonly ownEntries: number | undefined;
	readonly sumEntries: number;
	readonly origins: readonly {
		readonly name: string;
		readonly isSelf: boolean;
		readonly isDirect: boolean;
		readonly entries: number;
		readonly lastWordMs: number | undefined;
	}[];
}

/** Answers of one line of commands: each ends with an empty line. */
export function splitAnswers(text: string): string[] {
	const answers = text.split('\n\n');
	// What follows the last empty line is nothing, or the newline that `show aggregations` may put there.
	if (answers.at(-1)?.trim() === '') answers.pop();
	return answers;
}

/** `Name: value` lines. */
export function parseInfo(text: string): Map<string, string> {
	const info = new Map<string, string>();
	for (const line of text.split('\n')) {
		const colon = line.indexOf(': ');
		if (colon > 0) info.set(line.slice(0, colon), line.slice(colon + 2));
	}
	return info;
}

/** The CSV of `show stat`; undefined when it is something else. */
export function parseStat(text: string): StatCells[] | undefined {
	const [header = '', ...lines] = text.split('\n');
	if (!header.startsWith('# pxname,')) return undefined;
	const names = header.slice(2).split(',');
	return lines.filter((line) => line !== '').map((line) => cellsOf(names, splitCsv(line)));
}

function cellsOf(names: readonly string[], values: readonly string[]): StatCells {
	const cells = new Map<string, string>();
	for (const [index, name] of names.entries()) cells.set(name, values[index] ?? '');
	return cells;
}

/** Only cells with a comma or a quote in them are quoted. */
function splitCsv(line: string): string[] {
	if (!line.includes('"')) return line.split(',');
	const cells: string[] = [];
	for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
		cells.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
	}
	return cells;
}

// ---- JSON: nothing in it is believed to have a form before it was looked at

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
	typeof value === 'object' && value !== null && !Array.isArray(value);
const fieldsOf = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isFields) : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const optionalNumber = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const numberOf = (value: unknown): number => optionalNumber(value) ?? 0;

export function parseJson(text: string): unknown {
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return undefined;
	}
}

/** `show table json`; undefined when it is something else. */
export function parseTables(text: string): TopTable[] | undefined {
	const value = parseJson(text);
	if (!Array.isArray(value)) return undefined;
	return fieldsOf(value).map((table) => ({
		name: textOf(table.table),
		type: textOf(table.type),
		size: numberOf(table.size),
		used: numberOf(table.used),
		evicted: numberOf(table.evicted),
		refused: numberOf(table.refused),
		data: fieldsOf(table.data).map((one) => ({
			name: textOf(one.name),
			periodMs: optionalNumber(one.periodMs),
			isOrdered: one.isOrdered === true,
		})),
	}));
}

/** By what a table's keys are called hot: its first rate, else its first counter. */
export function leadingData({ data }: TopTable): TopData | undefined {
	const ordered = data.filter(({ isOrdered }) => isOrdered);
	return ordered.find(({ periodMs }) => periodMs !== undefined) ?? ordered[0];
}

/** `show table <t> top <n> by <type> json`. */
export function parseKeys(text: string, leading: TopData, atMs: number): TableKeys | undefined {
	const value = parseJson(text);
	if (!isFields(value) || !Array.isArray(value.entries)) return undefined;
	const keys = fieldsOf(value.entries).map((entry) => {
		const data = isFields(entry.data) ? Object.entries(entry.data) : [];
		const readings = data.map(([name, one]) => [name, isFields(one) ? one.value : one] as const);
		const others = readings
			.filter(([name, one]) => name !== elementName(leading.name) && one !== 0 && one !== '0' && one !== '')
			.map(([name, one]) => [name, String(one)] as const);
		const own = readings.find(([name]) => name === elementName(leading.name))?.[1];
		return { key: String(entry.key), value: Number(own ?? 0), others };
	});
	return { atMs, leading, keys: keys.filter(({ value }) => value > 0) };
}

/** `gpc_rate[0]` as a filter names it is `gpc0_rate` in a dump. */
function elementName(name: string): string {
	const match = /^([a-z]+)(_[a-z_]+)?\[(\d+)\]$/.exec(name);
	return match === null ? name : `${match[1]}${match[3]}${match[2] ?? ''}`;
}

/** `show peers json`. */
export function parsePeers(text: string): TopPeer[] | undefined {
	const value = parseJson(text);
	if (!Array.isArray(value)) return undefined;
	return fieldsOf(value).flatMap((section) =>
		fieldsOf(section.peers).map((peer) => ({
			section: textOf(section.name),
			name: textOf(peer.name),
			isLocal: peer.isLocal === true,
			isConnected: peer.isConnected === true,
			status: textOf(peer.status),
			pendingUpdates: numberOf(peer.pendingUpdates),
			lagMs: numberOf(peer.lagMs),
			updatesSent: numberOf(peer.updatesSent),
			updatesReceived: numberOf(peer.updatesReceived),
			trouble: textOf(peer.trouble) || undefined,
		})),
	);
}

/** `show aggregations json`. */
export function parseSums(text: string): TopSum[] | undefined {
	const value = parseJson(text);
	if (!Array.isArray(value)) return undefined;
	return fieldsOf(value).flatMap((aggregation) =>
		fieldsOf(aggregation.tables).map((table) => ({
			aggregation: textOf(aggregation.name),
			table: textOf(table.name),
			sumTable: textOf(table.sumName),
			ownEntries: optionalNumber(table.ownEntries),
			sumEntries: numberOf(table.sumEntries),
			origins: fieldsOf(table.origins).map((origin) => ({
				name: textOf(origin.name),
				isSelf: origin.isSelf === true,
				isDirect: origin.isDirect === true,
				entries: numberOf(origin.entries),
				lastWordMs: optionalNumber(origin.lastWordMs),
			})),
		})),
	);
}
