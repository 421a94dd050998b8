/** Each action, by a line of configuration and what it does to a stream. */
import t from 'tap';
import type { RuleSite } from '../../lib/sample/types.js';
import { fakeControl } from '../fixtures/stream-control.js';
import type { FakeContextOptions, FakeStreamOptions } from '../fixtures/stream-view.js';
import { rulesOf, verdictName } from './support.js';

interface Effect {
	/** The line, or several parted by ` ; `. */
	readonly rule: string;
	readonly site?: RuleSite;
	readonly stream?: FakeStreamOptions;
	readonly context?: FakeContextOptions;
	readonly verdict?: string;
	/** `name: value` of the message the rule looks at. */
	readonly headers?: readonly string[];
	readonly target?: string;
	readonly method?: string;
	readonly status?: string;
	readonly variables?: Readonly<Record<string, unknown>>;
	readonly events?: readonly string[];
	/** `status reason|name: value|...|body`. */
	readonly reply?: string;
}

const H = { headers: { host: 'h', 'x-a': '1', 'x-b': ['2', '3, 4'], evil: 'a%0d%0ab' } };
const R = { status: 404, reason: 'Not Found', responseHeaders: { server: 's', 'set-cookie': ['a=1', 'b=2'] } };

const EFFECTS: readonly Effect[] = [
	// Header fields
	{ rule: 'set-header X-A new', stream: H, headers: ['host: h', 'x-b: 2', 'x-b: 3, 4', 'evil: a%0d%0ab', 'x-a: new'] },
	{ rule: 'set-header __proto__ p', stream: { headers: {} }, headers: ['__proto__: p'] },
	{ rule: "set-header x ' blanks '", stream: { headers: {} }, headers: ['x: blanks'] },
	{ rule: 'add-header X-A %[path]', stream: { headers: { 'x-a': '1' } }, headers: ['x-a: 1', 'x-a: /path'] },
	{ rule: 'del-header X-A', stream: H, headers: ['host: h', 'x-b: 2', 'x-b: 3, 4', 'evil: a%0d%0ab'] },
	{ rule: 'del-header X- -m beg', stream: H, headers: ['host: h', 'evil: a%0d%0ab'] },
	{ rule: 'del-header -b -m end', stream: H, headers: ['host: h', 'x-a: 1', 'evil: a%0d%0ab'] },
	{ rule: 'del-header vi -m sub', stream: H, headers: ['host: h', 'x-a: 1', 'x-b: 2', 'x-b: 3, 4'] },
	{ rule: 'del-header ^x-[ab]$ -m reg', stream: H, headers: ['host: h', 'evil: a%0d%0ab'] },
	{
		rule: 'del-header .* -m reg',
		stream: { headers: { 'content-length': '3', 'transfer-encoding': 'chunked', a: 'b' } },
		headers: ['content-length: 3', 'transfer-encoding: chunked'],
	},
	{
		rule: 'replace-header Cookie foo=([^;]*);(.*) foo=\\1;ip=%bi;\\2',
		stream: { headers: { cookie: 'foo=foobar; expires=Tue' } },
		headers: ['cookie: foo=foobar;ip=-; expires=Tue'].map((line) => line.replace('ip=-', 'ip=')),
	},
	{ rule: 'replace-header X-B . Z', stream: H, headers: ['host: h', 'x-a: 1', 'x-b: Z', 'x-b: Z', 'evil: a%0d%0ab'] },
	{
		rule: 'replace-value X-F ^192\\.168\\.(.*)$ 172.16.\\1',
		stream: { headers: { 'x-f': '192.168.10.1, 192.168.13.24 ,10.0.0.37' } },
		headers: ['x-f: 172.16.10.1,172.16.13.24 ,10.0.0.37'],
	},
	{
		rule: 'replace-value X-F b! c',
		stream: { headers: { 'x-f': '"a,b!",b!' } },
		headers: ['x-f: c,c'],
	},
	// A target in absolute form and Host name the same server, whichever of them a rule writes
	{
		rule: 'set-uri http://u:p@other:81/x',
		stream: { headers: { host: 'h' } },
		target: 'http://u:p@other:81/x',
		headers: ['host: other:81'],
	},
	{ rule: 'replace-uri .* https://o', stream: { headers: { host: 'h' } }, target: 'https://o', headers: ['host: o'] },
	{ rule: 'set-uri /x', stream: { headers: { host: 'h' } }, target: '/x', headers: ['host: h'] },
	{
		rule: 'set-header host new:8080',
		stream: { target: 'http://h/a?b', headers: { host: 'h' } },
		target: 'http://new:8080/a?b',
		headers: ['host: new:8080'],
	},
	{
		rule: 'replace-header Host ^(.*)$ x-\\1',
		stream: { target: 'http://h?b', headers: { host: 'h' } },
		target: 'http://x-h?b',
		headers: ['host: x-h'],
	},
	{ rule: 'set-header host n', stream: { target: '/a', headers: { host: 'h' } }, target: '/a', headers: ['host: n'] },
	{ rule: 'set-header host %[str()]', stream: { target: 'http://h/a' }, target: 'http://h/a' },
	{ rule: 'set-header host a/b?c', stream: { target: 'http://h/a' }, target: 'http://h/a', headers: ['host: a/b?c'] },
	// Hints go out with the last of those that nothing parts
	{
		rule: 'early-hint a 1 ; early-hint b 2 ; early-hint c 3 if TRUE ; early-hint d 4',
		events: ['early hint a: 1 ...', 'early hint b: 2', 'early hint c: 3 ...', 'early hint d: 4'],
	},
	// A field that has nothing to say is not in the reply
	{
		rule: 'return status 200 hdr x-a %[str()] hdr x-b %[str(b)]',
		verdict: 'DONE',
		reply: '200 OK|x-b: b|content-length: 0|',
	},
	// What must not reach the wire
	{
		rule: 'set-header x-new %[req.hdr(evil),url_dec]',
		stream: { headers: { evil: 'a%0d%0ab: c' } },
		// The format encodes control bytes, as the reference does.
		headers: ['evil: a%0d%0ab: c', 'x-new: a%0D%0Ab: c'],
	},
	{
		rule: 'replace-header x (.*) a\\x0d\\x0ab',
		stream: { headers: { x: '1' } },
		headers: ['x: 1'],
		verdict: 'ERROR',
		events: ['failed rewrite', 'decision rules.cfg:1'],
	},
	{
		rule: 'strict-mode off ; replace-header x (.*) a\\x00b ; set-header y z',
		stream: { headers: { x: '1' } },
		headers: ['x: 1', 'y: z'],
		events: ['failed rewrite'],
	},
	// Response header fields
	{
		rule: 'replace-header Set-Cookie (.*) \\1;s',
		site: 'http-response',
		stream: R,
		headers: ['server: s', 'set-cookie: a=1;s', 'set-cookie: b=2;s'],
	},
	{ rule: 'del-header set-cookie', site: 'http-after-response', stream: R, headers: ['server: s'] },
	{ rule: 'set-status 503', site: 'http-response', stream: R, status: '503 Service Unavailable' },
	{ rule: "set-status 299 reason 'So So'", site: 'http-after-response', stream: R, status: '299 So So' },
	// Request line
	{ rule: 'set-method PUT', method: 'PUT' },
	{ rule: 'set-method %[req.hdr(none)]', method: 'GET', verdict: 'ERROR' },
	{ rule: 'set-path /%[hdr(host)]%[path]', target: '/example.com/path?a=1' },
	{ rule: 'set-path /z', stream: { target: 'http://h/p?q' }, target: 'http://h/z?q' },
	{ rule: 'set-path /z', stream: { target: '*' }, target: '/z' },
	{ rule: "set-path '/a b'", target: '/path?a=1', verdict: 'ERROR' },
	{ rule: 'set-path %[req.hdr(none)]', target: '/path?a=1', verdict: 'ERROR' },
	{ rule: 'set-pathq /x?y', target: '/x?y' },
	{ rule: 'set-pathq /x', target: '/x' },
	{ rule: 'set-query b=2', target: '/path?b=2' },
	{ rule: 'set-query %[req.hdr(none)]', target: '/path?' },
	{ rule: 'set-query %[req.hdr(none)]', stream: { target: '/p' }, target: '/p' },
	{ rule: 'set-query b', stream: { target: '/p' }, target: '/p?b' },
	{ rule: 'set-uri http://o/x', target: 'http://o/x' },
	{ rule: 'replace-path (.*) /foo\\1', target: '/foo/path?a=1' },
	{ rule: 'replace-path /foo/(.*) /\\1', stream: { target: '/x/foo/bar?q' }, target: '/bar?q' },
	{ rule: 'replace-path none /x', target: '/path?a=1' },
	{ rule: 'replace-pathq ([^?]*)(\\?(.*))? \\1/foo\\2', target: '/path/foo?a=1' },
	{ rule: 'replace-uri ^/(.*) https://\\1', target: 'https://path?a=1' },
	// Variables
	{ rule: 'set-var(txn.a) path', variables: { 'txn.a': '/path' } },
	{ rule: 'set-var(txn.a) req.hdr(none)', variables: {} },
	{ rule: 'set-var-fmt(sess.__proto__) %[path]!', variables: { 'sess.__proto__': '/path!' } },
	{ rule: 'unset-var(txn.a)', stream: { variables: { 'txn.a': 1 } }, variables: {} },
	...(
		[
			['ifexists', 1, undefined],
			['ifnotexists', undefined, 5],
			['ifset', 1, undefined],
			['ifnotset', undefined, 5],
			['ifgt', 9, 4],
			['iflt', 4, 9],
		] as const
	).flatMap(([condition, yes, no]): Effect[] => [
		{
			rule: `set-var(req.v,${condition}) int(5)`,
			stream: { variables: yes === undefined ? {} : { 'req.v': yes } },
			variables: { 'req.v': 5 },
		},
		{
			rule: `set-var(req.v,${condition}) int(5)`,
			stream: { variables: no === undefined ? {} : { 'req.v': no } },
			variables: no === undefined ? {} : { 'req.v': no },
		},
	]),
	{ rule: 'set-var(req.v,ifempty) path', variables: {} },
	{ rule: 'set-var(req.v,ifnotempty) path', variables: { 'req.v': '/path' } },
	// Logging, timing, queue
	{ rule: 'set-log-level silent', events: ['log level silent'] },
	{ rule: 'set-log-level err', events: ['log level 3'] },
	{ rule: 'capture path len 10', events: ['request capture 0 /path'] },
	{
		rule: 'capture path len 10 ; capture method len 3',
		context: { proxy: { requestCaptures: [{ name: 'Host', length: 5 }] } },
		events: ['request capture 1 /path', 'request capture 2 GET'],
	},
	{ rule: 'capture path id 7', context: { kind: 'backend' }, events: ['request capture 7 /path'] },
	{
		rule: 'capture res.hdr(server) id 0',
		site: 'http-response',
		stream: R,
		context: { proxy: { responseCaptures: [{ name: '', length: 9 }] } },
		events: ['response capture 0 s'],
	},
	{ rule: 'set-timeout server 5s', events: ['timeout server 5000'] },
	{ rule: 'set-timeout tunnel int(70)', events: ['timeout tunnel 70'] },
	{ rule: 'set-timeout client int(0)', events: [] },
	{ rule: 'set-priority-class int(9999)', events: ['priority class 2047'] },
	{ rule: 'set-priority-offset int(-9999999)', events: ['priority offset -524287'] },
	{ rule: 'set-src str(10.9.8.7)', events: ['source 10.9.8.7 same'] },
	{ rule: 'set-src req.hdr(none)', events: [] },
	{ rule: 'set-src-port int(65537)', events: ['source 192.0.2.1 1'] },
	{ rule: 'set-dst str(::1) ; set-dst-port int(443)', events: ['destination ::1 same', 'destination ::1 443'] },
	{ rule: 'set-nice 5', events: [] },
	{ rule: 'wait-for-handshake', events: [] },
	// Verdicts
	{ rule: 'allow', verdict: 'STOP', events: ['decision rules.cfg:1'] },
	{ rule: 'accept', site: 'tcp-request connection', verdict: 'STOP' },
	{ rule: 'reject', verdict: 'ABORT' },
	{ rule: 'reject', site: 'tcp-request session', verdict: 'ABORT' },
	{ rule: 'silent-drop', verdict: 'ABORT', events: ['silent drop', 'decision rules.cfg:1'] },
	{ rule: 'reject if { path /other }', verdict: 'CONTINUE', events: [] },
	{ rule: 'reject unless { path /other }', verdict: 'ABORT' },
	{ rule: 'set-header a b ; allow if { path /path } ; deny', verdict: 'STOP', events: ['decision rules.cfg:2'] },
	// Replies
	{
		rule: 'deny',
		verdict: 'DENY',
		reply:
			'403 Forbidden|content-length: 93|cache-control: no-cache|content-type: text/html|<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n',
	},
	{ rule: 'deny deny_status 429', verdict: 'DENY', reply: '429 Too Many Requests' },
	{ rule: 'deny status 418', verdict: 'DENY', reply: "418 I'm a teapot|content-length: 0|" },
	{ rule: 'deny deny_status 418 hdr a b', verdict: 'DENY', reply: "418 I'm a teapot|a: b|content-length: 0|" },
	{ rule: 'deny', site: 'http-response', stream: R, verdict: 'DENY', reply: '502 Bad Gateway' },
	{ rule: 'tarpit', verdict: 'DENY', events: ['tarpit', 'decision rules.cfg:1'], reply: '500 Internal Server Error' },
	{ rule: 'tarpit deny_status 429', verdict: 'DENY', reply: '429 Too Many Requests' },
	{ rule: 'return', verdict: 'DONE', reply: '200 OK|content-length: 0|' },
	{ rule: 'return status 204', verdict: 'DONE', reply: '204 No Content|' },
	{ rule: 'return status 299', verdict: 'DONE', reply: '299 Success|content-length: 0|' },
	{
		rule: "return content-type text/plain string hello hdr X-A 'b c' hdr X-B %[path]",
		verdict: 'DONE',
		reply: '200 OK|x-a: b c|x-b: /path|content-length: 5|content-type: text/plain|hello',
	},
	{
		rule: "return status 404 content-type text/plain lf-string '%[path] of %[hdr(host)]'",
		verdict: 'DONE',
		reply: '404 Not Found|content-length: 20|content-type: text/plain|/path of example.com',
	},
	{
		rule: 'return content-type a/b file f.bin',
		context: { files: { 'f.bin': '\x00\xff%[path]' } },
		verdict: 'DONE',
		reply: '200 OK|content-length: 9|content-type: a/b|\x00\xff%[path]',
	},
	{
		rule: 'return content-type a/b lf-file f.txt',
		context: { files: { 'f.txt': 'at %[path]\n' } },
		verdict: 'DONE',
		reply: '200 OK|content-length: 9|content-type: a/b|at /path\n',
	},
	{
		rule: 'return errorfile e.http',
		context: { files: { 'e.http': 'HTTP/1.0 503 Foo\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n<b>' } },
		verdict: 'DONE',
		reply: '503 Foo|cache-control: no-cache|connection: close|<b>',
	},
	{ rule: 'return status 503 default-errorfiles', verdict: 'DONE', reply: '503 Service Unavailable' },
	{
		rule: 'auth',
		verdict: 'DONE',
		events: ['client error', 'decision rules.cfg:1'],
		reply:
			'401 Unauthorized|content-length: 112|cache-control: no-cache|content-type: text/html|www-authenticate: Basic realm="fe"|',
	},
	{
		rule: `auth realm 'a "b'`,
		verdict: 'DONE',
		reply:
			'401 Unauthorized|content-length: 112|cache-control: no-cache|content-type: text/html|www-authenticate: Basic realm="a \\"b"|',
	},
	// Redirects
	{
		rule: 'redirect location /x?a=1',
		verdict: 'DONE',
		reply: '302 Found|content-length: 0|location: /x?a=1|cache-control: no-cache|',
	},
	{
		rule: 'redirect prefix http://h/p code 301 set-cookie A=b',
		verdict: 'DONE',
		reply: '301 Moved Permanently|content-length: 0|location: http://h/p/path?a=1|set-cookie: A=b; path=/;|',
	},
	{
		rule: 'redirect prefix /p drop-query append-slash code 307',
		verdict: 'DONE',
		reply: '307 Temporary Redirect|content-length: 0|location: /p/path/|cache-control: no-cache|',
	},
	{
		rule: 'redirect scheme https code 308 clear-cookie B=',
		verdict: 'DONE',
		reply:
			'308 Permanent Redirect|content-length: 0|location: https://example.com/path?a=1|set-cookie: B=; path=/; Max-Age=0;|',
	},
	{
		rule: 'redirect scheme https',
		stream: { target: '*' },
		verdict: 'DONE',
		reply: '302 Found|content-length: 0|location: https:///|'.replace(
			'https:///|',
			'https://example.com/|cache-control: no-cache|',
		),
	},
	{
		rule: 'redirect prefix /',
		stream: { target: '//evil.example/x' },
		verdict: 'DONE',
		reply: '302 Found|content-length: 0|location: /evil.example/x|cache-control: no-cache|',
	},
	{
		rule: 'redirect prefix https://a',
		stream: { target: '//b' },
		verdict: 'DONE',
		reply: '302 Found|content-length: 0|location: https://a//b|cache-control: no-cache|',
	},
	{ rule: 'redirect location %[req.hdr(none)] ignore-empty', verdict: 'CONTINUE' },
	{
		rule: 'redirect location / code 303 if { path /path }',
		verdict: 'DONE',
		reply: '303 See Other|content-length: 0|location: /|cache-control: no-cache|',
	},
];

