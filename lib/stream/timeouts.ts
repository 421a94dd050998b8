/**
 * Deadlines of connections and streams: one coarse timer wheel per data thread instead of a Node timer each.
 *
 * A deadline moves with every byte (`timeout client`, `timeout server`), and nearly none is ever reached. So
 * moving one must cost nothing: `set` to a later moment only writes a number; the entry stays in its old
 * slot, and when that slot comes by the wheel looks at the number and puts the entry where it
 * belongs now. Only a deadline that moves nearer is moved between slots.
 *
 * What it gives up is precision: a deadline fires up to one tick late, never early, and one that lies beyond
 * the wheel's span is looked at once a turn. The thread's single timer sleeps until the next slot that holds
 * anything; an idle proxy does not wake.
 */
import type { Clock, Timer } from '../core/clock.js';

export const TICK_MS = 10;
/** One turn is a little over five seconds. A power of two. */
const SLOT_COUNT = 512;
const SLOT_MASK = SLOT_COUNT - 1;

/** Something with one deadline. The links belong to the wheel. */
export abstract class Deadline {
	/** Monotonic ms; 0: none. */
	deadlineMs = 0;
	/** The tick of the slot it lies in; -1: in none. */
	slotTick = -1;
	slotNext: Deadline | undefined = undefined;
	slotPrevious: Deadline | undefined = undefined;

	/** Called once per deadline, at or up to a tick after it. Must not throw. */
	abstract deadlinePassed(nowMs: number): void;
}

export class TimerWheel {
	readonly #clock: Clock;
	readonly #slots: (Deadline | undefined)[] = new Array(SLOT_COUNT).fill(undefined);
	/** Every slot up to this tick has been emptied. */
	#doneTick: number;
	#armedTick = Number.POSITIVE_INFINITY;
	#timer: Timer | undefined;
	#entryCount = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
		this.#doneTick = Math.floor(clock.monotonicMs() / TICK_MS);
	}

	get entryCount(): number {
		return this.#entryCount;
	}

	/** The deadline of `entry` is `atMs` from now on, or none when 0. */
	set(entry: Deadline, atMs: number): void {
		entry.deadlineMs = atMs;
		if (atMs === 0) return;
		if (entry.slotTick >= 0) {
			if (atMs >= entry.slotTick * TICK_MS) return;
			this.#unlink(entry);
		}
		this.#link(entry, atMs);
	}

	/** Forgets `entry` at once: the wheel keeps no reference to what is closed. */
	remove(entry: Deadline): void {
		entry.deadlineMs = 0;
		if (entry.slotTick >= 0) this.#unlink(entry);
	}

	close(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
		this.#armedTick = Number.POSITIVE_INFINITY;
	}

	#link(entry: Deadline, atMs: number): void {
		let tick = Math.ceil(atMs / TICK_MS);
		// An empty wheel does not follow the clock: bring it to the present before the span is measured.
		if (this.#entryCount === 0) this.#doneTick = Math.floor(this.#clock.monotonicMs() / TICK_MS);
		if (tick <= this.#doneTick) tick = this.#doneTick + 1;
		else if (tick > this.#doneTick + SLOT_COUNT) tick = this.#doneTick + SLOT_COUNT;
		const index = tick & SLOT_MASK;
		const first = this.#slots[index];
		entry.slotTick = tick;
		entry.slotNext = first;
		entry.slotPrevious = undefined;
		if (first !== undefined) first.slotPrevious = entry;
		this.#slots[index] = entry;
		this.#entryCount++;
		if (tick < this.#armedTick) this.#arm(tick);
	}

	#unlink(entry: Deadline): void {
		const { slotNext, slotPrevious } = entry;
		if (slotPrevious === undefined) this.#slots[entry.slotTick & SLOT_MASK] = slotNext;
		else slotPrevious.slotNext = slotNext;
		if (slotNext !== undefined) slotNext.slotPrevious = slotPrevious;
		entry.slotTick = -1;
		entry.slotNext = undefined;
		entry.slotPrevious = undefined;
		this.#entryCount--;
	}

	#arm(tick: number): void {
		this.#timer?.cancel();
		this.#armedTick = tick;
		const delayMs = Math.max(1, tick * TICK_MS - this.#clock.monotonicMs());
		this.#timer = this.#clock.setTimer(this.#advance, delayMs);
	}

	readonly #advance = (): void => {
		const nowMs = this.#clock.monotonicMs();
		const nowTick = Math.floor(nowMs / TICK_MS);
		this.#timer = undefined;
		// While slots are walked nobody may arm the timer for a tick that this walk still reaches.
		this.#armedTick = -1;
		// After a long pause (a suspended machine) each slot is walked once, not once per missed tick.
		const firstTick = Math.max(this.#doneTick + 1, nowTick - SLOT_MASK);
		for (let tick = firstTick; tick <= nowTick; tick++) {
			this.#doneTick = tick;
			let entry = this.#slots[tick & SLOT_MASK];
			if (entry === undefined) continue;
			this.#slots[tick & SLOT_MASK] = undefined;
			// A callback may remove the neighbours of its entry: the whole slot is detached first.
			const due: Deadline[] = [];
			while (entry !== undefined) {
				const next: Deadline | undefined = entry.slotNext;
				entry.slotTick = -1;
				entry.slotNext = undefined;
				entry.slotPrevious = undefined;
				this.#entryCount--;
				if (entry.deadlineMs !== 0) {
					if (entry.deadlineMs <= nowMs) due.push(entry);
					else this.#link(entry, entry.deadlineMs);
				}
				entry = next;
			}
			for (const late of due) {
				// Another callback of this round may have removed it or set it anew.
				if (late.slotTick >= 0 || late.deadlineMs === 0 || late.deadlineMs > nowMs) continue;
				late.deadlineMs = 0;
				late.deadlinePassed(nowMs);
			}
		}
		this.#armedTick = Number.POSITIVE_INFINITY;
		this.#armNext();
	};

	#armNext(): void {
		if (this.#entryCount === 0) return;
		for (let tick = this.#doneTick + 1; tick <= this.#doneTick + SLOT_COUNT; tick++) {
			if (this.#slots[tick & SLOT_MASK] !== undefined) {
				this.#arm(tick);
				return;
			}
		}
	}
}
