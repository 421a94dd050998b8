/**
 * The head of a stored response as text, one line for each part, beginning with the key: what `CacheStore` keeps in
 * front of a body. Neither keys nor field values can hold a line end.
 */
import { type BodyFraming, CHUNKED_BODY, CLOSE_BODY, HeaderList, type RequestHead } from '../http/message.js';
import { acceptsCodings, Varies } from './vary.js';

export interface StoredResponse {
	readonly reason: string;
	/** Seconds, when it came. */
	readonly age: number;
	readonly framing: BodyFraming;
	readonly headers: HeaderList;
}

/** Lines before the fields. */
const Line = { KEY: 0, VARIES: 1, CODINGS: 2, REFERER: 3, FRAMING: 4, AGE: 5, REASON: 6, FIELDS: 7 } as const;

export function writeHead(
	key: string,
	varies: number,
	codings: string,
	request: RequestHead,
	response: StoredResponse,
): string {
	const lines: string[] = [
		key,
		String(varies),
		codings,
		request.headers.get('referer') ?? '',
		response.framing.kind === 'length' ? String(response.framing.length) : response.framing.kind,
		String(response.age),
		response.reason,
	];
	const { names, values } = response.headers;
	for (let i = 0; i < names.length; i++) lines.push(names[i] as string, values[i] as string);
	return lines.join('\n');
}

export function readHead(text: string): StoredResponse {
	const lines = text.split('\n');
	const names: string[] = [];
	const values: string[] = [];
	for (let i = Line.FIELDS; i + 1 < lines.length; i += 2) {
		names.push(lines[i] as string);
		values.push(lines[i + 1] as string);
	}
	const framing = lines[Line.FRAMING] as string;
	return {
		reason: lines[Line.REASON] as string,
		age: Number(lines[Line.AGE]),
		framing:
			framing === 'chunked'
				? CHUNKED_BODY
				: framing === 'close'
					? CLOSE_BODY
					: { kind: 'length', length: Number(framing) },
		headers: new HeaderList(names, values),
	};
}

/** Whether what was stored with this head answers that request (RFC 9111, section 4.1). */
export function answers(head: string, request: RequestHead): boolean {
	const lines = head.split('\n', Line.FRAMING);
	const varies = Number(lines[Line.VARIES]);
	if (varies === Varies.NOT) return true;
	const { headers } = request;
	if ((varies & Varies.REFERER) !== 0 && (headers.get('referer') ?? '') !== lines[Line.REFERER]) return false;
	return (varies & Varies.ENCODING) === 0 || acceptsCodings(headers, lines[Line.CODINGS] as string);
}

/** Whether a new object takes the place of the one with this head: it answers the same requests. */
export function isReplacedBy(head: string, newHead: string): boolean {
	const old = head.split('\n', Line.FRAMING);
	const now = newHead.split('\n', Line.FRAMING);
	const varies = Number(now[Line.VARIES]);
	if (varies !== Number(old[Line.VARIES]) || varies === Varies.NOT) return true;
	if ((varies & Varies.REFERER) !== 0 && old[Line.REFERER] !== now[Line.REFERER]) return false;
	return (varies & Varies.ENCODING) === 0 || old[Line.CODINGS] === now[Line.CODINGS];
}

/** For `show cache`: bits of what it varies on, and the codings. */
export function varyOf(head: string): number {
	return Number(head.split('\n', Line.CODINGS)[Line.VARIES]);
}
