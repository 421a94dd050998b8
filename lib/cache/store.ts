/**
 * The memory of one `cache` section (manual, chapter 6): responses, shared by all data threads.
 *
 * It is one SharedArrayBuffer, because `total-max-size` is what an operator gives the cache in all: with a cache per
 * thread a file would be fetched and kept once for each of them. A reload keeps it when the section still has the
 * same name and size, which costs nothing: both generations of threads attach to the same memory.
 *
 *     blocks of 1 kB    `next` chains them: the blocks of an object in order, or those that are free
 *     object            named by its first block; its head (text) and body lie in its blocks one after the other
 *     buckets           objects that can be found, by the hash of their key; one key may have several (Vary)
 *     order of use      a list of the objects that can be found; room is made at its old end
 *
 * An object is written by one thread, unseen; `publish` shows it complete, in place of those it replaces. Readers pin
 * what they read, so that its blocks stay while it leaves the buckets, and read without the lock. The lock is held
 * for list operations and for comparing a key, never while bodies are copied.
 *
 * It gives up: two requests that miss at once fetch twice (the later one stays); an object whose thread is killed
 * while it reads or writes keeps its blocks until the program ends.
 */
import type { CacheModel } from '../config/model.js';
import { Arena, type ArenaViews } from '../shared/arena.js';
import { acquireLock, releaseLock } from '../shared/spin-lock.js';

export const BLOCK_BYTES = 1024;
const NONE = -1;

/** Words of `control`. */
const Control = { LOCK: 0, FREE_HEAD: 1, FREE_COUNT: 2, OLDEST: 3, NEWEST: 4, READY: 5 } as const;
const CONTROL_WORDS = 16;

/** Words of an object, at its first block. */
const Word = {
	BUCKET_NEXT: 0,
	HASH: 1,
	OLDER: 2,
	NEWER: 3,
	PINS: 4,
	STATE: 5,
	HEAD_BYTES: 6,
	BODY_BYTES: 7,
	BLOCKS: 8,
	LAST_BLOCK: 9,
	/** Of the key alone, at the beginning of the head. */
	KEY_BYTES: 10,
	/** While it is written: the block of its last byte. */
	END_BLOCK: 11,
} as const;
const WORDS = 12;

/** Dates of an object, at its first block. */
const When = { STORED: 0, EXPIRES: 1 } as const;
const DATES = 2;

const State = {
	/** In no list but the free one. */
	FREE: 0,
	/** One thread writes it. */
	WRITTEN: 1,
	/** In its bucket. */
	FOUND: 2,
	/** Replaced or expired; its blocks are free with the last pin. */
	LEAVING: 3,
} as const;

const layout = (blockCount: number, bucketCount: number) =>
	new Arena({
		control: ['int32', CONTROL_WORDS],
		buckets: ['int32', bucketCount],
		next: ['int32', blockCount],
		words: ['int32', blockCount * WORDS],
		dates: ['float64', blockCount * DATES],
		// Bytes; the arena knows 4 and 8 of them.
		data: ['int32', (blockCount * BLOCK_BYTES) / 4],
	});

function shapeOf(model: Pick<CacheModel, 'totalSizeBytes'>): { blockCount: number; bucketCount: number } {
	const blockCount = Math.floor(model.totalSizeBytes / BLOCK_BYTES);
	return { blockCount, bucketCount: 2 ** Math.max(4, Math.ceil(Math.log2(blockCount / 4))) };
}

/** An object as whoever looks for it sees it: pinned until `release`. */
export interface StoredObject {
	readonly index: number;
	readonly head: string;
	readonly bodyBytes: number;
	readonly storedMs: number;
	readonly expiresMs: number;
}

/** How far a body has been read. */
export interface BodyPlace {
	block: number;
	skip: number;
	leftBytes: number;
}

/** A row of `show cache`. */
export interface ObjectFigures {
	readonly index: number;
	readonly hash: number;
	readonly bytes: number;
	readonly blocks: number;
	readonly pins: number;
	readonly expiresMs: number;
	readonly head: string;
}

export class CacheStore {
	readonly blockCount: number;
	readonly buffer: SharedArrayBuffer;
	readonly #views: ArenaViews<ReturnType<typeof layout> extends Arena<infer D> ? D : never>;
	readonly #bucketMask: number;
	readonly #bytes: Buffer;
	readonly #control: Int32Array;
	readonly #words: Int32Array;

	/** Of the whole memory: a section of the same size may go on with it. */
	static sizeBytes(model: Pick<CacheModel, 'totalSizeBytes'>): number {
		const { blockCount, bucketCount } = shapeOf(model);
		return layout(blockCount, bucketCount).byteLength;
	}

