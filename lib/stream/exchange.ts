/**
 * The border between the life of a request (stream.ts, steps.ts) and the engine that moves its bytes.
 *
 * One exchange is one request and its response as an engine sees them: the native engine (native/) speaks
 * HTTP/1 on sockets, the node engine (node/) stands on Node's http servers and http-proxy. An engine knows
 * framing, sockets, idle connections and back-pressure; it does not know rules, backends' choice, retries,
 * counters or logs. A stream knows those and no socket.
 *
 * How the two talk, in order:
 *
 *     engine: a head is parsed        -> new Stream(session, exchange, head, framing, nowMs); stream.start(nowMs)
 *     stream: rules, queue, ...       -> exchange.forward(server, mayReuse)     or exchange.reply(...)
 *     engine: connection made         -> stream.serverConnected(reused, nowMs)
 *     engine: final response head     -> stream.responseReceived(head, framing, nowMs)
 *     stream: http-response rules ... -> exchange.respond()                     or exchange.reply(...)
 *     engine: last byte given away    -> stream.exchangeEnded(nowMs)            the stream counts, logs, is done
 *
 * What goes wrong is told once, by `stream.exchangeFailed(failure, nowMs)`. While no byte of a response
 * has been given to the client and the failure is on the server's side, the stream answers with another
 * `forward` (retry) or with `reply` (502, 503, 504); in every other case the stream is over and the engine
 * closes what is left. The engine has dropped its server connection before it reports.
 *
 * Calls may nest: `start` can call `reply` before it returns, `forward` can call `serverConnected` and even
 * (never in practice) `responseReceived`. An engine must therefore finish its own bookkeeping first.
 *
 * The engine owns the timers of input and output and reads their lengths from the stream, because rules may
 * have changed them: `clientTimeoutMs`, `serverTimeoutMs`, `connectTimeoutMs`, `tunnelTimeoutMs`,
 * `clientFinTimeoutMs`, `serverFinTimeoutMs` (0: none). The stream owns the timers of waiting: queue,
 * turn-around before a retry, tarpit, inspect-delay.
 *
 * It gives up: streaming request bodies through rules. A rule that wants the body asks for
 * `bufferRequestBody` and gets at most one buffer of it (`tune.bufsize`), as in the reference.
 */
import type { Server } from '../backend/server.js';
import type { BodyFraming, RequestHead, ResponseHead } from '../http/message.js';
import type { HttpProtocol, LocalReply, ReplySource } from '../rules/stream-control.js';
import type { MultiplexView, TlsView } from '../sample/types.js';

/** What ended an exchange early: whose fault, and how. Numbers, compared on the path of each failure. */
export const Failure = {
	/** The client closed or broke its connection before it had its answer. */
	CLIENT_ABORT: 0,
	/** The client sent nothing, or read nothing, for `timeout client`. */
	CLIENT_TIMEOUT: 1,
	/** The client's body breaks its framing (a bad chunk). */
	CLIENT_MALFORMED: 2,
	/** Connecting to the server was refused, or failed at once. */
	CONNECT_REFUSED: 3,
	CONNECT_TIMEOUT: 4,
	/** No descriptor or port left on this side. */
	CONNECT_RESOURCE: 5,
	/** The server closed before the first byte of its response; `reused` tells of an idle connection. */
	SERVER_CLOSED: 6,
	/** As SERVER_CLOSED, on an idle connection that had served before: safe to try again. */
	SERVER_CLOSED_REUSED: 7,
	/** The server broke off within its response. */
	SERVER_ABORT: 8,
	/** The server sent nothing, or took nothing, for `timeout server`. */
	SERVER_TIMEOUT: 9,
	/** The server's response breaks RFC 9112, or was too large: 502. */
	SERVER_MALFORMED: 10,
	/** Something in this program threw; it is logged with its stack by whoever caught it. */
	INTERNAL: 11,
} as const;

export type Failure = (typeof Failure)[keyof typeof Failure];

export function isServerSide(failure: Failure): boolean {
	return failure >= Failure.CONNECT_REFUSED && failure <= Failure.SERVER_MALFORMED;
}

