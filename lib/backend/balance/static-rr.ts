/** `balance static-rr`: the places of a static map in turn. See `server-map.ts`. */
import type { StreamView } from '../../sample/types.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';
import type { BalanceAlgorithm } from './algorithm.js';
import { nextOfMap, ServerMap } from './server-map.js';

export class StaticRoundRobin implements BalanceAlgorithm {
	readonly #map = new ServerMap();

	choose(farm: Farm, _view: StreamView, avoid: Server | undefined): Server | undefined {
		return nextOfMap(this.#map, farm, avoid);
	}
}
