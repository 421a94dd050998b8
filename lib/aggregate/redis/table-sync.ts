/** One table and Redis: what is written of it (writer.ts), what is read (reader.ts), in which order. */
import type { Clock } from '../../core/clock.js';
import { columnsOf, EntryRecord, wordCountOf } from '../../peers/entry-record.js';
import { wireNameOf } from '../../peers/stick-table-adapter.js';
import type { EntryView, StickTable } from '../../stick-table/table.js';
import type { SummedTable } from '../shares.js';
import type { RedisClient } from './client.js';
import { EntryCodec, signatureOf, storesConnections } from './entries.js';
import { nodeKeys, tableKeys } from './keys.js';
import type { RedisLink } from './link.js';
import { LogReader, type OwnName } from './reader.js';
import { ShareRestorer } from './restorer.js';
import { type Liveness, type NodeStatus, OverwritingSink, SharesSink } from './sinks.js';
import { entriesLifeMs, ShareWriter, type WriterState } from './writer.js';

/** A table of the section that goes through Redis, and what it is summed by, if it is. */
export interface SyncedTable {
	readonly table: StickTable;
	readonly summed: SummedTable | undefined;
}

export interface TableSyncOptions extends SyncedTable {
	readonly link: RedisLink;
	readonly prefix: string;
	readonly keepMs: number;
	readonly heartbeatLifeMs: number;
	readonly clock: Clock;
	readonly liveness: Liveness;
	/** This process has written to the table's entries before, under another declaration: nothing is to be taken back. */
	readonly isContinued: boolean;
	readonly guard: <T>(make: () => T) => T | undefined;
	readonly complain: (text: string) => void;
	/** Redis has lost what was told. */
	readonly emptied: () => void;
	readonly note: (text: string) => void;
}

export interface TableStatus {
	readonly name: string;
	readonly mode: 'sums' | 'overwriting';
	/** Of what this node writes (writer.ts): `open` once it has taken its former share over and tells what changes. */
	readonly state: WriterState;
	/** Changes that Redis has not been told of. */
	readonly pendingUpdates: number;
	/** Entries that Redis has of this node, or of all where they are common. */
	readonly entriesInRedis: number;
	readonly batchesWritten: number;
	readonly entriesWritten: number;
	readonly batchesRead: number;
	readonly entriesRead: number;
	/** Hashes read as a whole: at the start, and after something was missed. */
	readonly scans: number;
	readonly nodes: readonly NodeStatus[];
}

/** Entries with connections looked for in one round. */
const RETELL_ENTRIES = 5000;

export class TableSync {
	readonly table: StickTable;
	readonly summed: SummedTable | undefined;
	readonly wireName: string;
	readonly storesConnections: boolean;
	readonly #sink: SharesSink | OverwritingSink;
	readonly #writer: ShareWriter;
	readonly #reader: LogReader;
	readonly #restorer: ShareRestorer | undefined;
	readonly #clock: Clock;
	readonly #link: RedisLink;
	#epoch = -1;
	#retelling: Generator<EntryView | undefined> | undefined;
	readonly #key: Buffer;

