import t from 'tap';
import {
	DEFAULT_HEAD_LIMITS,
	findHeadEnd,
	HEAD_BROKEN,
	HEAD_INCOMPLETE,
	oversizedHead,
	parseRequestHead,
	parseResponseHead,
	skipEmptyLines,
} from '../../lib/http/head-parser.js';
import { type RequestHead, ResponseHead } from '../../lib/http/message.js';
import { HttpRefusal, type RefusalCode } from '../../lib/http/refusal.js';

const LIMITS = DEFAULT_HEAD_LIMITS;

function request(text: string): RequestHead | HttpRefusal {
	return parseRequestHead(text, LIMITS);
}

function codeOf(result: unknown): RefusalCode | 'accepted' {
	return result instanceof HttpRefusal ? result.code : 'accepted';
}

/**
 * What a connection does with bytes that come in any pieces: search the end, parse, or parse what is broken to
 * learn why. Returns the verdict, or 'incomplete'.
 */
function feed(bytes: Buffer, pieceSize: number): RefusalCode | 'accepted' | 'incomplete' {
	let looked = 0;
	let start = 0;
	for (let length = Math.min(pieceSize, bytes.length); ; length = Math.min(length + pieceSize, bytes.length)) {
		const soFar = bytes.subarray(0, length);
		if (start === looked) {
			const first = skipEmptyLines(soFar, 0);
			if (first instanceof HttpRefusal) return first.code;
			start = first;
			looked = Math.max(looked, first);
		}
		if (start < length && !(soFar[start] === 13 && start + 1 === length)) {
			const end = findHeadEnd(soFar, start, looked);
			looked = length;
			if (end === HEAD_BROKEN) return codeOf(request(`${soFar.toString('latin1', start)}\r\n\r\n`));
			if (end !== HEAD_INCOMPLETE) return codeOf(request(soFar.toString('latin1', start, end)));
		}
		if (length === bytes.length) return 'incomplete';
	}
}

const HOST = 'Host: a.example\r\n';

