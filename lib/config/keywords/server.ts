/**
 * `server` and `default-server` lines (manual, 4.2 and 5.2), also those of peers sections, which take only
 * the options of the transport.
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import { copyServerOptions, newServerOptions, type ServerDraft, type ServerOptions } from '../draft.js';
import { remarkPending } from '../features.js';
import type { ServerTlsModel } from '../model.js';
import type { ParserState } from '../state.js';
import type { Statement } from '../statement.js';
import { httpProtocol, onOrOff } from './bind.js';
import { positiveTime, SERVER_CHECK_OPTIONS } from './server-checks.js';
import { SERVER_RESOLUTION_OPTIONS, withServicePort } from './server-resolution.js';
import { SERVER_TRANSPORT_OPTIONS } from './server-transport.js';
import { based, tlsVersion, userTimeout, VERSION_FLAGS } from './tls-words.js';

export interface ServerOption {
	readonly name: string;
	/** Number of words that follow it. */
	readonly arguments: number;
	parse?(statement: Statement, index: number, options: ServerOptions, state: ParserState): void;
	/** Not on a `default-server` line. */
	readonly serverOnly?: true;
	/** Also for a peer: part of the transport. */
	readonly peers?: true;
	/** For a peer only. */
	readonly peersOnly?: true;
	/** Looks at an argument that nothing is done with. */
	check?(statement: Statement, index: number): void;
	readonly withoutEffect?: string;
	readonly refused?: true;
	/** An argument in brackets belongs to its name. */
	readonly takesBrackets?: true;
}

const MAX_ID = 2 ** 31 - 1;
const MAX_WEIGHT = 256;

/** Switches of TLS, and what they set. */
const TLS_FLAGS: readonly (readonly [name: string, fields: Partial<ServerTlsModel>])[] = [
	['no-verifyhost', { verifyHost: undefined }],
	['ssl-reuse', { reuse: true }],
	['no-ssl-reuse', { reuse: false }],
	['tls-tickets', { tickets: true }],
	['no-tls-tickets', { tickets: false }],
	...VERSION_FLAGS,
];

