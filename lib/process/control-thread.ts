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
 * has to be moved (table-migrations.ts). What this gives up is the replacement of the program itself by a reload; that takes a new
 * process, with peers or a snapshot to carry the tables.
 */

import type { HealthChecks } from '../backend/health/health-checks.js';
import type { FormerState } from '../compile/index.js';
import type { ConfigModel } from '../config/model.js';
import { socketKey } from '../core/address.js';
import { systemClock } from '../core/clock.js';
import { Diagnostics } from '../core/diagnostics.js';
import { HoldfastError, reasonOf } from '../core/errors.js';
import type { ProgramLogger } from '../core/logger.js';
import { createRegistry } from '../runtime-api/commands/index.js';
import { RuntimeApi } from '../runtime-api/socket.js';
import type { TableMigration } from '../stick-table/migration.js';
import type { StickTable } from '../stick-table/table.js';
import { collectGarbage } from './collect.js';
import { Generation } from './generation.js';
import { HealthKeeper } from './health-keeper.js';
import { type SocketHandle, socketRequests } from './listening-socket.js';
import type { ConfigFile, FromWorker, ToWorker, WantedSocket, WorkerSettings } from './messages.js';
import { PeersKeeper } from './peers-keeper.js';
import { FATAL, type PreparedConfiguration, prepareConfiguration } from './prepare.js';
import { ResolverKeeper } from './resolver-keeper.js';
import { restoreTables } from './restoration.js';
import { RingKeeper } from './ring-keeper.js';
import { createRuntimeView } from './runtime-view.js';
import { SnapshotKeeper } from './snapshot-keeper.js';
import { StatsKeeper } from './stats-keeper.js';
import { TableKeeper } from './table-keeper.js';
import { TableMigrations } from './table-migrations.js';
import { UpdateKeeper } from './update-keeper.js';
import { WorkerCli } from './worker-cli.js';

export interface ControlThreadHost {
	tellMaster(message: FromWorker): void;
	exit(code: number): void;
}

/** How long log servers get to take what is in the rings. */
const LAST_LINES_MS = 1000;
/** How long the last log lines and the last save of the tables may hold up the end of the process. */
const LAST_SAVE_MS = 3000;
/** How long threads that are ready wait for the tables to be restored, so that all but very large ones are complete. */
const RESTORE_HOLD_MS = 250;

/** A configuration between `load` and `ready`. */
interface Candidate extends PreparedConfiguration {
	readonly number: number;
	readonly diagnostics: Diagnostics;
	readonly sockets: readonly WantedSocket[];
	readonly handles: Map<string, SocketHandle[]>;
	hasSockets: boolean;
	/** Tables that are declared otherwise than before. */
	readonly migrations: readonly TableMigration[];
	generation?: Generation;
	healthChecks?: HealthChecks;
}

/** By socket key, a descriptor for each data thread; for one of them alone, the threads take turns. */
function descriptorsByThread(
	{ sockets, handles }: Candidate,
	threadCount: number,
): Map<string, (number | undefined)[]> {
	const descriptors = new Map<string, (number | undefined)[]>();
	let turn = 0;
	for (const { request } of sockets) {
		const fds: (number | undefined)[] = (handles.get(request.key) ?? []).map(({ fd }) => fd);
		if (request.acceptedBy === 'one data thread') fds.unshift(...Array(turn++ % threadCount).fill(undefined));
		descriptors.set(request.key, fds);
	}
	return descriptors;
}

export class ControlThread {
	readonly #settings: WorkerSettings;
	readonly #logger: ProgramLogger;
	readonly #host: ControlThreadHost;
	#candidate: Candidate | undefined;
	#serving: Generation | undefined;
	readonly #generations = new Set<Generation>();
	readonly #peers: PeersKeeper;
	readonly #health: HealthKeeper;
	readonly #resolvers: ResolverKeeper;
	readonly #updates: UpdateKeeper;
	readonly #runtimeApi: RuntimeApi;
	readonly #startedMs = { wall: systemClock.wallMs(), monotonic: systemClock.monotonicMs() };
	readonly #stats = new StatsKeeper();
	readonly #tableKeeper: TableKeeper;
	readonly #migrations: TableMigrations;
	readonly #snapshots: SnapshotKeeper;
	readonly #rings: RingKeeper;
	readonly #cli: WorkerCli;
	/** Settled when the tables of the first configuration are as an earlier process has left them. */
	#restored: Promise<void> = Promise.resolve();
	#stopping = false;
	/** What is taught to another process of this node at the end. */
	#farewell: Promise<void> = Promise.resolve();
	#ended: Promise<void> | undefined;
	#exitCode = 0;

