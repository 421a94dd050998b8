/**
 * What is kept of clients of HTTP/2 that do odd things: counts in stick tables, a threshold that ends the connection,
 * the last malformed request for `show errors`. And requests that come again with another path.
 */
import t, { type Test } from 'tap';
import { type FieldList, FieldList as Fields } from '../../../lib/http/h2/field-list.js';
import { DEFAULT_HEAD_LIMITS } from '../../../lib/http/head-parser.js';
import { Malformed, RequestHeads } from '../../../lib/stream/h2/request-head.js';
import { data, ErrorCode, frameClient, headers, request } from '../../fixtures/h2-frames.js';
import { type Harness, startHarness } from '../../fixtures/proxy-harness.js';
import { waitFor } from '../../fixtures/wait-for.js';

async function start(t: Test, global = ''): Promise<Harness> {
	const harness = await startHarness(`${global}
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 2s
frontend fe
	bind 127.0.0.1:0
	stick-table type ip size 10 store glitch_cnt,glitch_rate(10s)
	tcp-request connection track-sc0 src
	http-request return status 200 hdr x-glitches %[fc_glitches] hdr x-stored %[sc_glitch_cnt(0)] hdr x-streams %[fc_nb_streams]
`);
	t.teardown(() => harness.close());
	return harness;
}

const bad = (stream: number): Buffer => headers(stream, request('/', 'GET', [['connection', 'close']]));

t.test('oddities are counted on the connection and on whom it is tracked by', async (t) => {
	const harness = await start(t);
	const client = await frameClient(harness.port('fe'));
	// Malformed; and DATA on a stream that is closed.
	client.send(bad(1), headers(3, request()), data(3, 'x'));
	await client.when('the errors', () => client.errorOf(1) !== undefined && client.errorOf(3) !== undefined);
	client.send(headers(5, request()));
	t.equal(await client.whenOver(5), '200');
	const head = client.frames.find(({ stream, type }) => stream === 5 && type === 1)?.payload.toString('latin1') ?? '';
	t.match(head, /x-glitches.2/);
	t.match(head, /x-stored.2/);
	t.match(head, /x-streams.1/);
	client.close();
});

t.test('tune.h2.fe.glitches-threshold', async (t) => {
	const harness = await start(t, 'global\n\ttune.h2.fe.glitches-threshold 3');
	const client = await frameClient(harness.port('fe'));
	for (let i = 0; i < 5; i++) client.send(bad(2 * i + 1));
	await waitFor('the end', () => client.closed);
	t.equal(client.errorOf(1), `goaway ${ErrorCode.ENHANCE_YOUR_CALM}`);
	t.equal(client.frames.filter(({ type }) => type === 3).length, 3, 'the third is one too many');
	client.close();
});

t.test('show errors: the fields as lines, and the one that is wrong', async (t) => {
	const harness = await start(t);
	const client = await frameClient(harness.port('fe'));
	client.send(bad(1));
	await client.whenOver(1);
	client.close();
	const [captured] = harness.thread.captures.list();
	t.match(captured, { direction: 'request', proxy: 'fe', reason: `connection-specific field 'connection'` });
	t.match(captured?.bytes, /^:method: GET\r\n:scheme: http\r\n/);
	t.match(captured?.bytes.slice(captured.position), /^connection: close\r\n$/);
});

function listOf(...pairs: readonly string[]): FieldList {
	const fields = new Fields();
	for (let i = 0; i < pairs.length; i += 2) fields.field(pairs[i] as string, pairs[i + 1] as string);
	return fields;
}

t.test('a request like the former one is read like it, and changes of it stay its own', async (t) => {
	const heads = new RequestHeads(DEFAULT_HEAD_LIMITS);
	const ask = (path: string, ...more: string[]) =>
		heads.read(
			listOf(':method', 'GET', ':scheme', 'https', ':authority', 'x', ':path', path, 'a', 'b', ...more),
			false,
		);
	const first = ask('/1');
	const second = ask('/2?x');
	if (!('head' in first) || !('head' in second)) throw new Error('refused');
	t.equal(first.head.target, 'https://x/1');
	t.equal(second.head.target, 'https://x/2?x');
	t.equal(first.head.headers.names, second.head.headers.names, 'the same arrays');
	second.head.headers.set('a', 'changed');
	second.head.method = 'POST';
	const third = ask('/3');
	t.match(third, { method: 'GET', head: { method: 'GET', target: 'https://x/3', version: 20 } });
	t.equal('head' in third && third.head.headers.get('a'), 'b');
	for (const path of ['', 'x', '/ x', '/\xe4', '/#']) t.ok(ask(path) instanceof Malformed, `'${path}' is looked at`);
	const other = ask('/4', 'c', 'd');
	t.equal('head' in other && other.head.headers.get('c'), 'd');
	t.equal('isRefusal' in ask(`/${'x'.repeat(20_000)}`), true, 'too long, as in the first');
});
