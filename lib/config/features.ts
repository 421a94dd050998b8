/**
 * What this version of Holdfast is, as far as a conf file may ask: the version that `version_atleast()`
 * compares with, the features that `feature()` knows, and which parts of the model have code behind them.
 *
 * A conf file asks for a version to choose between spellings of HAProxy's language, so the answer is the
 * release whose manual Holdfast follows, not Holdfast's own number.
 */
export const LANGUAGE_VERSION = '2.6.12';

/**
 * Parts of the model that the parser fills and that may still lack their runtime. A line that needs one
 * that is false is refused with its place ("not supported by holdfast yet"). Whoever builds the part sets
 * it to true here, and nowhere else.
 */
export const SUPPORTED = {
	/** `ssl` on bind and server lines of proxies. In peers sections it is always allowed. */
	tls: false,
	/** `check` on server lines and the health check options. */
	healthChecks: false,
	/** `accept-proxy` on bind lines, `send-proxy` on server lines. */
	proxyProtocol: false,
	/** `mode tcp` proxies and `tcp-response` rules. */
	modeTcp: false,
	/** `cookie` in backends. */
	cookiePersistence: false,
	/** `stick on|match|store-*`. */
	stickRules: false,
	/** `use-server`. */
	useServer: false,
	/** `source` in backends and on server lines. */
	source: false,
	/** The statistics page: `stats enable|uri|...` in proxies. */
	statsPage: false,
	/** ACLs and rules written in a named defaults section. */
	rulesInDefaults: false,
	/** `retry-on` other than connection failures. */
	retryOn: false,
	/** `log ring@`. */
	logRings: false,
};

export type Supported = { readonly [K in keyof typeof SUPPORTED]: boolean };

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
	['PROMEX', false],
	['QUIC', false],
	['SLZ', false],
	['SYSTEMD', true],
	['TFO', false],
	['THREAD', true],
	['TPROXY', false],
	['WURFL', false],
	['ZLIB', false],
]);
