/** Hashing converters (manual, 7.3.1): bytes in, an unsigned 32-bit or a signed 64-bit integer or a digest out. */
import { createHash, createHmac, getHashes } from 'node:crypto';
import { textOf } from '../../core/bytes.js';
import { avalanche, crc32, crc32c, djb2, sdbm, wt6 } from '../hash-functions.js';
import type { ConverterDescriptor, SampleValue, StreamView, VariableName } from '../types.js';
import { castTo, normalizeInt } from '../values.js';
import { decodeBase64 } from './base64.js';
import { direct, numberArgument, optional, required, textArgument } from './define.js';
import { xxh3, xxh32, xxh64 } from './xxhash.js';

function hash32(name: string, hash: (key: string) => number): ConverterDescriptor {
	return {
		name,
		args: [optional('sint')],
		input: 'bin',
		output: 'sint',
		compile: ([argument]) => {
			const spread = numberArgument(argument) === 1;
			if (spread) return (value) => avalanche(hash(textOf(value as Buffer)));
			return (value) => hash(textOf(value as Buffer));
		},
	};
}

function hash64(name: string, hash: (bytes: Uint8Array, seed: bigint) => bigint): ConverterDescriptor {
	return {
		name,
		args: [optional('sint')],
		input: 'bin',
		output: 'sint',
		compile: ([argument]) => {
			const seed = BigInt.asUintN(
				64,
				typeof argument === 'number' || typeof argument === 'bigint' ? BigInt(argument) : 0n,
			);
			return (value) => normalizeInt(BigInt.asIntN(64, hash(value as Buffer, seed)));
		},
	};
}

const SHA2_BITS: ReadonlySet<number> = new Set([224, 256, 384, 512]);

const KNOWN_DIGESTS: ReadonlySet<string> = new Set(getHashes().map((name) => name.toLowerCase()));

const checkDigest = (name: string): string | undefined =>
	KNOWN_DIGESTS.has(name.toLowerCase()) ? undefined : `'${name}' is not a known message digest`;

const digestOf = (algorithm: string, bytes: Buffer): Buffer => createHash(algorithm).update(bytes).digest();

export const HASH_CONVERTERS: readonly ConverterDescriptor[] = [
	hash32('crc32', crc32),
	hash32('crc32c', crc32c),
	hash32('djb2', djb2),
	hash32('sdbm', sdbm),
	hash32('wt6', wt6),
	{
		name: 'xxh32',
		args: [optional('sint')],
		input: 'bin',
		output: 'sint',
		compile: ([argument]) => {
			const seed = numberArgument(argument) ?? 0;
			return (value) => xxh32(value as Buffer, seed);
		},
	},
	hash64('xxh64', xxh64),
	hash64('xxh3', xxh3),
	direct<Buffer>('sha1', 'bin', 'bin', (bytes) => digestOf('sha1', bytes)),
	{
		name: 'sha2',
		args: [optional('sint')],
		input: 'bin',
		output: 'bin',
		check: ([bits]) =>
			SHA2_BITS.has(numberArgument(bits) ?? 256) ? undefined : `unsupported number of bits: '${String(bits)}'`,
		compile: ([bits]) => {
			const algorithm = `sha${numberArgument(bits) ?? 256}`;
			return (value) => digestOf(algorithm, value as Buffer);
		},
	},
	{
		name: 'digest',
		args: [required('string')],
		input: 'bin',
		output: 'bin',
		check: ([name]) => checkDigest(textArgument(name) ?? ''),
		compile: ([name]) => {
			const algorithm = textArgument(name) ?? '';
			return (value) => digestOf(algorithm, value as Buffer);
		},
	},
	{
		name: 'hmac',
		args: [required('string'), required('string-or-variable')],
		input: 'bin',
		output: 'bin',
		check: ([name, key]) => {
			const text = textArgument(key);
			if (text !== undefined && decodeBase64(text) === undefined) return 'the key must be base64 encoded';
			return checkDigest(textArgument(name) ?? '');
		},
		compile: ([name, keyArgument]) => {
			const algorithm = textArgument(name) ?? '';
			const keyOf = keyReader(keyArgument as string | VariableName);
			return (value, stream) => {
				const key = keyOf(stream);
				return key === undefined
					? undefined
					: createHmac(algorithm, key)
							.update(value as Buffer)
							.digest();
			};
		},
	},
];

/** A base64 key, constant or in a variable. */
function keyReader(argument: string | VariableName): (stream: StreamView) => Buffer | undefined {
	if (typeof argument === 'string') {
		const key = decodeBase64(argument);
		return () => key;
	}
	return (stream) => {
		const value: SampleValue | undefined = stream.variables.get(argument.scope, argument.name);
		const text = value === undefined ? undefined : castTo('str', value);
		return typeof text === 'string' ? decodeBase64(text) : undefined;
	};
}
