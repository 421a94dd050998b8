/** What a session is made of: its link, the section that owns it, and how it can end. */
import type { Clock } from '../core/clock.js';
import type { TableDefinition } from './decode.js';
import type { MessageWriter } from './encode.js';
import type { EntryRecord } from './entry-record.js';
import type { Peer } from './peer.js';
import type { Session } from './session.js';
import type { SharedTable } from './shared-table.js';
import type { UpdateBatches } from './update-batches.js';

/** The duplex as a session sees it; `transport.ts` makes it of a socket, the simulation of nothing. */
export interface Link {
	write(bytes: Buffer): void;
	/** Bytes written and not yet taken by the network. `Session.drained` is called when they fall to 0. */
	readonly bufferedBytes: number;
	/** `fin`: after what was written has left; `reset`: now. */
	close(kind: 'fin' | 'reset'): void;
}

/** Whose fault the end of a session is; decides how soon the peer is dialled again. */
export type SessionEnd =
	| 'lost' // by the network or the other side, without a reason
	| 'silent' // nothing received for too long
	| 'replaced' // by a newer connection of the same peer
	| 'rubbish' // the peer broke the protocol
	| 'refused' // the peer says that we broke it
	| 'stopped' // by us: shutting down
	| 'taught'; // the local peer has confirmed everything, nothing is left to say

/**
 * What makes sums of a section's tables (lib/aggregate): it adds tables to single peers, keeps their contents
 * apart by origin, and is told how far the exchange of shares with a peer has come.
 */
export interface Aggregator {
	/** The section runs: peers are called from now on. */
	started(): void;
	/** Whether shares are exchanged with this peer if it can. Not between levels of aggregators. */
	exchangesWith(peer: Peer): boolean;
	/** The peer defines a table that it does not share so far. Returns what was added for it, if anything. */
	tableDefined(peer: Peer, definition: TableDefinition): SharedTable | undefined;
	/** The peer defines a table that it shares through this aggregator. False, after a line in the log: it is another one. */
	mayBind(peer: Peer, shared: SharedTable, definition: TableDefinition): boolean;
	/** The first message tells which kind of peer it is: one that exchanges shares, or a plain one. */
	peerKnown(session: Session): void;
	/** A Holdfast peer has told the shares it knows; its own one, whole. */
	sharesTold(session: Session): void;
	ownShareTold(session: Session): void;
	/** A lesson of any kind has ended. */
	lessonEnded(session: Session, end: 'finished' | 'partial'): void;
	sessionEnded(session: Session): void;
	/** The section has closed. */
	closed(): void;
}

/** What a session asks of its section. */
export interface SessionHost {
	readonly clock: Clock;
	readonly localName: string;
	readonly maxUpdatesAtOnce: number;
	/** Scratch for one pass; passes of different sessions never overlap. */
	readonly writer: MessageWriter;
	/** Updates that several sessions push alike. */
	readonly batches: UpdateBatches;
	/** Runs the callback soon, after others had their turn. */
	defer(callback: () => void): void;
	/** This node knows everything there was to learn (section 12). */
	isUpToDate(): boolean;
	/** Whether an entry belongs to the shard of a peer that has one (section 14). */
	isInShard(shared: SharedTable, record: EntryRecord, shard: number): boolean;
	lessonEnded(session: Session, end: 'finished' | 'partial'): void;
	/** The local peer has confirmed what a stopping process taught it. */
	handoffConfirmed(session: Session): void;
	tableMismatched(session: Session, shared: SharedTable): void;
	/** Tables are added and shares exchanged by whoever this is; undefined where nothing is summed. */
	readonly aggregator: Aggregator | undefined;
	/** The session's lesson is the one of a starting node (section 12), not one asked for by the aggregator. */
	isTeacher(session: Session): boolean;
	/** An update is about to be learned. */
	updateReceived(session: Session, shared: SharedTable, record: EntryRecord): void;
	/** The entry was received from another peer since the lesson that goes on began. */
	isFresh(shared: SharedTable, record: EntryRecord): boolean;
	conflictWon(shared: SharedTable, record: EntryRecord): void;
	sessionEnded(session: Session, end: SessionEnd, reason: string): void;
}

export interface SessionOptions {
	readonly link: Link;
	readonly peer: Peer;
	readonly host: SessionHost;
	/** We opened the connection. */
	readonly isInitiator: boolean;
	/** Minor version of the other side's hello. */
	readonly minor: number;
	/** A stopping process teaches its local peer without being asked (section 13). */
	readonly teachesAtOnce?: boolean;
	/** A starting process learns from its local peer without asking. */
	readonly learnsAtOnce?: boolean;
}
