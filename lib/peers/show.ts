/**
 * `show peers`: the state of a section as data, and that data in HAProxy's words (stick-tables.md, 13.4). The
 * runtime API, the statistics page and the metrics all read the data; only the text is HAProxy's 3.x layout.
 */

import { formatSocketAddress } from '../core/address.js';
import type { Clock } from '../core/clock.js';
import type { LagWatch } from './lag.js';
import type { Peer, PeerStatus } from './peer.js';
import { DICTIONARY_SLOTS, TIMING } from './protocol.js';
import type { PeersSection } from './section.js';
import type { SharedTable } from './shared-table.js';

/** What a peer without a session has learned: HAProxy shows every slot, empty. */
const EMPTY_DICTIONARY: readonly undefined[] = new Array<undefined>(DICTIONARY_SLOTS).fill(undefined);

export interface SectionDescription {
	readonly name: string;
	readonly isDisabled: boolean;
	readonly localDone: boolean;
	readonly remoteDone: boolean;
	/** Some peer is asked, or teaches. */
	readonly isLearning: boolean;
	/** Milliseconds until the resync gives up waiting; undefined: it is over. */
	readonly resyncTimeoutMs: number | undefined;
	/** Callers that have not said who they are, and those refused since the start. */
	readonly waitingCallers: number;
	readonly refusedCallers: number;
	readonly peers: readonly PeerDescription[];
}

export interface PeerDescription {
	readonly name: string;
	readonly isLocal: boolean;
	readonly address: string;
	readonly isConnected: boolean;
	/** The other side is Holdfast as well. */
	readonly isHoldfast: boolean;
	/** We accepted the connection; undefined without one. */
	readonly isAccepted: boolean | undefined;
	readonly learnState: 'NOTASSIGNED' | 'ASSIGNED' | 'PROCESSING' | 'FINISHED';
	readonly status: PeerStatus;
	/** Milliseconds since the last handshake or attempt; undefined: never. */
	readonly sinceHandshakeMs: number | undefined;
	readonly untilDialMs: number | undefined;
	readonly untilHeartbeatMs: number | undefined;
	readonly confirmsDue: number;
	readonly heartbeatsSent: number;
	readonly heartbeatsReceived: number;
	readonly deadSessions: number;
	readonly dials: number;
	readonly failures: number;
	readonly protocolErrors: number;
	readonly collisions: number;
	readonly updatesSent: number;
	readonly updatesReceived: number;
	readonly updatesRefused: number;
	readonly conflictsWon: number;
	/** Update ids the peer has not acknowledged: how far it is behind. */
	readonly pendingUpdates: number;
	/** How long it has lacked the oldest of them; 0 where nobody looks regularly. */
	readonly lagMs: number;
	/** What keeps it away, as it was logged last. */
	readonly trouble: string | undefined;
	readonly receivingTable: TableDescription | undefined;
	readonly announcedTable: TableDescription | undefined;
	readonly tables: readonly TableDescription[];
	/** Strings of the dictionary by slot, sent and received. */
	readonly sentDictionary: readonly (string | undefined)[];
	readonly receivedDictionary: readonly (string | undefined)[];
}

export interface TableDescription {
	readonly name: string;
	readonly pendingUpdates: number;
	readonly lagMs: number;
	readonly localId: number;
	/** 0: not defined by the peer. */
	readonly remoteId: number;
	readonly isTaughtLocal: boolean;
	readonly isTaughtLearned: boolean;
	/** Data types of the peer's definition, a set of bits. */
	readonly remoteDataTypes: number;
	readonly confirmedId: number;
	readonly pushedId: number;
	readonly receivedId: number;
	readonly teachingOrigin: number;
	/** Last id acknowledged by the peer. */
	readonly acknowledgedId: number;
	/** The table's update counter and the id of its latest local modification. */
	readonly updateCounter: number;
	readonly localUpdateId: number;
}

/** `lags`: of whoever describes the section every few seconds. */
export function describeSection(section: PeersSection, lags?: LagWatch): SectionDescription {
	const nowMs = section.clock.monotonicMs();
	const { resync } = section;
	return {
		name: section.name,
		isDisabled: section.isDisabled,
		localDone: resync.localDone,
		remoteDone: resync.remoteDone,
		isLearning: resync.teacher !== undefined,
		resyncTimeoutMs: resync.deadlineMs === undefined ? undefined : Math.max(0, resync.deadlineMs - nowMs),
		waitingCallers: section.waitingCallers,
		refusedCallers: section.refusedCallers,
		peers: section.peers.map((peer) => describePeer(peer, section.name, nowMs, lags)),
	};
}

