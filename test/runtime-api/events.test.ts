/** `show events`: the list of rings, what is in one, and what comes. */
import t from 'tap';
import { createLogger } from '../../lib/core/logger.js';
import { EVENT_COMMANDS } from '../../lib/runtime-api/commands/events.js';
import { LogRing } from '../../lib/shared/log-ring.js';
import { waitFor } from '../fixtures/wait-for.js';
import { ask, createView, newState } from './view.js';

const SHOW_EVENTS = EVENT_COMMANDS.find(({ words }) => words.join(' ') === 'show events')!;

function withRings() {
	const test = createView('frontend f\n mode http\n timeout client 1s\n bind 127.0.0.1:1\n');
	const ring = new LogRing(LogRing.allocate(16384));
	const rings = new Map([
		['r1', { ring, description: 'My local buffer' }],
		['a-long-name', { ring: new LogRing(LogRing.allocate(1024)), description: 'a-long-name' }],
	]);
	return { test: { ...test, view: { ...test.view, rings } }, ring };
}

t.test('the list', async (t) => {
	const { test, ring } = withRings();
	ring.countDropped(3);
	t.equal(
		await ask(test, 'show events'),
		`Supported events sinks are listed below. Add -w(wait), -n(new). Any key to stop
    stdout     : type=fd, 0 dropped, standard output (fd#1)
    stderr     : type=fd, 0 dropped, standard output (fd#2)
    r1         : type=buffer, 3 dropped, My local buffer
    a-long-name : type=buffer, 0 dropped, a-long-name
`,
	);
	t.same(JSON.parse(await ask(test, 'show events json')), [
		{ name: 'r1', description: 'My local buffer', sizeBytes: 16384, dropped: 3 },
		{ name: 'a-long-name', description: 'a-long-name', sizeBytes: 1024, dropped: 0 },
	]);
});

t.test('one ring', async (t) => {
	const { test, ring } = withRings();
	t.equal(await ask(test, 'show events r1'), '');
	for (let i = 0; i < 2000; i++) ring.write(`line ${i}`);
	const lines = (await ask(test, 'show events r1')).split('\n');
	t.equal(lines.at(-2), 'line 1999');
	t.equal(lines.at(-1), '');
	t.match(lines[0], /^line \d+$/);
	t.same(JSON.parse(await ask(test, 'show events r1 json')), lines.slice(0, -1));
	t.match(await ask(test, 'show events r1 -w json'), /exclude/);
	t.equal(await ask(test, 'show events r1 -n'), '');
	t.equal(await ask(test, 'show events nope'), 'No such event sink\n');
	t.equal(await ask(test, 'show events stdout'), 'Nothing to report for this sink\n');
	t.equal(await ask(test, 'show events r1 -x'), 'unknown option\n');
	t.equal(await ask(test, 'show events r1 -w'), "'-w' is for the socket of the worker itself.\n");
	t.equal(await ask(test, 'show events', { level: 'user' }), 'Permission denied\n');
});

t.test('a dump of a ring that fills as fast as it is read ends', async (t) => {
	const { test, ring } = withRings();
	for (let i = 0; i < 100; i++) ring.write(`${i}`.padEnd(1000));
	const command = SHOW_EVENTS;
	const invocation = { words: ['show', 'events', 'r1'], payload: undefined, view: test.view, state: newState() };
	let pieces = 0;
	for (const _piece of (await command.run(invocation)) as Iterable<string>) {
		pieces++;
		for (let i = 0; i < 16; i++) ring.write('more'.padEnd(1000));
		if (pieces > 50) break;
	}
	t.ok(pieces < 10, `${pieces}`);
});

t.test('-w goes on until it is interrupted, -n begins with what is new', async (t) => {
	for (const [options, expected] of [
		['-w', 'old\nnew\n'],
		['-nw', 'new\n'],
		['-w -n', 'new\n'],
	] as const) {
		const { test, ring } = withRings();
		ring.write('old');
		const interruption = new AbortController();
		const state = { ...newState(), interrupt: () => interruption.signal };
		const words = ['show', 'events', 'r1', ...options.split(' ')];
		const answer = await SHOW_EVENTS.run({ words, payload: undefined, view: test.view, state });
		let text = '';
		const ended = (async () => {
			for await (const piece of answer as AsyncIterable<string>) text += piece;
		})();
		ring.write('new');
		await waitFor('the new line', () => text === expected);
		interruption.abort();
		await ended;
		t.equal(text, expected, options);
	}
});

t.test("the level of the program's own log", async (t) => {
	const { test } = withRings();
	t.equal(await ask(test, 'set log-level'), 'The program log is not to be had here.\n');
	const programLog = createLogger({ level: 'info' });
	const withLog = { ...test, view: { ...test.view, programLog } };
	t.equal(await ask(withLog, 'set log-level'), 'info\n');
	for (const [word, level] of [
		['debug', 'debug'],
		['warning', 'warn'],
		['err', 'error'],
		['silent', 'silent'],
		['notice', 'info'],
	] as const) {
		t.equal(await ask(withLog, `set log-level ${word}`), '');
		t.equal(programLog.level, level);
	}
	t.match(await ask(withLog, 'set log-level loud'), /^'set log-level' expects one of 'debug', /);
	t.match(await ask(withLog, 'set log-level debug x'), /expects one of/);
	t.equal(await ask(withLog, 'set log-level debug', { level: 'operator' }), 'Permission denied\n');
	t.equal(programLog.level, 'info');
});
