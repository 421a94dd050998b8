/** Keys beside the real HAProxy: the same samples into tables of each type, the same keys come out. */
import { request } from 'node:http';
import t from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import type { SampleValue } from '../../lib/sample/types.js';
import { type KeyType, keyCodec } from '../../lib/stick-table/key.js';
import { skipUnlessHaproxy, startHaproxy } from '../fixtures/interop.js';

const ip = (text: string): IpAddress => IpAddress.parse(text) as IpAddress;

/** A sample as HAProxy's configuration writes it, and ours. */
const SAMPLES: readonly (readonly [expression: string, value: SampleValue])[] = [
	['bool(true)', true],
	['int(258)', 258],
	['int(-1)', -1],
	['int(4294967296)', 4294967296],
	['str(12abc)', '12abc'],
	['str(abc)', 'abc'],
	['str(10.0.0.1)', '10.0.0.1'],
	['str(::ffff:10.0.0.2)', '::ffff:10.0.0.2'],
	['str(2001:db8::2)', '2001:db8::2'],
	['str(0123456789abcdef)', '0123456789abcdef'],
	['bin(41420a43)', Buffer.from('AB\nC')],
	['bin(414200434445)', Buffer.from('AB\0CDE')],
	['ipv4(10.0.0.1)', ip('10.0.0.1')],
	['ipv6(2001:db8::1)', ip('2001:db8::1')],
	['ipv6(::ffff:10.0.0.2)', ip('::ffff:10.0.0.2')],
	// ::a.b.c.d and 2002:aabb:ccdd:: are not compared: HAProxy 2.6 makes no ip key of them, later versions do.
];

const TYPES: readonly (readonly [declaration: string, keyType: KeyType, keyLengthBytes: number])[] = [
	['ip', 'ip', 4],
	['ipv6', 'ipv6', 16],
	['integer', 'integer', 4],
	['string len 10', 'string', 10],
	['binary len 5', 'binary', 5],
];

/** What HAProxy refuses in a configuration; our rules refuse it too, by the sample's type. */
const REFUSED = new Set(
	[
		['ip', 'bool', 'bin'],
		['ipv6', 'bool', 'bin'],
		['integer', 'bin', 'ipv6'],
	].flatMap(([keyType, ...types]) => types.map((type) => `${keyType} ${type}`)),
);

function ours(keyType: KeyType, keyLengthBytes: number, value: SampleValue): string | undefined {
	const codec = keyCodec({ keyType, keyLengthBytes });
	const words = new Int32Array(codec.words);
	if (!codec.encode(value, words, 0)) return undefined;
	const key = codec.decode(words, 0);
	if (Buffer.isBuffer(key)) return key.toString('hex').toUpperCase();
	return String(key).replaceAll('\n', '\\n');
}

t.test('conversions', { skip: skipUnlessHaproxy() }, async (t) => {
	const cases = TYPES.flatMap(([declaration, keyType, keyLengthBytes]) =>
		SAMPLES.filter(([expression]) => !REFUSED.has(`${keyType} ${expression.slice(0, expression.indexOf('('))}`)).map(
			([expression, value]) => ({ declaration, keyType, keyLengthBytes, expression, value }),
		),
	);
	const haproxy = await startHaproxy((dir) =>
		[
			'defaults',
			'  mode http',
			'  timeout client 5s',
			'  timeout server 5s',
			'  timeout connect 5s',
			...cases.flatMap(({ declaration }, i) => [
				`backend t${i}`,
				`  stick-table type ${declaration} size 10 store gpc0`,
			]),
			'frontend f',
			`  bind unix@${dir}/http.sock`,
			...cases.map(({ expression }, i) => `  http-request track-sc0 ${expression} table t${i} if { path /${i} }`),
			'  http-request return status 200',
			'',
		].join('\n'),
	);
	t.teardown(() => haproxy.stop());
	const get = (path: string): Promise<void> =>
		new Promise((resolve, reject) => {
			const call = request({ socketPath: `${haproxy.dir}/http.sock`, path, agent: false }, (response) => {
				response.resume().on('end', resolve);
			});
			call.on('error', reject).end();
		});
	for (const [i, { keyType, keyLengthBytes, expression, value }] of cases.entries()) {
		await get(`/${i}`);
		const theirs = /key=(\S*) use=/.exec(await haproxy.cli(`show table t${i}`))?.[1];
		t.equal(ours(keyType, keyLengthBytes, value), theirs, `${keyType} of ${expression}`);
	}
});
