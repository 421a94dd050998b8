/** Tables into a snapshot and back: what is kept, what time does to it, and files that are not what they should be. */
import t from 'tap';
import { HoldfastError } from '../../lib/core/errors.js';
import { SnapshotSource } from '../../lib/stick-table/snapshot.js';
import { readSnapshot } from '../../lib/stick-table/snapshot-restore.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { makeTable } from './model.js';

const clock = { now: 1_000_000, wall: 1_700_000_000_000, monotonicMs: () => clock.now, wallMs: () => clock.wall };
const pause = (): Promise<void> => Promise.resolve();

/** Tables as they were declared when the file was written. */
async function restoreSnapshot(bytes: Buffer) {
	const snapshot = await readSnapshot(bytes, pause);
	const tables = new Map(
		snapshot.models.map((model) => [model.name, new StickTable(model, StickTable.allocate(model))] as const),
	);
	const { writtenWallMs, ignoredBytes } = snapshot;
	return { tables, writtenWallMs, ignoredBytes, ...(await snapshot.restoreInto(tables, clock, pause)) };
}

/** The whole passes of a source, one commit each. */
function written(source: SnapshotSource): Buffer {
	source.beginPass();
	while (!source.pass(1000));
	return Buffer.concat([...source.take(), source.commit()]);
}

function value(table: StickTable | undefined, key: string, type: string): number | undefined {
	const slot = table?.slot(type);
	return slot === undefined ? undefined : table?.readByKey(key, slot, 0, clock.now);
}

function add(table: StickTable, key: string, type: string, amount: number): void {
	const slot = table.slot(type);
	if (slot === undefined) throw new Error(`${type} is not stored`);
	table.addByKey(key, slot, 0, amount, clock.now);
}

const STORE = [
	'server_id',
	'conn_cur',
	'http_req_cnt',
	'http_req_rate(10000)',
	'bytes_out_cnt',
	'server_key',
	'gpc(3)',
];

t.test('everything comes back, later words win, rates decay, the expired are not revived', async (t) => {
	const table = makeTable(STORE, { keyType: 'string', name: 'a', expireMs: 60_000 });
	const other = makeTable(['gpt0'], { name: 'b', expireMs: undefined });
	add(table, 'one', 'http_req_cnt', 3);
	add(table, 'one', 'http_req_rate', 100);
	add(table, 'one', 'bytes_out_cnt', 2 ** 45);
	add(table, 'one', 'gpc', 5);
	table.storeServer('one', 7, 'server-seven', clock.now);
	table.track('tracked', clock.now);
	add(other, '10.0.0.1', 'gpt0', 0);
	clock.now += 30_000;
	clock.wall += 30_000;
	add(table, 'young', 'http_req_cnt', 1);
	const source = new SnapshotSource([table, other], clock);
	const parts = [written(source)];
	add(table, 'young', 'http_req_cnt', 1);
	add(table, 'late', 'http_req_cnt', 9);
	parts.push(written(source));
	t.ok((parts[1]?.length ?? 0) < (parts[0]?.length ?? 0), 'a second pass writes what has changed');
	parts.push(written(source));
	const file = Buffer.concat(parts);

	// Another process, whose monotonic clock says something else.
	clock.now = 77;
	clock.wall += 5000;
	const restored = await restoreSnapshot(file);
	const a = restored.tables.get('a');
	t.equal(restored.entries, 5);
	t.equal(restored.ignoredBytes, 0);
	t.equal(restored.writtenWallMs, clock.wall - 5000);
	t.equal(value(a, 'one', 'http_req_cnt'), 3);
	t.equal(value(a, 'one', 'http_req_rate'), 0, 'a rate of long ago');
	t.equal(value(a, 'one', 'bytes_out_cnt'), 2 ** 45);
	t.equal(value(a, 'one', 'gpc'), 5);
	t.equal(a?.serverId('one', clock.now), 7);
	t.equal(a?.serverKey('one', clock.now), 'server-seven');
	t.equal(a?.expireMs('one', clock.now), 25_000);
	t.equal(value(a, 'young', 'http_req_cnt'), 2);
	t.equal(value(a, 'late', 'http_req_cnt'), 9);
	t.equal(value(a, 'tracked', 'conn_cur'), 0, 'nobody is connected');
	t.equal(a?.trackers('tracked', clock.now), 0);
	t.ok(restored.tables.get('b')?.has('10.0.0.1', clock.now));
	for (const one of restored.tables.values()) t.equal(one.verify(), undefined);

	clock.wall += 30_000;
	const later = await restoreSnapshot(file);
	t.equal(later.tables.get('a')?.has('one', clock.now), false, 'it has expired meanwhile');
	t.ok(later.tables.get('a')?.has('young', clock.now));
	clock.wall -= 10 * 86_400_000;
	const before = await restoreSnapshot(file);
	t.ok(before.tables.get('a')?.has('one', clock.now), 'a clock that was set back: no time has passed');
});

