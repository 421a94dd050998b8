/** `balance first`: the server with the lowest id that has room; weights count only as zero or not (manual, 4.2). */
import type { StreamView } from '../../sample/types.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';
import type { BalanceAlgorithm } from './algorithm.js';

export class First implements BalanceAlgorithm {
	#byId: Server[] = [];
	#generation = -1;

	choose(farm: Farm, _view: StreamView, avoid: Server | undefined): Server | undefined {
		if (this.#generation !== farm.generation) {
			this.#byId = farm.servers.slice().sort((a, b) => a.id - b.id);
			this.#generation = farm.generation;
		}
		let avoidable: Server | undefined;
		for (const server of this.#byId) {
			if (!farm.hasRoom(server)) continue;
			if (server !== avoid) return server;
			avoidable = server;
		}
		return avoidable;
	}
}
