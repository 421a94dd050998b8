/**
 * Two nodes that have one name. Each calls us and is called, the newer connection replaces the older one, the replaced
 * node calls again, and so on for ever, while both tell of their counts as one peer's. Neither the protocol nor a
 * single connection shows it; that connections of a peer replace each other again and again does. A peer whose
 * network fails is another case: its old connection is silent by then.
 */
import type { Peer } from './peer.js';

/** So many within so long: two nodes that call each other at one moment replace a connection once or twice. */
const REPLACEMENTS = 5;
const WITHIN_MS = 60_000;
/** It goes on until somebody changes a name; said again after this long. */
const LOG_PAUSE_MS = 3_600_000;

/** A living session of the peer is replaced now. True: it is to be said that two nodes have its name. */
export function hasRival(peer: Peer, nowMs: number): boolean {
	const { replacedAtMs } = peer;
	replacedAtMs.push(nowMs);
	while (replacedAtMs.length > REPLACEMENTS || nowMs - replacedAtMs[0]! > WITHIN_MS) replacedAtMs.shift();
	if (replacedAtMs.length < REPLACEMENTS) return false;
	if (peer.rivalsLoggedMs !== undefined && nowMs - peer.rivalsLoggedMs < LOG_PAUSE_MS) return false;
	peer.rivalsLoggedMs = nowMs;
	return true;
}
