/**
 * Sets of patterns, as ACLs and maps use them (manual, 7.1): which pattern does a value match, and what is stored
 * beside it? One class per way of matching behind one interface.
 *
 * Exact strings, prefixes, suffixes, integers and networks are found by hashing, however long the list is; substrings, words and regular expressions are tried one by one, as in the reference. Where
 * several patterns match, networks and prefixes answer with the longest, all others with the first of the list.
 *
 * An entry is identified by its number, so that the runtime API can name one of several equal patterns.
 */
import { asciiLower } from '../core/bytes.js';
import { NetworkMatcher } from './network-matcher.js';
import { type Matcher, type PatternEntry, removeFrom } from './pattern-entry.js';
import { compileRegex, type Regex } from './regex.js';
import type { SampleType, SampleValue } from './types.js';
import { parseInteger, toBytes, toInt, toText } from './values.js';

export const MATCH_METHODS = [
	'found',
	'bool',
	'int',
	'ip',
	'bin',
	'len',
	'str',
	'beg',
	'sub',
	'dir',
	'dom',
	'end',
	'reg',
] as const;

export type MatchMethod = (typeof MATCH_METHODS)[number];

/** The type a sample is cast to before it is matched. */
export const MATCH_INPUTS: Readonly<Record<MatchMethod, SampleType>> = {
	found: 'any',
	bool: 'sint',
	int: 'sint',
	ip: 'addr',
	bin: 'bin',
	len: 'str',
	str: 'str',
	beg: 'str',
	sub: 'str',
	dir: 'str',
	dom: 'str',
	end: 'str',
	reg: 'str',
};

export type { PatternEntry } from './pattern-entry.js';

type Changeable = { -readonly [K in keyof PatternEntry]: PatternEntry[K] };

type Added = PatternEntry | { readonly error: string };

export class PatternIndex {
	readonly method: MatchMethod;
	#matcher: Matcher;
	#entries = new Map<number, PatternEntry>();
	/** Entries by their text, in order; made at the first change by text, since most sets never change. */
	#byText: Map<string, PatternEntry[]> | undefined;
	#nextId = 1;

	constructor(method: MatchMethod) {
		this.method = method;
		this.#matcher = MATCHERS[method]();
	}

	get size(): number {
		return this.#entries.size;
	}

	entries(): IterableIterator<PatternEntry> {
		return this.#entries.values();
	}

