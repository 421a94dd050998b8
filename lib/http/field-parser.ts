/**
 * The header field lines of a head or a trailer section (RFC 9112, section 5), into two arrays.
 *
 * The loop looks at each byte once and makes one slice per field. Fields that frame the message or belong
 * to one connection only are noted on the way, so that nobody has to search for them afterwards; what they
 * mean together is decided by the callers.
 */
import { CHAR_CLASSES, CharClass } from './characters.js';
import { connectionBitsOf } from './connection.js';
import { FieldKind, hashStep, internName, lastKind } from './header-names.js';
import { ConnectionOption } from './message.js';
import { HttpRefusal, type RefusalCode } from './refusal.js';

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;

/**
 * What the last call of `parseFields` noted. Parsing is synchronous and never nests, so one object for the
 * module replaces one per head; read it before anything else is parsed.
 */
export const fieldNotes = {
	/** Indices into the arrays, -1 when the field is absent. */
	hostIndex: -1,
	lengthIndex: -1,
	codingIndex: -1,
	codingCount: 0,
	/** Value of Content-Length, when there is one. */
	length: 0,
	/** `ConnectionOption` bits. */
	connection: 0,
	/** Something must be taken out: `removeHopByHop` has work. */
	hasHopByHop: false,
	hasUpgrade: false,
	/** Offset of the field that a caller may have to refuse: the last framing field, or Host. */
	framingPosition: 0,
	hostPosition: 0,
};

let refusedCode: RefusalCode = 'HEAD_INCOMPLETE';
let refusedAt = 0;

/**
 * Parses lines from `position` through the empty line that must end `text`, appending to the arrays;
 * false if they are refused (`takeRefusal` says why). `text` ends with CR LF, so no loop runs off its end.
 */
export function parseFields(
	text: string,
	position: number,
	countMax: number,
	names: string[],
	values: string[],
): boolean {
	const notes = fieldNotes;
	notes.hostIndex = -1;
	notes.lengthIndex = -1;
	notes.codingIndex = -1;
	notes.codingCount = 0;
	notes.connection = 0;
	notes.hasHopByHop = false;
	notes.hasUpgrade = false;
	const classes = CHAR_CLASSES;
	let at = position;
	for (;;) {
		const nameStart = at;
		let hash = 0;
		let code = text.charCodeAt(at);
		while ((classes[code]! & CharClass.TOKEN) !== 0) {
			hash = hashStep(hash, code);
			code = text.charCodeAt(++at);
		}
		if (code !== COLON || at === nameStart) {
			if (code === CR && at === nameStart && text.charCodeAt(at + 1) === LF) {
				// The empty line must be the last: what follows it would be somebody else's message.
				return at + 2 === text.length || refuse('HEAD_INCOMPLETE', at);
			}
			return refuseName(text, nameStart, at);
		}
		const name = internName(text, nameStart, at, hash);
		const kind = lastKind;
		code = text.charCodeAt(++at);
		while (code === SP || code === HTAB) code = text.charCodeAt(++at);
		const valueStart = at;
		while ((classes[code]! & CharClass.VALUE) !== 0) code = text.charCodeAt(++at);
		if (code !== CR || text.charCodeAt(at + 1) !== LF) return refuseValue(at, code);
		let valueEnd = at;
		while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
		at += 2;
		const count = names.length;
		if (count >= countMax) return refuse('TOO_MANY_HEADERS', nameStart);
		const value = text.slice(valueStart, valueEnd);
		if (kind !== FieldKind.OTHER && !note(kind, value, count, nameStart)) return false;
		names.push(name);
		values.push(value);
	}
}

/** Why the last `parseFields` returned false. */
export function takeRefusal(): HttpRefusal {
	return new HttpRefusal(refusedCode, refusedAt);
}

function note(kind: number, value: string, index: number, position: number): boolean {
	const notes = fieldNotes;
	switch (kind) {
		case FieldKind.HOST:
			if (notes.hostIndex >= 0) return refuse('HOST_REPEATED', position);
			notes.hostIndex = index;
			notes.hostPosition = position;
			break;
		case FieldKind.CONTENT_LENGTH:
			// Twice the same number is refused too: RFC 9110, section 8.6, allows it, llhttp does it.
			if (notes.lengthIndex >= 0) return refuse('LENGTH_REPEATED', position);
			notes.length = lengthOf(value);
			if (notes.length < 0) return refuse('LENGTH_INVALID', position);
			notes.lengthIndex = index;
			notes.framingPosition = position;
			break;
		case FieldKind.TRANSFER_ENCODING:
			notes.codingIndex = index;
			notes.codingCount++;
			notes.framingPosition = position;
			break;
		case FieldKind.CONNECTION: {
			const bits = connectionBitsOf(value);
			notes.connection |= bits;
			// `upgrade` alone stays for rules to see; anything else is taken apart.
			if (bits !== ConnectionOption.UPGRADE) notes.hasHopByHop = true;
			break;
		}
		case FieldKind.UPGRADE:
			notes.hasUpgrade = true;
			break;
		default:
			notes.hasHopByHop = true;
	}
	return true;
}

/**
 * A Content-Length value: digits only, at most 15 of them, so that the number is exact (nothing real comes
 * near a petabyte); -1 if it is not that.
 */
export function lengthOf(value: string): number {
	if (value.length === 0 || value.length > 15) return -1;
	let length = 0;
	for (let i = 0; i < value.length; i++) {
		const digit = value.charCodeAt(i) - 48;
		if (digit < 0 || digit > 9) return -1;
		length = length * 10 + digit;
	}
	return length;
}

function refuse(code: RefusalCode, position: number): false {
	refusedCode = code;
	refusedAt = position;
	return false;
}

function refuseName(text: string, nameStart: number, at: number): false {
	const code = text.charCodeAt(at);
	if (code === CR && text.charCodeAt(at + 1) !== LF) return refuse('CR_WITHOUT_LF', at);
	if (code === LF) return refuse('LF_WITHOUT_CR', at);
	if (at > nameStart) return refuse('NAME_INVALID', at);
	if (code === COLON) return refuse('NAME_EMPTY', at);
	return refuse(isBlank(code) ? 'FOLDED_LINE' : 'NAME_INVALID', at);
}

function refuseValue(at: number, code: number): false {
	if (code === LF) return refuse('LF_WITHOUT_CR', at);
	return refuse(code === CR ? 'CR_WITHOUT_LF' : 'VALUE_INVALID', at);
}

function isBlank(code: number): boolean {
	return code === SP || code === HTAB;
}
