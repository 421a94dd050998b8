/**
 * Where a message's body ends (RFC 9112, section 6.3), and the decoder of chunked bodies.
 *
 * There is one framing per message or the message is refused: Content-Length with Transfer-Encoding, two
 * lengths, or a coding other than one `chunked` are how one request is made to look like two.
 *
 * ChunkedDecoder looks at bytes as they come and keeps nothing but its place. It answers two questions
 * about each buffer: which ranges are payload (for rules, filters and clients of HTTP/1.0), and how far the
 * buffer may be passed on as it is, so that a proxied chunked body is copied by nobody.
 */
import { CHAR_CLASSES, CharClass } from './characters.js';
import { fieldNotes, lengthOf, parseFields, takeRefusal } from './field-parser.js';
import {
	type BodyFraming,
	CHUNKED_BODY,
	CLOSE_BODY,
	HeaderList,
	NO_BODY,
	type RequestHead,
	type ResponseHead,
} from './message.js';
import { HttpRefusal, type RefusalCode } from './refusal.js';
import { FORBIDDEN_TRAILERS } from './trailers.js';

/** Framing of a request whose fields were parsed just now. `codingInHttp10`: it may be chunked even in HTTP/1.0. */
export function framingOfRequest(version: number, codingInHttp10: boolean): BodyFraming | HttpRefusal {
	const notes = fieldNotes;
	if (notes.codingIndex >= 0) {
		const code = version === 10 && !codingInHttp10 ? 'CODING_IN_HTTP_10' : codingRefusal();
		return code === undefined ? CHUNKED_BODY : new HttpRefusal(code, notes.framingPosition);
	}
	return notes.lengthIndex >= 0 ? { kind: 'length', length: notes.length } : NO_BODY;
}

/** Framing of a response whose fields were parsed just now. */
export function framingOfResponse(status: number, requestMethod: string): BodyFraming | HttpRefusal {
	const notes = fieldNotes;
	if (notes.codingIndex >= 0) {
		// A status that cannot have a body may carry the field; it says nothing then.
		const code = codingRefusal();
		if (code !== undefined) return new HttpRefusal(code, notes.framingPosition);
	}
	if (isBodiless(status, requestMethod)) return NO_BODY;
	if (notes.codingIndex >= 0) return CHUNKED_BODY;
	return notes.lengthIndex >= 0 ? { kind: 'length', length: notes.length } : CLOSE_BODY;
}

/** No body whatever the fields say: HEAD, 1xx, 204, 304, and a 2xx to CONNECT, which opens a tunnel. */
export function isBodiless(status: number, requestMethod: string): boolean {
	if (status < 200 || status === 204 || status === 304 || requestMethod === 'HEAD') return true;
	return requestMethod === 'CONNECT' && status < 300;
}

function codingRefusal(): RefusalCode | undefined {
	const notes = fieldNotes;
	if (notes.lengthIndex >= 0) return 'LENGTH_AND_CODING';
	if (notes.codingCount > 1) return 'CODING_INVALID';
	return codingCodeOf(notes.values[notes.codingIndex]!);
}

/** `chunked` and nothing else; another coding before it is understood but not spoken (422, as HAProxy). */
function codingCodeOf(value: string): RefusalCode | undefined {
	if (value === 'chunked') return undefined;
	const lower = value.toLowerCase();
	if (lower === 'chunked') return undefined;
	return /^[a-z]+(?:[ \t]*,[ \t]*[a-z]+)*[ \t]*,[ \t]*chunked$/.test(lower) && !lower.startsWith('chunked')
		? 'CODING_UNSUPPORTED'
		: 'CODING_INVALID';
}

/** Framing of a request head that did not come from the parser: Node's, HTTP/2's, a test's. */
export function requestFraming(head: RequestHead): BodyFraming | HttpRefusal {
	return framingFromList(head.headers, head.version, NO_BODY);
}

/** Framing of a response head that did not come from the parser. */
export function responseFraming(head: ResponseHead, requestMethod: string): BodyFraming | HttpRefusal {
	const framing = framingFromList(head.headers, 11, CLOSE_BODY);
	if (framing instanceof HttpRefusal || !isBodiless(head.status, requestMethod)) return framing;
	return NO_BODY;
}

