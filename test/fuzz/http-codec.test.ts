/**
 * The codec under generated traffic: valid messages survive parse, write, parse; mutated ones are judged alike
 * whole and in pieces, by the quick loop and the exact one, and never accepted where Node's own parser refuses.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { ChunkedDecoder } from '../../lib/http/body-framing.js';
import { fieldNotes, parseFields, parseFieldsExactly } from '../../lib/http/field-parser.js';
import {
	DEFAULT_HEAD_LIMITS,
	findHeadEnd,
	HEAD_BROKEN,
	HEAD_INCOMPLETE,
	parseRequestHead,
	parseResponseHead,
} from '../../lib/http/head-parser.js';
import { HttpRefusal } from '../../lib/http/refusal.js';
import { serializeRequest, serializeResponse } from '../../lib/http/serializer.js';
import { charsOf, mutate, mutations, requestText, responseText, textOf } from '../fixtures/http-messages.js';
import { nodeRequestVerdict, nodeResponseVerdict } from '../fixtures/node-http-parser.js';

const SEED = Number(process.env.HOLDFAST_FUZZ_SEED ?? 20240607);
const RUNS = Number(process.env.HOLDFAST_FUZZ_RUNS ?? 1500);
t.comment(`seed ${SEED}, ${RUNS} runs`);
const OPTIONS = { seed: SEED, numRuns: RUNS };

const LIMITS = DEFAULT_HEAD_LIMITS;
t.test('valid requests: parse, write, parse', (t) => {
	fc.assert(
		fc.property(requestText, (text) => {
			const first = parseRequestHead(text, LIMITS);
			if (first instanceof HttpRefusal) throw new Error(`refused: ${first.code}`);
			const written = serializeRequest(first, { close: false });
			const second = parseRequestHead(written, LIMITS);
			if (second instanceof HttpRefusal) throw new Error(`refused when written: ${second.code}`);
			assert.deepEqual(
				[second.method, second.target, second.version, second.framing, second.headers],
				[first.method, first.target, first.version, first.framing, first.headers],
			);
		}),
		OPTIONS,
	);
	t.end();
});

t.test('valid responses: parse, write, parse', (t) => {
	fc.assert(
		fc.property(responseText, (text) => {
			const first = parseResponseHead(text, LIMITS);
			if (first instanceof HttpRefusal) throw new Error(`refused: ${first.code}`);
			const second = parseResponseHead(
				serializeResponse(first, { keepAlive: false, close: false, dechunk: false }),
				LIMITS,
			);
			if (second instanceof HttpRefusal) throw new Error(`refused when written: ${second.code}`);
			assert.deepEqual([second.status, second.framing, second.headers], [first.status, first.framing, first.headers]);
		}),
		OPTIONS,
	);
	t.end();
});

t.test('mutated heads: the same verdict however the bytes come', (t) => {
	fc.assert(
		fc.property(requestText, mutations, fc.integer({ min: 1, max: 9 }), (text, changes, pieceSize) => {
			const bytes = Buffer.from(`${mutate(text, changes)}\r\n\r\n`, 'latin1');
			const whole = findHeadEnd(bytes, 0);
			let looked = 0;
			let end = HEAD_INCOMPLETE;
			let length = 0;
			while (end === HEAD_INCOMPLETE && length < bytes.length) {
				length = Math.min(bytes.length, length + pieceSize);
				end = findHeadEnd(bytes.subarray(0, length), 0, looked);
				looked = length;
			}
			const verdictWhole = parseRequestHead(bytes.toString('latin1', 0, whole), LIMITS);
			const seen =
				end === HEAD_BROKEN ? `${bytes.toString('latin1', 0, length)}\r\n\r\n` : bytes.toString('latin1', 0, end);
			const verdict = parseRequestHead(seen, LIMITS);
			assert.equal(verdict instanceof HttpRefusal, verdictWhole instanceof HttpRefusal);
			if (!(verdict instanceof HttpRefusal)) assert.deepEqual(verdict, verdictWhole);
		}),
		OPTIONS,
	);
	t.end();
});

t.test('mutated fields: the quick loop and the exact one agree', (t) => {
	const result = (parsed: boolean): unknown => (parsed ? { ...fieldNotes, section: undefined } : false);
	fc.assert(
		fc.property(requestText, mutations, (text, changes) => {
			const section = `${mutate(text.slice(text.indexOf('\r\n') + 2), changes)}\r\n\r\n`;
			const quick = result(parseFields(section, 0, 50));
			const exact = result(parseFieldsExactly(section, 0, 50));
			assert.deepEqual({ ...(quick as object), framingPosition: 0 }, { ...(exact as object), framingPosition: 0 });
		}),
		OPTIONS,
	);
	t.end();
});

t.test('random bytes: a verdict, never an exception', (t) => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
			const text = Buffer.from(random).toString('latin1');
			for (const head of [text, `${text}\r\n\r\n`, `GET / HTTP/1.1\r\n${text}\r\n\r\n`]) {
				parseRequestHead(head, LIMITS);
				parseResponseHead(head, LIMITS);
			}
			const decoder = new ChunkedDecoder();
			const used = decoder.push(Buffer.from(random), 0, random.length);
			assert.ok(used >= -1 && used <= random.length);
		}),
		OPTIONS,
	);
	t.end();
});

/** Chunked in the most obvious way: all of it there, one expression per part. */
function slowDechunk(text: string): string | undefined {
	let rest = text;
	let payload = '';
	for (;;) {
		const line = /^([0-9a-fA-F]{1,13})(?:;[\t -~\x80-\xff]*)?\r\n/.exec(rest);
		if (line === null) return undefined;
		const size = Number.parseInt(line[1] ?? '', 16);
		rest = rest.slice(line[0].length);
		if (size === 0) return rest === '\r\n' ? payload : undefined;
		if (rest.length < size + 2 || rest.slice(size, size + 2) !== '\r\n') return undefined;
		payload += rest.slice(0, size);
		rest = rest.slice(size + 2);
	}
}

