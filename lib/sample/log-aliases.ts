/**
 * The table of log variables (manual, 8.2.6): one row each, with the way its value is written. Strings obey `+Q`
 * and `+E`, numbers and addresses `+X` where the manual says so; dates obey none.
 */

import { hostname } from 'node:os';
import { IpAddress } from '../core/address.js';
import { programPid } from '../core/program-pid.js';
import { requestCaptureSlots, responseCaptureSlots } from './capture-slots.js';
import { pathOf, saidVersionOf } from './http-parts.js';
import type { LogStyle } from './log-format.js';
import type { CompileContext, StreamView } from './types.js';

type Render = (stream: StreamView) => string;

export interface LogAlias {
	readonly httpOnly: boolean;
	/** Undefined: there is nothing to write in this proxy, and the space before it goes with it. */
	readonly compile: (style: LogStyle, context: CompileContext) => Render | undefined;
	/** An empty text is nothing at all: of the spaces around it one is left. */
	readonly mayVanish?: true;
}

/** What a log shows where no request line could be read, and where no server was chosen. */
const NO_REQUEST = '<BADREQ>';
const NO_SERVER = '<NOSRV>';
/** Longest request line kept for logs when the stream kept none itself. */
const MAX_REQUEST_LINE = 1024;

function styled(text: string, style: LogStyle): string {
	const safe = style.escape && /["\\\]]/.test(text) ? text.replace(/["\\\]]/g, '\\$&') : text;
	if (style.quote) return `"${safe}"`;
	return safe === '' ? style.empty : safe;
}

const text = (read: (stream: StreamView) => string | undefined, httpOnly = false): LogAlias => ({
	httpOnly,
	compile: (style) => (stream) => styled(read(stream) ?? '', style),
});

const emptyOrStyled = (value: string, style: LogStyle): string =>
	value === '' && !style.quote ? '' : styled(value, style);

const number = (read: (stream: StreamView) => number, httpOnly = false): LogAlias => ({
	httpOnly,
	compile: () => (stream) => String(read(stream)),
});

/** A number that `+X` writes in hexadecimal, with at least `digits` digits. */
const hexNumber = (digits: number, read: (stream: StreamView) => number): LogAlias => ({
	httpOnly: false,
	compile: (style) => (stream) => (style.hex ? hex(read(stream), digits) : String(read(stream))),
});

const raw = (read: (stream: StreamView) => string, httpOnly = false): LogAlias => ({ httpOnly, compile: () => read });

function hex(value: number, digits: number): string {
	return (value >>> 0).toString(16).toUpperCase().padStart(digits, '0');
}

const address = (read: (stream: StreamView) => IpAddress | string | undefined): LogAlias => ({
	httpOnly: false,
	compile: (style) => (stream) => {
		const value = read(stream);
		if (value === undefined) return styled('', style);
		if (!style.hex) return styled(value.toString(), style);
		const ip = typeof value === 'string' ? IpAddress.parse(value) : value;
		return ip === undefined ? styled(String(value), style) : Buffer.from(ip.toBytes()).toString('hex').toUpperCase();
	},
});

/** A port, or nothing where there is no connection of that side. */
const port = (read: (stream: StreamView) => number | undefined): LogAlias => ({
	httpOnly: false,
	compile: (style) => (stream) => {
		const value = read(stream);
		if (value === undefined) return styled('', style);
		return style.hex ? hex(value, 4) : String(value);
	},
});

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** A line a millisecond is common, a new second is not: the text of the last second is kept. */
class SecondCache {
	#second = Number.NaN;
	#text = '';
	readonly #format: (date: Date) => string;

	constructor(format: (date: Date) => string) {
		this.#format = format;
	}

	get(wallMs: number): string {
		const second = Math.floor(wallMs / 1000);
		if (second !== this.#second) {
			this.#second = second;
			this.#text = this.#format(new Date(second * 1000));
		}
		return this.#text;
	}
}

const localSecond = new SecondCache(
	(date) =>
		`${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}:${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`,
);

const utcSecond = new SecondCache(
	(date) =>
		`${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`,
);

/** `04/Mar/2026:05:06:07.089`, local time. */
export function logDate(wallMs: number): string {
	return `${localSecond.get(wallMs)}.${milliseconds(wallMs)}`;
}

function milliseconds(wallMs: number): string {
	return String(((wallMs % 1000) + 1000) % 1000).padStart(3, '0');
}

