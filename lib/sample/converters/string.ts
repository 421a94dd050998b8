/**
 * Converters of strings (manual, 7.3.1): case, pieces of delimited text, joining with variables, substitution,
 * comparison. Results are bounded by `MAX_RESULT_BYTES`: a converter whose output would be longer fails, as in
 * the reference, where it must fit in a buffer.
 */
import { timingSafeEqual } from 'node:crypto';
import { asciiLower, asciiUpper } from '../../core/bytes.js';
import { parseVariableName, variableNameError } from '../arguments.js';
import { compileRegex, expandReferences, type Regex } from '../regex.js';
import type { ArgumentValue, ConverterDescriptor, StreamView, VariableName } from '../types.js';
import { toBytes, toText } from '../values.js';
import { direct, numberArgument, optional, required, textArgument } from './define.js';

/** Longest text a converter may make. */
export const MAX_RESULT_BYTES = 65536;

const bounded = (text: string): string | undefined => (text.length > MAX_RESULT_BYTES ? undefined : text);

function variableText(stream: StreamView, variable: VariableName): string | undefined {
	const value = stream.variables.get(variable.scope, variable.name);
	return value === undefined ? undefined : toText(value);
}

/** `field()` and `word()`: both cut at any of the delimiters; words skip what is empty. */
interface PieceOptions {
	readonly index: number;
	readonly delimiters: string;
	/** Pieces taken; 0 is all that remain. */
	readonly count: number;
}

function pieceOptions(args: readonly ArgumentValue[]): PieceOptions {
	return {
		index: numberArgument(args[0]) ?? 1,
		delimiters: textArgument(args[1]) ?? '',
		count: Math.max(0, numberArgument(args[2]) ?? 1),
	};
}

/** Bounds of the pieces of `text`, in order. */
function pieceBounds(text: string, delimiters: string, skipEmpty: boolean): (readonly [start: number, end: number])[] {
	const bounds: (readonly [number, number])[] = [];
	let start = 0;
	for (let i = 0; i <= text.length; i++) {
		if (i < text.length && !delimiters.includes(text.charAt(i))) continue;
		if (!skipEmpty || i > start) bounds.push([start, i]);
		start = i + 1;
	}
	return bounds;
}

/** From the piece `index`, `count` of them: forward from the beginning, or backward from the end. */
function takePieces(text: string, options: PieceOptions, skipEmpty: boolean): string | undefined {
	const bounds = pieceBounds(text, options.delimiters, skipEmpty);
	const { index, count } = options;
	if (index > 0) {
		const first = bounds[index - 1];
		const last = bounds[count === 0 ? bounds.length - 1 : Math.min(index - 1 + count, bounds.length) - 1];
		return first === undefined || last === undefined ? undefined : text.slice(first[0], last[1]);
	}
	const lastIndex = bounds.length + index;
	const last = bounds[lastIndex];
	const first = bounds[count === 0 ? 0 : Math.max(0, lastIndex - count + 1)];
	return first === undefined || last === undefined ? undefined : text.slice(first[0], last[1]);
}

function pieceRow(name: string, skipEmpty: boolean): ConverterDescriptor {
	return {
		name,
		args: [required('sint'), required('string'), optional('sint')],
		input: 'str',
		output: 'str',
		check: ([index, delimiters]) => {
			if (numberArgument(index) === 0) return 'unexpected value 0 for index';
			return (textArgument(delimiters) ?? '') === '' ? 'Empty separators list' : undefined;
		},
		compile: (args) => {
			const options = pieceOptions(args);
			// A field that is missing is no sample; a word that is missing is an empty one.
			const missing = skipEmpty ? '' : undefined;
			return (value) => takePieces(value as string, options, skipEmpty) ?? missing;
		},
	};
}

function trimRow(name: string, atStart: boolean): ConverterDescriptor {
	return {
		name,
		args: [required('string')],
		input: 'str',
		output: 'str',
		compile: (args) => {
			const chars = textArgument(args[0]) ?? '';
			return (value) => {
				const text = value as string;
				let start = 0;
				let end = text.length;
				if (atStart) while (start < end && chars.includes(text.charAt(start))) start++;
				else while (end > start && chars.includes(text.charAt(end - 1))) end--;
				return text.slice(start, end);
			};
		},
	};
}

function substitute(text: string, regex: Regex, replacement: string, all: boolean): string | undefined {
	let result = '';
	let from = 0;
	let at = 0;
	while (at <= text.length) {
		const match = regex.match(text, at);
		if (match === undefined) break;
		result += text.slice(from, match.start) + expandReferences(replacement, match.groups);
		from = match.end;
		// An empty match moves on by one, or it would be found for ever.
		at = match.end === match.start ? match.end + 1 : match.end;
		if (!all || result.length > MAX_RESULT_BYTES) break;
		if (match.end === match.start && match.end < text.length) {
			result += text.charAt(match.end);
			from = match.end + 1;
		}
	}
	return bounded(result + text.slice(from));
}

