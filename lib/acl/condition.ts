/**
 * Conditions: `if|unless [!]acl ... [or|| [!]acl ...]`, with anonymous ACLs in braces (manual, 7.2). Terms of a group
 * are all needed and are tried in order until one fails; groups are tried in order until one holds. What was
 * not tried is not evaluated, which matters for fetches that change something, such as `sc_inc_gpc0`.
 *
 * A term that could still change with more input makes its group undecided; when no other group holds, the answer
 * is `yield` and the rule is evaluated again.
 */
import { clearSightings, notesSightings } from '../sample/sightings.js';
import type { CompileContext, StreamView } from '../sample/types.js';
import { AclResult, compileAcl, compileAclExpression } from './acl.js';

interface Term {
	readonly negated: boolean;
	readonly acl: { evaluate(stream: StreamView): AclResult };
}

export class Condition {
	/** The words after `if` or `unless`, for messages. */
	readonly text: string;
	readonly #groups: readonly (readonly Term[])[];
	readonly #unless: boolean;
	/** `option log-decision`: what the group that holds has seen is kept, or with `unless` what all have. */
	readonly #notes: boolean;

	constructor(text: string, groups: readonly (readonly Term[])[], unless: boolean, notes = false) {
		this.text = text;
		this.#groups = groups;
		this.#unless = unless;
		this.#notes = notes;
	}

	/** Whether the rule applies; `yield` when that depends on input that has not come. */
	test(stream: StreamView): boolean | 'yield' {
		let undecided = false;
		const notes = this.#notes;
		if (notes) clearSightings();
		for (const group of this.#groups) {
			if (notes && !this.#unless) clearSightings();
			const result = evaluateGroup(group, stream);
			if (result === AclResult.PASS) return !this.#unless;
			if (result === AclResult.MISS) undecided = true;
		}
		return undecided ? 'yield' : this.#unless;
	}
}

function evaluateGroup(group: readonly Term[], stream: StreamView): AclResult {
	let result: AclResult = AclResult.PASS;
	for (const { negated, acl } of group) {
		let one = acl.evaluate(stream);
		if (negated && one !== AclResult.MISS) one = one === AclResult.PASS ? AclResult.FAIL : AclResult.PASS;
		if (one === AclResult.FAIL) return one;
		if (one < result) result = one;
	}
	return result;
}

/**
 * Compiles the condition at `words[start]`, which is `if` or `unless`; it takes every word to the end of the line.
 * Errors go to the context's diagnostics.
 */
export function compileCondition(
	words: readonly string[],
	start: number,
	context: CompileContext,
): Condition | undefined {
	const refuse = (text: string): undefined => {
		const proxy = context.proxy;
		const where = proxy === undefined ? '' : ` in ${proxy.kind} '${proxy.name}'`;
		context.diagnostics.alert(
			context.place,
			`error detected${where} while parsing a '${context.site}' condition : ${text}`,
		);
		return undefined;
	};
	const keyword = words[start];
	if (keyword !== 'if' && keyword !== 'unless') return refuse(`'if' or 'unless' expected, not '${keyword ?? ''}'`);
	const groups: Term[][] = [];
	let group: Term[] = [];
	let negated = false;
	for (let at = start + 1; at < words.length; at++) {
		let word = words[at] ?? '';
		if (word === '!') {
			negated = !negated;
			continue;
		}
		if (word === 'or' || word === '||') {
			if (negated || group.length === 0) return refuse(`'${word}' must follow an ACL`);
			groups.push(group);
			group = [];
			continue;
		}
		while (word.startsWith('!')) {
			negated = !negated;
			word = word.slice(1);
		}
		if (word === '{') {
			const end = words.indexOf('}', at + 1);
			if (end < 0) return refuse("missing closing '}' in condition");
			const inside = words.slice(at + 1, end);
			const compiled = compileAclExpression(inside, 'anonymous acl', context);
			if ('error' in compiled) return refuse(compiled.error);
			group.push({ negated, acl: compiled });
			at = end;
		} else {
			const acl = compileAcl(word, context);
			if (acl === undefined) return undefined;
			if ('error' in acl) return refuse(acl.error);
			group.push({ negated, acl });
		}
		negated = false;
	}
	if (negated) return refuse("an ACL is expected after '!'");
	if (group.length === 0)
		return refuse(groups.length === 0 ? `'${keyword}' expects an ACL` : "an ACL is expected after 'or'");
	groups.push(group);
	return new Condition(words.slice(start + 1).join(' '), groups, keyword === 'unless', notesSightings(context.model));
}
