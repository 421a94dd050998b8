/**
 * Converters that encrypt and decrypt (manual, 7.3.1 `aes_gcm_dec`; `aes_gcm_enc` and `aes_cbc_*` as 3.x has them). Nonce,
 * key and tag are base64, as constants or in variables; what cannot be decrypted is no sample.
 */
import { type CipherGCM, createCipheriv, createDecipheriv, type DecipherGCM } from 'node:crypto';
import type { ArgumentValue, ConverterDescriptor, StreamView, VariableName } from '../types.js';
import { toText } from '../values.js';
import { decodeBase64 } from './base64.js';
import { numberArgument, required } from './define.js';

const KEY_BITS: ReadonlySet<number> = new Set([128, 192, 256]);
const TAG_BYTES = 16;

type BytesOf = (stream: StreamView) => Buffer | undefined;

/** A base64 text, constant or in a variable. */
function reader(argument: ArgumentValue): BytesOf {
	if (typeof argument === 'string') {
		const bytes = decodeBase64(argument);
		return () => bytes;
	}
	const { scope, name } = argument as VariableName;
	return (stream) => {
		const value = stream.variables.get(scope, name);
		return value === undefined ? undefined : decodeBase64(toText(value));
	};
}

function checkArguments(args: readonly ArgumentValue[], names: readonly string[]): string | undefined {
	if (!KEY_BITS.has(numberArgument(args[0]) ?? 0)) return 'key size must be 128, 192 or 256 (bits).';
	for (const [index, name] of names.entries()) {
		const argument = args[index + 1];
		if (typeof argument === 'string' && decodeBase64(argument) === undefined) {
			return `failed to parse ${name} : argument needs to be base64 encoded, and can either be a string or a variable`;
		}
	}
	return undefined;
}

/** OpenSSL refuses keys, nonces and tags of a wrong size by throwing; so does a tag that does not fit. */
function attempt(work: () => Buffer): Buffer | undefined {
	try {
		return work();
	} catch {
		return undefined;
	}
}

const BITS = required('sint');
const TEXT = required('string-or-variable');

function gcm(name: string, decrypts: boolean): ConverterDescriptor {
	return {
		name,
		// The tag is given for decryption; encryption writes it into a variable.
		args: [BITS, TEXT, TEXT, decrypts ? TEXT : required('variable')],
		input: 'bin',
		output: 'bin',
		check: (args) => checkArguments(args, decrypts ? ['nonce', 'key', 'aead_tag'] : ['nonce', 'key']),
		compile: (args) => {
			const algorithm = `aes-${numberArgument(args[0])}-gcm`;
			const nonceOf = reader(args[1]);
			const keyOf = reader(args[2]);
			const tagOf = decrypts ? reader(args[3]) : undefined;
			const tagVariable = decrypts ? undefined : (args[3] as VariableName);
			return (value, stream) => {
				const nonce = nonceOf(stream);
				const key = keyOf(stream);
				if (nonce === undefined || key === undefined) return undefined;
				if (tagVariable !== undefined) {
					return attempt(() => {
						const cipher = createCipheriv(algorithm, key, nonce) as CipherGCM;
						const encrypted = Buffer.concat([cipher.update(value as Buffer), cipher.final()]);
						stream.variables.set(tagVariable.scope, tagVariable.name, cipher.getAuthTag().toString('base64'));
						return encrypted;
					});
				}
				const tag = tagOf?.(stream);
				// A shorter tag would be easier to guess.
				if (tag?.length !== TAG_BYTES) return undefined;
				return attempt(() => {
					const decipher = createDecipheriv(algorithm, key, nonce) as DecipherGCM;
					decipher.setAuthTag(tag);
					return Buffer.concat([decipher.update(value as Buffer), decipher.final()]);
				});
			};
		},
	};
}

function cbc(name: string, decrypts: boolean): ConverterDescriptor {
	return {
		name,
		args: [BITS, TEXT, TEXT],
		input: 'bin',
		output: 'bin',
		check: (args) => checkArguments(args, ['nonce', 'key']),
		compile: (args) => {
			const algorithm = `aes-${numberArgument(args[0])}-cbc`;
			const nonceOf = reader(args[1]);
			const keyOf = reader(args[2]);
			const create = decrypts ? createDecipheriv : createCipheriv;
			return (value, stream) => {
				const nonce = nonceOf(stream);
				const key = keyOf(stream);
				if (nonce === undefined || key === undefined) return undefined;
				return attempt(() => {
					const cipher = create(algorithm, key, nonce);
					return Buffer.concat([cipher.update(value as Buffer), cipher.final()]);
				});
			};
		},
	};
}

export const CIPHER_CONVERTERS: readonly ConverterDescriptor[] = [
	gcm('aes_gcm_dec', true),
	gcm('aes_gcm_enc', false),
	cbc('aes_cbc_dec', true),
	cbc('aes_cbc_enc', false),
];
