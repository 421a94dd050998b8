/**
 * The certificates of `bind` lines, read when the configuration is (manual, 5.1 `crt`, `crt-list`, `ca-file`,
 * `crl-file`): data threads never open a file, and a reload reads them anew. What is found is text; whether key
 * and certificate fit is seen by those who make contexts of them.
 */
import { X509Certificate } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { didYouMean, type Place } from '../core/diagnostics.js';
import { reasonOf, systemReason } from '../core/errors.js';
import { readAuthorities, SYSTEM_AUTHORITIES } from '../core/tls.js';
import type { CertificateFileRules } from './draft.js';
import type { BindTlsModel, CertificateModel, CertificateOptions, TicketKeysModel } from './model.js';
import type { ParserState } from './state.js';
import { Statement } from './statement.js';

/** Files of a directory that belong to a certificate of the same name, and are none themselves. */
const COMPANIONS = /\.(?:key|issuer|ocsp|sctl|ca|dh)$/;
/** `site.pem.rsa` and `site.pem.ecdsa` are one certificate of two kinds (manual, 5.1 `crt`). */
const BUNDLE_KINDS = ['rsa', 'ecdsa', 'dsa'];
export const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;

/** Reads the words between the brackets of a list's line; errors are alerts of the statement. */
export type ReadCertificateOptions = (words: readonly string[], statement: Statement) => CertificateOptions | undefined;

interface Site {
	readonly statement: Statement;
	readonly state: ParserState;
	readonly readOptions: ReadCertificateOptions;
}

/** What a line of a list says of its certificate. */
type Listed = Pick<CertificateModel, 'filters' | 'listed' | 'options'>;

const UNLISTED: Listed = { filters: [] };

/** Everything that the files of a line say; errors are alerts of that line. */
export function readBindCertificates(
	tls: BindTlsModel,
	lists: readonly string[],
	statement: Statement,
	state: ParserState,
	readOptions: ReadCertificateOptions,
): Pick<BindTlsModel, 'certificates' | 'ca' | 'caVerify' | 'crl' | 'signer'> {
	const site = { statement, state, readOptions };
	const certificates = [
		...tls.crt.flatMap((path) => readPath(path, UNLISTED, site)),
		...lists.flatMap((path) => readList(path, site)),
	];
	const authorities = (path: string | undefined, keyword: string): string | undefined =>
		path === undefined ? undefined : readAuthorityFile(path, statement, state, keyword);
	const found = {
		certificates,
		ca: authorities(tls.caFile, 'ca-file'),
		caVerify: authorities(tls.caVerifyFile, 'ca-verify-file'),
		crl: authorities(tls.crlFile, 'crl-file'),
		signer:
			tls.signFile === undefined || tls.generates !== true
				? undefined
				: state.readFile(tls.signFile, statement.place, `'ca-sign-file'`),
	};
	if (statement.diagnostics.errorCount > 0) return found;
	if (certificates.length === 0) {
		statement.alert(`'bind' : 'ssl' needs a certificate: add 'crt' or 'crt-list'.`);
	}
	if (tls.generates === true && tls.signFile === undefined) {
		statement.alert(`'bind' : 'generate-certificates' needs 'ca-sign-file', the authority that signs them.`);
	}
	if (tls.verify !== 'none' && tls.caFile === undefined && tls.caVerifyFile === undefined) {
		statement.alert(
			`'bind' : 'verify ${tls.verify}' needs 'ca-file', the authorities that clients' certificates come from.`,
		);
	}
	return found;
}

/** The text of a file of authorities or revocations, of a directory of such files, or of `@system-ca`. */
export function readAuthorityFile(
	path: string,
	statement: Statement,
	state: ParserState,
	keyword: string,
): string | undefined {
	const resolved = path.startsWith('@') ? path : state.resolvePath(path, statement.place);
	// One file is read as all files of the configuration are.
	if (path !== SYSTEM_AUTHORITIES && namesIn(resolved) === undefined) {
		return state.readFile(path, statement.place, `'${keyword}'`);
	}
	try {
		return readAuthorities(resolved);
	} catch (error) {
		statement.alert(`'${keyword}' : ${reasonOf(error)}.`);
		return undefined;
	}
}

/** The names in a directory; undefined if it is none. */
function namesIn(path: string): string[] | undefined {
	try {
		return statSync(path).isDirectory() ? readdirSync(path) : undefined;
	} catch {
		return undefined;
	}
}

