/**
 * One established conversation with a peer, over any duplex (section 4.4). Symmetric: who dialled matters no
 * more once the handshake is over.
 *
 * A session reacts to four things: bytes from the peer, room for bytes to the peer, news in a table, and its
 * timer. Each ends in a *pass*, which says what is due in a fixed order: heartbeat, request for a lesson, per
 * table the acknowledgement and then updates, the end of a lesson given, confirmations of lessons received.
 * A pass pushes at most `maxUpdatesAtOnce` updates and then lets others run. It does nothing while the peer
 * has not taken what was written before; since values are read from the table when a message is built,
 * nothing queues for a slow peer but a place in the table's list of updates.
 *
 * ## Conflicts
 * HAProxy stores whatever was received last. Two nodes that changed one entry while a partition kept them
 * apart then swap their values and stay swapped. Here an update for an entry that was changed locally, and
 * whose change the sender had not acknowledged when it sent, is recognised as a conflict (acknowledgements
 * precede updates on the wire, so what is not acknowledged was not read). Both sides recognise the same
 * conflicts, and of two Holdfast nodes the one whose name sorts first keeps its value. Towards HAProxy, which
 * always takes ours, we always keep it. The winner pushes the entry once more a little later, for third
 * nodes that heard both. Lessons are not subject to this: a node that asks to be taught takes what it gets.
 */
import type { Timer } from '../core/clock.js';
import {
	decodeAcknowledgement,
	decodeDefinition,
	decodeFeatures,
	decodeSwitch,
	type MessageHandler,
	MessageReader,
} from './decode.js';
import { ReceiveDictionary, TransmitDictionary } from './dictionary.js';
import type { EntryRecord } from './entry-record.js';
import type { Peer } from './peer.js';
import {
	CONTROL,
	ERROR_MESSAGE,
	FAULT_MESSAGE,
	FEATURE,
	HOLDFAST_MESSAGE,
	MESSAGE_CLASS,
	OLD_DEFAULT_STRING_KEY_SIZE,
	PeersProtocolError,
	type ShareMessageType,
	STICK_TABLE_MESSAGE,
	TIMING,
} from './protocol.js';
import type { ConflictRule } from './replicated-table.js';
import type { Link, SessionEnd, SessionHost, SessionOptions } from './session-host.js';
import type { SharedTable, TableRole } from './shared-table.js';

/** Output that may wait for a slow peer. What is due beyond it stays in the tables. */
export const MAX_BUFFERED_BYTES = 256 * 1024;
/**
 * While we teach, HAProxy may have nothing to say for long, not even a heartbeat: it compares its own updates
 * with what it pushed to us, and pushing is forbidden while it learns (section 4.3, silence trap).
 */
const TEACHING_TIMEOUT_MS = 4 * TIMING.receiveTimeoutMs;
/** An update that waited longer than this is sent with the entry's remaining life. */
const STALE_AFTER_MS = 500;

export class Session implements MessageHandler {
	readonly peer: Peer;
	readonly isInitiator: boolean;
	readonly establishedAtMs: number;
	readonly #link: Link;
	readonly #host: SessionHost;
	readonly #minor: number;
	readonly #reader = new MessageReader();
	readonly sent = new TransmitDictionary();
	readonly received = new ReceiveDictionary();

	/** The table that updates from the peer belong to; undefined after a definition that is not ours. */
	#receivingTable: SharedTable | undefined;
	/** The table we announced last. */
	#announcedTable: SharedTable | undefined;
	#byRemoteId = new Map<number, SharedTable>();
	/** Tables with something to acknowledge, push or teach, in the order they get their turn. */
	readonly #queue = new Set<SharedTable>();

