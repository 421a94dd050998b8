/**
 * The servers that take part in balancing at this moment, as one thread sees them.
 *
 * The rules of the manual (4.2 `option allbackups`, 5.2 `backup`, `weight`): every usable server with a
 * weight that is no backup; if there is none, the first usable backup in the order of the file, or all of
 * them with `option allbackups`; if there is none either, nobody. Worked out again only when the shared
 * generation says that some state or weight has changed.
 *
 * "May this server take one more request now?" is asked in one place, `hasRoom`.
 */
import type { ServerStates } from '../shared/server-state.js';
import type { Server } from './server.js';

const SHARES_PER_WEIGHT = 16;

export class Farm {
	readonly states: ServerStates;
	/** Every server of the backend, in the order of the file, then of `add server`. */
	readonly all: readonly Server[];
	readonly #allBackups: boolean;
	readonly fullconn: number;
	/** In the order of the file. */
	servers: readonly Server[] = [];
	/** `weights[i]` belongs to `servers[i]`. */
	weights: readonly number[] = [];
	totalWeight = 0;
	/**
	 * `shares[i]` is what `servers[i]` gets of each round: its weight, less while it starts slowly. Only
	 * their proportion means something.
	 */
	shares: readonly number[] = [];
	totalShare = 0;
	usesBackups = false;
	/** Changes whenever the four fields above have. */
	generation = -1;
	#member: boolean[] = [];
	#weightBefore: number[] = [];
	#shareByIndex: number[] = [];

	constructor(states: ServerStates, all: readonly Server[], options: { allBackups: boolean; fullconn: number }) {
		this.states = states;
		this.all = all;
		this.#allBackups = options.allBackups;
		this.fullconn = options.fullconn;
	}

	/** True if something has changed since the last call. */
	refresh(): boolean {
		const generation = this.states.generation();
		if (generation === this.generation) return false;
		this.#rebuild();
		this.generation = generation;
		return true;
	}

	#rebuild(): void {
		let servers = this.all.filter((server) => !server.backup && canBalance(server));
		this.usesBackups = servers.length === 0;
		if (this.usesBackups) {
			const backups = this.all.filter((server) => server.backup && canBalance(server));
			servers = this.#allBackups ? backups : backups.slice(0, 1);
		}
		this.servers = servers;
		this.weights = servers.map((server) => server.effectiveWeight());
		this.totalWeight = this.weights.reduce((sum, weight) => sum + weight, 0);
		const isWarming = servers.some((server) => this.states.warmup(server.index) > 0);
		this.shares = isWarming ? servers.map((server) => this.#warmShare(server)) : this.weights;
		this.totalShare = isWarming ? this.shares.reduce((sum, share) => sum + share, 0) : this.totalWeight;
		const { capacity } = this.states;
		this.#member = new Array<boolean>(capacity).fill(false);
		this.#weightBefore = new Array<number>(capacity).fill(0);
		this.#shareByIndex = new Array<number>(capacity).fill(0);
		let sum = 0;
		for (const [at, server] of servers.entries()) {
			this.#member[server.index] = true;
			this.#weightBefore[server.index] = sum;
			this.#shareByIndex[server.index] = this.shares[at] ?? 0;
			sum += this.weights[at] ?? 0;
		}
	}

	/** In sixteenths of a weight, so that a server of weight 1 starts slowly too. */
	#warmShare(server: Server): number {
		const percent = this.states.warmup(server.index) || 100;
		return Math.max(1, Math.floor((server.effectiveWeight() * SHARES_PER_WEIGHT * percent) / 100));
	}

	/** The share of a server that takes part. */
	shareOf(server: Server): number {
		return this.#shareByIndex[server.index] ?? 1;
	}

	/** Sum of the weights of those before it in the order of the file. */
	weightBefore(server: Server): number {
		return this.#weightBefore[server.index] ?? 0;
	}

	/** Takes part in balancing. */
	includes(server: Server): boolean {
		return this.#member[server.index] === true;
	}

	/**
	 * The limit of streams on the server now; 0 is none. With `minconn`, the limit follows the load of the
	 * backend on a ramp that reaches `maxconn` at `fullconn` (manual, 5.2 `minconn`).
	 */
	limit(server: Server): number {
		const limit = this.#fullLimit(server);
		const percent = this.states.warmup(server.index);
		return percent === 0 || limit === 0 ? limit : Math.max(1, Math.floor((limit * percent) / 100));
	}

	#fullLimit(server: Server): number {
		const maxconn = this.states.maxconn(server.index);
		if (maxconn === 0 || server.minconn === 0 || server.minconn >= maxconn) return maxconn;
		const load = this.states.backendCurrent();
		if (this.fullconn === 0 || load >= this.fullconn) return maxconn;
		return Math.max(server.minconn, Math.floor((load * maxconn) / this.fullconn));
	}

	/** A slot is free and nobody waits for this server. */
	hasRoom(server: Server): boolean {
		const limit = this.limit(server);
		return limit === 0 || (this.states.queued(server.index + 1) === 0 && this.states.current(server.index) < limit);
	}
}

function canBalance(server: Server): boolean {
	return server.isUsable() && server.effectiveWeight() > 0;
}
