/**
 * The columns of `show stat` (management guide, 9.1): their order, which of the four kinds of row has them, and the
 * tags and types of the typed and JSON forms (9.2). One table for CSV, typed text, JSON, the page and Prometheus;
 * read off HAProxy 2.6's own answers.
 *
 * The static columns end with `-`, as there. Behind it stand the counters of modules: TLS and HTTP/2. HAProxy has one
 * more of HTTP/1, whose figures Holdfast does not keep.
 */
import { COUNTERS, type CounterName } from '../shared/counters.js';

/** Rows: frontend, backend, server, listener, numbered as in the column `type`. */
export const RowType = { FRONTEND: 0, BACKEND: 1, SERVER: 2, LISTENER: 3 } as const;
export type RowType = (typeof RowType)[keyof typeof RowType];

/** Letters and names of the typed and JSON forms, by `RowType`. */
export const ROW_LETTERS = ['F', 'B', 'S', 'L'] as const;
export const ROW_NAMES = ['Frontend', 'Backend', 'Server', 'Listener'] as const;

export type ValueType = 'str' | 'u32' | 's32' | 'u64';

/**
 * name, rows that may have it, tags (origin, nature, scope), type. A second group after a space is for the rows it
 * names.
 */
const ROWS = [
	['pxname', 'LFBS', 'KNS', 'str'],
	['svname', 'LFBS', 'KNS', 'str'],
	['qcur', 'BS', 'MGP', 'u32'],
	['qmax', 'BS', 'MMP', 'u32'],
	['scur', 'LFBS', 'MGP', 'u32'],
	['smax', 'LFBS', 'MMP', 'u32'],
	['slim', 'LFBS', 'CLP', 'u32'],
	['stot', 'LFBS', 'MCP', 'u64'],
	['bin', 'LFBS', 'MCP', 'u64'],
	['bout', 'LFBS', 'MCP', 'u64'],
	['dreq', 'LFB', 'MCP', 'u64'],
	['dresp', 'LFBS', 'MCP', 'u64'],
	['ereq', 'LF', 'MCP', 'u64'],
	['econ', 'BS', 'MCP', 'u64'],
	['eresp', 'BS', 'MCP', 'u64'],
	['wretr', 'BS', 'MCP', 'u64'],
	['wredis', 'BS', 'MCP', 'u64'],
	['status', 'LFBS', 'SGP', 'str'],
	['weight', 'BS', 'MaP', 'u32'],
	['act', 'BS', 'MGP SGP', 'u32'],
	['bck', 'BS', 'MGP SGP', 'u32'],
	['chkfail', 'S', 'MCP', 'u64'],
	['chkdown', 'BS', 'MCP', 'u64'],
	['lastchg', 'BS', 'MAP', 'u32'],
	['downtime', 'BS', 'MCP', 'u32'],
	['qlimit', 'S', 'CGS', 'u32'],
	['pid', 'LFBS', 'KGP', 'u32'],
	['iid', 'LFBS', 'KGS', 'u32'],
	['sid', 'LFBS', 'KGS', 'u32'],
	['throttle', 'S', 'MaP', 'u32'],
	['lbtot', 'BS', 'MCP', 'u64'],
	['tracked', 'S', 'CNS', 'str'],
	['type', 'LFBS', 'CGS', 'u32'],
	['rate', 'FBS', 'MRP', 'u32'],
	['rate_lim', 'F', 'CLP', 'u32'],
	['rate_max', 'FBS', 'MMP', 'u32'],
	['check_status', 'S', 'MOP', 'str'],
	['check_code', 'S', 'MOP', 'u32'],
	['check_duration', 'S', 'MDP', 'u64'],
	['hrsp_1xx', 'FBS', 'MCP', 'u64'],
	['hrsp_2xx', 'FBS', 'MCP', 'u64'],
	['hrsp_3xx', 'FBS', 'MCP', 'u64'],
	['hrsp_4xx', 'FBS', 'MCP', 'u64'],
	['hrsp_5xx', 'FBS', 'MCP', 'u64'],
	['hrsp_other', 'FBS', 'MCP', 'u64'],
	['hanafail', 'S', 'MCP', 'u64'],
	['req_rate', 'F', 'MRP', 'u32'],
	['req_rate_max', 'F', 'MMP', 'u32'],
	['req_tot', 'FBS', 'MCP', 'u64'],
	['cli_abrt', 'BS', 'MCP', 'u64'],
	['srv_abrt', 'BS', 'MCP', 'u64'],
	['comp_in', 'FB', 'MCP', 'u64'],
	['comp_out', 'FB', 'MCP', 'u64'],
	['comp_byp', 'FB', 'MCP', 'u64'],
	['comp_rsp', 'FB', 'MCP', 'u64'],
	['lastsess', 'BS', 'MAP', 's32'],
	['last_chk', 'S', 'MOP', 'str'],
	['last_agt', 'S', 'MOP', 'str'],
	['qtime', 'BS', 'MaP', 'u32'],
	['ctime', 'BS', 'MaP', 'u32'],
	['rtime', 'BS', 'MaP', 'u32'],
	['ttime', 'BS', 'MaP', 'u32'],
	['agent_status', 'S', 'MOP', 'str'],
	['agent_code', 'S', 'MOP', 'u32'],
	['agent_duration', 'S', 'MDP', 'u64'],
	['check_desc', 'S', 'MOP', 'str'],
	['agent_desc', 'S', 'MOP', 'str'],
	['check_rise', 'S', 'CGS', 'u32'],
	['check_fall', 'S', 'CGS', 'u32'],
	['check_health', 'S', 'CGS', 'u32'],
	['agent_rise', 'S', 'CGS', 'u32'],
	['agent_fall', 'S', 'CGS', 'u32'],
	['agent_health', 'S', 'CGS', 'u32'],
	['addr', 'LS', 'CGS', 'str'],
	['cookie', 'BS', 'CNS', 'str'],
	['mode', 'LFBS', 'CGS', 'str'],
	['algo', 'B', 'CGS', 'str'],
	['conn_rate', 'F', 'MRP', 'u32'],
	['conn_rate_max', 'F', 'MMP', 'u32'],
	['conn_tot', 'F', 'MCP', 'u64'],
	['intercepted', 'F', 'MCP', 'u64'],
	['dcon', 'LF', 'MCP', 'u64'],
	['dses', 'LF', 'MCP', 'u64'],
	['wrew', 'LFBS', 'MCP', 'u64'],
	['connect', 'BS', 'MCP', 'u64'],
	['reuse', 'BS', 'MCP', 'u64'],
	['cache_lookups', 'FB', 'MCP', 'u64'],
	['cache_hits', 'FB', 'MCP', 'u64'],
	['srv_icur', 'S', 'MGP', 'u32'],
	['src_ilim', 'S', 'CLP', 'u32'],
	['qtime_max', 'BS', 'MMP', 'u32'],
	['ctime_max', 'BS', 'MMP', 'u32'],
	['rtime_max', 'BS', 'MMP', 'u32'],
	['ttime_max', 'BS', 'MMP', 'u32'],
	['eint', 'LFBS', 'MCP', 'u64'],
	['idle_conn_cur', 'S', 'MGP', 'u32'],
	['safe_conn_cur', 'S', 'MGP', 'u32'],
	['used_conn_cur', 'S', 'MGP', 'u32'],
	['need_conn_est', 'S', 'MGP', 'u32'],
	['uweight', 'BS', 'MaP', 'u32'],
	['agg_server_status', 'B', 'MGP', 'u32'],
	['agg_server_check_status', 'B', 'MGP', 'u32'],
	['agg_check_status', 'B', 'MGP', 'u32'],
] as const satisfies readonly (readonly [string, string, string, ValueType])[];

