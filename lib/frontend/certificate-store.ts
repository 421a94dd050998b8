/**
 * The certificates of one bind line in one data thread: which one answers to which name, with the options that its line
 * of a `crt-list` gives it, and what is stapled to it.
 *
 * Certificates change at run time (`commit ssl cert`, `add ssl crt-list`): a new store is made, which takes over the
 * contexts of what has stayed the same, so that one of ten thousand certificates costs one context and not all of them.
 */

import { constants, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { BindTlsModel, CertificateModel } from '../config/model.js';
import { reasonOf } from '../core/errors.js';
import { cipherOptions } from '../core/tls.js';

/** What serves a name. */
export interface Served {
	/** The line's options, with those of the certificate's own line of a list. */
	readonly settings: BindTlsModel;
	/** Whose they are; several when they differ in the kind of their keys. */
	readonly certificates: readonly CertificateModel[];
}

export class CertificateStore {
	/** For clients that name nobody, or a name that no certificate has. */
	readonly fallback: Served;
	readonly #model: BindTlsModel;
	readonly #served: readonly Served[];
	readonly #exact = new Map<string, Served>();
	/** By what follows the `*`, with its dot. */
	readonly #wildcards = new Map<string, Served>();
	/** Names that a wildcard of the list does not cover (`!name`). */
	readonly #excluded = new Map<Served, Set<string>>();
	readonly #isStrict: boolean;
	/** OCSP responses by the certificate's bytes. */
	readonly #staples = new Map<string, Buffer>();

	/** @throws what OpenSSL says of a certificate or key, with the file's name in front */
	constructor(model: BindTlsModel, former?: CertificateStore) {
		this.#isStrict = model.strictSni;
		this.#model = model;
		const known = new Map(
			former?.isFor(model) === true ? former.#served.map((served) => [served.certificates[0], served]) : [],
		);
		this.#served = groupByNames(model.certificates).map(({ names, certificates }) => {
			const before = known.get(certificates[0]);
			const served =
				before !== undefined && isSame(before.certificates, certificates)
					? before
					: serveCertificate(certificates, model);
			for (const name of names) this.#add(name.toLowerCase(), served);
			return served;
		});
		for (const certificate of model.certificates) {
			if (certificate.ocsp === undefined) continue;
			const { raw } = parseCertificate(certificate);
			this.#staples.set(raw.toString('latin1'), Buffer.from(certificate.ocsp, 'base64'));
		}
		const [first] = this.#served;
		if (first === undefined) throw new Error('no certificate');
		this.fallback = first;
	}

	/** Whether its contexts have the options of a line: all but its certificates are the same. */
	isFor(model: BindTlsModel): boolean {
		const { certificates: _, ...options } = model;
		const { certificates: __, ...own } = this.#model;
		return JSON.stringify(options) === JSON.stringify(own);
	}

	/** Whoever comes is served the same, whatever name they ask for. */
	get servesAllAlike(): boolean {
		return this.#served.length === 1 && !this.#isStrict;
	}

	/** Whether there is a response for one of its certificates. */
	hasStaple({ certificates }: Served): boolean {
		return certificates.some(({ ocsp }) => ocsp !== undefined);
	}

	/** The OCSP response for a certificate, both DER. */
	staple(certificate: Buffer): Buffer | undefined {
		return this.#staples.get(certificate.toString('latin1'));
	}

	/**
	 * Exact names first, then `*.` for one label, then the first certificate. Undefined: `strict-sni`, and nobody has that
	 * name, or the client has named nobody.
	 */
	find(serverName: string | undefined): Served | undefined {
		return (serverName === undefined ? undefined : this.#named(serverName.toLowerCase())) ?? this.#default;
	}

	/** Whether a certificate was made out for this very name, or a wildcard for it. */
	knows(serverName: string): boolean {
		return this.#named(serverName.toLowerCase()) !== undefined;
	}

	get #default(): Served | undefined {
		return this.#isStrict ? undefined : this.fallback;
	}

	#named(name: string): Served | undefined {
		const exact = this.#exact.get(name);
		if (exact !== undefined) return exact;
		const dot = name.indexOf('.');
		const wildcard = (dot < 0 ? undefined : this.#wildcards.get(name.slice(dot))) ?? this.#wildcards.get('');
		return wildcard === undefined || this.#excluded.get(wildcard)?.has(name) === true ? undefined : wildcard;
	}

	#add(name: string, served: Served): void {
		if (name.startsWith('!')) {
			const names = this.#excluded.get(served) ?? new Set();
			names.add(name.slice(1));
			this.#excluded.set(served, names);
			return;
		}
		const names = name.startsWith('*') ? this.#wildcards : this.#exact;
		const key = name.startsWith('*') ? name.slice(1) : name;
		// Of two certificates for one name the first counts.
		if (!names.has(key)) names.set(key, served);
	}
}

