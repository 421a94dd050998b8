/**
 * Expressions over messages of other protocols, made from parts: JSON, JWT, FIX, MQTT, Protocol Buffers, encrypted bytes.
 * haproxy-messages.test.ts evaluates them in the real HAProxy and here. Cases where the two differ on purpose stand in
 * `DIFFERENT`, each with its reason; nothing else may differ.
 */
import { createCipheriv, createHmac, generateKeyPairSync, sign } from 'node:crypto';

const hex = (bytes: Buffer | string): string => Buffer.from(bytes as string, 'latin1').toString('hex');
const bin = (bytes: Buffer | string): string =>
	`bin(${typeof bytes === 'string' ? hex(bytes) : bytes.toString('hex')})`;

// ---- JSON

const JSON_TEXTS: readonly string[] = [
	'{"a":1}',
	' { "a" : "b" } ',
	'{"a":1e3}',
	'{"a":1e7}',
	'{"a":-7}',
	'{"a":0.1}',
	'{"a":1.0}',
	'{"a":1.5}',
	'{"a":12345678}',
	'{"a":9007199254740993}',
	'{"a":123456.789}',
	'{"a":1e-7}',
	'{"a":100000.5}',
	'{"a":-0}',
	'{"a":1e400}',
	'{"a":1e1000000000}',
	'{"a":01}',
	'{"a":.5}',
	'{"a":+1}',
	'{"a":-}',
	'{"a":nan}',
	'{"a":tru}',
	'{"a":true}',
	'{"a":false}',
	'{"a":null}',
	'{"a":""}',
	'{"a":"12x"}',
	'{"a":"x\ny"}',
	'{"a":"\\u0041\\n"}',
	'{"a":"\\u00e9"}',
	'{"a":"\\u20ac"}',
	'{"a":"q\\"q\\\\\\b\\f\\r\\t"}',
	'{"a":"\\x"}',
	'{"a":"\\u00"}',
	'{"a":"\xff\xc3"}',
	'{"a":{}}',
	'{"a":[]}',
	'{"a":{"b":"c"}}',
	'{"a":{"a":{"a":5}}}',
	'{"a":[1,2,3]}',
	'{"a":[{"b":[10,20]}]}',
	'[[1],[2]]',
	'[{"a":1},{"a":2}]',
	'{"a.b":1}',
	'{"a\\"b":1}',
	'{"":"e"}',
	'{"A":1}',
	'{"ab":1,"a":2}',
	'{"a":1,"a":2}',
	'{"b":[1,{"c":2}],"a":3}',
	'{"b":"}","a":3}',
	'{"b":nul,"a":3}',
	'{"a":{"b":1},"b":2}',
	'{"a":1',
	'{"a":1,}',
	'{"a":1} x',
	'{"a" 1}',
	'{a:1}',
	"{'a':1}",
	'"abc"',
	'12',
	'x',
	`${'['.repeat(12)}1${']'.repeat(12)}`,
];
const JSON_PATHS: readonly string[] = [
	"'$.a'",
	"'$.a','int'",
	"'$.a.b'",
	"'$.a.a.a'",
	"'$.a[1]'",
	"'$.a[-1]'",
	"'$.a[*]'",
	"'$.a[0].b[1]'",
	"'$[1][0]'",
	"'$[1].a'",
	"'$[1'",
	"'$'",
	"'$.'",
	"'$.b'",
	'$.a\\.b',
	`$${'[0]'.repeat(12)}`,
];

// ---- JWT

const b64 = (text: string | Buffer): string => Buffer.from(text as string).toString('base64url');

/** Keys of the tests, as files that a configuration names; made anew for each run. */
export interface JwtKeys {
	readonly rsaFile: string;
	readonly ecFile: string;
	readonly files: Readonly<Record<string, string>>;
	readonly tokens: readonly (readonly [algorithm: string, key: string, token: string])[];
}

