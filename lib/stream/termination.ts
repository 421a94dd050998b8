/**
 * Session state at disconnection (manual, 8.5): who ended a stream, and in which phase. The first cause
 * wins: what follows from it is not another one.
 */
import { Failure } from './exchange.js';

/** First character. */
export const Cause = {
	NONE: '-',
	CLIENT_ABORT: 'C',
	SERVER_ABORT: 'S',
	/** The proxy refused: a deny rule, a limit, a malformed message. */
	PROXY: 'P',
	/** A resource of the proxy ran out. */
	RESOURCE: 'R',
	INTERNAL: 'I',
	/** The server went down. */
	DOWN: 'D',
	/** A better server came up than the backup that served it. */
	UP: 'U',
	/** Answered by the proxy on purpose: `redirect`, `return`. */
	LOCAL: 'L',
	CLIENT_TIMEOUT: 'c',
	SERVER_TIMEOUT: 's',
	KILLED: 'K',
} as const;
export type Cause = (typeof Cause)[keyof typeof Cause];

/** Second character. */
export const Phase = {
	NONE: '-',
	/** Waiting for a complete, valid request. */
	REQUEST: 'R',
	QUEUE: 'Q',
	CONNECT: 'C',
	/** Waiting for the response headers. */
	HEADERS: 'H',
	DATA: 'D',
	/** The server has finished, the client is still reading. */
	LAST: 'L',
	TARPIT: 'T',
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

const CAUSES: Readonly<Record<Failure, Cause>> = {
	[Failure.CLIENT_ABORT]: Cause.CLIENT_ABORT,
	[Failure.CLIENT_TIMEOUT]: Cause.CLIENT_TIMEOUT,
	[Failure.CLIENT_MALFORMED]: Cause.PROXY,
	[Failure.CONNECT_REFUSED]: Cause.SERVER_ABORT,
	[Failure.CONNECT_TIMEOUT]: Cause.SERVER_TIMEOUT,
	[Failure.CONNECT_RESOURCE]: Cause.RESOURCE,
	[Failure.SERVER_CLOSED]: Cause.SERVER_ABORT,
	[Failure.SERVER_CLOSED_REUSED]: Cause.SERVER_ABORT,
	[Failure.SERVER_ABORT]: Cause.SERVER_ABORT,
	[Failure.SERVER_TIMEOUT]: Cause.SERVER_TIMEOUT,
	[Failure.SERVER_MALFORMED]: Cause.PROXY,
	[Failure.INTERNAL]: Cause.INTERNAL,
};

export function causeOf(failure: Failure): Cause {
	return CAUSES[failure];
}

/** What a server-side failure before the response makes of the request: the status the client is told. */
export function statusOf(failure: Failure): number {
	switch (failure) {
		case Failure.CLIENT_TIMEOUT:
			return 408;
		case Failure.CLIENT_MALFORMED:
			return 400;
		case Failure.CONNECT_REFUSED:
		case Failure.CONNECT_TIMEOUT:
		case Failure.CONNECT_RESOURCE:
			return 503;
		case Failure.SERVER_TIMEOUT:
			return 504;
		case Failure.INTERNAL:
			return 500;
		default:
			return 502;
	}
}

/**
 * What `dontlog-normal` logs and `log-separate-errors` raises (manual, 4.2): an error, a timeout, a retry, a redispatch or a
 * status of 5xx. What the proxy answers on purpose (`redirect`, `return`) is none.
 */
export function metTrouble(stream: {
	readonly cause: Cause;
	readonly retryCount: number;
	readonly redispatched: boolean;
	readonly statusCode: number;
}): boolean {
	if (stream.cause !== Cause.NONE && stream.cause !== Cause.LOCAL) return true;
	return stream.retryCount > 0 || stream.redispatched || stream.statusCode >= 500;
}
