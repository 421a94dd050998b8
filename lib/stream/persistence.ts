/**
 * Which server a request is bound to, before the algorithm is asked (manual, 4.2 `use-server`, `cookie`, `stick on`): a
 * rule of `use-server`, else the server of the cookie, else that of a stick table. As observed, a server that a
 * rule or a table has chosen is not told to the client by an inserted cookie, and the log says of a cookie that
 * came beside a rule that it was not used.
 */
import type { RequestCookie } from '../backend/persistence.js';
import type { Server } from '../backend/server.js';
import { type StickStore, writeStores } from '../backend/stick-rules.js';
import type { BackendTraffic } from './proxies.js';
import type { Stream } from './stream.js';

/**
 * Finds the server that the request is bound to, and takes out of it the cookie that is not the server's business. Once
 * per stream, before it looks for a server.
 */
export function bindToServer(stream: Stream, traffic: BackendTraffic): void {
	const { backend } = traffic;
	const hasRules = backend.persistRules.length > 0;
	stream.forcePersist = hasRules && backend.persistRuleHolds('force', stream);
	let found = backend.serverByRules(stream, stream.forcePersist);
	if (backend.persistence !== undefined && stream.request !== undefined) {
		const ignores = hasRules && backend.persistRuleHolds('ignore', stream);
		const use = ignores ? 'ignore' : found === undefined ? 'yes' : 'no';
		const wallMs = stream.session.thread.clock.wallMs();
		const cookie = backend.persistence.readRequest(stream.request, wallMs, stream.forcePersist, use);
		stream.cookieRequestState = cookie.flag;
		stream.requestCookie = found === undefined ? cookie : boundByRule(found, cookie);
		found ??= cookie.server;
	}
	const { persistRdpCookie } = backend.model;
	if (found === undefined && persistRdpCookie !== undefined && stream.requestBuffer !== undefined) {
		found = backend.serverByRdpCookie(stream.requestBuffer, persistRdpCookie, stream.forcePersist);
	}
	if (backend.stickRules !== undefined) {
		const stores: StickStore[] = [];
		const remembered = backend.stickRules.request(stream, backend, stream.forcePersist, stores);
		stream.stickStores = stores;
		if (found === undefined && remembered !== undefined) {
			found = remembered;
			if (stream.requestCookie !== undefined) stream.requestCookie = boundByRule(found, stream.requestCookie);
		}
	}
	stream.persistentServer = found;
}

/** As if the client knew: nothing needs to be inserted. */
function boundByRule(server: Server, { isIgnored }: RequestCookie): RequestCookie {
	return { flag: 'V', server, firstSeen: 0, needsRefresh: false, isIgnored };
}

/** The server's response is about to go out: its cookie is rewritten, removed or inserted. */
export function writePersistence(stream: Stream): void {
	const { backendTraffic, requestCookie, response, server } = stream;
	const cookie = backendTraffic?.backend.persistence;
	if (cookie === undefined || requestCookie === undefined || response === undefined || server === undefined) return;
	if (server.model === backendTraffic?.model.dispatch) {
		// No server took it that a cookie could name.
		stream.cookieResponseState = 'N';
		return;
	}
	const wallMs = stream.session.thread.clock.wallMs();
	stream.cookieResponseState = cookie.writeResponse(response, server, requestCookie, stream.sentMethod, wallMs);
}

/** The server of a TCP connection is known as soon as it is connected; its first bytes may be looked at later. */
export function stickOnConnect(stream: Stream): void {
	if (stream.stickStores === undefined || stream.server === undefined) return;
	writeStores(stream.stickStores, stream.server, stream.nowMs);
	// Written: what the server's first bytes add stands alone.
	if (stream.backendTraffic?.backend.stickRules?.looksAtResponses !== true) stream.stickStores = undefined;
}

/** The response, or the server's first bytes in mode tcp, are there: what its rules find is noted, and all is written. */
export function stickOnResponse(stream: Stream): void {
	const { stickStores, server } = stream;
	if (stickStores === undefined || server === undefined) return;
	stream.stickStores = undefined;
	stream.backendTraffic?.backend.stickRules?.response(stream, stickStores);
	writeStores(stickStores, server, stream.nowMs);
}
