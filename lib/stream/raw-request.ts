/**
 * HTTP/1 seen by the rules of mode tcp: a content rule or a `use_backend` may ask for the path or a header field of a
 * connection that is only passed on (manual, chapter 4 and 7.3.6: "HTTP/1 can be parsed in-fly").
 *
 * A stream has a request when it is one of HTTP, and much depends on that. So the head that its bytes begin with is
 * shown for as long as rules run, and never else. It is parsed again for every evaluation: rules of mode tcp run a
 * few times for a connection, and what they see may have grown. Changes that rules make of it are lost, for what is
 * sent on are the bytes as they came.
 */
import { parseRequestHead } from '../http/head-parser.js';
import { isRefusal } from '../http/refusal.js';
import type { Stream } from './stream.js';

/** The beginning of a request line; most other protocols are known by their first bytes. */
const METHOD = /^[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32} [\x21-\xff]/;

export function showRequest(stream: Stream): void {
	const bytes = stream.exchange.requestBuffer;
	if (bytes === undefined) return;
	const limits = stream.session.thread.headLimits;
	const text = bytes.toString('latin1', 0, Math.min(bytes.length, limits.headSizeMax));
	if (!METHOD.test(text)) return;
	const end = text.indexOf('\r\n\r\n');
	if (end < 0) return;
	const head = parseRequestHead(text.slice(0, end + 4), limits);
	if (!isRefusal(head)) stream.request = head;
}

export function hideRequest(stream: Stream): void {
	stream.request = undefined;
}
