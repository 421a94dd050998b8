/**
 * The machine of HTTP/2 as bytes: both roles against each other, then what each clause asks of the server's role. What
 * a whole proxy makes of hostile frames is in test/stream/h2/hostile.test.ts.
 */
import t from 'tap';
import { FloodGuard } from '../../../lib/http/h2/flood-guard.js';
import { ErrorCode } from '../../../lib/http/h2/frames.js';
import { CASES } from '../../fixtures/h2-cases.js';
import { block, data, Flag, frame, headers, PREFACE, request, rst, Type, uint32 } from '../../fixtures/h2-frames.js';
import { exchange, Recorder } from '../../fixtures/h2-pair.js';

const HELLO = Buffer.concat([Buffer.from(PREFACE, 'latin1'), frame(Type.SETTINGS, 0, 0)]);
const GET = [
	[':method', 'GET'],
	[':scheme', 'http'],
	[':authority', 'x'],
	[':path', '/'],
] as const;

/** Frames that a connection has put out, as `type flags stream payload`. */
function framesOf(bytes: Buffer): string[] {
	const names = Object.entries(Type);
	const found: string[] = [];
	for (let at = 0; at < bytes.length; ) {
		const length = bytes.readUIntBE(at, 3);
		const type = names.find(([, number]) => number === bytes[at + 3])?.[0] ?? String(bytes[at + 3]);
		const payload = bytes.subarray(at + 9, at + 9 + length);
		const text = length > 16 ? `(${length})` : payload.toString('hex');
		found.push(`${type} ${bytes[at + 4]} ${bytes.readUInt32BE(at + 5)} ${text}`.trim());
		at += 9 + length;
	}
	return found;
}

function greeted(options = {}): Recorder {
	const server = new Recorder('server', options);
	server.receive(HELLO);
	server.take();
	server.seen();
	return server;
}

function pair(serverOptions = {}, clientOptions = {}): { client: Recorder; server: Recorder } {
	const client = new Recorder('client', clientOptions);
	const server = new Recorder('server', serverOptions);
	exchange(client, server);
	client.seen();
	server.seen();
	return { client, server };
}

t.test('a request and its answer', async (t) => {
	const { client, server } = pair();
	const stream = client.codec.openStream('a');
	if (stream === undefined) throw new Error('no stream');
	client.head(stream, GET, true);
	exchange(client, server);
	t.same(server.seen(), ['head 1 :method=GET :scheme=http :authority=x :path=/ end']);
	const asked = server.streams.get(1);
	if (asked === undefined) throw new Error('no request');
	server.head(
		asked,
		[
			[':status', '103'],
			['link', 'a'],
		],
		false,
		true,
	);
	server.head(asked, [[':status', '200']], false);
	server.codec.sendText(asked, 'hello ');
	server.codec.sendData(asked, Buffer.from('xworldx'), 1, 6);
	server.codec.endStream(asked, ['x-sum', '7']);
	t.same(server.seen(), ['closed 1']);
	exchange(client, server);
	t.same(client.seen(), ['head 1 :status=103 link=a', 'head 1 :status=200', 'trailers 1 x-sum=7', 'end 1', 'closed 1']);
	t.equal(client.bodyOf(1), 'hello world');
	t.equal(client.codec.streams.size + server.codec.streams.size, 0);
});

t.test('END_STREAM is set in the last frame while that is not sent, or has a frame of its own', async (t) => {
	const server = greeted();
	server.receive(Buffer.concat([headers(1, request()), headers(3, request()), headers(5, request())]));
	const [one, three, five] = [1, 3, 5].map((id) => server.streams.get(id));
	if (one === undefined || three === undefined || five === undefined) throw new Error('no request');
	server.head(one, [[':status', '200']], false);
	server.codec.endStream(one);
	server.head(three, [[':status', '200']], false);
	server.codec.sendText(three, 'ab');
	server.codec.endStream(three);
	server.head(five, [[':status', '200']], false);
	t.same(framesOf(server.take()), ['HEADERS 5 1 88', 'HEADERS 4 3 88', 'DATA 1 3 6162', 'HEADERS 4 5 88']);
	server.codec.endStream(five);
	t.same(framesOf(server.take()), ['DATA 1 5']);
});

