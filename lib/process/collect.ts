/**
 * Gives back the memory of a generation that has gone. Its tables, counters and reports are shared memory,
 * which the engine does not count when it decides whether to collect: the control thread makes so little
 * garbage of its own that they would lie there for hours. One collection, of the control thread's small heap
 * alone, takes some ten milliseconds, and no data thread waits for it.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

export function collectGarbage(): void {
	collect ??= engineCollector();
	collect();
}

/** The flag is taken back: threads that start under other flags could not use the code cache of the build (bin/loader.ts). */
function engineCollector(): () => void {
	setFlagsFromString('--expose-gc');
	try {
		return runInNewContext('gc') as () => void;
	} finally {
		setFlagsFromString('--no-expose-gc');
	}
}
