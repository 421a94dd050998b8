/**
 * What a connection of HTTP/2 is about to send: frames one behind the other in one buffer, which whoever owns the
 * socket takes as one write. Frames of control and of heads go in at once. Payload goes in as far as the windows of
 * its stream and of the connection allow, and as long as the socket takes what it is given; the rest waits with its
 * stream, in a copy, so that a buffer that was handed in is free again in any case.
 *
 * Streams that have something waiting stand in one line; each in its turn gives one frame (RFC 9113, section 5.2.1
 * leaves the order open), so a long answer does not hold up the short ones beside it.
 *
 * END_STREAM costs no frame of its own while the stream's last frame is still in the buffer: the flag is set there.
 *
 * Buffers come from a pool that all connections of a thread share and go back to it: a connection at rest has none.
 */
import {
	DEFAULT_FRAME_BYTES,
	DEFAULT_WINDOW_BYTES,
	Flag,
	FRAME_HEAD_BYTES,
	FrameType,
	writeFrameHead,
	writeUint32,
} from './frames.js';
import type { HpackEncoder } from './hpack-encoder.js';
import type { H2Stream } from './stream.js';

/** Two reads' worth of payload with the heads of its frames. */
export const OUTPUT_BUFFER_BYTES = 66 * 1024;
const KEPT_BUFFERS = 64;
/** Payload that waits stands in pieces of this size: that of a read. */
export const PIECE_BYTES = 32 * 1024;
const KEPT_PIECES = 128;
/** Less than this is not worth a piece of its own. */
const SMALL_PIECE_BYTES = 4096;
/** A frame that is cut short by the end of the buffer and not by a window is not worth it below this. */
const SHORT_FRAME_BYTES = 1024;

/** Memory of one thread for what its connections send. */
export class OutputBuffers {
	readonly #free: Buffer[] = [];
	readonly #freePieces: Buffer[] = [];

	take(): Buffer {
		return this.#free.pop() ?? Buffer.allocUnsafeSlow(OUTPUT_BUFFER_BYTES);
	}

