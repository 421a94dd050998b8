/**
 * The master process: it owns the bound sockets for life, and starts and replaces the worker.
 *
 * It never accepts a connection and knows nothing of the configuration: the worker reads the files' text,
 * says which sockets it wants, and the master binds those that it does not have yet. A mistake in the files,
 * an address that is taken: the worker goes on with what it had, and so do the sockets.
 *
 * A reload is a message to the worker, not a new process (see control-thread.ts for why). A worker that dies
 * is replaced on the same sockets, with a growing pause if it keeps dying.
 */
import type { Diagnostic } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Level } from '../runtime-api/command.js';
import type { ParsedCommand } from '../runtime-api/command-line.js';
import type { ProcessEnvironment, WorkerProcess } from './env.js';
import type { BoundSocket } from './listening-socket.js';
import type {
	ConfigFile,
	FromWorker,
	GenerationStatus,
	ServingConfiguration,
	WantedSocket,
	WorkerSettings,
} from './messages.js';

/**
 * Attempts to bind an address that an older program was asked to give up. From its close until our threads listen new
 * connections are refused. By then the threads wait (messages.ts), so that takes the time of a few messages, milliseconds
 * on a quiet machine. There is no way around it within Node's public API: Node 20 cannot share an address
 * (SO_REUSEPORT), and descriptors are passed between parent and child only, so neither HAProxy's `-x` nor a hand-over
 * between two masters can be had. A reload refuses nobody: that is the way to change a configuration.
 */
const REBIND_PAUSE_MS = 1;
const REBIND_ATTEMPTS = 1000;
/** First pause before a worker that died is started again; doubled at each death in a row. */
const FIRST_RESTART_PAUSE_MS = 100;
const LONGEST_RESTART_PAUSE_MS = 30_000;
/** A worker that served this long is healthy: the next death starts from no pause again. */
const HEALTHY_AFTER_MS = 10_000;

export interface MasterOptions {
	readonly environment: ProcessEnvironment;
	readonly logger: Logger;
	/** Reads the configuration files anew. Throws HoldfastError FILE_UNREADABLE. */
	readonly readFiles: () => readonly ConfigFile[];
	readonly settings: WorkerSettings;
	/**
	 * Asks whoever may hold an address to give it up, when the first configuration finds one taken (`-sf`, `-st`);
	 * absent when nobody is known.
	 */
	readonly makeRoom?: (() => void) | undefined;
	/** Called when a configuration serves, with its number from 1. */
	readonly onServing: (generation: number, serving: ServingConfiguration) => void;
	/** Called when the worker has left after a stop. */
	readonly onStopped: (how: 'soft' | 'hard') => void;
}

/** The outcome of a start or of a reload. */
export type LoadOutcome =
	| { readonly ok: true; readonly generation: number; readonly diagnostics: readonly Diagnostic[] }
	| { readonly ok: false; readonly reason: string; readonly diagnostics: readonly Diagnostic[] };

/** Part of the answer to a command. */
interface CliPiece {
	readonly text: string;
	readonly isLast: boolean;
}

/** A configuration that is on its way to serve. */
interface Load {
	readonly generation: number;
	readonly files: readonly ConfigFile[];
	/** Sockets bound for it that nobody else uses. */
	readonly fresh: string[];
	readonly outcome: Promise<LoadOutcome>;
	readonly settle: (outcome: LoadOutcome) => void;
}

export class Master {
	readonly #options: MasterOptions;
	readonly #sockets = new Map<string, BoundSocket>();
	#worker: WorkerProcess | undefined;
	#generations: readonly GenerationStatus[] = [];
	readonly #answers = new Map<number, (piece: CliPiece) => void>();
	#answerCount = 0;
	/** Reloads that were tried, and those that failed since the last one that did not. */
	reloadCount = 0;
	failedReloads = 0;
	/** One at a time: a configuration takes over the tables of the one before it, which must serve by then. */
	#load: Load | undefined;
	#generationCount = 0;
	/** What the worker serves: the text to start another one with. */
	#servingFiles: readonly ConfigFile[] | undefined;
	#servingSinceMs = 0;
	#deathsInARow = 0;
	#stopping: 'soft' | 'hard' | undefined;
	#nextReload: Promise<LoadOutcome> | undefined;

	constructor(options: MasterOptions) {
		this.#options = options;
	}

	get workerPid(): number | undefined {
		return this.#worker?.pid;
	}

	get generations(): readonly GenerationStatus[] {
		return this.#worker === undefined ? [] : this.#generations;
	}