	add(text: string, ignoreCase = false, data = ''): Added {
		const entry: PatternEntry = { id: this.#nextId, text, ignoreCase, data };
		const error = this.#matcher.add(entry);
		if (error !== undefined) return { error };
		this.#nextId++;
		this.#entries.set(entry.id, entry);
		if (this.#byText !== undefined) noteText(this.#byText, entry);
		return entry;
	}

	/** Every entry with this very text, in order. */
	entriesOf(text: string): readonly PatternEntry[] {
		if (this.#byText === undefined) {
			this.#byText = new Map();
			for (const entry of this.#entries.values()) noteText(this.#byText, entry);
		}
		return this.#byText.get(text) ?? [];
	}

	/** Changes what is stored beside entries of a text; returns how many they are. A few steps, however long the set is. */
	setDataOf(text: string, data: string): number {
		const entries = this.entriesOf(text);
		for (const entry of entries) (entry as Changeable).data = data;
		return entries.length;
	}

	/** Removes the entries of a text; returns how many they were. */
	removeText(text: string): number {
		const entries = this.entriesOf(text);
		if (entries.length === 0) return 0;
		for (const entry of entries) this.#entries.delete(entry.id);
		this.#byText?.delete(text);
		for (const entry of entries) {
			if (this.#matcher.remove?.(entry) === true) continue;
			this.#rematch();
			break;
		}
		return entries.length;
	}

	/** The entry that a value matches. The value must already be of the method's input type. */
	find(value: SampleValue): PatternEntry | undefined {
		return this.#matcher.find(value);
	}

	matches(value: SampleValue): boolean {
		return this.#matcher.find(value) !== undefined;
	}

	/** Changes what is stored beside the entries that `selects` chooses; returns how many they were. */
	setData(selects: (entry: PatternEntry) => boolean, data: string): number {
		let changed = 0;
		for (const entry of this.#entries.values()) {
			if (!selects(entry)) continue;
			(entry as Changeable).data = data;
			changed++;
		}
		return changed;
	}

	/** Removes the entries that `selects` chooses; returns how many they were. */
	remove(selects: (entry: PatternEntry) => boolean): number {
		const removed = [...this.#entries.values()].filter(selects);
		if (removed.length === 0) return 0;
		for (const { id } of removed) this.#entries.delete(id);
		this.#byText = undefined;
		this.#rematch();
		return removed.length;
	}

	clear(): void {
		this.#entries.clear();
		this.#byText = undefined;
		this.#matcher = MATCHERS[this.method]();
	}

	#rematch(): void {
		const matcher = MATCHERS[this.method]();
		for (const entry of this.#entries.values()) matcher.add(entry);
		this.#matcher = matcher;
	}
}

function noteText(byText: Map<string, PatternEntry[]>, entry: PatternEntry): void {
	const known = byText.get(entry.text);
	if (known === undefined) byText.set(entry.text, [entry]);
	else known.push(entry);
}

const earlier = (a: PatternEntry | undefined, b: PatternEntry | undefined): PatternEntry | undefined => {
	if (a === undefined || b === undefined) return a ?? b;
	return a.id < b.id ? a : b;
};

/** Strings in a hash, those to be compared without case in a second one. */
class StringHash {
	readonly #exact = new Map<string, PatternEntry>();
	readonly #folded = new Map<string, PatternEntry>();
	/** Some entry is hidden behind an equal one and would have to come forward when that goes. */
	#hides = false;

	add(key: string, entry: PatternEntry): void {
		const map = entry.ignoreCase ? this.#folded : this.#exact;
		const folded = entry.ignoreCase ? asciiLower(key) : key;
		if (!map.has(folded)) map.set(folded, entry);
		else this.#hides = true;
	}

	remove(key: string, entry: PatternEntry): boolean {
		if (this.#hides) return false;
		return removeFrom(entry.ignoreCase ? this.#folded : this.#exact, entry.ignoreCase ? asciiLower(key) : key, entry);
	}

	find(key: string): PatternEntry | undefined {
		const hit = this.#exact.get(key);
		return this.#folded.size === 0 ? hit : earlier(hit, this.#folded.get(asciiLower(key)));
	}
}

class ExactMatcher implements Matcher {
	readonly #strings = new StringHash();

	add(entry: PatternEntry): undefined {
		this.#strings.add(entry.text, entry);
	}

	find(value: SampleValue): PatternEntry | undefined {
		return this.#strings.find(toText(value));
	}

	remove(entry: PatternEntry): boolean {
		return this.#strings.remove(entry.text, entry);
	}
}

/** Hexadecimal patterns, compared byte for byte. */
class BinaryMatcher implements Matcher {
	readonly #strings = new StringHash();

	add(entry: PatternEntry): string | undefined {
		if (!/^(?:[0-9a-fA-F]{2})+$/.test(entry.text)) {
			return `'${entry.text}' is not an even number of hexadecimal digits`;
		}
		this.#strings.add(Buffer.from(entry.text, 'hex').toString('latin1'), { ...entry, ignoreCase: false });
		return undefined;
	}

	find(value: SampleValue): PatternEntry | undefined {
		return this.#strings.find(toBytes(value).toString('latin1'));
	}
}

/** Prefixes or suffixes: one hash for each length that occurs, longest first. */
class EdgeMatcher implements Matcher {
	readonly #byLength = new Map<number, StringHash>();
	#lengths: number[] = [];
	readonly #atEnd: boolean;

	constructor(atEnd: boolean) {
		this.#atEnd = atEnd;
	}

	add(entry: PatternEntry): undefined {
		const length = entry.text.length;
		let strings = this.#byLength.get(length);
		if (strings === undefined) {
			strings = new StringHash();
			this.#byLength.set(length, strings);
			this.#lengths = [...this.#lengths, length].sort((a, b) => b - a);
		}
		strings.add(entry.text, entry);
	}

	remove(entry: PatternEntry): boolean {
		return this.#byLength.get(entry.text.length)?.remove(entry.text, entry) ?? false;
	}

	find(value: SampleValue): PatternEntry | undefined {
		const text = toText(value);
		let first: PatternEntry | undefined;
		for (const length of this.#lengths) {
			if (length > text.length) continue;
			const piece = this.#atEnd ? text.slice(text.length - length) : text.slice(0, length);
			const hit = this.#byLength.get(length)?.find(piece);
			if (hit === undefined) continue;
			// The longest prefix is the finest match; suffixes are a list, of which the first counts.
			if (!this.#atEnd) return hit;
			first = earlier(first, hit);
		}
		return first;
	}
}

function removeTest(tests: { readonly entry: PatternEntry }[], entry: PatternEntry): boolean {
	const at = tests.findIndex((one) => one.entry.id === entry.id);
	if (at >= 0) tests.splice(at, 1);
	return at >= 0;
}

/** Patterns tried one by one. */
class ListMatcher implements Matcher {
	readonly #tests: { readonly entry: PatternEntry; readonly pattern: string }[] = [];
	readonly #test: (text: string, pattern: string) => boolean;
	readonly #prepare: (pattern: string) => string;
	#folds = false;

	constructor(test: (text: string, pattern: string) => boolean, prepare: (pattern: string) => string = (one) => one) {
		this.#test = test;
		this.#prepare = prepare;
	}

	add(entry: PatternEntry): undefined {
		const pattern = this.#prepare(entry.ignoreCase ? asciiLower(entry.text) : entry.text);
		this.#folds ||= entry.ignoreCase;
		this.#tests.push({ entry, pattern });
	}

	remove(entry: PatternEntry): boolean {
		return removeTest(this.#tests, entry);
	}

	find(value: SampleValue): PatternEntry | undefined {
		const text = toText(value);
		const folded = this.#folds ? asciiLower(text) : text;
		for (const { entry, pattern } of this.#tests) {
			if (this.#test(entry.ignoreCase ? folded : text, pattern)) return entry;
		}
		return undefined;
	}
}

/** Whether `word` stands in `text` between delimiters, or its ends. */
function hasWord(text: string, word: string, delimiters: string): boolean {
	if (word === '') return false;
	for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
		const end = at + word.length;
		const startsThere = at === 0 || delimiters.includes(text.charAt(at - 1));
		if (startsThere && (end === text.length || delimiters.includes(text.charAt(end)))) return true;
	}
	return false;
}

/** Delimiters of `dir` and `dom`. Those at the ends of a pattern are ignored. */
const DIR_DELIMITERS = '/?';
const DOM_DELIMITERS = '/?.:';

function stripDelimiters(pattern: string, delimiters: string): string {
	let start = 0;
	let end = pattern.length;
	while (start < end && delimiters.includes(pattern.charAt(start))) start++;
	while (end > start && delimiters.includes(pattern.charAt(end - 1))) end--;
	return pattern.slice(start, end);
}

function wordMatcher(delimiters: string): Matcher {
	return new ListMatcher(
		(text, word) => hasWord(text, word, delimiters),
		(pattern) => stripDelimiters(pattern, delimiters),
	);
}

class RegexMatcher implements Matcher {
	readonly #tests: { readonly entry: PatternEntry; readonly regex: Regex }[] = [];

	add(entry: PatternEntry): string | undefined {
		const regex = compileRegex(entry.text, { ignoreCase: entry.ignoreCase });
		if (typeof regex === 'string') return `regex '${entry.text}' is invalid (error=${regex})`;
		this.#tests.push({ entry, regex });
		return undefined;
	}

	remove(entry: PatternEntry): boolean {
		return removeTest(this.#tests, entry);
	}

	find(value: SampleValue): PatternEntry | undefined {
		const text = toText(value);
		for (const { entry, regex } of this.#tests) if (regex.test(text)) return entry;
		return undefined;
	}
}

/** `5`, `1:9`, `:9`, `1:`; bounds included, undefined where open. */
interface IntRange {
	readonly entry: PatternEntry;
	readonly low: number | bigint | undefined;
	readonly high: number | bigint | undefined;
}

/** Bounds of an integer pattern, or undefined if it is not one. */
export function parseRange(text: string): Omit<IntRange, 'entry'> | undefined {
	const colon = text.indexOf(':');
	if (colon < 0) {
		const value = parseInteger(text);
		return value === undefined ? undefined : { low: value, high: value };
	}
	const lowText = text.slice(0, colon);
	const highText = text.slice(colon + 1);
	const low = lowText === '' ? undefined : parseInteger(lowText);
	const high = highText === '' ? undefined : parseInteger(highText);
	if ((low === undefined) !== (lowText === '') || (high === undefined) !== (highText === '')) return undefined;
	if (low === undefined && high === undefined) return undefined;
	if (low !== undefined && high !== undefined && low > high) return undefined;
	return { low, high };
}

/** Integers, or the lengths of strings: single ones hashed, ranges one by one. */
class IntMatcher implements Matcher {
	readonly #single = new Map<number | bigint, PatternEntry>();
	readonly #ranges: IntRange[] = [];
	readonly #ofLength: boolean;

	constructor(ofLength: boolean) {
		this.#ofLength = ofLength;
	}

	add(entry: PatternEntry): string | undefined {
		const range = parseRange(entry.text);
		if (range === undefined) return `'${entry.text}' is not a number`;
		const { low, high } = range;
		if (low !== undefined && low === high) {
			if (!this.#single.has(low)) this.#single.set(low, entry);
		} else this.#ranges.push({ entry, low, high });
		return undefined;
	}

	find(value: SampleValue): PatternEntry | undefined {
		const number = this.#ofLength ? toText(value).length : toInt(value);
		if (number === undefined) return undefined;
		const single = this.#single.get(number);
		for (const { entry, low, high } of this.#ranges) {
			if (single !== undefined && single.id < entry.id) return single;
			if ((low === undefined || number >= low) && (high === undefined || number <= high)) return entry;
		}
		return single;
	}
}

/** `found` and `bool` take no pattern; what is given is kept and does not matter. */
class NoPatternMatcher implements Matcher {
	readonly #entries: PatternEntry[] = [];
	readonly #isBool: boolean;

	constructor(isBool: boolean) {
		this.#isBool = isBool;
	}

	add(entry: PatternEntry): undefined {
		this.#entries.push(entry);
	}

	find(value: SampleValue): PatternEntry | undefined {
		return !this.#isBool || toInt(value) !== 0 ? ALWAYS : undefined;
	}
}

const ALWAYS: PatternEntry = { id: 0, text: '', ignoreCase: false, data: '' };

const MATCHERS: Readonly<Record<MatchMethod, () => Matcher>> = {
	found: () => new NoPatternMatcher(false),
	bool: () => new NoPatternMatcher(true),
	int: () => new IntMatcher(false),
	len: () => new IntMatcher(true),
	ip: () => new NetworkMatcher(),
	bin: () => new BinaryMatcher(),
	str: () => new ExactMatcher(),
	beg: () => new EdgeMatcher(false),
	end: () => new EdgeMatcher(true),
	sub: () => new ListMatcher((text, pattern) => text.includes(pattern)),
	dir: () => wordMatcher(DIR_DELIMITERS),
	dom: () => wordMatcher(DOM_DELIMITERS),
	reg: () => new RegexMatcher(),
};
