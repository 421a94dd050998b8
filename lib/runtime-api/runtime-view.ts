/**
 * All that the runtime API may see and change of a running configuration. The control thread makes one for each
 * configuration that serves (process/runtime-view.ts); tests make their own.
 *
 * What is in shared memory (tables, counters, states of servers) is read and written directly. What data threads keep
 * for themselves is changed by a message to all of them, and asked for by a question that each of them answers.
 */
import type { RedisStatus } from '../aggregate/redis/replication.js';
import type { AggregationDescription } from '../aggregate/show.js';
import type { OriginStatus } from '../aggregate/status.js';
import type { ServerMonitor } from '../backend/health/server-monitor.js';
import type { Server } from '../backend/server.js';
import type { CacheStore } from '../cache/store.js';
import type { ServerModel } from '../config/model.js';
import type { LoggerLevel } from '../core/logger.js';
import type { RateLimits } from '../frontend/rate-limits.js';
import type { TlsChange } from '../frontend/tls-change.js';
import type { TlsFiles } from '../frontend/tls-files.js';
import type { SectionDescription } from '../peers/show.js';
import type { PatternRegistry } from '../sample/pattern-registry.js';
import type { SharedChange } from '../sample/shared-change.js';
import type { SampleValue } from '../sample/types.js';
import type { LogRing } from '../shared/log-ring.js';
import type { Vitals } from '../shared/vitals.js';
import type { StickTable } from '../stick-table/table.js';
import type { CapturedMessage } from '../stream/message-captures.js';
import type { BackendTraffic } from '../stream/proxies.js';
import type { Message } from './command.js';
import type { StatSource } from './stat-rows.js';

/** Told to every data thread of the configuration. */
export type RuntimeChange =
	/** States, weights or limits of servers have changed in shared memory. */
	| { readonly kind: 'servers-changed'; readonly backend: string }
	/** Streams on a server end: it is down (`D`), or a better one is up (`U`). */
	| {
			readonly kind: 'server-sessions-end';
			readonly backend: string;
			readonly server: string;
			readonly cause: 'D' | 'U';
	  }
	| {
			/** An empty host: it has none any more. */
			readonly kind: 'server-address';
			readonly backend: string;
			readonly server: string;
			readonly host: string;
			readonly family: 4 | 6;
			readonly port: number;
	  }
	| { readonly kind: 'frontend-accepts'; readonly frontend: string; readonly accepts: boolean }
	/** Without a frontend: of the process. 0: no limit. */
	| { readonly kind: 'maxconn'; readonly frontend: string | undefined; readonly limit: number }
	/** Of the process, per second; 0: none. */
	| { readonly kind: 'rate-limits'; readonly limits: RateLimits }
	| { readonly kind: 'compression-rate'; readonly bytesPerSecond: number }
	/** Files of TLS: certificates, lists of them, authorities. */
	| { readonly kind: 'tls'; readonly change: TlsChange }
	/** Sets of patterns, all steps of one command in one message: no request sees half of them; and `proc.` variables. */
	| SharedChange;

/** Asked of every data thread. */
export type RuntimeQuestion =
	| { readonly ask: 'sessions'; readonly afterId: number; readonly limit: number }
	/** `show errors`. */
	| { readonly ask: 'captures' }
	/** Closes connections; the answer counts them. */
	| { readonly ask: 'shutdown-session'; readonly id: number }
	| { readonly ask: 'shutdown-server-sessions'; readonly backend: string; readonly server: string }
	/** `index`: its place in shared memory. The answer counts 1, or 0 if the thread could not build it. */
	| { readonly ask: 'add-server'; readonly backend: string; readonly server: ServerModel; readonly index: number }
	| { readonly ask: 'remove-server'; readonly backend: string; readonly server: string };

/** A client's connection, as `show sess` tells it. */
export interface SessionRow {
	/** Rising, unique within the thread. */
	readonly id: number;
	readonly protocol: 'tcpv4' | 'tcpv6' | 'unix_stream';
	readonly source: string;
	readonly sourcePort: number;
	readonly frontend: string;
	readonly listener: string | undefined;
	/** Undefined: not yet known, or between two requests. */
	readonly backend: string | undefined;
	readonly server: string | undefined;
	readonly ageMs: number;
	readonly requestCount: number;
	readonly acceptedWallMs: number;
}

export type RuntimeReply =
	| { readonly sessions: readonly SessionRow[] }
	| { readonly captures: readonly CapturedMessage[]; readonly captureCount: number }
	| { readonly count: number };

