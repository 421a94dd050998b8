/**
 * Names of servers, resolved once when the program starts (manual, 5.2 `init-addr`, whose default here is
 * `libc`: the system's resolver). A name that does not resolve is an error of the configuration, named
 * with its line, as in HAProxy.
 *
 * Done by the control thread, before any data thread exists; the answer is plain data and goes to the
 * threads with the model. Names are asked for once, however many servers have them, all at the same time.
 */
import { lookup } from 'node:dns/promises';
import type { ConfigModel } from '../config/model.js';
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

/** Servers that start in maintenance are resolved too: they may be enabled later. */
export async function resolveServers(
	model: ConfigModel,
	resolve: ResolveName,
	diagnostics: Diagnostics,
): Promise<ResolvedServers> {
	const asked = new Map<string, Promise<ResolvedAddress | Error>>();
	const answers = new Map<string, Map<string, ResolvedAddress>>();
	for (const proxy of model.proxies) {
		for (const server of proxy.servers) {
			const { address } = server;
			if (address.kind !== 'name') continue;
			const family = address.family ?? 0;
			const key = `${family} ${address.host}`;
			let answer = asked.get(key);
			if (answer === undefined) {
				answer = resolve(address.host, family).catch((error: unknown) =>
					error instanceof Error ? error : new Error(String(error)),
				);
				asked.set(key, answer);
			}
		}
	}
	for (const proxy of model.proxies) {
		for (const server of proxy.servers) {
			const { address } = server;
			if (address.kind !== 'name') continue;
			const answer = await asked.get(`${address.family ?? 0} ${address.host}`);
			if (answer === undefined || answer instanceof Error) {
				diagnostics.alert(
					server.place,
					`'server ${proxy.name}/${server.name}' : could not resolve address '${address.host}'${answer === undefined ? '' : ` (${answer.message})`}.`,
				);
				continue;
			}
			let ofProxy = answers.get(proxy.name);
			if (ofProxy === undefined) {
				ofProxy = new Map();
				answers.set(proxy.name, ofProxy);
			}
			ofProxy.set(server.name, answer);
		}
	}
	return answers;
}
