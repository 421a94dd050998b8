import fc from 'fast-check';
import t from 'tap';
import xxhash from 'xxhash-wasm';
import type { KeyTypeName } from '../../lib/peers/protocol.js';
import { shardOf, shardSeed, xxhash64 } from '../../lib/peers/shards.js';
import { unitVectors } from './recorded.js';

interface ShardVector {
	readonly table: string;
	readonly key_type: KeyTypeName;
	readonly key_bytes_hashed: string;
	readonly seed: string;
	readonly hash: string;
	readonly shard_of_3: number;
	readonly shard_of_10: number;
}

const hex = ([high, low]: readonly [number, number]): string =>
	high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');

t.test('entries of the vectors', async (t) => {
	for (const vector of unitVectors<ShardVector[]>('shards')) {
		const seed = shardSeed(vector.table);
		t.equal(hex(seed), vector.seed);
		const hashed = Buffer.from(vector.key_bytes_hashed, 'hex');
		t.equal(hex(xxhash64(hashed, hashed.length, seed)), vector.hash);
		// The vectors give the bytes that are hashed; on the wire an integer stands the other way round.
		const key = vector.key_type === 'integer' ? Buffer.from(hashed).reverse() : hashed;
		t.equal(shardOf(key, key.length, vector.key_type, seed, 3), vector.shard_of_3);
		t.equal(shardOf(key, key.length, vector.key_type, seed, 10), vector.shard_of_10);
	}
});

t.test('agrees with another implementation', async () => {
	const { h64Raw } = await xxhash();
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (bytes, seed) => {
			const actual = xxhash64(bytes, bytes.length, [Number(seed >> 32n), Number(seed & 0xffffffffn)]);
			return hex(actual) === h64Raw(bytes, seed).toString(16).padStart(16, '0');
		}),
		{ numRuns: 2000, seed: 64 },
	);
});
