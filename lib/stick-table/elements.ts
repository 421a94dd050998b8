/**
 * One stored element of a record: adding, reading, setting and replacing it, by class. Called with the lock
 * of the record's shard held; strings are the table's business, since they live in the dictionary.
 */
import type { DataValue, RateState } from './entry-view.js';
import { addToRate, RATE_CURRENT, RATE_PREVIOUS, readRate, setRate } from './freq-counter.js';
import type { DataSlot } from './layout.js';

/** Adds `amount`, wrapping; returns the new value, of a rate the events of the current period. */
export function addElement(
	words: Int32Array,
	record: number,
	slot: DataSlot,
	index: number,
	amount: number,
	nowTick: number,
): number {
	switch (slot.class) {
		case 'uint32': {
			const at = record + slot.offset + index;
			const value = (words[at]! + amount) | 0;
			words[at] = value;
			return value >>> 0;
		}
		case 'rate': {
			// With brates-factor the unit is a block of bytes, rounded up at each addition.
			const count = slot.factor === 1 ? amount : Math.ceil(amount / slot.factor);
			return addToRate(words, record + slot.offset + index * 3, count, nowTick, slot.periodMs);
		}
		case 'uint64':
			return addTo64(words, record + slot.offset + index * 2, amount);
		case 'int32': {
			const at = record + slot.offset + index;
			const value = (words[at]! + amount) | 0;
			words[at] = value;
			return value;
		}
		case 'string':
			return 0;
	}
}

/** Low word first. `amount` is a safe integer of any sign. */
function addTo64(words: Int32Array, at: number, amount: number): number {
	const high = Math.floor(amount / 4294967296);
	const low = (words[at]! >>> 0) + (amount - high * 4294967296);
	words[at] = low | 0;
	words[at + 1] = (words[at + 1]! + high + (low > 4294967295 ? 1 : 0)) | 0;
	return read64(words, at);
}

export function read64(words: Int32Array, at: number): number {
	return (words[at + 1]! >>> 0) * 4294967296 + (words[at]! >>> 0);
}

/** The value; of a rate its reading, in bytes for byte rates. */
export function readElement(words: Int32Array, record: number, slot: DataSlot, index: number, nowTick: number): number {
	switch (slot.class) {
		case 'uint32':
			return words[record + slot.offset + index]! >>> 0;
		case 'rate':
			return readRate(words, record + slot.offset + index * 3, nowTick, slot.periodMs) * slot.factor;
		case 'uint64':
			return read64(words, record + slot.offset + index * 2);
		case 'int32':
			return words[record + slot.offset + index]!;
		case 'string':
			return 0;
	}
}

/** Sets the value modulo its size; a rate then reads `value` for a whole period. */
export function setElement(
	words: Int32Array,
	record: number,
	slot: DataSlot,
	index: number,
	value: number | bigint,
	nowTick: number,
): void {
	switch (slot.class) {
		case 'uint32':
		case 'int32':
			words[record + slot.offset + index] = low32(value);
			return;
		case 'uint64':
			write64(words, record + slot.offset + index * 2, value);
			return;
		case 'rate': {
			const count = slot.factor === 1 ? value : Math.ceil(Number(value) / slot.factor);
			setRate(words, record + slot.offset + index * 3, low32(count), nowTick);
			return;
		}
		case 'string':
			return;
	}
}

/** Replaces the stored state by one from a peer or a snapshot. A value of another class is ignored. */
export function writeElement(
	words: Int32Array,
	record: number,
	slot: DataSlot,
	index: number,
	value: DataValue,
	nowTick: number,
): void {
	if (slot.class === 'rate') {
		if (typeof value === 'object') writeRate(words, record + slot.offset + index * 3, value, nowTick);
	} else if (typeof value === 'number' || typeof value === 'bigint') {
		setElement(words, record, slot, index, value, nowTick);
	}
}

/** The start is made even, as the sender's was (peers-protocol.md, 8.3). */
function writeRate(words: Int32Array, at: number, state: RateState, nowTick: number): void {
	words[at] = (nowTick - state.elapsedMs) & ~1;
	words[at + RATE_CURRENT] = state.current | 0;
	words[at + RATE_PREVIOUS] = state.previous | 0;
}

function write64(words: Int32Array, at: number, value: number | bigint): void {
	if (typeof value === 'bigint') {
		words[at] = Number(BigInt.asIntN(32, value));
		words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
		return;
	}
	const high = Math.floor(value / 4294967296);
	words[at] = (value - high * 4294967296) | 0;
	words[at + 1] = high | 0;
}

function low32(value: number | bigint): number {
	return typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value | 0;
}
