/**
 * When backends go down and come up, for the columns `chkdown` and `downtime` of `show stat`. A backend has no state of its
 * own: it is up while one of its servers is usable. Whoever changes servers tells the data threads; the control
 * thread looks on that occasion.
 */
import type { Backend } from '../backend/backend.js';
import { Column, type Counters } from '../shared/counters.js';

export interface WatchedBackend {
	readonly backend: Backend;
	/** Those of this thread. */
	readonly counters: Counters;
}

export class BackendStanding {
	readonly #backends: ReadonlyMap<string, WatchedBackend>;
	readonly #nowMs: () => number;
	/** Since when those that are down are so. */
	readonly #downSinceMs = new Map<string, number>();

	constructor(backends: ReadonlyMap<string, WatchedBackend>, nowMs: () => number) {
		this.#backends = backends;
		this.#nowMs = nowMs;
		for (const [name, watched] of backends) if (isDown(watched.backend)) this.#downSinceMs.set(name, nowMs());
	}

	/** Servers of this backend have changed. */
	look(name: string): void {
		const watched = this.#backends.get(name);
		if (watched === undefined) return;
		const sinceMs = this.#downSinceMs.get(name);
		const { slice } = watched.counters;
		if (isDown(watched.backend)) {
			if (sinceMs !== undefined) return;
			this.#downSinceMs.set(name, this.#nowMs());
			slice[Column.chkdown] = (slice[Column.chkdown] as number) + 1;
		} else if (sinceMs !== undefined) {
			this.#downSinceMs.delete(name);
			const seconds = Math.floor((this.#nowMs() - sinceMs) / 1000);
			slice[Column.downtime] = (slice[Column.downtime] as number) + seconds;
		}
	}
}

/** As `show stat` has it: none of its servers is usable, or all that are have no weight. */
function isDown({ servers, states }: Backend): boolean {
	return servers.length > 0 && !servers.some((server) => server.isUsable() && states.weight(server.index) > 0);
}
