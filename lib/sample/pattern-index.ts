/**
 * Sets of patterns, as ACLs and maps use them (manual, 7.1): which pattern does a value match, and what is stored
 * beside it? One class per way of matching behind one interface.
 *
 * Exact strings, prefixes, suffixes, integers and networks are found by hashing, however long the list is; substrings, words and regular expressions are tried one by one, as in the reference. Where
 * several patterns match, networks and prefixes answer with the longest, all others with the first of the list.
 *
 * An entry is identified by its number, so that the runtime API can name one of several equal patterns.
 */
import { IpAddress } from '../core/address.js';
import { asciiLower } from '../core/bytes.js';
import { compileRegex, type Regex } from './regex.js';
import type { SampleType, SampleValue } from './types.js';
import { parseInteger, readInt, toAddress, toBytes, toInt, toText } from './values.js';

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

export interface PatternEntry {
	readonly id: number;
	/** The pattern as it was written. */
	readonly text: string;
	readonly ignoreCase: boolean;
	/** The second column of a map; empty for ACLs. */
	readonly data: string;
}

type Added = PatternEntry | { readonly error: string };

/** One way of matching; `PatternIndex` keeps the entries in order and rebuilds it after a removal. */
interface Matcher {
	/** A sentence on what is wrong with the pattern, or undefined. */
	add(entry: PatternEntry): string | undefined;
	find(value: SampleValue): PatternEntry | undefined;
}

export class PatternIndex {
	readonly method: MatchMethod;
	#matcher: Matcher;
	#entries = new Map<number, PatternEntry>();
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
		return entry;
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
		return this.#rebuild((entry) => (selects(entry) ? { ...entry, data } : entry));
	}

	/** Removes the entries that `selects` chooses; returns how many they were. */
	remove(selects: (entry: PatternEntry) => boolean): number {
		return this.#rebuild((entry) => (selects(entry) ? undefined : entry));
	}

	clear(): void {
		this.#entries.clear();
		this.#matcher = MATCHERS[this.method]();
	}

	#rebuild(change: (entry: PatternEntry) => PatternEntry | undefined): number {
		let changed = 0;
		const matcher = MATCHERS[this.method]();
		const entries = new Map<number, PatternEntry>();
		for (const entry of this.#entries.values()) {
			const result = change(entry);
			if (result !== entry) changed++;
			if (result === undefined) continue;
			entries.set(result.id, result);
			matcher.add(result);
		}
		if (changed > 0) {
			this.#entries = entries;
			this.#matcher = matcher;
		}
		return changed;
	}
}

const earlier = (a: PatternEntry | undefined, b: PatternEntry | undefined): PatternEntry | undefined => {
	if (a === undefined || b === undefined) return a ?? b;
	return a.id < b.id ? a : b;
};

/** Strings in a hash, those to be compared without case in a second one. */
class StringHash {
	readonly #exact = new Map<string, PatternEntry>();
	readonly #folded = new Map<string, PatternEntry>();

