/**
 * The memory that all threads of a worker share, allocated once by the control thread from the model, and
 * where in it each thing is counted. Data threads get the buffers with the model and attach to them.
 */
import { randomBytes } from 'node:crypto';
import { Backend } from '../backend/backend.js';
import { hasDynamicBalance } from '../backend/balance/index.js';
import type { ResolvedServers } from '../backend/resolve.js';
import { CacheStore } from '../cache/store.js';
import { listeningProxies } from '../config/check-log-forward.js';
import type { ConfigModel, ProxyModel, StickTableModel, TuneModel } from '../config/model.js';
import { systemClock } from '../core/clock.js';
import { Bulletin } from '../shared/bulletin.js';
import { CounterMemory, type CounterShape } from '../shared/counters.js';
import { LogRing } from '../shared/log-ring.js';
import { allocateVitals } from '../shared/vitals.js';
import { REPORT_CAPACITY_BYTES } from '../stats/report.js';
import { haveSameRecords } from '../stick-table/layout.js';
import { StickTable } from '../stick-table/table.js';
import type { BackendTraffic } from '../stream/proxies.js';
import { allocateRefusals } from '../stream/refusals.js';

/** Forgotten with the process. */
const TICKET_KEYS = randomBytes(48);

export interface SharedState {
	/** By the names that rules use: the proxy's, or `<peers section>/<table>`. */
	readonly tables: ReadonlyMap<string, SharedArrayBuffer>;
	/** Stored responses, by the name of their `cache` section. */
	readonly caches: ReadonlyMap<string, SharedArrayBuffer>;
	/** State of the servers, by backend. */
	readonly backends: ReadonlyMap<string, SharedArrayBuffer>;
	/** Log lines, by the name of their ring. */
	readonly rings: ReadonlyMap<string, SharedArrayBuffer>;
	readonly counters: SharedArrayBuffer;
	readonly counterShape: CounterShape;
	/** Connections that hold a place (`maxconn`), a word for each object that `CounterIndexes` numbers. */
	readonly gates: SharedArrayBuffer;
	/** Keys of TLS tickets: the same in all threads, and over a reload of the process. */
	readonly ticketKeys: Uint8Array;
	/** What the names of `server` lines resolved to. */
	readonly resolved: ResolvedServers;
	/** For the statistics page and metrics: what the control thread tells, how threads fare, whom they refused. */
	readonly stats: {
		readonly bulletin: SharedArrayBuffer;
		readonly vitals: SharedArrayBuffer;
		readonly refusals: SharedArrayBuffer;
	};
}

/** Every stick table of a configuration: those of proxies, then those of peers sections. */
export function tableModels(model: ConfigModel): StickTableModel[] {
	const ofProxies = model.proxies.flatMap(({ stickTable }) => (stickTable === undefined ? [] : [stickTable]));
	return [...ofProxies, ...model.peers.flatMap(({ tables }) => tables)];
}

export const isFrontendSide = (proxy: ProxyModel): boolean => proxy.kind !== 'backend';
export const isBackendSide = (proxy: ProxyModel): boolean => proxy.kind !== 'frontend';

/** Servers that a backend has room for: those of the file, and those that may be added. */
export function serverCapacity(proxy: ProxyModel, tune: TuneModel): number {
	return proxy.servers.length + (hasDynamicBalance(proxy) ? tune.dynamicServers : 0);
}

/**
 * Numbers the objects that have counters: the process first, then for each proxy its frontend, its backend,
 * its listeners and its servers.
 */
export class CounterIndexes {
	/** Connections of the whole process. */
	readonly process = 0;
	readonly count: number;
	readonly #indexes = new Map<string, number>();

	constructor(model: ConfigModel) {
		let next = 1;
		for (const proxy of listeningProxies(model)) {
			if (isFrontendSide(proxy)) this.#indexes.set(`frontend ${proxy.name}`, next++);
			if (isBackendSide(proxy)) this.#indexes.set(`backend ${proxy.name}`, next++);
			for (const bind of proxy.binds) this.#indexes.set(`listener ${proxy.name} ${bind.id}`, next++);
			if (!isBackendSide(proxy)) continue;
			this.#indexes.set(`servers ${proxy.name}`, next);
			next += serverCapacity(proxy, model.global.tune);
		}
		this.count = next;
	}

