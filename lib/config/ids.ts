/**
 * Numbers of proxies, listeners and servers that the file leaves out, counted as HAProxy counts them: they are seen in
 * statistics and on the wire.
 */
import type { Diagnostics, Place } from '../core/diagnostics.js';
import type { BindDraft } from './draft.js';
import type { BindModel } from './model.js';

/**
 * The numbers of a list: those written stay, the others count up from `first` past what is taken. As in
 * HAProxy the count goes on by one for every item, also for one that has its own number.
 */
export function giveIds<T extends { readonly id: number | undefined }>(
	items: readonly T[],
	first: number,
	placeOf: (item: T) => Place,
	what: string,
	diagnostics: Diagnostics,
): number[] {
	const taken = new Map<number, T>();
	for (const item of items) {
		if (item.id === undefined) continue;
		const twin = taken.get(item.id);
		if (twin === undefined) {
			taken.set(item.id, item);
			continue;
		}
		const { file, line } = placeOf(twin);
		diagnostics.alert(placeOf(item), `${what} id ${item.id} is already used at ${file}:${line}.`);
	}
	let next = first;
	return items.map((item) => {
		let id = item.id;
		if (id === undefined) {
			while (taken.has(next)) next++;
			id = next;
		}
		next++;
		return id;
	});
}

export function finishBinds(binds: readonly BindDraft[], diagnostics: Diagnostics): BindModel[] {
	const ids = giveIds(binds, 1, (bind) => bind.place, 'listener', diagnostics);
	return binds.map((bind, index) => ({ ...bind, id: ids[index] ?? 0 }));
}
