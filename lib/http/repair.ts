/**
 * Heads that are not by the letter, brought into one safe form: what `accept-invalid-http-request` and
 * `accept-invalid-http-response` are for beyond odd characters.
 *
 * The parser is strict where smuggling starts. Some old clients and servers need more, and HAProxy 2.6 repairs for
 * everybody what has one meaning to nearly everybody. Here it is done for those who ask, and before the parser: text
 * in, text out, so that the parser keeps one idea of what a head is, and what goes on to a server has been through it.
 *
 * - A bare LF ends a line as CR LF does (RFC 9112, section 2.2), and the head ends at the first empty line of either
 *   kind. Folded lines are joined (section 5.2). Blanks in the start line become one space.
 * - The same Host or Content-Length again is said once; with Transfer-Encoding a Content-Length counts for nothing. Who
 *   says both, or has chunks in HTTP/1.0, may have been talked into it: nothing that follows on the connection is
 *   believed (sections 6.1 and 6.3).
 *
 * What it gives up is speed: such a head is looked at three times.
 */
import { lengthOf } from './field-parser.js';
import { type HeadLimits, parseRequestHead, parseResponseHead } from './head-parser.js';
import { ConnectionOption, type RequestHead, type ResponseHead } from './message.js';
import { type HttpRefusal, isRefusal } from './refusal.js';

/** An empty line behind a line, both ended either way. */
const END_OF_HEAD = /\n\r?\n/;

/** A head, and the bytes of it as it came. */
export interface Repaired<Head> {
	readonly head: Head;
	readonly byteCount: number;
}

/** The request that `text` (latin1) begins with; undefined as long as it has no end. */
export function repairRequest(text: string, limits: HeadLimits): Repaired<RequestHead> | HttpRefusal | undefined {
	const found = repair(text);
	if (found === undefined) return undefined;
	const head = parseRequestHead(found.text, limits);
	if (isRefusal(head)) return head;
	const isChunkedHttp10 = head.version === 10 && head.framing.kind === 'chunked';
	if (found.hasTwoFramings || isChunkedHttp10) head.connection |= ConnectionOption.CLOSE;
	return { head, byteCount: found.byteCount };
}

/** The same for the response to a request with this method. */
export function repairResponse(
	text: string,
	limits: HeadLimits,
	requestMethod: string,
): Repaired<ResponseHead> | HttpRefusal | undefined {
	const found = repair(text);
	if (found === undefined) return undefined;
	const head = parseResponseHead(found.text, limits, requestMethod);
	if (isRefusal(head)) return head;
	if (found.hasTwoFramings) head.connection |= ConnectionOption.CLOSE;
	return { head, byteCount: found.byteCount };
}

interface Found {
	readonly text: string;
	readonly byteCount: number;
	readonly hasTwoFramings: boolean;
}

function repair(text: string): Found | undefined {
	const end = END_OF_HEAD.exec(text);
	if (end === null) return undefined;
	const byteCount = end.index + end[0].length;
	const lines = text.slice(0, end.index).replace(/\r$/, '');
	const firstLf = lines.indexOf('\n');
	const startLine = firstLf < 0 ? lines : lines.slice(0, firstLf).replace(/\r$/, '');
	const fields = firstLf < 0 ? [] : unfolded(lines.slice(firstLf + 1)).split(/\r?\n/);
	const hasCoding = fields.some((line) => nameOf(line) === 'transfer-encoding');
	const kept: string[] = [];
	/** What Host and Content-Length have said. */
	const said = new Map<string, string>();
	let hasTwoFramings = false;
	for (const line of fields) {
		const name = nameOf(line);
		if (name !== 'host' && name !== 'content-length') {
			kept.push(line);
			continue;
		}
		const raw = line.slice(name.length + 1).trim();
		const value = name === 'host' ? raw.toLowerCase() : oneLength(raw);
		if (name === 'content-length' && hasCoding && lengthOf(value) >= 0) {
			hasTwoFramings = true;
			continue;
		}
		if (said.get(name) === value) continue;
		// Another value is a second field, which the parser refuses.
		said.set(name, value);
		kept.push(name === 'host' ? line : `${line.slice(0, name.length)}: ${value}`);
	}
	const repaired = [startLine.replace(/[ \t]+/g, ' '), ...kept, '', ''];
	return { text: repaired.join('\r\n'), byteCount, hasTwoFramings };
}

/**
 * Lines that begin with a blank belong to the one before, with spaces for the end of that, as HAProxy does it. The first
 * has none before it, and stays for the parser to refuse.
 */
function unfolded(fields: string): string {
	return fields.replace(/\r?\n(?=[ \t])/g, (lineEnd) => ' '.repeat(lineEnd.length));
}

function nameOf(line: string): string {
	const colon = line.indexOf(':');
	return colon < 0 ? '' : line.slice(0, colon).toLowerCase();
}

/** A list that says one number several times is that number (RFC 9110, section 8.6). */
function oneLength(value: string): string {
	const parts = value.split(',').map((part) => part.trim());
	return parts.every((part) => part === parts[0]) ? (parts[0] ?? '') : value;
}
