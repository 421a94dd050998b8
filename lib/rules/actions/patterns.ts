/**
 * Rules that change maps and ACLs: `set-map`, `del-map`, `add-acl`, `del-acl` (manual, 4.2 `http-request set-map`). The
 * change counts for the next rule at once, and for every thread a moment later (sample/shared-change.ts); `show map` and
 * `show acl` show it. It lives as long as the configuration: a reload reads the files again.
 *
 * The set is that of a file which an ACL or a map of this configuration reads. Where none does, nothing could look at
 * what is kept, and the reference does nothing: here a warning says so.
 */
import { applyPatternStep, type PatternStep } from '../../sample/pattern-change.js';
import { type PatternReference, patternRegistry } from '../../sample/pattern-registry.js';
import type { Action, ActionDescriptor, RuleWords } from '../action.js';
import { ALL_SITES } from '../action.js';
import { Verdict } from '../verdict.js';

interface PatternAction {
	readonly name: string;
	readonly usedBy: 'acl' | 'map';
	/** `<key>`, or `<key> <value>`. */
	readonly formats: 1 | 2;
	readonly step: (key: string, value: string) => PatternStep;
}

const ROWS: readonly PatternAction[] = [
	{ name: 'set-map', usedBy: 'map', formats: 2, step: (text, data) => ({ step: 'put', text, data }) },
	{ name: 'del-map', usedBy: 'map', formats: 1, step: (text) => ({ step: 'delete', selector: { text } }) },
	{ name: 'add-acl', usedBy: 'acl', formats: 1, step: (text) => ({ step: 'ensure', text }) },
	{ name: 'del-acl', usedBy: 'acl', formats: 1, step: (text) => ({ step: 'delete', selector: { text } }) },
];

function compilePatternAction(words: RuleWords, row: PatternAction): Action | undefined {
	const { context, keyword } = words;
	const file = words.parenthesized ?? '';
	if (file === '') return words.fail(`'${keyword}' expects the name of a file in parentheses`);
	const keyText = words.next();
	const valueText = row.formats === 2 ? words.next() : '';
	if (keyText === undefined || valueText === undefined || !words.atCondition()) {
		return words.fail(`expects exactly ${row.formats} arguments`);
	}
	const key = words.format(keyText);
	const value = valueText === '' ? undefined : words.format(valueText);
	if (key === undefined || (row.formats === 2 && value === undefined)) return undefined;
	const registry = patternRegistry(context);
	registry.expect(file, row.usedBy, context.place, keyword);
	const { share } = context.process;
	let reference: PatternReference | undefined;
	return (stream) => {
		// Rules are compiled in no particular order: the set may have been made after this one.
		reference ??= registry.find(file, row.usedBy);
		if (reference === undefined) return Verdict.CONTINUE;
		const step = row.step(key.render(stream), value?.render(stream) ?? '');
		// A text that is no pattern of this set (no address, no number) changes nothing, as in the reference.
		const changed = applyPatternStep(reference, step);
		if (typeof changed === 'number' && changed > 0) {
			share?.({ kind: 'patterns', usedBy: row.usedBy, id: reference.id, steps: [step] });
		}
		return Verdict.CONTINUE;
	};
}

export const PATTERN_ACTIONS: readonly ActionDescriptor[] = ROWS.map((row) => ({
	name: row.name,
	sites: ALL_SITES,
	parentheses: true,
	compile: (words) => compilePatternAction(words, row),
}));
