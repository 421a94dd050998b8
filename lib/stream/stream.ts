/**
 * A stream: one request and its response, or one connection in mode tcp. This file is its state, and the
 * two interfaces by which others see it: what rules read and change (`StreamControl`), what the backend asks
 * of a request that wants a server (`ServerRequest`). What happens when is in steps.ts; what the engine
 * reports comes in by the methods of `ExchangeEvents` and goes on there.
 *
 * One object per request with all its fields set in the constructor, so that V8 gives every stream the same
 * shape. What few streams have (variables, captures, trackers, a log view) is made at first use.
 */

import type { ServerRequest } from '../backend/backend.js';
import type { RequestCookie } from '../backend/persistence.js';
import type { QueueTicket } from '../backend/queue.js';
import type { Server } from '../backend/server.js';
import type { StickStore } from '../backend/stick-rules.js';
import type { RuleLogStep } from '../config/keywords/log-profile.js';
import type { IpAddress } from '../core/address.js';
import type { ConnectionFailure } from '../core/connection-errors.js';
import { type BodyFraming, HeaderList, type RequestHead, ResponseHead } from '../http/message.js';
import { standardReason } from '../http/status.js';
import { resolveErrorReply } from '../rules/error-replies.js';
import type { DecidingRule, HttpProtocol, LocalReply, StreamControl } from '../rules/stream-control.js';
import { Verdict } from '../rules/verdict.js';
import { type Decision, takeSightings } from '../sample/sightings.js';
import type { MultiplexView, StreamLogView, TlsView, VariableScope } from '../sample/types.js';
import type { EntryRef, StickTable } from '../stick-table/table.js';
import { TrackedCounter } from '../stick-table/tracked-counter.js';
import { countError } from './counting.js';
import { type Exchange, type ExchangeEvents, Failure } from './exchange.js';
import type { FilterChain } from './filters/body-filter.js';
import { Caching } from './filters/caching.js';
import { Filtering } from './filters/filtering.js';
import { StreamLog } from './log-view.js';
import type { BackendTraffic, FrontendTraffic } from './proxies.js';
import type { Service } from './service.js';
import type { Session } from './session.js';
import * as steps from './steps.js';
import { Cause, Phase } from './termination.js';
import { Deadline } from './timeouts.js';
import { StreamVariables } from './variables.js';

const NO_CAPTURES: readonly (string | undefined)[] = [];

export class Stream extends Deadline implements StreamControl, ServerRequest, ExchangeEvents {
	readonly session: Session;
	readonly exchange: Exchange;
	readonly frontend: FrontendTraffic;
	nowMs: number;

	/** How many streams its thread had before: `%rt`. */
	number = 0;

	// ---- messages
	/** Undefined: mode tcp, unless it is upgraded; or bytes that are no request. */
	request: RequestHead | undefined;
	response: ResponseHead | undefined = undefined;
	/** The method that was sent to the server: what its response answers. */
	sentMethod = '';
	/** The line as it came, for `%r`, before rules change it. */
	originalMethod: string;
	originalTarget: string;
	requestBodyBytes = 0;
	responseBodyBytes = 0;
	requestHeadBytes = 0;
	responseHeadBytes = 0;

	/** What bodies pass through on their way; set before the body begins (filters/). */
	requestFilters: FilterChain | undefined = undefined;
	responseFilters: FilterChain | undefined = undefined;
	/** What rules and proxies have to say of filters and caches; made at first use. */
	filtering: Filtering | undefined = undefined;

	// ---- where it goes
	backendTraffic: BackendTraffic | undefined = undefined;
	server: Server | undefined = undefined;
	/** A slot of `server` is taken and must be given back. */
	holdsSlot = false;
	persistentServer: Server | undefined = undefined;
	forcePersist = false;
	/** Whom the request is bound to has been found out. */
	boundToServer = false;
	/** What `stick` rules will write once the server is known; undefined: nothing, or it is written. */
	stickStores: StickStore[] | undefined = undefined;
	priorityClass = 0;
	priorityOffsetMs = 0;
	serverQueuePosition = 0;
	backendQueuePosition = 0;
	queueTicket: QueueTicket | undefined = undefined;
	retryCount = 0;
	redispatched = false;
	/** Within `Backend.choose`, which may assign a server at once. */
	choosing = false;

