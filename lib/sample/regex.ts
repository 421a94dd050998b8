/**
 * Regular expressions of the configuration (manual, 7.1.4): Perl's syntax, over byte strings, and never able to
 * stall the process.
 *
 * A backtracking engine is fast on ordinary patterns and takes for ever on a few, when a client sends the right
 * text. So a pattern is parsed once, when the file is read (`regex-syntax.ts`), and judged: how fast may the
 * work grow with the length of the text? While text and pattern keep it under a budget, JavaScript's engine
 * runs; beyond, the same pattern runs on re2js, whose time is linear. What re2js cannot do (look-around, back
 * references) is accepted where its growth is bounded, with a text too long counting as no match, just as
 * PCRE gives up at its match limit; where the growth is exponential the line is refused.
 *
 * What it gives up: possessive and atomic groups, recursion, callouts and Unicode properties are refused by
 * name, and `$` does not match before a final newline.
 */

import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { reasonOf } from '../core/errors.js';
import { type RegexCost, translateRegex } from './regex-syntax.js';

/** Steps that a backtracking search may take: a few milliseconds. */
const BACKTRACKING_BUDGET = 2_000_000;
/** The same for patterns that have no linear form. */
const LAST_RESORT_BUDGET = 50_000_000;

type LinearEngine = { readonly RE2JS: typeof RE2JS };
const require = createRequire(import.meta.url);

/** Loaded by the first pattern that needs it: most configurations have none, and every thread would pay. */
function linearEngine(): typeof RE2JS {
	return (require('re2js') as LinearEngine).RE2JS;
}

/** One match: where it is, and its groups (0 is the whole match). */
export interface RegexMatch {
	readonly start: number;
	readonly end: number;
	readonly groups: readonly (string | undefined)[];
}

export class Regex {
	readonly source: string;
	readonly groupCount: number;
	/** Longest text for the backtracking engine. */
	readonly #backtrackingLimit: number;
	/** Longest text at all. */
	readonly #lengthLimit: number;
	readonly #backtracking: RegExp;
	readonly #linear: RE2JS | undefined;

	constructor(
		source: string,
		groupCount: number,
		backtracking: RegExp,
		linear: RE2JS | undefined,
		backtrackingLimit: number,
		lengthLimit: number,
	) {
		this.source = source;
		this.groupCount = groupCount;
		this.#backtracking = backtracking;
		this.#linear = linear;
		this.#backtrackingLimit = backtrackingLimit;
		this.#lengthLimit = lengthLimit;
	}

	/** True when long texts are matched in linear time rather than by backtracking. */
	get isLinearBeyond(): number | undefined {
		return this.#linear === undefined ? undefined : this.#backtrackingLimit;
	}

	test(text: string): boolean {
		if (text.length <= this.#backtrackingLimit) {
			this.#backtracking.lastIndex = 0;
			return this.#backtracking.test(text);
		}
		if (this.#linear !== undefined) return this.#linear.matcher(text).find();
		if (text.length > this.#lengthLimit) return false;
		this.#backtracking.lastIndex = 0;
		return this.#backtracking.test(text);
	}

	/** The whole match and its groups, or undefined. */
	exec(text: string): readonly (string | undefined)[] | undefined {
		return this.match(text)?.groups;
	}

	/** The first match at or after `from`. */
	match(text: string, from = 0): RegexMatch | undefined {
		if (text.length > this.#backtrackingLimit) {
			if (this.#linear !== undefined) return this.#matchLinear(this.#linear, text, from);
			if (text.length > this.#lengthLimit) return undefined;
		}
		this.#backtracking.lastIndex = from;
		const match = this.#backtracking.exec(text);
		if (match === null) return undefined;
		return { start: match.index, end: match.index + match[0].length, groups: match };
	}

	#matchLinear(linear: RE2JS, text: string, from: number): RegexMatch | undefined {
		const matcher = linear.matcher(text);
		if (!matcher.find(from)) return undefined;
		const groups: (string | undefined)[] = [];
		for (let i = 0; i <= this.groupCount; i++) groups.push(matcher.group(i) ?? undefined);
		return { start: matcher.start(), end: matcher.end(), groups };
	}
}

/** Longest text whose search stays within `budget` steps. */
function lengthWithin(budget: number, cost: RegexCost): number {
	if (cost.isExponential) return 0;
	const steps = budget / 2 ** cost.choices;
	return cost.degree <= 0 ? Number.POSITIVE_INFINITY : Math.floor(steps ** (1 / cost.degree));
}

/** Compiles a pattern; a string says what is wrong with it. */
export function compileRegex(source: string, options: { readonly ignoreCase?: boolean } = {}): Regex | string {
	const translated = translateRegex(source, options.ignoreCase ?? false);
	if ('error' in translated) return translated.error;
	let backtracking: RegExp;
	try {
		backtracking = new RegExp(translated.text, 'g');
	} catch (error) {
		return reasonOf(error);
	}
	const { cost } = translated;
	let linear: RE2JS | undefined;
	if (!cost.needsBacktracking) {
		try {
			linear = linearEngine().compile(translated.text);
		} catch {
			// Too large for it, such as a repetition above 1000: judged below like the other exceptions.
		}
	}
	if (linear === undefined && cost.isExponential) {
		return 'refused: nested repetitions beside look-around or back references can take for ever on some texts; please simplify it';
	}
	return new Regex(
		source,
		translated.groupCount,
		backtracking,
		linear,
		lengthWithin(BACKTRACKING_BUDGET, cost),
		lengthWithin(LAST_RESORT_BUDGET, cost),
	);
}

/** `\0` to `\9` in a replacement stand for the groups of the match, `\\` for a backslash. */
export function expandReferences(replacement: string, groups: readonly (string | undefined)[]): string {
	if (replacement.indexOf('\\') < 0) return replacement;
	let text = '';
	for (let i = 0; i < replacement.length; i++) {
		const code = replacement.charCodeAt(i);
		if (code !== 92) {
			text += replacement.charAt(i);
			continue;
		}
		i++;
		const digit = replacement.charCodeAt(i) - 48;
		if (digit >= 0 && digit <= 9) text += groups[digit] ?? '';
		else if (replacement[i] === 'x' && /^[0-9a-fA-F]{2}$/.test(replacement.slice(i + 1, i + 3))) {
			text += String.fromCharCode(Number.parseInt(replacement.slice(i + 1, i + 3), 16));
			i += 2;
		} else text += replacement.charAt(i);
	}
	return text;
}
