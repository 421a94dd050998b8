/**
 * The certificates of `bind` lines, read when the configuration is (manual, 5.1 `crt`, `crt-list`, `ca-file`,
 * `crl-file`): data threads never open a file, and a reload reads them anew. What is found is text; whether key
 * and certificate fit is seen by those who make contexts of them.
 */
import { readdirSync, statSync } from 'node:fs';
import { systemReason } from '../core/errors.js';
import type { BindTlsModel, CertificateModel } from './model.js';
import type { ParserState } from './state.js';
import type { Statement } from './statement.js';

/** Files of a directory that belong to a certificate of the same name, and are none themselves. */
const COMPANIONS = /\.(?:key|issuer|ocsp|sctl|ca|dh)$/;
/** `site.pem.rsa` and `site.pem.ecdsa` are one certificate of two kinds (manual, 5.1 `crt`). */
const BUNDLE_KINDS = ['rsa', 'ecdsa', 'dsa'];
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;

type Site = { readonly statement: Statement; readonly state: ParserState };

/** Everything that the files of a line say; errors are alerts of that line. */
export function readBindCertificates(
	tls: BindTlsModel,
	lists: readonly string[],
	statement: Statement,
	state: ParserState,
): Pick<BindTlsModel, 'certificates' | 'ca' | 'crl'> {
	const site = { statement, state };
	const certificates = [
		...tls.crt.flatMap((path) => readPath(path, [], site)),
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

function readPath(path: string, filters: readonly string[], site: Site): CertificateModel[] {
	const { state, statement } = site;
	const resolved = state.resolvePath(path, statement.place);
	let names: string[] | undefined;
	try {
		names = statSync(resolved).isDirectory() ? readdirSync(resolved) : undefined;
	} catch (error) {
		const bundle = BUNDLE_KINDS.flatMap((kind) => readBundlePart(`${path}.${kind}`, filters, site));
		if (bundle.length > 0) return bundle;
		statement.alert(`'crt' : cannot read '${path}' : ${systemReason(error)}.`);
		return [];
	}
	if (names === undefined) return readFile(path, filters, site);
	const files = names.filter((name) => !name.startsWith('.') && !COMPANIONS.test(name)).sort();
	return files.flatMap((name) => (isFile(`${resolved}/${name}`) ? readFile(`${path}/${name}`, filters, site) : []));
}

function isFile(path: string): boolean {
	try {
		return statSync(path).isFile();
	} catch {
		return false;
	}
}

function readBundlePart(path: string, filters: readonly string[], site: Site): CertificateModel[] {
	return isFile(site.state.resolvePath(path, site.statement.place)) ? readFile(path, filters, site) : [];
}

/** Certificate, chain and key in one file; the key may stand beside it, in `<file>.key`. */
function readFile(path: string, filters: readonly string[], { statement, state }: Site): CertificateModel[] {
	const pem = state.readFile(path, statement.place, `'crt'`);
	if (pem === undefined) return [];
	if (PRIVATE_KEY.test(pem)) return [{ path, pem, key: pem, filters }];
	const keyPath = `${path}.key`;
	const key = state.tryReadFile(keyPath, statement.place);
	if (typeof key === 'string' && PRIVATE_KEY.test(key)) return [{ path, pem, key, filters }];
	statement.alert(`'crt' : no private key found in '${path}' or in '${keyPath}'.`);
	return [];
}

/** `<crtfile> [\[<options>\]] [[!]<sni filter> ...]`, a line each (manual, 5.1 `crt-list`). */
function readList(path: string, site: Site): CertificateModel[] {
	const { statement, state } = site;
	const text = state.readFile(path, statement.place, `'crt-list'`);
	if (text === undefined) return [];
	const found: CertificateModel[] = [];
	for (const [index, line] of text.split('\n').entries()) {
		const plain = line.replace(/(?:^|\s)#.*$/, '').trim();
		if (plain === '') continue;
		const options = /\[([^\]]*)\]/.exec(plain)?.[1]?.trim() ?? '';
		if (options !== '') {
			statement.alert(
				`'crt-list' ${path}:${index + 1} : options of single certificates ('${options}') are not supported by holdfast.`,
			);
		}
		const [file = '', ...filters] = plain
			.replace(/\[[^\]]*\]/, ' ')
			.trim()
			.split(/\s+/);
		found.push(...readPath(file.startsWith('/') ? file : basedOn(state.global.crtBase, file), filters, site));
	}
	return found;
}

const basedOn = (base: string | undefined, path: string): string => (base === undefined ? path : `${base}/${path}`);
