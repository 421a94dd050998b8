/** HTTP/2 through the whole program: ALPN on both sides, what is logged, and a reload under traffic. */
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(120_000);
const FOLDER = fileURLToPath(new URL('../fixtures/tls', import.meta.url));

const DEFAULTS = `global
    log stdout format raw local0
    nbthread 1
defaults
    mode http
    log global
    timeout connect 5s
    timeout server 10s
    timeout client 10s
`;

function get(options: http.RequestOptions & https.RequestOptions): Promise<string> {
	const { request } = options.protocol === 'https:' ? https : http;
	return new Promise((resolve, reject) => {
		request({ host: '127.0.0.1', rejectUnauthorized: false, ...options }, (message) => {
			let body = '';
			message.on('data', (bytes: Buffer) => {
				body += bytes;
			});
			message.on('end', () => resolve(`${message.statusCode} ${body}`));
			message.on('error', reject);
		})
			.on('error', reject)
			.end();
	});
}

t.test('ALPN: clients and servers of both versions', async (t) => {
	const program = await startProgram(t, {
		ports: 4,
		config: `${DEFAULTS}
frontend f
    bind 127.0.0.1:\${port1} ssl crt ${FOLDER}/a.pem alpn h2,http/1.1
    bind 127.0.0.1:\${port2}
    log-format "front %HV %[ssl_fc_alpn] %HU"
    use_backend old if { path_beg /old }
    default_backend new
backend new
    server s 127.0.0.1:\${port3} ssl verify none alpn h2,http/1.1
backend old
    server s 127.0.0.1:\${port4} ssl verify none alpn h2,http/1.1
frontend origin-new
    bind 127.0.0.1:\${port3} ssl crt ${FOLDER}/a.pem alpn h2,http/1.1
    log-format "origin %HV %[ssl_fc_alpn] %cp"
    http-request return status 200 content-type text/plain lf-string "%[req.ver] %[path]"
frontend origin-old
    bind 127.0.0.1:\${port4} ssl crt ${FOLDER}/a.pem alpn http/1.1
    log-format "origin %HV %[ssl_fc_alpn] %cp"
    http-request return status 200 content-type text/plain lf-string "%[req.ver] %[path]"
`,
	});
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	t.teardown(() => agent.destroy());
	for (let i = 0; i < 4; i++) {
		t.equal(await get({ port: program.port(2), path: '/new', agent }), '200 2.0 /new');
		t.equal(await get({ port: program.port(2), path: '/old', agent }), '200 1.1 /old');
	}
	t.equal(await get({ protocol: 'https:', port: program.port(1), path: '/new', agent: false }), '200 2.0 /new');
	const session = http2.connect(`https://127.0.0.1:${program.port(1)}`, { rejectUnauthorized: false });
	t.teardown(() => session.destroy());
	const bodies = await Promise.all(
		Array.from(
			{ length: 20 },
			(_, i) =>
				new Promise<string>((resolve, reject) => {
					const stream = session.request({ ':path': i % 2 === 0 ? '/new' : '/old' });
					let body = '';
					stream.on('data', (bytes: Buffer) => {
						body += bytes;
					});
					stream.on('error', reject);
					stream.on('close', () => resolve(body));
				}),
		),
	);
	t.same(
		bodies,
		bodies.map((_, i) => (i % 2 === 0 ? '2.0 /new' : '1.1 /old')),
	);
	const lines = await program.logged(2 * 29);
	const origin = lines.filter((line) => line.startsWith('origin HTTP/2.0'));
	t.equal(origin.length, 4 + 1 + 10);
	const connections = new Set(origin.map((line) => line.split(' ').pop()));
	t.ok(connections.size <= 4, `${connections.size} connections carried them`);
	t.equal(lines.filter((line) => line.startsWith('front HTTP/2.0 h2')).length, 20);
	t.equal(lines.filter((line) => line.startsWith('front HTTP/1.1')).length, 9);
});

