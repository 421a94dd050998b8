/**
 * Servers (manual, 5.2), and how a backend chooses among them and stays with one (4.2 `balance`, `hash-type`, `cookie`), as
 * part of the configuration model.
 */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { ServerHealthModel } from './health-model.js';
import type { Line } from './model.js';
import type { ServerResolutionModel } from './resolvers-model.js';
import type { LastServerState } from './server-state-file.js';

/** Words of `proxy-v2-options` (manual, 5.2). */
export const PROXY_FIELDS = [
	'ssl',
	'cert-cn',
	'ssl-cipher',
	'cert-sig',
	'cert-key',
	'authority',
	'crc32c',
	'unique-id',
] as const;

export type ProxyField = (typeof PROXY_FIELDS)[number];

export interface ServerModel {
	readonly place: Place;
	readonly name: string;
	/** Unique within the backend, given by `id` or counted from 1. */
	readonly id: number;
	/** The line has an `id`. */
	readonly idGiven?: boolean;
	readonly address: SocketAddress;
	/** The port as written: absolute, or an offset to the port the client reached (`+1`, `-1`, none). */
	readonly portOffset: number | undefined;
	readonly weight: number;
	readonly backup: boolean;
	/** 0 is no limit. */
	readonly maxconn: number;
	readonly minconn: number;
	/** 0 is no limit. */
	readonly maxqueue: number;
	readonly disabled: boolean;
	readonly cookie: string | undefined;
	readonly nonStick: boolean;
	readonly redir: string | undefined;
	/** Idle connections that may be kept; -1: no limit, 0: none. */
	readonly poolMaxConn: number;
	readonly poolLowConn: number;
	readonly poolPurgeDelayMs: number;
	/** How often a connection may serve again after its first request; -1: no limit. */
	readonly maxReuse: number;
	readonly source: SocketAddress | undefined;
	readonly sendProxy: 'none' | 'v1' | 'v2';
	/** What a header of version 2 says beyond addresses (`proxy-v2-options`). */
	readonly proxyFields: readonly ProxyField[];
	/** `set-proxy-v2-tlv-fmt`: fields of other types, each with its log format. */
	readonly proxyFormats: readonly { readonly type: number; readonly line: Line }[];
	/** The SOCKS4 proxy on the way to it. */
	readonly socks4?: SocketAddress | undefined;
	/** `proto`; undefined: HTTP/2 if ALPN agrees on it, else HTTP/1.1. */
	readonly proto?: 'h1' | 'h2' | undefined;
	/** `ws`: what carries WebSocket; undefined: `auto`. */
	readonly ws?: 'h1' | 'h2' | undefined;
	readonly tls: ServerTlsModel | undefined;
	/** Of `check-ssl` on a server whose traffic is in clear. */
	readonly checkTls?: ServerTlsModel | undefined;
	readonly check: boolean;
	readonly interMs: number;
	readonly rise: number;
	readonly fall: number;
	/** Everything else about its checks. */
	readonly health: ServerHealthModel;
	/** What a state file says of it; undefined: nothing. */
	readonly lastState?: LastServerState | undefined;
	/** How its name becomes an address; of no meaning where it is no name. */
	readonly resolution: ServerResolutionModel;
}

export interface ServerTlsModel {
	readonly sigalgs?: string | undefined;
	readonly securityLevel?: number | undefined;
	readonly ciphersuites?: string | undefined;
	readonly curves?: string | undefined;
	readonly crlFile?: string | undefined;
	/** `no-ssl-reuse`: each connection begins a session of its own. */
	readonly reuse?: boolean;
	/** `no-tls-tickets` turns it off. */
	readonly tickets?: boolean;
	readonly crt: string | undefined;
	readonly caFile: string | undefined;
	readonly verify: 'none' | 'required';
	readonly verifyHost: string | undefined;
	readonly sni: Line | undefined;
	readonly alpn: readonly string[];
	readonly ciphers: string | undefined;
	readonly minVersion: string | undefined;
	readonly maxVersion: string | undefined;
}

/** `balance <algorithm> [arguments]` (manual, 4.2 `balance`). */
export type BalanceModel =
	| { readonly algorithm: 'roundrobin' | 'static-rr' | 'leastconn' | 'first' | 'source' }
	| {
			readonly algorithm: 'uri';
			readonly pathOnly: boolean;
			readonly whole: boolean;
			readonly lengthChars: number;
			readonly depth: number;
	  }
	| { readonly algorithm: 'url_param'; readonly name: string; readonly checkPostBytes: number | undefined }
	| { readonly algorithm: 'hdr'; readonly name: string; readonly useDomainOnly: boolean }
	| { readonly algorithm: 'random'; readonly draws: number }
	| { readonly algorithm: 'rdp-cookie'; readonly name: string }
	| { readonly algorithm: 'hash'; readonly expression: Line };

/** `hash-preserve-affinity`: when a key leaves a server that is busy. */
export type HashAffinity = 'always' | 'maxconn' | 'maxqueue';

export interface HashTypeModel {
	readonly method: 'map-based' | 'consistent';
	readonly function: 'sdbm' | 'djb2' | 'wt6' | 'crc32' | 'none';
	readonly avalanche: boolean;
}

/** `cookie` of a backend (manual, 4.2 `cookie`). */
export interface CookieModel {
	readonly name: string;
	readonly mode: 'rewrite' | 'insert' | 'prefix' | 'none';
	readonly indirect: boolean;
	readonly nocache: boolean;
	readonly postonly: boolean;
	readonly preserve: boolean;
	readonly httponly: boolean;
	readonly secure: boolean;
	readonly domains: readonly string[];
	readonly maxidleMs: number | undefined;
	readonly maxlifeMs: number | undefined;
	readonly dynamic: boolean;
	readonly attributes: readonly string[];
}
