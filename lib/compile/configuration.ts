/**
 * A whole configuration, compiled for one thread: tables, then the rules of every proxy, then the backends,
 * then the frontends that lead to them. All lines are compiled even after a faulty one, so that one run
 * names every mistake; only then is anything built from them.
 */
import { hostname } from 'node:os';
import { compileAcl } from '../acl/acl.js';
import { type Condition, compileCondition } from '../acl/condition.js';
import { Backend, type BackendOptions, type PersistRule, type UseServerRule } from '../backend/backend.js';
import { compileHealthCheck } from '../backend/health/compile-check.js';
import type { CompiledCheck } from '../backend/health/steps.js';
import type { ServerLink } from '../backend/server.js';
import { StickRules } from '../backend/stick-rules.js';
import { CacheStore } from '../cache/store.js';
import { listeningProxies } from '../config/check-log-forward.js';
import type { BindModel, ConfigModel, Line, ProxyModel } from '../config/model.js';
import { type Clock, systemClock } from '../core/clock.js';
import { Diagnostics } from '../core/diagnostics.js';
import type { Logger } from '../core/logger.js';
import { Frontend, type StreamLogger, type UseBackendRule } from '../frontend/frontend.js';
import type { TlsAcceptor } from '../frontend/tls-acceptor.js';
import { compileErrorReplies, type ErrorReplies } from '../rules/error-replies.js';
import { compileRuleSets, joinRuleSets, type ProxyRuleSets } from '../rules/ruleset.js';
import { requestCaptureSlots, responseCaptureSlots } from '../sample/capture-slots.js';
import { compileExpression } from '../sample/expression.js';
import { compileLogFormat, type LogFormat } from '../sample/log-format.js';
import { type PatternRegistry, patternRegistry } from '../sample/pattern-registry.js';
import type { SharedChange } from '../sample/shared-change.js';
import type { CompileContext, Expression, ProcessView, RuleSite } from '../sample/types.js';
import { CounterMemory } from '../shared/counters.js';
import { attachRings, type LogRing } from '../shared/log-ring.js';
import { compileStatsAccess, type StatsAccess } from '../stats/access.js';
import type { AdminEffects } from '../stats/admin.js';
import { SumTable } from '../stick-table/sum-table.js';
import { StickTable } from '../stick-table/table.js';
import type { ThreadCache } from '../stream/filters/caching.js';
import { compileFilters, type ProxyFilters } from '../stream/filters/proxy-filters.js';
import { compileForwardedHeader, type ForwardedHeader } from '../stream/forwarded-header.js';
import { ProcessVariables } from '../stream/process-variables.js';
import type { BackendTraffic } from '../stream/proxies.js';
import { ThreadRuntime, type ThreadRuntimeOptions } from '../stream/thread-runtime.js';
import { Names, ProxyContext } from './context.js';
import { DynamicServers } from './dynamic-servers.js';
import { evaluateVariable, setGlobalVariables } from './global-variables.js';
import { buildLogForwards, type LogForwardTraffic } from './log-forwards.js';
import { compileStreamLogger, type TrafficLogs } from './logging.js';
import { compilePersistRule, compileStickRule } from './persistence.js';
import {
	CounterIndexes,
	isBackendSide,
	isFrontendSide,
	type SharedState,
	serverCapacity,
	tableModels,
} from './shared-state.js';
import { provideStatistics } from './statistics.js';
import { compileBindTls, compileServerLinks } from './tls.js';
import { checkUnusedDefaults } from './unused-defaults.js';

/** What a thread is made of. */
export interface CompiledConfiguration {
	readonly model: ConfigModel;
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly rings: ReadonlyMap<string, LogRing>;
	readonly backends: ReadonlyMap<string, BackendTraffic>;
	readonly frontends: ReadonlyMap<string, Frontend>;
	readonly caches: ReadonlyMap<string, ThreadCache>;
	readonly logForwards: readonly LogForwardTraffic[];
	readonly counters: CounterMemory;
	readonly counterIndexes: CounterIndexes;
	readonly thread: ThreadRuntime;
	/** Maps and ACLs, which the runtime API changes. */
	readonly patterns: PatternRegistry;
	/** How the servers of each backend are checked; run by the control thread alone. */
	readonly healthChecks: ReadonlyMap<string, CompiledCheck>;
	readonly tlsAcceptors: ReadonlyMap<BindModel, TlsAcceptor>;
	/** `set var` of the runtime API: the words of a line of `global`. */
	readonly evaluateVariable: (words: readonly string[]) => ReturnType<typeof evaluateVariable>;
	/** `add server`, `del server`. */
	readonly dynamicServers: DynamicServers;
}

