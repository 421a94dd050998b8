/**
 * Reads the peers protocol: bytes in, messages out, no socket.
 *
 * Three layers. `LineReader` reads the hello and status lines. `MessageReader` cuts the stream that follows
 * into messages, whatever the borders of the chunks: a message that lies whole in a chunk is handed on in
 * place, only one that spans chunks is copied, into one buffer of the largest message's size, so that a
 * sender of any bytes costs 16 kB and no more. The `decode...` functions give a body its meaning.
 *
 * A broken rule throws a `PeersProtocolError`, whose `fault` decides what the other side is told. What the
 * protocol asks to be ignored (unknown classes, types, trailing bytes) is ignored.
 */
import { DATA_TYPES, type DataClass, type DataType, MAX_ARRAY_COUNT } from '../stick-table/data-types.js';
import type { ReceiveDictionary } from './dictionary.js';
import { type Column, columnsOf, type EntryRecord } from './entry-record.js';
import {
	DICTIONARY_SLOTS,
	type KeyTypeName,
	MAX_LENGTH_BYTES,
	MAX_MESSAGE_BYTES,
	MAX_SERVER_KEY_BYTES,
	MESSAGE_CLASS,
	PeersProtocolError,
	STICK_TABLE_MESSAGE,
} from './protocol.js';
import { BodyReader } from './varint.js';

/** Collects one line at a time; bytes after it stay with the caller. */
export class LineReader {
	#text = '';
	readonly #maxBytes: number;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	/** Bytes of an unfinished line that are held. */
	get heldBytes(): number {
		return this.#text.length;
	}

	/**
	 * Looks for the end of the line in `chunk` from `start`. Returns the offset after LF and sets `line`, or -1
	 * when all was taken and the line goes on. A CR before LF is removed (section 3.1).
	 */
	line = '';
	feed(chunk: Buffer, start: number): number {
		const lineFeed = chunk.indexOf(10, start);
		const end = lineFeed < 0 ? chunk.length : lineFeed;
		if (this.#text.length + end - start >= this.#maxBytes) {
			throw new PeersProtocolError('protocol', `a line of the hello is longer than ${this.#maxBytes} bytes`);
		}
		this.#text += chunk.toString('latin1', start, end);
		if (lineFeed < 0) return -1;
		this.line = this.#text.endsWith('\r') ? this.#text.slice(0, -1) : this.#text;
		this.#text = '';
		return lineFeed + 1;
	}
}

/** What the reader hands a message to. `bytes` is only valid during the call. False stops the reading. */
export interface MessageHandler {
	/** The body is `bytes[start..end)`; empty for messages without one. */
	message(messageClass: number, type: number, bytes: Uint8Array, start: number, end: number): boolean;
}

/** Class, type, and the longest length field: what is needed at most to know how long a message is. */
const MAX_HEADER_BYTES = 2 + MAX_LENGTH_BYTES;

export class MessageReader {
	/** A message that spans chunks, from its first byte. */
	#held: Buffer | undefined;
	#heldLength = 0;
	readonly #maxMessageBytes: number;
	/** Messages read, and bytes of the stream before the next one: what a log line says of an error. */
	messageCount = 0;
	streamOffset = 0;
	/** Set by `#measure`. */
	#bodyStart = 0;
	#messageEnd = 0;

	constructor(maxMessageBytes = MAX_MESSAGE_BYTES) {
		this.#maxMessageBytes = maxMessageBytes;
	}

	/** Bytes of an unfinished message that are held. */
	get heldBytes(): number {
		return this.#heldLength;
	}

	/** Reads all messages that are complete with `chunk`, from `start`; holds the rest. */
	feed(chunk: Uint8Array, start: number, handler: MessageHandler): void {
		let at = start;
		if (this.#heldLength > 0) {
			at = this.#completeHeld(chunk, start, handler);
			if (at < 0) return;
		}
		while (this.#measure(chunk, at, chunk.length)) {
			const end = this.#messageEnd;
			if (end > chunk.length) break;
			if (!this.#emit(chunk, at, handler)) return;
			at = end;
		}
		this.#hold(chunk, at, chunk.length);
	}

	#hold(chunk: Uint8Array, start: number, end: number): void {
		if (start >= end) return;
		this.#held ??= Buffer.allocUnsafeSlow(this.#maxMessageBytes);
		this.#held.set(chunk.subarray(start, end), this.#heldLength);
		this.#heldLength += end - start;
	}

