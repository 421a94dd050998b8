/** Tables, entries and values from a generator, judged by the slow codec; and what each rule of the reader refuses. */
import fc from 'fast-check';
import t from 'tap';
import { decodeDefinition, LineReader, MessageReader, UpdatePlan } from '../../lib/peers/decode.js';
import { ReceiveDictionary, TransmitDictionary } from '../../lib/peers/dictionary.js';
import { MessageWriter } from '../../lib/peers/encode.js';
import { columnsOf, EntryRecord } from '../../lib/peers/entry-record.js';
import { KEY_TYPE, type KeyTypeName, MAX_SERVER_KEY_BYTES, PeersProtocolError } from '../../lib/peers/protocol.js';
import { DATA_TYPES } from '../../lib/stick-table/data-types.js';
import { SLOW_TYPES, type SlowColumn, type SlowValue, slowDefinition, slowUpdate, slowVarint } from './recorded.js';

const PROTOCOL = { fault: 'protocol' } as unknown as Error;
const SIZE_LIMIT = { fault: 'size-limit' } as unknown as Error;

const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffffffff }));
const keyTypes = fc.constantFrom<KeyTypeName>('integer', 'ip', 'ipv6', 'string', 'binary');
const columnsArbitrary = fc.subarray(DATA_TYPES.map(({ wireId }) => wireId)).chain((ids) =>
	fc.tuple(
		...ids.map((id) =>
			fc.record({
				id: fc.constant(id),
				count: DATA_TYPES[id]?.isArray ? fc.integer({ min: 1, max: 100 }) : fc.constant(1),
				period: DATA_TYPES[id]?.class === 'rate' ? fc.integer({ min: 1, max: 0x7fffffff }) : fc.constant(0),
			}),
		),
	),
);
const tableArbitrary = fc
	.record({
		keyType: keyTypes,
		length: fc.integer({ min: 1, max: 300 }),
		name: fc.string({ minLength: 1, maxLength: 300, unit: 'binary-ascii' }),
		id: fc.integer({ min: 1, max: 0xffffffff }),
		expire: fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 0x7fffffff })),
		columns: columnsArbitrary,
	})
	.map((table) => ({
		...table,
		keyLengthBytes: { integer: 4, ip: 4, ipv6: 16, string: table.length, binary: table.length }[table.keyType],
	}));

function slowTable(table: {
	id: number;
	name: string;
	keyType: KeyTypeName;
	keyLengthBytes: number;
	expire?: number;
	columns: SlowColumn[];
}) {
	return {
		id: BigInt(table.id),
		name: table.name,
		keyType: KEY_TYPE[table.keyType],
		keySize: table.keyLengthBytes + (table.keyType === 'string' ? 1 : 0),
		columns: table.columns,
		expire: BigInt(table.expire ?? 0),
	};
}

const libColumns = (columns: readonly SlowColumn[]) =>
	columnsOf(columns.map(({ id, count, period }) => ({ typeId: id, count, periodMs: period })));

/** Random values of one table as slow values and in a record. */
function fill(
	columns: readonly SlowColumn[],
	record: EntryRecord,
	next: () => number,
	text: string | undefined,
): SlowValue[] {
	let word = 0;
	return columns.map(({ id, count }) => {
		const [, kind, isArray] = SLOW_TYPES[id]!;
		const elements = Array.from({ length: count }, (): SlowValue => {
			if (kind === 'string') {
				record.serverKey = text;
				word++;
				return text;
			}
			const words = Array.from({ length: { uint32: 1, int32: 1, uint64: 2, rate: 3 }[kind] }, next);
			record.words.set(words, word);
			word += words.length;
			const [a = 0, b = 0, c = 0] = words;
			if (kind === 'uint32') return BigInt(a);
			if (kind === 'int32') return BigInt(a | 0);
			if (kind === 'uint64') return (BigInt(b) << 32n) | BigInt(a);
			return { elapsed: BigInt(a), curr: BigInt(b), prev: BigInt(c) };
		});
		return isArray === true ? elements : elements[0];
	});
}

