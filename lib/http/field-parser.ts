/**
 * The header field lines of a head or a trailer section (RFC 9112, section 5), into two arrays.
 *
 * Fields that frame the message or belong to one connection only are noted on the way, so that nobody has
 * to search for them afterwards; what they mean together is decided by the callers. Options of the
 * connection (`Connection: close`, Keep-Alive, Proxy-Connection) are not kept as fields: see connection.ts.
 */
import { CHAR_CLASSES, CharClass } from './characters.js';
import { connectionBitsOf } from './connection.js';
import { FieldKind, lastKind, lowerName } from './header-names.js';
import { ConnectionOption, type FieldSection } from './message.js';
import { HttpRefusal, type RefusalCode } from './refusal.js';
import { hostEnd } from './uri.js';

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;

/**
 * What the last call of `parseFields` found. Parsing is synchronous and never nests, so one object for the
 * module replaces one per head; read it before anything else is parsed.
 */
export const fieldNotes = {
	/** The caller's own from now on, unless they are those of `section`. */
	names: [] as readonly string[],
	values: [] as readonly string[],
	/** Shared with other heads that have the same fields. */
	section: undefined as FieldSection | undefined,
	/** Indices into the arrays, -1 when the field is absent. */
	hostIndex: -1,
	/** Host has the syntax of one. */
	hostIsValid: true,
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
	/** A field of this hop was left out of the arrays. */
	hasDropped: false,
	/** Offset of the last framing field, for refusals. */
	framingPosition: 0,
};

let refusedCode: RefusalCode = 'HEAD_INCOMPLETE';
let refusedAt = 0;

/** Only what a field value may hold, in lines that end with CR LF. One compiled loop is the fastest check there is. */
const WELL_FORMED_LINES = /^(?:[\t\x20-\x7e\x80-\xff]*\r\n)+$/;

/**
 * Parses lines from `position` through the empty line that must end `text`; false if they are refused
 * (`takeRefusal` says why). `lenient`: names may hold any visible byte.
 *
 * Three ways, the cheapest first. A client sends the same fields with each request: a section seen before
 * is known by comparing text. A new one is checked as a whole and cut at its separators with native
 * searches. What fails there goes through the exact loop, byte by byte, which finds the reason; a test
 * holds the two to the same result.
 */
export function parseFields(text: string, position: number, countMax: number, lenient = false): boolean {
	const section = text.slice(position);
	const slot = sectionSlot(section);
	const known = sections[slot];
	if (known !== undefined && known.text === section && known.names.length <= countMax) {
		recall(known, position);
		return true;
	}
	if (!WELL_FORMED_LINES.test(section) || !cutFields(text, position, countMax)) {
		if (!parseFieldsExactly(text, position, countMax)) {
			// Not remembered: others refuse the same fields.
			return lenient && parseFieldsExactly(text, position, countMax, true);
		}
	}
	if (text.length <= REMEMBERED_TEXT_MAX) {
		const remembered = remember(section, position);
		sections[slot] = remembered;
		fieldNotes.section = remembered;
	}
	return true;
}

function resetNotes(): void {
	const notes = fieldNotes;
	notes.names = [];
	notes.values = [];
	notes.section = undefined;
	notes.hostIndex = -1;
	notes.lengthIndex = -1;
	notes.codingIndex = -1;
	notes.codingCount = 0;
	notes.connection = 0;
	notes.hasHopByHop = false;
	notes.hasUpgrade = false;
	notes.hasDropped = false;
}

