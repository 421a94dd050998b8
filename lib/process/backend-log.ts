/** The log of a backend as the control thread writes it: what becomes of its servers. One set of sockets per configuration. */
import type { Backend } from '../backend/backend.js';
import type { CompiledConfiguration } from '../compile/index.js';
import { systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { TrafficLogTargets } from '../stream/log.js';

/** `level`: of syslog. */
export type BackendLog = (backend: Backend, level: number, line: string) => void;

const logs = new WeakMap<CompiledConfiguration, BackendLog>();

export function backendLogOf(compiled: CompiledConfiguration, logger: Logger): BackendLog {
	const known = logs.get(compiled);
	if (known !== undefined) return known;
	const targets = new TrafficLogTargets(compiled.model.global, systemClock, logger, compiled.rings);
	const ofBackend = new Map(
		[...compiled.backends].map(([name, { model }]) => [name, targets.logFor(model.logTargets, model)]),
	);
	const log: BackendLog = (backend, level, line) => {
		ofBackend.get(backend.name)?.write(level, line);
		logger.warn(line);
	};
	logs.set(compiled, log);
	return log;
}
