import fc from 'fast-check';
import t from 'tap';
import { SyslogFraming } from '../../../lib/stream/log-forward/framing.js';

function read(chunks: readonly string[], endsAtNewlines = false, maxBytes = 100): { messages: string[]; ok: boolean } {
	const framing = new SyslogFraming(maxBytes, endsAtNewlines);
	const messages: string[] = [];
	const ok = chunks.every((chunk) => framing.push(Buffer.from(chunk, 'latin1'), (message) => messages.push(message)));
	return { messages, ok };
}

const ACCEPTED: readonly (readonly [stream: string, messages: readonly string[]])[] = [
	['20 <14>hello octet 1234', ['<14>hello octet 1234']],
	['<14>lf one\n<14>lf two\n', ['<14>lf one', '<14>lf two']],
	['5 <14>a6 <14>bb<14>lf\n', ['<14>a', '<14>bb', '<14>lf']],
	['<14>cr\r\n<\n', ['<14>cr', '<']],
	['3 a\nb', ['a\nb']],
	['<14>begun', []],
	['7 begun', []],
	['12', []],
];

t.test('messages whole, and byte by byte', async (t) => {
	for (const [stream, messages] of ACCEPTED) {
		t.same(read([stream]), { messages, ok: true }, stream);
		t.same(read([...stream]), { messages, ok: true }, `${stream}, byte by byte`);
	}
});

t.test('what is no message ends the connection, and what came before it counts', async (t) => {
	t.same(read(['<14>a\nhello\n<14>b\n']), { messages: ['<14>a'], ok: false });
	for (const broken of ['0 x', '9<14>x', '101 x', '12345678901 x', ' <14>x', '\n']) {
		t.equal(read([broken]).ok, false, broken);
	}
	t.equal(read([`<${'x'.repeat(101)}`]).ok, false, 'no newline within the limit');
	t.equal(read([`<${'x'.repeat(101)}\n`]).ok, false, 'too long');
	t.equal(read([`<${'x'.repeat(99)}\n`]).ok, true, 'as long as may be');
});

t.test('assume-rfc6587-ntf: only newlines end messages', async (t) => {
	t.same(read(['hello\n5 <14>a\n\n<14>b\n'], true), { messages: ['hello', '5 <14>a', '', '<14>b'], ok: true });
});

t.test('any messages, cut anywhere, come out as they went in', async (t) => {
	const text = fc.string({ unit: 'grapheme-ascii', maxLength: 40 });
	const message = fc.record({ text, counted: fc.boolean() });
	fc.assert(
		fc.property(fc.array(message), fc.array(fc.nat(60)), (sent, cuts) => {
			const stream = sent
				.map(({ text, counted }) => (counted && text !== '' ? `${text.length} ${text}` : `<${text}\n`))
				.join('');
			const chunks: string[] = [];
			let at = 0;
			for (const cut of cuts) {
				chunks.push(stream.slice(at, at + cut));
				at += cut;
			}
			chunks.push(stream.slice(at));
			t.same(read(chunks), {
				messages: sent.map(({ text, counted }) => (counted && text !== '' ? text : `<${text}`)),
				ok: true,
			});
		}),
		{ seed: 6587, numRuns: 200 },
	);
});
