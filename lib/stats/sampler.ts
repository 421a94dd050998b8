/**
 * The control thread's part of the page: every two seconds it looks at the counters, the tables and the peers, keeps
 * the last five minutes of what charts show, and writes all of it to the bulletin. The looks cost next to nothing,
 * but for the search of hot keys: large tables are only searched while somebody has the page open.
 */

import type { RedisStatus } from '../aggregate/redis/replication.js';
import type { OriginStatus } from '../aggregate/status.js';
import type { Clock, Timer } from '../core/clock.js';
import { tick } from '../core/clock.js';
import { programPid } from '../core/program-pid.js';
import type { SectionDescription } from '../peers/show.js';
import type { StatSource } from '../runtime-api/stat-rows.js';
import type { Bulletin } from '../shared/bulletin.js';
import type { StickTable } from '../stick-table/table.js';
import type { RefusalReader } from '../stream/refusals.js';
import { type FoundKey, figuresOf, HotKeyScan, shownKey } from './hot-keys.js';
import type {
	CheckReport,
	ControlReport,
	FrontendReport,
	HotKey,
	PeerReport,
	ProcessPoint,
	ReloadReport,
	TableReport,
} from './report.js';

const STEP_MS = 2000;
const POINTS = 150;
/** Keys' histories are shorter: there are many of them. */
const KEY_POINTS = 90;
/** Tables up to here are searched in any case. */
const SMALL_TABLE = 5000;
/** How long after a look the page counts as open. */
const WATCHED_MS = 20_000;
/** Keys of which the refusing rule is remembered. */
const REFUSALS_KEPT = 2000;
const TABLES_SHOWN = 64;

export interface SamplerOptions {
	readonly source: StatSource;
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly bulletin: Bulletin;
	readonly refusals: RefusalReader;
	readonly clock: Clock;
	readonly generation: number;
	readonly startedAtMs: number;
	readonly keptEntries: number;
	/** Shared with the samplers of other generations. */
	readonly reloads: ReloadHistory;
	readonly activeConnections: () => number;
	readonly describePeers: () => readonly SectionDescription[];
	readonly frontends: () => readonly FrontendReport[];
	readonly limits: () => ControlReport['limits'];
	/** Sums over nodes: whose shares are known. */
	readonly originStatuses: () => readonly OriginStatus[];
	readonly redisStatuses?: () => readonly RedisStatus[];
}

/** Outcomes of loads, the last of them in detail. */
export class ReloadHistory {
	succeeded = 0;
	failed = 0;
	/** From listening to the end of the configuration before, of the latest reload whose former one has ended. */
	handOffMs: number | undefined;
	readonly latest: ReloadReport[] = [];

	add(report: ReloadReport): void {
		if (report.succeeded) this.succeeded++;
		else this.failed++;
		this.latest.push(report);
		if (this.latest.length > 20) this.latest.shift();
	}
}

interface SampledTable {
	readonly table: StickTable;
	readonly usedHistory: number[];
	readonly leading: string | undefined;
	scan: HotKeyScan | undefined;
	hottest: readonly FoundKey[];
	hottestAtMs: number | undefined;
	/** Of keys that were among the hottest within the time of a history. */
	readonly histories: Map<string, (number | null)[]>;
	readonly refusedBy: Map<string, NonNullable<HotKey['refusedBy']>>;
}

interface Sums {
	readonly sessions: number;
	readonly requests: number;
	readonly refused: number;
	readonly errors: number;
	readonly bytesOut: number;
}

export class StatsSampler {
	readonly #options: SamplerOptions;
	readonly #tables: readonly SampledTable[];
	readonly #history: ProcessPoint[] = [];
	#sums: Sums | undefined;
	#sampledMs = 0;
	#timer: Timer | undefined;

