import t, { type Test } from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import { DATA_TYPES } from '../../lib/stick-table/data-types.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { TrackedCounter } from '../../lib/stick-table/tracked-counter.js';
import { makeTable, tableModel } from './model.js';

const ip = (text: string): IpAddress => IpAddress.parse(text) as IpAddress;
const A = ip('10.0.0.1');
const B = ip('10.0.0.2');
const NOW = 5_000_000;

/** Every test ends with a sound table. */
function sound(t: Test, table: StickTable): void {
	t.equal(table.verify(), undefined, 'structure');
}

t.test('tracking counts connections, pins and refreshes in one step', async (t) => {
	const table = makeTable(['conn_cur', 'conn_cnt', 'conn_rate(10000)']);
	const [cur, cnt, rate] = ['conn_cur', 'conn_cnt', 'conn_rate'].map((name) => table.slot(name)!) as [
		ReturnType<typeof table.slot> & object,
		ReturnType<typeof table.slot> & object,
		ReturnType<typeof table.slot> & object,
	];
	const first = table.track(A, NOW);
	const second = table.track(A, NOW + 10);
	t.equal(first, second, 'one entry');
	t.equal(table.read(first, cur, 0, NOW), 2);
	t.equal(table.read(first, cnt, 0, NOW), 2);
	t.equal(table.read(first, rate, 0, NOW + 10), 2);
	t.equal(table.trackersOf(first), 2);
	t.equal(String(table.keyOf(first)), '10.0.0.1');
	table.untrack(first, NOW + 20);
	t.equal(table.readByKey(A, cur, 0, NOW + 20), 1);
	t.equal(table.trackers(A, NOW + 20), 1);
	table.set(second, cur, 0, 0, NOW + 20);
	table.untrack(second, NOW + 1000);
	t.equal(table.readByKey(A, cur, 0, NOW + 1000), 0, 'never below 0');
	t.equal(table.expireMs(A, NOW + 1000), 60_000, 'conn_cur is stored: the end refreshes too');
	sound(t, table);

	const plain = makeTable(['gpc0']);
	plain.untrack(plain.track(A, NOW), NOW + 1000);
	t.equal(plain.expireMs(A, NOW + 1000), 59_000, 'without conn_cur the end does not refresh');
	t.equal(plain.idleMs(A, NOW + 1000), 1000);
});

t.test('what cannot be a key is not tracked', async (t) => {
	const table = makeTable(['gpc0']);
	t.equal(table.track(ip('2001:db8::1'), NOW), 0);
	t.equal(table.has('x', NOW), false);
	t.equal(table.addByKey('x', table.slot('gpc0')!, 0, 1, NOW), undefined);
	t.equal(table.learn('x', [], undefined, NOW), 'no key');
	t.equal(table.usedCount(), 0);
});

t.test('a tracked counter closes once', async (t) => {
	const table = makeTable(['conn_cur', 'gpc(2)', 'gpc_rate(2,1000)', 'http_req_cnt', 'http_req_rate(1000)']);
	const counter = new TrackedCounter(table, table.track(A, NOW));
	counter.count(table.eventSlots('http_req'), 3, NOW);
	t.equal(counter.read(table.slot('http_req_cnt'), 0, NOW), 3);
	t.equal(counter.read(table.slot('http_req_rate'), 0, NOW), 3);
	t.equal(counter.read(table.slot('gpc'), 2, NOW), undefined, 'index out of range');
	t.equal(counter.read(table.slot('sess_cnt'), 0, NOW), undefined, 'not stored');
	t.equal(counter.addGpc(table.gpcSlots('gpc', 1), 5, NOW), 5);
	t.equal(counter.addGpc(table.gpcSlots('gpc', 2), 5, NOW), 0);
	t.equal(counter.set(table.slot('gpc'), 1, 0, NOW), 5, 'clr_gpc gives the previous value');
	t.equal(counter.read(table.slot('gpc_rate'), 1, NOW), 5, 'and leaves the rate');
	t.equal(String(counter.key), '10.0.0.1');
	t.equal(counter.trackers, 1);
	counter.close(NOW);
	counter.close(NOW);
	counter.count(table.eventSlots('http_req'), 1, NOW);
	t.equal(counter.read(table.slot('http_req_cnt'), 0, NOW), undefined, 'closed');
	t.equal(counter.addGpc(table.gpcSlots('gpc', 1), 5, NOW), 0);
	t.equal(counter.set(table.slot('gpc'), 1, 3, NOW), undefined);
	t.equal(counter.trackers, 0);
	t.equal(table.readByKey(A, table.slot('gpc')!, 1, NOW), 0);
	t.equal(table.readByKey(A, table.slot('http_req_cnt')!, 0, NOW), 3);
	t.equal(table.trackers(A, NOW), 0);
	sound(t, table);
});

