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
 * Its halves are in update-receiver.ts and update-sender.ts; what nodes that make sums tell each other first is in
 * share-exchange.ts.
 */
import type { Timer } from '../core/clock.js';
import { decodeFeatures, type MessageHandler, MessageReader } from './decode.js';
import type { ReceiveDictionary, TransmitDictionary } from './dictionary.js';
import type { Peer } from './peer.js';
import {
	CONTROL,
	ERROR_MESSAGE,
	FAULT_MESSAGE,
	FEATURE,
	HOLDFAST_MESSAGE,
	MESSAGE_CLASS,
	PeersProtocolError,
	TIMING,
} from './protocol.js';
import type { Link, SessionEnd, SessionHost, SessionOptions } from './session-host.js';
import { ShareExchange } from './share-exchange.js';
import type { SharedTable } from './shared-table.js';
import { UpdateReceiver } from './update-receiver.js';
import { UpdateSender } from './update-sender.js';

/** Output that may wait for a slow peer. What is due beyond it stays in the tables. */
export const MAX_BUFFERED_BYTES = 256 * 1024;
/**
 * While we teach, HAProxy may have nothing to say for long, not even a heartbeat: it compares its own updates
 * with what it pushed to us, and pushing is forbidden while it learns (section 4.3, silence trap).
 */
const TEACHING_TIMEOUT_MS = 4 * TIMING.receiveTimeoutMs;
/** Received shares are acknowledged this much later at the latest. */
const ACKNOWLEDGE_SHARES_MS = 100;
const NOTHING: readonly SharedTable[] = [];

export class Session implements MessageHandler {
	readonly peer: Peer;
	readonly isInitiator: boolean;
	readonly establishedAtMs: number;
	readonly #link: Link;
	readonly #host: SessionHost;
	readonly #reader = new MessageReader();
	readonly #sender: UpdateSender;
	readonly #receiver: UpdateReceiver;
	readonly #shares: ShareExchange;
	/** Tables with something to acknowledge, push or teach, in the order they get their turn. */
	readonly #queue = new Set<SharedTable>();
	/** Those among them that come before all others: see `base` in shared-table.ts. */
	readonly #bases = new Set<SharedTable>();

	#features = 0;
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

	/** Runs while updates of shares are to be acknowledged. */
	#acknowledgeTimer: Timer | undefined;

	#lastReceivedMs: number;
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
		const nowMs = options.host.clock.monotonicMs();
		this.#nowMs = nowMs;
		this.establishedAtMs = nowMs;
		this.#lastReceivedMs = nowMs;
		this.#sender = new UpdateSender(this.peer, this.#host, options.minor, nowMs, () => this.#flush());
		this.#receiver = new UpdateReceiver(this, this.#host);
		this.#shares = new ShareExchange(this.peer, this.#host, (shared) => this.#enqueue(shared));
		for (const shared of this.peer.tables) {
			shared.open();
			this.#enqueue(shared);
		}
		if (options.learnsAtOnce === true) {
			this.learning = 'going-on';
			this.#hasLearned = true;
		}
		if (options.teachesAtOnce === true) this.#startTeaching();
		this.#setTimer();
		// Also a first sign of life: HAProxy may close a new session on which nothing came (section 4.2).
		if (options.minor >= 1 && !this.peer.isLocal) {
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
		return this.#sender.lastSignMs;
	}

	get kind(): ShareExchange['kind'] {
		return this.#shares.kind;
	}

	/** The table that updates from the peer belong to. */
	get receivingTable(): SharedTable | undefined {
		return this.#receiver.receivingTable;
	}

	/** The table we announced last. */
	get announcedTable(): SharedTable | undefined {
		return this.#sender.announcedTable;
	}

	get sentDictionary(): TransmitDictionary {
		return this.#sender.dictionary;
	}

	get receivedDictionary(): ReceiveDictionary {
		return this.#receiver.dictionary;
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
		this.#enqueue(shared);
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
		this.#bases.delete(shared);
		this.#receiver.forget(shared);
		this.#sender.forget(shared);
	}

	/** Asks again for nothing, but tells what we count anew: under another name since the last time. */
	retellOwnShare(): void {
		if (!this.#shares.retellOwnShare()) return;
		this.#sender.announcedTable = undefined;
		this.schedule();
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
		this.#acknowledgeTimer?.cancel();
		for (const shared of this.peer.tables) shared.close();
		this.#link.close(end === 'replaced' || end === 'silent' ? 'reset' : 'fin');
		this.#host.sessionEnded(this, end, reason);
	}

	#enqueue(shared: SharedTable): void {
		(shared.role === 'base' ? this.#bases : this.#queue).add(shared);
	}

	get #hasQueued(): boolean {
		return this.#queue.size > 0 || this.#bases.size > 0;
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
		if (messageClass === MESSAGE_CLASS.STICK_TABLE) this.#receiver.message(type, bytes, start, end, this.#nowMs);
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
		this.#shares.becomeKnown(kind);
		this.#host.aggregator?.peerKnown(this);
		for (const shared of this.peer.tables) if (shared.hasNews) this.#enqueue(shared);
		this.schedule();
	}

