/**
 * The cookie of an RDP connection request (`balance rdp-cookie`, manual 4.2 and 7.3.5 `req.rdp_cookie`):
 *
 *     03 00 length(2)            TPKT header, 4 bytes
 *     n E0 00 00 xx xx 00        X.224 connection request, 7 bytes; n counts the bytes after itself
 *     Cookie: name=value CR LF
 *
 * The name is compared without regard to case, the value is what stands up to the end of the line.
 */
import { asciiLower } from '../../core/bytes.js';

const TPKT_SIZE_BYTES = 4;
const X224_SIZE_BYTES = 7;
const PREFIX = 'cookie:';

/** Undefined when there is no such cookie, or not all of it yet. */
export function rdpCookie(bytes: Buffer, name: string): string | undefined {
	const textStart = TPKT_SIZE_BYTES + X224_SIZE_BYTES;
	if (bytes.length <= textStart || bytes[0] !== 3 || bytes[1] !== 0) return undefined;
	if (bytes[TPKT_SIZE_BYTES + 1] !== 0xe0) return undefined;
	const size = bytes.readUInt16BE(2);
	const text = bytes.toString('latin1', textStart, Math.min(size, bytes.length));
	const end = text.indexOf('\r\n');
	if (end < 0 || asciiLower(text.slice(0, PREFIX.length)) !== PREFIX) return undefined;
	const pair = text.slice(PREFIX.length, end).replace(/^[ \t]+/, '');
	const equals = pair.indexOf('=');
	if (equals < 0) return undefined;
	if (name !== '' && asciiLower(pair.slice(0, equals)) !== asciiLower(name)) return undefined;
	return pair.slice(equals + 1);
}

/**
 * The server that a terminal server's own load balancing names in its cookie (manual, 4.2 `persist rdp-cookie`):
 * `address.port.0000`, both numbers as a little-endian machine reads them from network order.
 */
export function rdpServerAddress(value: string): { readonly address: string; readonly port: number } | undefined {
	const [, address = '', port = ''] = /^(\d{1,10})\.(\d{1,5})\./.exec(value) ?? [];
	const number = Number(address);
	const swapped = Number(port);
	if (address === '' || number > 0xffffffff || swapped > 0xffff) return undefined;
	const bytes = [0, 8, 16, 24].map((shift) => (number >>> shift) & 255);
	return { address: bytes.join('.'), port: ((swapped & 255) << 8) | (swapped >> 8) };
}
