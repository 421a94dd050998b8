/**
 * Time is an argument everywhere in Holdfast: code that waits or decays takes a `Clock`, so that tests and
 * the cluster simulation run on virtual time.
 *
 * `monotonicMs` is CLOCK_MONOTONIC in whole milliseconds. It is the same clock in every thread and in
 * every process of a machine, which is why stick tables may keep its low 32 bits in shared memory and hand
 * them from an old worker to a new one. It says nothing about the date: `wallMs` does.
 */
// The global of that name is an accessor, looked up and called each time.
import { performance } from 'node:perf_hooks';

export interface Clock {
	/** Milliseconds since an arbitrary point, never going back, the same in every thread and process. */
	monotonicMs(): number;
	/** Milliseconds since 1970. May jump. */
	wallMs(): number;
	/** Microseconds of the monotonic clock, for timing a request. */
	monotonicUs(): number;
	setTimer(callback: () => void, delayMs: number): Timer;
}

export interface Timer {
	cancel(): void;
}

/** `performance.now()` starts with the thread; the offset to the machine's clock is taken once. */
const THREAD_OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
	monotonicMs: () => Math.floor(THREAD_OFFSET_MS + performance.now()),
	wallMs: () => Date.now(),
	monotonicUs: () => Math.floor((THREAD_OFFSET_MS + performance.now()) * 1000),
	setTimer(callback, delayMs) {
		const handle = setTimeout(callback, delayMs);
		return { cancel: () => clearTimeout(handle) };
	},
};

/** The low 32 bits of a millisecond clock, as stick tables and the peers protocol keep dates. */
export function tick(monotonicMs: number): number {
	return monotonicMs >>> 0 === monotonicMs ? monotonicMs : (monotonicMs % 4294967296) >>> 0;
}
