/**
 * Certificates, their lists, authorities, revocations and ticket keys at run time (management guide, 9.3 `show ssl cert`,
 * `set ssl cert`, `add ssl crt-list`, `new ssl ca-file`, `set ssl tls-key` and their families), with HAProxy's words.
 * What is changed serves every handshake from then on, and is forgotten at the next reload, which reads the files.
 */
import { X509Certificate } from 'node:crypto';
import type { CertificateModel } from '../../config/model.js';
import { readRuntimeListLine } from '../../config/runtime-crt-list.js';
import { reasonOf } from '../../core/errors.js';
import { type TextKind, TlsFiles, type Transaction } from '../../frontend/tls-files.js';
import { type Answer, type Command, fault, type Invocation, info } from '../command.js';

const NOTHING = fault('This configuration has no TLS.');
/** `<file>.key` and the others change a part of `<file>`. */
const PART = /^(.+)\.(key|ocsp|issuer|sctl)$/;

type Run = (files: TlsFiles, path: string, invocation: Invocation) => Answer;

/** A command with a path behind its three words. */
function command(words: string, help: string, missing: string, run: Run, usage = '<file>'): Command {
	const list = words.split(' ');
	return {
		words: list,
		level: 'admin',
		usage: `${words} ${usage}`,
		help,
		run(invocation) {
			const files = invocation.view.tlsFiles;
			if (files === undefined) return NOTHING;
			const path = invocation.words[list.length];
			return path === undefined || path === '' ? fault(missing) : run(files, path, invocation);
		},
	};
}

// ---- Texts ----

/** As OpenSSL prints names on one line: `/CN=a/O=b`. */
const oneLine = (name: string): string =>
	name
		.split('\n')
		.map((part) => `/${part}`)
		.join('');

function algorithmOf({ publicKey }: X509Certificate): string {
	const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
	if (type === 'rsa' || type === 'rsa-pss') return `RSA${details?.modulusLength ?? ''}`;
	if (type === 'dsa') return `DSA${details?.modulusLength ?? ''}`;
	const bits = /(\d{3})/.exec(details?.namedCurve ?? '')?.[1] ?? (details?.namedCurve === 'prime256v1' ? '256' : '');
	return `EC${bits}`;
}

function certificateText(certificate: X509Certificate): string {
	return [
		`Serial: ${certificate.serialNumber}`,
		`notBefore: ${certificate.validFrom}`,
		`notAfter: ${certificate.validTo}`,
		`Subject Alternative Name: ${certificate.subjectAltName ?? ''}`,
		`Algorithm: ${algorithmOf(certificate)}`,
		`SHA1 FingerPrint: ${certificate.fingerprint.replaceAll(':', '')}`,
		`Subject: ${oneLine(certificate.subject)}`,
		`Issuer: ${oneLine(certificate.issuer)}`,
	]
		.map((line) => `${line}\n`)
		.join('');
}

const lines = (list: readonly string[]): string => list.map((line) => `${line}\n`).join('');

// ---- Transactions ----

/** A sentence when something else is being prepared. */
function notPrepared(open: Transaction<unknown> | undefined, path: string, doing: string): string | undefined {
	if (open === undefined || open.path === path) return undefined;
	return `The ongoing transaction is about '${open.path}' but you are trying to ${doing} '${path}'`;
}

/** Puts what is prepared to use: `commit` says how many use it, or throws. */
function commitOpen<T>(open: Transaction<T> | undefined, path: string, commit: (content: T) => number): Answer {
	const failed = (reason: string): Answer => fault(`${reason}\nCan't commit ${path}!`);
	if (open === undefined) return failed('No ongoing transaction! !');
	const other = notPrepared(open, path, 'set');
	if (other !== undefined) return failed(other);
	try {
		return `Committing ${path}${'.'.repeat(commit(open.content))}\nSuccess!\n`;
	} catch (error) {
		return failed(reasonOf(error));
	}
}

/** Forgets what is prepared. `what`: as the answer calls it. */
function abortOpen(open: Transaction<unknown> | undefined, path: string, what: string, forget: () => void): Answer {
	if (open === undefined) return fault('No ongoing transaction!');
	const other = notPrepared(open, path, 'abort a transaction for');
	if (other !== undefined) return fault(other);
	forget();
	return info(`Transaction aborted for ${what} '${path}'!`);
}

// ---- Certificates ----

