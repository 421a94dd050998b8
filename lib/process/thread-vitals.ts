/** A data thread writes down once a second how it fares (shared/vitals.ts). */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { writeVitals } from '../shared/vitals.js';

const INTERVAL_MS = 1000;
/** How often the event loop is looked at: finer costs wake-ups of an idle thread, coarser misses short stalls. */
const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;

export function keepVitals(
	buffer: SharedArrayBuffer,
	thread: number,
	counts: { readonly requests: () => number; readonly droppedLogs: () => number },
	/** `warn-blocked-traffic-after`; 0: never. */
	warnAfterMs: number,
	warn: (delayMaxMs: number) => void,
): void {
	const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
	delay.enable();
	let last = performance.eventLoopUtilization();
	setInterval(() => {
		const now = performance.eventLoopUtilization();
		const late = (ns: number): number => (Number.isNaN(ns) ? 0 : Math.max(0, ns / NS_PER_MS - RESOLUTION_MS));
		const delayMaxMs = late(delay.max);
		if (warnAfterMs > 0 && delayMaxMs > warnAfterMs) warn(delayMaxMs);
		writeVitals(buffer, thread, {
			delayMeanMs: late(delay.mean),
			delayP99Ms: late(delay.percentile(99)),
			delayMaxMs,
			utilization: performance.eventLoopUtilization(now, last).utilization,
			heapBytes: process.memoryUsage().heapUsed,
			requests: counts.requests(),
			droppedLogs: counts.droppedLogs(),
		});
		last = now;
		delay.reset();
	}, INTERVAL_MS).unref();
}
