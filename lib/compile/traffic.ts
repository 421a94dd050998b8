/**
 * The listeners of one data thread: made from the compiled frontends, opened on the thread's own descriptors,
 * closed at a soft stop.
 */

import type { BindModel } from '../config/model.js';
import { datagramKey, socketKey } from '../core/address.js';
import { ConnectionGate } from '../frontend/connection-gate.js';
import { DatagramListener } from '../frontend/datagram-listener.js';
import { type ConnectionEngine, Listener, nativeEngine } from '../frontend/listener.js';
import { logEngine } from '../frontend/log-connection.js';
import { ProcessRates, type RateLimits } from '../frontend/rate-limits.js';
import { REST_CHECK_MS } from '../stream/soft-stop.js';
import type { CompiledConfiguration } from './configuration.js';
import type { SharedState } from './shared-state.js';

/** How often a leaving thread looks whether its last connection has closed. */
const DRAIN_CHECK_MS = 20;

export interface Traffic {
	readonly listeners: readonly Listener[];
	/** On this thread's own descriptors, by socket key. Rejects with HoldfastError when one cannot be listened on. */
	listen(descriptors: ReadonlyMap<string, number>): Promise<void>;
	/**
	 * After `graceMs` nothing is accepted any more; `drained` is called once the last connection has closed. Called
	 * again, by a stop during a reload, it changes nothing.
	 */
	softStop(graceMs: number, drained: () => void): void;
	/** Closes every connection; `drained` as for a soft stop, unless one has been begun and calls its own. */
	hardStop(drained: () => void): void;
	/** Gives up the descriptors and serves on: another program is to take the addresses. */
	stopAccepting(): void;
	/** A limit of a frontend, or of the process, from now on; 0: none. */
	setMaxconn(frontend: string | undefined, limit: number): void;
	/** Of the process, from now on. */
	setRateLimits(limits: RateLimits): void;
}

interface OpenListener {
	readonly listener: Listener;
	readonly key: string;
}

/** The engine of `tune.http.engine`; the node engine and http-proxy are loaded only where it is asked for. */
export async function loadEngine(name: 'native' | 'node'): Promise<ConnectionEngine> {
	return name === 'node' ? (await import('../stream/node/engine.js')).nodeEngine : nativeEngine;
}

export function openTraffic(compiled: CompiledConfiguration, shared: SharedState, engine: ConnectionEngine): Traffic {
	const { model, thread, counterIndexes, counters } = compiled;
	const words = new Int32Array(shared.gates);
	const processGate = new ConnectionGate(words, counterIndexes.process, model.global.maxconn ?? 0);
	const tlsGate = new ConnectionGate(words, counterIndexes.count, model.global.maxsslconn);
	const rates = new ProcessRates(counters.object(counterIndexes.process), model.global.rateLimits);
	const listeners: OpenListener[] = [];
	const frontendGates = new Map<string, ConnectionGate>();
	for (const frontend of compiled.frontends.values()) {
		if (frontend.model.disabled) continue;
		const index = counterIndexes.frontend(frontend.name);
		const frontendGate = new ConnectionGate(words, index, frontend.model.maxconn);
		frontendGates.set(frontend.name, frontendGate);
		for (const bind of frontend.model.binds) {
			const at = counterIndexes.listener(frontend.name, bind.id);
			const gates = [processGate, frontendGate, new ConnectionGate(words, at, bind.maxconn ?? 0)];
			if (bind.tls !== undefined && tlsGate.limit > 0) gates.push(tlsGate);
			const { socketStats } = frontend.model.options;
			const listener = new Listener({
				bind,
				frontend,
				gates,
				rates,
				engine,
				tls: compiled.tlsAcceptors.get(bind),
				...(socketStats ? { counters: counters.object(at) } : {}),
			});
			listeners.push({ listener, key: keyOf(bind) });
		}
	}
	const datagrams: { readonly listener: DatagramListener; readonly key: string; readonly family: 4 | 6 }[] = [];
	for (const { model: section, frontend, forwarder } of compiled.logForwards) {
		const index = counterIndexes.frontend(section.name);
		const gate = new ConnectionGate(words, index, section.connections.maxconn);
		const engine = logEngine({
			forwarder,
			endsAtNewlines: section.endsAtNewlines,
			timeoutMs: section.connections.timeouts.clientMs,
			maxBytes: model.global.tune.bufsizeBytes,
		});
		for (const bind of section.connections.binds) {
			const at = counterIndexes.listener(section.name, bind.id);
			// As in HAProxy, these connections take no place of the process's `maxconn`.
			const gates = [gate, new ConnectionGate(words, at, bind.maxconn ?? 0)];
			const listener = new Listener({ bind, frontend, gates, engine, tls: compiled.tlsAcceptors.get(bind) });
			listeners.push({ listener, key: keyOf(bind) });
		}
		for (const { address, v6only } of section.datagramBinds) {
			const listener = new DatagramListener(forwarder, thread.logger);
			datagrams.push({ listener, key: datagramKey(address, v6only), family: address.family });
		}
	}
	const stopAccepting = (): void => {
		for (const { listener } of listeners) listener.stopAccepting();
		for (const { listener } of datagrams) listener.stop();
	};
	const connectionCount = (): number =>
		listeners.reduce((sum, { listener }) => sum + listener.connectionCount + listener.parkedCount, 0);
	const softStop = (graceMs: number, drained: () => void): void => {
		if (thread.isStopping) return;
		thread.isStopping = true;
		let nextRestCheckMs = 0;
		const check = (): void => {
			if (connectionCount() === 0) {
				drained();
				return;
			}
			const nowMs = thread.nowMs();
			if (nowMs >= nextRestCheckMs) {
				nextRestCheckMs = nowMs + REST_CHECK_MS;
				for (const { listener } of listeners) listener.closeIdle(nowMs);
			}
			thread.clock.setTimer(check, DRAIN_CHECK_MS);
		};
		const begin = (): void => {
			thread.softStop.begin(thread.nowMs(), model.global.closeSpreadTimeMs ?? 0);
			stopAccepting();
			check();
		};
		if (graceMs > 0) thread.clock.setTimer(begin, graceMs);
		else begin();
	};
	return {
		listeners: listeners.map(({ listener }) => listener),
		async listen(descriptors) {
			await Promise.all([
				...listeners.map(({ listener, key }) => {
					const fd = descriptors.get(key);
					return fd === undefined ? undefined : listener.listen({ fd });
				}),
				...datagrams.map(({ listener, key, family }) => {
					const fd = descriptors.get(key);
					return fd === undefined ? undefined : listener.listen(fd, family);
				}),
			]);
		},
		softStop,
		hardStop(drained) {
			softStop(0, drained);
			for (const { listener } of listeners) listener.destroyAll();
		},
		stopAccepting,
		setMaxconn(frontend, limit) {
			const gate = frontend === undefined ? processGate : frontendGates.get(frontend);
			if (gate !== undefined) gate.limit = limit;
		},
		setRateLimits(limits) {
			rates.limits = limits;
		},
	};
}

function keyOf(bind: BindModel): string {
	return socketKey(bind.address, bind.v6only);
}