export function makeJwtKeys(folder: string): JwtKeys {
	const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
	const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const spki = { type: 'spki', format: 'pem' } as const;
	const rsaFile = `${folder}/rsa.pem`;
	const ecFile = `${folder}/ec.pem`;
	const head = (algorithm: string): string =>
		`${b64(`{"alg":"${algorithm}","typ":"JWT"}`)}.${b64('{"sub":"1","iat":15}')}`;
	const rs = head('RS256');
	const es = head('ES256');
	const hs = head('HS256');
	const rsSignature = b64(sign('sha256', Buffer.from(rs), rsa.privateKey));
	const esSignature = b64(sign('sha256', Buffer.from(es), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }));
	const hsSignature = b64(createHmac('sha256', 'secret').update(hs).digest());
	return {
		rsaFile,
		ecFile,
		files: { [rsaFile]: String(rsa.publicKey.export(spki)), [ecFile]: String(ec.publicKey.export(spki)) },
		tokens: [
			['RS256', rsaFile, `${rs}.${rsSignature}`],
			['RS256', rsaFile, `${es}.${rsSignature}`],
			['RS384', rsaFile, `${rs}.${rsSignature}`],
			['ES256', rsaFile, `${rs}.${rsSignature}`],
			['ES256', ecFile, `${es}.${esSignature}`],
			['ES256', ecFile, `${rs}.${esSignature}`],
			['RS256', ecFile, `${rs}.${rsSignature}`],
			['HS256', 'secret', `${hs}.${hsSignature}`],
			['HS256', 'wrong', `${hs}.${hsSignature}`],
			['HS384', 'secret', `${hs}.${hsSignature}`],
			['HS256', 'secret', `${hs}.${hsSignature}.x`],
			['HS256', 'secret', hs],
			['none', 'x', `${hs}.`],
			['none', 'x', `${hs}.${hsSignature}`],
		],
	};
}

const JWT_PARTS: readonly string[] = ['', 'e30', 'eyJhIjoxfQ', 'eyJhIjoxfQ==', 'ey!hIjoxfQ', 'xx'];

function jwtExpressions(keys: JwtKeys): string[] {
	const tokens = JWT_PARTS.flatMap((first) =>
		JWT_PARTS.flatMap((second) => [`${first}.${second}.xx`, `${first}.${second}`, `${first}.${second}.!!`]),
	);
	tokens.push('eyJhIjoxfQ', 'eyJhIjoxfQ.', 'eyJhIjoxfQ.eyJhIjoyfQ.xx.yy', '..');
	return [
		...tokens.flatMap((token) => [
			`str(${token}),jwt_header_query('$.a')`,
			`str(${token}),jwt_payload_query('$.a','int')`,
			`str(${token}),jwt_verify(HS256,k)`,
			...(token.split('.').length === 3 ? [`str(${token}),jwt_verify(none,k)`] : []),
		]),
		...keys.tokens.map(([algorithm, key, token]) => `str(${token}),jwt_verify(${algorithm},${key})`),
		...['PS256', 'XX', 'RS256', 'none', 'hs256', 'HS256'].map(
			(name) => `str(${name}),set-var(txn.w),concat(.b.xx),jwt_verify(txn.w,x)`,
		),
		'str(a.b.xx),jwt_verify(txn.nothing,x)',
		'str(a.b.xx),jwt_verify(HS256,txn.nothing)',
	];
}

// ---- FIX

function fix(
	fields: string,
	options: { readonly length?: string; readonly sum?: string; readonly begin?: string } = {},
): string {
	const body = fields === '' ? '' : `${fields.split('|').join('\x01')}\x01`;
	const head = `8=${options.begin ?? 'FIX.4.4'}\x019=${options.length ?? body.length}\x01`;
	let sum = 0;
	for (const char of head + body) sum = (sum + char.charCodeAt(0)) & 0xff;
	return `${head}${body}10=${options.sum ?? String(sum).padStart(3, '0')}\x01`;
}

const GOOD_FIX = fix('35=A|49=SENDER|56=TARGET|108=30');
const FIX_MESSAGES: readonly string[] = [
	GOOD_FIX,
	...['FIXT.1.1', 'FIX.4.0', 'FIX.4.3', 'FIX.5.0', 'FIX.9.9'].map((begin) => fix('35=D', { begin })),
	fix('35=A', { length: '3' }),
	fix('35=A', { length: '99' }),
	fix('35=A', { length: '05' }),
	fix('35=A', { sum: '000' }),
	fix('35=A', { sum: '1' }),
	fix('49=S|35=A'),
	fix('35=A|49='),
	fix('35=A|x=y'),
	fix('35=A|=y'),
	fix('35=A|49=a|49=b'),
	fix('35=A|58=a=b'),
	`${GOOD_FIX}8=x`,
	GOOD_FIX + GOOD_FIX,
	GOOD_FIX.slice(0, -1),
	GOOD_FIX.slice(0, 20),
	GOOD_FIX.slice(0, 12),
	'8=',
	'8=FIX.4.4\x019=5\x01',
	'hello',
];
const FIX_TAGS: readonly string[] = ['35', 'MsgType', '8', '49', '58', '108', '10', '99', 'CheckSum', 'TargetCompID'];