/** id of known-bugs.md or clause of RFC 9112 and 9110; the bytes; the verdict. */
const REQUESTS: readonly (readonly [string, string, RefusalCode | 'accepted'])[] = [
	// -- request line
	['plain', `GET / HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', 'accepted'],
	['minor above 1 is 1.1', `GET / HTTP/1.7\r\n${HOST}\r\n`, 'accepted'],
	['token method', `M-SEARCH /x HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['method not a token', `G@T / HTTP/1.1\r\n${HOST}\r\n`, 'METHOD_INVALID'],
	['method with control', `G\u0001T / HTTP/1.1\r\n${HOST}\r\n`, 'METHOD_INVALID'],
	['leading space', ` GET / HTTP/1.1\r\n${HOST}\r\n`, 'REQUEST_LINE_INVALID'],
	['two spaces before target', `GET  / HTTP/1.1\r\n${HOST}\r\n`, 'REQUEST_LINE_INVALID'],
	['two spaces after target', `GET /  HTTP/1.1\r\n${HOST}\r\n`, 'REQUEST_LINE_INVALID'],
	['tab for space', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`, 'METHOD_INVALID'],
	['space after version', `GET / HTTP/1.1 \r\n${HOST}\r\n`, 'VERSION_INVALID'],
	['CVE-2013-4547 space in target', `GET /a b HTTP/1.1\r\n${HOST}\r\n`, 'REQUEST_LINE_INVALID'],
	['HTTP/0.9', 'GET /\r\n\r\n', 'REQUEST_LINE_INVALID'],
	['method alone', 'GET\r\n\r\n', 'REQUEST_LINE_INVALID'],
	['lower-case protocol', `GET / http/1.1\r\n${HOST}\r\n`, 'VERSION_INVALID'],
	['RTSP', `GET / RTSP/1.0\r\n${HOST}\r\n`, 'VERSION_INVALID'],
	['two-digit major', `GET / HTTP/10.1\r\n${HOST}\r\n`, 'VERSION_INVALID'],
	['two-digit minor', `GET / HTTP/1.10\r\n${HOST}\r\n`, 'VERSION_INVALID'],
	['no minor', `GET / HTTP/1.\r\n${HOST}\r\n`, 'VERSION_INVALID'],
	['HTTP/2.0', `GET / HTTP/2.0\r\n${HOST}\r\n`, 'VERSION_UNSUPPORTED'],
	['HTTP/3.1', `GET / HTTP/3.1\r\n${HOST}\r\n`, 'VERSION_UNSUPPORTED'],
	['HTTP/0.9 spelled out', `GET / HTTP/0.9\r\n${HOST}\r\n`, 'VERSION_UNSUPPORTED'],
	// -- target
	['CVE-2023-45539 # in target', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_INVALID'],
	['CVE-2021-32779 # in absolute target', `GET http://a.example/#x HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_INVALID'],
	['CVE-2019-9900 NUL in target', `GET /\0 HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_INVALID'],
	['byte beyond ASCII in target', `GET /\xe9 HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_INVALID'],
	['DEL in target', `GET /\x7f HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_INVALID'],
	['control in target', `GET /\x1b HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_INVALID'],
	['unescaped browser bytes', `GET /?q=|^{}"<>\`\\ HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['relative target', `GET foo HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_FORM'],
	['* with OPTIONS', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['* with GET', `GET * HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_FORM'],
	['authority form with GET', `GET a.example:80 HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_FORM'],
	['absolute form', `GET http://a.example/x HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['absolute form without path', `GET http://a.example HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['absolute, other case, default port', `GET HTTP://A.Example:80/ HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['CVE-2024-53008 other host', `GET http://b.example/ HTTP/1.1\r\n${HOST}\r\n`, 'AUTHORITY_MISMATCH'],
	['CVE-2024-53008 other port', `GET http://a.example:81/ HTTP/1.1\r\n${HOST}\r\n`, 'AUTHORITY_MISMATCH'],
	['CVE-2024-53008 https port', `GET https://a.example:80/ HTTP/1.1\r\n${HOST}\r\n`, 'AUTHORITY_MISMATCH'],
	['absolute, Host empty', 'GET http://a.example/ HTTP/1.1\r\nHost:\r\n\r\n', 'AUTHORITY_MISMATCH'],
	['absolute, no Host in 1.1', 'GET http://a.example/ HTTP/1.1\r\n\r\n', 'HOST_MISSING'],
	['absolute, no Host in 1.0', 'GET http://a.example/ HTTP/1.0\r\n\r\n', 'accepted'],
	['absolute with empty authority', `GET http:///x HTTP/1.1\r\n${HOST}\r\n`, 'AUTHORITY_INVALID'],
	['user information', `GET http://u@a.example/ HTTP/1.1\r\n${HOST}\r\n`, 'AUTHORITY_INVALID'],
	['one slash', `GET http:/a.example HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_FORM'],
	['scheme begins with a digit', `GET 1http://a.example/ HTTP/1.1\r\n${HOST}\r\n`, 'TARGET_FORM'],
	['CONNECT', 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n', 'accepted'],
	['CONNECT, default port left out', 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n', 'accepted'],
	['CONNECT, port left out', 'CONNECT a.example:8080 HTTP/1.1\r\nHost: a.example\r\n\r\n', 'AUTHORITY_MISMATCH'],
	['CONNECT, other host', 'CONNECT a.example:443 HTTP/1.1\r\nHost: b\r\n\r\n', 'AUTHORITY_MISMATCH'],
	['CONNECT without port', `CONNECT a.example HTTP/1.1\r\n${HOST}\r\n`, 'AUTHORITY_INVALID'],
	['CONNECT with a path', `CONNECT / HTTP/1.1\r\n${HOST}\r\n`, 'AUTHORITY_INVALID'],
	['CONNECT with user information', 'CONNECT u@a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 'AUTHORITY_INVALID'],
	// -- Host
	['no Host', 'GET / HTTP/1.1\r\n\r\n', 'HOST_MISSING'],
	['two Hosts, same', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 'HOST_REPEATED'],
	['two Hosts, different', `GET / HTTP/1.1\r\n${HOST}Host: b\r\n\r\n`, 'HOST_REPEATED'],
	['empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 'accepted'],
	['h1-2023 comma in Host', 'GET / HTTP/1.1\r\nHost: a,b\r\n\r\n', 'HOST_INVALID'],
	['user information in Host', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 'HOST_INVALID'],
	['blank in Host', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 'HOST_INVALID'],
	['path in Host', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'HOST_INVALID'],
	['high byte in Host', 'GET / HTTP/1.1\r\nHost: a\xe9\r\n\r\n', 'HOST_INVALID'],
	['port not a number', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', 'HOST_INVALID'],
	['port too large', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', 'HOST_INVALID'],
	['two ports', 'GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n', 'HOST_INVALID'],
	['IPv6 Host', 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', 'accepted'],
	['IPv6 Host not closed', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', 'HOST_INVALID'],
	['IPv6 Host with a tail', 'GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n', 'HOST_INVALID'],
	// -- field lines
	['CVE-2021-22959 space before colon', `GET / HTTP/1.1\r\n${HOST}X-A : b\r\n\r\n`, 'NAME_INVALID'],
	['tab before colon', `GET / HTTP/1.1\r\n${HOST}X-A\t: b\r\n\r\n`, 'NAME_INVALID'],
	[
		'CVE-2024-27982 space before Content-Length',
		`POST / HTTP/1.1\r\n${HOST} Content-Length: 1\r\n\r\na`,
		'FOLDED_LINE',
	],
	['space in a name', `GET / HTTP/1.1\r\n${HOST}X A: b\r\n\r\n`, 'NAME_INVALID'],
	['CVE-2023-25725 empty name', `GET / HTTP/1.1\r\n${HOST}: b\r\nContent-Length: 1\r\n\r\n`, 'NAME_EMPTY'],
	['no colon', `GET / HTTP/1.1\r\n${HOST}X-A\r\n\r\n`, 'NAME_INVALID'],
	['name not a token', `GET / HTTP/1.1\r\n${HOST}X@A: b\r\n\r\n`, 'NAME_INVALID'],
	['high byte in a name', `GET / HTTP/1.1\r\n${HOST}X\xe9: b\r\n\r\n`, 'NAME_INVALID'],
	['NUL in a name', `GET / HTTP/1.1\r\n${HOST}X\0: b\r\n\r\n`, 'NAME_INVALID'],
	['h1-2023 NUL in a value', `GET / HTTP/1.1\r\n${HOST}X-A: b\0\r\n\r\n`, 'VALUE_INVALID'],
	['control in a value', `GET / HTTP/1.1\r\n${HOST}X-A: b\x01\r\n\r\n`, 'VALUE_INVALID'],
	['DEL in a value', `GET / HTTP/1.1\r\n${HOST}X-A: b\x7f\r\n\r\n`, 'VALUE_INVALID'],
	['tab in a value', `GET / HTTP/1.1\r\n${HOST}X-A: b\tc\r\n\r\n`, 'accepted'],
	['high bytes in a value', `GET / HTTP/1.1\r\n${HOST}X-A: \x80\xff\r\n\r\n`, 'accepted'],
	['empty value', `GET / HTTP/1.1\r\n${HOST}X-A:\r\n\r\n`, 'accepted'],
	['CVE-2022-32215 folded line', `GET / HTTP/1.1\r\n${HOST}X-A: b\r\n c\r\n\r\n`, 'FOLDED_LINE'],
	['folded with a tab', `GET / HTTP/1.1\r\n${HOST}X-A: b\r\n\tc\r\n\r\n`, 'FOLDED_LINE'],
	['bare LF in the request line', `GET / HTTP/1.1\n${HOST}\r\n`, 'LF_WITHOUT_CR'],
	['CVE-2022-32214 bare LF after a field', `GET / HTTP/1.1\r\n${HOST}X-A: b\nX-B: c\r\n\r\n`, 'LF_WITHOUT_CR'],
	['bare LF everywhere', 'GET / HTTP/1.1\nHost: a\n\n', 'LF_WITHOUT_CR'],
	['CVE-2023-30589 bare CR in a value', `GET / HTTP/1.1\r\n${HOST}X-A: b\rX-B: c\r\n\r\n`, 'CR_WITHOUT_LF'],
	['CVE-2022-35256 CR CR LF', `GET / HTTP/1.1\r\n${HOST}X-A: b\r\r\n\r\n`, 'CR_WITHOUT_LF'],
	['CVE-2025-23167 CR LF CR X', `GET / HTTP/1.1\r\n${HOST}\rX: y\r\n\r\n`, 'CR_WITHOUT_LF'],
	['CR CR LF after the request line', `GET / HTTP/1.1\r\r\n${HOST}\r\n`, 'CR_WITHOUT_LF'],
	['CVE-2026-21710 __proto__ is a name', `GET / HTTP/1.1\r\n${HOST}__proto__: x\r\nconstructor: y\r\n\r\n`, 'accepted'],
	// -- framing
	['Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 12\r\n\r\n`, 'accepted'],
	['CVE-2023-40225 empty Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: \r\n\r\n`, 'LENGTH_INVALID'],
	['signed Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +1\r\n\r\n`, 'LENGTH_INVALID'],
	['negative Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`, 'LENGTH_INVALID'],
	['hexadecimal Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x1\r\n\r\n`, 'LENGTH_INVALID'],
	['Content-Length with a blank', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1 2\r\n\r\n`, 'LENGTH_INVALID'],
	['Content-Length list', `POST / HTTP/1.1\r\n${HOST}Content-Length: 2, 2\r\n\r\n`, 'LENGTH_INVALID'],
	[
		'Content-Length over 2^64',
		`POST / HTTP/1.1\r\n${HOST}Content-Length: 18446744073709551617\r\n\r\n`,
		'LENGTH_INVALID',
	],
	['Content-Length over 2^53', `POST / HTTP/1.1\r\n${HOST}Content-Length: 9007199254740993\r\n\r\n`, 'LENGTH_INVALID'],
	[
		'CVE-2021-40346 second Content-Length',
		`POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
		'LENGTH_REPEATED',
	],
	[
		'same Content-Length twice',
		`POST / HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n`,
		'LENGTH_REPEATED',
	],
	[
		'CL with TE',
		`POST / HTTP/1.1\r\n${HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`,
		'LENGTH_AND_CODING',
	],
	[
		'TE with CL',
		`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n`,
		'LENGTH_AND_CODING',
	],
	['chunked', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`, 'accepted'],
	['Chunked', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n`, 'accepted'],
	['CVE-2019-18277 vertical tab', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: \vchunked\r\n\r\n`, 'VALUE_INVALID'],
	['h1-2023 empty Transfer-Encoding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: \r\n\r\n`, 'CODING_INVALID'],
	[
		'CVE-2020-8287 two Transfer-Encodings',
		`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
		'CODING_INVALID',
	],
	[
		'chunked, then identity',
		`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n`,
		'CODING_INVALID',
	],
	[
		'CVE-2022-32213 chunked twice',
		`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, chunked\r\n\r\n`,
		'CODING_INVALID',
	],
	['chunked not last', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, gzip\r\n\r\n`, 'CODING_INVALID'],
	['trailing comma', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked,\r\n\r\n`, 'CODING_INVALID'],
	['parameter', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked;a=b\r\n\r\n`, 'CODING_INVALID'],
	['identity', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: identity\r\n\r\n`, 'CODING_INVALID'],
	['quoted', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: "chunked"\r\n\r\n`, 'CODING_INVALID'],
	['xchunked', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n`, 'CODING_INVALID'],
	['gzip only', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip\r\n\r\n`, 'CODING_INVALID'],
	['gzip, chunked', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'CODING_UNSUPPORTED'],
	['TE in HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`, 'CODING_IN_HTTP_10'],
	['payload in HTTP/1.0 GET', `GET / HTTP/1.0\r\n${HOST}Content-Length: 2\r\n\r\n`, 'PAYLOAD_UNEXPECTED'],
	['payload in HTTP/1.0 DELETE', `DELETE / HTTP/1.0\r\n${HOST}Content-Length: 2\r\n\r\n`, 'PAYLOAD_UNEXPECTED'],
	['HTTP/1.0 GET of length 0', `GET / HTTP/1.0\r\n${HOST}Content-Length: 0\r\n\r\n`, 'accepted'],
	['HTTP/1.0 POST', `POST / HTTP/1.0\r\n${HOST}Content-Length: 2\r\n\r\n`, 'accepted'],
	// -- before and after
	['empty lines before', `\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`, 'accepted'],
	['too many empty lines', `${'\r\n'.repeat(9)}GET / HTTP/1.1\r\n${HOST}\r\n`, 'TOO_MANY_EMPTY_LINES'],
	['CR alone before', `\rGET / HTTP/1.1\r\n${HOST}\r\n`, 'CR_WITHOUT_LF'],
];

t.test('request heads: verdicts, whole and byte by byte', (t) => {
	for (const [id, text, expected] of REQUESTS) {
		const bytes = Buffer.from(text, 'latin1');
		t.equal(feed(bytes, bytes.length), expected, `${id}: whole`);
		t.equal(feed(bytes, 1), expected, `${id}: byte by byte`);
		t.equal(feed(bytes, 7), expected, `${id}: by sevens`);
	}
	t.end();
});

t.test('request heads: what was understood', (t) => {
	const head = request(
		'POST /p?q HTTP/1.1\r\nHOST:a\r\nX-Long-Name:  v \t\r\nContent-Length: 007\r\n__proto__: z\r\n\r\n',
	);
	if (head instanceof HttpRefusal) return t.fail(head.code);
	t.equal(head.method, 'POST');
	t.equal(head.target, '/p?q');
	t.equal(head.version, 11);
	t.same(head.headers.names, ['host', 'x-long-name', 'content-length', '__proto__']);
	t.same(head.headers.values, ['a', 'v', '007', 'z']);
	t.same(head.framing, { kind: 'length', length: 7 });
	t.same((request('GET / HTTP/1.0\r\n\r\n') as RequestHead).version, 10);
	t.same(
		(request('PUT / HTTP/1.1\r\nhost:a\r\ntransfer-encoding: chunked\r\n\r\n') as RequestHead).framing.kind,
		'chunked',
	);
	t.same((request('GET / HTTP/1.1\r\nhost:a\r\n\r\n') as RequestHead).framing.kind, 'none');
	t.end();
});

t.test('names: a slot of the cache never answers for another spelling', (t) => {
	// Two rounds: the first fills the cache, the second reads it, with enough names to collide.
	for (let round = 0; round < 2; round++) {
		let text = 'GET / HTTP/1.1\r\nhost: a\r\n';
		const expected = ['host'];
		for (let i = 0; i < 90; i++) {
			const name = `X-${round === 0 ? 'n' : 'N'}ame-${i * 7919}`;
			text += `${name}: ${i}\r\n`;
			expected.push(name.toLowerCase());
		}
		const head = request(`${text}\r\n`);
		t.same(head instanceof HttpRefusal ? head.code : head.headers.names, expected);
	}
	const long = `x${'-y'.repeat(60)}`;
	const head = request(`GET / HTTP/1.1\r\nhost: a\r\n${long.toUpperCase()}: 1\r\n\r\n`);
	t.equal(head instanceof HttpRefusal ? head.code : head.headers.get(long), '1');
	t.end();
});

t.test('limits', (t) => {
	const limits = { headSizeMax: 100, headerCountMax: 4 };
	const code = (text: string): string => codeOf(parseRequestHead(text, limits));
	t.equal(code(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(100)}\r\n\r\n`), 'HEAD_TOO_LARGE');
	t.equal(code(`GET /${'y'.repeat(100)} HTTP/1.1\r\nhost: a\r\n\r\n`), 'TARGET_TOO_LONG');
	t.equal(
		code('GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\ny: 2\r\n\r\n'),
		'accepted',
		'start line and three fields make four',
	);
	t.equal(code('GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\ny: 2\r\nz: 3\r\n\r\n'), 'TOO_MANY_HEADERS');
	t.equal(oversizedHead(Buffer.from(`GET /${'y'.repeat(200)}`), 0).status, 414);
	t.equal(
		oversizedHead(Buffer.from(`GET /${'y'.repeat(200)} HTTP/1.1\r\n`), 0, 100).status,
		414,
		'ends beyond the limit',
	);
	t.equal(oversizedHead(Buffer.from(`GET / HTTP/1.1\r\nx: ${'y'.repeat(200)}`), 0).status, 431);
	t.equal(
		codeOf(parseRequestHead('GET / HTTP/1.0\r\ncontent-length: 1\r\n\r\n', { ...LIMITS, payloadWithAnyMethod: true })),
		'accepted',
	);
	t.equal(codeOf(request('GET / HTTP/1.1\r\nhost: a\r\n')), 'HEAD_INCOMPLETE');
	t.equal(codeOf(request('GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n')), 'HEAD_INCOMPLETE');
	t.equal(codeOf(request('')), 'HEAD_INCOMPLETE');
	t.end();
});

t.test('findHeadEnd looks at each byte a bounded number of times', (t) => {
	const head = Buffer.from(`GET / HTTP/1.1\r\n${'x-a: b\r\n'.repeat(1500)}\r\n`);
	let looked = 0;
	const began = process.cpuUsage().user;
	for (let length = 1; length < head.length; length++) {
		if (findHeadEnd(head.subarray(0, length), 0, looked) !== HEAD_INCOMPLETE) return t.fail(`ended at ${length}`);
		looked = length;
	}
	t.equal(findHeadEnd(head, 0, looked), head.length);
	t.ok(process.cpuUsage().user - began < 2_000_000, 'twelve thousand pieces take no quadratic time');
	t.end();
});

const OK = 'HTTP/1.1 200 OK\r\n';

/** id; request method; bytes; verdict or the framing that follows. */
const RESPONSES: readonly (readonly [string, string, string, string])[] = [
	['length', 'GET', `${OK}Content-Length: 2\r\n\r\n`, 'length'],
	['chunked', 'GET', `${OK}Transfer-Encoding: chunked\r\n\r\n`, 'chunked'],
	['until close', 'GET', `${OK}\r\n`, 'close'],
	['HEAD', 'HEAD', `${OK}Content-Length: 2\r\n\r\n`, 'none'],
	['HEAD chunked', 'HEAD', `${OK}Transfer-Encoding: chunked\r\n\r\n`, 'none'],
	['204', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n', 'none'],
	['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n', 'none'],
	['100', 'POST', 'HTTP/1.1 100 Continue\r\n\r\n', 'none'],
	['101', 'GET', 'HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'none'],
	['CONNECT 200', 'CONNECT', `${OK}Content-Length: 2\r\n\r\n`, 'none'],
	['CONNECT 403', 'CONNECT', 'HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n', 'length'],
	['HTTP/1.0', 'GET', 'HTTP/1.0 200 OK\r\n\r\n', 'close'],
	['HTTP/1.0 chunked is taken as it comes', 'GET', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'chunked'],
	['no reason', 'GET', 'HTTP/1.1 200\r\n\r\n', 'close'],
	['empty reason', 'GET', 'HTTP/1.1 200 \r\n\r\n', 'close'],
	['reason in another charset', 'GET', 'HTTP/1.1 200 \xe9t\xe9\r\n\r\n', 'close'],
	['unknown status', 'GET', 'HTTP/1.1 799 X\r\n\r\n', 'close'],
	['h1-2023 four digits', 'GET', 'HTTP/1.1 2000 OK\r\n\r\n', 'STATUS_INVALID'],
	['two digits', 'GET', 'HTTP/1.1 20 OK\r\n\r\n', 'STATUS_INVALID'],
	['below 100', 'GET', 'HTTP/1.1 099 OK\r\n\r\n', 'STATUS_INVALID'],
	['not digits', 'GET', 'HTTP/1.1 2x0 OK\r\n\r\n', 'STATUS_INVALID'],
	['two spaces', 'GET', 'HTTP/1.1  200 OK\r\n\r\n', 'STATUS_INVALID'],
	['control in the reason', 'GET', 'HTTP/1.1 200 O\0K\r\n\r\n', 'REASON_INVALID'],
	['version', 'GET', 'HTTP/2.0 200 OK\r\n\r\n', 'VERSION_UNSUPPORTED'],
	['not HTTP', 'GET', 'SSH-2.0-OpenSSH\r\n\r\n', 'STATUS_LINE_INVALID'],
	['ICY', 'GET', 'ICY 200 OK\r\n\r\n', 'STATUS_LINE_INVALID'],
	['bare LF', 'GET', 'HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n', 'LF_WITHOUT_CR'],
	['folded', 'GET', `${OK}X: a\r\n b\r\n\r\n`, 'FOLDED_LINE'],
	['CL and TE', 'GET', `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`, 'LENGTH_AND_CODING'],
	['two lengths', 'GET', `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\n`, 'LENGTH_REPEATED'],
	['gzip coding', 'GET', `${OK}Transfer-Encoding: gzip\r\n\r\n`, 'CODING_INVALID'],
	['gzip, chunked', 'GET', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'CODING_UNSUPPORTED'],
	['GHSA-6x33-pw7p-hmpq control in a value', 'GET', `${OK}X: a\x01\r\n\r\n`, 'VALUE_INVALID'],
];

t.test('response heads', (t) => {
	for (const [id, method, text, expected] of RESPONSES) {
		const head = parseResponseHead(text, LIMITS, method);
		t.equal(head instanceof HttpRefusal ? head.code : head.framing.kind, expected, id);
	}
	const head = parseResponseHead('HTTP/1.1 404 Not  Found \r\nA: 1\r\nA: 2\r\n\r\n', LIMITS);
	if (!(head instanceof ResponseHead)) return t.fail(head.code);
	t.equal(head.status, 404);
	t.equal(head.reason, 'Not  Found ');
	t.same(head.headers.values, ['1', '2']);
	const limits = { headSizeMax: 60, headerCountMax: 3 };
	t.equal(codeOf(parseResponseHead(`${OK}a: ${'b'.repeat(60)}\r\n\r\n`, limits)), 'HEAD_TOO_LARGE');
	t.equal(codeOf(parseResponseHead(`${OK}a: 1\r\na: 2\r\na: 3\r\n\r\n`, limits)), 'TOO_MANY_HEADERS');
	t.end();
});

t.test('framing fields of messages that cannot have a body are taken out', (t) => {
	for (const [status, method] of [
		[204, 'GET'],
		[100, 'GET'],
		[200, 'CONNECT'],
	] as const) {
		const head = parseResponseHead(`HTTP/1.1 ${status} X\r\nContent-Length: 5\r\nA: b\r\n\r\n`, LIMITS, method);
		t.same(head instanceof HttpRefusal ? head.code : head.headers.names, ['a'], `${method} ${status}`);
	}
	const kept = parseResponseHead('HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n', LIMITS, 'GET');
	t.same(kept instanceof HttpRefusal ? kept.code : kept.headers.names, ['content-length']);
	t.end();
});
