/**
 * One line of a section while it is being understood, and the tables of keywords that understand it.
 *
 * A table row says what a keyword is called, in which sections it may stand and what becomes of it:
 * built (it has a `parse`), accepted without effect (it says so once), or refused by name. Looking up,
 * refusing unknown words, offering the nearest known one and counting arguments are done here, once, for
 * every section.
 */
import { type Diagnostics, didYouMean, type Place } from '../core/diagnostics.js';
import { type Parsed, parseSize, parseTimeMs } from '../core/units.js';
import { remarkPending } from './features.js';
import type { Line } from './model.js';

export class Statement {
	readonly place: Place;
	readonly words: readonly string[];
	/** The word that opened the section: `frontend`, `global`, ... */
	readonly section: string;
	readonly diagnostics: Diagnostics;
	/** `no` or `default` stood before the keyword. */
	readonly prefix: 'no' | 'default' | undefined;
	/** The name of the section, if it has one. */
	readonly sectionName: string;

	constructor(
		place: Place,
		words: readonly string[],
		section: string,
		diagnostics: Diagnostics,
		prefix?: 'no' | 'default',
		sectionName = '',
	) {
		this.place = place;
		this.words = words;
		this.section = section;
		this.diagnostics = diagnostics;
		this.prefix = prefix;
		this.sectionName = sectionName;
	}

	/** The word at an index, or an empty string: what is absent and what is empty are refused alike. */
	word(index: number): string {
		return this.words[index] ?? '';
	}

	alert(text: string): void {
		this.diagnostics.alert(this.place, text);
	}

	warning(text: string): void {
		this.diagnostics.warning(this.place, text);
	}

	/** The words from an index on, with their place: for those who compile rules and expressions. */
	rest(from: number): Line {
		return { place: this.place, words: this.words.slice(from) };
	}

	/** Refuses words beyond the keyword (of `keywordLength` words) and `most` arguments. */
	atMost(most: number, keywordLength = 1): boolean {
		const extra = this.words[keywordLength + most];
		if (extra === undefined) return true;
		this.alert(`'${this.words.slice(0, keywordLength).join(' ')}' cannot handle unexpected argument '${extra}'.`);
		return false;
	}

	/** The one argument of the keyword; refuses none and more than one. */
	onlyArgument(what: string, keywordLength = 1): string | undefined {
		const value = this.word(keywordLength);
		if (value === '') {
			this.alert(`'${this.words.slice(0, keywordLength).join(' ')}' expects ${what}`);
			return undefined;
		}
		return this.atMost(1, keywordLength) ? value : undefined;
	}

	/** An integer between two bounds. */
	integer(index: number, name: string, min: number, max: number): number | undefined {
		const text = this.word(index);
		const value = /^[-+]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
		if (value >= min && value <= max) return value;
		const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `between ${min} and ${max}`;
		this.alert(
			text === '' ? `'${name}' expects an integer ${range}` : `'${name}' expects an integer ${range}, got '${text}'`,
		);
		return undefined;
	}

	/** A time, in milliseconds. */
	timeMs(index: number, name: string, unit: 'us' | 'ms' | 's' = 'ms'): number | undefined {
		return this.#parsed(index, name, 'a time', (text) => parseTimeMs(text, unit));
	}

	size(index: number, name: string, max?: number): number | undefined {
		return this.#parsed(index, name, 'a size', (text) => parseSize(text, max));
	}

	#parsed(index: number, name: string, what: string, parse: (text: string) => Parsed): number | undefined {
		const text = this.word(index);
		if (text === '') {
			this.alert(`'${name}' expects ${what}`);
			return undefined;
		}
		const parsed = parse(text);
		if (parsed.ok) return parsed.value;
		this.alert(`'${name}': ${parsed.reason}`);
		return undefined;
	}

	/** One word of a closed set. */
	choice<T extends string>(index: number, name: string, choices: readonly T[]): T | undefined {
		const text = this.word(index);
		const found = choices.find((choice) => choice === text);
		if (found === undefined) {
			this.alert(
				`'${name}' expects ${choices.map((choice) => `'${choice}'`).join(', ')}${
					text === '' ? '' : `, got '${text}'${didYouMean(text, choices)}`
				}`,
			);
		}
		return found;
	}
}

/**
 * A row of a table of keywords. `name` may be several words (`timeout client`, `option httplog`); the
 * longest row that matches the line's words is taken.
 */
