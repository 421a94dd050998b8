/**
 * What one peer and this node know of one table: a row per pair of peer and table, as `show peers` prints it.
 *
 * Its cursors, all update ids:
 *
 *     of what we send:      acknowledged  <=  pushed  <=  the table's latest local update
 *     of what we receive:   confirmed     ->  received    (equal after each acknowledgement we send)
 *
 * `acknowledgedId` outlives the session: it is where the next session resumes, so a peer that comes back gets
 * what it missed and no more. All the rest starts afresh with a session (section 4.4).
 */
import { type TableDefinition, UpdatePlan } from './decode.js';
import { wireKeySize } from './encode.js';
import type { Column, EntryRecord } from './entry-record.js';
import { DEFAULT_STRING_KEY_SIZE, KEY_TYPE, OLD_DEFAULT_STRING_KEY_SIZE } from './protocol.js';
import type { ReplicatedTable, TableReader } from './replicated-table.js';

/**
 * Who gets a table, and when:
 *
 *     common      every peer: lessons as of section 11, then live updates
 *     plain       the same, only to peers that do not exchange shares of sums (HAProxy, other aggregators)
 *     own share   what this node counts of a sum: to Holdfast nodes, after they told what they know, then live
 *     share       what we know of another node's share: to Holdfast nodes, once a session, and never live
 *     base        what a share contains of earlier ones: to Holdfast nodes, all of it in each session and then live, and
 *                 always before any share, so that nobody knows a share without what it contains
 *     heard       nobody: it is only learned
 */
export type TableRole = 'common' | 'plain' | 'own share' | 'share' | 'base' | 'heard';

/** Why a table that a peer defined is not the one we have, for the log. */
export type TableMismatch = 'key type' | 'key length' | 'parameters' | undefined;

export class SharedTable {
	readonly table: ReplicatedTable;
	/** The id we give the table in our definitions, from 1, the same for all peers and sessions. */
	readonly localId: number;
	readonly role: TableRole;

	/** The peer has everything up to this id; where pushing resumes in the next session. */
	acknowledgedId = 0;
	/** `acknowledgedId` is an id of ours. Without this, 0 would be one after the counter has wrapped. */
	hasAcknowledged = false;
	/** The peer acknowledged an id that we never sent: the next session pushes everything again (section 10.4). */
	acknowledgedNonsense = false;

	/** Push position: the id pushed last in this session, `acknowledgedId` at its start. */
	pushedId = 0;
	/** `pushedId` is an id of ours. */
	hasPushed = false;
	/** The id the peer acknowledged last in this session, be it during a lesson. Undefined: none. */
	lastAcknowledgement: number | undefined;
	/** Id of the last update received in this session: what an incremental one counts from. */
	previousId = 0;
	/** Last id received outside of a lesson, and the last one we acknowledged. */
	receivedId = 0;
	confirmedId = 0;
	/** Id the sender gave the table; 0 while it has not defined it. */
	remoteId = 0;
	/** Data types as the sender announced them, for `show peers`. */
	remoteDataTypesLow = 0;
	plan: UpdatePlan | undefined;
	mismatch: TableMismatch;
	/**
	 * The key size that the peer wants to see in our definitions. Undefined while it may be either of the two that
	 * `type string` stands for (protocol.ts): updates then go out under both, each to be ignored by the other kind of
	 * peer, until a definition or an acknowledgement tells.
	 */
	keySize: number | undefined;

	/** Our place among the local updates; open while a session is. */
	reader: TableReader | undefined;
	/** Our place among the learned entries while teaching. */
	learnedReader: TableReader | undefined;
	/** Stages of a lesson given (section 11): local updates, learned entries, done. */
	teaching: 'none' | 'local' | 'learned' | 'done' = 'none';
	/** `acknowledgedId` when the lesson began. */
	teachingOrigin = 0;
	/** The table's latest local update at that moment, or a later one that the lesson told as well. */
	teachingLocalId = 0;

	/** There may be local updates that were not pushed. */
	hasNews = false;

	/** Scratch for one entry, shared by all peers of the table: it is filled and used up in one step. */
	readonly record: EntryRecord;

	constructor(table: ReplicatedTable, localId: number, record: EntryRecord, role: TableRole = 'common') {
		this.table = table;
		this.role = role;
		this.localId = localId;
		this.record = record;
		this.keySize = hasTwoSizes(table) ? undefined : wireKeySize(table);
	}

	/** The peer is of a kind that announces what we announce. */
	settleKeySize(size = wireKeySize(this.table)): void {
		this.keySize = size;
	}

	/** Goes on from what a predecessor knew of the same table and peer. */
	inherit(before: SharedTable): void {
		this.acknowledgedId = before.acknowledgedId;
		this.hasAcknowledged = before.hasAcknowledged;
		this.acknowledgedNonsense = before.acknowledgedNonsense;
	}

