/** Adds to two plain words under the lock: see spin-lock.test.ts. */
import { workerData } from 'node:worker_threads';
import { acquireLock, releaseLock } from '../../lib/shared/spin-lock.js';

const { buffer, rounds } = workerData as { buffer: SharedArrayBuffer; rounds: number };
const words = new Int32Array(buffer);
for (let i = 0; i < rounds; i++) {
	acquireLock(words, 0);
	words[1] = words[1]! + 1;
	words[2] = words[2]! + 1;
	releaseLock(words, 0);
}
