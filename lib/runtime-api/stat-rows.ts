/**
 * The rows of `show stat` (management guide, 9.1) from what is true now: for each proxy its frontend, its listeners
 * (with `option socket-stats`), its servers and its backend, in HAProxy's order. Everything is read from shared
 * memory, so any thread may ask; `statRows` yields row by row, so that whoever prints ten thousand servers can let
 * others have their turn in between.
 *
 * A row has one value per column of stat-columns.ts; undefined is an empty field. What Holdfast does not count
 * (compression, the cache, agents) is 0 or empty as in a HAProxy that does not use it.
 */
import type { Server } from '../backend/server.js';
import type { BalanceModel, BindModel, ConfigModel, ProxyModel } from '../config/model.js';
import { formatSocketAddress } from '../core/address.js';
import { type Clock, tick } from '../core/clock.js';
import type { Counters } from '../shared/counters.js';
import { ServerAdmin, ServerOperation } from '../shared/server-state.js';
import type { BackendTraffic } from '../stream/proxies.js';
import { RowType, STAT_COLUMNS, Stat, type StatName } from './stat-columns.js';

export type StatValue = string | number | undefined;

export interface StatRow {
	readonly type: RowType;
	readonly proxy: ProxyModel;
	/** Of a server or listener; 0 for the proxy's own two rows. */
	readonly id: number;
	readonly values: readonly StatValue[];
	/** Of its modules (`MODULE_COLUMNS`); undefined: no figures are kept of it. */
	readonly counters: Counters | undefined;
}

/** The last result of a server's health check or of its agent. */
export interface CheckResult {
	/** `L4OK`, `L7STS`, ...; with `* ` in front while another one is running. */
	readonly status: string;
	/** `Layer4 check passed`, ... */
	readonly description: string;
	readonly code: number | undefined;
	readonly durationMs: number | undefined;
	/** The server's own words, or the system's. */
	readonly text: string;
	readonly rise: number;
	readonly fall: number;
	/** 0 to rise + fall - 1. */
	readonly health: number;
}

/** What rows are made from; the view of the runtime API and that of the statistics page both are one. */
export interface StatSource {
	readonly model: ConfigModel;
	readonly clock: Clock;
	readonly frontends: ReadonlyMap<string, { readonly model: ProxyModel; readonly counters: Counters }>;
	readonly backends: ReadonlyMap<string, BackendTraffic>;
	/** TLS connections of the process (frontend/rate-limits.ts). */
	readonly processCounters: Counters;
	listenerCounters(proxyName: string, bindId: number): Counters;
	/** What was changed at run time: `OPEN`, `STOP`, ... and the limit of connections. */
	frontendState?(name: string): { readonly status: string; readonly maxconn: number } | undefined;
	/** Undefined for a server that is not checked. */
	checkOf?(server: Server): CheckResult | undefined;
	/** Undefined for a server without an agent. */
	agentOf?(server: Server): CheckResult | undefined;
	/** When the process began to count, monotonic ms: the age of states that never changed. */
	readonly startedMonotonicMs: number;
}

export interface StatRowOptions {
	/** Addresses, cookies and algorithms: `show stat` always, the page with `stats show-legends`. */
	readonly legends: boolean;
	/** Only these proxies. */
	readonly accepts?: (proxy: ProxyModel) => boolean;
}

export function* statRows(source: StatSource, options: StatRowOptions): Generator<StatRow> {
	for (const proxy of source.model.proxies) {
		if (proxy.disabled || options.accepts?.(proxy) === false) continue;
		yield* proxyRows(source, proxy, options);
	}
}

/** The rows of one proxy. */
export function* proxyRows(source: StatSource, proxy: ProxyModel, options: StatRowOptions): Generator<StatRow> {
	const frontend = source.frontends.get(proxy.name);
	if (frontend !== undefined) {
		yield frontendRow(source, proxy, frontend.counters);
		if (proxy.options.socketStats) {
			for (const bind of proxy.binds) yield listenerRow(source, proxy, bind, options);
		}
	}
	const traffic = source.backends.get(proxy.name);
	if (traffic === undefined) return;
	for (const server of traffic.backend.servers) yield serverRow(source, traffic, server, options);
	yield backendRow(source, traffic, options);
}

