/**
 * What stick counters count, and when: the table of stick-tables.md, section 6, row by row, with one tracker at
 * session level, one at stream level from the request and one from the response.
 */
import t, { type Test } from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import { type Harness, startHarness } from '../fixtures/proxy-harness.js';
import { closedPort, exchangeOnce, GET, OK, rawClient, startOrigin } from '../fixtures/raw-http.js';

const STORE = 'http_req_cnt,http_err_cnt,http_fail_cnt,conn_cnt,conn_cur,sess_cnt,bytes_in_cnt,bytes_out_cnt';

async function start(t: Test, rules = ''): Promise<{ harness: Harness; port: number }> {
	const origin = await startOrigin(({ path, socket }) => {
		const status = /^\/status\/(\d+)/.exec(path)?.[1];
		if (status !== undefined) socket.write(`HTTP/1.1 ${status} x\r\ncontent-length: 0\r\n\r\n`);
		else if (path === '/drop') socket.destroy();
		else if (path === '/garbage') socket.write('GARBAGE\r\n\r\n');
		else if (path !== '/silent') socket.write(OK('ok'));
	});
	const harness = await startHarness(`
defaults
	mode http
	timeout client 5s
	timeout server 100ms
	timeout connect 50ms
	timeout tarpit 20ms
	timeout http-request 100ms
	retries 0
frontend fe
	bind 127.0.0.1:0
	tcp-request connection track-sc0 src table session
	http-request track-sc1 src table request
	http-request deny if { path /deny }
	http-request tarpit if { path /tarpit }
	http-request reject if { path /reject }
	http-request return status 404 if { path /return }
	http-request redirect location / if { path /redirect }
	${rules}
	http-response track-sc2 src table response
	use_backend dead if { path /dead }
	use_backend empty if { path /empty }
	default_backend be
backend be
	server s1 127.0.0.1:${origin.port}
backend dead
	server s1 127.0.0.1:${await closedPort()}
backend empty
backend session
	stick-table type ip size 10 store ${STORE}
backend request
	stick-table type ip size 10 store ${STORE}
backend response
	stick-table type ip size 10 store ${STORE}
`);
	t.teardown(async () => {
		await harness.close();
		await origin.close();
	});
	return { harness, port: harness.port('fe') };
}

const client = IpAddress.parse('127.0.0.1') as IpAddress;

/** The figures of the client's entry, undefined where there is no entry. */
function read(harness: Harness, table: string, ...types: readonly string[]): (number | undefined)[] {
	const stickTable = harness.tables.get(table);
	if (stickTable === undefined) throw new Error(`no table ${table}`);
	return types.map((type) => {
		const slot = stickTable.slot(type);
		return slot === undefined ? undefined : stickTable.readByKey(client, slot, 0, harness.thread.nowMs());
	});
}

const errors = ['http_req_cnt', 'http_err_cnt', 'http_fail_cnt'] as const;

type Counts = readonly [requests: number, errors: number, failures: number];
const NONE = [undefined, undefined, undefined] as const;

t.test('one request each: (req, err, fail) of the session, request and response trackers', async (t) => {
	const rows: readonly (readonly [
		request: string,
		session: Counts,
		request: Counts,
		response: Counts | typeof NONE,
	])[] = [
		['/ok', [1, 0, 0], [1, 0, 0], [1, 0, 0]],
		['/status/400', [1, 1, 0], [1, 1, 0], [1, 1, 0]],
		['/status/404', [1, 1, 0], [1, 1, 0], [1, 1, 0]],
		['/status/429', [1, 1, 0], [1, 1, 0], [1, 1, 0]],
		['/status/499', [1, 1, 0], [1, 1, 0], [1, 1, 0]],
		['/status/500', [1, 0, 1], [1, 0, 1], [1, 0, 1]],
		['/status/503', [1, 0, 1], [1, 0, 1], [1, 0, 1]],
		['/status/504', [1, 0, 1], [1, 0, 1], [1, 0, 1]],
		['/status/501', [1, 0, 0], [1, 0, 0], [1, 0, 0]],
		['/status/505', [1, 0, 0], [1, 0, 0], [1, 0, 0]],
		['/deny', [1, 1, 0], [1, 1, 0], NONE],
		['/tarpit', [1, 1, 0], [1, 1, 0], NONE],
		['/reject', [1, 0, 0], [1, 0, 0], NONE],
		['/return', [1, 0, 0], [1, 0, 0], NONE],
		['/redirect', [1, 0, 0], [1, 0, 0], NONE],
		['/dead', [1, 0, 0], [1, 0, 0], NONE],
		['/empty', [1, 0, 0], [1, 0, 0], NONE],
		['/drop', [1, 0, 1], [1, 0, 1], NONE],
		['/garbage', [1, 0, 1], [1, 0, 1], NONE],
		['/silent', [1, 0, 1], [1, 0, 1], NONE],
	];
	for (const [path, session, request, response] of rows) {
		await t.test(path, async (t) => {
			const { harness, port } = await start(t);
			await exchangeOnce(port, GET(path, 'Connection: close\r\n'));
			await harness.ended(1);
			t.same(read(harness, 'session', ...errors), session, 'session');
			t.same(read(harness, 'request', ...errors), request, 'request');
			t.same(read(harness, 'response', ...errors), response, 'response');
			t.same(harness.errors, []);
		});
	}
});

