/**
 * Keys: from a sample to the words of a record and back (stick-tables.md, section 2).
 *
 * A key takes a fixed number of 32-bit words per table, zero padded, so that comparing keys is comparing
 * words. Addresses and integers are the numbers themselves (the most significant byte of an address is
 * the most significant of its word); strings and binary keys are bytes, first byte lowest.
 *
 * Strings end at their first NUL, as comparison does in HAProxy: `AB` and `AB%00CD` are one key, in one
 * bucket, whether they come from a URL or from a peer. That also makes zero padding unambiguous.
 */

import type { StickTableModel } from '../config/model.js';
import { IpAddress } from '../core/address.js';
import { bytesOf, textOf } from '../core/bytes.js';
import type { SampleValue } from '../sample/types.js';

export type KeyType = StickTableModel['keyType'];

/** A key as it comes out of a table: addresses for ip and ipv6, then number, byte string, bytes. */
export type TableKey = IpAddress | number | string | Buffer;

export interface KeyCodec {
	readonly words: number;
	/** Writes the key of `value` at `into[at]`; false when the value cannot be a key of this type. */
	encode(value: SampleValue, into: Int32Array, at: number): boolean;
	decode(words: Int32Array, at: number): TableKey;
	/**
	 * Writes the key whose bytes stand at the start of `bytes` (network order, a string without terminator) at
	 * `into[at]`; false when `length` is not that of a key of this type.
	 */
	encodeBytes(bytes: Uint8Array, length: number, into: Int32Array, at: number): boolean;
	/** The opposite: writes the bytes of a key at the start of `bytes`, returns how many. */
	decodeBytes(words: Int32Array, at: number, bytes: Uint8Array): number;
}

/** Bytes of a key: the given length for strings and binary, else what the type needs. */
export function keyLengthBytes(model: Pick<StickTableModel, 'keyType' | 'keyLengthBytes'>): number {
	if (model.keyType === 'ipv6') return 16;
	return model.keyType === 'string' || model.keyType === 'binary' ? model.keyLengthBytes : 4;
}

export function keyCodec(model: Pick<StickTableModel, 'keyType' | 'keyLengthBytes'>): KeyCodec {
	const lengthBytes = keyLengthBytes(model);
	switch (model.keyType) {
		case 'ip':
			return IP_CODEC;
		case 'ipv6':
			return IPV6_CODEC;
		case 'integer':
			return INTEGER_CODEC;
		case 'string':
			return stringCodec(lengthBytes);
		case 'binary':
			return binaryCodec(lengthBytes);
	}
}

/** The key of a text, as `set table`, `show table` and `clear table` read it; undefined when it cannot be one. */
export function parseKeyText(keyType: KeyType, text: string): SampleValue | undefined {
	switch (keyType) {
		case 'ip':
			return IpAddress.parse(text)?.toV4();
		case 'ipv6':
			return IpAddress.parse(text)?.toV6();
		case 'integer':
			return leadingInteger(text) ?? 0;
		case 'string':
			return text;
		case 'binary':
			return undefined;
	}
}

/** `instanceof` for the hottest path there is: the class has no subclass, and its prototypes need no walk. */
function isAddress(value: SampleValue): value is IpAddress {
	return typeof value === 'object' && value.constructor === IpAddress;
}

/** Keys that are numbers: each word is four bytes, most significant first. */
function bigEndianWords(words: number): Pick<KeyCodec, 'words' | 'encodeBytes' | 'decodeBytes'> {
	return {
		words,
		encodeBytes(bytes, length, into, at) {
			if (length !== words * 4) return false;
			for (let i = 0; i < words; i++) {
				const from = i * 4;
				into[at + i] = (bytes[from]! << 24) | (bytes[from + 1]! << 16) | (bytes[from + 2]! << 8) | bytes[from + 3]!;
			}
			return true;
		},
		decodeBytes(from, at, bytes) {
			for (let i = 0; i < words * 4; i++) bytes[i] = from[at + (i >> 2)]! >>> (24 - (i & 3) * 8);
			return words * 4;
		},
	};
}

/** Keys that are bytes; `stopAtNul` makes them strings. */
function packedBytes(lengthBytes: number, stopAtNul: boolean): Pick<KeyCodec, 'words' | 'encodeBytes' | 'decodeBytes'> {
	const words = Math.ceil(lengthBytes / 4);
	return {
		words,
		encodeBytes(bytes, length, into, at) {
			for (let i = 0; i < words; i++) into[at + i] = 0;
			const end = Math.min(length, lengthBytes);
			for (let i = 0; i < end; i++) {
				const byte = bytes[i]!;
				if (byte === 0 && stopAtNul) break;
				into[at + (i >> 2)]! |= byte << ((i & 3) * 8);
			}
			return true;
		},
		decodeBytes(from, at, bytes) {
			for (let i = 0; i < lengthBytes; i++) {
				const byte = (from[at + (i >> 2)]! >>> ((i & 3) * 8)) & 0xff;
				if (byte === 0 && stopAtNul) return i;
				bytes[i] = byte;
			}
			return lengthBytes;
		},
	};
}

