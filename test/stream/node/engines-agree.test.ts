/**
 * Both engines on the same bytes: what one refuses the other refuses, with the same status; what a server gets
 * and a client is answered is the same but for the differences that node-exchange.ts names. No exception
 * leaves the connection that caused it.
 */
import { METHODS } from 'node:http';
import fc from 'fast-check';
import t from 'tap';
import { type ConnectionEngine, nativeEngine } from '../../../lib/frontend/listener.js';
import { nodeEngine } from '../../../lib/stream/node/engine.js';
import { REQUEST_HEADS, RESPONSE_HEADS } from '../../fixtures/http-heads.js';
import { mutate, mutations, requestText, responseText } from '../../fixtures/http-messages.js';
import { type Harness, startHarness } from '../../fixtures/proxy-harness.js';
import { rawClient, startOrigin } from '../../fixtures/raw-http.js';

const SEED = Number(process.env.HOLDFAST_FUZZ_SEED ?? 20240608);
t.comment(`seed ${SEED}`);

const CONFIGURATION = (originPort: number) => `
defaults
	mode http
	log stdout format raw local0
	timeout connect 1s
	timeout client 2s
	timeout server 2s
frontend local
	bind 127.0.0.1:0
	http-request return status 200 content-type text/plain string ok
frontend relay
	bind 127.0.0.1:0
	default_backend origin
backend origin
	server s 127.0.0.1:${originPort}
`;

/** What the origin answers to every request, then closes. */
let originSays = '';
const origin = await startOrigin(({ socket }) => {
	socket.end(originSays, 'latin1');
});
const start = (engine: ConnectionEngine): Promise<Harness> => startHarness(CONFIGURATION(origin.port), { engine });
const engines = [await start(nativeEngine), await start(nodeEngine)] as const;
t.teardown(async () => {
	for (const harness of engines) await harness.close();
	await origin.close();
});

/** Sends, says that this was all, and gives everything that came back. */
async function exchange(port: number, bytes: string): Promise<string> {
	const client = await rawClient(port);
	client.send(bytes).finish();
	const answer = await client.end();
	client.close();
	return answer;
}

/** The status of the first final response, or what came instead. */
function statusOf(answer: string): string {
	const final = answer.replace(/^(?:HTTP\/1\.1 1(?!01)\d\d [^\r]*\r\n(?:[^\r\n]+\r\n)*\r\n)*/, '');
	return /^HTTP\/1\.[01] (\d{3}) /.exec(final)?.[1] ?? JSON.stringify(answer.slice(0, 40));
}

async function bothOn(frontend: string, bytes: string): Promise<readonly [string, string]> {
	const [native, node] = engines;
	return [await exchange(native.port(frontend), bytes), await exchange(node.port(frontend), bytes)];
}

/** llhttp has a list of methods, and of minor versions 0 and 1 only (see node-exchange.ts). */
function isKnownDifference(bytes: string): boolean {
	const line = /^(?:\r\n)*(\S+) \S+ HTTP\/1\.(\d)\r\n/.exec(bytes);
	return line !== null && (!METHODS.includes(line[1] as string) || Number(line[2]) > 1);
}

/**
 * Forms of a request line that llhttp reads as if they were right, before our checks see it; the head that goes on
 * is written anew, so they reach nobody. HTTP/0.9 is refused by both, but Node does not tell how it was written.
 */
const NODE_SAYS: ReadonlyMap<string, string> = new Map([
	['two spaces before target', '200'],
	['two spaces after target', '200'],
	['HTTP/0.9', '505'],
	['RTSP', '200'],
	['too many empty lines', '200'],
	['CR alone before', '200'],
]);

t.test('requests of the table: the same status', async (t) => {
	for (const [id, head, verdict] of REQUEST_HEADS) {
		if (isKnownDifference(head)) continue;
		const body = /chunked/i.test(head) ? '0\r\n\r\n' : '';
		const [native, node] = (await bothOn('local', head + body)).map(statusOf);
		t.equal(node, NODE_SAYS.get(id) ?? native, `${id}: ${native}`);
		if (!head.startsWith('POST')) t.equal(native === '200', verdict === 'accepted', id);
	}
});

