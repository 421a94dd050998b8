/**
 * The first message of a TLS conversation, as it stands in the bytes: what `req.ssl_*` fetches see of a connection that
 * is relayed and not deciphered (manual, 7.3.5; RFC 8446, 4.1.2 and RFC 5246, 7.4.1.2). A hello that is cut into several
 * records is put together again.
 */

/** Handshake types. */
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;

const HANDSHAKE_RECORD = 22;
const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
/** RFC 8446, 5.1: no record of plain text is longer. */
const RECORD_MAX = 16384;

const SERVER_NAME = 0;
const SUPPORTED_GROUPS = 10;
const POINT_FORMATS = 11;
const SIGNATURE_ALGORITHMS = 13;
const ALPN = 16;
const SESSION_TICKET = 35;
const SUPPORTED_VERSIONS = 43;

export interface Hello {
	/** 1: of the client, 2: of the server. */
	readonly type: number;
	/** 32 bytes of chance. */
	readonly random: Buffer;
	/** Of a client: the ciphers that it offers, two bytes each. */
	readonly ciphers: Buffer;
	/** The version that the hello names: 0x0303 is TLS 1.2, and that of TLS 1.3 too. */
	readonly version: number;
	/** Contents by number; undefined where the hello has no extensions, as one of SSLv3. */
	readonly extensions: ReadonlyMap<number, Buffer> | undefined;
	/** The list of extensions is broken behind those. */
	readonly isBroken: boolean;
}

/** `incomplete`: the bytes so far begin like one; `none`: they do not. */
export type HelloReading = Hello | 'incomplete' | 'none';

/** Bytes of the handshake messages in the records at the beginning, as far as they have come. */
function handshakeBytes(bytes: Buffer): Buffer | 'incomplete' | 'none' {
	const parts: Buffer[] = [];
	let wanted = MESSAGE_HEADER;
	let have = 0;
	for (let at = 0; have < wanted; ) {
		const type = bytes[at];
		if (type === undefined) return 'incomplete';
		// Major version 3 in every record since SSLv3.
		if (type !== HANDSHAKE_RECORD || (bytes[at + 1] ?? 3) !== 3) return 'none';
		if (bytes.length < at + RECORD_HEADER) return 'incomplete';
		const length = bytes.readUInt16BE(at + 3);
		if (length === 0 || length > RECORD_MAX) return 'none';
		const part = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
		parts.push(part);
		have += part.length;
		if (wanted === MESSAGE_HEADER && have >= MESSAGE_HEADER) {
			const start = Buffer.concat(parts);
			if (start[0] !== CLIENT_HELLO && start[0] !== SERVER_HELLO) return 'none';
			wanted += start.readUIntBE(1, 3);
		}
		if (part.length < length && have < wanted) return 'incomplete';
		at += RECORD_HEADER + length;
	}
	return Buffer.concat(parts).subarray(0, wanted);
}

/** Moves over the pieces of a message; beyond its end `failed` is set. */
class Cursor {
	readonly bytes: Buffer;
	at = 0;
	failed = false;

	constructor(bytes: Buffer) {
		this.bytes = bytes;
	}

	number(size: 1 | 2 | 3): number {
		if (this.at + size > this.bytes.length) {
			this.failed = true;
			return 0;
		}
		this.at += size;
		return this.bytes.readUIntBE(this.at - size, size);
	}

	take(length: number): Buffer {
		if (this.at + length > this.bytes.length) {
			this.failed = true;
			return this.bytes.subarray(0, 0);
		}
		this.at += length;
		return this.bytes.subarray(this.at - length, this.at);
	}
}

export function readHello(bytes: Buffer): HelloReading {
	const message = handshakeBytes(bytes);
	if (typeof message === 'string') return message;
	const cursor = new Cursor(message);
	const type = cursor.number(1);
	cursor.number(3);
	const version = cursor.number(2);
	if (version >> 8 !== 3) return 'none';
	const random = cursor.take(32);
	cursor.take(cursor.number(1));
	let ciphers: Buffer = Buffer.alloc(0);
	if (type === CLIENT_HELLO) {
		ciphers = cursor.take(cursor.number(2));
		cursor.take(cursor.number(1));
	} else cursor.take(3);
	if (cursor.failed) return 'none';
	// Before TLS 1.2 a hello may end here.
	if (version < 0x0301 || cursor.at === message.length)
		return { type, version, random, ciphers, extensions: undefined, isBroken: false };
	return { type, version, random, ciphers, ...readExtensions(cursor) };
}

