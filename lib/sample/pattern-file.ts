/**
 * Files of patterns and maps (manual, 7.1 `-f` and 7.3.1 `map`): one pattern a line; leading blanks stripped, empty
 * lines and those beginning with `#` skipped. In a map the first word is the pattern, the rest of the line,
 * without blanks at its ends, the value.
 */

export interface PatternLine {
	/** Counted from 1. */
	readonly number: number;
	readonly pattern: string;
	/** The value of a map's line; empty otherwise. */
	readonly data: string;
}

export function* patternFileLines(content: string, isMap: boolean): Generator<PatternLine> {
	let number = 0;
	for (let from = 0; from < content.length; ) {
		let end = content.indexOf('\n', from);
		if (end < 0) end = content.length;
		const line = content.slice(from, end).replace(/\r$/, '');
		from = end + 1;
		number++;
		// A sharp in the first column is a comment; one after blanks belongs to a pattern.
		if (line.startsWith('#')) continue;
		const text = line.replace(/^[ \t]+/, '');
		if (text === '') continue;
		if (!isMap) {
			yield { number, pattern: text, data: '' };
			continue;
		}
		const match = /^([^ \t]+)[ \t]*(.*?)[ \t]*$/s.exec(text);
		if (match !== null) yield { number, pattern: match[1] ?? '', data: match[2] ?? '' };
	}
}
