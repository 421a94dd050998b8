/**
 * HTTP/1 heads: one latin1 string in, a RequestHead or ResponseHead out, or a refusal (RFC 9112).
 *
 * Taken is what HAProxy 2.6 takes, so that nobody's clients are refused who changes to this program; passed on is only
 * what has one meaning to everybody. What has a safe normal form is brought into it here: a bare LF ends a line as
 * CR LF does (RFC 9112, section 2.2), blanks in the start line become one space, folded lines are joined, the same
 * length or the same Host again is said once, Content-Length beside Transfer-Encoding goes and the connection closes
 * after the message (section 6.3). What has none is refused: names that are no tokens or do not touch their colon, a
 * CR alone, NUL, two lengths, two hosts, a coding that is not understood. test/fixtures/message-cases.ts has the whole
 * of it in rows, with HAProxy's answers and the few that differ.
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
	 * `accept-invalid-http-request`, `-response`: any visible byte in a target and in names of fields. What frames the
	 * message and ends its lines is judged as always, and other versions or protocols are not taken.
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

const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** `findHeadEnd`: the bytes so far are the start of a head. */
export const HEAD_INCOMPLETE = -1;
/** `findHeadEnd`: no continuation makes a head of these bytes; parse what is there to learn why. */
export const HEAD_BROKEN = -2;

/** Index of the first byte of a head after the empty lines that may precede it (RFC 9112, section 2.2), or a refusal. */
export function skipEmptyLines(buffer: Uint8Array, from: number): number | HttpRefusal {
	let position = from;
	for (;;) {
		if (buffer[position] === LF) position++;
		else if (buffer[position] !== CR || position + 1 === buffer.length) return position;
		else if (buffer[position + 1] !== LF) return new HttpRefusal('CR_WITHOUT_LF', position);
		else position += 2;
	}
}

/** The end of a head whose lines may end with a bare LF: an empty line of either kind. */
const EMPTY_LINE = /\n\r?\n/;

/**
 * Index just after the empty line that ends the head in `text`, or -1. It is the usual one, CR LF, if there is such:
 * a head that is refused may have ended before, see `firstHeadEnd`.
 */
export function headEnd(text: string): number {
	const usual = text.indexOf('\r\n\r\n');
	return usual >= 0 ? usual + 4 : firstHeadEnd(text);
}

/** The same for the first empty line of any kind. A head that parses well holds no other. */
export function firstHeadEnd(text: string): number {
	const match = EMPTY_LINE.exec(text);
	return match === null ? -1 : match.index + match[0].length;
}

/**
 * Index just after the empty line that ends the head, HEAD_INCOMPLETE or HEAD_BROKEN. `start` is the first
 * byte of the start line, `from` how far an earlier call has looked (the buffer's length then), so that all
 * calls together look at each byte a bounded number of times however the bytes come.
 */
export function findHeadEnd(buffer: Buffer, start: number, from = start): number {
	const found = buffer.indexOf(END_OF_HEAD, Math.max(start, from - 3));
	if (found >= 0) return found + 4;
	// Not complete: see whether it ever can be, or who sends what is no head would wait for a timeout.
	let afterLine = false;
	for (let i = Math.max(start, from - 2); i < buffer.length; i++) {
		const byte = buffer[i];
		if (byte === LF) {
			if (afterLine) return i + 1;
			afterLine = true;
		} else if (byte === CR) {
			if (i + 1 < buffer.length && buffer[i + 1] !== LF) return HEAD_BROKEN;
		} else if (byte === 0) return HEAD_BROKEN;
		else afterLine = false;
	}
	return HEAD_INCOMPLETE;
}

