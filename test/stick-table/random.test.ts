/**
 * Random operations on a table beside an obvious model of it: a Map of objects. After each operation the
 * answers agree, now and then every list of the table is walked. A failure names its seed.
 */
import t from 'tap';
import { layoutOf } from '../../lib/stick-table/layout.js';
import type { EntryRef } from '../../lib/stick-table/table.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { tableModel } from './model.js';

interface ModelEntry {
	gpc0: number;
	bytes: number;
	connCur: number;
	serverKey: string;
	trackers: number;
	expiresAt: number;
}

/** mulberry32 */
function generator(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (state + 0x6d2b79f5) | 0;
		let z = Math.imul(state ^ (state >>> 15), 1 | state);
		z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
		return ((z ^ (z >>> 14)) >>> 0) % below;
	};
}

const EXPIRE_MS = 1000;

function run(seed: number, size: number, keys: number, steps: number, listening: boolean): string | undefined {
	const random = generator(seed);
	const model = tableModel(['gpc0', 'bytes_in_cnt', 'conn_cur', 'server_key'], {
		keyType: 'integer',
		size,
		expireMs: EXPIRE_MS,
	});
	const table = new StickTable(model, StickTable.allocate(model));
	const [gpc0, bytes] = [table.slot('gpc0')!, table.slot('bytes_in_cnt')!];
	const spanMs = 2 ** layoutOf(model).wheelShift;
	const entries = new Map<number, ModelEntry>();
	const trackers: { key: number; ref: EntryRef }[] = [];
	let now = 2 ** 32 - 5000 + random(1000);
	if (listening) table.updates.enable();
	const reader = listening ? table.updates.openReader('local') : undefined;
	const view = table.newView();

	const live = (key: number): ModelEntry | undefined => {
		const entry = entries.get(key);
		if (entry === undefined) return undefined;
		while (entry.trackers > 0 && entry.expiresAt <= now) entry.expiresAt += EXPIRE_MS;
		if (entry.expiresAt > now) return entry;
		entries.delete(key);
		return undefined;
	};
	const oldestDate = (): number =>
		Math.min(...[...entries.values()].filter((e) => e.trackers === 0).map((e) => e.expiresAt));
	/** The model's entry for a key that the table has just made or found. */
	const ensure = (key: number): ModelEntry | string => {
		const found = live(key);
		if (found !== undefined) return found;
		for (const other of [...entries.keys()]) live(other);
		if (entries.size >= size) {
			const limit = oldestDate() + (size < 16_384 ? spanMs : spanMs * 2);
			const victims = [...entries].filter(([other]) => !table.has(other, now));
			if (victims.length !== 1) return `${victims.length} entries evicted for one`;
			const [victimKey, victim] = victims[0]!;
			if (victim.trackers > 0) return `entry ${victimKey} was evicted with trackers`;
			if (victim.expiresAt > limit) return `entry ${victimKey} was evicted ${victim.expiresAt - limit} ms too young`;
			entries.delete(victimKey);
		}
		const entry = { gpc0: 0, bytes: 0, connCur: 0, serverKey: '', trackers: 0, expiresAt: now + EXPIRE_MS };
		entries.set(key, entry);
		return entry;
	};

	for (let step = 0; step < steps; step++) {
		if (random(4) === 0) now += random(size < 100 ? 40 : 4);
		const key = random(keys);
		const operation = random(12);
		const full = (): boolean => {
			for (const other of [...entries.keys()]) live(other);
			return entries.size >= size && !Number.isFinite(oldestDate()) && !entries.has(key);
		};
		const cannot = full();
		let entry: ModelEntry | string | undefined;
		switch (operation) {
			case 0:
			case 1:
			case 2: {
				const amount = random(5);
				const result = table.addByKey(key, gpc0, 0, amount, now);
				if (cannot) {
					if (result !== undefined) return 'no room, yet it was added';
					break;
				}
				entry = ensure(key);
				if (typeof entry === 'string') return entry;
				entry.gpc0 += amount;
				entry.expiresAt = now + EXPIRE_MS;
				if (result !== entry.gpc0) return `step ${step}: gpc0 of ${key} is ${result}, not ${entry.gpc0}`;
				break;
			}
			case 3: {
				if (trackers.length > size / 2 + 2) break;
				const ref = table.track(key, now);
				if (cannot) {
					if (ref !== 0) return 'no room, yet it was tracked';
					break;
				}
				entry = ensure(key);
				if (typeof entry === 'string') return entry;
				entry.trackers++;
				entry.connCur++;
				entry.expiresAt = now + EXPIRE_MS;
				trackers.push({ key, ref });
				break;
			}
			case 4:
			case 5: {
				const [tracker] = trackers.splice(random(trackers.length || 1), 1);
				if (tracker === undefined) break;
				entry = live(tracker.key);
				if (entry === undefined) return `tracked entry ${tracker.key} is gone`;
				if (operation === 5) {
					entry.bytes += 2 ** 33;
					if (table.add(tracker.ref, bytes, 0, 2 ** 33, now) !== entry.bytes) return 'bytes of a tracked entry';
				}
				table.untrack(tracker.ref, now);
				entry.trackers--;
				entry.connCur = Math.max(0, entry.connCur - 1);
				entry.expiresAt = now + EXPIRE_MS;
				break;
			}
			case 6: {
				entry = live(key);
				const result = table.clearByKey(key, now);
				const expected = entry === undefined ? 'absent' : entry.trackers > 0 ? 'in use' : 'removed';
				if (result !== expected) return `step ${step}: clearing ${key} says ${result}, not ${expected}`;
				if (result === 'removed') entries.delete(key);
				break;
			}
			case 7: {
				const life = random(EXPIRE_MS * 2);
				const outcome = table.learn(key, [{ slot: gpc0, values: [step] }], life, now);
				if (life === 0) {
					entry = live(key);
					if (entry === undefined) break;
					if (entry.trackers === 0) entries.delete(key);
					else {
						entry.gpc0 = step;
						entry.expiresAt = now + EXPIRE_MS;
					}
					break;
				}
				if (cannot) {
					if (outcome !== 'full') return 'no room, yet it was learned';
					break;
				}
				entry = ensure(key);
				if (typeof entry === 'string') return entry;
				entry.gpc0 = step;
				entry.expiresAt = now + Math.min(life, EXPIRE_MS);
				break;
			}
			case 8: {
				const name = `s${random(4)}`;
				const stored = table.storeServer(key, 1, name, now);
				if (cannot) {
					if (stored) return 'no room, yet it was stored';
					break;
				}
				entry = ensure(key);
				if (typeof entry === 'string') return entry;
				entry.serverKey = name;
				entry.expiresAt = now + EXPIRE_MS;
				break;
			}
			case 9:
				table.expire(now, random(20));
				break;
			case 10:
				for (let i = random(8); i > 0 && reader?.next(view, now) === true; i--) {
					const read = live(view.key as number);
					if (read !== undefined && view.reading(gpc0, 0) !== read.gpc0) return 'a peer is told another value';
				}
				break;
			case 11:
				if (random(200) === 0) {
					table.clear(now, (other) => other.reading(gpc0, 0) % 2 === 0);
					for (const [other, { gpc0: value, trackers: uses }] of entries) {
						if (uses === 0 && value % 2 === 0) entries.delete(other);
					}
				}
				break;
		}
		entry = live(key);
		const read = table.readByKey(key, gpc0, 0, now);
		if (read !== entry?.gpc0)
			return `step ${step}, operation ${operation}: gpc0 of ${key} reads ${read}, not ${entry?.gpc0}`;
		if (entry !== undefined) {
			if (table.expireMs(key, now) !== entry.expiresAt - now)
				return `step ${step}: life of ${key} after operation ${operation}`;
			if (table.trackers(key, now) !== entry.trackers) return `step ${step}: trackers of ${key}`;
			if (table.serverKey(key, now) !== entry.serverKey) return `step ${step}: server_key of ${key}`;
			if (table.readByKey(key, table.slot('conn_cur')!, 0, now) !== entry.connCur)
				return `step ${step}: conn_cur of ${key}`;
		}
		if (step % 200 === 0 || step === steps - 1) {
			const trouble = table.verify();
			if (trouble !== undefined) return `step ${step}: ${trouble}`;
		}
	}
	const dumped = new Map(Array.from(table.entries(now), (found) => [found.key as number, found.reading(gpc0, 0)]));
	for (const key of [...entries.keys()]) live(key);
	if (dumped.size !== entries.size) return `${dumped.size} entries dumped, ${entries.size} in the model`;
	for (const [key, { gpc0: value }] of entries) if (dumped.get(key) !== value) return `entry ${key} dumped wrong`;
	return undefined;
}

t.test('small tables, full and exact', async (t) => {
	for (let seed = 1; seed <= 40; seed++) {
		t.equal(run(seed, 1 + (seed % 17), 30, 3000, seed % 2 === 0), undefined, `seed ${seed}`);
	}
});

t.test('roomy tables', async (t) => {
	for (let seed = 101; seed <= 110; seed++)
		t.equal(run(seed, 500, 300, 4000, seed % 2 === 0), undefined, `seed ${seed}`);
});

t.test('sharded tables, lazily ordered', async (t) => {
	for (let seed = 201; seed <= 206; seed++)
		t.equal(run(seed, 20_000, 700, 4000, seed % 2 === 0), undefined, `seed ${seed}`);
});
