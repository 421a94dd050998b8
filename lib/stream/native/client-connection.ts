/**
 * A client's connection in the native engine: reads requests, makes a stream of each, and is that stream's
 * `Exchange`. Requests on one connection are served one after the other (RFC 9112, section 9.3.2), so the
 * connection itself is the exchange and no object but the stream is made per request.
 *
 *     HEAD --head parsed--> BODY --last byte--> DONE --response given away--> HEAD
 *       \---- mode tcp: RAW --server ready--> TUNNEL <--101, CONNECT-- DONE
 *     any --the proxy closes--> LINGER
 *
 * Bytes that nobody can take yet (a body before its server is connected, a pipelined request) wait in the
 * chunk, at most a buffer of them; then reading pauses and TCP slows the client down.
 *
 * A connection is never just closed after an answer while the client may still be sending: the unread bytes
 * would turn into a reset that can destroy the answer on its way. It says end-of-stream, and reads and forgets
 * until the client closes too, for a bounded time (RFC 9112, section 9.6).
 */
import type { Server } from '../../backend/server.js';
import { clientKeepsAlive } from '../../http/connection.js';
import { findHeadEnd, HEAD_BROKEN, oversizedHead, parseRequestHead, skipEmptyLines } from '../../http/head-parser.js';
import type { ResponseHead } from '../../http/message.js';
import { HttpRefusal } from '../../http/refusal.js';
import { serializeLocalReply, serializeRequest, serializeResponse } from '../../http/serializer.js';
import type { LocalReply } from '../../rules/stream-control.js';
import { type Exchange, Failure } from '../exchange.js';
import { responseHeadSize } from '../message-size.js';
import type { Session } from '../session.js';
import { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { Connection, EMPTY_CHUNK, SHORT_BYTES, TEXT_WRITE_BYTES, WRITE_LIMIT_BYTES } from './connection.js';
import { READ_BUFFER_BYTES } from './read-buffers.js';
import { RequestBody } from './request-body.js';
import { ServerConnection } from './server-connection.js';
import { Tunnel, type TunnelEnd } from './tunnel.js';

const Reading = {
	HEAD: 0,
	BODY: 1,
	DONE: 2,
	/** The rest of a body that nobody will take. */
	DISCARD: 3,
	/** Mode tcp, before the server is there. */
	RAW: 4,
	TUNNEL: 5,
	LINGER: 6,
} as const;

/** How long a closing connection listens for the client's own end. */
const LINGER_MS = 5000;
/** Body bytes that are read and forgotten to keep a connection, after an early answer. */
const DISCARD_BYTES = 256 * 1024;

export class ClientConnection extends Connection implements Exchange, TunnelEnd {
	readonly session: Session;
	stream: Stream | undefined;
	/** The connection that serves the present exchange. */
	server: ServerConnection | undefined;
	/** With `http-reuse never`: the connection of the last request, for this client alone. */
	#privateServer: ServerConnection | undefined;
	#reading: number;
	/** Guards against working on the chunk while it is being worked on. */
	#working = false;
	readonly #body = new RequestBody();
	#tunnel: Tunnel | undefined;
	#discarded = 0;
	/** Request bytes have left for a server: the request cannot be sent again. */
	#bodySent = false;
	#responseStarted = false;
	#responseDone = false;
	/** The client gets `connection: close`, or has asked for it. */
	#closing = false;
	/** The last bytes of the answer wait for the client to read. */
	#draining = false;
	#bufferingLimit = 0;
	#serverReady = false;
	#lastQueueBytes = 0;
	/** When the first byte of the request came, and when the connection began to wait for it. */
	#requestBeganMs = 0;
	#idleSinceMs: number;

	constructor(thread: ThreadRuntime, session: Session, handle: unknown) {
		super(thread, handle);
		this.session = session;
		this.#idleSinceMs = session.acceptedMs;
		this.socket.setNoDelay(true);
		this.#reading = session.frontend.mode === 'tcp' ? Reading.RAW : Reading.HEAD;
	}

	/** Begins: mode tcp makes its stream at once, mode http waits for a request. */
	open(nowMs: number): void {
		this.guarded(() => {
			if (this.#reading === Reading.RAW) {
				const stream = new Stream(this.session, this, undefined, nowMs, nowMs);
				this.stream = stream;
				stream.start(nowMs);
			} else this.#setHeadDeadline(nowMs);
		});
	}

	get isIdle(): boolean {
		return this.stream === undefined && this.#reading === Reading.HEAD && this.chunkLength === 0;
	}

	/** Soft stop: a connection that has had an answer and rests since then goes; one that never asked is still served. */
	closeIdle(restingSinceMs: number): void {
		if (this.closed || !this.isIdle || this.session.requestCount === 0 || this.#idleSinceMs > restingSinceMs) return;
		this.#closeGently();
	}

	// ---- what comes from the client -------------------------------------------------------------------

	protected override received(): void {
		if (this.#working) return;
		this.#working = true;
		try {
			while (this.chunkStart < this.chunkEnd && !this.closed && this.#read());
		} finally {
			this.#working = false;
		}
	}

	/** One step on the chunk; false: nothing more can be done with it now. */
	#read(): boolean {
		switch (this.#reading) {
			case Reading.HEAD:
				return this.#readHead();
			case Reading.BODY:
				return this.#readBody();
			case Reading.DISCARD:
				return this.#discardBody();
			case Reading.TUNNEL:
				this.#tunnel?.fromClient(this.thread.currentMs);
				return false;
			case Reading.LINGER:
				this.chunkStart = this.chunkEnd;
				return false;
			case Reading.RAW:
				this.stream?.requestBodyArrived(this.thread.nowMs());
				this.#pauseWhenFull();
				return false;
			default:
				this.#pauseWhenFull();
				return false;
		}
	}

	#pauseWhenFull(): void {
		if (this.chunkLength >= this.thread.bufsizeBytes) this.pauseReading();
	}

	#readHead(): boolean {
		// A client that sends requests and reads no answers gets no more of them.
		if (this.unwrittenBytes > WRITE_LIMIT_BYTES) {
			this.pauseReading();
			this.notifyWhenWritten();
			return false;
		}
		const nowMs = this.thread.currentMs;
		if (this.#requestBeganMs === 0) this.#requestBeganMs = nowMs;
		const { chunk } = this;
		if (chunk[this.chunkStart] === 13) {
			const first = skipEmptyLines(chunk.subarray(0, this.chunkEnd), this.chunkStart);
			if (first instanceof HttpRefusal) return this.#refuse(first, nowMs);
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
		if (end < 0) return this.#headIncomplete(text, nowMs);
		const headEnd = end + 4;
		const head = parseRequestHead(headEnd === text.length ? text : text.slice(0, headEnd), limits);
		this.chunkStart = start + headEnd;
		if (head instanceof HttpRefusal) return this.#refuse(head, nowMs);
		this.deadlineMs = 0;
		this.#reading = this.#body.begin(head.framing) ? Reading.BODY : Reading.DONE;
		this.#bodySent = false;
		this.#responseStarted = false;
		this.#responseDone = false;
		this.#bufferingLimit = 0;
		this.#discarded = 0;
		this.#closing = !clientKeepsAlive(head);
		const stream = new Stream(this.session, this, head, nowMs, this.#requestBeganMs);
		stream.idleMs = this.#requestBeganMs - this.#idleSinceMs;
		this.stream = stream;
		stream.start(nowMs);
		return true;
	}

	/** Part of a head: wait for the rest, unless it can never become one. */
	#headIncomplete(text: string, nowMs: number): boolean {
		const bytes = this.chunk.subarray(0, this.chunkEnd);
		const limits = this.thread.headLimits;
		if (text.length >= limits.headSizeMax)
			return this.#refuse(oversizedHead(bytes, this.chunkStart, limits.headSizeMax), nowMs);
		if (findHeadEnd(bytes, this.chunkStart) === HEAD_BROKEN) {
			const refusal = parseRequestHead(`${text}\r\n\r\n`, limits);
			return this.#refuse(refusal instanceof HttpRefusal ? refusal : new HttpRefusal('HEAD_INCOMPLETE', 0), nowMs);
		}
		// The time for the whole head runs from its first byte and is not renewed by the next (slow clients).
		if (this.deadlineMs === 0 || this.session.requestCount > 0) this.#setHeadDeadline(this.#requestBeganMs);
		return false;
	}

	/** `timeout http-request` for a head that has begun or the first one, `timeout http-keep-alive` between two. */
	#setHeadDeadline(fromMs: number): void {
		const { frontend, requestCount } = this.session;
		const { clientMs = 0, httpRequestMs = clientMs, httpKeepAliveMs = httpRequestMs } = frontend.model.timeouts;
		const timeoutMs = requestCount > 0 && this.#requestBeganMs === 0 ? httpKeepAliveMs : httpRequestMs;
		this.thread.wheel.set(this, timeoutMs > 0 ? fromMs + timeoutMs : 0);
	}

	#setClientDeadline(nowMs: number): void {
		const timeoutMs = this.stream?.clientTimeoutMs ?? this.session.frontend.model.timeouts.clientMs ?? 0;
		this.thread.wheel.set(this, timeoutMs > 0 ? nowMs + timeoutMs : 0);
	}

	/** A head that is no request: answered and counted without a stream's rules. */
	#refuse(refusal: HttpRefusal, nowMs: number): false {
		this.#startWithoutHead(nowMs).refuse(refusal.status, Failure.CLIENT_MALFORMED, nowMs);
		return false;
	}

	#startWithoutHead(nowMs: number): Stream {
		this.deadlineMs = 0;
		this.#reading = Reading.DONE;
		this.#responseStarted = false;
		this.#responseDone = false;
		this.#closing = true;
		const stream = new Stream(this.session, this, undefined, nowMs, this.#requestBeganMs || this.#idleSinceMs);
		this.stream = stream;
		this.chunkStart = this.chunkEnd;
		return stream;
	}

	#readBody(): boolean {
		if (!this.#serverReady) {
			if (this.#bufferingLimit > 0) this.stream?.requestBodyArrived(this.thread.nowMs());
			// The stream may have gone on meanwhile, and a server may have been ready at once.
			if (this.#serverReady || this.#reading !== Reading.BODY) return !this.closed;
			this.#setClientDeadline(this.thread.nowMs());
			this.#pauseWhenFull();
			return false;
		}
		return this.#forwardBody('');
	}

	/** Passes on what there is of the body, behind `prefix`. */
	#forwardBody(prefix: string): boolean {
		const { server, stream } = this;
		if (server === undefined || stream === undefined) return false;
		const start = this.chunkStart;
		const end = this.#bodyEnd(stream);
		if (end < 0) {
			this.#clientFailed(Failure.CLIENT_MALFORMED);
			return false;
		}
		this.#bodySent = true;
		this.chunkStart = end;
		const nowMs = this.thread.currentMs;
		const done = this.#reading === Reading.DONE;
		this.bulk = !done && end - start > READ_BUFFER_BYTES / 4;
		this.passOn(server, prefix, start, end);
		server.touch(nowMs);
		if (done) {
			this.deadlineMs = 0;
			if (this.#responseDone) this.#afterExchange(nowMs);
			return true;
		}
		this.#setClientDeadline(nowMs);
		if (server.unwrittenBytes > WRITE_LIMIT_BYTES) {
			this.pauseReading();
			server.notifyWhenWritten();
			return false;
		}
		return true;
	}

	/** Where the body ends in the chunk, or the chunk's end; -1 if it is malformed. */
	#bodyEnd(stream: Stream | undefined): number {
		const body = this.#body;
		const end = body.take(this.chunk, this.chunkStart, this.chunkEnd);
		if (stream !== undefined) stream.requestBodyBytes += body.payloadBytes;
		if (body.isComplete) this.#reading = Reading.DONE;
		return end;
	}

	/** The answer came before the body was complete, and no server takes the rest. */
	#discardBody(): boolean {
		const before = this.chunkStart;
		const end = this.#bodyEnd(this.stream);
		if (end < 0 || this.#discarded > DISCARD_BYTES) {
			this.#finishExchange(this.thread.nowMs(), true);
			return false;
		}
		this.#discarded += end - before;
		this.chunkStart = end;
		// #bodyEnd has moved on to DONE when that was the last of it.
		if ((this.#reading as number) === Reading.DONE) this.#finishExchange(this.thread.nowMs(), false);
		else this.#setClientDeadline(this.thread.nowMs());
		return true;
	}

	protected override endReceived(): void {
		const nowMs = this.thread.nowMs();
		switch (this.#reading) {
			case Reading.HEAD:
				this.#endInHead(nowMs);
				return;
			case Reading.BODY:
			case Reading.DISCARD:
				if (this.#reading === Reading.DISCARD) {
					this.#finishExchange(nowMs, true);
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
				if (this.stream?.abortOnClose && !this.#responseStarted) this.#clientFailed(Failure.CLIENT_ABORT);
				return;
			case Reading.TUNNEL:
				this.#tunnel?.clientEnded(nowMs);
				return;
			default:
				this.destroy();
		}
	}

	/** Closed between two requests, before the first or within one. */
	#endInHead(nowMs: number): void {
		const partial = this.#requestBeganMs !== 0;
		if (!partial && (this.session.requestCount > 0 || this.session.frontend.model.options.httpIgnoreProbes)) {
			this.destroy();
			return;
		}
		const stream = this.#startWithoutHead(nowMs);
		stream.isNull = !partial;
		stream.refuse(400, Failure.CLIENT_ABORT, nowMs);
	}

	protected override lost(error: Error | undefined): void {
		if (this.stream === undefined) {
			if (this.#reading === Reading.HEAD && error !== undefined) this.#endInHead(this.thread.nowMs());
			return;
		}
		this.#clientFailed(Failure.CLIENT_ABORT);
	}

	/** The stream ends with the client's fault; the server's connection is closed with it. */
	#clientFailed(failure: Failure): void {
		const { stream } = this;
		this.#dropServer();
		const answerable = !this.closed && !this.#responseStarted && failure !== Failure.CLIENT_ABORT;
		if (stream === undefined) {
			this.destroy();
			return;
		}
		if (answerable) {
			this.#reading = Reading.DONE;
			this.#closing = true;
			stream.exchangeFailed(failure, this.thread.nowMs());
			return;
		}
		this.stream = undefined;
		stream.exchangeFailed(failure, this.thread.nowMs());
		this.destroy();
	}

	#dropServer(): void {
		const { server } = this;
		this.server = undefined;
		this.#serverReady = false;
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
		if (queueBytes > 0 && queueBytes !== this.#lastQueueBytes && this.#reading !== Reading.LINGER) {
			// A slow reader that takes anything at all is alive.
			this.#lastQueueBytes = queueBytes;
			this.#setClientDeadline(nowMs);
			return;
		}
		switch (this.#reading) {
			case Reading.HEAD:
				if (this.session.requestCount > 0 && this.#requestBeganMs === 0) {
					this.destroy();
					return;
				}
				if (this.chunkLength === 0 && this.session.frontend.model.options.httpIgnoreProbes) {
					this.destroy();
					return;
				}
				this.#startWithoutHead(nowMs).refuse(408, Failure.CLIENT_TIMEOUT, nowMs);
				return;
			case Reading.LINGER:
				this.destroy();
				return;
			case Reading.TUNNEL:
				this.#tunnel?.timedOut('client', nowMs);
				return;
			case Reading.DISCARD:
				this.#finishExchange(nowMs, true);
				return;
			case Reading.BODY:
				// Paused because the server is slow: that is the server's timeout to watch.
				if (this.readPaused && this.#serverReady) {
					this.#setClientDeadline(nowMs);
					return;
				}
				this.#clientFailed(Failure.CLIENT_TIMEOUT);
				return;
			default:
				this.#clientFailed(Failure.CLIENT_TIMEOUT);
				return;
		}
	}

	protected override crashed(error: unknown): void {
		this.thread.logger.error({ err: error }, 'a client connection failed inside the proxy');
		const { stream } = this;
		this.stream = undefined;
		this.#dropServer();
		if (!this.closed) this.destroy();
		try {
			stream?.exchangeFailed(Failure.INTERNAL, this.thread.nowMs());
		} catch (again) {
			this.thread.logger.error({ err: again }, 'a stream failed while it was ended');
		}
	}

	protected override released(): void {
		this.thread.wheel.remove(this);
		this.#privateServer?.destroy();
		this.#privateServer = undefined;
		// After whoever closed it has told the stream: a session ends after its last stream.
		queueMicrotask(this.#endSession);
	}

	readonly #endSession = (): void => this.session.end(this.thread.nowMs());

	// ---- Exchange: what the stream asks ----------------------------------------------------------------

	get canReplay(): boolean {
		return !this.#bodySent;
	}

	get requestComplete(): boolean {
		return this.#reading === Reading.DONE || this.#reading === Reading.HEAD;
	}

	/** The server's connection may serve others after this exchange. */
	get mayKeepServer(): boolean {
		return this.stream?.keepsServer === true;
	}

	forward(server: Server, mayReuse: boolean): void {
		const stream = this.stream as Stream;
		this.#bufferingLimit = 0;
		// A response that is thrown away to try again (`retry-on`).
		this.#dropServer();
		if (mayReuse) {
			const idle = this.#takeIdle(server);
			if (idle !== undefined) {
				idle.attach(this);
				this.serverReady(idle, true);
				return;
			}
		}
		const destination = server.destinationFor(this.session);
		if (destination === undefined) {
			stream.exchangeFailed(Failure.CONNECT_RESOURCE, this.thread.nowMs());
			return;
		}
		const connection = new ServerConnection(this.thread, server, this);
		this.server = connection;
		connection.connect(destination, stream.connectTimeoutMs);
	}

	#takeIdle(server: Server): ServerConnection | undefined {
		const own = this.#privateServer;
		if (own !== undefined) {
			this.#privateServer = undefined;
			if (own.server === server && !own.closed) return own;
			own.destroy();
		}
		return server.idle.take(this.session.requestCount <= 1) as ServerConnection | undefined;
	}

	/** `http-reuse never`: the connection stays with the client that opened it. */
	keepPrivate(connection: ServerConnection): boolean {
		if (this.closed || this.#closing || this.stream?.reuseMode !== 'never') return false;
		this.#privateServer?.destroy();
		this.#privateServer = connection;
		return true;
	}

	/** The connection to the server stands: the request goes out. */
	serverReady(connection: ServerConnection, reused: boolean): void {
		const stream = this.stream;
		if (stream === undefined) {
			connection.destroy();
			return;
		}
		this.server = connection;
		this.#serverReady = true;
		const nowMs = this.thread.currentMs;
		stream.serverConnected(reused, nowMs);
		const { request } = stream;
		if (request === undefined) {
			this.#beginTunnel(nowMs);
			return;
		}
		stream.sentMethod = request.method;
		connection.expectResponse(stream.serverTimeoutMs, nowMs);
		const head = serializeRequest(request, { close: stream.closesServer });
		if (this.#reading === Reading.BODY && this.chunkLength > 0) this.#forwardBody(head);
		else connection.writeText(head);
		if (this.#reading === Reading.BODY) this.resumeReading();
	}

	respond(): void {
		const { stream, server } = this;
		const response = stream?.response;
		if (stream === undefined || server === undefined || response === undefined) return;
		this.#responseStarted = true;
		const { request } = stream;
		const oldClient = request?.version === 10;
		const framing = response.framing;
		const tunnel = response.status === 101 || (request?.method === 'CONNECT' && response.status < 300);
		const dechunk = oldClient && framing.kind === 'chunked';
		if (framing.kind === 'close' || dechunk || stream.closesClient || (this.readEnded && this.chunkLength === 0)) {
			this.#closing = true;
		}
		const head = serializeResponse(response, {
			keepAlive: !this.#closing && oldClient,
			close: this.#closing && !tunnel,
			dechunk,
		});
		if (tunnel) {
			this.writeText(head);
			this.#beginTunnel(this.thread.nowMs());
			return;
		}
		server.beginBody(head, framing, dechunk);
	}

	/** A 1xx of the server goes on to a client that can understand it (RFC 9110, section 15.2). */
	relayInterim(head: ResponseHead): void {
		const { stream } = this;
		if (stream?.request === undefined) return;
		stream.responseHeadBytes += responseHeadSize(head);
		if (stream.request.version === 10) return;
		this.writeText(serializeResponse(head, { keepAlive: false, close: false, dechunk: false }));
	}

	reply(reply: LocalReply, close: boolean): void {
		const stream = this.stream;
		if (stream === undefined) return;
		if (this.closed) {
			this.stream = undefined;
			stream.exchangeEnded(this.thread.currentMs);
			return;
		}
		this.#dropServer();
		this.#responseStarted = true;
		const { request } = stream;
		if (close || stream.closesClient || this.#reading === Reading.BODY || this.readEnded || reply.raw !== undefined) {
			this.#closing = true;
		}
		if (reply.raw !== undefined) this.#writeReply('', reply.raw);
		else {
			const head = serializeLocalReply(reply, {
				keepAlive: !this.#closing && request?.version === 10,
				close: this.#closing,
			});
			this.#writeReply(head, request?.method === 'HEAD' ? EMPTY_CHUNK : reply.body);
		}
		this.#completeResponse(this.thread.currentMs);
	}

	#writeReply(head: string, body: Buffer): void {
		if (head.length + body.length <= TEXT_WRITE_BYTES) this.writeText(head + body.toString('latin1', 0, body.length));
		else {
			if (head.length > 0) this.writeText(head);
			this.writeBuffer(body, undefined);
		}
	}

	bufferRequestBody(limitBytes: number): void {
		this.#bufferingLimit = limitBytes;
		this.stream?.requestBodyArrived(this.thread.nowMs());
	}

	get requestBuffer(): Buffer | undefined {
		if (this.chunkLength === 0 || (this.#reading !== Reading.BODY && this.#reading !== Reading.RAW)) return undefined;
		const bytes = this.chunk.subarray(this.chunkStart, this.chunkEnd);
		if (this.#reading === Reading.RAW) return bytes;
		return this.#body.peek(bytes);
	}

	get requestBufferComplete(): boolean {
		if (this.readEnded || this.chunkLength >= this.thread.bufsizeBytes) return true;
		if (this.#reading === Reading.RAW) return false;
		if (this.#reading !== Reading.BODY) return true;
		return this.#body.peekComplete(this.chunk.subarray(this.chunkStart, this.chunkEnd));
	}

	get responseBuffer(): Buffer | undefined {
		return this.server?.heldBytes;
	}

	get responseBufferComplete(): boolean {
		return (
			this.server === undefined ||
			this.server.hasEnded ||
			(this.responseBuffer?.length ?? 0) >= this.thread.bufsizeBytes
		);
	}

	get serverSideAddress(): string | undefined {
		return this.server?.socket.localAddress;
	}

	get serverSidePort(): number | undefined {
		return this.server?.socket.localPort;
	}

	/**
	 * The system gives Node no way to vanish without a word: a reset is the shortest one there is, and holds
	 * nothing on this side, which is what a silent drop is for.
	 */
	abort(silent: boolean): void {
		const { stream } = this;
		this.stream = undefined;
		this.#dropServer();
		if (silent) this.reset();
		else if (!this.closed) this.#closeGently();
		stream?.exchangeEnded(this.thread.nowMs());
	}

	// ---- what the server's connection tells ------------------------------------------------------------

	/** The server's connection has left the exchange. */
	serverFailed(connection: ServerConnection, failure: Failure): void {
		if (this.server !== undefined && this.server !== connection) return;
		this.server = undefined;
		this.#serverReady = false;
		const { stream } = this;
		if (stream === undefined) return;
		const nowMs = this.thread.nowMs();
		if (!this.#responseStarted) {
			stream.exchangeFailed(failure, nowMs);
			return;
		}
		this.stream = undefined;
		// Part of the answer is out: only the end of the connection can tell the client that the rest is missing.
		stream.exchangeFailed(failure, nowMs);
		this.#closeGently();
	}

	/** The last byte of the response has been written here. */
	responseComplete(): void {
		this.#completeResponse(this.thread.currentMs);
	}

	/** After a complete response the server closed without waiting for the rest of the request. */
	serverGoneAfterResponse(): void {
		this.#serverReady = false;
		if (this.#reading === Reading.BODY && this.stream !== undefined) {
			this.#reading = Reading.DISCARD;
			this.resumeReading();
			this.#reprocessGuarded();
		}
	}

	#completeResponse(nowMs: number): void {
		if (this.unwrittenBytes > 0) {
			this.#draining = true;
			this.#setClientDeadline(nowMs);
			this.notifyWhenWritten();
			return;
		}
		this.#responseGiven(nowMs);
	}

	#responseGiven(nowMs: number): void {
		this.#draining = false;
		this.#responseDone = true;
		if (this.#reading === Reading.BODY && !this.#closing) {
			const { server } = this;
			if (server?.takesRequest === true) return;
			this.#dropServer();
			this.#reading = Reading.DISCARD;
			this.#setClientDeadline(nowMs);
			this.resumeReading();
			this.#reprocessGuarded();
			return;
		}
		this.#afterExchange(nowMs);
	}

	/** Both messages are complete. */
	#afterExchange(nowMs: number): void {
		this.server?.finish();
		this.#finishExchange(nowMs, false);
	}

	#finishExchange(nowMs: number, close: boolean): void {
		const { stream } = this;
		this.#dropServer();
		this.#serverReady = false;
		this.stream = undefined;
		this.bulk = false;
		stream?.exchangeEnded(nowMs);
		if (this.closed) return;
		// Requests that were pipelined before the client's end are still answered.
		const more = !this.readEnded || this.chunkLength > 0;
		if (close || this.#closing || !more) {
			this.#closeGently();
			return;
		}
		this.#reading = Reading.HEAD;
		this.#requestBeganMs = 0;
		this.#idleSinceMs = nowMs;
		this.#setHeadDeadline(nowMs);
		this.resumeReading();
		this.#reprocessGuarded();
	}

	#reprocessGuarded(): void {
		if (!this.#working && this.chunkLength > 0) this.reprocess();
	}

	#closeGently(): void {
		if (this.closed) return;
		this.chunkStart = this.chunkEnd;
		this.#reading = Reading.LINGER;
		if (this.readEnded && this.unwrittenBytes === 0) {
			this.#endAndDestroy();
			return;
		}
		this.socket.end();
		this.resumeReading();
		const finMs = this.session.frontend.model.timeouts.clientFinMs ?? LINGER_MS;
		this.thread.wheel.set(this, this.thread.nowMs() + finMs);
		if (this.readEnded) this.notifyEnd();
	}

	#endAndDestroy(): void {
		this.socket.end();
		this.destroy();
	}

	/** The client has closed already: nothing but the last write is waited for. */
	private notifyEnd(): void {
		this.socket.once('finish', () => this.destroy());
	}

	/** The client is slower than the server: watch that it takes anything at all. */
	sourceWaits(nowMs: number): void {
		this.#setClientDeadline(nowMs);
		this.notifyWhenWritten();
	}

	protected override written(): void {
		const nowMs = this.thread.nowMs();
		if (this.#draining) {
			if (this.unwrittenBytes === 0) this.#responseGiven(nowMs);
			return;
		}
		if (this.unwrittenBytes > WRITE_LIMIT_BYTES / 2) return;
		if (this.server?.isPaused === true) {
			if (this.#reading !== Reading.BODY && this.#reading !== Reading.TUNNEL) this.deadlineMs = 0;
			this.server.resumeReading();
			this.server.flush();
		}
		if (this.#reading === Reading.HEAD && this.readPaused) {
			this.resumeReading();
			this.#reprocessGuarded();
		}
	}

	/** The server has taken what was written to it. */
	serverDrained(): void {
		if (!this.readPaused || this.server === undefined || this.server.unwrittenBytes > WRITE_LIMIT_BYTES / 2) return;
		this.resumeReading();
		this.#reprocessGuarded();
	}

	// ---- tunnel ----------------------------------------------------------------------------------------

	#beginTunnel(nowMs: number): void {
		const { server, stream } = this;
		if (server === undefined || stream === undefined) return;
		const tunnel = new Tunnel(this, server, stream);
		this.#tunnel = tunnel;
		this.#reading = Reading.TUNNEL;
		this.#responseStarted = true;
		this.bulk = true;
		server.beginTunnel(tunnel);
		tunnel.touch(nowMs);
		this.resumeReading();
		server.resumeReading();
		this.#reprocessGuarded();
		server.flush();
		if (this.readEnded) tunnel.clientEnded(nowMs);
	}

	tunnelEnded(): void {
		const { stream, server } = this;
		this.stream = undefined;
		this.server = undefined;
		if (server !== undefined) {
			server.client = undefined;
			server.closeWhenWritten();
		}
		stream?.exchangeEnded(this.thread.nowMs());
		this.#closeGently();
	}

	tunnelFailed(failure: Failure): void {
		const { stream } = this;
		this.stream = undefined;
		this.#dropServer();
		stream?.exchangeFailed(failure, this.thread.nowMs());
		this.#closeGently();
	}
}
