/**
 * The log servers of all rings, over reloads: a ring that a new configuration takes over keeps the connections of the
 * servers that are still declared; one that only old generations write to is served until the last of them is gone.
 */
import type { CompiledConfiguration } from '../compile/index.js';
import type { RingModel } from '../config/model.js';
import { systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { LogRing } from '../shared/log-ring.js';
import { RingForwarder } from './ring-forwarder.js';

interface KeptRing {
	readonly ring: LogRing;
	/** By what the server's line says. */
	readonly forwarders: Map<string, RingForwarder>;
}

export class RingKeeper {
	readonly #logger: Logger;
	readonly #rings = new Map<SharedArrayBuffer, KeptRing>();
	/** Of rings that nobody writes to any more: they send the rest. */
	readonly #leaving = new Set<RingForwarder>();
	#allGone: (() => void) | undefined;

	constructor(logger: Logger) {
		this.#logger = logger;
	}

	/** After a generation came or went: those that are there, the newest last. */
	keep(generations: Iterable<Pick<CompiledConfiguration, 'model' | 'rings'>>): void {
		const models = new Map<SharedArrayBuffer, RingModel>();
		for (const { model, rings } of generations) {
			for (const ring of model.rings) {
				const buffer = rings.get(ring.name)?.buffer;
				if (buffer !== undefined) models.set(buffer, ring);
			}
		}
		for (const [buffer, model] of models) this.#serve(buffer, model);
		for (const [buffer, { forwarders }] of this.#rings) {
			if (models.has(buffer)) continue;
			for (const forwarder of forwarders.values()) this.#letGo(forwarder);
			this.#rings.delete(buffer);
		}
	}

	#serve(buffer: SharedArrayBuffer, model: RingModel): void {
		let kept = this.#rings.get(buffer);
		if (kept === undefined) {
			kept = { ring: new LogRing(buffer), forwarders: new Map() };
			this.#rings.set(buffer, kept);
		}
		const { ring, forwarders } = kept;
		const wanted = new Set<string>();
		for (const server of model.servers) {
			const { place: _place, ...said } = server;
			const key = JSON.stringify([said, model.connectTimeoutMs, model.serverTimeoutMs]);
			wanted.add(key);
			if (forwarders.has(key)) continue;
			// A server whose line was changed goes on where it was; a new one gets what the ring has.
			const former = [...forwarders.values()].find((one) => one.server.name === server.name);
			forwarders.set(
				key,
				new RingForwarder({
					ring,
					model,
					server,
					clock: systemClock,
					logger: this.#logger,
					...(former === undefined ? {} : { from: { ...former.cursor } }),
				}),
			);
		}
		for (const [key, forwarder] of forwarders) {
			if (wanted.has(key)) continue;
			forwarder.stop();
			forwarders.delete(key);
		}
	}

	#letGo(forwarder: RingForwarder): void {
		this.#leaving.add(forwarder);
		forwarder.end(() => {
			this.#leaving.delete(forwarder);
			if (this.#leaving.size === 0) this.#allGone?.();
		});
	}

	/** What is in the rings is sent to the servers that are connected, for so long at most. */
	async end(limitMs: number): Promise<void> {
		for (const { forwarders } of this.#rings.values()) {
			for (const forwarder of forwarders.values()) this.#letGo(forwarder);
		}
		this.#rings.clear();
		if (this.#leaving.size === 0) return;
		await new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, limitMs);
			this.#allGone = () => {
				clearTimeout(timer);
				resolve();
			};
		});
		for (const forwarder of this.#leaving) forwarder.stop();
	}
}
