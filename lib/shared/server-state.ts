/**
 * What every thread must agree on about the servers of one backend: who is up, with what weight, how many
 * streams each has, who waits where, and whose turn it is.
 *
 * One backend is one `SharedArrayBuffer` of 32-bit integers, laid out as
 *
 *     header | server 0 | server 1 | ... | waiting counts, queue x thread | grants, server x thread x 2
 *            | head keys, queue x thread (doubles)
 *
 * where queue 0 is the backend's own and queue i+1 belongs to server i. Servers are padded to 128 bytes so
 * that two threads busy with two servers do not share a cache line.
 *
 * Two ways to touch it. Single facts (administrative state, weight, current streams) are read and written
 * with one atomic instruction. What spans several fields (a position in the round, a move from a queue to a
 * slot) is done between `lock()` and `unlock()`: some hundred instructions, never a call that may wait.
 * `generation` counts every change of state or weight, so that a thread that keeps something derived from
 * them (a hash ring, a map) compares one integer per request to know that it is stale.
 *
 * Given up: `capacity` servers and `threadCount` threads are fixed when the memory is allocated; room for
 * servers that are added at run time is asked for then (`tune.dynamic-servers`).
 */
import { acquireLock, releaseLock } from './spin-lock.js';

/** Operational state, as the health checks and the runtime API see it. */
export const ServerOperation = {
	DOWN: 0,
	UP: 1,
	/** Up, but asked for no more new clients (`http-check disable-on-404`). */
	STOPPING: 2,
} as const;
export type ServerOperation = (typeof ServerOperation)[keyof typeof ServerOperation];

/** Administrative flags; several may be set. Their values are those of `show servers state` (srv_admin_state). */
export const ServerAdmin = {
	/** `set server .../state maint`, `disable server`. */
	FORCED_MAINT: 0x01,
	/** Tracks a server that is in maintenance. */
	INHERITED_MAINT: 0x02,
	/** `disabled` in the configuration; set together with FORCED_MAINT, and kept for good. */
	CONFIG_MAINT: 0x04,
	FORCED_DRAIN: 0x08,
	INHERITED_DRAIN: 0x10,
	/** Its name did not resolve. */
	RESOLUTION_MAINT: 0x20,
	/** Its name is not that of its line: it came with an SRV record. */
	HOST_CHANGED: 0x40,
} as const;

/** CONFIG_MAINT says why, not whether: it stays when the server is made ready. */
const MAINT_MASK = 0x01 | 0x02 | 0x20;
const DRAIN_MASK = 0x08 | 0x10;

/** Slots of the header. */
const LOCK = 0;
const GENERATION = 1;
const BACKEND_CURRENT = 2;
const BACKEND_QUEUED = 3;
const BACKEND_SERVED = 4;
const ROUND_TIME = 5;
const ROUND_SEQUENCE = 6;
const MAP_POSITION = 7;
const CONSISTENT_POSITION = 8;
const ROUND_GENERATION = 9;
const LOAD_SEQUENCE = 10;
const BACKEND_QUEUED_MAX = 11;
const HEADER_SIZE = 32;

/** Slots of a server. */
const ADMIN = 0;
const OPERATION = 1;
const WEIGHT = 2;
const CURRENT = 3;
const QUEUED = 4;
const MAXCONN = 5;
const IDLE = 6;
const ORDER = 7;
const POSITION = 8;
const REMAINDER = 9;
const SEQUENCE = 10;
const POSITION_STATE = 11;
const PLACED_WEIGHT = 12;
const CURRENT_MAX = 13;
const QUEUED_MAX = 14;
const LAST_CHANGE = 15;
const DOWN_COUNT = 16;
const WARMUP = 17;
const OBSERVED_ERRORS = 18;
const DOWN_SECONDS = 19;
const SERVER_SIZE = 32;

/** Where a server stands in the round of `balance roundrobin`. */
export const RoundPlace = { OUT: 0, FRESH: 1, QUEUED: 2 } as const;

export interface ServerStateShape {
	/** Servers there is room for. */
	readonly capacity: number;
	readonly threadCount: number;
}

export class ServerStates {
	readonly buffer: SharedArrayBuffer;
	readonly capacity: number;
	readonly threadCount: number;
	readonly #words: Int32Array;
	readonly #waitingStart: number;
	readonly #grantStart: number;
	readonly #heads: Float64Array;