const IP_CODEC: KeyCodec = {
	...bigEndianWords(1),
	encode(value, into, at) {
		const address = isAddress(value) && value.v6 === undefined ? value : addressOf(value, 4)?.toV4();
		if (address === undefined) return false;
		into[at] = address.v4;
		return true;
	},
	decode: (words, at) => IpAddress.fromV4(words[at]!),
};

const IPV6_CODEC: KeyCodec = {
	...bigEndianWords(4),
	encode(value, into, at) {
		const address = addressOf(value, 6);
		if (address === undefined) return false;
		const bytes = address.v6;
		if (bytes === undefined) {
			into[at] = 0;
			into[at + 1] = 0;
			into[at + 2] = 0xffff;
			into[at + 3] = address.v4;
			return true;
		}
		return this.encodeBytes(bytes, 16, into, at);
	},
	decode(words, at) {
		const bytes = new Uint8Array(16);
		this.decodeBytes(words, at, bytes);
		return IpAddress.fromV6(bytes);
	},
};

const INTEGER_CODEC: KeyCodec = {
	...bigEndianWords(1),
	encode(value, into, at) {
		const number = integerOf(value);
		if (number === undefined) return false;
		into[at] = typeof number === 'bigint' ? Number(BigInt.asIntN(32, number)) : (number % 4294967296) | 0;
		return true;
	},
	decode: (words, at) => words[at]! >>> 0,
};

function stringCodec(lengthBytes: number): KeyCodec {
	const packed = packedBytes(lengthBytes, true);
	return {
		...packed,
		encode(value, into, at) {
			const text = typeof value === 'string' ? value : stringOf(value);
			packText(text, lengthBytes, true, into, at, packed.words);
			return true;
		},
		decode: (from, at) => unpackText(from, at, lengthBytes, true),
	};
}

function binaryCodec(lengthBytes: number): KeyCodec {
	const packed = packedBytes(lengthBytes, false);
	return {
		...packed,
		encode(value, into, at) {
			packText(bytesTextOf(value), lengthBytes, false, into, at, packed.words);
			return true;
		},
		decode: (from, at) => bytesOf(unpackText(from, at, lengthBytes, false)),
	};
}

/** The bytes of a byte string into words, cut at `lengthBytes` (and at a NUL for strings), zero padded. */
export function packText(
	text: string,
	lengthBytes: number,
	stopAtNul: boolean,
	into: Int32Array,
	at: number,
	words: number,
): void {
	const end = Math.min(text.length, lengthBytes);
	let word = 0;
	let index = 0;
	for (; index < end; index++) {
		const byte = text.charCodeAt(index) & 0xff;
		if (byte === 0 && stopAtNul) break;
		word |= byte << ((index & 3) * 8);
		if ((index & 3) === 3) {
			into[at + (index >> 2)] = word;
			word = 0;
		}
	}
	let next = index >> 2;
	if ((index & 3) !== 0) into[at + next++] = word;
	while (next < words) into[at + next++] = 0;
}

export function unpackText(words: Int32Array, at: number, lengthBytes: number, stopAtNul: boolean): string {
	let text = '';
	for (let i = 0; i < lengthBytes; i++) {
		const byte = (words[at + (i >> 2)]! >>> ((i & 3) * 8)) & 0xff;
		if (byte === 0 && stopAtNul) break;
		text += String.fromCharCode(byte);
	}
	return text;
}

/**
 * Sample to address: addresses, texts of addresses of the table's own family (a text is not converted further, as
 * HAProxy 2.6 was seen to do), and integers as IPv4.
 */
function addressOf(value: SampleValue, family: 4 | 6): IpAddress | undefined {
	if (isAddress(value)) return value;
	if (typeof value === 'string') {
		const address = IpAddress.parse(value);
		return address?.family === family ? address : undefined;
	}
	if (typeof value === 'number') return IpAddress.fromV4(value % 4294967296);
	if (typeof value === 'bigint') return IpAddress.fromV4(Number(BigInt.asUintN(32, value)));
	return undefined;
}

function integerOf(value: SampleValue): number | bigint | undefined {
	if (typeof value === 'number' || typeof value === 'bigint') return value;
	if (typeof value === 'boolean') return value ? 1 : 0;
	if (typeof value === 'string') return leadingInteger(value);
	if (value instanceof IpAddress) return value.v6 === undefined ? value.v4 : undefined;
	return undefined;
}

/** The integer a text begins with, 0 when it begins with none, undefined when it is empty. */
function leadingInteger(text: string): number | bigint | undefined {
	if (text === '') return undefined;
	const match = /^[+-]?\d{1,20}/.exec(text);
	if (match === null) return 0;
	const number = Number(match[0]);
	return Number.isSafeInteger(number) ? number : BigInt(match[0].replace('+', ''));
}

function stringOf(value: SampleValue): string {
	if (typeof value === 'boolean') return value ? '1' : '0';
	if (value instanceof Uint8Array) return textOf(value);
	return value.toString();
}

/** Sample to bytes: integers and booleans as 64 bits in network order, addresses as they stand in a packet. */
function bytesTextOf(value: SampleValue): string {
	if (typeof value === 'string') return value;
	if (value instanceof Uint8Array) return textOf(value);
	if (value instanceof IpAddress) return textOf(value.toBytes());
	const bytes = Buffer.alloc(8);
	bytes.writeBigInt64BE(BigInt.asIntN(64, BigInt(value)));
	return bytes.toString('latin1');
}
