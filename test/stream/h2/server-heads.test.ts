import t from 'tap';
import { FieldList } from '../../../lib/http/h2/field-list.js';
import { HpackDecoder } from '../../../lib/http/h2/hpack-decoder.js';
import { HpackEncoder } from '../../../lib/http/h2/hpack-encoder.js';
import { parseRequestHead } from '../../../lib/http/head-parser.js';
import { HeaderList, type RequestHead, type ResponseHead } from '../../../lib/http/message.js';
import { isRefusal } from '../../../lib/http/refusal.js';
import { serializeResponse } from '../../../lib/http/serializer.js';
import {
	encodeRequest,
	flatTrailers,
	ResponseHeads,
	switched,
	trailersOf,
} from '../../../lib/stream/h2/server-heads.js';
import { type Field, Fields } from '../../fixtures/hpack.js';

const LIMITS = { headSizeMax: 16_384, headerCountMax: 101 };

function requestHead(text: string): RequestHead {
	const head = parseRequestHead(`${text.replaceAll('\n', '\r\n')}\r\n\r\n`, LIMITS);
	if (isRefusal(head)) throw new Error(head.reason);
	return head;
}

function encoded(request: RequestHead, isTls = false): readonly Field[] {
	const encoder = new HpackEncoder();
	encoder.begin();
	encodeRequest(encoder, request, isTls);
	const sink = new Fields();
	new HpackDecoder(4096, LIMITS).decode(encoder.bytes, 0, encoder.length, sink);
	return sink.list;
}

const list = (...fields: readonly Field[]): FieldList => {
	const fieldList = new FieldList();
	for (const [name, value] of fields) fieldList.field(name, value);
	return fieldList;
};

t.test('requests', async (t) => {
	t.same(encoded(requestHead('POST /a?b HTTP/1.1\nhost: x:80\nx-a: 1\ncontent-length: 5\nx-a: 2'), true), [
		[':method', 'POST'],
		[':scheme', 'https'],
		[':authority', 'x:80'],
		[':path', '/a?b'],
		['x-a', '1'],
		['content-length', '5'],
		['x-a', '2'],
	]);
	t.same(encoded(requestHead('POST / HTTP/1.1\nhost: x\ntransfer-encoding: chunked')).slice(4), [], 'no coding');
	t.same(encoded(requestHead('GET / HTTP/1.1\nhost: ')).slice(2), [[':path', '/']], 'no authority');
	t.same(encoded(requestHead('CONNECT x:443 HTTP/1.1\nhost: x:443\nx-a: b')), [
		[':method', 'CONNECT'],
		[':authority', 'x:443'],
		['x-a', 'b'],
	]);
	t.same(encoded(requestHead('GET / HTTP/1.0')).slice(0, 3), [
		[':method', 'GET'],
		[':scheme', 'http'],
		[':path', '/'],
	]);
});

t.test('what rules have left in a request does not break it', async (t) => {
	const request = requestHead('GET / HTTP/1.1\nhost: x');
	request.headers.add('connection', 'close');
	request.headers.add('keep-alive', 'x');
	request.headers.add('transfer-encoding', 'chunked');
	request.headers.add('content-length', '77');
	request.headers.add('upgrade', 'h2c');
	request.headers.add('te', 'gzip');
	request.headers.add('x-a', ' b ');
	t.same(encoded(request).slice(4), [['x-a', 'b']]);
	request.method = 'GET /x HTTP/1.1\r\n';
	t.throws(() => encoded(request), { code: 'HTTP_MALFORMED' });
	const post = requestHead('POST / HTTP/1.1\nhost: x\ncontent-length: 5');
	post.headers.remove('content-length');
	t.same(encoded(post).slice(4), [['content-length', '5']], 'the body still has its length');
});

