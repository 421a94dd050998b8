/** The `global` section (manual, chapter 3). */
import { parseAddress } from '../address.js';
import type { GlobalDraft } from '../draft.js';
import type { H2Tuning, TuneModel } from '../model.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, Statement } from '../statement.js';
import { fileMode, groupIdOf, newBindOptions, readBindOptions, userIdOf } from './bind.js';
import { GLOBAL_BEHAVIOUR_KEYWORDS } from './global-behaviour.js';
import { ACCEPTED_GLOBAL, REFUSED_GLOBAL } from './global-unbuilt.js';
import { HEADER_CASE_KEYWORDS } from './header-cases.js';
import { readLog } from './log.js';
import { TLS_DEFAULT_KEYWORDS } from './tls-defaults.js';
import { TLS_GLOBAL_KEYWORDS } from './tls-global.js';

const MAX_INT = 2 ** 31 - 1;
const MAX_THREADS = 64;
/** Statistics connections; a bound on what the socket may be made to hold. */
const MAX_STATS_CONNECTIONS = 65535;

/** Keywords that may stand once only, as HAProxy has it. */
function once(statement: Statement, global: GlobalDraft, keyword = statement.word(0)): boolean {
	if (global.seen.has(keyword)) {
		statement.warning(`'${keyword}' already specified. Continuing.`);
		return false;
	}
	global.seen.set(keyword, statement.place);
	return true;
}

type Row = Keyword<ParserState>;

/** A row of one number, put into a field of `tune`. */
function tuneRow(
	name: string,
	field: { [K in keyof TuneModel]: TuneModel[K] extends number | undefined ? K : never }[keyof TuneModel],
	min: number,
	max: number,
): Row {
	return {
		name,
		parse(statement, { global }) {
			const value = statement.integer(1, name, min, max);
			if (value !== undefined && statement.atMost(1)) global.tune[field] = value;
		},
	};
}

/** A row of `tune.h2`: one number for clients (`fe`), servers (`be`) or both. */
function h2Row(name: string, fields: readonly (keyof H2Tuning)[], min: number, max: number): Row {
	return {
		name,
		parse(statement, { global }) {
			const value = statement.integer(1, name, min, max);
			if (value === undefined || !statement.atMost(1)) return;
			for (const field of fields) global.tune.h2 = { ...global.tune.h2, [field]: value };
		},
	};
}

/** What a connection of HTTP/2 may hold unread: a size. */
function h2BufferRow(name: string, field: 'feReceiveBufferBytes' | 'beReceiveBufferBytes'): Row {
	return {
		name,
		parse(statement, { global }) {
			const value = statement.size(1, name, MAX_INT);
			if (value === undefined || !statement.atMost(1)) return;
			global.tune.h2 = { ...global.tune.h2, [field]: value };
		},
	};
}

/** A row of one number that may stand once. */
function numberRow(name: string, min: number, max: number, set: (global: GlobalDraft, value: number) => void): Row {
	return {
		name,
		parse(statement, { global }) {
			if (!once(statement, global)) return;
			const value = statement.integer(1, name, min, max);
			if (value !== undefined && statement.atMost(1)) set(global, value);
		},
	};
}

function timeRow(name: string, set: (global: GlobalDraft, milliseconds: number) => void): Row {
	return {
		name,
		parse(statement, { global }) {
			const value = statement.timeMs(1, name);
			if (value !== undefined && statement.atMost(1)) set(global, value);
		},
	};
}

function textRow(name: string, what: string, set: (global: GlobalDraft, text: string) => void): Row {
	return {
		name,
		parse(statement, { global }) {
			const text = statement.onlyArgument(what);
			if (text !== undefined) set(global, text);
		},
	};
}

/** Reads `400-499,-404,429` of `http-err-codes`: ranges are added, or taken away behind a minus. */
function statusCodes(statement: Statement, codes: readonly number[]): number[] | undefined {
	const set = new Set(codes);
	// A first item without sign says the whole set; with a sign it changes the one there is.
	let first = true;
	for (const item of statement.words.slice(1).flatMap((word) => word.split(','))) {
		const match = /^([+-]?)(\d{3})(?:-(\d{3}))?$/.exec(item);
		const low = Number(match?.[2] ?? 0);
		const high = Number(match?.[3] ?? match?.[2] ?? 0);
		if (match === null || low < 100 || high > 599 || high < low) {
			statement.alert(`'${statement.word(0)}' expects status codes or ranges such as '400-499,-404', got '${item}'`);
			return undefined;
		}
		if (match[1] === '' && first) set.clear();
		first = false;
		for (let status = low; status <= high; status++) {
			if (match[1] === '-') set.delete(status);
			else set.add(status);
		}
	}
	if (first) statement.alert(`'${statement.word(0)}' expects status codes or ranges such as '400-499,-404'`);
	return first ? undefined : [...set].sort((a, b) => a - b);
}

