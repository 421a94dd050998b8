/**
 * Adds and removes servers of the configuration that serves, in all threads (compile/dynamic-servers.ts has the
 * order of steps). One command at a time: the second waits for the answers that the first is waiting for, so two
 * never take the same place. Answers are HAProxy's, as observed.
 */
import { hasDynamicBalance } from '../backend/balance/index.js';
import type { Server } from '../backend/server.js';
import type { CompiledConfiguration } from '../compile/index.js';
import { readDynamicServer } from '../config/dynamic-server.js';
import { systemClock } from '../core/clock.js';
import { fault, info, type Message } from '../runtime-api/command.js';
import type { DynamicServersView } from '../runtime-api/runtime-view.js';
import { ServerAdmin } from '../shared/server-state.js';
import type { BackendTraffic } from '../stream/proxies.js';
import type { Generation } from './generation.js';
import type { HealthKeeper } from './health-keeper.js';

export class ServerKeeper implements DynamicServersView {
	readonly #compiled: CompiledConfiguration;
	readonly #threads: Pick<Generation, 'ask'>;
	readonly #health: Pick<HealthKeeper, 'addServer' | 'removeServer'>;
	#last: Promise<unknown> = Promise.resolve();

	constructor(
		compiled: CompiledConfiguration,
		threads: Pick<Generation, 'ask'>,
		health: Pick<HealthKeeper, 'addServer' | 'removeServer'>,
	) {
		this.#compiled = compiled;
		this.#threads = threads;
		this.#health = health;
	}

	add(traffic: BackendTraffic, words: readonly string[]): Promise<Message> {
		return this.#inTurn(() => this.#add(traffic, words));
	}

	remove(traffic: BackendTraffic, server: Server): Promise<Message> {
		return this.#inTurn(() => this.#remove(traffic, server));
	}

	#inTurn(work: () => Promise<Message>): Promise<Message> {
		const done = this.#last.then(work);
		this.#last = done.catch(() => undefined);
		return done;
	}

	async #add({ model: proxy, backend }: BackendTraffic, words: readonly string[]): Promise<Message> {
		const { dynamicServers, model } = this.#compiled;
		const [name = ''] = words;
		if (!hasDynamicBalance(proxy)) {
			return fault('Backend must use a dynamic load balancing to support dynamic servers.');
		}
		if (backend.serverByName(name) !== undefined) {
			return fault('Already exists a server with the same name in backend.');
		}
		const taken = new Map(backend.servers.map((server) => [server.id, server.name]));
		const read = readDynamicServer(words, proxy, model.global, taken);
		if ('error' in read) return fault(read.error);
		const server = read.model;
		const reason = this.#trackingFault(proxy.name, server.health.track);
		if (reason !== undefined) return fault(reason);
		const index = backend.vacantIndex();
		if (index === undefined) {
			return fault(
				`No room for another server in backend '${proxy.name}': see 'tune.dynamic-servers' (now ${model.global.tune.dynamicServers}), which takes effect with a reload.`,
			);
		}
		const { states } = backend;
		// Without an address it stays in maintenance until `set server ... addr` gives it one.
		const admin = ServerAdmin.FORCED_MAINT | (server.address.kind === 'name' ? ServerAdmin.RESOLUTION_MAINT : 0);
		states.initialize(index, server.weight, server.maxconn, admin, systemClock.monotonicMs());
		const added = dynamicServers.add(proxy.name, server, index);
		if (typeof added === 'string') return fault(added);
		this.#compiled.backends.get(proxy.name)?.serverCounters[index]?.clearAll();
		const replies = await this.#threads.ask({ ask: 'add-server', backend: proxy.name, server, index });
		if (replies.some((reply) => 'count' in reply && reply.count === 0)) {
			await this.#removeFromThreads(proxy.name, name);
			return fault('A data thread could not build the server; its reason is in the log of the program.');
		}
		this.#health.addServer(backend, added);
		states.serversChanged();
		return info('New server registered.');
	}

	async #remove({ model: proxy, backend }: BackendTraffic, server: Server): Promise<Message> {
		// Another command may have removed it while this one waited.
		if (backend.serverByName(server.name) !== server) return fault('No such server.');
		if (this.#compiled.dynamicServers.isReferenced(proxy, server.name)) {
			return fault('This server cannot be removed at runtime due to other configuration elements pointing to it.');
		}
		const { states } = backend;
		if (!states.isInMaintenance(server.index)) return fault('Only servers in maintenance mode can be deleted.');
		if (states.current(server.index) > 0 || server.queuedCount() > 0) {
			return fault('Server still has connections attached to it, cannot remove it.');
		}
		this.#health.removeServer(backend, server);
		await this.#removeFromThreads(proxy.name, server.name);
		states.serversChanged();
		return info('Server deleted.');
	}

	async #removeFromThreads(backend: string, server: string): Promise<void> {
		this.#compiled.dynamicServers.remove(backend, server);
		await this.#threads.ask({ ask: 'remove-server', backend, server });
	}

	/** A server may follow one of the file alone, whose life is that of the configuration (management guide, `add server`). */
	#trackingFault(
		ownBackend: string,
		track: { readonly backend: string | undefined; readonly server: string } | undefined,
	) {
		if (track === undefined) return undefined;
		const backendName = track.backend ?? ownBackend;
		const traffic = this.#compiled.backends.get(backendName);
		if (traffic === undefined) return `unable to find required proxy '${backendName}' for tracking.`;
		const target = traffic.backend.serverByName(track.server);
		if (target === undefined) return `unable to find required server '${track.server}' for tracking.`;
		if (!traffic.model.servers.some(({ name }) => name === track.server)) {
			return `unable to use ${backendName}/${track.server} for tracking as it is a dynamic server.`;
		}
		const { check, health } = target.model;
		if (!check && !health.agentCheck && health.track === undefined) {
			return `unable to use ${backendName}/${track.server} for tracking as it does not have any check nor agent enabled.`;
		}
		return undefined;
	}
}