t.test('definitions of all shapes', async () => {
	fc.assert(
		fc.property(tableArbitrary, (table) => {
			const writer = new MessageWriter();
			writer.definition(table.id, {
				wireName: table.name,
				keyType: table.keyType,
				keyLengthBytes: table.keyLengthBytes,
				columns: libColumns(table.columns),
				expireMs: table.expire,
			});
			const bytes = writer.take();
			if (!bytes.equals(Buffer.from(slowDefinition(slowTable(table))))) return false;
			let same = false;
			new MessageReader().feed(bytes, 0, {
				message(_class, _type, body, start, end) {
					const read = decodeDefinition(body, start, end);
					same =
						read.tableId === table.id &&
						read.name === table.name &&
						read.keyType === KEY_TYPE[table.keyType] &&
						read.expireMs === (table.expire ?? 0) &&
						JSON.stringify(read.columns) === JSON.stringify(libColumns(table.columns));
					return true;
				},
			});
			return same;
		}),
		{ numRuns: 400, seed: 7 },
	);
});

t.test('updates of all shapes, through the dictionary, in chunks of any size', async () => {
	const entries = fc.array(
		fc.record({
			type: fc.constantFrom(0x80, 0x81, 0x85, 0x86),
			id: u32,
			expire: fc.integer({ min: -5, max: 0x7fffffff }),
			key: fc.uint8Array({ minLength: 300, maxLength: 300 }),
			keyLength: fc.nat(300),
			text: fc.oneof(
				fc.constant(undefined),
				fc.nat(200).map((n) => `server${n}`),
			),
			values: fc.infiniteStream(u32),
		}),
		{ minLength: 1, maxLength: 8 },
	);
	fc.assert(
		fc.property(tableArbitrary, entries, fc.integer({ min: 1, max: 400 }), (table, list, chunkSize) => {
			const columns = libColumns(table.columns);
			const writer = new MessageWriter();
			const record = new EntryRecord(columns);
			const sent = new TransmitDictionary();
			const slowDictionary = new Map<string, number>();
			const slow: number[] = [];
			const expected: string[] = [];
			let previousId = 0;
			for (const entry of list) {
				const isString = table.keyType === 'string';
				const length = isString ? Math.min(entry.keyLength, table.keyLengthBytes) : table.keyLengthBytes;
				// No NUL inside a string: it would end the key.
				const key = [...entry.key.subarray(0, length)].map((byte) => (isString && byte === 0 ? 1 : byte));
				record.reserveKey(length).set(key);
				record.updateId = entry.id;
				record.expireMs = entry.expire;
				record.serverKey = undefined;
				const values = fill(table.columns, record, () => entry.values.next().value, entry.text);
				slow.push(...slowUpdate(slowTable(table), entry.type, entry.id, entry.expire, key, values, slowDictionary));
				writer.update(entry.type, table.keyType, columns, record, sent);
				const isExplicit = entry.type === 0x80 || entry.type === 0x85;
				previousId = isExplicit ? entry.id : (previousId + 1) >>> 0;
				expected.push(describe(record, previousId, entry.type >= 0x85 ? entry.expire : 0, Buffer.from(key)));
			}
			const bytes = writer.take();
			if (!bytes.equals(Buffer.from(slow))) return false;
			const plan = new UpdatePlan(columns, columns, table.keyType, table.keyLengthBytes, true);
			const received = new ReceiveDictionary();
			const into = new EntryRecord(columns);
			const actual: string[] = [];
			let lastId = 0;
			const reader = new MessageReader();
			for (let at = 0; at < bytes.length; at += chunkSize) {
				reader.feed(bytes.subarray(at, at + chunkSize), 0, {
					message(_class, type, body, start, end) {
						plan.decode(type, body, start, end, lastId, received, into);
						lastId = into.updateId;
						actual.push(describe(into, lastId, into.expireMs, into.keyBytes()));
						return true;
					},
				});
			}
			return actual.join('\n') === expected.join('\n');
		}),
		{ numRuns: 300, seed: 8 },
	);
});

function describe(record: EntryRecord, id: number, expire: number, key: Buffer): string {
	return `${id} ${expire} ${key.toString('hex')} ${record.words.join(',')} ${record.serverKey}`;
}

const message = (messageClass: number, type: number, body: number[]): Buffer =>
	Buffer.from([messageClass, type, ...slowVarint(BigInt(body.length)), ...body]);
const define = (body: number[]): unknown => decodeDefinition(Uint8Array.from(body), 0, body.length);

