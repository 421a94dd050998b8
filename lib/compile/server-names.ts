/** Names of servers and of bind lines, resolved by the control thread before anything is built from them. */
import { type ResolvedServers, type ResolveName, resolveServers, systemResolve } from '../backend/resolve.js';
import type { BindModel, ConfigModel } from '../config/model.js';
import { Diagnostics } from '../core/diagnostics.js';

/**
 * Asks the system for every name of a `server` line. With `ignoreFailures` (`-dr`) a name that does not resolve is
 * a warning and its server stays in maintenance.
 */
export async function resolveServerNames(
	model: ConfigModel,
	diagnostics: Diagnostics,
	ignoreFailures: boolean,
): Promise<ResolvedServers> {
	const found = new Diagnostics();
	const resolved = await resolveServers(model, systemResolve, found);
	for (const { place, text } of found.list) {
		if (ignoreFailures) diagnostics.warning(place, `${text} The server stays in maintenance.`);
		else diagnostics.alert(place, text);
	}
	return resolved;
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
			const reason = error instanceof Error ? error.message : String(error);
			diagnostics.alert(bind.place, `'bind' : could not resolve address '${address.host}' (${reason}).`);
			return bind;
		}
	};
	if (!model.proxies.some(({ binds }) => binds.some(({ address }) => address.kind === 'name'))) return model;
	const proxies = await Promise.all(
		model.proxies.map(async (proxy) => ({ ...proxy, binds: await Promise.all(proxy.binds.map(resolveBind)) })),
	);
	return { ...model, proxies };
}
