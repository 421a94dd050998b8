/**
 * A replicated table in plain objects: the contract of `replicated-table.ts` in its most obvious form, for the
 * simulation and the unit tests. Slow on purpose: a reader finds its next entry by looking at all of them.
 */
import type { Clock } from '../../lib/core/clock.js';
import { tick } from '../../lib/core/clock.js';
import {
	type Column,
	type ColumnSpec,
	columnsOf,
	type EntryRecord,
	wordCountOf,
} from '../../lib/peers/entry-record.js';
import type { KeyTypeName } from '../../lib/peers/protocol.js';
import type { ConflictRule, LearnOutcome, ReplicatedTable, TableReader } from '../../lib/peers/replicated-table.js';
import { CLASS_WORDS, dataTypeByName } from '../../lib/stick-table/data-types.js';

export interface MemoryEntry {
	readonly key: string;
	/** As in a record, but a rate has the start of its period in place of the time since. */
	readonly words: Uint32Array;
	serverKey: string | undefined;
	expiresAtMs: number | undefined;
	list: 'none' | 'local' | 'learned';
	id: number;
	isSent: boolean;
}

export interface MemoryTableOptions {
	readonly name: string;
	readonly wireName?: string;
	readonly keyType?: KeyTypeName;
	readonly keyLengthBytes?: number;
	readonly columns: readonly ColumnSpec[];
	readonly expireMs?: number;
	readonly size?: number;
	readonly recvOnly?: boolean;
	readonly clock: Clock;
	readonly defer: (callback: () => void) => void;
	/** Where the update counter starts; near 2^32 to see it wrap. */
	readonly firstId?: number;
}

export class MemoryTable implements ReplicatedTable {
	readonly name: string;
	readonly wireName: string;
	readonly keyType: KeyTypeName;
	readonly keyLengthBytes: number;
	readonly columns: readonly Column[];
	readonly expireMs: number | undefined;
	readonly learnsLocalOnly: boolean;
	readonly entries = new Map<string, MemoryEntry>();
	readonly readers = new Set<TableReader>();
	readonly #size: number;
	readonly #clock: Clock;
	readonly #defer: (callback: () => void) => void;
	#counter: number;
	#localId: number;
	#isEnabled = false;
	#signal = false;
	#waiting: (() => void) | undefined;

	constructor(options: MemoryTableOptions) {
		this.name = options.name;
		this.wireName = options.wireName ?? options.name;
		this.keyType = options.keyType ?? 'string';
		this.keyLengthBytes = options.keyLengthBytes ?? 32;
		this.columns = columnsOf(options.columns);
		this.expireMs = options.expireMs;
		this.learnsLocalOnly = options.recvOnly ?? false;
		this.#size = options.size ?? Number.POSITIVE_INFINITY;
		this.#clock = options.clock;
		this.#defer = options.defer;
		this.#counter = options.firstId ?? 0;
		this.#localId = this.#counter;
	}

	get identity(): object {
		return this.entries;
	}

	enableUpdates(): void {
		this.#isEnabled = true;
		for (const entry of this.entries.values()) if (entry.list === 'none') this.#touchLearned(entry);
	}

	updateCounter(): number {
		return this.#counter;
	}

	localUpdateId(): number {
		return this.#localId;
	}

