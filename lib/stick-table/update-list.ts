/**
 * Which entries peers must hear of, in which order (peers-protocol.md, 10.1). This is the contract between
 * stick tables and the peers section.
 *
 * ## What data threads do
 * Nothing until someone calls `table.updates.enable()`. From then on each local modification (creation,
 * counter, refresh by tracking or stick match, `set table`) puts the entry at the end of the list `local`
 * with id ++counter, unless it is in that list already and was not sent since: then it keeps its place and
 * id, since values are read when the message is built. An entry learned from a peer that is in no list goes
 * to the end of the list `learned` with id (++counter + 2^31) mod 2^32; one in a list stays where it is.
 * Ids ascend along each list (modulo 2^32). Entries that expire, are evicted or cleared just leave.
 *
 * ## What the control thread does
 * Peers live in one thread. For each peer and table they open a reader, a place in one of the lists:
 *
 *     const reader = table.updates.openReader('local');
 *     reader.seek(lastAckedId);                 // or seekStart(): everything
 *     while (room() && reader.next(view, nowMs)) send(view.updateId, view);
 *     reader.close();
 *
 * `next` moves to the following entry of the list, marks it as sent, and copies it into `view` (one per
 * caller, reused; see entry-view.ts); false: the end of the list for now, and a later call goes on from
 * there. `reader.position` is the id of the entry it stands on: keep it to resume later with `seek`. An entry
 * modified again after `next` returned it moves to the end of the list and comes once more.
 *
 *   live push       a `local` reader per remote peer, pumped whenever something is new
 *   teaching        `local` from seekStart, then `learned` from seekStart. Every entry comes once; one that is
 *                   modified meanwhile comes again from the `local` reader, which then serves the live push
 *   ack of id n     `updates.isSentId(n)` tells if n may be an id of ours at all: between 1 and the counter
 *
 *   received entry  `table.learnWords(...)`, or `learn(...)`; `table.pushAgain(key)` lists an entry once more
 *
 * To know when to pump, either poll `updates.takeSignal()` on a short timer (one atomic operation; it is
 * true once after any number of local modifications), or `await updates.signalled()`, which resolves when
 * a data thread sets the signal, without polling, and does not keep the process alive. Take the signal before
 * reading to the end, so that what comes during the reading signals again.
 *
 * ## How
 * Two doubly linked lists through the records, under one lock of the table. A reader's place is a record;
 * when that record leaves or moves the place steps back to its predecessor, so next() costs the same however
 * far behind a reader is, and memory per slow peer is two words. Lock order: shard, then update list.
 */
import { acquireLock, releaseLock } from '../shared/spin-lock.js';
import type { EntryView } from './entry-view.js';
import {
	MAX_READERS,
	READER_WORDS,
	READERS,
	READERS_HIGH_WATER,
	UPDATE_COUNTER,
	UPDATE_ENABLED,
	UPDATE_ID,
	UPDATE_LISTS,
	UPDATE_LOCAL_ID,
	UPDATE_LOCK,
	UPDATE_NEXT,
	UPDATE_PREV,
	UPDATE_SIGNAL,
	UPDATE_STATE,
} from './layout.js';

export type UpdateListName = 'local' | 'learned';

// UPDATE_STATE of a record: the list in the low bits, then flags. Written with the update lock held.
const IN_LOCAL = 1;
const IN_LEARNED = 2;
const LIST_MASK = 3;
/** Sent to some peer since it was put there, or overwritten by one: the next modification needs a new id. */
const SENT = 4;
/** Some reader stands on it. */
const UNDER_READER = 8;

const LEARNED_OFFSET = 2 ** 31;
/** Entries a seek steps over before it lets others have the lock. */
const SEEK_SLICE = 256;

// A reader in shared memory: which list (0: not open), and the record it stands on (0: before the first).
const READER_LIST = 0;
const READER_RECORD = 1;

/** Copies a live record into a view; false if it is not live. Given by the table, which knows the shards. */
export type CopyRecord = (record: number, view: EntryView, nowMs: number) => boolean;

export class UpdateList {
	readonly #words: Int32Array;
	readonly #copyRecord: CopyRecord;
	readonly #enableAll: () => void;

