/**
 * Writes header blocks (RFC 7541): fields in, bytes out.
 *
 *     encoder.begin(); encoder.field(name, value); ...; bytes 0 to `length` of `encoder.bytes` are the block
 *
 * What a field costs. Fields that come with every message of a connection (most of a client's, nearly all of a
 * server's) become one byte each, found by two comparisons and no allocation: a Map from names to what the connection knows
 * of them, then the few values that stand in the table. Which values to put there is learned: those of a name are put
 * there until four in a row were of no use (a request id, an etag), then only one that has come twice in a row. A few
 * names whose values never repeat are known beforehand, and what is worth guessing at is never indexed by anybody
 * (section 7.1.3).
 *
 * No Huffman coding. What repeats goes over the wire once; what does not (paths, cookies, dates) would get shorter
 * by a quarter, for far more time than the bytes are worth: measured on Node 20, coding a string of 20 bytes takes six
 * times as long as copying it, a cookie of 300 fifty times, and longer than all the rest of its head.
 *
 * The bytes are in memory that all encoders of a thread share: a block is to be copied before the next one begins.
 */
import {
	DEFAULT_TABLE_BYTES,
	ENTRY_OVERHEAD_BYTES,
	STATIC_COUNT,
	STATIC_NAMES,
	STATIC_VALUES,
} from './hpack-tables.js';

/** How a field is written that no table knows (section 6.2). */
const Literal = {
	/** Into the table, if its values have proved to repeat. */
	LEARNED: 0,
	/** Not into the table. */
	PLAIN: 1,
	/** Not into the table, nor into that of any other connection it is forwarded on. */
	NEVER: 2,
} as const;

const SECRETS: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization']);
/** Different each time, or nearly. */
const PLAIN: ReadonlySet<string> = new Set([
	':path',
	'age',
	'content-length',
	'content-range',
	'etag',
	'if-modified-since',
	'if-none-match',
	'last-modified',
	'location',
	'set-cookie',
]);
/** Shorter ones could be guessed by what they do to the size of a block. */
const GUESSABLE_COOKIE_BYTES = 20;

/** Values in a row that nobody asked for again, until values of that name must come twice in a row. */
const FRUITLESS_MAX = 4;
/** Of one name in the table at once: they are compared one by one. */
const VALUES_MAX = 8;
/** Names known: what has no entry is forgotten beyond. */
const NAMES_MAX = 256;
/** No entry takes more of the table than this part. */
const SHARE = 4;

/** What an encoder knows of one name. */
interface KnownName {
	readonly literal: number;
	/** Of the first entry of the static table with that name; 0: none. */
	readonly staticIndex: number;
	readonly staticValues: readonly string[];
	/** Its values in the dynamic table and their places in the order of insertion, oldest first. */
	readonly values: string[];
	readonly places: number[];
	fruitless: number;
	/** The value that came last and was not put into the table. */
	lastValue: string | undefined;
}

interface StaticName {
	readonly index: number;
	readonly values: string[];
}

const STATIC: ReadonlyMap<string, StaticName> = staticNames();

function staticNames(): Map<string, StaticName> {
	const names = new Map<string, StaticName>();
	for (let index = 1; index <= STATIC_COUNT; index++) {
		const name = STATIC_NAMES[index] as string;
		const value = STATIC_VALUES[index] as string;
		const known = names.get(name);
		if (known !== undefined) known.values.push(value);
		else names.set(name, { index, values: value === '' ? [] : [value] });
	}
	return names;
}

function knownName(name: string): KnownName {
	const known = STATIC.get(name);
	return {
		literal: SECRETS.has(name) ? Literal.NEVER : PLAIN.has(name) ? Literal.PLAIN : Literal.LEARNED,
		staticIndex: known?.index ?? 0,
		staticValues: known?.values ?? [],
		values: [],
		places: [],
		fruitless: 0,
		lastValue: undefined,
	};
}

const FIRST_BYTES = 4096;
/** Shared by all encoders of the thread. */
let scratch: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
/** Strings up to here are written char by char: a call into Node costs more. */
const SHORT_TEXT = 20;

