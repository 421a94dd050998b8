/**
 * Which bytes may stand where, as one table of bit flags indexed by byte: a parser loop asks one load and
 * one `and` per byte. The grammar is RFC 9110, section 5.6.2 (token) and 5.5 (field values), RFC 9112,
 * section 3.2 (target) and RFC 3986, section 3.2 (authority).
 */
export const CharClass = {
	/** `tchar`: methods, header names, chunk extension names. */
	TOKEN: 1,
	/** In a header value or reason: HTAB, SP, visible and the bytes from 0x80 on. */
	VALUE: 2,
	/** In a request target. Beyond RFC 3986 the bytes that browsers send unescaped in queries. */
	TARGET: 4,
	/** In a host name or a port: unreserved, `%`, sub-delims without the comma, and the colon. */
	HOST: 8,
	DIGIT: 16,
	HEX: 32,
} as const;

/** Flags of each byte; read with a char code below 256. */
export const CHAR_CLASSES = buildClasses();

/** Lower case of each byte, ASCII only. */
export const LOWER_CASE = Uint8Array.from({ length: 256 }, (_, code) => (code >= 65 && code <= 90 ? code + 32 : code));

function buildClasses(): Uint8Array {
	const classes = new Uint8Array(256);
	const mark = (flag: number, chars: string): void => {
		for (let i = 0; i < chars.length; i++) classes[chars.charCodeAt(i)]! |= flag;
	};
	const digits = '0123456789';
	const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
	mark(CharClass.TOKEN, `!#$%&'*+-.^_\`|~${digits}${letters}`);
	mark(CharClass.HOST, `-._~!$&'()*+;=%:${digits}${letters}`);
	mark(CharClass.DIGIT, digits);
	mark(CharClass.HEX, `${digits}abcdefABCDEF`);
	for (let code = 0; code < 256; code++) {
		if (code === 9 || (code >= 32 && code !== 127)) classes[code]! |= CharClass.VALUE;
		// '#' never belongs in a target (CVE-2023-45539), nor do bytes beyond ASCII, which two parsers read in two
		// ways; the other bytes outside RFC 3986 are what browsers send unescaped, and HAProxy 2.6 lets through.
		if (code > 32 && code < 127 && code !== 35) classes[code]! |= CharClass.TARGET;
	}
	return classes;
}

/** Whether every char of `text` has one of the flags, and there is at least one. */
export function allOf(text: string, flags: number): boolean {
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if (code > 255 || (CHAR_CLASSES[code]! & flags) === 0) return false;
	}
	return text.length > 0;
}

/** A method or a header name. */
export function isToken(text: string): boolean {
	return allOf(text, CharClass.TOKEN);
}

/** A header value or a reason; may be empty. */
export function isFieldValue(text: string): boolean {
	return text === '' || allOf(text, CharClass.VALUE);
}

/** Bytes that may stand in a request target; its form is another question. */
export function isTargetText(text: string): boolean {
	return allOf(text, CharClass.TARGET);
}
