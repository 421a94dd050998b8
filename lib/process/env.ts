/**
 * The operating system as the master sees it: an interface, so that its decisions (who is started, who is
 * told to leave, what a crash leads to) are tested without starting a process.
 */
import { type ChildProcess, type SendHandle, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Clock, systemClock } from '../core/clock.js';
import { type BoundSocket, bindSocket, type SocketHandle, type SocketRequest } from './listening-socket.js';
import type { FromWorker, ToWorker } from './messages.js';

export interface WorkerProcess {
	readonly pid: number;
	/** With `handle` the worker gets a duplicate of it. */
	send(message: ToWorker, handle?: SocketHandle): void;
	kill(signal: NodeJS.Signals): void;
	onMessage(receive: (message: FromWorker) => void): void;
	/** Called once, after its last message, with the exit code or the signal. */
	onExit(receive: (code: number | null, signal: NodeJS.Signals | null) => void): void;
}

export interface ProcessEnvironment {
	readonly pid: number;
	readonly clock: Clock;
	/** Throws HoldfastError BIND_FAILED. */
	bind(request: SocketRequest): BoundSocket;
	spawnWorker(): WorkerProcess;
	/** False if there is no such process. */
	signal(pid: number, signal: NodeJS.Signals): boolean;
	onSignal(signal: NodeJS.Signals, receive: () => void): void;
	writePidfile(path: string, pids: readonly number[]): void;
	/** A line to the operator, on standard error. */
	print(text: string): void;
	exit(code: number): never;
	/** Ends by the default action of a signal, so that the caller's shell sees which. */
	exitBySignal(signal: NodeJS.Signals): void;
}

const WORKER_PATH = fileURLToPath(new URL('./worker.js', import.meta.url));

export const systemEnvironment: ProcessEnvironment = {
	pid: process.pid,
	clock: systemClock,
	bind: bindSocket,
	spawnWorker() {
		const child = spawn(process.execPath, [...process.execArgv, WORKER_PATH], {
			stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
			serialization: 'advanced',
		});
		return new SpawnedWorker(child);
	},
	signal(pid, signal) {
		try {
			return process.kill(pid, signal);
		} catch {
			return false;
		}
	},
	onSignal(signal, receive) {
		process.on(signal, receive);
	},
	writePidfile(path, pids) {
		writeFileSync(path, pids.map((pid) => `${pid}\n`).join(''));
	},
	print(text) {
		process.stderr.write(`${text}\n`);
	},
	exit(code) {
		process.exit(code);
	},
	exitBySignal(signal) {
		process.removeAllListeners(signal);
		process.kill(process.pid, signal);
	},
};

class SpawnedWorker implements WorkerProcess {
	readonly pid: number;
	readonly #child: ChildProcess;

	constructor(child: ChildProcess) {
		this.#child = child;
		this.pid = child.pid ?? -1;
		// A worker that cannot be started or written to shows by its exit; the event must have a listener.
		child.on('error', () => undefined);
	}

	send(message: ToWorker, handle?: SocketHandle): void {
		if (!this.#child.connected) return;
		// `keepOpen`: the master's handle stays its own, the worker's is a duplicate.
		this.#child.send(message, handle as SendHandle | undefined, { keepOpen: true }, () => undefined);
	}

	kill(signal: NodeJS.Signals): void {
		this.#child.kill(signal);
	}

	onMessage(receive: (message: FromWorker) => void): void {
		this.#child.on('message', (message) => receive(message as FromWorker));
	}

	onExit(receive: (code: number | null, signal: NodeJS.Signals | null) => void): void {
		let told = false;
		const tell = (code: number | null, signal: NodeJS.Signals | null): void => {
			if (told) return;
			told = true;
			receive(code, signal);
		};
		this.#child.once('exit', (code, signal) => {
			// What it said last may still be in the channel.
			if (this.#child.connected) this.#child.once('disconnect', () => tell(code, signal));
			else tell(code, signal);
		});
		this.#child.once('error', () => tell(1, null));
	}
}