t.test('gpc0, gpc1, gpt0 and their rates fall back to arrays, never the reverse', async (t) => {
	const arrays = makeTable(['gpc(3)', 'gpc_rate(3,10000)', 'gpt(2)']);
	t.equal(arrays.addGpcByKey(A, arrays.gpcSlots('gpc0'), 2, NOW), 2);
	t.equal(arrays.addGpcByKey(A, arrays.gpcSlots('gpc1'), 7, NOW), 7);
	t.equal(arrays.addGpcByKey(A, arrays.gpcSlots('gpc', 2), 9, NOW), 9);
	arrays.setByKey(A, arrays.slot('gpt0')!, 0, 42, NOW);
	const read = (name: string, index: number): number | undefined => arrays.readByKey(A, arrays.slot(name)!, index, NOW);
	t.same([read('gpc', 0), read('gpc', 1), read('gpc', 2)], [2, 7, 9]);
	t.same([read('gpc_rate', 0), read('gpc_rate', 1), read('gpc_rate', 2)], [2, 7, 9]);
	t.same([read('gpc1', 0), read('gpc1_rate', 0)], [7, 7]);
	t.same([read('gpt', 0), read('gpt', 1)], [42, 0]);
	t.equal(arrays.slots.length, 3, 'fall-backs are not stored types');

	const scalars = makeTable(['gpc0', 'gpc1', 'gpt0', 'gpc0_rate(1000)']);
	for (const name of ['gpc', 'gpt', 'gpc_rate', 'gpc1_rate']) t.equal(scalars.slot(name), undefined, name);
	t.equal(makeTable(['gpc(1)']).slot('gpc1'), undefined, 'element 1 of an array of one');
	t.equal(makeTable(['gpc(1)']).gpcSlots('gpc', 1), undefined);
	t.equal(makeTable(['server_key']).slot('server_name')?.type, 'server_key');
});

t.test('only the rate of a gpc stored: the events of the current period come back', async (t) => {
	const table = makeTable(['gpc0_rate(10000)']);
	const gpc = table.gpcSlots('gpc0');
	t.equal(table.addGpcByKey(A, gpc, 1, NOW), 1);
	t.equal(table.addGpcByKey(A, gpc, 2, NOW + 100), 3);
	t.equal(table.addGpcByKey(A, gpc, 1, NOW + 10_000), 1);
	t.equal(table.addGpcByKey(B, undefined, 1, NOW), 0, 'neither stored: the entry is made, 0 comes back');
	t.ok(table.has(B, NOW));
});

t.test('overflow wraps: 32 bits, 64 bits, signed ids', async (t) => {
	const table = makeTable(['gpc0', 'server_id', 'bytes_in_cnt', 'gpc0_rate(10000)']);
	const gpc0 = table.slot('gpc0')!;
	table.setByKey(A, gpc0, 0, -1, NOW);
	t.equal(table.readByKey(A, gpc0, 0, NOW), 4294967295);
	t.equal(table.addByKey(A, gpc0, 0, 2, NOW), 1);
	table.setByKey(A, gpc0, 0, 4294967297, NOW);
	t.equal(table.readByKey(A, gpc0, 0, NOW), 1);
	table.setByKey(A, gpc0, 0, 2n ** 63n - 1n, NOW);
	t.equal(table.readByKey(A, gpc0, 0, NOW), 4294967295);
	table.setByKey(A, table.slot('server_id')!, 0, -5, NOW);
	t.equal(table.serverId(A, NOW), -5);

	const bytes = table.slot('bytes_in_cnt')!;
	t.equal(table.addByKey(A, bytes, 0, 4294967295, NOW), 4294967295);
	t.equal(table.addByKey(A, bytes, 0, 1, NOW), 4294967296, 'carry');
	t.equal(table.addByKey(A, bytes, 0, 2 ** 52, NOW), 2 ** 52 + 2 ** 32);
	table.setByKey(A, bytes, 0, 2n ** 64n - 1n, NOW);
	const view = table.newView();
	table.copyByKey(A, view, NOW);
	t.equal(view.value(bytes, 0), 2n ** 64n - 1n, 'replication carries all 64 bits');
	t.equal(table.addByKey(A, bytes, 0, 1, NOW), 0, '64 bits wrap');
	table.setByKey(A, bytes, 0, -1, NOW);
	table.copyByKey(A, view, NOW);
	t.equal(view.value(bytes, 0), 2n ** 64n - 1n);
	table.setByKey(A, table.slot('gpc0_rate')!, 0, -1, NOW);
	t.equal(table.readByKey(A, table.slot('gpc0_rate')!, 0, NOW), 4294967295);
	sound(t, table);
});

