/**
 * The body of a client's request as the node engine takes it from Node: bytes that wait until a server is
 * connected, then bytes as they come. It stops the client when a buffer of them waits.
 */
import type { IncomingMessage } from 'node:http';

export class ClientBody {
	readonly #message: IncomingMessage;
	readonly #limitBytes: number;
	readonly #onBytes: (bytes: Buffer) => void;
	readonly #onEnd: () => void;
	#waiting: Buffer[] = [];
	#waitingBytes = 0;
	/** The last byte has come from the client. */
	isComplete = false;

	/** `onBytes` is told of each piece as it comes, `onEnd` of the end; the pieces wait in here. */
	constructor(message: IncomingMessage, limitBytes: number, onBytes: (bytes: Buffer) => void, onEnd: () => void) {
		this.#message = message;
		this.#limitBytes = limitBytes;
		this.#onBytes = onBytes;
		this.#onEnd = onEnd;
	}

	/** Begins to read. */
	open(): void {
		this.#message.on('data', (bytes: Buffer) => {
			this.#waiting.push(bytes);
			this.#waitingBytes += bytes.length;
			if (this.isFull) this.#message.pause();
			this.#onBytes(bytes);
		});
		this.#message.on('end', () => {
			this.isComplete = true;
			this.#onEnd();
		});
	}

	get isFull(): boolean {
		return this.#waitingBytes >= this.#limitBytes;
	}

	get isEmpty(): boolean {
		return this.#waitingBytes === 0;
	}

	/** What waits, in one piece; it goes on waiting. */
	peek(): Buffer | undefined {
		if (this.#waitingBytes === 0) return undefined;
		if (this.#waiting.length > 1) this.#waiting = [Buffer.concat(this.#waiting)];
		return this.#waiting[0];
	}

	/** What waits, taken out. */
	take(): Buffer[] {
		const taken = this.#waiting;
		this.#waiting = [];
		this.#waitingBytes = 0;
		return taken;
	}

	pause(): void {
		this.#message.pause();
	}

	resume(): void {
		this.#message.resume();
	}
}
