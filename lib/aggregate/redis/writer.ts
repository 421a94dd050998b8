/**
 * What this node has changed in one table, to Redis.
 *
 *     new --line entered--> absorbing --own share read--> open <--> unsure
 *
 * The table's update list (stick-table/update-list.ts) says what has changed since the last round, each entry once however
 * often it was counted: rounds coalesce by themselves, and a slow Redis makes them larger, not more. Each batch says up
 * to which update id it goes, and the directory keeps the id of the last one with the entries, in one step. So after
 * whatever has happened to the connection or to Redis, the directory tells where to go on:
 *
 *     our line, an id of ours      from there: a batch whose answer was lost, or that a fail-over has lost, comes again
 *     no line                      Redis was emptied: everything again
 *     another process's line       it took over while this one was stopped for longer than a heartbeat lives: writing ends
 *
 * A share whose hash has fewer entries after a batch than before it was removed or evicted behind our back, and our line
 * was not: all of it is told again.
 *
 * A share has one writer, the process that has claimed the node's name (replication.ts). When it enters a line where an
 * earlier process left one, it first reads what that one had counted and adds it to its own table, and only then writes,
 * so that what the others see of this node never falls.
 */
import type { Clock } from '../../core/clock.js';
import type { EntryRecord } from '../../peers/entry-record.js';
import type { EntryView, StickTable } from '../../stick-table/table.js';
import type { UpdateReader } from '../../stick-table/update-list.js';
import type { RedisClient } from './client.js';
import type { EntryCodec } from './entries.js';
import { formatLine, type NodeLine, parseLine, type TableKeys } from './keys.js';
import type { RedisLink } from './link.js';
import { Sweeper } from './sweeper.js';

/** Entries of one script: some hundred microseconds of Redis's time. */
export const BATCH_ENTRIES = 400;
/** Entries of one round: what is more waits for the next one, and other work has its turn. */
const ROUND_ENTRIES = 8000;
const SCAN_COUNT = 1000;
/** Fields looked at in one round while an own share is read. */
const SCAN_PAGES = 5;
/** Longest log of batches; it is trimmed by time long before (reader.ts). */
export const LOG_LENGTH = 100_000;
/** Entries are kept a little longer than they live, for clocks. */
const LIFE_MARGIN_MS = 60_000;
export const NEWLINE = 0x0a;
/** What is to be given a life is there by then. */
const FIRST_RENEW_MS = 1000;
/** Longest time between two renewals of what has no life of its own. */
const MAX_RENEW_MS = 3_600_000;
const MAX_UPDATE_ID = 2 ** 32;

export interface WriterOptions {
	readonly table: StickTable;
	readonly wireName: string;
	readonly keys: TableKeys;
	readonly signature: string;
	readonly codec: EntryCodec;
	readonly record: EntryRecord;
	readonly link: RedisLink;
	readonly clock: Clock;
	/** How long entries that live for ever stay in Redis when nobody renews them. */
	readonly keepMs: number;
	/** Only this node writes to these entries. */
	readonly isOwnShare: boolean;
	/** An entry that an earlier process of this node has left. */
	readonly absorb: ((record: EntryRecord, life: number, nowMs: number) => void) | undefined;
	readonly complain: (text: string) => void;
	/** Redis has lost what was told. */
	readonly emptied: () => void;
}

export type WriterState = 'new' | 'absorbing' | 'open' | 'unsure' | 'lost';

export class ShareWriter {
	readonly #options: WriterOptions;
	readonly #view: EntryView;
	/** A batch in the making. */
	readonly #text: Buffer;
	readonly #sweeper: Sweeper;
	#local: UpdateReader | undefined;
	#learned: UpdateReader | undefined;
	#state: WriterState = 'new';
	/** As the directory has it. */
	#line: NodeLine | undefined;
	#absorbed: { life: number; cursor: string } | undefined;
	#epoch = -1;
	#nextRenewMs = 0;
	/** Entries of Redis, as of the last write; 0: not known. */
	entryCount = 0;
	batchesWritten = 0;
	entriesWritten = 0;

	constructor(options: WriterOptions) {
		this.#options = options;
		this.#view = options.table.newView();
		this.#text = Buffer.allocUnsafeSlow(BATCH_ENTRIES * (options.codec.longestText + 1));
		this.#sweeper = new Sweeper(options);
		options.table.updates.enable();
	}

	get state(): WriterState {
		return this.#state;
	}

	/** As which life of its node it writes this table; undefined: not yet. */
	get life(): number | undefined {
		return this.#line?.life;
	}

	/** Up to which update id Redis has what was changed here. */
	get writtenId(): number {
		return this.#line?.updateId ?? 0;
	}