export interface CompileOptions {
	readonly threadIndex: number;
	readonly clock: Clock;
	readonly logger: ThreadRuntimeOptions['logger'];
	readonly trafficLogs: TrafficLogs;
	/** Tells another thread that slots of a backend were granted to it. */
	readonly wake: (threadIndex: number, backendId: number) => void;
	/** What an action of the statistics page asks of other threads; without it they are not told. */
	readonly adminEffects?: AdminEffects;
	/** Tells the other threads what a rule has changed; absent where no traffic comes. */
	readonly share?: (change: SharedChange) => void;
	/** Also says what is wrong with defaults sections that no proxy uses. */
	readonly checksUnusedDefaults?: boolean;
	/** When the process began. */
	readonly startedMs?: { readonly wall: number; readonly monotonic: number };
}

/** The lines of a proxy, compiled; nothing is built from them until all proxies are without mistakes. */
interface ProxyParts {
	readonly model: ProxyModel;
	readonly rules: ProxyRuleSets;
	readonly errorReplies: ErrorReplies;
	readonly filters: ProxyFilters | undefined;
	readonly useBackends: readonly { readonly condition: Condition | undefined; readonly name: string | LogFormat }[];
	readonly monitorFails: readonly Condition[];
	readonly uniqueIdFormat: LogFormat | undefined;
	readonly useServers: readonly UseServerRule[];
	readonly stickRules: StickRules | undefined;
	readonly persistRules: readonly PersistRule[];
	readonly hashExpression: Expression | undefined;
	readonly streamLogger: StreamLogger | undefined;
	readonly healthCheck: CompiledCheck | undefined;
	readonly serverLinks: ReadonlyMap<string, ServerLink>;
	readonly stats: StatsAccess | undefined;
	readonly forwarded: ForwardedHeader | undefined;
}

/** Attaches to the tables of a configuration; `write-to` leads from one to the other. */
export function attachTables(model: ConfigModel, shared: SharedState): ReadonlyMap<string, StickTable> {
	const tables = new Map<string, StickTable>();
	for (const table of tableModels(model)) {
		const buffer = shared.tables.get(table.name);
		if (buffer === undefined) throw new Error(`no memory was allocated for table ${table.name}`);
		if (table.sumOf === undefined) tables.set(table.name, new StickTable(table, buffer));
	}
	for (const table of tableModels(model)) {
		const own = table.sumOf === undefined ? undefined : tables.get(table.sumOf);
		const buffer = shared.tables.get(table.name);
		if (own !== undefined && buffer !== undefined) tables.set(table.name, new SumTable(table, buffer, own));
	}
	for (const { name, writeTo } of tableModels(model)) {
		const target = writeTo === undefined ? undefined : tables.get(writeTo);
		if (target !== undefined) tables.get(name)?.linkWriteTo(target);
	}
	return tables;
}