function readExtensions(cursor: Cursor): Pick<Hello, 'extensions' | 'isBroken'> {
	const extensions = new Map<number, Buffer>();
	const list = new Cursor(cursor.take(cursor.number(2)));
	while (list.at < list.bytes.length && !list.failed) {
		const number = list.number(2);
		const content = list.take(list.number(2));
		if (!list.failed && !extensions.has(number)) extensions.set(number, content);
	}
	return { extensions, isBroken: list.failed || cursor.failed };
}

/** The host name of the extension (RFC 6066, section 3). */
export function serverNameOf(hello: Hello): string | undefined {
	const extension = hello.extensions?.get(SERVER_NAME);
	if (extension === undefined) return undefined;
	const list = new Cursor(extension);
	const names = new Cursor(list.take(list.number(2)));
	while (names.at < names.bytes.length && !names.failed) {
		const type = names.number(1);
		const name = names.take(names.number(2));
		if (type === 0 && !names.failed) return name.toString('latin1');
	}
	return undefined;
}

/** Protocols, the client's favourite first (RFC 7301, section 3.1). */
export function alpnOf(hello: Hello): readonly string[] | undefined {
	const extension = hello.extensions?.get(ALPN);
	if (extension === undefined) return undefined;
	const list = new Cursor(extension);
	const names = new Cursor(list.take(list.number(2)));
	const protocols: string[] = [];
	while (names.at < names.bytes.length && !names.failed) protocols.push(names.take(names.number(1)).toString('latin1'));
	return names.failed || list.failed ? undefined : protocols;
}

export const namesCurves = (hello: Hello): boolean => hello.extensions?.has(SUPPORTED_GROUPS) === true;

/** 0: no session ticket extension, 1: an empty one, 2: one with a ticket (RFC 5077); undefined: no extensions. */
export function ticketState(hello: Hello): 0 | 1 | 2 | undefined {
	if (hello.extensions === undefined) return undefined;
	const ticket = hello.extensions.get(SESSION_TICKET);
	if (ticket === undefined && hello.isBroken) return undefined;
	return ticket === undefined ? 0 : ticket.length === 0 ? 1 : 2;
}

/** Values that clients make up so that servers pass over what they do not know (RFC 8701): 0x0a0a, 0x1a1a, ... */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);

/** Numbers of two bytes each, without GREASE. */
export function withoutGrease(list: Buffer): Buffer {
	const kept: Buffer[] = [];
	for (let at = 0; at + 2 <= list.length; at += 2) {
		if (!isGrease(list.readUInt16BE(at))) kept.push(list.subarray(at, at + 2));
	}
	return Buffer.concat(kept);
}

/** What is kept of a client's hello for rules (manual, 3.2 `tune.ssl.capture-buffer-size`). */
export interface HelloLists {
	readonly version: number;
	/** All of them, whatever is kept. */
	readonly allCiphers: Buffer;
	/** Two bytes each, but for the formats of points. */
	readonly ciphers: Buffer;
	readonly extensions: Buffer;
	readonly groups: Buffer;
	readonly pointFormats: Buffer;
	readonly signatureAlgorithms: Buffer;
	readonly versions: Buffer;
}

/** One buffer for all lists, in the order of the fields: the last ones find it full. */
export function listsOf(hello: Hello, bytesMax: number): HelloLists {
	let free = bytesMax;
	const keep = (list: Buffer, unit: 1 | 2): Buffer => {
		const length = Math.min(list.length, free - (free % unit));
		free -= length;
		// A copy: the hello's own buffer is a read buffer.
		return Buffer.from(list.subarray(0, length));
	};
	const { version, ciphers, extensions } = hello;
	/** The content of an extension that is one list behind its length. */
	const list = (number: number, lengthSize: 1 | 2): Buffer => {
		const cursor = new Cursor(extensions?.get(number) ?? Buffer.alloc(0));
		const found = cursor.take(cursor.number(lengthSize));
		return cursor.failed ? Buffer.alloc(0) : found;
	};
	const numbers = Buffer.alloc(2 * (extensions?.size ?? 0));
	for (const [index, number] of [...(extensions?.keys() ?? [])].entries()) numbers.writeUInt16BE(number, 2 * index);
	return {
		version,
		allCiphers: Buffer.from(ciphers),
		ciphers: keep(ciphers, 2),
		extensions: keep(numbers, 2),
		groups: keep(list(SUPPORTED_GROUPS, 2), 2),
		pointFormats: keep(list(POINT_FORMATS, 1), 1),
		signatureAlgorithms: keep(list(SIGNATURE_ALGORITHMS, 2), 2),
		versions: keep(list(SUPPORTED_VERSIONS, 1), 2),
	};
}
