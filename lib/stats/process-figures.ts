/**
 * The process in figures, under the names of HAProxy's exporter (`haproxy_process_...`). Where HAProxy counts a thing
 * that Holdfast does not have (pipes, sessions of OpenSSL, compression), the figure is 0 as in a HAProxy that does not
 * use it; what cannot be known here is NaN, as there.
 */
import { VERSION } from '../core/version.js';
import { descriptorLimit, processTotals } from '../runtime-api/process-totals.js';
import type { MetricType } from './metrics.js';
import type { StatsSource } from './source.js';

export interface ProcessMetric {
	/** Behind `haproxy_process_`. */
	readonly suffix: string;
	readonly type: MetricType;
	readonly help: string;
	readonly value: number;
	readonly labels?: string;
}

export function processMetrics(source: StatsSource): ProcessMetric[] {
	const { model, options } = source;
	const report = source.report();
	const sums = processTotals(source);
	const vitals = source.vitals();
	const busy = vitals.reduce((sum, { utilization }) => sum + utilization, 0) / Math.max(1, vitals.length);
	const connections = options.activeConnections();
	const peers = (report?.peers ?? []).filter(({ isLocal }) => !isLocal);
	const rss = process.memoryUsage.rss();
	const metrics: ProcessMetric[] = [];
	const add = (type: MetricType, suffix: string, value: number, help: string, labels?: string): void =>
		void metrics.push({ suffix, type, help, value, ...(labels === undefined ? {} : { labels }) });
	const gauge = add.bind(undefined, 'gauge');
	const counter = add.bind(undefined, 'counter');
	const none = 0;
	// As changed at run time, which the control thread knows.
	const limits = report?.limits ?? model.global.rateLimits;

	gauge('nbthread', model.global.nbthread, 'Data threads (nbthread)');
	gauge('nbproc', 1, 'Worker processes, always 1');
	gauge('relative_process_id', 1, 'Number of this worker process, always 1');
	const uptimeMs = source.clock.monotonicMs() - source.startedMonotonicMs;
	gauge('uptime_seconds', Math.floor(uptimeMs / 1000), 'Seconds since the start');
	counter('pool_failures_total', none, 'Failed allocations');
	gauge('max_fds', descriptorLimit() ?? Number.NaN, 'Limit of file descriptors');
	gauge('max_sockets', descriptorLimit() ?? Number.NaN, 'Limit of sockets');
	gauge('max_connections', report?.limits.maxconn ?? model.global.maxconn ?? 0, 'Limit of connections, 0 without one');
	gauge('hard_max_connections', model.global.maxconn ?? 0, 'Limit of connections, 0 without one');
	gauge('current_connections', connections, 'Connections now');
	counter('connections_total', sums.connections, 'Connections since the start');
	counter('requests_total', sums.requests, 'Requests since the start');
	gauge('max_ssl_connections', none, 'Limit of TLS connections, 0 without one');
	gauge('current_ssl_connections', sums.tls.current, 'TLS connections now');
	counter('ssl_connections_total', sums.tls.total, 'TLS connections since the start');
	gauge('max_pipes', none, 'Pipes for splicing; none are used');
	counter('pipes_used_total', none, 'Pipes in use');
	counter('pipes_free_total', none, 'Pipes allocated and free');
	gauge('current_connection_rate', sums.connectionRate, 'Connections of the last second');
	gauge('limit_connection_rate', limits.connections, 'Limit of connections per second, 0 without one');
	gauge('max_connection_rate', sums.connectionRateMax, 'Most connections in a second of any one frontend');
	gauge('current_session_rate', sums.sessionRate, 'Sessions of the last second');
	gauge('limit_session_rate', limits.sessions, 'Limit of sessions per second, 0 without one');
	gauge('max_session_rate', sums.sessionRateMax, 'Most sessions in a second of any one frontend');
	gauge('current_ssl_rate', sums.tls.rate, 'TLS connections of the last second');
	gauge('limit_ssl_rate', limits.tls, 'Limit of TLS connections per second, 0 without one');
	gauge('max_ssl_rate', sums.tls.rateMax, 'Most TLS connections in a second');
	gauge('current_frontend_ssl_key_rate', none, 'TLS keys made for clients in the last second');
	gauge('max_frontend_ssl_key_rate', none, 'Most TLS keys for clients in a second');
	gauge('frontend_ssl_reuse', none, 'Percentage of TLS sessions that were resumed');
	gauge('current_backend_ssl_key_rate', none, 'TLS keys made for servers in the last second');
	gauge('max_backend_ssl_key_rate', none, 'Most TLS keys for servers in a second');
	counter('ssl_cache_lookups_total', none, 'Lookups in the TLS session cache');
	counter('ssl_cache_misses_total', none, 'Lookups that found nothing there');
	counter('http_comp_bytes_in_total', none, 'Bytes compressed in the last second');
	counter('http_comp_bytes_out_total', none, 'Compressed bytes of the last second');
	gauge('limit_http_comp', none, 'Limit of compressed bytes per second');
	gauge('current_zlib_memory', Number.NaN, 'Memory of the compressor');
	gauge('max_zlib_memory', Number.NaN, 'Limit of the memory of the compressor');
	gauge('current_tasks', connections + sums.listeners, 'Connections and listeners being looked after');
	gauge('current_run_queue', none, 'Tasks that wait for their turn; an event loop has no count of them');
	gauge('idle_time_percent', Math.round(100 - busy * 100), 'Share of the last second that the data threads were idle');
	gauge('stopping', options.isStopping() ? 1 : 0, '1 while the process is stopping');
	gauge('jobs', connections + sums.listeners, 'Connections and listeners');
	gauge('unstoppable_jobs', none, 'Jobs that outlast a soft stop');
	gauge('listeners', sums.listeners, 'Listening sockets');
	gauge('active_peers', peers.filter(({ status }) => status === 'ESTA').length, 'Peers with an established session');
	gauge('connected_peers', peers.filter(({ isConnected }) => isConnected).length, 'Peers with a connection');
	const droppedLogs = vitals.reduce((sum, one) => sum + one.droppedLogs, 0);
	counter('dropped_logs_total', droppedLogs, 'Log lines that could not be sent');
	gauge('busy_polling_enabled', none, '1 with busy polling, which is never');
	counter('failed_resolutions', none, 'Names that did not resolve');
	counter('bytes_out_total', sums.bytesOut, 'Bytes sent to clients since the start');
	counter('spliced_bytes_out_total', none, 'Of them, by splicing');
	gauge('bytes_out_rate', Math.round(report?.history.at(-1)?.bytesOutRate ?? 0), 'Bytes sent per second');
	counter('recv_logs_total', none, 'Log messages received to forward');
	gauge('build_info', 1, 'The version', `version="${VERSION}"`);
	gauge('max_memory_bytes', none, 'Limit of memory, 0 without one');
	gauge('pool_allocated_bytes', rss, 'Memory the process has of the system');
	gauge('pool_used_bytes', rss, 'Memory the process has of the system');
	gauge('start_time_seconds', Math.floor(options.startedWallMs / 1000), 'When the process started');
	return metrics;
}
