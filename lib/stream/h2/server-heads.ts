/**
 * Heads of messages to and from a server of HTTP/2 (RFC 9113, section 8): a request as rules have left it becomes
 * fields for the encoder, fields of the decoder become a response as rules see it.
 *
 * What the server gets besides the fields is what serializer.ts writes for a server of HTTP/1.1: one length that agrees
 * with the body, nothing of one hop only. What it sends is looked at as strictly as a client's request, since
 * it goes on as lines of HTTP/1.1 to others.
 */
import { HoldfastError } from '../../core/errors.js';
import { CHAR_CLASSES, CharClass, isFieldValue, isToken } from '../../http/characters.js';
import { websocketAccept } from '../../http/connection.js';
import type { FieldList } from '../../http/h2/field-list.js';
import type { HpackEncoder } from '../../http/h2/hpack-encoder.js';
import {
	type BodyFraming,
	CHUNKED_BODY,
	ConnectionOption,
	type FieldSection,
	HeaderList,
	NO_BODY,
	type RequestHead,
	ResponseHead,
} from '../../http/message.js';
import { HttpRefusal } from '../../http/refusal.js';
import { requestTarget } from '../../http/serializer.js';
import { FORBIDDEN_TRAILERS } from '../../http/trailers.js';
import { CONNECTION_FIELDS } from './request-head.js';

/** What asks for a tunnel in HTTP/1.1, in lower case (RFC 8441, section 4); undefined without one. */
export function askedProtocol(request: RequestHead): string | undefined {
	if ((request.connection & ConnectionOption.UPGRADE) === 0) return undefined;
	return request.headers.get('upgrade')?.toLowerCase();
}

/** Puts down a request between `encoder.begin()` and `sendHead`. */
export function encodeRequest(encoder: HpackEncoder, request: RequestHead, isTls: boolean): void {
	const { method, headers, framing } = request;
	if (method !== 'GET' && !isToken(method)) throw new HoldfastError('HTTP_MALFORMED', 'method is not a token');
	const { names, values } = headers;
	const protocol = askedProtocol(request);
	const isConnect = method === 'CONNECT';
	const target = requestTarget(request, !isConnect);
	encoder.field(':method', protocol === undefined ? method : 'CONNECT');
	if (protocol !== undefined) encoder.field(':protocol', protocol);
	if (!isConnect) encoder.field(':scheme', isTls ? 'https' : 'http');
	const host = isConnect ? target : headers.get('host');
	if (host !== undefined && host !== '') encoder.field(':authority', host);
	if (!isConnect) encoder.field(':path', target);
	let lengthDue = framing.kind === 'length' && protocol === undefined && !isConnect;
	for (let i = 0; i < names.length; i++) {
		const name = names[i] as string;
		switch (name) {
			case 'host':
			case 'http2-settings':
				break;
			case 'content-length':
				if (lengthDue && framing.kind === 'length') encoder.field(name, String(framing.length));
				lengthDue = false;
				break;
			case 'te':
				if (values[i] === 'trailers') encoder.field(name, 'trailers');
				break;
			case 'sec-websocket-key':
				// Section 5 of RFC 8441: there is none, nor an answer to it.
				if (protocol === undefined) encoder.field(name, trimmed(values[i] as string));
				break;
			default:
				if (!CONNECTION_FIELDS.has(name)) encoder.field(name, trimmed(values[i] as string));
		}
	}
	if (lengthDue && framing.kind === 'length') encoder.field('content-length', String(framing.length));
}

/** A value that a rule made (section 8.2.1). */
function trimmed(value: string): string {
	const first = value.charCodeAt(0);
	const last = value.charCodeAt(value.length - 1);
	return first === 32 || first === 9 || last === 32 || last === 9 ? value.replace(/^[ \t]+|[ \t]+$/g, '') : value;
}

/** Digits of `:status`; NaN if it is none. */
export function statusOf(fields: FieldList): number {
	const status = fields.get(':status');
	return status !== undefined && /^[1-9]\d\d$/.test(status) ? Number(status) : Number.NaN;
}

/** What a response was made of, when nothing of it had to be left out: the next one is mostly alike. */
interface KnownResponse {
	readonly status: number;
	readonly length: number;
	readonly section: FieldSection;
}

/**
 * Reads the responses of one server connection. Fields that are the same as in the response before were looked at
 * then; where all of them are, the head shares their arrays, and the lines that the serializer has made of them.
 */
export class ResponseHeads {
	#known: KnownResponse | undefined;

	/** `ends`: nothing follows. A refusal: the response is malformed (section 8.1.1). */
	read(fields: FieldList, ends: boolean, method: string): ResponseHead | HttpRefusal {
		if (fields.isTooLarge) return new HttpRefusal('HEAD_TOO_LARGE', 0);
		const status = statusOf(fields);
		// 101 is none of HTTP/2's (section 8.6).
		if (Number.isNaN(status) || status === 101) return new HttpRefusal('STATUS_INVALID', 0);
		const known = this.#known;
		const isFramed = !hasNoFraming(status, method);
		if (known !== undefined && isFramed && known.status === status && isAlike(known.section, fields)) {
			return responseOf(status, known.section, known.length, ends, method);
		}
		return this.#readNew(fields, status, ends, method);
	}

