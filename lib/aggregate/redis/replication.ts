/**
 * The tables of a peers section, shared through Redis instead of from node to node.
 *
 * ## What travels
 * Each node writes only what it has changed itself, as absolute values, and reads what the others have written. Per table
 * there is one hash with the last value of each entry (of a sum: one hash for each node, its share) and one stream in
 * which every batch that goes into a hash is told, entries included (keys.ts). So in each round, which `interval` sets the
 * pace of, a node sends one write if it has counted something and one read per table, and gets only what is new, with no
 * look at any other node: commands grow with the nodes, memory with the entries, and each change travels once to Redis and
 * once from there to each node that sums, which is the least there can be. A directory of one line per node (the number of
 * its last batch) tells readers that they have missed something, and writers that Redis has.
 *
 *     counted --round--> hash + stream + directory, in one script --round of another node--> its copy of the share --> sums
 *
 * No request waits for any of it. Data threads count in shared memory; all here happens in the control thread, in rounds
 * that do not overlap: a Redis that is slow or away makes the next round larger, never longer the queue, since what is
 * to be written is read from the table at the moment of writing.
 *
 * ## Who writes
 * A node's name belongs to one process at a time, which renews its claim with each heartbeat. Dates are Redis's own.
 *
 *     joining --claimed--> writing                 a name that is free, or whose heart has stopped beating
 *        |---another's heart beats on--> apart     a node of the same name is alive: counted under `name#process`, and logged,
 *                                                  so that the sums are right
 *     writing --another has claimed it--> lost     this process was stopped for longer than a heartbeat lives
 *
 * A process that starts anew takes the hash of its node over, and what is in it into its own table, so it counts on from
 * there; with every process of a cluster gone the shares are still in Redis. Hearts that have stopped are found by asking
 * for those beats only that have grown too old since the last time: an answer that is empty however many nodes there are.
 * With its heart a node's connections leave the sums; its counts stay until the entries expire.
 *
 * ## What may happen to Redis
 * Away, slow, read-only, full: counting goes on, one line in the log (link.ts); afterwards each table goes on where the
 * directory says it was. Emptied: every node tells all again, at once, and for nodes that are away the others write back
 * what they know of their shares (restorer.ts). Fail-over that has lost the last writes: numbers no longer match, what is
 * lost is told again and read again. Foreign and damaged values: named in the log, in no sum.
 *
 * ## What it gives up
 * All of one table is on one server of a cluster, the price of scripts that change hash, stream and directory in one
 * step. A sum lags by about one and a half rounds, where peers are told at once. Entries of tables without
 * `expire` stay in Redis for as long as `keep` says after their node was heard of last.
 */
import { randomBytes } from 'node:crypto';
import type { RedisModel } from '../../config/model.js';
import type { Clock, Timer } from '../../core/clock.js';
import { orComplain } from '../../core/errors.js';
import type { PeersLog } from '../../peers/connection.js';
import type { RedisClient } from './client.js';
import { type NodeKeys, nodeKeys } from './keys.js';
import { type OpenClient, RedisLink } from './link.js';
import type { OwnName } from './reader.js';
import type { Liveness } from './sinks.js';
import { type SyncedTable, settled, type TableStatus, TableSync } from './table-sync.js';

export interface RedisReplicationOptions {
	readonly sectionName: string;
	readonly model: RedisModel;
	readonly localName: string;
	/** When this process began, by the wall clock: which of a node's processes is the later one. */
	readonly life: number;
	/** Redis knows of a later process of this node: this one is later still. */
	readonly onLaterLife?: ((life: number) => void) | undefined;
	readonly tables: readonly SyncedTable[];
	/** Another process of this node is alive and about to leave. */
	readonly hasOldProcess: boolean;
	/** The section before a reload within this process. */
	readonly predecessor?: RedisReplication | undefined;
	readonly clock: Clock;
	readonly log: PeersLog;
	readonly open?: OpenClient | undefined;
	readonly timing?: Partial<RedisTiming> | undefined;
}

export interface RedisTiming {
	readonly beatMs: number;
	/** A heart that has not beaten for so long has stopped. */
	readonly heartbeatLifeMs: number;
	/** A name that another process holds on to for so long is not given up any more. */
	readonly apartMs: number;
	readonly slowMs: number;
	readonly silentMs: number;
}

