/**
 * A client connection as rules, logs and counters know it: addresses, the listener it came by, trackers and
 * variables that live as long as it does. It is the `SessionView` of every stream on it.
 */
import type { Socket } from 'node:net';
import type { Server } from '../backend/server.js';
import { IpAddress } from '../core/address.js';
import type { ConnectionFailure } from '../core/connection-errors.js';
import { authenticatesConnection } from '../http/authentication.js';
import type { ResponseHead } from '../http/message.js';
import type { SampleValue, SessionView, TlsView } from '../sample/types.js';
import type { Counters } from '../shared/counters.js';
import type { TrackedCounter } from '../stick-table/tracked-counter.js';
import type { ProcessVariables } from './process-variables.js';
import type { FrontendTraffic } from './proxies.js';
import type { ThreadRuntime } from './thread-runtime.js';
import { type SecuredClient, SocketTlsView } from './tls-view.js';

/** The listener as a session needs it. */
export interface ListenerView {
	readonly name: string | undefined;
	readonly id: number;
	/** Connections that hold a place on the bind line, over all threads. */
	readonly establishedCount: number;
	/** With `option socket-stats`: what its streams count on, besides the frontend. */
	readonly counters?: Counters | undefined;
	/** Serves the connection as HTTP/2 from now on; undefined: it is not offered here. */
	readonly upgradeToH2?: ((session: Session, socket: Socket) => void) | undefined;
	/** A connection that was counted when it was accepted has closed. */
	sessionEnded(session: Session): void;
}

export interface Endpoints {
	readonly remoteAddress: string | undefined;
	readonly remotePort: number | undefined;
	readonly localAddress: string | undefined;
	readonly localPort: number | undefined;
}

/** Both ends of the client's connection. */
interface ConnectionEnds {
	readonly source: IpAddress | undefined;
	readonly sourcePort: number;
	readonly destination: IpAddress | undefined;
	readonly destinationPort: number;
}

const NO_TRACKERS: (TrackedCounter | undefined)[] = [];

export class Session implements SessionView {
	readonly frontend: FrontendTraffic;
	readonly listener: ListenerView;
	readonly thread: ThreadRuntime;
	source: IpAddress | undefined;
	sourcePort: number;
	/** The real peer, when rules or the PROXY protocol have replaced `source`. */
	/** Fields of the PROXY protocol header, when there was one. */
	/** Set by a rule `expect-proxy`. */
	expectsProxy = false;
	/** Set by a rule `expect-netscaler-cip`. */
	expectsCip = false;
	proxyFields: ReadonlyMap<number, Buffer> | undefined;
	#tls: SocketTlsView | undefined;
	/** Why it could not be set up, for the line that says so. */
	failure: ConnectionFailure | undefined;
	/** Rising, of this thread: what `show sess` calls it by. */
	readonly id: number;
	readonly acceptedMs: number;
	readonly acceptedWallMs: number;
	requestCount = 0;
	#lastServer: Server | undefined;
	/** A connection to it knows the client: it goes on there if it can. */
	#staysWithServer = false;
	variables: Map<string, SampleValue> | undefined;
	#trackers: (TrackedCounter | undefined)[] | undefined;
	/** Asked of the system when somebody wants to know; set by `set-dst` and the PROXY protocol. */
	#destination: IpAddress | undefined;
	#destinationPort = 0;
	#destinationKnown = false;
	readonly #endpoints: Endpoints;
	#ended = false;

	constructor(thread: ThreadRuntime, frontend: FrontendTraffic, listener: ListenerView, endpoints: Endpoints) {
		this.thread = thread;
		this.frontend = frontend;
		this.listener = listener;
		this.#endpoints = endpoints;
		this.id = ++thread.sessionCounter;
		this.acceptedMs = thread.nowMs();
		this.acceptedWallMs = thread.clock.wallMs();
		const { remoteAddress } = endpoints;
		this.source = remoteAddress === undefined ? undefined : IpAddress.parse(remoteAddress);
		this.sourcePort = endpoints.remotePort ?? 0;
	}

