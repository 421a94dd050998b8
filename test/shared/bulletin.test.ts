import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Bulletin } from '../../lib/shared/bulletin.js';
import { allocateVitals, readVitals, writeVitals } from '../../lib/shared/vitals.js';

t.test('what was written last is read', async (t) => {
	const buffer = Bulletin.allocate(64);
	const writer = new Bulletin(buffer);
	const reader = new Bulletin(buffer);
	t.equal(reader.read(0), undefined, 'nothing yet');
	t.ok(writer.write('first'));
	const { version } = reader;
	t.equal(reader.read(10), 'first');
	t.ok(writer.write('grüße'), 'UTF-8');
	t.not(reader.version, version, 'a new version');
	t.equal(reader.read(10), 'grüße');
	t.notOk(writer.write('x'.repeat(65)), 'too long');
	t.equal(reader.read(10), 'grüße', 'and what was there stays');
});

t.test('the writer knows when somebody looked', async (t) => {
	const buffer = Bulletin.allocate(64);
	const writer = new Bulletin(buffer);
	t.equal(writer.sinceReadMs(1000), undefined);
	new Bulletin(buffer).read(1000);
	t.equal(writer.sinceReadMs(1500), 500);
	const late = 2 ** 32 - 100;
	new Bulletin(buffer).read(late);
	t.equal(writer.sinceReadMs(2 ** 32 + 50), 150, 'over the turn of 32 bits');
});

t.test('nobody reads half of a text', async (t) => {
	const buffer = Bulletin.allocate(100_000);
	const reader = new Bulletin(buffer);
	// Writes long and short texts of one letter as fast as it can.
	const worker = new Worker(
		`const { workerData, parentPort } = require('node:worker_threads');
		const words = new Int32Array(workerData, 0, 8);
		const bytes = Buffer.from(workerData, 32);
		for (let i = 0; Atomics.load(words, 7) === 0; i++) {
			const text = Buffer.alloc(i % 2 === 0 ? 90000 : 10, 97 + (i % 26));
			Atomics.add(words, 0, 1);
			text.copy(bytes);
			Atomics.store(words, 1, text.length);
			Atomics.add(words, 0, 1);
			if (i === 0) parentPort.postMessage('began');
		}`,
		{ eval: true, workerData: buffer },
	);
	await new Promise((resolve) => worker.once('message', resolve));
	let whole = 0;
	for (let i = 0; i < 300; i++) {
		const text = reader.read(0);
		if (text === undefined) continue;
		whole++;
		if (text !== (text[0] as string).repeat(text.length)) t.fail('a mixture of two texts');
	}
	t.ok(whole > 0, `${whole} texts were read, all of them whole`);
	Atomics.store(new Int32Array(buffer, 0, 8), 7, 1);
	await new Promise((resolve) => worker.once('exit', resolve));
});

t.test('vitals by thread', async (t) => {
	const buffer = allocateVitals(2);
	const vitals = {
		delayMeanMs: 1,
		delayP99Ms: 2,
		delayMaxMs: 3.5,
		utilization: 0.25,
		heapBytes: 4e9,
		requests: 7,
		droppedLogs: 3,
	};
	writeVitals(buffer, 1, vitals);
	t.same(readVitals(buffer)[1], vitals);
	t.equal(readVitals(buffer)[0]?.requests, 0);
});
