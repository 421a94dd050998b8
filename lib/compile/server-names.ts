/** Names of servers, resolved by the control thread before anything is built from them. */
import { type ResolvedServers, resolveServers, systemResolve } from '../backend/resolve.js';
import type { ConfigModel } from '../config/model.js';
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
