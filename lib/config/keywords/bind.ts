/**
 * `bind` lines (manual, 4.2 `bind` and 5.1). One line gives as many listeners as it has addresses and ports
 * in their ranges; its options apply to all of them.
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import { readBindCertificates } from '../certificates.js';
import { type BindDraft, NO_BIND_TLS, type Writable } from '../draft.js';
import { remarkPending } from '../features.js';
import type { BindTlsModel, CertificateOptions } from '../model.js';
import type { ParserState } from '../state.js';
import type { Statement } from '../statement.js';
import { BIND_TLS_OPTIONS } from './bind-tls.js';
import { readCertificateOptions } from './crt-list.js';
import { userTimeout } from './tls-words.js';

/** The most listeners one line may make: all ports of one address. */
const MAX_LISTENERS_PER_LINE = 65535;

/** The options of one line, before they are copied to each of its addresses. */
export interface BindOptions {
	name: string | undefined;
	id: number | undefined;
	maxconn: number | undefined;
	backlog: number | undefined;
	v4v6: boolean;
	v6only: boolean;
	mode: number | undefined;
	uid: number | undefined;
	gid: number | undefined;
	acceptProxy: boolean;
	cipMagic: number | undefined;
	proto: 'h1' | 'h2' | undefined;
	level: 'user' | 'operator' | 'admin' | undefined;
	ssl: boolean;
	tls: Writable<BindTlsModel>;
	crtLists: string[];
}

export interface BindOption {
	readonly name: string;
	/** Number of words that follow it. */
	readonly arguments: number;
	parse?(statement: Statement, index: number, options: BindOptions, state: ParserState): void;
	/** Looks at an argument that nothing is done with. */
	check?(statement: Statement, index: number): void;
	readonly withoutEffect?: string;
	readonly refused?: true;
}

/** An octal file mode, as `mode 660`. */
export function fileMode(statement: Statement, index: number): number | undefined {
	const text = statement.word(index);
	if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
	statement.alert(`'mode' expects a file mode in octal, got '${text}'`);
	return undefined;
}

export function userIdOf(statement: Statement, index: number, state: ParserState): number | undefined {
	const id = state.userId(statement.word(index));
	if (id === undefined) statement.alert(`'user' : unknown user '${statement.word(index)}'`);
	return id;
}

export function groupIdOf(statement: Statement, index: number, state: ParserState): number | undefined {
	const id = state.groupId(statement.word(index));
	if (id === undefined) statement.alert(`'group' : unknown group '${statement.word(index)}'`);
	return id;
}

const MAX_ID = 2 ** 31 - 1;

/** `proto h1|h2`, of `bind` and `server` (manual, 5.1, 5.2). */
export function httpProtocol(statement: Statement, index: number, keyword: string): 'h1' | 'h2' | undefined {
	const name = statement.word(index);
	if (name === 'h1' || name === 'h2') return name;
	if (name === 'fcgi' || name === 'quic' || name === 'none') {
		statement.alert(`'${keyword} proto ${name}' is not supported by holdfast, it speaks 'h1' and 'h2'`);
	} else statement.alert(`'proto' : unknown MUX protocol '${name}'${didYouMean(name, ['h1', 'h2'])}`);
	return undefined;
}

/** The most threads of HAProxy. */
const MAX_THREADS = 64;

/** `all`, `odd`, `even`, `3`, `2-5`, `2-`; a sentence if it is none of them, or not within the bounds. */
function wrongRange(text: string, max: number): string | undefined {
	const match = /^(\d+)(?:-(\d*))?$/.exec(text);
	if (['all', 'odd', 'even'].includes(text)) return undefined;
	if (match === null) return `'${text}' is not a valid number/range.`;
	const last = match[2] || match[1];
	return [match[1], last].every((bound) => Number(bound) >= 1 && Number(bound) <= max)
		? undefined
		: `'${text}' is not a valid number/range. It supports numbers from 1 to ${max}.`;
}

