/**
 * A connection of HTTP/2 (RFC 9113) without its socket: bytes go in by `receive`, what they mean comes out as calls of
 * `H2Events`; what is to be said gathers in `output`, from where whoever owns the socket writes it. One machine for
 * both roles: a server to the proxy's clients, a client to its servers.
 *
 *     PREFACE (server's role) -> [ HEAD of a frame -> its payload ]*
 *     HEADERS without END_HEADERS -> CONTINUATION -> ... -> one block for the decoder
 *
 * The payload of DATA is passed on in the pieces in which it comes; every other frame is waited for. What the peer
 * breaks costs its stream where the RFC says stream error, and the connection where it says connection error: then
 * GOAWAY is the last frame in the output, `connectionFailed` is called, and nothing more is read.
 *
 * A stream is forgotten when both ends are done with it. That it existed is known from its number; of those that we
 * have reset the number is kept for a while, since the peer may have sent more before it knew.
 *
 * Windows of the peer are refilled as its payload is consumed (`consumed`), in steps of half a window: who is not
 * read from sends no more than one window, per stream and for all of them together.
 *
 * It gives up: priorities (section 5.3.2 does so too) and pushed responses, which are refused.
 */
import { FieldList } from './field-list.js';
import { type FloodGuard, Offence } from './flood-guard.js';
import {
	DEFAULT_FRAME_BYTES,
	DEFAULT_WINDOW_BYTES,
	ErrorCode,
	Flag,
	FRAME_HEAD_BYTES,
	FrameType,
	MAX_STREAM_ID,
	MAX_WINDOW_BYTES,
	PREFACE,
	readUint24,
	readUint31,
	readUint32,
} from './frames.js';
import { HpackDecoder, type HpackLimits, HpackStatus } from './hpack-decoder.js';
import { HpackEncoder } from './hpack-encoder.js';
import { DEFAULT_TABLE_BYTES } from './hpack-tables.js';
import { H2Output, type OutputBuffers } from './output.js';
import { applySettings, defaultSettings, encodeSettings, type H2Settings, SETTING_BYTES } from './settings.js';
import { H2Stream } from './stream.js';

/** What a connection tells its owner. Calls come from within `receive`, `output.pump` and the owner's own calls. */
export interface H2Events<T> {
	/**
	 * A head: in the server's role of a new request, in the client's of an interim or the final response. `ends`:
	 * nothing follows. The fields are valid during the call; `fields.isTooLarge`: some are missing.
	 */
	headReceived(stream: H2Stream<T>, fields: FieldList, ends: boolean): void;
	/** Payload, valid during the call. To be answered by `consumed`, at once or later. */
	payloadReceived(stream: H2Stream<T>, bytes: Buffer, start: number, end: number): void;
	/** Fields after the payload; `remoteEnded` follows unless the stream was reset meanwhile. */
	trailersReceived(stream: H2Stream<T>, fields: FieldList): void;
	/** END_STREAM, when it did not come with the head. */
	remoteEnded(stream: H2Stream<T>): void;
	/** The stream is over before its time: the peer has said so, or has broken a rule (`byPeer` false). */
	streamReset(stream: H2Stream<T>, code: number, byPeer: boolean): void;
	/** Both ends are done. */
	streamClosed(stream: H2Stream<T>): void;
	/** Payload that waited has gone into the output: `stream.queuedBytes` is less than before. */
	dataTaken(stream: H2Stream<T>): void;
	/**
	 * The output is full while more payload is at hand. To be written and no more: no event may be answered within.
	 * Without it what does not fit waits in a copy.
	 */
	outputFull?(): void;
	/** The peer's settings have come, for the first time or anew. */
	settingsReceived(): void;
	/** Our `ping` was answered. */
	pingAnswered(): void;
	/** The peer opens no more streams, or takes none above `lastStreamId` of ours. */
	goawayReceived(lastStreamId: number, code: number): void;
	/** The peer has broken the connection's rules; GOAWAY is in the output. */
	connectionFailed(code: number, reason: string): void;
}

export interface H2Options {
	readonly role: 'server' | 'client';
	/** What we tell the peer of us. */
	readonly settings: Partial<H2Settings>;
	/** Payload that all streams together may have unread; at least 65535. */
	readonly connectionWindowBytes: number;
	/** Of one list of fields, pseudo fields included; what is beyond is not given on. */
	readonly limits: HpackLimits;
	/** Bytes of one encoded block; beyond, the connection ends. */
	readonly blockSizeMax: number;
	readonly buffers: OutputBuffers;
	/** Undefined: the peer is one of ours. */
	readonly guard?: FloodGuard | undefined;
}

/** Streams that we have reset and the peer may not know of yet. */
const RESETS_REMEMBERED = 1000;
/** Frames of one block: a peer that says little in each of them means harm (CVE-2024-27316). */
const CONTINUATIONS_MAX = 64;
/** Ranges of numbers that the peer has passed over. */
const SKIPS_REMEMBERED = 16;

