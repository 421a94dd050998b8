/** `h1-case-adjust <from> <to>` and `h1-case-adjust-file <file>` of `global` (manual, 3.1). */
import type { ParserState } from '../state.js';
import type { Keyword } from '../statement.js';

/** Adds a pair; the sentence that says what is wrong with it, or undefined. */
function addCase(cases: Map<string, string>, from: string, to: string): string | undefined {
	if (from !== from.toLowerCase()) return `<from> '${from}' must be in lower case`;
	if (from !== to.toLowerCase()) return `<from> and <to> must not differ except the case ('${from}', '${to}')`;
	if (cases.has(from)) return `duplicate entry '${from}'`;
	cases.set(from, to);
	return undefined;
}

export const HEADER_CASE_KEYWORDS: readonly Keyword<ParserState>[] = [
	{
		name: 'h1-case-adjust',
		parse(statement, { global }) {
			const [, from = '', to = ''] = statement.words;
			if (from === '' || to === '') {
				statement.alert(`'h1-case-adjust' expects <from> and <to> as argument.`);
				return;
			}
			const wrong = statement.atMost(2) ? addCase(global.headerCases, from, to) : undefined;
			if (wrong !== undefined) statement.alert(`'h1-case-adjust' : ${wrong}.`);
		},
	},
	{
		name: 'h1-case-adjust-file',
		parse(statement, state) {
			const path = statement.onlyArgument('<file>');
			if (path === undefined) return;
			const content = state.readFile(path, statement.place, `'h1-case-adjust-file'`);
			if (content === undefined) return;
			for (const [index, line] of content.split('\n').entries()) {
				const [from = '', to = '', ...more] = line.trim().split(/[ \t]+/);
				if (from === '' || from.startsWith('#')) continue;
				const wrong =
					to === '' || more.length > 0
						? 'two names of a field are expected'
						: addCase(state.global.headerCases, from, to);
				if (wrong !== undefined) statement.alert(`'h1-case-adjust-file' : ${path}:${index + 1} : ${wrong}.`);
			}
		},
	},
];
