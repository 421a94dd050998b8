/**
 * The NetScaler Client IP insertion protocol (HAProxy's doc/netscaler-client-ip-insertion-protocol.txt, Citrix CTX205670):
 * what a NetScaler puts in front of a connection is a magic number that both sides have agreed on, then the IP and TCP
 * headers of a packet of its client, as they were.
 *
 *     legacy    magic(4) length(4)                      headers(length)
 *     standard  magic(4) total(4) type(2)=1 length(2)   headers(length)
 *
 * The two are told apart by the first byte after the first length: an IP header begins with 4 or 6, a type with 0. As
 * with the PROXY protocol nothing is believed that does not fit in what there is.
 */
import { IpAddress } from './address.js';
import type { ProxyEndpoints } from './proxy-protocol.js';

export interface CipHeader {
	readonly endpoints: ProxyEndpoints;
	/** Bytes of the header; what follows belongs to the connection. */
	readonly length: number;
}

/** `malformed` says why. */
export type CipHeaderResult = CipHeader | 'incomplete' | { readonly malformed: string };

const LEGACY_SIZE = 8;
const STANDARD_SIZE = 12;
/** IPv6 extension headers and options of both headers are far below. */
const HEADERS_SIZE_MAX = 2048;
const TCP = 6;
const TCP_SIZE_MIN = 20;

/** Reads the header at the start of `bytes`. */
export function readCipHeader(bytes: Buffer, magic: number): CipHeaderResult {
	if (bytes.length < 4) return 'incomplete';
	if (bytes.readUInt32BE(0) !== magic) return { malformed: 'wrong magic number' };
	if (bytes.length <= LEGACY_SIZE) return 'incomplete';
	const isLegacy = bytes[LEGACY_SIZE] !== 0;
	const start = isLegacy ? LEGACY_SIZE : STANDARD_SIZE;
	if (bytes.length < start) return 'incomplete';
	if (!isLegacy && bytes.readUInt16BE(8) !== 1) return { malformed: 'unknown type' };
	const size = isLegacy ? bytes.readUInt32BE(4) : bytes.readUInt16BE(10);
	if (size > HEADERS_SIZE_MAX) return { malformed: 'headers too long' };
	const length = start + size;
	if (bytes.length < length) return 'incomplete';
	const endpoints = readPacket(bytes.subarray(start, length));
	return endpoints === undefined ? { malformed: 'no headers of IP and TCP' } : { endpoints, length };
}

function readPacket(packet: Buffer): ProxyEndpoints | undefined {
	const version = (packet[0] ?? 0) >> 4;
	if (version === 4) {
		const size = ((packet[0] ?? 0) & 15) * 4;
		if (size < 20 || packet.length < size + TCP_SIZE_MIN || packet[9] !== TCP) return undefined;
		return {
			source: IpAddress.fromV4(packet.readUInt32BE(12)),
			destination: IpAddress.fromV4(packet.readUInt32BE(16)),
			sourcePort: packet.readUInt16BE(size),
			destinationPort: packet.readUInt16BE(size + 2),
		};
	}
	if (version !== 6 || packet.length < 40 + TCP_SIZE_MIN || packet[6] !== TCP) return undefined;
	return {
		source: IpAddress.fromV6(Uint8Array.from(packet.subarray(8, 24))),
		destination: IpAddress.fromV6(Uint8Array.from(packet.subarray(24, 40))),
		sourcePort: packet.readUInt16BE(40),
		destinationPort: packet.readUInt16BE(42),
	};
}
