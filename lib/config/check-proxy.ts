/**
 * A proxy taken as a whole: what of it means nothing in its mode or on its side is taken out, and the
 * remarks are made that HAProxy makes on a proxy that works, but hardly as it was meant. The sentences are
 * HAProxy's own, since people search for them.
 */
import type { Diagnostics } from '../core/diagnostics.js';
import { DEFAULT_OPTIONS } from './draft.js';
import type { ProxyModel, ProxyOptions } from './model.js';

/** `frontend 'web'`; a listen is called a proxy. */
const titleOf = (proxy: ProxyModel): string => `${proxy.kind === 'listen' ? 'proxy' : proxy.kind} '${proxy.name}'`;

/** Switches that ask for HTTP, by their field. */
const HTTP_SWITCHES: readonly (readonly [name: string, field: keyof ProxyOptions])[] = [
	['forwardfor', 'forwardfor'],
	['originalto', 'originalto'],
	['http-buffer-request', 'httpBufferRequest'],
	['accept-invalid-http-request', 'acceptInvalidHttpRequest'],
	['accept-invalid-http-response', 'acceptInvalidHttpResponse'],
	['http-pretend-keepalive', 'httpPretendKeepalive'],
	['http-ignore-probes', 'httpIgnoreProbes'],
	['disable-h2-upgrade', 'disableH2Upgrade'],
	['http-no-delay', 'httpNoDelay'],
	['http-use-proxy-header', 'httpUseProxyHeader'],
	['checkcache', 'checkcache'],
	['prefer-last-server', 'preferLastServer'],
];

const LAYER_7_BALANCE = ['uri', 'url_param', 'hdr'];

/** The proxy as it will run. Nothing is said of a disabled one. */
export function finishForMode(proxy: ProxyModel, diagnostics: Diagnostics): ProxyModel {
	if (proxy.disabled) return proxy;
	const warn = (text: string): void => diagnostics.warning(undefined, text);
	const title = titleOf(proxy);
	const finished = proxy.mode === 'tcp' ? withoutHttp(proxy, warn) : proxy;
	if (proxy.kind !== 'backend' && proxy.binds.length === 0) {
		warn(`${title} has no 'bind' directive. Please declare it as a backend if this was intended.`);
	}
	if (lacksTimeouts(proxy)) {
		warn(
			`missing timeouts for ${title}.\n   | While not properly invalid, you will certainly encounter various problems\n   | with such a configuration. To fix this, please ensure that all following\n   | timeouts are set to a non-zero value: 'client', 'connect', 'server'.`,
		);
	}
	const writesFormat = typeof proxy.logFormat === 'string' || proxy.logFormat !== undefined;
	if (proxy.kind !== 'backend' && writesFormat && proxy.logTargets.length === 0) {
		warn(`log format ignored for ${title} since it has no log address.`);
	}
	return finished;
}

function lacksTimeouts(proxy: ProxyModel): boolean {
	const { clientMs, connectMs, serverMs, tunnelMs } = proxy.timeouts;
	if (proxy.kind !== 'backend' && clientMs === undefined) return true;
	if (proxy.kind === 'frontend' || proxy.servers.length === 0) return false;
	return connectMs === undefined || (serverMs === undefined && (proxy.mode === 'http' || tunnelMs === undefined));
}

/** A proxy that only passes bytes on: lines that speak of HTTP are passed over, each with its remark. */
function withoutHttp(proxy: ProxyModel, warn: (text: string) => void): ProxyModel {
	const title = titleOf(proxy);
	const needsHttp = (what: string, verb = 'it requires'): void =>
		warn(`${what} ignored for ${title} as ${verb} HTTP mode.`);
	if (proxy.cookie !== undefined && proxy.kind !== 'frontend') {
		warn(`cookie will be ignored for ${title} (needs 'mode http').`);
	}
	if (proxy.monitorUri !== undefined) warn(`monitor-uri will be ignored for ${title} (needs 'mode http').`);
	const layer7 = proxy.kind !== 'frontend' && LAYER_7_BALANCE.includes(proxy.balance.algorithm);
	if (layer7) {
		warn(`Layer 7 hash not possible for ${title} (needs 'mode http'). Falling back to round robin.`);
	}
	if (proxy.stats !== undefined) needsHttp(`'stats' statement`);
	const captures = proxy.requestCaptures.length + proxy.responseCaptures.length;
	if (captures > 0 || proxy.cookieCapture !== undefined) needsHttp(`'capture' statement`);
	if (proxy.httpRequest.length > 0) needsHttp(`'http-request' rules`, 'they require');
	if (proxy.httpResponse.length > 0) needsHttp(`'http-response' rules`, 'they require');
	if (proxy.httpAfterResponse.length > 0) needsHttp(`'http-after-response' rules`, 'they require');
	const options: Record<string, unknown> = { ...proxy.options };
	for (const [name, field] of HTTP_SWITCHES) {
		if (proxy.options[field] === DEFAULT_OPTIONS[field]) continue;
		needsHttp(`'option ${name}'`);
		options[field] = DEFAULT_OPTIONS[field];
	}
	let { logFormat } = proxy;
	if (logFormat === 'httplog' || logFormat === 'httplog clf' || logFormat === 'httpslog') {
		warn(`'option ${logFormat}' not usable with ${title} (needs 'mode http'). Falling back to 'option tcplog'.`);
		logFormat = 'tcplog';
	}
	return {
		...proxy,
		options: options as unknown as ProxyOptions,
		logFormat,
		cookie: undefined,
		monitorUri: undefined,
		stats: undefined,
		requestCaptures: [],
		responseCaptures: [],
		cookieCapture: undefined,
		httpRequest: [],
		httpResponse: [],
		httpAfterResponse: [],
		balance: layer7 ? { algorithm: 'roundrobin' } : proxy.balance,
	};
}
