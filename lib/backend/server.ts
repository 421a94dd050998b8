/**
 * A server of a backend. What was configured is `model`, which never changes; what is true now (state,
 * weight, streams, queue) is in shared memory and the same for all threads (`shared/server-state.ts`);
 * what belongs to one thread (idle connections, its slice of the counters) hangs here.
 */
import type { ServerModel } from '../config/model.js';
import { isServiceName } from '../config/resolvers-model.js';
import type { IpAddress } from '../core/address.js';
import type { Clock } from '../core/clock.js';
import type { ServerView } from '../sample/types.js';
import type { Counters } from '../shared/counters.js';
import type { ServerStates } from '../shared/server-state.js';
import { IdlePool, type PooledConnection } from './pool.js';
import type { ProxyHeader } from './proxy-header.js';
import type { ServerTls } from './server-tls.js';

/** An address that a socket can be connected to. */
export type Destination =
	| { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly family: 4 | 6 }
	| { readonly kind: 'unix'; readonly path: string; readonly abstract: boolean };

/** Where the client wanted to go, for `0.0.0.0` and for ports that are relative. */
export interface ClientDestination {
	readonly destination: IpAddress | undefined;
	readonly destinationPort: number;
}

/** What a name of a `server` line resolved to when the program started; see `resolve.ts`. */
export interface ResolvedAddress {
	readonly address: string;
	readonly family: 4 | 6;
	/** Of an SRV record, or set at run time before a reload. */
	readonly port?: number | undefined;
	readonly weight?: number | undefined;
	/** The target of the SRV record, or the name set at run time. */
	readonly hostName?: string | undefined;
}

export interface ServerOptions {
	readonly model: ServerModel;
	readonly index: number;
	readonly states: ServerStates;
	readonly clock: Clock;
	/** When `model.address` is a name: what it resolved to; undefined if it did not. */
	readonly resolved?: ResolvedAddress | undefined;
	readonly reuse: 'never' | 'safe' | 'aggressive' | 'always';
	readonly backendName: string;
	readonly counters?: Counters | undefined;
	readonly link?: ServerLink | undefined;
}

/** How connections to a server begin, as far as it was compiled from its line. */
export interface ServerLink {
	/** They use TLS. */
	readonly tls?: ServerTls | undefined;
	/** They begin with a header of the PROXY protocol. */
	readonly proxyHeader?: ProxyHeader | undefined;
}

export class Server implements ServerView {
	readonly model: ServerModel;
	/** Position in the backend, from 0, and in the shared memory. */
	readonly index: number;
	readonly name: string;
	readonly id: number;
	readonly backendName: string;
	readonly backup: boolean;
	readonly minconn: number;
	readonly maxqueue: number;
	readonly initialWeight: number;
	readonly cookie: string | undefined;
	/** `non-stick`: never stored in a stick table. */
	readonly nonStick: boolean;
	/** Idle connections of this thread. */
	readonly idle: IdlePool<PooledConnection>;
	readonly states: ServerStates;
	readonly tls: ServerTls | undefined;
	readonly proxyHeader: ProxyHeader | undefined;
	/** The name that its address comes from: of its line, of an SRV record, or set at run time. */
	hostName: string | undefined = undefined;
	readonly #counters: Counters | undefined;
	readonly #clock: Clock;
	readonly #observes: 'none' | 'layer4' | 'layer7';
	#host: string;
	#port: number;
	#family: 4 | 6;
	#fixed: Destination | undefined;

	constructor(options: ServerOptions) {
		const { model, index, states } = options;
		this.model = model;
		this.index = index;
		this.states = states;
		this.name = model.name;
		this.id = model.id;
		this.backendName = options.backendName;
		this.backup = model.backup;
		this.minconn = model.minconn;
		this.maxqueue = model.maxqueue;
		this.initialWeight = model.weight;
		this.cookie = model.cookie;
		this.nonStick = model.nonStick;
		this.idle = new IdlePool({
			reuse: isShareable(model) ? options.reuse : 'never',
			maxIdle: model.poolMaxConn,
			purgeDelayMs: model.poolPurgeDelayMs,
			maxReuse: model.maxReuse,
			clock: options.clock,
			sharedIdle: { count: () => states.idle(index), add: (amount) => states.addIdle(index, amount) },
		});
		this.tls = options.link?.tls;
		this.proxyHeader = options.link?.proxyHeader;
		this.#counters = options.counters;
		this.#clock = options.clock;
		this.#observes = model.health.observe;
		this.#host = '';
		this.#port = 0;
		this.#family = 4;
		const { address } = model;
		if (address.kind === 'ip') this.setAddress(address.address, address.family, address.port);
		else if (address.kind === 'name') {
			// Without an address it is in maintenance (`-dr`), until `set server ... addr` gives it one.
			const { resolved } = options;
			if (!isServiceName(address.host)) this.hostName = address.host;
			if (resolved?.hostName !== undefined) this.hostName = resolved.hostName;
			this.#port = address.port;
			if (resolved !== undefined) this.setAddress(resolved.address, resolved.family, resolved.port ?? address.port);
		} else if (address.kind === 'unix') {
			this.#fixed = { kind: 'unix', path: address.path, abstract: address.abstract };
		} else {
			throw new Error(`server ${options.backendName}/${model.name}: 'fd@' cannot be connected to`);
		}
	}

