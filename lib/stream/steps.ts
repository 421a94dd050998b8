/**
 * The life of a request, step by step. Each step is a function that does its part and names the next;
 * `run` is the loop that walks them and can print them. A step that must wait returns WAIT: whatever it waits for
 * (bytes, a server, a response, a deadline) comes back through one of the entry points below and runs on.
 *
 *     FRONTEND_CONTENT  tcp-request content rules of the frontend
 *     FRONTEND_REQUEST  captures, monitor-uri, http-request rules of the frontend
 *     FRONTEND_SERVICE  the statistics page and its access rules, `use-service`
 *     SWITCH            use_backend, default_backend
 *     BACKEND_CONTENT   tcp-request content rules of the backend
 *     BACKEND_REQUEST   http-request rules of the backend
 *     BACKEND_SERVICE   as FRONTEND_SERVICE
 *     PREPARE           forwardfor, originalto, unique-id-header, http-buffer-request
 *     SERVER            persistence, algorithm, queue                   -> waits for a slot
 *     CONNECT           connect or reuse, send                          -> waits for the response
 *     RESPONSE_CONTENT  tcp-response content rules of the backend
 *     BACKEND_RESPONSE, FRONTEND_RESPONSE    captures, http-response rules
 *     RESPOND           http-after-response rules, then the engine relays
 *     SERVE             a service answers, when it has the body it needs
 *     REPLY             the same for an answer of the proxy's own
 *
 * The end is `end`: counters, trackers, log, in the order of the specification.
 */
import { isCacheable } from '../backend/persistence.js';
import type { Server } from '../backend/server.js';
import type { ProxyModel } from '../config/model.js';
import { ResponseHead } from '../http/message.js';
import type { RuleSet } from '../rules/ruleset.js';
import type { LocalReply } from '../rules/stream-control.js';
import { Verdict } from '../rules/verdict.js';
import type { TrackedCounter } from '../stick-table/tracked-counter.js';
import * as counting from './counting.js';
import { Failure } from './exchange.js';
import { requestHeadSize, responseHeadSize } from './message-size.js';
import { bindToServer, stickOnConnect, stickOnResponse, writePersistence } from './persistence.js';
import { captureCookies, captureRequest, captureResponse, prepareRequest } from './prepare.js';
import { mayReplay, shouldRedispatch, turnAroundMs } from './retry.js';
import type { Stream } from './stream.js';
import { Cause, causeOf, Phase, statusOf } from './termination.js';
import { countOn } from './trackers.js';

export const Step = {
	FRONTEND_CONTENT: 0,
	FRONTEND_REQUEST: 1,
	FRONTEND_SERVICE: 2,
	SWITCH: 3,
	BACKEND_CONTENT: 4,
	BACKEND_REQUEST: 5,
	BACKEND_SERVICE: 6,
	PREPARE: 7,
	SERVER: 8,
	CONNECT: 9,
	SERVE: 10,
	RESPONSE_CONTENT: 11,
	BACKEND_RESPONSE: 12,
	FRONTEND_RESPONSE: 13,
	RESPOND: 14,
	REPLY: 15,
	/** Left to the engine, or over. */
	WAIT: 16,
} as const;

type StepFunction = (stream: Stream) => number;

/** What the stream's own deadline ends. */
export const Waiting = { NOTHING: 0, INSPECTION: 1, TARPIT: 2, TURN_AROUND: 3, BODY: 4 } as const;

const STEPS: readonly StepFunction[] = [
	frontendContent,
	frontendRequest,
	frontendService,
	switchBackend,
	backendContent,
	backendRequest,
	backendService,
	prepare,
	chooseServer,
	connect,
	serve,
	responseContent,
	backendResponse,
	frontendResponse,
	respond,
	sendReply,
];

function run(stream: Stream, from: number): void {
	let step = from;
	while (step !== Step.WAIT) {
		stream.step = step;
		step = (STEPS[step] as StepFunction)(stream);
	}
}

// ---- entry points -------------------------------------------------------------------------------------

