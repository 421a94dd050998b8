/**
 * The variables of scope `proc` (manual, `set-var`), which every thread of the process has in common: each keeps its own
 * copy, so that reading one costs nothing, and tells the others what it changes (sample/shared-change.ts).
 */
import { fromPlain, type PlainValue, type SharedChange, toPlain } from '../sample/shared-change.js';
import type { SampleValue } from '../sample/types.js';

export class ProcessVariables {
	readonly #values = new Map<string, SampleValue>();
	/** Tells the other threads; undefined: there are none. */
	share: ((change: SharedChange) => void) | undefined;

	constructor(share?: (change: SharedChange) => void) {
		this.share = share;
	}

	get(name: string): SampleValue | undefined {
		return this.#values.get(name);
	}

	set(name: string, value: SampleValue): void {
		const known = this.#values.get(name);
		this.#values.set(name, value);
		// A rule that sets the same value for every request is no news. Bytes and addresses are always told.
		if (known !== value) this.share?.({ kind: 'process-variable', name, value: toPlain(value) });
	}

	delete(name: string): boolean {
		const known = this.#values.delete(name);
		if (known) this.share?.({ kind: 'process-variable', name, value: undefined });
		return known;
	}

	/** What another thread, or the configuration, has set. */
	receive(name: string, plain: PlainValue | undefined): void {
		const value = plain === undefined ? undefined : fromPlain(plain);
		if (value === undefined) this.#values.delete(name);
		else this.#values.set(name, value);
	}

	/** All of them, for another thread. */
	*plain(): Generator<readonly [name: string, value: PlainValue]> {
		for (const [name, value] of this.#values) yield [name, toPlain(value)];
	}
}
