/**
 * The process and the connection itself (management guide, 9.3): version, environment, activity, what was said at the
 * start, the connection's level and settings, `clear counters`, `show peers`, `wait`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { formatSocketAddress } from '../../core/address.js';
import { parseTimeMs } from '../../core/units.js';
import { COMPATIBLE_VERSION, VERSION } from '../../core/version.js';
import type { Vitals } from '../../shared/vitals.js';
import {
	type Answer,
	type CliState,
	type Command,
	DONE,
	fault,
	type Invocation,
	info,
	levelAllows,
	PERMISSION_DENIED,
} from '../command.js';
import { jsonText, takeJsonWord } from '../json.js';
import type { RuntimeView } from '../runtime-view.js';

/** A client that leaves meanwhile is not noticed: it may only have said all that it has to say, as socat does. */
const MAX_WAIT_MS = 5 * 60 * 1000;

// ---- the process

function showEnv(invocation: Invocation): Answer {
	const { environment } = invocation.view.process;
	const { words, json } = takeJsonWord(invocation.words);
	const name = words[2];
	if (json || name === 'json') return `${jsonText(Object.fromEntries(environment))}\n`;
	if (name === undefined) return environmentLines(environment);
	const value = environment.get(name);
	return value === undefined ? fault('Variable not found') : `${name}=${value}\n`;
}

function* environmentLines(environment: ReadonlyMap<string, string>): Generator<string> {
	for (const [name, value] of environment) yield `${name}=${value}\n`;
}

function showStartupLogs({ view, words }: Invocation): Answer {
	const { startupLog } = view.process;
	if (words[2] === 'json') return `${jsonText(startupLog)}\n`;
	return startupLog.length === 0 ? '\n' : startupLog.map((line) => `${line}\n`);
}

/** One figure for all data threads, then in brackets that of each, as HAProxy prints more than one thread. */
function perThread(name: string, values: readonly number[], total: number): string {
	return values.length === 1 ? `${name}: ${total}\n` : `${name}: ${total} [ ${values.join(' ')} ]\n`;
}

function showActivity(invocation: Invocation): Answer {
	const { view } = invocation;
	const busy = view.threads.utilization().map((share) => Math.round(share * 100));
	const average = busy.length === 0 ? 0 : Math.round(busy.reduce((sum, one) => sum + one, 0) / busy.length);
	const wallMs = view.clock.wallMs();
	const memory = process.memoryUsage();
	if (takeJsonWord(invocation.words).json || invocation.words[2] === 'json') {
		const vitals = view.threads.vitals();
		return `${jsonText({ threads: view.threads.count, dateNow: wallMs / 1000, busyPercent: busy, vitals, memory })}\n`;
	}
	const vitals = view.threads.vitals();
	const micros = (of: (one: Vitals) => number): readonly number[] => vitals.map((one) => Math.round(of(one) * 1000));
	const worst = (name: string, values: readonly number[]): string => perThread(name, values, Math.max(0, ...values));
	const requests = vitals.map((one) => one.requests);
	return [
		`thread_count: ${view.threads.count}\n`,
		`date_now: ${(wallMs / 1000).toFixed(6)}\n`,
		perThread('busy_pct', busy, average),
		perThread(
			'requests',
			requests,
			requests.reduce((sum, one) => sum + one, 0),
		),
		worst(
			'loop_delay_us_mean',
			micros(({ delayMeanMs }) => delayMeanMs),
		),
		worst(
			'loop_delay_us_p99',
			micros(({ delayP99Ms }) => delayP99Ms),
		),
		worst(
			'loop_delay_us_max',
			micros(({ delayMaxMs }) => delayMaxMs),
		),
		`rss_bytes: ${memory.rss}\n`,
		`shared_bytes: ${memory.arrayBuffers}\n`,
		`control_heap_bytes: ${memory.heapUsed}\n`,
	];
}

