/**
 * One stream of HTTP/2: one request and its response. To the native engine, whose client connection it is, it looks
 * like a connection of HTTP/1.1 with a single request on it: the head comes as it is (request-head.ts), the body
 * with the framing of HTTP/1.1, the answer goes through response-writer.ts. Rules, servers, filters, replies,
 * tunnels and time are the native engine's, and so are the connections to servers: http-proxy, in the node engine,
 * would take several times as long over each request, and Node's http2 in front takes enough already.
 *
 * A stream ends in one way only that a connection does not: the session (`Session`) outlives it.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import { isToken } from '../../http/characters.js';
import type { RequestHead } from '../../http/message.js';
import { FORBIDDEN_TRAILERS } from '../../http/trailers.js';
import { Failure } from '../exchange.js';
import { ClientConnection } from '../native/client-connection.js';
import type { Session } from '../session.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import type { H2Request } from './request-head.js';
import { ResponseWriter } from './response-writer.js';

/** What a stream tells the connection it is on. */
export interface StreamOwner {
	streamEnded(stream: ClientStream): void;
	/** A rule wants the client gone, with a word (`reject`) or without (`silent-drop`). */
	dropClient(silent: boolean): void;
}

const CRLF = Buffer.from('\r\n', 'latin1');

export class ClientStream extends ClientConnection {
	readonly #owner: StreamOwner;
	readonly #writer: ResponseWriter;
	/** Undefined: a head that is too large to be one. */
	readonly #request: H2Request | undefined;
	/** The body comes in chunks, since nobody has said its length. */
	readonly #chunked: boolean;
	#isOpen = true;

	constructor(
		thread: ThreadRuntime,
		session: Session,
		owner: StreamOwner,
		h2: ServerHttp2Stream,
		request: H2Request | undefined,
	) {
		const writer = new ResponseWriter(h2, request?.method ?? 'GET', request?.isExtendedConnect === true);
		super(thread, session, writer);
		this.#owner = owner;
		this.#writer = writer;
		this.#request = request;
		this.#chunked = request?.head.framing.kind === 'chunked';
		writer.onRequestEnd((trailers) => this.#requestEnded(trailers));
	}

	begin(head: RequestHead, nowMs: number): void {
		this.requestBeganMs = nowMs;
		this.idleSinceMs = nowMs;
		this.guarded(() => this.beginRequest(head, nowMs));
	}

	/** The client wanted no answer any more. */
	get wasReset(): boolean {
		return this.#writer.wasReset;
	}

	/** A request that is none: answered with this status, or not at all. */
	refuse(status: number, nowMs: number): void {
		this.guarded(() => this.startWithoutHead(nowMs).refuse(status, Failure.CLIENT_MALFORMED, nowMs));
	}

	override dataReceived(bytes: Buffer): void {
		if (!this.#chunked || this.#writer.isTunnel) {
			super.dataReceived(bytes);
			return;
		}
		if (bytes.length === 0) return;
		const size = Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1');
		super.dataReceived(Buffer.concat([size, bytes, CRLF]));
	}

	/** END_STREAM. */
	#requestEnded(trailers: readonly string[]): void {
		if (this.closed) return;
		if (this.#request?.isExtendedConnect === true || this.#request?.method === 'CONNECT') this.socketEnded();
		else if (this.#chunked) {
			const lines = trailerLines(trailers);
			if (lines === undefined) this.#writer.resetAndDestroy();
			else super.dataReceived(Buffer.from(`0\r\n${lines}\r\n`, 'latin1'));
		}
	}

	/** Nothing of the client's needs to be waited for: the end of a stream is no reset of its bytes. */
	protected override closeGently(): void {
		super.closeGently();
		if (!this.closed) this.socket.once('finish', () => this.destroy());
	}

	/**
	 * A `reject` closes the client's connection, as in the reference, and not this stream alone. What is thrown away
	 * with it ends in its own way.
	 */
	override abort(silent: boolean): void {
		this.#writer.breakCode = constants.NGHTTP2_ENHANCE_YOUR_CALM;
		super.abort(silent);
		this.#owner.dropClient(silent);
	}

	protected override sessionEnded(): void {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		this.#owner.streamEnded(this);
	}
}

/** Undefined: one of them must not come after a body (RFC 9113, section 8.1). */
function trailerLines(fields: readonly string[]): string | undefined {
	let lines = '';
	for (let i = 0; i < fields.length; i += 2) {
		const name = fields[i] as string;
		if (!isToken(name) || /[A-Z]/.test(name) || FORBIDDEN_TRAILERS.has(name)) return undefined;
		lines += `${name}: ${fields[i + 1]}\r\n`;
	}
	return lines;
}
