/**
 * What a rule says about the stream it looked at. Numbers, because this is compared for every rule of
 * every request; the names are the manual's.
 */
export const Verdict = {
	/** Go on with the next rule. */
	CONTINUE: 0,
	/** `allow`, `accept`: leave this rule set; the next set is still evaluated. */
	STOP: 1,
	/** More input is needed; the rule is evaluated again when it is there. */
	YIELD: 2,
	/** `deny`, `tarpit`: a reply was set on the stream, counted as an error of the client. */
	DENY: 3,
	/** `return`, `redirect`, `auth`: a reply was set on the stream; not an error (`auth` counts one itself). */
	DONE: 4,
	/** `reject`, `silent-drop`: the connection ends without an answer. */
	ABORT: 5,
	/** The rule itself failed for want of memory, an invalid header or the like: 500. */
	ERROR: 6,
} as const;

export type Verdict = (typeof Verdict)[keyof typeof Verdict];
