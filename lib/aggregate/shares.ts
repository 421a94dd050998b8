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
 * it to its own table, and only then tells that peer its own share, which includes it. From then on the
 * earlier lives are of no use there and are dropped. Whatever order things happen in, a share never exceeds
 * what its origin has counted; it falls behind at most by what had not left the process when it died.
 *
 * ## Bases
 * A node that could not be reached meanwhile still has an earlier life, and may have heard more of it than those who
 * told it. So a share is told together with its *bases*: how much of each earlier life it contains. Of each earlier
 * life only what was counted in that life alone is kept (its share less its bases), and what is heard of it is added to
 * the own table by how much it is more than what was known. So however many tell it, in whatever order, after however
 * many restarts, each request is added once: the own share is a sum of counts that only grow, one for each life. Bases
 * travel before the shares that contain them (peers/shared-table.ts): a base that is too large makes a share too small
 * for a while, one that is missing would count twice. Bases leave by the expiry of what they are bases of, as that does
 * everywhere. Of very many lives the earliest bases are given up (`floorOf`): their counts stay in the shares that
 * contain them, and those lives are not taken back any more.
 *
 * Lives are told apart by the wall clock of their node. One that was set back is noticed in the first exchange,
 * and so are two nodes of one name, whose sums cannot be right (aggregation.ts says so in the log).
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
 * own expiry, and what changes in a whole table, marks keys that are summed soon after. The result goes to `target`,
 * the memory of the table of sums, to which each reading adds this node's own counts (stick-table/sum-table.ts); and to
 * `total`, own counts included, which is pushed to nodes that only know the peers protocol.
 */
import type { StickTableModel } from '../config/model.js';
import type { Clock } from '../core/clock.js';
import { columnsOf, EntryRecord } from '../peers/entry-record.js';
import type { SampleValue } from '../sample/types.js';
import type { EntrySum } from '../stick-table/entry-sum.js';
import type { EntryView } from '../stick-table/entry-view.js';
import { StickTable } from '../stick-table/table.js';
import type { UpdateReader } from '../stick-table/update-list.js';
import { takeAway } from './beyond.js';
import { compareCounts, isNewerShare } from './newer.js';

/** Lives of one origin that are kept apart; more of them at a time means a process that dies again and again. */
const MAX_LIVES = 8;
/** The same of this node's own: what its table contains of them is never forgotten, or it would be added again. */
const MAX_OWN_LIVES = 4 * MAX_LIVES;
/**
 * What has less to live is not taken back: of two nodes that have it one may have let it go already, together with the
 * base that says where else it is contained. More than the way between two nodes takes.
 */
const MARGIN_MS = 5000;
/** Keys summed before other work has its turn. */
const KEYS_PER_SLICE = 500;
/** Entries that leave a share by their own date, looked for this often. */
export const EXPIRY_INTERVAL_MS = 200;

export interface Life {
	readonly origin: Origin;
	/** When its process started, wall milliseconds; 0 for a node whose share is not told by lives. */
	readonly number: number;
	/** Of an earlier life of this node: what was counted in that life alone, as far as our own table contains it. */
	readonly table: StickTable;
	/** What this share contains of earlier lives, as others tell it. */
	readonly bases: Base[];
}

export interface Base {
	readonly life: Life;
	/** The earlier life. */
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
	readonly #baseWords: Uint32Array;
	readonly #connCurAt: number | undefined;
	#ownReader: UpdateReader | undefined;
	/** What stood in the own table before anything was heard or counted, until something newer is told of it. */
	#snapshot: StickTable | undefined;
	/** Our own table contains more of this earlier life of ours. */
	onAbsorbed: ((life: Life) => void) | undefined;

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
		this.#baseWords = new Uint32Array(this.#record.words.length);
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
		const isOurs = originName === this.localName && this.own !== undefined;
		if (isOurs && number < this.#floor()) return undefined;
		// An empty one of ours is the base of nothing, and nobody was told of it.
		const empty = isOurs ? origin.lives.find(({ table }) => table.usedCount() === 0) : undefined;
		const isFull = origin.lives.length >= (isOurs ? MAX_OWN_LIVES : MAX_LIVES);
		const victim = isOurs ? empty : origin.lives.at(-1);
		if (isFull && (victim === undefined || (!isOurs && victim.number > number))) return undefined;
		const table = this.#newTable(true);
		if (!isOurs) table.watchRemovals((key) => this.mark(key, key.length));
		const life: Life = { origin, number, table, bases: [] };
		origin.lives.push(life);
		origin.lives.sort((a, b) => b.number - a.number);
		const dropped = isFull ? this.#dropLives(origin, (one) => one === victim) : [];
		return { life, isNew: true, dropped };
	}

