/**
 * Parts of HTTP messages that fetches read: the pieces of a request target, header values with and without
 * their commas, cookies, parameters of a query string. Pure functions over byte strings; each walks its text
 * once and always moves forward (a cookie header that begins with a delimiter must not loop).
 */
import { IpAddress } from '../core/address.js';
import type { HeaderList } from '../http/message.js';
import { readAddress } from './values.js';

const SEMICOLON = 59;
const COMMA = 44;
const EQUALS = 61;
const AMPERSAND = 38;
const QUOTE = 34;
const BACKSLASH = 92;

/** Where the path begins in a request target; -1 for `*` and for an authority. */
function pathStart(target: string): number {
	if (target.charCodeAt(0) === 47) return 0;
	const scheme = target.indexOf('://');
	return scheme < 0 ? -1 : target.indexOf('/', scheme + 3);
}

/** The path with its query string; undefined where the target has no path. */
export function pathAndQuery(target: string): string | undefined {
	const start = pathStart(target);
	if (start < 0) return undefined;
	return start === 0 ? target : target.slice(start);
}

/** The path alone. */
export function pathOf(target: string): string | undefined {
	const whole = pathAndQuery(target);
	if (whole === undefined) return undefined;
	const mark = whole.indexOf('?');
	return mark < 0 ? whole : whole.slice(0, mark);
}

/** What follows the first question mark; undefined without one. */
export function queryOf(target: string): string | undefined {
	const mark = target.indexOf('?');
	return mark < 0 ? undefined : target.slice(mark + 1);
}

/** `host` and `port` of an absolute target. */
export function authorityOf(target: string): { readonly host: string; readonly port: number | undefined } | undefined {
	const match = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?/.exec(target);
	if (match === null) return undefined;
	return { host: match[1] ?? '', port: match[2] === undefined ? undefined : Number(match[2]) };
}

function isBlank(code: number): boolean {
	return code === 32 || code === 9;
}

export function trimBlanks(text: string): string {
	let start = 0;
	let end = text.length;
	while (start < end && isBlank(text.charCodeAt(start))) start++;
	while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
	return start === 0 && end === text.length ? text : text.slice(start, end);
}

/** End of the comma-separated element that begins at `from`; quoted strings hide their commas. */
function elementEnd(value: string, from: number): number {
	let quoted = false;
	for (let i = from; i < value.length; i++) {
		const code = value.charCodeAt(i);
		if (quoted) {
			if (code === BACKSLASH) i++;
			else if (code === QUOTE) quoted = false;
		} else if (code === QUOTE) quoted = true;
		else if (code === COMMA) return i;
	}
	return value.length;
}

type Visit = (value: string) => boolean;

/**
 * Values of the fields named `name` (every field when undefined), split at commas or whole, until `visit`
 * returns true; tells whether it did.
 */
export function eachHeaderValue(headers: HeaderList, name: string | undefined, split: boolean, visit: Visit): boolean {
	for (let i = 0; i < headers.length; i++) {
		if (name !== undefined && headers.names[i] !== name) continue;
		const value = headers.values[i] ?? '';
		if (!split || value.indexOf(',') < 0) {
			if (visit(value)) return true;
			continue;
		}
		for (let from = 0; from <= value.length; ) {
			const end = elementEnd(value, from);
			if (visit(trimBlanks(value.slice(from, end)))) return true;
			from = end + 1;
		}
	}
	return false;
}

export function countHeaderValues(headers: HeaderList, name: string | undefined, split: boolean): number {
	let count = 0;
	eachHeaderValue(headers, name, split, () => {
		count++;
		return false;
	});
	return count;
}

/** Occurrence `occurrence`: 1 the first, -1 the last, 0 also the last. */
export function headerValue(headers: HeaderList, name: string, split: boolean, occurrence: number): string | undefined {
	if (occurrence <= 0) {
		// The last value of the last field: what most configurations ask for, without a list.
		const index = headers.names.lastIndexOf(name);
		if (index < 0) return undefined;
		const value = headers.values[index] ?? '';
		if ((occurrence === 0 || occurrence === -1) && (!split || value.indexOf(',') < 0)) return value;
	} else if (headers.names.indexOf(name) < 0) return undefined;
	const values: string[] = [];
	eachHeaderValue(headers, name, split, (value) => {
		values.push(value);
		return occurrence > 0 && values.length === occurrence;
	});
	const wanted = occurrence > 0 ? occurrence - 1 : values.length + (occurrence === 0 ? -1 : occurrence);
	return values[wanted];
}

