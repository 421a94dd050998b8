/**
 * HTTP/2 on both sides of the proxy: a client and servers made of Node's http2, and what is between them in this
 * process. What rules, filters and logs do to a request is the native engine's and tested there; here it is bodies,
 * trailers, tunnels, ends of streams and of connections.
 */
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import t, { type Test } from 'tap';
import { type Harness, startHarness } from '../../fixtures/proxy-harness.js';
import { exchangeOnce, GET, OK, type OriginRequest, rawClient, startOrigin } from '../../fixtures/raw-http.js';
import { waitFor } from '../../fixtures/wait-for.js';

const DEFAULTS = `
defaults
	mode http
	log stdout format raw local0
	option httplog
	timeout client 10s
	timeout server 10s
	timeout connect 2s
`;

interface Answer {
	readonly status: number;
	readonly fields: Readonly<Record<string, string>>;
	readonly body: string;
	readonly trailers: Readonly<Record<string, string>>;
	readonly interim: readonly number[];
	readonly code: number;
}

interface AskOptions {
	readonly method?: string;
	readonly fields?: http2.OutgoingHttpHeaders;
	readonly body?: string | Buffer;
	readonly trailers?: http2.OutgoingHttpHeaders;
}

function ask(session: http2.ClientHttp2Session, path: string, options: AskOptions = {}): Promise<Answer> {
	return new Promise((resolve) => {
		const stream = session.request(
			{ ':method': options.method ?? (options.body === undefined ? 'GET' : 'POST'), ':path': path, ...options.fields },
			{ endStream: options.body === undefined, waitForTrailers: options.trailers !== undefined },
		);
		const { trailers: sent } = options;
		if (sent !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(sent));
		if (options.body !== undefined) stream.end(options.body);
		let fields: Record<string, string> = {};
		let trailers: Record<string, string> = {};
		const interim: number[] = [];
		const pieces: Buffer[] = [];
		stream.on('headers', (head) => interim.push(Number(head[':status'])));
		stream.on('response', (head) => {
			fields = head as unknown as Record<string, string>;
		});
		stream.on('trailers', (head) => {
			trailers = head as unknown as Record<string, string>;
		});
		stream.on('data', (bytes: Buffer) => pieces.push(bytes));
		stream.on('error', () => undefined);
		stream.on('close', () =>
			resolve({
				status: Number(fields[':status'] ?? 0),
				fields,
				body: Buffer.concat(pieces).toString('latin1'),
				trailers,
				interim,
				code: stream.rstCode ?? 0,
			}),
		);
	});
}

function answerH1(request: OriginRequest): void {
	const { socket, path } = request;
	if (path.startsWith('/echo')) {
		const check = (): void => {
			const body = request.body();
			const length = Number(request.header('content-length') ?? -1);
			if (length < 0 ? body.endsWith('\r\n\r\n') || body.endsWith('0\r\n\r\n') : body.length >= length) {
				socket.off('data', later);
				socket.write(OK(body));
			}
		};
		const later = (): void => void setImmediate(check);
		socket.on('data', later);
		later();
	} else if (path === '/early') socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno');
	else if (path === '/upgrade') {
		socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\nconnection: upgrade\r\n\r\nhello');
		socket.on('data', (bytes: Buffer) => socket.write(bytes.toString('latin1').toUpperCase()));
		socket.on('end', () => socket.end());
	} else if (path !== '/silent') socket.write(OK('ok'));
}

/** A server of HTTP/2; `sessions` counts its connections. */
async function startH2Server(
	t: Test,
	answer: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, raw: readonly string[]) => void,
	options: http2.ServerOptions = {},
): Promise<{ port: number; sessions: http2.Http2Session[]; server: http2.Http2Server }> {
	const server = http2.createServer(options);
	const sessions: http2.Http2Session[] = [];
	server.on('session', (session) => {
		sessions.push(session);
		session.on('error', () => undefined);
	});
	server.on('stream', (stream, headers, _flags, raw?: unknown) => {
		stream.on('error', () => undefined);
		answer(stream, headers, raw as readonly string[]);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		for (const session of sessions) session.destroy();
		server.close();
	});
	return { port: (server.address() as net.AddressInfo).port, sessions, server };
}

