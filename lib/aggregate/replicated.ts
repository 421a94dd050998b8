/**
 * The tables of an aggregation as the peers section sees them: what is told to whom under which name, and
 * what becomes of what is received.
 *
 *     /req.local@lb1#1793...   lb1's share of table /req.local, of the process that started then: between
 *                              Holdfast nodes. HAProxy has no table of such a name and passes over it.
 *     /req.local@lb1#9<4       how much of lb1's life 4 its life 9 contains, of what was counted in life 4 alone
 *     /req.local               towards a plain node: its own share, which it is given back when it starts anew
 *     /req.sum                 towards a plain node: the sums
 */
import type { EntryRecord } from '../peers/entry-record.js';
import type { LearnOutcome } from '../peers/replicated-table.js';
import { ReplicatedStickTable } from '../peers/stick-table-adapter.js';
import type { StickTable } from '../stick-table/table.js';
import type { Base, Life, SummedTable } from './shares.js';

/** Calls back when a table has been changed here; replaced in simulations, whose time is not real. */
export type WaitForSignal = (table: StickTable, callback: () => void) => void;

const waitForSignal: WaitForSignal = (table, callback) => {
	void table.updates.signalled().then(callback);
};

export function shareName(wireName: string, origin: string, life: number): string {
	return `${wireName}@${origin}#${life}`;
}

export function baseName(wireName: string, origin: string, life: number, base: number): string {
	return `${shareName(wireName, origin, life)}<${base}`;
}

export interface ShareName {
	readonly wireName: string;
	readonly origin: string;
	readonly life: number;
	/** Of a base: the earlier life. */
	readonly base: number | undefined;
}

/** Neither `@` nor `#` can be in the names of peers and tables. Undefined: not a name of a share. */
export function parseShareName(name: string): ShareName | undefined {
	const match = /^([^@#]+)@([^@#]+)#(\d{1,15})(?:<(\d{1,15}))?$/.exec(name);
	if (match === null) return undefined;
	const base = match[4] === undefined ? undefined : Number(match[4]);
	return { wireName: match[1]!, origin: match[2]!, life: Number(match[3]), base };
}

/** What this node counts: told to the others, and never learned from them. */
export class OwnShare extends ReplicatedStickTable {
	readonly table: StickTable;
	readonly #wait: WaitForSignal;
	readonly #changed: () => void;

	constructor(table: StickTable, wireName: string, changed: () => void, wait = waitForSignal) {
		super(table, wireName);
		this.table = table;
		this.#changed = changed;
		this.#wait = wait;
	}

	override whenSignalled(callback: () => void): void {
		this.#wait(this.table, callback);
	}

	override takeSignal(): boolean {
		const isSignalled = super.takeSignal();
		if (isSignalled) this.#changed();
		return isSignalled;
	}

	override learn(): LearnOutcome {
		return 'learned';
	}
}

/** A copy of an origin's share, as one peer speaks of it. */
export class ShareCopy extends ReplicatedStickTable {
	readonly life: Life;
	readonly #summed: SummedTable;
	readonly #isDirect: boolean;

	/** `isDirect`: the peer is the origin. */
	constructor(summed: SummedTable, life: Life, wireName: string, isDirect: boolean) {
		super(life.table, wireName);
		this.life = life;
		this.#summed = summed;
		this.#isDirect = isDirect;
	}

	override learn(record: EntryRecord, nowMs: number): LearnOutcome {
		this.#summed.learn(this.life, record, this.#isDirect, nowMs);
		return 'learned';
	}
}

/** What this node's share contains of an earlier life: told, and not learned from what others tell of this life. */
export class OwnBase extends ReplicatedStickTable {
	override learn(): LearnOutcome {
		return 'learned';
	}
}

/** What the share of a life contains of an earlier one, as anybody speaks of it: what is new is told on. */
export class BaseCopy extends ReplicatedStickTable {
	readonly #summed: SummedTable;
	readonly #base: Base;
	readonly #news: (copy: BaseCopy) => void;

	constructor(summed: SummedTable, base: Base, wireName: string, news: (copy: BaseCopy) => void) {
		super(base.table, wireName);
		this.#summed = summed;
		this.#base = base;
		this.#news = news;
	}

	override learn(record: EntryRecord, nowMs: number): LearnOutcome {
		if (this.#summed.learnBase(this.#base, record, nowMs)) {
			this.pushAgain(record, nowMs);
			this.#news(this);
		}
		return 'learned';
	}
}

/** Sums for plain peers: pushed, and never learned, though a plain node teaches all it has. */
export class SumsForPeers extends ReplicatedStickTable {
	readonly #table: StickTable;
	readonly #wait: WaitForSignal;

	constructor(table: StickTable, wireName: string, wait = waitForSignal) {
		super(table, wireName);
		this.#table = table;
		this.#wait = wait;
	}

	override whenSignalled(callback: () => void): void {
		this.#wait(this.#table, callback);
	}

	override learn(_record: EntryRecord, _nowMs: number): LearnOutcome {
		return 'learned';
	}
}

/** Sums of a level above, handed on to the peers below as they come. */
export class RelayedSums extends SumsForPeers {
	readonly #isFromAbove: boolean;

	constructor(table: StickTable, wireName: string, isFromAbove: boolean, wait?: WaitForSignal) {
		super(table, wireName, wait);
		this.#isFromAbove = isFromAbove;
	}

	override learn(record: EntryRecord, nowMs: number): LearnOutcome {
		if (!this.#isFromAbove) return 'learned';
		const outcome = ReplicatedStickTable.prototype.learn.call(this, record, nowMs, undefined);
		// As if it had been changed here: what is only learned is not pushed on.
		this.pushAgain(record, nowMs);
		return outcome;
	}
}
