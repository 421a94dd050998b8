/**
 * The parts of the screen: tables, keys, servers, peers, sums. Each is a row of columns, the orders it can be sorted in,
 * and a pure function from a look (and the one before it, for what is a rate) to sorted rows of cells.
 */
import type { StatCells, TopKey, TopPeer, TopSnapshot, TopSum, TopTable } from './snapshot.js';
import { bar, type Cell, type Column, duration, grouped, printable, rate, type Tone } from './table-layout.js';

export const SECTION_NAMES = ['tables', 'keys', 'servers', 'peers', 'sums'] as const;
export type SectionName = (typeof SECTION_NAMES)[number];

/** A look and the one before. */
export interface Looks {
	readonly now: TopSnapshot;
	readonly before: TopSnapshot | undefined;
}

export interface SectionRows {
	readonly columns: readonly Column[];
	readonly rows: readonly (readonly Cell[])[];
}

export interface Section {
	readonly name: SectionName;
	/** Orders it can be sorted in; the first is the usual one. */
	readonly sorts: readonly string[];
	readonly rows: (looks: Looks, sort: string, reversed: boolean) => SectionRows;
}

/** Growth per second between two looks; undefined without a former one. A counter that was set back starts at 0. */
function growth({ now, before }: Looks, value: number, former: number | undefined): number | undefined {
	if (before === undefined || former === undefined || now.atMs <= before.atMs) return undefined;
	return ((value >= former ? value - former : value) * 1000) / (now.atMs - before.atMs);
}

type Compare<T> = (a: T, b: T) => number;
const falling =
	<T>(of: (item: T) => number): Compare<T> =>
	(a, b) =>
		of(b) - of(a);
const byName =
	<T>(of: (item: T) => string): Compare<T> =>
	(a, b) =>
		of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0;

function sorted<T>(
	items: readonly T[],
	orders: Readonly<Record<string, Compare<T>>>,
	sort: string,
	reversed: boolean,
	last: Compare<T>,
): T[] {
	const order = orders[sort] ?? last;
	return [...items].sort((a, b) => (order(a, b) || last(a, b)) * (reversed ? -1 : 1));
}

const cell = (text: string, tone?: Tone): Cell => ({ text, ...(tone === undefined ? {} : { tone }) });
const name = (text: string, tone?: Tone): Cell => cell(printable(text), tone);
const alarming = (value: number | undefined, tone: Tone): Tone => (value !== undefined && value > 0 ? tone : 'plain');
const right = (title: string, rank: number): Column => ({ title, align: 'right', rank });

// ---- tables

interface TableRow {
	readonly table: TopTable;
	readonly share: number;
	readonly evictionRate: number | undefined;
}

const fillTone = (share: number): Tone => (share >= 0.9 ? 'bad' : share >= 0.7 ? 'warning' : 'good');

const TABLES: Section = {
	name: 'tables',
	sorts: ['fill', 'used', 'evictions', 'name'],
	rows(looks, sort, reversed) {
		const rows = looks.now.tables.map((table): TableRow => {
			const former = looks.before?.tables.find((one) => one.name === table.name);
			return {
				table,
				share: table.size === 0 ? 0 : table.used / table.size,
				evictionRate: growth(looks, table.evicted, former?.evicted),
			};
		});
		const orders: Record<string, Compare<TableRow>> = {
			fill: falling(({ share }) => share),
			used: falling(({ table }) => table.used),
			evictions: falling(({ table, evictionRate }) => (evictionRate ?? 0) * 1e15 + table.evicted),
			name: byName(({ table }) => table.name),
		};
		return {
			columns: [
				{ title: 'TABLE', shrinksTo: 12, rank: 0 },
				{ title: 'TYPE', rank: 4 },
				{ title: 'FILL', rank: 0 },
				right('USED', 1),
				right('SIZE', 2),
				right('EVICTED', 3),
				right('/S', 2),
				right('REFUSED', 5),
				{ title: 'STORES', shrinksTo: 10, rank: 6 },
			],
			rows: sorted(rows, orders, sort, reversed, orders.name!).map(({ table, share, evictionRate }) => [
				name(table.name, 'bold'),
				cell(table.type, 'dim'),
				cell(bar(share), fillTone(share)),
				cell(grouped(table.used)),
				cell(grouped(table.size)),
				cell(grouped(table.evicted), alarming(table.evicted, 'warning')),
				cell(rate(evictionRate), alarming(evictionRate, 'bad')),
				cell(grouped(table.refused), alarming(table.refused, 'bad')),
				cell(table.data.map((one) => one.name).join(' '), 'dim'),
			]),
		};
	},
};

