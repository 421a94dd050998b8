/**
 * Filters as the network sees them, over both engines: a raw client, a raw origin and a proxy between them. What is
 * compressed comes back equal once unpacked; a slow client, a break and an early end are survived.
 */

import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { type ConnectionEngine, nativeEngine } from '../../../lib/frontend/listener.js';
import { Column } from '../../../lib/shared/counters.js';
import { nodeEngine } from '../../../lib/stream/node/engine.js';
import { type Harness, startHarness } from '../../fixtures/proxy-harness.js';
import { exchangeOnce, type Origin, type OriginRequest, rawClient, startOrigin } from '../../fixtures/raw-http.js';

const TEXT = 'The quick brown fox jumps over the lazy dog. '.repeat(10);
const LONG = Array.from({ length: 40_000 }, (_, i) => `line ${i} ${Math.imul(i, 2654435761) >>> 0}\n`).join('');

function head(status: string, ...lines: string[]): string {
	return `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}
function chunks(body: string, size: number): string {
	let text = '';
	for (let at = 0; at < body.length; at += size) {
		const piece = body.slice(at, at + size);
		text += `${piece.length.toString(16)}\r\n${piece}\r\n`;
	}
	return `${text}0\r\n\r\n`;
}

const MAX_AGE = 'cache-control: max-age=100';
const answers: Readonly<Record<string, (request: OriginRequest) => void>> = {
	'/text': ({ socket }) =>
		void socket.write(head('200 OK', 'content-type: text/plain', `content-length: ${TEXT.length}`) + TEXT),
	'/long': ({ socket }) =>
		void socket.write(head('200 OK', 'content-type: text/plain', MAX_AGE, `content-length: ${LONG.length}`) + LONG),
	'/chunked': ({ socket }) =>
		void socket.write(
			head('200 OK', 'content-type: text/plain', MAX_AGE, 'transfer-encoding: chunked') + chunks(LONG, 5000),
		),
	'/until-close': ({ socket }) => void socket.end(head('200 OK', 'content-type: text/plain', MAX_AGE) + TEXT),
	'/cut': ({ socket }) => {
		socket.write(
			head('200 OK', 'content-type: text/plain', MAX_AGE, `content-length: ${LONG.length}`) + LONG.slice(0, 90_000),
			() => setTimeout(() => socket.destroy(), 20),
		);
	},
	'/slow': ({ socket }) => {
		socket.write(`${head('200 OK', 'content-type: text/plain', 'transfer-encoding: chunked')}5\r\nfirst\r\n`);
		socket.once('data', () => socket.write('6\r\nsecond\r\n0\r\n\r\n'));
	},
	'/304': ({ socket }) => void socket.write(head('304 Not Modified', 'content-type: text/plain')),
	'/empty': ({ socket }) => void socket.write(head('200 OK', MAX_AGE, 'content-length: 0')),
};

async function echo(request: OriginRequest): Promise<void> {
	const { socket } = request;
	const done = (): boolean => {
		const body = request.body();
		const length = Number(request.header('content-length') ?? -1);
		return length >= 0 ? body.length >= length : body.endsWith('0\r\n\r\n');
	};
	while (!done()) await new Promise((resolve) => setTimeout(resolve, 2));
	const body = JSON.stringify({ head: request.head, body: Buffer.from(request.body(), 'latin1').toString('base64') });
	socket.write(head('200 OK', `content-length: ${body.length}`) + body);
}

interface Setting {
	readonly harness: Harness;
	readonly origin: Origin;
	readonly port: number;
	requests: number;
}

async function start(t: Test, engine: ConnectionEngine, frontend: string, backend = '', more = ''): Promise<Setting> {
	const setting = { requests: 0 } as { -readonly [K in keyof Setting]: Setting[K] };
	setting.origin = await startOrigin((request) => {
		setting.requests++;
		const answer = answers[request.path.split('?')[0] as string];
		if (request.path.startsWith('/echo')) void echo(request);
		else if (request.method === 'HEAD')
			request.socket.write(head('200 OK', 'content-type: text/plain', 'content-length: 5'));
		else answer?.(request);
	});
	setting.harness = await startHarness(
		`
global
	maxconn 100
cache store
	total-max-size 8
	max-object-size 3000000
${more}
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 5s
	log stdout format raw local0
	option httplog
frontend fe
	bind 127.0.0.1:0
	${frontend}
	default_backend be
backend be
	${backend}
	server s1 127.0.0.1:${setting.origin.port}
`,
		{ engine },
	);
	setting.port = setting.harness.port('fe');
	t.teardown(async () => {
		await setting.harness.close();
		await setting.origin.close();
	});
	return setting;
}

interface Answer {
	readonly line: string;
	readonly fields: string;
	readonly body: Buffer;
}

/** An answer taken apart: chunked bodies are put together. */
function parse(raw: string): Answer {
	const end = raw.indexOf('\r\n\r\n');
	const [line = '', ...lines] = raw.slice(0, end).split('\r\n');
	const fields = lines.join('\n');
	let body = raw.slice(end + 4);
	if (/transfer-encoding: chunked/i.test(fields)) {
		let text = '';
		let at = 0;
		for (;;) {
			const size = Number.parseInt(body.slice(at), 16);
			if (!(size >= 0)) throw new Error(`bad chunk at ${at}`);
			const from = body.indexOf('\r\n', at) + 2;
			if (size === 0) break;
			text += body.slice(from, from + size);
			at = from + size + 2;
		}
		body = text;
	}
	return { line, fields, body: Buffer.from(body, 'latin1') };
}

async function get(port: number, path: string, ...fields: string[]): Promise<Answer> {
	return parse(
		await exchangeOnce(
			port,
			`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`,
		),
	);
}

const GZIP = 'accept-encoding: gzip';

for (const [name, engine] of [
	['native', nativeEngine],
	['node', nodeEngine],
] as const) {
	t.test(`${name} engine`, async (t) => {
		t.jobs = 1;

		t.test('bodies of every framing come back equal, by every algorithm', async (t) => {
			const setting = await start(t, engine, 'compression algo gzip deflate br\n\tcompression type text/');
			for (const path of ['/text', '/long', '/chunked']) {
				const whole = path === '/text' ? TEXT : LONG;
				const gzip = await get(setting.port, path, GZIP);
				t.match(gzip.fields, /content-encoding: gzip/i);
				t.equal(gunzipSync(gzip.body).toString('latin1'), whole, `${path} gzip`);
				const deflate = await get(setting.port, path, 'accept-encoding: deflate');
				t.equal(inflateSync(deflate.body).toString('latin1'), whole, `${path} deflate`);
				const br = await get(setting.port, path, 'accept-encoding: br');
				t.equal(brotliDecompressSync(br.body).toString('latin1'), whole, `${path} br`);
				const plain = await get(setting.port, path);
				t.equal(plain.body.toString('latin1'), whole, `${path} as it is`);
			}
			const { slice } = setting.harness.counters('frontend', 'fe');
			t.equal(slice[Column.comp_rsp], 9);
			t.equal(slice[Column.comp_in], 3 * (TEXT.length + 2 * LONG.length));
			t.ok((slice[Column.comp_out] as number) > 0);
			t.same(setting.harness.errors, []);
		});

		t.test('a connection that is kept serves compressed answers one after the other', async (t) => {
			const setting = await start(t, engine, 'compression algo raw-deflate');
			const client = await rawClient(setting.port);
			for (let i = 0; i < 3; i++) {
				client.received = '';
				client.send('GET /long HTTP/1.1\r\nhost: x\r\naccept-encoding: deflate\r\n\r\n');
				const raw = await client.when('the last chunk', (got) => got.endsWith('\r\n0\r\n\r\n'));
				t.equal(inflateRawSync(parse(raw).body).toString('latin1'), LONG);
			}
			client.close();
			t.same(setting.harness.errors, []);
		});

		t.test('HEAD, 304, HTTP/1.0 and answers until the close are left alone', async (t) => {
			const setting = await start(t, engine, 'compression algo gzip');
			const headAnswer = await exchangeOnce(
				setting.port,
				`HEAD /text HTTP/1.1\r\nhost: x\r\n${GZIP}\r\nconnection: close\r\n\r\n`,
			);
			t.match(headAnswer, /content-length: 5/i);
			t.ok(headAnswer.endsWith('\r\n\r\n'));
			t.equal((await get(setting.port, '/304', GZIP)).body.length, 0);
			const old = await exchangeOnce(setting.port, `GET /text HTTP/1.0\r\n${GZIP}\r\n\r\n`);
			t.ok(old.endsWith(TEXT));
			const untilClose = await get(setting.port, '/until-close', GZIP);
			t.equal(untilClose.body.toString(), TEXT);
			t.same(setting.harness.errors, []);
		});

		t.test('what a server sends piece by piece arrives piece by piece', async (t) => {
			const setting = await start(t, engine, 'compression algo gzip');
			const client = await rawClient(setting.port);
			client.send(`POST /slow HTTP/1.1\r\nhost: x\r\n${GZIP}\r\ntransfer-encoding: chunked\r\n\r\n`);
			await client.when(
				'a first chunk',
				(got) => got.split('\r\n\r\n')[1] !== undefined && got.split('\r\n\r\n')[1] !== '',
			);
			client.send('0\r\n\r\n');
			const raw = await client.when('the last chunk', (got) => got.endsWith('\r\n0\r\n\r\n'));
			t.equal(gunzipSync(parse(raw).body).toString(), 'firstsecond');
			client.close();
		});

		t.test('a client that reads slowly gets all of it', async (t) => {
			const setting = await start(t, engine, 'compression algo identity');
			const client = await rawClient(setting.port);
			client.socket.pause();
			client.send('GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
			for (let i = 0; i < 30; i++) {
				await new Promise((resolve) => setImmediate(resolve));
				client.socket.resume();
				await new Promise((resolve) => setImmediate(resolve));
				client.socket.pause();
			}
			client.socket.resume();
			t.equal(parse(await client.end()).body.toString('latin1'), LONG);
			t.same(setting.harness.errors, []);
		});

		t.test('a server that breaks off: the client sees no last chunk, and nothing is stored', async (t) => {
			const setting = await start(
				t,
				engine,
				'compression algo gzip\n\thttp-request cache-use store\n\thttp-response cache-store store',
			);
			const raw = await exchangeOnce(setting.port, `GET /cut HTTP/1.1\r\nhost: x\r\n${GZIP}\r\n\r\n`);
			t.notOk(raw.endsWith('0\r\n\r\n'));
			await get(setting.port, '/cut').catch(() => undefined);
			t.equal(setting.requests, 2, 'asked again');
			t.equal((await setting.harness.ended(2)).log.terminationState.slice(0, 2), 'SD');
			t.same(setting.harness.errors, []);
		});

		t.test('a client that leaves ends the chain', async (t) => {
			const setting = await start(t, engine, 'compression algo gzip');
			const client = await rawClient(setting.port);
			client.send(`GET /long HTTP/1.1\r\nhost: x\r\n${GZIP}\r\n\r\n`);
			await client.until('HTTP/1.1 200');
			client.reset();
			await setting.harness.ended(1);
			t.same(setting.harness.errors, []);
		});

		t.test('requests are compressed towards the server', async (t) => {
			const setting = await start(
				t,
				engine,
				'compression direction request\n\tcompression algo-req gzip\n\tcompression minsize-req 100',
			);
			for (const framed of [`content-length: ${LONG.length}`, 'transfer-encoding: chunked']) {
				const body = framed.startsWith('c') ? LONG : chunks(LONG, 3000);
				const raw = await exchangeOnce(
					setting.port,
					`POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\nconnection: close\r\n${framed}\r\n\r\n${body}`,
				);
				const seen = JSON.parse(parse(raw).body.toString()) as { head: string; body: string };
				t.match(seen.head.toLowerCase(), /content-encoding: gzip/);
				t.notMatch(seen.head.toLowerCase(), /content-length/);
				const sent = parse(
					`X\r\ntransfer-encoding: chunked\r\n\r\n${Buffer.from(seen.body, 'base64').toString('latin1')}`,
				);
				t.equal(gunzipSync(sent.body).toString('latin1'), LONG);
			}
			const short = await exchangeOnce(
				setting.port,
				'POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc',
			);
			t.notMatch(short, /content-encoding/i);
			t.same(setting.harness.errors, []);
		});

		t.test('a cache answers in place of the server, compressed for whom asks', async (t) => {
			const setting = await start(
				t,
				engine,
				'compression algo gzip\n\thttp-response set-header x-hit %[res.cache_hit]:%[res.cache_name]',
				'http-request cache-use store\n\thttp-response cache-store store',
			);
			for (const path of ['/long', '/chunked', '/until-close', '/empty']) {
				const whole = path === '/empty' ? '' : path === '/until-close' ? TEXT : LONG;
				const before = setting.requests;
				const first = await get(setting.port, path, GZIP);
				const stored = await get(setting.port, path);
				t.equal(setting.requests, before + 1, `${path}: one request to the server`);
				t.match(first.fields, /x-hit: 0:/);
				t.match(stored.fields, /x-hit: 1:store/);
				t.match(stored.fields, /age: \d/);
				t.equal(stored.body.toString('latin1'), whole);
				const again = await get(setting.port, path, GZIP);
				const unpacked = /content-encoding/.test(again.fields) ? gunzipSync(again.body) : again.body;
				t.equal(unpacked.toString('latin1'), whole, `${path} once more`);
				const headAnswer = await exchangeOnce(
					setting.port,
					`HEAD ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
				);
				t.ok(headAnswer.endsWith('\r\n\r\n'), `${path}: HEAD has no body`);
				t.equal(setting.requests, before + 1);
			}
			const log = setting.harness.lines.find((line) => line.includes('<CACHE>'));
			t.match(log, /be\/<CACHE> 0\/0\/0\/0\/\d+ 200 \d+ - - LR--/);
			const { slice } = setting.harness.counters('backend', 'be');
			t.equal(slice[Column.cache_lookups], 16);
			t.equal(slice[Column.cache_hits], 12);
			t.same(setting.harness.errors, []);
		});

		t.test('a limit of bandwidth slows an answer down and changes nothing in it', async (t) => {
			const setting = await start(
				t,
				engine,
				'filter bwlim-out slow default-limit 2m default-period 1s min-size 1000\n\thttp-request set-bandwidth-limit slow limit 3m if { path /long }',
			);
			const answer = await get(setting.port, '/long');
			t.equal(answer.body.toString('latin1'), LONG);
			t.match(answer.fields, /content-length/i);
			t.same(setting.harness.errors, []);
		});

		t.test('a limit on requests, shared by address', async (t) => {
			const setting = await start(
				t,
				engine,
				'filter bwlim-in up limit 2m key src table rates\n\thttp-request set-bandwidth-limit up',
				'',
				'backend rates\n\tstick-table type ip size 10 expire 10s store bytes_in_rate(1s)',
			);
			const raw = await exchangeOnce(
				setting.port,
				`POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${LONG.length}\r\n\r\n${LONG}`,
			);
			const seen = JSON.parse(parse(raw).body.toString()) as { body: string };
			t.equal(Buffer.from(seen.body, 'base64').toString('latin1'), LONG);
			t.ok(setting.harness.tables.get('rates')?.usedCount() === 1);
			t.same(setting.harness.errors, []);
		});
	});
}
