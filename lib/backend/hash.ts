/**
 * The hash functions of `hash-type` (manual, 4.2), giving the same 32 bits as HAProxy for the same bytes:
 * sdbm and djb2 are the public-domain ones of their names, crc32 is Ethernet's, wt6 is HAProxy's own
 * rotating pair, `none` takes the number as it is. All are over bytes and unsigned. The arithmetic stays
 * within 32-bit integers (`| 0`, `Math.imul`), which the engine keeps out of the heap.
 *
 * The modifier `avalanche` is Bob Jenkins's full avalanche of a 4-byte integer (published at
 * burtleburtle.net/bob/hash/integer.html), followed by a multiplication with the prime 0xC0000001: the
 * latter was found by comparing two hundred results of the binary with the published function.
 */
export type HashFunctionName = 'sdbm' | 'djb2' | 'wt6' | 'crc32' | 'none';

/** A key to hash: a byte string, bytes, or a 32-bit number (only `source` and `none` make those). */
export type HashFunction = (key: string) => number;

export function sdbm(key: string): number {
	let hash = 0;
	for (let i = 0; i < key.length; i++) {
		hash = ((key.charCodeAt(i) & 0xff) + (hash << 6) + (hash << 16) - hash) | 0;
	}
	return hash >>> 0;
}

export function djb2(key: string): number {
	let hash = 5381;
	for (let i = 0; i < key.length; i++) hash = ((hash << 5) + hash + (key.charCodeAt(i) & 0xff)) | 0;
	return hash >>> 0;
}

/** Two accumulators rotated by amounts that they themselves give, crossing over at each byte. */
export function wt6(key: string): number {
	let first = 0xa53c965a | 0;
	let second = 0x5ca6953a | 0;
	let firstShift = 6;
	let secondShift = 18;
	for (let i = 0; i < key.length; i++) {
		const byte = key.charCodeAt(i) & 0xff;
		first = ~(first ^ byte);
		second = ~(second + byte);
		const rotated = rotateLeft(second, firstShift);
		second = rotateLeft(first, secondShift);
		first = rotated;
		const mixed = ((first >>> 16) ^ second) & 0xffff;
		firstShift = mixed & 31;
		secondShift = mixed >>> 11;
	}
	return (first ^ second) >>> 0;
}

function rotateLeft(value: number, count: number): number {
	// A shift by 32 is a shift by 0 here, and x | x is x.
	return (value << count) | (value >>> (32 - count));
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, index) => {
	let value = index;
	for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
	return value | 0;
});

export function crc32(key: string): number {
	let crc = -1;
	for (let i = 0; i < key.length; i++) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ key.charCodeAt(i)) & 0xff] ?? 0);
	return ~crc >>> 0;
}

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

/** Every bit of the input changes half the bits of the output. */
export function avalanche(value: number): number {
	let a = value | 0;
	a = (a + 0x7ed55d16 + (a << 12)) | 0;
	a = a ^ 0xc761c23c ^ (a >>> 19);
	a = (a + 0x165667b1 + (a << 5)) | 0;
	a = ((a + 0xd3a2646c) | 0) ^ (a << 9);
	a = (a + 0xfd7046c5 + (a << 3)) | 0;
	a = a ^ 0xb55a4f09 ^ (a >>> 16);
	return Math.imul(a, 0xc0000001) >>> 0;
}