	#features = 0;
	/** The first message has told whether the peer exchanges shares; nothing is known before. */
	kind: 'unknown' | 'plain' | 'shares' = 'unknown';
	/** What is due to a peer that exchanges shares: nothing, the others' shares, our own; then our own is live. */
	#tellsShares = false;
	#ownShare: 'none' | 'telling' | 'live' = 'none';
	readonly #shareMessagesDue: ShareMessageType[] = [];
	/** Updates of this pass that are to be sent under a second definition. */
	readonly #repeated: Buffer[] = [];
	/** A lesson from this peer. */
	learning: 'none' | 'requested' | 'going-on' = 'none';
	#requestDue = false;
	/** This session has learned a lesson, or is learning one, since it began. */
	#hasLearned = false;
	/** A lesson to this peer, from the request to the confirmation. */
	teaching: 'none' | 'telling' | 'told' = 'none';
	/** FINISHED and PARTIAL messages we sent that the peer has not confirmed. */
	#confirmsAwaited = 0;
	/** Those we received and have to confirm. */
	confirmsDue = 0;
	#heartbeatDue = false;

	#lastReceivedMs: number;
	/** When updates or a heartbeat were sent last: what the other side counts as a sign of life. */
	#lastSignMs: number;
	#timer: Timer | undefined;
	#passScheduled = false;
	#isBlocked = false;
	#isClosed = false;
	/** What the peer says that we did wrong. */
	#complaint: string | undefined;
	#nowMs: number;

	constructor(options: SessionOptions) {
		this.peer = options.peer;
		this.isInitiator = options.isInitiator;
		this.#link = options.link;
		this.#host = options.host;
		this.#minor = options.minor;
		const nowMs = options.host.clock.monotonicMs();
		this.#nowMs = nowMs;
		this.establishedAtMs = nowMs;
		this.#lastReceivedMs = nowMs;
		this.#lastSignMs = nowMs;
		for (const shared of this.peer.tables) {
			shared.open();
			this.#queue.add(shared);
		}
		if (options.learnsAtOnce === true) {
			this.learning = 'going-on';
			this.#hasLearned = true;
		}
		if (options.teachesAtOnce === true) this.#startTeaching();
		this.#setTimer();
		// Also a first sign of life: HAProxy may close a new session on which nothing came (section 4.2).
		if (this.#minor >= 1 && !this.peer.isLocal) {
			this.#host.writer.features(this.#ourFeatures());
			this.#link.write(this.#host.writer.take());
		}
		this.schedule();
	}

	get isClosed(): boolean {
		return this.#isClosed;
	}

	/** Messages read, for the log of a protocol error. */
	get messageCount(): number {
		return this.#reader.messageCount;
	}

	get lastSignMs(): number {
		return this.#lastSignMs;
	}

	get receivingTable(): SharedTable | undefined {
		return this.#receivingTable;
	}

	get announcedTable(): SharedTable | undefined {
		return this.#announcedTable;
	}