/** Counters that are copied as they are, by kind of row. */
function countersOf(letter: string, only: (name: StatName) => boolean): readonly StatName[] {
	return STAT_COLUMNS.filter(({ name, rows }) => rows.includes(letter) && COUNTED.has(name) && only(name)).map(
		({ name }) => name,
	);
}

const COUNTED: ReadonlySet<string> = new Set([
	...['stot', 'bin', 'bout', 'dreq', 'dresp', 'ereq', 'econ', 'eresp', 'wretr', 'wredis', 'lbtot'],
	...['hrsp_1xx', 'hrsp_2xx', 'hrsp_3xx', 'hrsp_4xx', 'hrsp_5xx', 'hrsp_other', 'req_tot', 'cli_abrt', 'srv_abrt'],
	...['comp_in', 'comp_out', 'comp_byp', 'comp_rsp', 'conn_tot', 'intercepted', 'dcon', 'dses', 'wrew', 'connect'],
	...['reuse', 'cache_lookups', 'cache_hits', 'eint'],
	...['qtime', 'ctime', 'rtime', 'ttime', 'qtime_max', 'ctime_max', 'rtime_max', 'ttime_max'],
]);
/** Empty in mode tcp. */
const HTTP_ONLY = /^(?:hrsp_|req_tot|intercepted|cache_)/;
const isTcp = (name: StatName): boolean => !HTTP_ONLY.test(name);
const all = (): boolean => true;

const FRONTEND_COUNTERS = { http: countersOf('F', all), tcp: countersOf('F', isTcp) };
const LISTENER_COUNTERS = countersOf('L', all);
const SERVER_COUNTERS = { http: countersOf('S', all), tcp: countersOf('S', isTcp) };
const BACKEND_COUNTERS = { http: countersOf('B', all), tcp: countersOf('B', isTcp) };

type Values = StatValue[];

function newRow(type: RowType, proxy: ProxyModel, name: string, id: number): Values {
	const values: Values = new Array(STAT_COLUMNS.length).fill(undefined);
	values[Stat.pxname] = proxy.name;
	values[Stat.svname] = name;
	values[Stat.pid] = 1;
	values[Stat.iid] = proxy.id;
	values[Stat.sid] = id;
	values[Stat.type] = type;
	values[Stat.mode] = proxy.mode;
	return values;
}

function copyCounters(values: Values, counters: Counters, names: readonly StatName[]): void {
	for (const name of names) values[Stat[name]] = Math.floor(counters.total(name as Parameters<Counters['total']>[0]));
	values[Stat.scur] = counters.current;
	values[Stat.smax] = counters.currentMax;
}

function frontendRow(source: StatSource, proxy: ProxyModel, counters: Counters): StatRow {
	const values = newRow(RowType.FRONTEND, proxy, 'FRONTEND', 0);
	copyCounters(values, counters, FRONTEND_COUNTERS[proxy.mode]);
	const nowMs = source.clock.monotonicMs();
	const state = source.frontendState?.(proxy.name);
	values[Stat.slim] = state?.maxconn ?? proxy.maxconn;
	values[Stat.status] = state?.status ?? 'OPEN';
	values[Stat.rate] = counters.rate('session', nowMs);
	values[Stat.rate_lim] = proxy.rateLimitSessions ?? 0;
	values[Stat.rate_max] = counters.rateMax('session');
	values[Stat.conn_rate] = counters.rate('connection', nowMs);
	values[Stat.conn_rate_max] = counters.rateMax('connection');
	if (proxy.mode === 'http') {
		values[Stat.req_rate] = counters.rate('request', nowMs);
		values[Stat.req_rate_max] = counters.rateMax('request');
	}
	return { type: RowType.FRONTEND, proxy, id: 0, values, counters };
}

