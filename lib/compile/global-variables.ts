/**
 * `set-var` and `set-var-fmt` of `global` (manual, 3.1): variables of the process that are there before the first
 * connection. They are evaluated when the file is compiled, in its order, so that one may use the one before.
 *
 * Every thread evaluates them, for the sake of mistakes; the values that count are those of the control thread, which the
 * others are given at their start: `uuid` or `rand` must be the same everywhere.
 */
import type { Line } from '../config/model.js';
import { parseVariableName, variableNameError } from '../sample/arguments.js';
import { compileExpression } from '../sample/expression.js';
import { parseLogFormat } from '../sample/log-format.js';
import { toPlain } from '../sample/shared-change.js';
import type { CompileContext, SampleValue, StreamView, VariableStore } from '../sample/types.js';
import type { ProcessVariables } from '../stream/process-variables.js';

/** All that a fetch of this site looks at: the variables, and a unique id that is not there. */
function viewOf(variables: ProcessVariables): StreamView {
	const store: VariableStore = {
		get: (scope, name) => (scope === 'proc' ? variables.get(name) : undefined),
		set: (scope, name, value) => {
			if (scope === 'proc') variables.receive(name, toPlain(value));
		},
		unset: (scope, name) => {
			if (scope === 'proc') variables.receive(name, undefined);
		},
	};
	return { nowMs: 0, variables: store, uniqueId: () => undefined } as Partial<StreamView> as StreamView;
}

/** Sets the variables of all lines; remarks go to the context's diagnostics. */
export function setGlobalVariables(lines: readonly Line[], variables: ProcessVariables, context: CompileContext): void {
	const view = viewOf(variables);
	for (const { place, words } of lines) setOne(words, variables, view, context.at(place, 'global'));
}

/** `set var` of the runtime API: what `words` (as in `global`) would set, or what is wrong with them. */
export function evaluateVariable(
	words: readonly string[],
	variables: ProcessVariables,
	context: CompileContext,
): { readonly name: string; readonly value: SampleValue } | { readonly error: string } {
	const variable = parseVariableName(words[1] ?? '');
	if (variable === undefined) return { error: variableNameError(words[1] ?? '') };
	const evaluated = evaluate(words, viewOf(variables), context.at(context.place, 'global'));
	const { list } = context.diagnostics;
	if (evaluated?.value === undefined) {
		return { error: list[0]?.text ?? `'${words.slice(2).join(' ')}' has no value here.` };
	}
	const surplus = words[evaluated.next];
	if (surplus !== undefined) return { error: `'${surplus}' and what follows is not expected.` };
	return { name: variable.name, value: evaluated.value };
}

function setOne(
	words: readonly string[],
	variables: ProcessVariables,
	view: StreamView,
	context: CompileContext,
): void {
	const [keyword = '', target = ''] = words;
	const evaluated = evaluate(words, view, context);
	if (evaluated === undefined) return;
	const { value, next } = evaluated;
	const surplus = words[next];
	if (surplus !== undefined) {
		context.diagnostics.warning(context.place, `'${keyword} ${target}' : '${surplus}' and what follows is ignored.`);
	}
	const variable = parseVariableName(target);
	if (variable === undefined) {
		context.diagnostics.alert(context.place, variableNameError(target));
	} else if (variable.scope !== 'proc') {
		context.diagnostics.alert(
			context.place,
			`'${keyword}': cannot set variable '${target}', only scope 'proc' is permitted in the global section.`,
		);
	} else if (value === undefined) {
		context.diagnostics.alert(context.place, `'${keyword}': '${words.slice(2).join(' ')}' has no value here.`);
	} else variables.receive(variable.name, toPlain(value));
}

interface Evaluated {
	readonly value: SampleValue | undefined;
	/** Index of the first word that was not read. */
	readonly next: number;
}

function evaluate(words: readonly string[], view: StreamView, context: CompileContext): Evaluated | undefined {
	if (words[0] === 'set-var') {
		const compiled = compileExpression(words, 2, context);
		return compiled && { value: compiled.expression.evaluate(view), next: compiled.next };
	}
	const format = parseLogFormat(words[2] ?? '', context);
	if (!('error' in format)) return { value: format.render(view), next: 3 };
	context.diagnostics.alert(context.place, `'set-var-fmt': ${format.error}`);
	return undefined;
}
