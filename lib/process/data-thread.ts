/**
 * The entry of a data thread: compiles the configuration for itself, listens on its own descriptors, and
 * serves connections until the generation is told to leave and the last one has closed.
 *
 * What escapes a connection's own guard (a bug) is logged with its stack and ends nothing else: a thread
 * that left would take every other connection with it.
 */

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { Backend } from '../backend/backend.js';
import { WakeMesh } from '../backend/wake.js';
import { type CompiledConfiguration, compileConfiguration } from '../compile/index.js';
import { loadEngine, openTraffic } from '../compile/traffic.js';
import { systemClock } from '../core/clock.js';
import { Diagnostics, formatDiagnostic } from '../core/diagnostics.js';
import { reasonOf } from '../core/errors.js';
import { setProgramPid } from '../core/program-pid.js';
import { attachRings } from '../shared/log-ring.js';
import { effectsByMessage } from '../stats/admin.js';
import { TrafficLogTargets } from '../stream/log.js';
import type { DataThreadStart, FromDataThread, ToDataThread } from './messages.js';
import { NameClient } from './name-client.js';
import { RuntimeChanges } from './runtime-changes.js';
import { createThreadLogger } from './thread-logger.js';
import { keepVitals } from './thread-vitals.js';

const start = workerData as DataThreadStart;
const { threadIndex, model, shared } = start;
const port = parentPort;
if (port === null) throw new Error('data-thread.js is started by the control thread only');

const tell = (message: FromDataThread): void => port.postMessage(message);
const logger = createThreadLogger((entry) => tell({ kind: 'log', entry }));

process.on('uncaughtException', (error) => {
	logger.error({ err: error, thread: threadIndex }, 'an exception escaped its connection');
});
process.on('unhandledRejection', (reason) => {
	logger.error({ err: reason, thread: threadIndex }, 'a rejection escaped its connection');
});

setProgramPid(model.global.masterWorker);

const backendsById = new Map<number, Backend>();
const wakeMesh = new WakeMesh(start.wakePorts, (id) => backendsById.get(id)?.collectSlots());

const rings = attachRings(shared.rings);
const droppedByRings = (): number => [...rings.values()].reduce((sum, { droppedCount }) => sum + droppedCount, 0);
const trafficLogs = new TrafficLogTargets(model.global, systemClock, logger, rings);
/** The thread may be ended once this is told: its log lines are written. */
const drained = (): void => trafficLogs.end(() => tell({ kind: 'drained' }));

const diagnostics = new Diagnostics();
const compiled = compileConfiguration(model, shared, diagnostics, {
	threadIndex,
	clock: systemClock,
	logger,
	trafficLogs,
	wake: (target, backendId) => wakeMesh.wake(target, backendId),
	adminEffects: effectsByMessage((message) => tell({ kind: 'admin', message })),
	startedMs: start.startedMs,
	share: (change) => tell({ kind: 'shared-change', change }),
});

function fail(reason: unknown): void {
	tell({ kind: 'failed', text: reasonOf(reason) });
}

if (compiled === undefined) {
	const first = diagnostics.list.find(({ severity }) => severity === 'alert');
	fail(first === undefined ? 'cannot compile' : formatDiagnostic(first, process.pid));
} else {
	for (const [name, value] of start.processVariables) compiled.thread.processVariables.receive(name, value);
	for (const { backend } of compiled.backends.values()) backendsById.set(backend.id, backend);
	const counts = {
		requests: () => compiled.thread.requestCounter,
		droppedLogs: () => trafficLogs.droppedCount + (threadIndex === 0 ? droppedByRings() : 0),
	};
	keepVitals(shared.stats.vitals, threadIndex, counts, model.global.warnBlockedTrafficMs, (delayMs) =>
		logger.warn({ thread: threadIndex, delayMs: Math.round(delayMs) }, 'the traffic of a thread was blocked'),
	);
	serve(compiled, port).catch(fail);
}

async function serve(compiled: CompiledConfiguration, port: MessagePort): Promise<void> {
	const engine = await loadEngine(model.global.tune.httpEngine);
	const traffic = openTraffic(compiled, shared, engine);
	const names = new NameClient(tell);
	compiled.thread.lookUpName = (section, name, prefer, done) => names.lookUp(section, name, prefer, done);
	const runtimeChanges = new RuntimeChanges(compiled, traffic);
	port.on('message', (message: ToDataThread) => {
		switch (message.kind) {
			case 'accept':
				traffic.listen(message.descriptors).catch((error: unknown) => fail(error));
				break;
			case 'soft-stop':
				traffic.softStop(message.graceMs, drained);
				break;
			case 'hard-stop':
				traffic.hardStop(drained);
				break;
			case 'stop-accepting':
				traffic.stopAccepting();
				break;
			case 'runtime-change':
				runtimeChanges.apply(message.change);
				break;
			case 'name-answer':
				names.answered(message.number, message.address);
				break;
			case 'runtime-question':
				tell({ kind: 'runtime-reply', number: message.number, reply: runtimeChanges.answer(message.question) });
				break;
		}
	});
	tell({ kind: 'prepared' });
}
