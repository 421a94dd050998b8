/** What a key pressed in `holdfast top` changes: a pure function from choices to choices. */
import type { Choices, View } from './screen.js';
import { SECTIONS, type SectionName } from './sections.js';

export type KeyEffect = Choices | 'quit' | 'suspend';

const VIEW_KEYS: ReadonlyMap<string, View> = new Map([
	['a', 'all'],
	['1', 'all'],
	['t', 'tables'],
	['2', 'tables'],
	['k', 'keys'],
	['3', 'keys'],
	['s', 'servers'],
	['4', 'servers'],
	['p', 'peers'],
	['5', 'peers'],
	['u', 'sums'],
	['6', 'sums'],
]);

/** Escape sequences of terminals for the keys that scroll, as rows to go. */
const SCROLLING: ReadonlyMap<string, number> = new Map([
	['\x1b[A', -1],
	['\x1bOA', -1],
	['\x1b[B', 1],
	['\x1bOB', 1],
	['\x1b[5~', -10],
	['\x1b[6~', 10],
]);
const TO_START = new Set(['\x1b[H', '\x1b[1~', '\x1bOH', 'g']);

/** One chunk of a terminal may hold several keys. */
export function splitKeys(chunk: string): string[] {
	return chunk.match(/\x1b(?:\[[0-9;]*[~A-Za-z]|O[A-Za-z])|./gs) ?? [];
}

/** The key as it comes from a terminal in raw mode. */
export function press(key: string, choices: Choices): KeyEffect {
	// Interrupt, end of file and stop do what they do everywhere.
	if (key === 'q' || key === 'Q' || key === '\x03' || key === '\x04') return 'quit';
	if (key === '\x1a') return 'suspend';
	const view = VIEW_KEYS.get(key);
	if (view !== undefined) return { ...choices, view, offset: 0 };
	const steps = SCROLLING.get(key);
	if (steps !== undefined) return { ...choices, offset: Math.max(0, choices.offset + steps) };
	if (TO_START.has(key)) return { ...choices, offset: 0 };
	switch (key) {
		case 'o':
		case 'O':
			return { ...choices, sorts: nextSorts(choices, key === 'o' ? 1 : -1), offset: 0 };
		case 'r':
			return { ...choices, reversed: !choices.reversed };
		case ' ':
			return { ...choices, isPaused: !choices.isPaused };
		default:
			return choices;
	}
}

/** The next order of the section that is seen; of all of them together, each its own next. */
function nextSorts({ view, sorts }: Choices, step: number): Map<SectionName, string> {
	const next = new Map(sorts);
	for (const { name, sorts: orders } of SECTIONS) {
		if (view !== 'all' && view !== name) continue;
		const at = orders.indexOf(sorts.get(name) ?? orders[0] ?? '');
		const chosen = orders[(at + step + orders.length) % orders.length];
		if (chosen !== undefined) next.set(name, chosen);
	}
	return next;
}
