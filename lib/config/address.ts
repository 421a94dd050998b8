/**
 * Addresses as the configuration writes them (manual, chapter 11 and `bind`, `server`): a prefix that
 * names the family, a host, a port, a range of ports or an offset to a port.
 *
 * The last colon separates the port, also in `::1:80`, as HAProxy reads it; square brackets end all doubt.
 * Nothing is resolved here: a host name stays a name.
 */
import { IpAddress, parseV4, type SocketAddress } from '../core/address.js';

/** What a keyword allows in its address. */
export interface AddressRules {
	/** `required`: refused without; `optional`: 0 when absent; `offset`: also `+1`, `-1` and absent. */
	readonly port: 'required' | 'optional' | 'offset' | 'forbidden';
	/** `80-89`. */
	readonly range?: boolean;
	/** The port used when it is absent. */
	readonly defaultPort?: number;
	/** Host names. */
	readonly names?: boolean;
	/** Put before the path of a unix socket (`unix-bind prefix`). */
	readonly unixPrefix?: string;
	/** An absent host or `*` is the unspecified address. */
	readonly anyHost?: boolean;
	readonly fd?: boolean;
}

export type ParsedAddress =
	| {
			readonly ok: true;
			readonly address: SocketAddress;
			/** The last port of a range; the first when there is none. */
			readonly lastPort: number;
			/** For `offset`: how far from the client's port; undefined when the port is absolute. */
			readonly portOffset: number | undefined;
	  }
	| { readonly ok: false; readonly reason: string };

const failed = (reason: string): ParsedAddress => ({ ok: false, reason });

/** sun_path without its terminating NUL. */
const MAX_UNIX_PATH_BYTES = 107;

/** Prefixes that name a protocol or a family Holdfast does not speak. */
const REFUSED_PREFIXES = ['quic4@', 'quic6@', 'udp@', 'udp4@', 'udp6@', 'sockpair@', 'uxdg@', 'rhttp@', 'rev@'];

export function parseAddress(text: string, rules: AddressRules): ParsedAddress {
	let rest = text;
	let family: 4 | 6 | undefined;
	const prefix = /^[a-z0-9]+@/.exec(text)?.[0];
	if (prefix !== undefined) {
		rest = text.slice(prefix.length);
		if (REFUSED_PREFIXES.includes(prefix)) return failed(`'${prefix}' addresses are not supported by holdfast`);
		switch (prefix) {
			case 'unix@':
			case 'uxst@':
				return unixAddress(rest, false, rules);
			case 'abns@':
				return unixAddress(rest, true, rules);
			case 'fd@': {
				if (rules.fd !== true) return failed(`'fd@' is not permitted here in '${text}'`);
				if (!/^\d{1,6}$/.test(rest)) return failed(`invalid file descriptor '${rest}' in '${text}'`);
				return { ok: true, address: { kind: 'fd', fd: Number(rest) }, lastPort: 0, portOffset: undefined };
			}
			case 'ipv4@':
			case 'tcp4@':
				family = 4;
				break;
			case 'ipv6@':
			case 'tcp6@':
				family = 6;
				break;
			case 'tcp@':
				break;
			default:
				return failed(`unknown address family '${prefix}' in '${text}'`);
		}
	} else if (text.startsWith('/')) return unixAddress(text, false, rules);

	let host: string;
	let portText: string | undefined;
	const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(rest);
	if (bracketed !== null) {
		host = bracketed[1] ?? '';
		portText = bracketed[2];
		family ??= 6;
	} else {
		const colon = rest.lastIndexOf(':');
		// A second colon means IPv6, where a port is only told from a group by standing after the last one.
		host = colon === -1 ? rest : rest.slice(0, colon);
		portText = colon === -1 ? undefined : rest.slice(colon + 1);
	}

	const port = parsePort(portText ?? '', text, rules);
	if (!port.ok) return port;
	const socket = hostAddress(host, family, port.first, text, rules);
	if (typeof socket === 'string') return failed(socket);
	return { ok: true, address: socket, lastPort: port.last, portOffset: port.offset };
}