	/**
	 * What a life contains of an earlier one. For a new one the earliest of too many makes room (`dropped`); undefined: it
	 * would be the earliest itself. Throws `TABLE_TOO_LARGE`.
	 */
	base(
		life: Life,
		number: number,
	): { readonly base: Base; readonly isNew: boolean; readonly dropped?: Base | undefined } | undefined {
		const known = life.bases.find((base) => base.number === number);
		if (known !== undefined) return { base: known, isNew: false };
		if (number >= life.number || number < floorOf(life)) return undefined;
		const base: Base = { life, number, table: this.#newTable(true) };
		life.bases.push(base);
		life.bases.sort((a, b) => b.number - a.number);
		return { base, isNew: true, dropped: life.bases.length > MAX_LIVES ? life.bases.pop() : undefined };
	}

	/** Earlier lives of this node are not taken back: a later one may contain them, and does not say so. */
	#floor(): number {
		return Math.max(0, ...(this.origins.get(this.localName)?.lives ?? []).map(floorOf));
	}

	/** A copy that was kept under another declaration of the same data: its entries are learned again. */
	adopt(originName: string, { number, table, bases }: Life): void {
		const found = this.life(originName, number);
		if (found === undefined) return;
		this.#learnAll(found.life.table, table);
		for (const base of bases) {
			const adopted = this.base(found.life, base.number)?.base;
			if (adopted !== undefined) this.#learnAll(adopted.table, base.table);
		}
	}

