/**
 * What this node knows of one peer, over all its sessions: its configuration, whether and why it is away, and
 * the counters of `show peers`. The tables' rows stay here too, since their resume points outlive a session.
 */
import type { SocketAddress } from '../core/address.js';
import { PROTOCOL_MINOR, STATUS } from './protocol.js';
import type { Session } from './session.js';
import type { SharedTable } from './shared-table.js';

/** One line of a peers section, as the section needs it. */
export interface PeerConfig {
	readonly name: string;
	/** Undefined for a local peer that listens on a `bind` line of its own. */
	readonly address: SocketAddress | undefined;
	readonly isLocal: boolean;
	/** 0: all entries (section 14). */
	readonly shard: number;
	readonly isDisabled: boolean;
}

/** `last_status` of `show peers`: how the last attempt to talk ended, or how far the present one is. */
export type PeerStatus = 'NONE' | 'CONN' | 'HSHK' | 'ESTA' | 'RETR' | 'PROT' | 'VERS' | 'NAME' | 'UNKN';

const STATUS_NAMES: ReadonlyMap<number, PeerStatus> = new Map<number, PeerStatus>([
	[STATUS.SUCCESS, 'ESTA'],
	[STATUS.TRY_AGAIN, 'RETR'],
	[STATUS.PROTOCOL, 'PROT'],
	[STATUS.VERSION, 'VERS'],
	[STATUS.LOCAL_NAME, 'NAME'],
	[STATUS.REMOTE_NAME, 'UNKN'],
]);

export function statusName(code: number): PeerStatus {
	return STATUS_NAMES.get(code) ?? 'PROT';
}

export class Peer {
	readonly config: PeerConfig;
	readonly name: string;
	readonly isLocal: boolean;
	readonly shard: number;
	/** Grows: an aggregation adds tables when it hears of them. */
	readonly tables: SharedTable[];
	readonly #byWireName: Map<string, SharedTable>;
	#lastTableId: number;
	readonly #oldSizeIds = new Map<SharedTable, number>();

	status: PeerStatus = 'NONE';
	/** When a connection was last dialled or accepted; undefined: never. */
	lastHandshakeMs: number | undefined;
	/** When it will be dialled next; undefined: no dial is waited for. */
	dialAtMs: number | undefined;
	session: Session | undefined;
	/** Its last lesson ended with PARTIAL: not elected again before its next session (section 12). */
	isNotUpToDate = false;

	// Counters of `show peers`, from the start of the process.
	heartbeatsSent = 0;
	heartbeatsReceived = 0;
	/** Sessions closed because nothing came. */
	deadSessions = 0;
	/** Connections we initiated. */
	dials = 0;
	protocolErrors = 0;
	/** Sessions and attempts replaced by a newer connection. */
	collisions = 0;

	// Ours, beside HAProxy's.
	updatesSent = 0;
	updatesReceived = 0;
	/** Updates for which a full table had no room. */
	updatesRefused = 0;
	conflictsWon = 0;
	/** Attempts that failed before a session, by any cause. */
	failures = 0;

	/** Sessions in a row that ended because the peer broke the protocol: each doubles the pause before the next. */
	rubbishInARow = 0;
	/** When living sessions of it were replaced by a newer connection, lately (rivals.ts). */
	readonly replacedAtMs: number[] = [];
	rivalsLoggedMs: number | undefined;
	/** Failed attempts in a row that the peer answered with an error status. */
	refusalsInARow = 0;
	/** Minor version of our next hello: 0 after the peer refused 1 (section 3.4). */
	helloMinor: number = PROTOCOL_MINOR;
	/** The trouble that was logged last; undefined when there is none. Said again only when it changes. */
	loggedTrouble: string | undefined;

	constructor(config: PeerConfig, tables: readonly SharedTable[]) {
		this.config = config;
		this.name = config.name;
		this.isLocal = config.isLocal;
		this.shard = config.shard;
		this.tables = [...tables];
		this.#lastTableId = tables.length;
		this.#byWireName = new Map(tables.map((shared) => [shared.table.wireName, shared]));
	}

	tableByWireName(name: string): SharedTable | undefined {
		return this.#byWireName.get(name);
	}

	/** A table of which this node did not know when it started. */
	addTable(shared: SharedTable): void {
		this.tables.push(shared);
		this.#byWireName.set(shared.table.wireName, shared);
	}

	removeTable(shared: SharedTable): void {
		this.tables.splice(this.tables.indexOf(shared), 1);
		this.#oldSizeIds.delete(shared);
		if (this.#byWireName.get(shared.table.wireName) === shared) this.#byWireName.delete(shared.table.wireName);
	}

	/** An id that no table of this peer ever had. */
	newTableId(): number {
		return ++this.#lastTableId;
	}

	/** By either of its ids. */
	tableByLocalId(id: number): SharedTable | undefined {
		return this.tables.find((shared) => shared.localId === id || this.#oldSizeIds.get(shared) === id);
	}

	/**
	 * The id under which a table is defined with the key size of an old default. Ids stay small: HAProxy 2.6 passes
	 * over tables with large ones.
	 */
	oldSizeId(shared: SharedTable): number {
		const known = this.#oldSizeIds.get(shared);
		if (known !== undefined) return known;
		const id = this.newTableId();
		this.#oldSizeIds.set(shared, id);
		return id;
	}

	/** Updates the peer has not acknowledged, summed over tables: how far it is behind, ids having gaps. */
	pendingUpdates(): number {
		let sum = 0;
		for (const { table, knownId, role } of this.tables)
			if (role !== 'share' && role !== 'base' && role !== 'heard')
				sum += Math.max(0, (table.localUpdateId() - (knownId ?? 0)) | 0);
		return sum;
	}
}

/** What an error status means, in words that name both sides' configuration. */
export function refusalText(code: number, remoteName: string, localName: string): string {
	switch (code) {
		case STATUS.TRY_AGAIN:
			return 'it asks us to come back later (300)';
		case STATUS.PROTOCOL:
			return 'it does not understand our hello (501)';
		case STATUS.VERSION:
			return 'it does not speak version 2.1 of the protocol (502)';
		case STATUS.LOCAL_NAME:
			return `it is not called '${remoteName}' (503): its local peer name and ours for it differ`;
		case STATUS.REMOTE_NAME:
			return `it has no peer called '${localName}' (504): our local peer name is missing in its peers section`;
	}
	return `it answers with the unknown status ${code}`;
}

/** Names come from the network: nothing that moves a terminal's cursor, and not a page of it. */
export function printable(text: string): string {
	return text.replace(/[^ -~]/g, '.').slice(0, 300);
}
