/**
 * Entries of one table into another whose declaration differs: another size, key length, key type, `expire`,
 * other stored types. Used when a reload changes a table while its old threads still count, and when a
 * snapshot of an earlier declaration is loaded.
 *
 * Counts are never overwritten but added: what the source has beyond `base`, its state at the last transfer
 * of the same entry, is added to the target. So the target always reads what the source reads plus what was
 * counted in the target itself, each event once, however often and in whatever order entries are transferred.
 * States (gpt, server_id, server_key) are taken over when they have changed in the source.
 *
 * What differs is converted where that has a meaning: keys as a sample of one type is cast to the other,
 * `gpc0` to element 0 of `gpc` and back, an idle time under one `expire` to the same idle time under the
 * other, a rate of one period to the other as far as what was counted tells (`lossesBetween` says where not).
 */
import type { StickTableModel } from '../config/model.js';
import { tick } from '../core/clock.js';
import { ARRAY_FALLBACKS, CLASS_WORDS, type DataClass } from './data-types.js';
import type { EntryStore } from './entry-store.js';
import { addToRate, RATE_CURRENT, RATE_PREVIOUS, rateValue } from './freq-counter.js';
import type { TableKey } from './key.js';
import { type DataSlot, EXPIRE, layoutOf, STATE, UNTRACKED } from './layout.js';

/** One stored element of both tables, by its word in their records. */
interface ElementPair {
	readonly class: DataClass;
	readonly isAsIs: boolean;
	readonly from: number;
	readonly to: number;
	readonly fromPeriodMs: number;
	readonly toPeriodMs: number;
	/** Source blocks per target block, of byte rates. */
	readonly scale: number;
}

/** An entry of the source: words laid out like its records, at `at`. */
export interface SourceEntry {
	readonly words: Int32Array;
	readonly at: number;
	readonly key: TableKey;
	readonly serverKey: string;
}

export interface TransferOptions {
	/**
	 * The source is of the past: states of the target stand, what is over is not revived, and nothing is pushed out for
	 * it. Entries come in the order of their age, the youngest first.
	 */
	readonly isPast?: boolean;
}

export type TransferOutcome = 'transferred' | 'over' | 'no key' | 'full';

/** Places of a rate's start that mean the same: starts are made even, periods may be odd. */
const SAME_START_MS = 2;

export class EntryTransfer {
	readonly #target: EntryStore;
	readonly #pairs: readonly ElementPair[];
	readonly #hasServerKey: boolean;
	readonly #serverKeyFrom: number;
	readonly #sourceExpireMs: number;
	readonly #isPast: boolean;
	/** The record of the target that the last `apply` wrote. */
	record = 0;

	constructor(source: StickTableModel, target: EntryStore, { isPast = false }: TransferOptions = {}) {
		const { slots } = layoutOf(source);
		this.#isPast = isPast;
		this.#target = target;
		this.#sourceExpireMs = source.expireMs ?? 0;
		this.#pairs = pairsOf(slots, target.layout.slotsByName);
		const string = slots.find((slot) => slot.class === 'string');
		this.#hasServerKey = string !== undefined && target.stringSlot !== undefined;
		this.#serverKeyFrom = string?.offset ?? 0;
	}

