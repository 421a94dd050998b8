/** `pause` and `set-retries` (HAProxy 3.x): rules that wait, and how often a request is tried. */
import t, { type Test } from 'tap';
import { type Harness, startHarness } from '../fixtures/proxy-harness.js';
import { closedPort, exchangeOnce, OK, startOrigin } from '../fixtures/raw-http.js';

async function start(t: Test, frontend: string, backend: string, port?: number): Promise<Harness> {
	const origin = await startOrigin(({ socket }) => socket.write(OK('ok')));
	t.teardown(() => origin.close());
	const harness = await startHarness(`
defaults
	mode http
	timeout client 10s
	timeout server 10s
	timeout connect 50ms
frontend f
	bind 127.0.0.1:0
	${frontend}
	default_backend b
backend b
	${backend}
	server s 127.0.0.1:${port ?? origin.port}
`);
	t.teardown(() => harness.close());
	return harness;
}

const REQUEST = 'GET / HTTP/1.1\r\nhost: h\r\nx-wait: 60\r\nconnection: close\r\n\r\n';

t.test('pause: each rule waits once, and what follows goes on', async (t) => {
	const harness = await start(
		t,
		`http-request set-var(txn.began) date(0,ms)
	http-request pause 50ms
	http-request pause req.hdr(x-wait)
	http-request pause req.hdr(x-none)
	http-request set-var(txn.waited) date(0,ms),sub(txn.began)
	http-response set-header x-waited %[var(txn.waited)]`,
		`http-response set-var(txn.answered) date(0,ms)
	http-response pause 40ms if { status 200 }
	http-response set-header x-held %[date(0,ms),sub(txn.answered)]`,
	);
	const answer = await exchangeOnce(harness.port('f'), REQUEST);
	t.match(answer, /^HTTP\/1.1 200 /);
	const figure = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(answer)?.[1]);
	// Timers of Node may come a millisecond early by the clock of the wall.
	t.ok(figure('x-waited') >= 105, `${figure('x-waited')} ms of 110`);
	t.ok(figure('x-held') >= 37, `${figure('x-held')} ms of 40`);
});

t.test('pause: a client that leaves meanwhile ends the request', async (t) => {
	const harness = await start(t, 'http-request pause 1h', 'option abortonclose');
	const { connect } = await import('node:net');
	const socket = connect(harness.port('f'), '127.0.0.1');
	socket.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
	await new Promise((resolve) => socket.once('connect', resolve));
	setTimeout(() => socket.resetAndDestroy(), 50);
	const stream = await harness.ended(1);
	t.equal(stream.cause, 'C');
});

t.test('set-retries: in place of the backend’s', async (t) => {
	const port = await closedPort();
	const rows: readonly (readonly [rule: string, retries: number])[] = [
		['', 1],
		['http-request set-retries 3', 3],
		['http-request set-retries 0', 0],
		['http-request set-retries int(2)', 2],
		['http-request set-retries int(1000)', 1],
		['http-request set-retries req.hdr(x-none)', 1],
		['tcp-request content set-retries 2', 2],
	];
	for (const [rule, retries] of rows) {
		const harness = await start(t, rule, 'retries 1', port);
		t.match(await exchangeOnce(harness.port('f'), REQUEST), /^HTTP\/1.1 503 /);
		t.equal(harness.counters('backend', 'b').total('wretr'), retries, rule);
	}
});

t.test('lines that are refused', async (t) => {
	await t.rejects(start(t, 'http-request pause', ''), /expects exactly 1 argument/);
	await t.rejects(start(t, 'http-request pause 0', ''), /null value is not valid/);
	await t.rejects(start(t, 'http-request pause nofetch', ''), /unknown fetch method 'nofetch'/);
	await t.rejects(start(t, 'http-request set-retries', ''), /expects exactly 1 argument/);
	await t.rejects(start(t, 'http-request set-retries 101', ''), /from 0 to 100/);
	await t.rejects(start(t, 'http-response set-retries 1', ''), /'http-response' expects/);
});
