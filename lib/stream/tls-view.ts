/** A TLS socket as fetches see it: asked when the handshake is over, since a log line is written when it is gone. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type SessionSecrets, sessionSecrets } from '../sample/certificate.js';
import { WANTED_TLS_FACTS } from '../sample/tls-facts.js';
import type { TlsView } from '../sample/types.js';

export class SocketTlsView implements TlsView {
	readonly version: string;
	readonly cipher: string;
	readonly serverName: string | undefined;
	readonly alpn: string | undefined;
	readonly isResumed: boolean;
	readonly peerCertificate: X509Certificate | undefined;
	readonly ownCertificate: X509Certificate | undefined;
	readonly session: SessionSecrets | undefined;
	readonly uniqueId: Buffer | undefined;

	/** `isServer`: the other side is the client. */
	constructor(socket: TLSSocket, isServer: boolean) {
		this.version = socket.getProtocol() ?? '';
		this.cipher = socket.getCipher()?.name ?? '';
		const { servername, alpnProtocol } = socket as TLSSocket & { readonly servername?: string | false | null };
		this.serverName = typeof servername === 'string' && servername !== '' ? servername : undefined;
		this.alpn = typeof alpnProtocol === 'string' ? alpnProtocol : undefined;
		this.isResumed = socket.isSessionReused();
		this.peerCertificate = socket.getPeerX509Certificate();
		this.ownCertificate = WANTED_TLS_FACTS.ownCertificate ? socket.getX509Certificate() : undefined;
		const session = WANTED_TLS_FACTS.session ? socket.getSession() : undefined;
		this.session = session === undefined ? undefined : sessionSecrets(session);
		this.uniqueId = WANTED_TLS_FACTS.finished ? firstFinished(socket, isServer, this.isResumed) : undefined;
	}
}

/** `tls-unique` (RFC 5929, section 3): the first Finished, the client's, or the server's when a session is resumed. */
function firstFinished(socket: TLSSocket, isServer: boolean, isResumed: boolean): Buffer | undefined {
	return isServer === isResumed ? socket.getFinished() : socket.getPeerFinished();
}
