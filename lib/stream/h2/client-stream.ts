/**
 * One stream of HTTP/2: one request and its response. To the native engine it is a client's connection with a single
 * request on it: rules, servers, filters, replies, tunnels and time are the native engine's. What differs stands here:
 * the request comes as a head that is parsed already (request-head.ts), its body with the framing that a server of
 * HTTP/1.1 will get; a head of the answer becomes HEADERS, payload becomes DATA without chunks, the end is END_STREAM.
 *
 * There is no socket: bytes come from the session and go to its codec (lib/http/h2). What is written is with the
 * codec at once, in the next write to the client or, if the windows do not allow it, in a copy that waits; so
 * `unwrittenBytes` is what waits, and a client that reads nothing leaves at most what the engine lets wait
 * (WRITE_LIMIT_BYTES) per stream.
 *
 * A stream ends in one way only that a connection does not: the session (`Session`) outlives it.
 */
import { ChunkedDecoder } from '../../http/body-framing.js';
import { isToken } from '../../http/characters.js';
import type { H2Connection } from '../../http/h2/connection.js';
import type { FieldList } from '../../http/h2/field-list.js';
import { ErrorCode } from '../../http/h2/frames.js';
import type { H2Stream } from '../../http/h2/stream.js';
import { type HeadLimits, parseResponseHead } from '../../http/head-parser.js';
import type { BodyFraming, HeaderList, RequestHead, ResponseHead } from '../../http/message.js';
import { isRefusal } from '../../http/refusal.js';
import type { LocalReplyOptions, ResponseOptions } from '../../http/serializer.js';
import { FORBIDDEN_TRAILERS } from '../../http/trailers.js';
import type { LocalReply } from '../../rules/stream-control.js';
import type { MultiplexView } from '../../sample/types.js';
import { Failure } from '../exchange.js';
import { ClientConnection } from '../native/client-connection.js';
import { NO_SOCKET } from '../native/connection.js';
import { Reading } from '../native/request-reader.js';
import type { Session } from '../session.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { CONNECTION_FIELDS, type H2Request } from './request-head.js';

/** What a stream tells the connection it is on. */
export interface StreamOwner extends MultiplexView {
	readonly codec: H2Connection<ClientStream>;
	/** Something stands in the codec's output. */
	flushSoon(): void;
	/** `stream.resumed` is to be called, not below what runs now. */
	resumeLater(stream: ClientStream): void;
	streamEnded(stream: ClientStream): void;
	/** A rule wants the client gone, with a word (`reject`) or without (`silent-drop`). */
	dropClient(silent: boolean): void;
}

const CR = 13;
const LF = 10;
const LAST_CHUNK_START = '0\r\n';

/** Our own heads are longer than what clients may send: rules add to them. */
const OWN_HEAD_LIMITS: HeadLimits = { headSizeMax: 1 << 24, headerCountMax: 1 << 16 };

const STATUS_TEXTS: readonly string[] = Array.from({ length: 1000 }, (_, status) => String(status));

export class ClientStream extends ClientConnection {
	readonly #owner: StreamOwner;
	readonly #codec: H2Connection<ClientStream>;
	readonly #h2: H2Stream<ClientStream>;
	/** Undefined: a head that is too large to be one. */
	readonly #request: H2Request | undefined;
	/** The body goes on in chunks, since nobody has said its length. */
	readonly #chunked: boolean;
	#isOpen = true;
	/** Both ends speak bytes, not messages. */
	#isTunnel = false;
	/** All of the answer was written. */
	#isWhole = false;
	#trailers: string[] | undefined;
	/** What came while nobody read. */
	#held: Buffer[] | undefined;
	/** END_STREAM came, and is still to be told; with the trailer lines of the body. */
	#heldEnd: string | undefined;
	#isResuming = false;
	#wantsWritten = false;
	#isLeaving = false;
	/** What the client is told when the answer breaks off. */
	#breakCode: number = ErrorCode.INTERNAL_ERROR;

	constructor(
		thread: ThreadRuntime,
		session: Session,
		owner: StreamOwner,
		h2: H2Stream<ClientStream>,
		request: H2Request | undefined,
	) {
		super(thread, session, NO_SOCKET);
		this.#owner = owner;
		this.#codec = owner.codec;
		this.#h2 = h2;
		this.#request = request;
		this.#chunked = request?.head.framing.kind === 'chunked';
	}

