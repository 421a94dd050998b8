/**
 * What may be stored and for how long, what may be answered from the store, and when the client has it already
 * (manual, 6.1; RFC 9111). Pure functions of heads; the observations they follow where the manual is silent are
 * those of HAProxy 2.6, and where HAProxy is stricter than the RFC it is followed.
 */
import type { HeaderList, RequestHead, ResponseHead } from '../http/message.js';
import { pathAndQueryOf } from '../http/uri.js';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Every directive of the Cache-Control fields, in lower case; quotes are taken off values. */
function* directives(headers: HeaderList): Generator<readonly [name: string, value: string]> {
	for (let at = headers.indexOf('cache-control'); at >= 0; at = headers.indexOf('cache-control', at + 1)) {
		for (const part of (headers.values[at] as string).match(/(?:[^,"]|"[^"]*"?)+/g) ?? []) {
			const equals = part.indexOf('=');
			const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
			const value =
				equals < 0
					? ''
					: part
							.slice(equals + 1)
							.trim()
							.replace(/^"(.*)"$/, '$1');
			yield [name, value];
		}
	}
}

/** How a request may meet a cache. */
export const Admission = {
	/** Neither answered from it nor stored. */
	NONE: 0,
	/** Answered by the server; what it says may be stored (`no-cache`, `max-age=0`). */
	STORE: 1,
	/** Looked for. */
	LOOK: 2,
	/** Not asked for, but what is stored for it is out of date if it succeeds. */
	INVALIDATE: 3,
} as const;
export type Admission = (typeof Admission)[keyof typeof Admission];

export function admissionOf(request: RequestHead): Admission {
	const { method, headers } = request;
	if (!SAFE_METHODS.has(method)) return Admission.INVALIDATE;
	if ((method !== 'GET' && method !== 'HEAD') || request.version < 11 || headers.has('authorization')) {
		return Admission.NONE;
	}
	let admission: Admission = Admission.LOOK;
	for (const [name, value] of directives(headers)) {
		if (name === 'no-store') return Admission.NONE;
		if (name === 'no-cache' || (name === 'max-age' && value === '0')) admission = Admission.STORE;
	}
	if (admission === Admission.LOOK && !headers.has('cache-control') && /no-cache/i.test(headers.get('pragma') ?? '')) {
		return Admission.STORE;
	}
	return admission;
}

/**
 * The name of an object: what the client asked for, as it asked for it. HTTP/2 has an authority in every target; it
 * is that of Host, and left out, so that one object answers clients of both versions.
 */
export function cacheKey(request: RequestHead): string {
	if (request.version === 20) return `${request.headers.get('host') ?? ''}${pathAndQueryOf(request.target)}`;
	return `${request.headers.get('host') ?? ''}${request.target.startsWith('/') ? '' : ' '}${request.target}`;
}

/** Seconds that an age may have before it says nothing any more. */
const AGE_MAX_SECONDS = 2 ** 31;

/** The Age field of a response, 0 without one. */
export function ageOf(headers: HeaderList): number {
	const value = headers.get('age');
	if (value === undefined) return 0;
	return /^\d{1,10}$/.test(value) ? Math.min(Number(value), AGE_MAX_SECONDS) : 0;
}

/**
 * Seconds for which the response may be given to others, counted from now; 0: it may not be stored. Without a time of
 * its own a response with a validator gets the cache's `max-age`.
 */
export function lifetimeSeconds(response: ResponseHead, ageMaxSeconds: number, wallMs: number): number {
	const { headers } = response;
	if (response.status !== 200 || headers.has('content-range')) return 0;
	if (/no-cache/i.test(headers.get('pragma') ?? '')) return 0;
	let maxAge: number | undefined;
	let sharedMaxAge: number | undefined;
	for (const [name, value] of directives(headers)) {
		switch (name) {
			case 'no-store':
			case 'no-cache':
			case 'private':
				return 0;
			case 'max-age':
				maxAge = secondsOf(value);
				if (maxAge === 0) return 0;
				break;
			case 's-maxage':
				sharedMaxAge = secondsOf(value);
				if (sharedMaxAge === 0) return 0;
				break;
		}
	}
	let lifetime = sharedMaxAge ?? maxAge;
	if (lifetime === undefined && headers.has('expires')) {
		const expires = Date.parse(headers.get('expires') ?? '');
		if (Number.isNaN(expires) || expires <= wallMs) return 0;
		lifetime = Math.floor((expires - wallMs) / 1000);
	}
	if (lifetime === undefined) {
		if (!headers.has('etag') && !headers.has('last-modified')) return 0;
		lifetime = ageMaxSeconds;
	}
	return Math.max(0, Math.min(lifetime - ageOf(headers), ageMaxSeconds));
}

function secondsOf(value: string): number {
	return /^\d{1,15}$/.test(value) ? Number(value) : 0;
}

/** A request that changes something and has succeeded makes what is stored for its target out of date. */
export function invalidates(response: ResponseHead): boolean {
	return response.status >= 200 && response.status < 400;
}

/**
 * Whether the client has what is stored already: its If-None-Match names the stored tag (weak comparison), or without
 * that field it has seen what was last modified then (RFC 9110, sections 13.1.2 and 13.1.3).
 */
export function isNotModified(request: HeaderList, stored: HeaderList): boolean {
	if (request.has('if-none-match')) {
		const tag = stored.get('etag');
		for (let at = request.indexOf('if-none-match'); at >= 0; at = request.indexOf('if-none-match', at + 1)) {
			const value = request.values[at] as string;
			if (value.trim() === '*') return true;
			if (tag === undefined) continue;
			const opaque = tag.replace(/^W\//, '');
			for (const [, candidate] of value.matchAll(/(?:W\/)?("[^"]*")/g)) if (candidate === opaque) return true;
		}
		return false;
	}
	const since = Date.parse(request.get('if-modified-since') ?? '');
	if (Number.isNaN(since)) return false;
	const modified = Date.parse(stored.get('last-modified') ?? stored.get('date') ?? '');
	return !Number.isNaN(modified) && modified <= since;
}
