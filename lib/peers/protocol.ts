/**
 * The numbers of HAProxy's peers protocol 2.1, and nothing else. They are on the wire between programs of
 * different makers and ages, so every table here is append-only: a number is never reused and never changes
 * its meaning. Types are derived from the tables; no other file of this folder spells a number. The numbers
 * of the stored data types stand in `stick-table/data-types.ts`, with everything else about them.
 *
 * Sections named in the comments of this folder ("section 11") are those of the protocol description that
 * this implementation was written from; the order of a conversation is: hello and status (3), then framed
 * messages (5): definitions (6), updates (7, 8), acknowledgements (10), control messages (11, 12).
 */

/** First line of the hello; also what tells a peer from a browser that came to the wrong port. */
export const PROTOCOL_NAME = 'HAProxyS';
export const PROTOCOL_MAJOR = 2;
/** Minor 1 added timed updates and table parameters; minor 0 is still understood (section 3.5). */
export const PROTOCOL_MINOR = 1;

/** Status codes the acceptor of a connection answers with (section 3.3). Append-only. */
export const STATUS = {
	SUCCESS: 200,
	TRY_AGAIN: 300,
	PROTOCOL: 501,
	VERSION: 502,
	/** The caller does not call us by our name. */
	LOCAL_NAME: 503,
	/** We have no peer of the caller's name. */
	REMOTE_NAME: 504,
} as const;
export type StatusCode = (typeof STATUS)[keyof typeof STATUS];

/** First byte of a message (section 5). Append-only. */
export const MESSAGE_CLASS = {
	CONTROL: 0,
	ERROR: 1,
	STICK_TABLE: 10,
	/**
	 * Ours. HAProxy skips classes it does not know (all but 255), so two Holdfast nodes can recognise each
	 * other inside a conversation that an unmodified HAProxy also understands.
	 */
	HOLDFAST: 72,
	/** Never sent; receiving it is a protocol error. */
	RESERVED: 255,
} as const;

/** Second byte of a control message, which is two bytes long. Append-only. */
export const CONTROL = {
	RESYNC_REQUEST: 0,
	RESYNC_FINISHED: 1,
	RESYNC_PARTIAL: 2,
	RESYNC_CONFIRM: 3,
	HEARTBEAT: 4,
} as const;
export type ControlType = (typeof CONTROL)[keyof typeof CONTROL];

/** Second byte of an error message: what the sender found before it closes. Append-only. */
export const ERROR_MESSAGE = {
	PROTOCOL: 0,
	SIZE_LIMIT: 1,
} as const;
export type ErrorMessageType = (typeof ERROR_MESSAGE)[keyof typeof ERROR_MESSAGE];

/** Second byte of a stick-table message; from 128 on a length and a body follow. Append-only. */
export const STICK_TABLE_MESSAGE = {
	UPDATE: 0x80,
	INCREMENTAL_UPDATE: 0x81,
	DEFINITION: 0x82,
	SWITCH: 0x83,
	ACKNOWLEDGEMENT: 0x84,
	TIMED_UPDATE: 0x85,
	INCREMENTAL_TIMED_UPDATE: 0x86,
} as const;

/** Second byte of a message of our own class. Append-only. */
export const HOLDFAST_MESSAGE = {
	/** Body: one varint, a set of `FEATURE` bits. First message of a session between two Holdfast nodes. */
	FEATURES: 0x80,
	/** Body: none, as of the next two. Tell me the shares of sums that you know (lib/aggregate/shares.ts). */
	SHARES_REQUEST: 0x01,
	/** Every share that I know was sent, but for the one that I count myself. */
	SHARES_TOLD: 0x02,
	/** What I count myself was sent whole; from now on its changes follow. */
	OWN_SHARE_TOLD: 0x03,
} as const;
export type ShareMessageType = (typeof HOLDFAST_MESSAGE)['SHARES_REQUEST' | 'SHARES_TOLD' | 'OWN_SHARE_TOLD'];

