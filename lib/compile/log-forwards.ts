/** `log-forward` sections in one data thread: a frontend for their connections, and what their messages go through. */
import type { LogForwardModel, LogTargetModel } from '../config/log-model.js';
import type { ConfigModel } from '../config/model.js';
import { Frontend } from '../frontend/frontend.js';
import { ErrorReplies } from '../rules/error-replies.js';
import { EMPTY_RULE_SETS } from '../rules/ruleset.js';
import { Column, type CounterMemory } from '../shared/counters.js';
import { LogForwarder } from '../stream/log-forward/forwarder.js';
import type { LogSink } from '../stream/log-sinks.js';
import type { ThreadRuntime } from '../stream/thread-runtime.js';
import type { CounterIndexes } from './shared-state.js';

export interface LogForwardTraffic {
	readonly model: LogForwardModel;
	readonly frontend: Frontend;
	readonly forwarder: LogForwarder;
}

export interface LogForwardOptions {
	readonly thread: ThreadRuntime;
	readonly counters: CounterMemory;
	readonly counterIndexes: CounterIndexes;
	/** Opens the sinks of targets; without it (the control thread) messages go nowhere, and none come. */
	readonly sinkFor: ((target: LogTargetModel['target']) => LogSink | undefined) | undefined;
}

export function buildLogForwards(model: ConfigModel, options: LogForwardOptions): readonly LogForwardTraffic[] {
	const { thread, counters: memory, counterIndexes, sinkFor } = options;
	return model.logForwards.map((section): LogForwardTraffic => {
		const counters = memory.object(counterIndexes.frontend(section.name));
		const { slice } = counters;
		const frontend = new Frontend({
			model: section.connections,
			thread,
			rules: EMPTY_RULE_SETS,
			errorReplies: new ErrorReplies(),
			counters,
			requestCaptureSlots: [],
			responseCaptureSlots: [],
			uniqueIdFormat: undefined,
			useBackends: [],
			defaultBackend: undefined,
			backends: new Map(),
			monitorFails: [],
			table: undefined,
			logger: undefined,
		});
		const received = (): void => {
			slice[Column.req_tot] = (slice[Column.req_tot] as number) + 1;
		};
		const sinkOf = ({ target }: LogTargetModel): LogSink | undefined => sinkFor?.(target);
		return { model: section, frontend, forwarder: new LogForwarder(section, sinkOf, thread.clock, received) };
	});
}
