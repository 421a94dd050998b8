/**
 * What both engines must do, as the network sees it: each case is one behaviour of a proxy between a raw
 * client and a raw origin, with the log's view of it (termination state, status, retries). The termination
 * states are those HAProxy 2.6 was seen to log for the same bytes, where a case does not say otherwise.
 */
import type { Test } from 'tap';
import type { ConnectionEngine } from '../../lib/frontend/listener.js';
import { type Harness, type HarnessOptions, startHarness } from '../fixtures/proxy-harness.js';
import {
	closedPort,
	exchangeOnce,
	GET,
	OK,
	type Origin,
	type OriginRequest,
	rawClient,
	startOrigin,
} from '../fixtures/raw-http.js';

const answers: Readonly<Record<string, (request: OriginRequest) => void>> = {
	'/ok': ({ socket }) => void socket.write(OK('ok')),
	'/until-close': ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\n\r\nuntil close'),
	'/chunked': ({ socket }) =>
		void socket.write(
			'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n',
		),
	'/silent': () => {},
	'/drop': ({ socket }) => void socket.destroy(),
	'/garbage': ({ socket }) => void socket.write('GARBAGE\r\n\r\n'),
	'/cut': ({ socket }) => {
		socket.write('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok', () => setTimeout(() => socket.destroy(), 20));
	},
	'/stall': ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok'),
	'/204': ({ socket }) => void socket.write('HTTP/1.1 204 No Content\r\nx: y\r\n\r\n'),
	'/304': ({ socket }) => void socket.write('HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n'),
	'/early': ({ socket }) => void socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno'),
	'/interim': ({ socket }) =>
		void socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK('ok')}`),
	'/interim-flood': ({ socket }) => void socket.write(`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)}${OK('ok')}`),
	'/upgrade': ({ socket }) => {
		socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\nconnection: upgrade\r\n\r\nhello');
		socket.on('data', (data: Buffer) => socket.write(data.toString('latin1').toUpperCase()));
	},
};

function answer(request: OriginRequest): void {
	if (request.method === 'HEAD') request.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n');
	else if (request.path.startsWith('/echo')) echo(request);
	else if (request.method === 'CONNECT') request.socket.write('HTTP/1.1 200 OK\r\n\r\nhello');
	else (answers[request.path.split('?')[0] as string] ?? answers['/ok'])?.(request);
}

/** Answers with the body as it came on the wire, once all of it is there. */
function echo(request: OriginRequest): void {
	const length = Number(request.header('content-length') ?? -1);
	const check = () => {
		const body = request.body();
		const complete = length >= 0 ? body.length >= length : body.includes('\r\n0\r\n') && body.endsWith('\r\n\r\n');
		if (!complete) return;
		request.socket.off('data', later);
		request.socket.write(OK(body));
	};
	const later = () => setImmediate(check);
	request.socket.on('data', later);
	setImmediate(check);
}

const DEFAULTS = `
global
	maxconn 1000
defaults
	mode http
	log stdout format raw local0
	option httplog
	timeout client 5s
	timeout server 5s
	timeout connect 200ms
`;

export interface Setting {
	readonly harness: Harness;
	readonly origin: Origin;
	readonly port: number;
}

export interface SuiteOptions {
	readonly tcp: boolean;
	/** How many requests are sent at once; fewer for an engine that takes longer over each. */
	readonly pipelinedCount?: number;
}

export function exchangeSuite(t: Test, engine: ConnectionEngine, options: SuiteOptions): void {
	const { pipelinedCount = 20_000 } = options;
	/** A proxy with one frontend `fe`, a backend `be` and the origin above. */
	async function start(
		t: Test,
		more: { defaults?: string; frontend?: string; backend?: string; server?: string; harness?: HarnessOptions } = {},
	): Promise<Setting> {
		const origin = await startOrigin(answer);
		const harness = await startHarness(
			`${DEFAULTS}
	${more.defaults ?? ''}
frontend fe
	bind 127.0.0.1:0
	${more.frontend ?? ''}
	default_backend be
backend be
	${more.backend ?? ''}
	server s1 127.0.0.1:${origin.port} ${more.server ?? ''}
