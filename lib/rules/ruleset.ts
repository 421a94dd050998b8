/**
 * Rule sets: the lines of one keyword (`http-request`, `tcp-request content`, ...) of one proxy, compiled
 * to a list of condition and action that is walked in order until an action ends it.
 *
 * Evaluation is synchronous and makes no objects. A rule that lacks input answers YIELD and the walk stops;
 * the caller reads `resumeAt` at once and calls again with it when more has come. The state is the
 * caller's: a set is shared by every stream of a thread. When no more input will come, or the inspect-delay
 * is over, the stream reports its buffer as complete, and what still has no value then has none.
 */
import { type Condition, compileCondition } from '../acl/condition.js';
import type { Line, ProxyModel } from '../config/model.js';
import { didYouMean } from '../core/diagnostics.js';
import type { CompileContext, RuleSite } from '../sample/types.js';
import { type Action, proxyLabel, RuleWords } from './action.js';
import { ACTIONS, actionNames, findAction, unsupportedAction } from './actions/index.js';
import type { DecidingRule, StreamControl } from './stream-control.js';
import { Verdict } from './verdict.js';

export interface Rule extends DecidingRule {
	readonly action: Action;
	readonly condition: Condition | undefined;
}

export class RuleSet {
	readonly #rules: readonly Rule[];
	/** After YIELD: the index to go on with. Valid until the next call. */
	resumeAt = 0;

	constructor(rules: readonly Rule[]) {
		this.#rules = rules;
	}

	get length(): number {
		return this.#rules.length;
	}

