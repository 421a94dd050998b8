import t from 'tap';
import type { Clock, Timer } from '../../lib/core/clock.js';
import { Deadline, TICK_MS, TimerWheel } from '../../lib/stream/timeouts.js';

/** Virtual time with real timers semantics: `advance` runs what is due, in order. */
class VirtualClock implements Clock {
	nowMs = 5_000_000;
	timersSet = 0;
	#timers = new Set<{ atMs: number; callback: () => void }>();

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
		this.timersSet++;
		this.#timers.add(timer);
		return { cancel: () => void this.#timers.delete(timer) };
	}
	get pendingTimers(): number {
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

class Probe extends Deadline {
	firedAtMs: number[] = [];
	onFire: (() => void) | undefined;
	deadlinePassed(nowMs: number): void {
		this.firedAtMs.push(nowMs);
		this.onFire?.();
	}
}

function make(): { clock: VirtualClock; wheel: TimerWheel } {
	const clock = new VirtualClock();
	return { clock, wheel: new TimerWheel(clock) };
}

t.test('a deadline fires once, never early, at most a tick late', async (t) => {
	for (const delay of [1, 7, 10, 11, 999, 5_119, 5_120, 5_121, 60_000, 3_600_000]) {
		const { clock, wheel } = make();
		const probe = new Probe();
		const dueMs = clock.nowMs + delay;
		wheel.set(probe, dueMs);
		clock.advance(delay - 1);
		t.same(probe.firedAtMs, [], `${delay} ms: not early`);
		clock.advance(TICK_MS + 1);
		t.equal(probe.firedAtMs.length, 1, `${delay} ms: fired`);
		t.ok((probe.firedAtMs[0] ?? 0) >= dueMs && (probe.firedAtMs[0] ?? 0) <= dueMs + TICK_MS);
		clock.advance(100_000);
		t.equal(probe.firedAtMs.length, 1, 'once');
		t.equal(clock.pendingTimers, 0, 'an empty wheel does not wake');
	}
});

t.test('moving a deadline later costs no timer', async (t) => {
	const { clock, wheel } = make();
	const probe = new Probe();
	wheel.set(probe, clock.nowMs + 1000);
	const before = clock.timersSet;
	for (let i = 0; i < 100; i++) wheel.set(probe, clock.nowMs + 1000 + i);
	t.equal(clock.timersSet, before);
	clock.advance(1098);
	t.same(probe.firedAtMs, []);
	clock.advance(12);
	t.equal(probe.firedAtMs.length, 1);
});

t.test('moving a deadline nearer', async (t) => {
	const { clock, wheel } = make();
	const probe = new Probe();
	wheel.set(probe, clock.nowMs + 60_000);
	wheel.set(probe, clock.nowMs + 30);
	clock.advance(41);
	t.equal(probe.firedAtMs.length, 1);
	clock.advance(60_000);
	t.equal(probe.firedAtMs.length, 1);
});

t.test('none and removed', async (t) => {
	const { clock, wheel } = make();
	const none = new Probe();
	const removed = new Probe();
	wheel.set(none, clock.nowMs + 20);
	wheel.set(removed, clock.nowMs + 20);
	wheel.set(none, 0);
	wheel.remove(removed);
	t.equal(wheel.entryCount, 1, 'one stays until its slot comes by');
	clock.advance(200);
	t.same([none.firedAtMs, removed.firedAtMs], [[], []]);
	t.equal(wheel.entryCount, 0);
});

t.test('a callback may remove its neighbours and set itself again', async (t) => {
	const { clock, wheel } = make();
	const probes = [new Probe(), new Probe(), new Probe()];
	for (const probe of probes) {
		wheel.set(probe, clock.nowMs + 50);
		probe.onFire = () => {
			for (const other of probes) if (other !== probe) wheel.remove(other);
			if (probe.firedAtMs.length === 1) wheel.set(probe, clock.nowMs + 50);
		};
	}
	clock.advance(61);
	t.equal(probes.flatMap((probe) => probe.firedAtMs).length, 1);
	clock.advance(61);
	t.equal(probes.flatMap((probe) => probe.firedAtMs).length, 2);
});

t.test('after a pause longer than a turn everything due fires once', async (t) => {
	const { clock, wheel } = make();
	const probes = Array.from({ length: 1000 }, () => new Probe());
	probes.forEach((probe, index) => {
		wheel.set(probe, clock.nowMs + 1 + index * 17);
	});
	clock.nowMs += 100_000;
	clock.advance(1);
	t.ok(probes.every((probe) => probe.firedAtMs.length === 1));
});
