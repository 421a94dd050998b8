/**
 * What a command of the runtime API is (management guide, 9.3): one row with its words, the level it needs, what
 * `help` says of it, and the function that answers. The tables of rows are in `commands/`, one file a family.
 *
 * An answer is a message, a text, or a generator of texts. Generators are pulled: the socket asks for the next
 * piece when the client has taken the former ones, so a dump of a million entries costs one buffer, and a
 * client that goes away stops it. A generator that works without producing yields an empty text now and
 * then, so that others get their turn.
 */
import type { RuntimeView } from './runtime-view.js';

/** Rising rights: `user` sees what is not sensitive, `operator` sees and changes data, `admin` does everything. */
export const LEVELS = ['user', 'operator', 'admin'] as const;
export type Level = (typeof LEVELS)[number];

export function levelAllows(have: Level, need: Level): boolean {
	return LEVELS.indexOf(have) >= LEVELS.indexOf(need);
}

/** Severities of syslog, printed in front of messages with `set severity-output`. */
export const Severity = { error: 3, warning: 4, notice: 5, info: 6 } as const;
export type Severity = keyof typeof Severity;

export const SEVERITY_NAMES: Readonly<Record<Severity, string>> = {
	error: 'err',
	warning: 'warning',
	notice: 'notice',
	info: 'info',
};

/** One line or a few for a person, without the final newline. */
export interface Message {
	readonly severity: Severity;
	readonly message: string;
}

/** Lines that end in newlines; empty: done, nothing to say. */
export type Answer = string | Message | Iterable<string> | AsyncIterable<string>;

/** What a command may know and change of the connection it came by. */
export interface CliState {
	level: Level;
	interactive: boolean;
	severityOutput: 'none' | 'number' | 'string';
	/** 0: none. */
	timeoutMs: number;
	expertMode: boolean;
	experimentalMode: boolean;
	/** No more lines are read; the connection closes. */
	quitting: boolean;
	/** Ends when the client is gone. */
	readonly signal: AbortSignal;
	/**
	 * For commands that go on until the client types something, which is then not read as a command: a signal that
	 * ends with the next byte, the end of the input or the client. Undefined where no input can come meanwhile.
	 */
	readonly interrupt?: () => AbortSignal;
}

export interface Invocation {
	/** Every word, those of the command's name included; byte strings. */
	readonly words: readonly string[];
	/** What followed `<<`, without the empty line at its end; undefined when there was none. */
	readonly payload: string | undefined;
	readonly view: RuntimeView;
	readonly state: CliState;
}

export interface Command {
	/** The words it begins with: `['show', 'table']`. */
	readonly words: readonly string[];
	readonly level: Level;
	/** For `help`, left of the colon: the words with their arguments. */
	readonly usage: string;
	readonly help: string;
	readonly run: (invocation: Invocation) => Answer | Promise<Answer>;
	/** Not listed by `help`, and unknown, below its level: `debug`-like words. */
	readonly hidden?: boolean;
}

export const fault = (message: string): Message => ({ severity: 'error', message });
export const info = (message: string): Message => ({ severity: 'info', message });
/** A success that needs no words. */
export const DONE = '';
export const PERMISSION_DENIED: Message = fault('Permission denied');

export function isMessage(answer: Answer): answer is Message {
	return typeof answer === 'object' && 'severity' in answer;
}