	/** Adds to the held message just what it lacks. Returns the offset after it, or -1 when all was taken. */
	#completeHeld(chunk: Uint8Array, start: number, handler: MessageHandler): number {
		let at = start;
		const held = this.#held!;
		// The header byte by byte: it is short, and its own length is only known at its end.
		while (!this.#measure(held, 0, this.#heldLength)) {
			if (at >= chunk.length) return -1;
			held[this.#heldLength++] = chunk[at++]!;
		}
		const missing = this.#messageEnd - this.#heldLength;
		const available = Math.min(missing, chunk.length - at);
		this.#hold(chunk, at, at + available);
		if (available < missing) return -1;
		this.#heldLength = 0;
		return this.#emit(held, 0, handler) ? at + available : -1;
	}

	#emit(bytes: Uint8Array, start: number, handler: MessageHandler): boolean {
		this.messageCount++;
		const goOn = handler.message(bytes[start]!, bytes[start + 1]!, bytes, this.#bodyStart, this.#messageEnd);
		this.streamOffset += this.#messageEnd - start;
		return goOn;
	}

	/** Reads the header at `at`. False: more bytes are needed to know the message's length. */
	#measure(bytes: Uint8Array, at: number, end: number): boolean {
		if (end - at < 2) return false;
		if (bytes[at] === MESSAGE_CLASS.RESERVED) {
			throw new PeersProtocolError('protocol', `message of the reserved class ${MESSAGE_CLASS.RESERVED}`);
		}
		// Only bit 7 of the type tells whether a length follows, whatever the class (section 5).
		if (bytes[at + 1]! < 128) {
			this.#bodyStart = at + 2;
			this.#messageEnd = at + 2;
			return true;
		}
		let offset = at + 2;
		if (offset >= end) return false;
		let length = bytes[offset++]!;
		if (length >= 240) {
			let scale = 16;
			for (;;) {
				if (offset - at >= MAX_HEADER_BYTES) {
					throw new PeersProtocolError('protocol', `the length of a message takes more than ${MAX_LENGTH_BYTES} bytes`);
				}
				if (offset >= end) return false;
				const byte = bytes[offset++]!;
				length += byte * scale;
				if (byte < 128) break;
				scale *= 128;
			}
		}
		this.#bodyStart = offset;
		this.#messageEnd = offset + length;
		if (this.#messageEnd - at > this.#maxMessageBytes) {
			throw new PeersProtocolError(
				'size-limit',
				`a message of ${this.#messageEnd - at} bytes is announced, the limit is ${this.#maxMessageBytes}`,
			);
		}
		return true;
	}
}

/** A table definition as it was sent (section 6.1). */
export interface TableDefinition {
	readonly tableId: number;
	readonly name: string;
	/** As numbers of the wire: nothing says that they are known ones. */
	readonly keyType: number;
	readonly keySize: number;
	/** Data types as a set of bits, in two halves. */
	readonly dataTypesLow: number;
	readonly dataTypesHigh: number;
	/** Undefined: absent, as in protocol 2.0. */
	readonly expireMs: number | undefined;
	/** The known data types, in the order of the values in updates; undefined if their parameters do not fit. */
	readonly columns: readonly Column[] | undefined;
}

const body = new BodyReader();

/**
 * Reads a definition (section 6.3). What cannot be read is a protocol error; what can be read but makes no
 * sense gives `columns` undefined, and the caller ignores the table.
 */
export function decodeDefinition(bytes: Uint8Array, start: number, end: number): TableDefinition {
	body.reset(bytes, start, end);
	const tableId = body.readNumber();
	const nameLength = body.readNumber();
	// A name that reaches the end of the body leaves no room for what must follow it.
	if (body.offset < 0 || nameLength === 0 || body.offset + nameLength >= end) {
		throw new PeersProtocolError('protocol', 'a table definition has no name, or one that fills it');
	}
	const nameStart = body.offset;
	const name = Buffer.from(bytes.buffer, bytes.byteOffset + nameStart, nameLength).toString('latin1');
	body.offset = nameStart + nameLength;
	const keyType = body.readNumber();
	const keySize = body.readNumber();
	const dataTypesLow = body.readLow();
	const dataTypesHigh = body.high;
	if (body.offset < 0) {
		throw new PeersProtocolError('protocol', `the definition of table '${name}' ends before its data types`);
	}
	const known = DATA_TYPES.filter(({ wireId }) => (dataTypesLow & (1 << wireId)) !== 0);
	const hasParameters = body.offset < end;
	let expireMs: number | undefined;
	let columns: readonly Column[] | undefined;
	if (hasParameters) {
		expireMs = body.readNumber();
		columns = readParameters(known);
	} else if (!known.some(({ isArray }) => isArray)) {
		// Section 6.3, step 6: protocol 2.0 knew no arrays, and without their size values cannot be parsed.
		columns = columnsOf(known.map(({ wireId }) => ({ typeId: wireId })));
	}
	return { tableId, name, keyType, keySize, dataTypesLow, dataTypesHigh, expireMs, columns };
}

