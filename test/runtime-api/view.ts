/** A running configuration as commands see it, without a process: data threads are told and asked, and noted down. */

import { allocateShared, compileForControl } from '../../lib/compile/index.js';
import { systemClock } from '../../lib/core/clock.js';
import { createLogger } from '../../lib/core/logger.js';
import type { Answer, CliState, Level } from '../../lib/runtime-api/command.js';
import { isMessage } from '../../lib/runtime-api/command.js';
import { splitCommands } from '../../lib/runtime-api/command-line.js';
import { createRegistry } from '../../lib/runtime-api/commands/index.js';
import type { RuntimeChange, RuntimeQuestion, RuntimeReply, RuntimeView } from '../../lib/runtime-api/runtime-view.js';
import { toPlain } from '../../lib/sample/shared-change.js';
import { load } from '../config/load.js';

export interface TestView {
	readonly view: RuntimeView;
	/** What data threads were told. */
	readonly told: RuntimeChange[];
	readonly asked: RuntimeQuestion[];
	replies: readonly RuntimeReply[];
}

export function createView(config: string, disk: ReadonlyMap<string, string> = new Map()): TestView {
	const { model, diagnostics, remarks } = load(config, { disk });
	if (model === undefined) throw new Error(remarks.join('\n'));
	const shared = allocateShared(model, new Map());
	const compiled = compileForControl(model, shared, diagnostics, createLogger({ level: 'silent' }));
	if (compiled === undefined) throw new Error(diagnostics.list.map(({ text }) => text).join('\n'));
	const { counters, counterIndexes } = compiled;
	const test: TestView = {
		told: [],
		asked: [],
		replies: [],
		view: {
			model,
			clock: systemClock,
			startedMonotonicMs: systemClock.monotonicMs(),
			tables: compiled.tables,
			backends: compiled.backends,
			frontends: compiled.frontends,
			patterns: compiled.patterns,
			threads: {
				count: model.global.nbthread,
				tell: (change) => void test.told.push(change),
				ask(question) {
					test.asked.push(question);
					return Promise.resolve(test.replies);
				},
				utilization: () => [0.25],
				vitals: () => [
					{
						delayMeanMs: 0.25,
						delayP99Ms: 2,
						delayMaxMs: 30,
						utilization: 0.25,
						heapBytes: 1e7,
						requests: 42,
						droppedLogs: 0,
					},
				],
			},
			process: {
				pid: 4711,
				startedWallMs: systemClock.wallMs(),
				memoryLimitMb: undefined,
				environment: new Map([
					['HOME', '/root'],
					['__proto__', 'odd'],
				]),
				startupLog: [],
				node: 'node1',
				isStopping: () => false,
				currentConnections: () => 0,
			},
			state: {
				frontends: new Map(
					[...compiled.frontends.values()].map(({ name, model: { maxconn } }) => [
						name,
						{ accepts: true, stopped: false, maxconn },
					]),
				),
				maxconn: model.global.maxconn ?? 0,
				rateLimits: model.global.rateLimits,
				compressionRateMax: model.global.compressionRateMax,
			},
			variables: {
				get: (name) => compiled.thread.processVariables.get(name),
				set(words) {
					const found = compiled.evaluateVariable(words);
					if ('error' in found) return found.error;
					compiled.thread.processVariables.receive(found.name, toPlain(found.value));
					return undefined;
				},
			},
			peers: undefined,
			processCounters: counters.object(counterIndexes.process),
			listenerCounters: (proxy, bindId) => counters.object(counterIndexes.listener(proxy, bindId)),
		},
	};
	return test;
}

const registry = createRegistry();

export function newState(level: Level = 'admin'): CliState {
	return {
		level,
		interactive: false,
		severityOutput: 'none',
		timeoutMs: 10_000,
		expertMode: false,
		experimentalMode: false,
		quitting: false,
		signal: new AbortController().signal,
	};
}

export async function textOf(answer: Answer): Promise<string> {
	if (typeof answer === 'string') return answer;
	if (isMessage(answer)) return `${answer.message}\n`;
	let text = '';
	for await (const piece of answer) text += piece;
	return text;
}

/** The answer to one command, without the empty line behind it. */
export async function ask(
	test: TestView,
	line: string,
	options: { readonly level?: Level; readonly state?: CliState; readonly payload?: string } = {},
): Promise<string> {
	const [command] = splitCommands(line, options.payload);
	const state = options.state ?? newState(options.level);
	const { words = [] } = command ?? {};
	return textOf(await registry.run({ words, payload: options.payload, view: test.view, state }));
}