const chunkedText = fc
	.array(fc.tuple(textOf(charsOf(0, 255), 1, 20), fc.constantFrom('', ';a', ';a=b', ';a="b c"')), { maxLength: 5 })
	.map(
		(chunks) =>
			`${chunks.map(([data, extension]) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`).join('')}0\r\n\r\n`,
	);

t.test('chunked bodies, valid and mutated, judged by a slow decoder', (t) => {
	fc.assert(
		fc.property(
			chunkedText,
			fc.oneof(fc.constant([]), mutations),
			fc.integer({ min: 1, max: 11 }),
			(text, changes, pieceSize) => {
				const body = mutate(text, changes);
				const bytes = Buffer.from(body, 'latin1');
				const decoder = new ChunkedDecoder();
				let payload = '';
				let end = 0;
				for (let at = 0; at < bytes.length && !decoder.isDone; at += pieceSize) {
					const to = Math.min(bytes.length, at + pieceSize);
					end = decoder.push(bytes, at, to, (buffer, from, until) => {
						payload += buffer.toString('latin1', from, until);
					});
					if (end < 0) break;
				}
				// What follows a complete body is the next message's.
				const expected = slowDechunk(decoder.isDone ? body.slice(0, end) : body);
				const hasTrailersOrQuote = decoder.trailers !== undefined || body.includes('"');
				if (decoder.isDone && !hasTrailersOrQuote) assert.equal(payload, expected);
				if (expected !== undefined && !body.includes('"')) assert.ok(decoder.isDone, JSON.stringify(body));
			},
		),
		OPTIONS,
	);
	t.end();
});

/**
 * Where Node refuses and we accept, and why that is right. Each is a predicate on the bytes and Node's code.
 */
const LAXER_THAN_NODE: readonly (readonly [string, (text: string, code: string) => boolean])[] = [
	// llhttp knows a list of methods; RFC 9110, section 9.1, lets any token be one, and so does HAProxy.
	['unknown methods', (_text, code) => code === 'HPE_INVALID_METHOD'],
	// A minor version above 1 is spoken to as 1.1 (RFC 9110, section 2.5); llhttp refuses it.
	['minor versions', (text, code) => code === 'HPE_INVALID_VERSION' && /^\S+ \S+ HTTP\/1\.[2-9]\r\n/.test(text)],
	// Bytes of a body that stops before its length are no question of the head.
	[
		'incomplete',
		(_text, code) =>
			code === 'ABORTED' || code === 'HPE_INVALID_EOF_STATE' || code === 'CLOSED' || code === 'ECONNRESET',
	],
];

t.test('mutated requests: nothing passes that Node refuses', async (t) => {
	let refusedByBoth = 0;
	await fc.assert(
		fc.asyncProperty(requestText, mutations, async (text, changes) => {
			const bytes = Buffer.from(`${mutate(text, changes)}\r\n\r\n`, 'latin1');
			const head = bytes.toString('latin1', 0, findHeadEnd(bytes, 0));
			const ours = parseRequestHead(head, LIMITS);
			const node = await nodeRequestVerdict(Buffer.from(head, 'latin1'));
			if (node.accepted) return;
			if (ours instanceof HttpRefusal) {
				refusedByBoth++;
				return;
			}
			if (LAXER_THAN_NODE.some(([, allows]) => allows(head, node.code))) return;
			throw new Error(`accepted here, ${node.code} in Node: ${JSON.stringify(head)}`);
		}),
		{ ...OPTIONS, numRuns: Math.ceil((RUNS * 2) / 3) },
	);
	t.ok(refusedByBoth > 50, `${refusedByBoth} refused by both`);
});

t.test('mutated responses: nothing passes that Node refuses', async (t) => {
	let refusedByBoth = 0;
	await fc.assert(
		fc.asyncProperty(responseText, mutations, async (text, changes) => {
			const bytes = Buffer.from(`${mutate(text, changes)}\r\n\r\n`, 'latin1');
			const head = bytes.toString('latin1', 0, findHeadEnd(bytes, 0));
			const ours = parseResponseHead(head, LIMITS);
			const node = await nodeResponseVerdict(Buffer.from(head, 'latin1'));
			if (node.accepted) return;
			if (ours instanceof HttpRefusal) {
				refusedByBoth++;
				return;
			}
			if (LAXER_THAN_NODE.some(([, allows]) => allows(head, node.code))) return;
			throw new Error(`accepted here, ${node.code} in Node: ${JSON.stringify(head)}`);
		}),
		{ ...OPTIONS, numRuns: Math.ceil((RUNS * 2) / 3) },
	);
	t.ok(refusedByBoth > 50, `${refusedByBoth} refused by both`);
});
