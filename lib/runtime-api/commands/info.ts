/**
 * `show info [desc|json|typed|float]*` (management guide, 9.3): the process in figures, under HAProxy's names and
 * numbers. What has no meaning here (TLS session caches of OpenSSL, pipes, compression) reads 0, as it does in a
 * HAProxy that does not use it.
 */

import { COMPATIBLE_VERSION, VERSION, VERSION_DATE } from '../../core/version.js';
import type { Vitals } from '../../shared/vitals.js';
import type { Command, Invocation } from '../command.js';
import { type Field, type FieldType, type FieldValue, fieldObject, typedTail, valueText } from '../fields.js';
import { jsonText } from '../json.js';
import { descriptorLimit, type ProcessTotals, processTotals } from '../process-totals.js';
import type { RuntimeView } from '../runtime-view.js';

/** What is asked of the system and of all counters, once per answer. */
interface Facts {
	readonly view: RuntimeView;
	readonly uptimeMs: number;
	readonly totals: ProcessTotals;
	readonly descriptorLimit: number;
	readonly heapBytes: number;
	readonly idlePercent: number;
	/** `float` was asked for. */
	readonly isFloat: boolean;
}

type InfoRow = readonly [
	position: number,
	name: string,
	tags: string,
	type: FieldType,
	description: string,
	value: (facts: Facts) => FieldValue | undefined,
];

const zero = (): number => 0;
const droppedLogs = (threads: readonly Vitals[]): number => threads.reduce((sum, one) => sum + one.droppedLogs, 0);
const MEGABYTE = 1024 * 1024;