/** Compiles for one thread; undefined after any alert in `diagnostics`. */
export function compileConfiguration(
	model: ConfigModel,
	shared: SharedState,
	diagnostics: Diagnostics,
	options: CompileOptions,
): CompiledConfiguration | undefined {
	const { threadIndex, clock, logger } = options;
	const errorsBefore = diagnostics.errorCount;
	const tables = attachTables(model, shared);
	const counters = new CounterMemory(shared.counterShape, shared.counters, threadIndex);
	const counterIndexes = new CounterIndexes(model);
	const gateWords = new Int32Array(shared.gates);
	const activeConnections = (): number => Atomics.load(gateWords, counterIndexes.process);
	const processVariables = new ProcessVariables(options.share);
	const caches = new Map<string, ThreadCache>();
	for (const cache of model.caches) {
		const buffer = shared.caches.get(cache.name);
		if (buffer !== undefined) caches.set(cache.name, { model: cache, store: new CacheStore(cache, buffer) });
	}
	const thread = new ThreadRuntime({
		clock,
		logger,
		global: model.global,
		caches,
		activeConnections,
		processVariables,
	});
	const processView: ProcessView = {
		clock,
		hostname: hostname(),
		threadIndex,
		threadCount: model.global.nbthread,
		activeConnections,
		isStopping: () => thread.isStopping,
		...(options.share === undefined ? {} : { share: options.share }),
	};
	const names = new Names(model, tables, processView);
	setGlobalVariables(model.global.variables, processVariables, new ProxyContext(names, undefined, diagnostics));
	const parts: ProxyParts[] = [];
	for (const proxy of model.proxies) {
		const compiled = compileProxy(proxy, new ProxyContext(names, proxy, diagnostics), options.trafficLogs);
		if (compiled !== undefined) parts.push(compiled);
	}
	if (options.checksUnusedDefaults === true) checkUnusedDefaults(names, diagnostics);
	const tlsAcceptors = compileBindTls(
		listeningProxies(model).flatMap(({ binds, disabled }) => (disabled ? [] : binds)),
		shared.ticketKeys,
		model.global.tune.tls,
		diagnostics,
	);
	if (diagnostics.errorCount > errorsBefore || parts.length < model.proxies.length) return undefined;

	const backends = new Map<string, BackendTraffic>();
	const surroundings = { model, fullconns: defaultFullconns(model), shared, tables, counters, counterIndexes, options };
	for (const part of parts) {
		if (!isBackendSide(part.model)) continue;
		const traffic = buildBackend(part, surroundings);
		names.backend(part.model.name)?.become(traffic.backend);
		backends.set(part.model.name, traffic);
	}
	const frontends = new Map<string, Frontend>();
	for (const part of parts) {
		if (!isFrontendSide(part.model)) continue;
		const { name } = part.model;
		const frontend = new Frontend({
			model: part.model,
			thread,
			rules: part.rules,
			errorReplies: part.errorReplies,
			filters: part.filters,
			counters: counters.object(counterIndexes.frontend(name)),
			requestCaptureSlots: requestCaptureSlots(part.model),
			responseCaptureSlots: responseCaptureSlots(part.model),
			uniqueIdFormat: part.uniqueIdFormat,
			useBackends: part.useBackends.map((rule) => useBackendRule(rule, backends)),
			defaultBackend: backends.get(part.model.defaultBackend?.name ?? (part.model.kind === 'listen' ? name : '')),
			backends,
			monitorFails: part.monitorFails,
			table: tables.get(name),
			logger: part.streamLogger,
		});
		names.frontend(name)?.become(frontend);
		frontends.set(name, frontend);
	}
	const patterns = patternRegistry({ diagnostics });
	for (const { id, kind, place } of model.updates) patterns.expect(id, kind, place, 'update id');
	patterns.warnOfUnread(diagnostics);
	const healthChecks = new Map<string, CompiledCheck>();
	for (const { model: proxy, healthCheck } of parts) {
		if (healthCheck !== undefined) healthChecks.set(proxy.name, healthCheck);
	}
	const compiled: CompiledConfiguration = {
		model,
		tables,
		rings: attachRings(shared.rings),
		backends,
		frontends,
		caches,
		logForwards: buildLogForwards(model, { thread, counters, counterIndexes, sinkFor: options.trafficLogs.sinkFor }),
		counters,
		counterIndexes,
		thread,
		patterns,
		healthChecks,
		tlsAcceptors,
		evaluateVariable: (words) =>
			evaluateVariable(words, processVariables, new ProxyContext(names, undefined, new Diagnostics())),
		dynamicServers: new DynamicServers({
			model,
			names,
			backends,
			counters,
			counterIndexes,
			contextOf: (proxy) => new ProxyContext(names, proxy, new Diagnostics()),
		}),
	};
	const access = parts.flatMap((part) => (part.stats === undefined ? [] : [[part.model, part.stats] as const]));
	provideStatistics(compiled, shared, new Map(access), options);
	return compiled;
}

/** For the control thread: the same objects, to check the lines and to look at; no traffic comes to them. */
export function compileForControl(
	model: ConfigModel,
	shared: SharedState,
	diagnostics: Diagnostics,
	logger: Logger,
): CompiledConfiguration | undefined {
	return compileConfiguration(model, shared, diagnostics, {
		threadIndex: model.global.nbthread,
		checksUnusedDefaults: true,
		clock: systemClock,
		logger,
		trafficLogs: { logFor: () => undefined },
		wake: () => undefined,
	});
}

