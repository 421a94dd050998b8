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
import type { EntryView } from '../../stick-table/entry-view.js';
import type { SummedTable } from '../shares.js';
import type { RedisClient } from './client.js';
import type { EntryCodec } from './entries.js';
import { formatLine, type TableKeys } from './keys.js';
import type { RedisLink } from './link.js';
import { BATCH_ENTRIES, LOG_LENGTH, NEWLINE } from './writer.js';

/** When it is looked for the missing, in lives of a heartbeat: some have died together with Redis, which shows later. */
const ATTEMPTS = [0, 3, 6, 12];
/** Of one round, which is to be over soon. */
const ROUND_BATCHES = 10;

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

/** A share that is being written back. */
interface Restoring {
	readonly node: string;
	readonly life: number;
	readonly entries: Generator<EntryView>;
	/** The line as the batch before has left it; '' before the first one. */
	line: string;
	sequence: number;
	/** A batch that was not answered yet; it comes again as it was. */
	text: Buffer | undefined;
}

export class ShareRestorer {
	readonly #options: RestorerOptions;
	readonly #dueMs: number[] = [];
	readonly #missing: string[] = [];
	#current: Restoring | undefined;
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
		this.#missing.length = 0;
		this.#current = undefined;
	}

	async step(client: RedisClient): Promise<void> {
		const dueMs = this.#dueMs[0];
		if (dueMs !== undefined && this.#options.clock.monotonicMs() >= dueMs) {
			this.#dueMs.shift();
			await this.#look(client);
		}
		for (let batches = 0; batches < ROUND_BATCHES; batches++) {
			this.#current ??= this.#next();
			if (this.#current === undefined) return;
			if (await this.#batch(client, this.#current)) continue;
			this.#current = undefined;
		}
	}

	/** Whose share is known here, and in Redis nothing of it. */
	async #look(client: RedisClient): Promise<void> {
		const { summed, keys, isAlive } = this.#options;
		const away = [...summed.origins.values()].filter(
			({ name, via, lives }) =>
				via === 'redis' && name !== summed.localName && !name.endsWith('#other') && lives.length > 0 && !isAlive(name),
		);
		if (away.length === 0) return;
		const lines = await client.hgetall(keys.directory);
		const missing = away.map(({ name }) => name).filter((name) => !Object.hasOwn(lines, name));
		this.#missing.splice(0, this.#missing.length, ...missing);
	}

	#next(): Restoring | undefined {
		const { summed, clock, lifeOf } = this.#options;
		const node = this.#missing.pop();
		const table = node === undefined ? undefined : summed.origins.get(node)?.lives[0]?.table;
		if (node === undefined || table === undefined) return undefined;
		return {
			node,
			life: lifeOf(node),
			entries: table.entries(() => clock.monotonicMs()),
			line: '',
			sequence: 0,
			text: undefined,
		};
	}

	/** Returns whether there may be more of it to write. */
	async #batch(client: RedisClient, current: Restoring): Promise<boolean> {
		const { keys, signature, link, clock, lifeMs, note } = this.#options;
		const redisMs = link.redisMs(clock.monotonicMs());
		if (redisMs === undefined) return false;
		current.text ??= this.#textOf(current.entries, redisMs);
		if (current.text.length === 0) {
			const { node, sequence } = current;
			if (sequence === 0) return false;
			this.restored++;
			note(`has lost what node '${node}' had told, which is away: it is written back from what is known of it here`);
			return false;
		}
		const sequence = current.sequence + 1;
		const line = formatLine({ life: current.life, sequence, updateId: 0, signature });
		const result = await client.holdfastWrite(
			keys.directory,
			keys.entriesOf(current.node),
			keys.log,
			current.node,
			current.line,
			line,
			lifeMs,
			'b',
			redisMs,
			LOG_LENGTH,
			current.text,
		);
		// Somebody else does it, or the node itself is back; or it was written before, and the answer lost.
		if (typeof result !== 'number' && result !== line) return false;
		current.text = undefined;
		current.line = line;
		current.sequence = sequence;
		return true;
	}

	/** The next entries; nothing: that was all. */
	#textOf(entries: Generator<EntryView>, redisMs: number): Buffer {
		const { codec } = this.#options;
		const text = Buffer.allocUnsafe(BATCH_ENTRIES * (codec.longestText + 1));
		let end = 0;
		for (let count = 0; count < BATCH_ENTRIES; ) {
			const { done, value: view } = entries.next();
			if (done === true) break;
			if (view.remainingMs !== undefined && view.remainingMs <= 0) continue;
			end = codec.encodeInto(text, end, view, redisMs);
			text[end++] = NEWLINE;
			count++;
		}
		return text.subarray(0, Math.max(0, end - 1));
	}
}
