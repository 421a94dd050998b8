/**
 * Heads as bytes for the next hop: one latin1 string, ready to be written together with what follows it.
 *
 * What the head says about its body and its connection is written here from what the engine knows, never
 * from what a rule left in the fields: framing fields appear once and agree with the body that follows, and
 * `close` and `keep-alive` are this hop's own. The words are those HAProxy 2.6 was seen to use:
 *
 *     to a server    HTTP/1.1: nothing, or `connection: close`       HTTP/1.0: `connection: keep-alive`, or nothing
 *     to a client    of HTTP/1.1: nothing, or `connection: close`    of HTTP/1.0: always one of the two
 *     a response that a server sent as HTTP/1.0 keeps its version, and with it the reversed default
 *
 * Nothing here fails under traffic. Bytes that must not stand in a target are percent-encoded, a reason with
 * a control byte is left out; header values are made harmless where they enter a HeaderList.
 */
import { HoldfastError } from '../core/errors.js';
import { CHAR_CLASSES, CharClass, isFieldValue, isToken } from './characters.js';
import { connectionBitsOf } from './connection.js';
import { type BodyFraming, ConnectionOption, type HeaderList, type RequestHead, type ResponseHead } from './message.js';
import { standardReason } from './status.js';
import { authorityStart, pathStart } from './uri.js';

export interface RequestOptions {
	/** The server is told that this is the last request of its connection. */
	readonly close: boolean;
}

export interface ResponseOptions {
	/** Says `keep-alive` aloud: a client of HTTP/1.0 that asked for it. */
	readonly keepAlive: boolean;
	/** Says `close`. */
	readonly close: boolean;
	/** The client speaks HTTP/1.0: a chunked body is sent as its payload alone, ended by the close. */
	readonly dechunk: boolean;
}

export interface LocalReplyHead {
	readonly status: number;
	readonly reason: string;
	readonly headers: HeaderList;
	readonly body: Buffer;
}

const NEITHER = 0;
const KEEP_ALIVE = 1;
const CLOSE = 2;

/** The head of a request to a server; the body follows as `head.framing` says. */
export function serializeRequest(head: RequestHead, options: RequestOptions): string {
	const { method, framing, version } = head;
	if (method !== 'GET' && !isToken(method)) throw new HoldfastError('HTTP_MALFORMED', 'method is not a token');
	const oldServer = version === 10;
	const target = requestTarget(head);
	const startLine = `${method} ${target}${oldServer ? ' HTTP/1.0\r\n' : ' HTTP/1.1\r\n'}`;
	const says = options.close ? (oldServer ? NEITHER : CLOSE) : oldServer ? KEEP_ALIVE : NEITHER;
	return startLine + fieldLines(head.headers, framing, false, says);
}

/** What a server is asked for, in the form that its protocol wants: HTTP/2 gives the host apart. */
export function requestTarget({ method, target, version }: RequestHead, isForH2 = false): string {
	if (version !== 20 && !isForH2) return safeTarget(target);
	const path = originForm(target);
	// The asterisk is OPTIONS's own; to others, no path is the shortest one (RFC 9110, section 4.2.3).
	return safeTarget(path === '*' && method !== 'OPTIONS' ? `/${target.slice(target.indexOf('?') >>> 0)}` : path);
}

/** The head of a response to a client; `head.framing` says how its body follows, unless it is dechunked. */
export function serializeResponse(head: ResponseHead, options: ResponseOptions): string {
	const { status, version, framing } = head;
	const interim = status < 200;
	const oldServer = version === 10 && !interim;
	const startLine = statusLine(oldServer ? 'HTTP/1.0' : 'HTTP/1.1', status, head.reason);
	let says = NEITHER;
	if (options.close) {
		if (!oldServer) says = CLOSE;
	} else if (options.keepAlive || oldServer) says = KEEP_ALIVE;
	// Without a body the fields may still tell of one: HEAD and 304 (RFC 9110, section 8.6).
	const describes = framing.kind === 'none' && (status === 304 || (!interim && status !== 204));
	return startLine + fieldLines(head.headers, options.dechunk ? CLOSE_DELIMITED : framing, describes, says);
}

export interface LocalReplyOptions extends Omit<ResponseOptions, 'dechunk'> {
	/** The body follows in pieces whose sum nobody knows: chunked, or to the end of the connection. */
	readonly streamed?: 'chunked' | 'until-close';
}

/**
 * The head of an answer made here. `content-length` stands where the reply has it, since HAProxy's order differs from
 * one kind of reply to the other (first in an error page, after the fields of a rule), and last if it has none.
 */
export function serializeLocalReply(reply: LocalReplyHead, options: LocalReplyOptions): string {
	const { status } = reply;
	const reason = reply.reason === '' ? standardReason(status) : reply.reason;
	const bodiless = status < 200 || status === 204 || status === 304;
	const { streamed } = options;
	const says = options.close ? CLOSE : options.keepAlive ? KEEP_ALIVE : NEITHER;
	const framing: BodyFraming =
		streamed === 'chunked'
			? CHUNKED
			: bodiless || streamed !== undefined
				? CLOSE_DELIMITED
				: { kind: 'length', length: reply.body.length };
	return statusLine('HTTP/1.1', status, reason) + fieldLines(reply.headers, framing, false, says);
}

