/**
 * `balance leastconn`: the server with the fewest streams for its weight, those that wait for it counted
 * too; in turn among equals (manual, 4.2).
 *
 * In turn: a server goes to the end of the line of its load whenever its load changes. The place in line
 * is a number from one counter in shared memory, written when a slot is taken or given back, so that a
 * choice is one scan without a lock. Two threads that choose in the same instant may name the same
 * server; with a `maxconn`, the slot itself decides.
 *
 * A server that is full may be given more as long as its own queue holds fewer than an explicit
 * `maxqueue` (5.2).
 */
import type { StreamView } from '../../sample/types.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';
import type { BalanceAlgorithm } from './algorithm.js';

export class LeastConnections implements BalanceAlgorithm {
	choose(farm: Farm, _view: StreamView, avoid: Server | undefined): Server | undefined {
		const { servers, shares: weights, states } = farm;
		let best: Server | undefined;
		let bestLoad = 0;
		let bestWeight = 1;
		let avoidable: Server | undefined;
		for (let i = 0; i < servers.length; i++) {
			const server = servers[i] as Server;
			if (!farm.hasRoom(server) && !mayWaitFor(farm, server)) continue;
			if (server === avoid) {
				avoidable = server;
				continue;
			}
			const weight = weights[i] ?? 1;
			const load = states.current(server.index) + states.queued(server.index + 1);
			const difference = best === undefined ? -1 : compareLoad(load, weight, bestLoad, bestWeight);
			if (difference < 0 || (difference === 0 && best !== undefined && isEarlier(farm, server, best))) {
				best = server;
				bestLoad = load;
				bestWeight = weight;
			}
		}
		return best ?? avoidable;
	}

	loadChanged(server: Server): void {
		server.states.moveToEnd(server.index);
	}
}

/** Negative if the first is less loaded: an idle server is, whatever its weight; else by (streams + 1) / weight. */
function compareLoad(load: number, weight: number, otherLoad: number, otherWeight: number): number {
	if (load === 0 || otherLoad === 0) return Math.sign(load) - Math.sign(otherLoad);
	return (load + 1) * otherWeight - (otherLoad + 1) * weight;
}

function isEarlier(farm: Farm, a: Server, b: Server): boolean {
	return ((farm.states.order(a.index) - farm.states.order(b.index)) | 0) < 0;
}

function mayWaitFor(farm: Farm, server: Server): boolean {
	return server.maxqueue > 0 && farm.states.queued(server.index + 1) < server.maxqueue;
}
