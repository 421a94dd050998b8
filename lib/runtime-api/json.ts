/** JSON as answers carry it: one line, streamed, nothing but ASCII: bytes beyond are escaped as the code point they are. */

const NOT_ASCII = /[\x7f-\uffff]/g;

export function jsonText(value: unknown): string {
	return JSON.stringify(value).replace(NOT_ASCII, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** An array of any length, an element at a time. An undefined element is a pause and prints nothing. */
export function* jsonArray(elements: Iterable<unknown>): Generator<string> {
	let before = '[';
	for (const element of elements) {
		if (element === undefined) {
			yield '';
			continue;
		}
		yield `${before}${jsonText(element)}`;
		before = ',';
	}
	yield before === '[' ? '[]' : ']';
}

/** `json` as the last word asks for JSON where a command has no way of its own to ask. Returns the words without it. */
export function takeJsonWord(words: readonly string[]): { readonly words: readonly string[]; readonly json: boolean } {
	return words.length > 2 && words[words.length - 1] === 'json'
		? { words: words.slice(0, -1), json: true }
		: { words, json: false };
}
