/**
 * A client's connection in the node engine: Node's http server reads requests from it, and this object lets them
 * through one at a time, keeps the time between them, and answers what is no request.
 *
 * Node parses pipelined requests as they come, while HAProxy and the native engine begin one when the answer
 * before it is complete; here they wait in a list, and reading stops while one waits.
 *
 * After `upgrade` and CONNECT Node hands over the socket. If it does not become a tunnel it is given back to
 * the http server together with the bytes that were read from it.
 */
import { type Server as HttpServer, type IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Server } from '../../backend/server.js';
import { resetSocket } from '../../core/reset-socket.js';
import { asksForUpgrade } from '../../http/connection.js';
import { HttpRefusal } from '../../http/refusal.js';
import { Failure } from '../exchange.js';
import type { Session } from '../session.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { Deadline } from '../timeouts.js';
import { type ParseError, refusalOf, requestHeadOf } from './heads.js';
import { NodeExchange } from './node-exchange.js';
import type { NodeServerConnection } from './server-agent.js';

/** How long a closing connection listens for the client's own end. */
const LINGER_MS = 5000;
const NO_BYTES = Buffer.alloc(0);

interface WaitingRequest {
	readonly request: IncomingMessage;
	readonly response: ServerResponse;
}

/**
 * A socket that stays paused when asked to. Node resumes a server's socket after each request that it has parsed;
 * while one waits, that would read and parse all that a client cares to send.
 */
class HeldSocket extends Socket {
	held = false;

	hold(): void {
		this.held = true;
		this.pause();
	}

	release(): void {
		this.held = false;
		this.resume();
	}

	override resume(): this {
		return this.held ? this : super.resume();
	}
}

export class NodeConnection extends Deadline {
	readonly thread: ThreadRuntime;
	readonly session: Session;
	readonly socket: HeldSocket;
	readonly #server: HttpServer;
	readonly #waiting: WaitingRequest[] = [];
	#exchange: NodeExchange | undefined;
	#privateServer: NodeServerConnection | undefined;
	/** Node has given the socket away; bytes that it had read from it. */
	#detachedBytes: Buffer | undefined;
	#closing = false;
	/** `bytesRead` when the connection began to wait for a request. */
	#bytesWhenIdle = 0;
	#headHasBegun = false;
	#idleSinceMs = 0;