/** Section 6.3, step 5: one group for each rate and array, in order, each with the expected type id. */
function readParameters(known: readonly DataType[]): readonly Column[] | undefined {
	const specs = [];
	for (const { wireId, isArray, class: dataClass } of known) {
		let count = 1;
		let periodMs = 0;
		if (isArray || dataClass === 'rate') {
			if (body.readNumber() !== wireId) return undefined;
			if (isArray) count = body.readNumber();
			if (dataClass === 'rate') periodMs = body.readNumber();
			if (body.offset < 0 || count < 1 || count > MAX_ARRAY_COUNT) return undefined;
		}
		specs.push({ typeId: wireId, count, periodMs });
	}
	return columnsOf(specs);
}

/** Section 6.2. */
export function decodeSwitch(bytes: Uint8Array, start: number, end: number): number {
	body.reset(bytes, start, end);
	const tableId = body.readNumber();
	if (body.offset < 0) throw new PeersProtocolError('protocol', 'a switch message has no table id');
	return tableId;
}

/** Section 10.3; the values are left in this object, which is used again. */
export const acknowledgement = { tableId: 0, updateId: 0 };

export function decodeAcknowledgement(bytes: Uint8Array, start: number, end: number): typeof acknowledgement {
	body.reset(bytes, start, end);
	acknowledgement.tableId = body.readNumber();
	acknowledgement.updateId = body.readU32();
	if (body.offset < 0) throw new PeersProtocolError('protocol', 'an acknowledgement is too short');
	return acknowledgement;
}

export function decodeFeatures(bytes: Uint8Array, start: number, end: number): number {
	body.reset(bytes, start, end);
	const bits = body.readLow();
	return body.offset < 0 ? 0 : bits;
}

/** What is done with one column of the sender: read, and kept if the local table has a place for it. */
interface PlanStep {
	readonly dataClass: DataClass;
	readonly count: number;
	/** Elements that the local table keeps, the first ones. */
	readonly keptCount: number;
	readonly wordOffset: number;
}

/**
 * How the updates of one table are read: the sender's columns laid over the local ones. Made once for each
 * definition; values of types that are not stored here are parsed and dropped, missing ones leave the local
 * value alone, arrays of different sizes share their first elements (section 6.3).
 */
export class UpdatePlan {
	readonly #steps: readonly PlanStep[];
	readonly #keyType: KeyTypeName;
	readonly #keyLengthBytes: number;
	/** See `EntryRecord.elementCounts`. */
	readonly elementCounts: Uint8Array;