t.test('windows: what does not fit waits, in turn, and goes on as they open', async (t) => {
	const { client, server } = pair({}, { settings: { enablePush: false, initialWindowSize: 1000 } });
	client.consumes = false;
	const streams = [1, 2, 3].map((i) => client.codec.openStream(String(i)));
	for (const stream of streams) if (stream !== undefined) client.head(stream, GET, true);
	exchange(client, server);
	for (const stream of server.streams.values()) {
		server.head(stream, [[':status', '200']], false);
		server.codec.sendData(stream, Buffer.alloc(5000, stream.id + 96), 0, 5000);
		server.codec.endStream(stream);
		t.equal(stream.queuedBytes, 4000);
	}
	exchange(client, server);
	client.seen();
	for (const id of [1, 3, 5]) t.equal(client.bodyOf(id).length, 1000);
	for (let i = 0; i < 10; i++) {
		for (const stream of streams) if (stream !== undefined && !stream.isClosed) client.codec.consumed(stream, 1000);
		exchange(client, server);
	}
	for (const id of [1, 3, 5]) t.equal(client.bodyOf(id), String.fromCharCode(id + 96).repeat(5000));
	t.same(client.seen().sort(), ['closed 1', 'closed 3', 'closed 5', 'end 1', 'end 3', 'end 5']);
	t.equal(server.codec.streams.size, 0);
});

t.test('the window of the connection holds for all streams together', async (t) => {
	const server = greeted();
	server.receive(
		Buffer.concat([
			frame(Type.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0x10, 0, 0])),
			...[1, 3].map((id) => headers(id, request())),
		]),
	);
	for (const stream of server.streams.values()) {
		server.head(stream, [[':status', '200']], false);
		server.codec.sendData(stream, Buffer.alloc(60_000), 0, 60_000);
	}
	let sent = 0;
	for (const one of framesOf(server.take()))
		if (one.startsWith('DATA')) sent += Number(/\((\d+)\)/.exec(one)?.[1] ?? 0);
	t.equal(sent, 65_535);
	server.receive(frame(Type.WINDOW_UPDATE, 0, 0, uint32(100_000)));
	for (const stream of server.streams.values()) t.equal(stream.queuedBytes, 0);
});

t.test('a smaller initial window takes back what was given (6.9.2)', async (t) => {
	const server = greeted();
	server.receive(headers(1, request()));
	const stream = server.streams.get(1);
	if (stream === undefined) throw new Error('no request');
	server.head(stream, [[':status', '200']], false);
	server.codec.sendData(stream, Buffer.alloc(10), 0, 10);
	server.receive(frame(Type.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 3])));
	t.equal(stream.sendWindow, -7);
	server.codec.sendData(stream, Buffer.alloc(5), 0, 5);
	server.take();
	server.receive(frame(Type.WINDOW_UPDATE, 0, 1, uint32(7)));
	t.equal(stream.queuedBytes, 5, 'still none');
	server.receive(frame(Type.WINDOW_UPDATE, 0, 1, uint32(1)));
	t.same(framesOf(server.take()), ['DATA 0 1 00']);
});

t.test('who is not read from may not go on sending', async (t) => {
	const { client, server } = pair();
	server.consumes = false;
	const stream = client.codec.openStream('a');
	if (stream === undefined) throw new Error('no stream');
	client.head(stream, [[':method', 'POST'], ...GET.slice(1)], false);
	client.codec.sendData(stream, Buffer.alloc(200_000), 0, 200_000);
	exchange(client, server);
	t.equal(server.bodyOf(1).length, 65_535);
	const asked = server.streams.get(1);
	if (asked === undefined) throw new Error('no request');
	server.codec.consumed(asked, 32_000);
	t.same(server.take().length, 0, 'less than half a window is not told');
	server.codec.consumed(asked, 1000);
	t.same(framesOf(server.take()), ['WINDOW_UPDATE 0 1 000080e8']);
	server.receive(frame(Type.DATA, 0, 1, Buffer.alloc(16_384)));
	server.receive(frame(Type.DATA, 0, 1, Buffer.alloc(16_384)));
	t.same(server.seen().slice(1), []);
	server.receive(frame(Type.DATA, 0, 1, Buffer.alloc(16_384)));
	t.same(server.seen(), ['broke 1 3'], 'FLOW_CONTROL_ERROR');
});

