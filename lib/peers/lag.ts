/**
 * How long a peer has lacked what it lacks: the age of the oldest update that it has not acknowledged. Updates have no
 * times; but whoever looks now and then notes how far the table's counter was at each look, and an
 * acknowledgement that has not reached that point tells that what came before it is missing still.
 *
 * The answer is as fine as the looks are frequent, and never too high: a peer that follows a busy table closely lacks
 * something at each look, but each time something else.
 */

/** Looks remembered for one table of one peer; from then on the latest stands for those after it. */
const LOOKS_MAX = 300;

interface Look {
	id: number;
	readonly atMs: number;
}

export class LagWatch {
	readonly #looks = new Map<string, Look[]>();

	/**
	 * Milliseconds that the peer is behind. `key` names peer and table, `wantedId` is the table's latest update, `knownId`
	 * the latest that the peer has acknowledged; ids are 32 bits wide and wrap.
	 */
	lagMs(key: string, wantedId: number, knownId: number, nowMs: number): number {
		let looks = this.#looks.get(key);
		if (looks === undefined) {
			looks = [];
			this.#looks.set(key, looks);
		}
		let known = 0;
		while (known < looks.length && ((knownId - (looks[known] as Look).id) | 0) >= 0) known++;
		looks.splice(0, known);
		if (((wantedId - knownId) | 0) > 0) {
			const last = looks.at(-1);
			if (last === undefined || (last.id !== wantedId && looks.length < LOOKS_MAX)) {
				looks.push({ id: wantedId, atMs: nowMs });
			} else last.id = wantedId;
		}
		const [oldest] = looks;
		return oldest === undefined ? 0 : nowMs - oldest.atMs;
	}
}
