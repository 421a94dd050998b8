/**
 * The keywords of `defaults`, `frontend`, `listen` and `backend` (manual, 4.1 and 4.2): one table for the
 * four, each row with the sections it may stand in.
 */
import { didYouMean } from '../../core/diagnostics.js';
import type { TimeoutsModel } from '../model.js';
import { type Keyword, KeywordTable, refused, type Statement, withoutEffect } from '../statement.js';
import { readBalance, readCookie, readHashType } from './balance.js';
import { readBind } from './bind.js';
import { readErrorFile, readErrorFiles, readErrorLocation, readHttpError } from './error-replies.js';
import { FILTER_KEYWORDS } from './filters.js';
import { HEALTH_CHECK_KEYWORDS } from './health-checks.js';
import { OPTION_KEYWORDS } from './options.js';
import { LOGGING_KEYWORDS } from './proxy-logging.js';
import {
	BACK,
	FRONT,
	integerRow,
	MAX_INT,
	NOT_DEFAULTS,
	ONLY_BACK,
	ONLY_FRONT,
	type ProxySite,
	textRow,
} from './proxy-site.js';
import { refuseInAnonymousDefaults, ruleRow, warnOrder } from './rule-lines.js';
import { parseSource, readDefaultServer, readDispatch, readServer } from './server.js';
import { readServerTemplate } from './server-resolution.js';
import { STATS_KEYWORDS } from './stats.js';
import { readStickTable } from './stick-table.js';

const TIMEOUTS: readonly (readonly [name: string, field: keyof TimeoutsModel, sections: readonly string[]])[] = [
	['client', 'clientMs', FRONT],
	['client-fin', 'clientFinMs', FRONT],
	['client-hs', 'clientHandshakeMs', FRONT],
	['http-keep-alive', 'httpKeepAliveMs', ['defaults', 'frontend', 'listen', 'backend']],
	['http-request', 'httpRequestMs', ['defaults', 'frontend', 'listen', 'backend']],
	['connect', 'connectMs', BACK],
	['queue', 'queueMs', BACK],
	['server', 'serverMs', BACK],
	['server-fin', 'serverFinMs', BACK],
	['check', 'checkMs', BACK],
	['tarpit', 'tarpitMs', ['defaults', 'frontend', 'listen', 'backend']],
	['tunnel', 'tunnelMs', BACK],
];

const RETRY_EVENTS = [
	'none',
	'conn-failure',
	'empty-response',
	'junk-response',
	'response-timeout',
	'0rtt-rejected',
	'401',
	'403',
	'404',
	'408',
	'425',
	'429',
	'500',
	'501',
	'502',
	'503',
	'504',
	'all-retryable-errors',
];

/**
 * `redirect` as a line of its own is the action of `http-request` with the same arguments, but for its location,
 * which is taken as it stands (manual, 4.2 `redirect`): a `%` in it is doubled for the action, which reads formats.
 */
function readRedirect(statement: Statement, { proxy }: ProxySite): void {
	warnOrder(statement, proxy, 'redirects');
	const line = statement.rest(0);
	const words = line.words.map((word, i) =>
		LOCATIONS.has(line.words[i - 1] ?? '') ? word.replaceAll('%', '%%') : word,
	);
	proxy.redirects.push({ ...line, words });
}

const LOCATIONS: ReadonlySet<string> = new Set(['location', 'prefix', 'scheme']);

