/**
 * The header of the PROXY protocol that a connection to a server begins with (manual, 5.2 `send-proxy`,
 * `proxy-v2-options`): which fields it has is settled with the server's line, their values are the client's.
 */
import type { X509Certificate } from 'node:crypto';
import type { ProxyField, ServerModel } from '../config/model.js';
import { bytesOf } from '../core/bytes.js';
import { type ProxyEndpoints, TlvType, writeField, writeProxyHeader, writeProxyLine } from '../core/proxy-protocol.js';
import { signatureAlgorithm } from '../sample/certificate.js';
import { WANTED_TLS_FACTS } from '../sample/tls-facts.js';
import type { SessionView, StreamView, TlsView } from '../sample/types.js';

/** What `set-proxy-v2-tlv-fmt` writes. */
export interface FormattedField {
	readonly type: number;
	/** Its value, a byte a character. */
	render(view: StreamView): string;
}

/** Bits of the field about TLS (proxy-protocol.txt, 2.2.6). */
const Client = { SSL: 1, CERT_CONN: 2, CERT_SESS: 4 } as const;

type Field = readonly [type: number, value: Buffer];

export class ProxyHeader {
	readonly #version: 'v1' | 'v2';
	readonly #fields: ReadonlySet<ProxyField>;
	readonly #formats: readonly FormattedField[];

	/** For a server that is sent one. */
	constructor({ sendProxy, proxyFields }: ServerModel, formats: readonly FormattedField[]) {
		this.#version = sendProxy === 'v2' ? 'v2' : 'v1';
		this.#fields = new Set(proxyFields);
		this.#formats = formats;
		// Of the certificate that the client was shown.
		if (this.#fields.has('cert-sig') || this.#fields.has('cert-key')) WANTED_TLS_FACTS.ownCertificate = true;
	}

	/** A client on a unix socket has no addresses: UNKNOWN, LOCAL. */
	write(view: StreamView): Buffer {
		const { session } = view;
		const endpoints = endpointsOf(session);
		if (this.#version === 'v1') return writeProxyLine(endpoints);
		return writeProxyHeader(endpoints, this.#fieldsFor(view));
	}

	/** In the order of the reference, whose checksum comes first. */
	#fieldsFor(view: StreamView): readonly Field[] {
		const fields: Field[] = [];
		const { tls } = view.session;
		const has = (field: ProxyField): boolean => this.#fields.has(field);
		const add = (type: number, text: string | undefined): void => {
			if (text !== undefined) fields.push([type, bytesOf(text)]);
		};
		if (has('crc32c')) fields.push([TlvType.CRC32C, Buffer.alloc(4)]);
		add(TlvType.ALPN, tls?.alpn);
		if (has('authority')) add(TlvType.AUTHORITY, tls?.serverName);
		if (has('unique-id')) add(TlvType.UNIQUE_ID, view.uniqueId());
		// Any field of it brings the whole.
		if (['ssl', 'cert-cn', 'ssl-cipher', 'cert-sig', 'cert-key'].some((field) => has(field as ProxyField))) {
			fields.push([TlvType.SSL, this.#aboutTls(tls)]);
		}
		for (const format of this.#formats) add(format.type, format.render(view));
		return fields;
	}

	#aboutTls(tls: TlsView | undefined): Buffer {
		const start = Buffer.alloc(5);
		if (tls === undefined) return start;
		const { peerCertificate, ownCertificate } = tls;
		const shown =
			peerCertificate === undefined ? 0 : tls.isResumed ? Client.CERT_SESS : Client.CERT_CONN | Client.CERT_SESS;
		start[0] = Client.SSL | shown;
		start.writeUInt32BE(tls.verification?.result ?? 0, 1);
		const parts = [start, writeField(TlvType.SSL_VERSION, bytesOf(tls.version))];
		const add = (field: ProxyField, type: number, text: string | undefined): void => {
			if (this.#fields.has(field) && text !== undefined) parts.push(writeField(type, bytesOf(text)));
		};
		add('cert-cn', TlvType.SSL_CN, peerCertificate && /^CN=(.*)$/m.exec(peerCertificate.subject)?.[1]);
		add('cert-key', TlvType.SSL_KEY_ALG, ownCertificate && keyName(ownCertificate));
		add('cert-sig', TlvType.SSL_SIG_ALG, ownCertificate && signatureAlgorithm(ownCertificate));
		add('ssl-cipher', TlvType.SSL_CIPHER, tls.cipher);
		return Buffer.concat(parts);
	}
}

function endpointsOf({ source, sourcePort, destination, destinationPort }: SessionView): ProxyEndpoints | undefined {
	return source === undefined || destination === undefined
		? undefined
		: { source, sourcePort, destination, destinationPort };
}

/** Bits of the curves that certificates have. */
const CURVE_BITS: ReadonlyMap<string, number> = new Map([
	['prime256v1', 256],
	['secp256k1', 256],
	['secp384r1', 384],
	['secp521r1', 521],
]);

/** Kind and size of a key, as `RSA2048`. */
function keyName({ publicKey }: X509Certificate): string | undefined {
	const { asymmetricKeyType: kind, asymmetricKeyDetails: details } = publicKey;
	if (kind === 'ec') return `EC${CURVE_BITS.get(details?.namedCurve ?? '') ?? ''}`;
	if (kind === 'rsa' || kind === 'rsa-pss' || kind === 'dsa') {
		return `${kind === 'dsa' ? 'DSA' : 'RSA'}${details?.modulusLength ?? ''}`;
	}
	return undefined;
}
