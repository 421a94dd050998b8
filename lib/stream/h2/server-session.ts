/**
 * One connection of HTTP/2 to a server: bytes between its socket and the codec in lib/http/h2, and who is on it. Who
 * may be on it, and how long it rests, is server-sessions.ts's.
 *
 *     connecting --TCP, TLS and ALPN--> open --GOAWAY, its rules broken, not needed--> leaving --last stream--> closed
 *                         \--ALPN chose HTTP/1.1: the socket goes to a ServerConnection of native/
 *
 * One write says what the streams of many clients have to say, and what one read brings is passed on to all of them:
 * that, and heads of a few bytes, is what HTTP/2 saves.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Destination, Server } from '../../backend/server.js';
import { H2Connection, type H2Events } from '../../http/h2/connection.js';
import type { FieldList } from '../../http/h2/field-list.js';
import { ErrorCode } from '../../http/h2/frames.js';
import { OUTPUT_BUFFERS } from '../../http/h2/output.js';
import type { H2Stream } from '../../http/h2/stream.js';
import type { MultiplexView } from '../../sample/types.js';
import { countHandshake, countHandshakeFailure, type ServerSideCounters, tallyOf } from '../counting.js';
import type { Session } from '../session.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { ResponseHeads } from './server-heads.js';
import type { ServerStream } from './server-stream.js';
import { H2Session } from './session.js';

/** `:status`, and room for what no server sends. */
const PSEUDO_FIELDS = 4;
/** A connection that is closed has this long to take the last word. */
const LEAVE_MS = 1000;
/** Streams at once until the server has said what it allows (RFC 9113, section 6.5.2 asks for 100 at least). */
const STREAMS_UNTIL_TOLD = 100;
/** Where nobody has set a limit. */
const MOST_STREAMS = 2 ** 31 - 1;
/** Answers that a server makes us give and does not read; beyond, it is gone. */
const UNREAD_BYTES_MAX = 1 << 20;
/** Windows of streams that the window of the connection has room for. */
const DOWNLOADS_AT_ONCE = 100;

/** What a connection tells those who keep it. */
export interface SessionKeeper {
	readonly server: Server;
	/** It can be used; or ALPN has chosen HTTP/1.1, and `secure` is free for it. */
	sessionReady(session: H2ServerSession, secure: Socket | undefined): void;
	/** It is gone, or will take no more streams: those on it that the server has not seen are told. */
	sessionLost(session: H2ServerSession, error: Error | undefined): void;
}

export class H2ServerSession extends H2Session<ServerStream> implements H2Events<ServerStream>, MultiplexView {
	readonly codec: H2Connection<ServerStream>;
	protected readonly unreadBytesMax = UNREAD_BYTES_MAX;
	readonly destination: Destination;
	readonly #keeper: SessionKeeper;
	/** The client that it is kept for. */
	owner: Session | undefined;
	/** Those that use it or wait for it. */
	readonly streams = new Set<ServerStream>();
	/** Requests beyond the first. */
	reuseCount = 0;
	/** It has carried a request to its end. */
	isProven = false;
	isReady = false;
	isLeaving = false;
	isIdle = false;
	/** When anything came last. */
	receivedAtMs = 0;
	idleSinceMs = 0;
	readonly responseHeads = new ResponseHeads();
	readonly #header: Buffer | undefined;
	readonly #isForced: boolean;
	readonly #counters: ServerSideCounters | undefined;
	/** The last word is said. */
	#ending = false;

	/** `prepared`: connects already, with TLS or by way of a SOCKS proxy. `header`: to begin with otherwise. `isForced`: ALPN is not asked. `counters`: of the server and its backend. */
	constructor(
		thread: ThreadRuntime,
		keeper: SessionKeeper,
		destination: Destination,
		owner: Session,
		prepared: Socket | undefined,
		header: Buffer | undefined,
		isForced: boolean,
		counters: ServerSideCounters | undefined,
	) {
		super(thread, prepared);
		this.#keeper = keeper;
		this.destination = destination;
		this.owner = owner;
		this.#header = header;
		this.#isForced = isForced;
		this.#counters = counters;
		const { headSizeMax, headerCountMax } = thread.headLimits;
		const { beInitialWindowSize, headerTableSize, maxFrameSize, beMaxConcurrentStreams } = thread.h2;
		const most = Math.min(DOWNLOADS_AT_ONCE, beMaxConcurrentStreams || DOWNLOADS_AT_ONCE);
		this.codec = new H2Connection<ServerStream>(
			{
				role: 'client',
				settings: {
					enablePush: false,
					headerTableSize,
					initialWindowSize: beInitialWindowSize,
					...(maxFrameSize === undefined ? undefined : { maxFrameSize }),
				},
				// One slow client must not use up the window of all: each stream has its own.
				connectionWindowBytes: thread.h2.beReceiveBufferBytes ?? Math.min(beInitialWindowSize * (most + 1), 2 ** 30),
				limits: { headSizeMax, headerCountMax: headerCountMax + PSEUDO_FIELDS },
				blockSizeMax: 4 * headSizeMax,
				buffers: OUTPUT_BUFFERS,
				tally: counters === undefined ? undefined : tallyOf(counters.backend),
				glitchesMax: thread.h2.beGlitchesThreshold,
			},
			this,
		);
	}

