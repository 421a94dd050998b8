/**
 * Messages in a stream of bytes (RFC 6587): a length before each (3.4.1), or a newline after it (3.4.2). Which of
 * the two is seen in the first byte of each message, so that a sender may mix them, as HAProxy lets it.
 *
 * Between two calls only the beginning of one message is kept, at most `maxBytes` of it.
 */

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LESS_THAN = 0x3c;
const SPACE = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** Digits of a length that could still be within any limit. */
const MAX_LENGTH_DIGITS = 10;

export class SyslogFraming {
	readonly #maxBytes: number;
	readonly #endsAtNewlines: boolean;
	#pending: Buffer = Buffer.alloc(0);

	/** `endsAtNewlines`: whatever a message begins with (`option assume-rfc6587-ntf`). */
	constructor(maxBytes: number, endsAtNewlines: boolean) {
		this.#maxBytes = maxBytes;
		this.#endsAtNewlines = endsAtNewlines;
	}

	/** Gives each whole message to `take`, a byte string. False: these are no messages, and what follows cannot be. */
	push(bytes: Buffer, take: (message: string) => void): boolean {
		const data = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
		let at = 0;
		while (at < data.length) {
			const end = this.#readOne(data, at, take);
			if (end === 'broken') return false;
			if (end === 'incomplete') break;
			at = end;
		}
		// A copy: the bytes may be those of a read buffer that is used again.
		this.#pending = at === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at));
		return true;
	}

	/** Where the message ends that begins at `at`. */
	#readOne(data: Buffer, at: number, take: (message: string) => void): number | 'incomplete' | 'broken' {
		const first = data[at] as number;
		if (!this.#endsAtNewlines) {
			if (first > DIGIT_0 && first <= DIGIT_9) return this.#readCounted(data, at, take);
			if (first !== LESS_THAN) return 'broken';
		}
		const newline = data.indexOf(NEWLINE, at);
		if (newline < 0) return data.length - at > this.#maxBytes ? 'broken' : 'incomplete';
		if (newline - at > this.#maxBytes) return 'broken';
		const end = newline > at && data[newline - 1] === RETURN ? newline - 1 : newline;
		take(data.toString('latin1', at, end));
		return newline + 1;
	}

	#readCounted(data: Buffer, at: number, take: (message: string) => void): number | 'incomplete' | 'broken' {
		let length = 0;
		for (let i = at; i < data.length; i++) {
			const byte = data[i] as number;
			if (byte === SPACE) {
				const begin = i + 1;
				if (length > this.#maxBytes) return 'broken';
				if (data.length < begin + length) return 'incomplete';
				take(data.toString('latin1', begin, begin + length));
				return begin + length;
			}
			if (byte < DIGIT_0 || byte > DIGIT_9 || i - at >= MAX_LENGTH_DIGITS) return 'broken';
			length = length * 10 + byte - DIGIT_0;
		}
		return 'incomplete';
	}
}
