/**
 * The head of an HTTP/2 request as our own: what RFC 9113, section 8, asks of one is checked on the fields as they
 * came, then it is put down as the lines of an HTTP/1.1 head and read by the same parser. So a request that is refused
 * in one version is refused in the other, for the same reason, and nothing that an HTTP/1 server could misread ever
 * gets to one.
 *
 * As HAProxy, the target becomes the whole URI (`https://host/path`), which is what logs and `url` show; servers of
 * HTTP/1 are given its path. Cookies are joined into one field (section 8.2.3), at the end.
 */
import { randomBytes } from 'node:crypto';
import { CHAR_CLASSES, CharClass, isFieldValue, isToken } from '../../http/characters.js';
import type { FieldList } from '../../http/h2/field-list.js';
import { type HeadLimits, parseRequestHead } from '../../http/head-parser.js';
import { ConnectionOption, RequestHead } from '../../http/message.js';
import { HttpRefusal } from '../../http/refusal.js';

/** Fields of one connection, which have no place in HTTP/2 (section 8.2.2). */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
	'connection',
	'proxy-connection',
	'keep-alive',
	'transfer-encoding',
	'upgrade',
]);

/** The request is malformed: its stream ends with PROTOCOL_ERROR. The text is for the log. */
export class Malformed {
	readonly reason: string;
	/** The field that is wrong; -1: none of them by itself. */
	readonly index: number;

	constructor(reason: string, index = -1) {
		this.reason = reason;
		this.index = index;
	}
}

export interface H2Request {
	readonly head: RequestHead;
	/** The method that responses answer: `CONNECT` is told apart from a WebSocket that is opened by it. */
	readonly method: string;
	/** CONNECT with `:protocol` (RFC 8441), passed on as an HTTP/1.1 upgrade. */
	readonly isExtendedConnect: boolean;
}

/** Pseudo fields of one request; undefined: absent. */
interface Pseudo {
	':method'?: string;
	':scheme'?: string;
	':path'?: string;
	':authority'?: string;
	':protocol'?: string;
}

const PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':path', ':authority', ':protocol']);

/** The fields of the last request of a connection, and what became of them. */
interface Known {
	readonly names: readonly string[];
	readonly values: readonly string[];
	readonly hasBody: boolean;
	readonly head: RequestHead;
	/** Scheme and authority, which the path follows in the target. */
	readonly origin: string;
}

/** A path that needs no look but this. */
const PLAIN_PATH = /^\/[\x21\x22\x24-\x7e]*$/;
/** Longer ones are measured with the rest of the head. */
const PLAIN_PATH_MAX = 1024;

/**
 * The requests of one connection. A client sends the same fields with most of them, and only the path is another: such
 * a request is the former one with that path. The decoder gives the same strings for the same fields, so that to
 * compare them is to compare addresses.
 */
export class RequestHeads {
	readonly #limits: HeadLimits;
	#known: Known | undefined;

	constructor(limits: HeadLimits) {
		this.#limits = limits;
	}

