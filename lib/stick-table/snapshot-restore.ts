/**
 * A snapshot back into tables (the bytes: snapshot-format.ts), which may be in use already: a start does not wait
 * for a million entries.
 *
 * The file is a log, and only the last word about an entry counts. So it is read from its end, and an entry that
 * has been seen is passed over: each is put into its table once. One that is not there yet is written as it was;
 * one that traffic has made meanwhile gets what it had before added to it (transfer.ts), so that in the end
 * everything reads as if the counting had never stopped. Reading backwards also gives the youngest first: when the
 * table is full, of what is younger or of what was counted since, the rest is left out.
 *
 * Time has passed meanwhile, and only the wall clock knows how much: entries that expired are left out, rates have
 * decayed, and nobody is connected any more (`conn_cur`). A table that is declared otherwise than it was takes
 * what has a meaning there, as in a reload.
 *
 * What it gives up: a rate whose period turns between the first new event and the restore counts those events in
 * the newer period; and until an entry is restored, rules read only what was counted since.
 */
import { randomInt } from 'node:crypto';
import type { StickTableModel } from '../config/model.js';
import { tick } from '../core/clock.js';
import { HoldfastError } from '../core/errors.js';
import { CLASS_WORDS } from './data-types.js';
import { MAX_STRING_BYTES } from './dictionary.js';
import { EntryStore } from './entry-store.js';
import { hashWords } from './hash.js';
import { type KeyCodec, keyCodec } from './key.js';
import { type DataSlot, EXPIRE, haveSameRecords, KEY, layoutOf, STATE, type TableLayout, UNTRACKED } from './layout.js';
import type { SnapshotClock } from './snapshot.js';
import {
	decodeCommit,
	decodeTable,
	ENTRIES_HEADER_WORDS,
	encodeCommit,
	Frame,
	frameAt,
	SNAPSHOT_MAGIC,
} from './snapshot-format.js';
import type { StickTable } from './table.js';
import { EntryTransfer } from './transfer.js';

/** Work between two pauses. */
const SLICE_MS = 8;
/** Entries between two looks at the clock. */
const ENTRIES_PER_LOOK = 256;

/** Entries of one table, copied at one moment: words `from` to `end` of the file. */
interface EntriesFrame {
	readonly tableNumber: number;
	readonly tick: number;
	readonly wallMs: number;
	readonly from: number;
	readonly end: number;
}

/** A file whose bytes are known to be whole. */
export interface Snapshot {
	/** The declarations of the tables in it. */
	readonly models: readonly StickTableModel[];
	/** When the snapshot was complete last. */
	readonly writtenWallMs: number;
	/** Bytes behind the last commit, of an append that a crash cut off. */
	readonly ignoredBytes: number;
	/** Puts its entries into the tables of the same name, which may be in use. Calls `pause` after each slice. */
	restoreInto(
		tables: ReadonlyMap<string, StickTable>,
		clock: SnapshotClock,
		pause: () => Promise<void>,
		sliceMs?: number,
	): Promise<RestoreResult>;
}

export interface RestoreResult {
	readonly entries: number;
	/** Entries for which there was no room, or whose key cannot be one of the table. */
	readonly leftOut: number;
	/** Tables of the file that are not declared any more. */
	readonly unknownTables: readonly string[];
}

/**
 * Checks the bytes of a snapshot file, all of them. Calls `pause` now and then when it is long.
 * @throws HoldfastError SNAPSHOT_INVALID when it is not a snapshot, of another version, or damaged
 */