/** True if a rule has set `Connection: close`, which ends the connection after this message as in HAProxy. */
export function saysClose(headers: HeaderList): boolean {
	for (let index = headers.indexOf('connection'); index >= 0; index = headers.indexOf('connection', index + 1)) {
		if ((connectionBitsOf(headers.values[index]!) & ConnectionOption.CLOSE) !== 0) return true;
	}
	return false;
}

const CLOSE_DELIMITED: BodyFraming = { kind: 'close' };
const CHUNKED: BodyFraming = { kind: 'chunked' };

/** The last one made: nearly all are alike. */
let lastVersion = '';
let lastStatus = 0;
let lastReason = '';
let lastStatusLine = '';

function statusLine(version: string, status: number, reason: string): string {
	if (status !== lastStatus || reason !== lastReason || version !== lastVersion) {
		lastStatusLine = `${version} ${status} ${isFieldValue(reason) ? reason : ''}\r\n`;
		lastVersion = version;
		lastStatus = status;
		lastReason = reason;
	}
	return lastStatusLine;
}

/**
 * The lines of fields that came like this before, and were written to the same kind of message, are those written
 * then. What they depend on beside the fields is the form and, with a length, the length.
 */
function fieldLines(headers: HeaderList, framing: BodyFraming, describes: boolean, says: number): string {
	const { section } = headers;
	if (section === undefined) return makeLines(headers, framing, describes, says);
	const { kind } = framing;
	const length = kind === 'length' ? framing.length : 0;
	const framed = describes || kind === 'none' || kind === 'close' ? 0 : kind === 'length' ? 1 : 2;
	const form = says | (framed << 2) | (describes ? 16 : 0);
	if (section.linesForm !== form || section.linesLength !== length) {
		section.lines = makeLines(headers, framing, describes, says);
		section.linesForm = form;
		section.linesLength = length;
	}
	return section.lines;
}

/**
 * All fields and the empty line. `describes`: framing fields are kept as they are, since no body follows
 * that they could contradict; otherwise they are this framing's own, in the place of the first that came.
 * Joining an array of lines takes half the time of adding them one to the other.
 */
function makeLines(headers: HeaderList, framing: BodyFraming, describes: boolean, says: number): string {
	const { names, values } = headers;
	const lines: string[] = [];
	let framingDue = framing.kind === 'length' || framing.kind === 'chunked';
	let isUpgrade = false;
	for (let i = 0; i < names.length; i++) {
		const name = names[i]!;
		if (name === 'content-length' || name === 'transfer-encoding') {
			if (describes) lines.push(`${name}: ${values[i]}`);
			else if (framingDue) {
				lines.push(framingLine(framing));
				framingDue = false;
			}
		} else if (name === 'connection') {
			const value = withoutHopOptions(values[i]!);
			if (value !== '') {
				lines.push(`connection: ${value}`);
				isUpgrade ||= (connectionBitsOf(value) & ConnectionOption.UPGRADE) !== 0;
			}
		} else lines.push(`${name}: ${values[i]}`);
	}
	if (framingDue) lines.push(framingLine(framing));
	// A connection about to become a tunnel neither closes nor is kept.
	if (says !== NEITHER && !isUpgrade) lines.push(says === CLOSE ? 'connection: close' : 'connection: keep-alive');
	return lines.length === 0 ? '\r\n' : `${lines.join('\r\n')}\r\n\r\n`;
}

function framingLine(framing: BodyFraming): string {
	return framing.kind === 'length' ? `content-length: ${framing.length}` : 'transfer-encoding: chunked';
}

/** A Connection value that a rule set or an upgrade left, without the two options that are written apart. */
function withoutHopOptions(value: string): string {
	if ((connectionBitsOf(value) & (ConnectionOption.CLOSE | ConnectionOption.KEEP_ALIVE)) === 0) return value;
	return value
		.split(',')
		.map((part) => part.trim())
		.filter((token) => !/^(?:close|keep-alive)$/i.test(token))
		.join(', ');
}

/** A request of HTTP/2 names the whole URI; servers of HTTP/1 are asked for its path (RFC 9112, section 3.2.1). */
function originForm(target: string): string {
	const start = pathStart(target);
	if (start >= 0) return start > 0 ? target.slice(start) : target;
	return authorityStart(target) < 0 ? target : '*';
}

/** The target with every byte that must not stand there percent-encoded; nearly always the target itself. */
function safeTarget(target: string): string {
	for (let i = 0; i < target.length; i++) {
		const code = target.charCodeAt(i);
		if (code > 255 || (CHAR_CLASSES[code]! & CharClass.TARGET) === 0) return encodeTarget(target);
	}
	return target === '' ? '/' : target;
}

function encodeTarget(target: string): string {
	let encoded = '';
	for (const byte of Buffer.from(target, 'latin1')) {
		if ((CHAR_CLASSES[byte]! & CharClass.TARGET) !== 0) encoded += String.fromCharCode(byte);
		else encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
	}
	return encoded;
}
