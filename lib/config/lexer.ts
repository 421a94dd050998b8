/**
 * From the bytes of a conf file to lines of words (manual, 2.1 to 2.3).
 *
 * One pass over the characters of a line, with two flags (inside double quotes, inside single quotes).
 * A word is what remains when quotes and backslashes have been taken away; an environment variable is
 * looked up only inside double quotes, and `"${NAME[*]}"` is the one construct that may turn into
 * several words. What comes out of a variable is data: its quotes, hashes and backslashes mean nothing.
 *
 * What it does as HAProxy does, though one might expect otherwise: there is no continuation of lines (a
 * backslash at the end of a line stays a backslash), `$` outside of double quotes is an ordinary
 * character, a backslash before any character without a meaning stays, and a last line without its line
 * feed is refused since the file was probably cut. Where it is stricter: control characters are refused,
 * and so is `\x00`, which would end a word unseen in a program written in C.
 */
import type { Place } from '../core/diagnostics.js';

/** The most words a line may have. */
export const MAX_WORDS = 64;

/** The most bytes a line may have: far beyond any honest line, it bounds what one line can cost. */
export const MAX_LINE_BYTES = 1024 * 1024;

/** Pseudo-variables start with a dot and say where the line stands (manual, 2.3). */
export interface PseudoVariables {
	readonly file: string;
	readonly line: number;
	/** Name of the section, or its type if it has no name, or nothing before the first section. */
	readonly section: string;
}

export type TokenizedLine =
	| {
			readonly ok: true;
			readonly words: readonly string[];
			/** Where each word begins in the line, counted from 0. */
			readonly columns: readonly number[];
	  }
	| { readonly ok: false; readonly reason: string; readonly column: number };

const refused = (reason: string, column: number): TokenizedLine => ({ ok: false, reason, column });

const isNameStart = (char: string | undefined): boolean => char !== undefined && /^[A-Za-z_]$/.test(char);
const isNamePart = (char: string | undefined): boolean => char !== undefined && /^[A-Za-z0-9_]$/.test(char);
const isSpace = (char: string): boolean =>
	char === ' ' || char === '\t' || char === '\r' || char === '\v' || char === '\f';

/** What a backslash and this character stand for; others are looked at one by one. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
	[' ', ' '],
	['#', '#'],
	['\\', '\\'],
	['"', '"'],
	["'", "'"],
	['n', '\n'],
	['r', '\r'],
	['t', '\t'],
]);

/** Cuts one line, without its line feed, into words. */
export function tokenizeLine(
	line: string,
	environment: ReadonlyMap<string, string>,
	pseudo: PseudoVariables,
): TokenizedLine {
	if (line.length > MAX_LINE_BYTES) return refused(`line too long, the limit is ${MAX_LINE_BYTES} bytes`, 0);
	const words: string[] = [];
	const columns: number[] = [];
	/** Undefined between words: an empty quoted word is a word. */
	let word: string | undefined;
	/** Where the open quote stands, or -1. */
	let weakQuoteAt = -1;
	let at = 0;

	const append = (text: string, column: number): void => {
		if (word === undefined) {
			word = '';
			columns.push(column);
		}
		word += text;
	};
	const endWord = (): void => {
		if (word !== undefined) words.push(word);
		word = undefined;
	};

	while (at < line.length) {
		const char = line[at] as string;
		const weak = weakQuoteAt !== -1;
		if (char === '"') {
			append('', at);
			weakQuoteAt = weak ? -1 : at;
			at++;
		} else if (char === "'" && !weak) {
			const end = line.indexOf("'", at + 1);
			if (end === -1) return refused('unmatched quote', at);
			const quoted = line.slice(at + 1, end);
			const badAt = indexOfControl(quoted);
			if (badAt !== -1) return refused(controlReason(quoted, badAt), at + 1 + badAt);
			append(quoted, at);
			at = end + 1;
		} else if (char === '\\') {
			const next = line[at + 1];
			if (next === 'x') {
				const digits = line.slice(at + 2, at + 4);
				if (!/^[0-9a-fA-F]{2}$/.test(digits)) return refused('truncated or invalid hexadecimal sequence', at);
				if (digits === '00') return refused('a NUL character is not permitted', at);
				append(String.fromCharCode(Number.parseInt(digits, 16)), at);
				at += 4;
			} else if (weak && next === '$') {
				append('$', at);
				at += 2;
			} else {
				const meaning = next === undefined ? undefined : ESCAPES.get(next);
				append(meaning ?? '\\', at);
				at += meaning === undefined ? 1 : 2;
			}
		} else if (char === '$' && weak) {
			const expanded = expandVariable(line, at, environment, pseudo);
			if (!expanded.ok) return refused(expanded.reason, expanded.column);
			const parts = expanded.asWords ? expanded.text.split(/[ \t\r\v\f\n]+/) : [expanded.text];
			for (const [index, part] of parts.entries()) {
				if (index > 0) endWord();
				append(part, at);
			}
			at = expanded.next;
		} else if (char === '#' && !weak) {
			break;
		} else if (isSpace(char) && !weak) {
			endWord();
			at++;
		} else {
			if (isControl(char)) return refused(controlReason(line, at), at);
			append(char, at);
			at++;
		}
		if (words.length > MAX_WORDS) return tooManyWords(words, columns);
	}
	if (weakQuoteAt !== -1) return refused('unmatched quote', weakQuoteAt);
	endWord();
	if (words.length > MAX_WORDS) return tooManyWords(words, columns);
	return { ok: true, words, columns };
}