/** `04/Mar/2026:05:06:07 +0100`. */
export function localLogDate(wallMs: number): string {
	const offset = -new Date(wallMs).getTimezoneOffset();
	const size = Math.abs(offset);
	return `${localSecond.get(wallMs)} ${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

/** `04/Mar/2026:04:06:07 +0000`. */
export function utcLogDate(wallMs: number): string {
	return `${utcSecond.get(wallMs)} +0000`;
}

/** The request line as the client sent it. */
export function requestLineOf(stream: StreamView): string | undefined {
	const kept = stream.log.requestLine;
	if (kept === '') return undefined;
	if (kept !== undefined) return kept;
	const request = stream.request;
	if (request === undefined) return undefined;
	return `${request.method} ${request.target} HTTP/${saidVersionOf(request)}`.slice(0, MAX_REQUEST_LINE);
}

/** Its words: method, target, version. */
function requestWord(stream: StreamView, index: 0 | 1 | 2): string {
	return requestLineOf(stream)?.split(' ')[index] ?? NO_REQUEST;
}

function targetWithoutQuery(target: string): string {
	const mark = target.indexOf('?');
	return mark < 0 ? target : target.slice(0, mark);
}

const REQUEST_UNSAFE = /[^\x20\x21\x24-\x7e]/;
const REQUEST_UNSAFE_ALL = new RegExp(REQUEST_UNSAFE, 'g');
const CAPTURE_UNSAFE = /[^\x20\x21\x24-\x7a\x7e]/;
const CAPTURE_UNSAFE_ALL = new RegExp(CAPTURE_UNSAFE, 'g');

const hash = (char: string): string => `#${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

/** Manual, 8.6: what is not printable, `#` and `"` become `#XX`. */
export function encodeForLog(value: string): string {
	// Nearly all are safe, and a search costs a third of a replacement that finds nothing.
	return REQUEST_UNSAFE.test(value) ? value.replace(REQUEST_UNSAFE_ALL, hash) : value;
}

/** The same for captured headers, where `{`, `|` and `}` are delimiters. */
function encodeCapture(value: string): string {
	return CAPTURE_UNSAFE.test(value) ? value.replace(CAPTURE_UNSAFE_ALL, hash) : value;
}

/** `%hr`, `%hs`: `{a|b}`; nothing at all in a frontend without captures. */
function captures(
	declared: (context: CompileContext) => number | undefined,
	read: (stream: StreamView) => readonly (string | undefined)[],
): LogAlias {
	return {
		httpOnly: false,
		mayVanish: true,
		compile: (style, context) => {
			const fixed = declared(context);
			if (fixed === 0) return undefined;
			return (stream) => {
				const values = read(stream);
				const count = fixed ?? values.length;
				// As HAProxy: of bytes that made no request nothing was captured, not even nothing.
				if (count === 0 || (stream.request === undefined && values.length === 0)) return '';
				let block = '{';
				for (let slot = 0; slot < count; slot++) {
					const value = values[slot];
					block += `${slot === 0 ? '' : '|'}${value === undefined ? '' : encodeCapture(value)}`;
				}
				return styled(`${block}}`, style);
			};
		},
	};
}

/** `%hrl`, `%hsl`: one word for each. */
function captureWords(
	declared: (context: CompileContext) => number | undefined,
	read: (stream: StreamView) => readonly (string | undefined)[],
): LogAlias {
	return {
		httpOnly: false,
		mayVanish: true,
		compile: (style, context) => {
			const fixed = declared(context);
			if (fixed === 0) return undefined;
			return (stream) => {
				const values = read(stream);
				if (stream.request === undefined && values.length === 0) return '';
				const words: string[] = [];
				for (let slot = 0; slot < (fixed ?? values.length); slot++) {
					words.push(styled(encodeCapture(values[slot] ?? ''), style));
				}
				return words.join(' ');
			};
		},
	};
}

/** Captures are declared in frontends; a backend's format learns their number from the stream. */
const requestSlots = (context: CompileContext): number | undefined =>
	context.proxy === undefined || context.proxy.kind === 'backend'
		? undefined
		: requestCaptureSlots(context.proxy).length;
const responseSlots = (context: CompileContext): number | undefined =>
	context.proxy === undefined || context.proxy.kind === 'backend'
		? undefined
		: responseCaptureSlots(context.proxy).length;

/** `option logasap` logs before the end: what is still counting gets a `+`. */
const counting = (read: (stream: StreamView) => number, httpOnly = false): LogAlias => ({
	httpOnly,
	compile: (_style, context) => {
		const prefix = context.proxy?.options?.logasap === true ? '+' : '';
		return (stream) => `${prefix}${read(stream)}`;
	},
});

const clientPort = (stream: StreamView): number =>
	stream.session.source === undefined ? stream.session.listenerId : stream.session.sourcePort;
const frontendPort = (stream: StreamView): number =>
	stream.session.destination === undefined ? stream.session.listenerId : stream.session.destinationPort;

function queryOfLine(stream: StreamView): string | undefined {
	const line = requestLineOf(stream);
	if (line === undefined) return NO_REQUEST;
	const target = requestWord(stream, 1);
	const mark = target.indexOf('?');
	return mark < 0 ? '' : target.slice(mark);
}

/** `%Tq`: all the time to the end of the request; -1 when it was never complete. */
function timeToRequest({ log }: StreamView): number {
	const { handshakeMs, idleMs, requestMs } = log.timings;
	return requestMs < 0 ? -1 : Math.max(0, handshakeMs) + Math.max(0, idleMs) + requestMs;
}

const HOST_NAME = hostname();

export const LOG_ALIASES: ReadonlyMap<string, LogAlias> = new Map<string, LogAlias>([
	['B', counting(({ log }) => log.bytesRead)],
	['CC', text(({ log }) => log.cookieCapture, true)],
	['CS', text(({ log }) => log.serverCookieCapture, true)],
	[
		'H',
		{
			httpOnly: false,
			compile:
				(style, { process }) =>
				() =>
					styled(process.hostname || HOST_NAME, style),
		},
	],
	['HM', text((stream) => encodeForLog(requestWord(stream, 0)), true)],
	['HP', text((stream) => encodeForLog(targetWithoutQuery(requestWord(stream, 1))), true)],
	['HPO', text((stream) => encodeForLog(pathOf(requestWord(stream, 1)) ?? requestWord(stream, 1)), true)],
	// As observed: no query is an empty text, not a dash.
	[
		'HQ',
		{ httpOnly: true, compile: (style) => (stream) => emptyOrStyled(encodeForLog(queryOfLine(stream) ?? ''), style) },
	],
	['HU', text((stream) => encodeForLog(requestWord(stream, 1)), true)],
	['HV', text((stream) => encodeForLog(requestWord(stream, 2)), true)],
	['ID', text((stream) => stream.uniqueId())],
	['OG', text(({ log }) => log.origin ?? 'unspec')],
	['ST', number(({ log }) => log.statusCode)],
	['T', raw(({ log }) => utcLogDate(log.timings.acceptWallMs))],
	['Ta', counting(({ log }) => log.timings.activeMs, true)],
	['Tc', number(({ log }) => log.timings.connectMs)],
	['Td', number(({ log }) => log.timings.dataMs)],
	['Th', number(({ log }) => log.timings.handshakeMs)],
	['Ti', number(({ log }) => log.timings.idleMs, true)],
	['Tl', raw(({ log }) => localLogDate(log.timings.acceptWallMs))],
	['Tq', number(timeToRequest, true)],
	['TR', number(({ log }) => log.timings.requestMs, true)],
	['Tr', number(({ log }) => log.timings.responseMs, true)],
	['Ts', hexNumber(8, ({ log }) => Math.floor(log.timings.acceptWallMs / 1000))],
	['Tt', counting(({ log }) => log.timings.totalMs)],
	['Tu', counting(({ log }) => log.timings.userMs)],
	['Tw', number(({ log }) => log.timings.queueMs)],
	['U', number(({ log }) => log.bytesUploaded)],
	['ac', number(({ log }) => log.activeConnections)],
	['b', text((stream) => (stream.backend ?? stream.frontend).name)],
	['bc', number(({ log }) => log.backendConnections)],
	['bi', address(({ log }) => log.serverSideSource)],
	['bp', port(({ log }) => log.serverSideSourcePort)],
	['bq', number(({ log }) => log.backendQueue)],
	['ci', address(({ session }) => session.source ?? 'unix')],
	['cp', hexNumber(4, clientPort)],
	['f', text((stream) => stream.frontend.name)],
	['fc', number(({ log }) => log.frontendConnections)],
	['fi', address(({ session }) => session.destination ?? 'unix')],
	['fp', hexNumber(4, frontendPort)],
	['ft', text((stream) => stream.frontend.name + (stream.session.isTls ? '~' : ''))],
	['hr', captures(requestSlots, (stream) => stream.requestCaptures)],
	['hrl', captureWords(requestSlots, (stream) => stream.requestCaptures)],
	['hs', captures(responseSlots, (stream) => stream.responseCaptures)],
	['hsl', captureWords(responseSlots, (stream) => stream.responseCaptures)],
	['lc', hexNumber(4, ({ log }) => log.logCounter ?? 0)],
	[
		'ms',
		{
			httpOnly: false,
			compile: (style) => (stream) => {
				const wallMs = stream.log.timings.acceptWallMs;
				return style.hex ? hex(wallMs % 1000, 2) : milliseconds(wallMs);
			},
		},
	],
	['pid', hexNumber(4, programPid)],
	['r', text((stream) => encodeForLog(requestLineOf(stream) ?? NO_REQUEST), true)],
	['rc', raw(({ log }) => `${log.redispatched ? '+' : ''}${log.retries}`)],
	['rt', hexNumber(4, ({ log }) => log.requestCounter)],
	['s', text((stream) => stream.log.serviceName ?? stream.server?.name ?? NO_SERVER)],
	['sc', number(({ log }) => log.serverConnections)],
	['si', address((stream) => stream.server?.address)],
	['sp', port((stream) => stream.server?.port)],
	['sq', number(({ log }) => log.serverQueue)],
	['sslc', text(({ session }) => session.tlsCipher)],
	['sslv', text(({ session }) => session.tlsVersion)],
	['t', raw(({ log }) => logDate(log.timings.acceptWallMs))],
	['tr', raw(({ log }) => logDate(log.timings.requestWallMs), true)],
	['trg', raw(({ log }) => utcLogDate(log.timings.requestWallMs), true)],
	['trl', raw(({ log }) => localLogDate(log.timings.requestWallMs), true)],
	['ts', raw(({ log }) => log.terminationState.slice(0, 2))],
	['tsc', raw(({ log }) => log.terminationState)],
]);
