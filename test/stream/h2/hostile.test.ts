import t, { type Test } from 'tap';
import { CASES } from '../../fixtures/h2-cases.js';
import {
	block,
	data,
	ErrorCode,
	Flag,
	type FrameClient,
	frame,
	frameClient,
	headers,
	request,
	rst,
	Type,
	uint32,
} from '../../fixtures/h2-frames.js';
import { conversation, HELLO, randomOf } from '../../fixtures/h2-random.js';
import { skipUnlessHaproxy, startHaproxy } from '../../fixtures/interop.js';
import { freePorts } from '../../fixtures/ports.js';
import { type Harness, startHarness } from '../../fixtures/proxy-harness.js';
import { OK, rawClient, startOrigin } from '../../fixtures/raw-http.js';
import { waitFor } from '../../fixtures/wait-for.js';

const PROXY = (bind: string): string => `
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 2s
frontend fe
	bind ${bind}
	timeout tarpit 20s
	http-request tarpit if { path /late }
	http-request return status 200 content-type text/plain string hi
`;

async function start(t: Test, text = PROXY('127.0.0.1:0')): Promise<{ harness: Harness; port: number }> {
	const harness = await startHarness(text);
	t.teardown(async () => {
		await harness.close();
		if (harness.errors.length > 0) throw new Error('something failed inside the proxy', { cause: harness.errors[0] });
	});
	return { harness, port: harness.port('fe') };
}

async function outcomeOf(one: (typeof CASES)[number], port: number): Promise<string> {
	const client = await frameClient(port);
	client.send(...one.frames);
	const stream = one.stream ?? 1;
	const outcome = await waitFor(`${one.clause} ${one.name}`, () =>
		one.despiteAnswer === true ? client.errorOf(stream) : client.outcome(stream),
	);
	client.close();
	return outcome;
}

t.test('what RFC 9113 forbids is refused', async (t) => {
	const { port } = await start(t);
	for (const one of CASES) {
		const outcome = await outcomeOf(one, port);
		t.match(outcome, one.outcome, `${one.clause} ${one.name}: ${outcome}`);
	}
	// And it serves on.
	const client = await frameClient(port);
	client.send(headers(1, request()));
	t.equal(await client.whenOver(1), '200');
	client.close();
});

t.test('the reference answers the same frames so', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const [port = 0] = await freePorts(1);
	const haproxy = await startHaproxy(() => PROXY(`127.0.0.1:${port}`));
	t.teardown(() => haproxy.stop());
	await waitFor('haproxy', async () => {
		try {
			(await rawClient(port)).close();
			return true;
		} catch {
			return false;
		}
	});
	for (const one of CASES.filter(({ unnoticed }) => unnoticed !== true)) {
		const outcome = await outcomeOf(one, port);
		t.match(outcome, one.reference ?? one.outcome, `${one.clause} ${one.name}: ${outcome}`);
	}
});

const CALM = new RegExp(`^(?:goaway ${ErrorCode.ENHANCE_YOUR_CALM}|closed)$`);

async function toldToCalmDown(t: Test, client: FrameClient): Promise<void> {
	const outcome = await waitFor('the end of the connection', () => {
		const goaway = client.frames.find((one) => one.type === Type.GOAWAY && one.payload.readUInt32BE(4) !== 0);
		return goaway === undefined ? client.closed && 'closed' : `goaway ${goaway.payload.readUInt32BE(4)}`;
	});
	t.match(outcome, CALM);
	client.close();
}

t.test('rapid resets (CVE-2023-44487) end the connection, and few of them reach a server', async (t) => {
	let requestCount = 0;
	const origin = await startOrigin(() => {
		requestCount++;
	});
	t.teardown(() => origin.close());
	const { harness, port } = await start(
		t,
		`
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 2s
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port}
`,
	);
	const client = await frameClient(port);
	const head = block(request());
	const pairs: Buffer[] = [];
	for (let stream = 1; stream < 40_000; stream += 2) {
		pairs.push(frame(Type.HEADERS, Flag.END_STREAM | Flag.END_HEADERS, stream, head), rst(stream));
	}
	client.send(Buffer.concat(pairs));
	await toldToCalmDown(t, client);
	t.ok(requestCount < 1500, `${requestCount} of 20000 requests came to the server`);
	await waitFor('the streams', () => harness.counters('frontend', 'fe').current === 0);
});

t.test('resets in small doses are a browser that leaves pages', async (t) => {
	const { port } = await start(t);
	const client = await frameClient(port);
	for (let i = 0; i < 100; i++) client.send(headers(2 * i + 1, request('/late')), rst(2 * i + 1));
	client.send(headers(201, request()));
	t.equal(await client.whenOver(201), '200');
	client.close();
});

t.test('CONTINUATION without end', async (t) => {
	const { port } = await start(t);
	const client = await frameClient(port);
	client.send(headers(1, request(), Flag.END_STREAM));
	for (let i = 0; i < 2000 && !client.closed; i++)
		client.send(frame(Type.CONTINUATION, 0, 1, block([['a', 'x'.repeat(500)]])));
	await waitFor('the end', () => client.closed || client.find(Type.GOAWAY) !== undefined);
	t.notMatch(client.outcome(1), /^200$/);
	client.close();
});