async function start(t: Test, text: string): Promise<Harness> {
	const harness = await startHarness(`${DEFAULTS}${text}`);
	t.teardown(async () => {
		await harness.close();
		if (harness.errors.length > 0) throw new Error('something failed inside the proxy', { cause: harness.errors[0] });
	});
	return harness;
}

async function connect(
	t: Test,
	harness: Harness,
	options: http2.ClientSessionOptions = {},
): Promise<http2.ClientHttp2Session> {
	const session = http2.connect(`http://127.0.0.1:${harness.port('fe')}`, options);
	session.on('error', () => undefined);
	await new Promise((resolve) => session.once('connect', resolve));
	t.teardown(() => session.destroy());
	return session;
}

const toH1 = async (t: Test, front = '', back = '', global = ''): Promise<Harness> => {
	const origin = await startOrigin(answerH1);
	t.teardown(() => origin.close());
	return start(
		t,
		`${global}
frontend fe
	bind 127.0.0.1:0
	${front}
	default_backend be
backend be
	${back}
	server s1 127.0.0.1:${origin.port}
`,
	);
};

t.test('many streams at once on one connection', async (t) => {
	const harness = await toH1(t);
	const session = await connect(t, harness);
	const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => ask(session, `/${i}`)));
	t.ok(answers.every(({ status, body }) => status === 200 && body === 'ok'));
	t.equal(harness.counters('frontend', 'fe').current, 1, 'one connection');
	session.close();
	await waitFor('its end', () => harness.counters('frontend', 'fe').current === 0);
	t.equal(harness.streams.length, 300);
});

t.test('large bodies of both framings, both ways at once', async (t) => {
	const session = await connect(t, await toH1(t));
	const body = Array.from({ length: 300_000 }, (_, i) => String(i)).join(',');
	const known = await ask(session, '/echo', { body, fields: { 'content-length': String(body.length) } });
	t.equal(known.body, body, `${known.body.length} bytes`);
	const unknown = await ask(session, '/echo', { body });
	const payload = unknown.body.replace(/(?:^|\r\n)[0-9a-f]+\r\n/g, '').replace(/\r\n$/, '');
	t.equal(payload, body, `${payload.length} bytes in chunks`);
});

t.test('trailers of requests', async (t) => {
	const session = await connect(t, await toH1(t));
	const { body } = await ask(session, '/echo', { body: 'x', trailers: { 'x-sum': '7' } });
	t.match(body, /0\r\nx-sum: 7\r\n\r\n$/);
});

t.test('an answer before the request is complete', async (t) => {
	const session = await connect(t, await toH1(t));
	const stream = session.request({ ':method': 'POST', ':path': '/early' });
	let status = 0;
	let body = '';
	stream.on('response', (head) => {
		status = Number(head[':status']);
	});
	stream.on('data', (bytes: Buffer) => {
		body += bytes;
	});
	stream.on('error', () => undefined);
	stream.write('begins');
	await new Promise((resolve) => stream.once('close', resolve));
	t.equal(status, 413);
	t.equal(body, 'no');
	t.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR);
	t.equal((await ask(session, '/next')).body, 'ok', 'the connection goes on');
});

t.test('a client that resets a stream leaves its server', async (t) => {
	const harness = await toH1(t);
	const session = await connect(t, harness);
	const stream = session.request({ ':path': '/silent' });
	stream.on('error', () => undefined);
	await waitFor('the server', () => harness.backends.get('be')?.backend.servers[0]?.currentSessions() === 1);
	stream.close(http2.constants.NGHTTP2_CANCEL);
	const ended = await harness.ended(1);
	t.equal(ended.log.terminationState, 'CH--');
	t.equal((await ask(session, '/next')).body, 'ok');
	t.equal(harness.backends.get('be')?.backend.servers[0]?.currentSessions(), 0);
});

