/**
 * How a starting process gets the tables as they were (section 12): first from the old process of this node,
 * if there is one, else from any remote peer that is up to date, else from nobody.
 *
 *     local ----> remote ----> finished
 *
 * Pure decisions: facts come in as calls with the time, what to do comes out as a value or can be read. Who
 * connects and what is sent is the section's and the session's.
 */
import { TIMING } from './protocol.js';

export type ResyncState =
	/** Waiting for the old process to connect and teach. */
	| 'local'
	/** Looking for a remote peer to ask, or being taught by one. */
	| 'remote'
	/** Up to date, or as much as can be. */
	| 'finished';

/** Names a teacher; the section gives its sessions. */
export type Teacher = object;

export interface ResyncOptions {
	readonly hasOldProcess: boolean;
	readonly hasRemotePeers: boolean;
	/** There is nothing to learn: the tables were kept over a reload. */
	readonly isUpToDate: boolean;
	/** Shards of the remote peers, none if no peer has one. */
	readonly shards: readonly number[];
	readonly nowMs: number;
}

export class Resync {
	#state: ResyncState = 'local';
	#teacher: Teacher | undefined;
	#deadlineMs: number | undefined;
	/** Shards still to be learned; undefined when no peer has a shard. */
	readonly #missingShards: Set<number> | undefined;
	readonly #hasRemotePeers: boolean;
	/** A lesson was heard to its end, even from a teacher that was itself behind. */
	wasTaught = false;
	/** `flags` of `show peers`. */
	localDone = false;
	remoteDone = false;

	constructor(options: ResyncOptions) {
		this.#hasRemotePeers = options.hasRemotePeers;
		this.#missingShards = options.shards.length === 0 ? undefined : new Set(options.shards);
		this.#rearm(options.nowMs);
		if (options.isUpToDate) this.#finish();
		else if (!options.hasOldProcess) this.#goRemote(options.nowMs);
	}

	get state(): ResyncState {
		return this.#state;
	}

	get teacher(): Teacher | undefined {
		return this.#teacher;
	}

	/** When `timeout` is to be called if nothing happens; undefined while being taught and when finished. */
	get deadlineMs(): number | undefined {
		return this.#state === 'finished' || this.#teacher !== undefined ? undefined : this.#deadlineMs;
	}

	/** The old process has connected. True: it teaches, without being asked. */
	localConnected(session: Teacher): boolean {
		if (this.#state !== 'local' || this.#teacher !== undefined) return false;
		this.#teacher = session;
		return true;
	}

	/** Whether a remote peer with this session should be asked for a lesson; if so it is the teacher from now on. */
	elect(session: Teacher, shard: number): boolean {
		if (this.#state !== 'remote' || this.#teacher !== undefined) return false;
		if (shard !== 0 && this.#missingShards?.has(shard) === false) return false;
		this.#teacher = session;
		return true;
	}

	lessonEnded(session: Teacher, shard: number, end: 'finished' | 'partial', nowMs: number): void {
		if (this.#teacher !== session) return;
		this.#teacher = undefined;
		this.wasTaught = true;
		if (end === 'partial') {
			this.#rearm(nowMs);
			return;
		}
		// A peer with a shard knows only that one; others are asked for the rest.
		if (shard !== 0 && this.#missingShards !== undefined) {
			this.#missingShards.delete(shard);
			if (this.#missingShards.size > 0) {
				this.#rearm(nowMs);
				return;
			}
		}
		if (this.#state === 'local') this.localDone = true;
		this.#finish();
	}

	/** The session is gone; if it was the teacher's, another may be asked. */
	sessionLost(session: Teacher, nowMs: number): void {
		if (this.#teacher !== session) return;
		this.#teacher = undefined;
		this.#rearm(nowMs);
	}

	/** The deadline has passed. */
	timeout(nowMs: number): void {
		const { deadlineMs } = this;
		if (deadlineMs === undefined || nowMs < deadlineMs) return;
		if (this.#state === 'local') this.#goRemote(nowMs);
		else this.#finish();
	}

	#goRemote(nowMs: number): void {
		this.#state = 'remote';
		this.localDone = true;
		this.#rearm(nowMs);
		if (!this.#hasRemotePeers) this.#finish();
	}

	#finish(): void {
		this.#state = 'finished';
		this.localDone = true;
		this.remoteDone = true;
	}

	#rearm(nowMs: number): void {
		this.#deadlineMs = nowMs + TIMING.resyncMs;
	}
}
