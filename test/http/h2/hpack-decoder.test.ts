import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { HpackDecoder, type HpackLimits, HpackStatus } from '../../../lib/http/h2/hpack-decoder.js';
import { Flag, FrameClient, Type } from '../../fixtures/h2-frames.js';
import { type Field, Fields, type Form, hex, integer, SlowEncoder, string } from '../../fixtures/hpack.js';
import { waitFor } from '../../fixtures/wait-for.js';

const LIMITS: HpackLimits = { headSizeMax: 1 << 20, headerCountMax: 10_000 };
const newDecoder = (maxTableBytes = 4096, limits = LIMITS): HpackDecoder => new HpackDecoder(maxTableBytes, limits);

interface Read {
	readonly status: number;
	readonly fields: readonly Field[];
}

function read(decoder: HpackDecoder, block: Buffer): Read {
	const fields = new Fields();
	// Somewhere in a buffer: what is beside a block is none of its business.
	const bytes = Buffer.concat([hex('0000'), block, hex('8282')]);
	const status = decoder.decode(bytes, 2, 2 + block.length, fields);
	return { status, fields: fields.list };
}

const BAD = HpackStatus.COMPRESSION_ERROR;
const isBroken = (block: Buffer | string, decoder = newDecoder()): boolean =>
	read(decoder, typeof block === 'string' ? hex(block) : block).status === BAD;