// ---- MQTT

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer => Buffer.from([0, 0, value >> 8, value & 255]);
const text16 = (text: string): Buffer => Buffer.concat([u16(text.length), Buffer.from(text)]);
type Piece = number | string | Buffer;
const bytes = (...pieces: readonly Piece[]): Buffer =>
	Buffer.concat(pieces.map((one) => (typeof one === 'number' ? Buffer.from([one]) : Buffer.from(one as string))));
/** Packets of these tests are shorter than 128 bytes. */
const packet = (first: number, ...pieces: readonly Piece[]): Buffer => {
	const body = bytes(...pieces);
	return bytes(first, body.length, body);
};
const properties = (...pieces: readonly Piece[]): Buffer => packet(0, ...pieces).subarray(1);

interface ConnectOptions {
	readonly name?: string;
	readonly id?: string;
	readonly properties?: Buffer;
	readonly rest?: Buffer;
}
const connect = (version: number, flags: number, options: ConnectOptions = {}): Buffer =>
	packet(
		0x10,
		text16(options.name ?? 'MQTT'),
		version,
		flags,
		u16(60),
		version === 5 ? (options.properties ?? properties()) : '',
		text16(options.id ?? 'client'),
		options.rest ?? '',
	);
const ack5 = (...pieces: readonly Piece[]): Buffer => packet(0x20, 0, 0, properties(...pieces));

const CONNECTS: readonly Buffer[] = [
	connect(4, 2),
	connect(3, 2, { name: 'MQIsdp' }),
	connect(3, 2),
	connect(4, 2, { name: 'MQIsdp' }),
	connect(6, 2),
	connect(5, 2),
	connect(4, 0xc2, { rest: bytes(text16('me'), text16('secret')) }),
	connect(4, 0x82, { rest: text16('me') }),
	connect(4, 0x42, { rest: text16('pw') }),
	connect(4, 0xee, { rest: bytes(text16('top/ic'), text16('bye'), text16('u'), text16('p')) }),
	connect(4, 3),
	connect(4, 0x1e, { rest: bytes(text16('t'), text16('m')) }),
	connect(4, 0x0a),
	connect(4, 2, { id: '' }),
	connect(4, 2, { rest: Buffer.from('zz') }),
	connect(5, 2, {
		properties: properties(
			bytes(17, u32(100), 33, u16(10), 39, u32(2000), 34, u16(5), 25, 1, 23, 0),
			bytes(38, text16('k'), text16('v'), 38, text16('k2'), text16('v2')),
			bytes(21, text16('auth'), 22, text16('data')),
		),
	}),
	connect(5, 0xee, {
		rest: bytes(
			properties(24, u32(7), 1, 1, 2, u32(9), 3, text16('text/plain'), 8, text16('resp'), 9, text16('corr')),
			bytes(text16('top'), text16('msg'), text16('u'), text16('p')),
		),
	}),
	connect(5, 6, { rest: bytes(properties(1, 2), text16('t'), text16('m')) }),
	connect(5, 6, { rest: bytes(properties(), text16(''), text16('')) }),
	connect(5, 2, { properties: properties(17, u32(1), 17, u32(2)) }),
	connect(5, 2, { properties: properties(99, 1) }),
	connect(5, 2, { properties: properties(18, text16('x')) }),
	connect(5, 2, { properties: properties(25, 7) }),
	connect(5, 2, { properties: properties(33, u16(0)) }),
	connect(5, 2, { properties: properties(39, u32(0)) }),
	connect(4, 2).subarray(0, -2),
	Buffer.from([0x10]),
	bytes(0x11, connect(4, 2).subarray(1)),
	Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01]),
	bytes(connect(4, 2), packet(0x30, 'x')),
	packet(0x30, text16('t'), 'm'),
	Buffer.from('GET / HTTP/1.1\r\n\r\n'),
];
const CONNACKS: readonly Buffer[] = [
	packet(0x20, 0, 0),
	packet(0x20, 1, 0),
	packet(0x20, 2, 0),
	packet(0x20, 0, 5),
	packet(0x20, 1, 5),
	packet(0x20, 0),
	packet(0x20),
	packet(0x22, 0, 0),
	packet(0x20, 0, 0x87, properties()),
	ack5(
		bytes(17, u32(5), 33, u16(6), 36, 1, 37, 1, 39, u32(8), 18, text16('assigned'), 34, u16(9), 31, text16('reason')),
		bytes(38, text16('k'), text16('v'), 40, 1, 41, 1, 42, 0, 19, u16(30)),
		bytes(26, text16('resp'), 28, text16('ref'), 21, text16('am'), 22, text16('ad')),
	),
	ack5(36, 2),
	ack5(40, 3),
	ack5(33, u16(0)),
	ack5(39, u32(0)),
	ack5(19, u16(1), 19, u16(2)),
	ack5(18, text16('')),
];
const CONNECT_FIELDS =
	'flags protocol_name protocol_version client_identifier will_topic will_payload username password keepalive 17 33 39 34 25 23 21 22 24 1 2 3 8 9'.split(
		' ',
	);
