/** `errorfile`, `errorloc*`, `http-error` and `errorfiles` (manual, 4.2 and 3.8). */
import { didYouMean } from '../../core/diagnostics.js';
import type { ErrorReplySource } from '../draft.js';
import { REPLY_ARGUMENTS } from '../included-files.js';
import type { ErrorReplyModel } from '../model.js';
import type { ParserState } from '../state.js';
import type { Statement } from '../statement.js';

/** The status codes that HAProxy itself may answer with, and that can so be replaced. */
export const ERROR_STATUSES = [
	200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504,
] as const;

function statusOf(statement: Statement, index: number, keyword: string): number | undefined {
	const text = statement.word(index);
	const status = ERROR_STATUSES.find((known) => String(known) === text);
	if (status === undefined) {
		statement.alert(`'${keyword}' : status code '${text}' not handled, error customization disabled for it.`);
	}
	return status;
}

/** `errorfile <code> <file>` */
export function readErrorFile(
	statement: Statement,
	state: ParserState,
): { readonly status: number; readonly reply: ErrorReplyModel } | undefined {
	if (statement.word(2) === '') {
		statement.alert(`'errorfile' expects <status_code> and <file> as arguments.`);
		return undefined;
	}
	if (!statement.atMost(2)) return undefined;
	const status = statusOf(statement, 1, 'errorfile');
	const path = statement.word(2);
	const content = state.readFile(path, statement.place, `'errorfile'`);
	if (content === undefined || status === undefined) return undefined;
	if (content !== '' && !/^HTTP\/\d\.\d \d{3}(?: [^\r\n]*)?\r?\n/.test(content)) {
		statement.alert(`'errorfile' : unable to parse file '${path}' : it does not begin with an HTTP status line.`);
		return undefined;
	}
	if (content.length > state.global.tune.bufsizeBytes - state.global.tune.maxrewriteBytes) {
		statement.warning(
			`'errorfile' : file '${path}' is larger than ${state.global.tune.bufsizeBytes - state.global.tune.maxrewriteBytes} bytes (tune.bufsize - tune.maxrewrite), HAProxy would truncate it.`,
		);
	}
	return { status, reply: { kind: 'file', place: statement.place, path, content } };
}

/** `errorloc|errorloc302|errorloc303 <code> <url>` */
export function readErrorLocation(statement: Statement): ErrorReplySource | undefined {
	const keyword = statement.word(0);
	if (statement.word(2) === '') {
		statement.alert(`'${keyword}' expects <status_code> and <url> as arguments.`);
		return undefined;
	}
	if (!statement.atMost(2)) return undefined;
	const status = statusOf(statement, 1, keyword);
	if (status === undefined) return undefined;
	const location = statement.word(2);
	const redirectStatus = keyword === 'errorloc303' ? 303 : 302;
	return {
		kind: 'reply',
		status,
		reply: { kind: 'redirect', place: statement.place, status: redirectStatus, location },
	};
}

/** `http-error status <code> ...`; its arguments are those of a `return` action. */
export function readHttpError(statement: Statement): ErrorReplySource | undefined {
	const at = statement.words.indexOf('status');
	if (at < 1 || statement.word(at + 1) === '') {
		statement.alert(`'http-error' expects 'status <code>' among its arguments.`);
		return undefined;
	}
	for (let i = 1; i < statement.words.length; ) {
		const count = REPLY_ARGUMENTS.get(statement.word(i));
		if (count === undefined) {
			statement.alert(
				`'http-error' : unknown keyword '${statement.word(i)}'${didYouMean(statement.word(i), REPLY_ARGUMENTS.keys())}`,
			);
			return undefined;
		}
		i += 1 + count;
	}
	const status = statusOf(statement, at + 1, 'http-error');
	if (status === undefined) return undefined;
	return { kind: 'reply', status, reply: { kind: 'reply', place: statement.place, words: statement.words.slice(1) } };
}

/** `errorfiles <group> [<code> ...]` */
export function readErrorFiles(statement: Statement): ErrorReplySource | undefined {
	const name = statement.word(1);
	if (name === '') {
		statement.alert(`'errorfiles' expects the name of an http-errors section.`);
		return undefined;
	}
	const codes: number[] = [];
	for (let i = 2; i < statement.words.length; i++) {
		const status = statusOf(statement, i, 'errorfiles');
		if (status === undefined) return undefined;
		codes.push(status);
	}
	return { kind: 'group', place: statement.place, name, codes };
}
