/**
 * The streams of a connection of HTTP/2 and what its owner does with them: opens, sends, resets, leaves. What comes
 * from the peer stands in connection.ts, which goes on from here.
 *
 * A stream is forgotten when both ends are done with it. That it existed is known from its number (stream-numbers.ts).
 *
 * Windows of the peer are refilled as its payload is consumed (`consumed`), in steps of half a window: who is not
 * read from sends no more than one window, per stream and for all of them together.
 */
import type { H2Events, H2Options } from './connection-events.js';
import { type FloodGuard, Offence } from './flood-guard.js';
import { FrameReader } from './frame-reader.js';
import { DEFAULT_WINDOW_BYTES, ErrorCode, FrameType, MAX_STREAM_ID, MAX_WINDOW_BYTES, PREFACE } from './frames.js';
import { HpackEncoder } from './hpack-encoder.js';
import { H2Output } from './output.js';
import { defaultSettings, encodeSettings, type H2Settings } from './settings.js';
import { H2Stream } from './stream.js';
import { StreamNumbers } from './stream-numbers.js';
import { H2Tally, NO_TALLY } from './tally.js';

/** What our PINGs carry. */
export const PING_OF_OURS: Buffer = Buffer.from('holdfast', 'latin1');

export abstract class ConnectionStreams<T> extends FrameReader {
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

	protected readonly events: H2Events<T>;
	protected readonly isServer: boolean;
	readonly #guard: FloodGuard | undefined;
	readonly #glitchesMax: number;
	readonly #windowBytes: number;
	readonly #tallyRow: Float64Array;
	readonly #tallyAt: number;
	#isTallied = false;
	protected readonly numbers: StreamNumbers;
	protected peerStreamsOpen = 0;
	#openOwnStreams = 0;
	/** GOAWAY with the true last stream, or with an error, is out. */
	#saidLast = false;

	// Windows of the peer.
	protected receiveWindow = DEFAULT_WINDOW_BYTES;
	protected isWide = false;
	#unreturnedBytes = 0;
	protected settingsUnacknowledged = 0;

	constructor(options: H2Options, events: H2Events<T>) {
		const isServer = options.role === 'server';
		super(isServer);
		this.events = events;
		this.isServer = isServer;
		this.numbers = new StreamNumbers(isServer);
		this.settings = { ...defaultSettings(), ...options.settings };
		const { row, at } = options.tally ?? NO_TALLY;
		this.#tallyRow = row;
		this.#tallyAt = at;
		this.#guard = options.guard;
		this.#glitchesMax = options.glitchesMax || Number.POSITIVE_INFINITY;
		this.#windowBytes = Math.min(MAX_WINDOW_BYTES, Math.max(DEFAULT_WINDOW_BYTES, options.connectionWindowBytes));
		this.output = new H2Output<T>(options.buffers, this.encoder, {
			dataTaken: (stream) => events.dataTaken(stream),
			localDone: (stream) => this.closeIfDone(stream),
			outputFull: () => events.outputFull?.(),
		});
	}

	/** Says hello: the preface of a client, our settings. */
	start(): void {
		const { output } = this;
		this.#isTallied = true;
		this.tally(H2Tally.CONNECTIONS);
		this.tally(H2Tally.OPEN_CONNECTIONS);
		if (!this.isServer) output.raw(PREFACE);
		output.frame(FrameType.SETTINGS, 0, 0, encodeSettings(this.settings));
		this.settingsUnacknowledged++;
	}

	/**
	 * The first payload has come: the connection's window grows from that of the protocol to ours. Not sooner, since most
	 * clients never send any, and simple ones expect nothing between our settings and the acknowledgement of theirs.
	 */
	protected widenWindow(): void {
		const more = this.#windowBytes - DEFAULT_WINDOW_BYTES;
		this.isWide = true;
		if (more === 0) return;
		this.output.number(FrameType.WINDOW_UPDATE, 0, more);
		this.receiveWindow += more;
	}

	/** Counts in the statistics of whoever owns the connection. */
	protected tally(place: number, amount = 1): void {
		const at = this.#tallyAt + place;
		this.#tallyRow[at] = (this.#tallyRow[at] as number) + amount;
	}

