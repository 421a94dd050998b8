/**
 * What `-Ws` tells systemd (sd_notify(3)): ready, reloading, stopping. The protocol is a datagram on a unix
 * socket, which Node cannot send; systemd's own `systemd-notify` does it. So a unit needs `NotifyAccess=all`
 * (conf/holdfast.service has it), since the sender is a child of ours. Without NOTIFY_SOCKET, that is when
 * systemd did not start us, nothing is said.
 */
import { spawn } from 'node:child_process';
import type { Logger } from '../core/logger.js';

export class SystemdNotifier {
	readonly #logger: Logger;
	readonly #command: string;
	#last: Promise<void> = Promise.resolve();
	#complained = false;

	constructor(logger: Logger, command = 'systemd-notify') {
		this.#logger = logger;
		this.#command = command;
	}

	ready(): Promise<void> {
		return this.#tell(['READY=1', `MAINPID=${process.pid}`, 'STATUS=Ready']);
	}

	reloading(): Promise<void> {
		const microseconds = process.hrtime.bigint() / 1000n;
		return this.#tell(['RELOADING=1', `MONOTONIC_USEC=${microseconds}`, 'STATUS=Reloading']);
	}

	/** After a reload: what serves now, or that the former configuration goes on. */
	reloaded(ok: boolean): Promise<void> {
		return this.#tell(['READY=1', `STATUS=${ok ? 'Ready' : 'Reload failed, the former configuration serves'}`]);
	}

	stopping(): Promise<void> {
		return this.#tell(['STOPPING=1', 'STATUS=Stopping']);
	}

	/** One after the other: systemd must not hear READY before the RELOADING it ends. */
	#tell(assignments: readonly string[]): Promise<void> {
		if (process.env.NOTIFY_SOCKET === undefined) return this.#last;
		this.#last = this.#last.then(() => this.#send(assignments));
		return this.#last;
	}

	#send(assignments: readonly string[]): Promise<void> {
		return new Promise((resolve) => {
			const child = spawn(this.#command, assignments, { stdio: 'ignore' });
			child.once('error', (error) => {
				if (!this.#complained) this.#logger.warn({ err: error }, 'systemd cannot be told of our state');
				this.#complained = true;
				resolve();
			});
			child.once('exit', () => resolve());
		});
	}
}
