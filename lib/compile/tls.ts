/** TLS of `server` and `bind` lines: options and certificates, and what is wrong with them. */

import { ProxyHeader } from '../backend/proxy-header.js';
import type { ServerLink } from '../backend/server.js';
import { ServerTls } from '../backend/server-tls.js';
import type { BindModel, ProxyModel, ServerModel, TlsTuning } from '../config/model.js';
import type { Diagnostics } from '../core/diagnostics.js';
import { reasonOf } from '../core/errors.js';
import { TlsAcceptor } from '../frontend/tls-acceptor.js';
import { compileExpression } from '../sample/expression.js';
import { compileLogFormat } from '../sample/log-format.js';
import type { CompileContext, StreamView } from '../sample/types.js';
import { toText } from '../sample/values.js';

/** By server name; undefined after an error. */
export function compileServerLinks(
	proxy: ProxyModel,
	context: CompileContext,
): ReadonlyMap<string, ServerLink> | undefined {
	const found = new Map<string, ServerLink>();
	const errorsBefore = context.diagnostics.errorCount;
	for (const server of proxy.servers) {
		const tls = compileServerTls(server, proxy, context);
		const proxyHeader = compileProxyHeader(server, context);
		if (tls !== undefined || proxyHeader !== undefined) found.set(server.name, { tls, proxyHeader });
	}
	return context.diagnostics.errorCount > errorsBefore ? undefined : found;
}

function compileServerTls(server: ServerModel, proxy: ProxyModel, context: CompileContext): ServerTls | undefined {
	const { tls: settings, socks4 } = server;
	if (settings === undefined) return undefined;
	let sni: ((view: StreamView) => string | undefined) | undefined;
	if (settings.sni !== undefined) {
		const { place, words } = settings.sni;
		const expression = compileExpression(words, 0, context.at(place, 'server sni'))?.expression;
		sni = (view) => {
			const value = expression?.evaluate(view);
			return value === undefined ? undefined : toText(value);
		};
	}
	try {
		return new ServerTls({ settings, sni, source: server.source ?? proxy.source, socks4 });
	} catch (error) {
		context.diagnostics.alert(server.place, `'server ${proxy.name}/${server.name}' : ${reasonOf(error)}.`);
		return undefined;
	}
}

function compileProxyHeader(server: ServerModel, context: CompileContext): ProxyHeader | undefined {
	const formats = server.proxyFormats.flatMap(({ type, line }) => {
		const format = compileLogFormat(line.words.join(' '), context.at(line.place, 'server sni'));
		return format === undefined ? [] : [{ type, render: (view: StreamView) => format.render(view) }];
	});
	return server.sendProxy === 'none' ? undefined : new ProxyHeader(server, formats);
}

/** The acceptors of `bind ... ssl` lines; the addresses of one line share theirs. */
export function compileBindTls(
	binds: readonly BindModel[],
	ticketKeys: Uint8Array,
	tuning: TlsTuning,
	diagnostics: Diagnostics,
): ReadonlyMap<BindModel, TlsAcceptor> {
	const acceptors = new Map<BindModel, TlsAcceptor>();
	const known = new Map<NonNullable<BindModel['tls']>, TlsAcceptor>();
	for (const bind of binds) {
		if (bind.tls === undefined) continue;
		try {
			const acceptor = known.get(bind.tls) ?? new TlsAcceptor(bind.tls, ticketKeys, tuning);
			known.set(bind.tls, acceptor);
			acceptors.set(bind, acceptor);
		} catch (error) {
			const reason = reasonOf(error);
			diagnostics.alert(bind.place, `'bind' : ${reason}.`);
		}
	}
	return acceptors;
}
