/** Limits of bandwidth on virtual time: how much has gone by when. */
import t from 'tap';
import type { StickTableModel } from '../../../lib/config/model.js';
import type { Clock, Timer } from '../../../lib/core/clock.js';
import { StickTable } from '../../../lib/stick-table/table.js';
import {
	BandwidthFilter,
	type Budget,
	SharedBudget,
	StreamBudget,
} from '../../../lib/stream/filters/bandwidth-limit.js';
import { FilterChain } from '../../../lib/stream/filters/body-filter.js';
import { TimerWheel } from '../../../lib/stream/timeouts.js';

class VirtualClock implements Clock {
	nowMs = 1_000_000;
	readonly #timers = new Set<{ atMs: number; callback: () => void }>();
	monotonicMs(): number {
		return this.nowMs;
	}
	wallMs(): number {
		return this.nowMs;
	}
	monotonicUs(): number {
		return this.nowMs * 1000;
	}
	setTimer(callback: () => void, delayMs: number): Timer {
		const timer = { atMs: this.nowMs + delayMs, callback };
		this.#timers.add(timer);
		return { cancel: () => void this.#timers.delete(timer) };
	}
	get pending(): number {
		return this.#timers.size;
	}
	advance(ms: number): void {
		const end = this.nowMs + ms;
		for (;;) {
			const next = [...this.#timers].filter((one) => one.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
			if (next === undefined) break;
			this.#timers.delete(next);
			this.nowMs = next.atMs;
			next.callback();
		}
		this.nowMs = end;
	}
}

function through(clock: VirtualClock, budget: Budget, sizeMin = 0) {
	const pieces: number[] = [];
	const seen = { bytes: 0, ended: false, progressed: 0, pieces };
	const wheel = new TimerWheel(clock);
	const chain = new FilterChain([new BandwidthFilter(budget, sizeMin, wheel, () => clock.nowMs)]);
	chain.open(
		{
			write: (bytes) => {
				seen.bytes += bytes.length;
				pieces.push(bytes.length);
			},
			end: () => {
				seen.ended = true;
			},
			progressed: () => {
				seen.progressed++;
			},
		},
		(error) => t.error(error),
	);
	return { chain, seen, wheel };
}

t.test('a stream gets its limit per period, and no more', async (t) => {
	const clock = new VirtualClock();
	const { chain, seen } = through(clock, new StreamBudget(1000, 1000, clock.nowMs));
	chain.write(Buffer.alloc(3500));
	chain.end();
	t.equal(seen.bytes, 1000, "the first period's at once");
	t.equal(chain.pendingBytes, 2500);
	clock.advance(1000);
	t.ok(seen.bytes > 1900 && seen.bytes <= 2000, `${seen.bytes} after one second`);
	t.notOk(seen.ended);
	clock.advance(1600);
	t.equal(seen.bytes, 3500);
	t.ok(seen.ended, 'the end comes after the last byte');
	t.ok(seen.progressed > 0);
	t.equal(clock.pending, 0, 'no timer is left');
});

t.test('min-size: few large pieces, but for the last', async (t) => {
	const clock = new VirtualClock();
	const { chain, seen } = through(clock, new StreamBudget(1000, 1000, clock.nowMs), 400);
	chain.write(Buffer.alloc(2300));
	chain.end();
	clock.advance(5000);
	t.equal(seen.bytes, 2300);
	t.ok(
		seen.pieces.slice(0, -1).every((size) => size >= 400),
		seen.pieces.join(' '),
	);
});

t.test('a closed chain gives nothing more', async (t) => {
	const clock = new VirtualClock();
	const { chain, seen } = through(clock, new StreamBudget(100, 1000, clock.nowMs));
	chain.write(Buffer.alloc(1000));
	chain.close();
	clock.advance(20_000);
	t.equal(seen.bytes, 100);
	t.notOk(seen.ended);
	t.equal(clock.pending, 0);
});

t.test('streams of one key share a limit', async (t) => {
	const clock = new VirtualClock();
	const model: StickTableModel = {
		place: { file: 'x', line: 1 },
		name: 'limits',
		keyType: 'string',
		keyLengthBytes: 32,
		size: 100,
		expireMs: 60_000,
		nopurge: false,
		recvOnly: false,
		writeTo: undefined,
		srvkey: 'name',
		store: [{ type: 'bytes_out_rate', periodMs: 1000, count: 1 }],
		bratesFactor: 1,
		peers: undefined,
	} as unknown as StickTableModel;
	const table = new StickTable(model, StickTable.allocate(model));
	const slot = table.slot('bytes_out_rate');
	if (slot === undefined) throw new Error('no slot');
	const one = through(clock, new SharedBudget(table, slot, 'a', 10_000));
	const two = through(clock, new SharedBudget(table, slot, 'a', 10_000));
	const other = through(clock, new SharedBudget(table, slot, 'b', 10_000));
	for (const { chain } of [one, two, other]) chain.write(Buffer.alloc(100_000));
	clock.advance(4000);
	const shared = one.seen.bytes + two.seen.bytes;
	t.ok(shared > 25_000 && shared <= 52_000, `${shared} bytes of two streams in four seconds`);
	t.ok(one.seen.bytes > shared / 4 && two.seen.bytes > shared / 4, 'neither starves');
	t.ok(other.seen.bytes > 25_000 && other.seen.bytes <= 52_000, 'another key has its own');
	for (const { chain } of [one, two, other]) chain.close();
});
