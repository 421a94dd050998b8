/**
 * `bind` lines and the certificates behind them (manual, 5.1), as part of the configuration model.
 */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';

/** One address of a `bind` line; a line with several addresses or a port range gives several. */
export interface BindModel {
	readonly place: Place;
	readonly address: SocketAddress;
	/** Unique within the proxy; HAProxy numbers them from 1. */
	readonly id: number;
	readonly name: string | undefined;
	readonly maxconn: number | undefined;
	readonly backlog: number | undefined;
	readonly v4v6: boolean;
	readonly v6only: boolean;
	readonly mode: number | undefined;
	readonly uid: number | undefined;
	readonly gid: number | undefined;
	readonly acceptProxy: boolean;
	/** `accept-netscaler-cip`: the magic number. */
	readonly cipMagic?: number | undefined;
	/** `proto`; undefined: what the client asks for, by ALPN or by its first bytes. */
	readonly proto?: 'h1' | 'h2' | undefined;
	readonly tls: BindTlsModel | undefined;
}

export interface CertificateModel {
	readonly path: string;
	/** The certificate and its chain. */
	readonly pem: string;
	readonly key: string;
	/** Names it is for, from a `crt-list`, `!` in front excluding one; empty: those it was made out for. */
	readonly filters: readonly string[];
	/** The OCSP response to staple, DER in base64, from `<path>.ocsp`. */
	readonly ocsp?: string | undefined;
	/** The line of a `crt-list` that names it. */
	readonly listed?: CrtListLine | undefined;
	/** What that line says other than the `bind` line. */
	readonly options?: CertificateOptions | undefined;
}

export interface CrtListLine {
	readonly list: string;
	/** From 1. */
	readonly line: number;
	/** As written, between the brackets. */
	readonly options: string;
}

/** Options of one line of a `crt-list` (manual, 5.1 `crt-list`). */
export type CertificateOptions = Partial<
	Pick<
		BindTlsModel,
		| 'alpn'
		| 'verify'
		| 'ca'
		| 'caFile'
		| 'caVerify'
		| 'caVerifyFile'
		| 'crl'
		| 'crlFile'
		| 'ciphers'
		| 'ciphersuites'
		| 'curves'
		| 'sigalgs'
		| 'minVersion'
		| 'maxVersion'
	>
>;

/** Errors of clients' certificates that do not end a handshake. */
export type IgnoredErrors = 'all' | readonly number[];

export interface BindTlsModel {
	/** What the files of `crt` and `crt-list` hold; the first one is for clients that name nobody. */
	readonly certificates: readonly CertificateModel[];
	/** The text of `ca-file` and `crl-file`. */
	readonly ca: string | undefined;
	readonly crl: string | undefined;
	/** `no-tls-tickets` turns it off. */
	readonly tickets: boolean;
	readonly crt: readonly string[];
	/** Paths of the lists that its certificates come from. */
	readonly crtLists?: readonly string[] | undefined;
	readonly caFile: string | undefined;
	readonly crlFile: string | undefined;
	readonly verify: 'none' | 'optional' | 'required';
	readonly alpn: readonly string[];
	readonly ciphers: string | undefined;
	readonly ciphersuites: string | undefined;
	readonly curves: string | undefined;
	readonly minVersion: string | undefined;
	readonly maxVersion: string | undefined;
	readonly strictSni: boolean;
	readonly prefersClientCiphers?: boolean;
	readonly sigalgs?: string | undefined;
	/** `ssl-security-level`. */
	readonly securityLevel?: number | undefined;
	/** Authorities that clients' certificates are verified by and that they are not meant to be told of; their text. */
	readonly caVerifyFile?: string | undefined;
	readonly caVerify?: string | undefined;
	/** `ca-ignore-err`: beyond the client's own certificate; `crt-ignore-err`: of it. */
	readonly caIgnoredErrors?: IgnoredErrors | undefined;
	readonly crtIgnoredErrors?: IgnoredErrors | undefined;
	/** `generate-certificates`, and who signs them: the text of `ca-sign-file`. */
	readonly generates?: boolean;
	readonly signFile?: string | undefined;
	readonly signer?: string | undefined;
	readonly signPassphrase?: string | undefined;
	/** `tls-ticket-keys`: the file and its keys, base64, the oldest first. */
	readonly ticketKeys?: TicketKeysModel | undefined;
}

export interface TicketKeysModel {
	readonly path: string;
	readonly keys: readonly string[];
}
