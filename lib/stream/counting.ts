/**
 * Every figure that the life of a request changes, one function per moment: the proxies' counters (manual of
 * the runtime API, 9.1 `show stat`) and the stick counters (specification stick-tables.md, sections 6 and 7).
 * steps.ts says when; here is what.
 */
import type { Server } from '../backend/server.js';
import type { Tallied } from '../http/h2/tally.js';
import { Column, type Counters, statusColumn } from '../shared/counters.js';
import type { TrackedCounter } from '../stick-table/tracked-counter.js';
import { Failure } from './exchange.js';
import type { Stream } from './stream.js';
import { ERROR_STATUS, FAILURE_STATUS } from './thread-runtime.js';
import { closeAll, countOn, countOnAll } from './trackers.js';

function add(counters: Counters, column: number, amount = 1): void {
	counters.slice[column] = (counters.slice[column] as number) + amount;
}

function serverCounters(stream: Stream, server: Server): Counters | undefined {
	return stream.backendTraffic?.serverCounters[server.index];
}

/** Frontend, and its listener with `option socket-stats`. */
function addInFront(stream: Stream, column: number, amount = 1): void {
	add(stream.frontend.counters, column, amount);
	addOnListener(stream, column, amount);
}

function addOnListener(stream: Stream, column: number, amount = 1): void {
	const { counters } = stream.session.listener;
	if (counters !== undefined) add(counters, column, amount);
}

/** Backend and server. */
function addBehind(stream: Stream, column: number, amount = 1): void {
	const traffic = stream.backendTraffic;
	if (traffic === undefined) return;
	add(traffic.counters, column, amount);
	const server = stream.server;
	if (server !== undefined) {
		const counters = traffic.serverCounters[server.index];
		if (counters !== undefined) add(counters, column, amount);
	}
}

/** Of a server and its backend. */
export interface ServerSideCounters {
	readonly backend: Counters;
	readonly server: Counters | undefined;
}

export function serverSideCounters(stream: Stream, server: Server): ServerSideCounters | undefined {
	const traffic = stream.backendTraffic;
	return traffic && { backend: traffic.counters, server: traffic.serverCounters[server.index] };
}

/** A TLS handshake with a server is over. */
export function countHandshake(counters: ServerSideCounters | undefined, isResumed: boolean): void {
	addOnBoth(counters, isResumed ? Column.ssl_reused_sess : Column.ssl_sess);
}

/** Not one that never came to its handshake. */
export function countHandshakeFailure(counters: ServerSideCounters | undefined, error: Error | undefined): void {
	if ((error as NodeJS.ErrnoException | undefined)?.syscall === 'connect') return;
	addOnBoth(counters, Column.ssl_failed_handshake);
}

function addOnBoth(counters: ServerSideCounters | undefined, column: number): void {
	if (counters === undefined) return;
	add(counters.backend, column);
	if (counters.server !== undefined) add(counters.server, column);
}

/** Where the connections of HTTP/2 of a proxy count. */
export function tallyOf(counters: Counters): Tallied {
	return { row: counters.slice, at: Column.h2_headers_rcvd };
}

// ---- the request --------------------------------------------------------------------------------------

export function requestParsed(stream: Stream): void {
	const { counters } = stream.frontend;
	add(counters, Column.req_tot);
	counters.countRate('request', stream.nowMs);
}

/** The request counts on the entries that are tracked when the frontend's http-request rules begin. */
export function requestOnTrackers(stream: Stream): void {
	const session = stream.session.trackers;
	const own = stream.ownTrackers;
	if (session.length === 0 && own === undefined) return;
	countOnAll(own, session, 'request', 1, stream.nowMs);
}

/** An entry tracked by a content rule of the backend counts the request when its HTTP rules begin. */
export function requestOnBackendTrackers(stream: Stream): void {
	const trackers = stream.backendContentTrackers;
	if (trackers === undefined) return;
	for (const tracked of trackers) countOn(tracked, 'request', 1, stream.nowMs);
	stream.backendContentTrackers = undefined;
}

/** Malformed, cut short, too late, or no byte at all: a request and an error for session-level trackers. */
export function requestRefused(stream: Stream): void {
	const { counters } = stream.frontend;
	const { trackers } = stream.session;
	addInFront(stream, Column.ereq);
	add(counters, Column.req_tot);
	counters.countRate('request', stream.nowMs);
	countOnAll(undefined, trackers, 'request', 1, stream.nowMs);
	countOnAll(undefined, trackers, 'error', 1, stream.nowMs);
}

