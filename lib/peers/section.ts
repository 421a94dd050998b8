/**
 * A peers section at run time: whom to call and when, who may call, who teaches whom at the start, and what
 * is said about it. One for each section of the configuration, in the control thread.
 *
 * For each remote peer there is at most one session. It comes from a call of ours (calls.ts) or of theirs
 * (acceptor.ts); when both call at once the connection accepted last wins (section 4.2), and the random pause before
 * the next call makes one side come first. Who teaches is resync.ts's to say, the end of a process that another one
 * follows is in handoff.ts, and when changes are pushed in news.ts.
 */

import { formatSocketAddress } from '../core/address.js';
import type { Clock, Timer } from '../core/clock.js';
import { Acceptor, type AcceptorHost } from './acceptor.js';
import { Calls, type CallsHost } from './calls.js';
import { FreshEntries, WonConflicts } from './conflicts.js';
import type { Connection, ConnectionEvents, Network, PeersLog } from './connection.js';
import { MessageWriter } from './encode.js';
import { EntryRecord } from './entry-record.js';
import { Handoff } from './handoff.js';
import type { Hello } from './handshake.js';
import { News, type PushPauses } from './news.js';
import { Peer, type PeerConfig, printable } from './peer.js';
import { MAX_UPDATES_AT_ONCE, STATUS, type StatusCode } from './protocol.js';
import type { ReplicatedTable } from './replicated-table.js';
import { Resync } from './resync.js';
import { hasRival } from './rivals.js';
import { Session } from './session.js';
import type { Aggregator, SessionEnd, SessionHost } from './session-host.js';
import { shardOf, shardSeed } from './shards.js';
import { SharedTable, type TableRole } from './shared-table.js';
import { UpdateBatches } from './update-batches.js';

export interface SectionOptions {
	readonly name: string;
	/** The name of this node, which is one of the peers. */
	readonly localName: string;
	readonly peers: readonly PeerConfig[];
	readonly tables: readonly ReplicatedTable[];
	/** 0 or 1: no shards. */
	readonly shards: number;
	readonly sourceCheck: boolean;
	readonly isDisabled: boolean;
	/** An old process of this node is alive and may come to teach us. */
	readonly hasOldProcess: boolean;
	/**
	 * The section of the same name before a reload within this process. Tables that are the same memory need not be
	 * learned again, and each peer goes on from where it was.
	 */
	readonly predecessor?: PeersSection | undefined;
	readonly maxUpdatesAtOnce?: number;
	readonly pid: number;
	readonly clock: Clock;
	/** 0 to 1, for the pauses between calls. */
	readonly random: () => number;
	/** Runs a callback after others had their turn (`setImmediate`). */
	readonly defer: (callback: () => void) => void;
	readonly network: Network;
	readonly log: PeersLog;
	/** Makes sums of tables of this section; called with the section before anything else happens. */
	readonly aggregator?: ((section: PeersSection) => Aggregator) | undefined;
}

/** A session that lasts this long clears the record of a peer that sent rubbish. */
const GOOD_SESSION_MS = 30_000;
/** Refused callers are counted each time and logged once in this time for each kind of refusal. */
const CALLER_LOG_PAUSE_MS = 60_000;
/** A table has places for 512 readers, a session takes two. */
const MAX_PEERS = 250;
/** Keys beyond this would not fit in a message with their values. */
const MAX_REPLICATED_KEY_BYTES = 8192;

export class PeersSection implements SessionHost, AcceptorHost, CallsHost {
	readonly name: string;
	readonly localName: string;
	readonly clock: Clock;
	readonly maxUpdatesAtOnce: number;
	readonly sourceCheck: boolean;
	readonly peerCount: number;
	readonly isDisabled: boolean;
	readonly writer = new MessageWriter();
	readonly batches = new UpdateBatches();
	readonly peers: readonly Peer[];
	readonly tables: readonly ReplicatedTable[];
	readonly shards: number;
	/** Callers refused since the start, for any reason. */
	refusedCallers = 0;

