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
import { checkSwitchingProtocols, clientKeepsAlive } from '../../http/connection.js';
import { CHUNKED_BODY, CLOSE_BODY, type RequestHead, ResponseHead } from '../../http/message.js';
import { HttpRefusal } from '../../http/refusal.js';
import { type LocalReplyOptions, saysClose, serializeLocalReply, serializeResponse } from '../../http/serializer.js';
import type { LocalReply, ReplySource } from '../../rules/stream-control.js';
import { type Exchange, Failure, MAX_INTERIM_RESPONSES } from '../exchange.js';
import type { FilterChain } from '../filters/body-filter.js';
import { responseHeadSize } from '../message-size.js';
import { Stream } from '../stream.js';
import { Deadline } from '../timeouts.js';
import { ClientBody } from './client-body.js';
import { flatFields, type RawResponse, responseHeadOf, trailersOf } from './heads.js';
import type { NodeConnection } from './node-connection.js';
import { ServerAgent } from './server-agent.js';
import { ServerRequest, type ServerRequestEvents } from './server-request.js';

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

/** Body bytes that are read and forgotten to keep a connection, after an early answer. */
const DISCARD_BYTES = 256 * 1024;

/** What filters may hold of a body before its source is paused. */
const FILTER_LIMIT_BYTES = 64 * 1024;

/** Both are undefined for bytes that made no request. */
interface Messages {
	readonly request: IncomingMessage | undefined;
	readonly response: ServerResponse | undefined;
}

export class NodeExchange implements Exchange, ServerRequestEvents {
	readonly connection: NodeConnection;
	readonly stream: Stream;
	readonly head: RequestHead | undefined;
	serverSideAddress: string | undefined;
	serverSidePort: number | undefined;
	readonly #message: IncomingMessage | undefined;
	readonly #response: ServerResponse | undefined;
	readonly #body: ClientBody | undefined;
	readonly #serverDeadline: ServerDeadline;
	#server: ServerRequest | undefined;
	#serverMessage: IncomingMessage | undefined;
	/** After 101 or CONNECT: the server's socket, and what it has said already. */
	#serverSocket: Socket | undefined;
	#firstBytes: Buffer | undefined;
	#connected = false;
	#bodySent = false;
	#buffering = false;
	#interimCount = 0;
	#responseStarted = false;
	/** The whole answer is out, while the request is still coming. */
	#responseDone = false;
	/** Bytes of a request whose server has gone. */
	#discardedBytes = 0;
	#closing: boolean;
	#tunnel: 'none' | 'open' | 'client-ended' | 'server-ended' = 'none';
	#lastWritten = 0;
	/** The body of an answer that is made while it is sent. */
	#source: ReplySource | undefined;
	#pullDue = false;
	/** Bytes of a response that rules look at before it goes on, and whether its end is there too. */
	#held: Buffer[] | undefined;
	#heldEnd = false;
	/** The body of the request passes through filters, and has been given to them whole. */
	#requestFiltered = false;
	#requestFilterEnded = false;
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
		this.#closeSource();
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