	constructor(words: Int32Array, copyRecord: CopyRecord, enableAll: () => void) {
		this.#words = words;
		this.#copyRecord = copyRecord;
		this.#enableAll = enableAll;
	}

	get enabled(): boolean {
		return this.#words[UPDATE_ENABLED] !== 0;
	}

	/**
	 * Starts the bookkeeping, for good. Entries that are in the table already are put in `learned`, so that they
	 * are taught, but not pushed. Does nothing the second time.
	 */
	enable(): void {
		if (Atomics.exchange(this.#words, UPDATE_ENABLED, 1) === 0) this.#enableAll();
	}

	/** The id given last, to a local or a learned entry. */
	get counter(): number {
		return Atomics.load(this.#words, UPDATE_COUNTER) >>> 0;
	}

	/** The id of the latest local modification (`localupdate` of `show peers`). */
	get localId(): number {
		return Atomics.load(this.#words, UPDATE_LOCAL_ID) >>> 0;
	}

	/** Whether `id` may be one that was given to a local entry: not in the future of the counter. */
	isSentId(id: number): boolean {
		return ((this.counter - id) | 0) >= 0;
	}

	/** True once after one or more local modifications. */
	takeSignal(): boolean {
		return this.#words[UPDATE_SIGNAL] !== 0 && Atomics.exchange(this.#words, UPDATE_SIGNAL, 0) !== 0;
	}

	/** Resolves when the signal is set, at once if it is; taking it is the caller's. */
	signalled(): Promise<void> {
		const waiting = waitAsync(this.#words, UPDATE_SIGNAL, 0);
		return waiting.async ? waiting.value.then(() => undefined) : Promise.resolve();
	}

	/** A place in a list, before its first entry. Throws when 512 readers are open. */
	openReader(list: UpdateListName): UpdateReader {
		const words = this.#words;
		acquireLock(words, UPDATE_LOCK);
		let at = 0;
		for (let i = 0; i < MAX_READERS && at === 0; i++) {
			const candidate = READERS + i * READER_WORDS;
			if (words[candidate + READER_LIST] !== 0) continue;
			at = candidate;
			words[READERS_HIGH_WATER] = Math.max(words[READERS_HIGH_WATER]!, i + 1);
		}
		if (at !== 0) {
			words[at + READER_LIST] = list === 'local' ? IN_LOCAL : IN_LEARNED;
			words[at + READER_RECORD] = 0;
		}
		releaseLock(words, UPDATE_LOCK);
		if (at === 0) throw new RangeError(`more than ${MAX_READERS} readers of one update list`);
		return new UpdateReader(words, at, list === 'local' ? IN_LOCAL : IN_LEARNED, this.#copyRecord);
	}

	/** Called by the table, with the shard locked, after any local modification of the record. */
	touchLocal(record: number): void {
		const words = this.#words;
		if (words[UPDATE_ENABLED] === 0) return;
		if ((words[record + UPDATE_STATE]! & (LIST_MASK | SENT)) === IN_LOCAL) return;
		acquireLock(words, UPDATE_LOCK);
		const state = words[record + UPDATE_STATE]!;
		if ((state & (LIST_MASK | SENT)) !== IN_LOCAL) {
			if ((state & LIST_MASK) !== 0) detach(words, record);
			const id = (words[UPDATE_COUNTER]! + 1) | 0;
			words[UPDATE_COUNTER] = id;
			words[UPDATE_LOCAL_ID] = id;
			append(words, record, IN_LOCAL, id);
		}
		releaseLock(words, UPDATE_LOCK);
		if (words[UPDATE_SIGNAL] === 0 && Atomics.exchange(words, UPDATE_SIGNAL, 1) === 0) {
			Atomics.notify(words, UPDATE_SIGNAL);
		}
	}

	/** Called by the table, with the shard locked, after values from a peer were written. */
	touchLearned(record: number): void {
		const words = this.#words;
		if (words[UPDATE_ENABLED] === 0) return;
		// Between the lists an entry moves with the shard locked only, and there its mark changes nothing.
		if ((words[record + UPDATE_STATE]! & LIST_MASK) === IN_LEARNED) return;
		acquireLock(words, UPDATE_LOCK);
		if ((words[record + UPDATE_STATE]! & LIST_MASK) === 0) {
			const counter = (words[UPDATE_COUNTER]! + 1) | 0;
			words[UPDATE_COUNTER] = counter;
			append(words, record, IN_LEARNED, (counter + LEARNED_OFFSET) | 0);
		} else words[record + UPDATE_STATE]! |= SENT;
		releaseLock(words, UPDATE_LOCK);
	}

	/** With the shard locked: whether the entry was modified here and got an id after `id` for it. */
	isLocalAfter(record: number, id: number): boolean {
		const words = this.#words;
		return (words[record + UPDATE_STATE]! & LIST_MASK) === IN_LOCAL && ((words[record + UPDATE_ID]! - id) | 0) > 0;
	}

	/** Called by the table, with the shard locked, before a record is freed. */
	remove(record: number): void {
		const words = this.#words;
		if ((words[record + UPDATE_STATE]! & LIST_MASK) === 0) return;
		acquireLock(words, UPDATE_LOCK);
		detach(words, record);
		releaseLock(words, UPDATE_LOCK);
	}

	/** Entries of a list, in order, without locks: for checks while nothing else runs. */
	audit(list: UpdateListName, visit: (record: number, id: number) => void): string | undefined {
		const words = this.#words;
		const inList = list === 'local' ? IN_LOCAL : IN_LEARNED;
		let previous = 0;
		for (let record = words[headOf(inList)]!; record !== 0; record = words[record + UPDATE_NEXT]!) {
			if (words[record + UPDATE_PREV] !== previous) return `record ${record} has a wrong predecessor in ${list}`;
			if ((words[record + UPDATE_STATE]! & LIST_MASK) !== inList) return `record ${record} is not marked as in ${list}`;
			if (previous !== 0 && ((words[record + UPDATE_ID]! - words[previous + UPDATE_ID]!) | 0) <= 0) {
				return `ids do not ascend at record ${record} of ${list}`;
			}
			visit(record, words[record + UPDATE_ID]! >>> 0);
			previous = record;
		}
		return words[headOf(inList) + 1] === previous ? undefined : `${list} has a wrong tail`;
	}

	/** Empties both lists and sends all readers to the start. For repair after a dead thread. */
	reset(): void {
		const words = this.#words;
		words.fill(0, UPDATE_LISTS, UPDATE_LISTS + 4);
		for (let i = 0; i < MAX_READERS; i++) words[READERS + i * READER_WORDS + READER_RECORD] = 0;
	}
}

/** A place in a list. All of its methods belong to one thread. */
export class UpdateReader {
	readonly #words: Int32Array;
	readonly #at: number;
	readonly #list: number;
	readonly #copyRecord: CopyRecord;
	#position = 0;

	constructor(words: Int32Array, at: number, list: number, copyRecord: CopyRecord) {
		this.#words = words;
		this.#at = at;
		this.#list = list;
		this.#copyRecord = copyRecord;
	}

	/** Id of the entry that `next` returned last, or the id of the last `seek`; 0 at the start. */
	get position(): number {
		return this.#position >>> 0;
	}

	/** To before the first entry. */
	seekStart(): void {
		acquireLock(this.#words, UPDATE_LOCK);
		this.#moveTo(0);
		releaseLock(this.#words, UPDATE_LOCK);
		this.#position = 0;
	}

	/** To the end: only what is modified from now on. */
	seekEnd(): void {
		acquireLock(this.#words, UPDATE_LOCK);
		const tail = this.#words[headOf(this.#list) + 1]!;
		this.#moveTo(tail);
		if (tail !== 0) this.#position = this.#words[tail + UPDATE_ID]!;
		releaseLock(this.#words, UPDATE_LOCK);
	}

	/** To after the last entry whose id is not after `id` (modulo 2^32), searching from the end. */
	seek(id: number): void {
		const words = this.#words;
		this.seekEnd();
		for (let found = false; !found; ) {
			acquireLock(words, UPDATE_LOCK);
			let record = words[this.#at + READER_RECORD]!;
			for (let step = 0; step < SEEK_SLICE && !found; step++) {
				found = record === 0 || ((words[record + UPDATE_ID]! - id) | 0) <= 0;
				if (!found) record = words[record + UPDATE_PREV]!;
			}
			this.#moveTo(record);
			releaseLock(words, UPDATE_LOCK);
		}
		this.#position = id;
	}

	/** The following entry into `view`, marked as sent; false at the end of the list. */
	next(view: EntryView, nowMs: number): boolean {
		const words = this.#words;
		for (;;) {
			acquireLock(words, UPDATE_LOCK);
			const place = words[this.#at + READER_RECORD]!;
			const record = place === 0 ? words[headOf(this.#list)]! : words[place + UPDATE_NEXT]!;
			if (record === 0) {
				releaseLock(words, UPDATE_LOCK);
				return false;
			}
			const id = words[record + UPDATE_ID]!;
			this.#moveTo(record);
			// Before the values are read: what changes after this gets a new id and comes again.
			words[record + UPDATE_STATE]! |= SENT;
			releaseLock(words, UPDATE_LOCK);
			this.#position = id;
			// The record may have left the table in between, or serve another entry, which is as good to send.
			if (this.#copyRecord(record, view, nowMs)) {
				view.updateId = id >>> 0;
				return true;
			}
		}
	}

	/** Whether `next` would find something. */
	hasNext(): boolean {
		const words = this.#words;
		acquireLock(words, UPDATE_LOCK);
		const place = words[this.#at + READER_RECORD]!;
		const record = place === 0 ? words[headOf(this.#list)]! : words[place + UPDATE_NEXT]!;
		releaseLock(words, UPDATE_LOCK);
		return record !== 0;
	}

	/** Gives the place up; the reader must not be used afterwards. */
	close(): void {
		acquireLock(this.#words, UPDATE_LOCK);
		this.#moveTo(0);
		this.#words[this.#at + READER_LIST] = 0;
		releaseLock(this.#words, UPDATE_LOCK);
	}

	/** With the update lock held. The mark on the record left behind stays: it costs a search once, at most. */
	#moveTo(record: number): void {
		this.#words[this.#at + READER_RECORD] = record;
		if (record !== 0) this.#words[record + UPDATE_STATE]! |= UNDER_READER;
	}
}

/** Word of the head of a list; its tail follows. */
function headOf(list: number): number {
	return UPDATE_LISTS + (list - 1) * 2;
}

function append(words: Int32Array, record: number, list: number, id: number): void {
	const headAt = headOf(list);
	const tail = words[headAt + 1]!;
	words[record + UPDATE_ID] = id;
	words[record + UPDATE_PREV] = tail;
	words[record + UPDATE_NEXT] = 0;
	if (tail === 0) words[headAt] = record;
	else words[tail + UPDATE_NEXT] = record;
	words[headAt + 1] = record;
	words[record + UPDATE_STATE] = list;
}

function detach(words: Int32Array, record: number): void {
	const state = words[record + UPDATE_STATE]!;
	const headAt = headOf(state & LIST_MASK);
	const previous = words[record + UPDATE_PREV]!;
	const next = words[record + UPDATE_NEXT]!;
	if (previous === 0) words[headAt] = next;
	else words[previous + UPDATE_NEXT] = next;
	if (next === 0) words[headAt + 1] = previous;
	else words[next + UPDATE_PREV] = previous;
	if ((state & UNDER_READER) !== 0) stepReadersBack(words, record, previous);
	words[record + UPDATE_STATE] = 0;
}

function stepReadersBack(words: Int32Array, record: number, previous: number): void {
	let moved = false;
	const end = words[READERS_HIGH_WATER]!;
	for (let i = 0; i < end; i++) {
		const at = READERS + i * READER_WORDS;
		if (words[at + READER_LIST] === 0 || words[at + READER_RECORD] !== record) continue;
		words[at + READER_RECORD] = previous;
		moved = true;
	}
	if (moved && previous !== 0) words[previous + UPDATE_STATE]! |= UNDER_READER;
}

type WaitResult = { readonly async: false } | { readonly async: true; readonly value: Promise<unknown> };

/** Atomics.waitAsync (ES2024, in Node since 16), which the language level of this project does not declare. */
const waitAsync = (
	Atomics as unknown as { waitAsync(words: Int32Array, at: number, value: number): WaitResult }
).waitAsync.bind(Atomics);
