/**
 * The files of TLS as the runtime API sees and changes them (management guide, 9.3 `show ssl cert` and the others):
 * certificates, lists of them, authorities, revocations and the keys of tickets. It lives in the control thread, for one
 * configuration: a reload reads the files anew.
 *
 * A change is tried here first, with every bind line that it concerns: what OpenSSL refuses reaches no data thread.
 * Then it is one message to all of them (`TlsChange`).
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { PRIVATE_KEY } from '../config/certificates.js';
import { listeningProxies } from '../config/check-log-forward.js';
import type { BindModel, BindTlsModel, CertificateModel, ConfigModel, ServerTlsModel } from '../config/model.js';
import type { Place } from '../core/diagnostics.js';
import { readPem } from '../core/tls.js';
import { serveCertificate } from './certificate-store.js';
import { changedTls, type TlsChange } from './tls-change.js';

/** One after the other in a file. */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[\s\S]+?-----END (?:[A-Z]+ )?PRIVATE KEY-----/;
const REVOCATION = /-----BEGIN X509 CRL-----[\s\S]+?-----END X509 CRL-----/g;

/** What a certificate's path stands for; empty texts: `new ssl cert`, and nothing set yet. */
export interface CertificateFile {
	readonly pem: string;
	readonly key: string;
	readonly ocsp: string | undefined;
}

const EMPTY: CertificateFile = { pem: '', key: '', ocsp: undefined };

/** A kind of file that holds one text. */
export type TextKind = 'authorities' | 'revocations';

interface BindUse {
	readonly place: Place;
	model: BindTlsModel;
}

/** Something that is prepared and not yet committed. */
export interface Transaction<T> {
	readonly path: string;
	content: T;
}

export class TlsFiles {
	readonly certificates = new Map<string, CertificateFile>();
	readonly texts: Readonly<Record<TextKind, Map<string, string>>> = { authorities: new Map(), revocations: new Map() };
	readonly #binds: BindUse[] = [];
	readonly #servers: ServerTlsModel[] = [];
	certificateTransaction: Transaction<CertificateFile> | undefined;
	readonly textTransactions: Partial<Record<TextKind, Transaction<string>>> = {};
	readonly #tell: (change: TlsChange) => void;

	constructor(model: ConfigModel, tell: (change: TlsChange) => void) {
		this.#tell = tell;
		const seen = new Set<BindTlsModel>();
		for (const { binds, servers } of listeningProxies(model)) {
			for (const bind of binds) this.#addBind(bind, seen);
			for (const { tls } of servers) if (tls !== undefined) this.#addServer(tls);
		}
	}

