/**
 * What connections of HTTP/2 count, as HAProxy's statistics name it (`h2_*` of `show stat`): places in a row of numbers
 * that belongs to a proxy and that all its connections share.
 */
export const H2Tally = {
	HEADERS: 0,
	DATA: 1,
	SETTINGS: 2,
	RESETS: 3,
	GOAWAYS: 4,
	/** Rules of the connection that the peer has broken, and of a stream. */
	CONNECTION_ERRORS: 5,
	STREAM_ERRORS: 6,
	/** RST_STREAM and GOAWAY that this made us say. */
	RESETS_SENT: 7,
	GOAWAYS_SENT: 8,
	OPEN_CONNECTIONS: 9,
	OPEN_STREAMS: 10,
	CONNECTIONS: 11,
	STREAMS: 12,
} as const;

export const H2_TALLY_LENGTH = Object.keys(H2Tally).length;

/** Numbers, and where in them those of a tally begin. */
export interface Tallied {
	readonly row: Float64Array;
	readonly at: number;
}

/** For connections whose frames nobody asks about. */
export const NO_TALLY: Tallied = { row: new Float64Array(H2_TALLY_LENGTH), at: 0 };
