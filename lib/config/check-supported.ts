/**
 * What the model can say and this version cannot do: each use is refused with its place. Which parts these
 * are is decided in features.ts alone.
 */
import type { Diagnostics, Place } from '../core/diagnostics.js';
import { SUPPORTED, type Supported } from './features.js';
import type { ConfigModel, ProxyModel } from './model.js';

export function checkSupported(model: ConfigModel, diagnostics: Diagnostics, supported: Supported = SUPPORTED): void {
	for (const proxy of model.proxies) {
		if (proxy.disabled) continue;
		checkProtocols(proxy, diagnostics);
		if (model.global.tune.httpEngine === 'node') refuseWithNodeEngine(proxy, diagnostics);
		for (const [place, what] of unsupportedUses(proxy, supported)) {
			diagnostics.alert(place, `${what} is not supported by holdfast yet, in ${proxy.kind} '${proxy.name}'`);
		}
	}
}

/** `proto` of `bind` and `server` lines is of HTTP, `check-proto` of the kind of check. */
function checkProtocols(proxy: ProxyModel, diagnostics: Diagnostics): void {
	for (const { place, proto } of [...proxy.binds, ...proxy.servers]) {
		if (proto === undefined || proxy.mode === 'http') continue;
		diagnostics.alert(place, `proxy '${proxy.name}' : MUX protocol '${proto}' is not usable in mode tcp.`);
	}
	const isHttp = proxy.healthCheck.kind === 'httpchk';
	for (const { place, name, check, health } of proxy.servers) {
		if (!check || health.checkProto === undefined || (health.checkProto !== 'none') === isHttp) continue;
		diagnostics.alert(
			place,
			`backend '${proxy.name}': server '${name}' uses an incompatible MUX protocol for the selected check type`,
		);
	}
}

/** Node's own client speaks to servers in clear, and its server wants the handle of an accepted connection. */
function refuseWithNodeEngine(proxy: ProxyModel, diagnostics: Diagnostics): void {
	const refuse = (place: Place, what: string): void =>
		diagnostics.alert(place, `${what} is not supported by holdfast with 'tune.http.engine node'`);
	for (const { place, tls, sendProxy, proto, ws, socks4 } of proxy.servers) {
		if (proto === 'h2') refuse(place, `'proto h2' on 'server' lines`);
		if (ws === 'h2') refuse(place, `'ws h2'`);
		if (tls !== undefined) refuse(place, `'ssl' on 'server' lines`);
		if (sendProxy !== 'none') refuse(place, `'send-proxy'`);
		if (socks4 !== undefined) refuse(place, `'socks4'`);
	}
	for (const { place, tls, acceptProxy, cipMagic } of proxy.binds) {
		if (tls !== undefined) refuse(place, `'ssl' on 'bind' lines`);
		if (acceptProxy) refuse(place, `'accept-proxy'`);
		if (cipMagic !== undefined) refuse(place, `'accept-netscaler-cip'`);
	}
	// Its parser has refused what the options would let through.
	if (proxy.options.acceptInvalidHttpRequest) refuse(proxy.place, `'option accept-invalid-http-request'`);
	if (proxy.options.h1CaseAdjustBogusClient) refuse(proxy.place, `'option h1-case-adjust-bogus-client'`);
	if (proxy.options.h1CaseAdjustBogusServer) refuse(proxy.place, `'option h1-case-adjust-bogus-server'`);
	if (proxy.options.acceptInvalidHttpResponse) refuse(proxy.place, `'option accept-invalid-http-response'`);
	for (const { place, words } of proxy.tcpRequestConnection) {
		const [word = ''] = words;
		if (word === 'expect-proxy' || word === 'expect-netscaler-cip') refuse(place, `'${word}'`);
	}
}

function* unsupportedUses(proxy: ProxyModel, supported: Supported): Generator<readonly [Place, string]> {
	if (!supported.modeTcp) {
		// A backend that only holds a table has a mode too, and no traffic.
		const hasTraffic = proxy.binds.length > 0 || proxy.servers.length > 0;
		if (proxy.mode === 'tcp' && hasTraffic) yield [proxy.place, `'mode tcp' (the default; 'mode http' selects HTTP)`];
		const [rule] = proxy.tcpResponseContent;
		if (rule !== undefined) yield [rule.place, `'tcp-response'`];
	}
	if (!supported.cookiePersistence && proxy.cookie !== undefined) yield [proxy.place, `'cookie ${proxy.cookie.name}'`];
	if (!supported.stickRules) for (const rule of proxy.stickRules) yield [rule.place, `'stick ${rule.kind}'`];
	if (!supported.useServer) for (const rule of proxy.useServers) yield [rule.place, `'use-server'`];
	if (!supported.statsPage && proxy.stats !== undefined) yield [proxy.stats.place, `'stats' in proxies`];
	if (!supported.source && proxy.source !== undefined) yield [proxy.place, `'source'`];
	if (!supported.rulesInDefaults && proxy.inheritedRules !== undefined) {
		yield [proxy.inheritedRules.place, `a defaults section with ACLs or rules`];
	}
	if (!supported.retryOn && proxy.retryOn.some((event) => event !== 'none' && event !== 'conn-failure')) {
		yield [proxy.place, `'retry-on ${proxy.retryOn.join(' ')}'`];
	}
	for (const bind of proxy.binds) {
		if (!supported.tls && bind.tls !== undefined) yield [bind.place, `'ssl' on 'bind' lines`];
		if (!supported.proxyProtocol && bind.acceptProxy) yield [bind.place, `'accept-proxy'`];
	}
	for (const server of proxy.servers) {
		if (!supported.tls && server.tls !== undefined) yield [server.place, `'ssl' on 'server' lines`];
		if (!supported.proxyProtocol && server.sendProxy !== 'none') yield [server.place, `'send-proxy'`];
		if (!supported.healthChecks && server.check) yield [server.place, `'check' on 'server' lines`];
		if (!supported.source && server.source !== undefined) yield [server.place, `'source' on 'server' lines`];
	}
}