	#addBind({ tls, place }: BindModel, seen: Set<BindTlsModel>): void {
		// The addresses of one line share what it says.
		if (tls === undefined || seen.has(tls)) return;
		seen.add(tls);
		this.#binds.push({ place, model: tls });
		for (const { path, pem, key, ocsp } of tls.certificates) this.certificates.set(path, { pem, key, ocsp });
		for (const { caFile, ca, crlFile, crl } of [tls, ...tls.certificates.map(({ options }) => options ?? {})]) {
			if (caFile !== undefined && ca !== undefined) this.texts.authorities.set(caFile, ca);
			if (crlFile !== undefined && crl !== undefined) this.texts.revocations.set(crlFile, crl);
		}
	}

	#addServer(tls: ServerTlsModel): void {
		this.#servers.push(tls);
		const { crt, caFile, crlFile } = tls;
		if (crt !== undefined && !this.certificates.has(crt)) {
			const pem = readPem(crt).toString('latin1');
			this.certificates.set(crt, { pem, key: pem, ocsp: undefined });
		}
		const read = (kind: TextKind, path: string | undefined): void => {
			if (path === undefined || path.startsWith('@') || this.texts[kind].has(path)) return;
			this.texts[kind].set(path, readPem(path).toString('latin1'));
		};
		read('authorities', caFile);
		read('revocations', crlFile);
	}

	/** How many bind lines, lines of lists and servers use a certificate. */
	usesOfCertificate(path: string): number {
		const onBinds = this.#binds.flatMap(({ model }) => model.certificates.filter((one) => one.path === path));
		return onBinds.length + this.#servers.filter(({ crt }) => crt === path).length;
	}

	usesOfText(kind: TextKind, path: string): number {
		const field = kind === 'authorities' ? 'caFile' : 'crlFile';
		const onBinds = this.#binds.flatMap(({ model }) =>
			[model, ...model.certificates.map(({ options }) => options ?? {})].filter((one) => one[field] === path),
		);
		return onBinds.length + this.#servers.filter((tls) => tls[field] === path).length;
	}

	// ---- Certificates ----

	create(path: string): void {
		this.certificates.set(path, EMPTY);
	}

	/**
	 * A certificate file with a new part: PEM, or what the ending of `name` says (`.key`, `.ocsp`, `.issuer`, `.sctl`).
	 * Undefined: there is nothing of the kind in it.
	 */
	static withPart(file: CertificateFile, part: string, payload: string): CertificateFile | undefined {
		switch (part) {
			case 'key': {
				const key = KEY.exec(payload)?.[0];
				return key === undefined || !isPrivateKey(key) ? undefined : { ...file, key };
			}
			case 'ocsp': {
				const ocsp = payload.replace(/\s+/g, '');
				return /^[A-Za-z0-9+/]+={0,2}$/.test(ocsp) ? { ...file, ocsp } : undefined;
			}
			case 'issuer':
			case 'sctl':
				// The chain is sent as the file has it, and nothing is signed with the issuer here.
				return file;
			default: {
				const chain = payload.match(CERTIFICATE);
				if (chain === null || !chain.every(isCertificate)) return undefined;
				const key = KEY.exec(payload)?.[0];
				if (key !== undefined && !isPrivateKey(key)) return undefined;
				return { pem: chain.join('\n'), key: key ?? (PRIVATE_KEY.test(file.key) ? file.key : ''), ocsp: undefined };
			}
		}
	}

	/**
	 * Makes a certificate the one that serves; how many have it.
	 * @throws Error with what is wrong: nothing has changed
	 */
	commitCertificate(path: string, file: CertificateFile): number {
		const key = KEY.exec(file.key)?.[0];
		const leaf = leafOf(file.pem);
		if (leaf === undefined || key === undefined || !leaf.checkPrivateKey(createPrivateKey(key))) {
			throw new Error(`inconsistencies between private key and certificate loaded '${path}'.`);
		}
		this.#change({ kind: 'certificate', path, ...file });
		this.certificates.set(path, file);
		return this.usesOfCertificate(path);
	}

	// ---- Authorities and revocations ----

	/** The blocks of a text, each checked; undefined if there is none. */
	static blocksOf(kind: TextKind, payload: string): readonly string[] | undefined {
		const blocks = payload.match(kind === 'authorities' ? CERTIFICATE : REVOCATION);
		if (blocks === null) return undefined;
		return kind === 'authorities' && !blocks.every(isCertificate) ? undefined : blocks;
	}

	/** @throws Error with what OpenSSL says */
	commitText(kind: TextKind, path: string, text: string): number {
		this.#change({ kind, path, text });
		this.texts[kind].set(path, text);
		return this.usesOfText(kind, path);
	}

	// ---- Lists ----

	/** Paths of all `crt-list` files. */
	get listPaths(): string[] {
		return [...new Set(this.#binds.flatMap(({ model }) => model.crtLists ?? []))].sort();
	}

	/** The lines of a list, in their order; undefined: no bind line has it. */
	linesOf(list: string): readonly CertificateModel[] | undefined {
		const bind = this.#binds.find(({ model }) => model.crtLists?.includes(list));
		return bind?.model.certificates.filter(({ listed }) => listed?.list === list);
	}

	/** @throws Error with what OpenSSL says */
	addLine(list: string, certificate: CertificateModel): void {
		this.#change({ kind: 'list-add', list, certificate });
	}

	/** The places of bind lines whose default certificate a line of a list is: it cannot go. */
	defaultOf(list: string, line: number): readonly Place[] {
		return this.#binds.flatMap(({ model, place }) => {
			const first = model.certificates[0]?.listed;
			return first?.list === list && first.line === line ? [place] : [];
		});
	}

	removeLine(list: string, line: number): void {
		this.#change({ kind: 'list-remove', list, line });
	}

	// ---- Ticket keys ----

	/** Of every `tls-ticket-keys` file, each once. */
	get ticketKeys(): readonly { readonly path: string; readonly keys: readonly string[] }[] {
		const found = new Map(
			this.#binds.flatMap(({ model: { ticketKeys } }) => (ticketKeys ? [[ticketKeys.path, ticketKeys]] : [])),
		);
		return [...found.values()];
	}

	addTicketKey(path: string, key: string): void {
		this.#change({ kind: 'ticket-key', path, key });
	}

	/** Tries a change on every bind line that it concerns, keeps it and tells it. */
	#change(change: TlsChange): void {
		const changed = this.#binds.flatMap((bind) => {
			const model = changedTls(bind.model, change);
			if (model === bind.model) return [];
			for (const certificate of model.certificates) {
				if (!bind.model.certificates.includes(certificate)) serveCertificate([certificate], model);
			}
			if (model.ca !== bind.model.ca || model.crl !== bind.model.crl)
				serveCertificate(model.certificates.slice(0, 1), model);
			return [{ bind, model }];
		});
		for (const { bind, model } of changed) bind.model = model;
		this.#tell(change);
	}
}

function isCertificate(pem: string): boolean {
	try {
		return new X509Certificate(pem) !== undefined;
	} catch {
		return false;
	}
}

function isPrivateKey(pem: string): boolean {
	try {
		return createPrivateKey(pem) !== undefined;
	} catch {
		return false;
	}
}

function leafOf(pem: string): X509Certificate | undefined {
	const [first] = pem.match(CERTIFICATE) ?? [];
	return first === undefined ? undefined : new X509Certificate(first);
}
