import t from 'tap';
import type { CapturedMessage } from '../../lib/stream/message-captures.js';
import { ask, createView } from './view.js';

const CONFIG = `
global
  nbthread 2
frontend f
  bind 127.0.0.1:1
backend b
`;

const capture = (more: Partial<CapturedMessage>): CapturedMessage => ({
	direction: 'request',
	wallMs: 1000,
	event: 0,
	proxy: 'f',
	proxyId: 2,
	other: 'b',
	otherId: 3,
	server: undefined,
	serverId: -1,
	source: '10.0.0.1:4711',
	bytes: 'x\n\x1b[2J',
	position: 2,
	reason: 'odd',
	...more,
});

t.test('the latest of all threads', async (t) => {
	const test = createView(CONFIG);
	test.replies = [
		{ captures: [capture({}), capture({ direction: 'response', proxy: 'b', proxyId: 3 })], captureCount: 5 },
		{ captures: [capture({ wallMs: 2000, event: 3, bytes: 'later' })], captureCount: 4 },
	];
	const text = await ask(test, 'show errors');
	t.strictSame(test.asked, [{ ask: 'captures' }]);
	t.match(text, /^Total events captured on \[.*\] : 9\n/);
	t.match(text, /frontend f \(#2\): invalid request\n {2}backend b \(#3\), server <NONE> \(#-1\), event #7, src/);
	t.match(text, ' 00000  later\n');
	t.match(
		text,
		/\n {2}len 6, error at position 2: odd\n {2}\n {2}00000 {2}x\\n\n {2}00002 {2}\\e\[2J\n$/,
		'nothing for a terminal to obey',
	);
	t.notMatch(await ask(test, 'show errors f response'), 'invalid');
	t.match(await ask(test, 'show errors 3 response'), 'backend b (#3): invalid response');
	t.equal(await ask(test, 'show errors nobody'), 'No such proxy.\n');
	t.match(JSON.parse(await ask(test, 'show errors json')), {
		total: 9,
		captures: [{ bytes: 'later' }, { proxy: 'b' }],
	});
	t.match(JSON.parse(await ask(test, 'show errors b response json')), { captures: [{ proxy: 'b' }] });
});

t.test('nobody below operator sees traffic', async (t) => {
	t.equal(await ask(createView(CONFIG), 'show errors', { level: 'user' }), 'Permission denied\n');
});