function listenerRow(source: StatSource, proxy: ProxyModel, bind: BindModel, options: StatRowOptions): StatRow {
	const values = newRow(RowType.LISTENER, proxy, bind.name ?? `sock-${bind.id}`, bind.id);
	const counters = source.listenerCounters(proxy.name, bind.id);
	copyCounters(values, counters, LISTENER_COUNTERS);
	const limit = bind.maxconn ?? 0;
	values[Stat.slim] = limit;
	values[Stat.status] =
		source.frontendState?.(proxy.name)?.status === 'STOP'
			? 'WAITING'
			: limit > 0 && counters.current >= limit
				? 'FULL'
				: 'OPEN';
	if (options.legends) {
		const { address } = bind;
		values[Stat.addr] = address.kind === 'unix' ? 'unix' : formatSocketAddress(address);
	}
	return { type: RowType.LISTENER, proxy, id: bind.id, values, counters };
}

function serverRow(source: StatSource, traffic: BackendTraffic, server: Server, options: StatRowOptions): StatRow {
	const { model: proxy } = traffic;
	const { states, index } = server;
	const values = newRow(RowType.SERVER, proxy, server.name, server.id);
	const counters = traffic.serverCounters[index];
	const nowMs = source.clock.monotonicMs();
	if (counters !== undefined) {
		copyCounters(values, counters, SERVER_COUNTERS[proxy.mode]);
		values[Stat.rate] = counters.rate('session', nowMs);
		values[Stat.rate_max] = counters.rateMax('session');
		values[Stat.lastsess] = ageSeconds(counters.total('lastsess_ms'), nowMs);
	}
	values[Stat.qcur] = states.queued(index + 1);
	values[Stat.qmax] = states.queuedMax(index);
	const maxconn = states.maxconn(index);
	if (maxconn > 0) values[Stat.slim] = maxconn;
	if (server.maxqueue > 0) values[Stat.qlimit] = server.maxqueue;
	const check = source.checkOf?.(server);
	values[Stat.status] = serverStatus(server, check);
	values[Stat.weight] = states.weight(index);
	values[Stat.uweight] = states.weight(index);
	values[Stat.act] = server.backup ? 0 : 1;
	values[Stat.bck] = server.backup ? 1 : 0;
	const sinceMs = (tick(nowMs) - states.lastChangeMs(index)) >>> 0;
	values[Stat.lastchg] = Math.floor(sinceMs / 1000);
	if (check !== undefined && counters !== undefined) {
		values[Stat.chkfail] = counters.total('chkfail');
		values[Stat.hanafail] = counters.total('hanafail');
		values[Stat.chkdown] = states.downCount(index);
		const isDown = states.operation(index) === ServerOperation.DOWN;
		values[Stat.downtime] = states.downSeconds(index) + (isDown ? Math.floor(sinceMs / 1000) : 0);
		values[Stat.check_status] = check.status;
		values[Stat.check_code] = check.code;
		values[Stat.check_duration] = check.durationMs;
		values[Stat.last_chk] = check.text;
		values[Stat.check_desc] = check.description;
		values[Stat.check_rise] = check.rise;
		values[Stat.check_fall] = check.fall;
		values[Stat.check_health] = check.health;
	} else values[Stat.last_chk] = undefined;
	const agent = source.agentOf?.(server);
	if (agent !== undefined) {
		values[Stat.agent_status] = agent.status;
		values[Stat.agent_code] = agent.code;
		values[Stat.agent_duration] = agent.durationMs;
		values[Stat.last_agt] = agent.text;
		values[Stat.agent_desc] = agent.description;
		values[Stat.agent_rise] = agent.rise;
		values[Stat.agent_fall] = agent.fall;
		values[Stat.agent_health] = agent.health;
	}
	const idle = states.idle(index);
	values[Stat.srv_icur] = idle;
	if (server.model.poolMaxConn >= 0) values[Stat.src_ilim] = server.model.poolMaxConn;
	values[Stat.idle_conn_cur] = idle;
	values[Stat.safe_conn_cur] = 0;
	values[Stat.used_conn_cur] = states.current(index);
	values[Stat.need_conn_est] = states.current(index);
	if (options.legends) {
		values[Stat.addr] = serverAddress(server);
		values[Stat.cookie] = server.cookie;
	}
	return { type: RowType.SERVER, proxy, id: server.id, values, counters };
}

