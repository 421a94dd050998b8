/**
 * The same server as HAProxy picks for the same input: one HAProxy 2.6 with a backend per algorithm, hash
 * type and set of weights; each request's server is compared with ours. The client's address comes by
 * PROXY protocol, so that `source` sees what we say.
 */
import net from 'node:net';
import t from 'tap';
import type { Backend } from '../../lib/backend/backend.js';
import type { BalanceModel, HashTypeModel, ProxyModel } from '../../lib/config/model.js';
import { skipUnlessHaproxy, startHaproxy } from '../fixtures/interop.js';
import type { FakeStreamOptions } from '../fixtures/stream-view.js';
import { backendModel, pick, single, weighted } from './support.js';

interface Input {
	readonly target?: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly source?: string;
}

interface Case {
	readonly name: string;
	readonly lines: readonly string[];
	readonly weights: readonly number[];
	readonly balance: BalanceModel;
	readonly hashType?: HashTypeModel;
	readonly fields?: Partial<ProxyModel>;
	readonly expression?: string;
	readonly inputs: readonly Input[];
}

const FUNCTIONS = ['sdbm', 'djb2', 'wt6', 'crc32'] as const;
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A fixed scatter of inputs: the test is the same each time. */
function scatter(index: number): number {
	return (Math.imul(index + 1, 2654435761) ^ (index << 7)) >>> 0;
}

const same = (count: number): Input[] => numbers(count).map(() => ({}));
const keys = numbers(120).map((index) => ({ headers: { 'x-key': `k${scatter(index).toString(36)}` } }));
const hosts = [
	'haproxy.1wt.eu',
	'www.example.com',
	'example.com',
	'localhost',
	'a.b.c.d.e',
	'x.',
	'.com',
	'a..b',
	'a...b',
	'.a.b',
	'10.1.2.3',
	'WWW.Example.COM',
	'example.com:8080',
	'1wt.eu',
	'eu',
	'www.example.co.uk',
	'.',
	'a.b.',
	'..',
	'[::1]:80',
];
const uris = [
	'/',
	'/a',
	'/a/b/c/d?e=f',
	'/a?b/c',
	'/index.html?x=1&y=2',
	'//double//slash',
	'/a/b/',
	'/a/b?',
	'/%20x',
	`/${'long/'.repeat(30)}`,
	'/?q',
	'/a/b/c?d/e?f',
	'/~user/x;y=1',
	'/abcdefghij',
	'http://host.example/a/b?c',
	'http://host.example',
	'http://other.example/a/b?c',
];
const parameters = [
	'/?id=1',
	'/?id=abc',
	'/?x=1&id=2',
	'/?id=',
	'/?id',
	'/?xid=5&id=6',
	'/?id=1&id=2',
	'/x;id=3',
	'/?a=b;id=7',
	'/?ID=9',
	'/?id=%41',
	'/?id=A',
	'/?&id=8',
	'/?id=a?b',
	'/?idx=1',
	'/?id==x',
	'/?a?id=4',
];
const sources = numbers(60).map((index) => {
	const value = scatter(index);
	return { source: `${(value >>> 24) % 223 || 1}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` };
});
const sources6 = ['::1', '2001:db8::1', 'fe80::1:2:3', '2001:db8:1:2:3:4:5:6', '::ffff:1.2.3.4', 'ff02::1'].map(
	(source) => ({ source }),
);

const cases: Case[] = [];
const hdrKey: BalanceModel = { algorithm: 'hdr', name: 'X-Key', useDomainOnly: false };

