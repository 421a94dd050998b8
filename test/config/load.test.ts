/** Reading as a whole: several files, the command line, the environment, files that rules name, peers' names. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { checkSupported } from '../../lib/config/check-supported.js';
import { SUPPORTED, type Supported } from '../../lib/config/features.js';
import { readConfigurationFiles } from '../../lib/config/index.js';
import { HTTP_LOG_FORMAT } from '../../lib/config/log-formats.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';
import { load } from './load.js';

const FRONTEND = 'frontend f\n mode http\n timeout client 1s\n bind :1\n';

t.test('several files are one configuration, each ends its section', async (t) => {
	const files = [
		{ path: 'a.cfg', content: 'global\n nbthread 3\ndefaults\n mode http\n timeout client 1s\n' },
		{ path: 'b.cfg', content: 'frontend f\n bind :1\n default_backend b\n' },
		{ path: 'c.cfg', content: '\n mode http\nbackend b\n' },
	];
	const { model, diagnostics } = load('', { files });
	t.equal(model, undefined);
	t.same(
		diagnostics.list.map((item) => item.place),
		[{ file: 'c.cfg', line: 2 }],
	);
	t.match(diagnostics.list[0]?.text, /^unknown keyword 'mode' out of section/);
	const good = load('', { files: [...files.slice(0, 2), { path: 'c.cfg', content: 'backend b\n' }] });
	t.equal(good.model?.global.nbthread, 3);
	t.same(
		good.model?.proxies.map((proxy) => [proxy.name, proxy.mode, proxy.place.file]),
		[
			['f', 'http', 'b.cfg'],
			['b', 'http', 'c.cfg'],
		],
		'defaults reach over files',
	);
});

t.test('the command line comes first', async (t) => {
	const text = 'global\n maxconn 10\n daemon\n pidfile /a\n localpeer from-file\n';
	const plain = load(text).model?.global;
	t.match(plain, { maxconn: 10, daemon: true, pidfile: '/a', localpeer: 'from-file', localpeerOrigin: 'localpeer' });
	const told = load(text, {
		arguments: { maxconn: 20, daemon: false, pidfile: '/b', localpeer: 'told', masterWorker: true },
	}).model?.global;
	t.match(told, {
		maxconn: 20,
		daemon: false,
		pidfile: '/b',
		localpeer: 'told',
		localpeerOrigin: '-L',
		masterWorker: true,
	});
	t.match(load('').model?.global, { localpeer: 'me', localpeerOrigin: 'host name', nbthread: 2 });
	t.equal(load('', { cores: 500 }).model?.global.nbthread, 64, 'cores beyond the limit of threads');
});

t.test('the environment', async (t) => {
	const environment = { GIVEN: 'g', GONE: 'x' };
	const { model } = load(
		[
			'global',
			' setenv NEW "$GIVEN-1"',
			' presetenv GIVEN other',
			' presetenv FRESH f',
			' unsetenv GONE',
			' description "$NEW $GIVEN $FRESH [$GONE] $HAPROXY_LOCALPEER $HAPROXY_CFGFILES"',
			' resetenv NEW',
			' node "${GIVEN-reset}"',
			'',
		].join('\n'),
		{ environment },
	);
	t.equal(model?.global.description, 'g-1 g f [] me test.cfg');
	t.equal(model?.global.node, 'reset');
	t.same(model?.global.environment, new Map([['NEW', 'g-1']]));
	t.same(environment, { GIVEN: 'g', GONE: 'x' }, 'the environment outside is as it was');
	const peer = load('global\n localpeer x\n description "$HAPROXY_LOCALPEER"\n');
	t.equal(peer.model?.global.description, 'x', 'localpeer sets its variable');
});

t.test('directives', async (t) => {
	const text = '.notice "a"\n.warning "b"\n.diag "c"\n.if 0\n.alert "never"\n.bogus\n.endif\n';
	t.same(load(text).remarks, [`notice 1: 'a'.`, `warning 2: 'b'.`]);
	t.same(load(text, { arguments: { diagnosticMode: true } }).remarks, [
		`notice 1: 'a'.`,
		`warning 2: 'b'.`,
		`diag 3: 'c'.`,
	]);
	t.same(load('.alert "stop"\n').remarks, [`alert 1: 'stop'.`]);
	t.same(
		load('global\n.if defined(NAME)\n node "$NAME"\n.endif\n', { environment: { NAME: 'n' } }).model?.global.node,
		'n',
	);
	t.match(load('.if foo(1)\n.endif\n').remarks, [
		`alert 1: unparsable conditional expression 'foo(1)' in '.if' at position 5:\n  .if foo(1)\n      ^`,
	]);
	t.match(load('.if 1\n.if 1\n.endif\n').remarks, [`alert 1: non-terminated '.if' block.`]);
});

t.test('what is wrong with the text itself', async (t) => {
	t.match(load('global\n maxconn 10').remarks, ['alert 2: Missing LF on last line']);
	t.match(load('global\n max\0conn 10\n').remarks, ['alert 2: Stray NUL character at position 5.']);
	t.match(load('global\n node "a\n nbthread 2\n').remarks, ['alert 2: unmatched quote at position 7']);
	t.ok(load('global\r\n nbthread 2\r\n').model, 'CR LF');
	t.ok(load('').model, 'nothing at all');
});

t.test('files that lines name', async (t) => {
	const disk = new Map([
		['/a.lst', 'x\n'],
		['conf/b.map', 'k v\n'],
		['conf/../c.http', 'HTTP/1.0 503 x\r\n\r\n'],
		['/root/d.lst', 'y\n'],
		['bad.http', 'hello\n'],
	]);
	const read = (lines: string, path = 'conf/x.cfg') => load('', { files: [{ path, content: lines }], disk });
	t.same([...(read(`${FRONTEND} acl a path -m beg -i -f /a.lst\n`).model?.files ?? [])], [['/a.lst', 'x\n']], 'an ACL');
	const missing = read(`${FRONTEND} acl a path -f /none\n http-request deny if { path -f /nope }\n`);
	t.same(
		missing.diagnostics.list.map((item) => [item.place?.line, item.text]),
		[
			[5, `'-f': cannot read file '/none' : No such file or directory.`],
			[6, `'-f': cannot read file '/nope' : No such file or directory.`],
		],
	);
	const value = read(`${FRONTEND} http-request set-header x -f\n http-request return string file\n`);
	t.ok(value.model, 'a value that looks like a flag is no file');
	const map = read(
		`global\n default-path config\n${FRONTEND} use_backend %[path,map(b.map,b)]\nbackend b\n mode http\n`,
	);
	t.same([...(map.model?.files ?? [])], [['b.map', 'k v\n']], 'a map, relative to the configuration file');
	const parent = read(`global\n default-path parent\n${FRONTEND} errorfile 503 c.http\n`);
	t.ok(parent.model?.proxies[0]?.errorReplies.get(503), 'relative to its parent');
	const origin = read(`global\n default-path origin /root\n${FRONTEND} acl a path -f d.lst\n`);
	t.same([...(origin.model?.files ?? [])], [['d.lst', 'y\n']], 'relative to a directory');
	t.match(read(`${FRONTEND} errorfile 503 bad.http\n`).remarks[0], /does not begin with an HTTP status line/);
	t.match(read(`${FRONTEND} errorfile 999 bad.http\n`).remarks[0], /status code '999' not handled/);
});

t.test('the local peer', async (t) => {
	const section = 'peers p\n peer a 127.0.0.1:1\n peer b 127.0.0.1:2\n';
	t.match(load(section).remarks, [
		`warning 1: Removing incomplete section 'peers p' (no peer named 'me'): the name is the host name, the section has 'a', 'b'.`,
	]);
	const alone = load(section).model?.peers[0];
	t.match(alone, { disabled: true, bind: undefined }, 'as HAProxy does: its tables stay, and are not shared');
	const table = load('peers p\n bind :1\n server a\n table t type ip size 1k\n');
	t.match(table.remarks, [/^warning 1: Removing incomplete section/], "an address is nobody's either");
	t.match(table.model?.peers[0], { tables: [{ name: 'p/t' }] });
	t.match(
		load(`${section} table t_local type ip size 1k store gpc0\naggregations g\n peers p\n from _local to _sum\n`)
			.remarks[0],
		/^alert 1: incomplete section 'peers p' .no peer named 'me'/,
		'sums of what is not shared',
	);
	t.match(load(section, { arguments: { localpeer: 'z' } }).remarks, [/no peer named 'z'\): the name is from '-L'/]);
	t.match(load(`global\n localpeer y\n${section}`).remarks, [/no peer named 'y'\): the name is from 'localpeer'/]);
	t.match(load('peers p\n').remarks, [/the section has no peer at all/]);
	t.ok(load(section, { arguments: { localpeer: 'a' } }).model);
	t.ok(load('peers p\n disabled\n peer a 127.0.0.1:1\n').model, 'a disabled section needs none');
	t.match(load('peers p\n bind :1\n server me 127.0.0.1:2\n').remarks, [/it cannot have another here/]);
	t.match(load('peers p\n server me\n').remarks, [/needs an address/]);
	t.match(load('peers p\n bind :1\n server me\n server you\n').remarks, [/'server you' : missing address/]);
	t.match(load('peers p\n bind :1-2\n server me\n').remarks[0], /only one listening address/);
	const tls = load('peers p\n default-bind ssl crt /me.pem\n peer me 127.0.0.1:1\n').model?.peers[0]?.bind;
	t.match(tls, { address: { port: 1 }, tls: { crt: ['/me.pem'] } }, 'default-bind serves the old form too');
	t.match(load('peers p\n default-bind bogus\n bind :1\n server me\n').remarks, [/^alert 2: 'default-bind .*bogus'/]);
	t.match(load('peers p\n peer me 127.0.0.1:1 weight 3\n').remarks[0], /'weight' means nothing in a 'peers' section/);
});

t.test('users and groups of the system', async (t) => {
	t.match(load('global\n user daemon\n group daemon\n').model?.global, { uid: 1, gid: 1 });
	t.same(load('global\n user nobody\n').remarks, [`alert 2: cannot find user id for 'nobody'`]);
	t.match(load('global\n user daemon\n uid 5\n').remarks, [/already specified/]);
});

t.test('what this version cannot do yet is refused at its place', async (t) => {
	const lines = [
		'defaults rules',
		' mode http',
		' timeout client 1s',
		' timeout server 1s',
		' timeout connect 1s',
		'listen l from rules',
		' bind :1 accept-proxy',
		' server s 127.0.0.1:1 ssl verify none check send-proxy source 1.2.3.4',
		' cookie x insert',
		' source 1.2.3.4',
		' stick-table type ip size 1',
		' stick on src',
		' use-server s if TRUE',
		' stats enable',
		' retry-on 503',
		'listen t',
		' mode tcp',
		' timeout client 1s',
		' timeout server 1s',
		' timeout connect 1s',
		' bind :2',
		' server s 127.0.0.1:1',
		'',
	];
	const all: Supported = Object.fromEntries(Object.keys(SUPPORTED).map((key) => [key, true])) as Supported;
	const { diagnostics } = load(lines.join('\n'));
	const others = diagnostics.list.filter((item) => item.severity === 'alert' && !/ holdfast yet/.test(item.text));
	t.same(others, [], 'nothing else is wrong with it');

	// The model is needed although it is refused: look at the check alone.
	const accepted = load('defaults\n mode http\n timeout client 1s\nlisten l\n bind :1\n').model;
	t.ok(accepted);
	if (accepted === undefined) return;
	const place = { file: 'x', line: 1 };
	const proxy = accepted.proxies[0];
	if (proxy === undefined) return;
	const uses = new Diagnostics();
	const model = { ...accepted, proxies: [{ ...proxy, useServers: [{ place, words: ['s'] }] }] };
	checkSupported(model, uses, { ...all, useServer: false });
	t.same(
		uses.list.map((item) => [item.place, item.text]),
		[[place, `'use-server' is not supported by holdfast yet, in listen 'l'`]],
	);
	const none = new Diagnostics();
	checkSupported(model, none, all);
	t.same(none.list, [], 'and nothing is said once it is built');
});

t.test('-f words', async (t) => {
	const dir = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
	t.teardown(() => rmSync(dir, { recursive: true, force: true }));
	mkdirSync(join(dir, 'd'));
	for (const name of ['d/20-b.cfg', 'd/10-a.cfg', 'd/.hidden.cfg', 'd/readme.txt', 'one.conf']) {
		writeFileSync(join(dir, name), `# ${name} \xe9\n`, 'latin1');
	}
	mkdirSync(join(dir, 'd', 'sub.cfg'));
	const files = readConfigurationFiles([join(dir, 'one.conf'), `${dir}/d/`]);
	t.same(
		files.map((file) => file.path),
		[join(dir, 'one.conf'), `${dir}/d/10-a.cfg`, `${dir}/d/20-b.cfg`],
		'a file as it is; of a directory its *.cfg by name',
	);
	t.equal(files[0]?.content, '# one.conf \xe9\n', 'bytes');
	t.throws(() => readConfigurationFiles([join(dir, 'none')]), {
		code: 'FILE_UNREADABLE',
		message: /Cannot open configuration file\/directory '.*none' : No such file or directory/,
	});
});

t.test('named log formats are in the environment, unless it has its own', async (t) => {
	const text =
		'frontend f\n mode http\n timeout client 1s\n bind 127.0.0.1:1\n log stdout local0\n log-format "$HAPROXY_HTTP_LOG_FMT end"\n';
	const format = (environment: Record<string, string>): unknown => {
		const { model } = load(text, { environment });
		const { logFormat } = model?.proxies[0] ?? {};
		return typeof logFormat === 'object' ? logFormat.words : logFormat;
	};
	t.same(format({}), [`${HTTP_LOG_FORMAT} end`]);
	t.same(format({ HAPROXY_HTTP_LOG_FMT: '%ST' }), ['%ST end']);
});

t.test('a defaults section with rules serves one side', async (t) => {
	const rules = 'defaults d\n mode http\n http-request allow\n';
	t.match(load(`${rules}listen l from d\n bind :1\n`).remarks, [/listen section cannot inherit/]);
	const both = load(`${rules}frontend f from d\n bind :1\nbackend b from d\n`).remarks;
	t.ok(both.some((remark) => /frontends and backends cannot inherit/.test(remark)));
	t.ok(load(`${rules}frontend f from d\n bind :1\nfrontend g from d\n bind :2\n`).model);
});
