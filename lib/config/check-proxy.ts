/**
 * A proxy taken as a whole: what of it means nothing in its mode or on its side is taken out, and the
 * remarks are made that HAProxy makes on a proxy that works, but hardly as it was meant. The sentences are
 * HAProxy's own, since people search for them.
 */
import type { Diagnostics } from '../core/diagnostics.js';
import { DEFAULT_OPTIONS } from './draft.js';
import type { ProxyModel, ProxyOptions } from './model.js';

/** `frontend 'web'`; a listen is called a proxy. */
const titleOf = (proxy: Pick<ProxyModel, 'kind' | 'name'>): string =>
	`${proxy.kind === 'listen' ? 'proxy' : proxy.kind} '${proxy.name}'`;

/** Switches that ask for HTTP, by their field. */
const HTTP_SWITCHES: readonly (readonly [name: string, field: keyof ProxyOptions])[] = [
	['forwardfor', 'forwardfor'],
	['originalto', 'originalto'],
	['forwarded', 'forwarded'],
	['http-buffer-request', 'httpBufferRequest'],
	['accept-invalid-http-request', 'acceptInvalidHttpRequest'],
	['h1-case-adjust-bogus-client', 'h1CaseAdjustBogusClient'],
	['h1-case-adjust-bogus-server', 'h1CaseAdjustBogusServer'],
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
	if (proxy.kind === 'listen' && proxy.servers.length > 0 && leadsAway(proxy)) {
		warn(
			`In proxy '${proxy.name}', the 'default_backend' rule always has precedence over the servers, which will never be used.`,
		);
	}
	const writesFormat =
		proxy.logFormatSd !== undefined || typeof proxy.logFormat === 'string' || proxy.logFormat !== undefined;
	if (proxy.kind !== 'backend' && writesFormat && proxy.logTargets.length === 0) {
		warn(`log format ignored for ${title} since it has no log address.`);
	}
	return finished;
}

function leadsAway({ name, defaultBackend }: ProxyModel): boolean {
	return defaultBackend !== undefined && defaultBackend.name !== name;
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
	const balance: ProxyModel['balance'] = layer7 ? { algorithm: 'roundrobin' } : proxy.balance;
	// What is upgraded by a rule is HTTP like other HTTP; a backend in mode http upgrades too, and the rules then run
	// although HAProxy says that they are ignored.
	const upgrades = proxy.kind !== 'backend' && switchesToHttp(proxy);
	if (upgrades) {
		return { ...proxy, logFormat: tcpLogFormat(proxy, warn), cookie: undefined, monitorUri: undefined, balance };
	}
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
	const mayUpgrade = proxy.kind !== 'backend';
	return {
		...proxy,
		options: options as unknown as ProxyOptions,
		logFormat: tcpLogFormat(proxy, warn),
		cookie: undefined,
		monitorUri: undefined,
		stats: undefined,
		requestCaptures: [],
		responseCaptures: [],
		cookieCapture: undefined,
		httpRequest: mayUpgrade ? proxy.httpRequest : [],
		httpResponse: mayUpgrade ? proxy.httpResponse : [],
		httpAfterResponse: mayUpgrade ? proxy.httpAfterResponse : [],
		balance,
	};
}

/** A rule of the proxy, or of its defaults section, says `switch-mode http`. */
function switchesToHttp(proxy: ProxyModel): boolean {
	const rules = [...proxy.tcpRequestContent, ...(proxy.inheritedRules?.tcpRequestContent ?? [])];
	return rules.some(({ words }) => words[0] === 'switch-mode');
}

function tcpLogFormat({ logFormat, ...proxy }: ProxyModel, warn: (text: string) => void): ProxyModel['logFormat'] {
	if (logFormat !== 'httplog' && logFormat !== 'httplog clf' && logFormat !== 'httpslog') return logFormat;
	warn(`'option ${logFormat}' not usable with ${titleOf(proxy)} (needs 'mode http'). Falling back to 'option tcplog'.`);
	return 'tcplog';
}
