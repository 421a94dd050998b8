/**
 * Answers of the program itself: the statistics page at its URI, and what `http-request use-service` names. The stream
 * asks in this order, after the http-request rules of a proxy (as observed): a service that a rule chose, else the
 * page if its URI fits; then the page's own access rules; then the answer, which counts as intercepted and ends as
 * `LR`. The services themselves stand above the streams (lib/stats) and are handed to the thread when it is built.
 */
import type { ProxyModel } from '../config/model.js';
import type { RuleSet } from '../rules/ruleset.js';
import type { LocalReply } from '../rules/stream-control.js';
import type { Stream } from './stream.js';

export interface Service {
	/** In the place of a server in logs: `<STATS>`. */
	readonly logName: string;
	/** The answer depends on the request's body, as much of it as fits in a buffer. */
	needsBody(stream: Stream): boolean;
	answer(stream: Stream): LocalReply;
}

export interface PageService extends Service {
	/** `stats http-request`, or what `stats auth` stands for. */
	readonly access: RuleSet;
	matches(stream: Stream): boolean;
}

export interface Services {
	/** By the name that rules use. */
	named(name: string): Service | undefined;
	/** The page of a proxy with `stats` lines. */
	pageOf(proxy: ProxyModel): PageService | undefined;
}

export const NO_SERVICES: Services = { named: () => undefined, pageOf: () => undefined };
