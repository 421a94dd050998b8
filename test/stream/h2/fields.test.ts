import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { HeaderList, ResponseHead } from '../../../lib/http/message.js';
import { responseFields, trailerFields } from '../../../lib/stream/h2/fields.js';

const head = (status: number, ...fields: readonly (readonly [string, string])[]): ResponseHead =>
	new ResponseHead(
		status,
		'',
		11,
		new HeaderList(
			fields.map(([name]) => name),
			fields.map(([, value]) => value),
		),
	);

t.test('fields of a response', async (t) => {
	const fields = responseFields(
		head(
			200,
			['a', '1'],
			['__proto__', 'x'],
			['a', '2'],
			['connection', 'close'],
			['a', '3'],
			['content-type', 'x'],
			['content-type', 'y'],
		),
		false,
	);
	t.same(Object.entries(fields), [
		[':status', 200],
		['a', ['1', '2', '3']],
		['__proto__', 'x'],
		['content-type', 'x'],
	]);
	const tunnel = responseFields(head(101, ['upgrade', 'x'], ['sec-websocket-accept', 'y'], ['a', 'b']), true);
	t.same(Object.entries(tunnel), [
		[':status', 200],
		['a', 'b'],
	]);
	t.same(Object.entries(trailerFields(new HeaderList(['a', 'te'], ['b', 'c']))), [
		['a', 'b'],
		['te', 'c'],
	]);
});

t.test('Node takes every name twice but those that are known', async (t) => {
	const names = [
		'accept',
		'cookie',
		'set-cookie',
		'server',
		'vary',
		'www-authenticate',
		'cache-control',
		'x-y',
		'alt-svc',
		'link',
		'via',
		'warning',
		'expect',
		'origin',
		'age',
		'etag',
		'date',
		'location',
		'content-type',
		'content-length',
		'user-agent',
		'referer',
		'authorization',
		'range',
		'retry-after',
		'expires',
		'host',
		'dnt',
		'tk',
		'x-content-type-options',
		'strict-transport-security',
		'x-forwarded-for',
		'allow',
		'trailer',
		'max-forwards',
		'from',
		'if-match',
		'last-modified',
		'content-range',
		'content-encoding',
		'content-language',
		'content-location',
		'content-md5',
		'access-control-max-age',
		'access-control-allow-origin',
		'upgrade-insecure-requests',
	];
	const server = http2.createServer();
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const thrown: string[] = [];
	server.on('stream', (stream) => {
		stream.on('error', () => undefined);
		const all = head(200, ...names.flatMap((name) => [[name, '1'] as const, [name, '1'] as const]));
		try {
			stream.respond(responseFields(all, false), { endStream: true });
		} catch (error) {
			thrown.push(String(error));
			stream.close();
		}
	});
	const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
	const stream = session.request({ ':path': '/', ':method': 'HEAD' });
	stream.on('error', () => undefined);
	await new Promise((resolve) => stream.on('close', resolve));
	session.destroy();
	server.close();
	t.same(thrown, []);
});