	/** Update ids that Redis lacks, ids having gaps. */
	get pendingUpdates(): number {
		return Math.max(0, (this.#options.table.updates.localId - this.writtenId) | 0);
	}

	hasNews(): boolean {
		return this.#state !== 'open' || this.#learned !== undefined || this.#local?.hasNext() !== false;
	}

	/** One round. `life`: of this process; a later one when Redis knows of one as late. Returns the life it has now. */
	async step(client: RedisClient, node: string, life: number): Promise<number> {
		const { link } = this.#options;
		if (this.#epoch !== link.epoch) {
			this.#epoch = link.epoch;
			if (this.#state === 'open') this.#state = 'unsure';
		}
		let now = life;
		if (this.#state === 'new' || this.#state === 'unsure') now = await this.#enter(client, node, life);
		if (this.#state === 'absorbing') await this.#absorb(client, node);
		if (this.#state === 'open') {
			if (this.#options.clock.monotonicMs() >= this.#nextRenewMs) await this.#renew(client, node);
			await this.#write(client, node);
			await this.#sweep(client, node);
		}
		return now;
	}

	/**
	 * Nothing in Redis lives for ever: while this node is there it says so now and then, and what nobody speaks for any more
	 * goes by itself.
	 */
	async #renew(client: RedisClient, node: string): Promise<void> {
		const { keys, keepMs, table, clock } = this.#options;
		const lifeMs = Math.max(keepMs, entriesLifeMs(this.#options));
		await client.pexpire(keys.directory, lifeMs);
		await client.pexpire(keys.log, lifeMs);
		if (table.model.expireMs === undefined) await client.pexpire(keys.entriesOf(node), keepMs);
		this.#nextRenewMs = clock.monotonicMs() + Math.min(MAX_RENEW_MS, keepMs / 4) * (0.75 + Math.random() / 4);
	}

	async #sweep(client: RedisClient, node: string): Promise<void> {
		const before = this.#sweeper.removed;
		try {
			await this.#sweeper.step(client, node, this.entryCount);
			this.entryCount -= this.#sweeper.removed - before;
		} catch (error) {
			this.entryCount = 0;
			throw error;
		}
	}

	/** The next step asks the directory first: something of what was on its way may be lost. */
	doubt(): void {
		if (this.#state === 'open') this.#state = 'unsure';
	}

	close(): void {
		this.#local?.close();
		this.#learned?.close();
		this.#state = 'lost';
		this.#local = undefined;
		this.#learned = undefined;
	}

	// ---- the line of this node in the directory

	async #enter(client: RedisClient, node: string, life: number): Promise<number> {
		const { keys, signature } = this.#options;
		const text = (await client.hget(keys.directory, node)) ?? '';
		const found = text === '' ? undefined : parseLine(text);
		if (found !== undefined && found.life === this.#line?.life && this.#state === 'unsure') {
			// A fail-over has lost batches, and entries with them.
			if (found.sequence < this.#line.sequence) this.entryCount = 0;
			this.#line = found;
			// 0: nothing was written yet; as an id it would be one after the counter has wrapped.
			if (found.updateId === 0) this.#local?.seekStart();
			else this.#local?.seek(found.updateId % MAX_UPDATE_ID);
			// A first telling that was cut off begins anew: its entries are not in the order of ids.
			if (this.#learned !== undefined) this.#startOver();
			this.#state = 'open';
			return Math.max(life, found.life);
		}
		if (found !== undefined && this.#state === 'unsure') {
			this.#state = 'lost';
			this.#options.complain(
				`another process called '${node}' has taken over while this one was stopped or cut off; what is counted here from now on is missing in the sums of other nodes`,
			);
			return life;
		}
		const wasEmptied = this.#state === 'unsure';
		if (text !== '' && found === undefined) {
			this.#options.complain(`key '${keys.directory}' has a damaged line for '${node}', it is written anew`);
		}
		const later = found !== undefined && found.life >= life ? found.life + 1 : life;
		const line: NodeLine = {
			life: later,
			// Readers know the numbers so far, and would take a lower one for an old batch.
			sequence: Math.max(found?.sequence ?? 0, this.#line?.sequence ?? 0),
			updateId: 0,
			signature,
		};
		if ((await client.holdfastEnter(keys.directory, node, text, formatLine(line))) !== 1) return life;
		this.#line = line;
		if (wasEmptied) this.#options.emptied();
		if (this.#options.absorb !== undefined && !wasEmptied) {
			if (found === undefined || found.signature === signature) {
				this.#absorbed = { life: found?.life ?? 1, cursor: '0' };
				this.#state = 'absorbing';
				return later;
			}
			this.#options.complain(
				`table '${this.#options.wireName}' stored other data before, or for other periods: what this node had counted in it is not taken back`,
			);
			await client.unlink(keys.entriesOf(node));
		}
		this.#startOver();
		return later;
	}

	/** All of it: what was changed here, and before that what stems from others, which Redis may lack. */
	#startOver(): void {
		const { updates } = this.#options.table;
		this.#local ??= updates.openReader('local');
		this.#local.seekStart();
		this.#learned ??= updates.openReader('learned');
		this.#learned.seekStart();
		this.#nextRenewMs = this.#options.clock.monotonicMs() + FIRST_RENEW_MS;
		this.#state = 'open';
	}

	/** What an earlier process of this node has counted. Live counting goes on meanwhile; it is added, not overwritten. */
	async #absorb(client: RedisClient, node: string): Promise<void> {
		const { keys, codec, record, link, clock, absorb, complain } = this.#options;
		const progress = this.#absorbed;
		for (let page = 0; page < SCAN_PAGES && progress !== undefined; page++) {
			const [cursor, pairs] = await client.hscan(keys.entriesOf(node), progress.cursor, 'COUNT', SCAN_COUNT);
			const nowMs = clock.monotonicMs();
			const redisMs = link.redisMs(nowMs) ?? 0;
			for (let i = 0; i + 1 < pairs.length; i += 2) {
				if (!codec.decode(pairs[i]!, pairs[i + 1]!, record, redisMs)) {
					complain(`key '${keys.entriesOf(node)}' holds entries that are damaged or not ours, they are left out`);
				} else if (record.expireMs > 0 || this.#options.table.model.expireMs === undefined) {
					if (this.#options.table.model.expireMs === undefined) record.isTimed = false;
					absorb?.(record, progress.life, nowMs);
				}
			}
			progress.cursor = cursor;
			if (cursor !== '0') continue;
			this.#absorbed = undefined;
			this.#startOver();
			return;
		}
	}

	// ---- batches

	async #write(client: RedisClient, node: string): Promise<void> {
		const { link, clock, isOwnShare, signature } = this.#options;
		const nowMs = clock.monotonicMs();
		const redisMs = link.redisMs(nowMs);
		let line = this.#line;
		if (redisMs === undefined || line === undefined || this.#local === undefined) return;
		const sent: { readonly answer: Promise<number | string>; readonly line: NodeLine }[] = [];
		let count = 0;
		let isLast = false;
		while (count < ROUND_ENTRIES && !isLast) {
			const fills = this.#learned !== undefined;
			const reader = this.#learned ?? this.#local;
			const text = this.#text;
			let end = 0;
			let entries = 0;
			for (; entries < BATCH_ENTRIES && reader.next(this.#view, nowMs); entries++) {
				end = this.#options.codec.encodeInto(text, end, this.#view, redisMs);
				text[end++] = NEWLINE;
			}
			if (fills && entries < BATCH_ENTRIES) {
				this.#learned?.close();
				this.#learned = undefined;
			} else isLast = entries < BATCH_ENTRIES;
			if (entries === 0) continue;
			count += entries;
			const next: NodeLine = {
				life: line.life,
				sequence: line.sequence + 1,
				// Until all that was learned is told, nothing is resumed half-way.
				updateId: fills ? line.updateId : this.#local.position,
				signature,
			};
			const flags = fills && !isOwnShare ? 'f' : '-';
			// A copy: the client keeps it until it is answered.
			const lines = Buffer.from(text.subarray(0, end - 1));
			const answer = this.#send(client, node, line, next, flags, redisMs, lines);
			// Waited for below; one that fails must not bring the process down before.
			answer.catch(() => {});
			sent.push({ answer, line: next });
			line = next;
		}
		let isLessThanBefore = false;
		try {
			for (const { answer, line: written } of sent) {
				const result = await answer;
				if (typeof result !== 'number') {
					this.#state = 'unsure';
					return;
				}
				this.#line = written;
				isLessThanBefore ||= isOwnShare && result < this.entryCount;
				this.entryCount = result;
				this.batchesWritten++;
			}
			if (isLessThanBefore) {
				this.#startOver();
				this.#options.emptied();
			}
			this.entriesWritten += count;
		} catch (error) {
			this.#state = 'unsure';
			throw error;
		}
	}

	/** A batch without entries: what the others know of this node is up to date, and it is there. */
	async tell(client: RedisClient, node: string, flags: string): Promise<void> {
		const { link, clock } = this.#options;
		const line = this.#line;
		const redisMs = link.redisMs(clock.monotonicMs());
		if (line === undefined || redisMs === undefined || this.#state !== 'open') return;
		const next = { ...line, sequence: line.sequence + 1 };
		const result = await this.#send(client, node, line, next, flags, redisMs, Buffer.alloc(0));
		if (typeof result === 'number') this.#line = next;
		else this.#state = 'unsure';
	}

	/** One batch, of the entries in `lines`: resolves with how many Redis has then, or with why it was not taken. */
	#send(
		client: RedisClient,
		node: string,
		line: NodeLine,
		next: NodeLine,
		flags: string,
		redisMs: number,
		lines: Buffer,
	): Promise<number | string> {
		const { keys } = this.#options;
		return client.holdfastWrite(
			keys.directory,
			keys.entriesOf(node),
			keys.log,
			node,
			formatLine(line),
			formatLine(next),
			entriesLifeMs(this.#options),
			flags,
			redisMs,
			LOG_LENGTH,
			lines,
		);
	}
}

/** How long a hash of entries outlives its last batch. */
export function entriesLifeMs({ table, keepMs }: Pick<WriterOptions, 'table' | 'keepMs'>): number {
	const { expireMs } = table.model;
	return expireMs === undefined ? keepMs : expireMs + LIFE_MARGIN_MS;
}
