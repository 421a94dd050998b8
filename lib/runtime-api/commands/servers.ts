/**
 * What there is of backends and servers: `show servers state`, `show servers conn`, `show backend` (management guide,
 * 9.3). Changing them is in server-changes.ts.
 */
import type { ServerMonitor } from '../../backend/health/server-monitor.js';
import type { Server } from '../../backend/server.js';
import { isServiceName } from '../../config/resolvers-model.js';
import { tick } from '../../core/clock.js';
import { ServerAdmin, ServerOperation } from '../../shared/server-state.js';
import type { BackendTraffic } from '../../stream/proxies.js';
import { type Answer, type Command, fault, type Invocation } from '../command.js';
import { jsonArray, takeJsonWord } from '../json.js';
import type { RuntimeView } from '../runtime-view.js';
import { findBackend } from './names.js';

type Row = readonly (readonly [name: string, value: string | number])[];

/** Format 1 of the state file, as its first line says. */
const STATE_VERSION = '1';

/** As the state file numbers operational states; a server in maintenance counts as stopped. */
function operationNumber({ states, index }: Server): number {
	if (states.isInMaintenance(index)) return 0;
	switch (states.operation(index)) {
		case ServerOperation.DOWN:
			return 0;
		case ServerOperation.UP:
			return 2;
		case ServerOperation.STOPPING:
			return 3;
	}
}

/** Numbers that the state file has for the results of checks. */
const CHECK_NUMBERS: Readonly<Record<string, number>> = {
	INI: 1,
	HANA: 4,
	SOCKERR: 5,
	L4OK: 6,
	L4TOUT: 7,
	L4CON: 8,
	L6OK: 9,
	L6TOUT: 10,
	L6RSP: 11,
	L7TOUT: 12,
	L7RSP: 13,
	L7OK: 15,
	L7OKC: 16,
	L7STS: 17,
};
const CHECK_UNKNOWN = 1;
const RESULT_NEUTRAL = 0;
const RESULT_FAILED = 2;
const RESULT_PASSED = 3;
/** Configured and enabled. */
const CHECK_STATE = 6;
/** Of a server that is `disabled` in the configuration. */
const PAUSED = 8;
/** Flags of an agent as the state file has them: it is one and configured, and enabled. */
const AGENT_CONFIGURED = 0x12;
const AGENT_ENABLED = 0x04;

function agentState(monitor: ServerMonitor | undefined): number {
	if (monitor === undefined || !monitor.server.model.health.agentCheck) return 0;
	return AGENT_CONFIGURED | (monitor.agentEnabled ? AGENT_ENABLED : 0);
}

/** What `rise` is by default: the health of a server that nobody checks. */
const HEALTH_UNCHECKED = 2;

/** The name whose SRV records it is one of. */
function serviceOf({ model: { address } }: Server): string {
	return address.kind === 'name' && isServiceName(address.host) ? address.host : '-';
}

function stateRow(view: RuntimeView, { model }: BackendTraffic, server: Server): Row {
	const { states, index } = server;
	const check = view.checkOf?.(server);
	const monitor = view.monitorOf?.(server);
	const agent = server.model.health.agentCheck ? monitor?.agentEndpoint : undefined;
	const passed = check !== undefined && /OK/.test(check.status);
	const ageMs = (tick(view.clock.monotonicMs()) - states.lastChangeMs(index)) >>> 0;
	const operation = operationNumber(server);
	return [
		['be_id', model.id],
		['be_name', model.name],
		['srv_id', server.id],
		['srv_name', server.name],
		['srv_addr', server.address === '' ? '-' : server.address],
		['srv_op_state', operation],
		['srv_admin_state', states.admin(index)],
		['srv_uweight', states.weight(index)],
		['srv_iweight', server.initialWeight],
		['srv_time_since_last_change', Math.floor(ageMs / 1000)],
		['srv_check_status', CHECK_NUMBERS[check?.status.replace('* ', '') ?? ''] ?? CHECK_UNKNOWN],
		['srv_check_result', check === undefined ? RESULT_NEUTRAL : passed ? RESULT_PASSED : RESULT_FAILED],
		['srv_check_health', check?.health ?? (operation === 0 ? 0 : HEALTH_UNCHECKED)],
		[
			'srv_check_state',
			check !== undefined ? CHECK_STATE : (states.admin(index) & ServerAdmin.CONFIG_MAINT) === 0 ? 0 : PAUSED,
		],
		['srv_agent_state', agentState(monitor)],
		['bk_f_forced_id', model.idGiven === true ? 1 : 0],
		['srv_f_forced_id', server.model.idGiven === true ? 1 : 0],
		['srv_fqdn', server.hostName ?? '-'],
		['srv_port', server.port],
		['srvrecord', serviceOf(server)],
		['srv_use_ssl', server.model.tls === undefined ? 0 : 1],
		['srv_check_port', monitor?.checkEndpoint.port ?? 0],
		['srv_check_addr', monitor?.checkEndpoint.host ?? '-'],
		['srv_agent_addr', agent?.host ?? '-'],
		['srv_agent_port', agent?.port ?? 0],
	];
}

