import t from 'tap';
import { bytesOfSample, createKeyHash, mainDomain, uriKey } from '../../../lib/backend/balance/keys.js';
import { rdpCookie, rdpServerAddress } from '../../../lib/backend/balance/rdp-cookie.js';
import { crc32 } from '../../../lib/backend/hash.js';
import { IpAddress } from '../../../lib/core/address.js';
import { fakeStream } from '../../fixtures/stream-view.js';

t.test('uri: what of the target is hashed', async (t) => {
	const none = { pathOnly: false, whole: false, lengthChars: 0, depth: 0 };
	const rows = [
		['/a/b?c=d', none, '/a/b'],
		['/a/b?c=d', { ...none, whole: true }, '/a/b?c=d'],
		['/a/b/c', { ...none, depth: 2 }, '/a/b'],
		['/a/b/c', { ...none, lengthChars: 3 }, '/a/'],
		['/a/b/c', { ...none, lengthChars: 3, depth: 1 }, '/a'],
		['http://h/a/b?c', none, 'http://h/a/b'],
		['http://h/a/b?c', { ...none, pathOnly: true }, '/a/b'],
		['http://h', { ...none, pathOnly: true }, ''],
	] as const;
	for (const [target, options, key] of rows)
		t.equal(uriKey(target, options), key, `${target} ${JSON.stringify(options)}`);
});

t.test('use_domain_only, as HAProxy 2.6 takes it', async (t) => {
	const rows = [
		['haproxy.1wt.eu', '1wt'],
		['www.example.com:8080', 'example'],
		['example.com', 'example'],
		['localhost', 'localhost'],
		['.com', '.com'],
		['.', '.'],
		['..', '.'],
		['a..b', 'a.'],
		['a...b', '.'],
		['.a..b', 'a.'],
		['a.b.', 'b'],
		['', ''],
	] as const;
	for (const [host, key] of rows) t.equal(mainDomain(host), key, host);
});

t.test('check_post: the body of a POST is searched when the query has no such parameter', async (t) => {
	const hash = (checkPostBytes: number | undefined, method: string, target: string) =>
		createKeyHash(
			{ algorithm: 'url_param', name: 'id', checkPostBytes },
			{ method: 'map-based', function: 'crc32', avalanche: false },
			undefined,
		)(fakeStream({ method, target, body: 'x=1&id=body' }));
	t.equal(hash(64, 'POST', '/'), crc32('body'));
	t.equal(hash(64, 'POST', '/?id=query'), crc32('query'));
	t.equal(hash(64, 'GET', '/'), undefined);
	t.equal(hash(undefined, 'POST', '/'), undefined);
});

t.test('the bytes of a sample', async (t) => {
	t.equal(bytesOfSample('x'), 'x');
	t.equal(bytesOfSample(258), '\0\0\0\0\0\0\x01\x02');
	t.equal(bytesOfSample(-1), '\xff'.repeat(8));
	t.equal(bytesOfSample(true), '\0\0\0\0\0\0\0\x01');
	t.equal(bytesOfSample(2n ** 63n - 1n), `\x7f${'\xff'.repeat(7)}`);
	t.equal(bytesOfSample(IpAddress.parse('1.2.3.4') as IpAddress), '\x01\x02\x03\x04');
	t.equal(bytesOfSample(Buffer.from('ab')), 'ab');
});

t.test('the cookie of an RDP connection request, whole and cut anywhere', async (t) => {
	const text = Buffer.from('Cookie: mstshash=user\r\n', 'latin1');
	const head = Buffer.from([3, 0, 0, 11 + text.length, 6 + text.length, 0xe0, 0, 0, 0, 0, 0]);
	const bytes = Buffer.concat([head, text]);
	t.equal(rdpCookie(bytes, 'mstshash'), 'user');
	t.equal(rdpCookie(bytes, 'MSTSHASH'), 'user');
	t.equal(rdpCookie(bytes, ''), 'user', 'any cookie');
	t.equal(rdpCookie(bytes, 'other'), undefined);
	for (let length = 0; length < bytes.length; length++)
		t.equal(rdpCookie(bytes.subarray(0, length), 'mstshash'), undefined, `${length} bytes`);
	t.equal(rdpCookie(Buffer.from(`GET / HTTP/1.1\r\nCookie: mstshash=user\r\n\r\n`), 'mstshash'), undefined);
});

t.test('the address in a cookie of terminal servers', async (t) => {
	t.same(rdpServerAddress('3640205228.15629.0000'), { address: '172.31.249.216', port: 3389 });
	t.same(rdpServerAddress('16777343.15629.'), { address: '127.0.0.1', port: 3389 });
	for (const text of ['', 'user', '1.2', '99999999999.1.0', '4294967296.1.0', '1.65536.0', '1.2x.0']) {
		t.equal(rdpServerAddress(text), undefined, text);
	}
});
