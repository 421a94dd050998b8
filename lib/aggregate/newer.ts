/**
 * Which of two copies of one share is newer, when neither comes from its origin. A share has one writer, so
 * its copies are states of one history, and counters tell the order: of one life they only grow.
 */
import type { EntryRecord } from '../peers/entry-record.js';
import { CLASS_WORDS } from '../stick-table/data-types.js';
import type { EntryView } from '../stick-table/entry-view.js';
import type { DataSlot } from '../stick-table/layout.js';

/** How much longer an entry must live to count as touched later: more than the way between two nodes takes. */
const LATER_BY_MS = 1000;

/** Whether what was received is newer than what is known: by what was counted, else by its life. Equal is not newer. */
export function isNewerShare(received: EntryRecord, known: EntryView, slots: readonly DataSlot[]): boolean {
	const order = compareCounts(received, known, slots);
	if (order !== 0) return order > 0;
	const remainingMs = received.isTimed ? received.expireMs : Number.POSITIVE_INFINITY;
	return remainingMs > (known.remainingMs ?? 0) + LATER_BY_MS;
}

/** Above 0: more was counted in what was received than in what is known. */
export function compareCounts(received: EntryRecord, known: EntryView, slots: readonly DataSlot[]): number {
	const base = slots[0]?.offset ?? 0;
	const words = new Uint32Array(received.words.length);
	known.copyWords(words);
	for (const slot of slots) {
		if (slot.isAsIs || slot.isLocalOnly || slot.isRate) continue;
		const order = compareCounters(received.words, words, slot, slot.offset - base);
		if (order !== 0) return order;
	}
	for (const slot of slots) {
		if (!slot.isRate) continue;
		for (let index = 0; index < slot.count; index++) {
			const order = compareRates(received.words, words, slot.offset - base + index * 3, slot.periodMs);
			if (order !== 0) return order;
		}
	}
	return 0;
}

function compareCounters(a: Uint32Array, b: Uint32Array, slot: DataSlot, from: number): number {
	const elementWords = CLASS_WORDS[slot.class];
	for (let at = from; at < from + slot.count * elementWords; at += elementWords) {
		if (elementWords === 2 && a[at + 1] !== b[at + 1]) return a[at + 1]! - b[at + 1]!;
		// They wrap.
		if (a[at] !== b[at]) return elementWords === 2 ? a[at]! - b[at]! : (a[at]! - b[at]!) | 0;
	}
	return 0;
}

/** Elapsed, current, previous. A period that began much later is newer; in the same one the larger count. */
function compareRates(a: Uint32Array, b: Uint32Array, at: number, periodMs: number): number {
	const laterMs = (b[at]! - a[at]!) | 0;
	if (Math.abs(laterMs) > periodMs / 2) {
		// One that never counted began at no time at all.
		if (a[at + 1]! + a[at + 2]! === 0 && b[at + 1]! + b[at + 2]! === 0) return 0;
		return laterMs;
	}
	return a[at + 1]! - b[at + 1]!;
}