`,
			{ engine, ...more.harness },
		);
		t.teardown(async () => {
			await harness.close();
			await origin.close();
		});
		return { harness, origin, port: harness.port('fe') };
	}
	/** The four characters of the n-th line, and that nothing threw. */
	async function termination(t: Test, { harness }: Setting, state: string, count = 1): Promise<void> {
		const stream = await harness.ended(count);
		t.equal(stream.log.terminationState, state);
		t.same(harness.errors, []);
	}

	t.test('requests on one connection, and pipelined ones, in order', async (t) => {
		const setting = await start(t);
		const client = await rawClient(setting.port);
		client.send(GET('/ok'));
		t.equal(await client.until('ok'), OK('ok').replace('HTTP/1.1 200 OK', 'HTTP/1.1 200 OK'));
		client.received = '';
		client.send(`${GET('/echo', 'Content-Length: 1\r\n')}1${GET('/echo', 'Content-Length: 1\r\n')}2${GET('/ok')}`);
		const text = await client.when(
			'three answers',
			(got) => (got.match(/HTTP\/1\.1 200/g) ?? []).length === 3 && got.endsWith('ok'),
		);
		t.ok(text.indexOf('\r\n\r\n1') < text.indexOf('\r\n\r\n2'));
		client.close();
		await termination(t, setting, '----', 4);
		t.equal(setting.harness.streams[0]?.log.bytesRead, 51, 'counted as the reference counts');
	});

	t.test('many pipelined requests of a client that reads nothing hold a bounded number of answers', async (t) => {
		const setting = await start(t, { frontend: 'http-request return status 200 content-type text/plain string x' });
		const client = await rawClient(setting.port);
		client.socket.pause();
		const one = GET('/x');
		for (let i = 0; i < pipelinedCount; i++) client.socket.write(one);
		await setting.harness.ended(50);
		client.socket.resume();
		const answers = 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-type: text/plain\r\n\r\nx'.repeat(pipelinedCount);
		await client.when('all answers', (got) => got.length >= answers.length);
		t.ok(client.received === answers, 'each of them whole, and no more');
		client.close();
		t.same(setting.harness.errors, []);
	});

	t.test('bodies of every framing, both ways', async (t) => {
		const { port } = await start(t);
		const cases: readonly (readonly [string, string, string | RegExp])[] = [
			[
				'HEAD',
				'HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
				/content-length: 5\r\nconnection: close\r\n\r\n$/,
			],
			['204', GET('/204', 'Connection: close\r\n'), /^HTTP\/1\.1 204 No Content\r\nx: y\r\nconnection: close\r\n\r\n$/],
			['304', GET('/304', 'Connection: close\r\n'), /^HTTP\/1\.1 304 .*\r\n\r\n$/s],
			['until close', GET('/until-close'), /connection: close\r\n\r\nuntil close$/],
			['until close, 1.0', 'GET /until-close HTTP/1.0\r\n\r\n', /\r\n\r\nuntil close$/],
			['chunked with trailers', GET('/chunked', 'Connection: close\r\n'), /\r\n0\r\nx-sum: 7\r\n\r\n$/],
			['chunked to HTTP/1.0', 'GET /chunked HTTP/1.0\r\n\r\n', /connection: close\r\n\r\nokabc$/],
			[
				'length up',
				`POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello`,
				/\r\n\r\nhello$/,
			],
			[
				'chunked up',
				`POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
				/5\r\nhello\r\n0\r\n\r\n$/,
			],
		];
		for (const [name, request, expected] of cases) t.match(await exchangeOnce(port, request), expected, name);
	});

	t.test('large bodies arrive whole, both ways, in pieces of any size', async (t) => {
		const { port } = await start(t);
		const body = Array.from({ length: 200_000 }, (_, i) => String(i)).join(',');
		const client = await rawClient(port);
		client.send(`POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`);
		for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7) % 65_521)
			client.send(body.slice(at, at + size));
		const text = await client.end();
		t.ok(text.endsWith(body), `${text.length} bytes`);
	});

	t.test('a slow reader stops the server, not the proxy', async (t) => {
		const total = 256 * 1024 * 1024;
		const piece = Buffer.alloc(64 * 1024, 'z');
		let given = 0;
		const origin = await startOrigin(({ socket }) => {
			socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
			const pump = () => {
				while (given < total && !socket.destroyed) {
					given += piece.length;
					if (!socket.write(piece)) {
						socket.once('drain', pump);
						return;
					}
				}
			};
			pump();
		});
		const setting = await start(t);
		const harness = await startHarness(
			`${DEFAULTS}
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port}
`,
			{ engine },
		);
		t.teardown(async () => {
			await harness.close();
			await origin.close();
		});
		void setting;
		const client = await rawClient(harness.port('fe'));
		client.send(GET('/'));
		await client.until('zzzz');
		client.socket.pause();
		const before = process.memoryUsage().rss;
		let last = -1;
		while (given !== last) {
			last = given;
			await new Promise((resolve) => setTimeout(resolve, 60));
		}
		t.ok(given < 64 * 1024 * 1024, `the server could give ${given} bytes`);
		t.ok(process.memoryUsage().rss - before < 96 * 1024 * 1024, 'the memory stays where it was');
		client.close();
		const stream = await harness.ended(1);
		t.equal(stream.log.terminationState, 'CD--');
		t.same(harness.errors, []);
	});

	t.test('Expect: 100-continue', async (t) => {
		const setting = await start(t);
		const origin = await startOrigin((request) => {
			request.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
			echo(request);
		});
		t.teardown(() => origin.close());
		const harness = await startHarness(
			`${DEFAULTS}\nlisten fe\n\tbind 127.0.0.1:0\n\tserver s1 127.0.0.1:${origin.port}\n`,
			{ engine },
		);
		t.teardown(() => harness.close());
		void setting;
		const client = await rawClient(harness.port('fe'));
		client.send('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
		await client.until('HTTP/1.1 100 Continue\r\n\r\n');
		client.send('hi');
		t.match(await client.until('hi'), /HTTP\/1\.1 200 OK.*\r\n\r\nhi$/s);
		client.close();
	});

	t.test('interim responses: relayed to HTTP/1.1, bounded in number', async (t) => {
		const setting = await start(t);
		const modern = await exchangeOnce(setting.port, GET('/interim', 'Connection: close\r\n'));
		t.match(modern, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP\/1\.1 200 OK/);
		t.match(await exchangeOnce(setting.port, 'GET /interim HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 OK/);
		const flood = await exchangeOnce(setting.port, GET('/interim-flood', 'Connection: close\r\n'));
		t.match(flood, /HTTP\/1\.1 502 /);
		await termination(t, setting, 'PH--', 3);
	});

	t.test('an upgrade becomes a tunnel', async (t) => {
		const setting = await start(t);
		const client = await rawClient(setting.port);
		client.send(GET('/upgrade', 'Connection: upgrade\r\nUpgrade: foo\r\n'));
		t.match(await client.until('hello'), /^HTTP\/1\.1 101 .*\r\n\r\nhello$/s);
		client.send('ping');
		await client.until('PING');
		client.finish();
		await client.end();
		await termination(t, setting, '----');
		t.equal(setting.harness.streams[0]?.statusCode, 101);
	});

	t.test('an answer while the request is still coming: the rest goes on, the connection lives', async (t) => {
		const setting = await start(t);
		const client = await rawClient(setting.port);
		client.send('POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc');
		await client.until('no');
		client.send(`defghij${GET('/ok')}`);
		t.match(await client.until('ok'), /413 Too Large.*HTTP\/1\.1 200 OK/s);
		client.close();
		await termination(t, setting, '----', 1);
	});

	t.test('what servers do wrong', async (t) => {
		const cases: readonly (readonly [path: string, status: number, state: string, end: string | RegExp])[] = [
			['/drop', 502, 'SH--', /502 Bad Gateway/],
			['/garbage', 502, 'PH--', /502 Bad Gateway/],
			['/silent', 504, 'sH--', /504 Gateway Time-out/],
			['/cut', 200, 'SD--', /\r\n\r\nok$/],
			['/stall', 200, 'sD--', /\r\n\r\nok$/],
		];
		const setting = await start(t, { backend: 'timeout server 150ms' });
		for (const [index, [path, status, state, text]] of cases.entries()) {
			t.match(await exchangeOnce(setting.port, GET(path, 'Connection: close\r\n')), text, path);
			await termination(t, setting, state, index + 1);
			t.equal(setting.harness.streams[index]?.statusCode, status, path);
		}
		const counters = setting.harness.counters('backend', 'be');
		t.equal(counters.total('eresp'), 3);
		t.equal(counters.current, 0);
	});

	t.test('connecting fails: retries, then 503; another server with redispatch', async (t) => {
		const closed = await closedPort();
		const origin = await startOrigin(answer);
		const harness = await startHarness(
			`${DEFAULTS}
	timeout connect 50ms
	retries 2
frontend fe
	bind 127.0.0.1:0
	use_backend dead if { path /dead }
	use_backend empty if { path /empty }
	default_backend half
backend dead
	server s1 127.0.0.1:${closed}
backend empty
backend half
	balance first
	option redispatch 1
	server s1 127.0.0.1:${closed}
	server s2 127.0.0.1:${origin.port}
`,
			{ engine },
		);
		t.teardown(async () => {
			await harness.close();
			await origin.close();
		});
		const port = harness.port('fe');
		t.match(await exchangeOnce(port, GET('/dead', 'Connection: close\r\n')), /503 Service Unavailable/);
		const refused = await harness.ended(1);
		t.equal(refused.log.terminationState, 'SC--');
		t.equal(refused.retryCount, 2);
		t.equal(harness.counters('backend', 'dead').total('wretr'), 2);
		t.equal(harness.counters('backend', 'dead').total('econ'), 1);

		t.match(await exchangeOnce(port, GET('/ok', 'Connection: close\r\n')), /200 OK/);
		const redispatched = await harness.ended(2);
		t.equal(redispatched.log.terminationState, '----');
		t.equal(redispatched.server?.name, 's2');
		t.match(harness.lines[1], /\/\+1 0\/0 "GET \/ok/);

		t.match(await exchangeOnce(port, GET('/empty', 'Connection: close\r\n')), /503 Service Unavailable/);
		t.equal((await harness.ended(3)).log.terminationState, 'SC--');
		t.same(harness.errors, []);
	});

	t.test('what clients do wrong before a request', async (t) => {
		const setting = await start(t, { defaults: 'timeout http-request 100ms' });
		const { harness, port } = setting;
		const cases: readonly (readonly [name: string, send: string, finish: boolean, status: number, state: string])[] = [
			['closes without a byte', '', true, 400, 'CR--'],
			['closes in the head', 'GET / HT', true, 400, 'CR--'],
			['sends garbage', 'GARBAGE\r\n\r\n', false, 400, 'PR--'],
			['sends nothing', '', false, 408, 'cR--'],
			['stops in the head', 'GET / HT', false, 408, 'cR--'],
		];
		for (const [index, [name, send, finish, status, state]] of cases.entries()) {
			const client = await rawClient(port);
			if (send !== '') client.send(send);
			if (finish) client.finish();
			t.match(await client.end(), new RegExp(`^HTTP/1\\.1 ${status} `), name);
			client.close();
			await termination(t, setting, state, index + 1);
			t.match(harness.lines[index], /fe fe\/<NOSRV> -1\/-1\/-1\/-1\/\d+ \d+ 0 - - .R-- 1\/1\/0\/0\/0 0\/0 "<BADREQ>"/);
		}
		t.equal(harness.counters('frontend', 'fe').total('ereq'), 5);

		const breaking = await rawClient(port);
		breaking.send('GET / HT');
		await new Promise((resolve) => setTimeout(resolve, 20));
		breaking.reset();
		await termination(t, setting, 'CR--', 6);
		while ((harness.listeners[0]?.connectionCount as number) > 0)
			await new Promise((resolve) => setTimeout(resolve, 2));
		t.equal(harness.counters('frontend', 'fe').current, 0);
	});

	t.test('dontlognull hides connections without a byte, dontlog-normal those without trouble', async (t) => {
		const setting = await start(t, {
			frontend: 'option dontlognull\n\toption dontlog-normal\n\thttp-request return status 200 if { path /here }',
		});
		const probe = await rawClient(setting.port);
		probe.finish();
		await probe.end();
		await setting.harness.ended(1);
		await exchangeOnce(setting.port, GET('/ok', 'Connection: close\r\n'));
		await setting.harness.ended(2);
		await exchangeOnce(setting.port, GET('/here', 'Connection: close\r\n'));
		await setting.harness.ended(3);
		t.same(setting.harness.lines, []);
		await exchangeOnce(setting.port, GET('/drop', 'Connection: close\r\n'));
		await setting.harness.ended(4);
		t.equal(setting.harness.lines.length, 1);
	});

	t.test('http-reuse never: a server connection serves one client, and all of its requests', async (t) => {
		const { origin, port } = await start(t, { backend: 'http-reuse never' });
		for (const connections of [1, 2]) {
			const client = await rawClient(port);
			for (let i = 0; i < 3; i++) {
				client.received = '';
				client.send(GET('/ok'));
				await client.until('ok');
			}
			t.equal(origin.connectionCount, connections);
			client.close();
		}
	});

	t.test('a client that trickles its head leaves at timeout http-request, however it trickles', async (t) => {
		const setting = await start(t, { defaults: 'timeout http-request 150ms' });
		const clients = await Promise.all(Array.from({ length: 50 }, () => rawClient(setting.port)));
		const head = 'GET / HTTP/1.1\r\nHost: x\r\nX-Long: ';
		let at = 0;
		const timer = setInterval(() => {
			const text = head[at] ?? 'x';
			at++;
			for (const client of clients) if (!client.ended) client.send(text);
		}, 20);
		for (const client of clients) t.match(await client.end(), /^HTTP\/1\.1 408 /);
		clearInterval(timer);
		for (const client of clients) client.close();
		t.equal(setting.harness.thread.wheel.entryCount <= clients.length, true);
		await termination(t, setting, 'cR--', 50);
	});

	t.test('clients that go away, and clients that stop', async (t) => {
		const setting = await start(t, { defaults: 'timeout client 150ms' });
		const waiting = await rawClient(setting.port);
		waiting.send(GET('/silent'));
		while (setting.origin.requests.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
		waiting.reset();
		await termination(t, setting, 'CH--', 1);

		const reading = await rawClient(setting.port);
		reading.send(GET('/stall'));
		await reading.until('ok');
		reading.reset();
		await termination(t, setting, 'CD--', 2);

		const uploading = await rawClient(setting.port);
		uploading.send('POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc');
		while (setting.origin.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
		uploading.finish();
		await uploading.end();
		await termination(t, setting, 'CD--', 3);

		const stopping = await rawClient(setting.port);
		stopping.send('POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc');
		t.match(await stopping.end(), /^HTTP\/1\.1 408 /);
		await termination(t, setting, 'cD--', 4);
		const { counters } = setting.harness;
		t.equal(counters('backend', 'be').total('cli_abrt'), 3);
		t.equal(counters('backend', 'be').current, 0);
	});

	t.test('answers of the proxy', async (t) => {
		const setting = await start(t, {
			defaults: 'timeout tarpit 100ms',
			frontend: `
	monitor-uri /alive
	http-request deny if { path /deny }
	http-request tarpit if { path /tarpit }
	http-request return status 200 content-type text/plain string hi if { path /return }
	http-request redirect location /x if { path /redirect }
	http-request reject if { path /reject }`,
			backend: 'http-request set-var(txn.path) path\n\thttp-response deny if { var(txn.path) -m str /refused }',
		});
		const ask = (path: string) => exchangeOnce(setting.port, GET(path, 'Connection: close\r\n'));
		t.match(await ask('/deny'), /^HTTP\/1\.1 403 /);
		await termination(t, setting, 'PR--', 1);
		const before = Date.now();
		t.match(await ask('/tarpit'), /^HTTP\/1\.1 500 /);
		t.ok(Date.now() - before >= 99);
		await termination(t, setting, 'PT--', 2);
		t.match(await ask('/return'), /\r\n\r\nhi$/);
		await termination(t, setting, 'LR--', 3);
		t.match(await ask('/redirect'), /^HTTP\/1\.1 302 .*location: \/x\r\n/s);
		await termination(t, setting, 'LR--', 4);
		t.equal(await ask('/reject'), '');
		await termination(t, setting, 'PR--', 5);
		t.match(await ask('/refused'), /^HTTP\/1\.1 502 /);
		await termination(t, setting, 'PH--', 6);
		const lines = setting.harness.lines.length;
		t.match(await ask('/alive'), /^HTTP\/1\.1 200 OK/);
		await setting.harness.ended(7);
		t.equal(setting.harness.lines.length, lines, 'monitor requests are not logged');
	});

	t.test('a refused upload is answered and its connection closed without destroying the answer', async (t) => {
		const { port } = await start(t, { frontend: 'http-request deny if { method POST }' });
		const client = await rawClient(port);
		client.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(300_000)}`);
		t.match(await client.end(), /403 Forbidden.*connection: close\r\n\r\n.*administrative rules/s);
		t.equal(client.error, undefined);
		client.close();
	});

	t.test('server connections: reused between clients after the first request, replaced when they died', async (t) => {
		const setting = await start(t);
		const { origin } = setting;
		const one = await rawClient(setting.port);
		one.send(GET('/ok'));
		await one.until('ok');
		one.received = '';
		one.send(GET('/ok'));
		await one.until('ok');
		t.equal(origin.connectionCount, 1, 'the second request goes over the same connection');
		one.close();
		const two = await rawClient(setting.port);
		two.send(GET('/ok'));
		await two.until('ok');
		t.equal(origin.connectionCount, 2, 'http-reuse safe: not for a first request');
		two.received = '';
		// The origin closes each idle connection just as the next request arrives on it.
		two.send(GET('/drop'));
		t.match(await two.until('502'), /502/);
		t.ok(
			origin.requests.filter((request) => request.path === '/drop').length >= 2,
			'tried again on a fresh connection',
		);
		two.received = '';
		two.send('POST /drop HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
		await two.until('502');
		const posts = origin.requests.filter((request) => request.method === 'POST');
		t.ok(posts.length <= 1, 'what is not idempotent is not sent twice');
		two.close();
		t.same(setting.harness.errors, []);
	});

	t.test('connection modes', async (t) => {
		const close = await start(t, { frontend: 'option httpclose' });
		t.match(await exchangeOnce(close.port, GET('/ok')), /connection: close\r\n\r\nok$/);
		t.match(close.origin.requests[0]?.head, /connection: close\r\n/);
		const serverClose = await start(t, { frontend: 'option http-server-close' });
		const client = await rawClient(serverClose.port);
		client.send(GET('/ok'));
		await client.until('ok');
		client.received = '';
		client.send(GET('/ok'));
		t.notMatch(await client.until('ok'), /connection/);
		t.equal(serverClose.origin.connectionCount, 2);
		client.close();
	});

	t.test('forwardfor, unique id and captured headers', async (t) => {
		const { harness, origin, port } = await start(t, {
			frontend: `
	option forwardfor
	unique-id-format %ci-%rt
	unique-id-header X-Unique
	capture request header User-Agent len 5
	capture response header Server len 10`,
		});
		await exchangeOnce(port, GET('/ok', 'User-Agent: abcdefgh\r\nConnection: close\r\n'));
		t.match(origin.requests[0]?.head, /x-forwarded-for: 127\.0\.0\.1\r\n/);
		t.match(origin.requests[0]?.head, /x-unique: 127\.0\.0\.1-\d+\r\n/);
		await harness.ended(1);
		t.match(harness.lines[0], / \{abcde\} \{\} "GET \/ok/);
	});

	t.test('queue: one slot, two clients; and a queue that times out', async (t) => {
		const held: (() => void)[] = [];
		const origin = await startOrigin(({ socket }) => void held.push(() => socket.write(OK('ok'))));
		const harness = await startHarness(
			`${DEFAULTS}
	timeout queue 300ms
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port} maxconn 1
`,
			{ engine },
		);
		t.teardown(async () => {
			await harness.close();
			await origin.close();
		});
		const [first, second, third] = await Promise.all([0, 1, 2].map(() => rawClient(harness.port('fe'))));
		first?.send(GET('/1'));
		while (held.length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
		second?.send(GET('/2'));
		while (harness.backends.get('fe')?.backend.queuedCount() !== 1)
			await new Promise((resolve) => setTimeout(resolve, 2));
		t.equal(held.length, 1, 'the second waits');
		held[0]?.();
		await first?.until('ok');
		while (held.length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
		third?.send(GET('/3'));
		t.match(await third?.until('503'), /503 Service Unavailable/);
		t.equal((await harness.ended(2)).log.terminationState, 'sQ--');
		held[1]?.();
		await second?.until('ok');
		for (const client of [first, second, third]) client?.close();
		t.same(harness.errors, []);
		t.equal(harness.backends.get('fe')?.backend.servers[0]?.currentSessions(), 0);
	});

	t.test('maxconn: what is over it waits and is served later', async (t) => {
		const { harness, port } = await start(t, { frontend: 'maxconn 1' });
		const first = await rawClient(port);
		first.send(GET('/ok'));
		await first.until('ok');
		const second = await rawClient(port);
		second.send(GET('/ok', 'Connection: close\r\n'));
		while (harness.listeners[0]?.parkedCount !== 1) await new Promise((resolve) => setTimeout(resolve, 2));
		t.equal(second.received, '');
		first.close();
		t.match(await second.end(), /200 OK/);
		t.equal(harness.counters('frontend', 'fe').currentMax, 1);
	});

	t.test(
		'soft stop: idle clients go, new ones that never asked are served, busy ones get their last answer',
		async (t) => {
			const { harness, port } = await start(t);
			const idle = await rawClient(port);
			idle.send(GET('/ok'));
			await idle.until('ok');
			const fresh = await rawClient(port);
			const busy = await rawClient(port);
			busy.send('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nh');
			while (harness.listeners[0]?.connectionCount !== 3) await new Promise((resolve) => setTimeout(resolve, 2));
			harness.softStop();
			await idle.end();
			busy.send('i');
			t.match(await busy.end(), /connection: close\r\n\r\nhi$/);
			fresh.send(GET('/ok'));
			t.match(await fresh.end(), /connection: close\r\n\r\nok$/);
			for (const client of [idle, fresh, busy]) client.close();
			while ((harness.listeners[0]?.connectionCount as number) > 0)
				await new Promise((resolve) => setTimeout(resolve, 2));
			t.equal(harness.counters('frontend', 'fe').current, 0);
		},
	);

	t.test('an exception ends the one connection that caused it', async (t) => {
		const { harness, port } = await start(t);
		const bystander = await rawClient(port);
		bystander.send(GET('/ok'));
		await bystander.until('ok');
		const frontend = harness.frontends.get('fe');
		if (frontend === undefined) throw new Error('no frontend');
		const original = frontend.backendFor.bind(frontend);
		frontend.backendFor = (stream) => {
			if (stream.request?.target === '/crash') throw new Error('a bug');
			return original(stream);
		};
		t.notMatch(await exchangeOnce(port, GET('/crash')), /200 OK/);
		t.match(harness.errors[0], { err: { message: 'a bug', stack: /exchange-suite/ } });
		bystander.received = '';
		bystander.send(GET('/ok'));
		await bystander.until('ok');
		bystander.close();
	});

	t.test('so does one that is thrown in a timer', async (t) => {
		const { harness, port } = await start(t, {
			defaults: 'timeout tarpit 20ms',
			frontend: 'http-request tarpit if { path /slow }\n\thttp-after-response set-header x y',
		});
		const rules = harness.frontends.get('fe')?.rules.httpAfterResponse;
		if (rules === undefined) throw new Error('no rules');
		rules.evaluate = () => {
			throw new Error('a bug');
		};
		t.equal(await exchangeOnce(port, GET('/slow')), '');
		t.match(harness.errors, [{ err: { message: 'a bug' } }]);
		while ((harness.listeners[0]?.connectionCount as number) > 0)
			await new Promise((resolve) => setTimeout(resolve, 2));
		t.equal(harness.counters('frontend', 'fe').current, 0);
	});

	if (options.tcp) {
		t.test('mode tcp: bytes both ways, half-closes passed on, timeouts and refusals named', async (t) => {
			const closed = await closedPort();
			const origin = await startOrigin(answer);
			const harness = await startHarness(
				`${DEFAULTS}
	timeout connect 50ms
	timeout client 150ms
	timeout server 150ms
	retries 1
listen plain
	mode tcp
	option tcplog
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port}
listen dead
	mode tcp
	option tcplog
	bind 127.0.0.1:0
	server s1 127.0.0.1:${closed}
`,
				{ engine },
			);
			t.teardown(async () => {
				await harness.close();
				await origin.close();
			});
			const client = await rawClient(harness.port('plain'));
			client.send(GET('/ok'));
			t.equal(await client.until('ok'), OK('ok'));
			client.finish();
			await client.end();
			const first = await harness.ended(1);
			t.equal(first.log.terminationState.slice(0, 2), '--');
			t.equal(first.log.bytesRead, OK('ok').length);
			t.equal(first.log.bytesUploaded, GET('/ok').length);
			t.equal(await exchangeOnce(harness.port('plain'), GET('/silent')), '');
			t.equal((await harness.ended(2)).log.terminationState.slice(0, 2), 'cD');
			t.equal(await exchangeOnce(harness.port('dead'), 'x'), '');
			t.equal((await harness.ended(3)).log.terminationState.slice(0, 2), 'SC');
			t.same(harness.errors, []);
		});
	}
}