	// ---- the flow (steps.ts)
	step: number = 0;
	resumeAt = 0;
	/** What the stream's own deadline is for. */
	waitingFor: number = 0;
	inspectionOver = false;
	/** Of `do-resolve`. */
	nameAnswer: { readonly address: IpAddress | undefined } | 'waiting' | undefined = undefined;
	/** Mode tcp: rules still look at the first bytes of the server, which wait. */
	inspectsResponse = false;
	/** Mode tcp: `tcp-response` rules have let the bytes pass. */
	responseAccepted = false;
	/** `tcp-response content close`: no more is wanted of the server. */
	closesServerNow = false;
	/** Bytes of a response, the server's or the proxy's, have been given to the engine. */
	responding = false;
	ended = false;
	cause: Cause = Cause.NONE;
	phase: Phase = Phase.NONE;
	statusCode = -1;
	localReply: LocalReply | undefined = undefined;
	/** Answers in place of a server. */
	service: Service | undefined = undefined;
	tarpitted = false;
	silent = false;
	strictRewrites = true;
	/** `%ts` is not logged for it: a monitor request. */
	unlogged = false;
	/** The connection closed without a byte (`option dontlognull`). */
	isNull = false;
	/** A stream of mode http, or upgraded to it. */
	isHttp: boolean;
	/** `switch-mode http` has asked for an upgrade, to whichever protocol it finds or to that one. */
	upgradeTo: HttpProtocol | 'any' | undefined = undefined;

	/** For how long a rule waits for a body; 0: none does. */
	bodyWaitMs = 0;
	l7RetryDisabled = false;
	/** `set-retries`, in place of the backend's `retries`. */
	ownRetries: number | undefined = undefined;
	/** The rule `pause` that has the stream wait, or has had it wait until now; and for how long. */
	pausedBy: object | undefined = undefined;
	pauseMs = 0;

	// ---- counted once
	countedOnServer = false;
	serverReused = false;
	serverFailure: ConnectionFailure | undefined;
	/** Entries that content rules of the backend track: the request counts on them a little later. */
	backendContentTrackers: TrackedCounter[] | undefined = undefined;

	// ---- times, monotonic ms; -1: never
	readonly requestBeganMs: number;
	readonly startedMs: number;
	idleMs = 0;
	assignedMs = -1;
	connectedMs = -1;
	respondedMs = -1;
	endedMs = -1;
	/** Set by `refuse` and `tarpit`: `%TR` is then unknown. */
	requestTimeKnown = true;
	/** Refused by content rules before it counted as a request: `%r` has no line. */
	lineUnknown = false;

	// ---- timeouts in ms, 0 none
	clientTimeoutMs: number;
	serverTimeoutMs = 0;
	connectTimeoutMs = 0;
	tunnelTimeoutMs: number;
	clientFinTimeoutMs: number;
	serverFinTimeoutMs = 0;

	// ---- log
	/** Third and fourth character of `%tsc` (manual, 8.5). */
	/** What the `cookie` line of the backend found in the request. */
	requestCookie: RequestCookie | undefined = undefined;
	cookieRequestState = '-';
	cookieResponseState = '-';
	cookieCapture: string | undefined = undefined;
	serverCookieCapture: string | undefined = undefined;
	logLevel: number | 'silent' | undefined = undefined;
	/** Why a line is being written, `%OG`. */
	logOrigin = 'unspec';
	decisionFile: string | undefined = undefined;
	decisionLine = 0;
	/** What `option log-decision` shows: the rule that ended the request; undefined without the option. */
	decision: Decision | undefined = undefined;
	failedRewriteCount = 0;

