/**
 * Sliding rates in three 32-bit words: when the current period started, the events since then, and the
 * events of the period before. Adding is constant work without a timer: whoever touches the counter first
 * in a new period rotates it. A reading is the current count plus that part of the previous period which
 * is still inside the sliding window, so it is exact for steady traffic and off by how unevenly the last
 * period's events were spread otherwise.
 *
 * Times are the low 32 bits of the monotonic millisecond clock and all subtractions wrap (stick-tables.md,
 * section 4, whose formulas these are: HAProxy nodes read the same words after replication).
 */

/** Words of a counter, from its first one. */
export const RATE_START = 0;
export const RATE_CURRENT = 1;
export const RATE_PREVIOUS = 2;
export const RATE_WORDS = 3;

/** Adds `count` events at `nowTick` to the counter at `words[at]`; returns the events of the current period. */
export function addToRate(words: Int32Array, at: number, count: number, nowTick: number, periodMs: number): number {
	const start = words[at]! | 0;
	if ((nowTick - start) >>> 0 < periodMs) {
		const current = (words[at + RATE_CURRENT]! + count) | 0;
		words[at + RATE_CURRENT] = current;
		return current >>> 0;
	}
	return rotateRate(words, at, count, nowTick, periodMs);
}

/** The first event after the end of a period; one missed period keeps the rhythm, more start afresh. */
function rotateRate(words: Int32Array, at: number, count: number, nowTick: number, periodMs: number): number {
	let start = (words[at]! + periodMs) | 0;
	words[at + RATE_PREVIOUS] = words[at + RATE_CURRENT]!;
	words[at + RATE_CURRENT] = count | 0;
	if ((nowTick - start) >>> 0 >= periodMs) {
		words[at + RATE_PREVIOUS] = 0;
		start = nowTick | 0;
	}
	words[at] = start & ~1;
	return count >>> 0;
}

/** Events per period at `nowTick`. Never changes the counter. */
export function readRate(words: Int32Array, at: number, nowTick: number, periodMs: number): number {
	return rateValue(words[at]!, words[at + RATE_CURRENT]! >>> 0, words[at + RATE_PREVIOUS]! >>> 0, nowTick, periodMs);
}

/** Makes the counter read `value` for a whole period and fade over the next one, as `set table` does. */
export function setRate(words: Int32Array, at: number, value: number, nowTick: number): void {
	words[at + RATE_START] = nowTick & ~1;
	words[at + RATE_CURRENT] = value | 0;
	words[at + RATE_PREVIOUS] = 0;
}

/** The formula alone: `start` is a tick, `current` and `previous` are unsigned counts. */
export function rateValue(start: number, current: number, previous: number, nowTick: number, periodMs: number): number {
	let remain = (start + periodMs - nowTick) | 0;
	let past = previous;
	if (remain < 0) {
		// The period is over and nothing was added since: what it counted is the past now.
		remain = remain + periodMs;
		past = remain >= 0 ? current : 0;
		current = 0;
	}
	// A single old event would read 0 at once and 1 again after the next: it stays 1 until its time is over.
	if (current === 0 && past <= 1) return past;
	const weighted = past * remain + current * periodMs;
	if (weighted <= Number.MAX_SAFE_INTEGER) return Math.floor(weighted / periodMs);
	return Number((BigInt(past) * BigInt(remain) + BigInt(current) * BigInt(periodMs)) / BigInt(periodMs));
}
