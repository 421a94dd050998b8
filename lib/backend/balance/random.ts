/**
 * `balance random(n)`: n draws by weight, of which the least loaded server is taken (manual, 4.2; the
 * "power of two choices" of Mitzenmacher). HAProxy draws keys of its consistent ring; drawing from the
 * summed weights gives each server exactly its share without the ring's unevenness.
 */
import type { StreamView } from '../../sample/types.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';
import type { BalanceAlgorithm } from './algorithm.js';
import { isWithinBound } from './bounded-load.js';

export class RandomDraws implements BalanceAlgorithm {
	readonly #draws: number;
	readonly #factorPercent: number;
	/** In [0, 1). */
	readonly #random: () => number;
	#sums = new Float64Array(0);
	#generation = -1;

	constructor(draws: number, factorPercent: number, random: () => number = Math.random) {
		this.#draws = draws;
		this.#factorPercent = factorPercent;
		this.#random = random;
	}

	choose(farm: Farm, _view: StreamView, avoid: Server | undefined): Server | undefined {
		if (this.#generation !== farm.generation) this.#sum(farm);
		let best: Server | undefined;
		for (let draw = 0; draw < this.#draws; draw++) {
			const server = this.#draw(farm);
			if (server === undefined || server === avoid || server === best || !this.#mayServe(farm, server)) continue;
			if (best === undefined || isLessLoaded(farm, server, best)) best = server;
		}
		// Rare: all draws were full, or the one to avoid. Then whoever has room, from a random place on.
		return best ?? this.#anyWithRoom(farm, avoid);
	}

	#mayServe(farm: Farm, server: Server): boolean {
		return farm.hasRoom(server) && isWithinBound(farm, server, this.#factorPercent);
	}

	#anyWithRoom(farm: Farm, avoid: Server | undefined): Server | undefined {
		const { servers } = farm;
		const start = Math.floor(this.#random() * servers.length);
		let avoidable: Server | undefined;
		let overBound: Server | undefined;
		for (let step = 0; step < servers.length; step++) {
			const server = servers[(start + step) % servers.length];
			if (server === undefined || !farm.hasRoom(server)) continue;
			if (server === avoid) avoidable = server;
			else if (this.#mayServe(farm, server)) return server;
			else overBound = server;
		}
		return overBound ?? avoidable;
	}

	#draw(farm: Farm): Server | undefined {
		const point = this.#random() * farm.totalWeight;
		let low = 0;
		let high = farm.servers.length - 1;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if ((this.#sums[middle] ?? 0) > point) high = middle;
			else low = middle + 1;
		}
		return farm.servers[low];
	}

	#sum(farm: Farm): void {
		let sum = 0;
		this.#sums = Float64Array.from(farm.weights, (weight) => {
			sum += weight;
			return sum;
		});
		this.#generation = farm.generation;
	}
}

function isLessLoaded(farm: Farm, a: Server, b: Server): boolean {
	const load = (server: Server) => farm.states.current(server.index) + farm.states.queued(server.index + 1);
	return load(a) * b.effectiveWeight() < load(b) * a.effectiveWeight();
}