	/** `hasBody`: the stream goes on after the head. */
	read(fields: FieldList, hasBody: boolean): H2Request | Malformed | HttpRefusal {
		const known = this.#known;
		if (known !== undefined && known.hasBody === hasBody && known.names.length === fields.count) {
			const again = repeated(known, fields);
			if (again !== undefined) return again;
		}
		const names = fields.names.slice(0, fields.count);
		const values = fields.values.slice(0, fields.count);
		const request = requestOf(names, values, hasBody, this.#limits);
		this.#known = undefined;
		if ('head' in request && !request.isExtendedConnect && request.method !== 'CONNECT') {
			const { head } = request;
			const path = values[names.indexOf(':path')] as string;
			if (head.headers.section !== undefined && path.charCodeAt(0) === SLASH) {
				const origin = head.target.slice(0, head.target.length - path.length);
				// The one that is served may be changed by rules: this one is not.
				this.#known = { names, values, hasBody, head: copyOf(head, head.target), origin };
			}
		}
		return request;
	}
}

const SLASH = 47;

function copyOf(head: RequestHead, target: string): RequestHead {
	return new RequestHead(head.method, target, 20, head.headers.clone(), head.framing, head.connection);
}

/** Undefined: something else than the path is new. */
function repeated(known: Known, fields: FieldList): H2Request | undefined {
	const { names, values } = known;
	let path: string | undefined;
	for (let i = 0; i < names.length; i++) {
		const name = names[i] as string;
		if (fields.names[i] !== name) return undefined;
		const value = fields.values[i] as string;
		if (value === values[i]) continue;
		if (name !== ':path' || value.length > PLAIN_PATH_MAX || !PLAIN_PATH.test(value)) return undefined;
		path = value;
	}
	const { head } = known;
	const target = path === undefined ? head.target : known.origin + path;
	return { head: copyOf(head, target), method: head.method, isExtendedConnect: false };
}

/** The fields as they came. `hasBody`: the stream goes on after the head. */
export function requestOf(
	names: readonly string[],
	values: readonly string[],
	hasBody: boolean,
	limits: HeadLimits,
): H2Request | Malformed | HttpRefusal {
	const pseudo: Pseudo = {};
	let lines = '';
	let cookies = '';
	let host: string | undefined;
	let hasLength = false;
	let seenRegular = false;
	for (let i = 0; i < names.length; i++) {
		const name = names[i] as string;
		const value = values[i] as string;
		if (!isCleanValue(value)) return new Malformed(`value of '${safeName(name)}'`, i);
		if (name.charCodeAt(0) === 58) {
			if (!PSEUDO.has(name)) return new Malformed('unknown pseudo field', i);
			if (seenRegular) return new Malformed('pseudo field after a field', i);
			if (pseudo[name as keyof Pseudo] !== undefined) return new Malformed(`more than one ${name}`, i);
			pseudo[name as keyof Pseudo] = value;
			continue;
		}
		seenRegular = true;
		if (!isLowerToken(name)) return new Malformed('field name', i);
		if (CONNECTION_FIELDS.has(name)) return new Malformed(`connection-specific field '${name}'`, i);
		switch (name) {
			case 'te':
				if (value !== 'trailers') return new Malformed(`'te' that is not 'trailers'`, i);
				lines += 'te: trailers\r\n';
				break;
			case 'host':
				if (host !== undefined) return new Malformed(`more than one 'host'`, i);
				host = value;
				break;
			case 'cookie':
				cookies = cookies === '' ? value : `${cookies}; ${value}`;
				break;
			case 'content-length':
				if (hasLength) return new Malformed(`more than one 'content-length'`, i);
				if (!hasBody && !/^0+$/.test(value)) return new Malformed(`'content-length' and no body`, i);
				hasLength = true;
				lines += `content-length: ${value}\r\n`;
				break;
			default:
				lines += `${name}: ${value}\r\n`;
		}
	}
	const start = startOf(pseudo, host);
	if (start instanceof Malformed) return start;
	const { method, target, authority, upgrade } = start;
	if (upgrade !== '' && hasLength) return new Malformed(`'content-length' of a tunnel`);
	const cookieLine = cookies === '' ? '' : `cookie: ${cookies}\r\n`;
	const isTunnel = upgrade !== '' || method === 'CONNECT';
	const coding = hasBody && !hasLength && !isTunnel ? 'transfer-encoding: chunked\r\n' : '';
	// Who names no authority says so with an empty Host in HTTP/1.1 (RFC 9112, section 3.2).
	const hostLine = `host: ${authority}\r\n`;
	const text = `${method} ${target} HTTP/1.1\r\n${hostLine}${lines}${cookieLine}${coding}${upgrade}\r\n`;
	const head = parseRequestHead(text, limits);
	if (head instanceof HttpRefusal) return head.status === 400 ? new Malformed(head.reason) : head;
	if (coding !== '') head.headers.remove('transfer-encoding');
	if (upgrade !== '' && (head.connection & ConnectionOption.UPGRADE) === 0) return new Malformed(`':protocol'`);
	head.version = 20;
	// A stream carries one request.
	head.connection |= ConnectionOption.CLOSE;
	if (method !== 'CONNECT' && authority !== '') {
		// `*` is a URI without a path.
		head.target = `${(pseudo[':scheme'] as string).toLowerCase()}://${authority}${target === '*' ? '' : target}`;
	}
	return { head, method: pseudo[':method'] as string, isExtendedConnect: upgrade !== '' };
}

interface Start {
	readonly method: string;
	readonly target: string;
	/** Empty: none is named. */
	readonly authority: string;
	/** Lines that ask a server of HTTP/1.1 for the protocol of an extended CONNECT. */
	readonly upgrade: string;
}

/** Sections 8.3.1 and 8.5, RFC 8441 section 4. */
function startOf(pseudo: Pseudo, host: string | undefined): Start | Malformed {
	const { ':method': method, ':scheme': scheme, ':path': path, ':protocol': protocol } = pseudo;
	if (method === undefined || !isToken(method)) return new Malformed(`':method'`);
	const named = pseudo[':authority'];
	if (named === '') return new Malformed(`empty ':authority'`);
	if (named !== undefined && host !== undefined && named.toLowerCase() !== host.toLowerCase()) {
		return new Malformed(`':authority' and 'host' name different authorities`);
	}
	const authority = named ?? host ?? '';
	if (method === 'CONNECT' && protocol === undefined) {
		if (scheme !== undefined || path !== undefined) return new Malformed('CONNECT with a path');
		if (named === undefined) return new Malformed('CONNECT without an authority');
		return { method, target: named, authority, upgrade: '' };
	}
	if (scheme === undefined || !/^[A-Za-z][A-Za-z0-9+.-]*$/.test(scheme)) return new Malformed(`':scheme'`);
	if (path === undefined || path === '') return new Malformed(`':path'`);
	if (path.charCodeAt(0) !== 47 && !(path === '*' && method === 'OPTIONS')) return new Malformed(`':path'`);
	if (protocol === undefined) return { method, target: path, authority, upgrade: '' };
	if (method !== 'CONNECT' || named === undefined || !isToken(protocol)) return new Malformed(`':protocol'`);
	const key = protocol === 'websocket' ? `sec-websocket-key: ${randomBytes(16).toString('base64')}\r\n` : '';
	const upgrade = `connection: Upgrade\r\nupgrade: ${protocol}\r\n${key}`;
	return { method: 'GET', target: path, authority, upgrade };
}

/** Section 8.2.1: no control bytes, no white space around it. */
function isCleanValue(value: string): boolean {
	if (value === '') return true;
	const first = value.charCodeAt(0);
	const last = value.charCodeAt(value.length - 1);
	if (first === 32 || first === 9 || last === 32 || last === 9) return false;
	return isFieldValue(value);
}

function isLowerToken(name: string): boolean {
	for (let i = 0; i < name.length; i++) {
		const code = name.charCodeAt(i);
		if (code > 127 || (code >= 65 && code <= 90) || (CHAR_CLASSES[code]! & CharClass.TOKEN) === 0) return false;
	}
	return name !== '';
}

function safeName(name: string): string {
	return isToken(name) ? name : 'a field';
}