const ROWS: readonly InfoRow[] = [
	[0, 'Name', 'POS', 'str', 'The product', () => 'Holdfast'],
	[1, 'Version', 'POS', 'str', 'Its version', () => COMPATIBLE_VERSION],
	[2, 'Release_date', 'POS', 'str', 'Date of the version', () => VERSION_DATE],
	[3, 'Nbthread', 'CGS', 'u32', 'Data threads (nbthread)', ({ view }) => view.model.global.nbthread],
	[4, 'Nbproc', 'CGS', 'u32', 'Worker processes, always 1', () => 1],
	[5, 'Process_num', 'KGP', 'u32', 'Number of this worker process, always 1', () => 1],
	[6, 'Pid', 'SGP', 'u32', 'Process id of the worker', ({ view }) => view.process.pid],
	[7, 'Uptime', 'MDP', 'str', 'Time since the worker started', ({ uptimeMs }) => uptimeText(uptimeMs)],
	[8, 'Uptime_sec', 'MDP', 'u32', 'The same in seconds', ({ uptimeMs }) => uptimeMs / 1000],
	[
		9,
		'Memmax_MB',
		'CLP',
		'u32',
		'Limit of the heap of each thread (-m), MB',
		({ view }) => view.process.memoryLimitMb ?? 0,
	],
	[
		10,
		'PoolAlloc_MB',
		'MGP',
		'u32',
		'Memory the process has of the system, MB',
		({ heapBytes }) => heapBytes / MEGABYTE,
	],
	[
		11,
		'PoolUsed_MB',
		'MGP',
		'u32',
		'Memory the process has of the system, MB',
		({ heapBytes }) => heapBytes / MEGABYTE,
	],
	[12, 'PoolFailed', 'MCP', 'u32', 'Failed allocations', zero],
	[13, 'Ulimit-n', 'CLP', 'u32', 'Most file descriptors of the process', ({ descriptorLimit }) => descriptorLimit],
	[14, 'Maxsock', 'CLP', 'u32', 'Most sockets of the process', ({ descriptorLimit }) => descriptorLimit],
	[15, 'Maxconn', 'CLP', 'u32', 'Most connections of the process, 0 without a limit', ({ view }) => view.state.maxconn],
	[
		16,
		'Hard_maxconn',
		'CLP',
		'u32',
		'Most connections that the configuration allows the process, 0 without a limit',
		({ view }) => view.model.global.maxconn ?? 0,
	],
	[17, 'CurrConns', 'MGP', 'u32', 'Connections now', ({ view }) => view.process.currentConnections()],
	[18, 'CumConns', 'MCP', 'u32', 'Connections since the start', ({ totals }) => totals.connections],
	[19, 'CumReq', 'MCP', 'u32', 'Requests since the start', ({ totals }) => totals.requests],
	[20, 'MaxSslConns', 'MMP', 'u32', 'Most TLS connections, 0 without a limit', zero],
	[21, 'CurrSslConns', 'MGP', 'u32', 'TLS connections now', ({ totals }) => totals.tls.current],
	[22, 'CumSslConns', 'MCP', 'u32', 'TLS connections since the start', ({ totals }) => totals.tls.total],
	[23, 'Maxpipes', 'CLP', 'u32', 'Most pipes for splicing; none are used', zero],
	[24, 'PipesUsed', 'MGP', 'u32', 'Pipes in use', zero],
	[25, 'PipesFree', 'MGP', 'u32', 'Pipes allocated and free', zero],
	[26, 'ConnRate', 'MRP', 'u32', 'Connections of the last second', ({ totals }) => totals.connectionRate],
	[
		27,
		'ConnRateLimit',
		'CLP',
		'u32',
		'Most connections per second, 0 without a limit',
		({ view }) => view.state.rateLimits.connections,
	],
	[
		28,
		'MaxConnRate',
		'MMP',
		'u32',
		'Most connections in a second of any one frontend',
		({ totals }) => totals.connectionRateMax,
	],
	[29, 'SessRate', 'MRP', 'u32', 'Sessions of the last second', ({ totals }) => totals.sessionRate],
	[
		30,
		'SessRateLimit',
		'CLP',
		'u32',
		'Most sessions per second, 0 without a limit',
		({ view }) => view.state.rateLimits.sessions,
	],
	[
		31,
		'MaxSessRate',
		'MRP',
		'u32',
		'Most sessions in a second of any one frontend',
		({ totals }) => totals.sessionRateMax,
	],
	[32, 'SslRate', 'MRP', 'u32', 'TLS connections of the last second', ({ totals }) => totals.tls.rate],
	[
		33,
		'SslRateLimit',
		'CLP',
		'u32',
		'Most TLS connections per second, 0 without a limit',
		({ view }) => view.state.rateLimits.tls,
	],
	[34, 'MaxSslRate', 'MMP', 'u32', 'Most TLS connections in a second', ({ totals }) => totals.tls.rateMax],
	[35, 'SslFrontendKeyRate', 'MGP', 'u32', 'TLS keys computed for clients in the last second', zero],
	[36, 'SslFrontendMaxKeyRate', 'MMP', 'u32', 'Most TLS keys for clients in a second', zero],
	[37, 'SslFrontendSessionReuse_pct', 'MGP', 'u32', 'Share of TLS sessions that were resumed', zero],
	[38, 'SslBackendKeyRate', 'MRP', 'u32', 'TLS keys computed towards servers in the last second', zero],
	[39, 'SslBackendMaxKeyRate', 'MMP', 'u32', 'Most TLS keys towards servers in a second', zero],
	[40, 'SslCacheLookups', 'MCP', 'u32', 'Lookups in the TLS session cache', zero],
	[41, 'SslCacheMisses', 'MCP', 'u32', 'Lookups that found nothing there', zero],
	[42, 'CompressBpsIn', 'MRP', 'u32', 'Bytes compressed in the last second', zero],
	[43, 'CompressBpsOut', 'MRP', 'u32', 'Compressed bytes of the last second', zero],
	[
		44,
		'CompressBpsRateLim',
		'CLP',
		'u32',
		'Most compressed bytes per second',
		({ view }) => view.state.compressionRateMax,
	],
	[47, 'Tasks', 'MGP', 'u32', 'Connections and listeners being looked after', (facts) => jobs(facts)],
	[48, 'Run_queue', 'MGP', 'u32', 'Tasks that wait for their turn; an event loop has no count of them', zero],
	[49, 'Idle_pct', 'MaP', 'u32', 'Share of the time the data threads were idle', ({ idlePercent }) => idlePercent],
	[50, 'node', 'COS', 'str', 'Name of the node (node)', ({ view }) => view.process.node],
	[51, 'description', 'COS', 'str', 'Description (description)', ({ view }) => view.model.global.description],
	[52, 'Stopping', 'MGP', 'u32', '1 while the process is stopping', ({ view }) => Number(view.process.isStopping())],
	[53, 'Jobs', 'MGP', 'u32', 'Connections and listeners', (facts) => jobs(facts)],
	[54, 'Unstoppable Jobs', 'MGP', 'u32', 'Jobs that outlast a soft stop', zero],
	[55, 'Listeners', 'MGP', 'u32', 'Listening sockets', ({ totals }) => totals.listeners],
	[56, 'ActivePeers', 'MGP', 'u32', 'Peers with an established session', ({ view }) => view.peers?.activeCount() ?? 0],
	[57, 'ConnectedPeers', 'MGP', 'u32', 'Peers with a connection', ({ view }) => view.peers?.connectedCount() ?? 0],
	[
		58,
		'DroppedLogs',
		'MGP',
		'u32',
		'Log lines that could not be sent',
		({ view }) => droppedLogs(view.threads.vitals()),
	],
	[59, 'BusyPolling', 'MGP', 'u32', '1 with busy polling, which is never', zero],
	[60, 'FailedResolutions', 'MGP', 'u32', 'Names that did not resolve', zero],
	[61, 'TotalBytesOut', 'MGP', 'u64', 'Bytes sent to clients since the start', ({ totals }) => totals.bytesOut],
	[62, 'TotalSplicdedBytesOut', 'MGP', 'u64', 'Of them, by splicing', zero],
	[
		63,
		'BytesOutRate',
		'MRP',
		'u64',
		'Bytes sent per second',
		({ view, totals }) => bytesOutRate(view, totals.bytesOut),
	],
	[64, 'DebugCommandsIssued', 'MGP', 'u32', 'Debug commands given', zero],
	[65, 'CumRecvLogs', 'MCP', 'u32', 'Log messages received to forward', ({ view }) => view.receivedLogs?.() ?? 0],
	[66, 'Build info', 'POS', 'str', 'What it runs on', () => `${VERSION} node ${process.version}`],
	[
		67,
		'Memmax_bytes',
		'CLP',
		'u32',
		'Limit of the heap of each thread (-m), bytes',
		({ view }) => (view.process.memoryLimitMb ?? 0) * MEGABYTE,
	],
	[68, 'PoolAlloc_bytes', 'MGP', 'u64', 'Memory the process has of the system, bytes', ({ heapBytes }) => heapBytes],
	[69, 'PoolUsed_bytes', 'MGP', 'u64', 'Memory the process has of the system, bytes', ({ heapBytes }) => heapBytes],
	[
		70,
		'Start_time_sec',
		'MDP',
		'u32',
		'When the worker started, seconds since 1970',
		({ view }) => view.process.startedWallMs / 1000,
	],
	[71, 'Tainted', 'SGP', 'str', 'Experimental features in use', () => '0'],
];