const FIRST: readonly Field[] = [
	[':method', 'GET'],
	[':scheme', 'http'],
	[':path', '/'],
	[':authority', 'www.example.com'],
];
const THIRD: readonly Field[] = [
	[':method', 'GET'],
	[':scheme', 'https'],
	[':path', '/index.html'],
	[':authority', 'www.example.com'],
	['custom-key', 'custom-value'],
];
const REQUESTS: readonly (readonly [readonly Field[], number])[] = [
	[FIRST, 57],
	[[...FIRST, ['cache-control', 'no-cache']], 110],
	[THIRD, 164],
];
const response = (status: string, date: string, ...more: Field[]): readonly Field[] => [
	[':status', status],
	['cache-control', 'private'],
	['date', date],
	['location', 'https://www.example.com'],
	...more,
];
const RESPONSES: readonly (readonly [readonly Field[], number])[] = [
	[response('302', 'Mon, 21 Oct 2013 20:13:21 GMT'), 222],
	[response('307', 'Mon, 21 Oct 2013 20:13:21 GMT'), 222],
	[
		response(
			'200',
			'Mon, 21 Oct 2013 20:13:22 GMT',
			['content-encoding', 'gzip'],
			['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
		),
		215,
	],
];

interface Example {
	readonly section: string;
	readonly maxTableBytes: number;
	readonly blocks: readonly string[];
	readonly results: readonly (readonly [readonly Field[], number])[];
}

/** Blocks of RFC 7541, appendix C, with the fields and the size of the table after each. */
const EXAMPLES: readonly Example[] = [
	{
		section: 'C.2.1',
		maxTableBytes: 4096,
		blocks: ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'],
		results: [[[['custom-key', 'custom-header']], 55]],
	},
	{
		section: 'C.2.2',
		maxTableBytes: 4096,
		blocks: ['040c 2f73 616d 706c 652f 7061 7468'],
		results: [[[[':path', '/sample/path']], 0]],
	},
	{
		section: 'C.2.3',
		maxTableBytes: 4096,
		blocks: ['1008 7061 7373 776f 7264 0673 6563 7265 74'],
		results: [[[['password', 'secret']], 0]],
	},
	{ section: 'C.2.4', maxTableBytes: 4096, blocks: ['82'], results: [[[[':method', 'GET']], 0]] },
	{
		section: 'C.3',
		maxTableBytes: 4096,
		blocks: [
			'8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
			'8286 84be 5808 6e6f 2d63 6163 6865',
			'8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
		],
		results: REQUESTS,
	},
	{
		section: 'C.4',
		maxTableBytes: 4096,
		blocks: [
			'8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
			'8286 84be 5886 a8eb 1064 9cbf',
			'8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
		],
		results: REQUESTS,
	},
	{
		section: 'C.5',
		maxTableBytes: 256,
		blocks: [
			`4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
			546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
			'4803 3330 37c1 c0bf',
			`88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
			6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
			2076 6572 7369 6f6e 3d31`,
		],
		results: RESPONSES,
	},
	{
		section: 'C.6',
		maxTableBytes: 256,
		blocks: [
			`4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
			8f0b 97c8 e9ae 82ae 43d3`,
			'4883 640e ffc1 c0bf',
			`88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
			dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
		],
		results: RESPONSES,
	},
];

t.test('the examples of appendix C', async (t) => {
	for (const { section, maxTableBytes, blocks, results } of EXAMPLES) {
		const decoder = newDecoder(maxTableBytes);
		for (const [i, block] of blocks.entries()) {
			const [fields, tableSizeBytes] = results[i] as readonly [readonly Field[], number];
			t.same(read(decoder, hex(block)), { status: HpackStatus.OK, fields }, `${section}, block ${i + 1}`);
			t.equal(decoder.tableSizeBytes, tableSizeBytes, 'size of the table');
		}
	}
});

t.test('integers (section 5.1 and appendix C.1)', async (t) => {
	// Of 1337, as a size of the table.
	t.equal(read(newDecoder(), hex('3f9a0a')).status, HpackStatus.OK);
	t.ok(isBroken('3f9a0a', newDecoder(1336)));
	t.equal(read(newDecoder(1337), hex('3f9a0a')).status, HpackStatus.OK);
	t.ok(isBroken('3f9a'), 'cut short');
	t.ok(isBroken('3f'), 'cut shorter');
	t.ok(isBroken('ff'), 'an index');
	t.equal(read(newDecoder(), hex('3f80808000')).status, HpackStatus.OK, 'zeros in front');
	t.ok(isBroken('3f8080808000'), 'too many of them');
	t.ok(isBroken('3fffffffffff0f'));
	t.ok(isBroken('7fffffffff7f'));
	t.ok(isBroken('007fffffffff0f'), 'a length');
});

t.test('indexes beyond the tables, and 0', async (t) => {
	t.ok(isBroken('80'), '0');
	t.ok(isBroken('be'), '62, of an empty table');
	t.ok(isBroken('7e0161'), 'a name');
	t.ok(isBroken('0f2f0161'), 'a name, without indexing');
	const decoder = newDecoder();
	read(decoder, hex('4001610162'));
	t.same(read(decoder, hex('be')).fields, [['a', 'b']]);
	t.ok(isBroken('bf', decoder));
});

t.test('strings that go beyond the block, or are badly coded', async (t) => {
	for (const block of ['40', '4001', '400161', '40016102', '4001610262', '0003616200', '00016182f1', '0001618100']) {
		t.ok(isBroken(block), block);
	}
	t.same(
		read(newDecoder(), hex('00000000 0000')).fields,
		[
			['', ''],
			['', ''],
		],
		'empty ones are strings',
	);
});

t.test('sizes of the table (section 4.2)', async (t) => {
	t.ok(isBroken('8220'), 'after a field');
	t.ok(isBroken('4001610162 20'));
	t.ok(isBroken(integer(4097, 5, 0x20)), 'more than is allowed');
	t.same(read(newDecoder(), Buffer.concat([hex('20'), integer(4096, 5, 0x20), hex('82')])).fields, [
		[':method', 'GET'],
	]);
	const decoder = newDecoder();
	read(decoder, hex('4001610162 4001630164'));
	t.equal(decoder.tableCount, 2);
	read(decoder, Buffer.concat([integer(34, 5, 0x20), hex('82')]));
	t.equal(decoder.tableCount, 1, 'the older one is gone');
	t.same(read(decoder, hex('be')).fields, [['c', 'd']]);
	read(decoder, Buffer.concat([hex('20'), integer(100, 5, 0x20), hex('82')]));
	t.equal(decoder.tableCount, 0);
});

t.test('a setting of ours that was reduced must be followed (RFC 9113, section 4.3.1)', async (t) => {
	const reduced = (): HpackDecoder => {
		const decoder = newDecoder();
		read(decoder, hex('4001610162'));
		decoder.setMaxTableBytes(100);
		return decoder;
	};
	t.ok(isBroken('82', reduced()), 'not a word of it');
	t.ok(isBroken(integer(101, 5, 0x20), reduced()), 'too little');
	const decoder = reduced();
	t.equal(read(decoder, Buffer.concat([integer(100, 5, 0x20), hex('be')])).status, HpackStatus.OK);
	t.equal(read(decoder, hex('be')).status, HpackStatus.OK, 'once is enough');
	decoder.setMaxTableBytes(200);
	t.equal(read(decoder, hex('be')).status, HpackStatus.OK, 'a larger one may be left alone');
	decoder.setMaxTableBytes(150);
	t.equal(read(decoder, hex('be')).status, HpackStatus.OK, 'and so one that is still larger than the table');
});

t.test('what is too large is read to its end', async (t) => {
	const decoder = newDecoder(4096, { headSizeMax: 60, headerCountMax: 3 });
	const many = read(decoder, Buffer.concat([hex('8282828282'), hex('4001610162'), hex('82')]));
	t.equal(many.status, HpackStatus.TOO_LARGE);
	t.equal(many.fields.length, 3);
	t.same(read(decoder, hex('be')), { status: HpackStatus.OK, fields: [['a', 'b']] }, 'the table has gone on');
	const large = Buffer.concat([hex('000161'), string('x'.repeat(100), true), hex('4001630164')]);
	t.equal(read(decoder, large).status, HpackStatus.TOO_LARGE);
	t.same(read(decoder, hex('be')).fields, [['c', 'd']]);
	t.equal(read(decoder, Buffer.concat([large, hex('80')])).status, BAD, 'what is broken behind it is found');
	const exact: Field = ['abc', 'x'.repeat(53)];
	const form: Form = { literal: 1, usesIndex: false, usesNameIndex: false, codesName: false, codesValue: false };
	t.equal(
		read(decoder, new SlowEncoder().field(exact, form)).status,
		HpackStatus.OK,
		'name, colon, space, value, CR, LF',
	);
	t.equal(read(decoder, new SlowEncoder().field([`${exact[0]}d`, exact[1]], form)).status, HpackStatus.TOO_LARGE);
});

t.test('a bomb: 64 kB of indexes of 4 kB each', async (t) => {
	const decoder = newDecoder(4096, { headSizeMax: 16_384, headerCountMax: 101 });
	const bomb = Buffer.concat([hex('400161'), string('x'.repeat(4000)), Buffer.alloc(65_536, 0xbe)]);
	const { status, fields } = read(decoder, bomb);
	t.equal(status, HpackStatus.TOO_LARGE);
	t.ok(fields.length <= 4, `${fields.length} fields`);
	const [first, second] = fields as [Field, Field];
	t.equal(first[1].length, 4000);
	t.equal(second[1], first[1]);
	t.ok(decoder.tableSizeBytes <= 4096);
	// Entries of nothing: the table is bounded by what they count.
	read(decoder, Buffer.concat(Array.from({ length: 5000 }, () => hex('400000'))));
	t.equal(decoder.tableCount, 128);
});

const text = (maxLength: number): fc.Arbitrary<string> =>
	fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const fieldArbitrary: fc.Arbitrary<Field> = fc.oneof(
	fc.constantFrom<Field>(
		[':method', 'GET'],
		[':method', 'PUT'],
		['cookie', 'a=b'],
		['accept-encoding', 'gzip, deflate'],
		['x', 'y'],
		['x', 'z'],
	),
	fc.tuple(text(40), text(200)),
);
const formArbitrary: fc.Arbitrary<Form> = fc.record({
	literal: fc.constantFrom(0, 0, 1, 2),
	usesIndex: fc.boolean(),
	usesNameIndex: fc.boolean(),
	codesName: fc.boolean(),
	codesValue: fc.boolean(),
});
const blockArbitrary = fc.record({
	sizes: fc.array(fc.nat(4096), { maxLength: 2 }),
	fields: fc.array(fc.tuple(fieldArbitrary, formArbitrary), { maxLength: 30 }),
});

t.test('reads whatever form a slow and obvious encoder chooses', async (t) => {
	fc.assert(
		fc.property(fc.array(blockArbitrary, { maxLength: 20 }), (blocks) => {
			const encoder = new SlowEncoder();
			const decoder = newDecoder();
			for (const { sizes, fields } of blocks) {
				const pieces = sizes.map((size) => encoder.resize(size));
				for (const [field, form] of fields) pieces.push(encoder.field(field, form));
				const result = read(decoder, Buffer.concat(pieces));
				t.equal(result.status, HpackStatus.OK);
				t.same(
					result.fields,
					fields.map(([field]) => field),
				);
				if (decoder.tableSizeBytes !== encoder.sizeBytes || decoder.tableCount !== encoder.table.length) return false;
			}
			return true;
		}),
		{ numRuns: 60 },
	);
});

t.test('blocks that were damaged are refused or read, and cost nothing else', async () => {
	const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
	fc.assert(
		fc.property(blockArbitrary, damage, fc.nat(), ({ sizes, fields }, changes, cut) => {
			const encoder = new SlowEncoder();
			const pieces = sizes.map((size) => encoder.resize(size));
			for (const [field, form] of fields) pieces.push(encoder.field(field, form));
			let block = Buffer.concat(pieces);
			if (block.length === 0) return true;
			for (const [at, byte] of changes) block[at % block.length] = byte;
			if (cut % 3 === 0) block = block.subarray(0, cut % (block.length + 1));
			const decoder = newDecoder(4096, { headSizeMax: 2000, headerCountMax: 20 });
			const result = read(decoder, block);
			return (
				Object.values(HpackStatus).includes(result.status as HpackStatus) &&
				result.fields.length <= 20 &&
				decoder.tableSizeBytes <= 4096
			);
		}),
		{ numRuns: 2000 },
	);
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) =>
			Object.values(HpackStatus).includes(read(newDecoder(), Buffer.from(bytes)).status as HpackStatus),
		),
		{ numRuns: 2000 },
	);
});

