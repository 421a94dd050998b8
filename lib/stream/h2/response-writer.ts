/**
 * A stream of HTTP/2 towards a client, in the shape in which native/ knows a client's socket: what is written to it
 * are messages of HTTP/1.1, heads and framed bodies, and they go out as HEADERS and DATA. So all that the native
 * engine does with an answer (rules, filters, the proxy's own replies and error files, interim responses, tunnels)
 * holds for HTTP/2 without a second copy of it, as HAProxy 1.8 began too. What it costs is one more reading of a
 * head that we have written ourselves, a tenth of what Node's http2 takes for the same response.
 *
 *     HEAD --interim--> HEAD    HEAD --final--> LENGTH | CHUNKED | UNTIL_END | TUNNEL --> DONE
 *
 * Writing is counted in bytes until Node has handed them to the session, which does so as the client's windows
 * allow: a client that reads nothing leaves at most what the engine lets wait (WRITE_LIMIT_BYTES) per stream.
 */
import { EventEmitter } from 'node:events';
import { constants, type ServerHttp2Stream, type ServerStreamResponseOptions } from 'node:http2';
import { ChunkedDecoder } from '../../http/body-framing.js';
import { type HeadLimits, parseResponseHead } from '../../http/head-parser.js';
import type { HeaderList, ResponseHead } from '../../http/message.js';
import { isRefusal } from '../../http/refusal.js';
import { type H2Fields, responseFields, trailerFields } from './fields.js';
import { WriteLedger } from './write-ledger.js';

const State = { HEAD: 0, LENGTH: 1, CHUNKED: 2, UNTIL_END: 3, TUNNEL: 4, DONE: 5, CLOSED: 6 } as const;

/** Our own heads are longer than what clients may send: rules add to them. */
const OWN_HEAD_LIMITS: HeadLimits = { headSizeMax: 1 << 24, headerCountMax: 1 << 16 };

type Written = () => void;

export class ResponseWriter extends EventEmitter {
	readonly #h2: ServerHttp2Stream;
	readonly #method: string;
	readonly #isExtendedConnect: boolean;
	readonly #ledger = new WriteLedger();
	#state: number = State.HEAD;
	#text = '';
	#remainingBytes = 0;
	#decoder: ChunkedDecoder | undefined;
	#trailers: HeaderList | undefined;
	destroyed = false;
	/** The stream ended before the answer did, and not by us. */
	wasReset = false;
	/** What the client is told when the answer breaks off. */
	breakCode: number = constants.NGHTTP2_INTERNAL_ERROR;

