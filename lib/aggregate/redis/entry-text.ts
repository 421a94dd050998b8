/**
 * Base64 and checksums of a few dozen bytes, in place.
 *
 * Entries are short and there are many: with Buffer's own functions each costs a call into the engine's depths, a string
 * and a slice for its text, and as much for its checksum, several times what the bytes themselves take. Here all of it is
 * loops over one array. The texts are those of `Buffer.toString('base64')`, the checksums those of `zlib.crc32`.
 */
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const PADDING = 0x3d;
/** Six bits for each letter; below 0 for whatever is none, and so is what is made of it. */
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET[i]!] = i;

const CRC_TABLE = new Int32Array(256);
for (let i = 0; i < 256; i++) {
	let crc = i;
	for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
	CRC_TABLE[i] = crc;
}

/** CRC-32 of `bytes[from..to)`, unsigned. */
export function crc32Of(bytes: Uint8Array, from: number, to: number): number {
	let crc = -1;
	for (let at = from; at < to; at++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[at]!) & 0xff]!;
	return ~crc >>> 0;
}

/** Base64 of `bytes[from..to)` into `target` from `at` on; returns where it ends. */
export function writeBase64(bytes: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
	let end = at;
	let i = from;
	for (; i + 2 < to; i += 3) {
		const word = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
		target[end] = ALPHABET[word >> 18]!;
		target[end + 1] = ALPHABET[(word >> 12) & 63]!;
		target[end + 2] = ALPHABET[(word >> 6) & 63]!;
		target[end + 3] = ALPHABET[word & 63]!;
		end += 4;
	}
	if (i === to) return end;
	const isTwo = i + 2 === to;
	const word = (bytes[i]! << 16) | (isTwo ? bytes[i + 1]! << 8 : 0);
	target[end] = ALPHABET[word >> 18]!;
	target[end + 1] = ALPHABET[(word >> 12) & 63]!;
	target[end + 2] = isTwo ? ALPHABET[(word >> 6) & 63]! : PADDING;
	target[end + 3] = PADDING;
	return end + 4;
}

/** How many bytes the base64 text of so many characters may be. */
export function base64Bytes(characters: number): number {
	return Math.ceil((characters * 3) / 4);
}

/**
 * Bytes of the base64 in `text[from..to)` into `target` from `at` on, which must have room for `base64Bytes`; returns where
 * they end, -1: it is no base64. Padding may be absent.
 */
export function readBase64(text: string, from: number, to: number, target: Uint8Array, at: number): number {
	let last = to;
	while (last > from && to - last < 2 && text.charCodeAt(last - 1) === PADDING) last--;
	let end = at;
	let i = from;
	for (; i + 3 < last; i += 4) {
		const a = text.charCodeAt(i);
		const b = text.charCodeAt(i + 1);
		const c = text.charCodeAt(i + 2);
		const d = text.charCodeAt(i + 3);
		if ((a | b | c | d) > 127) return -1;
		const word = (VALUES[a]! << 18) | (VALUES[b]! << 12) | (VALUES[c]! << 6) | VALUES[d]!;
		if (word < 0) return -1;
		target[end] = word >> 16;
		target[end + 1] = word >> 8;
		target[end + 2] = word;
		end += 3;
	}
	if (i === last) return end;
	if (i + 1 === last) return -1;
	const first = text.charCodeAt(i);
	const second = text.charCodeAt(i + 1);
	const third = i + 2 < last ? text.charCodeAt(i + 2) : ALPHABET[0]!;
	if ((first | second | third) > 127) return -1;
	const a = VALUES[first]!;
	const b = VALUES[second]!;
	const c = VALUES[third]!;
	if ((a | b | c) < 0) return -1;
	target[end++] = (a << 2) | (b >> 4);
	if (i + 2 < last) target[end++] = (b << 4) | (c >> 2);
	return end;
}
