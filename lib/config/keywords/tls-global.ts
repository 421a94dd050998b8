/** What `global` says of TLS as a whole (manual, 3.1 and 3.2): how files of certificates are found, limits, what is kept. */
import { EXTRA_FILES, type GlobalDraft } from '../draft.js';
import type { ParserState } from '../state.js';
import type { Keyword, Statement } from '../statement.js';

type Row = Keyword<ParserState>;

const MAX_INT = 2 ** 31 - 1;
/** What OpenSSL takes for a record (SSL_set_max_send_fragment(3)). */
const RECORD_BYTES_MIN = 512;
const RECORD_BYTES_MAX = 16_384;

const flag = (name: string, set: (global: GlobalDraft) => void): Row => ({
	name,
	parse(statement, { global }) {
		if (statement.atMost(0)) set(global);
	},
});

const number = (name: string, min: number, max: number, set: (global: GlobalDraft, value: number) => void): Row => ({
	name,
	parse(statement, { global }) {
		const value = statement.integer(1, name, min, max);
		if (value !== undefined && statement.atMost(1)) set(global, value);
	},
});

function readExtraFiles(statement: Statement, { global }: ParserState): void {
	const words = statement.words.slice(1);
	if (words.length === 0) {
		statement.alert(`'ssl-load-extra-files' expects 'none', 'all', or some of ${EXTRA_FILES.join(', ')}`);
		return;
	}
	const extras = new Set<(typeof EXTRA_FILES)[number]>();
	for (const [index, word] of words.entries()) {
		const known = statement.choice(index + 1, 'ssl-load-extra-files', ['none', 'all', ...EXTRA_FILES]);
		if (known === undefined) return;
		if ((known === 'none' || known === 'all') && words.length > 1) {
			statement.alert(`'ssl-load-extra-files' : '${word}' stands alone`);
			return;
		}
		if (known === 'all') for (const extra of EXTRA_FILES) extras.add(extra);
		else if (known !== 'none') extras.add(known);
	}
	global.certificateFiles.extras = extras;
}

function setRecordSize(global: GlobalDraft, bytes: number): void {
	global.tune.tls.recordBytesMax =
		bytes === 0 ? undefined : Math.min(RECORD_BYTES_MAX, Math.max(RECORD_BYTES_MIN, bytes));
}

const capture = (name: string): Row =>
	number(name, 0, MAX_INT, (global, bytes) => {
		global.tune.tls.captureBytes = bytes;
	});

export const TLS_GLOBAL_KEYWORDS: readonly Row[] = [
	{
		name: 'key-base',
		parse(statement, { global }) {
			global.keyBase = statement.onlyArgument('a directory') ?? global.keyBase;
		},
	},
	{
		name: 'issuers-chain-path',
		parse(statement, { global }) {
			global.certificateFiles.chains = statement.onlyArgument('a directory') ?? global.certificateFiles.chains;
		},
	},
	{ name: 'ssl-load-extra-files', parse: readExtraFiles },
	flag('ssl-load-extra-del-ext', (global) => {
		global.certificateFiles.dropsExtension = true;
	}),
	flag('ssl-skip-self-issued-ca', (global) => {
		global.certificateFiles.skipsSelfIssued = true;
	}),
	// Of OpenSSL: what keys and digests must be worth, from 0 to 5 (SSL_CTX_set_security_level(3)).
	number('ssl-security-level', 0, 5, (global, level) => {
		global.bindTlsDefaults = { ...global.bindTlsDefaults, securityLevel: level };
		global.serverTlsDefaults = { ...global.serverTlsDefaults, securityLevel: level };
	}),
	number('maxsslconn', 0, MAX_INT, (global, value) => {
		global.maxsslconn = value;
	}),
	{
		name: 'tune.ssl.keylog',
		parse(statement, { global }) {
			const value = statement.choice(1, 'tune.ssl.keylog', ['on', 'off']);
			if (value !== undefined && statement.atMost(1)) global.tune.tls.keylog = value === 'on';
		},
	},
	capture('tune.ssl.capture-buffer-size'),
	capture('tune.ssl.capture-cipherlist-size'),
	number('tune.ssl.maxrecord', 0, RECORD_BYTES_MAX, setRecordSize),
	number('tune.ssl.hard-maxrecord', 0, RECORD_BYTES_MAX, setRecordSize),
	number('tune.ssl.ssl-ctx-cache-size', 0, MAX_INT, (global, value) => {
		global.tune.tls.generatedMax = value;
	}),
];
