/**
 * Conditional blocks (manual, 2.4): the expressions of `.if`, also evaluated by `-cc`, and the stack of
 * blocks that says whether a line counts.
 *
 * An expression is parsed by descent, whole, before its value is known, so that a wrong word is refused
 * even where the value would not depend on it. Values: `!` binds first, then `&&`, then `||`.
 */
import { LANGUAGE_VERSION } from '../core/version.js';
import { FEATURES } from './features.js';

/** As deep as HAProxy lets blocks nest; parentheses have the same bound, which bounds the recursion. */
export const MAX_NESTING = 100;

export interface ConditionSubject {
	readonly environment: ReadonlyMap<string, string>;
	/** The release that version predicates compare with. */
	readonly version?: string;
	readonly features?: ReadonlyMap<string, boolean>;
	readonly opensslVersion?: string;
}

export type ConditionResult =
	| { readonly ok: true; readonly value: boolean }
	/** `column` is counted from 0. */
	| { readonly ok: false; readonly reason: string; readonly column: number };

interface Predicate {
	readonly name: string;
	readonly argumentCount: number;
	evaluate(subject: ConditionSubject, first: string, second: string): boolean;
}

/** Every predicate of the manual of 2.6, and those of 2.7 to 3.0 that a file may use to ask for more. */
const PREDICATES: readonly Predicate[] = [
	{ name: 'defined', argumentCount: 1, evaluate: (subject, name) => subject.environment.has(name) },
	{
		name: 'feature',
		argumentCount: 1,
		evaluate: (subject, name) => (subject.features ?? FEATURES).get(name) === true,
	},
	{ name: 'streq', argumentCount: 2, evaluate: (_, a, b) => a === b },
	{ name: 'strneq', argumentCount: 2, evaluate: (_, a, b) => a !== b },
	{ name: 'strstr', argumentCount: 2, evaluate: (_, text, part) => text.includes(part) },
	{
		name: 'version_atleast',
		argumentCount: 1,
		evaluate: (subject, wanted) => compareVersions(subject.version ?? LANGUAGE_VERSION, wanted) >= 0,
	},
	{
		name: 'version_before',
		argumentCount: 1,
		evaluate: (subject, wanted) => compareVersions(subject.version ?? LANGUAGE_VERSION, wanted) < 0,
	},
	{
		name: 'openssl_version_atleast',
		argumentCount: 1,
		evaluate: (subject, wanted) => compareVersions(opensslVersion(subject), wanted) >= 0,
	},
	{
		name: 'openssl_version_before',
		argumentCount: 1,
		evaluate: (subject, wanted) => compareVersions(opensslVersion(subject), wanted) < 0,
	},
	{
		name: 'ssllib_name_startswith',
		argumentCount: 1,
		evaluate: (_, start) => 'OpenSSL'.startsWith(start),
	},
	// Holdfast has no switch that turns a compiled feature off, so what is present is enabled.
	{
		name: 'enabled',
		argumentCount: 1,
		evaluate: (subject, name) => (subject.features ?? FEATURES).get(name) === true,
	},
];

const opensslVersion = (subject: ConditionSubject): string => subject.opensslVersion ?? process.versions.openssl ?? '0';

/** `2.6.12`, `2.7-dev3`, `2.6-rc1`, `2.6.12-7`: components that are absent count as zero, a release is after its dev and rc. */
export function compareVersions(a: string, b: string): number {
	const left = versionParts(a);
	const right = versionParts(b);
	for (const [index, value] of left.entries()) {
		const difference = value - (right[index] ?? 0);
		if (difference !== 0) return difference;
	}
	return 0;
}

function versionParts(text: string): readonly number[] {
	const match = /^(\d+)?(?:\.(\d+))?(?:\.(\d+))?([a-z])?(?:-(dev|rc)(\d+))?(?:-(\d+))?/.exec(text);
	const stage = match?.[5] === undefined ? 2 : match[5] === 'rc' ? 1 : 0;
	// The letter is of OpenSSL's former numbering, `1.0.2k`.
	const letter = match?.[4] === undefined ? 0 : match[4].charCodeAt(0) - 96;
	return [
		Number(match?.[1] ?? 0),
		Number(match?.[2] ?? 0),
		Number(match?.[3] ?? 0),
		letter,
		stage,
		Number(match?.[6] ?? 0),
		Number(match?.[7] ?? 0),
	];
}

/** The value of a condition; an empty one is false. `.if` and `-cc` both end here. */
export function evaluateCondition(text: string, subject: ConditionSubject): ConditionResult {
	const parser = new ConditionParser(text, subject);
	return parser.run();
}

/** Leaves the parser with the message and column; never leaves this file. */
class ConditionSyntaxError extends Error {
	readonly column: number;
	constructor(reason: string, column: number) {
		super(reason);
		this.column = column;
	}
}

class ConditionParser {
	readonly #text: string;
	readonly #subject: ConditionSubject;
	#at = 0;
	#depth = 0;

	constructor(text: string, subject: ConditionSubject) {
		this.#text = text;
		this.#subject = subject;
	}

	run(): ConditionResult {
		this.#skipSpaces();
		if (this.#at === this.#text.length) return { ok: true, value: false };
		try {
			const value = this.#expression();
			if (this.#at < this.#text.length) {
				throw new ConditionSyntaxError(
					`unexpected character '${this.#text[this.#at]}' at the end of conditional expression '${this.#text}'`,
					this.#at,
				);
			}
			return { ok: true, value };
		} catch (error) {
			if (error instanceof ConditionSyntaxError) return { ok: false, reason: error.message, column: error.column };
			throw error;
		}
	}

	#skipSpaces(): void {
		while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at++;
	}

