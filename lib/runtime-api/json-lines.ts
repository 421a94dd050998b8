/**
 * `json` behind shows whose answers are lines for people: the same lines as an array of texts. What has figures answers
 * with objects of its own instead.
 */
import { type Answer, type Command, type Invocation, isMessage } from './command.js';
import { jsonText } from './json.js';

/** The shows among these commands take `json` as their last word; other commands stay as they are. */
export function withJsonLines(commands: readonly Command[]): readonly Command[] {
	return commands.map((command) =>
		command.words[0] !== 'show' || command.hidden === true ? command : { ...command, run: runWithJson(command) },
	);
}

function runWithJson({ run, words: name }: Command): Command['run'] {
	return async (invocation: Invocation): Promise<Answer> => {
		const { words } = invocation;
		if (words.length <= name.length || words.at(-1) !== 'json') return run(invocation);
		const answer = await run({ ...invocation, words: words.slice(0, -1) });
		return isMessage(answer) ? answer : arrayOf(answer);
	};
}

async function* arrayOf(answer: Exclude<Answer, { readonly severity: unknown }>): AsyncGenerator<string> {
	let rest = '';
	let before = '[';
	// A string's elements are its characters: it is one piece.
	for await (const piece of typeof answer === 'string' ? [answer] : answer) {
		const lines = (rest + piece).split('\n');
		rest = lines.pop() ?? '';
		let text = '';
		for (const line of lines) {
			if (line === '') continue;
			text += before + jsonText(line);
			before = ',';
		}
		yield text;
	}
	if (rest !== '') {
		yield before + jsonText(rest);
		before = ',';
	}
	yield before === '[' ? '[]\n' : ']\n';
}
