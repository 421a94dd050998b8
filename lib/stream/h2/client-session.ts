/**
 * A client's connection that speaks HTTP/2: Node's http2 on the socket that the listener has accepted, and after TLS
 * has secured. It makes a ClientStream of each request, keeps the time while there is none, and says GOAWAY at a
 * soft stop. PROXY protocol, early rules, limits and `conn_cur` have had their turn before; the session ends when
 * this connection has closed, so they last as long as it does.
 *
 *     open --idle too long, soft stop, enough requests--> leaving: no new streams --last stream ended--> closed
 *     any --client gone, flood, hard stop--> closed
 *
 * Node's sessions are never destroyed below one of their own callbacks: OpenSSL may still be at work under it, and
 * takes the process along (seen in Node 20).
 */
import {
	constants,
	type Http2Session,
	performServerHandshake,
	type ServerHttp2Session,
	type ServerHttp2Stream,
} from 'node:http2';
import { Socket } from 'node:net';
import type { H2Tuning } from '../../config/model.js';
import { FloodGuard, Offence } from '../../http/h2/flood-guard.js';
import { HttpRefusal } from '../../http/refusal.js';
import { Column } from '../../shared/counters.js';
import type { Session } from '../session.js';
import type { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { Deadline } from '../timeouts.js';
import { ClientStream, type StreamOwner } from './client-stream.js';
import { Malformed, requestOf } from './request-head.js';

/** A connection that is leaving has this long to be told so twice (RFC 9113, section 6.8). */
const LEAVE_MS = 1000;
/** Windows of streams that the window of the connection has room for. */
const UPLOADS_AT_ONCE = 10;
const ANY_STREAM = 2 ** 31 - 1;
/** Bytes of header tables and unsent frames that one client may make Node hold, in MB. */
const SESSION_MEMORY_MB = 4;

export class H2ClientSession extends Deadline implements StreamOwner {
	readonly #thread: ThreadRuntime;
	readonly #session: Session;
	readonly #h2: ServerHttp2Session;
	readonly #socket: Socket;
	readonly #streams = new Set<ClientStream>();
	readonly #guard = new FloodGuard();
	readonly #totalMax: number;
	#idleSinceMs: number;
	#leaving = false;
	/** Node has been told to close it. */
	#ending = false;
	#closed = false;

	/** @throws what Node says of a socket that is gone */
	constructor(thread: ThreadRuntime, session: Session, handle: unknown, tuning: H2Tuning) {
		super();
		this.#thread = thread;
		this.#session = session;
		this.#totalMax = tuning.feMaxTotalStreams;
		this.#idleSinceMs = thread.nowMs();
		const socket = handle instanceof Socket ? handle : socketOf(handle);
		this.#socket = socket;
		socket.setNoDelay(true);
		// A client that has closed its half asks for nothing more and reads nothing more (as in the reference).
		socket.allowHalfOpen = false;
		socket.once('end', () => this.#closeSoon(undefined));
		const { headSizeMax, headerCountMax } = thread.headLimits;
		const h2 = performServerHandshake(socket, {
			maxSessionMemory: SESSION_MEMORY_MB,
			// Pseudo fields come on top of what a head of HTTP/1 has.
			maxHeaderListPairs: headerCountMax + 8,
			maxSessionInvalidFrames: 100,
			maxSessionRejectedStreams: 100,
			maxSettings: 32,
			settings: {
				headerTableSize: tuning.headerTableSize,
				initialWindowSize: tuning.feInitialWindowSize,
				...(tuning.maxFrameSize === undefined ? undefined : { maxFrameSize: tuning.maxFrameSize }),
				maxConcurrentStreams: tuning.feMaxConcurrentStreams === 0 ? 2 ** 31 - 1 : tuning.feMaxConcurrentStreams,
				maxHeaderListSize: headSizeMax + 32 * headerCountMax,
				enableConnectProtocol: true,
			},
		});
		this.#h2 = h2;
		sayWhatWasWrong(h2);
		h2.on('stream', (stream, _headers, flags, fields?: unknown) =>
			this.#streamOpened(stream, flags, fields as readonly string[]),
		);
		h2.on('error', () => undefined);
		h2.on('ping', () => this.#offence(Offence.PING));
		h2.on('remoteSettings', () => this.#offence(Offence.SETTINGS));
		h2.on('close', () => this.#sessionClosed());
		// An upload that its server does not take must not hold up those beside it.
		setImmediate(() => {
			if (!h2.destroyed) h2.setLocalWindowSize(tuning.feInitialWindowSize * UPLOADS_AT_ONCE);
		});
		this.#waitIdle();
	}

	/** One of the requests that are served now. */
	get stream(): Stream | undefined {
		for (const { stream } of this.#streams) if (stream !== undefined) return stream;
		return undefined;
	}

	// ---- requests ---------------------------------------------------------------------------------------------

	#streamOpened(h2: ServerHttp2Stream, flags: number, fields: readonly string[]): void {
		// Whatever becomes of it: an error that nobody listens for ends the process.
		h2.on('error', () => undefined);
		const nowMs = this.#thread.nowMs();
		// Node tells of all that one read has brought: some of it may be over already.
		if (this.#closed || h2.destroyed || h2.closed || h2.aborted) {
			if (!this.#closed) this.#offence(Offence.RESET);
			return;
		}
		const hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0;
		const request = requestOf(fields, hasBody, this.#thread.headLimits);
		if (request instanceof Malformed) {
			this.#refuse(h2, request.reason);
			return;
		}
		if (!this.#ending) this.deadlineMs = 0;
		if (request instanceof HttpRefusal) {
			const stream = new ClientStream(this.#thread, this.#session, this, h2, undefined);
			this.#streams.add(stream);
			stream.refuse(request.status, nowMs);
		} else {
			const stream = new ClientStream(this.#thread, this.#session, this, h2, request);
			this.#streams.add(stream);
			stream.begin(request.head, nowMs);
		}
		if (this.#totalMax > 0 && this.#session.requestCount >= this.#totalMax) this.#leave();
	}

	/** RFC 9113, section 8.1.1: no answer, and no request in anybody's count but the errors. */
	#refuse(h2: ServerHttp2Stream, reason: string): void {
		const { counters, name } = this.#session.frontend;
		counters.slice[Column.ereq] = (counters.slice[Column.ereq] as number) + 1;
		this.#thread.logger.debug({ reason }, `frontend ${name}: malformed request over HTTP/2`);
		h2.close(constants.NGHTTP2_PROTOCOL_ERROR);
		this.#offence(Offence.MALFORMED);
	}

	streamEnded(stream: ClientStream): void {
		this.#streams.delete(stream);
		if (stream.wasReset) this.#offence(Offence.RESET);
		if (this.#closed) return;
		const nowMs = this.#thread.nowMs();
		if (this.#thread.softStop.closesWithAnswer(nowMs)) this.#leave();
		if (this.#streams.size === 0) {
			this.#idleSinceMs = nowMs;
			this.#waitIdle();
		}
	}

	dropClient(silent: boolean): void {
		if (silent) this.#closeSoon(undefined);
		else this.#closeSoon(constants.NGHTTP2_ENHANCE_YOUR_CALM);
	}

	#offence(points: number): void {
		if (this.#closed || !this.#guard.note(points, this.#thread.nowMs())) return;
		this.#thread.logger.debug(`frontend ${this.#session.frontend.name}: an HTTP/2 client was told to calm down`);
		this.#closeSoon(constants.NGHTTP2_ENHANCE_YOUR_CALM);
	}

	// ---- time -------------------------------------------------------------------------------------------------

	/** Without a request: `timeout http-request` until the first, then `timeout http-keep-alive`. */
	#waitIdle(): void {
		if (this.#ending) return;
		const {
			clientMs = 0,
			httpRequestMs = clientMs,
			httpKeepAliveMs = httpRequestMs,
		} = this.#session.frontend.model.timeouts;
		const timeoutMs = this.#session.requestCount > 0 ? httpKeepAliveMs : httpRequestMs;
		const leavingMs = this.#leaving ? LEAVE_MS : Number.POSITIVE_INFINITY;
		const delayMs = timeoutMs > 0 ? Math.min(timeoutMs, leavingMs) : leavingMs;
		this.#thread.wheel.set(this, Number.isFinite(delayMs) ? this.#thread.nowMs() + delayMs : 0);
	}

	override deadlinePassed(): void {
		if (this.#ending) {
			this.#socket.destroy();
			this.#sessionClosed();
			return;
		}
		if (!this.#closed && this.#streams.size === 0) this.#closeSoon(constants.NGHTTP2_NO_ERROR);
	}

	// ---- the end ----------------------------------------------------------------------------------------------

	/** Soft stop. What is under way is finished; the client opens its next connection elsewhere. */
	closeIdle(restingSinceMs: number): void {
		if (this.#streams.size > 0 || this.#idleSinceMs <= restingSinceMs) this.#leave();
	}

	/**
	 * Two GOAWAYs: requests that cross the first one on their way are still served, and the second one, a round trip
	 * later, says which was the last.
	 */
	#leave(): void {
		if (this.#leaving || this.#closed) return;
		this.#leaving = true;
		const h2 = this.#h2;
		if (h2.destroyed || h2.closed) return;
		h2.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
		const close = (): void => void setImmediate(() => this.#closeGracefully());
		if (!h2.ping(close)) close();
		if (this.#streams.size === 0) this.#waitIdle();
	}

	#closeGracefully(): void {
		if (!this.#closed && !this.#h2.destroyed && !this.#h2.closed) this.#h2.close();
	}

	/** With a code: told by GOAWAY; without: not a word more. */
	#closeSoon(code: number | undefined): void {
		if (this.#closed) return;
		this.#ending = true;
		setImmediate(() => {
			if (this.#closed) return;
			const h2 = this.#h2;
			// A session that is destroyed may wait for the client's own end, and the client for nothing.
			this.#thread.wheel.set(this, this.#thread.nowMs() + LEAVE_MS);
			if (h2.destroyed) return;
			if (code === undefined) this.#socket.destroy();
			else if (code === constants.NGHTTP2_NO_ERROR) h2.destroy();
			else h2.destroy(undefined, code);
		});
	}

	/** Hard stop, `shutdown session`. */
	destroy(): void {
		for (const stream of [...this.#streams]) stream.kill();
		this.#closeSoon(constants.NGHTTP2_NO_ERROR);
	}

	kill(): void {
		this.destroy();
	}

	#sessionClosed(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#thread.wheel.remove(this);
		for (const stream of [...this.#streams]) stream.kill();
		// After its streams, which end in microtasks of their own.
		setImmediate(() => this.#session.end(this.#thread.nowMs()));
	}
}

/** What nghttp2 reports (its `nghttp2_error`), and what the client is told (RFC 9113, section 7). */
const CODES: ReadonlyMap<number, number> = new Map([
	[-505, constants.NGHTTP2_PROTOCOL_ERROR],
	[-510, constants.NGHTTP2_STREAM_CLOSED],
	[-522, constants.NGHTTP2_FRAME_SIZE_ERROR],
	[-523, constants.NGHTTP2_COMPRESSION_ERROR],
	[-524, constants.NGHTTP2_FLOW_CONTROL_ERROR],
	[-531, constants.NGHTTP2_PROTOCOL_ERROR],
	[-537, constants.NGHTTP2_ENHANCE_YOUR_CALM],
	[-903, constants.NGHTTP2_PROTOCOL_ERROR],
	[-904, constants.NGHTTP2_ENHANCE_YOUR_CALM],
]);

/** Node closes with INTERNAL_ERROR whatever its client has done; the error that it does so for knows better. */
function sayWhatWasWrong(h2: Http2Session): void {
	const destroy = h2.destroy.bind(h2);
	h2.destroy = (error, code) => {
		const { errno } = (error ?? {}) as NodeJS.ErrnoException;
		destroy(error, code ?? (errno === undefined ? undefined : CODES.get(errno)));
	};
}

function socketOf(handle: unknown): Socket {
	const socket = new Socket({ handle } as ConstructorParameters<typeof Socket>[0]);
	socket.on('error', () => undefined);
	return socket;
}
