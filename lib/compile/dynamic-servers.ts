/**
 * Servers that come and go while a configuration serves (`add server`, `del server`), as one thread takes part in it.
 *
 *     control thread   reads the line, takes a vacant place in shared memory, puts the state there (maintenance),
 *                      adds the server for itself, asks all data threads to do so, then bumps the generation
 *     data thread      builds the server at that place; requests find it from the new generation on
 *
 * A server is removed the other way round; its place is given to another one only when no stream, no waiting
 * request and no idle connection is left there. What was added is gone after a reload, as in HAProxy.
 */
import type { Server } from '../backend/server.js';
import type { ConfigModel, ProxyModel, ServerModel } from '../config/model.js';
import type { CounterMemory } from '../shared/counters.js';
import type { BackendTraffic } from '../stream/proxies.js';
import type { Names, ProxyContext } from './context.js';
import type { CounterIndexes } from './shared-state.js';
import { compileServerLinks } from './tls.js';

export interface DynamicServersOptions {
	readonly model: ConfigModel;
	readonly names: Names;
	readonly backends: ReadonlyMap<string, BackendTraffic>;
	readonly counters: CounterMemory;
	readonly counterIndexes: CounterIndexes;
	/** Where the lines of a proxy are compiled, with diagnostics of their own. */
	readonly contextOf: (proxy: ProxyModel) => ProxyContext;
}

export class DynamicServers {
	readonly #options: DynamicServersOptions;

	constructor(options: DynamicServersOptions) {
		this.#options = options;
	}

	/** Builds the server at its place; a sentence when its certificates or its expressions are wrong. */
	add(backendName: string, model: ServerModel, index: number): Server | string {
		const { backends, counters, counterIndexes, contextOf } = this.#options;
		const traffic = backends.get(backendName);
		if (traffic === undefined) return `there is no backend ${backendName}`;
		const context = contextOf(traffic.model);
		const links = compileServerLinks({ ...traffic.model, servers: [model] }, context);
		if (links === undefined) return context.diagnostics.list.map(({ text }) => text).join('\n');
		const own = counters.object(counterIndexes.server(backendName, index));
		traffic.serverCounters[index] = own;
		return traffic.backend.addServer(model, index, own, links.get(model.name));
	}

	remove(backendName: string, serverName: string): void {
		this.#options.backends.get(backendName)?.backend.removeServer(serverName);
	}

	/** Whether a line of the configuration names this server: then it stays. */
	isReferenced(proxy: ProxyModel, serverName: string): boolean {
		const { names, backends } = this.#options;
		if (names.backend(proxy.name)?.isReferenced(serverName) === true) return true;
		if (proxy.useServers.some(({ words }) => words[0] === serverName)) return true;
		for (const { model, backend } of backends.values()) {
			for (const { model: other } of backend.servers) {
				const { track } = other.health;
				if (track?.server === serverName && (track.backend ?? model.name) === proxy.name) return true;
			}
		}
		return false;
	}
}