/** What a stream asks of an engine. */
export interface Exchange {
	/**
	 * Sends `stream.request` to a server and relays the body as it comes. With `mayReuse` an idle
	 * connection of `server.idle` may serve. Called again after a connect failure or a closed reused connection:
	 * only while `canReplay`.
	 */
	forward(server: Server, mayReuse: boolean): void;
	/** True while every byte of the request that was taken from the client can still be sent again. */
	readonly canReplay: boolean;
	/**
	 * Sends `stream.response` to the client and relays the body. The head is complete but for hop-by-hop
	 * fields and framing, which are the engine's.
	 */
	respond(): void;
	/**
	 * Sends `stream.response` like `respond`, with a body that no server sent: that of a stored response.
	 */
	respondLocally(body: Buffer | ReplySource): void;
	/**
	 * Answers in place of the server: before `forward`, after a failure, or after `responseReceived`
	 * (the server's response is then thrown away and its connection closed). `close`: the client connection
	 * is closed after it. Ends with `exchangeEnded`.
	 */
	reply(reply: LocalReply, close: boolean): void;
	/**
	 * Collects the request body until it is complete, `limitBytes` are there or the stream says stop by
	 * going on; `stream.requestBodyArrived` is called each time more has come, at least once.
	 */
	bufferRequestBody(limitBytes: number): void;
	/**
	 * Collects the body of the response that was just received, likewise; `stream.responseBodyArrived` is called each
	 * time more has come, at least once.
	 */
	bufferResponseBody(): void;
	/**
	 * Mode tcp: from here on the bytes of the client are read as HTTP (`switch-mode http`, a backend in mode http).
	 * The head of its first request comes by `stream.requestUpgraded`; a connection of HTTP/2 ends this stream by
	 * `exchangeReplaced`, for it has streams of its own. Engines that never have raw streams lack it.
	 */
	upgradeToHttp?(protocol: HttpProtocol | undefined): void;
	/**
	 * Mode tcp: the bytes of the server, which were held while `stream.inspectsResponse`, go on. Only where the stream
	 * decides by itself and not in `serverSpoke`.
	 */
	releaseResponse?(): void;
	/** An interim response of the proxy's own (103), before any other; left out for HTTP/1.0. */
	sendInterim(head: ResponseHead): void;
	/** The body bytes collected and not yet forwarded; in mode tcp, the bytes received. */
	readonly requestBuffer: Buffer | undefined;
	/** No more request bytes will come, or no more fit. */
	readonly requestBufferComplete: boolean;
	/** Same for the response: the payload, in mode tcp the bytes. */
	readonly responseBuffer: Buffer | undefined;
	readonly responseBufferComplete: boolean;
	/** The local end of the connection to the server, for `%bi` and `%bp`; undefined without one. */
	readonly serverSideAddress?: string | undefined;
	readonly serverSidePort?: number | undefined;
	/** Its TLS; undefined in clear, or where no line asks for it. */
	readonly serverSideTls?: TlsView | undefined;
	/** The connections of both sides, where they are HTTP/2. */
	readonly clientMultiplex?: MultiplexView | undefined;
	readonly serverMultiplex?: MultiplexView | undefined;
	/**
	 * Ends both connections without an answer. `silent`: the client is not even told (no FIN, no RST where
	 * the system allows it). `exchangeEnded` follows at once.
	 */
	abort(silent: boolean): void;
}

/**
 * What an engine tells a stream; implemented by `Stream`. Times are monotonic milliseconds.
 *
 * Beside these calls the engine keeps two figures up to date on the stream, by plain addition because it
 * happens for every chunk: `requestBodyBytes` (taken from the client) and `responseBodyBytes`
 * (taken from the server), without chunk framing.
 */
export interface ExchangeEvents {
	/** The head of the request is there (rules run now). Called once. */
	start(nowMs: number): void;
	/** After `upgradeToHttp`: the stream goes on with this request. */
	requestUpgraded(head: RequestHead, nowMs: number): void;
	/** After `upgradeToHttp`: the connection has become one of HTTP/2. The last call. */
	exchangeReplaced(nowMs: number): void;
	requestBodyArrived(nowMs: number): void;
	responseBodyArrived(nowMs: number): void;
	serverConnected(reused: boolean, nowMs: number): void;
	/**
	 * The final response head: status 101 or 200 and above. Interim (1xx) responses are relayed by the
	 * engine without rules, at most `MAX_INTERIM_RESPONSES` of them, then it is SERVER_MALFORMED.
	 */
	responseReceived(head: ResponseHead, framing: BodyFraming, nowMs: number): void;
	exchangeFailed(failure: Failure, nowMs: number): void;
	/** Everything was given away, or `abort` was done. Always the last call unless `exchangeFailed` was. */
	exchangeEnded(nowMs: number): void;
}

/** A server that never comes to its final response holds no buffer and no client for ever (CVE-2023-0056). */
export const MAX_INTERIM_RESPONSES = 16;
