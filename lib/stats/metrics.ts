/**
 * The metrics of the Prometheus exporter under HAProxy's names: which column of `show stat` each one is, for which
 * kinds of row, and its type there. One table; prometheus.ts prints it. Names, types and labels were read off the
 * exporter of HAProxy 2.6, so that its dashboards and alerts work; the words of help are ours.
 */
import type { StatName } from '../runtime-api/stat-columns.js';

export type MetricType = 'gauge' | 'counter';

export interface RowMetric {
	/** Behind `haproxy_frontend_` and its like. */
	readonly suffix: string;
	readonly column: StatName;
	/** Letters of F, L, B, S. */
	readonly rows: string;
	readonly type: MetricType;
	readonly help: string;
	/**
	 * `seconds`: the column is in milliseconds. `state`: one line per state. `codes`: one line per class of status.
	 * `number` fields that are empty are NaN.
	 */
	readonly form: 'number' | 'seconds' | 'state' | 'checkState' | 'codes' | 'serverStates' | 'checkStates';
	/** Only in mode http. */
	readonly http: boolean;
	/** Left out where the column is empty. */
	readonly optional: boolean;
}

type Short = readonly [
	suffix: string,
	column: StatName,
	rows: string,
	type: 'g' | 'c',
	help: string,
	extra?: 'ms' | 'state' | 'check' | 'codes' | 'http' | 'checked' | 'checkedMs' | 'servers' | 'checks',
];

const ROWS: readonly Short[] = [
	['current_queue', 'qcur', 'BS', 'g', 'Requests that wait now'],
	['max_queue', 'qmax', 'BS', 'g', 'Most requests that ever waited'],
	['current_sessions', 'scur', 'FLBS', 'g', 'Sessions now'],
	['max_sessions', 'smax', 'FLBS', 'g', 'Most sessions there ever were'],
	['limit_sessions', 'slim', 'FLBS', 'g', 'Limit of sessions: maxconn, or fullconn of a backend'],
	['sessions_total', 'stot', 'FLBS', 'c', 'Sessions since the start'],
	['bytes_in_total', 'bin', 'FLBS', 'c', 'Bytes of requests since the start'],
	['bytes_out_total', 'bout', 'FLBS', 'c', 'Bytes of responses since the start'],
	['requests_denied_total', 'dreq', 'FLB', 'c', 'Requests denied by rules'],
	['responses_denied_total', 'dresp', 'FLBS', 'c', 'Responses denied by rules'],
	['request_errors_total', 'ereq', 'FL', 'c', 'Bad, late or truncated requests'],
	['connection_errors_total', 'econ', 'BS', 'c', 'Requests that could not reach a server'],
	['response_errors_total', 'eresp', 'BS', 'c', 'Responses that could not be used'],
	['retry_warnings_total', 'wretr', 'BS', 'c', 'Connections tried again'],
	['redispatch_warnings_total', 'wredis', 'BS', 'c', 'Requests sent to another server than meant'],
	['status', 'status', 'FLBS', 'g', 'State of the service: 1 at the one it has', 'state'],
	['weight', 'weight', 'BS', 'g', 'Weight in balancing, of a backend the sum'],
	['active_servers', 'act', 'B', 'g', 'Servers that balancing uses'],
	['backup_servers', 'bck', 'B', 'g', 'Backup servers that could take over'],
	['check_failures_total', 'chkfail', 'S', 'c', 'Failed health checks while up'],
	['check_up_down_total', 'chkdown', 'BS', 'c', 'Transitions from up to down'],
	['check_last_change_seconds', 'lastchg', 'BS', 'g', 'Seconds since the last change of state'],
	['downtime_seconds_total', 'downtime', 'BS', 'c', 'Seconds down, in all'],
	['queue_limit', 'qlimit', 'S', 'g', 'Limit of requests that wait (maxqueue)'],
	['current_throttle', 'throttle', 'S', 'g', 'Percentage of the weight during a slow start'],
	['loadbalanced_total', 'lbtot', 'BS', 'c', 'Times that balancing chose it'],
	['limit_session_rate', 'rate_lim', 'F', 'g', 'Limit of new sessions per second'],
	['max_session_rate', 'rate_max', 'FBS', 'g', 'Most new sessions in a second'],
	['check_status', 'check_status', 'S', 'g', 'Result of the last health check: 1 at the one it had', 'check'],
	['check_code', 'check_code', 'S', 'g', 'Code of the last health check', 'checked'],
	['check_duration_seconds', 'check_duration', 'S', 'g', 'Duration of the last health check', 'checkedMs'],
	['http_responses_total', 'hrsp_1xx', 'FBS', 'c', 'Responses by class of status', 'codes'],
	['http_requests_rate_max', 'req_rate_max', 'F', 'g', 'Most HTTP requests in a second', 'http'],
	['http_requests_total', 'req_tot', 'FB', 'c', 'HTTP requests since the start', 'http'],
	['client_aborts_total', 'cli_abrt', 'BS', 'c', 'Transfers that the client broke off'],
	['server_aborts_total', 'srv_abrt', 'BS', 'c', 'Transfers that the server broke off'],
	['http_comp_bytes_in_total', 'comp_in', 'FB', 'c', 'Bytes given to the compressor', 'http'],
	['http_comp_bytes_out_total', 'comp_out', 'FB', 'c', 'Bytes from the compressor', 'http'],
	['http_comp_bytes_bypassed_total', 'comp_byp', 'FB', 'c', 'Bytes that bypassed the compressor', 'http'],
	['http_comp_responses_total', 'comp_rsp', 'FB', 'c', 'Responses compressed', 'http'],
	['last_session_seconds', 'lastsess', 'BS', 'g', 'Seconds since the last session; -1: none yet'],
	['queue_time_average_seconds', 'qtime', 'BS', 'g', 'Time in the queue, average of the last 1024', 'ms'],
	['connect_time_average_seconds', 'ctime', 'BS', 'g', 'Time to connect, average of the last 1024', 'ms'],
	['response_time_average_seconds', 'rtime', 'BS', 'g', 'Time to respond, average of the last 1024', 'ms'],
	['total_time_average_seconds', 'ttime', 'BS', 'g', 'Time of a session, average of the last 1024', 'ms'],
	['connections_rate_max', 'conn_rate_max', 'F', 'g', 'Most connections in a second'],
	['connections_total', 'conn_tot', 'F', 'c', 'Connections since the start'],
	['intercepted_requests_total', 'intercepted', 'F', 'c', 'Requests answered by the proxy itself', 'http'],
	['denied_connections_total', 'dcon', 'FL', 'c', 'Connections refused by tcp-request connection rules'],
	['denied_sessions_total', 'dses', 'FL', 'c', 'Connections refused by tcp-request session rules'],
	['failed_header_rewriting_total', 'wrew', 'FLBS', 'c', 'Header rewrites that failed'],
	['connection_attempts_total', 'connect', 'BS', 'c', 'Connections to servers attempted'],
	['connection_reuses_total', 'reuse', 'BS', 'c', 'Connections to servers used again'],
	['http_cache_lookups_total', 'cache_lookups', 'FB', 'c', 'Lookups in the cache', 'http'],
	['http_cache_hits_total', 'cache_hits', 'FB', 'c', 'Lookups that found something in the cache', 'http'],
	['idle_connections_current', 'srv_icur', 'S', 'g', 'Idle connections that wait to be used again'],
	['idle_connections_limit', 'src_ilim', 'S', 'g', 'Limit of idle connections (pool-max-conn)'],
	['max_queue_time_seconds', 'qtime_max', 'BS', 'g', 'Longest time in the queue', 'ms'],
	['max_connect_time_seconds', 'ctime_max', 'BS', 'g', 'Longest time to connect', 'ms'],
	['max_response_time_seconds', 'rtime_max', 'BS', 'g', 'Longest time to respond', 'ms'],
	['max_total_time_seconds', 'ttime_max', 'BS', 'g', 'Longest session', 'ms'],
	['internal_errors_total', 'eint', 'FLBS', 'c', 'Internal errors'],
	['unsafe_idle_connections_current', 'idle_conn_cur', 'S', 'g', 'Idle connections, not known to be safe'],
	['safe_idle_connections_current', 'safe_conn_cur', 'S', 'g', 'Idle connections known to be safe'],
	['used_connections_current', 'used_conn_cur', 'S', 'g', 'Connections in use'],
	['need_connections_current', 'need_conn_est', 'S', 'g', 'Connections that are needed now'],
	['uweight', 'uweight', 'BS', 'g', 'Configured weight, of a backend the sum over its active servers'],
	['agg_server_status', 'agg_server_status', 'B', 'g', 'Servers of the backend in each state', 'servers'],
	['agg_server_check_status', 'agg_server_check_status', 'B', 'g', 'As agg_server_status, its former name', 'servers'],
	['agg_check_status', 'agg_check_status', 'B', 'g', 'Servers by result of their last health check', 'checks'],
];

