/**
 * HTTP/1 heads: one latin1 string in, a RequestHead or ResponseHead out, or a refusal (RFC 9112).
 *
 * Strict where smuggling starts: whatever two parsers could read differently is refused here, so that
 * what is forwarded has one meaning. Each line ends with CR LF; names are tokens followed at once by a
 * colon; values hold no control byte; nothing is folded; one framing per message; one Host that agrees
 * with the target. This is stricter than HAProxy 2.6, which repairs some of these (a bare LF, a folded
 * line, Content-Length twice with the same number, HTTP/1.1 without Host): who has clients or servers that need it says
 * so with `accept-invalid-http-request` or `-response`, and repair.ts does it before this parser judges.
 *
 * The whole head stands in one string, made once from the read buffer. On V8 a native search or one
 * compiled pattern over all of it is several times as fast as a loop over its chars, so the usual head is cut
 * that way; whatever is unusual is read again char by char, to be refused for the exact reason. What this
 * gives up is parsing while bytes trickle in; `findHeadEnd` does that part, and refuses early what can never
 * be a head.
 */
import { framingOfRequest, framingOfResponse } from './body-framing.js';
import { CHAR_CLASSES, CharClass, isToken } from './characters.js';
import { removeHopByHop, settleUpgrade } from './connection.js';
import { fieldNotes, parseFields, takeRefusal } from './field-parser.js';
import { ConnectionOption, HeaderList, NO_BODY, RequestHead, ResponseHead } from './message.js';
import { HttpRefusal, isRefusal, type RefusalCode } from './refusal.js';
import {
	authorityEnd,
	authorityOf,
	authorityStart,
	hostEnd,
	sameAuthority,
	schemeOf,
	withAuthority,
	withoutDefaultPort,
} from './uri.js';

export interface HeadLimits {
	/** Bytes of a head with its empty line: `tune.bufsize` less `tune.maxrewrite`. */
	readonly headSizeMax: number;
	/** `tune.http.maxhdr`: start line and header fields together. */
	readonly headerCountMax: number;
	/** `h1-accept-payload-with-any-method`: allow a payload in an HTTP/1.0 GET, HEAD or DELETE. */
	readonly payloadWithAnyMethod?: boolean;
	/**
	 * `accept-invalid-http-request`, `-response`: any visible byte in a target and in names of fields, any Host or none,
	 * chunks in HTTP/1.0. What frames the message and ends its lines is judged as always, and other versions or
	 * protocols are not taken.
	 */
	readonly acceptInvalid?: boolean;
}

/** HAProxy's defaults: buffers of 16384 bytes, 1024 of them kept for rewriting. */
export const DEFAULT_HEAD_LIMITS: HeadLimits = { headSizeMax: 16384 - 1024, headerCountMax: 101 };

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const SLASH = 47;

/** Empty lines that may stand before a request (RFC 9112, section 2.2, asks for at least one). */
const EMPTY_LINES_MAX = 4;

const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** `findHeadEnd`: the bytes so far are the start of a head. */
export const HEAD_INCOMPLETE = -1;
/** `findHeadEnd`: no continuation makes a head of these bytes; parse what is there to learn why. */
export const HEAD_BROKEN = -2;

/** Index of the first byte of a request after the empty lines that may precede it, or a refusal. */
export function skipEmptyLines(buffer: Uint8Array, from: number): number | HttpRefusal {
	let position = from;
	while (buffer[position] === CR) {
		if (position + 1 === buffer.length) return position;
		if (buffer[position + 1] !== LF) return new HttpRefusal('CR_WITHOUT_LF', position);
		position += 2;
		if (position - from > 2 * EMPTY_LINES_MAX) return new HttpRefusal('TOO_MANY_EMPTY_LINES', position);
	}
	return position;
}

/**
 * Index just after the empty line that ends the head, HEAD_INCOMPLETE or HEAD_BROKEN. `start` is the first
 * byte of the start line, `from` how far an earlier call has looked (the buffer's length then), so that all
 * calls together look at each byte a bounded number of times however the bytes come.
 */
