/**
 * A connection of HTTP/2 (RFC 9113) without its socket: bytes go in by `receive`, what they mean comes out as calls of
 * `H2Events`; what is to be said gathers in `output`, from where whoever owns the socket writes it. One machine for
 * both roles: a server to the proxy's clients, a client to its servers.
 *
 * Here stands what each frame of the peer does; what the owner does, and what becomes of streams, in
 * connection-streams.ts; how bytes become frames in frame-reader.ts.
 *
 * The payload of DATA is passed on in the pieces in which it comes; every other frame is waited for. What the peer breaks
 * costs its stream where the RFC says stream error, and the connection where it says connection error: then GOAWAY is
 * the last frame in the output, `connectionFailed` is called, and nothing more is read.
 *
 * It gives up: priorities (section 5.3.2 does so too) and pushed responses, which are refused.
 */
import type { H2Events, H2Options } from './connection-events.js';
import { ConnectionStreams, PING_OF_OURS } from './connection-streams.js';
import { FieldList } from './field-list.js';
import { Offence } from './flood-guard.js';
import {
	DEFAULT_FRAME_BYTES,
	DEFAULT_WINDOW_BYTES,
	ErrorCode,
	Flag,
	FrameType,
	MAX_STREAM_ID,
	MAX_WINDOW_BYTES,
	readUint31,
	readUint32,
} from './frames.js';
import { HeaderBlock } from './header-block.js';
import { HpackDecoder, HpackStatus } from './hpack-decoder.js';
import { DEFAULT_TABLE_BYTES } from './hpack-tables.js';
import { applySettings, SETTING_BYTES } from './settings.js';
import type { H2Stream } from './stream.js';
import { H2Tally } from './tally.js';

export type { H2Events, H2Options } from './connection-events.js';

const EMPTY: Buffer = Buffer.alloc(0);

export class H2Connection<T> extends ConnectionStreams<T> {
	readonly #decoder: HpackDecoder;
	readonly #fields = new FieldList();
	readonly #block: HeaderBlock;
	/** Whom the DATA frame that is read is for; undefined: nobody. */
	#dataStream: H2Stream<T> | undefined;
	/** A SETTINGS of the peer has come: it must be its first frame. */
	#greeted = false;

	constructor(options: H2Options, events: H2Events<T>) {
		super(options, events);
		this.#decoder = new HpackDecoder(DEFAULT_TABLE_BYTES, options.limits);
		this.#block = new HeaderBlock(options.blockSizeMax);
	}

	// ---- frames -----------------------------------------------------------------------------------------------

