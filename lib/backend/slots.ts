/**
 * Slots of servers (`maxconn`) and who gets them, over all threads.
 *
 * The common case takes and gives back a slot with one atomic instruction each. The slow one begins when
 * a request has to wait:
 *
 *     enqueue   put it in this thread's queue; under the lock publish that this thread waits there, and
 *               with what key its first request stands; then offer whatever slots are free
 *     release   give the slot back; if anybody waits, offer the slots of that server
 *     offer     under the lock: while the server has a free slot and somebody waits, take the slot for the
 *               thread whose first request is due, write down the grant, and wake that thread
 *     collect   a woken thread takes its grants: each goes to its first waiting request, or, when that
 *               has left meanwhile, back to the server by release
 *
 * No wake-up is lost: `enqueue` publishes before it looks for slots, `release` frees before it looks for
 * waiters, and both are sequentially consistent, so at least one of the two sees the other. No slot leaks:
 * a granted slot is taken from the moment of the grant and belongs to the thread named, which either uses
 * it or gives it back. The limit is never exceeded, since only `tryAddCurrent` takes slots.
 *
 * Invariant per queue and thread: requests held = waiting (published) + granted (not yet collected).
 *
 * Given up: between a grant and its collection, the key that a thread has published is that of the request
 * just granted, so that thread may be served once more than its turn. A thread that wakes late delays
 * only what was granted to it.
 */
import type { ServerRequest } from './backend.js';
import type { Farm } from './farm.js';
import { LocalQueues, type QueueTicket } from './queue.js';
import type { Server } from './server.js';

const BACKEND_QUEUE = 0;

export interface SlotsOptions {
	readonly farm: Farm;
	readonly threadIndex: number;
	/** Makes `collect` be called on that thread soon; calls may be merged. Must not call back at once. */
	readonly wake: (threadIndex: number) => void;
	/** Hands the request its server; the slot is taken. */
	readonly assign: (request: ServerRequest, server: Server) => void;
	readonly loadChanged: (server: Server) => void;
}

export class Slots {
	readonly local: LocalQueues;
	readonly #farm: Farm;
	readonly #thread: number;
	readonly #wake: (threadIndex: number) => void;
	readonly #assign: (request: ServerRequest, server: Server) => void;
	readonly #loadChanged: (server: Server) => void;

	constructor(options: SlotsOptions) {
		this.#farm = options.farm;
		this.#thread = options.threadIndex;
		this.#wake = options.wake;
		this.#assign = options.assign;
		this.#loadChanged = options.loadChanged;
		this.local = new LocalQueues(options.farm.states.capacity + 1);
	}

	/** Takes a slot if there is one and nobody waits for this server. */
	tryTake(server: Server): boolean {
		const { states } = this.#farm;
		const limit = this.#farm.limit(server);
		if (limit !== 0 && states.queued(server.index + 1) > 0) return false;
		if (!states.tryAddCurrent(server.index, limit)) return false;
		this.#loadChanged(server);
		return true;
	}

	/** Takes a slot over the limit, for `force-persist` and the like. */
	take(server: Server): void {
		this.#farm.states.addCurrent(server.index);
		this.#loadChanged(server);
	}

	release(server: Server): void {
		const { states } = this.#farm;
		states.dropCurrent(server.index);
		this.#loadChanged(server);
		if (states.hasQueued(server.index + 1) || states.hasQueued(BACKEND_QUEUE)) this.offer(server);
	}

