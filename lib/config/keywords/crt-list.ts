/**
 * Options of single certificates in a `crt-list` (manual, 5.1 `crt-list`): those of `bind` lines that OpenSSL, or Node,
 * can choose with the certificate.
 */
import { didYouMean } from '../../core/diagnostics.js';
import { readAuthorityFile } from '../certificates.js';
import type { CertificateOptions } from '../model.js';
import type { ParserState } from '../state.js';
import { Statement } from '../statement.js';

/** The rows of `bind` options. */
export interface BindOptionRows {
	/** Undefined: there is no such option. */
	argumentsOf(word: string): number | undefined;
	parse(word: string, statement: Statement, index: number): void;
}

/** Options that a line of a `crt-list` may have, and the field of each. */
const CERTIFICATE_OPTIONS = new Map<string, keyof CertificateOptions>([
	['alpn', 'alpn'],
	['verify', 'verify'],
	['ca-file', 'caFile'],
	['ca-verify-file', 'caVerifyFile'],
	['crl-file', 'crlFile'],
	['sigalgs', 'sigalgs'],
	['no-alpn', 'alpn'],
	['ciphers', 'ciphers'],
	['ciphersuites', 'ciphersuites'],
	['curves', 'curves'],
	['ecdhe', 'curves'],
	['ssl-min-ver', 'minVersion'],
	['ssl-max-ver', 'maxVersion'],
]);
/** Part of the list's language and of no effect, as on `bind` lines. */
const CERTIFICATE_OPTIONS_WITHOUT_EFFECT = new Set(['no-ca-names', 'allow-0rtt', 'npn']);

/** The words between the brackets of a line, into `read` by way of the rows; undefined after an alert. */
export function readCertificateOptions(
	words: readonly string[],
	line: Statement,
	state: ParserState,
	read: CertificateOptions,
	options: BindOptionRows,
): CertificateOptions | undefined {
	const errorsBefore = line.diagnostics.errorCount;
	const found: Record<string, unknown> = {};
	for (let i = 0; i < words.length; ) {
		const word = words[i] ?? '';
		const count = options.argumentsOf(word);
		const field = CERTIFICATE_OPTIONS.get(word);
		if (count === undefined || (field === undefined && !CERTIFICATE_OPTIONS_WITHOUT_EFFECT.has(word))) {
			line.alert(`'crt-list' : unknown or unsupported option '${word}'${didYouMean(word, CERTIFICATE_OPTIONS.keys())}`);
			return undefined;
		}
		const statement = new Statement(line.place, words, line.section, line.diagnostics);
		if (count === 1 && statement.word(i + 1) === '') line.alert(`'crt-list' : '${word}' : missing value`);
		else if (field !== undefined) {
			options.parse(word, statement, i + 1);
			found[field] = read[field];
		}
		i += 1 + count;
	}
	const { caFile, caVerifyFile, crlFile } = read;
	if (caFile !== undefined) found.ca = readAuthorityFile(caFile, line, state, 'ca-file');
	if (caVerifyFile !== undefined) found.caVerify = readAuthorityFile(caVerifyFile, line, state, 'ca-verify-file');
	if (crlFile !== undefined) found.crl = readAuthorityFile(crlFile, line, state, 'crl-file');
	return line.diagnostics.errorCount > errorsBefore ? undefined : (found as CertificateOptions);
}
