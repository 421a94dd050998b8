/**
 * IP addresses and socket addresses: reading, printing, masks and the conversions between families that
 * stick tables and ACLs use. An address is a small immutable object made once per connection and passed
 * along; nothing here resolves names.
 */

/** The prefix of an IPv4 address inside IPv6, `::ffff:0:0/96`. */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;

export class IpAddress {
	readonly family: 4 | 6;
	/** IPv4 as an unsigned 32-bit number; 0 for IPv6. */
	readonly v4: number;
	/** The 16 bytes of an IPv6 address; undefined for IPv4. */
	readonly v6: Uint8Array | undefined;
	#text: string | undefined;

	private constructor(family: 4 | 6, v4: number, v6: Uint8Array | undefined) {
		this.family = family;
		this.v4 = v4;
		this.v6 = v6;
	}

	static fromV4(value: number): IpAddress {
		return new IpAddress(4, value >>> 0, undefined);
	}

	/** Keeps `bytes`, which must be 16 long and must not change afterwards. */
	static fromV6(bytes: Uint8Array): IpAddress {
		return new IpAddress(6, 0, bytes);
	}

	/** Reads a dotted quad or an IPv6 text; undefined if it is neither. Zone ids (`%eth0`) are refused. */
	static parse(text: string): IpAddress | undefined {
		if (text.includes(':')) {
			const bytes = parseV6(text);
			return bytes === undefined ? undefined : IpAddress.fromV6(bytes);
		}
		const value = parseV4(text);
		return value === undefined ? undefined : IpAddress.fromV4(value);
	}

	/** The IPv4 address in one of the forms `::ffff:a.b.c.d`, `::a.b.c.d`, `2002:aabb:ccdd::`; else undefined. */
	toV4(): IpAddress | undefined {
		const bytes = this.v6;
		if (bytes === undefined) return this;
		const zeroes = (from: number, to: number): boolean => bytes.subarray(from, to).every((byte) => byte === 0);
		if (zeroes(0, 10) && ((bytes[10] === 0xff && bytes[11] === 0xff) || (bytes[10] === 0 && bytes[11] === 0))) {
			return IpAddress.fromV4(readU32(bytes, 12));
		}
		if (bytes[0] === 0x20 && bytes[1] === 0x02 && zeroes(6, 16)) return IpAddress.fromV4(readU32(bytes, 2));
		return undefined;
	}

	/** IPv4 becomes `::ffff:a.b.c.d`. */
	toV6(): IpAddress {
		if (this.family === 6) return this;
		const bytes = new Uint8Array(16);
		bytes.set(MAPPED_PREFIX);
		writeU32(bytes, 12, this.v4);
		return IpAddress.fromV6(bytes);
	}

	/** The address with all but its first `prefixLength` bits cleared. */
	mask(prefixLength: number): IpAddress {
		if (this.v6 === undefined) {
			return IpAddress.fromV4(prefixLength === 0 ? 0 : this.v4 & (-1 << (32 - prefixLength)));
		}
		const bytes = Uint8Array.from(this.v6);
		for (let i = 0; i < 16; i++) {
			const keptBits = Math.min(8, Math.max(0, prefixLength - i * 8));
			bytes[i] = (bytes[i] ?? 0) & (0xff00 >> keptBits);
		}
		return IpAddress.fromV6(bytes);
	}

	/** Bytes in network order, 4 or 16 of them. */
	toBytes(): Uint8Array {
		if (this.v6 !== undefined) return this.v6;
		const bytes = new Uint8Array(4);
		writeU32(bytes, 0, this.v4);
		return bytes;
	}

	equals(other: IpAddress): boolean {
		if (this.family !== other.family) return false;
		if (this.v6 === undefined || other.v6 === undefined) return this.v4 === other.v4;
		for (let i = 0; i < 16; i++) if (this.v6[i] !== other.v6[i]) return false;
		return true;
	}

	toString(): string {
		this.#text ??= this.v6 === undefined ? formatV4(this.v4) : formatV6(this.v6);
		return this.#text;
	}
}