const CONNACK_FIELDS = 'flags protocol_version reason_code 17 33 36 37 39 18 34 31 40 41 42 19 26 28 21 22'.split(' ');

// ---- Protocol Buffers

function varint(value: bigint): Buffer {
	const out: number[] = [];
	let rest = BigInt.asUintN(64, value);
	do {
		out.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
		rest >>= 7n;
	} while (rest > 0n);
	return Buffer.from(out);
}
const key = (field: number, wire: number): Buffer => varint(BigInt((field << 3) | wire));
const number = (field: number, value: bigint): Buffer => bytes(key(field, 0), varint(value));
const block = (field: number, content: Piece): Buffer => {
	const inner = bytes(content);
	return bytes(key(field, 2), varint(BigInt(inner.length)), inner);
};
function fixed(field: number, wire: 1 | 5, write: (buffer: Buffer) => void): Buffer {
	const buffer = Buffer.alloc(wire === 1 ? 8 : 4);
	write(buffer);
	return bytes(key(field, wire), buffer);
}

const INNER = bytes(number(1, 9n), block(3, 'deep'));
const MESSAGE = bytes(
	number(1, 150n),
	number(2, -1n),
	number(3, 3n),
	block(4, 'testing'),
	fixed(5, 1, (buffer) => void buffer.writeBigInt64LE(7n)),
	fixed(6, 1, (buffer) => void buffer.writeDoubleLE(1.5)),
	fixed(7, 5, (buffer) => void buffer.writeInt32LE(9)),
	fixed(8, 5, (buffer) => void buffer.writeFloatLE(2.5)),
	block(9, bytes(number(1, 7n), block(2, INNER))),
	number(1, 151n),
	block(11, ''),
);
const PROTOBUF_FIELDS: readonly string[] = '1 2 3 4 5 6 7 8 9 10 11 9.1 9.2 9.2.1 9.2.3 9.3 4.1 9.2.3.1'.split(' ');
const PROTOBUF_TYPES: readonly string[] =
	',,int32,,int64,,uint32,,uint64,,sint32,,sint64,,bool,,enum,,fixed64,,sfixed64,,double,,fixed32,,sfixed32,,float'.split(
		',,',
	);
const BROKEN_MESSAGES: readonly string[] = '089601 08960110 08 0896 0a05 0a05616263 0bff 0c 00 0801ff'.split(' ');

