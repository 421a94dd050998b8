/**
 * One bind line in one data thread: accepts connections from a descriptor that all threads share, lets the
 * early rules look at each, and hands it to the engine.
 *
 * Handles are taken straight from the listening handle, before Node makes a socket of them: a connection that
 * a `tcp-request connection` rule rejects never becomes one, and the engine can make its sockets with
 * `onread`, which `net.createServer` does not offer.
 *
 * When a limit is reached, HAProxy stops accepting and leaves new clients in the system's backlog. Node
 * cannot pause a listening handle, so they are accepted here and parked unread, in order, until a place is
 * free; to a client it is the same. At most `backlog` of them: beyond, they are closed.
 */
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { BindModel } from '../config/model.js';
import { formatSocketAddress } from '../core/address.js';
import { HoldfastError } from '../core/errors.js';
import { keepAliveIdleS } from '../core/keep-alive.js';
import { Column, type Counters } from '../shared/counters.js';
import { H2ClientSession } from '../stream/h2/client-session.js';
import { ClientConnection } from '../stream/native/client-connection.js';
import { type Endpoints, type ListenerView, Session } from '../stream/session.js';
import { Admission, admit, admitConnection, admitSession } from '../stream/session-rules.js';
import { REST_MS } from '../stream/soft-stop.js';
import type { Stream } from '../stream/stream.js';
import type { ThreadRuntime } from '../stream/thread-runtime.js';
import { type ConnectionGate, enterAll, leaveAll } from './connection-gate.js';
import { ConnectionSetup } from './connection-setup.js';
import type { Frontend } from './frontend.js';
import type { ProcessRates } from './rate-limits.js';
import type { TlsAcceptor } from './tls-acceptor.js';

/** A request in service that can be ended. */
export interface LiveStream {
	readonly stream?: Stream | undefined;
	/** As `destroy`, where that does not end the stream by itself. */
	kill?(): void;
	destroy(): void;
}

/** A connection in service, of either engine. */
export interface LiveConnection {
	/** What it serves now, or the first of it; undefined between two requests. */
	readonly stream?: Stream | undefined;
	/** Where several requests are served at once: each, to be ended without the others. */
	readonly liveStreams?: Iterable<LiveStream>;
	/** Soft stop: closes it if it has rested between two requests since `restingSinceMs` at least. */
	closeIdle(restingSinceMs: number): void;
	destroy(): void;
	/** As `destroy`, where that does not end the stream by itself. */
	kill?(): void;
}

/** Makes a connection of an accepted handle and begins to serve it. */
export type ConnectionEngine = (
	thread: ThreadRuntime,
	session: Session,
	/** A socket: what TLS or the PROXY protocol has made of the handle. */
	handle: AcceptedHandle | Socket,
) => LiveConnection;

export const nativeEngine: ConnectionEngine = (thread, session, handle) => {
	const connection = new ClientConnection(thread, session, handle);
	connection.open(session.acceptedMs);
	return connection;
};

/** libuv's TCP or pipe handle, as Node's own listener passes it on. */
export interface AcceptedHandle {
	getpeername?(out: { address?: string; port?: number }): number;
	getsockname?(out: { address?: string; port?: number }): number;
	reset?(callback?: () => void): number;
	/** A TCP handle's. */
	setKeepAlive?(enable: boolean, idleS: number): number;
	close(callback?: () => void): void;
}

interface ListeningHandle {
	onconnection: (status: number, handle: AcceptedHandle | undefined) => void;
}

/** The peer is asked for at once, while it is certainly there; the own address when somebody wants it. */
class HandleEndpoints implements Endpoints {
	readonly remoteAddress: string | undefined;
	readonly remotePort: number | undefined;
	readonly #handle: AcceptedHandle;
	#local: { address?: string; port?: number } | undefined;

	constructor(handle: AcceptedHandle) {
		this.#handle = handle;
		const peer: { address?: string; port?: number } = {};
		handle.getpeername?.(peer);
		this.remoteAddress = peer.address;
		this.remotePort = peer.port;
	}

	get localAddress(): string | undefined {
		return this.#own.address;
	}

	get localPort(): number | undefined {
		return this.#own.port;
	}

	get #own(): { address?: string; port?: number } {
		if (this.#local === undefined) {
			this.#local = {};
			this.#handle.getsockname?.(this.#local);
		}
		return this.#local;
	}
}