	constructor(options: SamplerOptions, predecessor?: StatsSampler) {
		this.#options = options;
		const former = predecessor === undefined ? [] : predecessor.#tables;
		this.#tables = [...options.tables.values()].map((table) => {
			// A table that lives on keeps what was seen of it.
			const before = former.find((one) => one.table.name === table.name);
			const leading = figuresOf(table)[0]?.name;
			return {
				table,
				usedHistory: before?.usedHistory ?? [],
				leading,
				scan: undefined,
				hottest: [],
				hottestAtMs: undefined,
				histories: before?.leading === leading ? (before?.histories ?? new Map()) : new Map(),
				refusedBy: before?.refusedBy ?? new Map(),
			};
		});
		if (predecessor !== undefined) this.#history.push(...predecessor.#history);
	}

	start(): void {
		this.sample();
	}

	stop(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
		for (const { scan } of this.#tables) scan?.cancel();
	}

	/** Looks, tells, and comes again. */
	sample(): void {
		const { clock } = this.#options;
		const nowMs = clock.monotonicMs();
		this.#addPoint(nowMs);
		this.#collectRefusals(nowMs);
		const isWatched = (this.#options.bulletin.sinceReadMs(nowMs) ?? Number.POSITIVE_INFINITY) < WATCHED_MS;
		for (const sampled of this.#tables) this.#sampleTable(sampled, isWatched);
		this.publish();
		this.#timer?.cancel();
		this.#timer = clock.setTimer(() => this.sample(), STEP_MS);
	}

	#addPoint(nowMs: number): void {
		const { source, clock, activeConnections } = this.#options;
		const sums = { sessions: 0, requests: 0, refused: 0, errors: 0, bytesOut: 0 };
		for (const { counters } of source.frontends.values()) {
			sums.sessions += counters.total('stot');
			sums.requests += counters.total('req_tot');
			sums.refused += counters.total('dreq') + counters.total('dcon') + counters.total('dses');
			sums.errors += counters.total('hrsp_5xx');
			sums.bytesOut += counters.total('bout');
		}
		const before = this.#sums ?? sums;
		// Counters begin anew with a configuration: its first look tells no rate, and must not look like a pause.
		const isTakenOver = this.#sums === undefined && this.#history.length > 0;
		this.#sums = sums;
		const seconds = Math.max(0.001, (nowMs - this.#sampledMs) / 1000);
		this.#sampledMs = nowMs;
		if (isTakenOver) return;
		const rate = (now: number, then: number): number => Math.max(0, Math.round(((now - then) / seconds) * 10) / 10);
		this.#history.push({
			atMs: clock.wallMs(),
			connections: activeConnections(),
			sessionRate: rate(sums.sessions, before.sessions),
			requestRate: rate(sums.requests, before.requests),
			refusedRate: rate(sums.refused, before.refused),
			errorRate: rate(sums.errors, before.errors),
			bytesOutRate: rate(sums.bytesOut, before.bytesOut),
		});
		if (this.#history.length > POINTS) this.#history.shift();
	}

	#sampleTable(sampled: SampledTable, isWatched: boolean): void {
		const { table, usedHistory } = sampled;
		const used = table.usedCount();
		usedHistory.push(used);
		if (usedHistory.length > POINTS) usedHistory.shift();
		if (sampled.scan !== undefined || sampled.leading === undefined) return;
		if (used > SMALL_TABLE && !isWatched) return;
		const { clock } = this.#options;
		sampled.scan = new HotKeyScan(
			table,
			() => clock.monotonicMs(),
			(keys) => {
				sampled.scan = undefined;
				sampled.hottest = keys;
				sampled.hottestAtMs = clock.wallMs();
				extendHistories(sampled.histories, keys);
			},
		);
	}

	#collectRefusals(nowMs: number): void {
		const { refusals, clock } = this.#options;
		for (const { table: index, entry, file, line, atTick } of refusals.next()) {
			const sampled = this.#tables[index];
			if (sampled === undefined) continue;
			const view = sampled.table.newView();
			if (!sampled.table.copyByRef(entry, view, nowMs)) continue;
			const key = shownKey(view.key);
			const { refusedBy } = sampled;
			// The latest stand last, the oldest are forgotten.
			refusedBy.delete(key);
			refusedBy.set(key, { file, line, atMs: clock.wallMs() - ((tick(nowMs) - atTick) >>> 0) });
			if (refusedBy.size > REFUSALS_KEPT) refusedBy.delete(refusedBy.keys().next().value as string);
		}
	}

	/** Writes what is known now; also called when something has happened that should be seen at once. */
	publish(): void {
		const { bulletin, clock, generation, startedAtMs, keptEntries, reloads, frontends, limits, originStatuses } =
			this.#options;
		const report: ControlReport = {
			atMs: clock.wallMs(),
			pid: programPid(),
			startedAtMs,
			generation,
			reloads: reloads.latest,
			reloadsSucceeded: reloads.succeeded,
			reloadsFailed: reloads.failed,
			handOffMs: reloads.handOffMs,
			keptEntries,
			stepMs: STEP_MS,
			history: this.#history,
			tables: this.#tables.slice(0, TABLES_SHOWN).map(tableReport),
			peers: this.#peerReports(),
			origins: originStatuses(),
			redis: this.#options.redisStatuses?.() ?? [],
			checks: this.#checkReports(),
			frontends: frontends(),
			limits: limits(),
		};
		if (bulletin.write(JSON.stringify(report))) return;
		// Thousands of peers or tables: what is counted stays, what is drawn goes.
		const redis = report.redis.map((one) => ({ ...one, tables: one.tables.map((table) => ({ ...table, nodes: [] })) }));
		const peers = report.peers.slice(0, 500);
		const short: ControlReport = { ...report, history: [], tables: [], peers, origins: [], redis };
		bulletin.write(JSON.stringify(short));
	}

	#checkReports(): CheckReport[] {
		const { source } = this.#options;
		if (source.checkOf === undefined) return [];
		const reports: CheckReport[] = [];
		for (const { backend } of source.backends.values()) {
			for (const server of backend.servers) {
				const result = server.model.check ? source.checkOf(server) : undefined;
				const agent = server.model.health.agentCheck ? source.agentOf?.(server) : undefined;
				if (result === undefined && agent === undefined) continue;
				reports.push({ backend: backend.name, server: server.name, result, agent });
			}
		}
		return reports;
	}

	#peerReports(): PeerReport[] {
		return this.#options.describePeers().flatMap((section) =>
			section.peers.map((peer) => {
				return {
					section: section.name,
					name: peer.name,
					isLocal: peer.isLocal,
					address: peer.address,
					isConnected: peer.isConnected,
					isHoldfast: peer.isHoldfast,
					status: peer.status,
					dials: peer.dials,
					failures: peer.failures,
					protocolErrors: peer.protocolErrors,
					updatesSent: peer.updatesSent,
					updatesReceived: peer.updatesReceived,
					pendingUpdates: peer.pendingUpdates,
					trouble: peer.trouble,
					sinceHandshakeMs: peer.sinceHandshakeMs,
					lagMs: peer.lagMs,
					tables: peer.tables.map(({ name, pendingUpdates, lagMs }) => ({ name, pendingUpdates, lagMs })),
				};
			}),
		);
	}
}

/** One more point for every known key; those that were not hot for a whole history are forgotten. */
function extendHistories(histories: Map<string, (number | null)[]>, keys: readonly FoundKey[]): void {
	const now = new Map(keys.map(({ key, value }) => [key, value]));
	for (const key of now.keys()) if (!histories.has(key)) histories.set(key, []);
	for (const [key, history] of histories) {
		history.push(now.get(key) ?? null);
		if (history.length > KEY_POINTS) history.shift();
		if (history.every((value) => value === null)) histories.delete(key);
	}
}

function tableReport(sampled: SampledTable): TableReport {
	const { table, usedHistory, leading, hottest, hottestAtMs, histories, refusedBy } = sampled;
	return {
		name: table.name,
		type: table.model.keyType,
		size: table.model.size,
		used: table.usedCount(),
		evictions: table.evictionCount(),
		refusals: table.refusalCount(),
		usedHistory,
		leading,
		hottest: hottest.map(({ key, value, data }) => ({
			key,
			value,
			data,
			history: histories.get(key) ?? [],
			refusedBy: refusedBy.get(key),
		})),
		hottestAtMs,
	};
}
