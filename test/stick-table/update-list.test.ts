import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import type { StickTable } from '../../lib/stick-table/table.js';
import type { UpdateReader } from '../../lib/stick-table/update-list.js';
import { makeTable } from './model.js';

const NOW = 5_000_000;

/** `key@id` of everything that a reader still has to give. */
function drain(table: StickTable, reader: UpdateReader, limit = Number.POSITIVE_INFINITY): string[] {
	const view = table.newView();
	const seen: string[] = [];
	while (seen.length < limit && reader.next(view, NOW)) seen.push(`${String(view.key)}@${view.updateId}`);
	return seen;
}

function listening(): { table: StickTable; add(key: number): void; learn(key: number): void } {
	const table = makeTable(['gpc0'], { keyType: 'integer' });
	table.updates.enable();
	const slot = table.slot('gpc0')!;
	return {
		table,
		add: (key) => void table.addByKey(key, slot, 0, 1, NOW),
		learn: (key) => void table.learn(key, [{ slot, values: [100] }], undefined, NOW),
	};
}

t.test('nothing is kept until someone listens', async (t) => {
	const table = makeTable(['gpc0'], { keyType: 'integer' });
	table.touchByKey(1, NOW);
	table.touchByKey(2, NOW);
	t.equal(table.updates.enabled, false);
	t.equal(table.updates.counter, 0);
	t.equal(table.updates.takeSignal(), false);
	table.updates.enable();
	t.equal(table.verify(), undefined, 'what was there is listed');
	t.same(drain(table, table.updates.openReader('local')), [], 'but not pushed');
	t.same(drain(table, table.updates.openReader('learned')).length, 2);
	table.updates.enable();
	t.equal(table.updates.counter, 2, 'a second time changes nothing');
});

t.test('several modifications before the push are one update', async (t) => {
	const { table, add } = listening();
	const reader = table.updates.openReader('local');
	add(1);
	add(2);
	add(1);
	t.equal(table.updates.counter, 2);
	t.same(drain(table, reader), ['1@1', '2@2']);
	add(1);
	add(1);
	t.same(drain(table, reader), ['1@3'], 'sent: the next modification gets a new id');
	t.same(drain(table, reader), []);
	t.equal(reader.position, 3);
	t.equal(table.verify(), undefined);
});

t.test('learned entries stand apart, half the numbers away', async (t) => {
	const { table, add, learn } = listening();
	const reader = table.updates.openReader('local');
	learn(1);
	learn(2);
	add(3);
	t.equal(table.updates.localId, 3, 'a node that learned two numbers its first own 3');
	t.same(drain(table, reader), ['3@3'], 'never forwarded live');
	learn(1);
	t.equal(table.updates.counter, 3, 'an entry in a list stays');
	t.same(drain(table, table.updates.openReader('learned')), ['1@2147483649', '2@2147483650']);
	add(1);
	t.same(drain(table, reader), ['1@4'], 'a learned entry that is modified becomes local');
	learn(3);
	t.same(drain(table, reader), [], 'a local entry overwritten by a peer keeps its place');
	add(3);
	t.same(drain(table, reader), ['3@5'], 'and gets a new id with the next modification');
	t.equal(table.verify(), undefined);
});

t.test('an unsent local entry that a peer overwrites gets a new id when modified', async (t) => {
	const { table, add, learn } = listening();
	add(1);
	learn(1);
	add(1);
	t.equal(table.updates.localId, 2);
});

t.test('which steps are local modifications', async (t) => {
	const table = makeTable(['gpc0', 'conn_cur', 'server_id'], { keyType: 'integer' });
	table.updates.enable();
	const reader = table.updates.openReader('local');
	const told = (label: string, expected: boolean, step: () => unknown): void => {
		step();
		t.equal(drain(table, reader).length > 0, expected, label);
	};
	const slot = table.slot('gpc0')!;
	told('creation', true, () => table.touchByKey(1, NOW));
	told('set table', true, () => table.setByKey(1, slot, 0, 5, NOW));
	told('tracking', true, () => table.track(1, NOW));
	const entry = table.track(1, NOW);
	drain(table, reader);
	told('a counter of a tracked entry', true, () => table.add(entry, slot, 0, 1, NOW));
	told('the end of tracking, conn_cur stored', true, () => table.untrack(entry, NOW));
	told('stick match', true, () => table.matchServer(1, NOW));
	told('stick store', true, () => table.storeServer(1, 2, '', NOW));
	told('reading', false, () => [table.readByKey(1, slot, 0, NOW), table.has(1, NOW), [...table.entries(NOW)]]);
	told('pushAgain', true, () => table.pushAgain(Buffer.from([0, 0, 0, 1]), 4, NOW));
	told('clearing', false, () => table.clear(NOW));
});