export class HpackEncoder {
	/** Of the block. */
	length = 0;
	readonly #names = new Map<string, KnownName>();
	/** Owners of the table's entries in the order of insertion; a ring whose length is a power of two. */
	#owners: (KnownName | undefined)[] = new Array<undefined>(16).fill(undefined);
	#sizes = new Uint32Array(16);
	#insertedCount = 0;
	#count = 0;
	#sizeBytes = 0;
	readonly #capBytes: number;
	/** What the peer has said last. */
	#allowedBytes = DEFAULT_TABLE_BYTES;
	#maxBytes = DEFAULT_TABLE_BYTES;
	/** The smallest size since the last block, and whether there is one to tell (section 4.2). */
	#smallestBytes = 0;
	#mustTell = false;

	/** `capBytes`: how large a table we want, whatever the peer allows. Until its SETTINGS come, it allows 4096. */
	constructor(capBytes: number = DEFAULT_TABLE_BYTES) {
		this.#capBytes = capBytes;
		if (capBytes < DEFAULT_TABLE_BYTES) this.#resize(capBytes);
	}

	/**
	 * The peer's SETTINGS_HEADER_TABLE_SIZE. Our size is told after each change of it, also where it stays what it was: not
	 * every decoder takes a larger permission for nothing but that.
	 */
	setMaxTableBytes(allowedBytes: number): void {
		if (allowedBytes === this.#allowedBytes) return;
		this.#allowedBytes = allowedBytes;
		this.#resize(Math.min(allowedBytes, this.#capBytes));
	}

	#resize(maxBytes: number): void {
		this.#smallestBytes = this.#mustTell ? Math.min(this.#smallestBytes, maxBytes) : maxBytes;
		this.#mustTell = true;
		this.#maxBytes = maxBytes;
		this.#makeRoom(0);
	}

	/** Entries of the dynamic table; for tests. */
	get tableCount(): number {
		return this.#count;
	}

	get tableSizeBytes(): number {
		return this.#sizeBytes;
	}

	/** Where the block stands, until any other begins. */
	get bytes(): Buffer {
		return scratch;
	}

	/** The block, until any other begins. */
	take(): Buffer {
		return scratch.subarray(0, this.length);
	}

	begin(): void {
		this.length = 0;
		if (!this.#mustTell) return;
		this.#mustTell = false;
		if (this.#smallestBytes < this.#maxBytes) this.#integer(0x20, 0x1f, this.#smallestBytes);
		this.#integer(0x20, 0x1f, this.#maxBytes);
	}

	/** Byte strings; the name in lower case. */
	field(name: string, value: string): void {
		// Three integers of at most six bytes each.
		const needed = this.length + name.length + value.length + 18;
		if (needed > scratch.length) grow(needed, this.length);
		let known = this.#names.get(name);
		if (known === undefined) {
			if (this.#names.size >= NAMES_MAX) this.#forgetNames();
			known = knownName(name);
			this.#names.set(name, known);
		}
		const { values, staticValues } = known;
		for (let i = values.length - 1; i >= 0; i--) {
			if (values[i] === value) {
				known.fruitless = 0;
				this.#integer(0x80, 0x7f, this.#indexOf(known.places[i] as number));
				return;
			}
		}
		for (let i = 0; i < staticValues.length; i++) {
			if (staticValues[i] === value) {
				this.#integer(0x80, 0x7f, known.staticIndex + i);
				return;
			}
		}
		this.#writeLiteral(known, name, value);
	}

	#writeLiteral(known: KnownName, name: string, value: string): void {
		const { places, staticIndex } = known;
		const nameIndex =
			staticIndex > 0 ? staticIndex : places.length > 0 ? this.#indexOf(places[places.length - 1] as number) : 0;
		const isIndexed = known.literal === Literal.LEARNED && this.#isWorthIt(known, name, value);
		if (isIndexed) this.#integer(0x40, 0x3f, nameIndex);
		else this.#integer(isSecret(known, name, value) ? 0x10 : 0, 0x0f, nameIndex);
		if (nameIndex === 0) this.#text(name);
		this.#text(value);
		if (isIndexed) this.#insert(known, name, value);
	}

	#isWorthIt(known: KnownName, name: string, value: string): boolean {
		if ((name.length + value.length + ENTRY_OVERHEAD_BYTES) * SHARE > this.#maxBytes) return false;
		if (isSecret(known, name, value)) return false;
		if (known.fruitless < FRUITLESS_MAX && known.values.length < VALUES_MAX) return true;
		if (known.lastValue === value) {
			known.lastValue = undefined;
			return known.values.length < VALUES_MAX || this.#evictOldestOf(known);
		}
		known.lastValue = value;
		return false;
	}

	/** Its oldest value is looked for no longer; in the table it stays until its turn comes. */
	#evictOldestOf(known: KnownName): boolean {
		const place = known.places.shift() as number;
		known.values.shift();
		this.#owners[place & (this.#owners.length - 1)] = undefined;
		return true;
	}

	/** Index of the entry that was inserted as the so-manieth (section 2.3.3). */
	#indexOf(place: number): number {
		return STATIC_COUNT + this.#insertedCount - place;
	}

