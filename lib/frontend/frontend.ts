/**
 * A frontend as one data thread runs it: what its streams ask of it (`FrontendTraffic`), what fetches ask of
 * it (`ProxyView`), its listeners and its log lines.
 *
 * `compile.ts` makes one per thread from the model and everything compiled from it; nothing is looked up by
 * name once traffic comes. Counters are in shared memory, so the figures are those of all threads.
 */
import type { Condition } from '../acl/condition.js';
import type { LogStep, RuleLogStep } from '../config/keywords/log-profile.js';
import type { ProxyModel } from '../config/model.js';
import type { ErrorReplies } from '../rules/error-replies.js';
import type { ProxyRuleSets } from '../rules/ruleset.js';
import type { CaptureSlot } from '../sample/capture-slots.js';
import type { LogFormat } from '../sample/log-format.js';
import type { ServerView } from '../sample/types.js';
import { Column, type Counters } from '../shared/counters.js';
import type { StickTable } from '../stick-table/table.js';
import type { ProxyFilters } from '../stream/filters/proxy-filters.js';
import type { BackendTraffic, FrontendTraffic } from '../stream/proxies.js';
import type { Session } from '../stream/session.js';
import { streamOfConnection } from '../stream/session-rules.js';
import type { Stream } from '../stream/stream.js';
import { Cause, metTrouble, Phase } from '../stream/termination.js';
import type { ThreadRuntime } from '../stream/thread-runtime.js';

/** A `use_backend` line, compiled. */
export interface UseBackendRule {
	readonly condition: Condition | undefined;
	/** The backend, or what gives its name for each request. */
	readonly target: BackendTraffic | LogFormat;
}

/** What writes the lines: rendering and targets belong to the log. */
export interface StreamLogger {
	/** A stream begins: the default format has its line then, and none at its end. */
	started?(stream: Stream): void;
	log(stream: Stream): void;
	/** At a step of `log-steps` other than the last. */
	step?(stream: Stream, step: LogStep): void;
	/** `do-log`, which may name a log profile. */
	byRule?(stream: Stream, step: RuleLogStep, profile: string | undefined): void;
	/** A connection ended before its first request: no PROXY protocol header, no TLS (manual, 8.2.5). */
	setUpFailed?(stream: Stream, reason: string): void;
}

export interface FrontendOptions {
	readonly model: ProxyModel;
	readonly thread: ThreadRuntime;
	readonly rules: ProxyRuleSets;
	readonly errorReplies: ErrorReplies;
	readonly filters?: ProxyFilters | undefined;
	readonly counters: Counters;
	readonly requestCaptureSlots: readonly CaptureSlot[];
	readonly responseCaptureSlots: readonly CaptureSlot[];
	readonly uniqueIdFormat: LogFormat | undefined;
	readonly useBackends: readonly UseBackendRule[];
	/** Of `default_backend`; in a `listen` without one, its own. */
	readonly defaultBackend: BackendTraffic | undefined;
	/** By name, for `use_backend` with a format; a name that is none of them falls to the default. */
	readonly backends: ReadonlyMap<string, BackendTraffic>;
	readonly monitorFails: readonly Condition[];
	/** The `stick-table` line of the section. */
	readonly table: StickTable | undefined;
	/** Undefined when the frontend has no `log` line. */
	readonly logger: StreamLogger | undefined;
}

export class Frontend implements FrontendTraffic {
	readonly model: ProxyModel;
	readonly thread: ThreadRuntime;
	readonly rules: ProxyRuleSets;
	readonly errorReplies: ErrorReplies;
	readonly filters: ProxyFilters | undefined;
	readonly counters: Counters;
	readonly requestCaptureSlots: readonly CaptureSlot[];
	readonly responseCaptureSlots: readonly CaptureSlot[];
	readonly uniqueIdFormat: LogFormat | undefined;
	readonly table: StickTable | undefined;
	readonly name: string;
	readonly id: number;
	readonly mode: 'http' | 'tcp';
	readonly isFrontend = true;
	readonly isBackend: boolean;
	readonly defaultBackendName: string | undefined;
	readonly maxconn: number;
	readonly fullconn = 0;
	readonly servers: readonly ServerView[] = [];
	readonly serverTimeoutMs: number | undefined;
	readonly clientTimeoutMs: number | undefined;
	readonly tunnelTimeoutMs: number | undefined;
	logCounter = 0;
	readonly #useBackends: readonly UseBackendRule[];
	readonly #defaultBackend: BackendTraffic | undefined;
	readonly #backends: ReadonlyMap<string, BackendTraffic>;
	readonly #monitorFails: readonly Condition[];
	readonly #logger: StreamLogger | undefined;