t.test('brates-factor: blocks rounded up at each addition, read as bytes', async (t) => {
	const table = makeTable(['bytes_in_rate(10000)', 'bytes_in_cnt'], { bratesFactor: 1024 });
	for (const slot of table.eventSlots('bytes_in')) {
		table.addByKey(A, slot, 0, 1, NOW);
		table.addByKey(A, slot, 0, 1025, NOW);
	}
	t.equal(table.readByKey(A, table.slot('bytes_in_rate')!, 0, NOW), 3 * 1024);
	t.equal(table.readByKey(A, table.slot('bytes_in_cnt')!, 0, NOW), 1026, 'the counter counts bytes');
	const view = table.newView();
	table.copyByKey(A, view, NOW);
	t.match(view.value(table.slot('bytes_in_rate')!, 0), { current: 3 }, 'blocks on the wire');
});

t.test('which operations refresh', async (t) => {
	const table = makeTable(['gpc0', 'gpt0', 'server_id', 'server_key']);
	const gpc0 = table.slot('gpc0')!;
	let now = NOW;
	const refreshes = (label: string, expected: boolean, step: () => unknown): void => {
		now += 1000;
		step();
		t.equal(table.expireMs(A, now), expected ? 60_000 : 59_000, label);
		table.touchByKey(A, now);
	};
	table.touchByKey(A, now);
	refreshes('adding', true, () => table.addByKey(A, gpc0, 0, 1, now));
	refreshes('adding 0', true, () => table.addGpcByKey(A, table.gpcSlots('gpc0'), 0, now));
	refreshes('setting', true, () => table.setByKey(A, gpc0, 0, 1, now));
	refreshes('stick match', true, () => table.matchServer(A, now));
	refreshes('stick store', true, () => table.storeServer(A, 1, 's1', now));
	refreshes('refresh', true, () => table.refresh(A, now));
	refreshes('tracking', true, () => table.untrack(table.track(A, now), now));
	refreshes('reading', false, () => table.readByKey(A, gpc0, 0, now));
	refreshes('in_table', false, () => table.has(A, now));
	refreshes('dumping', false, () => [...table.entries(now)]);
	refreshes('server_id', false, () => [table.serverId(A, now), table.serverKey(A, now), table.trackers(A, now)]);
	t.equal(table.refresh(B, now), false, 'only an entry that exists');
	t.equal(table.matchServer(B, now), undefined);
	t.equal(table.usedCount(), 1);
});

t.test('an entry is gone when its date is reached, with and without a sweep', async (t) => {
	for (const base of [NOW, 2 ** 31 - 30_000, 2 ** 32 - 30_000]) {
		const table = makeTable(['gpc0']);
		const gpc0 = table.slot('gpc0')!;
		table.addByKey(A, gpc0, 0, 1, base);
		table.addByKey(B, gpc0, 0, 1, base + 1);
		t.equal(table.expire(base + 59_999), 0);
		t.equal(table.readByKey(A, gpc0, 0, base + 59_999), 1);
		t.equal(table.expireMs(A, base + 59_999), 1);
		t.equal(table.readByKey(A, gpc0, 0, base + 60_000), undefined, 'a lookup looks at the date');
		t.equal(table.usedCount(), 1);
		t.equal([...table.entries(base + 60_001)].length, 0, 'so does a dump');
		t.equal(table.expire(base + 60_001), 1);
		t.equal(table.usedCount(), 0);
		t.equal(table.addByKey(A, gpc0, 0, 1, base + 70_000), 1, 'it comes back empty');
		sound(t, table);
	}
});

t.test('expiry in slices removes all, whatever was refreshed, in any order of dates', async (t) => {
	for (const size of [1000, 20_000]) {
		const table = makeTable(['gpc0'], { size, expireMs: 600_000 });
		const slot = table.slot('gpc0')!;
		for (let i = 0; i < size; i++) {
			const address = IpAddress.fromV4(i);
			if (i % 3 === 0) table.learn(address, [], (i * 7919) % 600_000, NOW);
			else table.addByKey(address, slot, 0, 1, NOW);
		}
		const half = NOW + 300_000;
		for (let i = 1; i < size; i += 3) table.addByKey(IpAddress.fromV4(i), slot, 0, 1, half);
		for (let at = NOW; at <= NOW + 599_000; at += 1000) {
			while (table.expire(at, 100) === 100);
			// An entry that is due is never found, though its record may still be there.
			for (let i = 0; i < 10; i++) {
				const n = (i * 3 * 17) % size;
				const address = IpAddress.fromV4(n - (n % 3));
				const dueAt = NOW + (((n - (n % 3)) * 7919) % 600_000);
				if (table.has(address, at) !== dueAt > at) t.fail(`entry ${n} at ${at}`);
			}
		}
		while (table.expire(NOW + 600_000 + 5000, 100) === 100);
		t.equal(table.usedCount(), Math.ceil((size - 1) / 3), `size ${size}: only what was refreshed half way is left`);
		sound(t, table);
		while (table.expire(NOW + 905_000, 1000) > 0);
		t.equal(table.usedCount(), 0);
		sound(t, table);
	}
});

