/**
 * What a client may do that costs it nothing and us something: streams that it resets as soon as they are opened
 * (CVE-2023-44487), requests that are malformed, PING and SETTINGS without end. Each is worth points; whoever has
 * gathered more than `POINTS_MAX` within a few seconds is told to calm down, and its connection is closed.
 *
 * What only costs bytes is bounded by Node and nghttp2: the size of a header list and its CONTINUATIONs, empty
 * frames, unread acknowledgements, memory of the session.
 */

/** A browser that leaves a page resets what it was loading: some hundred streams at the very worst. */
const POINTS_MAX = 400;
/** Points forgiven each second. */
const FORGIVEN_PER_SECOND = 50;

export const Offence = {
	/** A stream was reset before it had its answer. */
	RESET: 1,
	MALFORMED: 4,
	PING: 0.5,
	SETTINGS: 2,
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