const TIMING: RedisTiming = {
	beatMs: 1000,
	heartbeatLifeMs: 3500,
	apartMs: 12_000,
	slowMs: 1000,
	silentMs: 10_000,
};
/** An old process that is leaving may take its time. */
const OLD_PROCESS_MS = 60_000;
const CLAIM_PAUSE_MS = 250;
/** Who is alive is asked as a whole now and then; what beats say in between is in each answer. */
const ALIVE_INTERVAL_MS = 15_000;
/** Names of the dead are forgotten after a week: their entries stay as long as they live. */
const FORGET_MS = 7 * 86_400_000;
const RENEW_MS = 3_600_000;
/** Longest wait for the last words of a process that ends. */
const LEAVE_MS = 1500;
const MAX_COMPLAINTS = 1000;
/** Tables are found empty one after the other. */
const EMPTIED_LOG_MS = 5000;

export type ClaimState = 'joining' | 'writing' | 'apart' | 'lost';

export interface RedisStatus {
	readonly section: string;
	/** Without user and password. */
	readonly url: string;
	readonly isReady: boolean;
	/** What is wrong, as it was logged; undefined: nothing. */
	readonly trouble: string | undefined;
	/** As this node is called there. */
	readonly node: string;
	readonly claim: ClaimState;
	readonly intervalMs: number;
	/** How long the last round took, and how long ago it ended well; undefined: none did. */
	readonly roundMs: number | undefined;
	readonly lastRoundMs: number | undefined;
	/** Connections made, and rounds that failed, since the start. */
	readonly connects: number;
	readonly failures: number;
	readonly tables: readonly TableStatus[];
}

export class RedisReplication implements Liveness {
	readonly sectionName: string;
	#options: RedisReplicationOptions;
	readonly #timing: RedisTiming;
	readonly #clock: Clock;
	readonly #keys: NodeKeys;
	readonly #link: RedisLink;
	/** Tells this process from others of the same name. */
	readonly #process: string;
	#tables: TableSync[] = [];
	#life: number;
	#node: string;
	#claim: ClaimState = 'joining';
	#joiningSinceMs: number | undefined;
	#nextClaimMs = 0;
	readonly #alive = new Set<string>();
	/** Of those, whose heart was not found when it was looked for last. */
	readonly #missed = new Set<string>();
	#nextBeatMs = 0;
	#nextAliveMs = 0;
	#nextRenewMs = 0;
	/** Redis's time up to which stopped hearts have been looked for; undefined: begin with now. */
	#lookedUntilMs: number | undefined;
	#isCutOff = true;
	#round: Promise<void> | undefined;
	#timer: Timer | undefined;
	#isStopped = false;
	#roundMs: number | undefined;
	#lastRoundMs: number | undefined;
	readonly #complaints: Set<string>;
	#isEmptied = false;
	#emptiedMs = Number.NEGATIVE_INFINITY;

