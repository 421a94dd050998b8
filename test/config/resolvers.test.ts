/** `resolvers` sections, `server-template` and what servers say of names; messages after HAProxy 2.6. */
import t from 'tap';
import { loadConfiguration } from '../../lib/config/index.js';
import { readResolvConf } from '../../lib/config/keywords/resolvers.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';

const RESOLV_CONF = '# comment\nsearch test\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\n';
const DEFAULTS = 'defaults\n mode http\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n';

function load(content: string, resolvConf: string | undefined = RESOLV_CONF) {
	const diagnostics = new Diagnostics();
	const readFile = (path: string): string => {
		if (path === '/etc/resolv.conf' && resolvConf !== undefined) return resolvConf;
		throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
	};
	const files = [{ path: 'test.cfg', content: DEFAULTS + content }];
	const model = loadConfiguration({ files, hostName: 'here', cores: 1, readFile }, diagnostics);
	const textsOf = (wanted: string) =>
		diagnostics.list.filter(({ severity }) => severity === wanted).map(({ text }) => text);
	return { model, alerts: textsOf('alert'), warnings: textsOf('warning') };
}

const NS = ' nameserver n1 127.0.0.1:53\n';

t.test('a whole section', async (t) => {
	const { model, alerts } = load(
		`resolvers d\n${NS} nameserver n2 tcp@[::1]:5353\n resolve_retries 5\n timeout resolve 2s\n timeout retry 300\n hold nx 1s\n hold obsolete 4s\n accepted_payload_size 4096\n`,
	);
	t.same(alerts, []);
	t.match(model?.resolvers[0], {
		name: 'd',
		nameservers: [
			{ name: 'n1', address: '127.0.0.1', port: 53, transport: 'udp' },
			{ name: 'n2', address: '::1', port: 5353, transport: 'tcp' },
		],
		resolveRetries: 5,
		resolveMs: 2000,
		retryMs: 300,
		holdMs: { nx: 1000, refused: 30_000, timeout: 30_000, other: 30_000, valid: 10_000, obsolete: 4000 },
		acceptedPayloadSize: 4096,
	});
});

t.test('the section default stands for resolv.conf, unless there is one, or no such file', async (t) => {
	const names = (content: string, conf?: string) => load(content, conf).model?.resolvers.map(({ name }) => name);
	t.same(names(`resolvers d\n${NS}`), ['d', 'default']);
	t.same(names(`resolvers default\n${NS}`), ['default']);
	t.same(names(`resolvers d\n${NS}`, ''), ['d']);
	t.match(load('resolvers d\n parse-resolv-conf\n').model?.resolvers[0]?.nameservers, [
		{ name: '10.0.0.53', address: '10.0.0.53', port: 53 },
		{ name: '2001:db8::53' },
	]);
	t.equal(
		readResolvConf('nameserver\nnameserver x\nnameserver 10.0.0.1\nnameserver 10.0.0.1', { file: '', line: 0 }).length,
		1,
	);
});

t.test('a section without name servers is told', async (t) => {
	const { model, alerts, warnings } = load(`resolvers r\n timeout retry 2s\nresolvers d\n${NS}`);
	t.ok(model);
	t.same(alerts, []);
	t.same(warnings, ["resolvers 'r' [test.cfg:6] has no nameservers configured!"]);
});

