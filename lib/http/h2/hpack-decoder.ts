/**
 * Reads header blocks (RFC 7541): bytes in, fields out, in the order in which they stand.
 *
 * A decoder belongs to one direction of one connection, and every block of it must go through here from its first
 * byte to its last, or the tables of the two ends differ from then on. So a block that exceeds the limits is read to its
 * end as well; only its fields are not given on, and its strings not made, unless the table needs them. That also
 * bounds what a small block can be made to cost: an indexed field is one byte and may stand for 4 kB, but it is the same
 * string each time, and the limits count it as if it had been sent.
 *
 * What it does not look at: whether names and values are such (RFC 9113, section 8.2). That is a matter of the
 * message and its stream; here only the connection can be broken.
 */

import { DynamicTable, ENTRY_OVERHEAD_BYTES, STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from './hpack-tables.js';
import { decodeHuffman } from './huffman.js';

export const HpackStatus = {
	OK: 0,
	/** The limits are exceeded: the block was read, the fields given on are not all. The stream is to be refused. */
	TOO_LARGE: -1,
	/** The value is the error code of RFC 9113, section 7: the connection cannot go on. */
	COMPRESSION_ERROR: 9,
} as const;
export type HpackStatus = (typeof HpackStatus)[keyof typeof HpackStatus];

export interface HpackLimits {
	/** Bytes of the whole list, as they would take in HTTP/1.1: each field with a colon, a space and the end of its line. */
	readonly headSizeMax: number;
	readonly headerCountMax: number;
}

export interface FieldSink {
	/** Byte strings, one char a byte. */
	field(name: string, value: string): void;
}

const LINE_OVERHEAD_BYTES = 4;
/** A prefix and four bytes: no integer of a block is that large (section 5.1 asks for limits). */
const INTEGER_SHIFT_MAX = 21;
const BROKEN = -1;

export class HpackDecoder {
	readonly #table: DynamicTable;
	readonly #headSizeMax: number;
	readonly #headerCountMax: number;
	/** Our SETTINGS_HEADER_TABLE_SIZE: what the peer may choose. */
	#allowedBytes: number;
	/** Our setting has been reduced below what the peer uses: it must say so first (RFC 9113, section 4.3.1). */
	#mustResize = false;

	#at = 0;
	#end = 0;
	/** Of the present block. */
	#sizeBytes = 0;
	#count = 0;
	#isTooLarge = false;

	/** `maxTableBytes`: that of the connection's beginning, 4096 until our SETTINGS are acknowledged. */
	constructor(maxTableBytes: number, limits: HpackLimits) {
		this.#table = new DynamicTable(maxTableBytes);
		this.#allowedBytes = maxTableBytes;
		this.#headSizeMax = limits.headSizeMax;
		this.#headerCountMax = limits.headerCountMax;
	}

	/** Our SETTINGS_HEADER_TABLE_SIZE, when the peer has acknowledged it. */
	setMaxTableBytes(maxTableBytes: number): void {
		this.#allowedBytes = maxTableBytes;
		this.#mustResize = maxTableBytes < this.#table.maxBytes;
	}

	/** Entries of the dynamic table; for tests. */
	get tableCount(): number {
		return this.#table.count;
	}

	get tableSizeBytes(): number {
		return this.#table.sizeBytes;
	}

	/** One complete block, without the padding and priority of its frames. */
	decode(bytes: Buffer, start: number, end: number, sink: FieldSink): HpackStatus {
		this.#at = start;
		this.#end = end;
		this.#sizeBytes = 0;
		this.#count = 0;
		this.#isTooLarge = false;
		const table = this.#table;
		// Changes of the table's size come first (section 4.2).
		while (this.#at < end && ((bytes[this.#at] as number) & 0xe0) === 0x20) {
			const maxBytes = this.#integer(bytes, 0x1f);
			if (maxBytes < 0 || maxBytes > this.#allowedBytes) return HpackStatus.COMPRESSION_ERROR;
			table.setMaxBytes(maxBytes);
			this.#mustResize = false;
		}
		if (this.#mustResize) return HpackStatus.COMPRESSION_ERROR;
		while (this.#at < end) {
			const first = bytes[this.#at] as number;
			if (first >= 0x80) {
				const index = first < 0xff ? first & 0x7f : this.#integer(bytes, 0x7f);
				if (first < 0xff) this.#at++;
				if (index <= 0) return HpackStatus.COMPRESSION_ERROR;
				if (index <= STATIC_COUNT) {
					this.#give(STATIC_NAMES[index] as string, STATIC_VALUES[index] as string, sink);
				} else {
					const entry = index - STATIC_COUNT - 1;
					if (entry >= table.count) return HpackStatus.COMPRESSION_ERROR;
					this.#give(table.name(entry), table.value(entry), sink);
				}
			} else if (first < 0x40 && first >= 0x20) {
				return HpackStatus.COMPRESSION_ERROR;
			} else if (!this.#literal(bytes, first, sink)) {
				return HpackStatus.COMPRESSION_ERROR;
			}
		}
		return this.#isTooLarge ? HpackStatus.TOO_LARGE : HpackStatus.OK;
	}

	/** Sections 6.2.1 to 6.2.3: with indexing (01), without (0000), never (0001). */
	#literal(bytes: Buffer, first: number, sink: FieldSink): boolean {
		const isIndexed = first >= 0x40;
		const index = this.#integer(bytes, isIndexed ? 0x3f : 0x0f);
		if (index < 0) return false;
		const table = this.#table;
		let name: string | undefined;
		if (index > 0) {
			if (index <= STATIC_COUNT) name = STATIC_NAMES[index] as string;
			else {
				const entry = index - STATIC_COUNT - 1;
				if (entry >= table.count) return false;
				name = table.name(entry);
			}
		}
		if (this.#isTooLarge && !isIndexed)
			return (name !== undefined || this.#skipString(bytes)) && this.#skipString(bytes);
		name ??= this.#string(bytes);
		if (name === undefined) return false;
		const value = this.#string(bytes);
		if (value === undefined) return false;
		if (isIndexed) {
			if (name.length + value.length + ENTRY_OVERHEAD_BYTES > table.maxBytes) table.clear();
			else table.insert(name, value);
		}
		this.#give(name, value, sink);
		return true;
	}

	#give(name: string, value: string, sink: FieldSink): void {
		this.#sizeBytes += name.length + value.length + LINE_OVERHEAD_BYTES;
		if (++this.#count > this.#headerCountMax || this.#sizeBytes > this.#headSizeMax) this.#isTooLarge = true;
		if (!this.#isTooLarge) sink.field(name, value);
	}

	/** Section 5.1. Negative: it goes beyond the block, or is larger than anything. */
	#integer(bytes: Buffer, mask: number): number {
		const end = this.#end;
		let at = this.#at;
		let value = (bytes[at++] as number) & mask;
		if (value === mask) {
			let shift = 0;
			for (;;) {
				if (at >= end || shift > INTEGER_SHIFT_MAX) return BROKEN;
				const byte = bytes[at++] as number;
				value += (byte & 0x7f) << shift;
				shift += 7;
				if (byte < 0x80) break;
			}
		}
		this.#at = at;
		return value;
	}

	/** Section 5.2. Undefined: it goes beyond the block, or is badly coded. */
	#string(bytes: Buffer): string | undefined {
		if (this.#at >= this.#end) return undefined;
		const isCoded = (bytes[this.#at] as number) >= 0x80;
		const length = this.#integer(bytes, 0x7f);
		const start = this.#at;
		const end = start + length;
		if (length < 0 || end > this.#end) return undefined;
		this.#at = end;
		return isCoded ? decodeHuffman(bytes, start, end) : bytes.toString('latin1', start, end);
	}

	#skipString(bytes: Buffer): boolean {
		if (this.#at >= this.#end) return false;
		const length = this.#integer(bytes, 0x7f);
		const end = this.#at + length;
		if (length < 0 || end > this.#end) return false;
		this.#at = end;
		return true;
	}
}