const BUILT: readonly Keyword<ProxySite>[] = [
	{
		name: 'bind',
		sections: ONLY_FRONT,
		parse: (statement, { proxy, state }) => void proxy.binds.push(...readBind(statement, 1, state)),
	},
	{
		name: 'mode',
		parse(statement, { proxy }) {
			const text = statement.word(1);
			if (text === 'health') {
				statement.alert(`'mode health' doesn't exist anymore. Please use 'http-request return status 200' instead.`);
				return;
			}
			const mode = statement.choice(1, 'mode', ['http', 'tcp']);
			if (mode === undefined || !statement.atMost(1)) return;
			proxy.mode = mode;
			proxy.modePlace = statement.place;
		},
	},
	integerRow('id', 'id', NOT_DEFAULTS, 1),
	textRow('guid', 'uuid', 'a name', NOT_DEFAULTS),
	{
		name: 'description',
		sections: NOT_DEFAULTS,
		parse(statement, { proxy }) {
			if (statement.word(1) === '') statement.alert(`'description' expects a string argument.`);
			else proxy.description = statement.words.slice(1).join(' ');
		},
	},
	{
		name: 'disabled',
		parse: (statement, { proxy }) => {
			proxy.disabled = statement.atMost(0) || proxy.disabled;
		},
	},
	{
		name: 'enabled',
		parse: (statement, { proxy }) => {
			proxy.disabled = !statement.atMost(0) && proxy.disabled;
		},
	},
	integerRow('maxconn', 'maxconn', FRONT, 0),
	integerRow('backlog', 'backlog', FRONT, 0),
	integerRow('rate-limit sessions', 'rateLimitSessions', FRONT, 0),
	integerRow('fullconn', 'fullconn', BACK, 1),
	integerRow('retries', 'retries', BACK, 0),
	integerRow('max-keep-alive-queue', 'maxKeepAliveQueue', BACK, -1),
	...TIMEOUTS.map(
		([name, field, sections]): Keyword<ProxySite> => ({
			name: `timeout ${name}`,
			sections,
			parse(statement, { proxy }) {
				const value = statement.timeMs(2, `timeout ${name}`);
				if (value === undefined || !statement.atMost(1, 2)) return;
				// 0 means no timeout at all, the same as none written.
				proxy.timeouts[field] = value === 0 ? undefined : value;
			},
		}),
	),
	{
		name: 'default_backend',
		sections: FRONT,
		parse(statement, { proxy }) {
			const name = statement.onlyArgument('a backend name');
			if (name !== undefined) proxy.defaultBackend = { place: statement.place, name };
		},
	},
	{
		name: 'use_backend',
		sections: ONLY_FRONT,
		parse(statement, { proxy }) {
			if (statement.word(1) === '') statement.alert(`'use_backend' expects a backend name.`);
			else if (statement.words.length > 2 && statement.word(2) !== 'if' && statement.word(2) !== 'unless') {
				statement.alert(
					`unexpected keyword '${statement.word(2)}' after backend name '${statement.word(1)}'; 'if' or 'unless' is expected.`,
				);
			} else proxy.useBackends.push(statement.rest(1));
		},
	},
	{
		name: 'persist',
		sections: ['defaults', ...ONLY_BACK],
		parse(statement, { proxy }) {
			const match = /^rdp-cookie(?:\(([^()]+)\))?$/.exec(statement.word(1));
			if (match === null) statement.alert(`'persist' expects 'rdp-cookie[(<name>)]', got '${statement.word(1)}'.`);
			else if (statement.atMost(1)) proxy.persistRdpCookie = match[1] ?? 'msts';
		},
	},
	{
		name: 'load-server-state-from-file',
		sections: ['defaults', ...ONLY_BACK],
		parse(statement, { proxy }) {
			const from = statement.choice(1, 'load-server-state-from-file', ['global', 'local', 'none']);
			if (from !== undefined && statement.atMost(1)) proxy.loadStateFrom = from;
		},
	},
	{
		name: 'server-state-file-name',
		sections: BACK,
		parse(statement, { proxy }) {
			// Without a word it is the name of the backend.
			const name = statement.word(1);
			if (statement.atMost(1)) proxy.stateFileName = name === 'use-backend-name' || name === '' ? undefined : name;
		},
	},
	{
		name: 'server-template',
		strictSections: true,
		sections: ONLY_BACK,
		parse(statement, { proxy, state }) {
			proxy.servers.push(...readServerTemplate(statement, proxy.serverDefaults, state));
		},
	},
	{
		name: 'use-server',
		sections: ONLY_BACK,
		parse(statement, { proxy }) {
			if (statement.word(1) === '' || (statement.word(2) !== 'if' && statement.word(2) !== 'unless')) {
				statement.alert(`'use-server' expects a server name, then 'if' or 'unless' and a condition.`);
			} else proxy.useServers.push(statement.rest(1));
		},
	},
	{
		name: 'server',
		strictSections: true,
		sections: ONLY_BACK,
		parse(statement, { proxy, state }) {
			const server = readServer(statement, proxy.serverDefaults, state);
			if (server !== undefined) proxy.servers.push(server);
		},
	},
	{
		name: 'default-server',
		strictSections: true,
		sections: BACK,
		parse: (statement, { proxy, state }) => readDefaultServer(statement, proxy.serverDefaults, state, false),
	},
	{
		name: 'balance',
		sections: BACK,
		parse: (statement, { proxy }) => {
			proxy.balance = readBalance(statement) ?? proxy.balance;
			proxy.balanceGiven = true;
		},
	},
	{
		name: 'dispatch',
		sections: ONLY_BACK,
		parse(statement, { proxy, state }) {
			if (!statement.atMost(1)) return;
			proxy.dispatchDraft = readDispatch(statement, state);
		},
	},
	{
		name: 'hash-type',
		sections: BACK,
		parse: (statement, { proxy }) => {
			proxy.hashType = readHashType(statement) ?? proxy.hashType;
		},
	},
	{
		name: 'hash-balance-factor',
		sections: BACK,
		parse(statement, { proxy }) {
			const value = statement.integer(1, 'hash-balance-factor', 0, MAX_INT);
			if (value === undefined) return;
			if (value > 0 && value <= 100) statement.alert(`'hash-balance-factor' must be 0 or greater than 100.`);
			else proxy.hashBalanceFactor = value;
		},
	},
	{
		name: 'hash-preserve-affinity',
		sections: BACK,
		parse(statement, { proxy }) {
			const choice = statement.choice(1, 'hash-preserve-affinity', ['always', 'maxconn', 'maxqueue']);
			if (choice !== undefined) proxy.hashAffinity = choice;
		},
	},
	{
		name: 'retry-on',
		strictSections: true,
		sections: BACK,
		parse(statement, { proxy }) {
			const events = statement.words.slice(1);
			if (events.length === 0) statement.alert(`'retry-on' expects at least one keyword.`);
			for (const event of events) {
				if (!RETRY_EVENTS.includes(event)) {
					statement.alert(`'retry-on' : unknown keyword '${event}'${didYouMean(event, RETRY_EVENTS)}`);
					return;
				}
			}
			if (events.includes('none') && events.length > 1) {
				statement.alert(`'retry-on' : 'none' keyword only usable alone.`);
			} else proxy.retryOn = events;
		},
	},
	{
		name: 'http-reuse',
		sections: BACK,
		parse(statement, { proxy }) {
			proxy.httpReuse = statement.choice(1, 'http-reuse', ['never', 'safe', 'aggressive', 'always']) ?? proxy.httpReuse;
		},
	},
	{
		name: 'cookie',
		sections: BACK,
		parse: (statement, { proxy }) => {
			proxy.cookie = readCookie(statement) ?? proxy.cookie;
		},
	},
	textRow('dynamic-cookie-key', 'dynamicCookieKey', 'a key', BACK),
	{
		name: 'source',
		sections: BACK,
		parse(statement, { proxy }) {
			if (statement.word(1) === '') statement.alert(`'source' expects <addr>[:<port>] as argument.`);
			else if (statement.words.length > 2) {
				statement.alert(`'source' : '${statement.word(2)}' is not supported by holdfast`);
			} else proxy.source = parseSource(statement, 1);
		},
	},
	{
		name: 'acl',
		parse(statement, { proxy }) {
			if (refuseInAnonymousDefaults(statement, proxy, 'acl')) return;
			const name = statement.word(1);
			const bad = /[^A-Za-z0-9_.:-]/.exec(name);
			if (bad !== null) statement.alert(`character '${bad[0]}' is not permitted in acl name '${name}'.`);
			else if (name === '' || statement.word(2) === '') {
				statement.alert(`'acl' expects a name, a criterion and patterns.`);
			} else if (name === 'or') {
				statement.alert(`acl name 'or' will never match. 'or' is used to express a disjunction within a condition.`);
			} else proxy.acls.push(statement.rest(1));
		},
	},
	ruleRow('tcp-request connection', 'tcpRequestConnection', FRONT),
	ruleRow('tcp-request session', 'tcpRequestSession', FRONT),
	ruleRow('tcp-request content', 'tcpRequestContent'),
	ruleRow('tcp-response content', 'tcpResponseContent', BACK),
	ruleRow('http-request', 'httpRequest'),
	ruleRow('http-response', 'httpResponse'),
	ruleRow('http-after-response', 'httpAfterResponse'),
	{ name: 'redirect', sections: NOT_DEFAULTS, parse: readRedirect },
	{
		name: 'tcp-request inspect-delay',
		parse(statement, { proxy }) {
			if (refuseInAnonymousDefaults(statement, proxy, 'tcp-request inspect-delay')) return;
			proxy.tcpRequestInspectDelayMs = statement.timeMs(2, 'tcp-request inspect-delay');
		},
	},
	{
		name: 'tcp-response inspect-delay',
		strictSections: true,
		sections: BACK,
		parse(statement, { proxy }) {
			if (refuseInAnonymousDefaults(statement, proxy, 'tcp-response inspect-delay')) return;
			proxy.tcpResponseInspectDelayMs = statement.timeMs(2, 'tcp-response inspect-delay');
		},
	},
	{
		name: 'clitcpka-idle',
		sections: FRONT,
		parse(statement, { proxy }) {
			if (statement.atMost(1)) proxy.clitcpkaIdleMs = statement.timeMs(1, 'clitcpka-idle', 's');
		},
	},
	{
		name: 'srvtcpka-idle',
		sections: BACK,
		parse(statement, { proxy }) {
			if (statement.atMost(1)) proxy.srvtcpkaIdleMs = statement.timeMs(1, 'srvtcpka-idle', 's');
		},
	},
	{
		name: 'errorfile',
		parse(statement, { proxy, state }) {
			const source = readErrorFile(statement, state);
			if (source !== undefined) proxy.errorSources.push({ kind: 'reply', ...source });
		},
	},
	...['errorloc', 'errorloc302', 'errorloc303'].map(
		(name): Keyword<ProxySite> => ({
			name,
			parse(statement, { proxy }) {
				const source = readErrorLocation(statement);
				if (source !== undefined) proxy.errorSources.push(source);
			},
		}),
	),
	{
		name: 'http-error',
		parse(statement, { proxy }) {
			const source = readHttpError(statement);
			if (source !== undefined) proxy.errorSources.push(source);
		},
	},
	{
		name: 'errorfiles',
		parse(statement, { proxy }) {
			const source = readErrorFiles(statement);
			if (source !== undefined) proxy.errorSources.push(source);
		},
	},
	{
		name: 'monitor-uri',
		sections: FRONT,
		parse(statement, { proxy }) {
			const uri = statement.onlyArgument('an URI');
			if (uri !== undefined) proxy.monitorUri = uri;
		},
	},
	{
		name: 'monitor fail',
		sections: ONLY_FRONT,
		parse(statement, { proxy }) {
			if (statement.word(2) !== 'if' && statement.word(2) !== 'unless') {
				statement.alert(`'monitor fail' requires either 'if' or 'unless' followed by a condition.`);
			} else proxy.monitorFails.push(statement.rest(2));
		},
	},
	{
		name: 'stick-table',
		sections: NOT_DEFAULTS,
		parse(statement, { proxy, state }) {
			if (proxy.stickTable !== undefined) {
				statement.alert(
					`stick-table name '${proxy.name}' conflicts with table declared in ${proxy.kind} '${proxy.name}' at ${proxy.stickTable.place.file}:${proxy.stickTable.place.line}.`,
				);
				return;
			}
			proxy.stickTable = readStickTable(statement, 1, proxy.name, undefined);
			state.tableRefused ||= proxy.stickTable === undefined;
		},
	},
	...(['match', 'on', 'store-request', 'store-response'] as const).map(
		(kind): Keyword<ProxySite> => ({
			name: `stick ${kind}`,
			sections: ONLY_BACK,
			parse(statement, { proxy }) {
				if (statement.word(2) === '') statement.alert(`'stick ${kind}' expects a sample expression.`);
				else proxy.stickRules.push({ ...statement.rest(2), kind });
			},
		}),
	),
	...(['force', 'ignore'] as const).map(
		(kind): Keyword<ProxySite> => ({
			name: `${kind}-persist`,
			sections: ONLY_BACK,
			parse(statement, { proxy }) {
				if (statement.word(1) !== 'if' && statement.word(1) !== 'unless') {
					statement.alert(`'${kind}-persist' requires either 'if' or 'unless' followed by a condition.`);
				} else proxy.persistRules.push({ ...statement.rest(1), kind });
			},
		}),
	),
	...LOGGING_KEYWORDS,
	...STATS_KEYWORDS,
	...FILTER_KEYWORDS,
	...HEALTH_CHECK_KEYWORDS,
	...OPTION_KEYWORDS,
];