	/** What waits goes to the server; the end too when it has come. */
	#sendBody(): void {
		const body = this.#body;
		const server = this.#server;
		if (server === undefined || !this.#connected) return;
		let takesMore = true;
		const filters = this.stream.requestFilters;
		if (filters !== undefined && this.#message !== undefined) {
			this.#sendFiltered(server, filters, body);
			return;
		}
		if (body !== undefined && !body.isEmpty) {
			this.#bodySent = true;
			for (const piece of body.take()) {
				takesMore = server.write(piece);
				if (server.isGone) this.#discardedBytes += piece.length;
			}
			if (this.#discardedBytes > DISCARD_BYTES) {
				this.#breakOff(Failure.CLIENT_ABORT);
				return;
			}
			this.#touchServer();
		}
		if (body === undefined || body.isComplete) {
			const trailers = trailersOf(this.#message?.rawTrailers ?? []);
			if (trailers === undefined) this.clientFailed(Failure.CLIENT_MALFORMED);
			else server.end(this.head?.framing.kind === 'chunked' ? trailers : []);
		} else if (takesMore) body.resume();
		else {
			body.pause();
			this.connection.clearDeadline();
		}
	}

	/** The same for a body that passes through filters; its trailers are left out. */
	#sendFiltered(server: ServerRequest, filters: FilterChain, body: ClientBody | undefined): void {
		if (!this.#requestFiltered) {
			this.#requestFiltered = true;
			let serverTakes = true;
			filters.open(
				{
					write: (bytes) => {
						serverTakes = server.write(bytes);
						this.#touchServer();
					},
					end: () => server.end([]),
					progressed: () => {
						if (serverTakes && filters.pendingBytes <= FILTER_LIMIT_BYTES / 2) body?.resume();
					},
				},
				(error) => this.crashed(error),
			);
		}
		if (body !== undefined && !body.isEmpty) {
			this.#bodySent = true;
			for (const piece of body.take()) filters.write(piece);
			this.#touchServer();
		}
		if (body === undefined || body.isComplete) {
			if (!this.#requestFilterEnded) filters.end();
			this.#requestFilterEnded = true;
		} else if (filters.pendingBytes > FILTER_LIMIT_BYTES) {
			body.pause();
			this.connection.clearDeadline();
		} else body.resume();
	}

	// ---- Exchange ------------------------------------------------------------------------------------------

	get canReplay(): boolean {
		return !this.#bodySent;
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
			keepPrivate: (own) => stream.reuseMode === 'never' && !this.#closing && connection.keepPrivate(own),
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
		this.#touchServer();
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
		this.#touchServer();
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
			this.#source = body;
			body.onMore = this.#pull;
			this.#feed();
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
					if (this.#source === undefined) this.#serverMessage?.resume();
					else this.#pull();
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
			this.#source = source;
			if (this.head?.method !== 'HEAD') {
				res.flushHeaders();
				source.onMore = this.#pull;
				this.#feed();
				return;
			}
			this.#closeSource();
		}
		res.end(this.head?.method === 'HEAD' ? undefined : reply.body);
	}

	/** The next turn of the event loop pulls again: others come between two pieces. */
	readonly #pull = (): void => {
		if (this.#pullDue) return;
		this.#pullDue = true;
		setImmediate(() => {
			this.#pullDue = false;
			this.guard(() => this.#feed());
		});
	};

	#feed(): void {
		const source = this.#source;
		const res = this.#response;
		if (source === undefined || res === undefined) return;
		if (this.connection.socket.destroyed) {
			this.clientFailed(Failure.CLIENT_ABORT);
			return;
		}
		const filters = this.stream.responseFilters;
		if (filters !== undefined && filters.pendingBytes > FILTER_LIMIT_BYTES) return;
		const piece = source.pull();
		if (piece === undefined) {
			this.#closeSource();
			this.connection.setClientDeadline(this.connection.thread.nowMs(), this.stream.clientTimeoutMs);
			if (filters === undefined) res.end();
			else filters.end();
			return;
		}
		this.connection.clearDeadline();
		if (piece.length === 0) return;
		this.stream.responseBodyBytes += piece.length;
		if (filters !== undefined) {
			filters.write(piece);
			this.#pull();
			return;
		}
		if (res.write(piece)) this.#pull();
		else this.connection.setClientDeadline(this.connection.thread.nowMs(), this.stream.clientTimeoutMs);
	}

	#closeSource(): void {
		const source = this.#source;
		this.#source = undefined;
		if (source === undefined) return;
		source.onMore = undefined;
		source.close();
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
		const { localAddress, localPort } = this.#server?.agent.connection?.socket ?? {};
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
		this.#touchServer();
		if (this.#body !== undefined && !this.#body.isComplete) this.#body.resume();
	}

	interim(response: RawResponse): void {
		if (response.statusCode === 101) return;
		const head = responseHeadOf(response, this.connection.thread.headLimits, this.stream.sentMethod);
		if (head instanceof HttpRefusal || ++this.#interimCount > MAX_INTERIM_RESPONSES) {
			this.#serverFailed(Failure.SERVER_MALFORMED);
			return;
		}
		this.#touchServer();
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
		this.#touchServer();
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
		if (this.#tunnel !== 'none') {
			this.#breakOff(Failure.SERVER_TIMEOUT);
			return;
		}
		if (this.#serverMessage?.isPaused() === true) {
			this.#touchServer();
			return;
		}
		this.#serverFailed(Failure.SERVER_TIMEOUT);
	}

	// ---- the response's body ---------------------------------------------------------------------------------

	#relay(bytes: Buffer): void {
		this.stream.responseBodyBytes += bytes.length;
		this.#touchServer();
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
		if (this.#source !== undefined) {
			this.#pull();
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
		this.#closeSource();
		this.#dropServer();
		stream.exchangeFailed(failure, connection.thread.nowMs());
		connection.destroy();
	}

	/** The last byte of the answer was taken by the system. */
	#responseGiven(): void {
		if (this.#tunnel !== 'none') return;
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
		this.#closeSource();
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
		if (this.#tunnel !== 'none') {
			this.#breakOff(Failure.CLIENT_TIMEOUT);
			return;
		}
		this.clientFailed(Failure.CLIENT_TIMEOUT);
	}

	// ---- tunnel -----------------------------------------------------------------------------------------------

	#openTunnel(response: ResponseHead): void {
		const { connection } = this;
		const client = connection.socket;
		const server = this.#serverSocket as Socket;
		this.#server?.detach();
		this.#tunnel = 'open';
		this.#response?.detachSocket(client);
		client.write(serializeResponse(asWritten(response), { keepAlive: false, close: false, dechunk: false }), 'latin1');
		const first = this.#firstBytes;
		if (first !== undefined && first.length > 0) this.#tunnelBytes(server, client, first, false);
		const early = connection.takeDetachedBytes();
		if (early.length > 0) this.#tunnelBytes(client, server, early, true);
		this.#joinHalves(client, server, true);
		this.#joinHalves(server, client, false);
		this.#touchTunnel();
	}

