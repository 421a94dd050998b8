/**
 * `json_query(<path>[,int])` (manual, 7.3.1): one scalar out of a JSON text. The text is scanned up to the value and no
 * further, nothing is built of it, so a body of any size costs one pass; what follows the value is not looked at, and
 * may even be missing, as in the reference.
 *
 * The path is `$`, `.name` and `[number]`; a backslash protects a dot or bracket in a name. Numbers come as text of six
 * digits (`%g`), or with `int` as integers; strings are freed from their escapes; objects, arrays and `null` are no
 * samples. Beyond the reference, `\/` in a string is a slash, which it refuses.
 */
import type { ArgumentSpec, ArgumentValue, CompileContext, ConverterDescriptor, SampleValue } from '../types.js';
import { readInt } from '../values.js';
import { optional, required, textArgument } from './define.js';

/** Nesting that is followed; deeper texts have no values. */
const DEPTH_MAX = 20;

export type JsonPath = readonly (string | number)[];

/** Undefined for a text that does not begin with `$`, or goes on with anything else than a dot or a bracket. */
export function parseJsonPath(text: string): JsonPath | undefined {
	if (!text.startsWith('$')) return undefined;
	const segments: (string | number)[] = [];
	let at = 1;
	while (at < text.length) {
		if (text[at] === '[') {
			const end = text.indexOf(']', at);
			segments.push(Number(readInt(text.slice(at + 1, end < 0 ? undefined : end))));
			at = end < 0 ? text.length : end + 1;
		} else if (text[at] === '.') {
			let name = '';
			for (at++; at < text.length && text[at] !== '.' && text[at] !== '['; at++) {
				if (text[at] === '\\' && at + 1 < text.length) at++;
				name += text.charAt(at);
			}
			segments.push(name);
		} else return undefined;
	}
	return segments;
}

/** The raw text of a scalar, a string with its quotes; undefined: none is there. */
export function findJson(text: string, path: JsonPath): string | undefined {
	return new Scanner(text, path).find();
}

class Scanner {
	readonly #text: string;
	readonly #path: JsonPath;
	#at = 0;
	/** The text is no JSON up to here: the search is over. */
	#failed = false;

	constructor(text: string, path: JsonPath) {
		this.#text = text;
		this.#path = path;
	}

	find(): string | undefined {
		return this.#value(0, 0);
	}

	/** Passes over one value; the token, if the path ends within it. `segment` is Infinity outside of the path. */
	#value(segment: number, depth: number): string | undefined {
		const char = this.#peek();
		if (char === '{' || char === '[') {
			if (depth >= DEPTH_MAX) return this.#fail();
			this.#at++;
			return char === '{' ? this.#members(segment, depth + 1) : this.#elements(segment, depth + 1);
		}
		const start = this.#at;
		if (!this.#passScalar(char)) return this.#fail();
		return segment === this.#path.length ? this.#text.slice(start, this.#at) : undefined;
	}