/** Idle connections are counted over all data threads together, so the last column is one figure. */
function connectionRow({ model }: BackendTraffic, server: Server): Row {
	const { states, index } = server;
	return [
		['bkname/svname', `${model.name}/${server.name}`],
		['bkid/svid', `${model.id}/${server.id}`],
		['addr', server.address],
		['port', server.port],
		['-', '-'],
		['purge_delay', server.model.poolPurgeDelayMs],
		['used_cur', states.current(index)],
		['used_max', states.currentMax(index)],
		['need_est', states.current(index)],
		['unsafe_nb', 0],
		['safe_nb', states.idle(index)],
		['idle_lim', server.model.poolMaxConn],
		['idle_cur', states.idle(index)],
		['idle_per_thr[1]', states.idle(index)],
	];
}

function* serverRows(
	backends: Iterable<BackendTraffic>,
	row: (traffic: BackendTraffic, server: Server) => Row,
): Generator<Row> {
	for (const traffic of backends) for (const server of traffic.backend.servers) yield row(traffic, server);
}

function showServers(
	invocation: Invocation,
	firstLine: string,
	heading: readonly string[],
	row: (traffic: BackendTraffic, server: Server) => Row,
): Answer {
	const { words, json } = takeJsonWord(invocation.words);
	const { view } = invocation;
	let backends: Iterable<BackendTraffic> = view.backends.values();
	if (words[3] !== undefined) {
		const found = findBackend(view, words[3]);
		if (found === undefined) return fault("Can't find backend.");
		backends = [found];
	}
	const rows = serverRows(backends, row);
	return json ? jsonRows(rows) : textRows(firstLine, heading, rows);
}

function* textRows(firstLine: string, heading: readonly string[], rows: Iterable<Row>): Generator<string> {
	yield `${firstLine}# ${heading.join(' ')}\n`;
	for (const row of rows) yield `${row.map(([, value]) => value).join(' ')}\n`;
}

function* jsonRows(rows: Iterable<Row>): Generator<string> {
	function* objects(): Generator<unknown> {
		for (const row of rows) yield Object.fromEntries(row.filter(([name]) => name !== '-'));
	}
	yield* jsonArray(objects());
	yield '\n';
}

const STATE_HEADING = [
	...['be_id', 'be_name', 'srv_id', 'srv_name', 'srv_addr', 'srv_op_state', 'srv_admin_state', 'srv_uweight'],
	...['srv_iweight', 'srv_time_since_last_change', 'srv_check_status', 'srv_check_result', 'srv_check_health'],
	...['srv_check_state', 'srv_agent_state', 'bk_f_forced_id', 'srv_f_forced_id', 'srv_fqdn', 'srv_port'],
	...['srvrecord', 'srv_use_ssl', 'srv_check_port', 'srv_check_addr', 'srv_agent_addr', 'srv_agent_port'],
];

const CONNECTION_HEADING = [
	...['bkname/svname', 'bkid/svid', 'addr', 'port', '-', 'purge_delay', 'used_cur', 'used_max', 'need_est'],
	...['unsafe_nb', 'safe_nb', 'idle_lim', 'idle_cur', 'idle_per_thr[1]'],
];

function showBackend(invocation: Invocation): Answer {
	const names = [...invocation.view.backends.keys()];
	const { json } = takeJsonWord(invocation.words);
	return json ? `${JSON.stringify(names)}\n` : ['# name', ...names].map((name) => `${name}\n`);
}

export const SERVER_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'servers', 'state'],
		level: 'user',
		usage: 'show servers state [<backend>]',
		help: 'states, weights and addresses of servers, in the form of a state file',
		run: (invocation) =>
			showServers(invocation, `${STATE_VERSION}\n`, STATE_HEADING, (traffic, server) =>
				stateRow(invocation.view, traffic, server),
			),
	},
	{
		words: ['show', 'servers', 'conn'],
		level: 'user',
		usage: 'show servers conn [<backend>]',
		help: 'connections to servers, in use and idle',
		run: (invocation) => showServers(invocation, '', CONNECTION_HEADING, connectionRow),
	},
	{ words: ['show', 'backend'], level: 'user', usage: 'show backend', help: 'names of all backends', run: showBackend },
];
