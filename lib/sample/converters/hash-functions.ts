/**
 * The hash functions of converters and of `hash-type` (manual, 4.2 and 7.3.1), over bytes, as unsigned 32-bit
 * numbers. They give the reference's values, because a server choice and a table key must not change with the
 * program; the tests compare each with the real one.
 */

/** Spreads every input bit over the whole word: Bob Jenkins' full avalanche of 4 bytes, then a prime, 0xC0000001. */
export function avalanche(hash: number): number {
	let a = hash | 0;
	a = (a + 0x7ed55d16 + (a << 12)) | 0;
	a = a ^ 0xc761c23c ^ (a >>> 19);
	a = (a + 0x165667b1 + (a << 5)) | 0;
	a = (a + 0xd3a2646c) ^ (a << 9);
	a = (a + 0xfd7046c5 + (a << 3)) | 0;
	a = a ^ 0xb55a4f09 ^ (a >>> 16);
	return Math.imul(a, 0xc0000001) >>> 0;
}

const finish = (hash: number, spread: boolean): number => (spread ? avalanche(hash) : hash >>> 0);

export function sdbm(bytes: Uint8Array, spread = false): number {
	let hash = 0;
	for (let i = 0; i < bytes.length; i++) hash = ((bytes[i] ?? 0) + (hash << 6) + (hash << 16) - hash) | 0;
	return finish(hash, spread);
}

export function djb2(bytes: Uint8Array, spread = false): number {
	let hash = 5381;
	for (let i = 0; i < bytes.length; i++) hash = ((hash << 5) + hash + (bytes[i] ?? 0)) | 0;
	return finish(hash, spread);
}

const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> ((32 - bits) & 31));

/** Two words fed in parallel and rotated by amounts taken from the state itself. */
export function wt6(bytes: Uint8Array, spread = false): number {
	let left = 0xa53c965a | 0;
	let right = 0x5ca6953a | 0;
	let leftSteps = 6;
	let rightSteps = 18;
	for (let i = 0; i < bytes.length; i++) {
		const byte = bytes[i] ?? 0;
		left = ~(left ^ byte);
		right = ~(right + byte);
		const rotated = rotateLeft(right, leftSteps);
		right = rotateLeft(left, rightSteps);
		left = rotated;
		const mixed = ((left >>> 16) ^ right) & 0xffff;
		leftSteps = mixed & 31;
		rightSteps = mixed >>> 11;
	}
	return finish(left ^ right, spread);
}

/** Table of a reflected CRC-32 polynomial. */
function crcTable(polynomial: number): Int32Array {
	const table = new Int32Array(256);
	for (let i = 0; i < 256; i++) {
		let value = i;
		for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
		table[i] = value;
	}
	return table;
}

const CRC32_TABLE = crcTable(0xedb88320);
const CRC32C_TABLE = crcTable(0x82f63b78);

function crc(table: Int32Array, bytes: Uint8Array, spread: boolean): number {
	let hash = -1;
	for (let i = 0; i < bytes.length; i++) hash = (hash >>> 8) ^ (table[(hash ^ (bytes[i] ?? 0)) & 255] ?? 0);
	return finish(~hash, spread);
}

/** Ethernet's and zip's. */
export function crc32(bytes: Uint8Array, spread = false): number {
	return crc(CRC32_TABLE, bytes, spread);
}

/** Castagnoli's (RFC 4960, appendix B). */
export function crc32c(bytes: Uint8Array, spread = false): number {
	return crc(CRC32C_TABLE, bytes, spread);
}