	#readNew(fields: FieldList, status: number, ends: boolean, method: string): ResponseHead | HttpRefusal {
		const before = this.#known?.section;
		const names: string[] = [];
		const values: string[] = [];
		let length = -1;
		let sizeBytes = 0;
		let isWhole = fields.names[0] === ':status' && !hasNoFraming(status, method);
		for (let i = 0; i < fields.count; i++) {
			const name = fields.names[i] as string;
			let value = fields.values[i] as string;
			if (name.charCodeAt(0) === 58) {
				// A pseudo field comes once, before all others (section 8.3).
				if (name !== ':status' || i > 0) return new HttpRefusal('NAME_INVALID', 0);
				continue;
			}
			if (before === undefined || name !== before.names[i - 1] || value !== before.values[i - 1]) {
				if (!isLowerToken(name) || CONNECTION_FIELDS.has(name)) return new HttpRefusal('NAME_INVALID', 0);
				if (!isFieldValue(value)) return new HttpRefusal('VALUE_INVALID', 0);
				const clean = trimmed(value);
				if (clean !== value) isWhole = false;
				value = clean;
			}
			if (name === 'content-length') {
				const given = lengthOf(value);
				if (given < 0) return new HttpRefusal('LENGTH_INVALID', 0);
				if (length >= 0 && given !== length) return new HttpRefusal('LENGTH_REPEATED', 0);
				if (length >= 0 || hasNoFraming(status, method)) {
					isWhole = false;
					continue;
				}
				length = given;
			}
			names.push(name);
			values.push(value);
			sizeBytes += name.length + value.length;
		}
		const section: FieldSection = { names, values, sizeBytes, lines: '', linesForm: -1, linesLength: 0 };
		this.#known = isWhole && sizeBytes <= KNOWN_BYTES_MAX ? { status, length, section } : undefined;
		return responseOf(status, section, length, ends, method);
	}
}

/** More is not kept for the next response. */
const KNOWN_BYTES_MAX = 4096;

/** What decoders give out of their tables are the same strings: the comparison rarely looks into them. */
function isAlike({ names, values }: FieldSection, fields: FieldList): boolean {
	const count = names.length;
	if (fields.count !== count + 1) return false;
	for (let i = 0; i < count; i++) {
		if (fields.names[i + 1] !== names[i] || fields.values[i + 1] !== values[i]) return false;
	}
	return fields.names[0] === ':status';
}

/** Framing fields mean nothing there (RFC 9110, sections 8.6 and 9.3.6). */
function hasNoFraming(status: number, method: string): boolean {
	return status < 200 || status === 204 || (method === 'CONNECT' && status < 300);
}

function responseOf(
	status: number,
	section: FieldSection,
	length: number,
	ends: boolean,
	method: string,
): ResponseHead | HttpRefusal {
	let framing: BodyFraming;
	if (method === 'HEAD' || status === 304 || hasNoFraming(status, method)) framing = NO_BODY;
	else if (length >= 0) {
		// Section 8.1.1 asks that it agrees with what comes.
		if (ends && length > 0) return new HttpRefusal('LENGTH_INVALID', 0);
		framing = { kind: 'length', length };
	} else framing = ends ? EMPTY_BODY : CHUNKED_BODY;
	const headers = new HeaderList(section.names, section.values, section);
	return new ResponseHead(status, '', 20, headers, framing, ConnectionOption.CLOSE);
}

const EMPTY_BODY: BodyFraming = { kind: 'length', length: 0 };

/** A plain number that fits; -1 otherwise. */
function lengthOf(value: string): number {
	if (value.length === 0 || value.length > 15) return -1;
	let length = 0;
	for (let i = 0; i < value.length; i++) {
		const digit = value.charCodeAt(i) - 48;
		if (digit < 0 || digit > 9) return -1;
		length = length * 10 + digit;
	}
	return length;
}

/** The yes to an extended CONNECT, as HTTP/1.1 says it (RFC 8441, section 5). */
export function switched(response: ResponseHead, protocol: string, key: string | undefined): ResponseHead {
	const { headers } = response;
	headers.remove('content-length');
	headers.remove('sec-websocket-accept');
	headers.add('connection', 'upgrade');
	headers.add('upgrade', protocol);
	if (key !== undefined) headers.add('sec-websocket-accept', websocketAccept(key));
	return new ResponseHead(101, '', 20, headers, NO_BODY, ConnectionOption.UPGRADE);
}

/** Fields after a body, without those that could change what the message is; undefined: malformed (section 8.1). */
export function trailersOf(fields: FieldList): HeaderList | undefined {
	if (fields.isTooLarge) return undefined;
	const trailers = new HeaderList();
	for (let i = 0; i < fields.count; i++) {
		const name = fields.names[i] as string;
		const value = fields.values[i] as string;
		// Pseudo fields are no tokens.
		if (!isLowerToken(name) || !isFieldValue(value)) return undefined;
		if (!FORBIDDEN_TRAILERS.has(name)) trailers.add(name, trimmed(value));
	}
	return trailers;
}

/** Name, value, ... for the encoder; of trailers that came with a chunked body. */
export function flatTrailers({ names, values }: HeaderList): string[] {
	const flat: string[] = [];
	for (let i = 0; i < names.length; i++) {
		const name = names[i] as string;
		if (!CONNECTION_FIELDS.has(name)) flat.push(name, trimmed(values[i] as string));
	}
	return flat;
}

function isLowerToken(name: string): boolean {
	for (let i = 0; i < name.length; i++) {
		const code = name.charCodeAt(i);
		if (code > 127 || (code >= 65 && code <= 90) || (CHAR_CLASSES[code]! & CharClass.TOKEN) === 0) return false;
	}
	return name !== '';
}
