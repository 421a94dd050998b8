/**
 * A snapshot restored into tables that are in use: what is counted meanwhile and what was counted before must add up
 * to what one table without a crash would read.
 */
import t from 'tap';
import { SnapshotSource } from '../../lib/stick-table/snapshot.js';
import { readSnapshot } from '../../lib/stick-table/snapshot-restore.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { makeTable, tableModel } from './model.js';

const clock = { now: 1_000_000, wall: 1_700_000_000_000, monotonicMs: () => clock.now, wallMs: () => clock.wall };
const noPause = (): Promise<void> => Promise.resolve();

function pass(ms: number): void {
	clock.now += ms;
	clock.wall += ms;
}

function written(source: SnapshotSource): Buffer {
	source.beginPass();
	while (!source.pass(1000));
	return Buffer.concat([...source.take(), source.commit()]);
}

function slotOf(table: StickTable, type: string) {
	const slot = table.slot(type);
	if (slot === undefined) throw new Error(`${type} is not stored`);
	return slot;
}

function add(table: StickTable, key: string | number, type: string, amount = 1): void {
	table.addByKey(key, slotOf(table, type), 0, amount, clock.now);
}

function read(table: StickTable, key: string | number, type: string): number | undefined {
	return table.readByKey(key, slotOf(table, type), 0, clock.now);
}

