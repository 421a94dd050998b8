/**
 * The variable-length integer of the peers protocol (section 2): unsigned 64 bits in 1 to 10 bytes. It is not
 * LEB128: the first byte holds values below 240 alone, else four low bits, and the continuation bit of the
 * following bytes is part of the sum.
 *
 * Numbers are kept in two unsigned 32-bit halves: counters of bytes really use 64 bits, a double does not
 * hold them, and a BigInt per value would be the most expensive thing in the decoder. Nearly every value on
 * the wire is below 240, so that case is the first line of each function.
 */

/** Most bytes one value takes. */
export const MAX_VARINT_BYTES = 10;

const TWO_32 = 4294967296;

/** Bytes that `value` takes, for a value below 2^32. */
export function varintSize(value: number): number {
	if (value < 240) return 1;
	if (value < 2288) return 2;
	if (value < 264432) return 3;
	if (value < 33818864) return 4;
	return 5;
}

/** Writes an unsigned 32-bit `value` at `at`; returns the offset after it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
	if (value < 240) {
		target[at] = value;
		return at + 1;
	}
	target[at++] = value | 0xf0;
	let rest = (value - 240) >>> 4;
	while (rest >= 128) {
		target[at++] = rest | 0x80;
		rest = (rest - 128) >>> 7;
	}
	target[at++] = rest;
	return at;
}

/** Writes the 64-bit value `high * 2^32 + low`; both halves unsigned. Returns the offset after it. */
export function writeVarint64(target: Uint8Array, at: number, low: number, high: number): number {
	if (high === 0) return writeVarint(target, at, low);
	target[at++] = low | 0xf0;
	// (v - 240) >> 4, with the borrow taken from the high half.
	if (low < 240) high -= 1;
	low = (low - 240) >>> 0;
	low = ((low >>> 4) | (high << 28)) >>> 0;
	high >>>= 4;
	while (high !== 0 || low >= 128) {
		target[at++] = low | 0x80;
		if (low < 128) high -= 1;
		low = (low - 128) >>> 0;
		low = ((low >>> 7) | (high << 25)) >>> 0;
		high >>>= 7;
	}
	target[at++] = low;
	return at;
}

/**
 * Reads varints of one message body. `offset` moves past what was read; when the bytes run out before a
 * value ends, or a value takes more than ten bytes, it becomes -1 and stays so: callers check it once, after
 * a group of reads.
 */
export class BodyReader {
	bytes: Uint8Array = new Uint8Array(0);
	offset = 0;
	/** End of the body; bytes beyond belong to other messages. */
	end = 0;
	/** Upper half of the value that `readLow` read last. */
	high = 0;

	reset(bytes: Uint8Array, start: number, end: number): void {
		this.bytes = bytes;
		this.offset = start;
		this.end = end;
	}

	/** Low 32 bits of the next value; the other 32 are in `high`. 0 after a failure. */
	readLow(): number {
		const at = this.offset;
		if (at >= 0 && at < this.end) {
			const first = this.bytes[at]!;
			if (first < 240) {
				this.high = 0;
				this.offset = at + 1;
				return first;
			}
			return this.#readLong(first, at + 1);
		}
		this.offset = -1;
		return 0;
	}

	#readLong(first: number, at: number): number {
		const { bytes, end } = this;
		const limit = Math.min(end, at + MAX_VARINT_BYTES - 1);
		// Two sums that a double holds exactly: five bytes reach at most 2^34, the next five are scaled later.
		let sum = first;
		let scale = 16;
		while (at < limit) {
			const byte = bytes[at++]!;
			if (scale < 2 ** 44) sum += byte * scale;
			else return this.#readLongest(sum, byte, scale, at, limit);
			if (byte < 128) {
				this.high = Math.floor(sum / TWO_32);
				this.offset = at;
				return sum >>> 0;
			}
			scale *= 128;
		}
		this.offset = -1;
		return 0;
	}

	/** From the eighth byte on (values over 7 * 10^13): `sum` is below 2^52, the rest is added modulo 2^64. */
	#readLongest(sum: number, byte: number, scale: number, at: number, limit: number): number {
		let low = sum >>> 0;
		let high = Math.floor(sum / TWO_32);
		// scale is 2^46, 2^53 or 2^60: only the high half changes.
		let highScale = scale / TWO_32;
		for (;;) {
			high = (high + byte * highScale) % TWO_32;
			if (byte < 128) break;
			if (at >= limit) {
				this.offset = -1;
				return 0;
			}
			byte = this.bytes[at++]!;
			highScale *= 128;
		}
		low >>>= 0;
		this.high = high;
		this.offset = at;
		return low;
	}

	/** The next value as a double: exact below 2^53, which is every field but 64-bit counters. */
	readNumber(): number {
		const low = this.readLow();
		return this.high * TWO_32 + low;
	}

	/** Four bytes, most significant first. */
	readU32(): number {
		const { bytes, offset } = this;
		if (offset < 0 || offset + 4 > this.end) {
			this.offset = -1;
			return 0;
		}
		this.offset = offset + 4;
		return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
	}
}