/** `process <process-set>[/<thread-set>]`: there is one process. */
function checkProcess(statement: Statement, index: number): void {
	const [processes = '', threads = 'all'] = statement.word(index).split('/');
	const wrong = wrongRange(processes, 1) ?? wrongRange(threads, MAX_THREADS);
	if (wrong !== undefined) statement.alert(`'process' : ${wrong}`);
}

/** `thread [<thread-group>/]<thread-set>`: there is one group. */
function checkThreads(statement: Statement, index: number): void {
	const text = statement.word(index);
	const slash = text.indexOf('/');
	const wrong =
		(slash < 0 ? undefined : wrongRange(text.slice(0, slash), 1)) ?? wrongRange(text.slice(slash + 1), MAX_THREADS);
	if (wrong !== undefined) statement.alert(`'thread' : ${wrong}`);
}

function checkShards(statement: Statement, index: number): void {
	if (statement.word(index) === 'by-thread' || statement.word(index) === 'by-group') return;
	statement.integer(index, 'shards', 1, MAX_THREADS);
}

function checkSegmentSize(statement: Statement, index: number): void {
	const size = statement.integer(index, 'mss', -65535, 65535);
	if (size === 0) statement.alert(`'mss' : expects an MSS with and absolute value between 1 and 65535`);
}

/** `ktls on|off`, of `bind` and `server`. */
export const onOrOff = (statement: Statement, index: number): void =>
	void statement.choice(index, statement.word(index - 1), ['on', 'off']);

const BIND_OPTIONS: readonly BindOption[] = [
	{
		name: 'name',
		arguments: 1,
		parse: (s, i, o) => {
			o.name = s.word(i);
		},
	},
	{
		name: 'id',
		arguments: 1,
		parse: (s, i, o) => {
			o.id = s.integer(i, 'id', 1, MAX_ID);
		},
	},
	{
		name: 'maxconn',
		arguments: 1,
		parse: (s, i, o) => {
			// 0 is no limit.
			o.maxconn = s.integer(i, 'maxconn', 0, MAX_ID) || undefined;
		},
	},
	{
		name: 'backlog',
		arguments: 1,
		parse: (s, i, o) => {
			o.backlog = s.integer(i, 'backlog', 0, MAX_ID);
		},
	},
	{
		name: 'v4v6',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.v4v6 = true;
		},
	},
	{
		name: 'v6only',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.v6only = true;
		},
	},
	{
		name: 'mode',
		arguments: 1,
		parse: (s, i, o) => {
			o.mode = fileMode(s, i);
		},
	},
	{
		name: 'uid',
		arguments: 1,
		parse: (s, i, o) => {
			o.uid = s.integer(i, 'uid', 0, MAX_ID);
		},
	},
	{
		name: 'gid',
		arguments: 1,
		parse: (s, i, o) => {
			o.gid = s.integer(i, 'gid', 0, MAX_ID);
		},
	},
	{
		name: 'user',
		arguments: 1,
		parse: (s, i, o, state) => {
			o.uid = userIdOf(s, i, state);
		},
	},
	{
		name: 'group',
		arguments: 1,
		parse: (s, i, o, state) => {
			o.gid = groupIdOf(s, i, state);
		},
	},
	{
		name: 'accept-proxy',
		arguments: 0,
		parse: (_s, _i, o) => {
			o.acceptProxy = true;
		},
	},
	{
		name: 'accept-netscaler-cip',
		arguments: 1,
		parse: (s, i, o) => {
			o.cipMagic = s.integer(i, 'accept-netscaler-cip', 1, 2 ** 32 - 1);
		},
	},
	{
		name: 'level',
		arguments: 1,
		parse: (s, i, o) => {
			o.level = s.choice(i, 'level', ['user', 'operator', 'admin']);
		},
	},
	{
		name: 'proto',
		arguments: 1,
		parse: (s, i, o) => {
			o.proto = httpProtocol(s, i, 'bind');
		},
	},
	...BIND_TLS_OPTIONS,
	{ name: 'defer-accept', arguments: 0, withoutEffect: 'the system offers no such option to Node' },
	{ name: 'guid-prefix', arguments: 1, withoutEffect: 'listeners are known by their addresses' },
	{ name: 'label', arguments: 1, withoutEffect: 'the master process keeps the sockets over a reload' },
	{
		name: 'nice',
		arguments: 1,
		check: (s, i) => void s.integer(i, 'nice', -1024, 1024),
		withoutEffect: 'data threads have no such priorities',
	},
	{ name: 'process', arguments: 1, check: checkProcess, withoutEffect: 'every data thread listens on every address' },
	{ name: 'thread', arguments: 1, check: checkThreads, withoutEffect: 'every data thread listens on every address' },
	{ name: 'shards', arguments: 1, check: checkShards, withoutEffect: 'every data thread listens on every address' },
	{ name: 'mss', arguments: 1, check: checkSegmentSize, withoutEffect: 'the system offers no such option to Node' },
	{ name: 'tfo', arguments: 0, withoutEffect: 'the system offers no such option to Node' },
	{ name: 'cc', arguments: 1, withoutEffect: 'the system chooses how connections are kept from congestion' },
	{ name: 'ktls', arguments: 1, check: onOrOff, withoutEffect: 'TLS is spoken by the program, not by the kernel' },
	{ name: 'tcp-ut', arguments: 1, check: userTimeout, withoutEffect: 'the system offers no such option to Node' },
	{
		name: 'expose-fd',
		arguments: 1,
		check: (s, i) => void s.choice(i, 'expose-fd', ['listeners']),
		withoutEffect: 'the master process keeps the sockets over a reload',
	},
	{
		name: 'severity-output',
		arguments: 1,
		check: (s, i) => void s.choice(i, 'severity-output', ['none', 'number', 'string']),
		withoutEffect: 'answers carry no severity',
	},
	...[
		['idle-ping', 1],
		['interface', 1],
		['namespace', 1],
		['nbconn', 1],
		['quic-force-retry', 0],
		['quic-cc-algo', 1],
		['tcp-md5sig', 1],
		['transparent', 0],
	].map(([name, count]): BindOption => ({ name: String(name), arguments: Number(count), refused: true })),
];

