/**
 * A table that changes over a reload: what the old and the new threads count on their two tables is held
 * against one table that counted it all.
 */
import t from 'tap';
import { TableMigration } from '../../lib/stick-table/migration.js';
import type { EntryRef, StickTable } from '../../lib/stick-table/table.js';
import { lossesBetween } from '../../lib/stick-table/transfer.js';
import { makeTable as newTable } from './model.js';

const ALL = [
	'server_id',
	'conn_cnt',
	'conn_cur',
	'http_req_cnt',
	'http_req_rate(1000)',
	'bytes_out_cnt',
	'gpc0',
	'gpt0',
	'server_key',
];

function value(table: StickTable, key: string | number, type: string, nowMs: number, index = 0): number | undefined {
	const slot = table.slot(type);
	return slot === undefined ? undefined : table.readByKey(key, slot, index, nowMs);
}

function copyAll(migration: TableMigration): void {
	while (!migration.copy(1000));
}

t.test('every type is copied, with the life that is left', async (t) => {
	let nowMs = 1_000_000;
	const source = newTable(ALL, { expireMs: 60_000 });
	const target = newTable([...ALL, 'gpc1'], { expireMs: 90_000, size: 4096 });
	const slots = ['http_req_cnt', 'http_req_rate', 'gpc0']
		.map((type) => source.slot(type))
		.filter((slot) => slot !== undefined);
	for (const slot of slots) source.addByKey('10.0.0.1', slot, 0, 7, nowMs);
	const bytes = source.slot('bytes_out_cnt');
	const tag = source.slot('gpt0');
	if (bytes === undefined || tag === undefined) throw new Error('not stored');
	source.setByKey('10.0.0.1', bytes, 0, 2n ** 40n + 5n, nowMs);
	source.setByKey('10.0.0.1', tag, 0, 42, nowMs);
	source.storeServer('10.0.0.1', 3, 'srv3', nowMs);
	nowMs += 500;
	const migration = new TableMigration(source, target, () => nowMs);
	copyAll(migration);
	t.equal(value(target, '10.0.0.1', 'http_req_cnt', nowMs), 7);
	t.equal(value(target, '10.0.0.1', 'http_req_rate', nowMs), 7);
	t.equal(value(target, '10.0.0.1', 'http_req_rate', nowMs + 1000), 3, 'the rate fades as in the source');
	t.equal(value(target, '10.0.0.1', 'bytes_out_cnt', nowMs), 2 ** 40 + 5);
	t.equal(value(target, '10.0.0.1', 'gpt0', nowMs), 42);
	t.equal(target.serverId('10.0.0.1', nowMs), 3);
	t.equal(target.serverKey('10.0.0.1', nowMs), 'srv3');
	t.equal(target.expireMs('10.0.0.1', nowMs), 89_500, 'the same idle time under the new expire');
	t.same(migration.result, { entries: 1, leftOut: 0, losses: [] });
	// 64 bits with a carry, and a difference that is negative.
	source.addByKey('10.0.0.1', bytes, 0, 2 ** 32, nowMs);
	target.addByKey('10.0.0.1', target.slot('bytes_out_cnt') ?? bytes, 0, 10, nowMs);
	migration.follow(1000);
	t.equal(value(target, '10.0.0.1', 'bytes_out_cnt', nowMs), 2 ** 40 + 2 ** 32 + 15);
	source.setByKey('10.0.0.1', bytes, 0, 1, nowMs);
	migration.follow(1000);
	t.equal(value(target, '10.0.0.1', 'bytes_out_cnt', nowMs), 11, 'what the source reads plus what was counted here');
	migration.finish();
	t.equal(source.verify(), undefined);
	t.equal(target.verify(), undefined);
});

t.test('an idle time beyond the new expire: not copied', async (t) => {
	let nowMs = 5000;
	const source = newTable(['gpc0'], { expireMs: 60_000 });
	const target = newTable(['gpc0'], { expireMs: 10_000 });
	source.touchByKey('10.0.0.1', nowMs);
	nowMs += 20_000;
	source.touchByKey('10.0.0.2', nowMs);
	const migration = new TableMigration(source, target, () => nowMs);
	copyAll(migration);
	t.equal(target.has('10.0.0.1', nowMs), false);
	t.equal(target.expireMs('10.0.0.2', nowMs), 10_000);
	t.equal(target.usedCount(), 1);
	migration.finish();
});