const SERVER_OPTIONS: readonly ServerOption[] = [
	{
		name: 'weight',
		arguments: 1,
		parse: (s, i, o) => {
			o.weight = s.integer(i, 'weight', 0, MAX_WEIGHT) ?? 1;
		},
	},
	{
		name: 'backup',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.backup = true;
		},
	},
	{
		name: 'no-backup',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.backup = false;
		},
	},
	{
		name: 'maxconn',
		arguments: 1,
		parse: (s, i, o) => {
			o.maxconn = s.integer(i, 'maxconn', 0, MAX_ID) ?? 0;
		},
	},
	{
		name: 'minconn',
		arguments: 1,
		parse: (s, i, o) => {
			o.minconn = s.integer(i, 'minconn', 0, MAX_ID) ?? 0;
		},
	},
	{
		name: 'maxqueue',
		arguments: 1,
		parse: (s, i, o) => {
			o.maxqueue = s.integer(i, 'maxqueue', 0, MAX_ID) ?? 0;
		},
	},
	{
		name: 'disabled',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.disabled = true;
		},
		peers: true,
	},
	{
		name: 'enabled',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.disabled = false;
		},
		peers: true,
	},
	{
		name: 'id',
		arguments: 1,
		serverOnly: true,
		parse: (s, i, o) => {
			o.id = s.integer(i, 'id', 1, MAX_ID);
		},
	},
	{
		name: 'cookie',
		arguments: 1,
		parse: (s, i, o) => {
			o.cookie = s.word(i);
		},
	},
	{
		name: 'non-stick',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.nonStick = true;
		},
	},
	{
		name: 'stick',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.nonStick = false;
		},
	},
	{
		name: 'redir',
		arguments: 1,
		parse: (s, i, o) => {
			o.redir = s.word(i);
		},
	},
	{
		name: 'pool-max-conn',
		arguments: 1,
		parse: (s, i, o) => {
			o.poolMaxConn = s.integer(i, 'pool-max-conn', -1, MAX_ID) ?? -1;
		},
	},
	{
		name: 'pool-low-conn',
		arguments: 1,
		parse: (s, i, o) => {
			o.poolLowConn = s.integer(i, 'pool-low-conn', 0, MAX_ID) ?? 0;
		},
	},
	{
		name: 'pool-purge-delay',
		arguments: 1,
		parse: (s, i, o) => {
			o.poolPurgeDelayMs = s.timeMs(i, 'pool-purge-delay') ?? 5000;
		},
	},
	{
		name: 'max-reuse',
		arguments: 1,
		parse: (s, i, o) => {
			o.maxReuse = s.integer(i, 'max-reuse', -1, MAX_ID) ?? -1;
		},
	},
	{ name: 'source', arguments: 1, parse: readSource },
	{
		name: 'check',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.check = true;
		},
	},
	{
		name: 'no-check',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.check = false;
		},
	},
	{
		name: 'inter',
		arguments: 1,
		parse: (s, i, o) => {
			o.interMs = positiveTime(s, i, 'inter') ?? 2000;
		},
	},
	{
		name: 'rise',
		arguments: 1,
		parse: (s, i, o) => {
			o.rise = s.integer(i, 'rise', 1, MAX_ID) ?? 2;
		},
	},
	{
		name: 'fall',
		arguments: 1,
		parse: (s, i, o) => {
			o.fall = s.integer(i, 'fall', 1, MAX_ID) ?? 3;
		},
	},
	{
		name: 'shard',
		arguments: 1,
		peers: true,
		peersOnly: true,
		parse: (s, i, o) => {
			o.shard = s.integer(i, 'shard', 0, MAX_ID);
		},
	},
	// TLS
	{
		name: 'ssl',
		arguments: 0,
		peers: true,
		parse: (_s, _i, o) => {
			o.tlsEnabled = true;
		},
	},
	{
		name: 'no-ssl',
		arguments: 0,
		peers: true,
		parse: (_s, _i, o) => {
			o.tlsEnabled = false;
		},
	},
	{
		name: 'crt',
		arguments: 1,
		peers: true,
		parse: (s, i, o, state) => {
			o.tlsDraft.crt = based(state.global.crtBase, s.word(i));
		},
	},
	{
		name: 'ca-file',
		arguments: 1,
		peers: true,
		parse: (s, i, o, state) => {
			o.tlsDraft.caFile = based(state.global.caBase, s.word(i));
		},
	},
	{
		name: 'verify',
		arguments: 1,
		peers: true,
		parse: (s, i, o) => {
			o.tlsDraft.verify = s.choice(i, 'verify', ['none', 'required']) ?? 'required';
			o.verifyGiven = true;
		},
	},
	{
		name: 'verifyhost',
		arguments: 1,
		peers: true,
		parse: (s, i, o) => {
			o.tlsDraft.verifyHost = s.word(i);
		},
	},
	{
		name: 'sni',
		arguments: 1,
		peers: true,
		parse: (s, i, o) => {
			o.tlsDraft.sni = { place: s.place, words: [s.word(i)] };
		},
	},
	{
		// Of HAProxy 3.3, where it is the default.
		name: 'sni-auto',
		arguments: 0,
		parse: (s, _, o) => {
			o.tlsDraft.sni ??= { place: s.place, words: ['req.hdr(host),host_only'] };
		},
	},
	{
		name: 'alpn',
		arguments: 1,
		peers: true,
		parse: (s, i, o) => {
			o.tlsDraft.alpn = s.word(i).split(',');
		},
	},
	{
		name: 'ciphers',
		arguments: 1,
		peers: true,
		parse: (s, i, o) => {
			o.tlsDraft.ciphers = s.word(i);
		},
	},
	{
		name: 'ssl-min-ver',
		arguments: 1,
		peers: true,
		parse: (s, i, o) => {
			o.tlsDraft.minVersion = tlsVersion(s, i, 'ssl-min-ver');
		},
	},
	{
		name: 'ssl-max-ver',
		arguments: 1,
		peers: true,
		parse: (s, i, o) => {
			o.tlsDraft.maxVersion = tlsVersion(s, i, 'ssl-max-ver');
		},
	},
	...TLS_FLAGS.map(
		([name, fields]): ServerOption => ({
			name,
			arguments: 0,
			parse: (_s, _i, o) => {
				Object.assign(o.tlsDraft, fields);
			},
		}),
	),
	{
		name: 'ciphersuites',
		arguments: 1,
		parse: (s, i, o) => {
			o.tlsDraft.ciphersuites = s.word(i);
		},
	},
	{
		name: 'sigalgs',
		arguments: 1,
		parse: (s, i, o) => {
			o.tlsDraft.sigalgs = s.word(i);
		},
	},
	{
		name: 'curves',
		arguments: 1,
		parse: (s, i, o) => {
			o.tlsDraft.curves = s.word(i);
		},
	},
	{
		name: 'no-alpn',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.tlsDraft.alpn = [];
		},
	},
	{
		name: 'crl-file',
		arguments: 1,
		parse: (s, i, o, state) => {
			o.tlsDraft.crlFile = based(state.global.caBase, s.word(i));
		},
	},
	{
		name: 'proto',
		arguments: 1,
		parse: (s, i, o) => {
			o.proto = httpProtocol(s, i, 'server');
		},
	},
	{
		name: 'ws',
		arguments: 1,
		parse: (s, i, o) => {
			const protocol = s.choice(i, 'ws', ['auto', 'h1', 'h2']);
			o.ws = protocol === 'h1' || protocol === 'h2' ? protocol : undefined;
		},
	},
	{ name: 'no-sslv3', arguments: 0, peers: true, withoutEffect: 'SSLv3 is never spoken' },
	{ name: 'tfo', arguments: 0, peers: true, withoutEffect: 'the system offers no such option to Node' },
	{ name: 'no-tfo', arguments: 0, peers: true, withoutEffect: 'fast open is never used' },
	{
		name: 'tcp-ut',
		arguments: 1,
		peers: true,
		check: userTimeout,
		withoutEffect: 'the system offers no such option to Node',
	},
	{
		name: 'log-proto',
		arguments: 1,
		check: (s, i) => void s.choice(i, 'log-proto', ['legacy', 'octet-count']),
		withoutEffect: "it speaks of servers in 'ring' sections",
	},
	{ name: 'allow-0rtt', arguments: 0, withoutEffect: 'early data is never sent, requests follow the handshake' },
	{ name: 'npn', arguments: 1, withoutEffect: "it was ALPN's draft, and is spoken by nobody any more; see 'alpn'" },
	{ name: 'cc', arguments: 1, withoutEffect: 'the system chooses how connections are kept from congestion' },
	{ name: 'ktls', arguments: 1, check: onOrOff, withoutEffect: 'TLS is spoken by the program, not by the kernel' },
	{ name: 'no-sni-auto', arguments: 0, withoutEffect: "no name is told unless 'sni' or 'sni-auto' says which" },
	{ name: 'no-check-sni-auto', arguments: 0, withoutEffect: "no name is told unless 'check-sni' says which" },
	{ name: 'no-renegotiate', arguments: 0, withoutEffect: 'renegotiation is never done' },
	...SERVER_CHECK_OPTIONS,
	...SERVER_RESOLUTION_OPTIONS,
	...SERVER_TRANSPORT_OPTIONS,
	...[
		['check-pool-conn-name', 1],
		['check-reuse-pool', 0],
		['check-sni-auto', 0],
		['idle-ping', 1],
		['interface', 1],
		['namespace', 1],
		['pool-conn-name', 1],
		['renegotiate', 0],
		['sslv3', 0],
		['strict-maxconn', 0],
		['usesrc', 1],
	].map(([name, count]): ServerOption => ({ name: String(name), arguments: Number(count), refused: true })),
];

