/**
 * Removes entries from Redis that are over: fields of a hash have no expiry of their own there (before 7.4, and not with
 * every server that speaks the protocol), only the whole hash has one, which removes the share of a node that is gone for
 * good.
 *
 * An own share is swept by its node: what its table does not have any more has expired, was evicted or cleared, and must
 * not come back with the node's next process. The
 * common hash of a table that is overwritten is swept by whichever node comes first each time; there only what is over by
 * its own date goes, and, when the hash has outgrown the table, what this node's table has evicted. A field goes only if
 * it still has the value that was looked at, so nothing that has just been written is lost.
 */
import type { Clock } from '../../core/clock.js';
import type { StickTable } from '../../stick-table/table.js';
import type { RedisClient } from './client.js';
import type { EntryCodec } from './entries.js';
import type { TableKeys } from './keys.js';
import type { RedisLink } from './link.js';

/** Between two sweeps, unless there is much to sweep. */
const SWEEP_INTERVAL_MS = 15_000;
/** Sweeps left out while an own share holds only a little too much. */
const PATIENCE = 4;
/** Fields looked at in one round, and where Redis holds twice what the table does: a flood of keys must not outrun it. */
const SCAN_COUNT = 500;
const SCAN_COUNT_FLOODED = 3000;
/** Entries beyond those of the table that call for a sweep. */
const SLACK = 1.25;
const SLACK_ENTRIES = 200;

export interface SweeperOptions {
	readonly table: StickTable;
	readonly keys: TableKeys;
	readonly codec: EntryCodec;
	readonly link: RedisLink;
	readonly clock: Clock;
	readonly isOwnShare: boolean;
}

export class Sweeper {
	readonly #options: SweeperOptions;
	/** Of the scan that goes on. */
	#cursor: string | undefined;
	#nextMs: number;
	#skipped = 0;
	/** Entries removed since the start. */
	removed = 0;

	constructor(options: SweeperOptions) {
		this.#options = options;
		this.#nextMs = options.clock.monotonicMs() + SWEEP_INTERVAL_MS * (0.5 + Math.random());
	}

	/** `entryCount`: of the hash. */
	async step(client: RedisClient, node: string, entryCount: number): Promise<void> {
		const { clock, table, keys, isOwnShare } = this.#options;
		const nowMs = clock.monotonicMs();
		if (this.#cursor === undefined) {
			const isMuch = entryCount > table.usedCount() * SLACK + SLACK_ENTRIES;
			if (nowMs < this.#nextMs && !(isMuch && nowMs > this.#nextMs - SWEEP_INTERVAL_MS * 0.9)) return;
			this.#nextMs = nowMs + SWEEP_INTERVAL_MS * (0.75 + Math.random() / 2);
			const isSome = isOwnShare && entryCount > table.usedCount();
			if (!isMuch && !(isSome && ++this.#skipped >= PATIENCE)) return;
			this.#skipped = 0;
			this.#cursor = '0';
		}
		const count = entryCount > table.usedCount() * 2 ? SCAN_COUNT_FLOODED : SCAN_COUNT;
		const [cursor, pairs] = await client.hscan(keys.entriesOf(node), this.#cursor, 'COUNT', count);
		this.#cursor = cursor === '0' ? undefined : cursor;
		const over = this.#over(pairs, entryCount > table.model.size);
		if (over.length > 0) this.removed += await client.holdfastSweep(keys.entriesOf(node), ...over);
	}

	#over(pairs: readonly string[], isOutgrown: boolean): string[] {
		const { clock, link, codec, table, isOwnShare } = this.#options;
		const nowMs = clock.monotonicMs();
		const redisMs = link.redisMs(nowMs);
		const over: string[] = [];
		const view = table.newView();
		for (let i = 0; i + 1 < pairs.length && redisMs !== undefined; i += 2) {
			const expiresAtMs = codec.expiresAtMs(pairs[i + 1]!);
			const isOver = expiresAtMs !== undefined && expiresAtMs < redisMs;
			const mayGo = isOwnShare || isOutgrown;
			const key = isOver || !mayGo ? undefined : Buffer.from(pairs[i]!, 'base64');
			const isHere = key === undefined || table.copyByKeyBytes(key, key.length, view, nowMs);
			if (isOver || !isHere) over.push(pairs[i]!, pairs[i + 1]!);
		}
		return over;
	}
}
