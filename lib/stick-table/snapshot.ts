/**
 * Tables into a snapshot and out of it again (the bytes: snapshot-format.ts; the file: the caller's).
 *
 * What has changed is known from the lists of updates that peers are served from: a reader that starts at
 * their beginning meets every entry once, and from then on only those that were modified. So the first pass
 * is the whole table, each later one what an interval has changed, and both go in slices of the caller's
 * choice with a lock held for one entry at a time.
 *
 * Reading makes new tables, of the declaration they were written with; how these become the tables of a
 * configuration is what a reload does with the tables of the former one. Time has passed meanwhile, and only
 * the wall clock knows how much: entries that expired are left out, rates have decayed, and nobody is
 * connected any more (`conn_cur`).
 */
import { tick } from '../core/clock.js';
import { HoldfastError } from '../core/errors.js';
import { CLASS_WORDS } from './data-types.js';
import { MAX_STRING_BYTES } from './dictionary.js';
import { EntryStore } from './entry-store.js';
import type { EntryView } from './entry-view.js';
import { type DataSlot, KEY } from './layout.js';
import {
	type DecodedFrame,
	decodeCommit,
	decodeEntriesHeader,
	decodeFrame,
	decodeTable,
	EntriesEncoder,
	type EntriesHeader,
	encodeCommit,
	encodeTable,
	Frame,
	SNAPSHOT_MAGIC,
} from './snapshot-format.js';
import { StickTable } from './table.js';
import type { UpdateReader } from './update-list.js';

/** Entries between two looks at the clock. */
const ENTRIES_PER_LOOK = 64;

interface WrittenTable {
	readonly table: StickTable;
	readonly view: EntryView;
	readonly local: UpdateReader;
	readonly learned: UpdateReader;
	readonly encoder: EntriesEncoder;
	/** Where a pass ends: the id that was given last when it began. */
	passEnd: number;
	localDone: boolean;
	passDone: boolean;
	readonly clearedAtStart: number;
}

/** What `pass` needs to know of time: monotonic and wall clock, ms. */
export interface SnapshotClock {
	monotonicMs(): number;
	wallMs(): number;
}

/** The source of one file's bytes. */
export class SnapshotSource {
	readonly #tables: readonly WrittenTable[];
	readonly #clock: SnapshotClock;
	#header: Buffer[] | undefined;

	/** Starts the bookkeeping of updates in the tables. */
	constructor(tables: readonly StickTable[], clock: SnapshotClock) {
		this.#clock = clock;
		this.#tables = tables.map((table, number) => {
			table.updates.enable();
			return {
				table,
				view: table.newView(),
				local: table.updates.openReader('local'),
				learned: table.updates.openReader('learned'),
				encoder: new EntriesEncoder(number, table.slot('server_key') !== undefined),
				passEnd: 0,
				localDone: true,
				passDone: true,
				clearedAtStart: table.clearedCount(),
			};
		});
		this.#header = [SNAPSHOT_MAGIC, ...tables.map((table, number) => encodeTable(number, table.model))];
	}

	/** Entries have been cleared, which an appended file cannot say: it is time for a new one. */
	get isOutdated(): boolean {
		return this.#tables.some(({ table, clearedAtStart }) => table.clearedCount() !== clearedAtStart);
	}

	/** Begins a pass: all entries the first time, then those modified since the pass before. */
	beginPass(): void {
		for (const written of this.#tables) {
			written.passEnd = written.table.updates.counter;
			written.localDone = false;
			written.passDone = false;
		}
	}

	/** Goes on with the pass for about `budgetMs`; true when it is complete. The bytes wait for `take`. */
	pass(budgetMs: number): boolean {
		const endMs = performance.now() + budgetMs;
		for (const written of this.#tables) {
			while (!written.passDone) {
				this.#copySome(written);
				if (performance.now() >= endMs) return this.#tables.every(({ passDone }) => passDone);
			}
		}
		return true;
	}

	/** The bytes since the last call, in order. */
	take(): Buffer[] {
		const buffers = this.#header ?? [];
		this.#header = undefined;
		for (const { encoder } of this.#tables) buffers.push(...encoder.take());
		return buffers;
	}

	/** The mark that ends a complete pass. */
	commit(): Buffer {
		return encodeCommit(this.#clock.wallMs());
	}

	close(): void {
		for (const { local, learned } of this.#tables) {
			local.close();
			learned.close();
		}
	}

	#copySome(written: WrittenTable): void {
		const { view, local, learned, encoder, passEnd } = written;
		const nowMs = this.#clock.monotonicMs();
		const wallMs = this.#clock.wallMs();
		const nowTick = tick(nowMs);
		for (let count = 0; count < ENTRIES_PER_LOOK; count++) {
			if (!written.localDone) {
				const found = local.next(view, nowMs);
				// Traffic may touch entries faster than they are copied: those after the end wait for the next pass.
				written.localDone = !found || ((view.updateId - passEnd) | 0) >= 0;
				if (!found) continue;
			} else if (!learned.next(view, nowMs)) {
				written.passDone = true;
				return;
			}
			if (view.remainingMs !== 0 || view.trackers > 0) encoder.add(view, nowTick, wallMs);
		}
	}
}

export interface RestoredTables {
	/** By name, of the declarations they were written with. */
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly entryCount: number;
	/** When the snapshot was complete last. */
	readonly writtenWallMs: number;
	/** Bytes behind the last commit, of an append that a crash cut off. */
	readonly ignoredBytes: number;
}

/**
 * Makes tables of the bytes of a snapshot file. Calls `pause` now and then when it is long.
 * @throws HoldfastError SNAPSHOT_INVALID when it is not a snapshot, of another version, or damaged;
 * TABLE_TOO_LARGE
 */