const BY_NAME: ReadonlyMap<string, BindOption> = new Map(BIND_OPTIONS.map((option) => [option.name, option]));

/** Names of all options, for the matrix of `-vv`. */
export const bindOptionRows = (): readonly Pick<BindOption, 'name' | 'refused' | 'withoutEffect'>[] => BIND_OPTIONS;

export function newBindOptions(): BindOptions {
	return {
		name: undefined,
		id: undefined,
		maxconn: undefined,
		backlog: undefined,
		v4v6: false,
		v6only: false,
		mode: undefined,
		uid: undefined,
		gid: undefined,
		acceptProxy: false,
		cipMagic: undefined,
		proto: undefined,
		level: undefined,
		ssl: false,
		tls: { ...NO_BIND_TLS, certificates: [], crt: [], alpn: [] },
		crtLists: [],
	};
}

/** `ssl-default-bind-*` of the global section. */
function withDefaults(options: BindOptions, state: ParserState): BindOptions {
	Object.assign(options.tls, state.global.bindTlsDefaults);
	return options;
}

/** The words between the brackets of a `crt-list` line; undefined after an alert. */
export function readCrtListOptions(
	words: readonly string[],
	line: Statement,
	state: ParserState,
): CertificateOptions | undefined {
	const options = newBindOptions();
	return readCertificateOptions(words, line, state, options.tls, {
		argumentsOf: (word) => BY_NAME.get(word)?.arguments,
		parse: (word, statement, index) => BY_NAME.get(word)?.parse?.(statement, index, options, state),
	});
}

/** The TLS of a line with the files it names. Peers read theirs when they start. */
function finishTls(options: BindOptions, statement: Statement, state: ParserState): BindTlsModel {
	const { tls } = options;
	if (statement.section === 'peers') return { ...tls };
	const certificates = readBindCertificates(tls, options.crtLists, statement, state, (words, line) =>
		readCrtListOptions(words, line, state),
	);
	return { ...tls, crtLists: options.crtLists, ...certificates };
}

