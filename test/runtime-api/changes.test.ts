/** What commands that change something tell the data threads, and what they refuse. */
import t from 'tap';
import { applyPatternStep, entriesOf } from '../../lib/sample/pattern-change.js';
import { PatternIndex } from '../../lib/sample/pattern-index.js';
import { PatternRegistry } from '../../lib/sample/pattern-registry.js';
import { ask, createView, type TestView } from './view.js';

const CONFIG = `
defaults
  mode http
  timeout client 1s
  timeout server 1s
  timeout connect 1s
frontend f
  bind :8080
  http-request set-header x %[hdr(host),map(/m.map)]
  http-request set-header y %[hdr(host),map_beg(/m.map)]
  http-request set-header z %[src,map_ip(/n.map)]
  http-request deny if { src -f /a.lst }
  default_backend b
backend b
  server s1 127.0.0.1:80 weight 10 maxconn 20
  server s2 127.0.0.2:80 disabled
backend fixed
  balance source
  server s1 127.0.0.1:80 weight 7
backend ring
  balance source
  hash-type consistent
  server s1 127.0.0.1:80 weight 7
`;
const DISK = new Map([
	['/m.map', 'k v\n'],
	['/n.map', '10.0.0.0/8 ten\n'],
	['/a.lst', '10.0.0.1\n'],
]);
const newView = (): TestView => createView(CONFIG, DISK);

t.test('servers: shared memory is written, then data threads are told', async (t) => {
	const test = newView();
	const states = test.view.backends.get('b')!.backend.states;
	await ask(test, 'set server b/s1 weight 50%');
	t.equal(states.weight(0), 5);
	await ask(test, 'set server b/s1 weight 99999%');
	t.equal(states.weight(0), 256, 'capped');
	await ask(test, 'set server b/s1 state maint');
	t.ok(states.isInMaintenance(0));
	await ask(test, 'set server #3/#1 state ready');
	t.notOk(states.isInMaintenance(0));
	await ask(test, 'set maxconn server b/s1 33');
	t.equal(states.maxconn(0), 33);
	t.strictSame(
		test.told,
		Array.from({ length: 5 }, () => ({ kind: 'servers-changed', backend: 'b' })),
	);
	for (const bad of ['-1', '257', '1x', 'x', '1%%', '-5%', '']) {
		t.not(await ask(test, `set server b/s1 weight ${bad}`), '', bad);
	}
	for (const bad of ['-1', '1x', 'x', '99999999999999'])
		t.not(await ask(test, `set maxconn server b/s1 ${bad}`), '', bad);
	t.equal(test.told.length, 5, 'what is refused is told to nobody');
});

t.test('weights of static algorithms', async (t) => {
	const test = newView();
	t.match(await ask(test, 'set weight fixed/s1 3'), /static LB algorithm/);
	t.equal(await ask(test, 'set weight fixed/s1 0'), '');
	t.equal(await ask(test, 'set weight fixed/s1 100%'), '');
	t.equal(await ask(test, 'set weight ring/s1 3'), '', 'a ring follows');
});

t.test('addresses', async (t) => {
	const test = newView();
	const server = test.view.backends.get('b')!.backend.servers[0]!;
	t.match(
		await ask(test, 'set server b/s1 addr ::1 port 81'),
		/^IP changed from '127\.0\.0\.1' to '::1', port changed/,
	);
	t.equal(server.address, '::1');
	t.strictSame(test.told, [{ kind: 'server-address', backend: 'b', server: 's1', host: '::1', family: 6, port: 81 }]);
	t.match(await ask(test, 'set server b/s1 addr ::1'), /^no need to change the addr by/);
	for (const bad of ['nosuch', '1.2.3', '::1 port 0', '::1 port 65536', '::1 port +1', '::1 odd']) {
		t.not(await ask(test, `set server b/s1 addr ${bad}`), '');
	}
	t.equal(test.told.length, 1);
});

