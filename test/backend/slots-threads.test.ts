/**
 * Two and three real threads over one shared memory, woken through message ports, with more requests than
 * slots: every request is served, the limit is never exceeded, no slot and no queue entry is left over.
 */
import { once } from 'node:events';
import t from 'tap';
import { Backend } from '../../lib/backend/backend.js';
import { createWakePorts } from '../../lib/backend/wake.js';
import { ServerStates } from '../../lib/shared/server-state.js';
import { startTsWorker } from '../fixtures/ts-worker.js';
import type { SlotsWorkerData, SlotsWorkerResult } from './slots-worker.js';
import { backendModel, serverModel } from './support.js';

for (const { threadCount, maxconn, serverCount } of [
	{ threadCount: 2, maxconn: 1, serverCount: 1 },
	{ threadCount: 2, maxconn: 2, serverCount: 3 },
	{ threadCount: 3, maxconn: 1, serverCount: 2 },
]) {
	t.test(`${threadCount} threads, ${serverCount} servers, maxconn ${maxconn}`, async (t) => {
		const servers = Array.from({ length: serverCount }, (_, index) => serverModel(`s${index + 1}`, { maxconn }));
		const model = backendModel(servers);
		const state = Backend.allocateState(model, threadCount, 0);
		const inUse = new SharedArrayBuffer(serverCount * 8);
		const requestCount = 400;
		const workers = createWakePorts(threadCount).map((ports, threadIndex) => {
			const workerData: SlotsWorkerData = {
				model,
				state,
				inUse,
				ports,
				threadIndex,
				threadCount,
				requestCount,
				concurrency: 8,
			};
			return startTsWorker(new URL('./slots-worker.ts', import.meta.url), {
				workerData,
				transferList: ports.filter((port) => port !== undefined),
			});
		});
		t.teardown(() => Promise.all(workers.map((worker) => worker.terminate())));
		await Promise.all(workers.map((worker) => once(worker, 'online')));
		const results = workers.map((worker) => once(worker, 'message'));
		for (const worker of workers) worker.postMessage('go');
		const done = (await Promise.all(results)).map(([result]) => result as SlotsWorkerResult);
		t.same(
			done.map((one) => one.served),
			workers.map(() => requestCount),
		);
		t.ok(
			done.every((one) => one.queued > 20),
			`queued ${done.map((one) => one.queued).join(', ')}`,
		);
		const exits = workers.map((worker) => once(worker, 'exit'));
		for (const worker of workers) worker.postMessage('stop');
		await Promise.all(exits);
		const states = new ServerStates({ capacity: serverCount, threadCount }, state);
		const used = new Int32Array(inUse);
		for (let server = 0; server < serverCount; server++) {
			t.equal(states.current(server), 0, 'no slot leaks');
			t.equal(states.queued(server + 1), 0);
			t.equal(used[server * 2 + 1], maxconn, 'the limit is reached and never exceeded');
			t.equal(states.currentMax(server), maxconn);
		}
		t.equal(states.queued(0), 0);
		t.equal(states.served(), 0);
	});
}
