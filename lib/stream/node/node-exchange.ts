/**
 * One request and its response in the node engine: the `Exchange` of a stream, between Node's request and
 * response on the client's side and a `ServerRequest` (http-proxy) on the server's.
 *
 * Framing, chunking and keep-alive are Node's; what is said about them in heads is the serializer's, as in the
 * native engine. Where Node cannot do what the native engine does, the difference is one of comfort, never of
 * meaning: status lines say HTTP/1.1 whatever the server spoke, servers are spoken to in HTTP/1.1 only,
 * methods and minor versions that llhttp does not know are refused, and blanks in the request line that it
 * reads over are not.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Server } from '../../backend/server.js';
import { authenticatesConnection } from '../../http/authentication.js';
import { checkSwitchingProtocols, clientKeepsAlive } from '../../http/connection.js';
import { CHUNKED_BODY, CLOSE_BODY, type RequestHead, ResponseHead } from '../../http/message.js';
import { HttpRefusal } from '../../http/refusal.js';
import { type LocalReplyOptions, saysClose, serializeLocalReply, serializeResponse } from '../../http/serializer.js';
import type { LocalReply, ReplySource } from '../../rules/stream-control.js';
import { type Exchange, Failure, MAX_INTERIM_RESPONSES } from '../exchange.js';
import type { FilterChain } from '../filters/body-filter.js';
import { keepAlive } from '../keep-alive.js';
import { responseHeadSize } from '../message-size.js';
import { Stream } from '../stream.js';
import { Deadline } from '../timeouts.js';
import { ClientBody } from './client-body.js';
import { flatFields, type RawResponse, responseHeadOf, trailersOf } from './heads.js';
import type { NodeConnection } from './node-connection.js';
import { type RelayHost, RequestRelay } from './request-relay.js';
import { ServerAgent } from './server-agent.js';
import { ServerRequest, type ServerRequestEvents } from './server-request.js';
import { type FeedHost, SourceFeed } from './source-feed.js';
import { NodeTunnel, type TunnelHost } from './tunnel.js';

/** The time of the server's side; the client's is the connection's own deadline. */
class ServerDeadline extends Deadline {
	readonly #exchange: NodeExchange;

	constructor(exchange: NodeExchange) {
		super();
		this.#exchange = exchange;
	}

	override deadlinePassed(nowMs: number): void {
		this.#exchange.guard(() => this.#exchange.serverTimedOut(nowMs));
	}
}

/** What filters may hold of a body before its source is paused. */
const FILTER_LIMIT_BYTES = 64 * 1024;

const EMPTY = Buffer.alloc(0);

/** Both are undefined for bytes that made no request. */
interface Messages {
	readonly request: IncomingMessage | undefined;
	readonly response: ServerResponse | undefined;
}

export class NodeExchange implements Exchange, ServerRequestEvents, RelayHost, FeedHost, TunnelHost {
	readonly connection: NodeConnection;
	readonly stream: Stream;
	readonly head: RequestHead | undefined;
	serverSideAddress: string | undefined;
	serverSidePort: number | undefined;
	readonly #message: IncomingMessage | undefined;
	readonly #response: ServerResponse | undefined;
	readonly #body: ClientBody | undefined;
	readonly #requestRelay: RequestRelay;
	readonly #serverDeadline: ServerDeadline;
	#server: ServerRequest | undefined;
	#serverMessage: IncomingMessage | undefined;
	/** After 101 or CONNECT: the server's socket, and what it has said already. */
	#serverSocket: Socket | undefined;
	#firstBytes: Buffer | undefined;
	#connected = false;
	#buffering = false;
	#interimCount = 0;
	#responseStarted = false;
	/** The whole answer is out, while the request is still coming. */
	#responseDone = false;
	#closing: boolean;
	#tunnel: NodeTunnel | undefined;
	#lastWritten = 0;
	/** The body of an answer that is made while it is sent. */
	#feed: SourceFeed | undefined;
	/** Bytes of a response that rules look at before it goes on, and whether its end is there too. */
	#held: Buffer[] | undefined;
	#heldEnd = false;
	/** The stream has been told the end. */
	#over = false;