	override get clientMultiplex(): MultiplexView {
		return this.#owner;
	}

	begin(head: RequestHead, nowMs: number): void {
		this.requestBeganMs = nowMs;
		this.idleSinceMs = nowMs;
		const { framing } = head;
		if (framing.kind === 'length') this.#h2.expectedBytes = framing.length;
		try {
			this.beginRequest(head, nowMs);
		} catch (error) {
			this.crashed(error);
		}
	}

	/** A request that is none: answered with this status, or not at all. */
	refuse(status: number, nowMs: number): void {
		this.guarded(() => this.startWithoutHead(nowMs).refuse(status, Failure.CLIENT_MALFORMED, nowMs));
	}

	// ---- what comes from the client ---------------------------------------------------------------------------

	/** Payload of DATA. `isBorrowed`: the buffer is read into again. */
	payloadReceived(bytes: Buffer, start: number, end: number, isBorrowed: boolean): void {
		if (this.closed) this.#codec.consumed(this.#h2, end - start);
		else if (this.readPaused || this.#held !== undefined) {
			this.#held ??= [];
			this.#held.push(isBorrowed ? Buffer.from(bytes.subarray(start, end)) : bytes.subarray(start, end));
		} else this.#deliver(bytes, start, end, isBorrowed);
	}

	#deliver(bytes: Buffer, start: number, end: number, isBorrowed: boolean): void {
		const size = end - start;
		this.#codec.consumed(this.#h2, size);
		if (this.#chunked) {
			const sizeText = size.toString(16);
			const chunk = Buffer.allocUnsafe(sizeText.length + size + 4);
			const from = chunk.write(sizeText, 'latin1');
			chunk[from] = CR;
			chunk[from + 1] = LF;
			bytes.copy(chunk, from + 2, start, end);
			chunk[from + 2 + size] = CR;
			chunk[from + 3 + size] = LF;
			this.dataReceived(chunk);
		} else this.dataReceived(isBorrowed ? Buffer.from(bytes.subarray(start, end)) : bytes.subarray(start, end));
	}

	/** False: one of them must not come after a body (RFC 9113, section 8.1). */
	trailersReceived(fields: FieldList): boolean {
		const lines = trailerLines(fields);
		if (lines === undefined) return false;
		this.#heldEnd = lines;
		return true;
	}

	/** END_STREAM. */
	requestEnded(): void {
		this.#heldEnd ??= '';
		if (this.#held === undefined) this.#tellEnd();
	}

	#tellEnd(): void {
		const lines = this.#heldEnd ?? '';
		this.#heldEnd = undefined;
		if (this.closed) return;
		if (this.#request?.isExtendedConnect === true || this.#request?.method === 'CONNECT') this.socketEnded();
		else if (this.#chunked) this.dataReceived(Buffer.from(`${LAST_CHUNK_START}${lines}\r\n`, 'latin1'));
	}

	/** The client has reset it, or has broken a rule on it. */
	streamLost(): void {
		if (this.closed) return;
		this.#dropHeld();
		this.markClosed();
		try {
			this.lost(undefined);
		} catch (error) {
			this.crashed(error);
		}
	}

	override pauseReading(): void {
		this.readPaused = true;
	}

	override resumeReading(): void {
		if (!this.readPaused) return;
		this.readPaused = false;
		if (this.#held !== undefined) this.#later();
	}

	#later(): void {
		if (this.#isResuming) return;
		this.#isResuming = true;
		this.#owner.resumeLater(this);
	}

	/** Gives on what was held. */
	resumed(): void {
		this.#isResuming = false;
		if (this.#wantsWritten && !this.closed) {
			this.#wantsWritten = false;
			this.guarded(this.written);
		}
		const held = this.#held;
		if (held === undefined) return;
		this.#held = undefined;
		for (let i = 0; i < held.length; i++) {
			if (this.readPaused && !this.closed) {
				this.#held = held.slice(i);
				return;
			}
			const piece = held[i] as Buffer;
			if (this.closed) this.#codec.consumed(this.#h2, piece.length);
			else this.#deliver(piece, 0, piece.length, false);
		}
		if (this.#heldEnd !== undefined) this.#tellEnd();
	}

	#dropHeld(): void {
		const held = this.#held;
		this.#held = undefined;
		if (held !== undefined) for (const piece of held) this.#codec.consumed(this.#h2, piece.length);
	}

	// ---- what goes to the client ------------------------------------------------------------------------------

	override get copies(): boolean {
		return true;
	}

	override writeText(text: string): void {
		if (this.closed || text === '') return;
		this.#codec.sendText(this.#h2, text);
		this.#owner.flushSoon();
	}

	override writePart(buffer: Buffer, start: number, end: number): void {
		if (this.closed) return;
		this.#codec.sendData(this.#h2, buffer, start, end);
		this.#owner.flushSoon();
	}

	override writeBuffer(view: Buffer, _pooled: Buffer | undefined): boolean {
		this.writePart(view, 0, view.length);
		return true;
	}

	override get unwrittenBytes(): number {
		return this.#h2.queuedBytes;
	}

	protected override get kernelQueueBytes(): number {
		return this.#h2.queuedBytes;
	}

	/** `written` is called whenever anything that waited has gone; what does not wait has gone. */
	override notifyWhenWritten(): void {
		if (this.#h2.queuedBytes > 0) return;
		this.#wantsWritten = true;
		this.#later();
	}

	/** Payload that waited has gone into the output. */
	payloadTaken(): void {
		if (this.#isLeaving) {
			if (this.#h2.queuedBytes === 0) this.#leave();
		} else if (!this.closed) this.guarded(this.written);
	}

	protected override headOf(response: ResponseHead, options: ResponseOptions, tunnel: boolean): string {
		const { status } = response;
		if (status === 101 && this.#request?.isExtendedConnect !== true) {
			this.#break(ErrorCode.INTERNAL_ERROR);
			return '';
		}
		if (tunnel) {
			this.#isTunnel = true;
			// 101 is said as 200 (RFC 8441, section 5), and has no length.
			this.#sendHead(status === 101 ? 200 : status, response.headers, TUNNEL_BODY, false);
		} else this.#sendHead(status, response.headers, response.framing, options.dechunk);
		return '';
	}

	protected override localHeadOf(reply: LocalReply, options: LocalReplyOptions): string {
		const { status } = reply;
		const isBodiless = status < 200 || status === 204 || status === 304 || options.streamed !== undefined;
		const framing: BodyFraming = isBodiless ? TUNNEL_BODY : { kind: 'length', length: reply.body.length };
		this.#sendHead(status, reply.headers, framing, false);
		return '';
	}

	/** An error file: a message of HTTP/1. */
	protected override writeRaw(raw: Buffer): void {
		const end = raw.indexOf('\r\n\r\n') + 4;
		const head = end < 4 ? undefined : parseResponseHead(raw.toString('latin1', 0, end), OWN_HEAD_LIMITS);
		if (head === undefined || isRefusal(head)) {
			// The operator's file is no response.
			this.#break(ErrorCode.INTERNAL_ERROR);
			return;
		}
		const { framing } = head;
		this.#sendHead(head.status, head.headers, framing, framing.kind === 'chunked');
		if (this.#request?.method === 'HEAD') return;
		if (framing.kind === 'chunked') {
			new ChunkedDecoder().push(raw, end, raw.length, (bytes, from, to) => this.writePart(bytes, from, to));
		} else
			this.writePart(raw, end, framing.kind === 'length' ? Math.min(raw.length, end + framing.length) : raw.length);
	}

	protected override writeInterim(head: ResponseHead): void {
		const { encoder } = this.#codec;
		encoder.begin();
		encoder.field(':status', STATUS_TEXTS[head.status] as string);
		this.#addFields(head.headers, undefined, false);
		this.#codec.sendHead(this.#h2, false, true);
		this.#owner.flushSoon();
	}

	/** What of the fields speaks of the body agrees with the body that follows, as in serializer.ts. */
	#sendHead(status: number, headers: HeaderList, framing: BodyFraming, dechunk: boolean): void {
		const { encoder } = this.#codec;
		encoder.begin();
		encoder.field(':status', STATUS_TEXTS[status] as string);
		const { kind } = framing;
		const describes = !dechunk && kind === 'none' && status !== 204;
		this.#addFields(headers, kind === 'length' ? String(framing.length) : undefined, describes);
		this.#codec.sendHead(this.#h2, false);
		this.#owner.flushSoon();
	}

	/** `length`: the value of `content-length`, in place of the first that is there. `describes`: it stays as it is. */
	#addFields(headers: HeaderList, length: string | undefined, describes: boolean): void {
		const { encoder } = this.#codec;
		const { names, values } = headers;
		let lengthDue = length;
		for (let i = 0; i < names.length; i++) {
			const name = names[i] as string;
			if (name === 'content-length') {
				if (describes) encoder.field(name, values[i] as string);
				else if (lengthDue !== undefined) {
					encoder.field(name, lengthDue);
					lengthDue = undefined;
				}
			} else if (!CONNECTION_FIELDS.has(name) && !(this.#isTunnel && name === 'sec-websocket-accept')) {
				encoder.field(name, values[i] as string);
			}
		}
		if (lengthDue !== undefined) encoder.field('content-length', lengthDue);
	}

	override trailersCame(trailers: HeaderList): void {
		const { names, values } = trailers;
		const fields: string[] = [];
		for (let i = 0; i < names.length; i++) {
			const name = names[i] as string;
			if (!CONNECTION_FIELDS.has(name)) fields.push(name, values[i] as string);
		}
		this.#trailers = fields;
	}

	protected override endMessage(): void {
		if (this.closed || this.#isWhole) return;
		this.#isWhole = true;
		this.#codec.endStream(this.#h2, this.#trailers);
		this.#owner.flushSoon();
	}

	/** Of a tunnel: this half. */
	override endWriting(): void {
		if (!this.closed) this.endMessage();
	}

	// ---- the end ----------------------------------------------------------------------------------------------

	/** An answer that is not complete is broken off; nothing of the client's needs to be waited for. */
	protected override closeGently(): void {
		if (this.closed || this.#isLeaving) return;
		if (this.#isTunnel) this.endMessage();
		if (!this.#isWhole) {
			this.#break(this.#breakCode);
			return;
		}
		if (this.#h2.queuedBytes === 0 || this.#h2.isClosed) {
			this.#leave();
			return;
		}
		this.#isLeaving = true;
		this.reading = Reading.LINGER;
		this.chunkStart = this.chunkEnd;
		this.setClientDeadline(this.thread.nowMs());
	}

	/** The answer has gone; what the client still sends is of no use (RFC 9113, section 8.1). */
	#leave(): void {
		if (this.closed) return;
		if (!this.#h2.isClosed) {
			this.#codec.reset(this.#h2, ErrorCode.NO_ERROR);
			this.#owner.flushSoon();
		}
		this.#dropHeld();
		this.markClosed();
	}

	#break(code: number): void {
		if (this.closed) return;
		if (!this.#h2.isClosed && !this.#codec.isOver) {
			this.#codec.reset(this.#h2, code);
			this.#owner.flushSoon();
		}
		this.#dropHeld();
		this.markClosed();
	}

	override destroy(): void {
		if (this.#isWhole && this.#h2.queuedBytes === 0) this.#leave();
		else this.#break(this.#breakCode);
	}

	/** The nearest that a stream has to a reset of its connection. */
	override reset(): void {
		this.#break(ErrorCode.CANCEL);
	}

	/**
	 * A `reject` closes the client's connection, as in the reference, and not this stream alone. What is thrown away
	 * with it ends in its own way.
	 */
	override abort(silent: boolean): void {
		this.#breakCode = ErrorCode.ENHANCE_YOUR_CALM;
		super.abort(silent);
		this.#owner.dropClient(silent);
	}

	protected override sessionEnded(): void {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		this.#owner.streamEnded(this);
	}
}

const TUNNEL_BODY: BodyFraming = { kind: 'close' };

function trailerLines(fields: FieldList): string | undefined {
	let lines = '';
	for (let i = 0; i < fields.count; i++) {
		const name = fields.names[i] as string;
		const value = fields.values[i] as string;
		if (!isToken(name) || /[A-Z]/.test(name) || FORBIDDEN_TRAILERS.has(name) || /[\0\r\n]/.test(value))
			return undefined;
		lines += `${name}: ${value}\r\n`;
	}
	return lines;
}