	#shareMessage(type: number): void {
		switch (type) {
			case HOLDFAST_MESSAGE.SHARES_REQUEST:
				this.#shares.requested();
				break;
			case HOLDFAST_MESSAGE.SHARES_TOLD:
				this.#host.aggregator?.sharesTold(this);
				this.#shares.tellOwnShare();
				this.schedule();
				break;
			case HOLDFAST_MESSAGE.OWN_SHARE_TOLD:
				this.#host.aggregator?.ownShareTold(this);
				break;
		}
	}

	/** Tables that lessons of the protocol are about, with this peer. */
	#isInLessons({ role }: SharedTable): boolean {
		if (role === 'common') return true;
		return this.peer.isLocal ? role === 'own share' || role === 'share' : role === 'plain' && this.kind === 'plain';
	}

	/**
	 * Something of the table was received: it is acknowledged in this pass. Shares flow all the time in both directions,
	 * and what is acknowledged of them only tells where the next session resumes: that goes with what is pushed next, and
	 * does not wake the other side for itself.
	 */
	acknowledge(shared: SharedTable): void {
		if (shared.role !== 'share') this.#enqueue(shared);
		else if (this.#acknowledgeTimer === undefined) {
			this.#acknowledgeTimer = this.#host.clock.setTimer(() => {
				this.#queueAcknowledgements();
				this.#pass();
			}, ACKNOWLEDGE_SHARES_MS);
		}
	}

	#queueAcknowledgements(): void {
		this.#acknowledgeTimer?.cancel();
		this.#acknowledgeTimer = undefined;
		for (const shared of this.peer.tables) if (shared.receivedId !== shared.confirmedId) this.#enqueue(shared);
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
				for (const shared of this.peer.tables) if (shared.hasNews) this.#enqueue(shared);
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
			this.#enqueue(shared);
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
			this.#enqueue(shared);
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
			this.#sender.lastSignMs = this.#nowMs;
			writer.control(CONTROL.HEARTBEAT);
		}
		if (this.#requestDue) {
			this.#requestDue = false;
			this.learning = 'going-on';
			this.#hasLearned = true;
			writer.control(CONTROL.RESYNC_REQUEST);
		}
		if (this.#hasQueued && this.#acknowledgeTimer !== undefined) this.#queueAcknowledgements();
		let budget = this.#host.maxUpdatesAtOnce;
		for (const shared of this.#bases) {
			budget = this.#serve(shared, budget);
			if (budget === 0) break;
			this.#bases.delete(shared);
		}
		for (const shared of this.#bases.size > 0 ? NOTHING : this.#queue) {
			budget = this.#serve(shared, budget);
			if (budget === 0) break;
			this.#queue.delete(shared);
		}
		if (this.kind === 'shares') this.#shares.encodeMessages();
		// When the budget ran out the table keeps its place: a lesson goes table by table. Live pushes take turns.
		if (budget === 0 && this.teaching === 'none') this.#rotateQueue();
		if (this.teaching === 'telling' && !this.#hasQueued) {
			this.teaching = 'told';
			this.#confirmsAwaited++;
			writer.control(this.#host.isUpToDate() ? CONTROL.RESYNC_FINISHED : CONTROL.RESYNC_PARTIAL);
		}
		for (; this.confirmsDue > 0; this.confirmsDue--) {
			writer.control(CONTROL.RESYNC_CONFIRM);
			if (!writer.hasRoom()) this.#flush();
		}
		this.#flush();
		if (this.#hasQueued) this.schedule();
	}

	/** What is due of one table. Returns what is left of the budget. */
	#serve(shared: SharedTable, budget: number): number {
		const { writer } = this.#host;
		// An acknowledgement before the table's own updates: what is not acknowledged was not read.
		if (shared.receivedId !== shared.confirmedId && shared.remoteId !== 0) {
			writer.acknowledgement(shared.remoteId, shared.receivedId);
		}
		shared.confirmedId = shared.receivedId;
		if (shared.teaching === 'local' || shared.teaching === 'learned') {
			budget = this.#sender.teach(shared, budget, this.#nowMs);
		} else if (shared.hasNews && this.#mayPush(shared)) budget = this.#sender.push(shared, budget, this.#nowMs);
		this.#sender.repeatForOldKeySize(shared);
		if (!writer.hasRoom()) this.#flush();
		return budget;
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
		if (role === 'own share') return this.#shares.isOwnShareLive;
		if (role === 'base') return this.peer.isLocal || this.kind === 'shares';
		if (role === 'plain' && this.kind !== 'plain') return false;
		return this.learning === 'none' && this.teaching === 'none' && !this.peer.isLocal;
	}

	// ---- time

	/** One timer for both dates; they move with every message, so it checks them when it fires. */
	#setTimer(): void {
		const nowMs = this.#host.clock.monotonicMs();
		const silentAtMs = this.#lastReceivedMs + this.#receiveTimeoutMs();
		const heartbeatAtMs = this.peer.isLocal ? silentAtMs : this.#sender.lastSignMs + TIMING.heartbeatMs;
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
		if (!this.peer.isLocal && nowMs - this.#sender.lastSignMs >= TIMING.heartbeatMs) {
			this.#heartbeatDue = true;
			this.#pass();
			// Blocked by a peer that does not read: try again, without spinning.
			if (this.#heartbeatDue) this.#sender.lastSignMs = nowMs - TIMING.heartbeatMs + 100;
		}
		this.#setTimer();
	}

	#receiveTimeoutMs(): number {
		return this.teaching === 'none' ? TIMING.receiveTimeoutMs : TEACHING_TIMEOUT_MS;
	}
}
