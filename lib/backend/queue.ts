/**
 * Requests that wait for a slot: one queue for the backend and one per server (for requests that must go
 * to that server), as one thread keeps them. Which thread is next when a slot becomes free is decided over
 * all threads, in `slots.ts`; this file only orders the requests of its own thread.
 *
 * Order (manual, 4.2 `http-request set-priority-class` and `set-priority-offset`): the class first, then
 * the time of arrival plus the offset, then the order of arrival. Class and time make one number, so that
 * threads can compare the heads of their queues in shared memory: class * 2^42 + milliseconds, exact in a
 * double (the clock would need 69 years to reach 2^41).
 *
 * Each queue is a binary heap whose members know their place, so that a request that leaves early (the
 * client went away) is taken out without a search. All requests of the thread are also linked in the order
 * of arrival: `timeout queue` is the same for all, so the one that times out next is always the first.
 */
import type { ServerRequest } from './backend.js';

const CLASS_UNIT = 2 ** 42;

export function priorityKey(priorityClass: number, priorityOffsetMs: number, nowMs: number): number {
	return priorityClass * CLASS_UNIT + nowMs + priorityOffsetMs;
}

/** A request's place in a queue. */
export class QueueTicket {
	readonly request: ServerRequest;
	/** 0 is the backend's queue, i+1 that of the server with index i. */
	readonly queue: number;
	readonly key: number;
	readonly sequence: number;
	readonly enqueuedAtMs: number;
	/** Index in the heap; -1 when it has left. */
	heapIndex = -1;
	earlier: QueueTicket | undefined;
	later: QueueTicket | undefined;

	constructor(request: ServerRequest, queue: number, key: number, sequence: number, enqueuedAtMs: number) {
		this.request = request;
		this.queue = queue;
		this.key = key;
		this.sequence = sequence;
		this.enqueuedAtMs = enqueuedAtMs;
	}
}

function before(a: QueueTicket, b: QueueTicket): boolean {
	return a.key < b.key || (a.key === b.key && a.sequence < b.sequence);
}

export class LocalQueues {
	readonly #heaps: QueueTicket[][];
	#first: QueueTicket | undefined;
	#last: QueueTicket | undefined;
	#sequence = 0;
	#count = 0;

	constructor(queueCount: number) {
		this.#heaps = Array.from({ length: queueCount }, () => []);
	}

	/** Requests of this thread in all queues. */
	get count(): number {
		return this.#count;
	}

	/** Requests of this thread in one queue. */
	length(queue: number): number {
		return this.#heaps[queue]?.length ?? 0;
	}

	head(queue: number): QueueTicket | undefined {
		return this.#heaps[queue]?.[0];
	}

	headKey(queue: number): number {
		return this.#heaps[queue]?.[0]?.key ?? Number.POSITIVE_INFINITY;
	}

	/** The one that has waited longest, over all queues. */
	oldest(): QueueTicket | undefined {
		return this.#first;
	}

	add(request: ServerRequest, queue: number, nowMs: number): QueueTicket {
		const heap = this.#heaps[queue];
		if (heap === undefined) throw new RangeError(`there is no queue ${queue}`);
		const key = priorityKey(request.priorityClass, request.priorityOffsetMs, nowMs);
		const ticket = new QueueTicket(request, queue, key, this.#sequence++, nowMs);
		heap.push(ticket);
		this.#rise(heap, ticket, heap.length - 1);
		ticket.earlier = this.#last;
		if (this.#last !== undefined) this.#last.later = ticket;
		else this.#first = ticket;
		this.#last = ticket;
		this.#count++;
		return ticket;
	}

	/** Takes the ticket out of its queue; false if it had left already. */
	remove(ticket: QueueTicket): boolean {
		const heap = this.#heaps[ticket.queue];
		const at = ticket.heapIndex;
		if (heap === undefined || at < 0) return false;
		ticket.heapIndex = -1;
		const moved = heap.pop();
		if (moved !== undefined && moved !== ticket) {
			this.#rise(heap, moved, at);
			this.#sink(heap, moved, moved.heapIndex);
		}
		if (ticket.earlier !== undefined) ticket.earlier.later = ticket.later;
		else this.#first = ticket.later;
		if (ticket.later !== undefined) ticket.later.earlier = ticket.earlier;
		else this.#last = ticket.earlier;
		ticket.earlier = undefined;
		ticket.later = undefined;
		this.#count--;
		return true;
	}

	/** The tickets of one queue, in no order. */
	tickets(queue: number): readonly QueueTicket[] {
		return (this.#heaps[queue] ?? []).slice();
	}

	#rise(heap: QueueTicket[], ticket: QueueTicket, from: number): void {
		let at = from;
		while (at > 0) {
			const parentAt = (at - 1) >> 1;
			const parent = heap[parentAt] as QueueTicket;
			if (!before(ticket, parent)) break;
			heap[at] = parent;
			parent.heapIndex = at;
			at = parentAt;
		}
		heap[at] = ticket;
		ticket.heapIndex = at;
	}

	#sink(heap: QueueTicket[], ticket: QueueTicket, from: number): void {
		let at = from;
		for (;;) {
			let childAt = at * 2 + 1;
			if (childAt >= heap.length) break;
			const right = heap[childAt + 1];
			let child = heap[childAt] as QueueTicket;
			if (right !== undefined && before(right, child)) {
				child = right;
				childAt++;
			}
			if (!before(child, ticket)) break;
			heap[at] = child;
			child.heapIndex = at;
			at = childAt;
		}
		heap[at] = ticket;
		ticket.heapIndex = at;
	}
}
