/**
 * All that the page and the exporter look at: rows of `show stat`, the tables, and what the control thread has told.
 * Everything is in shared memory; whoever serves the request reads it there.
 */
import type { Server } from '../backend/server.js';
import type { CheckResult, StatSource } from '../runtime-api/stat-rows.js';
import type { Bulletin } from '../shared/bulletin.js';
import { readVitals, type Vitals } from '../shared/vitals.js';
import type { StickTable } from '../stick-table/table.js';
import type { AdminEffects } from './admin.js';
import type { CheckReport, ControlReport } from './report.js';

export interface StatsSourceOptions extends Omit<StatSource, 'frontendState' | 'checkOf' | 'agentOf'> {
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly bulletin: Bulletin;
	readonly vitals: SharedArrayBuffer;
	readonly hostname: string;
	readonly startedWallMs: number;
	/** Client connections of the process. */
	readonly activeConnections: () => number;
	readonly isStopping: () => boolean;
	readonly effects: AdminEffects;
}

export class StatsSource implements StatSource {
	readonly model: StatsSourceOptions['model'];
	readonly clock: StatsSourceOptions['clock'];
	readonly frontends: StatsSourceOptions['frontends'];
	readonly backends: StatsSourceOptions['backends'];
	readonly processCounters: StatsSourceOptions['processCounters'];
	readonly listenerCounters: StatsSourceOptions['listenerCounters'];
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly options: StatsSourceOptions;
	readonly startedMonotonicMs: number;
	#report: ControlReport | undefined;
	#reportVersion = -1;
	readonly #checks = new Map<string, CheckReport>();

	constructor(options: StatsSourceOptions) {
		this.options = options;
		this.model = options.model;
		this.clock = options.clock;
		this.frontends = options.frontends;
		this.backends = options.backends;
		this.tables = options.tables;
		this.startedMonotonicMs = options.startedMonotonicMs;
		this.processCounters = options.processCounters;
		this.listenerCounters = options.listenerCounters;
	}

	/** The latest word of the control thread; undefined before the first, in the first moments of a process. */
	report(): ControlReport | undefined {
		const { bulletin } = this.options;
		const version = bulletin.version;
		// The look itself tells the other side that somebody looks.
		const text = bulletin.read(this.clock.monotonicMs());
		if (text === undefined) return this.#report;
		if (version !== this.#reportVersion) {
			this.#report = JSON.parse(text) as ControlReport;
			this.#reportVersion = version;
			this.#checks.clear();
			for (const check of this.#report.checks) this.#checks.set(`${check.backend} ${check.server}`, check);
		}
		return this.#report;
	}

	/** As of the latest word of the control thread, which checks. */
	checkOf({ backendName, name }: Server): CheckResult | undefined {
		return this.#checks.get(`${backendName} ${name}`)?.result;
	}

	agentOf({ backendName, name }: Server): CheckResult | undefined {
		return this.#checks.get(`${backendName} ${name}`)?.agent;
	}

	frontendState(name: string): { readonly status: string; readonly maxconn: number } | undefined {
		return this.#report?.frontends.find((frontend) => frontend.name === name);
	}

	vitals(): Vitals[] {
		return readVitals(this.options.vitals);
	}
}
