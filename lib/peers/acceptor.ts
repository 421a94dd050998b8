/**
 * Connections that have not yet said who they are. The peers port is a door: whoever knows two names gets
 * every table, and whoever can connect may try to keep others from it. So callers wait here, outside, until
 * their hello is complete:
 *
 * - at most `MAX_STRANGERS` from addresses that belong to no peer, and `MAX_PER_PEER` for each peer from
 *   addresses that do; the two are counted apart, so that strangers never take the place of a peer;
 * - when a bound is reached the oldest one goes: a peer sends its hello at once, the oldest is a silent one;
 * - five seconds for the hello, a bounded line, then out;
 * - with `source-check`, callers from other addresses are refused before they say anything.
 */
import type { Clock, Timer } from '../core/clock.js';
import type { Connection, ConnectionEvents } from './connection.js';
import { encodeStatus } from './encode.js';
import { type Hello, HelloReader } from './handshake.js';
import { PeersProtocolError, type StatusCode, TIMING } from './protocol.js';

export const MAX_STRANGERS = 32;
export const MAX_PER_PEER = 3;

export interface AcceptorHost {
	readonly clock: Clock;
	readonly localName: string;
	readonly sourceCheck: boolean;
	/** Peers of the section, for the bound of callers from known addresses. */
	readonly peerCount: number;
	isPeerName(name: string): boolean;
	isPeerAddress(address: string | undefined): boolean;
	/**
	 * The hello is valid. Returns what is to become of the connection: a refusal, or who takes its events from
	 * now on. The status was not sent yet; `accepted` sends the 200 before anything else.
	 */
	greeted(
		connection: Connection,
		hello: Hello,
		accept: () => void,
	): StatusCode | { readonly events: ConnectionEvents; start(chunk: Buffer, next: number): void };
	callerRefused(connection: Connection, status: StatusCode | undefined, reason: string): void;
}

interface Waiting {
	readonly connection: Connection;
	readonly timer: Timer;
	readonly isKnown: boolean;
}

export class Acceptor {
	readonly #host: AcceptorHost;
	/** In the order of their arrival. */
	readonly #waiting = new Set<Waiting>();
	#knownCount = 0;

	constructor(host: AcceptorHost) {
		this.#host = host;
	}

	/** Callers that have not said who they are. */
	get waitingCount(): number {
		return this.#waiting.size;
	}

	/** Takes a new connection; undefined: it was closed at once. */
	accept(connection: Connection): ConnectionEvents | undefined {
		const host = this.#host;
		const isKnown = host.isPeerAddress(connection.remoteAddress);
		if (host.sourceCheck && !isKnown) {
			connection.close('reset');
			host.callerRefused(connection, undefined, 'its address is no peer\'s ("source-check")');
			return undefined;
		}
		this.#makeRoom(isKnown);
		const hello = new HelloReader(host.localName, (name) => host.isPeerName(name));
		const timer = host.clock.setTimer(() => {
			this.#forget(waiting);
			connection.close('fin');
		}, TIMING.handshakeTimeoutMs);
		const waiting: Waiting = { connection, timer, isKnown };
		this.#waiting.add(waiting);
		if (isKnown) this.#knownCount++;
		/** Who gets the events once the hello is done. */
		let next: ConnectionEvents | undefined;
		return {
			opened: () => {},
			received: (chunk) => {
				if (next !== undefined) next.received(chunk);
				else if (this.#waiting.has(waiting)) next = this.#read(waiting, hello, chunk);
			},
			drained: () => next?.drained(),
			closed: (reason) => {
				this.#forget(waiting);
				next?.closed(reason);
			},
		};
	}

	/** Closes all callers that wait. */
	close(): void {
		for (const waiting of [...this.#waiting]) {
			this.#forget(waiting);
			waiting.connection.close('reset');
		}
	}

	#read(waiting: Waiting, reader: HelloReader, chunk: Buffer): ConnectionEvents | undefined {
		const host = this.#host;
		const { connection } = waiting;
		let result: ReturnType<HelloReader['feed']>;
		try {
			result = reader.feed(chunk);
		} catch (error) {
			if (!(error instanceof PeersProtocolError)) throw error;
			// An endless line gets no status, as from HAProxy (section 3.3).
			this.#forget(waiting);
			connection.close('fin');
			host.callerRefused(connection, undefined, error.message);
			return undefined;
		}
		if (result.kind === 'more') return undefined;
		this.#forget(waiting);
		if (result.kind === 'refused') {
			this.#refuse(connection, result.status, result.reason);
			return undefined;
		}
		const taken = host.greeted(connection, result.hello, () => connection.write(encodeStatus(200)));
		if (typeof taken === 'number') {
			this.#refuse(connection, taken, `peer '${result.hello.callerName}' is told to come back later`);
			return undefined;
		}
		taken.start(chunk, result.next);
		return taken.events;
	}

	#refuse(connection: Connection, status: StatusCode, reason: string): void {
		connection.write(encodeStatus(status));
		connection.close('fin');
		this.#host.callerRefused(connection, status, reason);
	}

	#makeRoom(isKnown: boolean): void {
		const limit = isKnown ? MAX_PER_PEER * this.#host.peerCount : MAX_STRANGERS;
		const count = isKnown ? this.#knownCount : this.#waiting.size - this.#knownCount;
		if (count < limit) return;
		for (const waiting of this.#waiting) {
			if (waiting.isKnown !== isKnown) continue;
			this.#forget(waiting);
			waiting.connection.close('reset');
			return;
		}
	}

	#forget(waiting: Waiting): void {
		if (!this.#waiting.delete(waiting)) return;
		waiting.timer.cancel();
		if (waiting.isKnown) this.#knownCount--;
	}
}