export async function readSnapshot(bytes: Buffer, pause: () => Promise<void>): Promise<Snapshot> {
	checkMagic(bytes);
	const models = new Map<number, StickTableModel>();
	const frames: EntriesFrame[] = [];
	let words = wordsOf(bytes);
	let end = 0;
	let framesUntilEnd = 0;
	let writtenWallMs = 0;
	let at = SNAPSHOT_MAGIC.length;
	let pausedAtMs = performance.now();
	for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
		const { payload } = frame;
		at = frame.end;
		switch (frame.type) {
			case Frame.TABLE: {
				const { number, model } = decodeTable(payload);
				models.set(number, model);
				break;
			}
			case Frame.ENTRIES: {
				// Words must stand at whole words; where they do not, the whole file is moved.
				if (payload.byteOffset % 4 !== 0) words = undefined;
				if (payload.length < ENTRIES_HEADER_WORDS * 4) break;
				frames.push({
					tableNumber: payload.readUInt32LE(0),
					tick: payload.readUInt32LE(4),
					wallMs: payload.readDoubleLE(8),
					from: frame.start + ENTRIES_HEADER_WORDS * 4,
					end: frame.end,
				});
				break;
			}
			case Frame.COMMIT:
				end = at;
				framesUntilEnd = frames.length;
				writtenWallMs = decodeCommit(payload);
				break;
		}
		if (performance.now() - pausedAtMs > SLICE_MS) {
			await pause();
			pausedAtMs = performance.now();
		}
	}
	refuseDamage(bytes, at);
	if (end === 0) throw new HoldfastError('SNAPSHOT_INVALID', 'it is not complete');
	frames.length = framesUntilEnd;
	const aligned = words === undefined ? moved(bytes, frames) : { words, frames: frames.map(inWords) };
	return {
		models: [...models.values()],
		writtenWallMs,
		ignoredBytes: bytes.length - end,
		async restoreInto(tables, clock, turn, sliceMs = SLICE_MS) {
			const { words: source, frames: written } = aligned;
			const { restores, unknownTables } = restoresOf(source, written, models, tables);
			let pausedMs = performance.now();
			for (const frame of [...written].reverse()) {
				const restore = restores.get(frame.tableNumber);
				if (restore === undefined) continue;
				restore.beginFrame(frame);
				while (!restore.step(clock)) {
					if (performance.now() - pausedMs < sliceMs) continue;
					await turn();
					pausedMs = performance.now();
				}
			}
			let entries = 0;
			let leftOut = 0;
			for (const { entryCount, leftOutCount } of restores.values()) {
				entries += entryCount;
				leftOut += leftOutCount;
			}
			return { entries, leftOut, unknownTables };
		},
	};
}

function checkMagic(bytes: Buffer): void {
	const magic = bytes.subarray(0, SNAPSHOT_MAGIC.length);
	if (magic.equals(SNAPSHOT_MAGIC)) return;
	const isOurs = magic.subarray(0, 6).equals(SNAPSHOT_MAGIC.subarray(0, 6));
	throw new HoldfastError(
		'SNAPSHOT_INVALID',
		isOurs ? `it is of version ${bytes[6]}, this program reads version ${SNAPSHOT_MAGIC[6]}` : 'it is not a snapshot',
	);
}

/**
 * A broken frame at `at` is an append that was cut off, unless a commit follows: then the file was damaged after it
 * was written.
 */
function refuseDamage(bytes: Buffer, at: number): void {
	const commitHeader = encodeCommit(0).subarray(0, 8);
	for (let found = bytes.indexOf(commitHeader, at); found >= 0; found = bytes.indexOf(commitHeader, found + 1)) {
		if (frameAt(bytes, found) !== undefined) throw new HoldfastError('SNAPSHOT_INVALID', `it is damaged at byte ${at}`);
	}
}

/** The bytes as words, in place; undefined where the machine cannot see them so. */
function wordsOf(bytes: Buffer): Int32Array | undefined {
	return bytes.byteOffset % 4 === 0 ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : undefined;
}

const inWords = (frame: EntriesFrame): EntriesFrame => ({ ...frame, from: frame.from >> 2, end: frame.end >> 2 });

/** The entries alone, one frame after the other. */
function moved(
	bytes: Buffer,
	frames: readonly EntriesFrame[],
): { readonly words: Int32Array; readonly frames: readonly EntriesFrame[] } {
	const words = new Int32Array(frames.reduce((sum, { from, end }) => sum + ((end - from) >> 2), 0));
	const target = Buffer.from(words.buffer);
	let at = 0;
	const placed = frames.map((frame) => {
		const from = at;
		at += (frame.end - frame.from) >> 2;
		bytes.copy(target, from * 4, frame.from, frame.from + (at - from) * 4);
		return { ...frame, from, end: at };
	});
	return { words, frames: placed };
}

/** What restores each table of the file, by its number there. */
function restoresOf(
	words: Int32Array,
	frames: readonly EntriesFrame[],
	models: ReadonlyMap<number, StickTableModel>,
	tables: ReadonlyMap<string, StickTable>,
): { readonly restores: ReadonlyMap<number, TableRestore>; readonly unknownTables: readonly string[] } {
	const restores = new Map<number, TableRestore>();
	const unknownTables: string[] = [];
	for (const [number, model] of models) {
		const table = tables.get(model.name);
		const ofTable = frames.filter(({ tableNumber }) => tableNumber === number);
		// Sums are made of what the nodes tell again.
		if (table === undefined || table.model.sumOf !== undefined) unknownTables.push(model.name);
		else restores.set(number, new TableRestore(words, model, table, ofTable));
	}
	return { restores, unknownTables };
}

