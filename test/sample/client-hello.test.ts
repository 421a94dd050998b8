/** TLS hellos in bytes: whole, byte by byte, in pieces of records, and broken at random. */

import { createServer } from 'node:net';
import { connect } from 'node:tls';
import t from 'tap';
import { alpnOf, namesCurves, readHello, serverNameOf, ticketState } from '../../lib/sample/client-hello.js';
import { compileExpression } from '../../lib/sample/expression.js';
import { fakeContext, fakeStream } from '../fixtures/stream-view.js';

/** The hello that Node's own TLS sends. */
async function realHello(options: {
	servername?: string;
	ALPNProtocols?: string[];
	maxVersion?: 'TLSv1.2';
}): Promise<Buffer> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	const port = typeof address === 'object' && address !== null ? address.port : 0;
	try {
		return await new Promise<Buffer>((resolve) => {
			server.on('connection', (socket) => {
				socket.on('error', () => undefined);
				socket.once('data', (bytes) => {
					socket.destroy();
					resolve(Buffer.from(bytes));
				});
			});
			connect({ host: '127.0.0.1', port, ...options }).on('error', () => undefined);
		});
	} finally {
		server.close();
	}
}

/** The same handshake bytes in records of `size`. */
function inRecords(hello: Buffer, size: number): Buffer {
	const message = hello.subarray(5);
	const records: Buffer[] = [];
	for (let at = 0; at < message.length; at += size) {
		const part = message.subarray(at, at + size);
		const header = Buffer.from([22, 3, 1, 0, 0]);
		header.writeUInt16BE(part.length, 3);
		records.push(header, part);
	}
	return Buffer.concat(records);
}

t.test('what Node sends', async (t) => {
	const bytes = await realHello({ servername: 'www.example.com', ALPNProtocols: ['h2', 'http/1.1'] });
	for (const sent of [bytes, inRecords(bytes, 100), inRecords(bytes, 1), Buffer.concat([bytes, Buffer.from('more')])]) {
		const hello = readHello(sent);
		if (typeof hello === 'string') throw new Error(hello);
		t.equal(hello.type, 1);
		t.equal(hello.version, 0x0303);
		t.equal(serverNameOf(hello), 'www.example.com');
		t.same(alpnOf(hello), ['h2', 'http/1.1']);
		t.ok(namesCurves(hello));
		t.equal(ticketState(hello), 1);
	}
	for (let length = 0; length < bytes.length; length++)
		t.equal(readHello(bytes.subarray(0, length)), 'incomplete', `${length}`);
	const plain = readHello(await realHello({ maxVersion: 'TLSv1.2' }));
	if (typeof plain === 'string') throw new Error(plain);
	t.equal(serverNameOf(plain), undefined);
	t.equal(alpnOf(plain), undefined);
});

t.test('what is none', async (t) => {
	for (const text of [
		'GET / HTTP/1.1\r\n',
		'\x17\x03\x01\x00\x05hello',
		'\x16\x02\x00\x00\x05hello',
		'\x16\x03\x01\x00\x00',
		'\x16\x03\x01\x00\x05\x0bello',
	]) {
		t.equal(readHello(Buffer.from(text, 'latin1')), 'none', JSON.stringify(text));
	}
});

t.test('broken ones end in time and throw nothing', async (t) => {
	const bytes = await realHello({ servername: 'a.example', ALPNProtocols: ['h2'] });
	const seed = Date.now() % 1_000_000;
	t.comment(`seed ${seed}`);
	let state = seed;
	const random = (below: number): number => {
		state = (Math.imul(state, 1103515245) + 12345) >>> 0;
		return state % below;
	};
	for (let round = 0; round < 3000; round++) {
		const broken = Buffer.from(bytes);
		for (let change = 0; change <= random(4); change++) broken[random(broken.length)] = random(256);
		const reading = readHello(broken.subarray(0, random(broken.length + 1)));
		if (typeof reading === 'string') continue;
		serverNameOf(reading);
		alpnOf(reading);
		ticketState(reading);
	}
	t.pass('no exception');
});

t.test('a value is settled once the hello is there, or is seen to be none', async (t) => {
	const bytes = await realHello({ servername: 'a.example' });
	const context = fakeContext({ site: 'tcp-request content' });
	const sni = compileExpression(['req.ssl_sni'], 0, context)?.expression;
	const of = (buffer: Buffer | undefined) =>
		fakeStream({ stream: { requestBuffer: buffer, requestBufferComplete: false } });
	t.equal(sni?.settled?.(of(undefined)), false);
	t.equal(sni?.settled?.(of(bytes.subarray(0, 20))), false);
	t.equal(sni?.settled?.(of(bytes)), true);
	t.equal(sni?.evaluate(of(bytes)), 'a.example');
	t.equal(sni?.settled?.(of(Buffer.from('GET /'))), true);
	t.equal(sni?.evaluate(of(Buffer.from('GET /'))), undefined);
});
