/**
 * MQTT's first packets, CONNECT of the client and CONNACK of the server (manual, 7.3.1; OASIS MQTT 3.1.1 and 5.0, chapter 3):
 * `mqtt_is_valid` and `mqtt_field_value`. While a packet is not all there, there is no sample, so that rules of
 * `tcp-request content` wait for the rest.
 */
import type { ConverterDescriptor, SampleValue } from '../types.js';
import { direct, required, textArgument } from './define.js';

const CONNECT = 1;
const CONNACK = 2;

/** How the value of a property is written (MQTT 5.0, 2.2.2.2). */
type PropertyType = 'byte' | 'bool' | 'u16' | 'positive16' | 'u32' | 'positive32' | 'string' | 'binary' | 'pair';

interface Property {
	readonly id: number;
	readonly type: PropertyType;
}

const property = (id: number, type: PropertyType): Property => ({ id, type });

const CONNECT_PROPERTIES: readonly Property[] = [
	property(17, 'u32'), // session expiry interval
	property(33, 'positive16'), // receive maximum
	property(39, 'positive32'), // maximum packet size
	property(34, 'u16'), // topic alias maximum
	property(25, 'bool'), // request response information
	property(23, 'bool'), // request problem information
	property(38, 'pair'), // user property
	property(21, 'string'), // authentication method
	property(22, 'binary'), // authentication data
];

const WILL_PROPERTIES: readonly Property[] = [
	property(24, 'u32'), // will delay interval
	property(1, 'bool'), // payload format indicator
	property(2, 'u32'), // message expiry interval
	property(3, 'string'), // content type
	property(8, 'string'), // response topic
	property(9, 'binary'), // correlation data
	property(38, 'pair'),
];

const CONNACK_PROPERTIES: readonly Property[] = [
	property(17, 'u32'), // session expiry interval
	property(33, 'positive16'), // receive maximum
	property(36, 'bool'), // maximum QoS
	property(37, 'bool'), // retain available
	property(39, 'positive32'), // maximum packet size
	property(18, 'string'), // assigned client identifier
	property(34, 'u16'), // topic alias maximum
	property(31, 'string'), // reason string
	property(38, 'pair'),
	property(40, 'bool'), // wildcard subscription available
	property(41, 'bool'), // subscription identifiers available
	property(42, 'bool'), // shared subscription available
	property(19, 'u16'), // server keep alive
	property(26, 'string'), // response information
	property(28, 'string'), // server reference
	property(21, 'string'), // authentication method
	property(22, 'binary'), // authentication data
];

const byId = (rows: readonly Property[]): ReadonlyMap<number, PropertyType> =>
	new Map(rows.map(({ id, type }) => [id, type]));

const CONNECT_TABLE = byId(CONNECT_PROPERTIES);
const WILL_TABLE = byId(WILL_PROPERTIES);
const CONNACK_TABLE = byId(CONNACK_PROPERTIES);

/** Properties that a packet type may be asked for; those of pairs cannot be. */
const ASKED: ReadonlyMap<number, ReadonlyMap<number, PropertyType>> = new Map([
	[CONNECT, byId([...CONNECT_PROPERTIES, ...WILL_PROPERTIES].filter(({ type }) => type !== 'pair'))],
	[CONNACK, byId(CONNACK_PROPERTIES.filter(({ type }) => type !== 'pair'))],
]);

const FIELDS: ReadonlyMap<number, readonly string[]> = new Map([
	[
		CONNECT,
		[
			'flags',
			'protocol_name',
			'protocol_version',
			'client_identifier',
			'will_topic',
			'will_payload',
			'username',
			'password',
			'keepalive',
		],
	],
	[CONNACK, ['flags', 'protocol_version', 'reason_code']],
]);

/** Names of packet types, and whether fields of them can be had. */
const PACKET_TYPES: ReadonlyMap<string, number> = new Map([
	['connect', CONNECT],
	['1', CONNECT],
	['connack', CONNACK],
	['2', CONNACK],
]);

type Fields = Map<string | number, SampleValue>;

