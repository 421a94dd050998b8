/**
 * Calls of ours: when a peer is called, what it answers to our hello, and how long we wait before the next try. One
 * call at a time for each peer; a call becomes a session with the status 200.
 *
 * Pauses are short and random after a session was lost, so that two nodes that lost each other do not call at the
 * same moment for ever. A peer that answers with an error status, or whose sessions end in protocol errors, is called
 * again after pauses that double: it is a matter of configuration, which somebody may be fixing on either side.
 */
import type { Clock, Timer } from '../core/clock.js';
import type { Connection, Network } from './connection.js';
import { encodeHello } from './encode.js';
import { StatusReader } from './handshake.js';
import { type Peer, refusalText, statusName } from './peer.js';
import { PeersProtocolError, PROTOCOL_MINOR, STATUS, TIMING } from './protocol.js';
import type { Session } from './session.js';

/** Pauses that double: the first, and the longest. */
const FIRST_PAUSE_MS = TIMING.reconnectMs;
const LONGEST_PAUSE_MS = 300_000;

/** The section that calls. */
export interface CallsHost {
	readonly localName: string;
	readonly clock: Clock;
	mayCall(peer: Peer): boolean;
	/** The peer has said 200; `chunk` from `next` is what came after that. */
	answered(peer: Peer, connection: Connection, minor: number, chunk: Buffer, next: number): Session;
	/**
	 * The call has failed, with this status if the peer has sent one. For a remote peer true is returned, and it is called
	 * again later.
	 */
	callFailed(peer: Peer, reason: string, status: number | undefined): boolean;
}

export interface CallsOptions {
	readonly pid: number;
	/** 0 to 1, for the pauses between calls. */
	readonly random: () => number;
	readonly network: Network;
}

/** A call that has no session yet. */
interface Call {
	readonly connection: Connection;
	timer: Timer;
}

export class Calls {
	readonly #host: CallsHost;
	readonly #options: CallsOptions;
	readonly #calls = new Map<Peer, Call>();
	readonly #timers = new Map<Peer, Timer>();

	constructor(host: CallsHost, options: CallsOptions) {
		this.#host = host;
		this.#options = options;
	}

	isCalling(peer: Peer): boolean {
		return this.#calls.has(peer);
	}

	/** A call to it is planned. */
	isWaiting(peer: Peer): boolean {
		return this.#timers.has(peer);
	}

	/** Plans no call any more; those that go on are dropped peer by peer. */
	stopWaiting(): void {
		for (const timer of this.#timers.values()) timer.cancel();
		this.#timers.clear();
	}

	/** Forgets a call, closing its connection. */
	drop(peer: Peer): void {
		const call = this.#calls.get(peer);
		if (call === undefined) return;
		this.#calls.delete(peer);
		call.timer.cancel();
		call.connection.close('reset');
	}

	/** The peer has called itself. */
	replaced(peer: Peer): void {
		this.drop(peer);
		this.#timers.get(peer)?.cancel();
		this.#timers.delete(peer);
		peer.dialAtMs = undefined;
	}

	/** The session with the peer has ended; `faultsInARow` ended by somebody breaking the protocol. */
	afterSession(peer: Peer, faultsInARow: number): void {
		this.#later(peer, faultsInARow > 0 ? this.#pauseMs(faultsInARow) : this.#shortPauseMs());
	}

	/** 50 to 2049 ms. */
	#shortPauseMs(): number {
		return TIMING.redialMinMs + Math.floor(this.#options.random() * TIMING.redialRandomMs);
	}

	#pauseMs(timesInARow: number): number {
		const pauseMs = FIRST_PAUSE_MS * 2 ** Math.min(timesInARow - 1, 10);
		return Math.min(pauseMs, LONGEST_PAUSE_MS) + this.#shortPauseMs();
	}

	#later(peer: Peer, delayMs: number): void {
		const { clock } = this.#host;
		this.#timers.get(peer)?.cancel();
		peer.dialAtMs = clock.monotonicMs() + delayMs;
		const timer = clock.setTimer(() => {
			this.#timers.delete(peer);
			this.call(peer);
		}, delayMs);
		this.#timers.set(peer, timer);
	}

	call(peer: Peer): void {
		const { clock, localName } = this.#host;
		peer.dialAtMs = undefined;
		if (!this.#host.mayCall(peer) || this.#calls.has(peer)) return;
		const startedMs = clock.monotonicMs();
		peer.dials++;
		peer.status = 'CONN';
		peer.lastHandshakeMs = startedMs;
		const status = new StatusReader();
		let session: Session | undefined;
		const isCurrent = (): boolean => this.#calls.get(peer) === call;
		const connection = this.#options.network.dial(peer.config, {
			opened: () => {
				if (!isCurrent()) return;
				peer.status = 'HSHK';
				connection.write(encodeHello(peer.name, localName, this.#options.pid, peer.helloMinor));
			},
			received: (chunk) => {
				if (session !== undefined) session.receive(chunk);
				else if (isCurrent()) session = this.#answered(peer, connection, status, chunk, startedMs);
			},
			drained: () => session?.drained(),
			closed: (reason) => {
				if (session !== undefined) session.end('lost', reason);
				else if (isCurrent()) this.#failed(peer, reason, startedMs);
			},
		});
		const timer = clock.setTimer(() => {
			if (!isCurrent()) return;
			const reason = peer.status === 'CONN' ? 'no connection within 5 s' : 'no answer to our hello within 5 s';
			this.#failed(peer, reason, startedMs);
		}, TIMING.handshakeTimeoutMs);
		const call: Call = { connection, timer };
		this.#calls.set(peer, call);
	}

	/** The status line has come, or part of it. Returns the session if it says 200. */
	#answered(
		peer: Peer,
		connection: Connection,
		reader: StatusReader,
		chunk: Buffer,
		startedMs: number,
	): Session | undefined {
		let code: number;
		let next: number;
		try {
			const result = reader.feed(chunk);
			if (result.kind === 'more') return undefined;
			({ code, next } = result);
		} catch (error) {
			if (!(error instanceof PeersProtocolError)) throw error;
			peer.protocolErrors++;
			peer.rubbishInARow++;
			peer.status = 'PROT';
			this.#failed(peer, error.message, startedMs, this.#pauseMs(peer.rubbishInARow));
			return undefined;
		}
		peer.status = statusName(code);
		if (code === STATUS.VERSION) peer.helloMinor = peer.helloMinor === 0 ? PROTOCOL_MINOR : 0;
		if (code !== STATUS.SUCCESS) {
			peer.refusalsInARow++;
			const pauseMs = peer.isLocal ? undefined : this.#pauseMs(Math.min(peer.refusalsInARow, 4));
			this.#failed(peer, refusalText(code, peer.name, this.#host.localName), startedMs, pauseMs, code);
			return undefined;
		}
		this.#calls.get(peer)?.timer.cancel();
		this.#calls.delete(peer);
		return this.#host.answered(peer, connection, peer.helloMinor, chunk, next);
	}

	#failed(peer: Peer, reason: string, startedMs: number, pauseMs?: number, status?: number): void {
		this.drop(peer);
		peer.failures++;
		if (!this.#host.callFailed(peer, reason, status)) return;
		const sinceMs = this.#host.clock.monotonicMs() - startedMs;
		this.#later(peer, pauseMs ?? Math.max(TIMING.reconnectMs - sinceMs, this.#shortPauseMs()));
	}
}
