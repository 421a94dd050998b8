/**
 * Limits of bandwidth (manual of 2.7, 9.7): a body goes on as fast as its stream, or all streams of one key together,
 * may.
 *
 * A stream's own limit is a budget that fills evenly with time, up to one period's worth, and is spent by bytes. A
 * shared one is the byte rate of a stick table's entry, which the filter itself feeds: what the rate leaves below the limit may
 * go now, divided equally among the streams that use the entry in this thread, and the rest waits until the rate
 * has sunk. Less than `min-size` is not given on, unless it is the last of the body, so that a limit does not make
 * many small packets.
 */
import type { SampleValue } from '../../sample/types.js';
import type { DataSlot, StickTable } from '../../stick-table/table.js';
import { Deadline, type TimerWheel } from '../timeouts.js';
import { BodyFilter } from './body-filter.js';

/** The shortest wait: the wheel's own grain. */
const WAIT_MIN_MS = 5;

export interface Budget {
	/** Bytes that may go now. */
	allowance(nowMs: number): number;
	/** They went. */
	spend(byteCount: number, nowMs: number): void;
	/** How long until `byteCount` may go, at least. */
	waitMs(byteCount: number, nowMs: number): number;
	close(): void;
}

/** `default-limit` in `default-period`, or what a rule has set. */
export class StreamBudget implements Budget {
	readonly #bytesPerMs: number;
	readonly #capacityBytes: number;
	#bytes: number;
	#atMs: number;

	constructor(limitBytes: number, periodMs: number, nowMs: number) {
		this.#bytesPerMs = limitBytes / periodMs;
		this.#capacityBytes = limitBytes;
		this.#bytes = limitBytes;
		this.#atMs = nowMs;
	}