t.test('a set that is matched in several ways changes in all of them, or in none', async (t) => {
	const test = newView();
	t.equal(await ask(test, 'add map /m.map key value'), '');
	t.equal(
		await ask(test, 'get map /m.map key'),
		[
			'type=str, case=sensitive, found=yes, idx=tree, key="key", value="value", type="str"\n',
			'type=beg, case=sensitive, found=yes, idx=tree, key="key", value="value", type="str"\n',
		].join(''),
	);
	t.equal(await ask(test, 'add map /n.map nonsense x'), "'nonsense' is not a valid IPv4 or IPv6 address.\n");
	t.equal(await ask(test, 'show map /n.map'), '0x00000001 10.0.0.0/8 ten\n');

	const reference = new PatternRegistry().forFile('/x', 'map', '');
	reference.indexes.set('str', new PatternIndex('str'));
	reference.indexes.set('ip', new PatternIndex('ip'));
	t.type(applyPatternStep(reference, { step: 'add', text: 'no address', data: '' }), 'string');
	t.strictSame([...entriesOf(reference)], [], 'the index that took it has given it back');
	t.equal(applyPatternStep(reference, { step: 'add', text: '10.0.0.1', data: '' }), 1);
});

t.test('one message for one command', async (t) => {
	const test = newView();
	await ask(test, 'add map /m.map', { payload: 'a 1\nb 2 and more' });
	const id = test.view.patterns.find('/m.map', 'map')!.id;
	t.strictSame(test.told, [
		{
			kind: 'patterns',
			usedBy: 'map',
			id,
			steps: [
				{ step: 'add', text: 'a', data: '1' },
				{ step: 'add', text: 'b', data: '2 and more' },
			],
		},
	]);
	t.equal(
		await ask(test, 'add map /n.map', { payload: '10.0.0.1 a\nnonsense b\n10.0.0.2 c' }),
		"'nonsense' is not a valid IPv4 or IPv6 address.\n",
	);
	t.equal(await ask(test, 'add map /m.map', { payload: 'c' }), "Missing value for key 'c'.\n");
	t.equal(test.told.length, 1, 'a payload with a mistake changes nothing');
	t.equal(await ask(test, 'show map /n.map'), '0x00000001 10.0.0.0/8 ten\n');
	await ask(test, 'del map /m.map a');
	await ask(test, 'del map /m.map #0x1');
	t.match(await ask(test, 'show map /m.map'), /^0x[0-9a-f]+ b 2 and more\n$/);
	t.equal(await ask(test, 'del map /m.map #0x1'), 'Key not found.\n');
	t.equal(await ask(test, 'show map #1e0'), 'Unknown map identifier. Please use #<id> or <file>.\n');
	t.equal(await ask(test, 'show map __proto__'), 'Unknown map identifier. Please use #<id> or <file>.\n');
	t.equal(await ask(test, 'add acl /m.map x'), 'Unknown ACL identifier. Please use #<id> or <file>.\n');
});

t.test('versions', async (t) => {
	const test = newView();
	t.equal(await ask(test, 'prepare map /m.map'), 'New version created: 1\n');
	t.equal(await ask(test, 'prepare map /m.map'), 'New version created: 2\n');
	t.equal(await ask(test, 'add map @2 /m.map k2 v2'), '');
	t.equal(await ask(test, 'add map @1 /m.map k1 v1'), '');
	t.equal(await ask(test, 'show map @2 /m.map'), '0x00000001 k2 v2\n');
	t.strictSame(test.told, [], 'what is prepared stays here');
	t.equal(await ask(test, 'commit map @2 /m.map'), '');
	t.equal(test.told.length, 1);
	t.match(await ask(test, 'show map /m.map'), /^\S+ k2 v2\n$/);
	t.equal(await ask(test, 'commit map @1 /m.map'), 'Version number out of range.\n', 'older ones are gone');
	t.match(await ask(test, 'show map'), /\/m\.map.*curr_ver=2 next_ver=2 entry_cnt=1/);
	for (let i = 0; i < 16; i++) await ask(test, 'prepare map /m.map');
	t.match(await ask(test, 'prepare map /m.map'), /being prepared already/, 'they are bounded');
});