/** A `load` line of a `crt-store` section (HAProxy 3.0, 3.11). */
export interface StoredCertificate {
	readonly place: Place;
	readonly path: string;
	readonly keyPath: string | undefined;
	readonly ocspPath: string | undefined;
}

function readPath(path: string, listed: Listed, site: Site): CertificateModel[] {
	const { state, statement } = site;
	const stored = state.storedCertificates.get(path);
	if (stored !== undefined) return readStored(path, stored, listed, site);
	if (path.startsWith('@')) {
		const known = didYouMean(path, state.storedCertificates.keys());
		statement.alert(`'crt' : no 'crt-store' section has loaded '${path}'${known}.`);
		return [];
	}
	const { extras } = state.global.certificateFiles;
	const resolved = state.resolvePath(path, statement.place);
	let names: string[] | undefined;
	try {
		names = statSync(resolved).isDirectory() ? readdirSync(resolved) : undefined;
	} catch (error) {
		const kinds = extras.has('bundle') ? BUNDLE_KINDS : [];
		const bundle = kinds.flatMap((kind) => readBundlePart(`${path}.${kind}`, listed, site));
		if (bundle.length > 0) return bundle;
		statement.alert(`'crt' : cannot read '${path}' : ${systemReason(error)}.`);
		return [];
	}
	if (names === undefined) return readFile(path, listed, site);
	const files = names.filter((name) => !name.startsWith('.') && !COMPANIONS.test(name)).sort();
	return files.flatMap((name) => (isFile(`${resolved}/${name}`) ? readFile(`${path}/${name}`, listed, site) : []));
}

function isFile(path: string): boolean {
	try {
		return statSync(path).isFile();
	} catch {
		return false;
	}
}

function readBundlePart(path: string, listed: Listed, site: Site): CertificateModel[] {
	return isFile(site.state.resolvePath(path, site.statement.place)) ? readFile(path, listed, site) : [];
}

/** What stands beside a certificate: `site.pem.key`, or with `ssl-load-extra-del-ext` `site.key` beside `site.crt`. */
function besidePath(path: string, ending: string, { dropsExtension }: CertificateFileRules): string {
	return `${dropsExtension && path.endsWith('.crt') ? path.slice(0, -4) : path}.${ending}`;
}

/** Certificate, chain and key in one file; the key may stand beside it. */
function readFile(path: string, listed: Listed, { statement, state }: Site): CertificateModel[] {
	const pem = state.readFile(path, statement.place, `'crt'`);
	if (pem === undefined) return [];
	const { certificateFiles: rules } = state.global;
	const ocsp = rules.extras.has('ocsp') ? readDer(besidePath(path, 'ocsp', rules), statement.place, state) : undefined;
	const whole = { path, pem: completeChain(pem, statement, state), ocsp, ...listed };
	if (PRIVATE_KEY.test(pem)) return [{ ...whole, key: pem }];
	const keyPath = besidePath(path, 'key', rules);
	const key = rules.extras.has('key') ? state.tryReadFile(keyPath, statement.place) : undefined;
	if (typeof key === 'string' && PRIVATE_KEY.test(key)) return [{ ...whole, key }];
	statement.alert(`'crt' : no private key found in '${path}' or in '${keyPath}'.`);
	return [];
}

/** What its `load` line says, and nothing beside it. */
function readStored(
	name: string,
	stored: StoredCertificate,
	listed: Listed,
	{ statement, state }: Site,
): CertificateModel[] {
	const { place, path, keyPath, ocspPath } = stored;
	const pem = state.readFile(path, place, `'load'`);
	const key = keyPath === undefined ? pem : state.readFile(keyPath, place, `'load'`);
	if (pem === undefined || key === undefined) return [];
	if (!PRIVATE_KEY.test(key)) {
		statement.alert(`'crt' : no private key found in '${keyPath ?? path}', which '${name}' loads.`);
		return [];
	}
	const ocsp = ocspPath === undefined ? undefined : readDer(ocspPath, place, state);
	return [{ path: name, pem: completeChain(pem, statement, state), key, ocsp, ...listed }];
}

