/**
 * What the sum of two entries is, per data type. Whoever adds shares of several nodes, and the documentation,
 * read the one table below.
 *
 * ## Sums of rates
 * A rate is three words: the start of its period, the events since, and those of the period before. What it
 * reads falls along a line while the previous period slides out of the window. Two nodes begin their periods
 * at different moments, so the sum of two rates is brought to now first (a period that is over becomes the
 * previous one), and is then the rate that reads exactly what both read together now. Its start is the mean of
 * theirs, weighted by their events. What that gives up: until the next update of either node, the sum may fall
 * a little earlier or later than its parts, by at most the distance of their starts; it is gone when they are.
 */
import { RATE_CURRENT, RATE_PREVIOUS } from './freq-counter.js';
import type { DataSlot } from './layout.js';

export type SumRule =
	/** Counters and rates: all shares added, a rate as it reads now. */
	| 'add'
	/** States: the value of the share that was changed last. */
	| 'newest'
	/** What exists only while its node does: added, and taken from the share of a node that is gone. */
	| 'add connected';

/** By the names of data-types.ts. */
export const SUM_RULES: Readonly<Record<string, SumRule>> = {
	server_id: 'newest',
	gpt0: 'newest',
	gpc0: 'add',
	gpc0_rate: 'add',
	conn_cnt: 'add',
	conn_rate: 'add',
	conn_cur: 'add connected',
	sess_cnt: 'add',
	sess_rate: 'add',
	http_req_cnt: 'add',
	http_req_rate: 'add',
	http_err_cnt: 'add',
	http_err_rate: 'add',
	bytes_in_cnt: 'add',
	bytes_in_rate: 'add',
	bytes_out_cnt: 'add',
	bytes_out_rate: 'add',
	gpc1: 'add',
	gpc1_rate: 'add',
	server_key: 'newest',
	http_fail_cnt: 'add',
	http_fail_rate: 'add',
	gpt: 'newest',
	gpc: 'add',
	gpc_rate: 'add',
	glitch_cnt: 'add',
	glitch_rate: 'add',
};

/** The rule of a stored type; a name that an array answers for has the array's. */
export function sumRuleOf(slot: DataSlot): SumRule {
	return SUM_RULES[slot.type] ?? 'add';
}

/**
 * Adds the entry `from` to `into`, both records of one declaration. `isNewer`: states are taken from `from`, whose
 * record begins at word `fromRecord`.
 * Strings are the caller's, since they live beside the words.
 */
export function addShare(
	into: Int32Array,
	from: Int32Array,
	slots: readonly DataSlot[],
	nowTick: number,
	isNewer: boolean,
	fromRecord = 0,
): void {
	for (let i = 0; i < slots.length; i++) {
		const slot = slots[i]!;
		const rule = sumRuleOf(slot);
		for (let index = 0; index < slot.count; index++) {
			if (rule === 'newest') {
				if (isNewer && slot.class !== 'string') into[slot.offset + index] = from[fromRecord + slot.offset + index]!;
				continue;
			}
			switch (slot.class) {
				case 'uint32':
				case 'int32': {
					const at = slot.offset + index;
					into[at] = (into[at]! + from[fromRecord + at]!) | 0;
					break;
				}
				case 'uint64':
					add64(into, slot.offset + index * 2, from, fromRecord + slot.offset + index * 2);
					break;
				case 'rate': {
					const at = slot.offset + index * 3;
					addRate(into, at, from, fromRecord + at, nowTick, slot.periodMs);
					break;
				}
			}
		}
	}
}

function add64(into: Int32Array, at: number, from: Int32Array, fromAt: number): void {
	const low = (into[at]! >>> 0) + (from[fromAt]! >>> 0);
	into[at] = low | 0;
	into[at + 1] = (into[at + 1]! + from[fromAt + 1]! + (low > 0xffffffff ? 1 : 0)) | 0;
}

/** A rate brought to now: how long its period has been going on, and its two counts. */
const scratch = [
	{ ageMs: 0, current: 0, previous: 0 },
	{ ageMs: 0, current: 0, previous: 0 },
] as const;

function addRate(
	into: Int32Array,
	at: number,
	from: Int32Array,
	fromAt: number,
	nowTick: number,
	periodMs: number,
): void {
	const a = bringToNow(scratch[0], into, at, nowTick, periodMs);
	const b = bringToNow(scratch[1], from, fromAt, nowTick, periodMs);
	if (b.current + b.previous === 0) return;
	const isAlone = a.current + a.previous === 0;
	const weightA = a.current + a.previous;
	const weightB = b.current + b.previous;
	const ageMs = isAlone ? b.ageMs : Math.round((a.ageMs * weightA + b.ageMs * weightB) / (weightA + weightB));
	// What the previous periods still weigh now, carried by the common start.
	const weighed = a.previous * (periodMs - a.ageMs) + b.previous * (periodMs - b.ageMs);
	into[at] = (nowTick - ageMs) | 0;
	into[at + RATE_CURRENT] = (a.current + b.current) | 0;
	into[at + RATE_PREVIOUS] = isAlone ? b.previous : Math.round(weighed / Math.max(1, periodMs - ageMs)) | 0;
}

function bringToNow(
	rate: { ageMs: number; current: number; previous: number },
	words: Int32Array,
	at: number,
	nowTick: number,
	periodMs: number,
): typeof rate {
	const ageMs = (nowTick - words[at]!) >>> 0;
	rate.ageMs = ageMs;
	rate.current = words[at + RATE_CURRENT]! >>> 0;
	rate.previous = words[at + RATE_PREVIOUS]! >>> 0;
	if (ageMs >= periodMs) {
		rate.previous = ageMs < 2 * periodMs ? rate.current : 0;
		rate.current = 0;
		rate.ageMs = ageMs < 2 * periodMs ? ageMs - periodMs : 0;
	}
	return rate;
}
