/**
 * Fetches from HTTP messages (manual, 7.3.6). `req.x` reads the request, `res.x` the response; the bare names
 * (`hdr`, `cookie`) read whichever message the rule looks at. A fetch with several values gives the last one
 * as a sample and all of them to ACLs.
 */

import { IpAddress } from '../../core/address.js';
import { asciiLower } from '../../core/bytes.js';
import type { HeaderList } from '../../http/message.js';
import { avalanche, sdbm } from '../hash-functions.js';
import {
	authorityOf,
	authorization,
	basicCredentials,
	countHeaderValues,
	eachCookie,
	eachHeaderValue,
	eachParameter,
	headerAddress,
	headerValue,
	pathAndQuery,
	pathOf,
	queryOf,
	saidVersionOf,
} from '../http-parts.js';
import { requestLineOf } from '../log-aliases.js';
import { isResponseSite } from '../sites.js';
import type {
	ArgumentValue,
	CompileContext,
	Evaluate,
	EvaluateEach,
	FetchDescriptor,
	FetchNeed,
	SampleType,
	SampleValue,
	StreamView,
} from '../types.js';
import { readInt } from '../values.js';
import { named, numberArgument, optional, plain, textArgument } from './define.js';

type HeadersOf = (stream: StreamView) => HeaderList | undefined;

const requestHeaders: HeadersOf = (stream) => stream.request?.headers;
const responseHeaders: HeadersOf = (stream) => stream.response?.headers;

/** Side of a message; `either` follows the site of the rule. */
type Side = 'request' | 'response' | 'either';

const HEAD_NEEDS: Readonly<Record<Side, FetchNeed>> = {
	request: 'request-head',
	response: 'response-head',
	either: 'message-head',
};

function headersOf(side: Side, context: CompileContext): HeadersOf {
	if (side === 'either') return isResponseSite(context.site) ? responseHeaders : requestHeaders;
	return side === 'request' ? requestHeaders : responseHeaders;
}

const identity = (value: string): SampleValue | undefined => value;

/** The rows for values of a header field: `convert` makes the sample of one value. */
function headerRow(
	name: string,
	side: Side,
	split: boolean,
	type: SampleType = 'str',
	convert: (value: string) => SampleValue | undefined = identity,
): FetchDescriptor {
	const compileEach = (args: readonly ArgumentValue[], context: CompileContext): EvaluateEach => {
		const headers = headersOf(side, context);
		const field = fieldName(args[0]);
		const occurrence = numberArgument(args[1]) ?? 0;
		if (occurrence !== 0 && field !== undefined) {
			return (stream, visit) => {
				const list = headers(stream);
				const text = list === undefined ? undefined : headerValue(list, field, split, occurrence);
				const value = text === undefined ? undefined : convert(text);
				return value !== undefined && visit(value);
			};
		}
		return (stream, visit) => {
			const list = headers(stream);
			if (list === undefined) return false;
			return eachHeaderValue(list, field, split, (text) => {
				const value = convert(text);
				return value !== undefined && visit(value);
			});
		};
	};
	const compile = (args: readonly ArgumentValue[], context: CompileContext): Evaluate => {
		const headers = headersOf(side, context);
		const field = fieldName(args[0]);
		const occurrence = numberArgument(args[1]) ?? 0;
		return (stream) => {
			const list = headers(stream);
			if (list === undefined || field === undefined) return undefined;
			const value = headerValue(list, field, split, occurrence);
			return value === undefined ? undefined : convert(value);
		};
	};
	return {
		name,
		args: [optional('string'), optional('sint')],
		type,
		needs: [HEAD_NEEDS[side]],
		check: (args) =>
			numberArgument(args[1]) !== undefined && fieldName(args[0]) === undefined
				? 'a header name is needed to choose an occurrence'
				: undefined,
		compile,
		compileEach,
	};
}

function fieldName(argument: ArgumentValue): string | undefined {
	const text = textArgument(argument);
	return text === undefined || text === '' ? undefined : asciiLower(text);
}

function headerCountRow(name: string, side: Side, split: boolean): FetchDescriptor {
	return {
		name,
		args: [optional('string')],
		type: 'sint',
		needs: [HEAD_NEEDS[side]],
		compile: ([argument], context) => {
			const headers = headersOf(side, context);
			const field = fieldName(argument);
			return (stream) => {
				const list = headers(stream);
				return list === undefined ? undefined : countHeaderValues(list, field, split);
			};
		},
	};
}