/** Lines that are known to hold only bytes of values; false if anything is not as usual. */
function cutFields(text: string, position: number, countMax: number): boolean {
	resetNotes();
	const names = fieldNotes.names as string[];
	const values = fieldNotes.values as string[];
	const end = text.length;
	let at = position;
	for (;;) {
		const lineEnd = text.indexOf('\r', at);
		if (lineEnd === at) return lineEnd + 2 === end;
		const colon = text.indexOf(':', at);
		if (colon <= at || colon > lineEnd) return false;
		const name = lowerName(text, at, colon);
		if (name === undefined) return false;
		const kind = lastKind;
		let valueStart = colon + 1;
		while (isBlank(text.charCodeAt(valueStart))) valueStart++;
		let valueEnd = lineEnd;
		while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
		const count = names.length;
		if (count >= countMax) return false;
		const value = text.slice(valueStart, valueEnd);
		at = lineEnd + 2;
		if (kind !== FieldKind.OTHER) {
			const noted = note(kind, value, count, colon);
			if (noted === Noted.REFUSED) return false;
			if (noted === Noted.DROP) continue;
		}
		names.push(name);
		values.push(value);
	}
}

/** The same by the letter, byte for byte, for the exact reason of a refusal. Exported for the test that compares. */
export function parseFieldsExactly(text: string, position: number, countMax: number, lenient = false): boolean {
	resetNotes();
	const names = fieldNotes.names as string[];
	const values = fieldNotes.values as string[];
	const classes = CHAR_CLASSES;
	let at = position;
	for (;;) {
		const nameStart = at;
		let code = text.charCodeAt(at);
		while ((classes[code]! & CharClass.TOKEN) !== 0 || (lenient && isVisible(code))) code = text.charCodeAt(++at);
		if (code !== COLON || at === nameStart) {
			if (code === CR && at === nameStart && text.charCodeAt(at + 1) === LF) {
				// The empty line must be the last: what follows it would be somebody else's message.
				return at + 2 === text.length || refuse('HEAD_INCOMPLETE', at);
			}
			return refuseName(text, nameStart, at);
		}
		const known = lowerName(text, nameStart, at);
		const name = known ?? text.slice(nameStart, at).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
		const kind = known === undefined ? FieldKind.OTHER : lastKind;
		code = text.charCodeAt(++at);
		while (isBlank(code)) code = text.charCodeAt(++at);
		const valueStart = at;
		while ((classes[code]! & CharClass.VALUE) !== 0) code = text.charCodeAt(++at);
		if (code !== CR || text.charCodeAt(at + 1) !== LF) return refuseValue(at, code);
		let valueEnd = at;
		while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
		at += 2;
		const count = names.length;
		if (count >= countMax) return refuse('TOO_MANY_HEADERS', nameStart);
		const value = text.slice(valueStart, valueEnd);
		if (kind !== FieldKind.OTHER) {
			const noted = note(kind, value, count, nameStart);
			if (noted === Noted.REFUSED) return false;
			if (noted === Noted.DROP) continue;
		}
		names.push(name);
		values.push(value);
	}
}

// ---- sections seen before ---------------------------------------------------------------------------

/** A field section that parsed well, and what was noted of it. */
interface KnownSection extends FieldSection {
	readonly text: string;
	readonly hostIndex: number;
	readonly hostIsValid: boolean;
	readonly lengthIndex: number;
	readonly codingIndex: number;
	readonly codingCount: number;
	readonly length: number;
	readonly connection: number;
	readonly hasHopByHop: boolean;
	readonly hasUpgrade: boolean;
	readonly hasDropped: boolean;
	/** Relative to the section. */
	readonly framingOffset: number;
}

/** A power of two. With the limit below at most a megabyte of text per thread, as read and as written. */
const SECTION_COUNT = 256;
/** A head longer than this is not kept alive by the section cut from it. */
const REMEMBERED_TEXT_MAX = 2048;

const sections: (KnownSection | undefined)[] = new Array<KnownSection | undefined>(SECTION_COUNT).fill(undefined);

/** Length and three chars: enough to keep a few hundred clients apart; the text itself decides. */
function sectionSlot(section: string): number {
	const length = section.length;
	const mixed =
		length +
		Math.imul(section.charCodeAt(length >> 1), 7) +
		Math.imul(section.charCodeAt(length >> 2), 31) +
		Math.imul(section.charCodeAt(length - 5), 67);
	return (mixed ^ (mixed >>> 8)) & (SECTION_COUNT - 1);
}

