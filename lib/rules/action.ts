/**
 * What an action is: one row of a table with its name, the rule sets it may stand in, and a function
 * that reads its words once and returns a closure. Under traffic only the closure runs: it has no
 * configuration text in it and answers with a `Verdict`.
 *
 * `RuleWords` is how a row reads its words. HAProxy's own habits live here once, instead of in each row:
 * an empty word counts as missing, arguments may stand in parentheses glued to the keyword, and a row
 * that cannot use a word simply leaves it, so that the rule set complains about what it found there.
 */
import { parseExpression } from '../sample/expression.js';
import { type LogFormat, parseLogFormat } from '../sample/log-format.js';
import { compileRegex, type Regex } from '../sample/regex.js';
import type { CompileContext, Expression, RuleSite } from '../sample/types.js';
import { canCast } from '../sample/values.js';
import type { StreamControl } from './stream-control.js';
import { Verdict } from './verdict.js';

export type Action = (stream: StreamControl) => Verdict;

export interface ActionDescriptor {
	/** The keyword, without what stands in parentheses; `track-sc` stands for `track-sc0`, `track-sc1`, ... */
	readonly name: string;
	readonly sites: readonly RuleSite[];
	/** The keyword takes its first arguments in parentheses: shown as `name(*)` to the reader of an error. */
	readonly parentheses?: boolean;
	/** Reads the arguments; undefined after an error, which is then in `words.context.diagnostics`. */
	readonly compile: (words: RuleWords) => Action | undefined;
}

/** The rule sets of a connection that has no stream yet. */
export const CONNECTION_SITES: readonly RuleSite[] = ['tcp-request connection', 'tcp-request session'];
/** The rule sets that see a message head in `mode http`. */
export const HTTP_SITES: readonly RuleSite[] = ['http-request', 'http-response', 'http-after-response'];
export const ALL_SITES: readonly RuleSite[] = [
	...CONNECTION_SITES,
	'tcp-request content',
	'tcp-response content',
	...HTTP_SITES,
];

/** `frontend 'f'`, as HAProxy names a section in its messages. */
export function proxyLabel(context: CompileContext): string {
	const proxy = context.proxy;
	return proxy === undefined ? 'no proxy' : `${proxy.kind === 'listen' ? 'proxy' : proxy.kind} '${proxy.name}'`;
}

export class RuleWords {
	readonly words: readonly string[];
	readonly context: CompileContext;
	/** The keyword without its parentheses. */
	readonly keyword: string;
	/** The words between the parentheses of the keyword, undefined without parentheses. */
	readonly parenthesized: string | undefined;
	/** The words of the rule after this one in its set, for an action whose effect ends where the next begins. */
	readonly nextRule: readonly string[] | undefined;
	/** Index of the next word to read. */
	position: number;

	constructor(words: readonly string[], context: CompileContext, position = 1, nextRule?: readonly string[]) {
		this.words = words;
		this.context = context;
		this.nextRule = nextRule;
		this.position = position;
		const first = words[0] ?? '';
		const open = first.indexOf('(');
		this.keyword = open < 0 ? first : first.slice(0, open);
		const closed = open >= 0 && first.endsWith(')');
		this.parenthesized = closed ? first.slice(open + 1, -1) : undefined;
	}

	/** The word to come, without taking it. */
	peek(): string | undefined {
		return this.words[this.position];
	}

	/** Takes the next word; an empty one counts as missing, as everywhere in this language. */
	next(): string | undefined {
		const word = this.words[this.position];
		if (word === undefined || word === '') return undefined;
		this.position++;
		return word;
	}

	/** Takes the next word if it is this one. */
	take(word: string): boolean {
		if (this.words[this.position] !== word) return false;
		this.position++;
		return true;
	}

	/** Nothing is left but a condition. */
	atCondition(): boolean {
		const word = this.words[this.position];
		return word === undefined || word === 'if' || word === 'unless';
	}

	/** Says what is wrong with the rule, in HAProxy's form. */
	fail(reason: string): undefined {
		this.context.diagnostics.alert(this.context.place, this.#sentence(reason));
		return undefined;
	}

	warn(text: string): void {
		this.context.diagnostics.warning(this.context.place, text);
	}

	/** Reads one sample expression at the current position. */
	expression(): Expression | undefined {
		const word = this.peek();
		if (word === undefined || word === '' || word === 'if' || word === 'unless')
			return this.fail('missing fetch method');
		const compiled = parseExpression(this.words, this.position, this.context);
		if ('error' in compiled) return this.fail(compiled.error);
		this.position = compiled.next;
		return compiled.expression;
	}

	/** The same, of a type that can become an integer. */
	integerExpression(): Expression | undefined {
		const expression = this.expression();
		if (expression === undefined || canCast(expression.type, 'sint')) return expression;
		return this.fail(`fetch method '${expression.text}' cannot be converted to an integer`);
	}

	/** Compiles a log-format text that was taken from this rule. */
	format(text: string): LogFormat | undefined {
		const format = parseLogFormat(text, this.context);
		return 'error' in format ? this.fail(format.error) : format;
	}

	/** Compiles a regular expression that was taken from this rule. */
	regex(source: string): Regex | undefined {
		const regex = compileRegex(source);
		return typeof regex === 'string' ? this.fail(`regex '${source}' is invalid (${regex})`) : regex;
	}

	#sentence(reason: string): string {
		const rule = `${this.context.site} ${this.words[0] ?? ''}`;
		const end = reason.endsWith('.') || reason.endsWith('?') ? '' : '.';
		return `error detected in ${proxyLabel(this.context)} while parsing '${rule}' rule : ${reason}${end}`;
	}
}

/**
 * A change of the message that could not be made, because the result would break the message. With
 * `strict-mode on`, the default, the request ends with a 500, otherwise the rule is passed over (manual,
 * `http-request strict-mode`).
 */
export function rewriteFailed(stream: StreamControl): Verdict {
	stream.countFailedRewrite();
	return stream.strictRewrites ? Verdict.ERROR : Verdict.CONTINUE;
}

/**
 * Whether an expression without a value may have one later: only content rules look at input that is
 * still coming (manual, `tcp-request content`).
 */
export function mayComeLater(expression: Expression, stream: StreamControl, site: RuleSite): boolean {
	if (expression.settled?.(stream) === true) return false;
	if (site === 'tcp-request content') {
		return (
			!stream.requestBufferComplete &&
			expression.needs.some(
				(need) =>
					need === 'request-bytes' ||
					need === 'request-body' ||
					need === 'message-bytes' ||
					((need === 'request-head' || need === 'message-head') && stream.request === undefined),
			)
		);
	}
	return (
		site === 'tcp-response content' &&
		!stream.responseBufferComplete &&
		expression.needs.some(
			(need) =>
				need === 'response-bytes' ||
				need === 'response-body' ||
				need === 'message-bytes' ||
				((need === 'response-head' || need === 'message-head') && stream.response === undefined),
		)
	);
}