function headerNamesRow(name: string, side: Side): FetchDescriptor {
	return {
		name,
		args: [optional('string')],
		type: 'str',
		needs: [HEAD_NEEDS[side]],
		compile: ([argument], context) => {
			const headers = headersOf(side, context);
			const delimiter = (textArgument(argument) ?? '').charAt(0) || ',';
			return (stream) => {
				const names = headers(stream)?.names;
				return names === undefined ? undefined : names.join(delimiter);
			};
		},
	};
}

/** All fields as they will be sent, with the empty line that ends them. */
function headerBlock(headers: HeaderList | undefined): string | undefined {
	if (headers === undefined) return undefined;
	let block = '';
	for (let i = 0; i < headers.length; i++) block += `${headers.names[i]}: ${headers.values[i]}\r\n`;
	return `${block}\r\n`;
}

/** A length as SPOE writes it (manual, `req.hdrs_bin`): 7 bits a byte behind a first one of 4 above 240. */
function variableLength(length: number): number[] {
	if (length < 240) return [length];
	const bytes = [(length & 15) | 240];
	let rest = (length - 240) >>> 4;
	for (; rest >= 128; rest = (rest - 128) >>> 7) bytes.push((rest & 127) | 128);
	bytes.push(rest);
	return bytes;
}

/** Names and values, each behind its length, and an empty pair at the end. */
function binaryHeaders(headers: HeaderList | undefined): Buffer | undefined {
	if (headers === undefined) return undefined;
	const pieces: Buffer[] = [];
	for (let i = 0; i < headers.length; i++) {
		for (const text of [headers.names[i] ?? '', headers.values[i] ?? '']) {
			pieces.push(Buffer.from(variableLength(text.length)), Buffer.from(text, 'latin1'));
		}
	}
	pieces.push(Buffer.alloc(2));
	return Buffer.concat(pieces);
}

type CookieSide = { readonly field: string; readonly isSetCookie: boolean; readonly headers: HeadersOf };
const REQUEST_COOKIES: CookieSide = { field: 'cookie', isSetCookie: false, headers: requestHeaders };
const RESPONSE_COOKIES: CookieSide = { field: 'set-cookie', isSetCookie: true, headers: responseHeaders };

function cookieSide(side: Side, context: CompileContext): CookieSide {
	if (side === 'either') return isResponseSite(context.site) ? RESPONSE_COOKIES : REQUEST_COOKIES;
	return side === 'request' ? REQUEST_COOKIES : RESPONSE_COOKIES;
}

function visitCookies(
	stream: StreamView,
	side: CookieSide,
	name: string | undefined,
	visit: (value: string) => boolean,
): boolean {
	const list = side.headers(stream);
	if (list === undefined) return false;
	for (let i = list.indexOf(side.field); i >= 0; i = list.indexOf(side.field, i + 1)) {
		const stopped = eachCookie(list.values[i] ?? '', side.isSetCookie, (cookie, value) =>
			name === undefined || cookie === name ? visit(value) : false,
		);
		if (stopped) return true;
	}
	return false;
}

const cookieName = (argument: ArgumentValue): string | undefined => textArgument(argument) || undefined;

/** Without a name the first cookie, with one its last occurrence. */
function cookieRow(
	name: string,
	side: Side,
	type: SampleType = 'str',
	convert: (value: string) => SampleValue = (value) => value,
): FetchDescriptor {
	return {
		name,
		args: [optional('string')],
		type,
		needs: [HEAD_NEEDS[side]],
		compile: ([argument], context) => {
			const where = cookieSide(side, context);
			const wanted = cookieName(argument);
			return (stream) => {
				let found: string | undefined;
				visitCookies(stream, where, wanted, (value) => {
					found = value;
					return wanted === undefined;
				});
				return found === undefined ? undefined : convert(found);
			};
		},
		compileEach: ([argument], context) => {
			const where = cookieSide(side, context);
			const wanted = cookieName(argument);
			return (stream, visit) => visitCookies(stream, where, wanted, (value) => visit(convert(value)));
		},
	};
}

function cookieCountRow(name: string, side: Side): FetchDescriptor {
	return {
		name,
		args: [optional('string')],
		type: 'sint',
		needs: [HEAD_NEEDS[side]],
		compile: ([argument], context) => {
			const where = cookieSide(side, context);
			const wanted = cookieName(argument);
			return (stream) => {
				if (where.headers(stream) === undefined) return undefined;
				let count = 0;
				visitCookies(stream, where, wanted, () => {
					count++;
					return false;
				});
				return count;
			};
		},
	};
}

