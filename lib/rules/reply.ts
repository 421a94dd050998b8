/**
 * Replies described by words: the arguments that `return`, `deny`, `tarpit` and `http-error` share (manual,
 * 4.2 `http-request return`). What does not depend on the request is built once, when the file is read; a
 * format in the body or in a field is rendered for each.
 */
import { asciiLower, bytesOf } from '../core/bytes.js';
import { didYouMean } from '../core/diagnostics.js';
import { HeaderList } from '../http/message.js';
import { ERROR_PAGES, standardReason } from '../http/status.js';
import type { LogFormat } from '../sample/log-format.js';
import type { RuleWords } from './action.js';
import { parseErrorFile, silentReply } from './error-file.js';
import { isFramingField, refuseFieldName, safeFieldValue } from './field-values.js';
import type { LocalReply, StreamControl } from './stream-control.js';

/** A reply ready to be given. */
export interface Reply {
	/** The same for every request: shared, its fields must not be changed. Undefined if it needs a stream. */
	readonly constant: LocalReply | undefined;
	/** A reply of the caller's own; undefined when a field came out as no field value. */
	make(stream: StreamControl): LocalReply | undefined;
}

/** A copy whose fields may be changed, by `auth` and by `http-after-response` rules. */
export function copyReply(reply: LocalReply | undefined): LocalReply | undefined {
	if (reply === undefined) return undefined;
	const { status, reason, headers, body, statusOfError, raw } = reply;
	if (raw !== undefined) return reply;
	const copy = { status, reason, headers: headers.clone(), body };
	return statusOfError === undefined ? copy : { ...copy, statusOfError };
}

export function constantReply(reply: LocalReply): Reply {
	return { constant: reply, make: () => copyReply(reply) };
}

export type ParsedReply =
	/** Whatever the proxies say for that status under traffic: see `StreamControl.errorReply`. */
	{ readonly kind: 'default-errorfiles'; readonly status: number } | { readonly kind: 'reply'; readonly reply: Reply };

export interface ReplyOptions {
	/** `return` 200, `deny` 403, `tarpit` 500, ... */
	readonly defaultStatus: number;
	/** `deny` alone means the error page of its status; `return` alone an empty 200. */
	readonly bareMeansErrorPage: boolean;
	/** `http-error`: the status is known from elsewhere and `status` only repeats it. */
	readonly allowDenyStatus: boolean;
}

type Source = 'default-errorfiles' | 'errorfile' | 'errorfiles' | 'file' | 'lf-file' | 'string' | 'lf-string';

/** The sources, and how HAProxy names their argument. */
const SOURCES: ReadonlyMap<string, string | undefined> = new Map<Source, string | undefined>([
	['default-errorfiles', undefined],
	['errorfile', '<fmt>'],
	['errorfiles', '<name>'],
	['file', '<file>'],
	['lf-file', '<file>'],
	['string', '<str>'],
	['lf-string', '<fmt>'],
]);

/** A field of the reply: a text, or a format that makes one. */
interface ReplyField {
	readonly name: string;
	readonly value: string | LogFormat;
}

interface Draft {
	status: number;
	hasStatus: boolean;
	contentType: string | undefined;
	source: Source | undefined;
	argument: string;
	readonly fields: ReplyField[];
}

/** Reads as many words as belong to a reply. */
export function parseReply(words: RuleWords, options: ReplyOptions): ParsedReply | undefined {
	const draft: Draft = {
		status: options.defaultStatus,
		hasStatus: false,
		contentType: undefined,
		source: undefined,
		argument: '',
		fields: [],
	};
	let bare = true;
	if (options.allowDenyStatus && words.take('deny_status')) {
		if (!readStatus(words, draft)) return undefined;
	}
	for (;;) {
		const word = words.peek();
		if (word === undefined || !(word === 'status' || word === 'content-type' || word === 'hdr' || SOURCES.has(word)))
			break;
		bare = false;
		words.position++;
		const read =
			word === 'status'
				? readStatus(words, draft)
				: word === 'content-type'
					? readContentType(words, draft)
					: word === 'hdr'
						? readField(words, draft)
						: readSource(words, draft, word as Source);
		if (!read) return undefined;
	}
	// "deny", or only "deny_status", implies the error pages (manual, `http-request deny`).
	if (bare && options.bareMeansErrorPage) draft.source = 'default-errorfiles';
	return finish(words, draft);
}