export function start(stream: Stream): void {
	const { request, session } = stream;
	if (request !== undefined) {
		session.requestCount++;
		session.thread.requestCounter++;
		stream.requestHeadBytes = requestHeadSize(request);
		counting.requestParsed(stream);
	}
	stream.frontend.streamStarted(stream);
	run(stream, Step.FRONTEND_CONTENT);
}

/** Bytes that are no request, or none at all: session-level trackers see a request and an error. */
export function refuse(stream: Stream, status: number, failure: Failure): void {
	const { session, exchange } = stream;
	session.requestCount++;
	stream.requestTimeKnown = false;
	stream.statusCode = status;
	stream.terminate(causeOf(failure), Phase.REQUEST);
	counting.requestRefused(stream);
	const reply = stream.errorReply(status);
	exchange.reply(reply, true);
}

export function bodyArrived(stream: Stream): void {
	if (stream.waitingFor === Waiting.INSPECTION || stream.waitingFor === Waiting.BODY) run(stream, stream.step);
}

export function serverAssigned(stream: Stream, server: Server): void {
	stream.server = server;
	stream.holdsSlot = true;
	stream.assignedMs = stream.nowMs;
	if (!stream.choosing) run(stream, Step.CONNECT);
}

export function queueTimedOut(stream: Stream): void {
	stream.terminate(Cause.SERVER_TIMEOUT, Phase.QUEUE);
	counting.noServer(stream);
	run(stream, replyWith(stream, stream.errorReply(503)));
}

export function serverLost(stream: Stream): void {
	if (stream.backendTraffic?.model.options.redispatch !== undefined) stream.persistentServer = undefined;
	run(stream, Step.SERVER);
}

export function serverConnected(stream: Stream): void {
	counting.serverConnected(stream);
	if (stream.request !== undefined) return;
	stream.responding = true;
	stickOnConnect(stream);
}

export function serverSpoke(stream: Stream): void {
	stickOnResponse(stream);
}

export function responseReceived(stream: Stream): void {
	const head = stream.response as ResponseHead;
	stream.respondedMs = stream.nowMs;
	stream.responseHeadBytes += responseHeadSize(head) + (head.framing.kind === 'chunked' ? 1 : 0);
	stream.statusCode = head.status;
	stream.resumeAt = 0;
	if (retryOnStatus(stream, head.status)) return;
	counting.responseReceived(stream, head.status);
	stream.endRequestVariables();
	if (stream.frontend.responseCaptureSlots.length > 0) captureResponse(stream);
	if (stream.frontend.model.cookieCapture !== undefined) captureCookies(stream);
	run(stream, Step.RESPONSE_CONTENT);
}

export function deadlinePassed(stream: Stream): void {
	const { waitingFor } = stream;
	stream.waitingFor = Waiting.NOTHING;
	switch (waitingFor) {
		case Waiting.INSPECTION:
		case Waiting.BODY:
			stream.inspectionOver = true;
			run(stream, stream.step);
			stream.inspectionOver = false;
			break;
		case Waiting.TARPIT:
			run(stream, Step.REPLY);
			break;
		case Waiting.TURN_AROUND:
			run(stream, Step.CONNECT);
			break;
		default:
			break;
	}
}

/** A rule of this stream has begun to track: a request that is under way counts at once. */
export function trackerAdded(stream: Stream, tracked: TrackedCounter): void {
	if (!stream.isHttp || stream.request === undefined) return;
	if (stream.step === Step.FRONTEND_REQUEST || stream.step === Step.BACKEND_REQUEST) {
		countOn(tracked, 'request', 1, stream.nowMs);
	} else if (stream.step === Step.BACKEND_CONTENT) {
		stream.backendContentTrackers ??= [];
		stream.backendContentTrackers.push(tracked);
	} else if (stream.step >= Step.RESPONSE_CONTENT) {
		countOn(tracked, 'request', 1, stream.nowMs);
		counting.responseOnTracker(stream, tracked, stream.statusCode);
	}
}

// ---- waiting ------------------------------------------------------------------------------------------

