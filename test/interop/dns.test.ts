/**
 * Servers found by DNS, beside HAProxy and over a real DNS server: the same conf file, the same records changed
 * under both; states, addresses and log lines must become the same. Then what is Holdfast's own: truncated answers
 * by TCP, reloads without a gap.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { skipUnlessDnsmasq, startDnsmasq } from '../fixtures/dnsmasq.js';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const SECTION = `
resolvers d
  nameserver n1 127.0.0.1:\${port2}
  timeout resolve 100ms
  timeout retry 100ms
  hold nx 400ms
  hold timeout 30s
  hold obsolete 0s
`;

const CONFIG = `
global
  nbthread 1
  stats socket \${dir}/admin.sock level admin
  log stdout format raw local0
${SECTION}
defaults
  mode http
  log global
  timeout client 10s
  timeout connect 1s
  timeout server 10s
  default-server resolvers d init-addr none resolve-prefer ipv4
listen app
  bind 127.0.0.1:\${port1}
  server one a.test:\${port3}
  server alias alias.test:\${port3}
  server none nowhere.test:\${port3}
  server-template many 1-4 many.test:\${port3}
  server-template svc 3 _http._tcp.test
  server net net.test:\${port3} resolve-net 127.0.1.0/24
  server six six.test:\${port3} resolve-prefer ipv6
  server dup1 dup.test:\${port3} resolve-opts allow-dup-ip
  server dup2 dup.test:\${port3} resolve-opts allow-dup-ip
`;

const BEFORE = [
	'host-record=a.test,127.0.0.11',
	'cname=alias.test,a.test',
	'host-record=many.test,127.0.0.21',
	'host-record=many.test,127.0.0.22',
	'host-record=many.test,127.0.0.23',
	'srv-host=_http._tcp.test,x.test,8001,1,10',
	'srv-host=_http._tcp.test,y.test,8002,1,1000',
	'host-record=x.test,127.0.0.31',
	'host-record=y.test,127.0.0.32',
	'host-record=net.test,127.0.0.41',
	'host-record=net.test,127.0.1.42',
	'host-record=six.test,127.0.0.51,::1',
	'host-record=dup.test,127.0.0.61',
];

const AFTER = [
	'host-record=a.test,127.0.0.12',
	'cname=alias.test,a.test',
	'host-record=many.test,127.0.0.22',
	'host-record=many.test,127.0.0.24',
	'srv-host=_http._tcp.test,y.test,8003,1,1000',
	'host-record=y.test,127.0.0.33',
	'host-record=nowhere.test,127.0.0.71',
	'host-record=net.test,127.0.0.43',
	'host-record=dup.test,127.0.0.61',
	'host-record=dup.test,127.0.0.62',
];

async function start(t: Teardown, ports: readonly number[], program?: 'haproxy'): Promise<Program> {
	const usePorts = [...(await freePorts(1)), ...ports];
	const options = { config: CONFIG, ports: 3, usePorts };
	return startProgram(t, program === undefined ? options : { ...options, program, args: ['-db'] });
}

const ask = (program: Program, command: string) => cli(join(program.folder, 'admin.sock'), command);

/** `name address:port admin-state weight fqdn`; those that share a name in the order of their addresses. */
async function standing(program: Program): Promise<string> {
	const rows = (await ask(program, 'show servers state app'))
		.split('\n')
		.map((line) => line.split(' '))
		.filter((columns) => columns.length > 20 && columns[0] !== '#');
	return rows
		.map((columns) => {
			const name = (columns[3] ?? '').replace(/(many|svc|dup)\d/, '$1');
			const isIdle = columns[4] === '-';
			// Which of two idle servers has served before, and what is left of that, is chance.
			const state = isIdle ? Number(columns[6]) & ~64 : columns[6];
			const weight = isIdle ? '*' : columns[7];
			return `${name} ${columns[4]}:${columns[18]} ${state} ${weight} ${columns[17]} ${columns[19]}`;
		})
		.sort()
		.join('\n');
}

// Each has its own DNS server and programs, and waits most of the time.
t.jobs = 3;

t.test(
	'states, addresses and weights as HAProxy',
	{ skip: skipUnlessHaproxy('2.6') || skipUnlessDnsmasq(), buffered: true },
	async (t) => {
		const dnsmasq = await startDnsmasq(t, BEFORE);
		const [origin = 0] = await freePorts(1);
		const [theirs, ours] = await Promise.all([
			start(t, [dnsmasq.port, origin], 'haproxy'),
			start(t, [dnsmasq.port, origin]),
		]);
		const agree = async (what: string, until: RegExp) => {
			await waitFor(`HAProxy: ${what}`, async () => until.test(await standing(theirs)));
			let texts = ['', '-'];
			await waitFor(what, async () => {
				texts = [await standing(theirs), await standing(ours)];
				return texts[0] === texts[1];
			}).catch(() => undefined);
			t.equal(texts[1], texts[0], what);
		};
		await agree('the first addresses', /^svc 127\.0\.0\.32:8002/m);
		t.equal(await ask(ours, 'set server app/one fqdn x.test'), await ask(theirs, 'set server app/one fqdn x.test'));
		await agree('another name', /^one 127\.0\.0\.31/m);
		await dnsmasq.serve(AFTER);
		await agree('other records', /^svc 127\.0\.0\.33:8003/m);
		await agree('names that are no more', /^one -[\s\S]*^six -/m);
		for (const command of ['show resolvers nobody', 'set server app/one fqdn', 'set server app/svc1 fqdn']) {
			t.equal(await ask(ours, command), await ask(theirs, command), command);
		}
		t.match(
			await ask(ours, 'show resolvers d'),
			/^Resolvers section d\n nameserver n1:\n {2}sent: +\d+\n {2}snd_error: +\d+\n {2}valid: +[1-9]/,
		);
		const words = (program: Program) =>
			new Set(
				program.logLines
					.filter((line) => line.startsWith('Server app/') || line.startsWith('app/'))
					.map((line) => line.replace(/\d+ active and/, 'N active and').replace(/(many|svc|dup)\d/, '$1'))
					.filter((line) => /^(Server )?app\/(one|alias|svc|none|six)/.test(line) && !/Health|DNS cache/.test(line)),
			);
		t.same([...words(ours)].sort(), [...words(theirs)].sort(), 'log lines');
	},
);

