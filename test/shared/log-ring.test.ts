/** A ring of log lines in shared memory. */
import t from 'tap';
import { LogRing } from '../../lib/shared/log-ring.js';
import { startTsWorker } from '../fixtures/ts-worker.js';

const ring = (size: number): LogRing => new LogRing(LogRing.allocate(size));

t.test('lines come out as they went in, oldest first', (t) => {
	const one = ring(64);
	const cursor = one.oldest();
	t.same(one.read(cursor, 1000), { lines: [], lostCount: 0 });
	one.write('first');
	one.write('');
	one.write('\xe9\xff third');
	t.same(one.read(cursor, 1000), { lines: ['first', '', '\xe9\xff third'], lostCount: 0 });
	t.same(one.read(cursor, 1000).lines, []);
	t.same(one.read(one.oldest(), 5).lines, ['first'], 'about so many bytes');
	t.same(one.read(one.newest(), 1000).lines, []);
	one.write('4');
	t.same(one.read(cursor, 1000).lines, ['4']);
	t.end();
});

t.test('a full ring forgets the oldest, a reader learns how many it missed', (t) => {
	// Against a list that is cut to what fits, for lines of every length over every seam of the ring.
	const size = 97;
	const one = ring(size);
	const late = one.oldest();
	const early = one.oldest();
	let kept: string[] = [];
	const all: string[] = [];
	const read: string[] = [];
	for (let i = 0; i < 400; i++) {
		const line = `${i}:`.padEnd((i * 7) % 40, 'x');
		one.write(line);
		all.push(line);
		kept.push(line);
		while (kept.reduce((sum, { length }) => sum + 4 + length, 0) > size) kept = kept.slice(1);
		t.same(one.read(one.oldest(), 1000).lines, kept);
		read.push(...one.read(early, 1000).lines);
	}
	t.same(read, all, 'who keeps up misses nothing');
	t.same(one.read(late, 1000), { lines: kept, lostCount: 400 - kept.length });
	one.countDropped(3);
	t.equal(one.droppedCount, 3);
	t.end();
});

t.test('what is longer than the ring is cut', (t) => {
	const one = ring(32);
	one.write('x'.repeat(100));
	t.same(one.read(one.oldest(), 1000).lines, ['x'.repeat(28)]);
	one.write('y');
	t.same(one.read(one.oldest(), 1000).lines, ['y']);
	t.end();
});

t.test('threads write at once and wake who waits', async (t) => {
	const one = ring(1 << 20);
	const url = new URL('./log-ring.worker.ts', import.meta.url);
	const workers = ['a', 'b'].map((name) =>
		startTsWorker(url, { workerData: { buffer: one.buffer, name, count: 2000 } }),
	);
	const cursor = one.oldest();
	const lines: string[] = [];
	while (lines.length < 4000) {
		const seen = one.changes;
		const read = one.read(cursor, 10_000);
		lines.push(...read.lines);
		if (read.lines.length === 0) await one.changed(seen, 10_000);
	}
	await Promise.all(workers.map((worker) => worker.terminate()));
	for (const name of ['a', 'b']) {
		const own = lines.filter((line) => line.startsWith(name));
		t.same(
			own,
			Array.from({ length: 2000 }, (_, i) => `${name} ${i}`),
		);
	}
});

t.test('a writer that died leaves the ring to the others', (t) => {
	const buffer = LogRing.allocate(256);
	const one = new LogRing(buffer);
	one.write('before');
	const cursor = one.oldest();
	// Thread 6 has died with the lock.
	new Int32Array(buffer)[0] = 7;
	t.equal(one.recover(5), false);
	t.equal(one.recover(6), true);
	one.write('after');
	t.same(one.read(one.oldest(), 1000).lines, ['after']);
	t.same(one.read(cursor, 1000).lines.at(-1), 'after');
	t.end();
});
