/**
 * What a balancing algorithm is: given the farm of the moment, it names a server that has room, or none.
 *
 * It neither takes the slot nor queues: `backend.ts` does both. What depends on the set of servers (a map,
 * a ring) is derived again when `farm.generation` has changed, which is one comparison per request.
 */
import type { StreamView } from '../../sample/types.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';

export interface BalanceAlgorithm {
	/** The key of the request decides: when its server's queue is full too, there is no other. */
	readonly isByKey?: true;
	/**
	 * The server for this request; undefined when none has room (the request waits in the backend's queue)
	 * or none is usable. `avoid` is the server that just failed: it comes last.
	 *
	 * A server found by its key is named even when it is full: the request then waits in that server's queue.
	 */
	choose(farm: Farm, view: StreamView, avoid: Server | undefined): Server | undefined;
	/** Told after a slot was taken or given back, for algorithms that order servers by load. */
	loadChanged?(server: Server): void;
}