t.test('conn_cur: carried, given back as old connections close, and pinned until then', async (t) => {
	let nowMs = 1000;
	const source = newTable(['conn_cur', 'conn_cnt'], { expireMs: 1000 });
	const target = newTable(['conn_cur', 'conn_cnt'], { expireMs: 1000, size: 2048 });
	const entries: EntryRef[] = [
		source.track('10.0.0.1', nowMs),
		source.track('10.0.0.1', nowMs),
		source.track('10.0.0.2', nowMs),
	];
	const migration = new TableMigration(source, target, () => nowMs);
	copyAll(migration);
	t.equal(value(target, '10.0.0.1', 'conn_cur', nowMs), 2);
	const own = target.track('10.0.0.1', nowMs);
	t.equal(value(target, '10.0.0.1', 'conn_cur', nowMs), 3);
	target.untrack(own, nowMs);
	nowMs += 10_000;
	target.expire(nowMs);
	t.equal(value(target, '10.0.0.1', 'conn_cur', nowMs), 2, 'an entry under an old connection does not expire');
	t.equal(target.clear(nowMs), 0, 'and is not cleared');
	source.untrack(entries[0] as EntryRef, nowMs);
	migration.follow(1000);
	t.equal(value(target, '10.0.0.1', 'conn_cur', nowMs), 1);
	source.untrack(entries[1] as EntryRef, nowMs);
	migration.follow(1000);
	t.equal(value(target, '10.0.0.1', 'conn_cur', nowMs), 0);
	t.equal(value(target, '10.0.0.1', 'conn_cnt', nowMs), 3);
	// The thread that tracked 10.0.0.2 died.
	migration.finish();
	t.equal(value(target, '10.0.0.2', 'conn_cur', nowMs), 0);
	t.equal(value(target, '10.0.0.2', 'conn_cnt', nowMs), 1);
	nowMs += 10_000;
	target.expire(nowMs);
	t.equal(target.usedCount(), 0);
	t.equal(target.verify(), undefined);
});

t.test('keys and types that change', async (t) => {
	const nowMs = 1000;
	const source = newTable(['gpc0', 'gpc1', 'http_req_cnt'], { keyType: 'string' });
	const cut = newTable(['gpc(3)'], { keyType: 'string', keyLengthBytes: 4 });
	const gpc0 = source.slot('gpc0');
	const gpc1 = source.slot('gpc1');
	if (gpc0 === undefined || gpc1 === undefined) throw new Error('not stored');
	source.addByKey('abcdef', gpc0, 0, 1, nowMs);
	source.addByKey('abcdxyz', gpc0, 0, 2, nowMs);
	source.addByKey('q', gpc1, 0, 5, nowMs);
	const migration = new TableMigration(source, cut, () => nowMs);
	copyAll(migration);
	t.equal(value(cut, 'abcd', 'gpc', nowMs), 3);
	t.equal(value(cut, 'q', 'gpc', nowMs, 1), 5);
	t.same(migration.result.losses, [
		'http_req_cnt is not stored any more',
		'keys are cut to 4 bytes, those that become equal are added up',
	]);
	migration.discard();
	const addresses = newTable(['gpc0'], { keyType: 'ip' });
	const six = newTable(['gpc0'], { keyType: 'ipv6' });
	addresses.touchByKey('10.1.2.3', nowMs);
	const wider = new TableMigration(addresses, six, () => nowMs);
	copyAll(wider);
	t.ok(six.has('::ffff:10.1.2.3', nowMs));
	const texts = new TableMigration(source, newTable(['gpc0'], { keyType: 'ip' }), () => nowMs);
	copyAll(texts);
	t.match(texts.result, { entries: 0, leftOut: 3 });
});

t.test('a period that changes', async (t) => {
	const nowMs = 100_000;
	const source = newTable(['http_req_rate(10000)']);
	const slot = source.slot('http_req_rate');
	if (slot === undefined) throw new Error('not stored');
	source.addByKey('10.0.0.1', slot, 0, 100, nowMs);
	for (const [periodMs, expected] of [
		[60_000, 100],
		[1000, 10],
	] as const) {
		const target = newTable([`http_req_rate(${periodMs})`]);
		const migration = new TableMigration(source, target, () => nowMs);
		copyAll(migration);
		t.equal(value(target, '10.0.0.1', 'http_req_rate', nowMs), expected, `${periodMs}`);
		t.same(migration.result.losses, [`http_req_rate is estimated: its period was 10000 ms and is ${periodMs} ms`]);
		migration.discard();
	}
});

