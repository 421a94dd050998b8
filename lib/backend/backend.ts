/**
 * A backend as one data thread sees it: the choice of a server, the wait for a slot, and giving it back.
 *
 * `choose` is the order of the manual: the server that persistence has found (a cookie, a `use-server`
 * rule or a stick table: `persistentServer` of the request), then the algorithm, then the queue. Who is
 * persistent is found once per request, before the first `choose`; a redispatch clears it and chooses
 * again with `avoid` (`option redispatch`, `retries` and `retry-on` are the stream's part).
 *
 * What is shared by threads is in `shared/server-state.ts`; what this thread keeps for itself (queued
 * requests, idle connections, maps and rings) hangs below.
 */
import type { ProxyModel, ServerModel } from '../config/model.js';
import type { LastServerState } from '../config/server-state-file.js';
import type { Clock, Timer } from '../core/clock.js';
import type { ProxyView, StreamView } from '../sample/types.js';
import type { Counters } from '../shared/counters.js';
import { ServerAdmin, ServerOperation, type ServerStateShape, ServerStates } from '../shared/server-state.js';
import type { StickTable } from '../stick-table/table.js';
import type { BalanceAlgorithm } from './balance/algorithm.js';
import { createAlgorithm } from './balance/index.js';
import type { HashableSample } from './balance/keys.js';
import { rdpCookie, rdpServerAddress } from './balance/rdp-cookie.js';
import { Farm } from './farm.js';
import { CookiePersistence } from './persistence.js';
import type { QueueTicket } from './queue.js';
import { type ResolvedAddress, Server, type ServerLink, serverAddressKey } from './server.js';
import { Slots } from './slots.js';
import type { StickRules } from './stick-rules.js';

/** What a backend knows of a request that wants a server; the stream implements it. */
export interface ServerRequest {
	readonly view: StreamView;
	/** The server found by cookie, `use-server` or stick table; cleared by the stream when it redispatches. */
	persistentServer: Server | undefined;
	/** Served the client last, and is to do so again if the algorithm is free to choose. */
	readonly preferredServer: Server | undefined;
	/** `force-persist` applies: the persistent server is used even if it is down. */
	readonly forcePersist: boolean;
	/** -2047..2047, lower first. */
	readonly priorityClass: number;
	readonly priorityOffsetMs: number;
	/** Requests before this one in the server's and in the backend's queue when it began to wait (`%sq`, `%bq`). */
	serverQueuePosition: number;
	backendQueuePosition: number;
	/** The backend's own; undefined at first and whenever the request does not wait. */
	queueTicket: QueueTicket | undefined;
	/** Called after `choose` returned 'queued', or during it: a slot of this server is taken. */
	serverAssigned(server: Server): void;
	/** `timeout queue` has passed; the request waits no more. */
	queueTimedOut(): void;
	/** The server it waited for is gone; it waits no more. The stream chooses again, or gives up. */
	serverLost(): void;
}

/** A `use-server` rule, compiled. */
export interface UseServerRule {
	/** The server's name; undefined when it cannot be told. */
	readonly name: (view: StreamView) => string | undefined;
	readonly test: (view: StreamView) => boolean;
}

/** A `force-persist` or `ignore-persist` line, compiled. */
export interface PersistRule {
	readonly kind: 'force' | 'ignore';
	readonly test: (view: StreamView) => boolean;
}

export interface BackendOptions {
	readonly model: ProxyModel;
	/** From `Backend.allocateState`, the same for all threads. */
	readonly state: SharedArrayBuffer;
	readonly threadIndex: number;
	readonly threadCount: number;
	/** Servers there is room for in `state`; as many as the model has, if it is not said. */
	readonly capacity?: number;
	readonly clock: Clock;
	/** Makes `collectSlots` be called soon on that thread's backend of this name. */
	readonly wake: (threadIndex: number) => void;
	/** Addresses of servers whose line has a name, by server name; see `resolve.ts`. */
	readonly resolved?: ReadonlyMap<string, ResolvedAddress>;
	readonly useServers?: readonly UseServerRule[];
	/** `stick` rules; undefined when there are none. */
	readonly stickRules?: StickRules | undefined;
	/** `force-persist` and `ignore-persist`. */
	readonly persistRules?: readonly PersistRule[];
	/** The expression of `balance hash`. */
	readonly hashExpression?: (view: StreamView) => HashableSample | undefined;
	readonly table?: StickTable | undefined;
	/** `fullconn`, or a tenth of the summed maxconn of the frontends that may come here. */
	readonly fullconn: number;
	/** Where the stream counts, read here for the rates that fetches ask for; 0 where nobody counts. */
	readonly counters?: Counters;
	/** By server name. */
	readonly serverLinks?: ReadonlyMap<string, ServerLink>;
	/** By position of the server. */
	readonly serverCounters?: readonly Counters[];
	readonly random?: () => number;
}