	constructor(options: RedisReplicationOptions) {
		this.#options = options;
		this.sectionName = options.sectionName;
		this.#clock = options.clock;
		this.#timing = { ...TIMING, ...options.timing };
		this.#keys = nodeKeys(options.model.prefix);
		const { predecessor } = options;
		// Of another name, it is another node; else it is this process still.
		const before = predecessor?.localName === options.localName ? predecessor : undefined;
		this.#process = before === undefined ? `${options.life}.${randomBytes(6).toString('hex')}` : before.#process;
		this.#life = before === undefined ? options.life : before.#life;
		this.#node = before === undefined ? options.localName : before.#node;
		this.#complaints = new Set();
		this.#link = new RedisLink({
			model: options.model,
			sectionName: options.sectionName,
			clock: options.clock,
			log: options.log,
			open: options.open,
			slowMs: this.#timing.slowMs,
			silentMs: this.#timing.silentMs,
		});
		this.#setTables(options.tables, before);
	}

	get localName(): string {
		return this.#options.localName;
	}

	/** Whether a section with these lines goes on with this connection. */
	isSameAs(model: RedisModel, localName: string): boolean {
		const { place: _a, ...ours } = this.#options.model;
		const { place: _b, ...theirs } = model;
		return localName === this.#options.localName && JSON.stringify(ours) === JSON.stringify(theirs);
	}

	/** After a reload: tables that are the same memory go on where they are. */
	reload(tables: readonly SyncedTable[]): void {
		const former = this.#tables;
		this.#setTables(tables, this);
		for (const sync of former) if (!this.#tables.includes(sync)) this.#afterRound(() => sync.close());
	}

	#setTables(tables: readonly SyncedTable[], predecessor: RedisReplication | undefined): void {
		const former = predecessor === undefined ? [] : predecessor.#tables;
		const isKnown = predecessor !== undefined && predecessor.#claim !== 'joining';
		const isSameLink = predecessor === this;
		this.#tables = tables.map(({ table, summed }) => {
			const name = (one: TableSync): boolean =>
				one.table.name === table.name && (one.summed === undefined) === (summed === undefined);
			const before = former.find(name);
			if (isSameLink && before?.table.buffer === table.buffer && before.summed === summed) return before;
			return new TableSync({
				table,
				summed,
				link: this.#link,
				prefix: this.#options.model.prefix,
				keepMs: this.#options.model.keepMs,
				heartbeatLifeMs: this.#timing.heartbeatLifeMs,
				clock: this.#clock,
				liveness: this,
				isContinued: before !== undefined && isKnown,
				guard: (make) => this.#guard(make),
				complain: (text) => this.#complain(text),
				emptied: () => this.#emptied(),
				note: (text) => this.#say(text),
			});
		});
	}

	#afterRound(then: () => void): void {
		if (this.#round === undefined) then();
		else void this.#round.finally(then);
	}

	/** Begins to connect. */
	open(): Promise<void> {
		return this.#link.open();
	}

	/** Connects and goes on by itself from then; never fails. */
	start(): void {
		void this.open();
		this.#timer = this.#clock.setTimer(() => this.#run(), 0);
	}

	/** Ends at once. What has not been written is lost, unless a successor has the same tables. */
	close(): void {
		this.#isStopped = true;
		this.#timer?.cancel();
		this.#afterRound(() => {
			for (const table of this.#tables) table.close();
			this.#link.close();
		});
	}

	/** The last words of a process that ends: what it has counted, and that it goes. Not longer than a moment. */
	async leave(): Promise<void> {
		if (this.#isStopped) return;
		this.#timer?.cancel();
		this.#isStopped = true;
		let late: Timer | undefined;
		const moment = new Promise<void>((resolve) => {
			late = this.#clock.setTimer(resolve, LEAVE_MS);
		});
		await Promise.race([this.#sayFarewell().catch(() => {}), moment]);
		late?.cancel();
		for (const table of this.#tables) table.close();
		this.#link.close();
	}

	async #sayFarewell(): Promise<void> {
		await this.#round;
		const { client } = this.#link;
		if (client === undefined || !this.#isOurs) return;
		for (let rounds = 0; rounds < 100 && !this.#tables.every(({ isWritten }) => isWritten); rounds++) {
			await this.#stepTables(client);
		}
		await settled(this.#tables.map((table) => table.leave(client, this.#own)));
		await client.holdfastLeave(this.#keys.owners, this.#keys.beats, this.#node, this.#process);
	}

	get #own(): OwnName {
		return { node: this.#node, life: this.#life };
	}

	get #isOurs(): boolean {
		return this.#claim === 'writing' || this.#claim === 'apart';
	}

	// ---- rounds

	#run(): void {
		const startedMs = this.#clock.monotonicMs();
		this.#round = this.#attempt(startedMs).finally(() => {
			this.#round = undefined;
			if (this.#isStopped) return;
			const tookMs = this.#clock.monotonicMs() - startedMs;
			this.#timer = this.#clock.setTimer(() => this.#run(), Math.max(1, this.#options.model.intervalMs - tookMs));
		});
	}

	async #attempt(startedMs: number): Promise<void> {
		const { client } = this.#link;
		if (client === undefined) {
			this.#link.watch();
			this.#cutOff(startedMs);
			return;
		}
		const { lost, end } = this.#link.begin();
		try {
			await Promise.race([this.#oneRound(client, startedMs), lost]);
			this.#link.succeeded();
			this.#lastRoundMs = this.#clock.monotonicMs();
			if (this.#isEmptied) this.#sayEmptied(this.#lastRoundMs);
			this.#roundMs = this.#lastRoundMs - startedMs;
		} catch (error) {
			this.doubt();
			this.#link.failed(error);
			this.#cutOff(this.#clock.monotonicMs());
		} finally {
			end();
		}
	}

	/** One round, for who sets the pace himself; `start` does so by itself. */
	async round(): Promise<void> {
		await this.#attempt(this.#clock.monotonicMs());
	}

	/** Something that was sent may be lost: as after each failure. */
	doubt(): void {
		for (const table of this.#tables) table.doubt();
	}

	async #oneRound(client: RedisClient, nowMs: number): Promise<void> {
		if (this.#link.redisMs(nowMs) === undefined || nowMs >= this.#nextBeatMs) await this.#beat(client, nowMs);
		if (this.#claim === 'joining') await this.#join(client, nowMs);
		if (nowMs >= this.#nextAliveMs) await this.#askAlive(client, nowMs);
		if (this.#isCutOff) this.#backAgain();
		if (nowMs >= this.#nextRenewMs) await this.#renew(client, nowMs);
		await this.#stepTables(client);
	}

	async #stepTables(client: RedisClient): Promise<void> {
		const own = this.#own;
		const lives = await settled(this.#tables.map((table) => table.step(client, own, this.#isOurs)));
		const life = Math.max(own.life, ...lives);
		if (life === this.#life) return;
		this.#life = life;
		this.#options.onLaterLife?.(life);
	}

	/** Names go with the cluster, as its entries do (writer.ts). */
	async #renew(client: RedisClient, nowMs: number): Promise<void> {
		const { keepMs } = this.#options.model;
		await client.pexpire(this.#keys.owners, Math.max(keepMs, FORGET_MS));
		await client.pexpire(this.#keys.beats, Math.max(keepMs, FORGET_MS));
		this.#nextRenewMs = nowMs + RENEW_MS * (0.75 + Math.random() / 4);
	}

	// ---- the name

	async #join(client: RedisClient, nowMs: number): Promise<void> {
		if (nowMs < this.#nextClaimMs) return;
		this.#nextClaimMs = nowMs + CLAIM_PAUSE_MS;
		this.#joiningSinceMs ??= nowMs;
		const { owners, beats } = this.#keys;
		const { heartbeatLifeMs, apartMs } = this.#timing;
		const sentMs = this.#clock.monotonicMs();
		const [owner, time] = await client.holdfastClaim(owners, beats, this.#node, this.#process, heartbeatLifeMs);
		this.#link.clockRead(Number(time), sentMs);
		if (owner === this.#process) {
			this.#claim = this.#node === this.#options.localName ? 'writing' : 'apart';
			return;
		}
		const patienceMs = this.#options.hasOldProcess ? OLD_PROCESS_MS : apartMs;
		if (nowMs - this.#joiningSinceMs < patienceMs) return;
		this.#complain(
			`another process called '${this.#node}' is alive: either two nodes have the same name, or an old process of this one stays; what this one counts is told as '${this.#node}#${this.#life}'`,
		);
		this.#node = `${this.#node}#${this.#life}`;
		this.#nextClaimMs = 0;
		for (const table of this.#tables) table.readAgain();
	}

	async #beat(client: RedisClient, nowMs: number): Promise<void> {
		const { owners, beats } = this.#keys;
		const { heartbeatLifeMs, beatMs } = this.#timing;
		this.#nextBeatMs = nowMs + beatMs;
		const sentMs = this.#clock.monotonicMs();
		const since = this.#lookedUntilMs === undefined ? '+inf' : String(this.#lookedUntilMs);
		const [time, before, owner, limit, ...gone] = await client.holdfastBeat(
			owners,
			beats,
			this.#node,
			this.#process,
			heartbeatLifeMs,
			since,
			FORGET_MS,
			beatMs,
		);
		const redisMs = Number(time);
		this.#link.clockRead(redisMs, sentMs);
		this.#takeOwner(owner ?? '', before ?? '', redisMs);
		// Just back: other hearts may beat again in a moment. Those that do not are still found then.
		const wellSinceMs = this.#link.wellSinceMs;
		if (wellSinceMs === undefined || nowMs - wellSinceMs < heartbeatLifeMs) {
			this.#nextAliveMs = 0;
			this.#lookedUntilMs ??= redisMs - heartbeatLifeMs;
			return;
		}
		this.#lookedUntilMs = Number(limit);
		for (const node of gone) if (node !== this.#node) this.#gone(node);
		// One that had only stood still may have nothing to tell when it is back.
		if (gone.length > 0) this.#nextAliveMs = Math.min(this.#nextAliveMs, nowMs + heartbeatLifeMs);
	}

	#takeOwner(owner: string, before: string, redisMs: number): void {
		if (!this.#isOurs) {
			if (this.#claim === 'lost' && owner === '') this.#claim = 'joining';
			return;
		}
		if (owner === this.#process) {
			// Late by more than a heartbeat's life: others have taken our connections out of their sums.
			if (before === '' || redisMs - Number(before) >= this.#timing.heartbeatLifeMs) {
				for (const table of this.#tables) table.retellConnections();
			}
		} else if (owner === '') {
			// Emptied, or forgotten: the name is free.
			this.#claim = 'joining';
			this.#nextClaimMs = 0;
			this.#joiningSinceMs = undefined;
			this.doubt();
		} else {
			this.#claim = 'lost';
			this.#complain(
				`another process called '${this.#node}' has taken over while this one was stopped or cut off; what is counted here from now on is missing in the sums of other nodes`,
			);
		}
	}

	// ---- who is there

	isAlive(node: string): boolean {
		return this.#alive.has(node);
	}

	heard(node: string, lagMs: number | undefined): void {
		if (lagMs !== undefined && lagMs < this.#timing.heartbeatLifeMs) this.#cameAlive(node);
	}

	#cameAlive(node: string): void {
		if (this.#alive.has(node)) return;
		this.#alive.add(node);
		for (const table of this.#tables) table.cameAlive(node);
	}

	async #askAlive(client: RedisClient, nowMs: number): Promise<void> {
		this.#nextAliveMs = nowMs + ALIVE_INTERVAL_MS * (0.75 + Math.random() / 2);
		const redisMs = this.#link.redisMs(nowMs);
		if (redisMs === undefined) return;
		const alive = await client.zrangebyscore(this.#keys.beats, redisMs - this.#timing.heartbeatLifeMs, '+inf');
		for (const node of alive) if (node !== this.#node) this.#cameAlive(node);
		this.#missHearts(new Set(alive), nowMs);
		for (const table of this.#tables) table.present(this.#alive);
	}

	/**
	 * One that died together with Redis is in no answer of a beat: there is nothing of it that could grow old. Its heart must
	 * be missed twice, since Redis's clock may have been set in between.
	 */
	#missHearts(beating: ReadonlySet<string>, nowMs: number): void {
		const { heartbeatLifeMs } = this.#timing;
		const wellMs = nowMs - (this.#link.wellSinceMs ?? nowMs);
		const isSettled = wellMs > 2 * heartbeatLifeMs && nowMs - this.#emptiedMs > 2 * heartbeatLifeMs;
		let isAskedSoon = !isSettled;
		for (const node of [...this.#alive]) {
			if (beating.has(node) || !isSettled) this.#missed.delete(node);
			else if (this.#missed.has(node)) this.#gone(node);
			else {
				this.#missed.add(node);
				isAskedSoon = true;
			}
		}
		if (isAskedSoon) this.#nextAliveMs = nowMs + heartbeatLifeMs;
	}

	#gone(node: string): void {
		this.#alive.delete(node);
		this.#missed.delete(node);
		for (const table of this.#tables) table.left(node);
	}

	/** Without word of anyone for as long as a heartbeat lives, nobody's connections are known to be there. */
	#cutOff(nowMs: number): void {
		if (this.#isCutOff || nowMs - (this.#lastRoundMs ?? nowMs) < this.#timing.heartbeatLifeMs) return;
		this.#isCutOff = true;
		for (const node of [...this.#alive]) this.#gone(node);
	}

	#backAgain(): void {
		this.#isCutOff = false;
		this.#nextAliveMs = 0;
		for (const table of this.#tables) if (table.storesConnections) table.readAgain();
	}

	// ---- what is said

	#guard<T>(make: () => T): T | undefined {
		return orComplain(make, (message) => this.#complain(message));
	}

	/** One line for all tables, after the one that says that Redis is back. */
	#emptied(): void {
		this.#isEmptied = true;
		// Until all others have had the time to say that they are there.
		this.#nextAliveMs = this.#clock.monotonicMs() + 2.5 * this.#timing.heartbeatLifeMs;
	}

	#sayEmptied(nowMs: number): void {
		this.#isEmptied = false;
		if (nowMs - this.#emptiedMs > EMPTIED_LOG_MS) {
			this.#say('has lost what this node had told, all of it is told again');
		}
		this.#emptiedMs = nowMs;
	}

	/** Each sentence once. */
	#complain(text: string): void {
		if (this.#complaints.has(text) || this.#complaints.size >= MAX_COMPLAINTS) return;
		this.#complaints.add(text);
		this.#say(`: ${text.replace(/[^ -~]/g, '.').slice(0, 500)}`);
	}

	#say(text: string): void {
		const colon = text.startsWith(':') ? '' : ' ';
		this.#options.log.warn(`peers section '${this.sectionName}': redis ${this.#link.text}${colon}${text}`);
	}

	describe(): RedisStatus {
		const nowMs = this.#clock.monotonicMs();
		return {
			section: this.sectionName,
			url: this.#link.text,
			isReady: this.#link.client !== undefined && this.#link.trouble === undefined,
			trouble: this.#link.trouble,
			node: this.#node,
			claim: this.#claim,
			intervalMs: this.#options.model.intervalMs,
			roundMs: this.#roundMs,
			lastRoundMs: this.#lastRoundMs === undefined ? undefined : nowMs - this.#lastRoundMs,
			connects: this.#link.epoch,
			failures: this.#link.failures,
			tables: this.#tables.map((table) => table.describe(nowMs)),
		};
	}
}