	/** Its socket is gone: neither it nor what was on it is open any more. */
	tallyEnd(): void {
		if (!this.#isTallied) return;
		this.#isTallied = false;
		this.tally(H2Tally.OPEN_CONNECTIONS, -1);
		this.tally(H2Tally.OPEN_STREAMS, -this.streams.size);
	}

	/** Streams that the peer has open, and those that we have. */
	get openPeerStreams(): number {
		return this.peerStreamsOpen;
	}

	get openOwnStreams(): number {
		return this.#openOwnStreams;
	}

	/** The highest stream that the peer has opened. */
	get lastPeerId(): number {
		return this.numbers.lastPeer;
	}

	// ---- what the owner does ----------------------------------------------------------------------------------

	/** Client's role. Undefined: the peer takes no more streams, now or on this connection. */
	openStream(user: T): H2Stream<T> | undefined {
		if (!this.mayOpen) return undefined;
		this.numbers.lastOwn += 2;
		const stream = this.newStream(this.numbers.lastOwn);
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
			this.isOver || this.isLeaving || this.peerLastStreamId < MAX_STREAM_ID || this.numbers.lastOwn > MAX_STREAM_ID - 2
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
		this.sendReset(stream.id, code, stream.remoteEnded);
		this.forget(stream);
	}

	/** So much of the payload of a stream was used: the peer may send as much more. */
	consumed(stream: H2Stream<T>, bytes: number): void {
		this.returned(bytes);
		if (stream.isClosed || stream.remoteEnded) return;
		stream.unreturnedBytes += bytes;
		if (2 * stream.unreturnedBytes < this.settings.initialWindowSize) return;
		this.output.number(FrameType.WINDOW_UPDATE, stream.id, stream.unreturnedBytes);
		stream.receiveWindow += stream.unreturnedBytes;
		stream.unreturnedBytes = 0;
	}

	protected returned(bytes: number): void {
		this.#unreturnedBytes += bytes;
		if (2 * this.#unreturnedBytes < this.#windowBytes || this.isOver) return;
		this.output.number(FrameType.WINDOW_UPDATE, 0, this.#unreturnedBytes);
		this.receiveWindow += this.#unreturnedBytes;
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
		const { lastPeer } = this.numbers;
		this.numbers.lastServed = lastPeer;
		this.output.goaway(lastPeer, code);
	}

	/** Reads no more, whatever comes. */
	giveUp(): void {
		this.stop();
	}

	/** A connection error (section 5.4.1), which the owner may find as well. */
	fail(code: number, reason: string): void {
		if (this.isOver) return;
		this.#glitch();
		this.tally(H2Tally.CONNECTION_ERRORS);
		this.tally(H2Tally.GOAWAYS_SENT);
		this.leave(code);
		this.stop();
		this.events.connectionFailed(code, reason);
	}

	/** A stream error that the owner has found: a message that is malformed (section 8.1.1). */
	refuse(stream: H2Stream<T>, code: number): void {
		if (stream.isClosed) return;
		this.#tallyStreamError();
		this.reset(stream, code);
		this.odd(Offence.MALFORMED);
	}

	protected newStream(id: number): H2Stream<T> {
		const receiveWindow = this.settingsUnacknowledged > 0 ? DEFAULT_WINDOW_BYTES : this.settings.initialWindowSize;
		const stream = new H2Stream<T>(id, receiveWindow, this.peer.initialWindowSize);
		this.streams.set(id, stream);
		this.tally(H2Tally.STREAMS);
		if (this.#isTallied) this.tally(H2Tally.OPEN_STREAMS);
		return stream;
	}

	// ---- streams ----------------------------------------------------------------------------------------------

	protected sendReset(id: number, code: number, remoteEnded: boolean): void {
		this.output.number(FrameType.RST_STREAM, id, code);
		if (remoteEnded) return;
		this.numbers.reset(id);
	}

	/** A stream error on a stream that may be known to nobody (section 5.4.2). */
	protected streamError(id: number, code: number): void {
		const stream = this.streams.get(id);
		if (stream !== undefined) this.abandon(stream, code);
		else if (this.numbers.isIdle(id)) this.fail(code, 'a frame on an idle stream that breaks a rule');
		else {
			this.#tallyStreamError();
			this.sendReset(id, code, false);
			this.odd(Offence.MALFORMED);
		}
	}

	/** A stream error of the peer's: it is reset, and its owner told. */
	protected abandon(stream: H2Stream<T>, code: number): void {
		this.#tallyStreamError();
		this.sendReset(stream.id, code, stream.remoteEnded);
		this.forget(stream);
		this.events.streamReset(stream, code, false);
		this.odd(Offence.MALFORMED);
	}

	protected closeIfDone(stream: H2Stream<T>): void {
		if (stream.isClosed || !stream.remoteEnded || !stream.localDone) return;
		this.forget(stream);
		this.events.streamClosed(stream);
	}

	protected forget(stream: H2Stream<T>): void {
		stream.isClosed = true;
		this.output.drop(stream);
		if (!this.streams.delete(stream.id)) return;
		if (this.#isTallied) this.tally(H2Tally.OPEN_STREAMS, -1);
		if (this.numbers.isOfPeer(stream.id)) this.peerStreamsOpen--;
		else this.#openOwnStreams--;
	}

	#tallyStreamError(): void {
		this.tally(H2Tally.STREAM_ERRORS);
		this.tally(H2Tally.RESETS_SENT);
	}

	// ---- oddities ---------------------------------------------------------------------------------------------

	/** Counts something that costs us more than the peer. True: that was one too many, the connection is over. */
	protected odd(points: number, isGlitch = true): boolean {
		if (isGlitch) this.#glitch();
		if (this.isOver) return true;
		const isEnough = this.#guard?.note(points, this.nowMs) === true || (isGlitch && this.glitches >= this.#glitchesMax);
		if (isEnough) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many of what costs nothing');
		return isEnough;
	}

	#glitch(): void {
		this.glitches++;
		this.events.glitchSeen?.();
	}
}
