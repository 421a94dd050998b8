/**
 * `option external-check` (manual, 4.2): a program of the operator's says by its exit code whether a server is well. It is
 * told where and who the server is by its arguments and its environment, and has nothing else of ours: no
 * variables, no descriptors.
 *
 * Beware: whoever may write the program's file runs as the proxy does. That is why `global` has to allow it twice
 * (`external-check`, `insecure-fork-wanted`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { ProxyModel } from '../../config/model.js';
import type { Clock, Timer } from '../../core/clock.js';
import type { Backend } from '../backend.js';
import type { Server } from '../server.js';
import { type CheckResult, CheckStatus } from './check-status.js';

export interface ExternalCheck {
	readonly command: string;
	/** Its PATH. */
	readonly path: string;
	/** The first address that the proxy listens on; undefined for a backend. */
	readonly listener: { readonly address: string; readonly port: number | undefined } | undefined;
}

export interface ExternalRunOptions {
	readonly check: ExternalCheck;
	readonly backend: Backend;
	readonly server: Server;
	readonly clock: Clock;
	readonly timeoutMs: number;
	readonly done: (result: CheckResult) => void;
}

const NOT_USED = 'NOT_USED';
/** The exit code of a program that could not be started. */
const NOT_STARTED = 255;
/** From the polite signal to the other one. */
const KILL_AFTER_MS = 1000;

/** Where a proxy listens first, by an address that a program can be told. */
export function firstListener({ kind, binds }: ProxyModel): ExternalCheck['listener'] {
	if (kind === 'backend') return undefined;
	for (const { address } of binds) {
		if (address.kind === 'ip') return { address: address.address, port: address.port };
		if (address.kind === 'unix') return { address: address.path, port: undefined };
	}
	return undefined;
}

export class ExternalRun {
	readonly #options: ExternalRunOptions;
	#child: ChildProcess | undefined;
	#timer: Timer | undefined;
	#startedMs = 0;
	#isOver = false;

	constructor(options: ExternalRunOptions) {
		this.#options = options;
	}

	start(): void {
		const { check, clock, timeoutMs } = this.#options;
		this.#startedMs = clock.monotonicMs();
		this.#timer = clock.setTimer(() => this.#timedOut(), timeoutMs);
		const child = spawn(check.command, this.#arguments(), { env: this.#environment(), stdio: 'ignore' });
		this.#child = child;
		child.on('error', () => this.#end(CheckStatus.PROCERR, NOT_STARTED));
		child.on('exit', (code) => this.#end(code === 0 ? CheckStatus.PROCOK : CheckStatus.PROCERR, code ?? NOT_STARTED));
	}

	cancel(): void {
		this.#isOver = true;
		this.#timer?.cancel();
		this.#kill();
	}

	#timedOut(): void {
		this.#end(CheckStatus.PROCTOUT, 0);
		this.#kill();
	}

	#kill(): void {
		const child = this.#child;
		if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
		child.kill('SIGTERM');
		const last = this.#options.clock.setTimer(() => child.kill('SIGKILL'), KILL_AFTER_MS);
		child.once('exit', () => last.cancel());
	}

	#end(status: CheckStatus, code: number): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#timer?.cancel();
		const durationMs = this.#options.clock.monotonicMs() - this.#startedMs;
		this.#options.done({ status, code, info: '', durationMs });
	}

	#arguments(): string[] {
		const { listener } = this.#options.check;
		const { server } = this.#options;
		return [
			listener?.address ?? NOT_USED,
			listener?.port === undefined ? NOT_USED : String(listener.port),
			server.address,
			server.model.address.kind === 'unix' ? NOT_USED : String(server.port),
		];
	}

	#environment(): Record<string, string> {
		const { check, backend, server } = this.#options;
		return {
			PATH: check.path,
			HAPROXY_PROXY_ADDR: check.listener?.address ?? '',
			HAPROXY_PROXY_ID: String(backend.id),
			HAPROXY_PROXY_NAME: backend.name,
			HAPROXY_PROXY_PORT: String(check.listener?.port ?? ''),
			HAPROXY_SERVER_ADDR: server.address,
			HAPROXY_SERVER_CURCONN: String(server.currentSessions()),
			HAPROXY_SERVER_ID: String(server.id),
			HAPROXY_SERVER_MAXCONN: String(server.maxconn),
			HAPROXY_SERVER_NAME: server.name,
			HAPROXY_SERVER_PORT: server.model.address.kind === 'unix' ? '' : String(server.port),
			HAPROXY_SERVER_PROTO: 'h1',
			HAPROXY_SERVER_SSL: server.model.tls === undefined ? '0' : '1',
		};
	}
}