	constructor(
		sent: readonly Column[],
		local: readonly Column[],
		keyType: KeyTypeName,
		keyLengthBytes: number,
		learnsLocalOnly: boolean,
	) {
		this.#keyType = keyType;
		this.#keyLengthBytes = keyLengthBytes;
		this.elementCounts = new Uint8Array(local.length);
		this.#steps = sent.map(({ dataType, count }) => {
			const index = local.findIndex((column) => column.dataType.wireId === dataType.wireId);
			const column = local[index];
			const isKept = column !== undefined && (learnsLocalOnly || !dataType.isLocalOnly);
			const keptCount = isKept ? Math.min(count, column.count) : 0;
			if (isKept) this.elementCounts[index] = keptCount;
			return { dataClass: dataType.class, count, keptCount, wordOffset: column?.wordOffset ?? 0 };
		});
	}

	/**
	 * Reads an update into `record` (section 7). `previousId` is the last id received for this table, from which
	 * an incremental message counts. Whatever is truncated throws, and nothing of the entry is then used:
	 * HAProxy keeps the values it read before the error, but half an entry helps nobody.
	 */
	decode(
		type: number,
		bytes: Uint8Array,
		start: number,
		end: number,
		previousId: number,
		dictionary: ReceiveDictionary,
		record: EntryRecord,
	): void {
		body.reset(bytes, start, end);
		record.updateId =
			type === STICK_TABLE_MESSAGE.UPDATE || type === STICK_TABLE_MESSAGE.TIMED_UPDATE
				? body.readU32()
				: (previousId + 1) >>> 0;
		record.isTimed = type === STICK_TABLE_MESSAGE.TIMED_UPDATE || type === STICK_TABLE_MESSAGE.INCREMENTAL_TIMED_UPDATE;
		record.expireMs = record.isTimed ? body.readU32() | 0 : 0;
		record.elementCounts = this.elementCounts;
		record.serverKey = undefined;
		this.#readKey(record);
		const { words } = record;
		const steps = this.#steps;
		for (let s = 0; s < steps.length; s++) {
			const { dataClass, count, keptCount, wordOffset } = steps[s]!;
			let word = wordOffset;
			switch (dataClass) {
				case 'uint32':
				case 'int32':
					for (let i = 0; i < count; i++) {
						const value = body.readLow();
						if (i < keptCount) words[word++] = value;
					}
					break;
				case 'rate':
					for (let i = 0; i < count; i++) {
						const elapsedMs = body.readLow();
						const current = body.readLow();
						const previous = body.readLow();
						if (i >= keptCount) continue;
						words[word] = elapsedMs;
						words[word + 1] = current;
						words[word + 2] = previous;
						word += 3;
					}
					break;
				case 'uint64': {
					const low = body.readLow();
					if (keptCount === 0) break;
					words[word] = low;
					words[word + 1] = body.high;
					break;
				}
				case 'string': {
					const text = readDictionaryValue(dictionary);
					if (keptCount > 0) record.serverKey = text;
					break;
				}
			}
		}
		if (body.offset < 0) throw new PeersProtocolError('protocol', 'an update ends before its last value');
	}

	#readKey(record: EntryRecord): void {
		const maxLength = this.#keyLengthBytes;
		let length = maxLength;
		let sentLength = maxLength;
		if (this.#keyType === 'string') {
			sentLength = body.readNumber();
			length = Math.min(sentLength, maxLength);
		}
		const from = body.offset;
		if (from < 0 || from + sentLength > body.end) {
			throw new PeersProtocolError('protocol', 'an update ends before its key');
		}
		const { bytes } = body;
		const key = record.reserveKey(length);
		if (this.#keyType === 'string') {
			// A string ends at its first NUL, wherever it comes from: two spellings of one key would be two entries.
			for (let i = 0; i < length; i++) {
				const byte = bytes[from + i]!;
				if (byte === 0) {
					record.keyLength = i;
					break;
				}
				key[i] = byte;
			}
		} else for (let i = 0; i < length; i++) key[i] = bytes[from + i]!;
		body.offset = from + sentLength;
	}
}

/** Section 8.4: undefined for no value, and for an id under which nothing was sent. */
function readDictionaryValue(dictionary: ReceiveDictionary): string | undefined {
	const length = body.readNumber();
	if (body.offset < 0 || body.offset + length > body.end) {
		throw new PeersProtocolError('protocol', 'a dictionary value is longer than its message');
	}
	if (length === 0) return undefined;
	const updateEnd = body.end;
	const valueEnd = body.offset + length;
	body.end = valueEnd;
	const id = body.readNumber();
	if (body.offset < 0 || id < 1 || id > DICTIONARY_SLOTS) {
		throw new PeersProtocolError('protocol', `dictionary id ${id} is not one of 1 to ${DICTIONARY_SLOTS}`);
	}
	let text: string | undefined;
	if (body.offset === valueEnd) text = dictionary.get(id);
	else {
		const textLength = body.readNumber();
		if (body.offset < 0 || body.offset + textLength > valueEnd) {
			throw new PeersProtocolError('protocol', 'a dictionary string is longer than its value');
		}
		const { bytes, offset } = body;
		// A string beyond our limit cannot be kept; its slot is then known to hold nothing.
		if (textLength <= MAX_SERVER_KEY_BYTES) {
			text = Buffer.from(bytes.buffer, bytes.byteOffset + offset, textLength).toString('latin1');
		}
		dictionary.set(id, text);
	}
	body.end = updateEnd;
	body.offset = valueEnd;
	return text;
}
