/**
 * The resolvers of the serving configuration, in the control thread: each server whose line has `resolvers` belongs to
 * the group of its name (backend/discovery.ts); what the groups find goes to shared memory and, as addresses, in
 * messages to the data threads. Nobody who serves a request ever waits for a name server.
 *
 * Begins when the configuration serves. Until then, and for the first instant, servers have the addresses they
 * had before the reload (backend/resolve.ts), so a reload leaves no gap.
 */

import { networkInterfaces } from 'node:os';
import type { Backend } from '../backend/backend.js';
import {
	AddressGroup,
	DiscoveredServer,
	type DiscoveryGroup,
	type DiscoveryHost,
	ServiceGroup,
} from '../backend/discovery.js';
import { Level } from '../backend/health/state-lines.js';
import type { Server } from '../backend/server.js';
import type { CompiledConfiguration } from '../compile/index.js';
import type { GlobalModel } from '../config/model.js';
import { isServiceName } from '../config/resolvers-model.js';
import { IpAddress } from '../core/address.js';
import { type Clock, systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { Resolver } from '../dns/resolver.js';
import type { Transport } from '../dns/transport.js';
import type { RuntimeChange } from '../runtime-api/runtime-view.js';
import { backendLogOf } from './backend-log.js';

interface Entry {
	readonly member: DiscoveredServer;
	groupKey: string;
}

/** `auto`: addresses of IPv6 are of use only to a machine that has one of more than its own link. */
function acceptedFamilies(wanted: GlobalModel['dnsFamilies']): readonly (4 | 6)[] {
	if (wanted !== 'auto') return wanted;
	const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
	const isWide = own.some(({ family, internal, scopeid }) => family === 'IPv6' && !internal && scopeid === 0);
	return isWide ? [4, 6] : [4];
}

export class ResolverKeeper {
	readonly #logger: Logger;
	readonly #clock: Clock;
	readonly #transport: Transport | undefined;
	#resolvers = new Map<string, Resolver>();
	readonly #groups = new Map<string, DiscoveryGroup>();
	readonly #entries = new Map<Server, Entry>();

	constructor(logger: Logger, clock: Clock = systemClock, transport?: Transport) {
		this.#logger = logger;
		this.#clock = clock;
		this.#transport = transport;
	}

	/** In place of the configuration before. `tell` reaches its data threads. */
	serve(compiled: CompiledConfiguration, tell: (change: RuntimeChange) => void): void {
		this.stop();
		const clock = this.#clock;
		const transport = this.#transport;
		const families = acceptedFamilies(compiled.model.global.dnsFamilies);
		for (const model of compiled.model.resolvers) {
			this.#resolvers.set(
				model.name,
				new Resolver(model, { clock, families, ...(transport === undefined ? {} : { transport }) }),
			);
		}
		const host = this.#hostOf(compiled, tell);
		for (const { backend } of compiled.backends.values()) {
			if (backend.model.disabled) continue;
			for (const server of backend.servers) {
				const { address, resolution } = server.model;
				if (address.kind !== 'name' || resolution.resolvers === undefined) continue;
				const member = new DiscoveredServer(backend, server, host);
				this.#entries.set(server, { member, groupKey: '' });
				this.#join(member, address.host);
			}
		}
		for (const group of this.#groups.values()) if (group instanceof ServiceGroup) group.begin();
	}

	stop(): void {
		for (const group of this.#groups.values()) group.stop();
		for (const resolver of this.#resolvers.values()) resolver.stop();
		this.#groups.clear();
		this.#entries.clear();
		this.#resolvers = new Map();
	}

	/** `show resolvers`; undefined when there is no such section. */
	show(section: string | undefined): Iterable<string> | undefined {
		if (section === undefined) return describeAll(this.#resolvers.values());
		return this.#resolvers.get(section)?.describe();
	}

	/** `set server ... fqdn`; false when the server's name is not resolved at run time. */
	rename(server: Server, name: string): boolean {
		const entry = this.#entries.get(server);
		if (entry === undefined || isServiceName(name)) return false;
		const former = this.#groups.get(entry.groupKey);
		if (former?.remove(entry.member) === true) this.#groups.delete(entry.groupKey);
		server.hostName = name;
		this.#join(entry.member, name);
		return true;
	}

	/** A check could not connect: the name is asked for at once (manual, 5.3.1). */
	suspect(server: Server): void {
		const group = this.#groups.get(this.#entries.get(server)?.groupKey ?? '');
		if (group instanceof AddressGroup) group.trigger();
	}

	/** `do-resolve`. */
	lookUp(section: string, name: string, prefer: 4 | 6, done: (address: string | undefined) => void): void {
		const resolver = this.#resolvers.get(section);
		if (resolver === undefined) done(undefined);
		else resolver.lookUp(name, prefer, (address) => done(address?.toString()));
	}

	#join(member: DiscoveredServer, name: string): void {
		const { resolvers = '', prefer } = member.server.model.resolution;
		const source = this.#resolvers.get(resolvers);
		const entry = this.#entries.get(member.server);
		if (source === undefined || entry === undefined) return;
		entry.groupKey = `${member.backend.name} ${resolvers} ${prefer} ${name.toLowerCase()}`;
		let group = this.#groups.get(entry.groupKey);
		if (group === undefined) {
			group = isServiceName(name) ? new ServiceGroup(source, name) : new AddressGroup(source, name, prefer);
			this.#groups.set(entry.groupKey, group);
		}
		group.add(member);
	}

	#hostOf(compiled: CompiledConfiguration, tell: (change: RuntimeChange) => void): DiscoveryHost {
		const log = backendLogOf(compiled, this.#logger);
		return {
			nowMs: () => this.#clock.monotonicMs(),
			log: (backend, line) => log(backend, Level.NOTICE, line),
			addressChanged: (backend: Backend, server: Server) => {
				const family = IpAddress.parse(server.address)?.family ?? 4;
				const { address: host, port, name } = server;
				tell({ kind: 'server-address', backend: backend.name, server: name, host, family, port });
			},
			changed: (backend: Backend) => {
				backend.stateChanged();
				tell({ kind: 'servers-changed', backend: backend.name });
			},
		};
	}
}

function* describeAll(resolvers: Iterable<Resolver>): Generator<string> {
	for (const resolver of resolvers) yield* resolver.describe();
}
