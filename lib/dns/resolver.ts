/**
 * A `resolvers` section at work (manual, 5.3.2): its name servers with their counters, and the names that are asked
 * for, each once however many servers or requests want it.
 */
import { randomInt } from 'node:crypto';
import type { ResolversModel } from '../config/resolvers-model.js';
import type { IpAddress } from '../core/address.js';
import type { Clock } from '../core/clock.js';
import { withoutDot } from './message.js';
import {
	type NameServer,
	type NameserverCounters,
	Resolution,
	type ResolutionKey,
	type ResolutionListener,
	type ResolutionOptions,
} from './resolution.js';
import { systemTransport, type Transport } from './transport.js';

export interface ResolverOptions {
	readonly clock: Clock;
	readonly transport?: Transport;
	readonly randomId?: () => number;
	/** What may be asked for; both when absent. */
	readonly families?: readonly (4 | 6)[];
}

/** Names that requests have asked for (`do-resolve`) and whose answers are kept; the oldest goes first. */
const MAX_LOOKUPS = 10_000;

export class Resolver {
	readonly model: ResolversModel;
	readonly nameServers: readonly NameServer[];
	readonly #options: ResolutionOptions;
	readonly #watched = new Map<string, Resolution>();
	/** Of `do-resolve`: asked for once, and again when a request comes after `hold valid`. */
	readonly #lookups = new Map<string, Lookup>();

	constructor(model: ResolversModel, options: ResolverOptions) {
		this.model = model;
		this.nameServers = model.nameservers.map((nameserver) => ({ model: nameserver, counters: newCounters() }));
		this.#options = {
			section: model,
			families: options.families,
			nameServers: this.nameServers,
			transport: options.transport ?? systemTransport,
			clock: options.clock,
			randomId: options.randomId ?? (() => randomInt(65_536)),
		};
	}

	/** Asks for the name from now on, first at once; the listener is told of each answer. */
	watch(key: ResolutionKey, listener: ResolutionListener): Resolution {
		const text = textOf(key);
		let resolution = this.#watched.get(text);
		if (resolution === undefined) {
			resolution = new Resolution(key, this.#options);
			this.#watched.set(text, resolution);
		}
		resolution.add(listener);
		if (resolution.lastValidMs === undefined) resolution.trigger();
		return resolution;
	}

	unwatch(resolution: Resolution, listener: ResolutionListener): void {
		resolution.remove(listener);
		if (resolution.listenerCount > 0) return;
		resolution.stop();
		this.#watched.delete(textOf(resolution.key));
	}

	/** One address of a name, from the answers that are held, or by asking; undefined when there is none. */
	lookUp(name: string, prefer: 4 | 6, done: (address: IpAddress | undefined) => void): void {
		const key: ResolutionKey = { name, kind: 'address', prefer };
		const text = textOf(key);
		const known = this.#lookups.get(text);
		const nowMs = this.#options.clock.monotonicMs();
		if (known !== undefined && known.answeredMs !== undefined && nowMs - known.answeredMs < this.model.holdMs.valid) {
			done(known.next());
			return;
		}
		if (known !== undefined && known.answeredMs === undefined) {
			known.waiting.push(done);
			return;
		}
		known?.resolution.stop();
		this.#lookups.delete(text);
		for (const [oldest, { resolution, answeredMs }] of this.#lookups) {
			if (this.#lookups.size < MAX_LOOKUPS) break;
			if (answeredMs === undefined) continue;
			resolution.stop();
			this.#lookups.delete(oldest);
		}
		const lookup = new Lookup(new Resolution(key, this.#options), () => this.#options.clock.monotonicMs());
		lookup.waiting.push(done);
		this.#lookups.set(text, lookup);
		lookup.begin(() => this.#lookups.delete(text));
	}

	stop(): void {
		for (const resolution of this.#watched.values()) resolution.stop();
		for (const lookup of this.#lookups.values()) lookup.giveUp();
		this.#watched.clear();
		this.#lookups.clear();
	}

	/** `show resolvers`. */
	*describe(): Generator<string> {
		yield `Resolvers section ${this.model.name}\n`;
		for (const { model, counters } of this.nameServers) {
			yield ` nameserver ${model.name}:\n`;
			for (const [name, count] of Object.entries(counters)) yield `  ${`${name}:`.padEnd(13)}${count}\n`;
		}
	}
}

/** A name that requests wait for: its answer is kept, its asking ends with it. */
class Lookup {
	readonly resolution: Resolution;
	readonly waiting: ((address: IpAddress | undefined) => void)[] = [];
	answeredMs: number | undefined;
	readonly #now: () => number;
	#addresses: readonly IpAddress[] = [];
	#turn = 0;

	constructor(resolution: Resolution, now: () => number) {
		this.resolution = resolution;
		this.#now = now;
	}

	begin(failed: () => void): void {
		this.resolution.add({
			resolved: () => undefined,
			lost: () => undefined,
			ended: (resolution, failure) => {
				this.#addresses = failure === undefined ? resolution.addresses : [];
				this.answeredMs = this.#now();
				resolution.stop();
				if (failure !== undefined) failed();
				for (const done of this.waiting.splice(0)) done(this.next());
			},
		});
		this.resolution.trigger();
	}

	/** Nobody waits for ever. */
	giveUp(): void {
		this.resolution.stop();
		for (const done of this.waiting.splice(0)) done(undefined);
	}

	/** Several addresses are given out in turn. */
	next(): IpAddress | undefined {
		return this.#addresses[this.#turn++ % this.#addresses.length];
	}
}

const textOf = ({ kind, name, prefer }: ResolutionKey): string => `${kind} ${prefer} ${withoutDot(name).toLowerCase()}`;

function newCounters(): NameserverCounters {
	return {
		sent: 0,
		snd_error: 0,
		valid: 0,
		update: 0,
		cname: 0,
		cname_error: 0,
		any_err: 0,
		nx: 0,
		timeout: 0,
		refused: 0,
		other: 0,
		invalid: 0,
		too_big: 0,
		truncated: 0,
		outdated: 0,
	};
}
