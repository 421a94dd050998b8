/**
 * The health checks of a configuration: a monitor for each server, which says what becomes of it whoever decides that,
 * and a checker for each that is asked. They run once in a process, in its control thread; what they find is in the shared
 * memory of the servers.
 */
import type { AddressInfo } from 'node:net';
import type tls from 'node:tls';
import type { ServerModel } from '../../config/model.js';
import { IpAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import { writeProxyHeader, writeProxyLine } from '../../core/proxy-protocol.js';
import type { ProcessScope, SampleValue } from '../../sample/types.js';
import type { Backend } from '../backend.js';
import type { Server } from '../server.js';
import type { CheckTarget } from './check-run.js';
import { Checker } from './checker.js';
import { type MonitorHost, ServerMonitor } from './server-monitor.js';
import type { CompiledCheck } from './steps.js';

export interface CheckedBackend {
	readonly backend: Backend;
	readonly check: CompiledCheck;
}

export interface HealthChecksOptions {
	readonly backends: readonly CheckedBackend[];
	readonly host: MonitorHost;
	readonly clock: Clock;
	readonly hostname: string;
	readonly bufferSize: number;
	readonly spreadPercent: number;
	/** `max-spread-checks`. */
	readonly maxSpreadMs?: number | undefined;
	readonly pp2NeverSendLocal?: boolean;
	readonly tlsOf: (server: ServerModel) => tls.ConnectionOptions;
	readonly random?: () => number;
	/** `proc.` variables, which checks share with rules. */
	readonly processVariables?: ProcessScope;
}

/** How often the errors that traffic has met are looked at. */
const OBSERVE_MS = 50;

const keyOf = (backend: string, server: string): string => `${backend}/${server}`;

export class HealthChecks {
	readonly #monitors = new Map<string, ServerMonitor>();
	readonly #checkers: Checker[] = [];
	readonly #options: HealthChecksOptions;
	readonly #observed: ServerMonitor[] = [];
	readonly #checks: ReadonlyMap<Backend, CompiledCheck>;
	readonly #processVariables = new Map<string, SampleValue>();
	#started = false;
	#observeTimer: Timer | undefined;

	constructor(options: HealthChecksOptions) {
		this.#options = options;
		this.#checks = new Map(options.backends.map(({ backend, check }) => [backend, check]));
		for (const { backend } of options.backends) {
			for (const server of backend.servers) this.#addMonitor(backend, server);
		}
		for (const monitor of this.#monitors.values()) this.#follow(monitor);
		for (const monitor of this.#monitors.values()) {
			monitor.begin();
			if (monitor.server.model.health.observe !== 'none') this.#observed.push(monitor);
		}
	}

	monitor(backend: string, server: string): ServerMonitor | undefined {
		return this.#monitors.get(keyOf(backend, server));
	}

	/** What another generation found out about servers of the same backend, name and address. */
	takeOver(former: HealthChecks): void {
		for (const [key, monitor] of this.#monitors) {
			const known = former.#monitors.get(key);
			if (known === undefined || !isMonitored(monitor.server.model)) continue;
			if (isSameServer(known.server, monitor.server)) monitor.takeOver(known);
		}
	}

	start(): void {
		this.#started = true;
		for (const monitor of this.#monitors.values()) this.#makeChecker(monitor);
		const { maxSpreadMs = Number.POSITIVE_INFINITY } = this.#options;
		const intervals = this.#checkers.map(({ monitor }) => monitor.server.model.interMs);
		const shortestMs = Math.min(maxSpreadMs, ...intervals);
		this.#watchTraffic();
		for (const [index, checker] of this.#checkers.entries()) {
			checker.start(Math.floor((shortestMs * index) / this.#checkers.length));
		}
	}

	/** `add server`: its checks and its agent wait until they are enabled (management guide, 9.3). */
	addServer(backend: Backend, server: Server): void {
		const monitor = this.#addMonitor(backend, server);
		monitor.checksEnabled = false;
		monitor.agentEnabled = false;
		this.#follow(monitor);
		if (server.model.health.observe !== 'none') this.#observed.push(monitor);
		if (!this.#started) return;
		this.#makeChecker(monitor)?.start(0);
		this.#watchTraffic();
	}

	/** `del server`. */
	removeServer(backend: Backend, server: Server): void {
		const monitor = this.#monitors.get(keyOf(backend.name, server.name));
		if (monitor === undefined) return;
		this.#monitors.delete(keyOf(backend.name, server.name));
		for (const other of this.#monitors.values()) other.removeFollower(monitor);
		const at = this.#checkers.findIndex((checker) => checker.monitor === monitor);
		if (at >= 0) this.#checkers.splice(at, 1)[0]?.stop();
		const observedAt = this.#observed.indexOf(monitor);
		if (observedAt >= 0) this.#observed.splice(observedAt, 1);
		monitor.stop();
	}

	#addMonitor(backend: Backend, server: Server): ServerMonitor {
		const { clock, host } = this.#options;
		const monitor = new ServerMonitor(backend, server, clock, host);
		this.#monitors.set(keyOf(backend.name, server.name), monitor);
		return monitor;
	}

	#follow(monitor: ServerMonitor): void {
		const { track } = monitor.server.model.health;
		if (track === undefined) return;
		this.#monitors.get(keyOf(track.backend ?? monitor.backend.name, track.server))?.addFollower(monitor);
	}

	#makeChecker(monitor: ServerMonitor): Checker | undefined {
		const { clock, hostname, bufferSize, spreadPercent } = this.#options;
		const { model } = monitor.server;
		const check = this.#checks.get(monitor.backend);
		if (check === undefined || (!model.check && !model.health.agentCheck)) return undefined;
		const checker = new Checker({
			monitor,
			check,
			target: this.#targetOf(monitor),
			clock,
			hostname,
			bufferSize,
			spreadPercent,
			random: this.#options.random ?? Math.random,
			processVariables: this.#processVariables,
		});
		this.#checkers.push(checker);
		return checker;
	}

	/** Errors of the traffic, which data threads count in shared memory (manual, 5.2 `observe`). */
	readonly #lookAtTraffic = (): void => {
		for (const monitor of this.#observed) {
			const { states, index, model } = monitor.server;
			const { errorLimit, observe } = model.health;
			if (states.observedErrors(index) < errorLimit) continue;
			states.clearObservedErrors(index);
			monitor.observedErrors(observe === 'layer4' ? 'failed connection' : 'invalid response');
		}
		this.#observeTimer = undefined;
		this.#watchTraffic();
	};

	#watchTraffic(): void {
		if (this.#observed.length === 0) return;
		this.#observeTimer ??= this.#options.clock.setTimer(this.#lookAtTraffic, OBSERVE_MS);
	}

	stop(): void {
		this.#observeTimer?.cancel();
		for (const checker of this.#checkers.splice(0)) checker.stop();
		for (const monitor of this.#monitors.values()) monitor.stop();
	}

	/** Where and how a server is checked: as traffic goes there, unless its line says otherwise (manual, 5.2 `check`). */
	#targetOf({ backend, server, checkEndpoint }: ServerMonitor): () => CheckTarget {
		const { model } = server;
		const { health } = model;
		const elsewhere = health.checkPort !== undefined || health.checkAddress !== undefined;
		const source = model.source ?? backend.model.source;
		const options = this.#options.tlsOf(model);
		const fixed: Omit<CheckTarget, 'destination'> = {
			localAddress: source?.kind === 'ip' ? source.address : undefined,
			// SNI of the traffic is not that of the checks (manual, 5.2 `check`).
			tls: {
				...options,
				servername: health.checkSni ?? (model.tls ?? model.checkTls)?.verifyHost ?? '',
				ALPNProtocols: checkAlpn(model),
			},
			usesTls: health.checkTls ?? (!elsewhere && model.tls !== undefined),
			proxyHeader: (local, host, port) =>
				checkProxyHeader(model.sendProxy, this.#options.pp2NeverSendLocal === true, local, host, port),
			socks4: model.socks4,
			usesSocks4: health.checkViaSocks4 === true,
			proto: health.checkProto === 'none' ? undefined : (health.checkProto ?? model.proto),
			usesProxyHeader: health.checkSendProxy ?? (!elsewhere && model.sendProxy !== 'none'),
		};
		// Its address may change while the program runs.
		return () => ({
			...fixed,
			destination:
				model.address.kind === 'unix' && checkEndpoint.host === undefined
					? { kind: 'unix', path: model.address.abstract ? `\0${model.address.path}` : model.address.path }
					: { kind: 'tcp', host: checkEndpoint.host ?? server.address, port: checkEndpoint.port ?? server.port },
		});
	}
}

/**
 * `check-alpn`, else what the traffic offers (manual, 5.2 `check-alpn`), and nothing that the check will not speak
 * then: a server that has chosen HTTP/2 takes no other word.
 */
function checkAlpn({ health, proto, tls }: ServerModel): string[] | undefined {
	if (health.checkAlpn.length > 0) return [...health.checkAlpn];
	const offered = [...(tls?.alpn ?? [])];
	const isOld = (health.checkProto ?? proto) === 'h1';
	const spoken = isOld ? offered.filter((name) => name !== 'h2') : offered;
	return spoken.length === 0 ? undefined : spoken;
}

/**
 * A check speaks for the proxy itself: its own two ends in version 1; LOCAL in version 2, unless servers are there that
 * know only PROXY (`pp2-never-send-local`).
 */
function checkProxyHeader(
	version: string,
	neverLocal: boolean,
	local: AddressInfo,
	host: string,
	port: number,
): Buffer {
	const source = IpAddress.parse(local.address);
	const destination = IpAddress.parse(host);
	const ends =
		source === undefined || destination === undefined
			? undefined
			: { source, sourcePort: local.port, destination, destinationPort: port };
	return version === 'v2' ? writeProxyHeader(neverLocal ? ends : undefined) : writeProxyLine(ends);
}

/** It is checked, asks an agent, or follows one that does. */
function isMonitored({ check, health }: ServerModel): boolean {
	return check || health.agentCheck || health.track !== undefined;
}

function isSameServer(a: Server, b: Server): boolean {
	return a.address === b.address && a.port === b.port && a.backendName === b.backendName;
}
