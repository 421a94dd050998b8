/**
 * The control thread of a worker: reads and checks configurations, allocates what threads share, starts the
 * data threads, and does everything that is not traffic (expiry of tables, peers, the program's own log).
 * It never waits for a data thread: what it wants to know is in shared memory, what it wants done it sends
 * as a message.
 *
 * A reload gives the process a new generation of data threads, not the machine a new process. Stick tables
 * are memory that both generations are attached to, so there is nothing to hand over: a request that the
 * old threads still serve and one that the new ones accept count on the same entry, `conn_cur` included, and
 * a table of a million entries changes hands in no time. Only a table whose declaration changes its layout
 * has to be moved. What this gives up is the replacement of the program itself by a reload; that takes a new
 * process, with peers or a snapshot to carry the tables.
 */
import type { CompiledConfiguration } from '../compile/index.js';
import { socketKey } from '../core/address.js';
import { systemClock } from '../core/clock.js';
import { Diagnostics } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { createRegistry } from '../runtime-api/commands/index.js';
import { RuntimeApi } from '../runtime-api/socket.js';
import { Generation } from './generation.js';
import { type SocketHandle, socketRequests } from './listening-socket.js';
import type { ConfigFile, FromWorker, ToWorker, WorkerSettings } from './messages.js';
import { PeersKeeper } from './peers-keeper.js';
import { FATAL, type PreparedConfiguration, prepareConfiguration } from './prepare.js';
import { createRuntimeView } from './runtime-view.js';
import { TableKeeper } from './table-keeper.js';

export interface ControlThreadHost {
	tellMaster(message: FromWorker): void;
	exit(code: number): void;
}

/** A configuration between `load` and `ready`. */
interface Candidate extends PreparedConfiguration {
	readonly number: number;
	readonly diagnostics: Diagnostics;
	readonly handles: Map<string, SocketHandle[]>;
	generation?: Generation;
}

export class ControlThread {
	readonly #settings: WorkerSettings;
	readonly #logger: Logger;
	readonly #host: ControlThreadHost;
	#candidate: Candidate | undefined;
	#serving: Generation | undefined;
	readonly #generations = new Set<Generation>();
	readonly #peers: PeersKeeper;
	readonly #runtimeApi: RuntimeApi;
	readonly #startedMs = { wall: systemClock.wallMs(), monotonic: systemClock.monotonicMs() };
	#tableKeeper: TableKeeper | undefined;
	#stopping = false;
	/** What is taught to another process of this node at the end. */
	#farewell: Promise<void> = Promise.resolve();

	constructor(settings: WorkerSettings, logger: Logger, host: ControlThreadHost) {
		this.#settings = settings;
		this.#logger = logger;
		this.#host = host;
		this.#peers = new PeersKeeper(logger);
		this.#runtimeApi = new RuntimeApi(createRegistry(), logger);
	}

	receive(message: Exclude<ToWorker, { kind: 'settings' }>, handle: SocketHandle | undefined): void {
		switch (message.kind) {
			case 'load':
				void this.#load(message.generation, message.files);
				break;
			case 'socket':
				if (handle !== undefined) this.#keepHandle(message.generation, message.key, handle);
				break;
			case 'sockets-complete':
				this.#startGeneration(message.generation);
				break;
			case 'sockets-refused':
				if (this.#candidate?.number === message.generation) this.#fail(this.#candidate, message.reason);
				break;
			case 'soft-stop':
				this.#softStop();
				break;
			case 'stop-accepting':
				this.#serving?.tell(message);
				this.#runtimeApi.stopAccepting();
				break;
		}
	}

	async #load(number: number, files: readonly ConfigFile[]): Promise<void> {
		const diagnostics = new Diagnostics();
		const fail = (reason: string): void =>
			this.#host.tellMaster({ kind: 'failed', generation: number, reason, diagnostics: diagnostics.list });
		try {
			const args = this.#settings.arguments;
			const prepared = await prepareConfiguration(files, args, diagnostics, this.#logger, this.#serving);
			if (prepared === undefined) return fail(FATAL);
			const { model } = prepared;
			const sockets = socketRequests(model).map((request) => ({
				request,
				copies: request.acceptedBy === 'data threads' ? model.global.nbthread : 1,
			}));
			if (sockets.length === 0) {
				return fail("[holdfast.main()] No enabled listener found (check for 'bind' directives) ! Exiting.");
			}
			this.#candidate = { number, diagnostics, ...prepared, handles: new Map() };
			this.#host.tellMaster({ kind: 'sockets-wanted', generation: number, sockets });
		} catch (error) {
			if (!(error instanceof HoldfastError)) this.#logger.error({ err: error }, 'a configuration could not be loaded');
			fail(error instanceof Error ? error.message : String(error));
		}
	}

	#keepHandle(generation: number, key: string, handle: SocketHandle): void {
		const candidate = this.#candidate;
		if (candidate?.number !== generation) return;
		const handles = candidate.handles.get(key);
		if (handles === undefined) candidate.handles.set(key, [handle]);
		else handles.push(handle);
	}

