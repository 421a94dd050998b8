/**
 * The line of a server that is added while the program runs: `add server <backend>/<name> <address> [options]`
 * (management guide, 9.3). It is read by the same rows as a `server` line of the file, but fewer options are allowed,
 * those of `default-server` do not apply, and it starts in maintenance.
 */
import { Diagnostics, didYouMean } from '../core/diagnostics.js';
import { finishServer } from './check.js';
import { newGlobal } from './draft.js';
import { newServerOptions, readServer, serverOption, serverOptionNames } from './keywords/server.js';
import type { GlobalModel, ProxyModel, ServerModel } from './model.js';
import { ParserState } from './state.js';
import { Statement } from './statement.js';

/** The list of the management guide, as far as the rows are built; `ssl` and its kin included. */
const ALLOWED: ReadonlySet<string> = new Set([
	...['addr', 'agent-addr', 'agent-check', 'agent-inter', 'agent-port', 'agent-send', 'alpn', 'backup', 'ca-file'],
	...['check', 'check-alpn', 'check-proto', 'check-send-proxy', 'check-sni', 'check-ssl', 'ciphers', 'ciphersuites'],
	...['crl-file', 'crt', 'disabled', 'downinter', 'enabled', 'error-limit', 'fall', 'fastinter', 'id', 'inter'],
	...['force-tlsv10', 'force-tlsv11', 'force-tlsv12', 'force-tlsv13', 'maxconn', 'maxqueue', 'max-reuse', 'minconn'],
	...['no-ssl-reuse', 'no-sslv3', 'no-tlsv10', 'no-tlsv11', 'no-tlsv12', 'no-tlsv13', 'no-tls-tickets', 'observe'],
	...['on-error', 'on-marked-down', 'on-marked-up', 'pool-low-conn', 'pool-max-conn', 'pool-purge-delay', 'port'],
	...['proto', 'proxy-v2-options', 'rise', 'send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl'],
	...['send-proxy-v2-ssl-cn', 'slowstart', 'sni', 'source', 'ssl', 'ssl-max-ver', 'ssl-min-ver', 'tcp-ut', 'tfo'],
	...['tls-tickets', 'track', 'usesrc', 'verify', 'verifyhost', 'weight', 'ws'],
]);

export type DynamicServer = { readonly model: ServerModel } | { readonly error: string };

/**
 * `words` are the name, the address and the options. `taken` are the numbers of the backend's servers, and who has
 * them; the lowest free one is given where the line has none.
 */
export function readDynamicServer(
	words: readonly string[],
	proxy: ProxyModel,
	global: GlobalModel,
	taken: ReadonlyMap<number, string>,
): DynamicServer {
	for (let at = 2; at < words.length; ) {
		const word = words[at] ?? '';
		const option = serverOption(word);
		if (option === undefined) return { error: `unknown keyword '${word}'.${didYouMean(word, serverOptionNames())}` };
		if (!ALLOWED.has(word)) return { error: `'${word}' option is not accepted for dynamic server` };
		at += 1 + option.arguments;
	}
	const diagnostics = new Diagnostics();
	const draft = newGlobal();
	const { crtBase, caBase, tls } = global.serverLineDefaults;
	Object.assign(draft, { crtBase, caBase, serverTlsDefaults: { ...tls } });
	const state = new ParserState(diagnostics, draft, new Map(), () => {
		throw new Error('no file is read here');
	});
	const statement = new Statement({ file: 'add server', line: 0 }, ['server', ...words], proxy.kind, diagnostics);
	const server = readServer(statement, newServerOptions(), state);
	const alerts = diagnostics.list.filter(({ severity }) => severity === 'alert');
	if (server === undefined || alerts.length > 0) return { error: alerts.map(({ text }) => text).join('\n') };
	if (server.tls?.verify === 'required' && server.tls.caFile === undefined) {
		return {
			error:
				"verify is enabled by default but no CA file specified: set 'verify none' where you trust the server's certificate, or 'ca-file'.",
		};
	}
	if (server.health.agentCheck && server.health.agent.port === 0) {
		return { error: `server ${server.name} does not have agent port. Agent check has been disabled.` };
	}
	const { checkAddress, agent } = server.health;
	const unresolved = [checkAddress, agent.address].find((address) => address?.kind === 'name');
	if (unresolved?.kind === 'name')
		return { error: `'${unresolved.host}' : expects an IP address, no name is looked up here.` };
	if (server.address.kind === 'fd') return { error: `'server ${server.name}' : 'fd@' cannot be connected to.` };
	const owner = server.id === undefined ? undefined : taken.get(server.id);
	if (owner !== undefined) return { error: `'id' : custom id ${server.id} already used by server '${owner}'.` };
	let id = server.id ?? 1;
	while (taken.has(id)) id++;
	return { model: finishServer({ ...server, disabled: true }, id, proxy.source) };
}