	static allocate(model: Pick<CacheModel, 'totalSizeBytes'>): SharedArrayBuffer {
		const { blockCount, bucketCount } = shapeOf(model);
		return layout(blockCount, bucketCount).allocate();
	}

	constructor(model: Pick<CacheModel, 'totalSizeBytes'>, buffer: SharedArrayBuffer) {
		const { blockCount, bucketCount } = shapeOf(model);
		this.blockCount = blockCount;
		this.buffer = buffer;
		this.#views = layout(blockCount, bucketCount).attach(buffer);
		this.#bucketMask = bucketCount - 1;
		const { data } = this.#views;
		this.#bytes = Buffer.from(buffer, data.byteOffset, data.byteLength);
		this.#control = this.#views.control;
		this.#words = this.#views.words;
		this.#locked(() => {
			if (this.#control[Control.READY] === 0) this.#format();
		});
	}

	/** The first thread that attaches makes the lists; the memory comes zeroed. */
	#format(): void {
		const { buckets, next } = this.#views;
		buckets.fill(NONE);
		for (let block = 0; block < this.blockCount; block++) next[block] = block + 1 < this.blockCount ? block + 1 : NONE;
		this.#control[Control.FREE_HEAD] = 0;
		this.#control[Control.FREE_COUNT] = this.blockCount;
		this.#control[Control.OLDEST] = NONE;
		this.#control[Control.NEWEST] = NONE;
		this.#control[Control.READY] = 1;
	}

	#locked<T>(work: () => T): T {
		acquireLock(this.#control, Control.LOCK);
		try {
			return work();
		} finally {
			releaseLock(this.#control, Control.LOCK);
		}
	}

	#word(object: number, word: number): number {
		return this.#words[object * WORDS + word] as number;
	}

	#setWord(object: number, word: number, value: number): void {
		this.#words[object * WORDS + word] = value;
	}

	// ---- finding ---------------------------------------------------------------------------------------------------

	/**
	 * The first object of this key that `accepts` takes, pinned; `accepts` sees heads. What has expired is taken out on
	 * the way.
	 */
	find(key: string, nowMs: number, accepts: (head: string) => boolean): StoredObject | undefined {
		const hash = hashOf(key);
		return this.#locked(() => {
			let object = this.#views.buckets[hash & this.#bucketMask] as number;
			while (object !== NONE) {
				const following = this.#word(object, Word.BUCKET_NEXT);
				if (this.#word(object, Word.HASH) === hash && this.#keyIs(object, key)) {
					const expiresMs = this.#views.dates[object * DATES + When.EXPIRES] as number;
					if (expiresMs <= nowMs) this.#leave(object);
					else {
						const head = this.#headOf(object);
						if (accepts(head)) {
							this.#setWord(object, Word.PINS, this.#word(object, Word.PINS) + 1);
							this.#unlinkUse(object);
							this.#linkUse(object);
							const storedMs = this.#views.dates[object * DATES + When.STORED] as number;
							return { index: object, head, bodyBytes: this.#word(object, Word.BODY_BYTES), storedMs, expiresMs };
						}
					}
				}
				object = following;
			}
			return undefined;
		});
	}

	#keyIs(object: number, key: string): boolean {
		return this.#word(object, Word.KEY_BYTES) === key.length && this.#text(object, 0, key.length) === key;
	}

	#headOf(object: number): string {
		return this.#text(object, 0, this.#word(object, Word.HEAD_BYTES));
	}

	#text(object: number, from: number, to: number): string {
		if (to <= BLOCK_BYTES) {
			const at = object * BLOCK_BYTES;
			return this.#bytes.toString('latin1', at + from, at + to);
		}
		const whole = Buffer.allocUnsafe(to);
		this.#copyOut({ block: object, skip: 0, leftBytes: to }, whole);
		return whole.toString('latin1', from, to);
	}

	/** Fills `target` from a pinned object, or under the lock, and moves the place on. */
	#copyOut(place: BodyPlace, target: Buffer): void {
		let done = 0;
		while (done < target.length && place.block !== NONE) {
			if (place.skip >= BLOCK_BYTES) {
				place.block = this.#views.next[place.block] as number;
				place.skip -= BLOCK_BYTES;
				continue;
			}
			const take = Math.min(BLOCK_BYTES - place.skip, target.length - done);
			const at = place.block * BLOCK_BYTES + place.skip;
			this.#bytes.copy(target, done, at, at + take);
			done += take;
			place.skip += take;
		}
		place.leftBytes -= target.length;
	}

	/** Where the body of a pinned object begins. */
	bodyOf(object: number): BodyPlace {
		return {
			block: object,
			skip: this.#word(object, Word.HEAD_BYTES),
			leftBytes: this.#word(object, Word.BODY_BYTES),
		};
	}

	/** The next bytes of the body of a pinned object, copied; at most `byteCount`. */
	readBody(place: BodyPlace, byteCount: number): Buffer {
		const bytes = Buffer.allocUnsafe(Math.min(byteCount, place.leftBytes));
		this.#copyOut(place, bytes);
		return bytes;
	}

	release(object: number): void {
		this.#locked(() => {
			const pins = this.#word(object, Word.PINS) - 1;
			this.#setWord(object, Word.PINS, pins);
			if (pins === 0 && this.#word(object, Word.STATE) === State.LEAVING) this.#free(object);
		});
	}

	// ---- writing ---------------------------------------------------------------------------------------------------

	/** A new object with that head, which begins with its key; undefined: there is no room. */
	begin(head: string, keyBytes: number): number | undefined {
		const blocks = Math.max(1, Math.ceil(head.length / BLOCK_BYTES));
		const object = this.#locked(() => {
			const first = this.#take(blocks);
			if (first === undefined) return undefined;
			this.#setWord(first.first, Word.LAST_BLOCK, first.last);
			this.#setWord(first.first, Word.STATE, State.WRITTEN);
			this.#setWord(first.first, Word.PINS, 0);
			this.#setWord(first.first, Word.BLOCKS, blocks);
			return first.first;
		});
		if (object === undefined) return undefined;
		this.#setWord(object, Word.HEAD_BYTES, 0);
		this.#setWord(object, Word.BODY_BYTES, 0);
		this.#setWord(object, Word.KEY_BYTES, keyBytes);
		this.#copyIn(object, 0, Buffer.from(head, 'latin1'));
		this.#setWord(object, Word.HEAD_BYTES, head.length);
		return object;
	}

	/** More of the body; false: there is no room, and the object is gone. */
	append(object: number, bytes: Buffer): boolean {
		const end = this.#word(object, Word.HEAD_BYTES) + this.#word(object, Word.BODY_BYTES);
		const needed = Math.ceil((end + bytes.length) / BLOCK_BYTES) - this.#word(object, Word.BLOCKS);
		if (needed > 0) {
			const grown = this.#locked(() => {
				const more = this.#take(needed);
				if (more === undefined) {
					this.#free(object);
					return false;
				}
				this.#views.next[this.#word(object, Word.LAST_BLOCK)] = more.first;
				this.#setWord(object, Word.LAST_BLOCK, more.last);
				this.#setWord(object, Word.BLOCKS, this.#word(object, Word.BLOCKS) + needed);
				return true;
			});
			if (!grown) return false;
		}
		this.#copyIn(object, end, bytes);
		this.#setWord(object, Word.BODY_BYTES, this.#word(object, Word.BODY_BYTES) + bytes.length);
		return true;
	}

	#copyIn(object: number, offset: number, bytes: Buffer): void {
		// Written in order: the block of the last byte is known.
		let block = offset === 0 ? object : this.#word(object, Word.END_BLOCK);
		let skip = offset % BLOCK_BYTES;
		if (skip === 0 && offset > 0 && bytes.length > 0) block = this.#views.next[block] as number;
		let done = 0;
		while (done < bytes.length) {
			const take = Math.min(BLOCK_BYTES - skip, bytes.length - done);
			bytes.copy(this.#bytes, block * BLOCK_BYTES + skip, done, done + take);
			done += take;
			skip = 0;
			if (done < bytes.length) block = this.#views.next[block] as number;
		}
		this.#setWord(object, Word.END_BLOCK, block);
	}

	/** Gives up an object that was begun. */
	discard(object: number): void {
		this.#locked(() => this.#free(object));
	}

	/**
	 * Shows a complete object. Those of the same key that it `replaces` leave. Above `sameKeyMax` others of the key it
	 * is discarded instead, and false is returned.
	 */
	publish(
		object: number,
		key: string,
		dates: { readonly storedMs: number; readonly expiresMs: number },
		sameKeyMax: number,
		replaces: (head: string) => boolean,
	): boolean {
		const hash = hashOf(key);
		return this.#locked(() => {
			let others = 0;
			this.#eachOf(key, hash, (other) => {
				const expiresMs = this.#views.dates[other * DATES + When.EXPIRES] as number;
				if (expiresMs <= dates.storedMs || replaces(this.#headOf(other))) this.#leave(other);
				else others++;
			});
			if (others >= sameKeyMax) {
				this.#free(object);
				return false;
			}
			this.#views.dates[object * DATES + When.STORED] = dates.storedMs;
			this.#views.dates[object * DATES + When.EXPIRES] = dates.expiresMs;
			this.#setWord(object, Word.HASH, hash);
			this.#setWord(object, Word.STATE, State.FOUND);
			const bucket = hash & this.#bucketMask;
			this.#setWord(object, Word.BUCKET_NEXT, this.#views.buckets[bucket] as number);
			this.#views.buckets[bucket] = object;
			this.#linkUse(object);
			return true;
		});
	}

	/** Every object of the key leaves; returns how many there were. */
	remove(key: string): number {
		return this.#locked(() => {
			let count = 0;
			this.#eachOf(key, hashOf(key), (object) => {
				this.#leave(object);
				count++;
			});
			return count;
		});
	}

	#eachOf(key: string, hash: number, visit: (object: number) => void): void {
		let object = this.#views.buckets[hash & this.#bucketMask] as number;
		while (object !== NONE) {
			const following = this.#word(object, Word.BUCKET_NEXT);
			if (this.#word(object, Word.HASH) === hash && this.#keyIs(object, key)) visit(object);
			object = following;
		}
	}

	// ---- lists, under the lock ----------------------------------------------------------------------------------------

	/** A chain of free blocks; the objects used longest ago make room. */
	#take(count: number): { first: number; last: number } | undefined {
		let oldest = this.#control[Control.OLDEST] as number;
		while ((this.#control[Control.FREE_COUNT] as number) < count && oldest !== NONE) {
			const newer = this.#word(oldest, Word.NEWER);
			if (this.#word(oldest, Word.PINS) === 0) this.#leave(oldest);
			oldest = newer;
		}
		if ((this.#control[Control.FREE_COUNT] as number) < count) return undefined;
		const { next } = this.#views;
		const first = this.#control[Control.FREE_HEAD] as number;
		let last = first;
		for (let i = 1; i < count; i++) last = next[last] as number;
		this.#control[Control.FREE_HEAD] = next[last] as number;
		this.#control[Control.FREE_COUNT] = (this.#control[Control.FREE_COUNT] as number) - count;
		next[last] = NONE;
		return { first, last };
	}

	#free(object: number): void {
		this.#setWord(object, Word.STATE, State.FREE);
		this.#views.next[this.#word(object, Word.LAST_BLOCK)] = this.#control[Control.FREE_HEAD] as number;
		this.#control[Control.FREE_HEAD] = object;
		this.#control[Control.FREE_COUNT] = (this.#control[Control.FREE_COUNT] as number) + this.#word(object, Word.BLOCKS);
	}

	/** Out of its bucket and of the order of use; freed unless somebody reads it. */
	#leave(object: number): void {
		const bucket = this.#word(object, Word.HASH) & this.#bucketMask;
		const after = this.#word(object, Word.BUCKET_NEXT);
		let at = this.#views.buckets[bucket] as number;
		if (at === object) this.#views.buckets[bucket] = after;
		else {
			while (this.#word(at, Word.BUCKET_NEXT) !== object) at = this.#word(at, Word.BUCKET_NEXT);
			this.#setWord(at, Word.BUCKET_NEXT, after);
		}
		this.#unlinkUse(object);
		if (this.#word(object, Word.PINS) === 0) this.#free(object);
		else this.#setWord(object, Word.STATE, State.LEAVING);
	}

	#linkUse(object: number): void {
		const newest = this.#control[Control.NEWEST] as number;
		this.#setWord(object, Word.OLDER, newest);
		this.#setWord(object, Word.NEWER, NONE);
		if (newest === NONE) this.#control[Control.OLDEST] = object;
		else this.#setWord(newest, Word.NEWER, object);
		this.#control[Control.NEWEST] = object;
	}

	#unlinkUse(object: number): void {
		const older = this.#word(object, Word.OLDER);
		const newer = this.#word(object, Word.NEWER);
		if (older === NONE) this.#control[Control.OLDEST] = newer;
		else this.#setWord(older, Word.NEWER, newer);
		if (newer === NONE) this.#control[Control.NEWEST] = older;
		else this.#setWord(newer, Word.OLDER, older);
	}

	// ---- looking -----------------------------------------------------------------------------------------------------

	get freeBlocks(): number {
		return Atomics.load(this.#control, Control.FREE_COUNT);
	}

	/** The objects that can be found, from the one used longest ago. */
	list(): ObjectFigures[] {
		return this.#locked(() => {
			const rows: ObjectFigures[] = [];
			let object = this.#control[Control.OLDEST] as number;
			while (object !== NONE) {
				rows.push({
					index: object,
					hash: this.#word(object, Word.HASH) >>> 0,
					bytes: this.#word(object, Word.HEAD_BYTES) + this.#word(object, Word.BODY_BYTES),
					blocks: this.#word(object, Word.BLOCKS),
					pins: this.#word(object, Word.PINS),
					expiresMs: this.#views.dates[object * DATES + When.EXPIRES] as number,
					head: this.#headOf(object),
				});
				object = this.#word(object, Word.NEWER);
			}
			return rows;
		});
	}
}

/** FNV-1a over the key, 32 bits. It places objects; whether one is meant is told by its whole key. */
function hashOf(key: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
	return hash | 0;
}