function fromTarget(name: string, read: (target: string) => string | undefined): FetchDescriptor {
	return plain(name, 'str', 'request-head', (stream) =>
		stream.request === undefined ? undefined : read(stream.request.target),
	);
}

/** First `Host` value and `part` of the target, for `base` and its kin. */
function hostAnd(stream: StreamView, part: (target: string) => string | undefined): string | undefined {
	const request = stream.request;
	if (request === undefined) return undefined;
	const host = headerValue(request.headers, 'host', true, 1) ?? '';
	return host + (part(request.target) ?? '');
}

/** A 32-bit hash followed by the source address, `base32+src`. */
function withSource(stream: StreamView, hash: number | undefined): Buffer | undefined {
	const source = stream.session.source;
	if (hash === undefined || source === undefined) return undefined;
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(hash);
	return Buffer.concat([bytes, source.toBytes()]);
}

function base32(stream: StreamView): number | undefined {
	const text = hostAnd(stream, pathOf);
	return text === undefined ? undefined : avalanche(sdbm(text));
}

function url32(stream: StreamView): number | undefined {
	const text = hostAnd(stream, pathAndQuery);
	return text === undefined ? undefined : avalanche(sdbm(text));
}

function parameterRow(
	name: string,
	type: SampleType = 'str',
	convert: (value: string) => SampleValue = (value) => value,
): FetchDescriptor {
	const compileEach = (args: readonly ArgumentValue[]): EvaluateEach => {
		const wanted = textArgument(args[0]) || undefined;
		const delimiter = (textArgument(args[1]) || '?').charCodeAt(0);
		return (stream, visit) => {
			const target = stream.request?.target;
			const start = target === undefined ? -1 : target.indexOf(String.fromCharCode(delimiter));
			if (target === undefined || start < 0) return false;
			return eachParameter(target.slice(start + 1), wanted, delimiter, (value) => visit(convert(value)));
		};
	};
	return {
		name,
		args: [optional('string'), optional('string')],
		type,
		needs: ['request-head'],
		check: (args) =>
			(textArgument(args[1]) ?? '').length > 1 ? 'the delimiter must be a single character' : undefined,
		compile: (args) => firstOf(compileEach(args)),
		compileEach,
	};
}

function firstOf(each: EvaluateEach): Evaluate {
	return (stream) => {
		let found: SampleValue | undefined;
		each(stream, (value) => {
			found = value;
			return true;
		});
		return found;
	};
}

const EMPTY = Buffer.alloc(0);