/** Line ends before the start line and blanks within it, which llhttp reads over, taken out. */
function withPlainStartLine(bytes: string): string {
	const text = bytes.replace(/^[\r\n]+/, '');
	const end = text.indexOf('\r\n');
	return end < 0 ? text : text.slice(0, end).replace(/ +/g, ' ') + text.slice(end);
}

t.test('mutated requests: the same status', async (t) => {
	await fc.assert(
		fc.asyncProperty(requestText, mutations, async (text, changes) => {
			const bytes = mutate(text, changes);
			if (isKnownDifference(bytes)) return;
			const [native, node] = (await bothOn('local', bytes)).map(statusOf);
			if (native === node) return;
			const plain = withPlainStartLine(bytes);
			if (plain !== bytes && statusOf(await exchange(engines[0].port('local'), plain)) === node) return;
			throw new Error(`native ${native}, node ${node}: ${JSON.stringify(bytes)}`);
		}),
		{ seed: SEED, numRuns: 250 },
	);
	t.same(
		engines.map(({ errors }) => errors),
		[[], []],
	);
});

const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n';

t.test('responses of the table: the same status', async (t) => {
	for (const [id, method, head, verdict] of RESPONSE_HEADS) {
		if (method === 'CONNECT' || method === 'POST') continue;
		originSays = `${head}${verdict === 'length' ? 'ok' : verdict === 'chunked' ? '2\r\nok\r\n0\r\n\r\n' : ''}`;
		const [native, node] = (await bothOn('relay', GET.replace('GET', method))).map(statusOf);
		t.equal(node, native, `${id}: ${native}`);
	}
});

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n';

/** Whole responses with something wrong after the head, where http-proxy was seen to throw (known bugs, section 3). */
const BROKEN_BODIES: readonly (readonly [string, string, boolean])[] = [
	['fine', `${CHUNKED}0\r\n\r\n`, true],
	['trailers', `${CHUNKED}0\r\nX-Sum: 1\r\n\r\n`, true],
	['ERR_HTTP_TRAILER_INVALID: control byte in a trailer', `${CHUNKED}0\r\nX-Sum: \x01\r\n\r\n`, false],
	['framing field as a trailer', `${CHUNKED}0\r\nContent-Length: 1\r\n\r\n`, false],
	['trailer without a name', `${CHUNKED}0\r\n: 1\r\n\r\n`, false],
	['chunk size not a number', `${CHUNKED}xyz\r\nok\r\n0\r\n\r\n`, false],
	['no end', CHUNKED, false],
	['write after end: more than its length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore', true],
	['a second response', `${CHUNKED}0\r\n\r\n${CHUNKED}0\r\n\r\n`, true],
	['less than its length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok', false],
];

t.test('bodies of servers: relayed whole, or broken off and never made whole', async (t) => {
	for (const [id, bytes, isWhole] of BROKEN_BODIES) {
		originSays = bytes;
		for (const [index, answer] of (await bothOn('relay', GET)).entries()) {
			const engine = index === 0 ? 'native' : 'node';
			const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
			const whole = /transfer-encoding/.test(answer)
				? /\r\n0\r\n(?:x-sum: 1\r\n)?\r\n$/i.test(body)
				: /content-length: 2\r\n/.test(answer) && body === 'ok';
			// A refusal before the head went out is an honest answer too.
			if (statusOf(answer) === '502') t.notOk(isWhole, `${engine}: ${id}: 502`);
			else t.equal(whole, isWhole, `${engine}: ${id}: ${JSON.stringify(answer)}`);
		}
	}
	t.same(
		engines.map(({ errors }) => errors),
		[[], []],
	);
});

t.test('mutated responses: the same status', async (t) => {
	await fc.assert(
		fc.asyncProperty(responseText, mutations, async (text, changes) => {
			originSays = mutate(text, changes);
			const [native, node] = (await bothOn('relay', GET)).map(statusOf);
			if (native === node) return;
			const plain = withPlainStartLine(originSays);
			if (plain !== originSays) {
				originSays = plain;
				if (statusOf(await exchange(engines[0].port('relay'), GET)) === node) return;
			}
			throw new Error(`native ${native}, node ${node}: ${JSON.stringify(originSays)}`);
		}),
		{ seed: SEED, numRuns: 250 },
	);
	t.same(
		engines.map(({ errors }) => errors),
		[[], []],
	);
});
