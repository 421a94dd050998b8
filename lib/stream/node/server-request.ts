/**
 * One request to one server, by http-proxy: connects or reuses, sends head and body, receives the head of the
 * response. Every event comes to one `ServerRequestEvents` object, at most one failure of it, and nothing after
 * `drop`; what http-proxy or Node throws is such a failure and never leaves this file.
 *
 * http-proxy is given a stand-in for the client's request (`ForwardedRequest`) and the response is handled here
 * (`selfHandleResponse`): it makes the client request and watches over its errors, but does not see the
 * client's socket. It would merge repeated fields, drop one called `__proto__`, join slashes of the path and
 * pipe a body before the head is final (GHSA-6x33-pw7p-hmpq); so head and path are set on the client
 * request itself, before its first byte, and the body follows when the connection stands.
 */
import { EventEmitter } from 'node:events';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import httpProxy from 'http-proxy';
import type { Server } from '../../backend/server.js';
import { RequestHead } from '../../http/message.js';
import { serializeRequest } from '../../http/serializer.js';
import { Failure } from '../exchange.js';
import { flatFields, type RawResponse } from './heads.js';
import type { ServerAgent } from './server-agent.js';

export interface ServerRequestEvents {
	/** Connected: the body may be sent. */
	connected(reused: boolean): void;
	interim(response: RawResponse): void;
	response(message: IncomingMessage): void;
	/** 101, or any answer to CONNECT: the bytes that follow are the socket's. */
	switched(message: IncomingMessage, socket: Socket, first: Buffer): void;
	/** Before the head of the response; the connection is gone. */
	failed(failure: Failure): void;
	/** The server has taken what was written. */
	drained(): void;
	/** Something threw inside an event. */
	crashed(error: unknown): void;
}

/** What http-proxy sees of the client's request. */
class ForwardedRequest extends EventEmitter {
	readonly method: string;
	readonly url = '/';
	readonly headers = {};
	readonly socket: Socket;
	readonly connection: Socket;
	readonly owner: ServerRequest;

	constructor(method: string, socket: Socket, owner: ServerRequest) {
		super();
		this.method = method;
		this.socket = socket;
		this.connection = socket;
		this.owner = owner;
	}

	/** Called by http-proxy with the client request it has made, before anything is sent. */
	pipe(request: ClientRequest): ClientRequest {
		this.owner.prepare(request);
		return request;
	}
}

/** http-proxy wants a response to look at; with `selfHandleResponse` it only reads these. */
const RESPONSE_STAND_IN = { headersSent: false, finished: false } as unknown as ServerResponse;

const proxy = httpProxy.createProxyServer({ selfHandleResponse: true, toProxy: true, prependPath: false });
proxy.on('proxyRes', (message, forwarded) => {
	(forwarded as unknown as ForwardedRequest).owner.received(message);
});
// Errors come to the callback of each request; without a listener a stray one would end the process.
proxy.on('error', () => {});

export class ServerRequest {
	readonly agent: ServerAgent;
	readonly #events: ServerRequestEvents;
	readonly #lines: string;
	readonly #close: boolean;
	#request: ClientRequest | undefined;
	#connected = false;
	#answered = false;
	/** Nothing more is told. */
	#over = false;

	constructor(head: RequestHead, close: boolean, agent: ServerAgent, events: ServerRequestEvents) {
		this.agent = agent;
		this.#events = events;
		this.#close = close;
		// Node writes requests of HTTP/1.1 only; a client of HTTP/1.0 gets the answer translated.
		const asSent = new RequestHead(head.method, head.target, 11, head.headers, head.framing, head.connection);
		this.#lines = serializeRequest(asSent, { close });
	}

