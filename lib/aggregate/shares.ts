/**
 * One summed table: the share of each origin, and what they make together.
 *
 * The peers protocol carries absolute values and the last one wins, so a sum needs each node's values apart:
 * a *share* is what one node, its *origin*, has counted. Only the origin changes it, everybody else keeps a
 * copy; copies converge by themselves, and the sum over them never counts a request twice. What this node
 * counts itself is its own stick table, which nothing received ever overwrites.
 *
 * ## Lives
 * A process that starts anew counts from nothing, while the others still have what it counted before. So a
 * share also has a *life*: the time at which its process started. For each key the latest life that has it is
 * the origin's share. A starting process first hears from each peer what is known of its earlier lives and adds
 * it to its own table (`absorb`: the difference to what it had heard before, so however many tell it, each
 * request is added once), and only then tells that peer its own share, which includes it. From then on the
 * earlier lives are of no use there and are dropped. Whatever order things happen in, a share never exceeds
 * what its origin has counted; it falls behind at most by what had not left the process when it died.
 *
 * Lives are told apart by the wall clock of their node. One that was set back is noticed in the first exchange,
 * and so are two nodes of one name, whose sums cannot be right (aggregation.ts says so in the log).
 *
 * What this gives up: a process that restarts twice while it cannot reach a node loses what only that node
 * had heard of the first life. The sum is then too small by that, until the entries expire.
 *
 * ## Whose word counts
 * While a node has a session with an origin that has told its share, it takes only that origin's word for it.
 * Else copies of others are taken where they are newer: counters of one life only grow, so the larger is newer;
 * then the rate that counted last; then the longer life. `conn_cur` is only ever taken from the origin itself,
 * and leaves its share with the session.
 *
 * ## The sums
 * A key is summed anew with each update of a share: updates were gathered by the node that sent them, and finding the
 * key again later costs more than what two changes of it in one moment would save. An entry that leaves a share by its
 * own expiry, and what changes in a whole table, marks keys that are summed soon after. The result goes to `target`, the memory of the table of sums, to which each reading adds this node's own counts
 * (stick-table/sum-table.ts); and to `total`, own counts included, which is pushed to nodes that only know the
 * peers protocol. An entry that leaves a share by its own expiry marks its key too.
 */
import type { StickTableModel } from '../config/model.js';
import type { Clock } from '../core/clock.js';
import { columnsOf, EntryRecord } from '../peers/entry-record.js';
import type { EntrySum } from '../stick-table/entry-sum.js';
import type { EntryView } from '../stick-table/entry-view.js';
import { StickTable } from '../stick-table/table.js';
import type { UpdateReader } from '../stick-table/update-list.js';
import { isNewerShare } from './newer.js';

/** Lives of one origin that are kept apart; more of them at a time means a process that dies again and again. */
const MAX_LIVES = 8;
/** Keys summed before other work has its turn. */
const KEYS_PER_SLICE = 500;
/** Entries that leave a share by their own date, looked for this often. */
export const EXPIRY_INTERVAL_MS = 200;

export interface Life {
	readonly origin: Origin;
	/** When its process started, wall milliseconds; 0 for a node whose share is not told by lives. */
	readonly number: number;
	readonly table: StickTable;
}

export class Origin {
	readonly name: string;
	/** Latest first. */
	readonly lives: Life[] = [];
	/** It has told its share in the session that stands: others' words for it are not needed. */
	isDirect = false;
	/** When something of it was learned last; undefined: never. */
	lastWordMs: number | undefined;
	via: 'peers' | 'redis' = 'peers';
	/** From counting there to knowing here, of what came last; only Redis carries the time. */
	lagMs: number | undefined;

	constructor(name: string) {
		this.name = name;
	}
}

export interface SummedTableOptions {
	/** Declaration of shares and sums; of the own table where there is one. */
	readonly model: StickTableModel;
	readonly wireName: string;
	/** Name of the sums on the wire. */
	readonly sumWireName: string;
	/** Where this node counts; undefined in an aggregator for others. */
	readonly own: StickTable | undefined;
	readonly localName: string;
	readonly target: StickTable | undefined;
	readonly clock: Clock;
	readonly defer: (callback: () => void) => void;
}

