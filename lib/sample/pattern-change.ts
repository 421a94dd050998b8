/**
 * Changes of maps and ACLs at run time, as plain data. Those of the runtime API (management guide, 9.3 `add map`, `set map`,
 * ...) are applied in the control thread first, where they can fail, and then in each data thread, where they cannot.
 * Those of rules (`set-map`, `add-acl`, ...) are applied by the data thread that runs the rule, since the next rule may
 * look at the set, and told to the control thread, which hands them to every data thread in one order, the first one
 * included. They say what shall be (`put`, `ensure`, `delete` of a text), so applying one twice does no harm, and the
 * last one in that order is the one that stays, everywhere.
 *
 * Numbers of entries are therefore those of the control thread alone: it names an entry to the others by its text and
 * its place among equal texts. What this gives up: patterns that two threads add within the same moment may stand in
 * another order in each, which matters only to lists of which the first match counts.
 *
 * A set may be indexed for several ways of matching; a step changes all of its indexes or none.
 */
import type { PatternEntry, PatternIndex } from './pattern-index.js';
import type { PatternReference } from './pattern-registry.js';

export interface NewPattern {
	readonly text: string;
	readonly data: string;
}

/** Which entries are meant: those of a pattern, or the n-th of them, from 0. */
export type PatternSelector = { readonly text: string; readonly occurrence?: number };

export type PatternStep =
	| ({ readonly step: 'add' } & NewPattern)
	| ({ readonly step: 'set'; readonly data: string } & { readonly selector: PatternSelector })
	| { readonly step: 'delete'; readonly selector: PatternSelector }
	/** `set-map`: changes the entry of the text, or adds it. */
	| ({ readonly step: 'put' } & NewPattern)
	/** `add-acl`: adds the text unless it is there. */
	| { readonly step: 'ensure'; readonly text: string }
	| { readonly step: 'clear' };

/** Entries of a set, in order. Every index holds the same ones. */
export function entriesOf(reference: PatternReference): Iterable<PatternEntry> {
	const [index] = reference.indexes.values();
	return index?.entries() ?? [];
}

export function entryCountOf(reference: PatternReference): number {
	const [index] = reference.indexes.values();
	return index?.size ?? 0;
}

/** The flag `-i` is part of an index's name. */
const ignoresCase = (name: string): boolean => name.endsWith(' -i');

/** The entry of a number, as other threads know it; undefined: there is none. */
export function selectorOf(reference: PatternReference, id: number): PatternSelector | undefined {
	const [index] = reference.indexes.values();
	for (const { id: one, text } of index?.entries() ?? []) {
		if (one !== id) continue;
		return { text, occurrence: index?.entriesOf(text).findIndex((entry) => entry.id === id) ?? 0 };
	}
	return undefined;
}

/** How many entries were concerned, or a sentence when a pattern is no pattern of this set. */
export function applyPatternStep(reference: PatternReference, step: PatternStep): number | string {
	if (step.step === 'add') return add(reference, step);
	if (step.step === 'put' || step.step === 'ensure') {
		const [index] = reference.indexes.values();
		if (index === undefined || index.entriesOf(step.text).length === 0) {
			return add(reference, { text: step.text, data: step.step === 'put' ? step.data : '' });
		}
		if (step.step === 'ensure') return 0;
		// The same again is no change: nobody needs to be told.
		if (index.entriesOf(step.text).every(({ data }) => data === step.data)) return 0;
	}
	let count = 0;
	for (const index of reference.indexes.values()) count = changeIndex(index, step);
	return count;
}

function changeIndex(index: PatternIndex, step: Exclude<PatternStep, { step: 'add' | 'ensure' }>): number {
	switch (step.step) {
		case 'put':
			return index.setDataOf(step.text, step.data);
		case 'set': {
			const { text, occurrence } = step.selector;
			if (occurrence === undefined) return index.setDataOf(text, step.data);
			const id = index.entriesOf(text)[occurrence]?.id;
			return index.setData((entry) => entry.id === id, step.data);
		}
		case 'delete': {
			const { text, occurrence } = step.selector;
			if (occurrence === undefined) return index.removeText(text);
			const id = index.entriesOf(text)[occurrence]?.id;
			return index.remove((entry) => entry.id === id);
		}
		case 'clear': {
			const { size } = index;
			index.clear();
			return size;
		}
	}
}

function add(reference: PatternReference, { text, data }: NewPattern): number | string {
	const done: (readonly [PatternIndex, number])[] = [];
	for (const [name, index] of reference.indexes) {
		const added = index.add(text, ignoresCase(name), data);
		if ('error' in added) {
			for (const [other, id] of done) other.remove((entry) => entry.id === id);
			return added.error;
		}
		done.push([index, added.id]);
	}
	return 1;
}
