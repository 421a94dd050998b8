/** The statistics page and the exporter of one thread, put together from what was compiled. */
import { hostname } from 'node:os';
import type { ProxyModel } from '../config/model.js';
import { Bulletin } from '../shared/bulletin.js';
import type { StatsAccess } from '../stats/access.js';
import type { AdminEffects } from '../stats/admin.js';
import { StatsServices } from '../stats/services.js';
import { StatsSource } from '../stats/source.js';
import { RefusalRing, ruleFiles } from '../stream/refusals.js';
import type { CompiledConfiguration, CompileOptions } from './configuration.js';
import type { SharedState } from './shared-state.js';

/** Where nobody is to be told: the control thread serves no page, and tests have one thread. */
const NO_EFFECTS: AdminEffects = {
	serversChanged() {},
	shutDownSessions() {},
	setCheckEnabled() {},
	administered() {},
	healthForced() {},
};

/** Gives the thread its services, and the ring in which it notes whom it refused. */
export function provideStatistics(
	compiled: CompiledConfiguration,
	shared: SharedState,
	access: ReadonlyMap<ProxyModel, StatsAccess>,
	options: CompileOptions,
): void {
	const { model, tables, frontends, backends, counters, counterIndexes, thread } = compiled;
	const { clock, threadIndex } = options;
	if (threadIndex < model.global.nbthread) {
		thread.refusals = new RefusalRing(shared.stats.refusals, threadIndex, ruleFiles(model), tables.values());
	}
	const gateWords = new Int32Array(shared.gates);
	const source = new StatsSource({
		model,
		clock,
		frontends,
		backends,
		tables,
		processCounters: counters.object(counterIndexes.process),
		listenerCounters: (proxyName, bindId) => counters.object(counterIndexes.listener(proxyName, bindId)),
		bulletin: new Bulletin(shared.stats.bulletin),
		vitals: shared.stats.vitals,
		hostname: hostname(),
		startedMonotonicMs: options.startedMs?.monotonic ?? clock.monotonicMs(),
		startedWallMs: options.startedMs?.wall ?? clock.wallMs(),
		activeConnections: () => Atomics.load(gateWords, counterIndexes.process),
		isStopping: () => thread.isStopping,
		effects: options.adminEffects ?? NO_EFFECTS,
	});
	thread.services = new StatsServices(source, access);
}
