/**
 * Which server a request is bound to, before the algorithm is asked (manual, 4.2 `cookie`, `use-server`, `stick`):
 * the cookie first, then `use-server` rules, then stick tables.
 */
import type { Server } from '../backend/server.js';
import type { BackendTraffic } from './proxies.js';
import type { Stream } from './stream.js';

export function persistentServer(stream: Stream, traffic: BackendTraffic): Server | undefined {
	return traffic.backend.serverByRules(stream);
}

/** The server is known. */
export function applyPersistence(_stream: Stream, _server: Server): void {}

/** The response of the server goes out. */
export function markResponse(_stream: Stream): void {}
