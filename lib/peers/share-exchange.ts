/**
 * How two Holdfast nodes that make sums begin a session: what each tells of shares, in which order. The shares
 * themselves are lib/aggregate's.
 *
 * Both sides ask for shares at once, tell those of others, and only then their own: whoever has started anew must
 * have heard what was known of it before it says what it counts now (lib/aggregate/shares.ts). From then on the
 * own share is pushed as it changes.
 *
 * The first message of a session tells whether the peer is of this kind at all; nothing is known before.
 */
import type { Peer } from './peer.js';
import { HOLDFAST_MESSAGE, type ShareMessageType } from './protocol.js';
import type { SessionHost } from './session-host.js';
import type { SharedTable, TableRole } from './shared-table.js';

export class ShareExchange {
	kind: 'unknown' | 'plain' | 'shares' = 'unknown';
	/** What is due: nothing, the others' shares, our own; then our own is live. */
	#tellsShares = false;
	#ownShare: 'none' | 'telling' | 'live' = 'none';
	readonly #messagesDue: ShareMessageType[] = [];
	readonly #peer: Peer;
	readonly #host: SessionHost;
	readonly #isDue: (shared: SharedTable) => void;

	/** `isDue`: the table has something to say. */
	constructor(peer: Peer, host: SessionHost, isDue: (shared: SharedTable) => void) {
		this.#peer = peer;
		this.#host = host;
		this.#isDue = isDue;
	}

	becomeKnown(kind: 'plain' | 'shares'): void {
		this.kind = kind;
		if (kind === 'shares') this.#messagesDue.push(HOLDFAST_MESSAGE.SHARES_REQUEST);
	}

	get isOwnShareLive(): boolean {
		return this.#ownShare === 'live';
	}

	/** The peer asks for shares. */
	requested(): void {
		this.#tellsShares = true;
		this.#tellAll('share');
	}

	/** The peer may know our own share now. */
	tellOwnShare(): void {
		this.#ownShare = 'telling';
		this.#tellAll('own share');
	}

	/** Asks again for nothing, but tells what we count anew: under another name since the last time. */
	retellOwnShare(): boolean {
		if (this.#ownShare === 'none') return false;
		this.tellOwnShare();
		return true;
	}

	#tellAll(role: TableRole): void {
		for (const shared of this.#peer.tables) {
			if (shared.role !== role) continue;
			shared.startTeaching();
			this.#isDue(shared);
		}
	}

	/** Part of each pass: what the tables of a role are told completely of is said once. */
	encodeMessages(): void {
		if (this.#tellsShares && this.#isTold('share')) {
			this.#tellsShares = false;
			this.#messagesDue.push(HOLDFAST_MESSAGE.SHARES_TOLD);
		}
		if (this.#ownShare === 'telling' && this.#isTold('own share')) {
			this.#ownShare = 'live';
			this.#messagesDue.push(HOLDFAST_MESSAGE.OWN_SHARE_TOLD);
		}
		for (const type of this.#messagesDue) this.#host.writer.share(type);
		this.#messagesDue.length = 0;
	}

	/** If so, its tables go back to live updates. */
	#isTold(role: TableRole): boolean {
		const tables = this.#peer.tables.filter((shared) => shared.role === role);
		if (tables.some(({ teaching }) => teaching === 'local' || teaching === 'learned')) return false;
		for (const shared of tables) {
			shared.endTeaching(false);
			this.#isDue(shared);
		}
		return true;
	}
}