	static bytesNeeded(shape: ServerStateShape): number {
		const { integers, doubles } = layout(shape);
		return integers * 4 + doubles * 8;
	}

	/** Zeroed memory: every server is down with weight 0 until `initialize` is called for it. */
	static allocate(shape: ServerStateShape): SharedArrayBuffer {
		const buffer = new SharedArrayBuffer(ServerStates.bytesNeeded(shape));
		const { integers, doubles } = layout(shape);
		new Float64Array(buffer, integers * 4, doubles).fill(Number.POSITIVE_INFINITY);
		return buffer;
	}

	constructor(shape: ServerStateShape, buffer: SharedArrayBuffer) {
		if (buffer.byteLength < ServerStates.bytesNeeded(shape)) {
			throw new RangeError('the shared memory of a backend is smaller than its servers need');
		}
		const { integers, doubles, waitingStart, grantStart } = layout(shape);
		this.buffer = buffer;
		this.capacity = shape.capacity;
		this.threadCount = shape.threadCount;
		this.#words = new Int32Array(buffer, 0, integers);
		this.#heads = new Float64Array(buffer, integers * 4, doubles);
		this.#waitingStart = waitingStart;
		this.#grantStart = grantStart;
	}

	/** The state a server starts with; called by the control thread, when it allocates the memory or adds a server. */
	initialize(server: number, weight: number, maxconn: number, admin: number, nowMs: number): void {
		const start = HEADER_SIZE + server * SERVER_SIZE;
		this.#words.fill(0, start, start + SERVER_SIZE);
		this.#store(server, ADMIN, admin);
		this.#store(server, OPERATION, ServerOperation.UP);
		this.#store(server, WEIGHT, weight);
		this.#store(server, MAXCONN, maxconn);
		this.#store(server, LAST_CHANGE, nowMs | 0);
		this.#changed();
	}

	/** Enters the short section in which several fields may be changed together. Not re-entrant. */
	lock(): void {
		acquireLock(this.#words, LOCK);
	}

	unlock(): void {
		releaseLock(this.#words, LOCK);
	}

	/** Changes with every change of a state or a weight. */
	generation(): number {
		return this.#words[GENERATION] as number;
	}

	#changed(): void {
		Atomics.add(this.#words, GENERATION, 1);
	}

	/** Threads know of another set of servers: what they derive from it is stale. */
	serversChanged(): void {
		this.#changed();
	}

	/** Nothing of a former server is left here: no stream, no waiting request, no idle connection. */
	isVacant(server: number): boolean {
		const words = this.#words;
		const start = HEADER_SIZE + server * SERVER_SIZE;
		for (const field of [CURRENT, QUEUED, IDLE]) if (Atomics.load(words, start + field) !== 0) return false;
		return true;
	}

	/**
	 * A plain read: a choice looks at every server, and an atomic load costs several times as much. It gives
	 * some recent value, never half of one; whatever must not be missed is read with Atomics where it matters.
	 */
	#load(server: number, field: number): number {
		return this.#words[HEADER_SIZE + server * SERVER_SIZE + field] as number;
	}

	#store(server: number, field: number, value: number): void {
		Atomics.store(this.#words, HEADER_SIZE + server * SERVER_SIZE + field, value);
	}

	#add(server: number, field: number, amount: number): number {
		return Atomics.add(this.#words, HEADER_SIZE + server * SERVER_SIZE + field, amount) + amount;
	}

	#raise(at: number, value: number): void {
		const words = this.#words;
		for (let seen = words[at] as number; value > seen; ) {
			const found = Atomics.compareExchange(words, at, seen, value);
			if (found === seen) return;
			seen = found;
		}
	}

	// State and weight

	admin(server: number): number {
		return this.#load(server, ADMIN);
	}