export interface Keyword<Draft> {
	readonly name: string;
	/** Sections of the table where it may stand; all of them when absent. */
	readonly sections?: readonly string[];
	/**
	 * On the wrong side of a proxy the line is refused. Without this it is passed over with a warning, as
	 * HAProxy does with most keywords, so that a block of lines may be pasted into any section.
	 */
	readonly strictSections?: true;
	/** `no <keyword>` and `default <keyword>` are understood by `parse`. */
	readonly invertible?: boolean;
	/** Built: puts the line into the draft, or says why not. */
	parse?(statement: Statement, draft: Draft): void;
	/** Accepted and without effect: the sentence that says why that is harmless. */
	readonly withoutEffect?: string;
	/** Refused: what to say beyond "not supported by holdfast", or true. */
	readonly refused?: string | true;
}

/** Rows that share a fate, written as one list of names. */
export function withoutEffect<Draft>(
	reason: string,
	names: readonly string[],
	sections?: readonly string[],
): readonly Keyword<Draft>[] {
	return names.map((name) => ({ name, sections, withoutEffect: reason, invertible: true }));
}

export function refused<Draft>(
	names: readonly string[],
	reason: string | true = true,
	sections?: readonly string[],
): readonly Keyword<Draft>[] {
	return names.map((name) => ({ name, sections, refused: reason }));
}

export class KeywordTable<Draft> {
	readonly #rows = new Map<string, Keyword<Draft>>();
	/** First words of rows of several words, with their second words, to name what is missing or misspelt. */
	readonly #families = new Map<string, string[]>();
	#longest = 1;

	constructor(...lists: readonly (readonly Keyword<Draft>[])[]) {
		for (const row of lists.flat()) {
			if (this.#rows.has(row.name)) throw new Error(`keyword '${row.name}' stands twice in its table`);
			this.#rows.set(row.name, row);
			const [first, ...more] = row.name.split(' ');
			if (first !== undefined && more.length > 0) {
				const family = this.#families.get(first) ?? [];
				family.push(more.join(' '));
				this.#families.set(first, family);
			}
			this.#longest = Math.max(this.#longest, more.length + 1);
		}
	}

	rows(): Iterable<Keyword<Draft>> {
		return this.#rows.values();
	}

	/** Understands one line, or says why it cannot. */
	read(statement: Statement, draft: Draft): void {
		const row = this.#find(statement.words);
		if (row === undefined) {
			this.#refuseUnknown(statement);
			return;
		}
		if (row.sections !== undefined && !row.sections.includes(statement.section)) {
			const lacks = statement.section === 'frontend' ? 'backend' : 'frontend';
			if (row.strictSections !== true && (statement.section === 'frontend' || statement.section === 'backend')) {
				statement.warning(
					`'${row.name}' ignored because ${statement.section} '${statement.sectionName}' has no ${lacks} capability.`,
				);
			} else {
				statement.alert(
					`'${row.name}' not allowed in '${statement.section}' section; it may stand in ${row.sections.join(', ')}.`,
				);
			}
			return;
		}
		if (row.refused !== undefined) {
			statement.alert(
				`'${row.name}' is not supported by holdfast${row.refused === true ? '' : ` (${row.refused})`}, in '${statement.section}' section`,
			);
			return;
		}
		if (statement.prefix !== undefined && row.invertible !== true) {
			statement.alert(`'${row.name}' cannot be prefixed with '${statement.prefix}'.`);
			return;
		}
		if (row.withoutEffect !== undefined) {
			statement.diagnostics.noticeOnce(
				row.name,
				statement.place,
				`'${row.name}' is accepted without effect: ${row.withoutEffect}.`,
			);
			return;
		}
		row.parse?.(statement, draft);
		remarkPending(row.name, statement.place, statement.diagnostics);
	}

	#find(words: readonly string[]): Keyword<Draft> | undefined {
		for (let length = Math.min(this.#longest, words.length); length > 0; length--) {
			const row = this.#rows.get(length === 1 ? (words[0] as string) : words.slice(0, length).join(' '));
			if (row !== undefined) return row;
		}
		return undefined;
	}

	#refuseUnknown(statement: Statement): void {
		const first = statement.word(0);
		const family = this.#families.get(first);
		if (family !== undefined) {
			const second = statement.word(1);
			const known = [...new Set(family.map((words) => words.split(' ')[0] as string))];
			statement.alert(
				second === ''
					? `'${first}' expects one of ${known.map((word) => `'${word}'`).join(', ')}`
					: `unknown '${first}' parameter '${second}' in '${statement.section}' section${didYouMean(second, known)}`,
			);
			return;
		}
		const known = new Set<string>();
		for (const row of this.#rows.values()) {
			if (row.sections === undefined || row.sections.includes(statement.section)) {
				known.add(row.name.split(' ')[0] as string);
			}
		}
		statement.alert(`unknown keyword '${first}' in '${statement.section}' section${didYouMean(first, known)}`);
	}
}
