/**
 * What the page shows of a row of `show stat`: one table of columns, in HAProxy's familiar order, from which the page's
 * head, its cells and its live updates are all made. A cell is a plain text.
 */
import { RowType, Stat, type StatName } from '../runtime-api/stat-columns.js';
import type { StatRow } from '../runtime-api/stat-rows.js';

export interface PageColumn {
	readonly label: string;
	/** Spoken in place of the short label. */
	readonly title: string;
	readonly text: (row: StatRow) => string;
	/** Its label on a telephone, where only these columns stay and their groups have no head; undefined: hidden there. */
	readonly narrow: string | undefined;
}

export interface ColumnGroup {
	readonly label: string;
	readonly columns: readonly PageColumn[];
}

const GROUPED = /\B(?=(\d{3})+$)/g;

/** `12 345`, with a narrow space that a browser does not break at. */
const count = (value: string | number | undefined): string =>
	value === undefined ? '' : String(value).replace(GROUPED, '\u00a0');

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** Three significant digits: `1.21M`. */
export function shortBytes(value: number): string {
	let unit = 0;
	let rest = value;
	for (; rest >= 1000 && unit < UNITS.length - 1; unit++) rest /= 1000;
	const digits = unit === 0 ? 0 : rest < 10 ? 2 : rest < 100 ? 1 : 0;
	return `${rest.toFixed(digits)}${UNITS[unit]}`;
}