/** The refusal of a head that fills its limit without ending: 414 while in its first line, else 431. */
export function oversizedHead(
	buffer: Buffer,
	start: number,
	headSizeMax: number = DEFAULT_HEAD_LIMITS.headSizeMax,
): HttpRefusal {
	const lineEnd = buffer.indexOf(LF, start);
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
	const httpVersion = lineVersion >= 11 ? 11 : 10;
	const saidVersion = lineVersion;
	if (!parseFields(head, lineEnd, limits.headerCountMax - 1, lenient)) return takeRefusal();
	const hostCode = checkHost(method, target);
	if (hostCode !== undefined) return new HttpRefusal(hostCode, method.length + 1);
	const framing = framingOfRequest();
	if (isRefusal(framing)) return framing;
	if (httpVersion === 10 && framing !== NO_BODY && limits.payloadWithAnyMethod !== true) {
		if (expectsNoPayload(method) && !(framing.kind === 'length' && framing.length === 0)) {
			return new HttpRefusal('PAYLOAD_UNEXPECTED', fieldNotes.framingPosition);
		}
	}
	const { names, values, section, connection, hasHopByHop, hasUpgrade, lengthIndex, codingIndex } = fieldNotes;
	const headers = new HeaderList(names, values, section);
	const request = new RequestHead(method, target, httpVersion, headers, framing, connection);
	if (saidVersion !== httpVersion) request.saidVersion = `${Math.floor(saidVersion / 10)}.${saidVersion % 10}`;
	if (codingIndex >= 0 && (lengthIndex >= 0 || httpVersion === 10)) {
		// Who says both, or uses what HTTP/1.0 does not have, may have been talked into it: what follows on this
		// connection is not believed (RFC 9112, sections 6.1 and 6.3).
		headers.remove('content-length');
		request.connection |= ConnectionOption.CLOSE;
	}
	if (hasHopByHop) removeHopByHop(headers);
	if (hasUpgrade || (connection & ConnectionOption.UPGRADE) !== 0) settleUpgrade(request);
	if (target.charCodeAt(0) !== SLASH) normalizeAuthority(request);
	return request;
}

let lineMethod = '';
let lineTarget = '';
/** Major and minor version, 11 for HTTP/1.1. */
let lineVersion = 11;
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
	if (version < 0) return false;
	const target = head.slice(methodEnd + 1, targetEnd);
	if (target !== '/' && !TARGET_TEXT.test(target)) return false;
	const method = methodAt(head, methodEnd);
	if (method !== 'GET' && !isToken(method)) return false;
	lineMethod = method;
	lineTarget = target;
	lineVersion = version;
	lineEnd = end + 2;
	return method !== 'PRI' || version !== 20;
}

/** `acceptInvalid`: a target of any visible bytes, those beyond ASCII included, but for `*` and other forms without a path. */
function cutLenientRequestLine(head: string): boolean {
	const match = /^([^ \t]+)[ \t]+([\x21-\x7e\x80-\xff]+)[ \t]+HTTP\/1\.(\d)\r?\n/.exec(head);
	if (match === null || !isToken(match[1] as string)) return false;
	lineMethod = match[1] as string;
	lineTarget = match[2] as string;
	lineVersion = match[3] === '0' ? 10 : 11;
	lineEnd = match[0].length;
	return true;
}

/** The same by the letter: method, target and version, parted by blanks, each part checked as it is passed. */
function parseRequestLineExactly(head: string): HttpRefusal | undefined {
	let position = 0;
	while ((CHAR_CLASSES[head.charCodeAt(position)]! & CharClass.TOKEN) !== 0) position++;
	if (position === 0) return new HttpRefusal(startsFolded(head) ? 'REQUEST_LINE_INVALID' : 'METHOD_INVALID', 0);
	if (!isBlankAt(head, position)) return startLineRefusal(head, position, 'METHOD_INVALID');
	lineMethod = methodAt(head, position);
	const targetStart = afterBlanks(head, position);
	position = targetStart;
	while ((CHAR_CLASSES[head.charCodeAt(position)]! & CharClass.TARGET) !== 0) position++;
	if (!isBlankAt(head, position)) return startLineRefusal(head, position, 'TARGET_INVALID');
	if (position === targetStart) return new HttpRefusal('REQUEST_LINE_INVALID', position);
	lineTarget = head.slice(targetStart, position);
	position = afterBlanks(head, position);
	const version = versionAt(head, position);
	if (version < 0) return versionRefusal(head, position);
	// The first line of HTTP/2's preface (RFC 9113, section 3.4) is no request of HTTP/1.
	if (lineMethod === 'PRI' && version === 20) return new HttpRefusal('VERSION_UNSUPPORTED', position);
	lineVersion = version;
	position += 8;
	lineEnd = afterLine(head, position);
	return lineEnd < 0 ? startLineRefusal(head, position, 'VERSION_INVALID') : undefined;
}