t.test('a smaller table takes what it can', async (t) => {
	const nowMs = 1000;
	const source = newTable(['gpc0'], { keyType: 'integer', size: 100 });
	for (let key = 0; key < 100; key++) source.touchByKey(key, nowMs + key * 500);
	const refusing = newTable(['gpc0'], { keyType: 'integer', size: 10, nopurge: true });
	const migration = new TableMigration(source, refusing, () => nowMs + 100);
	copyAll(migration);
	t.equal(refusing.usedCount(), 10);
	t.match(migration.result, { entries: 10, leftOut: 90 });
	t.same(lossesBetween(source.model, refusing.model), ['of more than 10 entries the oldest are left out']);
	const smaller = newTable(['gpc0'], { keyType: 'integer', size: 10 });
	copyAll(new TableMigration(source, smaller, () => nowMs + 50_000));
	const kept = Array.from({ length: 100 }, (_, key) => key).filter((key) => smaller.has(key, nowMs + 50_000));
	t.equal(kept.length, 10);
	t.ok(Math.min(...kept) >= 70, `the youngest: ${kept}`);
	t.equal(smaller.verify(), undefined);
});

t.test('random traffic on both tables equals one table', async (t) => {
	const seed = Number(process.env.TEST_SEED ?? Date.now() % 1e9);
	t.comment(`seed ${seed}`);
	let state = seed | 1;
	const random = (below: number): number => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) % below;
	};
	for (let round = 0; round < 20; round++) {
		let nowMs = 1_000_000 + random(10_000);
		const store = ['conn_cnt', 'conn_cur', 'http_req_cnt', 'http_req_rate(1000)', 'bytes_in_cnt'];
		const source = newTable(store, { keyType: 'integer', expireMs: 600_000 });
		const target = newTable([...store, 'gpc0'], { keyType: 'integer', expireMs: 600_000, size: 3000 });
		const oracle = newTable(store, { keyType: 'integer', expireMs: 600_000 });
		const open: { table: StickTable; ref: EntryRef; oracle: EntryRef }[] = [];
		const step = (table: StickTable): void => {
			const key = random(40);
			if (random(4) === 0) open.push({ table, ref: table.track(key, nowMs), oracle: oracle.track(key, nowMs) });
			for (const to of [table, oracle]) {
				for (const slot of to.eventSlots('http_req')) to.addByKey(key, slot, 0, 1, nowMs);
				for (const slot of to.eventSlots('bytes_in')) to.addByKey(key, slot, 0, 3_000_000_000, nowMs);
			}
			if (open.length > 20) {
				const [closed] = open.splice(random(open.length), 1);
				if (closed !== undefined) {
					closed.table.untrack(closed.ref, nowMs);
					oracle.untrack(closed.oracle, nowMs);
				}
			}
		};
		for (let i = 0; i < 300; i++, nowMs += random(5)) step(source);
		const migration = new TableMigration(source, target, () => nowMs);
		copyAll(migration);
		for (let i = 0; i < 600; i++, nowMs += random(5)) {
			step(random(2) === 0 ? source : target);
			if (random(10) === 0) migration.follow(random(3) === 0 ? 0 : 10);
		}
		migration.follow(1000);
		for (let key = 0; key < 40; key++) {
			for (const type of ['conn_cnt', 'conn_cur', 'http_req_cnt', 'bytes_in_cnt']) {
				t.equal(value(target, key, type, nowMs), value(oracle, key, type, nowMs), `${type} of ${key}`);
			}
			const rate = value(target, key, 'http_req_rate', nowMs) ?? 0;
			const expected = value(oracle, key, 'http_req_rate', nowMs) ?? 0;
			t.ok(Math.abs(rate - expected) <= 2, `rate of ${key}: ${rate} for ${expected}`);
		}
		// The old threads leave; the last of their connections with them.
		for (const { table, ref } of open) if (table === target) target.untrack(ref, nowMs);
		migration.finish();
		for (let key = 0; key < 40; key++) t.equal(value(target, key, 'conn_cur', nowMs) ?? 0, 0);
		t.equal(target.verify(), undefined);
	}
});
