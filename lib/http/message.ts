/**
 * HTTP message heads as rules see and change them: a start line and an ordered list of header fields.
 *
 * Names are kept in lower case, as HAProxy forwards them; values are byte strings without surrounding
 * white space. Two parallel arrays rather than objects: a head of ten fields makes two arrays, not ten
 * objects, and walking it touches nothing else. No socket, no parsing here: see head-parser, serializer.
 */

export class HeaderList {
	readonly names: string[];
	readonly values: string[];

	constructor(names: string[] = [], values: string[] = []) {
		this.names = names;
		this.values = values;
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

	add(name: string, value: string): void {
		this.names.push(name);
		this.values.push(value);
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
		this.names.splice(index, 1);
		this.values.splice(index, 1);
	}

	clone(): HeaderList {
		return new HeaderList(this.names.slice(), this.values.slice());
	}
}

/** 10 for HTTP/1.0, 11 for HTTP/1.1, 20 for HTTP/2. */
export type HttpVersion = 10 | 11 | 20;

export class RequestHead {
	method: string;
	/** The request target as it came: origin form, absolute form, authority form or `*`. */
	target: string;
	version: HttpVersion;
	readonly headers: HeaderList;

	constructor(method: string, target: string, version: HttpVersion, headers: HeaderList) {
		this.method = method;
		this.target = target;
		this.version = version;
		this.headers = headers;
	}
}

export class ResponseHead {
	status: number;
	reason: string;
	version: HttpVersion;
	readonly headers: HeaderList;

	constructor(status: number, reason: string, version: HttpVersion, headers: HeaderList) {
		this.status = status;
		this.reason = reason;
		this.version = version;
		this.headers = headers;
	}
}

/** How the body of a message ends (RFC 9112, section 6.3). */
export type BodyFraming =
	| { readonly kind: 'none' }
	| { readonly kind: 'length'; readonly length: number }
	| { readonly kind: 'chunked' }
	/** Responses only: until the server closes. */
	| { readonly kind: 'close' };
