/**
 * The peers sections that go through Redis, in the control thread. A connection outlives reloads as long as its line stays
 * the same; the tables of the new configuration go on where those of the old one were.
 */
import type { Aggregation } from '../aggregate/aggregation.js';
import { RedisReplication, type RedisStatus } from '../aggregate/redis/replication.js';
import type { SyncedTable } from '../aggregate/redis/table-sync.js';
import type { RedisModel } from '../config/model.js';
import { systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { StickTable } from '../stick-table/table.js';

export interface RedisSection {
	readonly name: string;
	readonly model: RedisModel;
	readonly localName: string;
	/** Tables that the last writer overwrites. */
	readonly tables: readonly StickTable[];
	/** Those that are summed; undefined: none. */
	readonly aggregation: Aggregation | undefined;
}

export class RedisKeeper {
	readonly #logger: Logger;
	#replications = new Map<string, RedisReplication>();

	constructor(logger: Logger) {
		this.#logger = logger;
	}

	/** Runs these sections in place of those before, connecting when `ready` is settled. */
	serve(sections: readonly RedisSection[], hasOldProcess: boolean, ready: Promise<void>): void {
		const former = this.#replications;
		this.#replications = new Map();
		for (const { name, model, localName, tables, aggregation } of sections) {
			const synced: SyncedTable[] = tables.map((table) => ({ table, summed: undefined }));
			for (const summed of aggregation?.summed.values() ?? []) {
				if (summed.own !== undefined) synced.push({ table: summed.own, summed });
			}
			const before = former.get(name);
			if (before?.isSameAs(model, localName) === true) {
				before.reload(synced);
				this.#replications.set(name, before);
				former.delete(name);
				continue;
			}
			const replication = new RedisReplication({
				sectionName: name,
				model,
				localName,
				life: aggregation?.life ?? Math.floor(systemClock.wallMs()),
				onLaterLife: (life) => aggregation?.becomeLife(life),
				tables: synced,
				hasOldProcess,
				predecessor: before,
				clock: systemClock,
				log: this.#logger,
			});
			this.#replications.set(name, replication);
			void ready.then(() => {
				if (this.#replications.get(name) === replication) replication.start();
			});
		}
		for (const [name, replication] of former) {
			// Another line of the same section goes on with its tables and its name; else this node is gone from there.
			if (this.#replications.has(name)) replication.close();
			else void replication.leave();
		}
	}

	/** Says the last words: what was counted, and that this process goes. Within two seconds. */
	async leave(): Promise<void> {
		await Promise.all([...this.#replications.values()].map((replication) => replication.leave()));
	}

	describe(): RedisStatus[] {
		return [...this.#replications.values()].map((replication) => replication.describe());
	}
}