t.test('bytes that make no request count on session-level trackers alone', async (t) => {
	const cases: readonly (readonly [name: string, text: string, finish: boolean])[] = [
		['garbage', 'GARBAGE\r\n\r\n', false],
		['cut in the head', 'GET / HT', true],
		['nothing at all', '', true],
		['too late', 'GET /', false],
	];
	for (const [name, text, finish] of cases) {
		const { harness, port } = await start(t);
		const socket = await rawClient(port);
		if (text !== '') socket.send(text);
		if (finish) socket.finish();
		await socket.end();
		socket.close();
		await harness.ended(1);
		t.same(read(harness, 'session', ...errors), [1, 1, 0], name);
		t.same(read(harness, 'request', ...errors), NONE, name);
	}
});

t.test('a probe does not count with http-ignore-probes, nor an idle connection that closes', async (t) => {
	const { harness, port } = await start(t);
	const idle = await rawClient(port);
	idle.send(GET('/ok'));
	await idle.until('ok');
	idle.finish();
	await idle.end();
	t.same(read(harness, 'session', ...errors), [1, 0, 0]);
	const ignoring = await start(t, 'option http-ignore-probes');
	const probe = await rawClient(ignoring.port);
	probe.finish();
	await probe.end();
	t.same(read(ignoring.harness, 'session', ...errors), [0, 0, 0]);
	t.equal(ignoring.harness.streams.length, 0);
});

t.test('three requests on one connection: how often each level tracks', async (t) => {
	const { harness, port } = await start(t);
	const socket = await rawClient(port);
	for (let i = 0; i < 3; i++) {
		socket.received = '';
		socket.send(GET('/ok'));
		await socket.until('ok');
	}
	await harness.ended(3);
	const types = ['conn_cnt', 'conn_cur', 'sess_cnt', 'http_req_cnt'];
	t.same(read(harness, 'session', ...types), [1, 1, 1, 3]);
	t.same(read(harness, 'request', ...types), [3, 0, 0, 3]);
	t.same(read(harness, 'response', ...types), [3, 0, 0, 3]);
	t.same(read(harness, 'session', 'bytes_out_cnt'), [3 * 51], 'as the reference sizes a message');
	t.same(read(harness, 'request', 'bytes_in_cnt'), [3 * (20 + 3 + 3 + 8 + 4 + 1 + 1)]);
	socket.close();
	while ((harness.listeners[0]?.connectionCount as number) > 0) await new Promise((resolve) => setTimeout(resolve, 2));
	t.same(read(harness, 'session', ...types), [1, 0, 1, 3]);
});

t.test('the first tracker of an index wins: the session keeps its own', async (t) => {
	const { harness, port } = await start(t, 'http-request track-sc0 src table request');
	await exchangeOnce(port, GET('/ok', 'Connection: close\r\n'));
	await harness.ended(1);
	t.same(read(harness, 'request', 'http_req_cnt', 'conn_cnt'), [1, 1], 'sc1 alone');
	t.same(read(harness, 'request', 'conn_cur'), [0], 'nothing stays pinned');
});

t.test('tcp-request connection reject: nothing is read, the connection counts as denied', async (t) => {
	const { harness, port } = await start(t, 'tcp-request connection reject if { src 127.0.0.0/8 }');
	const socket = await rawClient(port);
	await socket.end();
	t.equal(socket.received, '');
	t.equal(harness.counters('frontend', 'fe').total('dcon'), 1);
	t.equal(harness.counters('frontend', 'fe').current, 0);
	t.same(read(harness, 'session', 'conn_cnt', 'conn_cur', 'sess_cnt'), [1, 0, 0]);
});
