/**
 * What a share has beyond an earlier one that it contains, as words of the wire (`EntryView.copyWords`): counters less
 * the counters, a rate less what of it belongs to the same periods. States are left as they are. What would be less
 * than nothing is nothing: then more was told of the earlier share than this one had heard of.
 */
import { RATE_CURRENT, RATE_PREVIOUS } from '../stick-table/freq-counter.js';
import type { DataSlot } from '../stick-table/layout.js';
import { sumRuleOf } from '../stick-table/sums.js';

/** Starts of periods that mean the same: they travel as ages, in milliseconds. */
const SAME_START_MS = 4;

/** Both are of one moment; `words` becomes the difference. */
export function takeAway(words: Uint32Array, base: Uint32Array, slots: readonly DataSlot[]): void {
	const firstOffset = slots[0]?.offset ?? 0;
	for (const slot of slots) {
		if (slot.class === 'string' || sumRuleOf(slot) === 'newest') continue;
		for (let index = 0; index < slot.count; index++) {
			const from = slot.offset - firstOffset;
			if (slot.class === 'rate') takeRateAway(words, base, from + index * 3, slot.periodMs);
			else if (slot.class === 'uint64') take64Away(words, base, from + index * 2);
			// They wrap.
			else words[from + index] = Math.max(0, (words[from + index]! - base[from + index]!) | 0);
		}
	}
}

function take64Away(words: Uint32Array, base: Uint32Array, at: number): void {
	const borrow = words[at]! < base[at]! ? 1 : 0;
	const isLess = words[at + 1]! < base[at + 1]! + borrow;
	words[at] = isLess ? 0 : words[at]! - base[at]!;
	words[at + 1] = isLess ? 0 : words[at + 1]! - base[at + 1]! - borrow;
}

/** Age, current, previous. */
function takeRateAway(words: Uint32Array, base: Uint32Array, at: number, periodMs: number): void {
	const laterMs = (base[at]! - words[at]!) | 0;
	const current = base[at + RATE_CURRENT]!;
	if (Math.abs(laterMs) <= SAME_START_MS) {
		lower(words, at + RATE_CURRENT, current);
		lower(words, at + RATE_PREVIOUS, base[at + RATE_PREVIOUS]!);
	} else if (Math.abs(laterMs - periodMs) <= SAME_START_MS) lower(words, at + RATE_PREVIOUS, current);
}

function lower(words: Uint32Array, at: number, by: number): void {
	words[at] = Math.max(0, words[at]! - by);
}
