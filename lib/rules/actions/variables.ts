/**
 * Variables: `set-var(<name>[,<condition>...]) <expression>`, `set-var-fmt(...) <format>`, `unset-var(<name>)`
 * (manual, 4.2 `http-request set-var`; the conditions stand at the converter `set-var`, 7.3.1). A value that
 * is absent leaves the variable as it was.
 */
import { parseVariableName, variableNameError } from '../../sample/arguments.js';
import type { CompileContext, SampleValue, StreamView, VariableName } from '../../sample/types.js';
import { type Action, type ActionDescriptor, ALL_SITES, mayComeLater, RuleWords } from '../action.js';
import { Verdict } from '../verdict.js';

/** Whether `value` may replace `old`, which is undefined for a variable that is not set. */
type SetCondition = (old: SampleValue | undefined, value: SampleValue) => boolean;

/** Scalars are never empty (manual, `set-var`). */
function isEmpty(value: SampleValue): boolean {
	return (typeof value === 'string' || Buffer.isBuffer(value)) && value.length === 0;
}

/** Below zero, zero or above, as `old` compares with `value`; undefined unless both are integers. */
function compareIntegers(old: SampleValue | undefined, value: SampleValue): number | undefined {
	if (typeof old !== 'number' && typeof old !== 'bigint') return undefined;
	if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
	return old > value ? 1 : old < value ? -1 : 0;
}

/** A variable that was unset no longer exists here, so `ifexists` and `ifset` are one. */
const SET_CONDITIONS: ReadonlyMap<string, SetCondition> = new Map<string, SetCondition>([
	['ifexists', (old) => old !== undefined],
	['ifnotexists', (old) => old === undefined],
	['ifset', (old) => old !== undefined],
	['ifnotset', (old) => old === undefined],
	['ifempty', (_, value) => isEmpty(value)],
	['ifnotempty', (_, value) => !isEmpty(value)],
	// Comparisons of anything but two integers are true by default.
	['ifgt', (old, value) => (compareIntegers(old, value) ?? 1) > 0],
	['iflt', (old, value) => (compareIntegers(old, value) ?? -1) < 0],
]);

const SET_CONDITIONS_MAX = 4;
const EXPECTED = "Expects 'set-var(<var-name>)', 'set-var-fmt(<var-name>)' or 'unset-var(<var-name>)'";

interface Target {
	readonly variable: VariableName;
	readonly conditions: readonly SetCondition[];
}

function readTarget(words: RuleWords, conditional: boolean): Target | undefined {
	const inside = words.parenthesized;
	if (inside === undefined) return words.fail(`invalid or incomplete action '${words.keyword}'. ${EXPECTED}`);
	const [name = '', ...conditionNames] = inside.split(',').map((part) => part.trim());
	if (name === '') return words.fail('Empty variable name cannot be accepted');
	const variable = parseVariableName(name);
	if (variable === undefined) return words.fail(variableNameError(name));
	if (!conditional && conditionNames.length > 0) {
		return words.fail(
			'unset-var does not expect parameters after the variable name. Only "set-var" and "set-var-fmt" manage conditions',
		);
	}
	if (conditionNames.length > SET_CONDITIONS_MAX) return words.fail('too many conditions, at most four are allowed');
	const conditions: SetCondition[] = [];
	for (const conditionName of conditionNames) {
		const condition = SET_CONDITIONS.get(conditionName);
		if (condition === undefined) return words.fail(`unknown condition "${conditionName}"`);
		conditions.push(condition);
	}
	return { variable, conditions };
}

/** Made once per rule; the common rule has no condition. */
function compileAssignment({
	variable,
	conditions,
}: Target): (stream: Pick<StreamView, 'variables'>, value: SampleValue) => void {
	const { scope, name } = variable;
	if (conditions.length === 0) return (stream, value) => stream.variables.set(scope, name, value);
	return (stream, value) => {
		const old = stream.variables.get(scope, name);
		for (const condition of conditions) if (!condition(old, value)) return;
		stream.variables.set(scope, name, value);
	};
}

function compileSetVar(words: RuleWords): Action | undefined {
	const target = readTarget(words, true);
	if (target === undefined) return undefined;
	const expression = words.expression();
	if (expression === undefined) return undefined;
	const assign = compileAssignment(target);
	const site = words.context.site;
	return (stream) => {
		const value = expression.evaluate(stream);
		if (value !== undefined) assign(stream, value);
		else if (mayComeLater(expression, stream, site)) return Verdict.YIELD;
		return Verdict.CONTINUE;
	};
}

function compileSetVarFormat(words: RuleWords): Action | undefined {
	const target = readTarget(words, true);
	if (target === undefined) return undefined;
	const text = words.next();
	if (text === undefined) return words.fail('missing fmt string');
	const format = words.format(text);
	if (format === undefined) return undefined;
	const assign = compileAssignment(target);
	return (stream) => {
		assign(stream, format.render(stream));
		return Verdict.CONTINUE;
	};
}

function compileUnsetVar(words: RuleWords): Action | undefined {
	const target = readTarget(words, false);
	if (target === undefined) return undefined;
	const { scope, name } = target.variable;
	return (stream) => {
		stream.unsetVariable(scope, name);
		return Verdict.CONTINUE;
	};
}

/** `set-var(...)`, `set-var-fmt(...)` and `unset-var(...)` of `http-check` and `tcp-check`, which wait for nothing. */
export function compileVariableRule(
	line: readonly string[],
	context: CompileContext,
): ((view: StreamView) => void) | undefined {
	const words = new RuleWords(line, context);
	const target = readTarget(words, words.keyword !== 'unset-var');
	if (target === undefined) return undefined;
	if (words.keyword === 'unset-var') {
		const { scope, name } = target.variable;
		return (view) => view.variables.unset(scope, name);
	}
	const assign = compileAssignment(target);
	if (words.keyword === 'set-var-fmt') {
		const text = words.next();
		const format = text === undefined ? words.fail('missing fmt string') : words.format(text);
		return format === undefined ? undefined : (view) => assign(view, format.render(view));
	}
	const expression = words.expression();
	if (expression === undefined) return undefined;
	return (view) => {
		const value = expression.evaluate(view);
		if (value !== undefined) assign(view, value);
	};
}

export const VARIABLE_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'set-var', sites: ALL_SITES, parentheses: true, compile: compileSetVar },
	{ name: 'set-var-fmt', sites: ALL_SITES, parentheses: true, compile: compileSetVarFormat },
	{ name: 'unset-var', sites: ALL_SITES, parentheses: true, compile: compileUnsetVar },
];
