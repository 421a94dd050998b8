/**
 * Cookie persistence (manual, 4.2 `cookie`): reading the server from the request's cookies, and telling it
 * to the client in the response, in the modes rewrite, insert and prefix and without a mode (look only).
 *
 * Works on header lists, in place; no socket and no stream. What the request said is kept in a
 * `RequestCookie`, which the response side and the log's termination flags (8.5) need. Every walk over a
 * header goes forward only and ends at its last byte, whatever a client or server sends.
 *
 * Dates (`maxidle`, `maxlife`) stand in the value behind bars, `server|last seen|first seen`, each the
 * seconds since 1970 divided by four, as five digits of base64. What a value without, or with strange
 * dates does was looked up with the binary; see the test.
 */
import type { CookieModel } from '../config/model.js';
import { IpAddress } from '../core/address.js';
import { bytesOf } from '../core/bytes.js';
import type { HeaderList, RequestHead, ResponseHead } from '../http/message.js';
import { xxh64 } from '../sample/converters/xxhash.js';
import type { Server } from './server.js';

/** Third character of the termination state: what the request's cookie was (manual, 8.5). */
export type RequestCookieFlag = '-' | 'N' | 'I' | 'D' | 'V' | 'E' | 'O' | 'U';
/** Fourth character: what was done to the response's cookie. */
export type ResponseCookieFlag = '-' | 'N' | 'I' | 'U' | 'P' | 'R' | 'D';

export interface RequestCookie {
	readonly flag: RequestCookieFlag;
	/** The server that the client is bound to, if it may be used. */
	readonly server: Server | undefined;
	/** First-seen date of the client's cookie, in its own unit; 0 for none. */
	readonly firstSeen: number;
	/** Dates have to be written again although the server stays the same. */
	readonly needsRefresh: boolean;
	/** `ignore-persist` applies: nothing is inserted either. */
	readonly isIgnored: boolean;
}

const PREFIX_DELIMITER = '~';
const DATE_DELIMITER = '|';
const DATE_DIGITS = 5;
const SECONDS_PER_UNIT = 4;
/** Dates further ahead than this are no accident of clocks. */
const MAX_FUTURE_SECONDS = 86_400;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Statuses that a cache may keep by itself (RFC 9110, section 15.1). */
const CACHEABLE_STATUSES = new Set([200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501]);

export interface PersistenceOptions {
	readonly model: CookieModel;
	readonly servers: readonly Server[];
	/** `dynamic-cookie-key`. */
	readonly dynamicKey?: string | undefined;
	/** `option persist`: a server that is down still keeps its clients. */
	readonly usesDeadServers: boolean;
}

export class CookiePersistence {
	readonly model: CookieModel;
	readonly #byCookie = new Map<string, Server>();
	readonly #servers: readonly Server[];
	/** By position of the server. */
	#cookies: (string | undefined)[] = [];
	readonly #dynamicKey: string | undefined;
	readonly #usesDeadServers: boolean;
	/** Everything behind the value of an inserted cookie. */
	readonly #attributes: string;

