/**
 * `protobuf` and `ungrpc` (manual, 7.3.1): one field of a Protocol Buffers message, by its number and, within embedded
 * messages, theirs: `2.1`. Without a type the bytes as they stand in the message, with one an integer; numbers with a
 * fraction lose it. `ungrpc` looks into the first message of a gRPC body, which must not be compressed.
 */
import type { ArgumentSpec, ArgumentValue, ConverterDescriptor, SampleValue } from '../types.js';
import { normalizeInt } from '../values.js';
import { optional, required, textArgument } from './define.js';

/** Wire types (Protocol Buffers, "Message structure"). */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

interface FieldType {
	readonly wire: number;
	readonly read: (bytes: Buffer) => SampleValue | undefined;
}

const ofVarint = (convert: (value: bigint) => bigint): FieldType => ({
	wire: VARINT,
	read: (bytes) => normalizeInt(BigInt.asIntN(64, convert(readVarint(bytes)))),
});

const plainVarint = ofVarint((value) => value);
/** 0, -1, 1, -2, ... as 0, 1, 2, 3, ... */
const zigzag = ofVarint((value) => (value >> 1n) ^ -(value & 1n));
const whole = (value: number): SampleValue | undefined =>
	Number.isFinite(value) ? normalizeInt(BigInt(Math.trunc(value))) : undefined;

const TYPES: ReadonlyMap<string, FieldType> = new Map<string, FieldType>([
	['int32', plainVarint],
	['int64', plainVarint],
	['uint32', plainVarint],
	['uint64', plainVarint],
	['sint32', zigzag],
	['sint64', zigzag],
	['bool', plainVarint],
	['enum', plainVarint],
	['fixed64', { wire: FIXED64, read: (bytes) => normalizeInt(bytes.readBigInt64LE()) }],
	['sfixed64', { wire: FIXED64, read: (bytes) => normalizeInt(bytes.readBigInt64LE()) }],
	['double', { wire: FIXED64, read: (bytes) => whole(bytes.readDoubleLE()) }],
	['fixed32', { wire: FIXED32, read: (bytes) => bytes.readUInt32LE() }],
	['sfixed32', { wire: FIXED32, read: (bytes) => bytes.readInt32LE() }],
	['float', { wire: FIXED32, read: (bytes) => whole(bytes.readFloatLE()) }],
]);

/** Bytes of the longest varint. */
const VARINT_MAX = 10;

/** Index behind the varint at `at`; -1 if it has no end. One that begins at the end of the message is empty, and 0. */
function varintEnd(bytes: Buffer, at: number): number {
	if (at >= bytes.length) return at;
	for (let i = at; i < bytes.length && i < at + VARINT_MAX; i++) if ((bytes[i] ?? 0) < 0x80) return i + 1;
	return -1;
}

function readVarint(bytes: Buffer): bigint {
	let value = 0n;
	for (let i = bytes.length - 1; i >= 0; i--) value = (value << 7n) | BigInt((bytes[i] ?? 0) & 0x7f);
	return BigInt.asUintN(64, value);
}

interface Found {
	readonly wire: number;
	readonly bytes: Buffer;
}

/** The first field with that number; undefined too when the message is broken before it. */
function findField(message: Buffer, number: number): Found | undefined {
	let at = 0;
	while (at < message.length) {
		const keyEnd = varintEnd(message, at);
		if (keyEnd < 0) return undefined;
		const key = readVarint(message.subarray(at, keyEnd));
		const wire = Number(key & 7n);
		let start = keyEnd;
		let end: number;
		if (wire === VARINT) end = varintEnd(message, start);
		else if (wire === FIXED64) end = start + 8;
		else if (wire === FIXED32) end = start + 4;
		else if (wire === LENGTH) {
			const lengthEnd = varintEnd(message, start);
			if (lengthEnd < 0) return undefined;
			const length = readVarint(message.subarray(start, lengthEnd));
			start = lengthEnd;
			end = length > BigInt(message.length) ? -1 : start + Number(length);
		} else return undefined;
		if (end < 0 || end > message.length) return undefined;
		if (key >> 3n === BigInt(number)) return { wire, bytes: message.subarray(start, end) };
		at = end;
	}
	return undefined;
}

function findPath(message: Buffer, path: readonly number[]): Found | undefined {
	let within = message;
	let found: Found | undefined;
	for (const number of path) {
		if (found !== undefined && found.wire !== LENGTH) return undefined;
		found = findField(within, number);
		if (found === undefined) return undefined;
		within = found.bytes;
	}
	return found;
}

const PREFIX_BYTES = 5;

/** The first message of a gRPC body: a flag, four bytes of length, the message. */
function firstMessage(body: Buffer): Buffer | undefined {
	if (body.length < PREFIX_BYTES) return undefined;
	const end = PREFIX_BYTES + body.readUInt32BE(1);
	return end > body.length ? undefined : body.subarray(PREFIX_BYTES, end);
}

const ARGS: readonly ArgumentSpec[] = [required('string'), optional('string')];

function row(name: string, messageOf: (bytes: Buffer) => Buffer | undefined): ConverterDescriptor {
	return {
		name,
		args: ARGS,
		input: 'bin',
		output: 'bin',
		check: ([path, type]: readonly ArgumentValue[]) => {
			const text = textArgument(path) ?? '';
			if (!/^\d+(?:\.\d*)*$/.test(text)) {
				return `failed to parse '${text}' as type 'Protocol buffers field number' at position 1`;
			}
			const typeName = textArgument(type);
			return typeName === undefined || TYPES.has(typeName) ? undefined : `Wrong protocol buffer type '${typeName}'`;
		},
		compile: ([pathArgument, typeArgument]) => {
			const path = (textArgument(pathArgument) ?? '').split('.').map(Number);
			const type = TYPES.get(textArgument(typeArgument) ?? '');
			return (value) => {
				const message = messageOf(value as Buffer);
				const found = message === undefined ? undefined : findPath(message, path);
				if (found === undefined || type === undefined) return found?.bytes;
				return found.wire === type.wire ? type.read(found.bytes) : undefined;
			};
		},
	};
}

export const PROTOBUF_CONVERTERS: readonly ConverterDescriptor[] = [
	row('protobuf', (bytes) => bytes),
	row('ungrpc', firstMessage),
];
