/**
 * `option forwarded`: the field of RFC 7239 as HAProxy's manual (2.8, 4.2) shows it in its examples, what cannot be said
 * in it, and lines that make no sense.
 */
import t, { type Test } from 'tap';
import { startHarness } from '../fixtures/proxy-harness.js';
import { exchangeOnce, OK, startOrigin } from '../fixtures/raw-http.js';

async function fieldFor(t: Test, option: string, rules = ''): Promise<string | undefined> {
	let head = '';
	const origin = await startOrigin((request) => {
		head = request.head;
		request.socket.write(OK('ok'));
	});
	t.teardown(() => origin.close());
	const harness = await startHarness(`
defaults
	mode http
	timeout client 5s
	timeout server 5s
	timeout connect 5s
frontend f
	bind 127.0.0.1:0
	http-request set-src hdr(x-src) if { req.hdr(x-src) -m found }
	http-request set-src-port hdr(x-port) if { req.hdr(x-port) -m found }
	${rules}
	default_backend b
backend b
	${option}
	server s 127.0.0.1:${origin.port}
`);
	t.teardown(() => harness.close());
	await exchangeOnce(
		harness.port('f'),
		'GET / HTTP/1.1\r\nhost: haproxy.org\r\nx-src: 127.0.0.1\r\nx-port: 60138\r\nconnection: close\r\n\r\n',
	);
	return /^forwarded: (.*)\r$/m.exec(head)?.[1];
}

t.test('what the manual shows', async (t) => {
	const rows: readonly (readonly [option: string, field: string | undefined])[] = [
		['option forwarded', 'proto=http;for=127.0.0.1'],
		['option forwarded proto for', 'proto=http;for=127.0.0.1'],
		['option forwarded host for-expr src,xxh32,hex for_port', 'host="haproxy.org";for="_00000000013FB3EE:60138"'],
		[
			'option forwarded host-expr str(host.com) by-expr str(_haproxy) for-expr str(::1) for_port-expr int(10)',
			'host="host.com";by=_haproxy;for="[::1]:10"',
		],
		['option forwarded for-expr str(000000002B1F4D63)', 'for=_000000002B1F4D63'],
		['option forwarded by by_port-expr int(8080)', 'by="127.0.0.1:8080"'],
		['option forwarded for-expr src,ipmask(24)', 'for=127.0.0.0'],
		// The order of the field, whatever that of the line.
		['option forwarded for by host proto', 'proto=http;host="haproxy.org";by=127.0.0.1;for=127.0.0.1'],
		['no option forwarded', undefined],
	];
	for (const [option, field] of rows) t.equal(await fieldFor(t, option), field, option);
});

t.test('what would break the field is left out', async (t) => {
	t.equal(await fieldFor(t, 'option forwarded proto host-expr str(a\\ b)'), 'proto=http');
	t.equal(await fieldFor(t, 'option forwarded for-expr str(a;b)'), undefined);
	t.equal(await fieldFor(t, 'option forwarded for for_port-expr int(70000)'), 'for=127.0.0.1');
	t.equal(await fieldFor(t, 'option forwarded host for-expr req.hdr(none)'), 'host="haproxy.org"');
});

t.test('lines that are refused', async (t) => {
	await t.rejects(fieldFor(t, 'option forwarded nothing'), /unknown argument 'nothing'/);
	await t.rejects(fieldFor(t, 'option forwarded for_port'), /'for_port' needs 'for'/);
	await t.rejects(fieldFor(t, 'option forwarded by_port proto'), /'by_port' needs 'by'/);
	await t.rejects(fieldFor(t, 'option forwarded host-expr'), /host-expr : missing fetch method/);
	await t.rejects(fieldFor(t, 'option forwarded for-expr nofetch'), /for-expr : unknown fetch method 'nofetch'/);
});
