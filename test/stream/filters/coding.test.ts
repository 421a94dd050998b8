/** Whether and how a response is compressed: rows as HAProxy 2.6 was seen to decide them. */
import t from 'tap';
import type { CompressionAlgorithm } from '../../../lib/config/model.js';
import {
	type BodyFraming,
	CHUNKED_BODY,
	CLOSE_BODY,
	HeaderList,
	NO_BODY,
	ResponseHead,
} from '../../../lib/http/message.js';
import {
	algorithmFor,
	isUnfitBrowser,
	markCompressedResponse,
	mayCompressResponse,
} from '../../../lib/stream/filters/coding.js';

function fields(...lines: string[]): HeaderList {
	const list = new HeaderList();
	for (const line of lines) list.add(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim());
	return list;
}

t.test("the client's wish", async (t) => {
	const both: CompressionAlgorithm[] = ['gzip', 'deflate'];
	const rows: [string | undefined, CompressionAlgorithm[], CompressionAlgorithm | undefined][] = [
		[undefined, both, undefined],
		['gzip', both, 'gzip'],
		['GZIP', both, 'gzip'],
		['x-gzip', both, undefined],
		['deflate', both, 'deflate'],
		['gzip, deflate', both, 'gzip'],
		['deflate, gzip', both, 'deflate'],
		['gzip;q=0', both, undefined],
		['gzip;q=0, deflate;q=0.5', both, 'deflate'],
		['identity, gzip;q=0.001', both, 'gzip'],
		['br, gzip;q=0.2, deflate;q=0.3', both, 'deflate'],
		['*', both, 'deflate'],
		['*;q=0.1, gzip;q=0', both, 'deflate'],
		['gzip ; q=0.5', both, 'gzip'],
		['br', ['gzip', 'br'], 'br'],
		['deflate', ['gzip', 'raw-deflate'], 'raw-deflate'],
		[undefined, ['identity'], 'identity'],
		['gzip', ['identity'], 'identity'],
	];
	for (const [value, algorithms, expected] of rows) {
		const headers = value === undefined ? fields() : fields(`accept-encoding: ${value}`);
		t.equal(algorithmFor(headers, algorithms), expected, `${value} of ${algorithms.join(' ')}`);
	}
});

t.test('browsers that are left alone', async (t) => {
	const rows: [string, boolean][] = [
		['Mozilla/5.0', false],
		['curl/8', false],
		['Mozilla/4.0', true],
		['Mozilla/4.0 (compatible; MSIE 6.0)', true],
		['Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)', false],
		['Mozilla/4.0 (compatible; MSIE 7.0)', false],
	];
	for (const [agent, expected] of rows) t.equal(isUnfitBrowser(fields(`user-agent: ${agent}`)), expected, agent);
});

t.test('responses', async (t) => {
	const LENGTH: BodyFraming = { kind: 'length', length: 240 };
	const html = 'content-type: text/html; charset=utf8';
	const rows: [string, number, BodyFraming, string[], boolean][] = [
		['plain', 200, LENGTH, [html], true],
		['203', 203, LENGTH, [html], true],
		['206', 206, LENGTH, [html], false],
		['404', 404, LENGTH, [html], false],
		['chunked', 200, CHUNKED_BODY, [html], true],
		['until the close', 200, CLOSE_BODY, [html], false],
		['no body', 200, NO_BODY, [html], false],
		['an empty body', 200, { kind: 'length', length: 0 }, [html], false],
		['no type', 200, LENGTH, [], false],
		['another type', 200, LENGTH, ['content-type: image/png'], false],
		['capitals', 200, LENGTH, ['content-type: TEXT/HTML'], true],
		['encoded already', 200, LENGTH, [html, 'content-encoding: foo'], false],
		['no-transform', 200, LENGTH, [html, 'cache-control: public, no-transform'], false],
		['a strong tag', 200, LENGTH, [html, 'etag: "a"'], true],
		['a weak tag', 200, LENGTH, [html, 'etag: W/"a"'], true],
		['a bad tag', 200, LENGTH, [html, 'etag: a'], false],
		['two tags', 200, LENGTH, [html, 'etag: "a"', 'etag: "b"'], false],
	];
	for (const [name, status, framing, lines, expected] of rows) {
		const head = new ResponseHead(status, '', 11, fields(...lines), framing);
		t.equal(mayCompressResponse(head, 11, ['text/'], 0), expected, name);
	}
	const head = new ResponseHead(200, '', 11, fields(html), LENGTH);
	t.notOk(mayCompressResponse(head, 10, ['text/'], 0), 'to a client of HTTP/1.0');
	t.notOk(mayCompressResponse(head, 11, ['text/'], 241), 'below the minimum');
	t.ok(mayCompressResponse(new ResponseHead(200, '', 11, fields(), LENGTH), 11, [], 0), 'any type');
	t.notOk(mayCompressResponse(new ResponseHead(200, '', 11, fields('content-type: multipart/x'), LENGTH), 11, [], 0));
	t.notOk(mayCompressResponse(new ResponseHead(200, '', 10, fields(html), LENGTH), 11, [], 0), 'from HTTP/1.0');
});

t.test('what the head says afterwards', async (t) => {
	const headers = fields('content-length: 9', 'etag: "a"', 'vary: Accept-Encoding');
	markCompressedResponse(headers, 'gzip');
	t.same(headers.names, ['etag', 'vary', 'transfer-encoding', 'vary', 'content-encoding']);
	t.same(headers.values, ['W/"a"', 'Accept-Encoding', 'chunked', 'Accept-Encoding', 'gzip']);
	const identity = fields('content-length: 9');
	markCompressedResponse(identity, 'identity');
	t.same(identity.names, ['transfer-encoding', 'vary']);
});
