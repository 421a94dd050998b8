/**
 * A client's connection that speaks HTTP/2: bytes between the socket that the listener has accepted, and TLS perhaps
 * secured, and the codec in lib/http/h2, which knows the protocol. It makes a ClientStream of each request, keeps the
 * time while there is none, and says GOAWAY at a soft stop. PROXY protocol, early rules, limits and `conn_cur` have
 * had their turn before; the session ends when this connection has closed, so they last as long as it does.
 *
 *     open --idle too long, soft stop, enough requests--> leaving: no new streams --last stream ended--> ending
 *     any --client gone, its rules broken, flood, hard stop--> ending: GOAWAY is on its way --client's end--> closed
 */
import type { H2Tuning } from '../../config/model.js';
import { H2Connection, type H2Events } from '../../http/h2/connection.js';
import type { FieldList } from '../../http/h2/field-list.js';
import { FloodGuard } from '../../http/h2/flood-guard.js';
import { ErrorCode } from '../../http/h2/frames.js';
import { OUTPUT_BUFFERS } from '../../http/h2/output.js';
import type { H2Stream } from '../../http/h2/stream.js';
import { HttpRefusal } from '../../http/refusal.js';
import { Column } from '../../shared/counters.js';
import { tallyOf } from '../counting.js';
import type { MessageParties } from '../message-captures.js';
import type { Session } from '../session.js';
import type { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { countOnAll } from '../trackers.js';
import { ClientStream, type StreamOwner } from './client-stream.js';
import { Malformed, RequestHeads } from './request-head.js';
import { H2Session } from './session.js';

/** A connection that is leaving has this long to be told so twice (RFC 9113, section 6.8), or to close its own half. */
const LEAVE_MS = 1000;
/** Windows of streams that the window of the connection has room for. */
const UPLOADS_AT_ONCE = 10;
/** Pseudo fields come on top of what a head of HTTP/1 has. */
const PSEUDO_FIELDS = 8;
/** Frames that a client makes us say and does not read; beyond, it is gone. */
const UNREAD_BYTES_MAX = 4 << 20;

export class H2ClientSession extends H2Session<ClientStream> implements StreamOwner, H2Events<ClientStream> {
	readonly codec: H2Connection<ClientStream>;
	protected readonly unreadBytesMax = UNREAD_BYTES_MAX;
	readonly #session: Session;
	readonly #streams = new Set<ClientStream>();
	readonly #heads: RequestHeads;
	readonly #totalMax: number;
	#idleSinceMs: number;
	#leaving = false;
	/** The last word is said: only the client's own end is waited for. */
	#ending = false;
	#isOver = false;

	constructor(thread: ThreadRuntime, session: Session, handle: unknown, tuning: H2Tuning) {
		super(thread, handle);
		this.#session = session;
		this.#totalMax = tuning.feMaxTotalStreams;
		this.#idleSinceMs = thread.nowMs();
		this.socket.setNoDelay(true);
		const { headSizeMax, headerCountMax } = thread.headLimits;
		this.#heads = new RequestHeads(thread.headLimits);
		this.codec = new H2Connection<ClientStream>(
			{
				role: 'server',
				settings: {
					headerTableSize: tuning.headerTableSize,
					initialWindowSize: tuning.feInitialWindowSize,
					...(tuning.maxFrameSize === undefined ? undefined : { maxFrameSize: tuning.maxFrameSize }),
					maxConcurrentStreams:
						tuning.feMaxConcurrentStreams === 0 ? Number.POSITIVE_INFINITY : tuning.feMaxConcurrentStreams,
					maxHeaderListSize: headSizeMax + 32 * headerCountMax,
					enableConnectProtocol: tuning.feWebSocket,
				},
				connectionWindowBytes: tuning.feReceiveBufferBytes ?? tuning.feInitialWindowSize * UPLOADS_AT_ONCE,
				limits: { headSizeMax, headerCountMax: headerCountMax + PSEUDO_FIELDS },
				blockSizeMax: 4 * headSizeMax,
				buffers: OUTPUT_BUFFERS,
				tally: tallyOf(session.frontend.counters),
				guard: new FloodGuard(),
				glitchesMax: tuning.feGlitchesThreshold,
			},
			this,
		);
		this.codec.start();
		this.flushSoon();
		this.#waitIdle();
		this.takeUnread();
	}

	get openStreams(): number {
		return this.codec.streams.size;
	}

	get streamsLimit(): number {
		return Math.min(this.codec.settings.maxConcurrentStreams, 2 ** 31 - 1);
	}

	get glitches(): number {
		return this.codec.glitches;
	}

	/** One of the requests that are served now. */
	get stream(): Stream | undefined {
		for (const { stream } of this.#streams) if (stream !== undefined) return stream;
		return undefined;
	}

	get liveStreams(): Iterable<ClientStream> {
		return this.#streams;
	}

	// ---- bytes ------------------------------------------------------------------------------------------------

	protected override received(): void {
		const { chunk, chunkStart, chunkEnd } = this;
		this.chunkStart = chunkEnd;
		if (!this.#ending) this.codec.receive(chunk, chunkStart, chunkEnd, this.thread.currentMs);
		if (this.codec.output.length > 0) this.flushSoon();
	}

	/** Writes what there is. */
	outputFull(): void {
		this.writeOutput();
	}

	protected override unreadTooLong(): void {
		this.#vanish();
	}

	// ---- H2Events: requests -----------------------------------------------------------------------------------

	headReceived(h2: H2Stream<ClientStream>, fields: FieldList, ends: boolean): void {
		const nowMs = this.thread.currentMs;
		this.deadlineMs = 0;
		if (fields.isTooLarge) {
			this.#answer(h2, 431, nowMs);
			return;
		}
		const request = this.#heads.read(fields, !ends);
		if (request instanceof Malformed) {
			this.#refuse(h2, request, fields);
			return;
		}
		if (request instanceof HttpRefusal) {
			this.#answer(h2, request.status, nowMs);
			return;
		}
		const stream = new ClientStream(this.thread, this.#session, this, h2, request);
		h2.user = stream;
		this.#streams.add(stream);
		stream.begin(request.head, nowMs);
		if (this.#totalMax > 0 && this.#session.requestCount >= this.#totalMax) this.#leave();
	}

	/** A request that has no head we could serve. */
	#answer(h2: H2Stream<ClientStream>, status: number, nowMs: number): void {
		const stream = new ClientStream(this.thread, this.#session, this, h2, undefined);
		h2.user = stream;
		this.#streams.add(stream);
		stream.refuse(status, nowMs);
	}

	/** RFC 9113, section 8.1.1: no answer, and no request in anybody's count but the errors. */
	#refuse(h2: H2Stream<ClientStream>, malformed: Malformed, fields: FieldList): void {
		const { counters, name } = this.#session.frontend;
		const { reason } = malformed;
		this.#capture(malformed, fields);
		counters.slice[Column.ereq] = (counters.slice[Column.ereq] as number) + 1;
		this.thread.logger.debug({ reason }, `frontend ${name}: malformed request over HTTP/2`);
		this.codec.refuse(h2, ErrorCode.PROTOCOL_ERROR);
		if (this.#streams.size === 0) this.#waitIdle();
	}

	/** Notes it for `show errors`, as lines. */
	#capture({ reason, index }: Malformed, fields: FieldList): void {
		const session = this.#session;
		const { model } = session.frontend;
		let lines = '';
		let position = 0;
		for (let i = 0; i < fields.count; i++) {
			if (i === index) position = lines.length;
			lines += `${fields.names[i]}: ${fields.values[i]}\r\n`;
		}
		const parties: MessageParties = {
			direction: 'request',
			proxy: model.name,
			proxyId: model.id,
			other: undefined,
			otherId: -1,
			server: undefined,
			serverId: -1,
			source: session.source === undefined ? 'unix' : `${session.source}:${session.sourcePort}`,
		};
		this.thread.captures.add(parties, Buffer.from(lines, 'latin1'), { position, reason });
	}

	payloadReceived(h2: H2Stream<ClientStream>, bytes: Buffer, start: number, end: number): void {
		h2.user?.payloadReceived(bytes, start, end, bytes === this.buffers.scratch);
	}

	trailersReceived(h2: H2Stream<ClientStream>, fields: FieldList): void {
		const stream = h2.user;
		if (stream === undefined || stream.trailersReceived(fields)) return;
		this.codec.refuse(h2, ErrorCode.PROTOCOL_ERROR);
		stream.streamLost();
	}

	remoteEnded(h2: H2Stream<ClientStream>): void {
		h2.user?.requestEnded();
	}

	streamReset(h2: H2Stream<ClientStream>): void {
		h2.user?.streamLost();
	}

	streamClosed(): void {}

	dataTaken(h2: H2Stream<ClientStream>): void {
		h2.user?.payloadTaken();
	}

	settingsReceived(): void {}

	goawayReceived(): void {}

	pingAnswered(): void {
		if (this.#leaving) this.#leaveNow();
	}

	glitchSeen(): void {
		countOnAll(undefined, this.#session.trackers, 'glitch', 1, this.thread.currentMs);
	}

	connectionFailed(code: number, reason: string): void {
		const { name } = this.#session.frontend;
		this.thread.logger.debug({ code, reason }, `frontend ${name}: an HTTP/2 client broke the rules`);
		this.#closeSoon(code);
	}

	streamEnded(stream: ClientStream): void {
		this.#streams.delete(stream);
		if (this.#isOver || this.closed || this.#ending) return;
		const nowMs = this.thread.nowMs();
		if (this.thread.softStop.closesWithAnswer(nowMs)) this.#leave();
		if (this.#streams.size === 0) {
			this.#idleSinceMs = nowMs;
			if (this.codec.isLeaving && this.#saidLast) this.#end(ErrorCode.NO_ERROR);
			else this.#waitIdle();
		}
	}

	dropClient(silent: boolean): void {
		this.#closeSoon(silent ? undefined : ErrorCode.ENHANCE_YOUR_CALM);
	}

	// ---- time -------------------------------------------------------------------------------------------------

	/** Without a request: `timeout http-request` until the first, then `timeout http-keep-alive`. */
	#waitIdle(): void {
		if (this.#ending || this.closed) return;
		const {
			clientMs = 0,
			httpRequestMs = clientMs,
			httpKeepAliveMs = httpRequestMs,
		} = this.#session.frontend.model.timeouts;
		const timeoutMs = this.#session.requestCount > 0 ? httpKeepAliveMs : httpRequestMs;
		const leavingMs = this.#leaving ? LEAVE_MS : Number.POSITIVE_INFINITY;
		const delayMs = timeoutMs > 0 ? Math.min(timeoutMs, leavingMs) : leavingMs;
		this.thread.wheel.set(this, Number.isFinite(delayMs) ? this.thread.nowMs() + delayMs : 0);
	}

	override deadlinePassed(): void {
		if (this.closed) return;
		if (this.#ending) this.#vanish();
		else if (this.#streams.size === 0) this.guarded(() => this.#end(ErrorCode.NO_ERROR));
	}

	// ---- the end ----------------------------------------------------------------------------------------------

	/** Soft stop. What is under way is finished; the client opens its next connection elsewhere. */
	closeIdle(restingSinceMs: number): void {
		if (this.#streams.size > 0 || this.#idleSinceMs <= restingSinceMs) this.#leave();
	}

	/** GOAWAY with the last stream that is served is out. */
	#saidLast = false;

	/**
	 * Two GOAWAYs: requests that cross the first one on their way are still served, and the second one, a round trip
	 * later, says which was the last.
	 */
	#leave(): void {
		if (this.#leaving || this.#ending || this.closed) return;
		this.#leaving = true;
		this.codec.announceLeave();
		this.codec.ping();
		this.flushSoon();
		if (this.#streams.size === 0) this.#waitIdle();
	}

	#leaveNow(): void {
		if (this.#saidLast || this.#ending) return;
		this.#saidLast = true;
		this.codec.leave();
		this.flushSoon();
		if (this.#streams.size === 0) this.#end(ErrorCode.NO_ERROR);
	}

	/** Not below a stream's own callbacks: all of them end. With a code: told by GOAWAY; without: not a word more. */
	#closeSoon(code: number | undefined): void {
		if (this.closed || this.#ending) return;
		setImmediate(() => {
			if (this.closed || this.#ending) return;
			if (code === undefined) this.#vanish();
			else this.#end(code);
		});
	}

	/** The last word, then the end of our half; the client's own is waited for, or its bytes would reset ours. */
	#end(code: number): void {
		if (this.#ending || this.closed) return;
		this.#ending = true;
		const { codec } = this;
		codec.leave(code);
		this.#killStreams();
		this.flushOutput();
		codec.giveUp();
		if (this.closed) return;
		this.socket.end();
		this.thread.wheel.set(this, this.thread.nowMs() + LEAVE_MS);
	}

	#vanish(): void {
		this.codec.giveUp();
		this.#killStreams();
		this.destroy();
	}

	#killStreams(): void {
		for (const stream of [...this.#streams]) stream.kill();
	}

	/** Hard stop, `shutdown session`. */
	kill(): void {
		if (this.closed) return;
		this.guarded(() => this.#end(ErrorCode.NO_ERROR));
		if (!this.closed) this.destroy();
	}

	/** A client that has closed its half asks for nothing more and reads nothing more (as in the reference). */
	protected override endReceived(): void {
		this.#vanish();
	}

	protected override lost(): void {
		this.codec.giveUp();
		this.#killStreams();
	}

	protected override crashed(error: unknown): void {
		this.thread.logger.error({ err: error }, 'an HTTP/2 connection failed inside the proxy');
		this.codec.giveUp();
		this.#killStreams();
		this.destroy();
	}

	protected override released(): void {
		this.#isOver = true;
		this.thread.wheel.remove(this);
		this.#killStreams();
		this.codec.tallyEnd();
		// After its streams, which end in microtasks of their own.
		setImmediate(() => this.#session.end(this.thread.nowMs()));
	}
}