const BY_NAME: ReadonlyMap<string, ServerOption> = new Map(SERVER_OPTIONS.map((option) => [option.name, option]));

/** By the word of a line, `name` or `name(argument)`. */
export function serverOption(word: string): ServerOption | undefined {
	const bracket = word.indexOf('(');
	if (bracket < 0) return BY_NAME.get(word);
	const option = BY_NAME.get(word.slice(0, bracket));
	return option?.takesBrackets === true ? option : undefined;
}

export const serverOptionNames = (): Iterable<string> => BY_NAME.keys();

export const serverOptionRows = (): readonly Pick<ServerOption, 'name' | 'refused' | 'withoutEffect'>[] =>
	SERVER_OPTIONS;

/** `source <address>[:<port>]`; port ranges, `usesrc` and `interface` need what Node does not offer. */
export function parseSource(statement: Statement, index: number): ServerOptions['source'] {
	const parsed = parseAddress(statement.word(index), { port: 'optional', anyHost: true });
	if (parsed.ok) return parsed.address;
	statement.alert(`'source' : ${parsed.reason}`);
	return undefined;
}

function readSource(statement: Statement, index: number, options: ServerOptions): void {
	options.source = parseSource(statement, index);
}

export type ServerLineKind = 'server' | 'default-server' | 'peer';

/** Reads options from words[from] on. */
export function readServerOptions(
	statement: Statement,
	from: number,
	options: ServerOptions,
	state: ParserState,
	kind: ServerLineKind,
	inPeers: boolean,
): void {
	const subject = kind === 'default-server' ? kind : `${kind} ${statement.word(1)}`;
	for (let i = from; i < statement.words.length; ) {
		const word = statement.word(i);
		const option = serverOption(word);
		if (option === undefined) {
			statement.alert(`'${subject}' : unknown keyword '${word}'${didYouMean(word, BY_NAME.keys())}`);
			return;
		}
		if (option.refused === true) {
			statement.alert(`'${subject}' : '${word}' is not supported by holdfast`);
		} else if (inPeers ? option.peers !== true : option.peersOnly === true) {
			statement.alert(`'${subject}' : '${word}' means nothing in a '${statement.section}' section`);
		} else if (option.serverOnly === true && kind === 'default-server') {
			statement.alert(`'${subject}' : '${word}' cannot be shared by servers`);
		} else if (option.arguments === 1 && statement.word(i + 1) === '') {
			statement.alert(`'${subject}' : '${word}' expects an argument`);
		} else if (option.withoutEffect !== undefined) {
			option.check?.(statement, i + 1);
			statement.diagnostics.noticeOnce(
				`server ${word}`,
				statement.place,
				`'server' option '${word}' is accepted without effect: ${option.withoutEffect}.`,
			);
		} else {
			option.parse?.(statement, i + 1, options, state);
			remarkPending(`server ${word}`, statement.place, statement.diagnostics);
		}
		i += 1 + option.arguments;
	}
}