t.test('a client that breaks its connection', async (t) => {
	const harness = await toH1(t);
	const session = await connect(t, harness);
	for (let i = 0; i < 5; i++) session.request({ ':path': '/silent' }).on('error', () => undefined);
	await waitFor('the server', () => harness.backends.get('be')?.backend.servers[0]?.currentSessions() === 5);
	session.destroy();
	await harness.ended(5);
	// Some connections to the server may have been on their way.
	for (const stream of harness.streams) t.match(stream.log.terminationState, /^C[CH]--$/);
	await waitFor('the session', () => harness.counters('frontend', 'fe').current === 0);
});

t.test('idle connections are asked to go', async (t) => {
	const harness = await toH1(t, 'timeout http-keep-alive 100ms');
	const session = await connect(t, harness);
	let code = -1;
	session.on('goaway', (given) => {
		code = given;
	});
	t.equal((await ask(session, '/')).status, 200);
	await waitFor('the end', () => session.closed || session.destroyed);
	t.equal(code, http2.constants.NGHTTP2_NO_ERROR);
});

t.test('a request that does not come', async (t) => {
	const harness = await toH1(t, 'timeout http-request 100ms');
	const session = await connect(t, harness);
	await waitFor('the end', () => session.closed || session.destroyed);
	t.equal(harness.streams.length, 0);
});

t.test('soft stop: the last word is GOAWAY, and what is under way is served', async (t) => {
	const harness = await toH1(t, 'http-request tarpit deny_status 429 if { path /late }\n\ttimeout tarpit 300ms');
	const session = await connect(t, harness);
	const late = ask(session, '/late');
	await waitFor('the request', () => harness.counters('frontend', 'fe').rate('request', harness.thread.nowMs()) > 0);
	let goaways = 0;
	session.on('goaway', () => goaways++);
	harness.softStop();
	t.equal((await late).status, 429);
	await waitFor('the end', () => session.closed || session.destroyed);
	t.ok(goaways >= 1);
	await waitFor('the session', () => harness.counters('frontend', 'fe').current === 0);
});

t.test('limits: streams at once, streams in all', async (t) => {
	const harness = await toH1(
		t,
		'',
		'',
		'global\n\ttune.h2.max-concurrent-streams 7\n\ttune.h2.fe.max-total-streams 3\n\ttune.h2.initial-window-size 100000',
	);
	const session = await connect(t, harness);
	await waitFor('its settings', () => session.remoteSettings.maxConcurrentStreams === 7);
	t.equal(session.remoteSettings.initialWindowSize, 100_000);
	for (let i = 0; i < 3; i++) t.equal((await ask(session, '/')).status, 200);
	await waitFor('the end', () => session.closed || session.destroyed);
});

t.test('heads that are too large', async (t) => {
	const session = await connect(t, await toH1(t));
	const { status, code } = await ask(session, '/', { fields: { 'x-long': 'x'.repeat(15_500) } });
	t.ok(status === 431 || code !== 0, `status ${status}, code ${code}`);
	t.equal((await ask(session, '/next')).status, 200);
});

t.test('WebSocket by extended CONNECT (RFC 8441), to a server of HTTP/1.1', async (t) => {
	const harness = await toH1(t);
	const session = await connect(t, harness);
	await waitFor('its settings', () => session.remoteSettings.enableConnectProtocol === true);
	const stream = session.request({
		':method': 'CONNECT',
		':protocol': 'foo',
		':scheme': 'http',
		':path': '/upgrade',
		':authority': 'x',
	});
	let status = 0;
	let body = '';
	stream.on('response', (head) => {
		status = Number(head[':status']);
	});
	stream.on('data', (bytes: Buffer) => {
		body += bytes;
	});
	await waitFor('the greeting', () => body === 'hello');
	t.equal(status, 200);
	stream.write('abc');
	await waitFor('the echo', () => body === 'helloABC');
	stream.end();
	await harness.ended(1);
	t.equal(harness.streams[0]?.log.terminationState, '----');
});