t.test('a table nobody swept for long is swept all the same', async (t) => {
	const table = makeTable(['gpc0'], { size: 100_000, expireMs: 10_000 });
	const slot = table.slot('gpc0')!;
	for (let turn = 0; turn < 20; turn++) {
		for (let i = 0; i < 200; i++) table.addByKey(IpAddress.fromV4(turn * 200 + i), slot, 0, 1, NOW + turn * 7000);
	}
	let rounds = 0;
	while (table.expire(NOW + 19 * 7000, 100) > 0 && rounds < 1000) rounds++;
	t.equal(table.usedCount(), 400, 'the last two turns live');
	t.ok(rounds < 1000);
	sound(t, table);
});

t.test('a tracked entry neither expires, nor is evicted, nor cleared; its date moves on', async (t) => {
	for (const size of [10, 20_000]) {
		const table = makeTable(['gpc0'], { size, expireMs: 10_000 });
		const entry = table.track(A, NOW);
		t.equal(table.expire(NOW + 35_000), 0);
		t.equal(table.expireMs(A, NOW + 35_000), 5000, 'three times one expire longer');
		t.equal(table.clearByKey(A, NOW + 35_000), 'in use');
		t.equal(table.clear(NOW + 35_000), 0);
		for (let i = 0; i < size + 5; i++) table.touchByKey(IpAddress.fromV4(i), NOW + 35_000);
		t.ok(table.has(A, NOW + 35_000));
		t.equal(table.usedCount(), size);
		table.untrack(entry, NOW + 36_000);
		t.equal(table.expireMs(A, NOW + 36_000), 4000);
		sound(t, table);
		while (table.expire(NOW + 60_000) > 0);
		t.equal(table.usedCount(), 0);
		sound(t, table);
	}
});

t.test('without expire an entry lives until evicted or cleared', async (t) => {
	const table = makeTable(['gpc0'], { expireMs: undefined, size: 3 });
	table.touchByKey(A, NOW);
	t.equal(table.expire(NOW + 2 ** 31), 0);
	t.ok(table.has(A, NOW + 2 ** 31 + 5));
	t.equal(table.expireMs(A, NOW), 0);
	t.equal(table.idleMs(A, NOW), 0);
	t.equal([...table.entries(NOW)][0]?.remainingMs, undefined);
	t.equal(table.clearByKey(A, NOW), 'removed');
	t.equal(table.clearByKey(A, NOW), 'absent');
	sound(t, table);
});

t.test('a full table evicts the entry touched longest ago and counts it', async (t) => {
	for (const expireMs of [60_000, undefined]) {
		const table = makeTable(['gpc0'], { size: 10, expireMs });
		for (let i = 0; i < 10; i++) table.touchByKey(IpAddress.fromV4(i), NOW + i);
		t.equal(table.usedCount(), 10, 'size is exact');
		t.equal(table.fullEventCount(), 0);
		t.equal(table.sinceFullMs(NOW), undefined);
		table.refresh(IpAddress.fromV4(0), NOW + 20);
		table.touchByKey(A, NOW + 30);
		t.equal(table.usedCount(), 10);
		t.notOk(table.has(IpAddress.fromV4(1), NOW + 30), 'the oldest is gone');
		t.ok(table.has(IpAddress.fromV4(0), NOW + 30), 'the refreshed one is not');
		t.equal(table.evictionCount(), 1);
		t.equal(table.fullEventCount(), 1);
		t.equal(table.sinceFullMs(NOW + 130), 100);
		t.equal(table.availableCount(), 0);
		sound(t, table);
	}
});

