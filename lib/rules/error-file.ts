/**
 * Error files: a whole HTTP response in a file (manual, 4.2 `errorfile`). It is taken apart into status line,
 * fields and body as HAProxy does, so that `http-after-response` rules apply to it and the connection may stay
 * open. A file without `content-length` is counted without one, as HAProxy does.
 *
 * It gives up: HAProxy sends such a file as it is, in its version and ended by the close. Here the client is always
 * told the length, in HTTP/1.1, so that it can tell a whole page from half of one.
 */
import { bytesOf } from '../core/bytes.js';
import { isFieldValue, isToken } from '../http/characters.js';
import { HeaderList } from '../http/message.js';
import type { LocalReply } from './stream-control.js';

/** An empty file (`errorfile 408 /dev/null`): the connection is closed without a word. */
export function silentReply(status: number): LocalReply {
	return { status, reason: '', headers: new HeaderList(), body: NOTHING, raw: NOTHING };
}

const NOTHING = Buffer.alloc(0);

/** A message read from an error file, or a sentence on what is wrong with it. */
export function parseErrorFile(content: string): LocalReply | string {
	const end = /\r?\n\r?\n/.exec(content);
	if (end === null) return 'unable to parse headers (no empty line after them)';
	const [startLine = '', ...lines] = content.slice(0, end.index).split(/\r?\n/);
	const start = /^HTTP\/\d\.\d (\d{3})(?: (.*))?$/.exec(startLine);
	if (start === null) return 'unable to parse headers (the first line is not a status line)';
	const status = Number(start[1]);
	const reason = start[2] ?? '';
	if (status < 200 || status > 599) return `status code '${status}' does not end a response`;
	if (!isFieldValue(reason)) return 'control character in the reason';
	const headers = new HeaderList();
	let declaredLength: number | undefined;
	for (const line of lines) {
		const colon = line.indexOf(':');
		const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
		const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
		if (!isToken(name) || !isFieldValue(value)) return `unable to parse headers (line '${line.slice(0, 40)}')`;
		if (name === 'transfer-encoding') return "'transfer-encoding' header is not allowed in an error file";
		if (name === 'keep-alive') continue;
		if (name === 'content-length') {
			if (!/^\d{1,15}$/.test(value)) return `invalid content-length '${value}'`;
			declaredLength = Number(value);
		}
		headers.add(name, value);
	}
	const body = bytesOf(content.slice(end.index + end[0].length));
	if (declaredLength !== undefined && declaredLength !== body.length) {
		return `content-length ${declaredLength} differs from the ${body.length} bytes of the body`;
	}
	if ((status === 204 || status === 304) && body.length > 0) return `No body expected for ${status} responses`;
	return { status, reason, headers, body };
}