	/** This set, and after it the rules of the other. */
	followedBy(other: RuleSet): RuleSet {
		if (other.length === 0) return this;
		return this.length === 0 ? other : new RuleSet([...this.#rules, ...other.#rules]);
	}

	/** Walks the rules from `from`: 0, or `resumeAt` of an earlier YIELD of the same stream. */
	evaluate(stream: StreamControl, from: number): Verdict {
		const rules = this.#rules;
		if (from === 0) stream.strictRewrites = true;
		for (let i = from; i < rules.length; i++) {
			const rule = rules[i] as Rule;
			const condition = rule.condition;
			if (condition !== undefined) {
				const result = condition.test(stream);
				if (result === 'yield') {
					this.resumeAt = i;
					return Verdict.YIELD;
				}
				if (!result) continue;
			}
			const verdict = rule.action(stream);
			if (verdict === Verdict.CONTINUE) continue;
			if (verdict === Verdict.YIELD) this.resumeAt = i;
			else stream.noteDecision(rule, verdict);
			return verdict;
		}
		return Verdict.CONTINUE;
	}
}

/**
 * Compiles the lines of one rule set. Every faulty line is reported to `context.diagnostics`; undefined
 * if there was one.
 */
export function compileRuleSet(lines: readonly Line[], site: RuleSite, context: CompileContext): RuleSet | undefined {
	const rules: Rule[] = [];
	let failed = false;
	for (const [index, line] of lines.entries()) {
		const rule = compileRule(line, lines[index + 1], context.at(line.place, site));
		if (rule === undefined) failed = true;
		else rules.push(rule);
	}
	return failed ? undefined : new RuleSet(rules);
}

function compileRule(line: Line, nextLine: Line | undefined, context: CompileContext): Rule | undefined {
	const words = new RuleWords(line.words, context, 1, nextLine?.words);
	const descriptor = findAction(words.keyword);
	if (descriptor === undefined || !descriptor.sites.includes(context.site)) return refuseAction(words);
	const first = line.words[0] ?? '';
	if (words.keyword !== first && (descriptor.parentheses !== true || words.parenthesized === undefined)) {
		return words.fail(
			descriptor.parentheses === true
				? `incomplete argument after action '${first}', a ')' is missing`
				: `'${words.keyword}' takes no argument in parentheses`,
		);
	}
	const action = descriptor.compile(words);
	if (action === undefined) return undefined;
	let condition: Condition | undefined;
	if (words.position < line.words.length) {
		if (!words.atCondition()) {
			context.diagnostics.alert(
				line.place,
				`'${context.site} ${first}' expects either 'if' or 'unless' followed by a condition but found '${words.peek()}'.`,
			);
			return undefined;
		}
		condition = compileCondition(line.words, words.position, context);
		if (condition === undefined) return undefined;
	}
	return {
		action,
		condition,
		name: `${context.site} ${words.keyword}`,
		isConditional: condition !== undefined,
		file: line.place.file,
		line: line.place.line,
	};
}

/** An action that is unknown, stands in the wrong rule set, or is HAProxy's but not ours. */
function refuseAction(words: RuleWords): undefined {
	const { context, keyword } = words;
	const { site, place, diagnostics } = context;
	const first = words.words[0] ?? '';
	const reason = unsupportedAction(keyword);
	if (reason !== undefined) {
		diagnostics.alert(place, `'${site} ${first}' is not supported by holdfast (${reason}), in ${proxyLabel(context)}.`);
		return undefined;
	}
	const here = actionNames(site);
	const elsewhere = ACTIONS.get(keyword);
	const hint =
		elsewhere !== undefined
			? ` '${keyword}' is an action of ${elsewhere.sites.map((one) => `'${one}'`).join(', ')}.`
			: didYouMean(
					keyword,
					here.map((name) => name.replace('(*)', '')),
				);
	const known = here.map((name) => `'${name}'`).join(', ');
	diagnostics.alert(place, `'${site}' expects ${known}, but got '${first}' in ${proxyLabel(context)}.${hint}`);
	return undefined;
}

/** An empty set: `evaluate` answers CONTINUE. */
export const EMPTY_RULE_SET = new RuleSet([]);

/** What a proxy does at each step of design.md section 3. */
export interface ProxyRuleSets {
	readonly tcpRequestConnection: RuleSet;
	readonly tcpRequestSession: RuleSet;
	readonly tcpRequestContent: RuleSet;
	readonly tcpResponseContent: RuleSet;
	readonly httpRequest: RuleSet;
	readonly httpResponse: RuleSet;
	readonly httpAfterResponse: RuleSet;
}

const SETS: readonly (readonly [set: keyof ProxyRuleSets, site: RuleSite])[] = [
	['tcpRequestConnection', 'tcp-request connection'],
	['tcpRequestSession', 'tcp-request session'],
	['tcpRequestContent', 'tcp-request content'],
	['tcpResponseContent', 'tcp-response content'],
	['httpRequest', 'http-request'],
	['httpResponse', 'http-response'],
	['httpAfterResponse', 'http-after-response'],
];

/** Of a section that has no rules. */
export const EMPTY_RULE_SETS = Object.fromEntries(
	SETS.map(([set]) => [set, EMPTY_RULE_SET]),
) as unknown as ProxyRuleSets;

/** Each set of a defaults section before the proxy's own (manual, 4.1, the mark (!)). */
export function joinRuleSets(inherited: ProxyRuleSets, own: ProxyRuleSets): ProxyRuleSets {
	const sets: { -readonly [K in keyof ProxyRuleSets]?: RuleSet } = {};
	for (const [set] of SETS) sets[set] = inherited[set].followedBy(own[set]);
	return sets as ProxyRuleSets;
}

/** All rule sets of a proxy; all are compiled even after a faulty one, so that one run names every line. */
export function compileRuleSets(
	model: Pick<ProxyModel, keyof ProxyRuleSets>,
	context: CompileContext,
): ProxyRuleSets | undefined {
	const sets: { -readonly [K in keyof ProxyRuleSets]?: RuleSet } = {};
	let failed = false;
	for (const [set, site] of SETS) {
		const compiled = model[set].length === 0 ? EMPTY_RULE_SET : compileRuleSet(model[set], site, context);
		if (compiled === undefined) failed = true;
		else sets[set] = compiled;
	}
	return failed ? undefined : (sets as ProxyRuleSets);
}
