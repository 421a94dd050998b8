/**
 * What the words of the configuration mean for Node's `tls`: options for connections to servers and peers. Files are
 * read here and now, by the thread that starts something; a file that cannot be read is an error with its
 * name (FILE_UNREADABLE).
 */
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
		...(settings.ciphers === undefined ? {} : { ciphers: settings.ciphers }),
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