const FORMS: Readonly<Record<string, RowMetric['form']>> = {
	ms: 'seconds',
	checkedMs: 'seconds',
	state: 'state',
	check: 'checkState',
	codes: 'codes',
	servers: 'serverStates',
	checks: 'checkStates',
};

export const ROW_METRICS: readonly RowMetric[] = ROWS.map(([suffix, column, rows, type, help, extra]) => ({
	suffix,
	column,
	rows,
	type: type === 'g' ? 'gauge' : 'counter',
	help,
	form: FORMS[extra ?? ''] ?? 'number',
	http: extra === 'http' || extra === 'codes',
	optional: extra === 'checked' || extra === 'checkedMs' || extra === 'check',
}));

/** States of each kind of row, in the order in which they are printed. */
export const STATES: Readonly<Record<'F' | 'L' | 'B' | 'S', readonly string[]>> = {
	F: ['DOWN', 'UP'],
	L: ['WAITING', 'OPEN', 'FULL'],
	B: ['DOWN', 'UP'],
	S: ['DOWN', 'UP', 'MAINT', 'DRAIN', 'NOLB'],
};

export const CHECK_STATES = [
	...['HANA', 'SOCKERR', 'L4OK', 'L4TOUT', 'L4CON', 'L6OK', 'L6TOUT', 'L6RSP', 'L7TOUT', 'L7RSP', 'L7OK', 'L7OKC'],
	...['L7STS', 'PROCERR', 'PROCTOUT', 'PROCOK'],
] as const;

/** The columns of `http_responses_total` and its label `code`. */
export const CODES = [
	['hrsp_1xx', '1xx'],
	['hrsp_2xx', '2xx'],
	['hrsp_3xx', '3xx'],
	['hrsp_4xx', '4xx'],
	['hrsp_5xx', '5xx'],
	['hrsp_other', 'other'],
] as const satisfies readonly (readonly [StatName, string])[];
