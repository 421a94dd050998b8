/**
 * How each data thread fares, written by itself once a second and read by anyone: a row of doubles per thread in
 * shared memory, single writer. A reader may see a row half renewed; each figure in it is whole.
 */
export const VITALS = [
	/** Mean and extremes of how late the event loop came to its timers within the last second, ms. */
	'delayMeanMs',
	'delayP99Ms',
	'delayMaxMs',
	/** Share of the last second that the thread was busy, 0..1. */
	'utilization',
	/** Heap of JavaScript in use. */
	'heapBytes',
	/** Streams so far. */
	'requests',
	/** Log lines that no target took; the rings' are counted with the first thread. */
	'droppedLogs',
] as const;

export type Vitals = { readonly [K in (typeof VITALS)[number]]: number };

export function allocateVitals(threadCount: number): SharedArrayBuffer {
	return new SharedArrayBuffer(threadCount * VITALS.length * Float64Array.BYTES_PER_ELEMENT);
}

export function writeVitals(buffer: SharedArrayBuffer, thread: number, vitals: Vitals): void {
	const row = new Float64Array(buffer, thread * VITALS.length * 8, VITALS.length);
	for (const [index, name] of VITALS.entries()) row[index] = vitals[name];
}

export function readVitals(buffer: SharedArrayBuffer): Vitals[] {
	const values = new Float64Array(buffer);
	return Array.from(
		{ length: values.length / VITALS.length },
		(_, thread) =>
			Object.fromEntries(VITALS.map((name, index) => [name, values[thread * VITALS.length + index] ?? 0])) as Vitals,
	);
}