	/** A server's answer has come. */
	servedBy(server: Server | undefined, head: ResponseHead): void {
		this.#lastServer = server;
		if (authenticatesConnection(head)) this.#staysWithServer = true;
	}

	/** The server that an algorithm which is free to choose prefers (manual, `prefer-last-server`). */
	preferredServer(prefersLast: boolean): Server | undefined {
		return prefersLast || this.#staysWithServer ? this.#lastServer : undefined;
	}

	/** The handshake is over. */
	secured(accepted: SecuredClient): void {
		this.#tls = new SocketTlsView(accepted.socket, true, accepted);
	}

	get isTls(): boolean {
		return this.#tls !== undefined || this.failure?.tls !== undefined;
	}

	get tls(): TlsView | undefined {
		return this.#tls;
	}

	get tlsVersion(): string | undefined {
		return this.#tls?.version;
	}

	get tlsCipher(): string | undefined {
		return this.#tls?.cipher;
	}

	get processVariables(): ProcessVariables {
		return this.thread.processVariables;
	}

	get destination(): IpAddress | undefined {
		if (!this.#destinationKnown) this.#lookUpDestination();
		return this.#destination;
	}

	get destinationPort(): number {
		if (!this.#destinationKnown) this.#lookUpDestination();
		return this.#destinationPort;
	}

	#lookUpDestination(): void {
		const { localAddress, localPort } = this.#endpoints;
		this.#destinationKnown = true;
		this.#destination = localAddress === undefined ? undefined : IpAddress.parse(localAddress);
		this.#destinationPort = localPort ?? 0;
	}

	/** Addresses of the connection, while rules of a stream have put others in their place. */
	#connectionEnds: ConnectionEnds | undefined;

	/** What the connection itself has, whatever rules of its streams have set. */
	get connection(): ConnectionEnds {
		return this.#connectionEnds ?? this;
	}

	/** `set-src` and its like in rules of a stream hold for that stream (manual, 4.2 `http-request set-src`). */
	overrideForStream(): void {
		this.#connectionEnds ??= {
			source: this.source,
			sourcePort: this.sourcePort,
			destination: this.destination,
			destinationPort: this.destinationPort,
		};
	}

	/** Another stream begins. */
	endOverride(): void {
		const ends = this.#connectionEnds;
		if (ends === undefined) return;
		this.#connectionEnds = undefined;
		this.source = ends.source;
		this.sourcePort = ends.sourcePort;
		this.#destination = ends.destination;
		this.#destinationPort = ends.destinationPort;
	}

	setSource(address: IpAddress, port: number | undefined): void {
		this.source = address;
		if (port !== undefined) this.sourcePort = port;
	}

	setDestination(address: IpAddress, port: number | undefined): void {
		if (!this.#destinationKnown) this.#lookUpDestination();
		this.#destination = address;
		if (port !== undefined) this.#destinationPort = port;
	}

	get listenerName(): string | undefined {
		return this.listener.name;
	}

	get listenerConnections(): number {
		return this.listener.establishedCount;
	}

	get listenerId(): number {
		return this.listener.id;
	}

	/** Session-level trackers; index is n of `sc<n>`. */
	get trackers(): (TrackedCounter | undefined)[] {
		return this.#trackers ?? NO_TRACKERS;
	}

	/** The first tracker of an index wins; false (and the caller gives the entry back) if there is one. */
	track(index: number, tracked: TrackedCounter): boolean {
		this.#trackers ??= [];
		if (this.#trackers[index] !== undefined) return false;
		this.#trackers[index] = tracked;
		return true;
	}

	get hasEnded(): boolean {
		return this.#ended;
	}

	/** The connection has closed. */
	end(nowMs: number): void {
		if (this.#ended) return;
		this.#ended = true;
		for (const tracked of this.trackers) tracked?.close(nowMs);
		this.#trackers = undefined;
		this.listener.sessionEnded(this);
	}
}
