/**
 * A syslog message from the wire and back: RFC 5424, RFC 3164, a bare `<priority>`, or none of these. What was read
 * is kept in parts, so that it can be written in any format of a `log` line (manual, 3.10 and 4.2 `log`); parts that
 * a format needs and the message lacks are made up as HAProxy makes them up.
 *
 * A message that only begins like one of the formats is not bent into it: its text goes on whole.
 */
import type { LogHostStrategy, LogLineFormat } from '../../config/log-model.js';

export interface SyslogMessage {
	/** What it came in, and goes on in where a target does not say. */
	readonly format: LogLineFormat;
	/** Facility * 8 + level; undefined when the message has none. */
	readonly priority: number | undefined;
	/** As RFC 5424 writes it; undefined when there is none, or `-`. */
	readonly isoTime: string | undefined;
	/** `Nov 23 14:00:01`. */
	readonly legacyTime: string | undefined;
	readonly host: string | undefined;
	/** The program. */
	readonly tag: string | undefined;
	readonly processId: string | undefined;
	readonly messageId: string | undefined;
	readonly structuredData: string | undefined;
	readonly text: string;
}

/** Without a priority a message counts as most important: nothing says that it may be left out. */
export const UNKNOWN_LEVEL = 0;
/** Facilities have five bits (RFC 5424, 6.2.1 uses 24 of them). */
const MAX_PRIORITY = 255;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const NO_PARTS = {
	isoTime: undefined,
	legacyTime: undefined,
	host: undefined,
	tag: undefined,
	processId: undefined,
	messageId: undefined,
	structuredData: undefined,
} as const;

/** RFC 5424, 6: version 1, time, host, program, process, message id, then structured data and the text. */
const RFC5424_HEAD =
	/^1 (-|\d{4}-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) (?=[-[])/;
/** One element: a quote ends a value, a bracket the element, unless a backslash stands before (RFC 5424, 6.3.3). */
const STRUCTURED_DATA = /^(?:-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\[\s\S])*")*\])+)(?= |$)/;
/** RFC 3164, 4.1: time and host. A day below ten has a space before it. */
const RFC3164_HEAD = /^([A-Z][a-z]{2}) ([ 0-3]\d) (\d\d:\d\d:\d\d) (\S+) /;
/** The program with its process, up to the colon. */
const TAG = /^([^\s[]+)(?:\[([^\]\s]*)\]?)?: /;
/** The same in place of a host: programs that write to their own machine name none. */
const TAG_AS_HOST = /^[^\s[:]+(?:\[\d+\])?:$/;

const orNothing = (field: string | undefined): string | undefined => (field === '-' ? undefined : field);

/** Reads a message, a byte string without the end of its line. `nowMs` gives the year that RFC 3164 leaves out. */
export function parseSyslog(message: string, nowMs: number): SyslogMessage {
	const mark = /^<(\d{0,3})>/.exec(message);
	const priority = Number(mark?.[1] ?? 0);
	if (mark === null || priority > MAX_PRIORITY) return unparsedSyslog(message);
	const rest = message.slice(mark[0].length);
	return (
		parseModern(rest, priority) ??
		parseLegacy(rest, priority, nowMs) ?? { ...NO_PARTS, format: 'priority', priority, text: rest }
	);
}

/** `option dont-parse-log`: all of it is text. */
export function unparsedSyslog(message: string): SyslogMessage {
	return { ...NO_PARTS, format: 'raw', priority: undefined, text: message };
}

function parseModern(rest: string, priority: number): SyslogMessage | undefined {
	const head = RFC5424_HEAD.exec(rest);
	if (head === null) return undefined;
	const [whole, time, month, day, clock, host, tag, processId, messageId] = head;
	const data = STRUCTURED_DATA.exec(rest.slice(whole.length))?.[0];
	if (data === undefined) return undefined;
	const monthName = MONTHS[Number(month) - 1];
	return {
		format: 'rfc5424',
		priority,
		isoTime: orNothing(time),
		legacyTime: monthName === undefined ? undefined : `${monthName} ${String(Number(day)).padStart(2)} ${clock}`,
		host: orNothing(host),
		tag: orNothing(tag),
		processId: orNothing(processId),
		messageId: orNothing(messageId),
		structuredData: orNothing(data),
		text: rest.slice(whole.length + data.length + 1),
	};
}

function parseLegacy(rest: string, priority: number, nowMs: number): SyslogMessage | undefined {
	const head = RFC3164_HEAD.exec(rest);
	if (head === null) return undefined;
	const [whole, monthName = '', day = '', clock, host = ''] = head;
	const month = MONTHS.indexOf(monthName) + 1;
	if (month === 0) return undefined;
	// A host that looks like a program's tag is one: there is no host then, as in what libc writes to /dev/log.
	const isLocal = TAG_AS_HOST.test(host);
	const body = isLocal ? rest.slice(whole.length - host.length - 1) : rest.slice(whole.length);
	const tag = TAG.exec(body);
	const year = new Date(nowMs).getFullYear();
	const two = (text: string | number): string => String(text).trim().padStart(2, '0');
	return {
		...NO_PARTS,
		format: isLocal ? 'local' : 'rfc3164',
		priority,
		// Whose clock it was nobody knows (RFC 3339, 4.3).
		isoTime: `${year}-${two(month)}-${two(day)}T${clock}-00:00`,
		legacyTime: `${monthName} ${day} ${clock}`,
		host: isLocal ? undefined : host,
		tag: tag?.[1],
		processId: tag?.[2],
		text: tag === null ? body : body.slice(tag[0].length),
	};
}

/** The host as `option host` wants it; `source`: the address of the sender. */
export function withHost(message: SyslogMessage, strategy: LogHostStrategy, source: string | undefined): SyslogMessage {
	const { host } = message;
	if (strategy === 'keep' || source === undefined || (strategy === 'fill' && host !== undefined)) return message;
	return { ...message, host: strategy === 'append' && host !== undefined ? `${host},${source}` : source };
}

/** What stands in for the time of a message that has none. */
export interface PresentTime {
	legacy(): string;
	iso(): string;
}

/** The message in a format of `log` lines; `priority` is that of the message, as the target lets it through. */
export function formatSyslog(
	message: SyslogMessage,
	format: LogLineFormat,
	priority: number,
	now: PresentTime,
): string {
	const { host, tag, processId, text } = message;
	switch (format) {
		case 'rfc5424': {
			const fields = [host, tag, processId, message.messageId, message.structuredData];
			// A message that came with the dash for a time keeps it.
			const time = message.isoTime ?? (message.format === 'rfc5424' ? '-' : now.iso());
			return `<${priority}>1 ${time} ${fields.map((field) => field ?? '-').join(' ')} ${text}`;
		}
		case 'rfc3164':
			return `<${priority}>${message.legacyTime ?? now.legacy()} ${host ?? 'localhost'} ${tagOf(tag, processId)}${text}`;
		case 'local':
			return `<${priority}>${message.legacyTime ?? now.legacy()} ${tagOf(tag, processId)}${text}`;
		case 'priority':
			return `<${priority}>${text}`;
		case 'short':
			return `<${priority & 7}>${text}`;
		case 'timed':
			return `<${priority & 7}>${message.isoTime ?? now.iso()} ${text}`;
		case 'iso':
			return `${message.isoTime ?? now.iso()} ${text}`;
		case 'raw':
			return text;
	}
}

function tagOf(tag: string | undefined, processId: string | undefined): string {
	if (tag === undefined) return '';
	return processId === undefined ? `${tag}: ` : `${tag}[${processId}]: `;
}
