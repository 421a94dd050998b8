/**
 * The part of an ACL line after its expression: flags, the way of matching, operators and patterns (manual, 7.1).
 * The result is a list of pattern sets; a value matches when it matches in one of them. Sets are shared by
 * name through the registry, so that a file read by many ACLs is held once and changed once at run time.
 */
import { didYouMean } from '../core/diagnostics.js';
import { patternFileLines } from '../sample/pattern-file.js';
import { MATCH_INPUTS, MATCH_METHODS, type MatchMethod, PatternIndex, parseRange } from '../sample/pattern-index.js';
import { indexKey, patternRegistry } from '../sample/pattern-registry.js';
import type { CompileContext, SampleType } from '../sample/types.js';
import { canCast } from '../sample/values.js';

export interface AclPatterns {
	readonly method: MatchMethod;
	readonly input: SampleType;
	readonly indexes: readonly PatternIndex[];
}

/** What the words say, before the method is known to be the last word. */
interface PatternSource {
	readonly text: string;
	readonly file: boolean;
	readonly isMap: boolean;
	readonly ignoreCase: boolean;
}

const DEFAULT_METHODS: Partial<Record<SampleType, MatchMethod>> = {
	bool: 'bool',
	sint: 'int',
	addr: 'ip',
	ipv4: 'ip',
	ipv6: 'ip',
	str: 'str',
	meth: 'str',
};

/** Each operator as the range it stands for. */
const OPERATORS: ReadonlyMap<string, (bound: number | bigint) => string> = new Map([
	['eq', (bound: number | bigint) => `${bound}`],
	['ge', (bound: number | bigint) => `${bound}:`],
	['gt', (bound: number | bigint) => `${BigInt(bound) + 1n}:`],
	['le', (bound: number | bigint) => `:${bound}`],
	['lt', (bound: number | bigint) => `:${BigInt(bound) - 1n}`],
]);

/**
 * Reads flags and patterns from `words[start]` on. `keywordMethod` is that of an ACL keyword such as `path_beg`;
 * `label` names the ACL in messages and in the runtime API.
 */
export function compilePatterns(
	words: readonly string[],
	start: number,
	type: SampleType,
	keywordMethod: MatchMethod | undefined,
	expressionText: string,
	label: string,
	context: CompileContext,
): AclPatterns | { readonly error: string } {
	let method = keywordMethod;
	let ignoreCase = false;
	let isMap = false;
	let id: number | undefined;
	let endOfFlags = false;
	const sources: PatternSource[] = [];
	let at = start;
	for (; at < words.length && !endOfFlags; at++) {
		const word = words[at] ?? '';
		if (!word.startsWith('-') || word === '-') break;
		const argument = words[at + 1];
		switch (word) {
			case '-i':
				ignoreCase = true;
				break;
			case '-n':
				// Host names are never resolved here: with this flag or without, a pattern must be an address.
				break;
			case '-M':
				isMap = true;
				break;
			case '--':
				endOfFlags = true;
				break;
			case '-u':
				if (argument === undefined || !/^\d+$/.test(argument)) return { error: "flag '-u' expects a number" };
				id = Number(argument);
				at++;
				break;
			case '-f':
				if (argument === undefined) return { error: "flag '-f' expects the name of a file" };
				sources.push({ text: argument, file: true, isMap, ignoreCase });
				at++;
				break;
			case '-m': {
				const named = MATCH_METHODS.find((one) => one === argument);
				if (sources.length > 0)
					return { error: "'-m' must only be specified before patterns and files in parsing ACL expression" };
				if (named === undefined) {
					return {
						error: `unknown matching method '${argument ?? ''}' when parsing ACL expression${didYouMean(argument ?? '', MATCH_METHODS)}`,
					};
				}
				method = named;
				at++;
				break;
			}
			default:
				return {
					error: `'${word}' is not a valid ACL option. Please use '--' before any pattern beginning with a '-'`,
				};
		}
	}
	method ??= DEFAULT_METHODS[type];
	if (method === undefined) {
		return {
			error: `matching method must be specified first (using '-m') when using a sample fetch of this type ('${type}')`,
		};
	}
	const input = MATCH_INPUTS[method];
	if (!canCast(type, input)) {
		return { error: `matching method '${method}' cannot be used with fetch keyword '${expressionText}'` };
	}
	const isDotted = method === 'int' && DOTTED_FETCH.test(expressionText);
	const patterns = readPatterns(isDotted ? words.slice(at).map(fromDotted) : words.slice(at), method);
	if ('error' in patterns) return patterns;
	if (sources.length === 0 && patterns.list.length === 0 && !endOfFlags && method !== 'bool' && method !== 'found') {
		context.diagnostics.warning(
			context.place,
			`${label}: no pattern to match against were provided for '${expressionText}', so this ACL will never match. ` +
				"If this is what you intended, please add '--' to get rid of this warning. " +
				"If you intended to match only for existence, please use '-m found'. " +
				"If you wanted to force an int to match as a bool, please use '-m bool'.",
		);
	}
	return buildIndexes(method, sources, patterns.list, ignoreCase, id, expressionText, label, context);
}