	constructor(options: PersistenceOptions) {
		const { model } = options;
		this.model = model;
		this.#usesDeadServers = options.usesDeadServers;
		this.#servers = options.servers;
		this.#dynamicKey = model.dynamic ? options.dynamicKey : undefined;
		this.addressesChanged();
		this.#attributes = [
			'; path=/',
			...model.domains.map((domain) => `; domain=${domain}`),
			model.httponly ? '; HttpOnly' : '',
			model.secure ? '; Secure' : '',
			...model.attributes.map((attribute) => `; ${attribute}`),
		].join('');
	}

	/** The address of a server is not what it was: its dynamic cookie is another one now. */
	addressesChanged(): void {
		const key = this.#dynamicKey;
		this.#cookies = [];
		this.#byCookie.clear();
		for (const server of this.#servers) {
			const cookie = server.cookie ?? (key === undefined ? undefined : dynamicCookie(key, server.address, server.port));
			this.#cookies[server.index] = cookie;
			// The first of two servers with one cookie has its clients.
			if (cookie !== undefined && !this.#byCookie.has(cookie)) this.#byCookie.set(cookie, server);
		}
	}

	/** The value that binds clients to this server, dates left out. */
	cookieOf(server: Server): string | undefined {
		return this.#cookies[server.index];
	}

	/**
	 * Finds the server in the cookies of the request, and takes out of them what is not the server's
	 * business: the cookie itself with `insert indirect`, the prefix with `prefix`. Once per request.
	 *
	 * `force`: a `force-persist` rule applies. `use`: whether the cookie chooses the server (`yes`), a `use-server`
	 * rule has done so (`no`), or an `ignore-persist` rule applies (`ignore`).
	 */
	readRequest(head: RequestHead, wallMs: number, force = false, use: 'yes' | 'no' | 'ignore' = 'yes'): RequestCookie {
		const { headers } = head;
		const found: MutableRequestCookie = {
			flag: this.model.mode === 'none' ? '-' : 'N',
			server: undefined,
			firstSeen: 0,
			needsRefresh: false,
			isIgnored: use === 'ignore',
			isUnused: use !== 'yes',
		};
		const removes = this.model.mode === 'insert' && this.model.indirect;
		for (let at = headers.indexOf('cookie'); at >= 0; at = headers.indexOf('cookie', at + 1)) {
			const value = headers.values[at] ?? '';
			if (!value.includes(this.model.name)) continue;
			const changed = this.#readHeader(value, found, removes, wallMs, force);
			if (changed === value) continue;
			if (changed !== '') headers.replaceAt(at, changed);
			else headers.removeAt(at--);
		}
		return found;
	}

	/** Looks at one Cookie field; the text to forward. */
	#readHeader(text: string, found: MutableRequestCookie, removes: boolean, wallMs: number, force: boolean): string {
		const { mode, name } = this.model;
		let kept = '';
		let keptFrom = 0;
		let afterOurs = false;
		let changed = false;
		for (let start = 0; start <= text.length; ) {
			const end = endOfCookie(text, start);
			const pair = readPair(text, start, end);
			const ours =
				pair !== undefined && pair.nameEnd - pair.nameStart === name.length && text.startsWith(name, pair.nameStart);
			// Attributes of a cookie (`$Path`, RFC 2965) go with it.
			const attribute: boolean = afterOurs && text[skipSpace(text, start, end)] === '$';
			if (ours) {
				const value = text.slice(pair.valueStart, pair.valueEnd);
				const delimiter = mode === 'prefix' ? value.indexOf(PREFIX_DELIMITER) : -1;
				this.#judge(delimiter < 0 ? value : value.slice(0, delimiter), found, wallMs, force);
				if (delimiter >= 0) {
					kept += text.slice(keptFrom, pair.valueStart);
					keptFrom = pair.valueStart + delimiter + 1;
					changed = true;
				}
			}
			if (removes && (ours || attribute)) {
				kept += text.slice(keptFrom, start);
				keptFrom = Math.min(end + 1, text.length);
				changed = true;
			}
			afterOurs = ours || attribute;
			start = end + 1;
		}
		if (!changed) return text;
		kept += text.slice(keptFrom);
		return removes ? tidy(kept) : kept;
	}

	/** Takes the value of one cookie into account; the first valid one decides. */
	#judge(value: string, found: MutableRequestCookie, wallMs: number, force: boolean): void {
		if (found.server !== undefined) return;
		if (found.isUnused) {
			if (this.model.mode !== 'none') found.flag = 'U';
			return;
		}
		const bar = this.model.mode === 'insert' ? value.indexOf(DATE_DELIMITER) : -1;
		found.firstSeen = 0;
		found.needsRefresh = false;
		if (this.model.mode === 'insert' && !this.#judgeDates(bar < 0 ? '' : value.slice(bar + 1), found, wallMs)) return;
		const server = this.#byCookie.get(bar < 0 ? value : value.slice(0, bar));
		const visible = this.model.mode !== 'none';
		if (server === undefined) {
			if (visible) found.flag = 'I';
			return;
		}
		// A server that is down and used all the same is logged as down (as observed).
		const isRunning = server.isRunning();
		if (visible) found.flag = isRunning ? 'V' : 'D';
		if (isRunning || this.#usesDeadServers || force) found.server ??= server;
	}

	/** False if the cookie is too old, or from a future that cannot be. */
	#judgeDates(text: string, found: MutableRequestCookie, wallMs: number): boolean {
		const { maxidleMs, maxlifeMs } = this.model;
		if (maxidleMs === undefined && maxlifeMs === undefined) {
			// Dates that nothing asks for any more: the client gets a cookie without them.
			found.needsRefresh = text !== '';
			return true;
		}
		const nowSeconds = Math.floor(wallMs / 1000);
		const bar = text.indexOf(DATE_DELIMITER);
		const lastSeen = readDate(bar < 0 ? text : text.slice(0, bar));
		const firstSeen = bar < 0 ? 0 : readDate(text.slice(bar + 1));
		if (maxlifeMs !== undefined && firstSeen !== 0 && !isWithin(firstSeen, nowSeconds, maxlifeMs)) {
			found.flag = 'O';
			return false;
		}
		if (maxidleMs !== undefined && lastSeen !== 0 && !isWithin(lastSeen, nowSeconds, maxidleMs)) {
			found.flag = 'E';
			return false;
		}
		found.firstSeen = maxlifeMs === undefined ? 0 : firstSeen;
		found.needsRefresh =
			(maxidleMs !== undefined && lastSeen === 0) ||
			(maxlifeMs === undefined) === (firstSeen !== 0) ||
			(lastSeen !== 0 && lastSeen < Math.floor(nowSeconds / SECONDS_PER_UNIT));
		return true;
	}

	/**
	 * Rewrites, removes, or inserts the cookie in a response of `server`. `request` is what `readRequest`
	 * gave, `method` the request's.
	 */
	writeResponse(
		head: ResponseHead,
		server: Server,
		request: RequestCookie,
		method: string,
		wallMs: number,
	): ResponseCookieFlag {
		const { model } = this;
		if (model.mode === 'none') return '-';
		if (request.isIgnored && model.mode === 'insert') return 'N';
		let flag = this.#rewriteResponse(head.headers, server, request.server === server);
		if (model.mode !== 'insert' || flag === 'P') return flag;
		const known = request.server === server;
		if (known && !request.needsRefresh) return flag;
		if (model.postonly && method !== 'POST') return flag;
		head.headers.add('set-cookie', this.#cookieFor(server, known ? request.firstSeen : 0, wallMs));
		flag = known ? 'U' : 'I';
		if (model.nocache && isCacheable(head, method)) head.headers.add('cache-control', 'private');
		return flag;
	}

	#cookieFor(server: Server, firstSeen: number, wallMs: number): string {
		const { name, maxidleMs, maxlifeMs } = this.model;
		// No server to come back to: whatever cookie the client may have is to be forgotten.
		const cookie = this.cookieOf(server);
		if (cookie === undefined) return `${name}=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/`;
		const now = Math.floor(wallMs / 1000 / SECONDS_PER_UNIT);
		let value = cookie;
		if (maxidleMs !== undefined || maxlifeMs !== undefined) value += DATE_DELIMITER + writeDate(now);
		if (maxlifeMs !== undefined) value += DATE_DELIMITER + writeDate(firstSeen === 0 ? now : firstSeen);
		return `${name}=${value}${this.#attributes}`;
	}

	/** What the server itself has set under our name. With `indirect` a client that is bound to it hears nothing. */
	#rewriteResponse(headers: HeaderList, server: Server, isBound: boolean): ResponseCookieFlag {
		const { mode, name, preserve, indirect } = this.model;
		const cookie = this.cookieOf(server);
		let flag: ResponseCookieFlag = 'N';
		for (let at = 0; at < headers.length; at++) {
			const field = headers.names[at];
			if (field !== 'set-cookie' && field !== 'set-cookie2') continue;
			const text = headers.values[at] ?? '';
			if (!text.includes(name)) continue;
			const pair = readPair(text, 0, endOfAttribute(text));
			if (pair === undefined || text.slice(pair.nameStart, pair.nameEnd) !== name) continue;
			if (preserve) {
				flag = 'P';
			} else if (mode === 'insert' || (indirect && isBound)) {
				headers.removeAt(at--);
				flag = 'D';
			} else if (cookie !== undefined) {
				const rest = mode === 'prefix' ? PREFIX_DELIMITER + text.slice(pair.valueStart) : text.slice(pair.valueEnd);
				headers.replaceAt(at, `${name}=${cookie}${rest}`);
				flag = 'R';
			}
		}
		return flag;
	}
}

