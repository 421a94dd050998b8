/**
 * The HTTP/2 side of one connection of a check (manual, 5.2 `check-proto`, `check-alpn`; 4.2 `http-check connect`): the
 * codec of lib/http/h2 in the client's role, one request at a time, the response as the steps of a check see one.
 *
 * Frames that are not about the request (settings, pings, windows) are answered and make no step wait or run. A
 * response that breaks the rules, of the connection or of its own stream, is malformed as it would be with HTTP/1.
 */
import { H2Connection, type H2Events } from '../../http/h2/connection.js';
import type { FieldList } from '../../http/h2/field-list.js';
import { ErrorCode } from '../../http/h2/frames.js';
import { OUTPUT_BUFFERS } from '../../http/h2/output.js';
import type { H2Stream } from '../../http/h2/stream.js';
import { DEFAULT_HEAD_LIMITS, parseResponseHead } from '../../http/head-parser.js';
import { HttpRefusal } from '../../http/refusal.js';
import type { CheckRequest, Received } from './steps.js';

const LIMITS = DEFAULT_HEAD_LIMITS;

/** Windows: more than a check looks at. */
const WINDOW_BYTES = 65535;

/** Of one hop of HTTP/1 (RFC 9113, section 8.2.2), or written another way. */
const LEFT_OUT = new Set([
	'host',
	'connection',
	'proxy-connection',
	'keep-alive',
	'upgrade',
	'transfer-encoding',
	'http2-settings',
	'te',
]);

export interface H2DialogueOptions {
	readonly isTls: boolean;
	/** Bytes of a body that are looked at. */
	readonly bodyBytesMax: number;
	/** Called with what is to be sent, valid during the call. */
	readonly write: (bytes: Buffer) => void;
}

export class H2Dialogue implements H2Events<undefined> {
	readonly #codec: H2Connection<undefined>;
	readonly #options: H2DialogueOptions;
	#method = '';
	#stream: H2Stream<undefined> | undefined;
	/** In the form of HTTP/1, without what frames its body. */
	#head = '';
	#body = '';
	#ended = false;
	#isMalformed = false;
	/** The server does not speak HTTP/2. */
	isBroken = false;
	/** A frame about the response has come since it was looked at. */
	#hasNews = false;