function readStatus(words: RuleWords, draft: Draft): boolean {
	const word = words.next();
	if (word === undefined) return said(words.fail("'status' expects <status_code> as argument"));
	const status = /^\d+$/.test(word) ? Number(word) : 0;
	if (status < 200 || status > 599) return said(words.fail(`Unexpected status code '${word}'`));
	draft.status = status;
	draft.hasStatus = true;
	return true;
}

function readContentType(words: RuleWords, draft: Draft): boolean {
	const word = words.next();
	if (word === undefined) return said(words.fail("'content-type' expects <ctype> as argument"));
	const value = safeFieldValue(word);
	if (value === undefined) return said(words.fail('control character in the content type'));
	draft.contentType = value;
	return true;
}

function readSource(words: RuleWords, draft: Draft, source: Source): boolean {
	if (draft.source !== undefined) {
		return said(words.fail(`unexpected '${source}' argument, '${draft.source}' already defined`));
	}
	draft.source = source;
	const expected = SOURCES.get(source);
	if (expected === undefined) return true;
	const word = words.next();
	if (word === undefined) return said(words.fail(`'${source}' expects ${expected} as argument`));
	draft.argument = word;
	return true;
}

function readField(words: RuleWords, draft: Draft): boolean {
	const first = words.next();
	const text = words.next();
	if (first === undefined || text === undefined) {
		return said(words.fail("'hdr' expects <name> and <value> as arguments"));
	}
	const name = asciiLower(first);
	if (isFramingField(name) || name === 'content-type') {
		words.warn(`header '${name}' always ignored by the http reply.`);
		return true;
	}
	const refusal = refuseFieldName(name);
	if (refusal !== undefined) return said(words.fail(refusal));
	if (text.includes('%')) {
		const format = words.format(text);
		if (format === undefined) return false;
		draft.fields.push({ name, value: format });
		return true;
	}
	const value = safeFieldValue(text);
	if (value === undefined) return said(words.fail(`control character in the value of header '${name}'`));
	draft.fields.push({ name, value });
	return true;
}

/** `fail` has spoken: no reply. */
function said(_: undefined): false {
	return false;
}

function finish(words: RuleWords, draft: Draft): ParsedReply | undefined {
	const { source, status } = draft;
	switch (source) {
		case 'default-errorfiles':
		case 'errorfile':
		case 'errorfiles':
			if (draft.contentType !== undefined) {
				words.warn(`content-type '${draft.contentType}' ignored by the http reply when used with an errorfile.`);
			}
			if (draft.fields.length > 0) words.warn('hdr parameters ignored by the http reply when used with an errorfile.');
			if (source === 'errorfile') return fromFile(words, draft.argument, status, draft.hasStatus);
			if (!ERROR_PAGES.has(status)) {
				return words.fail(`status code '${status}' not handled by default with '${source}' argument`);
			}
			return source === 'errorfiles'
				? fromSection(words, draft.argument, status)
				: { kind: 'default-errorfiles', status };
		case undefined:
			if (draft.contentType !== undefined) {
				words.warn(
					`content-type '${draft.contentType}' ignored by the http reply because neither errorfile nor payload defined.`,
				);
			}
			return { kind: 'reply', reply: payloadReply(draft, Buffer.alloc(0), undefined) };
		default:
			return fromPayload(words, draft, source);
	}
}

function fromFile(words: RuleWords, path: string, status: number, hasStatus: boolean): ParsedReply | undefined {
	const content = words.context.file(path);
	if (content === undefined) return words.fail(`error opening file '${path}'`);
	const parsed = parseErrorFile(content);
	if (typeof parsed === 'string') return words.fail(`'${path}': ${parsed}`);
	if (hasStatus && parsed.status !== status) {
		words.warn(`the file '${path}' answers with status ${parsed.status}, not ${status}.`);
	}
	return { kind: 'reply', reply: fileReply(parsed, status) };
}

