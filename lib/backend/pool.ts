/**
 * Idle connections to one server, kept by one thread (a socket cannot move between threads of Node).
 *
 * A connection is in exactly one state, and `#move` makes every transition:
 *
 *     busy ---put---> fresh   idle, has served one request
 *       \----put---> proven  idle, has been reused at least once
 *     fresh, proven --take--> busy
 *     any --drop--> gone
 *
 * Which idle connection a request may have is the manual's `http-reuse` (4.2): the first request of a
 * client connection may have none under `never` and `safe`, a proven one under `aggressive`, any under
 * `always`; later requests may have any, save under `never`. Proven ones go first. The one used last is
 * taken first: it is the least likely to have been closed by the server, and the rest grow old and are
 * purged. Each list is linked through its members, so take, put and drop take the same time however many
 * there are.
 *
 * No more are kept than could be of use: those in use and those idle together are at most as many as were in use at one
 * moment lately. Else under `safe` clients with one request each, which may have no idle connection, would each leave
 * one behind: thousands within seconds.
 *
 * `pool-max-conn` bounds the idle connections of all threads together, by a shared counter. Each
 * `pool-purge-delay`, half of the connections that were not needed during it are closed, the oldest
 * first; one timer per server, which sleeps while nothing is idle. `pool-low-conn` guards against taking
 * connections from other threads, which never happens here.
 */
import type { Clock, Timer } from '../core/clock.js';

/** What the pool asks of a connection. */
export interface PooledConnection {
	/** The connection was idle and is not wanted any more. Must not call back into the pool. */
	close(): void;
}

export type ReuseMode = 'never' | 'safe' | 'aggressive' | 'always';

export interface IdlePoolOptions {
	readonly reuse: ReuseMode;
	/** Idle connections over all threads; -1 is no limit, 0 none. */
	readonly maxIdle: number;
	/** 0 keeps no idle connection. */
	readonly purgeDelayMs: number;
	/** Requests after the first on one connection; -1 is no limit. */
	readonly maxReuse: number;
	readonly clock: Clock;
	readonly sharedIdle: { count(): number; add(amount: number): number };
}

type State = 'busy' | 'fresh' | 'proven' | 'gone';

interface Member<C> {
	readonly connection: C;
	state: State;
	reuseCount: number;
	newer: Member<C> | undefined;
	older: Member<C> | undefined;
}

interface List<C> {
	newest: Member<C> | undefined;
	oldest: Member<C> | undefined;
	count: number;
}

export class IdlePool<C extends PooledConnection> {
	readonly #options: IdlePoolOptions;
	readonly #members = new Map<C, Member<C>>();
	readonly #fresh: List<C> = { newest: undefined, oldest: undefined, count: 0 };
	readonly #proven: List<C> = { newest: undefined, oldest: undefined, count: 0 };
	/** Idle connections of another kind (HTTP/2), closed with these. */
	alsoClose: (() => void) | undefined;
	#timer: Timer | undefined;
	/** The fewest idle connections at any moment since the last purge: those nobody needed. */
	#leastIdle = 0;
	/** The most connections in use at any moment since the last purge. */
	#mostUsed = 0;
	/** The same of the time before, forgotten by halves. */
	#neededBefore = 0;

	constructor(options: IdlePoolOptions) {
		this.#options = options;
	}

	/** `http-reuse` as it holds for this server. */
	get reuse(): ReuseMode {
		return this.#options.reuse;
	}

	get idleCount(): number {
		return this.#fresh.count + this.#proven.count;
	}

	/** Idle connections that have been reused at least once. */
	get provenCount(): number {
		return this.#proven.count;
	}

	/** An idle connection for this request, or undefined: connect. */
	take(isFirstRequest: boolean): C | undefined {
		const member = this.#candidate(isFirstRequest);
		if (member === undefined) return undefined;
		this.#move(member, 'busy');
		member.reuseCount++;
		this.#leastIdle = Math.min(this.#leastIdle, this.idleCount);
		this.#noteUse();
		return member.connection;
	}

	/** A connection is being made, for a request that got none. */
	opened(connection: C): void {
		this.#members.set(connection, newMember(connection));
		this.#noteUse();
	}

