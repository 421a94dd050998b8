/**
 * Short messages leave at the end of the round of the event loop in which they were made.
 *
 * A round reads from every connection that has something, and answers most of them. Written one by one, in the midst of
 * that, each message wakes whoever waits for it: on a busy machine that is the dearest part of the call, and the next
 * message of the same round often goes to the same process, which has gone back to sleep meanwhile. Written together they
 * find it awake, and what is made for one connection in one round (answers to pipelined requests, a head and the
 * chunk behind it) goes in one call.
 *
 * What it gives up: the first message of a round waits for the work on the others. So that this stays well under a
 * millisecond however many connections are ready, no more than `ROUND_MAX` messages wait.
 */

/** Messages that are written together at most. */
const ROUND_MAX = 32;

/** A connection with text that waits for the end of the round. */
export interface DeferredWriter {
	/** Writes it; nothing if that was done already. Must not throw. */
	flushText(): void;
}

export class DeferredWrites {
	#waiting: DeferredWriter[] = [];
	/** The array that is not in use: the two take turns. */
	#spare: DeferredWriter[] = [];
	#isDue = false;

	/** `writer` has begun to hold text. */
	add(writer: DeferredWriter): void {
		const waiting = this.#waiting;
		waiting.push(writer);
		if (waiting.length >= ROUND_MAX) this.#flush();
		else if (!this.#isDue) {
			this.#isDue = true;
			// Runs after all that this round has to read.
			setImmediate(this.#onRoundEnd);
		}
	}

	readonly #onRoundEnd = (): void => {
		this.#isDue = false;
		this.#flush();
	};

	#flush(): void {
		const waiting = this.#waiting;
		this.#waiting = this.#spare;
		for (let index = 0; index < waiting.length; index++) (waiting[index] as DeferredWriter).flushText();
		waiting.length = 0;
		this.#spare = waiting;
	}
}