t.test('a full large table evicts one of the oldest, and holds exactly its size', async (t) => {
	const size = 20_000;
	const table = makeTable(['gpc0'], { size, expireMs: 600_000 });
	for (let i = 0; i < size; i++) table.touchByKey(IpAddress.fromV4(i), NOW + i * 10);
	t.equal(table.usedCount(), size);
	t.equal(table.evictionCount(), 0);
	// The younger half is untouched, the older one refreshed: now the former is what must go.
	for (let i = 0; i < size / 2; i++) table.refresh(IpAddress.fromV4(i), NOW + 250_000);
	for (let i = 0; i < 1000; i++) table.touchByKey(IpAddress.fromV4(1_000_000 + i), NOW + 260_000);
	t.equal(table.usedCount(), size);
	t.equal(table.evictionCount(), 1000);
	let refreshedLost = 0;
	let youngLost = 0;
	for (let i = 0; i < size; i++) {
		if (table.has(IpAddress.fromV4(i), NOW + 260_000)) continue;
		if (i < size / 2) refreshedLost++;
		else if (i > size / 2 + 2500) youngLost++;
	}
	t.ok(refreshedLost <= 32, `${refreshedLost} of those refreshed: the search for a victim is bounded`);
	t.equal(youngLost, 0, 'the victims are among the oldest');
	sound(t, table);
});

t.test('nopurge refuses, until an entry expires', async (t) => {
	const table = makeTable(['gpc0'], { size: 2, nopurge: true });
	table.touchByKey(A, NOW);
	table.touchByKey(B, NOW);
	t.equal(table.track(ip('10.0.0.3'), NOW), 0);
	t.equal(table.touchByKey(ip('10.0.0.3'), NOW), false);
	t.equal(table.learn(ip('10.0.0.3'), [], undefined, NOW), 'full');
	t.equal(table.refusalCount(), 3);
	t.equal(table.evictionCount(), 0);
	t.equal(table.touchByKey(A, NOW), true, 'an entry that exists is no new one');
	t.equal(table.touchByKey(ip('10.0.0.3'), NOW + 60_000), true);
	t.equal(table.evictionCount(), 0, 'what was due is not an eviction');
	sound(t, table);
});

t.test('a table whose entries are all tracked refuses; one free entry in any shard is enough', async (t) => {
	for (const size of [4, 16_384]) {
		const table = makeTable(['gpc0'], { size });
		const entries = Array.from({ length: size }, (_, i) => table.track(IpAddress.fromV4(i), NOW));
		t.notOk(entries.includes(0 as never));
		t.equal(table.track(A, NOW), 0);
		t.equal(table.usedCount(), size);
		table.untrack(entries[2]!, NOW);
		t.not(table.track(A, NOW), 0);
		t.notOk(table.has(IpAddress.fromV4(2), NOW));
		sound(t, table);
	}
});

t.test('names and bytes of any kind are ordinary keys', async (t) => {
	const table = makeTable(['gpc0'], { keyType: 'string' });
	const slot = table.slot('gpc0')!;
	const keys = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', '', ' ', '\xff', 'a'.repeat(32)];
	for (const [i, key] of keys.entries()) table.addByKey(key, slot, 0, i + 1, NOW);
	for (const [i, key] of keys.entries()) t.equal(table.readByKey(key, slot, 0, NOW), i + 1, key);
	t.equal(table.usedCount(), keys.length);
	t.same(new Set(Array.from(table.entries(NOW), (entry) => entry.key)), new Set(keys));
	table.addByKey('AB\0CD', slot, 0, 1, NOW);
	table.learn('AB\0EF', [{ slot, values: [9] }], undefined, NOW);
	t.equal(table.usedCount(), keys.length + 1, 'a NUL ends the key: one entry, one bucket');
	t.equal(table.readByKey('AB', slot, 0, NOW), 9);
	table.addByKey('b'.repeat(40), slot, 0, 1, NOW);
	t.ok(table.has('b'.repeat(32), NOW), 'cut at its length');
	sound(t, table);
});

t.test('server_key: shared strings, bounded', async (t) => {
	const table = makeTable(['server_id', 'server_key'], { size: 100 });
	for (let i = 0; i < 100; i++) table.storeServer(IpAddress.fromV4(i), i, `s${i % 3}`, NOW);
	t.same(table.matchServer(IpAddress.fromV4(7), NOW), { serverId: 7, serverKey: 's1' });
	sound(t, table);
	table.storeServer(IpAddress.fromV4(7), 8, 's2', NOW);
	t.equal(table.serverKey(IpAddress.fromV4(7), NOW), 's2');
	table.storeServer(IpAddress.fromV4(7), 8, 'x'.repeat(16_384), NOW);
	t.equal(table.serverKey(IpAddress.fromV4(7), NOW), '', 'longer than any name: not stored');
	for (let turn = 0; turn < 50; turn++) {
		for (let i = 0; i < 100; i++) table.storeServer(IpAddress.fromV4(i), i, `server-${turn}-${i}`, NOW);
	}
	t.equal(table.serverKey(IpAddress.fromV4(99), NOW), 'server-49-99', 'places of strings nobody uses serve again');
	sound(t, table);
	table.clear(NOW);
	sound(t, table);
	t.equal(makeTable(['gpc0']).serverKey(A, NOW), undefined);
});

