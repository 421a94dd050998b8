/**
 * Changes of maps and ACLs at run time (management guide, 9.3 `add map`, `set map`, ...), as plain data that is applied
 * in the control thread first, where it can fail, and then in each data thread, where it cannot: all threads have
 * compiled the same sets and apply the same steps in the same order, so an entry has the same number everywhere.
 *
 * A set may be indexed for several ways of matching; a step changes all of its indexes or none.
 */
import type { PatternEntry, PatternIndex } from '../sample/pattern-index.js';
import type { PatternReference } from '../sample/pattern-registry.js';

export interface NewPattern {
	readonly text: string;
	readonly data: string;
}

/** Which entries are meant: those of a pattern, or the one of a number. */
export type PatternSelector = { readonly text: string } | { readonly id: number };

export type PatternStep =
	| ({ readonly step: 'add' } & NewPattern)
	| ({ readonly step: 'set'; readonly data: string } & { readonly selector: PatternSelector })
	| { readonly step: 'delete'; readonly selector: PatternSelector }
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

/** How many entries were concerned, or a sentence when a pattern is no pattern of this set. */
export function applyPatternStep(reference: PatternReference, step: PatternStep): number | string {
	if (step.step === 'add') return add(reference, step);
	let count = 0;
	for (const index of reference.indexes.values()) count = changeIndex(index, step);
	return count;
}

function changeIndex(index: PatternIndex, step: Exclude<PatternStep, { step: 'add' }>): number {
	switch (step.step) {
		case 'set':
			return index.setData(selects(step.selector), step.data);
		case 'delete':
			return index.remove(selects(step.selector));
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

function selects(selector: PatternSelector): (entry: PatternEntry) => boolean {
	return 'id' in selector ? (entry) => entry.id === selector.id : (entry) => entry.text === selector.text;
}
