import t from 'tap';
import { hashWords } from '../../lib/stick-table/hash.js';

/** Longest of 65,536 chains after 65,536 keys; 8 or 9 for a random function. */
function longestChain(
	keyOf: (i: number) => number,
	seed0: number,
	seed1: number,
	from: (hash: number) => number,
): number {
	const chains = new Uint32Array(65_536);
	const word = new Int32Array(1);
	for (let i = 0; i < 65_536; i++) {
		word[0] = keyOf(i);
		chains[from(hashWords(word, 0, 1, seed0, seed1))]!++;
	}
	return chains.reduce((longest, length) => Math.max(longest, length), 0);
}

t.test('keys of any pattern spread evenly, in low bits (chains) and high bits (shards)', async (t) => {
	const patterns = [
		(i: number) => i,
		(i: number) => i << 16,
		(i: number) => i * 65_537,
		(i: number) => 0x0a000000 + i * 256,
	];
	for (const [index, pattern] of patterns.entries()) {
		for (const from of [(hash: number) => hash & 0xffff, (hash: number) => hash >>> 16]) {
			const longest = longestChain(pattern, 0x1234567, -0x7654321, from);
			t.ok(longest < 14, `pattern ${index}: longest chain ${longest}`);
		}
	}
});

t.test('keys chosen to collide under one seed do not under another: flooding needs the seed', async (t) => {
	const word = new Int32Array(1);
	const hash = (key: number, seed: number): number => {
		word[0] = key;
		return hashWords(word, 0, 1, seed, ~seed) & 1023;
	};
	const colliding: number[] = [];
	for (let key = 0; colliding.length < 300; key++) if (hash(key, 42) === 7) colliding.push(key);
	const chains = new Map<number, number>();
	for (const key of colliding) chains.set(hash(key, 43), (chains.get(hash(key, 43)) ?? 0) + 1);
	t.ok(Math.max(...chains.values()) < 10, `${Math.max(...chains.values())} of 300 together`);
});

t.test('keys of several words: each word and its place count', async (t) => {
	const seen = new Set<number>();
	for (const words of [
		[1, 0, 0, 0],
		[0, 1, 0, 0],
		[0, 0, 1, 0],
		[0, 0, 0, 1],
		[0, 0, 0, 0],
		[1, 1, 0, 0],
	]) {
		seen.add(hashWords(Int32Array.from(words), 0, 4, 5, 6));
	}
	t.equal(seen.size, 6);
	t.not(hashWords(new Int32Array(4), 0, 4, 5, 6), hashWords(new Int32Array(4), 0, 3, 5, 6));
});