// ---- keys

interface KeyRow {
	readonly table: string;
	readonly key: TopKey;
	readonly counted: string;
	readonly perSecond: number | undefined;
}

function keyRows({ now, before }: Looks): KeyRow[] {
	return [...now.keys].flatMap(([table, { atMs, leading, keys }]) => {
		const former = before?.keys.get(table);
		// The same look as before, of a table that is asked for less often, tells no growth.
		const formerKeys = new Map(
			former === undefined || former.atMs === atMs ? [] : former.keys.map((one) => [one.key, one]),
		);
		return keys.map((key): KeyRow => {
			if (leading.periodMs !== undefined) {
				const perSecond = (key.value * 1000) / leading.periodMs;
				return { table, key, counted: `${leading.name}(${duration(leading.periodMs)})`, perSecond };
			}
			const then = formerKeys.get(key.key)?.value;
			const elapsedMs = atMs - (former?.atMs ?? atMs);
			const grown =
				then === undefined || elapsedMs <= 0 ? undefined : (Math.max(0, key.value - then) * 1000) / elapsedMs;
			return { table, key, counted: leading.name, perSecond: grown };
		});
	});
}

const KEYS: Section = {
	name: 'keys',
	sorts: ['rate', 'value', 'table', 'key'],
	rows(looks, sort, reversed) {
		const byKey = byName(({ table, key }: KeyRow) => `${table}\0${key.key}`);
		const byRate = falling(({ perSecond, key }: KeyRow) => perSecond ?? key.value * 1e-9);
		const orders: Record<string, Compare<KeyRow>> = {
			rate: byRate,
			value: falling(({ key }) => key.value),
			table: (a, b) => byName((row: KeyRow) => row.table)(a, b) || byRate(a, b),
			key: byName(({ key }) => key.key),
		};
		return {
			columns: [
				{ title: 'KEY', shrinksTo: 15, rank: 0 },
				right('PER SEC', 0),
				right('VALUE', 1),
				{ title: 'OF', rank: 3 },
				{ title: 'TABLE', shrinksTo: 8, rank: 2 },
				{ title: 'ALSO', shrinksTo: 10, rank: 4 },
			],
			rows: sorted(keyRows(looks), orders, sort, reversed, byKey).map(({ table, key, counted, perSecond }) => [
				name(key.key, 'bold'),
				cell(rate(perSecond), 'accent'),
				cell(grouped(key.value)),
				name(counted, 'dim'),
				name(table),
				name(key.others.map(([what, value]) => `${what}=${value}`).join(' '), 'dim'),
			]),
		};
	},
};

// ---- servers

interface ServerRow {
	readonly id: string;
	readonly status: string;
	readonly sessions: number;
	readonly queued: number;
	readonly requestRate: number | undefined;
	readonly errorRate: number | undefined;
	readonly cells: StatCells;
}

const ERROR_COLUMNS = ['econ', 'eresp', 'hrsp_5xx'];
const SERVER = '2';
const BACKEND = '1';

const number = (cells: StatCells | undefined, column: string): number => Number(cells?.get(column) || 0);
const idOf = (cells: StatCells): string => `${cells.get('pxname') ?? ''}/${cells.get('svname') ?? ''}`;