/** Reads options from words[from] on; false if one was refused. */
export function readBindOptions(
	statement: Statement,
	from: number,
	options: BindOptions,
	state: ParserState,
	keyword = 'bind',
): boolean {
	const errorsBefore = statement.diagnostics.errorCount;
	for (let i = from; i < statement.words.length; ) {
		const word = statement.word(i);
		const option = BY_NAME.get(word);
		if (option === undefined) {
			statement.alert(
				`'${keyword} ${statement.word(1)}' : unknown keyword '${word}'${didYouMean(word, BY_NAME.keys())}`,
			);
			return false;
		}
		if (option.refused === true) {
			statement.alert(`'${keyword} ${statement.word(1)}' : '${word}' is not supported by holdfast`);
		} else if (option.arguments === 1 && statement.word(i + 1) === '') {
			statement.alert(`'${keyword} ${statement.word(1)}' : '${word}' : missing value`);
		} else if (option.withoutEffect !== undefined) {
			option.check?.(statement, i + 1);
			statement.diagnostics.noticeOnce(
				`bind ${word}`,
				statement.place,
				`'${keyword}' option '${word}' is accepted without effect: ${option.withoutEffect}.`,
			);
		} else {
			option.parse?.(statement, i + 1, options, state);
			remarkPending(`bind ${word}`, statement.place, statement.diagnostics);
		}
		i += 1 + option.arguments;
	}
	return statement.diagnostics.errorCount === errorsBefore;
}

/** `bind <address>[:<ports>][,...] [options]`, from words[addressAt] on. */
export function readBind(
	statement: Statement,
	addressAt: number,
	state: ParserState,
	options: BindOptions = withDefaults(newBindOptions(), state),
	keyword = 'bind',
): BindDraft[] {
	const addresses = statement.word(addressAt);
	if (addresses === '') {
		statement.alert(`'${keyword}' expects {<path>|[addr1]:port1[-end1]}{,[addr]:port[-end]}... as arguments.`);
		return [];
	}
	const { unixBind } = state.global;
	readBindOptions(statement, addressAt + 1, options, state, keyword);
	const tls = options.ssl ? finishTls(options, statement, state) : undefined;
	if (!options.ssl && options.tls.crt.length > 0) {
		statement.warning(`a certificate was specified but SSL was not enabled on '${keyword} ${addresses}' (use 'ssl').`);
	}
	if (options.level !== undefined) {
		statement.warning(`'level' on '${keyword} ${addresses}' means nothing: it belongs to 'stats socket' lines.`);
	}
	const drafts: BindDraft[] = [];
	// A comma at the end is no address more.
	for (const text of addresses.replace(/(?<=.),$/, '').split(',')) {
		const parsed = parseAddress(text, {
			port: 'required',
			range: true,
			names: true,
			anyHost: true,
			fd: true,
			unixPrefix: unixBind.prefix,
		});
		if (!parsed.ok) {
			statement.alert(`'${keyword}' : ${parsed.reason}`);
			continue;
		}
		const { address, lastPort } = parsed;
		const firstPort = 'port' in address ? address.port : 0;
		if (lastPort - firstPort + drafts.length >= MAX_LISTENERS_PER_LINE) {
			statement.alert(`'${keyword}' : more than ${MAX_LISTENERS_PER_LINE} listeners on one line`);
			break;
		}
		const isUnix = address.kind === 'unix';
		for (let port = firstPort; port <= lastPort || port === firstPort; port++) {
			drafts.push({
				place: statement.place,
				address: 'port' in address ? { ...address, port } : address,
				// Only the first of several may have the id of the line; check.ts refuses the others.
				id: drafts.length === 0 ? options.id : undefined,
				name: options.name,
				maxconn: options.maxconn,
				backlog: options.backlog,
				v4v6: options.v4v6,
				v6only: options.v6only,
				mode: options.mode ?? (isUnix ? unixBind.mode : undefined),
				uid: options.uid ?? (isUnix ? unixBind.uid : undefined),
				gid: options.gid ?? (isUnix ? unixBind.gid : undefined),
				acceptProxy: options.acceptProxy,
				cipMagic: options.cipMagic,
				proto: options.proto,
				tls,
			});
		}
	}
	return drafts;
}