	protected override frameBegins(): void {
		const { type, flags, streamId, length } = this;
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
		// Frames that are waited for whole are bounded even where larger ones are allowed for payload.
		if (length > DEFAULT_FRAME_BYTES && type !== FrameType.DATA && type <= FrameType.CONTINUATION) {
			if ((type !== FrameType.HEADERS && type !== FrameType.CONTINUATION) || length > this.#block.sizeMax) {
				this.fail(ErrorCode.FRAME_SIZE_ERROR, 'a frame of control that is larger than any need be');
				return;
			}
		}
		const blockStreamId = this.#block.streamId;
		if (blockStreamId !== 0 && (type !== FrameType.CONTINUATION || streamId !== blockStreamId)) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'another frame within a header block');
			return;
		}
		switch (type) {
			case FrameType.DATA:
				this.tally(H2Tally.DATA);
				this.#dataHead();
				return;
			case FrameType.CONTINUATION:
				if (blockStreamId === 0) {
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
					if (!this.odd(Offence.IDLE_FRAME, false)) this.skip();
					return;
				}
		}
		this.wantWhole();
	}

	/** A whole frame that is not DATA. */
	protected override frame(bytes: Buffer, start: number, end: number): void {
		switch (this.type) {
			case FrameType.HEADERS:
				this.tally(H2Tally.HEADERS);
				this.#headers(bytes, start, end);
				break;
			case FrameType.CONTINUATION:
				this.#continuation(bytes, start, end);
				break;
			case FrameType.WINDOW_UPDATE:
				this.#windowUpdate(bytes, start, end - start);
				break;
			case FrameType.RST_STREAM:
				this.tally(H2Tally.RESETS);
				this.#resetByPeer(bytes, start, end - start);
				break;
			case FrameType.SETTINGS:
				this.tally(H2Tally.SETTINGS);
				this.#settings(bytes, start, end);
				break;
			case FrameType.PING:
				this.#ping(bytes, start, end);
				break;
			case FrameType.PRIORITY:
				this.#priority(bytes, start, end - start);
				break;
			case FrameType.GOAWAY:
				this.tally(H2Tally.GOAWAYS);
				this.#goaway(bytes, start, end - start);
				break;
			default:
				// A client must not push, and nobody may push to us, who have said ENABLE_PUSH 0 (section 6.6).
				this.fail(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE');
		}
	}

	// ---- DATA (section 6.1) -----------------------------------------------------------------------------------

	#dataHead(): void {
		const id = this.streamId;
		const length = this.length;
		if (id === 0) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
			return;
		}
		if (this.numbers.isIdle(id)) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on an idle stream');
			return;
		}
		this.receiveWindow -= length;
		if (this.receiveWindow < 0) {
			this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the window of the connection');
			return;
		}
		let stream = this.streams.get(id);
		if (stream === undefined) {
			if (!this.numbers.isIgnored(id)) {
				this.streamError(id, ErrorCode.STREAM_CLOSED);
				if (this.isOver) return;
			}
		} else if (stream.remoteEnded) {
			this.abandon(stream, ErrorCode.STREAM_CLOSED);
			stream = undefined;
		} else if (!stream.headReceived) {
			// Client's role: a body before its head.
			this.abandon(stream, ErrorCode.PROTOCOL_ERROR);
			stream = undefined;
		} else {
			stream.receiveWindow -= length;
			if (stream.receiveWindow < 0) {
				this.abandon(stream, ErrorCode.FLOW_CONTROL_ERROR);
				stream = undefined;
			}
		}
		if (this.isOver) return;
		if (!this.isWide && length > 0) this.widenWindow();
		this.#dataStream = stream;
		if (length === 0 && (this.flags & Flag.END_STREAM) === 0 && this.odd(Offence.IDLE_FRAME)) return;
		this.wantPieces();
	}

	/** It is used at once. */
	protected override padding(bytes: number): void {
		const stream = this.#dataStream;
		if (stream === undefined) this.returned(bytes);
		else this.consumed(stream, bytes);
	}

	protected override piece(bytes: Buffer, start: number, end: number): void {
		const size = end - start;
		const stream = this.#dataStream;
		if (stream === undefined || stream.isClosed) {
			this.returned(size);
			return;
		}
		stream.receivedBytes += size;
		if (stream.expectedBytes >= 0 && stream.receivedBytes > stream.expectedBytes) {
			// Section 8.1.1.
			this.returned(size);
			this.abandon(stream, ErrorCode.PROTOCOL_ERROR);
		} else this.events.payloadReceived(stream, bytes, start, end);
	}

	protected override piecesEnded(): void {
		const stream = this.#dataStream;
		this.#dataStream = undefined;
		if (stream === undefined || stream.isClosed || (this.flags & Flag.END_STREAM) === 0) return;
		this.#remoteEnd(stream);
	}

	/** END_STREAM of the peer, behind everything else. */
	#remoteEnd(stream: H2Stream<T>): void {
		if (stream.expectedBytes >= 0 && stream.receivedBytes !== stream.expectedBytes) {
			this.abandon(stream, ErrorCode.PROTOCOL_ERROR);
			return;
		}
		stream.remoteEnded = true;
		this.events.remoteEnded(stream);
		this.closeIfDone(stream);
	}

	// ---- HEADERS, CONTINUATION (sections 6.2, 6.10, 4.3) ------------------------------------------------------

	/** What can be said of HEADERS from its number alone. False: the connection has failed. */
	#mayBeginBlock(id: number): boolean {
		if (id === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
		else if (this.streams.has(id)) return true;
		else if (this.numbers.isOfPeer(id)) {
			if (!this.isServer) this.fail(ErrorCode.PROTOCOL_ERROR, 'a stream that was not promised');
			else if (id > this.numbers.lastPeer || this.numbers.isIgnored(id)) return true;
			else if (this.numbers.wasSkipped(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'a stream lower than one before it');
			else this.fail(ErrorCode.STREAM_CLOSED, 'HEADERS on a closed stream');
		} else if (this.isServer) this.fail(ErrorCode.PROTOCOL_ERROR, 'an even stream');
		else if (this.numbers.isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on an idle stream');
		else if (this.numbers.isIgnored(id)) return true;
		else this.fail(ErrorCode.STREAM_CLOSED, 'HEADERS on a closed stream');
		return false;
	}

	#headers(bytes: Buffer, start: number, end: number): void {
		const flags = this.flags;
		let from = start;
		let to = end;
		if ((flags & Flag.PADDED) !== 0) {
			const padBytes = from < to ? (bytes[from++] as number) : Number.POSITIVE_INFINITY;
			to -= padBytes;
		}
		let dependsOnItself = false;
		if ((flags & Flag.PRIORITY) !== 0) {
			dependsOnItself = to - from >= 5 && readUint31(bytes, from) === this.streamId;
			from += 5;
		}
		if (from > to) {
			const isShort = to >= start && (flags & Flag.PADDED) === 0;
			if (isShort) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS without its priority');
			else this.fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
			return;
		}
		const block = this.#block;
		block.streamId = this.streamId;
		block.ends = (flags & Flag.END_STREAM) !== 0;
		// Its stream is refused; the block is gone through all the same, for the decoder's table.
		block.dependsOnItself = dependsOnItself;
		if ((flags & Flag.END_HEADERS) !== 0) this.#blockComplete(bytes, from, to);
		else this.#keepBlock(bytes, from, to);
	}

	#continuation(bytes: Buffer, start: number, end: number): void {
		this.#keepBlock(bytes, start, end);
		if (this.isOver || (this.flags & Flag.END_HEADERS) === 0) return;
		const block = this.#block.take();
		this.#blockComplete(block, 0, block.length);
	}

	#keepBlock(bytes: Buffer, start: number, end: number): void {
		if (!this.#block.add(bytes, start, end)) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'a header block without end');
	}

	#blockComplete(bytes: Buffer, start: number, end: number): void {
		const { streamId: id, ends, dependsOnItself } = this.#block;
		this.#block.streamId = 0;
		const fields = this.#fields;
		fields.clear();
		const status = this.#decoder.decode(bytes, start, end, fields);
		if (status === HpackStatus.COMPRESSION_ERROR) {
			this.fail(ErrorCode.COMPRESSION_ERROR, 'a broken header block');
			return;
		}
		fields.isTooLarge = status === HpackStatus.TOO_LARGE;
		const stream = this.streams.get(id) ?? (this.isServer ? this.#opened(id) : undefined);
		if (stream === undefined || stream.isClosed) return;
		if (dependsOnItself) this.abandon(stream, ErrorCode.PROTOCOL_ERROR);
		else if (stream.remoteEnded) this.abandon(stream, ErrorCode.STREAM_CLOSED);
		else if (stream.headReceived) this.#trailers(stream, fields, ends);
		else this.#head(stream, fields, ends);
	}

	/** A new stream of the peer, or undefined where it is not served. */
	#opened(id: number): H2Stream<T> | undefined {
		// Section 6.8: told that it would not be served, or refused before.
		if (id <= this.numbers.lastPeer || id > this.numbers.lastServed) return undefined;
		this.numbers.opened(id);
		this.peerStreamCount++;
		if (this.peerStreamsOpen >= this.settings.maxConcurrentStreams) {
			this.sendReset(id, ErrorCode.REFUSED_STREAM, this.#block.ends);
			// Before it has acknowledged our settings the peer may not know better.
			if (this.settingsUnacknowledged === 0) this.odd(Offence.MALFORMED);
			return undefined;
		}
		this.peerStreamsOpen++;
		return this.newStream(id);
	}

	#head(stream: H2Stream<T>, fields: FieldList, ends: boolean): void {
		if (this.isServer || fields.get(':status')?.charCodeAt(0) !== 49) stream.headReceived = true;
		else if (ends) {
			// Section 8.1: an interim response ends nothing.
			this.abandon(stream, ErrorCode.PROTOCOL_ERROR);
			return;
		}
		stream.remoteEnded = ends;
		this.events.headReceived(stream, fields, ends);
		if (ends) this.closeIfDone(stream);
	}

	#trailers(stream: H2Stream<T>, fields: FieldList, ends: boolean): void {
		// Section 8.1: a second head ends the stream.
		if (!ends) {
			this.abandon(stream, ErrorCode.PROTOCOL_ERROR);
			return;
		}
		this.events.trailersReceived(stream, fields);
		if (!stream.isClosed) this.#remoteEnd(stream);
	}

	// ---- frames of control ------------------------------------------------------------------------------------

	/** Section 6.9. */
	#windowUpdate(bytes: Buffer, start: number, size: number): void {
		if (size !== 4) {
			this.fail(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of a wrong size');
			return;
		}
		const id = this.streamId;
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
			if (this.numbers.isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
			return;
		}
		if (increment === 0) this.abandon(stream, ErrorCode.PROTOCOL_ERROR);
		else if (stream.sendWindow + increment > MAX_WINDOW_BYTES) this.abandon(stream, ErrorCode.FLOW_CONTROL_ERROR);
		else {
			stream.sendWindow += increment;
			output.schedule(stream);
			output.pump();
		}
	}

	/** Section 6.4. */
	#resetByPeer(bytes: Buffer, start: number, size: number): void {
		const id = this.streamId;
		if (id === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on stream 0');
		else if (size !== 4) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM of a wrong size');
		else if (this.numbers.isIdle(id)) this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
		else {
			const stream = this.streams.get(id);
			if (stream === undefined) return;
			this.forget(stream);
			this.events.streamReset(stream, readUint32(bytes, start), true);
			// It may: browsers do so when a page is left.
			this.odd(Offence.RESET, false);
		}
	}

	/** Section 6.5. */
	#settings(bytes: Buffer, start: number, end: number): void {
		if (this.streamId !== 0) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream');
			return;
		}
		if ((this.flags & Flag.ACK) !== 0) {
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
		this.events.settingsReceived();
		output.pump();
		if (!isFirst) this.odd(Offence.SETTINGS, false);
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
		if (this.settingsUnacknowledged === 0) {
			this.odd(Offence.SETTINGS);
			return;
		}
		this.settingsUnacknowledged--;
		this.#decoder.setMaxTableBytes(this.settings.headerTableSize);
		const by = this.settings.initialWindowSize - DEFAULT_WINDOW_BYTES;
		if (by !== 0) for (const stream of this.streams.values()) stream.receiveWindow += by;
	}

	/** Section 6.7. */
	#ping(bytes: Buffer, start: number, end: number): void {
		if (this.streamId !== 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'PING on a stream');
		else if (end - start !== 8) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'PING of a wrong size');
		else if ((this.flags & Flag.ACK) !== 0) {
			if (PING_OF_OURS.equals(bytes.subarray(start, end))) this.events.pingAnswered();
			else this.odd(Offence.PING);
		} else if (!this.odd(Offence.PING, false)) this.output.frame(FrameType.PING, Flag.ACK, 0, bytes, start, end);
	}

	/** Section 6.3: looked at for its form alone. */
	#priority(bytes: Buffer, start: number, size: number): void {
		const id = this.streamId;
		if (id === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
		else if (size !== 5) this.streamError(id, ErrorCode.FRAME_SIZE_ERROR);
		else if (readUint31(bytes, start) === id) this.streamError(id, ErrorCode.PROTOCOL_ERROR);
		else this.odd(Offence.IDLE_FRAME, false);
	}

	/** Section 6.8. */
	#goaway(bytes: Buffer, start: number, size: number): void {
		if (this.streamId !== 0) {
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
		this.events.goawayReceived(last, readUint32(bytes, start + 4));
	}
}