	frontend(name: string): number {
		return this.#get(`frontend ${name}`);
	}

	backend(name: string): number {
		return this.#get(`backend ${name}`);
	}

	listener(proxyName: string, bindId: number): number {
		return this.#get(`listener ${proxyName} ${bindId}`);
	}

	/** `index`: the server's place in its backend's shared memory. */
	server(proxyName: string, index: number): number {
		return this.#get(`servers ${proxyName}`) + index;
	}

	#get(key: string): number {
		const index = this.#indexes.get(key);
		if (index === undefined) throw new Error(`no counters were numbered for ${key}`);
		return index;
	}
}

/** What was before, a generation that serves or a snapshot: the next one takes its tables over. */
export interface FormerState {
	/** By name. */
	readonly tables: ReadonlyMap<string, StickTable>;
	/** Likewise; a snapshot has none. */
	readonly rings?: ReadonlyMap<string, LogRing>;
	/** Memory of `cache` sections, by name. */
	readonly caches?: ReadonlyMap<string, { readonly store: { readonly buffer: SharedArrayBuffer } }>;
	/** Undefined: nothing serves. */
	readonly backends?: ReadonlyMap<string, BackendTraffic>;
}

/**
 * Reserves what the threads of a generation share. The control thread is one more thread, after the data
 * threads: it counts too, and looks at the servers.
 *
 * A table that `former` has with the same layout is taken over as it is: both generations then count on the same
 * memory. Counters of proxies and states of servers begin anew, as after a reload of HAProxy.
 * @throws HoldfastError TABLE_TOO_LARGE
 */
export function allocateShared(model: ConfigModel, resolved: ResolvedServers, former?: FormerState): SharedState {
	const tables = new Map(
		tableModels(model).map((table) => [table.name, takenOver(table, former) ?? StickTable.allocate(table)]),
	);
	const { nbthread } = model.global;
	const nowMs = systemClock.monotonicMs();
	const backends = new Map<string, SharedArrayBuffer>();
	for (const proxy of model.proxies) {
		if (!isBackendSide(proxy)) continue;
		const capacity = serverCapacity(proxy, model.global.tune);
		const state = Backend.allocateState(proxy, nbthread + 1, nowMs, resolved.get(proxy.name), capacity);
		backends.set(proxy.name, state);
	}
	const indexes = new CounterIndexes(model);
	const counterShape: CounterShape = { objectCount: indexes.count, threadCount: nbthread + 1 };
	const caches = new Map(
		model.caches.map((cache) => {
			const kept = former?.caches?.get(cache.name)?.store.buffer;
			const sizeBytes = CacheStore.sizeBytes(cache);
			return [cache.name, kept?.byteLength === sizeBytes ? kept : CacheStore.allocate(cache)] as const;
		}),
	);
	return {
		tables,
		caches,
		backends,
		rings: new Map(
			model.rings.map(({ name, sizeBytes }) => {
				const before = former?.rings?.get(name);
				return [name, before?.sizeBytes === sizeBytes ? before.buffer : LogRing.allocate(sizeBytes)];
			}),
		),
		counters: CounterMemory.allocate(counterShape),
		counterShape,
		// One for each object, and one for all TLS connections.
		gates: new SharedArrayBuffer((indexes.count + 1) * Int32Array.BYTES_PER_ELEMENT),
		ticketKeys: TICKET_KEYS,
		resolved,
		stats: {
			bulletin: Bulletin.allocate(REPORT_CAPACITY_BYTES),
			vitals: allocateVitals(nbthread),
			refusals: allocateRefusals(nbthread),
		},
	};
}

function takenOver(table: StickTableModel, former: FormerState | undefined): SharedArrayBuffer | undefined {
	const formerTable = former?.tables.get(table.name);
	return formerTable !== undefined && haveSameLayout(formerTable.model, table) ? formerTable.buffer : undefined;
}

/** Whether two declarations lay out their memory alike, so that threads of both may share it. */
export function haveSameLayout(a: StickTableModel, b: StickTableModel): boolean {
	return haveSameRecords(a, b) && a.size === b.size && a.expireMs === b.expireMs && a.sumOf === b.sumOf;
}