function framingFromList(headers: HeaderList, version: number, otherwise: BodyFraming): BodyFraming | HttpRefusal {
	const lengthIndex = headers.indexOf('content-length');
	const codingIndex = headers.indexOf('transfer-encoding');
	if (lengthIndex >= 0 && headers.indexOf('content-length', lengthIndex + 1) >= 0) {
		return new HttpRefusal('LENGTH_REPEATED', 0);
	}
	const length = lengthIndex < 0 ? 0 : lengthOf(headers.values[lengthIndex]!);
	if (length < 0) return new HttpRefusal('LENGTH_INVALID', 0);
	if (codingIndex < 0) return lengthIndex < 0 ? otherwise : { kind: 'length', length };
	if (lengthIndex >= 0) return new HttpRefusal('LENGTH_AND_CODING', 0);
	if (version === 10) return new HttpRefusal('CODING_IN_HTTP_10', 0);
	if (headers.indexOf('transfer-encoding', codingIndex + 1) >= 0) return new HttpRefusal('CODING_INVALID', 0);
	const code = codingCodeOf(headers.values[codingIndex]!);
	return code === undefined ? CHUNKED_BODY : new HttpRefusal(code, 0);
}

export interface ChunkedLimits {
	/** Bytes of all trailer fields with their empty line. */
	readonly trailerSizeMax: number;
	readonly trailerCountMax: number;
	/** Bytes of all chunk extensions of one body together (CVE-2024-22019). */
	readonly extensionSizeMax: number;
}

/** Node allows 16 kB of extensions since the fix of CVE-2024-22019; trailers get what a head gets. */
export const DEFAULT_CHUNKED_LIMITS: ChunkedLimits = {
	trailerSizeMax: 8192,
	trailerCountMax: 100,
	extensionSizeMax: 16384,
};

/** Digits that every size may have, zeroes in front included. */
const SIZE_DIGITS_MAX = 13;
/** 13 digits that mean something: sizes stay exact numbers, far below 2^53. */
const SIZE_BEFORE_LAST_DIGIT = 16 ** 12 - 1;

const State = {
	SIZE: 0,
	SIZE_DIGITS: 1,
	EXTENSION: 2,
	QUOTED: 3,
	QUOTED_PAIR: 4,
	SIZE_LF: 5,
	DATA: 6,
	DATA_CR: 7,
	DATA_LF: 8,
	/** After the last chunk: first byte of a trailer line or of the final CR LF. */
	TRAILER: 9,
	DONE: 10,
	FAILED: 11,
	/** Blanks after the size, before CR or ';'. */
	SIZE_BLANK: 12,
} as const;

/** Why the chunks in buffer[start..end), a body's first bytes, can never be one; undefined as long as they can. */
export function brokenChunks(buffer: Buffer, start: number, end: number): HttpRefusal | undefined {
	const decoder = new ChunkedDecoder();
	decoder.push(buffer, start, end);
	return decoder.refusal;
}

/** Told of each piece of payload, in order. */
export type PayloadVisitor = (buffer: Buffer, start: number, end: number) => void;

export class ChunkedDecoder {
	readonly #limits: ChunkedLimits;
	#state: number = State.SIZE;
	/** Size being read, then payload bytes left in the chunk. */
	#remaining = 0;
	#digits = 0;
	#extensionSize = 0;
	#trailerText = '';
	#trailers: HeaderList | undefined;
	#refusal: HttpRefusal | undefined;
	/** Payload bytes so far. */
	payloadSize = 0;

	constructor(limits: ChunkedLimits = DEFAULT_CHUNKED_LIMITS) {
		this.#limits = limits;
	}

	/** True when the last chunk and the trailers are complete. */
	get isDone(): boolean {
		return this.#state === State.DONE;
	}

	/** Why the body was refused, once `push` has returned -1. */
	get refusal(): HttpRefusal | undefined {
		return this.#refusal;
	}

