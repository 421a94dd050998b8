/**
 * `balance roundrobin`: each server in turn, as often as its weight says, weights and states changing at
 * any time, from the start in the same order as HAProxy 2.6.
 *
 * It is stride scheduling (Waldspurger and Weihl, 1995) on a clock that goes one step per request. A
 * server of weight w among a total of W is due again W/w steps after it was last due; positions are whole
 * steps and the remainder is carried, so that nothing is lost to rounding. A step goes to
 *
 *     1. the server that is due first (position at most now); among equals the heavier, then the one
 *        that was placed first;
 *     2. else a server that has not had a turn yet, the heaviest first, then in the order of the file;
 *     3. else the server that is due next, and the clock jumps there.
 *
 * Worked out from the order in which the binary serves a dozen sets of weights (see the interop test).
 *
 * A server that comes while the round is on its way, back from maintenance or added, has its first turn when
 * everybody else has had one: a whole round after now, less one step. Seen so in the binary for equal weights;
 * where weights differ HAProxy's first turn may come a step or two earlier or later (the same order in 35 of 60
 * random cases, in 20 without this rule). Shares are equal from then on.
 * The positions live in shared memory: all threads walk one round, under the backend's lock. Looking for
 * the next server is a scan; it costs less than keeping a tree up to some hundreds of servers.
 */
import type { StreamView } from '../../sample/types.js';
import { RoundPlace } from '../../shared/server-state.js';
import type { Farm } from '../farm.js';
import type { Server } from '../server.js';
import type { BalanceAlgorithm } from './algorithm.js';

/** Beyond this the clock and all positions are moved back, so that they stay 32-bit integers. */
const CLOCK_LIMIT = 2 ** 30;

export class RoundRobin implements BalanceAlgorithm {
	choose(farm: Farm, _view: StreamView, avoid: Server | undefined): Server | undefined {
		const { states } = farm;
		if (farm.servers.length === 0) return undefined;
		states.lock();
		if (states.roundGeneration() !== farm.generation) enrol(farm);
		const server = next(farm, avoid);
		if (server !== undefined) advance(farm, server);
		states.unlock();
		return server;
	}
}

/** Brings the round up to the present set of servers: who left is out, who is new has no turn yet. */
function enrol(farm: Farm): void {
	const { states } = farm;
	for (const server of farm.all) {
		const place = states.place(server.index);
		if (!farm.includes(server)) states.setPlace(server.index, RoundPlace.OUT);
		else if (place === RoundPlace.OUT) join(farm, server);
	}
	states.setRoundGeneration(farm.generation);
}

function join(farm: Farm, server: Server): void {
	const { states } = farm;
	const now = states.roundTime();
	if (now === 0) {
		states.setPlace(server.index, RoundPlace.FRESH);
		return;
	}
	const wait = Math.ceil(farm.totalShare / (farm.shareOf(server) || 1)) - 1;
	states.setPlace(server.index, RoundPlace.QUEUED);
	states.setPosition(server.index, now + wait, states.remainder(server.index));
	states.setSequence(server.index, states.nextSequence());
}

function next(farm: Farm, avoid: Server | undefined): Server | undefined {
	const { states, servers, shares: weights } = farm;
	const now = states.roundTime();
	let due: Server | undefined;
	let dueAt = 0;
	let dueWeight = 0;
	let fresh: Server | undefined;
	let freshWeight = 0;
	let avoidable: Server | undefined;
	for (let i = 0; i < servers.length; i++) {
		const server = servers[i] as Server;
		const weight = weights[i] ?? 0;
		if (!farm.hasRoom(server)) continue;
		if (server === avoid) {
			avoidable = server;
			continue;
		}
		if (states.place(server.index) === RoundPlace.QUEUED) {
			const at = states.position(server.index);
			const first =
				due === undefined ||
				at < dueAt ||
				(at === dueAt &&
					(weight > dueWeight ||
						(weight === dueWeight && ((states.sequence(server.index) - states.sequence(due.index)) | 0) < 0)));
			if (first) {
				due = server;
				dueAt = at;
				dueWeight = weight;
			}
		} else if (weight > freshWeight) {
			fresh = server;
			freshWeight = weight;
		}
	}
	if (due !== undefined && (fresh === undefined || dueAt <= now)) return due;
	return fresh ?? avoidable;
}

function advance(farm: Farm, server: Server): void {
	const { states } = farm;
	const now = states.roundTime();
	const weight = farm.shareOf(server) || 1;
	const queued = states.place(server.index) === RoundPlace.QUEUED;
	const at = queued ? states.position(server.index) : now;
	const numerator = (queued ? states.remainder(server.index) : 0) + farm.totalShare;
	const whole = Math.floor(numerator / weight);
	states.setPlace(server.index, RoundPlace.QUEUED);
	states.setPosition(server.index, at + whole, numerator - whole * weight);
	states.setSequence(server.index, states.nextSequence());
	const time = Math.max(now, queued ? at : now) + 1;
	states.setRoundTime(time);
	if (time > CLOCK_LIMIT) rewind(farm, time);
}

function rewind(farm: Farm, time: number): void {
	const { states } = farm;
	for (const server of farm.all) {
		states.setPosition(server.index, states.position(server.index) - time, states.remainder(server.index));
	}
	states.setRoundTime(0);
}
