/** What a share has beyond an earlier one that it contains. */
import t from 'tap';
import { takeAway } from '../../lib/aggregate/beyond.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { stored, tableModel } from '../simulation/aggregate-cluster.js';

const PERIOD_MS = 10_000;
const model = tableModel('t', {
	store: [stored('gpt0'), stored('http_req_cnt'), stored('http_req_rate', PERIOD_MS), stored('bytes_in_cnt')],
});
const { slots } = new StickTable(model, StickTable.allocate(model));
const first = slots[0]?.offset ?? 0;

interface Share {
	readonly tag: number;
	readonly count: number;
	readonly rate: readonly [ageMs: number, current: number, previous: number];
	readonly bytes: bigint;
}

/** By the names of the slots: their order is that of the wire. */
function wordsOf({ tag, count, rate, bytes }: Share): Uint32Array {
	const words = new Uint32Array(7);
	for (const { type, offset } of slots) {
		const at = offset - first;
		if (type === 'gpt0') words[at] = tag;
		else if (type === 'http_req_cnt') words[at] = count;
		else if (type === 'http_req_rate') words.set(rate, at);
		else words.set([Number(bytes & 0xffffffffn), Number(bytes >> 32n)], at);
	}
	return words;
}

function beyond(share: Share, base: Share): Uint32Array {
	const words = wordsOf(share);
	takeAway(words, wordsOf(base), slots);
	return words;
}

t.test('counters, 64-bit counters and states', async (t) => {
	const share: Share = { tag: 7, count: 12, rate: [0, 0, 0], bytes: 2n ** 32n + 5n };
	t.same(
		beyond(share, { tag: 3, count: 5, rate: [0, 0, 0], bytes: 10n }),
		wordsOf({ ...share, count: 7, bytes: 2n ** 32n - 5n }),
		'a state is not taken away',
	);
	t.same(
		beyond(share, { tag: 3, count: 20, rate: [0, 0, 0], bytes: 2n ** 40n }),
		wordsOf({ ...share, count: 0, bytes: 0n }),
		'never less than nothing',
	);
	t.same(
		beyond({ ...share, count: 3 }, { tag: 3, count: 2 ** 32 - 2, rate: [0, 0, 0], bytes: 0n }),
		wordsOf({ ...share, count: 5 }),
		'a counter that has wrapped',
	);
});

t.test('of a rate what belongs to the same periods', async (t) => {
	const share: Share = { tag: 0, count: 0, rate: [2000, 9, 20], bytes: 0n };
	const base = (...rate: Share['rate']): Share => ({ tag: 0, count: 0, rate, bytes: 0n });
	t.same(beyond(share, base(2001, 4, 15)), wordsOf({ ...share, rate: [2000, 5, 5] }), 'the same period');
	t.same(beyond(share, base(2000 + PERIOD_MS, 15, 6)), wordsOf({ ...share, rate: [2000, 9, 5] }), 'the period before');
	t.same(beyond(share, base(60_000, 15, 6)), wordsOf(share), 'long ago');
});
