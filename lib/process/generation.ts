/**
 * One configuration at work: its data threads, from the start of the first to the end of the last. A worker
 * has one generation that accepts and, after a reload, older ones that finish what they have.
 *
 *     starting --all prepared, accept--> serving --softStop--> leaving --all drained--> gone
 *                                                                  \--hardStop, the rest closed--/
 *
 * A thread is never ended while it works, if that can be helped: it closes its connections itself, so that
 * what they track is given back. One that does not answer is terminated, and locks that it held are freed.
 */
import type { EventLoopUtilization } from 'node:perf_hooks';
import { type MessagePort, Worker } from 'node:worker_threads';
import { createWakePorts } from '../backend/wake.js';
import type { CompiledConfiguration } from '../compile/index.js';
import type { SharedState } from '../compile/shared-state.js';
import type { ConfigModel } from '../config/model.js';
import { systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { RuntimeQuestion, RuntimeReply } from '../runtime-api/runtime-view.js';
import { applyPatternStep } from '../sample/pattern-change.js';
import type { SharedChange } from '../sample/shared-change.js';
import type { AdminMessage } from '../stats/admin.js';
import { BackendStanding } from './backend-standing.js';
import type { DataThreadStart, FromDataThread, ToDataThread } from './messages.js';
import type { ResolverKeeper } from './resolver-keeper.js';
import { receivedFields } from './thread-logger.js';

export interface GenerationOptions {
	readonly number: number;
	/** As the control thread looks at it. */
	readonly compiled: CompiledConfiguration;
	readonly shared: SharedState;
	readonly memoryLimitMb: number | undefined;
	readonly logger: Logger;
	readonly startedMs: DataThreadStart['startedMs'];
	/** An action of the statistics page asks something of all threads. */
	readonly onAdmin: (message: AdminMessage) => void;
	/** `do-resolve` of a request; `done` is called in any case. */
	readonly lookUpName: ResolverKeeper['lookUp'];
	/** All threads wait for `accept`. */
	readonly onPrepared: () => void;
	/** A thread could not start, or ended while it served. */
	readonly onFailure: (reason: string) => void;
	/** All threads have ended. */
	readonly onGone: () => void;
}

/** How long threads may take to close their connections themselves. */
const HARD_STOP_MS = 1000;

interface DataThread {
	readonly worker: Worker;
	/** Of worker_threads; the locks in shared memory know a thread by it. */
	readonly id: number;
	prepared: boolean;
	/** Ended, or told to. */
	ending: boolean;
	exited: boolean;
	lastUtilization: EventLoopUtilization | undefined;
}

interface OpenQuestion {
	readonly replies: Map<number, RuntimeReply>;
	readonly waitingFor: Set<DataThread>;
	readonly resolve: (replies: readonly RuntimeReply[]) => void;
}

export class Generation {
	readonly number: number;
	readonly compiled: CompiledConfiguration;
	readonly shared: SharedState;
	/** Reloads since it began to serve. */
	reloads = 0;
	/** When it began to serve; undefined before. */
	servingSinceMs: number | undefined;
	readonly #options: GenerationOptions;
	readonly #threads: DataThread[];
	#leaving = false;
	#gone = false;
	readonly #standing: BackendStanding;
	#questionNumber = 0;
	/** Questions that not every thread has answered. */
	readonly #questions = new Map<number, OpenQuestion>();
	#hardStop: NodeJS.Timeout | undefined;

	constructor(options: GenerationOptions) {
		this.#options = options;
		this.number = options.number;
		this.#standing = new BackendStanding(options.compiled.backends, () => systemClock.monotonicMs());
		this.compiled = options.compiled;
		this.shared = options.shared;
		// Checks run in the control thread and may set variables too.
		this.compiled.thread.processVariables.share = (change) => this.tell({ kind: 'runtime-change', change });
		const threadCount = this.model.global.nbthread;
		const ports = createWakePorts(threadCount);
		this.#threads = Array.from({ length: threadCount }, (_, index) => this.#startThread(index, ports[index] ?? []));
	}

	get model(): ConfigModel {
		return this.compiled.model;
	}

	get isLeaving(): boolean {
		return this.#leaving;
	}

	/** Connections may come: on a descriptor per data thread, by socket key. */
	accept(descriptors: ReadonlyMap<string, readonly (number | undefined)[]>): void {
		for (const [index, { worker }] of this.#threads.entries()) {
			const own = new Map<string, number>();
			for (const [key, fds] of descriptors) {
				const fd = fds[index];
				if (fd !== undefined) own.set(key, fd);
			}
			worker.postMessage({ kind: 'accept', descriptors: own } satisfies ToDataThread);
		}
	}

	tell(message: Exclude<ToDataThread, { kind: 'accept' }>): void {
		if (message.kind === 'runtime-change' && message.change.kind === 'servers-changed') {
			this.#standing.look(message.change.backend);
		}
		for (const { worker } of this.#threads) worker.postMessage(message);
	}

	/** Asks every data thread; resolves with what those answered that were there, in their order. */
	ask(question: RuntimeQuestion): Promise<readonly RuntimeReply[]> {
		const threads = this.#threads.filter(({ ending }) => !ending);
		if (this.#gone || threads.length === 0) return Promise.resolve([]);
		const number = ++this.#questionNumber;
		return new Promise((resolve) => {
			this.#questions.set(number, { replies: new Map(), waitingFor: new Set(threads), resolve });
			for (const { worker } of threads) worker.postMessage({ kind: 'runtime-question', number, question });
		});
	}

	/** Share of its time that each thread was busy since this was asked last, 0..1. */
	utilization(): readonly number[] {
		return this.#threads.map((thread) => {
			const { performance } = thread.worker;
			const now = performance.eventLoopUtilization();
			const { utilization } =
				thread.lastUtilization === undefined ? now : performance.eventLoopUtilization(now, thread.lastUtilization);
			thread.lastUtilization = now;
			return Math.min(1, Math.max(0, utilization));
		});
	}

	#replied(thread: DataThread, threadIndex: number, number: number, reply: RuntimeReply | undefined): void {
		const question = this.#questions.get(number);
		if (question === undefined || !question.waitingFor.delete(thread)) return;
		if (reply !== undefined) question.replies.set(threadIndex, reply);
		if (question.waitingFor.size > 0) return;
		this.#questions.delete(number);
		question.resolve([...question.replies].sort(([a], [b]) => a - b).map(([, one]) => one));
	}

	/** A thread that has left answers nothing any more. */
	#answersNoMore(thread: DataThread, threadIndex: number): void {
		for (const number of [...this.#questions.keys()]) this.#replied(thread, threadIndex, number, undefined);
	}

	/**
	 * After `graceMs` no more connections are accepted; the generation is gone when the last one has closed, or when
	 * `hard-stop-after` closes it.
	 */
	softStop(graceMs = 0): void {
		if (this.#leaving) return;
		this.#leaving = true;
		this.tell({ kind: 'soft-stop', graceMs });
		const { hardStopAfterMs } = this.model.global;
		if (hardStopAfterMs === undefined) return;
		this.#hardStop = setTimeout(() => {
			this.#options.logger.warn({ generation: this.number }, 'hard-stop-after reached, connections are closed');
			this.hardStop();
		}, graceMs + hardStopAfterMs);
		this.#hardStop.unref();
	}

	/** Closes all connections; threads that have not done so in a second are terminated. */
	hardStop(): void {
		this.#leaving = true;
		if (this.#gone) return;
		clearTimeout(this.#hardStop);
		this.tell({ kind: 'hard-stop' });
		this.#hardStop = setTimeout(() => this.end(), HARD_STOP_MS);
		this.#hardStop.unref();
	}

	/** Terminates the threads, whatever they do. */
	end(): void {
		this.#leaving = true;
		for (const thread of this.#threads) this.#endThread(thread);
	}

	#startThread(threadIndex: number, wakePorts: readonly (MessagePort | undefined)[]): DataThread {
		const { model } = this;
		const { shared, memoryLimitMb, logger, startedMs } = this.#options;
		const workerData: DataThreadStart = {
			threadIndex,
			model,
			shared,
			wakePorts,
			processVariables: [...this.compiled.thread.processVariables.plain()],
			startedMs,
		};
		const worker = new Worker(new URL('./data-thread.js', import.meta.url), {
			workerData,
			transferList: wakePorts.filter((port) => port !== undefined),
			...(memoryLimitMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: memoryLimitMb } }),
		});
		const thread: DataThread = {
			worker,
			id: worker.threadId,
			prepared: false,
			ending: false,
			exited: false,
			lastUtilization: undefined,
		};
		worker.on('message', (message: FromDataThread) => this.#receive(thread, threadIndex, message));
		worker.on('error', (error) => logger.error({ err: error, thread: threadIndex }, 'data thread died'));
		worker.on('exit', (code) => this.#buried(thread, threadIndex, code));
		return thread;
	}

	#receive(thread: DataThread, threadIndex: number, message: FromDataThread): void {
		switch (message.kind) {
			case 'prepared':
				thread.prepared = true;
				if (this.#threads.every(({ prepared }) => prepared)) this.#options.onPrepared();
				break;
			case 'drained':
				this.#endThread(thread);
				break;
			case 'failed':
				this.#options.onFailure(message.text);
				break;
			case 'runtime-reply':
				this.#replied(thread, threadIndex, message.number, message.reply);
				break;
			case 'shared-change':
				this.#share(message.change);
				break;
			case 'name-question': {
				const { number, section, name, prefer } = message;
				this.#options.lookUpName(section, name, prefer, (address) => {
					if (!thread.ending)
						thread.worker.postMessage({ kind: 'name-answer', number, address } satisfies ToDataThread);
				});
				break;
			}
			case 'admin':
				this.#options.onAdmin(message.message);
				break;
			case 'log': {
				const { level, fields, text } = message.entry;
				this.#options.logger[level]({ thread: threadIndex, ...receivedFields(fields) }, text);
				break;
			}
		}
	}

	/** Keeps what a rule has changed in step everywhere: here, and in the order of arrival in every thread. */
	#share(change: SharedChange): void {
		if (change.kind === 'process-variable') {
			this.compiled.thread.processVariables.receive(change.name, change.value);
		} else {
			const reference = this.compiled.patterns.byId(change.id, change.usedBy);
			if (reference === undefined) return;
			for (const step of change.steps) applyPatternStep(reference, step);
		}
		this.tell({ kind: 'runtime-change', change });
	}

	#endThread(thread: DataThread): void {
		thread.ending = true;
		void thread.worker.terminate();
	}

	#buried(thread: DataThread, threadIndex: number, code: number): void {
		thread.exited = true;
		this.#answersNoMore(thread, threadIndex);
		const { logger } = this.#options;
		for (const table of this.compiled.tables.values()) {
			if (table.recover(thread.id)) {
				logger.error(
					{ table: table.name, thread: threadIndex },
					'a data thread died within a step: its table was repaired',
				);
			}
		}
		for (const ring of this.compiled.rings.values()) ring.recover(thread.id);
		if (!thread.ending) {
			if (this.#leaving) logger.error({ thread: threadIndex, code }, 'a data thread died while it was leaving');
			else this.#options.onFailure(`data thread ${threadIndex} ended with code ${code}`);
		}
		if (this.#gone || this.#threads.some(({ exited }) => !exited)) return;
		this.#gone = true;
		clearTimeout(this.#hardStop);
		this.#options.onGone();
	}
}
