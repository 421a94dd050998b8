import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import {
	addToRate,
	RATE_CURRENT,
	RATE_PREVIOUS,
	RATE_WORDS,
	rateValue,
	readRate,
	setRate,
} from '../../lib/stick-table/freq-counter.js';

interface Vectors {
	read: { period_ms: number; age_ms: number; curr: number; prev: number; value: number }[];
	sequences: {
		name: string;
		period_ms: number;
		steps: { t_ms: number; inc?: number; read?: number; state?: { age_ms: number; curr: number; prev: number } }[];
	}[];
}
const vectors = JSON.parse(
	readFileSync(new URL('../fixtures/vectors/unit/freq-counter.json', import.meta.url), 'utf8'),
) as Vectors;

/** Clocks at which everything is tried: small, around the sign bit, and around the wrap of 32 bits. */
const BASES = [1_000_000, 2 ** 31 - 30_000, 2 ** 32 - 30_000];

t.test('readings of recorded states', async (t) => {
	for (const base of BASES) {
		for (const { period_ms, age_ms, curr, prev, value } of vectors.read) {
			const now = (base + age_ms) >>> 0;
			t.equal(rateValue(base | 0, curr, prev, now, period_ms), value, `age ${age_ms}, ${curr} and ${prev}, at ${base}`);
		}
	}
});

t.test('recorded sequences', async (t) => {
	for (const base of BASES) {
		for (const { name, period_ms, steps } of vectors.sequences) {
			const words = new Int32Array(RATE_WORDS);
			// A counter that was used long ago, so that the first event starts a period at its own time.
			words[0] = (base - 10 * period_ms) | 0;
			for (const step of steps) {
				const now = (base + step.t_ms) >>> 0;
				if (step.inc !== undefined) addToRate(words, 0, step.inc, now, period_ms);
				if (step.read !== undefined) t.equal(readRate(words, 0, now, period_ms), step.read, `${name}: at ${step.t_ms}`);
				if (step.state === undefined) continue;
				t.equal((now - words[0]!) >>> 0, step.state.age_ms, `${name}: age at ${step.t_ms}`);
				t.equal(words[RATE_CURRENT]! >>> 0, step.state.curr);
				t.equal(words[RATE_PREVIOUS]! >>> 0, step.state.prev);
			}
		}
	}
});

t.test('a new counter reads 0, whatever the clock, and starts with its first event', async (t) => {
	for (const now of [0, 5, 2 ** 31, 2 ** 32 - 1]) {
		const words = new Int32Array(RATE_WORDS);
		t.equal(readRate(words, 0, now, 10_000), 0);
		addToRate(words, 0, 3, now, 10_000);
		t.equal(readRate(words, 0, now, 10_000), 3);
	}
});

t.test('the start of a period is even', async (t) => {
	const words = new Int32Array(RATE_WORDS);
	addToRate(words, 0, 1, 100_001, 1000);
	t.equal(words[0], 100_000);
	setRate(words, 0, 5, 200_003);
	t.equal(words[0], 200_002);
});

t.test('set: reads the value for a whole period, then fades over the next', async (t) => {
	const words = new Int32Array(RATE_WORDS);
	words.fill(77);
	setRate(words, 0, 100, 50_000);
	t.equal(readRate(words, 0, 50_000, 10_000), 100);
	t.equal(readRate(words, 0, 60_000, 10_000), 100);
	t.equal(readRate(words, 0, 65_000, 10_000), 50);
	t.equal(readRate(words, 0, 70_000, 10_000), 0);
});

t.test('large counts and long periods are exact: 64-bit intermediates', async (t) => {
	fc.assert(
		fc.property(
			fc.integer({ min: 0, max: 2 ** 32 - 1 }),
			fc.integer({ min: 0, max: 2 ** 32 - 1 }),
			fc.integer({ min: 1, max: 2 ** 31 - 1 }),
			fc.nat(2 ** 31 - 1),
			(current, previous, periodMs, ageSeed) => {
				const age = ageSeed % periodMs;
				const remain = BigInt(periodMs - age);
				const exact = (BigInt(previous) * remain + BigInt(current) * BigInt(periodMs)) / BigInt(periodMs);
				const expected = current === 0 && previous <= 1 ? previous : Number(exact);
				return rateValue(1000, current, previous, 1000 + age, periodMs) === expected;
			},
		),
		{ seed: 20260, numRuns: 2000 },
	);
	t.pass('seed 20260');
});

t.test('a reading never exceeds what was added, never falls below the current period, and adding wraps', async (t) => {
	const words = new Int32Array(RATE_WORDS);
	addToRate(words, 0, 2 ** 32 - 1, 4_000_000, 1000);
	t.equal(readRate(words, 0, 4_000_000, 1000), 2 ** 32 - 1);
	t.equal(addToRate(words, 0, 2, 4_000_000, 1000), 1);
});