for (const weights of [
	[1, 1, 1],
	[1, 2, 3],
	[3, 2, 1],
	[10, 100],
	[5, 1, 1],
	[1, 1, 1, 1, 4],
	[100, 50, 25],
	[0, 1, 2],
	[256, 1, 255],
	[7, 3],
	[13, 17, 19, 23, 200],
	[1],
]) {
	const tag = weights.join('_');
	for (const algorithm of ['roundrobin', 'static-rr', 'leastconn', 'first'] as const) {
		cases.push({
			name: `${algorithm}_${tag}`,
			lines: [`balance ${algorithm}`],
			weights,
			balance: { algorithm },
			inputs: same(70),
		});
	}
	for (const method of ['map-based', 'consistent'] as const) {
		cases.push({
			name: `hdr_${method}_${tag}`,
			lines: ['balance hdr(X-Key)', `hash-type ${method} djb2`],
			weights,
			balance: hdrKey,
			hashType: { method, function: 'djb2', avalanche: false },
			inputs: [...keys.slice(0, 40), ...same(40), ...keys.slice(40, 60)],
		});
	}
}
for (const method of ['map-based', 'consistent'] as const) {
	for (const name of FUNCTIONS) {
		for (const avalanche of [false, true]) {
			const hashType = { method, function: name, avalanche };
			const line = `hash-type ${method} ${name}${avalanche ? ' avalanche' : ''}`;
			const tag = `${method}_${name}_${avalanche}`;
			cases.push({
				name: `key_${tag}`,
				lines: ['balance hdr(X-Key)', line],
				weights: [3, 1, 2],
				balance: hdrKey,
				hashType,
				inputs: keys,
			});
			cases.push({
				name: `src_${tag}`,
				lines: ['balance source', line],
				weights: [3, 1, 2],
				balance: { algorithm: 'source' },
				hashType,
				inputs: [...sources, ...sources6],
			});
		}
	}
}
const uri = (name: string, fields: Partial<Extract<BalanceModel, { algorithm: 'uri' }>>, words: string) =>
	cases.push({
		name,
		lines: [`balance uri ${words}`, 'hash-type map-based crc32'],
		weights: [1, 1, 1, 1, 1, 1, 1],
		balance: { algorithm: 'uri', pathOnly: false, whole: false, lengthChars: 0, depth: 0, ...fields },
		hashType: { method: 'map-based', function: 'crc32', avalanche: false },
		inputs: uris.map((target) => ({ target })),
	});
uri('uri', {}, '');
uri('uri_whole', { whole: true }, 'whole');
uri('uri_len3', { lengthChars: 3 }, 'len 3');
uri('uri_len10_whole', { lengthChars: 10, whole: true }, 'len 10 whole');
for (const depth of [1, 2, 3]) uri(`uri_depth${depth}`, { depth }, `depth ${depth}`);
uri('uri_depth_len', { depth: 2, lengthChars: 3 }, 'depth 2 len 3');
uri('uri_depth_whole', { depth: 3, whole: true }, 'depth 3 whole');
uri('uri_path', { pathOnly: true }, 'path-only');
uri('uri_path_whole', { pathOnly: true, whole: true }, 'path-only whole');
uri('uri_path_depth', { pathOnly: true, depth: 2 }, 'path-only depth 2');
const crc32: HashTypeModel = { method: 'map-based', function: 'crc32', avalanche: false };
cases.push({
	name: 'url_param',
	lines: ['balance url_param id', 'hash-type map-based crc32'],
	weights: [1, 1, 1, 1, 1, 1, 1],
	balance: { algorithm: 'url_param', name: 'id', checkPostBytes: undefined },
	hashType: crc32,
	inputs: parameters.map((target) => ({ target })),
});
for (const useDomainOnly of [false, true]) {
	cases.push({
		name: `hdr_host_${useDomainOnly}`,
		lines: [`balance hdr(host)${useDomainOnly ? ' use_domain_only' : ''}`, 'hash-type map-based crc32'],
		weights: [1, 1, 1, 1, 1, 1, 1],
		balance: { algorithm: 'hdr', name: 'host', useDomainOnly },
		hashType: crc32,
		inputs: hosts.map((host) => ({ headers: { host } })),
	});
}
for (const [name, words] of [
	['str', 'req.hdr(x-key)'],
	['ip', 'src'],
	['int', 'req.hdr(x-key),length'],
	['bool', 'req.hdr(x-key),length,even'],
] as const) {
	cases.push({
		name: `hash_${name}`,
		lines: [`balance hash ${words}`, 'hash-type map-based crc32'],
		weights: [1, 1, 1, 1, 1, 1, 1],
		balance: { algorithm: 'hash', expression: { place: { file: '', line: 0 }, words: [words] } },
		hashType: crc32,
		expression: name,
		inputs: [...keys.slice(0, 30), ...sources.slice(0, 20)],
	});
}