t.test('floods of PING and of SETTINGS', async (t) => {
	const { port } = await start(t);
	for (const one of [
		frame(Type.PING, 0, 0, uint32(1, 2)),
		frame(Type.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0])),
	]) {
		const client = await frameClient(port);
		client.send(Buffer.concat(Array.from({ length: 20_000 }, () => one)));
		await toldToCalmDown(t, client);
	}
});

t.test('malformed requests without end', async (t) => {
	const { port } = await start(t);
	const client = await frameClient(port);
	const bad = block(request('/', 'GET', [['connection', 'close']]));
	client.send(Buffer.concat(Array.from({ length: 5000 }, (_, i) => frame(Type.HEADERS, 5, 2 * i + 1, bad))));
	await toldToCalmDown(t, client);
});

t.test('a client that opens no window costs a bounded buffer, and time', async (t) => {
	const origin = await startOrigin(({ socket }) => {
		socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${1 << 28}\r\n\r\n`);
		const piece = Buffer.alloc(1 << 16);
		const pump = (): void => {
			while (!socket.destroyed) {
				given += piece.length;
				if (socket.write(piece)) continue;
				socket.once('drain', pump);
				return;
			}
		};
		pump();
	});
	let given = 0;
	t.teardown(() => origin.close());
	const { harness, port } = await start(
		t,
		`
defaults
	mode http
	log stdout format raw local0
	option httplog
	timeout client 700ms
	timeout server 20s
	timeout connect 2s
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port}
`,
	);
	const noWindow = Buffer.from([0, 4, 0, 0, 0, 0]);
	const client = await frameClient(port, noWindow);
	client.send(headers(1, request()), headers(3, request()));
	const stream = await harness.ended(2);
	t.equal(stream.log.terminationState, 'cD--', 'the time of the client has run out');
	t.ok(given < 64 << 20, `the server could give ${given} bytes`);
	await waitFor('the resets', () => client.find(Type.RST_STREAM, 1) && client.find(Type.RST_STREAM, 3));
	client.close();
});

t.test('random conversations: nothing fails inside, nothing stays, others are served', async (t) => {
	const seed = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 2 ** 31));
	t.comment(`HOLDFAST_SEED=${seed}`);
	const origin = await startOrigin(({ socket, path }) => {
		if (path !== '/late') socket.write(OK('ok'));
	});
	t.teardown(() => origin.close());
	const { harness, port } = await start(
		t,
		`
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 2s
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port}
`,
	);
	const clients: FrameClient[] = [];
	for (let round = 0; round < 150; round++) {
		const random = randomOf(seed + round);
		const client = await frameClient(port);
		clients.push(client);
		// The preface has been said.
		const bytes = conversation(random).subarray(HELLO.length);
		const cut = random(bytes.length + 1);
		client.send(bytes.subarray(0, cut));
		await new Promise((resolve) => setImmediate(resolve));
		if (random(4) === 0) client.close();
		else client.send(bytes.subarray(cut));
	}
	const last = await frameClient(port);
	last.send(headers(1, request()));
	t.equal(await last.whenOver(1), '200');
	for (const client of [...clients, last]) client.close();
	await waitFor('the connections', () => harness.counters('frontend', 'fe').current === 0);
	await waitFor('their servers', () => harness.backends.get('fe')?.backend.servers[0]?.currentSessions() === 0);
});

t.test('reject says so to all streams, silent-drop says nothing', async (t) => {
	const { harness, port } = await start(
		t,
		`${PROXY('127.0.0.1:0')}
	http-request reject if { path /reject }
	http-request silent-drop if { path /drop }
`.replace(/(\thttp-request return[^\n]*\n)([\s\S]*)$/, '$2$1'),
	);
	for (const [path, outcome] of [
		['/reject', `goaway ${ErrorCode.ENHANCE_YOUR_CALM}`],
		['/drop', 'closed'],
	] as const) {
		const client = await frameClient(port);
		client.send(headers(1, request('/late')), headers(3, request(path)));
		await waitFor('the end', () => client.closed);
		t.equal(client.errorOf(1), outcome, path);
		client.close();
	}
	await harness.ended(4);
	await waitFor('the sessions', () => harness.counters('frontend', 'fe').current === 0);
});

t.test('tune.h2.fe.rxbuf: what all streams together may send unread', async (t) => {
	const { port } = await start(t, `global\n\ttune.h2.fe.rxbuf 100k\n${PROXY('127.0.0.1:0')}`);
	const client = await frameClient(port);
	client.send(headers(1, request('/late', 'POST'), Flag.END_HEADERS), data(1, 'x'));
	await client.when('its window', () => client.find(Type.WINDOW_UPDATE, 0) !== undefined);
	t.equal(client.find(Type.WINDOW_UPDATE, 0)?.payload.readUInt32BE(0), 100 * 1024 - 65_535);
	client.close();
});