	/** Fields of a 103 to which the next rule adds. */
	#earlyHints: HeaderList | undefined = undefined;
	#trackers: (TrackedCounter | undefined)[] | undefined = undefined;
	#variables: StreamVariables | undefined = undefined;
	#requestCaptures: (string | undefined)[] | undefined = undefined;
	#responseCaptures: (string | undefined)[] | undefined = undefined;
	#uniqueId: string | undefined = undefined;
	#log: StreamLog | undefined = undefined;

	/** Without `request`: mode tcp, or bytes that are no request. */
	constructor(
		session: Session,
		exchange: Exchange,
		request: RequestHead | undefined,
		nowMs: number,
		requestBeganMs: number,
	) {
		super();
		this.session = session;
		session.endOverride();
		this.exchange = exchange;
		const { frontend } = session;
		this.frontend = frontend;
		this.nowMs = nowMs;
		this.request = request;
		this.originalMethod = request === undefined ? '' : request.method;
		this.originalTarget = request === undefined ? '' : request.target;
		this.isHttp = request !== undefined || frontend.mode === 'http';
		this.requestBeganMs = requestBeganMs;
		this.startedMs = nowMs;
		const { timeouts } = frontend.model;
		this.clientTimeoutMs = timeouts.clientMs ?? 0;
		this.tunnelTimeoutMs = timeouts.tunnelMs ?? 0;
		this.clientFinTimeoutMs = timeouts.clientFinMs ?? 0;
	}

	// ---- StreamView --------------------------------------------------------------------------------

	get view(): this {
		return this;
	}

	get backend(): BackendTraffic['backend'] | undefined {
		return this.backendTraffic?.backend;
	}

	/** The server's connection, behind TLS. */
	get serverTls(): TlsView | undefined {
		return this.exchange.serverSideTls;
	}

	get clientMultiplex(): MultiplexView | undefined {
		return this.exchange.clientMultiplex;
	}

	get serverMultiplex(): MultiplexView | undefined {
		return this.exchange.serverMultiplex;
	}

	get requestBuffer(): Buffer | undefined {
		return this.exchange.requestBuffer;
	}

	get requestBufferComplete(): boolean {
		return this.inspectionOver || this.exchange.requestBufferComplete;
	}

	get responseBuffer(): Buffer | undefined {
		return this.exchange.responseBuffer;
	}

	get responseBufferComplete(): boolean {
		return this.inspectionOver || this.exchange.responseBufferComplete;
	}

	get variables(): StreamVariables {
		this.#variables ??= new StreamVariables(this.session);
		return this.#variables;
	}

	/** `req` variables end with the request. */
	endRequestVariables(): void {
		this.#variables?.endRequestScope();
	}

	tracker(index: number): TrackedCounter | undefined {
		return this.#trackers?.[index] ?? this.session.trackers[index];
	}

	get ownTrackers(): readonly (TrackedCounter | undefined)[] | undefined {
		return this.#trackers;
	}

	get requestCaptures(): readonly (string | undefined)[] {
		return this.#requestCaptures ?? NO_CAPTURES;
	}

	get responseCaptures(): readonly (string | undefined)[] {
		return this.#responseCaptures ?? NO_CAPTURES;
	}

	uniqueId(): string | undefined {
		this.#uniqueId ??= this.frontend.uniqueIdFormat?.render(this);
		return this.#uniqueId;
	}

	get lastRule(): { readonly file: string; readonly line: number } | undefined {
		return this.decisionFile === undefined ? undefined : { file: this.decisionFile, line: this.decisionLine };
	}

	get log(): StreamLogView {
		this.#log ??= new StreamLog(this);
		return this.#log;
	}

	// ---- StreamControl -----------------------------------------------------------------------------

	lookUpName(section: string, name: string, prefer: 4 | 6): void {
		this.nameAnswer = 'waiting';
		this.session.thread.lookUpName(section, name, prefer, (address) => this.#nameAnswered(address));
	}

	takeNameAnswer(): { readonly address: IpAddress | undefined } | 'waiting' | undefined {
		const answer = this.nameAnswer;
		if (answer !== 'waiting') this.nameAnswer = undefined;
		return answer;
	}

	#nameAnswered(address: IpAddress | undefined): void {
		if (this.ended) return;
		this.nameAnswer = { address };
		this.#fromOutside(() => steps.nameAnswered(this));
	}