	setAdmin(server: number, flags: number, nowMs: number): void {
		if (this.admin(server) === flags) return;
		if (!this.#isStopped(this.operation(server), flags)) this.#addDowntime(server, nowMs);
		this.#store(server, ADMIN, flags);
		this.#store(server, LAST_CHANGE, nowMs | 0);
		this.#changed();
	}

	operation(server: number): ServerOperation {
		return this.#load(server, OPERATION) as ServerOperation;
	}

	setOperation(server: number, value: ServerOperation, nowMs: number): void {
		const previous = this.operation(server);
		if (previous === value) return;
		if (!this.#isStopped(value, this.admin(server))) this.#addDowntime(server, nowMs);
		this.#store(server, OPERATION, value);
		this.#store(server, LAST_CHANGE, nowMs | 0);
		if (value === ServerOperation.DOWN) this.#add(server, DOWN_COUNT, 1);
		this.#changed();
	}

	#isStopped(operation: ServerOperation, admin: number): boolean {
		return operation === ServerOperation.DOWN || (admin & MAINT_MASK) !== 0;
	}

	/** A server that serves again, until now down or in maintenance. */
	#addDowntime(server: number, nowMs: number): void {
		if (!this.#isStopped(this.operation(server), this.admin(server))) return;
		const sinceMs = ((nowMs | 0) - this.#load(server, LAST_CHANGE)) >>> 0;
		this.#add(server, DOWN_SECONDS, Math.floor(sinceMs / 1000));
	}

	/** Seconds that it was down or in maintenance until it served again, each time rounded down. */
	downSeconds(server: number): number {
		return this.#load(server, DOWN_SECONDS);
	}

	/** Low 32 bits of the monotonic clock at the last change of state. */
	lastChangeMs(server: number): number {
		return this.#load(server, LAST_CHANGE) >>> 0;
	}

	/** A state that was taken over is as old as it was. */
	setLastChange(server: number, atMs: number): void {
		this.#store(server, LAST_CHANGE, atMs | 0);
	}

	/** Transitions from up to down. */
	downCount(server: number): number {
		return this.#load(server, DOWN_COUNT);
	}

	/** 0..256, what balancing uses. */
	weight(server: number): number {
		return this.#load(server, WEIGHT);
	}

	setWeight(server: number, weight: number): void {
		if (this.weight(server) === weight) return;
		this.#store(server, WEIGHT, weight);
		this.#changed();
	}

	/** Slow start: percent of its weight and limit that the server has now; 0: all of it. */
	warmup(server: number): number {
		return this.#load(server, WARMUP);
	}

	setWarmup(server: number, percent: number): void {
		if (this.warmup(server) === percent) return;
		this.#store(server, WARMUP, percent);
		this.#changed();
	}

	/** Errors in a row that traffic has met (`observe`), over all threads; the new number. */
	addObservedError(server: number): number {
		return this.#add(server, OBSERVED_ERRORS, 1);
	}

	observedErrors(server: number): number {
		return this.#load(server, OBSERVED_ERRORS);
	}

	clearObservedErrors(server: number): void {
		if (this.#load(server, OBSERVED_ERRORS) !== 0) this.#store(server, OBSERVED_ERRORS, 0);
	}

	/** Neither down nor in maintenance: a request bound to this server by persistence may go there. */
	isRunning(server: number): boolean {
		return this.operation(server) !== ServerOperation.DOWN && (this.admin(server) & MAINT_MASK) === 0;
	}

	/** Up and neither draining nor in maintenance: may be given new clients, if its weight is not 0. */
	isUsable(server: number): boolean {
		return this.operation(server) === ServerOperation.UP && (this.admin(server) & (MAINT_MASK | DRAIN_MASK)) === 0;
	}

	isDraining(server: number): boolean {
		return (this.admin(server) & DRAIN_MASK) !== 0;
	}

	isInMaintenance(server: number): boolean {
		return (this.admin(server) & MAINT_MASK) !== 0;
	}

	/** 0 is no limit. May be changed while running (`set maxconn server`). */
	maxconn(server: number): number {
		return this.#load(server, MAXCONN);
	}

	setMaxconn(server: number, maxconn: number): void {
		this.#store(server, MAXCONN, maxconn);
	}

	// Slots

	/** Streams that have a slot on the server, over all threads. */
	current(server: number): number {
		return this.#load(server, CURRENT);
	}

	/** Takes a slot whatever the limit; the caller has made sure, or need not care. */
	addCurrent(server: number): number {
		const value = this.#add(server, CURRENT, 1);
		Atomics.add(this.#words, BACKEND_SERVED, 1);
		this.#raise(HEADER_SIZE + server * SERVER_SIZE + CURRENT_MAX, value);
		return value;
	}

	/** Takes a slot if fewer than `limit` are taken (0: no limit). */
	tryAddCurrent(server: number, limit: number): boolean {
		if (limit === 0) {
			this.addCurrent(server);
			return true;
		}
		const words = this.#words;
		const at = HEADER_SIZE + server * SERVER_SIZE + CURRENT;
		for (let seen = Atomics.load(words, at); seen < limit; ) {
			const found = Atomics.compareExchange(words, at, seen, seen + 1);
			if (found === seen) {
				Atomics.add(words, BACKEND_SERVED, 1);
				this.#raise(HEADER_SIZE + server * SERVER_SIZE + CURRENT_MAX, seen + 1);
				return true;
			}
			seen = found;
		}
		return false;
	}

	dropCurrent(server: number): number {
		Atomics.sub(this.#words, BACKEND_SERVED, 1);
		return this.#add(server, CURRENT, -1);
	}

	currentMax(server: number): number {
		return this.#load(server, CURRENT_MAX);
	}

	/** Streams with a slot on any server. */
	served(): number {
		return this.#words[BACKEND_SERVED] as number;
	}

	/** Streams of the backend, waiting or served: what `fullconn` is compared with. */
	backendCurrent(): number {
		return this.#words[BACKEND_CURRENT] as number;
	}

	addBackendCurrent(amount: 1 | -1): number {
		return Atomics.add(this.#words, BACKEND_CURRENT, amount) + amount;
	}

	/** Idle connections of the server over all threads. */
	idle(server: number): number {
		return this.#load(server, IDLE);
	}

	addIdle(server: number, amount: number): number {
		return this.#add(server, IDLE, amount);
	}

	// Queues: `queue` 0 is the backend's, i+1 is server i's

	queued(queue: number): number {
		return this.#words[this.#queuedAt(queue)] as number;
	}

	/** Whether anybody waits, exact after an atomic change by this thread: see `slots.ts`. */
	hasQueued(queue: number): boolean {
		return Atomics.load(this.#words, this.#queuedAt(queue)) > 0;
	}

	#queuedAt(queue: number): number {
		return queue === 0 ? BACKEND_QUEUED : HEADER_SIZE + (queue - 1) * SERVER_SIZE + QUEUED;
	}

	addQueued(queue: number, amount: 1 | -1): number {
		if (queue === 0) {
			const waiting = Atomics.add(this.#words, BACKEND_QUEUED, amount) + amount;
			if (amount > 0) this.#raise(BACKEND_QUEUED_MAX, waiting);
			return waiting;
		}
		const value = this.#add(queue - 1, QUEUED, amount);
		if (amount > 0) this.#raise(HEADER_SIZE + (queue - 1) * SERVER_SIZE + QUEUED_MAX, value);
		return value;
	}

	/** The most that ever waited in the backend's own queue. */
	backendQueuedMax(): number {
		return this.#words[BACKEND_QUEUED_MAX] as number;
	}

	queuedMax(server: number): number {
		return this.#load(server, QUEUED_MAX);
	}

	/** `clear counters`: the maxima start again from now. */
	clearMaxima(server: number): void {
		this.#store(server, CURRENT_MAX, this.current(server));
		this.#store(server, QUEUED_MAX, this.queued(server + 1));
		Atomics.store(this.#words, BACKEND_QUEUED_MAX, this.queued(0));
	}

	/** Requests of one thread in one queue that have not been granted a slot. */
	waiting(queue: number, thread: number): number {
		return Atomics.load(this.#words, this.#waitingStart + queue * this.threadCount + thread);
	}

	addWaiting(queue: number, thread: number, amount: 1 | -1): number {
		return Atomics.add(this.#words, this.#waitingStart + queue * this.threadCount + thread, amount) + amount;
	}

	/** Order of the first request that a thread has in a queue; Infinity when there is none. Under the lock. */
	headKey(queue: number, thread: number): number {
		return this.#heads[queue * this.threadCount + thread] ?? Number.POSITIVE_INFINITY;
	}

	setHeadKey(queue: number, thread: number, key: number): void {
		this.#heads[queue * this.threadCount + thread] = key;
	}

	/** Slots of `server` given to `thread` for a request of the backend's queue or of the server's own. */
	addGrant(server: number, thread: number, fromServerQueue: boolean): void {
		Atomics.add(this.#words, this.#grantAt(server, thread, fromServerQueue), 1);
	}

	/** How many there are, and none are left. */
	takeGrants(server: number, thread: number, fromServerQueue: boolean): number {
		const at = this.#grantAt(server, thread, fromServerQueue);
		return Atomics.load(this.#words, at) === 0 ? 0 : Atomics.exchange(this.#words, at, 0);
	}

	#grantAt(server: number, thread: number, fromServerQueue: boolean): number {
		return this.#grantStart + (thread * this.capacity + server) * 2 + (fromServerQueue ? 1 : 0);
	}

	// Whose turn it is. Everything below only under the lock, save the two counters.

	/**
	 * Next position of a map that is walked in turn. The one after the last is kept as it is, and only
	 * turns to 0 when it is not in the map of that moment, as HAProxy does when the map grows or shrinks.
	 */
	nextMapPosition(size: number): number {
		const words = this.#words;
		for (;;) {
			const seen = Atomics.load(words, MAP_POSITION);
			const position = seen < size ? seen : 0;
			if (Atomics.compareExchange(words, MAP_POSITION, seen, position + 1) === seen) return position;
		}
	}

	/** Last key of the ring that was served in turn; unsigned. */
	consistentPosition(): number {
		return Atomics.load(this.#words, CONSISTENT_POSITION) >>> 0;
	}

	setConsistentPosition(key: number): void {
		Atomics.store(this.#words, CONSISTENT_POSITION, key | 0);
	}

	roundTime(): number {
		return this.#words[ROUND_TIME] ?? 0;
	}

	setRoundTime(time: number): void {
		this.#words[ROUND_TIME] = time;
	}

	/** The generation that the round was last brought up to. */
	roundGeneration(): number {
		return this.#words[ROUND_GENERATION] ?? 0;
	}

	setRoundGeneration(generation: number): void {
		this.#words[ROUND_GENERATION] = generation;
	}

	nextSequence(): number {
		const value = ((this.#words[ROUND_SEQUENCE] ?? 0) + 1) | 0;
		this.#words[ROUND_SEQUENCE] = value;
		return value;
	}

	place(server: number): number {
		return this.#words[HEADER_SIZE + server * SERVER_SIZE + POSITION_STATE] ?? 0;
	}

	setPlace(server: number, place: number): void {
		this.#words[HEADER_SIZE + server * SERVER_SIZE + POSITION_STATE] = place;
	}

	position(server: number): number {
		return this.#words[HEADER_SIZE + server * SERVER_SIZE + POSITION] ?? 0;
	}

	remainder(server: number): number {
		return this.#words[HEADER_SIZE + server * SERVER_SIZE + REMAINDER] ?? 0;
	}

	setPosition(server: number, position: number, remainder: number): void {
		this.#words[HEADER_SIZE + server * SERVER_SIZE + POSITION] = position;
		this.#words[HEADER_SIZE + server * SERVER_SIZE + REMAINDER] = remainder;
	}

	sequence(server: number): number {
		return this.#words[HEADER_SIZE + server * SERVER_SIZE + SEQUENCE] ?? 0;
	}

	setSequence(server: number, sequence: number): void {
		this.#words[HEADER_SIZE + server * SERVER_SIZE + SEQUENCE] = sequence;
	}

	/** The weight with which the server was last placed. */
	placedWeight(server: number): number {
		return this.#words[HEADER_SIZE + server * SERVER_SIZE + PLACED_WEIGHT] ?? 0;
	}

	setPlacedWeight(server: number, weight: number): void {
		this.#words[HEADER_SIZE + server * SERVER_SIZE + PLACED_WEIGHT] = weight;
	}

	/** When a server of equal load was last touched, for turns among equals. */
	order(server: number): number {
		return this.#load(server, ORDER);
	}

	moveToEnd(server: number): void {
		this.#store(server, ORDER, (Atomics.add(this.#words, LOAD_SEQUENCE, 1) + 1) | 0);
	}
}

function layout(shape: ServerStateShape) {
	const queueCount = shape.capacity + 1;
	const waitingStart = HEADER_SIZE + shape.capacity * SERVER_SIZE;
	const grantStart = waitingStart + queueCount * shape.threadCount;
	const used = grantStart + shape.capacity * shape.threadCount * 2;
	// The doubles behind the integers want an even number of them.
	return { waitingStart, grantStart, integers: used + (used & 1), doubles: queueCount * shape.threadCount };
}
