/**
 * Writes the messages of the peers protocol into one scratch buffer, from which the session sends copies.
 * Nothing here knows a socket or a table; a message is written whole or not at all.
 *
 * A body's length stands before the body and its own size varies, so a body is written where it will stand if
 * it is short, which nearly all are, and moved by a byte or two if it is not.
 */
import type { TransmitDictionary } from './dictionary.js';
import type { Column, EntryRecord } from './entry-record.js';
import {
	type ControlType,
	type ErrorMessageType,
	HOLDFAST_MESSAGE,
	KEY_TYPE,
	type KeyTypeName,
	MAX_MESSAGE_BYTES,
	MAX_SERVER_KEY_BYTES,
	MESSAGE_CLASS,
	PROTOCOL_MAJOR,
	PROTOCOL_MINOR,
	PROTOCOL_NAME,
	type ShareMessageType,
	STICK_TABLE_MESSAGE,
	type StatusCode,
} from './protocol.js';
import { varintSize, writeVarint, writeVarint64 } from './varint.js';

/** What a definition says of a table (section 6.1). */
export interface DefinedTable {
	readonly wireName: string;
	readonly keyType: KeyTypeName;
	/** Bytes of a key: 4, 16, 4, the most a string may have, the size of a binary. */
	readonly keyLengthBytes: number;
	readonly columns: readonly Column[];
	/** Undefined: entries never expire. */
	readonly expireMs: number | undefined;
}

/** The key size field: a string's counts its terminator (section 6.1). */
export function wireKeySize(table: Pick<DefinedTable, 'keyType' | 'keyLengthBytes'>): number {
	return table.keyType === 'string' ? table.keyLengthBytes + 1 : table.keyLengthBytes;
}

/** Section 3.1. HAProxy checks neither of the two numbers of the last line. */
export function encodeHello(
	remoteName: string,
	localName: string,
	pid: number,
	minor: number = PROTOCOL_MINOR,
): Buffer {
	return Buffer.from(`${PROTOCOL_NAME} ${PROTOCOL_MAJOR}.${minor}\n${remoteName}\n${localName} ${pid} 1\n`, 'latin1');
}

/** Section 3.2: three digits and LF, nothing else, or HAProxy dials again without a pause. */
export function encodeStatus(status: StatusCode): Buffer {
	return Buffer.from(`${status}\n`, 'latin1');
}

/** Header and the shortest length field. */
const SHORT_HEADER_BYTES = 3;
/** The longest message that is not an update: a definition with the longest table name. */
const INITIAL_CAPACITY_BYTES = 64 * 1024;

export class MessageWriter {
	readonly buffer: Buffer;
	/** Bytes written. */
	length = 0;

	constructor(capacityBytes = INITIAL_CAPACITY_BYTES) {
		this.buffer = Buffer.allocUnsafeSlow(capacityBytes);
	}

	/** Whether any message still fits; if not, send what is here and clear. */
	hasRoom(): boolean {
		return this.buffer.length - this.length >= MAX_MESSAGE_BYTES + MAX_MESSAGE_BYTES;
	}

	/** Whether that many bytes fit, and still leave room for any message. */
	fits(bytes: number): boolean {
		return this.buffer.length - this.length - bytes >= MAX_MESSAGE_BYTES;
	}

	/** A copy of what was written, for a socket to keep. */
	take(): Buffer {
		const bytes = Buffer.from(this.buffer.subarray(0, this.length));
		this.length = 0;
		return bytes;
	}

	/** A message that was written before. */
	bytes(message: Uint8Array): void {
		this.buffer.set(message, this.length);
		this.length += message.length;
	}

	control(type: ControlType): void {
		this.buffer[this.length++] = MESSAGE_CLASS.CONTROL;
		this.buffer[this.length++] = type;
	}

	error(type: ErrorMessageType): void {
		this.buffer[this.length++] = MESSAGE_CLASS.ERROR;
		this.buffer[this.length++] = type;
	}

	features(bits: number): void {
		const start = this.length;
		const end = writeVarint(this.buffer, start + SHORT_HEADER_BYTES, bits);
		this.#finish(start, MESSAGE_CLASS.HOLDFAST, HOLDFAST_MESSAGE.FEATURES, end);
	}

	/** A message of our own class without a body. */
	share(type: ShareMessageType): void {
		this.buffer[this.length++] = MESSAGE_CLASS.HOLDFAST;
		this.buffer[this.length++] = type;
	}

	/** Section 6.1, always with expiry and parameters: HAProxy sends them in 2.0 mode too (section 3.5). */
	definition(tableId: number, table: DefinedTable, keySize = wireKeySize(table)): void {
		const { buffer, length: start } = this;
		let at = writeVarint(buffer, start + SHORT_HEADER_BYTES, tableId);
		const name = Buffer.from(table.wireName, 'latin1');
		at = writeVarint(buffer, at, name.length);
		at += name.copy(buffer, at);
		at = writeVarint(buffer, at, KEY_TYPE[table.keyType]);
		at = writeVarint(buffer, at, keySize);
		let bits = 0;
		for (const { dataType } of table.columns) bits |= 1 << dataType.wireId;
		at = writeVarint(buffer, at, bits >>> 0);
		at = writeVarint(buffer, at, table.expireMs ?? 0);
		for (const { dataType, count, periodMs } of table.columns) {
			if (!dataType.isArray && dataType.class !== 'rate') continue;
			at = writeVarint(buffer, at, dataType.wireId);
			if (dataType.isArray) at = writeVarint(buffer, at, count);
			if (dataType.class === 'rate') at = writeVarint(buffer, at, periodMs);
		}
		this.#finish(start, MESSAGE_CLASS.STICK_TABLE, STICK_TABLE_MESSAGE.DEFINITION, at);
	}