	/** and-expression { '||' and-expression } */
	#expression(): boolean {
		let value = this.#conjunction();
		while (this.#text.startsWith('||', this.#at)) {
			this.#at += 2;
			const next = this.#conjunction();
			value = value || next;
		}
		return value;
	}

	/** term { '&&' term } */
	#conjunction(): boolean {
		let value = this.#term();
		while (this.#text.startsWith('&&', this.#at)) {
			this.#at += 2;
			const next = this.#term();
			value = value && next;
		}
		return value;
	}

	/** { '!' } ( integer | predicate | '(' expression ')' ), with the spaces around it. */
	#term(): boolean {
		let negated = false;
		this.#skipSpaces();
		while (this.#text[this.#at] === '!') {
			negated = !negated;
			this.#at++;
			this.#skipSpaces();
		}
		const value = this.#primary();
		this.#skipSpaces();
		return value !== negated;
	}

	#primary(): boolean {
		const start = this.#at;
		const rest = this.#text.slice(start);
		if (rest.startsWith('(')) {
			if (++this.#depth > MAX_NESTING) throw new ConditionSyntaxError('too many nested parentheses', start);
			this.#at++;
			const value = this.#expression();
			this.#depth--;
			if (this.#text[this.#at] !== ')') {
				throw new ConditionSyntaxError(`expected ')' after conditional expression '${rest}'`, start);
			}
			this.#at++;
			return value;
		}
		const integer = /^-?\d+/.exec(rest);
		if (integer !== null) {
			this.#at += integer[0].length;
			return Number(integer[0]) !== 0;
		}
		const name = /^[a-z_0-9]+/.exec(rest)?.[0] ?? '';
		const predicate = PREDICATES.find((candidate) => candidate.name === name);
		if (predicate === undefined) {
			throw new ConditionSyntaxError(`unparsable conditional expression '${rest}'`, start);
		}
		this.#at += name.length;
		const words = this.#text[this.#at] === '(' ? this.#predicateArguments(predicate) : [];
		// HAProxy takes the absent argument of a predicate that has one for an empty string.
		if (predicate.argumentCount > 1 && words.length < predicate.argumentCount) {
			throw new ConditionSyntaxError(
				`missing arguments (got ${words.length}/${predicate.argumentCount}), type 'string' expected in argument ${words.length} of predicate '${name}' used in conditional expression`,
				start,
			);
		}
		return predicate.evaluate(this.#subject, words[0] ?? '', words[1] ?? '');
	}

	/** `(a,"b c",'d')`: quotes and backslashes protect, as in the arguments of a sample fetch. */
	#predicateArguments(predicate: Predicate): string[] {
		const words: string[] = [];
		let word = '';
		let quote = '';
		this.#at++;
		for (; ; this.#at++) {
			const char = this.#text[this.#at];
			if (char === undefined) {
				throw new ConditionSyntaxError(
					`expected ')' in the arguments of predicate '${predicate.name}' used in conditional expression`,
					this.#at,
				);
			}
			if (quote !== '') {
				if (char === quote) quote = '';
				else if (char === '\\' && quote === '"' && this.#text[this.#at + 1] !== undefined) {
					word += this.#text[++this.#at];
				} else word += char;
			} else if (char === '"' || char === "'") quote = char;
			else if (char === '\\' && this.#text[this.#at + 1] !== undefined) word += this.#text[++this.#at];
			else if (char === ',' || char === ')') {
				words.push(word);
				word = '';
				if (char === ')') break;
				if (words.length >= predicate.argumentCount) {
					throw new ConditionSyntaxError(
						`expected ')' before '${this.#text.slice(this.#at)}' in argument ${words.length} of predicate '${predicate.name}' used in conditional expression`,
						this.#at,
					);
				}
			} else word += char;
		}
		this.#at++;
		return words;
	}
}

/** One open `.if`. */
interface Block {
	readonly line: number;
	/** The block around it counts. */
	readonly outer: boolean;
	/** One of its branches has been taken. */
	taken: boolean;
	/** The branch being read counts. */
	active: boolean;
	elseSeen: boolean;
}

/** The nesting of `.if` in one file. */
export class ConditionalBlocks {
	readonly #stack: Block[] = [];

	/** Whether the lines being read count. */
	get active(): boolean {
		return this.#stack.at(-1)?.active ?? true;
	}

	/** The line of an `.if` that lacks its `.endif`. */
	get openLine(): number | undefined {
		return this.#stack.at(-1)?.line;
	}

	/**
	 * Takes one of `.if .elif .else .endif`. `evaluate` is called only where the value matters; it returns
	 * undefined when it has refused the expression itself, and the branch then does not count. Returns
	 * a sentence if the directive may not stand here.
	 */
	take(directive: string, line: number, evaluate: () => boolean | undefined): string | undefined {
		const top = this.#stack.at(-1);
		if (directive === '.if') {
			if (this.#stack.length >= MAX_NESTING) return `too many nested '.if', max is ${MAX_NESTING}.`;
			const outer = this.active;
			const value = outer && evaluate() === true;
			this.#stack.push({ line, outer, taken: value, active: value, elseSeen: false });
			return undefined;
		}
		if (top === undefined) return `lone '${directive}' with no matching '.if'.`;
		if (directive === '.endif') {
			this.#stack.pop();
			return undefined;
		}
		if (top.elseSeen) return `'${directive}' after '.else' is not permitted.`;
		if (directive === '.else') {
			top.elseSeen = true;
			top.active = top.outer && !top.taken;
		} else {
			top.active = top.outer && !top.taken && evaluate() === true;
		}
		top.taken = top.taken || top.active;
		return undefined;
	}
}
