/**
 * The program's own log (start, reload, peers, full tables), by pino: JSON lines for machines, and one
 * plain line per event on a terminal. Traffic logs are not here: they have HAProxy's formats and live in
 * `stream/log.ts`.
 */
import { createRequire } from 'node:module';
import type { DestinationStream, pino as Pino, Logger as PinoLogger } from 'pino';

/** The methods that the program logs by. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'>;

const LEVEL_NAMES: Readonly<Record<number, string>> = {
	10: 'TRACE',
	20: 'DEBUG',
	30: 'NOTICE',
	40: 'WARNING',
	50: 'ALERT',
	60: 'EMERG',
};

/** Rising: what is below the level of a logger is not written. */
export const LOGGER_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LoggerLevel = (typeof LOGGER_LEVELS)[number];

/** Syslog's words for the same. */
const LEVEL_ALIASES: ReadonlyMap<string, LoggerLevel> = new Map([
	['notice', 'info'],
	['warning', 'warn'],
	['err', 'error'],
]);

/** A level by its name or by syslog's. */
export function loggerLevelOf(word: string): LoggerLevel | undefined {
	return LOGGER_LEVELS.find((level) => level === word) ?? LEVEL_ALIASES.get(word);
}

/** The program's own log, whose level may be changed at any time. */
export interface ProgramLogger extends Logger {
	level: LoggerLevel;
}

export interface LoggerOptions {
	readonly level: LoggerLevel;
	/** Plain lines instead of JSON; by default when standard error is a terminal. */
	readonly plain?: boolean;
}

/**
 * A logger to standard error. Writes are synchronous: the last line before a crash is the one needed. pino is loaded
 * by the first line that is written: a start has none to write, and should not wait for it.
 */
export function createLogger(options: LoggerOptions): ProgramLogger {
	let loaded: PinoLogger | undefined;
	let least = LOGGER_LEVELS.indexOf(options.level);
	const method = (level: keyof Logger): PinoLogger['info'] => {
		const own = LOGGER_LEVELS.indexOf(level);
		return (...words: unknown[]) => {
			if (own < least) return;
			loaded ??= loadLogger(options);
			(loaded[level] as (...words: unknown[]) => void)(...words);
		};
	};
	return {
		debug: method('debug'),
		info: method('info'),
		warn: method('warn'),
		error: method('error'),
		get level() {
			return LOGGER_LEVELS[least] as LoggerLevel;
		},
		set level(level) {
			least = LOGGER_LEVELS.indexOf(level);
		},
	};
}

function loadLogger(options: LoggerOptions): PinoLogger {
	const { pino } = createRequire(import.meta.url)('pino') as { readonly pino: typeof Pino };
	const destination = pino.destination({ dest: 2, sync: true });
	const plain = options.plain ?? process.stderr.isTTY === true;
	// What is written is decided before pino is asked.
	return pino({ level: 'debug', base: { pid: process.pid } }, plain ? plainLines(destination) : destination);
}

/** `[NOTICE]   (123) : message key=value`, near enough to HAProxy's own to be read beside it. */
function plainLines(destination: DestinationStream): DestinationStream {
	return {
		write(json: string) {
			const { level, time: _time, pid, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>;
			const label = `[${LEVEL_NAMES[Number(level)] ?? level}]`.padEnd(11);
			const details = Object.entries(fields).map(
				([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
			);
			const stack = (err as { stack?: string } | undefined)?.stack;
			destination.write(
				`${label}(${String(pid)}) : ${String(msg)}${details.join('')}${stack === undefined ? '' : `\n${stack}`}\n`,
			);
		},
	};
}
