/**
 * XXH32, XXH64 and XXH3 (64 bits) of the published specification, seeded. The 64-bit ones work on bigints: they
 * are right for every input and slow, a few microseconds for a header value; a converter that hashes once
 * per request can afford it, a bulk hash could not.
 */

const P32_1 = 0x9e3779b1 | 0;
const P32_2 = 0x85ebca77 | 0;
const P32_3 = 0xc2b2ae3d | 0;
const P32_4 = 0x27d4eb2f | 0;
const P32_5 = 0x165667b1 | 0;

const rotate32 = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

function read32(bytes: Uint8Array, at: number): number {
	return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

const round32 = (accumulator: number, input: number): number =>
	Math.imul(rotate32((accumulator + Math.imul(input, P32_2)) | 0, 13), P32_1);

/** Unsigned 32 bits. */
export function xxh32(bytes: Uint8Array, seed: number): number {
	const length = bytes.length;
	let at = 0;
	let hash: number;
	if (length >= 16) {
		let v1 = (seed + P32_1 + P32_2) | 0;
		let v2 = (seed + P32_2) | 0;
		let v3 = seed | 0;
		let v4 = (seed - P32_1) | 0;
		for (; at + 16 <= length; at += 16) {
			v1 = round32(v1, read32(bytes, at));
			v2 = round32(v2, read32(bytes, at + 4));
			v3 = round32(v3, read32(bytes, at + 8));
			v4 = round32(v4, read32(bytes, at + 12));
		}
		hash = (rotate32(v1, 1) + rotate32(v2, 7) + rotate32(v3, 12) + rotate32(v4, 18)) | 0;
	} else hash = (seed + P32_5) | 0;
	hash = (hash + length) | 0;
	for (; at + 4 <= length; at += 4) {
		hash = Math.imul(rotate32((hash + Math.imul(read32(bytes, at), P32_3)) | 0, 17), P32_4);
	}
	for (; at < length; at++) {
		hash = Math.imul(rotate32((hash + Math.imul(bytes[at] ?? 0, P32_5)) | 0, 11), P32_1);
	}
	hash = Math.imul(hash ^ (hash >>> 15), P32_2);
	hash = Math.imul(hash ^ (hash >>> 13), P32_3);
	return (hash ^ (hash >>> 16)) >>> 0;
}

const P64_1 = 0x9e3779b185ebca87n;
const P64_2 = 0xc2b2ae3d27d4eb4fn;
const P64_3 = 0x165667b19e3779f9n;
const P64_4 = 0x85ebca77c2b2ae63n;
const P64_5 = 0x27d4eb2f165667c5n;

const MASK_64 = 0xffffffffffffffffn;
const MASK_32 = 0xffffffffn;
const u64 = (value: bigint): bigint => value & MASK_64;
const rotate64 = (value: bigint, bits: bigint): bigint => u64((value << bits) | (value >> (64n - bits)));

function read64(bytes: Uint8Array, at: number): bigint {
	return (BigInt(read32(bytes, at + 4) >>> 0) << 32n) | BigInt(read32(bytes, at) >>> 0);
}

const round64 = (accumulator: bigint, input: bigint): bigint =>
	u64(rotate64(u64(accumulator + input * P64_2), 31n) * P64_1);

const merge64 = (hash: bigint, accumulator: bigint): bigint => u64((hash ^ round64(0n, accumulator)) * P64_1 + P64_4);

function avalanche64(value: bigint): bigint {
	let hash = value;
	hash = u64((hash ^ (hash >> 33n)) * P64_2);
	hash = u64((hash ^ (hash >> 29n)) * P64_3);
	return hash ^ (hash >> 32n);
}

/** Unsigned 64 bits. */
export function xxh64(bytes: Uint8Array, seed: bigint): bigint {
	const length = bytes.length;
	let at = 0;
	let hash: bigint;
	if (length >= 32) {
		let v1 = u64(seed + P64_1 + P64_2);
		let v2 = u64(seed + P64_2);
		let v3 = u64(seed);
		let v4 = u64(seed - P64_1);
		for (; at + 32 <= length; at += 32) {
			v1 = round64(v1, read64(bytes, at));
			v2 = round64(v2, read64(bytes, at + 8));
			v3 = round64(v3, read64(bytes, at + 16));
			v4 = round64(v4, read64(bytes, at + 24));
		}
		hash = u64(rotate64(v1, 1n) + rotate64(v2, 7n) + rotate64(v3, 12n) + rotate64(v4, 18n));
		hash = merge64(merge64(merge64(merge64(hash, v1), v2), v3), v4);
	} else hash = u64(seed + P64_5);
	hash = u64(hash + BigInt(length));
	for (; at + 8 <= length; at += 8) {
		hash = u64(rotate64(hash ^ round64(0n, read64(bytes, at)), 27n) * P64_1 + P64_4);
	}
	if (at + 4 <= length) {
		hash ^= u64(BigInt(read32(bytes, at) >>> 0) * P64_1);
		hash = u64(rotate64(hash, 23n) * P64_2 + P64_3);
		at += 4;
	}
	for (; at < length; at++) hash = u64(rotate64(hash ^ u64(BigInt(bytes[at] ?? 0) * P64_5), 11n) * P64_1);
	return avalanche64(hash);
}

/** The default secret of XXH3, 192 bytes. */
const SECRET = Buffer.from(
	'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221' +
		'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8' +
		'fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb17' +
		'0ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
	'hex',
);

const P_MX1 = 0x165667919e3779f9n;
const P_MX2 = 0x9fb21c651e98df25n;

function fold128(left: bigint, right: bigint): bigint {
	const product = left * right;
	return u64(product) ^ (product >> 64n);
}

function avalanche3(value: bigint): bigint {
	let hash = value ^ (value >> 37n);
	hash = u64(hash * P_MX1);
	return hash ^ (hash >> 32n);
}

const swap32 = (value: number): number =>
	((value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) | (value << 24)) >>> 0;

function swap64(value: bigint): bigint {
	const low = Number(value & MASK_32);
	const high = Number(value >> 32n);
	return (BigInt(swap32(low)) << 32n) | BigInt(swap32(high));
}

function mix16(bytes: Uint8Array, at: number, secret: Uint8Array, secretAt: number, seed: bigint): bigint {
	return fold128(
		read64(bytes, at) ^ u64(read64(secret, secretAt) + seed),
		read64(bytes, at + 8) ^ u64(read64(secret, secretAt + 8) - seed),
	);
}

/** XXH3, 64-bit variant, unsigned. */
export function xxh3(bytes: Uint8Array, seed: bigint): bigint {
	const length = bytes.length;
	if (length <= 16) return xxh3Short(bytes, seed);
	if (length <= 128) {
		let sum = u64(BigInt(length) * P64_1);
		for (let i = Math.floor((length - 1) / 32); i >= 0; i--) {
			sum += mix16(bytes, 16 * i, SECRET, 32 * i, seed);
			sum += mix16(bytes, length - 16 * (i + 1), SECRET, 32 * i + 16, seed);
		}
		return avalanche3(u64(sum));
	}
	if (length <= 240) {
		let sum = u64(BigInt(length) * P64_1);
		const rounds = Math.floor(length / 16);
		for (let i = 0; i < 8; i++) sum += mix16(bytes, 16 * i, SECRET, 16 * i, seed);
		sum = avalanche3(u64(sum));
		for (let i = 8; i < rounds; i++) sum += mix16(bytes, 16 * i, SECRET, 16 * (i - 8) + 3, seed);
		sum += mix16(bytes, length - 16, SECRET, 136 - 17, seed);
		return avalanche3(u64(sum));
	}
	return xxh3Long(bytes, seed);
}

function xxh3Short(bytes: Uint8Array, seed: bigint): bigint {
	const length = bytes.length;
	if (length > 8) {
		const flip1 = u64((read64(SECRET, 24) ^ read64(SECRET, 32)) + seed);
		const flip2 = u64((read64(SECRET, 40) ^ read64(SECRET, 48)) - seed);
		const low = read64(bytes, 0) ^ flip1;
		const high = read64(bytes, length - 8) ^ flip2;
		return avalanche3(u64(BigInt(length) + swap64(low) + high + fold128(low, high)));
	}
	if (length >= 4) {
		const mixedSeed = seed ^ (BigInt(swap32(Number(seed & MASK_32))) << 32n);
		const first = BigInt(read32(bytes, 0) >>> 0);
		const last = BigInt(read32(bytes, length - 4) >>> 0);
		const flip = u64((read64(SECRET, 8) ^ read64(SECRET, 16)) - mixedSeed);
		let hash = (last + (first << 32n)) ^ flip;
		hash ^= rotate64(hash, 49n) ^ rotate64(hash, 24n);
		hash = u64(hash * P_MX2);
		hash ^= (hash >> 35n) + BigInt(length);
		hash = u64(hash * P_MX2);
		return hash ^ (hash >> 28n);
	}
	if (length > 0) {
		const first = bytes[0] ?? 0;
		const middle = bytes[length >> 1] ?? 0;
		const last = bytes[length - 1] ?? 0;
		const combined = BigInt(((first << 16) | (middle << 24) | last | (length << 8)) >>> 0);
		const flip = BigInt((read32(SECRET, 0) ^ read32(SECRET, 4)) >>> 0) + seed;
		return avalanche64(combined ^ u64(flip));
	}
	return avalanche64(seed ^ read64(SECRET, 56) ^ read64(SECRET, 64));
}

const STRIPE_BYTES = 64;
const STRIPES_PER_BLOCK = (192 - STRIPE_BYTES) / 8;

function xxh3Long(bytes: Uint8Array, seed: bigint): bigint {
	const secret = seed === 0n ? SECRET : seededSecret(seed);
	const lanes = [BigInt(P32_3 >>> 0), P64_1, P64_2, P64_3, P64_4, BigInt(P32_2 >>> 0), P64_5, BigInt(P32_1 >>> 0)];
	const length = bytes.length;
	const blockBytes = STRIPE_BYTES * STRIPES_PER_BLOCK;
	const blocks = Math.floor((length - 1) / blockBytes);
	for (let block = 0; block < blocks; block++) {
		for (let i = 0; i < STRIPES_PER_BLOCK; i++) {
			accumulate(lanes, bytes, block * blockBytes + i * STRIPE_BYTES, secret, i * 8);
		}
		for (let i = 0; i < 8; i++) {
			const lane = lanes[i] ?? 0n;
			lanes[i] = u64((lane ^ (lane >> 47n) ^ read64(secret, 128 + i * 8)) * BigInt(P32_1 >>> 0));
		}
	}
	const stripes = Math.floor((length - 1 - blockBytes * blocks) / STRIPE_BYTES);
	for (let i = 0; i < stripes; i++) accumulate(lanes, bytes, blocks * blockBytes + i * STRIPE_BYTES, secret, i * 8);
	accumulate(lanes, bytes, length - STRIPE_BYTES, secret, 192 - STRIPE_BYTES - 7);
	let hash = u64(BigInt(length) * P64_1);
	for (let i = 0; i < 4; i++) {
		hash += fold128(
			(lanes[2 * i] ?? 0n) ^ read64(secret, 11 + 16 * i),
			(lanes[2 * i + 1] ?? 0n) ^ read64(secret, 11 + 16 * i + 8),
		);
	}
	return avalanche3(u64(hash));
}

function accumulate(lanes: bigint[], bytes: Uint8Array, at: number, secret: Uint8Array, secretAt: number): void {
	for (let i = 0; i < 8; i++) {
		const value = read64(bytes, at + 8 * i);
		const key = value ^ read64(secret, secretAt + 8 * i);
		lanes[i ^ 1] = u64((lanes[i ^ 1] ?? 0n) + value);
		lanes[i] = u64((lanes[i] ?? 0n) + (key & MASK_32) * (key >> 32n));
	}
}

function seededSecret(seed: bigint): Buffer {
	const secret = Buffer.alloc(192);
	for (let i = 0; i < 12; i++) {
		secret.writeBigUInt64LE(u64(read64(SECRET, 16 * i) + seed), 16 * i);
		secret.writeBigUInt64LE(u64(read64(SECRET, 16 * i + 8) - seed), 16 * i + 8);
	}
	return secret;
}