	/** Runs a command in the worker; each piece is made when the one before has been taken. */
	async *ask(command: ParsedCommand, level: Level): AsyncGenerator<string> {
		const worker = this.#worker;
		if (worker === undefined) return;
		const id = ++this.#answerCount;
		let isLast = false;
		try {
			worker.send({ kind: 'cli', id, words: command.words, payload: command.payload, level });
			while (!isLast) {
				const piece = await new Promise<CliPiece>((resolve) => this.#answers.set(id, resolve));
				isLast = piece.isLast;
				if (piece.text !== '') yield piece.text;
				if (!isLast) worker.send({ kind: 'cli-next', id });
			}
		} finally {
			this.#answers.delete(id);
			if (!isLast) worker.send({ kind: 'cli-end', id });
		}
	}

	/** Reads the files and starts the worker. */
	start(): Promise<LoadOutcome> {
		return this.#readAndLoad();
	}

	/**
	 * Reads the files again. Anything wrong leaves what serves as it is. All reloads that are asked for while a
	 * configuration is on its way, the first one included, are answered by a single one after it, which reads the
	 * files as they are then.
	 */
	async reload(): Promise<LoadOutcome> {
		if (this.#load !== undefined) {
			this.#nextReload ??= this.#load.outcome.then(() => {
				this.#nextReload = undefined;
				return this.reload();
			});
			return this.#nextReload;
		}
		const outcome = await this.#readAndLoad();
		this.reloadCount++;
		this.failedReloads = outcome.ok ? 0 : this.failedReloads + 1;
		const { logger } = this.#options;
		if (outcome.ok) logger.info({ generation: outcome.generation }, 'reload succeeded');
		else logger.error({ reason: outcome.reason }, 'reload failed, the former configuration goes on serving');
		return outcome;
	}

	/**
	 * SIGUSR1: finish what is in flight, then leave. The sockets are closed now: a connection that nobody will
	 * accept must be refused, not left waiting.
	 */
	softStop(): void {
		this.#stopping ??= 'soft';
		this.#worker?.send({ kind: 'soft-stop' });
		this.#closeAllBut([]);
		this.#leaveIfAlone();
	}

	/** SIGTERM: stop at once. */
	hardStop(): void {
		this.#stopping = 'hard';
		this.#worker?.kill('SIGTERM');
		this.#closeAllBut([]);
		this.#leaveIfAlone();
	}

	/** The first start has failed and is not tried again: leaves nothing behind. */
	abandon(): void {
		this.#stopping = 'hard';
		this.#worker?.kill('SIGKILL');
		this.#closeAllBut([]);
	}

	/**
	 * SIGTTOU: gives up the addresses, so that another program may take them, and serves on what is connected.
	 */
	pause(): void {
		this.#worker?.send({ kind: 'stop-accepting' });
		this.#closeAllBut([]);
	}

	/** SIGTTIN: the other program did not take over; binds the addresses again. */
	async resume(): Promise<void> {
		if (this.#load !== undefined) await this.#load.outcome;
		if (this.#servingFiles === undefined) return;
		const outcome = await this.#loadFiles(this.#servingFiles);
		if (!outcome.ok) this.#options.logger.error({ reason: outcome.reason }, 'cannot accept connections again');
	}

	#readAndLoad(): Promise<LoadOutcome> {
		try {
			return this.#loadFiles(this.#options.readFiles());
		} catch (error) {
			if (!(error instanceof HoldfastError)) throw error;
			return Promise.resolve({ ok: false, reason: error.message, diagnostics: [] });
		}
	}

	#loadFiles(files: readonly ConfigFile[]): Promise<LoadOutcome> {
		if (this.#stopping !== undefined) {
			return Promise.resolve({ ok: false, reason: 'the program is stopping', diagnostics: [] });
		}
		const worker = this.#worker ?? this.#startWorker();
		const generation = ++this.#generationCount;
		let settle: Load['settle'] = () => undefined;
		const outcome = new Promise<LoadOutcome>((resolve) => {
			settle = resolve;
		});
		this.#load = { generation, files, fresh: [], outcome, settle };
		worker.send({ kind: 'load', generation, files });
		return outcome;
	}

	#startWorker(): WorkerProcess {
		const worker = this.#options.environment.spawnWorker();
		this.#worker = worker;
		worker.onMessage((message) => this.#receive(worker, message));
		worker.onExit((code, signal) => this.#buried(worker, signal === null ? `code ${code ?? 'unknown'}` : signal));
		const { settings } = this.#options;
		// The former program was told to leave when the first worker served.
		const hasOldProcess = settings.hasOldProcess && this.#servingFiles === undefined;
		worker.send({ kind: 'settings', ...settings, hasOldProcess });
		return worker;
	}

	#receive(worker: WorkerProcess, message: FromWorker): void {
		if (message.kind === 'generations') {
			this.#generations = message.generations;
			return;
		}
		if (message.kind === 'cli-piece') {
			this.#answers.get(message.id)?.(message);
			return;
		}
		const load = this.#load;
		if (load === undefined || message.generation !== load.generation) return;
		switch (message.kind) {
			case 'sockets-wanted':
				this.#giveSockets(worker, load, message.sockets);
				break;
			case 'ready':
				this.#servingFiles = load.files;
				this.#servingSinceMs = this.#options.environment.clock.monotonicMs();
				this.#closeAllBut(message.socketKeys);
				this.#options.onServing(load.generation, message);
				this.#settle(load, { ok: true, generation: load.generation, diagnostics: message.diagnostics });
				break;
			case 'failed':
				this.#settle(load, { ok: false, reason: message.reason, diagnostics: message.diagnostics });
				break;
		}
	}

	#giveSockets(worker: WorkerProcess, load: Load, wanted: readonly WantedSocket[], attempt = 0): void {
		const { generation } = load;
		const { environment, makeRoom } = this.#options;
		try {
			for (const { request } of wanted) {
				if (this.#sockets.has(request.key)) continue;
				this.#sockets.set(request.key, environment.bind(request));
				load.fresh.push(request.key);
			}
		} catch (error) {
			if (!(error instanceof HoldfastError)) throw error;
			const isTaken = error.message.includes('Address already in use');
			if (isTaken && makeRoom !== undefined && this.#servingFiles === undefined && attempt < REBIND_ATTEMPTS) {
				if (attempt === 0) makeRoom();
				environment.clock.setTimer(() => {
					if (this.#load === load) this.#giveSockets(worker, load, wanted, attempt + 1);
				}, REBIND_PAUSE_MS);
				return;
			}
			worker.send({ kind: 'sockets-refused', generation, reason: error.message });
			return;
		}
		for (const { request, copies } of wanted) {
			const handle = this.#sockets.get(request.key)?.handle;
			for (let copy = 0; copy < copies; copy++) worker.send({ kind: 'socket', generation, key: request.key }, handle);
		}
		worker.send({ kind: 'sockets-complete', generation });
	}

	#settle(load: Load, outcome: LoadOutcome): void {
		this.#load = undefined;
		if (!outcome.ok) for (const key of load.fresh) this.#closeSocket(key);
		load.settle(outcome);
	}

	#buried(worker: WorkerProcess, exit: string): void {
		if (this.#worker === worker) this.#worker = undefined;
		for (const settle of this.#answers.values()) settle({ text: '', isLast: true });
		const load = this.#load;
		const reason = `the worker ended before it was ready (${exit})`;
		if (load !== undefined) this.#settle(load, { ok: false, reason, diagnostics: [] });
		if (this.#stopping !== undefined) this.#leaveIfAlone();
		else if (this.#servingFiles !== undefined) {
			this.#options.logger.error({ worker: worker.pid, exit }, 'worker died');
			this.#restart(this.#servingFiles);
		}
	}

	/** A worker that died is replaced with the configuration it had: the files may be half edited. */
	#restart(files: readonly ConfigFile[]): void {
		const { environment, logger } = this.#options;
		const servedMs = environment.clock.monotonicMs() - this.#servingSinceMs;
		this.#deathsInARow = servedMs >= HEALTHY_AFTER_MS ? 0 : this.#deathsInARow + 1;
		const pauseMs =
			this.#deathsInARow === 0
				? 0
				: Math.min(LONGEST_RESTART_PAUSE_MS, FIRST_RESTART_PAUSE_MS * 2 ** (this.#deathsInARow - 1));
		environment.clock.setTimer(() => {
			if (this.#stopping !== undefined || this.#worker !== undefined) return;
			void this.#loadFiles(files).then((outcome) => {
				if (outcome.ok) logger.info({ worker: this.#worker?.pid }, 'worker restarted');
				else logger.error({ reason: outcome.reason }, 'the worker could not be restarted');
			});
		}, pauseMs);
	}

	#closeAllBut(keys: readonly string[]): void {
		const kept = new Set(keys);
		for (const key of [...this.#sockets.keys()]) if (!kept.has(key)) this.#closeSocket(key);
	}

	#closeSocket(key: string): void {
		this.#sockets.get(key)?.close();
		this.#sockets.delete(key);
	}

	#leaveIfAlone(): void {
		if (this.#stopping === undefined || this.#worker !== undefined) return;
		this.#closeAllBut([]);
		this.#options.onStopped(this.#stopping);
	}
}
