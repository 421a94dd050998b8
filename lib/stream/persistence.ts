/**
 * Which server a request is bound to, before the algorithm is asked (manual, 4.2 `cookie`, `use-server`, `stick`):
 * the rules of `use-server`. Cookies and `stick` rules, which the configuration refuses today, belong before and
 * after them.
 */
import type { Server } from '../backend/server.js';
import type { BackendTraffic } from './proxies.js';
import type { Stream } from './stream.js';

export function persistentServer(stream: Stream, traffic: BackendTraffic): Server | undefined {
	return traffic.backend.serverByRules(stream);
}