	#startGeneration(number: number): void {
		const candidate = this.#candidate;
		if (candidate?.number !== number) return;
		const descriptors = new Map<string, readonly number[]>();
		for (const [key, handles] of candidate.handles)
			descriptors.set(
				key,
				handles.map(({ fd }) => fd),
			);
		const generation = new Generation({
			number,
			model: candidate.model,
			shared: candidate.shared,
			descriptors,
			memoryLimitMb: this.#settings.memoryLimitMb,
			debug: this.#settings.debug,
			logger: this.#logger,
			onListening: () => this.#becomeServing(candidate, generation),
			onFailure: (reason) => this.#generationFailed(candidate, generation, reason),
			onGone: () => {
				this.#generations.delete(generation);
				this.#leaveIfDone();
			},
		});
		candidate.generation = generation;
		this.#generations.add(generation);
	}

	#becomeServing(candidate: Candidate, generation: Generation): void {
		const former = this.#serving;
		try {
			const fdOf = (key: string): number | undefined => candidate.handles.get(key)?.[0]?.fd;
			this.#peers.serve(candidate.compiled, fdOf, former === undefined && this.#settings.hasOldProcess);
		} catch (error) {
			this.#generationFailed(candidate, generation, error instanceof Error ? error.message : String(error));
			return;
		}
		this.#serving = generation;
		this.#candidate = undefined;
		this.#keepTables(candidate.compiled);
		this.#serveRuntimeApi(candidate, generation);
		former?.softStop();
		const { global } = candidate.model;
		if (this.#stopping) generation.softStop(global.graceMs);
		this.#host.tellMaster({
			kind: 'ready',
			generation: candidate.number,
			diagnostics: candidate.diagnostics.list,
			masterWorker: global.masterWorker,
			pidfile: global.pidfile,
			socketKeys: [...candidate.handles.keys()],
		});
	}

	#serveRuntimeApi(candidate: Candidate, generation: Generation): void {
		const view = createRuntimeView({
			prepared: candidate,
			generation,
			peers: this.#peers,
			diagnostics: candidate.diagnostics,
			startedMs: this.#startedMs,
			memoryLimitMb: this.#settings.memoryLimitMb,
			isStopping: () => this.#stopping,
		});
		const sockets = candidate.model.global.statsSockets.flatMap((model) => {
			const handle = candidate.handles.get(socketKey(model.address))?.[0];
			return handle === undefined ? [] : [{ model, handle }];
		});
		this.#runtimeApi.serve(view, sockets);
	}

	#generationFailed(candidate: Candidate, generation: Generation, reason: string): void {
		if (this.#serving === generation) {
			// Traffic threads cannot be trusted any more; the master starts a new worker on the same sockets.
			this.#logger.error({ reason }, 'a data thread of the serving configuration ended');
			this.#host.exit(1);
			return;
		}
		generation.end();
		if (this.#candidate === candidate) this.#fail(candidate, reason);
	}

	#fail(candidate: Candidate, reason: string): void {
		this.#candidate = undefined;
		this.#host.tellMaster({
			kind: 'failed',
			generation: candidate.number,
			reason,
			diagnostics: candidate.diagnostics.list,
		});
	}

	#keepTables(compiled: CompiledConfiguration): void {
		this.#tableKeeper?.stop();
		this.#tableKeeper = new TableKeeper([...compiled.tables.values()], systemClock, this.#logger);
		this.#tableKeeper.start();
	}

	#softStop(): void {
		if (this.#stopping) return;
		this.#stopping = true;
		this.#farewell = this.#peers.softStop();
		this.#runtimeApi.stopAccepting();
		for (const generation of this.#generations) generation.softStop(generation.model.global.graceMs);
		this.#leaveIfDone();
	}

	/** All connections have closed, and whoever takes over knows the tables. */
	#leaveIfDone(): void {
		if (!this.#stopping || this.#generations.size > 0) return;
		void this.#farewell.finally(() => this.#host.exit(0));
	}
}
