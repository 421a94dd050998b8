/**
 * The order in which the entries of a shard expire, and so in which they are evicted: a wheel of time
 * slots, each a doubly linked list through the records.
 *
 * An entry belongs to the slot of its expiry date. Most entries get the same lifetime from now, so they
 * are appended to slots in the order of their dates and the whole wheel is sorted. Entries learned from a
 * peer have any shorter life; in one sorted list each would need a search, here it is the same constant
 * work. The price: inside one slot learned entries are not sorted among the others, so an entry may stay
 * up to one slot's span (a second or less for lifetimes up to eight minutes) after its date, seen only by
 * the counters of use, since a lookup checks the date itself. A table without `expire` has one slot: the
 * order of last touch.
 *
 * Two ways to keep it, chosen by the size of the table:
 *
 * exact  (one shard, or no `expire`)  A refresh moves the entry to the end of its new slot, a tracker takes it
 *        out until the last one leaves. The victim of an eviction is the entry touched longest ago.
 * lazy   (large tables)  A refresh only writes the date, a tracker nothing at all: moving costs three cache
 *        misses on neighbours, most of what a counted request costs. Whoever later meets the entry at the
 *        head of a slot (expiry, eviction) moves it to where it belongs, at most once per refresh. Victims are
 *        the oldest up to the span of a slot. No entry is ever in a slot later than its date.
 *
 * All functions are called with the lock of the shard held.
 */
import {
	EXPIRE,
	ORDER_NEXT,
	ORDER_PREV,
	ORDER_SLOT,
	SHARD_FIRST_TICK,
	SHARD_LINKED,
	STATE,
	type TableLayout,
	UNTRACKED,
} from './layout.js';

/** Entries of the current slot that are looked at although they are not due: those learned out of order. */
const UNDUE_LIMIT = 16;
/** Entries moved in search of a victim before the next one at hand is taken. */
const VICTIM_STEPS = 512;

export class ExpiryOrder {
	readonly isExact: boolean;
	/** Entries that `due` moved since the caller set it to 0: time spent in the lock. */
	steps = 0;
	readonly #words: Int32Array;
	readonly #slots: number;
	readonly #shift: number;
	readonly #hasExpiry: boolean;

	constructor(words: Int32Array, layout: TableLayout, hasExpiry: boolean) {
		this.#words = words;
		this.#slots = layout.wheelSlots;
		this.#shift = layout.wheelShift;
		this.#hasExpiry = hasExpiry;
		this.isExact = layout.shardCount === 1 || !hasExpiry;
	}

	/** Puts the record at the end of the slot of its date. `wheelAt` is the wheel of the shard at `shardAt`. */
	link(shardAt: number, wheelAt: number, record: number): void {
		const words = this.#words;
		const date = words[record + EXPIRE]!;
		const slot = this.#slotOf(date);
		const slotAt = wheelAt + slot * 2;
		const tail = words[slotAt + 1]!;
		words[record + ORDER_SLOT] = slot + 1;
		words[record + ORDER_PREV] = tail;
		words[record + ORDER_NEXT] = 0;
		if (tail === 0) words[slotAt] = record;
		else words[tail + ORDER_NEXT] = record;
		words[slotAt + 1] = record;
		this.#linked(shardAt, date);
	}

	/** Puts the record at the head of the slot of its date: before those that were touched after it. */
	linkFirst(shardAt: number, wheelAt: number, record: number): void {
		const words = this.#words;
		const date = words[record + EXPIRE]!;
		const slot = this.#slotOf(date);
		const slotAt = wheelAt + slot * 2;
		const head = words[slotAt]!;
		words[record + ORDER_SLOT] = slot + 1;
		words[record + ORDER_PREV] = 0;
		words[record + ORDER_NEXT] = head;
		if (head === 0) words[slotAt + 1] = record;
		else words[head + ORDER_PREV] = record;
		words[slotAt] = record;
		this.#linked(shardAt, date);
	}

