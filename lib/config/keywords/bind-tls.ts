/** Options of `bind` lines that speak of TLS (manual, 5.1): rows of the table in bind.ts. */
import { readTicketKeys } from '../certificates.js';
import type { ParserState } from '../state.js';
import type { Statement } from '../statement.js';
import type { BindOption, BindOptions } from './bind.js';
import { based, ignoredErrors, tlsVersion, VERSION_FLAGS } from './tls-words.js';

type TlsFields = BindOptions['tls'];

const flag = (name: string, fields: Partial<TlsFields>): BindOption => ({
	name,
	arguments: 0,
	parse: (_statement, _index, options) => void Object.assign(options.tls, fields),
});

const value = (
	name: string,
	read: (word: string, state: ParserState, statement: Statement, index: number) => Partial<TlsFields>,
): BindOption => ({
	name,
	arguments: 1,
	parse: (statement, index, options, state) =>
		void Object.assign(options.tls, read(statement.word(index), state, statement, index)),
});

/** `h2,http/1.1`; each name has 1 to 255 bytes (RFC 7301, section 3.1), a comma too much is none. */
function protocols(statement: Statement, index: number): { alpn?: string[] } {
	const names = statement
		.word(index)
		.split(',')
		.filter((name) => name !== '');
	const tooLong = names.find((name) => name.length > 255);
	if (tooLong === undefined) return { alpn: names };
	statement.alert(`'alpn' : the name of a protocol has at most 255 bytes: '${tooLong}'`);
	return {};
}

export const BIND_TLS_OPTIONS: readonly BindOption[] = [
	{
		name: 'ssl',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.ssl = true;
		},
	},
	{ name: 'crt', arguments: 1, parse: (s, i, o, state) => void o.tls.crt.push(based(state.global.crtBase, s.word(i))) },
	{
		// Since 3.0: for clients that name nobody, before all others.
		name: 'default-crt',
		arguments: 1,
		parse: (s, i, o, state) => void o.tls.crt.unshift(based(state.global.crtBase, s.word(i))),
	},
	{ name: 'crt-list', arguments: 1, parse: (s, i, o) => void o.crtLists.push(s.word(i)) },
	value('ca-file', (path, { global }) => ({ caFile: based(global.caBase, path) })),
	value('ca-verify-file', (path, { global }) => ({ caVerifyFile: based(global.caBase, path) })),
	value('crl-file', (path, { global }) => ({ crlFile: based(global.caBase, path) })),
	value('verify', (_word, _state, s, i) => ({
		verify: s.choice(i, 'verify', ['none', 'optional', 'required']) ?? 'none',
	})),
	value('ca-ignore-err', (_word, _state, s, i) => ({ caIgnoredErrors: ignoredErrors(s, i, 'ca-ignore-err') })),
	value('crt-ignore-err', (_word, _state, s, i) => ({ crtIgnoredErrors: ignoredErrors(s, i, 'crt-ignore-err') })),
	value('ca-sign-file', (path, { global }) => ({ signFile: based(global.caBase, path) })),
	value('ca-sign-pass', (signPassphrase) => ({ signPassphrase })),
	flag('generate-certificates', { generates: true }),
	value('alpn', (_word, _state, s, i) => protocols(s, i)),
	flag('no-alpn', { alpn: [] }),
	value('ciphers', (ciphers) => ({ ciphers })),
	value('ciphersuites', (ciphersuites) => ({ ciphersuites })),
	value('sigalgs', (sigalgs) => ({ sigalgs })),
	value('curves', (curves) => ({ curves })),
	value('ecdhe', (curves) => ({ curves })),
	value('ssl-min-ver', (_word, _state, s, i) => ({ minVersion: tlsVersion(s, i, 'ssl-min-ver') })),
	value('ssl-max-ver', (_word, _state, s, i) => ({ maxVersion: tlsVersion(s, i, 'ssl-max-ver') })),
	...VERSION_FLAGS.map(([name, fields]) => flag(name, fields)),
	flag('strict-sni', { strictSni: true }),
	flag('no-strict-sni', { strictSni: false }),
	flag('prefer-client-ciphers', { prefersClientCiphers: true }),
	flag('no-tls-tickets', { tickets: false }),
	flag('tls-tickets', { tickets: true }),
	value('tls-ticket-keys', (path, state, s) => ({ ticketKeys: readTicketKeys(s, path, state) })),
	{
		name: 'allow-0rtt',
		arguments: 0,
		withoutEffect: "Node's tls takes no early data, so that clients send their requests after the handshake",
	},
	{ name: 'npn', arguments: 1, withoutEffect: "it was ALPN's draft, and is spoken by nobody any more; see 'alpn'" },
	{ name: 'no-sslv3', arguments: 0, withoutEffect: 'SSLv3 is never spoken' },
	{ name: 'no-ca-names', arguments: 0, withoutEffect: 'Node shows the names of all authorities' },
];
