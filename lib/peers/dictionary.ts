/**
 * The two caches that replace repeated `server_key` strings by small ids (section 8.4): one for each
 * direction of a session, 128 slots, both empty when a session starts.
 *
 * The sender's ring is HAProxy's: a string that is not in the cache takes the next slot whatever was there,
 * however recently it was used. It is not the best cache, but the receiver only mirrors it, so any policy
 * works, and this one needs no bookkeeping when a cached string is used again.
 */
import { DICTIONARY_SLOTS, PeersProtocolError } from './protocol.js';

export class TransmitDictionary {
	readonly #idByText = new Map<string, number>();
	readonly #textBySlot: (string | undefined)[] = new Array<string | undefined>(DICTIONARY_SLOTS).fill(undefined);
	#nextSlot = 0;

	/** The id under which the other side already knows `text`; 0 if it does not. */
	idOf(text: string): number {
		return this.#idByText.get(text) ?? 0;
	}

	/** Gives `text` the next slot and returns its id, 1 to 128. The caller sends the string with it. */
	assign(text: string): number {
		const slot = this.#nextSlot;
		this.#nextSlot = (slot + 1) % DICTIONARY_SLOTS;
		const replaced = this.#textBySlot[slot];
		if (replaced !== undefined) this.#idByText.delete(replaced);
		this.#textBySlot[slot] = text;
		this.#idByText.set(text, slot + 1);
		return slot + 1;
	}

	clear(): void {
		this.#idByText.clear();
		this.#textBySlot.fill(undefined);
		this.#nextSlot = 0;
	}

	/** By slot, for `show peers dict`. */
	slots(): readonly (string | undefined)[] {
		return this.#textBySlot;
	}
}

export class ReceiveDictionary {
	readonly #textBySlot: (string | undefined)[] = new Array<string | undefined>(DICTIONARY_SLOTS).fill(undefined);

	/**
	 * The string of `id`; undefined while nothing was sent under it, which is no error: HAProxy gives a slot to
	 * a string when it builds the message, and the message may never have left.
	 */
	get(id: number): string | undefined {
		return this.#textBySlot[slotOf(id)];
	}

	set(id: number, text: string | undefined): void {
		this.#textBySlot[slotOf(id)] = text;
	}

	clear(): void {
		this.#textBySlot.fill(undefined);
	}

	slots(): readonly (string | undefined)[] {
		return this.#textBySlot;
	}
}

/** An id from the wire is checked here and nowhere else: HAProxy 2.6 wrote outside its array for ids over 128. */
function slotOf(id: number): number {
	if (!(id >= 1 && id <= DICTIONARY_SLOTS)) {
		throw new PeersProtocolError('protocol', `dictionary id ${id} is not one of 1 to ${DICTIONARY_SLOTS}`);
	}
	return id - 1;
}