	#members(segment: number, depth: number): string | undefined {
		const wanted = this.#path[segment];
		if (this.#take('}')) return undefined;
		for (;;) {
			this.#peek();
			const start = this.#at + 1;
			if (!this.#passString()) return this.#fail();
			const isIt = wanted === this.#text.slice(start, this.#at - 1);
			if (!this.#take(':')) return this.#fail();
			const found = this.#value(isIt ? segment + 1 : Number.POSITIVE_INFINITY, depth);
			if (found !== undefined || this.#failed) return found;
			if (this.#take('}')) return undefined;
			if (!this.#take(',')) return this.#fail();
		}
	}

	#elements(segment: number, depth: number): string | undefined {
		const wanted = this.#path[segment];
		if (this.#take(']')) return undefined;
		for (let index = 0; ; index++) {
			const found = this.#value(wanted === index ? segment + 1 : Number.POSITIVE_INFINITY, depth);
			if (found !== undefined || this.#failed) return found;
			if (this.#take(']')) return undefined;
			if (!this.#take(',')) return this.#fail();
		}
	}

	#passScalar(char: string): boolean {
		if (char === '"') return this.#passString();
		SCALAR.lastIndex = this.#at;
		const match = SCALAR.exec(this.#text);
		if (match === null) return false;
		this.#at = SCALAR.lastIndex;
		return true;
	}

	#passString(): boolean {
		if (this.#text[this.#at] !== '"') return false;
		for (let at = this.#at + 1; at < this.#text.length; at++) {
			const char = this.#text[at];
			if (char === '\\') at++;
			else if (char === '"') {
				this.#at = at + 1;
				return true;
			}
		}
		return false;
	}

	/** The next character that is no blank. */
	#peek(): string {
		while (BLANKS.includes(this.#text.charAt(this.#at)) && this.#at < this.#text.length) this.#at++;
		return this.#text.charAt(this.#at);
	}

	#take(char: string): boolean {
		if (this.#peek() !== char) return false;
		this.#at++;
		return true;
	}

	#fail(): undefined {
		this.#failed = true;
	}
}

const BLANKS = ' \t\r\n';
const SCALAR = /true|false|null|[-0-9][-+0-9.eE]*/y;

const ESCAPES: ReadonlyMap<string, string> = new Map([
	['b', '\b'],
	['f', '\f'],
	['n', '\n'],
	['r', '\r'],
	['t', '\t'],
	['"', '"'],
	['\\', '\\'],
	['/', '/'],
]);

/** Without quotes and escapes; `\u` stands for one byte, so only `\u0001` to `\u00ff` have one. */
function unescapeJson(raw: string): string | undefined {
	const text = raw.slice(1, -1);
	if (!text.includes('\\')) return text;
	let result = '';
	for (let at = 0; at < text.length; at++) {
		const char = text.charAt(at);
		if (char !== '\\') {
			result += char;
			continue;
		}
		at++;
		const escaped = ESCAPES.get(text.charAt(at));
		if (escaped !== undefined) {
			result += escaped;
			continue;
		}
		const code = /^u00([0-9a-fA-F]{2})/.exec(text.slice(at, at + 5));
		if (code === null) return undefined;
		result += String.fromCharCode(Number.parseInt(code[1] ?? '', 16));
		at += 4;
	}
	return result;
}

/** As C's `%g` has it: six significant digits, an exponent of at least two. */
export function formatG(value: number): string {
	if (!Number.isFinite(value)) return value > 0 ? 'inf' : value < 0 ? '-inf' : 'nan';
	if (Object.is(value, -0)) return '-0';
	if (value === 0) return '0';
	const [mantissa = '', exponentText = '0'] = sixDigits(value).split('e');
	const exponent = Number(exponentText);
	if (exponent >= -4 && exponent < 6) return trimZeroes(Number(`${mantissa}e${exponentText}`).toFixed(5 - exponent));
	const digits = String(Math.abs(exponent)).padStart(2, '0');
	return `${trimZeroes(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`;
}

/** `d.ddddde+x`. C rounds a tie to the even digit, JavaScript away from zero. */
function sixDigits(value: number): string {
	const rounded = value.toExponential(5);
	// Only a value of few digits can be a tie, and those are exact here.
	const exact = value.toExponential(20);
	if (!/^-?\d\.\d{4}[02468]50{14}e/.test(exact)) return rounded;
	return exact.replace(/50{14}e/, 'e');
}

const trimZeroes = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

/** What C's `strtod` makes of a token. */
function readDouble(token: string): number {
	const number = /^-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?/.exec(token);
	return number === null ? 0 : Number(number[0]);
}

/** Beyond 2^53 JSON numbers are not exact (RFC 8259, section 6): no sample. */
function readInteger(token: string): SampleValue | undefined {
	const value = readInt(token);
	return typeof value === 'number' ? value : undefined;
}

/** The sample of a token. */
export function jsonSample(token: string | undefined, asInteger: boolean): SampleValue | undefined {
	switch (token?.[0]) {
		case undefined:
		case 'n':
			return undefined;
		case 't':
			return true;
		case 'f':
			return false;
		case '"':
			return unescapeJson(token ?? '');
		default:
			return asInteger ? readInteger(token ?? '') : formatG(readDouble(token ?? ''));
	}
}

/** Reads `<path>[,int]`. */
export function checkJsonArguments(
	path: ArgumentValue,
	type: ArgumentValue,
	context: CompileContext,
): string | undefined {
	const text = textArgument(path) ?? '';
	if (text === '') return 'json_path must not be empty.';
	if ((textArgument(type) || 'int') !== 'int') return 'output_type only supports "int" as argument.';
	if (parseJsonPath(text) === undefined) {
		context.diagnostics.warning(context.place, `the path '${text}' finds nothing: it must begin with '$.' or '$['.`);
	}
	return undefined;
}

/** The query of checked arguments. */
export function compileJsonQuery(path: ArgumentValue, type: ArgumentValue): (text: string) => SampleValue | undefined {
	const segments = parseJsonPath(textArgument(path) ?? '');
	const asInteger = textArgument(type) === 'int';
	return (text) => (segments === undefined ? undefined : jsonSample(findJson(text, segments), asInteger));
}

const ARGS: readonly ArgumentSpec[] = [required('string'), optional('string')];

export const JSON_CONVERTERS: readonly ConverterDescriptor[] = [
	{
		name: 'json_query',
		args: ARGS,
		input: 'str',
		output: 'any',
		check: ([path, type], context) => checkJsonArguments(path, type, context),
		compile: ([path, type]) => {
			const query = compileJsonQuery(path, type);
			return (value) => query(value as string);
		},
	},
];
