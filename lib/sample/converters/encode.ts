/** Converters between bytes and their spellings (manual, 7.3.1): hexadecimal, base64, URL encoding, decimal groups. */
import type { ConverterDescriptor } from '../types.js';
import { normalizeInt } from '../values.js';
import { decodeBase64, decodeBase64Url } from './base64.js';
import { direct, numberArgument, optional, required, textArgument } from './define.js';

/** RFC 3986, section 2.3; everything else is encoded. */
const NOT_UNRESERVED = /[^A-Za-z0-9\-._~]/g;

const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

/** `+` is a space after the first question mark, or everywhere in a form. A faulty escape fails the whole. */
function decodeUrl(text: string, isForm: boolean): string | undefined {
	if (text.indexOf('%') < 0 && text.indexOf('+') < 0) return text;
	let result = '';
	let inQuery = isForm;
	for (let i = 0; i < text.length; i++) {
		const char = text.charAt(i);
		if (char === '%') {
			const digits = text.slice(i + 1, i + 3);
			if (!/^[0-9a-fA-F]{2}$/.test(digits)) return undefined;
			result += String.fromCharCode(Number.parseInt(digits, 16));
			i += 2;
		} else if (char === '+' && inQuery) result += ' ';
		else {
			if (char === '?') inQuery = true;
			result += char;
		}
	}
	return result;
}

/** Bytes in groups of `size`, each written by `write`; the last, shorter one unless `truncate`. */
function grouped(
	bytes: Buffer,
	separator: string,
	size: number,
	truncate: boolean,
	write: (group: Buffer) => string,
): string {
	const groups: string[] = [];
	for (let at = 0; at < bytes.length; at += size) {
		const group = bytes.subarray(at, at + size);
		if (truncate && group.length < size) break;
		groups.push(write(group));
	}
	return groups.join(separator);
}

const upperHex = (bytes: Buffer): string => bytes.toString('hex').toUpperCase();

/** Groups of bytes as decimal numbers; `le2dec` is of 3.x. */
function decimalRow(name: string, read: (group: Buffer) => bigint): ConverterDescriptor {
	return {
		name,
		args: [required('string'), required('sint'), optional('sint')],
		input: 'bin',
		output: 'str',
		check: ([, size]) => {
			const bytes = numberArgument(size) ?? 0;
			return bytes >= 1 && bytes <= 8 ? undefined : `chunk_size out of [1..8] range (${bytes})`;
		},
		compile: ([separator, size, truncate]) => {
			const text = textArgument(separator) ?? '';
			const groupSize = numberArgument(size) ?? 1;
			const cuts = (numberArgument(truncate) ?? 0) !== 0;
			return (value) => grouped(value as Buffer, text, groupSize, cuts, (group) => read(group).toString());
		},
	};
}

export const ENCODE_CONVERTERS: readonly ConverterDescriptor[] = [
	direct<Buffer>('hex', 'bin', 'str', upperHex),
	direct<string>('hex2i', 'str', 'sint', (text) =>
		/^[0-9a-fA-F]{1,16}$/.test(text) ? normalizeInt(BigInt.asIntN(64, BigInt(`0x${text}`))) : undefined,
	),
	direct<Buffer>('base64', 'bin', 'str', (bytes) => bytes.toString('base64')),
	direct<Buffer>('ub64enc', 'bin', 'str', (bytes) => bytes.toString('base64url')),
	direct<string>('b64dec', 'str', 'bin', decodeBase64),
	direct<string>('ub64dec', 'str', 'bin', decodeBase64Url),
	{
		name: 'url_dec',
		args: [optional('sint')],
		input: 'str',
		output: 'str',
		compile: ([form]) => {
			const isForm = (numberArgument(form) ?? 0) !== 0;
			return (value) => decodeUrl(value as string, isForm);
		},
	},
	{
		name: 'url_enc',
		args: [optional('string')],
		input: 'str',
		output: 'str',
		check: ([type]) =>
			(textArgument(type) || 'query') === 'query'
				? undefined
				: `unexpected encoding type '${String(type)}', only 'query' is known`,
		compile: () => (value) => (value as string).replace(NOT_UNRESERVED, percent),
	},
	decimalRow('be2dec', (group) => BigInt(`0x${group.toString('hex')}`)),
	decimalRow('le2dec', (group) => BigInt(`0x${Buffer.from(group).reverse().toString('hex')}`)),
	{
		name: 'be2hex',
		args: [optional('string'), optional('sint'), optional('sint')],
		input: 'bin',
		output: 'str',
		check: ([, size]) =>
			(numberArgument(size) ?? 1) >= 0 ? undefined : `chunk_size must be positive (${numberArgument(size)})`,
		compile: ([separator, size, truncate]) => {
			const text = textArgument(separator) ?? '';
			const groupSize = numberArgument(size) ?? 0;
			const cuts = (numberArgument(truncate) ?? 0) !== 0;
			if (groupSize === 0) return (value) => upperHex(value as Buffer);
			return (value) => grouped(value as Buffer, text, groupSize, cuts, upperHex);
		},
	},
];