function showCertificates(files: TlsFiles): string {
	const open = files.certificateTransaction;
	return lines([
		...(open === undefined ? [] : ['# transaction', `*${open.path}`]),
		'# filename',
		...[...files.certificates.keys()].sort(),
	]);
}

/** HAProxy adds the key of the OCSP response, which is kept here as it is and not read: the place stays empty. */
function showCertificate(files: TlsFiles, name: string): Answer {
	const open = files.certificateTransaction;
	const isOpen = name.startsWith('*') && open?.path === name.slice(1);
	const file = isOpen ? open?.content : files.certificates.get(name);
	if (file === undefined) return fault("Can't display the certificate: Not found or the certificate is a bundle!");
	const head = `Filename: ${name}\n`;
	if (file.pem === '') return `${head}Status: Empty\n`;
	const [leaf, ...chain] = TlsFiles.blocksOf('authorities', file.pem) ?? [];
	if (leaf === undefined) return `${head}Status: Empty\n`;
	const status = !isOpen && files.usesOfCertificate(name) > 0 ? 'Used' : 'Unused';
	const chainText = chain
		.map((pem) => new X509Certificate(pem))
		.map(({ subject, issuer }) => `Chain Subject: ${oneLine(subject)}\nChain Issuer: ${oneLine(issuer)}\n`)
		.join('');
	return `${head}Status: ${status}\n${certificateText(new X509Certificate(leaf))}${chainText}OCSP Response Key: \n`;
}

function setCertificate(files: TlsFiles, name: string, { payload }: Invocation): Answer {
	if (payload === undefined) return fault("'set ssl cert expects a filename and a certificate as a payload");
	const [, whole = name, part = ''] = files.certificates.has(name) ? [] : (PART.exec(name) ?? []);
	const failed = (reason: string): Answer => fault(`${reason}\nCan't update ${name}!`);
	const open = files.certificateTransaction;
	const other = notPrepared(open, whole, 'set');
	if (other !== undefined) return failed(other);
	const before = open?.content ?? files.certificates.get(whole);
	if (before === undefined) {
		return failed("Can't replace a certificate which is not referenced by the configuration!");
	}
	const content = TlsFiles.withPart(before, part, payload);
	if (content === undefined) return failed(`unable to load certificate from file '${name}'.\nCan't load the payload`);
	if (open !== undefined) {
		open.content = content;
		return info(`Transaction updated for certificate ${whole}!`);
	}
	files.certificateTransaction = { path: whole, content };
	return info(`Transaction created for certificate ${whole}!`);
}

function commitCertificate(files: TlsFiles, path: string): Answer {
	return commitOpen(files.certificateTransaction, path, (content) => {
		const uses = files.commitCertificate(path, content);
		files.certificateTransaction = undefined;
		return uses;
	});
}

function abortCertificate(files: TlsFiles, path: string): Answer {
	return abortOpen(files.certificateTransaction, path, 'certificate', () => {
		files.certificateTransaction = undefined;
	});
}

function newCertificate(files: TlsFiles, path: string): Answer {
	if (files.certificates.has(path)) return fault(`Certificate '${path}' already exists!`);
	files.create(path);
	return info(`New empty certificate store '${path}'!`);
}

function deleteCertificate(files: TlsFiles, path: string): Answer {
	const failed = (reason: string): Answer => fault(`Can't remove the certificate: ${reason}\n`);
	if (!files.certificates.has(path)) return failed(`certificate '${path}' doesn't exist!`);
	if (files.usesOfCertificate(path) > 0) return failed(`certificate '${path}' in use, can't be deleted!`);
	files.certificates.delete(path);
	return info(`Certificate '${path}' deleted!`);
}

// ---- Files of authorities and revocations ----

interface TextWords {
	readonly kind: TextKind;
	/** In the command: `ca-file`. */
	readonly word: string;
	readonly name: string;
	/** In what `set` says. */
	readonly short: string;
}

const TEXTS: readonly TextWords[] = [
	{ kind: 'authorities', word: 'ca-file', name: 'CA file', short: 'CA' },
	{ kind: 'revocations', word: 'crl-file', name: 'CRL file', short: 'CRL' },
];