export function findHeadEnd(buffer: Buffer, start: number, from = start): number {
	const found = buffer.indexOf(END_OF_HEAD, Math.max(start, from - 3));
	if (found >= 0) return found + 4;
	// Not complete: see whether it ever can be, or a client with bare LFs would wait for its timeout.
	return onlyWholeLineEnds(buffer, Math.max(start, from - 1)) ? HEAD_INCOMPLETE : HEAD_BROKEN;
}

function onlyWholeLineEnds(buffer: Buffer, from: number): boolean {
	for (let i = from; i < buffer.length; i++) {
		const byte = buffer[i]!;
		if (byte >= SP || byte === HTAB) continue;
		if (byte === CR && (i + 1 === buffer.length || buffer[i + 1] === LF)) continue;
		if (byte === LF && i > 0 && buffer[i - 1] === CR) continue;
		return false;
	}
	return true;
}

/** The refusal of a head that fills its limit without ending: 414 while in its first line, else 431. */
export function oversizedHead(
	buffer: Buffer,
	start: number,
	headSizeMax: number = DEFAULT_HEAD_LIMITS.headSizeMax,
): HttpRefusal {
	const lineEnd = buffer.indexOf('\r\n', start, 'latin1');
	const firstLineFits = lineEnd >= 0 && lineEnd - start < headSizeMax;
	return new HttpRefusal(firstLineFits ? 'HEAD_TOO_LARGE' : 'TARGET_TOO_LONG', buffer.length - start);
}

/** `head` ends with its empty line, as `findHeadEnd` cut it. */
export function parseRequestHead(head: string, limits: HeadLimits): RequestHead | HttpRefusal {
	if (!isWhole(head)) return new HttpRefusal('HEAD_INCOMPLETE', head.length);
	if (head.length > limits.headSizeMax) return tooLong(head, limits);
	const lenient = limits.acceptInvalid === true;
	const refusal = cutRequestLine(head) ? undefined : parseRequestLineExactly(head);
	if (refusal !== undefined && !(lenient && cutLenientRequestLine(head))) return refusal;
	const method = lineMethod;
	const target = lineTarget;
	const httpVersion = lineVersion;
	if (!parseFields(head, lineEnd, limits.headerCountMax - 1, lenient)) return takeRefusal();
	const hostCode = checkHost(method, target, httpVersion, lenient);
	if (hostCode !== undefined) return new HttpRefusal(hostCode, method.length + 1);
	const framing = framingOfRequest(httpVersion, lenient);
	if (isRefusal(framing)) return framing;
	if (httpVersion === 10 && framing !== NO_BODY && limits.payloadWithAnyMethod !== true) {
		if (expectsNoPayload(method) && !(framing.kind === 'length' && framing.length === 0)) {
			return new HttpRefusal('PAYLOAD_UNEXPECTED', fieldNotes.framingPosition);
		}
	}
	const { names, values, section, connection, hasHopByHop, hasUpgrade } = fieldNotes;
	const headers = new HeaderList(names, values, section);
	const request = new RequestHead(method, target, httpVersion, headers, framing, connection);
	// The last digit of the request line: from 1.1 on it counts as 1.1.
	const minor = head.charCodeAt(lineEnd - 3) - 48;
	if (minor > 1) request.saidVersion = `1.${minor}`;
	if (hasHopByHop) removeHopByHop(headers);
	if (hasUpgrade || (connection & ConnectionOption.UPGRADE) !== 0) settleUpgrade(request);
	if (target.charCodeAt(0) !== SLASH) normalizeAuthority(request);
	return request;
}

let lineMethod = '';
let lineTarget = '';
let lineVersion: 10 | 11 = 11;
/** Just after the request line. */
let lineEnd = 0;

const TARGET_TEXT = /^[\x21\x22\x24-\x7e]+$/;

