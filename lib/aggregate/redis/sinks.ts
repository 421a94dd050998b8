/**
 * What becomes of entries that other nodes have written to Redis.
 *
 * `SharesSink`: tables that are summed. Each node's entries are its share (../shares.ts), which it alone writes.
 *
 * `OverwritingSink`: tables of which all nodes have one copy, and the last writer of an entry wins: the order of batches in
 * the stream is the same for all, so all end with the same value. An entry that was changed here after what this node has
 * seen come by of its own batches will be written after what has just been read, and is kept. While this node cannot write
 * (it was cut off) the one that was touched last counts instead. What is read at the start replaces what was counted
 * before, as a lesson of peers does: it is the longer history.
 */
import type { EntryRecord } from '../../peers/entry-record.js';
import type { EntryView, StickTable } from '../../stick-table/table.js';
import type { Life, SummedTable } from '../shares.js';
import { connCurWord } from './entries.js';
import type { EntrySink } from './reader.js';

/** Which nodes are there, by their heartbeats. */
export interface Liveness {
	isAlive(node: string): boolean;
	heard(node: string, lagMs: number | undefined): void;
}

/** What is known of one node and table, for `show` and metrics. */
export interface NodeStatus {
	readonly name: string;
	readonly isAlive: boolean;
	/** Of its share; undefined where all nodes have the same entries. */
	readonly entries: number | undefined;
	readonly lagMs: number | undefined;
	readonly lastWordMs: number | undefined;
}

export class SharesSink implements EntrySink {
	readonly #summed: SummedTable;
	readonly #liveness: Liveness;
	readonly #connCurWord: number | undefined;
	readonly #lives = new Map<string, Life>();
	readonly #guard: <T>(make: () => T) => T | undefined;

	constructor(
		summed: SummedTable,
		columns: Parameters<typeof connCurWord>[0],
		liveness: Liveness,
		guard: <T>(make: () => T) => T | undefined,
	) {
		this.#summed = summed;
		this.#liveness = liveness;
		this.#connCurWord = connCurWord(columns);
		this.#guard = guard;
	}

	/** Under the name of this node stands what its own earlier processes have counted; another of that name is no such. */
	originName(node: string): string {
		return node === this.#summed.localName ? `${node}#other` : node;
	}

	#life(node: string): Life | undefined {
		const known = this.#lives.get(node);
		if (known !== undefined) return known;
		const found = this.#guard(() => this.#summed.life(this.originName(node), 0))?.life;
		if (found !== undefined) {
			this.#lives.set(node, found);
			found.origin.via = 'redis';
		}
		return found;
	}

	entry(node: string | undefined, record: EntryRecord, fills: boolean, nowMs: number): void {
		const life = node === undefined ? undefined : this.#life(node);
		if (life === undefined || node === undefined) return;
		// Connections are there as long as their node is.
		if (this.#connCurWord !== undefined && !this.#liveness.isAlive(node)) record.words[this.#connCurWord] = 0;
		// Written back by another node, it may be older than what is known here.
		this.#summed.learn(life, record, !fills, nowMs);
	}

	heard(node: string, lagMs: number | undefined, nowMs: number): void {
		this.#liveness.heard(node, lagMs);
		const origin = this.#life(node)?.origin;
		if (origin === undefined) return;
		origin.isDirect = this.#liveness.isAlive(node);
		origin.lastWordMs = nowMs;
		origin.lagMs = lagMs ?? origin.lagMs;
	}

	echoed(): void {}

	left(node: string): void {
		const origin = this.#summed.origins.get(this.originName(node));
		if (origin !== undefined) this.#summed.disconnected(origin);
	}

	isAlive(node: string): boolean {
		return this.#liveness.isAlive(node);
	}
}

interface Heard {
	lagMs: number | undefined;
	lastWordMs: number;
}

export class OverwritingSink implements EntrySink {
	readonly #table: StickTable;
	readonly #view: EntryView;
	readonly #liveness: Liveness;
	readonly #isFirstDone: () => boolean;
	readonly #canWrite: () => boolean;
	readonly #conflict = { knownId: 0, keepsLocal: false };
	#echoedId: number | undefined;
	readonly #heard = new Map<string, Heard>();

	/** `canWrite`: what changes here is on its way to Redis. */
	constructor(table: StickTable, liveness: Liveness, isFirstDone: () => boolean, canWrite: () => boolean) {
		this.#table = table;
		this.#view = table.newView();
		this.#liveness = liveness;
		this.#isFirstDone = isFirstDone;
		this.#canWrite = canWrite;
	}

	entry(_node: string | undefined, record: EntryRecord, fills: boolean, nowMs: number): void {
		if (record.isTimed && record.expireMs <= 0) return;
		const table = this.#table;
		const isHere = table.copyByKeyBytes(record.key, record.keyLength, this.#view, nowMs);
		if (fills && isHere) return;
		const { updates } = table;
		const conflict = this.#conflict;
		// Half the number space back, nearly: every local id is after it.
		conflict.knownId = this.#echoedId ?? (updates.counter - 0x7fffffff) >>> 0;
		conflict.keepsLocal = this.#isFirstDone() && (this.#canWrite() || (isHere && !this.#isOlder(record)));
		table.learnWords(record, record.isTimed ? record.expireMs : undefined, nowMs, 'learnable', conflict);
	}

	/** Whether the entry in the view was touched before what has been read. */
	#isOlder(record: EntryRecord): boolean {
		return record.isTimed && (this.#view.remainingMs ?? 0) < record.expireMs;
	}

	heard(node: string, lagMs: number | undefined, nowMs: number): void {
		this.#liveness.heard(node, lagMs);
		const heard = this.#heard.get(node);
		if (heard === undefined) this.#heard.set(node, { lagMs, lastWordMs: nowMs });
		else {
			heard.lagMs = lagMs ?? heard.lagMs;
			heard.lastWordMs = nowMs;
		}
	}

	echoed(updateId: number): void {
		// Batches of learned entries carry 0, and are no news of local ones.
		if (updateId !== 0) this.#echoedId = updateId;
	}

	left(): void {}

	isAlive(node: string): boolean {
		return this.#liveness.isAlive(node);
	}

	statuses(nodes: Iterable<string>, nowMs: number): NodeStatus[] {
		return [...nodes].map((name) => {
			const heard = this.#heard.get(name);
			return {
				name,
				isAlive: this.#liveness.isAlive(name),
				entries: undefined,
				lagMs: heard?.lagMs,
				lastWordMs: heard === undefined ? undefined : nowMs - heard.lastWordMs,
			};
		});
	}
}
