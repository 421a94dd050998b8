import t from 'tap';
import type { LogForwardModel } from '../../../lib/config/log-model.js';
import { LogForwarder } from '../../../lib/stream/log-forward/forwarder.js';
import { load } from '../../config/load.js';

const clock = {
	wallMs: () => Date.UTC(2026, 10, 23),
	monotonicMs: () => 0,
	monotonicUs: () => 0,
	setTimer: () => ({ cancel: () => undefined }),
};

/** What each target of the section gets, by its port. */
function forward(lines: string, messages: readonly string[], source = '10.0.0.1'): Record<string, string[]> {
	const { model, remarks } = load(`log-forward lf\n dgram-bind 127.0.0.1:1514\n${lines}\n`);
	if (model === undefined) throw new Error(remarks.join());
	const got: Record<string, string[]> = {};
	let received = 0;
	const forwarder = new LogForwarder(
		model.logForwards[0] as LogForwardModel,
		({ target }) => {
			const name = target.kind === 'udp' ? String(target.port) : target.kind;
			const sent: string[] = [];
			got[name] = sent;
			return { send: (line) => sent.push(line), end: (done) => done(), droppedCount: 0 };
		},
		clock,
		() => received++,
	);
	for (const message of messages) forwarder.forward(message, source);
	t.equal(received, messages.length, 'every message is counted');
	return got;
}

t.test('levels: less important ones stay, more important ones are sent as the least', async (t) => {
	const got = forward(' log 127.0.0.1:1 local3 info err\n log 127.0.0.1:2 local3', [
		'<14>info',
		'<9>alert',
		'<15>debug',
		'none',
	]);
	t.same(got, {
		1: ['<14>info\n', '<11>alert\n', 'none\n'],
		2: ['<14>info\n', '<9>alert\n', '<15>debug\n', 'none\n'],
	});
});

t.test('the facility of the line is for messages that name none', async (t) => {
	const got = forward(' log 127.0.0.1:1 format priority local3\n log 127.0.0.1:2 format priority local3 debug err', [
		'<14>a',
		'b',
	]);
	t.same(got, { 1: ['<14>a\n', '<152>b\n'], 2: ['<14>a\n', '<155>b\n'] });
});

t.test('sampling shares messages out', async (t) => {
	const got = forward([1, 2, 3].map((n) => ` log 127.0.0.1:${n} sample ${n}:3 local0`).join('\n'), [
		'<14>a',
		'<14>b',
		'<14>c',
		'<14>d',
	]);
	t.same(got, { 1: ['<14>a\n', '<14>d\n'], 2: ['<14>b\n'], 3: ['<14>c\n'] });
});

t.test('newlines: the last ones go, others stay only where a message is a datagram; len cuts', async (t) => {
	const got = forward(' log 127.0.0.1:1 local0\n log stdout local0\n log 127.0.0.1:2 len 80 local0', [
		'<14>a\nb\0\n',
		`<14>${'x'.repeat(100)}`,
	]);
	t.same(got['1']?.[0], '<14>a\nb\n');
	t.same(got.stdout?.[0], '<14>a b\n', 'nobody forges a line of the log');
	t.same(got['2']?.[1], `<14>${'x'.repeat(76)}\n`);
});

t.test('options: unparsed, and the host of the sender', async (t) => {
	const message = '<14>Nov 23 14:00:01 h app: text';
	t.same(forward(' option dont-parse-log\n log 127.0.0.1:1 format raw local0', [message]), { 1: [`${message}\n`] });
	t.same(forward(' option host append\n log 127.0.0.1:1 local0', [message]), {
		1: ['<14>Nov 23 14:00:01 h,10.0.0.1 app: text\n'],
	});
	t.same(forward(' option host fill\n log 127.0.0.1:1 format rfc5424 local0', ['<14>1 - - - - - - x']), {
		1: ['<14>1 - 10.0.0.1 - - - - x\n'],
	});
});