function compileProxy(model: ProxyModel, context: ProxyContext, trafficLogs: TrafficLogs): ProxyParts | undefined {
	// An ACL that no rule uses is compiled for its mistakes alone.
	for (const name of new Set(model.acls.map((line) => line.words[0] ?? ''))) compileAcl(name, context);
	const rules = compileAllRules(model, context);
	const errorReplies = compileErrorReplies(model, context);
	const filters = compileFilters(model, context);
	const useBackends = compileAll(model.useBackends, (line) => compileUseBackend(line, context));
	const monitorFails = compileAll(model.monitorFails, (line) =>
		compileCondition(line.words, 0, context.at(line.place, 'monitor fail')),
	);
	const uniqueIdFormat =
		model.uniqueIdFormat === undefined
			? undefined
			: compileLogFormat(
					model.uniqueIdFormat.words.join(' '),
					context.at(model.uniqueIdFormat.place, 'unique-id-format'),
				);
	const useServers = compileAll(model.useServers, (line) => compileUseServer(line, context));
	const stickRules = compileAll(model.stickRules, (rule) => compileStickRule(rule, context));
	const persistRules = compileAll(model.persistRules, (rule) => compilePersistRule(rule, context));
	const hashExpression = compileHashExpression(model, context);
	const serverLinks = compileServerLinks(model, context);
	const forwarded = compileForwarded(model, context);
	const healthCheck = isBackendSide(model) ? compileHealthCheck(model, context) : undefined;
	const streamLogger = isFrontendSide(model) ? compileStreamLogger(model, context, trafficLogs) : undefined;
	const stats = model.stats === undefined ? undefined : compileStatsAccess(model.stats, context);
	if (
		rules === undefined ||
		errorReplies === undefined ||
		filters === 'failed' ||
		useBackends === undefined ||
		monitorFails === undefined ||
		useServers === undefined ||
		stickRules === undefined ||
		persistRules === undefined ||
		(model.stats !== undefined && stats === undefined) ||
		(isBackendSide(model) && healthCheck === undefined) ||
		serverLinks === undefined ||
		forwarded === 'failed' ||
		(model.uniqueIdFormat !== undefined && uniqueIdFormat === undefined)
	) {
		return undefined;
	}
	return {
		model,
		rules,
		errorReplies,
		filters,
		useBackends,
		monitorFails,
		uniqueIdFormat,
		useServers,
		stickRules: stickRules.length === 0 ? undefined : new StickRules(stickRules),
		persistRules,
		hashExpression,
		streamLogger,
		stats,
		healthCheck,
		serverLinks,
		forwarded,
	};
}

function compileForwarded(model: ProxyModel, context: ProxyContext): ForwardedHeader | undefined | 'failed' {
	const line = model.options.forwarded;
	if (line === undefined || !isBackendSide(model)) return undefined;
	return compileForwardedHeader(line, context.at(line.place, 'http-request')) ?? 'failed';
}

/** The rules of the proxy's defaults section, then its own. */
function compileAllRules(model: ProxyModel, context: ProxyContext): ProxyRuleSets | undefined {
	const own = compileRuleSets(model, context);
	const { inheritedRules } = model;
	if (inheritedRules === undefined) return own;
	const outer = context.withAcls(inheritedRules.acls);
	for (const name of new Set(inheritedRules.acls.map((line) => line.words[0] ?? ''))) compileAcl(name, outer);
	const inherited = compileRuleSets(inheritedRules, outer);
	return own === undefined || inherited === undefined ? undefined : joinRuleSets(inherited, own);
}

/** Every line, or undefined if one failed. */
function compileAll<L extends Line, T>(lines: readonly L[], compile: (line: L) => T | undefined): T[] | undefined {
	const compiled = lines.map(compile);
	return compiled.some((one) => one === undefined) ? undefined : (compiled as T[]);
}

/** The condition that begins at `if` or `unless`; `true` for none, undefined after an error. */
function conditionOf(line: Line, site: RuleSite, context: CompileContext): Condition | true | undefined {
	const at = line.words.findIndex((word) => word === 'if' || word === 'unless');
	return at < 0 ? true : compileCondition(line.words, at, context.at(line.place, site));
}

function compileUseBackend(
	line: Line,
	context: CompileContext,
): { condition: Condition | undefined; name: string | LogFormat } | undefined {
	const condition = conditionOf(line, 'use_backend', context);
	if (condition === undefined) return undefined;
	const name = nameOrFormat(line.words[0] ?? '', context.at(line.place, 'use_backend'));
	return name === undefined ? undefined : { condition: condition === true ? undefined : condition, name };
}

