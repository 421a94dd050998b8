/**
 * `accept-invalid-http-request` and `-response`: what they let through, what they never do, and that a proxy without
 * them refuses the same bytes even after one with them has taken them.
 */
import t from 'tap';
import {
	DEFAULT_HEAD_LIMITS,
	type HeadLimits,
	parseRequestHead,
	parseResponseHead,
} from '../../lib/http/head-parser.js';
import { isRefusal } from '../../lib/http/refusal.js';

const LENIENT: HeadLimits = { ...DEFAULT_HEAD_LIMITS, acceptInvalid: true };

t.test('requests', async (t) => {
	const rows: [string, string][] = [
		['a fragment', 'GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n'],
		['bytes beyond ASCII in the target', 'GET /\xfc\x80 HTTP/1.1\r\nHost: x\r\n\r\n'],
		['a name that is no token', 'GET / HTTP/1.1\r\nHost: x\r\nX(y): 1\r\n\r\n'],
		['a name beyond ASCII', 'GET / HTTP/1.1\r\nHost: x\r\nX\xfcy: 1\r\n\r\n'],
	];
	for (const [name, head] of rows) {
		t.ok(isRefusal(parseRequestHead(head, DEFAULT_HEAD_LIMITS)), `${name}: refused as always`);
		t.notOk(isRefusal(parseRequestHead(head, LENIENT)), `${name}: taken`);
		t.ok(isRefusal(parseRequestHead(head, DEFAULT_HEAD_LIMITS)), `${name}: and refused again`);
	}
	const head = parseRequestHead('GET /a#b HTTP/1.1\r\nHost: x\r\nX(Y): 1\r\n\r\n', LENIENT);
	if (!isRefusal(head)) {
		t.equal(head.target, '/a#b');
		t.equal(head.headers.get('x(y)'), '1');
	}
});

t.test('never', async (t) => {
	const rows: [string, string][] = [
		['a blank before the colon', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n'],
		['a folded line', 'GET / HTTP/1.1\r\nHost: x\r\n y: z\r\n\r\n'],
		['a bare LF', 'GET / HTTP/1.1\r\nHost: x\nY: z\r\n\r\n'],
		['NUL in a name', 'GET / HTTP/1.1\r\nHost: x\r\nY\0: z\r\n\r\n'],
		['a control byte in a target', 'GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n'],
		['two framings', 'GET / HTTP/1.1\r\nHost: x\r\nX(y): 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
		['two lengths', 'GET / HTTP/1.1\r\nHost: x\r\nX(y): 1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
		['HTTP/0.9', 'GET /\r\n\r\n'],
		['another protocol', 'GET / RTSP/1.0\r\nHost: x\r\n\r\n'],
		['no colon', 'GET / HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n'],
	];
	for (const [name, head] of rows) t.ok(isRefusal(parseRequestHead(head, LENIENT)), name);
});

t.test('responses', async (t) => {
	const head = 'HTTP/1.1 200 OK\r\nX(y): 1\r\nContent-Length: 0\r\n\r\n';
	t.ok(isRefusal(parseResponseHead(head, DEFAULT_HEAD_LIMITS)));
	t.notOk(isRefusal(parseResponseHead(head, LENIENT)));
	t.ok(isRefusal(parseResponseHead(head, DEFAULT_HEAD_LIMITS)));
});