	constructor(connection: NodeConnection, head: RequestHead | undefined, messages: Messages, nowMs: number) {
		this.connection = connection;
		this.head = head;
		this.#message = messages.request;
		this.#response = messages.response;
		this.#closing = head === undefined || !clientKeepsAlive(head);
		this.#serverDeadline = new ServerDeadline(this);
		this.stream = new Stream(connection.session, this, head, nowMs, nowMs);
		if (this.#message !== undefined && head !== undefined && !connection.isDetached) {
			const limitBytes = connection.thread.bufsizeBytes;
			this.#body = new ClientBody(
				this.#message,
				limitBytes,
				(bytes) => this.guard(() => this.#bodyArrived(bytes)),
				() => this.guard(() => this.#bodyEnded()),
			);
			this.#message.on('aborted', () => this.guard(() => this.clientFailed(Failure.CLIENT_ABORT)));
			this.#message.on('error', () => {});
		}
		const isChunked = head?.framing.kind === 'chunked';
		this.#requestRelay = new RequestRelay(this, this.#message, this.#body, isChunked, FILTER_LIMIT_BYTES);
		this.#response?.on('error', () => {});
		this.#response?.on('drain', () => this.guard(() => this.#clientDrained()));
		this.#response?.on('finish', () => this.guard(() => this.#responseGiven()));
	}

	start(nowMs: number): void {
		// Without a body its end comes at once, and must have come before rules ask whether it is complete.
		if (this.head?.framing.kind === 'none' && this.#body !== undefined) this.#body.isComplete = true;
		this.stream.start(nowMs);
		if (!this.#over) this.#body?.open();
	}

	guard(work: () => void): void {
		if (this.#over) return;
		try {
			work();
		} catch (error) {
			this.crashed(error);
		}
	}

	crashed(error: unknown): void {
		this.#feed?.close();
		this.connection.thread.logger.error({ err: error }, 'an exchange failed inside the proxy');
		this.#dropServer();
		const open = !this.#over;
		this.#over = true;
		this.connection.destroy();
		if (open) this.stream.exchangeCrashed(this.connection.thread.nowMs());
	}

	// ---- the client's body -------------------------------------------------------------------------------

	#bodyArrived(bytes: Buffer): void {
		this.stream.requestBodyBytes += bytes.length;
		const nowMs = this.connection.thread.nowMs();
		this.connection.setClientDeadline(nowMs, this.stream.clientTimeoutMs);
		if (this.#connected) this.#sendBody();
		else if (this.#buffering) this.stream.requestBodyArrived(nowMs);
	}

	#bodyEnded(): void {
		this.connection.clearDeadline();
		if (this.#connected) this.#sendBody();
		else if (this.#buffering) this.stream.requestBodyArrived(this.connection.thread.nowMs());
		if (this.#responseDone) {
			this.#detachServer();
			this.#responseGiven();
		}
	}

	#sendBody(): void {
		if (this.#server !== undefined && this.#connected) this.#requestRelay.send(this.#server);
	}

	touchServer(): void {
		if (this.#connected && !this.#responseDone) this.#setServerDeadline(this.stream.serverTimeoutMs);
	}

	clearClientDeadline(): void {
		this.connection.clearDeadline();
	}

	requestIsFutile(): void {
		this.#breakOff(Failure.CLIENT_ABORT);
	}

	// ---- Exchange ------------------------------------------------------------------------------------------

	get canReplay(): boolean {
		return !this.#requestRelay.hasSent;
	}

	bufferRequestBody(_limitBytes: number): void {
		this.#buffering = true;
		this.stream.requestBodyArrived(this.connection.thread.nowMs());
	}

	get requestBuffer(): Buffer | undefined {
		return this.#body?.peek();
	}

	get requestBufferComplete(): boolean {
		return this.#body === undefined || this.#body.isComplete || this.#body.isFull;
	}

	/** A rule waits for the body of the response: it is taken from Node, a buffer of it. */
	bufferResponseBody(): void {
		const message = this.#serverMessage;
		if (message !== undefined && this.#held === undefined) {
			this.#held = [];
			this.#listen(message);
		}
		this.stream.responseBodyArrived(this.connection.thread.nowMs());
	}

	/** Node gives a body out only when somebody listens to it. */
	get responseBuffer(): Buffer | undefined {
		const held = this.#held;
		if (held === undefined || held.length === 0) return undefined;
		if (held.length > 1) held.splice(0, held.length, Buffer.concat(held));
		return held[0];
	}

	get responseBufferComplete(): boolean {
		if (this.stream.response?.framing.kind === 'none' || this.#serverMessage === undefined) return true;
		return this.#heldEnd || (this.responseBuffer?.length ?? 0) >= this.connection.thread.bufsizeBytes;
	}

	sendInterim(head: ResponseHead): void {
		if (this.head === undefined || this.head.version === 10 || this.#responseStarted) return;
		this.stream.responseHeadBytes += responseHeadSize(head);
		this.connection.socket.write(serializeResponse(head, { keepAlive: false, close: false, dechunk: false }), 'latin1');
	}

	forward(server: Server, mayReuse: boolean): void {
		const { stream, connection, head } = this;
		this.#buffering = false;
		this.#dropServer();
		if (head === undefined) return;
		const destination = server.destinationFor(connection.session);
		if (destination === undefined) {
			queueMicrotask(() => this.guard(() => this.failed(Failure.CONNECT_RESOURCE)));
			return;
		}
		stream.sentMethod = head.method;
		if (stream.requestFilters?.changesLength === true) head.framing = CHUNKED_BODY;
		const agent = new ServerAgent(server, destination, {
			isFirstRequest: connection.session.requestCount <= 1,
			mayReuse,
			mayKeep: () => stream.keepsServer,
			takePrivate: (of) => connection.takePrivate(of),
			keepPrivate: (own) =>
				(own.isPrivate || stream.reuseMode === 'never') && !this.#closing && connection.keepPrivate(own),
		});
		const request = new ServerRequest(head, stream.closesServer || saysClose(head.headers), agent, this);
		this.#server = request;
		connection.clearDeadline();
		this.#setServerDeadline(stream.connectTimeoutMs);
		request.start(server, connection.socket);
	}

	respond(): void {
		const { stream, connection } = this;
		const response = stream.response;
		if (response === undefined || this.#over) return;
		this.#responseStarted = true;
		if (this.#serverSocket !== undefined && isSwitch(response, this.head)) {
			this.#openTunnel(response);
			return;
		}
		const message = this.#serverMessage;
		const res = this.#response;
		if (message === undefined || res === undefined) return;
		this.#sendHead(stream, response, res);
		res.flushHeaders();
		const held = this.#held;
		this.#held = undefined;
		connection.setClientDeadline(connection.thread.nowMs(), 0);
		this.touchServer();
		if (held === undefined) this.#listen(message);
		else {
			message.resume();
			for (const bytes of held) this.#relay(bytes);
			if (this.#heldEnd) this.#serverEnded(message);
		}
	}

	#listen(message: IncomingMessage): void {
		message.on('data', (bytes: Buffer) => this.guard(() => this.#bodyOfResponse(message, bytes)));
		message.on('end', () =>
			this.guard(() => {
				if (this.#held === undefined) this.#serverEnded(message);
				else {
					this.#heldEnd = true;
					this.stream.responseBodyArrived(this.connection.thread.nowMs());
				}
			}),
		);
		message.on('aborted', () => this.guard(() => this.#serverBroke()));
		message.on('error', () => this.guard(() => this.#serverBroke()));
	}

	#bodyOfResponse(message: IncomingMessage, bytes: Buffer): void {
		if (this.#held === undefined) {
			this.#relay(bytes);
			return;
		}
		this.#held.push(bytes);
		if (this.responseBufferComplete) message.pause();
		this.touchServer();
		this.stream.responseBodyArrived(this.connection.thread.nowMs());
	}

	/** The head of a response, and the way its body will go. */
	#sendHead(stream: Stream, response: ResponseHead, res: ServerResponse): void {
		const oldClient = this.head?.version === 10;
		const filters = stream.responseFilters;
		if (filters?.changesLength === true) response.framing = oldClient ? CLOSE_BODY : CHUNKED_BODY;
		if (filters !== undefined) this.#openFilters(filters, res);
		const { framing } = response;
		const dechunk = oldClient && framing.kind === 'chunked';
		if (framing.kind === 'close' || dechunk || stream.closesClient || saysClose(response.headers)) this.#closing = true;
		this.#writeHead(
			res,
			response,
			serializeResponse(asWritten(response), {
				keepAlive: oldClient && !this.#closing,
				close: this.#closing,
				dechunk,
			}),
		);
	}

	respondLocally(body: Buffer | ReplySource): void {
		const { stream, connection } = this;
		const { response } = stream;
		const res = this.#response;
		if (response === undefined || res === undefined || this.#over) return;
		this.#dropServer();
		this.#responseStarted = true;
		if (this.#body !== undefined && !this.#body.isComplete) this.#closing = true;
		connection.setClientDeadline(connection.thread.nowMs(), stream.clientTimeoutMs);
		this.#sendHead(stream, response, res);
		if (response.framing.kind === 'none') res.end();
		else if (!Buffer.isBuffer(body)) {
			res.flushHeaders();
			this.#feed = new SourceFeed(this, body, res, FILTER_LIMIT_BYTES);
			this.#feed.start();
		} else {
			stream.responseBodyBytes += body.length;
			const filters = stream.responseFilters;
			if (filters === undefined) res.end(body);
			else {
				filters.write(body);
				filters.end();
			}
		}
	}

	#openFilters(filters: FilterChain, res: ServerResponse): void {
		filters.open(
			{
				write: (bytes) => {
					if (res.write(bytes)) return;
					this.#serverMessage?.pause();
					this.connection.setClientDeadline(this.connection.thread.nowMs(), this.stream.clientTimeoutMs);
				},
				progressed: () => {
					if (res.writableNeedDrain || filters.pendingBytes > FILTER_LIMIT_BYTES / 2) return;
					if (this.#feed === undefined) this.#serverMessage?.resume();
					else this.#feed.pullSoon();
				},
				end: () => {
					this.connection.setClientDeadline(this.connection.thread.nowMs(), this.stream.clientTimeoutMs);
					res.end();
				},
			},
			(error) => this.crashed(error),
		);
	}

	/** Node's response with exactly these fields: whatever is not among them Node must not add. */
	#writeHead(res: ServerResponse, response: { status: number; reason: string }, head: string): void {
		res.sendDate = false;
		for (const name of ['connection', 'content-length', 'transfer-encoding']) res.removeHeader(name);
		if (this.#closing) res.shouldKeepAlive = false;
		res.writeHead(response.status, head.slice(13, head.indexOf('\r\n')), flatFields(head) as never);
	}

	reply(reply: LocalReply, close: boolean): void {
		const { stream, connection } = this;
		if (this.#over) return;
		this.#dropServer();
		this.#responseStarted = true;
		const bodyOpen = this.#body !== undefined && !this.#body.isComplete;
		if (close || stream.closesClient || bodyOpen || reply.raw !== undefined || saysClose(reply.headers))
			this.#closing = true;
		connection.setClientDeadline(connection.thread.nowMs(), stream.clientTimeoutMs);
		const { source } = reply;
		if (source !== undefined && this.head?.version === 10) this.#closing = true;
		const options: LocalReplyOptions = {
			keepAlive: !this.#closing && this.head?.version === 10,
			close: this.#closing,
			...(source === undefined ? undefined : { streamed: this.head?.version === 10 ? 'until-close' : 'chunked' }),
		};
		const head = serializeLocalReply(reply, options);
		const res = this.#response;
		if (res === undefined || reply.raw !== undefined) {
			// No request that Node knows of, or an answer whose head is the operator's: straight to the socket.
			const body = this.head?.method === 'HEAD' ? Buffer.alloc(0) : reply.body;
			const bytes = reply.raw ?? Buffer.concat([Buffer.from(head, 'latin1'), body]);
			if (connection.socket.destroyed) this.#responseGiven();
			else connection.socket.write(bytes, () => this.guard(() => this.#responseGiven()));
			return;
		}
		this.#writeHead(res, reply, head);
		if (source !== undefined) {
			this.#feed = new SourceFeed(this, source, res, FILTER_LIMIT_BYTES);
			if (this.head?.method !== 'HEAD') {
				res.flushHeaders();
				this.#feed.start();
				return;
			}
			this.#feed.close();
		}
		res.end(this.head?.method === 'HEAD' ? undefined : reply.body);
	}

	/** For the feed. */
	checkClient(): boolean {
		if (!this.connection.socket.destroyed) return true;
		this.clientFailed(Failure.CLIENT_ABORT);
		return false;
	}

	awaitClient(isAwaited: boolean): void {
		const { connection } = this;
		if (isAwaited) connection.setClientDeadline(connection.thread.nowMs(), this.stream.clientTimeoutMs);
		else connection.clearDeadline();
	}

	abort(silent: boolean): void {
		this.#dropServer();
		if (silent) this.connection.reset();
		else this.connection.destroy();
		this.#end();
	}

	// ---- ServerRequestEvents -------------------------------------------------------------------------------

	connected(reused: boolean): void {
		const { connection, stream } = this;
		this.#connected = true;
		const socket = this.#server?.agent.connection?.socket;
		if (!reused) keepAlive(stream, socket);
		const { localAddress, localPort } = socket ?? {};
		this.serverSideAddress = localAddress;
		this.serverSidePort = localPort;
		const nowMs = connection.thread.nowMs();
		stream.serverConnected(reused, nowMs);
		this.#setServerDeadline(stream.serverTimeoutMs);
		this.#server?.flush();
		if (this.#body !== undefined && !this.#body.isComplete) connection.setClientDeadline(nowMs, stream.clientTimeoutMs);
		this.#sendBody();
	}

	drained(): void {
		this.touchServer();
		if (this.#body !== undefined && !this.#body.isComplete) this.#body.resume();
	}

	interim(response: RawResponse): void {
		if (response.statusCode === 101) return;
		const head = responseHeadOf(response, this.connection.thread.headLimits, this.stream.sentMethod);
		if (head instanceof HttpRefusal || ++this.#interimCount > MAX_INTERIM_RESPONSES) {
			this.#serverFailed(Failure.SERVER_MALFORMED);
			return;
		}
		this.touchServer();
		if (this.head?.version === 10 || this.#responseStarted) return;
		const text = serializeResponse(head, { keepAlive: false, close: false, dechunk: false });
		this.connection.socket.write(text, 'latin1');
	}

	response(message: IncomingMessage): void {
		this.#serverMessage = message;
		this.#judge(message);
	}

	switched(message: IncomingMessage, socket: Socket, first: Buffer): void {
		this.#serverSocket = socket;
		this.#firstBytes = first;
		socket.on('error', () => {});
		this.#judge(message);
	}

	#judge(message: IncomingMessage): void {
		const { stream, connection } = this;
		const head = responseHeadOf(message, connection.thread.headLimits, stream.sentMethod);
		if (head instanceof HttpRefusal) {
			this.#serverFailed(Failure.SERVER_MALFORMED);
			return;
		}
		if (this.#serverSocket !== undefined) {
			// Node hands over the socket after any answer to CONNECT; one that is no tunnel is not relayed.
			const refused = !isSwitch(head, this.head);
			const mismatch = head.status === 101 && this.head !== undefined && checkSwitchingProtocols(this.head, head);
			if (refused || mismatch) {
				this.#serverFailed(Failure.SERVER_MALFORMED);
				return;
			}
		} else if (head.status === 101) {
			this.#serverFailed(Failure.SERVER_MALFORMED);
			return;
		}
		const used = this.#server?.agent.connection;
		if (used !== undefined && authenticatesConnection(head)) used.isPrivate = true;
		this.touchServer();
		stream.responseReceived(head, head.framing, connection.thread.nowMs());
	}

	failed(failure: Failure): void {
		this.#server = undefined;
		this.#serverDeadlineOff();
		if (this.#over) return;
		this.#connected = false;
		if (!this.#responseStarted) {
			this.stream.exchangeFailed(failure, this.connection.thread.nowMs());
			return;
		}
		this.#breakOff(failure);
	}

	#serverFailed(failure: Failure): void {
		this.#dropServer();
		this.failed(failure);
	}

	serverTimedOut(_nowMs: number): void {
		if (!this.#connected) {
			this.#serverFailed(Failure.CONNECT_TIMEOUT);
			return;
		}
		if (this.#tunnel !== undefined) {
			this.#breakOff(Failure.SERVER_TIMEOUT);
			return;
		}
		if (this.#serverMessage?.isPaused() === true) {
			this.touchServer();
			return;
		}
		this.#serverFailed(Failure.SERVER_TIMEOUT);
	}

	// ---- the response's body ---------------------------------------------------------------------------------

	#relay(bytes: Buffer): void {
		this.stream.responseBodyBytes += bytes.length;
		this.touchServer();
		const filters = this.stream.responseFilters;
		if (filters !== undefined) {
			filters.write(bytes);
			if (filters.pendingBytes > FILTER_LIMIT_BYTES) this.#serverMessage?.pause();
			return;
		}
		const res = this.#response as ServerResponse;
		if (this.head?.method === 'HEAD' || res.write(bytes)) return;
		this.#serverMessage?.pause();
		this.connection.setClientDeadline(this.connection.thread.nowMs(), this.stream.clientTimeoutMs);
	}

	#clientDrained(): void {
		if (this.#feed !== undefined) {
			this.#feed.pullSoon();
			return;
		}
		this.connection.clearDeadline();
		const filters = this.stream.responseFilters;
		if (filters === undefined || filters.pendingBytes <= FILTER_LIMIT_BYTES) this.#serverMessage?.resume();
	}

	#serverEnded(message: IncomingMessage): void {
		if (!message.complete) {
			this.#serverBroke();
			return;
		}
		this.#serverDeadlineOff();
		const res = this.#response as ServerResponse;
		const chunked = this.stream.response?.framing.kind === 'chunked' && this.head?.version !== 10;
		const trailers = trailersOf(message.rawTrailers);
		if (trailers === undefined) {
			this.#serverBroke();
			return;
		}
		if (chunked && trailers.length > 0) res.addTrailers(trailers);
		this.#serverMessage = undefined;
		// A request that is still coming goes on to the server, which has answered early (RFC 9110, section 15.5.14).
		if (this.#body === undefined || this.#body.isComplete) this.#detachServer();
		const filters = this.stream.responseFilters;
		if (filters !== undefined) {
			filters.end();
			return;
		}
		this.connection.setClientDeadline(this.connection.thread.nowMs(), this.stream.clientTimeoutMs);
		res.end();
	}

	#detachServer(): void {
		this.#server?.detach();
		this.#server = undefined;
		this.#connected = false;
	}

	#serverBroke(): void {
		this.#dropServer();
		if (!this.#responseStarted) {
			this.failed(Failure.SERVER_ABORT);
			return;
		}
		this.#breakOff(Failure.SERVER_ABORT);
	}

	/** Part of the answer is out: only a broken connection tells the client that the rest is missing. */
	#breakOff(failure: Failure): void {
		const { stream, connection } = this;
		this.#over = true;
		this.#feed?.close();
		this.#dropServer();
		stream.exchangeFailed(failure, connection.thread.nowMs());
		connection.destroy();
	}

	/** The last byte of the answer was taken by the system. */
	#responseGiven(): void {
		if (this.#tunnel !== undefined) return;
		const bodyOpen = this.#body !== undefined && !this.#body.isComplete;
		if (bodyOpen && !this.#closing && this.#server !== undefined) {
			this.#responseDone = true;
			this.connection.setClientDeadline(this.connection.thread.nowMs(), this.stream.clientTimeoutMs);
			return;
		}
		this.#dropServer();
		// A response that was put on a detached socket by hand is taken off it by hand.
		if (this.connection.isDetached) this.#response?.detachSocket(this.connection.socket);
		this.#end();
		this.connection.exchangeOver(this, this.#closing || bodyOpen);
	}

	#end(): void {
		this.#feed?.close();
		if (this.#over) return;
		this.#over = true;
		this.#serverDeadlineOff();
		this.stream.exchangeEnded(this.connection.thread.nowMs());
	}

	// ---- the client's failures -------------------------------------------------------------------------------

	get isWaitingForClient(): boolean {
		return this.#body !== undefined && !this.#body.isComplete;
	}

	/** The client closed, sent nothing for too long, or broke the framing of its body. */
	clientFailed(failure: Failure): void {
		if (this.#over) return;
		const answerable = failure !== Failure.CLIENT_ABORT && !this.#responseStarted && !this.connection.socket.destroyed;
		this.#dropServer();
		if (answerable) {
			this.#closing = true;
			this.stream.exchangeFailed(failure, this.connection.thread.nowMs());
			return;
		}
		this.#breakOff(failure);
	}

	/** The client's deadline has passed. */
	clientTimedOut(nowMs: number): void {
		const written = this.connection.socket.bytesWritten - this.connection.socket.writableLength;
		if (this.#responseStarted && written !== this.#lastWritten) {
			// A slow reader that takes anything at all is alive.
			this.#lastWritten = written;
			this.connection.setClientDeadline(nowMs, this.stream.clientTimeoutMs);
			return;
		}
		if (this.#tunnel !== undefined) {
			this.#breakOff(Failure.CLIENT_TIMEOUT);
			return;
		}
		this.clientFailed(Failure.CLIENT_TIMEOUT);
	}

	// ---- tunnel -----------------------------------------------------------------------------------------------

	#openTunnel(response: ResponseHead): void {
		const { connection } = this;
		const client = connection.socket;
		this.#server?.detach();
		this.#tunnel = new NodeTunnel(this, client, this.#serverSocket as Socket);
		this.#response?.detachSocket(client);
		client.write(serializeResponse(asWritten(response), { keepAlive: false, close: false, dechunk: false }), 'latin1');
		this.#tunnel.open(this.#firstBytes ?? EMPTY, connection.takeDetachedBytes());
	}

	setTunnelDeadlines(clientMs: number, serverMs: number): void {
		this.connection.setClientDeadline(this.connection.thread.nowMs(), clientMs);
		this.#setServerDeadline(serverMs);
	}

	tunnelEnded(): void {
		this.#serverSocket?.destroySoon();
		this.#serverSocket = undefined;
		this.#end();
		this.connection.exchangeOver(this, true);
	}

	tunnelFailed(failure: Failure): void {
		this.#breakOff(failure);
	}

	// ---- the server's side ------------------------------------------------------------------------------------

	#setServerDeadline(delayMs: number): void {
		const { thread } = this.connection;
		thread.wheel.set(this.#serverDeadline, delayMs > 0 ? thread.nowMs() + delayMs : 0);
	}

	#serverDeadlineOff(): void {
		this.connection.thread.wheel.remove(this.#serverDeadline);
	}

	#dropServer(): void {
		this.#serverDeadlineOff();
		this.#server?.drop();
		this.#server = undefined;
		this.#serverMessage = undefined;
		this.#held = undefined;
		this.#heldEnd = false;
		this.#serverSocket?.destroy();
		this.#serverSocket = undefined;
		this.#connected = false;
	}
}

/** Node's status lines are those of HTTP/1.1, and the fields have to say what that means. */
function asWritten(head: ResponseHead): ResponseHead {
	if (head.version === 11) return head;
	return new ResponseHead(head.status, head.reason, 11, head.headers, head.framing, head.connection);
}

/** The response turns the connection into a tunnel. */
function isSwitch(response: ResponseHead, request: RequestHead | undefined): boolean {
	return response.status === 101 || (request?.method === 'CONNECT' && response.status >= 200 && response.status < 300);
}