t.test('the preface on a connection of HTTP/1 that has asked already is no request', async (t) => {
	const harness = await toH1(t);
	const client = await rawClient(harness.port('fe'));
	client.send(`${GET('/ok')}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`);
	const text = await client.end();
	t.match(text, /^HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 (?:400|505)/);
	t.match(
		await exchangeOnce(harness.port('fe'), 'PRI / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
		/^HTTP\/1\.1 200/,
	);
});

// ---- servers ------------------------------------------------------------------------------------------------

const toH2 = (port: number, back = '', server = ''): string => `
frontend fe
	bind 127.0.0.1:0
	default_backend be
backend be
	${back}
	server s1 127.0.0.1:${port} proto h2 ${server}
`;

t.test('servers of HTTP/2: requests of one client share a connection', async (t) => {
	const server = await startH2Server(t, (stream, headers) => {
		stream.respond({ ':status': 200 });
		stream.end(String(headers[':path']));
	});
	const harness = await start(t, toH2(server.port));
	const session = await connect(t, harness);
	const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(session, `/${i}`)));
	t.same(
		answers.map(({ body }) => body),
		answers.map((_, i) => `/${i}`),
	);
	t.equal(server.sessions.length, 1);
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	t.teardown(() => agent.destroy());
	for (let i = 0; i < 3; i++) {
		const text = await new Promise<string>((resolve, reject) => {
			http
				.get({ host: '127.0.0.1', port: harness.port('fe'), path: `/h1-${i}`, agent }, (message) => {
					let body = '';
					message.on('data', (bytes: Buffer) => {
						body += bytes;
					});
					message.on('end', () => resolve(body));
				})
				.on('error', reject);
		});
		t.equal(text, `/h1-${i}`, 'to a client of HTTP/1.1');
	}
	t.ok(server.sessions.length <= 2, 'the first request of a client has its own (http-reuse safe)');
});

t.test('no more streams than the server allows', async (t) => {
	let most = 0;
	let open = 0;
	const server = await startH2Server(
		t,
		(stream) => {
			open++;
			most = Math.max(most, open);
			setImmediate(() => {
				open--;
				stream.respond({ ':status': 200 });
				stream.end('ok');
			});
		},
		{ settings: { maxConcurrentStreams: 3 } },
	);
	const harness = await start(t, toH2(server.port, 'http-reuse always'));
	const session = await connect(t, harness);
	t.equal((await ask(session, '/')).status, 200);
	const answers = await Promise.all(Array.from({ length: 30 }, () => ask(session, '/')));
	t.ok(answers.every(({ status }) => status === 200));
	t.ok(server.sessions.length >= 2, `${server.sessions.length} connections`);
});

t.test('a server that refuses a stream is asked again, once, on another connection', async (t) => {
	let refused = 0;
	const server = await startH2Server(t, (stream, headers) => {
		if (headers[':path'] === '/never' || refused === 0) {
			refused++;
			stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
			return;
		}
		stream.respond({ ':status': 200 });
		stream.end('ok');
	});
	const harness = await start(t, toH2(server.port));
	const session = await connect(t, harness);
	t.equal((await ask(session, '/', { method: 'POST', fields: { 'content-length': '0' } })).status, 200);
	t.equal(refused, 1);
	t.equal((await ask(session, '/never')).status, 502);
	t.ok(refused >= 3);
});

t.test('GOAWAY: what is under way is finished, the next goes elsewhere', async (t) => {
	const server = await startH2Server(t, (stream, headers) => {
		if (headers[':path'] === '/last') stream.session?.close();
		setImmediate(() => {
			stream.respond({ ':status': 200 });
			stream.end('ok');
		});
	});
	const harness = await start(t, toH2(server.port, 'http-reuse always'));
	const session = await connect(t, harness);
	t.equal((await ask(session, '/last')).body, 'ok');
	t.equal((await ask(session, '/next')).body, 'ok');
	t.equal(server.sessions.length, 2);
});

