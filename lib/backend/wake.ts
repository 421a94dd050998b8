/**
 * Waking another data thread because slots were granted to it: a message port between each two threads,
 * carrying the number of the backend. Messages are delivered by the receiving thread's event loop, in
 * order and without loss, and need no thread to sleep on an address (`Atomics.waitAsync` is not in every
 * supported Node, and `Atomics.wait` would stop the event loop).
 *
 * The control thread makes the ports and gives each data thread its row. Ports do not keep a thread alive.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/** Ports of each thread to each other one; `rows[a][b]` is a's end towards b, undefined to itself. */
export function createWakePorts(threadCount: number): (MessagePort | undefined)[][] {
	const rows = Array.from({ length: threadCount }, () =>
		new Array<MessagePort | undefined>(threadCount).fill(undefined),
	);
	for (let a = 0; a < threadCount; a++) {
		for (let b = a + 1; b < threadCount; b++) {
			const { port1, port2 } = new MessageChannel();
			(rows[a] as (MessagePort | undefined)[])[b] = port1;
			(rows[b] as (MessagePort | undefined)[])[a] = port2;
		}
	}
	return rows;
}

export class WakeMesh {
	readonly #ports: readonly (MessagePort | undefined)[];

	/** `onWake` is called with the number that the other thread gave to `wake`. */
	constructor(ports: readonly (MessagePort | undefined)[], onWake: (backend: number) => void) {
		this.#ports = ports;
		for (const port of ports) {
			port?.on('message', onWake);
			port?.unref();
		}
	}

	wake(thread: number, backend: number): void {
		this.#ports[thread]?.postMessage(backend);
	}

	close(): void {
		for (const port of this.#ports) port?.close();
	}
}
