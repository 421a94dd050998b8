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
 * (`pool-max-conn`), and is closed when it was not needed for `pool-purge-delay`; no more rest than could be of use, as
 * with those of HTTP/1 (backend/pool.ts). One that the server asks to go away
 * gets no new streams; what the server says it has not seen is sent again (server-stream.ts).
 */
import type { Socket } from 'node:net';
import type { Destination, Server } from '../../backend/server.js';
import { SocksTunnel } from '../../backend/socks4.js';
import type { ServerModel } from '../../config/model.js';
import type { Timer } from '../../core/clock.js';
import type { RequestHead } from '../../http/message.js';
import { serverSideCounters } from '../counting.js';
import type { Stream } from '../stream.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { askedProtocol } from './server-heads.js';
import { H2ServerSession, type SessionKeeper } from './server-session.js';
import type { ServerStream } from './server-stream.js';

/**
 * Whether a request to this server may go by HTTP/2: agreed on beforehand, or by ALPN. WebSocket goes by HTTP/1.1 where
 * ALPN leaves the choice, since few servers know it over HTTP/2 (manual, 5.2 `ws`).
 */
export function maySpeakH2({ proto, ws, tls }: ServerModel, request: RequestHead): boolean {
	const isWebSocket = askedProtocol(request) === 'websocket';
	if (isWebSocket && ws !== undefined) return ws === 'h2';
	if (proto !== undefined) return proto === 'h2';
	return tls?.alpn.includes('h2') === true && !(isWebSocket && tls.alpn.includes(HTTP_1));
}

/** Nobody asks what the server speaks: it was told beforehand. */
function isForced({ proto, ws }: ServerModel, request: RequestHead | undefined): boolean {
	if (ws !== undefined && request !== undefined && askedProtocol(request) === 'websocket') return ws === 'h2';
	return proto === 'h2';
}

/** What ALPN is to say where it is not what the server's line says; undefined: as there. */
export function alpnFor(model: ServerModel, request: RequestHead | undefined): readonly string[] | undefined {
	const { proto, ws, tls } = model;
	if (request === undefined || tls === undefined || tls.alpn.length === 0) return undefined;
	if (askedProtocol(request) !== 'websocket') return undefined;
	if (ws === 'h2') return ['h2'];
	// Where the protocol is fixed, ALPN is not to say another one.
	return ws === 'h1' || (proto === undefined && tls.alpn.includes(HTTP_1)) ? [HTTP_1] : undefined;
}

/** Of ALPN (RFC 7301, section 6). */
const HTTP_1 = 'http/1.1';

const perServer = new WeakMap<Server, ServerSessions>();

export function sessionsOf(server: Server, thread: ThreadRuntime): ServerSessions {
	let sessions = perServer.get(server);
	if (sessions === undefined) {
		sessions = new ServerSessions(server, thread);
		perServer.set(server, sessions);
	}
	return sessions;
}

export class ServerSessions implements SessionKeeper {
	readonly server: Server;
	readonly #thread: ThreadRuntime;
	readonly #sessions = new Set<H2ServerSession>();
	/** By `proto`, or by ALPN when it was asked last: requests may wait for a connection together. */
	#agreesOnH2: boolean;
	#timer: Timer | undefined;
	#idleCount = 0;
	/** The most connections in use at any moment since the last purge; the same of the time before, forgotten by halves. */
	#mostUsed = 0;
	#neededBefore = 0;

