/**
 * A request target taken apart, for rules (`path`, `query`, `url`, `base`, `set-path`, ...) and for the
 * checks of the head parser. Offsets are looked up when asked; nothing is decoded or normalised here.
 *
 *     origin form      /path?query
 *     absolute form    http://authority/path?query
 *     authority form   host:port              (CONNECT)
 *     asterisk form    *                      (OPTIONS)
 */
import { CHAR_CLASSES, CharClass } from './characters.js';

/** Index where the path begins, or -1: authority form, `*` (as HAProxy's `path`), absolute form without path. */
export function pathStart(target: string): number {
	if (target.charCodeAt(0) === 47) return 0;
	const authority = authorityStart(target);
	if (authority < 0) return -1;
	for (let i = authority; i < target.length; i++) {
		const code = target.charCodeAt(i);
		if (code === 47) return i;
		if (code === 63) return -1;
	}
	return -1;
}

/** The path without the query, or '' if the target has none (manual, `path`). */
export function pathOf(target: string): string {
	const start = pathStart(target);
	if (start < 0) return '';
	const end = target.indexOf('?', start);
	return end < 0 ? target.slice(start) : target.slice(start, end);
}

/** The path and the query, or '' (manual, `pathq`). */
export function pathAndQueryOf(target: string): string {
	const start = pathStart(target);
	return start < 0 ? '' : target.slice(start);
}

/** What follows the first '?'; undefined without one (manual, `query`). */
export function queryOf(target: string): string | undefined {
	const start = target.indexOf('?');
	return start < 0 ? undefined : target.slice(start + 1);
}

/** Index of the authority in an absolute form, or -1. */
export function authorityStart(target: string): number {
	const colon = target.indexOf('://');
	return colon > 0 && isScheme(target, colon) ? colon + 3 : -1;
}

/** The authority of an absolute form, or undefined. */
export function authorityOf(target: string): string | undefined {
	const start = authorityStart(target);
	if (start < 0) return undefined;
	return target.slice(start, authorityEnd(target, start));
}

export function authorityEnd(target: string, start: number): number {
	let end = start;
	for (; end < target.length; end++) {
		const code = target.charCodeAt(end);
		if (code === 47 || code === 63) break;
	}
	return end;
}

export function schemeOf(target: string): string | undefined {
	const authority = authorityStart(target);
	return authority < 0 ? undefined : target.slice(0, authority - 3);
}

/** A target with another path; the query and what stands before the path stay (`set-path`). */
export function withPath(target: string, path: string): string {
	const query = target.indexOf('?');
	return beforePath(target) + path + (query < 0 ? '' : target.slice(query));
}

/** A target with another path and query (`set-pathq`). */
export function withPathAndQuery(target: string, pathAndQuery: string): string {
	return beforePath(target) + pathAndQuery;
}

/** A target with another query, given without its '?'; empty removes it (`set-query`). */
export function withQuery(target: string, query: string): string {
	const start = target.indexOf('?');
	const base = start < 0 ? target : target.slice(0, start);
	return query === '' ? base : `${base}?${query}`;
}

/** A target in absolute form with another authority; any other form as it is. */
export function withAuthority(target: string, authority: string): string {
	const start = authorityStart(target);
	return start < 0 ? target : target.slice(0, start) + authority + target.slice(authorityEnd(target, start));
}

/**
 * The authority without a port that says what its scheme says already (RFC 3986, section 6.2.3), or undefined if it
 * has none such. CONNECT has no scheme: there both 80 and 443 are taken for one, as HAProxy does.
 */
export function withoutDefaultPort(authority: string, scheme: string | undefined): string | undefined {
	const colon = hostEnd(authority, 0, authority.length);
	if (colon < 0 || colon === authority.length) return undefined;
	const port = authority.slice(colon + 1);
	const isDefault = scheme === undefined ? port === '80' || port === '443' : isDefaultPort(port, scheme);
	return isDefault ? authority.slice(0, colon) : undefined;
}

function isDefaultPort(port: string, scheme: string): boolean {
	const known = defaultPort(scheme);
	return known !== '' && (port === '' || port === known);
}

function beforePath(target: string): string {
	const start = authorityStart(target);
	return start < 0 ? '' : target.slice(0, authorityEnd(target, start));
}

/** RFC 3986, section 3.1: a letter, then letters, digits, `+`, `-` and `.`. */
function isScheme(target: string, end: number): boolean {
	for (let i = 0; i < end; i++) {
		const code = target.charCodeAt(i) | 32;
		const letter = code >= 97 && code <= 122;
		if (!letter && (i === 0 || !isSchemeMark(target.charCodeAt(i)))) return false;
	}
	return end > 0;
}

function isSchemeMark(code: number): boolean {
	return (code >= 48 && code <= 57) || code === 43 || code === 45 || code === 46;
}

/**
 * Index of the colon before the port of `host[:port]` in text[start..end), `end` if there is none, or -1
 * if it is not a host (RFC 3986, section 3.2.2, without user information and without the comma, which
 * would make two values of one for a list-reading fetch).
 */
export function hostEnd(text: string, start: number, end: number): number {
	let position = start;
	if (text.charCodeAt(start) === 91) {
		position = text.indexOf(']', start);
		if (position < start + 3 || position >= end) return -1;
		for (let i = start + 1; i < position; i++) {
			const code = text.charCodeAt(i);
			if (code !== 58 && code !== 46 && (code > 255 || (CHAR_CLASSES[code]! & CharClass.HEX) === 0)) return -1;
		}
		position++;
		if (position === end) return end;
		if (text.charCodeAt(position) !== 58) return -1;
	} else {
		for (; position < end; position++) {
			const code = text.charCodeAt(position);
			if (code > 255 || (CHAR_CLASSES[code]! & CharClass.HOST) === 0) return -1;
			if (code === 58) break;
		}
		if (position === end) return end;
	}
	return isPort(text, position + 1, end) ? position : -1;
}

/** Digits up to 65535; nothing at all is allowed too (`host:`, RFC 3986, section 3.2.3). */
function isPort(text: string, start: number, end: number): boolean {
	let port = 0;
	for (let i = start; i < end; i++) {
		const code = text.charCodeAt(i);
		if (code < 48 || code > 57) return false;
		port = port * 10 + code - 48;
		if (port > 65535) return false;
	}
	return true;
}

/** Default port of a scheme as text, '' for one we do not know. */
function defaultPort(scheme: string): string {
	const lower = scheme.toLowerCase();
	return lower === 'http' ? '80' : lower === 'https' ? '443' : '';
}

/**
 * Whether two authorities name the same host and port, for a request target against Host (CVE-2024-53008).
 * Both must be valid by `hostEnd`. A missing port stands for the scheme's; CONNECT has no scheme, there
 * both 80 and 443 may be left out, as HAProxy 2.6 does.
 */
export function sameAuthority(target: string, host: string, scheme: string | undefined): boolean {
	const targetEnd = hostEnd(target, 0, target.length);
	const hostNameEnd = hostEnd(host, 0, host.length);
	if (targetEnd < 0 || hostNameEnd < 0) return false;
	if (target.slice(0, targetEnd).toLowerCase() !== host.slice(0, hostNameEnd).toLowerCase()) return false;
	const targetPort = target.slice(targetEnd + 1);
	const hostPort = host.slice(hostNameEnd + 1);
	if (targetPort === hostPort) return true;
	if (scheme === undefined) return hostPort === '' && (targetPort === '80' || targetPort === '443');
	const implied = defaultPort(scheme);
	return (targetPort === '' ? implied : targetPort) === (hostPort === '' ? implied : hostPort);
}
