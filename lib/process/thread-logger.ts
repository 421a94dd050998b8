/**
 * The program's log as a data thread writes it: each entry is a message to the control thread, which has the
 * one real logger. So lines of different threads do not mix, and a thread starts without loading one.
 */
import type { Logger } from '../core/logger.js';

export interface LogEntry {
	readonly level: 'debug' | 'info' | 'warn' | 'error';
	readonly fields: Readonly<Record<string, unknown>>;
	readonly text: string;
}

type LogMethod = (first: unknown, second?: unknown) => void;

/** The methods of a logger that the data path uses. */
export type ThreadLogger = Pick<Logger, LogEntry['level']>;

export function createThreadLogger(send: (entry: LogEntry) => void): ThreadLogger {
	const method =
		(level: LogEntry['level']): LogMethod =>
		(first, second) => {
			if (typeof first === 'string') send({ level, fields: {}, text: first });
			else send({ level, fields: cloneable(first as object), text: String(second ?? '') });
		};
	return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}

/** The fields on the other side: what was an error is shown as one, with the name it had. */
export function receivedFields(fields: LogEntry['fields']): Record<string, unknown> {
	return Object.fromEntries(
		Object.entries(fields).map(([name, value]) =>
			// Without a constructor of its own the logger believes the name.
			typeof value === 'object' && value !== null ? [name, Object.assign(Object.create(null), value)] : [name, value],
		),
	);
}

/** Errors keep their stack; what cannot be sent to another thread becomes text. */
function cloneable(fields: object): Record<string, unknown> {
	return Object.fromEntries(
		Object.entries(fields).map(([name, value]) => {
			if (value instanceof Error) return [name, { name: value.name, message: value.message, stack: value.stack }];
			if (typeof value === 'object' && value !== null) return [name, String(value)];
			return [name, typeof value === 'function' || typeof value === 'symbol' ? String(value) : value];
		}),
	);
}
