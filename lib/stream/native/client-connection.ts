/**
 * A client's connection in the native engine: what becomes of the requests that request-reader.ts reads. It is
 * its streams' `Exchange`: requests on one connection are served one after the other (RFC 9112, section
 * 9.3.2), so the connection itself is the exchange and no object but the stream is made per request.
 *
 * A connection is never just closed after an answer while the client may still be sending: the unread bytes
 * would turn into a reset that can destroy the answer on its way. It says end-of-stream, and reads and forgets
 * until the client closes too, for a bounded time (RFC 9112, section 9.6).
 */

import type { Socket } from 'node:net';
import type { Destination, Server } from '../../backend/server.js';
import { SocksTunnel } from '../../backend/socks4.js';
import { adjustCase } from '../../http/case-adjust.js';
import { CHUNKED_BODY, CLOSE_BODY, type HeaderList, type ResponseHead } from '../../http/message.js';
import {
	type LocalReplyOptions,
	type ResponseOptions,
	saysClose,
	serializeLocalReply,
	serializeResponse,
} from '../../http/serializer.js';
import type { LocalReply, ReplySource } from '../../rules/stream-control.js';
import type { MultiplexView, TlsView } from '../../sample/types.js';
import { type Exchange, Failure } from '../exchange.js';
import type { FilterChain } from '../filters/body-filter.js';
import { alpnFor, maySpeakH2 } from '../h2/server-sessions.js';
import { ServerStream } from '../h2/server-stream.js';
import { responseHeadSize } from '../message-size.js';
import type { Stream } from '../stream.js';
import { EMPTY_CHUNK, TEXT_WRITE_BYTES, WRITE_LIMIT_BYTES } from './connection.js';
import { FilteredBody, type FilteredBodyEvents } from './filtered-body.js';
import { RequestBody } from './request-body.js';
import { Reading, RequestReader } from './request-reader.js';
import { ServerConnection } from './server-connection.js';
import { Tunnel, type TunnelEnd } from './tunnel.js';
import { WholeBody } from './whole-body.js';

/** The end of a chunked body (RFC 9112, section 7.1). */
const LAST_CHUNK = '0\r\n\r\n';
/** How long a closing connection listens for the client's own end. */
const LINGER_MS = 5000;

/** Looks at bodies that are held for rules; keeps nothing between two looks. */
const heldBody = new RequestBody();

export class ClientConnection extends RequestReader implements Exchange, TunnelEnd, FilteredBodyEvents {
	/** Of the present exchange, and still of it when its line is logged. */
	#lastServer: ServerConnection | undefined;
	/** The last bytes of the answer wait for the client to read. */
	#draining = false;
	/** The body of an answer that is made while it is sent, and whether it goes in chunks. */
	#source: ReplySource | undefined;
	#sourceChunked = false;
	/** The present answer loses the chunks it came in: its client speaks HTTP/1.0. */
	#dechunks = false;
	#pullDue = false;
	/** The body of the answer passes through filters. */
	#filtered: FilteredBody | undefined;

	protected override get exchange(): Exchange {
		return this;
	}

	get isIdle(): boolean {
		return this.stream === undefined && this.reading === Reading.HEAD && this.chunkLength === 0;
	}

	/** Soft stop: a connection that has had an answer and rests since then goes; one that never asked is still served. */
	closeIdle(restingSinceMs: number): void {
		if (this.closed || !this.isIdle || this.session.requestCount === 0 || this.idleSinceMs > restingSinceMs) return;
		this.closeGently();
	}

	// ---- Exchange: what the stream asks ----------------------------------------------------------------

	get canReplay(): boolean {
		return !this.bodySent;
	}

	get requestComplete(): boolean {
		return (this.reading === Reading.DONE || this.reading === Reading.HEAD) && !this.filtersHoldRequest;
	}

	/** The server's connection may serve others after this exchange. */
	get mayKeepServer(): boolean {
		return this.stream?.keepsServer === true;
	}