function readU32(bytes: Uint8Array, at: number): number {
	return (
		(((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
	);
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
	bytes[at] = value >>> 24;
	bytes[at + 1] = value >>> 16;
	bytes[at + 2] = value >>> 8;
	bytes[at + 3] = value;
}

/** Four decimal numbers of at most 255, no leading zeroes beyond three digits, as inet_pton reads them. */
export function parseV4(text: string): number | undefined {
	let value = 0;
	let part = 0;
	let digits = 0;
	let dots = 0;
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if (code >= 48 && code <= 57) {
			if (digits > 0 && part === 0) return undefined;
			part = part * 10 + code - 48;
			digits++;
			if (part > 255) return undefined;
		} else if (code === 46 && digits > 0 && dots < 3) {
			value = value * 256 + part;
			part = 0;
			digits = 0;
			dots++;
		} else return undefined;
	}
	return dots === 3 && digits > 0 ? value * 256 + part : undefined;
}

/** RFC 4291 text, with `::` and a trailing dotted quad; undefined if it is not that. */
export function parseV6(text: string): Uint8Array | undefined {
	const halves = text.split('::');
	if (halves.length > 2) return undefined;
	const head = parseGroups(halves[0] ?? '', halves.length === 1);
	const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
	if (head === undefined || tail === undefined) return undefined;
	const missing = 16 - head.length - tail.length;
	if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
	const bytes = new Uint8Array(16);
	bytes.set(head);
	bytes.set(tail, 16 - tail.length);
	return bytes;
}

function parseGroups(text: string, mayEndInV4: boolean): number[] | undefined {
	if (text === '') return [];
	const bytes: number[] = [];
	const groups = text.split(':');
	for (const [index, group] of groups.entries()) {
		if (mayEndInV4 && index === groups.length - 1 && group.includes('.')) {
			const v4 = parseV4(group);
			if (v4 === undefined) return undefined;
			bytes.push(v4 >>> 24, (v4 >>> 16) & 255, (v4 >>> 8) & 255, v4 & 255);
		} else {
			if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
			const value = Number.parseInt(group, 16);
			bytes.push(value >>> 8, value & 255);
		}
	}
	return bytes;
}

export function formatV4(value: number): string {
	return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** RFC 5952 as inet_ntop prints it: longest run of zero groups as `::`, mapped IPv4 with dots. */
export function formatV6(bytes: Uint8Array): string {
	const groups: number[] = [];
	for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
	let bestStart = -1;
	let bestLength = 1;
	for (let start = 0; start < 8; start++) {
		let length = 0;
		while (start + length < 8 && groups[start + length] === 0) length++;
		if (length > bestLength) {
			bestStart = start;
			bestLength = length;
		}
	}
	const v4Tail = bestStart === 0 && (bestLength === 6 || (bestLength === 5 && groups[5] === 0xffff));
	const count = v4Tail ? 6 : 8;
	let text = '';
	for (let i = 0; i < count; ) {
		if (i === bestStart) {
			text += '::';
			i += bestLength;
		} else {
			text += (text === '' || text.endsWith(':') ? '' : ':') + (groups[i] ?? 0).toString(16);
			i++;
		}
	}
	if (!v4Tail) return text;
	return `${text}${text.endsWith(':') ? '' : ':'}${formatV4(readU32(bytes, 12))}`;
}

/**
 * Where to listen or connect, as chapter 11 of the manual writes it. `*` and an empty host are the
 * unspecified address of the family. Ports are numbers; ranges and offsets are expanded by the parser of
 * the line that allows them.
 */
export type SocketAddress =
	| { readonly kind: 'ip'; readonly address: string; readonly family: 4 | 6; readonly port: number }
	/** A host name, to be resolved when the server or peer is used. */
	| { readonly kind: 'name'; readonly host: string; readonly family: 4 | 6 | undefined; readonly port: number }
	/** A path, or a name in the abstract namespace (Linux). */
	| { readonly kind: 'unix'; readonly path: string; readonly abstract: boolean }
	/** A descriptor inherited from the parent process. */
	| { readonly kind: 'fd'; readonly fd: number };

/** `127.0.0.1:80`, `[::1]:80`, `unix@/path`: what a log line or an error shows. */
export function formatSocketAddress(address: SocketAddress): string {
	switch (address.kind) {
		case 'ip':
			return address.family === 6 ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
		case 'name':
			return `${address.host}:${address.port}`;
		case 'unix':
			return `${address.abstract ? 'abns' : 'unix'}@${address.path}`;
		case 'fd':
			return `fd@${address.fd}`;
	}
}

/** As `socketKey`, of UDP: the same port may be listened on by both protocols. */
export function datagramKey(address: SocketAddress, v6only: boolean): string {
	return `udp ${socketKey(address, v6only)}`;
}

/** Two bind lines with the same key share the socket; over a reload the key finds it again. */
export function socketKey(address: SocketAddress, v6only = false): string {
	return formatSocketAddress(address) + (v6only ? ' v6only' : '');
}