	constructor(settings: WorkerSettings, logger: ProgramLogger, host: ControlThreadHost) {
		this.#settings = settings;
		this.#logger = logger;
		this.#host = host;
		this.#peers = new PeersKeeper(logger);
		this.#health = new HealthKeeper(logger);
		this.#resolvers = new ResolverKeeper(logger);
		this.#health.onUnreachable = (server) => this.#resolvers.suspect(server);
		this.#updates = new UpdateKeeper({ clock: systemClock, logger });
		this.#tableKeeper = new TableKeeper(systemClock, logger);
		this.#snapshots = new SnapshotKeeper(systemClock, logger);
		this.#migrations = new TableMigrations(systemClock, logger);
		this.#rings = new RingKeeper(logger);
		this.#runtimeApi = new RuntimeApi(createRegistry(), logger);
		this.#cli = new WorkerCli(this.#runtimeApi, host.tellMaster);
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
				this.#socketsComplete(message.generation);
				break;
			case 'sockets-refused':
				if (this.#candidate?.number === message.generation) this.#fail(this.#candidate, message.reason);
				break;
			case 'cli':
			case 'cli-next':
			case 'cli-end':
				this.#cli.receive(message);
				break;
			case 'soft-stop':
				this.#softStop();
				break;
			case 'stop-accepting':
				this.#serving?.tell(message);
				this.#runtimeApi.stopAccepting();
				void this.#restored.then(() => this.#peers.stopListening());
				break;
		}
	}

	async #load(number: number, files: readonly ConfigFile[]): Promise<void> {
		const diagnostics = new Diagnostics();
		this.#stats.loadBegins();
		const fail = (reason: string): void => {
			this.#stats.loadEnded(number, reason, diagnostics.list);
			this.#host.tellMaster({ kind: 'failed', generation: number, reason, diagnostics: diagnostics.list });
		};
		try {
			await this.#restored;
			const args = this.#settings.arguments;
			const prepared = await prepareConfiguration(files, args, diagnostics, this.#logger, (model) =>
				this.#formerState(model),
			);
			if (prepared === undefined) return fail(FATAL);
			const { model } = prepared;
			const sockets = socketRequests(model).map((request) => ({
				request,
				copies: request.acceptedBy === 'data threads' ? model.global.nbthread : 1,
			}));
			if (sockets.length === 0) {
				return fail("[holdfast.main()] No enabled listener found (check for 'bind' directives) ! Exiting.");
			}
			const { compiled } = prepared;
			const former = this.#formerState(model);
			const migrations = former === undefined ? [] : await this.#migrations.begin(former.tables, compiled.tables);
			// Nothing of it leads to the former one: each would keep the one before it in memory, back to the first.
			const handles = new Map<string, SocketHandle[]>();
			const candidate = { number, diagnostics, ...prepared, sockets, handles, hasSockets: false, migrations };
			this.#candidate = candidate;
			// Another process serves on them, and goes on until this one could: see messages.ts.
			if (this.#serving === undefined && this.#settings.hasOldProcess) this.#startGeneration(candidate);
			else this.#wantSockets(candidate);
		} catch (error) {
			if (!(error instanceof HoldfastError)) this.#logger.error({ err: error }, 'a configuration could not be loaded');
			fail(reasonOf(error));
		}
	}

