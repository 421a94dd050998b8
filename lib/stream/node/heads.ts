/**
 * Between Node's messages and ours. Node's parser (llhttp) has read a head; the lines it read are put together
 * again and judged by our own codec, so that a request that one engine refuses is refused by the other, for
 * the same reason. What llhttp itself refuses never comes here: see `refusalOf`.
 */
import type { IncomingMessage } from 'node:http';
import { fieldNotes, parseFields } from '../../http/field-parser.js';
import {
	findHeadEnd,
	type HeadLimits,
	oversizedHead,
	parseRequestHead,
	parseResponseHead,
	skipEmptyLines,
} from '../../http/head-parser.js';
import type { RequestHead, ResponseHead } from '../../http/message.js';
import { HttpRefusal } from '../../http/refusal.js';
import { FORBIDDEN_TRAILERS } from '../../http/trailers.js';

export function requestHeadOf(message: IncomingMessage, limits: HeadLimits): RequestHead | HttpRefusal {
	const line = `${message.method ?? ''} ${message.url ?? ''} HTTP/${message.httpVersion}\r\n`;
	return parseRequestHead(`${line}${linesOf(message.rawHeaders)}\r\n`, limits);
}

/** Node's client gives a response, or the status and fields of an interim one. */
export interface RawResponse {
	readonly statusCode?: number | undefined;
	readonly statusMessage?: string | undefined;
	readonly httpVersion: string;
	readonly rawHeaders: readonly string[];
}

export function responseHeadOf(
	message: RawResponse,
	limits: HeadLimits,
	requestMethod: string,
): ResponseHead | HttpRefusal {
	const line = `HTTP/${message.httpVersion} ${message.statusCode ?? 0} ${message.statusMessage ?? ''}\r\n`;
	return parseResponseHead(`${line}${linesOf(message.rawHeaders)}\r\n`, limits, requestMethod);
}

function linesOf(rawHeaders: readonly string[]): string {
	let lines = '';
	for (let i = 0; i < rawHeaders.length; i += 2) lines += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
	return lines;
}

/** Trailers as Node wants them, or undefined if one of them must not be passed on. */
export function trailersOf(rawTrailers: readonly string[]): [string, string][] | undefined {
	if (rawTrailers.length === 0) return [];
	if (!parseFields(`${linesOf(rawTrailers)}\r\n`, 0, rawTrailers.length)) return undefined;
	const { names, values, hasDropped } = fieldNotes;
	if (hasDropped || names.some((name) => FORBIDDEN_TRAILERS.has(name))) return undefined;
	return names.map((name, index) => [name, values[index] as string]);
}

/** The fields of a head that the serializer wrote, as the flat list that Node's `writeHead` takes. */
export function flatFields(head: string): string[] {
	const flat: string[] = [];
	let at = head.indexOf('\r\n') + 2;
	for (let end = head.indexOf('\r\n', at); end > at; end = head.indexOf('\r\n', at)) {
		const colon = head.indexOf(': ', at);
		flat.push(head.slice(at, colon), head.slice(colon + 2, end));
		at = end + 2;
	}
	return flat;
}

/** What of a failed parse Node tells. */
export interface ParseError extends Error {
	readonly code?: string;
	/** The bytes of the last read. */
	readonly rawPacket?: Buffer;
}

/** Status for a head that llhttp refused: our own verdict on the same bytes where they are all there, else 400. */
export function refusalOf(error: ParseError, limits: HeadLimits): 400 | HttpRefusal['status'] {
	const packet = error.rawPacket;
	if (error.code === 'HPE_HEADER_OVERFLOW')
		return packet === undefined ? 431 : oversizedHead(packet, 0, limits.headSizeMax).status;
	if (packet === undefined) return 400;
	const start = skipEmptyLines(packet, 0);
	if (start instanceof HttpRefusal) return start.status;
	const end = findHeadEnd(packet, start);
	const text = end < 0 ? `${packet.toString('latin1', start)}\r\n\r\n` : packet.toString('latin1', start, end);
	const verdict = parseRequestHead(text, limits);
	return verdict instanceof HttpRefusal ? verdict.status : 400;
}
