/**
 * The header `Forwarded` (RFC 7239; converters of HAProxy 2.8 and later): `rfc7239_is_valid`, `rfc7239_field`, and
 * `rfc7239_n2nn`, `rfc7239_n2np` for the parts of a node. One element is read, as a proxy writes it; a list of them is not
 * valid here, since each element has another author and only the last can be trusted.
 */
import { IpAddress } from '../../core/address.js';
import type { ConverterDescriptor, SampleValue } from '../types.js';
import { direct, required, textArgument } from './define.js';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELDS: readonly string[] = ['for', 'by', 'host', 'proto'];

/** A node name or port that hides what it stands for (section 6.3). */
const OBFUSCATED = /^_[A-Za-z0-9._-]+$/;

interface Node {
	/** An address, `unknown`, or an obfuscated name. */
	readonly name: IpAddress | string;
	/** Undefined: none was written. */
	readonly port: number | string | undefined;
}

/** Section 6: `name[:port]`, an IPv6 address in brackets. */
function readNode(text: string): Node | undefined {
	const match = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text);
	if (match === null) return undefined;
	const [, nameText = '', portText] = match;
	const name = readName(nameText);
	if (name === undefined) return undefined;
	if (portText === undefined) return { name, port: undefined };
	if (/^\d{1,5}$/.test(portText) && Number(portText) <= 65535) return { name, port: Number(portText) };
	return OBFUSCATED.test(portText) ? { name, port: portText } : undefined;
}

function readName(text: string): IpAddress | string | undefined {
	if (text.toLowerCase() === 'unknown') return 'unknown';
	if (OBFUSCATED.test(text)) return text;
	const inBrackets = /^\[(.*)\]$/.exec(text)?.[1];
	const address = IpAddress.parse(inBrackets ?? text);
	return address?.family === (inBrackets === undefined ? 4 : 6) ? address : undefined;
}

/** A value without its quotes; undefined where quotes are missing or wrong. */
function unquote(text: string): string | undefined {
	if (!text.startsWith('"')) return TOKEN.test(text) ? text : undefined;
	if (text.length < 2 || !/^"(?:[^"\\]|\\.)*"$/s.test(text)) return undefined;
	return text.slice(1, -1).replace(/\\(.)/gs, '$1');
}

function isGoodValue(field: string, value: string): boolean {
	switch (field) {
		case 'for':
		case 'by':
			return readNode(value) !== undefined;
		case 'host':
			return /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.%_~!$&'()*+,;=-]+)(?::\d{1,5})?$/.test(value);
		default:
			return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(value);
	}
}

/** The parameters of one element; undefined if it is not valid. */
function readElement(text: string): ReadonlyMap<string, string> | undefined {
	const fields = new Map<string, string>();
	for (const pair of text.match(/(?:"(?:[^"\\]|\\.)*"?|[^;"])+/gs) ?? []) {
		const match = /^[ \t]*([^= \t]+)=(.*?)[ \t]*$/s.exec(pair);
		if (match === null) return undefined;
		const name = (match[1] ?? '').toLowerCase();
		const value = unquote(match[2] ?? '');
		// "Each parameter MUST NOT occur more than once per field-value" (section 4).
		if (value === undefined || !FIELDS.includes(name) || fields.has(name) || !isGoodValue(name, value))
			return undefined;
		fields.set(name, value);
	}
	return fields.size === 0 || /;[ \t]*$|^[ \t]*;|;[ \t]*;/.test(text) ? undefined : fields;
}

export const FORWARDED_CONVERTERS: readonly ConverterDescriptor[] = [
	direct<string>('rfc7239_is_valid', 'str', 'bool', (text) => readElement(text) !== undefined),
	{
		name: 'rfc7239_field',
		args: [required('string')],
		input: 'str',
		output: 'str',
		check: ([field]) =>
			FIELDS.includes(textArgument(field) ?? '')
				? undefined
				: `'${textArgument(field)}' is none of proto, host, for, by`,
		compile: ([argument]) => {
			const field = textArgument(argument) ?? '';
			return (value) => readElement(value as string)?.get(field);
		},
	},
	{
		...direct<string>('rfc7239_n2nn', 'str', 'any', (text): SampleValue | undefined => readNode(text)?.name),
	},
	{
		...direct<string>('rfc7239_n2np', 'str', 'any', (text): SampleValue | undefined => readNode(text)?.port),
	},
];