	/** Section 6.2. */
	switchTable(tableId: number): void {
		const start = this.length;
		const end = writeVarint(this.buffer, start + SHORT_HEADER_BYTES, tableId);
		this.#finish(start, MESSAGE_CLASS.STICK_TABLE, STICK_TABLE_MESSAGE.SWITCH, end);
	}

	/** Section 10.3. `remoteTableId` is the id that the sender of the updates gave the table. */
	acknowledgement(remoteTableId: number, updateId: number): void {
		const start = this.length;
		let at = writeVarint(this.buffer, start + SHORT_HEADER_BYTES, remoteTableId);
		at = writeU32(this.buffer, at, updateId);
		this.#finish(start, MESSAGE_CLASS.STICK_TABLE, STICK_TABLE_MESSAGE.ACKNOWLEDGEMENT, at);
	}

	/**
	 * Section 7. `type` is one of the four update messages; which of the record's id and expiry are written
	 * follows from it. The record's words are those of `columns`.
	 */
	update(
		type: number,
		keyType: KeyTypeName,
		columns: readonly Column[],
		record: EntryRecord,
		dictionary: TransmitDictionary,
	): void {
		const { buffer, length: start } = this;
		let at = start + SHORT_HEADER_BYTES;
		if (type === STICK_TABLE_MESSAGE.UPDATE || type === STICK_TABLE_MESSAGE.TIMED_UPDATE) {
			at = writeU32(buffer, at, record.updateId);
		}
		if (type === STICK_TABLE_MESSAGE.TIMED_UPDATE || type === STICK_TABLE_MESSAGE.INCREMENTAL_TIMED_UPDATE) {
			at = writeU32(buffer, at, record.expireMs);
		}
		const { key, keyLength, words } = record;
		if (keyType === 'string') at = writeVarint(buffer, at, keyLength);
		for (let i = 0; i < keyLength; i++) buffer[at++] = key[i]!;
		for (let c = 0; c < columns.length; c++) {
			const { dataType, count, wordOffset } = columns[c]!;
			let word = wordOffset;
			switch (dataType.class) {
				case 'uint32':
					for (let i = 0; i < count; i++) at = writeVarint(buffer, at, words[word++]!);
					break;
				case 'rate':
					for (let i = 0; i < count; i++) {
						at = writeVarint(buffer, at, words[word]!);
						at = writeVarint(buffer, at, words[word + 1]!);
						at = writeVarint(buffer, at, words[word + 2]!);
						word += 3;
					}
					break;
				case 'uint64':
					at = writeVarint64(buffer, at, words[word]!, words[word + 1]!);
					break;
				case 'int32': {
					const value = words[word]!;
					at = writeVarint64(buffer, at, value, value >= 0x80000000 ? 0xffffffff : 0);
					break;
				}
				case 'string':
					at = writeDictionaryValue(buffer, at, record.serverKey, dictionary);
					break;
			}
		}
		this.#finish(start, MESSAGE_CLASS.STICK_TABLE, type, at);
	}

	/** The body stands from `start + 3` to `end`: puts the header before it, moving it if its length needs room. */
	#finish(start: number, messageClass: number, type: number, end: number): void {
		const { buffer } = this;
		const bodyLength = end - start - SHORT_HEADER_BYTES;
		const extra = varintSize(bodyLength) - 1;
		if (extra > 0) buffer.copyWithin(start + SHORT_HEADER_BYTES + extra, start + SHORT_HEADER_BYTES, end);
		buffer[start] = messageClass;
		buffer[start + 1] = type;
		writeVarint(buffer, start + 2, bodyLength);
		this.length = end + extra;
	}
}

/** Section 8.4: nothing, a string under a new id, or the id alone. */
function writeDictionaryValue(
	target: Buffer,
	at: number,
	text: string | undefined,
	dictionary: TransmitDictionary,
): number {
	if (text === undefined || text.length > MAX_SERVER_KEY_BYTES) return writeVarint(target, at, 0);
	const known = dictionary.idOf(text);
	if (known !== 0) {
		at = writeVarint(target, at, varintSize(known));
		return writeVarint(target, at, known);
	}
	const id = dictionary.assign(text);
	at = writeVarint(target, at, varintSize(id) + varintSize(text.length) + text.length);
	at = writeVarint(target, at, id);
	at = writeVarint(target, at, text.length);
	return at + target.write(text, at, 'latin1');
}

function writeU32(target: Buffer, at: number, value: number): number {
	target[at] = value >>> 24;
	target[at + 1] = value >>> 16;
	target[at + 2] = value >>> 8;
	target[at + 3] = value;
	return at + 4;
}