/** Bits of `HOLDFAST_MESSAGE.FEATURES`. Append-only. */
export const FEATURE = {
	/**
	 * The node settles conflicts by name: of two nodes that changed the same entry without knowing of each
	 * other, the one whose name sorts first keeps its value (session.ts).
	 */
	CONFLICTS_BY_NAME: 1,
	/** The node keeps the share of each origin of summed tables apart, and tells what it knows of others' shares. */
	SHARES: 2,
} as const;

/** Key types in a table definition (section 6.1). 0, 1 and 3 exist in HAProxy but match no table. */
export const KEY_TYPE = {
	integer: 2,
	ip: 4,
	ipv6: 5,
	string: 6,
	binary: 7,
} as const;
export type KeyTypeName = keyof typeof KEY_TYPE;

/** Slots of the `server_key` dictionary, in each direction; ids are 1 to 128 (section 8.4). */
export const DICTIONARY_SLOTS = 128;
/**
 * The longest `server_key` we send or keep. Server names and addresses are far below; without a limit one
 * hostile value fills a message, and the table that learned it can no longer teach the entry on.
 */
export const MAX_SERVER_KEY_BYTES = 512;

/**
 * What HAProxy announces for `type string` without `len`, 32 bytes and a terminator, and what HAProxy 2.6 does:
 * its default forgets the terminator, so keys have 31 bytes there (seen with 2.6.12; `len 32` is right in it).
 */
export const DEFAULT_STRING_KEY_SIZE = 33;
export const OLD_DEFAULT_STRING_KEY_SIZE = 32;

/** A whole message, header and length included (section 5): what every known receiver can hold. */
export const MAX_MESSAGE_BYTES = 16384;
/** The length before a body has at most this many bytes; longer is a protocol error. */
export const MAX_LENGTH_BYTES = 5;
/** A line of the hello or the status, LF included. Names are short; more than this is no peer. */
export const MAX_HELLO_LINE_BYTES = 1024;
/** Longest table name a definition may carry and still be compared; longer ones match nothing. */
export const MAX_TABLE_NAME_BYTES = 4096;

/** Section 17, milliseconds. */
export const TIMING = {
	/** Nothing was pushed for this long: send a heartbeat. */
	heartbeatMs: 3000,
	/** Nothing was received for this long on an established session: close. */
	receiveTimeoutMs: 5000,
	/** No complete hello or status: close. */
	handshakeTimeoutMs: 5000,
	connectTimeoutMs: 3000,
	/** Dial again this long after the last attempt, or the last heartbeat of a session that was lost. */
	reconnectMs: 5000,
	/** The same between a stopping process and its local peer. */
	localReconnectMs: 500,
	/** How long a lesson may be waited for (section 12). */
	resyncMs: 5000,
	/** After dropping a session: at least this, plus a random part below `redialRandomMs`. */
	redialMinMs: 50,
	redialRandomMs: 2000,
} as const;

/** Updates pushed in one pass of a session before others get their turn; `tune.peers.max-updates-at-once`. */
export const MAX_UPDATES_AT_ONCE = 200;

/** What a session found wrong; decides what the other side is told before the close (section 9.5). */
export type ProtocolFault = 'protocol' | 'size-limit';

export const FAULT_MESSAGE: Readonly<Record<ProtocolFault, ErrorMessageType>> = {
	protocol: ERROR_MESSAGE.PROTOCOL,
	'size-limit': ERROR_MESSAGE.SIZE_LIMIT,
};

/** Malformed input from a peer: expected trouble, thrown by the decoder and handled by the session. */
export class PeersProtocolError extends Error {
	override readonly name = 'PeersProtocolError';
	readonly fault: ProtocolFault;

	constructor(fault: ProtocolFault, detail: string) {
		super(detail);
		this.fault = fault;
	}
}