/** `name`, `name:port`, `[v6]`, `[v6]:port`: where the port's colon is, or -1. */
function portColon(host: string): number {
	const closing = host.lastIndexOf(']');
	const colon = host.indexOf(':', closing + 1);
	// More than one colon without brackets is an IPv6 address.
	return closing < 0 && colon >= 0 && host.indexOf(':', colon + 1) >= 0 ? -1 : colon;
}

const JSON_MODES: ReadonlySet<string> = new Set(['ascii', 'utf8', 'utf8s', 'utf8p', 'utf8ps']);

export const STRING_CONVERTERS: readonly ConverterDescriptor[] = [
	direct<string>('lower', 'str', 'str', asciiLower),
	direct<string>('upper', 'str', 'str', asciiUpper),
	direct<string>('length', 'str', 'sint', (text) => text.length),
	// Of 3.x.
	direct<string>('reverse', 'str', 'str', (text) => Array.from(text).reverse().join('')),
	{
		name: 'param',
		args: [required('string'), optional('string')],
		input: 'str',
		output: 'str',
		check: ([, delimiter]) =>
			(textArgument(delimiter) ?? '').length > 1 ? 'the delimiter must be a single character' : undefined,
		compile: ([nameArgument, delimiterArgument]) => {
			const name = textArgument(nameArgument) ?? '';
			const delimiter = textArgument(delimiterArgument) || '&';
			return (value) => parameterOf(value as string, name, delimiter);
		},
	},
	{
		name: 'bytes',
		args: [required('sint'), optional('sint')],
		input: 'bin',
		output: 'bin',
		compile: ([offsetArgument, lengthArgument]) => {
			const offset = numberArgument(offsetArgument) ?? 0;
			const length = numberArgument(lengthArgument);
			return (value) => {
				const bytes = value as Buffer;
				if (offset < 0 || offset >= bytes.length) return Buffer.alloc(0);
				return bytes.subarray(offset, length === undefined ? undefined : offset + Math.max(0, length));
			};
		},
	},
	pieceRow('field', false),
	pieceRow('word', true),
	trimRow('ltrim', true),
	trimRow('rtrim', false),
	direct<string>('cut_crlf', 'str', 'str', (text) => /^[^\r\n]*/.exec(text)?.[0] ?? ''),
	{
		name: 'concat',
		args: [optional('string'), optional('string'), optional('string')],
		input: 'str',
		output: 'str',
		check: ([, variable]) => checkVariable(variable),
		compile: ([startArgument, variableArgument, endArgument]) => {
			const start = textArgument(startArgument) ?? '';
			const end = textArgument(endArgument) ?? '';
			const variable = variableOf(variableArgument);
			return (value, stream) => {
				const middle = variable === undefined ? '' : (variableText(stream, variable) ?? '');
				return bounded((value as string) + start + middle + end);
			};
		},
	},
	{
		name: 'add_item',
		args: [required('string'), optional('string'), optional('string')],
		input: 'str',
		output: 'str',
		check: ([, variable, suffix]) => {
			if ((textArgument(variable) ?? '') === '' && (textArgument(suffix) ?? '') === '') {
				return 'one of the optional arguments has to be nonempty';
			}
			return checkVariable(variable);
		},
		compile: ([delimiterArgument, variableArgument, suffixArgument]) => {
			const delimiter = textArgument(delimiterArgument) ?? '';
			const suffix = textArgument(suffixArgument) ?? '';
			const variable = variableOf(variableArgument);
			return (value, stream) => {
				const item = variable === undefined ? '' : (variableText(stream, variable) ?? '');
				if (item === '' && suffix === '') return value;
				return bounded((value as string) + (value === '' ? '' : delimiter) + item + suffix);
			};
		},
	},
	{
		name: 'regsub',
		args: [required('regex'), required('string'), optional('string')],
		input: 'str',
		output: 'str',
		check: ([regex, , flags]) => {
			const bad = /[^gi]/.exec(textArgument(flags) ?? '');
			if (bad !== null) return `invalid regex flag '${bad[0]}', only 'i' and 'g' are supported`;
			const compiled = compileRegex(textArgument(regex) ?? '');
			return typeof compiled === 'string' ? `regex '${textArgument(regex)}' is invalid (error=${compiled})` : undefined;
		},
		compile: ([regexArgument, replacementArgument, flagsArgument]) => {
			const flags = textArgument(flagsArgument) ?? '';
			const regex = compileRegex(textArgument(regexArgument) ?? '', { ignoreCase: flags.includes('i') });
			const replacement = textArgument(replacementArgument) ?? '';
			const all = flags.includes('g');
			if (typeof regex === 'string') return () => undefined;
			return (value) => substitute(value as string, regex, replacement, all);
		},
	},
	{
		name: 'strcmp',
		args: [required('variable')],
		input: 'str',
		output: 'sint',
		compile:
			([variable]) =>
			(value, stream) => {
				const other = variableText(stream, variable as VariableName);
				if (other === undefined) return undefined;
				const text = value as string;
				return text < other ? -1 : text > other ? 1 : 0;
			},
	},
	{
		name: 'secure_memcmp',
		args: [required('variable')],
		input: 'bin',
		output: 'bool',
		compile:
			([variable]) =>
			(value, stream) => {
				const { scope, name } = variable as VariableName;
				const other = stream.variables.get(scope, name);
				if (other === undefined) return undefined;
				const bytes = toBytes(other);
				return bytes.length === (value as Buffer).length && timingSafeEqual(bytes, value as Buffer);
			},
	},
	direct<string>('host_only', 'str', 'str', (host) => {
		const colon = portColon(host);
		return asciiLower(colon < 0 ? host : host.slice(0, colon));
	}),
	// `www.example.org` is `org.example.www`, so that the domains of a map come before their hosts.
	direct<string>('reverse_dom', 'str', 'str', (domain) => domain.split('.').reverse().join('.')),
	direct<string>('port_only', 'str', 'sint', (host) => {
		const colon = portColon(host);
		const port = colon < 0 ? '' : host.slice(colon + 1);
		return /^\d{1,5}$/.test(port) ? Number(port) : 0;
	}),
	{
		name: 'json',
		args: [optional('string')],
		input: 'str',
		output: 'str',
		check: ([mode]) =>
			JSON_MODES.has(textArgument(mode) || 'ascii')
				? undefined
				: `unexpected input code type '${String(mode)}', allowed values are 'ascii', 'utf8', 'utf8s', 'utf8p' and 'utf8ps'`,
		compile: ([mode]) => {
			const name = textArgument(mode) || 'ascii';
			return (value) => escapeJson(value as string, name);
		},
	},
];

