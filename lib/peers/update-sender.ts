/**
 * The sending half of a session: definitions, live updates after a table's push position, and lessons. Values are
 * read from the table when a message is built, so nothing queues for a slow peer but a place in the list of
 * updates. What is written stands in the section's writer; the session sends it.
 */
import { TransmitDictionary } from './dictionary.js';
import type { EntryRecord } from './entry-record.js';
import type { Peer } from './peer.js';
import { OLD_DEFAULT_STRING_KEY_SIZE, STICK_TABLE_MESSAGE } from './protocol.js';
import type { SessionHost } from './session-host.js';
import type { SharedTable } from './shared-table.js';
import type { UpdateBatch } from './update-batches.js';

/** An update that waited longer than this is sent with the entry's remaining life. */
const STALE_AFTER_MS = 500;

export class UpdateSender {
	readonly dictionary = new TransmitDictionary();
	/** The table we announced last. */
	announcedTable: SharedTable | undefined;
	/** When updates or a heartbeat were sent last: what the other side counts as a sign of life. */
	lastSignMs: number;
	readonly #peer: Peer;
	readonly #host: SessionHost;
	/** The peer reads updates that tell an entry's life: from protocol 2.1 on. */
	readonly #sendsTimes: boolean;
	readonly #flush: () => void;
	/** Updates of this pass that are to be sent under a second definition. */
	readonly #repeated: Buffer[] = [];
	/** Where the first update of the push at hand stands in the writer; -1: none so far. */
	#firstUpdateAt = -1;
	/** Times that the writer was emptied. */
	#flushes = 0;

	/** `flush` sends what stands in the writer and empties it. */
	constructor(peer: Peer, host: SessionHost, minor: number, nowMs: number, flush: () => void) {
		this.#peer = peer;
		this.#host = host;
		this.#sendsTimes = minor >= 1;
		this.lastSignMs = nowMs;
		this.#flush = flush;
	}

