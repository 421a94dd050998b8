/** A stick table as peers see it. All methods run in the control thread; the table's own locks do the rest. */
import type { EntryView, LearnConflict, StickTable } from '../stick-table/table.js';
import type { UpdateReader } from '../stick-table/update-list.js';
import { type Column, columnsOf, type EntryRecord } from './entry-record.js';
import type { KeyTypeName } from './protocol.js';
import type { ConflictRule, LearnOutcome, ReplicatedTable, TableReader } from './replicated-table.js';

export class ReplicatedStickTable implements ReplicatedTable {
	readonly name: string;
	wireName: string;
	readonly keyType: KeyTypeName;
	readonly keyLengthBytes: number;
	readonly columns: readonly Column[];
	readonly expireMs: number | undefined;
	readonly learnsLocalOnly: boolean;
	readonly #table: StickTable;
	readonly #view: EntryView;

	/** `wireName`: when it is shared under another name than its own. */
	constructor(table: StickTable, wireName = wireNameOf(table.model.name)) {
		const { model } = table;
		this.#table = table;
		this.name = model.name;
		this.wireName = wireName;
		this.keyType = model.keyType;
		this.keyLengthBytes = table.keyLengthBytes;
		this.columns = columnsOf(table.slots.map(({ wireId, count, periodMs }) => ({ typeId: wireId, count, periodMs })));
		this.expireMs = model.expireMs;
		this.learnsLocalOnly = model.recvOnly;
		this.#view = table.newView();
	}

	get identity(): object {
		return this.#table.buffer;
	}

	enableUpdates(): void {
		this.#table.updates.enable();
	}

	updateCounter(): number {
		return this.#table.updates.counter;
	}

	localUpdateId(): number {
		return this.#table.updates.localId;
	}

	openReader(list: 'local' | 'learned'): TableReader {
		return new StickTableReader(this.#table.updates.openReader(list), this.#view, this.keyLengthBytes);
	}

	takeSignal(): boolean {
		return this.#table.updates.takeSignal();
	}

	whenSignalled(callback: () => void): void {
		void this.#table.updates.signalled().then(callback);
	}

	learn(record: EntryRecord, nowMs: number, rule: ConflictRule | undefined): LearnOutcome {
		const expireMs = record.isTimed ? record.expireMs : undefined;
		const outcome = this.#table.learnWords(record, expireMs, nowMs, 'learnable', this.#conflict(rule));
		return outcome === 'no key' ? 'learned' : outcome;
	}

	readonly #scratch: { knownId: number; keepsLocal: boolean } = { knownId: 0, keepsLocal: false };

	#conflict(rule: ConflictRule | undefined): LearnConflict | undefined {
		if (rule === undefined) return undefined;
		// Half the number space back, nearly: every local id is after it.
		this.#scratch.knownId = rule.knownId ?? (this.#table.updates.counter - 0x7fffffff) >>> 0;
		this.#scratch.keepsLocal = rule.keepsLocal;
		return this.#scratch;
	}

	pushAgain(record: EntryRecord, nowMs: number): void {
		this.#table.pushAgain(record.key, record.keyLength, nowMs);
	}

	usedCount(): number {
		return this.#table.usedCount();
	}
}

/** `mypeers/t1` is `/t1` on the wire, so that sections of different names can share it (section 1). */
export function wireNameOf(name: string): string {
	const slash = name.indexOf('/');
	return slash < 0 ? name : name.slice(slash);
}

class StickTableReader implements TableReader {
	readonly #reader: UpdateReader;
	readonly #view: EntryView;
	readonly #keyLengthBytes: number;

	constructor(reader: UpdateReader, view: EntryView, keyLengthBytes: number) {
		this.#reader = reader;
		this.#view = view;
		this.#keyLengthBytes = keyLengthBytes;
	}

	get position(): number {
		return this.#reader.position;
	}

	seekStart(): void {
		this.#reader.seekStart();
	}

	seek(id: number): void {
		this.#reader.seek(id);
	}

	hasNext(): boolean {
		return this.#reader.hasNext();
	}

	close(): void {
		this.#reader.close();
	}

	next(record: EntryRecord, nowMs: number): boolean {
		const view = this.#view;
		if (!this.#reader.next(view, nowMs)) return false;
		record.keyLength = view.keyBytes(record.reserveKey(this.#keyLengthBytes));
		record.updateId = view.updateId;
		record.expireMs = view.remainingMs ?? 0;
		record.serverKey = view.serverKeyText === '' ? undefined : view.serverKeyText;
		view.copyWords(record.words);
		return true;
	}
}