t.test('learning from peers', async (t) => {
	const table = makeTable(['gpc0', 'gpt0', 'conn_cur', 'server_key', 'gpc0_rate(10000)', 'bytes_in_cnt']);
	const slot = (name: string) => table.slot(name)!;
	table.addByKey(A, slot('gpc0'), 0, 5, NOW);
	const rate = { elapsedMs: 501, current: 10, previous: 4 };
	t.equal(
		table.learn(
			A,
			[
				{ slot: slot('gpc0'), values: [100] },
				{ slot: slot('conn_cur'), values: [3] },
				{ slot: slot('gpc0_rate'), values: [rate] },
				{ slot: slot('server_key'), values: ['s1'] },
				{ slot: slot('bytes_in_cnt'), values: [2n ** 60n] },
			],
			5000,
			NOW + 1,
		),
		'learned',
	);
	t.equal(table.readByKey(A, slot('gpc0'), 0, NOW), 100, 'replaces, does not add');
	t.equal(table.readByKey(A, slot('conn_cur'), 0, NOW), 0, 'never learned');
	t.equal(table.expireMs(A, NOW + 1), 5000, 'a shorter life than before');
	const view = table.newView();
	table.copyByKey(A, view, NOW + 2);
	t.same(view.value(slot('gpc0_rate'), 0), { elapsedMs: 502, current: 10, previous: 4 });
	t.equal(view.value(slot('bytes_in_cnt'), 0), 2n ** 60n);
	t.equal(view.serverKeyText, 's1');
	table.learn(A, [{ slot: slot('server_key'), values: [''] }], undefined, NOW + 2);
	t.equal(table.serverKey(A, NOW + 2), 's1', 'no value keeps the one there is');
	t.equal(table.expireMs(A, NOW + 2), 60_000, 'untimed: the local life');
	table.learn(A, [], 999_999_999, NOW + 2);
	t.equal(table.expireMs(A, NOW + 2), 60_000, 'never longer than the local life');
	table.learn(A, [{ slot: slot('conn_cur'), values: [3] }], undefined, NOW, 'all');
	t.equal(table.readByKey(A, slot('conn_cur'), 0, NOW), 3, 'from the old worker of a reload');
	t.equal(table.learn(A, [], 0, NOW + 3), 'learned');
	t.notOk(table.has(A, NOW + 3), 'a life that is over removes the entry');
	table.learn(B, [], -1, NOW);
	t.equal(table.usedCount(), 0, 'and makes none');
	const entry = table.track(A, NOW);
	table.learn(A, [], 0, NOW);
	t.equal(table.expireMs(A, NOW), 60_000, 'one in use lives one expire longer');
	table.untrack(entry, NOW);
	sound(t, table);

	const recvOnly = makeTable(['conn_cur'], { recvOnly: true });
	recvOnly.learn(A, [{ slot: recvOnly.slot('conn_cur')!, values: [7] }], undefined, NOW);
	t.equal(recvOnly.readByKey(A, recvOnly.slot('conn_cur')!, 0, NOW), 7);

	const endless = makeTable(['gpc0'], { expireMs: undefined });
	endless.learn(A, [], 0, NOW);
	t.ok(endless.has(A, NOW + 1e9), 'without expire the received life means nothing');

	const arrays = makeTable(['gpc(3)']);
	const gpc = arrays.slot('gpc')!;
	arrays.setByKey(A, gpc, 2, 9, NOW);
	arrays.learn(A, [{ slot: gpc, values: [1, 2] }], undefined, NOW);
	t.same(
		[0, 1, 2].map((i) => arrays.readByKey(A, gpc, i, NOW)),
		[1, 2, 9],
		'missing elements stay',
	);
	arrays.learn(A, [{ slot: gpc, values: [4, 5, 6, 7, 8] }], undefined, NOW);
	t.same(
		[0, 1, 2].map((i) => arrays.readByKey(A, gpc, i, NOW)),
		[4, 5, 6],
		'extra elements are dropped',
	);
	sound(t, arrays);
});