function ours(one: Case): Backend {
	const model = backendModel(weighted(...one.weights), one.balance, {
		hashType: one.hashType ?? crc32,
		hashBalanceFactor: 0,
		hashAffinity: 'always',
		...one.fields,
	});
	const { expression } = one;
	return single(model, {
		hashExpression: (view) => {
			const key = view.request?.headers.get('x-key');
			if (expression === 'ip') return view.session.source;
			if (key === undefined) return undefined;
			return expression === 'int' ? key.length : expression === 'bool' ? key.length % 2 === 0 : key;
		},
	}).backend;
}

function configuration(dir: string): string {
	const backends = cases.map((one) =>
		[
			`backend ${one.name}`,
			'  http-response set-header x-server %s',
			...one.lines.map((line) => `  ${line}`),
			...one.weights.map((weight, index) => `  server s${index + 1} unix@${dir}/origin.sock weight ${weight}`),
		].join('\n'),
	);
	return `defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
  http-reuse always
frontend origin
  bind unix@${dir}/origin.sock
  http-request return status 200
frontend in
  bind unix@${dir}/in.sock accept-proxy
  use_backend %[req.hdr(x-backend)]
${backends.join('\n')}
`;
}

/** Sends the inputs one after the other over one connection per client address; the servers' names. */
async function theirs(socketPath: string, one: Case): Promise<string[]> {
	const names: string[] = [];
	for (let at = 0; at < one.inputs.length; ) {
		let end = at;
		while (end < one.inputs.length && one.inputs[end]?.source === one.inputs[at]?.source) end++;
		names.push(...(await converse(socketPath, one.name, one.inputs.slice(at, end))));
		at = end;
	}
	return names;
}

function converse(socketPath: string, backend: string, inputs: readonly Input[]): Promise<string[]> {
	const source = inputs[0]?.source ?? '192.0.2.1';
	const proxy = source.includes(':')
		? `PROXY TCP6 ${source} 2001:db8::ffff 1234 80\r\n`
		: `PROXY TCP4 ${source} 192.0.2.2 1234 80\r\n`;
	const requests = inputs.map((input) => {
		// HAProxy refuses an absolute target whose authority is not the Host.
		const authority = /^http:\/\/([^/]+)/.exec(input.target ?? '')?.[1] ?? 'example.com';
		// Host is not the last field: HAProxy 2.6 looks one byte beyond the value for `use_domain_only`.
		const headers: Record<string, string> = { host: authority, ...input.headers };
		const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
		return `GET ${input.target ?? '/path?a=1'} HTTP/1.1\r\n${lines.join('')}x-backend: ${backend}\r\n\r\n`;
	});
	return new Promise((resolve, reject) => {
		const names: string[] = [];
		let text = '';
		const socket = net.connect(socketPath, () => socket.write(proxy + (requests[0] ?? ''), 'latin1'));
		socket.on('error', reject);
		socket.on('close', () => resolve(names));
		socket.on('data', (chunk) => {
			text += chunk.toString('latin1');
			const end = text.indexOf('\r\n\r\n');
			if (end < 0) return;
			const head = text.slice(0, end);
			const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
			if (text.length < end + 4 + length) return;
			text = text.slice(end + 4 + length);
			names.push(/x-server: (\S+)/.exec(head)?.[1] ?? head.slice(0, 12));
			const next = requests[names.length];
			if (next === undefined || head.includes('onnection: close')) socket.destroy();
			else socket.write(next, 'latin1');
		});
	});
}

function streamOptions(input: Input): FakeStreamOptions {
	return {
		target: input.target ?? '/path?a=1',
		headers: { host: 'example.com', ...input.headers },
		source: input.source ?? '192.0.2.1',
	};
}

t.test('the same server as HAProxy 2.6 for the same input', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const haproxy = await startHaproxy(configuration);
	t.teardown(() => haproxy.stop());
	for (const one of cases) {
		const backend = ours(one);
		const expected = await theirs(`${haproxy.dir}/in.sock`, one);
		const found = one.inputs.map((input) => pick(backend, streamOptions(input)));
		t.same(found, expected, one.name);
	}
});
