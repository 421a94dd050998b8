/**
 * The proxy's own answers by status: `errorfile`, `errorfiles`, `http-error` and `errorloc*` of a proxy, over the
 * standard pages (manual, 4.2). All are built when the file is read; only those with a `lf-string`,
 * `lf-file` or formatted header are made anew for each request.
 */
import type { ErrorReplyModel, ProxyModel } from '../config/model.js';
import { isFieldValue } from '../http/characters.js';
import { HeaderList } from '../http/message.js';
import { ERROR_PAGES } from '../http/status.js';
import type { CompileContext } from '../sample/types.js';
import { RuleWords } from './action.js';
import { parseErrorFile, silentReply } from './error-file.js';
import { constantReply, copyReply, parseReply, type Reply } from './reply.js';
import type { LocalReply, StreamControl } from './stream-control.js';

/** The standard page of a status; the 500 page for a status that has none. */
export function standardReply(status: number): LocalReply {
	const known = STANDARD_REPLIES.get(status) ?? STANDARD_REPLIES.get(500);
	return known as LocalReply;
}

/** Statuses whose standard page ends the connection: what followed on it could not be told apart. */
const CLOSING_STATUSES: ReadonlySet<number> = new Set([400, 408]);

const STANDARD_REPLIES: ReadonlyMap<number, LocalReply> = new Map(
	Array.from(ERROR_PAGES, ([status, { reason, body }]) => [
		status,
		{
			status,
			reason,
			headers: standardHeaders(status, body),
			body,
		},
	]),
);

function standardHeaders(status: number, body: Buffer): HeaderList {
	const headers = new HeaderList(['content-length', 'cache-control'], [String(body.length), 'no-cache']);
	if (CLOSING_STATUSES.has(status)) headers.add('connection', 'close');
	headers.add('content-type', 'text/html');
	return headers;
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
		const made = stream === undefined ? copyReply(reply.constant) : reply.make(stream);
		if (made !== undefined) return made.status === status ? made : { ...made, statusOfError: status };
	}
	return copyReply(standardReply(status)) as LocalReply;
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

function compileErrorReply(status: number, model: ErrorReplyModel, context: CompileContext): Reply | undefined {
	const { diagnostics } = context;
	switch (model.kind) {
		case 'file': {
			if (model.content === '') return constantReply(silentReply(status));
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
			const words = new RuleWords(['http-error', ...model.words], context.at(model.place, 'http-request'));
			const parsed = parseReply(words, { defaultStatus: status, bareMeansErrorPage: false, allowDenyStatus: false });
			if (parsed === undefined) return undefined;
			if (words.position < words.words.length) return words.fail(`unexpected word '${words.peek()}'`);
			if (parsed.kind === 'reply') return parsed.reply;
			return constantReply(standardReply(parsed.status));
		}
	}
}

/** The configured replies of a proxy; undefined after an error. */
export function compileErrorReplies(
	model: Pick<ProxyModel, 'errorReplies'>,
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
