/**
 * When a request may be sent again, and where to (manual, 4.2 `retries`, `option redispatch`, `retry-on`).
 */
import type { ProxyModel } from '../config/model.js';
import type { Stream } from './stream.js';

/** Methods whose repetition changes nothing (RFC 9110, section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** All of the request is still here, and the server cannot have acted on it twice. */
export function mayReplay(stream: Stream): boolean {
	const { request } = stream;
	return request !== undefined && stream.exchange.canReplay && IDEMPOTENT.has(request.method);
}

/**
 * Whether retry number `retry` (from 1) goes to another server. A positive interval names every such retry,
 * a negative one counts from the last: -1, the default of the option, is the last retry alone.
 */
export function shouldRedispatch(retry: number, model: ProxyModel, retries: number): boolean {
	const interval = model.options.redispatch;
	if (interval === undefined || interval === 0) return false;
	return interval > 0 ? retry % interval === 0 : retry === retries + 1 + interval;
}

/** A server that has just refused is given a moment: a second, or `timeout connect` if that is less. */
export function turnAroundMs(model: ProxyModel): number {
	return Math.min(1000, model.timeouts.connectMs ?? 1000);
}
