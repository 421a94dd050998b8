/**
 * One conf file with many actions, the same requests, Holdfast and the real HAProxy side by side: status, reason,
 * fields (in any order) and body must agree, and so must the log lines.
 */
import net from 'node:net';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';

const CONFIG = String.raw`
global
    nbthread 1
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
    timeout tarpit 50ms
userlist people
    user joe insecure-password secret
    user ann password $5$abcdefgh$sI6g8tHKrJ6RX7w.YoN9B7a/5wK5jYEOMmMnt3tPl0/
frontend f
    bind 127.0.0.1:${'${port1}'}
    log stdout format raw local0
    log-format "%ST %ts %HM %HP {%[capture.req.hdr(0)]} %[var(txn.v)]"
    errorloc302 504 http://x/y
    http-error status 410 content-type text/plain lf-string "gone %[path]" hdr X-A b
    http-request capture req.hdr(x-cap) len 4
    http-request set-var(txn.v) path,length
    http-request set-log-level silent if { path /silent }
    http-request deny if { path /deny }
    http-request deny deny_status 429 if { path /deny429 }
    http-request deny status 418 hdr a b if { path /deny418 }
    http-request tarpit deny_status 403 if { path /tarpit }
    http-request deny deny_status 410 if { path /gone }
    http-request return status 504 default-errorfiles if { path /loc }
    http-request return status 204 if { path /none }
    http-request return status 201 content-type a/b string "x y" hdr X-B %[path] if { path /str }
    http-request redirect location /x?a=1 if { path /rl }
    http-request redirect prefix http://h/p code 301 set-cookie A=b if { path /rp }
    http-request redirect prefix /p drop-query append-slash code 307 if { path /rpd }
    http-request redirect scheme https code 308 clear-cookie B= if { path /rs }
    http-request redirect location %[req.hdr(none)] ignore-empty if { path /rli }
    http-request auth realm Gimme if { path /auth } !{ http_auth(people) }
    http-request silent-drop if { path /drop }
    http-request reject if { path /reject }
    http-request set-header X-A %[path] if { path_beg /h }
    http-request add-header X-A two if { path_beg /h }
    http-request del-header X-D -m beg if { path_beg /h }
    http-request replace-header X-R (.)(.*) \2\1 if { path_beg /h }
    http-request replace-value X-V ^(.)$ <\1> if { path_beg /h }
    http-request set-path /new%[path] if { path /h1 }
    http-request set-query b=2 if { path /h2 }
    http-request set-pathq /z?y if { path /h3 }
    http-request replace-path /h(.) /\1\1 if { path /h4 }
    http-request replace-pathq ^(.*)\?(.*) \2?\1 if { path /h5 }
    http-request set-uri /u?v if { path /h6 }
    http-request set-method PUT if { path /h7 }
    http-after-response set-header X-After "%[status]"
    http-after-response set-status 299 reason "So So" if { status 204 }
    default_backend b
backend b
    http-response set-header X-Res "%[res.hdr(x-up)]"
    http-response del-header x-up
    http-response deny if { res.hdr(x-res) /deny-response }
    http-response return status 202 content-type t/t string swapped if { res.hdr(x-res) /swap }
    http-response redirect location /moved if { res.hdr(x-res) /move }
    http-response set-status 203 if { res.hdr(x-res) /status }
    server up 127.0.0.1:${'${port2}'}
listen up
    bind 127.0.0.1:${'${port2}'}
    http-request return status 200 content-type text/plain hdr X-Up %[path] lf-string "%[method] %[url]|%[req.hdr(x-a)]|%[req.fhdr(x-a)]|%[req.hdr(x-d1)]|%[req.fhdr(x-r)]|%[req.fhdr(x-v)]"
`;

const FIELDS = 'x-d1: gone\r\nx-r: abc\r\nx-v: a, bb,c\r\nx-cap: captured\r\n';

/** Path or method and path, and fields of its own. */
const REQUESTS: readonly (readonly [target: string, fields?: string])[] = [
	...['/deny', '/deny429', '/deny418', '/tarpit', '/gone', '/loc', '/none', '/str'].map((path) => [path] as const),
	...['/rl', '/rp?q=1', '/rpd?q=1', '/rs?q=1', '/rli', '/drop', '/reject', '/silent'].map((path) => [path] as const),
	['/auth'],
	['/auth', 'authorization: Basic am9lOnNlY3JldA==\r\n'],
	['/auth', 'authorization: Basic am9lOndyb25n\r\n'],
	['/auth', 'authorization: Basic YW5uOng=\r\n'],
	...['/h', '/h1?q', '/h2?q', '/h3', '/h4?q', '/h5?q', '/h6', '/h7', '/plain'].map((path) => [path] as const),
	...['/deny-response', '/swap', '/move', '/status'].map((path) => [path] as const),
];

/** The answer with its fields sorted; `closed` for none. */
function ask(port: number, target: string, fields: string): Promise<string> {
	return new Promise((resolve) => {
		let text = '';
		const socket = net.connect(port, '127.0.0.1', () =>
			socket.write(`GET ${target} HTTP/1.1\r\nhost: h.example\r\nconnection: close\r\n${fields}\r\n`),
		);
		socket.setEncoding('latin1').on('data', (chunk: string) => {
			text += chunk;
		});
		// A dropped connection says nothing, not even that it is over.
		socket.setTimeout(1000, () => socket.destroy());
		socket.on('error', () => undefined);
		socket.on('close', () => {
			const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s);
			const [start = '', ...lines] = head.split('\r\n');
			resolve(text === '' ? 'closed' : [start, ...lines.sort(), '', body].join('\n'));
		});
	});
}

async function answers(program: Program): Promise<string[]> {
	const all: string[] = [];
	for (const [target, fields = ''] of REQUESTS) {
		all.push(`${target}\n${await ask(program.port(1), target, FIELDS + fields)}`);
	}
	return all;
}

t.test('actions answer and log as HAProxy 2.6 does', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const theirs = await startProgram(t, { config: CONFIG, ports: 2, program: 'haproxy' });
	const ours = await startProgram(t, { config: CONFIG, ports: 2 });
	const expected = await answers(theirs);
	const found = await answers(ours);
	for (let i = 0; i < expected.length; i++) t.equal(found[i], expected[i], REQUESTS[i]?.[0] ?? '');
	const lines = REQUESTS.length - 1;
	t.same((await ours.logged(lines)).map(comparable), (await theirs.logged(lines)).map(comparable));
});

/**
 * One word that differs: an `errorloc` is logged with the status of its redirect, which is what the client got; the
 * reference logs the error that it stands for.
 */
function comparable(line: string): string {
	return line.includes(' /loc ') ? line.replace(/^(302|504) /, 'loc ') : line;
}
