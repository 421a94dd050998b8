/**
 * A connection to a server: connects, sends a request, reads the response and relays its body to the client,
 * then rests in its server's pool of idle connections or closes.
 *
 * It serves one exchange at a time, that of `client`. The response head is parsed from one latin1
 * string; when the body came in the same read and is small, the client gets head and body in one write.
 */

import type { Socket, TcpSocketConnectOpts } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { PooledConnection } from '../../backend/pool.js';
import type { Destination, Server } from '../../backend/server.js';
import { authenticatesConnection } from '../../http/authentication.js';
import { brokenChunks } from '../../http/body-framing.js';
import { adjustCase } from '../../http/case-adjust.js';
import { checkSwitchingProtocols, serverKeepsAlive } from '../../http/connection.js';
import { findHeadEnd, HEAD_BROKEN, parseResponseHead, skipEmptyLines } from '../../http/head-parser.js';
import type { BodyFraming, RequestHead, ResponseHead } from '../../http/message.js';
import { HttpRefusal, isRefusal } from '../../http/refusal.js';
import { repairResponse } from '../../http/repair.js';
import { serializeRequest } from '../../http/serializer.js';
import { WANTED_TLS_FACTS } from '../../sample/tls-facts.js';
import type { MultiplexView, TlsView } from '../../sample/types.js';
import { countHandshake, countHandshakeFailure, type ServerSideCounters, serverSideCounters } from '../counting.js';
import { Failure, MAX_INTERIM_RESPONSES } from '../exchange.js';
import { noteServerFailure } from '../failures.js';
import { keepAlive } from '../keep-alive.js';
import type { MessageParties } from '../message-captures.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { SocketTlsView } from '../tls-view.js';
import type { ClientConnection } from './client-connection.js';
import { SHORT_BYTES, WRITE_LIMIT_BYTES } from './connection.js';
import type { FilteredBody } from './filtered-body.js';
import { ResponseRelay } from './response-relay.js';
import type { Tunnel } from './tunnel.js';

const State = {
	CONNECTING: 0,
	/** In the pool, or just taken from it. */
	IDLE: 1,
	/** A request was sent, the head of its response is due. */
	WAITING: 2,
	/** The stream's rules are still busy with the head. */
	HELD: 3,
	BODY: 4,
	/** The response is complete; the request is still coming. */
	DONE: 5,
	TUNNEL: 6,
} as const;

/** Most heads of servers are shorter. */
const USUAL_HEAD_BYTES = 640;

export class ServerConnection extends ResponseRelay implements PooledConnection {
	readonly server: Server;
	#state: number = State.CONNECTING;
	#interimCount = 0;
	/** The server takes another request after this response. */
	#keepsAlive = false;
	#saysClose = false;
	/** While held: more of the body is read for rules. */
	#collecting = false;
	/** Responses completed; 0: fresh. */
	servedCount = 0;
	/** It knows its user (authentication.ts). */
	isPrivate = false;
	#lastQueueBytes = 0;
	#finished = false;
	#tunnel: Tunnel | undefined;
	#closing = false;

	/** Own end of the connection; still known when it has closed, for the log. */
	localAddress: string | undefined;
	localPort: number | undefined;
	/** What the handshake with the server came to; undefined in clear, or where no line asks for it. */
	tls: TlsView | undefined;

	/** `secure`: a TLS socket that connects already. */
	constructor(thread: ThreadRuntime, server: Server, client: ClientConnection, secure?: Socket) {
		super(thread, secure);
		this.server = server;
		this.client = client;
	}

	/** Begins to connect; `client.serverReady` or `client.serverFailed` follows, never before this returns. */
	connect(destination: Destination, timeoutMs: number): void {
		const { socket } = this;
		if (timeoutMs > 0) this.thread.wheel.set(this, this.thread.nowMs() + timeoutMs);
		if (this.isEncrypted) {
			socket.once('secureConnect', onConnect);
			return;
		}
		socket.once('connect', onConnect);
		if (destination.kind === 'unix') {
			socket.connect({ path: destination.abstract ? `\0${destination.path}` : destination.path });
			return;
		}
		const source = this.server.model.source;
		const options: TcpSocketConnectOpts = { host: destination.host, port: destination.port, noDelay: true };
		if (source?.kind === 'ip') {
			options.localAddress = source.address;
			if (source.port > 0) options.localPort = source.port;
		}
		socket.connect(options);
	}