function replyText(reply: NonNullable<ReturnType<typeof fakeControl>['reply']>): string {
	const { names, values } = reply.headers;
	const fields = names.map((name, index) => `${name}: ${values[index]}`);
	return [`${reply.status} ${reply.reason}`, ...fields, reply.body.toString('latin1')].join('|');
}

for (const effect of EFFECTS) {
	const site = effect.site ?? 'http-request';
	t.test(`${site} ${effect.rule}`, (t) => {
		const rules = rulesOf(site, effect.rule.split(' ; '), effect.context);
		const stream = fakeControl(effect.stream);
		const verdict = rules.evaluate(stream, 0);
		if (effect.verdict !== undefined) t.equal(verdictName(verdict), effect.verdict);
		else t.equal(verdictName(verdict), 'CONTINUE');
		const head = site === 'http-request' ? stream.request : stream.response;
		if (effect.headers !== undefined) {
			const { names, values } = (head as NonNullable<typeof head>).headers;
			t.same(
				names.map((name, index) => `${name}: ${values[index]}`),
				effect.headers,
			);
		}
		if (effect.target !== undefined) t.equal(stream.request?.target, effect.target);
		if (effect.method !== undefined) t.equal(stream.request?.method, effect.method);
		if (effect.status !== undefined) t.equal(`${stream.response?.status} ${stream.response?.reason}`, effect.status);
		if (effect.events !== undefined) t.same(stream.events, effect.events);
		if (effect.variables !== undefined) {
			const { values } = stream.variables as unknown as { values: Map<string, unknown> };
			t.same([...values], Object.entries(effect.variables));
		}
		if (effect.reply !== undefined) {
			const reply = stream.reply;
			if (reply === undefined) t.fail('no reply was set');
			else if (effect.reply.includes('|')) {
				const text = replyText(reply);
				t.equal(
					effect.reply.endsWith('|') && reply.body.length > 0 ? text.slice(0, effect.reply.length) : text,
					effect.reply,
				);
			} else t.equal(`${reply.status} ${reply.reason}`, effect.reply);
		}
		t.end();
	});
}