function showTexts({ kind, word }: TextWords, files: TlsFiles): string {
	const count = (text: string): string =>
		word === 'ca-file' ? ` - ${TlsFiles.blocksOf(kind, text)?.length ?? 0} certificate(s)` : '';
	const open = files.textTransactions[kind];
	return lines([
		...(open === undefined ? [] : ['# transaction', `*${open.path}${count(open.content)}`]),
		'# filename',
		...[...files.texts[kind]].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, text]) => `${path}${count(text)}`),
	]);
}

function showText({ kind, name }: TextWords, files: TlsFiles, word: string): Answer {
	const [, path = word, number] = files.texts[kind].has(word) ? [] : (/^(.*):(\d+)$/.exec(word) ?? []);
	const open = files.textTransactions[kind];
	const isOpen = path.startsWith('*') && open?.path === path.slice(1);
	const text = isOpen ? open?.content : files.texts[kind].get(path);
	if (text === undefined) return fault(`Can't display the ${name} : Not found!`);
	const blocks = TlsFiles.blocksOf(kind, text) ?? [];
	const status = blocks.length === 0 ? 'Empty' : !isOpen && files.usesOfText(kind, path) > 0 ? 'Used' : 'Unused';
	const head = `Filename: ${path}\nStatus: ${status}\n`;
	if (kind === 'revocations') return head;
	const shown = blocks.flatMap((pem, index) => {
		if (number !== undefined && Number(number) !== index + 1) return [];
		return [` \nCertificate #${index + 1}:\n${certificateText(new X509Certificate(pem))}`];
	});
	return number !== undefined && shown.length === 0 ? '' : `${head}${shown.join('')}`;
}

function setText(
	{ kind, word, name, short }: TextWords,
	files: TlsFiles,
	path: string,
	invocation: Invocation,
): Answer {
	const { payload, words } = invocation;
	if (payload === undefined) return fault(`'set ssl ${word} expects a filename and CAs as a payload`);
	const failed = (reason: string): Answer => fault(`${reason}\nCan't update ${path}!`);
	const open = files.textTransactions[kind];
	const other = notPrepared(open, path, 'set');
	if (other !== undefined) return failed(other);
	const before = files.texts[kind].get(path);
	if (before === undefined) return failed(`Can't replace a ${name} which is not referenced by the configuration!`);
	const blocks = TlsFiles.blocksOf(kind, payload);
	if (blocks === undefined) return failed('Invalid payload');
	// `add ssl ca-file` goes on from what there is.
	const content = [words[0] === 'add' ? (open?.content ?? before) : '', ...blocks]
		.filter((one) => one !== '')
		.join('\n');
	files.textTransactions[kind] = { path, content };
	return info(`transaction ${open === undefined ? 'created' : 'updated'} for ${short} ${path}!`);
}

function commitText({ kind }: TextWords, files: TlsFiles, path: string): Answer {
	return commitOpen(files.textTransactions[kind], path, (content) => {
		const uses = files.commitText(kind, path, content);
		delete files.textTransactions[kind];
		return uses;
	});
}

function abortText({ kind, name }: TextWords, files: TlsFiles, path: string): Answer {
	return abortOpen(files.textTransactions[kind], path, name, () => {
		delete files.textTransactions[kind];
	});
}

function deleteText({ kind, name }: TextWords, files: TlsFiles, path: string): Answer {
	const failed = (reason: string): Answer => fault(`Can't remove the ${name}: ${reason}\n`);
	if (!files.texts[kind].has(path)) return failed(`${name} '${path}' doesn't exist!`);
	if (files.usesOfText(kind, path) > 0) return failed(`${name} '${path}' in use, can't be deleted!`);
	files.texts[kind].delete(path);
	return info(`${name} '${path}' deleted!`);
}