export async function restoreSnapshot(
	bytes: Buffer,
	clock: SnapshotClock,
	pause: () => Promise<void>,
): Promise<RestoredTables> {
	checkMagic(bytes);
	const { end, writtenWallMs } = findLastCommit(bytes);
	const tables = new Map<number, RestoringTable>();
	let pausedAtMs = performance.now();
	for (let at = SNAPSHOT_MAGIC.length; at < end; ) {
		const frame = decodeFrame(bytes, at) as DecodedFrame;
		at += frame.bytes;
		if (frame.type === Frame.TABLE) {
			const { number, model } = decodeTable(frame.payload);
			tables.set(number, new RestoringTable(new StickTable(model, StickTable.allocate(model))));
		} else if (frame.type === Frame.ENTRIES) {
			const header = decodeEntriesHeader(frame.payload);
			tables.get(header.tableNumber)?.restore(header, clock);
		}
		if (performance.now() - pausedAtMs > 10) {
			await pause();
			pausedAtMs = performance.now();
		}
	}
	const restored = [...tables.values()].map(({ table }) => table);
	return {
		tables: new Map(restored.map((table) => [table.name, table])),
		entryCount: restored.reduce((sum, table) => sum + table.usedCount(), 0),
		writtenWallMs,
		ignoredBytes: bytes.length - end,
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
 * The end of the last commit. A broken frame behind it is an append that was cut off, unless another commit
 * follows: then the file was damaged after it was written.
 */
function findLastCommit(bytes: Buffer): { end: number; writtenWallMs: number } {
	let end = 0;
	let writtenWallMs = 0;
	let at = SNAPSHOT_MAGIC.length;
	for (let frame = decodeFrame(bytes, at); frame !== undefined; frame = decodeFrame(bytes, at)) {
		at += frame.bytes;
		if (frame.type !== Frame.COMMIT) continue;
		end = at;
		writtenWallMs = decodeCommit(frame.payload);
	}
	const commitHeader = encodeCommit(0).subarray(0, 8);
	for (let found = bytes.indexOf(commitHeader, at); found >= 0; found = bytes.indexOf(commitHeader, found + 1)) {
		if (decodeFrame(bytes, found) !== undefined)
			throw new HoldfastError('SNAPSHOT_INVALID', `it is damaged at byte ${at}`);
	}
	if (end === 0) throw new HoldfastError('SNAPSHOT_INVALID', 'it is not complete');
	return { end, writtenWallMs };
}

class RestoringTable {
	readonly table: StickTable;
	readonly #store: EntryStore;

	constructor(table: StickTable) {
		this.table = table;
		this.#store = new EntryStore(table.model, new Int32Array(table.buffer));
	}

	restore(header: EntriesHeader, clock: SnapshotClock): void {
		const { words } = header;
		const now = tick(clock.monotonicMs()) | 0;
		// A wall clock that was set back tells nothing: then no time has passed.
		const passedMs = Math.max(0, clock.wallMs() - header.wallMs);
		const { recordWords } = this.#store.layout;
		const hasServerKey = this.#store.stringSlot !== undefined;
		for (let at = header.at; at + 1 + recordWords - KEY <= words.length; ) {
			const dataAt = at + 1;
			const next = dataAt + recordWords - KEY;
			let serverKey = '';
			at = next;
			if (hasServerKey) {
				const length = Math.min(MAX_STRING_BYTES, words[next]!);
				serverKey = Buffer.from(words.buffer, words.byteOffset + (next + 1) * 4, length).toString('latin1');
				at = next + 1 + Math.ceil(length / 4);
			}
			this.#restoreEntry(words, dataAt, header.tick, passedMs, serverKey, now);
		}
	}

	/** `dataAt`: the key's first word; the word before it is the expiry date. */
	#restoreEntry(
		words: Int32Array,
		dataAt: number,
		thenTick: number,
		passedMs: number,
		serverKey: string,
		now: number,
	): void {
		const store = this.#store;
		if (!store.lockKey(store.codec.decode(words, dataAt))) return;
		const remainingMs = store.expireMs === 0 ? 0 : Math.max(0, (words[dataAt - 1]! - thenTick) | 0) - passedMs;
		const isOver = store.expireMs !== 0 && remainingMs <= 0;
		const record = isOver ? store.find(now) : store.findOrCreate(now);
		if (record !== 0 && isOver) store.removeIfFree(record);
		else if (record !== 0) {
			for (const slot of store.layout.slots) this.#restoreSlot(words, dataAt, record, slot, thenTick, passedMs, now);
			if (serverKey !== '') store.setServerKey(record, serverKey);
			if (store.expireMs === 0) store.refresh(record, now);
			else store.setDate(record, (now + Math.min(remainingMs, store.expireMs)) | 0);
		}
		store.unlock();
	}

	#restoreSlot(
		words: Int32Array,
		dataAt: number,
		record: number,
		slot: DataSlot,
		thenTick: number,
		passedMs: number,
		now: number,
	): void {
		// A string is interned anew, and a connection that was open is not any more.
		if (slot.class === 'string' || slot.type === 'conn_cur') return;
		const target = this.#store.words;
		const elementWords = CLASS_WORDS[slot.class];
		for (let i = 0; i < slot.count; i++) {
			const to = record + slot.offset + i * elementWords;
			const from = dataAt + slot.offset - KEY + i * elementWords;
			for (let word = 0; word < elementWords; word++) target[to + word] = words[from + word]!;
			if (slot.class !== 'rate') continue;
			const ageMs = ((thenTick - words[from]!) >>> 0) + passedMs;
			if (ageMs < 2 * slot.periodMs) target[to] = (now - ageMs) | 0;
			else target.fill(0, to, to + elementWords);
		}
	}
}