/** `5s`, `1m30s`, `2h5m`, `3d4h`. */
export function shortTime(seconds: number): string {
	if (seconds < 60) return `${seconds}s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
	return `${Math.floor(seconds / 86400)}d${Math.floor((seconds % 86400) / 3600)}h`;
}

const asNumber = (row: StatRow, name: StatName): number | undefined => {
	const value = row.values[Stat[name]];
	return typeof value === 'number' ? value : undefined;
};

const column = (label: string, title: string, name: StatName, narrow?: string): PageColumn => ({
	label,
	title,
	text: (row) => count(row.values[Stat[name]]),
	narrow,
});

/** A limit that is 0 or empty is none. */
const limit = (label: string, title: string, name: StatName): PageColumn => ({
	label,
	title,
	text: (row) => {
		const value = row.values[Stat[name]];
		return value === undefined || value === 0 ? '-' : count(value);
	},
	narrow: undefined,
});

const bytes = (label: string, title: string, name: StatName): PageColumn => ({
	label,
	title,
	text: (row) => {
		const value = asNumber(row, name);
		return value === undefined ? '' : shortBytes(value);
	},
	narrow: undefined,
});

const age = (label: string, title: string, name: StatName): PageColumn => ({
	label,
	title,
	text: (row) => {
		const value = asNumber(row, name);
		return value === undefined ? '' : value < 0 ? '?' : shortTime(value);
	},
	narrow: undefined,
});

/** `4s UP`, `OPEN`, `no check`. */
function statusText(row: StatRow): string {
	const status = String(row.values[Stat.status] ?? '');
	const since = asNumber(row, 'lastchg');
	return since === undefined || status === 'no check' ? status : `${status} ${shortTime(since)}`;
}

function checkText(row: StatRow): string {
	const status = row.values[Stat.check_status];
	if (status === undefined) return '';
	const code = row.values[Stat.check_code];
	const duration = row.values[Stat.check_duration];
	return `${status}${code === undefined ? '' : `/${code}`}${duration === undefined ? '' : ` in ${duration}ms`}`;
}

const yesOrNumber = (name: 'act' | 'bck') => (row: StatRow) => {
	const value = asNumber(row, name);
	return row.type === RowType.SERVER ? (value === 1 ? 'Y' : '-') : count(value);
};

export const COLUMN_GROUPS: readonly ColumnGroup[] = [
	// First and not last as in HAProxy: it is what one looks for, and it must not be beyond the edge of the screen.
	{
		label: 'State',
		columns: [{ label: 'Status', title: 'State, and for how long', text: statusText, narrow: 'Status' }],
	},
	{
		label: 'Queue',
		columns: [
			column('Cur', 'Requests waiting now', 'qcur'),
			column('Max', 'Most requests waiting', 'qmax'),
			limit('Limit', 'Limit of requests waiting', 'qlimit'),
		],
	},
	{
		label: 'Session rate',
		columns: [
			column('Cur', 'Sessions per second now', 'rate', 'Rate'),
			column('Max', 'Most sessions per second', 'rate_max'),
			limit('Limit', 'Limit of sessions per second', 'rate_lim'),
		],
	},
	{
		label: 'Sessions',
		columns: [
			column('Cur', 'Sessions now', 'scur', 'Now'),
			column('Max', 'Most sessions', 'smax'),
			limit('Limit', 'Limit of sessions', 'slim'),
			column('Total', 'Sessions since the start', 'stot'),
			column('LbTot', 'Times chosen by balancing', 'lbtot'),
			age('Last', 'Time since the last session', 'lastsess'),
		],
	},
	{
		label: 'Bytes',
		columns: [bytes('In', 'Bytes from clients', 'bin'), bytes('Out', 'Bytes to clients', 'bout')],
	},
	{
		label: 'Denied',
		columns: [column('Req', 'Requests denied', 'dreq', 'Deny'), column('Resp', 'Responses denied', 'dresp')],
	},
	{
		label: 'Errors',
		columns: [
			column('Req', 'Bad requests', 'ereq'),
			column('Conn', 'Connections to servers that failed', 'econ'),
			column('Resp', 'Responses that failed', 'eresp'),
		],
	},
	{
		label: 'Warnings',
		columns: [column('Retr', 'Connections tried again', 'wretr'), column('Redis', 'Redispatches', 'wredis')],
	},
	{
		label: 'Responses',
		columns: [
			column('2xx', 'Responses 200 to 299', 'hrsp_2xx'),
			column('3xx', 'Responses 300 to 399', 'hrsp_3xx'),
			column('4xx', 'Responses 400 to 499', 'hrsp_4xx'),
			column('5xx', 'Responses 500 to 599', 'hrsp_5xx', '5xx'),
		],
	},
	{
		label: 'Average ms',
		columns: [
			column('Queue', 'Average time in the queue', 'qtime'),
			column('Conn', 'Average time to connect', 'ctime'),
			column('Resp', 'Average time to respond', 'rtime'),
			column('Total', 'Average time of a session', 'ttime'),
		],
	},
	{
		label: 'Server',
		columns: [
			{ label: 'LastChk', title: 'Last health check', text: checkText, narrow: undefined },
			{
				label: 'Wght',
				title: 'Weight, and the configured one',
				text: (row) => {
					const weight = row.values[Stat.weight];
					return weight === undefined ? '' : `${weight}/${row.values[Stat.uweight]}`;
				},
				narrow: undefined,
			},
			{ label: 'Act', title: 'Active servers', text: yesOrNumber('act'), narrow: undefined },
			{ label: 'Bck', title: 'Backup servers', text: yesOrNumber('bck'), narrow: undefined },
			column('Chk', 'Failed checks', 'chkfail'),
			column('Dwn', 'Times it went down', 'chkdown'),
			age('Dwntme', 'Time down', 'downtime'),
			{
				label: 'Thrtle',
				title: 'Slow start',
				text: (row) => {
					const value = row.values[Stat.throttle];
					return value === undefined ? '' : `${value}%`;
				},
				narrow: undefined,
			},
		],
	},
];

export const PAGE_COLUMNS: readonly PageColumn[] = COLUMN_GROUPS.flatMap(({ columns }) => columns);

export const rowCells = (row: StatRow): string[] => PAGE_COLUMNS.map(({ text }) => text(row));

const LETTERS = ['F', 'B', 'S', 'L'] as const;

/** The id of a row's element. */
export const rowId = (row: StatRow): string => `${LETTERS[row.type]}${row.proxy.id}.${row.id}`;

/** Kind and state of a row, as classes of its element. */
export function rowClass(row: StatRow): string {
	const status = String(row.values[Stat.status] ?? '');
	switch (row.type) {
		case RowType.FRONTEND:
			return `frontend ${status === 'OPEN' ? 'open' : 'warn'}`;
		case RowType.LISTENER:
			return `listener ${status === 'OPEN' ? 'open' : 'warn'}`;
		case RowType.BACKEND:
			return `backend ${status.startsWith('UP') ? 'up' : 'down'}`;
		default:
			return `server ${serverClass(status)}${row.values[Stat.bck] === 1 ? ' backup' : ''}`;
	}
}

function serverClass(status: string): string {
	if (status === 'no check') return 'unchecked';
	if (status.startsWith('MAINT')) return 'maint';
	if (status.startsWith('DRAIN') || status.startsWith('NOLB')) return 'drain';
	if (status.startsWith('DOWN')) return status === 'DOWN' ? 'down' : 'warn';
	return status === 'UP' ? 'up' : 'warn';
}
