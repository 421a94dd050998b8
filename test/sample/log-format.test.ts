/** Log formats: the manual's own formats, quoting and escaping, spaces, captures, and what is refused. */
import t from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import { LOG_ALIASES } from '../../lib/sample/log-aliases.js';
import {
	compileLogFormat,
	HTTP_CLF_LOG_FORMAT,
	HTTP_LOG_FORMAT,
	type LogFormatOptions,
	parseLogFormat,
	TCP_LOG_FORMAT,
} from '../../lib/sample/log-format.js';
import {
	alertsOf,
	type FakeContextOptions,
	type FakeStreamOptions,
	fakeContext,
	fakeProxy,
	fakeServer,
	fakeStream,
} from '../fixtures/stream-view.js';

process.env.TZ = 'UTC';

function line(
	text: string,
	stream: FakeStreamOptions = {},
	context: FakeContextOptions = { site: 'log-format' },
	options: LogFormatOptions = {},
): string {
	const at = fakeContext(context);
	const format = compileLogFormat(text, at, options);
	if (format === undefined) throw new Error(alertsOf(at).join('\n'));
	return format.render(fakeStream(stream));
}

const CAPTURES = {
	requestCaptures: [
		{ name: 'a', length: 9 },
		{ name: 'b', length: 9 },
	],
	responseCaptures: [{ name: 'c', length: 9 }],
};

t.test('option httplog, to the letter', async (t) => {
	const server = fakeServer({ name: 's1' });
	const stream: FakeStreamOptions = {
		backend: fakeProxy({ name: 'be' }),
		server,
		status: 404,
		log: {
			terminationState: '--VN',
			cookieCapture: 'c=1',
			redispatched: true,
			retries: 2,
			serverQueue: 1,
			backendQueue: 3,
		},
		stream: { requestCaptures: ['x|y', undefined], responseCaptures: ['z'] },
	};
	t.equal(
		line(HTTP_LOG_FORMAT, stream, { site: 'log-format', proxy: CAPTURES as never }),
		'192.0.2.1:1234 [04/Mar/2026:05:06:07.089] fe be/s1 2/3/4/5/19 404 321 c=1 - --VN 1/1/0/0/+2 1/3 {x#7Cy|} {z} "GET /path?a=1 HTTP/1.1"',
	);
	t.equal(
		line(HTTP_LOG_FORMAT, stream),
		'192.0.2.1:1234 [04/Mar/2026:05:06:07.089] fe be/s1 2/3/4/5/19 404 321 c=1 - --VN 1/1/0/0/+2 1/3 "GET /path?a=1 HTTP/1.1"',
		'without captures nothing stands between the spaces',
	);
});

t.test('the other formats of the manual', async (t) => {
	t.equal(line(TCP_LOG_FORMAT), '192.0.2.1:1234 [04/Mar/2026:05:06:07.089] fe fe/<NOSRV> 3/4/20 321 -- 1/1/0/0/0 0/0');
	t.equal(
		line(HTTP_CLF_LOG_FORMAT),
		'192.0.2.1 - - [04/Mar/2026:05:06:07 +0000] "GET /path?a=1 HTTP/1.1" 200 321 "" "" 1234 089 "fe" "fe" "<NOSRV>" 2 3 4 5 19 ---- 1 1 0 0 0 0 0 "" "" ',
	);
});

t.test('option logasap marks what still counts', async (t) => {
	const asap = { site: 'log-format', proxy: { options: { logasap: true } } as never } as const;
	t.equal(line('%Ta %B %Tt', {}, asap), '+19 +321 +20');
});

t.test('every variable renders in a log and in a rule', async (t) => {
	for (const name of LOG_ALIASES.keys()) {
		t.type(line(`%${name}`), 'string', name);
		t.type(line(`%{+Q,+X,+E}${name}`, {}, { site: 'http-request' }), 'string', name);
	}
});

t.test('a request that could not be read', async (t) => {
	const bad = { stream: { request: undefined } };
	t.equal(line('%r|%HM|%HU', bad), '<BADREQ>|<BADREQ>|<BADREQ>');
	t.equal(line('%{+Q}r', { log: { requestLine: 'GET /\x01"\xe9#' } }), '"GET /#01#22#E9#23"');
	t.equal(line('%r', { log: { requestLine: 'GET /before HTTP/1.0' }, target: '/after' }), 'GET /before HTTP/1.0');
});

