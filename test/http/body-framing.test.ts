import t from 'tap';
import { ChunkedDecoder, requestFraming, responseFraming } from '../../lib/http/body-framing.js';
import { HeaderList, RequestHead, ResponseHead } from '../../lib/http/message.js';
import { HttpRefusal, type RefusalCode } from '../../lib/http/refusal.js';

const LIMITS = { trailerSizeMax: 64, trailerCountMax: 3, extensionSizeMax: 20 };

interface Decoded {
	readonly verdict: RefusalCode | 'done' | 'incomplete';
	readonly payload: string;
	/** Bytes after the body. */
	readonly rest: string;
	readonly trailers: readonly string[];
}

function decode(text: string, pieceSize: number): Decoded {
	const decoder = new ChunkedDecoder(LIMITS);
	const bytes = Buffer.from(text, 'latin1');
	let payload = '';
	let verdict: Decoded['verdict'] = 'incomplete';
	let rest = '';
	for (let at = 0; at < bytes.length; at += pieceSize) {
		const end = Math.min(bytes.length, at + pieceSize);
		const used = decoder.push(bytes, at, end, (buffer, from, to) => {
			payload += buffer.toString('latin1', from, to);
		});
		if (used < 0) {
			verdict = decoder.refusal?.code ?? 'done';
			break;
		}
		if (decoder.isDone) {
			verdict = 'done';
			rest = bytes.toString('latin1', used);
			break;
		}
	}
	return { verdict, payload, rest, trailers: decoder.trailers?.names ?? [] };
}

