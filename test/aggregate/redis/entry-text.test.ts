/** Base64 and checksums of our own say what Node's do. */
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { base64Bytes, crc32Of, readBase64, writeBase64 } from '../../../lib/aggregate/redis/entry-text.js';

t.test('as Node writes it, and back', async (t) => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(7), (bytes, at) => {
			const target = Buffer.alloc(200, '!');
			const end = writeBase64(bytes, 0, bytes.length, target, at);
			const text = target.toString('latin1', at, end);
			const back = Buffer.alloc(100);
			const backEnd = readBase64(`x ${text} y`, 2, 2 + text.length, back, at);
			return (
				text === Buffer.from(bytes).toString('base64') &&
				target[end] === 0x21 &&
				backEnd - at <= base64Bytes(text.length) &&
				Buffer.compare(back.subarray(at, backEnd), bytes) === 0 &&
				crc32Of(bytes, 0, bytes.length) === crc32(bytes)
			);
		}),
	);
	const bytes = Buffer.alloc(8);
	t.equal(readBase64('YQ', 0, 2, bytes, 0), 1, 'without padding');
	t.equal(bytes[0], 0x61);
	t.equal(readBase64('=', 0, 1, bytes, 0), 0, 'nothing');
});

t.test('what is no base64', async (t) => {
	const bytes = Buffer.alloc(100);
	for (const text of ['a', 'abcde', 'ab c', 'ab=d', 'a===', 'ab\n=', 'äbcd', 'ab-_', '\u{1f600}aaaa', 'abcđ']) {
		t.equal(readBase64(text, 0, text.length, bytes, 0), -1, JSON.stringify(text));
	}
	fc.assert(
		fc.property(fc.string({ maxLength: 60 }), (text) => {
			const end = readBase64(text, 0, text.length, bytes, 0);
			return end === -1 || (/^[A-Za-z0-9+/]*={0,2}$/.test(text) && end <= base64Bytes(text.length));
		}),
	);
});
