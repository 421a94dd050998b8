/**
 * What the other nodes have written of one table, from Redis.
 *
 * Every batch of every node is one item of one stream, entries included: a round is one command per table and brings what
 * is new from all nodes, whether there are two or two hundred. The stream is kept for some seconds only. What is older is
 * in the hashes, which hold the last value of each entry; they are read where the stream cannot help, in pages, while the
 * stream is followed further:
 *
 *     at the start                        all nodes
 *     a number of a node's batches lacks  that node (the stream was trimmed, or a fail-over has lost its end)
 *     the directory has another number    that node; looked at every few seconds, in case it has fallen silent since
 *     connections are counted, and a node that was taken for gone is there: that node, whose connections were left out;
 *                                         all nodes if it was this one that was cut off for longer than a heartbeat lives
 *
 * The order of reading keeps values from falling back for good: first where the stream ends, then the directory's
 * numbers, then the entries. Batches that come again by that are older than what was read, and are followed by newer ones.
 */
import type { Clock } from '../../core/clock.js';
import type { EntryRecord } from '../../peers/entry-record.js';
import type { RedisClient } from './client.js';
import type { EntryCodec } from './entries.js';
import { type NodeKeys, type NodeLine, parseLine, type TableKeys } from './keys.js';
import type { RedisLink } from './link.js';

const ITEMS_AT_ONCE = 200;
/** Of one round. */
const MAX_READS = 50;
const SCAN_COUNT = 1000;
const SCAN_PAGES = 8;
const CHECK_INTERVAL_MS = 5000;
const TRIM_INTERVAL_MS = 5000;
/** How long batches stay in the stream. */
export const LOG_KEPT_MS = 20_000;
/** For servers that cannot trim by time. */
const LOG_KEPT_ITEMS = 5000;
const MAX_NODES = 5000;
/** A heart that has not beaten for so long beats no more, whoever's clock is asked. */
const GONE_MS = 60_000;

/** What becomes of entries and batches. */
export interface EntrySink {
	/** An entry that `node` has written; undefined: whoever. `fills`: only where there is none. */
	entry(node: string | undefined, record: EntryRecord, fills: boolean, nowMs: number): void;
	/** A batch of another node, so long after it was made; undefined: its time makes no sense. */
	heard(node: string, lagMs: number | undefined, nowMs: number): void;
	/** An own batch has come by: it says everything up to this update id. */
	echoed(updateId: number): void;
	/** The node says that it goes, or speaks as another process. */
	left(node: string): void;
	/** Its heart beats. */
	isAlive(node: string): boolean;
}

/** Who this node is, for those who read what it wrote. */
export interface OwnName {
	readonly node: string;
	readonly life: number;
}

interface KnownNode {
	life: number;
	sequence: number;
	/** Its table stores other data: nothing of it is taken. */
	isOther: boolean;
}

export interface ReaderOptions {
	readonly wireName: string;
	readonly keys: TableKeys;
	readonly nodeKeys: NodeKeys;
	readonly signature: string;
	/** All nodes write to the same entries. */
	readonly isShared: boolean;
	readonly codec: EntryCodec;
	readonly record: EntryRecord;
	/** The table has entries that live for ever. */
	readonly isTimed: boolean;
	readonly link: RedisLink;
	readonly clock: Clock;
	readonly sink: EntrySink;
	readonly complain: (text: string) => void;
}

export class LogReader {
	readonly #options: ReaderOptions;
	#lastId: string | undefined;
	readonly #nodes = new Map<string, KnownNode>();
	/** Of nodes that the directory has lost. */
	readonly #formerLives = new Map<string, number>();
	/** Entries to be read from hashes: node and cursor, by key. */
	readonly #scans = new Map<string, { readonly node: string; cursor: string }>();
	#nextCheckMs = 0;
	#nextTrimMs: number;
	#canTrimByTime = true;
	#lastReadMs = Number.NEGATIVE_INFINITY;
	#isFirstDone = false;
	#isOwnLineMissing = false;
	/** Numbers were taken from the directory, and the stream was not read to its end since. */
	#isAfterDirectory = false;
	batchesRead = 0;
	entriesRead = 0;
	/** Shares that were read from their hashes, the first time included. */
	scans = 0;

	constructor(options: ReaderOptions) {
		this.#options = options;
		this.#nextTrimMs = options.clock.monotonicMs() + TRIM_INTERVAL_MS * Math.random();
	}