/** An address as proxies write it in headers: IPv4 with an optional port, or plain IPv6 (RFC 7239, section 6). */
export function headerAddress(value: string): IpAddress | undefined {
	const exact = IpAddress.parse(value);
	if (exact !== undefined) return exact;
	const match = /^([\d.]+):(\d{1,5})$/.exec(value);
	if (match === null || Number(match[2]) > 65535) return undefined;
	return readAddress(match[1] ?? '');
}

type VisitPair = (name: string, value: string) => boolean;

/**
 * Cookies of one header field (RFC 6265, section 4.2, with the quoted values and the commas of its ancestors).
 * Of `Set-Cookie` only the first pair is a cookie; the rest are attributes.
 */
export function eachCookie(header: string, isSetCookie: boolean, visit: VisitPair): boolean {
	const length = header.length;
	let at = 0;
	while (at < length) {
		while (at < length && (isBlank(header.charCodeAt(at)) || isSeparator(header.charCodeAt(at), isSetCookie))) at++;
		const nameStart = at;
		while (at < length && header.charCodeAt(at) !== EQUALS && !isSeparator(header.charCodeAt(at), isSetCookie)) at++;
		if (at >= length || header.charCodeAt(at) !== EQUALS) {
			if (isSetCookie) return false;
			continue;
		}
		const name = trimBlanks(header.slice(nameStart, at));
		const valueStart = ++at;
		let quoted = false;
		for (; at < length; at++) {
			const code = header.charCodeAt(at);
			if (quoted) {
				if (code === BACKSLASH) at++;
				else if (code === QUOTE) quoted = false;
			} else if (code === QUOTE) quoted = true;
			else if (isSeparator(code, isSetCookie)) break;
		}
		if (visit(name, trimBlanks(header.slice(valueStart, at)))) return true;
		if (isSetCookie) return false;
	}
	return false;
}

function isSeparator(code: number, isSetCookie: boolean): boolean {
	return code === SEMICOLON || (code === COMMA && !isSetCookie);
}

/**
 * Parameters `name=value` of a query or form, between `&`, `;` or `delimiter`; a name of undefined means all of
 * them. What has no `=` is no parameter.
 */
export function eachParameter(text: string, name: string | undefined, delimiter: number, visit: Visit): boolean {
	let at = 0;
	while (at < text.length) {
		let equals = -1;
		let end = at;
		for (; end < text.length; end++) {
			const code = text.charCodeAt(end);
			if (code === EQUALS && equals < 0) equals = end;
			else if (code === AMPERSAND || code === SEMICOLON || code === delimiter) break;
		}
		if (equals >= 0 && (name === undefined || text.slice(at, equals) === name)) {
			if (visit(text.slice(equals + 1, end))) return true;
		}
		at = end + 1;
	}
	return false;
}

export interface BasicCredentials {
	readonly user: string;
	readonly password: string;
}

/** Scheme and rest of an `Authorization` value; undefined without a space between them. */
export function authorization(value: string): { readonly scheme: string; readonly rest: string } | undefined {
	const space = value.indexOf(' ');
	if (space <= 0) return undefined;
	return { scheme: value.slice(0, space), rest: trimBlanks(value.slice(space + 1)) };
}

/** The credentials of `Basic` (RFC 7617); undefined if they are not that. */
export function basicCredentials(headers: HeaderList): BasicCredentials | undefined {
	const value = headers.get('authorization');
	const parts = value === undefined ? undefined : authorization(value);
	if (parts === undefined || parts.scheme.toLowerCase() !== 'basic') return undefined;
	if (!/^[A-Za-z0-9+/]*={0,2}$/.test(parts.rest)) return undefined;
	const decoded = Buffer.from(parts.rest, 'base64').toString('latin1');
	const colon = decoded.indexOf(':');
	return colon < 0 ? undefined : { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** The version of a request as its client wrote it: `1.1`, and `2.0` of HTTP/2. */
export function saidVersionOf(request: { readonly version: number; readonly saidVersion: string }): string {
	const { version, saidVersion } = request;
	return saidVersion === '' ? `${Math.floor(version / 10)}.${version % 10}` : saidVersion;
}