export type Choice = Server | 'queued' | 'none';

/** How often queued requests are looked at for their timeout, and the farm for changes, while any wait. */
const QUEUE_TICK_MS = 20;

/** Times a choice is made again when another thread took the slot in between. */
const MAX_RACES = 4;

export class Backend implements ProxyView {
	readonly model: ProxyModel;
	readonly name: string;
	readonly id: number;
	readonly mode: 'http' | 'tcp';
	readonly isFrontend = false;
	readonly isBackend = true;
	readonly defaultBackendName = undefined;
	readonly table: StickTable | undefined;
	readonly maxconn: number;
	readonly fullconn: number;
	/** In the order of the file, then of `add server`. */
	readonly servers: readonly Server[];
	readonly #servers: Server[];
	readonly serverTimeoutMs: number | undefined;
	readonly clientTimeoutMs: number | undefined;
	readonly tunnelTimeoutMs: number | undefined;
	readonly states: ServerStates;
	readonly stickRules: StickRules | undefined;
	readonly persistRules: readonly PersistRule[];
	/** The `cookie` line, if there is one. */
	readonly persistence: CookiePersistence | undefined;
	readonly #farm: Farm;
	readonly #algorithm: BalanceAlgorithm;
	readonly #slots: Slots;
	readonly #clock: Clock;
	readonly #useServers: readonly UseServerRule[];
	/** Of `dispatch`: never full, never down, in nobody's list. */
	readonly #dispatch: Server | undefined;
	readonly #byName = new Map<string, Server>();
	readonly #byId = new Map<number, Server>();
	readonly #counters: Counters | undefined;
	#timer: Timer | undefined;

	/** Shared memory for the servers of a backend, filled with their configured state. Called once per worker. */
	static allocateState(
		model: ProxyModel,
		threadCount: number,
		nowMs: number,
		resolved?: ReadonlyMap<string, ResolvedAddress>,
		capacity = model.servers.length,
	): SharedArrayBuffer {
		const shape = { capacity, threadCount };
		const buffer = ServerStates.allocate(shape);
		const states = new ServerStates(shape, buffer);
		for (const [index, server] of model.servers.entries()) {
			const hasAddress = server.address.kind !== 'name' || resolved?.has(server.name) === true;
			const admin =
				(server.disabled ? ServerAdmin.FORCED_MAINT | ServerAdmin.CONFIG_MAINT : 0) |
				(hasAddress ? 0 : ServerAdmin.RESOLUTION_MAINT);
			const weight = resolved?.get(server.name)?.weight ?? server.weight;
			states.initialize(index, weight, server.maxconn, admin, nowMs);
			if (server.lastState !== undefined) applyLastState(states, index, server, server.lastState, nowMs);
		}
		return buffer;
	}

