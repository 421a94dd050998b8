/**
 * What Node's `X509Certificate` does not tell of a certificate, read from its DER (RFC 5280, section 4.1; X.690): the version
 * and the algorithm of the signature. And of an OpenSSL session, which Node hands out as DER, its id and its key.
 */
import type { X509Certificate } from 'node:crypto';
import { type Element, elementAt, elementsOf, readObjectIdentifier } from '../core/der.js';

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const EXPLICIT_VERSION = 0xa0;

/** OpenSSL's short names. */
const SIGNATURE_ALGORITHMS: ReadonlyMap<string, string> = new Map([
	['1.2.840.113549.1.1.4', 'RSA-MD5'],
	['1.2.840.113549.1.1.5', 'RSA-SHA1'],
	['1.2.840.113549.1.1.10', 'RSASSA-PSS'],
	['1.2.840.113549.1.1.11', 'RSA-SHA256'],
	['1.2.840.113549.1.1.12', 'RSA-SHA384'],
	['1.2.840.113549.1.1.13', 'RSA-SHA512'],
	['1.2.840.113549.1.1.14', 'RSA-SHA224'],
	['1.2.840.10040.4.3', 'DSA-SHA1'],
	['1.2.840.10045.4.1', 'ecdsa-with-SHA1'],
	['1.2.840.10045.4.3.1', 'ecdsa-with-SHA224'],
	['1.2.840.10045.4.3.2', 'ecdsa-with-SHA256'],
	['1.2.840.10045.4.3.3', 'ecdsa-with-SHA384'],
	['1.2.840.10045.4.3.4', 'ecdsa-with-SHA512'],
	['2.16.840.1.101.3.4.3.1', 'dsa_with_SHA224'],
	['2.16.840.1.101.3.4.3.2', 'dsa_with_SHA256'],
	['1.3.101.112', 'ED25519'],
	['1.3.101.113', 'ED448'],
]);

/** The elements of the outer sequence. */
function outer(der: Buffer): readonly Element[] {
	const whole = elementAt(der, 0);
	return whole?.tag === SEQUENCE ? elementsOf(whole.content) : [];
}

/** 1 or 3, as people count them. */
export function certificateVersion({ raw }: X509Certificate): number | undefined {
	const [signed] = outer(raw);
	if (signed?.tag !== SEQUENCE) return undefined;
	const [first] = elementsOf(signed.content);
	if (first?.tag !== EXPLICIT_VERSION) return 1;
	const version = elementAt(first.content, 0);
	return version?.tag === INTEGER ? (version.content[0] ?? 0) + 1 : undefined;
}

/** OpenSSL's short name, or the number of an algorithm that it has no name for here. */
export function signatureAlgorithm({ raw }: X509Certificate): string | undefined {
	const algorithm = outer(raw)[1];
	const identifier = algorithm?.tag === SEQUENCE ? elementAt(algorithm.content, 0) : undefined;
	if (identifier?.tag !== OBJECT_IDENTIFIER) return undefined;
	const number = readObjectIdentifier(identifier.content);
	return SIGNATURE_ALGORITHMS.get(number) ?? number;
}

/** Names in a certificate: places of the elements before them, without the version. */
const ISSUER_AT = 3;
const SUBJECT_AT = 5;

/** The name of the holder as it stands in the certificate, DER; undefined: it cannot be read. */
export const subjectBytes = (certificate: X509Certificate): Buffer | undefined => nameBytes(certificate, SUBJECT_AT);

/** The name of who has signed it, in the same way. */
export const issuerBytes = (certificate: X509Certificate): Buffer | undefined => nameBytes(certificate, ISSUER_AT);

function nameBytes({ raw }: X509Certificate, place: number): Buffer | undefined {
	const [signed] = outer(raw);
	if (signed?.tag !== SEQUENCE) return undefined;
	// version, serial number, algorithm, issuer, validity, subject; the version may be absent.
	const hasVersion = signed.content[0] === EXPLICIT_VERSION;
	let at = 0;
	for (let index = hasVersion ? 0 : 1; index < place; index++) {
		const before = elementAt(signed.content, at);
		if (before === undefined) return undefined;
		at = before.end;
	}
	const subject = elementAt(signed.content, at);
	return subject?.tag === SEQUENCE ? signed.content.subarray(at, subject.end) : undefined;
}

/** One of a certificate's extensions (RFC 5280, section 4.2). */
export interface CertificateExtension {
	/** The number of its kind, with dots. */
	readonly id: string;
	readonly isCritical: boolean;
	readonly content: Buffer;
}

const EXPLICIT_EXTENSIONS = 0xa3;
const BOOLEAN = 0x01;

/** Undefined: the certificate cannot be read. */
export function extensionsOf({ raw }: X509Certificate): readonly CertificateExtension[] | undefined {
	const [signed] = outer(raw);
	if (signed?.tag !== SEQUENCE) return undefined;
	const explicit = elementsOf(signed.content).find(({ tag }) => tag === EXPLICIT_EXTENSIONS);
	if (explicit === undefined) return [];
	const list = elementAt(explicit.content, 0);
	if (list?.tag !== SEQUENCE) return undefined;
	const found: CertificateExtension[] = [];
	for (const extension of elementsOf(list.content)) {
		const [id, ...others] = elementsOf(extension.content);
		const content = others.at(-1);
		if (id?.tag !== OBJECT_IDENTIFIER || content?.tag !== OCTET_STRING) return undefined;
		const critical = others.length > 1 ? others[0] : undefined;
		found.push({
			id: readObjectIdentifier(id.content),
			isCritical: critical?.tag === BOOLEAN && critical.content[0] !== 0,
			content: content.content,
		});
	}
	return found;
}

export interface SessionSecrets {
	readonly id: Buffer;
	readonly key: Buffer;
}

/** `SSL_SESSION` as OpenSSL writes it: format, protocol, cipher, id, master key, and more. */
export function sessionSecrets(der: Buffer): SessionSecrets | undefined {
	const [, , , id, key] = outer(der);
	if (id?.tag !== OCTET_STRING || key?.tag !== OCTET_STRING) return undefined;
	return { id: Buffer.from(id.content), key: Buffer.from(key.content) };
}
