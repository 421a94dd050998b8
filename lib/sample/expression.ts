/**
 * Sample expressions, `fetch(args),converter(args),...` (manual, 7.3): parsed and checked when the file is read,
 * compiled to one chain of closures per expression. Nothing is looked up by name under traffic: arguments,
 * tables, proxies and casts are resolved here, and a cast between equal types costs nothing.
 */
import { didYouMean } from '../core/diagnostics.js';
import { type ResolvedArguments, resolveArguments, splitArguments } from './arguments.js';
import { CONVERTERS, UNSUPPORTED_CONVERTERS } from './converters/index.js';
import { FETCHES, UNSUPPORTED_FETCHES } from './fetches/index.js';
import { GLOBAL_FETCHES, NEED_NAMES, refuse, siteProvides } from './sites.js';
import type {
	ArgumentSpec,
	CompileContext,
	ConverterDescriptor,
	Evaluate,
	EvaluateEach,
	Expression,
	FetchDescriptor,
	SampleType,
	SampleValue,
	StreamView,
} from './types.js';
import { canCast, castTo } from './values.js';

export { castTo } from './values.js';

type Convert = (value: SampleValue, stream: StreamView) => SampleValue | undefined;

/** An expression, and what its words alone say of it. */
export interface CompiledExpression {
	readonly expression: Expression;
	/** Index of the first word after it. */
	readonly next: number;
}

export interface ExpressionOptions {
	/** Converters only after commas, not as words of their own: ACLs, and text inside `%[...]`. */
	readonly oneWord?: boolean;
	/** The caller decides what to say of a fetch that finds nothing at this site (ACLs warn). */
	readonly anySite?: boolean;
	/** A name other than that written, for ACL keywords such as `path_beg`. */
	readonly fetchName?: string;
}

export type ParsedExpression = CompiledExpression | { readonly error: string };

/** Compiles one expression beginning at `words[start]`; what is wrong goes to the context's diagnostics. */
export function compileExpression(
	words: readonly string[],
	start: number,
	context: CompileContext,
	options: ExpressionOptions = {},
): CompiledExpression | undefined {
	const parsed = parseExpression(words, start, context, options);
	if ('expression' in parsed) return parsed;
	return refuse(context, parsed.error);
}

