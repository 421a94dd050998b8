/**
 * What becomes of a stream when something goes wrong: who is blamed (table 8.5 of the manual), whether the request is tried
 * again, what the client is told. And the end of every stream, once, whatever became of it.
 */
import type { Server } from '../backend/server.js';
import { serverFailure } from '../core/connection-errors.js';
import * as counting from './counting.js';
import { Failure } from './exchange.js';
import { replyWith, run, Waiting, wait } from './flow.js';
import { chooseFrom } from './request-steps.js';
import { mayReplay, shouldRedispatch, turnAroundMs } from './retry.js';
import type { Stream } from './stream.js';
import { Cause, causeOf, Phase, statusOf } from './termination.js';

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

/** A body that a rule or an option waits for did not come in time: the client's fault, or the server's. */
export function bodyTooLate(stream: Stream): void {
	const ofResponse = stream.response !== undefined;
	stream.terminate(ofResponse ? Cause.SERVER_TIMEOUT : Cause.CLIENT_TIMEOUT, Phase.REQUEST);
	if (ofResponse) {
		counting.responseFailed(stream, Failure.SERVER_TIMEOUT);
	} else {
		stream.requestTimeKnown = false;
		counting.clientError(stream);
	}
	run(stream, replyWith(stream, stream.errorReply(ofResponse ? 504 : 408)));
}

/** Which phase of table 8.5 a stream is in. */
function phaseOf(stream: Stream): Phase {
	if (stream.waitingFor === Waiting.TARPIT) return Phase.TARPIT;
	if (stream.connectedMs >= 0) return stream.exchange.canReplay ? Phase.HEADERS : Phase.DATA;
	if (stream.holdsSlot) return Phase.CONNECT;
	return stream.queueTicket === undefined ? Phase.REQUEST : Phase.QUEUE;
}

/** A connection by TLS or SOCKS4 was begun and did not come to be: why, for log lines and rules of the response. */
export function noteServerFailure(stream: Stream | undefined, server: Server, error: Error | undefined): void {
	const { tls } = server.model;
	if (stream !== undefined) {
		stream.serverFailure = serverFailure(error, tls !== undefined, tls?.verifyHost !== undefined);
	}
}

function connectFailed(stream: Stream, failure: Failure): void {
	const { model } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	const server = stream.server as Server;
	counting.connectFailed(stream, server);
	if (stream.retryCount >= stream.retries || !allowsRetryOn(stream, failure)) {
		stream.terminate(causeOf(failure), Phase.CONNECT);
		giveUp(stream, failure);
		return;
	}
	stream.retryCount++;
	if (shouldRedispatch(stream.retryCount, model, stream.retries)) {
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
	if (stream.retryCount < stream.retries && mayReplay(stream) && allowsRetryOn(stream, failure)) {
		retryElsewhere(stream);
		return;
	}
	stream.terminate(causeOf(failure), Phase.HEADERS);
	counting.responseFailed(stream, failure);
	giveUp(stream, failure);
}

/** The server of the client's cookie could not be reached: another one is chosen, and the log says so. */
function forgetPersistence(stream: Stream): void {
	stream.persistentServer = undefined;
	if (stream.cookieRequestState === 'V') stream.cookieRequestState = 'D';
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
	const words = stream.l7RetryDisabled ? [] : (stream.backendTraffic?.model.retryOn ?? []);
	const word = RETRY_WORDS[failure];
	if (word === undefined) return false;
	if (words.length === 0) return word === 'conn-failure';
	return words.includes(word) || words.includes(ALL_RETRYABLE);
}

/** `retry-on 503` and its like: the response is thrown away and the request sent again. */
export function retryOnStatus(stream: Stream, status: number): boolean {
	const traffic = stream.backendTraffic;
	if (traffic === undefined || traffic.model.retryOn.length === 0 || status < 400 || stream.l7RetryDisabled)
		return false;
	const words = traffic.model.retryOn;
	const named =
		words.includes(String(status)) ||
		(words.includes(ALL_RETRYABLE) && (status === 500 || status === 502 || status === 503 || status === 504));
	if (!named || stream.retryCount >= stream.retries || !mayReplay(stream)) return false;
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
	stream.filtering?.caching?.close();
	if (stream.queueTicket !== undefined) stream.backendTraffic?.backend.cancelQueued(stream);
	// The line tells how many streams the server still has, before the next one gets this one's slot.
	if (stream.holdsSlot) counting.serverReleased(stream);
	try {
		counting.streamEnded(stream);
		stream.frontend.streamEnded(stream);
	} finally {
		// A log line that cannot be made costs the line, not a server's slot or a tracked connection for ever.
		releaseSlot(stream);
		stream.backendTraffic?.backend.streamEnded();
		counting.closeTrackers(stream);
	}
}
