/**
 * The hottest keys of a table: a walk over all its entries, in slices of a few milliseconds, that keeps the ten with the
 * highest leading figure. The walk holds no lock between entries, and the control thread does it, so that a table of a
 * million entries costs traffic nothing but the reading of memory.
 */
import { keyText } from '../runtime-api/commands/table-text.js';
import type { DataSlot, EntryView, StickTable, TableKey } from '../stick-table/table.js';

const HOTTEST = 10;
const SLICE_MS = 4;
/** The clock is asked after so many entries. */
const CHECK_EVERY = 256;
const FIGURES_MAX = 6;

const NOT_SHOWN = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]/;

/** A key for people to read: a string as the text it is, if it is one without hidden characters; else as `show table`. */
export function shownKey(key: TableKey): string {
	if (typeof key !== 'string') return keyText(key);
	const text = Buffer.from(key, 'latin1').toString('utf8');
	return NOT_SHOWN.test(text) ? keyText(key) : text;
}

/** One element of a stored type, with the name under which it is shown. */
export interface Figure {
	readonly name: string;
	readonly slot: DataSlot;
	readonly index: number;
}

/** What a table stores, rates first: the first of them leads. */
export function figuresOf(table: StickTable): Figure[] {
	const figures = table.slots
		.filter(({ class: kind, type }) => kind !== 'string' && type !== 'server_id')
		.flatMap((slot) =>
			Array.from({ length: slot.count }, (_, index) => ({
				name: `${slot.type}${slot.isArray ? `[${index}]` : ''}${slot.isRate ? `(${slot.periodMs})` : ''}`,
				slot,
				index,
			})),
		);
	const rank = ({ slot }: Figure): number => (slot.isRate ? 0 : slot.type.startsWith('gpt') ? 2 : 1);
	return figures.sort((a, b) => rank(a) - rank(b)).slice(0, FIGURES_MAX);
}

export interface FoundKey {
	readonly key: string;
	readonly value: number;
	readonly data: readonly (readonly [name: string, value: number])[];
}

/** Calls `done` with the keys, hottest first; an entry whose leading figure is 0 is not hot. */
export class HotKeyScan {
	readonly #entries: Iterator<EntryView | undefined>;
	readonly #figures: readonly Figure[];
	readonly #done: (keys: readonly FoundKey[]) => void;
	readonly #found: FoundKey[] = [];
	#cancelled = false;

	constructor(table: StickTable, nowMs: () => number, done: (keys: readonly FoundKey[]) => void) {
		this.#figures = figuresOf(table);
		this.#entries = table.walk(nowMs);
		this.#done = done;
		setImmediate(this.#slice);
	}

	cancel(): void {
		this.#cancelled = true;
	}

	readonly #slice = (): void => {
		if (this.#cancelled) return;
		const leading = this.#figures[0];
		if (leading === undefined) {
			this.#done([]);
			return;
		}
		const untilMs = performance.now() + SLICE_MS;
		for (let count = 1; ; count++) {
			const next = this.#entries.next();
			if (next.done === true) {
				this.#done(this.#found);
				return;
			}
			const entry = next.value;
			if (entry !== undefined) {
				const value = entry.reading(leading.slot, leading.index);
				if (value > 0) this.#consider(entry, value);
			}
			if ((entry === undefined || count % CHECK_EVERY === 0) && performance.now() > untilMs) break;
		}
		setImmediate(this.#slice);
	};

	#consider(entry: EntryView, value: number): void {
		const found = this.#found;
		if (found.length === HOTTEST && value <= (found[HOTTEST - 1] as FoundKey).value) return;
		const data = this.#figures.slice(1).map(({ name, slot, index }) => [name, entry.reading(slot, index)] as const);
		let at = found.length;
		while (at > 0 && (found[at - 1] as FoundKey).value < value) at--;
		found.splice(at, 0, { key: shownKey(entry.key), value, data });
		if (found.length > HOTTEST) found.pop();
	}
}
