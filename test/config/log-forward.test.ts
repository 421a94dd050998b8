import t from 'tap';
import { load } from './load.js';

t.test('a section with all its keywords', async (t) => {
	const { model, remarks } = load(`global
 log 127.0.0.1:514 local0
ring r
 size 32768
 format rfc5424
log-forward lf
 bind 127.0.0.1:1514
 dgram-bind 127.0.0.1:1514-1515,[::1]:1516 v6only
 maxconn 20
 backlog 30
 timeout client 5s
 log global
 log ring@r local1
 log 127.0.0.1:515 format rfc3164 local1
 option dont-parse-log
 option assume-rfc6587-ntf
 option host replace
`);
	t.same(remarks, []);
	const section = model?.logForwards[0];
	t.same(
		section?.datagramBinds.map(({ address, v6only }) => [address.address, address.port, v6only]),
		[
			['127.0.0.1', 1514, true],
			['127.0.0.1', 1515, true],
			['::1', 1516, true],
		],
	);
	t.match(section?.connections, { maxconn: 20, backlog: 30, mode: 'tcp', timeouts: { clientMs: 5000 } });
	t.same(
		section?.targets.map(({ target, keepsFormat }) => [target.target.kind, target.format, keepsFormat]),
		[
			['udp', 'local', true],
			['ring', 'rfc5424', false],
			['udp', 'rfc3164', false],
		],
	);
	t.match(section, { parsesMessages: false, endsAtNewlines: true, hostStrategy: 'replace' });
});

t.test('the defaults', async (t) => {
	const { model } = load('log-forward lf\n dgram-bind :1514\n log 127.0.0.1 local0\n');
	t.match(model?.logForwards[0], {
		connections: { maxconn: 10, timeouts: { clientMs: undefined } },
		parsesMessages: true,
		endsAtNewlines: false,
		hostStrategy: 'keep',
	});
});

/** Lines of a section that HAProxy 2.6 refuses too, or that Holdfast cannot do; with what is said of them. */
const REFUSED: readonly (readonly [lines: string, remark: RegExp])[] = [
	['dgram-bind 127.0.0.1', /^alert 2: .*missing port/],
	['dgram-bind tcp@127.0.0.1:1', /^alert 2: .*stream-type address not acceptable in 'tcp@127.0.0.1:1'/],
	['dgram-bind /tmp/x.sock', /^alert 2: .*not supported by holdfast/],
	['dgram-bind', /^alert 2: 'dgram-bind' expects/],
	['dgram-bind 127.0.0.1:1 foo', /^alert 2: .*unknown keyword 'foo'/],
	['bind udp@127.0.0.1:1', /^alert 2: /],
	['option dontlog-normal', /^alert 2: .*dontlog-normal/],
	['option host sometimes', /^alert 2: 'option host' expects/],
	['mode tcp', /^alert 2: unknown keyword 'mode'/],
	['timeout server 3s', /^alert 2: /],
	['timeout client x', /^alert 2: /],
	['maxconn', /^alert 2: 'maxconn' expects/],
	['log 1.2.3.4', /^alert 2: /],
];

t.test('what is refused, with its line', async (t) => {
	for (const [line, remark] of REFUSED) {
		const { model, remarks } = load(`log-forward lf\n ${line}\n`);
		t.equal(model, undefined, line);
		t.ok(
			remarks.some((text) => remark.test(text)),
			`${line}: ${remarks.join(' | ')}`,
		);
	}
});

t.test('names', async (t) => {
	const section = (name: string): string => `log-forward ${name}\n dgram-bind :1514\n log 127.0.0.1 local0\n`;
	t.match(load('log-forward\n').remarks, ['alert 1: missing name for log-forward section.']);
	t.match(load('log-forward a b\n').remarks[0], /^alert 1: .*unexpected argument 'b'/);
	t.match(
		load(`${section('a')}log-forward a\n dgram-bind :1515\n log 127.0.0.1 local0\n`).remarks[0],
		/^alert 4: log-forward section 'a' has the same name as another log-forward section declared at test.cfg:1/,
	);
	t.match(
		load(`backend a\n${section('a')}`).remarks[0],
		/^alert 2: log forward section 'a' has the same name as backend 'a' declared at test.cfg:1/,
	);
});

t.test('a section without a listener or a target is remarked on', async (t) => {
	t.same(load('log-forward a\n').remarks, [
		"warning -: frontend 'a' has no 'bind' directive. Please declare it as a backend if this was intended.",
		"notice 1: log-forward 'a' has no 'log' line: what it receives goes nowhere.",
	]);
});

t.test('its addresses are those of the process: each once', async (t) => {
	const { remarks } = load(
		'frontend f\n bind :1514\n timeout client 1s\nlog-forward a\n bind :1514\n log 127.0.0.1 local0\n',
	);
	t.match(remarks[0], /^alert 5: .*already listened on/);
});
