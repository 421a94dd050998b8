/**
 * What the number of a stream tells of a stream that is not open (RFC 9113, sections 5.1 and 5.1.1): numbers only rise,
 * so one above the last is idle, and one below is closed, or was passed over. Of those that we have reset the numbers
 * are kept for a while: the peer may have sent more before it knew, and that is to be ignored.
 */
import { MAX_STREAM_ID } from './frames.js';

/** Streams that we have reset and the peer may not know of yet. */
const RESETS_REMEMBERED = 1000;
/** Ranges of numbers that the peer has passed over. */
const SKIPS_REMEMBERED = 16;

export class StreamNumbers {
	readonly #isServer: boolean;
	/** The highest that the peer has opened. */
	lastPeer = 0;
	/** The highest that we have opened. */
	lastOwn: number;
	/** Streams of the peer above this are not served any more: it was told by GOAWAY. */
	lastServed = MAX_STREAM_ID;
	readonly #resets = new Set<number>();
	/** First and last number of each range that was passed over. */
	readonly #skipped: number[] = [];

	constructor(isServer: boolean) {
		this.#isServer = isServer;
		this.lastOwn = isServer ? 0 : -1;
	}

	/** Clients have the odd ones. */
	isOfPeer(id: number): boolean {
		return ((id & 1) === 1) === this.#isServer;
	}

	/** Never opened, nor passed over. */
	isIdle(id: number): boolean {
		return this.isOfPeer(id) ? id > this.lastPeer : id > this.lastOwn;
	}

	/** What may still come on it was sent before the peer could know that nobody wants it. */
	isIgnored(id: number): boolean {
		return this.#resets.has(id) || (this.isOfPeer(id) && id > this.lastServed);
	}

	/** The peer opens a stream above all before. */
	opened(id: number): void {
		const first = this.lastPeer === 0 ? 1 : this.lastPeer + 2;
		if (id > first) {
			if (this.#skipped.length >= 2 * SKIPS_REMEMBERED) this.#skipped.splice(0, 2);
			this.#skipped.push(first, id - 2);
		}
		this.lastPeer = id;
	}

	wasSkipped(id: number): boolean {
		const skipped = this.#skipped;
		for (let i = 0; i < skipped.length; i += 2) {
			if (id >= (skipped[i] as number) && id <= (skipped[i + 1] as number)) return true;
		}
		return false;
	}

	/** We have reset it while the peer might still send. */
	reset(id: number): void {
		const resets = this.#resets;
		resets.add(id);
		if (resets.size <= RESETS_REMEMBERED) return;
		for (const oldest of resets) {
			resets.delete(oldest);
			return;
		}
	}
}