function randomFrom(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

const STORE = [
	'gpt0',
	'gpc0',
	'http_req_cnt',
	'http_req_rate(10000)',
	'bytes_out_cnt',
	'server_key',
	'gpc_rate(2,3000)',
];
const KEYS = 1500;

for (const [what, options, sameRecords] of [
	['one shard', { size: 4096 }, true],
	['many shards', { size: 20_000 }, true],
	['another key length, another size', { size: 8000, keyLengthBytes: 40 }, false],
] as const) {
	t.test(`counting goes on while it is restored: ${what}`, async (t) => {
		const seed = Math.floor(Math.random() * 2 ** 31);
		t.comment(`seed ${seed}`);
		const random = randomFrom(seed);
		const base = { keyType: 'string', size: sameRecords ? options.size : 4096, expireMs: 100_000, name: 'a' } as const;
		// Without a crash, before it, and after it.
		const whole = makeTable(STORE, base);
		const before = makeTable(STORE, base);
		const after = makeTable(STORE, { ...base, ...options });
		const count = (table: StickTable): void => {
			const key = `key${random(KEYS)}`;
			const isAfter = table === after;
			for (const one of [whole, table]) {
				add(one, key, 'http_req_cnt');
				add(one, key, 'http_req_rate');
				add(one, key, 'gpc_rate');
				add(one, key, 'bytes_out_cnt', 3_000_000_000);
				if (key.endsWith('7')) one.setByKey(key, slotOf(one, 'gpt0'), 0, isAfter ? 9 : 4, clock.now);
				if (key.endsWith('3')) one.storeServer(key, 0, isAfter ? 'new' : 'old', clock.now);
			}
		};
		const source = new SnapshotSource([before], clock);
		const parts: Buffer[] = [];
		for (let save = 0; save < 6; save++) {
			for (let i = 0; i < 600; i++) {
				count(before);
				pass(random(3));
			}
			parts.push(written(source));
		}
		pass(300);
		const snapshot = await readSnapshot(Buffer.concat(parts), noPause);
		let turns = 0;
		for (let i = 0; i < 100; i++) count(after);
		const result = await snapshot.restoreInto(
			new Map([['a', after]]),
			clock,
			() => {
				turns++;
				for (let i = 0; i < 40; i++) count(after);
				return Promise.resolve();
			},
			0,
		);
		t.ok(turns >= 4, `${turns} turns for traffic`);
		for (let i = 0; i < 300; i++) count(after);
		t.equal(result.leftOut, 0);
		t.equal(result.entries, before.usedCount());
		t.equal(after.usedCount(), whole.usedCount());
		for (const lateMs of [0, 400, 2500, 4000]) {
			pass(lateMs);
			for (let i = 0; i < KEYS; i++) {
				const key = `key${i}`;
				for (const type of ['gpt0', 'http_req_cnt', 'bytes_out_cnt']) {
					const [is, should] = [read(after, key, type), read(whole, key, type)];
					if (is !== should) t.fail(`${key} ${type}: ${is}, not ${should}`);
				}
				for (const type of ['http_req_rate', 'gpc_rate']) {
					const [is = -9, should = -9] = [read(after, key, type), read(whole, key, type)];
					if (Math.abs(is - should) > 1) t.fail(`${key} ${type} after ${lateMs} ms: ${is}, not ${should}`);
				}
				const [is, should] = [after.serverKey(key, clock.now), whole.serverKey(key, clock.now)];
				if (is !== should) t.fail(`${key} server_key: ${is}, not ${should}`);
				const [left = -9, leftWhole = -9] = [after.expireMs(key, clock.now), whole.expireMs(key, clock.now)];
				if (Math.abs(left - leftWhole) > 1) t.fail(`${key} expires in ${left}, not ${leftWhole}`);
			}
		}
		t.equal(after.verify(), undefined);
	});
}

t.test('the youngest have the room, and what is there already keeps it', async (t) => {
	for (const size of [100, 18_000]) {
		const before = makeTable(['gpc0'], { size: 40_000, keyType: 'integer', name: 'a' });
		const source = new SnapshotSource([before], clock);
		const extra = size * 2;
		for (let key = 0; key < extra; key++) {
			add(before, key, 'gpc0');
			pass(1);
		}
		const after = makeTable(['gpc0'], { size, keyType: 'integer', name: 'a' });
		add(after, 1_000_000, 'gpc0');
		const snapshot = await readSnapshot(written(source), noPause);
		const { entries, leftOut } = await snapshot.restoreInto(new Map([['a', after]]), clock, noPause);
		t.equal(entries, size - 1);
		t.equal(leftOut, extra - size + 1);
		t.equal(read(after, 1_000_000, 'gpc0'), 1);
		t.equal(read(after, extra - size, 'gpc0'), undefined);
		t.equal(read(after, extra - size + 1, 'gpc0'), 1);
		t.equal(after.evictionCount(), 0);
		t.equal(after.verify(), undefined);
	}
});

t.test('the order of last touch is kept, with and without expire', async (t) => {
	for (const expireMs of [undefined, 60_000]) {
		const before = makeTable(['gpc0'], { size: 50, keyType: 'integer', expireMs, name: 'a' });
		const source = new SnapshotSource([before], clock);
		for (let key = 0; key < 50; key++) add(before, key, 'gpc0');
		const after = makeTable(['gpc0'], { size: 50, keyType: 'integer', expireMs, name: 'a' });
		const snapshot = await readSnapshot(written(source), noPause);
		await snapshot.restoreInto(new Map([['a', after]]), clock, noPause);
		for (let key = 100; key < 120; key++) add(after, key, 'gpc0');
		for (let key = 0; key < 50; key++) t.equal(after.has(key, clock.now), key >= 20, `${key}, expire ${expireMs}`);
		t.equal(after.verify(), undefined);
	}
});

t.test('what the tables of the configuration have to say about it', async (t) => {
	const before = makeTable(['gpc0'], { name: 'a', expireMs: 60_000, keyType: 'string' });
	const plain = makeTable(['gpc0'], { name: 'b', expireMs: undefined, keyType: 'string' });
	const other = makeTable(['gpc0'], { name: 'c', keyType: 'string' });
	for (const table of [before, plain, other]) add(table, 'x', 'gpc0');
	pass(20_000);
	const bytes = written(new SnapshotSource([before, plain, other], clock));
	const snapshot = await readSnapshot(bytes, noPause);
	const model = (name: string, expireMs: number | undefined) =>
		tableModel(['gpc0'], { name, expireMs, keyType: 'string' });
	const lives = new Map<string, number | undefined>();
	for (const expireMs of [120_000, 30_000, 20_000, undefined]) {
		const tables = new Map(
			['a', 'b'].map((name) => {
				const declared = model(name, expireMs);
				return [name, new StickTable(declared, StickTable.allocate(declared))] as const;
			}),
		);
		const { unknownTables } = await snapshot.restoreInto(tables, clock, noPause);
		t.same(unknownTables, ['c']);
		for (const [name, table] of tables) lives.set(`${name} ${expireMs}`, table.expireMs('x', clock.now));
	}
	t.same(Object.fromEntries(lives), {
		'a 120000': 100_000,
		'a 30000': 10_000,
		'a 20000': undefined,
		'a undefined': 0,
		'b 120000': 120_000,
		'b 30000': 30_000,
		'b 20000': 20_000,
		'b undefined': 0,
	});
	// Read in place or moved to whole words: all the same.
	const odd = Buffer.concat([Buffer.alloc(1), bytes]).subarray(1);
	const table = makeTable(['gpc0'], { name: 'a', expireMs: 60_000, keyType: 'string' });
	const again = await readSnapshot(odd, noPause);
	t.equal((await again.restoreInto(new Map([['a', table]]), clock, noPause)).entries, 1);
	t.equal(read(table, 'x', 'gpc0'), 1);
});