interface MutableRequestCookie {
	flag: RequestCookieFlag;
	server: Server | undefined;
	firstSeen: number;
	needsRefresh: boolean;
	readonly isIgnored: boolean;
	readonly isUnused: boolean;
}

/**
 * `cookie ... dynamic`: 64 bits of XXH64 over the key, the address and the port (32 bits), in network order, as
 * HAProxy makes them, so that both find each other's clients. Only servers with an IP address have one.
 */
export function dynamicCookie(key: string, address: string, port: number): string | undefined {
	const bytes = IpAddress.parse(address)?.toBytes();
	if (bytes === undefined) return undefined;
	const portBytes = Buffer.alloc(4);
	portBytes.writeUInt32BE(port);
	return xxh64(Buffer.concat([bytesOf(key), bytes, portBytes]), 0n)
		.toString(16)
		.padStart(16, '0');
}

interface Pair {
	readonly nameStart: number;
	readonly nameEnd: number;
	readonly valueStart: number;
	readonly valueEnd: number;
}

/** `name = value` between two positions, white space around each left out; undefined without a `=`. */
function readPair(text: string, start: number, end: number): Pair | undefined {
	const equals = text.indexOf('=', start);
	if (equals < 0 || equals >= end) return undefined;
	const nameStart = skipSpace(text, start, equals);
	const valueStart = skipSpace(text, equals + 1, end);
	return {
		nameStart,
		nameEnd: trimEnd(text, nameStart, equals),
		valueStart,
		valueEnd: trimEnd(text, valueStart, end),
	};
}