const Reading = {
	PREFACE: 0,
	HEAD: 1,
	/** A payload that is waited for. */
	PAYLOAD: 2,
	/** How much padding a DATA frame has. */
	PAD_LENGTH: 3,
	DATA: 4,
	/** A payload that nobody wants: padding, frames of unknown types. */
	SKIP: 5,
	/** The connection has failed, or was given up. */
	OVER: 6,
} as const;

const EMPTY: Buffer = Buffer.alloc(0);
const PING_OF_OURS: Buffer = Buffer.from('holdfast', 'latin1');

export class H2Connection<T> {
	readonly output: H2Output<T>;
	readonly encoder: HpackEncoder = new HpackEncoder();
	/** Our own settings; and the peer's, which are the defaults until they come. */
	readonly settings: H2Settings;
	readonly peer: H2Settings = defaultSettings();
	/** Open ones of either end. */
	readonly streams = new Map<number, H2Stream<T>>();
	/** Oddities of the peer, harmless ones too (HAProxy's `fc_glitches`). */
	glitches = 0;
	/** Streams that the peer has opened, ever. */
	peerStreamCount = 0;
	/** The peer's settings are known. */
	hasPeerSettings = false;
	/** The peer has said GOAWAY: no stream of ours that is above this will be served. */
	peerLastStreamId = MAX_STREAM_ID;
	isLeaving = false;

	readonly #events: H2Events<T>;
	readonly #isServer: boolean;
	readonly #decoder: HpackDecoder;
	readonly #fields = new FieldList();
	readonly #guard: FloodGuard | undefined;
	readonly #windowBytes: number;
	readonly #blockSizeMax: number;
	#nowMs = 0;

	// What comes in.
	#reading: number;
	/** A frame head, a payload or the preface that has come in part. */
	#partial: Buffer = EMPTY;
	#partialLength = 0;
	/** The frame that is read. */
	#type = 0;
	#flags = 0;
	#streamId = 0;
	#length = 0;
	/** Of a DATA frame: who it is for (undefined: nobody), payload and padding to come. */
	#dataStream: H2Stream<T> | undefined;
	#dataLeft = 0;
	#padLeft = 0;
	/** The stream whose header block goes on in CONTINUATIONs; 0: none. */
	#blockStreamId = 0;
	#blockEnds = false;
	readonly #block: Buffer[] = [];
	#blockLength = 0;
	/** A SETTINGS of the peer has come: it must be its first frame. */
	#greeted = false;

	// Streams.
	#lastPeerId = 0;
	#lastOwnId: number;
	#openPeerStreams = 0;
	#openOwnStreams = 0;
	readonly #resetIds = new Set<number>();
	/** First and last number of each range that was passed over. */
	readonly #skipped: number[] = [];
	/** Streams of the peer above this are not served any more. */
	#lastServedId = MAX_STREAM_ID;
	/** GOAWAY with the true last stream, or with an error, is out. */
	#saidLast = false;

	// Windows of the peer.
	#receiveWindow = DEFAULT_WINDOW_BYTES;
	#unreturnedBytes = 0;
	#settingsUnacknowledged = 0;

	constructor(options: H2Options, events: H2Events<T>) {
		this.#events = events;
		this.#isServer = options.role === 'server';
		this.settings = { ...defaultSettings(), ...options.settings };
		this.#guard = options.guard;
		this.#windowBytes = Math.min(MAX_WINDOW_BYTES, Math.max(DEFAULT_WINDOW_BYTES, options.connectionWindowBytes));
		this.#blockSizeMax = options.blockSizeMax;
		this.#decoder = new HpackDecoder(DEFAULT_TABLE_BYTES, options.limits);
		this.#reading = this.#isServer ? Reading.PREFACE : Reading.HEAD;
		this.#lastOwnId = this.#isServer ? 0 : -1;
		this.output = new H2Output<T>(options.buffers, this.encoder, {
			dataTaken: (stream) => events.dataTaken(stream),
			localDone: (stream) => this.#closeIfDone(stream),
			outputFull: () => events.outputFull?.(),
		});
	}

