/**
 * What both ends of a connection of HTTP/2 know of fields: the static table (RFC 7541, appendix A) and the dynamic one
 * (section 2.3.2), as its decoder keeps it. Names and values stand in the tables as strings that are made once, so that
 * a field which is only an index costs no memory and its name is compared by address.
 *
 * The dynamic table is a ring of two arrays that grows with what is in it: a connection whose peer uses no table has
 * none. What it takes is bounded by its size, since each entry counts 32 bytes beside its text (section 4.1).
 */

/** Entries 1 to 61. */
const STATIC_TABLE: readonly (readonly [name: string, value: string])[] = [
	[':authority', ''],
	[':method', 'GET'],
	[':method', 'POST'],
	[':path', '/'],
	[':path', '/index.html'],
	[':scheme', 'http'],
	[':scheme', 'https'],
	[':status', '200'],
	[':status', '204'],
	[':status', '206'],
	[':status', '304'],
	[':status', '400'],
	[':status', '404'],
	[':status', '500'],
	['accept-charset', ''],
	['accept-encoding', 'gzip, deflate'],
	['accept-language', ''],
	['accept-ranges', ''],
	['accept', ''],
	['access-control-allow-origin', ''],
	['age', ''],
	['allow', ''],
	['authorization', ''],
	['cache-control', ''],
	['content-disposition', ''],
	['content-encoding', ''],
	['content-language', ''],
	['content-length', ''],
	['content-location', ''],
	['content-range', ''],
	['content-type', ''],
	['cookie', ''],
	['date', ''],
	['etag', ''],
	['expect', ''],
	['expires', ''],
	['from', ''],
	['host', ''],
	['if-match', ''],
	['if-modified-since', ''],
	['if-none-match', ''],
	['if-range', ''],
	['if-unmodified-since', ''],
	['last-modified', ''],
	['link', ''],
	['location', ''],
	['max-forwards', ''],
	['proxy-authenticate', ''],
	['proxy-authorization', ''],
	['range', ''],
	['referer', ''],
	['refresh', ''],
	['retry-after', ''],
	['server', ''],
	['set-cookie', ''],
	['strict-transport-security', ''],
	['transfer-encoding', ''],
	['user-agent', ''],
	['vary', ''],
	['via', ''],
	['www-authenticate', ''],
];

/** By index; index 0 means none. */
export const STATIC_NAMES: readonly string[] = ['', ...STATIC_TABLE.map(([name]) => name)];
export const STATIC_VALUES: readonly string[] = ['', ...STATIC_TABLE.map(([, value]) => value)];
export const STATIC_COUNT: number = STATIC_TABLE.length;

/** What an entry counts beside the bytes of its name and value. */
export const ENTRY_OVERHEAD_BYTES = 32;
/** Of both directions, until SETTINGS say otherwise (RFC 9113, section 6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;

const FIRST_CAPACITY = 16;

export class DynamicTable {
	/** A ring; its length is a power of two. */
	#names: string[] = [];
	#values: string[] = [];
	/** Where the next entry goes, before it is reduced to the ring. */
	#next = 0;
	#count = 0;
	#sizeBytes = 0;
	#maxBytes: number;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	get count(): number {
		return this.#count;
	}

	get sizeBytes(): number {
		return this.#sizeBytes;
	}

	get maxBytes(): number {
		return this.#maxBytes;
	}

	/** The name of an entry, 0 being the newest; only below `count`. */
	name(index: number): string {
		return this.#names[(this.#next - 1 - index) & (this.#names.length - 1)] as string;
	}

	value(index: number): string {
		return this.#values[(this.#next - 1 - index) & (this.#names.length - 1)] as string;
	}

	setMaxBytes(maxBytes: number): void {
		this.#maxBytes = maxBytes;
		this.#makeRoom(0);
		if (this.#count > 0) return;
		this.#names = [];
		this.#values = [];
		this.#next = 0;
	}

	/** Evicts all that is too much (section 4.4); an entry larger than the table empties it. */
	insert(name: string, value: string): void {
		const sizeBytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
		this.#makeRoom(sizeBytes);
		if (sizeBytes > this.#maxBytes) return;
		if (this.#count === this.#names.length) this.#grow();
		const slot = this.#next++ & (this.#names.length - 1);
		this.#names[slot] = name;
		this.#values[slot] = value;
		this.#count++;
		this.#sizeBytes += sizeBytes;
	}

	/** As for an entry that is too large to be one. */
	clear(): void {
		this.#makeRoom(this.#maxBytes + 1);
	}

	#makeRoom(sizeBytes: number): void {
		while (this.#count > 0 && this.#sizeBytes + sizeBytes > this.#maxBytes) {
			const slot = (this.#next - this.#count) & (this.#names.length - 1);
			const name = this.#names[slot] as string;
			const value = this.#values[slot] as string;
			this.#sizeBytes -= name.length + value.length + ENTRY_OVERHEAD_BYTES;
			this.#count--;
			// The text is not held longer than it counts.
			this.#names[slot] = '';
			this.#values[slot] = '';
		}
	}

	/** Into arrays of twice the length, the oldest entry first. */
	#grow(): void {
		const count = this.#count;
		const capacity = Math.max(FIRST_CAPACITY, count * 2);
		const names = new Array<string>(capacity).fill('');
		const values = new Array<string>(capacity).fill('');
		for (let i = 0; i < count; i++) {
			names[i] = this.name(count - 1 - i);
			values[i] = this.value(count - 1 - i);
		}
		this.#names = names;
		this.#values = values;
		this.#next = count;
	}
}
