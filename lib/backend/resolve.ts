/**
 * Names of servers when a configuration is loaded (manual, 5.2 `init-addr`): each method of the list in turn, `last` for
 * what is known from before, `libc` for the system's resolver, `none` or an address for whatever comes. A name for
 * which no method is left is an error with its line, unless its server has `resolvers`, who will find it.
 *
 * Done by the control thread, before any data thread exists; the answer is plain data and goes to the
 * threads with the model. Names are asked for once, however many servers have them, all at the same time.
 */
import { lookup } from 'node:dns/promises';
import type { ConfigModel, ProxyModel, ServerModel } from '../config/model.js';
import { isServiceName } from '../config/resolvers-model.js';
import type { Diagnostics } from '../core/diagnostics.js';
import type { ResolvedAddress } from './server.js';

/** `family` 0: whichever the system prefers. Rejects when the name does not resolve. */
export type ResolveName = (host: string, family: 0 | 4 | 6) => Promise<ResolvedAddress>;

/** The system's resolver, hosts file included. */
export const systemResolve: ResolveName = async (host, family) => {
	const { address, family: found } = await lookup(host, { family });
	return { address, family: found === 6 ? 6 : 4 };
};

/** Per proxy name, then per server name; only servers whose address is a name are in it. */
export type ResolvedServers = ReadonlyMap<string, ReadonlyMap<string, ResolvedAddress>>;

export interface ResolveOptions {
	/** A name that does not resolve leaves its server in maintenance (`-dr`). */
	readonly ignoreFailures?: boolean;
	/** What is known of a server from before: this process, or a state file. */
	readonly lastKnown?: ((proxy: ProxyModel, server: ServerModel) => ResolvedAddress | undefined) | undefined;
}

/** Servers that start in maintenance are resolved too: they may be enabled later. */
export async function resolveServers(
	model: ConfigModel,
	resolve: ResolveName,
	diagnostics: Diagnostics,
	options: ResolveOptions = {},
): Promise<ResolvedServers> {
	const asked = new Map<string, Promise<ResolvedAddress | Error>>();
	const ask = (host: string, family: 0 | 4 | 6): Promise<ResolvedAddress | Error> => {
		const key = `${family} ${host}`;
		let answer = asked.get(key);
		if (answer === undefined) {
			answer = resolve(host, family).catch((error: unknown) =>
				error instanceof Error ? error : new Error(String(error)),
			);
			asked.set(key, answer);
		}
		return answer;
	};
	// All at the same time; what is wrong is said in the order of the file.
	const found = model.proxies.flatMap((proxy) =>
		proxy.servers.map((server) => ({ proxy, server, result: initialAddress(proxy, server, ask, options) })),
	);
	const answers = new Map<string, Map<string, ResolvedAddress>>();
	for (const { proxy, server, result } of found) {
		const { address, warning, failure } = await result;
		const host = server.address.kind === 'name' ? server.address.host : '';
		const subject = `'server ${proxy.name}/${server.name}' : could not resolve address '${host}'`;
		if (warning !== undefined) diagnostics.warning(server.place, `${subject}, ${warning}.`);
		if (failure !== undefined) {
			const text = `${subject}${failure === '' ? '' : ` (${failure})`}.`;
			if (options.ignoreFailures) diagnostics.warning(server.place, `${text} The server stays in maintenance.`);
			else diagnostics.alert(server.place, text);
		}
		if (address === undefined) continue;
		let ofProxy = answers.get(proxy.name);
		if (ofProxy === undefined) {
			ofProxy = new Map();
			answers.set(proxy.name, ofProxy);
		}
		ofProxy.set(server.name, address);
	}
	return answers;
}

interface InitialAddress {
	readonly address?: ResolvedAddress;
	readonly warning?: string;
	/** Why there is none. */
	readonly failure?: string;
}

async function initialAddress(
	proxy: ProxyModel,
	server: ServerModel,
	ask: (host: string, family: 0 | 4 | 6) => Promise<ResolvedAddress | Error>,
	{ lastKnown }: ResolveOptions,
): Promise<InitialAddress> {
	const { address, resolution } = server;
	if (address.kind !== 'name') return {};
	const isResolved = resolution.resolvers !== undefined;
	const last = lastKnown?.(proxy, server);
	// What the resolvers found before a reload is better than any method, and they will say when it is no more.
	if (isResolved && last !== undefined) return { address: last };
	if (isServiceName(address.host)) return {};
	let reason = '';
	let hasFailed = false;
	for (const method of resolution.initAddresses) {
		if (method === 'last') {
			if (last !== undefined) return { address: last };
		} else if (method === 'none') return {};
		else if (method === 'libc') {
			const answer = await ask(address.host, address.family ?? 0);
			if (!(answer instanceof Error)) return { address: answer };
			reason = answer.message;
			hasFailed = true;
		} else if (hasFailed) return { address: method, warning: 'falling back to configured address' };
		else return { address: method };
	}
	return isResolved ? { warning: 'disabling server' } : { failure: reason };
}
