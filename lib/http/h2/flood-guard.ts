/**
 * What a peer may do that costs it nothing and us something: streams that it resets as soon as they are opened
 * (CVE-2023-44487), requests that are malformed, frames of control without end (CVE-2019-9512 to 9518). Each is worth
 * points; whoever has gathered more than `POINTS_MAX` within a few seconds is told to calm down, and its connection
 * is closed.
 *
 * What only costs bytes has bounds of its own in connection.ts: header blocks, unread acknowledgements, payload.
 */

/** A browser that leaves a page resets what it was loading: some hundred streams at the very worst. */
const POINTS_MAX = 400;
/** Points forgiven each second. */
const FORGIVEN_PER_SECOND = 50;

export const Offence = {
	/** A stream was reset before it had its answer. */
	RESET: 1,
	/** A stream or its messages break a rule; one more than allowed is opened. */
	MALFORMED: 4,
	PING: 0.5,
	SETTINGS: 2,
	/** DATA without payload that ends nothing; PRIORITY, which nobody heeds; frames of unknown types. */
	IDLE_FRAME: 0.25,
} as const;

export class FloodGuard {
	#points = 0;
	#atMs = 0;

	/** True: enough. */
	note(points: number, nowMs: number): boolean {
		if (this.#points > 0) {
			this.#points = Math.max(0, this.#points - ((nowMs - this.#atMs) / 1000) * FORGIVEN_PER_SECOND);
		}
		this.#atMs = nowMs;
		this.#points += points;
		return this.#points > POINTS_MAX;
	}
}