/** The keys that have been met, by where they stand: a hash table of word indexes with open addressing. */
class SeenKeys {
	readonly #words: Int32Array;
	readonly #keyWords: number;
	readonly #places: Int32Array;
	readonly #mask: number;
	readonly #seed0 = randomInt(2 ** 32) | 0;
	readonly #seed1 = randomInt(2 ** 32) | 0;

	constructor(words: Int32Array, keyWords: number, keyCount: number) {
		let capacity = 16;
		while (capacity < keyCount * 2) capacity *= 2;
		this.#words = words;
		this.#keyWords = keyWords;
		this.#places = new Int32Array(capacity);
		this.#mask = capacity - 1;
	}

	/** False when the key at this word was there. A key never stands at word 0. */
	add(keyAt: number): boolean {
		const words = this.#words;
		const places = this.#places;
		let place = hashWords(words, keyAt, this.#keyWords, this.#seed0, this.#seed1) & this.#mask;
		for (let seen = places[place]!; seen !== 0; seen = places[place]!) {
			let word = 0;
			while (word < this.#keyWords && words[seen + word] === words[keyAt + word]) word++;
			if (word === this.#keyWords) return false;
			place = (place + 1) & this.#mask;
		}
		places[place] = keyAt;
		return true;
	}
}

/** The entries of one table of the file. */
class TableRestore {
	entryCount = 0;
	leftOutCount = 0;
	readonly #words: Int32Array;
	readonly #layout: TableLayout;
	readonly #codec: KeyCodec;
	readonly #expireMs: number;
	readonly #store: EntryStore;
	/** Records of file and table are alike, word by word. */
	readonly #isSame: boolean;
	readonly #transfer: EntryTransfer;
	readonly #seen: SeenKeys;
	readonly #rates: readonly DataSlot[];
	readonly #stringAt: number | undefined;
	readonly #connCurAt: number | undefined;
	/** Words of an entry in the file, up to its text. */
	readonly #entryWords: number;
	/** An entry as a record of the source, its times as of now. */
	readonly #record: Int32Array;
	#frame: EntriesFrame | undefined;
	/** Where the entries of the frame begin; it is worked off from the end. */
	#starts = new Int32Array(1024);
	#left = 0;
	// The moment: taken for some entries at once.
	#nowMs = 0;
	#now = 0;
	#passedMs = 0;

	constructor(words: Int32Array, model: StickTableModel, table: StickTable, frames: readonly EntriesFrame[]) {
		this.#words = words;
		this.#layout = layoutOf(model);
		this.#codec = keyCodec(model);
		this.#expireMs = model.expireMs ?? 0;
		this.#store = new EntryStore(table.model, new Int32Array(table.buffer));
		this.#isSame = haveSameRecords(model, table.model);
		this.#transfer = new EntryTransfer(model, this.#store, { isPast: true });
		const { slots, recordWords, keyWords } = this.#layout;
		this.#rates = slots.filter(({ isRate }) => isRate);
		this.#stringAt = slots.find((slot) => slot.class === 'string')?.offset;
		this.#connCurAt = slots.find(({ type }) => type === 'conn_cur')?.offset;
		this.#entryWords = 1 + recordWords - KEY;
		this.#record = new Int32Array(recordWords);
		const wordCount = frames.reduce((sum, { from, end }) => sum + end - from, 0);
		this.#seen = new SeenKeys(words, keyWords, Math.ceil(wordCount / this.#entryWords));
	}

	beginFrame(frame: EntriesFrame): void {
		this.#frame = frame;
		this.#left = 0;
		for (let at = frame.from; at + this.#entryWords <= frame.end; at = this.#nextAt(at)) {
			if (this.#left === this.#starts.length) {
				const longer = new Int32Array(this.#left * 2);
				longer.set(this.#starts);
				this.#starts = longer;
			}
			this.#starts[this.#left++] = at;
		}
	}

	/** Restores some entries of the frame; true when it is done. */
	step(clock: SnapshotClock): boolean {
		const { wallMs } = this.#frame as EntriesFrame;
		this.#nowMs = clock.monotonicMs();
		this.#now = tick(this.#nowMs) | 0;
		// A wall clock that was set back tells nothing: then no time has passed.
		this.#passedMs = Math.max(0, clock.wallMs() - wallMs);
		for (let count = 0; count < ENTRIES_PER_LOOK && this.#left > 0; count++) {
			const at = this.#starts[--this.#left]!;
			if (this.#seen.add(at + 1)) this.#restore(at);
		}
		return this.#left === 0;
	}

	#nextAt(at: number): number {
		const next = at + this.#entryWords;
		return this.#stringAt === undefined ? next : next + 1 + Math.ceil(this.#textLength(next) / 4);
	}

	#textLength(at: number): number {
		return Math.min(MAX_STRING_BYTES, this.#words[at]!);
	}

	/** `at`: the expiry date; the key follows. */
	#restore(at: number): void {
		const { tick: thenTick } = this.#frame as EntriesFrame;
		const remainingMs = Math.max(0, (this.#words[at]! - thenTick) | 0) - this.#passedMs;
		if (this.#expireMs !== 0 && remainingMs <= 0) return;
		const serverKey = this.#serverKey(at + this.#entryWords);
		this.#copy(at, remainingMs, thenTick);
		if (this.#isSame && this.#create(remainingMs, serverKey)) return;
		const entry = { words: this.#record, at: 0, key: this.#codec.decode(this.#record, KEY), serverKey };
		const outcome = this.#transfer.apply(entry, undefined, 0, false, this.#nowMs);
		if (outcome === 'transferred') this.entryCount++;
		else if (outcome !== 'over') this.leftOutCount++;
	}

	#serverKey(at: number): string {
		if (this.#stringAt === undefined) return '';
		const { buffer, byteOffset } = this.#words;
		return Buffer.from(buffer, byteOffset + (at + 1) * 4, this.#textLength(at)).toString('latin1');
	}

	/** Makes `#record` of the entry at `at`. */
	#copy(at: number, remainingMs: number, thenTick: number): void {
		const words = this.#words;
		const record = this.#record;
		for (let word = 1; word < this.#entryWords; word++) record[KEY + word - 1] = words[at + word]!;
		record[STATE] = UNTRACKED;
		record[EXPIRE] = (this.#now + remainingMs) | 0;
		// A string is interned anew, and a connection that was open is not any more.
		if (this.#stringAt !== undefined) record[this.#stringAt] = 0;
		if (this.#connCurAt !== undefined) record[this.#connCurAt] = 0;
		for (const slot of this.#rates) {
			const elementWords = CLASS_WORDS[slot.class];
			for (let i = 0, rateAt = slot.offset; i < slot.count; i++, rateAt += elementWords) {
				const ageMs = ((thenTick - record[rateAt]!) >>> 0) + this.#passedMs;
				if (ageMs < 2 * slot.periodMs) record[rateAt] = (this.#now - ageMs) | 0;
				else record.fill(0, rateAt, rateAt + elementWords);
			}
		}
	}

	/** The common case: the entry is not there, and its record is copied as it is. False when it is there. */
	#create(remainingMs: number, serverKey: string): boolean {
		const store = this.#store;
		const { words } = store;
		const lifeMs = this.#lifeMs(remainingMs);
		if (lifeMs < 0) return true;
		store.lockKeyWords(this.#record, KEY);
		if (store.find(this.#now) !== 0) {
			store.unlock();
			return false;
		}
		const record = store.createOld((this.#now + lifeMs) | 0);
		if (record === 0) this.leftOutCount++;
		else {
			const { keyWords, recordWords } = this.#layout;
			for (let word = KEY + keyWords; word < recordWords; word++) words[record + word] = this.#record[word]!;
			if (serverKey !== '') store.setServerKey(record, serverKey);
			store.updates.touchLearned(record);
			this.entryCount++;
		}
		store.unlock();
		return true;
	}

	/** The same idle time under the table's own `expire`; negative when that is over. */
	#lifeMs(remainingMs: number): number {
		const { expireMs } = this.#store;
		if (expireMs === 0) return 0;
		if (this.#expireMs === 0) return expireMs;
		const lifeMs = Math.min(expireMs, remainingMs - this.#expireMs + expireMs);
		return lifeMs > 0 ? lifeMs : -1;
	}
}
