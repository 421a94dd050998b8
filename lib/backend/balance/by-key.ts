/**
 * The algorithms that hash something of the request (`source`, `uri`, `url_param`, `hdr`, `hash`,
 * `rdp-cookie`) share this: a key, a hash of it, and a place in a map or on a ring. Without a key, the map
 * or the ring is walked in turn (manual, 4.2: "a round robin algorithm is applied").
 */
import type { HashAffinity } from '../../config/model.js';
import type { StreamView } from '../../sample/types.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';
import type { BalanceAlgorithm } from './algorithm.js';
import { isWithinBound, lookUp } from './bounded-load.js';
import { HashRing } from './hash-ring.js';
import { nextOfMap, ServerMap } from './server-map.js';

/** The unsigned 32-bit hash of what the algorithm looks at, avalanche included; undefined if it is not there. */
export type KeyHash = (view: StreamView) => number | undefined;

export class MapBased implements BalanceAlgorithm {
	readonly #map = new ServerMap();
	readonly isByKey = true;
	readonly #keyHash: KeyHash;

	constructor(keyHash: KeyHash) {
		this.#keyHash = keyHash;
	}

	choose(farm: Farm, view: StreamView, avoid: Server | undefined): Server | undefined {
		const hash = this.#keyHash(view);
		const size = this.#map.size(farm);
		if (hash === undefined || size === 0) return nextOfMap(this.#map, farm, avoid);
		const server = this.#map.at(farm, hash % size);
		return server === avoid ? (nextOfMap(this.#map, farm, avoid) ?? server) : server;
	}
}

export class Consistent implements BalanceAlgorithm {
	readonly #ring = new HashRing();
	readonly isByKey = true;
	readonly #keyHash: KeyHash;
	readonly #factorPercent: number;
	readonly #affinity: HashAffinity;

	constructor(keyHash: KeyHash, factorPercent: number, affinity: HashAffinity) {
		this.#keyHash = keyHash;
		this.#factorPercent = factorPercent;
		this.#affinity = affinity;
	}

	choose(farm: Farm, view: StreamView, avoid: Server | undefined): Server | undefined {
		this.#ring.refresh(farm);
		const hash = this.#keyHash(view);
		if (hash === undefined) return nextOfRing(this.#ring, farm, this.#factorPercent, avoid);
		return lookUp(this.#ring, farm, hash, this.#factorPercent, this.#affinity, avoid);
	}
}

/** The place after the one served last, whose server has room. */
function nextOfRing(ring: HashRing, farm: Farm, factorPercent: number, avoid: Server | undefined): Server | undefined {
	const { size } = ring;
	if (size === 0) return undefined;
	const start = ring.firstFrom((farm.states.consistentPosition() + 1) >>> 0);
	let avoidable: Server | undefined;
	for (let step = 0; step < size; step++) {
		const at = (start + step) % size;
		const server = ring.server(at);
		if (server === undefined || !farm.hasRoom(server) || !isWithinBound(farm, server, factorPercent)) continue;
		if (server === avoid) {
			avoidable = server;
			continue;
		}
		farm.states.setConsistentPosition(ring.position(at));
		return server;
	}
	return avoidable;
}
