/**
 * ACLs (manual, 7.1): an expression and the patterns its values are tried against. A named ACL is all lines of that
 * name, tried in order until one matches. Named ACLs are compiled once per configuration line and rule site.
 */
import type { Line } from '../config/model.js';
import { type Diagnostics, didYouMean } from '../core/diagnostics.js';
import { parseExpression } from '../sample/expression.js';
import { FETCHES, UNSUPPORTED_FETCHES } from '../sample/fetches/index.js';
import type { PatternIndex } from '../sample/pattern-index.js';
import { siteName, siteProvides } from '../sample/sites.js';
import type { CompileContext, Expression, RuleSite, SampleValue, StreamView } from '../sample/types.js';
import { castTo } from '../sample/values.js';
import { ACL_KEYWORDS, PREDEFINED_ACLS } from './keywords.js';
import { type AclPatterns, compilePatterns } from './pattern.js';

/** Numbers, so that conditions combine them with few branches. */
export const AclResult = {
	FAIL: 0,
	/** Not yet: the input may still change. */
	MISS: 1,
	PASS: 2,
} as const;

export type AclResult = (typeof AclResult)[keyof typeof AclResult];

/** One line of an ACL, or an anonymous ACL. */
export class AclExpression {
	readonly expression: Expression;
	readonly patterns: AclPatterns;
	readonly #waits: boolean;
	/** Its fetch has nothing to read where the rule stands: said with a warning, and then kept, as in HAProxy. */
	readonly #neverMatches: boolean;
	readonly #test: (value: SampleValue) => boolean;

	constructor(expression: Expression, patterns: AclPatterns, waits: boolean, neverMatches = false) {
		this.expression = expression;
		this.patterns = patterns;
		this.#waits = waits;
		this.#neverMatches = neverMatches;
		this.#test = valueTest(expression, patterns);
	}

