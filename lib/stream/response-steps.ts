/**
 * The steps of a response (steps.ts), the server's or the proxy's own: rules, then the engine gives it to the client.
 */
import { isCacheable } from '../backend/persistence.js';
import { ResponseHead } from '../http/message.js';
import type { RuleSet } from '../rules/ruleset.js';
import type { LocalReply } from '../rules/stream-control.js';
import { Verdict } from '../rules/verdict.js';
import * as counting from './counting.js';
import { releaseSlot } from './failures.js';
import type { Caching } from './filters/caching.js';
import { hasFilters } from './filters/filtering.js';
import { abort, replyWith, Step, stopWaiting, Waiting, wait } from './flow.js';
import { responseHeadSize } from './message-size.js';
import { stickOnResponse, writePersistence } from './persistence.js';
import { captureCookies, captureResponse } from './prepare.js';
import type { Service } from './service.js';
import type { Stream } from './stream.js';
import { Cause, Phase } from './termination.js';

export function responseContent(stream: Stream): number {
	if (!stream.isHttp) return rawResponse(stream);
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

/**
 * The first bytes of a server in mode tcp: `tcp-response content` rules, which without an inspect-delay wait as long as
 * it takes, then what `stick store-response` finds in them. They wait until both have decided.
 */
function rawResponse(stream: Stream): number {
	const traffic = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (!stream.responseAccepted) {
		const rules = traffic.rules.tcpResponseContent;
		const verdict = rules.evaluate(stream, stream.resumeAt);
		if (verdict === Verdict.YIELD) {
			stream.resumeAt = rules.resumeAt;
			if (stream.waitingFor === Waiting.INSPECTION) return Step.WAIT;
			return wait(stream, Waiting.INSPECTION, traffic.model.tcpResponseInspectDelayMs ?? 0);
		}
		stopWaiting(stream);
		if (verdict !== Verdict.CONTINUE && verdict !== Verdict.STOP) {
			counting.responseDenied(stream);
			// As observed: what has come counts although nobody gets it.
			stream.responseBodyBytes += stream.responseBuffer?.length ?? 0;
			return abort(stream, Cause.PROXY, Phase.DATA);
		}
		stream.responseAccepted = true;
	}
	if (stream.stickStores !== undefined) {
		if (stream.responseBuffer === undefined && !stream.responseBufferComplete) return Step.WAIT;
		stickOnResponse(stream);
	}
	stream.inspectsResponse = false;
	return Step.WAIT;
}

export function backendResponse(stream: Stream): number {
	const traffic = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (stream.stickStores !== undefined) stickOnResponse(stream);
	const rules = traffic.rules.httpResponse;
	if (rules.length === 0) return Step.FRONTEND_RESPONSE;
	return evaluateResponse(stream, rules, Step.FRONTEND_RESPONSE);
}

export function frontendResponse(stream: Stream): number {
	const { rules, model } = stream.frontend;
	if (rules.httpResponse.length === 0 || model === stream.backendTraffic?.model) return Step.RESPOND;
	return evaluateResponse(stream, rules.httpResponse, Step.RESPOND);
}

function evaluateResponse(stream: Stream, rules: RuleSet, next: number): number {
	const verdict = rules.evaluate(stream, stream.resumeAt);
	stream.resumeAt = 0;
	if (verdict !== Verdict.YIELD) stopWaiting(stream);
	if (verdict === Verdict.CONTINUE || verdict === Verdict.STOP) return next;
	if (verdict === Verdict.YIELD) {
		stream.resumeAt = rules.resumeAt;
		if (stream.pausedBy !== undefined) return wait(stream, Waiting.PAUSE, stream.pauseMs);
		if (stream.waitingFor === Waiting.BODY) return Step.WAIT;
		if (stream.bodyWaitMs > 0) {
			wait(stream, Waiting.BODY, stream.bodyWaitMs);
			stream.bodyWaitMs = 0;
			// What is there already may be enough: `responseBodyArrived` has then gone on by itself.
			stream.exchange.bufferResponseBody();
			return Step.WAIT;
		}
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

export function respond(stream: Stream): number {
	if (blocksCachedCookie(stream)) return responseVerdict(stream, Verdict.DENY);
	const stored = stream.filtering?.caching?.isHit === true ? stream.filtering.caching : undefined;
	if (stored === undefined) writePersistence(stream);
	if (stream.response !== undefined) stream.statusCode = stream.response.status;
	afterResponse(stream);
	counting.responseSent(stream, stream.statusCode);
	stream.responding = true;
	if (stream.frontend.model.options.logasap) logEarly(stream);
	if (hasFilters(stream)) stream.useFilters().beforeResponse(stream);
	if (stored === undefined) stream.exchange.respond();
	else stream.exchange.respondLocally(stored.storedBody());
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

/** `content-length: 0`, which the reference counts for a 204 although it does not send it. */
const ZERO_LENGTH_BYTES = 15;

/** What had come of a response that is thrown away for an answer of the proxy's own, and interim ones before it. */
function receivedBytes(stream: Stream): number {
	const body = stream.respondedMs < 0 ? undefined : stream.exchange.responseBuffer;
	return stream.responseHeadBytes + (body?.length ?? 0);
}

export function sendReply(stream: Stream): number {
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

/** In the place of a server in logs. */
const STORE: Service = {
	logName: '<CACHE>',
	needsBody: () => false,
	answer: (stream) => stream.errorReply(500),
};

/** A stored response in place of a server's: response rules see it as they would see that. */
export function serveStored(stream: Stream, caching: Caching): number {
	stopWaiting(stream);
	stream.service = STORE;
	stream.terminate(Cause.LOCAL, Phase.REQUEST);
	// As observed: only what the frontend itself intercepts is counted.
	if (stream.backendTraffic === undefined) counting.intercepted(stream);
	const head = caching.storedHead(stream);
	stream.response = head;
	stream.statusCode = head.status;
	stream.responseHeadBytes = responseHeadSize(head) + (head.framing.kind === 'chunked' ? 1 : 0);
	stream.resumeAt = 0;
	stream.endRequestVariables();
	if (stream.frontend.responseCaptureSlots.length > 0) captureResponse(stream);
	if (stream.frontend.model.cookieCapture !== undefined) captureCookies(stream);
	return stream.backendTraffic === undefined ? Step.FRONTEND_RESPONSE : Step.BACKEND_RESPONSE;
}