t.test('learning as words is the same', async (t) => {
	const store = ['server_id', 'gpt0', 'gpc0_rate(10000)', 'bytes_in_cnt', 'server_key', 'gpc(3)'];
	const [from, to] = [makeTable(store, { keyType: 'string' }), makeTable(store, { keyType: 'string' })];
	from.storeServer('k', -7, 'name', NOW);
	from.setByKey('k', from.slot('bytes_in_cnt')!, 0, 2n ** 50n + 1n, NOW);
	from.addByKey('k', from.slot('gpc0_rate')!, 0, 12, NOW);
	from.setByKey('k', from.slot('gpc')!, 2, 5, NOW);
	const view = from.newView();
	from.copyByKey('k', view, NOW + 501);
	const key = Buffer.alloc(64);
	const words = new Uint32Array(32);
	view.copyWords(words);
	const entry = {
		key,
		keyLength: view.keyBytes(key),
		words,
		elementCounts: Uint8Array.from(to.slots, (slot) => slot.count),
		serverKey: view.serverKeyText,
	};
	t.equal(to.learnWords(entry, 1000, NOW + 501), 'learned');
	const copy = to.newView();
	t.ok(to.copyByKey('k', copy, NOW + 501));
	for (const slot of from.slots) {
		for (let i = 0; i < slot.count; i++) t.same(copy.value(slot, i), view.value(slot, i), `${slot.type} ${i}`);
	}
	t.equal(copy.remainingMs, 1000);
	t.equal(
		to.learnWords({ ...entry, elementCounts: new Uint8Array(6), serverKey: undefined }, undefined, NOW),
		'learned',
	);
	t.equal(to.serverId('k', NOW), -7, 'counts of 0 leave the values');
	sound(t, to);
});

t.test('the largest value of every type is learned and taught on unchanged', async (t) => {
	const scalars = DATA_TYPES.filter(({ isArray }) => !isArray).map(({ name, class: dataClass }) =>
		dataClass === 'rate' ? `${name}(2147483647)` : name,
	);
	const largest = {
		uint32: 2 ** 32 - 1,
		int32: -(2 ** 31),
		uint64: 2n ** 64n - 1n,
		rate: { elapsedMs: 2 ** 32 - 2, current: 2 ** 32 - 1, previous: 2 ** 32 - 1 },
		string: 'x'.repeat(256),
	} as const;
	for (const store of [scalars, ['gpt(100)', 'gpc(100)', 'gpc_rate(100,2147483647)']]) {
		const table = makeTable(store, { recvOnly: true });
		const data = table.slots.map((slot) => ({ slot, values: Array(slot.count).fill(largest[slot.class]) }));
		t.equal(table.learn(A, data, undefined, NOW), 'learned');
		const view = table.newView();
		table.copyByKey(A, view, NOW);
		for (const slot of table.slots) {
			for (const i of [0, slot.count - 1]) t.same(view.value(slot, i), largest[slot.class], `${slot.type} ${i}`);
		}
		sound(t, table);
	}
});

t.test('write-to: as-is data of what was learned, with the life of the source', async (t) => {
	const source = makeTable(['gpt0', 'gpc0', 'server_key'], { expireMs: 600_000 });
	const target = makeTable(['gpt0', 'gpc0', 'server_key', 'server_id'], { name: 'target', expireMs: 300_000 });
	source.linkWriteTo(target);
	const data = [
		{ slot: source.slot('gpt0')!, values: [3] },
		{ slot: source.slot('gpc0')!, values: [4] },
		{ slot: source.slot('server_key')!, values: ['s1'] },
	];
	source.learn(A, data, undefined, NOW);
	t.equal(target.readByKey(A, target.slot('gpt0')!, 0, NOW), 3);
	t.equal(target.readByKey(A, target.slot('gpc0')!, 0, NOW), 0, 'counters are not written');
	t.equal(target.serverKey(A, NOW), 's1');
	t.ok((target.expireMs(A, NOW) ?? 0) >= 300_000);
	source.touchByKey(B, NOW);
	t.notOk(target.has(B, NOW), 'local entries are not written');
	const words = new Uint32Array(8);
	words[0] = 9;
	const elementCounts = Uint8Array.from([1, 1, 1]);
	source.learnWords(
		{ key: Buffer.from([10, 0, 0, 9]), keyLength: 4, words, elementCounts, serverKey: 's9' },
		1000,
		NOW,
	);
	t.equal(target.readByKey(ip('10.0.0.9'), target.slot('gpt0')!, 0, NOW), 9);
	t.equal(target.serverKey(ip('10.0.0.9'), NOW), 's9');
	sound(t, target);

	const endless = makeTable(['gpt0'], { expireMs: undefined });
	endless.linkWriteTo(target);
	endless.learn(ip('10.0.0.7'), [{ slot: endless.slot('gpt0')!, values: [8] }], 0, NOW);
	t.equal(target.expireMs(ip('10.0.0.7'), NOW), 300_000, 'a source without expire: the life of the target');
	const texts = makeTable(['gpt0'], { keyType: 'ipv6', name: 'texts' });
	source.linkWriteTo(texts);
	source.learn(A, data, undefined, NOW);
	t.equal(texts.usedCount(), 0, 'keys of another length are not mixed');
});