	constructor(thread: ThreadRuntime, session: Session, handle: unknown, server: HttpServer) {
		super();
		this.thread = thread;
		this.session = session;
		this.#server = server;
		this.socket = new HeldSocket({ handle, allowHalfOpen: true } as unknown as ConstructorParameters<typeof Socket>[0]);
		this.socket.setNoDelay(true);
		this.socket.on('error', () => {});
		// Before Node's own listener, which ends a connection that is between two requests.
		this.socket.on('end', () => this.#endedWithoutRequest());
		this.socket.on('close', () => this.#closed());
	}

	open(): void {
		this.#server.emit('connection', this.socket);
		this.#waitForHead(this.thread.nowMs());
	}

	// ---- what Node's server tells ----------------------------------------------------------------------------

	/** 'request', 'checkContinue', 'checkExpectation'. */
	requestArrived(request: IncomingMessage, response: ServerResponse): void {
		if (this.#closing) return;
		if (this.#exchange === undefined) {
			this.#begin(request, response);
			return;
		}
		this.#waiting.push({ request, response });
		this.socket.hold();
	}

	/** 'upgrade', 'connect': the socket is ours, `first` was read behind the head. */
	detached(request: IncomingMessage, first: Buffer): void {
		if (this.#closing) return;
		this.#detachedBytes = first;
		const response = new ServerResponse(request);
		if (this.#exchange !== undefined) {
			this.#waiting.push({ request, response });
			return;
		}
		this.#beginDetached(request, response);
	}

	#beginDetached(request: IncomingMessage, response: ServerResponse): void {
		const head = requestHeadOf(request, this.thread.headLimits);
		if (!(head instanceof HttpRefusal) && head.method !== 'CONNECT' && !asksForUpgrade(head)) {
			this.#giveBack(request);
			return;
		}
		response.shouldKeepAlive = false;
		response.assignSocket(this.socket);
		this.#begin(request, response);
	}

	/**
	 * An upgrade that is not forwarded is a plain request, perhaps with a body: Node reads it once more, without
	 * the Upgrade field that made it stop.
	 */
	#giveBack(request: IncomingMessage): void {
		const { rawHeaders } = request;
		let head = `${request.method} ${request.url} HTTP/${request.httpVersion}\r\n`;
		for (let i = 0; i < rawHeaders.length; i += 2) {
			if (rawHeaders[i]?.toLowerCase() !== 'upgrade') head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
		}
		const first = this.takeDetachedBytes();
		this.#detachedBytes = undefined;
		this.socket.unshift(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), first]));
		this.#server.emit('connection', this.socket);
	}

	get isDetached(): boolean {
		return this.#detachedBytes !== undefined;
	}

	takeDetachedBytes(): Buffer {
		const bytes = this.#detachedBytes ?? NO_BYTES;
		if (this.#detachedBytes !== undefined) this.#detachedBytes = NO_BYTES;
		return bytes;
	}

	#begin(request: IncomingMessage, response: ServerResponse): void {
		const nowMs = this.thread.nowMs();
		this.clearDeadline();
		const head = requestHeadOf(request, this.thread.headLimits);
		if (head instanceof HttpRefusal) {
			this.#refuse(head.status, Failure.CLIENT_MALFORMED, nowMs);
			return;
		}
		const exchange = new NodeExchange(this, head, { request, response }, nowMs);
		this.#exchange = exchange;
		exchange.guard(() => exchange.start(nowMs));
	}

	/** 'clientError': bytes that llhttp refuses, or the socket's own error. */
	parseFailed(error: ParseError): void {
		if (this.#closing) return;
		const broken = error.code === 'ECONNRESET' || error.code === 'EPIPE' || error.code === 'HPE_INVALID_EOF_STATE';
		const exchange = this.#exchange;
		if (exchange !== undefined) {
			if (!exchange.isWaitingForClient) return;
			exchange.guard(() => exchange.clientFailed(broken ? Failure.CLIENT_ABORT : Failure.CLIENT_MALFORMED));
			return;
		}
		const nowMs = this.thread.nowMs();
		if (!broken) {
			const verdict = refusalOf(error, this.thread.headLimits);
			this.#refuse(verdict, Failure.CLIENT_MALFORMED, nowMs);
		} else this.#refuse(400, Failure.CLIENT_ABORT, nowMs);
	}

	/** Answers what is no request, without rules, and closes. */
	#refuse(status: number, failure: Failure, nowMs: number, isNull = false): void {
		this.clearDeadline();
		const exchange = new NodeExchange(this, undefined, { request: undefined, response: undefined }, nowMs);
		exchange.stream.isNull = isNull;
		this.#exchange = exchange;
		exchange.guard(() => exchange.stream.refuse(status, failure, nowMs));
	}

	// ---- what exchanges tell -----------------------------------------------------------------------------------

	exchangeOver(exchange: NodeExchange, close: boolean): void {
		if (this.#exchange !== exchange) return;
		this.#exchange = undefined;
		if (this.socket.destroyed) return;
		if (close) {
			this.#closeGently();
			return;
		}
		const nowMs = this.thread.nowMs();
		if (this.isDetached) this.#reattach();
		this.#waitForHead(nowMs);
		const next = this.#waiting.shift();
		if (next === undefined) return;
		if (this.#waiting.length === 0) this.socket.release();
		// Not within the callbacks of the response before it: Node has yet to take that one off the socket.
		setImmediate(() => {
			if (this.socket.destroyed || this.#closing) return;
			if (this.isDetached) this.#beginDetached(next.request, next.response);
			else this.#begin(next.request, next.response);
		});
	}

	/** The server answered an upgrade as a plain request: the connection goes on. */
	#reattach(): void {
		const first = this.takeDetachedBytes();
		this.#detachedBytes = undefined;
		if (first.length > 0) this.socket.unshift(first);
		this.#server.emit('connection', this.socket);
	}

	#closeGently(): void {
		if (this.#closing) return;
		this.#closing = true;
		this.socket.end();
		// What the client still sends is read and forgotten, or it would turn into a reset of the answer.
		this.socket.held = false;
		this.socket.removeAllListeners('data');
		this.socket.on('end', () => this.destroy());
		this.socket.resume();
		if (this.socket.readableEnded) this.socket.destroySoon();
		else
			this.thread.wheel.set(
				this,
				this.thread.nowMs() + (this.session.frontend.model.timeouts.clientFinMs ?? LINGER_MS),
			);
	}

	takePrivate(server: Server): NodeServerConnection | undefined {
		const own = this.#privateServer;
		this.#privateServer = undefined;
		if (own === undefined || (own.server === server && !own.socket.destroyed)) return own;
		own.close();
		return undefined;
	}

	/** The connection stays with the client that opened it. */
	keepPrivate(connection: NodeServerConnection): boolean {
		if (this.#closing) return false;
		this.#privateServer?.close();
		this.#privateServer = connection;
		return true;
	}

	// ---- time ----------------------------------------------------------------------------------------------------

	#waitForHead(nowMs: number): void {
		this.#idleSinceMs = nowMs;
		this.#bytesWhenIdle = this.socket.bytesRead;
		this.#headHasBegun = false;
		const {
			clientMs = 0,
			httpRequestMs = clientMs,
			httpKeepAliveMs = httpRequestMs,
		} = this.session.frontend.model.timeouts;
		const timeoutMs = this.session.requestCount > 0 ? httpKeepAliveMs : httpRequestMs;
		this.thread.wheel.set(this, timeoutMs > 0 ? nowMs + timeoutMs : 0);
	}

	setClientDeadline(nowMs: number, timeoutMs: number): void {
		this.thread.wheel.set(this, timeoutMs > 0 ? nowMs + timeoutMs : 0);
	}

	clearDeadline(): void {
		this.deadlineMs = 0;
	}

	override deadlinePassed(nowMs: number): void {
		if (this.socket.destroyed) return;
		if (this.#closing) {
			this.destroy();
			return;
		}
		const exchange = this.#exchange;
		if (exchange !== undefined) {
			exchange.guard(() => exchange.clientTimedOut(nowMs));
			return;
		}
		const begun = this.socket.bytesRead > this.#bytesWhenIdle;
		const { model } = this.session.frontend;
		if (this.session.requestCount > 0 && !begun) {
			this.destroy();
			return;
		}
		if (this.session.requestCount > 0 && !this.#headHasBegun) {
			// The idle time has run out, but a head began within it: it has the time of a head, once.
			this.#headHasBegun = true;
			const { clientMs = 0, httpRequestMs = clientMs } = model.timeouts;
			this.setClientDeadline(nowMs, httpRequestMs);
			return;
		}
		if (!begun && model.options.httpIgnoreProbes) {
			this.destroy();
			return;
		}
		this.#refuse(408, Failure.CLIENT_TIMEOUT, nowMs);
	}

	// ---- the end ---------------------------------------------------------------------------------------------------

	/** Soft stop: a connection that has had an answer and rests since then goes; one that never asked is still served. */
	closeIdle(restingSinceMs: number): void {
		if (this.#exchange !== undefined || this.session.requestCount === 0 || this.#idleSinceMs > restingSinceMs) return;
		if (this.socket.bytesRead > this.#bytesWhenIdle) return;
		this.#closeGently();
	}

	destroy(): void {
		this.#closing = true;
		this.socket.destroy();
	}

	reset(): void {
		this.#closing = true;
		resetSocket(this.socket);
	}

	#closed(): void {
		this.thread.wheel.remove(this);
		this.#privateServer?.close();
		this.#privateServer = undefined;
		const exchange = this.#exchange;
		this.#exchange = undefined;
		if (exchange !== undefined) exchange.guard(() => exchange.clientFailed(Failure.CLIENT_ABORT));
		else if (!this.#closing && this.session.requestCount === 0) this.#noteProbe();
		this.#closing = true;
		queueMicrotask(() => this.session.end(this.thread.nowMs()));
	}

	/** The client's last word came before its first: answered like any other request that is none. */
	#endedWithoutRequest(): void {
		if (this.#exchange !== undefined || this.session.requestCount > 0 || this.socket.bytesRead > 0 || this.#closing)
			return;
		if (this.session.frontend.model.options.httpIgnoreProbes) {
			this.destroy();
			return;
		}
		this.#refuse(400, Failure.CLIENT_ABORT, this.thread.nowMs(), true);
	}

	/** Reset before its first request: there is nobody to answer, but it is counted and logged. */
	#noteProbe(): void {
		if (this.session.frontend.model.options.httpIgnoreProbes && this.socket.bytesRead === 0) return;
		this.#refuse(400, Failure.CLIENT_ABORT, this.thread.nowMs(), this.socket.bytesRead === 0);
	}
}
