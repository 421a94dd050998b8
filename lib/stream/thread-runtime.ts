/**
 * What all connections of one data thread share: the clock and its wheel, buffers, limits, the program's
 * log, the process variables. Made once when the thread starts (compile.ts), passed down, never global.
 */
import type { GlobalModel, H2Tuning } from '../config/model.js';
import type { IpAddress } from '../core/address.js';
import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { HeaderCases } from '../http/case-adjust.js';
import type { HeadLimits } from '../http/head-parser.js';
import type { ThreadCache } from './filters/caching.js';
import { Compressors } from './filters/compressors.js';
import { MessageCaptures } from './message-captures.js';
import { DeferredWrites } from './native/deferred-writes.js';
import { ReadBuffers } from './native/read-buffers.js';
import { ProcessVariables } from './process-variables.js';
import type { RefusalRing } from './refusals.js';
import { NO_SERVICES, type Services } from './service.js';
import { SoftStop } from './soft-stop.js';
import { TimerWheel } from './timeouts.js';

export interface ThreadRuntimeOptions {
	readonly clock: Clock;
	readonly logger: Pick<Logger, 'error' | 'warn' | 'info' | 'debug'>;
	readonly global: Pick<
		GlobalModel,
		'tune' | 'httpErrCodes' | 'httpFailCodes' | 'nbthread' | 'compressionRateMax' | 'compressionCpuMaxPercent'
	> &
		Partial<Pick<GlobalModel, 'headerCases' | 'acceptsPayloadWithAnyMethod' | 'rejectsPrivilegedPorts'>>;
	/** By name. */
	readonly caches?: ReadonlyMap<string, ThreadCache>;
	/** `proc.` variables; shared by all streams. */
	readonly processVariables?: ProcessVariables;
	/** Client connections of the whole process now, `%ac`. */
	readonly activeConnections: () => number;
}

/** What a response of that status counts as. */
export const ERROR_STATUS = 1;
export const FAILURE_STATUS = 2;

export class ThreadRuntime {
	readonly clock: Clock;
	readonly wheel: TimerWheel;
	readonly logger: ThreadRuntimeOptions['logger'];
	readonly readBuffers: ReadBuffers;
	readonly writes = new DeferredWrites();
	readonly headLimits: HeadLimits;
	/** The same with `accept-invalid-http-request` or `-response`: for heads that were refused without it. */
	readonly lenientLimits: HeadLimits;
	/** `tune.bufsize`: what one side of a connection may hold. */
	readonly bufsizeBytes: number;
	/** `tune.h2.*`. */
	readonly h2: H2Tuning;
	/** `h1-case-adjust`; undefined: there is none. */
	readonly headerCases: HeaderCases | undefined;
	/** `tune.http.logurilen`: chars of a request line in the log. */
	readonly requestLineMax: number;
	readonly stickCounters: number;
	/** `harden.reject-privileged-ports.tcp` */
	readonly rejectsPrivilegedPorts: boolean;
	/** By status: ERROR_STATUS, FAILURE_STATUS, both or neither (`http-err-codes`, `http-fail-codes`). */
	readonly statusEvents: Uint8Array;
	readonly compressors: Compressors;
	readonly caches: ReadonlyMap<string, ThreadCache>;
	readonly processVariables: ProcessVariables;
	readonly activeConnections: () => number;
	/** The time of the event that is being worked on: asked once when bytes come, then passed down. */
	currentMs: number;
	/** A stop was asked for, `stopping`; with `grace` it begins later. */
	isStopping = false;
	/** How connections are let go once it has begun. */
	readonly softStop = new SoftStop();
	/** Client connections of this thread so far. */
	sessionCounter = 0;
	/** `do-resolve`: asks for an address; `done` is called later, in any case. Set by who can ask. */
	lookUpName: (section: string, name: string, prefer: 4 | 6, done: (address: IpAddress | undefined) => void) => void = (
		_section,
		_name,
		_prefer,
		done,
	) => setImmediate(done, undefined);
	/** The statistics page and its like, set once all proxies are built. */
	services: Services = NO_SERVICES;
	/** Where refused keys are noted; undefined: nobody looks. */
	refusals: RefusalRing | undefined = undefined;
	/** Messages refused for their form, for `show errors`. */
	readonly captures: MessageCaptures;
	/** Streams of this thread so far, `%rt`. */
	requestCounter = 0;

	constructor(options: ThreadRuntimeOptions) {
		const { clock, global } = options;
		this.clock = clock;
		this.currentMs = clock.monotonicMs();
		this.wheel = new TimerWheel(clock);
		this.logger = options.logger;
		this.readBuffers = new ReadBuffers();
		this.bufsizeBytes = global.tune.bufsizeBytes;
		this.captures = new MessageCaptures(this.bufsizeBytes, () => clock.wallMs());
		this.headLimits = {
			headSizeMax: global.tune.bufsizeBytes - global.tune.maxrewriteBytes,
			headerCountMax: global.tune.httpMaxhdr,
			payloadWithAnyMethod: global.acceptsPayloadWithAnyMethod ?? false,
		};
		this.lenientLimits = { ...this.headLimits, acceptInvalid: true };
		this.h2 = global.tune.h2;
		this.headerCases = global.headerCases?.size ? global.headerCases : undefined;
		this.requestLineMax = global.tune.httpLogurilen;
		this.stickCounters = global.tune.stickCounters;
		this.rejectsPrivilegedPorts = global.rejectsPrivilegedPorts ?? false;
		this.compressors = new Compressors({
			levelMax: global.tune.compressionLevelMax,
			bytesPerSecondMax: global.compressionRateMax / Math.max(1, global.nbthread),
			cpuMaxPercent: global.compressionCpuMaxPercent,
			clock,
		});
		this.caches = options.caches ?? new Map();
		this.statusEvents = new Uint8Array(1000);
		for (const status of global.httpErrCodes) this.#noteStatus(status, ERROR_STATUS);
		for (const status of global.httpFailCodes) this.#noteStatus(status, FAILURE_STATUS);
		this.processVariables = options.processVariables ?? new ProcessVariables();
		this.activeConnections = options.activeConnections;
	}

	#noteStatus(status: number, event: number): void {
		this.statusEvents[status] = (this.statusEvents[status] ?? 0) | event;
	}

	/** Asks the clock. */
	nowMs(): number {
		this.currentMs = this.clock.monotonicMs();
		return this.currentMs;
	}
}
