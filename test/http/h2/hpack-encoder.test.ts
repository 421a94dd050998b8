import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { HpackDecoder, HpackStatus } from '../../../lib/http/h2/hpack-decoder.js';
import { HpackEncoder } from '../../../lib/http/h2/hpack-encoder.js';
import { Flag, frame, PREFACE, Type } from '../../fixtures/h2-frames.js';
import { type Field, Fields, hex, integer } from '../../fixtures/hpack.js';
import { waitFor } from '../../fixtures/wait-for.js';

const LIMITS = { headSizeMax: 1 << 24, headerCountMax: 100_000 };

function write(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
	encoder.begin();
	for (const [name, value] of fields) encoder.field(name, value);
	const block = Buffer.from(encoder.take());
	if (!block.equals(encoder.bytes.subarray(0, encoder.length))) throw new Error('two ways to the block');
	return block;
}

function readBack(t: Test, decoder: HpackDecoder, block: Buffer, fields: readonly Field[]): void {
	const sink = new Fields();
	const status = decoder.decode(block, 0, block.length, sink);
	if (status !== HpackStatus.OK) t.equal(status, HpackStatus.OK);
	if (JSON.stringify(sink.list) !== JSON.stringify(fields)) t.same(sink.list, fields);
}

t.test('what every table has is one byte', async (t) => {
	const encoder = new HpackEncoder();
	const fields: Field[] = [
		[':method', 'GET'],
		[':scheme', 'https'],
		[':path', '/'],
		['accept-encoding', 'gzip, deflate'],
	];
	t.same(write(encoder, fields), hex('82878490'));
	t.same(
		write(encoder, [
			[':status', '200'],
			[':status', '500'],
			[':method', 'POST'],
		]),
		hex('888e83'),
	);
	t.equal(encoder.tableCount, 0);
});

t.test('the second time, a field is one byte', async (t) => {
	const encoder = new HpackEncoder();
	const fields: Field[] = [
		[':authority', 'www.example.com'],
		['x-of-ours', 'some value'],
		['user-agent', 'x'.repeat(100)],
	];
	const decoder = new HpackDecoder(4096, LIMITS);
	const first = write(encoder, fields);
	t.same(first.subarray(0, 17), hex('410f 7777 772e 6578 616d 706c 652e 636f 6d'), 'as in C.3.1');
	readBack(t, decoder, first, fields);
	const second = write(encoder, fields);
	t.same(second, hex('c0bfbe'));
	readBack(t, decoder, second, fields);
	t.same(write(encoder, [['x-of-ours', 'other']]).subarray(0, 1), hex('7f'), 'a new value of a name that is known');
});

t.test('values that never repeat stop going into the table, and begin again when they do', async (t) => {
	const encoder = new HpackEncoder();
	const decoder = new HpackDecoder(4096, LIMITS);
	const send = (value: string): Buffer => {
		const block = write(encoder, [['x-request-id', value]]);
		readBack(t, decoder, block, [['x-request-id', value]]);
		return block;
	};
	for (let i = 0; i < 50; i++) send(`id-${i}`);
	t.ok(encoder.tableCount <= 4, `${encoder.tableCount} entries`);
	send('same');
	t.ok(send('same').length > 1, 'is learned now');
	t.equal(send('same').length, 1);
});

t.test('many values of one name', async (t) => {
	const encoder = new HpackEncoder();
	const decoder = new HpackDecoder(4096, LIMITS);
	for (let round = 0; round < 20; round++) {
		for (let i = 0; i < 12; i++) {
			for (let twice = 0; twice < 3; twice++) {
				const fields: Field[] = [['x-many', `value ${i}`]];
				readBack(t, decoder, write(encoder, fields), fields);
			}
		}
	}
	t.ok(encoder.tableSizeBytes <= 4096);
	t.equal(write(encoder, [['x-many', 'value 11']]).length, 1);
});

t.test('secrets are never indexed, by nobody (sections 6.2.3 and 7.1.3)', async (t) => {
	const encoder = new HpackEncoder();
	for (let i = 0; i < 3; i++) {
		t.same(
			write(encoder, [
				['authorization', 'a'],
				['proxy-authorization', 'b'],
				['cookie', 'c=d'],
			]),
			hex('1f080161 1f220162 1f1103633d64'),
		);
	}
	t.equal(encoder.tableCount, 0);
	const long: Field[] = [['cookie', 'session=0123456789abcdef']];
	write(encoder, long);
	t.equal(write(encoder, long).length, 1, 'one that cannot be guessed');
});

t.test('what is large, or known to be different each time, stays out of the table', async (t) => {
	const encoder = new HpackEncoder();
	const fields: Field[] = [
		['x-large', 'x'.repeat(1000)],
		['etag', '"abc"'],
		[':path', '/a/b'],
		['content-length', '77'],
		['set-cookie', 'a=b'],
	];
	const first = write(encoder, fields);
	t.same(write(encoder, fields), first);
	t.equal(encoder.tableCount, 0);
	readBack(t, new HpackDecoder(4096, LIMITS), first, fields);
});