t.test('do-resolve', { skip: skipUnlessHaproxy('2.6') || skipUnlessDnsmasq(), buffered: true }, async (t) => {
	const dnsmasq = await startDnsmasq(t, [
		...BEFORE,
		'host-record=only4.test,127.0.0.81',
		'host-record=only6.test,::81',
	]);
	const config = `
${SECTION}
defaults
  mode http
  timeout client 10s
frontend web
  bind 127.0.0.1:\${port1}
  http-request do-resolve(txn.four,d,ipv4) req.hdr(x-name),lower
  http-request do-resolve(txn.six,d,ipv6) req.hdr(x-name) if { path /both }
  http-request deny deny_status 403 if { var(txn.four) -m ip 127.0.0.0/28 }
  http-request return status 200 content-type text/plain lf-string "%[var(txn.four)] %[var(txn.six)]"
`;
	const start = async (program?: 'haproxy') => {
		const usePorts = [...(await freePorts(1)), dnsmasq.port];
		const options = { config, ports: 2, usePorts };
		return startProgram(t, program === undefined ? options : { ...options, program, args: ['-db'] });
	};
	const programs = await Promise.all([start('haproxy'), start()]);
	for (const path of ['/', '/both']) {
		for (const name of [
			'x.test',
			'a.test',
			'alias.test',
			'only4.test',
			'only6.test',
			'six.test',
			'nowhere.test',
			'no name!',
			'..',
			'X.TEST',
			undefined,
		]) {
			const [expected, actual] = await Promise.all(
				programs.map(async (program) => {
					const headers = name === undefined ? {} : { 'x-name': name };
					const { status, body } = await request(program.ports[0] ?? 0, path, { headers });
					return `${status} ${body}`;
				}),
			);
			t.equal(actual, expected, `${path} ${name}`);
		}
	}
	await dnsmasq.stop();
	const [, ours] = programs;
	const { status } = await request(ours?.ports[0] ?? 0, '/', { headers: { 'x-name': 'later.test' } });
	t.equal(status, 200, 'without an answer it goes on');
});

t.test(
	'an answer too long for a datagram, and a reload without a gap',
	{ skip: skipUnlessDnsmasq(), buffered: true },
	async (t) => {
		const addresses = Array.from({ length: 60 }, (_, index) => `127.0.2.${index + 1}`);
		const dnsmasq = await startDnsmasq(
			t,
			addresses.map((address) => `host-record=long.test,${address}`),
		);
		const origin = createServer((_request, response) => response.end('ok')).listen(0, '0.0.0.0');
		await new Promise((resolve) => origin.once('listening', resolve));
		t.teardown(() => {
			origin.closeAllConnections();
			origin.close();
		});
		const [own = 0] = await freePorts(1);
		const program = await startProgram(t, {
			config: `
global
  nbthread 2
  stats socket \${dir}/admin.sock level admin
${SECTION}
defaults
  mode http
  timeout client 10s
  timeout connect 1s
  timeout server 10s
listen app
  bind 127.0.0.1:\${port1}
  server-template s 50 long.test:\${port3} resolvers d init-addr none resolve-prefer ipv4 check inter 100
`,
			ports: 3,
			usePorts: [own, dnsmasq.port, (origin.address() as AddressInfo).port],
		});
		const up = async () => ((await ask(program, 'show servers state app')).match(/ 127\.0\.2\.\d+ 2 0 /g) ?? []).length;
		await waitFor('all fifty servers', async () => (await up()) === 50);
		t.match(await ask(program, 'show resolvers d'), /truncated: +[1-9]/);
		t.equal((await request(own)).status, 200);
		await dnsmasq.stop();
		program.child.kill('SIGUSR2');
		const statuses = new Set<number>();
		let reloaded = false;
		await waitFor('the reload', async () => {
			statuses.add((await request(own)).status);
			reloaded ||= /sent: +[0-9]\n/.test(await ask(program, 'show resolvers d'));
			return reloaded;
		});
		t.equal(await up(), 50, 'known from before the reload');
		for (let i = 0; i < 10; i++) statuses.add((await request(own)).status);
		t.same([...statuses], [200]);
	},
);