	/** All that was there at the start has been read. */
	get isFirstDone(): boolean {
		return this.#isFirstDone;
	}

	/** Nothing is left to be read from hashes, and the stream was read to its end in the last round. */
	get isCaughtUp(): boolean {
		return this.#isFirstDone && this.#scans.size === 0;
	}

	/** The directory has been looked at, and does not know this node: Redis has been emptied, at least of this table. */
	get isOwnLineMissing(): boolean {
		return this.#isOwnLineMissing;
	}

	get nodes(): Iterable<string> {
		return this.#nodes.keys();
	}

	/** The entries of all are read again. */
	readAgain(): void {
		this.#lastId = undefined;
	}

	/** Those of one node are, if it is known. */
	scanAgain(node: string): void {
		if (this.#nodes.has(node)) this.#scanLater(node);
	}

	async step(client: RedisClient, own: OwnName): Promise<void> {
		const ownNode = own.node;
		const { clock } = this.#options;
		const startedMs = clock.monotonicMs();
		let expected: Map<string, NodeLine> | undefined;
		if (this.#lastId === undefined) await this.#start(client, ownNode);
		else if (startedMs >= this.#nextCheckMs || startedMs - this.#lastReadMs > LOG_KEPT_MS / 2) {
			expected = await this.#directory(client);
			this.#isOwnLineMissing = !expected.has(ownNode);
		}
		await this.#readLog(client, own);
		this.#lastReadMs = startedMs;
		if (expected === undefined) this.#isOwnLineMissing = false;
		else await this.#check(client, expected, ownNode);
		await this.#scan(client);
		if (startedMs >= this.#nextTrimMs) await this.#trim(client);
	}

	// ---- the start, and what is noticed later

	async #start(client: RedisClient, ownNode: string): Promise<void> {
		const [last] = await client.xrevrange(this.#options.keys.log, '+', '-', 'COUNT', 1);
		const lines = await this.#directory(client);
		this.#lastId = last?.[0] ?? '0-0';
		this.#isAfterDirectory = true;
		for (const [node, line] of lines) {
			if (node === ownNode) continue;
			this.#know(node, line);
			this.#scanLater(node);
		}
		if (this.#options.isShared) this.#scanLater(ownNode);
		if (this.#scans.size === 0) this.#isFirstDone = true;
	}

	async #directory(client: RedisClient): Promise<Map<string, NodeLine>> {
		const { keys, clock, complain } = this.#options;
		const found = Object.entries(await client.hgetall(keys.directory));
		const lines = new Map<string, NodeLine>();
		for (const [node, text] of found.slice(0, MAX_NODES)) {
			const line = parseLine(text);
			if (line !== undefined) lines.set(node, line);
			else complain(`key '${keys.directory}' holds something that is not ours, it is left out`);
		}
		if (found.length > MAX_NODES) complain(`key '${keys.directory}' names more than ${MAX_NODES} nodes`);
		// With many nodes less often: all of them look.
		this.#nextCheckMs =
			clock.monotonicMs() + CHECK_INTERVAL_MS * Math.max(1, lines.size / 20) * (0.75 + Math.random() / 2);
		return lines;
	}

	/** The stream has been read since: whoever has written more than was seen has been missed. */
	async #check(client: RedisClient, lines: ReadonlyMap<string, NodeLine>, ownNode: string): Promise<void> {
		const { keys } = this.#options;
		let isMissed = false;
		for (const [node, line] of lines) {
			if (node === ownNode) continue;
			const known = this.#nodes.get(node);
			if (known !== undefined && known.life === line.life && known.sequence >= line.sequence) continue;
			isMissed ||= known !== undefined;
			this.#know(node, line);
			this.#scanLater(node);
		}
		if (isMissed) {
			// Where the stream ends may lie before what was read last: a fail-over has lost its end, or the clock of Redis was
			// set back. Else it is followed from where it was left, so that nobody else's batch is passed over.
			const [last] = await client.xrevrange(keys.log, '+', '-', 'COUNT', 1);
			const end = last?.[0] ?? '0-0';
			if (this.#lastId === undefined || isBefore(end, this.#lastId)) this.#lastId = end;
			this.#isAfterDirectory = true;
		}
		for (const node of [...this.#nodes.keys()]) {
			if (!lines.has(node) && !this.#scans.has(keys.entriesOf(node))) this.#forget(node);
		}
		await this.#forgetGone(client, lines, ownNode);
	}

	/**
	 * The line of a node that is gone and has no entries left; where all have the same entries, of one whose name is
	 * forgotten. One is looked at each time: a thousand cost no more than two.
	 */
	async #forgetGone(client: RedisClient, lines: ReadonlyMap<string, NodeLine>, ownNode: string): Promise<void> {
		const { keys, nodeKeys, sink, isShared, link, clock } = this.#options;
		const nodes = [...lines.keys()].filter((node) => node !== ownNode);
		const node = nodes[Math.floor(Math.random() * nodes.length)];
		if (node === undefined || sink.isAlive(node)) return;
		// One that has only just begun has no entries yet, and a heart already.
		const beat = await client.zscore(nodeKeys.beats, node);
		const redisMs = link.redisMs(clock.monotonicMs()) ?? 0;
		if (beat !== null && (isShared || redisMs - Number(beat) < GONE_MS)) return;
		if (!isShared && (await client.exists(keys.entriesOf(node))) !== 0) return;
		await client.hdel(keys.directory, node);
	}

	#forget(node: string): void {
		const known = this.#nodes.get(node);
		this.#nodes.delete(node);
		if (this.#formerLives.size >= MAX_NODES) this.#formerLives.clear();
		if (known !== undefined) this.#formerLives.set(node, known.life);
	}

	/** Of the process that wrote last under the name of a node, as far as it is known here. */
	lifeOf(node: string): number {
		return this.#nodes.get(node)?.life ?? this.#formerLives.get(node) ?? 1;
	}

	#know(node: string, { life, sequence, signature }: NodeLine): KnownNode {
		const { sink, wireName, complain } = this.#options;
		let known = this.#nodes.get(node);
		const isOther = signature !== this.#options.signature;
		if (known === undefined) {
			known = { life, sequence, isOther };
			this.#nodes.set(node, known);
		} else {
			// Connections of the process before are gone, whoever noticed its end.
			if (known.life !== life) sink.left(node);
			known.life = life;
			known.sequence = sequence;
			known.isOther = isOther;
		}
		if (isOther) {
			complain(
				`table '${wireName}' of node '${node}' has other keys or stores other data, or for other periods, than here: nothing is taken from it`,
			);
		}
		return known;
	}

	// ---- the stream

	async #readLog(client: RedisClient, own: OwnName): Promise<void> {
		const { keys } = this.#options;
		for (let i = 0; i < MAX_READS; i++) {
			const answer = await client.xread('COUNT', ITEMS_AT_ONCE, 'STREAMS', keys.log, this.#lastId ?? '0-0');
			const items = answer?.[0]?.[1] ?? [];
			for (const [id, fields] of items) {
				this.#lastId = id;
				this.#batch(fields, own);
			}
			if (items.length >= ITEMS_AT_ONCE) continue;
			this.#isAfterDirectory = false;
			return;
		}
	}

	#batch(fields: readonly string[], own: OwnName): void {
		const { keys, sink, clock, link, complain, codec, record } = this.#options;
		const [n, node, l, text, f, flags, t, time, e, entries] = fields;
		const line = text === undefined ? undefined : parseLine(text);
		if (n !== 'n' || l !== 'l' || f !== 'f' || t !== 't' || e !== 'e' || node === undefined || line === undefined) {
			complain(`key '${keys.log}' holds something that is not ours, it is left out`);
			return;
		}
		if (node === own.node) {
			if (line.life === own.life) sink.echoed(line.updateId);
			return;
		}
		const known = this.#nodes.get(node);
		const isNewProcess = known !== undefined && known.life !== line.life;
		// What the directory counts already is in the hash that is about to be read. Later on, a number that was seen before
		// is that of a batch which a fail-over has lost and which is told again.
		if (this.#isAfterDirectory && known !== undefined && line.sequence <= known.sequence && !isNewProcess) return;
		// An older process's last word, seen after a newer one's.
		if (known !== undefined && line.life < known.life) return;
		const isMissing = line.sequence > (known?.sequence ?? 0) + 1;
		if (known === undefined && this.#nodes.size >= MAX_NODES) return;
		const { isOther } = this.#know(node, line);
		if (isOther) return;
		if (isMissing) this.#scanLater(node);
		const nowMs = clock.monotonicMs();
		const redisMs = link.redisMs(nowMs) ?? 0;
		const lagMs = Math.max(0, redisMs - Number(time));
		this.batchesRead++;
		if (flags === 'x') {
			sink.left(node);
			return;
		}
		// Written back by another node (restorer.ts), this one says nothing itself.
		if (flags !== 'b') sink.heard(node, Number.isFinite(lagMs) ? lagMs : undefined, nowMs);
		const fills = flags === 'f' || flags === 'b';
		const all = entries ?? '';
		for (let at = 0; at < all.length; ) {
			const space = all.indexOf(' ', at);
			const newline = all.indexOf('\n', at);
			const end = newline < 0 ? all.length : newline;
			if (space < 0 || space > end) break;
			if (codec.decodeFrom(all, at, space, end, record, redisMs)) {
				this.entriesRead++;
				if (!this.#options.isTimed) record.isTimed = false;
				sink.entry(node, record, fills, nowMs);
			} else complain(`key '${keys.log}' holds entries that are damaged, they are left out`);
			at = end + 1;
		}
	}

	// ---- hashes

	#scanLater(node: string): void {
		const { isShared, keys } = this.#options;
		if (this.#nodes.get(node)?.isOther === true) return;
		const key = keys.entriesOf(node);
		this.#scans.set(key, { node: isShared ? '' : node, cursor: '0' });
		this.scans++;
	}

	async #scan(client: RedisClient): Promise<void> {
		const { codec, record, clock, link, sink, complain, isTimed, isShared } = this.#options;
		for (let page = 0; page < SCAN_PAGES && this.#scans.size > 0; page++) {
			const [first] = this.#scans;
			if (first === undefined) break;
			const [key, scan] = first;
			const answer = await this.#page(client, key, scan.cursor);
			if (answer === undefined) continue;
			const [cursor, pairs] = answer;
			const nowMs = clock.monotonicMs();
			const redisMs = link.redisMs(nowMs) ?? 0;
			for (let i = 0; i + 1 < pairs.length; i += 2) {
				if (!codec.decode(pairs[i]!, pairs[i + 1]!, record, redisMs)) {
					complain(`key '${key}' holds entries that are damaged or not ours, they are left out`);
					continue;
				}
				this.entriesRead++;
				if (!isTimed) record.isTimed = false;
				else if (record.expireMs <= 0) continue;
				sink.entry(isShared ? undefined : scan.node, record, false, nowMs);
			}
			scan.cursor = cursor;
			if (cursor === '0' && this.#scans.get(key) === scan) this.#scans.delete(key);
		}
		if (this.#scans.size === 0) this.#isFirstDone = true;
	}

	/** One page of a hash; undefined: it is none, and must not keep what comes after it from being read. */
	async #page(client: RedisClient, key: string, from: string): Promise<[string, string[]] | undefined> {
		try {
			return await client.hscan(key, from, 'COUNT', SCAN_COUNT);
		} catch (error) {
			if (!(error instanceof Error) || !error.message.startsWith('WRONGTYPE')) throw error;
			this.#options.complain(`key '${key}' is not a hash, so not ours: what should be in it is missing in the sums`);
			this.#scans.delete(key);
			return undefined;
		}
	}

	async #trim(client: RedisClient): Promise<void> {
		const { keys, clock, link } = this.#options;
		const nowMs = clock.monotonicMs();
		this.#nextTrimMs = nowMs + TRIM_INTERVAL_MS * (0.75 + Math.random() / 2);
		const redisMs = link.redisMs(nowMs);
		if (redisMs === undefined) return;
		try {
			if (this.#canTrimByTime) await client.xtrim(keys.log, 'MINID', '~', `${redisMs - LOG_KEPT_MS}`);
			else await client.xtrim(keys.log, 'MAXLEN', '~', LOG_KEPT_ITEMS);
		} catch (error) {
			// Before 6.2 there is no MINID; a replica does not trim at all.
			if (error instanceof Error && /syntax/i.test(error.message)) this.#canTrimByTime = false;
		}
	}
}

/** Of ids in a stream: milliseconds, then a number. */
function isBefore(a: string, b: string): boolean {
	const [aMs = 0, aNumber = 0] = a.split('-').map(Number);
	const [bMs = 0, bNumber = 0] = b.split('-').map(Number);
	return aMs < bMs || (aMs === bMs && aNumber < bNumber);
}