function deniedBy(stream: Stream): Counters {
	return stream.backendTraffic?.counters ?? stream.frontend.counters;
}

/** `deny`, `tarpit`, `auth`. */
export function requestDenied(stream: Stream): void {
	add(deniedBy(stream), Column.dreq);
	addOnListener(stream, Column.dreq);
	stream.session.thread.refusals?.note(stream);
	countError(stream);
}

/** `reject`, `silent-drop`: refused, but no error of the client's. */
export function requestRejected(stream: Stream): void {
	add(deniedBy(stream), Column.dreq);
	addOnListener(stream, Column.dreq);
	stream.session.thread.refusals?.note(stream);
}

export function clientError(stream: Stream): void {
	addInFront(stream, Column.ereq);
}

export function intercepted(stream: Stream): void {
	add(deniedBy(stream), Column.intercepted);
}

export function internalError(stream: Stream): void {
	add(deniedBy(stream), Column.eint);
	addOnListener(stream, Column.eint);
}

/** `http_err` of all that is tracked. */
export function countError(stream: Stream): void {
	countOnAll(stream.ownTrackers, stream.session.trackers, 'error', 1, stream.nowMs);
}

// ---- the backend --------------------------------------------------------------------------------------

export function backendEntered(stream: Stream): void {
	const { counters } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	counters.enter();
	add(counters, Column.stot);
	counters.countRate('session', stream.nowMs);
	if (stream.request !== undefined) requestEntersBackend(stream);
}

export function requestEntersBackend(stream: Stream): void {
	const { counters } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	add(counters, Column.req_tot);
	counters.countRate('request', stream.nowMs);
}

export function serverChosen(stream: Stream, server: Server): void {
	const { counters } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	const ofServer = serverCounters(stream, server);
	counters.slice[Column.lastsess_ms] = stream.nowMs;
	if (ofServer === undefined) return;
	if (!stream.countedOnServer) {
		stream.countedOnServer = true;
		ofServer.enter();
		add(ofServer, Column.stot);
		add(counters, Column.lbtot);
		add(ofServer, Column.lbtot);
		ofServer.countRate('session', stream.nowMs);
		ofServer.slice[Column.lastsess_ms] = stream.nowMs;
	}
}

export function serverConnected(stream: Stream): void {
	if (!stream.serverReused) stream.server?.observed('layer4', false);
	addBehind(stream, stream.serverReused ? Column.reuse : Column.connect);
}

export function serverReleased(stream: Stream): void {
	if (!stream.countedOnServer) return;
	stream.countedOnServer = false;
	if (stream.server !== undefined) serverCounters(stream, stream.server)?.leave();
}

export function noServer(stream: Stream): void {
	const { counters } = stream.backendTraffic as NonNullable<Stream['backendTraffic']>;
	add(counters, Column.econ);
}

export function connectFailed(stream: Stream, server: Server): void {
	if (stream.backendTraffic === undefined) return;
	server.observed('layer4', true);
	add(stream.backendTraffic.counters, Column.connect);
	const tried = serverCounters(stream, server);
	if (tried !== undefined) add(tried, Column.connect);
	if (stream.retryCount < stream.retries) return;
	add(stream.backendTraffic.counters, Column.econ);
	if (tried !== undefined) add(tried, Column.econ);
}

export function retried(stream: Stream, server: Server): void {
	if (stream.backendTraffic === undefined) return;
	add(stream.backendTraffic.counters, Column.wretr);
	const ofServer = serverCounters(stream, server);
	if (ofServer !== undefined) add(ofServer, Column.wretr);
}

export function redispatched(stream: Stream, server: Server): void {
	if (stream.backendTraffic === undefined) return;
	add(stream.backendTraffic.counters, Column.wredis);
	const ofServer = serverCounters(stream, server);
	if (ofServer !== undefined) add(ofServer, Column.wredis);
}

// ---- the response -------------------------------------------------------------------------------------

/** Valid are 100 to 499, 501 and 505 (manual, 5.2 `observe`). */
function isServerFault(status: number): boolean {
	return status >= 500 && status !== 501 && status !== 505;
}

/** A response head came from the server. */
export function responseReceived(stream: Stream, status: number): void {
	const ofServer = stream.server === undefined ? undefined : serverCounters(stream, stream.server);
	if (ofServer !== undefined) add(ofServer, Column.req_tot);
	stream.server?.observed('layer7', isServerFault(status));
	const session = stream.session.trackers;
	const own = stream.ownTrackers;
	if (session.length === 0 && own === undefined) return;
	const events = stream.session.thread.statusEvents[status] ?? 0;
	if ((events & ERROR_STATUS) !== 0) countOnAll(own, session, 'error', 1, stream.nowMs);
	if ((events & FAILURE_STATUS) !== 0) countOnAll(own, session, 'failure', 1, stream.nowMs);
}