t.test('shutdown sessions server ends what that server serves, and nothing else on the connection', async (t) => {
	const program = await startProgram(t, {
		ports: 3,
		config: `${DEFAULTS.replace('global\n', 'global\n    stats socket ${dir}/s level admin\n')}
    timeout tarpit 20s
frontend f
    bind 127.0.0.1:\${port1} proto h2
    log-format "%s %ts %ST"
    use_backend b if { path_beg /one }
    default_backend c
backend b
    server one 127.0.0.1:\${port2}
backend c
    server two 127.0.0.1:\${port3}
frontend held
    no log
    bind 127.0.0.1:\${port2}
    bind 127.0.0.1:\${port3}
    http-request tarpit deny_status 429 if { path_end /held }
    http-request return status 200 content-type text/plain string x
`,
	});
	const ask = (command: string): Promise<string> => cli(join(program.folder, 's'), command);
	const session = http2.connect(`http://127.0.0.1:${program.port(1)}`);
	session.on('error', () => undefined);
	t.teardown(() => session.destroy());
	const ended: string[] = [];
	for (const path of ['/two/held', '/one/held', '/one/held?2']) {
		const stream = session.request({ ':path': path });
		stream.on('error', () => undefined);
		stream.on('close', () => ended.push(`${path} ${stream.rstCode}`));
	}
	const current = async (backend: string): Promise<boolean> =>
		/^(?:[^,]*,){4}[1-9]/m.test(
			(await ask('show stat')).split('\n').find((line) => line.startsWith(`${backend},BACKEND`)) ?? '',
		);
	await waitFor('the servers', async () => (await current('b')) && (await current('c')));
	await ask('shutdown sessions server b/one');
	await waitFor('their end', () => ended.length === 2);
	t.same(ended.sort(), ['/one/held 2', '/one/held?2 2']);
	const stream = session.request({ ':path': '/one' });
	const status = await new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])));
	t.equal(status, 200, 'the connection goes on');
	t.equal(ended.length, 2);
	t.same(
		(await program.logged(2)).slice(0, 2).map((line) => line.trim()),
		['one KH -1', 'one KH -1'],
	);
});

t.test('a reload under traffic loses no request', async (t) => {
	const program = await startProgram(t, {
		ports: 1,
		args: ['-W', '-db'],
		config: `${DEFAULTS}
frontend f
    bind 127.0.0.1:\${port1} ssl crt ${FOLDER}/a.pem alpn h2
    http-request return status 200 content-type text/plain string x
`,
	});
	let session: http2.ClientHttp2Session | undefined;
	let goaways = 0;
	const open = (): http2.ClientHttp2Session => {
		const one = http2.connect(`https://127.0.0.1:${program.port(1)}`, { rejectUnauthorized: false });
		one.on('error', () => undefined);
		one.on('goaway', () => {
			goaways++;
			if (session === one) session = undefined;
		});
		one.on('close', () => {
			if (session === one) session = undefined;
		});
		return one;
	};
	/** As a browser: what the server has not seen is asked for again on another connection. */
	const ask = async (): Promise<string> => {
		for (let attempt = 0; attempt < 3; attempt++) {
			session ??= open();
			const stream = session.request({ ':path': '/' });
			const outcome = await new Promise<string>((resolve) => {
				stream.on('response', (head) => resolve(String(head[':status'])));
				stream.on('error', () => undefined);
				stream.on('close', () => resolve(`rst ${stream.rstCode}`));
				stream.resume();
			});
			if (outcome !== 'rst 7') return outcome;
		}
		return 'refused';
	};
	const outcomes = new Map<string, number>();
	let isOver = false;
	const traffic = (async () => {
		while (!isOver) {
			const outcome = await ask();
			outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
		}
	})();
	await waitFor('traffic', () => (outcomes.get('200') ?? 0) > 20);
	for (let reload = 1; reload <= 2; reload++) {
		const before = goaways;
		program.child.kill('SIGUSR2');
		await waitFor('the goodbye', () => goaways > before);
		const count = outcomes.get('200') ?? 0;
		await waitFor('traffic', () => (outcomes.get('200') ?? 0) > count + 20);
	}
	isOver = true;
	await traffic;
	(session as http2.ClientHttp2Session | undefined)?.destroy();
	t.same([...outcomes.keys()], ['200'], JSON.stringify([...outcomes]));
});
