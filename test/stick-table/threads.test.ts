/**
 * Several threads at once on one table: counts are exact, the structure holds, and a thread that dies inside
 * a step is repaired.
 */
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import type { StickTableModel } from '../../lib/config/model.js';
import { layoutOf, POOL_LOCK, SHARD_LOCK, UPDATE_LOCK } from '../../lib/stick-table/layout.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { startTsWorker } from '../fixtures/ts-worker.js';
import type { HammerOrder } from './hammer.worker.js';
import { tableModel } from './model.js';

const NOW = 5_000_000;

function startThreads(threads: number, order: Omit<HammerOrder, 'gate' | 'threads'>): Worker[] {
	const gate = new SharedArrayBuffer(4);
	return Array.from({ length: threads }, () => {
		const workerData: HammerOrder = { ...order, gate, threads };
		return startTsWorker(new URL('./hammer.worker.ts', import.meta.url), { workerData });
	});
}

async function runThreads(threads: number, order: Omit<HammerOrder, 'gate' | 'threads'>): Promise<void> {
	await Promise.all(startThreads(threads, order).map((worker) => once(worker, 'exit')));
}

const make = (model: StickTableModel): { table: StickTable; buffer: SharedArrayBuffer } => {
	const buffer = StickTable.allocate(model);
	return { table: new StickTable(model, buffer), buffer };
};

t.test('counts of three threads are exact', async (t) => {
	const store = ['gpc0', 'bytes_in_cnt', 'http_req_rate(10000)', 'conn_cur', 'conn_cnt', 'conn_rate(10000)'];
	for (const size of [1000, 20_000]) {
		const model = tableModel(store, { keyType: 'integer', size });
		const { table, buffer } = make(model);
		table.updates.enable();
		const [threads, rounds, keys] = [3, 8000, 10];
		const reader = table.updates.openReader('local');
		const view = table.newView();
		const done = runThreads(threads, { task: 'count', model, buffer, rounds, keys, lockAt: 0 });
		// A peer reads along meanwhile: what it is told never goes back.
		let running = true;
		const stopFollowing = (): void => {
			running = false;
		};
		done.then(stopFollowing, stopFollowing);
		const told = new Map<unknown, number>();
		const follow = (): void => {
			while (reader.next(view, NOW)) {
				const value = view.reading(table.slot('gpc0')!, 0);
				if (value < (told.get(view.key) ?? 0)) t.fail(`entry ${String(view.key)} went back to ${value}`);
				told.set(view.key, value);
			}
		};
		while (running) {
			follow();
			await new Promise((resolve) => setImmediate(resolve));
		}
		await done;
		follow();
		const each = (threads * rounds) / keys;
		const expected = {
			gpc0: each,
			bytes_in_cnt: each * 4e9,
			http_req_rate: each,
			conn_cur: 0,
			conn_cnt: each,
			conn_rate: each,
		};
		for (let key = 0; key < keys; key++) {
			for (const [name, value] of Object.entries(expected)) {
				t.equal(table.readByKey(key, table.slot(name)!, 0, NOW), value, `${name} of ${key}`);
			}
			t.equal(told.get(key), each, 'the peer knows the last value');
		}
		t.equal(table.verify(), undefined);
	}
});

t.test('a full table under four threads stays sound', async (t) => {
	for (const size of [100, 16_384]) {
		const model = tableModel(['gpc0', 'conn_cur', 'server_key'], { keyType: 'integer', size, expireMs: 2000 });
		const { table, buffer } = make(model);
		table.updates.enable();
		const keys = size < 1000 ? 400 : 40_000;
		await runThreads(4, { task: 'churn', model, buffer, rounds: 12_000, keys, lockAt: 0 });
		t.equal(table.verify(), undefined);
		t.ok(table.usedCount() <= size);
		t.equal(Array.from(table.entries(NOW), (entry) => entry.trackers).filter((uses) => uses !== 0).length, 0);
		while (table.expire(NOW + 1_000_000) > 0);
		t.equal(table.usedCount(), 0);
		t.equal(table.verify(), undefined);
	}
});

t.test('a thread that dies in the middle of a step is repaired', async (t) => {
	const model = tableModel(['gpc0', 'server_key'], { keyType: 'integer', size: 100 });
	for (const lockAt of [layoutOf(model).shardsAt + SHARD_LOCK, POOL_LOCK, UPDATE_LOCK, layoutOf(model).dictionaryAt]) {
		const { table, buffer } = make(model);
		table.updates.enable();
		for (let key = 0; key < 50; key++) table.storeServer(key, 0, `s${key % 5}`, NOW);
		for (let key = 0; key < 50; key++) table.addByKey(key, table.slot('gpc0')!, 0, key, NOW);
		const held = table.track(7, NOW);
		table.clearByKey(49, NOW);
		const [worker] = startThreads(1, { task: 'die holding a lock', model, buffer, rounds: 0, keys: 0, lockAt }) as [
			Worker,
		];
		const exited = once(worker, 'exit');
		const [threadId] = (await once(worker, 'message')) as [number];
		await exited;
		t.equal(table.recover(threadId + 1000), false, 'another thread held nothing');
		t.equal(table.recover(threadId), true);
		t.equal(table.recover(threadId), false);
		t.equal(table.verify(), undefined);
		t.equal(table.usedCount(), 49);
		for (let key = 0; key < 49; key++) {
			if (table.readByKey(key, table.slot('gpc0')!, 0, NOW) !== key) t.fail(`entry ${key} lost its count`);
			if (table.serverKey(key, NOW) !== `s${key % 5}`) t.fail(`entry ${key} lost its server`);
		}
		t.equal(table.trackers(7, NOW), 1);
		table.untrack(held, NOW);
		table.touchByKey(1000, NOW);
		t.equal(table.verify(), undefined, 'and it works');
	}
});
