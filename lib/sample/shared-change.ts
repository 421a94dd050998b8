/**
 * Changes that a rule makes to what all threads have in common: sets of patterns and variables of the process. The
 * thread makes the change at once, since its next rule may look, and tells the control thread, which applies it too and
 * hands it to every thread, the first one included. All threads see those changes in one order and each says what shall
 * be, so the last one stays everywhere. What this gives up: for the moment of a message, threads may differ, and a sum
 * that two threads make of a variable at the same moment (`var(proc.x),add(1)`) may lose one of the two.
 */
import { IpAddress } from '../core/address.js';
import type { PatternStep } from './pattern-change.js';
import type { SampleValue } from './types.js';

/** A sample that can be sent to another thread, where objects lose their class. */
export type PlainValue = boolean | number | bigint | string | { readonly bytes: Uint8Array } | { readonly ip: string };

export type SharedChange =
	| {
			readonly kind: 'patterns';
			readonly usedBy: 'acl' | 'map';
			readonly id: number;
			readonly steps: readonly PatternStep[];
	  }
	/** Without a value: it is unset. */
	| { readonly kind: 'process-variable'; readonly name: string; readonly value: PlainValue | undefined };

export function toPlain(value: SampleValue): PlainValue {
	if (value instanceof IpAddress) return { ip: value.toString() };
	// A view into a pooled buffer would carry the whole pool along.
	return Buffer.isBuffer(value) ? { bytes: Uint8Array.from(value) } : value;
}

export function fromPlain(value: PlainValue): SampleValue | undefined {
	if (typeof value !== 'object') return value;
	return 'ip' in value ? IpAddress.parse(value.ip) : Buffer.from(value.bytes);
}
