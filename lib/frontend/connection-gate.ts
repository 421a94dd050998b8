/**
 * How many connections there may be: `maxconn` of the process, of a frontend, of a bind line (manual, 3.2, 4.2,
 * 5.1), each one count over all threads in shared memory. A connection needs a place at every gate, or none.
 */
export class ConnectionGate {
	/** 0: none. The runtime API changes it (`set maxconn`); whoever is over it stays. */
	limit: number;
	readonly #words: Int32Array;
	readonly #index: number;

	/** `words` is shared by the threads; 0 is no limit. */
	constructor(words: Int32Array, index: number, limit: number) {
		this.#words = words;
		this.#index = index;
		this.limit = limit;
	}

	static local(limit: number): ConnectionGate {
		return new ConnectionGate(new Int32Array(1), 0, limit);
	}

	get current(): number {
		return Atomics.load(this.#words, this.#index);
	}

	tryEnter(): boolean {
		const before = Atomics.add(this.#words, this.#index, 1);
		if (this.limit === 0 || before < this.limit) return true;
		Atomics.sub(this.#words, this.#index, 1);
		return false;
	}

	leave(): void {
		Atomics.sub(this.#words, this.#index, 1);
	}
}

/** A place at each gate, or at none of them. */
export function enterAll(gates: readonly ConnectionGate[]): boolean {
	for (let i = 0; i < gates.length; i++) {
		if ((gates[i] as ConnectionGate).tryEnter()) continue;
		for (let j = 0; j < i; j++) (gates[j] as ConnectionGate).leave();
		return false;
	}
	return true;
}

export function leaveAll(gates: readonly ConnectionGate[]): void {
	for (const gate of gates) gate.leave();
}