	/** Begins to connect, unless it does so already. */
	connect(): void {
		const { socket } = this;
		if (this.isEncrypted) {
			// OpenSSL is still at work below this event.
			socket.once('secureConnect', () => setImmediate(() => this.closed || this.guarded(this.#connected)));
			return;
		}
		socket.once('connect', () => this.closed || this.guarded(this.#connected));
		const { destination } = this;
		if (destination.kind === 'unix') {
			socket.connect({ path: destination.abstract ? `\0${destination.path}` : destination.path });
			return;
		}
		const { source } = this.#keeper.server.model;
		socket.connect({
			host: destination.host,
			port: destination.port,
			noDelay: true,
			...(source?.kind === 'ip' ? { localAddress: source.address } : undefined),
			...(source?.kind === 'ip' && source.port > 0 ? { localPort: source.port } : undefined),
		});
	}

	/** Its TLS socket, if it has one. */
	get secureSocket(): TLSSocket | undefined {
		return this.socket instanceof TLSSocket ? this.socket : undefined;
	}

	#connected(): void {
		this.thread.nowMs();
		const secure = this.secureSocket;
		if (secure !== undefined && !this.#isForced && secure.alpnProtocol !== 'h2') {
			this.#keeper.sessionReady(this, this.takeSocket(0));
			return;
		}
		if (secure !== undefined) countHandshake(this.#counters, secure.isSessionReused());
		if (this.#header !== undefined) this.writeBuffer(this.#header, undefined);
		this.isReady = true;
		this.codec.start();
		this.flushSoon();
		this.#keeper.sessionReady(this, undefined);
	}

	// ---- MultiplexView ----------------------------------------------------------------------------------------

	get openStreams(): number {
		return this.codec.openOwnStreams;
	}

	get streamsLimit(): number {
		const { codec } = this;
		const own = this.thread.h2.beMaxConcurrentStreams || MOST_STREAMS;
		return Math.min(own, codec.hasPeerSettings ? codec.peer.maxConcurrentStreams : STREAMS_UNTIL_TOLD);
	}

	get glitches(): number {
		return this.codec.glitches;
	}

	/** Streams that the server has open; some may outlive their requests. */
	get openCount(): number {
		return Math.max(this.streams.size, this.codec.openOwnStreams);
	}

	// ---- bytes ------------------------------------------------------------------------------------------------

	protected override received(): void {
		const { chunk, chunkStart, chunkEnd } = this;
		this.chunkStart = chunkEnd;
		this.receivedAtMs = this.thread.currentMs;
		this.codec.receive(chunk, chunkStart, chunkEnd, this.thread.currentMs);
		if (this.codec.output.length > 0) this.flushSoon();
	}

	protected override flushOutput(): void {
		if (!this.isReady) return;
		super.flushOutput();
		if (this.#ending && !this.closed && this.unwrittenBytes === 0) this.destroy();
	}

	protected override unreadTooLong(): void {
		this.destroy();
		this.#keeper.sessionLost(this, undefined);
	}

	// ---- H2Events: responses ----------------------------------------------------------------------------------

	headReceived(h2: H2Stream<ServerStream>, fields: FieldList, ends: boolean): void {
		h2.user?.headReceived(fields, ends);
	}

	payloadReceived(h2: H2Stream<ServerStream>, bytes: Buffer, start: number, end: number): void {
		const { user } = h2;
		// Left by its request, and only waited for.
		if (user === undefined) this.codec.consumed(h2, end - start);
		else user.payloadReceived(bytes, start, end, bytes === this.buffers.scratch);
	}

	trailersReceived(h2: H2Stream<ServerStream>, fields: FieldList): void {
		h2.user?.trailersReceived(fields);
	}

	remoteEnded(h2: H2Stream<ServerStream>): void {
		h2.user?.remoteEnded();
	}

	streamReset(h2: H2Stream<ServerStream>, code: number, byPeer: boolean): void {
		h2.user?.streamReset(code, byPeer);
	}

	streamClosed(): void {}

	dataTaken(h2: H2Stream<ServerStream>): void {
		h2.user?.payloadTaken();
	}

	settingsReceived(): void {
		for (const stream of this.streams) stream.settingsReceived();
	}

	pingAnswered(): void {}

	goawayReceived(lastStreamId: number): void {
		this.isLeaving = true;
		for (const stream of [...this.streams]) stream.lastSeen(lastStreamId);
	}

	connectionFailed(code: number, reason: string): void {
		const { name } = this.#keeper.server;
		this.thread.logger.debug({ code, reason }, `server ${name}: broke the rules of HTTP/2`);
		this.isLeaving = true;
		// Not below `receive`, and after its GOAWAY.
		setImmediate(() => {
			if (this.closed) return;
			this.close();
			this.#keeper.sessionLost(this, undefined);
		});
	}

	// ---- the end ----------------------------------------------------------------------------------------------

	/** The server answers nothing more. */
	protected override endReceived(): void {
		this.isLeaving = true;
		this.destroy();
		this.#keeper.sessionLost(this, undefined);
	}

	protected override lost(error: Error | undefined): void {
		this.isLeaving = true;
		if (!this.isReady && this.secureSocket !== undefined) countHandshakeFailure(this.#counters, error);
		this.#keeper.sessionLost(this, error);
	}

	protected override crashed(error: unknown): void {
		this.thread.logger.error({ err: error }, 'a connection of HTTP/2 to a server failed inside the proxy');
		if (this.closed) return;
		this.isLeaving = true;
		this.destroy();
		this.#keeper.sessionLost(this, undefined);
	}

	protected override released(): void {
		this.thread.wheel.remove(this);
		this.codec.tallyEnd();
	}

	override deadlinePassed(): void {
		if (!this.closed) this.destroy();
	}

	/** Nobody is on it any more: GOAWAY, and the end. */
	close(): void {
		if (this.closed || this.#ending) return;
		this.isLeaving = true;
		if (!this.isReady) {
			this.destroy();
			return;
		}
		this.#ending = true;
		this.codec.leave(ErrorCode.NO_ERROR);
		this.codec.giveUp();
		this.thread.wheel.set(this, this.thread.nowMs() + LEAVE_MS);
		this.flushSoon();
	}
}
