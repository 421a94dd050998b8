/**
 * HTTP message heads as rules see and change them: a start line and an ordered list of header fields.
 *
 * Names are kept in lower case, as HAProxy forwards them; values are byte strings without surrounding
 * white space. Two parallel arrays rather than objects: a head of ten fields makes two arrays, not ten
 * objects, and walking it touches nothing else. No socket, no parsing here: see head-parser, serializer.
 *
 * A client sends the same fields with every request. Those that the parser has seen before are one
 * `FieldSection` for all such heads, with what was computed of them, until a rule changes something: then the
 * list takes arrays of its own.
 */

/** Fields that several heads have in common. Never changed. */
export interface FieldSection {
	readonly names: readonly string[];
	readonly values: readonly string[];
	/** Chars of all names and values. */
	readonly sizeBytes: number;
	/** For the serializer: the lines it made of them last, and for which kind of message. */
	lines: string;
	linesForm: number;
	linesLength: number;
}

export class HeaderList {
	/** Changed by the methods below only, or the fields of other heads would change, too. */
	names: readonly string[];
	values: readonly string[];
	#section: FieldSection | undefined;

	/** With `section` the arrays are its own. */
	constructor(names: readonly string[] = [], values: readonly string[] = [], section?: FieldSection) {
		this.names = names;
		this.values = values;
		this.#section = section;
	}

	/** What these fields still are, unchanged; undefined when they are this head's alone. */
	get section(): FieldSection | undefined {
		return this.#section;
	}

	/** Before a change. */
	#own(): void {
		if (this.#section === undefined) return;
		this.#section = undefined;
		this.names = this.names.slice();
		this.values = this.values.slice();
	}

	get length(): number {
		return this.names.length;
	}

	/** The first value of a field; `name` in lower case. */
	get(name: string): string | undefined {
		const index = this.names.indexOf(name);
		return index < 0 ? undefined : this.values[index];
	}

	has(name: string): boolean {
		return this.names.indexOf(name) >= 0;
	}

	/** Index of the next field of that name at or after `from`, or -1. */
	indexOf(name: string, from = 0): number {
		return this.names.indexOf(name, from);
	}

	/** Appends a field. CR, LF and NUL in the value become spaces (RFC 9110, section 5.5), as in all that change one. */
	add(name: string, value: string): void {
		this.#own();
		(this.names as string[]).push(name);
		(this.values as string[]).push(harmless(value));
	}

	insertAt(index: number, name: string, value: string): void {
		this.#own();
		(this.names as string[]).splice(index, 0, name);
		(this.values as string[]).splice(index, 0, harmless(value));
	}

	/** Changes the value of a field. */
	replaceAt(index: number, value: string): void {
		this.#own();
		(this.values as string[])[index] = harmless(value);
	}

	/** Removes every field of that name, then adds one. */
	set(name: string, value: string): void {
		this.remove(name);
		this.add(name, value);
	}

	/** Removes every field of that name; returns how many there were. */
	remove(name: string): number {
		let removed = 0;
		for (let index = this.names.indexOf(name); index >= 0; index = this.names.indexOf(name, index)) {
			this.removeAt(index);
			removed++;
		}
		return removed;
	}

	removeAt(index: number): void {
		this.#own();
		(this.names as string[]).splice(index, 1);
		(this.values as string[]).splice(index, 1);
	}

	clone(): HeaderList {
		if (this.#section !== undefined) return new HeaderList(this.names, this.values, this.#section);
		return new HeaderList(this.names.slice(), this.values.slice());
	}
}

/** What a rule computed may hold anything; chars beyond a byte would be cut to one when written, to CR or LF even. */
function harmless(value: string): string {
	return /[\0\r\n\u0100-\uffff]/.test(value) ? value.replace(/[\0\r\n\u0100-\uffff]/g, ' ') : value;
}

/** 10 for HTTP/1.0, 11 for HTTP/1.1, 20 for HTTP/2. */
export type HttpVersion = 10 | 11 | 20;

/**
 * What a Connection field asked for, as bits. The parsers take `close` and `keep-alive` out of the field
 * and remember them here, so that rules see only what is left, as in HAProxy.
 */
export const ConnectionOption = {
	CLOSE: 1,
	KEEP_ALIVE: 2,
	UPGRADE: 4,
} as const;

export class RequestHead {
	method: string;
	/** The request target as it came: origin form, absolute form, authority form or `*`. */
	target: string;
	version: HttpVersion;
	/** The version as the client wrote it, where that is not the one which it counts as (1.2, 2.0, 0.9); else empty. */
	saidVersion = '';
	readonly headers: HeaderList;
	/** How the body that the client sends ends; rules that change header fields do not change it. */
	framing: BodyFraming;
	/** `ConnectionOption` bits as the client sent them. */
	connection: number;

	constructor(
		method: string,
		target: string,
		version: HttpVersion,
		headers: HeaderList,
		framing: BodyFraming = NO_BODY,
		connection = 0,
	) {
		this.method = method;
		this.target = target;
		this.version = version;
		this.headers = headers;
		this.framing = framing;
		this.connection = connection;
	}
}

export class ResponseHead {
	status: number;
	reason: string;
	version: HttpVersion;
	readonly headers: HeaderList;
	/** How the body that the server sends ends; of a reply made here, how it is sent. */
	framing: BodyFraming;
	/** `ConnectionOption` bits as the server sent them. */
	connection: number;

	constructor(
		status: number,
		reason: string,
		version: HttpVersion,
		headers: HeaderList,
		framing: BodyFraming = NO_BODY,
		connection = 0,
	) {
		this.status = status;
		this.reason = reason;
		this.version = version;
		this.headers = headers;
		this.framing = framing;
		this.connection = connection;
	}
}

/** How the body of a message ends (RFC 9112, section 6.3). */
export type BodyFraming =
	| { readonly kind: 'none' }
	| { readonly kind: 'length'; readonly length: number }
	| { readonly kind: 'chunked' }
	/** Responses only: until the server closes. */
	| { readonly kind: 'close' };

export const NO_BODY: BodyFraming = { kind: 'none' };
export const CHUNKED_BODY: BodyFraming = { kind: 'chunked' };
export const CLOSE_BODY: BodyFraming = { kind: 'close' };
