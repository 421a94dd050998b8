/**
 * The receiving half of a session: definitions, updates and acknowledgements of tables, and conflicts.
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
import { decodeAcknowledgement, decodeDefinition, decodeSwitch } from './decode.js';
import { ReceiveDictionary } from './dictionary.js';
import { OLD_DEFAULT_STRING_KEY_SIZE, STICK_TABLE_MESSAGE } from './protocol.js';
import type { ConflictRule } from './replicated-table.js';
import type { Session } from './session.js';
import type { SessionHost } from './session-host.js';
import type { SharedTable } from './shared-table.js';

export class UpdateReceiver {
	readonly dictionary = new ReceiveDictionary();
	/** The table that updates from the peer belong to; undefined after a definition that is not ours. */
	receivingTable: SharedTable | undefined;
	readonly #session: Session;
	readonly #host: SessionHost;
	readonly #byRemoteId = new Map<number, SharedTable>();
	readonly #rule: ConflictRule = { knownId: undefined, keepsLocal: false };

	constructor(session: Session, host: SessionHost) {
		this.#session = session;
		this.#host = host;
	}

	/** A message of the class of stick tables, of any type. */
	message(type: number, bytes: Uint8Array, start: number, end: number, nowMs: number): void {
		switch (type) {
			case STICK_TABLE_MESSAGE.UPDATE:
			case STICK_TABLE_MESSAGE.INCREMENTAL_UPDATE:
			case STICK_TABLE_MESSAGE.TIMED_UPDATE:
			case STICK_TABLE_MESSAGE.INCREMENTAL_TIMED_UPDATE:
				this.#receiveUpdate(type, bytes, start, end, nowMs);
				break;
			case STICK_TABLE_MESSAGE.ACKNOWLEDGEMENT:
				this.#receiveAcknowledgement(bytes, start, end);
				break;
			case STICK_TABLE_MESSAGE.DEFINITION:
				this.#receiveDefinition(bytes, start, end);
				break;
			case STICK_TABLE_MESSAGE.SWITCH:
				this.receivingTable = this.#byRemoteId.get(decodeSwitch(bytes, start, end));
				break;
		}
	}

	/** The table is shared no more. */
	forget(shared: SharedTable): void {
		this.#byRemoteId.delete(shared.remoteId);
		if (this.receivingTable === shared) this.receivingTable = undefined;
	}

	#receiveUpdate(type: number, bytes: Uint8Array, start: number, end: number, nowMs: number): void {
		const shared = this.receivingTable;
		if (shared?.plan === undefined) return;
		const session = this.#session;
		const { record, table } = shared;
		shared.plan.decode(type, bytes, start, end, shared.previousId, this.dictionary, record);
		// What is learned in a lesson is not acknowledged: the teacher would ignore it (section 10.4).
		shared.previousId = record.updateId;
		if (session.learning === 'none') {
			shared.receivedId = record.updateId;
			session.acknowledge(shared);
		}
		session.peer.updatesReceived++;
		if (shared.role !== 'common') {
			// Whose word counts for a share is the aggregator's to know.
			table.learn(record, nowMs, undefined);
			return;
		}
		// What another peer sent live since the lesson began is newer than what the teacher had in its table.
		if (session.learning !== 'none' && this.#host.isFresh(shared, record)) return;
		// A lesson for the sake of sums: what it says of other tables may be older than what we have.
		if (session.learning !== 'none' && !this.#host.isTeacher(session)) return;
		this.#host.updateReceived(session, shared, record);
		const outcome = table.learn(record, nowMs, this.#conflictRule(shared));
		if (outcome === 'full') session.peer.updatesRefused++;
		else if (outcome === 'kept') {
			session.peer.conflictsWon++;
			this.#host.conflictWon(shared, record);
		}
	}

	#conflictRule(shared: SharedTable): ConflictRule | undefined {
		const { learning, peer, isHoldfast } = this.#session;
		if (learning !== 'none' || peer.isLocal) return undefined;
		this.#rule.knownId = shared.knownId;
		this.#rule.keepsLocal = !isHoldfast || this.#host.localName < peer.name;
		return this.#rule;
	}

	#receiveAcknowledgement(bytes: Uint8Array, start: number, end: number): void {
		const { tableId, updateId } = decodeAcknowledgement(bytes, start, end);
		const { peer, teaching } = this.#session;
		const acknowledged = peer.tableByLocalId(tableId);
		if (acknowledged === undefined) return;
		// Only a table that the peer took for its own is acknowledged, under the id of the definition it took.
		if (acknowledged.keySize === undefined) {
			acknowledged.settleKeySize(tableId !== acknowledged.localId ? OLD_DEFAULT_STRING_KEY_SIZE : undefined);
		}
		acknowledged.lastAcknowledgement = updateId;
		// Until the lesson is confirmed, acknowledgements are of lesson ids, which mean nothing later.
		if (teaching !== 'none') return;
		acknowledged.acknowledge(updateId);
	}

	/** Section 6.3. */
	#receiveDefinition(bytes: Uint8Array, start: number, end: number): void {
		this.receivingTable = undefined;
		const definition = decodeDefinition(bytes, start, end);
		const { peer } = this.#session;
		const bound = this.#byRemoteId.get(definition.tableId);
		const shared = peer.tableByWireName(definition.name) ?? this.#host.aggregator?.tableDefined(peer, definition);
		if (bound !== undefined && bound !== shared) {
			this.#byRemoteId.delete(definition.tableId);
			bound.unbind();
		}
		if (shared === undefined) return;
		if (shared.remoteId !== 0) this.#byRemoteId.delete(shared.remoteId);
		if (shared.role !== 'common' && this.#host.aggregator?.mayBind(peer, shared, definition) === false) {
			shared.unbind();
			return;
		}
		if (!shared.bind(definition)) {
			shared.unbind();
			this.#host.tableMismatched(this.#session, shared);
			return;
		}
		this.#byRemoteId.set(definition.tableId, shared);
		this.receivingTable = shared;
	}
}
