/**
 * Sample values and their conversions: the manual's cast table (chapter 7.1, 7.3), once for the check when
 * the file is read (`canCast`), once for the values themselves (`castTo`).
 *
 * Integers are 64-bit signed. They are numbers while they are exact, bigints beyond 2^53, and each value has
 * one form only (`normalizeInt`), so that text, keys and comparisons never see two spellings of one integer.
 */
import type { StickTableModel } from '../config/model.js';
import { IpAddress } from '../core/address.js';
import { bytesOf, textOf } from '../core/bytes.js';
import type { SampleType, SampleValue } from './types.js';

export const INT_MAX = 9223372036854775807n;
export const INT_MIN = -9223372036854775808n;

/** An integer in its one form, saturated to 64 bits. */
export function normalizeInt(value: bigint): number | bigint {
	if (value >= -9007199254740991n && value <= 9007199254740991n) return Number(value);
	if (value > INT_MAX) return INT_MAX;
	return value < INT_MIN ? INT_MIN : value;
}

/** From each type, the types it may be converted to. Binary becomes text, never a number. */
const CASTS: Readonly<Record<SampleType, readonly SampleType[]>> = {
	any: ['any', 'bool', 'sint', 'addr', 'ipv4', 'ipv6', 'str', 'bin', 'meth'],
	bool: ['any', 'bool', 'sint', 'str', 'bin'],
	sint: ['any', 'bool', 'sint', 'addr', 'ipv4', 'ipv6', 'str', 'bin'],
	addr: ['any', 'sint', 'addr', 'ipv4', 'ipv6', 'str', 'bin'],
	ipv4: ['any', 'sint', 'addr', 'ipv4', 'ipv6', 'str', 'bin'],
	ipv6: ['any', 'addr', 'ipv4', 'ipv6', 'str', 'bin'],
	str: ['any', 'bool', 'sint', 'addr', 'ipv4', 'ipv6', 'str', 'bin', 'meth'],
	bin: ['any', 'str', 'bin'],
	meth: ['any', 'str', 'bin', 'meth'],
};

export function canCast(from: SampleType, to: SampleType): boolean {
	return CASTS[from].includes(to);
}

/** The sample type that a key is made from, by the type of the table. */
const KEY_SAMPLE_TYPES: Readonly<Record<StickTableModel['keyType'], SampleType>> = {
	ip: 'ipv4',
	ipv6: 'ipv6',
	integer: 'sint',
	string: 'str',
	binary: 'bin',
};

/** Whether a stick table with keys of a type can be looked up by a sample of a type (manual, 4.2 `stick-table`). */
export function canBeKey(type: SampleType, keyType: StickTableModel['keyType']): boolean {
	return canCast(type, KEY_SAMPLE_TYPES[keyType]);
}

/** The type that a value shows at run time; `meth` shows as `str`. */
export function typeOf(value: SampleValue): SampleType {
	switch (typeof value) {
		case 'boolean':
			return 'bool';
		case 'number':
		case 'bigint':
			return 'sint';
		case 'string':
			return 'str';
		default:
			return value instanceof IpAddress ? (value.family === 4 ? 'ipv4' : 'ipv6') : 'bin';
	}
}

/** The value as `type`, or undefined where it has no such form. `any` leaves it alone. */
export function castTo(type: SampleType, value: SampleValue): SampleValue | undefined {
	switch (type) {
		case 'any':
			return value;
		case 'str':
		case 'meth':
			return typeof value === 'string' ? value : toText(value);
		case 'sint':
			return toInt(value);
		case 'bool':
			return toBool(value);
		case 'bin':
			return toBytes(value);
		case 'addr':
			return toAddress(value);
		case 'ipv4':
			return toAddress(value)?.toV4();
		case 'ipv6':
			return toAddress(value)?.toV6();
	}
}

/** Every value has a text; that of binary ends at its first zero byte, as a C string does. */
export function toText(value: SampleValue): string {
	switch (typeof value) {
		case 'string':
			return value;
		case 'boolean':
			return value ? '1' : '0';
		case 'number':
		case 'bigint':
			return String(value);
	}
	if (value instanceof IpAddress) return value.toString();
	const end = value.indexOf(0);
	return textOf(end < 0 ? value : value.subarray(0, end));
}

export function toInt(value: SampleValue): number | bigint | undefined {
	switch (typeof value) {
		case 'number':
		case 'bigint':
			return value;
		case 'boolean':
			return value ? 1 : 0;
		case 'string':
			return value === '' ? undefined : readInt(value);
	}
	return value instanceof IpAddress && value.family === 4 ? value.v4 : undefined;
}

export function toBool(value: SampleValue): boolean | undefined {
	switch (typeof value) {
		case 'boolean':
			return value;
		case 'number':
			return value !== 0;
		case 'bigint':
			return true;
		case 'string':
			return value === '' ? undefined : readInt(value) !== 0;
	}
	return undefined;
}

export function toBytes(value: SampleValue): Buffer {
	switch (typeof value) {
		case 'string':
			return bytesOf(value);
		case 'boolean':
		case 'number':
		case 'bigint': {
			const bytes = Buffer.alloc(8);
			bytes.writeBigInt64BE(BigInt(value));
			return bytes;
		}
	}
	return value instanceof IpAddress ? Buffer.from(value.toBytes()) : value;
}

export function toAddress(value: SampleValue): IpAddress | undefined {
	switch (typeof value) {
		case 'string':
			return readAddress(value);
		case 'number':
		case 'bigint':
			return IpAddress.fromV4(Number(BigInt.asUintN(32, BigInt(value))));
	}
	return value instanceof IpAddress ? value : undefined;
}

/**
 * The integer that a text begins with: an optional sign and decimal digits; 0 when there are none, as the
 * reference reads `str,add(0)`. Saturated to 64 bits.
 */
export function readInt(text: string): number | bigint {
	const length = text.length;
	let at = 0;
	let negative = false;
	const first = text.charCodeAt(0);
	if (first === 45 || first === 43) {
		negative = first === 45;
		at = 1;
	}
	let value = 0;
	let end = at;
	for (; end < length; end++) {
		const digit = text.charCodeAt(end) - 48;
		if (digit < 0 || digit > 9) break;
		value = value * 10 + digit;
	}
	if (value > Number.MAX_SAFE_INTEGER) {
		// More digits than 64 bits can hold all saturate to the same value: no need to read them all.
		const digits = text.slice(at, end).replace(/^0+/, '').slice(0, 20);
		const exact = BigInt(digits);
		return normalizeInt(negative ? -exact : exact);
	}
	return negative && value !== 0 ? -value : value;
}

/** A text that is nothing but an integer, as arguments and patterns must be; undefined otherwise. */
export function parseInteger(text: string): number | bigint | undefined {
	return /^[+-]?\d+$/.test(text) ? readInt(text) : undefined;
}

/**
 * The address in a text. IPv4 may be followed by something else (`192.0.2.1:80` is that of a header), as
 * the reference takes it; IPv6 must stand alone.
 */
export function readAddress(text: string): IpAddress | undefined {
	const exact = IpAddress.parse(text);
	if (exact !== undefined) return exact;
	const match = /^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(text);
	const octets = match?.[1]?.split('.').map(Number);
	if (octets === undefined || octets.some((octet) => octet > 255)) return undefined;
	return IpAddress.fromV4(octets.reduce((sum, octet) => sum * 256 + octet, 0));
}