export interface DataThreads {
	readonly count: number;
	tell(change: RuntimeChange): void;
	/** One reply of each thread that is there, in their order. */
	ask(question: RuntimeQuestion): Promise<readonly RuntimeReply[]>;
	/** Share of its time that each thread was busy since it was asked last, 0..1. */
	utilization(): readonly number[];
	/** How each thread fared in its last second. */
	vitals(): readonly Vitals[];
}

/** `dynamic-update` at work. */
export interface UpdatesView {
	status(): readonly {
		readonly model: { readonly id: string; readonly kind: 'acl' | 'map' };
		/** Undefined: a fetch is under way. */
		readonly nextInMs: number | undefined;
		readonly updateCount: number;
		readonly failureCount: number;
		readonly trouble: string | undefined;
	}[];
	/** False when there is no such file. */
	force(id: string): boolean;
}

export interface ResolversView {
	/** `show resolvers`; undefined when there is no such section. */
	show(section: string | undefined): Iterable<string> | undefined;
	/** `set server ... fqdn`; false when no resolution at run time is configured for it. */
	rename(server: Server, name: string): boolean;
}

/** `add server`, `del server`: resolves with what the command answers. */
export interface DynamicServersView {
	/** `words`: the server's name, its address and its options. */
	add(backend: BackendTraffic, words: readonly string[]): Promise<Message>;
	remove(backend: BackendTraffic, server: Server): Promise<Message>;
}

/** What was changed at run time and is kept nowhere else. */
export interface RuntimeState {
	readonly frontends: Map<string, { accepts: boolean; stopped: boolean; maxconn: number }>;
	/** 0: no limit. */
	maxconn: number;
	rateLimits: RateLimits;
	/** Bytes per second; 0: no limit. */
	compressionRateMax: number;
}

export interface PeersView {
	/** `show peers`: the lines of all sections, or of one. */
	show(section: string | undefined, withDictionary: boolean): Iterable<string>;
	has(section: string): boolean;
	/** The same as plain data, for JSON. */
	describe(): readonly SectionDescription[];
	/** Sessions established, and connected. */
	activeCount(): number;
	connectedCount(): number;
}

export interface ProcessView {
	readonly pid: number;
	readonly startedWallMs: number;
	/** `-m`, in megabytes. */
	readonly memoryLimitMb: number | undefined;
	readonly environment: ReadonlyMap<string, string>;
	/** Messages of the start, as they were printed. */
	readonly startupLog: readonly string[];
	readonly node: string;
	isStopping(): boolean;
	currentConnections(): number;
}

/** Rows of `show stat` are made from it as well. */
export interface RuntimeView extends StatSource {
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly patterns: PatternRegistry;
	/** Messages that log-forward sections have received. */
	receivedLogs?(): number;
	/** Of `cache` sections, by name. */
	readonly caches?: ReadonlyMap<string, { readonly store: CacheStore }>;
	/** Undefined: nothing has TLS. */
	readonly tlsFiles?: TlsFiles | undefined;
	readonly threads: DataThreads;
	readonly process: ProcessView;
	readonly state: RuntimeState;
	/** The program's own log, for `set log-level`. */
	readonly programLog?: { level: LoggerLevel };
	/** Variables of scope `proc`, by name without the scope. */
	readonly variables: {
		get(name: string): SampleValue | undefined;
		/** The words of a `set-var` or `set-var-fmt` line of `global`; what is wrong with them. */
		set(words: readonly string[]): string | undefined;
	};
	/** What is known of a server, to look at and to change: whose states have log lines, followers and sessions to end. */
	monitorOf?(server: Server): ServerMonitor | undefined;
	/** `enable health`, `disable health`; undefined: no server is checked. */
	setCheckEnabled?(server: Server, enabled: boolean): void;
	/** Rings of log lines, in the order of `show events`. */
	readonly rings?: ReadonlyMap<string, { readonly ring: LogRing; readonly description: string }>;
	/** Undefined: no peers are run. */
	readonly peers: PeersView | undefined;
	readonly dynamicServers?: DynamicServersView;
	readonly resolvers?: ResolversView;
	readonly updates?: UpdatesView;
	/** `show aggregations`: sums over nodes, none where there are none. */
	aggregations?(): readonly AggregationDescription[];
	/** The same as numbers per origin, for metrics and the page. */
	originStatuses?(): readonly OriginStatus[];
	/** The connections to Redis, a line of `show peers` and metrics. */
	redisStatuses?(): readonly RedisStatus[];
}
