import t from 'tap';
import { DEFAULT_HEAD_LIMITS } from '../../../lib/http/head-parser.js';
import { ConnectionOption } from '../../../lib/http/message.js';
import { HttpRefusal } from '../../../lib/http/refusal.js';
import { serializeRequest } from '../../../lib/http/serializer.js';
import { type H2Request, Malformed, requestOf as requestOfFields } from '../../../lib/stream/h2/request-head.js';

/** Name, value, name, value. */
const requestOf = (fields: readonly string[], hasBody: boolean, limits = DEFAULT_HEAD_LIMITS) =>
	requestOfFields(
		fields.filter((_, i) => i % 2 === 0),
		fields.filter((_, i) => i % 2 === 1),
		hasBody,
		limits,
	);

const BASE = [':method', 'GET', ':scheme', 'https', ':authority', 'x.example', ':path', '/a?b=c'];

function good(fields: readonly string[], hasBody = false): H2Request {
	const request = requestOf(fields, hasBody, DEFAULT_HEAD_LIMITS);
	if (request instanceof Malformed || request instanceof HttpRefusal) throw new Error(request.reason);
	return request;
}

t.test('a request as a head of our own', async (t) => {
	const { head, method, isExtendedConnect } = good([
		...BASE,
		'cookie',
		'a=1',
		'x-a',
		'caf\xe9',
		'cookie',
		'b=2',
		'x-a',
		'',
	]);
	t.equal(head.version, 20);
	t.equal(head.target, 'https://x.example/a?b=c', 'the whole URI');
	t.same(head.headers.names, ['host', 'x-a', 'x-a', 'cookie'], 'host first, one cookie last');
	t.same(head.headers.values, ['x.example', 'caf\xe9', '', 'a=1; b=2']);
	t.equal(head.framing.kind, 'none');
	t.equal(method, 'GET');
	t.notOk(isExtendedConnect);
	t.match(serializeRequest(head, { close: false }), /^GET \/a\?b=c HTTP\/1\.1\r\nhost: x\.example\r\n/);
});

t.test('bodies', async (t) => {
	const post = [':method', 'POST', ...BASE.slice(2)];
	t.same(good([...post, 'content-length', '5'], true).head.framing, { kind: 'length', length: 5 });
	const chunked = good(post, true).head;
	t.equal(chunked.framing.kind, 'chunked');
	t.notOk(chunked.headers.has('transfer-encoding'), 'which no rule sees');
	t.match(serializeRequest(chunked, { close: false }), /\r\ntransfer-encoding: chunked\r\n/);
});

t.test('targets without a path', async (t) => {
	const star = good([':method', 'OPTIONS', ':scheme', 'http', ':authority', 'x', ':path', '*']).head;
	t.equal(star.target, 'http://x', 'as the reference shows it');
	t.match(serializeRequest(star, { close: false }), /^OPTIONS \* HTTP\/1\.1\r\n/);
	const tunnel = good([':method', 'CONNECT', ':authority', 'x:443'], true);
	t.equal(tunnel.head.target, 'x:443');
	t.equal(tunnel.head.framing.kind, 'none', 'its bytes are no body');
	t.match(serializeRequest(tunnel.head, { close: false }), /^CONNECT x:443 HTTP\/1\.1\r\n/);
});

t.test('a host instead of an authority', async (t) => {
	const fields = [':method', 'GET', ':scheme', 'http', ':path', '/', 'host', 'y.example'];
	t.equal(good(fields).head.target, 'http://y.example/');
	t.equal(good([...BASE, 'host', 'X.example']).head.headers.get('host'), 'x.example', 'both, and the same');
});

t.test('neither: servers of HTTP/1.1 are told with an empty Host', async (t) => {
	for (const more of [[], ['host', '']]) {
		const { head } = good([':method', 'GET', ':scheme', 'http', ':path', '/x', ...more]);
		t.equal(head.target, '/x');
		t.match(serializeRequest(head, { close: false }), /^GET \/x HTTP\/1\.1\r\nhost: \r\n/);
	}
});

t.test('extended CONNECT is an upgrade of HTTP/1.1', async (t) => {
	const fields = [
		':method',
		'CONNECT',
		':protocol',
		'websocket',
		':scheme',
		'https',
		':authority',
		'x',
		':path',
		'/ws',
	];
	const { head, isExtendedConnect, method } = good([...fields, 'sec-websocket-version', '13'], true);
	t.ok(isExtendedConnect);
	t.equal(method, 'CONNECT');
	t.equal(head.method, 'GET');
	t.ok((head.connection & ConnectionOption.UPGRADE) !== 0);
	t.equal(head.headers.get('upgrade'), 'websocket');
	t.equal(Buffer.from(head.headers.get('sec-websocket-key') ?? '', 'base64').length, 16);
	for (const without of [':scheme', ':path', ':authority']) {
		const at = fields.indexOf(without);
		const less = fields.filter((_, index) => index !== at && index !== at + 1);
		t.ok(requestOf(less, true, DEFAULT_HEAD_LIMITS) instanceof Malformed, `without ${without}`);
	}
});

t.test('what is too large has its status, what is malformed has none', async (t) => {
	const large = requestOf([...BASE, 'a', 'x'.repeat(40_000)], false, DEFAULT_HEAD_LIMITS);
	t.equal(large instanceof HttpRefusal && large.status, 431);
	const many = BASE.concat(Array.from({ length: 300 }, () => ['a', 'b']).flat());
	const refused = requestOf(many, false, DEFAULT_HEAD_LIMITS);
	t.equal(refused instanceof HttpRefusal && refused.status, 431);
	const bad: readonly (readonly string[])[] = [
		['a', 'b\r\nc: d'],
		['a', ' b'],
		['A', 'b'],
		['', 'b'],
		['connection', 'close'],
		['te', 'gzip'],
		['content-length', '5'],
		[':path', '/x'],
		[':status', '200'],
		['host', 'y.example'],
	];
	for (const [name = '', value = ''] of bad) {
		t.ok(requestOf([...BASE, name, value], false, DEFAULT_HEAD_LIMITS) instanceof Malformed, `${name}: ${value}`);
	}
});