	constructor(options: BackendOptions) {
		const { model, clock } = options;
		this.model = model;
		this.name = model.name;
		this.id = model.id;
		this.mode = model.mode;
		this.table = options.table;
		this.maxconn = model.maxconn;
		this.fullconn = options.fullconn;
		this.serverTimeoutMs = model.timeouts.serverMs;
		this.clientTimeoutMs = model.timeouts.clientMs;
		this.tunnelTimeoutMs = model.timeouts.tunnelMs;
		this.#clock = clock;
		this.#counters = options.counters;
		this.#useServers = options.useServers ?? [];
		this.stickRules = options.stickRules;
		this.persistRules = options.persistRules ?? [];
		const shape = { capacity: options.capacity ?? model.servers.length, threadCount: options.threadCount };
		const states = new ServerStates(shape, options.state);
		this.states = states;
		this.#servers = [];
		this.servers = this.#servers;
		for (const [index, server] of model.servers.entries()) {
			this.#enter(
				new Server({
					model: server,
					index,
					states,
					clock,
					resolved: options.resolved?.get(server.name),
					reuse: model.httpReuse,
					backendName: model.name,
					counters: options.serverCounters?.[index],
					link: options.serverLinks?.get(server.name),
				}),
			);
		}
		this.#dispatch = model.dispatch === undefined ? undefined : dispatchServer(model, model.dispatch, shape, clock);
		this.persistence =
			model.cookie === undefined
				? undefined
				: new CookiePersistence({
						model: model.cookie,
						servers: this.servers,
						dynamicKey: model.dynamicCookieKey,
						usesDeadServers: model.options.persist,
					});
		this.#farm = new Farm(states, this.servers, {
			allBackups: model.options.allbackups,
			fullconn: options.fullconn,
		});
		const algorithm = createAlgorithm(model, options.hashExpression, options.random);
		this.#algorithm = algorithm;
		this.#slots = new Slots({
			farm: this.#farm,
			threadIndex: options.threadIndex,
			wake: options.wake,
			assign: (request, server) => request.serverAssigned(server),
			loadChanged: algorithm.loadChanged === undefined ? () => {} : (server) => algorithm.loadChanged?.(server),
		});
	}

	#enter(server: Server): void {
		this.#servers.push(server);
		this.#byName.set(server.name, server);
		this.#byId.set(server.id, server);
	}

	/** A place in the shared memory for one more server; undefined when all are taken. Asked by the control thread alone. */
	vacantIndex(): number | undefined {
		const taken = new Set(this.servers.map((server) => server.index));
		for (let index = 0; index < this.states.capacity; index++) {
			if (!taken.has(index) && this.states.isVacant(index)) return index;
		}
		return undefined;
	}

	/**
	 * `add server`: one more server, whose state stands in shared memory already. Requests meet it once
	 * `ServerStates.serversChanged` has been called, after all threads know it.
	 */
	addServer(model: ServerModel, index: number, counters: Counters | undefined, link: ServerLink | undefined): Server {
		const { states, name } = this;
		const reuse = this.model.httpReuse;
		const server = new Server({ model, index, states, clock: this.#clock, reuse, backendName: name, counters, link });
		this.#enter(server);
		this.persistence?.addressesChanged();
		return server;
	}

	/** `del server`: nobody finds it any more, and its idle connections of this thread close. */
	removeServer(name: string): void {
		const server = this.#byName.get(name);
		if (server === undefined) return;
		this.#servers.splice(this.#servers.indexOf(server), 1);
		this.#byName.delete(name);
		this.#byId.delete(server.id);
		this.persistence?.addressesChanged();
		server.idle.closeAll();
	}

	/** A stream has come to this backend: it counts for `fullconn` until `streamEnded`. */
	streamStarted(): void {
		this.states.addBackendCurrent(1);
	}

	streamEnded(): void {
		this.states.addBackendCurrent(-1);
	}

	/**
	 * The server of the first `use-server` rule whose condition holds (manual, 4.2 `use-server`); undefined
	 * when no rule applies, or the one that does names no running server.
	 */
	serverByRules(view: StreamView, usesDead: boolean): Server | undefined {
		for (const rule of this.#useServers) {
			if (!rule.test(view)) continue;
			const name = rule.name(view);
			const server = name === undefined ? undefined : this.#byName.get(name);
			return usesDead || this.model.options.persist || server?.isRunning() ? server : undefined;
		}
		return undefined;
	}

	/** Whether a `force-persist` or an `ignore-persist` rule holds (manual, 4.2). */
	persistRuleHolds(kind: PersistRule['kind'], view: StreamView): boolean {
		for (const rule of this.persistRules) if (rule.kind === kind && rule.test(view)) return true;
		return false;
	}

	/** The server of an RDP cookie, if it may be used (manual, 4.2 `persist rdp-cookie`). */
	serverByRdpCookie(bytes: Buffer, name: string, usesDead: boolean): Server | undefined {
		const value = rdpCookie(bytes, name);
		const wanted = value === undefined ? undefined : rdpServerAddress(value);
		if (wanted === undefined) return undefined;
		const server = this.servers.find(({ address, port }) => address === wanted.address && port === wanted.port);
		return server?.isRunning() || usesDead || this.model.options.persist ? server : undefined;
	}

	serverByName(name: string): Server | undefined {
		return this.#byName.get(name);
	}

	serverById(id: number): Server | undefined {
		return this.#byId.get(id);
	}

	/** By what stick tables keep as `server_key`: its name, or `address:port` (`srvkey addr`). */
	serverByKey(key: string, kind: 'name' | 'addr'): Server | undefined {
		if (kind === 'name') return this.#byName.get(key);
		return this.servers.find((server) => serverAddressKey(server) === key);
	}

	/**
	 * A server for the request, its slot taken; 'queued' when the request now waits (it will be told);
	 * 'none' when there is no server to wait for: 503.
	 */
	choose(request: ServerRequest, avoid?: Server): Choice {
		this.#farm.refresh();
		const bound = request.persistentServer;
		if (bound !== undefined) {
			const choice = this.#choosePersistent(request, bound);
			return choice === 'other' ? (this.#dispatch ?? this.#balance(request, bound)) : choice;
		}
		return this.#dispatch ?? this.#balance(request, avoid);
	}

	/** 'other': any server but this one may take the request. */
	#choosePersistent(request: ServerRequest, server: Server): Choice | 'other' {
		if (!server.isRunning()) {
			if (!request.forcePersist && !this.model.options.persist) return 'other';
			this.#slots.take(server);
			return server;
		}
		if (this.#slots.tryTake(server)) return server;
		// As observed: 503, unless `option redispatch` lets persistence be broken (manual, 5.2 `maxqueue`).
		if (server.hasFullQueue()) return this.model.options.redispatch === undefined ? 'none' : 'other';
		return this.#wait(request, server);
	}

	#balance(request: ServerRequest, avoid: Server | undefined): Choice {
		if (this.#farm.servers.length === 0) return 'none';
		const preferred = this.#algorithm.isByKey === true ? undefined : request.preferredServer;
		// A client that is in the midst of saying who it is does not wait behind those who may be served anywhere.
		if (preferred !== undefined && preferred !== avoid && this.#isUsable(preferred) && this.#slots.tryTake(preferred)) {
			return preferred;
		}
		// Whoever waits for any server was here first; a key does not wait for any.
		if (this.#algorithm.isByKey !== true && this.states.queued(0) > 0) return this.#wait(request, undefined);
		for (let attempt = 0; attempt < MAX_RACES; attempt++) {
			const server = this.#algorithm.choose(this.#farm, request.view, avoid);
			if (server === undefined) break;
			if (this.#slots.tryTake(server)) return server;
			// Named although full: its key, or its `maxqueue`, says that the request waits for this one.
			if (this.#farm.hasRoom(server)) continue;
			if (!server.hasFullQueue()) return this.#wait(request, server);
			if (this.#algorithm.isByKey === true) return 'none';
		}
		return this.#wait(request, undefined);
	}

	#isUsable(server: Server): boolean {
		return this.servers[server.index] === server && this.#farm.servers.includes(server);
	}

	#wait(request: ServerRequest, server: Server | undefined): Choice {
		request.serverQueuePosition = server === undefined ? 0 : server.queuedCount() + 1;
		request.backendQueuePosition = server === undefined ? this.states.queued(0) + 1 : 0;
		this.#timer ??= this.#clock.setTimer(this.#onTick, QUEUE_TICK_MS);
		this.#slots.enqueue(request, server, this.#clock.monotonicMs());
		return 'queued';
	}

	/** The request has ended, or failed to connect: gives its slot back. Exactly once per slot. */
	release(server: Server): void {
		if (server !== this.#dispatch) this.#slots.release(server);
	}

	/** The client went away, or the stream gave up: the request waits no more. False if it did not wait. */
	cancelQueued(request: ServerRequest): boolean {
		return this.#slots.withdraw(request);
	}

	/** Another thread has granted slots to this one; what `wake` must lead to. */
	collectSlots(): void {
		this.#farm.refresh();
		this.#slots.collect();
	}

	/** A server's state, weight or limit was changed by another thread: slots may have become free. */
	stateChanged(): void {
		if (this.#farm.refresh()) this.#moveStranded();
		this.#slots.offerAll();
		for (const server of this.servers) if (server.queuedCount() > 0) this.#slots.offer(server);
	}

	/** Requests that wait for a server which is gone are told so; those who wait for any, when all are. */
	#moveStranded(): void {
		const { local } = this.#slots;
		for (const server of this.servers) {
			if (local.length(server.index + 1) === 0 || server.isRunning()) continue;
			this.#turnAway(server.index + 1);
		}
		if (local.length(0) > 0 && this.#farm.servers.length === 0) this.#turnAway(0);
	}

	#turnAway(queue: number): void {
		for (const ticket of this.#slots.local.tickets(queue)) {
			if (this.#slots.withdraw(ticket.request)) ticket.request.serverLost();
		}
	}

	readonly #onTick = (): void => {
		this.#timer = undefined;
		const { local } = this.#slots;
		const limitMs = this.model.timeouts.queueMs ?? this.model.timeouts.connectMs;
		const nowMs = this.#clock.monotonicMs();
		if (limitMs !== undefined) {
			for (let ticket = local.oldest(); ticket !== undefined; ticket = local.oldest()) {
				if (nowMs - ticket.enqueuedAtMs < limitMs) break;
				this.#slots.withdraw(ticket.request);
				ticket.request.queueTimedOut();
			}
		}
		if (local.count > 0) this.stateChanged();
		if (local.count > 0) this.#timer ??= this.#clock.setTimer(this.#onTick, QUEUE_TICK_MS);
	};

	/** Closes idle connections and stops the timer: the thread ends, and its requests have ended before. */
	close(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
		for (const server of this.servers) server.idle.closeAll();
	}

	currentSessions(): number {
		return this.states.backendCurrent();
	}

	/** A figure of frontends. */
	connectionRate(): number {
		return 0;
	}

	sessionRate(): number {
		return this.#counters?.rate('session', this.#clock.monotonicMs()) ?? 0;
	}

	requestRate(): number {
		return this.#counters?.rate('request', this.#clock.monotonicMs()) ?? 0;
	}

	queuedCount(): number {
		let count = this.states.queued(0);
		for (const server of this.servers) count += server.queuedCount();
		return count;
	}

	usableServerCount(): number {
		this.#farm.refresh();
		return this.#farm.servers.length;
	}

	usableWeight(): number {
		this.#farm.refresh();
		return this.#farm.totalWeight;
	}
}

/** What a state file says, as far as it agrees with the configuration of now (manual, 4.2 `load-server-state-from-file`). */
function applyLastState(
	states: ServerStates,
	index: number,
	server: ServerModel,
	last: LastServerState,
	nowMs: number,
): void {
	const sinceMs = nowMs - last.ageSeconds * 1000;
	// Maintenance of the configuration of then is not that of an operator.
	const wasConfigured = (last.admin & ServerAdmin.CONFIG_MAINT) !== 0;
	const kept = (wasConfigured ? 0 : ServerAdmin.FORCED_MAINT) | ServerAdmin.FORCED_DRAIN;
	states.setAdmin(index, states.admin(index) | (last.admin & kept), sinceMs);
	if (last.initialWeight === server.weight) states.setWeight(index, last.weight);
	const wasInMaintenance = (last.admin & (ServerAdmin.FORCED_MAINT | ServerAdmin.RESOLUTION_MAINT)) !== 0;
	if (last.isStopped && !wasInMaintenance) states.setOperation(index, ServerOperation.DOWN, sinceMs);
	else if (last.isStopping) states.setOperation(index, ServerOperation.STOPPING, sinceMs);
	states.setLastChange(index, sinceMs);
}

/**
 * Its state is its own, for it has a place among no servers: past the last one in a memory that nobody else sees, and so
 * without counters too.
 */
function dispatchServer(
	model: ProxyModel,
	server: ServerModel,
	{ capacity, threadCount }: ServerStateShape,
	clock: Clock,
): Server {
	const shape = { capacity: capacity + 1, threadCount };
	const states = new ServerStates(shape, ServerStates.allocate(shape));
	states.initialize(capacity, 1, 0, 0, clock.monotonicMs());
	return new Server({ model: server, index: capacity, states, clock, reuse: model.httpReuse, backendName: model.name });
}
