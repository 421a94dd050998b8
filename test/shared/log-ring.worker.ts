/** Writes numbered lines to a ring, as a data thread does (log-ring.test.ts). */
import { workerData } from 'node:worker_threads';
import { LogRing } from '../../lib/shared/log-ring.js';

const { buffer, name, count } = workerData as { buffer: SharedArrayBuffer; name: string; count: number };
const ring = new LogRing(buffer);
for (let i = 0; i < count; i++) ring.write(`${name} ${i}`);