	readonly aggregator: Aggregator | undefined;
	readonly #options: Omit<SectionOptions, 'predecessor'>;
	/** Let go once its resume points are taken over, or each reload would keep all sections before it. */
	#predecessor: PeersSection | undefined;
	readonly #byName: ReadonlyMap<string, Peer>;
	readonly #acceptor: Acceptor;
	readonly #calls: Calls;
	readonly #news: News;
	readonly #shardSeeds = new Map<ReplicatedTable, readonly [number, number]>();
	readonly #wonConflicts: WonConflicts;
	readonly #fresh = new FreshEntries();
	readonly #callerLoggedMs = new Map<number | undefined, number>();
	#resync: Resync;
	#resyncTimer: Timer | undefined;
	#isRunning = false;
	#handoff: Handoff | undefined;

	constructor(options: SectionOptions) {
		const { predecessor, ...rest } = options;
		this.#options = rest;
		this.#predecessor = predecessor;
		this.name = options.name;
		this.localName = options.localName;
		this.clock = options.clock;
		this.maxUpdatesAtOnce = options.maxUpdatesAtOnce ?? MAX_UPDATES_AT_ONCE;
		this.sourceCheck = options.sourceCheck;
		this.isDisabled = options.isDisabled;
		this.shards = options.shards > 1 ? options.shards : 0;
		this.tables = options.tables.filter((table) => {
			if (table.keyLengthBytes <= MAX_REPLICATED_KEY_BYTES) return true;
			this.#say('warn', `table '${table.name}' is not replicated, its keys are over ${MAX_REPLICATED_KEY_BYTES} bytes`);
			return false;
		});
		const records = new Map(this.tables.map((table) => [table, new EntryRecord(table.columns)]));
		const enabled = options.peers.filter((peer) => !peer.isDisabled);
		const configs = enabled.filter((peer, index) => peer.isLocal || index < MAX_PEERS);
		if (configs.length < enabled.length) this.#say('warn', `only the first ${MAX_PEERS} of its peers are used`);
		this.peers = configs.map(
			(config) =>
				new Peer(
					this.shards === 0 ? { ...config, shard: 0 } : config,
					this.tables.map((table, index) => new SharedTable(table, index + 1, records.get(table)!)),
				),
		);
		this.peerCount = this.peers.length;
		this.#byName = new Map(this.peers.map((peer) => [peer.name, peer]));
		this.#acceptor = new Acceptor(this);
		this.#calls = new Calls(this, options);
		this.#news = new News(
			this.clock,
			() => this.#isRunning,
			(table) => this.tellNews(table),
		);
		this.#wonConflicts = new WonConflicts(this.clock);
		this.#resync = this.#newResync();
		this.aggregator = options.aggregator?.(this);
	}

	/** Gives a peer one more table. Its session, if there is one, begins with it at once. */
	addTable(peer: Peer, table: ReplicatedTable, role: TableRole): SharedTable {
		const shared = new SharedTable(table, peer.newTableId(), new EntryRecord(table.columns), role);
		peer.addTable(shared);
		if (this.#isRunning) table.enableUpdates();
		if (peer.session !== undefined) {
			shared.open();
			peer.session.news(shared);
		}
		return shared;
	}

	/** Takes a table from all peers. */
	removeTable(table: ReplicatedTable): void {
		for (const peer of this.peers) {
			for (const shared of peer.tables.filter((one) => one.table === table)) {
				shared.close();
				peer.session?.forget(shared);
				peer.removeTable(shared);
			}
		}
		this.batches.forget(table);
		this.#news.forget(table);
	}

	/**
	 * Pushes what changes in a table that was added with `addTable`, from now on. By default it is not
	 * left to gather for long.
	 */
	watch(table: ReplicatedTable, pauses?: PushPauses): void {
		table.enableUpdates();
		this.#news.watch(table, pauses);
	}

	#newResync(): Resync {
		const remote = this.peers.filter((peer) => !peer.isLocal);
		return new Resync({
			hasOldProcess: this.#options.hasOldProcess,
			hasRemotePeers: remote.length > 0,
			isUpToDate: this.#inheritsAll(),
			shards: [...new Set(remote.map((peer) => peer.shard).filter((shard) => shard !== 0))],
			nowMs: this.clock.monotonicMs(),
		});
	}

	/**
	 * Every table was in the section before the reload, which has learned. A second lesson would bring back older
	 * values of what this node has counted since, and those would be lost.
	 */
	#inheritsAll(): boolean {
		const predecessor = this.#predecessor;
		if (predecessor === undefined || !(predecessor.isUpToDate() || predecessor.wasTaught())) return false;
		const known = new Set(predecessor.tables.map(({ identity }) => identity));
		return this.tables.every(({ identity }) => known.has(identity));
	}

	/** Resume points of the peers before the reload; the predecessor is closed by then. */
	#inheritResumePoints(): void {
		for (const peer of this.peers) {
			const before = this.#predecessor?.peers.find(({ name }) => name === peer.name);
			for (const shared of peer.tables) {
				const same = before?.tables.find(({ table }) => table.identity === shared.table.identity);
				if (same !== undefined) shared.inherit(same);
			}
		}
		this.#predecessor = undefined;
	}

	/** Calls all remote peers and starts to learn. Listening is the caller's: it gives connections to `accept`. */
	start(): void {
		if (this.isDisabled || this.#isRunning) return;
		this.#isRunning = true;
		this.#resync = this.#newResync();
		this.#inheritResumePoints();
		if (this.peers.some((peer) => !peer.isLocal)) {
			for (const table of this.tables) {
				table.enableUpdates();
				this.#news.watch(table);
			}
		}
		this.aggregator?.started();
		for (const peer of this.peers) if (!peer.isLocal) this.#calls.call(peer);
		this.#setResyncTimer();
	}

	/** An incoming connection; its events are for what is returned. Undefined: it was refused and closed. */
	accept(connection: Connection): ConnectionEvents | undefined {
		if (!this.#isRunning || this.#handoff !== undefined) {
			connection.close('reset');
			return undefined;
		}
		return this.#acceptor.accept(connection);
	}

	/** Ends all sessions and calls at once, without handing over. */
	close(): void {
		if (!this.#isRunning) return;
		this.#isRunning = false;
		this.#acceptor.close();
		this.#calls.stopWaiting();
		for (const peer of this.peers) {
			this.#calls.drop(peer);
			peer.session?.end('stopped', 'this node stops');
		}
		this.#resyncTimer?.cancel();
		this.#wonConflicts.stop();
		this.aggregator?.closed();
		this.#handoff?.cancel();
	}

	/**
	 * Soft stop (section 13): leaves the remote peers, calls the new process under our own name, teaches it
	 * everything, and calls `done` when it has confirmed, or when there is nobody to teach, or time is up. The
	 * caller has stopped listening before.
	 */
	softStop(done: () => void): void {
		if (!this.#isRunning) {
			done();
			return;
		}
		const local = this.peers.find((peer) => peer.isLocal);
		this.#acceptor.close();
		this.#calls.stopWaiting();
		const finish = (): void => {
			this.close();
			done();
		};
		this.#handoff = new Handoff({
			clock: this.clock,
			call: () => {
				if (local !== undefined) this.#calls.call(local);
			},
			trouble: (text) => {
				if (local !== undefined) this.#trouble(local, text);
			},
			done: finish,
		});
		for (const peer of this.peers) {
			if (peer.isLocal) continue;
			this.#calls.drop(peer);
			peer.session?.end('stopped', 'this node stops');
		}
		this.#resyncTimer?.cancel();
		// A node that never became up to date would hand over half a table as if it were whole.
		if (local?.config.address === undefined || this.#resync.state !== 'finished') {
			finish();
			return;
		}
		// A section without remote peers keeps no list of updates until now; the lesson is read from it.
		for (const table of this.tables) table.enableUpdates();
		for (const { table } of local.tables) table.enableUpdates();
		this.#calls.call(local);
	}

	get resync(): Resync {
		return this.#resync;
	}

	get waitingCallers(): number {
		return this.#acceptor.waitingCount;
	}

	// ---- for sessions

	defer(callback: () => void): void {
		this.#options.defer(callback);
	}

	wasTaught(): boolean {
		return this.#resync.wasTaught;
	}

	isUpToDate(): boolean {
		return this.#resync.state === 'finished';
	}

	isTeacher(session: Session): boolean {
		return this.#resync.teacher === session;
	}

	isInShard({ table }: SharedTable, record: EntryRecord, shard: number): boolean {
		let seed = this.#shardSeeds.get(table);
		if (seed === undefined) {
			seed = shardSeed(table.name);
			this.#shardSeeds.set(table, seed);
		}
		return shardOf(record.key, record.keyLength, table.keyType, seed, this.shards) === shard;
	}

	lessonEnded(session: Session, end: 'finished' | 'partial'): void {
		const { peer } = session;
		if (end === 'partial') peer.isNotUpToDate = true;
		this.#resync.lessonEnded(session, peer.shard, end, this.clock.monotonicMs());
		this.#electTeacher();
	}

	handoffConfirmed(session: Session): void {
		if (session.peer.isLocal && this.#handoff !== undefined) session.end('taught', 'the new process has everything');
	}

	tableMismatched({ peer }: Session, shared: SharedTable): void {
		this.#trouble(peer, `its table '${shared.table.wireName}' is not ours: another ${shared.mismatch}`);
	}

	updateReceived(session: Session, shared: SharedTable, record: EntryRecord): void {
		const { teacher } = this.#resync;
		if (teacher !== undefined && teacher !== session) this.#fresh.add(shared, record);
	}

	isFresh(shared: SharedTable, record: EntryRecord): boolean {
		return this.#fresh.has(shared, record);
	}

	conflictWon(shared: SharedTable, record: EntryRecord): void {
		this.#wonConflicts.add(shared, record);
	}

	sessionEnded(session: Session, end: SessionEnd, reason: string): void {
		const { peer } = session;
		const nowMs = this.clock.monotonicMs();
		if (peer.session === session) peer.session = undefined;
		this.aggregator?.sessionEnded(session);
		if (!this.#isRunning) return;
		if (end === 'rubbish' || end === 'refused') peer.rubbishInARow++;
		else if (nowMs - session.establishedAtMs >= GOOD_SESSION_MS) peer.rubbishInARow = 0;
		if (end !== 'replaced' && end !== 'stopped' && end !== 'taught') this.#trouble(peer, reason);
		this.#resync.sessionLost(session, nowMs);
		if (this.#handoff !== undefined) {
			if (peer.isLocal) this.#handoff.sessionEnded(end);
		} else {
			this.#electTeacher();
			if (end === 'replaced' || peer.isLocal) return;
			const isFault = end === 'rubbish' || end === 'refused';
			this.#calls.afterSession(peer, isFault ? peer.rubbishInARow : 0);
		}
	}

	// ---- calling

	mayCall(peer: Peer): boolean {
		return this.#isRunning && peer.session === undefined;
	}

	answered(peer: Peer, connection: Connection, minor: number, chunk: Buffer, next: number): Session {
		return this.#establish(peer, connection, true, minor, chunk, next);
	}

	callFailed(peer: Peer, reason: string, status: number | undefined): boolean {
		if (peer.isLocal) this.#handoff?.callFailed(reason, status);
		else this.#trouble(peer, reason);
		return !peer.isLocal;
	}

	// ---- being called

	isPeerName(name: string): boolean {
		return this.#byName.has(name);
	}

	isPeerAddress(address: string | undefined): boolean {
		if (address === undefined) return true;
		return this.peers.some((peer) => this.#options.network.addressesOf(peer.config).includes(address));
	}

	greeted(connection: Connection, hello: Hello, accept: () => void): ReturnType<AcceptorHost['greeted']> {
		const peer = this.#byName.get(hello.callerName);
		if (peer === undefined) return STATUS.REMOTE_NAME;
		// A second visitor under our own name waits (section 3.3, step 6); so does who sends rubbish again and again.
		if (peer.isLocal && peer.session !== undefined) return STATUS.TRY_AGAIN;
		if (peer.rubbishInARow > 1 && this.#calls.isWaiting(peer)) return STATUS.TRY_AGAIN;
		// The newest connection of a peer is the one that lives: the older may be dead without anyone knowing.
		if (peer.session !== undefined || this.#calls.isCalling(peer)) peer.collisions++;
		if (peer.session !== undefined && hasRival(peer, this.clock.monotonicMs())) {
			this.#say(
				'warn',
				`two nodes seem to be called '${peer.name}': their connections replace each other all the time`,
			);
		}
		this.#calls.replaced(peer);
		peer.session?.end('replaced', 'replaced by a newer connection');
		peer.lastHandshakeMs = this.clock.monotonicMs();
		peer.status = 'ESTA';
		let session: Session | undefined;
		return {
			start: (chunk, next) => {
				accept();
				session = this.#establish(peer, connection, false, hello.minor, chunk, next);
			},
			events: {
				opened: () => {},
				received: (chunk) => session?.receive(chunk),
				drained: () => session?.drained(),
				closed: (reason) => session?.end('lost', reason),
			},
		};
	}

	callerRefused(connection: Connection, status: StatusCode | undefined, reason: string): void {
		this.refusedCallers++;
		const nowMs = this.clock.monotonicMs();
		const loggedMs = this.#callerLoggedMs.get(status);
		if (loggedMs !== undefined && nowMs - loggedMs < CALLER_LOG_PAUSE_MS) return;
		this.#callerLoggedMs.set(status, nowMs);
		const answer = status === undefined ? 'without an answer' : `with status ${status}`;
		this.#say('warn', `caller ${connection.remoteText} refused ${answer}: ${printable(reason)}`);
	}

	// ---- sessions

	#establish(
		peer: Peer,
		connection: Connection,
		isInitiator: boolean,
		minor: number,
		chunk: Buffer,
		next: number,
	): Session {
		peer.isNotUpToDate = false;
		peer.refusalsInARow = 0;
		if (peer.loggedTrouble !== undefined) {
			peer.loggedTrouble = undefined;
			this.#say('info', `peer '${peer.name}' is connected again`);
		}
		const isHandoff = peer.isLocal && this.#handoff !== undefined;
		if (isHandoff) this.#handoff?.sessionBegun();
		const session: Session = new Session({
			link: connection,
			peer,
			host: this,
			isInitiator,
			minor,
			teachesAtOnce: isHandoff,
			learnsAtOnce: peer.isLocal && !isHandoff && this.#resync.state === 'local' && this.#resync.teacher === undefined,
		});
		peer.session = session;
		if (peer.isLocal && session.learning !== 'none') this.#resync.localConnected(session);
		else this.#electTeacher();
		this.#setResyncTimer();
		session.receive(chunk, next);
		return session;
	}

	/** Section 12: asks the first connected remote peer that may know more than we. */
	#electTeacher(): void {
		for (const peer of this.peers) {
			const { session } = peer;
			if (peer.isLocal || session === undefined || session.isClosed || peer.isNotUpToDate) continue;
			if (this.#resync.elect(session, peer.shard)) session.requestLesson();
		}
		this.#setResyncTimer();
	}

	#setResyncTimer(): void {
		this.#resyncTimer?.cancel();
		this.#resyncTimer = undefined;
		if (this.#resync.teacher === undefined) this.#fresh.clear();
		const { deadlineMs } = this.#resync;
		if (deadlineMs === undefined || !this.#isRunning) return;
		this.#resyncTimer = this.clock.setTimer(
			() => {
				this.#resync.timeout(this.clock.monotonicMs());
				this.#electTeacher();
			},
			Math.max(1, deadlineMs - this.clock.monotonicMs()),
		);
	}

	// ---- news

	/** To every peer at once, without a pause to gather more. */
	tellNews(table: ReplicatedTable): void {
		for (const peer of this.peers) {
			for (const shared of peer.tables) {
				if (shared.table !== table) continue;
				shared.hasNews = true;
				peer.session?.news(shared);
			}
		}
	}

	// ---- log

	/** One line when a peer's trouble begins or changes, not one for each attempt. */
	#trouble(peer: Peer, text: string): void {
		if (peer.loggedTrouble === text) return;
		peer.loggedTrouble = text;
		const { address } = peer.config;
		const where = address === undefined ? '' : ` (${formatSocketAddress(address)})`;
		this.#say('warn', `peer '${peer.name}'${where}: ${printable(text)}`);
	}

	#say(level: 'info' | 'warn', text: string): void {
		this.#options.log[level](`peers section '${this.name}': ${text}`);
	}
}
