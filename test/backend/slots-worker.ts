/** One of the data threads of slots-threads.test.ts; see there. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Backend } from '../../lib/backend/backend.js';
import type { Server } from '../../lib/backend/server.js';
import { WakeMesh } from '../../lib/backend/wake.js';
import type { ProxyModel } from '../../lib/config/model.js';
import { systemClock } from '../../lib/core/clock.js';
import { FakeRequest } from './support.js';

export interface SlotsWorkerData {
	readonly model: ProxyModel;
	readonly state: SharedArrayBuffer;
	/** Per server: requests being served now, and the most there ever were. */
	readonly inUse: SharedArrayBuffer;
	readonly ports: readonly (MessagePort | undefined)[];
	readonly threadIndex: number;
	readonly threadCount: number;
	readonly requestCount: number;
	readonly concurrency: number;
}

export interface SlotsWorkerResult {
	readonly served: number;
	readonly queued: number;
}

const data = workerData as SlotsWorkerData;
const inUse = new Int32Array(data.inUse);
const mesh = new WakeMesh(data.ports, () => backend.collectSlots());
const backend = new Backend({
	model: data.model,
	state: data.state,
	threadIndex: data.threadIndex,
	threadCount: data.threadCount,
	// No timer ever fires: a lost wake-up is not mended by the queue's tick, it hangs this test.
	clock: { ...systemClock, setTimer: () => ({ cancel: () => {} }) },
	wake: (thread) => mesh.wake(thread, 0),
	fullconn: 0,
});

let started = 0;
let served = 0;
let queued = 0;

function serve(request: FakeRequest, server: Server): void {
	const now = Atomics.add(inUse, server.index * 2, 1) + 1;
	if (now > Atomics.load(inUse, server.index * 2 + 1)) Atomics.store(inUse, server.index * 2 + 1, now);
	const finish = (): void => {
		Atomics.sub(inUse, server.index * 2, 1);
		served++;
		backend.release(server);
		next();
	};
	// Some end within the same turn of the event loop, others later.
	if (request.priorityClass === 0) setImmediate(finish);
	else queueMicrotask(finish);
}

function next(): void {
	if (started === data.requestCount) {
		if (served === data.requestCount) parentPort?.postMessage({ served, queued } satisfies SlotsWorkerResult);
		return;
	}
	started++;
	const request = new FakeRequest();
	request.priorityClass = started % 3;
	if (started % 5 === 0) request.persistentServer = backend.servers[started % backend.servers.length];
	request.onAssigned = (server) => serve(request, server);
	const choice = backend.choose(request);
	if (choice === 'queued') {
		queued++;
		// Some give up at once and ask again.
		if (started % 7 === 0 && backend.cancelQueued(request)) {
			started--;
			setImmediate(next);
		}
	} else if (choice === 'none') throw new Error('no server');
	else serve(request, choice);
}

parentPort?.on('message', (message) => {
	if (message === 'go') for (let i = 0; i < data.concurrency; i++) next();
	else {
		mesh.close();
		parentPort?.close();
	}
});
