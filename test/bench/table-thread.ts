/**
 * A data thread as far as a stick table notices: it tracks, counts and reads keys in slices of a few
 * milliseconds, and measures how long it was ever kept from going on. See table.ts.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import type { StickTableModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import { systemClock } from '../../lib/core/clock.js';
import { StickTable } from '../../lib/stick-table/table.js';

export interface TableThreadData {
	readonly model: StickTableModel;
	readonly buffer: SharedArrayBuffer;
}

export interface PauseReport {
	/** The longest request-like step, as far as it used CPU time: work and spinning, not waiting for the core. */
	readonly longestOwnMs: number;
	readonly longestPauseMs: number;
}

const KEYS = 10_000;
const FIRST_KEY = 0xc0000000;
const STEPS_PER_SLICE = 500;

const { model, buffer } = workerData as TableThreadData;
const table = new StickTable(model, buffer);
const rate = table.slot('http_req_rate');
if (rate === undefined || parentPort === null) throw new Error('not started as a thread of table.ts');
const slots = [rate];
const delayMs = monitorEventLoopDelay({ resolution: 1 });
let longestOwnMs = 0;
let next = 0;

function step(nowMs: number): void {
	const entry = table.track(IpAddress.fromV4(FIRST_KEY + (next++ % KEYS)), nowMs);
	table.addAll(entry, slots, 1, nowMs);
	table.read(entry, slots[0]!, 0, nowMs);
	table.untrack(entry, nowMs);
}

/** CPU time of this thread; without /proc, wall time, which is never less. */
function threadCpuMs(): number {
	try {
		return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
	} catch {
		return performance.now();
	}
}

function slice(): void {
	const nowMs = systemClock.monotonicMs();
	let beganMs = performance.now();
	let beganCpuMs = threadCpuMs();
	for (let i = 0; i < STEPS_PER_SLICE; i++) {
		step(nowMs);
		const endedMs = performance.now();
		if (endedMs - beganMs > 1) {
			// Long: was it the table, or did the system run something else? The thread's CPU time bounds the first.
			const cpuMs = threadCpuMs();
			longestOwnMs = Math.max(longestOwnMs, Math.min(endedMs - beganMs, cpuMs - beganCpuMs));
			beganCpuMs = cpuMs;
		}
		beganMs = endedMs;
	}
	setImmediate(slice);
}

for (let i = 0; i < 2 * KEYS; i++) step(systemClock.monotonicMs());
delayMs.enable();
parentPort.on('message', () => {
	const report: PauseReport = { longestOwnMs, longestPauseMs: delayMs.max / 1e6 };
	longestOwnMs = 0;
	delayMs.reset();
	parentPort?.postMessage(report);
});
slice();
parentPort.postMessage('ready');