	evaluate(stream: StreamView): AclResult {
		if (this.#neverMatches) return AclResult.FAIL;
		if (this.expression.each(stream, this.#test)) return AclResult.PASS;
		return this.#waits && mayChange(this.expression, stream) ? AclResult.MISS : AclResult.FAIL;
	}
}

/** One closure per ACL, made when it is compiled: the cast, then the pattern sets. */
function valueTest(expression: Expression, patterns: AclPatterns): (value: SampleValue) => boolean {
	const { input, indexes } = patterns;
	const same = expression.type === input || input === 'any' || (input === 'str' && expression.type === 'meth');
	const only = indexes.length === 1 ? indexes[0] : undefined;
	const find: (value: SampleValue) => boolean =
		only === undefined
			? (value) => indexes.some((index: PatternIndex) => index.matches(value))
			: (value) => only.matches(value);
	if (same) return find;
	return (value) => {
		const cast = castTo(input, value);
		return cast !== undefined && find(cast);
	};
}

/** Whether more input could give the expression another value. */
function mayChange(expression: Expression, stream: StreamView): boolean {
	if (expression.settled?.(stream) === true) return false;
	for (const need of expression.needs) {
		switch (need) {
			case 'request-head':
				if (stream.request === undefined && !stream.requestBufferComplete) return true;
				break;
			case 'request-bytes':
			case 'request-body':
			case 'message-head':
			case 'message-bytes':
				if (!stream.requestBufferComplete) return true;
				break;
			case 'response-bytes':
			case 'response-body':
				if (!stream.responseBufferComplete) return true;
				break;
			case 'internal':
				if (expression.text === 'wait_end' && !stream.requestBufferComplete) return true;
				break;
		}
	}
	return false;
}

/** Sites whose rules may be evaluated again when more input is there. */
const WAITING_SITES: ReadonlySet<RuleSite> = new Set(['tcp-request content', 'tcp-response content']);

interface AclOptions {
	/** The patterns of the same line, compiled before for another site: one set, with one number. */
	readonly patterns?: AclPatterns | undefined;
	/** No rule uses the line yet: what its fetch reads may still be there. */
	readonly anySite?: boolean;
}

/** Compiles the words of an ACL after its name: expression, flags, patterns. `label` is for messages. */
export function compileAclExpression(
	words: readonly string[],
	label: string,
	context: CompileContext,
	options: AclOptions = {},
): AclExpression | { readonly error: string } {
	const text = words[0];
	if (text === undefined || text === '') return { error: 'missing fetch method in ACL expression' };
	const name = /^[^(,]*/.exec(text)?.[0] ?? '';
	const keyword = ACL_KEYWORDS.get(name);
	if (keyword === undefined && !FETCHES.has(name) && !UNSUPPORTED_FETCHES.has(name)) {
		const near = didYouMean(name, [...ACL_KEYWORDS.keys(), ...FETCHES.keys()]);
		return { error: `unknown fetch method '${name}' in ACL expression '${text}'${near}` };
	}
	const parsed = parseExpression(words, 0, context, {
		oneWord: true,
		anySite: true,
		...(keyword === undefined ? {} : { fetchName: keyword.fetch }),
	});
	if ('error' in parsed) return { error: `${parsed.error} in ACL expression '${text}'` };
	const { expression } = parsed;
	const neverMatches = options.anySite !== true && !expression.needs.some((need) => siteProvides(context, need));
	if (neverMatches) {
		context.diagnostics.warning(
			context.place,
			`${label} will never match because it uses keyword '${name}' which is incompatible with '${siteName(context)}'`,
		);
	}
	// With a converter, what matters is the type of the last one: the keyword's own method is not meant.
	const method = expression.hasConverters ? undefined : keyword?.method;
	const patterns = options.patterns ?? compilePatterns(words, 1, expression.type, method, text, label, context);
	if ('error' in patterns) return patterns;
	return new AclExpression(expression, patterns, WAITING_SITES.has(context.site), neverMatches);
}

/** All lines of one name. */
export class Acl {
	readonly name: string;
	readonly expressions: readonly AclExpression[];

	constructor(name: string, expressions: readonly AclExpression[]) {
		this.name = name;
		this.expressions = expressions;
	}

	evaluate(stream: StreamView): AclResult {
		let result: AclResult = AclResult.FAIL;
		for (const expression of this.expressions) {
			const one = expression.evaluate(stream);
			if (one === AclResult.PASS) return one;
			if (one > result) result = one;
		}
		return result;
	}
}

const ACL_NAME = /^[A-Za-z0-9_.:-]+$/;

/** Checks the `acl` lines of a proxy even where no rule uses them; each is compiled at its own place. */
export function checkAclLine(line: Line, context: CompileContext): void {
	const at = context.at(line.place);
	const name = line.words[0];
	if (name === undefined) {
		at.diagnostics.alert(line.place, "'acl' expects a name, a fetch method and patterns");
		return;
	}
	const bad = /[^A-Za-z0-9_.:-]/.exec(name);
	if (bad !== null || !ACL_NAME.test(name)) {
		at.diagnostics.alert(line.place, `character '${bad?.[0] ?? ''}' is not permitted in acl name '${name}'`);
		return;
	}
	if (/^(?:or|if|unless)$/.test(name)) {
		at.diagnostics.alert(line.place, `name '${name}' will never match. '${name}' is a reserved word of conditions`);
		return;
	}
	compileLine(line, name, at, true);
}

/** A line in one proxy: its patterns once, its expression for each site that uses it. */
interface CompiledLine {
	patterns: AclPatterns | undefined;
	/** Undefined after an error, which is reported once. */
	readonly bySite: Map<RuleSite | 'unused', AclExpression | undefined>;
}

/**
 * Compiled lines of one compilation, which is known by its diagnostics. A line of `defaults` stands in several
 * proxies, and may mean another table in each.
 */
const compiledLines = new WeakMap<Diagnostics, Map<Line, Map<string, CompiledLine>>>();

function compiledLine(line: Line, context: CompileContext): CompiledLine {
	let lines = compiledLines.get(context.diagnostics);
	if (lines === undefined) {
		lines = new Map();
		compiledLines.set(context.diagnostics, lines);
	}
	let proxies = lines.get(line);
	if (proxies === undefined) {
		proxies = new Map();
		lines.set(line, proxies);
	}
	const proxyName = context.proxy?.name ?? '';
	let compiled = proxies.get(proxyName);
	if (compiled === undefined) {
		compiled = { patterns: undefined, bySite: new Map() };
		proxies.set(proxyName, compiled);
	}
	return compiled;
}

function compileLine(line: Line, name: string, context: CompileContext, unused = false): AclExpression | undefined {
	const known = compiledLine(line, context);
	const site = unused ? 'unused' : context.site;
	if (known.bySite.has(site)) return known.bySite.get(site);
	const label = `acl '${name}'`;
	const options: AclOptions = { patterns: known.patterns, anySite: unused };
	const compiled = compileAclExpression(line.words.slice(1), label, context, options);
	if ('error' in compiled) {
		if (!known.bySite.has('unused')) {
			context.diagnostics.alert(line.place, `error detected while parsing ACL '${name}' : ${compiled.error}`);
		}
		known.bySite.set(site, undefined);
		known.bySite.set('unused', undefined);
		return undefined;
	}
	known.patterns = compiled.patterns;
	known.bySite.set(site, compiled);
	return compiled;
}

/** The ACL of a name: declared in the proxy, else predefined (manual, 7.4). */
export function compileAcl(name: string, context: CompileContext): Acl | { readonly error: string } | undefined {
	const lines = context.acls(name);
	if (lines.length > 0) {
		const expressions: AclExpression[] = [];
		for (const line of lines) {
			const compiled = compileLine(line, name, context.at(line.place));
			// Already reported at the line itself.
			if (compiled === undefined) return undefined;
			expressions.push(compiled);
		}
		return new Acl(name, expressions);
	}
	const predefined = PREDEFINED_ACLS.get(name);
	if (predefined === undefined) return { error: `no such ACL : '${name}'${didYouMean(name, knownAclNames(context))}` };
	const compiled = compileAclExpression(predefined, `acl '${name}'`, context);
	return 'error' in compiled ? compiled : new Acl(name, [compiled]);
}

function knownAclNames(context: CompileContext): string[] {
	return [...(context.proxy?.acls.map((line) => line.words[0] ?? '') ?? []), ...PREDEFINED_ACLS.keys()];
}