	/** The peer is a Holdfast node that settles conflicts as we do. */
	get isHoldfast(): boolean {
		return (this.#features & FEATURE.CONFLICTS_BY_NAME) !== 0;
	}

	// ---- what happens to a session

	/** Bytes from the peer, from `start`. */
	receive(chunk: Uint8Array, start = 0): void {
		if (this.#isClosed || start >= chunk.length) return;
		this.#nowMs = this.#host.clock.monotonicMs();
		this.#lastReceivedMs = this.#nowMs;
		try {
			this.#reader.feed(chunk, start, this);
		} catch (error) {
			if (!(error instanceof PeersProtocolError)) throw error;
			this.#fail(error);
			return;
		}
		this.#pass();
	}

	/** All that was written has left. */
	drained(): void {
		if (!this.#isBlocked) return;
		this.#isBlocked = false;
		this.#pass();
	}

	/** A table has local updates. */
	news(shared: SharedTable): void {
		shared.hasNews = true;
		this.#queue.add(shared);
		this.schedule();
	}

	/** This peer was elected to teach us (section 12). */
	requestLesson(): void {
		this.learning = 'requested';
		this.#requestDue = true;
		this.schedule();
	}

	/** The table is shared no more. */
	forget(shared: SharedTable): void {
		this.#queue.delete(shared);
		this.#byRemoteId.delete(shared.remoteId);
		if (this.#receivingTable === shared) this.#receivingTable = undefined;
		if (this.#announcedTable === shared) this.#announcedTable = undefined;
	}

	/** Asks again for nothing, but tells what we count anew: under another name since the last time. */
	retellOwnShare(): void {
		if (this.#ownShare !== 'none') this.#tellOwnShare();
	}

	/** What the other side may still be sent of its lesson. */
	get isTeaching(): boolean {
		return this.teaching !== 'none';
	}

	/** The link is gone, or is given up. */
	end(end: SessionEnd, reason: string): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		if (end === 'lost' && this.#complaint !== undefined) {
			end = 'refused';
			reason = this.#complaint;
		}
		this.#timer?.cancel();
		for (const shared of this.peer.tables) shared.close();
		this.#link.close(end === 'replaced' || end === 'silent' ? 'reset' : 'fin');
		this.#host.sessionEnded(this, end, reason);
	}

	schedule(): void {
		if (this.#passScheduled || this.#isClosed) return;
		this.#passScheduled = true;
		this.#host.defer(() => {
			this.#passScheduled = false;
			this.#pass();
		});
	}

	// ---- receiving

	message(messageClass: number, type: number, bytes: Uint8Array, start: number, end: number): boolean {
		const isFeatures = messageClass === MESSAGE_CLASS.HOLDFAST && type === HOLDFAST_MESSAGE.FEATURES;
		// Features come first or never.
		if (this.kind === 'unknown' && !isFeatures) this.#becomeKnown('plain');
		if (messageClass === MESSAGE_CLASS.STICK_TABLE) this.#stickTableMessage(type, bytes, start, end);
		else if (messageClass === MESSAGE_CLASS.CONTROL) this.#controlMessage(type);
		else if (messageClass === MESSAGE_CLASS.ERROR) this.#errorMessage(type);
		else if (isFeatures) {
			this.#features = decodeFeatures(bytes, start, end);
			for (const shared of this.peer.tables) if (shared.keySize === undefined) shared.settleKeySize();
			const both = this.#features & this.#ourFeatures();
			if (this.kind === 'unknown') this.#becomeKnown((both & FEATURE.SHARES) === 0 ? 'plain' : 'shares');
		} else if (messageClass === MESSAGE_CLASS.HOLDFAST && this.kind === 'shares') this.#shareMessage(type);
		// Any other class is of a later version (section 5).
		return !this.#isClosed;
	}

	// ---- shares of sums

	#ourFeatures(): number {
		const exchanges = this.#host.aggregator?.exchangesWith(this.peer) === true;
		return FEATURE.CONFLICTS_BY_NAME | (exchanges ? FEATURE.SHARES : 0);
	}

	#becomeKnown(kind: 'plain' | 'shares'): void {
		this.kind = kind;
		if (kind === 'shares') this.#shareMessagesDue.push(HOLDFAST_MESSAGE.SHARES_REQUEST);
		this.#host.aggregator?.peerKnown(this);
		for (const shared of this.peer.tables) if (shared.hasNews) this.#queue.add(shared);
		this.schedule();
	}

	/**
	 * Both sides ask for shares at once, tell those of others, and only then their own: whoever has started anew
	 * must have heard what was known of it before it says what it counts now (lib/aggregate/shares.ts).
	 */
	#shareMessage(type: number): void {
		switch (type) {
			case HOLDFAST_MESSAGE.SHARES_REQUEST:
				this.#tellsShares = true;
				this.#tellAll('share');
				break;
			case HOLDFAST_MESSAGE.SHARES_TOLD:
				this.#host.aggregator?.sharesTold(this);
				this.#tellOwnShare();
				break;
			case HOLDFAST_MESSAGE.OWN_SHARE_TOLD:
				this.#host.aggregator?.ownShareTold(this);
				break;
		}
	}

	#tellOwnShare(): void {
		this.#ownShare = 'telling';
		this.#tellAll('own share');
		this.schedule();
	}