const ACCEPTED: readonly Keyword<ProxySite>[] = [
	...withoutEffect<ProxySite>('the system offers Node the idle time of keep-alive, not the pace of its probes', [
		'clitcpka-cnt',
		'clitcpka-intvl',
		'srvtcpka-cnt',
		'srvtcpka-intvl',
	]),
	...withoutEffect<ProxySite>('every data thread serves every proxy', ['bind-process']),
	...withoutEffect<ProxySite>('idle connections belong to servers, and no client holds any', ['max-session-srv-conns']),
];

const REFUSED: readonly Keyword<ProxySite>[] = [
	...refused<ProxySite>(['force-be-switch', 'quic-initial', 'transparent']),
	...refused<ProxySite>(['email-alert'], 'alerts are log lines; let the log server send mail'),
	...refused<ProxySite>(['clitimeout'], "HAProxy has removed it, use 'timeout client'"),
	...refused<ProxySite>(['contimeout'], "HAProxy has removed it, use 'timeout connect'"),
	...refused<ProxySite>(['srvtimeout'], "HAProxy has removed it, use 'timeout server'"),
	...refused<ProxySite>(['redispatch', 'redisp'], "HAProxy has removed it, use 'option redispatch'"),
	...refused<ProxySite>(['monitor-net'], "HAProxy has removed it, use 'http-request return status 200 if { src ... }'"),
	...refused<ProxySite>(['grace'], "it is a keyword of 'global' today"),
	...refused<ProxySite>(
		[
			'appsession',
			'block',
			'reqadd',
			'reqallow',
			'reqdel',
			'reqdeny',
			'reqiallow',
			'reqidel',
			'reqideny',
			'reqipass',
			'reqirep',
			'reqitarpit',
			'reqpass',
			'reqrep',
			'reqtarpit',
			'rspadd',
			'rspdel',
			'rspdeny',
			'rspidel',
			'rspideny',
			'rspirep',
			'rsprep',
		],
		"HAProxy has removed it, use 'http-request' and 'http-response' rules",
	),
];

export const PROXY_KEYWORDS = new KeywordTable<ProxySite>(BUILT, ACCEPTED, REFUSED);