t.test('what is wrong in a section', async (t) => {
	for (const [line, alert] of [
		['nameserver a', /'nameserver' expects <name> and <addr>\[:<port>\] as arguments/],
		['nameserver a 127.0.0.1', /missing port/],
		['nameserver a foo:53', /invalid address: 'foo'/],
		['nameserver n1 127.0.0.2:53', /nameserver 'n1' has same name as another nameserver/],
		['nameserver a tcp@127.0.0.2:53 ssl', /'ssl' is not supported by holdfast/],
		['bogus', /unknown keyword 'bogus'/],
		['hold', /'hold' expects an <event> and a <time>/],
		['hold foo 3s', /'hold' unknown <event>: 'foo'/],
		['hold nx x', /'hold'/],
		['timeout foo 3', /expects 'retry' or 'resolve'/],
		['timeout retry', /'timeout retry' expects a time/],
		['timeout retry 0', /at least 1 ms/],
		['resolve_retries 0', /resolve_retries/],
		['accepted_payload_size 3', /between 12 and 65535/],
	] as const) {
		t.match(load(`resolvers d\n${NS} ${line}\n`).alerts, [alert], line);
	}
	t.match(load('resolvers d\n parse-resolv-conf\n', undefined).alerts.length, 0, 'with a file');
	t.match(load(`resolvers d\n${NS}resolvers d\n`).alerts, [/has same name as another resolvers/]);
});

const servers = (lines: string) => {
	const { model, alerts } = load(`resolvers d\n${NS}backend b\n${lines}\n`);
	t.same(alerts, []);
	return model?.proxies[0]?.servers ?? [];
};
const alertsOf = (line: string) => load(`resolvers d\n${NS}backend b\n ${line}\n`).alerts;

t.test('options of servers', async (t) => {
	t.match(
		servers(
			' default-server resolvers d resolve-prefer ipv4\n server s1 a.test:80 resolve-net 10.0.0.0/8,::1 resolve-opts allow-dup-ip,ignore-weight init-addr last,127.0.0.9,none\n server s2 _h._tcp.test init-addr none\n server s3 b.test:80',
		),
		[
			{
				resolution: {
					resolvers: 'd',
					prefer: 4,
					networks: ['10.0.0.0/8', '::1'],
					allowDuplicates: true,
					ignoreWeight: true,
					initAddresses: ['last', { address: '127.0.0.9', family: 4 }, 'none'],
				},
			},
			{ portOffset: undefined, address: { host: '_h._tcp.test', port: 0 } },
			{ resolution: { allowDuplicates: false, initAddresses: ['last', 'libc'] } },
		],
	);
	for (const [line, alert] of [
		['server s a.test:80 resolvers e', /backend 'b', server 's': unable to find required resolvers 'e'/],
		['server s _h._tcp.test', /needs 'resolvers'/],
		['server s a.test:80 init-addr foo', /unknown init-addr method 'foo', supported methods are/],
		['server s a.test:80 resolve-prefer ipv5', /'resolve-prefer' expects/],
		['server s a.test:80 resolve-net x', /'resolve-net' invalid network 'x'/],
		['server s a.test:80 resolve-net 10.0.0.0/33', /'resolve-net' invalid network/],
		['server s a.test:80 resolve-net 1.0.0.0,2.0.0.0,3.0.0.0,4.0.0.0,5.0.0.0,6.0.0.0', /exceed 5 networks/],
		['server s a.test:80 resolve-opts foo', /unknown resolve-opts option 'foo'/],
		['server-template s 3', /expects <prefix> <nb \| range> <addr>/],
		['server-template s 3-1 a.test:80', /Wrong server-template number or range arg '3-1'/],
		['server-template s 0 a.test:80', /Wrong server-template number/],
		['server-template s 999999 a.test:80', /Wrong server-template number/],
		['server-template s 2 a.test:80 id 3', /'id' cannot be shared/],
		['server-template s 3 a.test:80 bogus', /unknown keyword 'bogus'/],
	] as const) {
		t.match(alertsOf(line), [alert], line);
	}
	t.equal(alertsOf('server-template s 100 a.test:80 bogus').length, 1, 'one complaint for all of them');
});

t.test('server-template', async (t) => {
	t.same(
		servers(' server-template a 2 x.test:80 resolvers d\n server-template b 4-6 127.0.0.1:80').map(({ name, id }) => [
			name,
			id,
		]),
		[
			['a1', 1],
			['a2', 2],
			['b4', 3],
			['b5', 4],
			['b6', 5],
		],
	);
});