t.test('frontends and limits', async (t) => {
	const test = newView();
	t.equal(await ask(test, 'disable frontend f'), '');
	t.equal(await ask(test, 'set maxconn frontend f 7'), '');
	t.strictSame(test.told, [
		{ kind: 'frontend-accepts', frontend: 'f', accepts: false },
		{ kind: 'maxconn', frontend: 'f', limit: 7 },
	]);
	test.told.length = 0;
	t.equal(await ask(test, 'set rate-limit connections global 5'), '');
	t.equal(await ask(test, 'set rate-limit ssl-sessions global 9'), '');
	t.strictSame(test.told, [
		{ kind: 'rate-limits', limits: { connections: 5, sessions: 0, tls: 0 } },
		{ kind: 'rate-limits', limits: { connections: 5, sessions: 0, tls: 9 } },
	]);
	t.match(await ask(test, 'show info'), /\nConnRateLimit: 5\n.*\nSessRateLimit: 0\n.*\nSslRateLimit: 9\n/s);
	t.equal(await ask(test, 'set rate-limit sessions global -1'), 'Value out of range.\n');
	t.equal(await ask(test, 'set rate-limit sessions global x'), 'Expects an integer value.\n');
	t.match(
		await ask(test, 'set rate-limit sessions f 5'),
		/^'set rate-limit' only supports :\n {3}- 'connections global' to set the per-process maximum connection rate\n/,
	);
	t.equal(await ask(test, 'set rate-limit http-compression global 0'), '');
	t.equal(await ask(test, 'set rate-limit http-compression global 5'), '');
	t.strictSame(test.told.at(-1), { kind: 'compression-rate', bytesPerSecond: 5120 });
	t.match(await ask(test, 'show info'), /\nCompressBpsRateLim: 5120\n/);
	t.equal(await ask(test, 'disable frontend b'), 'No such frontend.\n');
});

t.test('sessions are asked for page by page', async (t) => {
	const test = newView();
	const row = (id: number) => ({
		id,
		protocol: 'tcpv4' as const,
		source: '10.0.0.1',
		sourcePort: id,
		frontend: 'f',
		listener: undefined,
		backend: undefined,
		server: undefined,
		ageMs: 61_000,
		requestCount: 2,
		acceptedWallMs: 0,
	});
	Object.defineProperty(test, 'replies', {
		get() {
			const question = test.asked.at(-1);
			if (question?.ask !== 'sessions') return [];
			const first = question.afterId + 1;
			const ids = Array.from({ length: question.limit }, (_, i) => first + i).filter((id) => id <= 1200);
			return [{ sessions: ids.map(row) }, { sessions: [] }];
		},
	});
	const lines = (await ask(test, 'show sess')).trim().split('\n');
	t.equal(lines.length, 1200);
	t.equal(new Set(lines).size, 1200, 'each once');
	t.match(lines[0], /: proto=tcpv4 src=10\.0\.0\.1:1 fe=f be=<NONE> srv=<none> th=1 age=1m1s calls=2$/);
	t.ok(test.asked.length >= 3);
	t.equal(await ask(test, 'show sess 0x1'), 'Session not found.\n');
	t.match(await ask(test, 'shutdown session nonsense'), /pointer expected/);
});

t.test('what is not supported says so', async (t) => {
	const test = newView();
	t.match(await ask(test, 'show pools'), /^'show pools' is not supported by Holdfast: /);
	t.match(await ask(test, 'httpclient GET http://x'), /not supported/);
	t.match(await ask(test, 'show env __proto__'), /^__proto__=odd\n$/);
	t.equal(await ask(test, 'show env constructor'), 'Variable not found\n');
});
