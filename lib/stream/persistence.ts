/**
 * Which server a request is bound to, before the algorithm is asked (manual, 4.2 `cookie`, `use-server`): a rule of
 * `use-server`, else the server of the cookie. As observed, a server that a rule has chosen is not told to
 * the client by an inserted cookie.
 */
import type { RequestCookie } from '../backend/persistence.js';
import type { Server } from '../backend/server.js';
import type { BackendTraffic } from './proxies.js';
import type { Stream } from './stream.js';

/** Reads the cookie and takes out of the request what is not the server's business. Once per request. */
export function readPersistence(stream: Stream): void {
	const persistence = stream.backendTraffic?.backend.persistence;
	if (persistence === undefined || stream.request === undefined) return;
	const cookie = persistence.readRequest(stream.request, stream.session.thread.clock.wallMs());
	stream.requestCookie = cookie;
	stream.cookieRequestState = cookie.flag;
}

export function persistentServer(stream: Stream, traffic: BackendTraffic): Server | undefined {
	const ruled = traffic.backend.serverByRules(stream);
	if (ruled === undefined) return stream.requestCookie?.server;
	if (stream.requestCookie !== undefined) stream.requestCookie = boundByRule(ruled);
	return ruled;
}

/** As if the client knew: nothing needs to be inserted. */
function boundByRule(server: Server): RequestCookie {
	return { flag: 'V', server, firstSeen: 0, needsRefresh: false };
}

/** The server's response is about to go out: its cookie is rewritten, removed or inserted. */
export function writePersistence(stream: Stream): void {
	const { backendTraffic, requestCookie, response, server } = stream;
	const persistence = backendTraffic?.backend.persistence;
	if (persistence === undefined || requestCookie === undefined || response === undefined || server === undefined)
		return;
	const wallMs = stream.session.thread.clock.wallMs();
	stream.cookieResponseState = persistence.writeResponse(response, server, requestCookie, stream.sentMethod, wallMs);
}