t.test('a server that breaks its connection within a response', async (t) => {
	const server = await startH2Server(t, (stream, headers) => {
		if (headers[':path'] === '/head') {
			stream.session?.destroy();
			return;
		}
		stream.respond({ ':status': 200 });
		stream.write('begin', () => setImmediate(() => stream.session?.destroy()));
	});
	const harness = await start(t, toH2(server.port));
	const session = await connect(t, harness);
	t.equal((await ask(session, '/head')).status, 502);
	t.equal(harness.streams[0]?.log.terminationState, 'SH--');
	const cut = await ask(session, '/body');
	t.equal(cut.body, 'begin');
	t.not(cut.code, 0, 'and the client is told');
	t.equal(harness.streams[1]?.log.terminationState, 'SD--');
});

t.test('gRPC: trailers after a body, trailers alone, both ways', async (t) => {
	const server = await startH2Server(t, (stream, headers, raw) => {
		if (headers[':path'] === '/alone') {
			stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true });
			return;
		}
		let sum = '';
		stream.on('trailers', (given) => {
			sum = String(given['x-sum']);
		});
		stream.resume();
		stream.on('end', () => {
			stream.respond({ ':status': 200, 'x-te': raw[raw.indexOf('te') + 1] }, { waitForTrailers: true });
			stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-sum': sum }));
			stream.end('body');
		});
	});
	const harness = await start(t, toH2(server.port));
	const session = await connect(t, harness);
	const both = await ask(session, '/both', { body: 'x', trailers: { 'x-sum': '7' }, fields: { te: 'trailers' } });
	t.equal(both.body, 'body');
	t.equal(both.fields['x-te'], 'trailers');
	t.match(both.trailers, { 'grpc-status': '0', 'x-sum': '7' });
	const alone = await ask(session, '/alone');
	t.equal(alone.fields['grpc-status'], '5');
	t.equal(alone.code, 0);
});

t.test('a slow client of a fast server costs bounded memory', async (t) => {
	let given = 0;
	const server = await startH2Server(t, (stream, headers) => {
		stream.respond({ ':status': 200 });
		if (headers[':path'] === '/other') {
			stream.end('ok');
			return;
		}
		const piece = Buffer.alloc(65_536);
		const pump = (): void => {
			while (!stream.destroyed && given < 1 << 28) {
				given += piece.length;
				if (stream.write(piece)) continue;
				stream.once('drain', pump);
				return;
			}
		};
		pump();
	});
	const harness = await start(t, toH2(server.port));
	const session = await connect(t, harness);
	const stream = session.request({ ':path': '/' });
	stream.on('error', () => undefined);
	stream.pause();
	let last = -1;
	await waitFor('a stand-still', async () => {
		if (given === last) return true;
		last = given;
		await new Promise((resolve) => setTimeout(resolve, 100));
		return false;
	});
	t.ok(given < 4 << 20, `${given} bytes on their way`);
	t.equal((await ask(session, '/other')).body, 'ok', 'others are not held up');
	stream.close(http2.constants.NGHTTP2_CANCEL);
});

t.test('connections are refused, and time runs out', async (t) => {
	const silent = net.createServer((socket) => socket.resume());
	await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
	t.teardown(() => silent.close());
	const { port } = silent.address() as net.AddressInfo;
	const harness = await start(
		t,
		`
frontend fe
	bind 127.0.0.1:0
	use_backend refused if { path /refused }
	default_backend silent
backend refused
	retries 0
	server s1 127.0.0.1:9 proto h2
backend silent
	timeout server 200ms
	server s1 127.0.0.1:${port} proto h2
`,
	);
	const session = await connect(t, harness);
	t.equal((await ask(session, '/refused')).status, 503);
	t.equal(harness.streams[0]?.log.terminationState, 'SC--');
	t.equal((await ask(session, '/silent')).status, 504);
	t.equal(harness.streams[1]?.log.terminationState, 'sH--');
});