/** Reads the pieces of a packet; beyond its end, and at what is wrong, `failed` is set and zeroes come. */
class PacketReader {
	readonly #bytes: Buffer;
	#at = 0;
	failed = false;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	get isAtEnd(): boolean {
		return this.#at >= this.#bytes.length;
	}

	unsigned(size: 1 | 2 | 4): number {
		if (this.#at + size > this.#bytes.length) {
			this.failed = true;
			return 0;
		}
		this.#at += size;
		return this.#bytes.readUIntBE(this.#at - size, size);
	}

	bytes(length: number): Buffer {
		if (this.#at + length > this.#bytes.length) {
			this.failed = true;
			return EMPTY;
		}
		this.#at += length;
		return this.#bytes.subarray(this.#at - length, this.#at);
	}

	/** Two bytes of length, and as many. */
	binary(): Buffer {
		return this.bytes(this.unsigned(2));
	}

	text(): string {
		return this.binary().toString('latin1');
	}

	varint(): number {
		let value = 0;
		for (let shift = 0; shift < 28; shift += 7) {
			const byte = this.unsigned(1);
			value += (byte & 0x7f) * 2 ** shift;
			if (byte < 0x80) return value;
		}
		this.failed = true;
		return 0;
	}

	/** The properties of a part of a packet: none but those of the table, each once (user properties as often as they like). */
	properties(table: ReadonlyMap<number, PropertyType>, into: Fields): void {
		const reader = new PacketReader(this.bytes(this.varint()));
		while (!reader.isAtEnd && !reader.failed) {
			const id = reader.varint();
			const type = table.get(id);
			if (type === undefined || (type !== 'pair' && into.has(id))) {
				this.failed = true;
				return;
			}
			const value = reader.#property(type);
			if (type !== 'pair') into.set(id, value);
		}
		this.failed ||= reader.failed;
	}

	#positive(size: 2 | 4): number {
		const value = this.unsigned(size);
		this.failed ||= value === 0;
		return value;
	}

	#property(type: PropertyType): SampleValue {
		switch (type) {
			case 'byte':
				return this.unsigned(1);
			case 'bool': {
				const value = this.unsigned(1);
				this.failed ||= value > 1;
				return value;
			}
			case 'u16':
				return this.unsigned(2);
			case 'positive16':
				return this.#positive(2);
			case 'u32':
				return this.unsigned(4);
			case 'positive32':
				return this.#positive(4);
			case 'string': {
				const text = this.text();
				this.failed ||= text === '';
				return text;
			}
			case 'binary':
				return this.binary();
			case 'pair':
				return this.text() + this.text();
		}
	}
}

const EMPTY = Buffer.alloc(0);

/** Its type and what it says; `incomplete` while bytes are missing, `invalid` for what is no such packet. */
interface Packet {
	readonly type: number;
	readonly fields: Fields;
}

function readPacket(bytes: Buffer): Packet | 'incomplete' | 'invalid' {
	const first = bytes[0];
	if (first === undefined) return 'incomplete';
	const type = first >> 4;
	// The other half of the byte is reserved in both.
	if ((type !== CONNECT && type !== CONNACK) || (first & 0x0f) !== 0) return 'invalid';
	let length = 0;
	let at = 1;
	for (let shift = 0; ; shift += 7, at++) {
		const byte = bytes[at];
		if (shift > 21) return 'invalid';
		if (byte === undefined) return 'incomplete';
		length += (byte & 0x7f) * 2 ** shift;
		if (byte < 0x80) break;
	}
	at++;
	if (bytes.length < at + length) return 'incomplete';
	const reader = new PacketReader(bytes.subarray(at, at + length));
	const fields: Fields = new Map();
	const isGood = type === CONNECT ? readConnect(reader, fields) : readConnack(reader, fields, length);
	return isGood && !reader.failed && reader.isAtEnd ? { type, fields } : 'invalid';
}

/** Bits of the flags of CONNECT (3.1.2.3). As the reference, only the reserved one is judged. */
const USERNAME = 0x80;
const PASSWORD = 0x40;
const WILL = 0x04;
const RESERVED = 0x01;