	constructor(options: H2DialogueOptions) {
		this.#options = options;
		const { headSizeMax } = LIMITS;
		this.#codec = new H2Connection<undefined>(
			{
				role: 'client',
				settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
				connectionWindowBytes: WINDOW_BYTES,
				limits: LIMITS,
				blockSizeMax: 4 * headSizeMax,
				buffers: OUTPUT_BUFFERS,
			},
			this,
		);
		this.#codec.start();
	}

	/** False: the server takes no more requests on this connection. */
	send(request: CheckRequest): boolean {
		const { method, uri, headers, body } = request;
		this.#method = method;
		this.#head = '';
		this.#body = '';
		this.#ended = false;
		this.#isMalformed = false;
		const codec = this.#codec;
		const stream = codec.openStream(undefined);
		this.#stream = stream;
		if (stream === undefined) return false;
		const { encoder } = codec;
		encoder.begin();
		encoder.field(':method', method);
		encoder.field(':scheme', this.#options.isTls ? 'https' : 'http');
		const host = headers.find(([name]) => name === 'host');
		if (host !== undefined) encoder.field(':authority', host[1]);
		encoder.field(':path', uri);
		for (const [name, value] of headers) if (!LEFT_OUT.has(name)) encoder.field(name, value.trim());
		if (body !== undefined) encoder.field('content-length', String(body.length));
		codec.sendHead(stream, body === undefined || body === '');
		if (body !== undefined && body !== '') {
			codec.sendText(stream, body);
			codec.endStream(stream);
		}
		this.#flush();
		return true;
	}

	/** True: there is more of the response, or it is over. */
	receive(chunk: Buffer, nowMs: number): boolean {
		this.#hasNews = false;
		this.#codec.receive(chunk, 0, chunk.length, nowMs);
		this.#flush();
		return this.#hasNews;
	}

	/** The connection is over: what has come is all. */
	closed(): void {
		this.#ended = true;
	}

	/** Nothing of a response, and no more to come. */
	get isEmpty(): boolean {
		return this.#ended && this.#head === '' && !this.#isMalformed;
	}

	/** Says goodbye. */
	leave(): void {
		this.#codec.leave(ErrorCode.NO_ERROR);
		this.#flush();
	}

	/** What a step sees. */
	response(): Received | 'wait' | 'malformed' {
		if (this.#isMalformed) return 'malformed';
		if (this.#head === '') return 'wait';
		const head = parseResponseHead(this.#head, LIMITS, this.#method);
		if (head instanceof HttpRefusal) return 'malformed';
		return { text: this.#head + this.#body, ended: this.#ended, head, body: this.#body };
	}

	#flush(): void {
		const { output } = this.#codec;
		for (;;) {
			output.pump();
			const { length } = output;
			if (length === 0) return;
			const buffer = output.take();
			this.#options.write(Buffer.from(buffer.subarray(0, length)));
			OUTPUT_BUFFERS.give(buffer);
		}
	}

	// ---- H2Events ---------------------------------------------------------------------------------------------

	headReceived(stream: H2Stream<undefined>, fields: FieldList, ends: boolean): void {
		if (stream !== this.#stream) return;
		const status = fields.get(':status') ?? '';
		// An interim response; 101 is none of HTTP/2's (section 8.6).
		if (/^1\d\d$/.test(status) && status !== '101' && !ends) return;
		this.#hasNews = true;
		if (fields.isTooLarge || !/^[2-9]\d\d$/.test(status)) {
			this.#fail();
			return;
		}
		let head = `HTTP/1.1 ${status} \r\n`;
		for (let i = 0; i < fields.count; i++) {
			const name = fields.names[i] as string;
			if (name.startsWith(':')) {
				if (name !== ':status' || i > 0) this.#fail();
			} else if (name === 'content-length') {
				// Kept by the codec, which holds the server to it.
				const length = Number(fields.values[i]);
				if (!Number.isSafeInteger(length) || length < 0) this.#fail();
				else if (this.#method !== 'HEAD' && status !== '304' && status !== '204') stream.expectedBytes = length;
			} else if (LEFT_OUT.has(name) && name !== 'host') this.#fail();
			else head += `${name}: ${fields.values[i]}\r\n`;
		}
		this.#head = `${head}\r\n`;
		this.#ended = ends;
	}

	payloadReceived(stream: H2Stream<undefined>, bytes: Buffer, start: number, end: number): void {
		this.#codec.consumed(stream, end - start);
		if (stream !== this.#stream) return;
		this.#hasNews = true;
		const room = this.#options.bodyBytesMax - this.#body.length;
		this.#body += bytes.toString('latin1', start, Math.min(end, start + Math.max(0, room)));
		// One that fills the buffer is judged by what fits.
		if (end - start >= room) this.#ended = true;
	}

	trailersReceived(): void {}

	remoteEnded(stream: H2Stream<undefined>): void {
		if (stream !== this.#stream) return;
		this.#hasNews = true;
		this.#ended = true;
	}

	streamReset(stream: H2Stream<undefined>): void {
		if (stream === this.#stream) this.#fail();
	}

	streamClosed(): void {}
	dataTaken(): void {}
	settingsReceived(): void {}
	pingAnswered(): void {}

	goawayReceived(lastStreamId: number): void {
		if (this.#stream !== undefined && this.#stream.id > lastStreamId) this.#fail();
	}

	connectionFailed(): void {
		this.isBroken = true;
		this.#fail();
	}

	#fail(): void {
		this.#hasNews = true;
		this.#isMalformed = true;
		this.#ended = true;
	}
}
