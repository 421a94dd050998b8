/**
 * Entries as Redis holds them: text, so that `redis-cli` shows them and every client carries them, with a checksum over
 * key and value, so that what others have put under our prefix, or what has been cut, is not taken for a count.
 *
 *     field   the key, base64 (`=` for the empty one)
 *     value   base64 of  checksum 4 | time 8 | remaining life 4 | words of the stored data 4 each | server_key
 *
 * `time` is Redis's own clock when the entry was read from its table: remaining life and the ages of rates are as of
 * then, and whoever reads the entry later ages it by what has passed. No node's date plays a part, so they may differ.
 * The words are those of `EntryView.copyWords`. Numbers are little-endian; the life of an entry without `expire` is -1.
 */
import { createHash } from 'node:crypto';
import type { StickTableModel } from '../../config/model.js';
import type { Column, EntryRecord } from '../../peers/entry-record.js';
import { dataTypeByName } from '../../stick-table/data-types.js';
import type { EntryView } from '../../stick-table/entry-view.js';
import type { DataSlot } from '../../stick-table/layout.js';
import { base64Bytes, crc32Of, readBase64, writeBase64 } from './entry-text.js';

const CHECKSUM_BYTES = 4;
const HEAD_BYTES = CHECKSUM_BYTES + 8 + 4;
/** Where a value begins in memory: its time and its words are aligned then, and can be read as numbers. */
const START = 4;
const TIME_AT = START + CHECKSUM_BYTES;
const LIFE_AT = TIME_AT + 8;
const WORDS_AT = START + HEAD_BYTES;
/** `server_key` is cut to the size of a name of a server, many times over. */
const MAX_STRING_BYTES = 512;
/** The field of the empty key; as base64 it says nothing too. */
const EMPTY_KEY = '=';
/** A date further off than this is not from a clock. */
const MAX_AGE_MS = 2 ** 31 - 1;

/**
 * What a table stores, as a word: tables of one name that store other things do not share entries. Eight hexadecimal
 * digits.
 */
