/**
 * The hash functions of converters and of `hash-type` (manual, 4.2 and 7.3.1), as unsigned 32-bit numbers: sdbm and djb2 are
 * the public-domain ones of their names, crc32 is Ethernet's, crc32c Castagnoli's, wt6 HAProxy's own rotating pair. They give
 * the reference's values, because a server choice and a table key must not change with the program; the tests compare
 * each with the real one. The arithmetic stays within 32-bit integers (`| 0`, `Math.imul`), which the engine keeps out of
 * the heap.
 *
 * All are over byte strings, which is what a server is chosen by: measured, a key of 10 bytes copied into a buffer first
 * costs twice as much. Converters, whose samples are bytes, pay for a text of them instead.
 */

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

/** Table of a reflected CRC-32 polynomial. */
function crcTable(polynomial: number): Int32Array {
	return Int32Array.from({ length: 256 }, (_, index) => {
		let value = index;
		for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? polynomial : 0);
		return value | 0;
	});
}

const CRC32_TABLE = crcTable(0xedb88320);
const CRC32C_TABLE = crcTable(0x82f63b78);

/** Ethernet's and zip's. */
export function crc32(key: string): number {
	let crc = -1;
	for (let i = 0; i < key.length; i++) crc = (crc >>> 8) ^ (CRC32_TABLE[(crc ^ key.charCodeAt(i)) & 0xff] ?? 0);
	return ~crc >>> 0;
}

/** Castagnoli's (RFC 4960, appendix B). */
export function crc32c(key: string): number {
	let crc = -1;
	for (let i = 0; i < key.length; i++) crc = (crc >>> 8) ^ (CRC32C_TABLE[(crc ^ key.charCodeAt(i)) & 0xff] ?? 0);
	return ~crc >>> 0;
}

/**
 * The modifier `avalanche`: every bit of the input changes half the bits of the output. Bob Jenkins's full avalanche of a
 * 4-byte integer (published at burtleburtle.net/bob/hash/integer.html), followed by a multiplication with the prime
 * 0xC0000001: the latter was found by comparing two hundred results of the binary with the published function.
 */
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
