/**
 * Answers of every framing and making, as a client of HTTP/2 gets them: those of servers of HTTP/1 with a length, in
 * chunks or to the end of the connection; compressed, cached, made by rules, out of error files. And requests that do
 * not come to their end.
 */
import http2 from 'node:http2';
import { gunzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { data, Flag, frameClient, headers, request } from '../../fixtures/h2-frames.js';
import { type Harness, startHarness } from '../../fixtures/proxy-harness.js';
import { OK, type OriginRequest, startOrigin } from '../../fixtures/raw-http.js';
import { waitFor } from '../../fixtures/wait-for.js';

interface Answer {
	readonly fields: http2.IncomingHttpHeaders;
	readonly body: Buffer;
	readonly trailers: http2.IncomingHttpHeaders;
	readonly interim: readonly http2.IncomingHttpHeaders[];
	readonly code: number;
}

function ask(session: http2.ClientHttp2Session, path: string, more: http2.OutgoingHttpHeaders = {}): Promise<Answer> {
	return new Promise((resolve) => {
		const stream = session.request({ ':path': path, ...more }, { endStream: true });
		let fields: http2.IncomingHttpHeaders = {};
		let trailers: http2.IncomingHttpHeaders = {};
		const interim: http2.IncomingHttpHeaders[] = [];
		const pieces: Buffer[] = [];
		stream.on('headers', (head) => interim.push(head));
		stream.on('response', (head) => {
			fields = head;
		});
		stream.on('trailers', (head) => {
			trailers = head;
		});
		stream.on('data', (bytes: Buffer) => pieces.push(bytes));
		stream.on('error', () => undefined);
		stream.on('close', () =>
			resolve({ fields, body: Buffer.concat(pieces), trailers, interim, code: stream.rstCode ?? 0 }),
		);
	});
}

const LONG = 'a line that comes again\n'.repeat(5000);
let askedCount = 0;

function answer({ socket, path, method }: OriginRequest): void {
	askedCount++;
	switch (path) {
		case '/close':
			socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${LONG}`);
			return;
		case '/chunks':
			socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n');
			setImmediate(() => socket.write('1\r\n \r\n5;a=b\r\nworld\r\n0\r\nx-sum: 7\r\n\r\n'));
			return;
		case '/large-chunks':
			socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
			for (let i = 0; i < 10; i++) socket.write(`${LONG.length.toString(16)}\r\n${LONG}\r\n`);
			socket.write('0\r\n\r\n');
			return;
		case '/cut':
			socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
			return;
		case '/cut-chunks':
			socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n');
			return;
		case '/bad-chunks':
			// Not within what is read with the head: that would be a 502.
			socket.write(
				`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${LONG.length.toString(16)}\r\n${LONG}\r\nzz\r\n`,
			);
			return;
		case '/304':
			socket.write('HTTP/1.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 5\r\n\r\n');
			return;
		case '/204':
			socket.write('HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n');
			return;
		case '/hints':
			socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${OK('late')}`);
			return;
		case '/hop':
			socket.write(
				'HTTP/1.1 200 OK\r\nconnection: x-private\r\nx-private: 1\r\nkeep-alive: timeout=5\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-type: text/a\r\ncontent-length: 0\r\n\r\n',
			);
			return;
		case '/cached':
			socket.write(`HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: ${LONG.length}\r\n\r\n${LONG}`);
			return;
		case '/compressed':
			socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${LONG.length}\r\n\r\n`);
			socket.write(LONG);
			return;
		case '/silent':
			return;
		default:
			if (method === 'HEAD') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n');
			else socket.write(OK('ok'));
	}
}

async function start(t: Test, front = '', back = ''): Promise<{ harness: Harness; session: http2.ClientHttp2Session }> {
	const origin = await startOrigin(answer);
	t.teardown(() => origin.close());
	const harness = await startHarness(`
cache c
	total-max-size 4
	max-object-size 1000000
	max-age 60
defaults
	mode http
	log stdout format raw local0
	option httplog
	timeout client 10s
	timeout server 10s
	timeout connect 2s
frontend fe
	bind 127.0.0.1:0
	${front}
	default_backend be
backend be
	${back}
	server s1 127.0.0.1:${origin.port}
`);
	t.teardown(async () => {
		await harness.close();
		if (harness.errors.length > 0) throw new Error('something failed inside the proxy', { cause: harness.errors[0] });
	});
	const session = http2.connect(`http://127.0.0.1:${harness.port('fe')}`);
	session.on('error', () => undefined);
	t.teardown(() => session.destroy());
	return { harness, session };
}

t.test('answers of servers, whatever their framing', async (t) => {
	const { harness, session } = await start(t);
	const close = await ask(session, '/close');
	t.equal(close.body.toString('latin1'), LONG);
	t.equal(close.code, 0);
	t.notOk('connection' in close.fields);
	const chunks = await ask(session, '/chunks');
	t.equal(chunks.body.toString('latin1'), 'hello world');
	t.notOk('transfer-encoding' in chunks.fields);
	t.equal(chunks.trailers['x-sum'], '7');
	t.equal((await ask(session, '/large-chunks')).body.toString('latin1'), LONG.repeat(10));
	for (const path of ['/cut', '/cut-chunks', '/bad-chunks']) {
		const cut = await ask(session, path);
		const body = cut.body.toString('latin1');
		if (path === '/bad-chunks') t.ok(LONG.startsWith(body), path);
		else t.equal(body, 'half', path);
		t.equal(cut.code, http2.constants.NGHTTP2_INTERNAL_ERROR, 'it does not look whole');
	}
	const notModified = await ask(session, '/304');
	t.match(notModified.fields, { ':status': 304, etag: '"x"' });
	const empty = await ask(session, '/204');
	t.match(empty.fields, { ':status': 204, 'x-a': 'b' });
	t.notOk('content-length' in empty.fields);
	const head = await ask(session, '/head', { ':method': 'HEAD' });
	t.match(head.fields, { ':status': 200, 'content-length': '1234' });
	t.equal(head.body.length + head.code, 0);
	const hints = await ask(session, '/hints');
	t.match(hints.interim[0], { ':status': 103, link: '</a>' });
	t.equal(hints.body.toString('latin1'), 'late');
	const hop = await ask(session, '/hop');
	t.match(hop.fields, { 'content-type': 'text/a', 'set-cookie': ['a', 'b'] });
	for (const name of ['connection', 'keep-alive', 'x-private']) t.notOk(name in hop.fields, name);
	t.equal((await ask(session, '/next')).body.toString('latin1'), 'ok');
	const states = harness.streams.map(({ log }) => log.terminationState);
	t.same(
		states.filter((state) => state !== '----'),
		['SD--', 'SD--', 'PD--'],
	);
});

t.test('answers that the proxy changes, keeps or makes', async (t) => {
	const { session } = await start(
		t,
		`
	http-request cache-use c if { path /cached }
	http-response cache-store c
	filter compression
	compression algo gzip
	compression type text/plain
	http-request early-hint link </b> if { path /early }
	http-request return status 418 content-type text/a hdr x-a b string hi if { path /made }
	http-request redirect location /there if { path /redirect }
	http-request return status 200 content-type text/a string ${'y'.repeat(3000)} if { path /made-large }
	stats enable
	stats uri /stats`,
	);
	const plain = await ask(session, '/compressed');
	t.equal(plain.body.toString('latin1'), LONG);
	const compressed = await ask(session, '/compressed', { 'accept-encoding': 'gzip' });
	t.equal(compressed.fields['content-encoding'], 'gzip');
	t.notOk('content-length' in compressed.fields);
	t.equal(gunzipSync(compressed.body).toString('latin1'), LONG);
	t.equal((await ask(session, '/cached')).body.toString('latin1'), LONG);
	const before = askedCount;
	const cached = await ask(session, '/cached');
	t.equal(askedCount, before, 'out of the cache');
	t.equal(cached.body.toString('latin1'), LONG);
	t.ok('age' in cached.fields);
	const early = await ask(session, '/early');
	t.match(early.interim[0], { ':status': 103, link: '</b>' });
	t.equal(early.body.toString('latin1'), 'ok');
	const made = await ask(session, '/made');
	t.match(made.fields, { ':status': 418, 'x-a': 'b', 'content-length': '2' });
	t.equal(made.body.toString('latin1'), 'hi');
	const noBody = await ask(session, '/made', { ':method': 'HEAD' });
	t.match(noBody.fields, { ':status': 418, 'content-length': '2' });
	t.equal(noBody.body.length, 0);
	t.equal((await ask(session, '/made-large')).body.length, 3000);
	t.match((await ask(session, '/redirect')).fields, { ':status': 302, location: '/there' });
	const stats = await ask(session, '/stats');
	t.equal(stats.fields[':status'], 200);
	t.match(stats.body.toString('latin1'), /<\/html>\s*$/);
	t.match((await ask(session, '/stats;csv')).body.toString('latin1'), /^# pxname,/);
});

t.test('requests that do not come to their end', async (t) => {
	const { harness } = await start(t, 'timeout client 300ms');
	const client = await frameClient(harness.port('fe'));
	client.send(headers(1, request('/silent', 'POST'), Flag.END_HEADERS), data(1, 'begins'));
	client.send(headers(3, request('/silent', 'POST', [['content-length', '100']]), Flag.END_HEADERS));
	client.send(data(3, 'begins'));
	const outcomes = [await client.whenOver(1), await client.whenOver(3)];
	for (const outcome of outcomes) t.equal(outcome, '408');
	await harness.ended(2);
	for (const { log } of harness.streams) t.equal(log.terminationState, 'cD--');
	client.close();
});

t.test('an upload whose server does not read stops, and others go on', async (t) => {
	const origin = await startOrigin(({ socket, path }) => {
		if (path === '/stuck') socket.pause();
		else socket.write(OK('ok'));
	});
	t.teardown(() => origin.close());
	const harness = await startHarness(`
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 2s
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port}
`);
	t.teardown(() => harness.close());
	const session = http2.connect(`http://127.0.0.1:${harness.port('fe')}`);
	session.on('error', () => undefined);
	t.teardown(() => session.destroy());
	const stream = session.request({ ':method': 'POST', ':path': '/stuck' });
	stream.on('error', () => undefined);
	const piece = Buffer.alloc(65_536);
	let given = 0;
	const pump = (): void => {
		while (!stream.destroyed && given < 1 << 28) {
			given += piece.length;
			if (stream.write(piece)) continue;
			stream.once('drain', pump);
			return;
		}
	};
	pump();
	let last = -1;
	await waitFor('a stand-still', async () => {
		if (given === last) return true;
		last = given;
		await new Promise((resolve) => setTimeout(resolve, 200));
		return false;
	});
	t.ok(given < 32 << 20, `${given} bytes on their way`);
	t.equal((await ask(session, '/other')).body.toString('latin1'), 'ok');
	stream.close(http2.constants.NGHTTP2_CANCEL);
	t.equal((await ask(session, '/next')).body.toString('latin1'), 'ok');
});