/** Fetches whose value is a version of two numbers: patterns may be written `3.1` (manual, 7.3.5 `req.ssl_ver`). */
const DOTTED_FETCH = /^req[._]ssl_ver(?![\w.])/;

/** `3.1` as the integer it stands for, 0x30001; also as a bound of a range. */
function fromDotted(word: string): string {
	return word.replace(/(\d{1,5})\.(\d{1,5})/g, (_, major: string, minor: string) =>
		String(Number(major) * 65536 + Number(minor)),
	);
}

/** Patterns of the line itself; `gt 5` becomes the range it stands for. */
function readPatterns(
	words: readonly string[],
	method: MatchMethod,
): { readonly list: readonly string[] } | { readonly error: string } {
	if (method !== 'int' && method !== 'len') return { list: words };
	const list: string[] = [];
	let operator: string | undefined;
	for (const word of words) {
		if (OPERATORS.has(word)) {
			operator = word;
			continue;
		}
		if (operator === undefined) {
			list.push(word);
			continue;
		}
		// An operator holds for all values that follow, until the next one.
		const range = parseRange(word);
		const bound = operator === 'gt' || operator === 'ge' ? range?.low : range?.high;
		if (range === undefined || bound === undefined) return { error: `'${word}' is not a number` };
		list.push(operator === 'eq' ? word : (OPERATORS.get(operator)?.(bound) ?? word));
	}
	if (operator !== undefined && list.length === 0) return { error: `operator '${operator}' expects a number` };
	return { list };
}

function buildIndexes(
	method: MatchMethod,
	sources: readonly PatternSource[],
	inline: readonly string[],
	ignoreCase: boolean,
	id: number | undefined,
	expressionText: string,
	label: string,
	context: CompileContext,
): AclPatterns | { readonly error: string } {
	const registry = patternRegistry(context);
	const indexes: PatternIndex[] = [];
	for (const source of sources) {
		const content = context.file(source.text);
		if (content === undefined) return { error: `failed to open pattern file <${source.text}>` };
		const reference = registry.forFile(
			source.text,
			'acl',
			`pattern loaded from file '${source.text}' used by acl at file '${context.place.file}' line ${context.place.line}`,
		);
		const key = indexKey(method, source.ignoreCase);
		let index = reference.indexes.get(key);
		if (index === undefined) {
			index = new PatternIndex(method);
			for (const line of patternFileLines(content, source.isMap)) {
				const added = index.add(line.pattern, source.ignoreCase, line.data);
				if ('error' in added) return { error: `${added.error}, in pattern file <${source.text}> line ${line.number}` };
			}
			reference.indexes.set(key, index);
		}
		indexes.push(index);
	}
	// Also when all patterns are in files: the runtime API may add to the line's own set.
	const { file, line } = context.place;
	const fetch = /^[^(,]*/.exec(expressionText)?.[0] ?? '';
	const lineKey = label.startsWith("acl '") ? `${file}:${line}:${label}` : undefined;
	const reference = registry.forLine(`acl '${fetch}' file '${file}' line ${line}`, id, lineKey);
	if (reference === undefined) return { error: `the unique id '${id}' is already used by another ACL` };
	const key = indexKey(method, ignoreCase);
	let own = reference.indexes.get(key);
	if (own === undefined) {
		own = new PatternIndex(method);
		for (const pattern of inline) {
			const added = own.add(pattern, ignoreCase);
			if ('error' in added) return added;
		}
		reference.indexes.set(key, own);
	}
	indexes.push(own);
	return { method, input: MATCH_INPUTS[method], indexes };
}