	/** Begins; events follow, never before this returns. */
	start(server: Server, clientSocket: Socket): void {
		const method = this.#lines.slice(0, this.#lines.indexOf(' '));
		const forwarded = new ForwardedRequest(method, clientSocket, this);
		try {
			proxy.web(
				forwarded as unknown as IncomingMessage,
				RESPONSE_STAND_IN,
				{
					target: { protocol: 'http:', host: server.address, port: String(server.port || 80) },
					agent: this.agent as never,
					// `forwarded.pipe` is http-proxy's own choice unless a buffer is given.
				},
				(error) => this.#failed(error),
			);
		} catch (error) {
			queueMicrotask(() => this.#crashed(error));
		}
	}

	/** For ForwardedRequest: the whole head, before its first byte. */
	prepare(request: ClientRequest): void {
		this.#request = request;
		for (const name of request.getHeaderNames()) request.removeHeader(name);
		// Removed, they are not added by Node of its own accord.
		for (const name of ['connection', 'content-length', 'transfer-encoding']) request.removeHeader(name);
		request.path = this.#lines.slice(this.#lines.indexOf(' ') + 1, this.#lines.indexOf(' HTTP/1.1\r\n'));
		const fields = new Map<string, string[]>();
		const flat = flatFields(this.#lines);
		for (let i = 0; i < flat.length; i += 2) {
			const name = flat[i] as string;
			const values = fields.get(name);
			if (values === undefined) fields.set(name, [flat[i + 1] as string]);
			else values.push(flat[i + 1] as string);
		}
		for (const [name, values] of fields) request.setHeader(name, values.length === 1 ? (values[0] as string) : values);
		request.shouldKeepAlive = !this.#close;
		request.on('information', (information) => this.#guard(() => this.#events.interim(information as RawResponse)));
		request.on('drain', () => this.#guard(() => this.#events.drained()));
		// Nobody waits for a drain that can no longer come.
		request.on('close', () => this.#guard(() => this.#events.drained()));
		const switched = (message: IncomingMessage, socket: Socket, first: Buffer): void => {
			this.#answered = true;
			this.#guard(() => this.#events.switched(message, socket, first));
		};
		request.on('upgrade', switched);
		request.on('connect', switched);
		request.on('socket', (socket) => {
			if (!socket.connecting) this.#onConnected();
			else socket.once('connect', () => this.#onConnected());
		});
	}

	#onConnected(): void {
		if (this.#over) return;
		this.#connected = true;
		this.#guard(() => this.#events.connected(this.agent.reused));
	}

	/** For http-proxy's `proxyRes`. */
	received(message: IncomingMessage): void {
		if (this.#over) {
			message.destroy();
			return;
		}
		this.#answered = true;
		// The error of a body that breaks off is seen by who reads it, and must not leave it unseen.
		message.on('error', () => {});
		this.#guard(() => this.#events.response(message));
	}

	#failed(error: Error): void {
		if (this.#over || this.#answered) return;
		this.#over = true;
		const failure = this.#failureOf(error as NodeJS.ErrnoException);
		this.#destroy();
		this.#events.failed(failure);
	}

	#failureOf(error: NodeJS.ErrnoException): Failure {
		const code = error.code ?? '';
		if (!this.#connected) {
			const here = ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'].includes(code);
			return here ? Failure.CONNECT_RESOURCE : Failure.CONNECT_REFUSED;
		}
		if (code.startsWith('HPE_')) return Failure.SERVER_MALFORMED;
		// What Node refuses to send is a head or a body that rules or a client made impossible.
		if (code.startsWith('ERR_')) return Failure.INTERNAL;
		return this.agent.reused ? Failure.SERVER_CLOSED_REUSED : Failure.SERVER_CLOSED;
	}

	/** False: wait for `drained`. What is written after the server has gone is forgotten. */
	write(bytes: Buffer): boolean {
		return this.isGone || this.#request?.write(bytes) !== false;
	}

	/** The connection is closed: after a complete response, nobody takes the rest of the request. */
	get isGone(): boolean {
		return this.#over || this.#request === undefined || this.#request.destroyed;
	}

	/** Sends the head before any byte of the body is there. */
	flush(): void {
		this.#request?.flushHeaders();
	}

	end(trailers: [string, string][]): void {
		if (this.isGone || this.#request === undefined) return;
		if (trailers.length > 0) this.#request.addTrailers(trailers);
		this.#request.end();
	}

	/** The exchange has nothing more to do with it; closes the connection unless it rests in the pool. */
	drop(): void {
		if (this.#over) return;
		this.#over = true;
		this.#destroy();
	}

	/** The response is complete: the connection goes its own way, to the pool or not. */
	detach(): void {
		this.#over = true;
	}

	#destroy(): void {
		this.#request?.destroy();
		this.agent.connection?.close();
	}

	#guard(work: () => void): void {
		if (this.#over) return;
		try {
			work();
		} catch (error) {
			this.#crashed(error);
		}
	}

	#crashed(error: unknown): void {
		if (!this.#over) {
			this.#over = true;
			this.#destroy();
		}
		this.#events.crashed(error);
	}
}
