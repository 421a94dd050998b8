/**
 * The half of a client's connection that reads: request heads, bodies, what a client does wrong and when it
 * is too late. What is done with a request is in client-connection.ts.
 *
 *     HEAD --head parsed--> BODY --last byte--> DONE --response given away--> HEAD
 *       \---- mode tcp: RAW --server ready--> TUNNEL <--101, CONNECT-- DONE
 *                       RAW --switch-mode http, a backend in mode http--> HEAD, PREFACE
 *     any --the proxy closes--> LINGER
 *
 * Bytes that nobody can take yet (a body before its server is connected, a pipelined request) wait in the
 * chunk, at most a buffer of them; then reading pauses and TCP slows the client down.
 */
import { brokenChunks } from '../../http/body-framing.js';
import { clientKeepsAlive } from '../../http/connection.js';
import { findHeadEnd, HEAD_BROKEN, oversizedHead, parseRequestHead, skipEmptyLines } from '../../http/head-parser.js';
import type { RequestHead } from '../../http/message.js';
import { HttpRefusal, isRefusal } from '../../http/refusal.js';
import { repairRequest } from '../../http/repair.js';
import type { HttpProtocol } from '../../rules/stream-control.js';
import { type Exchange, Failure } from '../exchange.js';
import type { FilterChain } from '../filters/body-filter.js';
import type { MessageParties } from '../message-captures.js';
import type { Session } from '../session.js';
import { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { Connection, SHORT_BYTES, WRITE_LIMIT_BYTES } from './connection.js';
import { FilteredBody } from './filtered-body.js';
import { READ_BUFFER_BYTES } from './read-buffers.js';
import { RequestBody } from './request-body.js';
import type { ServerConnection } from './server-connection.js';
import type { Tunnel } from './tunnel.js';

export const Reading = {
	HEAD: 0,
	BODY: 1,
	DONE: 2,
	/** The rest of a body that nobody will take. */
	DISCARD: 3,
	/** Mode tcp, before the server is there. */
	RAW: 4,
	TUNNEL: 5,
	LINGER: 6,
	/** After an upgrade to HTTP/2 and to nothing else: its preface. */
	PREFACE: 7,
} as const;

/** Body bytes that are read and forgotten to keep a connection, after an early answer. */
const DISCARD_BYTES = 256 * 1024;

/** What of HTTP/2's preface looks like a head of HTTP/1, and the rest of it (RFC 9113, section 3.4). */
const H2_PREFACE = 'PRI * HTTP/2.0\r\n\r\n';
const H2_PREFACE_END = 'SM\r\n\r\n';

export abstract class RequestReader extends Connection {
	readonly session: Session;
	stream: Stream | undefined;
	/** The connection that serves the present exchange. */
	server: ServerConnection | undefined;
	/** With `http-reuse never`: the connection of the last request, for this client alone. */
	protected privateServer: ServerConnection | undefined;
	protected reading: number;
	/** Guards against working on the chunk while it is being worked on. */
	protected working = false;
	protected readonly body = new RequestBody();
	protected tunnel: Tunnel | undefined;
	#discarded = 0;
	/** Request bytes have left for a server: the request cannot be sent again. */
	protected bodySent = false;
	protected responseStarted = false;
	protected responseDone = false;
	/** The client gets `connection: close`, or has asked for it. */
	protected closing = false;
	protected bufferingLimit = 0;
	/** The body of the request passes through filters. */
	#filtered: FilteredBody | undefined;
	protected serverIsReady = false;
	#lastQueueBytes = 0;
	/** When the first byte of the request came, and when the connection began to wait for it. */
	protected requestBeganMs = 0;
	protected idleSinceMs: number;

	constructor(thread: ThreadRuntime, session: Session, handle: unknown) {
		super(thread, handle);
		this.session = session;
		this.idleSinceMs = session.acceptedMs;
		this.socket.setNoDelay(true);
		this.reading = session.frontend.mode === 'tcp' ? Reading.RAW : Reading.HEAD;
	}

	/** This connection as its streams see it. */
	protected abstract get exchange(): Exchange;
	/** Both messages are complete. */
	protected abstract afterExchange(nowMs: number): void;
	/** The present exchange is over, completely or not; `close`: the connection is too. */
	protected abstract finishExchange(nowMs: number, close: boolean): void;
	/** Says end-of-stream, and listens for the client's own for a while. */
	protected abstract closeGently(): void;

	/** Begins: mode tcp makes its stream at once, mode http waits for a request. */
	open(nowMs: number): void {
		this.guarded(() => {
			if (this.reading === Reading.RAW) {
				const stream = new Stream(this.session, this.exchange, undefined, nowMs, nowMs);
				this.stream = stream;
				stream.start(nowMs);
			} else this.setHeadDeadline(nowMs);
		});
	}

	/** Mode tcp: what the client sends is HTTP. The stream stays, and goes on with the first request. */
	upgradeToHttp(protocol: HttpProtocol | undefined): void {
		const nowMs = this.thread.nowMs();
		this.reading = protocol === 'h2' ? Reading.PREFACE : Reading.HEAD;
		this.resumeReading();
		this.setHeadDeadline(nowMs);
		// Within `received` its own loop goes on.
		if (!this.working) this.reprocess();
		if (this.readEnded && !this.closed && this.stream?.request === undefined) this.endReceived();
	}

	// ---- what comes from the client -------------------------------------------------------------------

	protected override received(): void {
		if (this.working) return;
		this.working = true;
		try {
			while (this.chunkStart < this.chunkEnd && !this.closed && this.#read());
		} finally {
			this.working = false;
		}
	}

	/** One step on the chunk; false: nothing more can be done with it now. */
	#read(): boolean {
		switch (this.reading) {
			case Reading.HEAD:
				return this.#readHead();
			case Reading.BODY:
				return this.#readBody();
			case Reading.DISCARD:
				return this.#discardBody();
			case Reading.TUNNEL:
				this.tunnel?.fromClient(this.thread.currentMs);
				return false;
			case Reading.LINGER:
				this.chunkStart = this.chunkEnd;
				return false;
			case Reading.RAW:
				this.stream?.requestBodyArrived(this.thread.nowMs());
				if (this.reading !== Reading.RAW) return !this.closed;
				this.pauseWhenFull();
				return false;
			case Reading.PREFACE:
				return this.#readPreface();
			default:
				this.pauseWhenFull();
				return false;
		}
	}

	#readHead(): boolean {
		// A client that sends requests and reads no answers gets no more of them.
		if (this.unwrittenBytes > WRITE_LIMIT_BYTES) {
			this.pauseReading();
			this.notifyWhenWritten();
			return false;
		}
		const nowMs = this.thread.currentMs;
		if (this.requestBeganMs === 0) this.requestBeganMs = nowMs;
		const { chunk } = this;
		if (chunk[this.chunkStart] === 13) {
			const first = skipEmptyLines(chunk.subarray(0, this.chunkEnd), this.chunkStart);
			if (first instanceof HttpRefusal) return this.#refuse(first, nowMs, 0);
			this.chunkStart = first;
			if (first === this.chunkEnd) return false;
		}
		const start = this.chunkStart;
		const limits = this.thread.headLimits;
		let text = chunk.toString('latin1', start, Math.min(this.chunkEnd, start + SHORT_BYTES));
		let end = text.indexOf('\r\n\r\n');
		if (end < 0 && this.chunkEnd > start + SHORT_BYTES) {
			text = chunk.toString('latin1', start, Math.min(this.chunkEnd, start + limits.headSizeMax));
			end = text.indexOf('\r\n\r\n');
		}
		let headEnd = end + 4;
		let head = end < 0 ? undefined : parseRequestHead(headEnd === text.length ? text : text.slice(0, headEnd), limits);
		if ((head === undefined || isRefusal(head)) && this.session.frontend.model.options.acceptInvalidHttpRequest) {
			const repaired = repairRequest(text, this.thread.lenientLimits);
			if (repaired === undefined || isRefusal(repaired)) head = repaired;
			else ({ head, byteCount: headEnd } = repaired);
		}
		if (head === undefined) return this.#headIncomplete(text, nowMs);
		this.chunkStart = start + headEnd;
		if (isRefusal(head)) return this.#offersH2(text) ? false : this.#refuse(head, nowMs, start);
		if (head.framing.kind === 'chunked' && this.chunkStart < this.chunkEnd) {
			// A body that is broken from the first makes a broken request of it: no rule sees it, and no server.
			const broken = brokenChunks(chunk, this.chunkStart, this.chunkEnd);
			if (broken !== undefined) {
				return this.#refuse(new HttpRefusal(broken.code, broken.position - start), nowMs, start);
			}
		}
		this.beginRequest(head, nowMs);
		return true;
	}

	/** A head is there: the request begins. What of its body has come is in the chunk. */
	protected beginRequest(head: RequestHead, nowMs: number): void {
		this.deadlineMs = 0;
		this.reading = this.body.begin(head.framing) ? Reading.BODY : Reading.DONE;
		this.bodySent = false;
		this.#filtered = undefined;
		this.responseStarted = false;
		this.responseDone = false;
		this.bufferingLimit = 0;
		this.#discarded = 0;
		this.closing = !clientKeepsAlive(head);
		if (this.stream !== undefined) {
			this.stream.requestUpgraded(head, nowMs);
			return;
		}
		const stream = new Stream(this.session, this.exchange, head, nowMs, this.requestBeganMs);
		stream.idleMs = this.requestBeganMs - this.idleSinceMs;
		this.stream = stream;
		stream.start(nowMs);
	}

	/** The first bytes are those of HTTP/2 (RFC 9113, section 3.4): the connection goes on as such. */
	#offersH2(text: string): boolean {
		const { listener, requestCount } = this.session;
		if (requestCount > 0 || !text.startsWith(H2_PREFACE) || listener.upgradeToH2 === undefined) return false;
		const rest = this.chunk.toString('latin1', this.chunkStart, Math.min(this.chunkEnd, this.chunkStart + 6));
		return H2_PREFACE_END.startsWith(rest) && this.#becomeH2(H2_PREFACE.length);
	}

	/** The connection goes on as one of HTTP/2, which reads from `readBefore` bytes before what is left in the chunk. */
	#becomeH2(readBefore: number): boolean {
		const socket = this.takeSocket(readBefore);
		if (socket === undefined) return false;
		const { session, stream } = this;
		this.thread.wheel.remove(this);
		this.stream = undefined;
		stream?.exchangeReplaced(this.thread.nowMs());
		// Not below the read that has brought the bytes.
		setImmediate(() => session.listener.upgradeToH2?.(session, socket));
		return true;
	}

	/** `switch-mode http proto h2`: whoever sends anything else is not answered. */
	#readPreface(): boolean {
		const preface = H2_PREFACE + H2_PREFACE_END;
		const text = this.chunk.toString(
			'latin1',
			this.chunkStart,
			Math.min(this.chunkEnd, this.chunkStart + preface.length),
		);
		if (text === preface && this.#becomeH2(0)) return false;
		if (text !== preface && preface.startsWith(text)) return false;
		this.#clientFailed(Failure.CLIENT_MALFORMED);
		return false;
	}

	/** Part of a head: wait for the rest, unless it can never become one. */
	#headIncomplete(text: string, nowMs: number): boolean {
		const bytes = this.chunk.subarray(0, this.chunkEnd);
		const limits = this.thread.headLimits;
		if (text.length >= limits.headSizeMax)
			return this.#refuse(oversizedHead(bytes, this.chunkStart, limits.headSizeMax), nowMs);
		const maybeRepaired = this.session.frontend.model.options.acceptInvalidHttpRequest;
		if (!maybeRepaired && findHeadEnd(bytes, this.chunkStart) === HEAD_BROKEN) {
			const refusal = parseRequestHead(`${text}\r\n\r\n`, limits);
			return this.#refuse(refusal instanceof HttpRefusal ? refusal : new HttpRefusal('HEAD_INCOMPLETE', 0), nowMs);
		}
		// The time for the whole head runs from its first byte and is not renewed by the next (slow clients).
		if (this.deadlineMs === 0 || this.session.requestCount > 0) this.setHeadDeadline(this.requestBeganMs);
		return false;
	}

	/** `timeout http-request` for a head that has begun or the first one, `timeout http-keep-alive` between two. */
	protected setHeadDeadline(fromMs: number): void {
		const { frontend, requestCount } = this.session;
		const { clientMs = 0, httpRequestMs = clientMs, httpKeepAliveMs = httpRequestMs } = frontend.model.timeouts;
		const timeoutMs = requestCount > 0 && this.requestBeganMs === 0 ? httpKeepAliveMs : httpRequestMs;
		this.thread.wheel.set(this, timeoutMs > 0 ? fromMs + timeoutMs : 0);
	}

	protected setClientDeadline(nowMs: number): void {
		const timeoutMs = this.stream?.clientTimeoutMs ?? this.session.frontend.model.timeouts.clientMs ?? 0;
		this.thread.wheel.set(this, timeoutMs > 0 ? nowMs + timeoutMs : 0);
	}

	/** A head that is no request: answered and counted without a stream's rules. */
	#refuse(refusal: HttpRefusal, nowMs: number, start = this.chunkStart): false {
		this.#capture(refusal, start);
		this.startWithoutHead(nowMs).refuse(refusal.status, Failure.CLIENT_MALFORMED, nowMs);
		return false;
	}

	#captureBody(): void {
		const { refusal } = this.body;
		if (refusal === undefined) return;
		const { reason, position } = refusal;
		this.#capture({ reason, position: Math.max(0, position - this.chunkStart) }, this.chunkStart);
	}

	/** Notes a message for `show errors`; positions count from `start`. */
	#capture(refusal: Pick<HttpRefusal, 'position' | 'reason'>, start: number): void {
		const { session, stream } = this;
		const backend = stream?.backendTraffic?.model;
		const parties: MessageParties = {
			direction: 'request',
			proxy: session.frontend.model.name,
			proxyId: session.frontend.model.id,
			other: backend?.name,
			otherId: backend?.id ?? -1,
			server: stream?.server?.name,
			serverId: stream?.server?.id ?? -1,
			source: session.source === undefined ? 'unix' : `${session.source}:${session.sourcePort}`,
		};
		this.thread.captures.add(parties, this.chunk.subarray(start, this.chunkEnd), refusal);
	}

	protected startWithoutHead(nowMs: number): Stream {
		this.deadlineMs = 0;
		this.reading = Reading.DONE;
		this.responseStarted = false;
		this.responseDone = false;
		this.closing = true;
		this.stream ??= new Stream(this.session, this.exchange, undefined, nowMs, this.requestBeganMs || this.idleSinceMs);
		this.chunkStart = this.chunkEnd;
		return this.stream;
	}

	/** A body that has come in whole and goes nowhere, since the answer is ours: the connection goes on behind it. */
	protected dropWholeBody(): void {
		if (this.reading !== Reading.BODY || this.bodySent) return;
		if (!this.body.peekComplete(this.chunk.subarray(this.chunkStart, this.chunkEnd))) return;
		const end = this.body.take(this.chunk, this.chunkStart, this.chunkEnd);
		// A body that is malformed is complete in its way, and ends the connection.
		if (end < 0) return;
		this.chunkStart = end;
		this.reading = Reading.DONE;
	}

	#readBody(): boolean {
		if (!this.serverIsReady) {
			if (this.bufferingLimit > 0) this.stream?.requestBodyArrived(this.thread.nowMs());
			// The stream may have gone on meanwhile, and a server may have been ready at once.
			if (this.serverIsReady || this.reading !== Reading.BODY) return !this.closed;
			this.setClientDeadline(this.thread.nowMs());
			this.pauseWhenFull();
			return false;
		}
		return this.forwardBody('');
	}

	/** Passes on what there is of the body, behind `prefix`. */
	protected forwardBody(prefix: string): boolean {
		const { server, stream } = this;
		if (server === undefined || stream === undefined) return false;
		if (stream.requestFilters !== undefined)
			return this.#forwardFiltered(prefix, server, stream, stream.requestFilters);
		const start = this.chunkStart;
		const end = this.#bodyEnd(stream);
		if (end < 0) {
			this.#captureBody();
			this.#clientFailed(Failure.CLIENT_MALFORMED);
			return false;
		}
		this.bodySent = true;
		this.chunkStart = end;
		const nowMs = this.thread.currentMs;
		const done = this.reading === Reading.DONE;
		this.bulk = !done && end - start > READ_BUFFER_BYTES / 4;
		this.passOn(server, prefix, start, end);
		server.touch(nowMs);
		if (done) {
			this.deadlineMs = 0;
			if (this.responseDone) this.afterExchange(nowMs);
			return true;
		}
		this.setClientDeadline(nowMs);
		if (server.unwrittenBytes > WRITE_LIMIT_BYTES) {
			this.pauseReading();
			server.notifyWhenWritten();
			return false;
		}
		return true;
	}

	/** The same for a body that passes through filters. The server has it all when `#filtered` is gone. */
	#forwardFiltered(prefix: string, server: ServerConnection, stream: Stream, filters: FilterChain): boolean {
		const filtered = this.#filtered ?? this.#openFiltered(prefix, server, stream, filters);
		const end = this.body.take(this.chunk, this.chunkStart, this.chunkEnd, (bytes, from, to) =>
			filtered.push(bytes, from, to),
		);
		stream.requestBodyBytes += this.body.payloadBytes;
		this.bodySent = true;
		if (end < 0) {
			this.#captureBody();
			this.#clientFailed(Failure.CLIENT_MALFORMED);
			return false;
		}
		this.chunkStart = end;
		const nowMs = this.thread.currentMs;
		server.touch(nowMs);
		if (this.body.isComplete) {
			this.reading = Reading.DONE;
			this.deadlineMs = 0;
			filtered.finish();
			filtered.flushHead();
			return true;
		}
		filtered.flushHead();
		this.setClientDeadline(nowMs);
		if (!filtered.isFull) return true;
		this.pauseReading();
		if (server.unwrittenBytes > 0) server.notifyWhenWritten();
		return false;
	}

	#openFiltered(head: string, server: ServerConnection, stream: Stream, filters: FilterChain): FilteredBody {
		const filtered = new FilteredBody(server, filters, stream.request?.framing.kind === 'chunked', head, {
			filteredProgressed: () => {
				if (this.#filtered !== filtered || this.server !== server) return;
				server.touch(this.thread.nowMs());
				this.requestDrained();
			},
			filteredEnded: () => {
				this.#filtered = undefined;
				if (this.responseDone) this.afterExchange(this.thread.nowMs());
			},
			filteredFailed: (error) => {
				this.thread.logger.error({ err: error }, 'a filter of a request failed');
				this.#filtered = undefined;
				this.#clientFailed(Failure.INTERNAL);
			},
		});
		this.#filtered = filtered;
		return filtered;
	}

	/** Filters hold more of the body than may wait. */
	protected get filtersAreFull(): boolean {
		return this.#filtered?.isLow === false;
	}

	/** Bytes of the request are still on their way through filters. */
	protected get filtersHoldRequest(): boolean {
		return this.#filtered !== undefined;
	}

	/** The server has taken what was written to it. */
	protected abstract requestDrained(): void;

	/** Where the body ends in the chunk, or the chunk's end; -1 if it is malformed. */
	#bodyEnd(stream: Stream | undefined): number {
		const body = this.body;
		const end = body.take(this.chunk, this.chunkStart, this.chunkEnd);
		if (stream !== undefined) stream.requestBodyBytes += body.payloadBytes;
		if (body.isComplete) this.reading = Reading.DONE;
		return end;
	}

	/** The answer came before the body was complete, and no server takes the rest. */
	#discardBody(): boolean {
		const before = this.chunkStart;
		const end = this.#bodyEnd(this.stream);
		if (end < 0 || this.#discarded > DISCARD_BYTES) {
			this.finishExchange(this.thread.nowMs(), true);
			return false;
		}
		this.#discarded += end - before;
		this.chunkStart = end;
		// #bodyEnd has moved on to DONE when that was the last of it.
		if ((this.reading as number) === Reading.DONE) this.finishExchange(this.thread.nowMs(), false);
		else this.setClientDeadline(this.thread.nowMs());
		return true;
	}

	protected override endReceived(): void {
		const nowMs = this.thread.nowMs();
		switch (this.reading) {
			case Reading.HEAD:
				this.#endInHead(nowMs);
				return;
			case Reading.BODY:
			case Reading.DISCARD:
				if (this.reading === Reading.DISCARD) {
					this.finishExchange(nowMs, true);
					return;
				}
				this.#clientFailed(Failure.CLIENT_ABORT);
				return;
			case Reading.RAW:
				if (this.stream?.abortOnClose) {
					this.#clientFailed(Failure.CLIENT_ABORT);
					return;
				}
				this.stream?.requestBodyArrived(nowMs);
				return;
			case Reading.DONE:
				// A half-closed client still reads its answer, unless the operator said otherwise.
				if (this.stream?.abortOnClose && !this.responseStarted) this.#clientFailed(Failure.CLIENT_ABORT);
				return;
			case Reading.TUNNEL:
				this.tunnel?.clientEnded(nowMs);
				return;
			default:
				this.destroy();
		}
	}

	/** Closed between two requests, before the first or within one. */
	#endInHead(nowMs: number): void {
		const partial = this.requestBeganMs !== 0 || this.stream !== undefined;
		if (!partial && (this.session.requestCount > 0 || this.session.frontend.model.options.httpIgnoreProbes)) {
			this.destroy();
			return;
		}
		const stream = this.startWithoutHead(nowMs);
		stream.isNull = !partial;
		stream.refuse(400, Failure.CLIENT_ABORT, nowMs);
	}

	protected override lost(error: Error | undefined): void {
		if (this.stream === undefined) {
			if (this.reading === Reading.HEAD && error !== undefined) this.#endInHead(this.thread.nowMs());
			return;
		}
		this.#clientFailed(Failure.CLIENT_ABORT);
	}

	/** Hard stop, `shutdown session`: what it serves ends with it, as if the client had gone. */
	kill(): void {
		if (this.closed) return;
		this.guarded(() => this.lost(undefined));
		if (!this.closed) this.destroy();
	}

	/** The stream ends with the client's fault; the server's connection is closed with it. */
	#clientFailed(failure: Failure): void {
		const { stream } = this;
		this.dropServer();
		const answerable = !this.closed && !this.responseStarted && failure !== Failure.CLIENT_ABORT;
		if (stream === undefined) {
			this.destroy();
			return;
		}
		if (answerable) {
			this.reading = Reading.DONE;
			this.closing = true;
			stream.exchangeFailed(failure, this.thread.nowMs());
			return;
		}
		this.stream = undefined;
		stream.exchangeFailed(failure, this.thread.nowMs());
		this.destroy();
	}

	protected dropServer(): void {
		const { server } = this;
		this.server = undefined;
		this.serverIsReady = false;
		if (server === undefined) return;
		server.client = undefined;
		server.destroy();
	}

	override deadlinePassed(nowMs: number): void {
		if (this.closed) return;
		this.guarded(() => this.#timedOut(nowMs));
	}

	#timedOut(nowMs: number): void {
		const queueBytes = this.kernelQueueBytes;
		if (queueBytes > 0 && queueBytes !== this.#lastQueueBytes && this.reading !== Reading.LINGER) {
			// A slow reader that takes anything at all is alive.
			this.#lastQueueBytes = queueBytes;
			this.setClientDeadline(nowMs);
			return;
		}
		switch (this.reading) {
			case Reading.HEAD:
				if (this.session.requestCount > 0 && this.requestBeganMs === 0) {
					this.destroy();
					return;
				}
				if (this.isProbe && this.session.frontend.model.options.httpIgnoreProbes) {
					this.destroy();
					return;
				}
				this.startWithoutHead(nowMs).refuse(408, Failure.CLIENT_TIMEOUT, nowMs);
				return;
			case Reading.LINGER:
				this.destroy();
				return;
			case Reading.TUNNEL:
				this.tunnel?.timedOut('client', nowMs);
				return;
			case Reading.DISCARD:
				this.finishExchange(nowMs, true);
				return;
			case Reading.BODY:
				// Paused because the server is slow: that is the server's timeout to watch.
				if (this.readPaused && this.serverIsReady) {
					this.setClientDeadline(nowMs);
					return;
				}
				this.#clientFailed(Failure.CLIENT_TIMEOUT);
				return;
			default:
				this.#clientFailed(Failure.CLIENT_TIMEOUT);
				return;
		}
	}

	/** Nothing has come on it, and nothing has begun. */
	protected get isProbe(): boolean {
		return this.chunkLength === 0 && this.stream === undefined;
	}

	protected override crashed(error: unknown): void {
		this.thread.logger.error({ err: error }, 'a client connection failed inside the proxy');
		const { stream } = this;
		this.stream = undefined;
		this.dropServer();
		if (!this.closed) this.destroy();
		stream?.exchangeCrashed(this.thread.nowMs());
	}

	protected override released(): void {
		this.thread.wheel.remove(this);
		this.privateServer?.destroy();
		this.privateServer = undefined;
		// After whoever closed it has told the stream: a session ends after its last stream.
		queueMicrotask(this.endSession);
	}

	protected readonly endSession = (): void => this.sessionEnded();

	/** A stream of HTTP/2 is not all of its session. */
	protected sessionEnded(): void {
		this.session.end(this.thread.nowMs());
	}
}
