/**
 * The health checks of the serving configuration, in the control thread: they begin when its data threads listen, and
 * what they have found passes on to the next generation. A generation that leaves is no longer checked; its
 * streams have their servers already.
 */

import { hostname } from 'node:os';
import type { Backend } from '../backend/backend.js';
import { type CheckResult, descriptionOf, hasCode } from '../backend/health/check-status.js';
import type { Health } from '../backend/health/health.js';
import { HealthChecks } from '../backend/health/health-checks.js';
import type { MonitorHost, ServerMonitor } from '../backend/health/server-monitor.js';
import type { Server } from '../backend/server.js';
import type { CompiledConfiguration } from '../compile/index.js';
import { systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { clientTlsOptions } from '../core/tls.js';
import type { RuntimeChange } from '../runtime-api/runtime-view.js';
import type { CheckResult as StatCheckResult } from '../runtime-api/stat-rows.js';
import { Column } from '../shared/counters.js';
import { backendLogOf } from './backend-log.js';

export class HealthKeeper {
	readonly #logger: Logger;
	#checks: HealthChecks | undefined;
	/** Told of servers whose check could not connect in time. */
	onUnreachable: (server: Server) => void = () => undefined;

	constructor(logger: Logger) {
		this.#logger = logger;
	}

	get checks(): HealthChecks | undefined {
		return this.#checks;
	}

	/**
	 * Makes the checks of a configuration that is about to serve, with what is known already, before its threads look at
	 * a server. `tell` reaches those threads.
	 */
	prepare(compiled: CompiledConfiguration, tell: (change: RuntimeChange) => void): HealthChecks {
		const checks = new HealthChecks({
			backends: [...compiled.backends.values()].flatMap(({ backend }) => {
				const check = compiled.healthChecks.get(backend.name);
				return check === undefined || backend.model.disabled ? [] : [{ backend, check }];
			}),
			host: this.#hostOf(compiled, tell),
			clock: systemClock,
			hostname: compiled.model.global.node ?? hostname(),
			bufferSize: compiled.model.global.tune.bufsizeBytes,
			spreadPercent: compiled.model.global.spreadChecksPercent,
			tlsOf: (server) => clientTlsOptions(server.tls ?? server.checkTls),
			maxSpreadMs: compiled.model.global.maxSpreadChecksMs,
			pp2NeverSendLocal: compiled.model.global.pp2NeverSendLocal,
			processVariables: compiled.thread.processVariables,
		});
		if (this.#checks !== undefined) checks.takeOver(this.#checks);
		return checks;
	}

	/** Begins the checks of `prepare` in place of those before. */
	serve(checks: HealthChecks): void {
		const former = this.#checks;
		if (former !== undefined) checks.takeOver(former);
		former?.stop();
		this.#checks = checks;
		checks.start();
	}

	stop(): void {
		this.#checks?.stop();
	}

	/** The last check of a server as `show stat` tells it; undefined when it is not checked. */
	resultOf(backend: string, server: string): StatCheckResult | undefined {
		const monitor = this.#checks?.monitor(backend, server);
		// Not checked, or not now: `no check` (as observed after `disable health`).
		if (monitor === undefined || !monitor.checksEnabled) return undefined;
		return statResult(monitor.lastResult, monitor.health);
	}

	/** A server that was added at run time; its checks wait for `enable health`. */
	addServer(backend: Backend, server: Server): void {
		this.#checks?.addServer(backend, server);
	}

	removeServer(backend: Backend, server: Server): void {
		this.#checks?.removeServer(backend, server);
	}

	/** What is known of a server that is checked, has an agent or follows another. */
	monitorOf(backend: string, server: string): ServerMonitor | undefined {
		return this.#checks?.monitor(backend, server);
	}

	/** What its agent said last; undefined without one. */
	agentOf(backend: string, server: string): StatCheckResult | undefined {
		const monitor = this.#checks?.monitor(backend, server);
		if (monitor === undefined || !monitor.server.model.health.agentCheck || !monitor.agentEnabled) return undefined;
		return statResult(monitor.lastAgentResult, monitor.agentHealth);
	}

	/** `enable health`, `disable health`. */
	setEnabled(backend: string, server: string, enabled: boolean): void {
		const monitor = this.#checks?.monitor(backend, server);
		if (monitor !== undefined) monitor.checksEnabled = enabled && monitor.server.model.check;
	}

	#hostOf(compiled: CompiledConfiguration, tell: (change: RuntimeChange) => void): MonitorHost {
		return {
			log: backendLogOf(compiled, this.#logger),
			unreachable: (server) => this.onUnreachable(server),
			changed: (backend) => {
				backend.stateChanged();
				tell({ kind: 'servers-changed', backend: backend.name });
			},
			shutdownSessions: (backend, server, cause) =>
				tell({ kind: 'server-sessions-end', backend: backend.name, server: server.name, cause }),
			failed(backend, server, by) {
				const counters = compiled.backends.get(backend.name)?.serverCounters[server.index];
				if (counters === undefined) return;
				const column = by === 'check' ? Column.chkfail : Column.hanafail;
				counters.slice[column] = (counters.slice[column] as number) + 1;
			},
		};
	}
}

function statResult(last: CheckResult | undefined, { rise, fall, value }: Health): StatCheckResult {
	return {
		status: last?.status ?? 'INI',
		description: last === undefined ? 'Initializing' : descriptionOf(last.status),
		code: last === undefined || !hasCode(last.status) ? undefined : last.code,
		durationMs: last === undefined || last.durationMs < 0 ? undefined : last.durationMs,
		text: last?.info ?? '',
		rise,
		fall,
		health: value,
	};
}
