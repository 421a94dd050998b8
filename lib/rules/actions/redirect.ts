/**
 * `redirect location|prefix|scheme <value> [code <c>] [options]` (manual, 4.2 `redirect`), in `http-request`,
 * `http-response` and as a line of its own.
 */
import { HeaderList } from '../../http/message.js';
import { pathAndQueryOf, pathOf } from '../../http/uri.js';
import type { Action, ActionDescriptor, RuleWords } from '../action.js';
import { safeFieldValue } from '../field-values.js';
import type { StreamControl } from '../stream-control.js';
import { Verdict } from '../verdict.js';

/** The reference names 302 otherwise here than in `return status 302`. */
const REASONS: ReadonlyMap<number, string> = new Map([
	[301, 'Moved Permanently'],
	[302, 'Found'],
	[303, 'See Other'],
	[307, 'Temporary Redirect'],
	[308, 'Permanent Redirect'],
]);

/** A cache may keep a permanent redirect, never a temporary one. */
const UNCACHED: ReadonlySet<number> = new Set([302, 303, 307]);

interface Draft {
	kind: 'location' | 'prefix' | 'scheme' | undefined;
	value: string;
	code: number;
	dropQuery: boolean;
	appendSlash: boolean;
	ignoreEmpty: boolean;
	cookie: string | undefined;
}

/** Reads one option; false after an error, undefined if the word is none. */
function readOption(words: RuleWords, draft: Draft): boolean | undefined {
	const word = words.next();
	switch (word) {
		case 'drop-query':
			draft.dropQuery = true;
			return true;
		case 'append-slash':
			draft.appendSlash = true;
			return true;
		case 'ignore-empty':
			draft.ignoreEmpty = true;
			return true;
		case 'location':
		case 'prefix':
		case 'scheme':
		case 'code':
		case 'set-cookie':
		case 'clear-cookie':
			break;
		default:
			return undefined;
	}
	const value = words.next();
	if (value === undefined) {
		words.fail(`missing argument for '${word}'`);
		return false;
	}
	switch (word) {
		case 'code':
			if (!/^\d{3}$/.test(value) || !REASONS.has(Number(value))) {
				words.fail(`'code': unsupported HTTP code '${value}' (must be one of 301, 302, 303, 307 or 308)`);
				return false;
			}
			draft.code = Number(value);
			return true;
		case 'set-cookie':
			draft.cookie = `${value}; path=/;`;
			return true;
		case 'clear-cookie':
			draft.cookie = `${value}; path=/; Max-Age=0;`;
			return true;
		default:
			draft.kind = word;
			draft.value = value;
			return true;
	}
}

function compileRedirect(words: RuleWords): Action | undefined {
	const draft: Draft = {
		kind: undefined,
		value: '',
		code: 302,
		dropQuery: false,
		appendSlash: false,
		ignoreEmpty: false,
		cookie: undefined,
	};
	while (!words.atCondition()) {
		const word = words.peek() ?? '';
		const read = readOption(words, draft);
		if (read === undefined) {
			return words.fail(
				`expects 'code', 'prefix', 'location', 'scheme', 'set-cookie', 'clear-cookie', 'drop-query', 'ignore-empty' or 'append-slash' (was '${word}')`,
			);
		}
		if (!read) return undefined;
	}
	const locate = compileLocation(words, draft);
	if (locate === undefined) return undefined;
	const cookie = draft.cookie === undefined ? undefined : safeFieldValue(draft.cookie);
	if (draft.cookie !== undefined && cookie === undefined) return words.fail('control character in the cookie');
	const { code } = draft;
	const reason = REASONS.get(code) ?? '';
	return (stream) => {
		const location = locate(stream);
		if (location === undefined) return Verdict.CONTINUE;
		const value = safeFieldValue(location);
		if (value === undefined) {
			stream.countFailedRewrite();
			return Verdict.ERROR;
		}
		const headers = new HeaderList(['content-length', 'location'], ['0', value]);
		if (UNCACHED.has(code)) headers.add('cache-control', 'no-cache');
		if (cookie !== undefined) headers.add('set-cookie', cookie);
		// A body that nobody will read: the client is told that it need not go on.
		if (!stream.requestBufferComplete || (stream.request?.framing.kind ?? 'none') !== 'none') {
			headers.add('connection', 'close');
		}
		stream.setReply({ status: code, reason, headers, body: NO_BODY });
		return Verdict.DONE;
	};
}

const NO_BODY = Buffer.alloc(0);

/** Makes the location of a stream; undefined where `ignore-empty` passes the rule over. */
type Locate = (stream: StreamControl) => string | undefined;

function compileLocation(words: RuleWords, draft: Draft): Locate | undefined {
	const { kind, ignoreEmpty } = draft;
	if (kind === undefined) return words.fail("redirection type expected ('prefix', 'location', or 'scheme')");
	const format = words.format(draft.value);
	if (format === undefined) return undefined;
	switch (kind) {
		case 'location':
			return (stream) => {
				const location = format.render(stream);
				return location === '' && ignoreEmpty ? undefined : location;
			};
		case 'prefix':
			return (stream) => {
				const prefix = format.render(stream);
				const rest = requestedPath(stream, draft);
				// "If <pfx> equals exactly '/', then nothing is inserted." A path of `//host` would then name
				// another host to the browser: one slash is left of those it begins with.
				return prefix === '/' || prefix === '' ? rest.replace(/^\/{2,}/, '/') : prefix + rest;
			};
		case 'scheme':
			return (stream) => {
				const host = stream.request?.headers.get('host') ?? '';
				return `${format.render(stream)}://${host}${requestedPath(stream, draft)}`;
			};
	}
}

/** The path of the request with its query, `/` if it has none, changed as the options say. */
function requestedPath(stream: StreamControl, { dropQuery, appendSlash }: Draft): string {
	const target = stream.request?.target ?? '/';
	const found = dropQuery ? pathOf(target) : pathAndQueryOf(target);
	const path = found === '' ? '/' : found;
	return appendSlash && !path.endsWith('/') ? `${path}/` : path;
}

export const REDIRECT_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'redirect', sites: ['http-request', 'http-response'], compile: compileRedirect },
];
