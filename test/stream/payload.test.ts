/**
 * Rules and options about bodies and what precedes them, over both engines: `wait-for-body`, `http-buffer-request`,
 * `early-hint`, `normalize-uri`, `http-send-name-header`, `redir`, `http-restrict-req-hdr-names`, `disable-l7-retry`, and
 * a rule's `Connection: close`. Answers and termination states are those HAProxy 2.6 gave.
 */
import t, { type Test } from 'tap';
import { type ConnectionEngine, nativeEngine } from '../../lib/frontend/listener.js';
import { nodeEngine } from '../../lib/stream/node/engine.js';
import { type Harness, startHarness } from '../fixtures/proxy-harness.js';
import { exchangeOnce, OK, type OriginRequest, rawClient, startOrigin } from '../fixtures/raw-http.js';

interface Setting {
	readonly harness: Harness;
	readonly port: number;
	/** Heads as the origin got them. */
	readonly heads: string[];
	readonly connections: Set<unknown>;
}

const answers: Readonly<Record<string, (request: OriginRequest) => void>> = {
	'/chunked': ({ socket }) =>
		void socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n'),
	'/pieces': ({ socket }) => {
		socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello', () =>
			setTimeout(() => socket.write('world'), 20),
		);
	},
	'/until-close': ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\n\r\nto the end'),
	'/never': ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello'),
	'/cut': ({ socket }) => {
		socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello', () => setTimeout(() => socket.destroy(), 20));
	},
	'/503': ({ socket }) => void socket.write('HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n'),
};

async function start(
	t: Test,
	engine: ConnectionEngine,
	frontend: string,
	backend = '',
	server = '',
	name = 's1',
): Promise<Setting> {
	const heads: string[] = [];
	const connections = new Set<unknown>();
	const origin = await startOrigin((request) => {
		heads.push(request.head);
		connections.add(request.socket);
		const answer = answers[request.path];
		if (answer === undefined) request.socket.write(OK('ok'));
		else answer(request);
	});
	const harness = await startHarness(
		`
global
	maxconn 100
defaults
	mode http
	timeout client 5s
	timeout server 5s
	timeout connect 1s
	log stdout format raw local0
	option httplog
frontend fe
	bind 127.0.0.1:0
	${frontend}
	default_backend be
backend be
	${backend}
	server ${name} 127.0.0.1:${origin.port} ${server}
`,
		{ engine },
	);
	t.teardown(async () => {
		await harness.close();
		await origin.close();
	});
	return { harness, port: harness.port('fe'), heads, connections };
}

const get = (port: number, path: string, ...fields: string[]): Promise<string> =>
	exchangeOnce(
		port,
		`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`,
	);
const state = async (setting: Setting, count = 1): Promise<string> =>
	(await setting.harness.ended(count)).log.terminationState;