function readConnect(reader: PacketReader, fields: Fields): boolean {
	const name = reader.text();
	const version = reader.unsigned(1);
	if ((name !== 'MQIsdp' && name !== 'MQTT') || version < 3 || version > 5) return false;
	const flags = reader.unsigned(1);
	if ((flags & RESERVED) !== 0) return false;
	fields.set('protocol_name', name);
	fields.set('protocol_version', version);
	fields.set('flags', flags);
	fields.set('keepalive', reader.unsigned(2));
	if (version === 5) reader.properties(CONNECT_TABLE, fields);
	fields.set('client_identifier', reader.text());
	if ((flags & WILL) !== 0) {
		if (version === 5) reader.properties(WILL_TABLE, fields);
		fields.set('will_topic', reader.text());
		fields.set('will_payload', reader.binary());
	}
	if ((flags & USERNAME) !== 0) fields.set('username', reader.text());
	if ((flags & PASSWORD) !== 0) fields.set('password', reader.binary());
	return true;
}

/** Without properties it is one of MQTT 3.1 or 3.1.1, which cannot be told apart (3.2). */
function readConnack(reader: PacketReader, fields: Fields, length: number): boolean {
	const flags = reader.unsigned(1);
	if ((flags & 0xfe) !== 0) return false;
	fields.set('flags', flags);
	fields.set('reason_code', reader.unsigned(1));
	fields.set('protocol_version', length > 2 ? 5 : 4);
	if (length > 2) reader.properties(CONNACK_TABLE, fields);
	return true;
}

interface FieldKey {
	readonly type: number;
	readonly key: string | number;
	/** An integer property, and the field that is there when its part of the packet is. */
	readonly numberOf: string | undefined;
}

const NUMBERS: ReadonlySet<PropertyType> = new Set(['byte', 'bool', 'u16', 'positive16', 'u32', 'positive32']);

/** The key of a field in `Packet.fields`, or a sentence on what is wrong with its name. */
function fieldKey(typeText: string, fieldText: string): FieldKey | string {
	const type = PACKET_TYPES.get(typeText.toLowerCase());
	if (type === undefined) return `MQTT type not supported: '${typeText}'`;
	if (/^\d{1,3}$/.test(fieldText)) {
		const id = Number(fieldText);
		const kind = ASKED.get(type)?.get(id);
		if (kind !== undefined)
			return {
				type,
				key: id,
				numberOf: NUMBERS.has(kind) ? (WILL_TABLE.has(id) && type === CONNECT ? 'will_topic' : 'flags') : undefined,
			};
	}
	const name = fieldText.toLowerCase();
	if (FIELDS.get(type)?.includes(name) === true) return { type, key: name, numberOf: undefined };
	return `MQTT property ID or field name not supported: '${fieldText}' of packet type '${typeText}'`;
}

export const MQTT_CONVERTERS: readonly ConverterDescriptor[] = [
	direct<Buffer>('mqtt_is_valid', 'bin', 'bool', (bytes) => {
		const packet = readPacket(bytes);
		return packet === 'incomplete' ? undefined : packet !== 'invalid';
	}),
	{
		name: 'mqtt_field_value',
		args: [required('string'), required('string')],
		input: 'bin',
		output: 'str',
		check: ([type, field]) => {
			const key = fieldKey(textArgument(type) ?? '', textArgument(field) ?? '');
			return typeof key === 'string' ? key : undefined;
		},
		compile: ([typeArgument, fieldArgument]) => {
			const wanted = fieldKey(textArgument(typeArgument) ?? '', textArgument(fieldArgument) ?? '');
			if (typeof wanted === 'string') return () => undefined;
			return (value) => {
				const packet = readPacket(value as Buffer);
				if (typeof packet === 'string' || packet.type !== wanted.type) return undefined;
				const found = packet.fields.get(wanted.key);
				if (typeof found === 'number') return String(found);
				// An integer property that is absent reads 0, a text that is empty is no sample: as in the reference.
				if (found === undefined) {
					const isZero = wanted.numberOf !== undefined && packet.fields.has(wanted.numberOf);
					return isZero && packet.fields.get('protocol_version') === 5 ? '0' : undefined;
				}
				return (found as string | Buffer).length === 0 ? undefined : found;
			};
		},
	},
];