/** With `float` these have a fraction. */
const FRACTIONAL: ReadonlySet<string> = new Set(['Uptime_sec', 'Start_time_sec']);

function uptimeText(ms: number): string {
	const seconds = Math.floor(ms / 1000);
	const two = (n: number): string => String(n).padStart(2, '0');
	const days = Math.floor(seconds / 86400);
	return `${days}d ${Math.floor(seconds / 3600) % 24}h${two(Math.floor(seconds / 60) % 60)}m${two(seconds % 60)}s`;
}

function jobs({ view, totals }: Facts): number {
	return totals.listeners + view.process.currentConnections();
}

/** Bytes between this question and the one before, of whoever asked; HAProxy's is a rate per second, too. */
const lastBytes = new WeakMap<object, { readonly bytes: number; readonly atMs: number; readonly rate: number }>();

function bytesOutRate(view: RuntimeView, bytes: number): number {
	const nowMs = view.clock.monotonicMs();
	const last = lastBytes.get(view) ?? { bytes: 0, atMs: view.startedMonotonicMs, rate: 0 };
	const elapsedMs = nowMs - last.atMs;
	if (elapsedMs < 1000 && lastBytes.has(view)) return last.rate;
	const rate = elapsedMs <= 0 ? 0 : (Math.max(0, bytes - last.bytes) * 1000) / elapsedMs;
	lastBytes.set(view, { bytes, atMs: nowMs, rate });
	return rate;
}

function showInfo({ words, view }: Invocation): Iterable<string> {
	const options = new Set(words.slice(2));
	const busy = view.threads.utilization();
	const share = busy.length === 0 ? 0 : busy.reduce((sum, one) => sum + one, 0) / busy.length;
	const facts: Facts = {
		view,
		uptimeMs: view.clock.monotonicMs() - view.startedMonotonicMs,
		totals: processTotals(view),
		descriptorLimit: descriptorLimit() ?? 0,
		heapBytes: process.memoryUsage().rss,
		idlePercent: Math.round(100 - share * 100),
		isFloat: options.has('float'),
	};
	return options.has('json') ? infoJson(facts) : infoLines(facts, options);
}

function* infoValues(facts: Facts): Generator<readonly [Field, FieldValue]> {
	for (const [position, name, tags, type, description, value] of ROWS) {
		const result = value(facts);
		const shown: FieldType = facts.isFloat && FRACTIONAL.has(name) ? 'flt' : type;
		if (result !== undefined) yield [{ position, name, tags, type: shown, description }, result];
	}
}

function* infoLines(facts: Facts, options: ReadonlySet<string>): Generator<string> {
	const withDescription = options.has('desc');
	for (const [field, value] of infoValues(facts)) {
		if (options.has('typed')) {
			yield `${field.position}.${field.name}.1${typedTail(field, value, withDescription)}\n`;
		} else {
			const text = `${field.name}: ${valueText(value, field.type)}`;
			yield withDescription ? `${text}:"${field.description}"\n` : `${text}\n`;
		}
	}
}

function* infoJson(facts: Facts): Generator<string> {
	yield `${jsonText([...infoValues(facts)].map(([field, value]) => fieldObject(field, value)))}\n`;
}

export const INFO_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'info'],
		level: 'user',
		usage: 'show info [desc|json|typed|float]*',
		help: 'the process in figures',
		run: showInfo,
	},
];
