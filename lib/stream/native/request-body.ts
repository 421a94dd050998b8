/**
 * The framing of one request's body as it comes from the client: where it ends in what was read, how much
 * of it is payload. One object per connection, begun anew for each request with a body.
 */
import { ChunkedDecoder, type PayloadVisitor } from '../../http/body-framing.js';
import type { BodyFraming } from '../../http/message.js';
import type { HttpRefusal } from '../../http/refusal.js';

export class RequestBody {
	#chunked = false;
	/** With a length: bytes still due. */
	#remainingBytes = 0;
	#decoder: ChunkedDecoder | undefined;
	/** Payload of the last `take`, without chunk framing. */
	payloadBytes = 0;
	isComplete = true;

	/** A request with this framing begins; false when it has no body. */
	begin(framing: BodyFraming): boolean {
		this.#chunked = framing.kind === 'chunked';
		this.#remainingBytes = framing.kind === 'length' ? framing.length : 0;
		this.isComplete = !this.#chunked && this.#remainingBytes === 0;
		if (this.#chunked) {
			if (this.#decoder === undefined) this.#decoder = new ChunkedDecoder();
			else this.#decoder.reset();
		}
		return !this.isComplete;
	}

	/** Takes the body's part of chunk[start..end): returns the index after it, or -1 when it is malformed. */
	take(chunk: Buffer, start: number, end: number, visit?: PayloadVisitor): number {
		if (this.#chunked) {
			const decoder = this.#decoder as ChunkedDecoder;
			const before = decoder.payloadSize;
			const taken = decoder.push(chunk, start, end, visit);
			this.payloadBytes = decoder.payloadSize - before;
			this.isComplete = decoder.isDone;
			return taken;
		}
		this.payloadBytes = Math.min(end - start, this.#remainingBytes);
		this.#remainingBytes -= this.payloadBytes;
		visit?.(chunk, start, start + this.payloadBytes);
		this.isComplete = this.#remainingBytes === 0;
		return start + this.payloadBytes;
	}

	/** What is wrong with it; its position counts from the chunk's first byte. */
	get refusal(): HttpRefusal | undefined {
		return this.#chunked ? this.#decoder?.refusal : undefined;
	}

	/** The payload in bytes that have been read and not taken: what rules may look at. */
	peek(bytes: Buffer): Buffer {
		if (!this.#chunked) return bytes.subarray(0, Math.min(bytes.length, this.#remainingBytes));
		const pieces: Buffer[] = [];
		new ChunkedDecoder().push(bytes, 0, bytes.length, (buffer, from, to) => pieces.push(buffer.subarray(from, to)));
		return Buffer.concat(pieces);
	}

	/** Whether those bytes hold all of the body, or can never. */
	peekComplete(bytes: Buffer): boolean {
		if (!this.#chunked) return bytes.length >= this.#remainingBytes;
		const decoder = new ChunkedDecoder();
		return decoder.push(bytes, 0, bytes.length) < 0 || decoder.isDone;
	}
}