/** id; bytes; verdict; payload. */
const BODIES: readonly (readonly [string, string, Decoded['verdict'], string])[] = [
	['empty', '0\r\n\r\n', 'done', ''],
	['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'done', 'hello'],
	[
		'two chunks, upper and lower case',
		'A\r\n0123456789\r\na\r\n9876543210\r\n0\r\n\r\n',
		'done',
		'01234567899876543210',
	],
	['leading zeroes', '0005\r\nhello\r\n000\r\n\r\n', 'done', 'hello'],
	['data looks like framing', '7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n', 'done', '\r\n0\r\n\r\n'],
	['not ended', '5\r\nhello\r\n', 'incomplete', 'hello'],
	['last chunk, no final line', '5\r\nhello\r\n0\r\n', 'incomplete', 'hello'],
	['empty size', '\r\nhello', 'CHUNK_SIZE_INVALID', ''],
	['size not hexadecimal', '5g\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_INVALID', ''],
	['0x', '0x5\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_INVALID', ''],
	['CVE-2013-2028 sign', '-5\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_INVALID', ''],
	['plus sign', '+5\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_INVALID', ''],
	['blank before the size', ' 5\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_INVALID', ''],
	['blank after the size', '5 \t\r\nhello\r\n0\r\n\r\n', 'done', 'hello'],
	['blank before an extension', '5 ;a=b\r\nhello\r\n0\r\n\r\n', 'done', 'hello'],
	['digit behind a blank', '5 1\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_INVALID', ''],
	['LF-only behind a blank', '5 \nhello\r\n0\r\n\r\n', 'LF_WITHOUT_CR', ''],
	['h1-2023 size of 2^64', '10000000000000005\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_TOO_LARGE', ''],
	['h1-2023 size near 2^64', 'ffffffffffffffff\r\nhello\r\n0\r\n\r\n', 'CHUNK_SIZE_TOO_LARGE', ''],
	['many zeroes', `${'0'.repeat(20)}5\r\nhello\r\n0\r\n\r\n`, 'done', 'hello'],
	['endless zeroes', `${'0'.repeat(17000)}5\r\nhello\r\n0\r\n\r\n`, 'CHUNK_SIZE_TOO_LARGE', ''],
	['folded trailer', '0\r\nX: a\r\n b\r\n\r\n', 'FOLDED_LINE', ''],
	['h1-2023 LF-only after the size', '5\nhello\r\n0\r\n\r\n', 'LF_WITHOUT_CR', ''],
	['CR without LF after the size', '5\rhello\r\n0\r\n\r\n', 'CR_WITHOUT_LF', ''],
	['h1-2023 LF-only after the data', '5\r\nhello\n0\r\n\r\n', 'CHUNK_END_INVALID', 'hello'],
	['data longer than its size', '5\r\nhello!\r\n0\r\n\r\n', 'CHUNK_END_INVALID', 'hello'],
	['CR X after the data', '5\r\nhello\rX0\r\n\r\n', 'CHUNK_END_INVALID', 'hello'],
	['extension', '5;a=b\r\nhello\r\n0;c\r\n\r\n', 'done', 'hello'],
	['quoted extension', '5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n', 'done', 'hello'],
	['h1-2023 CR LF in a quoted extension', '5;a="\r\nhello\r\n0\r\n\r\n', 'CHUNK_EXTENSION_INVALID', ''],
	['CVE-2021-22960 LF in an extension', '5;a\nhello\r\n0\r\n\r\n', 'LF_WITHOUT_CR', ''],
	['CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n', 'CR_WITHOUT_LF', ''],
	['NUL in an extension', '5;a\0\r\nhello\r\n0\r\n\r\n', 'CHUNK_EXTENSION_INVALID', ''],
	['CVE-2024-22019 long extension', `5;${'a'.repeat(21)}\r\nhello\r\n0\r\n\r\n`, 'CHUNK_EXTENSIONS_TOO_LARGE', ''],
	['CVE-2024-22019 many extensions', '1;aaaa\r\nx\r\n'.repeat(10), 'CHUNK_EXTENSIONS_TOO_LARGE', 'xxxxx'],
	['trailers', '0\r\nX-A: 1\r\nX-B: 2\r\n\r\n', 'done', ''],
	['Content-Length as a trailer', '0\r\nContent-Length: 1\r\n\r\n', 'TRAILER_FORBIDDEN', ''],
	['Transfer-Encoding as a trailer', '0\r\nTransfer-Encoding: chunked\r\n\r\n', 'TRAILER_FORBIDDEN', ''],
	['Host as a trailer', '0\r\nHost: b\r\n\r\n', 'TRAILER_FORBIDDEN', ''],
	['X-Forwarded-For as a trailer', '0\r\nX-Forwarded-For: b\r\n\r\n', 'TRAILER_FORBIDDEN', ''],
	['Connection as a trailer', '0\r\nConnection: close\r\n\r\n', 'TRAILER_FORBIDDEN', ''],
	['Connection x as a trailer', '0\r\nConnection: x\r\n\r\n', 'TRAILER_FORBIDDEN', ''],
	['Keep-Alive as a trailer', '0\r\nKeep-Alive: 3\r\n\r\n', 'TRAILER_FORBIDDEN', ''],
	['trailer without a colon', '0\r\nabc\r\n\r\n', 'NAME_INVALID', ''],
	['ERR_HTTP_TRAILER_INVALID control in a trailer', '0\r\nX: a\x01\r\n\r\n', 'VALUE_INVALID', ''],
	['folded trailer', '0\r\nX: a\r\n b\r\n\r\n', 'FOLDED_LINE', ''],
	['bare LF in the trailers', '0\r\nX: a\nY: b\r\n\r\n', 'LF_WITHOUT_CR', ''],
	['bare LF as the end', '0\r\n\n', 'LF_WITHOUT_CR', ''],
	['bare CR as the end', '0\r\n\rX', 'CR_WITHOUT_LF', ''],
	['too many trailers', '0\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n', 'TOO_MANY_HEADERS', ''],
	['trailers too large', `0\r\nA: ${'x'.repeat(70)}\r\n\r\n`, 'TRAILERS_TOO_LARGE', ''],
	['trailers without end', `0\r\n${'A: x\r\n'.repeat(20)}`, 'TRAILERS_TOO_LARGE', ''],
];

t.test('chunked bodies, whole and in pieces of every small size', (t) => {
	for (const [id, text, verdict, payload] of BODIES) {
		for (const pieceSize of [text.length, 1, 2, 3, 5, 7]) {
			const decoded = decode(text, pieceSize);
			t.equal(decoded.verdict, verdict, `${id}, by ${pieceSize}`);
			t.equal(decoded.payload, payload, `${id}, by ${pieceSize}: payload`);
		}
	}
	t.end();
});

t.test('what follows the body is left alone', (t) => {
	const text = '3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n';
	for (let pieceSize = 1; pieceSize <= text.length; pieceSize++) {
		const decoded = decode(`${text}GET / HTTP/1.1\r\n`, pieceSize);
		t.equal(decoded.verdict, 'done');
		t.equal(decoded.rest, 'GET / HTTP/1.1\r\n', `by ${pieceSize}`);
		t.same(decoded.trailers, ['x-t']);
	}
	t.end();
});

t.test('a decoder serves one body after the other, and stays refused until then', (t) => {
	const decoder = new ChunkedDecoder(LIMITS);
	const bad = Buffer.from('x');
	const good = Buffer.from('1\r\na\r\n0\r\n\r\n');
	t.equal(decoder.push(bad, 0, 1), -1);
	t.equal(decoder.push(good, 0, good.length), -1);
	t.equal(decoder.refusal?.code, 'CHUNK_SIZE_INVALID');
	decoder.reset();
	t.equal(decoder.push(good, 0, good.length), good.length);
	t.ok(decoder.isDone);
	t.equal(decoder.payloadSize, 1);
	t.equal(decoder.push(good, 0, good.length), 0, 'done: takes nothing more');
	t.end();
});

t.test('a size that fits is not multiplied into another', (t) => {
	const decoder = new ChunkedDecoder();
	const head = Buffer.from('fffffffffffff\r\n');
	t.equal(decoder.push(head, 0, head.length), head.length);
	const data = Buffer.alloc(1000);
	t.equal(decoder.push(data, 0, 1000), 1000);
	t.equal(decoder.payloadSize, 1000);
	t.notOk(decoder.isDone);
	t.end();
});

t.test('framing of heads that another parser made', (t) => {
	const of = (fields: [string, string][], version: 10 | 11 = 11): string => {
		const list = new HeaderList();
		for (const [name, value] of fields) list.add(name, value);
		const framing = requestFraming(new RequestHead('POST', '/', version, list));
		return framing instanceof HttpRefusal ? framing.code : framing.kind;
	};
	t.equal(of([]), 'none');
	t.equal(of([['content-length', '5']]), 'length');
	t.equal(of([['transfer-encoding', 'chunked']]), 'chunked');
	t.equal(of([['content-length', '5x']]), 'LENGTH_INVALID');
	t.equal(
		of([
			['content-length', '5'],
			['content-length', '5'],
		]),
		'LENGTH_REPEATED',
	);
	t.equal(
		of([
			['content-length', '5'],
			['transfer-encoding', 'chunked'],
		]),
		'LENGTH_AND_CODING',
	);
	t.equal(
		of([
			['transfer-encoding', 'chunked'],
			['transfer-encoding', 'chunked'],
		]),
		'CODING_INVALID',
	);
	t.equal(of([['transfer-encoding', 'gzip, chunked']]), 'CODING_UNSUPPORTED');
	t.equal(of([['transfer-encoding', 'chunked']], 10), 'CODING_IN_HTTP_10');
	const response = (status: number, method: string): string => {
		const list = new HeaderList(['content-length'], ['5']);
		const framing = responseFraming(new ResponseHead(status, '', 11, list), method);
		return framing instanceof HttpRefusal ? framing.code : framing.kind;
	};
	t.equal(response(200, 'GET'), 'length');
	t.equal(response(200, 'HEAD'), 'none');
	t.equal(response(304, 'GET'), 'none');
	t.equal(response(200, 'CONNECT'), 'none');
	t.same(responseFraming(new ResponseHead(200, '', 11, new HeaderList()), 'GET'), { kind: 'close' });
	t.end();
});
