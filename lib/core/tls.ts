/**
 * What the words of the configuration mean for Node's `tls`: options for connections to servers and peers. Files are
 * read here and now, by the thread that starts something; a file that cannot be read is an error with its
 * name (FILE_UNREADABLE).
 */
import { constants, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { HoldfastError, systemReason } from './errors.js';

/** Of a `server` line, as the model has it. */
export interface ClientTlsSettings {
	readonly crt: string | undefined;
	readonly caFile: string | undefined;
	readonly verify: 'none' | 'required';
	readonly verifyHost: string | undefined;
	readonly alpn: readonly string[];
	readonly ciphers: string | undefined;
	readonly minVersion: string | undefined;
	readonly maxVersion: string | undefined;
	readonly ciphersuites?: string | undefined;
	readonly crlFile?: string | undefined;
	readonly tickets?: boolean | undefined;
}

export function readPem(path: string): Buffer {
	try {
		return readFileSync(path);
	} catch (error) {
		throw new HoldfastError('FILE_UNREADABLE', `cannot read file '${path}': ${systemReason(error)}`, { cause: error });
	}
}

/**
 * Options of `tls.connect` for a server; without settings (`check-ssl` on a server in clear) nothing is verified.
 * A certificate must be good, and of the name that was asked for by SNI or `verifyhost`, if there is one (manual,
 * 5.2 `verify`).
 */
export function clientTlsOptions(settings: ClientTlsSettings | undefined): tls.ConnectionOptions {
	if (settings === undefined) return { rejectUnauthorized: false };
	const pem = settings.crt === undefined ? undefined : readPem(settings.crt);
	const { verifyHost } = settings;
	return {
		...(pem === undefined ? {} : { cert: pem, key: pem }),
		...(settings.caFile === undefined || settings.caFile === '@system-ca' ? {} : { ca: readPem(settings.caFile) }),
		...(settings.crlFile === undefined ? {} : { crl: readPem(settings.crlFile) }),
		...cipherOptions(settings),
		...(settings.tickets === false ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
		...(settings.minVersion === undefined ? {} : { minVersion: settings.minVersion as tls.SecureVersion }),
		...(settings.maxVersion === undefined ? {} : { maxVersion: settings.maxVersion as tls.SecureVersion }),
		...(settings.alpn.length === 0 ? {} : { ALPNProtocols: [...settings.alpn] }),
		rejectUnauthorized: settings.verify === 'required',
		checkServerIdentity: (host, certificate) => {
			const name = host === '' || net.isIP(host) !== 0 ? verifyHost : host;
			return name === undefined ? undefined : tls.checkServerIdentity(name, certificate);
		},
	};
}

/** TLS 1.2 and 1.3 have lists of their own here; Node takes both as one. */
function cipherOptions({
	ciphers,
	ciphersuites,
}: {
	ciphers?: string | undefined;
	ciphersuites?: string | undefined;
}): {
	ciphers?: string;
} {
	if (ciphers === undefined && ciphersuites === undefined) return {};
	const [suites, others] = [
		tls.DEFAULT_CIPHERS.split(':').filter((name) => name.startsWith('TLS_')),
		tls.DEFAULT_CIPHERS.split(':').filter((name) => !name.startsWith('TLS_')),
	];
	return { ciphers: [ciphersuites ?? suites.join(':'), ciphers ?? others.join(':')].join(':') };
}

/** A certificate of a `bind` line, as the model has it. */
export interface ServerCertificate {
	readonly path: string;
	readonly pem: string;
	readonly key: string;
	readonly filters: readonly string[];
}

/** Of a `bind` line. */
export interface ServerTlsSettings {
	readonly certificates: readonly ServerCertificate[];
	readonly ca: string | undefined;
	readonly crl: string | undefined;
	readonly verify: 'none' | 'optional' | 'required';
	readonly alpn: readonly string[];
	readonly ciphers: string | undefined;
	readonly ciphersuites: string | undefined;
	readonly curves: string | undefined;
	readonly minVersion: string | undefined;
	readonly maxVersion: string | undefined;
	readonly strictSni: boolean;
	readonly tickets: boolean;
}

/** Which certificate for which name: exact names first, then `*.` for one label, then the first certificate. */
export class CertificateStore {
	readonly fallback: tls.SecureContext;
	readonly #exact = new Map<string, tls.SecureContext>();
	/** By what follows the `*`, with its dot. */
	readonly #wildcards = new Map<string, tls.SecureContext>();
	/** Names that a wildcard of the list does not cover (`!name`). */
	readonly #excluded = new Map<tls.SecureContext, Set<string>>();
	readonly #isStrict: boolean;

	/** @throws what OpenSSL says of a certificate or key, with the file's name in front */
	constructor(settings: ServerTlsSettings) {
		this.#isStrict = settings.strictSni;
		const contexts = groupByNames(settings.certificates).map((group) => {
			const context = contextOf(group.certificates, settings);
			for (const name of group.names) this.#add(name.toLowerCase(), context);
			return context;
		});
		const [first] = contexts;
		if (first === undefined) throw new Error('no certificate');
		this.fallback = first;
	}

	#add(name: string, context: tls.SecureContext): void {
		if (name.startsWith('!')) {
			const names = this.#excluded.get(context) ?? new Set();
			names.add(name.slice(1));
			this.#excluded.set(context, names);
			return;
		}
		const names = name.startsWith('*') ? this.#wildcards : this.#exact;
		const key = name.startsWith('*') ? name.slice(1) : name;
		// Of two certificates for one name the first counts.
		if (!names.has(key)) names.set(key, context);
	}

	/** Undefined: `strict-sni`, and nobody has that name. */
	find(serverName: string): tls.SecureContext | undefined {
		const name = serverName.toLowerCase();
		const exact = this.#exact.get(name);
		if (exact !== undefined) return exact;
		const dot = name.indexOf('.');
		const wildcard = (dot < 0 ? undefined : this.#wildcards.get(name.slice(dot))) ?? this.#wildcards.get('');
		if (wildcard !== undefined && this.#excluded.get(wildcard)?.has(name) !== true) return wildcard;
		return this.#isStrict ? undefined : this.fallback;
	}
}

interface CertificateGroup {
	readonly names: readonly string[];
	readonly certificates: readonly ServerCertificate[];
}

/** Certificates for the very same names with keys of different kinds serve together, clients choose. */
function groupByNames(certificates: readonly ServerCertificate[]): CertificateGroup[] {
	const groups = new Map<string, { names: readonly string[]; certificates: ServerCertificate[]; kinds: Set<string> }>();
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

function parseCertificate({ path, pem }: ServerCertificate): X509Certificate {
	try {
		return new X509Certificate(pem);
	} catch (error) {
		throw new Error(`'${path}': ${error instanceof Error ? error.message : String(error)}`, { cause: error });
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

function contextOf(certificates: readonly ServerCertificate[], settings: ServerTlsSettings): tls.SecureContext {
	const paths = certificates.map(({ path }) => `'${path}'`).join(', ');
	try {
		return tls.createSecureContext({
			...contextOptions(settings),
			cert: certificates.map(({ pem }) => pem),
			key: certificates.map(({ key }) => key),
		});
	} catch (error) {
		throw new Error(`${paths}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
	}
}

function contextOptions(settings: ServerTlsSettings): tls.SecureContextOptions {
	return {
		...(settings.ca === undefined ? {} : { ca: settings.ca }),
		...(settings.crl === undefined ? {} : { crl: settings.crl }),
		...cipherOptions(settings),
		...(settings.curves === undefined ? {} : { ecdhCurve: settings.curves }),
		...(settings.minVersion === undefined ? {} : { minVersion: settings.minVersion as tls.SecureVersion }),
		...(settings.maxVersion === undefined ? {} : { maxVersion: settings.maxVersion as tls.SecureVersion }),
		...(settings.tickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
		dhparam: 'auto',
		honorCipherOrder: true,
	};
}

/**
 * Options of a `tls.Server` that is given connections one by one. What a client's hello makes throw ends that
 * handshake and nothing else (CVE-2026-21637).
 */
export function serverTlsOptions(
	settings: ServerTlsSettings,
	store: CertificateStore,
	ticketKeys: Uint8Array,
): tls.TlsOptions {
	const [first] = groupByNames(settings.certificates);
	const certificates = settings.strictSni ? [] : (first?.certificates ?? []);
	return {
		...contextOptions(settings),
		// With `strict-sni` a client that names nobody finds no certificate.
		...(certificates.length === 0
			? {}
			: { cert: certificates.map(({ pem }) => pem), key: certificates.map(({ key }) => key) }),
		...(settings.alpn.length === 0 ? {} : { ALPNProtocols: [...settings.alpn] }),
		requestCert: settings.verify !== 'none',
		rejectUnauthorized: settings.verify === 'required',
		ticketKeys: Buffer.from(ticketKeys),
		sessionIdContext: 'holdfast',
		SNICallback(name, done) {
			let context: tls.SecureContext | undefined;
			try {
				context = store.find(name);
			} catch (error) {
				done(error instanceof Error ? error : new Error(String(error)));
				return;
			}
			if (context === undefined) done(new Error(`no certificate for '${name}'`));
			else done(null, context);
		},
	};
}
