/** Short hands of the rule tests: a line of configuration in, what it did out. */

import type { HttpErrorsModel, ProxyModel } from '../../lib/config/model.js';
import { compileRuleSet, type RuleSet } from '../../lib/rules/ruleset.js';
import { Verdict } from '../../lib/rules/verdict.js';
import type { CompileContext, RuleSite } from '../../lib/sample/types.js';
import { type FakeContextOptions, fakeContext } from '../fixtures/stream-view.js';

/** Words parted by blanks; `'...'` keeps blanks. */
export function wordsOf(text: string): string[] {
	return Array.from(text.matchAll(/'([^']*)'|(\S+)/g), (match) => match[1] ?? match[2] ?? '');
}

export interface RuleTestOptions extends FakeContextOptions {
	readonly httpErrors?: readonly HttpErrorsModel[];
}

export interface Compiled {
	readonly context: CompileContext;
	readonly rules: RuleSet | undefined;
	readonly alerts: readonly string[];
	readonly remarks: readonly string[];
}

/** Compiles lines of one set, numbered from 1. */
export function compile(site: RuleSite, lines: readonly string[], options: RuleTestOptions = {}): Compiled {
	const model = lines.map((text, index) => ({ place: { file: 'rules.cfg', line: index + 1 }, words: wordsOf(text) }));
	const proxy = {
		options: { httpUseProxyHeader: false } as ProxyModel['options'],
		tcpRequestContent: site === 'tcp-request content' ? model : [],
		httpRequest: site === 'http-request' ? model : [],
		...options.proxy,
	};
	const context = fakeContext({ ...options, proxy, site });
	const parts = context.model as { httpErrors?: readonly HttpErrorsModel[] };
	parts.httpErrors = options.httpErrors ?? [];
	const rules = compileRuleSet(model, site, context);
	const list = context.diagnostics.list;
	return {
		context,
		rules,
		alerts: list.filter((item) => item.severity === 'alert').map((item) => item.text),
		remarks: list.filter((item) => item.severity !== 'alert').map((item) => item.text),
	};
}

/** Compiles lines that must be good. */
export function rulesOf(site: RuleSite, lines: readonly string[], options: RuleTestOptions = {}): RuleSet {
	const { rules, alerts } = compile(site, lines, options);
	if (rules === undefined) throw new Error(`refused: ${alerts.join(' / ')}`);
	return rules;
}

const VERDICT_NAMES = new Map<number, string>(Object.entries(Verdict).map(([name, value]) => [value, name]));

export function verdictName(verdict: number): string {
	return VERDICT_NAMES.get(verdict) ?? `verdict ${verdict}`;
}