	forward(server: Server, mayReuse: boolean): void {
		const stream = this.stream as Stream;
		this.bufferingLimit = 0;
		// A response that is thrown away to try again (`retry-on`).
		this.dropServer();
		if (mayReuse) {
			const idle = this.#takeIdle(server);
			if (idle !== undefined) {
				idle.attach(this);
				this.serverReady(idle, true);
				return;
			}
		}
		const destination = server.destinationFor(this.session);
		if (destination === undefined) {
			stream.exchangeFailed(Failure.CONNECT_RESOURCE, this.thread.nowMs());
			return;
		}
		let connection: ServerConnection;
		if (stream.request !== undefined && maySpeakH2(server.model, stream.request)) {
			connection = new ServerStream(this.thread, server, this, stream, mayReuse);
		} else {
			connection = new ServerConnection(this.thread, server, this, this.#socketTo(server, destination, stream));
			server.idle.opened(connection);
		}
		this.server = connection;
		connection.connect(destination, stream.connectTimeoutMs);
	}

	/** For a server behind TLS, where the PROXY protocol header comes before the handshake. */
	#socketTo(server: Server, destination: Destination, stream: Stream): Socket | undefined {
		const { tls, model } = server;
		if (tls !== undefined) {
			return tls.connect(destination, stream, this.headerFor(server), alpnFor(model, stream.request));
		}
		if (model.socks4 === undefined || destination.kind !== 'tcp') return undefined;
		const { source } = model;
		const tunnel = new SocksTunnel(
			model.socks4,
			destination.host,
			destination.port,
			source?.kind === 'ip' ? { localAddress: source.address } : {},
		);
		const header = this.headerFor(server);
		if (header !== undefined) tunnel.write(header);
		return tunnel as unknown as Socket;
	}

	/** What a connection to the server begins with (`send-proxy`). */
	headerFor(server: Server): Buffer | undefined {
		const { stream } = this;
		return stream === undefined ? undefined : server.proxyHeader?.write(stream);
	}