t.test('dumps: every entry once, whatever happens to the others meanwhile', async (t) => {
	for (const size of [2000, 20_000]) {
		const table = makeTable(['gpc0'], { size, keyType: 'integer' });
		for (let i = 0; i < 400; i++) table.addByKey(i, table.slot('gpc0')!, 0, i, NOW);
		const seen = new Map<number, number>();
		for (const entry of table.entries(NOW)) {
			const key = entry.key as number;
			seen.set(key, (seen.get(key) ?? 0) + 1);
			t.equal(entry.reading(entry.slots[0]!, 0), key < 400 ? key : 0);
			if (seen.size % 2 === 0) table.touchByKey(1000 + seen.size, NOW);
			if (seen.size === 10) table.clear(NOW, (other) => (other.key as number) >= 1000);
		}
		for (let i = 0; i < 400; i++) if (seen.get(i) !== 1) t.fail(`entry ${i} came ${seen.get(i) ?? 0} times`);
		sound(t, table);
	}
});

t.test('clearing by predicate and by identifier', async (t) => {
	const table = makeTable(['gpc0', 'http_req_rate(1000)'], { keyType: 'integer' });
	const [gpc0, rate] = [table.slot('gpc0')!, table.slot('http_req_rate')!];
	for (let i = 0; i < 100; i++) {
		table.addByKey(i, gpc0, 0, i, NOW);
		table.addByKey(i, rate, 0, i, NOW);
	}
	const entry = table.track(90, NOW);
	const cleared = table.clear(NOW, (view) => view.reading(gpc0, 0) >= 50 && view.reading(rate, 0) >= 60);
	t.equal(cleared, 39, '60 to 99 but the one in use');
	t.equal(table.usedCount(), 61);
	const view = table.newView();
	t.ok(table.copyByRef(entry, view, NOW));
	t.equal(view.key, 90);
	t.equal(view.trackers, 1);
	for (const bad of [0, 1, -1, entry + 1, 0.5, Number.NaN, 2 ** 40])
		t.notOk(table.copyByRef(bad, view, NOW), String(bad));
	t.throws(() =>
		table.clear(NOW, () => {
			throw new Error('from a predicate');
		}),
	);
	table.untrack(entry, NOW);
	t.equal(table.clear(NOW), 61, 'and no lock is left behind');
	sound(t, table);
});

t.test('sizes: all 32 bits are understood, what cannot be reserved is refused with a sentence', async (t) => {
	t.ok(StickTable.bytesNeeded(tableModel(['gpc0'], { size: 2 ** 26 })) > 2 ** 31);
	t.throws(() => StickTable.allocate(tableModel(['gpc0'], { size: 2 ** 32 - 1, name: 'huge' })), {
		code: 'TABLE_TOO_LARGE',
		message:
			/stick-table 'huge' of size 4294967295 needs \d+ MB \(\d+ bytes per entry\); a table may have 8 GB at most/,
	});
	const before = process.memoryUsage.rss();
	const table = makeTable(['http_req_rate(1000)'], { size: 50_000_000 });
	table.addByKey(A, table.slots[0]!, 0, 1, NOW);
	t.equal(table.readByKey(A, table.slots[0]!, 0, NOW), 1);
	t.ok(process.memoryUsage.rss() - before < 100e6, 'gigabytes of address space, no memory');
	const one = makeTable(['gpc0'], { size: 1 });
	one.touchByKey(A, NOW);
	one.touchByKey(B, NOW);
	t.equal(one.usedCount(), 1);
	t.ok(one.has(B, NOW));
	sound(t, one);
});

t.test('five thousand tables', async (t) => {
	const tables = Array.from({ length: 5000 }, (_, i) =>
		makeTable(['http_req_rate(1000)'], { name: `t${i}`, size: 100_000 }),
	);
	for (const [i, table] of tables.entries()) table.addByKey(IpAddress.fromV4(i), table.slots[0]!, 0, i, NOW);
	const start = performance.now();
	for (const table of tables) table.expire(NOW);
	t.ok(performance.now() - start < 1000, 'a sweep of all of them costs little');
	t.ok(tables.every((table, i) => table.readByKey(IpAddress.fromV4(i), table.slots[0]!, 0, NOW) === i));
});