	/** A session starts: forgets what belonged to the last one, and goes to where the peer left off. */
	open(): void {
		this.close();
		this.lastAcknowledgement = undefined;
		this.previousId = 0;
		this.receivedId = 0;
		this.confirmedId = 0;
		this.unbind();
		this.mismatch = undefined;
		this.teaching = 'none';
		this.teachingOrigin = 0;
		this.hasNews = true;
		this.reader = this.table.openReader('local');
		// What it had is gone if it has started anew meanwhile, and nobody else may tell it.
		if (this.role === 'base') this.hasAcknowledged = false;
		if (this.acknowledgedNonsense || ((this.table.updateCounter() - this.acknowledgedId) | 0) < 0) {
			// Of unknown worth, or from the future: everything local goes out again (section 10.3).
			this.acknowledgedNonsense = false;
			this.hasAcknowledged = false;
		}
		this.#resume();
	}

	/** Puts the push position where the peer left off. */
	#resume(): void {
		this.hasPushed = this.hasAcknowledged;
		if (this.hasAcknowledged) {
			this.reader?.seek(this.acknowledgedId);
			this.pushedId = this.acknowledgedId;
			return;
		}
		this.reader?.seekStart();
		this.pushedId = 0;
		this.acknowledgedId = 0;
	}

	/** An update of this id goes out. */
	push(id: number): void {
		this.pushedId = id;
		this.hasPushed = true;
	}

	/** For `ConflictRule`: undefined when the peer has confirmed nothing. */
	get knownId(): number | undefined {
		return this.hasAcknowledged ? this.acknowledgedId : undefined;
	}

	close(): void {
		this.reader?.close();
		this.reader = undefined;
		this.learnedReader?.close();
		this.learnedReader = undefined;
	}

	unbind(): void {
		this.remoteId = 0;
		this.plan = undefined;
		this.remoteDataTypesLow = 0;
	}

	/** Section 6.3, steps 4 to 7. False: the definition is of another table than ours, `mismatch` says why. */
	bind(definition: TableDefinition): boolean {
		const { table } = this;
		this.mismatch = mismatchOf(table, definition);
		if (this.mismatch !== undefined) return false;
		this.settleKeySize(definition.keySize);
		this.remoteId = definition.tableId;
		this.remoteDataTypesLow = definition.dataTypesLow;
		this.plan = new UpdatePlan(
			definition.columns as readonly Column[],
			table.columns,
			table.keyType,
			table.keyLengthBytes,
			table.learnsLocalOnly,
		);
		return true;
	}

	/**
	 * The peer has read up to `id`. Only an id that we sent in this session may become the resume point: HAProxy
	 * 3.3 to 3.5 can send others (section 10.4), and resuming there would skip updates for good.
	 */
	acknowledge(id: number): void {
		const isAfterLast = !this.hasAcknowledged || ((id - this.acknowledgedId) | 0) >= 0;
		const isSent = this.hasPushed && ((this.pushedId - id) | 0) >= 0;
		this.acknowledgedNonsense = !(isAfterLast && isSent);
		if (this.acknowledgedNonsense) return;
		this.acknowledgedId = id;
		this.hasAcknowledged = true;
	}

	/**
	 * All local updates are pushed. HAProxy acknowledges an id only when it changes, so if the last one went out
	 * before, in a lesson, and was acknowledged then, nothing more will come.
	 */
	pushedAll(): void {
		this.hasNews = false;
		if (this.hasPushed && this.lastAcknowledgement === this.pushedId) this.acknowledge(this.pushedId);
	}

	startTeaching(): void {
		this.teaching = 'local';
		this.teachingOrigin = this.acknowledgedId;
		this.teachingLocalId = this.table.localUpdateId();
		this.reader?.seekStart();
		this.learnedReader?.close();
		this.learnedReader = this.table.openReader('learned');
	}

	/**
	 * The peer has confirmed the lesson. The local reader has passed every entry that the lesson told, so pushing
	 * goes on from there, and what was modified meanwhile follows. HAProxy starts again from the origin and so
	 * sends local entries twice; that is needed only when both sides taught each other at once, since then each
	 * has overwritten the other's entries and nobody would notice (`again`).
	 */
	endTeaching(again: boolean): void {
		if (this.teaching === 'none') return;
		this.teaching = 'none';
		this.learnedReader?.close();
		this.learnedReader = undefined;
		this.hasNews = true;
		if (again) {
			this.#resume();
		} else {
			this.acknowledgedId = this.teachingLocalId;
			this.hasAcknowledged = true;
			this.acknowledgedNonsense = false;
			this.push(this.acknowledgedId);
		}
	}
}

function hasTwoSizes(table: ReplicatedTable): boolean {
	return table.keyType === 'string' && wireKeySize(table) === DEFAULT_STRING_KEY_SIZE;
}

function mismatchOf(table: ReplicatedTable, definition: TableDefinition): TableMismatch {
	if (definition.keyType !== KEY_TYPE[table.keyType]) return 'key type';
	const isOldDefault = hasTwoSizes(table) && definition.keySize === OLD_DEFAULT_STRING_KEY_SIZE;
	if (definition.keySize !== wireKeySize(table) && !isOldDefault) return 'key length';
	return definition.columns === undefined ? 'parameters' : undefined;
}
