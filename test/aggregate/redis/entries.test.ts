/** Entries on their way through Redis: what comes out is what went in, older by what has passed, or nothing. */
import fc from 'fast-check';
import t from 'tap';
import { EntryCodec, signatureOf } from '../../../lib/aggregate/redis/entries.js';
import { formatLine, parseLine, tableKeys } from '../../../lib/aggregate/redis/keys.js';
import { columnsOf, EntryRecord, wordCountOf } from '../../../lib/peers/entry-record.js';
import { StickTable } from '../../../lib/stick-table/table.js';
import { tableModel } from '../../fixtures/redis-node.js';

const model = tableModel('t', {
	store: [
		{ type: 'http_req_cnt', periodMs: undefined, count: undefined },
		{ type: 'http_req_rate', periodMs: 10_000, count: undefined },
		{ type: 'bytes_in_cnt', periodMs: undefined, count: undefined },
		{ type: 'server_key', periodMs: undefined, count: undefined },
	],
});

function newTable(): { table: StickTable; codec: EntryCodec; record: EntryRecord } {
	const table = new StickTable(model, StickTable.allocate(model));
	const columns = columnsOf(table.slots.map(({ wireId, count, periodMs }) => ({ typeId: wireId, count, periodMs })));
	const codec = new EntryCodec(columns, wordCountOf(columns), table.keyLengthBytes);
	return { table, codec, record: new EntryRecord(columns) };
}

const split = (text: string): [string, string] => text.split(' ') as [string, string];

t.test('there and back, by Redis clock', async (t) => {
	const { table, codec, record } = newTable();
	const nowMs = 5_000_000;
	const slot = (type: string) => table.slot(type)!;
	table.addByKey('key', slot('http_req_cnt'), 0, 7, nowMs);
	table.addByKey('key', slot('http_req_rate'), 0, 30, nowMs);
	table.addByKey('key', slot('bytes_in_cnt'), 0, 2 ** 40 + 5, nowMs);
	table.storeServer('key', 0, 'srv1', nowMs);
	const view = table.newView();
	t.ok(table.copyByKey('key', view, nowMs + 1000));
	const redisMs = 1_800_000_000_000;
	const [field, value] = split(codec.encode(view, redisMs));
	t.equal(Buffer.from(field, 'base64').toString(), 'key');
	t.equal(codec.expiresAtMs(value), redisMs + 599_000);
	// Read four seconds later, by a machine whose own clock says something else.
	t.ok(codec.decode(field, value, record, redisMs + 4000));
	t.equal(record.expireMs, 595_000);
	t.equal(record.serverKey, 'srv1');
	const other = newTable().table;
	const thereMs = 77_000_123;
	other.learnWords(record, record.expireMs, thereMs, 'all');
	t.equal(other.readByKey('key', other.slot('http_req_cnt')!, 0, thereMs), 7);
	t.equal(other.readByKey('key', other.slot('bytes_in_cnt')!, 0, thereMs), 2 ** 40 + 5);
	t.equal(other.readByKey('key', other.slot('http_req_rate')!, 0, thereMs), 30, 'in the same period');
	t.equal(other.readByKey('key', other.slot('http_req_rate')!, 0, thereMs + 16_000), 0, 'and over with it');
	t.equal(other.expireMs('key', thereMs), 595_000);
	t.equal(other.serverKey('key', thereMs), 'srv1');
	t.ok(codec.decode(field, value, record, redisMs - 60_000), 'a clock that went back');
	t.equal(record.expireMs, 599_000, 'nothing is from the future');
	t.ok(codec.decode(field, value, record, redisMs + 700_000));
	t.equal(record.expireMs, 0, 'over');
});

t.test('the empty key', async (t) => {
	const { table, codec, record } = newTable();
	table.touchByKey('', 1000);
	const view = table.newView();
	t.ok(table.copyByKey('', view, 1000));
	const [field, value] = split(codec.encode(view, 1));
	t.match(field, /^\S+$/);
	t.ok(codec.decode(field, value, record, 1));
	t.equal(record.keyLength, 0);
});

t.test('damage is noticed', async (t) => {
	const { table, codec, record } = newTable();
	table.addByKey('key', table.slot('http_req_cnt')!, 0, 7, 1000);
	const view = table.newView();
	table.copyByKey('key', view, 1000);
	const [field, value] = split(codec.encode(view, 1_800_000_000_000));
	const bytes = Buffer.from(value, 'base64');
	fc.assert(
		fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
			const damaged = Buffer.from(bytes);
			damaged[at]! ^= flip;
			return !codec.decode(field, damaged.toString('base64'), record, 1_800_000_000_000);
		}),
	);
	fc.assert(fc.property(fc.string(), fc.string(), (a, b) => !codec.decode(a, b, record, 0)));
	t.notOk(codec.decode(Buffer.from('yek').toString('base64'), value, record, 0), 'under another key');
	t.notOk(codec.decode(field, bytes.subarray(0, -4).toString('base64'), record, 0), 'cut');
	t.notOk(codec.decode(field, value.repeat(1000), record, 0), 'grown');
});

t.test('signatures tell what tables store', async (t) => {
	t.match(signatureOf(model), /^[0-9a-f]{8}$/);
	t.equal(
		signatureOf(model),
		signatureOf({ ...model, name: 'u', size: 5, expireMs: 1, store: [...model.store].reverse() }),
	);
	t.not(signatureOf(model), signatureOf({ ...model, keyLengthBytes: 33 }));
	t.not(signatureOf(model), signatureOf({ ...model, keyType: 'ip' }));
	t.not(signatureOf(model), signatureOf({ ...model, store: model.store.slice(1) }));
});

t.test('lines of the directory', async (t) => {
	const line = { life: 1_795_000_000_000, sequence: 12, updateId: 4_294_967_295, signature: '00ff00ff' };
	t.same(parseLine(formatLine(line)), line);
	for (const text of ['', '1 2 3', '1 2 3 xyz', '-1 2 3 00ff00ff', '1 2 3 00ff00ff x', '1e3 2 3 00ff00ff']) {
		t.equal(parseLine(text), undefined, text);
	}
});

t.test('keys of one script are in one slot', async (t) => {
	const tag = (key: string): string | undefined => /\{([^}]+)\}/.exec(key)?.[1];
	for (const mode of ['sums', 'overwriting'] as const) {
		const keys = tableKeys('p', '/req.local', mode, '00ff00ff');
		const all = [keys.directory, keys.log, keys.entriesOf('a'), keys.entriesOf('b')];
		t.same([...new Set(all.map(tag))], ['p/req.local']);
	}
	t.not(tag(tableKeys('p', 't', 'sums', '').log), tag(tableKeys('p', '/t', 'sums', '').log), 'a proxy and a section');
});