function textCommands(words: TextWords): Command[] {
	const { word, name, kind } = words;
	const missing = (verb: string): string => `'${verb} ssl ${word}' expects a filename`;
	const row = (verb: string, help: string, run: Run, usage?: string): Command =>
		command(`${verb} ssl ${word}`, help, missing(verb), run, usage);
	const set: Run = (files, path, invocation) => setText(words, files, path, invocation);
	return [
		{
			words: ['show', 'ssl', word],
			level: 'admin',
			usage: `show ssl ${word} [<file>[:<index>]]`,
			help: `list the ${name}s, or show one`,
			run({ view, words: given }) {
				if (view.tlsFiles === undefined) return NOTHING;
				return given[3] === undefined ? showTexts(words, view.tlsFiles) : showText(words, view.tlsFiles, given[3]);
			},
		},
		row('new', `make an empty ${name}`, (files, path) => {
			if (files.texts[kind].has(path)) return fault(`${name} '${path}' already exists!`);
			files.texts[kind].set(path, '');
			return info(`New ${name} created '${path}'!`);
		}),
		row('set', `prepare new contents of a ${name}`, set, '<file> <payload>'),
		...(word === 'ca-file' ? [row('add', `prepare further contents of a ${name}`, set, '<file> <payload>')] : []),
		row('commit', `put the prepared ${name} to use`, (files, path) => commitText(words, files, path)),
		row('abort', `forget the prepared ${name}`, (files, path) => abortText(words, files, path)),
		row('del', `delete an unused ${name}`, (files, path) => deleteText(words, files, path)),
	];
}

// ---- Lists ----

function lineText({ path, filters, listed }: CertificateModel, withNumbers: boolean): string {
	const number = withNumbers ? `:${listed?.line ?? 0}` : '';
	const options = listed?.options === undefined || listed.options === '' ? '' : ` [${listed.options}]`;
	return [`${path}${number}${options}`, ...filters].join(' ');
}

function showLists(files: TlsFiles, words: readonly string[]): Answer {
	const withNumbers = words[3] === '-n';
	const list = words[withNumbers ? 4 : 3];
	if (list === undefined) {
		return withNumbers ? fault("'show ssl crt-list -n' expects a filename or a directory") : lines(files.listPaths);
	}
	const found = files.linesOf(list);
	if (found === undefined) return fault("didn't find the specified filename");
	return lines([`# ${list}`, ...found.map((line) => lineText(line, withNumbers))]);
}

function addToList(files: TlsFiles, list: string, { words, payload }: Invocation): Answer {
	const failed = (reason: string): Answer => fault(`Can't edit the crt-list: ${reason}`);
	const text = payload ?? words[4];
	if (text === undefined) return fault("'add ssl crtlist' expects a filename and a certificate name");
	const present = files.linesOf(list);
	if (present === undefined) return failed(`crt-list '${list}' does not exist!`);
	const read = readRuntimeListLine(text.split('\n')[0] ?? '', (path) => {
		const known = files.texts.authorities.get(path) ?? files.texts.revocations.get(path);
		if (known === undefined) throw new Error('it is not in use; new ssl ca-file makes it known');
		return known;
	});
	if ('error' in read) return failed(`parsing [CLI:1]: ${read.error}`);
	const { line, options } = read;
	const file = files.certificates.get(line.path);
	if (file === undefined) return failed(`certificate '${line.path}' does not exist!`);
	if (file.pem === '') return failed(`certificate '${line.path}' is empty!`);
	const number = Math.max(0, ...present.map(({ listed }) => listed?.line ?? 0)) + 1;
	const listed = { list, line: number, options: line.options };
	try {
		files.addLine(list, { path: line.path, ...file, filters: line.filters, options, listed });
	} catch (error) {
		return failed(reasonOf(error));
	}
	return `Inserting certificate '${line.path}' in crt-list '${list}'.\nSuccess!\n`;
}

function deleteFromList(files: TlsFiles, list: string, words: readonly string[]): Answer {
	const failed = (reason: string): Answer => fault(`Can't delete the entry: ${reason}`);
	const name = words[4];
	if (name === undefined) return fault("'del ssl crtlist' expects a filename and a certificate name");
	const present = files.linesOf(list);
	if (present === undefined) return failed(`crt-list '${list}' does not exist!`);
	const [, path = name, number] = files.certificates.has(name) ? [] : (/^(.*):(\d+)$/.exec(name) ?? []);
	if (!files.certificates.has(path)) return failed(`certificate '${path}' does not exist!`);
	const numbers = present
		.filter((line) => line.path === path && (number === undefined || line.listed?.line === Number(number)))
		.map(({ listed }) => listed?.line ?? 0);
	const [line, ...others] = numbers;
	if (line === undefined) return failed(`certificate '${path}' can't be found in crt-list '${list}'!`);
	if (others.length > 0) {
		return failed(
			`found the certificate '${path}' in several entries, please specify a line number preceded by colons (${numbers.join(', ')})!`,
		);
	}
	const places = files.defaultOf(list, line);
	if (places.length > 0) {
		const where = places.map((place) => `\t- ${place.file}:${place.line}\n`).join('');
		return failed(
			`certificate '${path}' cannot be deleted, it is used as default certificate by the following frontends:\n${where}`,
		);
	}
	files.removeLine(list, line);
	return info(`Entry '${path}' deleted in crtlist '${list}'!`);
}

