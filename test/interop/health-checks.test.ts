/**
 * The same servers, good and bad, checked by Holdfast and by HAProxy 2.6 from the same conf file: what both log about
 * them, line by line. Only times differ.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(110_000);
const skip = skipUnlessHaproxy('2.6');

async function listen(t: Teardown, server: net.Server): Promise<number> {
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		if (server instanceof http.Server) server.closeAllConnections();
		server.close();
	});
	return (server.address() as net.AddressInfo).port;
}

/** A server that says `hello` first, if anything, and then answers each chunk; undefined: closes at once. */
function talker(hello: string | undefined, answer: (text: string) => string = () => ''): net.Server {
	return net.createServer((socket) => {
		socket.on('error', () => undefined);
		if (hello === undefined) {
			socket.end();
			return;
		}
		if (hello !== '') socket.write(hello, 'latin1');
		socket.on('data', (chunk) => {
			const text = answer(chunk.toString('latin1'));
			if (text !== '') socket.write(text, 'latin1');
		});
	});
}

const GREETING = `\x4a\0\0\0\x0a5.5.5-MariaDB\0${'\0'.repeat(59)}`;

const PEM = readFileSync(fileURLToPath(new URL('../fixtures/tls/a.pem', import.meta.url)));

/** The status that the path names, with what was asked as its body. */
function answerHttp2(request: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void {
	let body = '';
	request.on('data', (chunk) => {
		body += chunk;
	});
	request.on('end', () => {
		response.statusCode = Number(request.url.slice(1));
		response.setHeader('x-h', 'v1, v2');
		response.end(`${request.method} ${request.headers['x-a'] ?? '-'} ${body}.`);
	});
}

/** Servers by the name that the conf uses. */
const SERVERS: Readonly<Record<string, () => net.Server>> = {
	http: () =>
		http.createServer((_, response) => {
			response.setHeader('X-H', 'v1, v2');
			response.end('hello');
		}),
	missing: () =>
		http.createServer((_, response) => {
			response.statusCode = 404;
			response.end('hello');
		}),
	silent: () => talker(''),
	closing: () => talker(undefined),
	noise: () => talker('', () => '-ERR unknown command\r\n'),
	hello: () => talker('hello you\r\n', (text) => `ok ${text}`),
	redis: () => talker('', (text) => (text.includes('PING') ? '+PONG\r\n' : '')),
	smtp: () => talker('220 hi there\r\n', (text) => (text.includes('QUIT') ? '221 bye\r\n' : '250 at your service\r\n')),
	pgsql: () => talker('', () => 'R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I'),
	pgsqlerror: () => talker('', () => 'E\0\0\0\x50SFATAL\0C28000\0Mrole does not exist\0\0'),
	mysql: () => talker(GREETING, () => '\x07\0\0\x02\0\0\0\x02\0\0\0'),
	ldap: () => talker('', () => '0\x0c\x02\x01\x01a\x07\x0a\x01\0\x04\0\x04\0'),
	ldaperror: () => talker('', () => '0\x0c\x02\x01\x01a\x07\x0a\x01\x31\x04\0\x04\0'),
	tls: () => talker('', () => '\x16\x03\0\0\x05'),
	h2: () => http2.createServer(answerHttp2),
	h2tls: () => http2.createSecureServer({ cert: PEM, key: PEM }, answerHttp2),
	// As many bytes as a frame of HTTP/2 that would come from a server.
	h2broken: () => talker('', () => 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
};

/** Lines of a backend, and the server they are tried on; `options` are its line's own. */
const CASES: readonly (readonly [server: string, ...lines: string[]])[] = [
	['http'],
	['http', 'option httpchk'],
	['missing', 'option httpchk'],
	['missing', 'option httpchk', 'http-check disable-on-404'],
	['closing', 'option httpchk'],
	['noise', 'option httpchk'],
	['silent', 'option httpchk'],
	['http', 'option httpchk', 'http-check expect status 201'],
	['http', 'option httpchk', 'http-check expect rstatus ^4'],
	[
		'http',
		'option httpchk',
		'http-check expect status 300 error-status L7OKC'.replace(
			' status 300 error-status L7OKC',
			' error-status L7OKC status 300',
		),
	],
	['http', 'option httpchk', 'http-check expect rstring hel+o'],
	['http', 'option httpchk', 'http-check expect rstring foo'],
	['http', 'option httpchk', 'http-check expect ! string ell'],
	['http', 'option httpchk', 'http-check expect hdr name x-h value v2'],
	['http', 'option httpchk', 'http-check expect hdr name x-h value v3'],
	['http', 'option httpchk', 'http-check expect fhdr name -m beg X- value -m sub 1,'],
	[
		'http',
		'option httpchk',
		'http-check expect on-success "fine %[res.hdr(x-h)] %[status]" status-code int(123) status 200',
	],
	['http', 'option httpchk', 'http-check expect comment expecting string nope'],
	[
		'http',
		'option httpchk',
		'http-check connect',
		'http-check send meth GET uri /a ver HTTP/1.1 hdr Host foo body abc',
		'http-check expect status 200',
		'http-check connect port ${missing} comment second',
		'http-check send uri /b comment sending',
		'http-check expect comment expecting status 200',
	],
	['redis', 'option redis-check'],
	['http', 'option redis-check'],
	['closing', 'option redis-check'],
	['smtp', 'option smtpchk'],
	['smtp', 'option smtpchk FOO example.com'],
	['closing', 'option smtpchk'],
	['hello', 'option smtpchk EHLO example.com'],
	['pgsql', 'option pgsql-check user joe'],
	['pgsqlerror', 'option pgsql-check user joe'],
	['closing', 'option pgsql-check user joe'],
	['hello', 'option pgsql-check user joe'],
	['mysql', 'option mysql-check user joe'],
	['mysql', 'option mysql-check user joe pre-41'],
	['mysql', 'option mysql-check'],
	['closing', 'option mysql-check user joe'],
	['ldap', 'option ldap-check'],
	['ldaperror', 'option ldap-check'],
	['closing', 'option ldap-check'],
	['noise', 'option ldap-check'],
	['tls', 'option ssl-hello-chk'],
	['closing', 'option ssl-hello-chk'],
	['noise', 'option ssl-hello-chk'],
	['hello', 'option tcp-check'],
	['hello', 'option tcp-check', 'tcp-check connect', 'tcp-check send abc'],
	['hello', 'option tcp-check', 'tcp-check expect string hello'],
	[
		'hello',
		'option tcp-check',
		'tcp-check expect string hello',
		'tcp-check expect string you',
		'tcp-check send x',
		'tcp-check expect string hello',
	],
	['closing', 'option tcp-check', 'tcp-check expect string hello'],
	['closing', 'option tcp-check', 'tcp-check expect comment no\\ way rstring foo'],
	['hello', 'option tcp-check', 'tcp-check expect min-recv 3 string foo'],
	['hello', 'option tcp-check', 'tcp-check expect min-recv 3 comment is\\ it rstring ^foo'],
	['hello', 'option tcp-check', 'tcp-check expect min-recv 0 binary 0102'],
	['hello', 'option tcp-check', 'tcp-check expect min-recv 0 rbinary 0102'],
	['hello', 'option tcp-check', 'tcp-check expect comment is\\ it string-lf %[str(foo)]'],
	['hello', 'option tcp-check', 'tcp-check expect min-recv 0 string-lf %[str(foo)]'],
	['hello', 'option tcp-check', 'tcp-check comment about\\ bar', 'tcp-check expect string bar'],
	['hello', 'option tcp-check', 'tcp-check expect ok-status L6OK on-success "got %[res.payload(0,5)]" string hello'],
	['hello', 'option tcp-check', 'tcp-check expect on-error "it is %[srv_name]" min-recv 0 string zzz'],
	['hello', 'option tcp-check', 'tcp-check expect ! string zzz'],
	['hello', 'option tcp-check', 'tcp-check expect ! string you'],
	['hello', 'option tcp-check', 'tcp-check expect ! rstring you'],
	['silent', 'option tcp-check', 'tcp-check expect tout-status L6TOUT binary 50494e47'],
	['silent', 'option tcp-check', 'tcp-check connect comment first', 'tcp-check expect rbinary 303[12]'],
	['noise', 'option tcp-check', 'tcp-check send-binary 50494e47', 'tcp-check expect string -ERR'],
	[
		'hello',
		'option tcp-check',
		'tcp-check set-var(check.x) int(5)',
		'tcp-check set-var-fmt(check.y) "%[var(check.x)]-%[srv_name]"',
		'tcp-check send-lf "%[var(check.y)]\\r\\n"',
		'tcp-check expect string "ok 5-s"',
	],
	['http', 'option tcp-check', 'tcp-check connect port int(1) comment nobody'],
	['h2', 'option httpchk GET /200', 'http-check send hdr Host a', 'options check-proto h2'],
	['h2', 'option httpchk HEAD /204', 'http-check send hdr Host a', 'default-server proto h2'],
	['h2', 'option httpchk GET /503', 'http-check send hdr Host a', 'default-server proto h2'],
	[
		'h2',
		'option httpchk',
		'http-check connect proto h2',
		'http-check send meth POST uri /200 hdr Host a hdr X-A b body abc',
		'http-check expect string "POST b abc."',
		'http-check connect proto h2',
		'http-check send meth GET uri /404 hdr Host a',
		'http-check expect hdr name x-h value v2',
	],
	['h2', 'option httpchk GET /200', 'http-check send hdr Host a'],
	['h2broken', 'option httpchk GET /200', 'http-check send hdr Host a', 'default-server proto h2'],
	['http', 'option httpchk GET /', 'http-check send hdr Host a', 'options proto h2 check-proto h1'],
	[
		'h2tls',
		'option httpchk',
		'http-check connect ssl alpn h2',
		'http-check send meth GET uri /200 hdr Host a',
		'http-check expect rstring GET',
		'default-server verify none',
	],
	[
		'h2tls',
		'option httpchk GET /200',
		'http-check send hdr Host a',
		'default-server ssl verify none check-alpn h2,http/1.1',
	],
];

const GLOBAL = `global
    log stdout format short local0
defaults
    mode http
    log global
    timeout connect 1s
    timeout server 1s
    timeout client 1s
    # Far longer than a server of this test may be held up by a busy machine; those that are silent take it all.
    timeout check 6s
    default-server inter 2000
frontend idle
    bind 127.0.0.1:\${port1}
`;

async function config(t: Teardown): Promise<string> {
	const ports = new Map<string, number>();
	for (const [name, make] of Object.entries(SERVERS)) ports.set(name, await listen(t, make()));
	let text = GLOBAL;
	for (const withLog of [true, false]) {
		for (const [index, [server, ...lines]] of CASES.entries()) {
			text += `backend ${withLog ? 'log' : 'plain'}${index}\n`;
			if (withLog) text += '    option log-health-checks\n';
			const options = lines.find((line) => line.startsWith('options '))?.slice('options'.length) ?? '';
			for (const line of lines.filter((line) => !line.startsWith('options ')))
				text += `    ${line.replace(/\$\{(\w+)\}/g, (_, name) => String(ports.get(name)))}\n`;
			text += `    server s 127.0.0.1:${ports.get(server)} check${options}\n`;
		}
	}
	return text;
}

/** What was said of each backend first: about its check, and about its state. */
function firstLines(program: Program): Map<string, string> {
	const said = new Map<string, string>();
	for (const line of program.logLines) {
		const name = /(?:[Ss]erver|backend) ((?:log|plain)\d+)/.exec(line)?.[1];
		if (name === undefined) continue;
		const known = said.get(name) ?? '';
		if (known.split('\n').length > (name.startsWith('log') ? 3 : 2)) continue;
		said.set(name, `${known}${line.replace(/check duration: \d+ms/, 'check duration')}\n`);
	}
	return said;
}

t.test('what is logged of each kind of check is what HAProxy logs', { skip }, async (t) => {
	const text = await config(t);
	const [holdfast, haproxy] = await Promise.all(
		(['holdfast', 'haproxy'] as const).map((program) => startProgram(t, { config: text, ports: 1, program })),
	);
	const names = CASES.flatMap((_, index) => [`log${index}`, `plain${index}`]);
	// Who is quick says its second line before the other its first: they agree when both have said all they have to.
	await waitFor(
		'all checks to be logged alike',
		() => {
			const [ours, theirs] = [firstLines(holdfast as Program), firstLines(haproxy as Program)];
			return (
				CASES.every((_, index) => theirs.has(`log${index}`)) &&
				names.every((name) => ours.get(name) === theirs.get(name))
			);
		},
		40_000,
	).catch(() => undefined);
	const theirs = firstLines(haproxy as Program);
	const ours = firstLines(holdfast as Program);
	for (const [index, words] of CASES.entries()) {
		for (const name of [`log${index}`, `plain${index}`]) {
			t.equal(ours.get(name), theirs.get(name), `${name}: ${words.join(' | ')}`);
		}
	}
});

t.test('a server that fails, drains and comes back', { skip }, async (t) => {
	let status = 200;
	const heads: { program: string; text: string }[] = [];
	const origin = http.createServer((request, response) => {
		heads.push({ program: request.headers['x-who'] as string, text: request.rawHeaders.join(' ') });
		response.statusCode = status;
		response.end('x');
	});
	const port = await listen(t, origin);
	const text = (who: string) => `${GLOBAL}backend web
    timeout check 5s
    option httpchk GET /health HTTP/1.1
    http-check send hdr Host x.example hdr X-Who ${who}
    http-check send-state
    http-check disable-on-404
    option log-health-checks
    server s1 127.0.0.1:${port} check inter 600 fastinter 300 weight 3
    server s2 127.0.0.1:${port} track s1
backend other
    option httpchk GET /health HTTP/1.1
    http-check send hdr Host x.example
    http-check disable-on-404
    server t1 127.0.0.1:${port} track web/s1
    server t2 127.0.0.1:${port} track t1 backup
`;
	const programs = await Promise.all(
		(['holdfast', 'haproxy'] as const).map((program) => startProgram(t, { config: text(program), ports: 1, program })),
	);
	/**
	 * The line has been logged so many times by both, and both then tell the server that they see it so, without a count
	 * of successes or failures: the next status finds them in the same state, however late one of them was.
	 */
	const until = async (pattern: RegExp, count: number, state: string) => {
		await waitFor(`${count} times ${pattern}`, () =>
			programs.every(({ logLines }) => logLines.filter((line) => pattern.test(line)).length >= count),
		);
		const since = heads.length;
		await waitFor(`both to see it ${state}`, () =>
			['holdfast', 'haproxy'].every((program) =>
				heads
					.slice(since)
					.some((head) => head.program === program && new RegExp(`server-state ${state};`, 'i').test(head.text)),
			),
		);
	};
	await until(/web\/s1 succeeded/, 1, 'UP');
	status = 503;
	await until(/t2 is DOWN/, 1, 'DOWN');
	status = 200;
	await until(/t2 is UP/, 1, 'UP');
	status = 404;
	await until(/t2 is stopping/, 1, 'NOLB');
	status = 200;
	await until(/t2 is UP/, 2, 'UP');
	status = 404;
	await until(/t2 is stopping/, 2, 'NOLB');
	status = 503;
	await until(/t2 is DOWN/, 2, 'DOWN');
	const lines = programs.map(({ logLines }) => logLines.map((line) => line.replace(/check duration: \d+ms/, 'T')));
	// A tracked server's followers are told in an order of their own.
	const perServer = (all: string[] = [], name: string) =>
		all.filter((line) => line.includes(` ${name} `) || line.includes(`/${name} `));
	for (const name of ['web/s1', 'web/s2', 'other/t1', 'other/t2']) {
		const [ours, theirs] = lines.map((all) =>
			perServer(all, name).map((line) =>
				line.replace(/\d+ active and \d+ backup servers (?:left|online)\.(?: Running on backup\.)?/, 'N'),
			),
		);
		t.same(ours, theirs, name);
	}
	const states = (program: string) => [
		...new Set(
			heads
				.filter((head) => head.program === program)
				.map(({ text: head }) =>
					/x-haproxy-server-state (\S+(?: \d\/\d)?;).*(weight=\S+ scur=\S+ qcur=\d)/i.exec(head)?.slice(1).join(' '),
				),
		),
	];
	t.same(states('holdfast').sort(), states('haproxy').sort(), 'how a server is told it is seen');
});