	#joinHalves(from: Socket, to: Socket, fromClient: boolean): void {
		from.on('data', (bytes: Buffer) => this.guard(() => this.#tunnelBytes(from, to, bytes, fromClient)));
		to.on('drain', () => this.guard(() => from.resume()));
		from.on('end', () => this.guard(() => this.#tunnelEnded(to, fromClient)));
		from.on('close', () => this.guard(() => this.#tunnelClosed(fromClient)));
		from.resume();
	}

	#tunnelBytes(from: Socket, to: Socket, bytes: Buffer, fromClient: boolean): void {
		if (fromClient) this.stream.requestBodyBytes += bytes.length;
		else this.stream.responseBodyBytes += bytes.length;
		this.#touchTunnel();
		if (!to.write(bytes)) from.pause();
	}

	/** One side has said its last word; the other may go on. */
	#tunnelEnded(to: Socket, fromClient: boolean): void {
		to.end();
		if (this.#tunnel === 'open') {
			this.#tunnel = fromClient ? 'client-ended' : 'server-ended';
			this.#touchTunnel();
		} else this.#closeTunnel();
	}

	#tunnelClosed(fromClient: boolean): void {
		if (this.#tunnel === 'open') {
			this.#breakOff(fromClient ? Failure.CLIENT_ABORT : Failure.SERVER_ABORT);
			return;
		}
		this.#closeTunnel();
	}

	#closeTunnel(): void {
		this.#serverSocket?.destroySoon();
		this.#serverSocket = undefined;
		this.#end();
		this.connection.exchangeOver(this, true);
	}

	/** Any byte, in either direction, renews the time of both sides (manual, `timeout tunnel`). */
	#touchTunnel(): void {
		const { stream, connection } = this;
		const { tunnelTimeoutMs } = stream;
		const clientMs = this.#tunnel === 'client-ended' ? stream.clientFinTimeoutMs || tunnelTimeoutMs : tunnelTimeoutMs;
		const serverMs = this.#tunnel === 'server-ended' ? stream.serverFinTimeoutMs || tunnelTimeoutMs : tunnelTimeoutMs;
		connection.setClientDeadline(connection.thread.nowMs(), clientMs || stream.clientTimeoutMs);
		this.#setServerDeadline(serverMs || stream.serverTimeoutMs);
	}

	// ---- the server's side ------------------------------------------------------------------------------------

	#setServerDeadline(delayMs: number): void {
		const { thread } = this.connection;
		thread.wheel.set(this.#serverDeadline, delayMs > 0 ? thread.nowMs() + delayMs : 0);
	}

	#touchServer(): void {
		if (this.#connected && !this.#responseDone) this.#setServerDeadline(this.stream.serverTimeoutMs);
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
