/**
 * The Prometheus exporter: `http-request use-service prometheus-exporter`, in the text format 0.0.4, with HAProxy's
 * metrics, labels and parameters (`?scope=`, `no-maint`), so that what is built on those works, and Holdfast's own
 * as `holdfast_...`, scope `holdfast`. Printed metric by metric, each over all rows, because that is the format's
 * order; the rows are read once, in slices.
 */
import type { RedisStatus } from '../aggregate/redis/replication.js';
import type { TableStatus } from '../aggregate/redis/table-sync.js';
import type { OriginStatus } from '../aggregate/status.js';
import { RowType, Stat } from '../runtime-api/stat-columns.js';
import { type StatRow, type StatValue, statRows } from '../runtime-api/stat-rows.js';
import { CHECK_STATES, CODES, ROW_METRICS, type RowMetric, STATES } from './metrics.js';
import { unescapeTarget } from './page-options.js';
import { type ProcessMetric, processMetrics } from './process-figures.js';
import type { StatsSource } from './source.js';

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4';

const SCOPES = ['global', 'frontend', 'listener', 'backend', 'server', 'sticktable', 'holdfast'] as const;
type Scope = (typeof SCOPES)[number];

export interface ExporterOptions {
	readonly scopes: ReadonlySet<Scope>;
	/** Servers in maintenance are left out. */
	readonly hidesMaintenance: boolean;
}

/**
 * The parameters of a query. A later `scope=*` adds all, an empty `scope=` takes all away, as observed; undefined: a
 * scope that does not exist, answered with 400.
 */
export function parseExporterQuery(query: string): ExporterOptions | undefined {
	let scopes: Set<Scope> | undefined;
	let hidesMaintenance = false;
	for (const parameter of query === '' ? [] : query.split('&')) {
		const [name = '', value] = parameter.split('=', 2);
		if (unescapeTarget(name) === 'no-maint') hidesMaintenance = true;
		if (unescapeTarget(name) !== 'scope' || value === undefined) continue;
		const scope = unescapeTarget(value);
		if (scope === '') scopes = new Set();
		else if (scope === '*') scopes = new Set(SCOPES);
		else {
			const known = SCOPES.find((one) => one === scope);
			if (known === undefined) return undefined;
			scopes ??= new Set();
			scopes.add(known);
		}
	}
	return { scopes: scopes ?? new Set(SCOPES), hidesMaintenance };
}

const SCOPE_OF: Readonly<Record<RowType, Scope>> = {
	[RowType.FRONTEND]: 'frontend',
	[RowType.BACKEND]: 'backend',
	[RowType.SERVER]: 'server',
	[RowType.LISTENER]: 'listener',
};
const LETTER_OF: Readonly<Record<RowType, 'F' | 'B' | 'S' | 'L'>> = {
	[RowType.FRONTEND]: 'F',
	[RowType.BACKEND]: 'B',
	[RowType.SERVER]: 'S',
	[RowType.LISTENER]: 'L',
};
/** The order of the rows' scopes. */
const ROW_ORDER: readonly RowType[] = [RowType.FRONTEND, RowType.LISTENER, RowType.BACKEND, RowType.SERVER];
/** Rows that are read, or lines that are printed, before others have their turn. */
const SLICE = 200;

export function* exporterText(source: StatsSource, options: ExporterOptions): Generator<string> {
	const { scopes } = options;
	if (scopes.has('global')) {
		for (const metric of processMetrics(source)) yield processText(metric);
	}
	if (ROW_ORDER.some((type) => scopes.has(SCOPE_OF[type]))) {
		const byType = new Map<RowType, LabelledRow[]>(ROW_ORDER.map((type) => [type, []]));
		const servers = new Map<string, StatRow[]>();
		let read = 0;
		for (const row of statRows(source, { legends: false })) {
			if (++read % SLICE === 0) yield '';
			if (row.type === RowType.SERVER) {
				const own = servers.get(row.proxy.name);
				if (own === undefined) servers.set(row.proxy.name, [row]);
				else own.push(row);
				if (options.hidesMaintenance && String(row.values[Stat.status]).startsWith('MAINT')) continue;
			}
			byType.get(row.type)?.push({ row, labels: labelsOf(row) });
		}
		for (const type of ROW_ORDER) {
			if (scopes.has(SCOPE_OF[type])) yield* rowMetricsText(type, byType.get(type) ?? [], servers);
		}
	}
	if (scopes.has('sticktable')) yield* tableText(source);
	if (scopes.has('holdfast')) yield* holdfastText(source);
}

