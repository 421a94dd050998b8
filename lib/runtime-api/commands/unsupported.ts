/**
 * Commands that HAProxy has and Holdfast has not: they are refused by name, with the reason, instead of being
 * taken for typing mistakes. They are not listed by `help`.
 */
import { type Command, fault, type Level } from '../command.js';

const NO_COUNTERPART = 'it shows the inside of another program';

/** words, level, reason. */
const ROWS: readonly (readonly [words: string, level: Level, reason: string])[] = [
	['enable dynamic-cookie backend', 'admin', 'it is as the configuration says until a reload'],
	['disable dynamic-cookie backend', 'admin', 'it is as the configuration says until a reload'],
	['set dynamic-cookie-key backend', 'admin', 'it is as the configuration says until a reload'],
	['show ssl providers', 'operator', NO_COUNTERPART],
	['show events', 'operator', 'there are no event sinks'],
	['show fd', 'operator', NO_COUNTERPART],
	['show libs', 'operator', NO_COUNTERPART],
	['show pools', 'user', NO_COUNTERPART],
	['show profiling', 'operator', NO_COUNTERPART],
	['set profiling', 'admin', NO_COUNTERPART],
	['show tasks', 'operator', NO_COUNTERPART],
	['show trace', 'user', NO_COUNTERPART],
	['trace', 'admin', NO_COUNTERPART],
	['debug', 'admin', NO_COUNTERPART],
	['httpclient', 'admin', 'a request is made with curl'],
];

export const UNSUPPORTED_COMMANDS: readonly Command[] = ROWS.map(([words, level, reason]) => ({
	words: words.split(' '),
	level,
	usage: words,
	help: reason,
	hidden: true,
	run: () => fault(`'${words}' is not supported by Holdfast: ${reason}.`),
}));
