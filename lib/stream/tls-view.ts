/** A TLS socket as fetches see it: asked when the handshake is over, since a log line is written when it is gone. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { clientRandomOf } from '../backend/server-tls.js';
import { type SessionSecrets, sessionSecrets } from '../sample/certificate.js';
import { type Hello, type HelloLists, listsOf } from '../sample/client-hello.js';
import { WANTED_TLS_FACTS } from '../sample/tls-facts.js';
import type { PeerVerification, TlsView } from '../sample/types.js';

/** A client's connection when its handshake is over. */
export interface SecuredClient {
	readonly socket: TLSSocket;
	/** What is wrong with its certificate, and was to be ignored. */
	readonly verification: PeerVerification | undefined;
	/** `tune.ssl.keylog`. */
	readonly secrets: ReadonlyMap<string, string> | undefined;
	/** Where it was looked at. */
	readonly hello: Hello | undefined;
	/** Of the lists in it, for all of them. */
	readonly captureBytes: number;
}

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

	readonly verification: PeerVerification | undefined;
	readonly secrets: ReadonlyMap<string, string> | undefined;
	readonly clientRandom: Buffer | undefined;
	readonly helloLists: HelloLists | undefined;
	readonly curve: string | undefined;

	/** `isServer`: the other side is the client, whose handshake was as `client` tells. */
	constructor(socket: TLSSocket, isServer: boolean, client?: SecuredClient) {
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
		const hello = client?.hello;
		this.verification = client?.verification;
		this.secrets = client?.secrets;
		this.clientRandom = hello === undefined ? clientRandomOf(socket) : Buffer.from(hello.random);
		const captureBytes = client?.captureBytes ?? 0;
		this.helloLists = hello === undefined || captureBytes === 0 ? undefined : listsOf(hello, captureBytes);
		this.curve = !isServer && WANTED_TLS_FACTS.exchangeWithServer ? curveOf(socket) : undefined;
		this.uniqueId = WANTED_TLS_FACTS.finished ? firstFinished(socket, isServer, this.isResumed) : undefined;
	}
}

/** TLS's names for curves that OpenSSL calls otherwise. */
const CURVES: ReadonlyMap<string, string> = new Map([
	['prime256v1', 'secp256r1'],
	['X25519', 'x25519'],
	['X448', 'x448'],
]);

/** Node tells it to those who connect. */
function curveOf(socket: TLSSocket): string | undefined {
	const info = socket.getEphemeralKeyInfo() as { readonly name?: string } | null;
	return info?.name === undefined ? undefined : (CURVES.get(info.name) ?? info.name);
}

/** `tls-unique` (RFC 5929, section 3): the first Finished, the client's, or the server's when a session is resumed. */
function firstFinished(socket: TLSSocket, isServer: boolean, isResumed: boolean): Buffer | undefined {
	return isServer === isResumed ? socket.getFinished() : socket.getPeerFinished();
}
