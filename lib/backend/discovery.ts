/**
 * Which server has which address, as DNS says (manual, 5.3 and 5.2 `resolvers`): the servers of one backend that share
 * a name share out its addresses or its SRV records among them. Runs in the control thread; no socket is here.
 *
 *     addresses   a server keeps its address as long as the answers have it; a new one goes to the first server
 *                 without, preferred networks and family first; nobody has one that another one of the group has,
 *                 but with `allow-dup-ip`
 *     services    (SRV) each record is one server: name of the target, port, weight. Its address is in the answer, or
 *                 the target's name is asked for
 *
 * A server without an address is in maintenance for that reason alone (`MAINT (resolution)`), and leaves it with the
 * next valid answer. Log lines are the reference's.
 */
import type { ResolutionFailure } from '../config/resolvers-model.js';
import { IpAddress } from '../core/address.js';
import type { Service } from '../dns/message.js';
import {
	type NameServer,
	type Resolution,
	type ResolutionKey,
	type ResolutionListener,
	serviceKey,
} from '../dns/resolution.js';
import { ServerAdmin, ServerOperation } from '../shared/server-state.js';
import type { Backend } from './backend.js';
import { standingOf } from './health/state-lines.js';
import type { Server } from './server.js';

/** The part of a resolver that is needed here. */
export interface NameSource {
	/** Name of the section. */
	readonly model: { readonly name: string };
	watch(key: ResolutionKey, listener: ResolutionListener): Resolution;
	unwatch(resolution: Resolution, listener: ResolutionListener): void;
}

export interface DiscoveryHost {
	readonly nowMs: () => number;
	/** A line of the backend's log. */
	log(backend: Backend, line: string): void;
	/** The server of this thread has another address (or none: an empty host): the data threads are to take it. */
	addressChanged(backend: Backend, server: Server): void;
	/** Its state or weight is another. */
	changed(backend: Backend): void;
}

/** SRV weights are of 16 bits, HAProxy's of 1 to 256: as observed, one more than the high byte. */
export const weightOfService = (weight: number): number => Math.min(256, Math.floor(weight / 256) + 1);

const REASONS: Readonly<Record<ResolutionFailure, string>> = {
	nx: 'DNS NX status',
	timeout: 'DNS timeout status',
	refused: 'DNS refused status',
	other: 'unspecified DNS error',
};

/** A server, and what its address was last taken from. */
export class DiscoveredServer {
	readonly backend: Backend;
	readonly server: Server;
	readonly #host: DiscoveryHost;

	constructor(backend: Backend, server: Server, host: DiscoveryHost) {
		this.backend = backend;
		this.server = server;
		this.#host = host;
	}

	get label(): string {
		return `${this.backend.name}/${this.server.name}`;
	}

	log(line: string): void {
		this.#host.log(this.backend, line);
	}

	/** `by`: as in "changed its IP from (none) to 10.0.0.1 by d/n1". */
	setAddress(address: IpAddress, port: number, by: string): void {
		const { server } = this;
		const host = address.toString();
		const isNew = server.address !== host;
		if (isNew) this.log(`${this.label} changed its IP from ${server.address || '(none)'} to ${host} by ${by}.`);
		if (isNew || server.port !== port) {
			server.setAddress(host, address.family, port);
			this.#host.addressChanged(this.backend, server);
		}
	}

	/** It has an address again. */
	arrive(isService: boolean): void {
		const { states, index, hostName } = this.server;
		const flags = states.admin(index);
		if ((flags & ServerAdmin.RESOLUTION_MAINT) === 0) return;
		const nowMs = this.#host.nowMs();
		const serviceFlag = isService ? ServerAdmin.HOST_CHANGED : 0;
		states.setAdmin(index, (flags & ~ServerAdmin.RESOLUTION_MAINT) | serviceFlag, nowMs);
		if (!states.isInMaintenance(index)) states.setOperation(index, ServerOperation.UP, nowMs);
		this.log(`Server ${this.label} ('${hostName ?? ''}') is UP/READY (resolves again).`);
		if (!isService) this.log(`Server ${this.label} administratively READY thanks to valid DNS answer.`);
		this.#host.changed(this.backend);
	}

