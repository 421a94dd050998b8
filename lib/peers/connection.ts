/**
 * The border between peers and the network: connections as the section sees them. `transport.ts` makes them
 * of sockets, the simulation of virtual wires, so that everything above this file runs in both.
 */
import type { PeerConfig } from './peer.js';
import type { Link } from './session-host.js';

export interface Connection extends Link {
	/** The other end, for log lines and `show peers`: `127.0.0.1:1024`. */
	readonly remoteText: string;
	/** Its numeric address without port; undefined for a unix socket. */
	readonly remoteAddress: string | undefined;
}

/** What happens to a connection. After `closed`, nothing more; after `close()`, nothing at all. */
export interface ConnectionEvents {
	/** A dialled connection is up, TLS included. */
	opened(): void;
	received(chunk: Buffer): void;
	drained(): void;
	/** By the other side or the network; before `opened`: it could not be made. `reason` is for a log line. */
	closed(reason: string): void;
}

export interface Network {
	/**
	 * Connects to the peer: names are resolved anew each time, and each address of a name is tried. The events
	 * come later, never during the call.
	 */
	dial(peer: PeerConfig, events: ConnectionEvents): Connection;
	/** Numeric addresses the peer is known by: written in the configuration, or what its name last resolved to. */
	addressesOf(peer: PeerConfig): readonly string[];
}

/** The program's log, as much of it as peers need. */
export interface PeersLog {
	info(text: string): void;
	warn(text: string): void;
}