t.test('framing', async (t) => {
	const collected: number[] = [];
	const handler = {
		message(messageClass: number, type: number): boolean {
			collected.push(messageClass, type);
			return true;
		},
	};
	t.throws(() => new MessageReader().feed(Buffer.from([255, 0]), 0, handler), PROTOCOL);
	t.throws(
		() => new MessageReader().feed(Buffer.from([10, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), 0, handler),
		PROTOCOL,
	);
	t.throws(() => new MessageReader().feed(Buffer.from([10, 0x80, ...slowVarint(16380n)]), 0, handler), SIZE_LIMIT);
	const largest = message(7, 200, new Array<number>(16384 - 5).fill(1));
	t.equal(largest.length, 16384);
	for (const size of [16384, 1, 1000]) {
		collected.length = 0;
		const reader = new MessageReader();
		for (let at = 0; at < largest.length; at += size) reader.feed(largest.subarray(at, at + size), 0, handler);
		t.strictSame(collected, [7, 200], `the largest message, in chunks of ${size}`);
		t.equal(reader.streamOffset, 16384);
	}
	// Whether a length follows depends on bit 7 of the type only.
	collected.length = 0;
	new MessageReader().feed(Buffer.from([7, 3, 10, 5, 0, 0x90, 2, 9, 9, 0, 4]), 0, handler);
	t.strictSame(collected, [7, 3, 10, 5, 0, 0x90, 0, 4]);
	// A handler that has closed gets nothing more.
	collected.length = 0;
	const stopping = {
		message(messageClass: number, type: number): boolean {
			collected.push(messageClass, type);
			return false;
		},
	};
	new MessageReader().feed(Buffer.from([0, 4, 0, 4]), 0, stopping);
	t.strictSame(collected, [0, 4]);
});

t.test('lines', async (t) => {
	const reader = new LineReader(10);
	t.equal(reader.feed(Buffer.from('ab'), 0), -1);
	t.equal(reader.feed(Buffer.from('c\r\nxyz'), 0), 3);
	t.equal(reader.line, 'abc');
	t.throws(() => reader.feed(Buffer.from('0123456789'), 0), PeersProtocolError);
	t.equal(new LineReader(10).feed(Buffer.from('\n'), 0), 1, 'an empty line');
});

t.test('definitions that cannot be read', async (t) => {
	const whole = [3, 3, 0x2f, 0x74, 0x31, 4, 4, 4];
	t.equal((define(whole) as { name: string }).name, '/t1');
	for (let length = 0; length < whole.length; length++) {
		t.throws(() => define(whole.slice(0, length)), PROTOCOL, `cut to ${length} bytes`);
	}
	t.throws(() => define([3, 0, 4, 4, 4]), PROTOCOL, 'no name');
	t.throws(() => define([3, ...slowVarint(2n ** 63n), 0x2f, 4, 4, 4]), PROTOCOL, 'a name of 2^63 bytes');
});

t.test('every key type, and array sizes beyond reason', async (t) => {
	for (let keyType = 0; keyType < 256; keyType++) {
		const read = decodeDefinition(
			Uint8Array.from([1, 1, 0x61, ...slowVarint(BigInt(keyType)), 4, 4]),
			0,
			keyType < 240 ? 6 : 7,
		);
		t.equal(read.keyType, keyType);
	}
	const gpc = (count: bigint): unknown =>
		(define([1, 1, 0x61, 4, 4, ...slowVarint(1n << 23n), 0, 23, ...slowVarint(count)]) as { columns: unknown }).columns;
	t.equal(gpc(0n), undefined);
	t.equal(gpc(101n), undefined);
	t.equal(gpc(2n ** 63n), undefined);
	t.ok(gpc(100n));
});

t.test('dictionary ids and lengths', async (t) => {
	const columns = columnsOf([{ typeId: 19 }]);
	const plan = new UpdatePlan(columns, columns, 'ip', 4, false);
	const record = new EntryRecord(columns);
	const dictionary = new ReceiveDictionary();
	const read = (value: number[]): string | undefined => {
		const body = Uint8Array.from([0, 0, 0, 1, 1, 1, 1, 1, ...value]);
		plan.decode(0x80, body, 0, body.length, 0, dictionary, record);
		return record.serverKey;
	};
	for (const id of [0n, 129n, 2n ** 31n, 2n ** 63n]) {
		const inner = slowVarint(id);
		t.throws(() => read([inner.length, ...inner]), PROTOCOL, `id ${id} alone`);
		t.throws(() => read([inner.length + 2, ...inner, 1, 0x73]), PROTOCOL, `id ${id} with a string`);
	}
	t.equal(read([0]), undefined, 'no value');
	t.equal(read([1, 9]), undefined, 'an id nothing was sent under');
	t.equal(read([4, 128, 2, 0x73, 0x31]), 's1');
	t.equal(read([1, 128]), 's1');
	t.throws(() => read([5, 128, 2, 0x73, 0x31]), PROTOCOL, 'longer than the message');
	t.throws(() => read([3, 1, 2, 0x73]), PROTOCOL, 'a string longer than its value');
	const tooLong = slowVarint(BigInt(MAX_SERVER_KEY_BYTES + 1));
	const text = new Array<number>(MAX_SERVER_KEY_BYTES + 1).fill(0x73);
	t.equal(read([...slowVarint(BigInt(1 + tooLong.length + text.length)), 7, ...tooLong, ...text]), undefined);
	t.equal(read([1, 7]), undefined, 'what is too long to keep is not kept');
});

t.test('a server_key that may not be sent leaves as no value', async (t) => {
	const columns = columnsOf([{ typeId: 19 }]);
	const record = new EntryRecord(columns);
	record.reserveKey(4);
	record.serverKey = 'x'.repeat(16000);
	const writer = new MessageWriter();
	writer.update(0x80, 'ip', columns, record, new TransmitDictionary());
	t.equal(writer.take().toString('hex'), '0a8009000000000000000000');
});

t.test('truncated updates, at every length', async (t) => {
	const columns = columnsOf([{ typeId: 2 }, { typeId: 10 }, { typeId: 13 }]);
	const plan = new UpdatePlan(columns, columns, 'ip', 4, false);
	const record = new EntryRecord(columns);
	const body = Uint8Array.from([
		0,
		0,
		0,
		1,
		0,
		0,
		0,
		9,
		1,
		1,
		1,
		1,
		5,
		...slowVarint(1000n),
		2,
		3,
		...slowVarint(2n ** 40n),
	]);
	const read = (end: number): void => plan.decode(0x85, body, 0, end, 0, new ReceiveDictionary(), record);
	read(body.length);
	t.strictSame([...record.words], [5, 1000, 2, 3, 0, 256]);
	for (let end = 0; end < body.length; end++) t.throws(() => read(end), PROTOCOL, `${end} bytes`);
});

t.test('a string key ends at its first NUL and at the local length', async (t) => {
	const columns = columnsOf([]);
	const plan = new UpdatePlan(columns, columns, 'string', 4, false);
	const record = new EntryRecord(columns);
	const read = (key: string): string => {
		const body = Buffer.from(`\0\0\0\x01${String.fromCharCode(key.length)}${key}`, 'latin1');
		plan.decode(0x80, body, 0, body.length, 0, new ReceiveDictionary(), record);
		return record.keyBytes().toString('latin1');
	};
	t.equal(read('AB\0C'), 'AB');
	t.equal(read('\0ABC'), '');
	t.equal(read(''), '');
	t.equal(read('ABCDEFG'), 'ABCD');
});

t.test('columns of two tables laid over each other', async (t) => {
	// conn_cur is never learned, unknown columns are dropped, arrays share their first elements.
	const sent = columnsOf([{ typeId: 2 }, { typeId: 6 }, { typeId: 22, count: 3 }]);
	const local = columnsOf([{ typeId: 6 }, { typeId: 10 }, { typeId: 22, count: 2 }]);
	const record = new EntryRecord(local);
	const body = Uint8Array.from([0, 0, 0, 1, 1, 1, 1, 1, 11, 12, 21, 22, 23]);
	const plan = new UpdatePlan(sent, local, 'ip', 4, false);
	plan.decode(0x80, body, 0, body.length, 0, new ReceiveDictionary(), record);
	t.strictSame([...record.elementCounts], [0, 0, 2]);
	t.strictSame([...record.words], [0, 0, 0, 0, 21, 22]);
	const recvOnly = new UpdatePlan(sent, local, 'ip', 4, true);
	recvOnly.decode(0x80, body, 0, body.length, 0, new ReceiveDictionary(), record);
	t.strictSame([...record.elementCounts], [1, 0, 2], 'a recv-only table learns conn_cur');
	t.equal(record.words[0], 12);
});