/** `http-response track-sc`: the response counts on the new entry alone. */
export function responseOnTracker(stream: Stream, tracked: TrackedCounter, status: number): void {
	const events = stream.session.thread.statusEvents[status] ?? 0;
	if ((events & ERROR_STATUS) !== 0) countOn(tracked, 'error', 1, stream.nowMs);
	if ((events & FAILURE_STATUS) !== 0) countOn(tracked, 'failure', 1, stream.nowMs);
}

/** No usable response: 502 or 504. */
export function responseFailed(stream: Stream, failure: Failure): void {
	addBehind(stream, Column.eresp);
	stream.server?.observed('layer7', true);
	if (failure === Failure.SERVER_CLOSED || failure === Failure.SERVER_CLOSED_REUSED) addBehind(stream, Column.srv_abrt);
	countOnAll(stream.ownTrackers, stream.session.trackers, 'failure', 1, stream.nowMs);
}

export function responseDenied(stream: Stream): void {
	addInFront(stream, Column.dresp);
	addBehind(stream, Column.dresp);
}

/** An answer, whoever made it, goes to the client. */
export function responseSent(stream: Stream, status: number): void {
	const column = statusColumn(status);
	add(stream.frontend.counters, column);
	const traffic = stream.backendTraffic;
	if (traffic === undefined) return;
	add(traffic.counters, column);
	if (stream.respondedMs >= 0 && stream.server !== undefined) {
		const ofServer = traffic.serverCounters[stream.server.index];
		if (ofServer !== undefined) add(ofServer, column);
	}
}

/** One side broke off. */
export function transferAborted(stream: Stream, failure: Failure): void {
	if (failure === Failure.CLIENT_ABORT) addBehind(stream, Column.cli_abrt);
	else if (failure === Failure.SERVER_ABORT || failure === Failure.SERVER_MALFORMED) addBehind(stream, Column.srv_abrt);
}

// ---- the end ------------------------------------------------------------------------------------------

export function streamEnded(stream: Stream): void {
	const bytesIn = stream.requestHeadBytes + stream.requestBodyBytes;
	const bytesOut = stream.responseHeadBytes + stream.responseBodyBytes;
	if (bytesIn > 0) addInFront(stream, Column.bin, bytesIn);
	if (bytesOut > 0) addInFront(stream, Column.bout, bytesOut);
	const traffic = stream.backendTraffic;
	if (traffic !== undefined) {
		traffic.counters.leave();
		addBehind(stream, Column.bin, bytesIn);
		addBehind(stream, Column.bout, bytesOut);
		times(stream, traffic.counters);
		const ofServer = stream.server === undefined ? undefined : traffic.serverCounters[stream.server.index];
		if (ofServer !== undefined) times(stream, ofServer);
	}
	const session = stream.session.trackers;
	const own = stream.ownTrackers;
	if (session.length === 0 && own === undefined) return;
	if (bytesIn > 0) countOnAll(own, session, 'bytesIn', bytesIn, stream.nowMs);
	if (bytesOut > 0) countOnAll(own, session, 'bytesOut', bytesOut, stream.nowMs);
}

/** Averages and maxima of the four times, of streams that have reached a server. */
function times(stream: Stream, counters: Counters): void {
	if (stream.assignedMs < 0) return;
	const queueMs = stream.assignedMs - stream.startedMs;
	counters.sample(Column.qtime, queueMs);
	counters.raise(Column.qtime_max, queueMs);
	if (stream.connectedMs >= 0) {
		const connectMs = stream.connectedMs - stream.assignedMs;
		counters.sample(Column.ctime, connectMs);
		counters.raise(Column.ctime_max, connectMs);
	}
	if (stream.respondedMs >= 0) {
		const responseMs = stream.respondedMs - stream.connectedMs;
		counters.sample(Column.rtime, responseMs);
		counters.raise(Column.rtime_max, responseMs);
	}
	const totalMs = stream.endedMs - stream.requestBeganMs;
	counters.sample(Column.ttime, totalMs);
	counters.raise(Column.ttime_max, totalMs);
}

export function closeTrackers(stream: Stream): void {
	const own = stream.ownTrackers;
	if (own !== undefined) closeAll(own, stream.nowMs);
}