	constructor(options: TableSyncOptions) {
		const { table, summed, link, prefix, keepMs, clock, complain, liveness, guard } = options;
		this.table = table;
		this.summed = summed;
		this.wireName = wireNameOf(table.name);
		this.#clock = clock;
		this.#link = link;
		this.#key = Buffer.alloc(Math.max(16, table.keyLengthBytes));
		const connCur = table.slots.find(({ isLocalOnly }) => isLocalOnly);
		this.storesConnections = summed !== undefined && connCur !== undefined && storesConnections(table.slots);
		const columns = columnsOf(table.slots.map(({ wireId, count, periodMs }) => ({ typeId: wireId, count, periodMs })));
		const codec = new EntryCodec(columns, wordCountOf(columns), table.keyLengthBytes);
		const signature = signatureOf(table.model);
		const keys = tableKeys(prefix, this.wireName, summed === undefined ? 'overwriting' : 'sums', signature);
		const record = new EntryRecord(columns);
		const isFirstDone = (): boolean => this.#reader.isFirstDone;
		this.#sink =
			summed === undefined
				? new OverwritingSink(table, liveness, isFirstDone, () => this.#canWrite())
				: new SharesSink(summed, columns, liveness, guard);
		const common = { table, wireName: this.wireName, keys, signature, codec, record, link, clock, complain };
		this.#writer = new ShareWriter({
			...common,
			keepMs,
			emptied: () => {
				this.#restorer?.emptied();
				options.emptied();
			},
			isOwnShare: summed !== undefined,
			absorb:
				summed === undefined || options.isContinued
					? undefined
					: (entry, life, nowMs) => {
							const found = guard(() => summed.life(summed.localName, life));
							if (found !== undefined) summed.learn(found.life, entry, false, nowMs);
						},
		});
		this.#reader = new LogReader({
			...common,
			nodeKeys: nodeKeys(prefix),
			isShared: summed === undefined,
			isTimed: table.model.expireMs !== undefined,
			sink: this.#sink,
		});
		this.#restorer =
			summed === undefined
				? undefined
				: new ShareRestorer({
						...common,
						summed,
						heartbeatLifeMs: options.heartbeatLifeMs,
						lifeMs: entriesLifeMs({ table, keepMs }),
						isAlive: (node) => liveness.isAlive(node),
						lifeOf: (node) => this.#reader.lifeOf(node),
						note: options.note,
					});
	}

	/** Our changes are written as they come: nothing stands between them and Redis. */
	#canWrite(): boolean {
		return this.#writer.state === 'open' && this.#epoch === this.#link.epoch;
	}

	/** One round. `isOurs`: this process may write under the name. Returns its life, a later one if need be. */
	async step(client: RedisClient, own: OwnName, isOurs: boolean): Promise<number> {
		const reading: OwnName = { node: own.node, life: this.#writer.life ?? own.life };
		if (!isOurs) {
			await this.#reader.step(client, reading);
			return own.life;
		}
		this.#retell();
		if (this.#reader.isOwnLineMissing) this.#writer.doubt();
		const epoch = this.#link.epoch;
		if (this.summed !== undefined || this.#canWrite()) {
			const [life] = await settled([
				this.#writer.step(client, own.node, own.life),
				this.#reader.step(client, reading).then(() => own.life),
			]);
			this.#epoch = epoch;
			if (this.#writer.state === 'open') await this.#restorer?.step(client);
			return life!;
		}
		// What the others have written meanwhile comes first: the later of two changes of an entry wins.
		await this.#reader.step(client, reading);
		if (!this.#reader.isCaughtUp) return own.life;
		const life = await this.#writer.step(client, own.node, own.life);
		this.#epoch = epoch;
		return life;
	}

	/** Something that was sent may be lost. */
	doubt(): void {
		this.#writer.doubt();
		this.#epoch = -1;
	}

	left(node: string): void {
		this.#sink.left(node);
	}

	/** These nodes are there, whether or not they have something to tell. */
	present(nodes: Iterable<string>): void {
		if (this.summed === undefined || !(this.#sink instanceof SharesSink)) return;
		for (const node of nodes) {
			const origin = this.summed.origins.get(this.#sink.originName(node));
			if (origin !== undefined) origin.isDirect = true;
		}
	}

	/** Its connections, which were left out while it was away, are read again with its entries. */
	cameAlive(node: string): void {
		if (this.storesConnections) this.#reader.scanAgain(node);
	}

	/** The entries of all nodes are read again from their hashes. */
	readAgain(): void {
		this.#reader.readAgain();
	}

	/** Others have taken this node for gone, and its connections with it: they are told again. */
	retellConnections(): void {
		if (this.storesConnections) this.#retelling = this.table.walk(() => this.#clock.monotonicMs());
	}

	#retell(): void {
		const connCur = this.table.slot('conn_cur');
		for (let i = 0; i < RETELL_ENTRIES && this.#retelling !== undefined && connCur !== undefined; i++) {
			const { done, value } = this.#retelling.next();
			if (done === true) this.#retelling = undefined;
			else if (value !== undefined && value.reading(connCur, 0) > 0) {
				this.table.pushAgain(this.#key, value.keyBytes(this.#key), this.#clock.monotonicMs());
			}
		}
	}

	/** Everything is written, as far as there was time. */
	get isWritten(): boolean {
		return !this.#writer.hasNews();
	}

	/** This node goes: its connections with it, at once. */
	async leave(client: RedisClient, own: OwnName): Promise<void> {
		await this.#writer.tell(client, own.node, 'x');
	}

	close(): void {
		this.#writer.close();
	}

	describe(nowMs: number): TableStatus {
		const nodes =
			this.#sink instanceof OverwritingSink
				? this.#sink.statuses(this.#reader.nodes, nowMs)
				: [...(this.summed?.origins.values() ?? [])]
						.filter(({ name }) => name !== this.summed?.localName)
						.map(({ name, lives, isDirect, lagMs, lastWordMs }) => ({
							name,
							isAlive: isDirect,
							entries: lives.reduce((sum, { table }) => Math.max(sum, table.usedCount()), 0),
							lagMs,
							lastWordMs: lastWordMs === undefined ? undefined : nowMs - lastWordMs,
						}));
		const { state, pendingUpdates, entryCount, batchesWritten, entriesWritten } = this.#writer;
		const { batchesRead, entriesRead, scans } = this.#reader;
		return {
			name: this.wireName,
			mode: this.summed === undefined ? 'overwriting' : 'sums',
			state,
			pendingUpdates,
			entriesInRedis: entryCount,
			batchesWritten,
			entriesWritten,
			batchesRead,
			entriesRead,
			scans,
			nodes,
		};
	}
}

/** All of them have come to their end, well or not, before the first error is thrown: rounds do not overlap. */
export async function settled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
	const results = await Promise.allSettled(promises);
	const values: T[] = [];
	for (const result of results) {
		if (result.status === 'rejected') throw result.reason;
		values.push(result.value);
	}
	return values;
}