/** The usual request line, cut by native searches; false if anything about it is unusual. */
function cutRequestLine(head: string): boolean {
	const end = head.indexOf('\r');
	const methodEnd = head.indexOf(' ');
	const targetEnd = end - 9;
	if (methodEnd <= 0 || targetEnd <= methodEnd + 1 || head.charCodeAt(end + 1) !== LF) return false;
	if (head.charCodeAt(targetEnd) !== SP) return false;
	const version = versionAt(head, targetEnd + 1);
	if (version <= 0) return false;
	const target = head.slice(methodEnd + 1, targetEnd);
	if (target !== '/' && !TARGET_TEXT.test(target)) return false;
	const method = methodAt(head, methodEnd);
	if (method !== 'GET' && !isToken(method)) return false;
	lineMethod = method;
	lineTarget = target;
	lineVersion = version === 1 ? 11 : 10;
	lineEnd = end + 2;
	return true;
}

/** `acceptInvalid`: a target of any visible bytes, those beyond ASCII included, but for `*` and other forms without a path. */
function cutLenientRequestLine(head: string): boolean {
	const match = /^([^ ]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.(\d)\r\n/.exec(head);
	if (match === null || !isToken(match[1] as string)) return false;
	lineMethod = match[1] as string;
	lineTarget = match[2] as string;
	lineVersion = match[3] === '0' ? 10 : 11;
	lineEnd = match[0].length;
	return true;
}

/** The same by the letter: method SP target SP version CR LF, each part checked as it is passed. */
function parseRequestLineExactly(head: string): HttpRefusal | undefined {
	let position = 0;
	while ((CHAR_CLASSES[head.charCodeAt(position)]! & CharClass.TOKEN) !== 0) position++;
	if (position === 0) return new HttpRefusal(startsFolded(head) ? 'REQUEST_LINE_INVALID' : 'METHOD_INVALID', 0);
	if (head.charCodeAt(position) !== SP) return startLineRefusal(head, position, 'METHOD_INVALID');
	lineMethod = methodAt(head, position);
	const targetStart = ++position;
	while ((CHAR_CLASSES[head.charCodeAt(position)]! & CharClass.TARGET) !== 0) position++;
	if (head.charCodeAt(position) !== SP) return startLineRefusal(head, position, 'TARGET_INVALID');
	if (position === targetStart) return new HttpRefusal('REQUEST_LINE_INVALID', position);
	lineTarget = head.slice(targetStart, position);
	const version = versionAt(head, position + 1);
	if (version <= 0) return versionRefusal(head, position + 1, version);
	lineVersion = version === 1 ? 11 : 10;
	position += 9;
	if (head.charCodeAt(position) !== CR) return startLineRefusal(head, position, 'VERSION_INVALID');
	if (head.charCodeAt(position + 1) !== LF) return new HttpRefusal('CR_WITHOUT_LF', position);
	lineEnd = position + 2;
	return undefined;
}

/**
 * A response head; `requestMethod` decides with the status how the body ends (RFC 9112, section 6.3).
 */
export function parseResponseHead(head: string, limits: HeadLimits, requestMethod = 'GET'): ResponseHead | HttpRefusal {
	if (!isWhole(head)) return new HttpRefusal('HEAD_INCOMPLETE', head.length);
	if (head.length > limits.headSizeMax) return new HttpRefusal('HEAD_TOO_LARGE', limits.headSizeMax);
	const version = versionAt(head, 0);
	if (version <= 0) return new HttpRefusal(version === -2 ? 'VERSION_UNSUPPORTED' : 'STATUS_LINE_INVALID', 0);
	if (head.charCodeAt(8) !== SP) return startLineRefusal(head, 8, 'STATUS_LINE_INVALID');
	const hundreds = head.charCodeAt(9) - 48;
	const tens = head.charCodeAt(10) - 48;
	const units = head.charCodeAt(11) - 48;
	if (hundreds < 1 || hundreds > 9 || tens < 0 || tens > 9 || units < 0 || units > 9) {
		return startLineRefusal(head, 9, 'STATUS_INVALID');
	}
	const status = hundreds * 100 + tens * 10 + units;
	// The space before an empty reason is often left out; RFC 9112, section 4, wants it.
	let position = 12;
	let reason = '';
	if (head.charCodeAt(position) === SP) {
		const reasonStart = ++position;
		while ((CHAR_CLASSES[head.charCodeAt(position)]! & CharClass.VALUE) !== 0) position++;
		if (position > reasonStart) reason = head.slice(reasonStart, position);
		if (head.charCodeAt(position) !== CR) return startLineRefusal(head, position, 'REASON_INVALID');
	} else if (head.charCodeAt(position) !== CR) return startLineRefusal(head, position, 'STATUS_INVALID');
	if (head.charCodeAt(position + 1) !== LF) return new HttpRefusal('CR_WITHOUT_LF', position);

	if (!parseFields(head, position + 2, limits.headerCountMax - 1, limits.acceptInvalid)) return takeRefusal();
	const framing = framingOfResponse(status, requestMethod);
	if (isRefusal(framing)) return framing;
	const { names, values, section, connection, hasHopByHop, hasUpgrade, lengthIndex, codingIndex } = fieldNotes;
	const headers = new HeaderList(names, values, section);
	const response = new ResponseHead(status, reason, version === 1 ? 11 : 10, headers, framing, connection);
	if ((lengthIndex >= 0 || codingIndex >= 0) && hasNoFraming(status, requestMethod)) {
		headers.remove('content-length');
		headers.remove('transfer-encoding');
	}
	if (hasHopByHop) removeHopByHop(headers);
	if ((hasUpgrade || (connection & ConnectionOption.UPGRADE) !== 0) && status !== 101 && status !== 426) {
		headers.remove('upgrade');
		headers.remove('connection');
	}
	return response;
}

/** Framing fields mean nothing in 1xx and 204, nor in a 2xx to CONNECT (RFC 9110, sections 8.6 and 9.3.6). */
function hasNoFraming(status: number, requestMethod: string): boolean {
	return status < 200 || status === 204 || (requestMethod === 'CONNECT' && status < 300);
}

/** The loops below stop at a CR and never run off the end of a head that ends with one. */
function isWhole(head: string): boolean {
	const end = head.length;
	return (
		end >= 4 &&
		head.charCodeAt(end - 1) === LF &&
		head.charCodeAt(end - 2) === CR &&
		head.charCodeAt(end - 3) === LF &&
		head.charCodeAt(end - 4) === CR
	);
}

function tooLong(head: string, limits: HeadLimits): HttpRefusal {
	const lineEnd = head.indexOf('\r\n');
	return new HttpRefusal(lineEnd >= limits.headSizeMax ? 'TARGET_TOO_LONG' : 'HEAD_TOO_LARGE', limits.headSizeMax);
}

function startsFolded(head: string): boolean {
	const code = head.charCodeAt(0);
	return code === SP || code === HTAB || code === CR;
}

/** The frequent methods without a slice. */
function methodAt(head: string, end: number): string {
	const first = head.charCodeAt(0);
	if (end === 3 && first === 71 && head.charCodeAt(1) === 69 && head.charCodeAt(2) === 84) return 'GET';
	if (end === 4 && first === 80 && head.startsWith('POST')) return 'POST';
	if (end === 4 && first === 72 && head.startsWith('HEAD')) return 'HEAD';
	return head.slice(0, end);
}

/** Minor version (1 stands for every minor from 1 on) as 1, or 2 for 0; -1 not a version, -2 another major. */
function versionAt(head: string, at: number): number {
	if (
		head.charCodeAt(at) !== 72 ||
		head.charCodeAt(at + 1) !== 84 ||
		head.charCodeAt(at + 2) !== 84 ||
		head.charCodeAt(at + 3) !== 80 ||
		head.charCodeAt(at + 4) !== SLASH ||
		head.charCodeAt(at + 6) !== 46
	) {
		return -1;
	}
	const major = head.charCodeAt(at + 5) - 48;
	const minor = head.charCodeAt(at + 7) - 48;
	if (major < 0 || major > 9 || minor < 0 || minor > 9) return -1;
	if (major !== 1) return -2;
	return minor === 0 ? 2 : 1;
}

function versionRefusal(head: string, at: number, version: number): HttpRefusal {
	if (version === -2 && head.charCodeAt(at + 8) <= SP) return new HttpRefusal('VERSION_UNSUPPORTED', at);
	// Two spaces, or a space inside the target, also end up here: name those by what they are.
	const lineEnd = head.indexOf('\r\n', at);
	const rest = head.slice(at, lineEnd);
	if (rest.startsWith('HTTP/') && !rest.includes(' ')) return startLineRefusal(head, at, 'VERSION_INVALID');
	return startLineRefusal(head, at, rest.includes(' ') ? 'REQUEST_LINE_INVALID' : 'VERSION_INVALID');
}

/** A broken line end is named before what else a start line may lack. */
function startLineRefusal(head: string, position: number, code: RefusalCode): HttpRefusal {
	const byte = head.charCodeAt(position);
	if (byte === LF && head.charCodeAt(position - 1) !== CR) return new HttpRefusal('LF_WITHOUT_CR', position);
	if (byte === CR) {
		const whole = head.charCodeAt(position + 1) === LF;
		const shortLine = code === 'METHOD_INVALID' || code === 'TARGET_INVALID' ? 'REQUEST_LINE_INVALID' : code;
		return new HttpRefusal(whole ? shortLine : 'CR_WITHOUT_LF', position);
	}
	return new HttpRefusal(code, position);
}

function expectsNoPayload(method: string): boolean {
	return method === 'GET' || method === 'HEAD' || method === 'DELETE';
}

/**
 * As HAProxy: a port that goes without saying is said no more, neither in the target nor in Host, which then is the
 * target's authority. The target of CONNECT keeps its port, which belongs to its form.
 */
function normalizeAuthority(request: RequestHead): void {
	const { target, headers } = request;
	const isConnect = request.method === 'CONNECT';
	const authority = isConnect ? target : authorityOf(target);
	if (authority === undefined) return;
	const bare = withoutDefaultPort(authority, isConnect ? undefined : schemeOf(target));
	if (bare === undefined) return;
	if (!isConnect) request.target = withAuthority(target, bare);
	const index = headers.indexOf('host');
	if (index >= 0) headers.replaceAt(index, bare);
}

/** The form of the target, its authority, and Host (RFC 9112, sections 3.2 to 3.3). */
function checkHost(method: string, target: string, version: number, lenient: boolean): RefusalCode | undefined {
	const index = fieldNotes.hostIndex;
	const host = index < 0 ? undefined : fieldNotes.values[index]!;
	if (!lenient) {
		if (host === undefined) {
			if (version !== 10) return 'HOST_MISSING';
		} else if (!fieldNotes.hostIsValid) return 'HOST_INVALID';
	}
	if (method === 'CONNECT') {
		const colon = hostEnd(target, 0, target.length);
		if (colon <= 0 || colon >= target.length - 1) return 'AUTHORITY_INVALID';
		return host === undefined || sameAuthority(target, host, undefined) ? undefined : 'AUTHORITY_MISMATCH';
	}
	if (target.charCodeAt(0) === SLASH) return undefined;
	if (target === '*') return method === 'OPTIONS' ? undefined : 'TARGET_FORM';
	const start = authorityStart(target);
	if (start < 0) return 'TARGET_FORM';
	const end = authorityEnd(target, start);
	const colon = hostEnd(target, start, end);
	if (colon <= start) return 'AUTHORITY_INVALID';
	if (host === undefined) return undefined;
	const scheme = target.slice(0, start - 3);
	return sameAuthority(target.slice(start, end), host, scheme) ? undefined : 'AUTHORITY_MISMATCH';
}