const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `set-var`, `set-var-fmt`: compiled with the rules, which is where expressions are understood. */
function readSetVar(statement: Statement, { global }: ParserState): void {
	if (statement.word(1) === '' || statement.word(2) === '') {
		const what = statement.word(0) === 'set-var' ? 'a sample expression' : 'a format string';
		statement.alert(`'${statement.word(0)}' requires a process-wide variable name ('proc.<name>') and ${what}.`);
		return;
	}
	global.variables.push(statement.rest(0));
}

function environmentName(statement: Statement, index: number): string | undefined {
	const name = statement.word(index);
	if (ENVIRONMENT_NAME.test(name)) return name;
	statement.alert(`'${statement.word(0)}' expects the name of an environment variable, got '${name}'.`);
	return undefined;
}

function readSetenv(statement: Statement, state: ParserState): void {
	if (statement.words.length < 3) {
		statement.alert(`'${statement.word(0)}' expects a name and a value.`);
		return;
	}
	const name = environmentName(statement, 1);
	if (name === undefined || !statement.atMost(2)) return;
	if (statement.word(0) === 'presetenv' && state.environment.has(name)) return;
	state.environment.set(name, statement.word(2));
}

function readStatsSocket(statement: Statement, state: ParserState): void {
	const text = statement.word(2);
	if (text === '') {
		statement.alert(`'stats socket' expects an address or a path to a UNIX socket.`);
		return;
	}
	const parsed = parseAddress(text, {
		port: 'required',
		names: true,
		anyHost: true,
		fd: true,
		unixPrefix: state.global.unixBind.prefix,
	});
	if (!parsed.ok) statement.alert(`'stats socket' : ${parsed.reason}`);
	const options = newBindOptions();
	const shifted = new Statement(statement.place, statement.words.slice(1), statement.section, statement.diagnostics);
	readBindOptions(shifted, 2, options, state, 'stats socket');
	if (options.ssl || options.acceptProxy) {
		statement.alert(`'stats socket' : 'ssl' and 'accept-proxy' are not supported by holdfast on this socket`);
	}
	if (!parsed.ok) return;
	const { unixBind } = state.global;
	state.global.statsSockets.push({
		place: statement.place,
		address: parsed.address,
		level: options.level ?? 'operator',
		mode: options.mode ?? unixBind.mode,
		uid: options.uid ?? unixBind.uid,
		gid: options.gid ?? unixBind.gid,
		name: options.name,
		maxconn: options.maxconn,
	});
}

function readUnixBind(statement: Statement, state: ParserState): void {
	const { unixBind } = state.global;
	if (statement.words.length < 2) {
		statement.alert(`'unix-bind' expects at least one option.`);
		return;
	}
	for (let i = 1; i < statement.words.length; i += 2) {
		const word = statement.word(i);
		switch (word) {
			case 'prefix':
				unixBind.prefix = statement.word(i + 1);
				break;
			case 'mode':
				unixBind.mode = fileMode(statement, i + 1);
				break;
			case 'uid':
				unixBind.uid = statement.integer(i + 1, 'uid', 0, MAX_INT);
				break;
			case 'gid':
				unixBind.gid = statement.integer(i + 1, 'gid', 0, MAX_INT);
				break;
			case 'user':
				unixBind.uid = userIdOf(statement, i + 1, state);
				break;
			case 'group':
				unixBind.gid = groupIdOf(statement, i + 1, state);
				break;
			default:
				statement.alert(`'unix-bind' only supports the 'prefix', 'mode', 'uid', 'gid', 'user' and 'group' options.`);
				return;
		}
	}
}

/** `default-path { current | config | parent | origin <path> }` */
function readDefaultPath(statement: Statement, { global }: ParserState): void {
	const policy = statement.choice(1, 'default-path', ['current', 'config', 'parent', 'origin']);
	if (policy === undefined) return;
	const origin = statement.word(2);
	if (policy === 'origin' && origin === '')
		statement.alert(`'default-path origin' expects a directory as an argument.`);
	else if (policy === 'origin' ? statement.atMost(2) : statement.atMost(1)) global.defaultPath = { policy, origin };
}