	/** For the listener of 'connect'. */
	connected(): void {
		if (this.closed || this.#state !== State.CONNECTING) return;
		this.thread.nowMs();
		this.#state = State.IDLE;
		const { transport } = this;
		if (this.socket instanceof TLSSocket) countHandshake(this.#countersOf(), this.socket.isSessionReused());
		if (!this.wasReused) keepAlive(this.client?.stream, transport);
		this.localAddress = transport?.localAddress;
		this.localPort = transport?.localPort;
		if (transport instanceof TLSSocket && WANTED_TLS_FACTS.ofServers) this.tls = new SocketTlsView(transport, false);
		const header = this.isEncrypted || this.client === undefined ? undefined : this.client.headerFor(this.server);
		if (header !== undefined) this.writeBuffer(header, undefined);
		const { wasReused } = this;
		if (wasReused) this.servedCount = 1;
		this.guarded(() => this.client?.serverReady(this, wasReused));
	}

	// ---- what a stream of HTTP/2 has otherwise (h2/server-stream.ts) ---------------------------------------------

	/** What the bytes go through. */
	#countersOf(client: ClientConnection | undefined = this.client): ServerSideCounters | undefined {
		return client?.stream && serverSideCounters(client.stream, this.server);
	}

	protected get transport(): Socket | undefined {
		return this.socket;
	}

	/** It stands on something that has served before. */
	protected get wasReused(): boolean {
		return false;
	}

	/** For fetches; still known when the exchange is over. */
	get multiplex(): MultiplexView | undefined {
		return undefined;
	}

	/** The head of the request as text in front of its body; empty if it has gone out already. */
	requestHead(request: RequestHead, closes: boolean): string {
		const head = serializeRequest(request, { close: closes });
		const { headerCases } = this.thread;
		if (headerCases === undefined) return head;
		const bogus = this.client?.stream?.backendTraffic?.model.options.h1CaseAdjustBogusServer === true;
		return bogus ? adjustCase(head, headerCases) : head;
	}

	// ------------------------------------------------------------------------------------------------------------

	/** Serves another exchange, fresh from the pool. */
	attach(client: ClientConnection): void {
		this.client = client;
		this.#interimCount = 0;
		this.#finished = false;
	}

	/** A request head is being sent: its response is due. */
	expectResponse(timeoutMs: number, nowMs: number): void {
		this.#state = State.WAITING;
		this.#keepsAlive = false;
		this.thread.wheel.set(this, timeoutMs > 0 ? nowMs + timeoutMs : 0);
	}

	/** The server was told `connection: close`. */
	closesAfterResponse(): void {
		this.#saysClose = true;
	}

	/** Bytes both ways from now on (mode tcp, 101, CONNECT). */
	beginTunnel(tunnel: Tunnel): void {
		this.#state = State.TUNNEL;
		this.#tunnel = tunnel;
		this.bulk = true;
	}

	/** A rule waits for the body of the response: it is read on, a buffer of it. */
	collectBody(): void {
		if (this.#state !== State.HELD) return;
		this.#collecting = true;
		if (this.chunkLength < this.thread.bufsizeBytes) this.resumeReading();
	}

	/** Bytes of the request were sent: the server's time to answer begins anew. */
	override touch(nowMs: number): void {
		const timeoutMs = this.client?.stream?.serverTimeoutMs ?? 0;
		if (timeoutMs > 0) this.thread.wheel.set(this, nowMs + timeoutMs);
	}

	protected override received(): void {
		switch (this.#state) {
			case State.WAITING:
				this.#readHead();
				break;
			case State.BODY:
				this.relayBody('');
				break;
			case State.TUNNEL:
				this.#tunnel?.fromServer(this.thread.currentMs);
				break;
			case State.HELD:
				if (!this.#collecting) this.pauseReading();
				else {
					if (this.chunkLength >= this.thread.bufsizeBytes) this.pauseReading();
					this.touch(this.thread.currentMs);
					this.client?.stream?.responseBodyArrived(this.thread.currentMs);
				}
				break;
			case State.DONE:
				// More than the response: nothing that follows can be trusted.
				this.#keepsAlive = false;
				this.chunkStart = this.chunkEnd;
				break;
			default:
				// Bytes on an idle connection: an answer to nothing, often a 408 before the server closes.
				this.destroy();
		}
	}

	#readHead(): void {
		const { client } = this;
		const stream = client?.stream;
		if (client === undefined || stream === undefined) {
			this.destroy();
			return;
		}
		while (this.chunkStart < this.chunkEnd && this.#state === State.WAITING) {
			let start = this.chunkStart;
			if (this.chunk[start] === 13 || this.chunk[start] === 10) {
				const first = skipEmptyLines(this.chunk.subarray(0, this.chunkEnd), start);
				if (first instanceof HttpRefusal) {
					this.malformed(first);
					return;
				}
				start = first;
				this.chunkStart = first;
				if (first === this.chunkEnd) return;
			}
			const limit = this.thread.headLimits.headSizeMax;
			// A head in front of a long body: less is decoded that is no head.
			const firstBytes = this.chunkLength > SHORT_BYTES ? USUAL_HEAD_BYTES : SHORT_BYTES;
			let text = this.chunk.toString('latin1', start, Math.min(this.chunkEnd, start + firstBytes));
			let end = text.indexOf('\r\n\r\n');
			if (end < 0 && this.chunkEnd > start + firstBytes) {
				text = this.chunk.toString('latin1', start, Math.min(this.chunkEnd, start + limit));
				end = text.indexOf('\r\n\r\n');
			}
			let headEnd = end + 4;
			const { headLimits, lenientLimits } = this.thread;
			let head =
				end < 0
					? undefined
					: parseResponseHead(headEnd === text.length ? text : text.slice(0, headEnd), headLimits, stream.sentMethod);
			const repairs = stream.backendTraffic?.model.options.acceptInvalidHttpResponse === true;
			if (repairs && (head === undefined || isRefusal(head))) {
				const repaired = repairResponse(text, lenientLimits, stream.sentMethod);
				if (repaired === undefined || isRefusal(repaired)) head = repaired;
				else ({ head, byteCount: headEnd } = repaired);
			}
			if (head === undefined) {
				const bytes = this.chunk.subarray(0, this.chunkEnd);
				const isBroken = !repairs && findHeadEnd(bytes, start) === HEAD_BROKEN;
				const hopeless = !'HTTP/'.startsWith(text.slice(0, 5)) || isBroken;
				if (this.chunkLength >= limit || hopeless) {
					const broken = parseResponseHead(`${text}\r\n\r\n`, headLimits, stream.sentMethod);
					this.malformed(isRefusal(broken) ? broken : new HttpRefusal('HEAD_INCOMPLETE', text.length));
				}
				return;
			}
			if (isRefusal(head)) {
				this.malformed(head);
				return;
			}
			this.chunkStart = start + headEnd;
			if (head.status === 101 && stream.request !== undefined) {
				const refusal = checkSwitchingProtocols(stream.request, head);
				if (refusal !== undefined) {
					this.chunkStart = start;
					this.malformed(refusal);
					return;
				}
			}
			if (head.framing.kind === 'chunked' && this.chunkStart < this.chunkEnd) {
				// While the client has had nothing of it, a broken response can still become a 502.
				const broken = brokenChunks(this.chunk, this.chunkStart, this.chunkEnd);
				if (broken !== undefined) {
					this.chunkStart = start;
					this.malformed(new HttpRefusal(broken.code, broken.position - start));
					return;
				}
			}
			this.bodyText = text;
			this.bodyTextStart = headEnd;
			this.bodyTextOffset = start;
			this.headArrived(head);
			this.bodyText = '';
		}
	}

	/** A whole head is there, and looks well. */
	protected headArrived(head: ResponseHead): void {
		const { client } = this;
		const stream = client?.stream;
		if (client === undefined || stream === undefined || this.#state !== State.WAITING) {
			this.destroy();
			return;
		}
		if (head.status < 200 && head.status !== 101) {
			if (++this.#interimCount > MAX_INTERIM_RESPONSES) this.malformed();
			else client.relayInterim(head);
			return;
		}
		this.#state = State.HELD;
		this.#keepsAlive = !this.#saysClose && serverKeepsAlive(head);
		if (authenticatesConnection(head)) this.isPrivate = true;
		const nowMs = this.thread.currentMs;
		this.touch(nowMs);
		stream.responseReceived(head, head.framing, nowMs);
		if ((this.#state as number) === State.HELD && !this.#collecting && !this.closed) this.pauseReading();
	}

	/**
	 * The client's head is ready: relay the body behind it. `dechunk`: the client speaks HTTP/1.0. With `filtered` the
	 * body goes there, and `head` is sent by it.
	 */
	beginBody(head: string, framing: BodyFraming, dechunk: boolean, filtered?: FilteredBody): void {
		this.#state = State.BODY;
		this.#collecting = false;
		this.beginRelay(framing, dechunk, filtered);
		this.relayBody(head);
		filtered?.flushHead();
		if (this.closed || this.#state !== State.BODY) return;
		// It has ended while it was held.
		if (this.readEnded) {
			this.endReceived();
			return;
		}
		if (filtered?.isFull === true) return;
		if (this.readPaused && (this.client?.unwrittenBytes ?? 0) <= WRITE_LIMIT_BYTES) this.resumeReading();
	}

	protected override responseEnded(client: ClientConnection): void {
		this.servedCount++;
		if (this.chunkStart < this.chunkEnd) {
			this.#keepsAlive = false;
			this.chunkStart = this.chunkEnd;
		}
		this.#state = State.DONE;
		const filtered = this.takeFiltered();
		if (client.requestComplete) this.finish();
		// What the filters still hold follows; `filteredEnded` then completes the response.
		if (filtered !== undefined) filtered.finish();
		else client.responseComplete();
	}

	/** Request and response are complete: back to the pool, or closed. */
	finish(): void {
		if (this.#finished || this.closed) return;
		this.#finished = true;
		const { client } = this;
		this.client = undefined;
		if (client !== undefined) client.server = undefined;
		this.#state = State.IDLE;
		this.deadlineMs = 0;
		this.bulk = false;
		// Whoever left before the request was complete has left its server in the midst of one.
		const isWhole = client?.requestComplete === true;
		if (!this.#keepsAlive || this.readEnded || !isWhole || client.mayKeepServer !== true) this.destroy();
		else if ((this.isPrivate || !this.server.idle.put(this)) && !client.keepPrivate(this)) this.destroy();
	}

	/** True while the connection takes the rest of a request whose response is complete. */
	get takesRequest(): boolean {
		return !this.closed && this.#state !== State.DONE ? true : this.#keepsAlive && !this.closed && !this.readEnded;
	}

	/** The refusal's position counts from where the message begins in the chunk. */
	protected malformed(refusal?: Pick<HttpRefusal, 'position' | 'reason'>): void {
		if (refusal !== undefined) this.#capture(refusal);
		this.failed(Failure.SERVER_MALFORMED);
	}

	/** Here it counts from the chunk's first byte. */
	protected override malformedBody(refusal: HttpRefusal | undefined): void {
		if (refusal === undefined) this.malformed();
		else this.malformed({ reason: refusal.reason, position: Math.max(0, refusal.position - this.chunkStart) });
	}

	/** Notes the message for `show errors`. */
	#capture(refusal: Pick<HttpRefusal, 'position' | 'reason'>): void {
		const { client, server } = this;
		const backend = client?.stream?.backendTraffic?.model;
		if (client === undefined || backend === undefined) return;
		const { session } = client;
		const parties: MessageParties = {
			direction: 'response',
			proxy: backend.name,
			proxyId: backend.id,
			other: session.frontend.model.name,
			otherId: session.frontend.model.id,
			server: server.name,
			serverId: server.id,
			source: session.source === undefined ? 'unix' : `${session.source}:${session.sourcePort}`,
		};
		this.thread.captures.add(parties, this.chunk.subarray(this.chunkStart, this.chunkEnd), refusal);
	}

	/** Leaves the exchange and tells it why. */
	protected failed(failure: Failure): void {
		const { client } = this;
		this.client = undefined;
		this.destroy();
		client?.serverFailed(this, failure);
	}

	protected override endReceived(): void {
		switch (this.#state) {
			case State.IDLE:
				if (this.client === undefined) this.destroy();
				break;
			case State.BODY:
				if (this.client !== undefined && this.endsWithConnection) this.endedByServer(this.client);
				else this.failed(Failure.SERVER_ABORT);
				break;
			case State.WAITING:
				this.failed(this.#closedEarly());
				break;
			case State.HELD:
				if (this.#collecting) this.client?.stream?.responseBodyArrived(this.thread.nowMs());
				break;
			case State.TUNNEL:
				this.#tunnel?.serverEnded(this.thread.nowMs());
				break;
			case State.DONE:
				this.#keepsAlive = false;
				break;
			default:
				break;
		}
	}

	#closedEarly(): Failure {
		return this.servedCount > 0 && this.chunkLength === 0 && this.#interimCount === 0
			? Failure.SERVER_CLOSED_REUSED
			: Failure.SERVER_CLOSED;
	}

	protected override lost(error: Error | undefined): void {
		const { client } = this;
		this.client = undefined;
		if (client === undefined) return;
		switch (this.#state) {
			case State.CONNECTING:
				if (this.socket instanceof TLSSocket) countHandshakeFailure(this.#countersOf(client), error);
				if (this.isEncrypted) noteServerFailure(client.stream, this.server, error);
				client.serverFailed(this, connectFailure(error));
				return;
			case State.WAITING:
			case State.IDLE:
				client.serverFailed(
					this,
					this.servedCount > 0 && this.#interimCount === 0 ? Failure.SERVER_CLOSED_REUSED : Failure.SERVER_CLOSED,
				);
				return;
			case State.DONE:
				client.server = undefined;
				client.serverGoneAfterResponse();
				return;
			default:
				client.serverFailed(this, Failure.SERVER_ABORT);
				return;
		}
	}

	protected override written(): void {
		if (this.#closing) {
			if (this.unwrittenBytes === 0) this.destroy();
			return;
		}
		this.client?.serverDrained();
	}

	override deadlinePassed(nowMs: number): void {
		if (this.closed) return;
		this.guarded(() => {
			switch (this.#state) {
				case State.CONNECTING:
					return this.failed(Failure.CONNECT_TIMEOUT);
				case State.IDLE:
					return this.destroy();
				case State.TUNNEL:
					return this.#tunnel?.timedOut('server', nowMs);
				default: {
					// A slow client is not the server's fault, and a server that takes bytes slowly is alive.
					const queueBytes = this.kernelQueueBytes;
					if (this.readPaused || (queueBytes > 0 && queueBytes !== this.#lastQueueBytes)) {
						this.#lastQueueBytes = queueBytes;
						return this.touch(nowMs);
					}
					return this.failed(Failure.SERVER_TIMEOUT);
				}
			}
		});
	}

	protected override crashed(error: unknown): void {
		this.thread.logger.error({ err: error }, 'a server connection failed inside the proxy');
		if (this.closed) return;
		const { client } = this;
		this.client = undefined;
		this.destroy();
		client?.serverFailed(this, Failure.INTERNAL);
	}

	protected override released(): void {
		this.thread.wheel.remove(this);
		this.server.idle.drop(this);
	}

	/** For the pool of idle connections, which has forgotten it already. */
	close(): void {
		this.destroy();
	}

	/** The last bytes are still delivered; then the connection is gone. */
	closeWhenWritten(): void {
		this.#closing = true;
		this.endWriting();
		if (this.unwrittenBytes === 0) this.destroy();
		else this.notifyWhenWritten();
	}

	/** The rest of the chunk that the head did not use, for rules that look at the response's bytes. */
	get heldBytes(): Buffer | undefined {
		return this.chunkLength === 0 ? undefined : this.chunk.subarray(this.chunkStart, this.chunkEnd);
	}
}

function connectFailure(error: Error | undefined): Failure {
	const code = (error as NodeJS.ErrnoException | undefined)?.code;
	return code === 'EMFILE' || code === 'ENFILE' || code === 'EADDRNOTAVAIL' || code === 'ENOBUFS' || code === 'ENOMEM'
		? Failure.CONNECT_RESOURCE
		: Failure.CONNECT_REFUSED;
}

function onConnect(this: unknown): void {
	(this as { connection?: ServerConnection }).connection?.connected();
}