export function signatureOf({ keyType, keyLengthBytes, bratesFactor, store }: StickTableModel): string {
	const data = store.map(({ type, count, periodMs }) => [dataTypeByName(type)?.wireId, count ?? 1, periodMs ?? 0]);
	data.sort(([a], [b]) => (a ?? 0) - (b ?? 0));
	const text = JSON.stringify([1, keyType, keyLengthBytes, bratesFactor, data]);
	return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

export class EntryCodec {
	readonly #columns: readonly Column[];
	readonly #bytes: Buffer;
	/** The same memory as numbers; those in Redis are little-endian, as are the machines that Node runs on. */
	readonly #words: Uint32Array;
	readonly #times: Float64Array;
	readonly #lives: Int32Array;
	readonly #wordCount: number;
	readonly #key: Buffer;
	readonly #wordsEnd: number;
	/** Characters of a field, and of a value. */
	readonly #longestField: number;
	readonly #longestValue: number;
	readonly #rates: readonly { readonly wordOffset: number; readonly count: number }[];

	/** `columns` and `slots` of the same table. */
	constructor(columns: readonly Column[], wordCount: number, keyLengthBytes: number) {
		this.#columns = columns;
		this.#wordCount = wordCount;
		this.#wordsEnd = WORDS_AT + wordCount * 4;
		this.#longestValue = Math.ceil((this.#wordsEnd + MAX_STRING_BYTES) / 3) * 4;
		this.#longestField = keyLengthBytes * 2 + 8;
		// The key stands behind the value, so that one pass takes the checksum of both.
		const size =
			START + base64Bytes(this.#longestValue) + base64Bytes(this.#longestField) + Math.max(16, keyLengthBytes);
		const memory = new ArrayBuffer(Math.ceil(size / 8) * 8);
		this.#bytes = Buffer.from(memory);
		this.#words = new Uint32Array(memory, WORDS_AT, wordCount);
		this.#times = new Float64Array(memory);
		this.#lives = new Int32Array(memory);
		this.#key = Buffer.alloc(Math.max(16, keyLengthBytes));
		this.#rates = columns.filter(({ dataType }) => dataType.class === 'rate');
	}

	/** Characters that `encodeInto` needs room for. */
	get longestText(): number {
		const hasString = this.#columns.some(({ dataType }) => dataType.class === 'string');
		return Math.ceil((this.#key.length + this.#wordsEnd + (hasString ? MAX_STRING_BYTES : 0)) / 3) * 4 + 16;
	}

	/**
	 * `field value` of an entry that was read at `view.nowMs`, which is `redisMs` by Redis's clock, into `target` from `at`
	 * on; returns where it ends.
	 */
	encodeInto(target: Uint8Array, at: number, view: EntryView, redisMs: number): number {
		const bytes = this.#bytes;
		const keyLength = view.keyBytes(this.#key);
		view.copyWords(this.#words);
		this.#times[TIME_AT >> 3] = redisMs;
		this.#lives[LIFE_AT >> 2] = view.remainingMs ?? -1;
		let end = this.#wordsEnd;
		if (view.serverKeyText !== '') end += bytes.write(view.serverKeyText, end, MAX_STRING_BYTES, 'latin1');
		for (let i = 0; i < keyLength; i++) bytes[end + i] = this.#key[i]!;
		this.#lives[START >> 2] = crc32Of(bytes, TIME_AT, end + keyLength);
		let to = at;
		if (keyLength === 0) target[to++] = EMPTY_KEY.charCodeAt(0);
		else to = writeBase64(bytes, end, end + keyLength, target, to);
		target[to++] = 0x20;
		return writeBase64(bytes, START, end, target, to);
	}

	encode(view: EntryView, redisMs: number): string {
		const target = Buffer.alloc(this.longestText);
		return target.toString('latin1', 0, this.encodeInto(target, 0, view, redisMs));
	}

	/** Into `record`, as of `redisMs`; false: it is damaged, or nothing of ours. */
	decode(field: string, value: string, record: EntryRecord, redisMs: number): boolean {
		return this.#decode(field, 0, field.length, value, 0, value.length, record, redisMs);
	}

	/** The same of `field value` in the midst of a text: where it begins, its space, and its end. */
	decodeFrom(text: string, from: number, space: number, end: number, record: EntryRecord, redisMs: number): boolean {
		return this.#decode(text, from, space, text, space + 1, end, record, redisMs);
	}

	#decode(
		field: string,
		fieldFrom: number,
		fieldEnd: number,
		value: string,
		valueFrom: number,
		valueEnd: number,
		record: EntryRecord,
		redisMs: number,
	): boolean {
		const bytes = this.#bytes;
		if (valueEnd - valueFrom > this.#longestValue || fieldEnd - fieldFrom > this.#longestField) return false;
		const end = readBase64(value, valueFrom, valueEnd, bytes, START);
		if (end < this.#wordsEnd || end > this.#wordsEnd + MAX_STRING_BYTES) return false;
		const keyEnd = readBase64(field, fieldFrom, fieldEnd, bytes, end);
		if (keyEnd < 0 || this.#lives[START >> 2]! >>> 0 !== crc32Of(bytes, TIME_AT, keyEnd)) return false;
		const key = record.reserveKey(keyEnd - end);
		for (let i = 0; i < record.keyLength; i++) key[i] = bytes[end + i]!;
		// Clocks of two Redis servers, before and after a fail-over, differ a little: nothing is from the future.
		const ageMs = Math.min(MAX_AGE_MS, Math.max(0, redisMs - this.#times[TIME_AT >> 3]!));
		const remainingMs = this.#lives[LIFE_AT >> 2]!;
		record.isTimed = true;
		record.expireMs = remainingMs < 0 ? 0 : Math.max(0, remainingMs - ageMs);
		for (let i = 0; i < this.#wordCount; i++) record.words[i] = this.#words[i]!;
		for (const { wordOffset, count } of this.#rates) {
			for (let at = wordOffset; at < wordOffset + count * 3; at += 3) {
				// So old that it reads 0 either way; the number space of ages wraps.
				record.words[at] = Math.min(MAX_AGE_MS, record.words[at]! + ageMs);
			}
		}
		record.elementCounts = record.allElements;
		record.serverKey = end === this.#wordsEnd ? undefined : bytes.toString('latin1', this.#wordsEnd, end);
		return true;
	}

	get columns(): readonly Column[] {
		return this.#columns;
	}

	/** When the entry of a value is over, by Redis's clock; undefined: never, or it is not ours. */
	expiresAtMs(value: string): number | undefined {
		if (value.length > this.#longestValue) return undefined;
		if (readBase64(value, 0, value.length, this.#bytes, START) < this.#wordsEnd) return undefined;
		const remainingMs = this.#lives[LIFE_AT >> 2]!;
		return remainingMs < 0 ? undefined : this.#times[TIME_AT >> 3]! + remainingMs;
	}
}

/** Where `conn_cur` stands among the words of a record; undefined: it is not stored. */
export function connCurWord(columns: readonly Column[]): number | undefined {
	return columns.find(({ dataType }) => dataType.name === 'conn_cur')?.wordOffset;
}

/** Whether anything in a table exists only while its node does. */
export function storesConnections(slots: readonly DataSlot[]): boolean {
	return slots.some(({ isLocalOnly }) => isLocalOnly);
}