	/**
	 * Adds to the target's entry what `entry` has beyond the state at `base[baseAt]`, everything without a base or
	 * when the target has no such entry. `pins`: the target's entry gets a tracker, see `unpin`. One locked step.
	 */
	apply(
		entry: SourceEntry,
		base: Int32Array | undefined,
		baseAt: number,
		pins: boolean,
		nowMs: number,
	): TransferOutcome {
		const target = this.#target;
		this.record = 0;
		if (!target.lockKey(entry.key)) return 'no key';
		const now = tick(nowMs) | 0;
		let record = target.find(now);
		const isNew = record === 0;
		const date = this.#dateOf(entry, now);
		const isOver = target.expireMs !== 0 && ((date - now) | 0) <= 0 && !pins;
		if (isOver && (isNew || this.#isPast)) {
			target.unlock();
			return 'over';
		}
		if (isNew) {
			record = this.#isPast ? target.createOld(date) : target.createUnlessOlder(now, date);
			if (record === 0) {
				target.unlock();
				return 'full';
			}
		}
		this.record = record;
		const known = isNew ? undefined : base;
		for (const pair of this.#pairs) this.#transferElement(pair, entry, known, baseAt, record, now);
		const keepsStates = this.#isPast && !isNew;
		if (this.#hasServerKey && entry.serverKey !== '' && !(keepsStates && target.serverKey(record) !== '')) {
			const at = this.#serverKeyFrom;
			if (known === undefined || known[baseAt + at] !== entry.words[entry.at + at]) {
				target.setServerKey(record, entry.serverKey);
			}
		}
		if (!this.#isPast && target.expireMs === 0) target.refresh(record, now);
		else if (isNew || ((date - target.words[record + EXPIRE]!) | 0) > 0) target.setDate(record, date);
		if (pins) target.pin(record);
		if (this.#isPast && isNew) target.updates.touchLearned(record);
		else target.updates.touchLocal(record);
		target.unlock();
		return 'transferred';
	}

	/** The end of a pin. */
	unpin(record: number, nowMs: number): void {
		this.#target.lockEntry(record);
		this.#target.unpin(record, tick(nowMs) | 0);
		this.#target.unlock();
	}

	/** When the entry expires in the target: the same time after its last touch, by the target's `expire`. */
	#dateOf({ words, at }: SourceEntry, now: number): number {
		const { expireMs } = this.#target;
		if (this.#sourceExpireMs === 0 || words[at + STATE]! > UNTRACKED) return (now + expireMs) | 0;
		return (words[at + EXPIRE]! - this.#sourceExpireMs + expireMs) | 0;
	}

	#transferElement(
		pair: ElementPair,
		{ words, at }: SourceEntry,
		base: Int32Array | undefined,
		baseAt: number,
		record: number,
		now: number,
	): void {
		const target = this.#target.words;
		const from = at + pair.from;
		const to = record + pair.to;
		switch (pair.class) {
			case 'uint32':
			case 'int32': {
				const value = words[from]!;
				const before = base === undefined ? 0 : base[baseAt + pair.from]!;
				if (!pair.isAsIs) target[to] = (target[to]! + value - before) | 0;
				else if (this.#isPast ? target[to] === 0 : base === undefined || value !== before) target[to] = value;
				break;
			}
			case 'uint64': {
				const low = base === undefined ? 0 : base[baseAt + pair.from]!;
				const high = base === undefined ? 0 : base[baseAt + pair.from + 1]!;
				addDifference64(target, to, words[from]!, words[from + 1]!, low, high);
				break;
			}
			case 'rate':
				if (base === undefined) addWholeRate(pair, words, from, target, to, now);
				else addRateDifference(pair, words, from, base, baseAt + pair.from, target, to, now);
				break;
			case 'string':
				break;
		}
	}
}

/** What of the source has no place in the target, a phrase each, for the log. */
export function lossesBetween(source: StickTableModel, target: StickTableModel): string[] {
	const from = layoutOf(source);
	const to = layoutOf(target);
	const losses: string[] = [];
	const pairs = pairsOf(from.slots, to.slotsByName);
	for (const slot of from.slots) {
		const kept = pairs.filter(
			({ from: at }) => at >= slot.offset && at < slot.offset + slot.count * CLASS_WORDS[slot.class],
		);
		if (slot.class === 'string') {
			if (!to.slotsByName.has(slot.type)) losses.push(`${slot.type} is not stored any more`);
		} else if (kept.length === 0) losses.push(`${slot.type} is not stored any more`);
		else if (kept.length < slot.count) losses.push(`only ${kept.length} of ${slot.count} elements of ${slot.type} fit`);
		const changed = kept.find(({ fromPeriodMs, toPeriodMs }) => fromPeriodMs !== toPeriodMs);
		if (changed !== undefined) {
			losses.push(
				`${slot.type} is estimated: its period was ${changed.fromPeriodMs} ms and is ${changed.toPeriodMs} ms`,
			);
		}
	}
	if (source.keyType !== target.keyType) losses.push(`keys of type ${source.keyType} become ${target.keyType}`);
	else if (target.keyLengthBytes < source.keyLengthBytes) {
		losses.push(`keys are cut to ${target.keyLengthBytes} bytes, those that become equal are added up`);
	}
	if (target.size < source.size) losses.push(`of more than ${target.size} entries the oldest are left out`);
	return losses;
}

function pairsOf(slots: readonly DataSlot[], target: ReadonlyMap<string, DataSlot>): ElementPair[] {
	const pairs: ElementPair[] = [];
	for (const slot of slots) {
		if (slot.class === 'string') continue;
		for (let index = 0; index < slot.count; index++) {
			const place = placeOf(slot, index, target);
			if (place === undefined) continue;
			const elementWords = CLASS_WORDS[slot.class];
			pairs.push({
				class: slot.class,
				isAsIs: slot.isAsIs,
				from: slot.offset + index * elementWords,
				to: place.slot.offset + place.index * elementWords,
				fromPeriodMs: slot.periodMs,
				toPeriodMs: place.slot.periodMs,
				scale: slot.factor / place.slot.factor,
			});
		}
	}
	return pairs;
}

/** Where an element stands in the target: under the same name, or where an array has taken over a scalar or back. */
function placeOf(
	slot: DataSlot,
	index: number,
	target: ReadonlyMap<string, DataSlot>,
): { readonly slot: DataSlot; readonly index: number } | undefined {
	const same = target.get(slot.type);
	if (same !== undefined) return index < same.count ? { slot: same, index } : undefined;
	for (const [name, fallback] of ARRAY_FALLBACKS) {
		const scalar = target.get(name);
		if (fallback.array === slot.type && fallback.index === index && scalar !== undefined)
			return { slot: scalar, index: 0 };
	}
	return undefined;
}

/** target += source - base, modulo 2^64, all low word first. */
function addDifference64(
	target: Int32Array,
	at: number,
	low: number,
	high: number,
	baseLow: number,
	baseHigh: number,
): void {
	const borrow = low >>> 0 < baseLow >>> 0 ? 1 : 0;
	const sum = (target[at]! >>> 0) + ((low - baseLow) >>> 0);
	target[at] = sum | 0;
	target[at + 1] = (target[at + 1]! + high - baseHigh - borrow + (sum > 0xffffffff ? 1 : 0)) | 0;
}

const scaled = (count: number, scale: number): number => (scale === 1 ? count : Math.ceil((count >>> 0) * scale)) | 0;

const isNear = (a: number, b: number): boolean => Math.abs((a - b) | 0) <= SAME_START_MS;

/** A rate of which the target knows nothing yet. */
function addWholeRate(
	pair: ElementPair,
	words: Int32Array,
	from: number,
	target: Int32Array,
	to: number,
	now: number,
): void {
	const { fromPeriodMs, toPeriodMs, scale } = pair;
	const start = words[from]!;
	const current = scaled(words[from + RATE_CURRENT]!, scale);
	const previous = scaled(words[from + RATE_PREVIOUS]!, scale);
	const ageMs = (now - start) >>> 0;
	if ((current | previous) === 0 || ageMs >= 2 * fromPeriodMs) return;
	const isEmpty = (target[to + RATE_CURRENT]! | target[to + RATE_PREVIOUS]!) === 0;
	if (!isEmpty && fromPeriodMs === toPeriodMs) {
		// What was counted here meanwhile came after it, most likely in the source's present period: that one goes on.
		const isOver = ageMs >= fromPeriodMs;
		target[to] = isOver ? (start + fromPeriodMs) | 0 : start;
		target[to + RATE_CURRENT] = (target[to + RATE_CURRENT]! + (isOver ? 0 : current)) | 0;
		target[to + RATE_PREVIOUS] = (target[to + RATE_PREVIOUS]! + (isOver ? current : previous)) | 0;
	} else if (!isEmpty) {
		// Counted here meanwhile, in periods of its own: what the source reads now is added to this period.
		const reading = rateValue(start, current >>> 0, previous >>> 0, now, fromPeriodMs);
		addToRate(target, to, Math.min(reading, Math.floor((reading * toPeriodMs) / fromPeriodMs)), now, toPeriodMs);
	} else if (fromPeriodMs === toPeriodMs) {
		target[to] = start;
		target[to + RATE_CURRENT] = current;
		target[to + RATE_PREVIOUS] = previous;
	} else if (toPeriodMs > fromPeriodMs) {
		// All that is known happened within the longer period.
		target[to] = start;
		target[to + RATE_CURRENT] = (current + (ageMs < fromPeriodMs ? previous : 0)) | 0;
		target[to + RATE_PREVIOUS] = 0;
	} else {
		// The part of it that a shorter window holds, if the events were spread evenly.
		const reading = rateValue(start, current >>> 0, previous >>> 0, now, fromPeriodMs);
		target[to] = now & ~1;
		target[to + RATE_CURRENT] = 0;
		target[to + RATE_PREVIOUS] = Math.floor((reading * toPeriodMs) / fromPeriodMs);
	}
}

/** What was counted since `base`: in the same periods where both tables have the same ones, else now. */
function addRateDifference(
	pair: ElementPair,
	words: Int32Array,
	from: number,
	base: Int32Array,
	baseFrom: number,
	target: Int32Array,
	to: number,
	now: number,
): void {
	const { fromPeriodMs: periodMs, toPeriodMs, scale } = pair;
	const start = words[from]!;
	const current = words[from + RATE_CURRENT]!;
	const previous = words[from + RATE_PREVIOUS]!;
	const baseStart = base[baseFrom]!;
	const baseCurrent = base[baseFrom + RATE_CURRENT]!;
	let inPrevious = 0;
	let inCurrent: number;
	if (start === baseStart) inCurrent = current - baseCurrent;
	else {
		inCurrent = current;
		inPrevious = isNear(start, (baseStart + periodMs) | 0) ? previous - baseCurrent : previous;
	}
	// Less than before: another life of the same key.
	inCurrent = scaled((inCurrent | 0) < 0 ? current : inCurrent | 0, scale);
	inPrevious = scaled((inPrevious | 0) < 0 ? previous : inPrevious | 0, scale);
	if (inCurrent === 0 && inPrevious === 0) return;
	const targetStart = target[to]!;
	if (periodMs === toPeriodMs && isNear(targetStart, start)) {
		target[to + RATE_CURRENT] = (target[to + RATE_CURRENT]! + inCurrent) | 0;
		target[to + RATE_PREVIOUS] = (target[to + RATE_PREVIOUS]! + inPrevious) | 0;
	} else if (periodMs === toPeriodMs && isNear((targetStart + periodMs) | 0, start)) {
		target[to + RATE_PREVIOUS] = (target[to + RATE_CURRENT]! + inPrevious) | 0;
		target[to + RATE_CURRENT] = inCurrent;
		target[to] = start;
	} else if (periodMs === toPeriodMs && isNear((start + periodMs) | 0, targetStart)) {
		target[to + RATE_PREVIOUS] = (target[to + RATE_PREVIOUS]! + inCurrent) | 0;
	} else addToRate(target, to, (inCurrent + inPrevious) | 0, now, toPeriodMs);
}
