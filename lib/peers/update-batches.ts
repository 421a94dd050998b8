/**
 * Updates that several peers get alike are read from the table and encoded once. In a mesh of N nodes each
 * counted request would else be encoded N - 1 times, and all peers that keep up stand at the same place of the
 * same list.
 *
 * The first session that pushes from a place leaves its bytes here; the next one that stands at that place takes
 * them and moves its own place to their end. That is the same as if it had read together with the first: what was
 * modified since has a later id and comes again. Ages of rates are of the moment of encoding, so bytes are
 * used within the same millisecond only, which is long enough: all sessions make their pass at the same news.
 *
 * Not for tables with `server_key`: its strings are sent by ids that belong to one session.
 */
import type { MessageWriter } from './encode.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { SharedTable } from './shared-table.js';

export interface UpdateBatch {
	readonly bytes: Buffer;
	readonly count: number;
	/** Id of its last update. */
	readonly lastId: number;
	/** It went to the end of the list. */
	readonly isWhole: boolean;
	/** Encoded for a peer that reads updates with times. */
	readonly sendsTimes: boolean;
	readonly atMs: number;
	/** The place before its first update: an id, or the start of the list. */
	readonly fromId: number;
	readonly fromStart: boolean;
}

/** Fewer than that are not worth a copy. */
const MIN_UPDATES = 2;

export class UpdateBatches {
	readonly #latest = new Map<ReplicatedTable, UpdateBatch>();
	readonly #isShareable = new Map<ReplicatedTable, boolean>();

	/** What was encoded from the place where the peer stands, a moment ago. */
	find({ table, pushedId, hasPushed }: SharedTable, nowMs: number, sendsTimes: boolean): UpdateBatch | undefined {
		const batch = this.#latest.get(table);
		if (batch === undefined || batch.atMs !== nowMs || batch.sendsTimes !== sendsTimes) return undefined;
		if (batch.fromStart === hasPushed || (hasPushed && batch.fromId !== pushedId)) return undefined;
		return batch;
	}

	/** The updates that stand in the writer from `start` on. */
	keep(
		{ table, pushedId }: SharedTable,
		from: { readonly id: number; readonly isStart: boolean },
		writer: MessageWriter,
		start: number,
		batch: Pick<UpdateBatch, 'count' | 'isWhole' | 'sendsTimes' | 'atMs'>,
	): void {
		if (batch.count < MIN_UPDATES) return;
		const bytes = Buffer.from(writer.buffer.subarray(start, writer.length));
		this.#latest.set(table, { ...batch, bytes, lastId: pushedId, fromId: from.id, fromStart: from.isStart });
	}

	/** Whether its updates are the same bytes for every peer. */
	isShareable(table: ReplicatedTable): boolean {
		let isShareable = this.#isShareable.get(table);
		if (isShareable === undefined) {
			isShareable = table.columns.every(({ dataType }) => dataType.class !== 'string');
			this.#isShareable.set(table, isShareable);
		}
		return isShareable;
	}

	forget(table: ReplicatedTable): void {
		this.#latest.delete(table);
		this.#isShareable.delete(table);
	}
}