	/** Whose tables a configuration takes over. */
	#formerState({ global }: ConfigModel): FormerState | undefined {
		return global.tune.reloadKeepTables ? this.#serving?.compiled : undefined;
	}

	#keepHandle(generation: number, key: string, handle: SocketHandle): void {
		const candidate = this.#candidate;
		if (candidate?.number !== generation) {
			handle.close();
			return;
		}
		const handles = candidate.handles.get(key);
		if (handles === undefined) candidate.handles.set(key, [handle]);
		else handles.push(handle);
	}

	#socketsComplete(number: number): void {
		const candidate = this.#candidate;
		if (candidate?.number !== number) return;
		candidate.hasSockets = true;
		if (candidate.generation === undefined) this.#startGeneration(candidate);
		else this.#becomeServing(candidate, candidate.generation);
	}

	#wantSockets({ number, sockets }: Candidate): void {
		this.#host.tellMaster({ kind: 'sockets-wanted', generation: number, sockets });
	}

	#startGeneration(candidate: Candidate): void {
		const { number } = candidate;
		candidate.healthChecks = this.#health.prepare(candidate.compiled, (change) =>
			candidate.generation?.tell({ kind: 'runtime-change', change }),
		);
		let prepared = (): void => undefined;
		const arePrepared = new Promise<void>((resolve) => {
			prepared = resolve;
		});
		const generation = new Generation({
			number,
			compiled: candidate.compiled,
			shared: candidate.shared,
			memoryLimitMb: this.#settings.memoryLimitMb,
			logger: this.#logger,
			startedMs: this.#startedMs,
			lookUpName: (section, name, prefer, done) => this.#resolvers.lookUp(section, name, prefer, done),
			onAdmin: (message) => this.#stats.act(message),
			onPrepared: () => {
				prepared();
				void this.#restoredEnough().then(() => {
					if (this.#candidate !== candidate) return;
					if (candidate.hasSockets) this.#becomeServing(candidate, generation);
					else this.#wantSockets(candidate);
				});
			},
			onFailure: (reason) => this.#generationFailed(candidate, generation, reason),
			onGone: () => {
				prepared();
				this.#generations.delete(generation);
				const sinceMs = this.#serving === generation ? undefined : this.#serving?.servingSinceMs;
				if (sinceMs !== undefined) this.#stats.handedOver(systemClock.monotonicMs() - sinceMs);
				this.#closeUnused(candidate, generation);
				this.#keepTables();
				this.#tellGenerations();
				// When nothing of what has just ended is on the stack any more.
				setImmediate(collectGarbage);
				this.#leaveIfDone();
			},
		});
		candidate.generation = generation;
		this.#generations.add(generation);
		const { stickTableFile } = candidate.model.global;
		if (this.#serving !== undefined || stickTableFile === undefined) return;
		const { tables } = candidate.compiled;
		this.#restored = restoreTables(stickTableFile.path, tables, systemClock, this.#logger, arePrepared).catch(
			(error: unknown) => this.#logger.error({ err: error }, 'the stick-table-file could not be restored'),
		);
	}

	/** Nobody waits longer than a moment, unless another process still serves. */
	async #restoredEnough(): Promise<void> {
		if (this.#settings.hasOldProcess) return this.#restored;
		let late: NodeJS.Timeout | undefined;
		const moment = new Promise<void>((resolve) => {
			late = setTimeout(resolve, RESTORE_HOLD_MS);
		});
		await Promise.race([this.#restored, moment]);
		clearTimeout(late);
	}

	#becomeServing(candidate: Candidate, generation: Generation): void {
		const former = this.#serving;
		try {
			const fdOf = (key: string): number | undefined => candidate.handles.get(key)?.[0]?.fd;
			const hasOldProcess = former === undefined && this.#settings.hasOldProcess;
			this.#peers.serve(candidate.compiled, fdOf, hasOldProcess, this.#restored);
		} catch (error) {
			this.#generationFailed(candidate, generation, reasonOf(error));
			return;
		}
		if (candidate.healthChecks !== undefined) this.#health.serve(candidate.healthChecks);
		this.#updates.serve(candidate.compiled, (change) => generation.tell({ kind: 'runtime-change', change }));
		this.#resolvers.serve(candidate.compiled, (change) => generation.tell({ kind: 'runtime-change', change }));
		this.#serving = generation;
		generation.servingSinceMs = systemClock.monotonicMs();
		this.#candidate = undefined;
		this.#keepTables();
		// Sums are made of what the nodes tell again.
		const kept = [...candidate.compiled.tables.values()].filter((table) => table.model.sumOf === undefined);
		void this.#restored.then(() => this.#snapshots.keep(candidate.model.global.stickTableFile, kept));
		this.#serveRuntimeApi(candidate, generation);
		const { global } = candidate.model;
		this.#letGo(former, generation, global.mworkerMaxReloads);
		this.#tellGenerations();
		this.#host.tellMaster({
			kind: 'ready',
			generation: candidate.number,
			diagnostics: candidate.diagnostics.list,
			masterWorker: global.masterWorker,
			pidfile: global.pidfile,
			socketKeys: [...candidate.handles.keys()],
		});
		// After the master knows, so that whatever a client sees can be reloaded and replaced.
		if (this.#stopping) generation.softStop(global.graceMs);
		else {
			generation.accept(descriptorsByThread(candidate, global.nbthread));
		}
	}

	/** The former generation leaves; of those that still do, the ones that have seen too many reloads are ended. */
	#letGo(former: Generation | undefined, serving: Generation, maxReloads: number | undefined): void {
		former?.softStop();
		for (const generation of this.#generations) {
			if (generation === serving) continue;
			generation.reloads++;
			if (maxReloads === undefined || generation.reloads <= maxReloads) continue;
			this.#logger.warn(
				{ generation: generation.number, reloads: generation.reloads },
				'mworker-max-reloads reached, connections are closed',
			);
			generation.hardStop();
		}
	}

	#serveRuntimeApi(candidate: Candidate, generation: Generation): void {
		const view = createRuntimeView({
			prepared: candidate,
			generation,
			peers: this.#peers,
			health: this.#health,
			resolvers: this.#resolvers,
			updates: this.#updates,
			diagnostics: candidate.diagnostics,
			startedMs: this.#startedMs,
			memoryLimitMb: this.#settings.memoryLimitMb,
			isStopping: () => this.#stopping,
			logger: this.#logger,
		});
		const sockets = candidate.model.global.statsSockets.flatMap((model) => {
			const handle = candidate.handles.get(socketKey(model.address))?.[0];
			return handle === undefined ? [] : [{ model, handle }];
		});
		this.#runtimeApi.serve(view, sockets);
		this.#stats.loadEnded(candidate.number);
		this.#stats.serve(view, candidate.shared, candidate.number);
	}

	#generationFailed(candidate: Candidate, generation: Generation, reason: string): void {
		if (this.#serving === generation) {
			// What it held is lost, connections and trackers: the master starts a new worker on the same sockets.
			this.#logger.error({ reason }, 'a data thread of the serving configuration ended');
			this.#exitCode = 1;
			this.hardStop();
			return;
		}
		generation.end();
		if (this.#candidate === candidate) this.#fail(candidate, reason);
	}

	#fail(candidate: Candidate, reason: string): void {
		this.#candidate = undefined;
		this.#stats.loadEnded(candidate.number, reason, candidate.diagnostics.list);
		this.#migrations.discard(candidate.migrations);
		// Their handles are closed when its threads are gone.
		if (candidate.generation !== undefined) candidate.generation.end();
		else for (const handles of candidate.handles.values()) for (const handle of handles) handle.close();
		this.#host.tellMaster({
			kind: 'failed',
			generation: candidate.number,
			reason,
			diagnostics: candidate.diagnostics.list,
		});
	}

	/**
	 * Sockets of a candidate that came to nothing: no thread has opened its descriptors. Where one has, it has closed
	 * them too, and the handle here must not: the number may be somebody else's by now. Node has no way to let go of
	 * such a handle, which costs about a kilobyte for each reload, thread and address.
	 */
	#closeUnused(candidate: Candidate, generation: Generation): void {
		if (generation.servingSinceMs !== undefined) return;
		for (const handles of candidate.handles.values()) for (const handle of handles) handle.close();
	}

	/** After any generation came or went: which tables there are now, and which have served their time. */
	#keepTables(): void {
		const tables = new Map<SharedArrayBuffer, StickTable>();
		for (const { compiled } of this.#generations) {
			for (const table of compiled.tables.values()) tables.set(table.buffer, table);
		}
		this.#migrations.settle(new Set(tables.keys()));
		this.#tableKeeper.keep(tables.values());
		this.#rings.keep([...this.#generations].map(({ compiled }) => compiled));
	}

	#tellGenerations(): void {
		const generations = [...this.#generations].flatMap(({ reloads, servingSinceMs: sinceMs }) =>
			sinceMs === undefined ? [] : [{ reloads, sinceMs }],
		);
		this.#host.tellMaster({ kind: 'generations', generations });
	}

	#softStop(): void {
		if (this.#stopping) return;
		this.#stopping = true;
		this.#farewell = this.#restored.then(() => this.#peers.softStop());
		this.#runtimeApi.stopAccepting();
		for (const generation of this.#generations) generation.softStop(generation.model.global.graceMs);
		this.#leaveIfDone();
	}

	/**
	 * SIGTERM: connections are closed at once. Nothing is waited for but what closing them leaves to be written: the last
	 * lines of the traffic logs, the last words of the snapshot.
	 */
	hardStop(): void {
		this.#stopping = true;
		// A process that was to be taught first is not any more.
		this.#farewell = this.#restored;
		setTimeout(() => this.#host.exit(this.#exitCode), LAST_SAVE_MS);
		for (const generation of this.#generations) generation.hardStop();
		this.#leaveIfDone();
	}

	/** All connections have closed, and whoever takes over knows the tables. */
	#leaveIfDone(): void {
		if (!this.#stopping || this.#generations.size > 0) return;
		void this.#farewell.finally(() => this.#end());
	}

	async #end(): Promise<void> {
		this.#ended ??= this.#lastWords();
		await this.#ended.finally(() => this.#host.exit(this.#exitCode));
	}

	async #lastWords(): Promise<void> {
		await Promise.all([this.#snapshots.end(), this.#peers.end(), this.#rings.end(LAST_LINES_MS)]);
	}
}
