/**
 * `crt-store` sections of HAProxy 3.0 (its manual, 3.11): where certificates, keys and OCSP responses are, told once, for
 * `crt` to name as `@store/alias`. The files are read by the lines that use them.
 */

import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, type Statement } from '../statement.js';
import { based } from './tls-words.js';

export interface CertificateStoreDraft {
	readonly name: string;
	readonly state: ParserState;
	crtBase: string | undefined;
	keyBase: string | undefined;
}

/** Arguments of `load` that name what Holdfast has no use for. */
const UNUSED: ReadonlyMap<string, string> = new Map([
	['issuer', 'OCSP responses are sent as they are'],
	['sctl', 'Node sends no certificate timestamps'],
]);

function readLoad(statement: Statement, store: CertificateStoreDraft): void {
	const found = new Map<string, string>();
	for (let at = 1; at < statement.words.length; at += 2) {
		const word = statement.word(at);
		if (!['crt', 'key', 'ocsp', 'alias', 'issuer', 'sctl', 'ocsp-update'].includes(word)) {
			statement.alert(
				`'load' : unknown or unsupported argument '${word}'; expects 'crt', 'key', 'ocsp', 'issuer', 'sctl' or 'alias'`,
			);
			return;
		}
		if (statement.word(at + 1) === '') {
			statement.alert(`'load' : '${word}' expects an argument`);
			return;
		}
		found.set(word, statement.word(at + 1));
		const reason = UNUSED.get(word);
		if (reason !== undefined) {
			statement.diagnostics.noticeOnce(
				`load ${word}`,
				statement.place,
				`'load ${word}' is accepted without effect: ${reason}.`,
			);
		}
	}
	if (found.get('ocsp-update') === 'on') {
		statement.alert(
			`'load' : 'ocsp-update on' is not supported by holdfast, responses come from files and from 'set ssl ocsp-response'`,
		);
		return;
	}
	const crt = found.get('crt');
	if (crt === undefined) {
		statement.alert(`'load' expects 'crt' with the certificate's file`);
		return;
	}
	const { state, name } = store;
	const under = (base: string | undefined, path: string | undefined): string | undefined =>
		path === undefined ? undefined : based(base, path);
	const path = based(store.crtBase ?? state.global.crtBase, crt);
	const stored = {
		place: statement.place,
		path,
		keyPath: under(store.keyBase ?? state.global.keyBase, found.get('key')),
		ocspPath: under(store.crtBase ?? state.global.crtBase, found.get('ocsp')),
	};
	const alias = found.get('alias');
	const names = [`@${name}/${crt}`, ...(alias === undefined ? [] : [`@${name}/${alias}`])];
	// What a store without a name loads is meant by its path alone, too.
	for (const known of name === '' ? [...names, path] : names) {
		if (state.storedCertificates.has(known)) statement.alert(`'load' : '${known}' is loaded twice.`);
		state.storedCertificates.set(known, stored);
	}
}

const base = (name: string, field: 'crtBase' | 'keyBase'): Keyword<CertificateStoreDraft> => ({
	name,
	parse(statement, store) {
		store[field] = statement.onlyArgument('a directory') ?? store[field];
	},
});

export const CRT_STORE_KEYWORDS = new KeywordTable<CertificateStoreDraft>([
	base('crt-base', 'crtBase'),
	base('key-base', 'keyBase'),
	{ name: 'load', parse: readLoad },
]);
