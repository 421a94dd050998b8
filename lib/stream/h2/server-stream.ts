/**
 * One request to a server over HTTP/2. To the native engine it is a connection to a server, for one exchange; it has no
 * socket, but a place among the streams of a session (server-session.ts), which it gets when it connects.
 *
 *     waiting for a session --ready--> open --response complete--> done
 *                     \--ALPN chose HTTP/1.1--> replaced by a connection of native/
 *
 * What differs stands here: heads go as fields, the payload of a request is taken out of the chunks it came in, that
 * of the response has none, and END_STREAM is the end of both. How fast each side may send is the windows' matter: what
 * was not taken by whoever gets it is not given back to the window.
 *
 * A request that the server has refused or not seen (REFUSED_STREAM, GOAWAY: RFC 9113, section 8.7) is sent again on
 * another session, once, whatever its method, as long as nothing of its body is gone.
 */
import type { Socket } from 'node:net';
import type { Destination, Server } from '../../backend/server.js';
import { ChunkedDecoder } from '../../http/body-framing.js';
import type { FieldList } from '../../http/h2/field-list.js';
import { ErrorCode } from '../../http/h2/frames.js';
import type { H2Stream } from '../../http/h2/stream.js';
import type { HeaderList, RequestHead } from '../../http/message.js';
import { isRefusal } from '../../http/refusal.js';
import type { MultiplexView } from '../../sample/types.js';
import { Failure } from '../exchange.js';
import type { ClientConnection } from '../native/client-connection.js';
import { EMPTY_CHUNK, NO_SOCKET, WRITE_LIMIT_BYTES } from '../native/connection.js';
import { ServerConnection } from '../native/server-connection.js';
import type { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { askedProtocol, encodeRequest, flatTrailers, switched, trailersOf } from './server-heads.js';
import type { H2ServerSession } from './server-session.js';
import { type ServerSessions, sessionsOf } from './server-sessions.js';

export class ServerStream extends ServerConnection {
	readonly #sessions: ServerSessions;
	readonly #stream: Stream;
	readonly #mayReuse: boolean;
	#destination: Destination | undefined;
	session: H2ServerSession | undefined;
	#lastSession: H2ServerSession | undefined;
	#h2: H2Stream<ServerStream> | undefined;
	#wasReused = false;
	#wasResent = false;

	// The request.
	#request: RequestHead | undefined;
	#sentAtMs = 0;
	#protocol: string | undefined;
	/** Its payload comes in chunks. */
	#decoder: ChunkedDecoder | undefined;
	/** With a length: payload still due. */
	#remainingBytes = 0;
	#isTunnel = false;
	#bodySent = false;
	/** Nothing more is to be sent. */
	#requestEnded = false;
	/** Payload that came before there was a stream for it. */
	readonly #early: Buffer[] = [];
	#earlyBytes = 0;
	#waitsForSettings = false;
	#tellsWritten = false;

	// The response.
	/** What came while nobody read. */
	#held: Buffer[] | undefined;
	/** END_STREAM is still to be told. */
	#heldEnd = false;
	#trailers: HeaderList | undefined;
	#isResuming = false;
	/** What the server is told when its stream is broken off. */
	#breakCode: number = ErrorCode.CANCEL;

	constructor(thread: ThreadRuntime, server: Server, client: ClientConnection, stream: Stream, mayReuse: boolean) {
		super(thread, server, client, NO_SOCKET);
		this.#sessions = sessionsOf(server, thread);
		this.#stream = stream;
		this.#mayReuse = mayReuse;
	}

	override connect(destination: Destination, timeoutMs: number): void {
		if (timeoutMs > 0) this.thread.wheel.set(this, this.thread.nowMs() + timeoutMs);
		this.#destination = destination;
		this.#sessions.open(this, this.#stream, destination, this.#mayReuse);
	}

	// ---- what the session tells -------------------------------------------------------------------------------

	sessionReady(isReused: boolean): void {
		if (this.closed) return;
		this.#wasReused = isReused;
		this.#lastSession = this.session;
		if (this.#wasResent) this.guarded(this.#open);
		else this.connected();
	}

	/** The session is gone, or never came to be. */
	sessionLost(error: Error | undefined): void {
		if (this.closed || this.#h2?.remoteEnded === true) return;
		this.markClosed();
		try {
			this.lost(error);
		} catch (thrown) {
			this.crashed(thrown);
		}
	}

	/** ALPN has chosen HTTP/1.1, and the connection is another request's. */
	reopen(): void {
		this.session = undefined;
		if (!this.closed) this.#sessions.open(this, this.#stream, this.#destination as Destination, false);
	}

	/** ALPN has chosen HTTP/1.1: the socket is this request's own. */
	becomePlain(socket: Socket): void {
		const { client } = this;
		this.session = undefined;
		this.client = undefined;
		this.markClosed();
		if (client === undefined) {
			socket.destroy();
			return;
		}
		const plain = new ServerConnection(this.thread, this.server, client, socket);
		client.server = plain;
		plain.connected();
	}

	settingsReceived(): void {
		if (!this.#waitsForSettings || this.closed) return;
		this.#waitsForSettings = false;
		this.guarded(this.#open);
	}

	/** GOAWAY: what is above `lastStreamId` the server has not seen. */
	lastSeen(lastStreamId: number): void {
		const h2 = this.#h2;
		if (this.closed || h2 === undefined || h2.isClosed || h2.id <= lastStreamId) return;
		this.#notSeen();
	}

	streamReset(code: number, byPeer: boolean): void {
		const h2 = this.#h2;
		if (this.closed || h2 === undefined) return;
		// Section 8.1: the server wants no more of the request, and has said all that it has to say.
		if (h2.remoteEnded) return;
		if (byPeer && code === ErrorCode.REFUSED_STREAM && !h2.headReceived) this.#notSeen();
		else if (!byPeer) this.failed(h2.headReceived ? Failure.SERVER_ABORT : Failure.SERVER_MALFORMED);
		else this.sessionLost(undefined);
	}

	/** A connection on which nothing has come since then may be dead: the next request gets another one. */
	protected override failed(failure: Failure): void {
		const { session } = this;
		const isSilent = session !== undefined && session.receivedAtMs <= this.#sentAtMs;
		if (failure === Failure.SERVER_TIMEOUT && isSilent) session.isLeaving = true;
		super.failed(failure);
	}

	/** The server has not acted on the request, and never will. */
	#notSeen(): void {
		this.#leave();
		this.#release();
		this.#h2 = undefined;
		if (this.#wasResent || this.#bodySent) {
			this.sessionLost(undefined);
			return;
		}
		this.#wasResent = true;
		this.#sessions.open(this, this.#stream, this.#destination as Destination, false);
	}

	// ---- what native/ asks of a connection --------------------------------------------------------------------

	override get transport(): Socket | undefined {
		return this.session?.socket;
	}

	override get multiplex(): MultiplexView | undefined {
		return this.#lastSession;
	}

	protected override get wasReused(): boolean {
		return this.#wasReused;
	}

	override get hasFrames(): boolean {
		return true;
	}

	override get copies(): boolean {
		return true;
	}

	override get unwrittenBytes(): number {
		return this.#earlyBytes + (this.#h2?.queuedBytes ?? 0);
	}

	protected override get kernelQueueBytes(): number {
		return this.unwrittenBytes;
	}

	override notifyWhenWritten(): void {
		if (this.closed) return;
		this.#tellsWritten = true;
		if (this.unwrittenBytes === 0) this.#resumeLater();
	}

	payloadTaken(): void {
		if (this.#tellsWritten && !this.closed && this.unwrittenBytes <= WRITE_LIMIT_BYTES / 2) this.#resumeLater();
	}

	override pauseReading(): void {
		if (!this.closed) this.readPaused = true;
	}

	override resumeReading(): void {
		if (!this.readPaused || this.closed) return;
		this.readPaused = false;
		if (this.#held !== undefined || this.#heldEnd) this.#resumeLater();
	}

	override endWriting(): void {
		this.#endRequest();
	}

	override destroy(): void {
		if (!this.closed) this.markClosed();
	}

	override reset(): void {
		this.destroy();
	}

	protected override released(): void {
		super.released();
		this.#early.length = 0;
		this.#earlyBytes = 0;
		this.#leave();
		this.#release();
	}

	/** The stream's own end, where it has not come to one. */
	#leave(): void {
		const { session } = this;
		const h2 = this.#h2;
		if (session === undefined || h2 === undefined) return;
		h2.user = undefined;
		const held = this.#held;
		if (held !== undefined) {
			// It counts in the window that all streams share.
			this.#held = undefined;
			for (const piece of held) session.codec.consumed(h2, piece.length);
			session.flushSoon();
		}
		if (h2.isClosed) return;
		const isWhole = h2.remoteEnded || (h2.expectedBytes >= 0 && h2.receivedBytes === h2.expectedBytes);
		// Its END_STREAM is still on the way.
		if (isWhole && h2.localEnded) return;
		session.codec.reset(h2, isWhole ? ErrorCode.NO_ERROR : this.#breakCode);
		session.flushSoon();
	}

	#release(): void {
		const { session } = this;
		this.session = undefined;
		if (session !== undefined) this.#sessions.release(session, this);
	}

	#resumeLater(): void {
		const { session } = this;
		if (this.#isResuming || session === undefined) return;
		this.#isResuming = true;
		session.resumeLater(this);
	}

	/** What could not be told where it became true. */
	resumed(): void {
		this.#isResuming = false;
		if (this.closed) return;
		if (this.#tellsWritten) {
			if (this.unwrittenBytes === 0) this.#tellsWritten = false;
			this.guarded(this.written);
		}
		const held = this.#held;
		if (held !== undefined) {
			this.#held = undefined;
			for (let i = 0; i < held.length; i++) {
				if (this.closed) return;
				if (this.readPaused) {
					this.#held = held.slice(i);
					return;
				}
				const bytes = held[i] as Buffer;
				this.#deliver(bytes, 0, bytes.length, false);
			}
		}
		if (this.#heldEnd && !this.closed && this.#held === undefined) this.#tellEnd();
	}

	// ---- the request ------------------------------------------------------------------------------------------

	override requestHead(request: RequestHead): string {
		const { framing } = request;
		this.#request = request;
		this.#protocol = askedProtocol(request);
		this.#isTunnel = this.#protocol !== undefined || request.method === 'CONNECT';
		if (this.#isTunnel) return this.#opened();
		if (framing.kind === 'chunked') this.#decoder = new ChunkedDecoder();
		else if (framing.kind === 'length') this.#remainingBytes = framing.length;
		this.#requestEnded = this.#decoder === undefined && this.#remainingBytes === 0;
		return this.#opened();
	}

	#opened(): string {
		this.#open();
		return '';
	}

	#open(): void {
		const { session } = this;
		const request = this.#request;
		if (request === undefined || this.closed) return;
		if (session === undefined || session.closed || session.isLeaving) {
			this.#notSeen();
			return;
		}
		const { codec } = session;
		if (this.#protocol !== undefined && !codec.hasPeerSettings) {
			this.#waitsForSettings = true;
			return;
		}
		if (this.#protocol !== undefined && !codec.peer.enableConnectProtocol) {
			// It cannot be asked for a tunnel (RFC 8441, section 3).
			this.sessionLost(undefined);
			return;
		}
		const h2 = codec.openStream(this);
		if (h2 === undefined) {
			this.#notSeen();
			return;
		}
		this.#h2 = h2;
		this.#sentAtMs = this.thread.currentMs;
		codec.encoder.begin();
		encodeRequest(codec.encoder, request, this.#stream.session.isTls);
		const isWhole = this.#requestEnded && this.#earlyBytes === 0 && this.#decoder === undefined;
		codec.sendHead(h2, isWhole);
		for (const piece of this.#early) codec.sendData(h2, piece, 0, piece.length);
		this.#early.length = 0;
		this.#earlyBytes = 0;
		if (this.#requestEnded && !isWhole) this.#finish(h2);
		session.flushSoon();
	}

	override writeText(text: string): void {
		if (text === '' || this.closed) return;
		const bytes = Buffer.from(text, 'latin1');
		this.writePart(bytes, 0, bytes.length);
	}

	override writeBuffer(view: Buffer): boolean {
		this.writePart(view, 0, view.length);
		return true;
	}

	/** The body with the framing of HTTP/1.1. */
	override writePart(buffer: Buffer, start: number, end: number): void {
		if (this.closed || this.#requestEnded) return;
		const decoder = this.#decoder;
		if (decoder !== undefined) {
			// What comes here has been through the client's decoder.
			if (decoder.push(buffer, start, end, this.#sendPayload) < 0) this.failed(Failure.INTERNAL);
			else if (decoder.isDone) this.#endRequest();
		} else if (this.#isTunnel) this.#sendPayload(buffer, start, end);
		else {
			const upTo = Math.min(end, start + this.#remainingBytes);
			this.#remainingBytes -= upTo - start;
			this.#sendPayload(buffer, start, upTo);
			if (this.#remainingBytes === 0) this.#endRequest();
		}
	}

	readonly #sendPayload = (buffer: Buffer, start: number, end: number): void => {
		const { session } = this;
		const h2 = this.#h2;
		if (end <= start) return;
		if (h2 === undefined || session === undefined) {
			this.#early.push(Buffer.from(buffer.subarray(start, end)));
			this.#earlyBytes += end - start;
			return;
		}
		this.#bodySent = true;
		session.codec.sendData(h2, buffer, start, end);
		session.flushSoon();
	};

	#endRequest(): void {
		if (this.#requestEnded) return;
		this.#requestEnded = true;
		if (this.#h2 !== undefined) this.#finish(this.#h2);
	}

	#finish(h2: H2Stream<ServerStream>): void {
		const { session } = this;
		if (session === undefined) return;
		const trailers = this.#decoder?.trailers;
		session.codec.endStream(h2, trailers === undefined ? undefined : flatTrailers(trailers));
		session.flushSoon();
	}

	// ---- the response -----------------------------------------------------------------------------------------

	headReceived(fields: FieldList, ends: boolean): void {
		const { session } = this;
		const h2 = this.#h2;
		if (h2 === undefined || session === undefined || this.closed) return;
		const method = this.#request?.method ?? 'GET';
		let head = session.responseHeads.read(fields, ends, method);
		if (isRefusal(head)) {
			this.thread.logger.debug({ reason: head.reason }, `server ${this.server.name}: malformed response over HTTP/2`);
			this.#breakCode = ErrorCode.PROTOCOL_ERROR;
			this.malformed();
			return;
		}
		const { framing } = head;
		if (head.status >= 200) {
			if (this.#protocol !== undefined && head.status < 300) {
				head = switched(head, this.#protocol, this.#request?.headers.get('sec-websocket-key'));
			} else if (!this.#isTunnel || head.status >= 300) {
				this.#isTunnel = false;
				if (framing.kind === 'length') h2.expectedBytes = framing.length;
				else if (framing.kind === 'none') h2.expectedBytes = 0;
			}
		}
		try {
			this.headArrived(head);
		} catch (error) {
			this.crashed(error);
		}
		if (ends && !this.closed) this.remoteEnded();
	}

	/** Payload of DATA. `isBorrowed`: the buffer is read into again. */
	payloadReceived(bytes: Buffer, start: number, end: number, isBorrowed: boolean): void {
		if (this.closed) return;
		if (this.readPaused || this.#held !== undefined) {
			this.#held ??= [];
			this.#held.push(isBorrowed ? Buffer.from(bytes.subarray(start, end)) : bytes.subarray(start, end));
		} else this.#deliver(bytes, start, end, isBorrowed);
	}

	#deliver(bytes: Buffer, start: number, end: number, isBorrowed: boolean): void {
		const { session } = this;
		const h2 = this.#h2;
		if (session !== undefined && h2 !== undefined) session.codec.consumed(h2, end - start);
		if (this.chunkStart < this.chunkEnd) {
			this.dataReceived(isBorrowed ? Buffer.from(bytes.subarray(start, end)) : bytes.subarray(start, end));
			return;
		}
		this.chunk = bytes;
		this.chunkStart = start;
		this.chunkEnd = end;
		try {
			this.received();
		} catch (error) {
			this.crashed(error);
		}
		if (this.chunkStart >= this.chunkEnd) this.chunk = EMPTY_CHUNK;
		else if (isBorrowed && this.chunk === bytes) {
			this.chunk = Buffer.from(bytes.subarray(this.chunkStart, this.chunkEnd));
			this.chunkStart = 0;
			this.chunkEnd = this.chunk.length;
		}
	}

	trailersReceived(fields: FieldList): void {
		if (this.closed) return;
		this.#trailers = trailersOf(fields);
		if (this.#trailers !== undefined) return;
		this.#breakCode = ErrorCode.PROTOCOL_ERROR;
		this.failed(Failure.SERVER_ABORT);
	}

	/** END_STREAM. */
	remoteEnded(): void {
		if (this.closed) return;
		if (this.#held === undefined) this.#tellEnd();
		else this.#heldEnd = true;
	}

	#tellEnd(): void {
		this.#heldEnd = false;
		this.readEnded = true;
		this.guarded(this.endReceived);
	}

	protected override get trailers(): HeaderList | undefined {
		return this.#trailers;
	}
}