t.test('readers go on where they were, whatever moves or leaves', async (t) => {
	const { table, add } = listening();
	for (let key = 1; key <= 6; key++) add(key);
	const [slow, fast] = [table.updates.openReader('local'), table.updates.openReader('local')];
	t.same(drain(table, slow, 3), ['1@1', '2@2', '3@3']);
	t.same(drain(table, fast).length, 6);
	add(3); // The place of the slow reader moves to the end.
	t.same(drain(table, fast), ['3@7']);
	table.clearByKey(2, NOW); // The place it fell back to goes.
	table.clearByKey(1, NOW);
	t.same(drain(table, slow), ['4@4', '5@5', '6@6', '3@7']);
	for (const key of [3, 4, 5, 6]) table.clearByKey(key, NOW);
	t.same(drain(table, slow), []);
	add(9);
	t.same(drain(table, slow), ['9@8']);
	t.same(drain(table, fast), ['9@8']);
	t.equal(table.verify(), undefined);
	slow.close();
	fast.close();
});

t.test('seeking: after an acknowledged id, from the start, to the end', async (t) => {
	const { table, add } = listening();
	for (let key = 1; key <= 1000; key++) add(key);
	const reader = table.updates.openReader('local');
	reader.seek(997);
	t.equal(reader.position, 997);
	t.ok(reader.hasNext());
	t.same(drain(table, reader), ['998@998', '999@999', '1000@1000']);
	t.notOk(reader.hasNext());
	reader.seek(2);
	t.same(drain(table, reader, 1), ['3@3']);
	reader.seek(0);
	t.same(drain(table, reader, 1), ['1@1']);
	table.clearByKey(500, NOW);
	reader.seek(500);
	t.same(drain(table, reader, 1), ['501@501'], 'an id whose entry is gone');
	reader.seekEnd();
	t.same(drain(table, reader), []);
	reader.seekStart();
	t.equal(drain(table, reader).length, 999);
	t.ok(table.updates.isSentId(1000));
	t.notOk(table.updates.isSentId(1001), 'an id of the future');
});

t.test('readers are bounded and their places serve again', async (t) => {
	const { table, add } = listening();
	add(1);
	const readers = Array.from({ length: 512 }, () => table.updates.openReader('local'));
	t.throws(() => table.updates.openReader('local'), RangeError);
	for (const reader of readers) t.equal(drain(table, reader).length, 1);
	table.clearByKey(1, NOW);
	add(2);
	t.ok(readers.every((reader) => drain(table, reader).join() === '2@2'));
	readers[100]?.close();
	t.same(drain(table, table.updates.openReader('local')), ['2@2']);
});

t.test('ids wrap', async (t) => {
	const { table, add, learn } = listening();
	// The counter stands in the header: bring it near the end of its 32 bits.
	const words = new Int32Array(table.buffer);
	const { UPDATE_COUNTER } = await import('../../lib/stick-table/layout.js');
	words[UPDATE_COUNTER] = -3;
	const reader = table.updates.openReader('local');
	for (let key = 1; key <= 4; key++) add(key);
	t.same(drain(table, reader), ['1@4294967294', '2@4294967295', '3@0', '4@1']);
	learn(5);
	t.same(drain(table, table.updates.openReader('learned')), ['5@2147483650']);
	reader.seek(4294967295);
	t.same(drain(table, reader), ['3@0', '4@1']);
	t.equal(table.verify(), undefined);
});

t.test('conflicts: what was changed here without the sender knowing', async (t) => {
	const { table, add } = listening();
	const slot = table.slot('gpc0')!;
	const data = [{ slot, values: [50] }];
	add(1);
	add(2);
	t.equal(table.learn(2, data, undefined, NOW, 'learnable', { knownId: 1, keepsLocal: true }), 'kept');
	t.equal(table.readByKey(2, slot, 0, NOW), 1);
	t.equal(
		table.learn(1, data, undefined, NOW, 'learnable', { knownId: 1, keepsLocal: true }),
		'learned',
		'the sender knew',
	);
	t.equal(table.learn(2, data, undefined, NOW, 'learnable', { knownId: 1, keepsLocal: false }), 'learned');
	t.equal(table.readByKey(2, slot, 0, NOW), 50);
	t.equal(
		table.learn(3, data, undefined, NOW, 'learnable', { knownId: 0, keepsLocal: true }),
		'learned',
		'a new entry',
	);
});

t.test('the signal is set once, by any thread, and wakes who waits', async (t) => {
	const { table, add, learn } = listening();
	learn(1);
	t.equal(table.updates.takeSignal(), false, 'what was learned is no news');
	add(1);
	add(2);
	t.equal(table.updates.takeSignal(), true);
	t.equal(table.updates.takeSignal(), false);
	const { UPDATE_SIGNAL } = await import('../../lib/stick-table/layout.js');
	const waiting = table.updates.signalled();
	const worker = new Worker(
		`const { workerData } = require('node:worker_threads');
		const words = new Int32Array(workerData.buffer);
		Atomics.store(words, workerData.at, 1);
		Atomics.notify(words, workerData.at);`,
		{ eval: true, workerData: { buffer: table.buffer, at: UPDATE_SIGNAL } },
	);
	await Promise.all([waiting, once(worker, 'exit')]);
	t.equal(table.updates.takeSignal(), true);
	add(3);
	await table.updates.signalled();
	t.pass('at once when it is set already');
});
