/**
 * `hash-balance-factor` (manual, 4.2): consistent hashing with bounded loads (Mirrokni, Thorup and
 * Zadimoghaddam, 2016). No server may have more than factor percent of the mean load, its weight
 * considered; whoever would goes on to the next server of the ring.
 *
 * All servers together have as many slots as there are streams, the new one included, times the factor,
 * rounded up. Each weight unit has an equal whole number of them; the rest is dealt out along the summed
 * weights in the order of the file, so that no slot is lost to rounding; nobody has fewer than one. Checked
 * against HAProxy 2.6, see interop-load.test.ts.
 *
 * `hash-preserve-affinity` (manual of 3.2, 4.2) passes over servers in the same way: those without a free slot, or only
 * those whose queue is full.
 */
import type { HashAffinity } from '../../config/model.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';
import type { HashRing } from './hash-ring.js';

/** Room under the bound, for one more stream on `server`. */
export function isWithinBound(farm: Farm, server: Server, factorPercent: number): boolean {
	if (factorPercent === 0) return true;
	const total = farm.totalWeight;
	if (total === 0) return false;
	const weight = server.effectiveWeight();
	const slots = Math.ceil(((farm.states.served() + 1) * factorPercent) / 100);
	const rest = slots % total;
	const before = farm.weightBefore(server);
	const ofRest = Math.floor(((before + weight) * rest) / total) - Math.floor((before * rest) / total);
	const own = Math.floor(slots / total) * weight + ofRest;
	return farm.states.current(server.index) < Math.max(1, own);
}

/** Whether a key may stay with this server as busy as it is. */
function keepsKey(farm: Farm, server: Server, affinity: HashAffinity): boolean {
	switch (affinity) {
		case 'always':
			return true;
		case 'maxconn':
			return farm.hasRoom(server);
		case 'maxqueue':
			return !server.hasFullQueue();
	}
}

/**
 * The server at the nearest place, or the next one along the ring that is within its bound, not too busy and not
 * avoided. If there is none the key waits for its own, or for the last that was too busy (manual of 3.2).
 */
export function lookUp(
	ring: HashRing,
	farm: Farm,
	hash: number,
	factorPercent: number,
	affinity: HashAffinity,
	avoid: Server | undefined,
): Server | undefined {
	const { size } = ring;
	const start = ring.nearest(hash);
	if (start < 0) return undefined;
	let refused: Server | undefined;
	for (let step = 0; step < size; step++) {
		const at = start + step;
		const server = ring.server(at < size ? at : at - size);
		if (server === undefined || server === refused) continue;
		if (server !== avoid && isWithinBound(farm, server, factorPercent) && keepsKey(farm, server, affinity))
			return server;
		refused = server;
	}
	return affinity === 'always' ? ring.server(start) : refused;
}