function isSpace(text: string, at: number): boolean {
	const code = text.charCodeAt(at);
	return code === 32 || code === 9;
}

function skipSpace(text: string, from: number, end: number): number {
	let at = from;
	while (at < end && isSpace(text, at)) at++;
	return at;
}

function trimEnd(text: string, start: number, from: number): number {
	let at = from;
	while (at > start && isSpace(text, at - 1)) at--;
	return at;
}

/** The next `;` or `,` outside of quotes, or the end of the text. */
function endOfCookie(text: string, from: number): number {
	let quoted = false;
	for (let at = from; at < text.length; at++) {
		const code = text.charCodeAt(at);
		if (code === 34) quoted = !quoted;
		else if (code === 92 && quoted) at++;
		else if (!quoted && (code === 59 || code === 44)) return at;
	}
	return text.length;
}

/** End of the first attribute of a Set-Cookie: only `;` separates, as dates have commas. */
function endOfAttribute(text: string): number {
	const end = text.indexOf(';');
	return end < 0 ? text.length : end;
}

/** What is left when cookies were taken out: no separator at the ends, one space behind each. */
function tidy(text: string): string {
	let tidied = '';
	for (let start = 0; start <= text.length; ) {
		const semicolon = text.indexOf(';', start);
		const end = semicolon < 0 ? text.length : semicolon;
		let part = text.slice(start, end).trim();
		if (part.startsWith(',') || part.endsWith(',')) part = part.replace(/^,+|,+$/g, '');
		if (part !== '') tidied = tidied === '' ? part : `${tidied}; ${part}`;
		start = end + 1;
	}
	return tidied;
}

/** Five digits of base64, in units of four seconds; 0 when it is not that. */
function readDate(text: string): number {
	if (text.length < DATE_DIGITS) return 0;
	let value = 0;
	for (let i = 0; i < DATE_DIGITS; i++) {
		const digit = DIGITS.indexOf(text[i] as string);
		if (digit < 0) return 0;
		value = value * 64 + digit;
	}
	return value;
}

function writeDate(units: number): string {
	let text = '';
	for (let i = 0, value = units; i < DATE_DIGITS; i++, value = Math.floor(value / 64)) {
		text = (DIGITS[value % 64] ?? '') + text;
	}
	return text;
}

function isWithin(units: number, nowSeconds: number, maxMs: number): boolean {
	const age = nowSeconds - units * SECONDS_PER_UNIT;
	return age <= maxMs / 1000 && age >= -MAX_FUTURE_SECONDS;
}

/** A shared cache might keep this response with our cookie in it (RFC 9111, section 3). */
/** Whether a cache might keep the response, as `nocache` and `option checkcache` ask (manual, 4.2). */
export function isCacheable(head: ResponseHead, method: string): boolean {
	if ((method !== 'GET' && method !== 'HEAD') || !CACHEABLE_STATUSES.has(head.status)) return false;
	const { headers } = head;
	let hasLifeOrValidator = headers.has('expires') || headers.has('etag') || headers.has('last-modified');
	for (let at = 0; at < headers.length; at++) {
		const name = headers.names[at];
		const value = headers.values[at] ?? '';
		if (name === 'pragma' && /^no-cache$/i.test(value)) return false;
		if (name !== 'cache-control') continue;
		if (/(^|[\s,])(private|no-store|no-cache)($|[\s,=])/i.test(value)) return false;
		if (/(^|[\s,])(s-maxage|max-age)=0*[1-9]/i.test(value)) hasLifeOrValidator = true;
	}
	return hasLifeOrValidator;
}
