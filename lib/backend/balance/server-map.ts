/**
 * The static table behind `balance static-rr` and `hash-type map-based`: as many places as the weights add
 * up to (divided by what divides them all), each naming a server.
 *
 * Filled place by place: every server's score grows by its weight; the server whose score holds the
 * greatest whole number of totals (rounded down; the first of the file among equals) has the place and
 * pays one total. Found by fitting the order in which HAProxy 2.6 serves a dozen sets of weights.
 *
 * Static means that a change of weight while a server is up has no effect, only a change to or from 0
 * (manual, 4.2 `balance static-rr`).
 */
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';

/** Index of a server per place. */
export function buildServerMap(weights: readonly number[]): Uint32Array {
	const divisor = weights.reduce(greatestCommonDivisor, 0);
	if (divisor === 0) return new Uint32Array(0);
	const units = weights.map((weight) => weight / divisor);
	const total = units.reduce((sum, unit) => sum + unit, 0);
	const scores = units.map(() => 0);
	const map = new Uint32Array(total);
	for (let place = 0; place < total; place++) {
		let best = -1;
		let bestLevel = 0;
		for (let i = 0; i < units.length; i++) {
			const unit = units[i] ?? 0;
			if (unit === 0) continue;
			const score = (scores[i] ?? 0) + unit;
			scores[i] = score;
			const level = Math.floor(score / total);
			if (best < 0 || level > bestLevel) {
				best = i;
				bestLevel = level;
			}
		}
		scores[best] = (scores[best] ?? 0) - total;
		map[place] = best;
	}
	return map;
}

function greatestCommonDivisor(a: number, b: number): number {
	return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The map of a farm, built again when the farm has changed. */
export class ServerMap {
	#map: Uint32Array = new Uint32Array(0);
	#generation = -1;

	size(farm: Farm): number {
		this.#refresh(farm);
		return this.#map.length;
	}

	at(farm: Farm, place: number): Server | undefined {
		this.#refresh(farm);
		const index = this.#map[place];
		return index === undefined ? undefined : farm.servers[index];
	}

	#refresh(farm: Farm): void {
		if (this.#generation === farm.generation) return;
		this.#map = buildServerMap(farm.servers.map((server) => server.initialWeight || server.effectiveWeight()));
		this.#generation = farm.generation;
	}
}

/** The next server of the map that has room; `avoid` only if there is no other. */
export function nextOfMap(map: ServerMap, farm: Farm, avoid: Server | undefined): Server | undefined {
	const size = map.size(farm);
	let last: Server | undefined;
	for (let tried = 0; tried < size; tried++) {
		const server = map.at(farm, farm.states.nextMapPosition(size));
		if (server === undefined || !farm.hasRoom(server)) continue;
		if (server !== avoid) return server;
		last = server;
	}
	return last;
}
