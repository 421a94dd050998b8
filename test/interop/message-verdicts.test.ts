/**
 * What is accepted, refused, brought into form and logged of HTTP/1, beside HAProxy 2.6: the rows of message-cases.ts
 * through both engines, against answers recorded in message-verdicts.json, and HAProxy itself against them where it is
 * installed. A row that differs from HAProxy needs a reason in `DECIDED`; one that no longer does must leave it.
 *
 * The engine of Node reads with llhttp, which refuses some of what HAProxy repairs. There the rule is: what it lets
 * through it treats as the native engine does, and the rest it refuses.
 *
 * `HOLDFAST_RECORD=1` writes the file anew from what is installed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { DECIDED, STRICT } from '../fixtures/message-cases.js';
import { probe, type Verdict } from '../fixtures/message-probe.js';

t.setTimeout(110_000);
t.jobs = 3;

const FILE = fileURLToPath(new URL('../fixtures/message-verdicts.json', import.meta.url));
const RECORDS = process.env.HOLDFAST_RECORD === '1';

interface Recorded {
	readonly haproxy: Verdict;
	/** Where it is another one. */
	readonly holdfast?: Verdict;
}

const same = (one: Verdict, other: Verdict): boolean => JSON.stringify(one) === JSON.stringify(other);

if (RECORDS) {
	const [haproxy, native] = [await probe(t, 'haproxy'), await probe(t, 'native')];
	const recorded: Record<string, Recorded> = {};
	for (const [key, verdict] of haproxy) {
		const own = native.get(key) as Verdict;
		recorded[key] = same(verdict, own) ? { haproxy: verdict } : { haproxy: verdict, holdfast: own };
	}
	writeFileSync(FILE, `${JSON.stringify(recorded, null, '\t')}\n`);
}

const recorded = new Map(Object.entries(JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Recorded>));

t.test('each difference has a reason, and each reason a difference', async (t) => {
	const strict = DECIDED.get(STRICT) ?? [];
	const decided = new Set([...DECIDED.values()].flat());
	const differing = new Set<string>();
	for (const [key, { holdfast }] of recorded) {
		if (holdfast === undefined) continue;
		differing.add(key);
		const plain = key.replace(/^lenient /, '');
		t.ok(decided.has(key) || (decided.has(plain) && !strict.includes(plain)), `${key}: decided`);
		if (strict.includes(key)) t.match(statusOf(holdfast), /^(?:400|422|502|505)$/, `${key}: refused`);
	}
	for (const key of decided) t.ok(differing.has(key), `${key}: still differs`);
});

t.test('the native engine', { buffered: true }, async (t) => {
	const verdicts = await probe(t, 'native');
	t.equal(verdicts.size, recorded.size, 'all rows are recorded');
	for (const [key, verdict] of verdicts) {
		const expected = recorded.get(key);
		t.same(verdict, expected?.holdfast ?? expected?.haproxy, key);
	}
});

/** What llhttp reads as if it were right; the head that goes on is written anew. */
const NODE_TAKES: ReadonlySet<string> = new Set([
	'request: RTSP/1.0',
	'request: two spaces after the method',
	'request: two spaces after the target',
	'request: six empty lines before it',
	'request: bare line feeds before it',
	'response: a line feed first',
]);

/** Chunks that are broken behind a head that is well: it has passed the head on by then. */
const AFTER_THE_HEAD = /: (?:a bad size|a bad second size|bare line feeds in chunks|a length as trailer)$/;

t.test('the engine of Node refuses, or does the same', { buffered: true }, async (t) => {
	for (const [key, verdict] of await probe(t, 'node')) {
		const expected = recorded.get(key);
		const wanted = expected?.holdfast ?? expected?.haproxy;
		const status = statusOf(verdict);
		if (wanted === undefined || status === statusOf(wanted) || NODE_TAKES.has(key)) continue;
		if (key.startsWith('response') && AFTER_THE_HEAD.test(key)) continue;
		t.match(status, key.startsWith('request') ? /^(?:4\d\d|50[45])?$/ : /^502$/, `${key}: refused`);
	}
});

t.test('HAProxy', { skip: skipUnlessHaproxy('2.6'), buffered: true }, async (t) => {
	for (const [key, verdict] of await probe(t, 'haproxy')) t.same(verdict, recorded.get(key)?.haproxy, key);
});

function statusOf(verdict: Verdict): string {
	return /^(?:HTTP\/1\.[01] )?(\d{3})/.exec(verdict.client.at(-1) ?? '')?.[1] ?? '';
}
