/**
 * Cuts what comes on a connection of HTTP/2 into frames (RFC 9113, section 4.1), however the bytes come.
 *
 *     PREFACE (from a client) -> [ HEAD -> PAYLOAD | PAD_LENGTH -> PIECES -> SKIP | SKIP ]* -> OVER
 *
 * A frame head is told of first (`frameBegins`), who is told says how the payload is wanted: whole, in the pieces in
 * which it comes, or not at all. Whole frames that came whole are given in the buffer they came in; of others at most
 * one is copied together. Nothing is allocated for a frame that fits.
 */
import { ErrorCode, Flag, FRAME_HEAD_BYTES, PREFACE, readUint24, readUint31 } from './frames.js';

const Reading = {
	PREFACE: 0,
	HEAD: 1,
	/** A payload that is waited for. */
	PAYLOAD: 2,
	/** How much padding a frame read in pieces has. */
	PAD_LENGTH: 3,
	PIECES: 4,
	/** A payload that nobody wants: padding, frames of unknown types. */
	SKIP: 5,
	/** The connection has failed, or was given up. */
	OVER: 6,
} as const;

const EMPTY: Buffer = Buffer.alloc(0);
/** Room for any frame head, so that those that come in part need no new buffer each. */
const PARTIAL_BYTES = 64;

export abstract class FrameReader {
	/** The frame that is read. */
	protected type = 0;
	protected flags = 0;
	protected streamId = 0;
	protected length = 0;
	/** Of the present call of `receive`. */
	protected nowMs = 0;
	#reading: number;
	/** A frame head or a payload that has come in part; of the preface only the length. */
	#partial: Buffer = EMPTY;
	#partialLength = 0;
	/** Of a frame in pieces: what is to come of payload, and of padding behind it. */
	#piecesLeft = 0;
	#skipLeft = 0;

	constructor(expectsPreface: boolean) {
		this.#reading = expectsPreface ? Reading.PREFACE : Reading.HEAD;
	}

	/** A frame head was read. To be answered by one of `wantWhole`, `wantPieces`, `skip` and `stop`. */
	protected abstract frameBegins(): void;
	/** A frame that was wanted whole. */
	protected abstract frame(bytes: Buffer, start: number, end: number): void;
	/** Of a frame in pieces; never empty. */
	protected abstract piece(bytes: Buffer, start: number, end: number): void;
	/** Its padding, with the byte that says how much it is; told before the first piece. */
	protected abstract padding(bytes: number): void;
	/** Its last piece was given. */
	protected abstract piecesEnded(): void;
	/** The bytes are no frames: a connection error. */
	abstract fail(code: number, reason: string): void;

	/** No byte more will be read. */
	get isOver(): boolean {
		return this.#reading === Reading.OVER;
	}

	protected stop(): void {
		this.#reading = Reading.OVER;
	}

	protected wantWhole(): void {
		if (this.length > 0) {
			this.#reading = Reading.PAYLOAD;
			return;
		}
		this.#reading = Reading.HEAD;
		this.frame(EMPTY, 0, 0);
	}

	/** PADDED is understood as in DATA. */
	protected wantPieces(): void {
		this.#piecesLeft = this.length;
		this.#skipLeft = 0;
		if ((this.flags & Flag.PADDED) !== 0) {
			if (this.length === 0) this.fail(ErrorCode.FRAME_SIZE_ERROR, 'DATA without its padding length');
			else this.#reading = Reading.PAD_LENGTH;
			return;
		}
		this.#reading = Reading.PIECES;
		if (this.length === 0) this.#endPieces();
	}

	protected skip(): void {
		this.#skip(this.length);
	}

	#skip(bytes: number): void {
		this.#skipLeft = bytes;
		this.#reading = bytes === 0 ? Reading.HEAD : Reading.SKIP;
	}

	/** Bytes have come; nothing is kept of the buffer. */
	receive(bytes: Buffer, start: number, end: number, nowMs: number): void {
		this.nowMs = nowMs;
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
					if (this.#partialLength === 0 && end - at >= this.length) {
						const from = at;
						at += this.length;
						this.#reading = Reading.HEAD;
						this.frame(bytes, from, at);
					} else at = this.#gather(bytes, at, end, this.length);
					break;
				case Reading.PIECES:
					at = this.#givePiece(bytes, at, end);
					break;
				case Reading.PAD_LENGTH:
					this.#padLength(bytes[at++] as number);
					break;
				case Reading.SKIP: {
					const size = Math.min(end - at, this.#skipLeft);
					at += size;
					this.#skip(this.#skipLeft - size);
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

	#frameHead(bytes: Buffer, at: number): void {
		this.length = readUint24(bytes, at);
		this.type = bytes[at + 3] as number;
		this.flags = bytes[at + 4] as number;
		this.streamId = readUint31(bytes, at + 5);
		this.frameBegins();
	}

	/** Copies until so many bytes are there, and then treats them; returns the index after what was taken. */
	#gather(bytes: Buffer, at: number, end: number, needed: number): number {
		if (this.#partial.length < needed) {
			const larger = Buffer.allocUnsafe(Math.max(PARTIAL_BYTES, needed));
			this.#partial.copy(larger, 0, 0, this.#partialLength);
			this.#partial = larger;
		}
		const size = Math.min(end - at, needed - this.#partialLength);
		bytes.copy(this.#partial, this.#partialLength, at, at + size);
		this.#partialLength += size;
		if (this.#partialLength < needed) return at + size;
		const whole = this.#partial;
		this.#partialLength = 0;
		// A large frame must not stay in memory with a connection at rest.
		if (whole.length > PARTIAL_BYTES) this.#partial = EMPTY;
		if (this.#reading === Reading.HEAD) this.#frameHead(whole, 0);
		else {
			this.#reading = Reading.HEAD;
			this.frame(whole, 0, needed);
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

	#padLength(padBytes: number): void {
		if (padBytes >= this.#piecesLeft) {
			this.fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
			return;
		}
		this.#skipLeft = padBytes;
		this.#piecesLeft -= padBytes + 1;
		this.padding(padBytes + 1);
		this.#reading = Reading.PIECES;
		if (this.#piecesLeft === 0) this.#endPieces();
	}

	#givePiece(bytes: Buffer, at: number, end: number): number {
		const size = Math.min(end - at, this.#piecesLeft);
		this.#piecesLeft -= size;
		this.piece(bytes, at, at + size);
		if (this.#piecesLeft === 0 && !this.isOver) this.#endPieces();
		return at + size;
	}

	#endPieces(): void {
		this.#skip(this.#skipLeft);
		this.piecesEnded();
	}
}
