/**
 * The size of a message head as HAProxy counts it in `%B`, `%U` and the byte counters: that of its internal
 * form, not of the bytes on the wire (specification stick-tables.md, section 7). Kept to the
 * byte, so that the two programs' logs of the same traffic agree.
 */
import type { HeaderList, RequestHead, ResponseHead } from '../http/message.js';

/** A start line takes three lengths and two flags, the end of the fields one byte. */
const START_LINE_BYTES = 20;
const VERSION_BYTES = 'HTTP/1.1'.length;

export function requestHeadSize(head: RequestHead): number {
	return START_LINE_BYTES + head.method.length + head.target.length + VERSION_BYTES + fieldsSize(head.headers);
}

export function responseHeadSize(head: ResponseHead): number {
	return START_LINE_BYTES + VERSION_BYTES + 3 + head.reason.length + fieldsSize(head.headers);
}

function fieldsSize(headers: HeaderList): number {
	const { names, values, section } = headers;
	if (section !== undefined) return section.sizeBytes + 1;
	let size = 1;
	for (let i = 0; i < names.length; i++) size += (names[i] as string).length + (values[i] as string).length;
	return size;
}