function statusTone(status: string): Tone {
	if (status.startsWith('UP') || status === 'OPEN' || status === 'no check')
		return status.includes('/') ? 'warning' : 'good';
	if (status.startsWith('DOWN') || status === 'STOP') return 'bad';
	return 'warning';
}

/** Down first, then what is neither, then what serves. */
const statusRank = (status: string): number => ({ bad: 0, warning: 1 })[statusTone(status) as string] ?? 2;

function serverRows(looks: Looks): ServerRow[] {
	const { now, before } = looks;
	const servers = now.rows.filter((cells) => cells.get('type') === SERVER);
	const former = new Map((before?.rows ?? []).map((cells) => [`${cells.get('type')} ${idOf(cells)}`, cells]));
	const owners = new Set(servers.map((cells) => cells.get('pxname')));
	// A backend without servers (one that only holds a table) is no news.
	const shown = now.rows.filter(
		(cells) => cells.get('type') === SERVER || (cells.get('type') === BACKEND && owners.has(cells.get('pxname'))),
	);
	return shown.map((cells): ServerRow => {
		const then = former.get(`${cells.get('type')} ${idOf(cells)}`);
		const requests = (row: StatCells): number => number(row, row.get('mode') === 'http' ? 'req_tot' : 'stot');
		const errors = (row: StatCells): number => ERROR_COLUMNS.reduce((sum, column) => sum + number(row, column), 0);
		return {
			id: idOf(cells),
			status: cells.get('status') ?? '',
			sessions: number(cells, 'scur'),
			queued: number(cells, 'qcur'),
			requestRate: growth(looks, requests(cells), then && requests(then)),
			errorRate: growth(looks, errors(cells), then && errors(then)),
			cells,
		};
	});
}

const SERVERS: Section = {
	name: 'servers',
	sorts: ['state', 'requests', 'sessions', 'queue', 'errors', 'time', 'name'],
	rows(looks, sort, reversed) {
		const orders: Record<string, Compare<ServerRow>> = {
			state: (a, b) => statusRank(a.status) - statusRank(b.status) || (b.requestRate ?? 0) - (a.requestRate ?? 0),
			requests: falling(({ requestRate }) => requestRate ?? 0),
			sessions: falling(({ sessions }) => sessions),
			queue: falling(({ queued }) => queued),
			errors: falling(({ errorRate }) => errorRate ?? 0),
			time: falling(({ cells }) => number(cells, 'ttime')),
			name: byName(({ id }) => id),
		};
		return {
			columns: [
				{ title: 'SERVER', shrinksTo: 14, rank: 0 },
				{ title: 'STATE', rank: 0 },
				right('REQ/S', 0),
				right('SESS', 1),
				right('QUEUE', 2),
				right('ERR/S', 1),
				right('5XX', 5),
				right('RESP', 3),
				right('TOTAL', 6),
				right('WEIGHT', 7),
				{ title: 'SINCE', rank: 4 },
				{ title: 'CHECK', shrinksTo: 8, rank: 8 },
			],
			rows: sorted(serverRows(looks), orders, sort, reversed, orders.name!).map((row) => {
				const { cells, id, status } = row;
				const isBackend = cells.get('type') === BACKEND;
				const lastchg = cells.get('lastchg') ?? '';
				const check = [cells.get('check_status'), cells.get('last_chk')].filter(Boolean).join(' ');
				return [
					name(id, isBackend ? 'accent' : 'bold'),
					name(status, statusTone(status)),
					cell(rate(row.requestRate)),
					cell(grouped(row.sessions)),
					cell(grouped(row.queued), alarming(row.queued, 'warning')),
					cell(rate(row.errorRate), alarming(row.errorRate, 'bad')),
					cell(grouped(number(cells, 'hrsp_5xx'))),
					cell(duration(number(cells, 'rtime'))),
					cell(duration(number(cells, 'ttime'))),
					cell(cells.get('weight') ?? ''),
					cell(lastchg === '' ? '' : duration(Number(lastchg) * 1000), 'dim'),
					name(check, 'dim'),
				];
			}),
		};
	},
};