t.test('reads what nghttp2 writes', async (t) => {
	const decoder = newDecoder();
	const seen: (readonly Field[])[] = [];
	const statuses: number[] = [];
	const server = net.createServer((socket) => {
		const frames = new FrameClient(socket);
		socket.once('data', (bytes: Buffer) => {
			// The preface is longer than a frame's head, and no frame.
			frames.frames.length = 0;
			socket.removeAllListeners('data');
			let rest = bytes.subarray(24);
			const settings = Buffer.from([0, 0, 0, Type.SETTINGS, 0, 0, 0, 0, 0]);
			socket.write(settings);
			const take = (): void => {
				while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
					const end = 9 + rest.readUIntBE(0, 3);
					if (rest[3] === Type.HEADERS) {
						// Node puts a priority in front.
						const hasPriority = ((rest[4] as number) & Flag.PRIORITY) !== 0;
						const result = read(decoder, rest.subarray(9 + (hasPriority ? 5 : 0), end));
						statuses.push(result.status);
						seen.push(result.fields);
					}
					rest = rest.subarray(end);
				}
			};
			take();
			socket.on('data', (more: Buffer) => {
				rest = Buffer.concat([rest, more]);
				take();
			});
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
	session.on('error', () => undefined);
	t.teardown(() => {
		session.destroy();
		server.close();
	});
	// Every byte that may stand in a value; Huffman coding where it is shorter.
	const all = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte >= 32 && byte !== 127);
	const sent: Record<string, string>[] = [];
	for (let i = 0; i < 150; i++) {
		const byte = String.fromCharCode(all[i % all.length] as number);
		const other = String.fromCharCode(all[(i * 7) % all.length] as number);
		sent.push({
			':path': `/${i}`,
			'x-bytes': `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa${byte}${other}e`,
			[`x-name-${i % 20}`]: `value ${i % 7}`,
			authorization: 'secret',
			cookie: 'x'.repeat(i),
		});
	}
	for (const fields of sent) session.request(fields).on('error', () => undefined);
	await waitFor('all heads', () => seen.length === sent.length);
	t.ok(statuses.every((status) => status === HpackStatus.OK));
	for (const [i, fields] of sent.entries()) {
		const pairs = new Map(seen[i] as readonly Field[]);
		for (const [name, value] of Object.entries(fields)) {
			if (pairs.get(name) !== value) t.equal(pairs.get(name), value, `request ${i}: ${name}`);
		}
	}
});
