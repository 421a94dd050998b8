/**
 * What the control thread tells the page and Prometheus through the bulletin (shared/bulletin.ts): plain data, a JSON
 * text there. Times are milliseconds since 1970, so that a browser can show them.
 */
import type { RedisStatus } from '../aggregate/redis/replication.js';
import type { OriginStatus } from '../aggregate/status.js';
import type { PeerDescription } from '../peers/show.js';
import type { CheckResult } from '../runtime-api/stat-rows.js';

export interface ReloadReport {
	readonly atMs: number;
	readonly generation: number;
	readonly succeeded: boolean;
	/** From the files to data threads that listen. */
	readonly tookMs: number;
	/** Why it failed. */
	readonly reason: string | undefined;
}

/** One look at the whole process; rates are per second, over the time since the look before. */
export interface ProcessPoint {
	readonly atMs: number;
	readonly connections: number;
	readonly sessionRate: number;
	readonly requestRate: number;
	readonly refusedRate: number;
	readonly errorRate: number;
	readonly bytesOutRate: number;
}

export interface HotKey {
	readonly key: string;
	/** Of the table's leading figure, now and in the looks before, oldest first; NaN is null: it was not there. */
	readonly value: number;
	readonly history: readonly (number | null)[];
	/** The other figures, by name. */
	readonly data: readonly (readonly [name: string, value: number])[];
	readonly refusedBy: { readonly file: string; readonly line: number; readonly atMs: number } | undefined;
}

export interface TableReport {
	readonly name: string;
	readonly type: string;
	readonly size: number;
	readonly used: number;
	readonly evictions: number;
	readonly refusals: number;
	/** Entries in the looks before, oldest first. */
	readonly usedHistory: readonly number[];
	/** What keys are ordered by: the first rate stored, else the first counter. Undefined: nothing is stored. */
	readonly leading: string | undefined;
	readonly hottest: readonly HotKey[];
	/** When the keys were looked at; undefined: not yet, for a large table that nobody had asked for. */
	readonly hottestAtMs: number | undefined;
}

export interface PeerReport
	extends Pick<
		PeerDescription,
		| 'name'
		| 'isLocal'
		| 'address'
		| 'isConnected'
		| 'isHoldfast'
		| 'status'
		| 'dials'
		| 'failures'
		| 'protocolErrors'
		| 'updatesSent'
		| 'updatesReceived'
		| 'pendingUpdates'
		| 'trouble'
	> {
	readonly section: string;
	/** How long there has been something that it lacks. */
	readonly lagMs: number;
	readonly tables: readonly { readonly name: string; readonly pendingUpdates: number; readonly lagMs: number }[];
	readonly sinceHandshakeMs: number | undefined;
}

/** The last result of a server's check. */
export interface CheckReport {
	readonly backend: string;
	readonly server: string;
	readonly result: CheckResult | undefined;
	/** Of its agent. */
	readonly agent?: CheckResult | undefined;
}

export interface FrontendReport {
	readonly name: string;
	readonly status: string;
	readonly maxconn: number;
}

export interface ControlReport {
	/** In force: those of the configuration, or what `set maxconn global` and `set rate-limit` have made of them. */
	readonly limits: {
		readonly maxconn: number;
		readonly connections: number;
		readonly sessions: number;
		readonly tls: number;
	};
	readonly atMs: number;
	readonly pid: number;
	readonly startedAtMs: number;
	readonly generation: number;
	readonly reloads: readonly ReloadReport[];
	readonly reloadsSucceeded: number;
	readonly reloadsFailed: number;
	/** How long the configuration before served what it had when the present one listened. */
	readonly handOffMs?: number | undefined;
	/** Entries found in tables by the last reload. */
	readonly keptEntries: number;
	readonly stepMs: number;
	readonly history: readonly ProcessPoint[];
	readonly tables: readonly TableReport[];
	readonly peers: readonly PeerReport[];
	/** Sums over nodes: whose shares are known, and how fresh they are. */
	readonly origins: readonly OriginStatus[];
	/** Connections of peers sections that go through Redis. */
	readonly redis: readonly RedisStatus[];
	readonly checks: readonly CheckReport[];
	/** Changed at run time. */
	readonly frontends: readonly FrontendReport[];
}

/** Bytes set aside for the text; the system gives memory only as it is used. */
export const REPORT_CAPACITY_BYTES = 4 * 1024 * 1024;