/** The same, with the trouble as a sentence for the caller to wrap. */
export function parseExpression(
	words: readonly string[],
	start: number,
	context: CompileContext,
	options: ExpressionOptions = {},
): ParsedExpression {
	const text = words[start];
	if (text === undefined || text === '') return { error: 'missing fetch method' };
	const head = parseCall(text, 0);
	if ('error' in head) return { error: `fetch method '${head.name}' : ${head.error}` };
	const fetchName = options.fetchName ?? head.name;
	const fetch = FETCHES.get(fetchName);
	if (fetch === undefined) return { error: unknownFetch(fetchName) };
	const args = resolveCall(fetch, head.args, context);
	if ('error' in args) return { error: `invalid args in fetch method '${head.name}' : ${args.error}` };
	if (!(options.anySite ?? false)) {
		const error = siteError(fetch, head.name, context);
		if (error !== undefined) return { error };
	}
	let type = fetch.type;
	const steps: Convert[] = [];

	let position = head.next;
	let word = start;
	let current = text;
	for (;;) {
		if (position >= current.length) {
			const following = words[word + 1];
			const isConverter = following !== undefined && CONVERTERS.has(/^[^(,]*/.exec(following)?.[0] ?? '');
			if (options.oneWord === true || !isConverter || following === undefined) break;
			current = following;
			word++;
			position = 0;
		} else if (current.charAt(position) === ',') {
			position++;
			if (position >= current.length) continue;
		} else {
			const previous = position === head.next && word === start ? 'fetch keyword' : 'converter';
			return { error: `missing comma after ${previous} '${current.slice(0, position)}'` };
		}
		const call = parseCall(current, position);
		if ('error' in call) return { error: `converter '${call.name}' : ${call.error}` };
		const converter = CONVERTERS.get(call.name);
		if (converter === undefined) return { error: unknownConverter(call.name) };
		const resolved = resolveCall(converter, call.args, context);
		if ('error' in resolved) return { error: `invalid args in converter '${call.name}' : ${resolved.error}` };
		if (!canCast(type, converter.input)) {
			return { error: `converter '${call.name}' cannot be applied : it takes ${converter.input}, not ${type}` };
		}
		const convert = converter.compile(resolved.values, context);
		steps.push(needsCast(type, converter.input) ? castThen(converter.input, convert) : convert);
		if (converter.output !== 'any') type = converter.output;
		else if (!KEEPS_TYPE.has(converter.name)) type = 'any';
		position = call.next;
	}

	const whole = words.slice(start, word + 1).join(' ');
	const evaluate = chain(fetch.compile(args.values, context), steps);
	const each = fetch.compileEach?.(args.values, context);
	return {
		expression: {
			text: whole,
			type,
			needs: fetch.needs,
			hasConverters: steps.length > 0,
			settled: fetch.compileSettled?.(args.values, context),
			evaluate,
			each: each === undefined ? eachOfOne(evaluate) : chainEach(each, steps),
		},
		next: word + 1,
	};
}

/** Converters from any type to any type that hand on what they were given. */
const KEEPS_TYPE: ReadonlySet<string> = new Set(['set-var', 'unset-var', 'debug', 'when']);

/** What a fetch may not do at this site, or undefined. */
export function siteError(fetch: FetchDescriptor, name: string, context: CompileContext): string | undefined {
	const fitsSite = context.site !== 'global' || GLOBAL_FETCHES.has(fetch.name);
	if (fitsSite && (fetch.needs.length === 0 || fetch.needs.some((need) => siteProvides(context, need))))
		return undefined;
	const needed = fetch.needs.map((need) => `'${NEED_NAMES[need]}'`).join(', ');
	return `fetch method '${name}' extracts information from ${needed}, none of which is available here`;
}

interface Call {
	readonly name: string;
	readonly args: readonly string[] | undefined;
	readonly next: number;
}

/** Reads `name` or `name(args)` at `from`. */
function parseCall(text: string, from: number): Call | { readonly name: string; readonly error: string } {
	let end = from;
	while (end < text.length && text[end] !== '(' && text[end] !== ',') end++;
	const name = text.slice(from, end);
	if (text[end] !== '(') return { name, args: undefined, next: end };
	const split = splitArguments(text, end + 1);
	if ('error' in split) return { name, error: split.error };
	return { name, args: split.texts, next: split.next };
}

function resolveCall(
	descriptor: FetchDescriptor | ConverterDescriptor,
	texts: readonly string[] | undefined,
	context: CompileContext,
): ResolvedArguments {
	const specs: readonly ArgumentSpec[] = descriptor.args;
	const resolved = resolveArguments(texts ?? [], specs, context);
	if ('error' in resolved) return resolved;
	const error = descriptor.check?.(resolved.values, context);
	return error === undefined ? resolved : { error };
}

function unknownFetch(name: string): string {
	const reason = UNSUPPORTED_FETCHES.get(name);
	if (reason !== undefined) return `fetch method '${name}' is not supported by holdfast (${reason})`;
	return `unknown fetch method '${name}'${didYouMean(name, FETCHES.keys())}`;
}

function unknownConverter(name: string): string {
	const reason = UNSUPPORTED_CONVERTERS.get(name);
	if (reason !== undefined) return `converter '${name}' is not supported by holdfast (${reason})`;
	return `unknown converter '${name}'${didYouMean(name, CONVERTERS.keys())}`;
}

/** Whether a value of static type `from` may have to change to be a `to`. */
function needsCast(from: SampleType, to: SampleType): boolean {
	if (to === 'any' || from === to) return false;
	return !(to === 'addr' && (from === 'ipv4' || from === 'ipv6')) && !(to === 'str' && from === 'meth');
}

function castThen(type: SampleType, convert: Convert): Convert {
	return (value, stream) => {
		const cast = castTo(type, value);
		return cast === undefined ? undefined : convert(cast, stream);
	};
}

function chain(evaluate: Evaluate, steps: readonly Convert[]): Evaluate {
	return steps.reduce<Evaluate>(
		(before, step) => (stream) => {
			const value = before(stream);
			return value === undefined ? undefined : step(value, stream);
		},
		evaluate,
	);
}

function eachOfOne(evaluate: Evaluate): EvaluateEach {
	return (stream, visit) => {
		const value = evaluate(stream);
		return value !== undefined && visit(value);
	};
}

function chainEach(each: EvaluateEach, steps: readonly Convert[]): EvaluateEach {
	if (steps.length === 0) return each;
	return (stream, visit) =>
		each(stream, (value) => {
			let current: SampleValue | undefined = value;
			for (const step of steps) {
				current = step(current, stream);
				if (current === undefined) return false;
			}
			return visit(current);
		});
}