	/** Says hello: the preface of a client, our settings, the window of the connection. */
	start(): void {
		const { output } = this;
		if (!this.#isServer) output.raw(PREFACE);
		output.frame(FrameType.SETTINGS, 0, 0, encodeSettings(this.settings));
		this.#settingsUnacknowledged++;
		if (this.#windowBytes > DEFAULT_WINDOW_BYTES) {
			output.number(FrameType.WINDOW_UPDATE, 0, this.#windowBytes - DEFAULT_WINDOW_BYTES);
			this.#receiveWindow = this.#windowBytes;
		}
	}

	/** No byte more will be read. */
	get isOver(): boolean {
		return this.#reading === Reading.OVER;
	}

	/** What the peer may open beside what it has open. */
	get openPeerStreams(): number {
		return this.#openPeerStreams;
	}

	get openOwnStreams(): number {
		return this.#openOwnStreams;
	}

	/** The highest stream that the peer has opened. */
	get lastPeerId(): number {
		return this.#lastPeerId;
	}

	// ---- what the owner does ----------------------------------------------------------------------------------

	/** Client's role. Undefined: the peer takes no more streams, now or on this connection. */
	openStream(user: T): H2Stream<T> | undefined {
		if (!this.mayOpen) return undefined;
		this.#lastOwnId += 2;
		const stream = this.#newStream(this.#lastOwnId);
		stream.user = user;
		this.#openOwnStreams++;
		return stream;
	}

	get mayOpen(): boolean {
		return this.#openOwnStreams < this.peer.maxConcurrentStreams && !this.isSpent;
	}

	/** No stream can be opened on it any more. */
	get isSpent(): boolean {
		return (
			this.isOver || this.isLeaving || this.peerLastStreamId < MAX_STREAM_ID || this.#lastOwnId > MAX_STREAM_ID - 2
		);
	}

	/** Sends what has been encoded since `encoder.begin()` as this stream's head; `ends`: nothing follows it. */
	sendHead(stream: H2Stream<T>, ends: boolean, isInterim = false): void {
		if (stream.isClosed || stream.localEnded) return;
		if (!isInterim) stream.headSent = true;
		this.output.head(stream, ends);
	}

	/** Payload, within windows; what must wait is copied. */
	sendData(stream: H2Stream<T>, bytes: Buffer, start: number, end: number): void {
		if (!stream.isClosed && !stream.localEnded && end > start) this.output.data(stream, bytes, start, end);
	}

	sendText(stream: H2Stream<T>, text: string): void {
		if (!stream.isClosed && !stream.localEnded && text !== '') this.output.text(stream, text);
	}

	/** The last that we send on it, after what waits; trailers as name, value, ... */
	endStream(stream: H2Stream<T>, trailers?: readonly string[]): void {
		if (!stream.isClosed) this.output.end(stream, trailers);
	}

	/** Ends a stream at once (section 5.4.2). What the peer still sends on it is ignored. */
	reset(stream: H2Stream<T>, code: number): void {
		if (stream.isClosed) return;
		this.#sendReset(stream.id, code, stream.remoteEnded);
		this.#forget(stream);
	}

	/** So much of the payload of a stream was used: the peer may send as much more. */
	consumed(stream: H2Stream<T>, bytes: number): void {
		this.#returned(bytes);
		if (stream.isClosed || stream.remoteEnded) return;
		stream.unreturnedBytes += bytes;
		if (2 * stream.unreturnedBytes < this.settings.initialWindowSize) return;
		this.output.number(FrameType.WINDOW_UPDATE, stream.id, stream.unreturnedBytes);
		stream.receiveWindow += stream.unreturnedBytes;
		stream.unreturnedBytes = 0;
	}

	#returned(bytes: number): void {
		this.#unreturnedBytes += bytes;
		if (2 * this.#unreturnedBytes < this.#windowBytes || this.isOver) return;
		this.output.number(FrameType.WINDOW_UPDATE, 0, this.#unreturnedBytes);
		this.#receiveWindow += this.#unreturnedBytes;
		this.#unreturnedBytes = 0;
	}

	ping(): void {
		this.output.frame(FrameType.PING, 0, 0, PING_OF_OURS);
	}

	/**
	 * The first of two steps (section 6.8): the peer is asked to open no more streams here; those that cross this are
	 * still served.
	 */
	announceLeave(): void {
		if (this.isLeaving || this.isOver) return;
		this.isLeaving = true;
		this.output.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR);
	}

	/** The second: this is what was served. */
	leave(code: number = ErrorCode.NO_ERROR): void {
		if (this.#saidLast) return;
		this.#saidLast = true;
		this.isLeaving = true;
		this.#lastServedId = this.#lastPeerId;
		this.output.goaway(this.#lastPeerId, code);
	}

	/** Reads no more, whatever comes. */
	giveUp(): void {
		this.#reading = Reading.OVER;
	}

	/** A connection error (section 5.4.1), which the owner may find as well. */
	fail(code: number, reason: string): void {
		if (this.isOver) return;
		this.glitches++;
		this.leave(code);
		this.#reading = Reading.OVER;
		this.#events.connectionFailed(code, reason);
	}

	/** A stream error that the owner has found: a message that is malformed (section 8.1.1). */
	refuse(stream: H2Stream<T>, code: number): void {
		if (stream.isClosed) return;
		this.reset(stream, code);
		this.#odd(Offence.MALFORMED);
	}

	// ---- bytes ------------------------------------------------------------------------------------------------

	/** Bytes have come; nothing is kept of the buffer. */
	receive(bytes: Buffer, start: number, end: number, nowMs: number): void {
		this.#nowMs = nowMs;
		let at = start;
		while (at < end) {
			switch (this.#reading) {
				case Reading.HEAD:
					if (this.#partialLength === 0 && end - at >= FRAME_HEAD_BYTES) {
						this.#frameHead(bytes, at);
						at += FRAME_HEAD_BYTES;
					} else at = this.#gather(bytes, at, end, FRAME_HEAD_BYTES);
					break;
				case Reading.PAYLOAD:
					if (this.#partialLength === 0 && end - at >= this.#length) {
						this.#reading = Reading.HEAD;
						const payload = at;
						at += this.#length;
						this.#frame(bytes, payload, at);
					} else at = this.#gather(bytes, at, end, this.#length);
					break;
				case Reading.DATA:
					at = this.#payload(bytes, at, end);
					break;
				case Reading.PAD_LENGTH:
					this.#padding(bytes[at++] as number);
					break;
				case Reading.SKIP: {
					const size = Math.min(end - at, this.#padLeft);
					at += size;
					this.#padLeft -= size;
					if (this.#padLeft === 0) this.#reading = Reading.HEAD;
					break;
				}
				case Reading.PREFACE:
					at = this.#preface(bytes, at, end);
					break;
				default:
					return;
			}
		}
	}

	/** Copies until so many bytes are there, and then treats them; returns the index after what was taken. */
	#gather(bytes: Buffer, at: number, end: number, needed: number): number {
		if (this.#partial.length < needed) {
			const larger = Buffer.allocUnsafe(Math.max(64, needed));
			this.#partial.copy(larger, 0, 0, this.#partialLength);
			this.#partial = larger;
		}
		const size = Math.min(end - at, needed - this.#partialLength);
		bytes.copy(this.#partial, this.#partialLength, at, at + size);
		this.#partialLength += size;
		if (this.#partialLength === needed) {
			const whole = this.#partial;
			this.#partialLength = 0;
			if (this.#reading === Reading.HEAD) this.#frameHead(whole, 0);
			else {
				// A large frame must not stay in memory with a connection at rest.
				this.#partial = EMPTY;
				this.#reading = Reading.HEAD;
				this.#frame(whole, 0, needed);
			}
		}
		return at + size;
	}

	#preface(bytes: Buffer, start: number, end: number): number {
		let at = start;
		while (at < end && this.#partialLength < PREFACE.length) {
			if (bytes[at++] !== PREFACE[this.#partialLength++]) {
				this.fail(ErrorCode.PROTOCOL_ERROR, 'no preface of HTTP/2');
				return end;
			}
		}
		if (this.#partialLength === PREFACE.length) {
			this.#partialLength = 0;
			this.#reading = Reading.HEAD;
		}
		return at;
	}

	// ---- frames -----------------------------------------------------------------------------------------------

	#frameHead(bytes: Buffer, at: number): void {
		const length = readUint24(bytes, at);
		const type = bytes[at + 3] as number;
		const flags = bytes[at + 4] as number;
		const streamId = readUint31(bytes, at + 5);
		this.#length = length;
		this.#type = type;
		this.#flags = flags;
		this.#streamId = streamId;
		if (!this.#greeted) {
			// Section 3.4: the first frame is SETTINGS, and no acknowledgement.
			if (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0) {
				this.fail(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
				return;
			}
			this.#greeted = true;
		}
		// What the settings allow is not known to the peer before it has acknowledged them: the default is the least.
		if (length > this.settings.maxFrameSize && length > DEFAULT_FRAME_BYTES) {
			this.fail(ErrorCode.FRAME_SIZE_ERROR, 'frame larger than SETTINGS_MAX_FRAME_SIZE');
			return;
		}
		if (this.#blockStreamId !== 0 && (type !== FrameType.CONTINUATION || streamId !== this.#blockStreamId)) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'another frame within a header block');
			return;
		}
		switch (type) {
			case FrameType.DATA:
				this.#dataHead();
				return;
			case FrameType.CONTINUATION:
				if (this.#blockStreamId === 0) {
					this.fail(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without a header block');
					return;
				}
				break;
			case FrameType.HEADERS:
				if (!this.#mayBeginBlock(streamId)) return;
				break;
			default:
				if (type > FrameType.CONTINUATION) {
					// Section 5.5: ignored, but not for ever.
					if (!this.#odd(Offence.IDLE_FRAME)) this.#skip(length);
					return;
				}
		}
		this.#reading = Reading.PAYLOAD;
		if (length === 0) {
			this.#reading = Reading.HEAD;
			this.#frame(EMPTY, 0, 0);
		}
	}

	#skip(bytes: number): void {
		this.#padLeft = bytes;
		this.#reading = bytes === 0 ? Reading.HEAD : Reading.SKIP;
	}

	/** A whole frame that is not DATA. */
	#frame(bytes: Buffer, start: number, end: number): void {
		switch (this.#type) {
			case FrameType.HEADERS:
				this.#headers(bytes, start, end);
				break;
			case FrameType.CONTINUATION:
				this.#continuation(bytes, start, end);
				break;
			case FrameType.WINDOW_UPDATE:
				this.#windowUpdate(bytes, start, end - start);
				break;
			case FrameType.RST_STREAM:
				this.#resetByPeer(bytes, start, end - start);
				break;
			case FrameType.SETTINGS:
				this.#settings(bytes, start, end);
				break;
			case FrameType.PING:
				this.#ping(bytes, start, end);
				break;
			case FrameType.PRIORITY:
				this.#priority(bytes, start, end - start);
				break;
			case FrameType.GOAWAY:
				this.#goaway(bytes, start, end - start);
				break;
			default:
				// A client must not push, and nobody may push to us, who have said ENABLE_PUSH 0 (section 6.6).
				this.fail(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE');
		}
	}

	// ---- DATA (section 6.1) -----------------------------------------------------------------------------------

	#dataHead(): void {
		const id = this.#streamId;
		const length = this.#length;
		if (id === 0) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
			return;
		}
		if (this.#isIdle(id)) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on an idle stream');
			return;
		}
		this.#receiveWindow -= length;
		if (this.#receiveWindow < 0) {
			this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the window of the connection');
			return;
		}
		let stream = this.streams.get(id);
		if (stream === undefined) {
			if (!this.#isIgnored(id)) {
				this.#streamError(id, ErrorCode.STREAM_CLOSED);
				if (this.isOver) return;
			}
		} else if (stream.remoteEnded) {
			this.#abandon(stream, ErrorCode.STREAM_CLOSED);
			stream = undefined;
		} else if (!stream.headReceived) {
			// Client's role: a body before its head.
			this.#abandon(stream, ErrorCode.PROTOCOL_ERROR);
			stream = undefined;
		} else {
			stream.receiveWindow -= length;
			if (stream.receiveWindow < 0) {
				this.#abandon(stream, ErrorCode.FLOW_CONTROL_ERROR);
				stream = undefined;
			}
		}
		if (this.isOver) return;
		this.#dataStream = stream;
		this.#dataLeft = length;
		this.#padLeft = 0;
		if ((this.#flags & Flag.PADDED) !== 0) {
			if (length === 0) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'DATA without its padding length');
			else this.#reading = Reading.PAD_LENGTH;
			return;
		}
		if (length === 0 && (this.#flags & Flag.END_STREAM) === 0 && this.#odd(Offence.IDLE_FRAME)) return;
		this.#reading = Reading.DATA;
		if (length === 0) this.#dataEnd();
	}

	#padding(padBytes: number): void {
		if (padBytes >= this.#dataLeft) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
			return;
		}
		this.#padLeft = padBytes;
		this.#dataLeft -= padBytes + 1;
		// Padding is used at once.
		this.#used(this.#dataStream, padBytes + 1);
		this.#reading = Reading.DATA;
		if (this.#dataLeft === 0) this.#dataEnd();
	}

	/** Bytes of a window that nobody but us had a use for. */
	#used(stream: H2Stream<T> | undefined, bytes: number): void {
		if (stream === undefined) this.#returned(bytes);
		else this.consumed(stream, bytes);
	}

	#payload(bytes: Buffer, at: number, end: number): number {
		const size = Math.min(end - at, this.#dataLeft);
		this.#dataLeft -= size;
		const stream = this.#dataStream;
		if (stream === undefined || stream.isClosed) this.#returned(size);
		else {
			stream.receivedBytes += size;
			if (stream.expectedBytes >= 0 && stream.receivedBytes > stream.expectedBytes) {
				// Section 8.1.1.
				this.#returned(size);
				this.#abandon(stream, ErrorCode.PROTOCOL_ERROR);
			} else this.#events.payloadReceived(stream, bytes, at, at + size);
		}
		if (this.#dataLeft === 0 && !this.isOver) this.#dataEnd();
		return at + size;
	}

	/** All payload of the frame is there; padding may follow. */
	#dataEnd(): void {
		const stream = this.#dataStream;
		this.#dataStream = undefined;
		this.#skip(this.#padLeft);
		if (stream === undefined || stream.isClosed || (this.#flags & Flag.END_STREAM) === 0) return;
		this.#remoteEnd(stream);
	}

	/** END_STREAM of the peer, behind everything else. */
	#remoteEnd(stream: H2Stream<T>): void {
		if (stream.expectedBytes >= 0 && stream.receivedBytes !== stream.expectedBytes) {
			this.#abandon(stream, ErrorCode.PROTOCOL_ERROR);
			return;
		}
		stream.remoteEnded = true;
		this.#events.remoteEnded(stream);
		this.#closeIfDone(stream);
	}

	// ---- HEADERS, CONTINUATION (sections 6.2, 6.10, 4.3) ------------------------------------------------------

	/** What can be said of HEADERS from its number alone. False: the connection has failed. */
	#mayBeginBlock(id: number): boolean {
		if (id === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
		else if (this.streams.has(id)) return true;
		else if (this.#isOfPeer(id)) {
			if (!this.#isServer) this.fail(ErrorCode.PROTOCOL_ERROR, 'a stream that was not promised');
			else if (id > this.#lastPeerId || this.#isIgnored(id)) return true;
			else if (this.#wasSkipped(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'a stream lower than one before it');
			else this.fail(ErrorCode.STREAM_CLOSED, 'HEADERS on a closed stream');
		} else if (this.#isServer) this.fail(ErrorCode.PROTOCOL_ERROR, 'an even stream');
		else if (this.#isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on an idle stream');
		else if (this.#isIgnored(id)) return true;
		else this.fail(ErrorCode.STREAM_CLOSED, 'HEADERS on a closed stream');
		return false;
	}

	#headers(bytes: Buffer, start: number, end: number): void {
		const flags = this.#flags;
		let from = start;
		let to = end;
		if ((flags & Flag.PADDED) !== 0) {
			const padBytes = from < to ? (bytes[from++] as number) : Number.POSITIVE_INFINITY;
			to -= padBytes;
		}
		let dependsOnItself = false;
		if ((flags & Flag.PRIORITY) !== 0) {
			dependsOnItself = to - from >= 5 && readUint31(bytes, from) === this.#streamId;
			from += 5;
		}
		if (from > to) {
			const isShort = to >= start && (flags & Flag.PADDED) === 0;
			if (isShort) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS without its priority');
			else this.fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
			return;
		}
		this.#blockStreamId = this.#streamId;
		this.#blockEnds = (flags & Flag.END_STREAM) !== 0;
		// The block is gone through all the same, for the decoder's table.
		if (dependsOnItself) this.#selfDependent = true;
		if ((flags & Flag.END_HEADERS) !== 0) this.#blockComplete(bytes, from, to);
		else this.#keepBlock(bytes, from, to);
	}

	#continuation(bytes: Buffer, start: number, end: number): void {
		this.#keepBlock(bytes, start, end);
		if (this.isOver || (this.#flags & Flag.END_HEADERS) === 0) return;
		const block = Buffer.concat(this.#block, this.#blockLength);
		this.#block.length = 0;
		this.#blockLength = 0;
		this.#blockComplete(block, 0, block.length);
	}

	#keepBlock(bytes: Buffer, start: number, end: number): void {
		this.#block.push(Buffer.from(bytes.subarray(start, end)));
		this.#blockLength += end - start;
		if (this.#blockLength > this.#blockSizeMax || this.#block.length > CONTINUATIONS_MAX) {
			this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'a header block without end');
		}
	}

	#blockComplete(bytes: Buffer, start: number, end: number): void {
		const id = this.#blockStreamId;
		const ends = this.#blockEnds;
		this.#blockStreamId = 0;
		const fields = this.#fields;
		fields.clear();
		const status = this.#decoder.decode(bytes, start, end, fields);
		if (status === HpackStatus.COMPRESSION_ERROR) {
			this.fail(ErrorCode.COMPRESSION_ERROR, 'a broken header block');
			return;
		}
		fields.isTooLarge = status === HpackStatus.TOO_LARGE;
		const dependsOnItself = this.#selfDependent;
		this.#selfDependent = false;
		const stream = this.streams.get(id) ?? (this.#isServer ? this.#opened(id) : undefined);
		if (stream === undefined || stream.isClosed) return;
		if (dependsOnItself) this.#abandon(stream, ErrorCode.PROTOCOL_ERROR);
		else if (stream.remoteEnded) this.#abandon(stream, ErrorCode.STREAM_CLOSED);
		else if (stream.headReceived) this.#trailers(stream, fields, ends);
		else this.#head(stream, fields, ends);
	}

	/** A head names itself as what it depends on (RFC 7540, section 5.3.1): its stream is refused. */
	#selfDependent = false;

	/** A new stream of the peer, or undefined where it is not served. */
	#opened(id: number): H2Stream<T> | undefined {
		// Section 6.8: told that it would not be served, or refused before.
		if (id <= this.#lastPeerId || id > this.#lastServedId) return undefined;
		if (id > this.#lastPeerId + 2 && this.#lastPeerId + 2 <= id - 2) this.#noteSkip(this.#lastPeerId + 1, id - 1);
		this.#lastPeerId = id;
		this.peerStreamCount++;
		if (this.#openPeerStreams >= this.settings.maxConcurrentStreams) {
			this.#sendReset(id, ErrorCode.REFUSED_STREAM, this.#blockEnds);
			// Before it has acknowledged our settings the peer may not know better.
			if (this.#settingsUnacknowledged === 0) this.#odd(Offence.MALFORMED);
			return undefined;
		}
		this.#openPeerStreams++;
		return this.#newStream(id);
	}

	#newStream(id: number): H2Stream<T> {
		const receiveWindow = this.#settingsUnacknowledged > 0 ? DEFAULT_WINDOW_BYTES : this.settings.initialWindowSize;
		const stream = new H2Stream<T>(id, receiveWindow, this.peer.initialWindowSize);
		this.streams.set(id, stream);
		return stream;
	}

	#head(stream: H2Stream<T>, fields: FieldList, ends: boolean): void {
		if (this.#isServer || fields.get(':status')?.charCodeAt(0) !== 49) stream.headReceived = true;
		else if (ends) {
			// Section 8.1: an interim response ends nothing.
			this.#abandon(stream, ErrorCode.PROTOCOL_ERROR);
			return;
		}
		stream.remoteEnded = ends;
		this.#events.headReceived(stream, fields, ends);
		if (ends) this.#closeIfDone(stream);
	}

	#trailers(stream: H2Stream<T>, fields: FieldList, ends: boolean): void {
		// Section 8.1: a second head ends the stream.
		if (!ends) {
			this.#abandon(stream, ErrorCode.PROTOCOL_ERROR);
			return;
		}
		this.#events.trailersReceived(stream, fields);
		if (!stream.isClosed) this.#remoteEnd(stream);
	}

	// ---- frames of control ------------------------------------------------------------------------------------

	/** Section 6.9. */
	#windowUpdate(bytes: Buffer, start: number, size: number): void {
		if (size !== 4) {
			this.fail(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of a wrong size');
			return;
		}
		const id = this.#streamId;
		const increment = readUint31(bytes, start);
		const { output } = this;
		if (id === 0) {
			if (increment === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
			else if (output.sendWindow + increment > MAX_WINDOW_BYTES)
				this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'a window above 2^31-1');
			else {
				output.sendWindow += increment;
				output.pump();
			}
			return;
		}
		const stream = this.streams.get(id);
		if (stream === undefined) {
			if (this.#isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
			return;
		}
		if (increment === 0) this.#abandon(stream, ErrorCode.PROTOCOL_ERROR);
		else if (stream.sendWindow + increment > MAX_WINDOW_BYTES) this.#abandon(stream, ErrorCode.FLOW_CONTROL_ERROR);
		else {
			stream.sendWindow += increment;
			output.schedule(stream);
			output.pump();
		}
	}

	/** Section 6.4. */
	#resetByPeer(bytes: Buffer, start: number, size: number): void {
		const id = this.#streamId;
		if (id === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on stream 0');
		else if (size !== 4) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM of a wrong size');
		else if (this.#isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
		else {
			const stream = this.streams.get(id);
			if (stream === undefined) return;
			this.#forget(stream);
			this.#events.streamReset(stream, readUint32(bytes, start), true);
			this.#odd(Offence.RESET);
		}
	}

	/** Section 6.5. */
	#settings(bytes: Buffer, start: number, end: number): void {
		if (this.#streamId !== 0) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream');
			return;
		}
		if ((this.#flags & Flag.ACK) !== 0) {
			if (end > start) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'an acknowledgement of SETTINGS with bytes');
			else this.#settingsAcknowledged();
			return;
		}
		if ((end - start) % SETTING_BYTES !== 0) {
			this.fail(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS of a wrong size');
			return;
		}
		const { peer, output } = this;
		const windowBefore = peer.initialWindowSize;
		const error = applySettings(peer, bytes, start, end);
		if (error !== ErrorCode.NO_ERROR) {
			this.fail(error, 'a setting out of its bounds');
			return;
		}
		this.encoder.setMaxTableBytes(peer.headerTableSize);
		if (!this.#shiftSendWindows(peer.initialWindowSize - windowBefore)) return;
		output.frame(FrameType.SETTINGS, Flag.ACK, 0, EMPTY);
		const isFirst = !this.hasPeerSettings;
		this.hasPeerSettings = true;
		this.#events.settingsReceived();
		output.pump();
		if (!isFirst) this.#odd(Offence.SETTINGS);
	}

	/** Section 6.9.2: a change of the initial window holds for all streams, below 0 even. */
	#shiftSendWindows(by: number): boolean {
		if (by === 0) return true;
		for (const stream of this.streams.values()) {
			stream.sendWindow += by;
			if (stream.sendWindow > MAX_WINDOW_BYTES) {
				this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'a window above 2^31-1');
				return false;
			}
			this.output.schedule(stream);
		}
		return true;
	}

	/** From now on the peer goes by our settings. */
	#settingsAcknowledged(): void {
		if (this.#settingsUnacknowledged === 0) {
			this.#odd(Offence.SETTINGS);
			return;
		}
		this.#settingsUnacknowledged--;
		this.#decoder.setMaxTableBytes(this.settings.headerTableSize);
		const by = this.settings.initialWindowSize - DEFAULT_WINDOW_BYTES;
		if (by !== 0) for (const stream of this.streams.values()) stream.receiveWindow += by;
	}

	/** Section 6.7. */
	#ping(bytes: Buffer, start: number, end: number): void {
		if (this.#streamId !== 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'PING on a stream');
		else if (end - start !== 8) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'PING of a wrong size');
		else if ((this.#flags & Flag.ACK) !== 0) {
			if (PING_OF_OURS.equals(bytes.subarray(start, end))) this.#events.pingAnswered();
			else this.#odd(Offence.PING);
		} else if (!this.#odd(Offence.PING, false)) this.output.frame(FrameType.PING, Flag.ACK, 0, bytes, start, end);
	}

	/** Section 6.3: looked at for its form alone. */
	#priority(bytes: Buffer, start: number, size: number): void {
		const id = this.#streamId;
		if (id === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
		else if (size !== 5) this.#streamError(id, ErrorCode.FRAME_SIZE_ERROR);
		else if (readUint31(bytes, start) === id) this.#streamError(id, ErrorCode.PROTOCOL_ERROR);
		else this.#odd(Offence.IDLE_FRAME, false);
	}

	/** Section 6.8. */
	#goaway(bytes: Buffer, start: number, size: number): void {
		if (this.#streamId !== 0) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'GOAWAY on a stream');
			return;
		}
		if (size < 8) {
			this.fail(ErrorCode.FRAME_SIZE_ERROR, 'GOAWAY of a wrong size');
			return;
		}
		const last = readUint31(bytes, start);
		if (last < this.peerLastStreamId) this.peerLastStreamId = last;
		// A graceful one may name the highest number there is.
		else if (this.peerLastStreamId === MAX_STREAM_ID) this.peerLastStreamId = MAX_STREAM_ID - 1;
		this.#events.goawayReceived(last, readUint32(bytes, start + 4));
	}

	// ---- streams ----------------------------------------------------------------------------------------------

	#isOfPeer(id: number): boolean {
		return ((id & 1) === 1) === this.#isServer;
	}

	/** Never opened, and by nothing that was opened passed over. */
	#isIdle(id: number): boolean {
		return this.#isOfPeer(id) ? id > this.#lastPeerId : id > this.#lastOwnId;
	}

	/** What may still come on it was sent before the peer could know that nobody wants it. */
	#isIgnored(id: number): boolean {
		return this.#resetIds.has(id) || (this.#isOfPeer(id) && id > this.#lastServedId);
	}

	#noteSkip(first: number, last: number): void {
		if (this.#skipped.length >= 2 * SKIPS_REMEMBERED) this.#skipped.splice(0, 2);
		this.#skipped.push(first, last);
	}

	#wasSkipped(id: number): boolean {
		const skipped = this.#skipped;
		for (let i = 0; i < skipped.length; i += 2) {
			if (id >= (skipped[i] as number) && id <= (skipped[i + 1] as number)) return true;
		}
		return false;
	}

	#sendReset(id: number, code: number, remoteEnded: boolean): void {
		this.output.number(FrameType.RST_STREAM, id, code);
		if (remoteEnded) return;
		const ids = this.#resetIds;
		ids.add(id);
		if (ids.size > RESETS_REMEMBERED)
			for (const oldest of ids) {
				ids.delete(oldest);
				break;
			}
	}

	/** A stream error on a stream that may be known to nobody (section 5.4.2). */
	#streamError(id: number, code: number): void {
		const stream = this.streams.get(id);
		if (stream !== undefined) this.#abandon(stream, code);
		else if (this.#isIdle(id)) this.fail(code, 'a frame on an idle stream that breaks a rule');
		else {
			this.#sendReset(id, code, false);
			this.#odd(Offence.MALFORMED);
		}
	}

	/** A stream error of the peer's: it is reset, and its owner told. */
	#abandon(stream: H2Stream<T>, code: number): void {
		this.#sendReset(stream.id, code, stream.remoteEnded);
		this.#forget(stream);
		this.#events.streamReset(stream, code, false);
		this.#odd(Offence.MALFORMED);
	}

	#closeIfDone(stream: H2Stream<T>): void {
		if (stream.isClosed || !stream.remoteEnded || !stream.localDone) return;
		this.#forget(stream);
		this.#events.streamClosed(stream);
	}

	#forget(stream: H2Stream<T>): void {
		stream.isClosed = true;
		this.output.drop(stream);
		if (!this.streams.delete(stream.id)) return;
		if (this.#isOfPeer(stream.id)) this.#openPeerStreams--;
		else this.#openOwnStreams--;
	}

	// ---- oddities ---------------------------------------------------------------------------------------------

	/** Counts something that costs us more than the peer. True: that was one too many, the connection is over. */
	#odd(points: number, isGlitch = true): boolean {
		if (isGlitch) this.glitches++;
		if (this.isOver) return true;
		if (this.#guard === undefined || !this.#guard.note(points, this.#nowMs)) return false;
		this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many of what costs nothing');
		return true;
	}
}