function remember(section: string, position: number): KnownSection {
	const notes = fieldNotes;
	let sizeBytes = 0;
	for (const name of notes.names) sizeBytes += name.length;
	for (const value of notes.values) sizeBytes += value.length;
	return {
		text: section,
		names: notes.names,
		values: notes.values,
		sizeBytes,
		lines: '',
		linesForm: -1,
		linesLength: 0,
		hostIndex: notes.hostIndex,
		hostIsValid: notes.hostIsValid,
		lengthIndex: notes.lengthIndex,
		codingIndex: notes.codingIndex,
		codingCount: notes.codingCount,
		length: notes.length,
		connection: notes.connection,
		hasHopByHop: notes.hasHopByHop,
		hasUpgrade: notes.hasUpgrade,
		hasDropped: notes.hasDropped,
		framingOffset: notes.framingPosition - position,
	};
}

function recall(known: KnownSection, position: number): void {
	const notes = fieldNotes;
	notes.names = known.names;
	notes.values = known.values;
	notes.section = known;
	notes.hostIndex = known.hostIndex;
	notes.hostIsValid = known.hostIsValid;
	notes.lengthIndex = known.lengthIndex;
	notes.codingIndex = known.codingIndex;
	notes.codingCount = known.codingCount;
	notes.length = known.length;
	notes.connection = known.connection;
	notes.hasHopByHop = known.hasHopByHop;
	notes.hasUpgrade = known.hasUpgrade;
	notes.hasDropped = known.hasDropped;
	notes.framingPosition = known.framingOffset + position;
}

/** Why the last `parseFields` returned false. */
export function takeRefusal(): HttpRefusal {
	return new HttpRefusal(refusedCode, refusedAt);
}

const Noted = { REFUSED: 0, KEEP: 1, DROP: 2 } as const;

function note(kind: number, value: string, index: number, position: number): number {
	const notes = fieldNotes;
	switch (kind) {
		case FieldKind.HOST:
			if (notes.hostIndex >= 0) return refused('HOST_REPEATED', position);
			notes.hostIndex = index;
			notes.hostIsValid = hostEnd(value, 0, value.length) >= 0;
			return Noted.KEEP;
		case FieldKind.CONTENT_LENGTH:
			// Twice the same number is refused too: RFC 9110, section 8.6, allows it, llhttp does it.
			if (notes.lengthIndex >= 0) return refused('LENGTH_REPEATED', position);
			notes.length = lengthOf(value);
			if (notes.length < 0) return refused('LENGTH_INVALID', position);
			notes.lengthIndex = index;
			notes.framingPosition = position;
			return Noted.KEEP;
		case FieldKind.TRANSFER_ENCODING:
			notes.codingIndex = index;
			notes.codingCount++;
			notes.framingPosition = position;
			return Noted.KEEP;
		case FieldKind.CONNECTION: {
			const bits = connectionBitsOf(value);
			notes.connection |= bits;
			// Nothing but this hop's own options: remembered, and no rule sees the field.
			if ((bits & ~(ConnectionOption.CLOSE | ConnectionOption.KEEP_ALIVE)) === 0) {
				notes.hasDropped = true;
				return Noted.DROP;
			}
			// `upgrade` alone stays for rules to see; anything else is taken apart.
			if (bits !== ConnectionOption.UPGRADE) notes.hasHopByHop = true;
			return Noted.KEEP;
		}
		case FieldKind.KEEP_ALIVE:
		case FieldKind.PROXY_CONNECTION:
			notes.hasDropped = true;
			return Noted.DROP;
		case FieldKind.UPGRADE:
			notes.hasUpgrade = true;
			return Noted.KEEP;
		default:
			notes.hasHopByHop = true;
			return Noted.KEEP;
	}
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

function refused(code: RefusalCode, position: number): number {
	refuse(code, position);
	return Noted.REFUSED;
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

/** What `lenient` takes in a name: anything but blanks, control bytes and the colon that ends it. */
function isVisible(code: number): boolean {
	return code > SP && code !== 127 && code !== COLON;
}

function isBlank(code: number): boolean {
	return code === SP || code === HTAB;
}