/** A request line, whole, behind empty lines that a client may send before it (RFC 9112, section 2.2). */
const REQUEST_LINE = /^(?:\r?\n)*[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\xff]+ HTTP\/1\.[01]\r?\n/;
/** What may still become one. */
const BEGINNING = /^(?:\r?\n)*[!#$%&'*+.^_`|~0-9A-Za-z-]*(?: [\x21-\xff]*(?: [HTP/1.0]*\r?)?)?$/;

/** With which a connection of HTTP/2 begins (RFC 9113, section 3.4). */
const H2_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** In mode tcp, whether the bytes are a request head; undefined until there are enough of them to say. */
function isHttpRequest(stream: StreamView): boolean | undefined {
	if (stream.request !== undefined) return true;
	const bytes = stream.requestBuffer;
	if (bytes === undefined || bytes.length === 0) return undefined;
	const text = bytes.toString('latin1');
	if (text.startsWith(H2_PREFACE)) return true;
	if (H2_PREFACE.startsWith(text)) return undefined;
	if (REQUEST_LINE.test(text)) return /\r?\n\r?\n/.test(text.trimStart()) ? true : undefined;
	return BEGINNING.test(text) ? undefined : false;
}

function requestBody(stream: StreamView): Buffer | undefined {
	return stream.request === undefined ? undefined : (stream.requestBuffer ?? EMPTY);
}

function responseBody(stream: StreamView): Buffer | undefined {
	return stream.response === undefined ? undefined : (stream.responseBuffer ?? EMPTY);
}

/** The length a message announces, or that of what is there. */
function bodySize(headers: HeaderList | undefined, body: Buffer | undefined): SampleValue | undefined {
	if (headers === undefined || body === undefined) return undefined;
	const announced = headers.get('content-length');
	return announced === undefined ? body.length : readInt(announced);
}

/** `1.1`; HTTP/2 is `2.0`. */
export function versionText(version: number): string {
	return `${Math.floor(version / 10)}.${version % 10}`;
}

/** A bearer token: of `Authorization`, or of another header that holds the scheme too. */
function compileBearer(args: readonly ArgumentValue[]): Evaluate {
	const field = fieldName(args[0]) ?? 'authorization';
	return (stream) => {
		const value = stream.request?.headers.get(field);
		const parts = value === undefined ? undefined : authorization(value);
		return parts?.scheme.toLowerCase() === 'bearer' ? parts.rest : undefined;
	};
}

const credentials = (stream: StreamView): ReturnType<typeof basicCredentials> =>
	stream.request === undefined ? undefined : basicCredentials(stream.request.headers);

function captureRow(
	name: string,
	need: FetchNeed,
	read: (stream: StreamView, slot: number) => string | undefined,
): FetchDescriptor {
	return {
		name,
		args: [{ kind: 'sint' }],
		type: 'str',
		needs: [need],
		check: ([slot]) => ((numberArgument(slot) ?? -1) >= 0 ? undefined : 'the index must not be negative'),
		compile: ([slot]) => {
			const index = numberArgument(slot) ?? 0;
			return (stream) => read(stream, index);
		},
	};
}

export const HTTP_FETCHES: readonly FetchDescriptor[] = [
	// Start lines
	plain('method', 'meth', 'stream', (stream) => stream.request?.method),
	fromTarget('path', pathOf),
	fromTarget('pathq', pathAndQuery),
	fromTarget('url', (target) => target),
	fromTarget('query', queryOf),
	plain('url_ip', 'addr', 'request-head', (stream) => {
		const host = stream.request === undefined ? undefined : authorityOf(stream.request.target)?.host;
		return host === undefined ? undefined : IpAddress.parse(host.replace(/^\[(.*)\]$/, '$1'));
	}),
	plain('url_port', 'sint', 'request-head', (stream) => {
		const authority = stream.request === undefined ? undefined : authorityOf(stream.request.target);
		return authority === undefined ? undefined : (authority.port ?? 80);
	}),
	plain('base', 'str', 'request-head', (stream) => hostAnd(stream, pathOf)),
	plain('baseq', 'str', 'request-head', (stream) => hostAnd(stream, pathAndQuery)),
	plain('base32', 'sint', 'request-head', base32),
	plain('base32+src', 'bin', 'request-head', (stream) => withSource(stream, base32(stream))),
	plain('url32', 'sint', 'request-head', url32),
	plain('url32+src', 'bin', 'request-head', (stream) => withSource(stream, url32(stream))),
	...named(
		['req.ver', 'req_ver'],
		plain('', 'str', 'request-head', (stream) =>
			stream.request === undefined ? undefined : saidVersionOf(stream.request),
		),
	),
	...named(
		['res.ver', 'resp_ver'],
		plain('', 'str', 'response-head', (stream) =>
			stream.response === undefined ? undefined : versionText(stream.response.version),
		),
	),
	plain('status', 'sint', 'response', (stream) => stream.response?.status),
	...named(['req.proto_http', 'req_proto_http'], {
		...plain('', 'bool', 'request-bytes', isHttpRequest),
		compileSettled: () => (stream) => isHttpRequest(stream) !== undefined,
		needs: ['request-bytes', 'stream'],
	}),

	// Parameters
	...named(['urlp', 'url_param'], parameterRow('')),
	parameterRow('urlp_val', 'sint', readInt),

	// Header fields
	headerRow('hdr', 'either', true),
	headerRow('req.hdr', 'request', true),
	headerRow('req.fhdr', 'request', false),
	...named(['req.hdr_ip', 'hdr_ip'], headerRow('', 'request', true, 'addr', headerAddress)),
	...named(['req.hdr_val', 'hdr_val'], headerRow('', 'request', true, 'sint', readInt)),
	...named(['req.hdr_cnt', 'hdr_cnt'], headerCountRow('', 'request', true)),
	headerCountRow('req.fhdr_cnt', 'request', false),
	headerNamesRow('req.hdr_names', 'request'),
	plain('req.hdrs', 'str', 'request-head', (stream) => headerBlock(stream.request?.headers)),
	plain('req.hdrs_bin', 'bin', 'request-head', (stream) => binaryHeaders(stream.request?.headers)),
	plain('res.hdrs_bin', 'bin', 'response-head', (stream) => binaryHeaders(stream.response?.headers)),
	...named(['res.hdr', 'shdr'], headerRow('', 'response', true)),
	headerRow('res.fhdr', 'response', false),
	...named(['res.hdr_ip', 'shdr_ip'], headerRow('', 'response', true, 'addr', headerAddress)),
	...named(['res.hdr_val', 'shdr_val'], headerRow('', 'response', true, 'sint', readInt)),
	...named(['res.hdr_cnt', 'shdr_cnt'], headerCountRow('', 'response', true)),
	headerCountRow('res.fhdr_cnt', 'response', false),
	headerNamesRow('res.hdr_names', 'response'),
	plain('res.hdrs', 'str', 'response-head', (stream) => headerBlock(stream.response?.headers)),

	// Cookies
	cookieRow('cookie', 'either'),
	...named(['req.cook', 'cook'], cookieRow('', 'request')),
	...named(['req.cook_val', 'cook_val'], cookieRow('', 'request', 'sint', readInt)),
	...named(['req.cook_cnt', 'cook_cnt'], cookieCountRow('', 'request')),
	...named(['res.cook', 'scook', 'set-cookie'], cookieRow('', 'response')),
	...named(['res.cook_val', 'scook_val'], cookieRow('', 'response', 'sint', readInt)),
	...named(['res.cook_cnt', 'scook_cnt'], cookieCountRow('', 'response')),

	// Bodies
	plain('req.body', 'bin', 'request-body', requestBody),
	plain('req.body_len', 'sint', 'request-body', (stream) => requestBody(stream)?.length),
	plain('req.body_size', 'sint', 'request-body', (stream) => bodySize(stream.request?.headers, requestBody(stream))),
	{
		name: 'req.body_param',
		args: [optional('string')],
		type: 'str',
		needs: ['request-body'],
		compile: (args) => firstOf(bodyParameters(args)),
		compileEach: bodyParameters,
	},
	plain('res.body', 'bin', 'response-body', responseBody),
	plain('res.body_len', 'sint', 'response-body', (stream) => responseBody(stream)?.length),
	plain('res.body_size', 'sint', 'response-body', (stream) => bodySize(stream.response?.headers, responseBody(stream))),

	// Captures
	// What the client sent, whatever the rules made of it since.
	plain('capture.req.method', 'str', 'stream', (stream) => requestLineOf(stream)?.split(' ')[0]),
	plain('capture.req.uri', 'str', 'stream', (stream) => {
		const target = requestLineOf(stream)?.split(' ')[1];
		return target === undefined ? undefined : (pathAndQuery(target) ?? target);
	}),
	plain('capture.req.ver', 'str', 'stream', (stream) =>
		stream.request === undefined ? undefined : `HTTP/${saidVersionOf(stream.request)}`,
	),
	plain('capture.res.ver', 'str', 'stream', (stream) =>
		stream.response === undefined ? undefined : `HTTP/${versionText(stream.response.version)}`,
	),
	captureRow('capture.req.hdr', 'stream', (stream, slot) => stream.requestCaptures[slot]),
	captureRow('capture.res.hdr', 'response', (stream, slot) => stream.responseCaptures[slot]),

	// Credentials
	plain('http_auth_user', 'str', 'request-head', (stream) => credentials(stream)?.user),
	plain('http_auth_pass', 'str', 'request-head', (stream) => credentials(stream)?.password),
	plain('http_auth_type', 'str', 'request-head', (stream) => {
		const value = stream.request?.headers.get('authorization');
		const scheme = value === undefined ? undefined : authorization(value)?.scheme;
		if (scheme?.toLowerCase() === 'basic') return credentials(stream) === undefined ? undefined : 'Basic';
		return scheme?.toLowerCase() === 'bearer' ? 'Bearer' : scheme;
	}),
	{
		name: 'http_auth_bearer',
		args: [optional('string')],
		type: 'str',
		needs: ['request-head'],
		compile: compileBearer,
	},
];

function bodyParameters(args: readonly ArgumentValue[]): EvaluateEach {
	const wanted = textArgument(args[0]) || undefined;
	return (stream, visit) => {
		const body = requestBody(stream);
		if (body === undefined) return false;
		return eachParameter(body.toString('latin1'), wanted, -1, visit);
	};
}