	allowance(nowMs: number): number {
		this.#bytes = Math.min(this.#capacityBytes, this.#bytes + (nowMs - this.#atMs) * this.#bytesPerMs);
		this.#atMs = nowMs;
		return Math.floor(this.#bytes);
	}

	spend(byteCount: number, nowMs: number): void {
		this.allowance(nowMs);
		this.#bytes -= byteCount;
	}

	waitMs(byteCount: number, nowMs: number): number {
		const wanted = Math.min(byteCount, this.#capacityBytes);
		return Math.ceil((wanted - this.allowance(nowMs)) / this.#bytesPerMs);
	}

	close(): void {}
}

/** Limited streams of this thread by table and key. */
const sharers = new WeakMap<StickTable, Map<string, number>>();

/** `limit` and `key`: the table's byte rate of the key is the measure. */
export class SharedBudget implements Budget {
	readonly #table: StickTable;
	readonly #slot: DataSlot;
	readonly #key: SampleValue;
	readonly #limitBytes: number;
	readonly #sharers: Map<string, number>;
	readonly #name: string;

	/** `slot` is that of `bytes_in_rate` or `bytes_out_rate`. */
	constructor(table: StickTable, slot: DataSlot, key: SampleValue, limitBytes: number) {
		this.#table = table;
		this.#slot = slot;
		this.#key = key;
		this.#limitBytes = limitBytes;
		this.#sharers = sharers.get(table) ?? new Map<string, number>();
		sharers.set(table, this.#sharers);
		this.#name = Buffer.isBuffer(key) ? key.toString('latin1') : String(key);
		this.#share(1);
	}

	#share(change: number): void {
		const count = (this.#sharers.get(this.#name) ?? 0) + change;
		if (count > 0) this.#sharers.set(this.#name, count);
		else this.#sharers.delete(this.#name);
	}

	allowance(nowMs: number): number {
		const rate = this.#table.readByKey(this.#key, this.#slot, 0, nowMs) ?? 0;
		const left = this.#limitBytes - rate;
		return left <= 0 ? 0 : Math.max(1, Math.floor(left / (this.#sharers.get(this.#name) ?? 1)));
	}

	spend(byteCount: number, nowMs: number): void {
		this.#table.addByKey(this.#key, this.#slot, 0, byteCount, nowMs);
	}

	waitMs(byteCount: number): number {
		// A sliding rate sinks evenly over its period.
		return Math.ceil((Math.min(byteCount, this.#limitBytes) * this.#slot.periodMs) / this.#limitBytes);
	}

	close(): void {
		this.#share(-1);
	}
}

class Waiting extends Deadline {
	readonly #passed: () => void;

	constructor(passed: () => void) {
		super();
		this.#passed = passed;
	}

	override deadlinePassed(): void {
		this.deadlineMs = 0;
		this.#passed();
	}
}

export class BandwidthFilter extends BodyFilter {
	readonly #budget: Budget;
	readonly #sizeMin: number;
	readonly #wheel: TimerWheel;
	readonly #nowMs: () => number;
	readonly #waiting: Waiting;
	#held: Buffer[] = [];
	#heldBytes = 0;
	#ending = false;
	#closed = false;

	constructor(budget: Budget, sizeMin: number, wheel: TimerWheel, nowMs: () => number) {
		super();
		this.#budget = budget;
		this.#sizeMin = sizeMin;
		this.#wheel = wheel;
		this.#nowMs = nowMs;
		this.#waiting = new Waiting(() => this.#timedOut());
	}

	override get pendingBytes(): number {
		return this.#heldBytes;
	}

	override write(bytes: Buffer): void {
		this.#held.push(bytes);
		this.#heldBytes += bytes.length;
		if (this.#waiting.deadlineMs === 0) this.#flow();
	}

	override end(): void {
		this.#ending = true;
		if (this.#heldBytes === 0) this.#finish();
		else if (this.#waiting.deadlineMs === 0) this.#flow();
	}

	/** The wheel must not see what the engine throws. */
	#timedOut(): void {
		try {
			this.#flow();
		} catch (error) {
			this.failed(error as Error);
		}
	}

	#flow(): void {
		if (this.#closed) return;
		const nowMs = this.#nowMs();
		if (this.#heldBytes > 0) {
			const allowed = Math.min(this.#budget.allowance(nowMs), this.#heldBytes);
			const least = this.#ending ? Math.min(this.#sizeMin, this.#heldBytes) : this.#sizeMin;
			if (allowed > 0 && allowed >= least) this.#give(allowed, nowMs);
			// More of the body may come before `min-size` is there; its end lets go of less.
			else if (this.#heldBytes < least) return;
			if (this.#closed) return;
		}
		if (this.#heldBytes > 0) {
			// One share at a time: between two of them it is the turn of the others.
			const wanted = Math.max(1, Math.min(this.#heldBytes, this.#sizeMin));
			const waitMs = Math.max(WAIT_MIN_MS, this.#budget.waitMs(wanted, nowMs));
			this.#wheel.set(this.#waiting, nowMs + waitMs);
		} else if (this.#ending) this.#finish();
	}

	#give(byteCount: number, nowMs: number): void {
		this.#budget.spend(byteCount, nowMs);
		let left = byteCount;
		while (left > 0 && !this.#closed) {
			const bytes = this.#take(left);
			left -= bytes.length;
			this.next.write(bytes);
		}
	}

	#take(byteCount: number): Buffer {
		const first = this.#held[0] as Buffer;
		if (first.length <= byteCount) {
			this.#held.shift();
			this.#heldBytes -= first.length;
			return first;
		}
		this.#held[0] = first.subarray(byteCount);
		this.#heldBytes -= byteCount;
		return first.subarray(0, byteCount);
	}

	#finish(): void {
		this.#wheel.remove(this.#waiting);
		this.next.end();
	}

	override close(): void {
		this.#closed = true;
		this.#wheel.remove(this.#waiting);
		this.#held = [];
		this.#heldBytes = 0;
		this.#budget.close();
	}
}