	/** Waits for `server`, or for any when it is undefined. The request may be assigned before this returns. */
	enqueue(request: ServerRequest, server: Server | undefined, nowMs: number): void {
		const { states } = this.#farm;
		const queue = server === undefined ? BACKEND_QUEUE : server.index + 1;
		request.queueTicket = this.local.add(request, queue, nowMs);
		states.lock();
		states.addQueued(queue, 1);
		states.addWaiting(queue, this.#thread, 1);
		states.setHeadKey(queue, this.#thread, this.local.headKey(queue));
		states.unlock();
		if (server !== undefined) this.offer(server);
		else this.offerAll();
	}

	/** Takes a request out of its queue, wherever it stands; false if it does not wait. */
	withdraw(request: ServerRequest): boolean {
		const ticket = request.queueTicket;
		if (ticket === undefined) return false;
		this.#unqueue(ticket);
		return true;
	}

	#unqueue(ticket: QueueTicket): void {
		const { states } = this.#farm;
		const { queue, request } = ticket;
		request.queueTicket = undefined;
		if (!this.local.remove(ticket)) return;
		states.lock();
		states.addQueued(queue, -1);
		// With none waiting, all that are left have been granted a slot: one grant will find nobody.
		if (states.waiting(queue, this.#thread) > 0) states.addWaiting(queue, this.#thread, -1);
		states.setHeadKey(queue, this.#thread, this.local.headKey(queue));
		states.unlock();
	}

	/** Offers the free slots of every server that takes part in balancing. */
	offerAll(): void {
		for (const server of this.#farm.servers) {
			if (!this.#farm.states.hasQueued(BACKEND_QUEUE)) return;
			this.offer(server);
		}
	}

	/** Offers the free slots of one server to those who wait for it. */
	offer(server: Server): void {
		const { states } = this.#farm;
		let granted = 0;
		let mine = false;
		// Threads to wake, one bit each; threads beyond 31 share the last way below.
		let others: number[] | undefined;
		states.lock();
		for (;;) {
			const queue = this.#nextQueue(server);
			if (queue < 0) break;
			if (!states.tryAddCurrent(server.index, this.#farm.limit(server))) break;
			const thread = this.#chosenThread;
			states.addWaiting(queue, thread, -1);
			states.addGrant(server.index, thread, queue !== BACKEND_QUEUE);
			granted++;
			if (thread === this.#thread) mine = true;
			else if (others === undefined) others = [thread];
			else if (!others.includes(thread)) others.push(thread);
		}
		states.unlock();
		if (granted === 0) return;
		this.#loadChanged(server);
		if (others !== undefined) for (const thread of others) this.#wake(thread);
		if (mine) this.#collectFrom(server);
	}

	/** Second result of `#nextQueue`, kept here so that it need not allocate one. */
	#chosenThread = 0;

	/** The queue whose first request is due for a slot of `server`; -1 if nobody waits. Under the lock. */
	#nextQueue(server: Server): number {
		const { states } = this.#farm;
		const own = server.index + 1;
		const takesAnyone = this.#farm.includes(server);
		let queue = -1;
		let best = Number.POSITIVE_INFINITY;
		for (let thread = 0; thread < states.threadCount; thread++) {
			if (states.waiting(own, thread) > 0) {
				const key = states.headKey(own, thread);
				// Among equals, who can go nowhere else goes first.
				if (key < best || (key === best && queue === BACKEND_QUEUE) || queue < 0) {
					best = key;
					queue = own;
					this.#chosenThread = thread;
				}
			}
			if (takesAnyone && states.waiting(BACKEND_QUEUE, thread) > 0) {
				const key = states.headKey(BACKEND_QUEUE, thread);
				if (key < best || queue < 0) {
					best = key;
					queue = BACKEND_QUEUE;
					this.#chosenThread = thread;
				}
			}
		}
		return queue;
	}

	/** Uses every slot that other threads have granted to this one. Called when this thread is woken. */
	collect(): void {
		for (const server of this.#farm.all) this.#collectFrom(server);
	}

	#collectFrom(server: Server): void {
		this.#collectQueue(server, server.index + 1, true);
		this.#collectQueue(server, BACKEND_QUEUE, false);
	}

	#collectQueue(server: Server, queue: number, fromServerQueue: boolean): void {
		const { states } = this.#farm;
		for (let grants = states.takeGrants(server.index, this.#thread, fromServerQueue); grants > 0; grants--) {
			const ticket = this.local.head(queue);
			if (ticket === undefined) {
				this.release(server);
				continue;
			}
			this.local.remove(ticket);
			ticket.request.queueTicket = undefined;
			states.lock();
			states.addQueued(queue, -1);
			states.setHeadKey(queue, this.#thread, this.local.headKey(queue));
			states.unlock();
			this.#assign(ticket.request, server);
		}
	}
}
