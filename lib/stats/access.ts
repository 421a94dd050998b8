/**
 * Who may see the page: its `stats http-request` rules, or, when there are none and users are declared, what
 * `stats auth` stands for (manual, 4.2): a user and password of that list, asked for with the realm. And the
 * conditions of `stats admin`.
 */
import { type Condition, compileCondition } from '../acl/condition.js';
import type { StatsModel } from '../config/model.js';
import { type Action, RuleWords } from '../rules/action.js';
import { findAction } from '../rules/actions/index.js';
import { compileRuleSet, EMPTY_RULE_SET, RuleSet } from '../rules/ruleset.js';
import { Verdict } from '../rules/verdict.js';
import { basicCredentials } from '../sample/http-parts.js';
import { passwordMatches } from '../sample/password.js';
import type { CompileContext } from '../sample/types.js';

/** HAProxy's own: browsers keep passwords by realm. */
const DEFAULT_REALM = 'HAProxy Statistics';

export interface StatsAccess {
	readonly model: StatsModel;
	readonly rules: RuleSet;
	readonly admin: readonly Condition[];
}

/** Undefined after an error, which is then in the diagnostics. */
export function compileStatsAccess(model: StatsModel, context: CompileContext): StatsAccess | undefined {
	const rules = compileRules(model, context);
	const admin = model.admin.map((line) => compileCondition(line.words, 0, context.at(line.place, 'http-request')));
	if (rules === undefined || admin.some((one) => one === undefined)) return undefined;
	return { model, rules, admin: admin as Condition[] };
}

function compileRules(model: StatsModel, context: CompileContext): RuleSet | undefined {
	if (model.httpRequest.length > 0) return compileRuleSet(model.httpRequest, 'http-request', context);
	if (model.auth.length === 0) return EMPTY_RULE_SET;
	const words = ['auth', 'realm', model.realm ?? DEFAULT_REALM];
	const ask = findAction('auth')?.compile(new RuleWords(words, context.at(model.place, 'http-request')));
	if (ask === undefined) return undefined;
	const { file, line } = model.place;
	const action = unlessKnown(model, ask);
	return new RuleSet([{ action, condition: undefined, name: 'stats auth', isConditional: false, file, line }]);
}

/** The first password of a user counts, as in a user list. */
function unlessKnown(model: StatsModel, ask: Action): Action {
	const passwords = new Map<string, string>();
	for (const [user, password] of model.auth) if (!passwords.has(user)) passwords.set(user, password);
	return (stream) => {
		const given = stream.request === undefined ? undefined : basicCredentials(stream.request.headers);
		const password = given === undefined ? undefined : passwords.get(given.user);
		const isKnown = given !== undefined && password !== undefined && passwordMatches(given.password, password, false);
		return isKnown ? Verdict.CONTINUE : ask(stream);
	};
}
