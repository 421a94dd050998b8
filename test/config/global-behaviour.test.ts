import t from 'tap';
import { load } from './load.js';

const global = (line: string) => load(`global\n ${line}\n`);

t.test('switches of the whole program, each off by default', async (t) => {
	const off = {
		zeroWarning: false,
		acceptsPayloadWithAnyMethod: false,
		pp2NeverSendLocal: false,
		rejectsPrivilegedPorts: false,
		warnBlockedTrafficMs: 0,
		dnsFamilies: [4, 6],
	};
	t.match(global('quiet').model?.global, off);
	for (const [line, field, value] of [
		['zero-warning', 'zeroWarning', true],
		['no zero-warning', 'zeroWarning', false],
		['h1-accept-payload-with-any-method', 'acceptsPayloadWithAnyMethod', true],
		['pp2-never-send-local', 'pp2NeverSendLocal', true],
		['harden.reject-privileged-ports.tcp on', 'rejectsPrivilegedPorts', true],
		['harden.reject-privileged-ports.tcp off', 'rejectsPrivilegedPorts', false],
		['warn-blocked-traffic-after 250', 'warnBlockedTrafficMs', 250],
		['dns-accept-family ipv4', 'dnsFamilies', [4]],
		['dns-accept-family ipv6,ipv4', 'dnsFamilies', [6, 4]],
		['dns-accept-family auto', 'dnsFamilies', 'auto'],
	] as const) {
		const { model, remarks } = global(line);
		t.same(remarks, [], line);
		t.same(model?.global[field], value, line);
	}
});

t.test('their arguments are checked', async (t) => {
	for (const line of [
		'zero-warning 1',
		'harden.reject-privileged-ports.tcp',
		'harden.reject-privileged-ports.tcp maybe',
		'warn-blocked-traffic-after',
		'warn-blocked-traffic-after 0',
		'warn-blocked-traffic-after 2s',
		'dns-accept-family',
		'dns-accept-family ipv5',
		'dns-accept-family ipv4,auto',
	]) {
		t.match(global(line).remarks[0], /^alert 2: /, line);
	}
});

t.test('what has no meaning here says so, what cannot be had is refused with its reason', async (t) => {
	for (const line of [
		'harden.reject-privileged-ports.quic on',
		'tune.vars.global-max-size 10000',
		'tune.h1.fe.glitches-threshold 10',
	]) {
		t.match(global(line).remarks, [/^notice 2: .*accepted without effect: /], line);
	}
	t.match(
		global('setcap cap_net_raw').remarks[0],
		/^alert 2: 'setcap' is not supported by holdfast \(Node cannot keep/,
	);
});

t.test('bind and server lines of later versions', async (t) => {
	const { model, remarks } = load(`frontend f
 bind :8080 cc bbr ktls on
 timeout client 1s
 max-session-srv-conns 5
backend b
 timeout connect 1s
 timeout server 1s
 server plain 127.0.0.1:1 ssl verify none sni str(x) sni-auto
 server auto 127.0.0.1:2 ssl verify none sni-auto cc cubic ktls off
`);
	t.same(
		remarks.filter((remark) => !remark.includes('accepted without effect')),
		[],
	);
	const servers = model?.proxies.find(({ name }) => name === 'b')?.servers;
	t.same(
		servers?.map(({ tls }) => tls?.sni?.words),
		[['str(x)'], ['req.hdr(host),host_only']],
		'sni-auto does not take the place of a name that is written',
	);
	t.match(load('frontend f\n bind :8080 ktls maybe\n timeout client 1s\n').remarks[0], /^alert 2: 'ktls' expects/);
});