function wait(stream: Stream, waitingFor: number, delayMs: number): number {
	stream.waitingFor = waitingFor;
	stream.session.thread.wheel.set(stream, delayMs > 0 ? stream.nowMs + delayMs : 0);
	return Step.WAIT;
}

function stopWaiting(stream: Stream): void {
	if (stream.waitingFor === Waiting.NOTHING) return;
	stream.waitingFor = Waiting.NOTHING;
	stream.session.thread.wheel.remove(stream);
}

// ---- rules --------------------------------------------------------------------------------------------

/** Evaluates a set and turns its verdict into a step; `next` is where the stream goes when nothing stops it. */
function evaluateRequest(stream: Stream, rules: RuleSet, next: number, inspectDelayMs: number): number {
	const verdict = rules.evaluate(stream, stream.resumeAt);
	if (verdict === Verdict.CONTINUE || verdict === Verdict.STOP) {
		stream.resumeAt = 0;
		stopWaiting(stream);
		return next;
	}
	if (verdict === Verdict.YIELD) {
		stream.resumeAt = rules.resumeAt;
		if (stream.waitingFor === Waiting.INSPECTION) return Step.WAIT;
		if (inspectDelayMs > 0 || stream.request === undefined) return wait(stream, Waiting.INSPECTION, inspectDelayMs);
		return waitForBody(stream);
	}
	stream.resumeAt = 0;
	stopWaiting(stream);
	return requestVerdict(stream, verdict);
}

function requestVerdict(stream: Stream, verdict: Verdict): number {
	switch (verdict) {
		case Verdict.DENY: {
			counting.requestDenied(stream);
			if (stream.request === undefined) return abort(stream, Cause.PROXY, Phase.REQUEST);
			const reply = stream.localReply ?? stream.errorReply(403);
			if (!stream.tarpitted) {
				stream.terminate(Cause.PROXY, Phase.REQUEST);
				return replyWith(stream, reply);
			}
			stream.localReply = reply;
			stream.requestTimeKnown = buffersRequest(stream);
			stream.phase = Phase.TARPIT;
			const { timeouts } = stream.frontend.model;
			return wait(stream, Waiting.TARPIT, timeouts.tarpitMs ?? timeouts.connectMs ?? 0);
		}
		case Verdict.DONE:
			stream.terminate(Cause.LOCAL, Phase.REQUEST);
			counting.intercepted(stream);
			return replyWith(stream, stream.localReply ?? stream.errorReply(500));
		case Verdict.ABORT:
			stream.requestTimeKnown = buffersRequest(stream);
			counting.requestRejected(stream);
			// As observed: before the frontend's HTTP rules there is no request line yet to be logged.
			stream.lineUnknown = stream.step === Step.FRONTEND_CONTENT;
			return abort(stream, Cause.PROXY, Phase.REQUEST);
		default:
			counting.internalError(stream);
			stream.terminate(Cause.INTERNAL, Phase.REQUEST);
			return replyWith(stream, stream.errorReply(500));
	}
}

/** The server of the client's cookie could not be reached: another one is chosen, and the log says so. */
function forgetPersistence(stream: Stream): void {
	stream.persistentServer = undefined;
	if (stream.cookieRequestState === 'V') stream.cookieRequestState = 'D';
}

/** The client gets no answer. */
function abort(stream: Stream, cause: Cause, phase: Phase): number {
	stream.terminate(cause, phase);
	stream.exchange.abort(stream.silent);
	return Step.WAIT;
}

// ---- the request --------------------------------------------------------------------------------------

function frontendContent(stream: Stream): number {
	const { rules, model } = stream.frontend;
	const next = stream.request === undefined ? Step.SWITCH : Step.FRONTEND_REQUEST;
	if (rules.tcpRequestContent.length === 0) return next;
	return evaluateRequest(stream, rules.tcpRequestContent, next, model.tcpRequestInspectDelayMs ?? 0);
}

