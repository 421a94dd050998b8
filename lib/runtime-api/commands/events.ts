/**
 * `show events` (management guide, 9.3): the rings of log lines, what is in one, and what comes; and the level of the
 * program's own log, `set log-level`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LOGGER_LEVELS, loggerLevelOf } from '../../core/logger.js';
import type { LogRing, RingCursor } from '../../shared/log-ring.js';
import { type Answer, type Command, DONE, fault, type Invocation, info } from '../command.js';
import { jsonArray, jsonText, takeJsonWord } from '../json.js';

const BATCH_BYTES = 16 * 1024;
/** How soon a new line is shown with `-w`: lines come in bunches, and nobody reads faster. */
const FOLLOW_MS = 25;

/** HAProxy's sinks that are no rings; nothing is logged to them unless a `log` line says so. */
const DESCRIPTORS = [
	['stdout', 'standard output (fd#1)'],
	['stderr', 'standard output (fd#2)'],
] as const;

const HEADING = 'Supported events sinks are listed below. Add -w(wait), -n(new). Any key to stop\n';

function showEvents(invocation: Invocation): Answer {
	const { view, state } = invocation;
	const { words, json } = takeJsonWord(invocation.words);
	const rings = view.rings ?? new Map();
	const name = words[2];
	if (name === undefined) return list(invocation, json);
	const found = rings.get(name);
	if (found === undefined) {
		if (DESCRIPTORS.some(([known]) => known === name)) return fault('Nothing to report for this sink');
		return fault('No such event sink');
	}
	let waits = false;
	let onlyNew = false;
	for (const word of words.slice(3)) {
		if (!/^-[wn]+$/.test(word)) return fault('unknown option');
		waits ||= word.includes('w');
		onlyNew ||= word.includes('n');
	}
	const { ring } = found;
	const cursor: RingCursor = onlyNew ? ring.newest() : ring.oldest();
	if (json) return waits ? fault("'-w' and 'json' exclude each other.") : jsonLines(ring, cursor);
	if (!waits) return present(ring, cursor);
	if (state.interrupt === undefined) return fault("'-w' is for the socket of the worker itself.");
	return follow(ring, cursor, state.interrupt());
}

function list({ view }: Invocation, json: boolean): Answer {
	const rings = [...(view.rings ?? new Map())];
	if (json) {
		const described = rings.map(([name, { ring, description }]) => ({
			name,
			description,
			sizeBytes: ring.sizeBytes,
			dropped: ring.droppedCount,
		}));
		return `${jsonText(described)}\n`;
	}
	const line = (name: string, type: string, dropped: number, description: string): string =>
		`    ${name.padEnd(10)} : type=${type}, ${dropped} dropped, ${description}\n`;
	return [
		HEADING,
		...DESCRIPTORS.map(([name, description]) => line(name, 'fd', 0, description)),
		...rings.map(([name, { ring, description }]) => line(name, 'buffer', ring.droppedCount, description)),
	];
}

/** What is there now. A ring that fills as fast as it is read ends where it ended when the command came. */
function* batchesNow(ring: LogRing, cursor: RingCursor): Generator<readonly string[]> {
	const end = ring.newest().number;
	while (cursor.number < end) {
		const { lines } = ring.read(cursor, BATCH_BYTES);
		if (lines.length === 0) return;
		yield lines;
	}
}

function* present(ring: LogRing, cursor: RingCursor): Generator<string> {
	for (const lines of batchesNow(ring, cursor)) yield `${lines.join('\n')}\n`;
}

function* jsonLines(ring: LogRing, cursor: RingCursor): Generator<string> {
	yield* jsonArray(linesNow(ring, cursor));
	yield '\n';
}

function* linesNow(ring: LogRing, cursor: RingCursor): Generator<string> {
	for (const lines of batchesNow(ring, cursor)) yield* lines;
}

async function* follow(ring: LogRing, cursor: RingCursor, interrupted: AbortSignal): AsyncGenerator<string> {
	while (!interrupted.aborted) {
		const { lines } = ring.read(cursor, BATCH_BYTES);
		if (lines.length > 0) yield `${lines.join('\n')}\n`;
		else {
			await delay(FOLLOW_MS, undefined, { signal: interrupted }).catch(() => undefined);
			// What the session still holds back, to write more at once, is written now.
			yield '';
		}
	}
}

/** Without a level it shows the one that is set. */
function setLogLevel({ words, view }: Invocation): Answer {
	const log = view.programLog;
	if (log === undefined) return fault('The program log is not to be had here.');
	const word = words[2];
	if (word === undefined) return info(log.level);
	const level = loggerLevelOf(word);
	if (level === undefined || words[3] !== undefined) {
		return fault(`'set log-level' expects one of ${LOGGER_LEVELS.map((known) => `'${known}'`).join(', ')}.`);
	}
	log.level = level;
	return DONE;
}

export const EVENT_COMMANDS: readonly Command[] = [
	{
		words: ['set', 'log-level'],
		level: 'admin',
		usage: 'set log-level [debug|info|warn|error|silent]',
		help: "least important lines of the program's own log; without one: show it",
		run: setLogLevel,
	},
	{
		words: ['show', 'events'],
		level: 'operator',
		usage: 'show events [<sink>] [-w] [-n]',
		help: 'rings of log lines, or what is in one: wait for more, new ones only',
		run: showEvents,
	},
];