// ---- Ticket keys ----

function showTicketKeys(files: TlsFiles, word: string | undefined): Answer {
	const all = files.ticketKeys.map((file, id) => ({ ...file, id }));
	if (word === undefined) return lines(['# id (file)', ...all.map(({ id, path }) => `${id} (${path})`)]);
	const shown = all.filter(({ id, path }) => word === '*' || word === `#${id}` || word === path);
	if (shown.length === 0) return fault("'show tls-keys' unable to locate referenced filename");
	return lines([
		'# id secret',
		...shown.flatMap(({ id, path, keys }) => [
			`# ${id} (${path})`,
			...keys.map((key, index) => `${id}.${index} ${key}`),
		]),
	]);
}

function setTicketKey(files: TlsFiles, word: string, { words }: Invocation): Answer {
	const text = words[4];
	if (text === undefined) return fault("'set ssl tls-key' expects a filename and the new TLS key in base64 encoding.");
	const found = files.ticketKeys.find(({ path }, id) => word === path || word === `#${id}`);
	if (found === undefined) return fault("'set ssl tls-key' unable to locate referenced filename");
	if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return fault("'set ssl tls-key' received invalid base64 encoded TLS key.");
	const size = (key: string): number => Buffer.from(key, 'base64').length;
	if (size(text) !== size(found.keys[0] ?? '')) return fault("'set ssl tls-key' received a key of wrong size.");
	files.addTicketKey(found.path, text);
	return info('TLS ticket key updated!');
}

export const TLS_FILE_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'ssl', 'cert'],
		level: 'admin',
		usage: 'show ssl cert [<certfile>]',
		help: 'list the certificates in use and prepared, or show one',
		run({ view, words }) {
			if (view.tlsFiles === undefined) return NOTHING;
			return words[3] === undefined ? showCertificates(view.tlsFiles) : showCertificate(view.tlsFiles, words[3]);
		},
	},
	command('new ssl cert', 'make an empty certificate', "'new ssl cert' expects a filename", newCertificate),
	command(
		'set ssl cert',
		'prepare a new content of a certificate, or of its part .key or .ocsp',
		"'set ssl cert expects a filename and a certificate as a payload",
		setCertificate,
		'<certfile> <payload>',
	),
	command(
		'commit ssl cert',
		'put the prepared certificate to use',
		"'commit ssl cert expects a filename",
		commitCertificate,
	),
	command('abort ssl cert', 'forget the prepared certificate', "'abort ssl cert' expects a filename", abortCertificate),
	command(
		'del ssl cert',
		'delete an unused certificate',
		"'del ssl cert' expects a certificate name",
		deleteCertificate,
	),
	...TEXTS.flatMap(textCommands),
	{
		words: ['show', 'ssl', 'crt-list'],
		level: 'admin',
		usage: 'show ssl crt-list [-n] [<list>]',
		help: 'list the lists of certificates, or show one, with its line numbers (-n)',
		run: ({ view, words }) => (view.tlsFiles === undefined ? NOTHING : showLists(view.tlsFiles, words)),
	},
	command(
		'add ssl crt-list',
		'add a line to a list of certificates',
		"'add ssl crtlist' expects a filename and a certificate name",
		addToList,
		'<list> <certfile>|<payload>',
	),
	command(
		'del ssl crt-list',
		'delete a line of a list of certificates',
		"'del ssl crtlist' expects a filename and a certificate name",
		(files, list, { words }) => deleteFromList(files, list, words),
		'<list> <certfile[:line]>',
	),
	{
		words: ['show', 'tls-keys'],
		level: 'admin',
		usage: 'show tls-keys [<file>|#<id>|*]',
		help: 'list the files of ticket keys, or show the keys',
		run: ({ view, words }) => (view.tlsFiles === undefined ? NOTHING : showTicketKeys(view.tlsFiles, words[2])),
	},
	command(
		'set ssl tls-key',
		'add a key for tickets; the last but one encrypts',
		"'set ssl tls-key' expects a filename and the new TLS key in base64 encoding.",
		setTicketKey,
		'<file>|#<id> <key>',
	),
];
