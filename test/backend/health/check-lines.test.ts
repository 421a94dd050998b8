/**
 * The lines of `http-check`, `tcp-check` and the options of servers: what becomes of them in the model, and what is
 * refused.
 */
import t from 'tap';
import { load } from '../../config/load.js';

const HEAD = 'defaults\n mode http\n timeout connect 1s\n timeout server 1s\n timeout client 1s\n';

function backend(...lines: string[]) {
	const { model, remarks } = load(`${HEAD}backend b\n${lines.map((line) => ` ${line}\n`).join('')}`);
	return { check: model?.proxies[0]?.healthCheck, servers: model?.proxies[0]?.servers ?? [], remarks };
}

function kinds(check: ReturnType<typeof backend>['check']): string[] {
	return check !== undefined && 'steps' in check ? check.steps.map(({ kind }) => kind) : [];
}

t.test('option httpchk completes its sequence', async (t) => {
	t.same(kinds(backend('option httpchk').check), ['connect', 'http-send', 'expect']);
	t.same(kinds(backend('option httpchk', 'http-check expect status 200').check), ['connect', 'http-send', 'expect']);
	t.same(kinds(backend('option httpchk', 'http-check connect', 'http-check send uri /a').check), [
		'connect',
		'http-send',
		'expect',
	]);
	const { check } = backend('http-check send hdr Host a', 'option httpchk HEAD /ready HTTP/1.1');
	t.match(check, {
		steps: [{}, { method: 'HEAD', uri: { text: '/ready' }, version: 'HTTP/1.1', headers: [['Host', 'a']] }],
	});
	t.match(backend('option httpchk /x').check, { steps: [{}, { method: 'OPTIONS', uri: { text: '/x' } }] });
	const old = backend('option httpchk GET / HTTP/1.1\\r\\nHost:\\ www');
	t.match(old.check, { steps: [{}, { version: 'HTTP/1.1', headers: [['Host', 'www']] }] });
	t.match(old.remarks, [/deprecated/]);
});

t.test('the last option wins, and defaults are replaced by the first line of a section', async (t) => {
	t.match(backend('option httpchk', 'option redis-check').check, { kind: 'ready-made', check: { kind: 'redis' } });
	t.match(backend('option redis-check', 'no option redis-check').check, { kind: 'connect' });
	const { model } = load(
		`${HEAD} option tcp-check\n tcp-check send a\nbackend x\n server s 127.0.0.1:1 check\nbackend y\n tcp-check send b\n`,
	);
	t.match(
		model?.proxies.map(({ healthCheck }) => healthCheck),
		[
			{ kind: 'tcp-check', steps: [{ data: { text: 'a' } }] },
			{ kind: 'tcp-check', steps: [{ data: { text: 'b' } }] },
		],
	);
});

t.test('expectations', async (t) => {
	const rows: readonly (readonly [string, object])[] = [
		[
			'status 200,301-399',
			{
				match: {
					kind: 'status',
					ranges: [
						[200, 200],
						[301, 399],
					],
				},
				negated: false,
			},
		],
		['! rstatus ^5', { match: { kind: 'rstatus', regex: '^5' }, negated: true }],
		['min-recv 5 comment it string a\\ b', { match: { kind: 'string' }, minRecv: 5, comment: 'it' }],
		['error-status L7OKC rstring x', { errorStatus: 'L7OKC' }],
		// Behind the pattern as well, as HAProxy takes them
		[
			'rstring x on-error %[status] error-status L7RSP min-recv 2',
			{ errorStatus: 'L7RSP', onError: '%[status]', minRecv: 2 },
		],
		[
			'hdr name -m beg x- value -m reg ^v',
			{ match: { kind: 'hdr', name: { method: 'beg' }, value: { method: 'reg' } } },
		],
		['fhdr name-lf x-%[int(1)]', { match: { name: { pattern: { isFormat: true } }, value: undefined } }],
	];
	for (const [words, wanted] of rows) {
		const { check, remarks } = backend('option httpchk', `http-check expect ${words}`);
		t.same(remarks, [], words);
		t.match(check, { steps: [{}, {}, wanted] }, words);
	}
});

