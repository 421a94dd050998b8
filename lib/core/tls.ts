/**
 * What the words of the configuration mean for Node's `tls`: options for connections to servers and peers. Files are
 * read here and now, by the thread that starts something; a file that cannot be read is an error with its
 * name (FILE_UNREADABLE).
 */
import { constants } from 'node:crypto';
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
 * @param replaced contents of files that the runtime API has changed
 */
export function clientTlsOptions(
	settings: ClientTlsSettings | undefined,
	replaced: ReadonlyMap<string, string> = new Map(),
): tls.ConnectionOptions {
	if (settings === undefined) return { rejectUnauthorized: false };
	const read = (path: string): Buffer | string => replaced.get(path) ?? readPem(path);
	const pem = settings.crt === undefined ? undefined : read(settings.crt);
	const { verifyHost } = settings;
	return {
		...(pem === undefined ? {} : { cert: pem, key: pem }),
		...(settings.caFile === undefined || settings.caFile === '@system-ca' ? {} : { ca: read(settings.caFile) }),
		...(settings.crlFile === undefined ? {} : { crl: read(settings.crlFile) }),
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
export function cipherOptions({
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