/** The model of TLS towards a server or peer, when `ssl` is on. */
export function tlsOf(options: ServerOptions, state: ParserState): ServerOptions['tls'] {
	return options.tlsEnabled ? tlsSettings(options, state) : undefined;
}

function tlsSettings(options: ServerOptions, state: ParserState): NonNullable<ServerOptions['tls']> {
	const { tlsDraft, verifyGiven } = options;
	const { serverTlsDefaults: defaults } = state.global;
	return {
		...tlsDraft,
		alpn: [...tlsDraft.alpn],
		verify: verifyGiven ? tlsDraft.verify : (defaults.verify ?? tlsDraft.verify),
		ciphers: tlsDraft.ciphers ?? defaults.ciphers,
		ciphersuites: tlsDraft.ciphersuites ?? defaults.ciphersuites,
		minVersion: tlsDraft.minVersion ?? defaults.minVersion,
		maxVersion: tlsDraft.maxVersion ?? defaults.maxVersion,
		tickets: tlsDraft.tickets ?? defaults.tickets,
		curves: tlsDraft.curves ?? defaults.curves,
		sigalgs: tlsDraft.sigalgs ?? defaults.sigalgs,
		securityLevel: defaults.securityLevel,
	};
}

/** Names of servers and peers: letters, digits and `-_.:`, as for sections. */
export function checkName(statement: Statement, name: string, what: string): boolean {
	const bad = /[^A-Za-z0-9_.:-]/.exec(name);
	if (bad === null) return true;
	statement.alert(`character '${bad[0]}' is not permitted in ${what} '${name}'.`);
	return false;
}

/** `server <name> <address>[:[port]] [options]` */
export function readServer(statement: Statement, defaults: ServerOptions, state: ParserState): ServerDraft | undefined {
	const name = statement.word(1);
	if (name === '' || statement.word(2) === '') {
		statement.alert(`'server' expects <name> and <addr>[:<port>] as arguments.`);
		return undefined;
	}
	if (!checkName(statement, name, 'server name')) return undefined;
	const parsed = parseAddress(statement.word(2), { port: 'offset', names: true, anyHost: true });
	if (!parsed.ok) statement.alert(`'server ${name}' : ${parsed.reason}`);
	const options = copyServerOptions(defaults);
	options.id = undefined;
	readServerOptions(statement, 3, options, state, 'server', false);
	if (!parsed.ok) return undefined;
	return withServicePort({
		...options,
		tls: tlsOf(options, state),
		// Checks have the same settings as traffic, also where they alone are encrypted (manual, 5.2 `check-ssl`).
		checkTls: options.health.checkTls === true && !options.tlsEnabled ? tlsSettings(options, state) : undefined,
		name,
		place: statement.place,
		address: parsed.address,
		portOffset: parsed.portOffset,
	});
}

/** What logs say in place of a server's name. */
const NO_SERVER = '<NOSRV>';

/** `dispatch <address>:<port>` (manual, 4.2): a server without a name, an option or a line in the statistics. */
export function readDispatch(statement: Statement, state: ParserState): ServerDraft | undefined {
	const text = statement.word(1);
	const parsed = parseAddress(text, { port: 'required' });
	if (!parsed.ok) {
		statement.alert(`'dispatch' : ${parsed.reason}`);
		return undefined;
	}
	const options = newServerOptions();
	return {
		...options,
		id: undefined,
		tls: tlsOf(options, state),
		checkTls: undefined,
		nonStick: true,
		name: NO_SERVER,
		place: statement.place,
		address: parsed.address,
		portOffset: parsed.portOffset,
	};
}

export function readDefaultServer(
	statement: Statement,
	defaults: ServerOptions,
	state: ParserState,
	inPeers: boolean,
): void {
	if (statement.words.length < 2) {
		statement.alert(`'default-server' expects at least one option as argument.`);
		return;
	}
	readServerOptions(statement, 1, defaults, state, 'default-server', inPeers);
}

export { newServerOptions };