function frontendRequest(stream: Stream): number {
	const { frontend } = stream;
	if (stream.resumeAt === 0) {
		counting.requestOnTrackers(stream);
		if (frontend.requestCaptureSlots.length > 0) captureRequest(stream);
		if (frontend.model.cookieCapture !== undefined) captureCookies(stream);
		if (frontend.model.monitorUri !== undefined && stream.request?.target === frontend.model.monitorUri) {
			return answerMonitor(stream);
		}
	}
	if (frontend.rules.httpRequest.length === 0) return Step.FRONTEND_SERVICE;
	return evaluateRequest(stream, frontend.rules.httpRequest, Step.FRONTEND_SERVICE, 0);
}

/** `monitor-uri`: 200, or 503 when a `monitor fail` condition holds; never logged (manual, 4.2). */
function answerMonitor(stream: Stream): number {
	stream.unlogged = true;
	stream.terminate(Cause.LOCAL, Phase.REQUEST);
	counting.intercepted(stream);
	return replyWith(stream, stream.errorReply(stream.frontend.monitorFails(stream) ? 503 : 200));
}

function switchBackend(stream: Stream): number {
	const traffic = stream.frontend.backendFor(stream);
	if (traffic === undefined) {
		// As observed: without a backend the request counts as not received.
		stream.requestTimeKnown = false;
		stream.terminate(Cause.SERVER_ABORT, Phase.CONNECT);
		return stream.request === undefined
			? abort(stream, Cause.SERVER_ABORT, Phase.CONNECT)
			: replyWith(stream, stream.errorReply(503));
	}
	stream.backendTraffic = traffic;
	traffic.backend.streamStarted();
	counting.backendEntered(stream);
	const { timeouts } = traffic.model;
	if (stream.serverTimeoutMs === 0) stream.serverTimeoutMs = timeouts.serverMs ?? 0;
	stream.connectTimeoutMs = timeouts.connectMs ?? 0;
	if (stream.tunnelTimeoutMs === 0) stream.tunnelTimeoutMs = timeouts.tunnelMs ?? 0;
	stream.serverFinTimeoutMs = timeouts.serverFinMs ?? 0;
	return traffic.model === stream.frontend.model ? Step.PREPARE : Step.BACKEND_CONTENT;
}

