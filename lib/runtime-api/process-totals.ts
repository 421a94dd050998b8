/**
 * What the process has done, summed over its frontends: `show info` and the exporter tell the same figures. They are the
 * process's own, and `clear counters` leaves them as they are.
 */
import { readFileSync } from 'node:fs';
import { tlsTotals } from '../frontend/rate-limits.js';
import type { StatSource } from './stat-rows.js';

export interface ProcessTotals {
	connections: number;
	requests: number;
	bytesOut: number;
	connectionRate: number;
	/** The highest of any one frontend: nobody keeps the highest sum. */
	connectionRateMax: number;
	sessionRate: number;
	sessionRateMax: number;
	listeners: number;
	tls: ReturnType<typeof tlsTotals>;
}

export function processTotals(
	source: Pick<StatSource, 'clock' | 'model' | 'frontends' | 'processCounters'>,
): ProcessTotals {
	const nowMs = source.clock.monotonicMs();
	const totals: ProcessTotals = {
		connections: 0,
		requests: 0,
		bytesOut: 0,
		connectionRate: 0,
		connectionRateMax: 0,
		sessionRate: 0,
		sessionRateMax: 0,
		listeners: source.model.global.statsSockets.length,
		tls: tlsTotals(source.processCounters, nowMs),
	};
	for (const { model, counters } of source.frontends.values()) {
		totals.connections += counters.sinceStart('conn_tot');
		totals.requests += counters.sinceStart('req_tot');
		totals.bytesOut += counters.sinceStart('bout');
		totals.connectionRate += counters.rate('connection', nowMs);
		totals.connectionRateMax = Math.max(totals.connectionRateMax, counters.rateMax('connection'));
		totals.sessionRate += counters.rate('session', nowMs);
		totals.sessionRateMax = Math.max(totals.sessionRateMax, counters.rateMax('session'));
		totals.listeners += model.binds.length;
	}
	return totals;
}

let limit: number | undefined;

/** Soft limit of open files, asked once; undefined where the system does not tell. */
export function descriptorLimit(): number | undefined {
	if (limit !== undefined) return limit;
	try {
		const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
		limit = found === undefined ? undefined : Number(found);
	} catch {
		return undefined;
	}
	return limit;
}