export interface ListenerOptions {
	readonly bind: BindModel;
	readonly frontend: Frontend;
	/** The process, the frontend, the bind line (LISTENER_GATE): a connection needs a place at each. */
	readonly gates: readonly ConnectionGate[];
	/** Of the process: `maxconnrate` and its kin. */
	readonly rates?: ProcessRates | undefined;
	readonly engine: ConnectionEngine;
	/** `ssl`. */
	readonly tls?: TlsAcceptor | undefined;
	/** Of this listener, with `option socket-stats`. */
	readonly counters?: Counters | undefined;
}

/** Place of the bind line's own gate, which counts its connections. */
const LISTENER_GATE = 2;
const DEFAULT_BACKLOG = 1024;
/** Ports that only privileged programs may send from (RFC 6335, 6). */
const FIRST_USER_PORT = 1024;
/** How often parked connections are looked at: a place may have been freed by another thread. */
const PARKED_CHECK_MS = 10;

export class Listener implements ListenerView {
	readonly name: string | undefined;
	readonly id: number;
	readonly bind: BindModel;
	readonly #frontend: Frontend;
	readonly #gates: readonly ConnectionGate[];
	readonly #rates: ProcessRates | undefined;
	readonly #engine: ConnectionEngine;
	readonly #tls: TlsAcceptor | undefined;
	/** Something comes before the first byte of a request. */
	readonly #isSetUp: boolean;
	/** A clear connection may begin with HTTP/2's preface. */
	readonly upgradeToH2: ((session: Session, socket: Socket) => void) | undefined;
	readonly counters: Counters | undefined;
	readonly #live = new Map<Session, LiveConnection>();
	readonly #parked: AcceptedHandle[] = [];
	#parkedTimer: { cancel(): void } | undefined;
	#server: NetServer | undefined;
	#refuses = false;

	constructor(options: ListenerOptions) {
		const { bind } = options;
		this.bind = bind;
		this.name = bind.name;
		this.id = bind.id;
		this.#frontend = options.frontend;
		this.#gates = options.gates;
		this.#rates = options.rates;
		this.#engine = options.engine;
		this.#tls = options.tls;
		const rules = options.frontend.model.tcpRequestConnection;
		this.#isSetUp =
			this.#tls !== undefined ||
			bind.acceptProxy ||
			bind.cipMagic !== undefined ||
			rules.some(({ words }) => words[0] === 'expect-proxy' || words[0] === 'expect-netscaler-cip');
		this.counters = options.counters;
		const { mode, options: switches } = options.frontend.model;
		const mayUpgrade = mode === 'tcp' || (bind.proto === undefined && !switches.disableH2Upgrade);
		this.upgradeToH2 = mayUpgrade ? (session, socket) => this.#upgrade(session, socket) : undefined;
	}

	/** Served as HTTP/2: `proto h2`, or agreed on by ALPN. */
	#speaksH2(session: Session): boolean {
		if (this.#frontend.mode !== 'http') return false;
		return this.bind.proto === undefined ? session.tls?.alpn === 'h2' : this.bind.proto === 'h2';
	}

	#serve(session: Session, handle: AcceptedHandle | Socket): LiveConnection {
		const { thread } = this.#frontend;
		if (!this.#speaksH2(session)) return this.#engine(thread, session, handle);
		return new H2ClientSession(thread, session, handle, thread.h2);
	}

