/**
 * Which shard an entry belongs to (section 14): XXH64 of its key, seeded with XXH64 of the table's name,
 * modulo the number of shards, plus 1. It must agree with HAProxy, whose peers with a shard get only theirs.
 *
 * XXH64 is Yann Collet's published hash. 64-bit words are kept as two unsigned halves: a key is hashed for
 * every entry that is pushed to a peer with a shard, and BigInt would cost ten times more.
 */
import type { KeyTypeName } from './protocol.js';

type Word = readonly [high: number, low: number];

const PRIME_1: Word = [0x9e3779b1, 0x85ebca87];
const PRIME_2: Word = [0xc2b2ae3d, 0x27d4eb4f];
const PRIME_3: Word = [0x165667b1, 0x9e3779f9];
const PRIME_4: Word = [0x85ebca77, 0xc2b2ae63];
const PRIME_5: Word = [0x27d4eb2f, 0x165667c5];
const ZERO: Word = [0, 0];

function add([ah, al]: Word, [bh, bl]: Word): Word {
	const low = (al >>> 0) + (bl >>> 0);
	return [(ah + bh + (low > 0xffffffff ? 1 : 0)) >>> 0, low >>> 0];
}

function subtract([ah, al]: Word, [bh, bl]: Word): Word {
	const low = (al >>> 0) - (bl >>> 0);
	return [(ah - bh - (low < 0 ? 1 : 0)) >>> 0, low >>> 0];
}

function xor([ah, al]: Word, [bh, bl]: Word): Word {
	return [(ah ^ bh) >>> 0, (al ^ bl) >>> 0];
}

function multiply([ah, al]: Word, [bh, bl]: Word): Word {
	// Low halves as 16-bit limbs, so that each product and sum is exact in a double.
	const a0 = al & 0xffff;
	const a1 = al >>> 16;
	const b0 = bl & 0xffff;
	const b1 = bl >>> 16;
	const p00 = a0 * b0;
	const middle = a1 * b0 + (p00 >>> 16);
	const middle2 = a0 * b1 + (middle % 65536);
	const low = ((middle2 % 65536) * 65536 + (p00 & 0xffff)) >>> 0;
	const carry = a1 * b1 + Math.floor(middle / 65536) + Math.floor(middle2 / 65536);
	const high = (Math.imul(ah, bl) + Math.imul(al, bh) + (carry % 4294967296)) >>> 0;
	return [high, low];
}

function rotateLeft([high, low]: Word, count: number): Word {
	if (count >= 32) return rotateLeft([low, high], count - 32);
	if (count === 0) return [high >>> 0, low >>> 0];
	return [((high << count) | (low >>> (32 - count))) >>> 0, ((low << count) | (high >>> (32 - count))) >>> 0];
}

function shiftRight([high, low]: Word, count: number): Word {
	if (count >= 32) return [0, high >>> (count - 32)];
	return [high >>> count, ((low >>> count) | (high << (32 - count))) >>> 0];
}

function read32(bytes: Uint8Array, at: number): number {
	return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function read64(bytes: Uint8Array, at: number): Word {
	return [read32(bytes, at + 4), read32(bytes, at)];
}

const round = (accumulator: Word, input: Word): Word =>
	multiply(rotateLeft(add(accumulator, multiply(input, PRIME_2)), 31), PRIME_1);

const mergeRound = (hash: Word, value: Word): Word => add(multiply(xor(hash, round(ZERO, value)), PRIME_1), PRIME_4);

/** XXH64 of `bytes[0..length)`. */
export function xxhash64(bytes: Uint8Array, length: number, seed: Word): Word {
	let at = 0;
	let hash: Word;
	if (length >= 32) {
		let v1 = add(add(seed, PRIME_1), PRIME_2);
		let v2 = add(seed, PRIME_2);
		let v3 = seed;
		let v4 = subtract(seed, PRIME_1);
		for (; at + 32 <= length; at += 32) {
			v1 = round(v1, read64(bytes, at));
			v2 = round(v2, read64(bytes, at + 8));
			v3 = round(v3, read64(bytes, at + 16));
			v4 = round(v4, read64(bytes, at + 24));
		}
		hash = add(add(rotateLeft(v1, 1), rotateLeft(v2, 7)), add(rotateLeft(v3, 12), rotateLeft(v4, 18)));
		for (const value of [v1, v2, v3, v4]) hash = mergeRound(hash, value);
	} else hash = add(seed, PRIME_5);
	hash = add(hash, [0, length]);
	for (; at + 8 <= length; at += 8) {
		hash = add(multiply(rotateLeft(xor(hash, round(ZERO, read64(bytes, at))), 27), PRIME_1), PRIME_4);
	}
	if (at + 4 <= length) {
		hash = add(multiply(rotateLeft(xor(hash, multiply([0, read32(bytes, at)], PRIME_1)), 23), PRIME_2), PRIME_3);
		at += 4;
	}
	for (; at < length; at++) hash = multiply(rotateLeft(xor(hash, multiply([0, bytes[at]!], PRIME_5)), 11), PRIME_1);
	hash = multiply(xor(hash, shiftRight(hash, 33)), PRIME_2);
	hash = multiply(xor(hash, shiftRight(hash, 29)), PRIME_3);
	return xor(hash, shiftRight(hash, 32));
}

/** The seed of a table's shards, from its local name (`section/table` for one declared in a peers section). */
export function shardSeed(tableName: string): Word {
	const bytes = Buffer.from(tableName, 'latin1');
	return xxhash64(bytes, bytes.length, ZERO);
}

const integerKey = new Uint8Array(4);

/** 1 to `shardCount`, from the key as it is on the wire. */
export function shardOf(
	key: Uint8Array,
	keyLength: number,
	keyType: KeyTypeName,
	seed: Word,
	shardCount: number,
): number {
	let bytes = key;
	if (keyType === 'integer') {
		// HAProxy hashes an integer as its machine has it in memory, which is little-endian where it matters.
		for (let i = 0; i < 4; i++) integerKey[i] = key[3 - i]!;
		bytes = integerKey;
	}
	const [high, low] = xxhash64(bytes, keyLength, seed);
	return (((high % shardCount) * (4294967296 % shardCount) + (low % shardCount)) % shardCount) + 1;
}