	#learnAll(table: StickTable, before: StickTable): void {
		const record = new EntryRecord(this.#record.columns);
		if (before.slots.length !== table.slots.length) return;
		const nowMs = this.#clock.monotonicMs();
		for (const view of before.entries(nowMs)) {
			record.keyLength = view.keyBytes(record.reserveKey(this.#key.length));
			record.serverKey = view.serverKeyText === '' ? undefined : view.serverKeyText;
			view.copyWords(record.words);
			table.learnWords(record, view.remainingMs, nowMs, 'all');
			table.pushAgain(record.key, record.keyLength, nowMs);
			this.mark(record.key, record.keyLength);
		}
	}

	/** Lives of an origin before its latest: their entries are summed anew without them. */
	dropLivesBefore(origin: Origin, number: number): Life[] {
		return this.#dropLives(origin, (life) => life.number < number);
	}

	#dropLives(origin: Origin, isOver: (life: Life) => boolean): Life[] {
		const dropped = origin.lives.filter(isOver);
		const isOurs = origin.name === this.localName && this.own !== undefined;
		if (!isOurs) for (const { table } of dropped) this.#markAll(table);
		origin.lives.splice(0, origin.lives.length, ...origin.lives.filter((life) => !isOver(life)));
		return dropped;
	}

	// ---- learning

	/**
	 * What `record` says of a share. `isDirect`: it comes from the origin itself. Returns false when it was not
	 * taken, since something newer is known.
	 */
	learn(life: Life, record: EntryRecord, isDirect: boolean, nowMs: number): boolean {
		const { origin, table } = life;
		if (origin.name === this.localName && this.own !== undefined) {
			origin.lastWordMs = nowMs;
			return this.#absorbShare(life, record, nowMs);
		}
		if (!isDirect) {
			if (origin.isDirect) return false;
			this.#withoutConnections(record);
			if (table.copyByKeyBytes(record.key, record.keyLength, this.#known, nowMs)) {
				if (!isNewerShare(record, this.#known, table.slots)) return false;
			}
		}
		origin.lastWordMs = nowMs;
		const sum = this.#sum;
		if (!table.beginSum(sum, record.key, record.keyLength)) return false;
		const isThere = table.learnShare(record, record.isTimed ? record.expireMs : undefined, sum, nowMs);
		// What was just written is at hand; of another life than the latest it may not be what counts.
		const isAdded = isThere && life === origin.lives[0];
		if (isThere && !isAdded) sum.clear();
		this.#finishSum(nowMs, isAdded ? origin : undefined);
		return true;
	}

	/** An earlier life's base, from whoever tells it: the larger one is the newer. False: it is not news. */
	learnBase({ life, number, table }: Base, record: EntryRecord, nowMs: number): boolean {
		this.#withoutConnections(record);
		const isKnown = table.copyByKeyBytes(record.key, record.keyLength, this.#known, nowMs);
		if (isKnown && compareCounts(record, this.#known, table.slots) <= 0) return false;
		table.learnWords(record, record.isTimed ? record.expireMs : undefined, nowMs, 'all');
		if (life.origin.name !== this.localName || this.own === undefined) return true;
		const earlier = life.origin.lives.find((one) => one.number === number);
		// Its words are as they came: it is what was counted in that life alone.
		if (earlier !== undefined && number >= this.#floor() && !this.#isInSnapshot(record, nowMs)) {
			this.#absorb(earlier, record, nowMs);
		}
		return true;
	}

	/** What is told of an earlier life of this node: what is new in it is added to our own table. */
	#absorbShare(life: Life, record: EntryRecord, nowMs: number): boolean {
		if (life.number < this.#floor()) return false;
		this.#withoutConnections(record);
		const { own } = this;
		const remainingMs = record.isTimed ? record.expireMs : undefined;
		const isOfSnapshot = this.#isInSnapshot(record, nowMs);
		if (isOfSnapshot) {
			// The snapshot is a state of this life, or contained in one.
			if (!isNewerShare(record, this.#known, life.table.slots)) return false;
			life.table.learnWords(record, remainingMs, nowMs, 'all');
			if (!life.table.copyByKeyBytes(record.key, record.keyLength, this.#share, nowMs)) return false;
			own?.absorb(this.#share, this.#known, nowMs);
			this.#snapshot?.clearByKey(this.#known.key as SampleValue, nowMs);
		}
		for (const base of life.bases) {
			if (!base.table.copyByKeyBytes(record.key, record.keyLength, this.#share, nowMs)) continue;
			this.#share.copyWords(this.#baseWords);
			takeAway(record.words, this.#baseWords, life.table.slots);
			if (!isOfSnapshot) continue;
			// It is in our own table now, as a part of what was just added.
			this.#keep(base, nowMs);
		}
		const floor = floorOf(life);
		for (const { number, table } of life.origin.lives) {
			if (number >= floor || !table.copyByKeyBytes(record.key, record.keyLength, this.#share, nowMs)) continue;
			this.#share.copyWords(this.#baseWords);
			takeAway(record.words, this.#baseWords, table.slots);
		}
		if (!isOfSnapshot) return this.#absorb(life, record, nowMs);
		life.table.learnWords(record, remainingMs, nowMs, 'all');
		this.#told(life, record, nowMs);
		return true;
	}

	/** `record` is what was counted in that life alone. */
	#absorb(life: Life, record: EntryRecord, nowMs: number): boolean {
		const { expireMs } = this.model;
		if (expireMs !== undefined && record.isTimed && record.expireMs < Math.min(MARGIN_MS, expireMs / 4)) return false;
		const isKnown = life.table.copyByKeyBytes(record.key, record.keyLength, this.#known, nowMs);
		if (isKnown && !isNewerShare(record, this.#known, life.table.slots)) return false;
		life.table.learnWords(record, record.isTimed ? record.expireMs : undefined, nowMs, 'all');
		if (!life.table.copyByKeyBytes(record.key, record.keyLength, this.#share, nowMs)) return false;
		this.own?.absorb(this.#share, isKnown ? this.#known : undefined, nowMs);
		this.#told(life, record, nowMs);
		return true;
	}

	/** The entry of a base in `#share` becomes what is known of its life. */
	#keep({ life, number }: Base, nowMs: number): void {
		const earlier = life.origin.lives.find((one) => one.number === number);
		if (earlier === undefined) return;
		const record = this.#record;
		this.#toRecord(this.#share);
		earlier.table.learnWords(record, this.#share.remainingMs, nowMs, 'all');
		this.#told(earlier, record, nowMs);
	}

	/** The others are told before they are told of our own share again. */
	#told(life: Life, record: EntryRecord, nowMs: number): void {
		life.table.pushAgain(record.key, record.keyLength, nowMs);
		this.onAbsorbed?.(life);
	}

	/** Its entry is then in `#known`. */
	#isInSnapshot(record: EntryRecord, nowMs: number): boolean {
		return this.#snapshot?.copyByKeyBytes(record.key, record.keyLength, this.#known, nowMs) === true;
	}

	/**
	 * What stands in the own table before anything was heard or counted (a snapshot of an earlier life) is known to
	 * be part of what the others will tell. A large snapshot is restored while the table is in use already: called again
	 * when it is complete, the entries that have come since are taken too, with what was counted on them meanwhile, which
	 * the others' word then replaces. That is a little less than was counted, and never more.
	 */
	ownIsOfEarlierLife(nowMs: number): void {
		const { own } = this;
		if (own === undefined || own.usedCount() === 0) return;
		this.#snapshot ??= this.#newTable(true);
		for (const view of own.entries(nowMs)) {
			this.#toRecord(view);
			const { key, keyLength } = this.#record;
			if (this.#isHeard(key, keyLength, nowMs)) continue;
			this.#snapshot.learnWords(this.#record, view.remainingMs, nowMs, 'all');
		}
	}

	/** The entry is in the snapshot, or was told by others before. */
	#isHeard(key: Uint8Array, keyLength: number, nowMs: number): boolean {
		if (this.#snapshot?.copyByKeyBytes(key, keyLength, this.#known, nowMs) === true) return true;
		const lives = this.origins.get(this.localName)?.lives ?? [];
		return lives.some(({ table }) => table.copyByKeyBytes(key, keyLength, this.#known, nowMs));
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
		for (const { lives } of this.origins.values()) {
			for (const { table, bases } of lives) {
				table.expire(nowMs);
				for (const base of bases) base.table.expire(nowMs);
			}
		}
		this.#snapshot?.expire(nowMs);
		this.total?.expire(nowMs);
	}
}

/** A life with that many bases may contain what was counted in earlier ones than these. */
function floorOf({ bases }: Life): number {
	return bases.length >= MAX_LIVES ? bases.at(-1)!.number : 0;
}

/** Shares and totals are received tables: all of it is learned, and nothing else happens to them. */
function shareModel(model: StickTableModel): StickTableModel {
	return { ...model, recvOnly: true, nopurge: false, writeTo: undefined, peers: undefined, sumOf: undefined };
}
