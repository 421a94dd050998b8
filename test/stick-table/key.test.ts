import t from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import type { SampleValue } from '../../lib/sample/types.js';
import { type KeyType, keyCodec, parseKeyText } from '../../lib/stick-table/key.js';

const ip = (text: string): IpAddress => {
	const address = IpAddress.parse(text);
	if (address === undefined) throw new Error(text);
	return address;
};

/** The key that comes out of a table, as text; undefined when the sample is no key. */
function keyOf(keyType: KeyType, value: SampleValue, keyLengthBytes = 32): string | undefined {
	const codec = keyCodec({ keyType, keyLengthBytes });
	const words = new Int32Array(codec.words + 2).fill(-1);
	if (!codec.encode(value, words, 1)) return undefined;
	if (words[0] !== -1 || words.at(-1) !== -1) throw new Error('written outside');
	const key = codec.decode(words, 1);
	return Buffer.isBuffer(key) ? key.toString('hex') : String(key);
}

t.test('conversions of section 2', async (t) => {
	const cases: readonly (readonly [KeyType, SampleValue, string | undefined, number?])[] = [
		['ip', ip('10.0.0.3'), '10.0.0.3'],
		['ip', ip('255.255.255.255'), '255.255.255.255'],
		['ip', ip('::ffff:10.1.2.3'), '10.1.2.3'],
		['ip', ip('::10.1.2.3'), '10.1.2.3'],
		['ip', ip('2002:0a01:0203::'), '10.1.2.3'],
		['ip', ip('2001:db8::1'), undefined],
		['ip', '192.0.2.1', '192.0.2.1'],
		['ip', 'not an address', undefined],
		['ip', 0x0a000001, '10.0.0.1'],
		['ip', -1, '255.255.255.255'],
		['ip', 2n ** 32n + 5n, '0.0.0.5'],
		['ip', true, undefined],
		['ip', Buffer.from([1, 2, 3, 4]), undefined],
		['ipv6', ip('192.0.2.33'), '::ffff:192.0.2.33'],
		['ipv6', ip('2001:db8::1'), '2001:db8::1'],
		['ipv6', ip('ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe'), 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe'],
		['ipv6', '::1', '::1'],
		['integer', -1, '4294967295'],
		['integer', 4294967296, '0'],
		['integer', 2 ** 53, '0'],
		['integer', -(2 ** 33) - 2, '4294967294'],
		['integer', 2n ** 63n - 1n, '4294967295'],
		['integer', true, '1'],
		['integer', '42', '42'],
		['integer', '-1', '4294967295'],
		['integer', '9223372036854775807', '4294967295'],
		['integer', 'abc', '0'],
		['integer', '12abc', '12'],
		['integer', '', undefined],
		['integer', ip('0.0.1.0'), '256'],
		['integer', ip('::1'), undefined],
		['string', 'abcdefgh', 'abcd', 4],
		['string', 'abc', 'abc', 4],
		['string', 'abcde', 'abcde', 5],
		['string', '', ''],
		['string', 'AB\0CD', 'AB'],
		['string', '\0', ''],
		['string', '\xff\x80x', '\xff\x80x'],
		['string', 12, '12'],
		['string', -5n, '-5'],
		['string', false, '0'],
		['string', ip('10.0.0.1'), '10.0.0.1'],
		['string', Buffer.from([0xab, 1]), '\xab\x01'],
		['string', Buffer.from([10, 0, 0, 1]), '\n'],
		['string', true, '1'],
		['binary', 'ab', '61620000', 4],
		['binary', 'abcdefgh', '6162636465', 5],
		['binary', 'a\0b', '610062', 3],
		['binary', Buffer.from([0, 255]), '00ff', 2],
		['binary', ip('10.0.0.1'), '0a000001', 4],
		['binary', 258, '0000000000000102', 8],
		['binary', -1, 'ffffffffffffffff', 8],
		['binary', true, '0000000000000001', 8],
		['binary', ip('2001:db8::1'), '20010db800000000', 8],
		['ip', '::ffff:10.0.0.2', undefined],
		['ipv6', '10.0.0.1', undefined],
		['ipv6', '::ffff:10.0.0.2', '::ffff:10.0.0.2'],
		['ipv6', 258, '::ffff:0.0.1.2'],
		['ipv6', -1, '::ffff:255.255.255.255'],
		['integer', '10.0.0.1', '10'],
		['integer', '2001:db8::2', '2001'],
	];
	for (const [keyType, value, expected, length] of cases) {
		t.equal(keyOf(keyType, value, length), expected, `${keyType} of ${typeof value} ${String(value)}`);
	}
});

t.test('every string key is what it was, cut at its length and at a NUL', async (t) => {
	for (const text of ['__proto__', 'constructor', 'hasOwnProperty', 'a b=c\\d"e', '\x01\x7f\xfe']) {
		t.equal(keyOf('string', text), text);
	}
	t.equal(keyOf('string', 'x'.repeat(16_384), 16_384)?.length, 16_384);
});

t.test('bytes of a key, as peers send them', async (t) => {
	const cases: readonly (readonly [KeyType, SampleValue, string, number?])[] = [
		['ip', ip('10.0.0.3'), '0a000003'],
		['ipv6', ip('192.0.2.33'), '00000000000000000000ffffc0000221'],
		['integer', 0x01020304, '01020304'],
		['string', 'abc', '616263', 5],
		['string', 'abcdefg', '6162636465', 5],
		['binary', 'ab', '61620000', 4],
	];
	for (const [keyType, value, hex, keyLengthBytes = 32] of cases) {
		const codec = keyCodec({ keyType, keyLengthBytes });
		const words = new Int32Array(codec.words);
		codec.encode(value, words, 0);
		const bytes = new Uint8Array(32);
		const length = codec.decodeBytes(words, 0, bytes);
		t.equal(Buffer.from(bytes.subarray(0, length)).toString('hex'), hex);
		const back = new Int32Array(codec.words).fill(-1);
		t.ok(codec.encodeBytes(bytes, length, back, 0));
		t.same(back, words, `${keyType} and back`);
	}
	t.notOk(keyCodec({ keyType: 'ip', keyLengthBytes: 4 }).encodeBytes(new Uint8Array(5), 5, new Int32Array(2), 0));
	const codec = keyCodec({ keyType: 'string', keyLengthBytes: 8 });
	const words = new Int32Array(2).fill(-1);
	t.ok(codec.encodeBytes(Buffer.from('AB\0CD'), 5, words, 0));
	t.equal(codec.decode(words, 0), 'AB', 'a NUL from a peer ends the key as one from a URL does');
});

t.test('key texts of the runtime API', async (t) => {
	const text = (keyType: KeyType, words: string): string | undefined => {
		const value = parseKeyText(keyType, words);
		return value === undefined ? undefined : keyOf(keyType, value, 4);
	};
	t.equal(text('ip', '::ffff:10.0.0.3'), '10.0.0.3');
	t.equal(text('ip', 'x'), undefined);
	t.equal(text('ipv6', '10.0.0.1'), '::ffff:10.0.0.1');
	t.equal(text('integer', '-1'), '4294967295');
	t.equal(text('integer', 'abc'), '0');
	t.equal(text('string', 'abcdef'), 'abcd');
	t.equal(text('binary', '00'), undefined);
});
