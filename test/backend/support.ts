/**
 * A backend of plain values for tests: models with defaults, a clock that only moves when told, requests
 * that note what happened to them, and any number of "threads" over one shared memory in one process,
 * whose wake-ups are delivered when the test says so.
 */

import { Backend, type BackendOptions, type Choice, type ServerRequest } from '../../lib/backend/backend.js';
import type { Farm } from '../../lib/backend/farm.js';
import type { QueueTicket } from '../../lib/backend/queue.js';
import type { Server } from '../../lib/backend/server.js';
import { NO_HEALTH } from '../../lib/config/keywords/server-checks.js';
import type { BalanceModel, HashTypeModel, ProxyModel, ServerModel } from '../../lib/config/model.js';
import { NO_RESOLUTION } from '../../lib/config/resolvers-model.js';
import type { Clock, Timer } from '../../lib/core/clock.js';
import type { StreamView } from '../../lib/sample/types.js';
import { type FakeStreamOptions, fakeStream } from '../fixtures/stream-view.js';

export type { Farm };

interface Pending {
	readonly atMs: number;
	readonly order: number;
	readonly callback: () => void;
	cancelled: boolean;
}

export class VirtualClock implements Clock {
	nowMs = 1_000_000;
	#pending: Pending[] = [];
	#order = 0;

	monotonicMs(): number {
		return this.nowMs;
	}

	wallMs(): number {
		return 1_700_000_000_000 + this.nowMs;
	}

	monotonicUs(): number {
		return this.nowMs * 1000;
	}

	setTimer(callback: () => void, delayMs: number): Timer {
		const pending = { atMs: this.nowMs + delayMs, order: this.#order++, callback, cancelled: false };
		this.#pending.push(pending);
		return {
			cancel: () => {
				pending.cancelled = true;
			},
		};
	}

	get timerCount(): number {
		return this.#pending.filter((one) => !one.cancelled).length;
	}

	advance(byMs: number): void {
		const untilMs = this.nowMs + byMs;
		for (;;) {
			this.#pending = this.#pending.filter((one) => !one.cancelled);
			const [next] = this.#pending.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
			if (next === undefined || next.atMs > untilMs) break;
			this.#pending.shift();
			this.nowMs = next.atMs;
			next.callback();
		}
		this.nowMs = untilMs;
	}
}

export function serverModel(name: string, fields: Partial<ServerModel> = {}): ServerModel {
	return {
		place: { file: 'test.cfg', line: 1 },
		name,
		id: Number(/\d+/.exec(name)?.[0] ?? 1),
		address: { kind: 'ip', address: '192.0.2.1', family: 4, port: 80 },
		portOffset: undefined,
		weight: 1,
		backup: false,
		maxconn: 0,
		minconn: 0,
		maxqueue: 0,
		disabled: false,
		cookie: undefined,
		nonStick: false,
		redir: undefined,
		poolMaxConn: -1,
		poolLowConn: 0,
		poolPurgeDelayMs: 5000,
		maxReuse: -1,
		source: undefined,
		sendProxy: 'none',
		proxyFields: [],
		proxyFormats: [],
		tls: undefined,
		check: false,
		interMs: 2000,
		rise: 2,
		fall: 3,
		health: NO_HEALTH,
		resolution: NO_RESOLUTION,
		...fields,
	};
}

export const MAP_BASED: HashTypeModel = { method: 'map-based', function: 'sdbm', avalanche: false };
export const CONSISTENT: HashTypeModel = { method: 'consistent', function: 'sdbm', avalanche: true };

export function backendModel(
	servers: readonly ServerModel[],
	balance: BalanceModel = { algorithm: 'roundrobin' },
	fields: Partial<ProxyModel> = {},
): ProxyModel {
	return {
		place: { file: 'test.cfg', line: 1 },
		kind: 'backend',
		name: 'app',
		id: 3,
		mode: 'http',
		maxconn: 2000,
		timeouts: { queueMs: 5000 },
		options: { allbackups: false, persist: false },
		servers,
		balance,
		hashType: MAP_BASED,
		hashBalanceFactor: 0,
		hashAffinity: 'always',
		httpReuse: 'safe',
		cookie: undefined,
		useServers: [],
		...fields,
	} as unknown as ProxyModel;
}

/** Servers s1, s2, ... with these weights. */
export function weighted(...weights: number[]): ServerModel[] {
	return weights.map((weight, index) => serverModel(`s${index + 1}`, { weight }));
}

export class FakeRequest implements ServerRequest {
	view: StreamView;
	persistentServer: Server | undefined;
	preferredServer: Server | undefined;
	forcePersist = false;
	priorityClass = 0;
	priorityOffsetMs = 0;
	serverQueuePosition = 0;
	backendQueuePosition = 0;
	queueTicket: QueueTicket | undefined;
	server: Server | undefined;
	readonly events: string[] = [];
	onAssigned: ((server: Server) => void) | undefined;

	constructor(options: FakeStreamOptions = {}) {
		this.view = fakeStream(options);
	}

	serverAssigned(server: Server): void {
		if (this.server !== undefined) throw new Error('assigned twice');
		this.server = server;
		this.events.push(`assigned ${server.name}`);
		this.onAssigned?.(server);
	}

	queueTimedOut(): void {
		this.events.push('timed out');
	}

	serverLost(): void {
		this.events.push('lost');
	}
}

export interface Threads {
	readonly backends: readonly Backend[];
	readonly clock: VirtualClock;
	/** Wake-ups not yet delivered, by thread. */
	readonly pendingWakes: Set<number>;
	deliverWakes(): void;
}

export function threads(count: number, model: ProxyModel, options: Partial<BackendOptions> = {}): Threads {
	const clock = new VirtualClock();
	const state = Backend.allocateState(model, count, clock.nowMs);
	const pendingWakes = new Set<number>();
	const backends = Array.from(
		{ length: count },
		(_, threadIndex) =>
			new Backend({
				model,
				state,
				threadIndex,
				threadCount: count,
				clock,
				wake: (thread) => pendingWakes.add(thread),
				fullconn: 100,
				...options,
			}),
	);
	return {
		backends,
		clock,
		pendingWakes,
		deliverWakes() {
			while (pendingWakes.size > 0) {
				const [thread] = pendingWakes;
				pendingWakes.delete(thread as number);
				backends[thread as number]?.collectSlots();
			}
		},
	};
}

export function single(
	model: ProxyModel,
	options: Partial<BackendOptions> = {},
): { backend: Backend; clock: VirtualClock } {
	const { backends, clock } = threads(1, model, options);
	return { backend: backends[0] as Backend, clock };
}

/** Chooses and releases at once, as sequential requests do; the names of the servers. */
export function sequence(backend: Backend, count: number, options: FakeStreamOptions = {}): string[] {
	return Array.from({ length: count }, () => pick(backend, options));
}

export function pick(backend: Backend, options: FakeStreamOptions = {}): string {
	const choice = backend.choose(new FakeRequest(options));
	if (typeof choice === 'string') return choice;
	backend.release(choice);
	return choice.name;
}

export function nameOf(choice: Choice): string {
	return typeof choice === 'string' ? choice : choice.name;
}