t.test('the peer says how large the table may be (section 4.2)', async (t) => {
	const encoder = new HpackEncoder();
	const field: Field[] = [['a', 'b']];
	write(encoder, field);
	t.equal(encoder.tableCount, 1);
	encoder.setMaxTableBytes(0);
	t.equal(encoder.tableCount, 0);
	t.same(write(encoder, field), hex('20 00016101 62'), 'told first, and obeyed');
	t.same(write(encoder, field), hex('00016101 62'), 'told once');
	encoder.setMaxTableBytes(100);
	encoder.setMaxTableBytes(50);
	encoder.setMaxTableBytes(200);
	const block = write(encoder, [[':method', 'GET']]);
	t.same(block, Buffer.concat([integer(50, 5, 0x20), integer(200, 5, 0x20), hex('82')]), 'the smallest, then the last');
	encoder.setMaxTableBytes(65_536);
	t.same(
		write(encoder, [[':method', 'GET']]),
		Buffer.concat([integer(4096, 5, 0x20), hex('82')]),
		'not more than we want',
	);
	t.same(write(new HpackEncoder(0), [['a', 'b']]), hex('20 00016101 62'), 'none at all');
});

t.test('a block longer than the memory for it', async (t) => {
	const encoder = new HpackEncoder();
	const fields: Field[] = Array.from({ length: 100 }, (_, i) => [`name-${i}`, 'v'.repeat(i * 50)] as const);
	readBack(t, new HpackDecoder(4096, LIMITS), write(encoder, fields), fields);
});

t.test('names without end are forgotten', async (t) => {
	const encoder = new HpackEncoder();
	const decoder = new HpackDecoder(4096, LIMITS);
	for (let i = 0; i < 3000; i++) {
		const fields: Field[] = [[`x-${i}`, 'y']];
		readBack(t, decoder, write(encoder, fields), fields);
	}
	t.equal(encoder.tableCount, decoder.tableCount);
});

const text = (maxLength: number): fc.Arbitrary<string> =>
	fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const fieldArbitrary: fc.Arbitrary<Field> = fc.oneof(
	{
		weight: 8,
		arbitrary: fc.tuple(
			fc.constantFrom(':method', ':path', ':status', 'cookie', 'x-a', 'x-b', 'etag', 'authorization', 'date'),
			fc.constantFrom('GET', '/', '200', 'a', 'b', 'c', 'd', 'e', 'f', 'x'.repeat(300), 'y'.repeat(2000)),
		),
	},
	{ weight: 1, arbitrary: fc.tuple(text(200), text(300)) },
);
const blocksArbitrary = fc.array(
	fc.record({ sizes: fc.array(fc.nat(6000), { maxLength: 3 }), fields: fc.array(fieldArbitrary, { maxLength: 30 }) }),
	{ maxLength: 40 },
);

t.test('our decoder reads what it writes, and has the same table', async (t) => {
	fc.assert(
		fc.property(blocksArbitrary, fc.constantFrom(0, 100, 1000, 4096, 10_000), (blocks, capBytes) => {
			const encoder = new HpackEncoder(capBytes);
			const decoder = new HpackDecoder(4096, LIMITS);
			for (const { sizes, fields } of blocks) {
				for (const size of sizes) {
					encoder.setMaxTableBytes(size);
					decoder.setMaxTableBytes(size);
				}
				readBack(t, decoder, write(encoder, fields), fields);
				if (decoder.tableCount !== encoder.tableCount) return false;
				if (decoder.tableSizeBytes !== encoder.tableSizeBytes) return false;
			}
			return true;
		}),
		{ numRuns: 200 },
	);
});

t.test('nghttp2 reads what it writes', async (t) => {
	const server = http2.createServer({ maxHeaderListPairs: 1000, settings: { headerTableSize: 700 } });
	const seen = new Map<string, readonly string[]>();
	server.on('stream', (stream, headers, _flags, raw?: unknown) => {
		stream.on('error', () => undefined);
		seen.set(String(headers[':path']), raw as readonly string[]);
		stream.respond({ ':status': 204 }, { endStream: true });
	});
	const errors: unknown[] = [];
	server.on('sessionError', (error) => errors.push(error));
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
	socket.on('error', () => undefined);
	socket.resume();
	t.teardown(() => {
		socket.destroy();
		server.close();
	});
	socket.write(PREFACE);
	socket.write(frame(Type.SETTINGS, 0, 0));
	socket.write(frame(Type.SETTINGS, Flag.ACK, 0));
	const encoder = new HpackEncoder();
	encoder.setMaxTableBytes(700);
	const count = 200;
	const sent: Field[][] = [];
	for (let i = 0; i < count; i++) {
		const fields: Field[] = [
			[':method', 'GET'],
			[':scheme', 'http'],
			[':authority', 'example'],
			[':path', `/${i}`],
			['x-same', 'the same each time'],
			['x-some', `value ${i % 5}`],
			['x-new', `\u0080\u00ff ${i}`],
			[`x-name-${i % 9}`, 'x'],
			['x-long', 'l'.repeat(i)],
		];
		sent.push(fields);
		socket.write(frame(Type.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 2 * i + 1, write(encoder, fields)));
	}
	await waitFor('all heads', () => seen.size === count || errors.length > 0);
	t.same(errors, []);
	for (const [i, fields] of sent.entries()) {
		const raw = seen.get(`/${i}`) as readonly string[];
		if (raw.join('\n') !== fields.flat().join('\n')) t.same(raw, fields.flat(), `request ${i}`);
	}
	t.ok(encoder.tableCount > 0, 'with the help of the table');
});