	setReply(reply: LocalReply): void {
		this.localReply = reply;
	}

	errorReply(status: number): LocalReply {
		const traffic = this.backendTraffic;
		const { errorReplies } = this.frontend;
		if (traffic === undefined) return resolveErrorReply(errorReplies, undefined, status, this);
		return resolveErrorReply(traffic.errorReplies, errorReplies, status, this);
	}

	countClientError(): void {
		countError(this);
	}

	countFailedRewrite(): void {
		this.failedRewriteCount++;
	}

	useService(name: string): void {
		this.service = this.session.thread.services.named(name);
	}

	useFilters(): Filtering {
		this.filtering ??= new Filtering();
		return this.filtering;
	}

	useCache(name: string): void {
		const cache = this.session.thread.caches.get(name);
		const filtering = this.useFilters();
		if (cache === undefined || this.request === undefined || filtering.caching !== undefined) return;
		filtering.caching = new Caching(cache, this, this.backendTraffic?.counters ?? this.frontend.counters);
	}

	storeInCache(name: string): void {
		const caching = this.filtering?.caching;
		if (caching?.cache.model.name === name) caching.storeResponse(this);
	}

	hasBody(ofResponse: boolean, atLeastBytes: number, waitMs: number): boolean {
		const bytes = (ofResponse ? this.responseBuffer : this.requestBuffer)?.length ?? 0;
		const complete = ofResponse ? this.exchange.responseBufferComplete : this.exchange.requestBufferComplete;
		if (complete || (atLeastBytes > 0 && bytes >= atLeastBytes)) return true;
		this.bodyWaitMs = waitMs;
		return false;
	}

