/**
 * The hash of table keys: HalfSipHash-1-3 (Aumasson and Bernstein), keyed with 64 random bits per table.
 * Keys come from clients; with a fixed or linear hash one of them could send a million keys that land in
 * one bucket and turn every request into a long walk. The 32-bit variant is made of additions, rotations
 * and exclusive ors of 32-bit words, which is what JavaScript engines do well. The seed lies in the table's
 * own memory, so that all threads agree, and never leaves the process.
 *
 * Keys are whole words, padded with zeroes, and all keys of a table have the same number of words, so the
 * length block of the original is a constant here.
 */

/** Hash of `count` words of `words` from `at`, as a signed 32-bit number. */
export function hashWords(words: Int32Array, at: number, count: number, seed0: number, seed1: number): number {
	let v0 = seed0;
	let v1 = seed1;
	let v2 = 0x6c796765 ^ seed0;
	let v3 = 0x74656462 ^ seed1;
	// The words, and the length block as one more.
	for (let i = 0; i <= count; i++) {
		const word = i < count ? words[at + i]! : count << 26;
		v3 ^= word;
		v0 = (v0 + v1) | 0;
		v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
		v0 = (v0 << 16) | (v0 >>> 16);
		v2 = (v2 + v3) | 0;
		v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
		v0 = (v0 + v3) | 0;
		v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
		v2 = (v2 + v1) | 0;
		v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
		v2 = (v2 << 16) | (v2 >>> 16);
		v0 ^= word;
	}
	v2 ^= 0xff;
	for (let i = 0; i < 3; i++) {
		v0 = (v0 + v1) | 0;
		v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
		v0 = (v0 << 16) | (v0 >>> 16);
		v2 = (v2 + v3) | 0;
		v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
		v0 = (v0 + v3) | 0;
		v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
		v2 = (v2 + v1) | 0;
		v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
		v2 = (v2 << 16) | (v2 >>> 16);
	}
	return v1 ^ v3;
}
