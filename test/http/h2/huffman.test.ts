import fc from 'fast-check';
import t from 'tap';
import { decodeHuffman, HUFFMAN_CODE_BITS, huffmanCodes } from '../../../lib/http/h2/huffman.js';
import { bitsOf, bytesOfBits, encodeHuffman, hex } from '../../fixtures/hpack.js';

const EOS = 256;
const decode = (bytes: Buffer): string | undefined => decodeHuffman(bytes, 0, bytes.length);

t.test('the code is the one of appendix B', async (t) => {
	const codes = huffmanCodes();
	let leaves = 0n;
	for (const bits of HUFFMAN_CODE_BITS) leaves += 1n << (30n - BigInt(bits));
	t.equal(leaves, 1n << 30n, 'complete: every string of bits is a beginning of something');
	for (const [symbol, bits, code] of [
		[0, 13, 0x1ff8],
		[1, 23, 0x7fffd8],
		[9, 24, 0xffffea],
		[10, 30, 0x3ffffffc],
		[13, 30, 0x3ffffffd],
		[22, 30, 0x3ffffffe],
		[32, 6, 0x14],
		[48, 5, 0x0],
		[97, 5, 0x3],
		[113, 7, 0x76],
		[92, 19, 0x7fff0],
		[127, 28, 0xffffffc],
		[199, 25, 0x1ffffec],
		[249, 28, 0xffffffe],
		[255, 26, 0x3ffffee],
		[EOS, 30, 0x3fffffff],
	] as const) {
		t.equal(HUFFMAN_CODE_BITS[symbol], bits, `bits of ${symbol}`);
		t.equal(codes[symbol], code, `code of ${symbol}`);
	}
});

t.test('strings of appendix C', async (t) => {
	for (const [text, bytes] of [
		['www.example.com', 'f1e3 c2e5 f23a 6ba0 ab90 f4ff'],
		['no-cache', 'a8eb 1064 9cbf'],
		['custom-key', '25a8 49e9 5ba9 7d7f'],
		['302', '6402'],
		['Mon, 21 Oct 2013 20:13:21 GMT', 'd07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff'],
		[
			'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
			'94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
		],
	] as const) {
		t.equal(decode(hex(bytes)), text);
		t.same(encodeHuffman(text), hex(bytes), 'and the test has the same code');
	}
});

t.test('every byte, and every string', async (t) => {
	for (let byte = 0; byte < 256; byte++) {
		const text = String.fromCharCode(byte);
		t.equal(decode(encodeHuffman(text.repeat(7))), text.repeat(7));
	}
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
			const text = Buffer.from(bytes).toString('latin1');
			return decode(encodeHuffman(text)) === text;
		}),
		{ numRuns: 200 },
	);
	t.equal(decode(Buffer.alloc(0)), '');
});

t.test('a part of a buffer', async (t) => {
	const bytes = Buffer.concat([hex('ffff'), encodeHuffman('no-cache'), hex('00')]);
	t.equal(decodeHuffman(bytes, 2, 8), 'no-cache');
});

t.test('padding: less than eight bits, all of them ones (section 5.2)', async (t) => {
	const a = bitsOf([97]);
	t.equal(decode(bytesOfBits(a)), 'a');
	t.equal(decode(bytesOfBits(a, '0')), undefined, 'zeros');
	t.equal(decode(bytesOfBits(`${a}110`)), undefined);
	t.equal(decode(bytesOfBits(`${a}111${'1'.repeat(8)}`)), undefined, 'a whole byte of it');
	t.equal(decode(hex('ff')), undefined, 'nothing but padding');
	t.equal(decode(hex('ffffff')), undefined);
	// `&` has eight bits: nothing to fill up.
	t.equal(decode(bytesOfBits(bitsOf([38]))), '&');
});

t.test('EOS is never in a string (section 5.2)', async (t) => {
	t.equal(decode(bytesOfBits(bitsOf([97, EOS, 97]))), undefined);
	t.equal(decode(bytesOfBits(bitsOf([EOS]))), undefined);
	t.equal(decode(bytesOfBits(bitsOf([97, 97, EOS, 97, 97, 97, 97, 97, 97]))), undefined);
	t.equal(decode(bytesOfBits(bitsOf([97, 98]))), 'ab', 'what comes after is not disturbed');
});

t.test('bytes without sense never do more than fail', async () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
			const text = decode(Buffer.from(bytes));
			// What it takes is what would have been written for it.
			return text === undefined || Buffer.from(bytes).equals(encodeHuffman(text));
		}),
		{ numRuns: 2000 },
	);
});