function backendRow(source: StatSource, traffic: BackendTraffic, options: StatRowOptions): StatRow {
	const { model: proxy, backend, counters } = traffic;
	const { states } = backend;
	const values = newRow(RowType.BACKEND, proxy, 'BACKEND', 0);
	const nowMs = source.clock.monotonicMs();
	copyCounters(values, counters, BACKEND_COUNTERS[proxy.mode]);
	values[Stat.qcur] = states.queued(0);
	values[Stat.qmax] = states.backendQueuedMax();
	values[Stat.slim] = backend.fullconn;
	values[Stat.rate] = counters.rate('session', nowMs);
	values[Stat.rate_max] = counters.rateMax('session');
	values[Stat.lastsess] = ageSeconds(counters.total('lastsess_ms'), nowMs);
	let [active, backup, userWeight, lastChangeMs] = [0, 0, 0, 0];
	let usable = false;
	const startedMs = source.startedMonotonicMs;
	for (const server of backend.servers) {
		const weight = states.weight(server.index);
		if (!server.isUsable() || weight === 0) continue;
		usable = true;
		if (server.backup) backup++;
		else active++;
	}
	for (const server of backend.servers) {
		if (!server.isUsable()) continue;
		if (server.backup === (active === 0)) userWeight += states.weight(server.index);
	}
	// A backend changes its state with the server that was its last, or is its first again.
	if (!usable) {
		for (const { index } of backend.servers) {
			const at = (states.lastChangeMs(index) - tick(startedMs)) >>> 0;
			if (at < 0x80000000) lastChangeMs = Math.max(lastChangeMs, at);
		}
	}
	const isUp = usable || backend.servers.length === 0;
	const sinceSeconds = Math.max(0, Math.floor((nowMs - startedMs - lastChangeMs) / 1000));
	values[Stat.status] = isUp ? 'UP' : 'DOWN';
	values[Stat.weight] = backend.usableWeight();
	values[Stat.uweight] = userWeight;
	values[Stat.act] = active;
	values[Stat.bck] = backup;
	values[Stat.chkdown] = counters.total('chkdown');
	values[Stat.lastchg] = sinceSeconds;
	if (backend.servers.length > 0) values[Stat.downtime] = counters.total('downtime') + (isUp ? 0 : sinceSeconds);
	values[Stat.agg_server_status] = 0;
	values[Stat.agg_server_check_status] = 0;
	values[Stat.agg_check_status] = 0;
	if (options.legends) {
		values[Stat.cookie] = proxy.cookie?.name;
		values[Stat.algo] = algorithmName(proxy.balance);
	}
	return { type: RowType.BACKEND, proxy, id: 0, values, counters };
}

/** Seconds since a moment of the monotonic clock; -1: it never was. */
function ageSeconds(atMs: number, nowMs: number): number {
	return atMs <= 0 ? -1 : Math.max(0, Math.floor((nowMs - atMs) / 1000));
}

/** `UP`, `DOWN`, `MAINT`, `no check`, ... as the column `status` says it. */
export function serverStatus(server: Server, check: CheckResult | undefined): string {
	const { states, index } = server;
	const admin = states.admin(index);
	if ((admin & ServerAdmin.RESOLUTION_MAINT) !== 0) return 'MAINT (resolution)';
	if (states.isInMaintenance(index)) return 'MAINT';
	const operation = states.operation(index);
	if (operation === ServerOperation.DOWN) {
		return check !== undefined && check.health > 0 ? `DOWN ${check.health}/${check.rise}` : 'DOWN';
	}
	if (states.isDraining(index)) return `DRAIN${progress(check)}`;
	if (operation === ServerOperation.STOPPING) return 'NOLB';
	if (check === undefined) return 'no check';
	return `UP${progress(check)}`;
}

/** How far failed checks have brought a server that is still up. */
function progress(check: CheckResult | undefined): string {
	if (check === undefined || check.health >= check.rise + check.fall - 1) return '';
	return ` ${check.health - check.rise + 1}/${check.fall}`;
}

function serverAddress(server: Server): string {
	if (server.model.address.kind === 'unix') return 'unix';
	return server.address.includes(':') ? `[${server.address}]:${server.port}` : `${server.address}:${server.port}`;
}

/** As `show stat` names it: the keyword alone. */
function algorithmName(balance: BalanceModel): string {
	return balance.algorithm;
}
