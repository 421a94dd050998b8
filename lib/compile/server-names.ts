/** Names of servers and of bind lines, resolved by the control thread before anything is built from them. */

import { type ResolvedServers, type ResolveName, resolveServers, systemResolve } from '../backend/resolve.js';
import type { ResolvedAddress } from '../backend/server.js';
import { listeningProxies } from '../config/check-log-forward.js';
import type { BindModel, ConfigModel, ProxyModel, ServerModel } from '../config/model.js';
import { isServiceName } from '../config/resolvers-model.js';
import { IpAddress, type SocketAddress } from '../core/address.js';
import type { Diagnostics } from '../core/diagnostics.js';
import { reasonOf } from '../core/errors.js';
import type { FormerState } from './shared-state.js';

/**
 * The addresses that servers begin with (backend/resolve.ts). With `ignoreFailures` (`-dr`) a name that does not
 * resolve is a warning and its server stays in maintenance. `former` is what serves now: what its resolvers have found
 * is kept, so that a reload leaves no moment without servers.
 */
export function resolveServerNames(
	model: ConfigModel,
	diagnostics: Diagnostics,
	ignoreFailures: boolean,
	former?: FormerState,
): Promise<ResolvedServers> {
	return resolveServers(model, systemResolve, diagnostics, {
		ignoreFailures,
		lastKnown: (proxy, server) => lastKnown(proxy, server, former),
	});
}

/** Only names that resolvers look after: others are looked up anew by each load. */
function lastKnown(
	proxy: ProxyModel,
	server: ServerModel,
	former: FormerState | undefined,
): ResolvedAddress | undefined {
	if (server.address.kind !== 'name') return undefined;
	const ofFile = fromStateFile(server);
	if (server.resolution.resolvers === undefined) return ofFile;
	const known = former?.backends?.get(proxy.name)?.backend.serverByName(server.name);
	if (known?.model.address.kind !== 'name' || known.model.address.host !== server.address.host) return ofFile;
	const family = IpAddress.parse(known.address)?.family;
	if (family === undefined) return ofFile;
	const { address, port, hostName, states, index } = known;
	if (!isServiceName(server.address.host)) {
		// `set server ... fqdn` is gone after a reload, as in HAProxy.
		return hostName === server.address.host ? { address, family } : ofFile;
	}
	const weight = server.resolution.ignoreWeight ? undefined : states.weight(index);
	return { address, family, port, hostName, weight };
}

function fromStateFile({ lastState, address: written }: ServerModel): ResolvedAddress | undefined {
	if (lastState?.address === undefined || written.kind !== 'name') return undefined;
	const family = IpAddress.parse(lastState.address)?.family;
	if (family === undefined) return undefined;
	const { address, hostName, serviceName, port, weight } = lastState;
	if (!isServiceName(written.host)) return hostName === written.host ? { address, family } : undefined;
	return serviceName === written.host ? { address, family, port, hostName, weight } : undefined;
}

/**
 * The configuration with the names on its `bind` lines (`bind localhost:80`) replaced by their first address, as it
 * is when the file is read (manual, 4.2 `bind`).
 */
export async function resolveBindNames(
	model: ConfigModel,
	diagnostics: Diagnostics,
	resolve: ResolveName = systemResolve,
): Promise<ConfigModel> {
	const resolveBind = async (bind: BindModel): Promise<BindModel> => {
		const { address } = bind;
		if (address.kind !== 'name') return bind;
		try {
			const found = await resolve(address.host, address.family ?? 0);
			return { ...bind, address: { kind: 'ip', address: found.address, family: found.family, port: address.port } };
		} catch (error) {
			const reason = reasonOf(error);
			diagnostics.alert(bind.place, `'bind' : could not resolve address '${address.host}' (${reason}).`);
			return bind;
		}
	};
	if (!listeningProxies(model).some(({ binds }) => binds.some(({ address }) => address.kind === 'name'))) return model;
	const resolveProxy = async (proxy: ProxyModel): Promise<ProxyModel> => ({
		...proxy,
		binds: await Promise.all(proxy.binds.map(resolveBind)),
	});
	const proxies = await Promise.all(model.proxies.map(resolveProxy));
	const logForwards = await Promise.all(
		model.logForwards.map(async (section) => ({ ...section, connections: await resolveProxy(section.connections) })),
	);
	return { ...model, proxies, logForwards };
}

/** What a server's line names beside its address: where it is checked, its agent, a SOCKS4 proxy. */
const SIDE_ADDRESSES: readonly {
	readonly keyword: string;
	readonly of: (server: ServerModel) => SocketAddress | undefined;
	readonly withAddress: (server: ServerModel, address: SocketAddress) => ServerModel;
}[] = [
	{
		keyword: 'addr',
		of: ({ health }) => health.checkAddress,
		withAddress: (server, checkAddress) => ({ ...server, health: { ...server.health, checkAddress } }),
	},
	{
		keyword: 'agent-addr',
		of: ({ health }) => health.agent.address,
		withAddress: (server, address) => ({
			...server,
			health: { ...server.health, agent: { ...server.health.agent, address } },
		}),
	},
	{
		keyword: 'socks4',
		of: ({ socks4 }) => socks4,
		withAddress: (server, socks4) => ({ ...server, socks4 }),
	},
];

/** The configuration with those names replaced by their first address, as it is when the file is read. */
export async function resolveSideNames(
	model: ConfigModel,
	diagnostics: Diagnostics,
	resolve: ResolveName = systemResolve,
): Promise<ConfigModel> {
	const hasName = (server: ServerModel): boolean => SIDE_ADDRESSES.some((side) => side.of(server)?.kind === 'name');
	if (!model.proxies.some(({ servers }) => servers.some(hasName))) return model;
	const resolveServer = async (written: ServerModel): Promise<ServerModel> => {
		let server = written;
		for (const { keyword, of, withAddress } of SIDE_ADDRESSES) {
			const address = of(server);
			if (address?.kind !== 'name') continue;
			try {
				const found = await resolve(address.host, address.family ?? 0);
				server = withAddress(server, { kind: 'ip', address: found.address, family: found.family, port: address.port });
			} catch (error) {
				const what = `'server ${server.name}' : '${keyword}' : could not resolve address '${address.host}'`;
				diagnostics.alert(server.place, `${what} (${reasonOf(error)}).`);
			}
		}
		return server;
	};
	const proxies = await Promise.all(
		model.proxies.map(async (proxy) => ({ ...proxy, servers: await Promise.all(proxy.servers.map(resolveServer)) })),
	);
	return { ...model, proxies };
}