const REFUSED: readonly (readonly [lines: string[], remark: RegExp])[] = [
	[['http-check expect'], /'http-check expect' expects a match/],
	[['http-check expect status 20'], /invalid status code or range '20'/],
	[['http-check expect binary 00'], /unsupported match 'binary'/],
	[['http-check expect ok-status L8OK status 200'], /'ok-status' expects 'L7OK'/],
	[['http-check expect status 200 foo'], /unexpected argument 'foo'/],
	[['http-check expect status 200 string a'], /only one pattern expected/],
	[['http-check send hdr a'], /'hdr' expects a name and a value/],
	[['http-check send hdr a\\ b c'], /invalid header name/],
	[['http-check send methd GET'], /expects .* but got 'methd'; did you mean 'meth'/],
	[['http-check snd'], /'http-check' expects one of .*got 'snd'; did you mean 'send'/],
	[['tcp-check send-binary 123'], /binary string/],
	[['tcp-check connect port 70000'], /port between 1 and 65535/],
	[['tcp-check connect proto h2'], /invalid MUX protocol 'h2' for tcp-check/],
	[['option httpchk', 'http-check connect proto none'], /invalid MUX protocol 'none' for http-check/],
	[['option httpchk', 'http-check connect proto h9'], /unknown MUX protocol 'h9'/],
	[['option tcp-check', 'tcp-check send a', 'tcp-check connect'], /first step MUST also be a 'connect'/],
	[['option smtpchk HELO'], /expects a domain name/],
	[['option pgsql-check'], /'user <username>'/],
	[['option mysql-check usr x'], /'user <username>'/],
	[['option external-check'], /'option external-check' unable to find required 'global.external-check'/],
	[['external-check'], /missing argument after 'external-check'/],
	[['external-check program /bin/true'], /only supports 'command' and 'path'. but got 'program'/],
	[['email-alert to a@b'], /'email-alert' is not supported by holdfast/],
	[['server a 127.0.0.1:1 agent-check'], /agent-port/],
	[['server a 127.0.0.1 check'], /neither service port nor check port/],
	[['server a 127.0.0.1:1 check inter 0'], /'inter' expects a time of at least 1 ms/],
	[['server a 127.0.0.1:1 track b'], /unable to find required server 'b' for tracking/],
	[['server a 127.0.0.1:1 track x/b'], /unable to find required proxy 'x' for tracking/],
	[['server a 127.0.0.1:1', 'server b 127.0.0.1:1 track a'], /does not have any check/],
	[['server a 127.0.0.1:1 track b', 'server b 127.0.0.1:1 track a'], /in a circle/],
	[['server a 127.0.0.1:1 on-marked-down reboot'], /'on-marked-down' expects/],
];

t.test('refused, with file and line', async (t) => {
	for (const [lines, remark] of REFUSED) {
		const { remarks } = backend(...lines);
		t.ok(
			remarks.some((text) => remark.test(text) && /^alert \d+:/.test(text)),
			`${lines.join(' | ')}: ${remarks.join(' ')}`,
		);
	}
});

t.test('programs as checks are asked for twice, and one that nobody asks for is named', async (t) => {
	const withGlobal = (global: string, lines: string) =>
		load(`global\n${global}${HEAD}backend b\n option external-check\n${lines}`);
	const whole = withGlobal(' external-check\n insecure-fork-wanted\n', ' external-check command /bin/true\n');
	t.match(whole.model?.proxies[0]?.healthCheck, { kind: 'external', command: '/bin/true' });
	t.same(whole.remarks, []);
	t.match(withGlobal(' external-check\n insecure-fork-wanted\n', '').remarks, [/required 'external-check command'/]);
	t.match(withGlobal(' external-check\n', ' external-check command /bin/true\n').remarks, [/'insecure-fork-wanted'/]);
	const unused = backend('option tcp-check', 'external-check command /bin/true', 'external-check path /bin');
	t.match(unused.check, { kind: 'tcp-check' });
	t.same(unused.remarks, [
		"warning 6: 'external-check command' will be ignored for backend 'b' (requires 'option external-check').",
		"warning 6: 'external-check path' will be ignored for backend 'b' (requires 'option external-check').",
	]);
});

t.test('options of servers', async (t) => {
	const { servers, remarks } = backend(
		'default-server inter 5s fastinter 500ms downinter 10s rise 3 fall 4 slowstart 20s',
		'server a 127.0.0.1:1 check port 8080 addr 127.0.0.2 check-ssl verify none check-sni x check-alpn http/1.1 observe layer7 error-limit 3 on-error mark-down',
		'server b 127.0.0.1:1 track b/a on-marked-up shutdown-backup-sessions on-marked-down shutdown-sessions',
		'server c 127.0.0.1:1 agent-check agent-port 9 agent-addr 127.0.0.9 agent-inter 1s agent-send hi\\n init-state fully-down',
	);
	t.same(remarks, []);
	t.match(servers, [
		{
			interMs: 5000,
			rise: 3,
			fall: 4,
			health: {
				fastinterMs: 500,
				downinterMs: 10_000,
				slowstartMs: 20_000,
				checkPort: 8080,
				checkAddress: { address: '127.0.0.2' },
				checkTls: true,
				checkSni: 'x',
				observe: 'layer7',
				errorLimit: 3,
				onError: 'mark-down',
			},
		},
		{ health: { track: { backend: 'b', server: 'a' }, shutdownWhenDown: true, shutdownBackupsWhenUp: true } },
		{
			health: {
				agentCheck: true,
				agent: { port: 9, interMs: 1000, send: 'hi\n', address: { address: '127.0.0.9' } },
				initState: 'fully-down',
			},
		},
	]);
});
