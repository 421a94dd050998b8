/**
 * The hash functions of `hash-type` by name (manual, 4.2): those of the converters, and `none`, which takes a number as it
 * is.
 */
import { crc32, djb2, sdbm, wt6 } from '../sample/hash-functions.js';

export { avalanche, crc32, djb2, sdbm, wt6 } from '../sample/hash-functions.js';

export type HashFunctionName = 'sdbm' | 'djb2' | 'wt6' | 'crc32' | 'none';

/** From a byte string to an unsigned 32-bit number. */
export type HashFunction = (key: string) => number;

/** The key is itself a decimal number; its low 32 bits are the hash. Leading text that is no number is 0. */
export function none(key: string): number {
	let value = 0;
	for (let i = 0; i < key.length; i++) {
		const digit = key.charCodeAt(i) - 48;
		if (digit < 0 || digit > 9) break;
		value = (Math.imul(value, 10) + digit) | 0;
	}
	return value >>> 0;
}

export const HASH_FUNCTIONS: Readonly<Record<HashFunctionName, HashFunction>> = { sdbm, djb2, wt6, crc32, none };