function tooManyWords(words: readonly string[], columns: readonly number[]): TokenizedLine {
	const column = columns[MAX_WORDS - 1] ?? 0;
	return refused(`too many words, the limit is ${MAX_WORDS}, at <${words[MAX_WORDS - 1] ?? ''}>`, column);
}

/** Bytes that no conf file has on purpose. Tab, CR, VT and FF are spaces; bytes over 127 are letters of someone. */
function isControl(char: string): boolean {
	const code = char.charCodeAt(0);
	return (code < 0x20 && !isSpace(char)) || code === 0x7f;
}

function indexOfControl(text: string): number {
	for (let i = 0; i < text.length; i++) if (isControl(text[i] as string)) return i;
	return -1;
}

function controlReason(text: string, at: number): string {
	const code = text.charCodeAt(at);
	return `control character \\x${code.toString(16).padStart(2, '0')} is not permitted`;
}

type Expansion =
	| { readonly ok: true; readonly text: string; readonly asWords: boolean; readonly next: number }
	| { readonly ok: false; readonly reason: string; readonly column: number };

/** `$NAME`, `${NAME}`, `${NAME-default}`, `${NAME[*]}`, `${NAME[*]-default}`, and the same for `.LINE` and its kin. */
function expandVariable(
	line: string,
	dollarAt: number,
	environment: ReadonlyMap<string, string>,
	pseudo: PseudoVariables,
): Expansion {
	const braced = line[dollarAt + 1] === '{';
	const nameAt = dollarAt + (braced ? 2 : 1);
	let end = nameAt;
	let value: string | undefined;
	if (line[nameAt] === '.') {
		end++;
		while (isNamePart(line[end])) end++;
		value = pseudoValue(line.slice(nameAt + 1, end), pseudo);
		if (value === undefined) {
			return { ok: false, reason: 'unknown pseudo-variable, these are .FILE, .LINE and .SECTION', column: nameAt };
		}
	} else {
		if (!isNameStart(line[nameAt])) {
			return { ok: false, reason: 'forbidden first char in environment variable name', column: nameAt };
		}
		while (isNamePart(line[end])) end++;
		value = environment.get(line.slice(nameAt, end));
	}
	if (!braced) return { ok: true, text: value ?? '', asWords: false, next: end };

	let asWords = false;
	if (line[end] === '[') {
		if (line.slice(end, end + 3) !== '[*]') {
			return { ok: false, reason: 'truncated or invalid word expansion sequence', column: end };
		}
		asWords = true;
		end += 3;
	}
	if (line[end] === '-') {
		// The default is taken as it is: no escape, no variable in it, up to the first closing brace.
		const close = line.indexOf('}', end);
		if (close !== -1) value ??= line.slice(end + 1, close);
		end = close;
	}
	if (end === -1 || line[end] !== '}') {
		return { ok: false, reason: 'unmatched brace in environment variable name', column: dollarAt + 1 };
	}
	return { ok: true, text: value ?? '', asWords, next: end + 1 };
}

function pseudoValue(name: string, pseudo: PseudoVariables): string | undefined {
	if (name === 'FILE') return pseudo.file;
	if (name === 'LINE') return String(pseudo.line);
	if (name === 'SECTION') return pseudo.section;
	return undefined;
}

/** A line of a file as it stands there. */
export interface RawLine {
	readonly place: Place;
	readonly text: string;
	/** False for a last line that lacks its line feed. */
	readonly terminated: boolean;
}

/** The lines of a file, numbered from 1. */
export function* linesOf(file: string, content: string): Generator<RawLine> {
	let start = 0;
	for (let line = 1; start < content.length; line++) {
		const end = content.indexOf('\n', start);
		const terminated = end !== -1;
		yield { place: { file, line }, text: content.slice(start, terminated ? end : undefined), terminated };
		start = terminated ? end + 1 : content.length;
	}
}

/** `reason at position 8:`, the line, and a caret under the place: how HAProxy shows a line it cannot cut. */
export function pointAt(reason: string, line: string, column: number): string {
	const shown = line.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, '?').replace(/\t/g, ' ');
	const from = Math.max(0, column - 60);
	return `${reason} at position ${column + 1}:\n  ${shown.slice(from, column + 40)}\n  ${' '.repeat(column - from)}^`;
}