/**
 * A response head; `requestMethod` decides with the status how the body ends (RFC 9112, section 6.3).
 */
export function parseResponseHead(head: string, limits: HeadLimits, requestMethod = 'GET'): ResponseHead | HttpRefusal {
	if (!isWhole(head)) return new HttpRefusal('HEAD_INCOMPLETE', head.length);
	if (head.length > limits.headSizeMax) return new HttpRefusal('HEAD_TOO_LARGE', limits.headSizeMax);
	const version = versionAt(head, 0);
	if (version < 0) return new HttpRefusal('STATUS_LINE_INVALID', 0);
	if (!isBlankAt(head, 8)) return startLineRefusal(head, 8, 'STATUS_LINE_INVALID');
	let position = afterBlanks(head, 8);
	const hundreds = head.charCodeAt(position) - 48;
	const tens = head.charCodeAt(position + 1) - 48;
	const units = head.charCodeAt(position + 2) - 48;
	if (hundreds < 1 || hundreds > 9 || tens < 0 || tens > 9 || units < 0 || units > 9) {
		return startLineRefusal(head, position, 'STATUS_INVALID');
	}
	const status = hundreds * 100 + tens * 10 + units;
	// The space before an empty reason is often left out; RFC 9112, section 4, wants it.
	position += 3;
	let reason = '';
	const hasReason = isBlankAt(head, position);
	if (hasReason) {
		const reasonStart = ++position;
		while ((CHAR_CLASSES[head.charCodeAt(position)]! & CharClass.RECEIVED) !== 0) position++;
		if (position > reasonStart) reason = head.slice(reasonStart, position);
	}
	const fieldsAt = afterLine(head, position);
	if (fieldsAt < 0) return startLineRefusal(head, position, hasReason ? 'REASON_INVALID' : 'STATUS_INVALID');

	if (!parseFields(head, fieldsAt, limits.headerCountMax - 1, limits.acceptInvalid)) return takeRefusal();
	const framing = framingOfResponse(status, requestMethod);
	if (isRefusal(framing)) return framing;
	const { names, values, section, connection, hasHopByHop, hasUpgrade, lengthIndex, codingIndex } = fieldNotes;
	const headers = new HeaderList(names, values, section);
	const response = new ResponseHead(status, reason, version >= 11 ? 11 : 10, headers, framing, connection);
	if ((lengthIndex >= 0 || codingIndex >= 0) && hasNoFraming(status, requestMethod)) {
		headers.remove('content-length');
		headers.remove('transfer-encoding');
	}
	if (codingIndex >= 0 && lengthIndex >= 0) {
		headers.remove('content-length');
		response.connection |= ConnectionOption.CLOSE;
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

/** The loops below stop at a line end and never run off the end of a head that ends with an empty line. */
function isWhole(head: string): boolean {
	const end = head.length;
	if (end < 2 || head.charCodeAt(end - 1) !== LF) return false;
	return head.charCodeAt(head.charCodeAt(end - 2) === CR ? end - 3 : end - 2) === LF;
}

function isBlankAt(head: string, at: number): boolean {
	const code = head.charCodeAt(at);
	return code === SP || code === HTAB;
}

function afterBlanks(head: string, at: number): number {
	let position = at;
	while (isBlankAt(head, position)) position++;
	return position;
}

/** Index after the line end that stands at `at`, CR LF or LF, or -1 if none does. */
function afterLine(head: string, at: number): number {
	const code = head.charCodeAt(at);
	if (code === LF) return at + 1;
	return code === CR && head.charCodeAt(at + 1) === LF ? at + 2 : -1;
}

function tooLong(head: string, limits: HeadLimits): HttpRefusal {
	const lineEnd = head.indexOf('\n');
	return new HttpRefusal(lineEnd >= limits.headSizeMax ? 'TARGET_TOO_LONG' : 'HEAD_TOO_LARGE', limits.headSizeMax);
}

function startsFolded(head: string): boolean {
	const code = head.charCodeAt(0);
	return code === SP || code === HTAB || code === CR || code === LF;
}

/** The frequent methods without a slice. */
function methodAt(head: string, end: number): string {
	const first = head.charCodeAt(0);
	if (end === 3 && first === 71 && head.charCodeAt(1) === 69 && head.charCodeAt(2) === 84) return 'GET';
	if (end === 4 && first === 80 && head.startsWith('POST')) return 'POST';
	if (end === 4 && first === 72 && head.startsWith('HEAD')) return 'HEAD';
	return head.slice(0, end);
}

/** Major and minor version of one digit each as a number of two, or -1. Any is taken, as HAProxy does: from 1.1 on it is 1.1. */
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
	return major < 0 || major > 9 || minor < 0 || minor > 9 ? -1 : major * 10 + minor;
}

function versionRefusal(head: string, at: number): HttpRefusal {
	// A space inside the target also ends up here: named by what it is.
	const rest = head.slice(at, head.indexOf('\n', at));
	return startLineRefusal(head, at, rest.includes(' ') ? 'REQUEST_LINE_INVALID' : 'VERSION_INVALID');
}

/** A line end that is broken or too early is named before what else a start line may lack. */
function startLineRefusal(head: string, position: number, code: RefusalCode): HttpRefusal {
	const byte = head.charCodeAt(position);
	if (byte === CR && head.charCodeAt(position + 1) !== LF) return new HttpRefusal('CR_WITHOUT_LF', position);
	if ((byte === CR || byte === LF) && (code === 'METHOD_INVALID' || code === 'TARGET_INVALID')) {
		return new HttpRefusal('REQUEST_LINE_INVALID', position);
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

/**
 * The form of the target, and whether its authority is that of Host (RFC 9112, sections 3.2 to 3.3). What stands in
 * Host beside a path is not judged, nor is it missed, as in HAProxy: who routes by it has rules for it.
 */
function checkHost(method: string, target: string): RefusalCode | undefined {
	const index = fieldNotes.hostIndex;
	const host = index < 0 ? undefined : fieldNotes.values[index]!;
	if (method === 'CONNECT') {
		const colon = hostEnd(target, 0, target.length);
		if (colon <= 0 || colon >= target.length - 1) return 'AUTHORITY_INVALID';
		return host === undefined || sameAuthority(target, host, undefined) ? undefined : 'AUTHORITY_MISMATCH';
	}
	if (target.charCodeAt(0) === SLASH || target === '*') return undefined;
	const schemeEnd = authorityStart(target);
	if (schemeEnd < 0) return 'TARGET_FORM';
	const end = authorityEnd(target, schemeEnd);
	// Who asks is no part of whom is asked (RFC 3986, section 3.2.1).
	const start = target.lastIndexOf('@', end - 1) + 1 || schemeEnd;
	if (start > end || start < schemeEnd) return 'AUTHORITY_INVALID';
	const colon = hostEnd(target, start, end);
	if (colon <= start) return 'AUTHORITY_INVALID';
	if (host === undefined) return undefined;
	const scheme = target.slice(0, schemeEnd - 3);
	return sameAuthority(target.slice(start, end), host, scheme) ? undefined : 'AUTHORITY_MISMATCH';
}