// ---- peers and sums

const STATUS_WORDS: Readonly<Record<string, string>> = { NONE: 'idle', CONN: 'connecting', ESTA: 'established' };

const PEERS: Section = {
	name: 'peers',
	sorts: ['behind', 'name'],
	rows(looks, sort, reversed) {
		const id = ({ section, name: peer }: TopPeer): string => `${section}/${peer}`;
		const orders: Record<string, Compare<TopPeer>> = {
			behind: (a, b) =>
				Number(a.isLocal) - Number(b.isLocal) || b.pendingUpdates - a.pendingUpdates || b.lagMs - a.lagMs,
			name: byName(id),
		};
		return {
			columns: [
				{ title: 'PEER', shrinksTo: 12, rank: 0 },
				{ title: 'STATE', rank: 0 },
				right('BEHIND', 0),
				right('LAG', 1),
				right('SENT/S', 2),
				right('GOT/S', 2),
				{ title: 'TROUBLE', shrinksTo: 10, rank: 3 },
			],
			rows: sorted(looks.now.peers, orders, sort, reversed, orders.name!).map((peer) => {
				const then = looks.before?.peers.find((one) => id(one) === id(peer));
				const state = peer.isLocal ? 'this node' : (STATUS_WORDS[peer.status] ?? peer.status.toLowerCase());
				const isUp = peer.isLocal || peer.isConnected;
				return [
					name(id(peer), 'bold'),
					name(state, peer.isLocal ? 'dim' : peer.status === 'ESTA' ? 'good' : isUp ? 'warning' : 'bad'),
					cell(peer.isLocal ? '' : grouped(peer.pendingUpdates), alarming(peer.pendingUpdates, 'warning')),
					cell(peer.isLocal ? '' : duration(peer.lagMs), peer.lagMs > 5000 ? 'bad' : 'plain'),
					cell(rate(growth(looks, peer.updatesSent, then?.updatesSent))),
					cell(rate(growth(looks, peer.updatesReceived, then?.updatesReceived))),
					name(isUp ? '' : (peer.trouble ?? ''), 'bad'),
				];
			}),
		};
	},
};

const SUMS: Section = {
	name: 'sums',
	sorts: ['entries', 'name'],
	rows({ now }, sort, reversed) {
		const id = ({ aggregation, table }: TopSum): string => `${aggregation}/${table}`;
		const orders: Record<string, Compare<TopSum>> = {
			entries: falling(({ sumEntries }) => sumEntries),
			name: byName(id),
		};
		return {
			columns: [
				{ title: 'SUM', shrinksTo: 12, rank: 0 },
				{ title: 'TO', shrinksTo: 8, rank: 2 },
				right('OWN', 1),
				right('SUM', 0),
				{ title: 'ORIGINS (entries, last word)', shrinksTo: 20, rank: 0 },
			],
			rows: sorted(now.sums, orders, sort, reversed, orders.name!).map((sum) => {
				const away = sum.origins.some(({ isDirect, isSelf }) => !isDirect && !isSelf);
				const origins = sum.origins.map((origin) => {
					const state = origin.isSelf ? ' earlier' : origin.isDirect ? '' : ' away';
					const last = origin.lastWordMs === undefined ? 'never' : duration(origin.lastWordMs);
					return `${origin.name}${state} (${grouped(origin.entries)}, ${last})`;
				});
				return [
					name(id(sum), 'bold'),
					name(sum.sumTable),
					cell(sum.ownEntries === undefined ? '-' : grouped(sum.ownEntries)),
					cell(grouped(sum.sumEntries)),
					name(origins.length === 0 ? 'none yet' : origins.join('  '), away ? 'warning' : 'plain'),
				];
			}),
		};
	},
};

export const SECTIONS: readonly Section[] = [TABLES, KEYS, SERVERS, PEERS, SUMS];