for (const [name, engine] of [
	['native', nativeEngine],
	['node', nodeEngine],
] as const) {
	t.test(`${name} engine`, async (t) => {
		t.jobs = 1;

		t.test('wait-for-body: rules see the whole body of a request', async (t) => {
			const setting = await start(
				t,
				engine,
				'http-request wait-for-body time 5s\n\thttp-request set-header x-body %[req.body]',
			);
			const client = await rawClient(setting.port);
			client.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\nconnection: close\r\n\r\nabcd');
			await new Promise((resolve) => setImmediate(resolve));
			t.equal(setting.heads.length, 0, 'not forwarded yet');
			client.send('efgh');
			t.match(await client.end(), /200 OK/);
			t.match(setting.heads[0], /x-body: abcdefgh/);
			const chunked = await exchangeOnce(
				setting.port,
				'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n4\r\nabcd\r\n0\r\n\r\n',
			);
			t.match(chunked, /200 OK/);
			t.match(setting.heads[1], /x-body: abcd\r\n/);
			t.match(await get(setting.port, '/'), /200 OK/, 'a request without a body does not wait');
			t.same(setting.harness.errors, []);
		});

		t.test('wait-for-body: a client that waits for 100 Continue gets it', async (t) => {
			const setting = await start(t, engine, 'http-request wait-for-body time 5s');
			const client = await rawClient(setting.port);
			client.send(
				'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n',
			);
			await client.until('HTTP/1.1 100 Continue\r\n\r\n');
			client.send('abcd');
			t.match(await client.end(), /HTTP\/1\.1 200 OK/);
			t.notMatch(setting.heads[0], /expect/i);
			t.same(setting.harness.errors, []);
		});

		t.test('wait-for-body at-least: no longer than that', async (t) => {
			const setting = await start(t, engine, 'http-request wait-for-body time 5s at-least 3');
			const client = await rawClient(setting.port);
			client.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\nconnection: close\r\n\r\nabcd');
			t.match(await client.until('200 OK'), /200 OK/, 'forwarded with half of its body');
			client.close();
		});

		t.test('wait-for-body: the client is too late', async (t) => {
			const setting = await start(t, engine, 'http-request wait-for-body time 50ms');
			const client = await rawClient(setting.port);
			client.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nabcd');
			t.match(await client.end(), /^HTTP\/1\.1 408 /);
			client.close();
			t.equal(await state(setting), 'cR--');
			t.equal(setting.heads.length, 0);
		});

		t.test('http-buffer-request: the rules of the frontend see the body', async (t) => {
			const setting = await start(
				t,
				engine,
				'option http-buffer-request\n\thttp-request deny if { req.body -m sub attack }',
			);
			const post = (body: string): Promise<string> =>
				exchangeOnce(
					setting.port,
					`POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
				);
			t.match(await post('an attack'), /^HTTP\/1\.1 403 /);
			t.match(await post('a greeting'), /^HTTP\/1\.1 200 /);
		});

		t.test('http-response wait-for-body: rules see the body of a response', async (t) => {
			const setting = await start(
				t,
				engine,
				'',
				'http-response wait-for-body time 5s\n\thttp-response set-header x-body "%[res.body]"',
			);
			const rows: [string, string, string][] = [
				['/', 'ok', 'ok'],
				['/chunked', 'helloabc', '8|5'],
				['/pieces', 'helloworld', 'helloworld'],
				['/until-close', 'to the end', 'to the end'],
			];
			for (const [path, body, end] of rows) {
				const answer = await get(setting.port, path);
				t.match(answer, new RegExp(`x-body: ${body}\\r`), path);
				if (path === '/chunked') t.match(answer, /hello[\s\S]*abc[\s\S]*0\r\n\r\n$/);
				else t.ok(answer.endsWith(`\r\n\r\n${end}`), `${path} arrives whole`);
			}
			t.same(setting.harness.errors, []);
		});

		t.test('http-response wait-for-body: the server is too late, or breaks off', async (t) => {
			const setting = await start(t, engine, '', 'http-response wait-for-body time 50ms');
			t.match(await get(setting.port, '/never'), /^HTTP\/1\.1 504 /);
			t.equal(await state(setting), 'sR--');
			const waits = await start(t, engine, '', 'http-response wait-for-body time 5s');
			t.match(await get(waits.port, '/cut'), /^HTTP\/1\.1 (?:200|502) /);
			await waits.harness.ended(1);
			t.same(waits.harness.errors, []);
		});

		t.test('early-hint', async (t) => {
			const setting = await start(
				t,
				engine,
				'http-request early-hint Link "</a.css>; rel=preload"\n\thttp-request early-hint link </%[path,field(2,/)].js>\n\thttp-request deny if { path /no }',
			);
			const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </x.js>\r\n\r\n';
			t.ok((await get(setting.port, '/x')).startsWith(`${hints}HTTP/1.1 200 OK\r\n`));
			t.match(await get(setting.port, '/no'), /^HTTP\/1\.1 103 [\s\S]*HTTP\/1\.1 403 /);
			const old = await exchangeOnce(setting.port, 'GET /x HTTP/1.0\r\nhost: x\r\n\r\n');
			t.match(old, /^HTTP\/1\.\d 200 /, 'HTTP/1.0 knows no interim responses');
			t.same(setting.harness.errors, []);
			const apart = await start(t, engine, 'http-request early-hint a 1\n\thttp-request early-hint b 2 if TRUE');
			t.match(
				await get(apart.port, '/x'),
				/^HTTP\/1.1 103 [^\r]*\r\na: 1\r\n\r\nHTTP\/1.1 103 [^\r]*\r\nb: 2\r\n\r\nHTTP\/1.1 200 /,
			);
		});

		t.test('normalize-uri', async (t) => {
			const setting = await start(
				t,
				engine,
				'http-request normalize-uri percent-decode-unreserved strict\n\thttp-request normalize-uri path-strip-dotdot full',
			);
			await get(setting.port, '/a/%2e%2e/%62');
			t.match(setting.heads[0], /^GET \/b HTTP/);
			t.match(await get(setting.port, '/%zz'), /^HTTP\/1\.1 400 /);
		});

		t.test('http-send-name-header', async (t) => {
			const setting = await start(t, engine, '', 'http-send-name-header X-Srv', '', 'one');
			await get(setting.port, '/', 'x-srv: forged', 'x-srv: twice');
			t.match(setting.heads[0], /\r\nx-srv: one\r\n/i);
			t.notMatch(setting.heads[0], /forged|twice/);
		});

		t.test('server redir', async (t) => {
			const setting = await start(t, engine, '', '', 'redir http://img.example');
			const answer = await exchangeOnce(setting.port, 'GET /a/b?c=d HTTP/1.1\r\nhost: x\r\n\r\n');
			t.match(answer, /^HTTP\/1\.1 302 Found\r\n/);
			t.match(answer, /\r\nlocation: http:\/\/img\.example\/a\/b\?c=d\r\n/);
			t.equal(await state(setting), 'LC--');
			t.match(
				await exchangeOnce(
					setting.port,
					'POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
				),
				/^HTTP\/1\.1 200 /,
			);
			t.equal(setting.heads.length, 1);
		});

		t.test('http-restrict-req-hdr-names', async (t) => {
			const removes = await start(t, engine, 'option http-restrict-req-hdr-names delete');
			t.match(await get(removes.port, '/', 'x_under: 1', 'x-ok: 2', 'x.dot: 3'), /^HTTP\/1\.1 200 /);
			t.notMatch(removes.heads[0], /x_under|x\.dot/);
			t.match(removes.heads[0], /x-ok: 2/);
			const refuses = await start(t, engine, '', 'option http-restrict-req-hdr-names reject');
			t.match(await get(refuses.port, '/', 'x_under: 1'), /^HTTP\/1\.1 403 /);
			t.match(await get(refuses.port, '/', 'x-ok: 1'), /^HTTP\/1\.1 200 /);
		});

		t.test('disable-l7-retry', async (t) => {
			const setting = await start(
				t,
				engine,
				'http-request disable-l7-retry if { method POST }',
				'retries 2\n\tretry-on 503',
			);
			t.match(await get(setting.port, '/503'), /^HTTP\/1\.1 503 /);
			t.equal(setting.heads.length, 3, 'a GET is tried again');
			await exchangeOnce(
				setting.port,
				'POST /503 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
			);
			t.equal(setting.heads.length, 4, 'a POST is not');
		});

		t.test('a rule that sets Connection: close ends the connection', async (t) => {
			const setting = await start(
				t,
				engine,
				'http-response set-header connection close if { path /last }\n\thttp-request set-var(txn.p) path',
				'http-request set-header connection close if { path /single }',
			);
			const byVariable = await start(t, engine, 'http-response set-header connection close');
			const answer = await exchangeOnce(byVariable.port, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n');
			t.match(answer, /\r\nconnection: close\r\n/i, 'the client is told');
			const client = await rawClient(setting.port);
			client.send('GET /single HTTP/1.1\r\nhost: x\r\n\r\n');
			await client.until('\r\n\r\nok');
			client.received = '';
			client.send('GET /again HTTP/1.1\r\nhost: x\r\n\r\n');
			await client.until('\r\n\r\nok');
			t.match(setting.heads[0], /connection: close/i, 'the server is told');
			t.equal(setting.connections.size, 2, 'and not asked again on that connection');
			client.close();
		});
	});
}