t.test('padding is taken off and counts in the windows', async (t) => {
	const server = greeted();
	server.receive(headers(1, request('/', 'POST'), Flag.END_HEADERS));
	const padded = Buffer.concat([Buffer.from([3]), Buffer.from('ab'), Buffer.alloc(3)]);
	server.receive(frame(Type.DATA, Flag.PADDED, 1, padded));
	server.receive(frame(Type.DATA, Flag.PADDED | Flag.END_STREAM, 1, Buffer.from([0])));
	t.equal(server.bodyOf(1), 'ab');
	t.same(server.seen().slice(1), ['end 1']);
	const head = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 9]), block(request()), Buffer.alloc(2)]);
	server.receive(frame(Type.HEADERS, 0x2d, 3, head));
	t.equal(server.seen().length, 1);
});

t.test('what still comes on a stream that was reset is ignored, its fields decoded', async (t) => {
	const server = greeted();
	server.receive(headers(1, request('/', 'POST'), Flag.END_HEADERS));
	const stream = server.streams.get(1);
	if (stream === undefined) throw new Error('no request');
	server.codec.reset(stream, ErrorCode.CANCEL);
	server.seen();
	// A field for the table of the decoder, and later the field out of the table.
	const indexed = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('a'), Buffer.from([1]), Buffer.from('b')]);
	server.receive(
		Buffer.concat([
			data(1, 'x'.repeat(100)),
			frame(Type.WINDOW_UPDATE, 0, 1, uint32(5)),
			frame(Type.HEADERS, 5, 1, indexed),
		]),
	);
	server.receive(frame(Type.HEADERS, 5, 3, Buffer.concat([block(request()), Buffer.from([0xbe])])));
	t.same(server.seen(), ['head 3 :method=GET :scheme=http :authority=x :path=/ a=b end']);
	t.equal(server.codec.glitches, 0);
});

t.test('leaving in two steps', async (t) => {
	const { client, server } = pair();
	server.codec.announceLeave();
	server.codec.ping();
	const crossing = client.codec.openStream('crosses');
	if (crossing === undefined) throw new Error('no stream');
	client.head(crossing, GET, true);
	exchange(client, server);
	t.same(client.seen(), ['goaway 2147483647 0']);
	t.match(server.seen(), [/^head 1/, 'pong']);
	t.equal(client.codec.openStream('b'), undefined);
	server.codec.leave();
	exchange(client, server);
	t.same(client.seen(), ['goaway 1 0']);
	server.receive(headers(3, request()));
	t.same(server.seen(), [], 'above the last: nobody looks at it');
});

t.test('streams at once: no more than the peer allows, in both roles', async (t) => {
	const { client, server } = pair({ settings: { maxConcurrentStreams: 2 } });
	const streams = [0, 1, 2].map((i) => client.codec.openStream(String(i)));
	t.same(
		streams.map((one) => one?.id),
		[1, 3, undefined],
	);
	for (const stream of streams) if (stream !== undefined) client.head(stream, GET, true);
	exchange(client, server);
	server.receive(headers(5, request()));
	t.same(framesOf(server.take()), ['RST_STREAM 0 5 00000007']);
	const first = server.streams.get(1);
	if (first === undefined) throw new Error('no request');
	server.codec.reset(first, ErrorCode.CANCEL);
	exchange(client, server);
	t.match(client.seen(), ['reset 1 8']);
	t.equal(client.codec.mayOpen, true);
});

t.test('a server that pushes, or opens streams, breaks the rules of the client', async (t) => {
	for (const bad of [frame(Type.PUSH_PROMISE, 4, 1, uint32(2)), headers(2, [[':status', '200']]), data(1, 'x')]) {
		const { client } = pair();
		const stream = client.codec.openStream('a');
		if (stream === undefined) throw new Error('no stream');
		client.head(stream, GET, true);
		client.receive(bad);
		t.match(client.seen()[0], /^(?:failed|broke 1) 1$/);
	}
});

t.test("the connection's window grows with the first payload, not before", async (t) => {
	const server = new Recorder('server', { connectionWindowBytes: 655_350 });
	server.receive(HELLO);
	t.match(
		framesOf(server.take()),
		[/^SETTINGS 0 0/, 'SETTINGS 1 0'],
		'nothing stands between settings and acknowledgement',
	);
	server.receive(headers(1, request('/', 'POST'), Flag.END_HEADERS));
	t.same(framesOf(server.take()), []);
	server.receive(data(1, 'x'));
	t.same(framesOf(server.take()), [`WINDOW_UPDATE 0 0 ${uint32(655_350 - 65_535).toString('hex')}`]);
	server.receive(data(1, 'y'));
	t.same(framesOf(server.take()), [], 'once');
});