function backendContent(stream: Stream): number {
	const { rules, model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	const next = stream.request === undefined ? Step.SERVER : Step.BACKEND_REQUEST;
	if (rules.tcpRequestContent.length === 0) return next;
	return evaluateRequest(stream, rules.tcpRequestContent, next, model.tcpRequestInspectDelayMs ?? 0);
}

function backendRequest(stream: Stream): number {
	const { rules } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (stream.resumeAt === 0) counting.requestOnBackendTrackers(stream);
	if (rules.httpRequest.length === 0) return Step.BACKEND_SERVICE;
	return evaluateRequest(stream, rules.httpRequest, Step.BACKEND_SERVICE, 0);
}

function frontendService(stream: Stream): number {
	if (stream.service === undefined && stream.frontend.model.stats === undefined) return Step.SWITCH;
	return findService(stream, stream.frontend.model, Step.SWITCH);
}

function backendService(stream: Stream): number {
	const { model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (stream.service === undefined && model.stats === undefined) return Step.PREPARE;
	return findService(stream, model, Step.PREPARE);
}

/** A service that a rule has chosen, or the proxy's page; else the stream goes on. */
function findService(stream: Stream, model: ProxyModel, next: number): number {
	if (stream.service !== undefined) return Step.SERVE;
	const page = stream.session.thread.services.pageOf(model);
	if (page === undefined || !page.matches(stream)) return next;
	const found = evaluateRequest(stream, page.access, Step.SERVE, 0);
	if (found === Step.SERVE) stream.service = page;
	return found;
}

function serve(stream: Stream): number {
	const service = stream.service as NonNullable<Stream['service']>;
	if (!stream.requestBufferComplete && service.needsBody(stream)) return waitForBody(stream);
	stopWaiting(stream);
	stream.terminate(Cause.LOCAL, Phase.REQUEST);
	// As observed: only what the frontend itself intercepts is counted.
	if (stream.backendTraffic === undefined) counting.intercepted(stream);
	return replyWith(stream, service.answer(stream));
}

function prepare(stream: Stream): number {
	if (stream.request === undefined) return Step.SERVER;
	if (buffersRequest(stream) && !stream.requestBufferComplete) return waitForBody(stream);
	stopWaiting(stream);
	prepareRequest(stream);
	return Step.SERVER;
}

/** `option http-buffer-request`: the request counts as received when its body is there too. */
function buffersRequest(stream: Stream): boolean {
	const { frontend, backendTraffic } = stream;
	return frontend.model.options.httpBufferRequest || backendTraffic?.model.options.httpBufferRequest === true;
}

/** As much of the body as fits in a buffer, for at most `timeout http-request` (manual, `http-buffer-request`). */
function waitForBody(stream: Stream): number {
	if (stream.waitingFor === Waiting.BODY) return Step.WAIT;
	const { timeouts } = stream.frontend.model;
	wait(stream, Waiting.BODY, timeouts.httpRequestMs ?? timeouts.clientMs ?? 0);
	// What is there already may be enough: `bodyArrived` has then gone on by itself.
	stream.exchange.bufferRequestBody(stream.session.thread.bufsizeBytes);
	return Step.WAIT;
}

function chooseServer(stream: Stream): number {
	const traffic = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (!stream.boundToServer) {
		stream.boundToServer = true;
		bindToServer(stream, traffic);
	}
	return chooseFrom(stream, undefined);
}

function chooseFrom(stream: Stream, avoid: Server | undefined): number {
	const { backend } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	stream.choosing = true;
	const choice = backend.choose(stream, avoid);
	stream.choosing = false;
	if (choice === 'none') {
		counting.noServer(stream);
		stream.terminate(Cause.SERVER_ABORT, Phase.CONNECT);
		if (stream.request === undefined) return abort(stream, Cause.SERVER_ABORT, Phase.CONNECT);
		return replyWith(stream, stream.errorReply(503));
	}
	if (choice === 'queued') return stream.holdsSlot ? Step.CONNECT : Step.WAIT;
	stream.server = choice;
	stream.holdsSlot = true;
	stream.assignedMs = stream.nowMs;
	return Step.CONNECT;
}

function connect(stream: Stream): number {
	const server = stream.server as Server;
	counting.serverChosen(stream, server);
	stream.exchange.forward(server, stream.retryCount === 0);
	return Step.WAIT;
}

// ---- the response -------------------------------------------------------------------------------------

function responseContent(stream: Stream): number {
	const traffic = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	const rules = traffic.rules.tcpResponseContent;
	if (rules.length === 0) return Step.BACKEND_RESPONSE;
	const verdict = rules.evaluate(stream, stream.resumeAt);
	if (verdict === Verdict.YIELD) {
		stream.resumeAt = rules.resumeAt;
		return wait(stream, Waiting.INSPECTION, traffic.model.tcpResponseInspectDelayMs ?? 0);
	}
	stream.resumeAt = 0;
	stopWaiting(stream);
	return verdict === Verdict.CONTINUE || verdict === Verdict.STOP
		? Step.BACKEND_RESPONSE
		: responseVerdict(stream, verdict);
}

function backendResponse(stream: Stream): number {
	const traffic = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (stream.stickStores !== undefined) stickOnResponse(stream);
	const rules = traffic.rules.httpResponse;
	if (rules.length === 0) return Step.FRONTEND_RESPONSE;
	return evaluateResponse(stream, rules, Step.FRONTEND_RESPONSE);
}

function frontendResponse(stream: Stream): number {
	const { rules, model } = stream.frontend;
	if (rules.httpResponse.length === 0 || model === stream.backendTraffic?.model) return Step.RESPOND;
	return evaluateResponse(stream, rules.httpResponse, Step.RESPOND);
}

function evaluateResponse(stream: Stream, rules: RuleSet, next: number): number {
	const verdict = rules.evaluate(stream, stream.resumeAt);
	stream.resumeAt = 0;
	if (verdict === Verdict.CONTINUE || verdict === Verdict.STOP) return next;
	if (verdict === Verdict.YIELD) {
		stream.resumeAt = rules.resumeAt;
		return wait(stream, Waiting.INSPECTION, stream.backendTraffic?.model.tcpResponseInspectDelayMs ?? 0);
	}
	return responseVerdict(stream, verdict);
}

function responseVerdict(stream: Stream, verdict: Verdict): number {
	switch (verdict) {
		case Verdict.DENY:
			counting.responseDenied(stream);
			stream.terminate(Cause.PROXY, Phase.HEADERS);
			return replyWith(stream, stream.localReply ?? stream.errorReply(502));
		case Verdict.DONE:
			stream.terminate(Cause.LOCAL, Phase.HEADERS);
			return replyWith(stream, stream.localReply ?? stream.errorReply(500));
		case Verdict.ABORT:
			return abort(stream, Cause.PROXY, Phase.HEADERS);
		default:
			counting.internalError(stream);
			stream.terminate(Cause.INTERNAL, Phase.HEADERS);
			return replyWith(stream, stream.errorReply(500));
	}
}

/** `option logasap`: the line is written when the response begins, with what is known by then (manual, 4.2). */
function logEarly(stream: Stream): void {
	stream.frontend.streamEnded(stream);
	stream.unlogged = true;
}

/** `option checkcache`: a cookie of the server that a cache would give to everybody is not let out (manual, 4.2). */
function blocksCachedCookie(stream: Stream): boolean {
	const { backendTraffic, response } = stream;
	if (backendTraffic?.model.options.checkcache !== true || response === undefined) return false;
	const { headers } = response;
	if (!headers.has('set-cookie') && !headers.has('set-cookie2')) return false;
	if (!isCacheable(response, stream.sentMethod)) return false;
	const from = `instance ${backendTraffic.model.name}, server ${stream.server?.name ?? ''}`;
	stream.session.thread.logger.warn(`Blocking cacheable cookie in response from ${from}.`);
	return true;
}

function respond(stream: Stream): number {
	if (blocksCachedCookie(stream)) return responseVerdict(stream, Verdict.DENY);
	writePersistence(stream);
	if (stream.response !== undefined) stream.statusCode = stream.response.status;
	afterResponse(stream);
	counting.responseSent(stream, stream.statusCode);
	stream.responding = true;
	if (stream.frontend.model.options.logasap) logEarly(stream);
	stream.exchange.respond();
	return Step.WAIT;
}

/** `http-after-response`: for every answer, the server's and the proxy's; cannot refuse it (manual, 4.2). */
function afterResponse(stream: Stream): void {
	const { backendTraffic, frontend } = stream;
	const before = stream.response?.status;
	if (backendTraffic !== undefined && backendTraffic.rules.httpAfterResponse.length > 0) {
		if (backendTraffic.rules.httpAfterResponse.evaluate(stream, 0) === Verdict.ERROR) counting.internalError(stream);
	}
	if (frontend.rules.httpAfterResponse.length > 0 && frontend.model !== backendTraffic?.model) {
		if (frontend.rules.httpAfterResponse.evaluate(stream, 0) === Verdict.ERROR) counting.internalError(stream);
	}
	const after = stream.response?.status;
	if (after !== undefined && after !== before) stream.statusCode = after;
}

// ---- the proxy's own answers --------------------------------------------------------------------------

function replyWith(stream: Stream, reply: LocalReply): number {
	stream.localReply = reply;
	return Step.REPLY;
}

/** `content-length: 0`, which the reference counts for a 204 although it does not send it. */
const ZERO_LENGTH_BYTES = 15;

/** What had come of a response that is thrown away for an answer of the proxy's own. */
function receivedBytes(stream: Stream): number {
	return stream.respondedMs < 0 ? 0 : stream.responseHeadBytes + (stream.exchange.responseBuffer?.length ?? 0);
}

function sendReply(stream: Stream): number {
	let reply = stream.localReply as LocalReply;
	if (stream.tarpitted && stream.cause === Cause.NONE) stream.terminate(Cause.PROXY, Phase.TARPIT);
	stopWaiting(stream);
	releaseSlot(stream);
	const received = receivedBytes(stream);
	stream.statusCode = reply.statusOfError ?? reply.status;
	if (reply.raw === undefined) {
		const head = new ResponseHead(reply.status, reply.reason, 11, reply.headers);
		stream.response = head;
		afterResponse(stream);
		if (head.status !== reply.status || head.reason !== reply.reason) {
			reply = { ...reply, status: head.status, reason: head.reason };
		}
		stream.responseHeadBytes = received + responseHeadSize(head);
		if (head.status === 204) stream.responseHeadBytes += ZERO_LENGTH_BYTES;
		stream.responseBodyBytes = stream.request?.method === 'HEAD' ? 0 : reply.body.length;
	} else stream.responseBodyBytes = reply.raw.length;
	stream.responding = true;
	counting.responseSent(stream, stream.statusCode);
	// The answer is not the server's, whatever it has said.
	stream.respondedMs = -1;
	stream.exchange.reply(reply, false);
	return Step.WAIT;
}

// ---- failures -----------------------------------------------------------------------------------------

export function exchangeFailed(stream: Stream, failure: Failure): void {
	if (stream.ended) return;
	if (stream.responding) {
		// The end of a chunked body is counted with its head, and did not come.
		if (stream.respondedMs >= 0 && stream.response?.framing.kind === 'chunked') stream.responseHeadBytes--;
		const phase = stream.request === undefined || stream.connectedMs >= 0 ? Phase.DATA : stream.phase;
		stream.terminate(causeOf(failure), phase);
		counting.transferAborted(stream, failure);
		end(stream);
		return;
	}
	switch (failure) {
		case Failure.CLIENT_ABORT:
			stream.terminate(Cause.CLIENT_ABORT, phaseOf(stream));
			counting.transferAborted(stream, failure);
			end(stream);
			return;
		case Failure.CLIENT_TIMEOUT:
		case Failure.CLIENT_MALFORMED:
			stream.terminate(causeOf(failure), phaseOf(stream));
			counting.clientError(stream);
			giveUp(stream, failure);
			return;
		case Failure.CONNECT_REFUSED:
		case Failure.CONNECT_TIMEOUT:
		case Failure.CONNECT_RESOURCE:
			connectFailed(stream, failure);
			return;
		case Failure.SERVER_CLOSED_REUSED:
			if (mayReplay(stream)) {
				// The server closed an idle connection just as it was taken: nothing has gone wrong yet.
				stream.exchange.forward(stream.server as Server, false);
				return;
			}
			serverFailed(stream, failure);
			return;
		case Failure.INTERNAL:
			stream.terminate(Cause.INTERNAL, phaseOf(stream));
			counting.internalError(stream);
			giveUp(stream, failure);
			return;
		default:
			serverFailed(stream, failure);
			return;
	}
}

/** Which phase of table 8.5 a stream is in. */
function phaseOf(stream: Stream): Phase {
	if (stream.waitingFor === Waiting.TARPIT) return Phase.TARPIT;
	if (stream.connectedMs >= 0) return stream.exchange.canReplay ? Phase.HEADERS : Phase.DATA;
	if (stream.holdsSlot) return Phase.CONNECT;
	return stream.queueTicket === undefined ? Phase.REQUEST : Phase.QUEUE;
}

function connectFailed(stream: Stream, failure: Failure): void {
	const { model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	const server = stream.server as Server;
	counting.connectFailed(stream, server);
	if (stream.retryCount >= model.retries || !allowsRetryOn(stream, failure)) {
		stream.terminate(causeOf(failure), Phase.CONNECT);
		giveUp(stream, failure);
		return;
	}
	stream.retryCount++;
	if (shouldRedispatch(stream.retryCount, model)) {
		releaseSlot(stream);
		forgetPersistence(stream);
		stream.redispatched = true;
		counting.redispatched(stream, server);
		run(stream, chooseFrom(stream, server));
		return;
	}
	counting.retried(stream, server);
	wait(stream, Waiting.TURN_AROUND, turnAroundMs(model));
}

/** The server was reached and gave no usable response. */
function serverFailed(stream: Stream, failure: Failure): void {
	const { model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (stream.retryCount < model.retries && mayReplay(stream) && allowsRetryOn(stream, failure)) {
		retryElsewhere(stream);
		return;
	}
	stream.terminate(causeOf(failure), Phase.HEADERS);
	counting.responseFailed(stream, failure);
	giveUp(stream, failure);
}

/** `retry-on` beyond connection failures: the request is sent once more, to another server if one is to be had. */
function retryElsewhere(stream: Stream): void {
	const server = stream.server as Server;
	stream.retryCount++;
	stream.connectedMs = -1;
	stream.response = undefined;
	releaseSlot(stream);
	counting.retried(stream, server);
	if (stream.backendTraffic?.model.options.redispatch !== undefined) {
		stream.persistentServer = undefined;
		run(stream, chooseFrom(stream, server));
	} else run(stream, chooseFrom(stream, undefined));
}

const RETRY_WORDS: Readonly<Partial<Record<Failure, string>>> = {
	[Failure.CONNECT_REFUSED]: 'conn-failure',
	[Failure.CONNECT_TIMEOUT]: 'conn-failure',
	[Failure.CONNECT_RESOURCE]: 'conn-failure',
	[Failure.SERVER_CLOSED]: 'empty-response',
	[Failure.SERVER_CLOSED_REUSED]: 'empty-response',
	[Failure.SERVER_MALFORMED]: 'junk-response',
	[Failure.SERVER_TIMEOUT]: 'response-timeout',
};

const ALL_RETRYABLE = 'all-retryable-errors';

/** Whether `retry-on` names this failure; without the line, connection failures alone (manual, 4.2 `retry-on`). */
function allowsRetryOn(stream: Stream, failure: Failure): boolean {
	const words = stream.backendTraffic?.model.retryOn ?? [];
	const word = RETRY_WORDS[failure];
	if (word === undefined) return false;
	if (words.length === 0) return word === 'conn-failure';
	return words.includes(word) || words.includes(ALL_RETRYABLE);
}

/** `retry-on 503` and its like: the response is thrown away and the request sent again. */
function retryOnStatus(stream: Stream, status: number): boolean {
	const traffic = stream.backendTraffic;
	if (traffic === undefined || traffic.model.retryOn.length === 0 || status < 400) return false;
	const words = traffic.model.retryOn;
	const named =
		words.includes(String(status)) ||
		(words.includes(ALL_RETRYABLE) && (status === 500 || status === 502 || status === 503 || status === 504));
	if (!named || stream.retryCount >= traffic.model.retries || !mayReplay(stream)) return false;
	stream.responseHeadBytes = 0;
	stream.statusCode = -1;
	stream.respondedMs = -1;
	retryElsewhere(stream);
	return true;
}

/** The client is told, or in mode tcp its connection is closed. */
function giveUp(stream: Stream, failure: Failure): void {
	if (stream.request === undefined) {
		stream.exchange.abort(false);
		return;
	}
	run(stream, replyWith(stream, stream.errorReply(statusOf(failure))));
}

// ---- the end ------------------------------------------------------------------------------------------

export function releaseSlot(stream: Stream): void {
	if (!stream.holdsSlot) return;
	stream.holdsSlot = false;
	counting.serverReleased(stream);
	stream.backendTraffic?.backend.release(stream.server as Server);
}

/** Once per stream, whatever became of it. */
export function end(stream: Stream): void {
	if (stream.ended) return;
	stream.ended = true;
	stream.endedMs = stream.nowMs;
	stream.session.thread.wheel.remove(stream);
	stream.waitingFor = Waiting.NOTHING;
	stream.requestFilters?.close();
	stream.responseFilters?.close();
	if (stream.queueTicket !== undefined) stream.backendTraffic?.backend.cancelQueued(stream);
	// The line tells how many streams the server still has, before the next one gets this one's slot.
	if (stream.holdsSlot) counting.serverReleased(stream);
	counting.streamEnded(stream);
	stream.frontend.streamEnded(stream);
	releaseSlot(stream);
	stream.backendTraffic?.backend.streamEnded();
	counting.closeTrackers(stream);
}
