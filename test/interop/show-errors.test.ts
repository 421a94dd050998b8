/** `show errors` beside HAProxy's: the same faulty messages through both, the same captures but for its parser's state. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { RawClient } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(60_000);

const CONFIG = `
global
  nbthread 1
  stats socket \${dir}/s level operator
defaults
  mode http
  timeout client 10s
  timeout connect 5s
  timeout server 10s
frontend first
  bind 127.0.0.1:\${port1}
  default_backend b
frontend second
  bind 127.0.0.1:\${port2}
  default_backend b
backend b
  server one 127.0.0.1:\${port3}
`;

const FAULTY = [
	['header name', 1, 'GET / HTTP/1.1\r\nHost: x\r\nbad header: y\r\nfoo: \x01\x02\\\x80\xff\ttab\r\n\r\n'],
	['long lines', 1, `GET /${'l'.repeat(200)} HTTP/1.1\r\nHost: ${'h'.repeat(55)}\r\n: ${'\x80'.repeat(40)}\r\n\r\n`],
	['space before the colon', 1, 'GET / HTTP/1.1\r\nHost: x\r\nname : a\r\n\r\n'],
	['response', 2, 'GET /response HTTP/1.1\r\nHost: x\r\n\r\n'],
] as const;

/** Everything but moments, ports and what only HAProxy's parser can say. */
function comparable(text: string): string {
	return text
		.replace(/\[\d\d\/\w{3}\/[^\]]*\]/g, '[DATE]')
		.replace(/src 127\.0\.0\.1:\d+/g, 'src 127.0.0.1:PORT')
		.replace(/^ {2}(?:buffer starts|H1 ).*\n/gm, '')
		.replace(/^( {2}len \d+),(?: wraps at \d+,)? (error at position \d+).*/gm, '$1, $2');
}

t.test('the same captures', { skip: skipUnlessHaproxy() }, async (t) => {
	const origin = createServer((socket) => {
		socket.on('error', () => undefined);
		socket.once('data', () =>
			socket.end('HTTP/1.1 200 OK\r\nbad header\x01: x\r\nContent-Length: 3\r\n\r\nabc', 'latin1'),
		);
	});
	await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
	t.teardown(() => void origin.close());
	const address = origin.address();
	const originPort = typeof address === 'object' && address !== null ? address.port : 0;
	const { freePorts } = await import('../fixtures/ports.js');
	const answers: string[][] = [];
	for (const program of ['haproxy', 'holdfast'] as const) {
		const [first = 0, second = 0] = await freePorts(2);
		const started: Program = await startProgram(t, {
			config: CONFIG,
			ports: 3,
			usePorts: [first, second, originPort],
			program,
		});
		const ask = async (command: string) => comparable(await cli(join(started.folder, 's'), command));
		const own: string[] = [await ask('show errors')];
		for (const [what, front, bytes] of FAULTY) {
			const client = await RawClient.connect(started.port(front));
			client.send(bytes);
			await waitFor(`${what}: an answer`, () => /^HTTP\/1\.1 (400|502)/.test(client.received));
			client.close();
			own.push(await ask('show errors'));
		}
		const selections = ['first', 'b', '-1 response', 'first response', 'second request', 'nope', '-1', '99'];
		for (const selection of selections) own.push(await ask(`show errors ${selection}`));
		answers.push(own);
	}
	const [theirs = [], ours = []] = answers;
	for (const [at, text] of ours.entries()) t.equal(text, theirs[at], `answer ${at}`);
	t.match(ours.at(-1), /: 4\n$/);
});
