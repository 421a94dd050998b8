/**
 * What this version of Holdfast is, as far as a conf file may ask: the version that `version_atleast()`
 * compares with, the features that `feature()` knows, and which parts of the model have code behind them.
 *
 * A conf file asks for a version to choose between spellings of HAProxy's language, so the answer is the
 * release whose manual Holdfast follows (LANGUAGE_VERSION in core/version.ts), not Holdfast's own number.
 */
import type { Diagnostics, Place } from '../core/diagnostics.js';

/**
 * Parts of the model that the parser fills and that may still lack their runtime. A line that needs one
 * that is false is refused with its place ("not supported by holdfast yet"). Whoever builds the part sets
 * it to true here, and nowhere else.
 */
export const SUPPORTED = {
	/** `ssl` on bind and server lines of proxies. In peers sections it is always allowed. */
	tls: true,
	/** `check` on server lines and the health check options. */
	healthChecks: true,
	/** `accept-proxy` on bind lines, `send-proxy` on server lines. */
	proxyProtocol: true,
	/** `mode tcp` proxies and `tcp-response` rules. */
	modeTcp: true,
	/** `cookie` in backends. */
	cookiePersistence: true,
	/** `stick on|match|store-*`. */
	stickRules: true,
	/** `use-server`. */
	useServer: true,
	/** `source` in backends and on server lines. */
	source: true,
	/** The statistics page: `stats enable|uri|...` in proxies. */
	statsPage: true,
	/** ACLs and rules written in a named defaults section. */
	rulesInDefaults: true,
	/** `retry-on` other than connection failures. */
	retryOn: true,
	/** `log ring@`. */
	logRings: true,
};

export type Supported = { readonly [K in keyof typeof SUPPORTED]: boolean };

/**
 * Keywords whose rows are built and whose field of the model nobody reads yet. Their lines are read and
 * checked, then refused, or accepted without effect where that is harmless, until the line here is removed; test/config/pending.test.ts finds
 * both fields that nobody reads and lines that are out of date.
 */
export interface PendingKeyword {
	/** As the row is called; `server x` and `bind x` for their options. */
	readonly name: string;
	/** The field of the model. */
	readonly field: string;
	/** Why it is harmless without effect; absent: refused. */
	readonly withoutEffect?: string;
}

export const PENDING: readonly PendingKeyword[] = [
	{
		name: 'option http-no-delay',
		field: 'httpNoDelay',
		withoutEffect: 'nothing is ever held back to fill a packet',
	},
	{
		name: 'option independent-streams',
		field: 'independentStreams',
		withoutEffect: 'each direction of a connection has its own timeout already',
	},
	{
		name: 'option contstats',
		field: 'contstats',
		withoutEffect: 'byte counters are kept up to date while data flow',
	},
	{
		name: 'option nolinger',
		field: 'nolinger',
		withoutEffect: 'Node offers no way to drop what the kernel still has to send',
	},
	{
		name: 'option tcp-smart-accept',
		field: 'tcpSmartAccept',
		withoutEffect: 'acknowledgements are left to the kernel',
	},
	{
		name: 'option tcp-smart-connect',
		field: 'tcpSmartConnect',
		withoutEffect: 'acknowledgements are left to the kernel',
	},
	{
		name: 'max-keep-alive-queue',
		field: 'maxKeepAliveQueue',
		withoutEffect: 'idle connections of all servers are shared',
	},
	{
		name: 'server pool-low-conn',
		field: 'poolLowConn',
		withoutEffect: 'data threads do not take connections from each other',
	},
	{ name: 'tune.maxaccept', field: 'maxaccept', withoutEffect: 'Node accepts one connection at a time' },
	{ name: 'tune.idletimer', field: 'idletimerMs', withoutEffect: 'streams are not classed by their pauses' },
	{ name: 'tune.pool-low-fd-ratio', field: 'poolLowFdRatio', withoutEffect: 'idle connections are bounded per server' },
	{ name: 'tune.pattern.cache-size', field: 'patternCacheSize', withoutEffect: 'pattern matching needs no cache' },
	{
		name: 'strict-limits',
		field: 'strictLimits',
		withoutEffect: 'limits of descriptors are set where the program is started',
	},
	{
		name: 'bind v4v6',
		field: 'v4v6',
		withoutEffect: "an IPv6 address takes IPv4 clients too, unless 'v6only' is written",
	},
];

const PENDING_BY_NAME: ReadonlyMap<string, PendingKeyword> = new Map(PENDING.map((keyword) => [keyword.name, keyword]));

/** Says of a line that was read what its keyword cannot do yet; options are called `server x` and `bind x`. */
export function remarkPending(name: string, place: Place, diagnostics: Diagnostics): void {
	const pending = PENDING_BY_NAME.get(name);
	if (pending === undefined) return;
	if (pending.withoutEffect === undefined) diagnostics.alert(place, `'${name}' is not supported by holdfast yet`);
	else {
		diagnostics.noticeOnce(name, place, `'${name}' is accepted without effect: ${pending.withoutEffect}.`);
	}
}

/** HAProxy's names of features, and whether Holdfast has what they stand for (`-vv`, `feature()`). */
export const FEATURES: ReadonlyMap<string, boolean> = new Map([
	['51DEGREES', false],
	['ACCEPT4', true],
	['CRYPT_H', true],
	['DEVICEATLAS', false],
	['EPOLL', true],
	['GETADDRINFO', true],
	['LIBCRYPT', true],
	['LINUX_SPLICE', false],
	['LINUX_TPROXY', false],
	['LUA', false],
	['NETFILTER', false],
	['NS', false],
	['OPENSSL', SUPPORTED.tls],
	['OT', false],
	['PCRE', false],
	['PCRE2', false],
	['PROMEX', true],
	['QUIC', false],
	['SLZ', false],
	['SYSTEMD', true],
	['TFO', false],
	['THREAD', true],
	['TPROXY', false],
	['WURFL', false],
	['ZLIB', true],
]);
