/**
 * Mode tcp that becomes HTTP: by `switch-mode http`, and by a backend in mode http. To HTTP/1 the stream stays and runs
 * no content rule twice; to HTTP/2 it is replaced by the streams of the connection, which have rules and lines of
 * their own. Logs and answers are those of HAProxy 2.6 (see also test/fixtures/confs/http-upgrade.cfg).
 */
import { connect, constants } from 'node:http2';
import t, { type Test } from 'tap';
import { type Harness, startHarness } from '../fixtures/proxy-harness.js';
import { OK, rawClient, startOrigin } from '../fixtures/raw-http.js';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

async function start(t: Test, rules: string, clientTimeout = '5s'): Promise<{ harness: Harness; heads: string[] }> {
	const heads: string[] = [];
	const origin = await startOrigin((request) => {
		heads.push(request.head);
		request.socket.write(OK('ok'));
	});
	const harness = await startHarness(`
defaults
	timeout client ${clientTimeout}
	timeout server 5s
	timeout connect 5s
	log stdout format raw local0
	log-format "%ft %b/%s %ts %[capture.req.method]"
frontend f
	mode tcp
	bind 127.0.0.1:0
	tcp-request inspect-delay 5s
${rules}
	http-request set-header x-front %[var(txn.c)]
	default_backend b
backend b
	mode http
	server s1 127.0.0.1:${origin.port}
`);
	t.teardown(async () => {
		await harness.close();
		await origin.close();
		if (harness.errors.length > 0) throw harness.errors[0];
	});
	return { harness, heads };
}

const field = (head: string | undefined, name: string): string | undefined =>
	new RegExp(`^${name}: (.*)\r$`, 'm').exec(head ?? '')?.[1];

t.test('switch-mode: content rules run once for a request, and for each request', async (t) => {
	const { harness, heads } = await start(
		t,
		`	tcp-request content set-var(txn.c) var(txn.c),add(1) if { int(0),add(1) -m int 1 }
	tcp-request content set-var(txn.c) str(new) if !{ var(txn.c) -m found }
	tcp-request content switch-mode http if HTTP
	tcp-request content reject`,
	);
	const client = await rawClient(harness.port('f'));
	// Byte by byte: the rules are asked again with each, and none may count twice.
	for (const byte of 'GET /1 HTTP/1.1\r\nhost: h\r\n\r\n') client.socket.write(byte);
	await client.until('ok');
	client.socket.write('POST /2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc');
	await client.when('the second answer', (received) => received.split('ok').length === 3);
	client.socket.end();
	await harness.ended(2);
	t.same(
		heads.map((head) => field(head, 'x-front')),
		['new', 'new'],
	);
	t.same(harness.lines, ['f b/s1 -- GET', 'f b/s1 -- POST']);
	t.equal(harness.counters('backend', 'b').total('req_tot'), 2);
});

t.test('a backend in mode http upgrades by itself, and what is no HTTP gets its 400', async (t) => {
	const { harness, heads } = await start(t, '');
	const client = await rawClient(harness.port('f'));
	client.socket.write('GET /1 HTTP/1.1\r\nhost: h\r\n\r\n');
	await client.until('ok');
	client.socket.destroy();
	t.equal(heads.length, 1);
	const other = await rawClient(harness.port('f'));
	other.socket.write('SSH-2.0\r\n\r\n');
	await other.end();
	t.match(other.received, /^HTTP\/1.1 400 /);
	await harness.ended(2);
});

for (const [name, rules] of [
	['by a rule', '	tcp-request content switch-mode http if HTTP\n	tcp-request content reject'],
	['by its name', '	tcp-request content switch-mode http proto h2 if { req.len gt 0 }'],
	['by the backend', ''],
] as const) {
	t.test(`HTTP/2 ${name}`, async (t) => {
		const { harness, heads } = await start(t, `	tcp-request content set-var(txn.c) str(two)\n${rules}`);
		const session = connect(`http://127.0.0.1:${harness.port('f')}`);
		const statuses = await Promise.all(
			['/1', '/2'].map(
				(path) =>
					new Promise((resolve, reject) => {
						const stream = session.request({ ':path': path });
						stream.on('response', (headers) => resolve(headers[constants.HTTP2_HEADER_STATUS]));
						stream.on('error', reject);
						stream.resume();
						stream.end();
					}),
			),
		);
		t.same(statuses, [200, 200]);
		t.same(
			heads.map((head) => field(head, 'x-front')),
			['two', 'two'],
		);
		session.close();
		// Two requests and the stream of mode tcp, which has no line.
		await harness.ended(3);
		t.same(harness.lines, ['f b/s1 -- GET', 'f b/s1 -- GET']);
		t.equal(harness.frontends.get('f')?.currentSessions(), 1);
	});
}

t.test('proto h2: another protocol is not answered', async (t) => {
	const { harness } = await start(t, '	tcp-request content switch-mode http proto h2');
	const client = await rawClient(harness.port('f'));
	client.socket.write(PREFACE.slice(0, 10));
	client.socket.write('GET / HTTP/1.1\r\n\r\n');
	await client.end();
	t.equal(client.received, '');
	await harness.ended(1);
	t.match(harness.lines, [/^f f\/<NOSRV> .R -$/]);
});

t.test('a client that says nothing after the upgrade, or leaves', async (t) => {
	const { harness } = await start(t, '	tcp-request content switch-mode http', '300ms');
	const silent = await rawClient(harness.port('f'));
	silent.socket.write('GET / HT');
	await silent.end();
	t.match(silent.received, /^HTTP\/1.1 408 /);
	const gone = await rawClient(harness.port('f'));
	gone.socket.end('GET / HT');
	await harness.ended(2);
	t.same(
		harness.lines.map((line) => line.split(' ')[2]),
		['cR', 'CR'],
	);
});

t.test('an upgraded connection finds no way to a backend in mode tcp', async (t) => {
	const { harness } = await start(
		t,
		`	tcp-request content switch-mode http
	use_backend raw if { path /raw }
backend raw
	mode tcp
	server s 127.0.0.1:1
frontend other
	bind 127.0.0.1:0
	mode http`,
	);
	const client = await rawClient(harness.port('f'));
	client.socket.write('GET /raw HTTP/1.1\r\nhost: h\r\n\r\n');
	await client.end();
	t.equal(client.received, '');
	await harness.ended(1);
	t.same(harness.lines, ['f raw/<NOSRV> IR GET']);
});