export type StatName = (typeof ROWS)[number][0];

export interface StatColumn {
	readonly name: StatName;
	readonly index: number;
	readonly rows: string;
	readonly type: ValueType;
	/** Three letters: origin, nature, scope (management guide, 9.2). */
	tags(row: RowType): string;
}

/** A column behind the static ones (management guide, 9.3 `show stat`). */
export interface ModuleColumn {
	readonly name: CounterName;
	/** Goes on from the static columns. */
	readonly index: number;
	readonly rows: string;
	readonly tags: string;
	readonly help: string;
}

export const MODULE_COLUMNS: readonly ModuleColumn[] = COUNTERS.filter(({ name }) => /^(?:ssl|h2)_/.test(name)).map(
	({ name, kind, sides, help }, index) => ({
		name,
		index: ROWS.length + index,
		rows: sides,
		tags: kind === 'gauge' ? 'MGP' : 'MCP',
		help,
	}),
);

/** What a backend's figures differ in: HAProxy tags its rates as plain gauges. */
const BACKEND_TAGS: ReadonlyMap<string, string> = new Map([
	['rate', 'MGP'],
	['rate_max', 'MGP'],
]);

export const STAT_COLUMNS: readonly StatColumn[] = ROWS.map(([name, rows, tagText, type], index) => {
	const [first = '', ofServer = first] = tagText.split(' ');
	return {
		name,
		index,
		rows,
		type,
		tags: (row) =>
			row === RowType.SERVER ? ofServer : row === RowType.BACKEND ? (BACKEND_TAGS.get(name) ?? first) : first,
	};
});

/** Position of each column. */
export const Stat = Object.fromEntries(ROWS.map(([name], index) => [name, index])) as {
	readonly [K in StatName]: number;
};

/** The words behind the letters of tags, for JSON. */
const ORIGINS: Readonly<Record<string, string>> = {
	M: 'Metric',
	S: 'Status',
	K: 'Key',
	C: 'Config',
	P: 'Product',
};
const NATURES: Readonly<Record<string, string>> = {
	A: 'Age',
	a: 'Avg',
	C: 'Counter',
	D: 'Duration',
	G: 'Gauge',
	L: 'Limit',
	M: 'Max',
	m: 'Min',
	N: 'Name',
	O: 'Output',
	R: 'Rate',
	T: 'Date',
};
const SCOPES: Readonly<Record<string, string>> = { C: 'Cluster', P: 'Process', S: 'Service', s: 'System' };

/** Every word that there is, for the schema. */
export const TAG_WORDS = {
	origin: Object.values(ORIGINS),
	nature: Object.values(NATURES),
	scope: Object.values(SCOPES),
};

export interface TagWords {
	readonly origin: string;
	readonly nature: string;
	readonly scope: string;
}

export function tagWords(tags: string): TagWords {
	const [origin = '', nature = '', scope = ''] = tags;
	return { origin: ORIGINS[origin] ?? '', nature: NATURES[nature] ?? '', scope: SCOPES[scope] ?? '' };
}
