/**
 * Events per second over all threads, in four shared Int32 words without a lock: start of the current second,
 * its events, those of the second before, and the highest reading seen. The sliding window is that of stick
 * tables (stick-tables.md, section 4) with a period of one second; here many threads count at once.
 *
 * The thread that finds the second over moves the start by compare-and-exchange; who succeeds moves the
 * current count to the previous. An event that another thread counts between those two instructions lands
 * in the previous second instead of the new one: it is counted once, a moment early. That is all it gives up.
 *
 * Words are read without `Atomics`: an aligned Int32 is never torn, and nothing here depends on the order in
 * which two of them become visible. Each call of `Atomics` costs as much as the arithmetic between them.
 */
export const RATE_PERIOD_MS = 1000;
export const SHARED_RATE_WORDS = 4;

/** Tick; 0 until the first event. */
const START = 0;
const CURRENT = 1;
const PREVIOUS = 2;
const HIGHEST = 3;

/** Ages from here on are a few seconds before the start: threads ask their clocks at slightly different moments. */
const IN_THE_PAST_FROM = 2 ** 32 - 5000;

/** Counts `events` at `nowTick` (low 32 bits of the millisecond clock); returns the rate with them. */
export function countRate(words: Int32Array, at: number, events: number, nowTick: number): number {
	const start = words[at + START] as number;
	const age = (nowTick - start) >>> 0;
	if (start === 0 || (age >= RATE_PERIOD_MS && age < IN_THE_PAST_FROM)) rotate(words, at, start, age, nowTick);
	Atomics.add(words, at + CURRENT, events);
	const rate = readSharedRate(words, at, nowTick);
	for (let highest = words[at + HIGHEST] as number; rate > highest; ) {
		const found = Atomics.compareExchange(words, at + HIGHEST, highest, rate);
		if (found === highest) break;
		highest = found;
	}
	return rate;
}

function rotate(words: Int32Array, at: number, start: number, age: number, nowTick: number): void {
	const isNext = start !== 0 && age < 2 * RATE_PERIOD_MS;
	const newStart = (isNext ? start + RATE_PERIOD_MS : nowTick) | 0 || 1;
	if (Atomics.compareExchange(words, at + START, start, newStart) !== start) return;
	const counted = Atomics.exchange(words, at + CURRENT, 0);
	Atomics.store(words, at + PREVIOUS, isNext ? counted : 0);
}

/** Events per second at `nowTick`. */
export function readSharedRate(words: Int32Array, at: number, nowTick: number): number {
	const wrapped = (nowTick - (words[at + START] as number)) >>> 0;
	const age = wrapped >= IN_THE_PAST_FROM ? 0 : wrapped;
	const current = words[at + CURRENT] as number;
	if (age < RATE_PERIOD_MS) {
		const remainMs = RATE_PERIOD_MS - age;
		const past = words[at + PREVIOUS] as number;
		if (current === 0 && past <= 1) return past;
		return current + Math.floor((past * remainMs) / RATE_PERIOD_MS);
	}
	const remainMs = 2 * RATE_PERIOD_MS - age;
	if (remainMs < 0) return 0;
	return current <= 1 ? current : Math.floor((current * remainMs) / RATE_PERIOD_MS);
}

/** The highest rate since the start or the last `resetHighest`. */
export function highestRate(words: Int32Array, at: number): number {
	return Atomics.load(words, at + HIGHEST);
}

export function resetHighest(words: Int32Array, at: number): void {
	Atomics.store(words, at + HIGHEST, 0);
}
