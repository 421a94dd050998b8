/**
 * `option ...` lines (manual, 4.1 and 4.2). Most of them are a switch: one row names the field it turns on.
 * `no option x` turns it off, `default option x` gives it back its built-in value.
 */
import { IpAddress } from '../../core/address.js';
import { DEFAULT_OPTIONS, type Writable } from '../draft.js';
import type { ProxyOptions } from '../model.js';
import { type Keyword, refused, type Statement, withoutEffect } from '../statement.js';
import type { ProxySite } from './proxy-site.js';

const FRONT = ['defaults', 'frontend', 'listen'];
const BACK = ['defaults', 'listen', 'backend'];

type Switch = { [K in keyof ProxyOptions]: ProxyOptions[K] extends boolean ? K : never }[keyof ProxyOptions];

/** Name, field, and the sections whose side it belongs to; `http` when it means nothing in `mode tcp`. */
const SWITCHES: readonly (readonly [name: string, field: Switch, sections: readonly string[] | undefined])[] = [
	['abortonclose', 'abortonclose', BACK],
	['accept-invalid-http-request', 'acceptInvalidHttpRequest', FRONT],
	// Their names since HAProxy 3.0.
	['accept-unsafe-violations-in-http-request', 'acceptInvalidHttpRequest', FRONT],
	['accept-unsafe-violations-in-http-response', 'acceptInvalidHttpResponse', BACK],
	['accept-invalid-http-response', 'acceptInvalidHttpResponse', BACK],
	['allbackups', 'allbackups', BACK],
	['checkcache', 'checkcache', BACK],
	['clitcpka', 'clitcpka', FRONT],
	['contstats', 'contstats', FRONT],
	['disable-h2-upgrade', 'disableH2Upgrade', FRONT],
	['dontlog-normal', 'dontlogNormal', FRONT],
	['dontlognull', 'dontlognull', FRONT],
	['h1-case-adjust-bogus-client', 'h1CaseAdjustBogusClient', FRONT],
	['h1-case-adjust-bogus-server', 'h1CaseAdjustBogusServer', BACK],
	['http-buffer-request', 'httpBufferRequest', undefined],
	['http-ignore-probes', 'httpIgnoreProbes', FRONT],
	['http-no-delay', 'httpNoDelay', undefined],
	['http-pretend-keepalive', 'httpPretendKeepalive', BACK],
	['http-use-proxy-header', 'httpUseProxyHeader', FRONT],
	['idle-close-on-response', 'idleCloseOnResponse', FRONT],
	['independent-streams', 'independentStreams', undefined],
	// Holdfast's own: the default formats end with the rule that ended the request (`-` for none), as
	// `<file>:<line> <rule> table=<table> key=<key> <data>=<value>`; `%[decision]` in formats of one's own.
	['log-decision', 'logDecision', FRONT],
	['log-separate-errors', 'logSeparateErrors', FRONT],
	['logasap', 'logasap', FRONT],
	['nolinger', 'nolinger', undefined],
	['persist', 'persist', BACK],
	['prefer-last-server', 'preferLastServer', BACK],
	['socket-stats', 'socketStats', FRONT],
	['srvtcpka', 'srvtcpka', BACK],
	['tcp-smart-accept', 'tcpSmartAccept', FRONT],
	['tcp-smart-connect', 'tcpSmartConnect', BACK],
];

/** The three ways to treat connections; the last one written wins. */
const CONNECTION_MODES: readonly (readonly [name: string, mode: ProxyOptions['connectionMode']])[] = [
	['http-keep-alive', 'keep-alive'],
	['httpclose', 'close'],
	['http-server-close', 'server-close'],
];

function switchRow(name: string, field: Switch, sections: readonly string[] | undefined): Keyword<ProxySite> {
	return {
		name: `option ${name}`,
		sections,
		invertible: true,
		parse(statement, { proxy }) {
			if (!statement.atMost(0, 2)) return;
			proxy.options[field] = statement.prefix === 'default' ? DEFAULT_OPTIONS[field] : statement.prefix === undefined;
		},
	};
}

function readLogFormatOption(name: 'httplog' | 'tcplog' | 'httpslog'): Keyword<ProxySite> {
	return {
		name: `option ${name}`,
		parse(statement, { proxy }) {
			const clf = name === 'httplog' && statement.word(2) === 'clf';
			if (!statement.atMost(clf ? 1 : 0, 2)) return;
			if (proxy.kind === 'backend') {
				statement.warning(`backend '${proxy.name}' : 'option ${name}' directive is ignored in backends.`);
				return;
			}
			if (proxy.kind === 'defaults' && proxy.logFormat !== undefined && typeof proxy.logFormat !== 'string') {
				statement.warning(`'option ${name}' overrides previous 'log-format' in '${statement.section}' section.`);
			}
			proxy.logFormat = clf ? 'httplog clf' : name;
		},
	};
}

