/** TLS of `server` and `bind` lines: options and certificates, and what is wrong with them. */

import { ServerTls } from '../backend/server-tls.js';
import type { BindModel, ProxyModel } from '../config/model.js';
import type { Diagnostics } from '../core/diagnostics.js';
import { reasonOf } from '../core/errors.js';
import { TlsAcceptor } from '../frontend/tls-acceptor.js';
import { compileExpression } from '../sample/expression.js';
import type { CompileContext, StreamView } from '../sample/types.js';
import { toText } from '../sample/values.js';

/** By server name; undefined after an error. */
export function compileServerTls(
	proxy: ProxyModel,
	context: CompileContext,
): ReadonlyMap<string, ServerTls> | undefined {
	const found = new Map<string, ServerTls>();
	const errorsBefore = context.diagnostics.errorCount;
	for (const server of proxy.servers) {
		if (server.tls === undefined) continue;
		let sni: ((view: StreamView) => string | undefined) | undefined;
		if (server.tls.sni !== undefined) {
			const { place, words } = server.tls.sni;
			const expression = compileExpression(words, 0, context.at(place, 'server sni'))?.expression;
			sni = (view) => {
				const value = expression?.evaluate(view);
				return value === undefined ? undefined : toText(value);
			};
		}
		try {
			found.set(server.name, new ServerTls({ settings: server.tls, sni, source: server.source ?? proxy.source }));
		} catch (error) {
			const reason = reasonOf(error);
			context.diagnostics.alert(server.place, `'server ${proxy.name}/${server.name}' : ${reason}.`);
		}
	}
	return context.diagnostics.errorCount > errorsBefore ? undefined : found;
}

/** The acceptors of `bind ... ssl` lines; the addresses of one line share theirs. */
export function compileBindTls(
	binds: readonly BindModel[],
	ticketKeys: Uint8Array,
	diagnostics: Diagnostics,
): ReadonlyMap<BindModel, TlsAcceptor> {
	const acceptors = new Map<BindModel, TlsAcceptor>();
	const known = new Map<NonNullable<BindModel['tls']>, TlsAcceptor>();
	for (const bind of binds) {
		if (bind.tls === undefined) continue;
		try {
			const acceptor = known.get(bind.tls) ?? new TlsAcceptor(bind.tls, ticketKeys);
			known.set(bind.tls, acceptor);
			acceptors.set(bind, acceptor);
		} catch (error) {
			const reason = reasonOf(error);
			diagnostics.alert(bind.place, `'bind' : ${reason}.`);
		}
	}
	return acceptors;
}