function isSame(some: readonly CertificateModel[], others: readonly CertificateModel[]): boolean {
	return some.length === others.length && some.every((one, index) => one === others[index]);
}

interface CertificateGroup {
	readonly names: readonly string[];
	readonly certificates: readonly CertificateModel[];
}

/** Certificates for the very same names with keys of different kinds serve together, clients choose. */
function groupByNames(certificates: readonly CertificateModel[]): CertificateGroup[] {
	const groups = new Map<string, { names: readonly string[]; certificates: CertificateModel[]; kinds: Set<string> }>();
	for (const [index, certificate] of certificates.entries()) {
		const leaf = parseCertificate(certificate);
		const names = certificate.filters.length > 0 ? certificate.filters : namesOf(leaf);
		const kind = leaf.publicKey.asymmetricKeyType ?? '';
		const key = [...names].sort().join(' ');
		const group = groups.get(key);
		if (group !== undefined && !group.kinds.has(kind)) {
			group.certificates.push(certificate);
			group.kinds.add(kind);
		} else
			groups.set(group === undefined ? key : `${key} ${index}`, {
				names,
				certificates: [certificate],
				kinds: new Set([kind]),
			});
	}
	return [...groups.values()];
}

const parsedCertificates = new WeakMap<CertificateModel, X509Certificate>();

/** @throws what OpenSSL says, with the file's name in front */
export function parseCertificate(certificate: CertificateModel): X509Certificate {
	const known = parsedCertificates.get(certificate);
	if (known !== undefined) return known;
	try {
		const parsed = new X509Certificate(certificate.pem);
		parsedCertificates.set(certificate, parsed);
		return parsed;
	} catch (error) {
		throw new Error(`'${certificate.path}': ${reasonOf(error)}`, {
			cause: error,
		});
	}
}

/** The names it was made out for: subjectAltName and, as the reference does, the common name too. */
function namesOf(certificate: X509Certificate): string[] {
	const names = (certificate.subjectAltName ?? '')
		.split(', ')
		.flatMap((name) => (name.startsWith('DNS:') ? [name.slice(4)] : []));
	const common = /^CN=(.*)$/m.exec(certificate.subject)?.[1];
	return common === undefined || names.includes(common) ? names : [...names, common];
}

/**
 * What serves certificates of one name, with what their line of a list says instead of the `bind` line. OpenSSL has seen
 * that they can be used; the context that does so is made when a client asks for them (served-tls.ts).
 */
export function serveCertificate(certificates: readonly CertificateModel[], model: BindTlsModel): Served {
	const settings = { ...model, ...certificates[0]?.options };
	const paths = certificates.map(({ path }) => `'${path}'`).join(', ');
	try {
		tls.createSecureContext({
			...contextOptions(settings),
			cert: certificates.map(({ pem }) => pem),
			key: certificates.map(({ key }) => key),
		});
		return { settings, certificates };
	} catch (error) {
		throw new Error(`${paths}: ${reasonOf(error)}`, { cause: error });
	}
}

/** What a bind line means for Node's contexts. */
export function contextOptions(settings: BindTlsModel): tls.SecureContextOptions {
	// Node tells clients the names of all of them.
	const authorities = [settings.ca, settings.caVerify].filter((text) => text !== undefined);
	return {
		...(authorities.length === 0 ? {} : { ca: authorities }),
		...(settings.crl === undefined ? {} : { crl: settings.crl }),
		...cipherOptions(settings),
		...(settings.curves === undefined ? {} : { ecdhCurve: settings.curves }),
		...(settings.sigalgs === undefined ? {} : { sigalgs: settings.sigalgs }),
		...(settings.minVersion === undefined ? {} : { minVersion: settings.minVersion as tls.SecureVersion }),
		...(settings.maxVersion === undefined ? {} : { maxVersion: settings.maxVersion as tls.SecureVersion }),
		...(settings.tickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
		dhparam: 'auto',
		honorCipherOrder: settings.prefersClientCiphers !== true,
	};
}