	/** Changes the address while running; idle connections to the old one must be dropped by the caller. */
	setAddress(host: string, family: 4 | 6, port: number): void {
		this.#host = host;
		this.#family = family;
		this.#port = port;
		const anywhere = host === '0.0.0.0' || host === '::';
		const relative = this.model.portOffset !== undefined;
		this.#fixed = anywhere || relative ? undefined : { kind: 'tcp', host, port, family };
	}

	/** Nobody knows where it is: it has no address until `setAddress`. */
	clearAddress(): void {
		this.#host = '';
		this.#fixed = undefined;
	}

	/** The address, or the path of a unix socket; empty while a name has not become one. */
	get address(): string {
		return this.#fixed?.kind === 'unix' ? this.#fixed.path : this.#host;
	}

	/** The port as configured; 0 when it is relative or on a unix socket. */
	get port(): number {
		return this.#port;
	}

	/** Of an SRV record, while the address is not known yet. */
	set port(port: number) {
		this.#port = port;
	}

	/**
	 * Where to connect for this client (manual, 4.2 `server`): a port written `+n` or `-n`, or left out, is
	 * relative to the one the client reached, and the address `0.0.0.0` or `*` is the client's own
	 * destination. Undefined when that cannot be told, as for a client on a unix socket, or when the port
	 * would leave 1..65535.
	 */
	destinationFor(client: ClientDestination): Destination | undefined {
		if (this.#fixed !== undefined) return this.#fixed;
		if (this.#host === '') return undefined;
		const offset = this.model.portOffset;
		if (offset !== undefined && client.destination === undefined) return undefined;
		const port = offset === undefined ? this.#port : client.destinationPort + offset;
		if (port < 1 || port > 65535) return undefined;
		if (this.#host !== '0.0.0.0' && this.#host !== '::') {
			return { kind: 'tcp', host: this.#host, port, family: this.#family };
		}
		const { destination } = client;
		if (destination === undefined) return undefined;
		return { kind: 'tcp', host: destination.toString(), port, family: destination.family };
	}

	/**
	 * What traffic has met (manual, 5.2 `observe`): errors in a row are counted for all threads together, and the control
	 * thread looks at them.
	 */
	observed(layer: 'layer4' | 'layer7', isError: boolean): void {
		if (this.#observes !== layer) return;
		if (isError) this.states.addObservedError(this.index);
		else this.states.clearObservedErrors(this.index);
	}

	isUsable(): boolean {
		return this.states.isUsable(this.index);
	}

	/** Up, perhaps draining: clients that are bound to it may still come. */
	isRunning(): boolean {
		return this.states.isRunning(this.index);
	}

	effectiveWeight(): number {
		return this.states.weight(this.index);
	}

	currentSessions(): number {
		return this.states.current(this.index);
	}

	queuedCount(): number {
		return this.states.queued(this.index + 1);
	}

	/** As many wait for it as may (`maxqueue`). */
	hasFullQueue(): boolean {
		return this.maxqueue > 0 && this.queuedCount() >= this.maxqueue;
	}

	sessionRate(): number {
		return this.#counters?.rate('session', this.#clock.monotonicMs()) ?? 0;
	}

	get maxconn(): number {
		return this.states.maxconn(this.index);
	}
}

/** `address:port`, as `srvkey addr` keeps it: an IPv6 address without brackets (as observed). */
export function serverAddressKey(server: Server): string {
	return `${server.address}:${server.port}`;
}

/**
 * Connections to this server are alike for all clients (manual, 4.2 `http-reuse`): not if where they go, the
 * PROXY protocol header they begin with, or their SNI depends on the client.
 */
function isShareable(model: ServerModel): boolean {
	const { address } = model;
	const anywhere = address.kind === 'ip' && (address.address === '0.0.0.0' || address.address === '::');
	return !anywhere && model.portOffset === undefined && model.sendProxy === 'none' && model.tls?.sni === undefined;
}