	/** It has none any more. */
	leave(reason: string): void {
		const { server, backend } = this;
		const { states, index } = server;
		const flags = states.admin(index);
		if (server.address !== '') {
			server.clearAddress();
			this.#host.addressChanged(backend, server);
		}
		if ((flags & ServerAdmin.RESOLUTION_MAINT) !== 0) return;
		states.setAdmin(index, flags | ServerAdmin.RESOLUTION_MAINT, this.#host.nowMs());
		const { active, backup } = standingOf(backend);
		this.log(
			`Server ${this.label} is going DOWN for maintenance (${reason}). ${active} active and ${backup} backup servers left. ${server.currentSessions()} sessions active, 0 requeued, ${server.queuedCount()} remaining in queue.`,
		);
		this.#host.changed(backend);
	}

	setWeight(weight: number): void {
		const { states, index, model } = this.server;
		if (model.resolution.ignoreWeight || states.weight(index) === weight) return;
		states.setWeight(index, weight);
		this.#host.changed(this.backend);
	}
}

/** Servers of one backend and name. */
export interface DiscoveryGroup {
	add(member: DiscoveredServer): void;
	/** True when it was the last one: nobody asks for the name any more. */
	remove(member: DiscoveredServer): boolean;
	stop(): void;
}

export class AddressGroup implements DiscoveryGroup, ResolutionListener {
	readonly #source: NameSource;
	readonly #members: DiscoveredServer[] = [];
	readonly #key: ResolutionKey;
	#resolution: Resolution | undefined;

	constructor(source: NameSource, name: string, prefer: 4 | 6) {
		this.#source = source;
		this.#key = { name, kind: 'address', prefer };
	}

