/** Virtual time and chance: everything a simulated cluster does comes from one queue of events and one seed. */
import type { Clock, Timer } from '../../lib/core/clock.js';

interface VirtualEvent {
	readonly atMs: number;
	readonly order: number;
	run: (() => void) | undefined;
}

export class VirtualTime {
	nowMs = 0;
	/** By how much wall clocks that are made from now on are wrong. */
	clockStep = 0;
	#order = 0;
	/** A binary heap by time, then by order of arrival. */
	readonly #heap: VirtualEvent[] = [];

	at(atMs: number, run: () => void): VirtualEvent {
		const event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
		this.#heap.push(event);
		this.#up(this.#heap.length - 1);
		return event;
	}

	after(delayMs: number, run: () => void): VirtualEvent {
		return this.at(this.nowMs + delayMs, run);
	}

	/** Runs everything up to `untilMs`. Returns the number of events; throws when they never end. */
	runUntil(untilMs: number, maxEvents = 5_000_000): number {
		let count = 0;
		for (;;) {
			const first = this.#heap[0];
			if (first === undefined || first.atMs > untilMs) break;
			this.#pop();
			this.nowMs = first.atMs;
			if (first.run === undefined) continue;
			if (++count > maxEvents) throw new Error(`more than ${maxEvents} events before ${untilMs} ms of virtual time`);
			first.run();
		}
		this.nowMs = untilMs;
		return count;
	}

	/** The process stands still for so long: then what is due is done, late and once. */
	stall(forMs: number): void {
		this.nowMs += forMs;
		const isDue = (event: VirtualEvent | undefined): event is VirtualEvent =>
			event !== undefined && event.order < order && event.atMs <= this.nowMs;
		const order = this.#order;
		for (let first = this.#heap[0]; isDue(first); first = this.#heap[0]) {
			this.#pop();
			first.run?.();
		}
	}

	/** A machine's own clock, which began at another moment than its neighbours'. */
	clock(offsetMs = 0): Clock {
		const step = this.clockStep;
		return {
			monotonicMs: () => this.nowMs + offsetMs,
			monotonicUs: () => (this.nowMs + offsetMs) * 1000,
			wallMs: () => this.nowMs + 1_800_000_000_000 + step,
			setTimer: (callback, delayMs): Timer => {
				const event = this.after(Math.max(1, delayMs), callback);
				return {
					cancel: () => {
						event.run = undefined;
					},
				};
			},
		};
	}

	#up(index: number): void {
		const heap = this.#heap;
		for (let i = index; i > 0; ) {
			const parent = (i - 1) >> 1;
			if (!before(heap[i]!, heap[parent]!)) break;
			[heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
			i = parent;
		}
	}

	#pop(): void {
		const heap = this.#heap;
		const last = heap.pop()!;
		if (heap.length === 0) return;
		heap[0] = last;
		for (let i = 0; ; ) {
			let least = i;
			for (const child of [2 * i + 1, 2 * i + 2]) {
				if (child < heap.length && before(heap[child]!, heap[least]!)) least = child;
			}
			if (least === i) return;
			[heap[i], heap[least]] = [heap[least]!, heap[i]!];
			i = least;
		}
	}
}

const before = (a: VirtualEvent, b: VirtualEvent): boolean =>
	a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** mulberry32: small, good enough, and the same everywhere. */
export class Chance {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** 0 to 1, 1 excluded. */
	fraction(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let z = this.#state;
		z = Math.imul(z ^ (z >>> 15), z | 1);
		z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
		return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
	}

	/** 0 to `below` - 1. */
	index(below: number): number {
		return Math.floor(this.fraction() * below);
	}

	between(low: number, high: number): number {
		return low + this.index(high - low + 1);
	}

	happens(probability: number): boolean {
		return this.fraction() < probability;
	}

	pick<T>(list: readonly T[]): T {
		return list[this.index(list.length)]!;
	}
}