	#linked(shardAt: number, date: number): void {
		const words = this.#words;
		if (words[shardAt + SHARD_LINKED]!++ === 0 || ((date - words[shardAt + SHARD_FIRST_TICK]!) | 0) < 0) {
			words[shardAt + SHARD_FIRST_TICK] = date;
		}
	}

	/** Takes the record out of its slot, if it is in one. */
	unlink(shardAt: number, wheelAt: number, record: number): void {
		const words = this.#words;
		const slot = words[record + ORDER_SLOT]! - 1;
		if (slot < 0) return;
		const slotAt = wheelAt + slot * 2;
		const previous = words[record + ORDER_PREV]!;
		const next = words[record + ORDER_NEXT]!;
		if (previous === 0) words[slotAt] = next;
		else words[previous + ORDER_NEXT] = next;
		if (next === 0) words[slotAt + 1] = previous;
		else words[next + ORDER_PREV] = previous;
		words[record + ORDER_SLOT] = 0;
		words[shardAt + SHARD_LINKED]!--;
	}

	/** Gives a record without trackers another date. */
	setDate(shardAt: number, wheelAt: number, record: number, date: number): void {
		const words = this.#words;
		const isEarlier = ((date - words[record + EXPIRE]!) | 0) < 0;
		words[record + EXPIRE] = date;
		if (!this.isExact && !isEarlier) return;
		if (words[record + ORDER_NEXT] === 0 && words[record + ORDER_SLOT] === this.#slotOf(date) + 1) return;
		this.unlink(shardAt, wheelAt, record);
		this.link(shardAt, wheelAt, record);
	}

	/** The entry without trackers that expires next, or 0 when there is none. */
	oldest(shardAt: number, wheelAt: number): number {
		const words = this.#words;
		let steps = 0;
		while (words[shardAt + SHARD_LINKED] !== 0) {
			const head = this.#firstLinked(shardAt, wheelAt);
			if (words[head + STATE] !== UNTRACKED) this.unlink(shardAt, wheelAt, head);
			else if (words[head + ORDER_SLOT] === this.#slotOf(words[head + EXPIRE]!) + 1 || steps++ === VICTIM_STEPS)
				return head;
			else {
				this.unlink(shardAt, wheelAt, head);
				this.link(shardAt, wheelAt, head);
			}
		}
		return 0;
	}

	#firstLinked(shardAt: number, wheelAt: number): number {
		const words = this.#words;
		let tick = words[shardAt + SHARD_FIRST_TICK]!;
		for (;;) {
			const head = words[wheelAt + this.#slotOf(tick) * 2]!;
			if (head !== 0) {
				words[shardAt + SHARD_FIRST_TICK] = tick;
				return head;
			}
			tick = this.#nextSlotTick(tick);
		}
	}

	/**
	 * An entry whose date is reached, or 0: none is, or more than `maxSteps` entries were moved looking for one.
	 * Empty slots of the past are stepped over for good.
	 */
	due(shardAt: number, wheelAt: number, nowTick: number, maxSteps: number): number {
		const words = this.#words;
		if (!this.#hasExpiry || words[shardAt + SHARD_LINKED] === 0) return 0;
		let tick = words[shardAt + SHARD_FIRST_TICK]!;
		for (let i = 0; i <= this.#slots && ((nowTick - tick) | 0) >= 0; i++) {
			const slot = this.#slotOf(tick);
			const isPast = ((this.#nextSlotTick(tick) - nowTick) | 0) <= 0;
			let undue = 0;
			for (let record = words[wheelAt + slot * 2]!; record !== 0; ) {
				const next = words[record + ORDER_NEXT]!;
				const date = words[record + EXPIRE]!;
				const isTracked = words[record + STATE] !== UNTRACKED;
				if (!isTracked && ((date - nowTick) | 0) <= 0) return record;
				if (isTracked || this.#slotOf(date) !== slot) {
					this.unlink(shardAt, wheelAt, record);
					if (!isTracked) this.link(shardAt, wheelAt, record);
					if (++this.steps > maxSteps) return 0;
				} else if (!isPast && ++undue === UNDUE_LIMIT) break;
				record = next;
			}
			if (!isPast) return 0;
			tick = this.#nextSlotTick(tick);
			words[shardAt + SHARD_FIRST_TICK] = tick;
		}
		return 0;
	}

	/** What is wrong with the wheel, or undefined; visits the records in it. For checks. */
	audit(shardAt: number, wheelAt: number, visit: (record: number) => void): string | undefined {
		const words = this.#words;
		let count = 0;
		for (let slot = 0; slot < this.#slots; slot++) {
			const slotAt = wheelAt + slot * 2;
			let previous = 0;
			for (let record = words[slotAt]!; record !== 0; record = words[record + ORDER_NEXT]!) {
				if (words[record + ORDER_PREV] !== previous) return `record ${record} has a wrong predecessor in its slot`;
				if (words[record + ORDER_SLOT] !== slot + 1) return `record ${record} does not know its slot`;
				if (this.isExact) {
					if (this.#slotOf(words[record + EXPIRE]!) !== slot) return `record ${record} is in a wrong slot`;
					if (words[record + STATE] !== UNTRACKED) return `record ${record} has trackers and is in a slot`;
				}
				if (++count > words[shardAt + SHARD_LINKED]!) return 'more records in the slots than counted';
				visit(record);
				previous = record;
			}
			if (words[slotAt + 1] !== previous) return `slot ${slot} has a wrong tail`;
		}
		return count === words[shardAt + SHARD_LINKED] ? undefined : 'fewer records in the slots than counted';
	}

	#slotOf(tick: number): number {
		return this.#hasExpiry ? (tick >>> this.#shift) & (this.#slots - 1) : 0;
	}

	#nextSlotTick(tick: number): number {
		return (((tick >>> this.#shift) + 1) << this.#shift) | 0;
	}
}