	#takeIdle(server: Server): ServerConnection | undefined {
		const own = this.privateServer;
		if (own !== undefined) {
			this.privateServer = undefined;
			if (own.server === server && !own.closed) return own;
			own.destroy();
		}
		return server.idle.take(this.session.requestCount <= 1) as ServerConnection | undefined;
	}

	/** `http-reuse never`, or a connection that knows its user: it stays with the client that opened it. */
	keepPrivate(connection: ServerConnection): boolean {
		if (this.closed || this.closing || (this.stream?.reuseMode !== 'never' && !connection.isPrivate)) return false;
		this.privateServer?.destroy();
		this.privateServer = connection;
		return true;
	}

	/** The connection to the server stands: the request goes out. */
	serverReady(connection: ServerConnection, reused: boolean): void {
		const stream = this.stream;
		if (stream === undefined) {
			connection.destroy();
			return;
		}
		this.server = connection;
		this.#lastServer = connection;
		this.serverIsReady = true;
		const nowMs = this.thread.currentMs;
		stream.serverConnected(reused, nowMs);
		const { request } = stream;
		if (request === undefined) {
			this.#beginTunnel(nowMs);
			return;
		}
		stream.sentMethod = request.method;
		connection.expectResponse(stream.serverTimeoutMs, nowMs);
		const { headers } = request;
		const closes = stream.closesServer || (headers.section === undefined && saysClose(headers));
		if (closes) connection.closesAfterResponse();
		if (stream.requestFilters?.changesLength === true) request.framing = CHUNKED_BODY;
		const head = connection.requestHead(request, closes);
		// A server of HTTP/2 may have been lost on the way.
		if (this.server !== connection) return;
		if (this.reading === Reading.BODY && this.chunkLength > 0) this.forwardBody(head);
		else connection.writeText(head);
		if (this.reading === Reading.BODY) this.resumeReading();
	}

	respond(): void {
		const { stream, server } = this;
		const response = stream?.response;
		if (stream === undefined || server === undefined || response === undefined) return;
		this.responseStarted = true;
		const framing = response.framing;
		const { request } = stream;
		if (response.status === 101 || (request?.method === 'CONNECT' && response.status < 300)) {
			const head = this.#responseHead(stream, response, true);
			if (head !== '') this.writeText(head);
			this.#beginTunnel(this.thread.nowMs());
			return;
		}
		const head = this.#responseHead(stream, response, false);
		const filters = stream.responseFilters;
		if (filters === undefined) server.beginBody(head, framing, this.#dechunks);
		else server.beginBody('', framing, this.#dechunks, this.#filter(filters, response, head));
	}

	/** The head as it goes to the client; says whether the connection closes, and how the body is framed. */
	#responseHead(stream: Stream, response: ResponseHead, tunnel: boolean): string {
		const oldClient = stream.request?.version === 10;
		// A length that filters change is not known before the end.
		if (stream.responseFilters?.changesLength === true) response.framing = oldClient ? CLOSE_BODY : CHUNKED_BODY;
		const { framing, headers } = response;
		const dechunk = (oldClient || this.copies) && framing.kind === 'chunked';
		this.#dechunks = dechunk;
		if (
			framing.kind === 'close' ||
			dechunk ||
			stream.closesClient ||
			(this.readEnded && this.chunkLength === 0) ||
			(headers.section === undefined && saysClose(headers))
		) {
			this.closing = true;
		}
		return this.headOf(
			response,
			{ keepAlive: !this.closing && oldClient, close: this.closing && !tunnel, dechunk },
			tunnel,
		);
	}

	// ---- what another version of the protocol does otherwise (h2/client-stream.ts) -----------------------------

	/** The head of the answer as text in front of its body; empty if it has gone out already. */
	protected headOf(response: ResponseHead, options: ResponseOptions, _tunnel: boolean): string {
		return this.#inItsCase(serializeResponse(response, options));
	}

	/** The same of an answer of our own. */
	protected localHeadOf(reply: LocalReply, options: LocalReplyOptions): string {
		return this.#inItsCase(serializeLocalReply(reply, options));
	}

	/** `option h1-case-adjust-bogus-client`. */
	#inItsCase(head: string): string {
		const { headerCases } = this.thread;
		if (headerCases === undefined || !this.session.frontend.model.options.h1CaseAdjustBogusClient) return head;
		return adjustCase(head, headerCases);
	}

	/** An answer that stands in a file as it goes out, head and body. */
	protected writeRaw(raw: Buffer): void {
		this.#writeReply('', raw);
	}

	protected writeInterim(head: ResponseHead): void {
		this.writeText(this.#inItsCase(serializeResponse(head, { keepAlive: false, close: false, dechunk: false })));
	}

	/** All of the answer has been written. */
	protected endMessage(): void {}

	/** Of an answer that is taken out of its chunks. */
	trailersCame(_trailers: HeaderList): void {}

	// ------------------------------------------------------------------------------------------------------------

	#filter(filters: FilterChain, response: ResponseHead, head: string): FilteredBody {
		const filtered = new FilteredBody(
			this,
			filters,
			response.framing.kind === 'chunked' && !this.#dechunks,
			head,
			this,
		);
		this.#filtered = filtered;
		return filtered;
	}

	respondLocally(body: Buffer | ReplySource): void {
		const { stream } = this;
		const response = stream?.response;
		if (stream === undefined || response === undefined) return;
		if (this.closed) {
			this.stream = undefined;
			stream.exchangeEnded(this.thread.currentMs);
			return;
		}
		this.dropServer();
		this.responseStarted = true;
		this.dropWholeBody();
		if (this.reading === Reading.BODY) this.closing = true;
		const head = this.#responseHead(stream, response, false);
		if (response.framing.kind === 'none') {
			this.writeText(head);
			this.#completeResponse(this.thread.currentMs);
			return;
		}
		const chunked = response.framing.kind === 'chunked' && !this.#dechunks;
		const filters = stream.responseFilters;
		const filtered = filters === undefined ? undefined : this.#filter(filters, response, head);
		if (filtered !== undefined && Buffer.isBuffer(body)) {
			stream.responseBodyBytes += body.length;
			filtered.pushOwned(body);
			filtered.finish();
			filtered.flushHead();
			return;
		}
		if (!Buffer.isBuffer(body) || chunked) {
			if (filtered === undefined) this.writeText(head);
			this.#sourceChunked = chunked;
			this.#source = Buffer.isBuffer(body) ? new WholeBody(body) : body;
			this.#source.onMore = () => this.#pull();
			this.#feed();
			return;
		}
		stream.responseBodyBytes += body.length;
		this.#writeReply(head, body);
		this.#completeResponse(this.thread.currentMs);
	}

	// ---- FilteredBodyEvents: the answer's body ---------------------------------------------------------------

	filteredProgressed(): void {
		const filtered = this.#filtered;
		if (filtered === undefined || !filtered.isLow) return;
		if (this.#source !== undefined) this.#pull();
		else if (this.server?.isPaused === true) this.#wakeServer();
	}

	filteredEnded(): void {
		this.#filtered = undefined;
		this.#completeResponse(this.thread.nowMs());
	}

	filteredFailed(error: Error): void {
		this.thread.logger.error({ err: error }, 'a filter of a response failed');
		const { stream } = this;
		this.stream = undefined;
		this.dropServer();
		stream?.exchangeFailed(Failure.INTERNAL, this.thread.nowMs());
		this.closeGently();
	}

	sendInterim(head: ResponseHead): void {
		if (this.stream?.request?.version !== 10) this.relayInterim(head);
	}

	/** A 1xx of the server goes on to a client that can understand it (RFC 9110, section 15.2). */
	relayInterim(head: ResponseHead): void {
		const { stream } = this;
		if (stream?.request === undefined) return;
		stream.responseHeadBytes += responseHeadSize(head);
		if (stream.request.version === 10) return;
		this.writeInterim(head);
	}

	reply(reply: LocalReply, close: boolean): void {
		const stream = this.stream;
		if (stream === undefined) return;
		if (this.closed) {
			this.stream = undefined;
			stream.exchangeEnded(this.thread.currentMs);
			return;
		}
		this.dropServer();
		this.responseStarted = true;
		this.dropWholeBody();
		const { request } = stream;
		const { source } = reply;
		const untilClose = source !== undefined && (request?.version === 10 || this.copies);
		if (
			close ||
			stream.closesClient ||
			this.reading === Reading.BODY ||
			this.readEnded ||
			reply.raw !== undefined ||
			untilClose ||
			saysClose(reply.headers)
		) {
			this.closing = true;
		}
		if (reply.raw !== undefined) this.writeRaw(reply.raw);
		else {
			const head = this.localHeadOf(reply, {
				keepAlive: !this.closing && request?.version === 10,
				close: this.closing,
				...(source === undefined ? undefined : { streamed: untilClose ? 'until-close' : 'chunked' }),
			});
			if (source !== undefined) {
				this.writeText(head);
				this.#source = source;
				this.#sourceChunked = !untilClose;
				if (request?.method !== 'HEAD') {
					source.onMore = () => this.#pull();
					this.#feed();
					return;
				}
				this.#closeSource();
			} else this.#writeReply(head, request?.method === 'HEAD' ? EMPTY_CHUNK : reply.body);
		}
		this.#completeResponse(this.thread.currentMs);
	}

	/** The next turn of the event loop pulls again: others come between two pieces. */
	#pull(): void {
		if (this.#pullDue) return;
		this.#pullDue = true;
		setImmediate(() => {
			this.#pullDue = false;
			if (this.#source !== undefined && !this.closed) this.guarded(this.#feed);
		});
	}

	/** One piece of the answer, if the client has taken the former ones. */
	#feed(): void {
		const { stream } = this;
		const source = this.#source;
		if (source === undefined || stream === undefined) return;
		const nowMs = this.thread.nowMs();
		if (this.unwrittenBytes > WRITE_LIMIT_BYTES) {
			this.sourceWaits(nowMs);
			return;
		}
		const filtered = this.#filtered;
		if (filtered?.isFull === true) return;
		this.deadlineMs = 0;
		const piece = source.pull();
		if (piece === undefined) {
			this.#closeSource();
			if (filtered !== undefined) {
				filtered.finish();
				filtered.flushHead();
				return;
			}
			if (this.#sourceChunked) this.writeText(LAST_CHUNK);
			this.#completeResponse(nowMs);
			return;
		}
		if (piece.length === 0) return;
		stream.responseBodyBytes += piece.length;
		if (filtered !== undefined) {
			filtered.pushOwned(piece);
			this.#pull();
			return;
		}
		if (this.#sourceChunked) this.writeText(`${piece.length.toString(16)}\r\n`);
		this.writeBuffer(piece, undefined);
		if (this.#sourceChunked) this.writeText('\r\n');
		this.#pull();
	}

	#closeSource(): void {
		const source = this.#source;
		this.#source = undefined;
		if (source === undefined) return;
		source.onMore = undefined;
		source.close();
	}

	protected override released(): void {
		this.#closeSource();
		super.released();
	}

	#writeReply(head: string, body: Buffer): void {
		if (this.copies) this.writePart(body, 0, body.length);
		else if (head.length + body.length <= TEXT_WRITE_BYTES)
			this.writeText(head + body.toString('latin1', 0, body.length));
		else {
			if (head.length > 0) this.writeText(head);
			this.writeBuffer(body, undefined);
		}
	}

	bufferRequestBody(limitBytes: number): void {
		this.bufferingLimit = limitBytes;
		this.stream?.requestBodyArrived(this.thread.nowMs());
	}

	get requestBuffer(): Buffer | undefined {
		if (this.chunkLength === 0 || (this.reading !== Reading.BODY && this.reading !== Reading.RAW)) return undefined;
		const bytes = this.chunk.subarray(this.chunkStart, this.chunkEnd);
		if (this.reading === Reading.RAW) return bytes;
		return this.body.peek(bytes);
	}

	get requestBufferComplete(): boolean {
		if (this.readEnded || this.chunkLength >= this.thread.bufsizeBytes) return true;
		if (this.reading === Reading.RAW) return false;
		if (this.reading !== Reading.BODY) return true;
		return this.body.peekComplete(this.chunk.subarray(this.chunkStart, this.chunkEnd));
	}

	bufferResponseBody(): void {
		const { server, stream } = this;
		if (server === undefined || stream === undefined) return;
		server.collectBody();
		stream.responseBodyArrived(this.thread.nowMs());
	}

	get responseBuffer(): Buffer | undefined {
		const held = this.server?.heldBytes;
		const framing = this.stream?.response?.framing;
		if (held === undefined || framing === undefined || this.server?.hasFrames === true) return held;
		heldBody.begin(framing);
		return framing.kind === 'close' ? held : heldBody.peek(held);
	}

	get responseBufferComplete(): boolean {
		return (
			this.server === undefined ||
			this.server.hasEnded ||
			(this.server.heldBytes?.length ?? 0) >= this.thread.bufsizeBytes ||
			this.#holdsWholeBody(this.server)
		);
	}

	#holdsWholeBody(server: ServerConnection): boolean {
		const framing = this.stream?.response?.framing;
		if (framing === undefined || framing.kind === 'close' || (server.hasFrames && framing.kind === 'chunked'))
			return false;
		return !heldBody.begin(framing) || heldBody.peekComplete(server.heldBytes ?? EMPTY_CHUNK);
	}

	get serverSideAddress(): string | undefined {
		return this.#lastServer?.localAddress;
	}

	get serverSidePort(): number | undefined {
		return this.#lastServer?.localPort;
	}

	/** Itself, where it is a stream of HTTP/2. */
	get clientMultiplex(): MultiplexView | undefined {
		return undefined;
	}

	get serverMultiplex(): MultiplexView | undefined {
		return this.#lastServer?.multiplex;
	}

	get serverSideTls(): TlsView | undefined {
		return this.#lastServer?.tls;
	}

	/**
	 * The system gives Node no way to vanish without a word: a reset is the shortest one there is, and holds
	 * nothing on this side, which is what a silent drop is for.
	 */
	abort(silent: boolean): void {
		const { stream } = this;
		this.stream = undefined;
		this.dropServer();
		if (silent) this.reset();
		else if (!this.closed) this.closeGently();
		stream?.exchangeEnded(this.thread.nowMs());
	}

	// ---- what the server's connection tells ------------------------------------------------------------

	/** The server's connection has left the exchange. */
	serverFailed(connection: ServerConnection, failure: Failure): void {
		if (this.server !== undefined && this.server !== connection) return;
		this.server = undefined;
		this.serverIsReady = false;
		const { stream } = this;
		if (stream === undefined) return;
		const nowMs = this.thread.nowMs();
		if (!this.responseStarted) {
			stream.exchangeFailed(failure, nowMs);
			return;
		}
		this.stream = undefined;
		// Part of the answer is out: only the end of the connection can tell the client that the rest is missing.
		stream.exchangeFailed(failure, nowMs);
		this.closeGently();
	}

	/** The last byte of the response has been written here. */
	responseComplete(): void {
		this.#completeResponse(this.thread.currentMs);
	}

	/** After a complete response the server closed without waiting for the rest of the request. */
	serverGoneAfterResponse(): void {
		this.serverIsReady = false;
		if (this.reading === Reading.BODY && this.stream !== undefined) {
			this.reading = Reading.DISCARD;
			this.resumeReading();
			this.#reprocessGuarded();
		} else if (this.filtersHoldRequest && this.responseDone) this.afterExchange(this.thread.nowMs());
	}

	#completeResponse(nowMs: number): void {
		this.endMessage();
		if (this.unwrittenBytes > 0) {
			this.#draining = true;
			this.setClientDeadline(nowMs);
			this.notifyWhenWritten();
			return;
		}
		this.#responseGiven(nowMs);
	}

	#responseGiven(nowMs: number): void {
		this.#draining = false;
		this.responseDone = true;
		if ((this.reading === Reading.BODY || this.filtersHoldRequest) && !this.closing) {
			const { server } = this;
			if (server?.takesRequest === true) return;
			this.dropServer();
			if (this.reading === Reading.BODY) {
				this.reading = Reading.DISCARD;
				this.setClientDeadline(nowMs);
				this.resumeReading();
				this.#reprocessGuarded();
				return;
			}
		}
		this.afterExchange(nowMs);
	}

	/** Both messages are complete. */
	protected override afterExchange(nowMs: number): void {
		this.server?.finish();
		this.finishExchange(nowMs, false);
	}

	protected override finishExchange(nowMs: number, close: boolean): void {
		const { stream } = this;
		this.dropServer();
		this.serverIsReady = false;
		this.stream = undefined;
		this.#filtered = undefined;
		this.bulk = false;
		stream?.exchangeEnded(nowMs);
		this.#lastServer = undefined;
		if (this.closed) return;
		// Requests that were pipelined before the client's end are still answered.
		const more = !this.readEnded || this.chunkLength > 0;
		if (close || this.closing || !more) {
			this.closeGently();
			return;
		}
		this.reading = Reading.HEAD;
		this.requestBeganMs = 0;
		this.idleSinceMs = nowMs;
		this.setHeadDeadline(nowMs);
		this.resumeReading();
		this.#reprocessGuarded();
	}

	#reprocessGuarded(): void {
		if (!this.working && this.chunkLength > 0) this.reprocess();
	}

	protected override closeGently(): void {
		if (this.closed) return;
		this.chunkStart = this.chunkEnd;
		this.reading = Reading.LINGER;
		if (this.readEnded && this.unwrittenBytes === 0) {
			this.#endAndDestroy();
			return;
		}
		this.endWriting();
		this.resumeReading();
		const finMs = this.session.frontend.model.timeouts.clientFinMs ?? LINGER_MS;
		this.thread.wheel.set(this, this.thread.nowMs() + finMs);
		if (this.readEnded) this.notifyEnd();
	}

	#endAndDestroy(): void {
		this.endWriting();
		this.destroy();
	}

	/** The client has closed already: nothing but the last write is waited for. */
	private notifyEnd(): void {
		this.socket.once('finish', () => this.destroy());
	}

	/** The client is slower than the server: watch that it takes anything at all. */
	sourceWaits(nowMs: number): void {
		this.setClientDeadline(nowMs);
		this.notifyWhenWritten();
	}

	protected override written(): void {
		const nowMs = this.thread.nowMs();
		if (this.#source !== undefined) {
			if (this.unwrittenBytes <= WRITE_LIMIT_BYTES / 2) this.#pull();
			return;
		}
		if (this.#draining) {
			if (this.unwrittenBytes === 0) this.#responseGiven(nowMs);
			return;
		}
		if (this.unwrittenBytes > WRITE_LIMIT_BYTES / 2) return;
		if (this.server?.isPaused === true && this.#filtered?.isLow !== false) this.#wakeServer();
		if (this.reading === Reading.HEAD && this.readPaused) {
			this.resumeReading();
			this.#reprocessGuarded();
		}
	}

	/** The client has taken enough: the server's answer goes on. */
	#wakeServer(): void {
		if (this.reading !== Reading.BODY && this.reading !== Reading.TUNNEL) this.deadlineMs = 0;
		this.server?.resumeReading();
		this.server?.flush();
	}

	/** The server has taken what was written to it. */
	serverDrained(): void {
		if (!this.readPaused || this.server === undefined || this.server.unwrittenBytes > WRITE_LIMIT_BYTES / 2) return;
		if (this.filtersAreFull) return;
		this.resumeReading();
		this.#reprocessGuarded();
	}

	protected override requestDrained(): void {
		this.serverDrained();
	}

	// ---- tunnel ----------------------------------------------------------------------------------------

	#beginTunnel(nowMs: number): void {
		const { server, stream } = this;
		if (server === undefined || stream === undefined) return;
		const tunnel = new Tunnel(this, server, stream);
		this.tunnel = tunnel;
		this.reading = Reading.TUNNEL;
		this.responseStarted = true;
		this.bulk = true;
		server.beginTunnel(tunnel);
		tunnel.touch(nowMs);
		this.resumeReading();
		server.resumeReading();
		if (stream.inspectsResponse) {
			stream.serverSpoke(nowMs);
			if (stream.ended) return;
		}
		this.#reprocessGuarded();
		server.flush();
		if (this.readEnded) tunnel.clientEnded(nowMs);
	}

	/** Mode tcp: what the server has said goes on to the client. */
	releaseResponse(): void {
		this.tunnel?.release(this.thread.nowMs());
	}

	tunnelEnded(): void {
		const { stream, server } = this;
		this.stream = undefined;
		this.server = undefined;
		if (server !== undefined) {
			server.client = undefined;
			server.closeWhenWritten();
		}
		stream?.exchangeEnded(this.thread.nowMs());
		this.closeGently();
	}

	tunnelFailed(failure: Failure): void {
		const { stream } = this;
		this.stream = undefined;
		this.dropServer();
		stream?.exchangeFailed(failure, this.thread.nowMs());
		this.closeGently();
	}
}
