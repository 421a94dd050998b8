/**
 * The filter that compresses a body (manual, 4.2 `compression`). It waits for the end of the turn in which the first
 * bytes came: if the end of the body came too it is compressed at once, else by a zlib stream (compressors.ts).
 *
 * Pieces that come while zlib works wait here and go to it together, so that a fast server makes few large blocks and
 * a slow one is passed on as it speaks.
 */
import { BodyFilter } from './body-filter.js';
import { AT_ONCE_BYTES, type Coder, type Compressors, flushKinds, type ZlibStream } from './compressors.js';

/** Told how many bytes went in and came out. */
export type CompressionCount = (inBytes: number, outBytes: number) => void;

export class CompressionFilter extends BodyFilter {
	readonly #algorithm: Coder;
	readonly #compressors: Compressors;
	readonly #count: CompressionCount;
	#waiting: Buffer[] = [];
	#waitingBytes = 0;
	/** Bytes that zlib has taken and not yet answered for. */
	#workingBytes = 0;
	#stream: ZlibStream | undefined;
	#working = false;
	#ending = false;
	#begun = false;
	#closed = false;

	constructor(algorithm: Coder, compressors: Compressors, count: CompressionCount) {
		super();
		this.#algorithm = algorithm;
		this.#compressors = compressors;
		this.#count = count;
	}

	override get changesLength(): boolean {
		return true;
	}

	override get pendingBytes(): number {
		return this.#waitingBytes + this.#workingBytes;
	}

	override write(bytes: Buffer): void {
		this.#waiting.push(bytes);
		this.#waitingBytes += bytes.length;
		this.#compressors.count(bytes.length);
		if (this.#stream !== undefined) this.#work();
		else if (!this.#begun) {
			this.#begun = true;
			queueMicrotask(() => this.#begin());
		}
	}

	override end(): void {
		this.#ending = true;
		if (this.#stream !== undefined) {
			this.#work();
			return;
		}
		if (this.#waitingBytes > AT_ONCE_BYTES) {
			this.#begin();
			return;
		}
		const body = this.#take();
		const packed = this.#compressors.atOnce(this.#algorithm, body);
		this.#count(body.length, packed.length);
		this.#closed = true;
		this.next.write(packed);
		this.next.end();
	}

	#take(): Buffer {
		const [first] = this.#waiting;
		const bytes = this.#waiting.length === 1 && first !== undefined ? first : Buffer.concat(this.#waiting);
		this.#waiting = [];
		this.#waitingBytes = 0;
		return bytes;
	}

	/** The body is longer than one turn. */
	#begin(): void {
		if (this.#closed || this.#stream !== undefined) return;
		const stream = this.#compressors.take(this.#algorithm);
		this.#stream = stream;
		stream.on('data', this.#packed);
		stream.on('error', this.#broken);
		this.#work();
	}

	readonly #packed = (bytes: Buffer): void => {
		if (this.#closed) return;
		this.#count(0, bytes.length);
		this.next.write(bytes);
	};

	readonly #broken = (error: Error): void => {
		if (this.#closed) return;
		this.#closed = true;
		this.#stream = undefined;
		this.failed(error);
	};

	/** Gives zlib what waits, if it is not at work. */
	#work(): void {
		const stream = this.#stream;
		if (stream === undefined || this.#working || this.#closed) return;
		const last = this.#ending;
		if (this.#waitingBytes === 0 && !last) return;
		this.#working = true;
		const kinds = flushKinds(this.#algorithm);
		if (this.#waitingBytes > 0) {
			this.#workingBytes = this.#waitingBytes;
			this.#count(this.#waitingBytes, 0);
			stream.write(this.#take());
		}
		stream.flush(last ? kinds.last : kinds.piece, () => this.#worked(last));
	}

	#worked(last: boolean): void {
		this.#working = false;
		this.#workingBytes = 0;
		if (this.#closed) {
			this.#drop();
			return;
		}
		if (!last) {
			this.#work();
			this.progressed();
			return;
		}
		const stream = this.#stream as ZlibStream;
		// What it has made and not yet given out.
		while (stream.readableLength > 0 && stream.read() !== null);
		this.#stream = undefined;
		this.#closed = true;
		stream.off('data', this.#packed);
		stream.off('error', this.#broken);
		this.#compressors.give(this.#algorithm, stream);
		this.next.end();
	}

	override close(): void {
		this.#closed = true;
		this.#waiting = [];
		this.#waitingBytes = 0;
		// At work it cannot be taken away from zlib's thread; `#worked` does it.
		if (!this.#working) this.#drop();
	}

	#drop(): void {
		const stream = this.#stream;
		this.#stream = undefined;
		stream?.destroy();
	}
}
