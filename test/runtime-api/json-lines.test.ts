import t from 'tap';
import { type Command, fault } from '../../lib/runtime-api/command.js';
import { withJsonLines } from '../../lib/runtime-api/json-lines.js';
import { newState, textOf } from './view.js';

async function answer(run: Command['run'], ...words: string[]): Promise<string> {
	const [command] = withJsonLines([{ words: ['show', 'x'], level: 'user', usage: '', help: '', run }]);
	const invocation = { words: ['show', 'x', ...words], payload: undefined, view: {} as never, state: newState() };
	return textOf((await command?.run(invocation)) ?? '');
}

t.test('lines as texts, however they come', async (t) => {
	const pieces = function* () {
		yield 'one\ntw';
		yield '';
		yield 'o "2"\n\n\xe9nd';
	};
	t.equal(await answer(pieces, 'json'), '["one","two \\"2\\"","\\u00e9nd"]\n');
	t.equal(await answer(pieces), 'one\ntwo "2"\n\n\xe9nd', 'and as they are without the word');
	t.equal(await answer(() => 'a\nb\n', 'arg', 'json'), '["a","b"]\n');
	t.equal(await answer(() => '', 'json'), '[]\n');
	t.equal(await answer(({ words }) => words.join(), 'arg', 'json'), '["show,x,arg"]\n');
	t.equal(await answer(() => fault('No such thing'), 'json'), 'No such thing\n');
});

t.test('only shows', async (t) => {
	const run = () => '';
	const [set, hidden] = withJsonLines([
		{ words: ['set', 'x'], level: 'user', usage: '', help: '', run },
		{ words: ['show', 'y'], level: 'user', usage: '', help: '', hidden: true, run },
	]);
	t.equal(set?.run, run);
	t.equal(hidden?.run, run);
});