	#insert(known: KnownName, name: string, value: string): void {
		const sizeBytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
		this.#makeRoom(sizeBytes);
		if (this.#count === this.#owners.length) this.#growRing();
		const place = this.#insertedCount++;
		const slot = place & (this.#owners.length - 1);
		this.#owners[slot] = known;
		this.#sizes[slot] = sizeBytes;
		this.#count++;
		this.#sizeBytes += sizeBytes;
		known.values.push(value);
		known.places.push(place);
		known.fruitless++;
	}

	#makeRoom(sizeBytes: number): void {
		while (this.#count > 0 && this.#sizeBytes + sizeBytes > this.#maxBytes) {
			const slot = (this.#insertedCount - this.#count) & (this.#owners.length - 1);
			const known = this.#owners[slot];
			// Of the entries of one name, the oldest goes first.
			known?.values.shift();
			known?.places.shift();
			this.#owners[slot] = undefined;
			this.#sizeBytes -= this.#sizes[slot] as number;
			this.#count--;
		}
	}

	#growRing(): void {
		const old = this.#owners;
		const oldSizes = this.#sizes;
		const owners = new Array<KnownName | undefined>(old.length * 2).fill(undefined);
		const sizes = new Uint32Array(old.length * 2);
		for (let place = this.#insertedCount - this.#count; place < this.#insertedCount; place++) {
			owners[place & (owners.length - 1)] = old[place & (old.length - 1)];
			sizes[place & (owners.length - 1)] = oldSizes[place & (old.length - 1)] as number;
		}
		this.#owners = owners;
		this.#sizes = sizes;
	}

	/** Names come from outside: those that nothing stands in the table of. */
	#forgetNames(): void {
		for (const [name, known] of this.#names) if (known.values.length === 0) this.#names.delete(name);
	}

	/** Section 5.1. */
	#integer(first: number, mask: number, value: number): void {
		if (value < mask) {
			scratch[this.length++] = first | value;
			return;
		}
		scratch[this.length++] = first | mask;
		let rest = value - mask;
		for (; rest >= 0x80; rest >>>= 7) scratch[this.length++] = (rest & 0x7f) | 0x80;
		scratch[this.length++] = rest;
	}

	#text(text: string): void {
		const size = text.length;
		this.#integer(0, 0x7f, size);
		const at = this.length;
		this.length = at + size;
		if (size > SHORT_TEXT) scratch.write(text, at, 'latin1');
		else for (let i = 0; i < size; i++) scratch[at + i] = text.charCodeAt(i);
	}
}

function isSecret(known: KnownName, name: string, value: string): boolean {
	return known.literal === Literal.NEVER || (name === 'cookie' && value.length < GUESSABLE_COOKIE_BYTES);
}

function grow(neededBytes: number, usedBytes: number): void {
	const larger = Buffer.allocUnsafeSlow(Math.max(neededBytes, 2 * scratch.length));
	scratch.copy(larger, 0, 0, usedBytes);
	scratch = larger;
}