	takeSignal(): boolean {
		const { isSet } = { isSet: this.#signal };
		this.#signal = false;
		return isSet;
	}

	whenSignalled(callback: () => void): void {
		if (this.#signal) this.#defer(callback);
		else this.#waiting = callback;
	}

	usedCount(): number {
		return this.entries.size;
	}

	column(name: string): Column {
		const type = dataTypeByName(name);
		const column = this.columns.find(({ dataType }) => dataType === type);
		if (column === undefined) throw new Error(`${name} is not stored`);
		return column;
	}

	/** A local modification: adds to a counter or a rate, or sets what cannot be added to. */
	count(key: string, name: string, amount = 1, index = 0): MemoryEntry {
		const nowMs = this.#clock.monotonicMs();
		const entry = this.#findOrCreate(key);
		const { dataType, wordOffset, periodMs } = this.column(name);
		const at = wordOffset + index * CLASS_WORDS[dataType.class];
		const { words } = entry;
		if (dataType.class === 'rate') addToRate(words, at, amount, periodMs, tick(nowMs));
		else if (dataType.class === 'uint64') {
			const sum = (BigInt(words[at + 1]!) << 32n) + BigInt(words[at]!) + BigInt(amount);
			words[at] = Number(sum & 0xffffffffn);
			words[at + 1] = Number((sum >> 32n) & 0xffffffffn);
		} else words[at]! += amount;
		this.#modified(entry, nowMs);
		return entry;
	}

	setServerKey(key: string, text: string): void {
		const entry = this.#findOrCreate(key);
		entry.serverKey = text;
		this.#modified(entry, this.#clock.monotonicMs());
	}

	clear(key: string): void {
		this.entries.delete(key);
	}

	/** Live entries; the dead ones leave. */
	live(): MemoryEntry[] {
		const nowMs = this.#clock.monotonicMs();
		for (const [key, { expiresAtMs }] of this.entries) {
			if (expiresAtMs !== undefined && expiresAtMs <= nowMs) this.entries.delete(key);
		}
		return [...this.entries.values()];
	}

	/** Values of an entry, rates as elapsed time, for comparing. */
	values(key: string): Record<string, unknown> | undefined {
		const entry = this.live().find((candidate) => candidate.key === key);
		if (entry === undefined) return undefined;
		const nowTick = tick(this.#clock.monotonicMs());
		return Object.fromEntries(
			this.columns.map(({ dataType, count, wordOffset }) => {
				const elements = Array.from({ length: count }, (_, index) => {
					const at = wordOffset + index * CLASS_WORDS[dataType.class];
					const { words } = entry;
					if (dataType.class === 'string') return entry.serverKey;
					if (dataType.class === 'rate') return [(nowTick - words[at]!) >>> 0, words[at + 1], words[at + 2]];
					return dataType.class === 'uint64' ? words[at + 1]! * 2 ** 32 + words[at]! : words[at];
				});
				return [dataType.name, dataType.isArray ? elements : elements[0]];
			}),
		);
	}

	openReader(list: 'local' | 'learned'): TableReader {
		const reader: TableReader = new MemoryReader(this, list);
		this.readers.add(reader);
		return reader;
	}

	/** Entries of a list in the order of their ids. */
	inOrder(list: 'local' | 'learned'): MemoryEntry[] {
		const origin = list === 'local' ? this.#counter : (this.#counter + 2 ** 31) >>> 0;
		return this.live()
			.filter((entry) => entry.list === list)
			.sort((a, b) => ((a.id - origin) | 0) - ((b.id - origin) | 0));
	}

	fill(entry: MemoryEntry, record: EntryRecord): void {
		const nowMs = this.#clock.monotonicMs();
		const key = Buffer.from(entry.key, 'latin1');
		key.copy(record.reserveKey(key.length));
		record.updateId = entry.id;
		record.expireMs = entry.expiresAtMs === undefined ? 0 : Math.max(0, entry.expiresAtMs - nowMs);
		record.serverKey = entry.serverKey;
		record.words.set(entry.words);
		for (const at of this.#rateOffsets()) record.words[at] = (tick(nowMs) - entry.words[at]!) >>> 0;
	}

	learn(record: EntryRecord, nowMs: number, rule: ConflictRule | undefined): LearnOutcome {
		this.live();
		const key = record.keyBytes().toString('latin1');
		const known = this.entries.get(key);
		const isConflict = known?.list === 'local' && (rule?.knownId === undefined || ((known.id - rule.knownId) | 0) > 0);
		if (rule?.keepsLocal === true && isConflict) return 'kept';
		if (record.isTimed && record.expireMs <= 0 && this.expireMs !== undefined) {
			this.entries.delete(key);
			return 'learned';
		}
		if (known === undefined && this.entries.size >= this.#size) return 'full';
		const entry = known ?? this.#findOrCreate(key);
		for (const [index, { dataType, wordOffset }] of this.columns.entries()) {
			const wordCount = record.elementCounts[index]! * CLASS_WORDS[dataType.class];
			for (let at = wordOffset; at < wordOffset + wordCount; at++) entry.words[at] = record.words[at]!;
			if (dataType.class !== 'rate') continue;
			for (let at = wordOffset; at < wordOffset + wordCount; at += 3) {
				entry.words[at] = (tick(nowMs) - record.words[at]!) & ~1;
			}
		}
		if (record.serverKey !== undefined) entry.serverKey = record.serverKey;
		const lifeMs = record.isTimed ? Math.min(record.expireMs, this.expireMs ?? 0) : (this.expireMs ?? 0);
		entry.expiresAtMs = this.expireMs === undefined ? undefined : nowMs + lifeMs;
		this.#touchLearned(entry);
		return 'learned';
	}

	pushAgain(record: EntryRecord): void {
		const entry = this.entries.get(record.keyBytes().toString('latin1'));
		if (entry !== undefined) this.#touchLocal(entry);
	}

	#rateOffsets(): number[] {
		return this.columns
			.filter(({ dataType }) => dataType.class === 'rate')
			.flatMap(({ count, wordOffset }) => Array.from({ length: count }, (_, index) => wordOffset + index * 3));
	}

	#findOrCreate(key: string): MemoryEntry {
		this.live();
		let entry = this.entries.get(key);
		if (entry === undefined) {
			entry = {
				key,
				words: new Uint32Array(wordCountOf(this.columns)),
				serverKey: undefined,
				expiresAtMs: undefined,
				list: 'none',
				id: 0,
				isSent: false,
			};
			this.entries.set(key, entry);
		}
		return entry;
	}

	#modified(entry: MemoryEntry, nowMs: number): void {
		entry.expiresAtMs = this.expireMs === undefined ? undefined : nowMs + this.expireMs;
		this.#touchLocal(entry);
	}

	#touchLocal(entry: MemoryEntry): void {
		if (!this.#isEnabled) return;
		if (entry.list !== 'local' || entry.isSent) {
			this.#counter = (this.#counter + 1) >>> 0;
			this.#localId = this.#counter;
			entry.list = 'local';
			entry.id = this.#counter;
			entry.isSent = false;
		}
		this.#signal = true;
		const waiting = this.#waiting;
		this.#waiting = undefined;
		if (waiting !== undefined) this.#defer(waiting);
	}

	#touchLearned(entry: MemoryEntry): void {
		if (!this.#isEnabled) return;
		if (entry.list === 'none') {
			this.#counter = (this.#counter + 1) >>> 0;
			entry.list = 'learned';
			entry.id = (this.#counter + 2 ** 31) >>> 0;
		} else entry.isSent = true;
	}
}

class MemoryReader implements TableReader {
	readonly #table: MemoryTable;
	readonly #list: 'local' | 'learned';
	/** Undefined: before the first entry. */
	#after: number | undefined;

	constructor(table: MemoryTable, list: 'local' | 'learned') {
		this.#table = table;
		this.#list = list;
	}

	get position(): number {
		return this.#after ?? 0;
	}

	seekStart(): void {
		this.#after = undefined;
	}

	seek(id: number): void {
		this.#after = id;
	}

	next(record: EntryRecord): boolean {
		const entry = this.#following();
		if (entry === undefined) return false;
		this.#after = entry.id;
		entry.isSent = true;
		this.#table.fill(entry, record);
		return true;
	}

	hasNext(): boolean {
		return this.#following() !== undefined;
	}

	close(): void {
		this.#table.readers.delete(this);
	}

	#following(): MemoryEntry | undefined {
		const after = this.#after;
		return this.#table.inOrder(this.#list).find(({ id }) => after === undefined || ((id - after) | 0) > 0);
	}
}

/** stick-tables.md, section 4, in its slowest form. */
function addToRate(words: Uint32Array, at: number, amount: number, periodMs: number, now: number): void {
	const start = words[at]!;
	if ((now - start) >>> 0 < periodMs) {
		words[at + 1]! += amount;
		return;
	}
	words[at + 2] = words[at + 1]!;
	words[at + 1] = amount;
	words[at] = start + periodMs;
	if ((now - words[at]!) >>> 0 >= periodMs) {
		words[at + 2] = 0;
		words[at] = now;
	}
	words[at]! &= ~1;
}
