/**
 * Whether a client may come with the certificate it has shown (manual, 5.1 `verify`, `ca-ignore-err`, `crt-ignore-err`).
 *
 * Node lets OpenSSL go through every error of a certificate and tells the last one, without the place in the chain. That
 * is enough where no error is to be ignored, or all are. Between them it is not: behind an error that may be ignored (a
 * certificate that has expired) another may hide (that a stranger has signed it). So the chain is gone through once more
 * here, each error with its place, and a client comes in only if OpenSSL's own error is among those that were found and
 * every one of them is to be ignored. What is not understood here is an error that nobody ignores.
 */
import { X509Certificate as Certificate, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { BindTlsModel, IgnoredErrors } from '../config/model.js';
import { certificateError } from '../core/certificate-errors.js';
import { extensionsOf } from '../sample/certificate.js';
import type { PeerVerification } from '../sample/types.js';

interface ChainError {
	readonly code: number;
	/** 0: the client's own certificate. */
	readonly depth: number;
}

const code = (name: string): number => certificateError(name) ?? 1;
const UNSPECIFIED = code('UNSPECIFIED');
const NO_ISSUER = code('UNABLE_TO_GET_ISSUER_CERT');
const NO_LOCAL_ISSUER = code('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
const LEAF_UNVERIFIED = code('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
const BAD_SIGNATURE = code('CERT_SIGNATURE_FAILURE');
const NOT_YET_VALID = code('CERT_NOT_YET_VALID');
const EXPIRED = code('CERT_HAS_EXPIRED');
const SELF_SIGNED = code('DEPTH_ZERO_SELF_SIGNED_CERT');
const SELF_SIGNED_IN_CHAIN = code('SELF_SIGNED_CERT_IN_CHAIN');
const INVALID_CA = code('INVALID_CA');
const INVALID_PURPOSE = code('INVALID_PURPOSE');

const CHAIN_MAX = 16;
const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';
const ANY_PURPOSE = '2.5.29.37.0';
/** Extensions whose rules are kept below, or that restrict nothing here (RFC 5280, section 4.2). */
const UNDERSTOOD = new Set(['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.35', '2.5.29.37']);

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

type Settings = Pick<BindTlsModel, 'verify' | 'ca' | 'caVerify' | 'crl' | 'caIgnoredErrors' | 'crtIgnoredErrors'>;

/** Why a client may not come in. */
export class CertificateRefusal {
	/** Of core/certificate-errors.ts, the first that is not to be ignored; undefined: none was shown. */
	readonly code: number | undefined;
	readonly depth: number;
	/** In OpenSSL's word. */
	readonly reason: string;

	constructor(code: number | undefined, depth: number, reason: string) {
		this.code = code;
		this.depth = depth;
		this.reason = reason;
	}
}

export class CertificateJudge {
	/** Some error of clients' certificates may be ignored. */
	readonly ignoresAny: boolean;
	readonly #verify: Settings['verify'];
	readonly #ignoresAll: boolean;
	readonly #ignoredInChain: IgnoredErrors;
	readonly #ignored: IgnoredErrors;
	readonly #hasRevocations: boolean;
	readonly #authorities: string;
	#trusted: readonly X509Certificate[] | undefined;

	constructor({ verify, ca, caVerify, crl, caIgnoredErrors, crtIgnoredErrors }: Settings) {
		this.#verify = verify;
		this.#ignoredInChain = caIgnoredErrors ?? [];
		this.#ignored = crtIgnoredErrors ?? [];
		this.#ignoresAll = caIgnoredErrors === 'all' && crtIgnoredErrors === 'all';
		this.ignoresAny = verify !== 'none' && (caIgnoredErrors !== undefined || crtIgnoredErrors !== undefined);
		this.#hasRevocations = crl !== undefined;
		this.#authorities = `${ca ?? ''}\n${caVerify ?? ''}`;
	}

	/** Undefined: it may, and nothing is wrong. */
	judge(socket: TLSSocket, nowMs = Date.now()): PeerVerification | CertificateRefusal | undefined {
		if (this.#verify === 'none') return undefined;
		const shown = socket.getPeerX509Certificate();
		if (shown === undefined) {
			return this.#verify === 'required'
				? new CertificateRefusal(undefined, 0, 'the client has shown none')
				: undefined;
		}
		if (socket.authorized) return undefined;
		const reason = String(socket.authorizationError);
		const result = certificateError(reason) ?? UNSPECIFIED;
		// A resumed session has passed here before (sessions are kept apart by what is asked of clients), without its chain.
		if (socket.isSessionReused() && this.ignoresAny) return { result, error: 0, caError: 0, caErrorDepth: 0 };
		const errors = this.#errorsOf(shown, result, nowMs);
		const fatal = this.#ignoresAll ? undefined : errors.find((error) => !this.#isIgnored(error));
		if (fatal !== undefined) {
			// What is only strange here is no reason of OpenSSL's.
			return new CertificateRefusal(fatal.code === UNSPECIFIED ? result : fatal.code, fatal.depth, reason);
		}
		const inChain = errors.find(({ depth }) => depth > 0);
		return {
			result,
			error: errors.find(({ depth }) => depth === 0)?.code ?? 0,
			caError: inChain?.code ?? 0,
			caErrorDepth: inChain?.depth ?? 0,
		};
	}

	#isIgnored({ code, depth }: ChainError): boolean {
		const ignored = depth === 0 ? this.#ignored : this.#ignoredInChain;
		return ignored === 'all' || ignored.includes(code);
	}

	/** What is wrong with the chain; OpenSSL's error is among it. */
	#errorsOf(shown: X509Certificate, result: number, nowMs: number): readonly ChainError[] {
		this.#trusted ??= (this.#authorities.match(PEM) ?? []).map((pem) => new Certificate(pem));
		const errors = chainErrors(shown, this.#trusted, nowMs);
		// Of revocations nothing is known here.
		const isKnown = errors.some(({ code }) => code === result) && !this.#hasRevocations;
		return isKnown ? errors : [...errors, { code: result, depth: 0 }, { code: UNSPECIFIED, depth: 1 }];
	}
}

/** Errors in the order in which OpenSSL meets them: the chain, what its members may do, then signatures and dates. */
export function chainErrors(
	leaf: X509Certificate,
	trusted: readonly X509Certificate[],
	nowMs: number,
): readonly ChainError[] {
	const errors: ChainError[] = [];
	const chain = buildChain(leaf, trusted, errors);
	for (const [depth, member] of chain.entries()) {
		if (depth > 0 && !member.ca) errors.push({ code: INVALID_CA, depth });
		const purposes = member.keyUsage as readonly string[] | undefined;
		if (purposes !== undefined && !purposes.includes(CLIENT_AUTHENTICATION) && !purposes.includes(ANY_PURPOSE)) {
			errors.push({ code: INVALID_PURPOSE, depth });
		}
		if (isStrange(member, depth)) errors.push({ code: UNSPECIFIED, depth });
	}
	for (let depth = chain.length - 1; depth >= 0; depth--) {
		const member = chain[depth] as X509Certificate;
		const issuer = chain[depth + 1] ?? (isSelfIssued(member) ? member : undefined);
		if (issuer === undefined && depth === 0) errors.push({ code: LEAF_UNVERIFIED, depth });
		if (issuer !== undefined && issuer !== member && !member.verify(issuer.publicKey)) {
			errors.push({ code: BAD_SIGNATURE, depth });
		}
		if (nowMs < Date.parse(member.validFrom)) errors.push({ code: NOT_YET_VALID, depth });
		if (nowMs > Date.parse(member.validTo)) errors.push({ code: EXPIRED, depth });
	}
	return errors;
}

/** From the client's certificate to one that is trusted, by way of those that the client has sent. */
function buildChain(
	leaf: X509Certificate,
	trusted: readonly X509Certificate[],
	errors: ChainError[],
): readonly X509Certificate[] {
	const sent: X509Certificate[] = [];
	for (let at: X509Certificate | undefined = leaf.issuerCertificate; at !== undefined && sent.length < CHAIN_MAX; ) {
		if (sent.includes(at)) break;
		sent.push(at);
		at = at.issuerCertificate;
	}
	const isTrusted = (one: X509Certificate): boolean =>
		trusted.some(({ fingerprint512 }) => fingerprint512 === one.fingerprint512);
	const chain = [leaf];
	for (;;) {
		const last = chain.at(-1) as X509Certificate;
		const depth = chain.length - 1;
		if (isSelfIssued(last)) {
			if (!isTrusted(last)) errors.push({ code: depth === 0 ? SELF_SIGNED : SELF_SIGNED_IN_CHAIN, depth });
			return chain;
		}
		const issuer = [...trusted, ...sent].find((one) => last.checkIssued(one) && !chain.includes(one));
		if (issuer === undefined || chain.length >= CHAIN_MAX) {
			errors.push({ code: isTrusted(last) ? NO_ISSUER : NO_LOCAL_ISSUER, depth });
			return chain;
		}
		chain.push(issuer);
	}
}

const isSelfIssued = (certificate: X509Certificate): boolean =>
	certificate.subject === certificate.issuer && certificate.checkIssued(certificate);

/** It has a rule that is not kept here: a critical extension, constraints of names, a limit of the chain's length. */
function isStrange(certificate: X509Certificate, depth: number): boolean {
	const extensions = extensionsOf(certificate);
	if (extensions === undefined) return true;
	return extensions.some(
		({ id, isCritical, content }) =>
			(isCritical && !UNDERSTOOD.has(id)) ||
			id === '2.5.29.30' ||
			// BasicConstraints with a path length has another element behind `cA` (RFC 5280, section 4.2.1.9).
			(id === '2.5.29.19' && depth > 1 && content.length > 5),
	);
}