	#upgrade(session: Session, socket: Socket): void {
		const { thread } = this.#frontend;
		if (!this.#live.has(session)) {
			socket.destroy();
			return;
		}
		try {
			this.#live.set(session, new H2ClientSession(thread, session, socket, thread.h2));
		} catch (error) {
			// The client has gone meanwhile.
			thread.logger.debug({ err: error }, `frontend ${this.#frontend.name}: no HTTP/2 on a connection`);
			socket.destroy();
			session.end(thread.nowMs());
		}
	}

	/**
	 * Accepts from an inherited descriptor that is bound already, or (tests, tools) binds an address of its own.
	 * Rejects with BIND_FAILED or DESCRIPTOR_INVALID.
	 */
	listen(where: { readonly fd: number } | { readonly host: string; readonly port: number }): Promise<void> {
		const server = createServer({ allowHalfOpen: true });
		this.#server = server;
		return new Promise((resolve, reject) => {
			server.once('error', (cause) => {
				const inherited = 'fd' in where;
				const code = inherited ? 'DESCRIPTOR_INVALID' : 'BIND_FAILED';
				reject(new HoldfastError(code, `${formatSocketAddress(this.bind.address)}: ${cause.message}`, { cause }));
			});
			const backlog = this.bind.backlog ?? this.#frontend.model.backlog ?? DEFAULT_BACKLOG;
			server.listen({ ...where, backlog }, () => {
				server.on('error', (error) =>
					this.#frontend.thread.logger.error({ err: error }, `listener ${this.#frontend.name}: ${error.message}`),
				);
				const handle = (server as unknown as { _handle: ListeningHandle })._handle;
				handle.onconnection = (status, accepted) => this.#onConnection(status, accepted);
				resolve();
			});
		});
	}

	/** The port it got, when it asked for any. */
	get port(): number {
		const address = this.#server?.address();
		return typeof address === 'object' && address !== null ? address.port : 0;
	}

	get frontendName(): string {
		return this.#frontend.name;
	}

	get establishedCount(): number {
		return this.#gates[LISTENER_GATE]?.current ?? this.#live.size;
	}

	get connectionCount(): number {
		return this.#live.size;
	}

	get parkedCount(): number {
		return this.#parked.length;
	}

	#onConnection(status: number, handle: AcceptedHandle | undefined): void {
		if (status !== 0 || handle === undefined) {
			// No descriptor left, most often; libuv goes on accepting as soon as there is one.
			this.#frontend.thread.logger.warn(
				{ status },
				`frontend ${this.#frontend.name}: a connection could not be accepted`,
			);
			return;
		}
		if (this.#refuses) refuse(handle);
		else if (this.#parked.length === 0 && this.#mayEnter()) this.#admit(handle);
		else this.#park(handle);
	}

	/**
	 * `disable frontend`, `enable frontend`: while disabled, who comes is reset. The descriptor stays open, since its
	 * queue is shared with other threads and with the master, which would let clients wait in it for nobody.
	 */
	setAccepting(accepts: boolean): void {
		this.#refuses = !accepts;
		if (!accepts) for (const handle of this.#parked.splice(0)) refuse(handle);
	}

	/** Connections in service, the oldest first. */
	live(): Iterable<readonly [Session, LiveConnection]> {
		return this.#live;
	}

	#park(handle: AcceptedHandle): void {
		if (this.#parked.length >= (this.bind.backlog ?? this.#frontend.model.backlog ?? DEFAULT_BACKLOG)) {
			handle.close();
			return;
		}
		this.#parked.push(handle);
		this.#parkedTimer ??= this.#frontend.thread.clock.setTimer(this.#onParkedTimer, PARKED_CHECK_MS);
	}

	readonly #onParkedTimer = (): void => {
		this.#parkedTimer = undefined;
		this.#unpark();
		if (this.#parked.length > 0) {
			this.#parkedTimer = this.#frontend.thread.clock.setTimer(this.#onParkedTimer, PARKED_CHECK_MS);
		}
	};

	/** Takes a place at each gate, unless new sessions come too fast. */
	#mayEnter(): boolean {
		const frontend = this.#frontend;
		if (frontend.model.rateLimitSessions !== undefined && frontend.isOverSessionRate(frontend.thread.nowMs()))
			return false;
		if (this.#rates?.isOver(frontend.thread.nowMs(), this.#tls !== undefined)) return false;
		return enterAll(this.#gates);
	}

	#unpark(): void {
		while (this.#parked.length > 0 && this.#mayEnter()) this.#admit(this.#parked.shift() as AcceptedHandle);
	}

	/** A place is taken at each gate. */
	#admit(handle: AcceptedHandle): void {
		const frontend = this.#frontend;
		const { thread, counters } = frontend;
		const session = new Session(thread, frontend, this, new HandleEndpoints(handle));
		if (thread.rejectsPrivilegedPorts && session.sourcePort > 0 && session.sourcePort < FIRST_USER_PORT) {
			leaveAll(this.#gates);
			handle.close();
			return;
		}
		const nowMs = session.acceptedMs;
		count(counters, Column.conn_tot);
		counters.enter();
		this.counters?.enter();
		counters.countRate('connection', nowMs);
		this.#rates?.connected(nowMs, this.#tls !== undefined);
		try {
			const { admission, silent } = this.#isSetUp ? admitConnection(session) : admit(session);
			if (admission !== Admission.ACCEPTED) {
				const column = admission === Admission.DENIED_CONNECTION ? Column.dcon : Column.dses;
				count(counters, column);
				if (this.counters !== undefined) count(this.counters, column);
				if (silent && handle.reset !== undefined) handle.reset();
				else handle.close();
				session.end(nowMs);
				return;
			}
			const { options, clitcpkaIdleMs } = frontend.model;
			if (options.clitcpka) handle.setKeepAlive?.(true, keepAliveIdleS(clitcpkaIdleMs));
			if (this.#isSetUp) {
				this.#setUp(session, handle);
				return;
			}
			frontend.countSession(nowMs);
			this.#rates?.sessionBegan(nowMs);
			if (this.counters !== undefined) count(this.counters, Column.stot);
			this.#live.set(session, this.#serve(session, handle));
		} catch (error) {
			thread.logger.error({ err: error }, `frontend ${frontend.name}: a connection failed as it was accepted`);
			handle.close();
			session.end(nowMs);
		}
	}

	/** PROXY protocol header, TLS, session rules: then it is a connection like others. */
	#setUp(session: Session, handle: AcceptedHandle): void {
		const { thread, model } = this.#frontend;
		const setup = new ConnectionSetup({
			session,
			handle,
			expectsProxy: this.bind.acceptProxy || session.expectsProxy,
			cipMagic: this.bind.cipMagic ?? (session.expectsCip ? 0 : undefined),
			tls: this.#tls,
			timeoutMs: model.timeouts.clientHandshakeMs ?? model.timeouts.clientMs,
			ready: (socket) => this.#becomeReady(session, socket),
			failed: (reason, detail, isNull) => {
				thread.logger.debug({ reason: detail }, `frontend ${this.#frontend.name}: ${reason}`);
				this.#frontend.logSetUpFailure(session, reason, isNull);
				count(this.#frontend.counters, Column.ereq);
				if (reason.includes('SSL')) this.#countTls(Column.ssl_failed_handshake);
				session.end(thread.nowMs());
			},
		});
		this.#live.set(session, setup);
		setup.begin();
	}

	#countTls(column: number): void {
		count(this.#frontend.counters, column);
		if (this.counters !== undefined) count(this.counters, column);
	}

	#becomeReady(session: Session, socket: Socket): void {
		const frontend = this.#frontend;
		const { thread, counters } = frontend;
		try {
			const { tls } = session;
			if (tls !== undefined) this.#countTls(tls.isResumed ? Column.ssl_reused_sess : Column.ssl_sess);
			if (admitSession(session).admission !== Admission.ACCEPTED) {
				count(counters, Column.dses);
				if (this.counters !== undefined) count(this.counters, Column.dses);
				socket.destroy();
				session.end(thread.nowMs());
				return;
			}
			frontend.countSession(thread.nowMs());
			this.#rates?.sessionBegan(thread.nowMs());
			if (this.counters !== undefined) count(this.counters, Column.stot);
			this.#live.set(session, this.#serve(session, socket));
		} catch (error) {
			thread.logger.error({ err: error }, `frontend ${frontend.name}: a connection failed as it was set up`);
			socket.destroy();
			session.end(thread.nowMs());
		}
	}

	sessionEnded(session: Session): void {
		this.#live.delete(session);
		this.#frontend.counters.leave();
		this.counters?.leave();
		leaveAll(this.#gates);
		this.#rates?.disconnected(this.#tls !== undefined);
		if (this.#parked.length > 0) this.#unpark();
	}

	/** Soft stop: the descriptor of this thread is closed; accepted and parked connections are still served. */
	stopAccepting(): void {
		this.#server?.close();
		this.#server = undefined;
	}

	/** Soft stop: lets go of connections that rest, as `close-spread-time` and the frontend's options say. */
	closeIdle(nowMs: number): void {
		const { softStop } = this.#frontend.thread;
		if (this.#frontend.model.options.idleCloseOnResponse) return;
		for (const connection of [...this.#live.values()]) {
			if (softStop.closesResting(nowMs)) connection.closeIdle(nowMs - REST_MS);
		}
	}

	/** Hard stop. */
	destroyAll(): void {
		this.stopAccepting();
		this.#parkedTimer?.cancel();
		this.#parkedTimer = undefined;
		for (const handle of this.#parked.splice(0)) handle.close();
		for (const connection of [...this.#live.values()]) connection.destroy();
	}
}

function refuse(handle: AcceptedHandle): void {
	if (handle.reset !== undefined) handle.reset();
	else handle.close();
}

function count(counters: Counters, column: number): void {
	counters.slice[column] = (counters.slice[column] as number) + 1;
}
