/** `redis` in a peers section: its forms, what it makes of them, and what it refuses. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { loadConfiguration } from '../../lib/config/index.js';
import type { ConfigModel } from '../../lib/config/model.js';
import { parseRedisUrl, redisUrlText } from '../../lib/config/redis-url.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';

const pem = (name: string): string =>
	readFileSync(new URL(`../fixtures/peers-tls/${name}.pem`, import.meta.url), 'latin1');
const FILES = new Map([
	['/run/password', 's3cret word\nsecond line\n'],
	['/run/empty', '\n'],
	['/run/ca.pem', pem('ca')],
	['/run/node.pem', pem('node')],
	['/run/rubbish.pem', 'PEM'],
]);

function load(lines: string, after = ''): { model: ConfigModel | undefined; said: string } {
	const diagnostics = new Diagnostics();
	const content = `defaults\n  mode http\npeers mesh\n  table x.local type ip size 1k expire 1m store gpc0\n${lines
		.split('\n')
		.map((line) => `  ${line}\n`)
		.join('')}${after}`;
	const model = loadConfiguration(
		{
			files: [{ path: 'test.cfg', content }],
			arguments: { localpeer: 'a' },
			hostName: 'unused',
			cores: 1,
			readFile: (path) => {
				const text = FILES.get(path);
				if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
				return text;
			},
		},
		diagnostics,
	);
	return { model, said: diagnostics.list.map(({ place, text }) => `${place?.line}: ${text}`).join('\n') };
}

const URLS: readonly (readonly [url: string, expected: object, text: string])[] = [
	['redis://h', { kind: 'single', tls: false, nodes: [{ host: 'h', port: 6379 }], database: 0 }, 'redis://h:6379'],
	[
		'rediss://me:p%40ss@10.0.0.1:7000/3',
		{ kind: 'single', tls: true, nodes: [{ host: '10.0.0.1', port: 7000 }], database: 3, user: 'me', password: 'p@ss' },
		'rediss://10.0.0.1:7000/3',
	],
	[
		'redis://:pw@[::1]',
		{ nodes: [{ host: '::1', port: 6379 }], user: undefined, password: 'pw' },
		'redis://[::1]:6379',
	],
	['redis+unix:///run/r.sock', { kind: 'unix', path: '/run/r.sock' }, 'redis+unix:///run/r.sock'],
	[
		'redis+sentinel://h1,h2:26380/mymaster/2',
		{
			kind: 'sentinel',
			nodes: [
				{ host: 'h1', port: 26379 },
				{ host: 'h2', port: 26380 },
			],
			master: 'mymaster',
			database: 2,
		},
		'redis+sentinel://h1:26379,h2:26380/mymaster/2',
	],
	[
		'rediss+cluster://h1,h2:7001',
		{
			kind: 'cluster',
			tls: true,
			nodes: [
				{ host: 'h1', port: 6379 },
				{ host: 'h2', port: 7001 },
			],
		},
		'rediss+cluster://h1:6379,h2:7001',
	],
];

for (const [url, expected, text] of URLS) {
	t.test(url, async (t) => {
		const parsed = parseRedisUrl(url);
		t.match(parsed, { ok: true, servers: expected });
		if (parsed.ok) t.equal(redisUrlText(parsed.servers), text, 'without user and password');
	});
}

t.test('all options', async (t) => {
	const { model, said } = load(
		'redis rediss://r1 prefix edge:one user me password-file /run/password ca-file /run/ca.pem crt /run/node.pem verify none interval 200ms keep 2d',
		'aggregations s\n  peers mesh\n  from .local to .sum\n',
	);
	t.equal(said, '');
	const [section] = model?.peers ?? [];
	t.match(section?.redis, {
		prefix: 'edge:one',
		ca: pem('ca'),
		certificate: pem('node'),
		verify: 'none',
		intervalMs: 200,
		keepMs: 172_800_000,
	});
	t.match(section?.redis?.servers, { user: 'me', password: 's3cret word', tls: true });
	t.equal(section?.bind, undefined, 'nobody calls this node');
	t.equal(section?.tables.find(({ name }) => name === 'mesh/x.sum')?.size, 4096);
});

t.test('without options, and with a local peer for an old process to teach', async (t) => {
	const { model, said } = load('redis redis://r1\npeer a 127.0.0.1:10001');
	t.equal(said, '');
	t.match(model?.peers[0]?.redis, {
		prefix: 'holdfast:mesh',
		intervalMs: 50,
		keepMs: 604_800_000,
		ca: undefined,
		certificate: undefined,
		verify: 'required',
	});
	t.match(model?.peers[0]?.bind?.address, { port: 10001 });
});

const REFUSED: readonly (readonly [lines: string, expected: RegExp])[] = [
	['redis', /5: 'redis' expects <url>/],
	['redis localhost', /begins with redis:\/\//],
	['redis http://localhost', /begins with redis:\/\//],
	['redis redis://h:0', /'h:0' is not a host/],
	['redis redis://h:70000', /'h:70000' is not a host/],
	['redis redis://h1,h2', /names one server/],
	['redis redis://h/x', /'x' is not the number of a database/],
	['redis redis://a%zz@h', /broken % escape/],
	['redis redis+sentinel://h', /expects the name of the master/],
	['redis redis+cluster://h/1', /has one database/],
	['redis redis+unix://h', /path of a socket/],
	['redis redis://h prefix', /'prefix' expects an argument/],
	['redis redis://h prefix a{b}', /a prefix is/],
	['redis redis://h pasword-file x', /did you mean 'password-file'|expects/],
	['redis redis://h password-file /run/none', /cannot read file '\/run\/none'/],
	['redis redis://h password-file /run/empty', /is empty/],
	['redis redis://h ca-file /run/ca.pem', /'ca-file' is for TLS/],
	['redis redis://h crt /run/node.pem', /'crt' is for TLS/],
	['redis redis://h verify none', /'verify' is for TLS/],
	['redis rediss://h verify maybe', /'verify'/],
	['redis rediss://h ca-file /run/none', /\/run\/none/],
	['redis rediss://h ca-file /run/rubbish.pem', /'\/run\/rubbish.pem' holds no certificate/],
	['redis rediss://h crt /run/rubbish.pem', /holds no certificate/],
	['redis rediss://h crt /run/ca.pem', /holds no private key/],
	['redis redis://h interval 1ms', /between 5ms and 10000ms/],
	['redis redis://h keep 10s', /'keep' is between/],
	['redis redis://h keep 25d', /'keep'/],
	['redis redis://h interval soon', /'interval'/],
	['redis redis://h\nredis redis://h', /6: 'redis' : this section has one already, at line 5/],
	['redis redis://h\npeer b 127.0.0.1:1', /6: 'peer b' : peers section 'mesh' is shared through Redis \(test.cfg:5\)/],
	[
		'redis redis://h prefix x\n\npeers other\nredis redis://i prefix x',
		/8: 'redis' : peers section 'mesh' .* has the prefix 'x' too/,
	],
	['redis redis://h\nshards 2', /'shards' are for peers/],
];

for (const [lines, expected] of REFUSED) {
	t.test(`refused: ${lines}`, async (t) => {
		const { model, said } = load(lines);
		t.equal(model, undefined);
		t.match(said, expected);
		t.equal(said.split('\n').length, 1, 'one mistake, one line');
	});
}