	give(buffer: Buffer): void {
		if (buffer.length === OUTPUT_BUFFER_BYTES && this.#free.length < KEPT_BUFFERS) this.#free.push(buffer);
	}

	takePiece(): Buffer {
		return this.#freePieces.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
	}

	givePiece(piece: Buffer): void {
		if (piece.length === PIECE_BYTES && this.#freePieces.length < KEPT_PIECES) this.#freePieces.push(piece);
	}

	get freeCount(): number {
		return this.#free.length;
	}
}

/** Of this thread. */
export const OUTPUT_BUFFERS = new OutputBuffers();

/** What the output tells the connection it belongs to. */
export interface OutputEvents<T> {
	/** Payload of the stream that waited has gone into the output. */
	dataTaken(stream: H2Stream<T>): void;
	/** Its END_STREAM has. */
	localDone(stream: H2Stream<T>): void;
	/** The buffer is full and the socket is not blocked: now would be a time to write, and to do nothing else. */
	outputFull(): void;
}

const NO_BUFFER: Buffer = Buffer.alloc(0);

export class H2Output<T> {
	readonly #buffers: OutputBuffers;
	readonly #events: OutputEvents<T>;
	readonly #encoder: HpackEncoder;
	#buffer: Buffer = NO_BUFFER;
	/** Bytes of frames in the buffer. */
	length = 0;
	/** Grows when the buffer is taken. */
	#batch = 0;
	/** Set by the owner of the socket while that has enough to do: payload waits. */
	isBlocked = false;
	/** Payload that the peer's connection window still allows. */
	sendWindow = DEFAULT_WINDOW_BYTES;
	/** Streams with something to send, in turn; the first at `#lineHead`. */
	readonly #line: H2Stream<T>[] = [];
	#lineHead = 0;

	constructor(buffers: OutputBuffers, encoder: HpackEncoder, events: OutputEvents<T>) {
		this.#buffers = buffers;
		this.#encoder = encoder;
		this.#events = events;
	}

	/** No more payload goes in before it is taken. */
	get isFull(): boolean {
		return this.length + FRAME_HEAD_BYTES + SHORT_FRAME_BYTES > OUTPUT_BUFFER_BYTES;
	}

	/**
	 * Hands out the buffer, whose first `length` bytes (asked for before) are to be written; to be given back with
	 * `giveBack` when they have been.
	 */
	take(): Buffer {
		const buffer = this.#buffer;
		this.#buffer = NO_BUFFER;
		this.length = 0;
		this.#batch++;
		return buffer;
	}

	giveBack(buffer: Buffer): void {
		this.#buffers.give(buffer);
	}

	/** Room for so many bytes more; returns where they begin. */
	#reserve(bytes: number): number {
		const at = this.length;
		const needed = at + bytes;
		if (needed > this.#buffer.length) this.#grow(needed);
		this.length = needed;
		return at;
	}

	#grow(needed: number): void {
		const old = this.#buffer;
		if (old.length === 0 && needed <= OUTPUT_BUFFER_BYTES) {
			this.#buffer = this.#buffers.take();
			return;
		}
		const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * old.length));
		old.copy(larger, 0, 0, this.length);
		this.#buffer = larger;
		this.#buffers.give(old);
	}

	// ---- frames of control ------------------------------------------------------------------------------------

	raw(bytes: Buffer): void {
		const at = this.#reserve(bytes.length);
		bytes.copy(this.#buffer, at);
	}

	frame(type: number, flags: number, streamId: number, payload: Buffer, start = 0, end = payload.length): void {
		const at = this.#reserve(FRAME_HEAD_BYTES + end - start);
		writeFrameHead(this.#buffer, at, end - start, type, flags, streamId);
		payload.copy(this.#buffer, at + FRAME_HEAD_BYTES, start, end);
	}

	/** RST_STREAM and WINDOW_UPDATE: a payload of one number. */
	number(type: number, streamId: number, value: number): void {
		const at = this.#reserve(FRAME_HEAD_BYTES + 4);
		writeFrameHead(this.#buffer, at, 4, type, 0, streamId);
		writeUint32(this.#buffer, at + FRAME_HEAD_BYTES, value);
	}

	goaway(lastStreamId: number, code: number): void {
		const at = this.#reserve(FRAME_HEAD_BYTES + 8);
		writeFrameHead(this.#buffer, at, 8, FrameType.GOAWAY, 0, 0);
		writeUint32(this.#buffer, at + FRAME_HEAD_BYTES, lastStreamId);
		writeUint32(this.#buffer, at + FRAME_HEAD_BYTES + 4, code);
	}

	// ---- heads ------------------------------------------------------------------------------------------------

	/** What the encoder has put down since its `begin`, as HEADERS and, where it is long, CONTINUATIONs. */
	head(stream: H2Stream<T>, ends: boolean): void {
		const block = this.#encoder.take();
		let from = 0;
		let type: number = FrameType.HEADERS;
		do {
			const size = Math.min(block.length - from, DEFAULT_FRAME_BYTES);
			const isLast = from + size === block.length;
			const flags = (isLast ? Flag.END_HEADERS : 0) | (ends && from === 0 ? Flag.END_STREAM : 0);
			const at = this.#reserve(FRAME_HEAD_BYTES + size);
			writeFrameHead(this.#buffer, at, size, type, flags, stream.id);
			block.copy(this.#buffer, at + FRAME_HEAD_BYTES, from, from + size);
			if (from === 0) {
				stream.lastFrameAt = at;
				stream.lastFrameBatch = this.#batch;
			}
			from += size;
			type = FrameType.CONTINUATION;
		} while (from < block.length);
		if (ends) {
			stream.localEnded = true;
			this.#done(stream);
		}
	}

	// ---- payload ----------------------------------------------------------------------------------------------

	data(stream: H2Stream<T>, bytes: Buffer, start: number, end: number): void {
		let from = start;
		if (stream.queuedBytes === 0 && !this.isBlocked) {
			from = this.#put(stream, bytes, start, end);
			if (from < end && this.isFull) {
				this.#events.outputFull();
				if (!this.isBlocked) from = this.#put(stream, bytes, from, end);
			}
		}
		if (from < end) this.#enqueue(stream, bytes, from, end);
	}

	/** The same of a byte string, which most short answers are. */
	text(stream: H2Stream<T>, text: string): void {
		const size = text.length;
		if (
			stream.queuedBytes > 0 ||
			this.isBlocked ||
			size > DEFAULT_FRAME_BYTES ||
			size > stream.sendWindow ||
			size > this.sendWindow ||
			this.length + FRAME_HEAD_BYTES + size > OUTPUT_BUFFER_BYTES
		) {
			const bytes = Buffer.from(text, 'latin1');
			this.data(stream, bytes, 0, bytes.length);
			return;
		}
		const at = this.#open(stream, size, 0);
		this.#buffer.write(text, at, 'latin1');
	}

	/** The head of a DATA frame; returns where its payload goes. */
	#open(stream: H2Stream<T>, size: number, flags: number): number {
		const at = this.#reserve(FRAME_HEAD_BYTES + size);
		writeFrameHead(this.#buffer, at, size, FrameType.DATA, flags, stream.id);
		stream.sendWindow -= size;
		this.sendWindow -= size;
		stream.lastFrameAt = at;
		stream.lastFrameBatch = this.#batch;
		return at + FRAME_HEAD_BYTES;
	}

	/** Frames of as much as there is room for; returns the index after it. */
	#put(stream: H2Stream<T>, bytes: Buffer, start: number, end: number): number {
		let from = start;
		while (from < end) {
			const size = this.#roomFor(stream, end - from);
			if (size === 0) break;
			const at = this.#open(stream, size, 0);
			bytes.copy(this.#buffer, at, from, from + size);
			from += size;
		}
		return from;
	}

	/** Payload of the next frame, out of so much that waits. */
	#roomFor(stream: H2Stream<T>, wanted: number): number {
		const allowed = Math.min(wanted, DEFAULT_FRAME_BYTES, stream.sendWindow, this.sendWindow);
		if (allowed <= 0) return 0;
		const room = OUTPUT_BUFFER_BYTES - this.length - FRAME_HEAD_BYTES;
		if (room >= allowed) return allowed;
		return room < SHORT_FRAME_BYTES ? 0 : room;
	}

	/** Copies what must wait: behind what waits already, while there is room in its last piece. */
	#enqueue(stream: H2Stream<T>, bytes: Buffer, start: number, end: number): void {
		const { queue, queueEnds } = stream;
		let from = start;
		while (from < end) {
			let last = queue.length - 1;
			if (last < 0 || (queueEnds[last] as number) === (queue[last] as Buffer).length) {
				const isSmall = end - from <= SMALL_PIECE_BYTES;
				queue.push(isSmall ? Buffer.allocUnsafe(end - from) : this.#buffers.takePiece());
				queueEnds.push(0);
				last++;
			}
			const piece = queue[last] as Buffer;
			const at = queueEnds[last] as number;
			const size = Math.min(end - from, piece.length - at);
			bytes.copy(piece, at, from, from + size);
			queueEnds[last] = at + size;
			from += size;
		}
		stream.queuedBytes += end - start;
		this.schedule(stream);
	}

	/** The end of what we send on it. */
	end(stream: H2Stream<T>, trailers: readonly string[] | undefined): void {
		if (stream.localEnded) return;
		stream.localEnded = true;
		stream.trailers = trailers;
		if (stream.queuedBytes === 0) this.#finish(stream);
	}

	/** Nothing of it waits any more: END_STREAM. */
	#finish(stream: H2Stream<T>): void {
		const { trailers } = stream;
		if (trailers !== undefined && trailers.length > 0) {
			stream.trailers = undefined;
			const encoder = this.#encoder;
			encoder.begin();
			for (let i = 0; i < trailers.length; i += 2) encoder.field(trailers[i] as string, trailers[i + 1] as string);
			this.head(stream, true);
			return;
		}
		if (stream.lastFrameBatch === this.#batch) {
			const at = stream.lastFrameAt + 4;
			this.#buffer[at] = (this.#buffer[at] as number) | Flag.END_STREAM;
		} else this.#open(stream, 0, Flag.END_STREAM);
		this.#done(stream);
	}

	#done(stream: H2Stream<T>): void {
		stream.localDone = true;
		this.#events.localDone(stream);
	}

	/** What waits of it will never be sent. */
	drop(stream: H2Stream<T>): void {
		if (stream.queue.length > 0) {
			for (const piece of stream.queue) this.#buffers.givePiece(piece);
			stream.queue.length = 0;
			stream.queueEnds.length = 0;
		}
		stream.queueOffset = 0;
		stream.queuedBytes = 0;
		stream.trailers = undefined;
	}

	// ---- taking turns -----------------------------------------------------------------------------------------

	/** Puts a stream into the line if it has something to send and a window for it. */
	schedule(stream: H2Stream<T>): void {
		if (stream.isScheduled || stream.queuedBytes === 0 || stream.sendWindow <= 0) return;
		stream.isScheduled = true;
		this.#line.push(stream);
	}

	/** Something waits that could go. */
	get hasWaiting(): boolean {
		return this.#line.length > this.#lineHead && this.sendWindow > 0;
	}

	/** Fills the buffer from what waits. */
	pump(): void {
		const line = this.#line;
		while (!this.isBlocked && this.sendWindow > 0 && this.#lineHead < line.length && !this.isFull) {
			const stream = line[this.#lineHead++] as H2Stream<T>;
			if (this.#lineHead > 64 || this.#lineHead === line.length) {
				line.splice(0, this.#lineHead);
				this.#lineHead = 0;
			}
			stream.isScheduled = false;
			if (stream.isClosed || stream.queuedBytes === 0) continue;
			this.#giveOne(stream);
			this.schedule(stream);
		}
	}

	/** One frame of what waits of this stream, from as many pieces as go into it. */
	#giveOne(stream: H2Stream<T>): void {
		const size = this.#roomFor(stream, stream.queuedBytes);
		if (size === 0) return;
		let at = this.#open(stream, size, 0);
		let left = size;
		const { queue, queueEnds } = stream;
		while (left > 0) {
			const piece = queue[0] as Buffer;
			const end = queueEnds[0] as number;
			const take = Math.min(left, end - stream.queueOffset);
			piece.copy(this.#buffer, at, stream.queueOffset, stream.queueOffset + take);
			at += take;
			left -= take;
			stream.queueOffset += take;
			if (stream.queueOffset === end) {
				stream.queueOffset = 0;
				queue.shift();
				queueEnds.shift();
				this.#buffers.givePiece(piece);
			}
		}
		stream.queuedBytes -= size;
		if (stream.queuedBytes === 0 && stream.localEnded) this.#finish(stream);
		this.#events.dataTaken(stream);
	}
}
