/** `dynamic-update`: fetched on time, tried again, kept when it fails, changed entry by entry; on virtual time. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { loadConfiguration } from '../../lib/config/index.js';
import type { UpdateModel } from '../../lib/config/model.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';
import { changesTo, type Fetch, systemFetch, UpdateKeeper } from '../../lib/process/update-keeper.js';
import type { RuntimeChange } from '../../lib/runtime-api/runtime-view.js';
import { applyPatternStep, entriesOf } from '../../lib/sample/pattern-change.js';
import { PatternIndex } from '../../lib/sample/pattern-index.js';
import { PatternRegistry } from '../../lib/sample/pattern-registry.js';
import { VirtualClock } from '../backend/support.js';

function load(content: string) {
	const diagnostics = new Diagnostics();
	const files = [{ path: 'test.cfg', content }];
	const model = loadConfiguration({ files, hostName: 'here', cores: 1, readFile: () => '' }, diagnostics);
	return { model, alerts: diagnostics.list.filter(({ severity }) => severity === 'alert').map(({ text }) => text) };
}

const section = (line: string) => load(`dynamic-update\n ${line}\n`);

t.test('the section', async (t) => {
	const { model, alerts } = section(
		'update id /etc/a.map url http://10.0.0.1:80/a.map delay 10s timeout 2s retries 1 map log dontlog-normal modified',
	);
	t.same(alerts, []);
	t.match(model?.updates, [
		{ id: '/etc/a.map', kind: 'map', delayMs: 10_000, startMs: 10_000, timeoutMs: 2000, retries: 1, ifModified: true },
	]);
	t.match(section('update id a url https://h/x xdelay 1m 2s 3s 4s').model?.updates, [
		{ kind: 'acl', delayMs: 60_000, startMs: 2000, retryMs: 4000, timeoutMs: 5000, retries: 3 },
	]);
	for (const [line, alert] of [
		['update', /expects 'id <file>' and 'url <url>'/],
		['update id a', /expects 'id <file>' and 'url <url>'/],
		['update id a url ftp://h/x', /'http:\/\/' or 'https:\/\/'/],
		['update id a url nonsense', /'http:\/\/' or 'https:\/\/'/],
		['update id a url http://h/x delay', /'delay' expects an argument/],
		['update id a url http://h/x delay 0', /at least 1 ms/],
		['update id a url http://h/x xdelay 1s 2s', /expects 4 arguments/],
		['update id a url http://h/x bogus', /unknown keyword 'bogus'/],
		['update id a url http://h/x tls-ticket-keys', /'tls-ticket-keys' is not supported by holdfast/],
		['update id a url http://h/x\n update id a url http://h/y', /is updated already/],
	] as const) {
		t.match(section(line).alerts, [alert], line);
	}
});

function set(method: 'str' | 'ip' | 'beg', entries: Record<string, string>) {
	const patterns = new PatternRegistry();
	const reference = patterns.forFile('/etc/a.map', 'map', 'test');
	reference.indexes.set(method, new PatternIndex(method));
	for (const [text, data] of Object.entries(entries)) applyPatternStep(reference, { step: 'add', text, data });
	const content = () => [...entriesOf(reference)].map(({ text, data }) => `${text}=${data}`);
	return { patterns, reference, content };
}

t.test('the steps from one content to the next', async (t) => {
	const wanted = [
		{ text: 'b', data: '2' },
		{ text: 'c', data: '9' },
		{ text: 'd', data: '4' },
	];
	const { reference, content } = set('str', { a: '1', b: '2', c: '3' });
	const steps = changesTo(reference, wanted);
	t.same(
		steps.map(({ step }) => step),
		['delete', 'put', 'put'],
	);
	for (const step of steps) applyPatternStep(reference, step);
	t.same(content().sort(), ['b=2', 'c=9', 'd=4']);
	t.same(changesTo(reference, wanted), []);
	const ordered = set('beg', { a: '1' });
	for (const step of changesTo(ordered.reference, [...wanted].reverse())) applyPatternStep(ordered.reference, step);
	t.same(ordered.content(), ['d=4', 'c=9', 'b=2'], 'the order of the file');
	const twins = set('str', { a: '1' });
	for (const step of changesTo(twins.reference, [wanted[0]!, wanted[0]!])) applyPatternStep(twins.reference, step);
	t.equal(twins.content().length, 2);
});

const UPDATE = section('update id /etc/a.map url http://h/a.map xdelay 60s 5s 1s 2s retries 1 map modified').model
	?.updates[0] as UpdateModel;

function make(method: 'str' | 'ip' = 'str') {
	const clock = new VirtualClock();
	const pending: {
		since: string | undefined;
		done: (content: string | undefined) => void;
		fail: (text: string) => void;
	}[] = [];
	const fetch: Fetch = (_url, _timeoutMs, since) =>
		new Promise((resolve, reject) => {
			pending.push({
				since,
				done: (content) => resolve({ content, lastModified: 'then' }),
				fail: (text) => reject(new Error(text)),
			});
		});
	const said: string[] = [];
	const logger = { info: () => undefined, warn: (_: unknown, text: string) => said.push(text) };
	const keeper = new UpdateKeeper({ clock, logger: logger as never, fetch });
	const told: RuntimeChange[] = [];
	const serve = (of: ReturnType<typeof set>, updates = [UPDATE]) =>
		keeper.serve({ model: { updates } as never, patterns: of.patterns }, (change) => told.push(change));
	const first = set(method, method === 'ip' ? {} : { a: '1' });
	serve(first);
	return { clock, pending, said, keeper, told, serve, first };
}

/** Promises that are settled go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

t.test('fetched after the start and then on its interval', async (t) => {
	const { clock, pending, first, told, keeper } = make();
	clock.advance(4999);
	t.equal(pending.length, 0);
	clock.advance(1);
	t.equal(keeper.status()[0]?.nextInMs, undefined);
	pending.shift()?.done('a 1\nb 2\n');
	await settle();
	t.same(first.content(), ['a=1', 'b=2']);
	t.match(told, [{ kind: 'patterns', usedBy: 'map', steps: [{ step: 'put', text: 'b', data: '2' }] }]);
	t.equal(keeper.status()[0]?.nextInMs, 60_000);
	clock.advance(60_000);
	const next = pending.shift();
	t.equal(next?.since, 'then');
	next?.done(undefined);
	await settle();
	clock.advance(60_000);
	pending.shift()?.done('a 1\nb 2\n');
	await settle();
	t.equal(told.length, 1, 'the same again is no change');
	t.match(keeper.status(), [{ updateCount: 1, failureCount: 0, trouble: undefined }]);
	t.ok(keeper.force('/etc/a.map'));
	t.notOk(keeper.force('/etc/b.map'));
	t.equal(pending.length, 1);
	keeper.stop();
});

t.test('what fails changes nothing, is tried again, and said once', async (t) => {
	const { clock, pending, first, told, said, keeper } = make();
	clock.advance(5000);
	for (let round = 0; round < 2; round++) {
		pending.shift()?.fail('status 500');
		await settle();
		clock.advance(1999);
		t.equal(pending.length, 0);
		clock.advance(1);
		pending.shift()?.fail('status 500');
		await settle();
		clock.advance(60_000);
	}
	t.same(first.content(), ['a=1']);
	t.same(told, []);
	t.same(said, ['dynamic-update failed, what was there is kept']);
	t.match(keeper.status(), [{ failureCount: 2, trouble: 'status 500' }]);
	pending.shift()?.done('c 3\n');
	await settle();
	t.same(first.content(), ['c=3']);
	t.equal(said.at(-1), 'dynamic-update works again');
});

t.test('one line that is no pattern spoils the whole', async (t) => {
	const { clock, pending, first, keeper } = make('ip');
	clock.advance(5000);
	for (const _ of [1, 2]) {
		pending.shift()?.done('10.0.0.1 a\nnonsense b\n');
		await settle();
		clock.advance(2000);
	}
	t.same(first.content(), []);
	t.match(keeper.status()[0]?.trouble, /^line 2: /);
});

t.test('a reload begins with what was fetched', async (t) => {
	const { clock, pending, serve, told, keeper } = make();
	clock.advance(5000);
	pending.shift()?.done('x 1\n');
	await settle();
	const second = set('str', { a: '1' });
	told.length = 0;
	serve(second);
	t.same(second.content(), ['x=1']);
	t.equal(told.length, 1);
	const other = set('str', { a: '1' });
	serve(other, [{ ...UPDATE, url: 'http://elsewhere/' }]);
	t.same(other.content(), ['a=1'], 'another source is another thing');
	keeper.stop();
	t.equal(clock.timerCount, 0);
});

t.test('over HTTP', async (t) => {
	const server = createServer((request, response) => {
		if (request.url === '/404') response.statusCode = 404;
		if (request.url === '/slow') return;
		if (request.headers['if-modified-since'] === 'then') response.statusCode = 304;
		response.setHeader('last-modified', 'then');
		response.end('a 1\n');
	}).listen(0, '127.0.0.1');
	await new Promise((resolve) => server.once('listening', resolve));
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const { signal } = new AbortController();
	t.same(await systemFetch(`${url}/`, 5000, undefined, signal), { content: 'a 1\n', lastModified: 'then' });
	t.match(await systemFetch(`${url}/`, 5000, 'then', signal), { content: undefined });
	await t.rejects(systemFetch(`${url}/404`, 5000, undefined, signal), /status 404/);
	await t.rejects(systemFetch(`${url}/slow`, 50, undefined, signal), /no answer within 50 ms/);
});
