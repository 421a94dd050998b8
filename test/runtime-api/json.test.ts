/** `json` behind any show is an answer that parses; nothing but ASCII, one line. */
import t from 'tap';
import { isMessage } from '../../lib/runtime-api/command.js';
import { createRegistry } from '../../lib/runtime-api/commands/index.js';
import { ask, createView, newState, textOf } from './view.js';

/** Commands that need a word of their own before `json`. */
const ARGUMENTS: ReadonlyMap<string, string> = new Map([['show schema json', 'show schema json']]);

const CONFIG = `
global
  stats socket /tmp/none.sock
backend b
  server s 127.0.0.1:1
  stick-table type string len 10 size 10 store gpc0
frontend f
  bind 127.0.0.1:1
`;

t.test('every show', async (t) => {
	const test = createView(CONFIG);
	test.view.tables.get('b')?.touchByKey('m\xfcde\x00', 1);
	const registry = createRegistry();
	let answered = 0;
	const shows = registry.commands.filter(({ words, hidden }) => words[0] === 'show' && hidden !== true);
	t.ok(shows.length > 20);
	for (const { words } of shows) {
		const name = words.join(' ');
		test.replies = name === 'show errors' ? [{ captures: [], captureCount: 0 }] : [{ sessions: [] }];
		const line = ARGUMENTS.get(name) ?? `${name} json`;
		const answer = await registry.run({
			words: line.split(' '),
			payload: undefined,
			view: test.view,
			state: newState(),
		});
		// What this configuration has nothing of is refused with a sentence, in JSON or not.
		if (isMessage(answer) && answer.severity === 'error') continue;
		answered++;
		const text = await textOf(answer);
		t.doesNotThrow(() => JSON.parse(text), `${name}: ${text.slice(0, 80)}`);
		t.match(text, /^[\x20-\x7e]+\n$/, `${name} on one line`);
	}
	t.ok(answered > 20);
});

t.test('forms of what has no other', async (t) => {
	const test = createView(CONFIG);
	const json = async (command: string): Promise<unknown> => JSON.parse(await ask(test, `${command} json`));
	t.match(await json('show version'), { name: 'Holdfast', version: /^\d/ });
	t.strictSame(await json('show cli level'), { level: 'admin' });
	t.strictSame(await json('show cli sockets'), [{ socket: 'unix@/tmp/none.sock', level: 'operator' }]);
	t.strictSame(await json('show startup-logs'), []);
	t.match(await json('show table'), [{ table: 'b', data: [{ name: 'gpc0', isOrdered: true }] }]);
});