const BUILT: readonly Row[] = [
	{
		name: 'daemon',
		parse: (statement, { global }) => {
			global.daemon = statement.atMost(0) || global.daemon;
		},
	},
	{
		name: 'master-worker',
		parse(statement, { global }) {
			if (statement.word(1) !== '' && statement.word(1) !== 'no-exit-on-failure') {
				statement.alert(`'master-worker' only supports 'no-exit-on-failure' option.`);
			} else global.masterWorker = true;
		},
	},
	{
		name: 'nbthread',
		parse(statement, { global }) {
			const value = statement.integer(1, 'nbthread', 1, MAX_THREADS);
			if (value !== undefined && statement.atMost(1)) global.nbthread = value;
		},
	},
	{
		name: 'nbproc',
		parse(statement) {
			if (statement.word(1) === '1') {
				statement.warning(`'nbproc' means nothing since HAProxy 2.5; threads are used on all cores.`);
			} else {
				statement.alert(
					`nbproc is not supported any more since HAProxy 2.5. Threads will automatically be used on multi-processor machines if available.`,
				);
			}
		},
	},
	numberRow('maxconn', 0, MAX_INT, (global, value) => {
		global.maxconn = value === 0 ? undefined : value;
	}),
	numberRow('maxconnrate', 0, MAX_INT, (global, value) => {
		global.rateLimits.connections = value;
	}),
	numberRow('maxsessrate', 0, MAX_INT, (global, value) => {
		global.rateLimits.sessions = value;
	}),
	numberRow('maxsslrate', 0, MAX_INT, (global, value) => {
		global.rateLimits.tls = value;
	}),
	textRow('pidfile', 'a file name', (global, text) => {
		global.pidfile = text;
	}),
	{
		name: 'localpeer',
		parse(statement, state) {
			const name = statement.onlyArgument('a name');
			if (name === undefined) return;
			// It goes over the wire as a word of a line of text.
			if (/\s/.test(name)) {
				statement.alert(`'localpeer' expects a name without spaces.`);
				return;
			}
			state.global.localpeer = name;
			state.environment.set('HAPROXY_LOCALPEER', name);
		},
	},
	{
		name: 'node',
		parse(statement, { global }) {
			const name = statement.word(1);
			if (/^[A-Za-z0-9_.-]+$/.test(name)) global.node = name;
			else {
				statement.alert(
					`'node' requires valid node name - non-empty string with digits(0-9), letters(A-Z, a-z), dot(.), hyphen(-) or underscore(_).`,
				);
			}
		},
	},
	{
		name: 'description',
		parse(statement, { global }) {
			if (statement.word(1) === '') statement.alert(`'description' expects a string argument.`);
			else global.description = statement.words.slice(1).join(' ');
		},
	},
	{
		name: 'log',
		invertible: true,
		parse: (statement, { global }) => readLog(statement, global.logTargets, false),
	},
	textRow('log-tag', 'a tag for use in syslog', (global, text) => {
		global.logTag = text;
	}),
	{
		name: 'log-send-hostname',
		parse(statement, { global }) {
			// Without argument the name of the machine is meant; the loader knows it.
			if (statement.atMost(1)) global.logSendHostname = statement.word(1);
		},
	},
	timeRow('hard-stop-after', (global, value) => {
		global.hardStopAfterMs = value;
	}),
	timeRow('grace', (global, value) => {
		global.graceMs = value;
	}),
	{
		name: 'close-spread-time',
		parse(statement, { global }) {
			if (statement.word(1) === 'infinite') global.closeSpreadTimeMs = 'infinite';
			else global.closeSpreadTimeMs = statement.timeMs(1, 'close-spread-time');
		},
	},
	numberRow('mworker-max-reloads', 0, MAX_INT, (global, value) => {
		global.mworkerMaxReloads = value;
	}),
	{
		name: 'spread-checks',
		parse(statement, { global }) {
			global.spreadChecksPercent = statement.integer(1, 'spread-checks', 0, 50) ?? 0;
		},
	},
	timeRow('max-spread-checks', (global, milliseconds) => {
		global.maxSpreadChecksMs = milliseconds;
	}),
	numberRow('uid', 0, MAX_INT, (global, value) => {
		global.uid = value;
	}),
	numberRow('gid', 0, MAX_INT, (global, value) => {
		global.gid = value;
	}),
	{
		name: 'user',
		parse(statement, state) {
			if (!once(statement, state.global, 'uid')) return;
			const name = statement.onlyArgument('a user name');
			if (name === undefined) return;
			state.global.uid = state.userId(name);
			if (state.global.uid === undefined) statement.alert(`cannot find user id for '${name}'`);
		},
	},
	{
		name: 'group',
		parse(statement, state) {
			if (!once(statement, state.global, 'gid')) return;
			const name = statement.onlyArgument('a group name');
			if (name === undefined) return;
			state.global.gid = state.groupId(name);
			if (state.global.gid === undefined) statement.alert(`cannot find group id for '${name}'`);
		},
	},
	{
		name: 'chroot',
		parse(statement, { global }) {
			const directory = statement.onlyArgument('a directory');
			if (directory === undefined || !once(statement, global)) return;
			global.chroot = directory;
			statement.diagnostics.noticeOnce(
				'chroot',
				statement.place,
				`'chroot' is accepted without effect: Node cannot change its root; the process keeps its view of the file system.`,
			);
		},
	},
	{ name: 'stats socket', parse: readStatsSocket },
	{
		name: 'stats timeout',
		parse(statement, { global }) {
			global.statsTimeoutMs = statement.timeMs(2, 'stats timeout') ?? global.statsTimeoutMs;
		},
	},
	{
		name: 'stats maxconn',
		parse(statement, { global }) {
			global.statsMaxconn = statement.integer(2, 'stats maxconn', 1, MAX_STATS_CONNECTIONS) ?? global.statsMaxconn;
		},
	},
	...GLOBAL_BEHAVIOUR_KEYWORDS,
	{ name: 'unix-bind', parse: readUnixBind },
	{ name: 'default-path', parse: readDefaultPath },
	{ name: 'set-var', parse: readSetVar },
	{ name: 'set-var-fmt', parse: readSetVar },
	{ name: 'setenv', parse: readSetenv },
	{ name: 'presetenv', parse: readSetenv },
	{
		name: 'unsetenv',
		parse(statement, { environment }) {
			if (statement.words.length < 2) statement.alert(`'unsetenv' expects at least one name.`);
			for (const name of statement.words.slice(1)) environment.delete(name);
		},
	},
	{
		name: 'resetenv',
		parse(statement, { environment }) {
			const kept = new Set(statement.words.slice(1));
			for (const name of [...environment.keys()]) if (!kept.has(name)) environment.delete(name);
		},
	},
	textRow('ca-base', 'a directory', (global, text) => {
		global.caBase = text;
	}),
	{
		name: 'external-check',
		parse(statement, { global }) {
			if (statement.atMost(0)) global.externalCheck = true;
		},
	},
	{
		name: 'insecure-fork-wanted',
		invertible: true,
		parse(statement, { global }) {
			if (statement.atMost(0)) global.forkWanted = statement.prefix === undefined;
		},
	},
	textRow('server-state-base', 'one argument: a directory path', (global, text) => {
		global.serverStateBase = text;
	}),
	textRow('server-state-file', 'one argument: a file path', (global, text) => {
		global.serverStateFile = text;
	}),
	textRow('crt-base', 'a directory', (global, text) => {
		global.crtBase = text;
	}),
	{
		name: 'h2-workaround-bogus-websocket-clients',
		invertible: true,
		parse: (statement, { global }) => {
			global.tune.h2 = { ...global.tune.h2, feWebSocket: statement.prefix === 'no' };
		},
	},
	{
		name: 'strict-limits',
		invertible: true,
		parse: (statement, { global }) => {
			global.strictLimits = statement.prefix !== 'no';
		},
	},
	{
		name: 'http-err-codes',
		parse(statement, { global }) {
			global.httpErrCodes = statusCodes(statement, global.httpErrCodes) ?? global.httpErrCodes;
		},
	},
	{
		name: 'http-fail-codes',
		parse(statement, { global }) {
			global.httpFailCodes = statusCodes(statement, global.httpFailCodes) ?? global.httpFailCodes;
		},
	},
	{
		name: 'stick-table-file',
		parse(statement, { global }) {
			const path = statement.word(1);
			if (path === '') {
				statement.alert(`'stick-table-file' expects a path, and may have 'interval <time>'.`);
				return;
			}
			let intervalMs = 1000;
			if (statement.word(2) === 'interval') {
				const interval = statement.timeMs(3, 'stick-table-file interval');
				if (interval === 0) statement.alert(`'stick-table-file interval' must be at least 1 ms.`);
				intervalMs = interval ?? intervalMs;
				if (!statement.atMost(3)) return;
			} else if (!statement.atMost(1)) return;
			global.stickTableFile = { path, intervalMs };
		},
	},
	{
		name: 'tune.http.engine',
		parse(statement, { global }) {
			global.tune.httpEngine = statement.choice(1, 'tune.http.engine', ['native', 'node']) ?? 'native';
		},
	},
	{
		name: 'tune.reload.keep-tables',
		parse(statement, { global }) {
			global.tune.reloadKeepTables = statement.choice(1, 'tune.reload.keep-tables', ['on', 'off']) !== 'off';
		},
	},
	{
		name: 'tune.bufsize',
		parse(statement, { global }) {
			const size = statement.size(1, 'tune.bufsize', 2 ** 28);
			if (size === undefined) return;
			if (size < 1024) statement.alert(`'tune.bufsize' expects at least 1024 bytes, got '${statement.word(1)}'`);
			else global.tune.bufsizeBytes = size;
		},
	},
	{
		name: 'tune.maxrewrite',
		parse(statement, { global }) {
			global.tune.maxrewriteBytes = statement.size(1, 'tune.maxrewrite', 2 ** 28) ?? global.tune.maxrewriteBytes;
			global.maxrewriteSet = true;
		},
	},
	tuneRow('tune.http.maxhdr', 'httpMaxhdr', 1, 32767),
	h2Row('tune.h2.header-table-size', ['headerTableSize'], 0, 65536),
	h2Row('tune.h2.max-frame-size', ['maxFrameSize'], 16384, 2 ** 24 - 1),
	h2Row('tune.h2.initial-window-size', ['feInitialWindowSize', 'beInitialWindowSize'], 0, MAX_INT),
	h2Row('tune.h2.fe.initial-window-size', ['feInitialWindowSize'], 0, MAX_INT),
	h2Row('tune.h2.be.initial-window-size', ['beInitialWindowSize'], 0, MAX_INT),
	h2Row('tune.h2.max-concurrent-streams', ['feMaxConcurrentStreams', 'beMaxConcurrentStreams'], 0, MAX_INT),
	h2Row('tune.h2.fe.max-concurrent-streams', ['feMaxConcurrentStreams'], 0, MAX_INT),
	h2Row('tune.h2.be.max-concurrent-streams', ['beMaxConcurrentStreams'], 0, MAX_INT),
	h2Row('tune.h2.fe.max-total-streams', ['feMaxTotalStreams'], 0, MAX_INT),
	h2BufferRow('tune.h2.fe.rxbuf', 'feReceiveBufferBytes'),
	h2BufferRow('tune.h2.be.rxbuf', 'beReceiveBufferBytes'),
	h2Row('tune.h2.fe.glitches-threshold', ['feGlitchesThreshold'], 0, MAX_INT),
	h2Row('tune.h2.be.glitches-threshold', ['beGlitchesThreshold'], 0, MAX_INT),
	tuneRow('tune.comp.maxlevel', 'compressionLevelMax', 1, 9),
	numberRow('maxcomprate', 0, MAX_INT, (global, kilobytes) => {
		global.compressionRateMax = kilobytes * 1024;
	}),
	numberRow('maxcompcpuusage', 0, 100, (global, percent) => {
		global.compressionCpuMaxPercent = percent;
	}),
	tuneRow('tune.http.logurilen', 'httpLogurilen', 0, MAX_INT),
	{
		name: 'tune.http.cookielen',
		parse(statement, { global }) {
			const value = statement.integer(1, 'tune.http.cookielen', 1, MAX_INT);
			// The captured value holds one character less, as the terminating zero had its place there.
			if (value !== undefined) global.tune.httpCookielen = value;
		},
	},
	tuneRow('tune.stick-counters', 'stickCounters', 1, 100),
	tuneRow('tune.maxaccept', 'maxaccept', -1, MAX_INT),
	{
		name: 'tune.idletimer',
		parse(statement, { global }) {
			const value = statement.timeMs(1, 'tune.idletimer');
			if (value === undefined) return;
			if (value > 65535) statement.alert(`'tune.idletimer' expects a duration between 0 and 65535 ms.`);
			else global.tune.idletimerMs = value;
		},
	},
	tuneRow('tune.pool-low-fd-ratio', 'poolLowFdRatio', 0, 100),
	tuneRow('tune.peers.max-updates-at-once', 'peersMaxUpdatesAtOnce', 1, MAX_INT),
	// Holdfast's own: shared memory does not grow.
	tuneRow('tune.dynamic-servers', 'dynamicServers', 0, 65_536),
	tuneRow('tune.pattern.cache-size', 'patternCacheSize', 0, MAX_INT),
];

export const GLOBAL_KEYWORDS = new KeywordTable<ParserState>(
	BUILT,
	HEADER_CASE_KEYWORDS,
	TLS_DEFAULT_KEYWORDS,
	TLS_GLOBAL_KEYWORDS,
	ACCEPTED_GLOBAL,
	REFUSED_GLOBAL,
);