function describePeer(peer: Peer, section: string, nowMs: number, lags: LagWatch | undefined): PeerDescription {
	const { session, config } = peer;
	const tables = peer.tables.map((shared) => describeTable(shared, peer, section, nowMs, lags));
	const learnState = session === undefined || session.learning === 'none' ? 'NOTASSIGNED' : undefined;
	return {
		name: peer.name,
		isLocal: peer.isLocal,
		address: config.address === undefined ? '' : formatSocketAddress(config.address),
		isConnected: session !== undefined,
		isHoldfast: session?.isHoldfast ?? false,
		isAccepted: session === undefined ? undefined : !session.isInitiator,
		learnState: learnState ?? (session?.learning === 'requested' ? 'ASSIGNED' : 'PROCESSING'),
		status: peer.status,
		sinceHandshakeMs: peer.lastHandshakeMs === undefined ? undefined : nowMs - peer.lastHandshakeMs,
		untilDialMs: peer.dialAtMs === undefined ? undefined : Math.max(0, peer.dialAtMs - nowMs),
		untilHeartbeatMs: session === undefined ? undefined : Math.max(0, session.lastSignMs + TIMING.heartbeatMs - nowMs),
		confirmsDue: session?.confirmsDue ?? 0,
		heartbeatsSent: peer.heartbeatsSent,
		heartbeatsReceived: peer.heartbeatsReceived,
		deadSessions: peer.deadSessions,
		dials: peer.dials,
		failures: peer.failures,
		protocolErrors: peer.protocolErrors,
		collisions: peer.collisions,
		updatesSent: peer.updatesSent,
		updatesReceived: peer.updatesReceived,
		updatesRefused: peer.updatesRefused,
		conflictsWon: peer.conflictsWon,
		pendingUpdates: peer.isLocal ? 0 : peer.pendingUpdates(),
		lagMs: tables.reduce((most, table) => Math.max(most, table.lagMs), 0),
		trouble: peer.loggedTrouble,
		receivingTable: tables.find(({ localId }) => localId === session?.receivingTable?.localId),
		announcedTable: tables.find(({ localId }) => localId === session?.announcedTable?.localId),
		tables,
		sentDictionary: session?.sentDictionary.slots() ?? [],
		receivedDictionary: session?.receivedDictionary.slots() ?? EMPTY_DICTIONARY,
	};
}

function describeTable(
	shared: SharedTable,
	peer: Peer,
	section: string,
	nowMs: number,
	lags: LagWatch | undefined,
): TableDescription {
	const { table, role } = shared;
	const isSent = !peer.isLocal && role !== 'share' && role !== 'base' && role !== 'heard';
	const [wantedId, knownId] = [table.localUpdateId(), shared.knownId ?? 0];
	return {
		name: table.name,
		pendingUpdates: isSent ? Math.max(0, (wantedId - knownId) | 0) : 0,
		lagMs: isSent ? (lags?.lagMs(`${section} ${peer.name} ${table.name}`, wantedId, knownId, nowMs) ?? 0) : 0,
		localId: shared.localId,
		remoteId: shared.remoteId,
		isTaughtLocal: shared.teaching === 'learned' || shared.teaching === 'done',
		isTaughtLearned: shared.teaching === 'done',
		remoteDataTypes: shared.remoteDataTypesLow,
		confirmedId: shared.confirmedId,
		pushedId: shared.pushedId,
		receivedId: shared.receivedId,
		teachingOrigin: shared.teachingOrigin,
		acknowledgedId: shared.acknowledgedId,
		updateCounter: shared.table.updateCounter(),
		localUpdateId: shared.table.localUpdateId(),
	};
}

/** `show peers`, with `dict` also the dictionaries. Each section ends with an empty line. */
export function formatPeers(sections: readonly SectionDescription[], withDictionary: boolean, clock: Clock): string {
	return sections.map((section) => formatSection(section, withDictionary, clock)).join('');
}

function formatSection(section: SectionDescription, withDictionary: boolean, clock: Clock): string {
	const flags = (section.localDone ? 1 : 0) | (section.remoteDone ? 2 : 0) | (section.isLearning ? 4 : 0);
	const timeout = section.resyncTimeoutMs === undefined ? '<PAST>' : humanTime(section.resyncTimeoutMs);
	const head = `${pointer(section.name)}: [${logDate(clock.wallMs())}] id=${section.name} disabled=${section.isDisabled ? 1 : 0} flags=0x${flags.toString(16)} resync_timeout=${timeout} task_calls=0\n`;
	// The one declared last comes first, as HAProxy lists them.
	const peers = section.peers.map((peer) => formatPeer(section, peer, withDictionary)).reverse();
	return `${head}${peers.join('')}\n`;
}

