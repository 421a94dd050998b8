/**
 * What master, worker and data threads say to each other. Plain data: the master's channel to a worker is
 * structured-clone IPC, the worker's to its threads are message ports.
 *
 * How a configuration comes to serve, at the start and at each reload alike:
 *
 *     master -> worker   load             the files' text
 *     worker -> master   sockets-wanted   parsed and checked: these addresses, so many copies of each
 *     master -> worker   socket ...       each copy with its handle, then sockets-complete; or sockets-refused
 *     worker -> master   ready            the new data threads accept from now on, the former ones finish what they have
 *                  or    failed           nothing has changed
 *
 * The data threads start when the sockets are there. Where another program holds the addresses and is to give them
 * up (`-sf`), they start first, so that nobody is refused for as long as that takes.
 */
import type { MessagePort } from 'node:worker_threads';
import type { SharedState } from '../compile/shared-state.js';
import type { ConfigModel } from '../config/model.js';
import type { Diagnostic } from '../core/diagnostics.js';
import type { LoggerLevel } from '../core/logger.js';
import type { Level } from '../runtime-api/command.js';
import type { RuntimeChange, RuntimeQuestion, RuntimeReply } from '../runtime-api/runtime-view.js';
import type { PlainValue, SharedChange } from '../sample/shared-change.js';
import type { AdminMessage } from '../stats/admin.js';
import type { SocketRequest } from './listening-socket.js';
import type { LogEntry } from './thread-logger.js';

export interface ConfigFile {
	readonly path: string;
	readonly content: string;
}

/** The part of the command line that changes what the configuration means. */
export interface ConfigArguments {
	readonly localpeer: string | undefined;
	readonly maxconn: number | undefined;
	readonly masterWorker: boolean;
	readonly daemon: boolean;
	readonly pidfile: string | undefined;
	readonly diagnosticMode: boolean;
	readonly ignoreResolutionFailures: boolean;
	readonly skipServerVerify: boolean;
	readonly zeroWarning: boolean;
}

/** The first message to a worker. */
export interface WorkerSettings {
	readonly arguments: ConfigArguments;
	readonly memoryLimitMb: number | undefined;
	/** `-sf`, `-st`: a process of this node is leaving, and may teach its tables over the local peer. */
	readonly hasOldProcess: boolean;
	readonly logLevel: LoggerLevel;
	/** Leave when the master does: in the foreground nobody should have to look for a stray worker. */
	readonly leaveWithMaster: boolean;
}

export interface WantedSocket {
	readonly request: SocketRequest;
	/** One per thread that accepts on it. */
	readonly copies: number;
}

export type ToWorker =
	| ({ readonly kind: 'settings' } & WorkerSettings)
	| { readonly kind: 'load'; readonly generation: number; readonly files: readonly ConfigFile[] }
	/** Comes with a handle. */
	| { readonly kind: 'socket'; readonly generation: number; readonly key: string }
	| { readonly kind: 'sockets-complete'; readonly generation: number }
	| { readonly kind: 'sockets-refused'; readonly generation: number; readonly reason: string }
	| { readonly kind: 'soft-stop' }
	/** The descriptors are given up, what is connected is served on. */
	| { readonly kind: 'stop-accepting' }
	/** A command from the master's CLI; answered by `cli-piece`s, one at once and one for each `cli-next`. */
	| {
			readonly kind: 'cli';
			readonly id: number;
			readonly words: readonly string[];
			readonly payload: string | undefined;
			readonly level: Level;
	  }
	| { readonly kind: 'cli-next'; readonly id: number }
	/** Nobody waits for the rest. */
	| { readonly kind: 'cli-end'; readonly id: number };

/** A configuration that serves or still has connections. */
export interface GenerationStatus {
	/** Reloads since it began to serve. */
	readonly reloads: number;
	/** Monotonic time since it serves. */
	readonly sinceMs: number;
}

/** What the master needs to know of a configuration that serves. */
export interface ServingConfiguration {
	readonly masterWorker: boolean;
	readonly pidfile: string | undefined;
	readonly socketKeys: readonly string[];
}

export type FromWorker =
	| { readonly kind: 'cli-piece'; readonly id: number; readonly text: string; readonly isLast: boolean }
	/** Sent whenever one has begun to serve or has gone. */
	| { readonly kind: 'generations'; readonly generations: readonly GenerationStatus[] }
	| { readonly kind: 'sockets-wanted'; readonly generation: number; readonly sockets: readonly WantedSocket[] }
	| ({
			readonly kind: 'ready';
			readonly generation: number;
			readonly diagnostics: readonly Diagnostic[];
	  } & ServingConfiguration)
	| {
			readonly kind: 'failed';
			readonly generation: number;
			readonly reason: string;
			readonly diagnostics: readonly Diagnostic[];
	  };

export interface DataThreadStart {
	readonly threadIndex: number;
	readonly model: ConfigModel;
	readonly shared: SharedState;
	/** Row of `createWakePorts`: a port to each other data thread of the generation. */
	readonly wakePorts: readonly (MessagePort | undefined)[];
	/** `proc.` variables that the configuration sets, and what the threads of a serving one have made of them. */
	readonly processVariables: readonly (readonly [name: string, value: PlainValue])[];
	/** When the worker began. */
	readonly startedMs: { readonly wall: number; readonly monotonic: number };
}

export type ToDataThread =
	/**
	 * All threads are prepared and the configuration serves: connections may come. With this thread's own descriptor of
	 * each socket, by `socketKey`.
	 */
	| { readonly kind: 'accept'; readonly descriptors: ReadonlyMap<string, number> }
	/** `graceMs`: how long connections are still accepted (manual, `grace`; not at a reload). */
	| { readonly kind: 'soft-stop'; readonly graceMs: number }
	/** Close every connection. */
	| { readonly kind: 'hard-stop' }
	| { readonly kind: 'stop-accepting' }
	| { readonly kind: 'runtime-change'; readonly change: RuntimeChange }
	| { readonly kind: 'name-answer'; readonly number: number; readonly address: string | undefined }
	/** Answered by `runtime-reply` with the same number. */
	| { readonly kind: 'runtime-question'; readonly number: number; readonly question: RuntimeQuestion };

export type FromDataThread =
	/** Everything is ready but the listeners. */
	| { readonly kind: 'prepared' }
	/** Nothing is accepted any more and the last connection is closed. */
	| { readonly kind: 'drained' }
	| { readonly kind: 'failed'; readonly text: string }
	| { readonly kind: 'log'; readonly entry: LogEntry }
	/** An action of the statistics page. */
	| { readonly kind: 'admin'; readonly message: AdminMessage }
	/** A rule has changed what all threads have in common. */
	| { readonly kind: 'shared-change'; readonly change: SharedChange }
	| { readonly kind: 'runtime-reply'; readonly number: number; readonly reply: RuntimeReply }
	/** `do-resolve`; answered by `name-answer` with the same number. */
	| {
			readonly kind: 'name-question';
			readonly number: number;
			readonly section: string;
			readonly name: string;
			readonly prefer: 4 | 6;
	  };
