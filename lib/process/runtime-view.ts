/** What the runtime API sees of the configuration that serves, put together by the control thread. */

import { hostname } from 'node:os';
import { formatRedis } from '../aggregate/redis/show.js';
import { describeAggregation } from '../aggregate/show.js';
import { originStatuses } from '../aggregate/status.js';
import type { ConfigModel } from '../config/model.js';
import { systemClock } from '../core/clock.js';
import { type Diagnostics, formatDiagnostic } from '../core/diagnostics.js';
import type { ProgramLogger } from '../core/logger.js';
import { programPid } from '../core/program-pid.js';
import { TlsFiles } from '../frontend/tls-files.js';
import { LagWatch } from '../peers/lag.js';
import { describeSection, formatPeers } from '../peers/show.js';
import type { PeersView, RuntimeState, RuntimeView } from '../runtime-api/runtime-view.js';
import { toPlain } from '../sample/shared-change.js';
import { readVitals } from '../shared/vitals.js';
import type { Generation } from './generation.js';
import type { HealthKeeper } from './health-keeper.js';
import type { PeersKeeper } from './peers-keeper.js';
import type { PreparedConfiguration } from './prepare.js';
import type { ResolverKeeper } from './resolver-keeper.js';
import { ServerKeeper } from './server-keeper.js';
import type { UpdateKeeper } from './update-keeper.js';

export interface RuntimeViewOptions {
	readonly prepared: PreparedConfiguration;
	readonly generation: Generation;
	readonly peers: PeersKeeper;
	readonly health: HealthKeeper;
	readonly resolvers: ResolverKeeper;
	readonly updates: UpdateKeeper;
	readonly diagnostics: Diagnostics;
	readonly startedMs: { readonly wall: number; readonly monotonic: number };
	readonly memoryLimitMb: number | undefined;
	readonly isStopping: () => boolean;
	readonly logger: ProgramLogger;
}

export function createRuntimeView(options: RuntimeViewOptions): RuntimeView {
	const { model, compiled, shared } = options.prepared;
	const { generation, startedMs } = options;
	const { counters, counterIndexes } = compiled;
	const gateWords = new Int32Array(shared.gates);
	const state: RuntimeState = {
		frontends: new Map(
			[...compiled.frontends.values()].map(({ name, model: { disabled, maxconn } }) => [
				name,
				{ accepts: !disabled, stopped: false, maxconn },
			]),
		),
		maxconn: model.global.maxconn ?? 0,
		rateLimits: model.global.rateLimits,
		compressionRateMax: model.global.compressionRateMax,
	};
	const aggregations = () =>
		[...options.peers.aggregations].map(([section, aggregation]) =>
			describeAggregation(aggregation, section, systemClock),
		);
	return {
		model,
		clock: systemClock,
		startedMonotonicMs: startedMs.monotonic,
		tables: compiled.tables,
		backends: compiled.backends,
		frontends: compiled.frontends,
		receivedLogs: () =>
			compiled.logForwards.reduce((sum, { frontend }) => sum + frontend.counters.sinceStart('req_tot'), 0),
		patterns: compiled.patterns,
		caches: compiled.caches,
		rings: new Map(
			model.rings.flatMap(({ name, description }) => {
				const ring = compiled.rings.get(name);
				return ring === undefined ? [] : [[name, { ring, description }] as const];
			}),
		),
		tlsFiles: hasTls(model)
			? new TlsFiles(model, (change) => generation.tell({ kind: 'runtime-change', change: { kind: 'tls', change } }))
			: undefined,
		threads: {
			count: model.global.nbthread,
			tell: (change) => generation.tell({ kind: 'runtime-change', change }),
			ask: (question) => generation.ask(question),
			utilization: () => generation.utilization(),
			vitals: () => readVitals(shared.stats.vitals),
		},
		process: {
			pid: programPid(),
			startedWallMs: startedMs.wall,
			memoryLimitMb: options.memoryLimitMb,
			environment: model.global.environment,
			startupLog: options.diagnostics.list.map((item) => formatDiagnostic(item, programPid())),
			node: model.global.node ?? hostname(),
			isStopping: options.isStopping,
			currentConnections: () => Atomics.load(gateWords, counterIndexes.process),
		},
		state,
		programLog: options.logger,
		checkOf: ({ backendName, name }) => options.health.resultOf(backendName, name),
		variables: {
			get: (name) => compiled.thread.processVariables.get(name),
			set(words) {
				const found = compiled.evaluateVariable(words);
				if ('error' in found) return found.error;
				const value = toPlain(found.value);
				compiled.thread.processVariables.receive(found.name, value);
				generation.tell({ kind: 'runtime-change', change: { kind: 'process-variable', name: found.name, value } });
				return undefined;
			},
		},
		agentOf: ({ backendName, name }) => options.health.agentOf(backendName, name),
		monitorOf: ({ backendName, name }) => options.health.monitorOf(backendName, name),
		setCheckEnabled: ({ backendName, name }, enabled) => options.health.setEnabled(backendName, name, enabled),
		resolvers: options.resolvers,
		updates: options.updates,
		dynamicServers: new ServerKeeper(compiled, generation, options.health),
		peers: options.peers.sections.size === 0 ? undefined : peersView(options.peers),
		aggregations,
		originStatuses: () => originStatuses(aggregations(), options.peers.redis.describe()),
		redisStatuses: () => options.peers.redis.describe(),
		frontendState(name) {
			const frontend = compiled.frontends.get(name);
			const { accepts, stopped, maxconn } = state.frontends.get(name) ?? { accepts: true, stopped: false, maxconn: 0 };
			const isFull = frontend !== undefined && maxconn > 0 && frontend.counters.current >= maxconn;
			return { status: stopped ? 'STOP' : !accepts ? 'PAUSED' : isFull ? 'FULL' : 'OPEN', maxconn };
		},
		processCounters: counters.object(counterIndexes.process),
		listenerCounters: (proxyName, bindId) => counters.object(counterIndexes.listener(proxyName, bindId)),
	};
}

function hasTls({ proxies }: ConfigModel): boolean {
	return proxies.some(({ binds, servers }) => [...binds, ...servers].some(({ tls }) => tls !== undefined));
}

function peersView(keeper: PeersKeeper): PeersView {
	const sections = () => [...keeper.sections.values()].map(({ section }) => section);
	const lags = new LagWatch();
	const peers = () => sections().flatMap((section) => describeSection(section, lags).peers);
	return {
		*show(name, withDictionary) {
			for (const section of sections()) {
				if (name !== undefined && section.name !== name) continue;
				yield formatPeers([describeSection(section, lags)], withDictionary, systemClock);
				for (const status of keeper.redis.describe()) if (status.section === section.name) yield formatRedis(status);
			}
		},
		has: (name) => keeper.sections.has(name),
		describe: () =>
			sections().map((section) => ({
				...describeSection(section, lags),
				redis: keeper.redis.describe().find((status) => status.section === section.name),
			})),
		activeCount: () => peers().filter(({ status }) => status === 'ESTA').length,
		connectedCount: () => peers().filter(({ isConnected }) => isConnected).length,
	};
}