export class SummedTable {
	readonly model: StickTableModel;
	readonly wireName: string;
	readonly sumWireName: string;
	readonly own: StickTable | undefined;
	readonly target: StickTable | undefined;
	/** Sums with this node's own counts, for plain peers; made when the first one comes. */
	total: StickTable | undefined;
	/** By name; this node's own earlier lives are under its own name. */
	readonly origins = new Map<string, Origin>();
	readonly localName: string;
	readonly #clock: Clock;
	readonly #defer: (callback: () => void) => void;
	/** Keys to be summed, as byte strings. */
	readonly #marked = new Set<string>();
	#isSumming = false;
	/** Tables of one seed, so that a key is hashed once for all of them. */
	#like: SharedArrayBuffer | undefined;
	readonly #record: EntryRecord;
	/** One of its tables, whichever. */
	readonly #any: StickTable;
	readonly #sum: EntrySum;
	readonly #share: EntryView;
	readonly #known: EntryView;
	readonly #key: Buffer;
	readonly #connCurAt: number | undefined;
	#ownReader: UpdateReader | undefined;

	/** Throws `TABLE_TOO_LARGE`. */
	constructor(options: SummedTableOptions) {
		this.model = shareModel(options.model);
		this.wireName = options.wireName;
		this.sumWireName = options.sumWireName;
		this.own = options.own;
		this.target = options.target;
		this.localName = options.localName;
		this.#clock = options.clock;
		this.#defer = options.defer;
		this.#like = (options.target ?? options.own)?.buffer;
		const any = options.target ?? options.own ?? this.#newTable(true);
		this.#record = new EntryRecord(
			columnsOf(any.slots.map(({ wireId, count, periodMs }) => ({ typeId: wireId, count, periodMs }))),
		);
		this.#any = any;
		this.#sum = any.newSum();
		this.#share = any.newView();
		this.#known = any.newView();
		this.#key = Buffer.alloc(Math.max(16, any.keyLengthBytes));
		this.#connCurAt = any.slot('conn_cur')?.offset;
	}

	/** Of one seed with the others. `isPrivate`: only this thread uses it. */
	#newTable(isPrivate: boolean): StickTable {
		const table = new StickTable(this.model, StickTable.allocate(this.model, this.#like), isPrivate);
		this.#like ??= table.buffer;
		table.updates.enable();
		return table;
	}

	// ---- origins and their lives

	origin(name: string): Origin {
		let origin = this.origins.get(name);
		if (origin === undefined) {
			origin = new Origin(name);
			this.origins.set(name, origin);
		}
		return origin;
	}

	/**
	 * The life of that number. For a new one the earliest of too many lives makes room (`dropped`); undefined: it would
	 * be the earliest itself. Throws `TABLE_TOO_LARGE`.
	 */
	life(
		originName: string,
		number: number,
	): { readonly life: Life; readonly isNew: boolean; readonly dropped: readonly Life[] } | undefined {
		const origin = this.origin(originName);
		const known = origin.lives.find((life) => life.number === number);
		if (known !== undefined) return { life: known, isNew: false, dropped: [] };
		const earliest = origin.lives.length >= MAX_LIVES ? origin.lives.at(-1) : undefined;
		if (earliest !== undefined && earliest.number > number) return undefined;
		const table = this.#newTable(true);
		table.watchRemovals((key) => this.mark(key, key.length));
		const life: Life = { origin, number, table };
		origin.lives.push(life);
		origin.lives.sort((a, b) => b.number - a.number);
		const dropped = earliest === undefined ? [] : this.dropLivesBefore(origin, earliest.number + 1);
		return { life, isNew: true, dropped };
	}

	/** A copy that was kept under another declaration of the same data: its entries are learned again. */
	adopt(originName: string, number: number, before: StickTable): void {
		const found = this.life(originName, number);
		const record = new EntryRecord(this.#record.columns);
		if (found === undefined || before.slots.length !== found.life.table.slots.length) return;
		const nowMs = this.#clock.monotonicMs();
		for (const view of before.entries(nowMs)) {
			record.keyLength = view.keyBytes(record.reserveKey(this.#key.length));
			record.serverKey = view.serverKeyText === '' ? undefined : view.serverKeyText;
			view.copyWords(record.words);
			found.life.table.learnWords(record, view.remainingMs, nowMs, 'all');
			this.mark(record.key, record.keyLength);
		}
	}

	/** Lives of an origin before its latest: their entries are summed anew without them. */
	dropLivesBefore(origin: Origin, number: number): Life[] {
		const dropped = origin.lives.filter((life) => life.number < number);
		for (const { table } of dropped) this.#markAll(table);
		origin.lives.splice(0, origin.lives.length, ...origin.lives.filter((life) => life.number >= number));
		return dropped;
	}

	// ---- learning

	/**
	 * What `record` says of a share. `isDirect`: it comes from the origin itself. Returns false when it was not
	 * taken, since something newer is known.
	 */
	learn(life: Life, record: EntryRecord, isDirect: boolean, nowMs: number): boolean {
		const { origin, table } = life;
		if (!isDirect) {
			if (origin.isDirect) return false;
			this.#withoutConnections(record);
			if (table.copyByKeyBytes(record.key, record.keyLength, this.#known, nowMs)) {
				if (!isNewerShare(record, this.#known, table.slots)) return false;
			}
		}
		origin.lastWordMs = nowMs;
		const isForUs = origin.name === this.localName && this.own !== undefined;
		if (isForUs) return this.#absorb(life, record, nowMs);
		const sum = this.#sum;
		if (!table.beginSum(sum, record.key, record.keyLength)) return false;
		const isThere = table.learnShare(record, record.isTimed ? record.expireMs : undefined, sum, nowMs);
		// What was just written is at hand; of another life than the latest it may not be what counts.
		const isAdded = isThere && life === origin.lives[0];
		if (isThere && !isAdded) sum.clear();
		this.#finishSum(nowMs, isAdded ? origin : undefined);
		return true;
	}

	/** Something of an earlier life of this node: what is new in it is added to our own table. */
	#absorb(life: Life, record: EntryRecord, nowMs: number): boolean {
		const { own } = this;
		let base: EntryView | undefined;
		for (const earlier of life.origin.lives) {
			if (!earlier.table.copyByKeyBytes(record.key, record.keyLength, this.#known, nowMs)) continue;
			// A later life has told this key; it had heard of this one.
			if (earlier.number > life.number) return false;
			base = this.#known;
			break;
		}
		// What came back already (from a snapshot, or by another way) may be the later state of the same history.
		if (base !== undefined && !isNewerShare(record, base, life.table.slots)) return false;
		this.#withoutConnections(record);
		life.table.learnWords(record, record.isTimed ? record.expireMs : undefined, nowMs, 'all');
		if (!life.table.copyByKeyBytes(record.key, record.keyLength, this.#share, nowMs)) return false;
		own?.absorb(this.#share, base, nowMs);
		return true;
	}

	/**
	 * What stands in the own table before anything was heard or counted (a snapshot of an earlier life) is known to
	 * be part of what the others will tell. A large snapshot is restored while the table is in use already: called again
	 * when it is complete, the entries that have come since are taken too, with what was counted on them meanwhile, which
	 * the others' word then replaces. That is a little less than was counted, and never more.
	 */
	ownIsOfEarlierLife(nowMs: number): void {
		const { own } = this;
		const found = own === undefined || own.usedCount() === 0 ? undefined : this.life(this.localName, 1);
		if (own === undefined || found === undefined) return;
		for (const view of own.entries(nowMs)) {
			this.#toRecord(view);
			const { key, keyLength } = this.#record;
			if (found.life.table.copyByKeyBytes(key, keyLength, this.#known, nowMs)) continue;
			found.life.table.learnWords(this.#record, view.remainingMs, nowMs, 'all');
		}
	}

	#withoutConnections(record: EntryRecord): void {
		const column = this.#record.columns.findIndex(({ dataType }) => dataType.name === 'conn_cur');
		if (column < 0) return;
		record.words[this.#record.columns[column]!.wordOffset] = 0;
	}

	/** The origin is gone, and its connections with it. */
	disconnected(origin: Origin): void {
		origin.isDirect = false;
		const at = this.#connCurAt;
		const latest = origin.lives[0];
		if (at === undefined || latest === undefined) return;
		const nowMs = this.#clock.monotonicMs();
		for (const view of latest.table.entries(nowMs)) {
			if (view.words[at] === 0) continue;
			view.words[at] = 0;
			this.#toRecord(view);
			latest.table.learnWords(this.#record, view.remainingMs, nowMs, 'all');
			this.mark(this.#record.key, this.#record.keyLength);
		}
	}

	#toRecord(view: EntryView): void {
		const record = this.#record;
		record.keyLength = view.keyBytes(record.reserveKey(this.#key.length));
		record.serverKey = view.serverKeyText === '' ? undefined : view.serverKeyText;
		record.elementCounts = record.allElements;
		view.copyWords(record.words);
	}

	// ---- sums

	/** The shares of this key have changed. */
	mark(key: Uint8Array, keyLength: number): void {
		this.#marked.add(Buffer.from(key.buffer, key.byteOffset, keyLength).toString('latin1'));
		if (this.#isSumming) return;
		this.#isSumming = true;
		this.#defer(() => this.#sumMarked());
	}

	#markAll(table: StickTable): void {
		for (const view of table.entries(this.#clock.monotonicMs())) this.mark(this.#key, view.keyBytes(this.#key));
	}

	/** Sums are wanted by plain peers from now on. Throws `TABLE_TOO_LARGE`. */
	startTotal(): StickTable {
		if (this.total !== undefined) return this.total;
		this.total = this.#newTable(false);
		if (this.own !== undefined) this.#markAll(this.own);
		for (const origin of this.origins.values()) for (const { table } of origin.lives) this.#markAll(table);
		return this.total;
	}

	/** What was counted here since the last time is summed for plain peers too. */
	followOwn(nowMs: number): void {
		this.#ownReader ??= this.own?.updates.openReader('local');
		while (this.#ownReader?.next(this.#share, nowMs) === true) {
			this.mark(this.#key, this.#share.keyBytes(this.#key));
		}
	}

	#sumMarked(): void {
		const nowMs = this.#clock.monotonicMs();
		let count = 0;
		for (const text of this.#marked) {
			this.#marked.delete(text);
			if (this.#any.beginSum(this.#sum, this.#key, this.#key.write(text, 'latin1'))) this.#finishSum(nowMs);
			if (++count === KEYS_PER_SLICE) break;
		}
		this.#isSumming = this.#marked.size > 0;
		if (this.#isSumming) this.#defer(() => this.#sumMarked());
	}

	/** The key of `#sum`, whose shares are added to what is there: nothing, or the share of `added`. */
	#finishSum(nowMs: number, added?: Origin): void {
		const { own, target, total, localName } = this;
		const sum = this.#sum;
		for (const origin of this.origins.values()) {
			const { name, lives } = origin;
			if (origin === added || (name === localName && own !== undefined)) continue;
			for (let i = 0; i < lives.length; i++) if (lives[i]!.table.addToSum(sum, nowMs)) break;
		}
		target?.learnSum(sum, nowMs, false);
		if (total === undefined) return;
		own?.addToSum(sum, nowMs);
		total.learnSum(sum, nowMs, true);
	}

	/** Removes what is over; to be called every `EXPIRY_INTERVAL_MS`. */
	expire(nowMs: number): void {
		for (const origin of this.origins.values()) for (const { table } of origin.lives) table.expire(nowMs);
		this.total?.expire(nowMs);
	}
}

/** Shares and totals are received tables: all of it is learned, and nothing else happens to them. */
function shareModel(model: StickTableModel): StickTableModel {
	return { ...model, recvOnly: true, nopurge: false, writeTo: undefined, peers: undefined, sumOf: undefined };
}
