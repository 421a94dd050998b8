/**
 * JSON Web Tokens in their compact form, `header.payload.signature` (manual, 7.3.1; RFC 7515, 7518): `jwt_header_query`,
 * `jwt_payload_query` and `jwt_verify`. Only the signature is verified; what the token says (`exp`, `aud`, ...) is for
 * rules to look at.
 */
import { constants, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { bytesOf, textOf } from '../../core/bytes.js';
import type {
	ArgumentSpec,
	ArgumentValue,
	CompileContext,
	ConverterDescriptor,
	StreamView,
	VariableName,
} from '../types.js';
import { toText } from '../values.js';
import { decodeBase64Url } from './base64.js';
import { optional, required, textArgument } from './define.js';
import { checkJsonArguments, compileJsonQuery } from './json-query.js';

/** Results of `jwt_verify` besides 0 and 1. */
const UNKNOWN_ALGORITHM = -1;
const UNMANAGED_ALGORITHM = -2;
const INVALID_TOKEN = -3;
const UNKNOWN_CERTIFICATE = -5;

interface Algorithm {
	readonly family: 'none' | 'HS' | 'RS' | 'ES' | 'PS';
	/** As OpenSSL calls it. */
	readonly hash: string;
}

/** RFC 7518, section 3.1. */
const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
	['none', { family: 'none', hash: '' }],
	...(['HS', 'RS', 'ES', 'PS'] as const).flatMap((family) =>
		[256, 384, 512].map((bits): [string, Algorithm] => [`${family}${bits}`, { family, hash: `sha${bits}` }]),
	),
]);

/** The part of a token, decoded; undefined if it is missing or no base64. */
function part(token: string, index: 0 | 1): string | undefined {
	const first = token.indexOf('.');
	if (first < 0) return index === 0 ? decoded(token) : undefined;
	const second = token.indexOf('.', first + 1);
	const text = index === 0 ? token.slice(0, first) : token.slice(first + 1, second < 0 ? undefined : second);
	return decoded(text);
}

function decoded(text: string): string | undefined {
	const bytes = decodeBase64Url(text);
	return bytes === undefined ? undefined : textOf(bytes);
}

const QUERY_ARGS: readonly ArgumentSpec[] = [optional('string'), optional('string')];

function queryRow(name: string, index: 0 | 1): ConverterDescriptor {
	return {
		name,
		args: QUERY_ARGS,
		input: 'bin',
		output: 'any',
		check: ([path, type], context) =>
			(textArgument(path) ?? '') === '' ? undefined : checkJsonArguments(path, type, context),
		compile: ([path, type]) => {
			const query = (textArgument(path) ?? '') === '' ? (text: string) => text : compileJsonQuery(path, type);
			return (value) => {
				const text = part(textOf(value as Buffer), index);
				return text === undefined ? undefined : query(text);
			};
		},
	};
}

/** A constant, or what a variable holds. */
function reader(argument: ArgumentValue): (stream: StreamView) => string | undefined {
	if (typeof argument === 'string') return () => argument;
	const { scope, name } = argument as VariableName;
	return (stream) => {
		const value = stream.variables.get(scope, name);
		return value === undefined ? undefined : toText(value);
	};
}

/** Public keys by the path of their file, which the configuration names; read at the first use. */
class PublicKeys {
	readonly #context: CompileContext;
	readonly #keys = new Map<string, KeyObject | undefined>();

	constructor(context: CompileContext) {
		this.#context = context;
	}

	get(path: string): KeyObject | undefined {
		if (this.#keys.has(path)) return this.#keys.get(path);
		const content = this.#context.file(path);
		// Names that come from requests are not remembered: there may be any number of them.
		if (content === undefined) return undefined;
		const key = readKey(content);
		this.#keys.set(path, key);
		return key;
	}
}

function readKey(pem: string): KeyObject | undefined {
	try {
		return createPublicKey(pem);
	} catch {
		return undefined;
	}
}

/** The signed text, and its signature in base64; undefined for what is no token. */
function takeApart(token: string): { readonly signed: string; readonly signature: string } | undefined {
	const first = token.indexOf('.');
	const last = token.lastIndexOf('.');
	if (first < 0 || token.indexOf('.', first + 1) !== last || last === first) return undefined;
	return { signed: token.slice(0, last), signature: token.slice(last + 1) };
}

function verifyToken(token: string, algorithm: Algorithm, key: string, keys: PublicKeys): number {
	const parts = takeApart(token);
	if (parts === undefined) return INVALID_TOKEN;
	const { signed } = parts;
	if (algorithm.family === 'none') return parts.signature === '' ? 1 : 0;
	const signature = decodeBase64Url(parts.signature);
	if (signature === undefined || signature.length === 0) return INVALID_TOKEN;
	if (algorithm.family === 'PS') return UNMANAGED_ALGORITHM;
	if (algorithm.family === 'HS') {
		const expected = createHmac(algorithm.hash, bytesOf(key)).update(signed, 'latin1').digest();
		return expected.length === signature.length && timingSafeEqual(expected, signature) ? 1 : 0;
	}
	const publicKey = keys.get(key);
	if (publicKey === undefined) return UNKNOWN_CERTIFICATE;
	if (publicKey.asymmetricKeyType !== (algorithm.family === 'RS' ? 'rsa' : 'ec')) return 0;
	try {
		const options =
			algorithm.family === 'RS'
				? { key: publicKey, padding: constants.RSA_PKCS1_PADDING }
				: // RFC 7518, section 3.4: the two numbers side by side.
					{ key: publicKey, dsaEncoding: 'ieee-p1363' as const };
		return verify(algorithm.hash, bytesOf(signed), options, signature) ? 1 : 0;
	} catch {
		return 0;
	}
}

const VERIFY: ConverterDescriptor = {
	name: 'jwt_verify',
	args: [required('string-or-variable'), required('string-or-variable')],
	input: 'bin',
	output: 'sint',
	check: ([name, key], context) => {
		if (typeof name !== 'string') return undefined;
		const algorithm = ALGORITHMS.get(name);
		if (algorithm === undefined) return `unknown JWT algorithm: ${name}`;
		if (algorithm.family === 'PS') return 'RSASSA-PSS JWS signing not managed yet';
		if ((algorithm.family === 'RS' || algorithm.family === 'ES') && typeof key === 'string') warnOfKey(key, context);
		return undefined;
	},
	compile: ([nameArgument, keyArgument], context) => {
		const nameOf = reader(nameArgument);
		const keyOf = reader(keyArgument);
		const keys = new PublicKeys(context);
		return (value, stream) => {
			const name = nameOf(stream);
			const key = keyOf(stream);
			if (name === undefined || key === undefined) return undefined;
			const algorithm = ALGORITHMS.get(name);
			return algorithm === undefined ? UNKNOWN_ALGORITHM : verifyToken(textOf(value as Buffer), algorithm, key, keys);
		};
	},
};

/** The reference says nothing until a token comes, which it then refuses. */
function warnOfKey(path: string, context: CompileContext): void {
	const content = context.file(path);
	const trouble =
		content === undefined ? 'cannot be read' : readKey(content) === undefined ? 'holds no public key' : '';
	if (trouble !== '') {
		context.diagnostics.warning(context.place, `jwt_verify : the file '${path}' ${trouble}: no token will be valid.`);
	}
}

export const JWT_CONVERTERS: readonly ConverterDescriptor[] = [
	queryRow('jwt_header_query', 0),
	queryRow('jwt_payload_query', 1),
	VERIFY,
];