	add(key: string, entry: PatternEntry): void {
		const map = entry.ignoreCase ? this.#folded : this.#exact;
		const folded = entry.ignoreCase ? asciiLower(key) : key;
		if (!map.has(folded)) map.set(folded, entry);
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

/**
 * Networks by prefix length, longest first, each length a hash of the masked bits. A list has few lengths, so a
 * lookup is a few hash reads; a binary trie of 100,000 networks would be two million objects.
 */
class NetworkTable {
	readonly #v4 = new Map<number, Map<number, PatternEntry>>();
	readonly #v6 = new Map<number, Map<string, PatternEntry>>();
	#v4Lengths: readonly number[] = [];
	#v6Lengths: readonly number[] = [];

	add(network: IpAddress, prefixLength: number, entry: PatternEntry): void {
		if (network.v6 === undefined) {
			let known = this.#v4.get(prefixLength);
			if (known === undefined) {
				known = new Map();
				this.#v4.set(prefixLength, known);
				this.#v4Lengths = [...this.#v4.keys()].sort((a, b) => b - a);
			}
			if (!known.has(network.v4)) known.set(network.v4, entry);
			return;
		}
		let known = this.#v6.get(prefixLength);
		if (known === undefined) {
			known = new Map();
			this.#v6.set(prefixLength, known);
			this.#v6Lengths = [...this.#v6.keys()].sort((a, b) => b - a);
		}
		const key = network.mask(prefixLength).toString();
		if (!known.has(key)) known.set(key, entry);
	}

	findV4(address: IpAddress): PatternEntry | undefined {
		for (const length of this.#v4Lengths) {
			const masked = length === 0 ? 0 : (address.v4 & (-1 << (32 - length))) >>> 0;
			const hit = this.#v4.get(length)?.get(masked);
			if (hit !== undefined) return hit;
		}
		return undefined;
	}

	findV6(address: IpAddress): PatternEntry | undefined {
		for (const length of this.#v6Lengths) {
			const hit = this.#v6.get(length)?.get(address.mask(length).toString());
			if (hit !== undefined) return hit;
		}
		return undefined;
	}
}

/** Networks of one mask that is no prefix, `10.0.0.1/255.0.0.255`: rare, one by one. */
interface MaskedNetwork {
	readonly entry: PatternEntry;
	readonly network: number;
	readonly mask: number;
}

class NetworkMatcher implements Matcher {
	readonly #networks = new NetworkTable();
	readonly #masked: MaskedNetwork[] = [];

	add(entry: PatternEntry): string | undefined {
		const network = parseNetwork(entry.text);
		if (network === undefined) return `'${entry.text}' is not a valid IPv4 or IPv6 address`;
		const { address } = network;
		if (network.prefixLength !== undefined) this.#networks.add(address, network.prefixLength, entry);
		else this.#masked.push({ entry, network: (address.v4 & network.mask) >>> 0, mask: network.mask });
		return undefined;
	}

	/** Across families as manual 7.1.6 says: IPv4 as `::ffff:a.b.c.d`, IPv6 as the IPv4 address it carries. */
	find(value: SampleValue): PatternEntry | undefined {
		const address = toAddress(value);
		if (address === undefined) return undefined;
		if (address.family === 4) return this.#findV4(address) ?? this.#networks.findV6(address.toV6());
		const v4 = carriedV4(address);
		return this.#networks.findV6(address) ?? (v4 === undefined ? undefined : this.#findV4(v4));
	}

	#findV4(address: IpAddress): PatternEntry | undefined {
		const hit = this.#networks.findV4(address);
		if (hit !== undefined || this.#masked.length === 0) return hit;
		return this.#masked.find((one) => (address.v4 & one.mask) >>> 0 === one.network)?.entry;
	}
}

/** The IPv4 address inside an IPv6 one: `::ffff:a.b.c.d`, `::a.b.c.d`, or any address of a 6to4 network. */
function carriedV4(address: IpAddress): IpAddress | undefined {
	const bytes = address.v6;
	if (bytes?.[0] !== 0x20 || bytes[1] !== 0x02) return address.toV4();
	return IpAddress.fromV4(Buffer.from(bytes.buffer, bytes.byteOffset, 16).readUInt32BE(2));
}

interface Network {
	readonly address: IpAddress;
	/** Undefined for an IPv4 mask whose ones are not all in front. */
	readonly prefixLength: number | undefined;
	readonly mask: number;
}

/** `a.b.c.d[/mask]`, with the abbreviations of manual 7.1.6, or `v6[/bits]`. */
export function parseNetwork(text: string): Network | undefined {
	const slash = text.indexOf('/');
	const host = slash < 0 ? text : text.slice(0, slash);
	const maskText = slash < 0 ? undefined : text.slice(slash + 1);
	if (host.includes(':')) {
		const address = IpAddress.parse(host);
		if (address === undefined) return undefined;
		if (maskText !== undefined && !/^\d{1,3}$/.test(maskText)) return undefined;
		const prefixLength = maskText === undefined ? 128 : Number(maskText);
		return prefixLength > 128 ? undefined : { address: address.mask(prefixLength), prefixLength, mask: 0 };
	}
	const v4 = parseAbbreviatedV4(host);
	if (v4 === undefined) return undefined;
	const address = IpAddress.fromV4(v4);
	if (maskText === undefined) return { address, prefixLength: 32, mask: 0xffffffff };
	if (/^\d{1,2}$/.test(maskText)) {
		const prefixLength = Number(maskText);
		return prefixLength > 32 ? undefined : { address: address.mask(prefixLength), prefixLength, mask: 0 };
	}
	const mask = IpAddress.parse(maskText);
	if (mask?.family !== 4) return undefined;
	const ones = Math.clz32(~mask.v4);
	const isPrefix = ones === 32 || (mask.v4 << ones) >>> 0 === 0;
	return { address, prefixLength: isPrefix ? ones : undefined, mask: mask.v4 };
}

/** `127.1` is 127.0.0.1: the last number fills what the others leave. */
function parseAbbreviatedV4(text: string): number | undefined {
	if (!/^\d{1,3}(?:\.\d{1,3}){0,3}$/.test(text)) return undefined;
	const numbers = text.split('.').map((part) => Number(readInt(part)));
	if (numbers.some((one) => one > 255)) return undefined;
	const last = numbers.pop() ?? 0;
	while (numbers.length < 3) numbers.push(0);
	return numbers.reduce((sum, one) => sum * 256 + one, 0) * 256 + last;
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
