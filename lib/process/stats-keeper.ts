/**
 * The statistics page's helper in the control thread: runs the sampler of the configuration that serves, remembers how
 * reloads went, and does what an action of the page asks of all threads.
 */
import type { SharedState } from '../compile/shared-state.js';
import { systemClock } from '../core/clock.js';
import type { Diagnostic } from '../core/diagnostics.js';
import type { RuntimeView } from '../runtime-api/runtime-view.js';
import { Bulletin } from '../shared/bulletin.js';
import type { AdminMessage } from '../stats/admin.js';
import { ReloadHistory, StatsSampler } from '../stats/sampler.js';
import { RefusalReader, ruleFiles } from '../stream/refusals.js';

export class StatsKeeper {
	readonly #reloads = new ReloadHistory();
	#sampler: StatsSampler | undefined;
	#view: RuntimeView | undefined;
	#loadBeganMs = 0;

	loadBegins(): void {
		this.#loadBeganMs = systemClock.monotonicMs();
	}

	/** `reason`: why it failed; the first mistake in the file says it better. */
	loadEnded(generation: number, reason?: string, diagnostics: readonly Diagnostic[] = []): void {
		const mistake = reason === undefined ? undefined : diagnostics.find(({ severity }) => severity === 'alert');
		const place = mistake?.place === undefined ? '' : `${mistake.place.file}:${mistake.place.line}: `;
		this.#reloads.add({
			atMs: systemClock.wallMs(),
			generation,
			succeeded: reason === undefined,
			tookMs: systemClock.monotonicMs() - this.#loadBeganMs,
			reason: mistake === undefined ? reason : place + mistake.text,
		});
		this.#sampler?.publish();
	}

	/** A configuration before has ended, so long after the next one listened. */
	handedOver(tookMs: number): void {
		this.#reloads.handOffMs = tookMs;
		this.#sampler?.publish();
	}

	serve(view: RuntimeView, shared: SharedState, generation: number): void {
		const former = this.#sampler;
		former?.stop();
		let keptEntries = 0;
		if (former !== undefined) for (const table of view.tables.values()) keptEntries += table.usedCount();
		this.#view = view;
		this.#sampler = new StatsSampler(
			{
				source: view,
				tables: view.tables,
				bulletin: new Bulletin(shared.stats.bulletin),
				refusals: new RefusalReader(shared.stats.refusals, ruleFiles(view.model)),
				clock: view.clock,
				generation,
				startedAtMs: view.process.startedWallMs,
				keptEntries,
				reloads: this.#reloads,
				limits: () => ({ maxconn: view.state.maxconn, ...view.state.rateLimits }),
				activeConnections: () => view.process.currentConnections(),
				originStatuses: () => view.originStatuses?.() ?? [],
				redisStatuses: () => view.redisStatuses?.() ?? [],
				describePeers: () => view.peers?.describe() ?? [],
				frontends: () =>
					[...view.frontends.keys()].flatMap((name) => {
						const state = view.frontendState?.(name);
						return state === undefined ? [] : [{ name, ...state }];
					}),
			},
			former,
		);
		this.#sampler.start();
	}

	act(message: AdminMessage): void {
		const view = this.#view;
		if (view === undefined) return;
		const { backend } = message;
		switch (message.kind) {
			case 'servers-changed':
				view.threads.tell({ kind: 'servers-changed', backend });
				break;
			case 'shutdown-sessions':
				void view.threads.ask({ ask: 'shutdown-server-sessions', backend, server: message.server });
				break;
			case 'check-enabled':
			case 'administered':
			case 'health-forced': {
				const server = view.backends.get(backend)?.backend.serverByName(message.server);
				if (server === undefined) break;
				if (message.kind === 'check-enabled') view.setCheckEnabled?.(server, message.enabled);
				else if (message.kind === 'administered') {
					view.monitorOf?.(server)?.administered(message.former, message.operation);
				} else view.monitorOf?.(server)?.forceHealth(message.operation, message.former);
				break;
			}
		}
		this.#sampler?.publish();
	}

	stop(): void {
		this.#sampler?.stop();
	}
}
