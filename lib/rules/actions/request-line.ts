/**
 * The request line: `set-method`, `set-path`, `set-pathq`, `set-query`, `set-uri` and `replace-path`,
 * `replace-pathq`, `replace-uri` (manual, 4.2 `http-request`). A result that is no method or no target,
 * because it is empty or holds a blank or a control byte, fails the rewrite: HAProxy would send it.
 */
import { isTargetText, isToken } from '../../http/characters.js';
import type { RequestHead } from '../../http/message.js';
import { authorityOf, pathAndQueryOf, pathOf, withPath, withPathAndQuery } from '../../http/uri.js';
import { expandReferences } from '../../sample/regex.js';
import { type Action, type ActionDescriptor, type RuleWords, rewriteFailed } from '../action.js';
import { Verdict } from '../verdict.js';

/** Makes the change; false when its result would not be a request line. */
type Apply = (request: RequestHead, value: string) => boolean;

function applyTarget(change: (target: string, value: string) => string): Apply {
	return (request, value) => {
		const target = change(request.target, value);
		if (!isTargetText(target)) return false;
		request.target = target;
		return true;
	};
}

const setMethod: Apply = (request, value) => {
	if (!isToken(value)) return false;
	request.method = value;
	return true;
};

/** `*` has no path: it is replaced as a whole. An empty path would leave a target that begins with `?`. */
const setPath = applyTarget((target, value) => (value === '' ? '' : target === '*' ? value : withPath(target, value)));
const setPathAndQuery = applyTarget((target, value) =>
	value === '' || value.startsWith('?') ? '' : target === '*' ? value : withPathAndQuery(target, value),
);

/**
 * A URI in absolute form names the host as well, and `Host` must say the same (RFC 9112, section 3.2.2): it follows, as in
 * HAProxy, without the user information that a URI may hold.
 */
const setUri: Apply = (request, value) => {
	if (!isTargetText(value)) return false;
	request.target = value;
	const authority = authorityOf(value);
	if (authority !== undefined && authority !== '') {
		const index = request.headers.indexOf('host');
		if (index >= 0) request.headers.replaceAt(index, authority.slice(authority.lastIndexOf('@') + 1));
	}
	return true;
};

/** A question mark that is there stays, even before nothing (manual, `set-query`). */
const setQuery = applyTarget((target, value) => {
	const mark = target.indexOf('?');
	if (mark >= 0) return target.slice(0, mark + 1) + value;
	return value === '' ? target : `${target}?${value}`;
});

function compileSet(words: RuleWords, apply: Apply): Action | undefined {
	const text = words.next();
	if (text === undefined || !words.atCondition()) return words.fail('expects exactly 1 argument <format>');
	const format = words.format(text);
	if (format === undefined) return undefined;
	return (stream) => {
		const request = stream.request;
		if (request === undefined) return Verdict.CONTINUE;
		return apply(request, format.render(stream)) ? Verdict.CONTINUE : rewriteFailed(stream);
	};
}

function compileReplace(words: RuleWords, part: (target: string) => string, apply: Apply): Action | undefined {
	const source = words.next();
	const text = words.next();
	if (source === undefined || text === undefined || !words.atCondition()) {
		return words.fail('expects exactly 2 arguments <match-regex> and <replace-format>');
	}
	const regex = words.regex(source);
	if (regex === undefined) return undefined;
	const format = words.format(text);
	if (format === undefined) return undefined;
	return (stream) => {
		const request = stream.request;
		if (request === undefined) return Verdict.CONTINUE;
		const match = regex.exec(part(request.target));
		if (match === undefined) return Verdict.CONTINUE;
		return apply(request, expandReferences(format.render(stream), match)) ? Verdict.CONTINUE : rewriteFailed(stream);
	};
}

const SITES = ['http-request'] as const;

export const REQUEST_LINE_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'set-method', sites: SITES, compile: (words) => compileSet(words, setMethod) },
	{ name: 'set-path', sites: SITES, compile: (words) => compileSet(words, setPath) },
	{ name: 'set-pathq', sites: SITES, compile: (words) => compileSet(words, setPathAndQuery) },
	{ name: 'set-query', sites: SITES, compile: (words) => compileSet(words, setQuery) },
	{ name: 'set-uri', sites: SITES, compile: (words) => compileSet(words, setUri) },
	{ name: 'replace-path', sites: SITES, compile: (words) => compileReplace(words, pathOf, setPath) },
	{ name: 'replace-pathq', sites: SITES, compile: (words) => compileReplace(words, pathAndQueryOf, setPathAndQuery) },
	{ name: 'replace-uri', sites: SITES, compile: (words) => compileReplace(words, (target) => target, setUri) },
];
