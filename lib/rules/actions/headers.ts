/**
 * Header fields: `set-header`, `add-header`, `del-header`, `replace-header`, `replace-value` (manual, 4.2
 * `http-request`). In `http-request` they work on the request, elsewhere on the response that is about to
 * be sent. Replacements are whole: when the expression matches anywhere in a value, the value becomes the
 * expansion of the format, as in HAProxy.
 */
import { asciiLower } from '../../core/bytes.js';
import type { HeaderList } from '../../http/message.js';
import { hostEnd, withAuthority } from '../../http/uri.js';
import { expandReferences } from '../../sample/regex.js';
import type { RuleSite } from '../../sample/types.js';
import { type Action, type ActionDescriptor, HTTP_SITES, type RuleWords, rewriteFailed } from '../action.js';
import { isFramingField, refuseFieldName, safeFieldValue } from '../field-values.js';
import { forEachListValue } from '../list-values.js';
import type { StreamControl } from '../stream-control.js';
import { Verdict } from '../verdict.js';

/** The fields that the rules of a site work on. */
function headersOf(stream: StreamControl, site: RuleSite): HeaderList | undefined {
	return site === 'http-request' ? stream.request?.headers : stream.response?.headers;
}

/**
 * `Host` has changed in a request whose target is in absolute form: the target follows, as in HAProxy, for the server
 * goes by the target and both must name the same host (RFC 9112, section 3.2.2).
 */
function alignTarget(stream: StreamControl, host: string): void {
	const { request } = stream;
	// What is no host could change the path as well.
	if (request === undefined || host === '' || hostEnd(host, 0, host.length) < 0) return;
	request.target = withAuthority(request.target, host);
}

/** Reads the name of a field that the rule will write. */
function writableName(words: RuleWords, word: string): string | undefined {
	const name = asciiLower(word);
	const refusal = refuseFieldName(name);
	return refusal === undefined ? name : words.fail(refusal);
}

function compileWrite(words: RuleWords, replaces: boolean): Action | undefined {
	const first = words.next();
	const text = words.next();
	if (first === undefined || text === undefined) return words.fail('expects exactly 2 arguments');
	const name = writableName(words, first);
	if (name === undefined) return undefined;
	const format = words.format(text);
	if (format === undefined) return undefined;
	const site = words.context.site;
	const isHost = site === 'http-request' && name === 'host';
	return (stream) => {
		const headers = headersOf(stream, site);
		if (headers === undefined) return Verdict.CONTINUE;
		const value = safeFieldValue(format.render(stream));
		if (value === undefined) return rewriteFailed(stream);
		if (replaces) headers.set(name, value);
		else headers.add(name, value);
		if (isHost) alignTarget(stream, value);
		return Verdict.CONTINUE;
	};
}

type NameMatch = (name: string) => boolean;

function compileNameMatch(words: RuleWords, method: string, pattern: string): NameMatch | undefined {
	const lower = asciiLower(pattern);
	switch (method) {
		case 'beg':
			return (name) => name.startsWith(lower);
		case 'end':
			return (name) => name.endsWith(lower);
		case 'sub':
			return (name) => name.includes(lower);
		case 'reg': {
			const regex = words.regex(pattern);
			return regex === undefined ? undefined : (name) => regex.test(name);
		}
	}
	return words.fail(`-m with unsupported matching method '${method}'`);
}

function compileDelete(words: RuleWords): Action | undefined {
	const pattern = words.next();
	if (pattern === undefined) return words.fail('expects at least 1 argument');
	const site = words.context.site;
	let method = 'str';
	if (words.take('-m')) {
		const word = words.next();
		if (word === undefined) return words.fail('-m flag expects exactly 1 argument');
		method = word;
	}
	if (method === 'str') {
		const name = writableName(words, pattern);
		if (name === undefined) return undefined;
		return (stream) => {
			headersOf(stream, site)?.remove(name);
			return Verdict.CONTINUE;
		};
	}
	const matches = compileNameMatch(words, method, pattern);
	if (matches === undefined) return undefined;
	return (stream) => {
		const headers = headersOf(stream, site);
		if (headers === undefined) return Verdict.CONTINUE;
		for (let i = headers.length - 1; i >= 0; i--) {
			const name = headers.names[i] as string;
			// A broad pattern means the fields around the message, not its framing.
			if (matches(name) && !isFramingField(name)) headers.removeAt(i);
		}
		return Verdict.CONTINUE;
	};
}

function compileReplace(words: RuleWords, wholeField: boolean): Action | undefined {
	const first = words.next();
	const source = words.next();
	const text = words.next();
	if (first === undefined || source === undefined || text === undefined)
		return words.fail('expects exactly 3 arguments');
	const name = writableName(words, first);
	if (name === undefined) return undefined;
	const regex = words.regex(source);
	if (regex === undefined) return undefined;
	const format = words.format(text);
	if (format === undefined) return undefined;
	const site = words.context.site;
	const isHost = site === 'http-request' && name === 'host';
	return (stream) => {
		const headers = headersOf(stream, site);
		if (headers === undefined) return Verdict.CONTINUE;
		let index = headers.indexOf(name);
		if (index < 0) return Verdict.CONTINUE;
		const template = format.render(stream);
		const replace = (value: string): string => {
			const match = regex.exec(value);
			return match === undefined ? value : expandReferences(template, match);
		};
		for (; index >= 0; index = headers.indexOf(name, index + 1)) {
			const before = headers.values[index] as string;
			const after = wholeField ? replace(before) : forEachListValue(before, replace);
			if (after === before) continue;
			const value = safeFieldValue(after);
			if (value === undefined) return rewriteFailed(stream);
			headers.replaceAt(index, value);
			if (isHost) alignTarget(stream, value);
		}
		return Verdict.CONTINUE;
	};
}

export const HEADER_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'set-header', sites: HTTP_SITES, compile: (words) => compileWrite(words, true) },
	{ name: 'add-header', sites: HTTP_SITES, compile: (words) => compileWrite(words, false) },
	{ name: 'del-header', sites: HTTP_SITES, compile: compileDelete },
	{ name: 'replace-header', sites: HTTP_SITES, compile: (words) => compileReplace(words, true) },
	{ name: 'replace-value', sites: HTTP_SITES, compile: (words) => compileReplace(words, false) },
];
