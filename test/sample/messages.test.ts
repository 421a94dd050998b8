/** Converters of messages, ciphers and the header `Forwarded`: their refusals, and what no other program is asked about. */
import { createSign, generateKeyPairSync, sign } from 'node:crypto';
import t from 'tap';
import { formatG } from '../../lib/sample/converters/json-query.js';
import { compileExpression } from '../../lib/sample/expression.js';
import type { SampleValue } from '../../lib/sample/types.js';
import { toText } from '../../lib/sample/values.js';
import { alertsOf, type FakeContextOptions, fakeContext, fakeStream } from '../fixtures/stream-view.js';

function run(text: string, options: FakeContextOptions = {}): SampleValue | undefined {
	const context = fakeContext(options);
	const compiled = compileExpression([text], 0, context, { oneWord: true });
	if (compiled === undefined) throw new Error(alertsOf(context).join());
	return compiled.expression.evaluate(fakeStream());
}

const shown = (text: string, options?: FakeContextOptions): string | undefined => {
	const value = run(text, options);
	return value === undefined ? undefined : toText(value);
};

function refusal(text: string): string {
	const context = fakeContext();
	compileExpression([text], 0, context, { oneWord: true });
	return alertsOf(context)[0] ?? '';
}

t.test('refused arguments', async (t) => {
	for (const [text, expected] of [
		['str(x),json_query()', /missing arguments/],
		["str(x),json_query('$.a','str')", /output_type only supports "int"/],
		['str(x),jwt_verify(XX,k)', /unknown JWT algorithm: XX/],
		['str(x),jwt_verify(PS256,k)', /RSASSA-PSS JWS signing not managed yet/],
		['str(x),fix_tag_value(nope)', /Unknown FIX tag name 'nope'/],
		['str(x),fix_tag_value(0)', /Unknown FIX tag name '0'/],
		['str(x),mqtt_field_value(publish,flags)', /MQTT type not supported: 'publish'/],
		['str(x),mqtt_field_value(connect,38)', /not supported: '38'/],
		['str(x),mqtt_field_value(connack,username)', /not supported: 'username'/],
		['str(x),protobuf(x)', /failed to parse 'x' as type 'Protocol buffers field number'/],
		['str(x),protobuf(1,string)', /Wrong protocol buffer type 'string'/],
		['str(x),aes_gcm_dec(1,txn.a,txn.b,txn.c)', /key size must be 128, 192 or 256/],
		['str(x),aes_gcm_dec(128,txn.a,!!,txn.c)', /failed to parse key : argument needs to be base64 encoded/],
		['str(x),debug(p,nosink)', /No such sink 'nosink'/],
		['str(x),rfc7239_field(port)', /'port' is none of proto, host, for, by/],
		['str(x),param(a,&&)', /single character/],
	] as const) {
		t.match(refusal(text), expected, text);
	}
});

t.test('remarks', async (t) => {
	const remarks = (text: string): string[] => {
		const context = fakeContext();
		compileExpression([text], 0, context, { oneWord: true });
		return context.diagnostics.list.map((one) => one.text);
	};
	t.match(remarks("str(x),json_query('a')")[0], /the path 'a' finds nothing/);
	t.match(remarks('str(x),jwt_verify(RS256,/nope.pem)')[0], /'\/nope.pem' cannot be read: no token will be valid/);
	t.match(
		remarks('str(x),capture-req(3)')[0],
		/'capture-req\(3\)' gives no sample: there is no such request capture slot/,
	);
	t.match(remarks('str(x),debug')[0], /'debug' shows nothing without 'stdout' or 'stderr'/);
});

