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

export interface LoggerOptions {
	readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
	/** Plain lines instead of JSON; by default when standard error is a terminal. */
	readonly plain?: boolean;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/**
 * A logger to standard error. Writes are synchronous: the last line before a crash is the one needed. pino is loaded
 * by the first line that is written: a start has none to write, and should not wait for it.
 */
export function createLogger(options: LoggerOptions): Logger {
	let loaded: PinoLogger | undefined;
	const method = (level: keyof Logger): PinoLogger['info'] => {
		if (LEVELS.indexOf(level) < LEVELS.indexOf(options.level)) return () => undefined;
		return (...words: unknown[]) => {
			loaded ??= loadLogger(options);
			(loaded[level] as (...words: unknown[]) => void)(...words);
		};
	};
	return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}

function loadLogger(options: LoggerOptions): PinoLogger {
	const { pino } = createRequire(import.meta.url)('pino') as { readonly pino: typeof Pino };
	const destination = pino.destination({ dest: 2, sync: true });
	const plain = options.plain ?? process.stderr.isTTY === true;
	return pino({ level: options.level, base: { pid: process.pid } }, plain ? plainLines(destination) : destination);
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
