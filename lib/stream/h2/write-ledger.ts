/**
 * How much of what was written to a stream of HTTP/2 is still waiting, and who wants to know when it is not: the
 * callers' buffers are free once Node has taken every byte before and in them. Callbacks come in the order in which
 * they were left here, never within the call that left them.
 */
export class WriteLedger {
	#givenBytes = 0;
	#takenBytes = 0;
	/** Positions and callbacks, in pairs. */
	readonly #waiting: { readonly at: number; readonly written: () => void }[] = [];
	#flushDue = false;

	get pendingBytes(): number {
		return this.#givenBytes - this.#takenBytes;
	}

	/** The callback for Node's write of so many bytes. */
	given(byteCount: number): () => void {
		this.#givenBytes += byteCount;
		return () => {
			this.#takenBytes = Math.min(this.#givenBytes, this.#takenBytes + byteCount);
			this.#flush();
		};
	}

	/** When all that was given until now is taken. */
	whenWritten(written: () => void): void {
		this.#waiting.push({ at: this.#givenBytes, written });
		if (this.pendingBytes > 0 || this.#flushDue) return;
		this.#flushDue = true;
		queueMicrotask(() => {
			this.#flushDue = false;
			this.#flush();
		});
	}

	#flush(): void {
		for (let first = this.#waiting[0]; first !== undefined && first.at <= this.#takenBytes; first = this.#waiting[0]) {
			this.#waiting.shift();
			first.written();
		}
	}

	/** All of it is taken. */
	settle(): void {
		this.#takenBytes = this.#givenBytes;
		this.#flush();
	}

	/** Nobody is told any more. */
	clear(): void {
		this.#waiting.length = 0;
		this.#takenBytes = this.#givenBytes;
	}
}
