/** When changes are pushed: the first at once, then what comes in a pause together. */
import t from 'tap';
import { News } from '../../lib/peers/news.js';
import type { ReplicatedTable } from '../../lib/peers/replicated-table.js';
import { VirtualTime } from '../simulation/virtual-time.js';

const PAUSES = { quietMs: 20, busyMs: 40, busyFrom: 3 };

/** A table that is only changed. */
class Changing {
	id = 0xfffffff0;
	#isSignalled = false;
	#waiting: (() => void) | undefined;
	readonly #time: VirtualTime;

	constructor(time: VirtualTime) {
		this.#time = time;
	}

	change(): void {
		this.id = (this.id + 1) >>> 0;
		this.#isSignalled = true;
		if (this.#waiting !== undefined) this.#time.after(0, this.#waiting);
		this.#waiting = undefined;
	}

	localUpdateId(): number {
		return this.id;
	}

	takeSignal(): boolean {
		const isSignalled = this.#isSignalled;
		this.#isSignalled = false;
		return isSignalled;
	}

	whenSignalled(callback: () => void): void {
		if (this.#isSignalled) this.#time.after(0, callback);
		else this.#waiting = callback;
	}
}

function watched(pauses?: typeof PAUSES): { time: VirtualTime; table: Changing; told: number[]; stop: () => void } {
	const time = new VirtualTime();
	const table = new Changing(time);
	const told: number[] = [];
	let isRunning = true;
	const news = new News(
		time.clock(),
		() => isRunning,
		() => told.push(time.nowMs),
	);
	news.watch(table as unknown as ReplicatedTable, pauses);
	return { time, table, told, stop: () => (isRunning = false) };
}

t.test('the first change leaves at once, those of the next pause together', async (t) => {
	const { time, table, told } = watched(PAUSES);
	time.runUntil(100);
	table.change();
	for (const atMs of [105, 110]) {
		time.runUntil(atMs);
		table.change();
	}
	time.runUntil(500);
	t.same(told, [100, 120]);
	table.change();
	time.runUntil(600);
	t.same(told, [100, 120, 500], 'and after a quiet moment at once again');
});

t.test('many at a time are left to gather for longer', async (t) => {
	const { time, table, told } = watched(PAUSES);
	for (let atMs = 0; atMs < 200; atMs += 5) {
		time.runUntil(atMs);
		table.change();
	}
	time.runUntil(1000);
	const gaps = told.slice(1).map((atMs, index) => atMs - told[index]!);
	t.equal(told[0], 0);
	t.same(new Set(gaps.slice(1)), new Set([40]), 'ids that wrap are counted on');
});

t.test('tables that are overwritten wait for next to nothing; a section that has stopped says nothing', async (t) => {
	const { time, table, told, stop } = watched();
	table.change();
	time.runUntil(1);
	table.change();
	time.runUntil(10);
	t.same(told, [0, 2]);
	stop();
	table.change();
	time.runUntil(100);
	t.same(told, [0, 2]);
});