	constructor(options: FrontendOptions) {
		const { model } = options;
		this.model = model;
		this.thread = options.thread;
		this.rules = options.rules;
		this.errorReplies = options.errorReplies;
		this.filters = options.filters;
		this.counters = options.counters;
		this.requestCaptureSlots = options.requestCaptureSlots;
		this.responseCaptureSlots = options.responseCaptureSlots;
		this.uniqueIdFormat = options.uniqueIdFormat;
		this.table = options.table;
		this.name = model.name;
		this.id = model.id;
		this.mode = model.mode;
		this.isBackend = model.kind === 'listen';
		this.defaultBackendName = model.defaultBackend?.name;
		this.maxconn = model.maxconn;
		this.serverTimeoutMs = model.timeouts.serverMs;
		this.clientTimeoutMs = model.timeouts.clientMs;
		this.tunnelTimeoutMs = model.timeouts.tunnelMs;
		this.#useBackends = options.useBackends;
		this.#defaultBackend = options.defaultBackend;
		this.#backends = options.backends;
		this.#monitorFails = options.monitorFails;
		this.#logger = options.logger;
	}

	// ---- ProxyView

	currentSessions(): number {
		return this.counters.current;
	}

	connectionRate(): number {
		return this.counters.rate('connection', this.thread.nowMs());
	}

	sessionRate(): number {
		return this.counters.rate('session', this.thread.nowMs());
	}

	requestRate(): number {
		return this.counters.rate('request', this.thread.nowMs());
	}

	queuedCount(): number {
		return 0;
	}

	usableServerCount(): number {
		return 0;
	}

	usableWeight(): number {
		return 0;
	}

	// ---- FrontendTraffic

	backendFor(stream: Stream): BackendTraffic | undefined {
		for (const { condition, target } of this.#useBackends) {
			if (condition !== undefined && condition.test(stream) !== true) continue;
			if ('backend' in target) return target;
			const named = this.#backends.get(target.render(stream));
			// A computed name that no backend has: the default, without a look at later rules (manual, 4.2).
			return named ?? this.#defaultBackend;
		}
		return this.#defaultBackend;
	}

	monitorFails(stream: Stream): boolean {
		return this.#monitorFails.some((condition) => condition.test(stream) === true);
	}

	/** Which streams are logged, and how loud, is decided here (manual, 4.2 `option dontlog*`). */
	streamEnded(stream: Stream): void {
		const logger = this.#logger;
		if (logger === undefined || stream.unlogged || stream.logLevel === 'silent') return;
		const { options } = this.model;
		if (options.dontlognull && stream.isNull) return;
		if (options.dontlogNormal && !metTrouble(stream)) return;
		if (this.model.logSteps?.includes('close') === false && !(stream.isHttp && stream.request === undefined)) return;
		// `%lc` counts the lines before this one.
		logger.log(stream);
		this.logCounter++;
	}

	streamStarted(stream: Stream): void {
		this.#logger?.started?.(stream);
		if (this.model.logSteps === undefined) return;
		// A connection is accepted once, whatever number of requests comes by it.
		if (stream.session.requestCount <= 1) this.#logStep(stream, 'accept');
		if (stream.request !== undefined) this.#logStep(stream, 'request');
	}

	logStep(stream: Stream, step: 'connect' | 'response'): void {
		if (this.model.logSteps !== undefined) this.#logStep(stream, step);
	}

	#logStep(stream: Stream, step: LogStep): void {
		if (this.model.logSteps?.includes(step) !== true || stream.logLevel === 'silent') return;
		this.#logger?.step?.(stream, step);
	}

	logByRule(stream: Stream, step: RuleLogStep, profile: string | undefined): void {
		if (stream.logLevel !== 'silent') this.#logger?.byRule?.(stream, step, profile);
	}

	/** Nothing is said of connections that never sent a byte, with `option dontlognull`. */
	logSetUpFailure(session: Session, reason: string, isNull: boolean): void {
		if (isNull && this.model.options.dontlognull) return;
		const logger = this.#logger;
		if (logger?.setUpFailed === undefined) return;
		const stream = streamOfConnection(session);
		stream.terminate(Cause.PROXY, Phase.REQUEST);
		logger.setUpFailed(stream, reason);
	}

	/** `rate-limit sessions` (manual, 4.2): as many sessions in the last second as are allowed. */
	isOverSessionRate(nowMs: number): boolean {
		const limit = this.model.rateLimitSessions ?? 0;
		return limit > 0 && this.counters.rate('session', nowMs) >= limit;
	}

	/** `tcp-request session` passed: a session counts. */
	countSession(nowMs: number): void {
		const slice = this.counters.slice;
		slice[Column.stot] = (slice[Column.stot] as number) + 1;
		this.counters.countRate('session', nowMs);
	}
}
