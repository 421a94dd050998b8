/**
 * An address of a `dgram-bind` line: datagrams, each one syslog message (RFC 5426, 3.1). One data thread reads it, so
 * that messages of a sender keep their order, save for the instant of a reload in which the threads of two
 * configurations read. The descriptor was bound by the master, and what comes while nobody reads waits in it.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { HoldfastError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { LogForwarder } from '../stream/log-forward/forwarder.js';

/** What the kernel may keep for a thread that is busy, if it lets us: a burst of logs is the ordinary case. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

export class DatagramListener {
	readonly #forwarder: LogForwarder;
	readonly #logger: Pick<Logger, 'error'>;
	#socket: Socket | undefined;

	constructor(forwarder: LogForwarder, logger: Pick<Logger, 'error'>) {
		this.#forwarder = forwarder;
		this.#logger = logger;
	}

	/** On a bound descriptor. Rejects with DESCRIPTOR_INVALID. */
	listen(fd: number, family: 4 | 6): Promise<void> {
		const socket = createSocket(`udp${family}`, this.#receive);
		this.#socket = socket;
		return new Promise((resolve, reject) => {
			const failed = (cause: Error): void =>
				reject(new HoldfastError('DESCRIPTOR_INVALID', `datagrams: ${cause.message}`, { cause }));
			socket.once('error', failed);
			socket.bind({ fd }, () => {
				socket.off('error', failed);
				socket.on('error', (error) => this.#logger.error({ err: error }, 'datagrams could not be read'));
				try {
					socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
				} catch {
					// The system's own size then: it is a wish.
				}
				resolve();
			});
		});
	}

	stop(): void {
		this.#socket?.close();
		this.#socket = undefined;
	}

	readonly #receive = (message: Buffer, from: RemoteInfo): void => {
		this.#forwarder.forward(message.toString('latin1'), from.address);
	};
}
