/**
 * Shares of nodes that are away, back into a Redis that was emptied.
 *
 * A node that is there tells its own share again (writer.ts). One that is not would find nothing when it comes back, though
 * every other node still has a copy of what it counted. So whoever has noticed that Redis lost its own line looks, at once
 * and a few times more in the following moments, for nodes whose share it knows, whose heart does not beat and that the
 * directory does not name, and writes their entries back.
 *
 * Nobody is overwritten by it: the first batch goes only where there is no line, each further one only where the line is
 * still the one of the batch before, so that of several nodes one does it, and the owner who comes meanwhile takes over,
 * keeping what is there by then. Batches are marked: readers take of them what is newer than what they know, and do not take
 * the node for alive. The line carries the life of the process that had counted, and says that none of its updates is told:
 * if it was only cut off, it goes on as itself and tells everything again.
 *
 * What it gives up: the copy is that of the first one to come, which lacks what it had not read when Redis was emptied; and
 * entries of a node that comes back before the first batch. Tables that are overwritten need none of this, all nodes have
 * them whole.
 */
import type { Clock } from '../../core/clock.js';
import type { Life, SummedTable } from '../shares.js';
import type { RedisClient } from './client.js';
import type { EntryCodec } from './entries.js';
import { formatLine, type TableKeys } from './keys.js';
import type { RedisLink } from './link.js';
import { BATCH_ENTRIES, LOG_LENGTH, NEWLINE } from './writer.js';

/** When it is looked for the missing, in lives of a heartbeat: some have died together with Redis, which shows later. */
const ATTEMPTS = [0, 3, 6, 12];

export interface RestorerOptions {
	readonly summed: SummedTable;
	readonly keys: TableKeys;
	readonly signature: string;
	readonly codec: EntryCodec;
	readonly link: RedisLink;
	readonly clock: Clock;
	readonly heartbeatLifeMs: number;
	/** How long the entries stay when nobody comes. */
	readonly lifeMs: number;
	readonly isAlive: (node: string) => boolean;
	/** As which life of its node the share was written last. */
	readonly lifeOf: (node: string) => number;
	readonly note: (text: string) => void;
}

export class ShareRestorer {
	readonly #options: RestorerOptions;
	readonly #dueMs: number[] = [];
	/** Shares written back since the start. */
	restored = 0;

	constructor(options: RestorerOptions) {
		this.#options = options;
	}

	/** Redis has lost what was in it. */
	emptied(): void {
		const { clock, heartbeatLifeMs } = this.#options;
		const nowMs = clock.monotonicMs();
		this.#dueMs.splice(0, this.#dueMs.length, ...ATTEMPTS.map((lives) => nowMs + lives * heartbeatLifeMs));
	}

	async step(client: RedisClient): Promise<void> {
		const { summed, keys, clock, isAlive } = this.#options;
		const dueMs = this.#dueMs[0];
		if (dueMs === undefined || clock.monotonicMs() < dueMs) return;
		this.#dueMs.shift();
		const missing = [...summed.origins.values()].filter(
			({ name, via, lives }) =>
				via === 'redis' && name !== summed.localName && !name.endsWith('#other') && lives.length > 0 && !isAlive(name),
		);
		if (missing.length === 0) return;
		const lines = await client.hgetall(keys.directory);
		for (const { name, lives } of missing) {
			const [life] = lives;
			if (!Object.hasOwn(lines, name) && life !== undefined) await this.#restore(client, name, life);
		}
	}

	async #restore(client: RedisClient, node: string, { table }: Life): Promise<void> {
		const { keys, signature, codec, link, clock, lifeMs, lifeOf, note } = this.#options;
		const text = Buffer.allocUnsafe(BATCH_ENTRIES * (codec.longestText + 1));
		const life = lifeOf(node);
		let line = '';
		let sequence = 0;
		let end = 0;
		let entries = 0;
		const write = async (): Promise<boolean> => {
			const redisMs = link.redisMs(clock.monotonicMs());
			if (redisMs === undefined) return false;
			const next = formatLine({ life, sequence: ++sequence, updateId: 0, signature });
			const lines = Buffer.from(text.subarray(0, end - 1));
			const { directory, log } = keys;
			const result = await client.holdfastWrite(
				directory,
				keys.entriesOf(node),
				log,
				node,
				line,
				next,
				lifeMs,
				'b',
				redisMs,
				LOG_LENGTH,
				lines,
			);
			line = next;
			end = 0;
			entries = 0;
			return typeof result === 'number';
		};
		for (const view of table.entries(() => clock.monotonicMs())) {
			if (view.remainingMs !== undefined && view.remainingMs <= 0) continue;
			const redisMs = link.redisMs(view.nowMs);
			if (redisMs === undefined) return;
			end = codec.encodeInto(text, end, view, redisMs);
			text[end++] = NEWLINE;
			// Somebody else does it, or the node itself is back.
			if (++entries === BATCH_ENTRIES && !(await write())) return;
		}
		if (entries > 0 && !(await write())) return;
		if (sequence === 0) return;
		this.restored++;
		note(`has lost what node '${node}' had told, which is away: it is written back from what is known of it here`);
	}
}
