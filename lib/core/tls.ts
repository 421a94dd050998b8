/**
 * What the words of the configuration mean for Node's `tls`: options for connections to servers and peers. Files are
 * read here and now, by the thread that starts something; a file that cannot be read is an error with its
 * name (FILE_UNREADABLE).
 */
import { constants } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
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
	readonly sigalgs?: string | undefined;
	readonly securityLevel?: number | undefined;
	readonly curves?: string | undefined;
	readonly tickets?: boolean | undefined;
}

/** In place of a file: the authorities that the system trusts (manual, 5.2 `ca-file`). */
export const SYSTEM_AUTHORITIES = '@system-ca';

/** Where systems keep them in one file; the first that is there. */
const SYSTEM_FILES = [
	'/etc/ssl/certs/ca-certificates.crt',
	'/etc/pki/tls/certs/ca-bundle.crt',
	'/etc/ssl/ca-bundle.pem',
	'/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
	'/etc/ssl/cert.pem',
];

/** OpenSSL's variables first; those that Node brings along where the system has none. */
export function systemAuthorities(environment: NodeJS.ProcessEnv = process.env): string {
	const { SSL_CERT_FILE, SSL_CERT_DIR } = environment;
	const directory = SSL_CERT_DIR === undefined ? undefined : authoritiesIn(SSL_CERT_DIR);
	for (const path of directory === undefined ? [SSL_CERT_FILE ?? '', ...SYSTEM_FILES] : []) {
		if (path !== '' && existsSync(path)) return readFileSync(path, 'latin1');
	}
	return directory ?? tls.rootCertificates.join('\n');
}

/** Files of a directory of authorities that are read (manual, 5.1 `ca-file`). */
const AUTHORITY_FILE = /^[^.].*\.(?:pem|crt|cer|crl)$/;

/** The texts of a directory's files, in the order of their names; undefined if it is no directory. */
function authoritiesIn(path: string): string | undefined {
	const names = directoryNames(path)?.filter((name) => AUTHORITY_FILE.test(name));
	return names?.map((name) => readFileSync(`${path}/${name}`, 'latin1')).join('\n');
}

function directoryNames(path: string): string[] | undefined {
	try {
		return statSync(path).isDirectory() ? readdirSync(path).sort() : undefined;
	} catch {
		return undefined;
	}
}

/** What `ca-file` and `crl-file` name: a file, a directory of them, or `@system-ca`. */
export function readAuthorities(path: string): string {
	if (path === SYSTEM_AUTHORITIES) return systemAuthorities();
	try {
		return authoritiesIn(path) ?? readPem(path).toString('latin1');
	} catch (error) {
		if (error instanceof HoldfastError) throw error;
		throw new HoldfastError('FILE_UNREADABLE', `cannot read '${path}': ${systemReason(error)}`, { cause: error });
	}
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
 * @param replaced contents of files that the runtime API has changed
 */
export function clientTlsOptions(
	settings: ClientTlsSettings | undefined,
	replaced: ReadonlyMap<string, string> = new Map(),
): tls.ConnectionOptions {
	if (settings === undefined) return { rejectUnauthorized: false };
	const read = (path: string): Buffer | string => replaced.get(path) ?? readPem(path);
	const authorities = (path: string): string => replaced.get(path) ?? readAuthorities(path);
	const pem = settings.crt === undefined ? undefined : read(settings.crt);
	const { verifyHost } = settings;
	return {
		...(pem === undefined ? {} : { cert: pem, key: pem }),
		...(settings.caFile === undefined ? {} : { ca: authorities(settings.caFile) }),
		...(settings.crlFile === undefined ? {} : { crl: authorities(settings.crlFile) }),
		...(settings.sigalgs === undefined ? {} : { sigalgs: settings.sigalgs }),
		...(settings.curves === undefined ? {} : { ecdhCurve: settings.curves }),
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

/** Of TLS 1.3 (RFC 8446, appendix B.4). */
const SUITES: ReadonlySet<string> = new Set([
	'TLS_AES_128_GCM_SHA256',
	'TLS_AES_256_GCM_SHA384',
	'TLS_CHACHA20_POLY1305_SHA256',
	'TLS_AES_128_CCM_SHA256',
	'TLS_AES_128_CCM_8_SHA256',
]);

/** TLS 1.2 and 1.3 have lists of their own here; Node takes both as one. */
export function cipherOptions({
	ciphers,
	ciphersuites,
	securityLevel,
}: {
	ciphers?: string | undefined;
	ciphersuites?: string | undefined;
	securityLevel?: number | undefined;
}): {
	ciphers?: string;
} {
	if (ciphers === undefined && ciphersuites === undefined && securityLevel === undefined) return {};
	// Node takes what it does not know for a cipher of TLS 1.2, and leaves it out.
	const unknown = ciphersuites?.split(':').find((name) => !SUITES.has(name));
	if (unknown !== undefined)
		throw new Error(`unable to set TLS 1.3 cipher suites to '${ciphersuites}': '${unknown}' is none`);
	const [suites, others] = [
		tls.DEFAULT_CIPHERS.split(':').filter((name) => name.startsWith('TLS_')),
		tls.DEFAULT_CIPHERS.split(':').filter((name) => !name.startsWith('TLS_')),
	];
	// A command of the list (openssl-ciphers(1)); what the line itself says of it counts.
	const level = securityLevel === undefined || ciphers?.includes('@SECLEVEL') ? [] : [`@SECLEVEL=${securityLevel}`];
	return { ciphers: [ciphersuites ?? suites.join(':'), ciphers ?? others.join(':'), ...level].join(':') };
}