/** The first `name=value` between delimiters; a name that stands alone has an empty value. */
function parameterOf(text: string, name: string, delimiter: string): string | undefined {
	for (let at = 0; at <= text.length; ) {
		const end = text.indexOf(delimiter, at);
		const piece = text.slice(at, end < 0 ? undefined : end);
		const equals = piece.indexOf('=');
		if ((equals < 0 ? piece : piece.slice(0, equals)) === name) return equals < 0 ? '' : piece.slice(equals + 1);
		if (end < 0) return undefined;
		at = end + delimiter.length;
	}
	return undefined;
}

function checkVariable(argument: ArgumentValue): string | undefined {
	const text = textArgument(argument) ?? '';
	return text === '' || variableOf(text) !== undefined ? undefined : variableNameError(text);
}

function variableOf(argument: ArgumentValue): VariableName | undefined {
	const text = textArgument(argument) ?? '';
	return text === '' ? undefined : parseVariableName(text);
}

const JSON_ESCAPES: ReadonlyMap<number, string> = new Map([
	[0x22, '\\"'],
	[0x5c, '\\\\'],
	[0x2f, '\\/'],
	[0x08, '\\b'],
	[0x0c, '\\f'],
	[0x0a, '\\n'],
	[0x0d, '\\r'],
	[0x09, '\\t'],
]);

/** One code point of JSON text; undefined where four hexadecimal digits do not suffice. */
function jsonChar(code: number): string | undefined {
	const short = JSON_ESCAPES.get(code);
	if (short !== undefined) return short;
	if (code >= 0x20 && code <= 0x7e) return String.fromCharCode(code);
	return code > 0xffff ? undefined : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Result of reading one UTF-8 sequence: its length and what is wrong with it. */
interface Utf8Sequence {
	readonly code: number;
	readonly length: number;
	readonly bad: boolean;
	readonly overlong: boolean;
}

function readUtf8(text: string, at: number): Utf8Sequence {
	const first = text.charCodeAt(at);
	if (first < 0x80) return { code: first, length: 1, bad: false, overlong: false };
	const size = first >= 0xf8 || first < 0xc0 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (size === 1) return { code: first, length: 1, bad: true, overlong: false };
	let code = first & (0xff >> (size + 1));
	for (let i = 1; i < size; i++) {
		const next = text.charCodeAt(at + i);
		if (Number.isNaN(next) || (next & 0xc0) !== 0x80) return { code, length: i, bad: true, overlong: false };
		code = (code << 6) | (next & 0x3f);
	}
	const overlong = code < (size === 2 ? 0x80 : size === 3 ? 0x800 : 0x10000);
	const bad = (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff || code > 0x10ffff;
	return { code, length: size, bad, overlong };
}

/** `s`: faulty characters are left out; `p`: overlong ones are accepted; otherwise either makes it fail. */
function escapeJson(text: string, mode: string): string | undefined {
	if (mode === 'ascii') return Array.from(text, (char) => jsonChar(char.charCodeAt(0)) ?? '').join('');
	const permissive = mode.includes('p', 4);
	const silent = mode.endsWith('s');
	let result = '';
	for (let at = 0; at < text.length; ) {
		const sequence = readUtf8(text, at);
		at += sequence.length;
		const faulty = sequence.bad || (sequence.overlong && !permissive);
		const escaped = faulty ? undefined : jsonChar(sequence.code);
		if (escaped !== undefined) result += escaped;
		else if (!silent) return undefined;
	}
	return bounded(result);
}
