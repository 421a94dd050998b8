/**
 * The proxy's own answers by status: `errorfile`, `errorfiles`, `http-error` and `errorloc*` of a proxy, over the
 * standard pages (manual, 4.2). All are built when the file is read; only those with a `lf-string`,
 * `lf-file` or formatted header are made anew for each request.
 *
 * An error file is taken apart into status line, fields and body as HAProxy does, so that
 * `http-after-response` rules apply to it and the connection may stay open.
 */
import type { ErrorReplyModel, HttpErrorsModel, ProxyModel } from '../config/model.js';
import { bytesOf } from '../core/bytes.js';
import { isFieldValue, isToken } from '../http/characters.js';
import { HeaderList } from '../http/message.js';
import { ERROR_PAGES } from '../http/status.js';
import type { CompileContext } from '../sample/types.js';
import { RuleWords } from './action.js';
import { parseReply, type Reply } from './reply.js';
import type { LocalReply, StreamControl } from './stream-control.js';

/** The standard page of a status; the 500 page for a status that has none. */
export function standardReply(status: number): LocalReply {
	const known = STANDARD_REPLIES.get(status) ?? STANDARD_REPLIES.get(500);
	return known as LocalReply;
}

const STANDARD_REPLIES: ReadonlyMap<number, LocalReply> = new Map(
	Array.from(ERROR_PAGES, ([status, { reason, body }]) => [
		status,
		{
			status,
			reason,
			headers: new HeaderList(
				['content-length', 'cache-control', 'content-type'],
				[String(body.length), 'no-cache', 'text/html'],
			),
			body,
		},
	]),
);

/** A copy whose fields may be changed: by `auth`, and by `http-after-response` rules. */
export function copyReply(reply: LocalReply): LocalReply {
	return { status: reply.status, reason: reply.reason, headers: reply.headers.clone(), body: reply.body };
}

/** The configured replies of one proxy, or of one `http-errors` section. */
export class ErrorReplies {
	readonly #replies: ReadonlyMap<number, Reply>;

	constructor(replies: ReadonlyMap<number, Reply> = new Map()) {
		this.#replies = replies;
	}

	/** The configured reply of a status, undefined if the proxy has none. */
	find(status: number): Reply | undefined {
		return this.#replies.get(status);
	}

	/**
	 * The reply of a status: configured, else the standard page. Without a stream (a request that could not
	 * be parsed) a reply that needs one gives way to the standard page. The fields are the caller's.
	 */
	get(status: number, stream?: StreamControl): LocalReply {
		return resolveErrorReply(this, undefined, status, stream);
	}
}

/** The backend's reply, else the frontend's, else the standard page (manual, 4.2 `errorfile`). */
export function resolveErrorReply(
	first: ErrorReplies,
	second: ErrorReplies | undefined,
	status: number,
	stream: StreamControl | undefined,
): LocalReply {
	const reply = first.find(status) ?? second?.find(status);
	if (reply !== undefined) {
		const made = stream === undefined ? reply.constant : reply.make(stream);
		if (made !== undefined) return copyReply(made);
	}
	return copyReply(standardReply(status));
}

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
		if (name === 'connection' || name === 'keep-alive') continue;
		if (name === 'content-length') {
			if (!/^\d{1,15}$/.test(value)) return `invalid content-length '${value}'`;
			declaredLength = Number(value);
		} else {
			headers.add(name, value);
		}
	}
	const body = bytesOf(content.slice(end.index + end[0].length));
	if (declaredLength !== undefined && declaredLength !== body.length) {
		return `content-length ${declaredLength} differs from the ${body.length} bytes of the body`;
	}
	if (status !== 204 && status !== 304) headers.add('content-length', String(body.length));
	else if (body.length > 0) return `No body expected for ${status} responses`;
	return { status, reason, headers, body };
}

/** `errorloc302` and `errorloc303`, as the reference sends them. */
function redirectReply(status: 302 | 303, location: string): LocalReply {
	return {
		status,
		reason: status === 302 ? 'Found' : 'See Other',
		headers: new HeaderList(['cache-control', 'content-length', 'location'], ['no-cache', '0', location]),
		body: Buffer.alloc(0),
	};
}

function constantReply(reply: LocalReply): Reply {
	return { constant: reply, make: () => reply };
}

function compileErrorReply(status: number, model: ErrorReplyModel, context: CompileContext): Reply | undefined {
	const { diagnostics } = context;
	switch (model.kind) {
		case 'file': {
			const parsed = parseErrorFile(model.content);
			if (typeof parsed !== 'string') return constantReply(parsed);
			diagnostics.alert(model.place, `errorfile ${status} '${model.path}' : ${parsed}.`);
			return undefined;
		}
		case 'redirect':
			if (isFieldValue(model.location)) return constantReply(redirectReply(model.status, model.location));
			diagnostics.alert(model.place, `errorloc${model.status} ${status} : control character in the location.`);
			return undefined;
		case 'reply': {
			const words = new RuleWords(['http-error', ...model.words], context.at(model.place, 'http-after-response'));
			const parsed = parseReply(words, { defaultStatus: status, name: 'http-error' });
			if (parsed === undefined) return undefined;
			if (words.position < words.words.length) return words.fail(`unexpected word '${words.peek()}'`);
			if (parsed.kind === 'reply') return parsed.reply;
			return constantReply(standardReply(parsed.status));
		}
	}
}

/** The configured replies of a proxy; undefined after an error. */
export function compileErrorReplies(
	model: Pick<ProxyModel | HttpErrorsModel, 'name'> & { readonly errorReplies: ReadonlyMap<number, ErrorReplyModel> },
	context: CompileContext,
): ErrorReplies | undefined {
	const replies = new Map<number, Reply>();
	let failed = false;
	for (const [status, replyModel] of model.errorReplies) {
		const reply = compileErrorReply(status, replyModel, context);
		if (reply === undefined) failed = true;
		else replies.set(status, reply);
	}
	return failed ? undefined : new ErrorReplies(replies);
}

/** One reply of an `http-errors` section, for `return errorfiles <section>`. */
export function compileSectionReply(
	section: HttpErrorsModel,
	status: number,
	context: CompileContext,
): Reply | 'absent' | undefined {
	const model = section.replies.get(status);
	return model === undefined ? 'absent' : compileErrorReply(status, model, context);
}