/** A file of DER, as base64; undefined if there is none. */
function readDer(path: string, place: Place, state: ParserState): string | undefined {
	const bytes = state.tryReadFile(path, place);
	return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1').toString('base64') : undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** `issuers-chain-path` and `ssl-skip-self-issued-ca`: what follows the certificate. What is no certificate stays as it is. */
function completeChain(pem: string, statement: Statement, state: ParserState): string {
	const { chains, skipsSelfIssued } = state.global.certificateFiles;
	const [leaf, ...others] = pem.match(CERTIFICATE) ?? [];
	if (leaf === undefined || (chains === undefined && !skipsSelfIssued)) return pem;
	try {
		const isRoot = (text: string): boolean => {
			const { subject, issuer } = new X509Certificate(text);
			return subject === issuer;
		};
		if (others.length === 0 && chains !== undefined) {
			const issuer = new X509Certificate(leaf);
			const chain = chainsIn(chains, statement, state).find(([first]) =>
				issuer.checkIssued(new X509Certificate(first ?? '')),
			);
			return [pem, ...(chain ?? [])].join('\n');
		}
		// A root is its client's affair; with intermediates before it the file is taken as it is.
		if (skipsSelfIssued && others.length === 1 && isRoot(others[0] ?? '')) return pem.replace(others[0] ?? '', '');
	} catch {
		// Whoever makes contexts of it says what is wrong.
	}
	return pem;
}

/** The chains of a directory, each from its first certificate on. */
function chainsIn(path: string, statement: Statement, state: ParserState): string[][] {
	return (namesIn(state.resolvePath(path, statement.place)) ?? []).sort().flatMap((name) => {
		const text = state.tryReadFile(`${path}/${name}`, statement.place);
		const chain = typeof text === 'string' ? text.match(CERTIFICATE) : null;
		return chain === null ? [] : [[...chain]];
	});
}

/** `<crtfile> [\[<options>\]] [[!]<sni filter> ...]`, a line each (manual, 5.1 `crt-list`). */
function readList(path: string, site: Site): CertificateModel[] {
	const { statement, state } = site;
	const text = state.readFile(path, statement.place, `'crt-list'`);
	if (text === undefined) return [];
	const found: CertificateModel[] = [];
	for (const [index, written] of text.split('\n').entries()) {
		const line = parseListLine(written);
		if (line === undefined) continue;
		const place = { file: path, line: index + 1 };
		const inList = new Statement(place, statement.words, statement.section, statement.diagnostics);
		if (typeof line === 'string') {
			inList.alert(line);
			continue;
		}
		const words = line.options === '' ? [] : line.options.split(/\s+/);
		const options = words.length === 0 ? undefined : site.readOptions(words, inList);
		const listed = { filters: line.filters, options, listed: { list: path, line: index + 1, options: line.options } };
		const file = /^[/@]/.test(line.path) ? line.path : basedOn(state.global.crtBase, line.path);
		found.push(...readPath(file, listed, site));
	}
	return found;
}

export interface ListLine {
	readonly path: string;
	readonly options: string;
	readonly filters: readonly string[];
}

/** Undefined: nothing but a comment; a sentence: what is wrong. */
export function parseListLine(line: string): ListLine | string | undefined {
	const plain = line.replace(/(?:^|\s)#.*$/, '').trim();
	if (plain === '') return undefined;
	const parts = /^([^\s[\]]+)\s*(?:\[([^\]]*)\])?\s*([^[\]]*)$/.exec(plain);
	if (parts === null) return `'crt-list' : brackets in '${plain}' do not fit`;
	const [, path = '', options = '', filters = ''] = parts;
	return { path, options: options.trim(), filters: filters.split(/\s+/).filter((filter) => filter !== '') };
}

const basedOn = (base: string | undefined, path: string): string => (base === undefined ? path : `${base}/${path}`);

/** Lengths of a key: AES-128 and AES-256 (manual, 5.1 `tls-ticket-keys`). */
const TICKET_KEY_BYTES = [48, 80];
const TICKET_KEYS_MIN = 3;

/** The keys of a `tls-ticket-keys` file. */
export function readTicketKeys(statement: Statement, path: string, state: ParserState): TicketKeysModel | undefined {
	const text = state.readFile(path, statement.place, `'tls-ticket-keys'`);
	if (text === undefined) return undefined;
	const keys = text.split(/\s+/).filter((key) => key !== '');
	const lengths = new Set(keys.map((key) => Buffer.from(key, 'base64').length));
	const [length] = lengths;
	if (lengths.size !== 1 || !TICKET_KEY_BYTES.includes(length ?? 0)) {
		statement.alert(`'tls-ticket-keys' : the keys in '${path}' must all be base64 of 48 bytes, or all of 80.`);
		return undefined;
	}
	if (keys.length < TICKET_KEYS_MIN) {
		statement.alert(`'tls-ticket-keys' : please supply at least ${TICKET_KEYS_MIN} keys in '${path}'.`);
		return undefined;
	}
	return { path, keys };
}
