/**
 * Log formats (manual, 8.2.6): text with `%alias`, `%{flags}alias` and `%[expression]`, compiled once to a list of
 * strings and functions; rendering walks the list. Used for log lines, and for every rule argument that may
 * hold a format (`set-header`, `return lf-string`, `use_backend %[...]`, `unique-id-format`).
 *
 * A log line differs from the others in three ways: an empty value is `-`, runs of spaces count as one, and control
 * characters of an expression become `#XX` where the others write `%XX`. The last goes beyond the reference,
 * which writes them as they are: what a client sends must not begin a new line in a log.
 */
import { didYouMean } from '../core/diagnostics.js';
import { parseExpression } from './expression.js';
import { LOG_ALIASES, type LogAlias } from './log-aliases.js';
import { JSON_TYPES, type JsonType, jsonObject, jsonOfAlias, jsonOfExpression, type RenderJson } from './log-json.js';
import { refuse } from './sites.js';
import type { CompileContext, SampleType, StreamView } from './types.js';
import { toText } from './values.js';

export {
	HTTP_CLF_LOG_FORMAT,
	HTTP_LOG_FORMAT,
	HTTPS_LOG_FORMAT,
	TCP_LOG_FORMAT,
} from '../config/log-formats.js';

export interface LogFlags {
	/** `Q`: between double quotes. */
	readonly quote: boolean;
	/** `X`: numbers and addresses in hexadecimal. */
	readonly hex: boolean;
	/** `E`: a backslash before `"`, `\` and `]`. */
	readonly escape: boolean;
	/** `json`: the value as JSON; on `%o`, all of the line (log-json.ts). */
	readonly json: boolean;
}

/** What a value becomes in a line. */
export interface LogStyle extends LogFlags {
	/** Written for an empty value: `-` in logs. */
	readonly empty: string;
	readonly isLog: boolean;
}

type Render = (stream: StreamView) => string;

export class LogFormat {
	/** The text it was compiled from. */
	readonly text: string;
	readonly #parts: readonly (string | Render)[];
	/** Those that may leave nothing, of the spaces around them only one. */
	readonly #vanishing: ReadonlySet<Render>;

	constructor(text: string, parts: readonly (string | Render)[], vanishing: ReadonlySet<Render> = new Set()) {
		this.text = text;
		this.#parts = parts;
		this.#vanishing = vanishing;
	}

	render(stream: StreamView): string {
		let line = '';
		let hasVanished = false;
		for (const part of this.#parts) {
			if (typeof part === 'string') {
				line += hasVanished && part.startsWith(' ') && line.endsWith(' ') ? part.slice(1) : part;
				hasVanished = false;
			} else {
				const value = part(stream);
				if (value === '') hasVanished = this.#vanishing.has(part);
				line += value;
			}
		}
		return line;
	}

