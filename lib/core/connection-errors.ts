/**
 * Why a connection was not set up: the numbers and sentences of `fc_err` and `bc_err` (manual, 7.3.3, table of `fc_err_str`),
 * which are also those of the log (8.2.5), and what OpenSSL says of a handshake (`ssl_fc_err`, `ssl_bc_err`).
 *
 * Node tells OpenSSL's code only within the message of an error, and judges certificates itself after a handshake that
 * was complete for OpenSSL; the code that OpenSSL has for that is put in its place.
 */

const SENTENCES: readonly string[] = [
	'Success',
	'Reached configured maxconn value',
	'Too many sockets on the process',
	'Too many sockets on the system',
	'Out of system buffers',
	'Protocol or address family not supported',
	'General socket error',
	'Source port range exhausted',
	"Can't bind to source address",
	'Out of local source ports on the system',
	'Local source address already in use',
	'Connection closed while waiting for PROXY protocol header',
	'Connection error while waiting for PROXY protocol header',
	'Timeout while waiting for PROXY protocol header',
	'Truncated PROXY protocol header received',
	'Received something which does not look like a PROXY protocol header',
	'Received an invalid PROXY protocol header',
	'Received an unhandled protocol in the PROXY protocol header',
	'Connection closed while waiting for NetScaler Client IP header',
	'Connection error while waiting for NetScaler Client IP header',
	'Timeout while waiting for a NetScaler Client IP header',
	'Truncated NetScaler Client IP header received',
	'Received an invalid NetScaler Client IP magic number',
	'Received an unhandled protocol in the NetScaler Client IP header',
	'Connection closed during SSL handshake',
	'Connection error during SSL handshake',
	'Timeout during SSL handshake',
	'Too many SSL connections',
	'Out of memory when initializing an SSL connection',
	'Rejected a client-initiated SSL renegotiation attempt',
	'SSL client CA chain cannot be verified',
	'SSL client certificate not trusted',
	'Server presented an SSL certificate different from the configured one',
	'Server presented an SSL certificate different from the expected one',
	'SSL handshake failure',
	'SSL handshake failure after heartbeat',
	'Stopped a TLSv1 heartbeat attack (CVE-2014-0160)',
	'Attempt to use SSL on an unknown target (internal error)',
	'Server refused early data',
	'SOCKS4 Proxy write error during handshake',
	'SOCKS4 Proxy read error during handshake',
	'SOCKS4 Proxy deny the request',
	'SOCKS4 Proxy handshake aborted by server',
	'SSL fatal error',
];

/** Ids that this program finds. */
export const ConnectionErrorId = {
	SUCCESS: 0,
	TLS_CLOSED: 24,
	WRONG_SERVER_NAME: 32,
	UNEXPECTED_SERVER_NAME: 33,
	TLS_FAILURE: 34,
	SOCKS_DENIED: 41,
	SOCKS_ABORTED: 42,
} as const;

/** What OpenSSL says: its packed code, and the reason in its words. */
export interface OpenSslError {
	readonly code: number;
	readonly reason: string;
}

/** Library 20 (SSL), in the upper bits of a code of OpenSSL 3. */
const SSL_LIBRARY = 0x0a000000;

export const CERTIFICATE_VERIFY_FAILED: OpenSslError = {
	code: SSL_LIBRARY + 0x86,
	reason: 'certificate verify failed',
};
export const NO_CERTIFICATE: OpenSslError = { code: SSL_LIBRARY + 0xc7, reason: 'peer did not return a certificate' };

/** OpenSSL's numbers of errors of a certificate that were to be ignored; 0: none. */
export interface PeerVerification {
	readonly result: number;
	/** The first of the certificate itself, and of those that it comes from, with its place. */
	readonly error: number;
	readonly caError: number;
	readonly caErrorDepth: number;
}

/** A connection of a client or to a server that was begun and not set up. */
export interface ConnectionFailure {
	readonly id: number;
	/** It was to be TLS: what OpenSSL said, `none` if it had nothing to say. */
	readonly tls: OpenSslError | 'none' | undefined;
	/** Why a client's certificate was refused (core/certificate-errors.ts). */
	readonly verification?: PeerVerification | undefined;
}

export const connectionErrorSentence = (id: number): string => SENTENCES[id] ?? '';

/** The id of a sentence; 6, "General socket error", for one that is not in the table. */
export function connectionErrorId(sentence: string): number {
	const id = SENTENCES.indexOf(sentence);
	return id < 0 ? 6 : id;
}

/** As `ERR_error_string` writes it. */
export function openSslErrorText({ code, reason }: OpenSslError): string {
	return `error:${code.toString(16).toUpperCase().padStart(8, '0')}:SSL routines::${reason}`;
}

/** What OpenSSL said, from the error that Node has made of it. */
export function openSslErrorOf(error: Error | undefined): OpenSslError | undefined {
	const match = /error:([0-9A-Fa-f]{8}):[^:]*:[^:]*:([^:]*)/.exec(error?.message ?? '');
	return match === null ? undefined : { code: Number.parseInt(match[1] as string, 16), reason: match[2] as string };
}

/**
 * Why a connection to a server could not be used once it stood; undefined if it never stood, of which nothing is told
 * (as observed). `namesServer`: the line says which name its certificate is to have (`verifyhost`).
 */
export function serverFailure(
	error: Error | undefined,
	isTls: boolean,
	namesServer: boolean,
): ConnectionFailure | undefined {
	const { code = '', connectionErrorId: id } = (error ?? {}) as { code?: string; connectionErrorId?: number };
	if (id !== undefined) return { id, tls: isTls ? 'none' : undefined };
	if (!isTls) return undefined;
	const said = openSslErrorOf(error);
	if (said !== undefined) return { id: ConnectionErrorId.TLS_FAILURE, tls: said };
	if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
		const wrong = namesServer ? ConnectionErrorId.WRONG_SERVER_NAME : ConnectionErrorId.UNEXPECTED_SERVER_NAME;
		return { id: wrong, tls: CERTIFICATE_VERIFY_FAILED };
	}
	// Errors of the system have a call; what is left is Node's verdict on the certificate, or a connection that was closed.
	if (error === undefined || 'syscall' in error) return undefined;
	if (code === 'ECONNRESET') return { id: ConnectionErrorId.TLS_CLOSED, tls: 'none' };
	return { id: ConnectionErrorId.TLS_FAILURE, tls: CERTIFICATE_VERIFY_FAILED };
}