t.test('a request for WebSocket (RFC 8441)', async (t) => {
	const request = requestHead(
		'GET /chat HTTP/1.1\nhost: x\nconnection: Upgrade\nupgrade: WebSocket\nsec-websocket-key: k\nsec-websocket-version: 13',
	);
	t.same(encoded(request), [
		[':method', 'CONNECT'],
		[':protocol', 'websocket'],
		[':scheme', 'http'],
		[':authority', 'x'],
		[':path', '/chat'],
		['sec-websocket-version', '13'],
	]);
	const answer = new ResponseHeads().read(list([':status', '200'], ['a', 'b']), false, 'GET') as ResponseHead;
	const head = switched(answer, 'websocket', 'dGhlIHNhbXBsZSBub25jZQ==');
	t.equal(head.status, 101);
	t.same(head.headers.values, ['b', 'upgrade', 'websocket', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
});

t.test('responses that are alike share their fields', async (t) => {
	const heads = new ResponseHeads();
	const read = (...fields: Field[]): ResponseHead => {
		const head = heads.read(list([':status', '200'], ...fields), false, 'GET');
		if (isRefusal(head)) throw new Error(head.reason);
		return head;
	};
	const first = read(['a', '1'], ['content-length', '5']);
	const second = read(['a', '1'], ['content-length', '5']);
	t.ok(first.headers.section);
	t.equal(second.headers.section, first.headers.section);
	t.same(second.framing, { kind: 'length', length: 5 });
	second.headers.add('x', 'y');
	t.same(first.headers.names, ['a', 'content-length'], 'a change is of one head alone');
	t.same(read(['a', '1'], ['content-length', '5']).headers.names, ['a', 'content-length']);
	const other = read(['a', '2'], ['content-length', '5']);
	t.equal(other.headers.get('a'), '2');
	t.not(other.headers.section, first.headers.section);
	t.same(read(['a', '2'], ['content-length', '6']).framing, { kind: 'length', length: 6 });
	t.same(read(['a', '2']).framing, { kind: 'chunked' });
	t.same(read().headers.names, []);
	const options = { keepAlive: false, close: false, dechunk: false };
	t.equal(serializeResponse(read(['b', '1']), options), serializeResponse(read(['b', '1']), options));
});

t.test('framing goes by method and status, also of what is alike', async (t) => {
	const heads = new ResponseHeads();
	const framing = (status: string, method: string, ends = false, length = '5'): unknown => {
		const head = heads.read(list([':status', status], ['content-length', length]), ends, method);
		return isRefusal(head) ? head.code : [head.framing.kind, head.headers.get('content-length')];
	};
	t.same(framing('200', 'GET'), ['length', '5']);
	t.same(framing('200', 'HEAD', true), ['none', '5']);
	t.same(framing('200', 'CONNECT'), ['none', undefined]);
	t.same(framing('200', 'GET'), ['length', '5']);
	t.same(framing('304', 'GET', true), ['none', '5']);
	t.same(framing('204', 'GET', true), ['none', undefined]);
	t.same(framing('200', 'GET', true), 'LENGTH_INVALID', 'nothing follows');
	t.same(framing('200', 'GET', true, '0'), ['length', '0']);
});

t.test('a bad field is refused wherever a good one was before', async (t) => {
	const heads = new ResponseHeads();
	const read = (...fields: Field[]): unknown => {
		const head = heads.read(list([':status', '200'], ...fields), false, 'GET');
		return isRefusal(head) ? head.code : head.headers.values;
	};
	t.same(read(['a', 'b'], ['c', 'd']), ['b', 'd']);
	t.equal(read(['a', 'b'], ['c', 'd\r\nx: y']), 'VALUE_INVALID');
	t.equal(read(['a', 'b'], ['C', 'd']), 'NAME_INVALID');
	t.equal(read(['a', 'b'], ['connection', 'd']), 'NAME_INVALID');
	t.same(read(['a', 'b'], ['c', ' d ']), ['b', 'd'], 'blanks are taken away');
	t.same(read(['a', 'b'], ['c', ' d ']), ['b', 'd']);
	t.equal(read([':status', '200']), 'NAME_INVALID');
	t.same(read(['content-length', '1'], ['content-length', '1']), ['1'], 'one of two that agree');
});

t.test('trailers', async (t) => {
	const trailers = trailersOf(list(['x-sum', '7'], ['content-length', '1']));
	t.same([trailers?.names, trailers?.values], [['x-sum'], ['7']]);
	for (const field of [
		[':status', '200'],
		['X', 'y'],
		['a b', 'c'],
		['', 'c'],
		['a', 'b\n'],
	] as const) {
		t.equal(trailersOf(list(['x-sum', '7'], field)), undefined, JSON.stringify(field));
	}
	t.same(flatTrailers(new HeaderList(['a', 'connection', 'c'], ['b', 'close', ' d'])), ['a', 'b', 'c', 'd']);
});