t.test('settings are acknowledged in order and hold at once', async (t) => {
	const server = greeted();
	const twice = Buffer.from([0, 4, 0, 0, 0, 100, 0, 4, 0, 0, 0, 1]);
	server.receive(Buffer.concat([frame(Type.SETTINGS, 0, 0, twice), headers(1, request())]));
	t.match(framesOf(server.take()), ['SETTINGS 1 0']);
	const stream = server.streams.get(1);
	t.equal(stream?.sendWindow, 1);
	server.receive(Buffer.concat([frame(Type.PING, 0, 0, uint32(1, 2)), frame(Type.PING, 1, 0, uint32(1, 2))]));
	t.same(framesOf(server.take()), ['PING 1 0 0000000100000002']);
});

t.test('lists that are too large are told, and the connection goes on', async (t) => {
	const server = greeted({ limits: { headSizeMax: 8192, headerCountMax: 100 } });
	server.receive(headers(1, request('/', 'GET', [['a', 'x'.repeat(8192)]])));
	server.receive(headers(3, request()));
	t.match(server.seen(), [/^head 1 .* too large end$/, /^head 3 .*=\/ end$/]);
});

t.test('a block without end is cut short, whatever its pieces are', async (t) => {
	for (const [size, count] of [
		[0, 70],
		[1, 70],
		[4000, 20],
	] as const) {
		const server = greeted();
		server.receive(headers(1, request(), Flag.END_STREAM));
		for (let i = 0; i < count; i++) server.receive(frame(Type.CONTINUATION, 0, 1, Buffer.alloc(size)));
		t.same(server.seen(), [`failed ${ErrorCode.ENHANCE_YOUR_CALM}`], `${count} of ${size} bytes`);
	}
});

t.test('floods that cost the peer nothing', async (t) => {
	const floods: readonly (readonly [string, (i: number) => Buffer])[] = [
		['PING', () => frame(Type.PING, 0, 0, uint32(1, 2))],
		['SETTINGS', () => frame(Type.SETTINGS, 0, 0)],
		['resets', (i) => Buffer.concat([headers(2 * i + 3, request()), rst(2 * i + 3)])],
		['empty DATA', () => data(1, '')],
		['PRIORITY', () => frame(Type.PRIORITY, 0, 99, Buffer.from([0, 0, 0, 1, 1]))],
		['unknown frames', () => frame(77, 0, 0, 'x')],
		['acknowledgements', () => frame(Type.SETTINGS, Flag.ACK, 0)],
		['streams beyond the limit', (i) => headers(2 * i + 3, request('/', 'POST'), Flag.END_HEADERS)],
	];
	for (const [name, one] of floods) {
		const server = greeted({ guard: new FloodGuard() });
		server.receive(frame(Type.SETTINGS, Flag.ACK, 0));
		server.receive(headers(1, request('/', 'POST'), Flag.END_HEADERS));
		let count = 0;
		while (!server.codec.isOver && count < 5000) server.receive(one(count++));
		t.match(server.seen().at(-1), `failed ${ErrorCode.ENHANCE_YOUR_CALM}`, `${name}: ${count}`);
		t.ok(server.take().length < 200_000);
	}
});

t.test('each case of the RFC, whole and byte by byte, comes to the same', async (t) => {
	for (const one of CASES) {
		const bytes = Buffer.concat([HELLO, ...one.frames]);
		const whole = new Recorder('server');
		whole.receive(bytes);
		const split = new Recorder('server');
		for (let i = 0; i < bytes.length; i++) split.receive(bytes.subarray(i, i + 1));
		t.same(split.seen(), whole.seen(), `${one.clause} ${one.name}`);
		t.same(framesOf(split.take()).filter(notWindow), framesOf(whole.take()).filter(notWindow));
		t.equal(split.codec.glitches, whole.codec.glitches);
	}
});

/** How often windows are refilled depends on the pieces. */
const notWindow = (text: string): boolean => !text.startsWith('WINDOW_UPDATE');
