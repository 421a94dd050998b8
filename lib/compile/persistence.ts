/** `stick`, `force-persist` and `ignore-persist` lines: their keys, tables and conditions, resolved once. */
import { compileCondition } from '../acl/condition.js';
import type { PersistRule } from '../backend/backend.js';
import type { StickRule } from '../backend/stick-rules.js';
import type { ProxyModel } from '../config/model.js';
import { didYouMean } from '../core/diagnostics.js';
import { compileExpression } from '../sample/expression.js';
import { refuse } from '../sample/sites.js';
import type { CompileContext, StreamView } from '../sample/types.js';
import { canBeKey } from '../sample/values.js';

type Test = (view: StreamView) => boolean;

/** `<pattern> [table <table>] [{if|unless} <condition>]` (manual, 4.2 `stick match`). */
export function compileStickRule(rule: ProxyModel['stickRules'][number], outer: CompileContext): StickRule | undefined {
	const { kind, words, place } = rule;
	const context = outer.at(place, kind === 'store-response' ? 'stick response' : 'stick request');
	const compiled = compileExpression(words, 0, context);
	if (compiled === undefined) return undefined;
	const { expression } = compiled;
	let at = compiled.next;
	let tableName = '';
	if (words[at] === 'table') {
		tableName = words[at + 1] ?? '';
		if (tableName === '') return refuse(context, `'table' expects the name of a stick-table.`);
		at += 2;
	}
	const test = testAt(words, at, context);
	if (test === undefined) return undefined;
	const table = context.table(tableName);
	if (table === undefined) {
		const wanted = tableName === '' ? (context.proxy?.name ?? '') : tableName;
		return refuse(context, `unable to find stick-table '${wanted}'${didYouMean(wanted, context.tableNames())}.`);
	}
	if (!canBeKey(expression.type, table.model.keyType)) {
		return refuse(
			context,
			`type of fetch '${expression.text}' (${expression.type}) not usable with type of stick-table '${table.name}' (${table.model.keyType}).`,
		);
	}
	return { kind, table, key: expression.evaluate, test };
}

export function compilePersistRule(
	rule: ProxyModel['persistRules'][number],
	outer: CompileContext,
): PersistRule | undefined {
	const test = testAt(rule.words, 0, outer.at(rule.place, 'use-server'));
	return test === undefined ? undefined : { kind: rule.kind, test };
}

/** The condition that begins there, or nothing; what can never be decided does not hold. */
function testAt(words: readonly string[], at: number, context: CompileContext): Test | undefined {
	const word = words[at];
	if (word === undefined || word === '') return () => true;
	if (word !== 'if' && word !== 'unless') return refuse(context, `unknown keyword '${word}'.`);
	const condition = compileCondition(words, at, context);
	return condition === undefined ? undefined : (view) => condition.test(view) === true;
}