t.test('a rate reads what it would have read', async (t) => {
	const table = makeTable(['http_req_rate(10000)'], { name: 'r' });
	clock.now = 500_000;
	for (let i = 0; i < 200; i++) {
		add(table, '10.0.0.1', 'http_req_rate', 1);
		clock.now += 100;
	}
	const file = written(new SnapshotSource([table], clock));
	clock.wall += 4000;
	const wouldBe = table.slot('http_req_rate');
	const restored = (await restoreSnapshot(file)).tables.get('r');
	clock.now += 4000;
	const expected = wouldBe === undefined ? -1 : table.readByKey('10.0.0.1', wouldBe, 0, clock.now);
	clock.now -= 4000;
	t.equal(value(restored, '10.0.0.1', 'http_req_rate'), expected);
});

t.test('a table that was cleared asks for a new file', async (t) => {
	const table = makeTable(['gpc0']);
	add(table, '10.0.0.1', 'gpc0', 1);
	const source = new SnapshotSource([table], clock);
	t.equal(source.isOutdated, false);
	table.clear(clock.now);
	t.equal(source.isOutdated, true);
	source.close();
	const again = new SnapshotSource([table], clock);
	t.equal(again.isOutdated, false);
	add(table, '10.0.0.2', 'gpc0', 1);
	table.clearByKey('10.0.0.2', clock.now);
	t.equal(again.isOutdated, true);
});

t.test('files that are not what they should be', async (t) => {
	const table = makeTable(['gpc0', 'server_key'], { keyType: 'integer' });
	for (let key = 0; key < 300; key++) {
		const slot = table.slot('gpc0');
		if (slot !== undefined) table.addByKey(key, slot, 0, key, clock.now);
	}
	const source = new SnapshotSource([table], clock);
	const first = written(source);
	for (let key = 0; key < 10; key++) table.storeServer(key, 0, `srv${key}`, clock.now);
	const second = written(source);
	const file = Buffer.concat([first, second]);
	const refused = (bytes: Buffer, why: RegExp): Promise<unknown> =>
		t.rejects(restoreSnapshot(bytes), { code: 'SNAPSHOT_INVALID', message: why });

	await refused(Buffer.alloc(0), /not a snapshot/);
	await refused(Buffer.from('#!/bin/sh\necho hello\n'), /not a snapshot/);
	const other = Buffer.from(file);
	other[6] = 2;
	await refused(other, /of version 2, this program reads version 1/);
	await refused(first.subarray(0, first.length - 1), /not complete/);
	const changed = Buffer.from(file);
	changed[first.length - 60] = (changed[first.length - 60] ?? 0) ^ 1;
	await refused(changed, /damaged at byte/);
	// Cut off anywhere in the second pass, or with rubbish at its end: the first pass counts.
	for (let length = first.length; length < file.length; length += 7) {
		const restored = await restoreSnapshot(file.subarray(0, length));
		t.equal(restored.entries, 300);
		t.equal(restored.ignoredBytes, length - first.length);
		t.equal(restored.tables.get('t')?.serverKey(3, clock.now), '');
	}
	const torn = await restoreSnapshot(Buffer.concat([file, Buffer.alloc(100, 7)]));
	t.equal(torn.tables.get('t')?.serverKey(3, clock.now), 'srv3');
	t.equal(torn.ignoredBytes, 100);
	// Any single damage is noticed or costs the last pass: never an error of another kind, never wrong values.
	let seed = 12345;
	for (let round = 0; round < 300; round++) {
		seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
		const bytes = Buffer.from(file);
		const at = seed % bytes.length;
		bytes[at] = (bytes[at] ?? 0) ^ (1 << ((seed >>> 8) % 8));
		try {
			const restored = await restoreSnapshot(bytes);
			const slot = restored.tables.get('t')?.slot('gpc0');
			if (slot !== undefined) t.equal(restored.tables.get('t')?.readByKey(200, slot, 0, clock.now), 200);
		} catch (error) {
			t.ok(error instanceof HoldfastError && error.code === 'SNAPSHOT_INVALID', `byte ${at}: ${error}`);
		}
	}
});