function hostAddress(
	host: string,
	family: 4 | 6 | undefined,
	port: number,
	text: string,
	rules: AddressRules,
): SocketAddress | string {
	if (host === '' || host === '*') {
		if (rules.anyHost !== true) return `missing host in '${text}'`;
		return { kind: 'ip', address: family === 6 ? '::' : '0.0.0.0', family: family ?? 4, port };
	}
	const ip = IpAddress.parse(host);
	if (ip !== undefined) {
		if (family !== undefined && ip.family !== family) return `'${host}' is not an IPv${family} address in '${text}'`;
		return { kind: 'ip', address: ip.toString(), family: ip.family, port };
	}
	if (host.includes(':')) return `invalid IPv6 address '${host}' in '${text}'`;
	if (rules.names !== true || !isHostName(host)) return `invalid address: '${host}' in '${text}'`;
	return { kind: 'name', host, family, port };
}

/** Labels of letters, digits, hyphen and underscore; not all numbers, which would be a mistyped IPv4 address. */
export function isHostName(host: string): boolean {
	if (host.length > 253 || parseV4(host) !== undefined) return false;
	if (!/^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/.test(host)) return false;
	return /[A-Za-z]/.test(host);
}

type Port =
	| { readonly ok: true; readonly first: number; readonly last: number; readonly offset: number | undefined }
	| { readonly ok: false; readonly reason: string };

function parsePort(portText: string, text: string, rules: AddressRules): Port {
	if (portText === '') {
		if (rules.port === 'required' && rules.defaultPort === undefined) {
			return { ok: false, reason: `missing port number: '${text}'` };
		}
		const port = rules.defaultPort ?? 0;
		return { ok: true, first: port, last: port, offset: rules.port === 'offset' ? 0 : undefined };
	}
	if (rules.port === 'forbidden') return { ok: false, reason: `port specification not permitted here in '${text}'` };
	// As none at all.
	if (portText === '0' && rules.port === 'offset') return { ok: true, first: 0, last: 0, offset: 0 };
	const offset = /^[+-](\d{1,5})$/.exec(portText);
	if (offset !== null) {
		if (rules.port !== 'offset') return { ok: false, reason: `port offsets not permitted here in '${text}'` };
		if (Number(offset[1]) > 65535) return { ok: false, reason: `invalid port offset '${portText}' in '${text}'` };
		return { ok: true, first: 0, last: 0, offset: Number(portText) };
	}
	const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(portText);
	if (range === null) return { ok: false, reason: `invalid character in port number '${portText}' in '${text}'` };
	if (range[2] !== undefined && rules.range !== true) {
		return { ok: false, reason: `port ranges not permitted here in '${text}'` };
	}
	const first = Number(range[1]);
	const last = Number(range[2] ?? range[1]);
	for (const port of [first, last]) {
		if (port < 1 || port > 65535) return { ok: false, reason: `invalid port '${port}'` };
	}
	if (last < first) return { ok: false, reason: `invalid port range '${portText}' in '${text}'` };
	return { ok: true, first, last, offset: undefined };
}

function unixAddress(path: string, abstract: boolean, rules: AddressRules): ParsedAddress {
	if (path === '') return failed('missing path of a unix socket');
	if (!abstract && !path.startsWith('/') && (rules.unixPrefix ?? '') === '') {
		// Relative paths are allowed by the system, and are where the process was started.
	}
	const full = abstract ? path : (rules.unixPrefix ?? '') + path;
	if (full.length > MAX_UNIX_PATH_BYTES) {
		return failed(`socket path '${full}' too long (max ${MAX_UNIX_PATH_BYTES})`);
	}
	return { ok: true, address: { kind: 'unix', path: full, abstract }, lastPort: 0, portOffset: undefined };
}
