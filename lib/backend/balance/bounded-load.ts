/**
 * `hash-balance-factor` (manual, 4.2): consistent hashing with bounded loads (Mirrokni, Thorup and
 * Zadimoghaddam, 2016). No server may have more than factor percent of the mean load, its weight
 * considered; whoever would goes on to the next server of the ring.
 *
 * All servers together have as many slots as there are streams, the new one included, times the factor,
 * rounded up. Each weight unit has an equal whole number of them; the rest is dealt out along the summed
 * weights in the order of the file, so that no slot is lost to rounding; nobody has fewer than one. Checked
 * against HAProxy 2.6, see interop-load.test.ts.
 */
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

/** The server at the nearest place, or the next one along the ring that is within its bound and not avoided. */
export function lookUp(
	ring: HashRing,
	farm: Farm,
	hash: number,
	factorPercent: number,
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
		if (server !== avoid && isWithinBound(farm, server, factorPercent)) return server;
		refused = server;
	}
	return ring.server(start);
}
