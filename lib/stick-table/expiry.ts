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
 * Entries with trackers are in no slot: they may neither expire nor be evicted, and thousands of idle long
 * connections cost a search for a victim nothing. They are put back when the last tracker leaves.
 *
 * All functions are called with the lock of the shard held.
 */
import { EXPIRE, ORDER_NEXT, ORDER_PREV, SHARD_FIRST_TICK, SHARD_LINKED, type TableLayout } from './layout.js';

/** Entries of the current slot that are looked at although they are not due: those learned out of order. */
const UNDUE_LIMIT = 16;

export class ExpiryOrder {
	readonly #words: Int32Array;
	readonly #slots: number;
	readonly #shift: number;
	readonly #hasExpiry: boolean;

	constructor(words: Int32Array, layout: TableLayout, hasExpiry: boolean) {
		this.#words = words;
		this.#slots = layout.wheelSlots;
		this.#shift = layout.wheelShift;
		this.#hasExpiry = hasExpiry;
	}

	/** Puts the record in the slot of its date. `wheelAt` is the wheel of the shard at `shardAt`. */
	link(shardAt: number, wheelAt: number, record: number): void {
		const words = this.#words;
		const date = words[record + EXPIRE]!;
		const slotAt = this.#slotAt(wheelAt, date);
		const tail = words[slotAt + 1]!;
		words[record + ORDER_PREV] = tail;
		words[record + ORDER_NEXT] = 0;
		if (tail === 0) words[slotAt] = record;
		else words[tail + ORDER_NEXT] = record;
		words[slotAt + 1] = record;
		if (words[shardAt + SHARD_LINKED]!++ === 0 || ((date - words[shardAt + SHARD_FIRST_TICK]!) | 0) < 0) {
			words[shardAt + SHARD_FIRST_TICK] = date;
		}
	}

	/** Takes the record out; its date must be the one it was linked with. */
	unlink(shardAt: number, wheelAt: number, record: number): void {
		const words = this.#words;
		const slotAt = this.#slotAt(wheelAt, words[record + EXPIRE]!);
		const previous = words[record + ORDER_PREV]!;
		const next = words[record + ORDER_NEXT]!;
		if (previous === 0) words[slotAt] = next;
		else words[previous + ORDER_NEXT] = next;
		if (next === 0) words[slotAt + 1] = previous;
		else words[next + ORDER_PREV] = previous;
		words[shardAt + SHARD_LINKED]!--;
	}

	/** Gives a linked record a later date: to the end of that date's slot. */
	move(shardAt: number, wheelAt: number, record: number, date: number): void {
		const words = this.#words;
		if (
			words[record + ORDER_NEXT] === 0 &&
			this.#slotAt(wheelAt, words[record + EXPIRE]!) === this.#slotAt(wheelAt, date)
		) {
			words[record + EXPIRE] = date;
			return;
		}
		this.unlink(shardAt, wheelAt, record);
		words[record + EXPIRE] = date;
		this.link(shardAt, wheelAt, record);
	}

	/** The record that expires next, or 0 when all entries of the shard have trackers. */
	oldest(shardAt: number, wheelAt: number): number {
		const words = this.#words;
		if (words[shardAt + SHARD_LINKED] === 0) return 0;
		let tick = words[shardAt + SHARD_FIRST_TICK]!;
		for (let i = 0; i < this.#slots; i++) {
			const head = words[this.#slotAt(wheelAt, tick)]!;
			if (head !== 0) {
				words[shardAt + SHARD_FIRST_TICK] = tick;
				return head;
			}
			tick = this.#nextSlotTick(tick);
		}
		return 0;
	}

	/** A record whose date is reached, or 0. Empty slots of the past are stepped over for good. */
	due(shardAt: number, wheelAt: number, nowTick: number): number {
		const words = this.#words;
		if (!this.#hasExpiry || words[shardAt + SHARD_LINKED] === 0) return 0;
		let tick = words[shardAt + SHARD_FIRST_TICK]!;
		for (let i = 0; i <= this.#slots && ((nowTick - tick) | 0) >= 0; i++) {
			const isPast = ((this.#nextSlotTick(tick) - nowTick) | 0) <= 0;
			let undue = 0;
			for (let record = words[this.#slotAt(wheelAt, tick)]!; record !== 0; record = words[record + ORDER_NEXT]!) {
				if (((words[record + EXPIRE]! - nowTick) | 0) <= 0) return record;
				if (!isPast && ++undue === UNDUE_LIMIT) break;
			}
			if (!isPast) return 0;
			tick = this.#nextSlotTick(tick);
			words[shardAt + SHARD_FIRST_TICK] = tick;
		}
		return 0;
	}

	/** Records linked in the wheel and whether every link agrees with its neighbour: for checks. */
	audit(shardAt: number, wheelAt: number, visit: (record: number) => void): string | undefined {
		const words = this.#words;
		let count = 0;
		for (let slot = 0; slot < this.#slots; slot++) {
			const slotAt = wheelAt + slot * 2;
			let previous = 0;
			for (let record = words[slotAt]!; record !== 0; record = words[record + ORDER_NEXT]!) {
				if (words[record + ORDER_PREV] !== previous) return `record ${record} has a wrong predecessor in its slot`;
				if (this.#slotAt(wheelAt, words[record + EXPIRE]!) !== slotAt) return `record ${record} is in a wrong slot`;
				if (++count > words[shardAt + SHARD_LINKED]!) return 'more records in the slots than counted';
				visit(record);
				previous = record;
			}
			if (words[slotAt + 1] !== previous) return `slot ${slot} has a wrong tail`;
		}
		return count === words[shardAt + SHARD_LINKED] ? undefined : 'fewer records in the slots than counted';
	}

	#slotAt(wheelAt: number, tick: number): number {
		return this.#hasExpiry ? wheelAt + ((tick >>> this.#shift) & (this.#slots - 1)) * 2 : wheelAt;
	}

	#nextSlotTick(tick: number): number {
		return (((tick >>> this.#shift) + 1) << this.#shift) | 0;
	}
}
