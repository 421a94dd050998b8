/**
 * The PROXY protocol, versions 1 and 2 (proxy-protocol.txt): bytes to addresses and back. No socket here: the
 * reader is given what has come and says what it is worth, the writers give the bytes to send.
 *
 * A header is only read from a sender that the configuration trusts, and still nothing in it is believed: every
 * length is checked against what there is, a header has at most `HEADER_SIZE_MAX` bytes, a checksum that is there
 * must fit.
 */
import { IpAddress } from './address.js';

/** The first 12 bytes of version 2. */
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Longest line of version 1, with its line end (section 2.1). */
const LINE_SIZE_MAX = 107;
/** Version 2 may say up to 65,535; what a balancer sends is some hundred, and a header must fit one buffer. */
export const HEADER_SIZE_MAX = 16_384;

/** What remains of a header for one field, be it the only one. */
const FIELD_SIZE_MAX = HEADER_SIZE_MAX - 256;

/** Types of fields of version 2 (section 2.2). */
export const TlvType = {
	ALPN: 0x01,
	AUTHORITY: 0x02,
	CRC32C: 0x03,
	NOOP: 0x04,
	UNIQUE_ID: 0x05,
	SSL: 0x20,
	/** In the field SSL. */
	SSL_VERSION: 0x21,
	SSL_CN: 0x22,
	SSL_CIPHER: 0x23,
	SSL_SIG_ALG: 0x24,
	SSL_KEY_ALG: 0x25,
	NETNS: 0x30,
} as const;

export interface ProxyEndpoints {
	readonly source: IpAddress;
	readonly sourcePort: number;
	readonly destination: IpAddress;
	readonly destinationPort: number;
}

export interface ProxyHeader {
	readonly version: 1 | 2;
	/** Undefined: the addresses of the connection stay (LOCAL, UNKNOWN, a unix socket). */
	readonly endpoints: ProxyEndpoints | undefined;
	/** Fields of version 2 by type; of several of one type the first counts. */
	readonly fields: ReadonlyMap<number, Buffer>;
	/** Bytes of the header; what follows belongs to the connection. */
	readonly length: number;
}

/** `malformed` says why. */
export type ProxyHeaderResult = ProxyHeader | 'incomplete' | { readonly malformed: string };

const malformed = (reason: string): ProxyHeaderResult => ({ malformed: reason });

/** Reads the header at the start of `bytes`. */
export function readProxyHeader(bytes: Buffer): ProxyHeaderResult {
	const first = bytes[0];
	if (first === undefined) return 'incomplete';
	if (first === SIGNATURE[0]) return readBinary(bytes);
	if (first === 0x50) return readLine(bytes);
	return malformed('no PROXY protocol header');
}

// Version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"

const KEYWORD = 'PROXY ';

function readLine(bytes: Buffer): ProxyHeaderResult {
	const text = bytes.toString('latin1', 0, Math.min(bytes.length, LINE_SIZE_MAX));
	if (!text.startsWith(KEYWORD.slice(0, text.length))) return malformed('no PROXY protocol header');
	const end = text.indexOf('\r\n');
	if (end < 0) return text.length < LINE_SIZE_MAX ? 'incomplete' : malformed('line too long');
	const length = end + 2;
	const words = text.slice(0, end).split(' ');
	const [, family, source, destination, sourcePort, destinationPort] = words;
	// Whatever follows UNKNOWN is to be ignored (section 2.1).
	if (family === 'UNKNOWN') return { version: 1, endpoints: undefined, fields: new Map(), length };
	if ((family !== 'TCP4' && family !== 'TCP6') || words.length !== 6) return malformed('malformed line');
	const from = IpAddress.parse(source ?? '');
	const to = IpAddress.parse(destination ?? '');
	const wanted = family === 'TCP4' ? 4 : 6;
	if (from?.family !== wanted || to?.family !== wanted) return malformed('malformed address');
	const fromPort = portOf(sourcePort);
	const toPort = portOf(destinationPort);
	if (fromPort === undefined || toPort === undefined) return malformed('malformed port');
	const endpoints = { source: from, sourcePort: fromPort, destination: to, destinationPort: toPort };
	return { version: 1, endpoints, fields: new Map(), length };
}

function portOf(text: string | undefined): number | undefined {
	if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
	const port = Number(text);
	return port <= 65535 ? port : undefined;
}

// Version 2

const FIXED_SIZE = 16;
const Family = { UNSPEC: 0, TCP4: 0x11, UDP4: 0x12, TCP6: 0x21, UDP6: 0x22, UNIX: 0x31, UNIX_DGRAM: 0x32 } as const;
const ADDRESS_SIZES: ReadonlyMap<number, number> = new Map([
	[Family.TCP4, 12],
	[Family.UDP4, 12],
	[Family.TCP6, 36],
	[Family.UDP6, 36],
	[Family.UNIX, 216],
	[Family.UNIX_DGRAM, 216],
]);

function readBinary(bytes: Buffer): ProxyHeaderResult {
	const have = Math.min(bytes.length, SIGNATURE.length);
	if (bytes.compare(SIGNATURE, 0, have, 0, have) !== 0) return malformed('no PROXY protocol header');
	if (bytes.length < FIXED_SIZE) return 'incomplete';
	const versionCommand = bytes[12] as number;
	if (versionCommand >> 4 !== 2) return malformed(`unknown version ${versionCommand >> 4}`);
	const command = versionCommand & 15;
	if (command > 1) return malformed(`unknown command ${command}`);
	const length = FIXED_SIZE + bytes.readUInt16BE(14);
	if (length > HEADER_SIZE_MAX) return malformed('header too long');
	if (bytes.length < length) return 'incomplete';
	const header = bytes.subarray(0, length);
	const family = bytes[13] as number;
	const addressSize = ADDRESS_SIZES.get(family) ?? 0;
	if (command === 1 && FIXED_SIZE + addressSize > length) return malformed('addresses are cut off');
	// Of LOCAL everything behind is to be ignored, also its fields.
	if (command === 0) return { version: 2, endpoints: undefined, fields: new Map(), length };
	const fields = readFields(header, FIXED_SIZE + addressSize);
	if (fields === undefined) return malformed('a field is cut off');
	const checksum = fields.get(TlvType.CRC32C);
	if (checksum !== undefined && !hasChecksum(header, checksum)) return malformed('the checksum does not fit');
	return { version: 2, endpoints: endpointsOf(header, family), fields, length };
}

