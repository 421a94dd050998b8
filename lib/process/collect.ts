/**
 * Gives back the memory of a generation that has gone. Its tables, counters and reports are shared memory,
 * which the engine does not count when it decides whether to collect: the control thread makes so little
 * garbage of its own that they would lie there for hours. One collection, of the control thread's small heap
 * alone, takes some ten milliseconds, and no data thread waits for it.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export function collectGarbage(): void {
	collect();
}
