/** What is brought into form for those who ask for it, what never is, and that the strict parser refuses all of it. */
import t from 'tap';
import {
	DEFAULT_HEAD_LIMITS,
	type HeadLimits,
	parseRequestHead,
	parseResponseHead,
} from '../../lib/http/head-parser.js';
import { ConnectionOption } from '../../lib/http/message.js';
import { HttpRefusal, isRefusal } from '../../lib/http/refusal.js';
import { type Repaired, repairRequest, repairResponse } from '../../lib/http/repair.js';

const LENIENT: HeadLimits = { ...DEFAULT_HEAD_LIMITS, acceptInvalid: true };

function whole<Head>(repaired: Repaired<Head> | HttpRefusal | undefined): Repaired<Head> {
	if (repaired === undefined || isRefusal(repaired)) throw new Error(`refused: ${repaired?.code}`);
	return repaired;
}

/** `|` stands for CR LF, `/n` for a bare LF. */
const bytes = (text: string): string => text.replaceAll('|', '\r\n').replaceAll('/n', '\n');

/** Name, what comes, fields as they go on, framing, whether the connection closes after it. */
const REQUESTS: readonly (readonly [string, string, string, string, boolean])[] = [
	['bare line feeds', 'POST /x HTTP/1.1/nHost: a/nContent-Length: 2/n/n', 'host: a, content-length: 2', '2', false],
	['line feeds of both kinds', 'GET /x HTTP/1.1|Host: a/nX: y|/n', 'host: a, x: y', 'none', false],
	['blanks in the request line', 'GET  \t/x   HTTP/1.1|Host: a||', 'host: a', 'none', false],
	['a folded line', 'GET /x HTTP/1.1|Host: a|X: b|\t  c|  d||', 'host: a, x: b  \t  c    d', 'none', false],
	['no Host', 'GET /x HTTP/1.1|X: y||', 'x: y', 'none', false],
	['any Host', 'GET /x HTTP/1.1|Host: a,b/c||', 'host: a,b/c', 'none', false],
	['the same Host again', 'GET /x HTTP/1.1|Host: a|X: y|HOST: A||', 'host: a, x: y', 'none', false],
	[
		'the same length again',
		'POST /x HTTP/1.1|Host: a|Content-Length: 2|Content-Length:2||',
		'host: a, content-length: 2',
		'2',
		false,
	],
	['a list of one length', 'POST /x HTTP/1.1|Host: a|Content-Length: 2, 2||', 'host: a, content-length: 2', '2', false],
	[
		'a length beside chunks',
		'POST /x HTTP/1.1|Host: a|Content-Length: 2|Transfer-Encoding: chunked||',
		'host: a, transfer-encoding: chunked',
		'chunked',
		true,
	],
	[
		'chunks in HTTP/1.0',
		'POST /x HTTP/1.0|Host: a|Transfer-Encoding: chunked||',
		'host: a, transfer-encoding: chunked',
		'chunked',
		true,
	],
];

t.test('requests are brought into form', async (t) => {
	for (const [name, text, fields, framing, closes] of REQUESTS) {
		const came = bytes(text);
		t.ok(isRefusal(parseRequestHead(came, DEFAULT_HEAD_LIMITS)), `${name}: refused without the option`);
		const { head, byteCount } = whole(repairRequest(`${came}rest`, LENIENT));
		t.equal(byteCount, came.length, `${name}: its bytes`);
		t.equal(head.target, '/x', name);
		t.equal(head.headers.names.map((field, i) => `${field}: ${head.headers.values[i]}`).join(', '), fields, name);
		t.equal(head.framing.kind === 'length' ? String(head.framing.length) : head.framing.kind, framing, name);
		t.equal((head.connection & ConnectionOption.CLOSE) !== 0, closes, `${name}: closes`);
	}
});

t.test('responses are brought into form', async (t) => {
	const rows: readonly (readonly [string, string, string, boolean])[] = [
		['bare line feeds', 'HTTP/1.1 200 OK/nContent-Length: 2/n/n', 'length', false],
		['two blanks', 'HTTP/1.1  200 OK|Content-Length: 2||', 'length', false],
		['a folded line', 'HTTP/1.1 200 OK|X: a| b|Content-Length: 2||', 'length', false],
		['a length beside chunks', 'HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: 2||', 'chunked', true],
	];
	for (const [name, text, framing, closes] of rows) {
		const came = bytes(text);
		t.ok(isRefusal(parseResponseHead(came, DEFAULT_HEAD_LIMITS)), `${name}: refused without the option`);
		const { head, byteCount } = whole(repairResponse(`${came}ok`, LENIENT, 'GET'));
		t.equal(byteCount, came.length, name);
		t.equal(head.framing.kind, framing, name);
		t.equal((head.connection & ConnectionOption.CLOSE) !== 0, closes, `${name}: closes`);
	}
});

t.test('the head ends at the first empty line of either kind', async (t) => {
	const first = 'GET /1 HTTP/1.1\nHost: a\n\n';
	const { head, byteCount } = whole(repairRequest(`${first}GET /2 HTTP/1.1\r\nHost: b\r\n\r\n`, LENIENT));
	t.equal(head.target, '/1');
	t.equal(byteCount, first.length);
	t.equal(repairRequest('GET /1 HTTP/1.1\nHost: a\n', LENIENT), undefined, 'no end yet');
});

t.test('what has no one meaning stays refused', async (t) => {
	const rows: readonly (readonly [string, string, string])[] = [
		['a CR alone', 'GET /x HTTP/1.1|Host: a\rX: y||', 'CR_WITHOUT_LF'],
		['NUL', 'GET /x HTTP/1.1|Host: a|X: \0||', 'VALUE_INVALID'],
		['two Hosts', 'GET /x HTTP/1.1|Host: a|Host: b||', 'HOST_REPEATED'],
		[
			'a bad length beside chunks',
			'POST /x HTTP/1.1|Host: a|Content-Length: +2|Transfer-Encoding: chunked||',
			'LENGTH_INVALID',
		],
		['two lengths', 'POST /x HTTP/1.1|Host: a|Content-Length: 1|Content-Length: 2||', 'LENGTH_REPEATED'],
		['a list of two lengths', 'POST /x HTTP/1.1|Host: a|Content-Length: 1, 2||', 'LENGTH_INVALID'],
		['a blank before the colon', 'GET /x HTTP/1.1|Host: a|Content-Length : 2||', 'NAME_INVALID'],
		['a fold with nothing before it', 'GET /x HTTP/1.1| X: y|Host: a||', 'FOLDED_LINE'],
		[
			'a coding that is folded in two',
			'POST /x HTTP/1.1|Host: a|Transfer-Encoding: chunked,| gzip||',
			'CODING_INVALID',
		],
		['a blank in the target', 'GET /x y HTTP/1.1|Host: a||', 'REQUEST_LINE_INVALID'],
	];
	for (const [name, text, code] of rows) {
		const outcome = repairRequest(bytes(text), LENIENT);
		t.equal(outcome instanceof HttpRefusal ? outcome.code : outcome, code, name);
	}
});
