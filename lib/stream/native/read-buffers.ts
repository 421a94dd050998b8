/**
 * Memory to read into, one set per data thread.
 *
 * Nearly all reads are small (a request head, a small answer) and are consumed before the read callback
 * returns: parsed to strings, copied into one write. All sockets read those into the same `scratch` buffer,
 * so ten thousand idle connections hold no buffer at all. That is sound because the event loop reads and calls
 * back one socket at a time.
 *
 * Only a body that goes on is read into buffers of its own: each is passed to the other socket's `write` as
 * it is and comes back when the kernel has taken it. Those are recycled here; the pool is a cache, a
 * buffer that never comes back (its socket was destroyed) is the garbage collector's.
 */
export const READ_BUFFER_BYTES = 32 * 1024;
const KEPT_BUFFERS = 256;

export class ReadBuffers {
	/** Contents are gone when the read callback returns. */
	readonly scratch: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
	readonly #free: Buffer[] = [];

	take(): Buffer {
		return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
	}

	give(buffer: Buffer): void {
		if (this.#free.length < KEPT_BUFFERS) this.#free.push(buffer);
	}

	get freeCount(): number {
		return this.#free.length;
	}
}
