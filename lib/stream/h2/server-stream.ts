/**
 * One request to a server over HTTP/2, in the shape in which native/ knows a server's socket: a request of HTTP/1.1
 * is written to it, head and framed body, and the response comes back in the same form. So clients of every
 * version, filters, retries and rules meet a server of HTTP/2 without knowing it.
 *
 *     waiting for a session --ready--> open --response complete--> done
 *                     \--ALPN chose HTTP/1.1--> plain: the bytes pass as they are
 *
 * The response says `connection: close`, for the stream is not to be used twice; the session is (server-sessions.ts).
 *
 * A request that the server has refused or not seen (REFUSED_STREAM, GOAWAY: RFC 9113, section 8.7) is sent again on
 * another session, once, whatever its method, as long as nothing of its body is gone.
 */
import { EventEmitter } from 'node:events';
import { type ClientHttp2Stream, constants } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Destination, Server } from '../../backend/server.js';
import { ChunkedDecoder } from '../../http/body-framing.js';
import { isFieldValue, isToken } from '../../http/characters.js';
import { websocketAccept } from '../../http/connection.js';
import { FORBIDDEN_TRAILERS } from '../../http/trailers.js';
import { pathStart } from '../../http/uri.js';
import { flatFields } from '../node/heads.js';
import type { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { addField, type H2Fields, trailerFields } from './fields.js';
import { CONNECTION_FIELDS } from './request-head.js';
import { type ServerSession, type ServerSessions, sessionsOf } from './server-sessions.js';
import { WriteLedger } from './write-ledger.js';

const Body = { HEAD: 0, NONE: 1, LENGTH: 2, CHUNKED: 3, TUNNEL: 4, DONE: 5 } as const;

/** What no parser takes for a response: the server's was none either. */
const MALFORMED = Buffer.from('malformed\r\n\r\n', 'latin1');
const CRLF = Buffer.from('\r\n', 'latin1');

type Written = () => void;

export class ServerStream extends EventEmitter {
	readonly #sessions: ServerSessions;
	readonly #request: Stream;
	readonly #destination: Destination;
	readonly #ledger = new WriteLedger();
	session: ServerSession | undefined;
	/** For native/: what comes from here was a response of HTTP/2. */
	readonly isHttp2 = true;
	/** The session had served before. */
	isReused = false;
	destroyed = false;
	localAddress: string | undefined;
	localPort: number | undefined;
	#h2: ClientHttp2Stream | undefined;
	#plain: TLSSocket | undefined;
	#text = '';
	#method = '';
	#fields: H2Fields | undefined;
	#websocketKey: string | undefined;
	#body: number = Body.HEAD;
	#remainingBytes = 0;
	#decoder: ChunkedDecoder | undefined;
	#bodySent = false;
	#responded = false;
	/** Body bytes of the response still due. */
	#remainingResponse = Number.POSITIVE_INFINITY;
	#chunked = false;
	#isTunnel = false;
	#done = false;
	#wasResent = false;
	#paused = false;
	#trailers: readonly string[] = [];

	constructor(thread: ThreadRuntime, server: Server, request: Stream, destination: Destination, mayReuse: boolean) {
		super();
		this.#sessions = sessionsOf(server, thread);
		this.#request = request;
		this.#destination = destination;
		this.#sessions.open(this, request, destination, mayReuse);
	}

	// ---- what the session tells -------------------------------------------------------------------------------

	sessionReady(isReused: boolean): void {
		if (this.destroyed) return;
		this.isReused = isReused;
		const { socket } = this.session ?? {};
		this.localAddress = socket?.localAddress;
		this.localPort = socket?.localPort;
		if (this.#wasResent) this.#send();
		else this.emit('secureConnect');
	}

	sessionFailed(error: Error | undefined): void {
		if (this.destroyed || this.#done) return;
		this.#done = true;
		if (error === undefined) this.emit('close');
		else this.emit('error', error);
	}

	/** ALPN has chosen HTTP/1.1, and the connection is another request's. */
	reopen(): void {
		this.session = undefined;
		if (!this.destroyed) this.#sessions.open(this, this.#request, this.#destination, false);
	}

	/** ALPN has chosen HTTP/1.1. */
	becomePlain(socket: TLSSocket): void {
		this.session = undefined;
		this.#plain = socket;
		this.localAddress = socket.localAddress;
		this.localPort = socket.localPort;
		socket.on('data', (bytes: Buffer) => this.emit('data', bytes));
		for (const event of ['end', 'close', 'finish', 'drain']) socket.on(event, () => this.emit(event));
		socket.on('error', (error) => this.destroyed || this.emit('error', error));
		if (this.destroyed) socket.destroy();
		else this.emit('secureConnect');
	}

	// ---- what native/ asks of a socket ------------------------------------------------------------------------

	get writableLength(): number {
		return this.#plain?.writableLength ?? this.#ledger.pendingBytes;
	}

	get connecting(): boolean {
		return false;
	}

	setNoDelay(): this {
		return this;
	}

	pause(): this {
		this.#paused = true;
		this.#plain?.pause();
		this.#h2?.pause();
		return this;
	}

	resume(): this {
		this.#paused = false;
		this.#plain?.resume();
		this.#h2?.resume();
		return this;
	}

	write(data: string | Buffer, encodingOrWritten?: 'latin1' | Written): boolean {
		const written = typeof encodingOrWritten === 'function' ? encodingOrWritten : undefined;
		const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
		if (this.#plain !== undefined) return this.#plain.write(bytes, written);
		if (!this.destroyed && bytes.length > 0) this.#take(bytes);
		if (written !== undefined) this.#ledger.whenWritten(written);
		return true;
	}

	end(): this {
		if (this.#plain !== undefined) this.#plain.end();
		else if (this.#isTunnel && this.#h2?.writableEnded === false) this.#h2.end();
		return this;
	}

	destroy(): this {
		if (this.destroyed) return this;
		this.destroyed = true;
		this.#ledger.clear();
		this.#plain?.destroy();
		const h2 = this.#h2;
		if (h2 !== undefined && !h2.destroyed && !h2.closed) {
			const isWhole = (this.#done || this.#remainingResponse === 0) && h2.writableEnded;
			if (isWhole) h2.resume();
			else cancel(h2);
		}
		this.#release();
		return this;
	}

	resetAndDestroy(): this {
		return this.destroy();
	}

	#release(): void {
		const { session } = this;
		this.session = undefined;
		if (session !== undefined) this.#sessions.release(session, this);
	}

	// ---- the request ------------------------------------------------------------------------------------------

	#take(bytes: Buffer): void {
		let at = 0;
		if (this.#body === Body.HEAD) {
			const before = this.#text.length;
			const text = this.#text + bytes.toString('latin1');
			const end = text.indexOf('\r\n\r\n', Math.max(0, before - 3));
			if (end < 0) {
				this.#text = text;
				return;
			}
			this.#text = '';
			at = end + 4 - before;
			this.#headWritten(text.slice(0, end + 4));
		}
		if (at < bytes.length) this.#writeBody(bytes, at);
	}

	/** A head of our own serializer. */
	#headWritten(text: string): void {
		const methodEnd = text.indexOf(' ');
		this.#method = text.slice(0, methodEnd);
		const target = text.slice(methodEnd + 1, text.indexOf(' ', methodEnd + 1));
		const path = Math.max(0, pathStart(target));
		const flat = flatFields(text);
		const fields = Object.create(null) as H2Fields;
		let host: string | undefined;
		let upgrade: string | undefined;
		this.#body = Body.NONE;
		const regular: string[] = [];
		for (let i = 0; i < flat.length; i += 2) {
			const name = flat[i] as string;
			const value = flat[i + 1] as string;
			if (name === 'host') host ??= value;
			else if (name === 'upgrade') upgrade = value;
			else if (name === 'transfer-encoding') this.#body = Body.CHUNKED;
			else if (name === 'sec-websocket-key') this.#websocketKey = value;
			else if (name !== 'te' || value === 'trailers') {
				if (CONNECTION_FIELDS.has(name)) continue;
				if (name === 'content-length') {
					this.#remainingBytes = Number(value);
					if (this.#remainingBytes > 0) this.#body = Body.LENGTH;
				}
				regular.push(name, value);
			}
		}
		const isConnect = this.#method === 'CONNECT';
		this.#isTunnel = isConnect || upgrade !== undefined;
		if (this.#isTunnel) this.#body = Body.TUNNEL;
		fields[':method'] = upgrade === undefined ? this.#method : 'CONNECT';
		if (upgrade !== undefined) fields[':protocol'] = upgrade.toLowerCase();
		if (!isConnect) fields[':scheme'] = this.#request.session.isTls ? 'https' : 'http';
		if (host !== undefined || isConnect) fields[':authority'] = isConnect ? target : host;
		if (!isConnect) fields[':path'] = target.slice(path);
		for (let i = 0; i < regular.length; i += 2) addField(fields, regular[i] as string, regular[i + 1] as string);
		if (this.#body === Body.CHUNKED) this.#decoder = new ChunkedDecoder();
		this.#fields = fields;
		this.#send();
	}

	#send(): void {
		const h2Session = this.session?.h2;
		const fields = this.#fields;
		if (fields === undefined || this.destroyed) return;
		if (h2Session === undefined || h2Session.destroyed || h2Session.closed) {
			this.#notSeen();
			return;
		}
		if (fields[':protocol'] !== undefined && this.session?.isTold === false) {
			h2Session.once('remoteSettings', () => setImmediate(() => this.#send()));
			return;
		}
		if (fields[':protocol'] !== undefined && h2Session.remoteSettings?.enableConnectProtocol !== true) {
			// It cannot be asked for a tunnel (RFC 8441, section 3).
			queueMicrotask(() => this.#fail());
			return;
		}
		const { session } = this;
		const h2 = h2Session.request(fields, {
			endStream: this.#body === Body.NONE,
			waitForTrailers: this.#body === Body.CHUNKED,
		});
		this.#h2 = h2;
		if (session !== undefined) {
			session.openCount++;
			h2.once('close', () => session.openCount--);
		}
		h2.on('error', () => undefined);
		h2.on('headers', (_parsed, _flags, raw?: unknown) => {
			if (this.#h2 === h2) this.#interim(raw as readonly string[]);
		});
		h2.on('response', (_parsed, flags, raw?: unknown) => {
			if (this.#h2 === h2) this.#response(flags, raw as readonly string[]);
		});
		h2.on('trailers', (_parsed, _flags, raw?: unknown) => {
			this.#trailers = (raw as readonly string[] | undefined) ?? [];
		});
		h2.on('wantTrailers', () => {
			const trailers = this.#decoder?.trailers;
			h2.sendTrailers(trailers === undefined ? {} : trailerFields(trailers));
		});
		h2.on('data', (bytes: Buffer) => {
			if (this.#h2 === h2) this.#bodyReceived(bytes);
		});
		h2.on('end', () => {
			if (this.#h2 === h2 && this.#responded) this.#responseEnded();
		});
		h2.on('close', () => {
			if (this.#h2 === h2) this.#streamClosed(h2.rstCode ?? 0);
		});
		if (this.#paused) h2.pause();
	}

	#writeBody(bytes: Buffer, from: number): void {
		switch (this.#body) {
			case Body.LENGTH: {
				const end = Math.min(bytes.length, from + this.#remainingBytes);
				this.#remainingBytes -= end - from;
				this.#sendBody(bytes, from, end);
				if (this.#remainingBytes === 0) this.#endRequest();
				return;
			}
			case Body.CHUNKED: {
				const decoder = this.#decoder as ChunkedDecoder;
				// What comes here has been through the client's decoder.
				if (decoder.push(bytes, from, bytes.length, this.#sendBody) < 0) this.#fail();
				else if (decoder.isDone) this.#endRequest();
				return;
			}
			case Body.TUNNEL:
				this.#sendBody(bytes, from, bytes.length);
				return;
			default:
		}
	}

	readonly #sendBody = (buffer: Buffer, start: number, end: number): void => {
		const h2 = this.#h2;
		if (end <= start || h2 === undefined || h2.destroyed || h2.writableEnded) return;
		this.#bodySent = true;
		h2.write(buffer.subarray(start, end), this.#ledger.given(end - start));
	};

	#endRequest(): void {
		this.#body = Body.DONE;
		const h2 = this.#h2;
		if (h2 !== undefined && !h2.destroyed && !h2.writableEnded) h2.end();
	}

	// ---- the response -----------------------------------------------------------------------------------------

	#interim(raw: readonly string[]): void {
		const text = headOf(raw, '');
		this.emit('data', text === undefined ? MALFORMED : Buffer.from(text, 'latin1'));
	}

	#response(flags: number, raw: readonly string[]): void {
		const isEmpty = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
		const status = Number(raw[raw.indexOf(':status') + 1]);
		this.#responded = true;
		if (this.#isTunnel && status >= 200 && status < 300) {
			const accept = this.#websocketKey === undefined ? '' : websocketAccept(this.#websocketKey);
			const websocket = accept === '' ? '' : `sec-websocket-accept: ${accept}\r\n`;
			const protocol = this.#fields?.[':protocol'];
			const head =
				protocol === undefined
					? headOf(raw, '')
					: headOf(raw, `connection: upgrade\r\nupgrade: ${String(protocol)}\r\n${websocket}`, 101);
			this.emit('data', head === undefined ? MALFORMED : Buffer.from(head, 'latin1'));
			return;
		}
		this.#isTunnel = false;
		const hasLength = raw.includes('content-length');
		const isBodiless = this.#method === 'HEAD' || status === 204 || status === 304;
		this.#chunked = !isEmpty && !hasLength && !isBodiless;
		if (isEmpty || isBodiless) this.#remainingResponse = 0;
		else if (hasLength) this.#remainingResponse = Number(raw[raw.indexOf('content-length') + 1]);
		const framing = this.#chunked
			? 'transfer-encoding: chunked\r\n'
			: isEmpty && !hasLength && !isBodiless
				? 'content-length: 0\r\n'
				: '';
		const head = headOf(raw, `${framing}connection: close\r\n`);
		this.emit('data', head === undefined ? MALFORMED : Buffer.from(head, 'latin1'));
	}

	#bodyReceived(bytes: Buffer): void {
		if (bytes.length === 0) return;
		this.#remainingResponse -= bytes.length;
		if (!this.#chunked) this.emit('data', bytes);
		else this.emit('data', Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1'), bytes, CRLF]));
	}

	#responseEnded(): void {
		if (this.#done) return;
		// A stream that is reset ends its readable half too: only the code tells.
		const code = this.#h2?.rstCode ?? 0;
		if (code !== constants.NGHTTP2_NO_ERROR || (this.#h2?.destroyed === true && this.#remainingResponse > 0)) return;
		this.#done = true;
		if (this.#chunked) {
			let lines = '';
			for (let i = 0; i < this.#trailers.length; i += 2) {
				const name = this.#trailers[i] as string;
				const value = this.#trailers[i + 1] as string;
				if (isToken(name) && isFieldValue(value) && !FORBIDDEN_TRAILERS.has(name)) lines += `${name}: ${value}\r\n`;
			}
			this.emit('data', Buffer.from(`0\r\n${lines}\r\n`, 'latin1'));
		}
		if (this.#isTunnel && !this.destroyed) this.emit('end');
	}

	#streamClosed(code: number): void {
		this.#ledger.clear();
		if (this.destroyed || this.#done) {
			this.#release();
			return;
		}
		const isUnseen = code === constants.NGHTTP2_REFUSED_STREAM || (this.session?.isLeaving === true && code !== 0);
		if (isUnseen && !this.#responded) {
			this.#notSeen();
			return;
		}
		this.#fail();
	}

	/** The server has not acted on the request, and never will. */
	#notSeen(): void {
		this.#release();
		this.#h2 = undefined;
		if (this.#wasResent || this.#bodySent || this.destroyed) {
			queueMicrotask(() => this.#fail());
			return;
		}
		this.#wasResent = true;
		this.#sessions.open(this, this.#request, this.#destination, false);
	}

	#fail(): void {
		if (this.destroyed || this.#done) return;
		this.#done = true;
		this.#release();
		this.emit('close');
	}
}

/** Not below a callback of the session's: Node only notes a CANCEL there, and may not come to send it. */
function cancel(h2: ClientHttp2Stream): void {
	h2.end = () => h2;
	setImmediate(() => {
		if (!h2.destroyed && !h2.closed) h2.close(constants.NGHTTP2_CANCEL);
	});
}

/** A head of HTTP/1.1, or undefined where the server's fields break RFC 9113, section 8.2. */
function headOf(raw: readonly string[], more: string, instead?: number): string | undefined {
	let lines = '';
	let status = '';
	for (let i = 0; i < raw.length; i += 2) {
		const name = raw[i] as string;
		const value = raw[i + 1] as string;
		if (name === ':status') status = value;
		else if (!isToken(name) || !isFieldValue(value) || CONNECTION_FIELDS.has(name)) return undefined;
		else lines += `${name}: ${value}\r\n`;
	}
	if (!/^[1-9]\d\d$/.test(status) || status === '101') return undefined;
	const code = instead ?? Number(status);
	// HTTP/2 has no reasons, and none is made up, as in the reference.
	return `HTTP/1.1 ${code} ${code === 101 ? 'Switching Protocols' : ''}\r\n${lines}${more}\r\n`;
}
