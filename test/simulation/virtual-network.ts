/**
 * A network of byte streams on virtual time: ordered and reliable like TCP while a connection lives, with
 * delay, borders anywhere, connections that die, and partitions, during which bytes wait and calls are not
 * answered.
 */
import type { Connection, ConnectionEvents, Network } from '../../lib/peers/connection.js';
import type { PeerConfig } from '../../lib/peers/peer.js';
import type { Chance, VirtualTime } from './virtual-time.js';

export interface Listener {
	/** Takes an incoming connection; undefined: refused. */
	accept(connection: Connection): ConnectionEvents | undefined;
}

/** One direction's end of a connection. */
class End implements Connection {
	readonly remoteText: string;
	readonly remoteAddress: string;
	bufferedBytes = 0;
	events: ConnectionEvents | undefined;
	peer!: End;
	isOpen = true;
	/** Nothing arrives before this, so that order is kept whatever the jitter. */
	#lastArrivalMs = 0;
	readonly #network: VirtualNetwork;
	readonly owner: string;

	constructor(network: VirtualNetwork, owner: string, remote: string) {
		this.#network = network;
		this.owner = owner;
		this.remoteText = remote;
		this.remoteAddress = remote;
	}

	write(bytes: Buffer): void {
		if (!this.isOpen) return;
		this.bufferedBytes += bytes.length;
		this.#network.bytesSent += bytes.length;
		// Cut anywhere: TCP keeps no borders.
		const { chance } = this.#network;
		const cut = chance.happens(0.2) ? chance.index(bytes.length) : 0;
		if (cut > 0) this.#send(bytes.subarray(0, cut));
		this.#send(bytes.subarray(cut));
	}

	#send(bytes: Buffer): void {
		this.#deliver(() => {
			this.bufferedBytes -= bytes.length;
			if (this.peer.isOpen) this.peer.events?.received(bytes);
			if (this.bufferedBytes === 0 && this.isOpen) this.events?.drained();
		});
	}

	close(kind: 'fin' | 'reset'): void {
		if (!this.isOpen) return;
		this.isOpen = false;
		if (kind === 'reset') this.#lastArrivalMs = 0;
		this.#deliver(() => this.peer.lost(kind === 'fin' ? 'closed by the other side' : 'connection reset'));
	}

	lost(reason: string): void {
		if (!this.isOpen) return;
		this.isOpen = false;
		this.events?.closed(reason);
	}

	/** Runs at the other end after the delay of the way, or when the partition between the two ends. */
	#deliver(run: () => void): void {
		const { time } = this.#network;
		const arrivalMs = Math.max(time.nowMs + this.#network.delayMs(), this.#lastArrivalMs);
		this.#lastArrivalMs = arrivalMs;
		const attempt = (): void => {
			if (this.#network.isCut(this.owner, this.peer.owner)) this.#network.whenHealed(attempt);
			else run();
		};
		time.at(arrivalMs, attempt);
	}
}

export class VirtualNetwork {
	readonly time: VirtualTime;
	readonly chance: Chance;
	readonly #listeners = new Map<string, Listener>();
	readonly #ends = new Set<End>();
	/** Which side of the partition a node is on; all on side 0 when there is none. */
	#sides = new Map<string, number>();
	#whenHealed: (() => void)[] = [];
	bytesSent = 0;
	dials = 0;
	maxDelayMs = 20;

	constructor(time: VirtualTime, chance: Chance) {
		this.time = time;
		this.chance = chance;
	}

	delayMs(): number {
		return 1 + this.chance.index(this.maxDelayMs);
	}

	listen(name: string, listener: Listener): void {
		this.#listeners.set(name, listener);
	}

	unlisten(name: string): void {
		this.#listeners.delete(name);
	}

	isCut(a: string, b: string): boolean {
		return (this.#sides.get(a) ?? 0) !== (this.#sides.get(b) ?? 0);
	}

	partition(sides: Map<string, number>): void {
		this.heal();
		this.#sides = sides;
	}

	heal(): void {
		this.#sides = new Map();
		const waiting = this.#whenHealed;
		this.#whenHealed = [];
		for (const run of waiting) run();
	}

	whenHealed(run: () => void): void {
		this.#whenHealed.push(run);
	}

	/** Ends a random connection, what is under way being lost. */
	breakOne(): void {
		const open = [...this.#ends].filter((end) => end.isOpen && end.peer.isOpen);
		if (open.length === 0) return;
		const end = this.chance.pick(open);
		end.peer.lost('connection reset');
		end.lost('connection reset');
	}

	/** A machine stops dead: its connections are reset. */
	crash(name: string): void {
		this.unlisten(name);
		for (const end of this.#ends) {
			if (end.owner !== name || !end.isOpen) continue;
			end.isOpen = false;
			end.peer.lost('connection reset');
		}
	}

	/** The network as one node sees it. */
	for(owner: string): Network {
		return {
			addressesOf: (peer) => [peer.name],
			dial: (peer, events) => this.#dial(owner, peer, events),
		};
	}

	#dial(owner: string, peer: PeerConfig, events: ConnectionEvents): Connection {
		this.dials++;
		const near = new End(this, owner, peer.name);
		const far = new End(this, peer.name, owner);
		near.peer = far;
		far.peer = near;
		near.events = events;
		for (const end of this.#ends) if (!end.isOpen && !end.peer.isOpen) this.#ends.delete(end);
		const arrive = (): void => {
			if (this.isCut(owner, peer.name)) {
				this.whenHealed(arrive);
				return;
			}
			if (!near.isOpen) return;
			const listener = this.#listeners.get(peer.name);
			if (listener === undefined) {
				near.lost('connection refused');
				return;
			}
			this.#ends.add(near).add(far);
			far.events = listener.accept(far);
			if (far.isOpen) events.opened();
		};
		this.time.after(this.delayMs(), arrive);
		return near;
	}
}