/** A file may answer with another status than that of the rule, which is the one that is logged and counted. */
function fileReply(parsed: LocalReply, status: number): Reply {
	return constantReply(parsed.status === status ? parsed : { ...parsed, statusOfError: status });
}

function fromSection(words: RuleWords, name: string, status: number): ParsedReply | undefined {
	const sections = words.context.model.httpErrors;
	const section = sections.find((one) => one.name === name);
	if (section === undefined && words.context.namesMayDangle === true)
		return { kind: 'reply', reply: emptyReply(status) };
	if (section === undefined) {
		const names = sections.map((one) => one.name);
		return words.fail(`unknown http-errors section '${name}' referenced by an http reply${didYouMean(name, names)}`);
	}
	const model = section.replies.get(status);
	// Only files may stand in such a section (manual, 3.8). Without one for the status the reply has no body.
	if (model?.kind !== 'file') return { kind: 'reply', reply: emptyReply(status) };
	if (model.content === '') return { kind: 'reply', reply: constantReply(silentReply(status)) };
	const parsed = parseErrorFile(model.content);
	if (typeof parsed === 'string') return words.fail(`'${model.path}': ${parsed}`);
	return { kind: 'reply', reply: fileReply(parsed, status) };
}

function fromPayload(
	words: RuleWords,
	draft: Draft,
	source: 'file' | 'lf-file' | 'string' | 'lf-string',
): ParsedReply | undefined {
	const isFile = source === 'file' || source === 'lf-file';
	const text = isFile ? words.context.file(draft.argument) : draft.argument;
	if (text === undefined) return words.fail(`error opening file '${draft.argument}'`);
	if (text !== '' && draft.contentType === undefined) {
		return words.fail('a content type must be defined when non-empty payload is configured');
	}
	if (text !== '' && (draft.status === 204 || draft.status === 304)) {
		return words.fail(`No body expected for ${draft.status} responses`);
	}
	const isFormat = source === 'lf-file' || source === 'lf-string';
	if (!isFormat) return { kind: 'reply', reply: payloadReply(draft, bytesOf(text), undefined) };
	const format = words.format(text);
	if (format === undefined) return undefined;
	return { kind: 'reply', reply: payloadReply(draft, Buffer.alloc(0), format) };
}

function emptyReply(status: number): Reply {
	const draft: Draft = { status, hasStatus: true, contentType: undefined, source: undefined, argument: '', fields: [] };
	return payloadReply(draft, Buffer.alloc(0), undefined);
}

/** A reply with fields and a body, in the reference's order: ours, content-length, content-type. */
function payloadReply(draft: Draft, fixedBody: Buffer, format: LogFormat | undefined): Reply {
	const { status, fields } = draft;
	const contentType = draft.source === undefined ? undefined : draft.contentType;
	const reason = standardReason(status);
	const withLength = status !== 204 && status !== 304;
	const make = (stream: StreamControl | undefined): LocalReply | undefined => {
		const headers = new HeaderList();
		for (const { name, value } of fields) {
			if (typeof value === 'string') {
				headers.add(name, value);
				continue;
			}
			const text = stream === undefined ? undefined : safeFieldValue(value.render(stream));
			if (text === undefined) return undefined;
			// HAProxy leaves out a field whose format gives nothing.
			if (text !== '') headers.add(name, text);
		}
		const body = format === undefined || stream === undefined ? fixedBody : bytesOf(format.render(stream));
		if (withLength) headers.add('content-length', String(body.length));
		if (contentType !== undefined && body.length > 0) headers.add('content-type', contentType);
		return { status, reason, headers, body };
	};
	const needsStream = format !== undefined || fields.some((field) => typeof field.value !== 'string');
	return { constant: needsStream ? undefined : make(undefined), make };
}
