import t from 'tap';
import { COUNTERS, Column, CounterMemory, statusColumn } from '../../lib/shared/counters.js';

const NOW = 5_000_000;

function threads(threadCount: number, objectCount = 3): CounterMemory[] {
	const shape = { objectCount, threadCount };
	const buffer = CounterMemory.allocate(shape);
	return Array.from({ length: threadCount }, (_, thread) => new CounterMemory(shape, buffer, thread));
}

t.test('totals add up over threads, objects stay apart', async (t) => {
	const memories = threads(3);
	for (const [thread, memory] of memories.entries()) {
		const counters = memory.object(1);
		counters.slice[Column.stot]! += thread + 1;
		counters.slice[Column.bin]! += 2 ** 40;
	}
	for (const memory of memories) {
		t.equal(memory.object(1).total('stot'), 6);
		t.equal(memory.object(1).total('bin'), 3 * 2 ** 40);
		t.equal(memory.object(0).total('stot'), 0);
		t.equal(memory.object(2).total('stot'), 0);
	}
	t.throws(() => memories[0]?.object(3), RangeError);
	t.throws(
		() =>
			new CounterMemory(
				{ objectCount: 1, threadCount: 1 },
				CounterMemory.allocate({ objectCount: 1, threadCount: 1 }),
				1,
			),
	);
});

t.test('no two columns share a place', async (t) => {
	const [memory] = threads(1, 1);
	const counters = memory!.object(0);
	for (const [index, { name, kind }] of COUNTERS.entries()) {
		if (kind === 'average') counters.sample(Column[name], index + 1);
		else counters.slice[Column[name]] = index + 1;
	}
	for (const [index, { name }] of COUNTERS.entries()) t.equal(counters.total(name), index + 1, name);
	t.equal(new Set(COUNTERS.map(({ name }) => name)).size, COUNTERS.length);
});

t.test('columns of response status', async (t) => {
	const cases: readonly (readonly [number, number])[] = [
		[100, Column.hrsp_1xx],
		[204, Column.hrsp_2xx],
		[302, Column.hrsp_3xx],
		[499, Column.hrsp_4xx],
		[503, Column.hrsp_5xx],
		[600, Column.hrsp_other],
		[0, Column.hrsp_other],
		[99, Column.hrsp_other],
	];
	for (const [status, column] of cases) t.equal(statusColumn(status), column, String(status));
});

t.test('current sessions and their maximum are exact over threads', async (t) => {
	const [a, b] = threads(2).map((memory) => memory.object(0));
	t.equal(a!.enter(), 1);
	t.equal(b!.enter(), 2);
	t.equal(a!.enter(), 3);
	b!.leave();
	a!.leave();
	t.equal(b!.current, 1);
	t.equal(b!.currentMax, 3, 'of all threads together, not the sum of what each saw');
	t.equal(b!.enter(), 2);
	t.equal(a!.currentMax, 3);
});

t.test('rates per second over threads', async (t) => {
	for (const base of [NOW, 2 ** 31 - 500, 2 ** 31 + 10_000, 2 ** 32 - 500]) {
		const [a, b] = threads(2).map((memory) => memory.object(0));
		for (let i = 0; i < 10; i++) {
			a!.countRate('session', base + i);
			b!.countRate('session', base + i - 1);
		}
		t.equal(a!.rate('session', base + 20), 20);
		t.equal(a!.rate('request', base + 20), 0, 'the three rates are apart');
		t.equal(b!.rate('session', base + 1500), 10, 'half of the second before is still inside');
		t.equal(b!.rate('session', base + 3000), 0);
		t.equal(b!.countRate('session', base + 1500), 11);
		t.equal(b!.rateMax('session'), 20);
		t.equal(b!.rate('session', base + 995), 21, 'a clock slightly behind sees the second at its start');
	}
});

t.test('averages look back on 1024 samples and weigh threads by theirs', async (t) => {
	const [a, b] = threads(2).map((memory) => memory.object(0));
	t.equal(a!.total('ttime'), 0);
	for (let i = 0; i < 3; i++) a!.sample(Column.ttime, 10);
	b!.sample(Column.ttime, 50);
	t.equal(a!.total('ttime'), 20);
	for (let i = 0; i < 20_000; i++) a!.sample(Column.ttime, 100);
	for (let i = 0; i < 1024; i++) b!.sample(Column.ttime, 50);
	t.ok(Math.abs(a!.total('ttime') - 75) < 1, 'old samples fade');
});

t.test('maxima are the highest of any thread; clearing', async (t) => {
	const [a, b] = threads(2).map((memory) => memory.object(0));
	a!.raise(Column.qtime_max, 10);
	b!.raise(Column.qtime_max, 30);
	b!.raise(Column.qtime_max, 20);
	a!.raise(Column.lastsess_ms, NOW);
	a!.enter();
	a!.enter();
	a!.leave();
	a!.countRate('session', NOW);
	a!.slice[Column.stot]! += 5;
	t.equal(a!.total('qtime_max'), 30);
	a!.clearMaxima();
	t.equal(a!.total('qtime_max'), 0);
	t.equal(a!.total('lastsess_ms'), NOW, 'a date, not a record');
	t.equal(a!.currentMax, 1, 'starts again from now');
	t.equal(a!.rateMax('session'), 0);
	t.equal(a!.total('stot'), 5);
	a!.clearAll();
	t.equal(b!.total('stot'), 0);
	b!.slice[Column.stot]! += 2;
	t.equal(a!.total('stot'), 2, 'counting goes on');
});