	#noteUse(): void {
		this.#mostUsed = Math.max(this.#mostUsed, this.#usedCount);
	}

	get #usedCount(): number {
		return this.#members.size - this.idleCount;
	}

	/** Whether `take` would give one. */
	hasFor(isFirstRequest: boolean): boolean {
		return this.#candidate(isFirstRequest) !== undefined;
	}

	#candidate(isFirstRequest: boolean): Member<C> | undefined {
		switch (this.#options.reuse) {
			case 'never':
				return undefined;
			case 'safe':
				return isFirstRequest ? undefined : (this.#proven.newest ?? this.#fresh.newest);
			case 'aggressive':
				return isFirstRequest ? this.#proven.newest : (this.#proven.newest ?? this.#fresh.newest);
			case 'always':
				return this.#proven.newest ?? this.#fresh.newest;
		}
	}

	/**
	 * Keeps a connection whose response is complete. False: it is not kept, and the caller closes it. The
	 * connection may be new to the pool.
	 */
	put(connection: C): boolean {
		const { maxIdle, purgeDelayMs, reuse, sharedIdle } = this.#options;
		const known = this.#members.get(connection);
		if (known !== undefined && known.state !== 'busy') throw new Error('an idle connection was put back twice');
		const refused =
			reuse === 'never' ||
			purgeDelayMs === 0 ||
			(maxIdle >= 0 && sharedIdle.count() >= maxIdle) ||
			this.isSpent(connection) ||
			(known !== undefined && this.#members.size > Math.max(this.#mostUsed, this.#neededBefore));
		if (refused) {
			this.drop(connection);
			return false;
		}
		const member = known ?? newMember(connection);
		if (known === undefined) {
			this.#members.set(connection, member);
			this.#mostUsed = Math.max(this.#mostUsed, this.#members.size);
		}
		this.#move(member, member.reuseCount > 0 ? 'proven' : 'fresh');
		this.#timer ??= this.#options.clock.setTimer(this.#onPurge, purgeDelayMs);
		return true;
	}

	/** `max-reuse` is reached: the connection must not serve another request, not even the same client's. */
	isSpent(connection: C): boolean {
		const { maxReuse } = this.#options;
		return maxReuse >= 0 && (this.#members.get(connection)?.reuseCount ?? 0) >= maxReuse;
	}

	/** The same client's next request goes over its own connection, which never was idle here. */
	noteReuse(connection: C): void {
		let member = this.#members.get(connection);
		if (member === undefined) {
			member = newMember(connection);
			this.#members.set(connection, member);
			this.#noteUse();
		}
		member.reuseCount++;
	}

	/** The connection is closed, by whomever; forgets it in any state. */
	drop(connection: C): void {
		const member = this.#members.get(connection);
		if (member === undefined) return;
		this.#move(member, 'gone');
		this.#members.delete(connection);
	}

	/** Closes all idle connections, as when the server goes down or the thread stops. */
	closeAll(): void {
		this.alsoClose?.();
		while (this.idleCount > 0) this.#closeOldest();
		this.#timer?.cancel();
		this.#timer = undefined;
	}

	/** State by state, for tests and `show servers conn`. */
	census(): { readonly busy: number; readonly fresh: number; readonly proven: number } {
		const idle = this.idleCount;
		return { busy: this.#members.size - idle, fresh: this.#fresh.count, proven: this.#proven.count };
	}

	readonly #onPurge = (): void => {
		this.#timer = undefined;
		const spare = Math.min(Math.ceil(this.#leastIdle / 2), this.idleCount);
		for (let closed = 0; closed < spare; closed++) this.#closeOldest();
		this.#leastIdle = this.idleCount;
		this.#neededBefore = Math.max(this.#mostUsed, this.#neededBefore >> 1);
		this.#mostUsed = this.#usedCount;
		if (this.idleCount > 0) this.#timer = this.#options.clock.setTimer(this.#onPurge, this.#options.purgeDelayMs);
	};

	#closeOldest(): void {
		// One that was never reused goes before one that has proved to be of use.
		const member = this.#fresh.oldest ?? this.#proven.oldest;
		if (member === undefined) return;
		this.drop(member.connection);
		member.connection.close();
	}

	/** The only place where a connection changes its state. */
	#move(member: Member<C>, state: State): void {
		const from = this.#listOf(member.state);
		const to = this.#listOf(state);
		if (from !== undefined) unlink(from, member);
		if (to !== undefined) pushNewest(to, member);
		if (from === undefined && to !== undefined) this.#options.sharedIdle.add(1);
		if (from !== undefined && to === undefined) this.#options.sharedIdle.add(-1);
		member.state = state;
	}

	#listOf(state: State): List<C> | undefined {
		return state === 'fresh' ? this.#fresh : state === 'proven' ? this.#proven : undefined;
	}
}

function newMember<C>(connection: C): Member<C> {
	return { connection, state: 'busy', reuseCount: 0, newer: undefined, older: undefined };
}

function pushNewest<C>(list: List<C>, member: Member<C>): void {
	member.older = list.newest;
	member.newer = undefined;
	if (list.newest !== undefined) list.newest.newer = member;
	else list.oldest = member;
	list.newest = member;
	list.count++;
}

function unlink<C>(list: List<C>, member: Member<C>): void {
	if (member.newer !== undefined) member.newer.older = member.older;
	else list.newest = member.older;
	if (member.older !== undefined) member.older.newer = member.newer;
	else list.oldest = member.newer;
	member.newer = undefined;
	member.older = undefined;
	list.count--;
}
