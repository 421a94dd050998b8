/**
 * What streams need of the proxies they pass through. `frontend/frontend.ts` implements the frontend's part;
 * a backend is a `BackendTraffic` object made by compile.ts. A `listen` gives one of each.
 */
import type { Backend } from '../backend/backend.js';
import type { RuleLogStep } from '../config/keywords/log-profile.js';
import type { ProxyModel } from '../config/model.js';
import type { ErrorReplies } from '../rules/error-replies.js';
import type { ProxyRuleSets } from '../rules/ruleset.js';
import type { CaptureSlot } from '../sample/capture-slots.js';
import type { LogFormat } from '../sample/log-format.js';
import type { ProxyView } from '../sample/types.js';
import type { Counters } from '../shared/counters.js';
import type { ProxyFilters } from './filters/proxy-filters.js';
import type { ForwardedHeader } from './forwarded-header.js';
import type { Stream } from './stream.js';

export interface FrontendTraffic extends ProxyView {
	readonly model: ProxyModel;
	readonly rules: ProxyRuleSets;
	readonly errorReplies: ErrorReplies;
	/** Of its `compression` and `filter` lines; undefined for none. */
	readonly filters: ProxyFilters | undefined;
	readonly counters: Counters;
	readonly requestCaptureSlots: readonly CaptureSlot[];
	readonly responseCaptureSlots: readonly CaptureSlot[];
	readonly uniqueIdFormat: LogFormat | undefined;
	/** Lines logged so far, `%lc`. */
	readonly logCounter: number;
	/** `use_backend` rules, then `default_backend`; undefined: there is none, 503. */
	backendFor(stream: Stream): BackendTraffic | undefined;
	/** A `monitor fail` condition holds. */
	monitorFails(stream: Stream): boolean;
	/** The stream has ended: counters that only a frontend has, and its log line. */
	/** A request, or a connection in mode tcp, begins to be worked on. */
	streamStarted(stream: Stream): void;
	streamEnded(stream: Stream): void;
	/** A step between begin and end, which `log-steps` may ask to log. */
	logStep(stream: Stream, step: 'connect' | 'response'): void;
	logByRule(stream: Stream, step: RuleLogStep, profile: string | undefined): void;
}

export interface BackendTraffic {
	readonly model: ProxyModel;
	readonly backend: Backend;
	readonly rules: ProxyRuleSets;
	readonly errorReplies: ErrorReplies;
	readonly filters: ProxyFilters | undefined;
	readonly counters: Counters;
	/** Of `option forwarded`. */
	readonly forwarded?: ForwardedHeader | undefined;
	/** By `Server.index`. */
	readonly serverCounters: Counters[];
}