	constructor(server: Server, thread: ThreadRuntime) {
		this.server = server;
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
			this.#noteUse();
			found.reuseCount++;
			found.streams.add(stream);
			stream.session = found;
			if (found.isReady) stream.sessionReady(true);
			return;
		}
		this.#connect(stream, request, destination);
	}

	#find(request: Stream, destination: Destination): H2ServerSession | undefined {
		const client = request.session;
		const isFirst = client.requestCount <= 1;
		const mode = this.server.idle.reuse;
		const { maxReuse } = this.server.model;
		for (const one of this.#sessions) {
			if (one.isLeaving || one.closed || !sameDestination(one.destination, destination)) continue;
			if (!one.isReady && !this.#agreesOnH2) continue;
			if (maxReuse >= 0 && one.reuseCount >= maxReuse) continue;
			if (one.openCount >= one.streamsLimit) continue;
			if (one.owner === client) return one;
			if (mode === 'always') return one;
			if (mode === 'aggressive' && (!isFirst || one.isProven)) return one;
			if (mode === 'safe' && !isFirst && one.isIdle) return one;
		}
		return undefined;
	}

	#connect(stream: ServerStream, request: Stream, destination: Destination): void {
		const { server } = this;
		const header = server.proxyHeader?.write(request);
		// Under TLS it comes before the handshake.
		const secure = server.tls?.connect(destination, request, header, alpnFor(server.model, request.request));
		const session = new H2ServerSession(
			this.#thread,
			this,
			destination,
			request.session,
			secure ?? tunnelTo(server, destination),
			secure === undefined ? header : undefined,
			isForced(server.model, request.request),
			serverSideCounters(request, server),
		);
		session.streams.add(stream);
		stream.session = session;
		this.#sessions.add(session);
		this.#noteUse();
		session.connect();
	}

	get #usedCount(): number {
		return this.#sessions.size - this.#idleCount;
	}

	#noteUse(): void {
		this.#mostUsed = Math.max(this.#mostUsed, this.#usedCount);
	}

	sessionReady(session: H2ServerSession, plain: Socket | undefined): void {
		this.#agreesOnH2 = plain === undefined;
		if (plain === undefined) {
			let isFirst = true;
			for (const stream of [...session.streams]) {
				stream.sessionReady(!isFirst);
				isFirst = false;
			}
			return;
		}
		this.#sessions.delete(session);
		const [stream, ...others] = session.streams;
		session.streams.clear();
		if (stream === undefined) plain.destroy();
		else stream.becomePlain(plain);
		for (const other of others) other.reopen();
	}

	sessionLost(session: H2ServerSession, error: Error | undefined): void {
		this.#sessions.delete(session);
		this.#wake(session);
		for (const stream of [...session.streams]) stream.sessionLost(error);
	}

	/** The stream has ended, or is not wanted any more. */
	release(session: H2ServerSession, stream: ServerStream): void {
		if (!session.streams.delete(stream) || session.streams.size > 0 || !this.#sessions.has(session)) return;
		session.isProven = true;
		if (!session.isReady || session.isLeaving || !this.#mayRest(session)) {
			this.#close(session);
			return;
		}
		if (this.server.idle.reuse !== 'never') session.owner = undefined;
		session.isIdle = true;
		this.#idleCount++;
		session.idleSinceMs = this.#thread.nowMs();
		const { states, index } = this.server;
		states.addIdle(index, 1);
		this.#timer ??= this.#thread.clock.setTimer(this.#purge, this.server.model.poolPurgeDelayMs);
	}

	#mayRest(session: H2ServerSession): boolean {
		const { states, index, model, idle } = this.server;
		const { poolMaxConn, poolPurgeDelayMs, maxReuse } = model;
		if (poolPurgeDelayMs === 0 || session.closed) return false;
		if (this.#sessions.size > Math.max(this.#mostUsed, this.#neededBefore)) return false;
		if (poolMaxConn >= 0 && states.idle(index) >= poolMaxConn) return false;
		if (maxReuse >= 0 && session.reuseCount >= maxReuse) return false;
		return idle.reuse !== 'never' || session.owner?.hasEnded === false;
	}

	#wake(session: H2ServerSession): void {
		if (!session.isIdle) return;
		session.isIdle = false;
		this.#idleCount--;
		this.server.states.addIdle(this.server.index, -1);
	}

	readonly #purge = (): void => {
		this.#timer = undefined;
		const nowMs = this.#thread.nowMs();
		const { poolPurgeDelayMs } = this.server.model;
		let resting = 0;
		for (const session of [...this.#sessions]) {
			if (!session.isIdle) continue;
			const isOwnerGone = session.owner?.hasEnded === true;
			if (isOwnerGone || nowMs - session.idleSinceMs >= poolPurgeDelayMs) this.#close(session);
			else resting++;
		}
		this.#neededBefore = Math.max(this.#mostUsed, this.#neededBefore >> 1);
		this.#mostUsed = this.#usedCount;
		if (resting > 0) this.#timer = this.#thread.clock.setTimer(this.#purge, poolPurgeDelayMs);
	};

	#close(session: H2ServerSession): void {
		this.#wake(session);
		this.#sessions.delete(session);
		session.close();
	}

	/** As when the server goes down or gets another address. */
	closeIdle(): void {
		for (const session of [...this.#sessions]) if (session.isIdle) this.#close(session);
		this.#timer?.cancel();
		this.#timer = undefined;
	}
}

function sameDestination(one: Destination, other: Destination): boolean {
	if (one === other) return true;
	if (one.kind === 'tcp') return other.kind === 'tcp' && one.host === other.host && one.port === other.port;
	return other.kind === 'unix' && one.path === other.path && one.abstract === other.abstract;
}

/** By way of the SOCKS4 proxy of its line, if there is one. */
function tunnelTo(server: Server, destination: Destination): Socket | undefined {
	const { socks4, source } = server.model;
	if (socks4 === undefined || destination.kind !== 'tcp') return undefined;
	const from = source?.kind === 'ip' ? { localAddress: source.address } : {};
	return new SocksTunnel(socks4, destination.host, destination.port, from) as unknown as Socket;
}