/** A plain name, or a log-format expression that gives one for each request. */
function nameOrFormat(text: string, context: CompileContext): string | LogFormat | undefined {
	return text.includes('%') ? compileLogFormat(text, context) : text;
}

function useBackendRule(
	rule: ProxyParts['useBackends'][number],
	backends: ReadonlyMap<string, BackendTraffic>,
): UseBackendRule {
	const { condition, name } = rule;
	if (typeof name !== 'string') return { condition, target: name };
	const target = backends.get(name);
	// The reader of the configuration has refused names that lead nowhere.
	if (target === undefined) throw new Error(`backend ${name} was not built`);
	return { condition, target };
}

function compileUseServer(line: Line, context: CompileContext): UseServerRule | undefined {
	const condition = conditionOf(line, 'use-server', context);
	const name = nameOrFormat(line.words[0] ?? '', context.at(line.place, 'use-server'));
	if (condition === undefined || name === undefined) return undefined;
	return {
		name: typeof name === 'string' ? () => name : (view) => name.render(view),
		test: condition === true ? () => true : (view) => condition.test(view) === true,
	};
}

function compileHashExpression(model: ProxyModel, context: CompileContext): Expression | undefined {
	if (model.balance.algorithm !== 'hash') return undefined;
	const { expression } = model.balance;
	return compileExpression(expression.words, 0, context.at(expression.place, 'balance'))?.expression;
}

interface BackendSurroundings {
	readonly model: ConfigModel;
	readonly fullconns: ReadonlyMap<string, number>;
	readonly shared: SharedState;
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly counters: CounterMemory;
	readonly counterIndexes: CounterIndexes;
	readonly options: CompileOptions;
}

function buildBackend(part: ProxyParts, surroundings: BackendSurroundings): BackendTraffic {
	const { model: proxy } = part;
	const { shared, tables, counters, counterIndexes, options } = surroundings;
	const state = shared.backends.get(proxy.name);
	if (state === undefined) throw new Error(`no memory was allocated for backend ${proxy.name}`);
	const ownCounters = counters.object(counterIndexes.backend(proxy.name));
	const { hashExpression } = part;
	const serverCounters = proxy.servers.map((_, index) => counters.object(counterIndexes.server(proxy.name, index)));
	const resolved = shared.resolved.get(proxy.name);
	const backendOptions: BackendOptions = {
		model: proxy,
		state,
		threadIndex: options.threadIndex,
		threadCount: surroundings.model.global.nbthread + 1,
		capacity: serverCapacity(proxy, surroundings.model.global.tune),
		clock: options.clock,
		wake: (threadIndex) => options.wake(threadIndex, proxy.id),
		useServers: part.useServers,
		stickRules: part.stickRules,
		persistRules: part.persistRules,
		table: tables.get(proxy.name),
		fullconn: proxy.fullconn ?? surroundings.fullconns.get(proxy.name) ?? 1,
		counters: ownCounters,
		serverCounters,
		serverLinks: part.serverLinks,
		...(resolved === undefined ? {} : { resolved }),
		...(hashExpression === undefined ? {} : { hashExpression: hashExpression.evaluate }),
	};
	return {
		model: proxy,
		backend: new Backend(backendOptions),
		rules: part.rules,
		errorReplies: part.errorReplies,
		filters: part.filters,
		forwarded: part.forwarded,
		counters: ownCounters,
		serverCounters,
	};
}

/**
 * For each backend a tenth of the sum of `maxconn` of the frontends that may lead to it by a plain name, as the
 * manual computes `fullconn` where it is not given. Made in one walk: a question of each backend to each frontend
 * would cost minutes with ten thousand of both.
 */
function defaultFullconns(model: ConfigModel): ReadonlyMap<string, number> {
	const sums = new Map<string, number>();
	for (const frontend of model.proxies) {
		if (!isFrontendSide(frontend)) continue;
		const targets = new Set(frontend.useBackends.map((line) => line.words[0] ?? ''));
		if (frontend.defaultBackend !== undefined) targets.add(frontend.defaultBackend.name);
		if (frontend.kind === 'listen') targets.add(frontend.name);
		for (const name of targets) sums.set(name, (sums.get(name) ?? 0) + frontend.maxconn);
	}
	for (const [name, sum] of sums) sums.set(name, Math.max(1, Math.floor((sum + 9) / 10)));
	return sums;
}