t.test('flags', async (t) => {
	t.equal(line('%{+X}o %ci %cp %Ts %pid', {}).split(' ').slice(0, 3).join(' '), 'C0000201 04D2 69A7BDBF');
	t.equal(line('%{+X}ci', { session: { source: IpAddress.parse('2001:db8::1') } }), '20010DB8000000000000000000000001');
	t.equal(line('%{+Q}o %f %{-Q}f %ST %[src]'), '"fe" fe 200 "192.0.2.1"');
	t.equal(line('%{+E}[req.hdr(a)]', { headers: { a: 'a"b\\c]d' } }, { site: 'http-request' }), 'a\\"b\\\\c\\]d');
});

t.test('empty values', async (t) => {
	t.equal(line('a %ID b %{+Q}ID %bi %si'), 'a - b "" - -');
	t.equal(line('a%[str()]b', {}, { site: 'http-request' }), 'ab');
	t.equal(line('%ID', {}, { site: 'http-request' }), '');
});

t.test('spaces are merged in logs and unique ids only', async (t) => {
	t.equal(line('  a   b %hs  c '), 'a b c ');
	t.equal(line('  a   %hr b', {}, { site: 'http-request' }), '  a    b');
	t.equal(line('a  b', {}, { site: 'unique-id-format' }), 'a b');
	t.equal(line('a  b', {}, { site: 'http-request' }, { mergeSpaces: true }), 'a b');
});

t.test('what a client sends cannot begin a new line in a log', async (t) => {
	const headers = { a: 'x%0aforged%0D%00%09', b: 'ok' };
	t.equal(line('%[capture.req.hdr(0)]', { stream: { requestCaptures: ['a\nb\x7f'] } }), 'a#0Ab#7F');
	t.equal(line('%[req.hdr(a),url_dec]', { headers }, { site: 'http-request' }), 'x%0Aforged%0D%00\t');
	t.equal(
		line('%hr', { stream: { requestCaptures: ['\n{}|#"'] } }, { site: 'log-format', proxy: CAPTURES as never }),
		'{#0A#7B#7D#7C#23#22|}',
	);
});

t.test('brackets inside arguments do not end an expression', async (t) => {
	t.equal(line("%[path,regsub('[a-z]+','X',g)]|%[str(a)]]", {}, { site: 'http-request' }), '/X|a]');
	t.equal(line('100%%'), '100%');
});

t.test('unix sockets and TLS', async (t) => {
	const session = {
		source: undefined,
		destination: undefined,
		listenerId: 4,
		isTls: true,
		tlsVersion: 'TLSv1.3',
		tlsCipher: 'X',
	};
	t.equal(line('%ci:%cp %fi:%fp %ft %sslv %sslc', { session }), 'unix:4 unix:4 fe~ TLSv1.3 X');
});

t.test('what is refused', async (t) => {
	const error = (text: string, site: 'http-request' | 'log-format' = 'http-request'): string => {
		const parsed = parseLogFormat(text, fakeContext({ site }));
		return 'error' in parsed ? parsed.error : 'accepted';
	};
	t.match(error('%z'), /no such format variable 'z'.*'%%'/);
	t.match(error('%tsx'), /no such format variable 'tsx'; did you mean/);
	t.match(error('50% off'), /'%%'/);
	t.match(error('%[src'), /missing '\]' after 'src'/);
	t.match(error('%[nope]'), /failed to parse sample expression <nope> : unknown fetch method/);
	t.match(error('%{+Z}f'), /'\+Z' is not a flag/);
	t.match(error('%{+cbor}o %(a)f'), /'\+cbor' is not supported by holdfast/);
	t.match(error('%f %{+json}o %(a)f'), /must stand before all items/);
	t.match(error('%(a:int)f'), /'int' is no type of an item \(str, sint, bool\)/);
	t.match(error('%(a f'), /missing '\)'/);
	t.match(error('%{+Qf'), /missing '\}'/);
	t.match(error('%[path]', 'log-format'), /extracts information from 'HTTP request headers'/);
	const context = fakeContext({ site: 'log-format', proxy: { mode: 'tcp' } });
	compileLogFormat('%HM', context);
	t.match(context.diagnostics.list[0]?.text, /format variable 'HM' is reserved for HTTP mode/);
});

t.test('a text without variables is known before traffic', async (t) => {
	t.equal(compileLogFormat('plain 100%%', fakeContext())?.constant, 'plain 100%');
	t.equal(compileLogFormat('', fakeContext())?.constant, '');
	t.equal(compileLogFormat('%ci', fakeContext())?.constant, undefined);
});