	/** Local updates after the push position. Returns what is left of the budget, 0: there may be more. */
	push(shared: SharedTable, budget: number, nowMs: number): number {
		if (shared.reader === undefined) return budget;
		const { batches } = this.#host;
		// News of bases are told as they come, not by a signal that would be set again: a batch of a moment ago may lack some.
		const isCommon =
			this.#peer.shard === 0 &&
			shared.role !== 'base' &&
			shared.keySize !== undefined &&
			batches.isShareable(shared.table);
		if (!isCommon) return this.#pushNext(shared, budget, nowMs);
		const known = batches.find(shared, nowMs, this.#sendsTimes);
		if (known !== undefined) return this.#pushBatch(shared, known, budget);
		const from = { id: shared.pushedId, isStart: !shared.hasPushed };
		const sentBefore = this.#peer.updatesSent;
		const flushesBefore = this.#flushes;
		const left = this.#pushNext(shared, budget, nowMs);
		const count = this.#peer.updatesSent - sentBefore;
		// When the writer was emptied in between nobody has all of the bytes.
		if (count > 0 && this.#flushes === flushesBefore) {
			const batch = { count, isWhole: left > 0, sendsTimes: this.#sendsTimes, atMs: nowMs };
			batches.keep(shared, from, this.#host.writer, this.#firstUpdateAt, batch);
		}
		return left;
	}

	#pushNext(shared: SharedTable, budget: number, nowMs: number): number {
		const { record } = shared;
		const reader = shared.reader!;
		this.#firstUpdateAt = -1;
		let left = budget;
		while (left > 0) {
			if (!reader.next(record, nowMs)) {
				shared.pushedAll();
				return left;
			}
			left--;
			shared.push(record.updateId);
			if (!this.#isForPeer(shared, record)) continue;
			this.#announce(shared);
			if (this.#firstUpdateAt < 0) this.#firstUpdateAt = this.#host.writer.length;
			this.#send(this.#liveType(shared), shared, nowMs);
		}
		return 0;
	}

	/** What another session has just read from the same place. */
	#pushBatch(shared: SharedTable, { bytes, count, lastId, isWhole, atMs }: UpdateBatch, budget: number): number {
		this.#announce(shared);
		const { writer } = this.#host;
		if (!writer.fits(bytes.length)) this.#empty();
		writer.bytes(bytes);
		shared.reader!.seek(lastId);
		shared.push(lastId);
		this.lastSignMs = atMs;
		this.#peer.updatesSent += count;
		if (!writer.hasRoom()) this.#empty();
		if (!isWhole) return 0;
		shared.pushedAll();
		return Math.max(1, budget - count);
	}

	/**
	 * A live update says nothing of the entry's remaining life: the receiver gives it a full one. That is right
	 * while updates leave at once. One that waited, since the peer was away, would live longer there than here,
	 * so it is sent with its time, which every receiver understands as well (section 7).
	 */
	#liveType({ table, record }: SharedTable): number {
		const isStale = table.expireMs !== undefined && record.expireMs < table.expireMs - STALE_AFTER_MS;
		return isStale && this.#sendsTimes ? STICK_TABLE_MESSAGE.TIMED_UPDATE : STICK_TABLE_MESSAGE.UPDATE;
	}

	/** A lesson: all entries, local updates first, then what was learned (section 11). Returns as `push` does. */
	teach(shared: SharedTable, budget: number, nowMs: number): number {
		const { record } = shared;
		// Every table is announced, empty ones too, so that the learner sees what was shared.
		this.#announce(shared);
		const type = this.#sendsTimes ? STICK_TABLE_MESSAGE.TIMED_UPDATE : STICK_TABLE_MESSAGE.UPDATE;
		let left = budget;
		while (left > 0) {
			const reader = shared.teaching === 'local' ? shared.reader : shared.learnedReader;
			if (reader?.next(record, nowMs) !== true) {
				if (!nextTeachingStage(shared)) return left;
				continue;
			}
			left--;
			if (shared.role === 'own share' && shared.teaching === 'local') shared.push(record.updateId);
			// An entry modified since the lesson began comes again at the end of the list: told now, then pushed.
			const isPast = ((record.updateId - shared.teachingLocalId) | 0) > 0;
			if (this.#isForPeer(shared, record)) this.#send(type, shared, nowMs);
			if (shared.teaching === 'local' && isPast) {
				shared.teachingLocalId = record.updateId;
				nextTeachingStage(shared);
			}
		}
		return 0;
	}

	/** The table is shared no more. */
	forget(shared: SharedTable): void {
		if (this.announcedTable === shared) this.announcedTable = undefined;
	}

	#isForPeer(shared: SharedTable, record: EntryRecord): boolean {
		const { shard } = this.#peer;
		return shard === 0 || this.#host.isInShard(shared, record, shard);
	}

	/** The entry in the table's record. */
	#send(type: number, shared: SharedTable, nowMs: number): void {
		const { writer } = this.#host;
		const { record, table, keySize } = shared;
		const start = writer.length;
		writer.update(type, table.keyType, table.columns, record, this.dictionary);
		if (keySize === undefined && record.keyLength < OLD_DEFAULT_STRING_KEY_SIZE) {
			this.#repeated.push(Buffer.from(writer.buffer.subarray(start, writer.length)));
		}
		this.lastSignMs = nowMs;
		this.#peer.updatesSent++;
		if (!writer.hasRoom()) this.#empty();
	}

	/** Updates of this pass once more, under the definition with the key size of the old default (protocol.ts). */
	repeatForOldKeySize(shared: SharedTable): void {
		if (this.#repeated.length === 0) return;
		const { writer } = this.#host;
		writer.definition(this.#peer.oldSizeId(shared), shared.table, OLD_DEFAULT_STRING_KEY_SIZE);
		for (const message of this.#repeated) {
			if (!writer.hasRoom()) this.#empty();
			writer.bytes(message);
		}
		this.#repeated.length = 0;
		this.announcedTable = undefined;
	}

	/** HAProxy repeats a definition where a switch would do, and so do we: every receiver is used to it. */
	#announce(shared: SharedTable): void {
		if (this.announcedTable === shared) return;
		this.announcedTable = shared;
		this.#host.writer.definition(shared.localId, shared.table, shared.keySize);
		if (!this.#host.writer.hasRoom()) this.#empty();
	}

	#empty(): void {
		this.#flushes++;
		this.#flush();
	}
}

/** False: the table is told. */
function nextTeachingStage(shared: SharedTable): boolean {
	shared.teaching = shared.teaching === 'local' ? 'learned' : 'done';
	return shared.teaching === 'learned';
}