	add(member: DiscoveredServer): void {
		this.#members.push(member);
		if (this.#resolution === undefined) this.#resolution = this.#source.watch(this.#key, this);
		else if (this.#resolution.lastValidMs !== undefined) this.#shareOut(this.#resolution, 'DNS cache');
	}

	remove(member: DiscoveredServer): boolean {
		const at = this.#members.indexOf(member);
		if (at >= 0) this.#members.splice(at, 1);
		if (this.#members.length > 0) return false;
		this.stop();
		return true;
	}

	stop(): void {
		if (this.#resolution !== undefined) this.#source.unwatch(this.#resolution, this);
		this.#resolution = undefined;
	}

	/** A check could not reach the server: perhaps the name leads elsewhere now. */
	trigger(): void {
		this.#resolution?.trigger();
	}

	resolved(resolution: Resolution, by: NameServer): void {
		const label = `${this.#source.model.name}/${by.model.name}`;
		if (this.#shareOut(resolution, label)) by.counters.update++;
	}

	lost(_resolution: Resolution, failure: ResolutionFailure): void {
		for (const member of this.#members) if (member.server.address !== '') member.leave(REASONS[failure]);
	}

	/** True if any address has changed. */
	#shareOut(resolution: Resolution, by: string): boolean {
		const { addresses } = resolution;
		const texts = new Set(addresses.map(String));
		const taken = new Set<string>();
		const without: DiscoveredServer[] = [];
		for (const member of this.#members) {
			const { address, model } = member.server;
			const isFree = model.resolution.allowDuplicates || !taken.has(address);
			if (texts.has(address) && isFree) {
				taken.add(address);
				member.arrive(false);
			} else without.push(member);
		}
		let label = by;
		let changed = false;
		for (const member of without) {
			const { model } = member.server;
			const { resolution: settings } = model;
			const free = addresses.filter((address) => !taken.has(address.toString()));
			const found = best(free, settings) ?? (settings.allowDuplicates ? best(addresses, settings) : undefined);
			if (found === undefined) {
				if (member.server.address !== '') member.leave('No IP for server ');
				continue;
			}
			taken.add(found.toString());
			member.setAddress(found, member.server.port, label);
			member.arrive(false);
			changed = true;
			// As observed: the rest of one answer is said to come from the cache.
			label = 'DNS cache';
		}
		return changed;
	}
}

/** Networks first, then the family (manual, 5.2 `resolve-net`, `resolve-prefer`), then the order of the answer. */
function best(
	addresses: readonly IpAddress[],
	{ networks, prefer }: { readonly networks: readonly string[]; readonly prefer: 4 | 6 },
): IpAddress | undefined {
	let found: IpAddress | undefined;
	let foundScore = -1;
	for (const address of addresses) {
		const score = (isInAny(address, networks) ? 2 : 0) + (address.family === prefer ? 1 : 0);
		if (score > foundScore) {
			found = address;
			foundScore = score;
		}
	}
	return found;
}

function isInAny(address: IpAddress, networks: readonly string[]): boolean {
	return networks.some((network) => {
		const [host = '', bits] = network.split('/');
		const base = IpAddress.parse(host);
		if (base === undefined || base.family !== address.family) return false;
		const length = bits === undefined ? (base.family === 4 ? 32 : 128) : Number(bits);
		return samePrefix(base.toBytes(), address.toBytes(), length);
	});
}

function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
	const whole = bits >> 3;
	for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
	const rest = bits & 7;
	return rest === 0 || ((a[whole] ?? 0) ^ (b[whole] ?? 0)) >> (8 - rest) === 0;
}

/** A record that a server stands for, and who resolves its target when the answer did not. */
interface Assignment {
	readonly key: string;
	target: AddressGroup | undefined;
}

export class ServiceGroup implements DiscoveryGroup, ResolutionListener {
	readonly #source: NameSource;
	readonly #name: string;
	readonly #members: DiscoveredServer[] = [];
	readonly #assignments = new Map<DiscoveredServer, Assignment>();
	#resolution: Resolution | undefined;

	constructor(source: NameSource, name: string) {
		this.#source = source;
		this.#name = name;
	}

	add(member: DiscoveredServer): void {
		this.#members.push(member);
		const { hostName, port } = member.server;
		// Known from before a reload.
		if (hostName !== undefined && member.server.address !== '') {
			this.#assignments.set(member, { key: serviceKey({ target: hostName, port }), target: undefined });
		}
		// The group is complete before it asks: see `begin`.
	}

	/** All servers of the file are in. */
	begin(): void {
		this.#resolution ??= this.#source.watch({ name: this.#name, kind: 'service', prefer: 4 }, this);
	}

	remove(member: DiscoveredServer): boolean {
		const at = this.#members.indexOf(member);
		if (at >= 0) this.#members.splice(at, 1);
		this.#assignments.get(member)?.target?.stop();
		this.#assignments.delete(member);
		if (this.#members.length > 0) return false;
		this.stop();
		return true;
	}

	stop(): void {
		for (const { target } of this.#assignments.values()) target?.stop();
		if (this.#resolution !== undefined) this.#source.unwatch(this.#resolution, this);
		this.#resolution = undefined;
	}

	resolved(resolution: Resolution, by: NameServer): void {
		const services = new Map(resolution.services.map((service) => [serviceKey(service), service]));
		let changed = false;
		for (const [member, { key }] of this.#assignments) {
			if (!services.has(key)) {
				this.#release(member, 'entry removed from SRV record');
				changed = true;
			}
		}
		const assigned = new Map([...this.#assignments].map(([member, { key }]) => [key, member]));
		for (const [key, service] of services) {
			let member = assigned.get(key);
			if (member === undefined) {
				member = this.#members.find((one) => !this.#assignments.has(one));
				// More records than servers: the rest waits for a free one.
				if (member === undefined) continue;
				this.#assignments.set(member, { key, target: undefined });
				changed = true;
			}
			this.#take(member, service);
		}
		if (changed) by.counters.update++;
	}

	lost(_resolution: Resolution, failure: ResolutionFailure): void {
		for (const member of [...this.#assignments.keys()]) this.#release(member, REASONS[failure]);
	}

	#take(member: DiscoveredServer, service: Service): void {
		const { server, label } = member;
		const assignment = this.#assignments.get(member) as Assignment;
		const isNew = server.hostName !== service.target;
		if (service.address !== undefined) {
			assignment.target?.stop();
			assignment.target = undefined;
			member.setAddress(service.address, service.port, 'DNS additional record');
		}
		if (isNew) {
			member.log(`${label} changed its FQDN from ${server.hostName ?? '(null)'} to ${service.target} by 'SRV record'`);
			server.hostName = service.target;
		}
		member.setWeight(weightOfService(service.weight));
		if (service.address !== undefined) {
			member.arrive(true);
			return;
		}
		if (server.address !== '' && server.port !== service.port) {
			const address = IpAddress.parse(server.address);
			if (address !== undefined) member.setAddress(address, service.port, 'SRV record');
		} else server.port = service.port;
		if (assignment.target !== undefined) return;
		assignment.target = new AddressGroup(this.#source, service.target, server.model.resolution.prefer);
		assignment.target.add(member);
	}

	#release(member: DiscoveredServer, reason: string): void {
		this.#assignments.get(member)?.target?.stop();
		this.#assignments.delete(member);
		member.leave(reason);
		member.server.hostName = undefined;
		member.server.port = 0;
	}
}
