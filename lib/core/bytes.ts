/**
 * Strings in Holdfast are byte strings: one char per byte, read and written as latin1. A conf file, a
 * request head, a map and a table key are all read that way, so that comparing two strings compares
 * their bytes, `length` counts bytes, and whatever encoding a client used comes out as it went in.
 * UTF-8 is only spoken to people: log messages of the program itself and the statistics page.
 */

/** The bytes of a byte string. */
export function bytesOf(text: string): Buffer {
	return Buffer.from(text, 'latin1');
}

/** The byte string of some bytes. */
export function textOf(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** Bytes whose case the language would change as if they were letters of latin1. */
const BEYOND_ASCII = /[\x80-\uffff]/;

/** ASCII lower case; other bytes stay, whatever the locale, as for header names and host names. */
export function asciiLower(text: string): string {
	// The engine's own conversion is several times faster, and of ASCII alone it does just this.
	if (!BEYOND_ASCII.test(text)) return text.toLowerCase();
	return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function asciiUpper(text: string): string {
	if (!BEYOND_ASCII.test(text)) return text.toUpperCase();
	return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}
