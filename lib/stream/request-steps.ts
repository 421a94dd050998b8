/**
 * The steps of a request (steps.ts) up to its server: rules, backend, services, what options add, the choice of a
 * server.
 */
import type { Server } from '../backend/server.js';
import type { ProxyModel } from '../config/model.js';
import { HeaderList, ResponseHead } from '../http/message.js';
import { standardReason } from '../http/status.js';
import { pathAndQueryOf } from '../http/uri.js';
import type { RuleSet } from '../rules/ruleset.js';
import { Verdict } from '../rules/verdict.js';
import * as counting from './counting.js';
import { hasFilters } from './filters/filtering.js';
import { abort, replyWith, Step, stopWaiting, Waiting, wait } from './flow.js';
import { bindToServer } from './persistence.js';
import { captureCookies, captureRequest, prepareRequest } from './prepare.js';
import type { BackendTraffic } from './proxies.js';
import { hideRequest, showRequest } from './raw-request.js';
import { serveStored } from './response-steps.js';
import type { Stream } from './stream.js';
import { Cause, Phase } from './termination.js';

/** Evaluates a set and turns its verdict into a step; `next` is where the stream goes when nothing stops it. */
function evaluateRequest(stream: Stream, rules: RuleSet, next: number, inspectDelayMs: number): number {
	const verdict = stream.isHttp ? rules.evaluate(stream, stream.resumeAt) : evaluateRaw(stream, rules);
	if (verdict === Verdict.CONTINUE || verdict === Verdict.STOP) {
		stream.resumeAt = 0;
		stopWaiting(stream);
		return next;
	}
	if (verdict === Verdict.YIELD) {
		stream.resumeAt = rules.resumeAt;
		// The resolver has times of its own, and answers in any case.
		if (stream.nameAnswer === 'waiting') return wait(stream, Waiting.NAME, 0);
		if (stream.pausedBy !== undefined) return wait(stream, Waiting.PAUSE, stream.pauseMs);
		if (stream.waitingFor === Waiting.INSPECTION) return Step.WAIT;
		if (inspectDelayMs > 0 || stream.request === undefined) return wait(stream, Waiting.INSPECTION, inspectDelayMs);
		return waitForBody(stream);
	}
	stream.resumeAt = 0;
	stopWaiting(stream);
	return requestVerdict(stream, verdict);
}

/** Rules of mode tcp can read the head of a request that the bytes begin with. */
function evaluateRaw(stream: Stream, rules: RuleSet): Verdict {
	showRequest(stream);
	try {
		return rules.evaluate(stream, stream.resumeAt);
	} finally {
		hideRequest(stream);
	}
}

