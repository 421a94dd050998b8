/**
 * What of a TLS connection is worth asking for. A log line is written when the socket is gone, so what it shows must be
 * asked when the handshake is over; asking costs, so only what some line of the configuration uses is asked. Compiling a
 * fetch says what it needs; a data thread compiles before it serves.
 */
export interface TlsFacts {
	/** The certificate that this side has shown. */
	ownCertificate: boolean;
	/** The id and the key of the session. */
	session: boolean;
	/** The messages that `tls-unique` is made of (RFC 5929). */
	finished: boolean;
	/** The client's hello, or the lists in it. */
	hello: boolean;
	/** The name of the curve of a connection to a server, and the random bytes it began with. */
	exchangeWithServer: boolean;
	/** Anything of connections to servers. */
	ofServers: boolean;
}

export const WANTED_TLS_FACTS: TlsFacts = {
	ownCertificate: false,
	session: false,
	finished: false,
	hello: false,
	exchangeWithServer: false,
	ofServers: false,
};
