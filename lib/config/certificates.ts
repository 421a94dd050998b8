/**
 * The certificates of `bind` lines, read when the configuration is (manual, 5.1 `crt`, `crt-list`, `ca-file`,
 * `crl-file`): data threads never open a file, and a reload reads them anew. What is found is text; whether key
 * and certificate fit is seen by those who make contexts of them.
 */
import { readdirSync, statSync } from 'node:fs';
import { systemReason } from '../core/errors.js';
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
): Pick<BindTlsModel, 'certificates' | 'ca' | 'crl'> {
	const site = { statement, state, readOptions };
	const certificates = [
		...tls.crt.flatMap((path) => readPath(path, UNLISTED, site)),
		...lists.flatMap((path) => readList(path, site)),
	];
	if (certificates.length === 0 && statement.diagnostics.errorCount === 0) {
		statement.alert(`'bind' : 'ssl' needs a certificate: add 'crt' or 'crt-list'.`);
	}
	if (tls.verify !== 'none' && tls.caFile === undefined) {
		statement.alert(
			`'bind' : 'verify ${tls.verify}' needs 'ca-file', the authorities that clients' certificates come from.`,
		);
	}
	return {
		certificates,
		ca: tls.caFile === undefined ? undefined : state.readFile(tls.caFile, statement.place, `'ca-file'`),
		crl: tls.crlFile === undefined ? undefined : state.readFile(tls.crlFile, statement.place, `'crl-file'`),
	};
}

function readPath(path: string, listed: Listed, site: Site): CertificateModel[] {
	const { state, statement } = site;
	const resolved = state.resolvePath(path, statement.place);
	let names: string[] | undefined;
	try {
		names = statSync(resolved).isDirectory() ? readdirSync(resolved) : undefined;
	} catch (error) {
		const bundle = BUNDLE_KINDS.flatMap((kind) => readBundlePart(`${path}.${kind}`, listed, site));
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

/** Certificate, chain and key in one file; the key may stand beside it, in `<file>.key`. */
function readFile(path: string, listed: Listed, { statement, state }: Site): CertificateModel[] {
	const pem = state.readFile(path, statement.place, `'crt'`);
	if (pem === undefined) return [];
	const ocspResponse = state.tryReadFile(`${path}.ocsp`, statement.place);
	const ocsp = typeof ocspResponse === 'string' ? Buffer.from(ocspResponse, 'latin1').toString('base64') : undefined;
	if (PRIVATE_KEY.test(pem)) return [{ path, pem, key: pem, ocsp, ...listed }];
	const keyPath = `${path}.key`;
	const key = state.tryReadFile(keyPath, statement.place);
	if (typeof key === 'string' && PRIVATE_KEY.test(key)) return [{ path, pem, key, ocsp, ...listed }];
	statement.alert(`'crt' : no private key found in '${path}' or in '${keyPath}'.`);
	return [];
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
		const file = line.path.startsWith('/') ? line.path : basedOn(state.global.crtBase, line.path);
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