t.test('JSON: numbers as %g, and texts of any size', async (t) => {
	for (const [value, text] of [
		[0, '0'],
		[100000, '100000'],
		[1000000, '1e+06'],
		[0.0001, '0.0001'],
		[0.00001, '1e-05'],
		[100000.5, '100000'],
		[100001.5, '100002'],
		[999999.5, '1e+06'],
		[1.5e300, '1.5e+300'],
		[-0.125, '-0.125'],
	] as const) {
		t.equal(formatG(value), text);
	}
	const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
	t.equal(run(`str('${deep}'),json_query('$.b')`), undefined, 'nesting ends the search');
	const wide = `{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":[${index}]`).join()},"a":"found"}`;
	t.equal(run(`str('${wide}'),json_query('$.a')`), 'found');
});

t.test('JWT: signatures of keys in files', async (t) => {
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
	const signed = 'eyJhbGciOiJFUzM4NCJ9.e30';
	const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
	const files = { '/k.pem': pem, '/none.pem': 'nothing' };
	const raw = sign('sha384', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
	const der = createSign('sha384').update(signed).sign(privateKey).toString('base64url');
	t.equal(run(`str(${signed}.${raw}),jwt_verify(ES384,/k.pem)`, { files }), 1);
	t.equal(run(`str(${signed}.${der}),jwt_verify(ES384,/k.pem)`, { files }), 0, 'not as DER');
	t.equal(run(`str(${signed}.${raw}),jwt_verify(ES256,/k.pem)`, { files }), 0);
	t.equal(run(`str(${signed}.${raw}),jwt_verify(RS256,/k.pem)`, { files }), 0);
	t.equal(run(`str(${signed}.${raw}),jwt_verify(ES384,/none.pem)`, { files }), -5);
	t.equal(run(`str(/k.pem),set-var(txn.k),bytes(0,0),concat(${signed}.${raw}),jwt_verify(ES384,txn.k)`, { files }), 1);
});

t.test('ciphers back and forth', async (t) => {
	const key = Buffer.alloc(16, 'k').toString('base64');
	const nonce = Buffer.alloc(12, 'n').toString('base64');
	t.equal(shown(`str(text),aes_gcm_enc(128,${nonce},${key},txn.tag),aes_gcm_dec(128,${nonce},${key},txn.tag)`), 'text');
	const iv = Buffer.alloc(16, 'n').toString('base64');
	t.equal(shown(`str(text),aes_cbc_enc(128,${iv},${key}),aes_cbc_dec(128,${iv},${key})`), 'text');
	t.equal(run(`str(text),aes_cbc_dec(128,${iv},${key})`), undefined, 'no padding');
	t.equal(run(`str(text),aes_cbc_enc(128,${nonce},${key})`), undefined, 'a nonce of another size');
	t.equal(run(`str(text),aes_gcm_enc(256,${nonce},${key},txn.tag)`), undefined, 'a key of another size');
	t.equal(run(`str(text),aes_gcm_dec(128,${nonce},${key},AAAA)`), undefined, 'a short tag');
});

t.test('Forwarded', async (t) => {
	for (const [text, valid] of [
		['for=192.0.2.1', true],
		['for="192.0.2.1:80";proto=https;by=203.0.113.43', true],
		['For="[2001:db8::1]:4711"', true],
		['for=unknown', true],
		['for=_hidden', true],
		['for="_hidden:_port"', true],
		['host="example.org:8080"', true],
		['for=[2001:db8::1]', false],
		['for=2001:db8::1', false],
		['for=a b', false],
		['for=1.2.3.4, for=5.6.7.8', false],
		['for=1.2.3.4;for=1.2.3.4', false],
		['for="1.2.3.4', false],
		['for="1.2.3.4:99999"', false],
		['port=80', false],
		['for=1.2.3.4;', false],
		['', false],
	] as const) {
		t.equal(run(`str('${text}'),rfc7239_is_valid`), valid, text);
	}
	const header = `'for="[2001:db8::1]:4711";proto=https;host="a.b:1"'`;
	t.equal(shown(`str(${header}),rfc7239_field(for)`), '[2001:db8::1]:4711');
	t.equal(shown(`str(${header}),rfc7239_field(proto)`), 'https');
	t.equal(shown(`str(${header}),rfc7239_field(by)`), undefined);
	t.equal(shown(`str(${header}),rfc7239_field(for),rfc7239_n2nn`), '2001:db8::1');
	t.equal(run(`str(${header}),rfc7239_field(for),rfc7239_n2np`), 4711);
	t.equal(run('str(_a:_b),rfc7239_n2nn'), '_a');
	t.equal(run('str(_a:_b),rfc7239_n2np'), '_b');
	t.equal(run('str(1.2.3.4),rfc7239_n2np'), undefined);
});

t.test('parameters, order of characters, numbers and dates of 3.x', async (t) => {
	t.equal(run('str(a=1&b=2&a=3),param(a)'), '1');
	t.equal(run('str(a=1&b&c=),param(b)'), '');
	t.equal(run('str(a=1&b&c=),param(c)'), '');
	t.equal(run('str(a=1&b&c=),param(d)'), undefined);
	t.equal(run('str(a=1;b=2),param(b,;)'), '2');
	t.equal(run('str(abc),reverse'), 'cba');
	t.equal(run('bin(01020304050607),le2dec(:,2)'), '513:1027:1541:7');
	t.equal(
		run('int(1000000000123),ms_utime("%Y-%m-%dT%H:%M:%S.%3N %N %6N %%N")'),
		'2001-09-09T01:46:40.123 123000000 123000 %N',
	);
	t.equal(run('int(1000000000123456),us_utime("%S.%6N",-1)'), '40.123455');
});

t.test('captures and debug hand on what they get', async (t) => {
	const captured: string[] = [];
	const context = fakeContext({ proxy: { requestCaptures: [{ name: 'a', length: 4 }] } as never });
	const expression = compileExpression(['str(x),capture-req(0),debug(p)'], 0, context, { oneWord: true })?.expression;
	const stream = fakeStream({ stream: { setRequestCapture: (slot, value) => void captured.push(`${slot} ${value}`) } });
	t.equal(expression?.evaluate(stream), 'x');
	t.same(captured, ['0 x']);
	t.equal(run('str(x),capture-res(0)'), undefined);
});
