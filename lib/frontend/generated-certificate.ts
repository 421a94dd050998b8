/**
 * A certificate for the name that a client asks for, made when it asks (manual, 5.1 `generate-certificates`): signed by
 * the authority of `ca-sign-file`, for the key of the line's first certificate, as the reference does. The shape is that of
 * RFC 5280, section 4.1, written in DER (X.690); nothing but the name and the serial number differs from one to another.
 */
import {
	createHash,
	createPrivateKey,
	createPublicKey,
	type KeyObject,
	randomBytes,
	sign,
	X509Certificate,
} from 'node:crypto';
import { reasonOf } from '../core/errors.js';
import { extensionsOf, subjectBytes } from '../sample/certificate.js';

const DAY_MS = 86_400_000;
/** Beyond it a common name is none (RFC 5280, appendix A.1); the name of the extension counts anyway. */
const COMMON_NAME_MAX = 64;
/** What may be written into a certificate of what a client sends. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*$/;

const Tag = {
	BOOLEAN: 0x01,
	INTEGER: 0x02,
	BIT_STRING: 0x03,
	OCTET_STRING: 0x04,
	NULL: 0x05,
	OID: 0x06,
	UTF8: 0x0c,
	UTC_TIME: 0x17,
	GENERALIZED_TIME: 0x18,
	SEQUENCE: 0x30,
	SET: 0x31,
} as const;

function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
	const content = Buffer.concat(contents);
	const { length } = content;
	if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
	const size = Buffer.alloc(4);
	size.writeUInt32BE(length);
	const digits = size.subarray(size.findIndex((byte) => byte !== 0));
	return Buffer.concat([Buffer.from([tag, 0x80 | digits.length]), digits, content]);
}

function identifier(text: string): Buffer {
	const [first = 0, second = 0, ...others] = text.split('.').map(Number);
	const bytes = [first * 40 + second, ...others].flatMap((number) => {
		const digits = [number & 0x7f];
		for (let rest = Math.floor(number / 128); rest > 0; rest = Math.floor(rest / 128))
			digits.unshift((rest & 0x7f) | 0x80);
		return digits;
	});
	return element(Tag.OID, Buffer.from(bytes));
}

/** Years from 2050 on have four digits (RFC 5280, section 4.1.2.5). */
function time(atMs: number): Buffer {
	const digits = `${new Date(atMs).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
	return digits < '2050'
		? element(Tag.UTC_TIME, Buffer.from(digits.slice(2)))
		: element(Tag.GENERALIZED_TIME, Buffer.from(digits));
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
	const critical = isCritical ? [element(Tag.BOOLEAN, Buffer.from([0xff]))] : [];
	return element(Tag.SEQUENCE, identifier(id), ...critical, element(Tag.OCTET_STRING, value));
}

/** Of the signature, with the digest that goes with it. */
function algorithmOf(key: KeyObject): { readonly written: Buffer; readonly digest: string | null } {
	switch (key.asymmetricKeyType) {
		case 'rsa':
			return {
				written: element(Tag.SEQUENCE, identifier('1.2.840.113549.1.1.11'), element(Tag.NULL)),
				digest: 'sha256',
			};
		case 'ec':
			return { written: element(Tag.SEQUENCE, identifier('1.2.840.10045.4.3.2')), digest: 'sha256' };
		case 'ed25519':
			return { written: element(Tag.SEQUENCE, identifier('1.3.101.112')), digest: null };
		default:
			throw new Error(`'ca-sign-file' : nothing is signed with keys of kind ${key.asymmetricKeyType}`);
	}
}

export class CertificateGenerator {
	readonly #authority: X509Certificate;
	readonly #authorityKey: KeyObject;
	readonly #algorithm: ReturnType<typeof algorithmOf>;
	readonly #publicKey: Buffer;
	readonly #issuer: Buffer;
	readonly #keyIdentifier: Buffer | undefined;

	/**
	 * `signer` is the text of `ca-sign-file`, certificate and key; `key` that of the certificates that are made.
	 * @throws Error what is wrong with them
	 */
	constructor(signer: string, passphrase: string | undefined, key: string) {
		try {
			this.#authority = new X509Certificate(signer);
			this.#authorityKey = createPrivateKey({ key: signer, ...(passphrase === undefined ? {} : { passphrase }) });
		} catch (error) {
			throw new Error(`'ca-sign-file' : ${reasonOf(error)}`, { cause: error });
		}
		if (!this.#authority.checkPrivateKey(this.#authorityKey)) {
			throw new Error(`'ca-sign-file' : its key is not that of its certificate`);
		}
		this.#algorithm = algorithmOf(this.#authorityKey);
		this.#publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
		const issuer = subjectBytes(this.#authority);
		if (issuer === undefined) throw new Error(`'ca-sign-file' : its certificate cannot be read`);
		this.#issuer = issuer;
		this.#keyIdentifier = extensionsOf(this.#authority)?.find(({ id }) => id === '2.5.29.14')?.content;
	}

	/** PEM of a certificate and of its authority's; undefined: the name is none of a host. */
	generate(serverName: string, nowMs = Date.now()): string | undefined {
		const name = serverName.toLowerCase();
		if (!HOST_NAME.test(name)) return undefined;
		const signed = this.#toBeSigned(name, nowMs);
		const signature = sign(this.#algorithm.digest, signed, this.#authorityKey);
		const bits = element(Tag.BIT_STRING, Buffer.from([0]), signature);
		const der = element(Tag.SEQUENCE, signed, this.#algorithm.written, bits);
		return new X509Certificate(der).toString() + this.#authority.toString();
	}

	#toBeSigned(name: string, nowMs: number): Buffer {
		const version = element(0xa0, element(Tag.INTEGER, Buffer.from([2])));
		const serial = randomBytes(16);
		// Positive, and without zeros in front.
		serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
		const commonName = element(Tag.SEQUENCE, identifier('2.5.4.3'), element(Tag.UTF8, Buffer.from(name)));
		const hasCommonName = name.length <= COMMON_NAME_MAX;
		return element(
			Tag.SEQUENCE,
			version,
			element(Tag.INTEGER, serial),
			this.#algorithm.written,
			this.#issuer,
			element(Tag.SEQUENCE, time(nowMs - DAY_MS), time(nowMs + 365 * DAY_MS)),
			element(Tag.SEQUENCE, ...(hasCommonName ? [element(Tag.SET, commonName)] : [])),
			this.#publicKey,
			element(0xa3, element(Tag.SEQUENCE, ...this.#extensions(name, hasCommonName))),
		);
	}

	#extensions(name: string, hasCommonName: boolean): readonly Buffer[] {
		const ownIdentifier = createHash('sha1').update(this.#publicKey).digest();
		const authorityIdentifier = this.#keyIdentifier?.subarray(2);
		return [
			extension('2.5.29.19', element(Tag.SEQUENCE), true),
			// digitalSignature, keyEncipherment
			extension('2.5.29.15', element(Tag.BIT_STRING, Buffer.from([5, 0xa0])), true),
			extension('2.5.29.37', element(Tag.SEQUENCE, identifier('1.3.6.1.5.5.7.3.1'))),
			extension('2.5.29.14', element(Tag.OCTET_STRING, ownIdentifier)),
			...(authorityIdentifier === undefined
				? []
				: [extension('2.5.29.35', element(Tag.SEQUENCE, element(0x80, authorityIdentifier)))]),
			// The only name where there is no common one (RFC 5280, section 4.2.1.6).
			extension('2.5.29.17', element(Tag.SEQUENCE, element(0x82, Buffer.from(name))), !hasCommonName),
		];
	}
}
