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
import { crc32 } from 'node:zlib';
import type { StickTableModel } from '../../config/model.js';
import type { Column, EntryRecord } from '../../peers/entry-record.js';
import { dataTypeByName } from '../../stick-table/data-types.js';
import type { EntryView } from '../../stick-table/entry-view.js';
import type { DataSlot } from '../../stick-table/layout.js';

const CHECKSUM_BYTES = 4;
const HEAD_BYTES = CHECKSUM_BYTES + 8 + 4;
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
	readonly #words: Uint32Array;
	readonly #bytes: Buffer;
	readonly #key: Buffer;
	readonly #keyLengthBytes: number;
	readonly #wordsEnd: number;
	/** Characters of a value. */
	readonly #longestValue: number;
	readonly #rates: readonly { readonly wordOffset: number; readonly count: number }[];

	/** `columns` and `slots` of the same table. */
	constructor(columns: readonly Column[], wordCount: number, keyLengthBytes: number) {
		this.#columns = columns;
		this.#words = new Uint32Array(wordCount);
		this.#wordsEnd = HEAD_BYTES + wordCount * 4;
		this.#longestValue = Math.ceil((this.#wordsEnd + MAX_STRING_BYTES) / 3) * 4;
		this.#keyLengthBytes = keyLengthBytes;
		// The key stands behind the value, so that one call takes the checksum of both.
		this.#bytes = Buffer.alloc(this.#wordsEnd + MAX_STRING_BYTES + Math.max(16, keyLengthBytes));
		this.#key = Buffer.alloc(Math.max(16, keyLengthBytes));
		this.#rates = columns.filter(({ dataType }) => dataType.class === 'rate');
	}

	/** `field value` of an entry that was read at `view.nowMs`, which is `redisMs` by Redis's clock. */
	encode(view: EntryView, redisMs: number): string {
		const bytes = this.#bytes;
		const keyLength = view.keyBytes(this.#key);
		view.copyWords(this.#words);
		bytes.writeDoubleLE(redisMs, CHECKSUM_BYTES);
		bytes.writeInt32LE(view.remainingMs ?? -1, CHECKSUM_BYTES + 8);
		for (let i = 0; i < this.#words.length; i++) bytes.writeUInt32LE(this.#words[i]!, HEAD_BYTES + i * 4);
		let end = this.#wordsEnd;
		if (view.serverKeyText !== '') end += bytes.write(view.serverKeyText, end, MAX_STRING_BYTES, 'latin1');
		this.#key.copy(bytes, end, 0, keyLength);
		bytes.writeUInt32LE(crc32(bytes.subarray(CHECKSUM_BYTES, end + keyLength)), 0);
		const key = keyLength === 0 ? EMPTY_KEY : bytes.toString('base64', end, end + keyLength);
		return `${key} ${bytes.toString('base64', 0, end)}`;
	}

	/** Into `record`, as of `redisMs`; false: it is damaged, or nothing of ours. */
	decode(field: string, value: string, record: EntryRecord, redisMs: number): boolean {
		const bytes = this.#bytes;
		if (value.length > this.#longestValue || field.length > this.#keyLengthBytes * 2 + 8) return false;
		const end = bytes.write(value, 'base64');
		if (end < this.#wordsEnd || end > this.#wordsEnd + MAX_STRING_BYTES) return false;
		const keyLength = bytes.write(field, end, 'base64');
		if (bytes.readUInt32LE(0) !== crc32(bytes.subarray(CHECKSUM_BYTES, end + keyLength))) return false;
		bytes.copy(record.reserveKey(keyLength), 0, end, end + keyLength);
		// Clocks of two Redis servers, before and after a fail-over, differ a little: nothing is from the future.
		const ageMs = Math.min(MAX_AGE_MS, Math.max(0, redisMs - bytes.readDoubleLE(CHECKSUM_BYTES)));
		const remainingMs = bytes.readInt32LE(CHECKSUM_BYTES + 8);
		record.isTimed = true;
		record.expireMs = remainingMs < 0 ? 0 : Math.max(0, remainingMs - ageMs);
		for (let i = 0; i < this.#words.length; i++) record.words[i] = bytes.readUInt32LE(HEAD_BYTES + i * 4);
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
		const bytes = this.#bytes;
		if (value.length > this.#longestValue || bytes.write(value, 'base64') < this.#wordsEnd) {
			return undefined;
		}
		const remainingMs = bytes.readInt32LE(CHECKSUM_BYTES + 8);
		return remainingMs < 0 ? undefined : bytes.readDoubleLE(CHECKSUM_BYTES) + remainingMs;
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