	addEarlyHint(name: string, value: string, isLast: boolean): void {
		this.#earlyHints ??= new HeaderList();
		this.#earlyHints.add(name, value);
		if (!isLast) return;
		this.exchange.sendInterim(new ResponseHead(103, standardReason(103), 11, this.#earlyHints));
		this.#earlyHints = undefined;
	}

	noteMalformed(): void {
		this.requestTimeKnown = false;
	}

	switchToHttp(protocol: HttpProtocol | undefined): void {
		if (!this.isHttp) this.upgradeTo = protocol ?? 'any';
	}

	setRetries(count: number): void {
		this.ownRetries = count;
	}

	/** How often the request may be sent again. */
	get retries(): number {
		return this.ownRetries ?? this.backendTraffic?.model.retries ?? 0;
	}

	pause(rule: object, milliseconds: number): boolean {
		if (this.pausedBy === rule) {
			this.pausedBy = undefined;
			return true;
		}
		this.pausedBy = rule;
		this.pauseMs = milliseconds;
		return false;
	}

	closeServer(): void {
		this.closesServerNow = true;
	}

	disableL7Retry(): void {
		this.l7RetryDisabled = true;
	}

	limitBandwidth(name: string, limitBytes: number | undefined, periodMs: number | undefined): void {
		const limit = this.backendTraffic?.filters?.limits.get(name) ?? this.frontend.filters?.limits.get(name);
		if (limit !== undefined) this.useFilters().enable(limit, limitBytes, periodMs);
	}

	get compressedWith(): string | undefined {
		return this.filtering?.compressedWith;
	}

	/** The cache that the response is from. */
	get cacheName(): string | undefined {
		const caching = this.filtering?.caching;
		return caching?.isHit === true ? caching.cache.model.name : undefined;
	}

	setTarpit(): void {
		this.tarpitted = true;
	}

	/** Rules of a stream track at its own level; the first tracker of an index wins. */
	track(index: number, table: StickTable, entry: EntryRef): void {
		const tracked = new TrackedCounter(table, entry);
		if (this.tracker(index) !== undefined) {
			tracked.close(this.nowMs);
			return;
		}
		this.#trackers ??= [];
		this.#trackers[index] = tracked;
		steps.trackerAdded(this, tracked);
	}

	doLog(step: RuleLogStep, profile: string | undefined): void {
		this.frontend.logByRule(this, step, profile);
	}

	setLogLevel(level: number | 'silent'): void {
		this.logLevel = level;
	}

	setTimeout(which: 'server' | 'tunnel' | 'client', milliseconds: number): void {
		if (which === 'server') this.serverTimeoutMs = milliseconds;
		else if (which === 'tunnel') this.tunnelTimeoutMs = milliseconds;
		else this.clientTimeoutMs = milliseconds;
	}

	setRequestCapture(slot: number, value: string): void {
		const length = this.frontend.requestCaptureSlots[slot]?.lengthBytes;
		if (length === undefined) return;
		this.#requestCaptures ??= new Array(this.frontend.requestCaptureSlots.length).fill(undefined);
		this.#requestCaptures[slot] = value.slice(0, length);
	}

	setResponseCapture(slot: number, value: string): void {
		const length = this.frontend.responseCaptureSlots[slot]?.lengthBytes;
		if (length === undefined) return;
		this.#responseCaptures ??= new Array(this.frontend.responseCaptureSlots.length).fill(undefined);
		this.#responseCaptures[slot] = value.slice(0, length);
	}

	silentDrop(): void {
		this.silent = true;
	}

	setSource(address: IpAddress, port: number | undefined): void {
		this.session.overrideForStream();
		this.session.setSource(address, port);
	}

	setDestination(address: IpAddress, port: number | undefined): void {
		this.session.overrideForStream();
		this.session.setDestination(address, port);
	}

	setPriorityClass(value: number): void {
		this.priorityClass = value;
	}

	setPriorityOffsetMs(value: number): void {
		this.priorityOffsetMs = value;
	}

	/** All streams of a thread share one event loop; there is no scheduler to tell. */
	setNice(_value: number): void {}

	unsetVariable(scope: VariableScope, name: string): void {
		this.#variables?.unset(scope, name);
		if (this.#variables === undefined) this.variables.unset(scope, name);
	}

	noteDecision(rule: DecidingRule, verdict: Verdict): void {
		this.decisionFile = rule.file;
		this.decisionLine = rule.line;
		// `allow` and `accept` end a set and no request.
		if (!this.frontend.model.options.logDecision || verdict === Verdict.STOP) return;
		const sightings = rule.isConditional ? takeSightings() : [];
		this.decision = { file: rule.file, line: rule.line, rule: rule.name, sightings };
	}

	// ---- what engines ask --------------------------------------------------------------------------

	/** `Connection: close` towards the client, by option or because the thread is stopping. */
	get closesClient(): boolean {
		return (
			this.session.thread.softStop.closesWithAnswer(this.session.thread.currentMs) ||
			this.frontend.model.options.connectionMode === 'close' ||
			this.backendTraffic?.model.options.connectionMode === 'close'
		);
	}

	/** `Connection: close` towards the server. */
	get closesServer(): boolean {
		const frontendMode = this.frontend.model.options.connectionMode;
		const backendMode = this.backendTraffic?.model.options.connectionMode;
		const closes = frontendMode !== 'keep-alive' || (backendMode !== undefined && backendMode !== 'keep-alive');
		if (this.#chunksInHttp10) return true;
		return closes && this.backendTraffic?.model.options.httpPretendKeepalive !== true;
	}

	/** Nothing may follow such a request: to who does not know chunks of HTTP/1.0 they would be requests (RFC 9112, 6.1). */
	get #chunksInHttp10(): boolean {
		return this.request?.version === 10 && this.request.framing.kind === 'chunked';
	}

	/** Whether the server's connection may serve another exchange. */
	get keepsServer(): boolean {
		const backendMode = this.backendTraffic?.model.options.connectionMode;
		if (this.closesServerNow || this.#chunksInHttp10) return false;
		return this.frontend.model.options.connectionMode === 'keep-alive' && backendMode === 'keep-alive';
	}

	get preferredServer(): Server | undefined {
		return this.session.preferredServer(this.backendTraffic?.model.options.preferLastServer === true);
	}

	get reuseMode(): 'never' | 'safe' | 'aggressive' | 'always' {
		return this.backendTraffic?.model.httpReuse ?? 'safe';
	}

	get abortOnClose(): boolean {
		return this.backendTraffic?.model.options.abortonclose === true;
	}

	/** Ends with that cause, unless an earlier one is known. */
	terminate(cause: Cause, phase: Phase): void {
		if (this.cause !== Cause.NONE) return;
		this.cause = cause;
		this.phase = phase;
	}

	// ---- ExchangeEvents and ServerRequest: the flow is in steps.ts -----------------------------------

	start(nowMs: number): void {
		this.nowMs = nowMs;
		steps.start(this);
	}

	requestUpgraded(head: RequestHead, nowMs: number): void {
		this.nowMs = nowMs;
		this.request = head;
		this.originalMethod = head.method;
		this.originalTarget = head.target;
		this.isHttp = true;
		steps.upgraded(this);
	}

	exchangeReplaced(nowMs: number): void {
		this.nowMs = nowMs;
		// The streams of the new connection have their own lines and run the same rules again.
		this.unlogged = true;
		steps.end(this);
	}

	/** Bytes that are no request: answered with `status` without rules. */
	refuse(status: number, failure: Failure, nowMs: number): void {
		this.nowMs = nowMs;
		steps.refuse(this, status, failure);
	}

	requestBodyArrived(nowMs: number): void {
		this.nowMs = nowMs;
		steps.bodyArrived(this);
	}

	responseBodyArrived(nowMs: number): void {
		this.nowMs = nowMs;
		steps.responseBodyArrived(this);
	}

	serverConnected(reused: boolean, nowMs: number): void {
		this.nowMs = nowMs;
		this.serverReused = reused;
		this.serverFailure = undefined;
		this.connectedMs = nowMs;
		steps.serverConnected(this);
	}

	/** The first bytes of a server in mode tcp, before they go on. */
	serverSpoke(nowMs: number): void {
		this.nowMs = nowMs;
		steps.serverSpoke(this);
	}

	responseReceived(head: ResponseHead, _framing: BodyFraming, nowMs: number): void {
		this.nowMs = nowMs;
		this.response = head;
		steps.responseReceived(this);
	}

	exchangeFailed(failure: Failure, nowMs: number): void {
		this.nowMs = nowMs;
		steps.exchangeFailed(this, failure);
	}

	exchangeEnded(nowMs: number): void {
		this.nowMs = nowMs;
		steps.end(this);
	}

	/** The exchange broke inside the proxy and is gone: whatever the rules say to that, everything held is given back. */
	exchangeCrashed(nowMs: number): void {
		const { logger } = this.session.thread;
		try {
			this.exchangeFailed(Failure.INTERNAL, nowMs);
		} catch (error) {
			logger.error({ err: error }, 'a stream failed while it was ended');
		}
		try {
			this.exchangeEnded(nowMs);
		} catch (error) {
			logger.error({ err: error }, 'a stream failed while it was ended');
		}
	}

	serverAssigned(server: Server): void {
		this.#fromOutside(() => steps.serverAssigned(this, server));
	}

	queueTimedOut(): void {
		this.#fromOutside(() => steps.queueTimedOut(this));
	}

	serverLost(): void {
		this.#fromOutside(() => steps.serverLost(this));
	}

	override deadlinePassed(): void {
		this.#fromOutside(() => steps.deadlinePassed(this));
	}

	/**
	 * What the backend and the wheel call runs within another connection's event, or none: what is thrown here
	 * must end this stream's connection and no other.
	 */
	#fromOutside(work: () => void): void {
		const { thread } = this.session;
		this.nowMs = thread.nowMs();
		try {
			work();
		} catch (error) {
			thread.logger.error({ err: error }, 'a stream failed inside the proxy');
			try {
				this.exchange.abort(false);
			} catch (again) {
				thread.logger.error({ err: again }, 'a stream failed while it was ended');
			}
		}
	}
}