/** HAProxy prints the registers of its threads; what one asks of ours is how late each is, and how full. */
function showThreads({ view, words }: Invocation): Answer {
	const vitals = view.threads.vitals();
	if (words[2] === 'json') return `${jsonText(vitals)}\n`;
	return vitals.map((one, at) => {
		const delay = `mean=${one.delayMeanMs.toFixed(2)}ms p99=${one.delayP99Ms.toFixed(2)}ms max=${one.delayMaxMs.toFixed(2)}ms`;
		return `  Thread ${at + 1} : busy=${(one.utilization * 100).toFixed(1)}% loop_delay: ${delay} heap=${one.heapBytes} requests=${one.requests}\n`;
	});
}

function clearCounters({ words, state, view }: Invocation): Answer {
	const all = words[2] === 'all';
	if (all && !levelAllows(state.level, 'admin')) return PERMISSION_DENIED;
	for (const counters of allCounters(view)) {
		if (all) counters.clearAll();
		else counters.clearMaxima();
	}
	for (const { backend } of view.backends.values()) {
		for (const server of backend.servers) backend.states.clearMaxima(server.index);
	}
	return DONE;
}

function* allCounters(view: RuntimeView) {
	for (const { model, counters } of view.frontends.values()) {
		yield counters;
		for (const bind of model.binds) yield view.listenerCounters(model.name, bind.id);
	}
	for (const { counters, serverCounters } of view.backends.values()) {
		yield counters;
		yield* serverCounters;
	}
}

// ---- peers

function showPeers(invocation: Invocation): Answer {
	const { peers } = invocation.view;
	const { words, json } = takeJsonWord(invocation.words);
	let at = 2;
	const withDictionary = words[at] === 'dict';
	if (withDictionary || words[at] === '-') at++;
	const section = words[at] === 'json' ? undefined : words[at];
	if (section !== undefined && peers?.has(section) !== true) return fault('No such peers');
	if (json || words[at] === 'json') {
		const described = peers?.describe() ?? [];
		return `${jsonText(described.filter(({ name }) => section === undefined || name === section))}\n`;
	}
	return withoutLastEmptyLine(peers?.show(section, withDictionary) ?? []);
}

/** The sections end with an empty line each, and so does every answer. */
function* withoutLastEmptyLine(texts: Iterable<string>): Generator<string> {
	let before = '';
	for (const text of texts) {
		yield before;
		before = text;
	}
	yield before.endsWith('\n\n') ? before.slice(0, -1) : before;
}

// ---- this connection

function lowerLevel(state: CliState, level: 'operator' | 'user'): Answer {
	if (!levelAllows(state.level, level)) return PERMISSION_DENIED;
	state.level = level;
	state.expertMode = false;
	state.experimentalMode = false;
	return DONE;
}

function setCliTimeout({ words, state }: Invocation): Answer {
	if (words[2] !== 'cli') return fault("'set timeout' only supports 'cli'.");
	const word = words[3];
	if (word === undefined) return fault('Expects an integer value.');
	// Without a unit it counts seconds, unlike everywhere in the configuration.
	const parsed = parseTimeMs(word, 's');
	if (!parsed.ok || parsed.value < 1) return fault('Invalid timeout value.');
	state.timeoutMs = parsed.value;
	return DONE;
}

function setSeverityOutput({ words, state }: Invocation): Answer {
	const wanted = words[2];
	if (wanted !== 'none' && wanted !== 'number' && wanted !== 'string') {
		return fault("one of 'none', 'number', 'string' is a required argument");
	}
	state.severityOutput = wanted;
	return DONE;
}

function mode(name: 'expert-mode' | 'experimental-mode', field: 'expertMode' | 'experimentalMode'): Command {
	return {
		words: [name],
		level: 'admin',
		usage: name,
		help: 'show, or switch on or off; no command here needs it',
		hidden: true,
		run({ words, state }) {
			if (words[1] === undefined) return info(`${name} is ${state[field] ? 'ON' : 'OFF'}`);
			state[field] = words[1] === 'on';
			return DONE;
		},
	};
}