function headText(name: string, type: string, help: string): string {
	return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function numberText(value: number | undefined): string {
	return value === undefined || Number.isNaN(value) ? 'NaN' : String(value);
}

/** A label's value: backslash, quote and newline are escaped (text format 0.0.4). */
export function labelText(value: string): string {
	return /[\\"\n]/.test(value) ? value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`)) : value;
}

function processText({ suffix, type, help, value, labels }: ProcessMetric): string {
	const name = `haproxy_process_${suffix}`;
	return `${headText(name, type, help)}${name}${labels === undefined ? '' : `{${labels}}`} ${numberText(value)}\n`;
}

interface LabelledRow {
	readonly row: StatRow;
	readonly labels: string;
}

function labelsOf({ type, proxy, values }: StatRow): string {
	const own = `proxy="${labelText(proxy.name)}"`;
	if (type === RowType.SERVER) return `${own},server="${labelText(String(values[Stat.svname]))}"`;
	if (type === RowType.LISTENER) return `${own},listener="${labelText(String(values[Stat.svname]))}"`;
	return own;
}

function* rowMetricsText(
	type: RowType,
	rows: readonly LabelledRow[],
	servers: ReadonlyMap<string, readonly StatRow[]>,
): Generator<string> {
	const letter = LETTER_OF[type];
	for (const metric of ROW_METRICS) {
		if (!metric.rows.includes(letter)) continue;
		const name = `haproxy_${SCOPE_OF[type]}_${metric.suffix}`;
		let head = headText(name, metric.type, metric.help);
		let printed = 0;
		for (const lines of metricLines(metric, name, letter, rows, servers)) {
			yield head + lines;
			head = '';
			if (++printed % SLICE === 0) yield '';
		}
	}
}

function* metricLines(
	metric: RowMetric,
	name: string,
	letter: 'F' | 'B' | 'S' | 'L',
	rows: readonly LabelledRow[],
	servers: ReadonlyMap<string, readonly StatRow[]>,
): Generator<string> {
	if (metric.form === 'codes') {
		for (const [column, code] of CODES) {
			for (const { row, labels } of rows) {
				if (row.proxy.mode === 'http') yield `${name}{${labels},code="${code}"} ${row.values[Stat[column]] ?? 0}\n`;
			}
		}
		return;
	}
	for (const { row, labels } of rows) {
		if (metric.http && row.proxy.mode !== 'http') continue;
		const value = row.values[Stat[metric.column]] ?? uncodedCheck(metric, row);
		if (metric.optional && value === undefined) continue;
		const isSum = metric.form === 'serverStates' || metric.form === 'checkStates';
		if (isSum && !servers.has(row.proxy.name)) continue;
		switch (metric.form) {
			case 'state':
				yield stateLines(name, labels, STATES[letter], stateOf(letter, String(value)));
				break;
			case 'checkState':
				yield stateLines(name, labels, CHECK_STATES, String(value).replace('* ', ''));
				break;
			case 'serverStates':
				yield countLines(name, labels, STATES.S, servers.get(row.proxy.name) ?? [], (server) =>
					stateOf('S', String(server.values[Stat.status])),
				);
				break;
			case 'checkStates':
				yield countLines(name, labels, CHECK_STATES, servers.get(row.proxy.name) ?? [], (server) =>
					String(server.values[Stat.check_status] ?? '').replace('* ', ''),
				);
				break;
			case 'seconds':
				yield `${name}{${labels}} ${((asNumber(value) ?? 0) / 1000).toFixed(6)}\n`;
				break;
			default:
				yield `${name}{${labels}} ${numberText(asNumber(value) ?? emptyValue(metric))}\n`;
		}
	}
}

/** A check that failed before any code came has code 0 here, and none in `show stat`. */
function uncodedCheck({ column }: RowMetric, { values }: StatRow): StatValue {
	return column === 'check_code' && values[Stat.check_status] !== undefined ? 0 : undefined;
}

/** Counters that were never begun are 0, other empty fields NaN. */
function emptyValue(metric: RowMetric): number | undefined {
	return metric.type === 'counter' ? 0 : undefined;
}

function asNumber(value: StatValue): number | undefined {
	return typeof value === 'number' ? value : undefined;
}

/** The state that the column `status` tells. */
function stateOf(letter: 'F' | 'B' | 'S' | 'L', status: string): string {
	switch (letter) {
		case 'F':
			return status === 'STOP' ? 'DOWN' : 'UP';
		case 'S':
			if (status === 'no check') return 'UP';
			return STATES.S.find((state) => status.startsWith(state)) ?? 'DOWN';
		default:
			return status;
	}
}

function stateLines(name: string, labels: string, states: readonly string[], current: string): string {
	let lines = '';
	for (const state of states) lines += `${name}{${labels},state="${state}"} ${state === current ? 1 : 0}\n`;
	return lines;
}

function countLines(
	name: string,
	labels: string,
	states: readonly string[],
	servers: readonly StatRow[],
	stateOfServer: (server: StatRow) => string,
): string {
	const counts = new Map<string, number>();
	for (const server of servers) {
		const state = stateOfServer(server);
		counts.set(state, (counts.get(state) ?? 0) + 1);
	}
	let lines = '';
	for (const state of states) lines += `${name}{${labels},state="${state}"} ${counts.get(state) ?? 0}\n`;
	return lines;
}

/** One metric with a line for each of `items`; without items nothing, as HAProxy prints no empty metric. */
function metricText<T>(
	name: string,
	type: 'gauge' | 'counter',
	help: string,
	items: Iterable<T>,
	line: (item: T) => readonly [labels: string, value: number | undefined],
): string {
	let lines = '';
	for (const item of items) {
		const [labels, value] = line(item);
		lines += `${name}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}\n`;
	}
	return lines === '' ? '' : headText(name, type, help) + lines;
}

function* tableText(source: StatsSource): Generator<string> {
	const tables = [...source.tables.values()];
	const labels = (name: string, type: string): string => `name="${labelText(name)}",type="${type}"`;
	yield metricText('haproxy_sticktable_size', 'gauge', 'Entries that fit in the table', tables, (table) => [
		labels(table.name, table.model.keyType),
		table.model.size,
	]);
	yield metricText('haproxy_sticktable_used', 'gauge', 'Entries in the table', tables, (table) => [
		labels(table.name, table.model.keyType),
		table.usedCount(),
	]);
}

/** Sums over nodes. */
function* originText(origins: readonly OriginStatus[]): Generator<string> {
	const labels = ({ section, table, origin, via }: OriginStatus): string =>
		`section="${labelText(section)}",table="${labelText(table)}",origin="${labelText(origin)}",via="${via}"`;
	const metrics: readonly (readonly [
		name: string,
		help: string,
		value: (origin: OriginStatus) => number | undefined,
	])[] = [
		['up', '1 while the origin tells its share itself', ({ isLive }) => (isLive ? 1 : 0)],
		['entries', 'Entries of its share that are known here', ({ entries }) => entries],
		['lag_seconds', 'From counting there to knowing here, of what came last', ({ lagMs }) => seconds(lagMs)],
		['last_heard_seconds', 'Since something of its share was learned', ({ lastHeardMs }) => seconds(lastHeardMs)],
	];
	for (const [name, help, value] of metrics) {
		yield metricText(`holdfast_sum_origin_${name}`, 'gauge', help, origins, (origin) => [
			labels(origin),
			value(origin),
		]);
	}
}

/** Peers sections that go through Redis. */
function* redisText(redis: readonly RedisStatus[]): Generator<string> {
	const labels = ({ section }: RedisStatus): string => `section="${labelText(section)}"`;
	const pending = ({ tables }: RedisStatus): number => tables.reduce((sum, table) => sum + table.pendingUpdates, 0);
	const metrics: readonly (readonly [string, string, (status: RedisStatus) => number | undefined])[] = [
		['up', '1 while Redis answers, and takes what is written', ({ isReady }) => (isReady ? 1 : 0)],
		['pending_updates', 'Updates that Redis has not been told of', pending],
		['round_seconds', 'How long the last round of writing and reading took', ({ roundMs }) => seconds(roundMs)],
		['last_round_seconds', 'Since the last round that was answered well', ({ lastRoundMs }) => seconds(lastRoundMs)],
	];
	for (const [name, help, value] of metrics) {
		yield metricText(`holdfast_redis_${name}`, 'gauge', help, redis, (status) => [labels(status), value(status)]);
	}
	const counters: readonly (readonly [string, string, (status: RedisStatus) => number])[] = [
		['connects_total', 'Connections made', ({ connects }) => connects],
		['failures_total', 'Rounds of writing and reading that failed', ({ failures }) => failures],
	];
	for (const [name, help, value] of counters) {
		yield metricText(`holdfast_redis_${name}`, 'counter', help, redis, (status) => [labels(status), value(status)]);
	}
	const tables = redis.flatMap((status) => status.tables.map((table) => ({ status, table })));
	const ofTable: readonly (readonly [string, 'gauge' | 'counter', string, (table: TableStatus) => number])[] = [
		['pending_updates', 'gauge', 'Updates of a table that Redis has not been told of', (one) => one.pendingUpdates],
		['entries', 'gauge', 'Entries of a table in Redis: of this node, or of all in common', (one) => one.entriesInRedis],
		['updates_sent_total', 'counter', 'Entries written', (one) => one.entriesWritten],
		['updates_received_total', 'counter', 'Entries read', (one) => one.entriesRead],
		[
			'rereads_total',
			'counter',
			'Shares read as a whole, at the start or after something was missed',
			(one) => one.scans,
		],
	];
	for (const [name, type, help, value] of ofTable) {
		yield metricText(`holdfast_redis_table_${name}`, type, help, tables, ({ status, table }) => [
			`${labels(status)},table="${labelText(table.name)}"`,
			value(table),
		]);
	}
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

/** What HAProxy does not have. */
function* holdfastText(source: StatsSource): Generator<string> {
	const report = source.report();
	const tables = [...source.tables.values()];
	const ofTable = (table: (typeof tables)[number]): string =>
		`name="${labelText(table.name)}",type="${table.model.keyType}"`;
	yield metricText(
		'holdfast_sticktable_evictions_total',
		'counter',
		'Entries removed before their time to make room',
		tables,
		(table) => [ofTable(table), table.evictionCount()],
	);
	yield metricText(
		'holdfast_sticktable_refusals_total',
		'counter',
		'New entries refused since the table was full',
		tables,
		(table) => [ofTable(table), table.refusalCount()],
	);
	yield metricText(
		'holdfast_sticktable_full_total',
		'counter',
		'New entries that found the table full',
		tables,
		(table) => [ofTable(table), table.fullEventCount()],
	);

	const peers = (report?.peers ?? []).filter(({ isLocal }) => !isLocal);
	const ofPeer = (peer: (typeof peers)[number]): string =>
		`section="${labelText(peer.section)}",peer="${labelText(peer.name)}"`;
	const peerMetrics: readonly (readonly [
		name: string,
		type: 'gauge' | 'counter',
		help: string,
		value: (peer: (typeof peers)[number]) => number,
	])[] = [
		['up', 'gauge', '1 with an established session', ({ status }) => (status === 'ESTA' ? 1 : 0)],
		['pending_updates', 'gauge', 'Updates that the peer has not acknowledged', (peer) => peer.pendingUpdates],
		['lag_seconds', 'gauge', 'How long the peer has lacked something', (peer) => peer.lagMs / 1000],
		['updates_sent_total', 'counter', 'Updates sent to the peer', (peer) => peer.updatesSent],
		['updates_received_total', 'counter', 'Updates received from the peer', (peer) => peer.updatesReceived],
		['connects_total', 'counter', 'Times the peer was called', (peer) => peer.dials],
		['failures_total', 'counter', 'Calls and sessions that failed', (peer) => peer.failures],
		['protocol_errors_total', 'counter', 'Messages that broke the protocol', (peer) => peer.protocolErrors],
	];
	for (const [name, type, help, value] of peerMetrics) {
		yield metricText(`holdfast_peer_${name}`, type, help, peers, (peer) => [ofPeer(peer), value(peer)]);
	}

	const lags = peers.flatMap((peer) => peer.tables.map((table) => ({ peer, table })));
	const ofPeerTable = ({ peer, table }: (typeof lags)[number]): string =>
		`${ofPeer(peer)},table="${labelText(table.name)}"`;
	yield metricText(
		'holdfast_peer_table_pending_updates',
		'gauge',
		'Updates of a table that the peer has not acknowledged',
		lags,
		(one) => [ofPeerTable(one), one.table.pendingUpdates],
	);
	yield metricText(
		'holdfast_peer_table_lag_seconds',
		'gauge',
		'Age of the oldest update of a table that the peer has not acknowledged',
		lags,
		(one) => [ofPeerTable(one), one.table.lagMs / 1000],
	);
	yield* originText(report?.origins ?? []);
	yield* redisText(report?.redis ?? []);

	const outcomes = report === undefined ? [] : (['success', 'failure'] as const);
	yield metricText('holdfast_reloads_total', 'counter', 'Configurations loaded since the start', outcomes, (result) => [
		`result="${result}"`,
		result === 'success' ? report?.reloadsSucceeded : report?.reloadsFailed,
	]);
	const last = report?.reloads.at(-1);
	yield metricText('holdfast_last_reload_successful', 'gauge', '1 if the latest reload was one', [report], () => [
		'',
		last === undefined || last.succeeded ? 1 : 0,
	]);
	yield metricText(
		'holdfast_last_reload_seconds',
		'gauge',
		'From the files to listening, in the latest reload',
		last === undefined ? [] : [last],
		({ tookMs }) => ['', tookMs / 1000],
	);
	yield metricText(
		'holdfast_last_handoff_seconds',
		'gauge',
		'From listening to the end of the configuration before, in the latest reload whose former one has ended',
		report?.handOffMs === undefined ? [] : [report.handOffMs],
		(handOffMs) => ['', handOffMs / 1000],
	);
	yield metricText(
		'holdfast_kept_entries',
		'gauge',
		'Entries of stick tables that the latest reload found and kept',
		report === undefined ? [] : [report],
		({ keptEntries }) => ['', keptEntries],
	);
	yield metricText(
		'holdfast_generation',
		'gauge',
		'Number of the configuration that serves',
		report === undefined ? [] : [report],
		({ generation }) => ['', generation],
	);

	const threads = [...source.vitals().entries()];
	const ofThread = (thread: number): string => `thread="${thread}"`;
	yield metricText(
		'holdfast_thread_event_loop_delay_seconds',
		'gauge',
		'How late the event loop came to its timers in the last second',
		threads.flatMap(([thread, vitals]) => [
			{ labels: `${ofThread(thread)},stat="mean"`, ms: vitals.delayMeanMs },
			{ labels: `${ofThread(thread)},stat="p99"`, ms: vitals.delayP99Ms },
			{ labels: `${ofThread(thread)},stat="max"`, ms: vitals.delayMaxMs },
		]),
		({ labels, ms }) => [labels, ms / 1000],
	);
	yield metricText(
		'holdfast_thread_utilization_ratio',
		'gauge',
		'Share of the last second that the thread was busy',
		threads,
		([thread, { utilization }]) => [ofThread(thread), utilization],
	);
	yield metricText(
		'holdfast_thread_heap_bytes',
		'gauge',
		'JavaScript heap in use',
		threads,
		([thread, { heapBytes }]) => [ofThread(thread), heapBytes],
	);
	yield metricText(
		'holdfast_thread_requests_total',
		'counter',
		'Requests that the thread has served',
		threads,
		([thread, { requests }]) => [ofThread(thread), requests],
	);
}
