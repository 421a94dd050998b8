/**
 * Why a message is refused: every reason of the HTTP/1 codec in one table, with the status the client gets
 * and the words the log gets. A refusal is a value, not an exception: malformed traffic is ordinary traffic.
 *
 * HAProxy 2.6 answers most of these with 400, a transfer coding that it does not speak with 422; 414, 431 and 505 say
 * more precisely what was wrong (RFC 9110, section 15). A refused response is always a 502 to the client, whatever the row says.
 */
export const REFUSALS = {
	// Lines and the head as a whole
	LF_WITHOUT_CR: [400, 'line feed without carriage return'],
	CR_WITHOUT_LF: [400, 'carriage return without line feed'],
	HEAD_INCOMPLETE: [400, 'head does not end with an empty line'],
	TOO_MANY_EMPTY_LINES: [400, 'too many empty lines before the request'],
	TARGET_TOO_LONG: [414, 'request line does not fit in the buffer'],
	HEAD_TOO_LARGE: [431, 'head does not fit in the buffer'],
	TOO_MANY_HEADERS: [431, 'too many header fields'],
	// Start line
	METHOD_INVALID: [400, 'method is not a token'],
	REQUEST_LINE_INVALID: [400, 'request line is not method, target and version parted by one space each'],
	VERSION_INVALID: [400, 'not an HTTP version'],
	VERSION_UNSUPPORTED: [505, 'HTTP major version is not 1'],
	STATUS_LINE_INVALID: [400, 'status line is not version, status and reason'],
	STATUS_INVALID: [400, 'status is not a number of three digits from 100 on'],
	REASON_INVALID: [400, 'control character in the reason'],
	TARGET_INVALID: [400, 'character not allowed in the request target'],
	TARGET_FORM: [400, 'request target has none of the four forms'],
	AUTHORITY_INVALID: [400, 'invalid authority in the request target'],
	AUTHORITY_MISMATCH: [400, 'request target and Host name different authorities'],
	// Header fields
	NAME_EMPTY: [400, 'empty header name'],
	NAME_INVALID: [400, 'header name is not a token directly followed by a colon'],
	FOLDED_LINE: [400, 'folded header line'],
	VALUE_INVALID: [400, 'control character in a header value'],
	HOST_MISSING: [400, 'no Host in an HTTP/1.1 request'],
	HOST_REPEATED: [400, 'more than one Host'],
	HOST_INVALID: [400, 'invalid Host'],
	// Framing
	LENGTH_INVALID: [400, 'Content-Length is not a plain number'],
	LENGTH_REPEATED: [400, 'more than one Content-Length'],
	LENGTH_AND_CODING: [400, 'both Content-Length and Transfer-Encoding'],
	CODING_INVALID: [400, 'Transfer-Encoding does not end in one chunked'],
	CODING_UNSUPPORTED: [422, 'transfer coding other than chunked'],
	CODING_IN_HTTP_10: [400, 'Transfer-Encoding in an HTTP/1.0 request'],
	PAYLOAD_UNEXPECTED: [413, 'payload in an HTTP/1.0 GET, HEAD or DELETE'],
	// Chunked bodies
	CHUNK_SIZE_INVALID: [400, 'chunk size is not a hexadecimal number'],
	CHUNK_SIZE_TOO_LARGE: [400, 'chunk size over 2^53'],
	CHUNK_EXTENSION_INVALID: [400, 'invalid chunk extension'],
	CHUNK_EXTENSIONS_TOO_LARGE: [413, 'too many bytes of chunk extensions'],
	CHUNK_END_INVALID: [400, 'chunk data not followed by CR LF'],
	TRAILERS_TOO_LARGE: [431, 'trailers do not fit in their limit'],
	TRAILER_FORBIDDEN: [400, 'field not allowed as a trailer'],
	// Protocol upgrades (responses)
	UPGRADE_UNASKED: [502, '101 to a request that did not ask for an upgrade'],
	UPGRADE_INVALID: [502, 'WebSocket handshake not accepted by the server'],
} as const satisfies Readonly<Record<string, readonly [number, string]>>;

export type RefusalCode = keyof typeof REFUSALS;
export type RefusalStatus = (typeof REFUSALS)[RefusalCode][0];

export class HttpRefusal {
	/** For `isRefusal`; no head and no framing has it. */
	readonly isRefusal = true;
	readonly code: RefusalCode;
	/** What the client of a refused request is answered; for a refused response answer 502 instead. */
	readonly status: RefusalStatus;
	/** A few words for the log; never bytes of the message. */
	readonly reason: string;
	/** Offset of the offending byte in what was parsed, for the log and `show errors`. */
	readonly position: number;

	constructor(code: RefusalCode, position: number) {
		this.code = code;
		this.status = REFUSALS[code][0];
		this.reason = REFUSALS[code][1];
		this.position = position;
	}
}

/** `instanceof` for hot paths: the answer of a parser, told by one field instead of by a walk up its prototypes. */
export function isRefusal(parsed: object): parsed is HttpRefusal {
	return (parsed as { readonly isRefusal?: boolean }).isRefusal === true;
}
