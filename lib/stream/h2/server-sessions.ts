/**
 * The connections of HTTP/2 to one server, in one thread: each carries many requests at once.
 *
 * Which of them a request may have is the manual's `http-reuse` (4.2): under `never` those of its own client, under
 * `safe` also one that rests, unless it is the client's first request, since a busy one is kept for the
 * client that it serves (a slow one would hold up the others); under `aggressive` and `always` any, the
 * first request under `aggressive` one that has proved to be of use. No more streams than the server allows and
 * `tune.h2.be.max-concurrent-streams` says, no more requests than `max-reuse`.
 *
 * A connection rests in nobody's list when its last stream has ended; it counts as idle among those of all threads
 * (`pool-max-conn`), and is closed when it was not needed for `pool-purge-delay`. One that the server asks to go away
 * gets no new streams; what the server says it has not seen is sent again (server-stream.ts).
 */
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { proxyHeaderFor } from '../../backend/proxy-header.js';
import type { Destination, Server } from '../../backend/server.js';
import type { ServerModel } from '../../config/model.js';
import type { Timer } from '../../core/clock.js';
import type { Session } from '../session.js';
import type { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import type { ServerStream } from './server-stream.js';

/** Streams at once until the server has said what it allows (RFC 9113, section 6.5.2 asks for 100 at least). */
const STREAMS_UNTIL_TOLD = 100;
const SESSION_MEMORY_MB = 64;

/** Whether requests to this server may go by HTTP/2: agreed on beforehand, or by ALPN. */
export function maySpeakH2(model: ServerModel): boolean {
	if (model.proto !== undefined) return model.proto === 'h2';
	return model.tls?.alpn.includes('h2') === true;
}

/** One connection. */
export class ServerSession {
	readonly destination: Destination;
	readonly socket: Socket | TLSSocket;
	/** The client that it is kept for. */
	owner: Session | undefined;
	readonly streams = new Set<ServerStream>();
	h2: ClientHttp2Session | undefined;
	/** Streams that Node has not closed: some may outlive their requests. */
	openCount = 0;
	/** Requests beyond the first. */
	reuseCount = 0;
	/** It has carried a request to its end. */
	isProven = false;
	/** Its settings have come. */
	isTold = false;
	isLeaving = false;
	isIdle = false;
	idleSinceMs = 0;

	constructor(destination: Destination, socket: Socket | TLSSocket, owner: Session) {
		this.destination = destination;
		this.socket = socket;
		this.owner = owner;
	}
}

const perServer = new WeakMap<Server, ServerSessions>();

export function sessionsOf(server: Server, thread: ThreadRuntime): ServerSessions {
	let sessions = perServer.get(server);
	if (sessions === undefined) {
		sessions = new ServerSessions(server, thread);
		perServer.set(server, sessions);
	}
	return sessions;
}

export class ServerSessions {
	readonly #server: Server;
	readonly #thread: ThreadRuntime;
	readonly #sessions = new Set<ServerSession>();
	/** By `proto`, or by ALPN when it was asked last: requests may wait for a connection together. */
	#agreesOnH2: boolean;
	#timer: Timer | undefined;

	constructor(server: Server, thread: ThreadRuntime) {
		this.#server = server;
		this.#thread = thread;
		this.#agreesOnH2 = server.model.proto === 'h2';
		server.idle.alsoClose = () => this.closeIdle();
	}

	/** Connections, resting ones included; for tests and statistics. */
	get count(): number {
		return this.#sessions.size;
	}

	/** Finds a connection for the stream, or begins one; `stream.sessionReady` or `stream.sessionFailed` follows. */
	open(stream: ServerStream, request: Stream, destination: Destination, mayReuse: boolean): void {
		const found = mayReuse ? this.#find(request, destination) : undefined;
		if (found !== undefined) {
			this.#wake(found);
			found.reuseCount++;
			found.streams.add(stream);
			stream.session = found;
			if (found.h2 !== undefined) queueMicrotask(() => stream.sessionReady(true));
			return;
		}
		this.#connect(stream, request, destination);
	}

	#find(request: Stream, destination: Destination): ServerSession | undefined {
		const client = request.session;
		const isFirst = client.requestCount <= 1;
		const mode = this.#server.idle.reuse;
		const { maxReuse } = this.#server.model;
		for (const one of this.#sessions) {
			if (one.isLeaving || !sameDestination(one.destination, destination)) continue;
			if (one.h2 === undefined && !this.#agreesOnH2) continue;
			if (maxReuse >= 0 && one.reuseCount >= maxReuse) continue;
			if (Math.max(one.streams.size, one.openCount) >= this.#streamLimit(one)) continue;
			if (one.owner === client) return one;
			if (mode === 'always') return one;
			if (mode === 'aggressive' && (!isFirst || one.isProven)) return one;
			if (mode === 'safe' && !isFirst && one.isIdle) return one;
		}
		return undefined;
	}

	#streamLimit({ h2 }: ServerSession): number {
		const own = this.#thread.h2.beMaxConcurrentStreams || Number.POSITIVE_INFINITY;
		const told = h2?.remoteSettings?.maxConcurrentStreams ?? STREAMS_UNTIL_TOLD;
		return Math.min(own, told);
	}

	#connect(stream: ServerStream, request: Stream, destination: Destination): void {
		const server = this.#server;
		const header = proxyHeaderFor(server.model, request.session);
		const tls = server.tls?.connect(destination, request, header);
		const socket = tls ?? connectTcp(tcpOptions(server, destination));
		const session = new ServerSession(destination, socket, request.session);
		session.streams.add(stream);
		stream.session = session;
		this.#sessions.add(session);
		const lost = (error?: Error): void => this.#lost(session, error);
		socket.on('error', lost);
		socket.on('close', () => lost());
		if (tls === undefined) {
			socket.once('connect', () => {
				if (header !== undefined) socket.write(header);
				this.#begin(session);
			});
		} else {
			// OpenSSL is still at work below this event.
			tls.once('secureConnect', () => setImmediate(() => this.#secured(session, tls)));
		}
	}

	#secured(session: ServerSession, tls: TLSSocket): void {
		if (tls.destroyed || !this.#sessions.has(session)) return;
		this.#agreesOnH2 = this.#server.model.proto === 'h2' || tls.alpnProtocol === 'h2';
		if (this.#agreesOnH2) {
			this.#begin(session);
			return;
		}
		// ALPN has chosen HTTP/1.1: the socket is the stream's own from here on.
		this.#sessions.delete(session);
		const [stream, ...others] = session.streams;
		if (stream === undefined) tls.destroy();
		else stream.becomePlain(tls);
		for (const other of others) other.reopen();
	}

	#begin(session: ServerSession): void {
		const { socket } = session;
		if (socket.destroyed || !this.#sessions.has(session)) return;
		// A server that has closed its half answers nothing more, and Node would wait for ever.
		socket.allowHalfOpen = false;
		socket.once('end', () => {
			session.isLeaving = true;
			setImmediate(() => socket.destroy());
		});
		const { beInitialWindowSize, headerTableSize, maxFrameSize } = this.#thread.h2;
		const h2 = connectHttp2('http://server', {
			createConnection: () => socket,
			maxSessionMemory: SESSION_MEMORY_MB,
			maxReservedRemoteStreams: 0,
			settings: {
				enablePush: false,
				headerTableSize,
				initialWindowSize: beInitialWindowSize,
				...(maxFrameSize === undefined ? undefined : { maxFrameSize }),
			},
		});
		session.h2 = h2;
		h2.on('error', () => undefined);
		h2.once('remoteSettings', () => {
			session.isTold = true;
		});
		h2.on('goaway', () => {
			session.isLeaving = true;
		});
		h2.on('close', () => this.#lost(session, undefined));
		// One slow client must not use up the window of all: each stream has its own.
		h2.once('connect', () => setWindow(h2, beInitialWindowSize * (Math.min(100, this.#streamLimit(session)) + 1)));
		let isFirst = true;
		for (const stream of session.streams) {
			stream.sessionReady(!isFirst);
			isFirst = false;
		}
	}

	#lost(session: ServerSession, error: Error | undefined): void {
		if (!this.#sessions.delete(session)) return;
		this.#wake(session);
		const hadBegun = session.h2 !== undefined;
		setImmediate(() => {
			if (!session.socket.destroyed) session.socket.destroy();
		});
		for (const stream of [...session.streams]) {
			session.streams.delete(stream);
			// Streams that have begun are told by Node.
			if (!hadBegun) stream.sessionFailed(error);
		}
	}

	/** The stream has ended, or is not wanted any more. */
	release(session: ServerSession, stream: ServerStream): void {
		if (!session.streams.delete(stream) || session.streams.size > 0 || !this.#sessions.has(session)) return;
		session.isProven = true;
		if (session.h2 === undefined || session.isLeaving || !this.#mayRest(session)) {
			this.#close(session);
			return;
		}
		if (this.#server.idle.reuse !== 'never') session.owner = undefined;
		session.isIdle = true;
		session.idleSinceMs = this.#thread.nowMs();
		const { states, index } = this.#server;
		states.addIdle(index, 1);
		this.#timer ??= this.#thread.clock.setTimer(this.#purge, this.#server.model.poolPurgeDelayMs);
	}

	#mayRest(session: ServerSession): boolean {
		const { states, index, model, idle } = this.#server;
		const { poolMaxConn, poolPurgeDelayMs, maxReuse } = model;
		if (poolPurgeDelayMs === 0 || session.socket.destroyed) return false;
		if (poolMaxConn >= 0 && states.idle(index) >= poolMaxConn) return false;
		if (maxReuse >= 0 && session.reuseCount >= maxReuse) return false;
		return idle.reuse !== 'never' || session.owner?.hasEnded === false;
	}

	#wake(session: ServerSession): void {
		if (!session.isIdle) return;
		session.isIdle = false;
		this.#server.states.addIdle(this.#server.index, -1);
	}

	readonly #purge = (): void => {
		this.#timer = undefined;
		const nowMs = this.#thread.nowMs();
		const { poolPurgeDelayMs } = this.#server.model;
		let resting = 0;
		for (const session of [...this.#sessions]) {
			if (!session.isIdle) continue;
			const isOwnerGone = session.owner?.hasEnded === true;
			if (isOwnerGone || nowMs - session.idleSinceMs >= poolPurgeDelayMs) this.#close(session);
			else resting++;
		}
		if (resting > 0) this.#timer = this.#thread.clock.setTimer(this.#purge, poolPurgeDelayMs);
	};

	/** Deferred: never below a callback of the session's own. */
	#close(session: ServerSession): void {
		this.#wake(session);
		this.#sessions.delete(session);
		session.isLeaving = true;
		setImmediate(() => {
			const { h2, socket } = session;
			if (h2 === undefined) socket.destroy();
			else if (!h2.destroyed) h2.destroy(undefined, constants.NGHTTP2_NO_ERROR);
		});
	}

	/** As when the server goes down or gets another address. */
	closeIdle(): void {
		for (const session of [...this.#sessions]) if (session.isIdle) this.#close(session);
		this.#timer?.cancel();
		this.#timer = undefined;
	}
}

/** The window of the whole connection. */
function setWindow(h2: ClientHttp2Session, bytes: number): void {
	if (!h2.destroyed) h2.setLocalWindowSize(Math.min(bytes, 2 ** 30));
}

function sameDestination(one: Destination, other: Destination): boolean {
	if (one === other) return true;
	if (one.kind === 'tcp') return other.kind === 'tcp' && one.host === other.host && one.port === other.port;
	return other.kind === 'unix' && one.path === other.path && one.abstract === other.abstract;
}

function tcpOptions(server: Server, destination: Destination): NetConnectOpts {
	if (destination.kind === 'unix') return { path: destination.abstract ? `\0${destination.path}` : destination.path };
	const { source } = server.model;
	return {
		host: destination.host,
		port: destination.port,
		noDelay: true,
		...(source?.kind === 'ip' ? { localAddress: source.address } : undefined),
		...(source?.kind === 'ip' && source.port > 0 ? { localPort: source.port } : undefined),
	};
}