	#tellAll(role: TableRole): void {
		for (const shared of this.peer.tables) {
			if (shared.role !== role) continue;
			shared.startTeaching();
			this.#queue.add(shared);
		}
	}

	/** What the tables of a role are told completely of is said once. */
	#endTelling(): void {
		if (this.#tellsShares && this.#isTold('share')) {
			this.#tellsShares = false;
			this.#shareMessagesDue.push(HOLDFAST_MESSAGE.SHARES_TOLD);
		}
		if (this.#ownShare === 'telling' && this.#isTold('own share')) {
			this.#ownShare = 'live';
			this.#shareMessagesDue.push(HOLDFAST_MESSAGE.OWN_SHARE_TOLD);
		}
		for (const type of this.#shareMessagesDue) this.#host.writer.share(type);
		this.#shareMessagesDue.length = 0;
	}

	/** If so, its tables go back to live updates. */
	#isTold(role: TableRole): boolean {
		const tables = this.peer.tables.filter((shared) => shared.role === role);
		if (tables.some(({ teaching }) => teaching === 'local' || teaching === 'learned')) return false;
		for (const shared of tables) {
			shared.endTeaching(false);
			this.#queue.add(shared);
		}
		return true;
	}

	/** Tables that lessons of the protocol are about, with this peer. */
	#isInLessons({ role }: SharedTable): boolean {
		if (role === 'common') return true;
		return this.peer.isLocal ? role !== 'plain' && role !== 'heard' : role === 'plain' && this.kind === 'plain';
	}

	#stickTableMessage(type: number, bytes: Uint8Array, start: number, end: number): void {
		switch (type) {
			case STICK_TABLE_MESSAGE.UPDATE:
			case STICK_TABLE_MESSAGE.INCREMENTAL_UPDATE:
			case STICK_TABLE_MESSAGE.TIMED_UPDATE:
			case STICK_TABLE_MESSAGE.INCREMENTAL_TIMED_UPDATE:
				this.#receiveUpdate(type, bytes, start, end);
				break;
			case STICK_TABLE_MESSAGE.ACKNOWLEDGEMENT:
				this.#receiveAcknowledgement(bytes, start, end);
				break;
			case STICK_TABLE_MESSAGE.DEFINITION:
				this.#receiveDefinition(bytes, start, end);
				break;
			case STICK_TABLE_MESSAGE.SWITCH:
				this.#receivingTable = this.#byRemoteId.get(decodeSwitch(bytes, start, end));
				break;
		}
	}

	#receiveUpdate(type: number, bytes: Uint8Array, start: number, end: number): void {
		const shared = this.#receivingTable;
		if (shared?.plan === undefined) return;
		const { record, table } = shared;
		shared.plan.decode(type, bytes, start, end, shared.previousId, this.received, record);
		// What is learned in a lesson is not acknowledged: the teacher would ignore it (section 10.4).
		shared.previousId = record.updateId;
		if (this.learning === 'none') {
			shared.receivedId = record.updateId;
			this.#queue.add(shared);
		}
		this.peer.updatesReceived++;
		if (shared.role !== 'common') {
			// Whose word counts for a share is the aggregator's to know.
			table.learn(record, this.#nowMs, undefined);
			return;
		}
		// What another peer sent live since the lesson began is newer than what the teacher had in its table.
		if (this.learning !== 'none' && this.#host.isFresh(shared, record)) return;
		// A lesson for the sake of sums: what it says of other tables may be older than what we have.
		if (this.learning !== 'none' && !this.#host.isTeacher(this)) return;
		this.#host.updateReceived(this, shared, record);
		const outcome = table.learn(record, this.#nowMs, this.#conflictRule(shared));
		if (outcome === 'full') this.peer.updatesRefused++;
		else if (outcome === 'kept') {
			this.peer.conflictsWon++;
			this.#host.conflictWon(shared, record);
		}
	}

	readonly #rule: ConflictRule = { knownId: undefined, keepsLocal: false };

	#conflictRule(shared: SharedTable): ConflictRule | undefined {
		if (this.learning !== 'none' || this.peer.isLocal) return undefined;
		this.#rule.knownId = shared.knownId;
		this.#rule.keepsLocal = !this.isHoldfast || this.#host.localName < this.peer.name;
		return this.#rule;
	}

	#receiveAcknowledgement(bytes: Uint8Array, start: number, end: number): void {
		const { tableId, updateId } = decodeAcknowledgement(bytes, start, end);
		const acknowledged = this.peer.tableByLocalId(tableId);
		if (acknowledged === undefined) return;
		// Only a table that the peer took for its own is acknowledged, under the id of the definition it took.
		if (acknowledged.keySize === undefined) {
			acknowledged.settleKeySize(tableId !== acknowledged.localId ? OLD_DEFAULT_STRING_KEY_SIZE : undefined);
		}
		acknowledged.lastAcknowledgement = updateId;
		// Until the lesson is confirmed, acknowledgements are of lesson ids, which mean nothing later.
		if (this.teaching !== 'none') return;
		acknowledged.acknowledge(updateId);
	}

	/** Section 6.3. */
	#receiveDefinition(bytes: Uint8Array, start: number, end: number): void {
		this.#receivingTable = undefined;
		const definition = decodeDefinition(bytes, start, end);
		const bound = this.#byRemoteId.get(definition.tableId);
		const shared =
			this.peer.tableByWireName(definition.name) ?? this.#host.aggregator?.tableDefined(this.peer, definition);
		if (bound !== undefined && bound !== shared) {
			this.#byRemoteId.delete(definition.tableId);
			bound.unbind();
		}
		if (shared === undefined) return;
		if (shared.remoteId !== 0) this.#byRemoteId.delete(shared.remoteId);
		if (!shared.bind(definition)) {
			shared.unbind();
			this.#host.tableMismatched(this, shared);
			return;
		}
		this.#byRemoteId.set(definition.tableId, shared);
		this.#receivingTable = shared;
	}

	#controlMessage(type: number): void {
		switch (type) {
			case CONTROL.RESYNC_REQUEST:
				this.#startTeaching();
				break;
			case CONTROL.RESYNC_FINISHED:
			case CONTROL.RESYNC_PARTIAL:
				// Confirmed in all cases, or the sender stays silent for ever (section 4.3).
				this.confirmsDue++;
				if (this.learning === 'none') break;
				this.learning = 'none';
				// What was modified here meanwhile may be pushed to the teacher from now on.
				for (const shared of this.peer.tables) if (shared.hasNews) this.#queue.add(shared);
				this.#host.lessonEnded(this, type === CONTROL.RESYNC_FINISHED ? 'finished' : 'partial');
				this.#host.aggregator?.lessonEnded(this, type === CONTROL.RESYNC_FINISHED ? 'finished' : 'partial');
				break;
			case CONTROL.RESYNC_CONFIRM:
				this.#receiveConfirm();
				break;
			case CONTROL.HEARTBEAT:
				this.peer.heartbeatsReceived++;
				break;
		}
	}

	#startTeaching(): void {
		this.teaching = 'telling';
		for (const shared of this.peer.tables) {
			if (!this.#isInLessons(shared)) continue;
			shared.startTeaching();
			this.#queue.add(shared);
		}
	}

	#receiveConfirm(): void {
		if (this.#confirmsAwaited > 0) this.#confirmsAwaited--;
		// One for an earlier lesson, while a new one goes on, changes nothing; one that nobody asked for neither.
		if (this.teaching !== 'told' || this.#confirmsAwaited > 0) return;
		this.teaching = 'none';
		for (const shared of this.peer.tables) {
			if (!this.#isInLessons(shared)) continue;
			shared.endTeaching(this.#hasLearned);
			this.#queue.add(shared);
		}
		this.#host.handoffConfirmed(this);
	}

	/** Ignored (section 4.4): whoever sends one closes right after, and then we know why. */
	#errorMessage(type: number): void {
		if (type === ERROR_MESSAGE.PROTOCOL) this.#complaint = 'it says that we broke the protocol';
		else if (type === ERROR_MESSAGE.SIZE_LIMIT) this.#complaint = 'it says that a message of ours was too long';
	}

	#fail(error: PeersProtocolError): void {
		const { writer } = this.#host;
		writer.error(FAULT_MESSAGE[error.fault]);
		this.#link.write(writer.take());
		const { messageCount, streamOffset } = this.#reader;
		this.peer.protocolErrors++;
		this.end('rubbish', `${error.message} (message ${messageCount}, byte ${streamOffset} after the handshake)`);
	}

	// ---- sending

	/** One pass, in the order of section 4.4. */
	#pass(): void {
		if (this.#isClosed) return;
		if (this.#link.bufferedBytes > MAX_BUFFERED_BYTES) {
			this.#isBlocked = true;
			return;
		}
		const { writer } = this.#host;
		this.#nowMs = this.#host.clock.monotonicMs();
		if (this.#heartbeatDue) {
			this.#heartbeatDue = false;
			this.peer.heartbeatsSent++;
			this.#lastSignMs = this.#nowMs;
			writer.control(CONTROL.HEARTBEAT);
		}
		if (this.#requestDue) {
			this.#requestDue = false;
			this.learning = 'going-on';
			this.#hasLearned = true;
			writer.control(CONTROL.RESYNC_REQUEST);
		}
		let budget = this.#host.maxUpdatesAtOnce;
		for (const shared of this.#queue) {
			// An acknowledgement before the table's own updates: what is not acknowledged was not read.
			if (shared.receivedId !== shared.confirmedId && shared.remoteId !== 0) {
				writer.acknowledgement(shared.remoteId, shared.receivedId);
			}
			shared.confirmedId = shared.receivedId;
			if (shared.teaching === 'local' || shared.teaching === 'learned') budget = this.#teach(shared, budget);
			else if (shared.hasNews && this.#mayPush(shared)) budget = this.#push(shared, budget);
			if (this.#repeated.length > 0) this.#repeatForOldKeySize(shared);
			if (budget === 0) break;
			this.#queue.delete(shared);
			if (!writer.hasRoom()) this.#flush();
		}
		if (this.kind === 'shares') this.#endTelling();
		// When the budget ran out the table keeps its place: a lesson goes table by table. Live pushes take turns.
		if (budget === 0 && this.teaching === 'none') this.#rotateQueue();
		if (this.teaching === 'telling' && this.#queue.size === 0) {
			this.teaching = 'told';
			this.#confirmsAwaited++;
			writer.control(this.#host.isUpToDate() ? CONTROL.RESYNC_FINISHED : CONTROL.RESYNC_PARTIAL);
		}
		for (; this.confirmsDue > 0; this.confirmsDue--) {
			writer.control(CONTROL.RESYNC_CONFIRM);
			if (!writer.hasRoom()) this.#flush();
		}
		this.#flush();
		if (this.#queue.size > 0) this.schedule();
	}

	#flush(): void {
		const { writer } = this.#host;
		if (writer.length > 0) this.#link.write(writer.take());
	}

	#rotateQueue(): void {
		const [first] = this.#queue;
		if (first === undefined || this.#queue.size === 1) return;
		this.#queue.delete(first);
		this.#queue.add(first);
	}

	/** Not to a peer we learn from, nor to one that has not confirmed our lesson (section 10.2). */
	#mayPush({ role }: SharedTable): boolean {
		if (role === 'share' || role === 'heard') return false;
		if (role === 'own share') return this.#ownShare === 'live';
		if (role === 'plain' && this.kind !== 'plain') return false;
		return this.learning === 'none' && this.teaching === 'none' && !this.peer.isLocal;
	}

	/** Local updates after the push position. Returns what is left of the budget, 0: there may be more. */
	#push(shared: SharedTable, budget: number): number {
		const { record, reader } = shared;
		if (reader === undefined) return budget;
		while (budget > 0) {
			if (!reader.next(record, this.#nowMs)) {
				shared.pushedAll();
				return budget;
			}
			budget--;
			shared.push(record.updateId);
			if (!this.#isForPeer(shared, record)) continue;
			this.#announce(shared);
			this.#sendUpdate(this.#liveType(shared), shared);
		}
		return 0;
	}

	/**
	 * A live update says nothing of the entry's remaining life: the receiver gives it a full one. That is right
	 * while updates leave at once. One that waited, since the peer was away, would live longer there than here,
	 * so it is sent with its time, which every receiver understands as well (section 7).
	 */
	#liveType({ table, record }: SharedTable): number {
		const isStale = table.expireMs !== undefined && record.expireMs < table.expireMs - STALE_AFTER_MS;
		return isStale && this.#minor >= 1 ? STICK_TABLE_MESSAGE.TIMED_UPDATE : STICK_TABLE_MESSAGE.UPDATE;
	}

	/** All entries, local updates first, then what was learned (section 11). */
	#teach(shared: SharedTable, budget: number): number {
		const { record } = shared;
		// Every table is announced, empty ones too, so that the learner sees what was shared.
		this.#announce(shared);
		const type = this.#minor === 0 ? STICK_TABLE_MESSAGE.UPDATE : STICK_TABLE_MESSAGE.TIMED_UPDATE;
		while (budget > 0) {
			const reader = shared.teaching === 'local' ? shared.reader : shared.learnedReader;
			if (reader?.next(record, this.#nowMs) !== true) {
				if (!this.#nextTeachingStage(shared)) return budget;
				continue;
			}
			budget--;
			if (shared.role === 'own share' && shared.teaching === 'local') shared.push(record.updateId);
			// An entry modified since the lesson began comes again at the end of the list: told now, then pushed.
			const isPast = ((record.updateId - shared.teachingLocalId) | 0) > 0;
			if (this.#isForPeer(shared, record)) this.#sendUpdate(type, shared);
			if (shared.teaching === 'local' && isPast) {
				shared.teachingLocalId = record.updateId;
				this.#nextTeachingStage(shared);
			}
		}
		return 0;
	}

	/** False: the table is told. */
	#nextTeachingStage(shared: SharedTable): boolean {
		shared.teaching = shared.teaching === 'local' ? 'learned' : 'done';
		return shared.teaching === 'learned';
	}

	#isForPeer(shared: SharedTable, record: EntryRecord): boolean {
		const { shard } = this.peer;
		return shard === 0 || this.#host.isInShard(shared, record, shard);
	}

	/** The entry in the table's record. */
	#sendUpdate(type: number, shared: SharedTable): void {
		const { writer } = this.#host;
		const { record, table, keySize } = shared;
		const start = writer.length;
		writer.update(type, table.keyType, table.columns, record, this.sent);
		if (keySize === undefined && record.keyLength < OLD_DEFAULT_STRING_KEY_SIZE) {
			this.#repeated.push(Buffer.from(writer.buffer.subarray(start, writer.length)));
		}
		this.#lastSignMs = this.#nowMs;
		this.peer.updatesSent++;
		if (!writer.hasRoom()) this.#flush();
	}

	/** Updates of this pass once more, under the definition with the key size of the old default (protocol.ts). */
	#repeatForOldKeySize(shared: SharedTable): void {
		const { writer } = this.#host;
		writer.definition(this.peer.oldSizeId(shared), shared.table, OLD_DEFAULT_STRING_KEY_SIZE);
		for (const message of this.#repeated) {
			if (!writer.hasRoom()) this.#flush();
			writer.bytes(message);
		}
		this.#repeated.length = 0;
		this.#announcedTable = undefined;
	}

	/** HAProxy repeats a definition where a switch would do, and so do we: every receiver is used to it. */
	#announce(shared: SharedTable): void {
		if (this.#announcedTable === shared) return;
		this.#announcedTable = shared;
		this.#host.writer.definition(shared.localId, shared.table, shared.keySize);
		if (!this.#host.writer.hasRoom()) this.#flush();
	}

	// ---- time

	/** One timer for both dates; they move with every message, so it checks them when it fires. */
	#setTimer(): void {
		const nowMs = this.#host.clock.monotonicMs();
		const silentAtMs = this.#lastReceivedMs + this.#receiveTimeoutMs();
		const heartbeatAtMs = this.peer.isLocal ? silentAtMs : this.#lastSignMs + TIMING.heartbeatMs;
		const delayMs = Math.max(1, Math.min(silentAtMs, heartbeatAtMs) - nowMs);
		this.#timer = this.#host.clock.setTimer(() => this.#timerFired(), delayMs);
	}

	#timerFired(): void {
		const nowMs = this.#host.clock.monotonicMs();
		const silentMs = nowMs - this.#lastReceivedMs;
		if (silentMs >= this.#receiveTimeoutMs()) {
			this.peer.deadSessions++;
			this.end('silent', `nothing received for ${silentMs} ms`);
			return;
		}
		if (!this.peer.isLocal && nowMs - this.#lastSignMs >= TIMING.heartbeatMs) {
			this.#heartbeatDue = true;
			this.#pass();
			// Blocked by a peer that does not read: try again, without spinning.
			if (this.#heartbeatDue) this.#lastSignMs = nowMs - TIMING.heartbeatMs + 100;
		}
		this.#setTimer();
	}

	#receiveTimeoutMs(): number {
		return this.teaching === 'none' ? TIMING.receiveTimeoutMs : TEACHING_TIMEOUT_MS;
	}
}