	/** The text, when no request changes it. */
	get constant(): string | undefined {
		if (this.#parts.length === 0) return '';
		const only = this.#parts.length === 1 ? this.#parts[0] : undefined;
		return typeof only === 'string' ? only : undefined;
	}
}

export interface LogFormatOptions {
	/** A log line (default: at the site `log-format`). */
	readonly isLog?: boolean;
	/** Runs of spaces become one (default: in logs and unique ids). */
	readonly mergeSpaces?: boolean;
	/** Proxies of both modes share it (log profiles): variables of HTTP are then no mistake in mode tcp. */
	readonly shared?: boolean;
}

const NO_FLAGS: LogFlags = { quote: false, hex: false, escape: false, json: false };

/** Compiles a format; errors go to the context's diagnostics. */
export function compileLogFormat(
	text: string,
	context: CompileContext,
	options: LogFormatOptions = {},
): LogFormat | undefined {
	const compiled = parseLogFormat(text, context, options);
	return 'error' in compiled ? refuse(context, compiled.error) : compiled;
}

/** The same, with the trouble as a sentence for the caller to wrap. */
export function parseLogFormat(
	text: string,
	context: CompileContext,
	options: LogFormatOptions = {},
): LogFormat | { readonly error: string } {
	const isLog = options.isLog ?? context.site === 'log-format';
	const mergeSpaces = options.mergeSpaces ?? (isLog || context.site === 'unique-id-format');
	const shared = options.shared === true;
	const builder = new Builder(mergeSpaces);
	let flags = NO_FLAGS;
	/** The members of the object that the line is, once `%{+json}o` was read. */
	let members: [string, RenderJson][] | undefined;
	for (let at = 0; at < text.length; ) {
		const percent = text.indexOf('%', at);
		if (percent < 0) {
			builder.addText(text.slice(at));
			break;
		}
		builder.addText(text.slice(at, percent));
		if (text[percent + 1] === '%') {
			builder.addText('%');
			at = percent + 2;
			continue;
		}
		const item = readItem(text, percent + 1);
		if ('error' in item) return item;
		const own = applyFlags(flags, item.flags);
		if ('error' in own) return own;
		at = item.next;
		if (item.kind === 'alias' && item.name === 'o') {
			flags = own;
			if (own.json && members === undefined) {
				if (builder.parts.some((part) => typeof part !== 'string')) {
					return { error: "'%{+json}o' must stand before all items" };
				}
				members = [];
			}
			continue;
		}
		if (own.json || members !== undefined) {
			const render = compileJson(item, context, shared);
			if (typeof render === 'string') return { error: render };
			if (members === undefined) builder.addRender(render);
			else if (item.label !== undefined) members.push([item.label, render]);
			continue;
		}
		const style: LogStyle = { ...own, empty: isLog ? '-' : '', isLog };
		const error =
			item.kind === 'alias'
				? addAlias(builder, item.name, style, context, shared)
				: addExpression(builder, item.name, style, context);
		if (error !== undefined) return { error };
	}
	return new LogFormat(text, members === undefined ? builder.parts : [jsonObject(members)], builder.vanishing);
}

/** The value of an item as JSON, or what is wrong with it. */
function compileJson(item: Item, context: CompileContext, shared: boolean): RenderJson | string {
	const { name, type } = item;
	if (item.kind === 'expression') {
		const parsed = parseExpression([name], 0, context, { oneWord: true });
		if ('error' in parsed) return `failed to parse sample expression <${name}> : ${parsed.error}`;
		return jsonOfExpression(parsed.expression.evaluate, parsed.expression.type, type);
	}
	const alias = findAlias(name, context, shared);
	if (typeof alias === 'string') return alias;
	return jsonOfAlias(name, alias.compile({ ...NO_FLAGS, empty: '', isLog: true }, context), type);
}

interface Item {
	readonly kind: 'alias' | 'expression';
	readonly name: string;
	readonly flags: string;
	/** `%(label)`, `%(label:type)`: its key in JSON, and nothing elsewhere. */
	readonly label: string | undefined;
	readonly type: JsonType | undefined;
	readonly next: number;
}

/** What follows a percent sign at `from - 1`. */
function readItem(text: string, from: number): Item | { readonly error: string } {
	let at = from;
	let flags = '';
	let label: string | undefined;
	let type: JsonType | undefined;
	if (text[at] === '(') {
		const named = /^\(([^():]*)(?::([^()]*))?\)/.exec(text.slice(at));
		if (named === null) return { error: `missing ')' after '%${text.slice(at)}'` };
		if (named[1] !== '') label = named[1];
		if (named[2] !== undefined) {
			type = JSON_TYPES.find((known) => known === named[2]);
			if (type === undefined) return { error: `'${named[2]}' is no type of an item (${JSON_TYPES.join(', ')})` };
		}
		at += named[0].length;
	}
	if (text[at] === '{') {
		const end = text.indexOf('}', at);
		if (end < 0) return { error: `missing '}' after '${text.slice(at)}'` };
		flags = text.slice(at + 1, end);
		at = end + 1;
	}
	if (text[at] === '[') {
		const end = expressionEnd(text, at + 1);
		if (end < 0) return { error: `missing ']' after '${text.slice(at + 1)}'` };
		return { kind: 'expression', name: text.slice(at + 1, end), flags, label, type, next: end + 1 };
	}
	const name = /^[A-Za-z0-9]+/.exec(text.slice(at))?.[0] ?? '';
	if (name === '') {
		return {
			error: `parse error in format near '%${text.slice(from, from + 8)}'. If you wanted to emit the '%' character verbatim, you need to use '%%'`,
		};
	}
	return { kind: 'alias', name, flags, label, type, next: at + name.length };
}

/** Index of the `]` that ends an expression: brackets inside quotes and parentheses do not count. */
function expressionEnd(text: string, from: number): number {
	let quote = '';
	let inside = false;
	for (let i = from; i < text.length; i++) {
		const char = text.charAt(i);
		if (char === '\\' && quote !== "'") i++;
		else if (quote !== '') {
			if (char === quote) quote = '';
		} else if (inside && (char === '"' || char === "'")) quote = char;
		else if (char === '(') inside = true;
		else if (char === ')') inside = false;
		else if (char === ']' && !inside) return i;
	}
	return -1;
}

const FLAG_NAMES: ReadonlyMap<string, keyof LogFlags> = new Map([
	['Q', 'quote'],
	['X', 'hex'],
	['E', 'escape'],
]);

/** `+Q,-X`; a letter without sign changes nothing, and of several between two commas the last counts: as observed. */
function applyFlags(before: LogFlags, text: string): LogFlags | { readonly error: string } {
	let flags = before;
	for (const word of text === '' ? [] : text.split(',')) {
		const json = /^([+-])(json|cbor)$/.exec(word.trim());
		if (json !== null) {
			if (json[2] === 'cbor') return { error: `'${word.trim()}' is not supported by holdfast; '+json' is` };
			flags = { ...flags, json: json[1] === '+' };
			continue;
		}
		const match = /^(?:[+-]?[QXEqxe]\s*)*?([+-]?)([A-Za-z])$/.exec(word.trim());
		const flag = match === null ? undefined : FLAG_NAMES.get((match[2] ?? '').toUpperCase());
		if (match === null || flag === undefined)
			return { error: `'${word}' is not a flag of log formats ('+Q', '+X', '+E', '+json')` };
		if (match[1] !== '') flags = { ...flags, [flag]: match[1] === '+' };
	}
	return flags;
}

/** Collects parts, joins neighbouring texts, and merges spaces where that is asked for. */
class Builder {
	readonly parts: (string | Render)[] = [];
	readonly vanishing = new Set<Render>();
	readonly #mergeSpaces: boolean;
	#afterSpace = true;