function backendForRaw(stream: Stream): BackendTraffic | undefined {
	showRequest(stream);
	try {
		return stream.frontend.backendFor(stream);
	} finally {
		hideRequest(stream);
	}
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

export function frontendContent(stream: Stream): number {
	const { rules, model } = stream.frontend;
	const next = stream.request === undefined ? Step.SWITCH : Step.FRONTEND_REQUEST;
	if (rules.tcpRequestContent.length === 0) return next;
	const found = evaluateRequest(stream, rules.tcpRequestContent, next, model.tcpRequestInspectDelayMs ?? 0);
	return found === Step.SWITCH && stream.upgradeTo !== undefined ? Step.UPGRADE : found;
}

/** The rest is for HTTP: the engine brings a request, or a connection of HTTP/2 in place of this stream. */
export function upgrade(stream: Stream): number {
	const { exchange, upgradeTo } = stream;
	if (exchange.upgradeToHttp === undefined) return abort(stream, Cause.INTERNAL, Phase.REQUEST);
	exchange.upgradeToHttp(upgradeTo === 'any' ? undefined : upgradeTo);
	return Step.WAIT;
}

export function frontendRequest(stream: Stream): number {
	const { frontend } = stream;
	// Its rules may look at the body.
	if (frontend.model.options.httpBufferRequest && !stream.requestBufferComplete) return waitForBody(stream);
	if (stream.resumeAt === 0) {
		counting.requestOnTrackers(stream);
		if (frontend.requestCaptureSlots.length > 0) captureRequest(stream);
		if (frontend.model.cookieCapture !== undefined) captureCookies(stream);
		if (frontend.model.monitorUri !== undefined && stream.request?.target === frontend.model.monitorUri) {
			return answerMonitor(stream);
		}
	}
	if (frontend.model.options.restrictReqHdrNames !== 'preserve' && stream.resumeAt === 0) {
		if (!restrictNames(stream, frontend.model.options.restrictReqHdrNames)) return requestVerdict(stream, Verdict.DENY);
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

export function switchBackend(stream: Stream): number {
	// Chosen before the upgrade that it asked for.
	if (stream.backendTraffic !== undefined) return afterSwitch(stream, stream.backendTraffic);
	const traffic = stream.isHttp ? stream.frontend.backendFor(stream) : backendForRaw(stream);
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
	if (traffic.model.mode === 'http') return stream.request === undefined ? Step.UPGRADE : afterSwitch(stream, traffic);
	// A request cannot be given back to mode tcp: a later one of an upgraded connection, or a name that was computed.
	return stream.request === undefined ? afterSwitch(stream, traffic) : abort(stream, Cause.INTERNAL, Phase.REQUEST);
}

function afterSwitch(stream: Stream, traffic: BackendTraffic): number {
	return traffic.model === stream.frontend.model ? Step.PREPARE : Step.BACKEND_CONTENT;
}

export function backendContent(stream: Stream): number {
	const { rules, model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	const next = stream.request === undefined ? Step.SERVER : Step.BACKEND_REQUEST;
	if (rules.tcpRequestContent.length === 0) return next;
	return evaluateRequest(stream, rules.tcpRequestContent, next, model.tcpRequestInspectDelayMs ?? 0);
}

export function backendRequest(stream: Stream): number {
	const { rules, model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (model.options.httpBufferRequest && !stream.requestBufferComplete) return waitForBody(stream);
	if (stream.resumeAt === 0) counting.requestOnBackendTrackers(stream);
	const { restrictReqHdrNames } = model.options;
	if (restrictReqHdrNames !== 'preserve' && stream.resumeAt === 0) {
		if (!restrictNames(stream, restrictReqHdrNames)) return requestVerdict(stream, Verdict.DENY);
	}
	if (rules.httpRequest.length === 0) return Step.BACKEND_SERVICE;
	return evaluateRequest(stream, rules.httpRequest, Step.BACKEND_SERVICE, 0);
}

export function frontendService(stream: Stream): number {
	if (stream.filtering?.caching?.isHit === true) return serveStored(stream, stream.filtering.caching);
	if (stream.service === undefined && stream.frontend.model.stats === undefined) return Step.SWITCH;
	return findService(stream, stream.frontend.model, Step.SWITCH);
}

export function backendService(stream: Stream): number {
	const { model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (stream.filtering?.caching?.isHit === true) return serveStored(stream, stream.filtering.caching);
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

export function serve(stream: Stream): number {
	const service = stream.service as NonNullable<Stream['service']>;
	if (!stream.requestBufferComplete && service.needsBody(stream)) return waitForBody(stream);
	stopWaiting(stream);
	stream.terminate(Cause.LOCAL, Phase.REQUEST);
	// As observed: only what the frontend itself intercepts is counted.
	if (stream.backendTraffic === undefined) counting.intercepted(stream);
	return replyWith(stream, service.answer(stream));
}

export function prepare(stream: Stream): number {
	if (stream.request === undefined) return Step.SERVER;
	stopWaiting(stream);
	prepareRequest(stream);
	if (hasFilters(stream)) stream.useFilters().beforeRequest(stream);
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
	wait(stream, Waiting.BODY, stream.bodyWaitMs || (timeouts.httpRequestMs ?? timeouts.clientMs ?? 0));
	stream.bodyWaitMs = 0;
	answerExpectation(stream);
	// What is there already may be enough: `bodyArrived` has then gone on by itself.
	stream.exchange.bufferRequestBody(stream.session.thread.bufsizeBytes);
	return Step.WAIT;
}

export function chooseServer(stream: Stream): number {
	const traffic = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	if (!stream.boundToServer) {
		stream.boundToServer = true;
		bindToServer(stream, traffic);
	}
	return chooseFrom(stream, undefined);
}

export function chooseFrom(stream: Stream, avoid: Server | undefined): number {
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

export function connect(stream: Stream): number {
	const server = stream.server as Server;
	const { request } = stream;
	if (request !== undefined) {
		if (server.model.redir !== undefined && (request.method === 'GET' || request.method === 'HEAD')) {
			return redirectTo(stream, server.model.redir + pathAndQueryOf(request.target));
		}
		const nameField = stream.backendTraffic?.model.sendNameHeader;
		if (nameField !== undefined) request.headers.set(nameField, server.name);
	}
	counting.serverChosen(stream, server);
	stream.exchange.forward(server, stream.retryCount === 0);
	return Step.WAIT;
}

/** `server ... redir <prefix>`: the client is sent to the server itself (manual, 5.2). */
function redirectTo(stream: Stream, location: string): number {
	const headers = new HeaderList();
	headers.add('cache-control', 'no-cache');
	headers.add('content-length', '0');
	headers.add('location', location);
	headers.add('connection', 'close');
	stream.terminate(Cause.LOCAL, Phase.CONNECT);
	return replyWith(stream, { status: 302, reason: 'Found', headers, body: Buffer.alloc(0) });
}

/** `option http-restrict-req-hdr-names`: fields whose names hold more than letters, digits and hyphens go; false: refused. */
function restrictNames(stream: Stream, policy: 'delete' | 'reject'): boolean {
	const headers = (stream.request as NonNullable<Stream['request']>).headers;
	for (let i = headers.length - 1; i >= 0; i--) {
		if (/^[a-z0-9-]+$/.test(headers.names[i] as string)) continue;
		if (policy === 'reject') return false;
		headers.removeAt(i);
	}
	return true;
}

/** A client that waits for `100 Continue` before it sends its body is told so here, for no server will in time. */
function answerExpectation(stream: Stream): void {
	const headers = stream.request?.headers;
	if (headers === undefined || !/^100-continue$/i.test(headers.get('expect') ?? '')) return;
	headers.remove('expect');
	if (stream.exchange.requestBuffer !== undefined) return;
	stream.exchange.sendInterim(new ResponseHead(100, standardReason(100), 11, new HeaderList()));
}