function formatPeer(
	{ name: section, peers }: SectionDescription,
	peer: PeerDescription,
	withDictionary: boolean,
): string {
	const kind = `${peer.isLocal ? 'local' : 'remote'},${peer.isConnected ? 'active' : 'inactive'}`;
	const never = (ms: number | undefined): string => (ms === undefined ? '<NEVER>' : humanTime(ms));
	const lines = [
		`  ${pointer(section, peer.name)}: id=${peer.name}(${kind}) addr=${peer.address} app_state=${peer.isConnected ? 'RUNNING' : 'STOPPED'} learn_state=${peer.learnState} last_status=${peer.status} last_hdshk=${never(peer.sinceHandshakeMs)}`,
		`        reconnect=${never(peer.untilDialMs)} heartbeat=${never(peer.untilHeartbeatMs)} confirm=${peer.confirmsDue} tx_hbt=${peer.heartbeatsSent} rx_hbt=${peer.heartbeatsReceived} no_hbt=${peer.deadSessions} new_conn=${peer.dials} proto_err=${peer.protocolErrors} coll=${peer.collisions}`,
		`        flags=0x0${peer.isConnected ? ' state=EST' : ''}`,
	];
	if (peer.isAccepted === true) lines.push(`        xprt=RAW addr=${peer.address}`);
	const { receivingTable, announcedTable } = peer;
	if (receivingTable !== undefined) lines.push(`        remote_table:${tableLine(section, peer.name, receivingTable)}`);
	if (announcedTable !== undefined)
		lines.push(`        last_local_table:${tableLine(section, peer.name, announcedTable)}`);
	if (peer.tables.length > 0) lines.push('        shared tables:');
	for (const table of peer.tables) {
		const flags = (table.isTaughtLocal ? 1 : 0) | (table.isTaughtLearned ? 2 : 0);
		lines.push(
			`          ${pointer(section, peer.name, table.name)} local_id=${table.localId} remote_id=${table.remoteId} flags=0x${flags.toString(16)} remote_data=0x${table.remoteDataTypes.toString(16)}`,
			`              last_acked=${table.confirmedId} last_pushed=${table.pushedId} last_get=${table.receivedId} teaching_origin=${table.teachingOrigin} update=${table.acknowledgedId}`,
			`              table:${pointer(table.name)} id=${table.name} update=${table.updateCounter} localupdate=${table.localUpdateId} commitupdate=${committed(peers, table.name)} refcnt=1`,
			`              behind=${table.pendingUpdates} lag=${Math.round(table.lagMs)}ms`,
		);
	}
	if (!withDictionary) lines.push('        Dictionary cache not dumped (use "show peers dict")');
	else {
		lines.push('        TX dictionary cache:', ...dictionaryLines(peer.sentDictionary, false));
		lines.push('        RX dictionary cache:', ...dictionaryLines(peer.receivedDictionary, true));
	}
	return `${lines.join('\n')}\n`;
}

function tableLine(section: string, peer: string, table: TableDescription): string {
	return `${pointer(section, peer, table.name)} id=${table.name} local_id=${table.localId} remote_id=${table.remoteId}`;
}

/** Four to a line; slot numbers count from 0. */
function dictionaryLines(slots: readonly (string | undefined)[], withEmpty: boolean): string[] {
	const shown = slots.flatMap((text, slot) => {
		if (text === undefined && !withEmpty) return [];
		return [`${String(slot).padStart(5)} -> ${text === undefined || text === '' ? '-' : text}`];
	});
	return Array.from(
		{ length: Math.ceil(shown.length / 4) },
		(_, row) => `        ${shown.slice(row * 4, row * 4 + 4).join('')}`,
	);
}

/** The latest own change that some peer has been sent. */
function committed(peers: readonly PeerDescription[], table: string): number {
	const sent = peers.flatMap((peer) =>
		peer.tables.filter(({ name }) => name === table).map(({ pushedId }) => pushedId),
	);
	return Math.max(0, ...sent);
}

/** Stands for HAProxy's addresses: any hexadecimal that tells things apart, the same each time. */
function pointer(...names: readonly string[]): string {
	let hash = 0x811c9dc5;
	for (const char of names.join('\0')) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
	return `0x55${(hash >>> 0).toString(16).padStart(8, '0')}`;
}

/** `5s`, `1m30s`, `2h5m`, `3d4h`. */
function humanTime(ms: number): string {
	const seconds = Math.floor(ms / 1000);
	if (seconds < 60) return `${seconds}s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
	return `${Math.floor(seconds / 86400)}d${Math.floor((seconds % 86400) / 3600)}h`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

function logDate(wallMs: number): string {
	const date = new Date(wallMs);
	const two = (value: number): string => String(value).padStart(2, '0');
	const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
	return `${day}:${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