	constructor(mergeSpaces: boolean) {
		this.#mergeSpaces = mergeSpaces;
	}

	addText(text: string): void {
		let added = text;
		if (this.#mergeSpaces && text !== '') {
			added = text.replace(/ +/g, ' ');
			if (this.#afterSpace && added.startsWith(' ')) added = added.slice(1);
			if (added !== '') this.#afterSpace = added.endsWith(' ');
		}
		if (added === '') return;
		const last = this.parts.at(-1);
		if (typeof last === 'string') this.parts[this.parts.length - 1] = last + added;
		else this.parts.push(added);
	}

	addRender(render: Render, mayVanish = false): void {
		this.parts.push(render);
		if (mayVanish && this.#mergeSpaces) this.vanishing.add(render);
		this.#afterSpace = false;
	}
}

function addAlias(
	builder: Builder,
	name: string,
	style: LogStyle,
	context: CompileContext,
	shared: boolean,
): string | undefined {
	const alias = findAlias(name, context, shared);
	if (typeof alias === 'string') return alias;
	const render = alias.compile(style, context);
	// Nothing to show in this proxy, such as captures where none is declared: the spaces around become one.
	if (render !== undefined) builder.addRender(render, alias.mayVanish);
	return undefined;
}

/** The row of a log variable, or what is wrong with its name. */
function findAlias(name: string, context: CompileContext, shared: boolean): LogAlias | string {
	const alias = LOG_ALIASES.get(name);
	if (alias === undefined) {
		const near = didYouMean(name, LOG_ALIASES.keys());
		return `no such format variable '${name}'${near}. If you wanted to emit the '%' character verbatim, you need to use '%%'`;
	}
	if (context.site === 'global') return `format variable '${name}' shows a stream, and there is none here`;
	if (alias.httpOnly && context.proxy?.mode === 'tcp' && !shared) {
		return `format variable '${name}' is reserved for HTTP mode.`;
	}
	return alias;
}

function addExpression(builder: Builder, text: string, style: LogStyle, context: CompileContext): string | undefined {
	const parsed = parseExpression([text], 0, context, { oneWord: true });
	if ('error' in parsed) return `failed to parse sample expression <${text}> : ${parsed.error}`;
	const { evaluate, type } = parsed.expression;
	const format = expressionStyle(style, type);
	builder.addRender((stream) => {
		const value = evaluate(stream);
		return format(value === undefined ? '' : toText(value));
	});
	return undefined;
}

const UNSAFE = /[\x00-\x08\x0a-\x1f\x7f]/;
const UNSAFE_ALL = /[\x00-\x08\x0a-\x1f\x7f]/g;
const LOG_UNSAFE = /[\x00-\x1f\x7f]/;
const LOG_UNSAFE_ALL = /[\x00-\x1f\x7f]/g;

const hexByte = (char: string): string => char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');

/** How the value of an expression is written: quoted in logs only, as the reference does. */
function expressionStyle(style: LogStyle, type: SampleType): (text: string) => string {
	const mayHoldAnything = type === 'any' || type === 'str' || type === 'bin' || type === 'meth';
	const { isLog, empty } = style;
	const quote = style.quote && isLog;
	return (text) => {
		let safe = text;
		if (mayHoldAnything) {
			if (isLog) {
				if (LOG_UNSAFE.test(safe)) safe = safe.replace(LOG_UNSAFE_ALL, (char) => `#${hexByte(char)}`);
			} else if (UNSAFE.test(safe)) safe = safe.replace(UNSAFE_ALL, (char) => `%${hexByte(char)}`);
			if (style.escape) safe = escapeText(safe);
		}
		if (quote) return `"${safe}"`;
		return safe === '' ? empty : safe;
	};
}

/** The flag `E`: what RFC 5424 wants in parameter values. */
export function escapeText(text: string): string {
	return /["\\\]]/.test(text) ? text.replace(/["\\\]]/g, '\\$&') : text;
}
