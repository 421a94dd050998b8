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
 * A connection of mode tcp has no request. It goes from FRONTEND_CONTENT to UPGRADE where a rule says `switch-mode
 * http`, and from SWITCH where the backend is one of mode http (manual, chapter 4); the engine then reads a request, and
 * the same stream goes on with it at FRONTEND_REQUEST.
 *
 * Where a rule has found the answer in a cache, FRONTEND_SERVICE or BACKEND_SERVICE goes on with the response's rules.
 *
 *     flow.ts            the numbers, the loop, waiting
 *     request-steps.ts   up to CONNECT, and SERVE
 *     response-steps.ts  from RESPONSE_CONTENT on, and REPLY
 *     failures.ts        what went wrong, retries, and the end: counters, trackers, log, in the order of the
 *                        specification
 */
import type { Server } from '../backend/server.js';
import type { RequestHead, ResponseHead } from '../http/message.js';
import type { TrackedCounter } from '../stick-table/tracked-counter.js';
import * as counting from './counting.js';
import type { Failure } from './exchange.js';
import { bodyTooLate, retryOnStatus } from './failures.js';
import { defineSteps, replyWith, run, Step, Waiting } from './flow.js';
import { requestHeadSize, responseHeadSize } from './message-size.js';
import { stickOnConnect } from './persistence.js';
import { captureCookies, captureResponse } from './prepare.js';
import {
	backendContent,
	backendRequest,
	backendService,
	chooseServer,
	connect,
	frontendContent,
	frontendRequest,
	frontendService,
	prepare,
	serve,
	switchBackend,
	upgrade,
} from './request-steps.js';
import { backendResponse, frontendResponse, respond, responseContent, sendReply } from './response-steps.js';
import type { Stream } from './stream.js';
import { Cause, causeOf, Phase } from './termination.js';
import { countOn } from './trackers.js';

defineSteps([
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
	upgrade,
]);

export { end, exchangeFailed } from './failures.js';

export function start(stream: Stream): void {
	const { request, session } = stream;
	stream.number = session.thread.requestCounter++;
	if (request !== undefined) {
		session.requestCount++;
		stream.requestHeadBytes = requestHeadSize(request);
		counting.requestParsed(stream);
	}
	stream.frontend.streamStarted(stream);
	run(stream, Step.FRONTEND_CONTENT);
}

/** A connection of mode tcp has brought its first request: it goes through the HTTP rules of both proxies. */
export function upgraded(stream: Stream): void {
	stream.session.requestCount++;
	stream.requestHeadBytes = requestHeadSize(stream.request as RequestHead);
	counting.requestParsed(stream);
	if (stream.backendTraffic !== undefined) counting.requestEntersBackend(stream);
	run(stream, Step.FRONTEND_REQUEST);
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

/** More of a response's body is there for a rule that waits for it. */
export function responseBodyArrived(stream: Stream): void {
	if (stream.waitingFor === Waiting.BODY) run(stream, stream.step);
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
	stream.frontend.logStep(stream, 'connect');
	if (stream.request !== undefined) return;
	stream.responding = true;
	stickOnConnect(stream);
	const { rules } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	stream.responseAccepted = rules.tcpResponseContent.length === 0;
	stream.inspectsResponse = !stream.responseAccepted || stream.stickStores !== undefined;
}

/** Mode tcp: bytes of the server wait for rules, or it has ended; first of all it has been connected. */
export function serverSpoke(stream: Stream): void {
	run(stream, Step.RESPONSE_CONTENT);
}

export function responseReceived(stream: Stream): void {
	const head = stream.response as ResponseHead;
	stream.respondedMs = stream.nowMs;
	const endsInChunks = head.framing.kind === 'chunked' && head.version !== 20;
	stream.responseHeadBytes += responseHeadSize(head) + (endsInChunks ? 1 : 0);
	stream.statusCode = head.status;
	stream.resumeAt = 0;
	if (retryOnStatus(stream, head.status)) return;
	counting.responseReceived(stream, head.status);
	stream.session.servedBy(stream.server, head);
	stream.endRequestVariables();
	if (stream.frontend.responseCaptureSlots.length > 0) captureResponse(stream);
	if (stream.frontend.model.cookieCapture !== undefined) captureCookies(stream);
	stream.frontend.logStep(stream, 'response');
	run(stream, Step.RESPONSE_CONTENT);
}

/** `do-resolve` has its answer. */
export function nameAnswered(stream: Stream): void {
	if (stream.waitingFor !== Waiting.NAME) return;
	stream.waitingFor = Waiting.NOTHING;
	run(stream, stream.step);
}

export function deadlinePassed(stream: Stream): void {
	const { waitingFor } = stream;
	stream.waitingFor = Waiting.NOTHING;
	switch (waitingFor) {
		case Waiting.BODY:
			bodyTooLate(stream);
			break;
		case Waiting.INSPECTION: {
			const { inspectsResponse } = stream;
			stream.inspectionOver = true;
			run(stream, stream.step);
			stream.inspectionOver = false;
			if (inspectsResponse && !stream.inspectsResponse && !stream.ended) stream.exchange.releaseResponse?.();
			break;
		}
		case Waiting.PAUSE:
			run(stream, stream.step);
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
