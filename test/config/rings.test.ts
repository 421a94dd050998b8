/** Rings and log profiles as the model has them: what `log` lines become, and what is said of them. */
import t from 'tap';
import type { LogTargetModel } from '../../lib/config/model.js';
import { load } from './load.js';

const FRONTEND =
	'defaults\n mode http\n timeout client 1s\nfrontend f\n bind 127.0.0.1:1\n option httplog\n log global\n';

function logged(
	global: string,
	sections = '',
): { targets: readonly LogTargetModel[]; remarks: readonly string[]; text: string } {
	const { model, remarks } = load(`global\n${global}${sections}${FRONTEND}`);
	const targets = model?.proxies[0]?.logTargets ?? [];
	const text = targets
		.map(({ target, format, lengthBytes }) => {
			const name = 'name' in target ? target.name : '';
			return `${target.kind} ${name} ${format} ${lengthBytes}`;
		})
		.join('; ');
	return { targets, remarks, text };
}

t.test('a ring says how its lines look', async (t) => {
	const ring = 'ring r\n format rfc5424\n maxlen 300\nring plain\n';
	const { text, remarks, targets } = logged(
		' log ring@r local0\n log ring@r len 200 local1\n log ring@r len 400 format raw local2 err\n log ring@plain local3\n',
		ring,
	);
	t.equal(text, 'ring r rfc5424 300; ring r rfc5424 200; ring r rfc5424 300; ring plain raw 1024');
	t.equal(targets[2]?.maxLevel, 'err');
	t.same(remarks, [
		"warning 4: log : 'format raw' is not used for a ring; lines of ring 'r' have format 'rfc5424', which is set in its section.",
	]);
	// The format that the ring has anyway needs no remark.
	t.same(logged(' log ring@plain format raw local3\n', ring).remarks, []);
});

t.test('a ring that is not there', async (t) => {
	t.match(logged(' log ring@plian local3\n', 'ring plain\n').remarks, [
		/^alert 2: log : unable to find ring 'plian'; did you mean 'plain'/,
	]);
	// Said once, whatever number of proxies the line is for.
	const { remarks } = load(`global\n log ring@no local0\n${FRONTEND}frontend g\n bind 127.0.0.1:2\n log global\n`);
	t.equal(remarks.filter((remark) => remark.includes("'no'")).length, 1);
});

t.test("HAProxy's own sinks", async (t) => {
	t.equal(
		logged(' log ring@stdout format rfc3164 local0\n log ring@stderr local0\n').text,
		'stdout  raw 1024; stderr  raw 1024',
	);
	const { model } = load(`global\n log ring@buf0 local0\n${FRONTEND}`);
	t.match(model?.rings, [{ name: 'buf0', description: 'in-memory ring buffer', sizeBytes: 1048576, servers: [] }]);
	t.same(load(`global\n log stdout local0\n${FRONTEND}`).model?.rings, []);
});

t.test('log servers by TCP have rings of their own', async (t) => {
	const { model, remarks } = load(
		`global\n log tcp@127.0.0.1:601 format rfc5424 local0\n log tcp6@[::1]:602 len 8000 local1\n log tcp@logs.example.com local2\n${FRONTEND}frontend g\n bind 127.0.0.1:2\n log global\n`,
	);
	t.same(remarks, []);
	t.match(model?.rings, [
		{
			name: 'ring#1',
			description: "created from logserver declared into 'test.cfg' at line 2",
			format: 'rfc5424',
			sizeBytes: 16384,
			servers: [{ address: { kind: 'ip', address: '127.0.0.1', port: 601 }, framing: 'legacy', tls: undefined }],
		},
		{ name: 'ring#2', sizeBytes: 32000, servers: [{ address: { kind: 'ip', family: 6, port: 602 } }] },
		{ name: 'ring#3', servers: [{ address: { kind: 'name', host: 'logs.example.com', port: 514 } }] },
	]);
	t.equal(model?.rings.length, 3, 'one for a line, not for each proxy that it is for');
	t.match(model?.proxies[1]?.logTargets[0]?.target, { kind: 'ring', name: 'ring#1' });
});

t.test('the section', async (t) => {
	const { model, remarks } = load(
		`ring r\n description "two words"\n size 20000\n maxlen 30000\n timeout connect 2s\n timeout server 3s\n server a 127.0.0.1:1 log-proto octet-count\n server b log.example.com:2 ssl verify none log-proto legacy\n server c 127.0.0.1:3 disabled\nring s\n server a 127.0.0.1:1\n${FRONTEND} log ring@r local0\n`,
	);
	t.match(model?.rings[0], {
		description: 'two words',
		sizeBytes: 20000,
		maxlenBytes: 20000,
		connectTimeoutMs: 2000,
		serverTimeoutMs: 3000,
		servers: [
			{ name: 'a', framing: 'octet-count', tls: undefined },
			{ name: 'b', framing: 'legacy', tls: { verify: 'none' }, address: { kind: 'name', host: 'log.example.com' } },
		],
	});
	t.equal(model?.rings[0]?.servers.length, 2, 'a disabled server is none');
	t.match(remarks, [
		"warning 1: ring 'r' event max length '30000' exceeds size, forced to size '20000'.",
		/^warning 10: ring 's' has servers and no 'timeout connect' or no 'timeout server'/,
	]);
});

t.test('log profiles', async (t) => {
	const { model, remarks } = load(
		`log-profile p\n log-tag web\n on close format "%ST" sd "[x]"\n on any drop\n on close format "%B"\n${FRONTEND} log stdout profile p local0\n log-steps response,accept,response\n`,
	);
	t.same(remarks, []);
	const profile = model?.logProfiles[0];
	t.equal(profile?.logTag, 'web');
	t.same([...(profile?.steps.keys() ?? [])], ['close', 'any']);
	t.match(
		profile?.steps.get('close'),
		{ drop: false, format: { words: ['%B'] }, sd: undefined },
		'the last line counts',
	);
	t.match(profile?.steps.get('any'), { drop: true });
	t.same(model?.proxies[0]?.logSteps, ['response', 'accept']);
	t.equal(model?.proxies[0]?.logTargets[0]?.profile, 'p');
	const alert = (text: string): string[] => load(text).remarks.filter((remark) => remark.startsWith('alert'));
	t.match(
		alert(`log-profile p\n on any drop\n${FRONTEND} log stdout profile q local0\n http-request do-log profile pp\n`),
		[/log : unable to find log-profile 'q'/, /do-log : unable to find log-profile 'pp'/],
	);
	t.match(alert(`log-profile p\n on clsoe drop\n${FRONTEND}`), [/unknown logging step 'clsoe'; did you mean 'close'/]);
});
