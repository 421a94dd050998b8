/** Words that TLS options of `bind` and `server` lines have in common (manual, 5.1, 5.2). */
import { CERTIFICATE_ERROR_MAX, certificateError } from '../../core/certificate-errors.js';
import type { IgnoredErrors } from '../model.js';
import type { Statement } from '../statement.js';

/** As Node's tls calls them. SSLv3 is spoken by no OpenSSL of today: as the lowest version it leaves TLS 1.0. */
const TLS_VERSIONS: ReadonlyMap<string, string> = new Map([
	['SSLv3', 'SSLv3'],
	['TLSv1.0', 'TLSv1'],
	['TLSv1.1', 'TLSv1.1'],
	['TLSv1.2', 'TLSv1.2'],
	['TLSv1.3', 'TLSv1.3'],
]);

/** Below it nothing is spoken. */
const LOWEST = 'TLSv1';

/** A TLS version's name as Node's tls has it. */
export function tlsVersion(
	statement: Statement,
	index: number,
	name: 'ssl-min-ver' | 'ssl-max-ver',
): string | undefined {
	const version = TLS_VERSIONS.get(statement.word(index));
	if (version === undefined) {
		statement.alert(`'${name}' expects one of ${[...TLS_VERSIONS.keys()].map((known) => `'${known}'`).join(', ')}`);
	}
	return version === 'SSLv3' && name === 'ssl-min-ver' ? LOWEST : version;
}

/** What `no-tlsv1x` and `force-tlsv1x` leave. */
export const VERSION_FLAGS: readonly (readonly [
	name: string,
	versions: { readonly minVersion?: string; readonly maxVersion?: string },
])[] = [
	['no-tlsv10', { minVersion: 'TLSv1.1' }],
	['no-tlsv11', { minVersion: 'TLSv1.2' }],
	['no-tlsv12', { minVersion: 'TLSv1.3' }],
	['no-tlsv13', { maxVersion: 'TLSv1.2' }],
	['force-sslv3', { minVersion: LOWEST, maxVersion: 'SSLv3' }],
	['force-tlsv10', { minVersion: 'TLSv1', maxVersion: 'TLSv1' }],
	['force-tlsv11', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }],
	['force-tlsv12', { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
	['force-tlsv13', { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' }],
];

/** `ca-base` and `crt-base` go before relative paths (manual, 3.1). */
export function based(base: string | undefined, path: string): string {
	return base === undefined || path.startsWith('/') || path.startsWith('@') ? path : `${base}/${path}`;
}

/** `ca-ignore-err` and `crt-ignore-err`: `all`, numbers, and since 2.8 names, between commas. */
export function ignoredErrors(statement: Statement, index: number, name: string): IgnoredErrors {
	const text = statement.word(index);
	if (text === 'all') return 'all';
	const numbers: number[] = [];
	for (const word of text.split(',')) {
		const number = /^\d{1,3}$/.test(word) ? Number(word) : (certificateError(word) ?? 0);
		if (number >= 1 && number <= CERTIFICATE_ERROR_MAX) numbers.push(number);
		else {
			statement.alert(
				`'${name}' : '${word}' is no error: expects 'all', numbers from 1 to ${CERTIFICATE_ERROR_MAX}, or names`,
			);
		}
	}
	return numbers;
}

/** `tcp-ut`: looked at, though nothing is done with it. */
export function userTimeout(statement: Statement, index: number): void {
	statement.timeMs(index, 'tcp-ut');
}
