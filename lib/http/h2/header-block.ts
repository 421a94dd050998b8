/**
 * A header block that comes in several frames (RFC 9113, section 4.3): HEADERS, then CONTINUATIONs of the same stream
 * and nothing between them. It is gathered here, within bounds of bytes and of frames, and decoded as a whole.
 */

/** Frames of one block: a peer that says little in each of them means harm (CVE-2024-27316). */
const CONTINUATIONS_MAX = 64;

export class HeaderBlock {
	/** Whose block goes on; 0: none does. */
	streamId = 0;
	/** HEADERS had END_STREAM. */
	ends = false;
	/** HEADERS named its own stream as what it depends on. */
	dependsOnItself = false;
	readonly sizeMax: number;
	readonly #pieces: Buffer[] = [];
	#length = 0;

	constructor(sizeMax: number) {
		this.sizeMax = sizeMax;
	}

	/** Copies a piece. False: that is too much. */
	add(bytes: Buffer, start: number, end: number): boolean {
		this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
		this.#length += end - start;
		return this.#length <= this.sizeMax && this.#pieces.length <= CONTINUATIONS_MAX;
	}

	/** All of it; it is empty then. */
	take(): Buffer {
		const whole = Buffer.concat(this.#pieces, this.#length);
		this.#pieces.length = 0;
		this.#length = 0;
		return whole;
	}
}