function protobufExpressions(): string[] {
	const prefix = Buffer.from([0, 0, 0, 0, MESSAGE.length]);
	const typed = (call: string, field: string, type: string): string =>
		`${call}(${field}${type === '' ? '' : `,${type}`})`;
	return [
		...PROTOBUF_FIELDS.flatMap((field) =>
			PROTOBUF_TYPES.map((type) => `${bin(MESSAGE)},${typed('protobuf', field, type.replace(',', ''))}`),
		),
		...['1', '4', '9.2.3', '9.2.1'].flatMap((field) =>
			['', 'int32'].map((type) => `${bin(bytes(prefix, MESSAGE))},${typed('ungrpc', field, type)}`),
		),
		...BROKEN_MESSAGES.flatMap((message) =>
			['1', '2', '4'].flatMap((field) => [
				`bin(${message}),protobuf(${field})`,
				`bin(${message}),protobuf(${field},int32)`,
				`bin(00000000ff${message}),ungrpc(${field})`,
			]),
		),
		...[2147483648n, 4294967295n, -2147483648n, 9223372036854775807n, -1n].flatMap((value) =>
			PROTOBUF_TYPES.slice(0, 9).map(
				(type) => `${bin(number(1, value))},${typed('protobuf', '1', type.replace(',', ''))}`,
			),
		),
		...['', ',fixed64', ',sfixed64'].map((type) => `bin(09f9ffffffffffffff),protobuf(1${type})`),
		...['', ',fixed32', ',sfixed32'].map((type) => `bin(0df7ffffff),protobuf(1${type})`),
		'bin(01000000020801),ungrpc(1,int32)',
		'bin(0000000002080100000000020802),ungrpc(1,int32)',
		'bin(0000000002),ungrpc(1,int32)',
	];
}

// ---- Ciphers

function cipherExpressions(): string[] {
	const expressions: string[] = [];
	for (const bits of [128, 192, 256]) {
		const secret = Buffer.alloc(bits / 8, 'k');
		const nonce = Buffer.alloc(12, 'n');
		const cipher = createCipheriv(`aes-${bits}-gcm` as 'aes-128-gcm', secret, nonce);
		const encrypted = Buffer.concat([cipher.update('the quick brown fox'), cipher.final()]);
		const tag = cipher.getAuthTag().toString('base64');
		const [n, k] = [nonce.toString('base64'), secret.toString('base64')];
		const wrong = Buffer.alloc(16).toString('base64');
		expressions.push(
			`${bin(encrypted)},aes_gcm_dec(${bits},${n},${k},${tag})`,
			`${bin(encrypted)},aes_gcm_dec(${bits},${n},${k},${wrong})`,
			`str(x),aes_gcm_dec(${bits},${n},${k},${tag})`,
			`str(${tag}),set-var(txn.tag),b64dec,set-var(txn.x),bytes(0,0),concat(${encrypted.toString('base64')}),b64dec,aes_gcm_dec(${bits},${n},${k},txn.tag)`,
		);
	}
	return expressions;
}

/** Expressions with a sentence on why the two differ. */
export const DIFFERENT: readonly (readonly [expression: string, reason: string])[] = [
	[`${bin('{"a":0x10}')},json_query('$.a','int')`, 'there are no hexadecimal numbers in JSON'],
	['str(e30.e30),jwt_verify(none,k)', 'a token has three parts, also one that is not signed'],
	[`${bin('{"a":"x\\/y"}')},json_query('$.a')`, 'an escaped slash is a slash, not the end of the search'],
	['str(eyJhIjoxfQ.e30.xx),jwt_header_query', 'without a path the decoded part, as the manual says; 2.6.12 gives none'],
	['bin(1080),mqtt_is_valid', 'the rest of the length may be in the next segment'],
	['bin(0d000050c0),protobuf(1,float)', 'a negative float becomes a negative integer'],
	['bin(09000000000000f07f),protobuf(1,double)', 'infinity is no integer'],
];

export function messageExpressions(keys: JwtKeys): readonly string[] {
	return [
		...JSON_TEXTS.flatMap((text) => JSON_PATHS.map((path) => `${bin(text)},json_query(${path})`)),
		...jwtExpressions(keys),
		...FIX_MESSAGES.flatMap((message) => [
			`${bin(message)},fix_is_valid`,
			...FIX_TAGS.map((tag) => `${bin(message)},fix_tag_value(${tag})`),
		]),
		...CONNECTS.flatMap((one) => [
			`${bin(one)},mqtt_is_valid`,
			...CONNECT_FIELDS.map((field) => `${bin(one)},mqtt_field_value(connect,${field})`),
		]),
		...CONNACKS.flatMap((one) => [
			`${bin(one)},mqtt_is_valid`,
			...CONNACK_FIELDS.map((field) => `${bin(one)},mqtt_field_value(2,${field})`),
		]),
		...protobufExpressions(),
		...cipherExpressions(),
	];
}