	constructor(h2: ServerHttp2Stream, method: string, isExtendedConnect: boolean) {
		super();
		this.#h2 = h2;
		this.#method = method;
		this.#isExtendedConnect = isExtendedConnect;
		h2.on('data', (bytes: Buffer) => this.emit('data', bytes));
		h2.on('error', () => undefined);
		h2.on('close', () => this.#streamClosed());
	}

	/** Told when the client says that it sends no more; with its trailer fields as they came. */
	onRequestEnd(listener: (trailers: readonly string[]) => void): void {
		let trailers: readonly string[] = [];
		this.#h2.on('trailers', (_parsed: unknown, _flags: number, raw?: readonly string[]) => {
			trailers = raw ?? [];
		});
		this.#h2.on('end', () => listener(trailers));
	}

	/** The answer is complete, or the stream is gone. */
	get isDone(): boolean {
		return this.#state >= State.DONE;
	}

	get isTunnel(): boolean {
		return this.#state === State.TUNNEL;
	}

	#streamClosed(): void {
		const { rstCode } = this.#h2;
		const isOut =
			this.#state >= State.DONE && (this.#ledger.pendingBytes === 0 || rstCode === constants.NGHTTP2_NO_ERROR);
		this.#state = State.CLOSED;
		if (isOut && !this.destroyed) this.#ledger.settle();
		else this.#ledger.clear();
		if (this.destroyed || isOut) return;
		this.wasReset = true;
		this.emit('close');
	}

	// ---- what native/ asks of a socket ------------------------------------------------------------------------

	get writableLength(): number {
		return this.#ledger.pendingBytes;
	}

	get localAddress(): undefined {
		return undefined;
	}

	get localPort(): undefined {
		return undefined;
	}

	setNoDelay(): this {
		return this;
	}

	pause(): this {
		this.#h2.pause();
		return this;
	}

	resume(): this {
		this.#h2.resume();
		return this;
	}

	/** A byte string with its encoding, or a buffer, which is the caller's again when `written` is called. */
	write(data: string | Buffer, encodingOrWritten?: 'latin1' | Written): boolean {
		const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
		if (this.#state < State.DONE && bytes.length > 0) this.#take(bytes);
		if (typeof encodingOrWritten === 'function') this.#ledger.whenWritten(encodingOrWritten);
		return true;
	}

	/** No more comes: the end of the message, if its framing agrees. */
	end(): this {
		if (this.#state === State.UNTIL_END || this.#state === State.TUNNEL) this.#finish(undefined);
		else if (this.#state < State.DONE) this.#break(this.breakCode);
		const h2 = this.#h2;
		if (h2.writableFinished || h2.destroyed || h2.closed) queueMicrotask(() => this.emit('finish'));
		else {
			// Whichever comes first; who listens does so once.
			h2.once('finish', () => this.emit('finish'));
			h2.once('close', () => this.emit('finish'));
		}
		return this;
	}

	destroy(): this {
		if (this.destroyed) return this;
		this.destroyed = true;
		const isOut =
			this.#ledger.pendingBytes === 0 &&
			(this.#state === State.DONE || (this.#state === State.TUNNEL && this.#h2.writableEnded));
		this.#ledger.clear();
		if (isOut) this.#leave();
		else if (this.#state !== State.CLOSED) this.#break(this.breakCode);
		return this;
	}

	/** The nearest that a stream has to a reset of its connection. */
	resetAndDestroy(): this {
		if (this.#state !== State.CLOSED) this.#break(constants.NGHTTP2_CANCEL);
		return this.destroy();
	}

	/** The answer goes out by itself; what the client still sends is of no use (RFC 9113, section 8.1). */
	#leave(): void {
		const h2 = this.#h2;
		h2.removeAllListeners('data');
		if (h2.destroyed || h2.closed) return;
		h2.resume();
		if (!h2.readableEnded) h2.close(constants.NGHTTP2_NO_ERROR);
	}

	/**
	 * Node's `close` ends the writable half first, and sends that END_STREAM before the reset: a body of unknown length
	 * that was cut would look whole. So there is no `end` to be called any more.
	 */
	#break(code: number): void {
		this.#state = State.CLOSED;
		const h2 = this.#h2;
		if (h2.destroyed || h2.closed) return;
		h2.end = () => h2;
		h2.close(code);
	}

	// ---- messages ---------------------------------------------------------------------------------------------

	#take(bytes: Buffer): void {
		let at = 0;
		while (at < bytes.length && this.#state === State.HEAD) at = this.#readHead(bytes, at);
		if (at < bytes.length) this.#writeBody(bytes, at);
	}

	/** Adds to the head; returns where in `bytes` it ends. */
	#readHead(bytes: Buffer, from: number): number {
		const before = this.#text.length;
		const text = this.#text + bytes.toString('latin1', from);
		const end = text.indexOf('\r\n\r\n', Math.max(0, before - 3));
		if (end < 0) {
			this.#text = text;
			return bytes.length;
		}
		this.#text = '';
		const head = parseResponseHead(text.slice(0, end + 4), OWN_HEAD_LIMITS, this.#method);
		if (isRefusal(head)) {
			// An error file of the operator's that is no response.
			this.#break(constants.NGHTTP2_INTERNAL_ERROR);
			return bytes.length;
		}
		this.#sendHead(head);
		return from + end + 4 - before;
	}

	#sendHead(head: ResponseHead): void {
		const h2 = this.#h2;
		if (h2.destroyed || h2.closed || h2.headersSent) {
			if (h2.destroyed || h2.closed) this.#state = State.CLOSED;
			return;
		}
		const { status, framing } = head;
		const isTunnel = status === 101 || (this.#method === 'CONNECT' && status >= 200 && status < 300);
		if (status === 101 && !this.#isExtendedConnect) {
			this.#break(constants.NGHTTP2_INTERNAL_ERROR);
			return;
		}
		const fields = responseFields(head, isTunnel);
		if (status < 200 && status !== 101) {
			h2.additionalHeaders(fields);
			return;
		}
		if (isTunnel) {
			h2.respond(fields, NO_DATE);
			this.#state = State.TUNNEL;
			this.emit('tunnel');
			return;
		}
		const isEmpty =
			framing.kind === 'none' || this.#method === 'HEAD' || (framing.kind === 'length' && framing.length === 0);
		if (isEmpty) {
			h2.respond(fields, EMPTY);
			this.#done();
			return;
		}
		if (framing.kind === 'length') {
			this.#remainingBytes = framing.length;
			this.#state = State.LENGTH;
			h2.respond(fields, NO_DATE);
		} else if (framing.kind === 'chunked') {
			this.#decoder = new ChunkedDecoder();
			this.#state = State.CHUNKED;
			h2.respond(fields, WITH_TRAILERS);
			h2.on('wantTrailers', () => h2.sendTrailers(this.#trailersToSend()));
		} else {
			this.#state = State.UNTIL_END;
			h2.respond(fields, NO_DATE);
		}
	}

	#trailersToSend(): H2Fields {
		return this.#trailers === undefined ? {} : trailerFields(this.#trailers);
	}

	#writeBody(bytes: Buffer, from: number): void {
		switch (this.#state) {
			case State.LENGTH: {
				const end = Math.min(bytes.length, from + this.#remainingBytes);
				this.#remainingBytes -= end - from;
				if (this.#remainingBytes === 0) this.#finish(bytes.subarray(from, end));
				else this.#send(bytes.subarray(from, end));
				return;
			}
			case State.CHUNKED: {
				const decoder = this.#decoder as ChunkedDecoder;
				if (decoder.push(bytes, from, bytes.length, this.#onPayload) < 0) this.#break(constants.NGHTTP2_INTERNAL_ERROR);
				else if (decoder.isDone) {
					this.#trailers = decoder.trailers;
					this.#finish(undefined);
				}
				return;
			}
			case State.UNTIL_END:
			case State.TUNNEL:
				this.#send(from === 0 ? bytes : bytes.subarray(from));
				return;
			default:
		}
	}

	readonly #onPayload = (buffer: Buffer, start: number, end: number): void => {
		if (end > start) this.#send(buffer.subarray(start, end));
	};

	#send(bytes: Buffer): void {
		if (this.#h2.destroyed || this.#h2.writableEnded) return;
		this.#h2.write(bytes, this.#ledger.given(bytes.length));
	}

	#finish(last: Buffer | undefined): void {
		const h2 = this.#h2;
		const isTunnel = this.#state === State.TUNNEL;
		if (!h2.destroyed && !h2.writableEnded) {
			if (last === undefined || last.length === 0) h2.end();
			else {
				// Without a callback: a stream that closes first would make an error, with its stack, for each.
				this.#ledger.given(last.length);
				h2.once('finish', this.#onFinish);
				h2.end(last);
			}
		}
		// The client may still send in a tunnel whose other half has ended.
		if (!isTunnel) this.#done();
	}

	readonly #onFinish = (): void => {
		if (!this.destroyed) this.#ledger.settle();
	};

	#done(): void {
		this.#state = State.DONE;
		this.#decoder = undefined;
	}
}

/** Node would add a `date` of its own; its types do not know the option, its compatibility layer uses it. */
const NO_DATE = { sendDate: false } as ServerStreamResponseOptions;
const EMPTY = { sendDate: false, endStream: true } as ServerStreamResponseOptions;
const WITH_TRAILERS = { sendDate: false, waitForTrailers: true } as ServerStreamResponseOptions;