function* cliSockets(view: RuntimeView, json: boolean): Generator<string> {
	const sockets = view.model.global.statsSockets.flatMap(({ address, level }) => {
		if (address.kind === 'fd') return [];
		const path = address.kind === 'unix' && !address.abstract ? `unix@${address.path}` : undefined;
		return [{ socket: path ?? formatSocketAddress(address), level }];
	});
	if (json) {
		yield `${jsonText(sockets)}\n`;
		return;
	}
	yield '# socket lvl processes\n';
	for (const { socket, level } of sockets) yield `${socket} ${level} all\n`;
}

/** `wait <delay>`: for scripts that give several commands on one line. */
async function wait({ words, state }: Invocation): Promise<Answer> {
	const parsed = parseTimeMs(words[1] ?? '');
	if (!parsed.ok || parsed.value > MAX_WAIT_MS) {
		return fault("'wait' expects a time, such as 500ms or 2s, of five minutes at most.");
	}
	if (words[2] !== undefined) return fault(`'wait <delay>' knows no condition '${words[2]}'.`);
	await delay(parsed.value, undefined, { signal: state.signal }).catch(() => undefined);
	return info('Done.');
}

export const PROCESS_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'version'],
		level: 'user',
		usage: 'show version',
		help: 'version of this process',
		run: ({ words }) =>
			words[2] === 'json'
				? `${jsonText({ name: 'Holdfast', version: VERSION, node: process.version })}\n`
				: info(COMPATIBLE_VERSION),
	},
	{
		words: ['show', 'env'],
		level: 'operator',
		usage: 'show env [var]',
		help: 'environment variables of this process',
		run: showEnv,
	},
	{
		words: ['show', 'startup-logs'],
		level: 'operator',
		usage: 'show startup-logs',
		help: 'remarks on the configuration that serves',
		run: showStartupLogs,
	},
	{
		words: ['show', 'activity'],
		level: 'user',
		usage: 'show activity',
		help: 'how busy the threads are, and memory',
		run: showActivity,
	},
	{
		words: ['show', 'threads'],
		level: 'operator',
		usage: 'show threads',
		help: 'how late and how busy each data thread was in its last second',
		run: showThreads,
	},
	{
		words: ['show', 'peers'],
		level: 'user',
		usage: 'show peers [dict|-] [section]',
		help: 'peers, and how far each is behind',
		run: showPeers,
	},
	{
		words: ['show', 'cli', 'level'],
		level: 'user',
		usage: 'show cli level',
		help: 'level of this connection',
		run: ({ state, words }) => (words[3] === 'json' ? `${jsonText({ level: state.level })}\n` : info(state.level)),
	},
	{
		words: ['show', 'cli', 'sockets'],
		level: 'user',
		usage: 'show cli sockets',
		help: 'sockets of the runtime API',
		run: ({ view, words }) => cliSockets(view, words[3] === 'json'),
	},
	{
		words: ['clear', 'counters'],
		level: 'operator',
		usage: 'clear counters [all]',
		help: 'set the maxima (or, for admin, all counters) back',
		run: clearCounters,
	},
	{
		words: ['operator'],
		level: 'user',
		usage: 'operator',
		help: 'lower the level of this connection to operator',
		run: ({ state }) => lowerLevel(state, 'operator'),
	},
	{
		words: ['user'],
		level: 'user',
		usage: 'user',
		help: 'lower the level of this connection to user',
		run: ({ state }) => lowerLevel(state, 'user'),
	},
	{
		words: ['set', 'timeout'],
		level: 'user',
		usage: 'set timeout [cli] <delay>',
		help: 'how long this connection may be idle, in seconds',
		run: setCliTimeout,
	},
	{
		words: ['set', 'severity-output'],
		level: 'user',
		usage: 'set severity-output [none|number|string]',
		help: 'put the severity in front of messages',
		run: setSeverityOutput,
	},
	{
		words: ['wait'],
		level: 'user',
		usage: 'wait <delay>',
		help: 'do nothing for so long',
		run: wait,
	},
	mode('expert-mode', 'expertMode'),
	mode('experimental-mode', 'experimentalMode'),
];