	/** The trailer fields, once done; undefined if there were none. */
	get trailers(): HeaderList | undefined {
		return this.#trailers;
	}

	/** For another body on the same connection. */
	reset(): void {
		this.#state = State.SIZE;
		this.#remaining = 0;
		this.#digits = 0;
		this.#extensionSize = 0;
		this.#trailerText = '';
		this.#trailers = undefined;
		this.#refusal = undefined;
		this.payloadSize = 0;
	}

	/**
	 * Reads buffer[start..end). Returns the index after the last byte that belongs to the body: `end` while
	 * the body goes on, less when it is done and another message follows. What is before the index may be
	 * passed on as it is, except that a line may be held back: see `forwardable`. -1 when refused.
	 */
	push(buffer: Buffer, start: number, end: number, visit?: PayloadVisitor): number {
		let at = start;
		while (at < end) {
			if (this.#state === State.DATA) {
				const take = Math.min(this.#remaining, end - at);
				if (visit !== undefined) visit(buffer, at, at + take);
				at += take;
				this.payloadSize += take;
				this.#remaining -= take;
				if (this.#remaining === 0) this.#state = State.DATA_CR;
			} else if (this.#state === State.TRAILER) {
				at = this.#readTrailers(buffer, at, end);
				if (at < 0) return -1;
			} else if (this.#state === State.DONE) return at;
			else {
				const code = this.#readFramingByte(buffer[at]!);
				if (code !== undefined) return this.#fail(code, at);
				at++;
			}
		}
		return this.#state === State.FAILED ? -1 : at;
	}

	#fail(code: RefusalCode, at: number): -1 {
		this.#state = State.FAILED;
		this.#refusal = new HttpRefusal(code, at);
		return -1;
	}

	/** One byte of a chunk-size line or of the CR LF after a chunk. */
	#readFramingByte(byte: number): RefusalCode | undefined {
		switch (this.#state) {
			case State.SIZE:
			case State.SIZE_DIGITS:
				if ((CHAR_CLASSES[byte]! & CharClass.HEX) !== 0) {
					// Zeroes in front count as an extension does: without meaning, but not without end.
					if (byte === 48 && this.#remaining === 0) {
						if (++this.#digits > SIZE_DIGITS_MAX && ++this.#extensionSize > this.#limits.extensionSizeMax) {
							return 'CHUNK_SIZE_TOO_LARGE';
						}
						this.#state = State.SIZE_DIGITS;
						return undefined;
					}
					if (this.#remaining > SIZE_BEFORE_LAST_DIGIT) return 'CHUNK_SIZE_TOO_LARGE';
					this.#remaining = this.#remaining * 16 + hexValue(byte);
					this.#state = State.SIZE_DIGITS;
					return undefined;
				}
				if (this.#state === State.SIZE) return 'CHUNK_SIZE_INVALID';
				if (byte === 13) this.#state = State.SIZE_LF;
				else if (byte === 59) this.#state = State.EXTENSION;
				else if (byte === 32 || byte === 9) this.#state = State.SIZE_BLANK;
				else return byte === 10 ? 'LF_WITHOUT_CR' : 'CHUNK_SIZE_INVALID';
				return undefined;
			case State.SIZE_BLANK:
				// Old servers pad sizes; a digit behind a blank is another number.
				if (++this.#extensionSize > this.#limits.extensionSizeMax) return 'CHUNK_EXTENSIONS_TOO_LARGE';
				if (byte === 13) this.#state = State.SIZE_LF;
				else if (byte === 59) this.#state = State.EXTENSION;
				else if (byte !== 32 && byte !== 9) return byte === 10 ? 'LF_WITHOUT_CR' : 'CHUNK_SIZE_INVALID';
				return undefined;
			case State.EXTENSION:
			case State.QUOTED:
			case State.QUOTED_PAIR:
				return this.#readExtensionByte(byte);
			case State.SIZE_LF:
				if (byte !== 10) return 'CR_WITHOUT_LF';
				this.#digits = 0;
				this.#state = this.#remaining === 0 ? State.TRAILER : State.DATA;
				return undefined;
			case State.DATA_CR:
				if (byte !== 13) return 'CHUNK_END_INVALID';
				this.#state = State.DATA_LF;
				return undefined;
			case State.DATA_LF:
				if (byte !== 10) return 'CHUNK_END_INVALID';
				this.#state = State.SIZE;
				return undefined;
			default:
				return this.#refusal?.code ?? 'CHUNK_SIZE_INVALID';
		}
	}

	/**
	 * Extensions are not interpreted, only kept from hiding a line end: no control byte in or out of quotes,
	 * quotes closed before the line ends, all of a body together bounded (CVE-2021-22960, CVE-2024-22019).
	 */
	#readExtensionByte(byte: number): RefusalCode | undefined {
		if (byte === 13 && this.#state === State.EXTENSION) {
			this.#state = State.SIZE_LF;
			return undefined;
		}
		if (byte === 10) return 'LF_WITHOUT_CR';
		if ((CHAR_CLASSES[byte]! & CharClass.VALUE) === 0) return 'CHUNK_EXTENSION_INVALID';
		if (++this.#extensionSize > this.#limits.extensionSizeMax) return 'CHUNK_EXTENSIONS_TOO_LARGE';
		if (this.#state === State.QUOTED_PAIR) this.#state = State.QUOTED;
		else if (byte === 34) this.#state = this.#state === State.QUOTED ? State.EXTENSION : State.QUOTED;
		else if (byte === 92 && this.#state === State.QUOTED) this.#state = State.QUOTED_PAIR;
		return undefined;
	}

	/** Gathers trailer bytes up to the empty line and parses them; usually the two bytes CR LF and nothing else. */
	#readTrailers(buffer: Buffer, at: number, end: number): number {
		if (this.#trailerText === '' && at + 1 < end && buffer[at] === 13 && buffer[at + 1] === 10) {
			this.#state = State.DONE;
			return at + 2;
		}
		const before = this.#trailerText.length;
		const text = this.#trailerText + buffer.toString('latin1', at, Math.min(end, at + this.#limits.trailerSizeMax));
		const textEnd = text.startsWith('\r\n') ? 2 : text.indexOf('\r\n\r\n', Math.max(0, before - 3)) + 4;
		if (textEnd === 3) {
			if (text.length > this.#limits.trailerSizeMax) return this.#fail('TRAILERS_TOO_LARGE', end - 1);
			const broken = brokenLineEnd(text, Math.max(0, before - 1));
			if (broken >= 0) return this.#fail(text.charCodeAt(broken) === 10 ? 'LF_WITHOUT_CR' : 'CR_WITHOUT_LF', at);
			this.#trailerText = text;
			return Math.min(end, at + this.#limits.trailerSizeMax);
		}
		if (textEnd > this.#limits.trailerSizeMax) return this.#fail('TRAILERS_TOO_LARGE', end - 1);
		if (!parseFields(text.slice(0, textEnd), 0, this.#limits.trailerCountMax)) {
			return this.#fail(takeRefusal().code, at);
		}
		const list = new HeaderList(fieldNotes.names, fieldNotes.values, fieldNotes.section);
		if (fieldNotes.hasDropped) return this.#fail('TRAILER_FORBIDDEN', at);
		for (const name of list.names) if (FORBIDDEN_TRAILERS.has(name)) return this.#fail('TRAILER_FORBIDDEN', at);
		if (list.length > 0) this.#trailers = list;
		this.#trailerText = '';
		this.#state = State.DONE;
		return at + textEnd - before;
	}
}

function hexValue(byte: number): number {
	return byte <= 57 ? byte - 48 : (byte | 32) - 87;
}

/** Index of a CR or LF that has not the other beside it, or -1; a CR at the end may still get its LF. */
function brokenLineEnd(text: string, from: number): number {
	for (let i = from; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if (code === 13 && i + 1 < text.length && text.charCodeAt(i + 1) !== 10) return i;
		if (code === 10 && (i === 0 || text.charCodeAt(i - 1) !== 13)) return i;
	}
	return -1;
}