/** An address or a network in CIDR form. */
function isNetwork(text: string): boolean {
	const [address, length, ...more] = text.split('/');
	const ip = IpAddress.parse(address ?? '');
	if (ip === undefined || more.length > 0) return false;
	if (length === undefined) return true;
	if (ip.family === 4 && IpAddress.parse(length)?.family === 4) return true;
	return /^\d{1,3}$/.test(length) && Number(length) <= (ip.family === 4 ? 32 : 128);
}

interface AddressHeader {
	exceptNetwork: string | undefined;
	headerName: string;
	ifNone: boolean;
}

/** The arguments that `option forwardfor` and `option originalto` share. */
function readAddressHeader(statement: Statement, headerName: string, mayIfNone: boolean): AddressHeader | undefined {
	const name = `option ${statement.word(1)}`;
	const result: AddressHeader = { exceptNetwork: undefined, headerName, ifNone: false };
	for (let i = 2; i < statement.words.length; i++) {
		const word = statement.word(i);
		if (word === 'except') {
			result.exceptNetwork = statement.word(++i);
			if (!isNetwork(result.exceptNetwork)) {
				statement.alert(`'${name} except' expects <address>[/mask] as argument, got '${result.exceptNetwork}'.`);
				return undefined;
			}
		} else if (word === 'header') {
			result.headerName = statement.word(++i);
			if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(result.headerName)) {
				statement.alert(`'${name} header' expects a header name, got '${result.headerName}'.`);
				return undefined;
			}
		} else if (word === 'if-none' && mayIfNone) result.ifNone = true;
		else {
			statement.alert(
				`'${name}' only supports optional values: 'except', 'header'${mayIfNone ? " and 'if-none'" : ''}, got '${word}'.`,
			);
			return undefined;
		}
	}
	return result;
}

const setBoth =
	(fields: readonly Switch[]): Keyword<ProxySite>['parse'] =>
	(statement, { proxy }) => {
		const options: Writable<ProxyOptions> = proxy.options;
		for (const field of fields) options[field] = statement.prefix === undefined;
	};

export const OPTION_KEYWORDS: readonly Keyword<ProxySite>[] = [
	...SWITCHES.map(([name, field, sections]) => switchRow(name, field, sections)),
	...CONNECTION_MODES.map(
		([name, mode]): Keyword<ProxySite> => ({
			name: `option ${name}`,
			invertible: true,
			parse(statement, { proxy }) {
				if (!statement.atMost(0, 2)) return;
				if (statement.prefix === undefined) proxy.options.connectionMode = mode;
				else if (proxy.options.connectionMode === mode) proxy.options.connectionMode = DEFAULT_OPTIONS.connectionMode;
			},
		}),
	),
	readLogFormatOption('httplog'),
	readLogFormatOption('tcplog'),
	readLogFormatOption('httpslog'),
	{
		name: 'option forwardfor',
		invertible: true,
		parse(statement, { proxy }) {
			if (statement.prefix !== undefined) proxy.options.forwardfor = undefined;
			else proxy.options.forwardfor = readAddressHeader(statement, 'X-Forwarded-For', true);
		},
	},
	{
		name: 'option originalto',
		invertible: true,
		parse(statement, { proxy }) {
			if (statement.prefix !== undefined) proxy.options.originalto = undefined;
			else proxy.options.originalto = readAddressHeader(statement, 'X-Original-To', false);
		},
	},
	{
		name: 'option forwarded',
		sections: BACK,
		invertible: true,
		parse(statement, { proxy }) {
			proxy.options.forwarded = statement.prefix === undefined ? statement.rest(2) : undefined;
		},
	},
	{
		name: 'option redispatch',
		sections: BACK,
		invertible: true,
		parse(statement, { proxy }) {
			if (statement.prefix !== undefined) proxy.options.redispatch = undefined;
			else if (statement.word(2) === '') proxy.options.redispatch = -1;
			else if (statement.atMost(1, 2)) {
				proxy.options.redispatch = statement.integer(2, 'option redispatch', -(2 ** 31), 2 ** 31 - 1);
			}
		},
	},
	{
		name: 'option http-restrict-req-hdr-names',
		invertible: true,
		parse(statement, { proxy }) {
			if (statement.prefix !== undefined) proxy.options.restrictReqHdrNames = 'preserve';
			else {
				proxy.options.restrictReqHdrNames =
					statement.choice(2, 'option http-restrict-req-hdr-names', ['preserve', 'delete', 'reject']) ?? 'preserve';
			}
		},
	},
	{ name: 'option tcpka', invertible: true, parse: setBoth(['clitcpka', 'srvtcpka']) },
	switchRow('log-health-checks', 'logHealthChecks', BACK),
	...withoutEffect<ProxySite>('data is passed on through pooled buffers, Node cannot splice', [
		'option splice-auto',
		'option splice-request',
		'option splice-response',
	]),
	...withoutEffect<ProxySite>('buffers have one size', ['option use-small-buffers']),
	...withoutEffect<ProxySite>('HTTP is always parsed into messages', ['option http-use-htx']),
	...refused<ProxySite>([
		'option http-drop-request-trailers',
		'option http-drop-response-trailers',
		'option transparent',
	]),
	...refused<ProxySite>(['option http-tunnel', 'option http_proxy', 'option forceclose'], 'HAProxy has removed it'),
];
