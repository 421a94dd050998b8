/**
 * How a leaving data thread lets go of the connections it has (manual, `close-spread-time`, `grace`,
 * `option idle-close-on-response`).
 *
 * A connection may be closed without harm only with an answer, by `connection: close`: a close between two
 * requests can cross the next one on its way, and the client sees a failure. So a busy keep-alive client is
 * always told with its next answer, and a connection that rests is closed only after a second of rest, by
 * when a client that was about to ask has done so. HAProxy closes resting connections at once and asks for
 * `option idle-close-on-response` from those who have met the failures; with that option nothing is closed
 * here before its own timeout either.
 *
 *     serving --begin--> leaving, for `spreadMs` more and more of the connections, then all of them
 */

/** How often a leaving thread looks for connections that rest. */
export const REST_CHECK_MS = 100;
/** Rest after which a connection is closed. */
export const REST_MS = 1000;

export class SoftStop {
	#beganMs: number | undefined;
	#spreadMs: number | 'infinite' = 0;

	/** From now on; `spreadMs` is `close-spread-time`, 0 without it. */
	begin(nowMs: number, spreadMs: number | 'infinite'): void {
		this.#beganMs ??= nowMs;
		this.#spreadMs = spreadMs;
	}

	get hasBegun(): boolean {
		return this.#beganMs !== undefined;
	}

	/** Whether the answer at hand is to be the last of its connection. */
	closesWithAnswer(nowMs: number): boolean {
		if (this.#beganMs === undefined || this.#spreadMs === 'infinite') return false;
		const elapsedMs = nowMs - this.#beganMs;
		return elapsedMs >= this.#spreadMs || Math.random() * this.#spreadMs < elapsedMs;
	}

	/** Whether a connection that has rested enough is to be closed by a look every REST_CHECK_MS. */
	closesResting(nowMs: number): boolean {
		if (this.#beganMs === undefined || this.#spreadMs === 'infinite') return false;
		const remainingMs = this.#beganMs + this.#spreadMs - nowMs;
		return remainingMs <= REST_CHECK_MS || Math.random() * remainingMs < REST_CHECK_MS;
	}
}