function endpointsOf(header: Buffer, family: number): ProxyEndpoints | undefined {
	const size = family === Family.TCP4 ? 4 : family === Family.TCP6 ? 16 : 0;
	if (size === 0) return undefined;
	const addressAt = (at: number): IpAddress =>
		size === 4
			? IpAddress.fromV4(header.readUInt32BE(at))
			: IpAddress.fromV6(Uint8Array.prototype.slice.call(header, at, at + 16));
	const ports = FIXED_SIZE + 2 * size;
	return {
		source: addressAt(FIXED_SIZE),
		destination: addressAt(FIXED_SIZE + size),
		sourcePort: header.readUInt16BE(ports),
		destinationPort: header.readUInt16BE(ports + 2),
	};
}

/** Undefined when one does not fit. */
function readFields(header: Buffer, from: number): Map<number, Buffer> | undefined {
	const fields = new Map<number, Buffer>();
	for (let at = from; at < header.length; ) {
		if (at + 3 > header.length) return undefined;
		const type = header[at] as number;
		const start = at + 3;
		const end = start + header.readUInt16BE(at + 1);
		if (end > header.length) return undefined;
		// A copy: the header's buffer goes back to its pool.
		if (!fields.has(type)) fields.set(type, Buffer.from(header.subarray(start, end)));
		at = end;
	}
	return fields;
}

/** The checksum is over the whole header with its own four bytes zero (section 2.2.3). */
function hasChecksum(header: Buffer, value: Buffer): boolean {
	if (value.length !== 4) return false;
	const whole = Buffer.from(header);
	const at = findField(whole, TlvType.CRC32C);
	whole.fill(0, at, at + 4);
	return crc32c(whole) === value.readUInt32BE(0);
}

function findField(header: Buffer, wanted: number): number {
	const family = header[13] as number;
	for (let at = FIXED_SIZE + (ADDRESS_SIZES.get(family) ?? 0); ; at += 3 + header.readUInt16BE(at + 1)) {
		if (header[at] === wanted) return at + 3;
	}
}

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
	let value = index;
	for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
	return value >>> 0;
});

/** CRC-32C (Castagnoli), RFC 3309, appendix. */
export function crc32c(bytes: Uint8Array): number {
	let value = 0xffffffff;
	for (const byte of bytes) value = (value >>> 8) ^ (CRC32C_TABLE[(value ^ byte) & 255] as number);
	return (value ^ 0xffffffff) >>> 0;
}

// Writing

/** Version 1; UNKNOWN without endpoints. Families that differ are both written as IPv6. */
export function writeProxyLine(endpoints: ProxyEndpoints | undefined): Buffer {
	if (endpoints === undefined) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
	const { source, destination, family } = ofOneFamily(endpoints);
	const { sourcePort, destinationPort } = endpoints;
	return Buffer.from(`PROXY TCP${family} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`, 'latin1');
}

/** Version 2; LOCAL without endpoints: a connection the proxy makes for itself, such as a health check. */
export function writeProxyHeader(
	endpoints: ProxyEndpoints | undefined,
	fields: readonly (readonly [type: number, value: Buffer])[] = [],
): Buffer {
	const addresses = endpoints === undefined ? Buffer.alloc(0) : addressBytes(endpoints);
	const tlvs = fields.map(([type, value]) => writeField(type, value));
	const head = Buffer.alloc(FIXED_SIZE);
	SIGNATURE.copy(head);
	head[12] = 0x20 | (endpoints === undefined ? 0 : 1);
	head[13] = endpoints === undefined ? Family.UNSPEC : ofOneFamily(endpoints).family === 4 ? Family.TCP4 : Family.TCP6;
	const body = Buffer.concat([addresses, ...tlvs]);
	head.writeUInt16BE(body.length, 14);
	const whole = Buffer.concat([head, body]);
	if (fields.some(([type]) => type === TlvType.CRC32C)) {
		const at = findField(whole, TlvType.CRC32C);
		whole.fill(0, at, at + 4);
		whole.writeUInt32BE(crc32c(whole), at);
	}
	return whole;
}

/** One field of version 2; of a value that is too long, what fits. */
export function writeField(type: number, value: Buffer): Buffer {
	const length = Math.min(value.length, FIELD_SIZE_MAX);
	const field = Buffer.alloc(3 + length);
	field[0] = type;
	field.writeUInt16BE(length, 1);
	value.copy(field, 3, 0, length);
	return field;
}

function addressBytes(endpoints: ProxyEndpoints): Buffer {
	const { source, destination } = ofOneFamily(endpoints);
	const ports = Buffer.alloc(4);
	ports.writeUInt16BE(endpoints.sourcePort, 0);
	ports.writeUInt16BE(endpoints.destinationPort, 2);
	return Buffer.concat([source.toBytes(), destination.toBytes(), ports]);
}

function ofOneFamily({ source, destination }: ProxyEndpoints) {
	if (source.family === destination.family) return { source, destination, family: source.family };
	return { source: source.toV6(), destination: destination.toV6(), family: 6 as const };
}
